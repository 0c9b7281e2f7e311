"""Calls a second: by SIP alone, through the queue, and twice as many as there can be; beside a bare echo on the same core."""

import contextlib
import time

import processes
import size
from bare import Callers, Echo
from processes import Failed
from sip import Agents, Sipp, agent, caller, sink
from vaxel import SIP_MESSAGES, Vaxel, free_port

# Calls a second; the first that fails is the last that is tried.
RATES = size.of((100, 400, 800, 1200, 1500, 1800, 2200, 2700, 3300), (20,))
RATE_SECONDS = size.of(8, 1)
AGENTS = size.of(1000, 20)
# Of talk in each call; nobody says anything.
TALK_MS = 200

OVERLOAD_SECONDS = size.of(20, 1)
# Who decides, and who writes down for the journal what happens in the queues.
THREADS = "engine", "journal"

RECORDS = "vaxel_store_records_total"


@contextlib.contextmanager
def to_trunk(trace=False, most=20000):
    """101 leads by a flow to another trunk: two legs and nothing else."""
    out = free_port()
    with sink() as nobody, Vaxel(agents=0, out=out, most=most) as vaxel:
        port = nobody.getsockname()[1]
        with Sipp(vaxel, "callee", agent(port), "-aa", port=out, trace=trace) as callee:
            yield vaxel, callee, port


@contextlib.contextmanager
def to_agents(agents=AGENTS, trace=False, most=20000):
    """101 leads into a queue that has enough agents."""
    with sink() as nobody, Vaxel(agents=agents, most=most) as vaxel:
        port = nobody.getsockname()[1]
        with Agents(vaxel, agents, port, trace=trace) as callee:
            yield vaxel, callee, port


def one_call(bed):
    """The datagrams of one call: what vaxel is sent, and what it sends, in their turn; bytes."""
    with bed(trace=True) as (vaxel, callee, port):
        with Sipp(vaxel, "caller", caller(port, hangs_up=True), "-m", 1, "-d", TALK_MS, "-timeout", 20, trace=True) as callers:
            if callers.process.wait():
                raise Failed("not even one call succeeds")
            vaxel.wait_for(RECORDS, 1)
            time.sleep(0.2)
            messages = callers.messages() + callee.messages()
    return [length for sent, length in messages if sent], [length for sent, length in messages if not sent]


def sip(table):
    """Calls a second from one trunk to another: INVITE, answer, 200 ms without sound, BYE; no queue, nothing is said."""
    ladder(table, "sip", to_trunk)


def calls(table):
    """Calls a second through answer, queue, offer, bridge, 200 ms of talk without sound, BYE."""
    ladder(table, "calls", to_agents)


