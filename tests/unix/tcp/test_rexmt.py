# Round-trip times and the retransmission timeout (RFC 6298), giving up (RFC 9293 3.8.3).
#
# Words of the control block that are looked at: 18 SRTT * 8, 19 RTTVAR * 4, 20 RTO.

import bench

_ETIMEDOUT = 110


def _srtt(f):
    return f.conn.cb[18] / 8


def _rttvar(f):
    return f.conn.cb[19] / 4


def _round(f, ms, n=100):
    """The host sends `n` bytes, which are acknowledged after `ms`."""
    f.write(bytes(n))
    f.expect_tcp("A")
    f.advance(ms)
    f.expect_nothing()
    f.tcp("A")


def _until_sent(f, limit=100000):
    """Milliseconds until the host sends something, to 10 ms."""
    start = f.clock.ms
    while not f.peer.sent:
        f.advance(10)
        assert f.clock.ms - start < limit, "nothing was sent"
    return f.clock.ms - start


def _handshake(ms):
    """Established, where the SYN took `ms`."""
    f = bench.syn_sent()
    f.advance(ms)
    f.tcp("SA", opts=bench.opt_mss(1460))
    f.expect_tcp("A")
    return f


def test_first_measurement():
    """RFC 6298 (2.2): SRTT <- R, RTTVAR <- R/2, RTO <- SRTT + 4 * RTTVAR."""
    for r in (100, 250, 600):
        f = _handshake(r)
        assert (_srtt(f), _rttvar(f)) == (r, r / 2)
        assert f.conn.cb[20] == r + max(200, 4 * r // 2)


def test_next_measurements():
    """RFC 6298 (2.3): RTTVAR <- 3/4 RTTVAR + 1/4 |SRTT - R|, then SRTT <- 7/8 SRTT + 1/8 R."""
    f = _handshake(400)
    srtt, rttvar = 400, 200
    for r in (300, 500, 100, 700, 400, 400, 5, 90):
        _round(f, r)
        rttvar = 0.75 * rttvar + 0.25 * abs(srtt - r)
        srtt = 0.875 * srtt + 0.125 * r
        assert abs(_srtt(f) - srtt) < 2 and abs(_rttvar(f) - rttvar) < 3, (r, _srtt(f), srtt)
        assert abs(f.conn.cb[20] - (srtt + max(200, 4 * rttvar))) < 12


def test_steady_path():
    """RFC 6298 (2.3): on a steady path the variance decays; 200 ms of slack stay."""
    f = _handshake(50)
    for _ in range(40):
        _round(f, 50)
    assert abs(_srtt(f) - 50) <= 1
    assert 250 <= f.conn.cb[20] <= 252, f.conn.cb[20]


def test_timeout_and_backoff():
    """RFC 6298 (5.4) - (5.6): the earliest segment again, the timeout doubled each time."""
    f = _handshake(100)
    f.write(bytes(range(50)))
    f.expect_tcp("A", seq=1)
    times = []
    for _ in range(7):
        times.append(_until_sent(f))
        f.expect_tcp("A", seq=1, data=bytes(range(50)))
    assert abs(times[0] - 300) <= 10
    for i in range(1, 7):
        assert abs(times[i] - 2 * times[i - 1]) <= 20, times


def test_timer_restarts_with_each_ack():
    """RFC 6298 (5.3): an ACK of new data starts the timer anew, with all its time."""
    f = _handshake(100)
    f.write(bytes(2920))
    assert len(f.peer.take()) == 2
    f.advance(290)
    f.tcp("A", ack=1461)
    f.advance(f.conn.cb[20] - 10)
    f.expect_nothing()
    f.advance(20)
    f.expect_tcp("A", seq=1461)


def test_timer_stops():
    """RFC 6298 (5.2): when all is acknowledged, no timer runs."""
    f = _handshake(100)
    f.write(b"x")
    f.expect_tcp("A")
    f.tcp("A")
    assert not f.conn.timer.active
    f.advance(1000000)
    f.expect_nothing()


def test_karn():
    """RFC 6298 section 3 (Karn): an ACK of what was sent twice gives no sample."""
    f = _handshake(100)
    f.write(b"abc")
    f.expect_tcp("A")
    _until_sent(f)
    f.expect_tcp("A", seq=1)
    before = (_srtt(f), _rttvar(f))
    f.advance(70)
    f.tcp("A")
    assert (_srtt(f), _rttvar(f)) == before


def test_fast_retransmit_is_not_timed():
    """RFC 6298 section 3 (Karn): nor of a fast retransmit."""
    f = _handshake(100)
    f.write(bytes(5840))
    f.peer.take()
    before = _srtt(f)
    f.advance(50)
    for _ in range(2):
        f.tcp("A", ack=1)
    f.peer.take()
    f.tcp("A", ack=1)
    f.expect_tcp("A", seq=1)
    f.tcp("A", ack=1461)
    assert _srtt(f) == before


def test_one_sample_for_each_flight():
    """RFC 6298 section 4: one segment is timed at a time, and the clock is that of its sending."""
    f = _handshake(100)
    f.write(bytes(1460))
    f.advance(100)
    f.write(bytes(1460))
    f.advance(100)
    f.peer.take()
    f.tcp("A", ack=1461)  # 200 ms for the first
    assert abs(_srtt(f) - 112.5) < 1
    f.tcp("A", ack=2921)  # the second was not timed
    assert abs(_srtt(f) - 112.5) < 1


def test_path_that_becomes_slow():
    """RFC 6298 section 5 (note): the RTO stays backed off until there is a sample: a round trip
    that grows beyond it is measured in the end, and spurious retransmissions cease."""
    f = _handshake(5)
    for _ in range(10):
        _round(f, 5)
    repeated = 0
    for i in range(20):
        f.write(bytes(100))
        f.advance(800)
        repeated = len(f.peer.take()) - 1
        f.tcp("A", ack=f.rcv_nxt + 100)
        f.rcv_nxt += 100
    assert repeated == 0 and _srtt(f) > 400, (repeated, _srtt(f))


def test_backoff_after_heavy_loss_ends():
    """RFC 6298 section 5: after a long outage, the next loss is not answered a minute later."""
    f = _handshake(20)
    f.write(bytes(1460))
    f.advance(30000)
    f.peer.take()
    f.tcp("A", ack=1461)
    f.rcv_nxt = 1461
    f.write(bytes(1460))
    f.expect_tcp("A", seq=1461)
    assert _until_sent(f) <= 1010
    f.expect_tcp("A", seq=1461)


def test_gives_up():
    """RFC 9293 3.8.3 (MUST-20, SHLD-11): R2 is at least 100 s; then ETIMEDOUT, and no RST."""
    f = _handshake(20)
    told = []
    f.conn.notify = lambda c: told.append(c.error)
    f.write(b"abc")
    start = f.clock.ms
    while f.conn.state and f.clock.ms - start < 2000000:
        f.advance(1000)
    assert 100000 <= f.clock.ms - start < 1000000, f.clock.ms - start
    assert told[-1] == _ETIMEDOUT
    for p in f.peer.take():
        assert "R" not in p.flags and p.data == b"abc"
    bench.raises(_ETIMEDOUT, f.read)
    assert f.write(b"x") == -_ETIMEDOUT


def test_all_again_after_timeout():
    """RFC 5681 section 3.1: after a timeout what was in flight is sent again by slow start."""
    f = bench.established(mss=1000)
    data = bench.Random(2).bytes(4000)
    f.write(data)
    assert len(f.peer.take()) == 4
    _until_sent(f)
    f.expect_tcp("A", seq=1, data=data[:1000])
    f.expect_nothing()
    f.tcp("A", ack=1001)
    f.expect_tcp("A", seq=1001, data=data[1000:2000])
    f.expect_tcp("A", seq=2001, data=data[2000:3000])
    f.expect_nothing()
    f.tcp("A", ack=4001)
    f.advance(5000)
    f.expect_nothing()


def test_new_data_joins_what_is_sent_again():
    """RFC 9293 3.8.1 (MAY): small segments that were lost are packed into one."""
    f = bench.established(mss=1000, setup=lambda c: setattr(c, "nodelay", True))
    for i in range(3):
        f.write(b"abc")
    f.peer.take()
    _until_sent(f)
    f.expect_tcp("A", seq=1, data=b"abcabcabc")


def test_acks_while_sending_again():
    """RFC 9293 3.10.7.4 first: an ACK sent while old text goes out again must be acceptable."""
    f = bench.established(mss=1000)
    f.write(bytes(4000))
    f.peer.take()
    _until_sent(f)
    f.peer.take()
    f.tcp("A", ack=1, data=b"x" * 100)
    f.advance(100)
    for p in f.peer.take():
        if not p.data:
            assert (p.seq - f.irs) & 0xFFFFFFFF == 4001, p


def test_acks_of_old_segments_count():
    """DEVIATION of input.py: the ACK of a segment whose text is old is taken; two ends that both
    lost ACKs would otherwise never hear each other."""
    f = bench.established()
    f.tcp("A", data=b"abc")
    f.write(b"xyz")
    f.expect_tcp("A", data=b"xyz")
    f.tcp("A", seq=1, data=b"abc")  # sent again: its ACK is new
    f.expect_tcp("A", seq=4, ack=4)
    f.advance(2000)
    f.expect_nothing()


def test_no_frames():
    """DESIGN 6: no frame to send with: it goes out a moment later."""
    f = bench.established()
    held = []
    with bench.inside(f.st):
        while True:
            fr = f.st.pool.alloc(True)
            if fr is None:
                break
            held.append(fr)
        f.conn.cb[53] = 0  # the fast path has a frame of its own
        f.conn.send(b"abc", 0, 3)
    f.expect_nothing()
    for fr in held:
        f.st.pool.release(fr)
    f.advance(2)
    f.expect_tcp("A", seq=1, data=b"abc")


def test_busy_nic():
    """docs/nic.md: a NIC that is busy: what is sent waits in the queue, in order."""
    f = bench.established(mss=1000)
    f.peer.nic.busy = 5
    f.write(bytes(3000))
    f.advance(20)
    assert [len(p.data) for p in f.peer.take()] == [1000, 1000, 1000]


bench.run_tests(globals())
