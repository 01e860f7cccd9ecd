# Congestion control: slow start, congestion avoidance, fast retransmit, NewReno, idle restart
# (RFC 5681, RFC 3465, RFC 6582).
#
# Words of the control block that are looked at: 15 CWND, 16 SSTHRESH.

import bench

MSS = 1000


def _flow(n=60000, **kw):
    """Established; `n` bytes wait in a send ring that is large enough. Reno, four segments at
    first."""
    f = bench.established(mss=MSS, budget=8 << 20, **kw)
    f.conn.set_congestion("reno")
    f.conn.cb[15] = 4 * MSS
    f.write(bytes(n))
    return f


def _cwnd(f):
    return f.conn.cb[15]


def _grow(f, flight):
    """Acknowledge until `flight` segments are sent at once."""
    while True:
        sent = [p for p in f.peer.take() if p.data]
        f.rcv_nxt = max(f.rcv_nxt, max((p.seq - f.irs + len(p.data)) & 0xFFFFFFFF for p in sent))
        top = f.rcv_nxt
        if (top - _una(f)) // MSS >= flight:
            return top
        f.tcp("A", ack=_una(f) + 2 * MSS if top - _una(f) > 2 * MSS else top)


def _una(f):
    return (f.conn.cb[1] - f.irs) & 0xFFFFFFFF


def test_initial_window():
    """RFC 6928 section 2: ten segments, 14600 bytes at most, if the peer's window has room."""
    for mss, n in ((500, 10), (1000, 10), (1460, 10)):
        f = bench.established(mss=mss, budget=1 << 20)
        f.write(bytes(20000))
        f.advance(5)
        assert len(f.peer.take()) == n, (mss, n)
    if bench.UNIX:
        f = bench.established(mss=1500, mtu=9000, budget=8 << 20)
        assert f.conn.cb[15] == 14600
        f = bench.established(mss=8000, mtu=9000, budget=8 << 20)
        assert f.conn.cb[15] == 16000
    f = bench.established(budget=1 << 20)
    f.tcp("A", wnd=3000)
    f.write(bytes(20000))
    assert sum(len(p.data) for p in f.peer.take()) <= 3000


def test_slow_start():
    """RFC 5681 3.1, RFC 3465: the window grows by what is acknowledged, at most two segments."""
    f = _flow()
    assert len(f.peer.take()) == 4
    f.tcp("A", ack=1001)
    assert _cwnd(f) == 5000
    assert len(f.peer.take()) == 2
    f.tcp("A", ack=3001)
    assert _cwnd(f) == 7000
    assert len(f.peer.take()) == 4
    f.tcp("A", ack=6001)  # three at once: two count
    assert _cwnd(f) == 9000


def test_congestion_avoidance():
    """RFC 5681 3.1, RFC 3465 2.1: above ssthresh: one segment for each window acknowledged."""
    f = _flow()
    f.peer.take()
    f.conn.cb[16] = 4000  # SSTHRESH
    before = _cwnd(f)
    top = 1
    for i in range(40):
        top += 1000
        f.tcp("A", ack=top)
        f.peer.take()
    # 40 segments: windows of 4, 5, 6, 7 and 8 are 30; of 9: not yet 39
    assert before == 4000 and _cwnd(f) == 10000, _cwnd(f)


def test_window_that_is_not_used():
    """RFC 7661 section 3: a window that the program does not fill does not grow."""
    f = bench.established(mss=MSS)
    for i in range(50):
        f.write(bytes(100))
        f.tcp("A", ack=1 + 100 * (i + 1))
        f.peer.take()
    assert _cwnd(f) == 10000, _cwnd(f)


def test_timeout():
    """RFC 5681 3.1 (4): ssthresh is half of what was in flight, the window one segment."""
    f = _flow()
    top = _grow(f, 12)
    flight = top - _una(f)
    f.peer.take()
    f.advance(260)
    assert _cwnd(f) == MSS
    assert f.conn.cb[16] == flight // 2, (f.conn.cb[16], flight)
    assert len(f.peer.take()) == 1
    half = f.conn.cb[16]
    f.advance(600)  # once more: ssthresh stays
    assert f.conn.cb[16] == half


