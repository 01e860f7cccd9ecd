# Windows: silly window avoidance on both sides (RFC 9293 3.8.6.2), closed windows and their probes
# (3.8.6.1), windows that shrink, updates.

import bench
from bench import inside

_ETIMEDOUT = 110


def test_offered_window_is_the_ring():
    """RFC 9293 3.8.6: the window offered is what the receive ring takes, never beyond it."""
    f = bench.listening(rcvbuf=3000)
    f.tcp("S")
    assert f.expect_tcp("SA").wnd == 3000
    f.tcp("A")
    with inside(f.st):
        f.conn = f.listener.accept()
    f.tcp("A", data=bytes(1000))
    f.advance(100)
    assert f.expect_tcp("A").wnd == 2000


def test_window_above_64k():
    """RFC 9293 3.1: without window scaling no more than 65535 can be offered."""
    f = bench.listening(rcvbuf=200000, budget=8 << 20)
    f.tcp("S")
    assert f.expect_tcp("SA").wnd == 65535


def test_no_silly_window_is_offered():
    """RFC 9293 3.8.6.2.2 (MUST-39): the edge moves by min(MSS, half the ring) or not."""
    f = bench.established(rcvbuf=4096)
    for n in (1400, 1400, 1296):
        f.tcp("A", data=bytes(n))
    f.advance(100)
    assert f.peer.take()[-1].wnd == 0
    f.read(1000)
    f.expect_nothing()
    f.tcp("A", seq=4097, data=b"x")  # a probe: still closed
    assert f.expect_tcp("A", ack=4097).wnd == 0
    f.read(400)
    f.expect_nothing()
    f.read(700)  # 2100: more than half of the ring
    assert f.expect_tcp("A", ack=4097).wnd == 2100


def test_probe_is_answered_with_the_new_window():
    """RFC 9293 3.8.6.1: a probe that comes when there is room again is told so."""
    f = bench.established(rcvbuf=4096)
    for n in (1400, 1400, 1296):
        f.tcp("A", data=bytes(n))
    f.read(1500)
    f.peer.take()
    f.tcp("A", seq=4097, data=b"x")
    assert f.expect_tcp("A", ack=4097).wnd == 1500
    f.tcp("A", seq=4097, data=b"y")
    got = f.read()
    assert len(got) == 2597 and got[-1:] == b"y"


def test_update_after_read():
    """RFC 9293 3.8.6.2.2: reading tells of the space when it is two segments or half the ring."""
    f = bench.established()
    n = 0
    while f.conn.space() > 1460:
        f.tcp("A", data=bytes(1460))
        n += 1460
    f.advance(100)
    f.peer.take()
    f.read(2000)
    f.expect_nothing()
    f.read(2000)
    assert f.expect_tcp("A").wnd >= 4000


def test_tiny_ring():
    """RFC 9293 3.8.6.2.2: a ring smaller than a segment: half of it is worth an update."""
    f = bench.established(rcvbuf=500)
    for i in range(5):
        f.tcp("A", data=bytes(500))
        f.advance(100)
        assert f.peer.take()[-1].wnd == 0
        assert len(f.read()) == 500
        assert f.expect_tcp("A").wnd == 500


def test_window_is_obeyed():
    """RFC 9293 3.8.6: no more is in flight than the peer's window allows."""
    f = bench.established(mss=1000)
    f.tcp("A", wnd=2500)
    f.write(bytes(5000))
    assert [len(p.data) for p in f.peer.take()] == [1000, 1000]
    f.tcp("A", ack=1001, wnd=2500)
    assert [len(p.data) for p in f.peer.take()] == [1000]


