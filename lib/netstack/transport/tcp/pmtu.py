# Segments as large as the path takes: the hook for path MTU discovery, by ICMP (RFC 1191) or
# without (RFC 4821, RFC 8899). What is remembered of a path is somebody else's; this is about one
# connection.
#
#   TCP.too_big   ICMP "fragmentation needed" -> too_big()
#   timers        the timeout again and again -> black_hole(), as Linux with tcp_mtu_probing = 1
#   a program     conn.set_mss(n)             -> set_mss()
#
# There are no segment queues: what is sent again is cut anew out of the ring. Word 99 of the
# control block, MSS_MAX, is what was agreed on; nothing goes beyond.

from micropython import const
from netstack.core.clock import elapsed
from netstack.core.wire import move32, sub32
from netstack.transport.tcp import tlp, undo

_LEN = const(1)  # a word of Ring.w

_ESTABLISHED = const(4)
_TIME_WAIT = const(10)

_SND_UNA = const(1)
_SND_NXT = const(2)
_SND_MAX = const(3)
_RECOVER = const(9)
_SND_MSS = const(14)
_CWND = const(15)
_CREDIT = const(29)
_FLAGS = const(31)
_DUPACKS = const(17)
_BACKOFF = const(21)
_FAST = const(53)
_T_REO = const(80)
_MSS_MAX = const(99)
_F_REXMT = const(2)
_F_TIMING = const(4)
_F_RECOVERY = const(8)
_F_PARTIAL = const(16)
_F_TS = const(256)

_TS_LEN = const(12)
_TCP_HDR = const(20)
_EMSGSIZE = const(90)
_FLOOR = const(216)  # of 256 bytes of a packet: no ICMP message makes us send less (RFC 5927 7.1)
_BASE = const(1024)  # RFC 4821 7.7, and Linux: what nearly every path takes
_HOLE_TIMEOUTS = const(3)  # in a row, before a black hole is thought of: Linux's tcp_retries1
_DOUBT_MS = const(60000)


def set_mss(conn, n):
    """Full segments have `n` bytes of text from now on, as far as MSS_MAX allows; what is out and
    larger goes out again, if that is less than before. Returns what it has become."""
    cb = conn.cb
    most = cb[_MSS_MAX] or cb[_SND_MSS]
    if n < _FLOOR:
        n = _FLOOR
    if n > most:
        n = most
    old = cb[_SND_MSS]
    if n == old:
        return n
    cb[_SND_MSS] = n
    conn.lowered = n < most
    # RFC 5681 4.1 has windows in bytes: what is in the network may stay as much as it was
    if cb[_CWND] < n:
        cb[_CWND] = n
    if n < old and sub32(cb, _SND_MAX, cb, _SND_UNA) > n:
        _again(conn, cb)
    conn.st.defer(conn)
    return n


def _again(conn, cb):
    """Send from SND.UNA on again, what the peer has excepted. It was no congestion (RFC 1191 6.4),
    so the window stays; and what fails now is no second loss of it (RFC 6582 3.2 step 2)."""
    cb[_FLAGS] &= ~(_F_RECOVERY | _F_PARTIAL | _F_REXMT | _F_TIMING)
    cb[_FAST] = 0
    cb[_DUPACKS] = 0
    cb[_CREDIT] = 0
    move32(cb, _RECOVER, cb, _SND_MAX)
    move32(cb, _SND_NXT, cb, _SND_UNA)
    tlp.forget(conn)
    undo.forget(conn)
    cb[_T_REO] = 0
    if conn.board:
        conn.board.forgive(conn)


def too_big(conn, ip_hdr, mtu):
    """A segment of ours did not fit into `mtu` bytes. RFC 5927 7.2: whoever sends such messages
    must know a sequence number that is out; the caller has checked that."""
    cb = conn.cb
    if conn.state < _ESTABLISHED:
        return
    n = mtu - ip_hdr - _TCP_HDR
    if cb[_FLAGS] & _F_TS:
        n -= _TS_LEN
    if n < cb[_SND_MSS]:
        conn.full = conn.doubt = 0
        conn.soft_error = _EMSGSIZE
        set_mss(conn, n)


def path_changed(conn, mtu):
    """What is known of the path is another thing: somebody else has met its limit, or that is so
    long ago that it may have gone (RFC 1191 6.3)."""
    if _ESTABLISHED <= conn.state < _TIME_WAIT:
        n = mtu - conn.ip.dst_off - conn.ip.alen - _TCP_HDR
        set_mss(conn, n - _TS_LEN if conn.cb[_FLAGS] & _F_TS else n)


def black_hole(conn):
    """The retransmission timer has run out. After some times in a row segments may be too large
    for the path, and nobody says so: try with less (RFC 4821 7.7)."""
    cb = conn.cb
    mss = cb[_SND_MSS]
    if conn.state < _ESTABLISHED or conn.tx is None:
        return
    if cb[_BACKOFF] == 0 and conn.doubt:
        small = conn.doubt
        conn.doubt = 0
        if elapsed(conn.st.now, conn.doubted_at) < _DOUBT_MS:
            set_mss(conn, small)  # small ones got through, large ones do not
        return
    if cb[_BACKOFF] < _HOLE_TIMEOUTS or conn.tx.w[_LEN] <= _FLOOR:
        return
    conn.full = conn.full or mss
    n = _BASE if mss > _BASE else mss >> 1
    set_mss(conn, n if n > _FLOOR else _FLOOR)


def heard(conn):
    """An ACK has come after black_hole() may have made segments smaller. If the path was dead for
    a while, their size had no part in it: full ones again, and back at the first timeout within
    a minute."""
    if conn.full:
        conn.doubt = conn.cb[_SND_MSS]
        conn.doubted_at = conn.st.now
        set_mss(conn, conn.full)
        conn.full = 0
