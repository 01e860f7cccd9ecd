# TCP as a whole: registers with the network protocols, finds the connection a segment belongs to,
# hands out ports and initial sequence numbers.
#
# input: IPv4.input -> TCP.input -> Segment.parse -> Connection.input / Listener.input / reset

from hashlib import sha256  # here: each import looks through the file system first
from micropython import const
from netstack.core.wire import add32, get16, load32, move32, same, sub32
from netstack.transport.demux import Table, set_key
from netstack.transport.tcp import cubic, fast, pmtu
from netstack.transport.tcp.buffers import slim
from netstack.transport.tcp.congestion import Controlled
from netstack.transport.tcp.connection import Connection
from netstack.transport.tcp.limits import Limits
from netstack.transport.tcp.segment import Segment, reset
from netstack.transport.tcp.timewait import TimeWait

_PROTO = const(6)
_EPHEMERAL = const(49152)

_LISTEN = const(1)
_SYN_SENT = const(2)

_ISS = const(0)
_SND_UNA = const(1)
_SND_MAX = const(3)
_TS_OFFSET = const(41)
_FAST = const(53)
_WORDS = const(100)
_SEG_SEQ = const(0)

_EADDRINUSE = const(98)
_EADDRNOTAVAIL = const(99)
_ENOMEM = const(12)

NAMES = (
    "in",
    "in_short",
    "in_offset",
    "in_checksum",
    "in_option",
    "in_noport",
    "out_of_window",
    "out_of_order",
    "nomem",
    "challenges",
    "resets",
    "backlog_full",
    "out",
    "out_rst",
    "rexmt",
    "fast_rexmt",
    "timeouts",
    "in_group",
    "recycled",
    "opened",
    "paws",
    "probes",
    "undone",
    "marks",
    "cookies_sent",
    "cookies",
    "ended",
)
_IN = const(0)
_NOPORT = const(5)
_IN_GROUP = const(17)
_OPENED = const(19)


@micropython.viper
def _add_clock(cb: ptr32, now: int, carry: int):
    """ISS plus a clock that ticks every 4 us: 250 * now, and 2^31 when `carry` is 2^16."""
    cb[0] = cb[0] + now * 250 + (carry << 15)