def test_no_silly_segments():
    """RFC 9293 3.8.6.2.1 (MUST-38): not less than a segment, unless it is half of the largest
    window, or all there is and nothing is in flight; 0.1 - 1 s overrides."""
    f = bench.syn_received(mss=1000)
    f.wnd = 300
    f.tcp("A", wnd=4000)
    with inside(f.st):
        f.conn = f.listener.accept()
    f.tcp("A", wnd=300)
    f.write(bytes(900))
    f.expect_nothing()  # 300 of a window that was 4000
    f.advance(99)
    f.expect_nothing()
    waited = 99
    while not f.peer.sent:
        f.advance(10)
        waited += 10
        assert waited <= 1000
    assert len(f.expect_tcp("A", seq=1).data) == 300
    f.tcp("A", wnd=2000)
    assert len(f.expect_tcp("A", seq=301).data) == 600


def test_half_of_a_small_window():
    """RFC 9293 3.8.6.2.1 (3): a peer whose window is small gets halves of it without delay."""
    f = bench.listening()
    f.wnd = 600
    f.tcp("S", opts=bench.opt_mss(1460))
    f.expect_tcp("SA")
    f.tcp("A")
    with inside(f.st):
        f.conn = f.listener.accept()
    f.write(bytes(2000))
    assert len(f.expect_tcp("A", seq=1).data) == 600
    f.tcp("A", wnd=300)
    assert len(f.expect_tcp("A", seq=601).data) == 300


def _closed(**kw):
    """Window closed by the peer, 100 bytes wait."""
    f = bench.established(mss=1000, **kw)
    f.tcp("A", wnd=0)
    f.write(bytes(range(100)))
    f.expect_nothing()
    return f


def test_closed_window_is_probed():
    """RFC 9293 3.8.6.1 (MUST-36, SHLD-29, SHLD-30): a byte after an RTO, then ever more rarely."""
    f = _closed()
    times = []
    start = f.clock.ms
    while len(times) < 7:
        f.advance(10)
        if f.peer.sent:
            f.expect_tcp("A", seq=1, data=b"\0")
            times.append(f.clock.ms - start)
            f.tcp("A", ack=1, wnd=0)
            f.expect_nothing()
        assert f.clock.ms - start < 200000
    gaps = [times[i] - times[i - 1] for i in range(1, 7)]
    for i in range(1, 6):
        assert 1.7 < gaps[i] / gaps[i - 1] < 2.3, gaps
    assert times[0] < 1100, times


def test_probes_go_on():
    """RFC 9293 3.8.6.1 (MUST-37): as long as probes are answered the connection stays."""
    f = _closed()
    probes = 0
    for _ in range(200):
        f.advance(20000)
        if f.peer.take():
            probes += 1
            f.tcp("A", ack=1, wnd=0)
    assert f.conn.state == 4
    assert probes >= 60, probes  # at least one a minute
    f.tcp("A", ack=1, wnd=1000)
    f.expect_tcp("A", seq=1, data=bytes(range(100)))


def test_probes_without_answer():
    """RFC 9293 3.8.3: nobody answers the probes: the connection is given up."""
    f = _closed()
    f.advance(2000000)
    assert f.conn.state == 0 and f.conn.error == _ETIMEDOUT
    f.peer.take()


def test_window_opens():
    """RFC 9293 3.8.6.1: an update lets the text go; probes have not backed off the RTO."""
    f = _closed()
    for _ in range(5):
        f.advance(5000)
        if f.peer.take():
            f.tcp("A", ack=1, wnd=0)
    f.tcp("A", ack=1, wnd=5000)
    f.expect_tcp("A", seq=1, data=bytes(range(100)))
    f.advance(1100)
    f.expect_tcp("A", seq=1, data=bytes(range(100)))


def test_probe_is_taken():
    """RFC 9293 3.8.6.1: the probing byte is acknowledged: what follows is the byte behind it."""
    f = _closed()
    f.advance(1100)
    f.peer.take()
    f.tcp("A", ack=2, wnd=0)
    f.advance(5000)
    for p in f.peer.take():
        assert (p.seq - f.irs) & 0xFFFFFFFF == 2 and p.data == b"\1"
    f.tcp("A", ack=2, wnd=1000)
    f.expect_tcp("A", seq=2, data=bytes(range(1, 100)))
    f.tcp("A", ack=101, wnd=1000)
    f.advance(10000)
    f.expect_nothing()


