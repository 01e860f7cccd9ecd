# What sockets do with datagrams: methods of socket.py's class, which has them under its own names.
#
# A program that answers what it receives goes the short way here: recvfrom() takes out of the ring
# at once what is there, and gives the tuple that it gave before while the sender is the same;
# sendto() to the address of the last time is the fast path's (Endpoint.send_again).

from micropython import const
from netstack.api import address as _address
from netstack.api import host as _host
from time import ticks_ms

_LOCK = const(44)  # of Stack.w
_SENDERS = const(6)  # of a UDP endpoint's block
_AF_INET = const(2)
_AF_PACKET = const(17)
_EBADF = const(9)
_EAGAIN = const(11)
_ENOBUFS = const(105)
_DGRAM_MAX = const(65535)


@micropython.native
def recvfrom(self, size, flags=0):
    """(what recv() gives, the sender's address as a tuple)"""
    io = self._io
    if flags:
        return flagged(self, size, flags), sender(self)
    if not self._dgram or io is None or self._words[_LOCK]:  # see socket._try_recv()
        return self.recv(size), sender(self)
    data = io.read(size) if size >= 0 else None
    if data is None:
        data = self.recv(size)
    if self._senders == io.cb[_SENDERS]:  # the same as the last time
        return data, self._from
    return data, sender(self)


@micropython.native
def recvfrom_into(self, buf, nbytes=0, flags=0):
    """(what recv_into() gives, the sender's address as a tuple)"""
    io = self._io
    if flags:
        return self.recv_into(buf, nbytes, flags), sender(self)
    if not self._dgram or io is None:
        return self.recv_into(buf, nbytes), sender(self)
    n = -1
    if nbytes == 0 and buf.__class__ is bytearray and not self._words[_LOCK]:
        n = io.recv(buf, 0, len(buf))
    if n < 0:
        n = self.recv_into(buf, nbytes)
    if self._senders == io.cb[_SENDERS]:  # the same as the last time
        return n, self._from
    return n, sender(self)


@micropython.native
def receive(self, size):
    """The next datagram, at most `size` bytes of it; None when there is none in time."""
    start = -1
    while True:
        io = self._io
        if io is None:
            raise OSError(_EBADF)
        if not self._words[_LOCK]:  # see socket._try_recv()
            data = io.read(size)
            if data is not None:
                return data
        if io.error:
            raise OSError(self._error(io))
        if io.event:  # it has come since, it may be
            io.event = False
            continue
        if start < 0:
            start = ticks_ms() & 0x3FFFFFFF
        if not self._again(io, start):
            return None


def sender(self):
    """The tuple for who has sent what was received last."""
    io = self._io
    if not self._dgram:
        return _address.name(self, io.raddr, io.rport, io.nif)
    addr = bytes(io.from_addr[: io.from_len]) if self._af != _AF_INET else io.from_addr
    told = _address.name(self, addr, io.from_port, io.nif)
    if self._af == _AF_PACKET or len(told) > 2 and told[3]:  # a zone may be another's next time
        return told
    self._senders = io.cb[_SENDERS]
    self._from = told
    return told


@micropython.native
def sendto(self, buf, address, last=None):
    """sendto(buf, address) or, as CPython has it, sendto(buf, flags, address)."""
    known = self._again_to
    if last is None and (address is known or address == known):
        kind = buf.__class__
        io = self._io
        if io is not None and (kind is bytes or kind is bytearray or kind is memoryview):
            n = len(buf)
            if io.send_again(buf, n, self._peer_addr, self._peer_port):
                return n
    return self._sendto(buf, address, last)


def aim(self, address):
    """sendto() has been given another address."""
    self._peer = self._again_to = None
    if address is self._from and self._senders == self._io.cb[_SENDERS]:
        addr = self._peer_addr = bytes(self._io.from_addr[: self._io.from_len])
        self._peer_ip = self._st.ip4 if len(addr) == 4 else self._st.ip6
        self._peer_port = address[1]
        self._detour = None
    else:
        ip, addr, port, nif = _address.sockaddr(self, address)
        if not self._routed:
            _address.check_near(ip, addr)
        self._peer_ip, self._peer_addr, self._peer_port = ip, addr, port
        self._detour = _zoned(nif) if nif else None
    if isinstance(address, tuple) and _address.numeric(address[0]):  # DNS may change its mind
        self._peer = address
        self._again_to = None if self._detour else address


def _zoned(nif):
    """The way to a link-local address whose zone is this interface."""
    from netstack.transport.udp import Detour

    return Detour(nif)


def post(self, io, buf, off, n, ip, addr, port, detour):
    """Send a datagram another way than the options say. Returns `n`, or -errno."""
    st = self._st
    if not st.claim() and not _host.claim(st):
        return -_EAGAIN
    try:
        sent = -self._error(io) if io.error else io.post(buf, off, n, ip, addr, port, detour)
        return -_EAGAIN if sent == -_ENOBUFS else sent
    finally:
        _host.leave(st)


def later(self, f):
    """A timer that calls f() from outside the stack: start(ms), end(). For DTLS: ssl.py."""
    return _host.load("later").Later(self._st, f)


# -- with flags, and ancillary data: ancillary.py -----------------------------------------------


def flagged(self, size, flags):
    """recv() with flags."""
    if size < 0:
        raise ValueError("size %d: at least 0" % size)
    return bytes(_host.load("ancillary").take(self, size, flags)[0])


def flagged_into(self, buf, size, flags):
    """recv_into() with flags."""
    data, n = _host.load("ancillary").take(self, size, flags)
    memoryview(buf)[: len(data)] = data
    return n


def sendmsg(self, buffers, ancdata=(), flags=0, address=None):
    """Sends what is in the buffers, as one datagram, with [(level, type, data), ...] for its way.
    Returns how many bytes."""
    return _host.load("ancillary").send(self, buffers, ancdata, flags, address)


def recvmsg(self, bufsize, ancbufsize=0, flags=0):
    """(data, [(level, type, data), ...], flags, address)"""
    if bufsize < 0 or ancbufsize < 0:
        raise ValueError("recvmsg: sizes of at least 0")
    buf = bytearray(min(bufsize, _DGRAM_MAX))
    n, ancdata, flags, address = recvmsg_into(self, [buf], ancbufsize, flags)
    return bytes(memoryview(buf)[:n]), ancdata, flags, address


def recvmsg_into(self, buffers, ancbufsize=0, flags=0):
    """The same into buffers, one after the other: the first item is how many bytes."""
    return _host.load("ancillary").receive(self, buffers, ancbufsize, flags)
