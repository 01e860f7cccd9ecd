# Addresses that a host gives itself (RFC 4862 5.3, 5.5): one that holds on the link, and one for
# each prefix that routers offer. Their last 64 bits are a hash of prefix, interface and a secret
# (RFC 7217): the same whenever the host comes to this network, and others elsewhere. Beside them
# there may be some that change every day: temporary6.py, where a program asks for those.

from hashlib import sha256
from micropython import const
from netstack.core.wire import same, zero
from netstack.inet import address6
from netstack.inet.lifetime import FOREVER

_LINK_LOCAL = b"\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
_TRIES = const(3)  # RFC 7217 6: IDGEN_RETRIES
_SECRET = const(16)
_TWO_HOURS = const(7200)
_MOST = const(6)  # prefixes that addresses are made for
_REGAIN = const(60)  # seconds in which routers of the new link must confirm what the old said


class Autoconf:
    def __init__(self, ip, nif, dad):
        self.ip = ip
        self.nif = nif
        self.dad = dad
        self.temporary = None  # of temporary6.py
        dad.on_duplicate = self._duplicate

    def link_local(self):
        """See that there is an address for the link."""
        for entry in self.nif.v6.list:
            if same(entry.addr, 0, _LINK_LOCAL, 0, 8):
                return
        self._make(_LINK_LOCAL, address6.LINK_LOCAL, FOREVER, FOREVER, 0)

    def _make(self, prefix, origin, preferred, valid, tries):
        addr = identifier(prefix, self.nif, self._secret(), tries)
        entry = self.enter(addr, origin, preferred, valid)
        if entry:
            entry.tries = tries

    def enter(self, addr, origin, preferred, valid, temporary=False):
        """Add an address of our own making. Returns its entry; None: there is no room for it, or
        it is ours already."""
        try:
            entry = self.ip.add(self.nif, addr, 64, origin, preferred, valid)
            entry.temporary = temporary
            return entry
        except OSError:
            return None

    def _secret(self):
        """RFC 7217 5: 128 bits. Who wants the same addresses after a restart sets some."""
        if not self.ip.secret:
            secret = bytearray(_SECRET)
            self.ip.st.random.fill(secret, 0, _SECRET)
            self.ip.secret = bytes(secret)
        return self.ip.secret

    def _duplicate(self, entry):
        """RFC 7217 6: another hash, a few times."""
        if entry.origin not in (address6.LINK_LOCAL, address6.AUTO):
            return  # for others to deal with
        self.ip.remove(self.nif, entry)
        if entry.temporary:
            if self.temporary:
                self.temporary.duplicate(entry)
        elif entry.tries < _TRIES:
            prefix = self.nif.v6.prefix(entry)
            self._make(prefix, entry.origin, entry.preferred, entry.valid, entry.tries + 1)

    def offered(self, buf, off, plen, preferred, valid):
        """RFC 4862 5.5.3: a router offers the prefix at buf[off] for so many seconds."""
        if (
            plen != 64
            or preferred > valid
            or buf[off] == 0xFF
            or same(buf, off, _LINK_LOCAL, 0, 8)
        ):
            return
        count = 0
        known = False
        for entry in self.nif.v6.list:
            if entry.origin == address6.AUTO:
                mine = same(entry.addr, 0, buf, off, 8)
                if mine:
                    self._renew(entry, preferred, valid)
                if not entry.temporary:
                    count += 1
                    known = known or mine
        if not known and valid and count < _MOST:
            prefix = bytearray(16)
            prefix[0:8] = buf[off : off + 8]
            life = self.ip.life
            self._make(prefix, address6.AUTO, life.after(preferred), life.after(valid), 0)
        if self.temporary:
            self.ip.life.due(self.temporary.renew(self.ip.life.now()))

    def _renew(self, entry, preferred, valid):
        """RFC 4862 5.5.3 (e): nobody shortens an address's life to less than two hours."""
        life = self.ip.life
        left = life.left(entry.valid)
        if valid <= _TWO_HOURS and valid <= left:
            valid = min(left, _TWO_HOURS)
        entry.renew(life.after(preferred), life.after(valid), life)

    def doubt(self):
        """The link was away, and may be another one: what its routers said holds for a minute,
        unless they say it again."""
        if self.temporary:
            self.temporary.restart()
        life = self.ip.life
        soon = life.after(_REGAIN)
        for entry in self.nif.v6.list:
            if entry.origin == address6.AUTO:
                entry.valid = min(entry.valid, soon)
                entry.preferred = min(entry.preferred, soon)
        for route in self.ip.routes.list:
            if route.nif is self.nif and route.origin:
                route.until = min(route.until, soon)
        life.due(soon)


def identifier(prefix, nif, secret, tries):
    """The address in a prefix of 64 bits (RFC 7217 5)."""
    addr = bytearray(prefix)
    while True:
        h = sha256(addr[0:8])
        h.update(nif.mac)
        h.update(bytes((tries,)))
        h.update(secret)
        nic = nif.nic
        while hasattr(nic, "vid"):  # a VLAN has the link address of what it is on
            h.update(bytes((nic.vid >> 8, nic.vid & 255)))
            nic = nic.trunk.nif.nic
        addr[8:16] = h.digest()[:8]
        if not reserved(addr):
            return addr
        tries += 128


def reserved(addr):
    """Nobody may have these last 64 bits (RFC 5453)."""
    return zero(addr, 8, 8) or addr[8] == 0xFD and addr[9] == 0xFF and addr[10] == 0xFF