def test_acks_at_a_closed_window():
    """RFC 9293 3.8.6.1, 3.10.7.4 first: an ACK sent after a probe is acceptable to a peer that
    has not taken the byte."""
    f = _closed()
    f.advance(1100)
    assert f.peer.take()
    f.tcp("A", ack=1, data=b"x" * 1000, wnd=0)
    f.advance(50)
    f.expect_tcp("A", seq=1, data=b"")


def test_window_closes_with_text_in_flight():
    """RFC 9293 3.8.6 (MUST-34, SHLD-14..16): the window shrinks: the text comes later."""
    f = bench.established(mss=1000)
    f.write(bytes(range(200)) * 15)
    assert len(f.peer.take()) == 3
    f.tcp("A", ack=1001, wnd=0)  # 2000 in flight beyond the edge
    for _ in range(10):
        f.advance(2000)
        for p in f.peer.take():
            assert (p.seq - f.irs) & 0xFFFFFFFF == 1001
            assert len(p.data) <= 1000
            f.tcp("A", ack=1001, wnd=0)
    assert f.conn.state == 4
    f.tcp("A", ack=1001, wnd=5000)
    got = {}
    for _ in range(4):
        for p in f.peer.take():
            got[(p.seq - f.irs) & 0xFFFFFFFF] = p.data
        f.tcp("A", ack=1001 + sum(len(d) for d in got.values()), wnd=5000)
    assert b"".join(got[k] for k in sorted(got)) == bytes(range(200)) * 10


def test_window_shrinks_below_what_is_in_flight():
    """RFC 9293 3.8.6 (SHLD-15): beyond the new edge nothing new is sent; the rest still counts."""
    f = bench.established(mss=1000)
    f.tcp("A", wnd=4000)
    f.write(bytes(5000))
    assert len(f.peer.take()) == 4
    f.tcp("A", ack=1, wnd=500)
    f.expect_nothing()
    f.tcp("A", ack=2001, wnd=500)
    f.expect_nothing()
    f.tcp("A", ack=f.rcv_nxt, wnd=500)
    assert f.conn.state == 4


def test_old_segments_do_not_move_the_window():
    """RFC 9293 3.10.7.4 fifth: windows of segments older than SND.WL1, SND.WL2 are not used."""
    f = bench.established(mss=1000)
    f.write(b"abc")
    f.peer.take()
    f.tcp("A", data=b"new", ack=4, wnd=5000)
    assert f.conn.cb[12] == 5000
    f.tcp("A", seq=4, ack=1, wnd=100)  # WL1 is the same, WL2 older
    assert f.conn.cb[12] == 5000
    f.tcp("A", seq=4, ack=4, wnd=6000)
    assert f.conn.cb[12] == 6000
    f.tcp("A", seq=10, data=b"later", ack=4, wnd=7000)
    f.tcp("A", seq=4, data=b"sooner", ack=4, wnd=200)  # sent before that one
    assert f.conn.cb[12] == 7000 and f.read() == b"newsoonerlater"


def test_fin_alone_at_a_closed_window():
    """RFC 9293 3.8.6.1: a FIN that meets a closed window is sent until it is acknowledged."""
    f = bench.established()
    f.tcp("A", wnd=0)
    f.call("shutdown_send")
    f.advance(2000)
    assert "F" in f.peer.take()[-1].flags
    for _ in range(100):
        f.advance(60000)
        f.peer.take()
        f.tcp("A", ack=1, wnd=0)
    assert f.conn.state == 5
    f.tcp("A", ack=2, wnd=0)
    assert f.conn.state == 6


bench.run_tests(globals())
