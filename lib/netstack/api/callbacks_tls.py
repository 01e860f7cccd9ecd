# TLS by callbacks: what listen() and connect() of callbacks.py give when they get `ssl`.
# A Secure stands on a Connection and has its methods and callbacks, so a service does not see the
# difference (lwIP's altcp_tls).
#
#   below  Connection.notify -> _changed() -> handshake, or records -> plain text -> on_recv()
#   above  write() -> a record -> Connection.send();  acknowledged -> on_sent(), of plain text
#
# What has been deciphered lies in a buffer of its own until it is consumed. It begins small and
# grows up to the connection's rcvbuf while a program leaves all of it there.

from micropython import const
from netstack.api import callbacks
from netstack.api.callbacks import check, length
from netstack.transport.tcp import buffers, connection

_CLOSED = const(0)
_ESTABLISHED = const(4)
_CLOSE_WAIT = const(7)
_EAGAIN = const(11)
_ENOMEM = const(12)
_EPIPE = const(32)
_ETIMEDOUT = const(110)
_NOT_BELIEVED = const(-0x2700)  # MBEDTLS_ERR_X509_CERT_VERIFY_FAILED
_LEN = const(1)  # a word of Ring.w
_POLL = const(3)  # MP_STREAM_POLL
_WR = const(4)
_PLAIN = const(1024)  # the buffer to begin with
_MORE = const(96)  # the most by which a record is longer than what is in it
_NOTHING = b""

timeout = 20000  # milliseconds that a handshake may take


class _Below:
    """The connection as an SSLSocket has to see it: a socket that does not block."""

    def __init__(self, secure):
        self.secure = secure

    def recv_into(self, buf):
        return _result(self.secure.conn.recv(buf, 0, len(buf)))

    def send(self, buf):
        secure = self.secure
        n = _result(secure.conn.send(buf, 0, len(buf)))
        if n:
            secure.queued += n
            secure.extra += n
        return n

    def close(self):
        pass  # the Secure does


def _result(n):
    if n >= 0:
        return n
    if n == -_EAGAIN:
        return None
    raise OSError(-n)


