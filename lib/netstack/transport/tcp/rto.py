# Round-trip times and the retransmission timeout (RFC 6298), in milliseconds. Word 81 of the
# control block is MIN_RTT (RFC 8985 6.2 step 1), 0 for none yet.

from micropython import const

_SRTT = const(18)
_RTTVAR = const(19)
_RTO = const(20)
_BACKOFF = const(21)

_RTO_INIT = const(1000)  # RFC 6298 (2.1)
# DEVIATION RFC 6298 (2.4): a floor of 200 ms instead of 1 s, as Linux has: with a millisecond
# clock the variance term tells better what is late, and a second of silence is what users of
# lwIP complain of.
_RTO_MIN = const(200)
_RTO_MAX = const(60000)  # RFC 6298 (2.5)
_RTO_KEPT = const(1000)


@micropython.native
def sample(conn, rtt):
    """A round-trip time was measured (RFC 6298 (2.2), (2.3)); SRTT is kept times 8, RTTVAR
    times 4."""
    if not 0 <= rtt <= _RTO_MAX:  # a clock that was set, or an echo that lies
        return False
    _sample(conn.cb, rtt)
    return True


@micropython.viper
def _sample(cb: ptr32, rtt: int):
    """MIN_RTT, SRTT, RTTVAR, and RTO as set_rto() has it."""
    least = cb[81]
    if not least or rtt < least:
        cb[81] = rtt if rtt else 1
    srtt = cb[18]
    var = rtt << 1
    if not srtt:
        srtt = rtt << 3
    else:
        error = rtt - (srtt >> 3)
        srtt += error
        if error < 0:
            error = 0 - error
        var = cb[19]
        var += error - (var >> 2)
    if srtt <= 0:
        srtt = 1
    cb[18] = srtt
    cb[19] = var
    rto = (srtt >> 3) + (var if var > 200 else 200)
    cb[20] = rto if rto < 60000 else 60000


@micropython.native
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
