# Sockets that few programs want: UDP-Lite, raw, ping. socket.socket() asks here.

from micropython import const
from netstack.api import host

_DGRAM = const(2)
_RAW = const(3)
_ICMP = const(1)
_UDPLITE = const(136)


def open(kind, proto, network):
    """What such a socket stands on; None: it is none of these. network: IPv4 or IPv6."""
    st = host.stack()
    if kind == _DGRAM and proto == _UDPLITE:
        from netstack.transport import udplite

        return udplite.attach(st).open(network)
    if network is st.ip4 and (kind == _RAW or (kind == _DGRAM and proto == _ICMP)):
        from netstack.transport import raw

        host.udp()
        return raw.attach(st).open(proto, kind == _DGRAM)
    return None
