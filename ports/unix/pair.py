"""Pair NIC: two NICs in memory, back to back, for two stacks in one process.

Each end owns a ring of `depth` slots that the other end's send() fills: a frame is there at once,
or dropped when the ring is full, as on a wire whose receiver is too slow. No frame allocates.
RAM: 2 * depth * (mtu + 24) bytes.
"""

import micropython
from array import array
from micropython import const

_EMSGSIZE = const(90)
_LEAD = const(2)  # slots start 2 modulo 4, as frames do, so that copying goes word by word


def pair(mtu=1500, depth=64, mac1=b"\x02\x00\x00\x00\x00\x01", mac2=b"\x02\x00\x00\x00\x00\x02"):
    """Two NICs joined by a wire that is up."""
    a = PairNIC(mac1, mtu, depth)
    b = PairNIC(mac2, mtu, depth)
    a.peer = b
    b.peer = a
    return a, b


class PairNIC:
    def __init__(self, mac, mtu, depth):
        self.mac = mac
        self.mtu = mtu
        self.caps = 0
        self.drops = 0
        self.peer = None
        self._up = 1
        self._limit = mtu + 18  # Ethernet and VLAN header
        self._stride = _LEAD + self._limit + 3 & ~3
        self._slots = bytearray(depth * self._stride)
        self._lengths = array("H", bytes(2 * depth))
        self._depth = depth
        self._head = 0
        self._count = 0
        self._cb = None
        self._quiet = False

    def recv(self, buf, off):
        if not self._count:
            self._quiet = False
            return 0
        head = self._head
        n = self._lengths[head]
        _copy(self._slots, head * self._stride + _LEAD, buf, off, n)
        self._head = head + 1 if head + 1 < self._depth else 0
        self._count -= 1
        return n

    def send(self, buf, off, n):
        if n > self._limit:
            return -_EMSGSIZE
        peer = self.peer
        if not self._up or n > peer._limit or peer._count == peer._depth:
            peer.drops += 1
            return n
        tail = peer._head + peer._count
        if tail >= peer._depth:
            tail -= peer._depth
        _copy(buf, off, peer._slots, tail * peer._stride + _LEAD, n)
        peer._lengths[tail] = n
        peer._count += 1
        if peer._cb and not peer._quiet:
            peer._quiet = True  # until recv() has found the ring empty
            peer._cb(peer)
        return n

    def link(self):
        return self._up

    def plug(self, up):
        """Join or cut the wire, for both ends; frames already across stay."""
        self._up = self.peer._up = int(bool(up))

    def irq(self, cb):
        """`cb` is called from within the peer's send(): it may only set a flag or schedule."""
        self._cb = cb
        self._quiet = False
        if cb and self._count:
            self._quiet = True
            cb(self)

    def multicast(self, mac, on):
        """Nothing to do: every frame arrives."""


@micropython.viper
def _copy(src, src_off: int, dst, dst_off: int, n: int):
    s = int(ptr8(src)) + src_off
    d = int(ptr8(dst)) + dst_off
    end = s + n
    if (s ^ d) & 3 == 0:
        while s & 3 and s < end:
            ptr8(d)[0] = ptr8(s)[0]
            s += 1
            d += 1
        while s + 4 <= end:
            ptr32(d)[0] = ptr32(s)[0]
            s += 4
            d += 4
    while s < end:
        ptr8(d)[0] = ptr8(s)[0]
        s += 1
        d += 1
