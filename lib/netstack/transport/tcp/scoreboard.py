# What the peer has beyond SND.UNA, as its SACK options tell (RFC 2018). All places are offsets
# from SND.UNA. What of the rest is lost is rack.py's business.

from micropython import const
from netstack.core.wire import load32, sub32
from netstack.transport.tcp.ranges import Ranges

_SND_UNA = const(1)
_SND_MAX = const(3)
_SND_MSS = const(14)
_DUPACKS = const(17)

_SEG_LEFT = const(4)
_SEG_RIGHT = const(5)

_BLOCKS = const(16)  # what finds no place is taken for not arrived, and sent again
_DUP_THRESH = const(3)


class Scoreboard:
    """Made when the first block comes: about 250 bytes on a 32-bit port."""

    def __init__(self):
        self.ranges = Ranges(_BLOCKS)
        self.sacked = 0  # bytes the peer has
        self.lost = 0  # bytes that are lost and were not sent again: kept by rack.py
        self.rescued = False  # this recovery has had its rescue retransmission

    def idle(self):
        """Is there nothing to keep, nor to send again?"""
        return not self.ranges.n and not self.lost

    def advance(self, n):
        """SND.UNA has moved by `n`. A range that begins there was taken back by the peer, or the
        ACK would cover it: no block can be believed any more (RFC 2018 section 8)."""
        ranges = self.ranges
        if not ranges.forget(n):
            ranges.n = 0
        self._measure()

    def update(self, conn, buf, seg):
        """Take the blocks of a segment. Returns how many bytes it tells of that were not known to
        be there. Blocks below SND.UNA are duplicates (RFC 2883), those beyond SND.MAX lies."""
        cb = conn.cb
        w = seg.w
        top = sub32(cb, _SND_MAX, cb, _SND_UNA)
        at = seg.sack
        total = 0
        for _ in range(seg.blocks):
            load32(w, _SEG_LEFT, buf, at)
            load32(w, _SEG_RIGHT, buf, at + 4)
            at += 8
            left = sub32(w, _SEG_LEFT, cb, _SND_UNA)
            right = sub32(w, _SEG_RIGHT, cb, _SND_UNA)
            if 0 < left < right <= top:
                n = self.news(conn, left, right, -1)
                if self.ranges.add(left, right):
                    total += n
        self._measure()
        return total

    def news(self, conn, start, end, echo):
        """Tell rack.py of what has arrived between `start` and `end`; returns how much it is.
        `echo`: how long ago what the ACK answers was sent, that is what lay at SND.UNA."""
        total = 0
        start = self.missing(start)
        while start < end:
            n = self.gap(start, end - start)
            if conn.rack:
                conn.rack.arrived(conn, start, start + n, -1 if start else echo)
            total += n
            start = self.missing(start + n)
        return total

    def _measure(self):
        ranges = self.ranges
        total = 0
        i = ranges.n
        while i:
            i -= 1
            total += ranges.end[i] - ranges.start[i]
        self.sacked = total

    def three(self, cb):
        """Have three segments come that lie higher than one that has not (RFC 6675 section 2,
        DupThresh), as ACKs, ranges, or bytes tell?"""
        return (
            cb[_DUPACKS] >= _DUP_THRESH
            or self.ranges.n >= _DUP_THRESH
            or self.sacked > (_DUP_THRESH - 1) * cb[_SND_MSS]
        )

    def forgive(self, conn):
        """Nothing is lost, or all of it is sent again anyway."""
        self.lost = 0
        if conn.rack:
            conn.rack.found()

    def pipe(self, flight):
        """Bytes that are still in the network, of `flight` that were sent (RFC 6675 section 4,
        SetPipe())."""
        return flight - self.sacked - self.lost

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
