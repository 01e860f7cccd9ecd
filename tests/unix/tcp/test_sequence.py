# Sequence numbers: the acceptability table and trimming (RFC 9293 3.4, 3.10.7.4 first), and the
# wrap through 2^32. The peer's numbers start 512 below the wrap in every test of this suite.

import bench
from bench import inside

WND = 4096


def _flow(**kw):
    return bench.established(rcvbuf=WND, **kw)


def _refused(f, n=1):
    """The segment was not acceptable: an ACK, nothing read."""
    f.expect_tcp("A", seq=1, ack=n, data=b"")
    assert f.read() is None


def test_empty_segments():
    """RFC 9293 3.4 table, SEG.LEN 0: RCV.NXT =< SEG.SEQ < RCV.NXT+RCV.WND, else an ACK."""
    f = _flow()
    for seq in (1, 2, WND):
        f.tcp("A", seq=seq)
        f.expect_nothing()
    for seq in (0, WND + 1, 0x7FFFFFFF, 0x80000001, 0xFFFFFFFE):
        f.tcp("A", seq=seq)
        _refused(f)


def test_segments_with_text():
    """RFC 9293 3.4 table, SEG.LEN > 0: first or last number in the window, else an ACK."""
    f = _flow()
    for seq, n in ((0xFFFFFFF0, 10), (0, 1), (WND + 1, 1), (WND + 100, 50), (0x80000000, 1000)):
        f.tcp("A", seq=seq, data=bytes(n))
        _refused(f)
    f.tcp("A", seq=1, data=b"ab")
    assert f.read() == b"ab"


def test_front_is_cut():
    """RFC 9293 3.10.7.4: text that was here before is cut off, the rest is taken."""
    f = _flow()
    f.tcp("A", data=b"abcdef")
    f.tcp("A", seq=4, data=b"defghi")
    assert f.read() == b"abcdefghi"
    p = f.peer.take()[-1]
    assert (p.ack - f.iss) & 0xFFFFFFFF == 10
    f.tcp("A", seq=0xFFFFFFFF, data=b"..abcdefghijk")  # from before the SYN on
    assert f.read() == b"jk"


def test_end_is_cut():
    """RFC 9293 3.10.7.4: text beyond the window is cut off, and the FIN behind it."""
    f = _flow()
    f.tcp("A", data=bytes(1400))
    f.tcp("A", data=bytes(1400))
    f.tcp("FA", data=bytes(1400))
    f.peer.take()
    assert len(f.read()) == WND
    assert f.conn.state == 4
    p = f.peer.take()[-1]
    assert (p.ack - f.iss) & 0xFFFFFFFF == 1 + WND


def test_both_ends_are_cut():
    """RFC 9293 3.10.7.4: a segment wider than the window on both sides fills it, no more."""
    f = bench.established(rcvbuf=2048)
    data = bench.Random(3).bytes(2000)
    f.tcp("A", data=data[:1400])
    f.tcp("A", data=data[1400:])  # 48 bytes of window are left
    f.tcp("A", seq=1901, data=data[1900:] + b"\x55" * 1300)
    assert f.conn.available() == 2048
    assert f.read() == data + b"\x55" * 48
    f.peer.take()
    f.tcp("A", seq=2049, data=b"next")
    assert f.read() == b"next"


def test_out_of_order_over_the_end():
    """RFC 9293 3.10.7.4: text out of order is cut at the window's edge, at the ring's wrap too."""
    f = bench.established(rcvbuf=2048)
    f.tcp("A", data=bytes(1100))
    assert len(f.read()) == 1100
    assert f.peer.take()[-1].wnd == 2048
    f.tcp("A", seq=1101 + 1948, data=b"x" * 1400)
    f.tcp("A", seq=1101, data=b"y" * 1400)
    assert f.conn.available() == 1400
    f.tcp("A", seq=2501, data=b"z" * 548)
    assert f.read() == b"y" * 1400 + b"z" * 548 + b"x" * 100


def test_no_ack_bit():
    """RFC 9293 3.10.7.4 fifth: a segment without ACK is dropped."""
    f = _flow()
    f.tcp("", seq=1, data=b"abc")
    f.tcp("F", seq=1)
    assert f.read() is None
    assert f.conn.state == 4


