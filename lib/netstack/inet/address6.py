# The IPv6 state of an interface: its addresses with their states and lifetimes (RFC 4862 2, 5.5.4)
# and what routers have told about the link.

from micropython import const
from netstack.core.wire import same
from netstack.inet import select6
from netstack.inet.lifetime import FOREVER
from netstack.inet.route6 import network

TENTATIVE = const(0)  # being checked (RFC 4862 5.4)
PREFERRED = const(1)
DEPRECATED = const(2)  # goes on, but begins nothing new
DUPLICATE = const(3)  # another station has it
OPTIMISTIC = const(4)  # being checked, and in use already (RFC 4429)

STATIC = const(0)  # where it comes from: a program,
LINK_LOCAL = const(1)  # ourselves,
AUTO = const(2)  # a router's prefix (slaac.py)
DHCP = const(3)  # a server

_LIMIT = const(16)  # addresses of an interface
_HOP_LIMIT = const(64)


class Entry:
    """One address."""

    def __init__(self, addr, plen, origin):
        self.addr = bytearray(addr)
        self.plen = plen
        self.origin = origin
        self.state = PREFERRED
        self.temporary = False  # of temporary6.py
        self.preferred = FOREVER  # until then (lifetime.py)
        self.valid = FOREVER
        self.preferred_most = FOREVER  # whatever routers say
        self.valid_most = FOREVER
        self.probes = 0  # of dad.py
        self.due = 0
        self.nonce = bytearray(12)  # of the last two
        self.tries = 0  # of slaac.py: hashes that others had already

    def usable(self):
        """Do we answer and send from it?"""
        return self.state in (PREFERRED, DEPRECATED, OPTIMISTIC)

    def unsure(self):
        """Is it being checked?"""
        return self.state == TENTATIVE or self.state == OPTIMISTIC

    def last(self, preferred, valid):
        """How long it is preferred, and valid, from now on: no longer than it may be."""
        self.preferred = min(preferred, self.preferred_most)
        self.valid = min(valid, self.valid_most)

    def renew(self, preferred, valid, life):
        """The same of one that is there already."""
        self.last(preferred, valid)
        if self.state == PREFERRED or self.state == DEPRECATED:
            self.state = PREFERRED if self.preferred > life.now() else DEPRECATED
            life.st.rerouted()
        life.due(self.preferred)
        life.due(self.valid)


class Addresses:
    """nif.v6"""

    def __init__(self, ip, nif):
        self.ip = ip
        self.nif = nif
        self.list = []
        self.nd = None  # nd.py, where the link has addresses
        self.groups = None  # of mld.py
        self.dad = None  # dad.py
        self.autoconf = None  # slaac.py
        self.routers = None  # router6.py
        self.dhcp = None  # services/dhcp6.py
        self.auto = True  # make addresses, and believe routers
        self.forwards = False  # we are a router here: forward6.py
        self.advertiser = None  # and say so: advertise6.py
        self.transmits = 1  # RFC 4862 5.1: DupAddrDetectTransmits
        self.optimistic = False  # RFC 4429: use addresses from prefixes while they are checked
        self.mtu = nif.mtu
        self.hop_limit = _HOP_LIMIT

    def find(self, buf, off):
        """The entry of this address, whatever its state; None: it is none of ours."""
        for entry in self.list:
            if same(buf, off, entry.addr, 0, 16):
                return entry
        return None

    def link_local(self):
        """The entry of a link-local address that may be used, or None."""
        for entry in self.list:
            if entry.usable() and select6.scope(entry.addr) == 2:
                return entry
        return None

    def reaches(self):
        """Is there an address that reaches further than the link?"""
        for entry in self.list:
            if entry.usable() and select6.scope(entry.addr) > 2:
                return True
        return False

    def room(self):
        """How many more addresses there may be."""
        return _LIMIT - len(self.list)

    def find_source(self, dst):
        """The entry of the address to send from to `dst`, or None."""
        rather_stable = self.autoconf is None or self.autoconf.temporary is None
        return select6.source(self.list, dst, rather_stable)

    def source(self, dst):
        """That address, or None. A buffer not to be kept."""
        entry = self.find_source(dst)
        return entry.addr if entry else None

    def prefix(self, entry):
        return network(entry.addr, entry.plen)

    def expire(self, now):
        """Do what is due of addresses; the moment at which something is next."""
        soonest = FOREVER
        for entry in list(self.list):
            if entry.valid <= now:
                self.ip.remove(self.nif, entry)
                continue
            if entry.state == PREFERRED and entry.preferred <= now:
                entry.state = DEPRECATED
                self.ip.st.rerouted()
            moment = entry.preferred if entry.preferred > now else entry.valid
            if moment < soonest:
                soonest = moment
        if self.routers:
            soonest = min(soonest, self.routers.expire(now))
        if self.autoconf and self.autoconf.temporary:
            soonest = min(soonest, self.autoconf.temporary.renew(now))
        return soonest
