# targets: unix (the table is about the protocol, not about the machine)
#
# Goodput of one stack sending to another, by loss, reordering and size of the rings, against
# goodput.exp: a change that makes it worse is seen. After one that is meant: test_goodput.py
# test_goodput update

import sys

import bench
import simbench

SIZE = 128 * 1024
# per cent of frames that are lost, and that come late by up to 40 ms; ms by which each may be late
PATHS = (
    (0, 0, 0),
    (0.1, 0, 0),
    (1, 0, 0),
    (2, 0, 0),
    (3, 0, 0),
    (5, 0, 0),
    (10, 0, 0),
    (0, 1, 0),
    (0, 2, 0),
    (0, 5, 0),
    (1, 2, 0),
    (0, 0, 3),
    (3, 0, 3),
)
RINGS = (2920, 8192, 32768)
SEEDS = 24
EXPECTED = "tests/unix/sim/goodput.exp"


def _transfer(seed, ring, loss=0, reorder=0, jitter=0, mark=0, ecn=False):
    """SIZE bytes over a path of 20 ms there and back, one way only."""
    s = simbench.Transfer(
        seed, SIZE, loss, delay=10, jitter=jitter, rcvbuf=ring, sndbuf=ring, back=0,
        budget=2 << 20, ecn=mark if ecn else 0,
    )  # fmt: skip
    s.wire.reorder = reorder
    s.wire.mark = mark
    s.run(3600000)
    return s


def _goodput(ring, **kw):
    """kB/s of virtual time."""
    total = 0
    for seed in range(1, SEEDS + 1):
        bench.forget()
        total += _transfer(seed, ring, **kw).ms
        bench.tidy()
    return SEEDS * SIZE / total


def _median(ring, **kw):
    """Milliseconds that it takes."""
    times = []
    for seed in range(1, 61):
        bench.forget()
        times.append(_transfer(seed, ring, **kw).ms)
        bench.tidy()
    return sorted(times)[30]


def _table():
    lines = ["kB/s at RTT 20 ms; loss %, late %, jitter ms down, ring sizes across"]
    lines.append("                  " + "".join("%8d" % ring for ring in RINGS))
    for loss, reorder, jitter in PATHS:
        cells = ""
        for ring in RINGS:
            cells += "%8.1f" % _goodput(ring, loss=loss, reorder=reorder, jitter=jitter)
        lines.append("%6.1f%6.1f%6d%s" % (loss, reorder, jitter, cells))
    return lines


def test_goodput():
    """RFC 5681, RFC 6582, RFC 8985: no cell is more than a fifth worse than it was."""
    table = _table()
    print("\n".join(table))
    if "update" in sys.argv:
        with open(EXPECTED, "w") as f:
            f.write("\n".join(table) + "\n")
    with open(EXPECTED) as f:
        expected = f.read().split("\n")
    assert len(expected) == len(table) + 1
    for now, then in zip(table[2:], expected[2:]):
        for a, b in zip(now.split(), then.split()):
            assert float(a) >= 0.8 * float(b), (now, then)


def test_marks_are_better_than_losses():
    """RFC 3168 section 1: a router that meets congestion marks what it would have dropped: nothing
    is sent again but what cannot be marked, and it takes less time: most of the time, as a SYN
    that is dropped takes more than all the rest."""
    for mark in (1, 3):
        marked = _median(32768, mark=mark, ecn=True)
        dropped = _median(32768, mark=mark)
        print("%d %%: %d ms marked, %d dropped" % (mark, marked, dropped))
        assert marked < dropped, (marked, dropped)
    bench.forget()
    s = _transfer(1, 32768, mark=3, ecn=True)
    stat = s.a.stat("tcp")
    assert stat["marks"] > 0 and s.wire.marked >= stat["marks"]
    assert stat["fast_rexmt"] == stat["timeouts"] == 0


bench.run_tests(globals())
