# Congestion control and loss recovery: slow start and congestion avoidance with byte counting
# (RFC 5681, RFC 3465), fast retransmit and NewReno fast recovery (RFC 6582), round-trip times and
# the retransmission timeout (RFC 6298) in milliseconds.
#
# input.py reports what the ACKs say; all state is in the control block.

from micropython import const
from netstack.core.wire import add32, move32, sub32

_SND_UNA = const(1)
_SND_NXT = const(2)
_SND_MAX = const(3)
_RECOVER = const(9)
_SND_MSS = const(14)
_CWND = const(15)
_SSTHRESH = const(16)
_DUPACKS = const(17)
_SRTT = const(18)
_RTTVAR = const(19)
_RTO = const(20)
_BACKOFF = const(21)
_CREDIT = const(29)
_FLAGS = const(31)
_F_REXMT = const(2)
_F_TIMING = const(4)
_F_RECOVERY = const(8)
_F_PARTIAL = const(16)
_F_SACK = const(1024)
_FAST_REXMT = const(15)  # a counter of protocol.py

_RTO_INIT = const(1000)  # RFC 6298 (2.1)
_RTO_AFTER_SYN = const(3000)  # RFC 6298 (5.7)
# DEVIATION RFC 6298 (2.4): a floor of 200 ms instead of 1 s, as Linux has: with a millisecond
# clock the variance term tells better what is late, and a second of silence is what users of
# lwIP complain of.
_RTO_MIN = const(200)
_RTO_MAX = const(60000)  # RFC 6298 (2.5)
_RTO_KEPT = const(1000)


def start(conn):
    """The connection is established."""
    cb = conn.cb
    set_rto(conn)
    cb[_CWND] = _initial(cb[_SND_MSS])
    if cb[_BACKOFF]:  # the SYN was lost: RFC 5681 3.1, RFC 6298 (5.7)
        cb[_CWND] = cb[_SND_MSS]
        if not cb[_SRTT]:  # timestamps tell it all the same
            cb[_RTO] = _RTO_AFTER_SYN
        cb[_BACKOFF] = 0
    cb[_SSTHRESH] = 0x3FFFFFFF
    cb[_DUPACKS] = 0
    cb[_CREDIT] = 0
    _forget_recovery(cb)


def _initial(mss):
    """The initial window (RFC 5681 3.1)."""
    return 4 * mss if mss <= 1095 else 3 * mss if mss <= 2190 else 2 * mss


def _forget_recovery(cb):
    """RFC 6582 3.2 step 1: everything from SND.UNA on is beyond RECOVER."""
    move32(cb, _RECOVER, cb, _SND_UNA)
    add32(cb, _RECOVER, -1)


def in_flight(conn):
    """Bytes sent and not acknowledged."""
    return sub32(conn.cb, _SND_MAX, conn.cb, _SND_UNA)


def _halve(conn, flight):
    """ssthresh after a loss (RFC 5681 equation 4)."""
    cb = conn.cb
    half = flight >> 1
    floor = 2 * cb[_SND_MSS]
    cb[_SSTHRESH] = half if half > floor else floor


def on_ack(conn, acked):
    """`acked` bytes are newly acknowledged; SND.UNA has moved."""
    cb = conn.cb
    if cb[_FLAGS] & _F_RECOVERY:
        _recovering(conn, acked)
        return
    cb[_DUPACKS] = 0
    mss = cb[_SND_MSS]
    cwnd = cb[_CWND]
    if cwnd >= (in_flight(conn) + acked) << 1:
        return  # RFC 7661 section 3: a window that is not used proves nothing
    if cwnd < cb[_SSTHRESH]:
        # RFC 3465 2.2: L = 2, so that delayed ACKs do not halve the growth
        cb[_CWND] = cwnd + (acked if acked < 2 * mss else 2 * mss)
        return
    credit = cb[_CREDIT] + acked  # RFC 3465 2.1: one segment for each window acknowledged
    if credit >= cwnd:
        credit -= cwnd
        cb[_CWND] = cwnd + mss
    cb[_CREDIT] = credit


def _recovering(conn, acked):
    """A new ACK in fast recovery (RFC 6582 3.2 steps 3 and 4)."""
    cb = conn.cb
    mss = cb[_SND_MSS]
    if cb[_FLAGS] & _F_SACK:
        if sub32(cb, _SND_UNA, cb, _RECOVER) >= 0:  # RFC 6675 section 5 (A)
            cb[_CWND] = cb[_SSTHRESH]
            cb[_FLAGS] &= ~(_F_RECOVERY | _F_REXMT)
            cb[_DUPACKS] = 0
            cb[_CREDIT] = 0
        return
    if sub32(cb, _SND_UNA, cb, _RECOVER) >= 0:  # full acknowledgment
        flight = in_flight(conn)
        window = (flight if flight > mss else mss) + mss
        cb[_CWND] = window if window < cb[_SSTHRESH] else cb[_SSTHRESH]
        cb[_FLAGS] &= ~(_F_RECOVERY | _F_PARTIAL)
        cb[_DUPACKS] = 0
        cb[_CREDIT] = 0
        return
    cwnd = cb[_CWND] - acked if cb[_CWND] > acked else 0  # partial: deflate, resend the next hole
    if acked >= mss:
        cwnd += mss
    cb[_CWND] = cwnd if cwnd > mss else mss
    cb[_FLAGS] |= _F_REXMT | _F_PARTIAL


