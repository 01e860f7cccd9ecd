# What a DHCP server grants: the options of its messages (RFC 2132, RFC 3396; search list RFC 3397;
# routes RFC 3442), read into a Lease.
#
# On the wire:  | code 1 | length 1 | value ... |, code 0 pads, code 255 ends; behind the cookie,
# and in the fields `file` and `sname` of the message when option 52 says so.

from micropython import const
from netstack.core.wire import get16, get32

_SNAME = const(44)  # offsets in the message: see dhcp.py
_FILE = const(108)
_COOKIE = const(236)
_OPTIONS = const(240)

_OPT_MASK = const(1)
_OPT_ROUTER = const(3)
_OPT_DNS = const(6)
_OPT_DOMAIN = const(15)
_OPT_MTU = const(26)
_OPT_BROADCAST = const(28)
_OPT_NTP = const(42)
_OPT_TIME = const(51)
_OPT_OVERLOAD = const(52)
_OPT_T1 = const(58)
_OPT_T2 = const(59)
_OPT_SEARCH = const(119)
_OPT_ROUTES = const(121)
_OPT_END = const(255)

# the codes above, and 53 and 54, which dhcp.py looks at: what is kept of a message
_READ = b"\x01\x03\x06\x0f\x1a\x1c\x2a\x33\x34\x35\x36\x3a\x3b\x77\x79"
_LONGEST = const(255)  # bytes of one option that are worth keeping
_MANY = const(4)  # servers kept of a list
_ROUTES = const(8)
_DOMAINS = const(6)
_NAME_MAX = const(255)
_NOBODY = b"\0\0\0\0"


class Lease:
    """What a server has granted. Addresses are 4 bytes each."""

    def __init__(self, addr, server):
        self.addr = addr
        self.server = server
        self.mask = None
        self.router = _NOBODY
        self.broadcast = None  # as told; the stack uses what follows from the mask
        self.lease_s = 0  # 0x3FFFFFFF: it does not end
        self.t1 = 0
        self.t2 = 0
        self.dns = ()
        self.ntp = ()
        self.domain = ""
        self.search = ()  # domains
        self.routes = ()  # (network, length of its prefix, router or 0.0.0.0: on the link)
        self.mtu = 0
        self.options = {}  # what the server has said: code -> bytes


def is_host(addr):
    """May this be the address of a single host (RFC 1122 3.2.1.3)?"""
    return 0 < addr[0] < 224 and addr[0] != 127


def _hosts(value):
    """The addresses of a list option that can be true, the first few of them."""
    result = []
    for i in range(0, len(value) - 3, 4):
        addr = value[i : i + 4]
        if is_host(addr) and addr not in result and len(result) < _MANY:
            result.append(addr)
    return result


def _prefix(mask):
    """Length of the prefix a mask stands for, -1 when it is none."""
    n = 0
    while n < 32 and mask[n >> 3] << (n & 7) & 0x80:
        n += 1
    for i in range(n, 32):
        if mask[i >> 3] << (i & 7) & 0x80:
            return -1
    return n


def _fits(addr, mask):
    """Is `addr` a host within the network that `mask` cuts out, not the network itself or its
    broadcast address?"""
    n = _prefix(mask)
    if n < 1:
        return False
    if n > 30:  # RFC 3021
        return True
    ones = zeros = True
    for i in range(4):
        host = ~mask[i] & 255
        zeros = zeros and addr[i] & host == 0
        ones = ones and addr[i] & host == host
    return not (ones or zeros)


def _class_mask(addr):
    """RFC 950 2.1: the mask of an address whose server tells none."""
    if addr[0] < 128:
        return b"\xff\0\0\0"
    return b"\xff\xff\0\0" if addr[0] < 192 else b"\xff\xff\xff\0"


def _text(value):
    """A domain name out of an option; empty when it holds what no domain name can."""
    while value and value[-1] == 0:  # RFC 2132 2: receivers take trailing NULs off
        value = value[:-1]
    for c in value:
        if not 33 <= c <= 126:
            return ""
    return value.decode() if len(value) <= 253 else ""


def _search(value):
    """The domains of option 119, compressed within it as in a DNS message; those before the first
    that cannot be read."""
    if not value:
        return []
    from netstack.services.dns_message import from_wire, read_name, skip_name

    result = []
    name = bytearray(_NAME_MAX + 1)
    at = 0
    while at < len(value) and len(result) < _DOMAINS:
        n = read_name(value, 0, at, len(value), name)
        domain = _text(from_wire(name)) if n > 1 else ""
        if not domain:
            break
        result.append(domain)
        at = skip_name(value, at, len(value))
    return result


