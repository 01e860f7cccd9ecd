# Window scale (RFC 7323 section 2).

import bench
from bench import inside, opt_mss, opt_wscale

_BIG = 1 << 20 if bench.UNIX else 1 << 17  # a ring
_SHIFT = 5 if bench.UNIX else 2


def _accept(f):
    with inside(f.st):
        f.conn = f.listener.accept()
    return f.conn


def _big(shift, rcvbuf=_BIG, setup=None):
    """Established, both windows scaled; the peer's shift is `shift`."""
    f = bench.listening(rcvbuf=rcvbuf, budget=64 << 20)
    f.listener.sndbuf = _BIG
    f.tcp("S", opts=opt_mss(1460) + opt_wscale(shift))
    p = f.expect_tcp("SA")
    f.shift = p.opts[3][0]
    f.tcp("A")
    _accept(f)
    f.conn.rx_size = rcvbuf  # as large as it becomes for a reader that keeps pace
    return f


def test_offered():
    """RFC 7323 2.2, 2.3: a SYN offers the smallest shift that covers the receive ring."""
    for ring, shift in ((2000, 0), (65535, 0), (65536, 1), (131071, 1), (_BIG, _SHIFT)):
        f = bench.syn_sent(setup=lambda c: setattr(c, "rcvbuf", ring), budget=64 << 20)
        f.advance(1000)
        p = f.expect_tcp("S")  # the same again
        assert p.opts[3] == bytes((shift,)), (ring, p.opts)
        assert p.wnd == min(ring, 65535)


def test_only_if_the_peer_asks():
    """RFC 7323 1.3, 2.2: SYN,ACK bears the option only if the SYN did; then nothing is scaled."""
    f = bench.listening(rcvbuf=_BIG, budget=64 << 20)
    f.tcp("S", opts=opt_mss(1460))
    p = f.expect_tcp("SA")
    assert 3 not in p.opts and p.wnd == 65535
    f.tcp("A")
    assert _accept(f).cb[43] == f.conn.cb[44] == 0
    f.conn.rx_size = _BIG
    f.tcp("A", data=b"x", wnd=1000)
    f.advance(100)
    assert f.expect_tcp("A").wnd == 65535 and f.conn.cb[12] == 1000


def test_peer_without_it():
    """RFC 7323 2.2: a SYN,ACK without the option turns ours off as well."""
    f = bench.syn_sent(setup=lambda c: setattr(c, "rcvbuf", _BIG), budget=64 << 20)
    f.tcp("SA", opts=opt_mss(1460), wnd=5000)
    assert f.expect_tcp("A").wnd == 65535
    assert f.conn.cb[12] == 5000


def test_both_scaled():
    """RFC 7323 2.3: windows of all segments but SYNs are shifted; ours is all of the ring."""
    f = _big(3)
    assert f.shift == _SHIFT and f.conn.cb[12] == 65535 << 3
    f.tcp("A", data=b"x" * 32, wnd=1000)
    f.advance(100)
    assert f.expect_tcp("A").wnd == _BIG - 32 >> _SHIFT
    assert f.conn.cb[12] == 8000


def test_window_of_a_syn():
    """RFC 7323 2.2: the window of a SYN or SYN,ACK is never scaled."""
    f = bench.syn_sent()
    f.tcp("SA", opts=opt_mss(1460) + opt_wscale(7), wnd=3000)
    f.expect_tcp("A")
    assert f.conn.cb[12] == 3000
    f.tcp("A", wnd=3000)
    assert f.conn.cb[12] == 3000 << 7


def test_shift_above_14():
    """RFC 7323 2.3: a shift above 14 is taken for 14."""
    for shift in (14, 15, 255):
        f = bench.syn_sent()
        f.tcp("SA", opts=opt_mss(1460) + opt_wscale(shift), wnd=3000)
        f.expect_tcp("A")
        f.tcp("A", wnd=65535)
        assert f.conn.cb[12] == 65535 << 14


def test_much_in_flight():
    """RFC 7323 2.2: more than 64 kB is in flight when window and congestion window allow it."""
    f = _big(3)
    f.conn.cb[15] = _BIG  # CWND
    n = bench.scale(300000) + 40000
    f.write(bytes(n))
    f.advance(10)
    top = 0
    for _ in range(40):  # the frame pool lets it out in pieces
        for p in f.peer.take():
            top = max(top, (p.seq - f.irs + len(p.data)) & 0xFFFFFFFF)
        f.advance(1)
    assert top > n - 1460 > 65535, top
    f.tcp("A", ack=top)
    assert f.conn.cb[12] == 65535 << 3


def test_text_far_ahead():
    """RFC 7323 2.4: text is taken wherever the scaled window reaches."""
    f = _big(0)
    f.tcp("A", seq=0)  # below the window: the answer offers all of it
    f.expect_tcp("A")
    data = bytes(range(250)) * 4
    f.tcp("A", seq=1 + _BIG * 7 // 8, data=data)
    f.expect_tcp("A", ack=1)
    assert f.host.stat("tcp")["out_of_order"] == 1
    f.tcp("A", seq=1 + _BIG + 10, data=b"beyond")
    assert f.host.stat("tcp")["out_of_window"] == 2
    f.peer.take()


def test_edge_is_not_taken_back():
    """RFC 7323 2.4: an edge that the shift rounds off stays ours: text up to it is taken."""
    f = _big(0, rcvbuf=200000)  # shift 2
    edge = 0
    n = 1
    while n + 1399 < 200000:
        f.tcp("A", seq=n, data=bytes(1399))
        n += 1399
        for p in f.peer.take():
            told = ((p.ack - f.iss) & 0xFFFFFFFF) + (p.wnd << 2)
            edge = max(edge, told)
            assert edge - 4 < told
    assert 199993 < edge <= 200001, edge
    f.tcp("A", seq=n, data=bytes(edge - n))
    f.advance(100)
    assert f.expect_tcp("A", ack=edge).wnd == 0


bench.run_tests(globals())
