# Socket options, by Linux's numbers. Most are an attribute of what a socket stands on: a
# connection, a listener, a UDP endpoint. One that has no such attribute does not know the option.
#
#   SOL_SOCKET   SO_REUSEADDR, SO_TYPE, SO_ERROR (reading clears it), SO_BROADCAST, SO_SNDBUF and
#                SO_RCVBUF (how far the rings may grow, as the stack's budget allows),
#                SO_KEEPALIVE, SO_LINGER, SO_ACCEPTCONN, SO_BINDTODEVICE
#                SO_REUSEPORT, SO_DOMAIN, SO_PROTOCOL, SO_DONTROUTE, SO_OOBINLINE,
#                SO_RCVTIMEO, SO_SNDTIMEO, SO_RCVLOWAT (TCP), SO_SNDLOWAT (1), SO_NO_CHECK (UDP)
#   IPPROTO_IP   IP_TOS, IP_TTL, IP_MTU_DISCOVER (UDP), IP_MTU (of a connected socket, to be read)
#   IPPROTO_IPV6 IPV6_UNICAST_HOPS, IPV6_TCLASS, IPV6_V6ONLY (before bind)
#                multicast.py has those of multicast, ancillary.py those of recvmsg(), of both
#   IPPROTO_TCP  TCP_NODELAY, TCP_MAXSEG, TCP_CORK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT,
#                TCP_DEFER_ACCEPT, TCP_INFO, TCP_QUICKACK, TCP_CONGESTION, TCP_USER_TIMEOUT;
#                with transport/tcp/fastopen.py attached TCP_FASTOPEN, TCP_FASTOPEN_CONNECT
#   with transport/raw.py IP_HDRINCL, IPV6_HDRINCL, IPV6_CHECKSUM, ICMP_FILTER, ICMP6_FILTER
#   IPPROTO_UDPLITE  UDPLITE_SEND_CSCOV, UDPLITE_RECV_CSCOV (RFC 3828)
#
# A value out of range is OSError(EINVAL), an option that is not known OSError(ENOPROTOOPT), as on
# Linux; both say which option it was.

from micropython import const
from netstack.api import host

_SOCKET = const(1)
_IP = const(0)
_TCP = const(6)
_IPV6 = const(41)
_IPV6_V6ONLY = const(26)
_IPV6_CHECKSUM = const(7)
_ICMPV6 = const(58)
_SOL_RAW = const(255)
_UDP = const(17)
_UDPLITE = const(136)
_SO_REUSEADDR = const(2)
_SO_TYPE = const(3)
_SO_ERROR = const(4)
_SO_LINGER = const(13)
_SO_DONTROUTE = const(5)
_SO_OOBINLINE = const(10)
_SO_RCVLOWAT = const(18)
_SO_SNDLOWAT = const(19)
_SO_CALLBACK = const(20)  # MicroPython's: what webrepl sets; numbers are SO_RCVTIMEO
_SO_SNDTIMEO = const(21)
_SO_PROTOCOL = const(38)
_SO_DOMAIN = const(39)
_SO_BINDTODEVICE = const(25)
_SO_ACCEPTCONN = const(30)
_TCP_MAXSEG = const(2)
_TCP_DEFER_ACCEPT = const(9)
_TCP_INFO = const(11)
_TCP_CONGESTION = const(13)
_SOCK_STREAM = const(1)
_SOCK_DGRAM = const(2)
_AF_INET6 = const(10)
_EINVAL = const(22)
_ENODEV = const(19)
_ENOPROTOOPT = const(92)
_ENOTCONN = const(107)
_IP_MTU = const(14)
_IP_MULTICAST_IF = const(32)
_IP_DROP_SOURCE = const(40)
_CLOSED = const(0)

_MOST = const(0x1FFFFFFF)  # milliseconds that can be told apart
_MSS_MIN = const(88)  # Linux's limits
_MSS_MAX = const(32767)

