# Raw sockets (RFC 3542 section 3 for IPv6; for IPv4 what Linux's raw(7) says) and ping sockets.
#
# input:  IPv4.deliver, IPv6.deliver -> Raw.take -> each endpoint that wants it gets a copy: a raw
#         one of IPv4 the packet from its header on, one of IPv6 what is behind all headers, a ping
#         socket the answers to its own requests
# output: Endpoint.send -> output() of IPv4 or IPv6; with `hdrincl` the program has written the
#         header itself
#
# While there is a raw socket for TCP, UDP or ICMP, what comes in of that takes the ordinary way,
# where it can be seen.

from array import array
from micropython import const
from netstack.core.checksum import copy, csum, pseudo, put_csum
from netstack.core.wire import get16, put16, same, where, zero
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
_ICMP6 = const(58)
_RAW = const(255)  # IPPROTO_RAW: to send alone, with a header of one's own
_HDR = const(20)
_HDR6 = const(40)
_LENGTH6 = const(4)
_TOTAL = const(2)
_ID = const(4)
_SUM = const(10)
_SRC = const(12)
_ECHO = const(8)
_REPLY = const(0)
_ECHO6 = const(128)
_REPLY6 = const(129)
_HEAD = const(8)  # what is handed on apart of a packet in parts
_IP_ID = const(3)  # of Stack.w
_TABLE_TCP = const(20)  # of Stack.w: what lets inet/match.py take it
_TABLE_UDP = const(22)
_ECHOES = const(42)
_ECHOES6 = const(74)

NAMES = ("in", "in_short", "in_length", "in_checksum", "in_noport", "in_full", "out")  # as UDP's
_IN = const(0)
_CHECKSUM = const(3)
_OUT = const(6)


# Words of Stack.w that the fast path has, from the first to the last
_SEEN = {
    _ICMP: (_ECHOES, _ECHOES),
    _ICMP6: (_ECHOES6, _ECHOES6),
    _TCP: (_TABLE_TCP, _TABLE_TCP + 1),
    _UDP: (_TABLE_UDP, _TABLE_UDP + 1),
}


