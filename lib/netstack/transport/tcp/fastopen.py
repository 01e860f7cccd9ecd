# TCP Fast Open (RFC 7413): data in the SYN, for a client that has got a cookie from this server
# before. Both sides. Not frozen by default, and nothing of it costs anything until
#
#   from netstack.transport.tcp import fastopen     (or the file by itself: import fastopen)
#   fastopen.attach(stack)                          stack: netstack.api.host.stack()
#
#   server   setsockopt(IPPROTO_TCP, TCP_FASTOPEN, n): up to n connections that are not yet
#            established may be accepted, read and written
#   client   sendto(data, MSG_FASTOPEN, address) instead of connect() and send(), or
#            setsockopt(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1): connect() waits for the first data
#
# A program has to bear that its data comes twice (RFC 7413 2.1): a SYN may be duplicated.
#
#   Listener.input -> take()       output -> text(), more()       input -> answered()
#
# On the wire:  | kind 34 | length | cookie, 4 to 16 bytes, or none: please send one |

from micropython import const
from netstack.core.checksum import copy
from netstack.core.clock import elapsed
from netstack.core.wire import add32, move32, same, sub32
from netstack.transport.tcp.output import set_timer
from netstack.transport.tcp.reassembly import accept
from netstack.transport.tcp.segment import emit

_KIND = const(34)
_NOP = const(1)
_COOKIE = const(8)  # bytes of ours
_COOKIE_MIN = const(4)
_COOKIE_MAX = const(16)
_KNOWN = const(8)  # servers whose cookies a client keeps
_MUTE_MS = const(3600000)  # RFC 7413 4.1.3.1: where a SYN with data was lost, none for so long

_LEN = const(1)  # a word of Ring.w

_SYN_SENT = const(2)
_SYN_RCVD = const(3)
_FIN = const(1)
_PSH = const(8)
_ACK = const(16)

_ISS = const(0)
_SND_NXT = const(2)
_SND_MAX = const(3)
_RCV_NXT = const(7)
_RCV_ADV = const(8)
_SND_WND = const(12)
_SND_MSS = const(14)
_CWND = const(15)
_T_OUTPUT = const(30)
_FLAGS = const(31)
_F_CHANGED = const(1 << 25)

_HDR = const(20)
_EINPROGRESS = const(115)

# how a connection came to be early (Connection.early)
_CLIENT = const(1)
_SERVER = const(2)


def find(buf, at, end):
    """Where the option is among those of a segment that parse() has approved of; -1: nowhere."""
    while at < end and buf[at]:
        if buf[at] == _NOP:
            at += 1
        elif buf[at] == _KIND:
            return at
        else:
            at += buf[at + 1]
    return -1


class Server:
    """What a client knows of one: its cookie (None: data in SYNs gets lost), its MSS, since
    when."""

    def __init__(self, addr, cookie, mss, since):
        self.addr = addr
        self.cookie = cookie
        self.mss = mss
        self.since = since