class TCP(Controlled):
    state = 0  # none of a connection's: set_congestion() is for connections to come
    fastopen = None  # fastopen.py, where it was attached
    synqueue = None  # synqueue.py, once somebody listens
    shape = None  # of rows.py

    def __init__(self, st):
        self.st = st
        self.stat = st.counters("tcp", NAMES)
        self.table = Table()
        self.seg = Segment()
        self.blank = bytes(4 * _WORDS)  # a control block
        self.addr_to = bytearray(16)
        self.addr_from = bytearray(16)
        budget = st.budget
        self.rcvbuf = _clip(budget // 8, 2920, 1 << 22)  # how far a connection's rings may grow
        self.sndbuf = _clip(budget // 8, 2920, 1 << 22)
        self.limit = _clip(budget // 4096, 8, 4096)  # connections
        self.window_scale = True  # options to offer, and to agree to
        self.timestamps = True
        self.sack = True
        self.ecn = False  # ask for it in our SYNs
        self.ecn_accept = True  # agree to it in a peer's
        self.control = cubic  # of new connections; congestion() names it
        self.msl_ms = 30000  # DEVIATION RFC 9293 3.4.1 (2 minutes): 30 s, as Linux and BSD
        self.bound = set()  # connections that have a port and no peer yet
        self.timewait = TimeWait(self, _clip(budget // 2048, 8, 4096))
        self._secret = bytearray(16)
        st.random.fill(self._secret, 0, 16)
        self._iss_at = st.now
        self._carry = 0
        self.limits = Limits(self)
        self.old = None  # words of the connection that a new one takes over from
        fast.attach(self)
        self._reclaimed_at = -1
        self.spared = None  # the connection that memory is wanted for
        st.tcp = self
        st.reclaim = self.reclaim
        st.carry(_PROTO, self)

    def open(self):
        return Connection(self)

    def listen(self, ip, addr, port, backlog=5, reuseport=False, kind=None):
        """Listen on a local address (None: all, of every network protocol if there is no `ip`
        either) and port (0: one is chosen); `reuseport`: with others that say so; `kind`: the
        class of what is returned, a Listener unless given. Raises OSError: EADDRINUSE,
        EADDRNOTAVAIL, ENOMEM."""
        if addr is not None and not ip.local(addr, 0):
            raise OSError(_EADDRNOTAVAIL)
        if kind is None:
            from netstack.transport.tcp.listen import Listener as kind
        listener = kind(self, ip, addr, port or self.free_port(), backlog)
        listener.reuseport = reuseport
        for network in listener.networks():
            listener.set_key(network)
            other = self.table.find()
            if other is not None:
                if listener.join(other):
                    return listener
                raise OSError(_EADDRINUSE)
        for network in listener.networks():
            listener.set_key(network)
            if not self.table.add(listener):
                listener.close()
                raise OSError(_ENOMEM)
        return listener

    def taken(self, ip, addr, port, reuseport=False):
        """Does a listener or a connection that is only bound have this address and port, and does
        not share it?"""
        for group in (self.bound, self.listeners()):
            for other in group:
                if reuseport and other.reuseport:
                    continue
                if other.lport == port and (ip is None or other.ip in (None, ip)):
                    if addr is None or other.laddr in (None, addr):
                        return True
        return False

    def connections(self):
        """Every connection, in no order."""
        for obj in self.table:
            if isinstance(obj, Connection):
                yield obj

    def listeners(self):
        for obj in self.table:
            if obj.state == _LISTEN:
                yield obj

    # -- table ------------------------------------------------------------------------------

    @micropython.native
    def _set_key(self, conn):
        set_key(self.table.key, conn.lport, conn.rport, conn.laddr, 0, conn.raddr, 0, conn.ip.alen)

    @micropython.native
    def file(self, conn):
        """Enter a connection; False when the four numbers are taken."""
        self.make_room()
        self._set_key(conn)
        if conn.listener is None:  # else a segment has been looked for in vain
            if self.table.find() is not None or self.timewait.holds(conn):
                return False
        self.stat[_OPENED] += 1
        return self.table.add(conn)

    @micropython.native
    def unfile(self, conn):
        self._set_key(conn)
        self.table.remove()

    def make_room(self):
        """Raises OSError(ENOMEM) when there are as many connections as there may be."""
        if self.table.count >= self.limit and not self.limits.make_way():
            raise OSError(_ENOMEM)

    def reclaim(self):
        """Memory is short: give back what empty rings hold, once a millisecond at most."""
        if self._reclaimed_at == self.st.now:
            return
        self._reclaimed_at = self.st.now
        for conn in self.connections():
            if conn is not self.spared:
                slim(conn)

    def free_port(self, but=0):
        """A random port that nobody uses (RFC 6056 3.3.1), and not `but`: who connects to a port
        of this host on which nobody listens is not to meet itself (RFC 9293 3.5, figure 7)."""
        while True:
            port = _EPHEMERAL + self.st.random.below(65536 - _EPHEMERAL)
            for other in self.table:
                if other.lport == port:
                    break
            else:
                if port != but and not self.taken(None, None, port):
                    return port

    @micropython.native
    def choose_iss(self, conn):
        """ISN = M + F(addresses, ports, secret) (RFC 6528 section 3): M ticks every 4 us."""
        self._set_key(conn)
        h = sha256(self._secret)
        h.update(self.table.key)
        digest = h.digest()
        load32(conn.cb, _ISS, digest, 0)
        load32(conn.cb, _TS_OFFSET, digest, 4)  # RFC 7323 7.1: the same for the same numbers
        now = self.st.now
        if now < self._iss_at:  # 250 * 2^30 ms come to half of 2^32
            self._carry ^= 0x10000
        self._iss_at = now
        _add_clock(conn.cb, now, self._carry)
        old = self.old
        if old and sub32(conn.cb, _ISS, old, _SND_MAX) <= 0:  # RFC 9293 3.10.7.4: beyond them
            move32(conn.cb, _ISS, old, _SND_MAX)
            add32(conn.cb, _ISS, 64000)

    # -- input ------------------------------------------------------------------------------

    @micropython.native
    def input(self, fr):
        """Borrows `fr`."""
        self.stat[_IN] += 1
        if fr.group:  # RFC 9293 3.9.2.3: never to or from a group
            self.stat[_IN_GROUP] += 1
            return
        seg = self.seg
        bad = seg.parse(fr)
        if bad:
            self.stat[bad] += 1
            return
        found = self.table.lookup(fr)
        if found is not None and found.device is not None and found.device is not fr.nif:
            found = None
        if self.timewait.rows.count and (found is None or found.state == _LISTEN):
            if self.timewait.input(fr, seg, found):
                return
        if found is None:
            self.stat[_NOPORT] += 1
            reset(self, fr)
            return
        found.input(fr, seg)

    def _meant(self, ip, buf, at, l4):
        """The connection that an ICMP error is about: only if the segment it quotes can be in
        flight (RFC 5927), else None."""
        key = self.table.key
        lport = get16(buf, l4)
        rport = get16(buf, l4 + 2)
        set_key(key, lport, rport, buf, at + ip.src_off, buf, at + ip.dst_off, ip.alen)
        conn = self.table.find()
        if conn is None or not isinstance(conn, Connection):
            return None
        w = self.seg.w
        load32(w, _SEG_SEQ, buf, l4 + 4)
        if sub32(w, _SEG_SEQ, conn.cb, _SND_UNA) < 0 or sub32(w, _SEG_SEQ, conn.cb, _SND_MAX) >= 0:
            return None
        return conn

    def error(self, ip, buf, at, l4, errno, hard):
        """An ICMP error about a segment of ours."""
        conn = self._meant(ip, buf, at, l4)
        if conn is None:
            return
        # RFC 9293 3.9.2.2, RFC 5461: a hint for an open connection, the end of one being opened
        conn.soft_error = errno
        conn.cb[_FAST] = 0
        if hard and conn.state == _SYN_SENT:
            conn.fail(errno)

    def too_big(self, ip, buf, at, l4, mtu):
        """A packet of ours was too long for a link that takes `mtu` bytes. False if it cannot
        be ours."""
        conn = self._meant(ip, buf, at, l4)
        if conn is not None:
            pmtu.too_big(conn, l4 - at, mtu)
        return conn is not None

    def path_changed(self, ip, addrs, at, mtu):
        """From now on packets to the address at addrs[at] may have `mtu` bytes, as far as the
        link takes them."""
        for conn in self.connections():
            if conn.ip is ip and conn.raddr and same(addrs, at, conn.raddr, 0, ip.alen):
                pmtu.path_changed(conn, mtu)


def _clip(value, low, high):
    return low if value < low else high if value > high else value
