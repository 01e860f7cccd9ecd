# Routers, seen by a host (RFC 4861 6.3): asking for them, and what they advertise: themselves
# (RFC 4191), prefixes, routes behind them, the link's MTU, DNS servers (RFC 8106).
#
# On the wire, behind the first 4 bytes of ICMP:
#   solicitation   | 0 4 | options ... |
#   advertisement  | hop limit 1 | M O and preference 1 | lifetime 2 | reachable 4 | retrans 4 |
#   prefix         | 3 | 4 | bits 1 | L A 1 | valid 4 | preferred 4 | 0 4 | prefix 16 |
#   MTU            | 5 | 1 | 0 2 | MTU 4 |
#   route          | 24 | 1..3 | bits 1 | preference 1 | lifetime 4 | prefix 0, 8 or 16 |
#   DNS servers    | 25 | .. | 0 2 | lifetime 4 | addresses ... |
#   DNS domains    | 31 | .. | 0 2 | lifetime 4 | names as in DNS, 0 ... |

from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import get16, get32
from netstack.inet.lifetime import FOREVER
from netstack.inet.mld import ALL_ROUTERS
from netstack.inet.nd import option
from netstack.inet.route6 import ADVERTISED, network

_SOLICIT = const(133)
_ADVERTISE = const(134)
_RS_LEN = const(8)
_RA_LEN = const(16)
_IP_SRC = const(8)
_SOURCE_MAC = const(1)  # options
_PREFIX = const(3)
_MTU = const(5)
_ROUTE = const(24)
_SERVERS = const(25)
_DOMAINS = const(31)
_MTU_MIN = const(1280)
_DELAY_MS = const(1000)  # RFC 4861 10: MAX_RTR_SOLICITATION_DELAY
_INTERVAL_MS = const(4000)  # RTR_SOLICITATION_INTERVAL, about doubled each time up to
_SLOWEST_MS = const(3600000)  # RFC 7559 2
_REACHABLE_MOST = const(3600000)  # RFC 4861 6.2.1
_RETRANS_LEAST = const(100)  # DEVIATION RFC 4861 6.3.4: no router makes us flood the link
_NAMES_MOST = const(4)  # DNS servers and domains of one interface, each

_NOBODY = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"


