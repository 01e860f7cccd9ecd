# Packet sockets, as Linux's packet(7) has them: frames of an Ethernet interface as they are, or
# without their headers, both ways, whatever protocol they bear.
#
# input:  Interface -> Tap.take -> Packets.show -> each endpoint that wants it; then as ever
# output: Endpoint.send -> the NIC; what anybody sends: NIC.send -> Tap.send -> Packets.show
#
# An interface is tapped as long as a socket listens to it: what comes in takes the ordinary way
# then, not the fast path. Without sockets there is nothing at all.
#
# The ring is that of udp.py; a record has for its sender's address:
#   | ethertype 2 | kind 1 | number of the interface, from 1 on 1 | link address 6 | 0 2 |

from array import array
from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import get16, put16, same, where
from netstack.transport.udp import Endpoint

_EINVAL = const(22)
_ENODEV = const(19)
_ENXIO = const(6)
_EMSGSIZE = const(90)
_ENETDOWN = const(100)
_ENOBUFS = const(105)
_HDR = const(14)
_SRC = const(6)
_TYPE = const(12)
_ALL = const(3)  # ETH_P_ALL
_ETHERNET = const(1)  # ARPHRD_ETHER
_RECORD = const(20)  # its head
_FROM = const(12)
_WAITING = const(3)  # of Endpoint.cb
_RAW = const(3)

HOST = const(0)  # kinds: for us,
BROADCAST = const(1)
MULTICAST = const(2)
OTHERHOST = const(3)
OUTGOING = const(4)  # sent

NAMES = ("in", "in_short", "in_length", "in_checksum", "in_noport", "in_full", "out")  # as UDP's
_IN = const(0)
_FULL = const(5)
_OUT = const(6)


class PacketEndpoint(Endpoint):
    """One packet socket's state. Made by Packets.open()."""

    ports = False

    def __init__(self, packets, kind, proto):
        super().__init__(packets)
        self.type = kind
        self.proto = proto
        self._make_ring()
        packets.list.append(self)
        packets.retap()

    @property
    def nif(self):
        """The interface whose frames it gets; None: of all."""
        return self._nif

    @nif.setter
    def nif(self, nif):
        self._nif = nif
        self.udp.retap()

    def bind(self, nif, addr, proto):
        """To an interface (None: all), and an ethertype; 0: no other than before."""
        self.proto = proto or self.proto
        self.nif = nif

    def connect(self, nif, addr, proto):
        raise OSError(_EINVAL, "packet sockets are not connected")

    def close(self):
        if self in self.udp.list:
            self.udp.list.remove(self)
            self.udp.retap()
        super().close()

    def wants(self, nif, ethertype, kind):
        """Is a frame of this type, that has gone by this interface, one for us?"""
        if self._nif is not None and self._nif is not nif:
            return False
        return self.proto == _ALL or (self.proto == ethertype and kind != OUTGOING)

    def put(self, head, buf, off, n):
        """Here is a frame of `n` bytes at buf[off], and `head` for the record."""
        if self.type != _RAW:
            off += _HDR
            n -= _HDR
        ring = self.ring
        gap = -n & 3
        if ring.free() < _RECORD + n + gap:
            self.udp.stat[_FULL] += 1
            return
        self.udp.stat[_IN] += 1
        put16(head, 0, n)
        ring.write(head, 0, _RECORD)
        ring.write(buf, off, n)
        if gap:
            ring.write(self._head, 20, gap)
        self.cb[_WAITING] += 1
        if self.notify:
            self.notify(self)

    def send(self, buf, off, n, ip=None, addr=None, port=0):
        """Send a whole frame by the interface it is bound to. Returns n, or -errno."""
        return self._emit(buf, off, n, self._nif, addr, port)

    def post(self, buf, off, n, ip, addr, port, detour):
        """The same by another one."""
        return self._emit(buf, off, n, detour.own, addr, port)

    def _emit(self, buf, off, n, nif, addr, port):
        if nif is None:
            return -_ENXIO
        if not nif.up:
            return -_ENETDOWN
        whole = self.type == _RAW
        if n > nif.mtu + (_HDR if whole else 0):
            return -_EMSGSIZE
        if n < _HDR if whole else addr is None:
            return -_EINVAL
        fr = self.st.pool.alloc()
        if fr is None:
            return -_ENOBUFS
        fr.l2 = fr.pay - _HDR
        fr.l3 = fr.pay
        copy(fr.buf, fr.l2 if whole else fr.pay, buf, off, n)
        fr.end = fr.l2 + n + (0 if whole else _HDR)
        fr.nif = nif
        if not whole:
            copy(fr.buf, fr.l2, addr, 0, 6)
            copy(fr.buf, fr.l2 + _SRC, nif.mac, 0, 6)
            put16(fr.buf, fr.l2 + _TYPE, port or self.proto)
        self.udp.stat[_OUT] += 1
        nif.transmit(fr)
        return n

    def name(self, addr):
        """As CPython has it: (interface, ethertype, kind, link type, link address); addr None: of
        the socket itself, else of what was received last."""
        nif = self._nif
        if addr is None:
            mac = bytes(nif.mac) if nif else b""
            return nif.name if nif else "", self.proto, HOST, _ETHERNET, mac
        data = self.from_addr
        nif = self.st.nifs[data[3] - 1]
        return nif.name, get16(data, 0), data[2], _ETHERNET, bytes(data[4:10])


