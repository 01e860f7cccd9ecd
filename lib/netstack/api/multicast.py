# The socket options of multicast, as Linux has them: see options.py.
#
#   IP_MULTICAST_IF     four bytes of an address of ours (or 12 of a struct ip_mreqn): send by that
#                       interface; 0.0.0.0: as the routes have it
#   IP_MULTICAST_TTL    how far what is sent gets; 1, the link, unless it is set
#   IP_MULTICAST_LOOP   do sockets of ours get it as well? They do unless it is cleared
#   IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP                  group, interface
#   IP_BLOCK_SOURCE, IP_UNBLOCK_SOURCE, IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP
#                                                          group, interface, source

from micropython import const
from netstack.api import host
from netstack.inet import igmp
from netstack.transport.udp import Groups

_IF = const(32)
_TTL = const(33)
_LOOP = const(34)
_ADD = const(35)
_DROP = const(36)
_UNBLOCK = const(37)
_BLOCK = const(38)
_ADD_SOURCE = const(39)
_DROP_SOURCE = const(40)
_EINVAL = const(22)
_ENODEV = const(19)


def put(sock, io, option, value):
    st = sock._st
    if io.groups is None:
        io.groups = Groups()
    if option == _TTL or option == _LOOP:
        _number(io, option, value)
        return
    value = bytes(value)
    if option == _IF:
        addr = value[4:8] if len(value) == 12 else value
        if len(addr) != 4:
            raise OSError(_EINVAL, "IP_MULTICAST_IF (option 32): the 4 bytes of an address")
        io.groups.via = _interface(st, addr, None) if any(addr) else None
        return
    if len(value) < 8 or (option >= _UNBLOCK and len(value) != 12):
        raise OSError(_EINVAL, "option %d: a struct ip_mreq or ip_mreq_source" % option)
    igmp.attach(st)
    host.enter(st)
    try:
        _change(st.igmp, io, option, _interface(st, value[4:8], value[:4]), value)
    finally:
        host.leave(st)


def _number(io, option, value):
    if not isinstance(value, int):
        value = int.from_bytes(bytes(value), "little")
    if option == _LOOP:
        io.groups.loop = bool(value)
        return
    if not -1 <= value <= 255:
        raise OSError(_EINVAL, "IP_MULTICAST_TTL (option 33) %d: 0 to 255" % value)
    io.groups.ttl = 1 if value < 0 else value


def _change(groups, io, option, nif, value):
    members = io.groups.members
    addr = value[:4]
    source = value[8:12]
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


def get(io, option):
    """The value as a number, or as four bytes."""
    groups = io.groups or Groups()
    if option == _TTL:
        return groups.ttl
    if option == _LOOP:
        return int(groups.loop)
    if option == _IF:
        return bytes(groups.via.v4.addr) if groups.via else bytes(4)
    raise OSError(92, "option %d cannot be read" % option)  # ENOPROTOOPT
