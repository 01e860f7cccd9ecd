# More routes for IPv4 than an address and a gateway for each interface give: static ones, those
# of DHCP (RFC 3442). The longest prefix decides (RFC 1812 5.2.4.3), networks on a link included.
# Attached when somebody has a route to add; until then IPv4 asks nobody.

from micropython import const
from netstack.core.wire import zero

_ENOMEM = const(12)
_MOST = const(16)


class Route:
    def __init__(self, owner, net, bits, gw, nif):
        self.owner = owner
        self.bits = bits
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


class Routes:
    """The routes of a stack, st.ip4.routes. Made by attach()."""

    def __init__(self, st):
        self.st = st
        self.list = []  # the longest prefix first

    def add(self, owner, net, bits, gw, nif):
        """Packets to the network `net`, whose prefix has `bits`, go by the interface `nif` to
        `gw`; 4 bytes each. Raises OSError(ENOMEM) when there are too many."""
        if len(self.list) >= _MOST:
            raise OSError(_ENOMEM, "there are %d routes already" % _MOST)
        i = 0
        while i < len(self.list) and self.list[i].bits >= bits:
            i += 1
        self.list.insert(i, Route(owner, net, bits, gw, nif))
        self.st.rerouted()

    def drop(self, owner):
        """Take away all that `owner` has added."""
        self.list = [route for route in self.list if route.owner is not owner]
        self.st.rerouted()

    def find(self, dst, off, nif=None):
        """The route to the address at dst[off], by `nif` alone if that is given; None: there is
        none that is better than the interfaces' own."""
        for route in self.list:
            out = route.nif
            if (nif is None or nif is out) and out.up and out.v4.set and route.matches(dst, off):
                return None if self._on_link(route, dst, off, nif) else route
        return None

    def _on_link(self, route, dst, off, only):
        """Is the address in a network on a link, with a prefix as long?"""
        for nif in [only] if only else self.st.nifs:
            v4 = nif.v4
            if nif.up and v4.set and bytes(v4.mask) >= route.mask:
                for i in range(4):
                    if (dst[off + i] ^ v4.addr[i]) & v4.mask[i]:
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
