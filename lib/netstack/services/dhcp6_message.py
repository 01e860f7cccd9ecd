# DHCPv6 messages as a client writes and reads them (RFC 8415 8 and 21; DNS RFC 3646; NTP RFC 5908;
# host name RFC 4704).

# -- on the wire ------------------------------------------------------------------------------
#
#   message  | type 1 | transaction id 3 | options ...
#   option   | code 2 | length 2 | value ...
#   IA       | 3 (addresses) or 25 (prefixes) | length 2 | IAID 4 | T1 4 | T2 4 | options ...
#   address  | 5 | length 2 | address 16 | preferred 4 | valid 4 | options ...
#   prefix   | 26 | length 2 | preferred 4 | valid 4 | bits 1 | prefix 16 | options ...
#   status   | 13 | length 2 | code 2 | text ...
#   NTP      | 56 | length 2 | 1 (server), 2 (group) or 3 (name) | length 2 | value | ...

from micropython import const
from netstack.core.wire import get16, get32, zero
from netstack.inet.route6 import network

CLIENT = const(1)
SERVER = const(2)
ADDRESSES = const(3)
_ADDRESS = const(5)
WANTED = const(6)
_PREFERENCE = const(7)
ELAPSED = const(8)
_STATUS = const(13)
RAPID = const(14)
VENDOR_CLASS = const(16)
_DNS = const(23)
_DOMAINS = const(24)
PREFIXES = const(25)
_PREFIX = const(26)
_REFRESH = const(32)
NAME = const(39)
_NTP = const(56)
_SOL_MAX = const(82)
_INF_MAX = const(83)

_HEAD = const(4)  # of an option
_DUID_MAX = const(130)  # RFC 8415 11.1
_MANY = const(4)  # servers, domains, addresses, prefixes that are kept, of each
_LONGEST = const(512)  # bytes of an option that a program wants
_REFRESH_S = const(86400)  # RFC 8415 7.6: IRT_DEFAULT


class Item:
    """An address or a prefix. Lifetimes are seconds in a message, moments of inet/lifetime.py
    once it is held."""

    def __init__(self, kind, addr, plen, preferred, valid):
        self.kind = kind  # ADDRESSES or PREFIXES
        self.addr = addr
        self.plen = plen
        self.preferred = preferred
        self.valid = valid
        self.entry = None  # of the interface, once it has the address

    def same(self, other):
        return self.kind == other.kind and self.addr == other.addr and self.plen == other.plen

    def wire(self):
        """As a client names it: RFC 8415 21.6, 21.22: without lifetimes."""
        if self.kind == ADDRESSES:
            return option(_ADDRESS, self.addr + bytes(8))
        return option(_PREFIX, bytes(8) + bytes((self.plen,)) + self.addr)


class Answer:
    """What a server has said, as far as we use it."""

    def __init__(self):
        self.client = self.server = b""  # DUIDs
        self.preference = 0
        self.status = 0
        self.text = ""
        self.rapid = False
        self.items = []
        self.t1 = self.t2 = 0  # the least of all IAs; 0: as we like
        self.unbound = False  # the server does not know one of our IAs
        self.refresh = _REFRESH_S
        self.sol_max = self.inf_max = 0
        self.dns = []
        self.domains = []
        self.ntp = []
        self.ntp_names = []
        self.options = {}  # that a program wants: code -> [value, ...]


# -- writing ----------------------------------------------------------------------------------


def option(code, value):
    n = len(value)
    return bytes((code >> 8, code & 255, n >> 8, n & 255)) + value


def association(kind, iaid, items):
    """An IA option; RFC 8415 21.4: a client leaves T1 and T2 to the server."""
    return option(kind, iaid + bytes(8) + b"".join([item.wire() for item in items]))


def codes(numbers):
    """The option that asks for others."""
    return option(WANTED, b"".join([bytes((n >> 8, n & 255)) for n in numbers]))


def fqdn(name):
    """RFC 4704 4.1, 4.2: please enter this name, which is no complete one, in the DNS."""
    return option(NAME, bytes((1, len(name))) + name.encode())


# -- reading ----------------------------------------------------------------------------------


def read(buf, at, end, iaid, more=()):
    """The Answer in the options from `at` to `end`, those in `more` among them; None when they
    are malformed."""
    answer = Answer()
    try:
        for code, off, n in _options(buf, at, end):
            if code == ADDRESSES or code == PREFIXES:
                _read_association(answer, code, buf, off, n, iaid)
            else:
                _read_option(answer, code, buf, off, n)
                if code in more:
                    _keep(answer, code, bytes(buf[off : off + n]))
    except ValueError:
        return None
    return answer


def _options(buf, at, end):
    """(code, offset, length) of each option."""
    while at < end:
        if at + _HEAD > end:
            raise ValueError
        n = get16(buf, at + 2)
        at += _HEAD
        if at + n > end:
            raise ValueError
        yield get16(buf, at - _HEAD), at, n
        at += n