def _routes(value):
    """The routes of option 121 (RFC 3442); none when one of them is malformed, as half a list
    would send packets astray."""
    result = []
    at = 0
    while at < len(value):
        bits = value[at]
        n = bits + 7 >> 3
        if bits > 32 or at + 5 + n > len(value):
            return []
        net = bytearray(4)
        for i in range(n):  # RFC 3442: what is not of the prefix counts as zero
            net[i] = value[at + 1 + i] & 0xFF00 >> min(8, bits - 8 * i)
        router = value[at + 1 + n : at + 5 + n]
        if router != _NOBODY and not is_host(router):
            return []
        if len(result) < _ROUTES:
            result.append((bytes(net), bits, router))
        at += 5 + n
    return result


def _collect(buf, at, end, into, wanted):
    """Gather the options between `at` and `end` into a dict; parts of one option are joined
    (RFC 3396). False when one runs past the end or grows beyond reason."""
    while at < end:
        code = buf[at]
        at += 1
        if code == 0:
            continue
        if code == _OPT_END:
            break
        if at >= end or at + 1 + buf[at] > end:
            return False
        n = buf[at]
        at += 1
        if code in wanted:
            value = into.get(code, b"") + bytes(buf[at : at + n])
            if len(value) > _LONGEST:
                return False
            into[code] = value
        at += n
    return True


def read_options(buf, at, n, more=b""):
    """The options of the message at buf[at] as {code: bytes}, those with the codes `more` among
    them; None when they are malformed."""
    found = {}
    wanted = _READ + more
    if not _collect(buf, at + _OPTIONS, at + n, found, wanted):
        return None
    overload = found.get(_OPT_OVERLOAD)
    if overload is not None:  # RFC 2131 4.1: `file` first, then `sname`
        if len(overload) != 1 or not 1 <= overload[0] <= 3:
            return None
        if overload[0] & 1 and not _collect(buf, at + _FILE, at + _COOKIE, found, wanted):
            return None
        if overload[0] & 2 and not _collect(buf, at + _SNAME, at + _FILE, found, wanted):
            return None
    for code in (_OPT_MASK, _OPT_BROADCAST, _OPT_TIME, _OPT_T1, _OPT_T2):
        if len(found.get(code, _NOBODY)) != 4:
            return None
    return found


def read_lease(addr, server, found):
    """A Lease from the options of an OFFER or ACK; None when the address cannot be used."""
    lease = Lease(addr, server)
    lease.mask = found.get(_OPT_MASK) or _class_mask(addr)
    if not is_host(addr) or not _fits(addr, lease.mask):
        return None
    _read_routes(lease, found)
    lease.broadcast = found.get(_OPT_BROADCAST)
    read_services(lease, found)
    _read_times(lease, found)
    return lease


def _read_routes(lease, found):
    """RFC 3442: where there are classless routes the router option does not count; the default
    route is one of them."""
    routes = _routes(found.get(_OPT_ROUTES, b""))
    if routes:
        lease.routes = [route for route in routes if route[1] and route[2] != lease.addr]
        routers = [route[2] for route in routes if route[1] == 0]
    else:
        routers = _hosts(found.get(_OPT_ROUTER, b""))
    for router in routers:
        if router != lease.addr:
            lease.router = router
            break


def read_services(lease, found):
    """Everything that has nothing to do with the address: all that an INFORM asks for."""
    lease.options = found
    lease.dns = _hosts(found.get(_OPT_DNS, b""))
    lease.ntp = _hosts(found.get(_OPT_NTP, b""))
    lease.domain = _text(found.get(_OPT_DOMAIN, b""))
    lease.search = _search(found.get(_OPT_SEARCH, b""))
    if not lease.search and lease.domain:
        lease.search = [lease.domain]
    mtu = found.get(_OPT_MTU, b"")
    lease.mtu = get16(mtu, 0) if len(mtu) == 2 else 0


def _read_times(lease, found):
    total = get32(found.get(_OPT_TIME, _NOBODY), 0)
    t1 = get32(found.get(_OPT_T1, _NOBODY), 0)
    t2 = get32(found.get(_OPT_T2, _NOBODY), 0)
    if not 0 < t2 < total:
        t2 = total - (total >> 3)  # RFC 2131 4.4.5: 0.875 and 0.5 of the lease
    if not 0 < t1 < t2:
        t1 = t2 >> 1 if t2 <= total >> 1 else total >> 1
    lease.lease_s = total
    lease.t1 = t1
    lease.t2 = t2
