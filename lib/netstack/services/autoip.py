# An IPv4 address without anybody who gives one: 169.254.x.y (RFC 3927). Alone, or beside a DHCP
# client: then only while that has no answer, and it gives way as soon as there is a lease.
#
#   WAITING -(no address, DHCP unanswered)-> PROBING -> ANNOUNCING -> BOUND
#   conflict: PROBING again, with another address; the link goes, or another address comes: WAITING

from hashlib import sha256
from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import same

_OFF = const(0)
_WAITING = const(1)
_PROBING = const(2)
_ANNOUNCING = const(3)
_BOUND = const(4)

# RFC 3927 section 9
_PROBE_WAIT = const(1000)  # before the first probe, at random
_PROBES = const(3)
_PROBE_MIN = const(1000)
_PROBE_MAX = const(2000)
_ANNOUNCE_WAIT = const(2000)
_ANNOUNCES = const(2)
_ANNOUNCE_MS = const(2000)
_CONFLICTS = const(10)
_RATE_MS = const(60000)

_LOOK_MS = const(1000)  # how often the DHCP client is looked at
_DISCOVERS = const(3)  # of its, unanswered
_LINK_DOWN = const(2)
_MASK = b"\xff\xff\0\0"
_NOBODY = b"\0\0\0\0"

NAMES = ("bound", "conflicts", "lost")
_BINDS = const(0)
_CONFLICT = const(1)  # addresses that turned out to be taken
_LOST = const(2)  # addresses given up because another station would not


class AutoIP:
    """Made once per interface, by attach()."""

    def __init__(self, nif):
        self.nif = nif
        self.st = nif.st
        self.arp = nif.arp
        self.stat = nif.st.counters(nif.name + ".autoip", NAMES)
        self.state = _OFF
        self.addr = bytearray(4)
        self.conflicts = 0
        self._tries = 0
        self._number = 0  # of the address, in the order in which this host takes them
        self._timer = self.st.timers.new(self._due)
        self._on_conflict = self._conflict
        self._on_lost = self._lose
        self.st.watchers.append(self._watch)
        nif.autoip = self

    @property
    def bound(self):
        return self.state >= _ANNOUNCING

    def start(self):
        if self.state == _OFF:
            self.conflicts = 0
            self._wait()
            self._due()

    def stop(self):
        mine = self._mine()
        self._end()
        self.state = _OFF
        self._timer.stop()
        if mine:
            self.st.ip4.configure(self.nif, _NOBODY, _NOBODY)

    # -- state ------------------------------------------------------------------------------

    def _mine(self):
        """Has the interface the address that we gave it?"""
        return self.bound and same(self.nif.v4.addr, 0, self.addr, 0, 4)

    def _end(self):
        arp = self.arp
        if arp.on_conflict is self._on_conflict:
            arp.on_conflict = arp.probing = None
        if arp.on_lost is self._on_lost:
            arp.on_lost = None

    def _wait(self):
        self._end()
        self.state = _WAITING
        self._timer.start(self.st.now, _LOOK_MS)

    def _wanted(self):
        """Is there a link, no address, and nobody else who is about to have one?"""
        nif = self.nif
        if not nif.up or not nif.link or nif.v4.set or self.arp.probing:
            return False
        client = self.st.dhcp.get(nif)
        return client is None or client.state == _OFF or client.discovers >= _DISCOVERS

    def _choose(self):
        """RFC 3927 2.1: 169.254.1.0 to 169.254.254.255, at random, the same ones each time."""
        h = sha256(self.nif.mac)
        h.update(bytes((self._number >> 8 & 255, self._number & 255)))
        digest = h.digest()
        copy(self.addr, 0, bytes((169, 254, 1 + digest[0] % 254, digest[1])), 0, 4)
        self._tries = 0
        self.state = _PROBING

    def _due(self):
        if self.state == _WAITING:
            if self._wanted():
                self._choose()
                ms = self.st.random.below(_PROBE_WAIT)
                if self.conflicts > _CONFLICTS:
                    ms += _RATE_MS
                self._timer.start(self.st.now, ms)
            else:
                self._timer.start(self.st.now, _LOOK_MS)
        elif self.state == _PROBING:
            self._probe()
        elif self.state == _ANNOUNCING:
            self._announce()

    def _probe(self):
        arp = self.arp
        if self.nif.v4.set or (arp.on_conflict and arp.on_conflict is not self._on_conflict):
            self._wait()  # DHCP has got something
            return
        if self._tries == _PROBES:
            self._take()
            return
        self._tries += 1
        arp.on_conflict = self._on_conflict
        arp.probe(self.addr)
        ms = _ANNOUNCE_WAIT
        if self._tries < _PROBES:
            ms = _PROBE_MIN + self.st.random.below(_PROBE_MAX - _PROBE_MIN)
        self._timer.start(self.st.now, ms)

    def _take(self):
        self._end()
        self.state = _ANNOUNCING
        self._tries = 0
        self.conflicts = 0
        self.stat[_BINDS] += 1
        self.arp.on_lost = self._on_lost
        self.st.ip4.configure(self.nif, self.addr, _MASK, _NOBODY, False)
        self._announce()

    def _announce(self):
        self.arp.announce()
        self._tries += 1
        if self._tries == _ANNOUNCES:
            self.state = _BOUND
        else:
            self._timer.start(self.st.now, _ANNOUNCE_MS)

    # -- what happens -----------------------------------------------------------------------

    def _conflict(self, addr):
        """Another station has the address, or probes for it as we do."""
        self.stat[_CONFLICT] += 1
        self.conflicts += 1
        self._number += 1
        self._wait()
        self._timer.start(self.st.now, 0)

    def _lose(self):
        """Another station goes on using our address (RFC 3927 2.5 (b))."""
        self.stat[_LOST] += 1
        self.conflicts += 1
        self._number += 1
        self._wait()
        self.st.ip4.configure(self.nif, _NOBODY, _NOBODY)

    def _watch(self, nif, event):
        if nif is not self.nif or self.state <= _WAITING:
            return
        if event == _LINK_DOWN:  # another network perhaps: to be probed there anew
            mine = self._mine()
            self._wait()
            if mine:
                self.st.ip4.configure(nif, _NOBODY, _NOBODY)
        elif self.bound and not self._mine():
            self._wait()  # a lease has come, or the user has set one


def attach(nif):
    """Let an interface have an address of its own choice. It begins with start()."""
    return getattr(nif, "autoip", None) or AutoIP(nif)
