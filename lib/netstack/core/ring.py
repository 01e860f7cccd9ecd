# A byte ring: what a socket has received or has yet to send. TCP writes ahead of the end
# (reassembly) and reads again from any place (retransmission); UDP keeps whole records in it.

from netstack.core.checksum import copy, copy_csum


class Ring:
    """`size` bytes of storage; `len` are in use, starting at `head`."""

    def __init__(self, size):
        self.buf = bytearray(size)
        self.size = size
        self.head = 0
        self.len = 0

    def free(self):
        return self.size - self.len

    def _at(self, offset):
        at = self.head + offset
        return at - self.size if at >= self.size else at

    def put(self, src, off, n, ahead=0):
        """Copy `n` bytes into the free space, `ahead` bytes behind the end, without counting them
        as in use: commit() does that. The caller has checked that they fit."""
        at = self._at(self.len + ahead)
        first = self.size - at
        if n <= first:
            copy(self.buf, at, src, off, n)
        else:
            copy(self.buf, at, src, off, first)
            copy(self.buf, 0, src, off + first, n - first)

    def commit(self, n):
        """`n` bytes behind the end are now in use."""
        self.len += n

    def write(self, src, off, n):
        """Append as many of `n` bytes as fit; returns how many."""
        room = self.size - self.len
        if n > room:
            n = room
        if n > 0:
            self.put(src, off, n)
            self.len += n
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
        self.head = self._at(n)
        self.len -= n

    def rewind(self):
        """Start again at the front, for whole copies instead of split ones: only when the ring is
        empty and nothing was put ahead."""
        self.head = 0

    def read(self, dst, off, n):
        """Move up to `n` bytes out; returns how many."""
        if n > self.len:
            n = self.len
        if n > 0:
            self.peek(dst, off, n)
            self.skip(n)
        return n
