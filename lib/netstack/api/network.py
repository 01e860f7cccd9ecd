# MicroPython's `network`: interfaces, their addresses, DHCP and DNS settings (see docs/library of
# MicroPython). network.LAN() is the port's or board's own NIC, network.LAN(nic=obj) one of yours.
#
# active(True) brings the interface up and starts DHCP unless an address has been set by hand.

from micropython import const
from netstack.api import address as _address
from netstack.api import host as _host
from netstack.api import state as _state

STAT_IDLE = const(0)  # not active
STAT_CONNECTING = const(1)  # no link yet
STAT_NO_IP = const(2)  # link, but no address yet
STAT_GOT_IP = const(3)
STAT_CONNECT_FAIL = const(-1)  # no lease, or address taken: status("error") tells

_EADDRINUSE = const(98)
_ETIMEDOUT = const(110)
_LINK_UP = const(1)
_PATIENCE = const(4)  # unanswered DHCP messages before it is called a failure
_DHCP_MS = const(10000)
_RELEASE_MS = const(1200)
_ASKED_MS = const(10)
_PROBES = const(2)  # as DHCP does, see services/dhcp.py
_PROBE_MS = const(200)
_MTU_MIN = const(68)  # RFC 791 3.2
_NAME_MAX = const(32)
_NDOTS_MAX = const(15)
del const
_NOBODY = b"\0\0\0\0"

_country = "XX"

_DHCP6 = ("dhcp6", "prefix6", "has_dhcp6", "lease6", "prefixes6")

# Where the NIC is and how it is wired belongs to the board; other ports' arguments are taken.
_WIRING = ("phy_type", "phy_addr", "ref_clk_mode", "ref_clk", "mdc", "mdio", "power", "reset")


class _Wire:
    """An interface and how it gets its address; all LAN objects of one id share it."""

    def __init__(self, nic, name):
        self.nif = _host.add(nic, name)
        self.st = self.nif.st
        self.manual = False  # the address was set by hand
        self.error = None  # why it was taken away again
        self.told = False  # the user has seen what is wrong
        self._probes = 0
        self._timer = self.st.timers.new(self._check)
        self._taken_bound = self._taken
        self.st.watchers.append(self._watch)

    # -- DHCP -------------------------------------------------------------------------------

    def client(self):
        return self.st.dhcp.get(self.nif)

    def start_dhcp(self):
        from netstack.services import dhcp

        _host.udp()
        self._end_check()
        self.manual = False
        self.error = None
        self.told = False
        self.nif.hostname = _state.hostname
        dhcp.attach(self.nif).start()

    def inform(self):
        """The address is set by hand, the rest comes by DHCP."""
        from netstack.services import dhcp

        _host.udp()
        dhcp.attach(self.nif).inform()

    def choose(self, on):
        """Have an address of our own choice (RFC 3927) while there is no other."""
        from netstack.services import autoip

        auto = autoip.attach(self.nif)
        auto.start() if on else auto.stop()

    def stop_dhcp(self):
        """Give the lease back, and wait until that has been sent: for a second at most."""
        client = self.client()
        if client is None:
            return
        _host.call(self.st, client.release)
        _host.wait(lambda: not client.releasing, _RELEASE_MS)

    def stop_dhcp6(self):
        client = self.nif.v6 and self.nif.v6.dhcp
        if not client or not client.state:
            return
        _host.call(self.st, client.release)
        _host.wait(lambda: not client.releasing, _RELEASE_MS)

    def dhcp_failure(self):
        client = self.client()
        if client and (client.error or client.discovers >= _PATIENCE):
            return client.failed
        client = self.nif.v6 and self.nif.v6.dhcp
        if client and client.mode > 1 and (client.error or client.unanswered >= _PATIENCE):
            return client.failed  # a program has asked for it, not a router
        return None

    # -- addresses set by hand --------------------------------------------------------------

    def configure(self, addr, mask, gw):
        self._end_check()
        self.manual = addr != _NOBODY
        self.error = None
        self.told = False
        self.st.ip4.configure(self.nif, addr, mask, gw, False)
        self.probe()

    def probe(self):
        """Does anybody else have the address? (RFC 5227 2.1; it is used meanwhile.)"""
        if self.manual and self.nif.up and self.nif.link:
            self._probes = _PROBES
            self._check()

    def _check(self):
        arp = self.nif.arp
        if self._probes == 0:
            self._end_check()
            arp.announce()
            return
        self._probes -= 1
        arp.on_conflict = self._taken_bound
        arp.probe(self.nif.v4.addr)
        self._timer.start(self.st.now, _PROBE_MS)

    def _end_check(self):
        self._timer.stop()
        arp = self.nif.arp
        if arp.on_conflict is self._taken_bound:
            arp.on_conflict = arp.probing = None

    def _taken(self, addr):
        self._end_check()
        self.error = "%s: address %s is used by another station" % (
            self.nif.name,
            _address.text(addr),
        )
        self.manual = False
        self.st.ip4.configure(self.nif, _NOBODY, _NOBODY)

    def _watch(self, nif, event):
        if nif is self.nif and event == _LINK_UP:
            self.probe()

    # -- state ------------------------------------------------------------------------------

    def failure(self):
        """What is wrong, in words, or None."""
        if not self.nif.up:
            return None
        return self.error or self.dhcp_failure()

    def connected(self):
        nif = self.nif
        if not (nif.up and nif.link):
            return False
        client = self.client()
        return nif.v4.set or not (client and client.state) and bool(nif.v6 and nif.v6.reaches())

    def ask(self):
        """A program wants to know: let the stack do its work, and tell what is wrong, once."""
        _host.pump()
        if _state.UNIX and not _state.hurried and self.nif.up and not self.connected():
            _host.wait(self.connected, _ASKED_MS)  # nothing else runs the stack while it asks
        if not self.told and self.failure():
            self.told = True
            print("network:", self.failure())


