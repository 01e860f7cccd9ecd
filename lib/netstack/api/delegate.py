# A prefix that a DHCPv6 server delegates (RFC 8415 6.3) for the networks behind us:
#
#   netstack.delegate(wan, lan)           lan has the first /64 of it, which its hosts are told
#   netstack.delegate(wan, guests, 1)     this one the second

from netstack.api import host, router
from netstack.api.inet6 import text
from netstack.api.router6 import advertise
from netstack.inet import address6
from netstack.inet.lifetime import FOREVER
from netstack.services import dhcp6

_BITS = 64  # of a network

active = []


class Delegation:
    """What delegate() has begun. `networks`: what lan has now, ["2001:db8:0:1::/64", ...]."""

    def __init__(self, wan, lan, number, told):
        self.lan = lan
        self.nif = lan._wire.nif
        self.client = dhcp6.attach(wan._wire.nif)
        self.number = number
        self.networks = []
        self.advertisement = None
        self._told = told
        self._wholes = []  # the prefixes that they are of
        self._entries = {}  # network -> our address in it
        self._changed_bound = self._changed
        self.client.on_prefixes.append(self._changed_bound)

    def _changed(self, client):
        host.owe(self)  # the stack itself calls: nothing may be begun now

    def call_back(self):
        """Have lan use what there is."""
        if self not in active:
            return
        rows = {}
        for item in self.client.prefixes:
            net = _part(item.addr, item.plen, self.number)
            if net:
                rows[net] = item
        st = host.stack()
        host.enter(st)
        try:
            self._address(rows)
            lifetimes = self._lifetimes(rows.values())
        finally:
            host.leave(st)
        self._reject([text(item.addr) + "/%d" % item.plen for item in rows.values()])
        self.networks = [text(net) + "/%d" % _BITS for net in rows]
        if self.networks or self.advertisement:
            valid, preferred = lifetimes
            self.advertisement = advertise(
                self.lan, self.networks, valid=valid, preferred=preferred, **self._told
            )

    def _address(self, rows):
        """Ours in each network is the first."""
        ip = self.nif.v6.ip
        for net in list(self._entries):
            entry = self._entries[net]
            if net not in rows or entry not in self.nif.v6.list:
                self._entries.pop(net)
                if entry in self.nif.v6.list:
                    ip.remove(self.nif, entry)
        for net, item in rows.items():
            entry = self._entries.get(net)
            if entry is None:
                addr = net[:15] + b"\1"
                entry = ip.add(self.nif, addr, _BITS, address6.DHCP, item.preferred, item.valid)
                self._entries[net] = entry
            else:
                entry.renew(item.preferred, item.valid, ip.life)

    def _lifetimes(self, items):
        """(valid, preferred) in seconds as they will be when the client renews them next: hosts
        are not to have them for longer than we (RFC 7084 L-13)."""
        life = self.nif.v6.ip.life
        ahead = life.left(self.client.t1)
        result = []
        for what in ("valid", "preferred"):
            left = min([life.left(getattr(item, what)) for item in items] + [FOREVER])
            result.append(-1 if left == FOREVER else max(left - min(ahead, left // 2), 0))
        if result[0] >= 0:
            result[1] = result[0] if result[1] < 0 else min(result)
        return result

    def _reject(self, wholes):
        """RFC 7084 WPD-5: what of a prefix is not in use must not go back to where it is from."""
        for net in self._wholes:
            if net not in wholes and not any(net in d._wholes for d in active if d is not self):
                router.remove_route(net)
        for net in wholes:
            if net not in self._wholes:
                router.add_route(net, reject=True)
        self._wholes = wholes

    def stop(self):
        """lan gives it back."""
        if self not in active:
            return
        active.remove(self)
        self.client.on_prefixes.remove(self._changed_bound)
        if self.advertisement:  # its last words are that the networks are gone
            advertise(self.lan, [], **self._told).stop()
            self.advertisement = None
        self._reject([])
        host.call(host.stack(), self._address, {})
        self.networks = []


def _part(prefix, plen, number):
    """Network `number` of a prefix; None: it has not so many."""
    if plen > _BITS or number >> (_BITS - plen):
        return None
    net = bytearray(prefix)
    for i in range(8):
        net[7 - i] |= number >> 8 * i & 255
    return bytes(net)


def delegate(wan, lan, number=0, **told):
    """Let `lan` have network `number` of each prefix that a DHCPv6 server on the side of `wan`
    delegates; wan asks for one unless it does already. told: what advertise() takes more. Returns
    what has `networks` and stop()."""
    if not 0 <= number <= 0xFFFF:
        raise ValueError("delegate: network %s: 0 to 65535" % number)
    if wan.ipconfig("prefix6") is False:
        wan.ipconfig(dhcp6=True, prefix6=True)
    made = Delegation(wan, lan, number, told)
    active.append(made)
    made.call_back()
    return made
