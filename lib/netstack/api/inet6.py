# IPv6 addresses as people and sockets write them (RFC 4291 2.2, RFC 5952, RFC 4007 11, RFC 3493),
# and what network.LAN.ipconfig() has for IPv6. Loaded where it is frozen, when it is first used.
#
# A socket of AF_INET6 has (host, port, flow label, scope) for an address; the scope is the number
# of an interface, from 1 on, for link-local addresses. IPv4 addresses are ::ffff:10.0.0.1 there.

from micropython import const
from netstack.api import address, host
from netstack.inet import address6, select6
from netstack.inet.route6 import STATIC

_AF_INET6 = const(10)
_ENODEV = const(19)
_LINK = const(2)

ANY = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
LOOPBACK = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"

# states as MicroPython's ports with lwIP have them: tentative, preferred, deprecated, duplicated,
# and in use while it is checked
_STATES = (0x08, 0x30, 0x10, 0x40, 0x18)

PARAMETERS = ("dad6", "optimistic6", "secret6", "temp6")  # of network.LAN.config()
_DAD_MOST = const(10)
_SECRET_LEAST = const(16)
_LIFE_LEAST = const(60)  # seconds, of a temporary address


# -- text ---------------------------------------------------------------------------------------


def parse(text):
    """16 bytes for "2001:db8::1"; None when `text` is no IPv6 address."""
    head, gap, tail = text.partition("::")
    front = _words(head, not gap)
    back = _words(tail, True) if gap else []
    if front is None or back is None or "::" in tail:
        return None
    missing = 8 - len(front) - len(back)
    if missing < 1 if gap else missing:
        return None
    addr = bytearray(16)
    i = 0
    for word in front + [0] * missing + back:
        addr[i] = word >> 8
        addr[i + 1] = word & 255
        i += 2
    return bytes(addr)


def _words(text, last):
    """The numbers of "1:2:3"; `last`: an IPv4 address may end it. None: they are none."""
    if not text:
        return []
    words = []
    parts = text.split(":")
    if last and "." in parts[-1]:
        addr = address.parse(parts.pop())
        if addr is None:
            return None
        words = [addr[0] << 8 | addr[1], addr[2] << 8 | addr[3]]
    numbers = []
    for part in parts:
        if not 1 <= len(part) <= 4:
            return None
        for char in part:
            if char not in "0123456789abcdefABCDEF":
                return None
        numbers.append(int(part, 16))
    return numbers + words


def text(addr):
    """The 16 bytes of `addr` as RFC 5952 has them."""
    if addr[:12] == MAPPED:
        return "::ffff:" + address.text(addr, 12)
    words = [addr[i] << 8 | addr[i + 1] for i in range(0, 16, 2)]
    start = length = 0
    for i in range(8):
        run = 0
        while i + run < 8 and words[i + run] == 0:
            run += 1
        if run > length:
            start, length = i, run
    if length < 2:
        return ":".join("%x" % word for word in words)
    head = ":".join("%x" % word for word in words[:start])
    return head + "::" + ":".join("%x" % word for word in words[start + length :])


# -- sockets ------------------------------------------------------------------------------------


def literal(name):
    """The address that "fe80::1%eth0" is, without its zone; None: it is none."""
    return parse(name.partition("%")[0])


def find(st, sockaddr):
    """(network protocol, address, interface or None) of a socket's address; a name is looked
    up."""
    name, _, zone = sockaddr[0].partition("%")
    addr = parse(name) if name else ANY
    if addr is None:
        addr = address.resolve(name, _AF_INET6)[0]
    if len(addr) == 16 and addr[:12] == MAPPED:
        addr = addr[12:]
    if len(addr) == 4:
        return st.ip4, addr, None
    nif = None
    scope = sockaddr[3] if len(sockaddr) > 3 else 0
    if zone or scope:
        nif = _zone(st, zone, scope)
    linked = select6.scope(addr) == _LINK and addr != LOOPBACK
    return st.ip6, addr, nif if linked else None


def _zone(st, zone, scope):
    if zone.isdigit():
        scope = int(zone)
    elif zone:
        for nif in st.nifs:
            if nif.name == zone:
                return nif
        raise OSError(_ENODEV, "there is no interface %s" % zone)
    if not 1 <= scope <= len(st.nifs):
        raise OSError(_ENODEV, "there is no interface %d" % scope)
    return st.nifs[scope - 1]


def name(sock, addr, port, nif):
    """The address of a socket, or of its peer; `addr` None: any. `nif`: the interface."""
    st = sock._st
    if addr is None:
        return "::", port, 0, 0
    if len(addr) == 4:
        return "::ffff:" + address.text(addr), port, 0, 0
    scope = 0
    if addr[0] == 0xFE and addr[1] & 0xC0 == 0x80:
        nif = nif or st.ip6.zone(sock._io.laddr)
        scope = st.nifs.index(nif) + 1 if nif else 0
    return text(addr), port, 0, scope


def order(addrs, prefer):
    """Sort addresses, 4 and 16 bytes, into the order in which to try them: those of the family
    that the program prefers, by RFC 6724; those that cannot be reached last."""
    st = host.stack()
    rows = []
    for addr in addrs:
        ip = st.ip4 if len(addr) == 4 else st.ip6
        src = host.call(st, ip.source, addr)
        src = src if src is None or len(src) == 16 else MAPPED + src
        row = (len(addr) == (4 if prefer == 4 else 16), _mapped(addr), src and bytes(src), addr)
        i = len(rows)
        while i and _before(row, rows[i - 1]):
            i -= 1
        rows.insert(i, row)
    return [row[3] for row in rows]


