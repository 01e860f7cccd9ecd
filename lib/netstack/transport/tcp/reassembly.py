# Out-of-order text (RFC 9293 3.10.7.4, seventh step). It is written straight to its place in the
# receive ring; what is remembered are the ranges, as offsets from RCV.NXT.

from micropython import const
from netstack.core.wire import add32, move32
from netstack.transport.tcp import sack
from netstack.transport.tcp.buffers import receive_ring
from netstack.transport.tcp.ranges import Ranges

_RCV_NXT = const(7)
_LEN = const(1)  # a word of Ring.w
_SCRATCH = const(36)
_RANGES = const(4)  # more holes than that are not remembered: the text is sent again


def accept(conn, buf, at, n, off):
    """`n` bytes of text at buf[at] lie `off` bytes ahead of RCV.NXT, inside the window. Returns
    the bytes that can be read now; -1: out of order; -2: no memory."""
    ring = conn.rx
    if ring is None or ring.size - ring.w[_LEN] < off + n:
        ring = receive_ring(conn, off + n + (ring.w[_LEN] if ring else 0))
        if ring is None:
            return -2
    if off:
        if conn.ranges is None:
            conn.ranges = Ranges(_RANGES)
        if conn.ranges.covers(off, off + n):
            move32(conn.cb, _SCRATCH, conn.cb, _RCV_NXT)
            add32(conn.cb, _SCRATCH, off)
            sack.twice(conn, conn.cb, _SCRATCH, n)
        if conn.ranges.add(off, off + n):
            ring.put(buf, at, n, off)
        return -1
    ring.put(buf, at, n)
    if conn.ranges and conn.ranges.n:
        n += conn.ranges.advance(n)
    ring.commit(n)
    add32(conn.cb, _RCV_NXT, n)
    return n
