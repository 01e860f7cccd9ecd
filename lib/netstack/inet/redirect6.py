# Redirects (RFC 4861 8), seen by a host: a router says that there is a better first hop to a
# destination, or that it is on the link.
#
# On the wire, behind the first 4 bytes of ICMP:
#   | 0 4 | target 16 | destination 16 | options ... |

from micropython import const
from netstack.core.wire import same, zero
from netstack.inet import select6
from netstack.inet.nd import option
from netstack.inet.route6 import REDIRECT

_KIND = const(137)
_LEN = const(40)
_TARGET = const(8)
_DESTINATION = const(24)
_IP_SRC = const(8)
_TARGET_MAC = const(2)
_LINK = const(2)


class Redirects:
    def __init__(self, ip):
        self.ip = ip
        ip.icmp.handlers[_KIND] = self.input

    def input(self, fr):
        """RFC 4861 8.1, 8.3. Borrows `fr`."""
        nif = fr.nif
        nd = nif.v6.nd
        if nd is None or not nd.valid(fr, _LEN):
            return
        buf = fr.buf
        target = fr.l4 + _TARGET
        dst = fr.l4 + _DESTINATION
        direct = same(buf, target, buf, dst, 16)
        if (
            select6.scope(buf, fr.l3 + _IP_SRC) != _LINK
            or buf[dst] == 0xFF
            or zero(buf, dst, 16)
            or not (direct or select6.scope(buf, target) == _LINK)
            or not self._from_hop(fr, buf, dst)
        ):
            nd.bad()
            return
        if self.ip.router:  # RFC 4861 8.2: a router goes by its own routes
            return
        mac = option(buf, fr.l4 + _LEN, fr.end, _TARGET_MAC)
        if mac:
            nd.learn(buf, target, mac + 2)
        routes = self.ip.routes
        for route in list(routes.list):  # what an earlier one has said
            if route.origin == REDIRECT and route.nif is nif:
                if same(route.prefix, 0, buf, dst, 16):
                    routes.remove(route)
        gw = None if direct else buf[target : target + 16]
        routes.add(buf[dst : dst + 16], 128, nif, gw, REDIRECT)
        if not direct:
            nd.is_router(buf, target)

    def _from_hop(self, fr, buf, dst):
        """Does it come from whom we send to for that destination?"""
        route = self.ip.routes.find(buf[dst : dst + 16], 0, fr.nif)
        return route is not None and bool(route.gw) and same(route.gw, 0, buf, fr.l3 + _IP_SRC, 16)
