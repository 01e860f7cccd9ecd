# An IPv6 router (RFC 8200 3, 4443, 4861 8.2, 4007 9): what is not for this host goes on to where
# its route leads.
#
# input: IPv6.input -> Router6.take -> scopes, route, filter, hop limit, length -> nif.output -> ND
#        the fast path: Interface -> forward6_fast.forward() -> Router6.forward -> NIC
#
# What stands here handles every packet; the fast path repeats what it has done to a flow.
# Extension headers are their destination's: RFC 8200 4 asks no router to look at hop-by-hop
# options.

from array import array
from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import move32, put16, same, zero
from netstack.inet import forward6_fast, select6
from netstack.inet.forwarding import Forwarding, checked, clamp
from netstack.inet.mld import ALL_ROUTERS

_ETHERTYPE = const(0x86DD)
_ETHER = const(14)
_HDR = const(40)
_NEXT = const(6)
_HOPS_AT = const(7)
_SRC = const(8)
_DST = const(24)
_TCP = const(6)
_UDP = const(17)
_ROUTING = const(43)
_UNREACHABLE = const(1)  # ICMPv6
_TOO_BIG = const(2)
_EXCEEDED = const(3)
_REDIRECT = const(137)
_REDIRECT_LEN = const(40)
_TARGET = const(8)
_DESTINATION = const(24)
_TARGET_MAC = const(2)  # options of ND
_REDIRECTED = const(4)
_QUOTE = const(1184)  # RFC 4861 4.6.3: of the packet, so that all of it fits into 1280 bytes
_LINK = const(2)  # a scope of select6.py
_MTU_MIN = const(1280)

_ROW = const(18)  # of forward6_fast.py
_MASK = const(2)  # of `cb`
_HOPS = const(2)  # of Stack.w

NAMES = (
    "forwarded",
    "in_martian",
    "in_hops",
    "in_refused",
    "out_noroute",
    "out_toobig",
    "out_nobuf",
    "in_scope",
    "in_routing",
    "out_redirect",
)
_FORWARDED = const(0)
_MARTIAN = const(1)  # from where it cannot have come
_IN_HOPS = const(2)
_REFUSED = const(3)  # by the filter
_NOROUTE = const(4)
_TOOBIG = const(5)
_NOBUF = const(6)  # no frame, or the last ones are not for a neighbour that nobody knows
_SCOPE = const(7)  # its source or destination does not reach beyond the link
_IN_ROUTING = const(8)  # with a routing header of type 0
_OUT_REDIRECT = const(9)

# RFC 4291 2.8, and the group of those who have an address like that of anycast()
_GROUPS = (
    b"\xff\1" + ALL_ROUTERS[2:],
    ALL_ROUTERS,
    b"\xff\5" + ALL_ROUTERS[2:],
    b"\xff\2\0\0\0\0\0\0\0\0\0\1\xff\0\0\0",
)


