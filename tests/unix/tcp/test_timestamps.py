# Timestamps: negotiation, echo, round-trip times, PAWS (RFC 7323 sections 3 to 5).
#
# Words of the control block that are looked at: 18 SRTT * 8, 20 RTO, 39 TS_RECENT.

import bench
from bench import inside, opt_mss, opt_ts

_DAY = 86400000


def _stamped(tsval=5000, **kw):
    """Established, every segment with a timestamp."""
    return bench.established(tsval=tsval, **kw)


def test_offered():
    """RFC 7323 3.2: a SYN offers timestamps; TSecr is 0."""
    f = bench.syn_sent()
    f.advance(1000)
    p = f.expect_tcp("S")
    assert p.ts[1] == 0


def test_answered():
    """RFC 7323 3.2: SYN,ACK bears the option if the SYN did, and echoes it; so do all others."""
    f = bench.listening(tsval=77)
    f.tcp("S", opts=opt_mss(1460))
    assert f.expect_tcp("SA").ts[1] == 77
    f.tsval = 80
    f.tcp("A", data=b"x")
    f.advance(100)
    assert f.expect_tcp("A").ts[1] == 80
    with inside(f.st):
        f.conn = f.listener.accept()
    f.write(b"y")
    assert f.expect_tcp("A", data=b"y").ts[1] == 80


def test_not_unless_both():
    """RFC 7323 3.2: a peer that does not offer timestamps gets none."""
    f = bench.established()
    f.write(b"x")
    assert f.expect_tcp("A").ts is None
    g = bench.established(active=True)
    g.write(b"x")
    assert g.expect_tcp("A").ts is None


def test_room_for_the_option():
    """RFC 9293 3.7.1, RFC 6691: the option takes 12 bytes of each segment's MSS."""

    def nodelay(conn):
        with bench.inside(conn.st):
            conn.set("nodelay", True)

    f = _stamped(mss=1000, setup=nodelay)
    f.write(bytes(2500))
    assert [len(p.data) for p in f.peer.take()] == [988, 988, 524]
    f = _stamped(mss=9000, setup=nodelay)
    f.write(bytes(1460))
    assert [len(p.data) for p in f.peer.take()] == [1448, 12]


def test_clock():
    """RFC 7323 5.4: TSval goes up a millisecond at a time, through every wrap of our clock."""
    f = _stamped()
    f.write(b"x")
    before = f.expect_tcp("A").ts[0]
    f.tcp("A")
    for ms in (1, 10, 4000, 100000, _DAY, 5 * _DAY):
        f.clock.ms += ms
        f.peer.poll()
        f.peer.take()
        f.write(b"x")
        now = f.expect_tcp("A").ts[0]
        assert (now - before) & 0xFFFFFFFF == ms, (ms, now, before)
        before = now
        f.tcp("A")


def test_clock_tells_nothing():
    """RFC 7323 7.1: connections have clocks of their own offset; RFC 6191: the same four numbers
    go on with the same one."""
    seen = {}
    p = bench.peer(tcp=True)
    for sport in (40000, 40001, 40002, 40000):
        f = bench.listening(p=p, sport=sport, tsval=1)
        f.tcp("S")
        ts = f.expect_tcp("SA").ts[0]
        f.tcp("R")
        with inside(p.st):
            f.listener.close()
        p.advance(10)
        if sport in seen:
            assert (ts - seen[sport]) & 0xFFFFFFFF == 30
        else:
            assert all(abs(ts - other) > 1000 for other in seen.values())
            seen[sport] = ts


def test_echo_in_order():
    """RFC 7323 4.3 (2), case A: of segments acknowledged together, the first is echoed."""
    f = _stamped()
    f.tsval = 5001
    f.peer.queue(f.tcp_frame("A", data=bytes(1000)))
    f.tsval = 5002
    f.peer.queue(f.tcp_frame("A", data=bytes(1000)))
    f.peer.poll()
    assert f.expect_tcp("A", ack=2001).ts[1] == 5001


def test_echo_with_a_hole():
    """RFC 7323 4.3, cases B and C: while there is a hole the last one in order is echoed, then
    that of the segment that fills it."""
    f = _stamped()
    f.tsval = 5010
    f.tcp("A", seq=1, data=bytes(1000))
    f.advance(100)
    assert f.expect_tcp("A", ack=1001).ts[1] == 5010
    f.tsval = 5020
    f.tcp("A", seq=2001, data=bytes(1000))
    assert f.expect_tcp("A", ack=1001).ts[1] == 5010
    f.tsval = 5030
    f.tcp("A", seq=1001, data=bytes(1000))
    assert f.expect_tcp("A", ack=3001).ts[1] == 5030