class RawEndpoint(Endpoint):
    """One raw socket's state, or a ping socket's. Made by Raw.open()."""

    ports = False

    def __init__(self, raw, ip, proto, ping):
        super().__init__(raw)
        self.proto = proto
        self.ping = ping
        self.type = 2 if ping else 3  # SO_TYPE
        self.ip = ip
        self.hdrincl = proto == _RAW
        self._csum_offset = 2 if ip.alen == 16 and proto == _ICMP6 and not ping else -1
        self._blocked = bytes(32 if ip.alen == 16 else 4)
        self._make_ring()
        raw.add(self)

    @property
    def csum_offset(self):
        """Where the sum of what is sent is, over a pseudo header as well; -1: nowhere. With IPv6,
        what comes in is looked at as well (RFC 3542 3.1)."""
        return self._csum_offset

    @csum_offset.setter
    def csum_offset(self, value):
        if self.ip.alen == 16 and self.proto == _ICMP6 or value > 0 and value & 1:
            what = "IPV6_CHECKSUM (option 7) %d: an even offset, not for ICMPv6" % value
            raise OSError(_EINVAL, what)
        self._csum_offset = value

    @property
    def blocked(self):
        """Which types of ICMP do not come: bits, from the lowest of byte 0 on (RFC 3542 3.2)."""
        return self._blocked

    @blocked.setter
    def blocked(self, bits):
        if len(bits) != len(self._blocked):
            what = "ICMP filter (option 1): %d bytes, not %d" % (len(self._blocked), len(bits))
            raise OSError(_EINVAL, what)
        self._blocked = bytes(bits)

    def bind(self, ip, addr, port):
        """To an address of ours; a ping socket's `port` is its identifier."""
        if addr is not None and not self.ip.local(addr, 0):
            raise OSError(_EADDRNOTAVAIL)
        if self.ping and port:
            if self.udp.pinging(self.ip, port) not in (None, self):
                raise OSError(_EADDRINUSE)
            self.lport = port
        self.laddr = bytearray(addr) if addr is not None else None

    def connect(self, ip, addr, port):
        if ip.source(addr, self.nif) is None:
            raise OSError(_ENETUNREACH)
        self.raddr = bytearray(addr)

    def close(self):
        self.udp.remove(self)
        super().close()

    def wants(self, fr, buf, proto):
        """Is the packet in `fr`, its transport header at l4, one for us?"""
        ip = self.ip
        if fr.ip is not ip or proto != self.proto:
            return False
        if self.nif is not None and self.nif is not fr.nif:
            return False
        dst = fr.l3 + ip.dst_off
        if self.laddr is not None and not same(buf, dst, self.laddr, 0, ip.alen):
            if ip.alen == 4 or not ip.group(buf, dst):  # as Linux has it
                return False
        if self.raddr is not None and not same(buf, fr.l3 + ip.src_off, self.raddr, 0, ip.alen):
            return False
        if self.ping:
            return self._answers(fr, buf, fr.l4)
        if proto == _ICMP or proto == _ICMP6:
            kind = buf[fr.l4] if fr.end > fr.l4 else 0
            bits = self._blocked
            if kind >> 3 < len(bits) and bits[kind >> 3] >> (kind & 7) & 1:
                return False
        return ip.alen == 4 or self._csum_offset < 0 or self._summed(fr, buf, proto)

    def _answers(self, fr, buf, at):
        """Is the message at `at` an answer to a request of ours?"""
        if fr.end - at < 8 or buf[at] != (_REPLY if self.ip.alen == 4 else _REPLY6):
            return False
        return get16(buf, at + 4) == self.lport and self._right(fr, buf, self.proto)

    def _summed(self, fr, buf, proto):
        if self._csum_offset + 2 <= fr.end - fr.l4 and self._right(fr, buf, proto):
            return True
        self.udp.stat[_CHECKSUM] += 1
        return False

    def _right(self, fr, buf, proto):
        """Is the sum right?"""
        ip = self.ip
        n = fr.end - fr.l4
        acc = 0
        if ip.alen == 16:
            acc = pseudo(buf, fr.l3 + ip.src_off, buf, fr.l3 + ip.dst_off, ip.alen, proto, n)
        return csum(buf, fr.l4, n, acc) == 0xFFFF

    def send(self, buf, off, n, ip=None, addr=None, port=0):
        """Send one packet, to the connected peer or to `addr`. Returns n, or -errno."""
        dst = addr or self.raddr
        if dst is None:
            return -_EDESTADDRREQ
        return self.post(buf, off, n, self.ip, dst, port)

    def post(self, buf, off, n, ip, dst, port, detour=None):
        """The same; `detour`: not quite as the options say."""
        if ip.broadcast(dst, 0) and not ip.group(dst, 0) and not self.broadcast:
            return -_EACCES
        way = self.way(ip, dst)
        if detour:
            way = detour.over(way)
        src = self._source(ip, dst, way)
        out = ip.way(dst, src, way.nif)
        if src is None or out is None:
            return -_ENETUNREACH
        header = _HDR if ip.alen == 4 else _HDR6
        if n < (header if self.hdrincl else 8 if self.ping else 0):
            return -_EINVAL
        if n + (0 if self.hdrincl else header) > ip.mtu(dst, out):
            return self._parts(buf, off, n, src, dst, way)
        fr = self.st.pool.alloc()
        if fr is None:
            return -_ENOBUFS
        copy(fr.buf, fr.pay, buf, off, n)
        fr.end = fr.pay + n
        fr.l4 = fr.pay
        if self.hdrincl:
            own = self._own_header if header == _HDR else self._own_header6
            error = own(fr, n, src, dst, out)
        elif not self._finished(fr.buf, fr.l4, n, src, dst):
            self.st.pool.release(fr)
            return -_EINVAL
        else:
            if way.loop:
                ip.loop(fr, src, dst, self.proto, way.ttl, way.tos, way.nif)
            error = ip.output(fr, src, dst, self.proto, way.ttl, way.tos, way.nif)
        if error == 0:
            self.udp.stat[_OUT] += 1
        return error or n

    def _finished(self, buf, at, n, src, dst):
        """Fill in what is ours of a message of `n` bytes at buf[at]; False: there is none that a
        socket of this kind sends."""
        offset = self._csum_offset
        if self.ping:  # echo requests alone; identifier and sum are ours
            if buf[at] != (_ECHO if self.ip.alen == 4 else _ECHO6) or buf[at + 1]:
                return False
            put16(buf, at + 4, self.lport)
            offset = 2
        if offset < 0:
            return True
        if offset + 2 > n:
            return False
        put16(buf, at + offset, 0)
        acc = 0
        if not self.ping or self.ip.alen == 16:
            acc = pseudo(src, 0, dst, 0, self.ip.alen, self.proto, n)
        put_csum(buf, at + offset, csum(buf, at, n, acc))
        return True

    def _parts(self, buf, off, n, src, dst, way):
        """The same for one that takes more than a packet."""
        if self.hdrincl or self.ip.output_parts is None or n > 65535 - _HDR:
            return -_EMSGSIZE
        data = bytearray(n)  # rare, and what the program has given must stay as it is
        copy(data, 0, buf, off, n)
        if not self._finished(data, 0, n, src, dst):
            return -_EINVAL
        error = self.ip.output_parts(data, data, _HEAD, n - _HEAD, src, dst, self.proto, way)
        if error == 0:
            self.udp.stat[_OUT] += 1
        return error or n

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

    def _own_header6(self, fr, n, src, dst, out):
        """As Linux: it is sent as it is; but the length is ours."""
        fr.l3 = at = fr.pay
        if fr.buf[at] >> 4 != 6:
            self.st.pool.release(fr)
            return -_EINVAL
        fr.l4 = at + _HDR6
        put16(fr.buf, at + _LENGTH6, n - _HDR6)
        return self.ip.to_link(fr, dst, out)


