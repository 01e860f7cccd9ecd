# Two whole stacks in virtual time with programs that close, abort, stop reading and go away when
# they like. Whatever they do, it must end, nothing may be left, and what is read must be right.

import bench
import simbench
from bench import inside, ip

_BUDGET = 512 * 1024 if bench.UNIX else 160 * 1024


class Rude(simbench.End):
    """An End that does something unexpected after a while."""

    def __init__(self, host, conn, rnd):
        super().__init__(host, conn, 1 + rnd.below(60000), None, 512 + rnd.below(4000))
        self.what = rnd.below(7)
        self.when = host.clock.ms + rnd.below(3000)
        self.gone = False
        self.reads = True

    def step(self):
        with inside(self.host.st):
            if self.host.clock.ms >= self.when and not self.gone:
                self.misbehave()
            if self.gone:
                return
            if self.conn.error:
                self.leave("close")
                return
            if self.sent < self.size and not self.done and self.conn.state in (4, 7):
                self._write()
            while self.reads and not self.conn.error and self._read():
                pass
            if self.eof and self.done:
                self.leave("close")

    def misbehave(self):
        conn = self.conn
        if self.what == 0:
            self.leave("close")
        elif self.what == 1:
            self.leave("abort")
        elif self.what == 2:
            conn.shutdown_send()
            self.done = True
        elif self.what == 3:
            conn.shutdown_recv()
            self.reads = False
        elif self.what == 4:
            self.reads = False
        elif self.what == 5:
            conn.shutdown_send()
            conn.shutdown_recv()
            self.leave("close")
        self.when = self.host.clock.ms + 4000
        self.what = 0

    def leave(self, how):
        getattr(self.conn, how)()
        self.conn.close()
        self.gone = True

    def _write(self):
        while self.sent < self.size:
            at = self.sent % 8191
            n = self.conn.send(simbench._pattern, at, min(self.size - self.sent, 8191))
            if n <= 0:
                assert n == -11 or self.conn.error == -n, n
                return
            self.sent += n
        self.done = True
        self.conn.shutdown_send()


class Crowd:
    """Connections that come and go for `rounds` openings."""

    def __init__(self, seed, rounds, **wire):
        self.a, self.b, self.wire = bench.pair(tcp=True, seed=seed, budget=_BUDGET, **wire)
        self.rnd = bench.Random(seed * 7 + 1)
        self.rounds = rounds
        self.ends = []
        self.clock = self.a.clock
        self.next = 0
        with inside(self.b.st):
            self.listener = self.b.tcp.listen(None, None, 80, 4)

    def step(self):
        if self.rounds and self.clock.ms >= self.next:
            self.rounds -= 1
            self.next = self.clock.ms + self.rnd.below(1500)
            with inside(self.a.st):
                conn = self.a.tcp.open()
                conn.connect(self.a.ip4, ip("10.0.0.2"), 80 if self.rnd.below(10) else 81)
            self.ends.append(Rude(self.a, conn, self.rnd))
        while self.listener.ready:
            with inside(self.b.st):
                conn = self.listener.accept()
            self.ends.append(Rude(self.b, conn, self.rnd))
        for end in self.ends:
            end.step()
        self.ends = [end for end in self.ends if not end.gone]

    def run(self, limit):
        """Until nothing is left of any connection; within `limit` ms after the last was opened."""
        last = None
        while self.rounds or self.ends or self.left():
            self.wire.run(50 if self.rounds or self.ends else 1000, self.step)
            if not self.rounds and last is None:
                last = self.clock.ms
            if last is not None:
                assert self.clock.ms - last < limit, [
                    (h.addr, c.state, list(c.cb)) for h in (self.a, self.b) for c in _conns(h)
                ]
        with inside(self.b.st):
            self.listener.close()

    def left(self):
        n = len(_conns(self.a)) + len(_conns(self.b))
        for h in (self.a, self.b):
            n += h.tcp.timewait.rows.count
            n += h.tcp.synqueue.rows.count if h.tcp.synqueue else 0
        return n


def _conns(h):
    return list(h.tcp.connections())


def _crowds(count, rounds, limit, **wire):
    for seed in simbench.seeds(count):
        bench.forget()
        crowd = Crowd(seed, bench.scale(rounds), **wire)
        try:
            crowd.run(limit)
            for h in (crowd.a, crowd.b):
                assert h.tcp.table.count == 0
            bench.clean()
        except Exception:
            print("seed", seed)
            raise


def test_good_wire():
    """RFC 9293 3.10.4, 3.10.5: programs that close and abort at any moment: all ends in 2 MSL."""
    _crowds(10, 30, 130000, delay=3)


def test_bad_wire():
    """RFC 9293 3.10.4, 3.8.3: the same with 10 % loss: all ends when R2 has passed."""
    _crowds(10, 30, 600000, delay=3, loss=10, duplicate=3, corrupt=3, reorder=5)


def test_silence():
    """RFC 9293 3.8.3: the wire is cut in the middle: both ends give up, with everything clean."""
    for seed in simbench.seeds(5):
        bench.forget()
        crowd = Crowd(seed, bench.scale(20), delay=3)
        while crowd.rounds > 3:
            crowd.wire.run(50, crowd.step)
        crowd.wire.loss = 100
        crowd.run(900000)
        bench.clean()


bench.run_tests(globals())
