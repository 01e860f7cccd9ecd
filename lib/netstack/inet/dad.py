# Duplicate address detection (RFC 4862 5.4): before an address is used, it is asked for. What is
# heard of ourselves by a wire that loops back is told by a nonce (RFC 7527). An address from a
# router's prefix may be used while it is asked for (RFC 4429), if the program wants that.

from micropython import const
from netstack.core.checksum import copy
from netstack.core.clock import elapsed, later
from netstack.core.wire import same
from netstack.inet.address6 import AUTO, DEPRECATED, DUPLICATE, OPTIMISTIC, PREFERRED, TENTATIVE

_DELAY_MS = const(1000)  # RFC 4862 5.4.2: a random part of it, so that not all speak at once
_MORE = const(3)  # RFC 7527 4.1: MAX_MULTICAST_SOLICIT, asked anew when one has come back
_ADDRESS = const(4)  # an event of core/interface.py


class DAD:
    """Checks the addresses of one interface. An entry's `probes` says how often it was asked for,
    `due` when that is to be gone on with."""

    def __init__(self, ip, nif):
        self.ip = ip
        self.st = ip.st
        self.nif = nif
        self.on_duplicate = None  # callable (entry): another station has it
        self._timer = self.st.timers.new(self._tick)
        nif.v6.nd.on_conflict = self._taken

    def start(self, entry, delay=True):
        """Check an address, or check it once more."""
        v6 = self.nif.v6
        entry.probes = 0
        if v6.transmits == 0:
            self._passed(entry)
            return
        entry.state = TENTATIVE
        self.st.rerouted()
        if not (self.nif.up and self.nif.link):
            return  # begun when there is somebody to be asked
        if v6.optimistic and entry.origin == AUTO and v6.routers.reached():
            entry.state = OPTIMISTIC  # RFC 4429 3.1: not before the router is known
            self.st.notify(self.nif, _ADDRESS)
        self.st.random.fill(entry.nonce, 0, 12)
        ms = self.st.random.below(_DELAY_MS) if delay else 0
        self._wait(entry, ms)

    def restart(self):
        """There may be other stations now."""
        for entry in self.nif.v6.list:
            self.start(entry)

    def _wait(self, entry, ms):
        entry.due = later(self.st.now, ms)
        if not self._timer.active or elapsed(entry.due, self._timer.due) < 0:
            self._timer.start(self.st.now, ms)

    def _tick(self):
        now = self.st.now
        v6 = self.nif.v6
        if not (self.nif.up and self.nif.link):
            return
        for entry in list(v6.list):
            if entry.unsure() and elapsed(now, entry.due) >= 0:
                if entry.probes >= v6.transmits:
                    self._passed(entry)
                    continue
                entry.probes += 1
                copy(entry.nonce, 6, entry.nonce, 0, 6)
                self.st.random.fill(entry.nonce, 0, 6)  # RFC 7527 4.1: each has its own
                v6.nd.check(entry)
                entry.due = later(now, v6.nd.retrans_ms)
        soonest = -1
        for entry in v6.list:
            if entry.unsure():
                left = elapsed(entry.due, now)
                if soonest < 0 or left < soonest:
                    soonest = left
        if soonest >= 0:
            self._timer.start(now, soonest)

    def _passed(self, entry):
        expired = entry.preferred <= self.ip.life.now()
        entry.state = DEPRECATED if expired else PREFERRED
        self.st.notify(self.nif, _ADDRESS)

    def _taken(self, entry):
        """Another station has the address, or wants it at the same time."""
        if not entry.unsure():
            return
        entry.state = DUPLICATE
        self.st.notify(self.nif, _ADDRESS)
        if self.on_duplicate:
            self.on_duplicate(entry)

    def looped(self, entry, buf, at):
        """Is the nonce option at buf[at] that of our own check of `entry`? Then what we hear next
        may be ourselves as well: it passes when nothing comes back any more (RFC 7527 4.1)."""
        if buf[at + 1] != 1:
            return False
        if not same(buf, at + 2, entry.nonce, 0, 6) and not same(buf, at + 2, entry.nonce, 6, 6):
            return False
        entry.probes = self.nif.v6.transmits - _MORE
        return True


def put_nonce(entry, buf, at):
    buf[at] = 14
    buf[at + 1] = 1
    copy(buf, at + 2, entry.nonce, 0, 6)
