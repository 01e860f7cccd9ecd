# MicroPython's `ssl`, with much of CPython's: TLS and DTLS over sockets and other streams.
#
# mbedTLS does the cryptography, in the module `tls`; ports/tls/_ssl.c has what else is needed. An
# SSLSocket is a stream with the methods of sockets, so select.poll, asyncio and whatever takes
# a socket take it. Errors of the socket below stay what they are; those of TLS are OSError with
# mbedTLS's negative number and its name; a certificate that is not believed is a ValueError.

import _ssl
import io as _io
import tls as _tls
from micropython import const as _const
from time import sleep_ms as _sleep_ms
from time import ticks_diff as _ticks_diff
from time import ticks_ms as _ticks_ms
from tls import *  # noqa: F403
from tls import CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED, PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER

_MODES = (CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED)
_SERVER = _const(1)  # bits of a protocol
_DTLS = _const(2)

_EIO = _const(5)
_EBADF = _const(9)
_EAGAIN = _const(11)
_EINVAL = _const(22)
_ETIMEDOUT = _const(110)

_POLL = _const(3)  # MP_STREAM_POLL and MP_STREAM_CLOSE
_CLOSE = _const(4)
_RD = _const(1)
_WR = _const(4)
_RD_WR = _const(5)
_NVAL = _const(32)

_SHUT_RD = _const(0)
_SOL_SOCKET = _const(1)
_SO_ACCEPTCONN = _const(30)
_ALL = _const(1024)

_WAITS = _const(0)  # what _ssl.handshake() returns
_RESUMED = _const(2)
_AGAIN = _const(3)

# Methods of the socket that mean the same with TLS.
_PASSED = (
    "fileno",
    "getpeername",
    "getsockname",
    "getsockopt",
    "gettimeout",
    "setblocking",
    "setsockopt",
    "settimeout",
)


class TLSVersion:
    TLSv1_2 = 0x303
    TLSv1_3 = 0x304


class _Below(_io.IOBase):
    """The stream below as mbedTLS has to see it: it raises nothing, so that mbedTLS is never left
    in the middle of something, and takes whole records, what cannot be sent yet waits here."""

    def __init__(self, sock, datagrams, first):
        self.sock = sock
        self._recv = getattr(sock, "recv_into", None) or sock.readinto
        self._send = getattr(sock, "send", None) or sock.write
        self._poll = getattr(sock, "ioctl", None)
        self._gettimeout = getattr(sock, "gettimeout", None)
        self.later = getattr(sock, "later", None) if datagrams else None
        self._datagrams = datagrams
        self._first = first
        self.tls = None
        self.shaking = True
        self.unsent = b""
        self.begin()

    def begin(self):
        """A call of the user's begins, which may take as long as the socket's timeout says."""
        self.why = None  # what is to be raised when mbedTLS has returned
        self._start = _ticks_ms()

    def _failed(self, error):
        number = error.errno if isinstance(error, OSError) else _EAGAIN
        if number != _EAGAIN and number != _ETIMEDOUT:
            return -number if isinstance(number, int) and 0 < number < 256 else -_EIO
        if error.errno != _EAGAIN if isinstance(error, OSError) else True:
            self.why = error
        return -_EAGAIN

    def _late(self):
        timeout = self._gettimeout and self._gettimeout()
        if not timeout or _ticks_diff(_ticks_ms(), self._start) < timeout * 1000:
            return False
        import socket

        self.why = getattr(socket, "timeout", OSError)(_ETIMEDOUT)
        return True

    def readinto(self, buf):
        if self.why or self._late():  # a peer that sends a byte now and then gets no more time
            return -_EAGAIN
        try:
            if self._datagrams:
                return self._datagram(buf)
            n = self._recv(buf)
            return -_EAGAIN if n is None else n
        except BaseException as error:
            return self._failed(error)

    def _datagram(self, buf):
        """Wait no longer than until mbedTLS has to send its last flight again."""
        first = self._first
        if first:
            self._first = None
            n = min(len(first), len(buf))
            buf[:n] = first[:n]
            return n
        ms = _ssl.due(self.tls)
        timeout = self._gettimeout and self._gettimeout()
        if ms < 0 or timeout is not None and timeout * 1000 <= ms:
            return self._recv(buf) or -_EAGAIN  # an empty datagram is no end of anything
        self.sock.settimeout(max(ms, 1) / 1000)
        try:
            return self._recv(buf) or -_EAGAIN
        except OSError as error:
            if error.errno != _ETIMEDOUT:
                raise error
            return -_EAGAIN
        finally:
            self.sock.settimeout(timeout)

    def write(self, buf):
        try:
            if not self.flush():
                return -_EAGAIN
            done = self._some(buf)
            if not done and self.shaking:
                return -_EAGAIN
            if done < len(buf):
                self.unsent = bytes(memoryview(buf)[done:])
            return len(buf)
        except BaseException as error:
            return self._failed(error)

    def _some(self, buf):
        """Send what can be sent now or before the timeout strikes; how much that was."""
        done = 0
        while done < len(buf):
            try:
                n = self._send(memoryview(buf)[done:] if done else buf)
            except OSError as error:
                if self._failed(error) != -_EAGAIN:
                    raise error
                n = None
            if not n:
                break
            done += n
        return done

    def flush(self):
        """Send what waits; False if some of it has to wait longer."""
        if self.unsent:
            self.unsent = self.unsent[self._some(self.unsent) :]
        return not self.unsent

    def ioctl(self, request, arg):
        if request == _POLL:
            return self._poll(request, arg) if self._poll else arg & _RD_WR
        return 0  # the SSLSocket closes