# level, option, attribute, lowest and highest value (0 to 1: a truth value)
_OPTIONS = (
    (_IPV6, 16, "hops", -1, 255),  # IPV6_UNICAST_HOPS
    (_IPV6, 67, "tclass", -1, 255),  # IPV6_TCLASS
    (_SOCKET, 6, "broadcast", 0, 1),  # SO_BROADCAST
    (_SOCKET, 15, "reuseport", 0, 1),  # SO_REUSEPORT
    (_SOCKET, 11, "nosum", 0, 1),  # SO_NO_CHECK
    (_SOCKET, 7, "sndbuf", 0, _MOST),  # SO_SNDBUF
    (_SOCKET, 8, "rcvbuf", 0, _MOST),  # SO_RCVBUF
    (_SOCKET, 9, "keepalive", 0, 1),  # SO_KEEPALIVE
    (_IP, 1, "tos", 0, 255),  # IP_TOS
    (_IP, 2, "ttl", 1, 255),  # IP_TTL
    (_IP, 10, "pmtudisc", 0, 3),  # IP_MTU_DISCOVER
    (_IP, 3, "hdrincl", 0, 1),  # IP_HDRINCL
    (_IPV6, 7, "csum_offset", -1, 1400),  # IPV6_CHECKSUM, of raw sockets of either family
    (_IPV6, 36, "hdrincl", 0, 1),  # IPV6_HDRINCL
    (_ICMPV6, 1, "blocked", 0, 0),  # ICMP6_FILTER: a struct icmp6_filter
    (_SOL_RAW, 1, "blocked", 0, 0),  # ICMP_FILTER: the same, of 4 bytes
    (_UDPLITE, 10, "send_coverage", 0, 65535),  # UDPLITE_SEND_CSCOV
    (_UDPLITE, 11, "recv_coverage", 0, 65535),  # UDPLITE_RECV_CSCOV
    (_TCP, 1, "nodelay", 0, 1),  # TCP_NODELAY
    (_TCP, 2, "maxseg", 0, _MSS_MAX),  # TCP_MAXSEG
    (_TCP, 3, "cork", 0, 1),  # TCP_CORK
    (_TCP, 4, "keepidle", 1, 32767),  # TCP_KEEPIDLE
    (_TCP, 5, "keepintvl", 1, 32767),  # TCP_KEEPINTVL
    (_TCP, 6, "keepcnt", 1, 127),  # TCP_KEEPCNT
    (_TCP, 9, "defer_accept", -_MOST, _MOST),  # TCP_DEFER_ACCEPT
    (_TCP, 12, "quickack", 0, 1),  # TCP_QUICKACK
    (_TCP, 13, "congestion", 0, 0),  # TCP_CONGESTION: a name
    (_TCP, 18, "user_timeout", 0, _MOST),  # TCP_USER_TIMEOUT
    (_TCP, 23, "fastopen", 0, _MOST),  # TCP_FASTOPEN
    (_TCP, 30, "fastopen_connect", 0, 1),  # TCP_FASTOPEN_CONNECT
)


# What recvmsg() is to tell: level, option; bit 0 of Endpoint.extras and those that follow.
_INFO = ((_IP, 8), (_IP, 12), (_IP, 13), (_IPV6, 49), (_IPV6, 51), (_IPV6, 66))


def _info_bit(sock, io, level, option):
    """The bit of Endpoint.extras that this option is; 0: it is none of those."""
    if not hasattr(io, "extras") or (level == _IPV6 and sock._af != _AF_INET6):
        return 0
    for i in range(len(_INFO)):
        if _INFO[i] == (level, option):
            return 1 << i
    return 0


def _find(sock, io, level, option):
    if level == _IPV6 and sock._af != _AF_INET6 and option != _IPV6_CHECKSUM:
        raise OSError(_ENOPROTOOPT, "socket option %s, level %s: of IPv6" % (option, level))
    for each in _OPTIONS:
        if each[0] == level and each[1] == option and hasattr(io, each[2]):
            if each[2].startswith("fastopen") and io.tcp.fastopen is None:
                break  # not attached
            return each
    raise OSError(_ENOPROTOOPT, "socket option %s, level %s is not known" % (option, level))


