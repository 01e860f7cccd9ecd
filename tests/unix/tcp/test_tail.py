# The end of a flight: tail loss probes (RFC 8985 section 7), and losses among few segments.
#
# Words of the control block that are looked at: 15 CWND, 16 SSTHRESH, 18 SRTT * 8, 31 FLAGS
# (16384: a probe is out).

import bench
from bench import SACK_OK, opt_mss

MSS = 1000
RTT = 50


def _flow(segments, queued=None, sack=SACK_OK, cwnd=20):
    """Established, a round trip takes 50 ms; `segments` are in flight."""
    f = bench.established(opts=opt_mss(MSS) + sack, budget=8 << 20)
    f.conn.set_congestion("reno")
    f.conn.cb[18] = RTT << 3
    f.conn.cb[20] = RTT + 200
    f.conn.cb[15] = cwnd * MSS
    f.write(bytes(MSS * (queued or segments)))
    f.advance(1)
    assert len(f.peer.take()) == segments
    return f


def _next(f, limit=2000):
    """(ms, sequence numbers in segments) of what comes next by itself."""
    start = f.clock.ms
    while not f.peer.sent:
        f.advance(1)
        assert f.clock.ms - start < limit, "nothing was sent"
    return f.clock.ms - start, [(p.seq - f.irs - 1) // MSS for p in f.peer.take()]


def _seg(first, last):
    return 1 + MSS * first, 1 + MSS * (last + 1)


def test_probe():
    """RFC 8985 7.2, 7.3: after two round trips without an ACK the last segment goes out again,
    once; then the timeout has its full time."""
    f = _flow(5)
    ms, sent = _next(f)
    assert sent == [4] and 2 * RTT - 2 <= ms <= 2 * RTT + 2, (ms, sent)
    ms, sent = _next(f)
    assert sent == [0] and ms >= RTT + 195, (ms, sent)
    assert f.host.stat("tcp")["probes"] == 1 and f.host.stat("tcp")["timeouts"] == 1


def test_probe_with_new_data():
    """RFC 8985 7.3: a new segment is the better probe, whatever the congestion window."""
    f = _flow(5, queued=8, cwnd=5)
    assert _next(f)[1] == [5]
    f.tcp("A", ack=1 + 6 * MSS)
    assert not f.conn.cb[31] & 16384 and f.conn.cb[15] >= 5 * MSS


def test_no_probe_without_sack():
    """RFC 8985 7: without SACK a probe tells nothing: the timeout does it."""
    f = _flow(5, sack=b"")
    ms, sent = _next(f)
    assert sent == [0] and ms >= RTT + 195


def test_lone_segment():
    """RFC 8985 7.2: the ACK of a lone segment may be late: no probe before the timeout."""
    f = _flow(1)
    ms, sent = _next(f)
    assert sent == [0] and ms >= RTT + 195
    assert f.host.stat("tcp")["probes"] == 0


def test_not_in_a_hurry():
    """RFC 8985 7.2 (deviation): not before 20 ms on the fastest of paths."""
    f = _flow(5)
    f = bench.established(opts=opt_mss(MSS) + SACK_OK, port=81, budget=8 << 20)
    f.write(bytes(5 * MSS))
    f.advance(1)
    f.peer.take()
    assert _next(f)[0] >= 18


def test_tail_is_recovered():
    """RFC 8985 6.2, 7.4: the peer has the probe: all below it was sent long before, and is lost:
    sent again at once, without a timeout."""
    f = _flow(6)
    f.tcp("A", ack=1 + 2 * MSS)
    assert _next(f)[1] == [5]  # 2 to 5 were lost
    f.advance(RTT)
    f.tcp("A", ack=1 + 2 * MSS, sack=[_seg(5, 5)])
    sent = [(p.seq - f.irs - 1) // MSS for p in f.peer.take()]
    assert sent[0] == 2, sent
    for top in (3, 4):
        if top not in sent:
            f.tcp("A", ack=1 + top * MSS, sack=[_seg(5, 5)])
            sent += [(p.seq - f.irs - 1) // MSS for p in f.peer.take()]
    assert sorted(sent) == [2, 3, 4], sent
    f.tcp("A", ack=1 + 6 * MSS)
    assert f.host.stat("tcp")["timeouts"] == 0 and not f.conn.cb[31] & 8


def test_probe_that_was_not_needed():
    """RFC 8985 7.4.2: the peer tells of a duplicate: nothing was lost, the window stays."""
    f = _flow(5)
    _next(f)
    cwnd = f.conn.cb[15]
    f.tcp("A", ack=1 + 5 * MSS)
    assert f.conn.cb[31] & 16384
    f.tcp("A", ack=1 + 5 * MSS, sack=[_seg(4, 4)])
    assert not f.conn.cb[31] & 16384 and f.conn.cb[15] >= cwnd


def test_probe_that_repaired_a_loss():
    """RFC 8985 7.4.2: an ACK beyond the probe, and no duplicate: a loss, and the window pays."""
    f = _flow(5)
    _next(f)
    f.tcp("A", ack=1 + 5 * MSS)
    f.write(bytes(5 * MSS))
    f.peer.take()
    before = f.conn.cb[16]
    f.tcp("A", ack=1 + 6 * MSS)
    assert f.conn.cb[16] < before and f.conn.cb[15] <= f.conn.cb[16]
    assert not f.conn.cb[31] & 16384


def test_fin_is_probed():
    """RFC 8985 7.3: the last segment, FIN and all."""
    f = _flow(3)
    f.call("shutdown_send")
    f.peer.take()
    f.advance(2 * RTT + 5)
    p = f.peer.take()[-1]
    assert "F" in p.flags
    f.tcp("A", ack=2 + 3 * MSS)
    assert f.conn.state == 6


def test_few_segments():
    """RFC 8985 3.1: two or three segments out and nothing to add: there are no three duplicates;
    what has come, and a quarter of a round trip, tell as well."""
    for n in (2, 3):
        f = _flow(n)
        f.advance(RTT)
        f.tcp("A", ack=1, sack=[_seg(1, n - 1)])
        ms, sent = _next(f)
        assert sent == [0] and ms <= RTT // 4 + 1, (ms, sent)
        f.tcp("A", ack=1 + n * MSS)
        assert f.host.stat("tcp")["timeouts"] == 0


def test_limited_transmit_of_few():
    """RFC 6675 section 5 (3): while there is something new to be sent it goes out first."""
    f = _flow(2, queued=6, cwnd=2)
    f.tcp("A", ack=1, sack=[_seg(1, 1)])
    assert [(p.seq - f.irs - 1) // MSS for p in f.peer.take()] == [2]


bench.run_tests(globals())
