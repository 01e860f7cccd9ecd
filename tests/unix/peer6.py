# The scripted peer of bench.py for IPv6: the neighbour of a host that has a link-local and a
# global address, with the same verbs; bench's builders of TCP connections take it as `p`.
#
#   p = peer6.peer()                      # fe80::2 and 2001:db8::2, we are 2001:db8::1
#   p.send(p.echo_frame(data=b"abc"))
#   p.expect("icmp6", type=129, data=b"abc")

import bench
import struct
from packets import (  # noqa: F401
    IPV6,
    eth,
    group_mac,
    icmp6,
    ip6,
    ipv6,
    solicited,
    udp,
)

NOBODY = bytes(16)
ALL_NODES = ip6("ff02::1")
ALL_ROUTERS = ip6("ff02::2")
UNREACHABLE, TOO_BIG, EXCEEDED, PARAMETER = 1, 2, 3, 4
ECHO, REPLY = 128, 129
RS, RA, NS, NA, REDIRECT = 133, 134, 135, 136, 137


def opt_mac(kind, mac):
    return bytes((kind, 1)) + mac


def opt_prefix(prefix, valid, preferred, flags=0xC0, plen=64):
    """A prefix for router advertisements; flags: 0x80 on the link, 0x40 for addresses."""
    return struct.pack("!BBBBIII", 3, 4, plen, flags, valid, preferred, 0) + ip6(prefix)


class Peer6(bench.Peer):
    """It answers solicitations for its addresses by itself and hides them from expect(), unless
    `auto_nd` is False."""

    def __init__(self, h, auto_nd):
        super().__init__(h, "10.0.0.1", True)
        self.ip = h.st.ip6
        self.mac = b"\x02\1\0\0\0\1"
        self.link = ip6("fe80::1")
        self.addr = ip6("2001:db8::1")
        self.addrs6 = [self.link, self.addr]
        self.auto_nd = auto_nd
        self.auto_mld = True  # what it tells of groups is hidden from expect()
        self.router = False  # it says so in its answers
        h.link = ip6("fe80::2")
        h.addr = ip6("2001:db8::2")

    def _from_stack(self, frame):
        if self.auto_nd and frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == NS:
            target = frame[62:78]
            if target in self.addrs6 and frame[22:38] != NOBODY:
                flags = 0xE0 if self.router else 0x60
                self.queue(self.na_frame(target, dst=frame[22:38], flags=flags))
                return
        if self.auto_mld and frame[12:14] == b"\x86\xdd" and frame[20] == 0 and frame[62] > 130:
            return
        super()._from_stack(frame)

    # -- forging, from our global address to the host's unless told otherwise

    def ip_frame(self, proto, payload, src=None, dst=None, dst_mac=None, **over):
        src = src or self.addr
        dst = dst or self.host.addr
        if "tos" in over:
            over["tclass"] = over.pop("tos")
        if dst_mac is None and dst[0] == 255:
            dst_mac = group_mac(dst)
        return self.frame(ipv6(src, dst, proto, payload, **over), IPV6, dst_mac)

    def icmp_frame(
        self, type, code=0, rest=bytes(4), data=b"", src=None, dst=None, csum=None, **over
    ):
        src = src or self.addr
        dst = dst or self.host.addr
        message = icmp6(src, dst, type, code, rest, data, csum)
        return self.ip_frame(58, message, src=src, dst=dst, **over)

    def echo_frame(self, ident=1, seq=1, data=b"", **over):
        return self.icmp_frame(ECHO, 0, struct.pack("!HH", ident, seq), data, **over)

    def ping_frame(self, ident=1, seq=1, data=b"", **over):
        return self.echo_frame(ident, seq, data, **over)

    def nd_frame(self, type, rest=bytes(4), data=b"", src=None, dst=None, hops=255, **over):
        src = src or self.link
        return self.icmp_frame(type, 0, rest, data, src=src, dst=dst, hops=hops, **over)

    def ns_frame(self, target=None, src=None, dst=None, mac=True, opts=None, **over):
        """A solicitation; mac: with our link address."""
        target = target or self.host.addr
        if opts is None:
            opts = opt_mac(1, self.mac) if mac else b""
        return self.nd_frame(
            NS, bytes(4), target + opts, src=src, dst=dst or solicited(target), **over
        )

    def na_frame(self, target=None, flags=0x60, dst=None, mac=None, opts=None, **over):
        """An advertisement. flags: 0x80 router, 0x40 solicited, 0x20 override."""
        target = target or self.addr
        if opts is None:
            opts = opt_mac(2, mac or self.mac)
        return self.nd_frame(
            NA,
            bytes((flags, 0, 0, 0)),
            target + opts,
            src=over.pop("src", target),
            dst=dst or self.host.addr,
            **over,
        )

    def ra_frame(
        self, *options, lifetime=1800, flags=0, hops=0, reachable=0, retrans=0, mac=True, **over
    ):
        """A router advertisement; hops: what it recommends, mac: with our link address."""
        rest = struct.pack("!BBH", hops, flags, lifetime)
        data = struct.pack("!II", reachable, retrans) + b"".join(options)
        if mac:
            data += opt_mac(1, self.mac)
        over.setdefault("dst", ALL_NODES)
        return self.nd_frame(RA, rest, data, **over)

    def skip(self, ms):
        """Let time pass in one step, without the polls that advance() makes on the way."""
        self.clock.ms += ms
        self.poll()

    def greet(self):
        """Let the host learn our addresses, so that no solicitation is needed later."""
        for addr in self.addrs6:
            self.send(self.ns_frame(src=addr))
        self.take()


def peer(
    auto_nd=True, link=True, addr=True, greet=False, auto=False, dad=False, make=bench.host, **kw
):
    """A Peer6 and its host, which has fe80::2 and 2001:db8::2/64; `auto`: it makes
    addresses by itself, `dad`: it checks those it has, `make`: makes the host."""
    h = make("10.0.0.2", ip6=True, **kw)
    number(h, 2, link, addr, auto, dad)
    p = Peer6(h, auto_nd)
    h.settled()
    if greet:
        p.greet()
    p.take()
    return p


def number(h, n, link=True, addr=True, auto=False, dad=False):
    """Give the host fe80::n and 2001:db8::n/64."""
    with bench.inside(h.st):
        if not dad:
            h.nif.v6.transmits = 0
        if not auto:
            h.ip6.set_auto(h.nif, False)
            for entry in list(h.nif.v6.list):
                h.ip6.remove(h.nif, entry)
        h.ip6.add(h.lo, ip6("::1"), 128)
        if link:
            h.ip6.add(h.nif, ip6("fe80::%x" % n), 64)
        if addr:
            h.ip6.add(h.nif, ip6("2001:db8::%x" % n), 64)
