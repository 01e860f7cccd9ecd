# DNS messages (RFC 1035 section 4; case RFC 4343; EDNS0 RFC 6891): names and records, read where
# they lie and written where they go. What the resolver and its TCP side share.

# -- on the wire ------------------------------------------------------------------------------
#
#   0 id  2 flags  4 QDCOUNT  6 ANCOUNT  8 NSCOUNT  10 ARCOUNT  12 question, records ...
#   question:  name | type 2 | class 2
#   record:    name | type 2 | class 2 | TTL 4 | length 2 | data
#   name:      labels (length 1 | bytes) up to a length of 0, or up to a pointer 11.. (2 bytes)
#   OPT:       name 0 | type 41 | size we take 2 | RCODE, high 1 | version 1 | flags 2 | length 2

from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import get16, get32, put16

_HDR = const(12)
_FLAGS = const(2)
_QDCOUNT = const(4)
_ANCOUNT = const(6)
_NSCOUNT = const(8)
_ARCOUNT = const(10)
_RR_TYPE = const(0)  # offsets behind the name of a record
_RR_TTL = const(4)
_RR_LEN = const(8)
_RR_DATA = const(10)
_SOA = const(6)
_OPT = const(41)
_IN_CLASS = const(1)
_NAME_MAX = const(255)
_TTL_MAX = const(86400)

QUERY_MAX = const(12 + 255 + 4 + 11)  # bytes of the longest question that put_question() writes


# -- names ------------------------------------------------------------------------------------


def check_name(name):
    """The name in lower case without the root's dot; raises ValueError when it can be none."""
    plain = name[:-1] if name[-1:] == "." else name
    if not plain or len(plain) > 253:
        raise ValueError("host name %r: 1 to 253 characters are possible" % name)
    for label in plain.split("."):
        if not 0 < len(label) <= 63:
            raise ValueError("host name %r: 1 to 63 characters between dots are possible" % name)
        for c in label:
            if not (c in "-_" or "0" <= c <= "9" or "A" <= c <= "Z" or "a" <= c <= "z"):
                raise ValueError("host name %r: use letters, digits, '-' and '_' only" % name)
    return plain.lower()


def quad(name):
    """The address that four numbers with dots stand for; None for a name. Raises ValueError for
    what ends in a number and is neither (RFC 3696 section 2)."""
    parts = name.split(".")
    if not parts[-1].isdigit():
        return None
    if len(parts) == 4:
        addr = bytearray(4)
        for i in range(4):
            if not parts[i].isdigit() or len(parts[i]) > 3 or int(parts[i]) > 255:
                break
            addr[i] = int(parts[i])
        else:
            return bytes(addr)
    raise ValueError("%r is not an IPv4 address: four numbers from 0 to 255 with dots" % name)


def to_wire(name):
    wire = bytearray()
    for label in name.split("."):
        wire.append(len(label))
        wire.extend(label.encode())
    wire.append(0)
    return bytes(wire)


def from_wire(wire):
    """A name without pointers as bytes, with dots."""
    text = bytearray()
    at = 0
    while wire[at]:
        text.extend(wire[at + 1 : at + 1 + wire[at]])
        text.append(46)
        at += 1 + wire[at]
    return bytes(text[:-1])


def skip_name(buf, at, end):
    """The offset behind the name at `at`; -1 when it is malformed."""
    while at < end:
        n = buf[at]
        if n == 0:
            return at + 1
        if n >= 0xC0:
            return at + 2 if at + 2 <= end else -1
        if n > 63:
            return -1
        at += n + 1
    return -1


def read_name(buf, base, at, end, out):
    """Copy the name at `at` to `out`, in lower case and without pointers; returns its length, 0
    when it is malformed. A pointer must lead to before the part it ends, so none can loop."""
    n = 0
    limit = at
    while at < end:
        size = buf[at]
        if size >= 0xC0:
            if at + 2 > end:
                return 0
            at = base + (get16(buf, at) & 0x3FFF)
            if at >= limit:
                return 0
            limit = at
            continue
        if size > 63 or n + size + 1 > _NAME_MAX or at + size + 1 > end:
            return 0
        out[n] = size
        for k in range(1, size + 1):
            c = buf[at + k]
            out[n + k] = c + 32 if 65 <= c <= 90 else c
        n += size + 1
        if size == 0:
            return n
        at += size + 1
    return 0


def records_end(buf, at, end, count):
    """The offset behind `count` records from `at` on; -1 when one is malformed."""
    while count > 0:
        at = skip_name(buf, at, end)
        if at < 0 or at + _RR_DATA > end:
            return -1
        at += _RR_DATA + get16(buf, at + _RR_LEN)
        if at > end:
            return -1
        count -= 1
    return at


def ttl_of(buf, at):
    """RFC 2181 section 8: a TTL with the top bit set is zero. We keep nothing beyond a day."""
    if buf[at] & 0x80:
        return 0
    ttl = get32(buf, at)
    return ttl if ttl < _TTL_MAX else _TTL_MAX


# -- messages ---------------------------------------------------------------------------------


def put_question(buf, at, ident, wire, qtype, size):
    """Write the question for the name `wire`, with recursion desired; `size`: the longest answer
    we take, by EDNS0 (RFC 6891 6.1.2), 0: without. Returns the offset behind it."""
    put16(buf, at, ident)
    put16(buf, at + _FLAGS, 0x0100)
    put16(buf, at + _QDCOUNT, 1)
    put16(buf, at + _ANCOUNT, 0)
    put16(buf, at + _NSCOUNT, 0)
    put16(buf, at + _ARCOUNT, 1 if size else 0)
    copy(buf, at + _HDR, wire, 0, len(wire))
    at += _HDR + len(wire)
    put16(buf, at, qtype)
    put16(buf, at + 2, _IN_CLASS)
    at += 4
    if size:
        for i in range(11):
            buf[at + i] = 0
        buf[at + 2] = _OPT
        put16(buf, at + 3, size)
        at += 11
    return at


def rcode(buf, base, at, end):
    """The response code of a message whose records begin at `at`, with the upper bits that an
    OPT record adds to it (RFC 6891 6.1.3)."""
    low = buf[base + _FLAGS + 1] & 15
    at = records_end(buf, at, end, get16(buf, base + _ANCOUNT) + get16(buf, base + _NSCOUNT))
    for _ in range(get16(buf, base + _ARCOUNT)):
        here = skip_name(buf, at, end)
        if here == at + 1 and get16(buf, here + _RR_TYPE) == _OPT:
            return low | buf[here + _RR_TTL] << 4
        at = here + _RR_DATA + get16(buf, here + _RR_LEN)
    return low


def negative_ttl(buf, base, at, end, most):
    """Seconds to remember that there is no such record (RFC 2308 section 5), at most `most`; 0:
    no SOA tells. The records begin at `at`."""
    at = records_end(buf, at, end, get16(buf, base + _ANCOUNT))
    for _ in range(get16(buf, base + _NSCOUNT)):
        at = skip_name(buf, at, end)
        n = get16(buf, at + _RR_LEN)
        if get16(buf, at + _RR_TYPE) == _SOA and n >= 22:
            ttl = ttl_of(buf, at + _RR_TTL)
            least = ttl_of(buf, at + _RR_DATA + n - 4)  # MINIMUM comes last
            return min(ttl, least, most)
        at += _RR_DATA + n
    return 0
