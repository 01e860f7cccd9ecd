# Two hosts whose connections are served by callbacks (api/callbacks.py), and what these were told.

import bench
from netstack.api import callbacks


class Log:
    """A connection's callbacks, and what they were told. Until `last` bytes have come, a few of
    them are left in the ring, which so goes round."""

    def __init__(self, last=0):
        self.last = last
        self.got = bytearray()
        self.sent = self.wraps = self.ends = 0
        self.errors = []
        self.conn = None

    def of(self, conn):
        self.conn = conn
        conn.on_recv = self.recv
        conn.on_sent = self.count
        conn.on_error = self.fail

    def recv(self, conn, buf, at, n, more):
        self.wraps += more > 0
        self.ends += n == 0
        if n and len(self.got) + n + more < self.last:
            left = 50
            more, left = max(more - left, 0), max(left - more, 0)
            n = max(n - left, 0)
        self.got += memoryview(buf)[at : at + n]
        self.got += memoryview(buf)[:more]
        conn.consume(n + more)

    def count(self, conn, n):
        assert n > 0
        self.sent += n

    def fail(self, conn, errno):
        self.errors.append(errno)


class Pair:
    """Two hosts: `b` listens on `port`, `a` connects; rings of `size` bytes. `ssl`: contexts for
    both, (client's, server's), and `name` the server's."""

    def __init__(self, port, accepted, opened, size, ssl=(None, None), name=None, **wire):
        self.a, self.b, self.wire = bench.pair(tcp=True, **wire)
        self.port = port
        self.name = name
        self.client = Log()
        self.server = Log()
        for each in (self.a, self.b):
            each.st.tcp.rcvbuf = each.st.tcp.sndbuf = size
        self.context, served = ssl
        with bench.inside(self.b.st) as st:
            self.listener = callbacks.listen(port, accepted or self.server.of, st=st, ssl=served)
        bench.at_end(self.stop)
        self.conn = self.connect(opened or self.client.of)

    def connect(self, opened, port=None, **how):
        """Another connection."""
        with bench.inside(self.a.st) as st:
            conn = callbacks.connect(
                self.b.addr,
                port or self.port,
                opened,
                st,
                self.context,
                server_hostname=self.name,
                **how,
            )
            conn.on_error = self.client.fail
            return conn

    def stop(self):
        with bench.inside(self.b.st):
            self.listener.close()

    def run(self, done, ms=60000):
        assert self.wire.run(ms, done), "not done in %d ms" % ms

    def join(self):
        """Wait until both ends are there."""
        self.run(lambda: self.client.conn and self.server.conn)
        return self

    def rest(self, ms=300):
        self.wire.run(ms)


def pattern(n):
    return bytes((i * 7 + (i >> 8)) & 255 for i in range(n))


def transfer(pair, go, data, ms=60000):
    """Send `data` by go(conn), over a wire that loses and reorders, between the hosts that
    pair(opened, **wire) makes; these."""
    total = 0

    def count(conn, n):
        nonlocal total
        total += n
        go(conn)

    def opened(conn):
        p.client.of(conn)
        conn.on_sent = count
        go(conn)

    p = pair(opened=opened, loss=2, reorder=2)
    p.server.last = len(data)
    p.run(lambda: len(p.server.got) >= len(data) and total == len(data), ms)
    assert bytes(p.server.got) == data
    assert not p.server.errors + p.client.errors
    return p