class FastOpen:
    def __init__(self, st):
        self.st = st
        self.known = []  # Server: those we have heard of last at the end
        self.young = []  # connections accepted before they were established
        self._secret = bytearray(16)
        st.random.fill(self._secret, 0, 16)
        st.tcp.fastopen = self

    # -- on the wire ------------------------------------------------------------------------

    def length(self, cookie):
        """Bytes of the option, padded."""
        return 2 + len(cookie) + 3 & ~3

    def put(self, buf, at, cookie):
        n = len(cookie)
        buf[at] = _KIND
        buf[at + 1] = 2 + n
        copy(buf, at + 2, cookie, 0, n)
        for i in range(2 + n, self.length(cookie)):
            buf[at + i] = _NOP

    def _read(self, fr):
        """The cookie of a SYN: bytes, or None without the option."""
        buf = fr.buf
        end = fr.l4 + (buf[fr.l4 + 12] >> 4 << 2)
        at = find(buf, fr.l4 + _HDR, end)
        if at < 0:
            return None
        n = buf[at + 1] - 2
        if n and not (_COOKIE_MIN <= n <= _COOKIE_MAX and n & 1 == 0):
            return None  # RFC 7413 4.1.1
        return bytes(buf[at + 2 : at + 2 + n])

    # -- server -----------------------------------------------------------------------------

    def cookie(self, addr):
        """RFC 7413 4.1.2: a keyed hash of the client's address; nothing is to be remembered."""
        from hashlib import sha256

        h = sha256(self._secret)
        h.update(addr)
        return h.digest()[:_COOKIE]

    def take(self, listener, fr, seg):
        """A SYN for a listener that wants it. False: let the usual handshake have it."""
        got = self._read(fr)
        if got is None:
            return False
        ip = fr.ip
        at = fr.l3 + ip.src_off
        cookie = self.cookie(bytes(fr.buf[at : at + ip.alen]))
        if got != cookie:  # none, an old one, or somebody else's: RFC 7413 4.2.2
            listener.open(fr, seg).cookie = cookie
            return True
        if self._count(listener) >= listener.fastopen:
            return False
        conn = listener.open(fr, seg)
        self._receive(conn, fr, seg)
        conn.early = _SERVER
        self.young.append(conn)
        listener.opened(conn)
        return True

    def _count(self, listener):
        """Connections of its port that are young still (RFC 7413 5.1 wants a limit)."""
        n = 0
        for conn in list(self.young):
            if conn.state != _SYN_RCVD:
                self.young.remove(conn)
            elif conn.lport == listener.lport:
                n += 1
        return n

    def _receive(self, conn, fr, seg):
        """Take the text of a SYN. A FIN with it is left to be sent again."""
        cb = conn.cb
        mss = cb[_SND_MSS]
        cb[_CWND] = 10 * mss if 10 * mss < 14600 else 14600  # RFC 6928
        seg.flags &= ~_FIN
        seg.trim_front(1)
        extra = seg.len - sub32(cb, _RCV_ADV, cb, _RCV_NXT)
        if extra > 0:
            seg.trim_end(extra)
        if seg.len > 0 and accept(conn, fr.buf, seg.data, seg.len, 0) > 0:
            cb[_FLAGS] |= _F_CHANGED

    def more(self, conn):
        """The answer, before the client has acknowledged our SYN (RFC 7413 4.2.2). Ring and
        sequence numbers are one apart, for the SYN."""
        cb = conn.cb
        if conn.early != _SERVER or conn.tx is None:
            return
        limit = min(cb[_CWND], cb[_SND_WND])
        while True:
            off = sub32(cb, _SND_NXT, cb, _ISS) - 1
            left = conn.tx.w[_LEN] - off
            n = min(left, cb[_SND_MSS], limit - off)
            if off < 0 or n <= 0:
                return
            flags = _ACK | _PSH if n == left else _ACK
            if not conn.nif.room() or not emit(conn, flags, _SND_NXT, off, n):
                set_timer(conn, _T_OUTPUT, 1)
                return
            add32(cb, _SND_NXT, n)
            if sub32(cb, _SND_MAX, cb, _SND_NXT) < 0:
                move32(cb, _SND_MAX, cb, _SND_NXT)

    # -- client -----------------------------------------------------------------------------

    def _server(self, addr):
        for server in self.known:
            if same(server.addr, 0, addr, 0, len(addr)) and len(server.addr) == len(addr):
                if server.cookie is None and elapsed(self.st.now, server.since) > _MUTE_MS:
                    self.known.remove(server)
                    return None
                return server
        return None

    def knows(self, addr):
        """Is there a cookie for this address?"""
        server = self._server(addr)
        return server is not None and server.cookie is not None

    def connect(self, conn, ip, addr, port, buf, off, n):
        """Open `conn` with up to `n` bytes at buf[off] in its SYN. Returns how many were queued;
        -EINPROGRESS without a cookie: one is asked for, the data is to be sent afterwards.
        Raises OSError as Connection.connect() does."""
        server = self._server(addr)
        conn.connect(ip, addr, port)
        if server is None:
            conn.cookie = b""
        elif server.cookie is not None:
            conn.cookie = server.cookie
            conn.early = _CLIENT
            return conn.send(buf, off, n) if n else 0
        return -_EINPROGRESS

    def text(self, conn):
        """Bytes that go with the SYN that is about to be sent. One that is sent again bears
        nothing of all this: its loss may have been no accident (RFC 7413 4.2.1)."""
        if conn.state != _SYN_SENT:
            return 0
        if sub32(conn.cb, _SND_MAX, conn.cb, _ISS) != 0:
            conn.cookie = None
            if conn.early:
                self._learn(conn.raddr, None, 0)
            return 0
        if not conn.early or conn.tx is None:
            return 0
        server = self._server(conn.raddr)
        room = min(conn.mss, server.mss if server else conn.ip.mss_default)
        return min(conn.tx.w[_LEN], room - 20 - self.length(conn.cookie))  # 20: its other options

    def answered(self, conn, fr, seg):
        """SYN,ACK: it may bear a cookie."""
        cookie = self._read(fr)
        if cookie:
            self._learn(conn.raddr, cookie, seg.mss or conn.ip.mss_default)
        conn.cookie = None

    def _learn(self, addr, cookie, mss):
        for server in self.known:
            if server.addr == addr:
                self.known.remove(server)
                break
        if len(self.known) == _KNOWN:
            self.known.pop(0)
        self.known.append(Server(bytes(addr), cookie, mss, self.st.now))


def attach(st):
    """To be called once the stack has TCP."""
    return FastOpen(st)
