"""Who calls and who answers: SIPp with its scenarios, and the agents' registration."""

import hashlib
import os
import re
import socket
import subprocess
import time

import processes
from processes import Failed
from vaxel import free_port

SDP = """v=0
o=load 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio {port} RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
"""

# Writes the phone's own port, from the file of ports, and the one that vaxel told, to SIPp's log.
TELL = """<action><ereg regexp="m=audio ([0-9]+)" search_in="msg" check_it="true" assign_to="1,2"/>
<log message="ports [field0] [$2]"/></action>"""
TOLD = '<Reference variables="1"/>'

# To a request: the lines of it that an answer repeats.
ANSWER = """
SIP/2.0 {code}
[last_Via:]
[last_From:]
[last_To:]{tag}
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:a@[local_ip]:[local_port]>
{rest}"""

EMPTY = "Content-Length: 0\n\n"


def send(text, retransmit=False):
    start = '<send retrans="500">' if retransmit else "<send>"
    return f"{start}<![CDATA[{text}]]></send>\n"


def with_sdp(port):
    return f"Content-Type: application/sdp\nContent-Length: [len]\n\n{SDP.format(port=port)}\n"


def ended():
    """Waits for the BYE."""
    return '<recv request="BYE" timeout="3600000"/>\n' + send(ANSWER.format(code="200 OK", tag="", rest=EMPTY))


def caller(port, hangs_up, tells=False):
    """Dials 101. Hangs up after the pause that SIPp is told, or waits to be hung up on."""

    def request(method, uri, cseq, to, rest):
        return f"""
{method} {uri} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:+4670[call_number]@[local_ip]>;tag=[pid]c[call_number]
{to}
Call-ID: [call_id]
CSeq: {cseq}
Max-Forwards: 70
Contact: <sip:c@[local_ip]:[local_port]>
{rest}"""

    invite = request("INVITE", "sip:101@[remote_ip]:[remote_port]", "1 INVITE", "To: <sip:101@[remote_ip]>", with_sdp(port))
    bye = request("BYE", "[next_url]", "2 BYE", "[last_To:]", EMPTY)
    return (send(invite, retransmit=True)
            + '<recv response="100" optional="true"/><recv response="180" optional="true"/>\n'
            + f'<recv response="200" rrs="true">{TELL if tells else ""}</recv>\n'
            + send(request("ACK", "[next_url]", "1 ACK", "[last_To:]", EMPTY))
            + ('<pause/>\n' + send(bye, retransmit=True) + '<recv response="200"/>\n' if hangs_up else ended())
            + (TOLD if tells else ""))


def agent(port, tells=False):
    """Rings, answers at once, waits to be hung up on."""
    tag = ";tag=[pid]a[call_number]"
    return (f'<recv request="INVITE">{TELL if tells else ""}</recv>\n'
            + send(ANSWER.format(code="180 Ringing", tag=tag, rest=EMPTY))
            + send(ANSWER.format(code="200 OK", tag=tag, rest=with_sdp(port)), retransmit=True)
            + '<recv request="ACK"/>\n' + ended() + (TOLD if tells else ""))


