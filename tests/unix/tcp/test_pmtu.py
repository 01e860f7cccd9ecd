# Segments as large as the path takes: set_mss() at run time, ICMP "fragmentation needed", black
# holes. Simple cases are scripts: ../pkt/pmtu-*.pkt.

import bench
from bench import SACK_OK, inside, opt_mss, opt_ts

_data = bench.Random(9).bytes(8192)


def _lengths(f):
    """What has gone out, as (sequence number, bytes)."""
    return [((p.seq - f.irs) & 0xFFFFFFFF, len(p.data)) for p in f.peer.take()]


def test_bounds():
    """RFC 9293 3.7.1: never more than was agreed on; RFC 5927 7.1: nor next to nothing."""
    f = bench.established(mss=1000)
    for wanted, got in ((2000, 1000), (500, 500), (1, 216), (999, 999), (1000, 1000)):
        assert f.call("set_mss", wanted) == got
        assert f.conn.send_mss() == got
        assert f.conn.lowered == (got < 1000)
    f.expect_nothing()


def test_small_peer():
    """A peer whose own limit is below the floor keeps it."""
    f = bench.established(mss=100)
    assert f.call("set_mss", 50) == 100


def test_options_count():
    """RFC 9293 3.7.1: timestamps come out of the MSS; of the packet that ICMP speaks of, too."""
    f = bench.established(opts=opt_mss(1460) + opt_ts(1), tsval=1)
    f.write(_data[:1448])
    assert _lengths(f) == [(1, 1448)]
    _too_big(f, 1, 1300)
    assert _lengths(f) == [(1, 1248), (1249, 200)]


def _too_big(f, seq, mtu, total=1500):
    p = f.peer
    inner = bench.tcp(
        p.host.addr, p.addr, f.dport, f.sport, (f.irs + seq) & 0xFFFFFFFF, 0, "A", data=bytes(8)
    )
    inner = bench.ip4(p.host.addr, p.addr, 6, inner, total=total)
    rest = bytes((0, 0, mtu >> 8, mtu & 255))
    p.send(p.ip_frame(1, bench.icmp(3, 4, rest, inner)))


def test_queued_is_cut_anew():
    """RFC 4821 5.1: lowered and raised while data is queued and out; every byte goes out."""
    f = bench.established(mss=1000)
    f.write(_data[:4000])
    assert _lengths(f) == [(1, 1000), (1001, 1000), (2001, 1000), (3001, 1000)]
    f.call("set_mss", 400)
    assert _lengths(f) == [(1 + 400 * i, 400) for i in range(10)]
    f.tcp("A", ack=801)
    f.call("set_mss", 1000)
    f.expect_nothing()
    f.write(_data[4000:6000])
    assert _lengths(f) == [(4001, 1000), (5001, 1000)]


def test_not_what_the_peer_has():
    """RFC 6675 5.1: of what goes out again, nothing that was selectively acknowledged."""
    f = bench.established(opts=opt_mss(1000) + SACK_OK)
    f.write(_data[:3000])
    f.peer.take()
    f.tcp("A", ack=1, sack=((1001, 2001),))
    f.expect_nothing()
    f.call("set_mss", 500)
    assert _lengths(f) == [(1, 500), (501, 500), (2001, 500), (2501, 500)]


def test_in_recovery():
    """RFC 1191 6.4: no second reduction of the window for what ICMP has told of."""
    f = bench.established(opts=opt_mss(1000) + SACK_OK)
    f.write(_data[:6000])
    f.peer.take()
    f.tcp("A", ack=1, sack=((1001, 6001),))
    assert _lengths(f) == [(1, 1000)]
    threshold = f.conn.info()["snd_ssthresh"] * 1000
    _too_big(f, 1, 540)
    assert _lengths(f) == [(1, 500), (501, 500)]
    f.tcp("A", ack=6001)
    info = f.conn.info()
    assert info["ca_state"] == "Open" and info["snd_ssthresh"] * 500 == threshold, info


def test_syn_is_not_meant():
    """RFC 1191 6.4: about a SYN it tells nothing of use."""
    f = bench.syn_sent()
    _too_big(f, 0, 576, 1500)
    f.tcp("SA", opts=opt_mss(1460))
    f.expect_tcp("A")
    assert f.conn.send_mss() == 1460


class _Transfer:
    """`total` bytes from one host to another."""

    def __init__(self, total, meanwhile=None, **wire):
        bench.forget()
        self.a, self.b, self.wire = bench.pair(tcp=True, **wire)
        with inside(self.b.st):
            self.listener = self.b.st.tcp.listen(None, None, 80)
        with inside(self.a.st):
            self.conn = self.a.st.tcp.open()
            self.conn.connect(self.a.st.ip4, self.b.addr, 80)
        self.total = total
        self.meanwhile = meanwhile
        self.sent = self.got = 0
        self.end = None
        self.buf = bytearray(4096)

    def step(self):
        conn = self.conn
        if conn.state < 4:
            return False
        with inside(self.a.st):
            if self.meanwhile:
                self.meanwhile(conn)
            at = self.sent % 4096
            n = min(4096 - at, self.total - self.sent)
            if n:
                self.sent += max(conn.send(_data, at, n), 0)
        with inside(self.b.st):
            self.end = self.end or self.listener.accept()
            n = 0
            if self.end:
                n = self.end.recv(self.buf, 0, 4096 - self.got % 4096)
        if n > 0:
            at = self.got % 4096
            assert self.buf[:n] == _data[at : at + n], self.got
            self.got += n
        return self.got == self.total

    def run(self, limit):
        """Returns how many milliseconds it took."""
        start = self.wire.clock.ms
        assert self.wire.run(limit, self.step), (self.sent, self.got)
        return self.wire.clock.ms - start

    def finish(self):
        for st, thing in (
            (self.a.st, self.conn),
            (self.b.st, self.end),
            (self.b.st, self.listener),
        ):
            with inside(st):
                thing.close()
        self.wire.run(200000)
        bench.tidy()
        bench.clean()


def test_at_random():
    """RFC 4821 5.1: changed all the time on a bad wire, the stream stays what it is."""
    for seed in range(1, bench.scale(10) + 1):
        rnd = bench.Random(seed)

        def change(conn):
            if rnd.percent(10):
                conn.set_mss(100 + rnd.below(1500))

        t = _Transfer(60000, change, seed=seed, loss=4, reorder=4, duplicate=2)
        t.run(300000)
        t.finish()


def test_black_hole():
    """RFC 4821 7.7: a path that takes 1200 bytes, and never says so: found once, then no more."""
    t = _Transfer(200000, delay=10)
    pass_on = t.wire._send
    large = []

    def hole(index, frame):
        if len(frame) > 1214:
            large.append(t.wire.clock.ms)
        else:
            pass_on(index, frame)

    t.a.nic.tx = lambda frame: hole(0, frame)
    ms = t.run(60000)
    assert t.conn.send_mss() == 1024
    assert ms < 10000 and large[-1] < 6000, (ms, large)
    t.finish()


def test_cable_pulled():
    """RFC 4821 7.7: nothing came through for ten seconds; then segments are as full as before."""
    t = _Transfer(400000, delay=10)
    pass_on = t.wire._send
    t.a.nic.tx = lambda frame: None if 60 < t.wire.clock.ms < 10000 else pass_on(0, frame)
    t.run(60000)
    assert t.conn.send_mss() == 1448 and not t.conn.lowered
    t.finish()


bench.run_tests(globals())
