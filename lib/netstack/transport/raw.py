# Raw sockets (RFC 1122 has none; what Linux's raw(7) says) and ping sockets, for IPv4.
#
# input:  IPv4._deliver -> Raw.take -> each endpoint that wants it gets a copy: a raw one the
#         packet from its header on, a ping socket the answers to its own requests
# output: Endpoint.send -> IPv4.output; with `hdrincl` the program has written the header itself
#
# While there is a raw socket for TCP, UDP or ICMP, what comes in of that takes the ordinary way,
# where it can be seen.

from array import array
from micropython import const
from netstack.core.checksum import copy, csum, put_csum
from netstack.core.wire import get16, put16, same, zero
from netstack.transport.udp import Endpoint

_EACCES = const(13)
_EADDRINUSE = const(98)
_EADDRNOTAVAIL = const(99)
_EDESTADDRREQ = const(89)
_EINVAL = const(22)
_EMSGSIZE = const(90)
_EPROTONOSUPPORT = const(93)
_ENETUNREACH = const(101)
_ENOBUFS = const(105)
_ICMP = const(1)
_TCP = const(6)
_UDP = const(17)
_RAW = const(255)  # IPPROTO_RAW: to send alone, with a header of one's own
_HDR = const(20)
_TOTAL = const(2)
_ID = const(4)
_SUM = const(10)
_SRC = const(12)
_DST = const(16)
_ECHO = const(8)
_FROM_PORT = const(11)  # of Endpoint.cb
_IP_ID = const(3)  # of Stack.w
_TABLE_TCP = const(20)  # of Stack.w: what lets inet/match.py take it
_TABLE_UDP = const(22)
_ECHOES = const(42)

NAMES = ("in", "in_short", "in_length", "in_checksum", "in_noport", "in_full", "out")  # as UDP's
_IN = const(0)
_OUT = const(6)


class RawEndpoint(Endpoint):
    """One raw socket's state, or a ping socket's. Made by Raw.open()."""

    def __init__(self, raw, proto, ping):
        super().__init__(raw)
        self.proto = proto
        self.ping = ping
        self.type = 2 if ping else 3  # SO_TYPE
        self.ip = self.st.ip4
        self.hdrincl = proto == _RAW
        self.csum_offset = -1  # where the sum of what is sent is, over a pseudo header as well
        self._make_ring()
        raw.add(self)

    def bind(self, ip, addr, port):
        """To an address of ours; a ping socket's `port` is its identifier."""
        if addr is not None and not ip.local(addr, 0):
            raise OSError(_EADDRNOTAVAIL)
        if self.ping and port:
            if self.udp.pinging(port) not in (None, self):
                raise OSError(_EADDRINUSE)
            self.lport = port
        self.laddr = bytearray(addr) if addr is not None else None

    def connect(self, ip, addr, port):
        if ip.source(addr) is None:
            raise OSError(_ENETUNREACH)
        self.raddr = bytearray(addr)

    def close(self):
        self.udp.remove(self)
        super().close()

    def wants(self, fr, buf, at):
        """Is the packet at buf[at] one for us?"""
        if self.nif is not None and self.nif is not fr.nif:
            return False
        if self.laddr is not None and not same(buf, at + _DST, self.laddr, 0, 4):
            return False
        if self.raddr is not None and not same(buf, at + _SRC, self.raddr, 0, 4):
            return False
        if not self.ping:
            return buf[at + 9] == self.proto
        l4 = fr.l4
        n = fr.end - l4
        return (
            buf[at + 9] == _ICMP
            and n >= 8
            and buf[l4] == 0
            and get16(buf, l4 + 4) == self.lport
            and csum(buf, l4, n, 0) == 0xFFFF
        )

    def recv(self, buf, off, n, peek=False):
        """As a UDP endpoint's; there are no ports."""
        n = super().recv(buf, off, n, peek)
        self.cb[_FROM_PORT] = 0
        return n

    def read(self, most):
        data = super().read(most)
        self.cb[_FROM_PORT] = 0
        return data

    def send(self, buf, off, n, ip=None, addr=None, port=0):
        """Send one packet, to the connected peer or to `addr`. Returns n, or -errno."""
        dst = addr or self.raddr
        if dst is None:
            return -_EDESTADDRREQ
        ip = self.ip
        if ip.broadcast(dst, 0) and dst[0] & 0xF0 != 0xE0 and not self.broadcast:
            return -_EACCES
        src = self.laddr or ip.source(dst, self.nif)
        out = self.nif or ip.route(dst, 0)
        if src is None or out is None:
            return -_ENETUNREACH
        if n + (0 if self.hdrincl else _HDR) > out.mtu:
            return -_EMSGSIZE
        if n < (_HDR if self.hdrincl else 8 if self.ping else 0):
            return -_EINVAL
        fr = self.st.pool.alloc()
        if fr is None:
            return -_ENOBUFS
        copy(fr.buf, fr.pay, buf, off, n)
        fr.end = fr.pay + n
        if self.hdrincl:
            error = self._own_header(fr, n, src, dst, out)
        elif self.ping:
            error = self._request(fr, n, src, dst)
        else:
            error = self._plain(fr, n, src, dst)
        if error == 0:
            self.udp.stat[_OUT] += 1
        return error or n

    def _plain(self, fr, n, src, dst):
        fr.l4 = at = fr.pay
        if self.csum_offset >= 0:
            if self.csum_offset + 2 > n:
                self.st.pool.release(fr)
                return -_EINVAL
            where = at + self.csum_offset
            put16(fr.buf, where, 0)
            acc = self.ip.pseudo(src, 0, dst, 0, self.proto, n)
            put_csum(fr.buf, where, csum(fr.buf, at, n, acc))
        return self.ip.output(fr, src, dst, self.proto, self.ttl, self.tos, self.nif)

    def _request(self, fr, n, src, dst):
        """A ping socket sends echo requests alone; identifier and sum are ours."""
        fr.l4 = at = fr.pay
        if fr.buf[at] != _ECHO or fr.buf[at + 1]:
            self.st.pool.release(fr)
            return -_EINVAL
        put16(fr.buf, at + 4, self.lport)
        put16(fr.buf, at + 2, 0)
        put_csum(fr.buf, at + 2, csum(fr.buf, at, n, 0))
        return self.ip.output(fr, src, dst, _ICMP, self.ttl, self.tos, self.nif)

    def _own_header(self, fr, n, src, dst, out):
        """As Linux: length and sum are always ours, source and identification if they are 0."""
        buf = fr.buf
        fr.l3 = at = fr.pay
        hlen = (buf[at] & 15) << 2
        if buf[at] >> 4 != 4 or hlen < _HDR or hlen > n:
            self.st.pool.release(fr)
            return -_EINVAL
        fr.l4 = at + hlen
        put16(buf, at + _TOTAL, n)
        if zero(buf, at + _SRC, 4):
            copy(buf, at + _SRC, src, 0, 4)
        if zero(buf, at + _ID, 2):
            w = self.st.w
            w[_IP_ID] = (w[_IP_ID] + 1) & 0xFFFF
            put16(buf, at + _ID, w[_IP_ID])
        put16(buf, at + _SUM, 0)
        put_csum(buf, at + _SUM, csum(buf, at, hlen, 0))
        return self.ip.to_link(fr, dst, out)


