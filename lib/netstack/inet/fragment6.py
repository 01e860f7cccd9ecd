# Datagrams longer than a packet over IPv6: RFC 8200 4.5. Only their sender may cut them. How the
# parts come to leave is that of IPv4, fragment.py.

from micropython import const
from netstack.core.wire import put16
from netstack.inet.fragment import Fragmentation

_EMSGSIZE = const(90)
_ENETUNREACH = const(101)
_ENOBUFS = const(105)
_IP_HDR = const(40)
_HDR = const(8)
_FRAGMENT = const(44)
_MOST = const(65535)
_HEAD = const(8)  # bytes of the header of UDP

_OUT = const(0)  # counters of fragment.py
_PARTS = const(1)
_NOBUF = const(2)
_TOOBIG = const(3)


class Fragmentation6(Fragmentation):
    name = "fragment6"

    def output(self, head, buf, off, n, src, dst, proto, way):
        """See fragment.py."""
        ip = self.ip
        out = ip.way(dst, src, way.nif)
        if out is None:
            return -_ENETUNREACH
        hop = ip.hop or dst
        room = ip.mtu(dst, out) - _IP_HDR - _HDR & ~7
        total = _HEAD + n
        if total > _MOST - _HDR:
            self.stat[_TOOBIG] += 1
            return -_EMSGSIZE
        error = out.v6.nd.ready(hop, 0) if out.v6.nd else 0
        if error:
            return error
        self.stat[_OUT] += 1
        high = self.st.random.bits16()  # RFC 7739: nobody foresees an identification
        low = self.st.random.bits16()
        at = 0
        while at < total and not error:
            fr = self._frame(out)
            if fr is None:
                self.stat[_NOBUF] += 1
                return -_ENOBUFS
            size = total - at if total - at < room else room
            self._fill(fr, at, size, head, buf, off)
            fr.l4 = to = fr.pay - _HDR
            put16(fr.buf, to, proto << 8)
            put16(fr.buf, to + 2, at | (at + size < total))
            put16(fr.buf, to + 4, high)
            put16(fr.buf, to + 6, low)
            if at + size < total:
                self._hasten(out)
            error = ip.emit(fr, src, dst, _FRAGMENT, way.ttl, way.tos, out, hop)
            self.stat[_PARTS] += 1
            at += size
        return error
