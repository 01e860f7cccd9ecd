# What sockets do with datagrams: methods of socket.py's class, which has them under its own names.
#
# A program that answers what it receives goes the short way here: recvfrom() takes out of the ring
# at once what is there, and gives the tuple that it gave before while the sender is the same;
# sendto() to the address of the last time is the fast path's. Both are closures: a name that is
# looked up costs a Cortex-M0+ five microseconds.

import netstack
from micropython import const
from netstack.api import address as _address
from netstack.api import host as _host
from netstack.api.stream import fault as _fault
from time import ticks_ms

_SENDERS = const(6)  # of a UDP endpoint's block
_TOLD = const(30)
_AIMED = const(31)
_SLEEPING = const(65)  # of Stack.w
_NEW = const(0x20000)
_OWN = const(2)  # `keep` of udp_fast.py
_AF_INET = const(2)
_AF_PACKET = const(17)
_EBADF = const(9)
_EAGAIN = const(11)
_ENOBUFS = const(105)
_DGRAM_MAX = const(65535)


def _receivers(used):
    @micropython.native
    def recvfrom(self, size, flags=0):
        """(what recv() gives, the sender's address as a tuple)"""
        _, new, _ = used
        short = self._short
        if short is None or flags or size < 0:
            return self.recv(size, flags), sender(self)
        if self._words[_SLEEPING]:
            return together(self, size, None)
        first, unpack, cb, copied, job = short
        n = first(cb, _OWN)
        if n < 0:
            n = self._wait_datagram(short, None)
        if n > size:
            n = size
        data = new(n)  # nobody else's yet: filled in place
        got = unpack(cb, data, 0, n, _OWN, copied, job)
        if got == n:
            return data, self._from
        if got == n + _NEW:
            return data, sender(self)
        return another(self, size, data, got)

    @micropython.native
    def recvfrom_into(self, buf, nbytes=0, flags=0):
        """(what recv_into() gives, the sender's address as a tuple)"""
        length, _, kind = used
        short = self._short
        if short is None or nbytes or flags or buf.__class__ is not kind:
            return self.recv_into(buf, nbytes, flags), sender(self)
        if self._words[_SLEEPING]:
            return together(self, length(buf), buf)
        _, unpack, cb, copied, job = short
        n = unpack(cb, buf, 0, length(buf), _OWN, copied, job)
        if n < 0:
            n = self._wait_datagram(short, buf)
        if n < _NEW:
            return n, self._from
        return n - _NEW, sender(self)

    return recvfrom, recvfrom_into


recvfrom, recvfrom_into = _receivers((len, bytes, bytearray))


def together(self, size, buf):
    """The same where another thread or core may read as well: no datagram is taken between this
    one and who has sent it."""
    st = self._st
    start = -1
    while True:
        io = self._check_open()
        io.event = False
        _host.enter(st)
        try:
            n = io.next_size()
            if n >= 0:
                data = bytearray(min(n, size)) if buf is None else buf
                got = io.recv(data, 0, len(data))
                told = sender(self)
                return (bytes(data) if buf is None else got), told
            if io.error:
                raise _fault(self._error(io))
        finally:
            _host.leave(st)
        if start < 0:
            start = ticks_ms() & 0x3FFFFFFF
        if not self._again(io, start):
            raise _fault(-self._late())


def another(self, size, data, got):
    """Another thread has taken what was seen: then `got` bytes of the next are in `data`."""
    if got < 0:
        return self.recv(size), sender(self)
    return data[: got & _NEW - 1], sender(self)


def _waiter(used):
    @micropython.native
    def wait(self, short, buf):
        """Wait for a datagram, and take it. Returns what unpack() does; without `buf` how long it
        is, and leaves it."""
        pump, length, clock = used
        first, unpack, cb, copied, job = short
        io = self._io
        start = -1
        while True:
            due = pump()
            if buf is None:
                n = first(cb, _OWN)
            else:
                n = unpack(cb, buf, 0, length(buf), _OWN, copied, job)
            if n >= 0:
                return n
            if io.error:
                raise _fault(self._error(io))
            if io.event:
                io.event = False
                continue
            if start < 0:
                start = clock() & 0x3FFFFFFF
            if not self._doze(io, start, due):
                raise _fault(-self._late())

    return wait


wait = _waiter((_host.pump, len, ticks_ms))


@micropython.native
def receive(self, size):
    """The next datagram, at most `size` bytes of it; None when there is none in time."""
    start = -1
    while True:
        io = self._io
        if io is None:
            raise OSError(_EBADF)
        io.event = False
        first, unpack, cb, copied, job = io.short
        n = first(cb, _OWN)
        if n >= 0:
            if n > size:
                n = size
            data = bytes(n)
            got = unpack(cb, data, 0, n, _OWN, copied, job)
            if got >= 0:  # or it is not for who asks
                got &= _NEW - 1
                return data if got == n else data[:got]
        if io.error:
            raise OSError(self._error(io))
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
    io.cb[_TOLD] = io.cb[_SENDERS]
    self._from = told
    return told


def _sender(used):
    @micropython.native
    def sendto(self, buf, address, last=None):
        """sendto(buf, address) or, as CPython has it, sendto(buf, flags, address)."""
        way = self._way
        if way and last is None:
            known, cb, aimed, out, shoot = way
            if address is known or address == known:
                length, array, plain, view, switch = used
                kind = buf.__class__
                if (kind is array or kind is plain or kind is view) and switch.fastpath:
                    n = length(buf)
                    if shoot(cb, aimed, buf, n, out):
                        return n
        return self._sendto(buf, address, last)

    return sendto


sendto = _sender((len, bytearray, bytes, memoryview, netstack))


def aim(self, address):
    """sendto() has been given another address: (that, unless it is to be looked up again, the
    network protocol, the address in bytes, the port, the way if it is not the usual). It is put
    in its place as one thing, since two threads may send by one socket."""
    self._way = None
    io = self._io
    cb = io.cb
    detour = None
    if self._short and address is self._from and cb[_TOLD] == cb[_SENDERS]:
        addr = bytes(io.from_addr[: io.from_len])
        ip = self._st.ip4 if len(addr) == 4 else self._st.ip6
        port = address[1]
    else:
        ip, addr, port, nif = _address.sockaddr(self, address)
        if not self._routed:
            _address.check_near(ip, addr)
        if nif:
            detour = _zoned(nif)
        if not isinstance(address, tuple) or not _address.numeric(address[0]):
            address = None  # DNS may change its mind
    to = self._to = (address, ip, addr, port, detour)
    return to


def remember(self, to):
    """A datagram has gone there: may the fast path try first the next time?"""
    io = self._io
    out = io and io.out
    if not out or to[4]:
        return
    aimed = io.cb[_AIMED]
    if self._way and self._way[2] == aimed:
        return
    st = self._st
    if not st.claim():
        return
    try:
        _, _, _, _, cb, aims, shoot = out
        if io.cb[_AIMED] == aimed and aims(cb, b"", 0, to[2], to[3]):
            self._way = (to[0], cb, aimed, out, shoot)
    finally:
        _host.leave(st)


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
