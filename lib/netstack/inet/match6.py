# The fast path's first step for IPv6: what match4() of match.py has not found is offered here, to
# machine code that looks at the whole of link and network header and finds the control block, or
# gives up, and the frame goes the ordinary way, which is the specification of all that is here.
#
# It fills the words of Stack.w that match.py lists, so that transport/tcp/fast.py and udp_fast.py
# get IPv6's packets as they get IPv4's. While one is with UDP, words 24, 25 and ALEN are
# those of IPv6.
#
# Words of Match6.own:
#    0, 1 address of IPv6's counters  2, 3 of IPv4's  4 HOPS of Stack.w when the rows were written
#    5 how many rows
#    7 sum of the addresses of the last packet  8 its protocol, << 8 the number of its interface;
#    0: none  9 CHANGES of the table then  10 ROW  11, 12 block  13..21 its key, as demux.py has it
#   22... a row of five words for each address of ours: the address, the number of the one
#      interface that it holds on if it is link-local, else 0

from array import array
from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import address, where
from netstack.inet import match, select6

_STATS4 = const(24)  # words of Stack.w
_HOPS = const(2)
_NUMBER = const(21)  # of Interface.w
_LINK = const(2)  # a scope of select6.py

_IPV6_STAT = const(0)
_IPV4_STAT = const(2)
_WRITTEN = const(4)
_COUNT = const(5)
_WHAT = const(8)
_ROWS = const(22)
_ROW_WORDS = const(5)
_MOST = const(16)  # rows; where there are more addresses, all takes the ordinary way


class Match6:
    """Made once, by IPv6."""

    def __init__(self, ip):
        st = ip.st
        self.st = st
        self.own = own = array("I", bytes(4 * (_ROWS + _ROW_WORDS * _MOST)))
        self.numbers = 0
        match.attach(st)
        address(own, _IPV6_STAT, ip.stat)
        own[_IPV4_STAT] = st.w[_STATS4]
        own[_IPV4_STAT + 1] = st.w[_STATS4 + 1]
        words = where(st.w)
        st.kinds[0] = _receiver(words, where(own), st.kinds, _looker(words, where(own), self.fill))

    def attach_nif(self, nif):
        """An interface whose link is Ethernet takes part."""
        if nif.prepare is not None:
            self.numbers += 1
            nif.w[_NUMBER] = self.numbers

    def fill(self):
        """Addresses may have changed: write the rows anew. Whatever changes one calls
        Stack.rerouted()."""
        own = self.own
        own[_WHAT] = 0
        own[_COUNT] = 0
        own[_WRITTEN] = self.st.w[_HOPS]
        n = 0
        for nif in self.st.nifs:
            for entry in nif.v6.list:
                if entry.usable():
                    if n == _MOST:
                        return
                    at = _ROWS + _ROW_WORDS * n
                    copy(own, 4 * at, entry.addr, 0, 16)
                    local = nif.v6.nd and select6.scope(entry.addr) == _LINK
                    own[at + 4] = nif.w[_NUMBER] if local else 0
                    n += 1
        own[_COUNT] = n


# Closures, as in tcp/fast.py, with their names at hand.


def _receiver(words, own, kinds, look):
    """What gets the frames: receive(nif.io), 0: not mine."""

    @micropython.viper
    def receive(io) -> int:
        """The frame that lies 2 behind the address in `words`: Ethernet, IPv6 without extension
        headers, to an address of ours, for a known TCP connection or UDP socket; or a ping."""
        w = ptr32(int(words))
        o = ptr32(int(own))
        buf = ptr8(w[51] | ((w[52] << 16) << 16))
        nif = ptr32(w[53] | ((w[54] << 16) << 16))
        n = w[36]
        if n < 62 or ptr16(int(buf) + 14)[0] != 0xDD86 or buf[16] >> 4 != 6 or not nif[21]:
            return 0
        if ptr32(int(buf) + 4)[0] != nif[1] or ptr16(int(buf) + 2)[0] != (nif[0] >> 16) & 0xFFFF:
            return 0
        size = (buf[20] << 8) | buf[21]
        if size < 8 or size + 54 > n or buf[17] & 0x30 == 0x30:  # congestion was experienced
            return 0
        proto = buf[22]
        if proto == 6:
            t = ptr32(w[20] | ((w[21] << 16) << 16))
        elif proto == 17:
            t = ptr32(w[22] | ((w[23] << 16) << 16))
        elif proto == 58 and buf[56] == 128:
            return int(kinds[4](io))
        else:
            return 0
        if not int(t):
            return 0
        h = ptr32(int(buf) + 24)
        ports = (buf[58] << 24) | (buf[59] << 16) | (buf[56] << 8) | buf[57]
        what = proto | (nif[21] << 8)
        if (
            o[13] != ports
            or o[21] != h[3]
            or o[20] != h[2]
            or o[19] != h[1]
            or o[18] != h[0]
            or o[17] != h[7]
            or o[16] != h[6]
            or o[15] != h[5]
            or o[14] != h[4]
            or o[8] != what
            or o[9] != t[9]
            or o[4] != w[2]
        ):  # not as the last one
            if not int(look(what)):
                return 0
        w[15] = o[7] + (proto << 8) + ((size & 0xFF) << 8) + (size >> 8)
        w[16] = o[10]
        w[17] = o[11]
        w[18] = o[12]
        w[13] = 56
        w[14] = size
        w[34] = nif[4]
        w[35] = nif[5]
        w[40] = 0  # what match4() has found last
        if proto == 6:
            return int(kinds[1](io))
        w[24] = o[0]
        w[25] = o[1]
        w[43] = 16
        taken = 0
        try:
            taken = int(kinds[2](io))
        finally:  # whatever a program's callback raises
            w[24] = o[2]
            w[25] = o[3]
            w[43] = 4
        return taken

    return receive


