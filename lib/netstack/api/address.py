# Addresses as people write them, and names: text <-> buffers in network order.

from micropython import const
from netstack.api import host as _shared
from netstack.api import state as _state

_AF_INET = const(2)
_AF_INET6 = const(10)
_AF_PACKET = const(17)
_EAFNOSUPPORT = const(97)
_ENETUNREACH = const(101)
_EAI_NONAME = const(-2)
_EAI_SERVICE = const(-8)
_EINVAL = const(22)
_SOCK_STREAM = const(1)
_SOCK_DGRAM = const(2)
_IPPROTO_UDP = const(17)
_AI_PASSIVE = const(1)
_AI_NUMERICHOST = const(4)

_six = None


def parse(text):
    """Four bytes for "10.0.0.2"; None when `text` is no IPv4 address."""
    parts = text.split(".")
    if len(parts) != 4:
        return None
    addr = bytearray(4)
    for i in range(4):
        part = parts[i]
        if not part.isdigit() or len(part) > 3 or int(part) > 255:
            return None
        addr[i] = int(part)
    return bytes(addr)


def text(addr, off=0):
    """The four bytes at addr[off] as people write them."""
    return "%d.%d.%d.%d" % (addr[off], addr[off + 1], addr[off + 2], addr[off + 3])


def numeric(host):
    """Is it an address rather than a name?"""
    return ":" in host or parse(host) is not None


def need(value, what):
    """Four bytes for an address that must be one."""
    addr = parse(value) if isinstance(value, str) else None
    if addr is None:
        raise ValueError("%s: %r is no IPv4 address" % (what, value))
    return addr


def either(value, what):
    """4 or 16 bytes for an address that must be one."""
    addr = parse(value) if isinstance(value, str) else None
    if addr is None and isinstance(value, str) and six():
        addr = six().parse(value)
    if addr is None:
        raise ValueError("%s: %r is no IP address" % (what, value))
    return addr


def mask(bits):
    """The network mask of a prefix length."""
    addr = bytearray(4)
    for i in range(bits):
        addr[i >> 3] |= 0x80 >> (i & 7)
    return bytes(addr)


def six():
    """What knows IPv6 addresses, inet6.py; None where it is not frozen."""
    global _six
    if _six is None and _shared.stack().ip6 is not None:
        _six = _shared.load("inet6")
    return _six


def show(addr):
    """An address of 4 or 16 bytes as people write it."""
    return text(addr) if len(addr) == 4 else six().text(addr)


def check_family(family):
    if family == _AF_INET6 and six() is None:
        raise OSError(_EAFNOSUPPORT, "IPv6 is not in this image")
    if family not in (_AF_INET, _AF_INET6):
        if not isinstance(family, int):
            raise TypeError("address family %r: a number is needed" % (family,))
        raise OSError(_EAFNOSUPPORT, "address family %s is not known" % family)


def resolve(name, af=_AF_INET):
    """All addresses of a host, waiting for DNS if need be: 4 or 16 bytes each, af 0: of either
    family."""
    return known(name, 0, af) or look_up(name, None, af)


def known(name, flags=0, af=0):
    """The addresses that getaddrinfo() finds for `name` without asking anybody; None: DNS must be
    asked."""
    inet6 = six()
    if name is None:
        name = "" if flags & _AI_PASSIVE else "::1" if af == _AF_INET6 else "127.0.0.1"
    elif isinstance(name, bytes):
        name = name.decode()
    elif not isinstance(name, str):
        raise TypeError("host %r: text is needed" % (name,))
    if name == "":
        return [inet6.ANY if af == _AF_INET6 else b"\0\0\0\0"]
    addr = parse(name)
    if addr is not None:
        return [addr]
    addr = inet6.literal(name) if inet6 else None
    if addr is not None and af != _AF_INET:
        return [addr]
    if addr is not None or ":" in name or flags & _AI_NUMERICHOST:
        raise OSError(_EAI_NONAME, "%s is no address of this family" % name)
    if name == "localhost":
        return _of_family([b"\x7f\0\0\1"] + ([inet6.LOOPBACK] if inet6 else []), af)
    return None


def _of_family(addrs, af):
    if not af:
        return addrs
    return [addr for addr in addrs if (len(addr) == 16) == (af == _AF_INET6)]


def look_up(name, timeout=None, af=0):
    """The addresses that DNS knows, after `timeout` seconds at the latest (None: 30)."""
    if not isinstance(name, str):
        name = name.decode()
    return chosen(
        name,
        _shared.load("resolve").addresses(name, -1 if timeout is None else int(timeout * 1000)),
        af,
    )


def chosen(name, addrs, af):
    """Those of DNS's addresses that are of this family, in the order in which to try them."""
    addrs = _of_family(addrs, af)
    if not addrs:
        raise OSError(_EAI_NONAME, "host %s has no address of this family" % name)
    inet6 = six()
    return inet6.order(addrs, _state.prefer) if inet6 and len(addrs) > 1 else addrs