class Tap:
    """In front of an interface and its NIC."""

    def __init__(self, packets, nif):
        self.packets = packets
        self.nif = nif
        self._take, self._send = nif.tap(self.take, self.send)

    def take(self, fr):
        """A frame has come in. Borrows `fr`."""
        self.packets.show(self.nif, fr.buf, fr.l2, fr.end - fr.l2, False)
        self._take(fr)

    def send(self, buf, off, n):
        """A NIC's send()."""
        got = self._send(buf, off, n)
        if got > 0:
            self.packets.show(self.nif, buf, off, n, True)
        return got


class _Plain:
    """What stands where UDP has its fast path."""

    def __init__(self):
        self._job = array("I", bytes(24))  # of core/move.py
        self.job = where(self._job)


class Packets:
    def __init__(self, st):
        self.st = st
        self.stat = st.counters("packet", NAMES)
        self.list = []
        self.fast = _Plain()
        self._taps = {}  # interface -> Tap
        self._head = bytearray(_RECORD)
        st.packets = self
        st.watchers.append(self._watch)

    def open(self, kind, proto):
        """A socket's state, for frames of this ethertype, with their headers if `kind` is 3
        (SOCK_RAW). 0: of none, before it is bound."""
        if not 0 <= proto <= 0xFFFF:
            raise OSError(_EINVAL, "packet socket: ethertype %d" % proto)
        return PacketEndpoint(self, kind, proto)

    def find(self, name):
        """The interface of this name that has frames. Raises OSError(ENODEV)."""
        for nif in self.st.nifs:
            if nif.name == name and hasattr(nif, "ethernet"):
                return nif
        raise OSError(_ENODEV, "there is no Ethernet interface %s" % name)

    def retap(self):
        """Tap the interfaces that somebody listens to, and no others."""
        for nif in self.st.nifs:
            wanted = any(ep.proto and ep.nif in (None, nif) for ep in self.list)
            if wanted and nif not in self._taps and hasattr(nif, "ethernet"):
                self._taps[nif] = Tap(self, nif)
            elif not wanted and nif in self._taps:
                del self._taps[nif]
                nif.tap(None, None)

    def _watch(self, nif, event):
        """There may be a new interface."""
        if self.list:
            self.retap()

    def show(self, nif, buf, off, n, sent):
        """A frame of `n` bytes at buf[off] goes by."""
        if n < _HDR:
            return
        ethertype = get16(buf, off + _TYPE)
        kind = OUTGOING
        if not sent:
            kind = HOST if same(buf, off, nif.mac, 0, 6) else OTHERHOST
            if buf[off] & 1:
                kind = BROADCAST if buf[off] == 255 else MULTICAST
        head = self._head
        head[2] = _FROM
        put16(head, 8, ethertype)
        head[10] = kind
        head[11] = self.st.nifs.index(nif) + 1
        copy(head, 12, buf, off + _SRC, 6)
        for ep in self.list:
            if ep.wants(nif, ethertype, kind):
                ep.put(head, buf, off, n)


def attach(st):
    """Let there be packet sockets."""
    return getattr(st, "packets", None) or Packets(st)