class Sipp:
    """One SIPp. `ports`: told to its calls in turn, as [field0]. `trace`: writes down every message. `counts`: calls."""

    def __init__(self, vaxel, name, scenario, *arguments, port=None, ports=None, trace=False, counts=False):
        self.path = os.path.join(vaxel.folder, name)
        with open(self.path + ".xml", "w") as f:
            f.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="{name}">\n{scenario}\n</scenario>\n')
        command = ["sipp", "-sf", self.path + ".xml", f"127.0.0.1:{vaxel.sip}", "-i", "127.0.0.1", "-p", port or free_port(),
                   "-nostdin", "-trace_err", "-error_file", self.path + ".errors", *arguments]
        if ports:
            with open(self.path + ".csv", "w") as f:
                f.write("SEQUENTIAL\n" + "".join(f"{port}\n" for port in ports))
            command += ["-inf", self.path + ".csv", "-trace_logs", "-log_file", self.path + ".log"]
        if trace:
            command += ["-trace_msg", "-message_file", self.path + ".messages"]
        if counts:
            command += ["-trace_stat", "-stf", self.path + ".stat", "-fd", 1]
        quiet = {name: subprocess.DEVNULL for name in ("stdin", "stdout", "stderr")}
        self.process = processes.start(processes.LOAD, *command, cwd=vaxel.folder, env={**os.environ, "TERM": "dumb"},
                                       **quiet)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        processes.stop(self.process)

    def told(self, count):
        """Phone's port → the port that vaxel told it, once `count` phones know theirs."""
        end = time.monotonic() + 20
        while True:
            with open(self.path + ".log") as log:
                pairs = {int(own): int(told) for own, told in re.findall(r"ports (\d+) (\d+)\s", log.read())}
            if len(pairs) >= count:
                return pairs
            if time.monotonic() > end:
                raise Failed(f"{len(pairs)} of {count} phones know where to send to")
            time.sleep(0.1)

    def counted(self):
        """Calls that succeeded and failed, and requests sent again, once it has ended."""
        with open(self.path + ".stat") as stat:
            names, *_, last = [line.rstrip("\n").split(";") for line in stat]
        found = dict(zip(names, last))
        return [int(found[name]) for name in ("SuccessfulCall(C)", "FailedCall(C)", "Retransmissions(C)")]

    def messages(self):
        """Each datagram in its turn: sent (or received), and its bytes."""
        with open(self.path + ".messages") as trace:
            found = re.findall(r"^UDP message (sent|received) [(\[](\d+)[)\] ]", trace.read(), re.M)
        return [(what == "sent", int(size)) for what, size in found]


class Agents(Sipp):
    """`count` agents, registered at the one port where this SIPp answers."""

    def __init__(self, vaxel, count, sdp_port, **how):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            register(sock, vaxel.sip, [f"a{n}" for n in range(count)])
            port = sock.getsockname()[1]
        super().__init__(vaxel, "agents", agent(sdp_port, tells="ports" in how), "-aa", port=port, **how)


def register(sock, server, users):
    """Registers users at a socket's address, one after the other, for an hour."""
    port, uri = sock.getsockname()[1], f"sip:127.0.0.1:{server}"
    sock.settimeout(5)
    for n, user in enumerate(users):
        authorization = ""
        for cseq in (1, 2):
            sock.sendto((f"REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKr{n}c{cseq}p{port}\r\n"
                         f"From: <sip:{user}@127.0.0.1>;tag=r{n}\r\nTo: <sip:{user}@127.0.0.1>\r\nCall-ID: r{n}-{port}\r\n"
                         f"CSeq: {cseq} REGISTER\r\nContact: <sip:{user}@127.0.0.1:{port}>\r\nExpires: 3600\r\n"
                         f"Max-Forwards: 70\r\n{authorization}Content-Length: 0\r\n\r\n").encode(), ("127.0.0.1", server))
            answer = sock.recv(65536).decode()
            if answer.startswith("SIP/2.0 200"):
                break
            challenge = next(line for line in answer.split("\r\n") if line.startswith("WWW-Authenticate"))
            authorization = digest(user, uri, challenge)
        else:
            raise Failed(f"{user} cannot register: {answer.splitlines()[0]}")


def digest(user, uri, challenge):
    field = lambda name: re.search(name + r'="?([^",]+)', challenge).group(1)
    md5 = lambda text: hashlib.md5(text.encode()).hexdigest()
    ha1, ha2 = md5(f"{user}:{field('realm')}:x"), md5(f"REGISTER:{uri}")
    response = md5(f"{ha1}:{field('nonce')}:00000001:c:auth:{ha2}")
    return (f'Authorization: Digest username="{user}", realm="{field("realm")}", nonce="{field("nonce")}", uri="{uri}", '
            f'response="{response}", algorithm=MD5, cnonce="c", qop=auth, nc=00000001\r\n')


def sink():
    """A socket that takes sound and is never read; its port goes into every SDP where nobody listens."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.bind(("127.0.0.1", 0))
    return s
