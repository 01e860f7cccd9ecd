# More routes for IPv4 than an address and a gateway for each interface give: static ones, those
# of DHCP (RFC 3442). The longest prefix decides (RFC 1812 5.2.4.3), networks on a link included,
# then the lowest metric. A route whose interface is down, or has no link, is passed over.
# Attached when somebody has a route to add; until then IPv4 asks nobody.

from micropython import const
from netstack.core.wire import zero

_ENOMEM = const(12)
_MOST = const(64)
_METRIC = const(100)
_METRIC_MAX = const(65535)


class Route:
    def __init__(self, owner, net, bits, gw, nif, metric):
        self.owner = owner
        self.bits = bits
        self.metric = metric
        self.mask = bytes(0xFF00 >> max(0, min(8, bits - 8 * i)) & 255 for i in range(4))
        self.net = bytes(net[i] & self.mask[i] for i in range(4))
        self.gw = bytes(gw)  # 0.0.0.0: on the link
        self.nif = nif

    def matches(self, dst, off):
        net = self.net
        mask = self.mask
        for i in range(4):
            if (dst[off + i] ^ net[i]) & mask[i]:
                return False
        return True

    def worse(self, than):
        """Is it to be asked after the other?"""
        if self.bits != than.bits:
            return self.bits < than.bits
        return self.metric > than.metric


class Routes:
    """The routes of a stack, st.ip4.routes. Made by attach()."""

    def __init__(self, st):
        self.st = st
        self.list = []  # the longest prefix first, then the lowest metric

    def add(self, owner, net, bits, gw, nif, metric=_METRIC):
        """Packets to the network `net`, whose prefix has `bits`, go by the interface `nif` to
        `gw`; 4 bytes each. Raises OSError(ENOMEM) when there are too many."""
        if not 0 <= metric <= _METRIC_MAX:
            raise ValueError("metric %d: 0 to %d" % (metric, _METRIC_MAX))
        if len(self.list) >= _MOST:
            raise OSError(_ENOMEM, "there are %d routes already" % _MOST)
        new = Route(owner, net, bits, gw, nif, metric)
        i = 0
        while i < len(self.list) and not self.list[i].worse(new):
            i += 1
        self.list.insert(i, new)
        self.st.rerouted()

    def remove(self, owner, net, bits, gw, nif=None):
        """Take this route of its owner away; False: there was none."""
        for route in self.list:
            if route.owner is owner and route.net == net and route.bits == bits:
                if route.gw == gw and nif in (None, route.nif):
                    self.list.remove(route)
                    self.st.rerouted()
                    return True
        return False

    def drop(self, owner):
        """Take away all that `owner` has added."""
        self.list = [route for route in self.list if route.owner is not owner]
        self.st.rerouted()

    def find(self, dst, off, nif=None):
        """The route to the address at dst[off], by `nif` alone if that is given; None: there is
        none that is better than the interfaces' own."""
        for route in self.list:
            out = route.nif
            if (nif is None or nif is out) and out.up and out.link and route.matches(dst, off):
                if out.v4.set:
                    return None if self._on_link(route, dst, off, nif) else route
        return None

    def _on_link(self, route, dst, off, only):
        """Is the address in a network on a link, with a prefix as long?"""
        mask = route.mask
        for nif in self.st.nifs:
            v4 = nif.v4
            if not (nif.up and v4.set) or not (only is None or only is nif):
                continue
            for i in range(4):
                if (dst[off + i] ^ v4.addr[i]) & v4.mask[i] or mask[i] & ~v4.mask[i]:
                    break
            else:
                return True
        return False

    def hop(self, dst, nif):
        """Whom a packet to `dst` is given to on `nif`; None: its own gateway knows."""
        route = self.find(dst, 0, nif)
        if route is None:
            return None
        return dst if zero(route.gw, 0, 4) else route.gw


def attach(st):
    if st.ip4.routes is None:
        st.ip4.routes = Routes(st)
    return st.ip4.routes
