# IPv6 (RFC 8200, RFC 8504) as a host. Loaded where it is frozen; it enters itself in the tables of
# the stack, and transports deal with it as with IPv4: see the head of ipv4.py.
#
# On the wire:
#   0 version, traffic class, flow label  4 payload length  6 next header  7 hop limit
#   8 source  24 destination  40 extension headers ...
#
# input:  ethernet -> IPv6.input -> ext6.Headers.walk -> protocols[next header].input(fr)
# output: transport -> IPv6.output -> routes -> emit -> nif.output -> ethernet -> ND
#
# Zones (RFC 4007): a link-local address of ours tells the interface, since no two have the same.

from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import get16, put16, zero
from netstack.inet import address6, echo6_fast, select6
from netstack.inet.dad import DAD
from netstack.inet.ext6 import Headers
from netstack.inet.icmpv6 import ICMPv6
from netstack.inet.lifetime import FOREVER, Lifetimes
from netstack.inet.match6 import Match6
from netstack.inet.mld import ALL_NODES, MLD, Groups
from netstack.inet.nd import ND
from netstack.inet.redirect6 import Redirects
from netstack.inet.route6 import ADVERTISED, Routes, network
from netstack.inet.router6 import Routers
from netstack.inet.slaac import Autoconf

_EADDRNOTAVAIL = const(99)
_EEXIST = const(17)
_EHOSTUNREACH = const(113)
_EMSGSIZE = const(90)
_ENETUNREACH = const(101)
_ENOBUFS = const(105)
_ETHERTYPE = const(0x86DD)
_HDR = const(40)
_LENGTH_AT = const(4)
_NEXT = const(6)
_HOPS_AT = const(7)
_SRC = const(8)
_DST = const(24)
_ICMP = const(58)
_NONE = const(59)  # "no next header"
_DEFAULT_TTL = const(64)  # of who has not asked for any other
_MTU_MIN = const(1280)
_LINK = const(2)  # a scope of select6.py
_LINK_UP = const(1)  # events of core/interface.py
_ADDRESS = const(4)

NAMES = (
    "in",
    "in_short",
    "in_version",
    "in_length",
    "in_source",
    "in_destination",
    "in_other",
    "in_fragment",
    "in_header",
    "in_protocol",
    "out",
    "out_noroute",
    "out_toobig",
)
_IN = const(0)
_SHORT = const(1)
_VERSION = const(2)
_LENGTH = const(3)
_SOURCE = const(4)  # a source address no packet may have
_DESTINATION = const(5)  # a destination no packet may have
_OTHER = const(6)  # for another host
_PROTOCOL = const(9)  # of a protocol nobody has registered
_OUT = const(10)
_NOROUTE = const(11)
_TOOBIG = const(12)