def ladder(table, name, bed):
    """Ever more calls a second, until one fails."""
    to_vaxel, from_vaxel = one_call(bed)
    # As many answers as vaxel sends; what is too many for a turn is left out, too few are filled up with nothing.
    answers = (from_vaxel + [0] * len(to_vaxel))[:len(to_vaxel)]
    print(f"  a call is {len(to_vaxel)} datagrams to vaxel ({sum(to_vaxel)} bytes) and {len(from_vaxel)} from it "
          f"({sum(from_vaxel)} bytes)")
    print(f"  {'calls/s':>7} {'failed':>7} {'resent':>7} {'messages':>9} {'CPU ms/call':>12} {'core':>6} {'SIPp':>6} "
          f"{'bare echo ms':>13} {'ratio':>7}")
    first = best = None
    for rate in RATES:
        count = rate * RATE_SECONDS
        with bed() as (vaxel, callee, port):
            before, messages, at = vaxel.cpu(), vaxel.metric(SIP_MESSAGES), processes.busy(processes.LOAD)
            threads = [vaxel.thread_cpu(name) for name in THREADS]
            began = time.monotonic()
            with Sipp(vaxel, "caller", caller(port, hangs_up=True), "-m", count, "-r", rate, "-d", TALK_MS, "-l", 18_000,
                      "-timeout", RATE_SECONDS + 30, "-timeout_error", counts=True) as callers:
                code = callers.process.wait()
                good, failed, resent = callers.counted()
            seconds, load = time.monotonic() - began, part(at, processes.busy(processes.LOAD))
            if code == 0:
                vaxel.wait_for(RECORDS, count)
            cpu, messages = vaxel.cpu() - before, vaxel.metric(SIP_MESSAGES) - messages
            threads = [1000 * (vaxel.thread_cpu(name) - ran) / count for name, ran in zip(THREADS, threads)]
        with Echo(answers) as echo:
            bare = echo.asked(to_vaxel, rate * len(to_vaxel), size.of(2, 1))
        bare = bare["cpu"] / bare["sent"] * len(to_vaxel)
        is_good = code == 0 and good == count
        print(f"  {rate:7d} {count - good:7d} {resent:7d} {messages / count:9.2f} {1000 * cpu / count:12.3f} "
              f"{cpu / seconds:6.0%} {load:6.0%} {1000 * bare:13.3f} {cpu / count / bare:6.1f}×"
              + ("" if is_good else f"  SIPp's exit code is {code}"))
        if not is_good:
            break
        best = rate, 1000 * cpu / count, 1000 * bare, *threads
        first = first or best
    if best is None:
        raise Failed(f"calls fail at {RATES[0]} calls/s already")
    table.capacity[name] = best[0]
    table.add(f"{name}: calls/s without a failure; bare: by its CPU", best[0], 1000 / best[2], "")
    for rate, ours, bare, *threads in dict.fromkeys((first, best)):
        table.add(f"{name}: CPU ms per call, at {rate} calls/s", ours, bare, "0.5 ms")
        for thread, ran in zip(THREADS, threads):
            table.add(f"{name}: of it on the thread {thread}", ran, None, "")


def part(before, after):
    return (after[0] - before[0]) / max(after[1] - before[1], 0.01)


def overload(table):
    """Twice as many calls through the queue as there can be: what becomes of those let in and of those refused."""
    if "calls" not in table.capacity:
        calls(table)
    capacity = table.capacity["calls"]
    rate = 2 * capacity
    # So few calls are never too many for it: the short way to refusals.
    with to_agents(most=size.of(20000, 2)) as (vaxel, callee, port):
        load, before, began = processes.busy(processes.LOAD), vaxel.cpu(), time.monotonic()
        with Callers(vaxel.sip, rate, OVERLOAD_SECONDS, TALK_MS, port) as callers:
            found = callers.numbers()
        load, cpu = part(load, processes.busy(processes.LOAD)), vaxel.cpu() - before
        core = cpu / (time.monotonic() - began)
        before_engine, lost = (vaxel.metric(rf'vaxel_sip_errors_total\{{reason="{reason}"\}} ')
                               for reason in ("calls_overload", "overload"))
    goodput = found["in_time"] / OVERLOAD_SECONDS
    print(f"  {rate} calls/s for {OVERLOAD_SECONDS} s: {found['completed']:.0f} completed ({goodput:.0f}/s), {found['refused']:.0f} "
          f"refused ({before_engine:.0f} before the engine), {found['failed']:.0f} failed; {found['resent']:.0f} requests sent "
          f"again, {lost:.0f} dropped; vaxel's core {core:.0%}, the other {load:.0%}")
    for what, name in (("503", "refused"), ("200", "admitted"), ("200 to BYE", "bye")):
        print(f"  until {what:<10}  p50 {found[name + '_p50']:8.2f} ms, p99 {found[name + '_p99']:8.2f} ms, "
              f"longest {found[name + '_max']:8.2f} ms")
    if found["completed"] + found["refused"] + found["failed"] != found["calls"]:
        raise Failed("calls are neither completed nor refused nor failed")
    if found["unspoken"] > 0:
        raise Failed(f"{found['unspoken']:.0f} were refused without Retry-After")
    table.add(f"overload: calls completed at {rate} calls/s, % of {capacity}", 100 * goodput / capacity, None, "90 %")
    table.add("overload: let in and failed", found["failed"], None, "0")
    for name, share in (("p99", "refused_p99"), ("longest", "refused_max")):
        table.add(f"overload: ms until a refused caller has 503, {name}", found[share], None, "50 ms")