def _mapped(addr):
    return addr if len(addr) == 16 else MAPPED + addr


def _before(a, b):
    if (a[2] is None) != (b[2] is None):
        return b[2] is None
    if a[0] != b[0]:
        return a[0]
    return select6.before(a[1], a[2], b[1], b[2])


# -- network.LAN.ipconfig() ---------------------------------------------------------------------


def get(nif, what):
    """ipconfig("addr6"): [(address, state, preferred and valid lifetime in seconds), ...]; gw6,
    autoconf6, has_autoconf6. None: it is something else."""
    v6 = nif.v6
    life = v6.ip.life
    if what == "addr6":
        return [
            (
                text(e.addr),
                _STATES[e.state],
                _seconds(life.left(e.preferred)),
                _seconds(life.left(e.valid)),
            )
            for e in v6.list
        ]
    if what == "gw6":
        route = v6.ip.routes.find(ANY, 0, nif)
        return text(route.gw) if route and route.gw else "::"
    if what == "autoconf6":
        return v6.auto
    if what == "has_autoconf6":
        return any(e.origin == address6.AUTO and e.usable() for e in v6.list)
    return None


def _seconds(left):
    return left if left < 0x3FFFFFFF else 0xFFFFFFFF


def checked(kwargs):
    """Look at the values of ipconfig()'s keywords before any of them is applied."""
    values = {}
    if "addr6" in kwargs:
        value = kwargs["addr6"]
        texts = value if isinstance(value, (tuple, list)) else [value] if value else []
        values["addr6"] = [_with_length(each) for each in texts]
    if "gw6" in kwargs:
        values["gw6"] = need(kwargs["gw6"], "gw6") if kwargs["gw6"] else None
    if "autoconf6" in kwargs:
        values["autoconf6"] = bool(kwargs["autoconf6"])
    return values


def need(value, what):
    addr = literal(value) if isinstance(value, str) else None
    if addr is None:
        raise ValueError("%s: %r is no IPv6 address" % (what, value))
    return addr


def _with_length(value):
    """(address, prefix length) of "2001:db8::2/64"; without a length it is 64."""
    addr, slash, bits = value.partition("/") if isinstance(value, str) else (value, "", "")
    addr = need(addr, "addr6")
    if slash and not (bits.isdigit() and 0 < int(bits) <= 128):
        raise ValueError("addr6: prefix length of %s" % value)
    return addr, int(bits) if slash else 64


def put(nif, values):
    """Apply what checked() has returned. The stack has been entered."""
    v6 = nif.v6
    ip = v6.ip
    if "addr6" in values:
        for entry in list(v6.list):
            if entry.origin == address6.STATIC:
                ip.remove(nif, entry)
        for addr, plen in values["addr6"]:
            mine = v6.find(addr, 0)
            if mine:
                ip.remove(nif, mine)
            ip.add(nif, addr, plen)
    if "gw6" in values:
        for route in list(ip.routes.list):
            if route.nif is nif and route.plen == 0 and route.origin == STATIC:
                ip.routes.remove(route)
        if values["gw6"] is not None and values["gw6"] != ANY:
            ip.routes.add(ANY, 0, nif, values["gw6"])
    if "autoconf6" in values:
        ip.set_auto(nif, values["autoconf6"])


# -- network.LAN.config() -----------------------------------------------------------------------


def parameter(nif, name):
    """How often an address is asked for before it is used, whether it is used meanwhile, what
    makes it, and for how long temporary ones are preferred and valid (False: there are none)."""
    v6 = nif.v6
    if name == "dad6":
        return v6.transmits
    if name == "optimistic6":
        return v6.optimistic
    if name == "secret6":
        return v6.ip.secret
    temporary = v6.autoconf.temporary
    return (temporary.preferred, temporary.valid) if temporary else False


def set_parameter(nif, name, value):
    v6 = nif.v6
    if name == "dad6":
        if not isinstance(value, int) or not 0 <= value <= _DAD_MOST:
            raise ValueError("dad6 %r: 0 to %d" % (value, _DAD_MOST))
        v6.transmits = int(value)
    elif name == "optimistic6":
        v6.optimistic = bool(value)
    elif name == "secret6":
        if not isinstance(value, (bytes, bytearray)) or len(value) < _SECRET_LEAST:
            raise ValueError("secret6: at least %d bytes" % _SECRET_LEAST)
        v6.ip.secret = bytes(value)
    elif value is False or value is None:
        if v6.autoconf.temporary:
            v6.autoconf.temporary.stop()
    else:
        _temporary(nif, value)


def _temporary(nif, value):
    from netstack.inet import temporary6

    if value is True:
        temporary6.attach(nif)
        return
    if not isinstance(value, tuple) or len(value) != 2:
        raise ValueError("temp6 %r: True, False or (seconds preferred, seconds valid)" % (value,))
    preferred, valid = value
    if not _LIFE_LEAST <= preferred <= valid <= 0x3FFFFFF:
        raise ValueError("temp6 %r: %d seconds at least" % (value, _LIFE_LEAST))
    temporary6.attach(nif, preferred, valid)
