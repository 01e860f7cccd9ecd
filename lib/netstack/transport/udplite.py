# UDP-Lite (RFC 3828): UDP whose checksum covers as much of a datagram as its sender wants, the
# header at least, so that what is damaged behind that still arrives. For every network protocol.
#
# On the wire:  | source port 2 | destination port 2 | coverage 2 | checksum 2 | data ... |
#
# input: IPv4.input -> UDPLite.input -> the endpoint's ring, which is that of udp.py
# It has no fast path.

from array import array
from micropython import const
from netstack.core.checksum import copy, csum, pseudo, put_csum
from netstack.core.wire import get16, put16, where
from netstack.transport.demux import Table
from netstack.transport.udp import Endpoint, UDP

_EDESTADDRREQ = const(89)
_EMSGSIZE = const(90)
_ENOBUFS = const(105)
_PROTO = const(136)
_HDR = const(8)
_COVER = const(4)
_SUM = const(6)
_MOST = const(65507)

NAMES = (
    "in",
    "in_short",
    "in_coverage",
    "in_checksum",
    "in_noport",
    "in_full",
    "out",
    "in_error",
    "in_partial",
)
_IN = const(0)
_SHORT = const(1)
_COVERAGE = const(2)  # less than the header, or more than there is
_CHECKSUM = const(3)
_NOPORT = const(4)
_OUT = const(6)
_PARTIAL = const(8)  # less of it is covered than the socket wants


class LiteEndpoint(Endpoint):
    """One UDP-Lite socket's state. Made by UDPLite.open()."""

    fast = False

    def __init__(self, udp):
        super().__init__(udp)
        self.send_coverage = 0  # bytes, the header's eight among them; 0: all
        self.recv_coverage = 0  # of what comes at least so much has to be covered; 0: any

    def send(self, buf, off, n, ip=None, addr=None, port=0):
        """Send one datagram, to the connected peer or to `addr`. Returns n, or -errno."""
        dst = addr or self.raddr
        if dst is None:
            return -_EDESTADDRREQ
        return self.post(buf, off, n, ip or self.ip, dst, port or self.rport)


class _Plain:
    """What stands where UDP has its fast path."""

    def __init__(self):
        self._job = array("I", bytes(24))  # of core/move.py
        self.job = where(self._job)


class UDPLite(UDP):
    """The tables and errors are those of UDP, the checksum is not."""

    def __init__(self, st):
        self.st = st
        self.stat = st.counters("udplite", NAMES)
        self.table = Table()
        self._head = bytearray(_HDR)
        self._turn = 0
        self._behind = []
        self.fast = _Plain()
        st.udplite = self
        st.carry(_PROTO, self)

    def open(self, ip=None):
        """A socket's state; of one network protocol alone, if one is given."""
        endpoint = LiteEndpoint(self)
        endpoint.ip = ip
        return endpoint

    def input(self, fr):
        """Borrows `fr`. RFC 3828 3.1."""
        buf = fr.buf
        at = fr.l4
        size = fr.end - at
        self.stat[_IN] += 1
        if size < _HDR:
            self.stat[_SHORT] += 1
            return
        cover = get16(buf, at + _COVER)
        if (cover and cover < _HDR) or cover > size:
            self.stat[_COVERAGE] += 1
            return
        ip = fr.ip
        acc = pseudo(buf, fr.l3 + ip.src_off, buf, fr.l3 + ip.dst_off, ip.alen, _PROTO, size)
        if buf[at + _SUM] | buf[at + _SUM + 1] == 0 or csum(buf, at, cover or size, acc) != 0xFFFF:
            self.stat[_CHECKSUM] += 1  # zero is no sum either
            return
        if fr.group and (self._behind or ip.group(buf, fr.l3 + ip.dst_off)):
            self._to_group(fr, buf, at, size)
            return
        endpoint = self.table.lookup(fr)
        if endpoint is not None and endpoint.reuseport and self._behind:
            endpoint = self._share(endpoint, fr)
        if endpoint is None or (endpoint._nif and endpoint._nif is not fr.nif):
            self.stat[_NOPORT] += 1
            fr.ip.refuse(fr)
            return
        if cover and cover < size and cover < endpoint.recv_coverage:
            self.stat[_PARTIAL] += 1
            return
        endpoint.take(fr, at + _HDR, size - _HDR)

    def _hears(self, ep, fr, buf, at, dst):
        cover = get16(buf, at + _COVER)
        if cover and cover < fr.end - at and cover < ep.recv_coverage:
            self.stat[_PARTIAL] += 1
            return False
        return super()._hears(ep, fr, buf, at, dst)

    def emit(self, way, buf, off, n, ip, src, dst, port):
        """Build and send one datagram. Returns n or -errno."""
        ep = way.ep
        size = n + _HDR
        cover = ep.send_coverage
        if cover == 0 or cover >= size:
            cover = 0
        elif cover < _HDR:
            cover = _HDR
        head = self._head
        put16(head, 0, ep.lport)
        put16(head, 2, port)
        put16(head, _COVER, cover)
        put16(head, _SUM, 0)
        acc = csum(head, 0, _HDR, pseudo(src, 0, dst, 0, ip.alen, _PROTO, size))
        acc = csum(buf, off, (cover or size) - _HDR, acc)
        put_csum(head, _SUM, 0 if acc == 0xFFFF else acc)
        if size > ip.mss_room(dst):
            error = -_EMSGSIZE
            if ip.output_parts is not None and n <= _MOST and ep.pmtudisc < 2:
                error = ip.output_parts(head, buf, off, n, src, dst, _PROTO, way)
        else:
            fr = self.st.pool.alloc()
            if fr is None:
                return -_ENOBUFS
            fr.l4 = fr.pay - _HDR
            fr.end = fr.pay + n
            copy(fr.buf, fr.l4, head, 0, _HDR)
            copy(fr.buf, fr.pay, buf, off, n)
            if way.loop:
                ip.loop(fr, src, dst, _PROTO, way.ttl, way.tos, way.nif)
            error = ip.output(fr, src, dst, _PROTO, way.ttl, way.tos, way.nif)
        if error == 0:
            self.stat[_OUT] += 1
        return error or n


def attach(st):
    """Have a stack speak UDP-Lite."""
    return getattr(st, "udplite", None) or UDPLite(st)
