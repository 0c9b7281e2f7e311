"""Programs that are started here, the core they get, and what they cost."""

import atexit
import os
import shutil
import subprocess
import time

import size

CORES = sorted(os.sched_getaffinity(0))
# What is measured runs alone on one core, everything that makes load on another.
MEASURED, LOAD = CORES[0], CORES[-1]

children = []


class Failed(Exception):
    """A measurement did not come about; the text says why."""


def need(*programs):
    packages = {"sipp": "sip-tester", "taskset": "util-linux", "cargo": "see https://rustup.rs"}
    for program in programs:
        if shutil.which(program) is None:
            raise Failed(f"{program} is missing (Debian: {packages[program]})")
    if len(CORES) < 2 and not size.IS_QUICK:
        raise Failed("two cores are needed: one for what is measured, one for those who call")


def start(core, *command, **settings):
    """A process on one core; ends with this one at the latest."""
    process = subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], **settings)
    children.append(process)
    return process


def stop(process):
    process.kill()
    process.wait()
    children.remove(process)


@atexit.register
def stop_all():
    for process in children[:]:
        stop(process)


def cpu(process):
    """Seconds of CPU that a process has used, user and system, threads that ended included.

    It is what /proc/PID/stat shows, without its rounding to hundredths: the clock that clock_getcpuclockid(3) names.
    """
    return time.clock_gettime_ns((~process.pid << 3) | 2) / 1e9


def busy(core):
    """Seconds for which a core has worked, for whomever, and seconds that have passed; hundredths."""
    with open("/proc/stat") as stat:
        ticks = [int(word) for word in next(line for line in stat if line.startswith(f"cpu{core} ")).split()[1:9]]
    # The fourth and fifth: idle, and idle while a disk worked.
    return (sum(ticks) - ticks[3] - ticks[4]) / 100, sum(ticks) / 100


def memory(process):
    """Resident kilobytes. What the kernel keeps for sockets is not in it."""
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
