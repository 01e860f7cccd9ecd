# IPv4 (RFC 791, RFC 1122 3.2). Forwarding and more than one address per interface come with the
# router. Fragments are somebody else's: reassembly.py puts them together, fragment.py makes them;
# without those they are counted and dropped, and what is too long is not sent.
#
# On the wire:
#   0 version/IHL  1 TOS  2 total length  4 identification  6 flags/fragment offset
#   8 TTL  9 protocol  10 checksum  12 source  16 destination  20 options ...
#
# input:  ethernet -> IPv4.input -> stack.ip4.protocols[protocol].input(fr)
#         a fragment -> stack.reassembly -> the same with the whole datagram
# output: transport -> IPv4.output -> route -> nif.output -> ethernet -> ARP
#         too long -> output_parts (fragment.py)
#
# Transports know nothing of it but what every network protocol offers them: `alen`, `src_off`,
# `dst_off`, source(), local(), mss_room(), ecn(), output(), output_parts(); addresses are buffers
# of `alen` bytes in network order.

from micropython import const
from netstack.core.checksum import copy, csum, put_csum
from netstack.core.wire import get16, put16, same, zero

_EHOSTUNREACH = const(113)
_EMSGSIZE = const(90)
_ENETUNREACH = const(101)
_ETHERTYPE = const(0x0800)
_HDR = const(20)
_TOTAL = const(2)
_ID = const(4)
_FRAG = const(6)
_TTL = const(8)
_PROTO = const(9)
_SUM = const(10)
_SRC = const(12)
_DST = const(16)
_DF = const(0x40)
_ICMP = const(1)
_TCP = const(6)
_UDP = const(17)
_BOOTPC = const(68)
_LEAD = const(2)
_LINK = const(14)  # bytes of the link header, where it can be written in advance
_HOPS = const(2)  # of Stack.w: changes of routes and neighbours
_IP_ID = const(3)  # of Stack.w: the identification last used
_ANY_PATH = const(576)  # RFC 791 section 2.3: what every host takes
_PLATEAUS = (32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68)  # RFC 1191 section 7
_ALL = b"\xff\xff\xff\xff"
_ALL_HOSTS = b"\xe0\0\0\1"  # RFC 1112 section 4: every host belongs to it

NAMES = (
    "in",
    "in_short",
    "in_version",
    "in_length",
    "in_checksum",
    "in_source",
    "in_other",
    "in_fragment",
    "in_source_route",
    "in_protocol",
    "out",
    "out_noroute",
    "out_toobig",
    "in_option",
)
_IN = const(0)
_SHORT = const(1)
_VERSION = const(2)
_LENGTH = const(3)
_CHECKSUM = const(4)
_SOURCE = const(5)  # a source address no host may have
_OTHER = const(6)  # for another host
_FRAGMENT = const(7)
_SOURCE_ROUTE = const(8)
_PROTOCOL = const(9)  # of a protocol nobody has registered
_OUT = const(10)
_NOROUTE = const(11)
_TOOBIG = const(12)
_OPTION = const(13)  # an option that runs past the end of its header


@micropython.viper
def _on_link(dst: ptr8, off: int, addr: ptr8, mask: ptr8) -> bool:
    k = 0
    while k < 4:
        if (dst[off + k] ^ addr[k]) & mask[k]:
            return False
        k += 1
    return True


@micropython.viper
def _plain(buf: ptr8, at: int, n: int, addr: ptr8, bcast: ptr8) -> int:
    """The length of the packet at buf[at] if its header is as most are: whole, without options, no
    fragment, from one host to our address `addr`. 0: look closer."""
    if n < 20 or buf[at] != 0x45 or addr[0] == 127:
        return 0
    total = (buf[at + 2] << 8) | buf[at + 3]
    src = buf[at + 12]
    if total < 20 or total > n or (buf[at + 6] & 0x3F) | buf[at + 7]:
        return 0
    if src == 0 or src == 127 or src >= 224:
        return 0
    acc = 0
    i = at
    while i < at + 20:
        acc += (buf[i] << 8) | buf[i + 1]
        i += 2
    if (acc & 0xFFFF) + (acc >> 16) != 0xFFFF:
        return 0
    ours = 0
    all = 0
    i = 0
    while i < 4:
        if buf[at + 16 + i] != addr[i]:
            return 0
        ours |= buf[at + 12 + i] ^ addr[i]
        all |= buf[at + 12 + i] ^ bcast[i]
        i += 1
    return total if ours and all else 0


