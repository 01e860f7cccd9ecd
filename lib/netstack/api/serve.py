# A network of one's own: addresses and names for the hosts on a LAN, in one call.
#
#   net = netstack.serve(lan, "10.0.0.50", "10.0.0.99")
#   net.leases(); net.stop()

from netstack.api import address, host
from netstack.services import dhcpd, dns_forward

_EADDRINUSE = 98
_OPT_DNS = 6
_OPT_PORTAL = 114  # RFC 8910


class Net:
    """What serve() has begun."""

    def __init__(self, server, forwarder):
        self.dhcp = server
        self.dns = forwarder

    def leases(self):
        """[(address, client, state, seconds left, host name)]"""
        return [
            (address.text(addr), ":".join("%02x" % c for c in key), state, left, name)
            for addr, key, state, left, name in host.call(self.dhcp.st, self.dhcp.entries)
        ]

    def stop(self):
        st = self.dhcp.st
        host.enter(st)
        try:
            self.dhcp.stop()
            if self.dns:
                self.dns.stop()
        finally:
            host.leave(st)


def _value(value):
    """An option's value as bytes: text, bytes, or addresses in a list or tuple."""
    if isinstance(value, (list, tuple)):
        return b"".join(address.need(text, "option") for text in value)
    if isinstance(value, int):
        raise TypeError("option: %r is neither text nor bytes nor a list of addresses" % value)
    return value.encode() if isinstance(value, str) else value


def serve(lan, first, last, lease=3600, options=None, static=None, file=None, dns=True):
    """Give the hosts on `lan`, which has an address of its own, addresses from `first` to `last`.

    lease: seconds; options: {code: text, bytes, or a list of addresses}; static: {link address:
    address}; file: where leases are kept over a restart; dns: True, we answer questions for names;
    False, we do not; "captive": every name has our address; a URL: so it has, and DHCP tells the
    URL (RFC 8910)."""
    nif = lan._wire.nif
    values = {code: _value(value) for code, value in (options or {}).items()}
    if dns:
        values.setdefault(_OPT_DNS, bytes(nif.v4.addr))
    if isinstance(dns, str) and ":" in dns:
        values.setdefault(_OPT_PORTAL, dns.encode())
    elif dns not in (True, False, "captive"):
        raise ValueError("dns=%r: True, False, 'captive' or a URL" % dns)
    pool = address.need(first, "first"), address.need(last, "last")
    pairs = [(_link(mac), address.need(addr, mac)) for mac, addr in (static or {}).items()]
    host.udp()
    if dns:
        host.tcp()
    st = host.dns().st
    host.enter(st)
    try:
        server = dhcpd.attach(nif)
        for mac, addr in pairs:
            server.reserve(mac, addr)
        server.start(pool[0], pool[1], lease, values, file)
        forwarder = None
        if dns:
            forwarder = dns_forward.attach(st)
            try:
                forwarder.start([nif], isinstance(dns, str))
            except OSError as error:
                text = "DNS: port 53 is taken, by an earlier serve()? dns=False does without"
                raise OSError(error.errno, text) if error.errno == _EADDRINUSE else error
    finally:
        host.leave(st)
    return Net(server, forwarder)


def _link(text):
    try:
        mac = bytes(int(part, 16) for part in text.split(":"))
    except ValueError:
        mac = b""
    if len(mac) != 6:
        raise ValueError("%r is no link address: 02:00:00:00:00:01" % text)
    return mac
