# test_transfer.py over IPv6: live transfers between a twin and a whole stack.

import bench
import peer6
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
        return twin.pair(which, every=EVERY, number=peer6.number, **wire)

    s = simbench.Transfer(seed, size, pair=pair, hold=True, over6=True, **kw)
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
    _both_ends(2, 100, 0.4, size=BULK, jitter=0, back=0)


def test_loss():
    for loss, noise in ((1, 1), (5, 5), (20, 5)):
        _both_ends(2, 200, 0.02 if loss == 1 else 0, loss=loss, noise=noise)


def test_every_option():
    """RFC 7323, RFC 2018: each option alone, and none of them."""
    for options in ("sack", "timestamps", "window_scale", ""):
        _both_ends(1, 80, 0.3, options=options, jitter=0)
        _both_ends(1, 80, 0, options=options, loss=3, noise=2)


def test_ecn():
    """RFC 3168: ECT in the traffic class of new text; what bears CE is not the fast path's."""
    _both_ends(3, 300, 0.5, size=BULK, jitter=0, ecn=0.01)
    _both_ends(3, 200, 0.02, ecn=3, loss=0.5)


def test_small_windows():
    """RFC 9293 3.8.6.2: rings of odd sizes, and a slow reader."""
    for ring in (2048, 5001):
        _both_ends(1, 50, 0.02, rcvbuf=ring, sndbuf=ring, loss=1, size=SIZE // 4)


def test_many_connections():
    _both_ends(1, 200, 0.05, conns=8 if bench.UNIX else 3, size=SIZE // 4, loss=1, noise=1)


def test_small_mtu():
    _both_ends(1, 40, 0.2, mtu=1280, size=SIZE // 4, jitter=0)


bench.run_tests(globals())
