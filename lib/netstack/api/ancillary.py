# recvmsg() and sendmsg() as CPython has them (RFC 3542 6): with a datagram, where it came in and
# to which address, its TTL and its TOS; or where one is to leave, from which address, and so on.
# Loaded when one of them is first used.
#
#   option            level, type of the item          its bytes, little endian
#   IP_PKTINFO        IPPROTO_IP, IP_PKTINFO           number of the interface 4, ours 4, to 4
#   IP_RECVTTL        IPPROTO_IP, IP_TTL               4
#   IP_RECVTOS        IPPROTO_IP, IP_TOS               1
#   IPV6_RECVPKTINFO  IPPROTO_IPV6, IPV6_PKTINFO       to 16, number of the interface 4
#   IPV6_RECVHOPLIMIT IPPROTO_IPV6, IPV6_HOPLIMIT      4
#   IPV6_RECVTCLASS   IPPROTO_IPV6, IPV6_TCLASS        4

from micropython import const
from netstack.api import address, datagram, host
from netstack.api.multicast import numbered
from netstack.api.stream import fault
from netstack.transport.udp import Detour
from time import ticks_ms

_IP = const(0)
_IPV6 = const(41)
_TOS = const(1)
_TTL = const(2)
_PKTINFO = const(8)
_PKTINFO6 = const(50)
_HOPLIMIT = const(52)
_TCLASS = const(67)
_FROM_LEN = const(12)  # of Endpoint.cb
_PEEK = const(2)
_CTRUNC = const(8)
_TRUNC = const(0x20)
_DONTWAIT = const(0x40)
_WAITALL = const(0x100)
_CMSG_HDR = const(16)
_EAGAIN = const(11)
_EINVAL = const(22)
_EADDRNOTAVAIL = const(99)
_EDESTADDRREQ = const(89)
_EOPNOTSUPP = const(95)
_MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"


def space(n):
    """CMSG_SPACE(): what an item of `n` bytes takes of the room for them."""
    return _CMSG_HDR + (n + 7 & ~7)


# -- receiving ----------------------------------------------------------------------------------


def receive(sock, bufs, room, flags):
    """recvmsg_into(): (bytes, items, flags, address)."""
    most = sum(len(buf) for buf in bufs)
    data, size = take(sock, most, flags | _TRUNC)
    n = len(data)
    at = 0
    for buf in bufs:
        part = min(len(buf), n - at)
        memoryview(buf)[:part] = data[at : at + part]
        at += part
    if not sock._dgram:
        return n, [], 0, None
    items, cut = _items(sock, sock._io, room)
    if size > most:
        cut |= _TRUNC
        n = size if flags & _TRUNC else n
    return n, items, cut, datagram.sender(sock)


def take(sock, most, flags):
    """What is to be had, at most so much: (a view of it, its length; with MSG_TRUNC that of the
    whole datagram)."""
    if flags & ~(_PEEK | _TRUNC | _DONTWAIT | _WAITALL):
        raise OSError(_EOPNOTSUPP, "receiving: flags %#x" % flags)
    before = sock._timeout
    if flags & _DONTWAIT:
        sock._timeout = 0
    try:
        if (most or sock._dgram) and not _wait(sock):
            raise fault(-sock._late())
        if flags & _WAITALL and not flags & (_PEEK | _DONTWAIT) and not sock._dgram:
            data = bytearray(most)
            n = sock.readinto(data) or 0
            return memoryview(data)[:n], n
    finally:
        sock._timeout = before
    io = sock._check_open()
    size = io.next_size() if sock._dgram else io.available() or 1  # 1: to be told how it ended
    data = bytearray(max(min(size, most), 0))
    n = _take(sock, io, data, flags & _PEEK) if most or sock._dgram else 0
    return memoryview(data)[:n], size if sock._dgram and flags & _TRUNC else n


def _wait(sock):
    """Wait for something; False when there is nothing in time."""
    if not sock._dgram:
        return sock._wait_readable()
    io = sock._check_open()
    start = ticks_ms() & 0x3FFFFFFF
    while True:
        io.event = False
        if io.waiting or io.error:
            return True
        if not sock._again(io, start):
            return False


