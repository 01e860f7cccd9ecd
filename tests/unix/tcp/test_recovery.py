# Loss recovery by what the peer has selectively acknowledged (RFC 6675), the window meanwhile
# (RFC 9937), limited transmit (RFC 3042). How losses are found: test_rack.py.
#
# Words of the control block that are looked at: 15 CWND, 16 SSTHRESH, 31 FLAGS (8: in recovery).

import bench
from bench import SACK_OK, opt_mss
from netstack.transport.tcp.scoreboard import Scoreboard

MSS = 1000


def _flow(segments=20, queued=40, window=None, **kw):
    """Established, with Reno; `segments` of `queued` are in flight."""
    f = bench.established(opts=opt_mss(MSS) + SACK_OK, budget=8 << 20, **kw)
    f.conn.set_congestion("reno")
    f.conn.cb[15] = (window or segments) * MSS
    f.write(bytes(i & 255 for i in range(queued * 10)) * 100)
    f.advance(5)
    sent = _sent(f)
    assert sent == [1 + MSS * i for i in range(segments)], sent
    return f


def _sent(f):
    return [(p.seq - f.irs) & 0xFFFFFFFF for p in f.peer.take() if p.data]


def _seg(first, last=None):
    """Sequence numbers of the segments `first` .. `last`, counted from 0."""
    return 1 + MSS * first, 1 + MSS * ((first if last is None else last) + 1)


