# Socket options that are an attribute of what a socket stands on: a connection, a listener, a UDP
# endpoint. One that has no such attribute does not know the option.

from micropython import const

_SOCKET = const(1)
_IP = const(0)
_TCP = const(6)
_ENOPROTOOPT = const(92)

# level, option (Linux's numbers), attribute, is it a truth value?
_OPTIONS = (
    (_SOCKET, 6, "broadcast", True),  # SO_BROADCAST
    (_SOCKET, 7, "sndbuf", False),  # SO_SNDBUF
    (_SOCKET, 8, "rcvbuf", False),  # SO_RCVBUF
    (_SOCKET, 9, "keepalive", True),  # SO_KEEPALIVE
    (_IP, 1, "tos", False),  # IP_TOS
    (_IP, 2, "ttl", False),  # IP_TTL
    (_TCP, 1, "nodelay", True),  # TCP_NODELAY
    (_TCP, 4, "keepidle", False),  # TCP_KEEPIDLE
    (_TCP, 5, "keepintvl", False),  # TCP_KEEPINTVL
    (_TCP, 6, "keepcnt", False),  # TCP_KEEPCNT
    (_TCP, 13, "congestion", False),  # TCP_CONGESTION: a name
)


def find(io, level, option):
    """(attribute, truth value?) behind an option of `io`."""
    for each in _OPTIONS:
        if each[0] == level and each[1] == option and hasattr(io, each[2]):
            return each[2], each[3]
    raise OSError(_ENOPROTOOPT, "socket option %s, level %s is not known" % (option, level))


def copy(old, new):
    """A listener keeps the options of the connections it will give."""
    for each in _OPTIONS:
        if hasattr(old, each[2]):
            setattr(new, each[2], getattr(old, each[2]))
