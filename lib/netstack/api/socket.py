# BSD sockets: MicroPython's methods and CPython's, on the default stack (see host.py).
#
# A socket is a stream (io.IOBase), so select.poll, asyncio, tls and print(file=...) take it. What
# it stands on is `_io`: a TCP connection, a TCP listener or a UDP endpoint of the stack.
# Where MicroPython's own C sockets and CPython differ, this follows MicroPython: readinto, read(n)
# and write go on until all is done or the socket would block (then None, or the short count), a
# timeout is OSError(ETIMEDOUT), accept() hands its timeout on. DEVIATION: readinto, read and
# readline return what has come when a timeout strikes in the middle, so that nothing is lost.
# The stack knows nothing of a socket, only of `_io`, where it notes that something has happened.
# So a socket that nobody has any more is garbage, and closed: drop.py. What is rare: more.py.

import io as _iomod
from micropython import const
from netstack.api import address as _address
from netstack.api import datagram as _datagram
from netstack.api import drop as _drop
from netstack.api import host as _host
from netstack.api import options as _options
from netstack.api import state as _state
from netstack.api import stream as _stream
from netstack.api.address import getaddrinfo, inet_aton, inet_ntoa, inet_ntop, inet_pton  # noqa: F401
from netstack.api.stream import fault as _fault
from time import ticks_ms as _ticks_ms

_LOCK = const(44)  # of Stack.w
_SLEEPING = const(65)

AF_UNSPEC = const(0)
AF_INET = const(2)
AF_INET6 = const(10)
AF_PACKET = const(17)
SOCK_STREAM = const(1)
SOCK_DGRAM = const(2)
SOCK_RAW = const(3)
SOCK_NONBLOCK = const(0x800)
SOCK_CLOEXEC = const(0x80000)
IPPROTO_TCP = const(6)
IPPROTO_UDP = const(17)
SOL_SOCKET = const(1)
SO_REUSEADDR = const(2)
MSG_DONTWAIT = const(0x40)
MSG_NOSIGNAL = const(0x4000)
MSG_MORE = const(0x8000)
MSG_FASTOPEN = const(0x20000000)
SHUT_RD = const(0)
SHUT_WR = const(1)
SHUT_RDWR = const(2)

# Linux's errno; MicroPython's module has not all of them
_EAGAIN = const(11)
_ENOMEM = const(12)
_EBADF = const(9)
_EINVAL = const(22)
_EPROTONOSUPPORT = const(93)
_EAFNOSUPPORT = const(97)
_ESOCKTNOSUPPORT = const(94)
_EOPNOTSUPP = const(95)
_ENOBUFS = const(105)
_EISCONN = const(106)
_ENOTCONN = const(107)
_ETIMEDOUT = const(110)
_EALREADY = const(114)
_EINPROGRESS = const(115)

# TCP states (RFC 9293 3.3.2)
_CLOSED = const(0)
_LISTEN = const(1)
_SYN_SENT = const(2)
_SYN_RCVD = const(3)
_ESTABLISHED = const(4)
_CLOSE_WAIT = const(7)
# Stream requests and poll flags (py/stream.h)
_STREAM_POLL = const(3)
_STREAM_CLOSE = const(4)
_RD = const(1)
_WR = const(4)
_ERR = const(8)
_HUP = const(16)
_NVAL = const(32)
_FLAGS = const(0x80800)
_BACKLOG = const(5)
del const
timeout = _stream.timeout
default_timeout = -1  # setdefaulttimeout(), in milliseconds