def _ack(f, ack, *sack):
    f.tcp("A", ack=1 + MSS * ack, sack=sack)
    return [(seq - 1) // MSS for seq in _sent(f)]


def test_recovery():
    """RFC 6675 section 5: more than two segments above the hole: it is sent again, the window
    halved, no inflation."""
    f = _flow()
    assert _ack(f, 0, _seg(1)) == [20]  # limited transmit: step (3)
    assert _ack(f, 0, _seg(1, 2)) == [21]
    assert _ack(f, 0, _seg(1, 3)) == [0]
    assert f.conn.cb[16] == 10 * MSS and f.conn.cb[31] & 8
    assert f.host.stat("tcp")["fast_rexmt"] == 1
    _ack(f, 22)
    assert f.conn.cb[15] == f.conn.cb[16] and not f.conn.cb[31] & 8


def test_recovery_by_three_ranges():
    """RFC 6675 section 4, IsLost(): three ranges above a hole, however small."""
    f = _flow()
    assert _ack(f, 0, (1101, 1201)) == []
    assert _ack(f, 0, (1101, 1201), (1301, 1401)) == []
    assert 0 in _ack(f, 0, (1101, 1201), (1301, 1401), (1501, 1601))


def test_proportional_rate_reduction():
    """RFC 9937 section 6: one segment goes out for two that arrive, all through the recovery,
    neither a pause at first nor a burst; ssthresh is in flight at the end."""
    f = _flow()
    sent = _ack(f, 0, _seg(1, 3))
    assert sent == [0]
    for last in range(4, 20):
        some = _ack(f, 0, _seg(1, last))
        assert len(some) <= 1, (last, some)
        sent += some
        assert abs(len(sent) - (last / 2)) <= 1.5, (last, sent)
    assert sent[1:] == list(range(20, 19 + len(sent)))
    sent += _ack(f, 20)
    assert len(sent) == 11 and f.conn.cb[15] == 10 * MSS, sent


def test_slow_start_reduction_bound():
    """RFC 9937 section 6: so much is lost that less than ssthresh is in flight: at most one more
    goes out than has arrived, and that only while nothing more is found to be lost."""
    f = _flow()
    sent = _ack(f, 0, _seg(14, 19))  # 14 are lost, 6 have come
    assert sent == list(range(6)), sent
    assert _ack(f, 1, _seg(14, 19)) == [6, 7]
    assert _ack(f, 3, _seg(14, 19)) == [8, 9, 10]
    assert f.conn.cb[83] == 11 * MSS


def test_many_holes():
    """RFC 6675 section 4, NextSeg (1): every hole is sent again within one round trip, in order,
    and nothing else is."""
    f = _flow()
    _ack(f, 0, _seg(1), _seg(3), _seg(5))  # 0, 2, 4 are gone
    sent = []
    for last in range(6, 20):
        sent += _ack(f, 0, _seg(5, last), _seg(3), _seg(1))
    assert [s for s in sent if s < 20] == [2, 4], sent
    assert _ack(f, 20)  # all is there: recovery ends, the window is open
    assert not f.conn.cb[31] & 8 and f.conn.cb[15] == f.conn.cb[16]


def test_half_a_window_lost():
    """RFC 6675: ten losses in one window, and no timeout."""
    f = _flow(segments=20, queued=20)
    have = [_seg(i) for i in range(1, 20, 2)]
    gone = list(range(0, 20, 2))
    sent = []
    for i in range(1, 11):
        sent += _ack(f, 0, *reversed(have[max(0, i - 4) : i]))
    top = 0
    for _ in range(40):
        if top == 20:
            break
        while top < 20 and (top not in gone or top in sent):
            top += 1
        sent += _ack(f, top, *have[-3:]) if top < 19 else _ack(f, top)
    assert top == 20 and sorted(set(sent)) == gone, (top, sent)
    assert f.host.stat("tcp")["timeouts"] == 0


def test_last_hole_is_rescued():
    """RFC 6675 section 4, NextSeg (4): with nothing new to send the last segment goes out again,
    once, in case that it was lost as well."""
    f = _flow(segments=10, queued=10)
    sent = _ack(f, 0, _seg(1, 3))
    for last in range(4, 8):
        sent += _ack(f, 0, _seg(1, last))
    assert sent[0] == 0 and sent.count(9) == 1, sent
    assert _ack(f, 8) == []


def test_partial_acknowledgment():
    """RFC 6675 section 5 (B): a partial ACK leaves the window; no hole is filled twice."""
    f = _flow()
    assert _ack(f, 0, _seg(1, 5), _seg(7, 12))[:2] == [0, 6]
    cwnd = f.conn.cb[15]
    assert 6 not in _ack(f, 6, _seg(7, 14))
    assert f.conn.cb[15] == cwnd and f.conn.cb[31] & 8
    assert f.host.stat("tcp")["rexmt"] == 2


def test_no_second_recovery_for_one_window():
    """RFC 6675 section 5: losses up to RecoveryPoint belong to one recovery."""
    f = _flow()
    _ack(f, 0, _seg(1, 5))
    _ack(f, 8, _seg(9, 14))
    assert f.host.stat("tcp")["fast_rexmt"] == 1
    _ack(f, 20)
    assert not f.conn.cb[31] & 8


def test_timeout_skips_what_is_there():
    """RFC 6675 5.1: after a timeout only what is missing is sent, by slow start."""
    f = _flow(segments=8, queued=8)
    f.tcp("A", ack=1, sack=[_seg(2, 3), _seg(5)])
    f.peer.take()
    f.conn.cb[31] &= ~8
    f.peer.take()
    f.advance(f.conn.cb[20] + 50)
    sent = [(s - 1) // MSS for s in _sent(f)]
    assert 0 in sent
    sent += _ack(f, 1, _seg(2, 3), _seg(5))
    sent += _ack(f, 4, _seg(5))
    sent += _ack(f, 6)
    assert not {2, 3, 5} & set(sent) and {0, 1, 4, 6, 7} == set(sent), sent


def test_timeout_spares_what_is_on_its_way():
    """RFC 8985 6.3: what was sent less than a round trip before the timeout may still come."""
    f = bench.established(opts=opt_mss(MSS) + SACK_OK)
    f.conn.cb[18] = 0  # SRTT: so there is no tail loss probe
    f.conn.cb[15] = 4 * MSS
    f.write(bytes(5 * MSS))
    f.advance(f.conn.cb[20] - 60)
    assert len(_sent(f)) == 4
    f.conn.cb[15] = 5 * MSS
    f.call("acknowledge")
    assert _sent(f) == [1 + 4 * MSS]
    f.conn.rack.rtt = 100
    f.advance(80)
    assert f.host.stat("tcp")["timeouts"] == 1 and _sent(f) == [1]
    assert f.conn.board.lost == 3 * MSS  # neither the first, which is out again, nor the last
    assert _ack(f, 5) == []


def test_reneging():
    """RFC 2018 section 8: an ACK that stops where a block began: the peer has dropped it; the
    blocks are forgotten, and all is sent again."""
    f = _flow(segments=6, queued=6)
    _ack(f, 0, _seg(2, 4))
    assert f.conn.board.sacked == 3 * MSS
    _ack(f, 2)
    assert f.conn.board.sacked == 0
    sent = []
    top = 2
    for _ in range(30):
        f.advance(300)
        sent += [(s - 1) // MSS for s in _sent(f)]
        while top in sent:
            top += 1
        sent += _ack(f, top)
    assert top == 6, (top, sent)


def test_dsack_is_no_loss():
    """RFC 2883 section 5: a duplicate the peer tells of is no sign of a loss."""
    f = _flow()
    for _ in range(5):
        assert all(segment >= 20 for segment in _ack(f, 3, _seg(0)))
    assert f.host.stat("tcp")["fast_rexmt"] == 0 and f.conn.board.sacked == 0


def test_blocks_that_lie():
    """RFC 2018: blocks beyond SND.MAX, inverted, empty or long ago say nothing."""
    f = _flow()
    for block in (
        (1 + 21 * MSS, 1 + 22 * MSS),
        (5001, 4001),
        (4001, 4001),
        (1, 1001),
        (-5000, 2000),
        (2001, 1 << 31),
        (4001, 1 + 40 * MSS),
    ):
        for _ in range(4):
            _ack(f, 0, block)
    assert f.conn.board.sacked == 0 and f.host.stat("tcp")["rexmt"] == 0


def test_plain_duplicates_do_not_count():
    """RFC 6675 section 2: with SACK, an ACK without new blocks is no duplicate ACK."""
    f = _flow()
    for _ in range(10):
        assert _ack(f, 0) == []
    assert f.host.stat("tcp")["fast_rexmt"] == 0


def test_fin_is_sent_again():
    """RFC 6675: a FIN behind the last hole comes with it."""
    f = _flow(segments=6, queued=6)
    f.call("shutdown_send")
    assert "F" in f.peer.take()[-1].flags
    _ack(f, 0, _seg(1, 3))
    f.tcp("A", ack=1 + 5 * MSS)
    f.advance(400)
    p = f.peer.take()[-1]
    assert "F" in p.flags and len(p.data) == MSS
    f.tcp("A", ack=2 + 6 * MSS)
    assert f.conn.state == 6


def test_more_ranges_than_are_remembered():
    """RFC 6675: what finds no place in the scoreboard is sent again, and does no harm."""
    f = _flow(segments=50, queued=50)
    for i in range(1, 50, 2):
        f.tcp("A", ack=1, sack=[_seg(i)])
    assert f.conn.board.ranges.n == 16
    sent = _sent(f)
    assert 1 in sent
    f.tcp("A", ack=1 + 50 * MSS)
    assert f.conn.board.ranges.n == 0 and f.conn.board.sacked == 0
    f.advance(5000)
    f.expect_nothing()


def test_limited_transmit():
    """RFC 3042: without SACK: one new segment for each of the first two duplicate ACKs."""
    f = bench.established(mss=MSS, budget=8 << 20)
    f.conn.set_congestion("reno")
    f.write(bytes(20000))
    assert len(_sent(f)) == f.conn.cb[15] // MSS
    top = f.conn.cb[15]
    f.tcp("A", ack=1)
    assert _sent(f) == [1 + top]
    f.tcp("A", ack=1)
    assert _sent(f) == [1 + top + MSS]
    f.tcp("A", ack=1)
    assert _sent(f)[0] == 1
    assert f.conn.cb[16] == top // 2


def test_scoreboard_against_a_plain_model():
    """RFC 6675 section 4: gaps and what the peer has are what a byte map says."""
    rnd = bench.Random(9)
    for _ in range(bench.scale(60)):
        b = Scoreboard()
        flight = 40 + rnd.below(200)
        here = set()
        for _ in range(rnd.below(8)):
            start = 1 + rnd.below(flight - 1)
            end = min(flight, start + 1 + rnd.below(25))
            if b.ranges.add(start, end):
                here.update(range(start, end))
        b._measure()
        assert b.sacked == len(here)
        out = [i for i in range(flight) if i not in here]
        for place in (0, rnd.below(flight), flight // 2):
            assert b.below(place) == len([i for i in here if i < place])
            assert b.missing(place) == min([i for i in out if i >= place] or [flight])
            free = [i for i in range(place, place + 30) if i in here]
            if place not in here:
                assert b.gap(place, 30) == (free[0] - place if free else 30)


bench.run_tests(globals())
