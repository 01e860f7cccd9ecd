# TCP options on the wire (RFC 9293 3.1): MSS, window scale and timestamps (RFC 7323), selective
# acknowledgments (RFC 2018).
#
# Bits of FLAGS say which are in use: while a SYN waits for its answer, which we offer; later,
# which both ends have sent in their SYNs.

from micropython import const
from netstack.core.wire import get16, load32, put16
from netstack.transport.tcp import sack, timestamps

_SYN = const(2)

_END = const(0)
_NOP = const(1)
_MSS = const(2)
_WSCALE = const(3)
_SACK_OK = const(4)
_SACK = const(5)
_TIMESTAMPS = const(8)

_SND_MSS = const(14)
_FLAGS = const(31)
_RCV_SHIFT = const(44)
_F_TS = const(256)
_F_WSCALE = const(512)
_F_SACK = const(1024)

_SEG_TSVAL = const(2)
_SEG_TSECR = const(3)

_TS_LEN = const(12)
_ALL = const(40)  # bytes of options that a header has room for
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
        elif kind == _SACK and n & 7 == 2:
            seg.sack = at + 2
            seg.blocks = n >> 3
        elif kind == _SACK_OK and n == 2:
            seg.sack_ok = True
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
    if tcp.sack:
        flags |= _F_SACK
    if tcp.window_scale:
        flags |= _F_WSCALE
        size = conn.rcvbuf  # how far the receive ring may grow
        while size > 65535:
            size >>= 1
            conn.cb[_RCV_SHIFT] += 1
    conn.cb[_FLAGS] |= flags


def length(conn, flags, text):
    """Bytes of options in a segment with these `flags` and `text` bytes of text."""
    using = conn.cb[_FLAGS]
    n = _TS_LEN if using & _F_TS else 0
    if flags & _SYN:
        n += 4
        if using & _F_WSCALE:
            n += 4
        if conn.cookie is not None:
            n += conn.tcp.fastopen.length(conn.cookie)
        return n + 4 if using & (_F_TS | _F_SACK) == _F_SACK else n
    if using & _F_SACK:
        k = sack.count(conn)
        if k:
            room = _ALL - n
            if text and room > conn.cb[_SND_MSS] - text:
                room = conn.cb[_SND_MSS] - text
            most = room - 4 >> 3
            if k > most:
                k = most
            if k > 0:
                n += 4 + (k << 3)
    return n


def put(conn, buf, at, flags, n):
    """Write the `n` bytes of options that length() has counted."""
    using = conn.cb[_FLAGS]
    if flags & _SYN:
        _put_syn(conn, using, buf, at)
        return
    if using & _F_TS:
        timestamps.put(conn, buf, at)
        at += _TS_LEN
        n -= _TS_LEN
    if n:
        sack.put(conn, buf, at, n - 4 >> 3)


def _put_syn(conn, using, buf, at):
    if using & _F_TS:
        timestamps.put(conn, buf, at)
        if using & _F_SACK:
            _put_sack_ok(buf, at)  # in the place of two NOPs
        at += _TS_LEN
    elif using & _F_SACK:
        _put_sack_ok(buf, at)
        buf[at + 2] = buf[at + 3] = _NOP
        at += 4
    buf[at] = _MSS
    buf[at + 1] = 4
    put16(buf, at + 2, conn.mss)
    if using & _F_WSCALE:
        buf[at + 4] = _NOP
        buf[at + 5] = _WSCALE
        buf[at + 6] = 3
        buf[at + 7] = conn.cb[_RCV_SHIFT]
        at += 4
    if conn.cookie is not None:
        conn.tcp.fastopen.put(buf, at + 4, conn.cookie)


def _put_sack_ok(buf, at):
    buf[at] = _SACK_OK
    buf[at + 1] = 2
