# Two whole stacks in virtual time, 256 kB each way at the same time, half-closed at the end: on a
# good wire and on bad ones. A few seeds here; SEEDS=1-100 in the environment for more.

import bench
import simbench

SIZE = 256 * 1024


def _many(loss, noise, count, mean, **kw):
    """A transfer for each seed; on the average in less than `mean` ms of virtual time."""
    total = 0
    numbers = simbench.seeds(count)
    for seed in numbers:
        bench.forget()
        s = simbench.Transfer(seed, SIZE, loss, noise, **kw)
        try:
            s.run(limit=60 * mean)
        except AssertionError:
            print("seed", seed)
            raise
        bench.tidy()
        bench.clean()
        total += s.ms
    print("loss %d: %d seeds, %d ms on the average" % (loss, len(numbers), total // len(numbers)))
    assert total // len(numbers) <= mean, total // len(numbers)


def test_loss_0():
    """RFC 9293 3.8: 256 kB each way, frames only shuffled by a millisecond or two."""
    _many(0, 0, 25, 500)


def test_loss_0_in_order():
    """RFC 9293 3.8.1: on a perfect wire nothing is ever sent twice."""
    for seed in simbench.seeds(5):
        bench.forget()
        s = simbench.Transfer(seed, SIZE, jitter=0).run()
        for h in (s.a, s.b):
            stat = h.stat("tcp")
            assert stat["rexmt"] + stat["timeouts"] + stat["out_of_order"] == 0, stat


def test_loss_1():
    """RFC 5681, RFC 6582: 1 % of the frames lost, 1 % damaged, 1 % doubled, 2 % late."""
    _many(1, 1, 25, 2000)


def test_loss_5():
    """RFC 5681, RFC 6582: 5 % lost, damaged, doubled, 10 % late."""
    _many(5, 5, 25, 10000)


def test_loss_5_without_options():
    """RFC 5681, RFC 6582: the same with a peer that knows neither SACK nor timestamps."""
    _many(5, 5, 10, 12000, bare=True)


def test_loss_20():
    """RFC 6298: 20 % lost, 5 % damaged and doubled, 10 % late: slow, and complete."""
    _many(20, 5, 25, 80000)


def _bbr(**kw):
    """Two hosts, all connections of which are controlled by BBR."""
    a, b, wire = bench.pair(**kw)
    for each in (a, b):
        each.tcp.set_congestion("bbr")
    return a, b, wire


def test_bbr():
    """draft-ietf-ccwg-bbr: the same with BBR, with SACK and without."""
    for loss, noise, limit, options in (
        (0, 0, 4000, None),
        (3, 3, 24000, None),
        (20, 5, 180000, None),
        (5, 5, 40000, "timestamps window_scale"),
        (5, 5, 40000, ""),
    ):
        for seed in simbench.seeds(5):
            bench.forget()
            simbench.Transfer(seed, SIZE, loss, noise, pair=_bbr, options=options).run(limit)
            bench.tidy()
            bench.clean()


def test_repeats():
    """STYLE 6.8: a seed repeats to the byte: every frame, and the moment at which it was sent."""
    for loss, noise in ((0, 0), (5, 5), (20, 5)):
        digests = []
        for _ in range(2):
            bench.forget()
            s = simbench.Transfer(77, SIZE // 4, loss, noise).run(3600000)
            bench.tidy()
            bench.clean()
            digests.append(s.digest)
        assert digests[0] == digests[1]
    bench.forget()
    assert simbench.Transfer(78, SIZE // 4, 20, 5).run(3600000).digest != digests[0]


bench.run_tests(globals())
