# TCP in SYN-RECEIVED and the simultaneous open: RFC 9293 3.5 figure 8 and 3.10.7.4.

import bench
from bench import opt_mss

_ECONNREFUSED = 111


def test_syn_again():
    """RFC 9293 3.10.7.4: the same SYN again: our SYN,ACK was lost and is sent again."""
    f = bench.syn_received()
    f.tcp("S", seq=0)
    f.expect_tcp("SA", seq=0, ack=1)
    f.tcp("A")
    assert len(f.listener.ready) == 1


def test_syn_again_is_not_timed():
    """RFC 6298 section 3 (Karn): an ACK of a SYN,ACK that was sent twice gives no sample."""
    f = bench.syn_received()
    f.advance(500)
    f.tcp("S", seq=0)
    f.expect_tcp("SA", seq=0, ack=1)
    f.tcp("A")
    assert f.listener.ready[0].cb[18] == 0


def test_syn_ack_is_repeated():
    """RFC 6298 (5.5): the SYN,ACK is sent again with a doubling timeout; then given up."""
    f = bench.syn_received()
    for ms in (1000, 2000, 4000):
        f.advance(ms - 10)
        f.expect_nothing()
        f.advance(10)
        f.expect_tcp("SA", seq=0, ack=1)
    f.advance(120000)
    f.peer.take()
    assert list(f.st.tcp.connections()) == []
    assert f.listener.pending == 0


def test_wrong_ack():
    """RFC 9293 3.10.7.4 fifth: an unacceptable ACK is answered <SEQ=SEG.ACK><CTL=RST>."""
    f = bench.syn_received()
    for ack in (0, 2, 0x40000000, 0xFFFFFFFF):
        f.tcp("A", seq=1, ack=ack)
        p = f.expect_tcp("R", seq=ack)
        assert p.flags == "R"
    f.tcp("A")
    assert len(f.listener.ready) == 1


def test_without_ack():
    """RFC 9293 3.10.7.4 fifth: no ACK bit: dropped."""
    f = bench.syn_received()
    f.tcp("", seq=1, data=b"abc")
    f.expect_nothing()
    assert len(f.listener.ready) == 0


def test_rst():
    """RFC 9293 3.10.7.4 second: RST on a passive open: back to LISTEN, the user is not told."""
    f = bench.syn_received()
    f.tcp("R")
    f.expect_nothing()
    assert list(f.st.tcp.connections()) == []
    assert f.listener.pending == 0
    f.tcp("S", seq=0)
    f.expect_tcp("SA")


def test_rst_in_window():
    """RFC 5961 section 3.2: a RST in the window, not exact, is challenged."""
    f = bench.syn_received()
    f.tcp("R", seq=2)
    f.expect_tcp("A", seq=1, ack=1)
    f.tcp("R", seq=0x7FFFFFFF)
    f.expect_nothing()
    f.tcp("A", seq=1)
    assert len(f.listener.ready) == 1


def test_syn_out_of_window():
    """RFC 9293 3.10.7.4 first: a SYN with another number gets an ACK; the old one stays."""
    f = bench.syn_received()
    f.tcp("S", seq=0x70000000)
    f.expect_tcp("A", seq=1, ack=1)
    f.tcp("R", seq=1)  # what a peer that has forgotten the first SYN answers
    assert f.listener.pending == 0


def test_data_with_ack():
    """RFC 9293 3.10.7.4 seventh: text comes along with the ACK of the SYN,ACK."""
    f = bench.syn_received()
    f.tcp("A", data=b"GET")
    assert len(f.listener.ready) == 1
    f.conn = f.listener.accept()
    assert f.read() == b"GET"


def test_fin_with_ack():
    """RFC 9293 3.10.7.4 eighth: FIN along with the ACK: CLOSE-WAIT."""
    f = bench.syn_received()
    f.tcp("FA", data=b"GET")
    f.expect_tcp("A", seq=1, ack=5)
    f.conn = f.listener.accept()
    assert f.conn.state == 7
    assert f.read() == b"GET" and f.read() == b""


def test_data_ahead_of_ack():
    """RFC 9293 3.10.7.4 seventh: the ACK is lost, the next segment opens the connection."""
    f = bench.syn_received()
    f.tcp("A", seq=4, data=b"def")
    assert len(f.listener.ready) == 1
    f.expect_tcp("A", seq=1, ack=1)
    f.conn = f.listener.accept()
    f.tcp("A", seq=1, data=b"abc")
    assert f.read() == b"abcdef"


def _simultaneous():
    f = bench.syn_sent()
    f.tcp("S", opts=opt_mss(1000))
    f.expect_tcp("SA", seq=0, ack=1)
    assert f.conn.state == 3
    return f


def test_simultaneous_open():
    """RFC 9293 3.5 figure 8: SYN against SYN, then SYN,ACK against SYN,ACK: ESTABLISHED."""
    f = _simultaneous()
    f.tcp("SA", seq=0)
    assert f.conn.state == 4
    f.advance(500)
    assert len(f.peer.take()) <= 1  # a bare ACK is allowed
    f.tcp("A", seq=1, data=b"abc")
    assert f.read() == b"abc"
    f.write(bytes(1500))
    f.expect_tcp("A", seq=1, data=bytes(1000))


def test_simultaneous_open_by_ack():
    """RFC 9293 3.5 figure 8: the peer's SYN,ACK is lost; a bare ACK opens as well."""
    f = _simultaneous()
    f.tcp("A", seq=1)
    assert f.conn.state == 4


def test_simultaneous_open_reset():
    """RFC 9293 3.10.7.4 second: RST in SYN-RECEIVED of an active open: connection refused."""
    f = _simultaneous()
    f.tcp("R", seq=1)
    assert f.conn.state == 0 and f.conn.error == _ECONNREFUSED


def test_close_during_simultaneous_open():
    """RFC 9293 3.10.4: CLOSE in SYN-RECEIVED: a FIN once the connection is established."""
    f = _simultaneous()
    f.call("shutdown_send")
    f.expect_nothing()
    f.tcp("SA", seq=0)
    assert f.conn.state == 5
    packets = [p for p in f.peer.take() if "F" in p.flags]
    assert len(packets) == 1


def test_mss():
    """RFC 9293 3.7.1: send no more than the peer's MSS, 536 without; never absurdly small."""
    for given, used in ((1000, 1000), (536, 536), (9000, 1460), (0, 536), (1, 64), (None, 536)):
        f = bench.established(opts=b"" if given is None else opt_mss(given))
        f.write(bytes(3000))
        assert len(f.expect_tcp("A", seq=1).data) == used, given
        f.peer.take()


def test_our_mss_follows_the_link():
    """RFC 9293 3.7.1, RFC 6691: the MSS we tell is the MTU less 40."""
    f = bench.listening(mtu=576)
    f.tcp("S")
    assert f.expect_tcp("SA").mss == 536


def test_mss_is_never_exceeded_by_options():
    """RFC 9293 3.7.1: an MSS option on a segment without SYN means nothing."""
    f = bench.established(mss=1000)
    f.tcp("A", data=b"x", opts=opt_mss(100))
    f.write(bytes(3000))
    assert len(f.expect_tcp("A", seq=1).data) == 1000


bench.run_tests(globals())