def port_number(port):
    if port is None:
        return 0
    try:
        port = int(port)
    except ValueError:
        raise OSError(_EAI_SERVICE, "port %r: a number is needed" % port)
    if not 0 <= port <= 65535:
        raise OverflowError("port %d: 0 to 65535" % port)
    return port


def whom(name):
    """(network protocol, address, interface or None) of a host, or of "fe80::1%eth0"."""
    st = _shared.stack()
    if ":" in name and st.ip6:
        return six().find(st, (name, 0))
    addr = resolve(name, 0)[0]
    return st.ip4 if len(addr) == 4 else st.ip6, addr, None


# -- for sockets --------------------------------------------------------------------------------


def sockaddr(sock, address):
    """(network protocol, address, port, interface of a link-local one) of what a program gives to
    a socket; a name is looked up."""
    if sock._af == _AF_PACKET:
        return _shared.load("rare").packet_address(address)
    kind = type(address)
    if kind is not tuple and kind is not list or len(address) < 2 or type(address[0]) is not str:
        raise TypeError("address %r: (host, port) is needed" % (address,))
    port = address[1]
    if not isinstance(port, int):
        raise TypeError("port %r: a number is needed" % (port,))
    port = port_number(port)
    st = _shared.stack()
    network = sock.network()
    if network is st.ip4:
        return network, resolve(address[0])[0], port, None
    ip, addr, nif = six().find(st, address)
    if network and ip is not network:
        raise OSError(_ENETUNREACH)  # IPv4, by a socket that may not have it
    return ip, addr, port, nif


def check_near(ip, addr):
    """SO_DONTROUTE: no gateway may be asked to forward what goes to this address."""
    out = ip.way(addr, None, None)
    if out is not None:
        hop = ip.hop if ip.alen == 16 else ip.hop(addr, out)
        if hop is not None and bytes(hop) != bytes(addr):
            raise OSError(_ENETUNREACH, "%s is behind a gateway (SO_DONTROUTE)" % show(addr))


def name(sock, addr, port, nif=None):
    """What a socket tells of an address, its own (None: any) or its peer's."""
    if sock._af == _AF_PACKET:
        return sock._io.name(addr)
    if sock._af == _AF_INET6:
        return six().name(sock, addr, port, nif)
    return ("0.0.0.0" if addr is None else text(addr)), port


# -- functions of the socket module ---------------------------------------------------------------


def getaddrinfo(host, port, af=0, type=0, proto=0, flags=0, timeout=None):
    """[(family, type, protocol, "", (address, port)), ...]. "" stands for every address of this
    host. Gives up after `timeout` seconds, None: 30. Errors are OSErrors with numbers below zero.
    `await netstack.getaddrinfo(...)` is the same for asyncio."""
    if host is None and port is None:
        raise OSError(_EAI_NONAME, "neither a host nor a port")
    port = check(af, port)
    addrs = known(host, flags, af) or look_up(host, timeout, af)
    return infos(addrs, port, type, proto, host, af)


def check(af, port):
    """Look at arguments of getaddrinfo() before anybody is asked; returns the port as a number."""
    if af:
        check_family(af)
    return port_number(port)


def infos(addrs, port, type, proto, name=None, af=0):
    """What getaddrinfo() gives for these addresses of a host; a zone in its name stays there."""
    if not type:
        type = _SOCK_DGRAM if proto == _IPPROTO_UDP else _SOCK_STREAM
    result = []
    for addr in addrs:
        if len(addr) == 4 and af != _AF_INET6:
            result.append((_AF_INET, type, proto, "", (text(addr), port)))
            continue
        shown = "::ffff:" + text(addr) if len(addr) == 4 else six().text(addr)
        if isinstance(name, str) and "%" in name:
            shown += "%" + name.partition("%")[2]
        result.append((_AF_INET6, type, proto, "", (shown, port, 0, 0)))
    return result


def inet_aton(address):
    addr = parse(address)
    if addr is None:
        raise OSError(_EINVAL, "%s is no IPv4 address" % address)
    return addr


def inet_ntoa(addr):
    if len(addr) != 4:
        raise ValueError("IPv4 address of %d bytes" % len(addr))
    return text(addr)


def inet_pton(family, address):
    check_family(family)
    if family == _AF_INET:
        addr = inet_aton(address)
        if text(addr) != address:  # 010 is 8 to some, and 10 to others
            raise OSError(_EINVAL, "%s is no plain IPv4 address" % address)
        return addr
    addr = six().parse(address)
    if addr is None:
        raise OSError(_EINVAL, "%s is no IPv6 address" % address)
    return addr


def inet_ntop(family, addr):
    check_family(family)
    if family == _AF_INET:
        return inet_ntoa(addr)
    if len(addr) != 16:
        raise ValueError("IPv6 address of %d bytes" % len(addr))
    return six().text(addr)
