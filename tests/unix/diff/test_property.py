# Bad input from seeds (property.py) for the twin: fast path on and off. SEEDS=1-1000 for more.

import bench
import property
import simbench
import twin

BUDGET = (256 if bench.UNIX else 64) * 1024


def test_seeds():
    tally = twin.Tally()
    seen = []

    def peer(**kw):
        p = twin.peer(every=5, budget=BUDGET, **kw)
        seen.append(p.host)
        return p

    def attempt(case):
        return property.attempt(case, peer)

    for seed in simbench.seeds(30):
        case = property.generate(seed)
        report = attempt(case)
        if report:
            print("seed", seed)
            small = property.shrink(case, attempt)
            print(attempt(small), property.show(small))
            raise AssertionError("seed %d: %s" % (seed, report.strip().split("\n")[-1]))
        tally.add(seen.pop())
        seen.clear()
    tally.check(bench.scale(500), bench.scale(20), bench.scale(50))


bench.run_tests(globals())