def _looker(words, own, fill):
    """Finds who gets a packet that is not like the last: look(what), 0: nobody."""

    @micropython.viper
    def look(what: int) -> int:
        w = ptr32(int(words))
        o = ptr32(int(own))
        if o[4] != w[2]:
            fill()
        h = ptr32((w[51] | ((w[52] << 16) << 16)) + 24)
        # from no group; ::, ::1 and IPv4's take the ordinary way
        if h[0] & 0xFF == 0xFF or not h[0] | h[1]:
            return 0
        # to an address of ours, and from nobody in our name
        number = what >> 8
        p = int(o) + 88
        end = p + o[5] * 20
        mine = 0
        while p < end:
            r = ptr32(p)
            if r[3] == h[7] and r[2] == h[6] and r[1] == h[5] and r[0] == h[4]:
                if not r[4] or r[4] == number:
                    mine = 1
            if r[3] == h[3] and r[2] == h[2] and r[1] == h[1] and r[0] == h[0]:
                return 0
            p += 20
        if not mine:
            return 0
        proto = what & 0xFF
        t = ptr32(w[20] | ((w[21] << 16) << 16))
        tries = 1  # a listener takes the ordinary way
        if proto == 17:
            t = ptr32(w[22] | ((w[23] << 16) << 16))
            tries = 3
        b = ptr8(int(h) + 32)
        o[8] = 0
        o[9] = t[9]
        o[13] = (b[2] << 24) | (b[3] << 16) | (b[0] << 8) | b[1]
        o[14] = h[4]
        o[15] = h[5]
        o[16] = h[6]
        o[17] = h[7]
        o[18] = h[0]
        o[19] = h[1]
        o[20] = h[2]
        o[21] = h[3]
        key = int(w) + 16
        end = key + 36
        p = int(o) + 52
        acc = 0
        while key < end:
            x = ptr32(p)[0]
            ptr32(key)[0] = x
            acc += (x & 0xFFFF) + ((x >> 16) & 0xFFFF)
            p += 4
            key += 4
        x = o[13]
        o[7] = acc - (x & 0xFFFF) - ((x >> 16) & 0xFFFF)
        while tries:
            # _hash() and _find() of demux.py
            key = int(w) + 16
            x = ptr32(key)[0]
            p = key + 4
            while p < end:
                x = x * 31 + ptr32(p)[0]
                p += 4
            x = x ^ ((x >> 15) & 0x1FFFF)
            x = (x ^ ((x >> 7) & 0x1FFFFFF)) & t[0]
            i = ptr16((t[1] | ((t[2] << 16) << 16)) + (x << 1))[0]
            while i != 0xFFFF:
                p = (t[5] | ((t[6] << 16) << 16)) + i * 36
                x = key
                while x < end and ptr32(p)[0] == ptr32(x)[0]:
                    p += 4
                    x += 4
                if x == end:
                    p = (t[7] | ((t[8] << 16) << 16)) + (i << 3)
                    o[10] = i
                    o[11] = ptr32(p)[0]
                    o[12] = ptr32(p)[1]
                    if not ptr32(p)[0] | ptr32(p)[1]:
                        return 0
                    o[8] = what
                    return 1
                i = ptr16((t[3] | ((t[4] << 16) << 16)) + (i << 1))[0]
            tries -= 1
            w[4] = (w[4] >> 16) << 16  # any sender
            w[9] = 0
            w[10] = 0
            w[11] = 0
            w[12] = 0
            if tries == 1:  # any receiver, of IPv6
                w[5] = -1
                w[6] = 0
                w[7] = 0
                w[8] = 0
        return 0

    return look
