# CUBIC (RFC 9438), against the formulas of the RFC in floating point.
#
# Words of the control block that are looked at: 15 CWND, 16 SSTHRESH, 18 SRTT * 8, 47 W_MAX.

import bench
from bench import raises
from netstack.transport.tcp import cubic

MSS = 1000


def _flow(cwnd, ssthresh=0):
    f = bench.established(mss=MSS, budget=8 << 20)
    f.conn.cb[15] = cwnd
    f.conn.cb[16] = ssthresh
    f.conn.cb[18] = 100 << 3
    return f


def _run(f, ms, rtt=100):
    """A window acknowledged in each round trip, segment by segment."""
    cb = f.conn.cb
    for _ in range(ms // rtt):
        n = cb[15] // MSS
        for _ in range(n):
            cubic.avoid(f.conn, MSS)
        f.st.now = f.st.now + rtt & 0x3FFFFFFF


def test_is_the_default():
    """RFC 9438: of a connection that has not chosen; an unknown name is refused."""
    f = bench.established()
    assert f.conn.congestion() == "cubic"
    raises(2, f.conn.set_congestion, "vegas")
    f.conn.set_congestion("reno")
    assert f.conn.congestion() == "reno"


def test_root():
    """RFC 9438 equation 2: K = cubic root of (W_max - cwnd) / C."""
    for segments in (0, 1, 2, 5, 10, 30, 100, 400):
        k = (segments / 0.4) ** (1 / 3)
        assert abs(cubic.root(segments * 1000) / 100 - k) < 0.14, segments


def test_loss():
    """RFC 9438 4.6: a loss costs three tenths; 4.7: W_max goes down when there is less room."""
    f = _flow(100 * MSS)
    assert cubic.loss(f.conn, 100 * MSS) == 70 * MSS
    assert f.conn.cb[47] == 100 * MSS
    f.conn.cb[15] = 70 * MSS
    assert cubic.loss(f.conn, 70 * MSS) == 49 * MSS
    assert f.conn.cb[47] == 59500  # 70 * (1 + 0.7) / 2


def test_curve():
    """RFC 9438 4.2: after a loss the window follows W_max + C (t - K)^3, or nearly so."""
    f = _flow(200 * MSS)
    f.conn.cb[15] = cubic.loss(f.conn, 200 * MSS)
    k = (60 / 0.4) ** (1 / 3)
    t = 0
    while t < 9000:
        _run(f, 500)
        t += 500
        want = 200 + 0.4 * (t / 1000 - k) ** 3
        got = f.conn.cb[15] / MSS
        assert abs(got - want) < 2.5 + 0.02 * want, (t, got, want)


def test_as_fast_as_reno():
    """RFC 9438 4.3: where the curve is flatter than Reno's line, the line counts: 0.53 segments
    for each round trip."""
    f = _flow(20 * MSS)
    f.conn.cb[18] = 20 << 3
    f.conn.cb[15] = cubic.loss(f.conn, 20 * MSS)
    _run(f, 200, 20)
    assert 14 + 4 <= f.conn.cb[15] // MSS <= 14 + 7, f.conn.cb[15]


def test_never_faster_than_half():
    """RFC 9438 4.2: the target is at most one and a half windows for each round trip."""
    f = _flow(10 * MSS)
    _run(f, 100)
    before = f.conn.cb[15]
    f.st.now = f.st.now + 20000 & 0x3FFFFFFF
    _run(f, 100)
    assert before < f.conn.cb[15] <= before * 3 // 2 + MSS


def test_timeout():
    """RFC 9438 4.8: after a timeout the curve begins at the window it has by then."""
    f = bench.established(mss=MSS, budget=8 << 20)
    f.write(bytes(10000))
    f.peer.take()
    f.advance(1300)
    f.peer.take()
    assert f.conn.cb[15] == MSS and f.conn.cb[16] == 7 * MSS
    assert f.conn.cb[47] == f.conn.cb[49] == 0


def test_large_windows():
    """STYLE 1: no product leaves small ints, up to a window of a megabyte."""
    f = _flow(1 << 20)
    f.conn.cb[47] = 1 << 20
    for now in (0, 1, 20000, 1000000, 1 << 28):
        f.st.now = f.st.now + now & 0x3FFFFFFF
        cubic.avoid(f.conn, 65535)
    assert f.conn.cb[15] >= 1 << 20
    assert cubic.loss(f.conn, 1 << 20) == (1 << 20) // 10 * 7


bench.run_tests(globals())
