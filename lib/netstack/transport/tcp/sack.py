# Selective acknowledgments, as the receiver sends them (RFC 2018), with duplicates (RFC 2883).
#
# What is told are the ranges of reassembly.py, the one that changed last first. A segment that
# came twice is noted in two words of the control block, 45 DSACK and 46 DSACK_END, and told once.

from micropython import const
from netstack.core.wire import add32, load32, move32, store32, sub32

_RCV_NXT = const(7)
_FLAGS = const(31)
_SCRATCH = const(36)
_DSACK = const(45)
_DSACK_END = const(46)
_F_SACK = const(1024)
_F_DSACK = const(2048)

_SEG_ACK = const(1)
_SEG_LEFT = const(4)
_SEG_RIGHT = const(5)

_NOP = const(1)
_SACK = const(5)


def twice(conn, words, i, n):
    """The `n` bytes at sequence number words[i] were here before."""
    cb = conn.cb
    if n > 0 and cb[_FLAGS] & _F_SACK:
        move32(cb, _DSACK, words, i)
        move32(cb, _DSACK_END, words, i)
        add32(cb, _DSACK_END, n)
        cb[_FLAGS] |= _F_DSACK


def count(conn):
    """Blocks there are to tell of."""
    n = conn.ranges.n if conn.ranges else 0
    return n + 1 if conn.cb[_FLAGS] & _F_DSACK else n


def put(conn, buf, at, k):
    """Write an option of `k` blocks: 4 + 8 * k bytes."""
    buf[at] = buf[at + 1] = _NOP
    buf[at + 2] = _SACK
    buf[at + 3] = 2 + (k << 3)
    at += 4
    cb = conn.cb
    if cb[_FLAGS] & _F_DSACK:  # RFC 2883 section 4: always the first block
        cb[_FLAGS] &= ~_F_DSACK
        store32(buf, at, cb, _DSACK)
        store32(buf, at + 4, cb, _DSACK_END)
        at += 8
        k -= 1
    age = 0x3FFFFFFF
    while k:
        i = conn.ranges.newest(age)
        age = conn.ranges.age[i]
        _edge(cb, buf, at, conn.ranges.start[i])
        _edge(cb, buf, at + 4, conn.ranges.end[i])
        at += 8
        k -= 1


def _edge(cb, buf, at, offset):
    move32(cb, _SCRATCH, cb, _RCV_NXT)
    add32(cb, _SCRATCH, offset)
    store32(buf, at, cb, _SCRATCH)


def duplicate(seg, buf):
    """Does this segment tell of a duplicate (RFC 2883 section 4)? Its first block lies below the
    ACK, or inside the second. SEG_LEFT and SEG_RIGHT are the edges of the first then."""
    if not seg.blocks:
        return False
    w = seg.w
    at = seg.sack
    load32(w, _SEG_RIGHT, buf, at + 4)
    if sub32(w, _SEG_RIGHT, w, _SEG_ACK) <= 0:
        load32(w, _SEG_LEFT, buf, at)
        return True
    if seg.blocks < 2:
        return False
    load32(w, _SEG_LEFT, buf, at + 12)
    if sub32(w, _SEG_RIGHT, w, _SEG_LEFT) > 0:
        return False
    load32(w, _SEG_RIGHT, buf, at + 8)
    load32(w, _SEG_LEFT, buf, at)
    inside = sub32(w, _SEG_LEFT, w, _SEG_RIGHT) >= 0
    load32(w, _SEG_RIGHT, buf, at + 4)
    return inside
