# The fast path of ping: an echo request from whom the last one came from is answered in machine
# code. What it does is what icmpv4.py does, which is its specification; on any doubt it changes
# nothing and leaves the request to it.
#
# Words of ICMPv4.cb:
#   0 HOPS (of Stack.w, when the header below was written)  1 address it is for
#   2 sum of the IP header  3 the longest message  4, 5 address of ICMP's counters
#   6, 7 of the words of the interface that answers go out by  8, 9 of their header
#   10 address that has got one meanwhile
# Words of Stack.w: match.py.

from array import array
from micropython import const
from netstack.core.checksum import copy, csum
from netstack.core.move import move
from netstack.core.wire import address, same, where
from netstack.inet import match

_PROTO = const(1)
_HEADERS = const(36)  # lead, Ethernet, IPv4
_LINK = const(86)  # where the frame begins that echo() builds
_SRC = const(28)  # the addresses in a header
_DST = const(32)
_TOS = const(17)

_HOPS = const(2)
_BLOCK = const(60)

_PREPARED = const(0)
_IP_SUM = const(2)
_LONGEST = const(3)
_STAT = const(4)
_NIF = const(6)
_HEADER = const(8)
_LAST = const(10)
_WORDS = const(11)

_SEND = const(1)  # Interface.io: core/interface.py
_TO = const(3)
_REFUSED = const(4)


class Fast:
    """The fast path of an ICMPv4."""

    def __init__(self, icmp):
        self.st = icmp.st
        self.cb = array("I", bytes(4 * _WORDS))
        address(self.cb, _STAT, icmp.stat)
        self.header = bytearray(_HEADERS)
        address(self.cb, _HEADER, self.header)
        address(self.st.w, _BLOCK, self.cb)
        self._job = array("I", bytes(24))
        match.attach(icmp.st).answer(_receiver(where(icmp.st.w), where(self._job)))

    def prepare(self, src, dst, ttl, tos):
        """An answer went to `dst`: write the header of those that follow. While there is a good
        one for somebody else, that is done with the second in a row."""
        cb = self.cb
        hops = self.st.w[_HOPS]
        header = self.header
        if cb[_PREPARED] == hops:
            mine = same(header, _DST, dst, 0, 4)
            if mine and header[_TOS] == tos and same(header, _SRC, src, 0, 4):
                return
            if not mine and not same(cb, 4 * _LAST, dst, 0, 4):
                copy(cb, 4 * _LAST, dst, 0, 4)
                return
        cb[_LAST] = 0
        ip = self.st.ip4
        nif = ip.prepare(header, _HEADERS, src, dst, _PROTO, ttl, tos)
        copy(cb, 4, dst, 0, 4)
        cb[_IP_SUM] = csum(header, 16, 20, 0)
        cb[_LONGEST] = ip.mss_room(dst)
        cb[_PREPARED] = hops
        copy(header, _DST, dst, 0, 4)  # also when there is no such interface
        if nif is None:
            cb[_NIF] = cb[_NIF + 1] = 0
        else:
            address(cb, _NIF, nif.w)


def _receiver(words, job):
    """What gets the messages: receive(nif.io), 0: not mine. `job`: move()'s."""
    sums = move

    @micropython.viper
    def receive(io) -> int:
        w = ptr32(int(words))
        cb = ptr32(w[60] | ((w[61] << 16) << 16))
        nif = ptr32(w[53] | ((w[54] << 16) << 16))
        header = ptr32(cb[8] | ((cb[9] << 16) << 16))
        at = (w[51] | ((w[52] << 16) << 16)) + w[13]
        n = w[14]
        if cb[0] != w[2] or cb[1] != w[12] or n > cb[3] or ptr8(at - 19)[0] != ptr8(header)[17]:
            return 0
        if cb[6] != w[53] or cb[7] != w[54] or not nif[6] or header[7] != nif[2]:
            return 0
        if ptr8(at)[0] != 8 or ptr8(at)[1]:
            return 0
        to = (nif[10] | ((nif[11] << 16) << 16)) + 120
        j = ptr32(int(job))
        j[0] = to
        j[1] = (to >> 16) >> 16
        j[2] = at
        j[3] = (at >> 16) >> 16
        j[4] = n
        if int(sums(job)) != 0xFFFF:
            return 0
        b = ptr8(to)
        b[0] = 0
        x = (((b[2] << 8) | b[3]) ^ 0xFFFF) + 0xF7FF  # RFC 1624 section 3
        x = (x & 0xFFFF) + (x >> 16)
        if x != 0xFFFF:
            x ^= 0xFFFF
        b[2] = x >> 8
        b[3] = x
        h = ptr32(to - 36)
        h[0] = header[0]
        h[1] = header[1]
        h[2] = header[2]
        h[3] = header[3]
        h[4] = header[4]
        h[5] = header[5]
        h[6] = header[6]
        h[7] = header[7]
        h[8] = header[8]
        w[3] = (w[3] + 1) & 0xFFFF
        d = w[3]
        x = 20 + n
        b = ptr8(to - 20)
        b[2] = x >> 8
        b[3] = x
        b[4] = d >> 8
        b[5] = d
        x = cb[2] + (((x & 0xFF) << 8) | (x >> 8)) + (((d & 0xFF) << 8) | (d >> 8))
        x = (x & 0xFFFF) + (x >> 16)
        x = ((x & 0xFFFF) + (x >> 16)) ^ 0xFFFF
        b[10] = x
        b[11] = x >> 8
        r = ptr32(w[34] | ((w[35] << 16) << 16))
        r[0] = r[0] + 1
        r[1] = r[1] + w[36]
        r = ptr32(w[24] | ((w[25] << 16) << 16))
        r[0] = r[0] + 1
        r[10] = r[10] + 1
        r = ptr32(cb[4] | ((cb[5] << 16) << 16))
        r[0] = r[0] + 1
        r[3] = r[3] + 1
        r[7] = r[7] + 1
        w[32] = w[32] + 1
        w[33] = w[33] + 1
        n += 34
        got = int(io[_SEND](io[_TO], _LINK, n))
        if got > 0:
            r = ptr32(nif[4] | ((nif[5] << 16) << 16))
            r[2] = r[2] + 1
            r[3] = r[3] + n
        else:
            io[_REFUSED](_LINK, n, got)
        return 1

    return receive