class LAN:
    """LAN(id=0) or LAN(nic=...): an Ethernet interface. The same id is the same interface."""

    def __init__(self, id=None, **wiring):
        nic = wiring.pop("nic", None)
        for name in wiring:
            if name not in _WIRING:
                raise TypeError("LAN: unknown argument %s" % name)
        self._wire = _find(nic) if id is None and nic is not None else _state.lans.get(id or 0)
        if self._wire is None:
            if id is None:
                id = 0
                while nic is not None and id in _state.lans:
                    id += 1
            if nic is None and id != 0:
                raise ValueError("LAN(%d): this board has one, LAN(0)" % id)
            self._wire = _state.lans[id] = _Wire(nic or _host.port_nic(), "eth%d" % id)
        elif nic is not None and self._wire.nif.nic is not nic:
            raise ValueError("LAN(%d) has another NIC" % id)

    def __repr__(self):
        nif = self._wire.nif
        return "<LAN %s %d %s>" % (nif.name, _status(self._wire), _address.text(nif.v4.addr))

    def active(self, up=None):
        wire = self._wire
        nif = wire.nif
        if up is None:
            return nif.up
        if bool(up) == nif.up:
            return
        st = wire.st
        if not up:
            wire.stop_dhcp()
            wire.stop_dhcp6()
        _host.enter(st)
        try:
            if not up:
                nif.set_up(False)
                return
            nif.hostname = _state.hostname
            nif.set_up(True)
            if wire.manual:
                wire.probe()
            else:
                wire.start_dhcp()
        finally:
            _host.leave(st)

    def isconnected(self):
        """Link up and an address."""
        self._wire.ask()
        return self._wire.connected()

    def status(self, param=None):
        """A STAT_ number; status("error"): what is wrong, in words, or None."""
        if param == "error":
            _host.pump()
            return self._wire.failure()
        if param is not None:
            raise ValueError("unknown status param %s" % param)
        self._wire.ask()
        return _status(self._wire)

    def config(self, *args, **kwargs):
        nif = self._wire.nif
        if kwargs:
            if args:
                raise TypeError("can't specify pos and kw args")
            for name, value in kwargs.items():
                self._set(nif, name, value)
            return
        if len(args) != 1:
            raise TypeError("must query one param")
        if args[0] == "mac":
            return bytes(nif.mac)
        if args[0] == "mtu":
            return nif.mtu
        if args[0] == "hostname":
            return _state.hostname
        six = _address.six()
        if six and args[0] in six.PARAMETERS:
            return six.parameter(nif, args[0])
        raise ValueError("unknown config param %s" % args[0])

    def _set(self, nif, name, value):
        if name == "hostname":
            hostname(value)
        elif name == "mtu":
            if not _MTU_MIN <= value <= nif.nic.mtu:
                raise ValueError("mtu %d: %d to %d" % (value, _MTU_MIN, nif.nic.mtu))
            _host.call(nif.st, nif.set_mtu, value)
        elif _address.six() and name in _address.six().PARAMETERS:
            _host.call(nif.st, _address.six().set_parameter, nif, name, value)
        else:
            raise ValueError("config param %s is unknown or cannot be set" % name)

    # -- addresses --------------------------------------------------------------------------

    def ipconfig(self, *args, **kwargs):
        """ipconfig("addr4") asks; ipconfig(addr4="10.0.0.2/24", gw4="10.0.0.1") sets, and ends
        DHCP; ipconfig(dhcp4=True) starts it and does not wait. ipconfig(addr4=..., dhcp4="inform")
        asks DHCP for everything but the address; ipconfig("lease4") tells what has come;
        ipconfig(auto4=True): an address of 169.254.x.y while there is no other (RFC 3927). For
        IPv6: addr6, gw6, autoconf6; "has_autoconf6" asks for an address that a router's prefix
        gave; dhcp6 (True, False, "stateless", "auto": as routers say) and prefix6 (ask for a
        prefix), "has_dhcp6", "lease6", "prefixes6"."""
        if not kwargs:
            if len(args) != 1:
                raise TypeError("must query one param")
            _host.pump()
            return self._get_ip(args[0])
        if args:
            raise TypeError("can't specify pos and kw args")
        six = _address.six()
        for name in kwargs:
            if name not in ("addr4", "gw4", "dhcp4", "auto4"):
                if name not in ("addr6", "gw6", "autoconf6", "dhcp6", "prefix6") or six is None:
                    raise ValueError("unexpected key %s" % name)
        values = six.checked(kwargs) if six else None
        leases = _lease6() if "dhcp6" in kwargs or "prefix6" in kwargs else None
        wanted = leases.checked(kwargs) if leases else None
        wire = self._wire
        v4 = wire.nif.v4
        addr, mask, gw = bytes(v4.addr), bytes(v4.mask), bytes(v4.gw)
        if "addr4" in kwargs:
            addr, mask = _addr4(kwargs["addr4"], mask)
            gw = gw if addr != _NOBODY else _NOBODY
        if "gw4" in kwargs:
            gw = _address.need(kwargs["gw4"], "gw4")
        self._apply(kwargs, addr, mask, gw)
        if values or wanted:
            _host.enter(wire.st)
            try:
                six.put(wire.nif, values)
                if wanted:
                    wire.nif.hostname = _state.hostname
                    leases.put(wire.nif, wanted)
            finally:
                _host.leave(wire.st)

    def _apply(self, kwargs, addr, mask, gw):
        wire = self._wire
        want = kwargs.get("dhcp4")
        if isinstance(want, str) and want != "inform":
            raise ValueError("dhcp4 %r: True, False or 'inform'" % want)
        if "addr4" in kwargs or "dhcp4" in kwargs and not want:
            wire.stop_dhcp()
        _host.enter(wire.st)
        try:
            if "addr4" in kwargs:
                wire.configure(addr, mask, gw)
            elif "gw4" in kwargs:
                wire.st.ip4.configure(wire.nif, addr, mask, gw)
            if want == "inform":
                wire.inform()
            elif want:
                wire.start_dhcp()
            if "auto4" in kwargs:
                wire.choose(kwargs["auto4"])
        finally:
            _host.leave(wire.st)

    def _get_ip(self, name):
        wire = self._wire
        v4 = wire.nif.v4
        client = wire.client()
        if name == "addr4":
            return _address.text(v4.addr), _address.text(v4.mask)
        if name == "gw4":
            return _address.text(v4.gw)
        if name == "dhcp4":
            return bool(client and client.state)
        if name == "auto4":
            return bool(getattr(wire.nif, "autoip", None) and wire.nif.autoip.state)
        if name == "has_dhcp4":
            return bool(client and client.bound)
        if name == "lease4":
            return _lease(client) if client and client.lease else None
        if name in _DHCP6 and _address.six():
            return _lease6().get(wire.nif, name)
        value = _address.six().get(wire.nif, name) if _address.six() else None
        if value is not None:
            return value
        raise ValueError("unexpected key %s" % name)

    def ifconfig(self, config=None):
        """(address, mask, gateway, DNS server); ifconfig("dhcp") waits for a lease."""
        wire = self._wire
        if config is None:
            _host.pump()
            v4 = wire.nif.v4
            return (
                _address.text(v4.addr),
                _address.text(v4.mask),
                _address.text(v4.gw),
                ipconfig("dns"),
            )
        if config == "dhcp":
            self._wait_for_lease()
            return
        addr, mask, gw, dns = config
        self.ipconfig(addr4=(addr, mask), gw4=gw)
        ipconfig(dns=dns)

    def _wait_for_lease(self):
        wire = self._wire
        self.active(True)
        if not self.ipconfig("has_dhcp4"):
            self.ipconfig(dhcp4=True)
        client = wire.client()
        if not _host.wait(lambda: client.bound, _DHCP_MS):
            raise OSError(_ETIMEDOUT, client.failed or "no DHCP lease on %s" % wire.nif.name)