@micropython.viper
def _put_header(buf: ptr8, at: int, n: int, ident: int, src: ptr8, dst: ptr8, what: int):
    """A header for a packet of `n` bytes; what: TOS << 16 | TTL << 8 | protocol, TOS as output()
    has it."""
    b = ptr8(int(buf) + at)
    b[0] = 0x45
    b[1] = what >> 16
    b[2] = n >> 8
    b[3] = n
    b[4] = ident >> 8
    b[5] = ident
    b[6] = 0 if what & 0x10000FF == 1 else 0x40  # DF; nobody answers errors about ICMP
    b[7] = 0
    b[8] = what >> 8
    b[9] = what
    b[10] = 0
    b[11] = 0
    i = 0
    while i < 4:
        b[12 + i] = src[i]
        b[16 + i] = dst[i]
        i += 1
    acc = 0
    i = 0
    while i < 20:
        acc += (b[i] << 8) | b[i + 1]
        i += 2
    acc = (acc & 0xFFFF) + (acc >> 16)
    acc = ((acc & 0xFFFF) + (acc >> 16)) ^ 0xFFFF
    b[10] = acc >> 8
    b[11] = acc


@micropython.viper
def _again(
    buf: ptr8, at: int, n: int, header: ptr8, src: ptr8, dst: ptr8, what: int, w: ptr32
) -> int:
    """Write link and network header of a packet as those of an earlier one. 0: that had other
    addresses, or another of TOS << 16 | TTL << 8 | protocol."""
    h = ptr8(int(header) + 16)
    if (h[1] << 16) | (h[8] << 8) | h[9] != what:
        return 0
    i = 0
    while i < 4:
        if h[12 + i] != src[i] or h[16 + i] != dst[i]:
            return 0
        i += 1
    ident = (w[3] + 1) & 0xFFFF
    w[3] = ident
    b = ptr8(int(buf) + at)
    i = -14
    while i < 0:
        ptr8(int(b) + i)[0] = ptr8(int(h) + i)[0]
        i += 1
    acc = n + ident
    while i < 20:
        b[i] = h[i]
        b[i + 1] = h[i + 1]
        acc += (h[i] << 8) | h[i + 1]
        i += 2
    b[2] = n >> 8
    b[3] = n
    b[4] = ident >> 8
    b[5] = ident
    acc = (acc & 0xFFFF) + (acc >> 16)
    acc = ((acc & 0xFFFF) + (acc >> 16)) ^ 0xFFFF
    b[10] = acc >> 8
    b[11] = acc
    return 1


class Address:
    """The IPv4 address of an interface."""

    def __init__(self):
        self.set = False
        self.addr = bytearray(4)
        self.mask = bytearray(4)
        self.gw = bytearray(4)
        self.bcast = bytearray(4)


