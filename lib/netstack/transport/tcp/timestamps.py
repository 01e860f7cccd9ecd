# Timestamps (RFC 7323 sections 3 to 5): what they tell of round trips (RTTM), and of segments that
# come too late (PAWS).
#
# The clock ticks in milliseconds, 32 bits wide; each connection adds an offset of its own to it,
# so that it does not tell how long we have been up (RFC 7323 7.1). Words of the control block:
#   39 TS_RECENT  40 TS_RECENT_AT (our clock)  41 TS_OFFSET  42 ACK_SENT (Last.ACK.sent)

from micropython import const
from netstack.core.wire import add32, move32, sub32

_SYN = const(2)
_RST = const(4)

_FLAGS = const(31)
_TS_RECENT = const(39)
_TS_RECENT_AT = const(40)
_F_ACK_NOW = const(1)

_SEG_TSVAL = const(2)

_MASK = const(0x3FFFFFFF)
_PAWS = const(20)  # a counter of protocol.py


def _clock(tcp):
    """The stack's clock as a 32-bit number, in words[0] of what is returned."""
    now = tcp.st.now
    if now != tcp.ticked_at:
        add32(tcp.ticks, 0, (now - tcp.ticked_at) & _MASK)
        tcp.ticked_at = now
    return tcp.ticks


@micropython.viper
def _put_stamps(buf: ptr8, at: int, ticks: ptr32, cb: ptr32):
    """NOP, NOP, kind 8, length 10, TSval, TSecr (RFC 7323 appendix A)."""
    buf[at] = 1
    buf[at + 1] = 1
    buf[at + 2] = 8
    buf[at + 3] = 10
    v = ticks[0] + cb[41]
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
    _put_stamps(buf, at, _clock(conn.tcp), conn.cb)


@micropython.viper
def _since_echo(ticks: ptr32, cb: ptr32, w: ptr32) -> int:
    """Our clock minus SEG.TSecr; -1 when that is below 0 or beyond 2^30."""
    d = ticks[0] + cb[41] - w[3]
    hi = (d >> 16) & 0xFFFF
    if hi >= 0x4000:
        return -1
    return (hi << 16) | (d & 0xFFFF)


def round_trip(conn, seg):
    """Milliseconds since what this segment acknowledges was sent; -1 when it does not say."""
    return _since_echo(_clock(conn.tcp), conn.cb, seg.w) if seg.stamped else -1


def begin(conn, seg):
    """The peer's SYN: the first TS.Recent."""
    cb = conn.cb
    move32(cb, _TS_RECENT, seg.w, _SEG_TSVAL)
    move32(cb, _TS_RECENT_AT, _clock(conn.tcp), 0)


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
    age = sub32(_clock(conn.tcp), 0, cb, _TS_RECENT_AT)
    if not 0 <= age < _MASK:
        return True
    conn.tcp.stat[_PAWS] += 1
    cb[_FLAGS] |= _F_ACK_NOW
    return False


def note(conn, seg):
    """A good segment that begins at or before Last.ACK.sent: its timestamp is the one to echo, if
    it is newer (RFC 7323 4.3 (2))."""
    cb = conn.cb
    if seg.stamped:
        age = sub32(_clock(conn.tcp), 0, cb, _TS_RECENT_AT)
        if sub32(seg.w, _SEG_TSVAL, cb, _TS_RECENT) >= 0 or not 0 <= age < _MASK:
            move32(cb, _TS_RECENT, seg.w, _SEG_TSVAL)
            move32(cb, _TS_RECENT_AT, conn.tcp.ticks, 0)
