# Tail loss probes (RFC 8985 section 7). When the last segments of a flight are lost no ACK tells
# of it; a segment sent after two round trips makes the peer tell, long before the timeout.
#
# The retransmission timer runs for the probe first (bit TLP of FLAGS), then for the timeout. Word
# 52 of the control block is TLP_END: what an ACK reaches that has heard of the probe.

from micropython import const
from netstack.core.clock import elapsed, later
from netstack.core.wire import move32, sub32

_SND_UNA = const(1)
_SND_MAX = const(3)
_SND_MSS = const(14)
_SRTT = const(18)
_RTO = const(20)
_BACKOFF = const(21)
_T_REXMT = const(24)
_FLAGS = const(31)
_TLP_END = const(52)
_F_RECOVERY = const(8)
_F_SACK = const(1024)
_F_TLP = const(4096)  # the timer runs for a probe
_F_PROBE = const(8192)  # a probe is due
_F_PROBED = const(16384)  # one is out
_F_PROBE_OLD = const(32768)  # and it was sent before
_F_USER = const(1 << 24)
_SILENT_AT = const(96)

_SEG_ACK = const(1)

_ACK_DELAY = const(200)  # RFC 8985 7.2: a lone segment may be acknowledged so late
# DEVIATION RFC 8985 7.2: not before 20 ms, or two round trips on a LAN would be less than our
# clock, or the peer's scheduler, can tell.
_PTO_MIN = const(20)
_ESTABLISHED = const(4)


@micropython.native
def arm(conn):
    """Start the retransmission timer: for a probe if nothing tells of a loss, else for the
    timeout."""
    cb = conn.cb
    wait = cb[_RTO]
    flags = cb[_FLAGS] & ~_F_TLP
    if (
        flags & (_F_SACK | _F_RECOVERY | _F_PROBED) == _F_SACK
        and cb[_SRTT]
        and not cb[_BACKOFF]
        and conn.state >= _ESTABLISHED
        and not (conn.board and not conn.board.idle())
    ):
        pto = cb[_SRTT] >> 2
        if sub32(cb, _SND_MAX, cb, _SND_UNA) <= cb[_SND_MSS]:
            pto += _ACK_DELAY
        if pto < _PTO_MIN:
            pto = _PTO_MIN
        if pto < wait:
            wait = pto
            flags |= _F_TLP
    if flags & _F_USER and cb[_BACKOFF]:
        wait = limited(conn, wait)
    cb[_FLAGS] = flags
    cb[_T_REXMT] = later(conn.st.now, wait) or 1


def patience(conn, since):
    """Milliseconds of the user timeout that are left, counted from cb[since]."""
    return conn.user_timeout - elapsed(conn.st.now, conn.cb[since])


def limited(conn, wait):
    """Not beyond the user timeout."""
    left = patience(conn, _SILENT_AT)
    return left if 0 < left < wait else wait


def sooner(conn):
    """A second segment is out: no longer need the probe wait for a delayed ACK. The timeout still
    counts from the first."""
    cb = conn.cb
    due = cb[_T_REXMT]
    if cb[_FLAGS] & (_F_SACK | _F_TLP) == _F_SACK:
        arm(conn)
        if not cb[_FLAGS] & _F_TLP:
            cb[_T_REXMT] = due


def fire(conn):
    """The timer has run out for a probe."""
    cb = conn.cb
    cb[_FLAGS] = cb[_FLAGS] & ~_F_TLP | _F_PROBE
    cb[_T_REXMT] = later(conn.st.now, cb[_RTO]) or 1


def sent(conn, old):
    """A probe has gone out; `old`: it was the last segment once more."""
    cb = conn.cb
    move32(cb, _TLP_END, cb, _SND_MAX)
    cb[_FLAGS] |= _F_PROBED | (_F_PROBE_OLD if old else 0)


def forget(conn):
    conn.cb[_FLAGS] &= ~(_F_PROBE | _F_PROBED | _F_PROBE_OLD)


def lost(conn, seg, duplicate, acked):
    """An ACK while a probe is out (RFC 8985 7.4.2), `duplicate` if it bears a D-SACK. True: it has
    repaired a loss, of which nothing else tells."""
    cb = conn.cb
    beyond = sub32(seg.w, _SEG_ACK, cb, _TLP_END)
    if beyond < 0:
        return False
    if cb[_FLAGS] & _F_PROBE_OLD:
        if not duplicate and beyond > 0:
            forget(conn)
            return True
        if beyond == 0 and (acked or seg.total) and not duplicate:
            return False  # both may have arrived: what comes next tells
    forget(conn)
    return False