def copy(old, new):
    """A listener keeps the options of the connections it will give."""
    for each in _OPTIONS:
        name = each[2]
        if name == "congestion":
            new.control = old.control
        elif hasattr(old, name) and getattr(old, name) != getattr(new, name, None):
            setattr(new, name, getattr(old, name))
    new.device = old.device


def _number(level, option, value):
    """An integer that a program has given as one, as a truth value, or as C has it."""
    if isinstance(value, (int, bool)):  # to MicroPython a bool is no int
        return int(value)
    value = bytes(value)
    if len(value) < (1 if level == _IP else 4):
        raise OSError(_EINVAL, "socket option %d: %d bytes" % (option, len(value)))
    return int.from_bytes(value[:4], "little")


def put(sock, io, level, option, value):
    """setsockopt() of `sock`, which stands on `io`."""
    if not (isinstance(level, int) and isinstance(option, int)):
        raise TypeError("socket option %r, level %r: numbers are needed" % (option, level))
    if level == _SOCKET and _SO_CALLBACK <= option <= _SO_SNDTIMEO:
        if option == _SO_CALLBACK and (value is None or callable(value)):
            sock._callback = value
            sock._listen_in(sock._io)
        else:
            _set_limit(sock, option, value)
        return
    if level == _SOCKET and option == _SO_BINDTODEVICE:
        _bind_to(sock, io, value)
        return
    if level == _SOCKET and option == _SO_LINGER:
        _set_linger(sock, value)
        return
    if level == _TCP and option == _TCP_CONGESTION:
        _find(sock, io, level, option)  # or there is none
        io.set_congestion(text(value))
        return
    if level == _ICMPV6 or level == _SOL_RAW:
        setattr(io, _find(sock, io, level, option)[2], bytes(value))
        return
    if sock._dgram and _is_multicast(sock, level, option):
        _multicast().put(sock, io, level, option, value)
        return
    value = _number(level, option, value)
    if level == _SOCKET and _put_own(sock, io, option, value):
        return
    if level == _SOCKET and option == _SO_REUSEADDR:
        sock._reuse = bool(value)
        if hasattr(io, "reuse"):
            io.reuse = sock._reuse
        return
    if level == _IPV6 and option == _IPV6_V6ONLY and sock._af == _AF_INET6:
        if io.lport or sock._listening:
            raise OSError(_EINVAL, "IPV6_V6ONLY (option 26): before bind()")
        sock.v6only = bool(value)
        if sock._dgram:
            io.ip = sock.network()
        return
    bit = _info_bit(sock, io, level, option)
    if bit:
        io.extras = io.extras | bit if value else io.extras & ~bit
        return
    _, _, name, low, high = _find(sock, io, level, option)
    value = _checked(sock, name, option, low, high, value)
    if sock._dgram or sock._listening:
        setattr(io, name, value)
        return
    host.call(sock._st, io.set, name, value)


def _put_own(sock, io, option, value):
    """An option that the socket itself has. False: it is none."""
    if option == _SO_DONTROUTE:
        sock._routed = not value
        sock._to = sock._way = None
    elif option == _SO_OOBINLINE:  # RFC 6093 5: urgent data is in line whatever this says
        sock._oob = int(value != 0)
    elif option == _SO_RCVLOWAT and not sock._dgram:
        if value < 0:
            raise OSError(_EINVAL, "SO_RCVLOWAT (option 18) %d: at least 0" % value)
        host.load("more").set_low(sock, max(value, 1))
    else:
        return False
    return True