class IPv4:
    ttl_off = _TTL
    loopback = b"\x7f\0\0\1"
    all_hosts = _ALL_HOSTS
    members = None  # of multicast groups: inet/igmp.py, once one has been joined

    def __init__(self, st):
        self.st = st
        self.alen = 4  # as the next three of the object itself: it is asked for them most
        self.src_off = _SRC
        self.dst_off = _DST
        self.mss_default = 536  # of a SYN without the option (RFC 9293 3.7.1)
        self.protocols = dict(st.transports)  # number -> object with input(fr) and error(...)
        self.stat = st.counters("ipv4", NAMES)
        self.paths = None  # how long a packet may be: inet/paths.py
        self.output_parts = None  # sends in fragments: inet/fragment.py
        self._bad_at = 0  # where the option is that cannot be read
        self.default = None  # the interface the default route prefers
        self.routes = None  # more of them: inet/routes.py
        self._fast_header = bytearray(
            _LEAD + _LINK + _HDR
        )  # of the packets to the last destination
        self._fast_hops = -1  # of Stack.w, when it was written; -1: it was not
        self._fast_via = None  # the interface they go out by
        st.w[_IP_ID] = st.random.bits16()
        self.raw = None  # take(fr, proto): who else wants it: transport/raw.py
        self.router = None  # take(fr): forward it, if it is not ours: inet/forward.py
        st.ip4 = self
        st.networks.append(self)
        st.ethertypes[_ETHERTYPE] = self.input
        for nif in st.nifs:
            self.attach_nif(nif)

    # -- addresses and routes ---------------------------------------------------------------

    def attach_nif(self, nif):
        if nif.v4 is None:
            nif.v4 = Address()

    def configure(self, nif, addr, mask, gw=b"\0\0\0\0", announce=True):
        """Give an interface its address, or take it away when `addr` is 0.0.0.0. 4 bytes each.
        Neighbours are told, unless it has yet to be seen whether it is free."""
        v4 = nif.v4
        copy(v4.addr, 0, addr, 0, 4)
        copy(v4.mask, 0, mask, 0, 4)
        copy(v4.gw, 0, gw, 0, 4)
        v4.set = not zero(addr, 0, 4)
        for i in range(4):  # RFC 3021: a /31 or /32 has no broadcast address of its own
            v4.bcast[i] = (addr[i] | ~mask[i]) & 255 if mask[3] & 3 == 0 else 255
        self.st.notify(nif, 4)  # ADDRESS
        if v4.set and nif.up and hasattr(nif, "arp"):
            nif.arp.flush()
            if announce:
                nif.arp.announce()

    @micropython.native
    def local(self, buf, off):
        """The interface that has this address, or None."""
        for nif in self.st.nifs:
            if nif.v4.set and same(buf, off, nif.v4.addr, 0, 4):
                return nif
        if buf[off] == 127:
            return self._loopback()
        return None

    def _loopback(self):
        for nif in self.st.nifs:
            if nif.v4.addr[0] == 127 and nif.up:
                return nif
        return None

    @micropython.native
    def route(self, dst, off, src=None, soff=0):
        """The interface that leads to an address, for packets from src[soff] if that is known, or
        None: our own addresses through loopback, then routes and networks on a link, then a
        gateway."""
        if dst[off] == 127 or self.local(dst, off):  # RFC 1122 3.2.1.3 (g): never on a wire
            return self._loopback()
        if not dst[off]:  # (a), (b): no destination
            return None
        if self.routes:
            route = self.routes.find(dst, off, None, src, soff)
            if route:
                return route.nif
        gateway = None
        for nif in self.st.nifs:
            v4 = nif.v4
            if not (nif.up and v4.set):
                continue
            if _on_link(dst, off, v4.addr, v4.mask):
                return nif
            if gateway is None or nif is self.default:
                if not zero(v4.gw, 0, 4):
                    gateway = nif
        if gateway is None and (dst[off] >= 224):
            return self._any()
        return gateway

    def _any(self):
        """Where multicast and limited broadcast go when there is no default route."""
        for nif in self.st.nifs:
            if nif.up and nif.v4.addr[0] != 127:
                return nif
        return None

    def broadcast(self, dst, off):
        """Is this a broadcast or multicast address?"""
        if dst[off] >= 224:
            return True
        for nif in self.st.nifs:
            if nif.v4.set and nif.v4.addr[0] != 127 and same(dst, off, nif.v4.bcast, 0, 4):
                return True
        return False

    def group(self, dst, off):
        """Is this a multicast address?"""
        return 224 <= dst[off] < 240

    def loop(self, fr, src, dst, proto, ttl, tos, nif):
        """Let our own members of the group `dst` have a copy of the packet from l4 on, which is
        about to be sent to it, by `nif` if that is given. Borrows `fr`."""
        lo = self._loopback()
        if lo is None or nif is lo or not self.members or not self.members.wanted(lo, dst, 0):
            return
        other = self.st.pool.alloc()
        if other:
            n = fr.end - fr.l4
            other.l4 = other.pay
            other.end = other.pay + n
            copy(other.buf, other.pay, fr.buf, fr.l4, n)
            self.output(other, src, dst, proto, ttl, tos, lo)

    def source(self, dst, nif=None):
        """The address we would send from, by the interface `nif` if one is given; None when there
        is no route. A buffer not to be kept."""
        if nif:
            return nif.v4.addr
        nif = self.local(dst, 0)
        if nif:
            return dst if dst[0] == 127 else nif.v4.addr
        nif = self.route(dst, 0)
        return nif.v4.addr if nif else None

    def mtu(self, dst, out):
        """The longest packet that gets to `dst` by the interface `out`."""
        return self.paths.get(dst, out.mtu) if self.paths else out.mtu

    def mss_room(self, dst):
        """Bytes behind the IP header that fit into one packet to `dst`."""
        nif = self.route(dst, 0)
        return (self.mtu(dst, nif) if nif else 576) - _HDR

    @micropython.native
    def small(self, n):
        """Does any interface take `n` bytes behind a header? Asked sooner than mss_room()."""
        n += _HDR
        for nif in self.st.nifs:
            if n > nif.mtu:
                return False
        return n <= _ANY_PATH

    # -- input ------------------------------------------------------------------------------

    def input(self, fr):
        """Borrows `fr`."""
        self.stat[_IN] += 1
        buf = fr.buf
        at = fr.l3
        v4 = fr.nif.v4
        if v4.set and not fr.group:
            n = _plain(buf, at, fr.end - at, v4.addr, v4.bcast)
            if n and (len(self.st.nifs) == 1 or not self._own(buf, at + _SRC)):
                fr.l4 = at + _HDR
                fr.end = at + n
                self.deliver(fr, buf, at)
                return
        bad = self._check(fr)
        if bad >= 0:
            self.stat[bad] += 1
            if bad == _OPTION:
                self._complain(fr)
            return
        if not self._for_us(fr, buf, at):
            if not (self.router and self.router.take(fr)):
                self.stat[_OTHER] += 1
            return
        if (buf[at + _FRAG] & 0x3F) | buf[at + _FRAG + 1]:
            self._fragment(fr, buf, at)
            return
        self.deliver(fr, buf, at)

    @micropython.native
    def deliver(self, fr, buf, at):
        """Give a good packet for us to whom it is for. Borrows `fr`."""
        if self.router and self.router.take(fr):
            return
        fr.ip = self
        proto = buf[at + _PROTO]
        seen = self.raw and self.raw.take(fr, proto)
        handler = self.protocols.get(proto)
        if handler is None:
            if seen:
                return
            self.stat[_PROTOCOL] += 1
            if self.st.icmp4:
                self.st.icmp4.unreachable(fr, 2)
            return
        handler.input(fr)

    def _fragment(self, fr, buf, at):
        """A part of a datagram. When the others are there, the whole goes up."""
        parts = self.st.reassembly or self.st.lack("reassembly", self.st)
        off = (get16(buf, at + _FRAG) & 0x1FFF) << 3
        # RFC 3128 2: nobody but an attacker cuts TCP's header behind the ports
        if parts is None or (off == 8 and buf[at + _PROTO] == _TCP):
            self.stat[_FRAGMENT] += 1
            return
        key = parts.key
        copy(key, 0, buf, at + _SRC, 8)
        copy(key, 8, buf, at + _ID, 2)
        key[10] = buf[at + _PROTO]
        hlen = fr.l4 - at
        whole = parts.add(fr, self, 11, hlen, off, buf[at + _FRAG] & 0x20)
        if whole is None:
            return
        try:
            buf = whole.buf
            at = whole.l3
            put16(buf, at + _TOTAL, whole.end - at)
            put16(buf, at + _FRAG, 0)
            if parts.congested():
                buf[at + 1] |= 3
            put16(buf, at + _SUM, 0)
            put_csum(buf, at + _SUM, csum(buf, at, whole.l4 - at, 0))
            self.deliver(whole, buf, at)
        finally:
            parts.done()

    def expired(self, fr):
        """The rest of the datagram that begins in `fr` has not come. Borrows `fr`."""
        if self.st.icmp4:
            self.st.icmp4.complain(fr, 11, 1)

    def _check(self, fr):
        """Check the header (RFC 1122 3.2.1) and set l4 and end; the counter to bump, or -1."""
        buf = fr.buf
        at = fr.l3
        n = fr.end - at
        if n < _HDR:
            return _SHORT
        if buf[at] >> 4 != 4:
            return _VERSION
        hlen = (buf[at] & 15) << 2
        total = get16(buf, at + _TOTAL)
        if hlen < _HDR or total < hlen or total > n:
            return _LENGTH
        if csum(buf, at, hlen, 0) != 0xFFFF:
            return _CHECKSUM
        fr.l4 = at + hlen
        fr.end = at + total
        return self._check_addresses(fr, buf, at, hlen)

    def _check_addresses(self, fr, buf, at, hlen):
        src = buf[at + _SRC]
        loop = fr.nif.v4.addr[0] == 127
        # RFC 1122 3.2.1.3: never a group, (e) 127.x only inside a host; 0.x only as "this host"
        if src >= 224 or (src == 127 and not loop) or self._is_bcast(fr, buf, at + _SRC):
            return _SOURCE
        if src == 0 and not zero(buf, at + _SRC, 4):
            return _SOURCE
        if buf[at + _DST] == 127 and not loop:
            return _SOURCE
        if not loop and self._own(buf, at + _SRC):
            return _SOURCE  # somebody sends in our name
        if hlen > _HDR:
            return self._check_options(buf, at + _HDR, at + hlen)
        return -1

    def _own(self, buf, off):
        for nif in self.st.nifs:
            if nif.v4.set and same(buf, off, nif.v4.addr, 0, 4):
                return True
        return False

    def _is_bcast(self, fr, buf, off):
        v4 = fr.nif.v4
        return v4.set and v4.addr[0] != 127 and same(buf, off, v4.bcast, 0, 4)

    def _check_options(self, buf, at, end):
        """Options are skipped, but must not lie about their length; source routes are refused
        (RFC 7126 4.3, 4.4)."""
        while at < end:
            kind = buf[at]
            if kind == 0:
                return -1
            if kind == 1:
                at += 1
                continue
            if at + 1 >= end or buf[at + 1] < 2 or at + buf[at + 1] > end:
                self._bad_at = at
                return _OPTION
            if kind == 131 or kind == 137:
                return _SOURCE_ROUTE
            at += buf[at + 1]
        return -1

    def _complain(self, fr):
        """RFC 1122 3.2.2.5: tell the sender which of its options cannot be read."""
        pointer = self._bad_at - fr.l3
        if not self._for_us(fr, fr.buf, fr.l3):
            if self.router:
                self.router.bad_option(fr, pointer)
        elif self.st.icmp4:
            self.st.icmp4.complain(fr, 12, 0, pointer)

    def _for_us(self, fr, buf, at):
        dst = at + _DST
        if buf[dst] >= 224:
            fr.group = True
            if same(buf, dst, _ALL, 0, 4) or same(buf, dst, _ALL_HOSTS, 0, 4):
                return True
            return self.members is not None and self.members.wanted(fr.nif, buf, dst)
        if self._is_bcast(fr, buf, dst):
            fr.group = True
            return True
        if fr.group:  # RFC 1122 3.3.6: unicast in a link-level broadcast is not for us
            return self._bootp(fr, buf, at)
        if buf[dst] == 127:
            return True
        return self._own(buf, dst) or self._bootp(fr, buf, at)

    def _bootp(self, fr, buf, at):
        """RFC 2131 4.1: a client without an address, but for one of its own choice (RFC 3927),
        takes answers sent to what it is offered."""
        v4 = fr.nif.v4
        return (
            (not v4.set or (v4.addr[0] == 169 and v4.addr[1] == 254))
            and buf[at + _PROTO] == _UDP
            and fr.end - fr.l4 >= 8
            and get16(buf, fr.l4 + 2) == _BOOTPC
        )

    # -- output -----------------------------------------------------------------------------

    def tos(self, buf, at):
        """The type of service in the header at `at`."""
        return buf[at + 1]

    def ecn(self, buf, at):
        """The congestion bits of the header at `at` (RFC 3168 section 5)."""
        return buf[at + 1] & 3

    def way(self, dst, src, nif):
        """The interface by which a packet from `src` goes to `dst`, by `nif` if one is given;
        None: there is none."""
        return nif or self.route(dst, 0, src)

    @micropython.native
    def output(self, fr, src, dst, proto, ttl=64, tos=0, nif=None):
        """Put an IPv4 header in front of l4 and send to `dst` from `src` (4 bytes each), by the
        interface `nif` if one is given. tos: 256 more for DF also with ICMP. Takes `fr`. Returns
        0 or -errno."""
        at = fr.l4 - _HDR
        n = fr.end - at
        w = self.st.w
        what = tos << 16 | ttl << 8 | proto
        if self._fast_hops == w[_HOPS] and nif is None and n <= self._fast_via.mtu:
            if _again(fr.buf, at, n, self._fast_header, src, dst, what, w):
                self.stat[_OUT] += 1
                fr.ip = self
                fr.l3 = at
                fr.l2 = at - _LINK
                fr.nif = self._fast_via
                self._fast_via.transmit(fr)
                return 0
        out = nif or self.route(dst, 0, src)
        if out is None or not dst[0]:
            self.stat[_NOROUTE] += 1
            self.st.pool.release(fr)
            return -_ENETUNREACH
        if n > out.mtu:
            self.stat[_TOOBIG] += 1
            self.st.pool.release(fr)
            return -_EMSGSIZE
        fr.l3 = at
        w[_IP_ID] = ident = (w[_IP_ID] + 1) & 0xFFFF
        _put_header(fr.buf, at, n, ident, src, dst, what)
        done = self.to_link(fr, dst, out)
        if nif is None and tos < 256:  # the packet has left by now
            self._keep(src, dst, what)
        return done

    def to_link(self, fr, dst, out):
        """Send a packet that has its header. Takes `fr`. Returns 0 or -errno."""
        fr.ip = self
        self.stat[_OUT] += 1
        hop = self.hop(dst, out, fr.buf, fr.l3 + _SRC)
        return out.output(fr, _ETHERTYPE, hop, 0)

    def hop(self, dst, out, src=None, soff=0):
        """Whom a packet to `dst`, from src[soff] if that is known, is given to on the interface
        `out`."""
        v4 = out.v4
        if dst[0] < 224 and self.routes:
            hop = self.routes.hop(dst, out, src, soff)
            if hop:
                return hop
        return dst if zero(v4.gw, 0, 4) or self._direct(dst, v4) else v4.gw

    def ready(self, dst, out):
        """Could a packet to `dst` leave at once? 0, or -errno: -_ENOBUFS, its neighbour has been
        asked for and will be known after some polls."""
        hop = self.hop(dst, out)
        if not hasattr(out, "arp") or self.broadcast(hop, 0):
            return 0
        return out.arp.ready(hop, 0)

    def _keep(self, src, dst, what):
        """A second packet in a row to the same host: the next ones get headers that are written
        now, until Stack.rerouted()."""
        header = self._fast_header
        self._fast_hops = -1
        if same(header, _LEAD + _LINK + _DST, dst, 0, 4):
            at = _LEAD + _LINK + _HDR
            via = self.prepare(header, at, src, dst, what & 0xFF, what >> 8 & 0xFF, what >> 16)
            if via is not None:
                self._fast_via = via
                self._fast_hops = self.st.w[_HOPS]
        else:
            copy(header, _LEAD + _LINK + _DST, dst, 0, 4)

    @micropython.native
    def adopt(self, fr):
        """A packet leaves that has waited for its neighbour: as if it were the second to it."""
        at = fr.l3
        buf = fr.buf
        if at - fr.l2 != _LINK or buf[at] != 0x45 or buf[at + 7]:
            return
        if buf[at + _FRAG] != (0 if buf[at + _PROTO] == _ICMP else _DF):
            return
        header = self._fast_header
        copy(header, _LEAD, buf, fr.l2, _LINK + _HDR)
        for i in (_TOTAL, _ID, _SUM):
            put16(header, _LEAD + _LINK + i, 0)
        self._fast_via = fr.nif
        self._fast_hops = self.st.w[_HOPS]

    def keeps(self, dst):
        """Has it a header for the next packets to `dst`?"""
        hops = self.st.w[_HOPS]
        return self._fast_hops == hops and same(self._fast_header, _LEAD + _LINK + _DST, dst, 0, 4)

    def prepare(self, buf, at, src, dst, proto, ttl, tos):
        """Write link and IPv4 header of packets to `dst` in front of buf[at], to be used again
        until Stack.rerouted(): length, identification and checksum are 0. Returns the interface;
        None when the neighbour must be asked first, or the link has no such headers."""
        out = self.route(dst, 0, src)
        if out is None or out.prepare is None:
            return None
        at -= _HDR
        self.fields(buf, at, src, dst, proto, ttl, tos)
        hop = self.hop(dst, out, src)
        return out if out.prepare(buf, at, _ETHERTYPE, hop, 0) else None

    def fields(self, buf, at, src, dst, proto, ttl, tos):
        """Write a header but for length, identification and checksum, which are 0."""
        _put_header(buf, at, 0, 0, src, dst, tos << 16 | ttl << 8 | proto)
        put16(buf, at + _SUM, 0)

    def _direct(self, dst, v4):
        if dst[0] == 169 and dst[1] == 254:  # RFC 3927 2.6.2: never by a gateway
            return True
        return dst[0] >= 224 or _on_link(dst, 0, v4.addr, v4.mask)

    # -- errors -----------------------------------------------------------------------------

    def refuse(self, fr):
        """Nobody listens at the port that the packet in `fr` is for. Borrows `fr`."""
        if self.st.icmp4:
            self.st.icmp4.unreachable(fr, 3)

    def undeliverable(self, fr, again):
        """A frame of ours could not reach its neighbour. If that happens `again`, it ends a
        connection being opened: our own experience, no hint from outside. Borrows `fr`."""
        self.error(fr.buf, fr.l3, fr.end, _EHOSTUNREACH, again)

    def too_big(self, buf, at, end, mtu):
        """A router could not pass on the packet of ours that starts at buf[at], because it is
        longer than `mtu`; 0: it does not say (RFC 1191). A transport that may have sent it makes
        that known to all."""
        if not self._quoted(buf, at, end):
            return
        total = get16(buf, at + _TOTAL)
        if mtu == 0:
            for mtu in _PLATEAUS:
                if mtu < total:
                    break
        l4 = at + ((buf[at] & 15) << 2)
        proto = buf[at + _PROTO]
        handler = self.protocols.get(proto)
        if mtu >= total:
            return
        ours = hasattr(handler, "too_big") and handler.too_big(self, buf, at, l4, mtu)
        if self.raw and self.raw.error(self, buf, at, l4, proto, _EMSGSIZE):
            ours = True
        paths = ours and (self.paths or self.st.lack("paths", self))
        if paths:
            paths.learn(buf, at + _DST, mtu)

    def _quoted(self, buf, at, end):
        """Is the packet quoted at buf[at] there up to the ports, and no later fragment?"""
        if (
            end - at < _HDR + 8
            or buf[at] >> 4 != 4
            or (buf[at + _FRAG] & 0x1F) | buf[at + _FRAG + 1]
        ):
            return False
        hlen = (buf[at] & 15) << 2
        return _HDR <= hlen <= end - at - 8

    def error(self, buf, at, end, errno, hard=False):
        """An error about the packet of ours that starts at buf[at], as quoted by ICMP."""
        if self._quoted(buf, at, end):
            proto = buf[at + _PROTO]
            l4 = at + ((buf[at] & 15) << 2)
            handler = self.protocols.get(proto)
            if handler is not None:
                handler.error(self, buf, at, l4, errno, hard)
            if self.raw:
                self.raw.error(self, buf, at, l4, proto, errno)


def attach(st):
    return IPv4(st)
