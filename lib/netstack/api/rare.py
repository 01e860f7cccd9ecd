# Sockets that few programs want: UDP-Lite, raw, ping, packet. socket.socket() asks here.

from micropython import const
from netstack.api import host

_DGRAM = const(2)
_RAW = const(3)
_ICMP = const(1)
_ICMP6 = const(58)
_EPROTONOSUPPORT = const(93)
_UDPLITE = const(136)
_AF_PACKET = const(17)
_MAC = b"\xff\xff\xff\xff\xff\xff"


def open(af, kind, proto, network):
    """What such a socket stands on; None: it is none of these. network: IPv4 or IPv6."""
    st = host.stack()
    if af == _AF_PACKET:
        return _packets(kind, proto)
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


def _packets(kind, proto):
    """proto: an ethertype, its bytes as on the wire, as CPython has it: htons(...)."""
    if kind not in (_DGRAM, _RAW):
        return None
    from netstack.transport import packet

    host.udp()
    return packet.attach(host.stack()).open(kind, (proto & 255) << 8 | proto >> 8 & 255)


def packet_address(address):
    """What address.sockaddr() gives, for a packet socket: (interface or None, link address,
    ethertype, interface) of (interface, ethertype, kind, link type, link address), of which the
    first two are enough."""
    if len(address) < 2 or type(address[0]) is not str:
        raise TypeError("address %r: (interface, ethertype) is needed" % (address,))
    name, proto = address[:2]
    if not 0 <= proto <= 0xFFFF:
        raise OverflowError("ethertype %d: 0 to 65535" % proto)
    mac = bytes(address[4]) if len(address) > 4 else b""
    if mac and len(mac) != 6:
        raise ValueError("link address of %d bytes: 6 are needed" % len(mac))
    nif = host.stack().packets.find(name) if name else None
    return nif, mac or _MAC, proto, nif