class SSLSocket(_io.IOBase):
    def __init__(self, context, sock, server_side, server_hostname, session, first):
        self.context = context
        self.server_side = server_side
        self.server_hostname = server_hostname
        self.session_reused = False
        self._sock = sock
        self._shaken = False
        self._busy = False  # a call of the user's is under way
        self._timer = None  # when DTLS has to send its last flight again
        self._failed = None  # what the timer has met with
        self._session = None
        self._below = below = _Below(sock, context.protocol & _DTLS, first)
        self._tls = below.tls = context._context.wrap_socket(
            below,
            server_side=server_side,
            do_handshake_on_connect=False,
            server_hostname=server_hostname,
        )
        if session:
            _ssl.resume(self._tls, session)
        self._name_client()

    def _name_client(self):
        if self.context.protocol == _SERVER | _DTLS:
            getpeername = getattr(self._sock, "getpeername", None)
            _ssl.client(self._tls, repr(getpeername() if getpeername else None))

    def __getattr__(self, name):
        if name in _PASSED:
            return getattr(self._below.sock, name)
        raise AttributeError(name)

    def __repr__(self):
        return "<SSLSocket>"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _check_open(self):
        if self._sock is None:
            raise OSError(_EBADF)
        return self._sock

    # -- the handshake ----------------------------------------------------------------------

    def _shake(self, flag=0):
        """Go on with the handshake, to read (_RD) or write (_WR). True once it is done."""
        if self._failed:
            raise self._failed
        while not self._shaken:
            self.context._serving = self
            try:
                state = _ssl.handshake(self._tls, flag)
            except OSError as error:
                self._flush_quietly()  # the alert that tells the peer why
                raise self.context._raised() or error
            finally:
                self.context._serving = None
            if state == _WAITS:
                if self._below.later:
                    self._set_timer(_ssl.due(self._tls))
                return False
            if state == _AGAIN:
                self._name_client()
                continue
            self._shaken = True
            self._below.shaking = False
            self.session_reused = state == _RESUMED
            if self._timer:
                self._end_timer()
        return True

    def _set_timer(self, ms):
        """DTLS: have the last flight sent again if no answer comes, whatever the program does."""
        if ms >= 0:
            if self._timer is None:
                self._timer = self._below.later(self._send_again)
            self._timer.start(ms)

    def _end_timer(self):
        timer, self._timer = self._timer, None
        timer.end()

    def _send_again(self):
        """Called by the scheduler. A call that is under way sees to it by itself."""
        if self._busy or self._shaken or self._sock is None:
            return
        below = self._below
        timeout = below.sock.gettimeout()
        self._busy = True
        below.sock.settimeout(0)
        below.begin()
        try:
            self._shake()
        except (OSError, ValueError) as error:  # for whoever calls next
            self._failed = error
            self._end_timer()
        finally:
            below.sock.settimeout(timeout)
            self._busy = False

    def _flush_quietly(self):
        try:
            self._below.flush()
        except OSError:
            pass

    def do_handshake(self, block=False):
        """block: even if the socket is one that does not."""
        self._check_open()
        self._below.begin()
        self._busy = True
        try:
            while not self._shake():
                self._raise_why()
                if not self._waits():
                    continue
                if not block:
                    raise OSError(_EAGAIN)
                _sleep_ms(1)
        finally:
            self._busy = False

    def _raise_why(self):
        if self._below.why:
            raise self._below.why

    def _do(self, flag, operation, *args):
        """Any call that reads (_RD) or writes (_WR). None: it would have to wait."""
        self._check_open()
        below = self._below
        below.begin()
        self._busy = True
        try:
            while not self._shaken:
                if not self._shake(flag):
                    self._raise_why()
                    if self._waits():
                        return None
            value = operation(*args)
            # mbedTLS also says so when what has come was no data, but a ticket, say.
            while value is None and not below.why and not self._waits():
                value = operation(*args)
        except OSError as error:
            number = error.errno
            if isinstance(number, int) and -256 < number < 0:  # of the stream below
                raise OSError(-number)
            raise error
        finally:
            self._busy = False
        if below.why and (value is None or not isinstance(below.why, OSError)):
            raise below.why
        return value

    def _waits(self):
        """Does the socket below return at once?"""
        gettimeout = getattr(self._sock, "gettimeout", None)
        return gettimeout is None or gettimeout() == 0

    # -- receiving --------------------------------------------------------------------------

    def read(self, size=-1):
        """`size` bytes, or all until the end; less, or None for nothing, only without blocking."""
        if size >= 0:
            return self._do(_RD, self._tls.read, size)
        parts = []
        while True:
            part = self._do(_RD, self._tls.recv, _ALL)
            if not part:
                return b"".join(parts) if parts or part is not None else None
            parts.append(part)

    def readinto(self, buf, nbytes=-1):
        if nbytes >= 0:
            buf = memoryview(buf)[:nbytes]
        return self._do(_RD, self._tls.readinto, buf)

    def readline(self, limit=-1):
        return self._do(_RD, self._tls.readline, limit)

    def recv(self, size):
        """Up to `size` bytes, empty at the end."""
        data = self._do(_RD, self._tls.recv, size)
        if data is None:
            raise OSError(_EAGAIN)
        return data

    def recv_into(self, buf, nbytes=0):
        n = self.read_record(memoryview(buf)[:nbytes] if nbytes else buf, 0)
        if n is None:
            raise OSError(_EAGAIN)
        return n

    def read_record(self, buf, off):
        """What there is of a record, to buf[off:]; 0 at the end, None: it would have to wait."""
        return self._do(_RD, _ssl.read, self._tls, buf, off)

    # -- sending ----------------------------------------------------------------------------

    def write(self, buf, off=-1, length=None):
        """Sends all of it; returns how much: less, or None for nothing, only without blocking.
        write(buf, length), write(buf, off, length): a part, as MicroPython's streams have it."""
        if isinstance(buf, str):
            buf = buf.encode()
        if length is not None:
            buf = memoryview(buf)[off:][:length]
        elif off >= 0:
            buf = memoryview(buf)[:off]
        done = 0
        size = len(buf)
        while done < size:
            n = self._do(_WR, self._write, buf, done)
            if n is None:
                return done or None
            done += n
        return done

    def _write(self, buf, off):
        """One record. mbedTLS must not be asked to keep one: of another call it would believe
        that it sends the same."""
        return _ssl.write(self._tls, buf, off) if self._below.flush() else None

    def send(self, buf):
        """Sends a record at most; returns how much."""
        n = self.write_record(buf.encode() if isinstance(buf, str) else buf)
        if n is None:
            raise OSError(_EAGAIN)
        return n

    def write_record(self, buf):
        """As send(); None: it would have to wait."""
        return self._do(_WR, self._write, buf, 0)

    def sendall(self, buf):
        if self.write(buf) != len(buf):
            raise OSError(_EAGAIN)

    # -- what it is about -------------------------------------------------------------------

    def cipher(self):
        """(suite, version)"""
        self._check_open()
        return self._tls.cipher()

    def version(self):
        return self.cipher()[1] if self._shaken else None

    def getpeercert(self, binary_form=False):
        self._check_open()
        return self._tls.getpeercert(binary_form)

    def selected_alpn_protocol(self):
        self._check_open()
        return _ssl.alpn(self._tls)

    @property
    def session(self):
        """For wrap_socket(session=...): bytes, once there is one to go on with; with TLS 1.3 the
        server sends it some time after the handshake."""
        if self._shaken and self._sock:
            self._session = _ssl.session(self._tls) or self._session
        return self._session

    # -- the end ----------------------------------------------------------------------------

    def notify(self):
        """Tell the peer, as far as that is possible without waiting (RFC 5246 7.2.1)."""
        sock = self._sock
        timeout = self._below._gettimeout and sock.gettimeout()
        if timeout != 0 and hasattr(sock, "settimeout"):
            sock.settimeout(0)
        self._below.begin()
        try:
            self._below.flush()
            _ssl.notify(self._tls)
        except OSError:
            pass
        if timeout != 0 and hasattr(sock, "settimeout"):
            sock.settimeout(timeout)

    def shutdown(self, how):
        sock = self._check_open()
        if how != _SHUT_RD:
            self.notify()
        sock.shutdown(how)

    def close(self):
        if self._sock is None:
            return
        self.notify()
        sock, self._sock = self._sock, None
        if self._timer:
            self._end_timer()
        self._tls.close()
        if hasattr(sock, "close"):
            sock.close()
        else:
            sock.ioctl(_CLOSE, 0)

    def makefile(self, mode="rb", buffering=0):
        return self

    def ioctl(self, request, arg):
        if request == _POLL:
            if self._sock is None:
                return _NVAL
            if self._below.unsent:
                self._flush_quietly()
            if self._failed:
                return arg & _RD_WR
            return _ssl.poll(self._tls, arg)
        if request == _CLOSE:
            self.close()
            return 0
        return -_EINVAL


