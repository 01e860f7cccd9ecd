# What the peer has beyond SND.UNA, as its SACK options tell (RFC 2018), and what that means for
# loss recovery (RFC 6675 sections 2 to 4). All places are offsets from SND.UNA.

from micropython import const
from netstack.core.wire import load32, sub32
from netstack.transport.tcp.ranges import Ranges

_SND_UNA = const(1)
_SND_MAX = const(3)
_SND_MSS = const(14)

_SEG_LEFT = const(4)
_SEG_RIGHT = const(5)

_BLOCKS = const(16)  # what finds no place is taken for not arrived, and sent again
_DUP_THRESH = const(3)


class Scoreboard:
    """Made when the first block comes: about 250 bytes on a 32-bit port."""

    def __init__(self):
        self.ranges = Ranges(_BLOCKS)
        self.sacked = 0  # bytes the peer has
        self.lost = 0  # below this place, all that the peer has not is lost: IsLost()
        self.high = 0  # HighRxt: below this place, what was lost has been sent again
        self.mss = 1
        self.sure = 0  # below this place it is lost for certain
        self.rescued = False  # this recovery has had its rescue retransmission

    def idle(self):
        """Is there nothing to keep?"""
        return not (self.ranges.n or self.high or self.sure or self.lost)

    def restart(self):
        """A new recovery: nothing has been sent again yet."""
        self.high = 0
        self.sure = 0
        self.rescued = False

    def condemn(self):
        """All below the highest range is lost."""
        self.sure = self.ranges.start[self.ranges.n - 1]
        self._measure()

    def advance(self, n):
        """SND.UNA has moved by `n`. A range that begins there was taken back by the peer, or the
        ACK would cover it: no block can be believed any more (RFC 2018 section 8)."""
        ranges = self.ranges
        if not ranges.forget(n):
            ranges.n = 0
        self.sure = self.sure - n if self.sure > n else 0
        self.high = self.high - n if self.high > n else 0
        self._measure()

    def update(self, conn, buf, seg):
        """Take the blocks of a segment. True when one tells something new. Blocks below SND.UNA
        are duplicates (RFC 2883), those beyond SND.MAX lies."""
        cb = conn.cb
        w = seg.w
        top = sub32(cb, _SND_MAX, cb, _SND_UNA)
        at = seg.sack
        for _ in range(seg.blocks):
            load32(w, _SEG_LEFT, buf, at)
            load32(w, _SEG_RIGHT, buf, at + 4)
            at += 8
            left = sub32(w, _SEG_LEFT, cb, _SND_UNA)
            right = sub32(w, _SEG_RIGHT, cb, _SND_UNA)
            if 0 < left < right <= top:
                self.ranges.add(left, right)
        before = self.sacked
        self.mss = cb[_SND_MSS]
        self._measure()
        return self.sacked > before

    def _measure(self):
        """RFC 6675 section 4, IsLost(): three ranges above, or more than two segments' bytes."""
        ranges = self.ranges
        total = 0
        self.lost = 0
        i = ranges.n
        while i:
            i -= 1
            total += ranges.end[i] - ranges.start[i]
            if not self.lost and (
                ranges.n - i >= _DUP_THRESH or total > (_DUP_THRESH - 1) * self.mss
            ):
                self.lost = ranges.start[i]
        self.sacked = total
        if self.lost < self.sure <= self.top():
            self.lost = self.sure

    def below(self, place):
        """Bytes the peer has below `place`."""
        ranges = self.ranges
        total = 0
        i = 0
        while i < ranges.n and ranges.start[i] < place:
            end = ranges.end[i]
            total += (end if end < place else place) - ranges.start[i]
            i += 1
        return total

    def pipe(self, flight):
        """Bytes that are still in the network, of `flight` that were sent (RFC 6675 section 4,
        SetPipe())."""
        not_lost = flight - self.lost - (self.sacked - self.below(self.lost))
        return not_lost + self.high - self.below(self.high)

    def missing(self, place):
        """The first place from `place` on that the peer has not."""
        ranges = self.ranges
        i = 0
        while i < ranges.n and ranges.start[i] <= place:
            if place < ranges.end[i]:
                place = ranges.end[i]
            i += 1
        return place

    def gap(self, place, most):
        """Bytes from `place`, at most so many, that the peer has not."""
        ranges = self.ranges
        i = 0
        while i < ranges.n:
            if ranges.start[i] > place:
                gap = ranges.start[i] - place
                return gap if gap < most else most
            i += 1
        return most

    def top(self):
        """The end of the highest range."""
        ranges = self.ranges
        return ranges.end[ranges.n - 1] if ranges.n else 0
