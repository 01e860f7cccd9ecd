# Bursts that are larger than what the receiver has place for: in its frames, in its budget. They
# cost retransmissions, no long silence. Two whole stacks in virtual time.

import bench
import netstack
import simbench

SIZE = 256 * 1024 if bench.UNIX else 64 * 1024


class Watched(simbench.Transfer):
    """Notes the longest time in which nothing came, once the transfer runs."""

    def __init__(self, seed, **kw):
        super().__init__(seed, SIZE, back=0, **kw)
        self.seed = seed
        self.last = 0
        self.seen = 0
        self.longest = 0

    def step(self):
        done = super().step()
        got = sum(end.got for end in self.ends)
        if got != self.seen:
            if self.seen:
                self.longest = max(self.longest, self.clock.ms - self.last)
            self.seen = got
            self.last = self.clock.ms
        return done


def _each(starve, dropped, most=400, **kw):
    worst = lost = 0
    for seed in simbench.seeds(5):
        bench.forget()
        s = Watched(seed, **kw)
        starve(s)
        s.run(60000)
        worst = max(worst, s.longest)
        lost += dropped(s)
        bench.tidy()
        bench.clean()
    print("at most %d ms of silence, %d dropped" % (worst, lost))
    assert lost and worst < most, (lost, worst)


def test_budget_is_used_up():
    """The window invites more than budget is left for: text is dropped and comes again. Duplicate
    ACKs without blocks do not start recovery (RFC 6675): it takes a timeout. The next is no longer
    for it."""

    def starve(s):
        def accepted():
            st = s.b.st
            if len(s.ends) > s.conns:  # the window has been told of by now
                taken = st.left()
                st.charge(taken)
                bench.at_end(lambda: st.credit(taken))
                return True
            return False

        s.wire.run(1000, lambda: s.step() or accepted())

    def dropped(s):
        return s.b.stat("tcp")["nomem"]

    _each(starve, dropped, slow=3, chunk=4096)
    _each(starve, dropped, slow=20, chunk=4096)


def test_frames_run_out():
    """A burst is larger than the memory of the receiver's chip: what is behind is lost."""

    def starve(s):
        out = s.a.nic.tx
        burst = [0, 0]

        def limited(frame):
            if burst[0] != s.clock.ms:
                burst[0] = s.clock.ms
                burst[1] = 0
            burst[1] += 1
            if burst[1] <= 6:
                out(frame)

        s.a.nic.tx = limited

    def dropped(s):
        return s.a.stat("tcp")["rexmt"]

    _each(starve, dropped, jitter=0, budget=1 << 20)
    _each(starve, dropped, delay=20, budget=1 << 20)


def _take_frames(s):
    """Now and then, for up to 60 ms, somebody else holds the frames of a host, all but a few."""
    rnd = bench.Random(s.seed)
    step = s.step
    taken = [(s.a.st.pool, []), (s.b.st.pool, [])]
    end = [0]

    def give_back():
        for pool, frames in taken:
            while frames:
                pool.release(frames.pop())

    def starved():
        if s.clock.ms >= end[0]:
            end[0] = s.clock.ms + 1 + rnd.below(60)
            give_back()
            for pool, frames in taken:
                left = rnd.choice((0, 0, 1, 2, 3, pool.count, pool.count))
                while pool.left > left:
                    frames.append(pool.alloc(True))
        done = step()
        if done:
            give_back()
        return done

    s.step = starved
    bench.at_end(give_back)


def test_pool_is_empty():
    """DESIGN 4: without a frame nothing can be sent but what the fast path has a frame of its own
    for, and nothing is lost by that: with it and without it each byte comes, and without a pause
    that is longer than the frames were away for, but for the delayed ACK's 40 ms and a timeout."""

    def denied(s):
        return s.a.st.pool.denied + s.b.st.pool.denied

    for fast in (True, False):
        netstack.fastpath = fast
        try:
            _each(_take_frames, denied, most=500)
            _each(_take_frames, denied, most=1000, loss=2)
        finally:
            netstack.fastpath = True


bench.run_tests(globals())
