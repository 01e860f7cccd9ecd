# VLANs (IEEE 802.1Q-2018): interfaces that share a NIC, told apart by a tag in their frames.
#
# On the wire:  | destination 6 | source 6 | 0x8100 2 | PCP 3, DEI 1, VID 12 bits | ethertype 2 ...
#
# input:  Ethernet.input -> Trunk.input -> the VLAN's interface, without the tag: Interface.take()
# output: the VLAN's interface -> VLAN.send -> with the tag, the NIC of the interface below
#
# A VLAN is a NIC (docs/nic.md) but for recv(), which never has a frame: they come by way of the
# interface below. RAM: one frame for each interface that has VLANs.

from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import add32, get16

_ENETDOWN = const(100)
_EMSGSIZE = const(90)
_TPID = const(0x8100)
_HDR = const(14)
_TAG = const(4)
_MACS = const(12)
_LEAD = const(2)
_VID_MAX = const(4094)  # 4095 is reserved: IEEE 802.1Q table 9-2
_MTU_MIN = const(68)
_ETHER_UNKNOWN = const(2)  # of link/ethernet.py
_NIF_OUT = const(2)  # counters of core/interface.py
_NIF_OUT_BYTES = const(3)

NAMES = ("in", "in_short", "in_unknown", "in_down", "out")
_IN = const(0)
_SHORT = const(1)  # no room for a tag and an ethertype
_UNKNOWN = const(2)  # of a VLAN that is not here
_DOWN = const(3)  # of one whose interface is down, or has not been made
_OUT = const(4)


@micropython.viper
def strip(buf: ptr8, at: int, n: int) -> int:
    """Take the tag out of the frame of `n` bytes at `at`, 2 modulo 4: what follows moves down, so
    that an IP header lies where it always does. Returns the tag."""
    p = ptr8(int(buf) + at + 12)
    tci = (p[2] << 8) | p[3]
    end = int(p) + n - 16
    to = int(p) + 2
    ptr16(p)[0] = ptr16(p)[2]
    while to + 16 <= end:
        ptr32(to)[0] = ptr32(to)[1]
        ptr32(to)[1] = ptr32(to)[2]
        ptr32(to)[2] = ptr32(to)[3]
        ptr32(to)[3] = ptr32(to)[4]
        to += 16
    while to < end:
        ptr8(to)[0] = ptr8(to)[4]
        to += 1
    return tci


@micropython.viper
def tag(buf: ptr8, at: int, saved: ptr8, tci: int):
    """Put a tag into the frame at `at`, which then starts 4 bytes earlier. `saved` gets the 16
    bytes from there on as they were."""
    p = ptr8(int(buf) + at - 4)
    i = 0
    while i < 16:
        saved[i] = p[i]
        i += 1
    i = 0
    while i < 12:
        p[i] = saved[i + 4]
        i += 1
    p[12] = 0x81
    p[13] = 0
    p[14] = tci >> 8
    p[15] = tci


class Trunk:
    """What an interface with VLANs on it has."""

    def __init__(self, nif):
        self.nif = nif
        self.st = nif.st
        self.vlans = {}  # VID -> VLAN
        self.stat = nif.st.counters(nif.name + ".vlan", NAMES)
        self.saved = bytearray(16)
        self.frame = bytearray(_LEAD + _HDR + _TAG + nif.nic.mtu)
        nif.trunk = self
        nif.st.ethertypes[_TPID] = _input

    def input(self, fr):
        """Borrows `fr`."""
        buf = fr.buf
        at = fr.l2
        n = fr.end - at
        if n < _HDR + _TAG:
            self.stat[_SHORT] += 1
            return
        vid = get16(buf, at + _HDR) & 0xFFF
        if vid == 0:
            self._untagged(fr, buf, at, n)
            return
        vlan = self.vlans.get(vid)
        if vlan is None:
            self.stat[_UNKNOWN] += 1
            return
        nif = vlan.interface()
        if nif is None or not nif.up:
            self.stat[_DOWN] += 1
            return
        self.stat[_IN] += 1
        strip(buf, at, n)
        fr.end -= _TAG
        fr.group = False
        nif.take(fr)

    def _untagged(self, fr, buf, at, n):
        """IEEE 802.1Q 6.9.1: a tag of VLAN 0 bears a priority alone, the frame is the port's."""
        if get16(buf, at + _HDR + 2) == _TPID:  # a tag within one has to be a VLAN's
            self.stat[_UNKNOWN] += 1
            return
        self.stat[_IN] += 1
        strip(buf, at, n)
        fr.end -= _TAG
        self.nif.input(fr)

    def send(self, buf, off, n, tci):
        """Send a frame with a tag; what a NIC's send() returns, of the frame without it."""
        nif = self.nif
        if not nif.up:
            return -_ENETDOWN
        if n > len(self.frame) - _LEAD - _TAG or n < _HDR:
            return -_EMSGSIZE
        if nif.queued:
            return 0
        size = n + _TAG
        if off >= _TAG:
            tag(buf, off, self.saved, tci)
            got = nif.send(buf, off - _TAG, size)
            copy(buf, off - _TAG, self.saved, 0, 16)
        else:
            copy(self.frame, _LEAD + _TAG, buf, off, n)
            tag(self.frame, _LEAD + _TAG, self.saved, tci)
            got = nif.send(self.frame, _LEAD, size)
        if got <= 0:
            return got
        self.stat[_OUT] += 1
        nif.stat[_NIF_OUT] += 1
        add32(nif.stat, _NIF_OUT_BYTES, size)
        return n


