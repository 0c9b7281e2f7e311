"""vaxel on its core, with as many agents as wanted, and what it says of itself."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

import processes
from processes import Failed

PROGRAM = None  # set by `run`

# As the shipped flow `sales`, but who was served is not thanked, so that the next one may call at once.
BRIEF = """
flow: brief
languages: [en]
start: line
steps:
  line:
    queue:
      name: sales
      while_waiting: { music: calm, announce: { prompts: thank-you-for-waiting, position: true } }
      next: hangup
      failed: hangup
"""


# Straight to the trunk `out`.
THROUGH = """
flow: through
languages: [en]
start: out
steps:
  out:
    transfer: { to: "+46812345", next: hangup, failed: hangup }
"""


def free_port(kind=socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Vaxel:
    """Callers dial 101. Everybody on 127.0.0.1 is a trunk; agents are a0, a1, … with the password x.

    `out`: the port of another trunk, to which 101 then leads. `most`: calls at a time.
    """

    def __init__(self, agents, brief=False, out=None, most=20000):
        self.folder = tempfile.mkdtemp(prefix="vaxel-load-")
        self.sip, http = free_port(), free_port(socket.SOCK_STREAM)
        lines = [
            "[sip]", f'listen = ["udp:127.0.0.1:{self.sip}"]', 'registration_max = "1h"',
            "[http]", f'listen = "127.0.0.1:{http}"',
            # Below the ports that the system gives to the phones.
            "[media]", 'ports = "10000-32767"', "workers = 1", 'silence_limit = "1h"',
            "[data]", 'folder = "data"', "[limits]", f"calls = {most}",
            "[log]", 'filter = "warn"',
            "[[numbers]]", 'number = "101"', f'flow = "{"through" if out else "brief" if brief else "sales"}"',
            "[[queues]]", 'name = "sales"', "needs = { sales = 1 }", "max_waiting = 5000",
            "[[queues]]", 'name = "support"', "needs = { sales = 1 }",
            "[every_agent]", 'wrap_up = "0s"',
            "[[trunks]]", 'name = "load"', 'from = ["127.0.0.1"]',
        ]
        if out:
            lines += ["[[trunks]]", 'name = "out"', f'to = "udp:127.0.0.1:{out}"', 'takes = ["+46"]']
        if brief or out:
            os.mkdir(os.path.join(self.folder, "flows"))
            with open(os.path.join(self.folder, "flows", "load.yaml"), "w") as f:
                f.write(THROUGH if out else BRIEF)
            lines += ["[flows]", 'folder = "flows"']
        for n in range(agents):
            lines += ["[[agents]]", f'name = "a{n}"', f'number = "{10000 + n}"', "skills = { sales = 5 }", 'password = "x"']
        with open(os.path.join(self.folder, "vaxel.toml"), "w") as f:
            f.write("\n".join(lines) + "\n")
        self.log = os.path.join(self.folder, "log")
        with open(self.log, "w") as log:
            self.process = processes.start(processes.MEASURED, PROGRAM, "serve", "--config", "vaxel.toml", cwd=self.folder,
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.http = f"http://127.0.0.1:{http}"
        end = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(self.http + "/readyz", timeout=1)
                return
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    with open(self.log) as log:
                        raise Failed(f"vaxel does not start:\n{log.read()}") from None
                time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        processes.stop(self.process)
        if kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print(f"what vaxel and SIPp left is in {self.folder}")

    def cpu(self):
        return processes.cpu(self.process)

    def thread_cpu(self, name):
        """Seconds that the threads of this name have run."""
        tasks, nanoseconds = f"/proc/{self.process.pid}/task", 0
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/comm") as comm, open(f"{tasks}/{task}/schedstat") as ran:
                nanoseconds += int(ran.read().split()[0]) if comm.read().strip() == name else 0
        return nanoseconds / 1e9

    def memory(self):
        return processes.memory(self.process)

    def metric(self, pattern):
        """The sum of all series whose line begins with the pattern. The media counters are up to a second old."""
        text = urllib.request.urlopen(self.http + "/metrics", timeout=5).read().decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(pattern, line))

    def wait_for(self, pattern, value, limit=60):
        end = time.monotonic() + limit
        while (now := self.metric(pattern)) < value:
            if time.monotonic() > end:
                raise Failed(f"waited {limit} s for {pattern} to be {value}; it is {now:.0f}")
            time.sleep(0.1)


WAITING = r'vaxel_queue_waiting\{queue="sales"\} '
TALKING = r'vaxel_agents\{state="talking"\} '
ANSWERED = r'vaxel_queue_exits_total\{exit="answered",queue="sales"\} '
SIP_MESSAGES = r"vaxel_sip_messages_total\{"
RTP_RECEIVED = r'vaxel_rtp_packets_total\{direction="received"\} '
RTP_SENT = r'vaxel_rtp_packets_total\{direction="sent"\} '
