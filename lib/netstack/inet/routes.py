# More routes for IPv4 than an address and a gateway for each interface give: static ones, those
# of DHCP (RFC 3442). The longest prefix decides (RFC 1812 5.2.4.3), networks on a link included,
# then the longest prefix of the source, where a route is for some sources alone, then the lowest
# metric. A route whose interface is down, or has no link, is passed over.
# Attached when somebody has a route to add; until then IPv4 asks nobody.

from micropython import const
from netstack.core.wire import zero
from netstack.inet.ipv4 import _on_link

_ENOMEM = const(12)
_MOST = const(64)
_METRIC = const(100)
_METRIC_MAX = const(65535)


class Route:
    def __init__(self, owner, net, bits, gw, nif, metric, source):
        self.owner = owner
        self.bits = bits
        self.metric = metric
        self.mask = _mask(bits)
        self.net = bytes(net[i] & self.mask[i] for i in range(4))
        self.source, self.sbits = source or (None, 0)
        self.smask = _mask(self.sbits)
        self.gw = bytes(gw)  # 0.0.0.0: on the link
        self.nif = nif

    def matches(self, dst, off, src, soff):
        """Is it for packets to dst[off] from src[soff]? src None: not known yet."""
        if not _on_link(dst, off, self.net, self.mask):
            return False
        if self.source is None:
            return True
        return src is not None and _on_link(src, soff, self.source, self.smask)

    def worse(self, than):
        """Is it to be asked after the other?"""
        if self.bits != than.bits:
            return self.bits < than.bits
        if self.sbits != than.sbits:
            return self.sbits < than.sbits
        return self.metric > than.metric


class Routes:
    """The routes of a stack, st.ip4.routes. Made by attach()."""

    def __init__(self, st):
        self.st = st
        self.list = []  # the longest prefix first, then the lowest metric

    def add(self, owner, net, bits, gw, nif, metric=_METRIC, source=None):
        """Packets to the network `net`, whose prefix has `bits`, go by the interface `nif` to
        `gw`, 4 bytes each; those from `source`, (network, bits), alone if it is given. Raises
        OSError(ENOMEM) when there are too many."""
        if not 0 <= metric <= _METRIC_MAX:
            raise ValueError("metric %d: 0 to %d" % (metric, _METRIC_MAX))
        if len(self.list) >= _MOST:
            raise OSError(_ENOMEM, "there are %d routes already" % _MOST)
        new = Route(owner, net, bits, gw, nif, metric, source)
        i = 0
        while i < len(self.list) and not self.list[i].worse(new):
            i += 1
        self.list.insert(i, new)
        self.st.rerouted()

    def remove(self, owner, net, bits, gw, nif=None, source=None):
        """Take this route of its owner away; False: there was none."""
        for route in self.list:
            if route.owner is owner and route.net == net and route.bits == bits:
                if (route.source, route.sbits) != (source or (None, 0)):
                    continue
                if route.gw == gw and nif in (None, route.nif):
                    self.list.remove(route)
                    self.st.rerouted()
                    return True
        return False

    def drop(self, owner):
        """Take away all that `owner` has added."""
        self.list = [route for route in self.list if route.owner is not owner]
        self.st.rerouted()

    def find(self, dst, off, nif=None, src=None, soff=0):
        """The route to the address at dst[off], by `nif` alone if that is given, from src[soff];
        None: there is none that is better than the interfaces' own."""
        for route in self.list:
            out = route.nif
            if not (nif is None or nif is out) or not (out.up and out.link and out.v4.set):
                continue
            if route.matches(dst, off, src, soff):
                return None if self._linked(route, dst, off, nif) else route
        return None

    def _linked(self, route, dst, off, only):
        """Is the address in a network on a link, with a prefix as long?"""
        mask = route.mask
        for nif in self.st.nifs:
            v4 = nif.v4
            if not (nif.up and v4.set) or not (only is None or only is nif):
                continue
            if _on_link(dst, off, v4.addr, v4.mask) and _on_link(mask, 0, v4.mask, mask):
                return True
        return False

    def hop(self, dst, nif, src=None, soff=0):
        """Whom a packet to `dst` from src[soff] is given to on `nif`; None: its own gateway
        knows."""
        route = self.find(dst, 0, nif, src, soff)
        if route is None:
            return None
        return dst if zero(route.gw, 0, 4) else route.gw


def _mask(bits):
    return bytes(0xFF00 >> max(0, min(8, bits - 8 * i)) & 255 for i in range(4))


def attach(st):
    if st.ip4.routes is None:
        st.ip4.routes = Routes(st)
    return st.ip4.routes