def _set_limit(sock, option, value):
    """SO_RCVTIMEO, SO_SNDTIMEO: a struct timeval of 64 or 32 bits, or milliseconds; 0: none."""
    if not isinstance(value, int):
        value = bytes(value)
        half = len(value) >> 1
        if half not in (4, 8) or len(value) != 2 * half:
            raise OSError(_EINVAL, "option %d takes a struct timeval, 16 or 8 bytes" % option)
        seconds = int.from_bytes(value[:half], "little")
        micros = int.from_bytes(value[half:], "little")
        if micros >= 1000000:
            raise OSError(33, "option %d: microseconds up to 999999" % option)  # EDOM
        if seconds >> 8 * half - 1:  # below 0: as Linux has it, the time is up
            seconds, micros = 0, 1
        value = seconds * 1000 + (micros + 999) // 1000
    elif value < 0:
        raise OSError(_EINVAL, "option %d: milliseconds from 0 on" % option)
    limits = list(sock._limits or (-1, -1))
    limits[option - _SO_CALLBACK] = min(value, _MOST) or -1
    sock._limits = tuple(limits)


def _is_multicast(sock, level, option):
    """An option of multicast.py?"""
    if level == _IPV6 and sock._af == _AF_INET6:
        return 17 <= option <= 21 or 42 <= option <= 47
    return level == _IP and (_IP_MULTICAST_IF <= option <= _IP_DROP_SOURCE or 42 <= option <= 47)


def _multicast():
    """What few programs need is loaded by those."""
    return host.load("multicast")


def _checked(sock, name, option, low, high, value):
    """The value as it is kept; OSError(EINVAL) if there is none."""
    if low == 0 and high == 1:
        return bool(value)
    if name == "user_timeout" and value >= 1 << 31:  # four bytes of C, read without a sign
        value -= 1 << 32
    if name == "defer_accept":
        return _round_up(value)
    if name == "hops" or name == "tclass":
        if value == -1:  # RFC 3542 6.3, 6.5: the usual
            return 64 if name == "hops" else 0
        low = int(name == "hops")
    if low <= value <= high and not (name == "maxseg" and 0 < value < _MSS_MIN):
        if name.endswith("buf"):
            least = 256 if sock._dgram else 2048
            return value if value > least else least
        return value
    low = _MSS_MIN if name == "maxseg" else low
    what = "%s (option %d) %d: %d to %d" % (name, option, value, low, high)
    raise OSError(_EINVAL, what)


def _round_up(seconds):
    """As Linux: to the moment of one of the SYN,ACK's retransmissions, 1, 3, 7, 15, ..."""
    period = step = 1
    if seconds <= 0:
        return 0
    while period < seconds:
        step = min(2 * step, 120)
        period += step
    return period


def _bind_to(sock, io, name):
    """SO_BINDTODEVICE: a name of an interface, or of none."""
    name = text(name)
    nif = None
    for each in sock._st.nifs:
        if each.name == name:
            nif = each
    if name and nif is None:
        raise OSError(_ENODEV, "there is no interface %s" % name)
    if sock._dgram:
        io.nif = nif
    elif not sock._listening and io.state != _CLOSED:
        raise OSError(_EINVAL, "SO_BINDTODEVICE (option 25): before connect()")
    else:
        io.device = nif


