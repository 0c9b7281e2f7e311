"""The programs of tests/bench/bare.rs: the phones, and the bare sockets that vaxel is measured beside."""

import subprocess

import processes
from processes import LOAD, MEASURED, Failed

PROGRAM = None  # set by `run`


class Bare:
    """One of them. It ends with its standard input."""

    def __init__(self, core, *arguments):
        self.process = processes.start(core, PROGRAM, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        processes.stop(self.process)
        self.process.stdin.close()
        self.process.stdout.close()

    def cpu(self):
        return processes.cpu(self.process)

    def memory(self):
        return processes.memory(self.process)

    def write(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"{' '.join(self.process.args)} ended with {self.process.wait()}")
        return line

    def numbers(self):
        """Of a line like `sent 5 received 4`."""
        words = self.read().split()
        return {name: float(number) for name, number in zip(words[::2], words[1::2])}


class Phones(Bare):
    """Each sends a packet each 20 ms when it talks, evenly spread, and counts what it hears; all in one thread."""

    def __init__(self, count):
        super().__init__(LOAD, "phones", count)
        self.ports = [int(port) for port in self.read().split()]

    def send_to(self, ports):
        """Where the first, the second … phone sends to."""
        self.write("to " + " ".join(map(str, ports)))

    def run(self, seconds, talk):
        self.write(f"run {seconds} {'talk' if talk else 'listen'}")
        return self.numbers()

    def measure(self, who, seconds, talk):
        """One run, with the CPU seconds that `who` used in it."""
        before = who.cpu()
        heard = self.run(seconds, talk)
        heard["cpu"] = who.cpu() - before
        return heard


class Relay(Bare):
    """Between the phones 2n and 2n + 1."""

    def __init__(self, phones, step_ms):
        super().__init__(MEASURED, "relay", "--step-ms", step_ms)
        self.write(" ".join(map(str, phones.ports)))
        self.ports = [int(port) for port in self.read().split()]


class Sender(Bare):
    """To each phone a packet each 20 ms, paced by the millisecond."""

    def __init__(self, phones):
        super().__init__(MEASURED, "sender")
        self.write(" ".join(map(str, phones.ports)))


class Echo(Bare):
    """Answers each datagram with one of `answers` bytes, in turn."""

    def __init__(self, answers):
        super().__init__(MEASURED, "echo", "--answers", ",".join(map(str, answers)))
        self.port = int(self.read())

    def asked(self, sizes, rate, seconds):
        """Datagrams of these sizes, in turn, at a rate: CPU seconds of the echo, and what was sent and answered."""
        with Bare(LOAD, "ask", "--to", self.port, "--sizes", ",".join(map(str, sizes)), "--rate", rate,
                  "--seconds", seconds) as ask:
            before = self.cpu()
            counted = ask.numbers()
            return {**counted, "cpu": self.cpu() - before}


class Callers(Bare):
    """Who call at this rate, take 503 for an answer, and hang up after `talk_ms`. Ends with the last of them."""

    def __init__(self, to, rate, seconds, talk_ms, sdp_port):
        super().__init__(LOAD, "callers", "--to", to, "--rate", rate, "--seconds", seconds, "--talk", talk_ms, "--sdp-port", sdp_port)
