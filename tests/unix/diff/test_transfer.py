# The same traffic with the fast path on and off (DESIGN 1): live transfers between a twin and a
# whole stack, both ways at once, with every option on and off, loss, reordering, many connections.
# SEEDS=1-100 in the environment for more.

import bench
import simbench
import twin

SIZE = (64 if bench.UNIX else 16) * 1024
BULK = 64 * 1024
EVERY = 2 if bench.UNIX else 8


def _transfer(tally, which, seed, size=SIZE, **kw):
    """One transfer whose end number `which` is a twin."""
    bench.forget()
    if not bench.UNIX:  # three stacks in the heap of one
        kw["budget"] = kw.get("budget") or 96 * 1024

    def pair(**wire):
        return twin.pair(which, every=EVERY, **wire)

    s = simbench.Transfer(seed, size, pair=pair, hold=True, **kw)
    pinned = (s.a, s.b)[which]
    pinned.label = "end %d %r" % (which, kw)
    s.run(3600000)
    tally.add(pinned)
    bench.tidy()
    bench.clean()


def _both_ends(count, frames, share, **kw):
    """Each seed for the twin at either end; at least `share` of `frames` by the fast path."""
    tally = twin.Tally()
    for seed in simbench.seeds(count):
        for which in (0, 1):
            _transfer(tally, which, seed, **kw)
    if not bench.UNIX:
        frames //= 11
    tally.check(frames, int(frames * share), int(frames * share))


def test_clean():
    """Nothing lost: what the fast path is for."""
    _both_ends(3, 300, 0.6, size=BULK, jitter=0)


def test_one_way():
    """Text one way only: the twin receives, or gets pure ACKs."""
    _both_ends(3, 150, 0.4, size=BULK, jitter=0, back=0)


def test_jitter():
    _both_ends(3, 300, 0.05)


def test_loss():
    for loss, noise in ((1, 1), (5, 5), (20, 5)):
        _both_ends(2, 200, 0.02 if loss < 20 else 0, loss=loss, noise=noise)


def test_every_option():
    """RFC 7323, RFC 2018: each option alone, and none of them."""
    for options in ("sack", "timestamps", "window_scale", "", "sack timestamps"):
        _both_ends(1, 80, 0.3, options=options, jitter=0)
        _both_ends(1, 80, 0, options=options, loss=3, noise=2)


def test_reno():
    _both_ends(1, 80, 0.1, bare=True, loss=1)


def test_ecn():
    """RFC 3168: what bears no mark is the fast path's, and its new text may be marked."""
    _both_ends(3, 300, 0.5, size=BULK, jitter=0, ecn=0.01)
    _both_ends(3, 200, 0.02, ecn=3, loss=0.5)


def test_small_windows():
    """RFC 9293 3.8.6.2: rings of two segments, of odd sizes, and a slow reader."""
    for ring in (2048, 2920, 5001):
        _both_ends(1, 50, 0.02, rcvbuf=ring, sndbuf=ring, loss=1, size=SIZE // 4)
    _both_ends(1, 20, 0, rcvbuf=4096, slow=30, size=SIZE // 4)


def test_large_windows():
    """RFC 7323 2: windows beyond 64 kB, if there is memory for them."""
    budget = (4096 if bench.UNIX else 192) * 1024
    ring = budget // 32 if bench.UNIX else 16384
    size = 3 * SIZE
    _both_ends(1, 200, 0.4, rcvbuf=ring, sndbuf=ring, budget=budget, size=size, delay=20, jitter=0)


def test_many_connections():
    _both_ends(1, 200, 0.05, conns=8 if bench.UNIX else 3, size=SIZE // 4, loss=1, noise=1)


def test_small_mtu():
    _both_ends(1, 100, 0.2, mtu=300, size=SIZE // 4, jitter=0)


bench.run_tests(globals())