def _lease6():
    """What knows DHCPv6."""
    try:
        from netstack.api import lease6
    except ImportError:
        raise ValueError("DHCPv6 is not in this image")
    return lease6


def _lease(client):
    """What a DHCP server has granted or told, in words."""
    lease = client.lease
    text = _address.text
    return {
        "server": text(lease.server),
        "seconds": client.left,
        "dns": [text(addr) for addr in lease.dns],
        "ntp": [text(addr) for addr in lease.ntp],
        "domain": lease.domain,
        "search": list(lease.search),
        "mtu": lease.mtu,
        "routes": [(text(r[0]) + "/%d" % r[1], text(r[2])) for r in lease.routes],
    }


def _find(nic):
    for wire in _state.lans.values():
        if wire.nif.nic is nic:
            return wire
    return None


def _status(wire):
    nif = wire.nif
    if not nif.up:
        return STAT_IDLE
    if wire.connected():
        return STAT_GOT_IP
    if wire.failure():
        return STAT_CONNECT_FAIL
    return STAT_NO_IP if nif.link else STAT_CONNECTING


def _addr4(value, mask):
    """(address, mask) out of "10.0.0.2/24", "10.0.0.2" (same mask), a pair, or None."""
    if value is None:
        return _NOBODY, _NOBODY
    if not isinstance(value, str):
        addr, mask = value
        mask = _address.need(mask, "addr4 mask")
        if mask not in [_address.mask(bits) for bits in range(33)]:
            raise ValueError("addr4 mask: %s has ones behind zeros" % value[1])
        return _address.need(addr, "addr4"), mask
    addr, slash, bits = value.partition("/")
    addr = _address.need(addr, "addr4")
    if slash:
        if not bits.isdigit() or int(bits) > 32:
            raise ValueError("addr4: prefix length of %s" % value)
        mask = _address.mask(int(bits))
    elif mask == _NOBODY:
        raise ValueError("addr4: %s has no prefix length, as in %s/24" % (value, value))
    return addr, mask


