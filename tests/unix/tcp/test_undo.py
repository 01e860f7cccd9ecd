# What was taken for lost was only late: Eifel (RFC 3522, RFC 4015), D-SACK (RFC 2883), F-RTO
# (RFC 5682).
#
# Words of the control block that are looked at: 9 RECOVER, 15 CWND, 16 SSTHRESH, 18 SRTT * 8,
# 20 RTO, 21 BACKOFF, 31 FLAGS (8: in recovery), 47 W_MAX, 81 MIN_RTT, 85 UNDO_CWND.

import bench
from bench import SACK_OK, opt_mss

MSS = 1000
RTT = 40


def _flow(segments=8, queued=20, control="reno", sack=SACK_OK, **kw):
    """Established, a round trip takes 40 ms; `segments` have been in flight for that long."""
    f = bench.established(opts=opt_mss(MSS) + sack, budget=8 << 20, **kw)
    f.mss = f.conn.cb[14]
    f.conn.set_congestion(control)
    f.conn.cb[18] = RTT << 3
    f.conn.cb[20] = RTT + 200
    f.conn.cb[81] = RTT
    f.conn.cb[15] = segments * f.mss
    f.write(bytes(queued * f.mss))
    f.advance(RTT)
    f.early = _sent(f)[1]
    return f