class Routers:
    def __init__(self, ip, nif, autoconf):
        self.ip = ip
        self.st = ip.st
        self.nif = nif
        self.autoconf = autoconf
        self.servers = []  # [address or domain, until when]
        self.domains = []
        self._interval = 0
        self._timer = self.st.timers.new(self._ask)
        self._src = bytearray(16)
        ip.icmp.handlers[_ADVERTISE] = _advertised

    # -- asking -----------------------------------------------------------------------------

    def solicit(self):
        """Ask until a router has answered (RFC 7559), at least once (RFC 4861 6.3.7)."""
        self._interval = _INTERVAL_MS
        self._timer.start(self.st.now, self.st.random.below(_DELAY_MS))

    def stop(self):
        self._timer.stop()

    def reached(self):
        """Is there a router whose link address is known?"""
        route = self.ip.routes.find(_NOBODY, 0, self.nif)
        return bool(route and route.gw) and self.nif.v6.nd.reached(route.gw) >= 0

    def _ask(self):
        nif = self.nif
        if not (nif.up and nif.link):
            return
        wait = self._interval
        fuzz = wait // 10  # RFC 7559 2: so that hosts do not all ask at once
        self._timer.start(self.st.now, wait - fuzz + self.st.random.below(1024) * fuzz // 512)
        self._interval = min(2 * wait, _SLOWEST_MS)
        entry = nif.v6.link_local()
        out = self.ip.icmp.message(_SOLICIT, _RS_LEN + 8 if entry else _RS_LEN)
        if out is None:
            return
        if entry:
            nif.v6.nd.put_mac(out.buf, out.l4 + _RS_LEN, _SOURCE_MAC)
        nif.v6.nd.send(out, entry.addr if entry else _NOBODY, ALL_ROUTERS)

    # -- input ------------------------------------------------------------------------------

    def advertised(self, fr):
        """RFC 4861 6.3.4. Borrows `fr`."""
        buf = fr.buf
        at = fr.l4
        v6 = self.nif.v6
        nd = v6.nd
        if not nd.valid(fr, _RA_LEN):
            return
        src = fr.l3 + _IP_SRC
        linked = buf[src] == 0xFE and buf[src + 1] & 0xC0 == 0x80  # RFC 4861 6.1.2
        if not linked or v6.find(buf, src):  # or somebody in our name
            nd.bad()
            return
        if v6.advertiser:
            v6.advertiser.heard(fr)
        if not v6.auto:
            return
        if not self.nif.link:  # it has come up: doubt() is about what was said before
            self.nif.check_link()
        lifetime = get16(buf, at + 6)
        if lifetime and self._interval > _INTERVAL_MS:
            self._timer.stop()
        copy(self._src, 0, buf, src, 16)
        mac = option(buf, at + _RA_LEN, fr.end, _SOURCE_MAC)
        if mac:
            nd.learn(buf, src, mac + 2)
        nd.is_router(buf, src)
        self._parameters(buf, at)
        self._route(_NOBODY, 0, lifetime, buf[at + 5])
        at += _RA_LEN
        while at < fr.end:
            self._option(buf, at, buf[at + 1] << 3)
            at += buf[at + 1] << 3
        if self.ip.managed:
            self.ip.managed(self.nif, buf[fr.l4 + 5])

    def _parameters(self, buf, at):
        v6 = self.nif.v6
        nd = v6.nd
        if buf[at + 4] and buf[at + 4] != v6.hop_limit:
            v6.hop_limit = buf[at + 4]
            self.st.rerouted()
        reachable = get32(buf, at + 8)
        if 0 < reachable <= _REACHABLE_MOST and reachable != nd.base_ms:
            nd.base_ms = reachable
            nd.draw()
        retrans = get32(buf, at + 12)
        if _RETRANS_LEAST <= retrans <= _REACHABLE_MOST:
            nd.retrans_ms = retrans

    def _route(self, prefix, plen, lifetime, flags):
        """What lies behind this router, for so long (RFC 4191 3.1)."""
        routes = self.ip.routes
        if lifetime == 0:
            route = routes.get(prefix, plen, self.nif, self._src)
            if route and route.origin == ADVERTISED:
                routes.remove(route)
            return
        bits = flags >> 3 & 3
        preference = 1 if bits == 1 else -1 if bits == 3 else 0
        until = self.ip.life.after(lifetime)
        routes.add(prefix, plen, self.nif, self._src, ADVERTISED, until, preference)

    def _option(self, buf, at, n):
        kind = buf[at]
        if kind == _PREFIX and n == 32:
            self._prefix(buf, at)
        elif kind == _MTU and n == 8:
            mtu = get32(buf, at + 4)
            if _MTU_MIN <= mtu <= self.nif.mtu and mtu != self.nif.v6.mtu:
                self.nif.v6.mtu = mtu
                self.st.rerouted()
        elif kind == _ROUTE and 8 <= n <= 24:
            self._more_specific(buf, at, n)
        elif kind == _SERVERS and n >= 24:
            self._servers(buf, at, n)
        elif kind == _DOMAINS and n >= 16:
            self._domains(buf, at, n)

    def _prefix(self, buf, at):
        plen = buf[at + 2]
        flags = buf[at + 3]
        valid = get32(buf, at + 4)
        preferred = get32(buf, at + 8)
        at += 16
        linked = buf[at] == 0xFE and buf[at + 1] & 0xC0 == 0x80
        if plen > 128 or buf[at] == 0xFF or linked:  # RFC 4861 6.3.4
            return
        if flags & 0x80:
            prefix = network(buf[at : at + 16], plen)
            routes = self.ip.routes
            route = routes.get(prefix, plen, self.nif, None)
            if valid:
                until = self.ip.life.after(valid)
                routes.add(prefix, plen, self.nif, None, ADVERTISED, until)
            elif route and route.origin == ADVERTISED:
                routes.remove(route)
        if flags & 0x40:
            self.autoconf.offered(buf, at, plen, preferred, valid)

    def _more_specific(self, buf, at, n):
        """RFC 4191 2.3"""
        plen = buf[at + 2]
        if plen > 128 or plen > (n - 8) << 3 or buf[at + 3] >> 3 & 3 == 2:
            return
        prefix = bytearray(16)
        prefix[0 : n - 8] = buf[at + 8 : at + n]
        self._route(network(prefix, plen), plen, get32(buf, at + 4), buf[at + 3])

    # -- DNS --------------------------------------------------------------------------------

    def _servers(self, buf, at, n):
        """RFC 8106 5.1"""
        until = self._until(buf, at)
        for off in range(at + 8, at + n - 15, 16):
            if buf[off] != 0xFF:
                _note(self.servers, bytes(buf[off : off + 16]), until)
        self._changed()

    def _domains(self, buf, at, n):
        """RFC 8106 5.2"""
        until = self._until(buf, at)
        end = at + n
        at += 8
        while at < end and buf[at]:
            labels = []
            while at < end and buf[at]:
                size = buf[at]
                if size > 63 or at + 1 + size >= end:
                    self._changed()
                    return
                labels.append(bytes(buf[at + 1 : at + 1 + size]))
                at += 1 + size
            at += 1
            try:
                _note(self.domains, b".".join(labels).decode(), until)
            except UnicodeError:
                pass  # no domain of ours
        self._changed()

    def _until(self, buf, at):
        lifetime = get32(buf, at + 4)
        return self.ip.life.after(lifetime) if lifetime else 0

    def _changed(self):
        for row in self.servers + self.domains:
            self.ip.life.due(row[1])
        self.tell()

    def tell(self):
        """Let the resolver know."""
        if self.st.dns:
            servers = [row[0] for row in self.servers]
            self.st.dns.set_servers(self, servers, [row[0] for row in self.domains])

    def forget(self):
        """Nothing of what routers have said holds any more."""
        self._timer.stop()
        self.servers.clear()
        self.domains.clear()
        self.tell()

    def expire(self, now):
        soonest = FOREVER
        gone = False
        for rows in (self.servers, self.domains):
            for row in list(rows):
                if row[1] <= now:
                    rows.remove(row)
                    gone = True
                elif row[1] < soonest:
                    soonest = row[1]
        if gone:
            self.tell()
        return soonest


def _note(rows, value, until):
    """Enter a value, renew it, or (until 0) drop it. The one that ends first makes room."""
    for row in rows:
        if row[0] == value:
            row[1] = until
            if until == 0:
                rows.remove(row)
            return
    if until == 0:
        return
    if len(rows) == _NAMES_MOST:
        first = min(rows, key=_ends)
        if first[1] >= until:
            return
        rows.remove(first)
    rows.append([value, until])


def _ends(row):
    return row[1]


def _advertised(fr):
    if fr.nif.v6.nd:
        fr.nif.v6.routers.advertised(fr)
