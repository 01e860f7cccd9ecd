# Frames: one preallocated buffer per packet, and the pool they come from.
#
#   buf:  | lead | link header | IP header | transport header | payload | slack |
#                ^ l2          ^ l3        ^ l4               ^ pay     ^ end
#
# A received frame starts at _LEAD = 2, so that an IP header behind 14 bytes of Ethernet lies on a
# word boundary. A frame to be sent is filled from HEADROOM on, also word aligned, and headers are
# written backwards in front of it. Every number is an offset into `buf`.
# Ownership: `input` borrows a frame and copies what it keeps; `output` takes it, and the pool gets
# it back once the NIC has finished with it.

from micropython import const

LEAD = const(2)
HEADROOM = const(120)  # link 14 + VLAN 4 + IP 40 + TCP 60, rounded up to whole words
_SLACK = const(16)  # drivers write whole words, some chips append a checksum


class Frame:
    def __init__(self, size):
        self.buf = bytearray(size)
        self.l2 = 0
        self.l3 = 0
        self.l4 = 0
        self.pay = 0
        self.end = 0
        self.nif = None  # the interface it came in on, or goes out by
        self.ip = None  # the network protocol that carries it: IPv4, later IPv6
        self.group = False  # link-level broadcast or multicast
        self.free = True


class Pool:
    """`count` frames for packets of up to `mtu` bytes behind the link header. The last `reserve`
    are for control traffic alone (ARP, ACKs, DHCP), so that a flood cannot starve it.

    `ready` of them are made at once, the others when they are first wanted, and none is given up
    again: what a burst takes is not taken from a program that has none. Until all are made, the
    reserve is one short. Where there is no memory for another, the pool is as good as empty, but
    for that, until the stack calls retry(): each try is a collection."""

    def __init__(self, count, mtu=1500, reserve=2, ready=1):
        if count <= reserve:
            raise ValueError("frame pool: %d frames, %d of them reserved" % (count, reserve))
        size = HEADROOM + mtu + _SLACK
        self.size = size
        self.count = count
        self.reserve = reserve
        self._kept = reserve - 1 if ready < count else reserve  # of those that are made
        self.left = count
        self.denied = 0  # requests turned down
        self.low = count  # fewest that were ever left
        self.unmade = count - ready  # of those that are left
        self.full = False  # there was no memory for another
        self._free = [Frame(size) for _ in range(ready)] + [None] * self.unmade

    def extra(self):
        """One frame more, for somebody who always has one at hand, and may change it for another
        of the pool's."""
        fr = Frame(self.size)
        self._free.append(None)
        fr.free = False
        fr.pay = fr.end = HEADROOM
        return fr

    @micropython.native
    def alloc(self, control=False):
        """A frame with `pay` and `end` at HEADROOM; None when the pool is empty."""
        least = 0 if control else self._kept
        at = self.left - self.unmade
        if at <= least:
            if not control:
                least = self.reserve
            if self.left <= least or self.full or not self._make(at):
                self.denied += 1
                return None
            at += 1
        self.left = left = self.left - 1
        if left < self.low:
            self.low = left
        fr = self._free[at - 1]
        fr.free = False
        fr.pay = fr.end = HEADROOM
        fr.group = False
        return fr

    def _make(self, at):
        """One more of those that are left, to be had next. False: there is no memory for it."""
        try:
            self._free[at] = Frame(self.size)
        except MemoryError:
            self.full = True
            return False
        self.unmade -= 1
        if not self.unmade:
            self._kept = self.reserve
        return True

    def retry(self):
        """There may be memory again."""
        self.full = False

    @micropython.native
    def release(self, fr):
        assert not fr.free, "frame released twice"
        fr.free = True
        self._free[self.left - self.unmade] = fr
        self.left += 1
