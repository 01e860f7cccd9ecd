# Sequences of segments, lies among them, and user calls, from seeds (property.py): nothing may
# leave poll(), and the model has its say. A failure is shrunk and printed as a case for CASES.
# SEEDS=1-1000 in the environment for more.

import bench
import fence
import property
import simbench

fence.up()
CASES = (  # what once went wrong
    (  # text beyond a FIN stayed, off by one, and SACK told of it
        (True, "s", 0xFFFFFFFF, 0x80000000, 2048),
        (
            ("segment", "A", "nxt", 1460, 610, 0, "max", 0, 0, None, 0, True),
            ("segment", "FA", "nxt", 0, 0, 0, "max", 0, 0, None, 0, True),
        ),
    ),
    (  # ACKs of single bytes took cwnd below one segment
        (False, "s", 0xFFFFFFFF, 0, 8192),
        (
            ("busy", 3),
            ("write", 1000),
            ("segment", "A", "nxt", 0, 0, 0, "max", 0, 0, "sack", 62691, True),
            ("wait", 2),
            ("segment", "A", "nxt", 0, 0, 0, "una", 1, 0, None, 0, True),
        ),
    ),
)


def test_seeds():
    for seed in simbench.seeds(500):
        case = property.generate(seed)
        report = property.attempt(case)
        if report:
            print("seed", seed)
            small = property.shrink(case, property.attempt)
            print(property.attempt(small), property.show(small))
            raise AssertionError("seed %d: %s" % (seed, report.strip().split("\n")[-1]))


def test_cases():
    for case in CASES:
        report = property.attempt(case)
        assert not report, report + property.show(case)


bench.run_tests(globals())
