"""Calls, callers who wait, and calls that are up; each beside bare sockets on the same core."""

import statistics
import time

import processes
from bare import Echo, Phones, Relay, Sender
from processes import Failed
from sip import Agents, Sipp, caller, sink
from vaxel import ANSWERED, RTP_RECEIVED, RTP_SENT, SIP_MESSAGES, TALKING, WAITING, Vaxel

# Calls a second; the first that fails is the last that is tried.
RATES = (100, 200, 400, 600, 800, 1000, 1200, 1500, 1800, 2200)
RATE_SECONDS = 8
AGENTS = 1000

WAITING_CALLERS = 1000
BRIDGED_CALLS = 200
ROUNDS, ROUND_SECONDS = 3, 5
# When more packets than this part are missing, what the others cost says nothing.
TOLERANCE = 0.05


def one_call():
    """The datagrams of one call: what vaxel is sent, and what it sends, in their turn; bytes."""
    with sink() as nobody, Vaxel(agents=1) as vaxel:
        port = nobody.getsockname()[1]
        with Agents(vaxel, 1, port, trace=True) as agents, \
             Sipp(vaxel, "caller", caller(port, hangs_up=True), "-m", 1, "-d", 200, "-timeout", 20, trace=True) as callers:
            if callers.process.wait():
                raise Failed("not even one call succeeds")
            vaxel.wait_for("vaxel_store_records_total", 1)
            time.sleep(0.2)
            messages = callers.messages() + agents.messages()
    return [size for sent, size in messages if sent], [size for sent, size in messages if not sent]


def calls(table):
    """Calls a second through answer, queue, offer, bridge, 200 ms of talk without sound, BYE."""
    to_vaxel, from_vaxel = one_call()
    # As many answers as vaxel sends; what is too many for a turn is left out, too few are filled up with nothing.
    answers = (from_vaxel + [0] * len(to_vaxel))[:len(to_vaxel)]
    print(f"  a call is {len(to_vaxel)} datagrams to vaxel ({sum(to_vaxel)} bytes) and {len(from_vaxel)} from it "
          f"({sum(from_vaxel)} bytes)")
    print(f"  {'calls/s':>7} {'failed':>7} {'messages':>9} {'CPU ms/call':>12} {'core':>6} {'bare echo ms':>13} {'ratio':>7}")
    first = best = None
    for rate in RATES:
        count = rate * RATE_SECONDS
        with sink() as nobody, Vaxel(agents=AGENTS) as vaxel:
            port = nobody.getsockname()[1]
            with Agents(vaxel, AGENTS, port) as agents:
                before, messages, at = vaxel.cpu(), vaxel.metric(SIP_MESSAGES), time.monotonic()
                load = processes.cpu(agents.process)
                with Sipp(vaxel, "caller", caller(port, hangs_up=True), "-m", count, "-r", rate, "-d", 200, "-l", 20000,
                          "-timeout", RATE_SECONDS + 30, "-timeout_error") as callers:
                    code = callers.process.wait()
                seconds = time.monotonic() - at
                answered = vaxel.metric(ANSWERED)
                if code == 0:
                    vaxel.wait_for("vaxel_store_records_total", count)
                cpu, messages = vaxel.cpu() - before, vaxel.metric(SIP_MESSAGES) - messages
                load = processes.cpu(agents.process) - load
        good = code == 0 and answered == count
        with Echo(answers) as echo:
            bare = echo.asked(to_vaxel, rate * len(to_vaxel), 4)
        bare = bare["cpu"] / bare["sent"] * len(to_vaxel)
        print(f"  {rate:7d} {count - answered:7.0f} {messages / count:9.2f} {1000 * cpu / count:12.3f} {cpu / seconds:6.0%} "
              f"{1000 * bare:13.3f} {cpu / count / bare:6.1f}×" + ("" if good else f"  SIPp's exit code is {code}"))
        if not good:
            print(f"  at {rate} calls/s the agents' SIPp used {load / seconds:.0%} of the other core")
            break
        best = rate, 1000 * cpu / count, 1000 * bare
        first = first or best
    if best is None:
        raise Failed(f"calls fail at {RATES[0]} calls/s already")
    table.add("calls/s without a failure, one core; bare: by its CPU", best[0], 1000 / best[2], "")
    for rate, ours, bare in (first, best):
        table.add(f"CPU ms per call, at {rate} calls/s", ours, bare, "0.5 ms")