class Router6(Forwarding):
    """flows: how many the fast path knows at a time, a power of 2; 72 bytes each.
    strict: a source has to be where its route leads (RFC 3704 2.2); redirects: tell hosts of a
    better first hop on their own link (RFC 4861 8.2); clamp: TCP learns of the MTU from SYNs."""

    at = 18

    def __init__(self, st, flows=64):
        self.rows = array("I", bytes(4 * _ROW * checked(flows)))
        super().__init__(st, st.ip6, "router6", NAMES, forward6_fast.forward)
        self.strict = True
        self.redirects = True
        self.clamp = True
        self.filter = None
        self._dst = bytearray(16)
        self._from = bytearray(16)
        self._key = array("I", bytes(40))
        self._header = bytearray(16)
        self._routing = []  # interfaces on which we are a router,
        self._silenced = []  # those of them that believed routers before
        self._learning = []  # and those that go on doing so
        self._undeliverable = self.ip.undeliverable
        self.ip.undeliverable = self.undeliverable
        self.ip.router = self
        self.take_part(self.rows, flows)
        for nif in st.nifs:
            self._become(nif)

    # -- interfaces -------------------------------------------------------------------------

    def _watch(self, nif, event):
        self._join(nif)
        self._become(nif)

    def _become(self, nif):
        """A router on this interface from now on: it says so (RFC 4861 7.2.4), hears what all
        routers are told, and lets no other configure it (RFC 4861 6.2.7, RFC 4862 5.5)."""
        v6 = nif.v6
        if v6.nd is None or v6.forwards:
            return
        v6.forwards = True
        self._routing.append(nif)
        for group in _GROUPS:
            v6.groups.join(group)
        if v6.auto and nif not in self._learning:
            self._silence(nif)

    def _silence(self, nif):
        self._silenced.append(nif)
        self.ip.set_auto(nif, False)
        nif.v6.autoconf.link_local()

    def learn(self, nif, on=True):
        """Believe the routers on this interface nevertheless, as the upstream side of a home's
        router does (RFC 7084 W-3)."""
        if on and nif not in self._learning:
            self._learning.append(nif)
            if nif in self._silenced:
                self._silenced.remove(nif)
                self.ip.set_auto(nif, True)
        elif not on and nif in self._learning:
            self._learning.remove(nif)
            if nif.v6.auto:
                self._silence(nif)

    def close(self):
        """Forward nothing more; a host again, as it was before."""
        self.ip.router = None
        self.ip.undeliverable = self._undeliverable
        super().close()
        for nif in self._routing:
            nif.v6.forwards = False
            for group in _GROUPS:
                nif.v6.groups.leave(group)
        for nif in self._silenced:
            self.ip.set_auto(nif, True)

    # -- the ordinary way -------------------------------------------------------------------

    def take(self, fr):
        """Is the packet of `fr`, whose header is right, to go on? Then it does, or is dropped and
        counted. Borrows `fr`, and may change what is in it."""
        if fr.group or fr.buf[fr.l3 + _DST] == 0xFF or fr.nif.v6.nd is None:
            return False
        if self.anycast(fr.buf, fr.l3 + _DST):
            fr.ip = self.ip
            self.ip.fragmented = False
            self.ip.deliver(fr)
        else:
            self.stat[self._pass(fr, fr.buf, fr.l3)] += 1
        return True

    def anycast(self, buf, off, only=None):
        """Is this the address of all routers of a network of ours, that of `only` if it is given?
        (RFC 4291 2.6.1: the prefix, and nothing behind; here with 64 bits, as hosts have it.)"""
        if not zero(buf, off + 8, 8):
            return False
        for nif in self._routing:
            if only is None or only is nif:
                for entry in nif.v6.list:
                    if entry.plen == 64 and same(buf, off, entry.addr, 0, 8):
                        return entry.usable() and select6.scope(buf, off) > _LINK
        return False

    def _pass(self, fr, buf, at):
        """The counter of what becomes of it."""
        nif = fr.nif
        ip = self.ip
        why = self._improper(fr, nif, buf, at)
        if why:
            return why
        route = ip.routes.find(buf, at + _DST, None, buf, at + _SRC)
        if route is None or route.nif.v6.nd is None:  # RFC 4443 3.1: 6, it is to be rejected
            ip.icmp.tell(fr, _UNREACHABLE, 0 if route is None else 6)
            return _NOROUTE
        out = route.nif
        fr.l4 = ip.headers.skip(buf, at, fr.end)
        if self.filter and not self.filter.passes(fr, nif, out):
            return _REFUSED
        if buf[at + _HOPS_AT] <= 1:
            ip.icmp.tell(fr, _EXCEEDED, 0)
            return _IN_HOPS
        if fr.end - at > out.v6.mtu:
            ip.icmp.tell(fr, _TOO_BIG, 0, max(out.v6.mtu, _MTU_MIN))
            return _TOOBIG
        copy(self._dst, 0, buf, at + _DST, 16)
        if out is nif:
            self._redirect(fr, buf, at, route.gw)
        hop = route.gw or self._dst
        buf[at + _HOPS_AT] -= 1
        proto = ip.headers.kind if fr.l4 >= 0 else 0
        if self.clamp and proto == _TCP:
            clamp(buf, fr.l4, fr.end, min(nif.v6.mtu, out.v6.mtu) - 60)
        if not self._send(fr, out, hop):
            return _NOBUF
        self._remember(fr, buf, at, nif, out, hop)
        return _FORWARDED

    def _improper(self, fr, nif, buf, at):
        """RFC 4291 2.5.2, 2.5.6; RFC 4007 9, RFC 5095, RFC 3704 2.2. What IPv6 has looked at
        before is not repeated. The counter of what it is to be dropped for, 0: go on."""
        ip = self.ip
        if select6.scope(buf, at + _DST) <= _LINK:
            return _SCOPE
        if select6.scope(buf, at + _SRC) <= _LINK:
            ip.icmp.tell(fr, _UNREACHABLE, 2)  # beyond the scope of its source
            return _SCOPE
        if zero(buf, at + _SRC, 16) or ip.holds(buf, at + _SRC) or ip.holds(buf, at + _DST):
            return _MARTIAN
        if self.anycast(buf, at + _SRC):  # RFC 4291 2.6: nobody sends from one
            return _MARTIAN
        if buf[at + _NEXT] != _TCP and self._source_routed(buf, at, fr.end):
            return _IN_ROUTING
        if self.strict:
            back = ip.routes.find(buf, at + _SRC, None, buf, at + _DST)
            if back is None or back.nif is not nif:
                return _MARTIAN
        return 0

    def _source_routed(self, buf, at, end):
        """RFC 5095 4.2: a routing header of type 0 that has somewhere to go"""
        off = self.ip.headers.seek(buf, at, end, _ROUTING)
        return off and buf[off + 2] == 0 and buf[off + 3] > 0

    def _send(self, fr, out, hop):
        """False: there is no frame for it."""
        buf = fr.buf
        at = fr.l3
        pool = self.st.pool
        # RFC 6583 7.1: whoever asks for each address of a prefix leaves frames for the others
        if pool.left << 1 < pool.count and out.v6.nd.ready(hop, 0):
            return False
        part = pool.alloc()
        if part is None:
            return False
        n = fr.end - at
        part.l3 = part.pay
        part.l4 = part.l3 + _HDR
        part.end = part.l3 + n
        part.ip = self.ip
        copy(part.buf, part.l3, buf, at, n)
        out.output(part, _ETHERTYPE, hop, 0)
        return True

    def _redirect(self, fr, buf, at, gw):
        """RFC 4861 8.2: it leaves by the link it came from, and its sender is a neighbour there,
        who could have sent it to the next itself."""
        ip = self.ip
        nif = fr.nif
        back = ip.routes.find(buf, at + _SRC, nif)
        if not self.redirects or back is None or back.gw:
            return
        entry = nif.v6.link_local()
        if entry is None or gw and select6.scope(gw) != _LINK:
            return  # a router is known by its link-local address alone
        if not ip.icmp.limited():
            self._tell_better(fr, buf, at, gw or self._dst, entry)

    def _tell_better(self, fr, buf, at, target, entry):
        nd = fr.nif.v6.nd
        mac = nd.mac(target, 0)
        n = min(fr.end - at, _QUOTE) & ~7
        out = self.ip.icmp.message(_REDIRECT, _REDIRECT_LEN + (8 if mac >= 0 else 0) + 8 + n)
        if out is None:
            return
        to = out.l4
        copy(out.buf, to + _TARGET, target, 0, 16)
        copy(out.buf, to + _DESTINATION, buf, at + _DST, 16)
        to += _REDIRECT_LEN
        if mac >= 0:
            put16(out.buf, to, _TARGET_MAC << 8 | 1)
            copy(out.buf, to + 2, nd.macs, mac, 6)
            to += 8
        put16(out.buf, to, _REDIRECTED << 8 | (n + 8) >> 3)
        for i in range(2, 8):
            out.buf[to + i] = 0
        copy(out.buf, to + 8, buf, at, n)
        copy(self._from, 0, buf, at + _SRC, 16)
        self.stat[_OUT_REDIRECT] += 1
        nd.send(out, entry.addr, self._from)

    def undeliverable(self, fr, again):
        """IPv6.undeliverable(): RFC 4443 3.1: a neighbour that does not answer; 3, address
        unreachable."""
        if self.ip.local(fr.buf, fr.l3 + _SRC):
            self._undeliverable(fr, again)
        else:
            self.ip.icmp.tell(fr, _UNREACHABLE, 3)

    # -- the fast path ----------------------------------------------------------------------

    def _remember(self, fr, buf, at, nif, out, hop):
        """Have the fast path do the same to the next packet of this flow."""
        proto = buf[at + _NEXT]
        n = fr.end - fr.l4
        if fr.l4 != at + _HDR or nif not in self.nifs or out not in self.nifs:
            return
        if proto == _TCP:
            if n < 20 or buf[fr.l4 + 13] & 0x17 != 0x10:
                return  # ACK alone is what the fast path takes
        elif proto != _UDP:
            return
        if not out.prepare(self._header, 16, _ETHERTYPE, hop, 0):
            return  # asked for
        key = self._key
        copy(key, 0, buf, at + _SRC, 36)  # addresses and ports
        key[9] = proto | self.nifs.index(nif) << 8
        rows = self.rows
        first = _ROW * forward6_fast.place(key, self.cb[_MASK])
        copy(rows, 4 * first, key, 0, 40)
        move32(rows, first + 10, self.st.w, _HOPS)
        rows[first + 11] = out.v6.mtu + _ETHER
        rows[first + 12] = self.nifs.index(out)
        copy(rows, 4 * first + 52, self._header, 0, 16)
        rows[first + 17] = self.filter.counter() if self.filter else 0


def attach(st, flows=64):
    """Make the stack a router for IPv6."""
    return st.ip6.router or Router6(st, flows)