class IPv6:
    ttl_off = _HOPS_AT
    all_hosts = ALL_NODES
    loopback = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
    mss_default = 1220  # of a SYN without the option (RFC 9293 3.7.1)
    output_parts = None  # fragment6.py: sends more than a packet takes
    paths = None  # paths.py: what is known of them
    progress = None  # transport/tcp/confirm.py: neighbours that TCP knows to answer
    router = None  # take(fr): forward it, if it is not ours: forward6.py
    raw = None  # take(fr, proto): who else wants a packet: transport/raw.py

    def __init__(self, st):
        self.st = st
        self.alen = 16  # see IPv4
        self.src_off = _SRC
        self.dst_off = _DST
        self.protocols = dict(st.transports)
        self.stat = st.counters("ipv6", NAMES)
        self.life = Lifetimes(st, self._expire)
        self.routes = Routes(self)
        self.icmp = ICMPv6(self)
        self.headers = Headers(self)
        Redirects(self)
        MLD(self)
        self.match = Match6(self)
        self.icmp.echoes = echo6_fast.Fast(self.icmp)
        self.hop = None  # the router that _way() has found; None: the destination itself
        self.duid = b""  # this host's name among DHCP servers; empty: from its link address
        self.managed = None  # callable (nif, M and O flags): a router tells whether there is DHCP
        self.secret = b""  # makes the addresses of slaac.py hard to guess; b"": it draws one
        self.fragmented = False  # the packet being dealt with has come with a fragment header
        st.ip6 = self
        st.networks.append(self)
        st.ethertypes[_ETHERTYPE] = self.input
        st.watchers.append(self._watch)
        for nif in st.nifs:
            self.attach_nif(nif)

    def _watch(self, nif, event):
        """RFC 4862 5.3, 5.4: with a link come addresses, each checked, and routers are looked
        for."""
        v6 = nif.v6
        if event != _LINK_UP or v6.dad is None:
            return
        v6.nd.flush()
        self.members.link_up(nif)
        v6.dad.restart()
        v6.autoconf.link_local()  # RFC 4291 2.1: each interface has one
        if v6.auto:
            v6.autoconf.doubt()
            v6.routers.solicit()

    def set_auto(self, nif, on):
        """Make addresses and believe routers, or no longer."""
        v6 = nif.v6
        if on:
            if nif.up and nif.link and not v6.auto:
                v6.autoconf.link_local()
                v6.routers.solicit()
            v6.auto = True
            return
        v6.auto = False
        v6.routers.forget()
        self.routes.forget(nif, ADVERTISED)
        for entry in list(v6.list):
            if entry.origin == address6.AUTO:
                self.remove(nif, entry)

    # -- addresses --------------------------------------------------------------------------

    def attach_nif(self, nif):
        v6 = nif.v6 = address6.Addresses(self, nif)
        v6.groups = Groups(self, nif)
        self.match.attach_nif(nif)
        if hasattr(nif, "ethernet"):
            v6.nd = ND(self, nif)
            v6.dad = DAD(self, nif)
            v6.autoconf = Autoconf(self, nif, v6.dad)
            v6.routers = Routers(self, nif, v6.autoconf)

    def add(self, nif, addr, plen=64, origin=address6.STATIC, preferred=FOREVER, valid=FOREVER):
        """Give an interface an address (16 bytes), unless another station has it already; its
        prefix is on the link from now on. `preferred`, `valid`: moments of lifetime.py. Returns
        its entry. Raises OSError: EEXIST, EADDRNOTAVAIL (no unicast address), ENOBUFS."""
        mapped = zero(addr, 0, 10) and addr[10] == 0xFF and addr[11] == 0xFF
        if addr[0] == 0xFF or zero(addr, 0, 16) or mapped:
            raise OSError(_EADDRNOTAVAIL)
        for other in self.st.nifs:
            if other.v6.find(addr, 0):
                raise OSError(_EEXIST)
        v6 = nif.v6
        if v6.room() == 0:
            raise OSError(_ENOBUFS)
        entry = address6.Entry(addr, plen, origin)
        entry.preferred = preferred
        entry.valid = valid
        v6.groups.join_solicited(addr)
        if origin != address6.AUTO and plen < 128:
            if self.routes.add(network(addr, plen), plen, nif) is None:
                v6.groups.leave_solicited(addr)
                raise OSError(_ENOBUFS)
        v6.list.append(entry)
        self.life.due(preferred)
        self.life.due(valid)
        if v6.dad:
            v6.dad.start(entry)
        self.st.notify(nif, _ADDRESS)
        return entry

    def remove(self, nif, entry):
        """Take an address away, and its prefix unless another address has the same."""
        v6 = nif.v6
        v6.list.remove(entry)
        v6.groups.leave_solicited(entry.addr)
        if entry.origin != address6.AUTO:
            prefix = v6.prefix(entry)
            for other in v6.list:
                if other.plen == entry.plen and v6.prefix(other) == prefix:
                    break
            else:
                route = self.routes.get(prefix, entry.plen, nif, None)
                if route:
                    self.routes.remove(route)
        self.st.notify(nif, _ADDRESS)

    def local(self, buf, off):
        """The interface that has this address, or None."""
        for nif in self.st.nifs:
            entry = nif.v6.find(buf, off)
            if entry and entry.usable():
                return nif
        return None

    def holds(self, buf, off):
        """Has an interface this address, in whatever state?"""
        for nif in self.st.nifs:
            if nif.v6.find(buf, off):
                return True
        return False

    def connected(self):
        """Is there an address that reaches further than a link?"""
        for nif in self.st.nifs:
            if nif.up and nif.v6.nd and nif.v6.reaches():
                return True
        return False

    def broadcast(self, dst, off):
        """Is this a multicast address?"""
        return dst[off] == 0xFF

    def group(self, dst, off):
        """The same: there is no broadcast."""
        return dst[off] == 0xFF

    def loop(self, fr, src, dst, proto, ttl, tos, nif):
        """Let our own members of the group `dst` have a copy of the packet from l4 on, which is
        about to be sent to it, by `nif` if that is given. Borrows `fr`."""
        lo = self.loopback_nif()
        if lo is None or nif is lo or not self.members.wanted(lo, dst, 0):
            return
        other = self.st.pool.alloc()
        if other:
            n = fr.end - fr.l4
            other.l4 = other.pay
            other.end = other.pay + n
            copy(other.buf, other.pay, fr.buf, fr.l4, n)
            self.output(other, src, dst, proto, ttl, tos, lo)

    def _expire(self):
        now = self.life.now()
        soonest = self.routes.expire(now)
        for nif in self.st.nifs:
            moment = nif.v6.expire(now)
            if moment < soonest:
                soonest = moment
        self.life.due(soonest)

    # -- where to ---------------------------------------------------------------------------

    def route(self, dst, off, src=None):
        """The interface that leads to an address, for packets from `src` if that is known, or
        None."""
        return self._way(dst, off, src, None)

    def way(self, dst, src, nif):
        """The interface by which a packet from `src` goes to `dst`, by `nif` if one is given;
        None: there is none. Sets `hop`, None: the destination itself."""
        return self._way(dst, 0, src, nif)

    def _way(self, dst, off, src, nif):
        """The interface by which a packet from `src` (None: not known yet) goes to dst[off], by
        `nif` if one is given; None: there is none. Sets self.hop."""
        self.hop = None
        home = None
        if src is not None:
            home = self.local(src, 0)
            if home is None:  # RFC 4862 5.5.4: not from an address that is no more
                return None
        if dst[off] != 0xFF and self.local(dst, off):
            return self.loopback_nif()
        if dst[off] == 0xFF or select6.scope(dst, off) == _LINK:
            return nif or home or self._any()
        route = self.routes.find(dst, off, nif, src)
        if route is None:
            return None
        self.hop = route.gw
        return route.nif

    def zone(self, src):
        """The interface of link-local addresses, for who sends from `src` (None: any)."""
        return src is not None and self.local(src, 0) or self._any()

    def loopback_nif(self):
        for nif in self.st.nifs:
            if nif.v6.nd is None and nif.up:
                return nif
        return None

    def _any(self):
        """Where multicast and link-local packets go that name no interface."""
        for nif in self.st.nifs:
            if nif.up and nif.v6.nd:
                return nif
        return None

    def source(self, dst, nif=None):
        """The address we would send from, by the interface `nif` if one is given; None when there
        is no route, or no address that may be used. A buffer not to be kept."""
        out = self._way(dst, 0, None, nif)
        if out is None:
            return None
        if out.v6.nd is None and self.local(dst, 0):
            return dst
        addr = out.v6.source(dst)
        if addr is not None and (select6.scope(addr) > _LINK or select6.scope(dst) <= _LINK):
            return addr
        for other in self.st.nifs:  # an interface without an address of that scope
            if other.v6.nd:
                addr = other.v6.source(dst)
                if addr is not None and select6.scope(addr) > _LINK:
                    return addr
        return None

    def mss_room(self, dst):
        """Bytes behind the IP header that fit into one packet to `dst`."""
        nif = self._way(dst, 0, None, None)
        return (self.mtu(dst, nif) if nif else _MTU_MIN) - _HDR

    def mtu(self, dst, out):
        """The longest packet that gets to `dst` by the interface `out`."""
        return self.paths.get(dst, out.v6.mtu) if self.paths else out.v6.mtu

    # -- input ------------------------------------------------------------------------------

    def input(self, fr):
        """Borrows `fr`."""
        self.stat[_IN] += 1
        bad = self._check(fr, fr.buf, fr.l3)
        if bad >= 0:
            self.stat[bad] += 1
            return
        if not self._for_us(fr, fr.buf, fr.l3 + _DST):
            if not (self.router and self.router.take(fr)):
                self.stat[_OTHER] += 1
            return
        fr.ip = self
        self.fragmented = False
        self.deliver(fr)

    def _check(self, fr, buf, at):
        """Check the header and set end; the counter to bump, or -1."""
        n = fr.end - at
        if n < _HDR:
            return _SHORT
        if buf[at] >> 4 != 6:
            return _VERSION
        total = _HDR + get16(buf, at + _LENGTH_AT)
        if total > n:
            return _LENGTH
        fr.end = at + total
        src = at + _SRC
        # RFC 4291 2.7: no group sends; 2.5.3: ::1 stays inside a host. A mapped address stands for
        # an IPv4 one inside a host (2.5.5.2): on the wire it could only deceive.
        if buf[src] == 0xFF or self._inside(fr, buf, src):
            return _SOURCE
        if buf[at + _NEXT] != _ICMP and (zero(buf, src, 16) or self._own(fr, buf, src)):
            return _SOURCE  # nobody, or somebody in our name: both but in ND (RFC 4862 5.4)
        if zero(buf, at + _DST, 16) or self._inside(fr, buf, at + _DST):
            return _DESTINATION
        return -1

    def _inside(self, fr, buf, off):
        """Must this address not come from outside?"""
        if buf[off] or not zero(buf, off, 10):
            return False
        if buf[off + 10] == 0xFF and buf[off + 11] == 0xFF:
            return True
        return fr.nif.v6.nd is not None and zero(buf, off + 10, 5) and buf[off + 15] == 1

    def _own(self, fr, buf, off):
        return fr.nif.v6.nd is not None and self.local(buf, off) is not None

    def _for_us(self, fr, buf, dst):
        if buf[dst] == 0xFF:
            fr.group = True
            return fr.nif.v6.nd is None or fr.nif.v6.groups.member(buf, dst)
        if fr.group:  # as RFC 1122 3.3.6 has it: unicast in a link-level group is not for us
            return False
        if select6.scope(buf, dst) == _LINK and fr.nif.v6.nd:
            entry = fr.nif.v6.find(buf, dst)
            return entry is not None and entry.usable()
        return self.local(buf, dst) is not None

    def deliver(self, fr):
        """Give the packet to the protocol behind its extension headers. Borrows `fr`."""
        proto = self.headers.walk(fr)
        if proto < 0:
            return
        seen = self.raw and self.raw.take(fr, proto)
        handler = self.protocols.get(proto)
        if handler is None:
            if seen:
                return
            self.stat[_PROTOCOL] += 1
            if proto != _NONE:  # RFC 8200 4: the code for a next header that is not known
                self.icmp.tell(fr, 4, 1, self.headers.named - fr.l3)
            return
        handler.input(fr)

    # -- output -----------------------------------------------------------------------------

    def tos(self, buf, at):
        """The traffic class in the header at `at`."""
        return (buf[at] & 15) << 4 | buf[at + 1] >> 4

    def ecn(self, buf, at):
        """The congestion bits of the header at `at` (RFC 3168 section 5)."""
        return buf[at + 1] >> 4 & 3

    def output(self, fr, src, dst, proto, ttl=_DEFAULT_TTL, tos=0, nif=None):
        """Put an IPv6 header in front of l4 and send to `dst` from `src` (16 bytes each), by the
        interface `nif` if one is given. Takes `fr`. Returns 0 or -errno."""
        out = self._way(dst, 0, src, nif)
        if out is None:
            self.stat[_NOROUTE] += 1
            self.st.pool.release(fr)
            return -_ENETUNREACH
        if fr.end - fr.l4 + _HDR > self.mtu(dst, out):
            self.stat[_TOOBIG] += 1
            self.st.pool.release(fr)
            return -_EMSGSIZE
        return self.emit(fr, src, dst, proto, ttl, tos, out, self.hop or dst)

    def emit(self, fr, src, dst, proto, ttl, tos, out, hop):
        """The same with interface and next hop known."""
        buf = fr.buf
        fr.l3 = at = fr.l4 - _HDR
        fr.ip = self
        self._fields(buf, at, src, dst, proto, ttl, tos, out)
        put16(buf, at + _LENGTH_AT, fr.end - fr.l4)
        self.stat[_OUT] += 1
        return out.output(fr, _ETHERTYPE, hop, 0)

    def _fields(self, buf, at, src, dst, proto, ttl, tos, out):
        """Write a header but for the length, which is 0."""
        if ttl == _DEFAULT_TTL:  # RFC 4861 6.3.2: what routers recommend
            ttl = out.v6.hop_limit
        buf[at] = 0x60 | tos >> 4
        buf[at + 1] = (tos & 15) << 4
        put16(buf, at + 2, 0)
        put16(buf, at + _LENGTH_AT, 0)
        buf[at + _NEXT] = proto
        buf[at + _HOPS_AT] = ttl
        copy(buf, at + _SRC, src, 0, 16)
        copy(buf, at + _DST, dst, 0, 16)

    def to_link(self, fr, dst, out):
        """Send a packet that has its header, after way(). Takes `fr`. Returns 0 or -errno."""
        fr.ip = self
        self.stat[_OUT] += 1
        return out.output(fr, _ETHERTYPE, self.hop or dst, 0)

    def prepare(self, buf, at, src, dst, proto, ttl, tos):
        """Write link and IPv6 header of packets to `dst` in front of buf[at], to be used again
        until Stack.rerouted(): the length is 0. Returns the interface; None when the neighbour
        must be asked first, or the link has no such headers."""
        out = self._way(dst, 0, src, None)
        if out is None or out.prepare is None:
            return None
        at -= _HDR
        self._fields(buf, at, src, dst, proto, ttl, tos, out)
        return out if out.prepare(buf, at, _ETHERTYPE, self.hop or dst, 0) else None

    # -- errors -----------------------------------------------------------------------------

    def refuse(self, fr):
        """Nobody listens at the port that the packet in `fr` is for. Borrows `fr`."""
        self.icmp.tell(fr, 1, 4)

    def undeliverable(self, fr, again):
        """A frame of ours could not reach its neighbour. If that happens `again`, it ends a
        connection being opened: our own experience, no hint from outside. Borrows `fr`."""
        self.error(fr.buf, fr.l3, fr.end, _EHOSTUNREACH, again)

    def too_big(self, buf, at, end, mtu):
        """A router could not pass on the packet of ours that starts at buf[at], because it is
        longer than `mtu` (RFC 8201 4: what is below the smallest MTU there is deceives)."""
        l4 = self.headers.skip(buf, at, end)
        if l4 < 0 or not _MTU_MIN <= mtu < _HDR + get16(buf, at + _LENGTH_AT):
            return
        proto = self.headers.kind
        handler = self.protocols.get(proto)
        ours = hasattr(handler, "too_big") and handler.too_big(self, buf, at, l4, mtu)
        if self.raw and self.raw.error(self, buf, at, l4, proto, _EMSGSIZE):
            ours = True
        paths = ours and (self.paths or self.st.lack("paths", self))
        if paths:
            paths.learn(buf, at + _DST, mtu)

    def expired(self, fr):
        """The rest of the packet that begins in `fr` has not come (RFC 8200 4.5). Borrows `fr`."""
        # DEVIATION RFC 8200 4.5 (60 s): after 30 s, the time that reassembly.py has for IPv4
        put16(fr.buf, fr.l3 + _LENGTH_AT, fr.end - fr.l3 - _HDR)
        self.icmp.tell(fr, 3, 1)

    def error(self, buf, at, end, errno, hard=False):
        """An error about the packet of ours that starts at buf[at], as quoted by ICMP."""
        l4 = self.headers.skip(buf, at, end)
        if l4 < 0:
            return
        proto = self.headers.kind
        handler = self.protocols.get(proto)
        if handler is not None:
            handler.error(self, buf, at, l4, errno, hard)
        if self.raw:
            self.raw.error(self, buf, at, l4, proto, errno)


def attach(st):
    """IPv6 for a stack that has IPv4."""
    return IPv6(st)