def waiting(table):
    """Callers who wait and hear music: memory and CPU."""
    n = WAITING_CALLERS
    with Phones(n) as phones:
        with Vaxel(agents=1) as vaxel:
            base = vaxel.memory()
            with Sipp(vaxel, "caller", caller("[field0]", hangs_up=False, tells=True), "-m", n, "-r", 200, "-l", n,
                      ports=phones.ports) as callers:
                vaxel.wait_for(WAITING, n)
                told = callers.told(n)
                phones.run(2, talk=False)
                silent = [phones.measure(vaxel, ROUND_SECONDS, talk=False) for _ in range(ROUNDS)]
                phones.send_to([told[port] for port in phones.ports])
                talking = [phones.measure(vaxel, ROUND_SECONDS, talk=True) for _ in range(ROUNDS)]
                memory = (vaxel.memory() - base) / n
                if vaxel.metric(WAITING) != n:
                    raise Failed("somebody does not wait any more")
        with Sender(phones) as sender:
            phones.run(1, talk=False)
            bare = [phones.measure(sender, ROUND_SECONDS, talk=False) for _ in range(ROUNDS)]
            bare_memory = sender.memory() / n
    heard = sum(run["received"] for run in silent) / (n * 50 * ROUNDS * ROUND_SECONDS)
    if abs(heard - 1) > TOLERANCE:
        raise Failed(f"{n} callers heard {heard:.1%} of the packets that music has")
    ours, floor, busy = per_packet(silent), per_packet(bare), per_packet(talking)
    print(f"  {n} callers heard {heard:.2%} of the packets that music has; {memory:.1f} kB each")
    print(f"  {ours:.2f} µs CPU per packet, {ours * n * 50 / 1e6:.0%} of a core; with callers who send sound too {busy:.2f} µs; "
          f"bare sender {floor:.2f} µs")
    table.add(f"memory per waiting caller, kB ({n}, with music)", memory, bare_memory, "40 kB")
    table.add("CPU µs per packet of music", ours, floor, "")
    table.add("CPU µs per packet of music, callers send too", busy, floor, "")


def bridged(table):
    """Calls that are up, with sound both ways.

    The calls are set up by SIPp, and each party sends from the port in its own SDP to the port in vaxel's. The sound
    itself comes from tests/bench/bare.rs: SIPp's rtp_stream sends in bursts and cannot say what was heard, and the same
    phones must talk through the bare relay, so that only the relay differs.
    """
    n = BRIDGED_CALLS
    with Phones(2 * n) as phones:
        with Vaxel(agents=n) as vaxel:
            base = vaxel.memory()
            with Agents(vaxel, n, "[field0]", ports=phones.ports[1::2]) as agents, \
                 Sipp(vaxel, "caller", caller("[field0]", hangs_up=True, tells=True), "-m", n, "-r", 100, "-l", n,
                      "-d", 600_000, ports=phones.ports[::2]) as callers:
                vaxel.wait_for(TALKING, n)
                told = {**callers.told(n), **agents.told(n)}
                ports = [told[port] for port in phones.ports]
                phones.send_to(ports)
                phones.run(2, talk=True)
                ours, memory, counted = [], 0, [0, 0]
                relays = {"at once": 0, "once a millisecond": 1}
                bare = {name: [] for name in relays}
                for _ in range(ROUNDS):
                    # Vaxel and the bare relays take turns: what disturbs one disturbs the others.
                    phones.send_to(ports)
                    phones.run(1, talk=True)
                    before = rtp(vaxel)
                    ours.append(phones.measure(vaxel, ROUND_SECONDS, talk=True))
                    memory = max(memory, (vaxel.memory() - base) / n)
                    counted = [sum_ + now - then for sum_, now, then in zip(counted, rtp(vaxel), before)]
                    for name, step in relays.items():
                        with Relay(phones, step) as relay:
                            phones.send_to(relay.ports)
                            phones.run(0.5, talk=True)
                            bare[name].append(phones.measure(relay, ROUND_SECONDS, talk=True))
                            bare_memory = relay.memory() / n
                if vaxel.metric(TALKING) != n:
                    raise Failed("somebody does not talk any more")
    sent, received = (sum(run[what] for run in ours) for what in ("sent", "received"))
    print(f"  {n} calls, {n * 100} packets/s each way: phones sent {sent:.0f}, vaxel counted {counted[0]:.0f} in and "
          f"{counted[1]:.0f} out, phones heard {received:.0f}: {1 - received / sent:.3%} lost; {memory:.1f} kB per call")
    if min(*counted, received) < (1 - TOLERANCE) * sent:
        raise Failed("sound was lost")
    for name, runs in {"vaxel": ours, **{f"bare relay, {name}": runs for name, runs in bare.items()}}.items():
        delay = [statistics.median(run[share] for run in runs) for share in ("p50", "p99")]
        print(f"  {name:<31} {per_packet(runs):6.2f} µs per packet, under way p50 {delay[0]:.2f} ms, p99 {delay[1]:.2f} ms")
    table.add(f"memory per bridged call, kB ({n}, with sound)", memory, bare_memory, "")
    table.add("CPU µs per relayed packet; bare: each at once", per_packet(ours), per_packet(bare["at once"]), "1.25 ×")
    table.add("CPU µs per relayed packet; bare: by the ms", per_packet(ours), per_packet(bare["once a millisecond"]), "")


def rtp(vaxel):
    """What vaxel has counted, in and out, once the phones are silent."""
    time.sleep(1.5)
    return vaxel.metric(RTP_RECEIVED), vaxel.metric(RTP_SENT)


def per_packet(runs):
    return statistics.median(run["cpu"] / run["received"] * 1e6 for run in runs)
