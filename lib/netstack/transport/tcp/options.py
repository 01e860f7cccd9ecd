# TCP options on the wire (RFC 9293 3.1): MSS, window scale and timestamps (RFC 7323).
#
# Bits of FLAGS say which are in use: while a SYN waits for its answer, which we offer; later, which
# both ends have sent in their SYNs.

from micropython import const
from netstack.core.wire import get16, load32, put16
from netstack.transport.tcp import timestamps

_SYN = const(2)

_END = const(0)
_NOP = const(1)
_MSS = const(2)
_WSCALE = const(3)
_TIMESTAMPS = const(8)

_FLAGS = const(31)
_RCV_SHIFT = const(44)
_F_TS = const(256)
_F_WSCALE = const(512)

_SEG_TSVAL = const(2)
_SEG_TSECR = const(3)

_TS_LEN = const(12)
_SHIFT_MAX = const(14)  # RFC 7323 2.3

_OPTION = const(4)  # the counter of options whose length lies


def parse(seg, buf, at, end):
    """Unknown options are skipped by their length. Returns 0, or the counter of what is bad."""
    while at < end:
        kind = buf[at]
        if kind == _END:
            return 0
        if kind == _NOP:
            at += 1
            continue
        if at + 1 >= end or buf[at + 1] < 2 or at + buf[at + 1] > end:
            return _OPTION
        n = buf[at + 1]
        if kind == _TIMESTAMPS and n == 10:
            seg.stamped = True
            load32(seg.w, _SEG_TSVAL, buf, at + 2)
            load32(seg.w, _SEG_TSECR, buf, at + 6)
        elif kind == _MSS and n == 4:
            seg.mss = get16(buf, at + 2)
        elif kind == _WSCALE and n == 3:
            seg.shift = buf[at + 2] if buf[at + 2] < _SHIFT_MAX else _SHIFT_MAX
        at += n
    return 0


def offer(conn):
    """The options of our SYN."""
    tcp = conn.tcp
    flags = 0
    if tcp.timestamps:
        flags |= _F_TS
    if tcp.window_scale:
        flags |= _F_WSCALE
        size = conn.rx_size
        while size > 65535:
            size >>= 1
            conn.cb[_RCV_SHIFT] += 1
    conn.cb[_FLAGS] |= flags


def length(conn, flags):
    """Bytes of options in a segment with these `flags`."""
    using = conn.cb[_FLAGS]
    n = _TS_LEN if using & _F_TS else 0
    if flags & _SYN:
        n += 4
        if using & _F_WSCALE:
            n += 4
    return n


def put(conn, buf, at, flags):
    """Write the options that length() has counted."""
    using = conn.cb[_FLAGS]
    if using & _F_TS:
        timestamps.put(conn, buf, at)
        at += _TS_LEN
    if flags & _SYN:
        buf[at] = _MSS
        buf[at + 1] = 4
        put16(buf, at + 2, conn.mss)
        if using & _F_WSCALE:
            buf[at + 4] = _NOP
            buf[at + 5] = _WSCALE
            buf[at + 6] = 3
            buf[at + 7] = conn.cb[_RCV_SHIFT]