def test_ssthresh_is_at_least_two_segments():
    """RFC 5681 equation 4: max(FlightSize / 2, 2*SMSS)."""
    f = bench.established(mss=MSS)
    f.write(bytes(1000))
    f.advance(300)
    assert f.conn.cb[16] == 2 * MSS
    f.peer.take()


def _three_dupacks(f):
    """Fast retransmit of the segment at SND.UNA; returns SND.UNA."""
    una = _una(f)
    f.peer.take()
    for i in range(3):
        f.tcp("A", ack=una)
        if i < 2:
            assert all((p.seq - f.irs) & 0xFFFFFFFF != una for p in f.peer.take()), "too early"
    f.expect_tcp("A", seq=una)
    return una


def test_fast_retransmit():
    """RFC 5681 3.2 steps 2, 3: third duplicate ACK: the segment again, window halved plus 3."""
    f = _flow()
    top = _grow(f, 10)
    flight = top - _una(f)
    _three_dupacks(f)
    assert f.conn.cb[16] == flight // 2
    assert _cwnd(f) == flight // 2 + 3 * MSS
    assert f.host.stat("tcp")["fast_rexmt"] == 1


def test_fast_retransmit_of_the_first_segment():
    """RFC 6582 3.2 step 1: RECOVER starts below the first segment, which may be lost as well."""
    f = _flow()
    _three_dupacks(f)


def test_two_dupacks():
    """RFC 5681 3.2: two duplicate ACKs may be reordering: nothing is sent again."""
    f = _flow()
    f.peer.take()
    f.tcp("A", ack=1)
    f.tcp("A", ack=1)
    assert all(p.seq != f.irs + 1 for p in f.peer.take())
    f.tcp("A", ack=1001)
    f.tcp("A", ack=1001)
    f.tcp("A", ack=1001)
    assert f.host.stat("tcp")["fast_rexmt"] == 0


def test_what_is_no_duplicate():
    """RFC 5681 section 2: text, another window, or nothing in flight: no duplicate ACK."""
    f = _flow()
    f.peer.take()
    for i in range(4):
        f.tcp("A", ack=1, data=b"x")
    for i in range(4):
        f.tcp("A", ack=1, wnd=60000 + i)
    assert f.host.stat("tcp")["fast_rexmt"] == 0
    g = bench.established()
    for i in range(5):
        g.tcp("A")
    assert g.host.stat("tcp")["fast_rexmt"] == 0
    g.write(b"abc")
    assert len(g.peer.take()) == 1
    g.tcp("A", ack=1)
    g.tcp("A", ack=1)
    g.expect_nothing()


def test_dupacks_inflate_the_window():
    """RFC 5681 3.2 steps 4, 5: each further duplicate ACK lets a segment out, given room."""
    f = _flow()
    top = _grow(f, 10)
    _three_dupacks(f)
    f.peer.take()
    sent = 0
    for i in range(7):
        f.tcp("A", ack=_una(f))
        sent += len([p for p in f.peer.take() if (p.seq - f.irs) & 0xFFFFFFFF >= top])
    assert 3 <= sent <= 5, sent  # half of the ten


def test_full_acknowledgment():
    """RFC 6582 3.2 step 3: an ACK of all up to RECOVER ends it; window ssthresh at most."""
    f = _flow()
    top = _grow(f, 10)
    _three_dupacks(f)
    f.peer.take()
    ssthresh = f.conn.cb[16]
    f.tcp("A", ack=top)  # two more segments by limited transmit
    assert f.conn.cb[31] & 8
    f.tcp("A", ack=top + 2 * MSS)
    assert _cwnd(f) <= ssthresh
    assert not f.conn.cb[31] & 8  # no longer in recovery
    assert f.peer.take()


