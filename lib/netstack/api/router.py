# The router kit for people: forwarding, routes, NAT, a packet filter. See docs/router.md.
#
#   from netstack.api import router
#   router.start()
#   router.nat(network.LAN(1))
#   router.add_route("192.168.7.0/24", "10.0.0.9")
#
# What IPv6 has of its own is in router6.py, which is loaded where there is IPv6.

from netstack.api import address, host

_ANY = b"\0\0\0\0"
_OWNER = "static"
advertised = []  # the Advertisements of router6.py


def start(flows=64, learn=()):
    """Forward packets from now on, of IPv4 and of IPv6 where that is frozen. Returns the Router of
    inet/forward.py: `strict`, `redirects` and `clamp` of it may be set; router6() has the other.
    The fast path knows `flows` flows of each at a time. learn: the network.LANs on which we
    believe the routers of IPv6 as a host does; on all others we are one ourselves."""
    from netstack.inet import forward

    st = host.stack()
    host.enter(st)
    try:
        if st.ip6:
            from netstack.inet import forward6

            six = forward6.attach(st, flows)
            for lan in learn:
                six.learn(lan._wire.nif)
        return forward.attach(st, flows)
    finally:
        host.leave(st)


def router6():
    """The Router6 of inet/forward6.py, whose `strict`, `redirects` and `clamp` may be set; None:
    there is none."""
    st = host.stack()
    return st.ip6.router if st.ip6 else None


def _six():
    """The module for what has an IPv6 address."""
    if not host.stack().ip6:
        raise OSError(97, "there is no IPv6")  # EAFNOSUPPORT
    from netstack.api import router6 as six

    return six


def _is6(*texts):
    for value in texts:
        if value and ":" in value:
            return True
    return False


def nat(lan, size=256, ports=(20000, 39999)):
    """Let the hosts on all other interfaces use the address of this one, the way to the Internet:
    inet/nat.py. `size`: mappings at a time; `ports`: those it may give out."""
    from netstack.inet import nat as napt

    router = start()
    return host.call(host.stack(), napt.attach, router, lan._wire.nif, size, ports)


_PROTOCOLS = {"tcp": 6, "udp": 17}


def _nat():
    router = host.stack().ip4.router
    if router is None or router.nat is None:
        raise OSError(22, "port forward: router.nat(lan) comes first")  # EINVAL
    return router.nat


def forward_port(protocol, port, to, to_port=None):
    """What comes to `port` of our address outside goes to the inside host `to`: "tcp" or "udp"."""
    if protocol not in _PROTOCOLS:
        raise ValueError("port forward: %s is neither tcp nor udp" % protocol)
    table = _nat()
    to = address.need(to, "port forward")
    host.call(table.st, table.forward, _PROTOCOLS[protocol], port, to, to_port or port)


def unforward_port(protocol, port):
    """End that; False: there was none."""
    table = _nat()
    return host.call(table.st, table.unforward, _PROTOCOLS.get(protocol, 0), port)


def mappings():
    """[(protocol, inside address, its port, port outside, state)] of NAT."""
    names = {6: "tcp", 17: "udp", 1: "icmp"}
    table = _nat()
    found = host.call(table.st, table.mappings)
    return [(names[m[0]], address.text(m[1]), m[2], m[3], m[4]) for m in found]


# -- filter -------------------------------------------------------------------------------------

_ACTIONS = ("pass", "drop", "reject")
_NUMBERS = {"icmp": 1, 58: 1, "tcp": 6, "udp": 17}  # ICMP of both families is one to the filter


def _filter(f, *args):
    """What f(table of rules, *args) returns, called inside the stack."""
    from netstack.inet import filter

    four, six = start(), router6()
    if six:
        from netstack.inet import filter6

    def inside():
        table = filter.attach(four)
        if six:
            filter6.attach(table, six)
        return f(table, *args)

    return host.call(four.st, inside)


def _action(name):
    if name not in _ACTIONS:
        raise ValueError("filter: %s: pass, drop or reject" % name)
    return _ACTIONS.index(name)


