# Sockets that few programs want: UDP-Lite, raw, ping. socket.socket() asks here.

from micropython import const
from netstack.api import host

_DGRAM = const(2)
_RAW = const(3)
_ICMP = const(1)
_ICMP6 = const(58)
_EPROTONOSUPPORT = const(93)
_UDPLITE = const(136)


def open(kind, proto, network):
    """What such a socket stands on; None: it is none of these. network: IPv4 or IPv6."""
    st = host.stack()
    if kind == _DGRAM and proto == _UDPLITE:
        from netstack.transport import udplite

        return udplite.attach(st).open(network)
    ping = kind == _DGRAM and proto in (_ICMP, _ICMP6)
    if kind != _RAW and not ping:
        return None
    ip = network or st.ip6
    if ping and proto != (_ICMP if ip is st.ip4 else _ICMP6):
        raise OSError(_EPROTONOSUPPORT, "ping socket: protocol %d of the other family" % proto)
    from netstack.transport import raw

    host.udp()
    return raw.attach(st).open(proto, ping, ip)
