# targets: unix (shares are about the protocol, not the machine; on boards: test_transfer.py)
#
# BBR in virtual time: on paths that lose frames at random it is not slowed down, and where a queue
# is full it gives way as others do. Two whole stacks, one of them sending.

import bench
import simbench

MS = 12000  # a bottleneck is shared for so long; the first quarter does not count
RATE = 1250  # bytes a millisecond: 10 Mbit/s


def _endless(names, loss=0, rate=0, queue=0, seed=1):
    """Connections that send for ever over 20 ms there and back, controlled as `names` say."""
    s = simbench.Transfer(
        seed, 1 << 29, loss, delay=10, jitter=0, back=0, budget=8 << 20, conns=len(names)
    )
    s.wire.rate = rate
    s.wire.queue = queue
    for end, name in zip(s.ends, names):
        end.conn.set_congestion(name)
    return s


def _got(s, names):
    """Bytes that have come through each connection."""
    ports = {end.conn.rport: end.got for end in s.ends[len(names) :]}
    return [ports.get(end.conn.lport, 0) for end in s.ends[: len(names)]]


def _shares(names, queue, ms=MS):
    """kbit/s of each, and the scene."""
    s = _endless(names, rate=RATE, queue=queue)
    s.wire.run(ms // 4, s.step)
    before = _got(s, names)
    s.wire.run(ms - ms // 4, s.step)
    return [(a - b) * 8 // (ms - ms // 4) for a, b in zip(_got(s, names), before)], s


def _goodput(name, loss):
    """Bytes in 4 seconds."""
    total = 0
    for seed in simbench.seeds(2):
        bench.forget()
        s = _endless((name,), loss, seed=seed)
        s.wire.run(4000, s.step)
        total += _got(s, (name,))[0]
        bench.tidy()
    return total


def test_loss_at_random():
    """BBR, design goal of section 3: 1 % of loss does not matter; nor does more stop it."""
    for loss, times in ((1, 3), (3, 2)):
        bbr = _goodput("bbr", loss)
        cubic = _goodput("cubic", loss)
        print("%d %%: %d kB with BBR, %d with CUBIC" % (loss, bbr // 1000, cubic // 1000))
        assert bbr > times * cubic, (bbr, cubic)


def test_fills_the_path():
    """Alone on a bottleneck, whatever its queue: most of it is used, and a long queue is not
    filled."""
    for queue in (12500, 25000, 75000):
        bench.forget()
        (rate,), s = _shares(("bbr",), queue)
        rtt = s.ends[0].conn.cb[18] >> 3
        print("queue %d: %d kbit/s, %d ms" % (queue, rate, rtt))
        assert rate > 7000 and rtt < 45, (rate, rtt)
        bench.tidy()


def test_gives_way():
    """Beside CUBIC, Reno, and another of its kind: nobody gets less than a fifth."""
    for names in (("bbr", "cubic"), ("bbr", "reno"), ("bbr", "bbr")):
        for queue in (12500, 25000, 75000):
            bench.forget()
            shares, _ = _shares(names, queue)
            print("%s, queue %d: %r kbit/s" % (" ".join(names), queue, shares))
            assert min(shares) > 2000 and sum(shares) > 7000, shares
            bench.tidy()


def test_least_round_trip():
    """Section 5.3.4.3: another's queue hides how short the path is. Every ten seconds as little is
    sent as shows it, when nobody else is there any more."""
    s = _endless(("bbr", "cubic"), rate=RATE, queue=75000)
    s.wire.run(2000, s.step)
    conn = s.ends[0].conn
    conn.cb[81] = 2  # MIN_RTT of a path that was shorter
    states = set()

    def step():
        states.add(conn.model.state)
        return s.step()

    s.wire.run(12000, step)
    assert 6 in states and conn.cb[81] >= 20, (states, conn.cb[81])


bench.run_tests(globals())
