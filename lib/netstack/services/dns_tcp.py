# A DNS question over TCP (RFC 7766): for answers that do not fit into a datagram, and where
# datagrams are being forged. Loaded when it is first needed.
#
# On the wire:  | length 2 | message ... |

from micropython import const
from netstack.core.wire import get16, put16
from netstack.services.dns_message import QUERY_MAX, put_question

_EIO = const(5)
_EAGAIN = const(11)
_EMSGSIZE = const(90)
_ENETUNREACH = const(101)
_PORT = const(53)
_LONGEST = const(4096)  # of an answer; a longer one is of no use to us


class Stream:
    """One question and its answer. Raises OSError when it cannot begin."""

    def __init__(self, query, at):
        st = query.st
        if st.tcp is None:
            from netstack.transport import tcp

            tcp.attach(st)
        server = query.servers[at]
        ip = query.resolver.network(server)
        if ip is None:
            raise OSError(_ENETUNREACH)
        self.query = query
        self.at = at
        self.out = bytearray(2 + QUERY_MAX)
        self.size = put_question(self.out, 2, query.id, query.question(at), query.qtype, 0)
        put16(self.out, 0, self.size - 2)
        self.sent = 0
        self.head = bytearray(2)
        self.buf = None  # the message, once its length is known
        self.got = 0
        self.conn = st.tcp.open()
        self.conn.connect(ip, server, _PORT)
        self.conn.notify = self._changed

    def close(self):
        """Give the connection up, wherever it is."""
        self.conn.notify = None
        if self.buf and self.got == len(self.buf):
            self.conn.close()
        else:
            self.conn.abort()

    def _changed(self, conn):
        """Something has happened to the connection."""
        errno = conn.error or self._send(conn)
        while not errno:
            into = self.buf or self.head
            n = conn.recv(into, self.got, len(into) - self.got)
            if n == -_EAGAIN:
                return
            if n <= 0:
                errno = _EIO  # the end, too early
                break
            self.got += n
            if self.got < len(into):
                continue
            if self.buf:
                self.query.told(self.buf, self.got, self.at)
                return
            errno = self._make_buf()
        self.query.refuse(errno, self.at)

    def _send(self, conn):
        """Send what is left of the question; returns an errno or 0."""
        while self.sent < self.size:
            n = conn.send(self.out, self.sent, self.size - self.sent)
            if n < 0:
                return 0 if n == -_EAGAIN else -n
            self.sent += n
        return 0

    def _make_buf(self):
        """The length is known; returns an errno or 0."""
        n = get16(self.head, 0)
        if not 0 < n <= _LONGEST:
            return _EMSGSIZE
        self.buf = bytearray(n)
        self.got = 0
        return 0
