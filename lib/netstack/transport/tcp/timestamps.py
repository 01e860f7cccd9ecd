# Timestamps (RFC 7323 sections 3 to 5): what they tell of round trips (RTTM), and of segments that
# come too late (PAWS).
#
# The clock is word 1 of Stack.w: milliseconds, 32 bits wide. Each connection adds an offset of its
# own, so that it does not tell how long we have been up (RFC 7323 7.1). In the control block:
#   39 TS_RECENT  40 TS_RECENT_AT (our clock)  41 TS_OFFSET  42 ACK_SENT (Last.ACK.sent)

from micropython import const
from netstack.core.wire import move32, sub32

_SYN = const(2)
_RST = const(4)

_FLAGS = const(31)
_TS_RECENT = const(39)
_TS_RECENT_AT = const(40)
_F_ACK_NOW = const(1)

_SEG_TSVAL = const(2)

_TICKS = const(1)  # of Stack.w: milliseconds, 32 bits wide

_MASK = const(0x3FFFFFFF)
_PAWS = const(20)  # a counter of protocol.py


@micropython.viper
def _put_stamps(buf: ptr8, at: int, clock: ptr32, cb: ptr32):
    """NOP, NOP, kind 8, length 10, TSval, TSecr (RFC 7323 appendix A)."""
    buf[at] = 1
    buf[at + 1] = 1
    buf[at + 2] = 8
    buf[at + 3] = 10
    v = clock[1] + cb[41]
    buf[at + 4] = v >> 24
    buf[at + 5] = v >> 16
    buf[at + 6] = v >> 8
    buf[at + 7] = v
    v = cb[39]
    buf[at + 8] = v >> 24
    buf[at + 9] = v >> 16
    buf[at + 10] = v >> 8
    buf[at + 11] = v


def put(conn, buf, at):
    """Write the option: 12 bytes."""
    _put_stamps(buf, at, conn.st.w, conn.cb)


@micropython.viper
def _since_echo(clock: ptr32, cb: ptr32, w: ptr32) -> int:
    """Our clock minus SEG.TSecr; -1 when that is below 0 or beyond 2^30."""
    d = clock[1] + cb[41] - w[3]
    hi = (d >> 16) & 0xFFFF
    if hi >= 0x4000:
        return -1
    return (hi << 16) | (d & 0xFFFF)


def round_trip(conn, seg):
    """Milliseconds since what this segment acknowledges was sent; -1 when it does not say."""
    return _since_echo(conn.st.w, conn.cb, seg.w) if seg.stamped else -1


def begin(conn, seg):
    """The peer's SYN: the first TS.Recent."""
    cb = conn.cb
    move32(cb, _TS_RECENT, seg.w, _SEG_TSVAL)
    move32(cb, _TS_RECENT_AT, conn.st.w, _TICKS)


def acceptable(conn, seg):
    """Protection against wrapped sequence numbers (RFC 7323 5.3 R1). DEVIATION 5.5: TS.Recent
    is out of date after 12 days instead of 24, as far as small ints reach."""
    if seg.flags & _RST:
        return True
    if not seg.stamped:
        return bool(seg.flags & _SYN)  # RFC 7323 3.2: otherwise dropped silently
    cb = conn.cb
    if sub32(seg.w, _SEG_TSVAL, cb, _TS_RECENT) >= 0:
        return True
    age = sub32(conn.st.w, _TICKS, cb, _TS_RECENT_AT)
    if not 0 <= age < _MASK:
        return True
    conn.tcp.stat[_PAWS] += 1
    if seg.seqlen() or conn.may_challenge():  # as in input.py: no ACK for every ACK
        cb[_FLAGS] |= _F_ACK_NOW
    return False


def note(conn, seg):
    """A good segment that begins at or before Last.ACK.sent: its timestamp is the one to echo, if
    it is newer (RFC 7323 4.3 (2))."""
    cb = conn.cb
    if seg.stamped:
        now = conn.st.w
        if (
            sub32(seg.w, _SEG_TSVAL, cb, _TS_RECENT) >= 0
            or not 0 <= sub32(now, _TICKS, cb, _TS_RECENT_AT) < _MASK
        ):
            move32(cb, _TS_RECENT, seg.w, _SEG_TSVAL)
            move32(cb, _TS_RECENT_AT, now, _TICKS)
