# Listening (RFC 9293 3.10.7.2): SYNs become records in SYN-RECEIVED (synqueue.py); connections
# that are established wait to be accepted, as many as the backlog says.
#
# TCP_DEFER_ACCEPT: a connection is handed out when its first data, or its end, has come, or some
# seconds have passed. DEVIATION: Linux leaves it in SYN-RECEIVED for so long and sends SYN,ACK
# again in the end, to be told once more that the peer is there; for programs it is the same.
#
# SO_REUSEPORT: several have one address and port. The table knows the first of them, and that
# which one is to deal with a peer.

from micropython import const
from netstack.core.clock import elapsed, later
from netstack.core.wire import get16
from netstack.transport.demux import clear_local, clear_remote, set_key
from netstack.transport.tcp.congestion import Controlled
from netstack.transport.tcp.connection import Connection
from netstack.transport.tcp.input import peer_syn
from netstack.transport.tcp.segment import reset
from netstack.transport.tcp.synqueue import SynQueue

_LISTEN = const(1)
_SYN_RCVD = const(3)
_SYN = const(2)
_RST = const(4)
_ACK = const(16)

_DEFERRED = const(96)  # when it is handed out all the same; SILENT_AT later
_BACKLOG_FULL = const(11)
_NOMEM = const(8)
_ANY = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"