class _Plain:
    """What stands where UDP has its fast path."""

    def __init__(self):
        self.job = array("I", bytes(24))  # of core/move.py


class Raw:
    def __init__(self, st):
        self.st = st
        self.stat = st.counters("raw", NAMES)
        self.list = []
        self.fast = _Plain()
        self._kept = {}
        st.ip4.raw = self

    def open(self, proto, ping=False):
        """A socket's state, for packets of this protocol, or for pings."""
        if not 1 <= proto <= 255:
            raise OSError(_EPROTONOSUPPORT, "raw socket: protocol %d" % proto)
        return RawEndpoint(self, proto, ping)

    def add(self, ep):
        if ep.ping:
            ep.lport = self.st.random.bits16() or 1
            while self.pinging(ep.lport):
                ep.lport = ep.lport % 65535 + 1
        self.list.append(ep)
        self._look(_ICMP if ep.ping else ep.proto)

    def remove(self, ep):
        if ep in self.list:
            self.list.remove(ep)
            self._look(_ICMP if ep.ping else ep.proto)

    def pinging(self, ident):
        """The ping socket with this identifier, or None."""
        for ep in self.list:
            if ep.ping and ep.lport == ident:
                return ep
        return None

    def _look(self, proto):
        """Does the fast path have to let packets of this protocol be seen?"""
        if proto not in (_ICMP, _TCP, _UDP):
            return
        words = self.st.w
        first = _TABLE_TCP if proto == _TCP else _TABLE_UDP if proto == _UDP else _ECHOES
        last = first if proto == _ICMP else first + 1
        some = any(not ep.ping and ep.proto == proto for ep in self.list)
        if some and proto not in self._kept:
            self._kept[proto] = array("I", words[first : last + 1])
            for i in range(first, last + 1):
                words[i] = 0
        elif not some and proto in self._kept:
            kept = self._kept.pop(proto)
            for i in range(len(kept)):
                words[first + i] = kept[i]

    def take(self, fr):
        """Show a packet for us to all who want it; True if a raw socket has. Borrows `fr`."""
        buf = fr.buf
        at = fr.l3
        found = False
        for ep in self.list:
            if ep.wants(fr, buf, at):
                self.stat[_IN] += 1
                start = fr.l4 if ep.ping else at
                ep.take(fr, start, fr.end - start)
                found = found or not ep.ping
        return found


def attach(st):
    """Let there be raw sockets."""
    return st.ip4.raw or Raw(st)