def hostname(name=None):
    """The name DHCP tells to servers; set it before active(True)."""
    if name is None:
        return _state.hostname
    if not 0 < len(name) <= _NAME_MAX:
        raise ValueError("hostname %s: 1 to %d characters" % (name, _NAME_MAX))
    from netstack.services import dhcp

    dhcp.check_hostname(name)
    _state.hostname = name


def country(code=None):
    """Two letters: what a radio may do there; the others keep it for programs that set it."""
    global _country
    if code is None:
        return _country
    if len(code) != 2:
        raise ValueError("country %s: two letters" % code)
    _country = code.upper()


def ipconfig(*args, **kwargs):
    """ipconfig("dns"), ipconfig("prefer") and so on ask; ipconfig(dns="10.0.0.1") sets, also more
    servers than one: dns=("10.0.0.1", "10.0.0.2"). search="lan.test", or a list: domains in which
    names without a dot are looked for; ndots=2: those with one dot as well."""
    if not kwargs:
        if len(args) != 1:
            raise TypeError("must query one param")
        return _get_global(args[0])
    if args:
        raise TypeError("can't specify pos and kw args")
    for name, value in kwargs.items():
        _set_global(name, value)


def _set_global(name, value):
    if name == "dns":
        texts = [value] if isinstance(value, str) else value
        servers = [_address.either(text, "dns") for text in texts]
        _host.dns().servers = [server for server in servers if server != _NOBODY]
    elif name == "search":
        _host.dns().set_search([value] if isinstance(value, str) else list(value))
    elif name == "ndots":
        if not isinstance(value, int) or not 0 <= value <= _NDOTS_MAX:
            raise ValueError("ndots %r: 0 to %d" % (value, _NDOTS_MAX))
        _host.dns().ndots = value
    elif name == "prefer":
        if value not in (4, 6):
            raise ValueError("prefer %s: 4 or 6" % value)
        _state.prefer = value
    else:
        raise ValueError("unexpected key %s" % name)


def _get_global(name):
    if name == "dns":
        servers = _host.dns().servers_in_use()
        return _address.show(servers[0]) if servers else "0.0.0.0"
    if name == "search":
        return _host.dns().domains_in_use()
    if name == "ndots":
        return _host.dns().ndots
    if name == "prefer":
        return _state.prefer
    raise ValueError("unexpected key %s" % name)
