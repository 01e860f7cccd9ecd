# A stateless packet filter for what the router of forward.py passes on (RFC 2979). The first rule
# that fits a packet decides, or else the policy; each counts what it has decided.
#
#   Router._pass -> Filter.passes -> judge()
#
# It sees packets with the addresses they have come with: NAT follows. The fast path counts for the
# rule that has passed the last packet of a flow.
#
# Rules are rows of words:
#   0 source  1 its mask  2 destination  3 its mask  4 source port, last << 16  5 destination port,
#   last << 16  6 protocol, << 8 kind: 1 established, 2 ports, 4 IPv4 alone, 8 IPv6 alone (its
#   addresses: filter6.py); ICMP is 1 for both  7 interface that it comes in by, + 1
#   8 and leaves by, + 1; 0: any  9 what to do  10 packets
# RAM: 44 bytes for a rule.

from array import array
from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import add32, address, get16

PASS = const(0)
DROP = const(1)
REJECT = const(2)

_ENOMEM = const(12)
_WORDS = const(11)
_DO = const(9)
_HITS = const(10)
_FILTER = const(6)  # of Router.cb
_FRAG = const(6)
_PROTO = const(9)
_TCP = const(6)
_UDP = const(17)
_FOUR = const(4)  # kinds: of rules with addresses
_SIX = const(8)
_ESTABLISHED = const(0x10000)
_PORTS = const(0x20000)
_UNREACHABLE = const(3)
_PROHIBITED = const(13)  # RFC 1812 5.2.7.1

NAMES = ("in_tiny",)
_TINY = const(0)  # fragments that hide TCP's or UDP's header: RFC 1858, RFC 3128


@micropython.viper
def judge(rules: ptr32, count: int, buf: ptr8, at: int, l4: int, what: int) -> int:
    """The first rule that fits the packet at buf[at], its transport at buf[l4]; `count`: none.
    what: interface in + 1, << 8 out + 1, _ESTABLISHED, _PORTS: there are some."""
    p = ptr8(int(buf) + at)
    src = p[12] | (p[13] << 8) | (p[14] << 16) | (p[15] << 24)
    dst = p[16] | (p[17] << 8) | (p[18] << 16) | (p[19] << 24)
    proto = p[9]
    sport = 0
    dport = 0
    if what & 0x20000:
        p = ptr8(int(buf) + l4)
        sport = (p[0] << 8) | p[1]
        dport = (p[2] << 8) | p[3]
    i = 0
    r = ptr32(int(rules))
    while i < count:
        k = r[6]
        fits = True
        if k & 0x800:
            fits = False
        if (src ^ r[0]) & r[1] or (dst ^ r[2]) & r[3] or k & 0xFF and k & 0xFF != proto:
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
        if fits:
            return i
        r = ptr32(int(r) + 44)
        i += 1
    return count


