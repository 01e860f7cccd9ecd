# Functions of the socket module that few programs call: loaded when one is first asked for.

import netstack.api.socket as _socket
from micropython import const
from netstack.api import address as _address
from netstack.api import host as _host

_AF_INET = const(2)
_AF_INET6 = const(10)
_SOCK_STREAM = const(1)
_SOCK_DGRAM = const(2)
_NI_NUMERICHOST = const(1)
_NI_NOFQDN = const(4)
_NI_NAMEREQD = const(8)
_PTR = const(12)
_ENXIO = const(6)
_ENODEV = const(19)
_EAI_NONAME = const(-2)
_LOCAL = "127.0.0.1"
_BACKLOG = const(5)
del const


# -- sockets ------------------------------------------------------------------------------------


def has_dualstack_ipv6():
    """Can a socket of AF_INET6 take IPv4 as well?"""
    return _address.six() is not None


def create_server(
    address, *, family=_AF_INET, backlog=None, reuse_port=False, dualstack_ipv6=False, ssl=None
):
    """A socket that listens at (host, port). ssl: an SSLContext, for connections with TLS."""
    if dualstack_ipv6 and (family != _AF_INET6 or not has_dualstack_ipv6()):
        raise ValueError("create_server: dualstack_ipv6 needs AF_INET6")
    server = _socket.socket(family, _SOCK_STREAM)
    try:
        server.setsockopt(1, 2, 1)  # SO_REUSEADDR
        if reuse_port:
            server.setsockopt(1, 15, 1)
        if family == _AF_INET6:
            server.setsockopt(41, 26, int(not dualstack_ipv6))  # IPV6_V6ONLY
        server.bind(address)
        server.listen(_BACKLOG if backlog is None else backlog)
        return ssl.wrap_socket(server, server_side=True) if ssl else server
    except Exception:
        server.close()
        raise


def socketpair(family=_AF_INET, type=_SOCK_STREAM, proto=0):
    """Two sockets that are connected to each other, by the loopback interface."""
    here = ("::1" if family == _AF_INET6 else _LOCAL, 0)
    first = _socket.socket(family, type, proto)
    second = third = None
    try:
        first.bind(here)
        if type & 15 == _SOCK_DGRAM:
            second = _socket.socket(family, type, proto)
            second.bind(here)
            second.connect(first.getsockname())
            first.connect(second.getsockname())
            return first, second
        first.listen(1)
        second = _socket.socket(family, _SOCK_STREAM, proto)
        second.connect(first.getsockname())
        while True:
            third, peer = first.accept()
            if peer == second.getsockname():
                break
            third.close()  # somebody else was faster
        first.close()
        for sock in (second, third):
            sock.settimeout(0 if type & _socket.SOCK_NONBLOCK else None)
        return second, third
    except Exception:
        for sock in (first, second, third):
            if sock:
                sock.close()
        raise


def getdefaulttimeout():
    """The timeout that new sockets begin with, in seconds; None: they wait for ever."""
    return None if _socket.default_timeout < 0 else _socket.default_timeout / 1000


def setdefaulttimeout(seconds):
    probe = _Timeout()
    _socket.socket.settimeout(probe, seconds)
    _socket.default_timeout = probe._timeout


class _Timeout:
    pass


# -- names --------------------------------------------------------------------------------------


def gethostname():
    from netstack.api import network

    return network.hostname()


def getfqdn(name=""):
    """The name of a host as its reverse lookup has it, or `name` itself."""
    if name in ("", "0.0.0.0", "::"):
        return gethostname()
    try:
        host = getnameinfo((gethostbyname(name), 0), _NI_NAMEREQD)[0]
    except OSError:
        return name
    return host


def gethostbyname(name):
    """The first IPv4 address of a host, as text."""
    return _address.text(_address.resolve(name)[0])


def gethostbyaddr(address):
    """(name, other names, addresses) of a host."""
    if not _address.numeric(address):
        address = gethostbyname(address)
    return getnameinfo((address, 0), _NI_NAMEREQD)[0], [], [address]


def getnameinfo(sockaddr, flags):
    """(name, port) of an address, both as text. The name is what its reverse lookup gives, or the
    address if there is none, or NI_NUMERICHOST is set; with NI_NAMEREQD there has to be one."""
    if type(sockaddr) not in (tuple, list) or len(sockaddr) < 2 or type(sockaddr[0]) is not str:
        raise TypeError("address %r: (host, port) is needed" % (sockaddr,))
    if not isinstance(sockaddr[1], int):
        raise TypeError("port %r: a number is needed" % (sockaddr[1],))
    text, port = sockaddr[0], _address.port_number(sockaddr[1])
    if not _address.numeric(text):
        raise OSError(_EAI_NONAME, "%s is no address" % text)
    addr = _address.known(text)[0]
    plain = _address.show(addr)
    if "%" in text:
        plain += "%" + text.partition("%")[2]
    name = None
    if not flags & _NI_NUMERICHOST:
        name = _reverse(addr)
        if name and flags & _NI_NOFQDN:
            name = name.partition(".")[0]
    if name is None and flags & _NI_NAMEREQD:
        raise OSError(_EAI_NONAME, "%s has no name" % plain)
    return name or plain, str(port)


def _reverse(addr):
    """The name of an address; None: nobody knows one."""
    if addr[0] == 127 and len(addr) == 4 or addr == b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1":
        return "localhost"
    for name, addrs in _host.dns().hosts.items():
        if bytes(addr) in [bytes(each) for each in addrs]:
            return name
    if len(addr) == 4:
        name = "%d.%d.%d.%d.in-addr.arpa" % (addr[3], addr[2], addr[1], addr[0])
    else:
        digits = ["%x.%x" % (byte & 15, byte >> 4) for byte in reversed(addr)]
        name = ".".join(digits) + ".ip6.arpa"
    from netstack.api.resolve import Lookup, TOTAL_MS

    lookup = Lookup(name, (_PTR,))
    try:
        _host.wait(lookup.done, TOTAL_MS)
    finally:
        lookup.cancel()
    return lookup.addrs[0] if lookup.addrs else None


# -- interfaces (RFC 3493 4) --------------------------------------------------------------------


def if_nameindex():
    """[(number, name), ...] of all interfaces."""
    nifs = _host.stack().nifs
    return [(i + 1, nifs[i].name) for i in range(len(nifs))]


def if_nametoindex(name):
    for number, each in if_nameindex():
        if each == name:
            return number
    raise OSError(_ENODEV, "there is no interface %s" % name)


def if_indextoname(number):
    for each, name in if_nameindex():
        if each == number:
            return name
    raise OSError(_ENXIO, "there is no interface %d" % number)


# -- numbers as on the wire ---------------------------------------------------------------------


def htonl(n):
    """A 32-bit number with its bytes as on the wire, on a machine that has the lowest first."""
    if not 0 <= n <= 0xFFFFFFFF:
        raise OverflowError("htonl: %d is no number of 32 bits" % n)
    return int.from_bytes(n.to_bytes(4, "big"), "little")


ntohl = htonl
