# TCP and UDP by callbacks, without sockets: lwIP's raw API, for programs to which memory is dear.
# A connection is its control block and nothing else, and what has come is looked at where it lies,
# in the ring. docs/raw.md has the same with examples, and lwIP's name for each call.
#
#   from netstack.api import callbacks
#
#   def got(conn, buf, at, n, more):     # n bytes at buf[at], and `more` behind them at buf[0]
#       conn.consume(conn.write(buf, at, n) if n else 0)
#       if n == 0: conn.close()          # the peer has sent everything
#
#   def accepted(conn): conn.on_recv = got
#
#   with callbacks.lock: callbacks.listen(7, accepted)
#
# Callbacks run inside the stack: they may use it and must not block. Everybody else asks for it by
# `with callbacks.lock`, which is refused with EAGAIN to what has interrupted the stack itself.
# `st` is for who has a stack of their own. Numbers below 0 are -errno.

from micropython import const
from netstack.api import host
from netstack.transport.tcp import buffers, connection
from netstack.transport.tcp import listen as listening

_CLOSED = const(0)
_ESTABLISHED = const(4)
_CLOSE_WAIT = const(7)
_EAGAIN = const(11)
_LEN = const(1)  # words of Ring.w
_HEAD = const(0)
_FLAGS = const(31)  # a word of the control block
_F_CHANGED = const(1 << 25)
_NOTHING = b""


class Lock:
    """`with lock`: a call into the stack from outside (LOCK_TCPIP_CORE)."""

    def __init__(self, st=None):
        self.st = st

    def __enter__(self):
        host.enter(self.st or host.stack())

    def __exit__(self, kind, error, trace):  # not *_, which would be a tuple
        st = self.st
        if st:
            st.leave()
        else:
            host.leave(host.stack())


lock = Lock()


class Connection(connection.Connection):
    """Made by listen() and connect(). What lwIP has as tcp_arg(): any attribute of yours."""

    on_open = None  # callable (conn): connect() has succeeded
    on_recv = None  # callable (conn, buf, at, n, more); n == 0: there is no more to come
    on_sent = None  # callable (conn, n): the peer has acknowledged n bytes
    on_error = None  # callable (conn, errno): it is over, and has been closed
    queued = 0  # bytes in the send ring when it was last looked at
    ended = False  # on_recv() has been told of the end

    def write(self, buf, at=0, n=None, more=False):
        """Queue up to `n` bytes at buf[at] to be sent, a copy of them (tcp_write, tcp_output);
        `more`: others follow soon. Returns how many were taken; -EAGAIN: wait for on_sent()."""
        check(self.st)
        n = length(buf, at, n)
        if n > 0:
            n = self.send(buf, at, n, more)
            if n > 0:
                self.queued += n
        return n

    def room(self):
        """Bytes that write() would take now (tcp_sndbuf), also by making the ring larger."""
        n = connection.Connection.room(self)
        if self.state == _ESTABLISHED or self.state == _CLOSE_WAIT:
            most = buffers.send_limit(self)
            if self.tx:
                most -= self.tx.w[_LEN]
            if most > n:
                n = most
        return n

    def produce(self, fill, n):
        """Have fill(conn, buf, at, n, more) write to the send ring itself: up to `n` bytes at
        buf[at], and up to `more` behind them at buf[0]. As many bytes as it returns are sent.
        Returns that, or as write()."""
        check(self.st)
        got = self.send(_NOTHING, 0, 0)  # is it open? Then there is a ring now.
        if got != -_EAGAIN:
            return got
        ring = self.tx
        if ring.free() < n and ring.size < self.sndbuf:
            ring = buffers.send_ring(self, n) or ring
        room = ring.free()
        if n > room:
            n = room
        if n <= 0:
            return -_EAGAIN
        at = ring.w[_HEAD] + ring.w[_LEN]
        if at >= ring.size:
            at -= ring.size
        first = ring.size - at
        if first > n:
            first = n
        got = fill(self, ring.buf, at, first, n - first)
        if not 0 <= got <= n:
            raise ValueError("%d bytes written, of 0 to %d" % (got, n))
        if self.tx is ring and got:  # it has not been closed meanwhile
            ring.commit(got)
            self.queued += got
            self.st.defer(self)
        return got

    def consume(self, n):
        """`n` bytes of what on_recv() was given are done with, and the peer may send as many more
        (tcp_recved). The others come again, with what follows them."""
        check(self.st)
        have = self.available()
        if not 0 <= n <= have:
            raise ValueError("%d bytes of %d" % (n, have))
        if n:
            self.drop(n)
            if n == have and self.eof_seen:
                self.offer()

    def offer(self):
        """Have on_recv() called with what waits, if anything does."""
        check(self.st)
        self.cb[_FLAGS] |= _F_CHANGED
        self.st.defer(self)

    def views(self):
        """What waits, as two memoryviews: the second one is empty unless the ring goes round."""
        n = self.available()
        if n == 0:
            return memoryview(_NOTHING), memoryview(_NOTHING)
        ring = self.rx
        at = ring.w[_HEAD]
        whole = memoryview(ring.buf)
        return whole[at : at + n], whole[: max(at + n - ring.size, 0)]

    def shutdown_send(self):
        check(self.st)
        connection.Connection.shutdown_send(self)

    def shutdown_recv(self):
        check(self.st)
        connection.Connection.shutdown_recv(self)

    def close(self):
        check(self.st)
        connection.Connection.close(self)

    def abort(self):
        check(self.st)
        connection.Connection.abort(self)