def _sent(f):
    """(segments that were sent, the timestamp of the last)"""
    packets = [p for p in f.peer.take() if p.data]
    stamp = packets[-1].ts[0] if packets and packets[-1].ts else None
    return [((p.seq - f.irs) & 0xFFFFFFFF) // f.mss for p in packets], stamp


def _seg(f, first, last=None):
    return 1 + f.mss * first, 1 + f.mss * ((first if last is None else last) + 1)


def _ack(f, ack, *sack, echo=0):
    if f.tsval is not None:
        f.tsval += 1
        f.tsecr = echo or f.early
    f.tcp("A", ack=1 + f.mss * ack, sack=[_seg(f, *each) for each in sack])
    return _sent(f)[0]


def _undone(f):
    return f.host.stat("tcp")["undone"]


def test_fast_retransmit_with_timestamps():
    """RFC 3522 3.2, RFC 4015 3.2: the ACK answers what was sent first: recovery ends at once, the
    window is what it was."""
    f = _flow(tsval=1)
    assert _ack(f, 0, (1, 3)) == [0]
    assert f.conn.cb[16] == 4 * f.mss and f.conn.cb[31] & 8
    f.advance(5)
    sent = _ack(f, 4)
    assert _undone(f) == 1 and not f.conn.cb[31] & 8
    assert f.conn.cb[15] == 8 * f.mss and f.conn.cb[16] >= 8 * f.mss
    assert sent == [8, 9, 10, 11]
    assert f.conn.rack.reordering


def test_a_loss_stays_a_loss():
    """RFC 3522 3.2 step (5): the ACK answers the retransmission: nothing is taken back."""
    f = _flow(tsval=1)
    f.tsval += 1
    f.tsecr = f.early
    f.tcp("A", ack=1, sack=[_seg(f, 1, 3)])
    again, stamp = _sent(f)
    assert again == [0] and stamp > f.early
    f.advance(RTT)
    _ack(f, 4, echo=stamp)
    assert _undone(f) == 0 and f.conn.cb[16] == 4 * f.mss


def test_newreno_with_timestamps():
    """RFC 3522: without SACK as well."""
    f = _flow(sack=b"", tsval=1)
    for _ in range(3):
        _ack(f, 0)
    assert f.conn.cb[31] & 8
    f.advance(5)
    _ack(f, 4)
    assert _undone(f) == 1 and not f.conn.cb[31] & 8 and f.conn.cb[16] >= 8 * f.mss


def test_timeout_with_timestamps():
    """RFC 4015 3.2: after a timeout that came too early: new data instead of the old once more,
    and the windows there were; the timeout stays as long as it has become."""
    f = _flow(tsval=1)
    f.advance(RTT + 250)
    assert f.host.stat("tcp")["timeouts"] == 1 and f.conn.cb[15] == f.mss
    assert 0 in _sent(f)[0]
    rto = f.conn.cb[20]
    f.advance(10)
    sent = _ack(f, 2)
    assert _undone(f) == 1 and f.conn.cb[21] == 0
    assert sent and min(sent) >= 8, sent
    assert f.conn.cb[15] == 8 * f.mss and f.conn.cb[16] >= 8 * f.mss
    assert f.conn.cb[20] == rto > RTT + 250
    _ack(f, max(sent) + 1)
    assert f.host.stat("tcp")["timeouts"] == 1


def test_timeout_that_was_right():
    """RFC 3522 3.2 step (5)"""
    f = _flow(tsval=1)
    f.advance(RTT + 250)
    sent, stamp = _sent(f)
    assert sent[-1] == 0
    f.advance(RTT)
    sent = _ack(f, 1, echo=stamp)
    assert _undone(f) == 0 and sent == [1, 2], sent


def test_duplicates_tell():
    """RFC 2883 section 5: all that was sent again has come twice: the reduction is taken back,
    even after recovery has ended."""
    f = _flow()
    assert _ack(f, 0, (1, 1), (3, 5)) == [0, 2]
    _ack(f, 8)
    assert f.conn.cb[16] == 4 * MSS and not f.conn.cb[31] & 8
    _ack(f, 8, (0,))
    assert _undone(f) == 0
    _ack(f, 8, (2,))
    assert _undone(f) == 1 and f.conn.cb[16] >= 8 * MSS
    _ack(f, 8, (2,))
    assert _undone(f) == 1


def test_duplicates_of_something_else():
    """RFC 2883: a duplicate from before the recovery, or of what was sent later, or long after,
    says nothing of it."""
    f = _flow()
    _ack(f, 1)
    assert _ack(f, 1, (2, 4)) == [1]
    _ack(f, 1, (0,), (2, 4))
    assert 12 in _ack(f, 9) and f.conn.cb[85]
    _ack(f, 13, (12,))
    assert _undone(f) == 0
    f.conn.cb[15] = 20 * MSS
    _ack(f, 13)
    _ack(f, 20)
    f.advance(1200)
    _ack(f, 20, (1,))
    assert _undone(f) == 0 and f.conn.cb[85] == 0


def test_f_rto():
    """RFC 5682 3.1: no timestamps: after a timeout what was never sent again is acknowledged."""
    f = _flow()
    f.advance(RTT + 250)
    f.peer.take()
    assert f.host.stat("tcp")["timeouts"] == 1
    sent = _ack(f, 3)
    assert _undone(f) == 1 and min(sent) >= 8, sent
    assert f.conn.cb[15] >= 8 * MSS


def test_f_rto_of_a_loss():
    """RFC 5682 3.1: only the retransmission is acknowledged: it was lost, and so may be more."""
    f = _flow()
    f.advance(RTT + 250)
    f.peer.take()
    assert _ack(f, 1) == [1, 2]
    assert _undone(f) == 0 and f.conn.cb[15] == 2 * MSS


def test_timeout_in_recovery():
    """A timeout in recovery means it: nothing is taken back."""
    f = _flow(tsval=1)
    _ack(f, 0, (1, 3))
    f.advance(400)
    assert f.host.stat("tcp")["timeouts"] == 1 and f.conn.cb[85] == 0


def test_cubic():
    """RFC 9438 4.9: so is the place of the plateau."""
    f = _flow(control="cubic", tsval=1)
    f.conn.cb[47] = 12345
    _ack(f, 0, (1, 3))
    assert f.conn.cb[47] != 12345
    f.advance(5)
    _ack(f, 4)
    assert f.conn.cb[47] == 12345 and f.conn.cb[15] == 8 * f.mss


bench.run_tests(globals())
