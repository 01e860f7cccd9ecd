# A byte ring: what a socket has received or has yet to send. TCP writes ahead of the end
# (reassembly) and reads again from any place (retransmission); UDP keeps whole records in it.
#
# Its numbers are words of an array `w`, so that the fast path can work on it as well:
#   0 HEAD  1 LEN (bytes in use from there on)  2 SIZE  3, 4 address of the storage

from array import array
from micropython import const
from netstack.core.checksum import copy, copy_csum
from netstack.core.wire import address

_HEAD = const(0)
_LEN = const(1)
_SIZE = const(2)
_BUF = const(3)


class Ring:
    """`size` bytes of storage, none of them in use."""

    def __init__(self, size):
        self.buf = bytearray(size)
        self.size = size
        self.w = array("I", (0, 0, size, 0, 0))
        address(self.w, _BUF, self.buf)

    @property
    def len(self):
        """Bytes in use."""
        return self.w[_LEN]

    def free(self):
        return self.size - self.w[_LEN]

    def _at(self, offset):
        at = self.w[_HEAD] + offset
        return at - self.size if at >= self.size else at

    def put(self, src, off, n, ahead=0):
        """Copy `n` bytes into the free space, `ahead` bytes behind the end, without counting them
        as in use: commit() does that. The caller has checked that they fit."""
        at = self._at(self.w[_LEN] + ahead)
        first = self.size - at
        if n <= first:
            copy(self.buf, at, src, off, n)
        else:
            copy(self.buf, at, src, off, first)
            copy(self.buf, 0, src, off + first, n - first)

    def commit(self, n):
        """`n` bytes behind the end are now in use."""
        self.w[_LEN] += n

    def write(self, src, off, n):
        """Append as many of `n` bytes as fit; returns how many."""
        room = self.size - self.w[_LEN]
        if n > room:
            n = room
        if n > 0:
            self.put(src, off, n)
            self.w[_LEN] += n
        return n

    def peek(self, dst, off, n, offset=0):
        """Copy `n` bytes that lie `offset` bytes behind the head; they stay."""
        at = self._at(offset)
        first = self.size - at
        if n <= first:
            copy(dst, off, self.buf, at, n)
        else:
            copy(dst, off, self.buf, at, first)
            copy(dst, off + first, self.buf, 0, n - first)

    def peek_csum(self, dst, off, n, offset, acc):
        """peek() that adds what it copies to a checksum; returns the folded sum. `acc` must be
        the sum of an even number of bytes."""
        at = self._at(offset)
        first = self.size - at
        if n <= first:
            return copy_csum(dst, off, self.buf, at, n, acc)
        acc = copy_csum(dst, off, self.buf, at, first, acc)
        rest = copy_csum(dst, off + first, self.buf, 0, n - first, 0)
        if first & 1:  # the second part starts in the middle of a 16-bit word
            rest = ((rest << 8) | (rest >> 8)) & 0xFFFF
        acc += rest
        return (acc & 0xFFFF) + (acc >> 16)

    def skip(self, n):
        """Drop `n` bytes from the head."""
        self.w[_HEAD] = self._at(n)
        self.w[_LEN] -= n

    def resize(self, size):
        """More storage; what lies in it moves along, what was put ahead as well. MemoryError
        leaves all as it was."""
        buf = bytearray(size)
        self.peek(buf, 0, self.size)
        self.buf = buf
        self.size = size
        w = self.w
        w[_HEAD] = 0
        w[_SIZE] = size
        address(w, _BUF, buf)

    def rewind(self):
        """Start again at the front, for whole copies instead of split ones: only when the ring is
        empty and nothing was put ahead."""
        self.w[_HEAD] = 0

    def read(self, dst, off, n):
        """Move up to `n` bytes out; returns how many."""
        if n > self.w[_LEN]:
            n = self.w[_LEN]
        if n > 0:
            self.peek(dst, off, n)
            self.skip(n)
        return n
