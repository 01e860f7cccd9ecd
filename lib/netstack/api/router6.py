# The router kit for IPv6: what router.py does with IPv6 addresses, and advertisements. See
# docs/router.md.
#
#   netstack.advertise(lan)              # the prefixes of lan, and ourselves as the router
#   netstack.advertise(lan, "2001:db8:1::/64", dns="2001:db8::53")

from netstack.api import host, router
from netstack.api.inet6 import ANY, need, text
from netstack.inet import address6, advertise6, select6, slaac
from netstack.inet.route6 import STATIC, network as cut

_DAY = 86400
_LINK = 2
_PREFERENCES = {"low": 0x18, "medium": 0, "high": 0x08}  # RFC 4191 2.1
_INTERVAL = (4, 1800)  # RFC 4861 6.2.1
_LIFETIME = 9000
_FOREVER = -1
_GONE_MOST = 4


def network(value):
    """(address, length of its prefix) out of "2001:db8::/32"."""
    addr, slash, bits = value.partition("/")
    addr = need(addr, "route")
    if not slash:
        bits = "128"
    if not bits.isdigit() or int(bits) > 128:
        raise ValueError("route: prefix length of %s" % value)
    if cut(addr, int(bits)) != addr:
        raise ValueError("route: %s has bits behind its prefix" % value)
    return addr, int(bits)


# -- routes -------------------------------------------------------------------------------------


def _neighbour(gw, ip):
    """The interface on whose link a router is."""
    route = ip.routes.find(gw, 0)
    if route is None or route.gw or ip.holds(gw, 0):
        raise ValueError("route: %s is on no link of ours" % text(gw))
    return route.nif


def add_route(net, gw, lan, metric, source, reject):
    st = host.stack()
    ip = st.ip6
    dst, bits = (ANY, 0) if net == "default" else network(net)
    gw = need(gw, "gateway") if gw else None
    if reject:
        nif = ip.loopback_nif()
    elif lan:
        nif = lan._wire.nif
    elif select6.scope(gw) == _LINK:
        raise ValueError("route: %s is on which link? lan=" % text(gw))
    else:
        nif = _neighbour(gw, ip)
    src, slen = network(source) if source else (None, 0)
    host.enter(st)
    try:
        if ip.routes.add_static(dst, bits, nif, gw, metric, src, slen) is None:
            raise OSError(12, "there are too many routes")  # ENOMEM
    finally:
        host.leave(st)


def remove_route(net, gw, lan, source):
    st = host.stack()
    dst, bits = (ANY, 0) if net == "default" else network(net)
    gw = need(gw, "gateway") if gw else None
    src, slen = network(source) if source else (None, 0)
    nif = lan and lan._wire.nif
    host.enter(st)
    try:
        for route in st.ip6.routes.list:
            if nif in (None, route.nif) and route.origin == STATIC:
                if st.ip6.routes.get(dst, bits, route.nif, gw, src, slen) is route:
                    st.ip6.routes.remove(route)
                    return True
        return False
    finally:
        host.leave(st)


def routes():
    """See router.routes()."""
    found = []
    for r in host.stack().ip6.routes.list:
        if r.gw or not _own(r):
            via = text(r.gw) if r.gw else None
            row = ["%s/%d" % (text(r.prefix), r.plen), via, r.nif.name, r.metric]
            if r.slen:
                row.append("%s/%d" % (text(r.source), r.slen))
            found.append((-r.plen, -r.slen, r.metric, tuple(row)))
    return [row[3] for row in sorted(found, key=lambda row: row[:3])]


def _own(route):
    """Is it that of an address of its interface?"""
    v6 = route.nif.v6
    return any(e.plen == route.plen and v6.prefix(e) == route.prefix for e in v6.list)


# -- advertisements -----------------------------------------------------------------------------


class Advertisement:
    """What advertise() has begun on an interface."""

    def __init__(self, lan):
        self.lan = lan
        self.nif = lan._wire.nif
        self.prefixes = []
        self.gone = []  # prefixes that were advertised before

    def tell(self, prefixes, spec):
        for old in self.prefixes:
            if old not in prefixes and old not in self.gone:
                self.gone.append(old)
        self.gone = [old for old in self.gone if old not in prefixes][-_GONE_MOST:]
        self.prefixes = prefixes
        body = self._body(spec, spec["lifetime"])
        final = self._body(spec, 0)
        advertiser = advertise6.attach(self.nif.v6.ip, self.nif)
        longest = 1000 * spec["interval"]
        # RFC 4861 6.2.1: MinRtrAdvInterval
        shortest = 330 * spec["interval"] if spec["interval"] >= 9 else 750 * spec["interval"]
        advertiser.tell(body, final, longest, max(shortest, 3000))

    def _body(self, spec, lifetime):
        """`lifetime` 0 of a router that is one: its last words."""
        ends = lifetime != spec["lifetime"]
        flags = _PREFERENCES[spec["preference"]] if lifetime else 0  # RFC 4191 2.2
        flags |= (0x80 if spec["managed"] else 0) | (0x40 if spec["other"] else 0)
        w = advertise6.Writer(spec["hops"], flags, lifetime, spec["reachable"], spec["retrans"])
        w.mac(self.nif.mac)
        if spec["mtu"]:
            w.mtu(spec["mtu"])
        for prefix, plen in self.prefixes:
            kind = 0xC0 if plen == 64 else 0x80  # RFC 4862 5.5.3 (d): 64 bits are ours to fill in
            w.prefix(prefix, plen, kind, spec["valid"], spec["preferred"])
        for prefix, plen in self.gone:  # RFC 9096 3.2
            w.prefix(prefix, plen, 0xC0 if plen == 64 else 0x80, 0, 0)
        span = 0 if ends else lifetime or 3 * spec["interval"]
        for prefix, plen in spec["routes"]:
            w.route(prefix, plen, _PREFERENCES[spec["preference"]], span)
        if spec["dns"]:
            w.servers(spec["dns"], span)
        if spec["domains"]:
            w.domains(spec["domains"], span)
        return w.buf

    def stop(self):
        """Tell the hosts that we are no router for them any more, and be silent."""
        st = host.stack()
        host.enter(st)
        try:
            if self in router.advertised:
                router.advertised.remove(self)
                self.nif.v6.advertiser.close()
                _limit(st, self.nif, self.nif.mtu)
        finally:
            host.leave(st)


