"""How long a line waits for an agent who is free again."""

import gc
import math
import os
import re
import socket
import statistics
import struct
import time

import processes
import size
from bare import Echo
from processes import Failed
from sip import SDP, Agents, Sipp, caller, register, sink
from vaxel import TALKING, WAITING, Vaxel

LINES = size.of((1, 100, 1000), (3,))
TURNS = size.of(1000, 3)
# Logged in; one of them is measured, and the others talk.
AGENTS = size.of(1000, 3)
# From <asm-generic/socket.h>; Python has no name for it.
SO_TIMESTAMPNS = 35


def free(table):
    """From an agent's BYE to the next INVITE at the same phone, so many callers waiting and 999 other agents talking.

    The clock starts before `sendto` of the BYE and stops when the kernel has the INVITE in the agent's socket
    (SO_TIMESTAMPNS), so that it does not matter how soon this program is woken. SIPp is at rest at the BYE.
    """
    print(f"  {'waiting':>7} {'turns':>6} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}   bare echo beside: "
          f"{'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}")
    os.sched_setaffinity(0, {processes.LOAD})
    gc.collect()
    gc.disable()
    for n in LINES:
        with sink() as nobody, Vaxel(agents=AGENTS, brief=True) as vaxel:
            sdp_port = nobody.getsockname()[1]
            # Who was served calls again at once, as a new call.
            with Agents(vaxel, AGENTS - 1, sdp_port), \
                 Sipp(vaxel, "caller", caller(sdp_port, hangs_up=False), "-m", 10 * (AGENTS + n + TURNS), "-r", 100,
                      "-l", AGENTS + n, "-timeout", 1200):
                vaxel.wait_for(TALKING, AGENTS - 1)
                vaxel.wait_for(WAITING, n + 1)
                times = turns(vaxel, n, sdp_port)
                with Echo([900]) as echo:
                    bare = round_trips(echo.port)
        show = lambda times: " ".join(f"{at:8.3f}" for at in (statistics.median(times), share(times, 0.99), times[-1]))
        print(f"  {n:7d} {len(times):6d} {show(times)}   {'':18} {show(bare)}")
        table.add(f"agent free → INVITE, p50 ms, {n} waiting", statistics.median(times), statistics.median(bare), "")
        table.add(f"agent free → INVITE, p99 ms, {n} waiting", share(times, 0.99), share(bare, 0.99), "5 ms")
    gc.enable()
    os.sched_setaffinity(0, processes.CORES)


def turns(vaxel, n, sdp_port):
    """Sorted milliseconds, of the last agent."""
    agent = f"a{AGENTS - 1}"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        register(sock, vaxel.sip, [agent])
        port, server, times, last = sock.getsockname()[1], ("127.0.0.1", vaxel.sip), [], None
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        body = SDP.format(port=sdp_port).replace("\n", "\r\n")
        while len(times) < TURNS:
            invite, came = receive(sock, lambda text: text.startswith("INVITE ") and header(text, "Call-ID") != last)
            if last:
                times.append((came - left) / 1e6)
            last = header(invite, "Call-ID")
            vias = re.findall(r"^Via:.*$", invite, re.M)
            us, them = header(invite, "To") + ";tag=a", header(invite, "From")
            answer = ["SIP/2.0 200 OK", *(via.rstrip("\r") for via in vias), f"From: {them}", f"To: {us}", f"Call-ID: {last}",
                      f"CSeq: {header(invite, 'CSeq')}", f"Contact: <sip:{agent}@127.0.0.1:{port}>",
                      "Content-Type: application/sdp", f"Content-Length: {len(body)}", "", body]
            sock.sendto("\r\n".join(answer).encode(), server)
            receive(sock, lambda text: text.startswith("ACK "))
            target = re.search(r"<([^>]+)>", header(invite, "Contact")).group(1)
            bye = [f"BYE {target} SIP/2.0", f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKb{len(times)}",
                   f"From: {us}", f"To: {them}", f"Call-ID: {last}", "CSeq: 1 BYE", "Max-Forwards: 70", "Content-Length: 0",
                   "", ""]
            bye = "\r\n".join(bye).encode()
            # Until who came last is in line and everything is at rest, on a busy machine too.
            for _ in range(100):
                vaxel.wait_for(WAITING, n)
                time.sleep(0.04)
                if (waiting := vaxel.metric(WAITING)) == n:
                    break
            else:
                raise Failed(f"{waiting:.0f} callers wait instead of {n}")
            time.sleep(0.01)
            left = time.clock_gettime_ns(time.CLOCK_REALTIME)
            sock.sendto(bye, server)
    return sorted(times)


def round_trips(port):
    """A datagram as long as a BYE through the echo, which answers with one as long as an INVITE; sorted milliseconds."""
    times = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.settimeout(5)
        for _ in range(TURNS):
            left = time.clock_gettime_ns(time.CLOCK_REALTIME)
            sock.sendto(b"x" * 400, ("127.0.0.1", port))
            times.append((stamped(sock)[1] - left) / 1e6)
            time.sleep(0.01)
    return sorted(times)


def receive(sock, wanted):
    """The next message that is wanted, and when the kernel had it."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        data, came = stamped(sock)
        text = data.decode()
        if wanted(text):
            return text, came
    raise Failed("the agent's phone waited 20 s for a message")


def stamped(sock):
    """A datagram, and the nanosecond of its arrival by the wall clock."""
    try:
        data, control, _, _ = sock.recvmsg(65536, socket.CMSG_SPACE(16))
    except TimeoutError:
        raise Failed("nothing came for 5 s") from None
    for level, kind, value in control:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("qq", value)
            return data, seconds * 1_000_000_000 + nanoseconds
    raise Failed("the kernel does not say when a datagram came")


def header(message, name):
    return re.search(rf"^{name}: *(.*?)\r$", message, re.M | re.I).group(1)


def share(times, part):
    """The smallest that this part of the sorted times does not exceed."""
    return times[math.ceil(part * len(times)) - 1]
