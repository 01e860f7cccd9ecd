# Programs for the simulation of two whole stacks: what they send, read, and when they close.
#
#   s = simbench.Transfer(seed=3, size=256 * 1024, loss=5)
#   s.run()        # both ways at once, half-closed at the end; every byte is compared
#   s.ms, s.digest # virtual time it took; of every frame on the wire, with its moment

import hashlib

import bench
from bench import at_end, inside, ip

_PERIOD = 8191  # a prime: text that is off by any number of segments is seen
_pattern = bench.Random(7).bytes(_PERIOD) * 2


def seeds(count):
    """Seeds 1 .. `count` on the host, fewer on a board; SEEDS=1-100 in the environment: those."""
    if bench.UNIX:
        from os import getenv

        wanted = getenv("SEEDS")
        if wanted:
            low, high = wanted.split("-")
            return range(int(low), int(high) + 1)
    return range(1, 1 + bench.scale(count))


class End:
    """A program on one end: sends `size` bytes of the pattern, reads all there is: `wanted`."""

    def __init__(self, host, conn, size, wanted, chunk=4096, slow=0, hold=False):
        self.host = host
        self.conn = conn
        self.size = size
        self.wanted = wanted
        self.sent = 0
        self.got = 0
        self.eof = False
        self.done = False  # has said that there is no more
        self.buf = bytearray(chunk)
        self.slow = slow  # ms between two reads
        self.hold = hold  # close only when everything has come
        self.next = host.clock.ms

    def step(self):
        """Do what can be done now."""
        with inside(self.host.st):
            self._write()
            if not self.slow:
                while self._read():
                    pass
            elif self.host.clock.ms >= self.next:
                self.next = self.host.clock.ms + self.slow
                self._read()

    def _write(self):
        conn = self.conn
        while self.sent < self.size:
            at = self.sent % _PERIOD
            n = min(self.size - self.sent, _PERIOD)
            n = conn.send(_pattern, at, n)
            if n == -11:
                return
            assert n > 0, "send: %d in state %d" % (n, conn.state)
            self.sent += n
        if not self.done and conn.state >= 4 and (not self.hold or self.got == self.wanted):
            self.done = True
            conn.shutdown_send()

    def _read(self):
        if self.eof:
            return False
        n = self.conn.recv(self.buf, 0, len(self.buf))
        if n == -11:
            return False
        assert n >= 0, "recv: %d after %d bytes" % (n, self.got)
        if n == 0:
            self.eof = True
            return False
        at = self.got % _PERIOD
        good = memoryview(_pattern)[at : at + n]
        assert memoryview(self.buf)[:n] == good, "wrong text at %d" % self.got
        self.got += n
        return True

    @property
    def finished(self):
        return self.done and self.eof and self.conn.state != 4


class Transfer:
    """`size` bytes each way at the same time over `conns` connections."""

    def __init__(
        self,
        seed,
        size=256 * 1024,
        loss=0,
        noise=0,
        conns=1,
        rcvbuf=None,
        sndbuf=None,
        slow=0,
        chunk=4096,
        delay=5,
        jitter=2,
        budget=512 * 1024 if bench.UNIX else 192 * 1024,  # of a heap of 1 MB
        mtu=1500,
        msl=30000,
        back=None,
        bare=False,
        trace=False,
        pair=bench.pair,
        options=None,
        ecn=0,
        hold=False,
        over6=False,
    ):
        """noise: per cent of frames that are duplicated, damaged, and put in another order.
        back: bytes the other way, if not `size` as well. bare: the second host knows no options,
        and Reno alone. pair: what makes the hosts and the wire, as bench.pair() does. options:
        what the second host knows, of "sack timestamps window_scale", if not all. ecn: both use
        it, and that many per cent of frames meet congestion. over6: IPv6 carries it."""
        self.a, self.b, self.wire = pair(
            tcp=True,
            seed=seed,
            mtu=mtu,
            budget=budget,
            loss=loss,
            duplicate=noise,
            corrupt=noise,
            reorder=2 * noise,
            delay=delay,
            jitter=jitter,
        )
        self.size = size
        self.back = size if back is None else back
        self.slow = slow
        self.hold = hold
        self.chunk = chunk
        self.conns = conns
        self.ends = []
        self.clock = self.a.clock
        self.sha = hashlib.sha256()
        self.trace = trace
        self.wire.tap = self._tap
        for h in (self.a, self.b):
            h.tcp.msl_ms = msl
            h.tcp.rcvbuf = rcvbuf or h.tcp.rcvbuf
            h.tcp.sndbuf = sndbuf or h.tcp.sndbuf
        if bare:
            self.b.tcp.sack = self.b.tcp.timestamps = self.b.tcp.window_scale = False
            self.b.tcp.set_congestion("reno")
        if options is not None:
            for name in ("sack", "timestamps", "window_scale"):
                setattr(self.b.tcp, name, name in options)
        self.a.tcp.ecn = ecn > 0
        self.wire.mark = ecn
        with inside(self.b.st):
            self.listener = self.b.tcp.listen(None, None, 80, 2 * conns)
        at_end(self._close)
        for _ in range(conns):
            with inside(self.a.st):
                conn = self.a.tcp.open()
                if over6:
                    conn.connect(self.a.ip6, self.b.addr, 80)
                else:
                    conn.connect(self.a.ip4, ip("10.0.0.2"), 80)
            self.ends.append(End(self.a, conn, size, self.back, chunk, slow, hold))

    def _close(self):
        with inside(self.b.st):
            self.listener.close()

    def _tap(self, ms, index, frame):
        self.sha.update(b"%d %d " % (ms, index))
        self.sha.update(frame)
        if self.trace:
            print(ms, "ab"[index], bench.Packet(frame))

    def step(self):
        while self.listener.ready:
            with inside(self.b.st):
                conn = self.listener.accept()
            end = End(self.b, conn, self.back, self.size, self.chunk, self.slow, self.hold)
            self.ends.append(end)
        for end in self.ends:
            end.step()
        return self.finished()

    def finished(self):
        return len(self.ends) == 2 * self.conns and all(end.finished for end in self.ends)

    def run(self, limit=600000):
        """Until all is done and closed; `limit` milliseconds for the text. Sets ms and digest."""
        start = self.clock.ms
        while not self.finished():
            pause = 60000
            if self.slow:
                pause = max(0, min(end.next for end in self.ends if not end.eof) - self.clock.ms)
                pause = min(pause, self.slow)
            self.wire.run(pause or 1, self.step)
            assert self.clock.ms - start <= limit, self.report("not done")
            for end in self.ends:
                assert not end.conn.error, self.report("errno %d" % end.conn.error)
        self.ms = self.clock.ms - start
        for end in self.ends:
            assert end.got == end.wanted and end.sent == end.size, self.report("text")
            with inside(end.host.st):
                end.conn.close()
        self._close()
        assert self.wire.run(200000, self._closed), self.report("not closed")
        self.digest = self.sha.digest()
        return self

    def _closed(self):
        n = 0
        for h in (self.a, self.b):
            n += h.tcp.table.count + h.tcp.timewait.rows.count
            n += h.tcp.synqueue.rows.count if h.tcp.synqueue else 0
        return n == 0

    def report(self, what):
        text = "%s after %d ms: %d frames, %d lost\n" % (
            what,
            self.clock.ms,
            self.wire.sent,
            self.wire.lost,
        )
        for end in self.ends:
            text += "  state %d sent %d got %d eof %s available %d cb %s\n" % (
                end.conn.state,
                end.sent,
                end.got,
                end.eof,
                end.conn.available(),
                list(end.conn.cb),
            )
        return text