class Secure:
    """Made by listen() and connect(). Attributes that it does not have are its Connection's."""

    on_recv = on_sent = on_error = None  # as a Connection has them
    reason = None  # what on_error()'s number means, if it is TLS's
    tls = None  # the SSLSocket: cipher(), getpeercert(), selected_alpn_protocol(), session

    def __init__(self, conn, context, ready, failed, **how):
        """ready(self) is called after the handshake, failed(self, errno) if that does not come."""
        self.conn = conn
        self.queued = 0  # bytes in the send ring when it was last looked at
        self.extra = 0  # how many of them are TLS's own
        self.eof_seen = self.orphan = False
        self._plain = None
        self._at = self._end = 0  # what of it waits to be consumed
        self._ready = ready
        self._failed = failed
        self._told = False  # on_recv() has been told of the end
        self._timer = None
        self.tls = context.wrap_socket(_Below(self), do_handshake_on_connect=False, **how)
        self._timer = callbacks.after(timeout, self._late, conn.st)
        conn.notify = self._changed

    def __getattr__(self, name):
        return getattr(self.conn, name)

    # -- what a program calls ---------------------------------------------------------------

    def write(self, buf, at=0, n=None, more=False):
        """As a Connection has it; `more` changes nothing."""
        check(self.conn.st)
        n = length(buf, at, n)
        if n == 0:
            return 0
        done = 0
        try:
            while done < n:
                room = self._room(n - done)
                if room <= 0:
                    return done or room
                end = at + done + min(room, n - done)
                got = self.tls.write_record(memoryview(buf)[at + done : end])
                if got is None:
                    break
                self.extra -= got
                done += got
        except OSError as error:  # the next one gets it, or on_error() tells
            return done or -abs(error.errno)
        return done or -_EAGAIN

    def _room(self, n):
        """How much of `n` bytes the ring could take as a record; -errno: none."""
        conn = self.conn
        if self.orphan:
            return -conn.error or -_EPIPE
        if self._ready:
            return -conn.error or -_EAGAIN
        got = conn.send(_NOTHING, 0, 0)  # is it open? Then there is a ring now.
        if got != -_EAGAIN:
            return got or -_EAGAIN
        ring = conn.tx
        if ring.free() < n + _MORE and ring.size < conn.sndbuf:
            ring = buffers.send_ring(conn, n + _MORE) or ring
        room = ring.free() - _MORE
        return room if room > 0 else -_EAGAIN

    def produce(self, fill, n):
        """As a Connection has it, by way of a buffer that is made for it."""
        check(self.conn.st)
        room = self._room(n)
        if room < 0:
            return room
        n = min(n, room * 4 // 5)  # also if it takes several records
        if n <= 0:
            return -_EAGAIN
        buf = bytearray(n)
        got = fill(self, buf, 0, n, 0)
        if not 0 <= got <= n:
            raise ValueError("%d bytes written, of 0 to %d" % (got, n))
        return self.write(buf, 0, got)

    def room(self):
        return max(self.conn.room() - _MORE, 0) if self._ready is None else 0

    def available(self):
        return self._end - self._at

    def peek(self, buf, off, n):
        n = min(n, self._end - self._at)
        if n:
            memoryview(buf)[off : off + n] = memoryview(self._plain)[self._at : self._at + n]
            return n
        if self.eof_seen:
            return 0
        return -self.conn.error or -_EAGAIN

    def views(self):
        if self._at == self._end:
            return memoryview(_NOTHING), memoryview(_NOTHING)
        return memoryview(self._plain)[self._at : self._end], memoryview(_NOTHING)

    def consume(self, n):
        check(self.conn.st)
        have = self._end - self._at
        if not 0 <= n <= have:
            raise ValueError("%d bytes of %d" % (n, have))
        if n:
            full = self._plain and self._end == len(self._plain)
            self._at += n
            if n == have:
                self._at = self._end = 0
            if full or n == have and self.eof_seen:
                self.conn.offer()  # there may be records that had no place

    def shutdown_send(self):
        """No more data from us: tell the peer so, as TLS and as TCP have it."""
        check(self.conn.st)
        self.tls.notify()
        self.conn.shutdown_send()

    def shutdown_recv(self):
        self._at = self._end = 0
        self.eof_seen = self._told = True
        self.conn.shutdown_recv()

    def close(self):
        """What was received and not consumed makes it a reset."""
        check(self.conn.st)
        if self.orphan:
            return
        if self._at < self._end:
            self.abort()
            return
        self.orphan = True
        self._close()

    def _close(self):
        """Say goodbye, once there is room for it, and let go."""
        conn = self.conn
        if _ESTABLISHED <= conn.state <= _CLOSE_WAIT and self._ready is None:
            if connection.Connection.room(conn) < _MORE:
                return  # _changed() comes back
        self._release()
        conn.shutdown_recv()
        conn.close()

    def abort(self):
        check(self.conn.st)
        self.orphan = True
        self.conn.abort()
        self._release()

    def _release(self):
        if self._timer:
            self.conn.st.timers.discard(self._timer)
            self._timer = None
        self._plain = None
        self._at = self._end = 0
        self.conn.notify = None
        if self.tls:
            self.tls.close()

    # -- what the stack calls ---------------------------------------------------------------

    def _changed(self, conn):
        """Something about the connection has changed."""
        self._tell_sent()
        if self.orphan:
            if conn.notify:
                self._close()
            return
        self._step()
        if not self.orphan and conn.state == _CLOSED and conn.error:
            self._fail(conn.error, None)

    def _tell_sent(self):
        """As lwIP does it: what TLS has added is said to have arrived first."""
        conn = self.conn
        left = conn.tx.w[_LEN] if conn.tx else 0
        n = self.queued - left
        if n > 0:
            self.queued = left
            extra = min(n, self.extra)
            self.extra -= extra
            if n > extra and not self.orphan and self.on_sent:
                self.on_sent(self, n - extra)
            if not self.orphan:
                self.tls.ioctl(_POLL, _WR)  # sends on what had no room

    def _step(self):
        conn = self.conn
        if self._ready:
            if conn.state < _ESTABLISHED or not self._shake():
                return
            ready = self._ready
            self._ready = None
            self._failed = None
            ready(self)
        while not self.orphan:
            error = None
            n = -1
            try:
                n = self._fill()
            except (OSError, ValueError, MemoryError) as e:
                error = e
            before = self._end - self._at
            self._offer()
            if self.orphan:
                return
            if error:
                self._fail_by(error)
                return
            if n < 0 or before == self._end - self._at:
                return

    def _shake(self):
        """Go on with the handshake; is it done?"""
        try:
            self.tls.do_handshake()
        except (OSError, ValueError, MemoryError) as error:
            if not isinstance(error, OSError) or error.errno != _EAGAIN:
                self._fail_by(error)
            return False
        self.conn.st.timers.discard(self._timer)
        self._timer = None
        return True

    def _fill(self):
        """Decipher what there is place for. Below 0: there is no more."""
        while not self.eof_seen:
            buf = self._plain
            if buf is None:
                buf = self._plain = bytearray(min(_PLAIN, self.conn.rcvbuf))
            elif self._end == len(buf):
                if self._at:
                    have = self._end - self._at
                    buf[:have] = buf[self._at : self._end]
                    self._at, self._end = 0, have
                elif len(buf) < self.conn.rcvbuf:
                    self._plain = bytearray(min(2 * len(buf), self.conn.rcvbuf))
                    self._plain[: self._end] = buf
                    continue
                else:
                    return 0
            n = self.tls.read_record(buf, self._end)
            if n is None:
                return -1
            if n == 0:
                self.eof_seen = True
            self._end += n
        return -1

    def _offer(self):
        f = self.on_recv
        if not f:
            return
        n = self._end - self._at
        if n:
            f(self, self._plain, self._at, n, 0)
        if self.eof_seen and not self._told and not self.orphan and self._at == self._end:
            self._told = True
            f(self, _NOTHING, 0, 0, 0)

    def _late(self):
        self._fail(_ETIMEDOUT, "handshake")

    def _fail_by(self, error):
        """TLS or what is below it has raised this."""
        if isinstance(error, MemoryError):
            self._fail(_ENOMEM, None)
        elif isinstance(error, ValueError):
            self._fail(_NOT_BELIEVED, str(error))
        else:
            self._fail(error.errno, error.args[1] if len(error.args) > 1 else None)

    def _fail(self, number, reason):
        """It is over. Whatever alert there is has been written."""
        conn = self.conn
        self.reason = reason
        self.orphan = True
        self._release()
        conn.shutdown_recv()
        conn.close()
        f = self._failed or self.on_error
        if f:
            f(self, number)


# -- what callbacks.py calls --------------------------------------------------------------------


def listen(listener, context):
    """Have on_accept() get a Secure after the handshake; listener.on_error(conn, errno), if that
    is set, hears of those that come to nothing."""
    then = listener.on_accept

    def failed(secure, number):
        if listener.on_error:
            listener.on_error(secure, number)

    def ready(secure):
        if listener.closed:
            secure.abort()
        else:
            then(secure)

    def accepted(conn):
        try:
            Secure(conn, context, ready, failed, server_side=True)
        except (OSError, MemoryError):  # none for another one now
            conn.st.nomem += 1
            conn.abort()

    listener.on_accept = accepted
    listener.on_error = None


def connect(conn, context, on_open, server_hostname, session):
    """A Secure that is being opened, and tells by on_open()."""
    return Secure(
        conn,
        context,
        on_open or _nobody,
        None,
        server_hostname=server_hostname,
        session=session,
    )


def _nobody(secure):
    pass
