# Datagrams longer than a packet, sent in fragments: RFC 791 2.3, 3.2.
#
#   UDP, ICMP -> ip.output_parts() -> frames of the pool, one after the other, each to the link
#
# The payload lies where the program has it, and each part is copied into a frame of its own, so
# that no memory is wanted but frames. All of them leave in one call: a NIC that is busy is asked
# again meanwhile, and a neighbour that is not known is asked for before the first one.

from micropython import const
from netstack.core.checksum import copy, csum, put_csum
from netstack.core.wire import put16

_EMSGSIZE = const(90)
_ENETUNREACH = const(101)
_ENOBUFS = const(105)
_HDR = const(20)
_TOTAL = const(2)
_ID = const(4)
_FRAG = const(6)
_SUM = const(10)
_MF = const(0x2000)
_MOST = const(65535)
_HEAD = const(8)  # bytes of the header of UDP, or ICMP
_IP_ID = const(3)  # of Stack.w: the identification last used
_PATIENCE = const(1000)  # times in a row that a busy NIC is asked again

NAMES = ("out", "out_parts", "out_nobuf", "out_toobig")
_OUT = const(0)
_PARTS = const(1)
_NOBUF = const(2)  # datagrams cut off because frames ran out or the NIC did not get on
_TOOBIG = const(3)  # datagrams longer than 65,535 bytes


class Fragmentation:
    """Of IPv4; `output` sits in its slot `output_parts`."""

    name = "fragment"

    def __init__(self, ip):
        self.ip = ip
        self.st = ip.st
        self.stat = ip.st.counters(self.name, NAMES)
        ip.output_parts = self.output

    def output(self, head, buf, off, n, src, dst, proto, way):
        """Send one datagram whose payload are the 8 bytes of `head`, then `n` bytes at buf[off];
        `way`, an endpoint say, has ttl, tos and nif. Returns 0 or -errno; -_ENOBUFS passes: try
        again after a poll."""
        out = way.nif or self.ip.route(dst, 0, src)
        if out is None or not dst[0]:
            return -_ENETUNREACH
        room = self.ip.mtu(dst, out) - _HDR & ~7
        total = _HEAD + n
        if total > _MOST - _HDR:
            self.stat[_TOOBIG] += 1
            return -_EMSGSIZE
        error = self.ip.ready(dst, out)
        if error:
            return error
        self.stat[_OUT] += 1
        w = self.st.w
        w[_IP_ID] = ident = (w[_IP_ID] + 1) & 0xFFFF
        at = 0
        while at < total and not error:
            fr = self._frame(out)
            if fr is None:
                self.stat[_NOBUF] += 1
                return -_ENOBUFS
            size = total - at if total - at < room else room
            self._fill(fr, at, size, head, buf, off)
            fr.l4 = fr.pay
            fr.l3 = fr.pay - _HDR
            self.ip.fields(fr.buf, fr.l3, src, dst, proto, way.ttl, way.tos)
            self._number(fr.buf, fr.l3, ident, at, size, at + size < total)
            if at + size < total:
                self._hasten(out)
            error = self.ip.to_link(fr, dst, out)
            self.stat[_PARTS] += 1
            at += size
        return error

    def _hasten(self, out):
        """Another part follows: loopback has not to keep this one."""
        if hasattr(out, "loopback"):
            out.loopback.at_once = True

    def _frame(self, out):
        """A frame that the interface can take at once; None when it does not come to that."""
        for _ in range(_PATIENCE):
            if out.queued:
                out.drain()
            if out.room():
                fr = self.st.pool.alloc()
                if fr:
                    return fr
            if not out.queued:
                break
        return None

    def _fill(self, fr, at, size, head, buf, off):
        """Put the part of the payload that begins at `at` into the frame."""
        fr.end = fr.pay + size
        if at:
            copy(fr.buf, fr.pay, buf, off + at - _HEAD, size)
            return
        copy(fr.buf, fr.pay, head, 0, _HEAD)
        copy(fr.buf, fr.pay + _HEAD, buf, off, size - _HEAD)

    def _number(self, buf, at, ident, off, size, more):
        """Make the header at `at` that of a part. No DF: who cuts already does not mind that
        routers do."""
        put16(buf, at + _TOTAL, _HDR + size)
        put16(buf, at + _ID, ident)
        put16(buf, at + _FRAG, (off >> 3) | (_MF if more else 0))
        put_csum(buf, at + _SUM, csum(buf, at, _HDR, 0))


def attach(st):
    return Fragmentation(st.ip4)
