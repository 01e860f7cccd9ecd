# The fast path of ping over IPv6: an echo request from whom the last one came from is answered in
# machine code. What it does is what icmpv6.py does, which is its specification; on any doubt it
# changes nothing and leaves the request to it. echo_fast.py is the same for IPv4.
#
# Words of Fast.cb:
#   0 HOPS (of Stack.w, when the header below was written)  2 sum of the pseudo header
#   3 the longest message  4, 5 address of ICMP's counters  6, 7 of the words of the interface that
#   answers go out by  8, 9 of their header  10, 11 of IPv6's counters
#   12..15 address that has got one meanwhile
# Words of Stack.w: match.py; 74: pings over IPv6 take part.

from array import array
from micropython import const
from netstack.core.checksum import copy, pseudo
from netstack.core.move import move
from netstack.core.wire import address, same, where
from netstack.inet import match

_PROTO = const(58)
_HEADERS = const(56)  # lead, Ethernet, IPv6
_LINK = const(66)  # where the frame begins that echo() builds
_SRC = const(24)  # the addresses in a header
_DST = const(40)
_CLASS = const(16)  # the two bytes that the traffic class is in

_HOPS = const(2)
_TAKES_PART = const(74)

_PREPARED = const(0)
_SUM = const(2)
_LONGEST = const(3)
_STAT = const(4)
_NIF = const(6)
_HEADER = const(8)
_IP_STAT = const(10)
_LAST = const(12)
_WORDS = const(16)

_SEND = const(1)  # Interface.io: core/interface.py
_TO = const(3)
_REFUSED = const(4)


class Fast:
    """The fast path of an ICMPv6."""

    def __init__(self, icmp):
        self.ip = icmp.ip
        self.st = st = icmp.st
        self.cb = array("I", bytes(4 * _WORDS))
        address(self.cb, _STAT, icmp.stat)
        address(self.cb, _IP_STAT, icmp.ip.stat)
        self.header = bytearray(_HEADERS)
        address(self.cb, _HEADER, self.header)
        self._job = array("I", bytes(24))
        st.kinds[match.PING6] = _receiver(where(st.w), where(self.cb), where(self._job))
        st.w[_TAKES_PART] = 1

    def prepare(self, src, dst, ttl, tos):
        """An answer went to `dst`: write the header of those that follow. While there is a good
        one for somebody else, that is done with the second in a row."""
        cb = self.cb
        hops = self.st.w[_HOPS]
        header = self.header
        if cb[_PREPARED] == hops:
            mine = same(header, _DST, dst, 0, 16)
            kind = header[_CLASS] == 0x60 | tos >> 4 and header[_CLASS + 1] == (tos & 15) << 4
            if mine and kind and same(header, _SRC, src, 0, 16):
                return
            if not mine and not same(cb, 4 * _LAST, dst, 0, 16):
                copy(cb, 4 * _LAST, dst, 0, 16)
                return
        cb[_LAST] = 0
        nif = self.ip.prepare(header, _HEADERS, src, dst, _PROTO, ttl, tos)
        copy(header, _DST, dst, 0, 16)  # also when there is no such interface
        cb[_SUM] = pseudo(src, 0, dst, 0, 16, _PROTO, 0)
        cb[_LONGEST] = self.ip.mss_room(dst)
        cb[_PREPARED] = hops
        if nif is None:
            cb[_NIF] = cb[_NIF + 1] = 0
        else:
            address(cb, _NIF, nif.w)


def _receiver(words, block, job):
    """What gets echo requests: receive(nif.io), 0: not mine. `job`: move()'s."""
    sums = move

    @micropython.viper
    def receive(io) -> int:
        w = ptr32(int(words))
        cb = ptr32(int(block))
        if cb[0] != w[2] or cb[6] != w[53] or cb[7] != w[54] or not w[74]:
            return 0
        nif = ptr32(w[53] | ((w[54] << 16) << 16))
        header = ptr32(cb[8] | ((cb[9] << 16) << 16))
        at = (w[51] | ((w[52] << 16) << 16)) + 56
        h = ptr32(at - 40)
        if h[2] != header[10] or h[3] != header[11] or h[4] != header[12] or h[5] != header[13]:
            return 0
        if h[6] != header[6] or h[7] != header[7] or h[8] != header[8] or h[9] != header[9]:
            return 0
        b = ptr8(h)
        n = (b[4] << 8) | b[5]
        if n > cb[3] or not nif[6]:
            return 0
        if b[0] != ptr8(header)[16] or b[1] & 0xF0 != ptr8(header)[17]:
            return 0
        if b[40] != 128 or b[41]:
            return 0
        to = (nif[10] | ((nif[11] << 16) << 16)) + 120
        j = ptr32(int(job))
        j[0] = to
        j[1] = (to >> 16) >> 16
        j[2] = at
        j[3] = (at >> 16) >> 16
        j[4] = n
        acc = cb[2] + ((n & 0xFF) << 8) + (n >> 8) + int(sums(job))
        acc = (acc & 0xFFFF) + (acc >> 16)
        if (acc & 0xFFFF) + (acc >> 16) != 0xFFFF:
            return 0
        b = ptr8(to)
        b[0] = 129
        x = (((b[2] << 8) | b[3]) ^ 0xFFFF) + 0x100  # RFC 1624 section 3
        x = ((x & 0xFFFF) + (x >> 16)) ^ 0xFFFF
        b[2] = x >> 8
        b[3] = x
        h = ptr32(to - 56)
        h[0] = header[0]
        h[1] = header[1]
        h[2] = header[2]
        h[3] = header[3]
        h[4] = header[4]
        h[5] = header[5]
        h[6] = header[6]
        h[7] = header[7]
        h[8] = header[8]
        h[9] = header[9]
        h[10] = header[10]
        h[11] = header[11]
        h[12] = header[12]
        h[13] = header[13]
        b = ptr8(to - 36)
        b[0] = n >> 8
        b[1] = n
        r = ptr32(nif[4] | ((nif[5] << 16) << 16))
        r[0] = r[0] + 1
        r[1] = r[1] + w[36]
        r = ptr32(cb[10] | ((cb[11] << 16) << 16))
        r[0] = r[0] + 1
        r[10] = r[10] + 1
        r = ptr32(cb[4] | ((cb[5] << 16) << 16))
        r[0] = r[0] + 1
        r[3] = r[3] + 1
        r[7] = r[7] + 1
        w[32] = w[32] + 1
        w[33] = w[33] + 1
        n += 54
        got = int(io[_SEND](io[_TO], _LINK, n))
        if got > 0:
            r = ptr32(nif[4] | ((nif[5] << 16) << 16))
            r[2] = r[2] + 1
            r[3] = r[3] + n
        else:
            io[_REFUSED](_LINK, n, got)
        return 1

    return receive
