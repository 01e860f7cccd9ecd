# The same as test_property.py over IPv6, in a file of its own: boards have heap for one of them.
# SEEDS=1-1000 in the environment for more.

import bench
import fence
import peer6
import property
import simbench

fence.up()


def _attempt(case):
    return property.attempt(case, peer6.peer)


def test_seeds():
    for seed in simbench.seeds(100):
        case = property.generate(seed)
        report = _attempt(case)
        if report:
            print("seed", seed)
            small = property.shrink(case, _attempt)
            print(_attempt(small), property.show(small))
            raise AssertionError("seed %d: %s" % (seed, report.strip().split("\n")[-1]))


bench.run_tests(globals())