class _Plain:
    """What stands where UDP has its fast path."""

    def __init__(self):
        self._job = array("I", bytes(24))  # of core/move.py
        self.job = where(self._job)


class Raw:
    def __init__(self, st):
        self.st = st
        self.stat = st.counters("raw", NAMES)
        self.list = []
        self.fast = _Plain()
        self._kept = {}
        for ip in st.networks:
            ip.raw = self

    def open(self, proto, ping=False, ip=None):
        """A socket's state, for packets of this protocol, or for pings; of IPv4 unless `ip` says
        otherwise."""
        if not 1 <= proto <= 255:
            raise OSError(_EPROTONOSUPPORT, "raw socket: protocol %d" % proto)
        return RawEndpoint(self, ip or self.st.ip4, proto, ping)

    def add(self, ep):
        if ep.ping:
            ep.lport = self.st.random.bits16() or 1
            while self.pinging(ep.ip, ep.lport):
                ep.lport = ep.lport % 65535 + 1
        self.list.append(ep)
        self._look(ep.proto)

    def remove(self, ep):
        if ep in self.list:
            self.list.remove(ep)
            self._look(ep.proto)

    def pinging(self, ip, ident):
        """The ping socket with this identifier, or None."""
        for ep in self.list:
            if ep.ping and ep.lport == ident and ep.ip is ip:
                return ep
        return None

    def _look(self, proto):
        """Does the fast path have to let packets of this protocol be seen?"""
        if proto not in _SEEN:
            return
        words = self.st.w
        first, last = _SEEN[proto]
        some = any(not ep.ping and ep.proto == proto for ep in self.list)
        if some and proto not in self._kept:
            self._kept[proto] = array("I", words[first : last + 1])
            for i in range(first, last + 1):
                words[i] = 0
        elif not some and proto in self._kept:
            kept = self._kept.pop(proto)
            for i in range(len(kept)):
                words[first + i] = kept[i]

    def take(self, fr, proto):
        """Show a packet for us, its transport header at l4, to all who want it; True if a raw
        socket has. Borrows `fr`."""
        buf = fr.buf
        found = False
        for ep in self.list:
            if ep.wants(fr, buf, proto):
                self.stat[_IN] += 1
                start = fr.l4 if ep.ping or fr.ip.alen == 16 else fr.l3
                ep.take(fr, start, fr.end - start)
                found = found or not ep.ping
        return found

    def error(self, ip, buf, at, l4, proto, errno):
        """An ICMP error about the packet of ours at buf[at]: as on Linux, who is connected to
        where it went is told. True if anybody was."""
        told = False
        for ep in self.list:
            if ep.ip is not ip or ep.proto != proto or ep.raddr is None:
                continue
            if not same(buf, at + ip.dst_off, ep.raddr, 0, ip.alen):
                continue
            if ep.ping and get16(buf, l4 + 4) != ep.lport:
                continue
            ep.failed(ip, buf, at, l4, errno)
            told = True
        return told


def attach(st):
    """Let there be raw sockets."""
    return st.ip4.raw or Raw(st)
