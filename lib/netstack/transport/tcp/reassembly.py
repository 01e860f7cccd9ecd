# Out-of-order text (RFC 9293 3.10.7.4, seventh step). It is written straight to its place in the
# receive ring; what is remembered are the ranges, as offsets from RCV.NXT, sorted and apart.

from micropython import const
from netstack.core.wire import add32

_RCV_NXT = const(7)
_RANGES = const(4)  # more holes than that are not remembered: the text is sent again


class Ranges:
    """At most four ranges [start, end) of text that is there ahead of RCV.NXT."""

    def __init__(self):
        self.n = 0
        self.start = [0] * _RANGES
        self.end = [0] * _RANGES

    def add(self, start, end):
        """Remember a range, joined with those it touches. False when there is no place for it."""
        i = 0
        while i < self.n and self.end[i] < start:
            i += 1
        if i < self.n and self.start[i] <= end:  # it touches range i, perhaps more behind it
            if start < self.start[i]:
                self.start[i] = start
            while i + 1 < self.n and self.start[i + 1] <= end:
                if self.end[i + 1] > end:
                    end = self.end[i + 1]
                self._remove(i + 1)
            if end > self.end[i]:
                self.end[i] = end
            return True
        if self.n == _RANGES:
            return False
        k = self.n
        while k > i:
            self.start[k] = self.start[k - 1]
            self.end[k] = self.end[k - 1]
            k -= 1
        self.start[i] = start
        self.end[i] = end
        self.n += 1
        return True

    def _remove(self, i):
        self.n -= 1
        while i < self.n:
            self.start[i] = self.start[i + 1]
            self.end[i] = self.end[i + 1]
            i += 1

    def advance(self, n):
        """RCV.NXT moves on by `n`, over what came in order. Returns how much further it can move
        because ranges now join on."""
        total = n
        while self.n and self.start[0] <= total:
            if self.end[0] > total:
                total = self.end[0]
            self._remove(0)
        for i in range(self.n):
            self.start[i] -= total
            self.end[i] -= total
        return total - n


def accept(conn, buf, at, n, off):
    """`n` bytes of text at buf[at] lie `off` bytes ahead of RCV.NXT, inside the window. Returns
    the bytes that can be read now; -1: out of order; -2: no memory."""
    ring = conn.receive_ring()
    if ring is None:
        return -2
    if off:
        if conn.ranges is None:
            conn.ranges = Ranges()
        if conn.ranges.add(off, off + n):
            ring.put(buf, at, n, off)
        return -1
    ring.put(buf, at, n)
    if conn.ranges and conn.ranges.n:
        n += conn.ranges.advance(n)
    ring.commit(n)
    add32(conn.cb, _RCV_NXT, n)
    return n
