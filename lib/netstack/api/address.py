# Addresses as people write them, and names: text <-> buffers in network order.

from micropython import const
from netstack.api import host

_AF_INET = const(2)
_AF_INET6 = const(10)
_EAFNOSUPPORT = const(97)
_ENOENT = const(2)
_ENETUNREACH = const(101)
_EAI_NONAME = const(-2)
_EAI_AGAIN = const(-3)
_EAI_SERVICE = const(-8)
_DNS_MS = const(30000)
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
    if name == "":
        return [b"\0\0\0\0"]
    addr = parse(name)
    if addr is not None:
        return [addr]
    if ":" in name:
        raise OSError(_EAFNOSUPPORT, "%s: IPv6 is not there yet" % name)
    if name == "localhost":
        return [b"\x7f\0\0\1"]
    return _ask(name)


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


class _Question:
    """One name put to the resolver."""

    def __init__(self, name):
        self.name = name
        self.addrs = None
        self.errno = -1

    def told(self, name, addrs, errno):
        self.addrs = addrs
        self.errno = errno

    def done(self):
        return self.errno >= 0


def _ask(name):
    resolver = host.dns()
    question = _Question(name)
    told = question.told
    st = resolver.st
    host.enter(st)
    try:
        resolver.query(name, told)
    except ValueError as error:
        raise OSError(_EAI_NONAME, str(error))
    finally:
        host.leave(st)
    try:
        host.wait(question.done, _DNS_MS)
    finally:
        if not question.done():
            host.enter(st)
            resolver.cancel(name, told)
            host.leave(st)
    if question.addrs:
        return question.addrs
    _fail(name, question.errno)


def _fail(name, errno):
    if errno == _ENOENT:
        raise OSError(_EAI_NONAME, "host %s is not known" % name)
    if errno == _ENETUNREACH:
        text = "no DNS server to be reached (network.ipconfig(dns=...) names one)"
    else:
        text = "no DNS server has answered"
    raise OSError(_EAI_AGAIN, "host %s: %s" % (name, text))


# -- functions of the socket module ---------------------------------------------------------------


def getaddrinfo(host, port, af=0, type=0, proto=0, flags=0):
    """[(family, type, protocol, "", (address, port)), ...]. "" stands for every address of this
    host. Errors are OSErrors with getaddrinfo()'s own, negative numbers."""
    if af:
        check_family(af)
    port = port_number(port)
    if host is None:
        host = "" if flags & _AI_PASSIVE else "127.0.0.1"
    elif not isinstance(host, str):
        host = host.decode()
    if flags & _AI_NUMERICHOST and host and parse(host) is None:
        raise OSError(_EAI_NONAME, "%s is no IPv4 address" % host)
    if not type:
        type = _SOCK_DGRAM if proto == _IPPROTO_UDP else _SOCK_STREAM
    return [(_AF_INET, type, proto, "", (text(addr), port)) for addr in resolve(host)]


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
