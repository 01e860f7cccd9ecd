# BBR (draft-ietf-ccwg-bbr), seen from a peer that acknowledges. How it does on a path:
# sim/test_bbr.py.
#
# Words of the control block that are looked at: 15 CWND, 16 SSTHRESH, 18 SRTT * 8, 81 MIN_RTT.

import bench
from bench import raises

MSS = 1000
RTT = 50


def _flow(name="bbr", **kw):
    """Established, with a round trip of 50 ms, and enough to send for long."""
    f = bench.established(mss=MSS, opts=bench.opt_mss(MSS) + bench.SACK_OK, **kw)
    f.conn.cb[18] = RTT << 3
    f.conn.cb[81] = RTT
    f.conn.set_congestion(name)
    return f


def _segments(f):
    """Bytes of text that have been sent meanwhile."""
    return [p for p in f.peer.take() if p.data]


def test_is_chosen():
    """By its name, before the connection is made or while it is open, and given up again."""
    f = bench.established(mss=MSS)
    assert f.conn.model is None
    f.conn.set_congestion("bbr")
    assert f.conn.congestion() == "bbr" and f.conn.model and f.conn.cb[16] == 0
    raises(2, f.conn.set_congestion, "bbrr")
    assert f.conn.congestion() == "bbr"
    f.conn.set_congestion("reno")
    assert f.conn.model is None and f.conn.cb[16] == f.conn.cb[15] > 0


def test_listener_gives_it():
    """What a listener has chosen is that of the connections it gives."""
    f = bench.listening()
    f.listener.set_congestion("bbr")
    f.tcp("S", opts=bench.opt_mss(MSS))
    f.expect_tcp("SA")
    f.tcp("A")
    conn = f.listener.accept()
    assert conn.congestion() == "bbr" and conn.model
    f.peer.take()


def test_is_paced():
    """Section 5.6.2: what is sent is spread over the round trip, from the first window on."""
    f = _flow(budget=2 << 20)
    f.write(bytes(40000))
    at = []
    for _ in range(RTT):
        at += [f.clock.ms] * len(_segments(f))
        f.advance(1)
    assert len(set(at)) >= 5, at  # ten segments, at 2.77 times a window in a round trip
    assert at.count(at[0]) <= 3, at
    assert len(at) == f.conn.model.cwnd // MSS == 10


def _acknowledge(f, until, flying):
    """An ACK for each segment, a round trip after it was sent. Returns how much is in flight."""
    start = f.clock.ms
    while f.clock.ms - start < until:
        for p in f.peer.take():
            if p.data:
                end = (p.seq - f.irs & 0xFFFFFFFF) + len(p.data)
                flying.append((f.clock.ms + RTT, end))
        while flying and flying[0][0] <= f.clock.ms:
            f.rcv_nxt = max(f.rcv_nxt, flying.pop(0)[1])
            f.tcp("A")
        f.write(bytes(8192))
        f.advance(1)
    return len(flying)


def test_startup_doubles():
    """Section 5.3.1: twice as much in each round trip as long as more is delivered."""
    f = _flow(budget=2 << 20)
    flying = []
    flights = [_acknowledge(f, RTT, flying) for _ in range(5)]
    assert flights[0] == 10 and flights[2] >= 20 and flights[4] >= 40, flights
    assert f.conn.model.state == 0 and f.conn.model.best > 0


def test_timeout():
    """Section 5.6.4.4: after a timeout one segment, and the model holds."""
    f = _flow(budget=2 << 20)
    _acknowledge(f, 4 * RTT, [])
    f.peer.take()
    best = max(f.conn.model.best, f.conn.model.before)
    f.advance(1000)
    assert f.st.stats()["tcp"]["timeouts"] and f.conn.cb[15] == MSS
    assert max(f.conn.model.best, f.conn.model.before) >= best and f.conn.cb[16] == 0


def test_no_memory():
    """Without room for a model the connection is CUBIC's, and open."""
    from netstack.transport.tcp import bbr

    f = bench.established(mss=MSS)

    def none(conn):
        raise MemoryError

    real = bbr.MODEL
    bbr.MODEL = none
    try:
        f.conn.set_congestion("bbr")
    finally:
        bbr.MODEL = real
    assert f.conn.congestion() == "cubic" and f.conn.model is None and f.st.nomem == 1
    f.st.nomem = 0
    f.write(b"abc")
    f.expect_tcp("A", data=b"abc")


bench.run_tests(globals())
