# A byte ring: what a socket has received or has yet to send. TCP writes ahead of the end
# (reassembly) and reads again from any place (retransmission); UDP keeps whole records in it.
#
# Its numbers are words of an array `w`, so that the fast path can work on it as well:
#   0 HEAD  1 LEN (bytes in use from there on)  2 SIZE  3, 4 address of the storage

from array import array
from micropython import const
from netstack.core.move import move
from netstack.core.wire import address

_HEAD = const(0)
_LEN = const(1)
_SIZE = const(2)
_BUF = const(3)

_job = None  # of move(); made with the first ring


@micropython.viper
def _put(words, src: ptr8, off: int, n: int, ahead: int, job):
    """Copy `n` bytes at src[off] to the ring, `ahead` behind the end of what is in use."""
    w = ptr32(words)
    j = ptr32(job)
    size = w[2]
    at = w[0] + w[1] + ahead
    if at >= size:
        at -= size
    p = int(src) + off
    while n > 0:
        k = size - at
        if k > n:
            k = n
        if k > 0x8000:  # move() takes less than 64 k
            k = 0x8000
        to = (w[3] | ((w[4] << 16) << 16)) + at
        j[0] = to
        j[1] = (to >> 16) >> 16
        j[2] = p
        j[3] = (p >> 16) >> 16
        j[4] = k
        move(job)
        p += k
        n -= k
        at += k
        if at == size:
            at = 0


@micropython.viper
def _get(words, dst: ptr8, off: int, n: int, offset: int, job) -> int:
    """Copy `n` bytes that lie `offset` behind the head to dst[off]; returns their folded sum."""
    w = ptr32(words)
    j = ptr32(job)
    size = w[2]
    at = w[0] + offset
    if at >= size:
        at -= size
    p = int(dst) + off
    acc = 0
    odd = 0
    while n > 0:
        k = size - at
        if k > n:
            k = n
        if k > 0x8000:
            k = 0x8000
        frm = (w[3] | ((w[4] << 16) << 16)) + at
        j[0] = p
        j[1] = (p >> 16) >> 16
        j[2] = frm
        j[3] = (frm >> 16) >> 16
        j[4] = k
        x = int(move(job))
        if odd:  # this part starts in the middle of a 16-bit word
            x = ((x << 8) | (x >> 8)) & 0xFFFF
        acc += x
        acc = (acc & 0xFFFF) + (acc >> 16)
        odd ^= k & 1
        p += k
        n -= k
        at += k
        if at == size:
            at = 0
    return acc


@micropython.viper
def _skip(w: ptr32, n: int, rewind: int):
    """Drop `n` bytes from the head; an empty ring starts again at the front if it may."""
    at = w[0] + n
    left = w[1] - n
    if at >= w[2]:
        at -= w[2]
    if rewind and not left:
        at = 0
    w[0] = at
    w[1] = left


class Ring:
    """`size` bytes of storage, none of them in use."""

    def __init__(self, size):
        global _job
        _job = _job or array("I", bytes(24))
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

    def put(self, src, off, n, ahead=0):
        """Copy `n` bytes into the free space, `ahead` bytes behind the end, without counting them
        as in use: commit() does that. The caller has checked that they fit."""
        _put(self.w, src, off, n, ahead, _job)

    def commit(self, n):
        """`n` bytes behind the end are now in use."""
        self.w[_LEN] += n

    def write(self, src, off, n):
        """Append as many of `n` bytes as fit; returns how many."""
        room = self.size - self.w[_LEN]
        if n > room:
            n = room
        if n > 0:
            _put(self.w, src, off, n, 0, _job)
            self.w[_LEN] += n
        return n

    def peek(self, dst, off, n, offset=0):
        """Copy `n` bytes that lie `offset` bytes behind the head; they stay."""
        _get(self.w, dst, off, n, offset, _job)

    def peek_csum(self, dst, off, n, offset, acc):
        """peek() that adds what it copies to a checksum; returns the folded sum. `acc` must be
        the sum of an even number of bytes."""
        acc += _get(self.w, dst, off, n, offset, _job)
        return (acc & 0xFFFF) + (acc >> 16)

    def skip(self, n):
        """Drop `n` bytes from the head."""
        _skip(self.w, n, 0)

    def resize(self, size):
        """More storage; what lies in it moves along, what was put ahead as well. MemoryError
        leaves all as it was."""
        assert size >= self.size, "a ring cannot shrink"
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

    def read(self, dst, off, n, rewind=False):
        """Move up to `n` bytes out; returns how many. `rewind`: as rewind() when it is empty."""
        w = self.w
        if n > w[_LEN]:
            n = w[_LEN]
        if n > 0:
            _get(w, dst, off, n, 0, _job)
            _skip(w, n, rewind)
        return n
