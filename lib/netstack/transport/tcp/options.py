# TCP options on the wire (RFC 9293 3.1): MSS, window scale and timestamps (RFC 7323), selective
# acknowledgments (RFC 2018).
#
# Bits of FLAGS say which are in use: while a SYN waits for its answer, which we offer; later,
# which both ends have sent in their SYNs.

from micropython import const
from netstack.core.wire import put16
from netstack.transport.tcp import sack, timestamps

_SYN = const(2)

_NOP = const(1)
_MSS = const(2)
_WSCALE = const(3)
_SACK_OK = const(4)

_SND_MSS = const(14)
_FLAGS = const(31)
_RCV_SHIFT = const(44)
_F_TS = const(256)
_F_WSCALE = const(512)
_F_SACK = const(1024)

_SEG_MSS = const(6)
_SEG_SHIFT = const(7)
_SEG_SACK = const(8)
_SEG_BLOCKS = const(9)

_TS_LEN = const(12)
_ALL = const(40)  # bytes of options that a header has room for
_SHIFT_MAX = const(14)  # RFC 7323 2.3

_OPTION = const(4)  # the counter of options whose length lies


@micropython.viper
def _parse(w: ptr32, buf: ptr8, at: int, end: int) -> int:
    """The options to words 2, 3 (timestamps), 6 (MSS), 7 (window scale), 8 (where SACK blocks are)
    and 9 (how many). Returns 1: timestamps, 2: SACK permitted, 4: MSS, 8: window scale, 16: SACK,
    added up; -1: a length lies."""
    found = 0
    while at < end:
        kind = buf[at]
        if kind == 0:
            return found
        if kind == 1:
            at += 1
            continue
        n = buf[at + 1] if at + 1 < end else 0
        if n < 2 or at + n > end:
            return -1
        b = ptr8(int(buf) + at)
        if kind == 8 and n == 10:
            found |= 1
            w[2] = (b[2] << 24) | (b[3] << 16) | (b[4] << 8) | b[5]
            w[3] = (b[6] << 24) | (b[7] << 16) | (b[8] << 8) | b[9]
        elif kind == 5 and n & 7 == 2:
            found |= 16
            w[8] = at + 2
            w[9] = n >> 3
        elif kind == 4 and n == 2:
            found |= 2
        elif kind == 2 and n == 4:
            found |= 4
            w[6] = (b[2] << 8) | b[3]
        elif kind == 3 and n == 3:
            found |= 8
            w[7] = b[2]
        at += n
    return found


@micropython.native
def parse(seg, buf, at, end):
    """Unknown options are skipped by their length. Returns 0, or the counter of what is bad."""
    w = seg.w
    found = _parse(w, buf, at, end)
    if found < 0:
        return _OPTION
    seg.stamped = bool(found & 1)
    seg.sack_ok = bool(found & 2)
    if found & 4:
        seg.mss = w[_SEG_MSS]
    if found & 8:
        shift = w[_SEG_SHIFT]
        seg.shift = shift if shift < _SHIFT_MAX else _SHIFT_MAX
    if found & 16:
        seg.sack = w[_SEG_SACK]
        seg.blocks = w[_SEG_BLOCKS]
    return 0


@micropython.native
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


@micropython.native
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


@micropython.native
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


@micropython.native
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