def _need(good):
    if not good:
        raise ValueError


def _read_option(answer, code, buf, at, n):
    if code == CLIENT or code == SERVER:
        _need(1 < n <= _DUID_MAX)
        duid = bytes(buf[at : at + n])
        if code == CLIENT:
            _need(not answer.client)
            answer.client = duid
        else:
            _need(not answer.server)
            answer.server = duid
    elif code == _STATUS:
        _need(n >= 2)
        answer.status = get16(buf, at)
        answer.text = _text(buf[at + 2 : at + n])
    elif code == _PREFERENCE:
        _need(n == 1)
        answer.preference = buf[at]
    elif code == RAPID:
        answer.rapid = True
    elif code == _REFRESH:
        _need(n == 4)
        answer.refresh = get32(buf, at)
    elif code == _SOL_MAX or code == _INF_MAX:
        _need(n == 4)
        seconds = get32(buf, at)
        if 60 <= seconds <= _REFRESH_S:  # RFC 8415 21.24: others do not count
            if code == _SOL_MAX:
                answer.sol_max = seconds * 1000
            else:
                answer.inf_max = seconds * 1000
    elif code == _DNS:
        for off in range(at, at + n - 15, 16):
            _note(answer.dns, _unicast(buf, off))
    elif code == _DOMAINS:
        _read_names(answer.domains, buf, at, at + n)
    elif code == _NTP:
        _read_ntp(answer, buf, at, at + n)


def _read_association(answer, kind, buf, at, n, iaid):
    _need(n >= 12)
    t1 = get32(buf, at + 4)
    t2 = get32(buf, at + 8)
    found = []
    status = 0
    for code, off, size in _options(buf, at + 12, at + n):
        if code == _STATUS:
            _need(size >= 2)
            status = get16(buf, off)
            answer.text = answer.text or _text(buf[off + 2 : off + size])
        elif code == (_ADDRESS if kind == ADDRESSES else _PREFIX):
            item = _read_item(kind, buf, off, size)
            if item and len(found) < _MANY:
                found.append(item)
    if buf[at : at + 4] != iaid or t1 > t2 > 0:
        return  # of somebody else, or RFC 8415 21.4: as if it were not there
    if status == 3:  # NoBinding
        answer.unbound = True
    if status or not found:
        return
    answer.items += found
    if t1:
        answer.t1 = min(answer.t1 or t1, t1)
    if t2:
        answer.t2 = min(answer.t2 or t2, t2)


def _read_item(kind, buf, at, n):
    """None: it is nothing that a host can use."""
    first = 0 if kind == ADDRESSES else 9
    size = 24 if kind == ADDRESSES else 25
    _need(n >= size)
    times = at + 16 if kind == ADDRESSES else at
    preferred = get32(buf, times)
    valid = get32(buf, times + 4)
    for code, off, length in _options(buf, at + size, at + n):
        if code == _STATUS and (length < 2 or get16(buf, off)):
            return None
    plen = 128 if kind == ADDRESSES else buf[at + 8]
    addr = bytes(buf[at + first : at + first + 16])
    if preferred > valid or not 0 < plen <= 128 or not _unicast(addr, 0):
        return None
    linked = addr[0] == 0xFE and addr[1] & 0xC0 == 0x80
    if linked or addr[:12] == b"\0\0\0\0\0\0\0\0\0\0\xff\xff" or zero(addr, 0, 15):
        return None
    return Item(kind, bytes(network(addr, plen)), plen, preferred, valid)


def _unicast(buf, at):
    """The address at buf[at]; None for a group or nobody."""
    return None if buf[at] == 0xFF or zero(buf, at, 16) else bytes(buf[at : at + 16])


def _note(values, value):
    if value and value not in values and len(values) < _MANY:
        values.append(value)


def _keep(answer, code, value):
    values = answer.options.setdefault(code, [])
    if len(values) < _MANY and len(value) <= _LONGEST:
        values.append(value)


def _text(value):
    return "".join([chr(c) for c in value[:64] if 32 <= c <= 126])


def _read_names(names, buf, at, end):
    """RFC 8415 10: domain names, not compressed; those before the first that is none."""
    while at < end:
        labels = []
        while at < end and buf[at]:
            n = buf[at]
            label = bytes(buf[at + 1 : at + 1 + n])
            if n > 63 or at + 1 + n >= end or len(_text(label)) < n:
                return
            labels.append(label.decode())
            at += 1 + n
        at += 1
        _note(names, ".".join(labels))


def _read_ntp(answer, buf, at, end):
    """RFC 5908 4: addresses of servers, of groups, or names."""
    for code, off, n in _options(buf, at, end):
        if code == 1 and n == 16:
            _note(answer.ntp, _unicast(buf, off))
        elif code == 2 and n == 16 and buf[off] == 0xFF:
            _note(answer.ntp, bytes(buf[off : off + 16]))
        elif code == 3:
            _read_names(answer.ntp_names, buf, off, off + n)
