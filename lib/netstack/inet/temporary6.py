# Temporary addresses (RFC 8981): beside the stable address of each prefix (slaac.py) one that is
# drawn at random and gives way to another after a day, so that nobody can follow this host by its
# address. New connections are made from those (RFC 6724 5, rule 7). Loaded when a program asks.
#
#   a router's prefix, or _ADVANCE before the last one ends -> renew() -> ip.add() -> DAD

from micropython import const
from netstack.core.wire import same
from netstack.inet.address6 import AUTO, DUPLICATE
from netstack.inet.lifetime import FOREVER
from netstack.inet.slaac import reserved

_PREFERRED = const(86400)  # RFC 8981 3.8: TEMP_PREFERRED_LIFETIME,
_VALID = const(172800)  # TEMP_VALID_LIFETIME
_TRIES = const(3)  # TEMP_IDGEN_RETRIES
_SPARE = const(2)  # addresses that a program can still add


class Temporary:
    """Made once per interface, by attach(). `preferred`, `valid`: seconds."""

    def __init__(self, autoconf):
        self.autoconf = autoconf
        self.ip = autoconf.ip
        self.nif = autoconf.nif
        self.preferred = _PREFERRED
        self.valid = _VALID
        self._tries = {}  # prefix -> how many random addresses others had already
        autoconf.temporary = self

    def _advance(self):
        """RFC 8981 3.8: REGEN_ADVANCE, the seconds in which an address is checked."""
        v6 = self.nif.v6
        return 2 + _TRIES * v6.transmits * v6.nd.retrans_ms // 1000

    def renew(self, now):
        """See that each prefix has an address that is preferred for a while. The moment at which
        there is more to do."""
        soonest = FOREVER
        for stable in list(self.nif.v6.list):
            if stable.origin != AUTO or stable.temporary or stable.state == DUPLICATE:
                continue
            if self._end(stable) - self._advance() <= now:
                self._make(stable, now)
            moment = self._end(stable) - self._advance()
            if now < moment < soonest:
                soonest = moment
        return soonest

    def _end(self, stable):
        """Until when a temporary address with the prefix of `stable` is preferred."""
        end = 0
        for entry in self.nif.v6.list:
            if entry.temporary and same(entry.addr, 0, stable.addr, 0, 8):
                end = max(end, entry.preferred)
        return end

    def _make(self, stable, now):
        """RFC 8981 3.4: the prefix may last for less long, and none is made for an instant."""
        v6 = self.nif.v6
        prefix = bytes(stable.addr[:8])
        # MAX_DESYNC_FACTOR is 0.4 of TEMP_PREFERRED_LIFETIME: not all hosts change at once
        desync = self.preferred * 2 // 5 * self.ip.st.random.below(1024) // 1024
        most = now + self.preferred - desync
        preferred = min(stable.preferred, most)
        if preferred - now <= self._advance() or self._tries.get(prefix, 0) > _TRIES:
            return
        if v6.room() <= _SPARE:
            return
        addr = bytearray(stable.addr)
        self.ip.st.random.fill(addr, 8, 8)
        while reserved(addr):
            self.ip.st.random.fill(addr, 8, 8)
        valid = now + self.valid
        entry = self.autoconf.enter(addr, AUTO, preferred, min(stable.valid, valid), True)
        if entry:
            entry.preferred_most = most
            entry.valid_most = valid

    def duplicate(self, entry):
        """Another station has that address. RFC 8981 3.4: another one, a few times."""
        prefix = bytes(entry.addr[:8])
        self._tries[prefix] = self._tries.get(prefix, 0) + 1
        self.ip.life.due(self.renew(self.ip.life.now()))

    def restart(self):
        """The link was away, and may be another one. RFC 8981 3.6: no new connection from the
        addresses of before."""
        self._tries.clear()
        now = self.ip.life.now()
        for entry in self.nif.v6.list:
            if entry.temporary:
                entry.preferred_most = now
                entry.preferred = min(entry.preferred, now)
        self.ip.life.due(now)

    def stop(self):
        """None any more."""
        self.autoconf.temporary = None
        for entry in list(self.nif.v6.list):
            if entry.temporary:
                self.ip.remove(self.nif, entry)


def attach(nif, preferred=_PREFERRED, valid=_VALID):
    """Temporary addresses for an interface: each is preferred for so many seconds, and valid."""
    autoconf = nif.v6.autoconf
    temporary = autoconf.temporary or Temporary(autoconf)
    temporary.preferred = preferred
    temporary.valid = valid
    life = autoconf.ip.life
    life.due(temporary.renew(life.now()))
    return temporary
