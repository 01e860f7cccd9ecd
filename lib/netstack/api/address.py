# Addresses as people write them, and names: text <-> buffers in network order.

from micropython import const

_AF_INET = const(2)
_AF_INET6 = const(10)
_EAFNOSUPPORT = const(97)
_EAI_NONAME = const(-2)
_EAI_SERVICE = const(-8)
_EINVAL = const(22)
_SOCK_STREAM = const(1)
_SOCK_DGRAM = const(2)
_IPPROTO_UDP = const(17)
_AI_PASSIVE = const(1)
_AI_NUMERICHOST = const(4)


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


def need(value, what):
    """Four bytes for an address that must be one."""
    addr = parse(value) if isinstance(value, str) else None
    if addr is None:
        raise ValueError("%s: %r is no IPv4 address" % (what, value))
    return addr


def mask(bits):
    """The network mask of a prefix length."""
    addr = bytearray(4)
    for i in range(bits):
        addr[i >> 3] |= 0x80 >> (i & 7)
    return bytes(addr)


def check_family(family):
    if family == _AF_INET6:
        raise OSError(_EAFNOSUPPORT, "IPv6 is not there yet")
    if family != _AF_INET:
        raise OSError(_EAFNOSUPPORT, "address family %s is not known" % family)


def resolve(name):
    """All addresses of a host, waiting for DNS if need be: a list of four bytes each."""
    return known(name) or look_up(name)


def known(name, flags=0):
    """The addresses that getaddrinfo() finds for `name` without asking anybody; None: DNS must be
    asked."""
    if name is None:
        name = "" if flags & _AI_PASSIVE else "127.0.0.1"
    elif not isinstance(name, str):
        name = name.decode()
    if name == "":
        return [b"\0\0\0\0"]
    addr = parse(name)
    if addr is not None:
        return [addr]
    if flags & _AI_NUMERICHOST:
        raise OSError(_EAI_NONAME, "%s is no IPv4 address" % name)
    if ":" in name:
        raise OSError(_EAFNOSUPPORT, "%s: IPv6 is not there yet" % name)
    return [b"\x7f\0\0\1"] if name == "localhost" else None


def look_up(name, timeout=None):
    """The addresses that DNS knows, after `timeout` seconds at the latest (None: 30)."""
    from netstack.api.resolve import addresses

    if not isinstance(name, str):
        name = name.decode()
    return addresses(name, -1 if timeout is None else int(timeout * 1000))


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


# -- functions of the socket module ---------------------------------------------------------------


def getaddrinfo(host, port, af=0, type=0, proto=0, flags=0, timeout=None):
    """[(family, type, protocol, "", (address, port)), ...]. "" stands for every address of this
    host. Gives up after `timeout` seconds, None: 30. Errors are OSErrors with numbers below zero.
    `await netstack.getaddrinfo(...)` is the same for asyncio."""
    port = check(af, port)
    return infos(known(host, flags) or look_up(host, timeout), port, type, proto)


def check(af, port):
    """Look at arguments of getaddrinfo() before anybody is asked; returns the port as a number."""
    if af:
        check_family(af)
    return port_number(port)


def infos(addrs, port, type, proto):
    """What getaddrinfo() gives for these addresses."""
    if not type:
        type = _SOCK_DGRAM if proto == _IPPROTO_UDP else _SOCK_STREAM
    return [(_AF_INET, type, proto, "", (text(addr), port)) for addr in addrs]


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
    return inet_aton(address)


def inet_ntop(family, addr):
    check_family(family)
    return inet_ntoa(addr)
