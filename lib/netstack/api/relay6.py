# Hosts of our links get addresses from a DHCPv6 server that is elsewhere:
#
#   relay = netstack.relay(lan, "2001:db8::547")   # or wan=: look for servers there
#   relay.stop()

from netstack.api import host
from netstack.api.inet6 import need


class Serving:
    """What relay() has begun."""

    def __init__(self, st, relay):
        self._st = st
        self._relay = relay

    def stop(self):
        host.call(self._st, self._relay.close)


def relay(lans, servers=(), wan=None):
    """Be a DHCPv6 relay (RFC 8415 19) for the hosts on a network.LAN, or several: what they ask
    goes to `servers`, an address or several, or to all DHCPv6 servers of the site on the side of
    `wan`. Raises OSError(EADDRINUSE) when UDP port 547 is taken, ValueError."""
    from netstack.services import dhcp6_relay

    lans = lans if isinstance(lans, (tuple, list)) else [lans]
    servers = [servers] if isinstance(servers, str) else servers
    servers = [need(server, "DHCPv6 server") for server in servers]
    host.udp()
    st = host.stack()
    host.enter(st)
    try:
        links = [lan._wire.nif for lan in lans]
        way = wan._wire.nif if wan else None
        return Serving(st, dhcp6_relay.Relay(st, links, servers, way))
    finally:
        host.leave(st)
