# Names of the options of IPPROTO_IP and IPPROTO_TCP, by Linux's numbers: options.py has what they
# do, socket.py shows them.

from micropython import const as _const

IP_TOS = _const(1)
IP_TTL = _const(2)
IP_MTU_DISCOVER = _const(10)
IP_MTU = _const(14)
IP_PMTUDISC_DONT = _const(0)
IP_PMTUDISC_WANT = _const(1)
IP_PMTUDISC_DO = _const(2)
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
