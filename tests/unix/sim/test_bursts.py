# Bursts that are larger than what the receiver has place for: in its frames, in its budget. They
# cost retransmissions, no long silence. Two whole stacks in virtual time.

import bench
import simbench

SIZE = 256 * 1024 if bench.UNIX else 64 * 1024


class Watched(simbench.Transfer):
    """Notes the longest time in which nothing came, once the transfer runs."""

    def __init__(self, seed, **kw):
        super().__init__(seed, SIZE, back=0, **kw)
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


bench.run_tests(globals())
