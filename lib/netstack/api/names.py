# Names of the socket options that few programs want, by Linux's numbers: options.py has what they
# do. socket.py shows them, and loads this when the first of them is asked for.

from micropython import const

IPPROTO_IP = const(0)
IPPROTO_ICMP = const(1)
IPPROTO_UDPLITE = const(136)
SO_TYPE = const(3)
SO_DONTROUTE = const(5)
SO_OOBINLINE = const(10)
SO_NO_CHECK = const(11)
SO_RCVLOWAT = const(18)
SO_SNDLOWAT = const(19)
SO_RCVTIMEO = const(20)
SO_SNDTIMEO = const(21)
SO_PROTOCOL = const(38)
SO_DOMAIN = const(39)
SOMAXCONN = const(128)
SO_ERROR = const(4)
SO_BROADCAST = const(6)
SO_SNDBUF = const(7)
SO_RCVBUF = const(8)
SO_KEEPALIVE = const(9)
SO_LINGER = const(13)
SO_BINDTODEVICE = const(25)
SO_ACCEPTCONN = const(30)
AI_PASSIVE = const(1)
AI_NUMERICHOST = const(4)
AI_CANONNAME = const(2)
AI_NUMERICSERV = const(0x400)
NI_NUMERICHOST = const(1)
NI_NUMERICSERV = const(2)
NI_NOFQDN = const(4)
NI_NAMEREQD = const(8)
NI_DGRAM = const(16)
INADDR_ANY = const(0)
SO_REUSEPORT = const(15)
SOL_RAW = const(255)
IPPROTO_ICMPV6 = const(58)
IPPROTO_RAW = const(255)
ETH_P_ALL = const(3)
PACKET_HOST = const(0)
PACKET_BROADCAST = const(1)
PACKET_MULTICAST = const(2)
PACKET_OTHERHOST = const(3)
PACKET_OUTGOING = const(4)
ICMP_FILTER = const(1)
ICMP6_FILTER = const(1)
MSG_PEEK = const(2)
MSG_CTRUNC = const(8)
MSG_TRUNC = const(0x20)
MSG_WAITALL = const(0x100)
IP_HDRINCL = const(3)
IP_PKTINFO = const(8)
IP_RECVTTL = const(12)
IP_RECVTOS = const(13)
IPV6_CHECKSUM = const(7)
IPV6_MULTICAST_IF = const(17)
IPV6_MULTICAST_HOPS = const(18)
IPV6_MULTICAST_LOOP = const(19)
IPV6_JOIN_GROUP = const(20)
IPV6_LEAVE_GROUP = const(21)
IPV6_HDRINCL = const(36)
IPV6_RECVPKTINFO = const(49)
IPV6_PKTINFO = const(50)
IPV6_RECVHOPLIMIT = const(51)
IPV6_HOPLIMIT = const(52)
IPV6_RECVTCLASS = const(66)
MCAST_JOIN_GROUP = const(42)
MCAST_BLOCK_SOURCE = const(43)
MCAST_UNBLOCK_SOURCE = const(44)
MCAST_LEAVE_GROUP = const(45)
MCAST_JOIN_SOURCE_GROUP = const(46)
MCAST_LEAVE_SOURCE_GROUP = const(47)
UDPLITE_SEND_CSCOV = const(10)
UDPLITE_RECV_CSCOV = const(11)

IPPROTO_IPV6 = const(41)
IPV6_UNICAST_HOPS = const(16)
IPV6_V6ONLY = const(26)
IPV6_TCLASS = const(67)
IP_TOS = const(1)
IP_TTL = const(2)
IP_MTU_DISCOVER = const(10)
IP_MTU = const(14)
IP_PMTUDISC_DONT = const(0)
IP_PMTUDISC_WANT = const(1)
IP_PMTUDISC_DO = const(2)
IP_MULTICAST_IF = const(32)
IP_MULTICAST_TTL = const(33)
IP_MULTICAST_LOOP = const(34)
IP_ADD_MEMBERSHIP = const(35)
IP_DROP_MEMBERSHIP = const(36)
IP_UNBLOCK_SOURCE = const(37)
IP_BLOCK_SOURCE = const(38)
IP_ADD_SOURCE_MEMBERSHIP = const(39)
IP_DROP_SOURCE_MEMBERSHIP = const(40)
TCP_NODELAY = const(1)
TCP_MAXSEG = const(2)
TCP_CORK = const(3)
TCP_KEEPIDLE = const(4)
TCP_KEEPINTVL = const(5)
TCP_KEEPCNT = const(6)
TCP_DEFER_ACCEPT = const(9)
TCP_INFO = const(11)
TCP_QUICKACK = const(12)
TCP_CONGESTION = const(13)
TCP_USER_TIMEOUT = const(18)
TCP_FASTOPEN = const(23)
TCP_FASTOPEN_CONNECT = const(30)
del const


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