class Listener(Controlled):
    """Made by TCP.listen()."""

    kind = Connection  # what it makes of a handshake
    reuseport = False  # SO_REUSEPORT
    group = None  # those that share the port; of them only the first is in the table
    state = _LISTEN

    def __init__(self, tcp, ip, addr, port, backlog):
        tcp.synqueue = tcp.synqueue or SynQueue(tcp)
        self.tcp = tcp
        self.st = tcp.st
        self.ip = ip
        self.laddr = bytearray(addr) if addr is not None else None
        self.lport = port
        self.backlog = backlog if backlog > 0 else 1
        self.pending = 0  # in SYN-RECEIVED: records, and connections of TCP Fast Open
        self.ready = []  # established, not yet accepted
        self.mute = []  # established, without the data that accept() is to wait for; oldest first
        self._timer = None  # for the first of them
        self.rcvbuf = tcp.rcvbuf
        self.sndbuf = tcp.sndbuf
        self.control = tcp.control
        self.maxseg = 0  # TCP_MAXSEG: of the connections it will give
        self.fastopen = 0  # TCP_FASTOPEN: how many may be accepted before they are established
        self.defer_accept = 0  # TCP_DEFER_ACCEPT: seconds that one waits for its first data
        self.device = None  # SO_BINDTODEVICE: the interface by which alone SYNs may come
        self.notify = None  # callable (listener): a connection can be accepted
        self.closed = False
        self.deferred = False

    def networks(self):
        return (self.ip,) if self.ip else self.st.networks

    def set_key(self, ip):
        """Make the table's key that of this listener for one network protocol."""
        key = self.tcp.table.key
        set_key(key, self.lport, 0, self.laddr or _ANY, 0, _ANY, 0, ip.alen)
        clear_remote(key)
        if self.laddr is None:
            clear_local(key, ip.alen)

    @micropython.native
    def accept(self):
        """The connection that has waited for longest, or None."""
        if not self.ready:
            return None
        conn = self.ready.pop(0)
        conn.listener = None
        return conn

    def join(self, first):
        """Share the port of another. False: not both want to, or they are not for the same."""
        same = first.state == _LISTEN and first.ip is self.ip and first.laddr == self.laddr
        if not (same and self.reuseport and first.reuseport):
            return False
        if first.group is None:
            first.group = [first]
        self.group = first.group
        self.group.append(self)
        return True

    def _share(self, fr):
        """Which one of the group deals with this peer."""
        at = fr.l3 + fr.ip.src_off + fr.ip.alen
        turn = get16(fr.buf, at - 2) ^ get16(fr.buf, fr.l4)
        return self.group[turn % len(self.group)]

    def _leave(self):
        """Out of the table; the next of the group takes the place."""
        group = self.group
        if group:
            group.remove(self)
        table = self.tcp.table
        for ip in self.networks():
            self.set_key(ip)
            if table.find() is self:
                table.remove()
                if group:
                    table.add(group[0])

    def close(self):
        """Stop listening; connections that nobody has accepted are reset."""
        if self.closed:
            return
        self.closed = True
        self._leave()
        self.notify = None
        self.tcp.synqueue.forget(self)
        for conn in list(self.tcp.connections()):
            if conn.listener is self:
                conn.listener = None
                conn.orphan = True
                conn.abort()
        self.ready = []
        self.mute = []
        if self._timer:
            self.st.timers.discard(self._timer)
            self._timer = None

    @micropython.native
    def input(self, fr, seg):
        """A segment for no connection but for our port. Borrows `fr`."""
        flags = seg.flags
        queue = self.tcp.synqueue
        row = queue.find(fr)
        if row is not None:
            queue.input(row, fr, seg)
            return
        if self.group:
            self = self._share(fr)
        if flags & _RST:
            return
        elif flags & _ACK:
            if not queue.by_cookie(self, fr, seg):
                reset(self.tcp, fr)
        elif flags & _SYN:
            if self.full():
                self.tcp.stat[_BACKLOG_FULL] += 1
            elif not (self.fastopen and self._at_once(fr, seg)):
                queue.open(self, fr, seg)

    @micropython.native
    def full(self):
        """No more connections are wanted until the program accepts one. As on Linux a SYN gets no
        answer then, and a handshake that was begun is not completed: the peer tries again."""
        return len(self.mute) + len(self.ready) >= self.backlog

    def _at_once(self, fr, seg):
        """RFC 7413: may this SYN make a connection of its own? Not in a flood of them."""
        fast = self.tcp.fastopen
        if fast is None or self.pending + len(self.mute) + len(self.ready) >= self.backlog:
            return False
        try:
            return fast.take(self, fr, seg)
        except (MemoryError, OSError):  # no room for one more: the peer will try again
            self.tcp.stat[_NOMEM] += 1
            return True

    def open(self, fr, seg):
        """Make a connection in SYN-RECEIVED of a SYN; returns it."""
        ip = fr.ip
        at = fr.l3 + ip.src_off
        buf = fr.buf
        self.tcp.make_room()
        conn = self.kind(self.tcp, self)
        conn.ip = ip
        conn.raddr = bytearray(buf[at : at + ip.alen])
        at = fr.l3 + ip.dst_off
        conn.laddr = bytearray(buf[at : at + ip.alen])
        conn.rport = (buf[fr.l4] << 8) | buf[fr.l4 + 1]
        conn.lport = self.lport
        conn.nif = fr.nif
        conn.device = self.device
        conn.start(_SYN_RCVD)
        self.pending += 1
        peer_syn(conn, seg)
        self.st.defer(conn)
        return conn

    @micropython.native
    def opened(self, conn):
        """A connection of ours is established."""
        self.pending -= 1
        if self.defer_accept:
            self._mute(conn)
        else:
            self._give(conn)

    @micropython.native
    def _give(self, conn):
        self.ready.append(conn)
        if self.notify:
            self.st.defer(self)

    def _mute(self, conn):
        conn.cb[_DEFERRED] = later(self.st.now, self.defer_accept * 1000)
        conn.notify = self._told
        self.mute.append(conn)
        if self._timer is None:
            self._timer = self.st.timers.new(self._expire)
        self._arm()

    def _arm(self):
        if self.mute:
            wait = elapsed(self.mute[0].cb[_DEFERRED], self.st.now)
            self._timer.start(self.st.now, wait if wait > 0 else 0)
        else:
            self._timer.stop()

    def _told(self, conn):
        """Something about a connection without data has changed."""
        if conn in self.mute and (conn.available() or conn.eof_seen):
            self._release(conn)

    def _release(self, conn):
        self.mute.remove(conn)
        conn.notify = None
        self._give(conn)
        self._arm()

    def _expire(self):
        """The first of those without data has waited for long enough."""
        while self.mute and elapsed(self.st.now, self.mute[0].cb[_DEFERRED]) >= 0:
            self._release(self.mute[0])
        self._arm()

    def lost(self, conn):
        """A connection of ours is over before it was accepted."""
        if conn in self.ready:
            self.ready.remove(conn)
        elif conn in self.mute:
            self.mute.remove(conn)
            self._arm()
        else:
            self.pending -= 1
        conn.orphan = True

    @micropython.native
    def run(self):
        if self.notify and self.ready:
            self.notify(self)
