# The packet filter of filter.py for IPv6: the same rules in the same order, and what they say of
# IPv6 addresses.
#
#   Router6._pass -> Filter6.passes -> judge6()
#
# Rows of words beside those of filter.py, one for each rule:
#   0..3 source  4..7 its mask  8..11 destination  12..15 its mask
# RAM: 64 bytes for a rule.

from array import array
from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import address, get16
from netstack.inet.filter import PASS, REJECT, network

_FILTER = const(6)  # of Router6.cb
_WORDS = const(16)
_HDR = const(40)
_NEXT = const(6)
_SRC = const(8)
_HOP_BY_HOP = const(0)
_TCP = const(6)
_UDP = const(17)
_ROUTING = const(43)
_FRAGMENT = const(44)
_AUTHENTICATION = const(51)
_ICMP = const(58)
_ICMP4 = const(1)  # what rules have for both
_DESTINATION = const(60)
_ESTABLISHED = const(0x10000)  # of `what`
_PORTS = const(0x20000)
_UNREACHABLE = const(1)
_PROHIBITED = const(1)  # RFC 4443 3.1


@micropython.viper
def judge6(
    rules: ptr32, nets: ptr32, count: int, key: ptr32, buf: ptr8, l4: int, what: int
) -> int:  # fmt: skip
    """The first rule that fits a packet with the addresses `key`, its transport at buf[l4];
    `count`: none. what: interface in + 1, << 8 out + 1, _ESTABLISHED, _PORTS: there are some,
    << 18 protocol."""
    sport = 0
    dport = 0
    if what & 0x20000:
        b = ptr8(int(buf) + l4)
        sport = (b[0] << 8) | b[1]
        dport = (b[2] << 8) | b[3]
    i = 0
    r = ptr32(int(rules))
    n = ptr32(int(nets))
    end = int(key) + 32
    while i < count:
        k = r[6]
        fits = True
        if k & 0x400:
            fits = False
        if k & 0xFF and k & 0xFF != (what >> 18) & 0xFF:
            fits = False
        if r[7] and r[7] != what & 0xFF or r[8] and r[8] != (what >> 8) & 0xFF:
            fits = False
        if k & 0x100 and not what & 0x10000:
            fits = False
        if k & 0x200:
            if not what & 0x20000 or sport < r[4] & 0xFFFF or sport > (r[4] >> 16) & 0xFFFF:
                fits = False
            if dport < r[5] & 0xFFFF or dport > (r[5] >> 16) & 0xFFFF:
                fits = False
        if fits and k & 0x800:
            p = int(key)
            q = int(n)
            while p < end:
                if (ptr32(p)[0] ^ ptr32(q)[0]) & ptr32(q)[4]:
                    fits = False
                p += 4
                q += 4
                if p == end - 16:
                    q += 16
        if fits:
            return i
        r = ptr32(int(r) + 44)
        n = ptr32(int(n) + 64)
        i += 1
    return count


class Filter6:
    """What a Filter has for IPv6, made by attach()."""

    def __init__(self, table, router):
        self.table = table
        self.router = router
        self.ip = router.ip
        self.nets = array("I", bytes(4 * _WORDS * (table.size + 1)))
        self._key = array("I", bytes(32))
        self._at = 0  # what _transport() has found: where it is,
        self._part = 0  # and the offset of a fragment
        table.six = self
        address(router.cb, _FILTER, table.rows)
        router.filter = self
        router.st.rerouted()

    def put(self, i, src, dst):
        """The addresses of rule `i`; each (address, length of its prefix) or None."""
        row = bytearray(4 * _WORDS)
        network(row, 0, src, 16)
        network(row, 32, dst, 16)
        copy(self.nets, 4 * _WORDS * i, row, 0, 4 * _WORDS)

    def remove(self, i):
        for k in range(i, self.table.count):
            copy(self.nets, 4 * _WORDS * k, self.nets, 4 * _WORDS * (k + 1), 4 * _WORDS)

    def passes(self, fr, nif, out):
        """May this packet go on? Borrows `fr`."""
        buf = fr.buf
        proto = self._transport(buf, fr.l3, fr.end)
        nifs = self.router.st.nifs
        what = nifs.index(nif) + 1 | nifs.index(out) + 1 << 8
        if proto < 0:
            return self.table.tiny()
        if proto == _TCP or proto == _UDP:
            least = 20 if proto == _TCP else 8
            if self._part:
                if self._part < least:
                    return self.table.tiny()
                if proto == _TCP:
                    what |= _ESTABLISHED  # without its first part it is of no use
            else:
                if fr.end - self._at < least:
                    return self.table.tiny()
                what |= _PORTS
                if proto == _TCP and buf[self._at + 13] & 0x14:  # ACK or RST
                    what |= _ESTABLISHED
        what |= (_ICMP4 if proto == _ICMP else proto) << 18
        copy(self._key, 0, buf, fr.l3 + _SRC, 32)
        table = self.table
        rule = judge6(table.rows, self.nets, table.count, self._key, buf, self._at, what)
        do = table.decided(rule)
        if do == REJECT:
            self.ip.icmp.tell(fr, _UNREACHABLE, _PROHIBITED)
        return do == PASS

    def counter(self):
        return self.table.counter()

    def _transport(self, buf, at, end):
        """The protocol behind the extension headers; -1: not all of them are here (RFC 7112 5)."""
        kind = buf[at + _NEXT]
        at += _HDR
        self._part = 0
        while kind in (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION):
            if at + 8 > end:
                return -1
            size = 8
            if kind == _FRAGMENT:
                self._part = get16(buf, at + 2) & 0xFFF8
            elif kind == _AUTHENTICATION:  # RFC 4302 2.2
                size = buf[at + 1] + 2 << 2
            else:
                size = buf[at + 1] + 1 << 3
            kind = buf[at]
            at += size
            if self._part:
                break
        self._at = at
        return kind if at <= end else -1


def attach(table, router):
    """Have an IPv6 router ask the filter `table`."""
    return table.six or Filter6(table, router)
