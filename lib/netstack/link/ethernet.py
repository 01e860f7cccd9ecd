# Ethernet II (IEEE 802.3 clause 3.1.1, RFC 894).
#
# On the wire:  | destination 6 | source 6 | ethertype 2 | payload 46..1500 |
#
# input:  NIC -> Ethernet.input -> stack.ethertypes[type](fr)
# output: IP -> nif.output(fr, type, hop, hoff) -> nif.resolve[type] (ARP) -> nif.transmit

from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import get16, put16, same

_HDR = const(14)
_BROADCAST = b"\xff\xff\xff\xff\xff\xff"

NAMES = ("in_short", "in_other", "in_unknown")
_SHORT = const(0)  # shorter than the header
_OTHER = const(1)  # for another station
_UNKNOWN = const(2)  # of a type nobody has registered


class Ethernet:
    def __init__(self, nif):
        self.nif = nif
        self.st = nif.st
        self.stat = nif.st.counters(nif.name + ".ethernet", NAMES)
        nif.input = self.input
        nif.output = self.output
        nif.prepare = self.prepare

    def input(self, fr):
        """Borrows `fr`."""
        buf = fr.buf
        at = fr.l2
        if fr.end - at < _HDR:
            self.stat[_SHORT] += 1
            return
        if buf[at] & 1:
            fr.group = True
        elif not same(buf, at, self.nif.mac, 0, 6):
            self.stat[_OTHER] += 1
            return
        handler = self.st.ethertypes.get(get16(buf, at + 12))
        if handler is None:
            self.stat[_UNKNOWN] += 1
            return
        fr.l3 = at + _HDR
        handler(fr)

    def output(self, fr, ethertype, hop, hoff):
        """Send the packet from l3 to the neighbour whose network address is at hop[hoff]. Takes
        `fr`. Returns 0 or -errno."""
        at = fr.l3 - _HDR
        fr.l2 = at
        fr.nif = self.nif
        copy(fr.buf, at + 6, self.nif.mac, 0, 6)
        put16(fr.buf, at + 12, ethertype)
        return self.nif.resolve[ethertype](fr, hop, hoff)

    def prepare(self, buf, at, ethertype, hop, hoff):
        """Write the header of frames to a neighbour in front of buf[at], to be used again until
        Stack.rerouted(). False when its link address is not known."""
        at -= _HDR
        copy(buf, at + 6, self.nif.mac, 0, 6)
        put16(buf, at + 12, ethertype)
        known = self.nif.known.get(ethertype)
        return known is not None and known(hop, hoff, buf, at)

    def send_to(self, fr, mac, moff, ethertype):
        """Send the packet from l3 to a station whose address is known. Takes `fr`."""
        at = fr.l3 - _HDR
        fr.l2 = at
        copy(fr.buf, at, mac, moff, 6)
        copy(fr.buf, at + 6, self.nif.mac, 0, 6)
        put16(fr.buf, at + 12, ethertype)
        self.nif.transmit(fr)


def attach(nif):
    """Put Ethernet on an interface."""
    nif.ethernet = Ethernet(nif)