def test_round_trip():
    """RFC 7323 4.1: an ACK of new data is a sample by its echo, also of what was sent twice."""
    f = _stamped()
    f.write(bytes(100))
    f.expect_tcp("A")
    f.advance(f.conn.cb[20] + 10)
    f.expect_tcp("A", seq=1)  # sent again
    f.advance(80)
    srtt = f.conn.cb[18]
    f.tcp("A")
    assert abs(f.conn.cb[18] / 8 - (srtt / 8 * 7 + 90) / 8) <= 1
    assert f.conn.cb[20] < 600


def test_one_sample_for_each_flight():
    """RFC 7323 appendix G: many ACKs of one flight must not weigh more than one."""
    f = _stamped(mss=1000)
    f.conn.cb[15] = 20000
    f.write(bytes(7904))
    f.peer.take()
    f.advance(64)
    f.tsecr = _now(f) - 64
    for i in range(1, 9):
        f.tcp("A", ack=1 + 988 * i)
    assert f.conn.cb[18] <= 65, f.conn.cb[18]  # 0 of the handshake, then an eighth of 64


def _now(f):
    """What TSval is now."""
    f.tcp("A", seq=0)  # below the window: answered at once
    return f.peer.take()[-1].ts[0]


def test_echo_that_lies():
    """RFC 7323 4.1: an echo from the future, or of long ago, is no sample."""
    for lie in (1000, -100000, 0x7FFFFFFF):
        f = _stamped()
        srtt = f.conn.cb[18]
        f.write(b"x")
        f.expect_tcp("A")
        f.tsecr += lie
        f.tcp("A")
        assert f.conn.cb[18] == srtt and f.conn.cb[1] == f.conn.cb[2]


def test_paws():
    """RFC 7323 5.3 R1: a segment whose timestamp is below TS.Recent is dropped, and answered."""
    f = _stamped()
    f.tsval = 4999
    f.tcp("A", seq=1, data=b"old")
    f.expect_tcp("A", seq=1, ack=1)
    assert f.read() is None and f.host.stat("tcp")["paws"] == 1
    f.tsval = 5000
    f.tcp("A", seq=1, data=b"new")
    assert f.read() == b"new"


def test_paws_wraps():
    """RFC 7323 5.2: timestamps are compared modulo 2^32."""
    f = _stamped(tsval=0xFFFFFFF0)
    f.tsval = 0x10
    f.tcp("A", seq=1, data=b"a")
    f.tsval = 0xFFFFFFF8
    f.tcp("A", seq=2, data=b"b")
    assert f.read() == b"a" and f.conn.cb[39] == 0x10
    f.peer.take()


def test_paws_and_rst():
    """RFC 7323 5.2: a RST counts whatever its timestamp, or without one."""
    for tsval in (4000, None):
        f = _stamped()
        f.tsval = tsval
        f.tcp("R", seq=1)
        assert f.conn.state == 0


def test_without_a_timestamp():
    """RFC 7323 3.2: once agreed, a segment without one is dropped silently."""
    f = _stamped()
    f.tsval = None
    f.tcp("A", seq=1, data=b"abc")
    f.advance(100)
    f.expect_nothing()
    assert f.read() is None


def test_after_a_long_pause():
    """RFC 7323 5.5: TS.Recent that is many days old is not believed any more."""
    f = _stamped(tsval=5000)
    g = bench.listening(p=f.peer, port=81, sport=40001, tsval=1)
    for _ in range(5):
        f.clock.ms += 5 * _DAY
        g.tcp("S", seq=0)
        g.tcp("R", seq=1)
    f.peer.take()
    f.tsval = 4000
    f.tcp("A", seq=1, data=b"abc")
    assert f.read() == b"abc" and f.conn.cb[39] == 4000
    f.peer.take()


def test_duplicate_does_not_move_ts_recent():
    """RFC 7323 4.3 (2): text ahead of Last.ACK.sent is not echoed, whatever its timestamp."""
    f = _stamped()
    f.tsval = 9000
    f.tcp("A", seq=501, data=bytes(100))
    assert f.expect_tcp("A", ack=1).ts[1] == 5000
    assert f.conn.cb[39] == 5000


def test_option_that_lies():
    """RFC 7323 3.2: an option of another length is none; one beyond the header is dropped."""
    f = bench.listening()
    f.tcp("S", opts=b"\x08\x06" + bytes(6))
    assert f.expect_tcp("SA").ts is None
    g = bench.listening(port=81)
    g.peer.expect_drop(g.tcp_frame("S", opts=opt_ts(1)[2:4] + bytes(4)), "tcp.in_option")


bench.run_tests(globals())
