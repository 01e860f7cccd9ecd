# What network.LAN.ipconfig() has for DHCPv6: dhcp6, prefix6, has_dhcp6, lease6, prefixes6. Loaded
# when one of them is first used.

from netstack.api import host
from netstack.api.inet6 import _seconds, text
from netstack.services import dhcp6

_MODES = {False: dhcp6.OFF, "auto": dhcp6.AUTO, "stateless": dhcp6.STATELESS, True: dhcp6.STATEFUL}


def _client(nif):
    host.udp()
    return dhcp6.attach(nif)


def get(nif, what):
    client = nif.v6.dhcp
    if what == "dhcp6":
        mode = client.mode if client else dhcp6.AUTO
        return [name for name in _MODES if _MODES[name] == mode][0]
    if what == "prefix6":
        prefix = client.prefix if client else None
        return prefix or prefix is not None
    if what == "has_dhcp6":
        return bool(client and client.bound)
    if what == "prefixes6":
        return _texts(nif, client.prefixes) if client else []
    return _lease(nif, client) if client and client.bound else None


def _texts(nif, items):
    """[("2001:db8::/56", seconds preferred, seconds valid), ...]"""
    life = nif.v6.ip.life
    return [
        (
            text(item.addr) + ("/%d" % item.plen if item.entry is None else ""),
            _seconds(life.left(item.preferred)),
            _seconds(life.left(item.valid)),
        )
        for item in items
    ]


def _lease(nif, client):
    """What DHCPv6 servers have given or told, in words."""
    info = client.info
    return {
        "server": "".join(["%02x" % c for c in info.server]),
        "addresses": _texts(nif, [item for item in client.lease.items if item.entry]),
        "prefixes": _texts(nif, client.prefixes),
        "dns": [text(addr) for addr in info.dns],
        "ntp": [text(addr) for addr in info.ntp] + info.ntp_names,
        "search": list(info.domains),
    }


def checked(kwargs):
    """Look at the values before any of them is applied."""
    values = {}
    if "dhcp6" in kwargs:
        value = kwargs["dhcp6"]
        if value not in _MODES:
            raise ValueError("dhcp6 %r: True, False, 'stateless' or 'auto'" % (value,))
        values["dhcp6"] = _MODES[value]
    if "prefix6" in kwargs:
        value = kwargs["prefix6"]
        if not isinstance(value, (int, bool)) or not 0 <= value <= 64:
            raise ValueError("prefix6 %r: True, False, or a length up to 64" % (value,))
        values["prefix6"] = None if not value else 0 if value is True else value
    return values


def put(nif, values):
    """Apply what checked() has returned. The stack has been entered."""
    client = _client(nif)
    mode = values.get("dhcp6", client.mode)
    client.start(mode, values.get("prefix6", client.prefix))
