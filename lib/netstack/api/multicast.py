# The socket options of multicast, as Linux has them: see options.py. A structure is its bytes as C
# has them on a machine of 32 or of 64 bits, little endian.
#
#   IP_MULTICAST_IF     four bytes of an address of ours (or 12 of a struct ip_mreqn): send by that
#                       interface; 0.0.0.0: as the routes have it
#   IP_MULTICAST_TTL    how far what is sent gets; 1, the link, unless it is set
#   IP_MULTICAST_LOOP   do sockets of ours get it as well? They do unless it is cleared
#   IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP                  group, interface
#   IP_BLOCK_SOURCE, IP_UNBLOCK_SOURCE, IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP
#                                                          group, interface, source
#   IPV6_MULTICAST_IF, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP (RFC 3493 5.2): the same, but an
#                       interface is its number, from 1 on; 0: any
#   IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP: struct ipv6_mreq    group 16, number of the interface 4
#   MCAST_... (RFC 3678), of both families: struct group_req or group_source_req

from micropython import const
from netstack.api import host
from netstack.inet import igmp

_IPV6 = const(41)
_IF = const(32)
_TTL = const(33)
_LOOP = const(34)
_ADD = const(35)
_DROP = const(36)
_UNBLOCK = const(37)
_BLOCK = const(38)
_ADD_SOURCE = const(39)
_DROP_SOURCE = const(40)
_IF6 = const(17)
_TTL6 = const(18)
_LOOP6 = const(19)
_JOIN6 = const(20)
_LEAVE6 = const(21)
_MCAST_FIRST = const(42)
_STORAGE = const(128)  # bytes of a struct sockaddr_storage
_EINVAL = const(22)
_ENODEV = const(19)

# what MCAST_JOIN_GROUP and those that follow it are called with IPv4
_MCAST = (_ADD, _BLOCK, _UNBLOCK, _DROP, _ADD_SOURCE, _DROP_SOURCE)


def put(sock, io, level, option, value):
    st = sock._st
    ip = st.ip6 if level == _IPV6 else st.ip4
    if level == _IPV6 and option < _MCAST_FIRST:
        option = _put6(st, io, option, value)
        if option == 0:
            return
    groups = io.groups_of(ip)
    if option == _TTL or option == _LOOP:
        _number(groups, option, value)
        return
    value = bytes(value)
    if option == _IF:
        addr = value[4:8] if len(value) == 12 else value
        if len(addr) != 4:
            raise OSError(_EINVAL, "IP_MULTICAST_IF (option 32): the 4 bytes of an address")
        groups.via = _interface(st, addr, None) if any(addr) else None
        return
    igmp.attach(st)
    host.enter(st)
    try:
        option, nif, group, source = _wish(st, ip, option, value)
        _change(ip.members, groups.members, option, nif, group, source)
    finally:
        host.leave(st)


def _put6(st, io, option, value):
    """Deal with what IPv6 has of its own; the option of IPv4 that is left to do, or 0."""
    if option == _TTL6 or option == _LOOP6:
        _number(io.groups_of(st.ip6), _TTL if option == _TTL6 else _LOOP, value)
        return 0
    if option == _IF6:
        number = value if isinstance(value, int) else int.from_bytes(bytes(value), "little")
        io.groups_of(st.ip6).via = numbered(st, number) if number else None
        return 0
    return -_ADD if option == _JOIN6 else -_DROP


def _number(groups, option, value):
    if not isinstance(value, int):
        value = int.from_bytes(bytes(value), "little")
        value = -1 if value == 0xFFFFFFFF else value
    if option == _LOOP:
        groups.loop = bool(value)
        return
    if not -1 <= value <= 255:
        raise OSError(_EINVAL, "multicast TTL (option 33 or 18) %d: 0 to 255" % value)
    groups.ttl = 1 if value < 0 else value


def _wish(st, ip, option, value):
    """(option of IPv4, interface, group, source) that the structure `value` names; `option` below
    zero: it is a struct ipv6_mreq."""
    if option < 0:
        if len(value) != 20:
            raise OSError(_EINVAL, "IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP: a struct ipv6_mreq")
        group = value[:16]
        return -option, _by_number(st, ip, value[16:], group), group, None
    if option >= _MCAST_FIRST:
        return _wish_of_both(st, ip, _MCAST[option - _MCAST_FIRST], value)
    if len(value) < 8 or (option >= _UNBLOCK and len(value) != 12):
        raise OSError(_EINVAL, "option %d: a struct ip_mreq or ip_mreq_source" % option)
    return option, _interface(st, value[4:8], value[:4]), value[:4], value[8:12]


def _wish_of_both(st, ip, option, value):
    """The same of a struct group_req, group_source_req (RFC 3678 5.1)."""
    size = _STORAGE if option == _ADD or option == _DROP else 2 * _STORAGE
    at = len(value) - size  # behind the number of the interface, which may be padded
    if at != 4 and at != 8:
        raise OSError(_EINVAL, "MCAST_...: a struct group_req or group_source_req")
    group = _member(ip, value[at:])
    source = _member(ip, value[at + _STORAGE :]) if size > _STORAGE else None
    return option, _by_number(st, ip, value[:4], group), group, source


def _member(ip, sockaddr):
    """The address in a struct sockaddr_storage."""
    family = sockaddr[0] | sockaddr[1] << 8
    if family != (2 if ip.alen == 4 else 10):
        raise OSError(_EINVAL, "MCAST_...: an address of family %d" % family)
    at = 4 if ip.alen == 4 else 8
    return sockaddr[at : at + ip.alen]


def _by_number(st, ip, number, group):
    """The interface of this number (4 bytes), 0: that by which the group is reached."""
    number = int.from_bytes(number, "little")
    if not ip.group(group, 0):
        raise OSError(_EINVAL, "to join: no group's address")
    if number:
        return numbered(st, number)
    nif = ip.route(group, 0)
    if nif is None:
        raise OSError(_ENODEV, "there is no interface for this group")
    return nif


def numbered(st, number):
    """The interface of this number, from 1 on."""
    if not 1 <= number <= len(st.nifs):
        raise OSError(_ENODEV, "there is no interface %d" % number)
    return st.nifs[number - 1]


def _change(groups, members, option, nif, addr, source):
    if option == _ADD:
        groups.join(members, nif, addr)
    elif option == _DROP:
        groups.leave(members, nif, addr)
    elif option == _ADD_SOURCE:
        groups.join(members, nif, addr, source)
    elif option == _DROP_SOURCE:
        groups.leave(members, nif, addr, source)
    else:
        groups.block(members, nif, addr, source, option == _BLOCK)


def _interface(st, addr, group):
    """That with the address `addr`; 0.0.0.0: that by which the group is reached."""
    nif = None
    if any(addr):
        for each in st.nifs:
            if each.v4.set and each.v4.addr == addr:
                nif = each
    else:
        nif = st.ip4.route(group, 0)
    if nif is None:
        raise OSError(_ENODEV, "there is no interface %d.%d.%d.%d" % tuple(addr))
    return nif


def get(sock, io, level, option):
    """The value as a number, or as four bytes."""
    st = sock._st
    groups = io.groups_of(st.ip6 if level == _IPV6 else st.ip4)
    if option in (_TTL, _TTL6):
        return groups.ttl
    if option in (_LOOP, _LOOP6):
        return int(groups.loop)
    if option == _IF6:
        return st.nifs.index(groups.via) + 1 if groups.via else 0
    if option == _IF:
        return bytes(groups.via.v4.addr) if groups.via else bytes(4)
    raise OSError(92, "option %d cannot be read" % option)  # ENOPROTOOPT
