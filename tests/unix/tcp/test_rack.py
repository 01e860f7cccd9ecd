# Recent acknowledgment (RFC 8985 sections 5, 6): losses found by time.
#
# Words of the control block that are looked at: 15 CWND, 18 SRTT * 8, 20 RTO, 31 FLAGS (8: in
# recovery), 80 T_REO, 81 MIN_RTT.

import bench
from bench import SACK_OK, opt_mss
from netstack.transport.tcp.scoreboard import Scoreboard

MSS = 1000
RTT = 40


def _flow(segments=8, queued=None, cwnd=None, **kw):
    """Established with Reno, a round trip takes 40 ms; `segments` are in flight since 40 ms."""
    f = bench.established(opts=opt_mss(MSS) + SACK_OK, budget=8 << 20, **kw)
    f.conn.set_congestion("reno")
    f.conn.cb[18] = RTT << 3
    f.conn.cb[20] = RTT + 200
    f.conn.cb[81] = RTT
    f.conn.cb[15] = (cwnd or segments) * MSS
    f.write(bytes((queued or segments) * MSS))
    f.advance(RTT)
    assert len(_sent(f)) == segments
    return f


def _sent(f):
    return [((p.seq - f.irs) & 0xFFFFFFFF) // MSS for p in f.peer.take() if p.data]


def _seg(first, last=None):
    return 1 + MSS * first, 1 + MSS * ((first if last is None else last) + 1)


def _ack(f, ack, *sack):
    f.tcp("A", ack=1 + MSS * ack, sack=sack)
    return _sent(f)


def _next(f):
    """(ms, segments) of what comes next by itself."""
    start = f.clock.ms
    while not f.peer.sent:
        f.advance(1)
        assert f.clock.ms - start < 2000, "nothing was sent"
    return f.clock.ms - start, _sent(f)


def test_three_above():
    """RFC 8985 6.2 step 4: no other order seen yet, three segments have come: lost at once."""
    f = _flow()
    assert _ack(f, 0, _seg(1)) == [] == _ack(f, 0, _seg(1, 2))
    assert _ack(f, 0, _seg(1, 3)) == [0]
    assert f.conn.cb[80] == 0


def test_timer():
    """RFC 8985 6.3: fewer have come: a quarter of a round trip later it is lost."""
    f = _flow()
    assert _ack(f, 0, _seg(1)) == []
    ms, sent = _next(f)
    assert sent == [0] and RTT // 4 - 1 <= ms <= RTT // 4 + 1, (ms, sent)
    assert f.conn.cb[31] & 8 and f.conn.cb[80] == 0


def test_late_is_not_lost():
    """RFC 8985 6.2: what comes within the window was only late."""
    f = _flow()
    _ack(f, 0, _seg(1))
    f.advance(RTT // 4 - 2)
    assert _ack(f, 2) == [] and f.conn.cb[80] == 0
    f.advance(50)
    assert _sent(f) == [] and not f.conn.cb[31] & 8


def test_reordering_seen():
    """RFC 8985 6.2 steps 3 and 4: once another order was seen, three segments are no sign of a
    loss any more, time alone is."""
    f = _flow(12)
    _ack(f, 0, _seg(1))
    _ack(f, 2)
    assert f.conn.rack.reordering
    for last in range(3, 11):
        assert _ack(f, 2, _seg(3, last)) == []
    ms, sent = _next(f)
    assert sent == [2] and ms <= RTT // 4 + 1, (ms, sent)


def test_order_of_blocks_is_not_reordering():
    """RFC 8985 6.2 step 3: blocks of one ACK come newest first, whatever order the text had."""
    f = _flow(12)
    _ack(f, 0, _seg(5), _seg(3), _seg(1))
    assert not f.conn.rack.reordering


def test_numbers_that_have_come_round():
    """RFC 8985 6.2: what was known two gigabytes ago lies ahead of nothing now."""
    f = _flow(12)
    _ack(f, 0, _seg(1))
    _ack(f, 2)
    rack = f.conn.rack
    rack.reordering = False
    for i in (73, 74, 75):  # RACK.end_seq, RACK.fack
        rack.w[i] = (f.conn.cb[1] + 0x3FFFFFFF) & 0xFFFFFFFF
    rack.at = (f.st.now + 0x10000000) & 0x3FFFFFFF
    _ack(f, 2, _seg(4))
    assert not rack.reordering and rack.at == (f.st.now - RTT) & 0x3FFFFFFF
    assert f.conn.cb[80]


def test_duplicate_widens():
    """RFC 8985 6.2 step 4: each round with a D-SACK widens the window by a quarter of a round
    trip, up to a whole one; sixteen recoveries later it is forgotten."""
    f = _flow(12)
    rack = f.conn.rack
    _ack(f, 0, _seg(1))
    _ack(f, 2)
    for _ in range(3):
        _ack(f, 2, _seg(0))
    assert rack.mult == 2  # once a round
    _ack(f, 2, _seg(4))
    ms, sent = _next(f)
    assert sent[0] == 2 and RTT // 2 - 1 <= ms <= RTT // 2 + 1, (ms, sent)
    rack.mult = 9
    assert rack.window(f.conn) == RTT
    for _ in range(16):
        assert rack.mult == 9
        rack.recovered()
    assert rack.mult == 1


def test_duplicate_inside_a_block():
    """RFC 2883 4.2.2: so is a first block that lies in the second."""
    f = _flow(12)
    _ack(f, 0, _seg(3), _seg(2, 4))
    assert f.conn.rack.mult == 2


def test_lost_again():
    """RFC 8985 3.1, 6.2: a retransmission that was lost is seen when something that was sent
    later has come: no timeout."""
    f = _flow(8, queued=30)
    assert _ack(f, 0, _seg(1, 3)) == [0]
    f.advance(5)
    new = _ack(f, 0, _seg(1, 6)) + _ack(f, 0, _seg(1, 7))
    assert new and new[0] == 8, new
    f.advance(RTT)
    assert _sent(f) == []
    assert 0 in _ack(f, 0, _seg(1, 8))
    assert f.host.stat("tcp")["timeouts"] == 0
    f.advance(RTT)
    _ack(f, max(new) + 1)
    assert not f.conn.cb[31] & 8


def test_answer_to_the_first_transmission():
    """RFC 8985 6.2 step 2: without timestamps, an ACK sooner than the shortest round trip answers
    what was sent first, and tells nothing of what was sent with it."""
    f = _flow(8, queued=30)
    assert _ack(f, 0, _seg(1, 3)) == [0]
    at = f.conn.rack.at
    f.advance(RTT // 2)
    _ack(f, 4)
    assert f.conn.rack.at == at
    f = _flow(8, queued=30, port=81)
    assert _ack(f, 0, _seg(1, 3)) == [0]
    f.advance(RTT)
    _ack(f, 4)
    assert f.conn.rack.at != at


def test_timestamps_tell_which():
    """RFC 8985 6.2 step 2: the echo tells it at any time; and that it was reordering."""
    f = _flow(8, queued=30, tsval=1)
    f.tcp("A", ack=1, sack=[_seg(1, 3)])
    old = f.tsecr
    f.expect_tcp("A", seq=1)
    at = f.conn.rack.at
    f.advance(RTT)
    f.tsval += RTT
    f.tsecr = old or f.tsecr - RTT
    f.tcp("A", ack=1 + 4 * MSS)
    assert f.conn.rack.at == at and f.conn.rack.reordering


def test_record_that_begins_late():
    """Without a record (there was no memory) nothing is lost but by the timeout; one that is made
    later takes all for just sent."""
    f = _flow()
    f.conn.rack = None
    assert _ack(f, 0, _seg(1, 4)) == [] and f.conn.rack
    f.advance(5)
    assert _ack(f, 0, _seg(1, 5)) == [0]


def test_idle_costs_nothing():
    f = bench.established(opts=opt_mss(MSS) + SACK_OK)
    f.tcp(data=b"x")
    f.advance(100)
    assert f.conn.rack is None
    g = bench.established(opts=opt_mss(MSS), port=81)
    g.write(b"x")
    assert g.conn.rack is None


def _record(f):
    """[(end, at, state)] of what is not acknowledged, ends as segments."""
    w = f.conn.rack.w
    una = f.conn.cb[1]
    rows = [((w[3 * i] - una) & 0xFFFFFFFF, w[3 * i + 1], w[3 * i + 2]) for i in range(w[72])]
    return [row for row in rows if 0 < row[0] < 1 << 31]


def test_record_of_a_millisecond():
    """What goes out within one millisecond is one entry, what is sent again another."""
    f = _flow(5, queued=20)
    start = f.st.now - RTT
    assert _record(f) == [(5 * MSS, start, 0)]
    f.conn.cb[15] = 7 * MSS
    f.write(b"x")
    assert _record(f) == [(5 * MSS, start, 0), (7 * MSS, start + RTT, 0)]
    f.advance(2)
    assert _sent(f) == [5, 6] and _ack(f, 0, _seg(1, 3)) == [0]
    assert _record(f)[0] == (4 * MSS, start + RTT + 2, 2)


def test_record_is_bounded():
    """At most 24 entries: the closest in time are joined, and sent at the later moment."""
    f = bench.established(opts=opt_mss(MSS) + SACK_OK, budget=8 << 20)
    with bench.inside(f.st):
        f.conn.set("nodelay", True)
    f.conn.cb[15] = 100 * MSS
    f.conn.cb[18] = 0  # no probe
    f.conn.cb[20] = 5000
    start = f.st.now
    for i in range(40):
        f.write(bytes(10))
        f.advance(2 if i < 30 else 20)
    rows = _record(f)
    assert len(rows) == 24 and rows[-1][0] == 400, rows
    for end, at, state in rows:
        i = end // 10 - 1
        assert end % 10 == 0 and state == 0
        assert at - start == (2 * i if i <= 30 else 60 + 20 * (i - 30)), rows
    assert [end for end, _, _ in rows[-9:]] == list(range(320, 401, 10))  # 20 ms apart: kept
    f.tcp("A", ack=391)
    f.write(bytes(10))
    assert len(_record(f)) == 2


def test_record_against_a_plain_model():
    """Marking and sending again, at random: every byte's moment and state are what a map of bytes
    says, as long as the record has room; and never is one taken for older than it is."""
    rnd = bench.Random(3)
    for turn in range(bench.scale(40)):
        bench.forget()
        f = bench.established(opts=opt_mss(MSS) + SACK_OK, budget=8 << 20)
        f.conn.cb[15] = 100 * MSS
        f.write(bytes(300))
        f.peer.take()
        rack = f.conn.rack
        model = [(f.conn.st.now, 0)] * 300
        exact = True
        for step in range(3 + turn):
            a = rnd.below(300)
            b = a + 1 + rnd.below(300 - a)
            f.conn.st.now += rnd.below(3)
            state = rnd.below(4)
            rack._mark(f.conn, a, b, f.conn.st.now, state)
            model[a:b] = [(f.conn.st.now, state)] * (b - a)
            exact = exact and rack.w[72] < 22
            got = []
            for end, at, state in _record(f):
                got += [(at, state)] * (end - len(got))
            assert len(got) == 300
            if exact:
                assert got == model, (step, _record(f))
            else:
                assert all(x[0] >= y[0] for x, y in zip(got, model))
                model = got
        f.conn.board = Scoreboard()
        f.conn.board.ranges.add(50, 100)
        lost = [i for i in range(300) if got[i][1] & 1 and not 50 <= i < 100]
        assert rack._lost_in(f.conn, 0, 300) == len(lost)
        assert rack._lost_in(f.conn, 70, 120) == len([i for i in lost if 70 <= i < 120])
        assert rack.hole(f.conn) == (lost[0] if lost else -1)
        f.conn.board = None


bench.run_tests(globals())
