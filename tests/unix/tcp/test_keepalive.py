# Keepalive (RFC 9293 3.8.4) from both sides.

import bench

_ETIMEDOUT = 110


def _keep(conn):
    conn.keepalive = True
    conn.keepidle = 100
    conn.keepintvl = 10
    conn.keepcnt = 3


def _flow():
    return bench.established(active=True, setup=_keep)


def test_off_by_default():
    """RFC 9293 3.8.4 (MUST-25): no keepalive unless it is asked for."""
    f = bench.established()
    assert not f.conn.keepalive and f.conn.keepidle >= 7200  # MUST-26, MUST-28
    f.advance(10000000)
    f.expect_nothing()
    assert f.conn.state == 4


def test_probe():
    """RFC 9293 3.8.4: after the idle time an empty segment with SEG.SEQ = SND.NXT-1."""
    f = _flow()
    f.advance(99000)
    f.expect_nothing()
    f.advance(1500)
    f.expect_tcp("A", seq=0, ack=1, data=b"")
    f.tcp("A")
    f.advance(95000)
    f.expect_nothing()
    f.advance(10000)
    f.expect_tcp("A", seq=0, ack=1, data=b"")


def test_traffic_puts_it_off():
    """RFC 9293 3.8.4 (MUST-27): only when nothing has been received for the interval."""
    f = _flow()
    for i in range(10):
        f.advance(60000)
        f.tcp("A", data=b"x")
        f.read()
        f.advance(100)
        f.expect_tcp("A", seq=1)
        f.expect_nothing()


def test_no_answer():
    """RFC 9293 3.8.4 (MUST-29): not dead until several probes have gone without an answer."""
    f = _flow()
    f.advance(100500)
    f.expect_tcp("A", seq=0)
    f.advance(10000)
    f.expect_tcp("A", seq=0)
    f.advance(10000)
    f.expect_tcp("A", seq=0)
    assert f.conn.state == 4
    f.advance(10000)
    assert f.conn.state == 0 and f.conn.error == _ETIMEDOUT
    f.expect_nothing()


def test_late_answer():
    """RFC 9293 3.8.4 (MUST-29): an answer to the last probe is enough."""
    f = _flow()
    f.advance(100500)
    f.advance(10000)
    f.advance(10000)
    assert len(f.peer.take()) == 3
    f.tcp("A")
    f.advance(50000)
    assert f.conn.state == 4
    f.expect_nothing()


def test_peer_has_restarted():
    """RFC 9293 3.5.1: a peer that knows nothing of it answers with RST."""
    f = _flow()
    f.advance(100500)
    f.expect_tcp("A", seq=0, ack=1)
    f.tcp("R", seq=1)
    assert f.conn.state == 0 and f.conn.error == 104


def test_of_the_peer():
    """RFC 9293 3.8.4: a keepalive, empty or with one old byte, is answered with an ACK."""
    f = bench.established()
    f.tcp("A", data=b"x")
    f.advance(100)
    f.peer.take()
    f.tcp("A", seq=1, data=b"")
    f.expect_tcp("A", seq=1, ack=2)
    f.tcp("A", seq=1, data=b"g")
    f.expect_tcp("A", seq=1, ack=2)
    assert f.read() == b"x"


def test_keepalives_are_no_duplicate_acks():
    """RFC 5681 section 2: a keepalive does not start a fast retransmit."""
    f = bench.established(mss=1000)
    f.write(bytes(4000))
    f.peer.take()
    for _ in range(5):
        f.tcp("A", seq=0, ack=1)
        f.expect_tcp("A", seq=4001, ack=1, data=b"")
    assert f.host.stat("tcp")["fast_rexmt"] == 0


def test_ends_with_the_connection():
    """RFC 9293 3.8.4: in FIN-WAIT and TIME-WAIT nothing goes on for ever."""
    f = _flow()
    f.close()
    f.tcp("FA", ack=2)
    f.peer.take()
    f.advance(1000000)
    f.expect_nothing()
    assert list(f.st.tcp.connections()) == [] and f.st.tcp.timewait.rows.count == 0


bench.run_tests(globals())