def on_dupack(conn):
    """A duplicate ACK has come (RFC 5681 3.2)."""
    cb = conn.cb
    cb[_DUPACKS] += 1
    if cb[_FLAGS] & _F_RECOVERY:
        cb[_CWND] += cb[_SND_MSS]
    elif cb[_DUPACKS] == 3 and sub32(cb, _SND_UNA, cb, _RECOVER) > 0:
        # RFC 6582 3.2 step 2: not again for losses of the same window
        _recover(conn)
        cb[_CWND] += 3 * cb[_SND_MSS]


def on_sack(conn):
    """The peer tells of text it has got out of order (RFC 6675 section 5)."""
    cb = conn.cb
    if cb[_FLAGS] & _F_RECOVERY:
        return
    cb[_DUPACKS] += 1
    board = conn.board
    if (cb[_DUPACKS] >= 3 or board.lost) and sub32(cb, _SND_UNA, cb, _RECOVER) >= 0:
        _recover(conn)
        board.restart()


def _recover(conn):
    """Begin loss recovery. What limited transmit has sent beyond the window does not count
    (RFC 5681 3.2 step 2)."""
    cb = conn.cb
    flight = in_flight(conn)
    limited = flight - cb[_CWND]
    if limited > 0:
        flight -= limited if limited < 2 * cb[_SND_MSS] else 2 * cb[_SND_MSS]
    _halve(conn, flight)
    move32(cb, _RECOVER, cb, _SND_MAX)
    cb[_CWND] = cb[_SSTHRESH]
    cb[_FLAGS] = (cb[_FLAGS] | _F_RECOVERY | _F_REXMT) & ~_F_TIMING
    conn.tcp.stat[_FAST_REXMT] += 1


def on_timeout(conn):
    """The retransmission timer has run out (RFC 5681 equation 4, RFC 6582 3.2 step 6)."""
    cb = conn.cb
    if cb[_BACKOFF] == 0:
        _halve(conn, in_flight(conn))
    cb[_CWND] = cb[_SND_MSS]
    cb[_DUPACKS] = 0
    cb[_CREDIT] = 0
    cb[_FLAGS] &= ~(_F_RECOVERY | _F_PARTIAL | _F_REXMT | _F_TIMING)
    move32(cb, _RECOVER, cb, _SND_MAX)
    move32(cb, _SND_NXT, cb, _SND_UNA)
    if conn.board:
        conn.board.restart()


def after_idle(conn):
    """RFC 5681 4.1: nothing was sent for a timeout, so the window says nothing any more."""
    cb = conn.cb
    restart = _initial(cb[_SND_MSS])
    if cb[_CWND] > restart:
        cb[_CWND] = restart


def sample(conn, rtt):
    """A round-trip time was measured (RFC 6298 (2.2), (2.3)); SRTT is kept times 8, RTTVAR
    times 4."""
    cb = conn.cb
    if not 0 <= rtt <= _RTO_MAX:  # a clock that was set, or an echo that lies
        return False
    if cb[_SRTT] == 0:
        cb[_SRTT] = (rtt << 3) or 1
        cb[_RTTVAR] = rtt << 1
    else:
        srtt = cb[_SRTT]
        var = cb[_RTTVAR]
        error = rtt - (srtt >> 3)
        cb[_SRTT] = srtt + error if srtt + error > 0 else 1
        if error < 0:
            error = -error
        cb[_RTTVAR] = var + error - (var >> 2)
    set_rto(conn)
    if sub32(cb, _SND_UNA, cb, _RECOVER) > 0x1FFFFFFF:  # before it is so far off that it wraps
        _forget_recovery(cb)
    return True


def set_rto(conn):
    """RTO from SRTT and RTTVAR (RFC 6298 (2.3)); K * RTTVAR is at least the floor, as in Linux."""
    cb = conn.cb
    if cb[_SRTT] == 0:
        cb[_RTO] = _RTO_INIT
        return
    var = cb[_RTTVAR]
    rto = (cb[_SRTT] >> 3) + (var if var > _RTO_MIN else _RTO_MIN)
    cb[_RTO] = rto if rto < _RTO_MAX else _RTO_MAX


def heard(conn):
    """An ACK after timeouts. RFC 6298 section 5 keeps the RTO backed off until a round trip is
    measured: it may be that the path has become slow. DEVIATION: no more than _RTO_KEPT of it, or
    a path that loses much would come to rest at _RTO_MAX."""
    cb = conn.cb
    cb[_BACKOFF] = 0
    kept = cb[_RTO]
    set_rto(conn)
    if kept > _RTO_KEPT:
        kept = _RTO_KEPT
    if cb[_RTO] < kept:
        cb[_RTO] = kept


def back_off(conn):
    """RFC 6298 (5.5)"""
    cb = conn.cb
    rto = cb[_RTO] << 1
    cb[_RTO] = rto if rto < _RTO_MAX else _RTO_MAX
    cb[_BACKOFF] += 1