def _set_linger(sock, value):
    """struct linger: on, seconds. close() then waits so long for what is sent to be
    acknowledged; with 0 seconds it resets."""
    value = bytes(value)
    if len(value) != 8 or sock._dgram:
        raise OSError(_EINVAL, "SO_LINGER (option 13) takes a struct linger, TCP alone")
    on = int.from_bytes(value[:4], "little")
    sock._linger = min(int.from_bytes(value[4:], "little"), _MOST // 1000) if on else -1


def get(sock, io, level, option, size):
    """getsockopt() of `sock`: an integer, or bytes."""
    if not 0 <= size <= 1024:
        raise OSError(_EINVAL, "getsockopt: %d bytes, 0 to 1024" % size)
    if level == _SOCKET and _SO_CALLBACK <= option <= _SO_SNDTIMEO:
        ms = sock._limits[option - _SO_CALLBACK] if sock._limits else -1
        return _timeval(max(ms, 0), size)
    if level == _TCP and option == _TCP_CONGESTION:
        _find(sock, io, level, option)
        value = io.congestion().encode()
        return value[:size] if size else value
    if level == _TCP and option == _TCP_INFO and not sock._dgram:
        value = _info(sock, io)
        return value[:size] if size else value
    if level == _ICMPV6 or level == _SOL_RAW:
        value = getattr(io, _find(sock, io, level, option)[2])
        return value[:size] if size else value
    if level == _SOCKET and option == _SO_LINGER and not sock._dgram:
        on = sock._linger >= 0
        value = int(on).to_bytes(4, "little") + max(sock._linger, 0).to_bytes(4, "little")
        return value[:size] if size else int(on)
    if level == _SOCKET and option == _SO_BINDTODEVICE:
        nif = io.nif if sock._dgram else io.device
        return nif.name.encode() + b"\0" if nif else b""
    if sock._dgram and _is_multicast(sock, level, option):
        value = _multicast().get(sock, io, level, option)
        if isinstance(value, bytes):
            return value
    else:
        value = _value(sock, io, level, option)
    return (value & 0xFFFFFFFF).to_bytes(4, "little")[:size] if size else value


def _timeval(ms, size):
    """Milliseconds as a number, or as a struct timeval: of 8 bytes, or of 16."""
    if not size:
        return ms
    half = 8 if size >= 16 else 4
    parts = (ms // 1000).to_bytes(half, "little"), (ms % 1000 * 1000).to_bytes(half, "little")
    return b"".join(parts)[:size]


def protocol(sock, io):
    """SO_PROTOCOL"""
    if not sock._dgram:
        return _TCP
    return getattr(io, "proto", _UDPLITE if hasattr(io, "send_coverage") else _UDP)


def _info(sock, io):
    from netstack.transport.tcp import info

    return host.call(sock._st, info.pack_listener if sock._listening else info.pack, io)


def _value(sock, io, level, option):
    if level == _SOCKET:
        if option == _SO_ERROR:
            error = 0 if sock._listening else io.error
            if error:
                io.error = 0
            return error
        if option == _SO_TYPE:
            return getattr(io, "type", _SOCK_DGRAM) if sock._dgram else _SOCK_STREAM
        if option == _SO_ACCEPTCONN:
            return int(sock._listening)
        if option == _SO_REUSEADDR:
            return int(sock._reuse)
        if option == _SO_DOMAIN:
            return sock._af
        if option == _SO_PROTOCOL:
            return protocol(sock, io)
        if option == _SO_DONTROUTE:
            return int(not sock._routed)
        if option == _SO_OOBINLINE:
            return sock._oob
        if option == _SO_SNDLOWAT:
            return 1
        if option == _SO_RCVLOWAT and not sock._dgram:
            return sock._low.least if sock._low else 1
    if level == _IP and option == _IP_MTU:
        return _path_mtu(io)
    bit = _info_bit(sock, io, level, option)
    if bit:
        return int(io.extras & bit != 0)
    if level == _IPV6 and option == _IPV6_V6ONLY and sock._af == _AF_INET6:
        return int(sock.v6only)
    name = _find(sock, io, level, option)[2]
    if name == "maxseg":
        if hasattr(io, "cb") and io.state != _CLOSED:
            return io.send_mss()
        return io.maxseg or 536  # RFC 9293 3.7.1
    return int(getattr(io, name))


def _path_mtu(io):
    """The longest packet that gets to the peer, as far as we know."""
    if getattr(io, "raddr", None) is None:
        raise OSError(_ENOTCONN, "IP_MTU (option 14): the socket is not connected")
    return io.ip.mss_room(io.raddr) + io.ip.dst_off + io.ip.alen


def text(value):
    """A name, or bytes that hold one as C has it."""
    return value if isinstance(value, str) else bytes(value).rstrip(b"\0").decode()