class socket(_iomod.IOBase):
    _later = None  # where to connect to with the first data
    v6only = False  # IPV6_V6ONLY
    _limits = None  # SO_RCVTIMEO, SO_SNDTIMEO in milliseconds; 0: none
    _callback = None
    _routed = True  # not SO_DONTROUTE
    _oob = 0  # SO_OOBINLINE
    _low = None  # SO_RCVLOWAT: more.py

    def __init__(self, af=AF_INET, type=SOCK_STREAM, proto=0, fileno=None):
        """fileno: what detach() of another socket gave."""
        if af != AF_PACKET:
            _address.check_family(af)
        wait = default_timeout
        if type & _FLAGS:
            wait = 0 if type & SOCK_NONBLOCK else wait
            type &= ~_FLAGS
        self._af = af
        self._st = _host.stack()
        self._words = self._st.w
        self._dgram = type != SOCK_STREAM
        self._listening = False
        self._timeout = wait  # milliseconds; -1: for ever
        self._reuse = False
        self._linger = -1
        self._round = _host.current_round()
        self._to = None  # the address sendto() was last given, and what it means: datagram.py
        self._way = None  # that address, and what it takes to send there
        self._from = None  # the sender that recvfrom() has last told of, as a tuple
        io = fileno
        self._guard = None  # it dies with us
        held = _host.join(self._st)
        try:
            if io is None:
                io = _open(af, type, proto, self.network())
            elif not self._dgram:
                self._listening = io.state == _LISTEN
            self._hold(io)
        finally:
            _host.part(self._st, held)

    def _hold(self, io):
        """Stand on this from now on."""
        self._io = io
        self._short = io.short if self._dgram else None
        self._guard = _drop.hold(self._guard, io)
        io.event = False  # something has happened since it was last cleared
        self._listen_in(io)

    def _listen_in(self, io):
        """With a callback the stack knows us, and we stay for as long as it is there. Without
        one, datagrams are seen where they wait, but by other threads."""
        own = _happened if self._words[_SLEEPING] or _state.UNIX or not self._dgram else None
        io.notify = self._notify if self._callback else own

    def __repr__(self):
        if self._io is None:
            return "<socket closed>"
        kind = "UDP" if self._dgram else "TCP listening" if self._listening else "TCP"
        return "<socket %s port %d>" % (kind, self._io.lport)

    def network(self):
        """The network protocol it is for; None: both (RFC 3493 5.3)."""
        if self._af == AF_INET:
            return self._st.ip4
        return self._st.ip6 if self.v6only else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- datagrams: datagram.py -------------------------------------------------------------

    sendto = _datagram.sendto
    recvfrom = _datagram.recvfrom
    recvfrom_into = _datagram.recvfrom_into
    _recv_datagram = _datagram.receive
    _wait_datagram = _datagram.wait
    _try_post = _datagram.post
    recvmsg = _datagram.recvmsg
    recvmsg_into = _datagram.recvmsg_into
    sendmsg = _datagram.sendmsg
    later = _datagram.later

    # -- waiting ----------------------------------------------------------------------------

    def _notify(self, io):
        """Called by the stack when anything about `_io` changed, and there is a callback."""
        _happened(io)
        _host.owe(self)

    def call_back(self):
        """Called by the scheduler after _notify()."""
        if self._callback:
            self._callback(self)

    @micropython.native
    def _again(self, io, start, sending=False):
        """Nothing to be had: poll the stack, and unless that brought something, sleep. False when
        the time since `start` is up. Raises OSError when the socket was closed meanwhile."""
        return self._doze(io, start, _host.pump(), sending)

    _doze = _stream.doze

    def _late(self):
        """As on Linux, who is late by SO_RCVTIMEO is told EAGAIN."""
        return -_ETIMEDOUT if self._timeout > 0 else -_EAGAIN

    def _check_open(self):
        io = self._io
        if io is None:
            raise OSError(_EBADF)
        return io

    @micropython.native
    def _pull(self, buf, off, n):
        """Receive up to `n` bytes into buf[off]. Returns how many, or -errno."""
        io = self._io
        if io is None:
            return -_EBADF
        if self._listening:
            return -_ENOTCONN
        start = -1
        while True:
            io.event = False
            if self._dgram or not io.dry():
                got = self._try_recv(io, buf, off, n)
                if got >= 0:
                    return got
                if got != -_EAGAIN:
                    return self._told(io, got)
            if start < 0:
                start = _ticks_ms() & 0x3FFFFFFF
            if not self._again(io, start):
                return self._late()

    @micropython.native
    def _try_recv(self, io, buf, off, n):
        st = self._st
        if self._dgram and not st.w[_LOCK]:  # one piece of machine code, which nobody interrupts
            got = io.recv(buf, off, n)
            return got if got >= 0 else -self._error(io)
        if not st.claim() and not _host.claim(st):
            return -_EAGAIN
        try:
            if self._dgram:
                got = io.recv(buf, off, n)
                return got if got >= 0 else -self._error(io)
            return io.recv(buf, off, n)
        finally:
            _host.leave(st)

    def _error(self, io):
        """What an ICMP error has said of a datagram, once; else EAGAIN."""
        error = io.error
        if not error:
            return _EAGAIN
        io.error = 0
        return error

    def _told(self, io, errno):
        """How a connection has ended is told once, as on Linux: then it is at its end."""
        if errno == -io.error:
            io.error = 0
        return errno

    @micropython.native
    def _push(self, buf, off, n, flags=0, ip=None, addr=None, port=0, detour=None):
        """Send up to `n` bytes from buf[off]. Returns how many, or -errno."""
        io = self._io
        if io is None:
            return -_EBADF
        if self._listening:
            return -_ENOTCONN
        if flags and flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL | (0 if self._dgram else MSG_MORE)):
            return -_EOPNOTSUPP
        start = -1
        while True:
            io.event = False
            if detour:  # not as the options say
                sent = self._try_post(io, buf, off, n, ip, addr, port, detour)
            else:
                sent = self._try_send(io, buf, off, n, flags, ip, addr, port)
            if sent == -_ENOTCONN and self._later:
                return self._open_early(memoryview(buf)[off : off + n], flags, self._later)
            if sent >= 0:
                return sent
            if sent != -_EAGAIN or flags & MSG_DONTWAIT:
                return self._told(io, sent)
            if start < 0:
                start = _ticks_ms() & 0x3FFFFFFF
            if not self._again(io, start, True):
                return self._late()

    @micropython.native
    def _try_send(self, io, buf, off, n, flags, ip, addr, port):
        st = self._st
        if not st.claim() and not _host.claim(st):
            return -_EAGAIN
        try:
            if not self._dgram:
                sent = io.send(buf, off, n, flags & MSG_MORE != 0)
                return 0 if n == 0 and sent == -_EAGAIN and io.state >= _ESTABLISHED else sent
            if io.error:
                return -self._error(io)
            sent = io.send(buf, off, n, ip, addr, port)
            return -_EAGAIN if sent == -_ENOBUFS else sent
        finally:
            _host.leave(st)

    # -- naming -----------------------------------------------------------------------------

    def bind(self, address):
        """("", port), ("0.0.0.0", port) and ("::", port) mean every address of this host."""
        io = self._check_open()
        if self._listening:
            raise OSError(_EINVAL)
        ip, addr, port, _ = _address.sockaddr(self, address)
        if not any(addr):
            ip, addr = ip if len(addr) == 4 else self.network(), None
        _drop.spare(self._st, io.bind, ip, addr, port)

    def listen(self, backlog=_BACKLOG):
        io = self._check_open()
        if self._dgram:
            raise OSError(_EOPNOTSUPP)
        if self._listening:
            return
        if io.state != _CLOSED or io.raddr is not None:
            raise OSError(_EINVAL)
        st = self._st
        _host.enter(st)
        try:
            io.close()  # gives up the port, which the listener takes
            ip = io.ip if io.lport else self.network()
            new = st.tcp.listen(ip, io.laddr, io.lport, max(backlog, 1), io.reuseport)
            _options.copy(io, new)
            io.notify = None
            self._hold(new)
        finally:
            _host.leave(st)
        self._listening = True

    def accept(self):
        """(socket, (address, port)) of the next connection."""
        listener = self._check_open()
        if not self._listening:
            raise OSError(_EOPNOTSUPP if self._dgram else _EINVAL)
        start = _ticks_ms() & 0x3FFFFFFF
        while True:
            listener.event = False
            _host.enter(self._st)
            try:
                conn = listener.accept()
            finally:
                _host.leave(self._st)
            if conn is not None:
                break
            if not self._again(listener, start):
                raise _fault(-self._late())
        try:
            new = socket(self._af, SOCK_STREAM, 0, conn)
        except MemoryError as error:
            _host.call(self._st, conn.abort)
            raise error
        new._inherit(self, listener)
        new._timeout = self._timeout
        return new, _address.name(new, conn.raddr, conn.rport, conn.nif)

    def _inherit(self, other, listener):
        """As on Linux, options are those of the listening socket."""
        self._linger = other._linger
        _host.enter(self._st)
        try:
            _options.copy(listener, self._io)
            self._io.inherit()
        finally:
            _host.leave(self._st)

    def connect(self, address):
        io = self._check_open()
        ip, addr, port, nif = _address.sockaddr(self, address)
        if not any(addr):  # as on Linux: this host
            addr = ip.loopback
        if not self._routed:
            _address.check_near(ip, addr)
        if not self._dgram:
            io = self._connectable(io)
        if not self._dgram and io.fastopen_connect:
            if io.tcp.fastopen.knows(addr):
                self._later = address
            else:
                self._open_early(b"", MSG_FASTOPEN, address)
            return
        _drop.spare(self._st, _connect, io, ip, addr, port, nif)
        if not self._dgram:
            self._wait_connected(io)

    def _open_early(self, buf, flags, address):
        self._later = None
        io = self._connectable(self._check_open())
        ip, addr, port, _ = _address.sockaddr(self, address)
        return _host.load("early").open_with(self, io, buf, flags, ip, addr, port)

    def _connectable(self, io):
        if self._listening:
            raise OSError(_EISCONN)
        if io.state == _SYN_SENT or io.state == _SYN_RCVD:
            raise OSError(_EALREADY)
        if io.state != _CLOSED:
            raise OSError(_EISCONN)
        if io.error or io.raddr is not None:  # an earlier attempt failed: start afresh
            held = _host.join(self._st)
            try:
                new = self._st.tcp.open()
                _options.copy(io, new)
                io.notify = None
                self._hold(new)
            finally:
                _host.part(self._st, held)
            io = new
        return io

    def _wait_connected(self, io):
        start = _ticks_ms() & 0x3FFFFFFF
        while True:
            io.event = False
            if io.state != _SYN_SENT and io.state != _SYN_RCVD:
                break
            if not self._again(io, start, True):
                raise _fault(_ETIMEDOUT if self._timeout > 0 else _EINPROGRESS)
        self._check_open()
        error = io.error
        if error:
            if self._timeout:
                io.error = 0  # told: SO_ERROR does not tell it again
            raise _fault(error)

    def getsockname(self):
        io = self._check_open()
        return _address.name(self, io.laddr, io.lport, io.nif if not self._listening else None)

    def getpeername(self):
        io = self._check_open()
        if (
            self._listening
            or io.raddr is None
            or not (self._dgram or io.early or io.state >= _ESTABLISHED)
        ):
            raise OSError(_ENOTCONN)
        return _address.name(self, io.raddr, io.rport, io.nif)

    # -- sending ----------------------------------------------------------------------------

    def send(self, buf, flags=0):
        """Sends what there is room for, at least one byte; returns how many. flags: MSG_MORE
        (less than a segment waits for more, up to 200 ms), MSG_DONTWAIT."""
        buf = _readable(buf)
        n = self._push(buf, 0, len(buf), flags)
        if n < 0:
            raise _fault(-n)
        return n

    def sendall(self, buf, flags=0):
        """Sends all of it; flags as for send(). With a timeout of 0, OSError(EAGAIN) when not all
        of it fits at once: then nothing has been sent."""
        buf = _readable(buf)
        if self._timeout == 0 and not self._dgram:
            io = self._check_open()
            if not self._listening and not io.error and io.state and io.room() < len(buf):
                raise OSError(_EAGAIN)
        if self._write(buf, len(buf), flags) != len(buf):
            raise OSError(_EAGAIN)

    @micropython.native
    def write(self, buf, off=-1, length=None):
        """Sends all of it; returns how much: less, or None for nothing, only without blocking.
        write(buf, length), write(buf, off, length): a part, as MicroPython's streams have it."""
        buf = _readable(buf)
        if length is None:
            length = off
        else:
            buf = memoryview(buf)[off:]
        return self._write(buf, len(buf) if length < 0 else min(length, len(buf)), 0)

    @micropython.native
    def _write(self, buf, size, flags):
        done = 0
        while True:
            n = self._push(buf, done, size - done, flags)
            if n < 0:
                if n != -_EAGAIN:
                    raise _fault(-n)
                return done or None
            done += n
            if done >= size or self._dgram:
                return done

    def _sendto(self, buf, address, last):
        self._check_open()
        flags = address if last else 0
        address = last or address
        if flags & MSG_FASTOPEN and not self._dgram:
            n = self._open_early(_readable(buf), flags & ~MSG_FASTOPEN, address)
            if n < 0:
                raise _fault(-n)
            return n
        if not self._dgram:
            return self.send(buf, flags)
        to = self._to
        if to is None or address != to[0]:
            to = _datagram.aim(self, address)
        known, ip, addr, port, detour = to
        buf = _readable(buf)
        n = self._push(buf, 0, len(buf), flags, ip, addr, port, detour)
        if n == -_ENOMEM:
            _drop.collect()
            n = self._push(buf, 0, len(buf), flags, ip, addr, port, detour)
        if n < 0:
            raise _fault(-n)
        if known:
            _datagram.remember(self, to)
        return n

    # -- receiving --------------------------------------------------------------------------

    @micropython.native
    def recv_into(self, buf, nbytes=0, flags=0):
        """Receives up to `nbytes` (0: as many as `buf` takes); 0 at the end of the stream."""
        if flags:
            return _datagram.flagged_into(self, buf, _room(buf, nbytes), flags)
        n = _room(buf, nbytes)
        n = self._pull(buf, 0, n) if n or self._dgram or self._io is None else 0
        if n < 0:
            raise _fault(-n)
        return n

    @micropython.native
    def recv(self, size, flags=0):
        """Up to `size` bytes, empty at the end of the stream. flags: MSG_PEEK, MSG_DONTWAIT,
        MSG_WAITALL (of TCP: no less unless it ends), MSG_TRUNC."""
        if flags:
            return _datagram.flagged(self, size, flags)
        data = self._recv_datagram(size) if self._dgram and size >= 0 else self._recv(size)
        if data is None:
            raise _fault(-self._late())
        return data

    def _recv(self, size):
        """recv(), with None when nothing came in time."""
        if size < 0:
            raise ValueError("size %d: at least 0" % size)
        if self._dgram:
            return self._recv_datagram(size)
        if size == 0:
            self._check_open()
            return b""
        if not self._wait_readable():
            return None
        n = min(size, self._check_open().available()) or 1  # 1: to be told how it ended
        data = bytes(n)  # fresh, nobody else's: filled in place, so that nothing is copied
        n = self._pull(data, 0, n)
        if n < 0:
            raise _fault(-n)
        return data if n else b""

    def _wait_readable(self):
        """Wait for data, the end, or an error; False when there is none in time."""
        io = self._check_open()
        if self._listening:
            raise OSError(_ENOTCONN)
        start = _ticks_ms() & 0x3FFFFFFF
        while True:
            io.event = False
            if self._io is not io:  # another thread has closed it
                raise OSError(_EBADF)
            if io.available() or io.eof() or io.deaf or io.error or io.state < _SYN_SENT:
                return True
            if not self._again(io, start):
                return False

    readinto = _stream.readinto
    read = _stream.read
    readline = _stream.readline

    def __iter__(self):
        return self

    def __next__(self):
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    # -- options ----------------------------------------------------------------------------

    def settimeout(self, seconds):
        """None: wait for ever; 0: do not wait."""
        if seconds is None:
            self._timeout = -1
        elif seconds < 0:
            raise ValueError("timeout %s: at least 0" % seconds)
        else:  # below one millisecond is still a wait; above six days none can tell
            self._timeout = min(max(int(seconds * 1000), 1 if seconds else 0), 0x1FFFFFFF)

    def gettimeout(self):
        return None if self._timeout < 0 else self._timeout / 1000

    def setblocking(self, flag):
        self._timeout = -1 if flag else 0

    def setsockopt(self, level, option, value):
        """value: an integer, or bytes as C has them (little endian). options.py has the list."""
        _options.put(self, self._check_open(), level, option, value)

    def getsockopt(self, level, option, size=0):
        """The value as an integer; as `size` bytes (little endian) when that is given. TCP_INFO:
        Linux's struct tcp_info, its first `size` bytes."""
        return _options.get(self, self._check_open(), level, option, size)

    # -- the end ----------------------------------------------------------------------------

    def shutdown(self, how):
        """SHUT_RD: what has come and what will come is thrown away; SHUT_WR: the peer is told that
        there is no more. A listening socket stops listening with SHUT_RD."""
        io = self._check_open()
        if not SHUT_RD <= how <= SHUT_RDWR:
            raise OSError(_EINVAL)
        if self._dgram or self._listening or io.state < _SYN_SENT:
            return _more().shutdown(self, io, how)
        _host.enter(self._st)
        try:
            if how != SHUT_WR:
                io.shutdown_recv()
            if how != SHUT_RD:
                io.shutdown_send()
        finally:
            _host.leave(self._st)

    def close(self):
        """What is queued is sent in the background, unless SO_LINGER says to wait for it, or to
        reset. OSError(EAGAIN): it is to wait, and must not; the rest goes on in the background.
        (Linux waits in close() even then; that would stop asyncio.)"""
        io = self._io
        if io is None:
            return
        _host.enter(self._st)
        try:
            self._io = self._short = self._way = None
            if self._callback:
                self._callback = None
                io.notify = _happened
            if _drop.shared and _drop.unshare(io):
                self._guard = None
                return
            io.notify = None
            if self._linger == 0 and not self._listening:
                io.abort()
            else:
                io.close()
            _drop.let_go(self._guard)  # not before: there may be no memory to close it now
        finally:
            _host.leave(self._st)
        if self._linger > 0 and not self._listening:
            _more().wait_sent(self, io)

    def fileno(self):
        """No file descriptor stands behind it."""
        return -1

    def makefile(self, mode="rb", buffering=0):
        """The socket itself, which is a stream; closing that closes this."""
        if not mode or mode.strip("rwb") or "r" not in mode and "w" not in mode:
            raise ValueError("makefile mode %r: r, w, b" % mode)
        return self

    def __getattr__(self, name):
        """What is rarely asked for: CPython's family, type, proto, timeout, dup(), detach()"""
        return _more().attribute(self, name)

    # -- stream protocol --------------------------------------------------------------------

    def ioctl(self, request, arg):
        if request == _STREAM_POLL:
            self._round = _host.pump_once_a_round(self._round)
            return self._ready(arg)
        if request == _STREAM_CLOSE:
            self.close()
            return 0
        return -_EINVAL

    def _ready(self, flags):
        """Which of the poll flags hold now."""
        io = self._io
        if io is None:
            return _NVAL
        if self._listening:
            return flags & _RD if io.ready else 0
        if self._dgram:
            ready = flags & _WR
            if io.error:
                return ready | flags & _RD | _ERR
            if self._words[_SLEEPING] and not io.notify:
                self._listen_in(io)
            return ready | (flags & _RD if io.waiting else 0)
        return self._ready_stream(io, flags)

    def _ready_stream(self, io, flags):
        if io.error:
            return flags & (_RD | _WR) | _ERR | _HUP
        state = io.state
        if state == _SYN_SENT or state == _SYN_RCVD and not io.early:
            return 0
        if state < _SYN_SENT and io.raddr is None:
            if self._later:
                return flags & _WR
            return flags & _WR | _HUP  # never connected, as the C sockets and Linux have it
        ready = 0
        if flags & _RD and (io.available() or io.eof() or io.deaf):
            ready = _RD
        if state < _SYN_SENT or state > _CLOSE_WAIT:
            # Over, or both ends have said that there is no more.
            return ready | flags & (_RD | _WR) | _HUP
        # With our FIN sent a write fails at once, which is no reason to wait either.
        if flags & _WR and (io.room() > 0 or state > _ESTABLISHED and state != _CLOSE_WAIT):
            ready |= _WR
        return ready