def _input(fr):
    trunk = getattr(fr.nif, "trunk", None)
    if trunk:
        trunk.input(fr)
    else:
        fr.nif.ethernet.stat[_ETHER_UNKNOWN] += 1


class VLAN:
    """VLAN `vid` (1 to 4094) on the interface `below`, as a NIC.

    priority: the PCP of what is sent, 0 to 7; or eight of them, one for each IP precedence
    """

    caps = 0

    def __init__(self, below, vid, priority=0, mtu=None):
        if not 1 <= vid <= _VID_MAX:
            raise ValueError("VLAN %d: 1 to %d" % (vid, _VID_MAX))
        if mtu is None:
            mtu = below.mtu
        if not _MTU_MIN <= mtu <= below.nic.mtu:
            raise ValueError("VLAN %d: mtu %d: %d to %d" % (vid, mtu, _MTU_MIN, below.nic.mtu))
        trunk = getattr(below, "trunk", None) or Trunk(below)
        if vid in trunk.vlans:
            raise ValueError("VLAN %d on %s exists already" % (vid, below.name))
        self.trunk = trunk
        self.vid = vid
        self.mac = below.mac
        self.mtu = mtu
        self.fileno = getattr(below.nic, "fileno", -1)
        self.closed = False
        self._nif = None
        self._tci = bytearray(16)  # for each precedence, as it is sent
        self.set_priority(priority)
        trunk.vlans[vid] = self

    def set_priority(self, priority):
        for i in range(8):
            pcp = priority if isinstance(priority, int) else priority[i]
            if not 0 <= pcp <= 7:
                raise ValueError("VLAN %d: priority %d: 0 to 7" % (self.vid, pcp))
            self._tci[2 * i] = pcp << 5 | self.vid >> 8
            self._tci[2 * i + 1] = self.vid & 255

    def interface(self):
        """The interface that has this NIC; None: none yet."""
        if self._nif is None:
            for nif in self.trunk.st.nifs:
                if nif.nic is self:
                    self._nif = nif
        return self._nif

    def recv(self, buf, off):
        return 0

    def send(self, buf, off, n):
        if self.closed:
            return -_ENETDOWN
        precedence = 0
        if n > _HDR + 1:
            kind = get16(buf, off + _MACS)
            if kind == 0x0800:  # RFC 791 3.1: the first three bits of the type of service
                precedence = buf[off + _HDR + 1] >> 5
            elif kind == 0x86DD:  # RFC 8200 section 3: the same of the traffic class
                precedence = buf[off + _HDR] >> 1 & 7
        return self.trunk.send(buf, off, n, get16(self._tci, 2 * precedence))

    def link(self):
        return 0 if self.closed else self.trunk.nif.link

    def irq(self, cb):
        """The NIC below interrupts."""

    def multicast(self, mac, on):
        self.trunk.nif.nic.multicast(mac, on)

    def close(self):
        """No more frames of this VLAN, in or out; another may have its number."""
        if not self.closed:
            self.closed = True
            del self.trunk.vlans[self.vid]