def test_partial_acknowledgment():
    """RFC 6582 3.2 step 3: an ACK of less: the next hole at once, recovery goes on."""
    f = _flow()
    top = _grow(f, 10)
    una = _three_dupacks(f)
    f.peer.take()
    f.tcp("A", ack=una + 3000)
    f.expect_tcp("A", seq=una + 3000)
    f.tcp("A", ack=una + 6000)
    f.expect_tcp("A", seq=una + 6000)
    f.peer.take()
    assert f.conn.cb[31] & 8
    assert f.host.stat("tcp")["fast_rexmt"] == 1
    f.tcp("A", ack=top + 2 * MSS)
    assert not f.conn.cb[31] & 8


def test_fin_is_sent_again_with_its_text():
    """RFC 6582 3.2 step 3: when the last hole is the last segment, the FIN comes with it."""
    f = bench.established(mss=MSS)
    f.write(bytes(3500))
    f.tcp("A", ack=1001)
    f.call("shutdown_send")
    f.tcp("A", ack=2001)
    assert "F" in f.peer.take()[-1].flags
    for _ in range(3):
        f.tcp("A", ack=2001)
    assert len(f.expect_tcp("A", seq=2001).data) == MSS
    f.tcp("A", ack=3001)
    f.expect_tcp("FA", seq=3001, data=bytes(500))


def test_not_again_for_the_same_window():
    """RFC 6582 3.2 step 2: after a timeout, duplicate ACKs of the same flight start nothing."""
    f = _flow()
    _grow(f, 10)
    f.advance(300)
    f.peer.take()
    before = f.host.stat("tcp")["rexmt"]
    una = _una(f)
    for _ in range(6):
        f.tcp("A", ack=una)
    assert f.host.stat("tcp")["fast_rexmt"] == 0
    assert f.host.stat("tcp")["rexmt"] == before


def test_again_for_the_next_window():
    """RFC 6582 3.2 step 2: once beyond RECOVER, three duplicate ACKs count again."""
    f = _flow()
    top = _grow(f, 6)
    _three_dupacks(f)
    f.tcp("A", ack=top)
    _grow(f, 5)
    f.tcp("A", ack=_una(f) + MSS)
    _three_dupacks(f)
    assert f.host.stat("tcp")["fast_rexmt"] == 2


def test_timeout_in_recovery():
    """RFC 6582 3.2 step 6: a timeout ends fast recovery: slow start."""
    f = _flow()
    _grow(f, 10)
    una = _three_dupacks(f)
    f.peer.take()
    f.advance(300)
    assert _cwnd(f) == MSS and not f.conn.cb[31] & 8
    f.expect_tcp("A", seq=una)
    f.expect_nothing()


def test_restart_after_idle():
    """RFC 5681 4.1: nothing sent for an RTO: back to the initial window."""
    f = _flow()
    top = _grow(f, 20)
    while _una(f) < 60001:
        f.tcp("A", ack=f.rcv_nxt)
        for p in f.peer.take():
            f.rcv_nxt = max(f.rcv_nxt, (p.seq - f.irs + len(p.data)) & 0xFFFFFFFF)
        if f.rcv_nxt == 60001:
            f.tcp("A", ack=60001)
    assert _cwnd(f) > 15000 and top
    f.advance(10000)
    f.write(bytes(30000))
    assert len(f.peer.take()) == 10


def test_long_without_loss():
    """RFC 6582 3.2: RECOVER follows, so that a loss after 2^31 bytes is still repaired quickly."""
    f = _flow()
    cb = f.conn.cb
    f.peer.take()
    cb[9] = (cb[1] - 0x30000000) & 0xFFFFFFFF  # RECOVER: 800 MB ago
    f.advance(10)
    f.tcp("A", ack=1001)
    assert (cb[1] - cb[9]) & 0xFFFFFFFF < 10
    _three_dupacks(f)


bench.run_tests(globals())