def __getattr__(name):
    """What is rarely asked for."""
    return getattr(_host.load("names"), name)


def _more():
    return _host.load("more")


@micropython.native
def _happened(io):
    """Called by the stack when anything about what a socket stands on has changed."""
    io.event = True
    if io.st.w[_SLEEPING]:  # other threads
        _state.rouse()


def _open(af, kind, proto, network):
    if af != AF_PACKET:
        if kind == SOCK_STREAM and proto in (0, IPPROTO_TCP):
            return _host.tcp().open()
        if kind == SOCK_DGRAM and proto in (0, IPPROTO_UDP):
            return _host.udp().open(network)
    try:
        rare = _host.load("rare")
    except ImportError:
        rare = None
    io = rare and rare.open(af, kind, proto, network)
    if io:
        return io
    if af == AF_PACKET and rare is None:
        raise OSError(_EAFNOSUPPORT, "packet sockets are not in this image")
    if kind == SOCK_RAW and rare is None:
        raise OSError(_ESOCKTNOSUPPORT, "raw sockets are not in this image")
    if kind == SOCK_STREAM or kind == SOCK_DGRAM:
        text = "protocol %s does not go with socket type %s" % (proto, kind)
        raise OSError(_EPROTONOSUPPORT, text)
    raise OSError(_ESOCKTNOSUPPORT, "socket type %s: SOCK_STREAM or SOCK_DGRAM" % kind)


