# Connecting with data in the SYN (TCP Fast Open, RFC 7413): the sockets' side of it. Loaded when
# it is first used.

from micropython import const
from netstack.api import host

_DONTWAIT = const(0x40)
_FASTOPEN = const(0x20000000)
_EOPNOTSUPP = const(95)
_EINPROGRESS = const(115)


def open_with(sock, io, buf, flags, ip, addr, port):
    """connect() and send() of `sock`, whose connection is `io`, in one. Returns how much was
    taken, or -errno. flags: MSG_FASTOPEN means that there is nothing to be sent yet, so that it
    can only ask the server for a cookie."""
    fast = io.tcp.fastopen
    if fast is None:
        raise OSError(_EOPNOTSUPP, "MSG_FASTOPEN: netstack.transport.tcp.fastopen is needed")
    n = host.call(sock._st, fast.connect, io, ip, addr, port, buf, 0, len(buf))
    if n != -_EINPROGRESS:
        return n
    if flags & _FASTOPEN:
        sock._wait_connected(io)
        return 0
    if sock._timeout == 0 or flags & _DONTWAIT:
        return n
    sock._wait_connected(io)
    return sock._push(buf, 0, len(buf), flags)
