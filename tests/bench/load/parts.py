"""Callers who wait, and calls that are up; each beside bare sockets on the same core."""

import statistics
import time

import size
from bare import Phones, Relay, Sender
from processes import Failed
from sip import Agents, Sipp, caller, sink
from vaxel import RTP_RECEIVED, RTP_SENT, TALKING, WAITING, Vaxel

WAITING_CALLERS = size.of(1000, 10)
BRIDGED_CALLS = size.of(200, 5)
ROUNDS, ROUND_SECONDS = size.of((3, 5), (1, 1))
# When more packets than this part are missing, what the others cost says nothing.
TOLERANCE = 0.05


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
