# Names of the socket options that few programs want, by Linux's numbers: options.py has what they
# do. socket.py shows them, and loads this when the first of them is asked for.

from micropython import const as _const

IPPROTO_IP = _const(0)
IPPROTO_ICMP = _const(1)
IPPROTO_UDPLITE = _const(136)
SO_TYPE = _const(3)
SO_DONTROUTE = _const(5)
SO_OOBINLINE = _const(10)
SO_NO_CHECK = _const(11)
SO_RCVLOWAT = _const(18)
SO_SNDLOWAT = _const(19)
SO_RCVTIMEO = _const(20)
SO_SNDTIMEO = _const(21)
SO_PROTOCOL = _const(38)
SO_DOMAIN = _const(39)
SOMAXCONN = _const(128)
SO_ERROR = _const(4)
SO_BROADCAST = _const(6)
SO_SNDBUF = _const(7)
SO_RCVBUF = _const(8)
SO_KEEPALIVE = _const(9)
SO_LINGER = _const(13)
SO_BINDTODEVICE = _const(25)
SO_ACCEPTCONN = _const(30)
AI_PASSIVE = _const(1)
AI_NUMERICHOST = _const(4)
AI_CANONNAME = _const(2)
AI_NUMERICSERV = _const(0x400)
NI_NUMERICHOST = _const(1)
NI_NUMERICSERV = _const(2)
NI_NOFQDN = _const(4)
NI_NAMEREQD = _const(8)
NI_DGRAM = _const(16)
INADDR_ANY = _const(0)
SO_REUSEPORT = _const(15)
SOL_RAW = _const(255)
IPPROTO_ICMPV6 = _const(58)
IPPROTO_RAW = _const(255)
ETH_P_ALL = _const(3)
PACKET_HOST = _const(0)
PACKET_BROADCAST = _const(1)
PACKET_MULTICAST = _const(2)
PACKET_OTHERHOST = _const(3)
PACKET_OUTGOING = _const(4)
ICMP_FILTER = _const(1)
ICMP6_FILTER = _const(1)
MSG_PEEK = _const(2)
MSG_CTRUNC = _const(8)
MSG_TRUNC = _const(0x20)
MSG_WAITALL = _const(0x100)
IP_HDRINCL = _const(3)
IP_PKTINFO = _const(8)
IP_RECVTTL = _const(12)
IP_RECVTOS = _const(13)
IPV6_CHECKSUM = _const(7)
IPV6_MULTICAST_IF = _const(17)
IPV6_MULTICAST_HOPS = _const(18)
IPV6_MULTICAST_LOOP = _const(19)
IPV6_JOIN_GROUP = _const(20)
IPV6_LEAVE_GROUP = _const(21)
IPV6_HDRINCL = _const(36)
IPV6_RECVPKTINFO = _const(49)
IPV6_PKTINFO = _const(50)
IPV6_RECVHOPLIMIT = _const(51)
IPV6_HOPLIMIT = _const(52)
IPV6_RECVTCLASS = _const(66)
MCAST_JOIN_GROUP = _const(42)
MCAST_BLOCK_SOURCE = _const(43)
MCAST_UNBLOCK_SOURCE = _const(44)
MCAST_LEAVE_GROUP = _const(45)
MCAST_JOIN_SOURCE_GROUP = _const(46)
MCAST_LEAVE_SOURCE_GROUP = _const(47)
UDPLITE_SEND_CSCOV = _const(10)
UDPLITE_RECV_CSCOV = _const(11)

IPPROTO_IPV6 = _const(41)
IPV6_UNICAST_HOPS = _const(16)
IPV6_V6ONLY = _const(26)
IPV6_TCLASS = _const(67)
IP_TOS = _const(1)
IP_TTL = _const(2)
IP_MTU_DISCOVER = _const(10)
IP_MTU = _const(14)
IP_PMTUDISC_DONT = _const(0)
IP_PMTUDISC_WANT = _const(1)
IP_PMTUDISC_DO = _const(2)
IP_MULTICAST_IF = _const(32)
IP_MULTICAST_TTL = _const(33)
IP_MULTICAST_LOOP = _const(34)
IP_ADD_MEMBERSHIP = _const(35)
IP_DROP_MEMBERSHIP = _const(36)
IP_UNBLOCK_SOURCE = _const(37)
IP_BLOCK_SOURCE = _const(38)
IP_ADD_SOURCE_MEMBERSHIP = _const(39)
IP_DROP_SOURCE_MEMBERSHIP = _const(40)
TCP_NODELAY = _const(1)
TCP_MAXSEG = _const(2)
TCP_CORK = _const(3)
TCP_KEEPIDLE = _const(4)
TCP_KEEPINTVL = _const(5)
TCP_KEEPCNT = _const(6)
TCP_DEFER_ACCEPT = _const(9)
TCP_INFO = _const(11)
TCP_QUICKACK = _const(12)
TCP_CONGESTION = _const(13)
TCP_USER_TIMEOUT = _const(18)
TCP_FASTOPEN = _const(23)
TCP_FASTOPEN_CONNECT = _const(30)


def CMSG_LEN(n):
    """Bytes of an item of ancillary data with `n` bytes, as a machine of 64 bits has it."""
    return 16 + n


def CMSG_SPACE(n):
    """The same with what stands behind it before the next."""
    return 16 + (n + 7 & ~7)


def htons(n):
    """A 16-bit number with its bytes as on the wire, on a machine that has the lowest first."""
    if not 0 <= n <= 0xFFFF:
        raise OverflowError("htons: %d is no number of 16 bits" % n)
    return (n & 255) << 8 | n >> 8 & 255


ntohs = htons

error = gaierror = herror = OSError


def __getattr__(name):
    from netstack.api.host import load

    return getattr(load("functions"), name)