def test_ack_of_what_was_not_sent():
    """RFC 9293 3.10.7.4 fifth: SEG.ACK > SND.NXT: an ACK, and the segment is dropped."""
    f = _flow()
    f.tcp("A", seq=1, ack=2, data=b"abc")
    _refused(f)
    f.tcp("A", seq=1, ack=0x40000000, data=b"abc")
    _refused(f)


def test_old_ack():
    """RFC 5961 section 5.2: text with an ACK >= SND.UNA - MAX.SND.WND is good, older: not."""
    f = bench.syn_received()
    f.wnd = 1000
    f.tcp("A")
    f.conn = f.listener.accept()
    f.write(bytes(500))
    f.expect_tcp("A", seq=1)
    f.tcp("A")
    f.tcp("A", ack=200, data=b"old")
    assert f.read() == b"old"
    f.peer.take()
    f.conn.cb[13] = 300  # MAX.SND.WND, as if no larger one had been seen
    f.tcp("A", seq=4, ack=200, data=b"blind")
    f.expect_tcp("A", seq=501, ack=4)
    assert f.read() is None
    f.tcp("A", seq=4, ack=0x7FFFFFFF, data=b"blind")
    f.expect_tcp("A", seq=501, ack=4)
    assert f.read() is None


def test_ack_is_taken_with_closed_window():
    """RFC 9293 3.10.7.4: with RCV.WND 0, ACK and window of an empty segment still count."""
    f = bench.established(rcvbuf=2048)
    f.tcp("A", data=bytes(1400))
    f.tcp("A", data=bytes(648))
    f.peer.take()
    f.write(b"abc")
    assert f.expect_tcp("A", data=b"abc").wnd == 0
    f.tcp("A", ack=4, wnd=777)
    assert f.conn.cb[12] == 777
    f.advance(2000)
    f.expect_nothing()  # it was acknowledged


def _near_the_wrap(below):
    """Opened by the host, its ISS `below` under 2^32."""
    p = bench.peer(tcp=True)
    with inside(p.st):
        conn = p.st.tcp.open()
        conn.connect(p.st.ip4, p.addr, 80)
        for i in range(4):  # ISS, SND.UNA, SND.NXT, SND.MAX
            conn.cb[i] = (1 << 32) - below
    p.poll()
    f = p.flow(80, conn.lport)
    f.conn = conn
    syn = f.expect_tcp("S", seq=0)
    assert syn is not None and f.irs == (1 << 32) - below
    f.tcp("SA", opts=bench.opt_mss(1000))
    f.expect_tcp("A", seq=1, ack=1)
    return f


def test_wrap_of_what_we_send():
    """RFC 9293 3.4: our numbers wrap through 2^32 in the SYN, in text, in retransmissions."""
    for below in (1, 2, 500, 1000, 1001, 1500, 3000):
        f = _near_the_wrap(below)
        data = bench.Random(below).bytes(3000)
        assert f.write(data) == 3000
        f.expect_tcp("A", seq=1, data=data[:1000])
        f.expect_tcp("A", seq=1001, data=data[1000:2000])
        f.expect_tcp("A", seq=2001, data=data[2000:])
        f.advance(300)
        f.expect_tcp("A", seq=1, data=data[:1000])
        f.tcp("A", ack=1501)
        f.expect_tcp("A", seq=1501)
        f.peer.take()
        f.tcp("A", ack=3001)
        f.call("shutdown_send")
        f.expect_tcp("FA", seq=3001)
        f.tcp("A")
        assert f.conn.state == 6


def test_wrap_of_what_we_receive():
    """RFC 9293 3.4: the peer's numbers wrap through 2^32, in order and out of it."""
    for iss in (0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFF00, 0x7FFFFFFF, 0x7FFFFF00):
        f = bench.listening(rcvbuf=4096)
        f.iss = iss
        f.tcp("S")
        f.expect_tcp("SA", seq=0, ack=1)
        f.tcp("A")
        f.conn = f.listener.accept()
        data = bench.Random(iss & 255).bytes(1000)
        f.tcp("A", seq=501, data=data[500:])
        f.expect_tcp("A", ack=1)
        f.tcp("A", seq=1, data=data[:500])
        f.expect_tcp("A", ack=1001)
        assert f.read() == data
        f.tcp("FA", seq=1001)
        assert f.read() == b"" and f.conn.state == 7


bench.run_tests(globals())