class Listener(_io.IOBase):
    """A socket that listens; its connections have TLS."""

    def __init__(self, context, sock):
        self.context = context
        self._sock = sock

    def __getattr__(self, name):
        return getattr(self._sock, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._sock.close()

    def accept(self):
        """(SSLSocket, address). The handshake comes with its first read or write: who stalls in it
        keeps nobody else."""
        sock, address = self._sock.accept()
        try:
            return self.context.wrap_socket(sock, True, False), address
        except:
            sock.close()
            raise

    def ioctl(self, request, arg):
        return self._sock.ioctl(request, arg)


def _listens(sock):
    try:
        return sock.getsockopt(_SOL_SOCKET, _SO_ACCEPTCONN)
    except (AttributeError, OSError):
        return False


def _content(it):
    """A certificate or a key: bytes as they are, text names a file."""
    if not isinstance(it, str):
        return it
    with open(it, "rb") as file:
        return file.read()


class SSLContext:
    """What connections of one kind have in common. protocol: a PROTOCOL_... constant."""

    def __init__(self, protocol):
        if protocol not in (PROTOCOL_TLS_CLIENT, _SERVER, _DTLS, _SERVER | _DTLS):
            raise ValueError("protocol %r is not known" % (protocol,))
        self.protocol = protocol
        self._context = _tls.SSLContext(protocol)
        self._context.verify_mode = CERT_NONE  # as MicroPython has it on either side
        self._more = None
        self._on_name = None
        self._serving = None
        self._versions = (TLSVersion.TLSv1_2, TLSVersion.TLSv1_3)
        if protocol == _SERVER | _DTLS:
            self._options().cookies()

    def _options(self):
        if self._more is None:
            self._more = _ssl.Options(self._context)
        return self._more

    def _raised(self):
        return self._more and self._more.raised()

    @property
    def verify_mode(self):
        return self._context.verify_mode

    @verify_mode.setter
    def verify_mode(self, mode):
        if mode not in _MODES:  # mbedTLS would take what it likes for it
            raise ValueError("verify_mode %r is not known" % (mode,))
        self._context.verify_mode = mode

    @property
    def verify_callback(self):
        return self._context.verify_callback

    @verify_callback.setter
    def verify_callback(self, callback):
        self._context.verify_callback = callback

    def load_cert_chain(self, certfile, keyfile):
        """Our own certificate and its key: bytes (PEM or DER) or the names of files."""
        self._context.load_cert_chain(_content(certfile), _content(keyfile))

    def load_verify_locations(self, cafile=None, cadata=None):
        """Whose certificates to believe: the name of a file, or bytes."""
        self._context.load_verify_locations(_content(cafile) if cafile else cadata)

    def get_ciphers(self):
        return self._context.get_ciphers()

    def set_ciphers(self, ciphers):
        self._context.set_ciphers(ciphers)

    def set_alpn_protocols(self, names):
        """Protocols to speak inside, the best first (RFC 7301)."""
        self._options().alpn(names)

    def set_versions(self, lowest, highest):
        """The first and the last of TLSVersion to use."""
        if not TLSVersion.TLSv1_2 <= lowest <= highest <= TLSVersion.TLSv1_3:
            raise ValueError("versions %r to %r: of TLSVersion" % (lowest, highest))
        self._options().versions(lowest, highest)

    def set_max_fragment(self, size):
        """512, 1024, 2048 or 4096: send no longer records, and as a client ask the server for the
        same (RFC 6066 4); afterwards buffers are no larger than that needs."""
        if size not in (512, 1024, 2048, 4096):
            raise ValueError("max_fragment %s: 512, 1024, 2048 or 4096" % size)
        self._options().fragment((512, 1024, 2048, 4096).index(size) + 1)

    def use_tickets(self, seconds=86400):
        """As a server: let clients go on with a session for so long (RFC 5077)."""
        self._options().tickets(seconds)

    @property
    def sni_callback(self):
        return self._on_name

    @sni_callback.setter
    def sni_callback(self, callback):
        """callback(sock, name, context), which may set sock.context to another one, whose
        certificate the client gets."""
        self._on_name = callback
        self._options().on_name(self._named if callback else None)

    def _named(self, name):
        sock = self._serving
        self._on_name(sock, name, self)
        return None if sock.context is self else sock.context._context

    def wrap_socket(
        self,
        sock,
        server_side=False,
        do_handshake_on_connect=True,
        server_hostname=None,
        session=None,
        first=None,
    ):
        """session: SSLSocket.session of an earlier connection to the same server, to go on with;
        first: the datagram by which a DTLS server has learnt of its client. A socket that listens
        becomes a Listener."""
        if server_side and _listens(sock):
            return Listener(self, sock)
        new = SSLSocket(self, sock, server_side, server_hostname, session, first)
        if do_handshake_on_connect:
            new.do_handshake(True)
        return new


def wrap_socket(
    sock,
    server_side=False,
    key=None,
    cert=None,
    cert_reqs=CERT_NONE,
    cadata=None,
    server_hostname=None,
    do_handshake=True,
):
    """A connection with a context of its own."""
    context = SSLContext(PROTOCOL_TLS_SERVER if server_side else PROTOCOL_TLS_CLIENT)
    if cert or key:
        context.load_cert_chain(cert, key)
    if cadata:
        context.load_verify_locations(cadata=cadata)
    context.verify_mode = cert_reqs
    return context.wrap_socket(
        sock,
        server_side=server_side,
        do_handshake_on_connect=do_handshake,
        server_hostname=server_hostname,
    )
