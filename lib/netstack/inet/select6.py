# Which of our IPv6 addresses to send from, and which of a host's addresses to try first: RFC 6724.

from micropython import const
from netstack.core.wire import same, zero
from netstack.inet.route6 import common

_LINK = const(2)  # scopes (RFC 4291 2.7)
_SITE = const(5)
_GLOBAL = const(14)
_PREFERRED = const(1)  # a state of address6.py

# RFC 6724 2.1: prefix, its length, precedence, label; the longest that matches counts
_POLICY = (
    (b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 128, 50, 0),
    (b"\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\0", 96, 35, 4),
    (b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 96, 1, 3),
    (b"\x20\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32, 5, 5),
    (b"\x20\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, 30, 2),
    (b"\x3f\xfe\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, 1, 12),
    (b"\xfe\xc0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 10, 1, 11),
    (b"\xfc\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 7, 3, 13),
    (b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 0, 40, 1),
)


def scope(addr, off=0):
    """RFC 6724 3.1"""
    first = addr[off]
    if first == 0xFF:
        return addr[off + 1] & 15
    if first == 0xFE:
        if addr[off + 1] & 0xC0 == 0x80:
            return _LINK
        if addr[off + 1] & 0xC0 == 0xC0:
            return _SITE
    if first == 0 and zero(addr, off, 15) and addr[off + 15] == 1:
        return _LINK
    return _GLOBAL


def _policy(addr):
    for row in _POLICY:
        if common(addr, 0, row[0], 0) >= row[1]:
            return row


def label(addr):
    return _policy(addr)[3]


def precedence(addr):
    return _policy(addr)[2]


def source(entries, dst, public=True):
    """The entry of address6.py to send from to `dst`; None: there is none. `public`: rather a
    stable address than a temporary one."""
    best = None
    for entry in entries:
        if entry.usable() and (best is None or _better(entry, best, dst, public)):
            best = entry
    return best


def _better(a, b, dst, public):
    """RFC 6724 5: is `a` a better source for `dst` than `b`?"""
    if same(a.addr, 0, dst, 0, 16) or same(b.addr, 0, dst, 0, 16):  # rule 1: the same address
        return same(a.addr, 0, dst, 0, 16)
    scope_a = scope(a.addr)
    scope_b = scope(b.addr)
    if scope_a != scope_b:  # rule 2: the smallest scope that reaches it
        if scope_a < scope_b:
            return scope_a >= scope(dst)
        return scope_b < scope(dst)
    # rule 3: none that is deprecated, nor that is still being checked (RFC 4429 3.1)
    if (a.state == _PREFERRED) != (b.state == _PREFERRED):
        return a.state == _PREFERRED
    wanted = label(dst)
    label_a = label(a.addr) == wanted
    if label_a != (label(b.addr) == wanted):  # rule 6
        return label_a
    if a.temporary != b.temporary:  # rule 7
        return a.temporary != public
    return _shared(a, dst) > _shared(b, dst)  # rule 8


def _shared(entry, dst):
    n = common(entry.addr, 0, dst, 0)
    return n if n < entry.plen else entry.plen


def before(a, src_a, b, src_b):
    """RFC 6724 6: is destination `a`, reached from `src_a`, to be tried before `b`? IPv4 addresses
    are mapped ones; the source is None where there is no way."""
    if (src_a is None) != (src_b is None):  # rule 1
        return src_b is None
    if src_a is not None:
        match_a = scope_of(a) == scope_of(src_a)
        if match_a != (scope_of(b) == scope_of(src_b)):  # rule 2
            return match_a
        match_a = label(a) == label(src_a)
        if match_a != (label(b) == label(src_b)):  # rule 5
            return match_a
    if precedence(a) != precedence(b):  # rule 6
        return precedence(a) > precedence(b)
    if scope_of(a) != scope_of(b):  # rule 8
        return scope_of(a) < scope_of(b)
    if src_a is not None and not zero(a, 0, 10) and not zero(b, 0, 10):  # rule 9, IPv6 alone
        return common(a, 0, src_a, 0) > common(b, 0, src_b, 0)
    return False  # rule 10: the order as it was


def scope_of(addr):
    """scope(), for mapped addresses as well (RFC 6724 3.2)."""
    if zero(addr, 0, 10) and addr[10] == 0xFF:
        private = addr[12] == 127 or addr[12] == 169 and addr[13] == 254
        return _LINK if private else _GLOBAL
    return scope(addr)
