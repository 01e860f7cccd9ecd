# What few programs ask of a socket: CPython's methods and attributes that MicroPython does not
# have, and the rare cases of others. socket.py looks here for a name that it does not know, and
# loads this when that first happens.

from micropython import const
from netstack.api import drop, host
from time import ticks_ms

_SOCK_STREAM = const(1)
_SOCK_DGRAM = const(2)
_SHUT_RD = const(0)
_SHUT_WR = const(1)
_CLOSED = const(0)
_SYN_SENT = const(2)
_FIN_WAIT_2 = const(6)
_TIME_WAIT = const(10)
_EAGAIN = const(11)
_EPIPE = const(32)
_EOPNOTSUPP = const(95)
_ENOTCONN = const(107)
_BLOCK = const(1024)


def attribute(sock, name):
    """What socket.__getattr__() gives."""
    function = _ATTRIBUTES.get(name)
    if function:
        return function(sock)
    function = _METHODS.get(name)
    if function is None:
        raise AttributeError("socket has no attribute %s" % name)
    return lambda *args, **kwargs: function(sock, *args, **kwargs)


def _type(sock):
    if not sock._dgram:
        return _SOCK_STREAM
    return getattr(sock._io, "type", _SOCK_DGRAM)


def _proto(sock):
    return getattr(sock._io, "proto", 0) if sock._dgram else 0


def _getblocking(sock):
    return sock._timeout != 0


def _connect_ex(sock, address):
    """connect(), with its errno as the result; 0: connected."""
    try:
        sock.connect(address)
    except OSError as error:
        if error.errno < 0:  # of getaddrinfo()
            raise
        return error.errno
    return 0


def _dup(sock):
    """Another socket that stands on the same: the connection ends when both are closed. Of TCP one
    that is connected or listens."""
    from netstack.api import socket

    io = sock._check_open()
    if not sock._dgram and not sock._listening and io.state == _CLOSED and io.raddr is None:
        raise OSError(_EOPNOTSUPP, "dup: of a socket that is connected or listens")
    notify = io.notify
    held = host.join(sock._st)
    try:
        new = socket.socket(sock._af, _type(sock), 0, io)
        new._short = sock._short = None  # what one is told of senders, the other is not
        drop.let_go(new._guard)
        drop.share(sock._guard, io)
        new._guard = sock._guard
        io.notify = notify
    finally:
        host.part(sock._st, held)
    for name in ("_listening", "_timeout", "_linger", "_reuse", "_limits", "_routed", "v6only"):
        setattr(new, name, getattr(sock, name))
    return new


def _detach(sock):
    """Closes the socket, but not what it stands on: this is returned, for
    socket(family, type, 0, fileno=...) or as it is (docs/sockets.md)."""
    io = sock._check_open()
    held = host.join(sock._st)
    try:
        if drop.shared and drop.unshare(io):
            raise OSError(_EOPNOTSUPP, "detach: dup() has made another socket of it")
        sock._io = sock._short = sock._way = None
        drop.let_go(sock._guard)
        io.notify = None
    finally:
        host.part(sock._st, held)
    return io


def _sendfile(sock, file, offset=0, count=None):
    """Send a file from `offset` on, `count` bytes of it; returns how many."""
    if sock._timeout == 0:
        raise ValueError("sendfile: the socket must block")
    if offset:
        file.seek(offset)
    buf = memoryview(bytearray(_BLOCK))
    sent = 0
    while count is None or sent < count:
        n = file.readinto(buf if count is None else buf[: min(_BLOCK, count - sent)])
        if not n:
            break
        sock.sendall(buf[:n])
        sent += n
    return sent


_ATTRIBUTES = {
    "family": lambda sock: sock._af,
    "type": _type,
    "proto": _proto,
    "timeout": lambda sock: sock.gettimeout(),
}
_METHODS = {
    "connect_ex": _connect_ex,
    "detach": _detach,
    "dup": _dup,
    "getblocking": _getblocking,
    "sendfile": _sendfile,
}


# -- rare cases of what socket.py has -----------------------------------------------------------


def shutdown(sock, io, how):
    """shutdown() of what is no TCP connection."""
    if sock._dgram:
        if io.raddr is None:
            raise OSError(_ENOTCONN)
        if how != _SHUT_RD:  # as on Linux; what the peer sends comes as before
            sock._way = None
            sock._push = sock._sendto = _mute
        return
    if not sock._listening:
        raise OSError(_ENOTCONN)
    if how == _SHUT_WR:
        return
    st = sock._st
    host.enter(st)
    try:
        io.close()
        io.notify = None
        sock._listening = False
        sock._hold(st.tcp.open())
    finally:
        host.leave(st)


def _mute(*args):
    raise OSError(_EPIPE)


def wait_sent(sock, io):
    """SO_LINGER: until all of it and our FIN are acknowledged, or its time is up."""
    if sock._timeout == 0:
        if _unsent(io):
            raise OSError(_EAGAIN)
        return
    host.wait(lambda: not _unsent(io), sock._linger * 1000)


def _unsent(io):
    """Does a closed connection wait for its data or its FIN to be acknowledged?"""
    return io.state != _FIN_WAIT_2 and io.state != _TIME_WAIT and io.state > _SYN_SENT


def set_low(sock, least):
    """SO_RCVLOWAT"""
    if sock._low:
        sock._low.least = least
    elif least > 1:
        sock._low = Low(sock, least)


class Low:
    """SO_RCVLOWAT of a TCP socket: less than so much is not worth being told of, unless there is
    no more to come, or no more room for it."""

    def __init__(self, sock, least):
        self.sock = sock
        self.least = least
        self.usual = sock._ready_stream
        self.pull = sock._pull
        sock._ready_stream = self.ready
        sock._wait_readable = self.wait
        sock._pull = self.pull_enough

    def enough(self, io):
        n = io.available()
        if n >= self.least or n and n >= io.rx_size >> 1:
            return True
        return bool(io.eof() or io.deaf or io.error or io.eof_seen or io.state < _SYN_SENT)

    def ready(self, io, flags):
        return self.usual(io, flags if self.enough(io) else flags & ~1)

    def wait(self):
        sock = self.sock
        io = sock._check_open()
        if sock._listening:
            raise OSError(_ENOTCONN)
        start = ticks_ms() & 0x3FFFFFFF
        while True:
            io.event = False
            if self.enough(io):
                return True
            if not sock._again(io, start):
                return io.available() > 0

    def pull_enough(self, buf, off, n):
        io = self.sock._io
        if io is not None and io.available() < n:
            if not self.wait():
                return self.sock._late()
        return self.pull(buf, off, n)
