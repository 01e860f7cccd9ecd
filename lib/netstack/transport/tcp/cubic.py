# CUBIC (RFC 9438): congestion avoidance that grows with time since the last reduction, towards the
# window at which it happened and beyond. Integers only: times in hundredths of a second, at most
# _FAR of them, so that every product stays below 2^30.
#
# Words of the control block: 47 W_MAX (bytes)  48 K  49 EPOCH (ms; 0: none)  50 W_EST (bytes)
#   51 CREDIT_EST

from micropython import const
from netstack.core.clock import elapsed

NAME = "cubic"
MODEL = None

_SND_MSS = const(14)
_CWND = const(15)
_SRTT = const(18)
_CREDIT = const(29)
_W_MAX = const(47)
_K = const(48)
_EPOCH = const(49)
_W_EST = const(50)
_CREDIT_EST = const(51)

_FAR = const(1000)  # 10 s from the plateau: far beyond anything that our rings can fill


def cube(t):
    """C * t^3 with C = 0.4 (RFC 9438 4.1, 4.6), in thousandths of a segment; t in 10 ms."""
    return t * t * t // 2500


def root(segments):
    """The t at which cube(t) reaches this many thousandths of a segment (RFC 9438 equation 2)."""
    t = 0
    bit = 512
    while bit:
        if t + bit <= _FAR and cube(t + bit) <= segments:
            t += bit
        bit >>= 1
    return t


def loss(conn, flight):
    """ssthresh after a loss: 0.7 of what was in flight (RFC 9438 4.6), and where the plateau is;
    lower than the last one: fast convergence (4.7)."""
    cb = conn.cb
    cwnd = cb[_CWND]
    if cwnd > flight:
        cwnd = flight
    cb[_W_MAX] = cwnd // 20 * 17 if cwnd < cb[_W_MAX] else cwnd
    cb[_EPOCH] = 0
    return flight // 10 * 7


def _begin(conn, cb, now):
    """Congestion avoidance begins (RFC 9438 4.2)."""
    cwnd = cb[_CWND]
    mss = cb[_SND_MSS]
    cb[_EPOCH] = now or 1
    cb[_W_EST] = cwnd
    cb[_CREDIT_EST] = 0
    if cb[_W_MAX] <= cwnd:
        cb[_W_MAX] = cwnd
        cb[_K] = 0
    else:
        cb[_K] = root((cb[_W_MAX] - cwnd) // mss * 1000)


def avoid(conn, acked):
    """Congestion avoidance: `acked` bytes have come (RFC 9438 4.3 to 4.5)."""
    cb = conn.cb
    now = conn.st.now
    mss = cb[_SND_MSS]
    if not cb[_EPOCH]:
        _begin(conn, cb, now)
    cwnd = cb[_CWND]
    # Reno-friendly (4.3): half a segment for each window acknowledged, as its reduction is 0.7
    # instead of 0.5; from the plateau on a whole one
    credit = cb[_CREDIT_EST] + acked
    need = cwnd if cb[_W_EST] >= cb[_W_MAX] else cwnd + (cwnd >> 1) + (cwnd >> 2) + (cwnd >> 3)
    if credit >= need:
        credit -= need
        cb[_W_EST] += mss
    cb[_CREDIT_EST] = credit
    t = elapsed(now, cb[_EPOCH])
    t = (t if t < 20000 else 20000) + (cb[_SRTT] >> 3)
    t = t // 10 - cb[_K]
    if t > _FAR:
        t = _FAR
    target = cb[_W_MAX] + mss * (cube(t) // 100) // 10
    if target < cb[_W_EST]:
        cb[_CWND] = cb[_W_EST] if cb[_W_EST] > cwnd else cwnd
        return
    if target > cwnd + (cwnd >> 1):
        target = cwnd + (cwnd >> 1)
    if target <= cwnd:
        return
    # (target - cwnd) / cwnd of what was acknowledged; CREDIT keeps the rest, in 1/512 bytes
    if acked > 2 * mss:
        acked = 2 * mss
    credit = cb[_CREDIT] + ((target - cwnd << 9) // cwnd) * acked
    cb[_CWND] = cwnd + (credit >> 9)
    cb[_CREDIT] = credit & 511


def restart(conn):
    """The window has become what it is by a timeout, or by a pause: the curve begins at whatever
    it is when congestion avoidance begins (RFC 9438 4.8, 5.8)."""
    conn.cb[_W_MAX] = 0
    conn.cb[_EPOCH] = 0