class Listener(listening.Listener):
    """Made by listen()."""

    kind = Connection

    def close(self):
        check(self.st)
        listening.Listener.close(self)


def _told(conn):
    """Something about a connection has changed."""
    if conn.state:
        f = conn.on_open
        if f and conn.state >= _ESTABLISHED:
            conn.on_open = None
            f(conn)
        _tell_sent(conn)
    f = conn.on_recv
    if f and not conn.deaf:
        n = conn.available()
        if n:
            ring = conn.rx
            at = ring.w[_HEAD]
            first = ring.size - at
            if first > n:
                first = n
            f(conn, ring.buf, at, first, n - first)
        if conn.eof_seen and not conn.ended and not conn.deaf and not conn.available():
            conn.ended = True
            f(conn, _NOTHING, 0, 0, 0)
    if conn.state == _CLOSED and conn.error and not conn.orphan:
        f = conn.on_error
        conn.close()
        if f:
            f(conn, conn.error)


def _tell_sent(conn):
    left = conn.tx.w[_LEN] if conn.tx else 0
    n = conn.queued - left
    if n > 0 and not conn.orphan:
        conn.queued = left
        if conn.on_sent:
            conn.on_sent(conn, n)


def _accepted(listener):
    """Hand out what waits at a listener."""
    while True:
        conn = listener.accept()
        if conn is None:
            return
        conn.notify = _told
        listener.on_accept(conn)
        if conn.notify:  # what has come before it was accepted
            conn.notify(conn)


# -- beginning ----------------------------------------------------------------------------------


def listen(port, on_accept, addr=None, backlog=5, st=None, ssl=None):
    """Have on_accept(conn) called for each connection to `port` (tcp_bind, tcp_listen,
    tcp_accept); `addr`: one of our addresses, text or bytes; ssl: an SSLContext, for TLS. close()
    of what is returned ends it. Raises OSError: EADDRINUSE, EADDRNOTAVAIL, ENOMEM."""
    st = check(st or host.stack())
    ip, addr = address_of(st, addr, port)
    listener = (st.tcp or host.tcp()).listen(ip, addr, port, backlog, kind=Listener)
    listener.on_accept = on_accept
    listener.notify = _accepted
    if ssl:
        from netstack.api import callbacks_tls

        callbacks_tls.listen(listener, ssl)
    return listener


def connect(addr, port, on_open=None, st=None, ssl=None, server_hostname=None, session=None):
    """A connection that is being opened to `addr`, text or bytes (tcp_connect); on_open(conn) or
    conn.on_error(conn, errno) will follow. ssl: an SSLContext, for TLS with server_hostname.
    Raises OSError: ENETUNREACH, ENOMEM."""
    st = check(st or host.stack())
    ip, addr = address_of(st, addr, port)
    conn = Connection(st.tcp or host.tcp())
    conn.on_open = on_open
    conn.notify = _told
    conn.connect(ip, addr, port)
    if not ssl:
        return conn
    from netstack.api import callbacks_tls

    try:
        return callbacks_tls.connect(conn, ssl, on_open, server_hostname, session)
    except BaseException:
        conn.abort()
        raise


def datagrams(port=0, on_recv=None, addr=None, st=None):
    """Have on_recv(endpoint, buf, at, n) called for each datagram to `port`, 0: one is chosen
    (udp_bind, udp_recv). It lies in the frame it came in, and is gone when that returns; as many
    bytes as it returns go back from there to the sender, whom endpoint.from_addr and from_port
    name. There is no ring. Raises OSError: EADDRINUSE, EADDRNOTAVAIL."""
    from netstack.api import callbacks_udp

    return callbacks_udp.open(port, on_recv, addr, st)


def after(ms, f, st=None):
    """Have f() called once, `ms` milliseconds from now (sys_timeout). cancel() ends that."""
    st = check(st or host.stack())
    timer = st.timers.new(f)
    timer.start(st.now, ms)
    return timer


def cancel(timer, st=None):
    """Give a timer of after() back, whether it has been called or not (sys_untimeout)."""
    check(st or host.stack()).timers.discard(timer)


def check(st):
    if not st.inside():
        raise RuntimeError("outside the stack: with callbacks.lock")
    return st


def length(buf, at, n):
    """`n` or what there is of buf[at:]; ValueError unless it is there."""
    most = len(buf) - at
    if n is None:
        n = most
    if at < 0 or not 0 <= n <= most:
        raise ValueError("%s bytes at %d of %d" % (n, at, len(buf)))
    return n


def address_of(st, addr, port):
    """(network protocol, bytes) of an address; (None, None): any."""
    if isinstance(addr, str):
        from netstack.api import address

        addr = address.either(addr, "address")
    return network_of(st, addr, port), addr


def network_of(st, addr, port):
    if not 0 <= port <= 0xFFFF:
        raise ValueError("port %d" % port)
    if addr is None:
        return None
    for ip in st.networks:
        if ip.alen == len(addr):
            return ip
    raise ValueError("%r is no address of a network that is here" % addr)