class Filter:
    """size: the most rules. What no rule fits is passed on: policy()."""

    def __init__(self, router, size=32):
        if not 1 <= size <= 1024:
            raise ValueError("filter: %d rules: 1 to 1024" % size)
        self.router = router
        self.st = router.st
        self.size = size
        self.count = 0
        self.rows = array("I", bytes(4 * _WORDS * (size + 1)))
        self.stat = self.st.counters("filter", NAMES)
        self._rule = 0  # that has decided last
        self.six = None  # the same for IPv6: filter6.py
        address(router.cb, _FILTER, self.rows)
        router.filter = self
        self.st.rerouted()

    # -- rules ------------------------------------------------------------------------------

    def add(self, do, src=None, dst=None, proto=0, sport=None, dport=None, kind=None):
        """A rule behind the others. src, dst: (address, length of its prefix); sport, dport: a
        port or (first, last); kind: (interface in, out, established), the first two may be None,
        the third is for TCP segments that begin no connection."""
        if self.count == self.size:
            raise OSError(_ENOMEM, "filter: there are %d rules already" % self.count)
        nif, out, established = kind or (None, None, False)
        ports = sport is not None or dport is not None
        if (ports and proto not in (_TCP, _UDP)) or (established and proto != _TCP):
            raise ValueError("filter: ports are TCP's and UDP's, connections TCP's")
        if do not in (PASS, DROP, REJECT) or not 0 <= proto <= 255:
            raise ValueError("filter: what to do %s, protocol %s" % (do, proto))
        first = 4 * _WORDS * self.count
        row = bytearray(4 * _WORDS)
        family = self._networks(row, src, dst)
        _range(row, 16, sport)
        _range(row, 20, dport)
        row[24] = proto
        row[25] = family | (1 if established else 0) | (2 if ports else 0)
        row[28] = 0 if nif is None else self.st.nifs.index(nif) + 1
        row[32] = 0 if out is None else self.st.nifs.index(out) + 1
        row[36] = do
        copy(self.rows, first + 4 * _WORDS, self.rows, first, 4 * _WORDS)  # the policy moves on
        copy(self.rows, first, row, 0, 4 * _WORDS)
        self.count += 1
        self.st.rerouted()

    def _networks(self, row, src, dst):
        """Enter the addresses of the next rule; which family has them."""
        sizes = [len(net[0]) for net in (src, dst) if net]
        if 4 in sizes and 16 in sizes:
            raise ValueError("filter: addresses of two families")
        if 16 in sizes:
            if self.six is None:
                raise ValueError("filter: there is no router for IPv6")
            self.six.put(self.count, src, dst)
            return _SIX
        network(row, 0, src, 4)
        network(row, 8, dst, 4)
        return _FOUR if sizes else 0

    def policy(self, do):
        """What becomes of a packet that no rule fits."""
        if do not in (PASS, DROP, REJECT):
            raise ValueError("filter: policy %s" % do)
        self.rows[_WORDS * self.count + _DO] = do
        self.st.rerouted()

    def remove(self, i):
        """Take rule `i` away; those behind it move up."""
        if not 0 <= i < self.count:
            raise ValueError("filter: there is no rule %d" % i)
        for k in range(i, self.count):
            copy(self.rows, 4 * _WORDS * k, self.rows, 4 * _WORDS * (k + 1), 4 * _WORDS)
        if self.six:
            self.six.remove(i)
        self.count -= 1
        self.st.rerouted()

    def hits(self, i):
        """Packets that rule `i` has decided about; `count`: the policy."""
        at = 4 * (_WORDS * i + _HITS)
        return int.from_bytes(bytes(memoryview(self.rows))[at : at + 4], "little")

    # -- packets ----------------------------------------------------------------------------

    def passes(self, fr, nif, out):
        """May this packet go on? Borrows `fr`."""
        buf = fr.buf
        at = fr.l3
        l4 = fr.l4
        n = fr.end - l4
        proto = buf[at + _PROTO]
        nifs = self.st.nifs
        what = nifs.index(nif) + 1 | nifs.index(out) + 1 << 8
        if proto == _TCP or proto == _UDP:
            part = get16(buf, at + _FRAG) & 0x3FFF
            off = part & 0x1FFF
            least = 20 if proto == _TCP else 8
            if (off == 0 and n < least) or (off and off << 3 < least):
                return self.tiny()
            if off == 0:
                what |= _PORTS
                if proto == _TCP and buf[l4 + 13] & 0x14:  # ACK or RST
                    what |= _ESTABLISHED
            elif proto == _TCP:
                what |= _ESTABLISHED  # without its first part it is of no use
        rule = judge(self.rows, self.count, buf, at, l4, what)
        do = self.decided(rule)
        if do == REJECT:
            self.router.complain(fr, _UNREACHABLE, _PROHIBITED)
        return do == PASS

    def tiny(self):
        """A fragment, or a packet, that hides what the filter has to see, does not pass."""
        self.stat[_TINY] += 1
        return False

    def decided(self, rule):
        """Count for this rule; what it wants to be done."""
        self._rule = rule
        add32(self.rows, _WORDS * rule + _HITS, 1)
        return self.rows[_WORDS * rule + _DO]

    def counter(self):
        """For the fast path: the word that counts for the rule that has decided last, + 1."""
        return _WORDS * self._rule + _HITS + 1


def network(row, at, net, size):
    """Enter (address of `size` bytes, length of its prefix), and behind it the mask."""
    if net is None:
        return
    addr, bits = net
    if not 0 <= bits <= 8 * size:
        raise ValueError("filter: a prefix of %d bits" % bits)
    for i in range(size):
        mask = 0xFF00 >> max(0, min(8, bits - 8 * i)) & 255
        row[at + i] = addr[i] & mask
        row[at + size + i] = mask


def _range(row, at, ports):
    if ports is None:
        ports = (0, 65535)
    first, last = ports if isinstance(ports, tuple) else (ports, ports)
    if not 0 <= first <= last <= 65535:
        raise ValueError("filter: ports %d to %d" % (first, last))
    row[at] = first & 255
    row[at + 1] = first >> 8
    row[at + 2] = last & 255
    row[at + 3] = last >> 8


def attach(router, size=32):
    """Have the router ask a filter."""
    return router.filter or Filter(router, size)