def rule(
    action, protocol=None, *, src=None, dst=None, sport=None, dport=None,
    by=None, to=None, established=False
):  # fmt: skip
    """A rule behind those there are; the first that fits a forwarded packet decides: "pass",
    "drop", or "reject" (its sender is told). protocol: "tcp", "udp", "icmp" or a number; src, dst:
    "10.0.0.0/8" or "2001:db8::/32", without them it fits both families; sport, dport: a port or
    (first, last); by, to: the network.LAN it comes in and leaves by; established: TCP segments
    that begin no connection."""
    if isinstance(protocol, str) and protocol not in _NUMBERS:
        raise ValueError("filter: protocol %s" % protocol)
    _filter(
        lambda table, *args: table.add(*args),
        _action(action),
        src and _prefix(src),
        dst and _prefix(dst),
        _NUMBERS.get(protocol, protocol) or 0,
        sport,
        dport,
        (by and by._wire.nif, to and to._wire.nif, established),
    )


def _prefix(text):
    return _six().network(text) if _is6(text) else _network(text)


def policy(action):
    """What becomes of a packet that no rule fits; "pass" if it is not said."""
    _filter(lambda table, do: table.policy(do), _action(action))


def remove_rule(i):
    """Take rule `i` away; those behind it move up."""
    _filter(lambda table: table.remove(i))


def hits():
    """How many packets each rule has decided about; the last number is the policy's."""
    return _filter(lambda table: [table.hits(i) for i in range(table.count + 1)])


def stop():
    """Forward no more, and tell the hosts that were told of us."""
    for each in list(advertised):
        each.stop()
    st = host.stack()
    host.enter(st)
    try:
        for ip in st.networks:
            if ip.router:
                ip.router.close()
    finally:
        host.leave(st)


def _network(text):
    """(address, length of its prefix) out of "192.168.7.0/24", or "default"."""
    if text == "default":
        return _ANY, 0
    net, slash, bits = text.partition("/")
    if not slash:
        bits = "32"
    if not bits.isdigit() or int(bits) > 32:
        raise ValueError("route: prefix length of %s" % text)
    net = address.need(net, "route")
    mask = address.mask(int(bits))
    for i in range(4):
        if net[i] & ~mask[i] & 255:
            raise ValueError("route: %s has bits behind its prefix" % text)
    return net, int(bits)


def _neighbour(gw, ip):
    """The interface on whose network a router is."""
    nif = ip.route(gw, 0)
    if nif is None or ip.local(gw, 0) or bytes(ip.hop(gw, nif)) != gw:
        raise ValueError("route: %s is on no network of ours" % address.text(gw))
    return nif


def add_route(net, gw=None, lan=None, metric=100, source=None, reject=False):
    """To the network "192.168.7.0/24" or "2001:db8::/32" (or "default") by the router `gw`, or
    straight by `lan`; an IPv6 router at a link-local address takes both. source: for packets from
    this network alone. reject: IPv6, there is nothing; the sender is told. Of several routes the
    longest prefix decides, then the longest prefix of the source, then the lowest metric."""
    from netstack.inet import routes as table

    if gw is None and lan is None and not reject:
        raise ValueError("route: %s by whom?" % net)
    if _is6(net, gw, source):
        _six().add_route(net, gw, lan, metric, source, reject)
        return
    if reject:
        raise ValueError("route: %s: only IPv6 has routes that reject" % net)
    st = host.stack()
    dst, bits = _network(net)
    router = address.need(gw, "gateway") if gw else _ANY
    nif = lan._wire.nif if lan else _neighbour(router, st.ip4)
    host.enter(st)
    try:
        table.attach(st).add(_OWNER, dst, bits, router, nif, metric, source and _network(source))
    finally:
        host.leave(st)


def remove_route(net, gw=None, lan=None, source=None):
    """Take it away again; False: there was none."""
    from netstack.inet import routes as table

    if _is6(net, gw, source):
        return _six().remove_route(net, gw, lan, source)
    dst, bits = _network(net)
    router = address.need(gw, "gateway") if gw else _ANY
    nif = lan and lan._wire.nif
    source = source and _network(source)
    st = host.stack()
    return host.call(st, table.attach(st).remove, _OWNER, dst, bits, router, nif, source)


def routes():
    """[(network, gateway or None, interface, metric)] of those beyond the interfaces' own, the
    best first, IPv6 last; a fifth item is the network of the sources that one is for."""
    from netstack.inet import routes as table

    found = []
    for r in table.attach(host.stack()).list:
        gw = address.text(r.gw) if r.gw != _ANY else None
        row = ["%s/%d" % (address.text(r.net), r.bits), gw, r.nif.name, r.metric]
        if r.source:
            row.append("%s/%d" % (address.text(r.source), r.sbits))
        found.append(tuple(row))
    return found + _six().routes() if host.stack().ip6 else found