def _limit(st, nif, mtu):
    """Send no longer packets on this link from now on, not by headers written before either."""
    nif.v6.mtu = mtu
    st.rerouted()


def _list(value):
    return list(value) if isinstance(value, (list, tuple)) else [value] if value else []


def _prefixes(nif, given):
    """What is to be advertised: [(prefix, its length)]; each is on the link, and has an address of
    ours."""
    v6 = nif.v6
    if given is None:
        found = []
        for entry in v6.list:
            if entry.origin == address6.STATIC and select6.scope(entry.addr) > _LINK:
                row = bytes(v6.prefix(entry)), entry.plen
                if entry.plen < 128 and row not in found:
                    found.append(row)
        return found
    found = [network(each) for each in _list(given)]
    for prefix, plen in found:
        if select6.scope(prefix) <= _LINK or prefix[0] == 0xFF:
            raise ValueError("advertise: %s is no prefix for hosts" % text(prefix))
        for entry in v6.list:
            if entry.plen == plen and v6.prefix(entry) == prefix:
                break
        else:
            if plen != 64:
                raise ValueError("advertise: no address in %s/%d" % (text(prefix), plen))
            addr = slaac.identifier(prefix, nif, v6.ip.secret, 0)
            v6.ip.add(nif, addr, 64)
    return [(bytes(prefix), plen) for prefix, plen in found]


def _between(what, value, least, most):
    if not least <= value <= most:
        raise ValueError("advertise: %s of %d: %d to %d" % (what, value, least, most))


def _checked(nif, spec):
    """The values of advertise() as they are needed. Raises ValueError naming what is wrong."""
    if spec["preference"] not in _PREFERENCES:
        raise ValueError("advertise: preference %s: low, medium or high" % spec["preference"])
    _between("interval", spec["interval"], *_INTERVAL)
    if spec["lifetime"] is None:
        spec["lifetime"] = 3 * spec["interval"]
    if spec["lifetime"]:
        _between("lifetime", spec["lifetime"], spec["interval"], _LIFETIME)
    if spec["mtu"]:
        _between("mtu", spec["mtu"], 1280, nif.mtu)
    _between("hops", spec["hops"], 0, 255)
    _between("reachable", spec["reachable"], 0, 3600000)
    _between("retrans", spec["retrans"], 0, 3600000)
    for what in ("valid", "preferred"):
        _between(what, spec[what], _FOREVER, 0x3FFFFFFF)
    if spec["valid"] != _FOREVER and not 0 <= spec["preferred"] <= spec["valid"]:
        raise ValueError("advertise: preferred for longer than valid")
    spec["dns"] = [need(each, "dns") for each in _list(spec["dns"])]
    spec["domains"] = _list(spec["domains"])
    spec["routes"] = [network(each) for each in _list(spec["routes"])]
    return spec


def advertise(
    lan, prefix=None, *, dns=(), domains=(), routes=(), mtu=None, lifetime=None, interval=600,
    preference="medium", valid=30 * _DAY, preferred=7 * _DAY, managed=False, other=False, hops=64,
    reachable=0, retrans=0
):  # fmt: skip
    """Tell the hosts on `lan` that this is their router for IPv6 (it becomes one), and that they
    make addresses of `prefix`: "2001:db8:1::/64" or several, in each of which lan gets an address
    if it has none; None: those of the addresses that lan has. Calling it again changes what is
    told. Returns what has stop().

    dns: addresses of servers; domains: the search list; routes: prefixes behind us; mtu: of the
    link; lifetime: seconds for which we are the default router, 0: we are none; interval: seconds
    at most between two of them; preference: "low", "medium", "high", beside other routers; valid,
    preferred: lifetimes of the prefix in seconds, -1 for ever; managed, other: there are
    addresses, other settings, by DHCPv6; hops, reachable (ms), retrans (ms): what hosts are to
    use, 0: as they like."""
    spec = {
        "dns": dns, "domains": domains, "routes": routes, "mtu": mtu, "lifetime": lifetime,
        "interval": interval, "preference": preference, "valid": valid, "preferred": preferred,
        "managed": managed, "other": other, "hops": hops, "reachable": reachable,
        "retrans": retrans,
    }  # fmt: skip
    nif = lan._wire.nif
    if nif.v6 is None or nif.v6.nd is None:
        raise OSError(95, "advertise: no IPv6 on %s" % nif.name)  # EOPNOTSUPP
    spec = _checked(nif, spec)
    router.start()
    st = host.stack()
    host.enter(st)
    try:
        prefixes = _prefixes(nif, prefix)
        made = None
        for each in router.advertised:
            if each.nif is nif:
                made = each
        made = made or Advertisement(lan)
        made.tell(prefixes, spec)
        if made not in router.advertised:
            router.advertised.append(made)
        _limit(st, nif, mtu or nif.mtu)
        return made
    finally:
        host.leave(st)
