# targets: unix (the table is about the protocol, not about the machine)
#
# Goodput of one stack sending to another, by loss and size of the rings, against goodput.exp: a
# change that makes it worse is seen. After one that is meant: test_goodput.py test_goodput update

import sys

import bench
import simbench

SIZE = 128 * 1024
LOSS = (0, 0.1, 1, 3, 10)
RINGS = (2920, 8192, 32768)
SEEDS = 8
EXPECTED = "tests/unix/sim/goodput.exp"


def _goodput(loss, ring):
    """kB/s of virtual time over a path of 20 ms there and back, one way only."""
    total = 0
    for seed in range(1, SEEDS + 1):
        bench.forget()
        s = simbench.Transfer(
            seed, SIZE, loss, delay=10, jitter=0, rcvbuf=ring, sndbuf=ring, back=0, budget=2 << 20
        )
        s.run(3600000)
        bench.tidy()
        total += s.ms
    return SEEDS * SIZE / total


def _table():
    lines = ["kB/s at RTT 20 ms; loss % down, ring sizes across"]
    lines.append("      " + "".join("%8d" % ring for ring in RINGS))
    for loss in LOSS:
        cells = "".join("%8.1f" % _goodput(loss, ring) for ring in RINGS)
        lines.append("%6.1f%s" % (loss, cells))
    return lines


def test_goodput():
    """RFC 5681, RFC 6582: no cell is more than a fifth worse than it was."""
    table = _table()
    print("\n".join(table))
    if "update" in sys.argv:
        with open(EXPECTED, "w") as f:
            f.write("\n".join(table) + "\n")
    with open(EXPECTED) as f:
        expected = f.read().split("\n")
    for now, then in zip(table[2:], expected[2:]):
        for a, b in zip(now.split(), then.split()):
            assert float(a) >= 0.8 * float(b), (now, then)


bench.run_tests(globals())