@micropython.native
def _readable(buf):
    """Something whose length is its number of bytes."""
    kind = type(buf)
    if kind is bytes or kind is bytearray or kind is memoryview:
        return buf
    if kind is str:
        return buf.encode()
    return bytes(memoryview(buf))


def _connect(io, ip, addr, port, nif):
    """io.connect(), inside the stack. nif: the link, if there is one; the source tells of it."""
    if nif and io.laddr is None:
        io.laddr = ip.source(addr, nif)
    io.connect(ip, addr, port)


@micropython.native
def _room(buf, nbytes):
    """How many bytes may be written to `buf`."""
    n = len(buf)
    if n:
        buf[0] = buf[0]  # raises TypeError if it may not be written
    if nbytes < 0 or nbytes > n:
        raise ValueError("nbytes %d: 0 to %d" % (nbytes, n))
    return nbytes or n


def create_connection(*args, **kwargs):
    """create_connection(address, timeout=None, source_address=None, *, ssl=None,
    server_hostname=None): a socket connected to (host, port) by whatever address of it answers
    first, of both families (RFC 8305), within `timeout` seconds. source_address: (address, port)
    of our own to use. ssl: an SSLContext, for TLS with server_hostname, or else the host."""
    return _host.load("eyeballs").connect(*args, **kwargs)
