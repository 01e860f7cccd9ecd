# IPv6 routes: what is on a link, which routers there are, and what lies behind them: the prefix
# list, the default router list and the destination cache of RFC 4861 5.1 in one table. The longest
# prefix wins (RFC 4861 5.2, RFC 4191 3.2), but a router that does not answer comes last. Of equal
# ones those for the longest prefix of sources win, then the lowest metric, then the preference
# that a router has told.

from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import same
from netstack.inet.lifetime import FOREVER

_LIMIT = const(64)
_METRIC = const(100)
STATIC = const(0)  # made by a program, or with an address
ADVERTISED = const(1)  # a router has told
REDIRECT = const(2)  # a router has told that this one destination has a better way
_MOST = (_LIMIT, 12, 8)  # of each origin, so that none can keep out the others
_ROUTERS_MOST = const(8)  # default routers that have been advertised


@micropython.viper
def common(a: ptr8, i: int, b: ptr8, j: int) -> int:
    """How many leading bits the 16 bytes at a[i] and b[j] have in common."""
    n = 0
    while n < 128:
        x = a[i] ^ b[j]
        if x:
            while not x & 128:
                x <<= 1
                n += 1
            return n
        n += 8
        i += 1
        j += 1
    return n


class Route:
    def __init__(self, prefix, plen, nif, gw, origin):
        self.prefix = bytearray(prefix)
        self.plen = plen
        self.nif = nif
        self.gw = bytearray(gw) if gw is not None else None  # None: they are on the link
        self.origin = origin
        self.preference = 0  # -1, 0, 1 (RFC 4191 2.1)
        self.metric = _METRIC
        self.source = None  # for sources in this prefix alone,
        self.slen = 0  # which is so long
        self.until = FOREVER
        self.failed = 0  # the router does not answer; the larger, the later it was found out


class Routes:
    def __init__(self, ip):
        self.st = ip.st
        self.life = ip.life
        self.list = []
        self._failures = 0

    def find(self, dst, off, nif=None, src=None, soff=0):
        """The route to an address, by `nif` if one is given, for packets from src[soff], None: not
        known yet; None: there is none. A router whose link is down is passed over."""
        best = None
        for route in self.list:
            out = route.nif
            if nif and out is not nif or not out.up or route.gw and not out.link:
                continue
            if common(dst, off, route.prefix, 0) < route.plen:
                continue
            if route.source and (src is None or common(src, soff, route.source, 0) < route.slen):
                continue
            if best is None or self._better(route, best):
                best = route
        return best

    def _better(self, a, b):
        if a.failed != b.failed:  # RFC 4861 6.3.6: all failed, each is tried in its turn
            return a.failed < b.failed
        if a.plen != b.plen:
            return a.plen > b.plen
        if a.slen != b.slen:
            return a.slen > b.slen
        if a.metric != b.metric:
            return a.metric < b.metric
        return a.preference > b.preference

    def get(self, prefix, plen, nif, gw, source=None, slen=0):
        """The route with exactly these, or None."""
        for route in self.list:
            if route.slen != slen or slen and not same(route.source, 0, source, 0, 16):
                continue
            if route.nif is nif and route.plen == plen and same(route.prefix, 0, prefix, 0, 16):
                if gw is None and route.gw is None:
                    return route
                if gw is not None and route.gw is not None and same(route.gw, 0, gw, 0, 16):
                    return route
        return None

    def add(self, prefix, plen, nif, gw=None, origin=STATIC, until=FOREVER, preference=0):
        """Enter a route, or renew it. Returns it; None when there are too many."""
        route = self.get(prefix, plen, nif, gw)
        if route is None:
            if not self._room(origin, plen):
                return None
            route = Route(prefix, plen, nif, gw, origin)
            self.list.append(route)
        elif route.origin == STATIC and origin != STATIC:
            return route  # what a program has said holds
        else:
            route.origin = origin
        route.until = until
        route.preference = preference
        self.life.due(until)
        self.st.rerouted()
        return route

    def _room(self, origin, plen):
        router = origin == ADVERTISED and plen == 0
        most = _ROUTERS_MOST if router else _MOST[origin]
        count = 0
        oldest = None
        for route in self.list:
            if route.origin != origin or origin == ADVERTISED and (route.plen == 0) != router:
                continue
            count += 1
            if oldest is None and (origin == REDIRECT or router and route.failed):
                oldest = route
        if count < most and len(self.list) < _LIMIT:
            return True
        if oldest:  # a redirect, or a router that does not answer
            self.remove(oldest)
        return oldest is not None

    def add_static(self, prefix, plen, nif, gw, metric=_METRIC, source=None, slen=0):
        """Enter a route with a metric, or renew it: for sources in a prefix alone, if one is
        given. Returns it; None when there are too many."""
        route = self.get(prefix, plen, nif, gw, source, slen)
        if route is None:
            if not self._room(STATIC, plen):
                return None
            route = Route(prefix, plen, nif, gw, STATIC)
            route.source = bytearray(source) if slen else None
            route.slen = slen
            self.list.append(route)
        route.origin = STATIC
        route.until = FOREVER
        route.metric = metric
        self.st.rerouted()
        return route

    def remove(self, route):
        if route not in self.list:  # gone with its router
            return
        self.list.remove(route)
        if route.gw and not route.plen:  # no default router any more: RFC 4861 6.3.5
            for other in list(self.list):
                if other.origin == REDIRECT and other.nif is route.nif and other.gw == route.gw:
                    self.list.remove(other)
        self.st.rerouted()

    def forget(self, nif, least):
        """Drop the routes of an interface whose origin is at least `least`."""
        for route in list(self.list):
            if route.nif is nif and route.origin >= least:
                self.remove(route)

    # -- routers that do not answer ---------------------------------------------------------

    def failed(self, nif, gw, off):
        """A router does not answer (RFC 4861 7.3.3); redirects to it are void."""
        for route in list(self.list):
            if route.nif is nif and route.gw and same(route.gw, 0, gw, off, 16):
                if route.origin == REDIRECT:
                    self.list.remove(route)
                else:
                    self._failures += 1
                    route.failed = self._failures
        self.st.rerouted()

    def answers(self, nif, gw, off):
        """It does again."""
        for route in self.list:
            if route.failed and route.nif is nif and route.gw and same(route.gw, 0, gw, off, 16):
                route.failed = 0
                self.st.rerouted()

    def resigned(self, nif, gw, off):
        """It is no router any more (RFC 4861 7.3.3)."""
        for route in list(self.list):
            if route.gw and route.nif is nif and same(route.gw, 0, gw, off, 16):
                if route.origin != STATIC:
                    self.remove(route)

    def is_router(self, nif, addr, off):
        for route in self.list:
            if route.gw and route.nif is nif and same(route.gw, 0, addr, off, 16):
                return True
        return False

    def expire(self, now):
        """Drop what has had its time; the moment at which the next has."""
        soonest = FOREVER
        for route in list(self.list):
            if route.until <= now:
                self.remove(route)
            elif route.until < soonest:
                soonest = route.until
        return soonest


def network(addr, plen):
    """The prefix of `plen` bits that `addr` begins with, as 16 bytes."""
    prefix = bytearray(16)
    copy(prefix, 0, addr, 0, (plen + 7) >> 3)
    if plen & 7:
        prefix[plen >> 3] &= 0xFF << (8 - (plen & 7))
    return prefix
