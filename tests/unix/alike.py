# The fast path is to make no difference: tests that run with it and without, and two routers or
# bridges that get the same frames, one of them without it.

import bench
import binascii
import gc
import netstack


def both(function):
    """Run with the fast path and without."""

    def run():
        for fast in (True, False):
            netstack.fastpath = fast
            try:
                function(fast)
            finally:
                netstack.fastpath = True

    return run


class Pair:
    """Two that are alike; the second does without the fast path."""

    def __init__(self, seed, make):
        self.seed = seed
        self.rnd = bench.Random(seed)
        gc.collect()  # a board has room for one pair; its heap shall not be what makes them differ
        self.two = [make(), make()]

    def send(self, net, frame):
        """The frame comes in by eth<net> of both; what has left."""
        frame = bytes(frame[:1514])
        try:
            for each, fast in zip(self.two, (True, False)):
                netstack.fastpath = fast
                each.clear()
                if frame:
                    each.nics[net].rx.append(frame)
                each.poll()
            first, second = self.two
            assert first.sent == second.sent, (first.sent, second.sent)
        except Exception:
            print("seed", self.seed, "eth%d" % net, binascii.hexlify(frame).decode())
            raise
        finally:
            netstack.fastpath = True
        return self.two[0].sent

    def advance(self, ms):
        gc.collect()
        for each, fast in zip(self.two, (True, False)):
            netstack.fastpath = fast
            each.clock.ms += ms
            each.clear()
            each.poll()
        netstack.fastpath = True

    def same(self, least):
        """What both have counted is the same, and the fast path has done its part."""
        first, second = (dict(each.st.stats()) for each in self.two)
        fast = first.pop("fast"), second.pop("fast")
        assert fast[0]["in"] >= least and fast[1]["in"] == 0, fast
        for each in (first, second):
            each["pool"].pop("low")
        for name in first:
            assert first[name] == second[name], (name, first[name], second[name])