def _take(sock, io, data, peek):
    st = sock._st
    host.enter(st)
    try:
        if sock._dgram:
            if io.error:
                n = -io.error
                io.error = 0
            else:
                n = io.recv(data, 0, len(data), bool(peek))
        elif peek:
            n = io.peek(data, 0, len(data))
        else:
            n = io.recv(data, 0, len(data))
    finally:
        host.leave(st)
    if n < 0:
        raise fault(-n if n < -1 else _EAGAIN)
    return n


def _items(sock, io, room):
    """What was asked for of the datagram that was taken last, and MSG_CTRUNC if not all fits."""
    items = []
    for item in _all(sock, io) if io.cb[_FROM_LEN] not in (4, 16) else ():
        room -= space(len(item[2]))
        if room < 0:
            return items, _CTRUNC
        items.append(item)
    return items, 0


def _all(sock, io):
    alen = io.from_len
    info = io.extras
    data = bytes(io.from_addr)
    dst = data[alen : 2 * alen]
    index, ttl, tos = data[2 * alen], data[2 * alen + 1], data[2 * alen + 2]
    number = index.to_bytes(4, "little")
    items = []
    if alen == 4:
        if info & 1:
            ours = bytes(sock._st.nifs[index - 1].v4.addr)
            ours = dst if sock._st.ip4.local(dst, 0) else ours
            items.append((_IP, _PKTINFO, number + ours + dst))
        if info & 2:
            items.append((_IP, _TTL, ttl.to_bytes(4, "little")))
        if info & 4:
            items.append((_IP, _TOS, bytes((tos,))))
        dst = _MAPPED + dst
    if info & 8:
        items.append((_IPV6, _PKTINFO6, dst + number))
    if info & 16 and alen == 16:
        items.append((_IPV6, _HOPLIMIT, ttl.to_bytes(4, "little")))
    if info & 32 and alen == 16:
        items.append((_IPV6, _TCLASS, tos.to_bytes(4, "little")))
    return items


# -- sending ------------------------------------------------------------------------------------


def send(sock, buffers, items, flags, to):
    """sendmsg(): how many bytes were sent."""
    data = b"".join([bytes(buf) for buf in buffers])
    io = sock._check_open()
    if not sock._dgram:
        return sock.send(data, flags)
    if to is not None:
        ip, addr, port, nif = address.sockaddr(sock, to)
    else:
        ip, addr, port, nif = io.ip, io.raddr, io.rport, None
        if addr is None:
            raise OSError(_EDESTADDRREQ)
    detour = _detour(sock._st, ip, items, nif)
    n = sock._push(data, 0, len(data), flags, ip, addr, port, detour)
    if n < 0:
        raise fault(-n)
    return n


def _detour(st, ip, items, nif):
    """What these items, and the zone of the destination, say of the way; None: nothing."""
    ttl = tos = src = None
    for level, kind, data in items:
        data = bytes(data)
        n = len(data)
        if kind == (_PKTINFO if level == _IP else _PKTINFO6) and n == (12 if level == _IP else 20):
            number = data[:4] if level == _IP else data[16:]
            number = int.from_bytes(number, "little")
            nif = numbered(st, number) if number else nif
            src = _source(st, ip, data[4:8] if level == _IP else data[:16])
        elif kind == (_TTL if level == _IP else _HOPLIMIT) and n == 4:
            value = _within(data, 1, "TTL")
            ttl = value if (level == _IP) == (ip.alen == 4) else ttl
        elif kind == (_TOS if level == _IP else _TCLASS) and n in (1, 4):
            value = _within(data, 0, "TOS")
            tos = value if (level == _IP) == (ip.alen == 4) else tos
        else:
            raise OSError(_EINVAL, "sendmsg: item %d, level %d, of %d bytes" % (kind, level, n))
    return Detour(nif, ttl, tos, src) if items or nif else None


def _within(data, low, what):
    value = int.from_bytes(data, "little")
    if not low <= value <= 255:
        raise OSError(_EINVAL, "sendmsg: %s %d: %d to 255" % (what, value, low))
    return value


def _source(st, ip, addr):
    """The address to send from; None: any."""
    if not any(addr):
        return None
    if len(addr) == 16 and addr[:12] == _MAPPED:
        addr = addr[12:]
    if len(addr) != ip.alen or not ip.local(addr, 0):
        raise OSError(_EADDRNOTAVAIL, "sendmsg: %s is not ours" % address.show(addr))
    return addr
