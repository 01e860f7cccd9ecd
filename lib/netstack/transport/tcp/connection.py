# A TCP connection: its control block, and the user calls of RFC 9293 3.10 (OPEN, SEND, RECEIVE,
# CLOSE, ABORT). Segments are handled by input.py, sent by output.py.
#
# The control block `cb` is an array('I'); its words, named alike in every file that uses them:
#    0 ISS       1 SND_UNA   2 SND_NXT   3 SND_MAX (highest sent)  4 SND_WL1   5 SND_WL2
#    6 IRS       7 RCV_NXT   8 RCV_ADV (right edge offered)        9 RECOVER  10 RTT_SEQ
#   11 FIN_SEQ (of the peer)             12 SND_WND  13 MAX_WND   14 SND_MSS  15 CWND
#   16 SSTHRESH 17 DUPACKS  18 SRTT * 8  19 RTTVAR * 4            20 RTO      21 BACKOFF
#   22 RTT_AT   23 UNACKED (bytes received, not acknowledged)     24..28, 30 deadlines
#   29 CREDIT   31 FLAGS    32 SENT_AT   33 RCV_MSS  34 RCVD_AT   35 PROBES   36 SCRATCH
#   37 STATE    38 DUPS (ACKs owed for segments out of order)
#   39 TS_RECENT 40 TS_RECENT_AT         41 TS_OFFSET 42 ACK_SENT (Last.ACK.sent)
#   43 SND_SHIFT 44 RCV_SHIFT 45 DSACK    46 DSACK_END  47..51 of cubic.py
#   52 TLP_END  53..70, 73..77 of fast.py, 71, 72 of confirm.py  80 T_REO (deadline)  81 MIN_RTT
#   82..84 of prr.py           85..90 of undo.py              91 ECN_END  92, 93 of buffers.py
#   96 SILENT_AT and 97 CLOSED_AT (timers.py) 98 RETRANS (segments sent again) 99 MSS_MAX (agreed)
# Memory: about 900 bytes on a 32-bit port, and the rings once there is data: see buffers.py.

from array import array
from micropython import const
from netstack.core.clock import elapsed
from netstack.core.wire import move32, sub32
from netstack.transport.tcp import batch, buffers, ecn, options, pmtu, settings
from netstack.transport.tcp.congestion import Controlled
from netstack.transport.tcp.input import arrives
from netstack.transport.tcp.output import set_timer
from netstack.transport.tcp.segment import emit
from netstack.transport.tcp.timers import expire, keep

_CLOSED = const(0)
_SYN_SENT = const(2)
_SYN_RCVD = const(3)
_ESTABLISHED = const(4)
_FIN_WAIT_1 = const(5)
_FIN_WAIT_2 = const(6)
_CLOSE_WAIT = const(7)
_LAST_ACK = const(9)
_TIME_WAIT = const(10)

_RST = const(4)
_ACK = const(16)

_LEN = const(1)  # a word of Ring.w

_ISS = const(0)
_SND_UNA = const(1)
_SND_NXT = const(2)
_SND_MAX = const(3)
_RCV_NXT = const(7)
_RCV_ADV = const(8)
_SND_MSS = const(14)
_CWND = const(15)
_RTO = const(20)
_T_REXMT = const(24)
_T_PERSIST = const(25)
_T_DELACK = const(26)
_T_KEEP = const(27)
_T_2MSL = const(28)
_T_OUTPUT = const(30)
_FLAGS = const(31)
_STATE = const(37)
_FAST = const(53)
_T_REO = const(80)
_WORDS = const(100)
_F_ACK_NOW = const(1)
_F_CHANGED = const(1 << 25)  # the user is to be told
_F_MORE = const(1 << 22)

_EAGAIN = const(11)
_ENOMEM = const(12)
_EINVAL = const(22)
_EPIPE = const(32)
_EADDRINUSE = const(98)
_EADDRNOTAVAIL = const(99)
_ENETUNREACH = const(101)
_ECONNABORTED = const(103)
_EISCONN = const(106)
_ENOTCONN = const(107)

_HDR = const(20)
_CHALLENGES = const(10)  # at most so many in
_CHALLENGE_MS = const(1000)
_ORPHAN_MS = const(60000)  # FIN-WAIT-2 of a connection that nobody holds any more

STATES = (
    "CLOSED",
    "LISTEN",
    "SYN-SENT",
    "SYN-RECEIVED",
    "ESTABLISHED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "CLOSE-WAIT",
    "CLOSING",
    "LAST-ACK",
    "TIME-WAIT",
)


class Connection(Controlled):
    """Made by TCP.open() or Listener.accept(). Calls return at once; `notify(connection)` tells
    when something has changed. Numbers below 0 are -errno."""

    # What a connection may never change stands here, and costs nothing until it does. There are
    # no properties: one of them, and every attribute set is looked for in the class first.
    lowered = False  # the path takes less than MSS_MAX: pmtu.py, as the next three
    full = 0
    doubt = 0
    doubted_at = 0
    maxseg = 0  # TCP_MAXSEG: the largest segment to agree to, 0 for what the link allows
    cork = False  # TCP_CORK: no less than full segments, for 200 ms
    quickack = False  # TCP_QUICKACK: ACKs are not delayed
    user_timeout = 0  # TCP_USER_TIMEOUT: milliseconds, 0 for RFC 9293's R2
    cookie = None  # fastopen.py: the option of our SYN
    early = 0  # and data may be sent before ESTABLISHED: 1 by a client, 2 by a server
    fastopen = 0  # TCP_FASTOPEN, of the listener it may become
    fastopen_connect = False  # TCP_FASTOPEN_CONNECT
    defer_accept = 0  # TCP_DEFER_ACCEPT, of the listener it may become
    reuseport = False  # SO_REUSEPORT, of that

    ip = None
    nif = None
    device = None  # SO_BINDTODEVICE: the interface by which alone it sends and receives
    laddr = None
    lport = 0
    raddr = None
    rport = 0
    mss = 536  # the largest segment we take, and send
    ttl = 64
    tos = 0
    hops = 64
    tclass = 0
    nodelay = False
    keepidle = 7200
    keepintvl = 75
    keepcnt = 9
    keepalive = False
    listener = None
    fin_wanted = False  # closed before it was established
    challenged = 0  # since
    challenge_at = 0
    header = None  # of frames, written in advance: fast.py

    @micropython.native
    def __init__(self, tcp, listener=None):
        self.tcp = tcp
        self.st = tcp.st
        self.cb = array("I", tcp.blank)
        like = tcp
        if listener is not None:
            like = self.listener = listener
            if listener.maxseg:
                self.maxseg = listener.maxseg
        self.rcvbuf = like.rcvbuf
        self.sndbuf = like.sndbuf
        self.control = like.control
        self.state = _CLOSED
        self.deferred = False
        # Here, and not above: what is charged is noted, and a connection ends, without memory.
        self.rx = None
        self.tx = None
        self.ranges = None
        self.board = None  # what the peer has out of order
        self.rack = None  # when it was sent
        self.rx_size = 0  # the window we can offer when nothing waits to be read
        self.rx_held = 0  # bytes of the budget taken for each ring
        self.tx_held = 0
        self.notify = None
        self.timer = None
        self.error = 0
        self.soft_error = 0  # told by ICMP; the reason if the connection times out
        self.eof_seen = False
        self.deaf = False  # the user takes no more data
        self.orphan = False  # the user has closed it

    # -- OPEN -------------------------------------------------------------------------------

    def bind(self, ip, addr, port):
        """Choose the local address (None: any, of every network protocol if there is no `ip`
        either) and port (0: one is chosen).
        Raises OSError: EINVAL, EADDRNOTAVAIL, EADDRINUSE."""
        if self.state or self.lport:
            raise OSError(_EINVAL)
        if addr is not None and not ip.local(addr, 0):
            raise OSError(_EADDRNOTAVAIL)
        if port and self.tcp.taken(ip, addr, port, self.reuseport):
            raise OSError(_EADDRINUSE)
        self.ip = ip
        self.laddr = bytearray(addr) if addr is not None else None
        self.lport = port or self.tcp.free_port()
        self.tcp.bound.add(self)

    def connect(self, ip, addr, port):
        """Open actively (RFC 9293 3.10.1). Raises OSError: EISCONN, ENETUNREACH, EADDRINUSE,
        ENOMEM."""
        if self.state:
            raise OSError(_EISCONN)
        src = self.laddr or ip.source(addr, self.device)
        nif = ip.way(addr, src, self.device)
        if src is None or len(src) != ip.alen or nif is None or ip.broadcast(addr, 0):
            raise OSError(_ENETUNREACH)
        laddr = bytearray(src)
        raddr = bytearray(addr)
        self.ip = ip
        self.nif = nif
        self.laddr = laddr
        self.raddr = raddr
        self.rport = port
        if not self.lport:
            self.lport = self.tcp.free_port(port)
            while self.tcp.timewait.holds(self):
                self.lport = self.tcp.free_port(port)
        self._forget()
        self.start(_SYN_SENT)
        self.st.defer(self)

    @micropython.native
    def _unbind(self):
        """The port is held by the table from now on, or by nobody."""
        bound = self.tcp.bound
        if bound:
            bound.discard(self)

    def _forget(self):
        """What an earlier attempt has left: a program may connect again when one has failed."""
        for i in range(_WORDS):
            self.cb[i] = 0
        buffers.free(self)
        self._settle()
        self.error = self.soft_error = 0
        self.eof_seen = self.deaf = self.orphan = self.fin_wanted = False
        if self.cookie is not None or self.early:
            self.cookie = None
            self.early = 0
        if self.lowered or self.doubt:
            self.lowered = False
            self.full = self.doubt = 0

    def start(self, state):
        """Enter the table with all numbers set, in SYN-SENT or, with Fast Open, SYN-RECEIVED."""
        self._unbind()
        self.mss = self.ip.mss_room(self.raddr) - _HDR
        if 0 < self.maxseg < self.mss:
            self.mss = self.maxseg
        cb = self.cb
        self.tcp.choose_iss(self)  # this needs memory, what comes after enter() does not
        self.enter()
        move32(cb, _SND_UNA, cb, _ISS)
        move32(cb, _SND_NXT, cb, _ISS)
        move32(cb, _SND_MAX, cb, _ISS)
        cb[_SND_MSS] = cb[_CWND] = self.mss
        cb[_RTO] = 1000
        options.offer(self)
        settings.adopt(self)
        if state == _SYN_SENT:
            ecn.offer(self)
        self.set_state(state)

    @micropython.native
    def enter(self):
        """Take memory, a timer and a place in the table. Raises OSError: EADDRINUSE, ENOMEM."""
        st = self.st
        timer = st.timers.new(self._expire)
        try:
            st.expect(len(st.timers.list))
            buffers.reserve(self)
            if not self.tcp.file(self):
                raise OSError(_EADDRINUSE)
        except Exception as e:
            buffers.free(self)
            self.st.timers.discard(timer)
            raise e
        self.timer = timer

    # -- SEND and RECEIVE -------------------------------------------------------------------

    def room(self):
        """Bytes that send() would take now."""
        if self.state != _ESTABLISHED and self.state != _CLOSE_WAIT and not self._is_early():
            return 0
        return self.tx.free() if self.tx else self.tx_held

    def _is_early(self):
        """RFC 7413: not established, and all the same data can be sent."""
        return self.early and _SYN_SENT <= self.state <= _SYN_RCVD and not self.fin_wanted

    @micropython.native
    def send(self, buf, off, n, more=False):
        """Queue up to `n` bytes at buf[off]; `more`: others follow soon, so less than a segment
        waits for them, for up to 200 ms. Returns how many were taken, or -errno."""
        cb = self.cb
        if cb[_FAST] and not more:
            _, give, copied, job = self.tcp.rings
            got = give(cb, buf, off, n, self.sndbuf, copied, job)
            if got > 0:
                self.st.defer(self)
                return got
            if got == 0:
                return -_EAGAIN
        state = self.state
        if state != _ESTABLISHED and state != _CLOSE_WAIT and not self._is_early():
            if self.error:
                return -self.error
            if state == _SYN_SENT or state == _SYN_RCVD:
                return -_EAGAIN
            return -_EPIPE if self.raddr else -_ENOTCONN
        ring = self.tx
        if ring is None or ring.free() < n and ring.size < self.sndbuf:
            ring = buffers.send_ring(self, n)
            if ring is None:
                return -_ENOMEM
        n = ring.write(buf, off, n)
        if n == 0:
            return -_EAGAIN
        if more:
            self.cb[_FLAGS] |= _F_MORE
            self.cb[_FAST] = 0
        elif self.cb[_FLAGS] & _F_MORE and not self.cork:
            self.cb[_FLAGS] &= ~_F_MORE
        self.st.defer(self)
        return n

    dry = batch.dry

    def available(self):
        """Bytes that recv() would give now."""
        return self.rx.w[_LEN] if self.rx and not self.deaf else 0

    def eof(self):
        """Has the peer sent everything, and has that been read?"""
        return self.eof_seen and self.available() == 0

    @micropython.native
    def recv(self, buf, off, n):
        """Move up to `n` bytes to buf[off]. Returns how many; 0 at the end of the stream; or
        -errno, -EAGAIN when there is nothing yet."""
        cb = self.cb
        if cb[_FAST]:
            take, _, copied, job = self.tcp.rings
            got = take(cb, buf, off, n, copied, job)
            if got > 0:
                size = self.rx_size
                if size < self.rcvbuf:
                    buffers.tune(self, got)
                    if self.rx_size > size:  # take() knew the smaller window
                        self._update_window()
                if cb[_FLAGS] & _F_ACK_NOW:
                    self.st.defer(self)
                return got
            if got == 0:
                return -_EAGAIN
        n = self.peek(buf, off, n)
        if n > 0:
            self.drop(n)
        return n

    def drop(self, n):
        """The first `n` of the bytes that wait have been read."""
        self.rx.skip(n)
        if self.rx.w[_LEN] == 0 and not (self.ranges and self.ranges.n):
            self.rx.rewind()
        if self.rx_size < self.rcvbuf:
            buffers.tune(self, n)
        self._update_window()

    def peek(self, buf, off, n):
        """As recv(), but the bytes stay."""
        have = self.available()
        if have == 0:
            if self.eof_seen or self.deaf:
                return 0
            if self.error:
                return -self.error
            if self.state == _CLOSED:
                return -_ENOTCONN if self.raddr is None else 0
            return -_EAGAIN
        if n > have:
            n = have
        self.rx.peek(buf, off, n)
        return n

    def _update_window(self):
        """Tell the peer of space that reading has made, if it is worth a segment
        (RFC 9293 3.8.6.2.2)."""
        if self.state < _ESTABLISHED or self.eof_seen:
            return
        cb = self.cb
        gain = self.space() - sub32(cb, _RCV_ADV, cb, _RCV_NXT)
        if gain >= 2 * self.mss or gain >= self.rx_size >> 1:
            self.acknowledge()

    def space(self):
        """Bytes of text that we can take."""
        return self.rx_size - self.rx.w[_LEN] if self.rx else self.rx_size

    # -- CLOSE and ABORT --------------------------------------------------------------------

    @micropython.native
    def shutdown_send(self):
        """No more data from us (RFC 9293 3.10.4): what is queued goes out, then a FIN."""
        state = self.state
        if state == _SYN_SENT:
            self.fail(_ECONNABORTED)
        elif state == _SYN_RCVD:
            self.fin_wanted = True
        elif state == _ESTABLISHED:
            self.set_state(_FIN_WAIT_1)
        elif state == _CLOSE_WAIT:
            self.set_state(_LAST_ACK)
        else:
            return
        self.st.defer(self)

    def shutdown_recv(self):
        """No more data to us: what has come or will come is thrown away."""
        self.deaf = True
        self.cb[_FAST] = 0
        if self.rx:
            self.rx.skip(self.rx.w[_LEN])
            self._update_window()

    @micropython.native
    def close(self):
        """Finish politely; the connection lives on by itself as long as it takes. Data that was
        received and never read makes it a reset (RFC 2525 2.17)."""
        if self.orphan:
            return
        self._unbind()
        self.notify = None
        unread = self.rx is not None and self.rx.w[_LEN] > 0
        self.orphan = True
        if unread and self.state >= _ESTABLISHED and self.state != _TIME_WAIT:
            self.abort()
            return
        self.deaf = True
        self.shutdown_send()
        if self.state == _FIN_WAIT_2:
            self.linger()
        if self.state == _CLOSED or self.state == _TIME_WAIT:
            buffers.free(self)
            self.tcp.timewait.let_go(self)

    def abort(self):
        """Reset the connection (RFC 9293 3.10.5)."""
        if self.state >= _SYN_RCVD and self.state != _TIME_WAIT:
            emit(self, _RST | _ACK, _SND_MAX, 0, 0)
        self.orphan = True
        self.fail(_ECONNABORTED)
        buffers.free(self)

    # -- what the machine does to itself ----------------------------------------------------

    @micropython.native
    def set_state(self, state):
        """The only place where the state changes."""
        self.state = state
        cb = self.cb
        cb[_STATE] = state
        cb[_FAST] = 0
        cb[_FLAGS] |= _F_CHANGED

    @micropython.native
    def input(self, fr, seg):
        """A segment for this connection. Borrows `fr`."""
        arrives(self, seg, fr)

    def acknowledge(self):
        """Send an ACK at the end of the batch."""
        self.cb[_FLAGS] |= _F_ACK_NOW
        self.st.defer(self)

    def may_challenge(self):
        """RFC 5961 section 7: ACKs that answer what may be forged are limited. DEVIATION: for each
        connection, not for all together: else a stranger learns from a connection of his own what
        his forgeries have set off on another one (CVE-2016-5696)."""
        now = self.st.now
        if not 0 <= elapsed(now, self.challenge_at) < _CHALLENGE_MS:
            self.challenge_at = now
            self.challenged = 0
        self.challenged += 1
        return self.challenged <= _CHALLENGES

    @micropython.native
    def opened(self):
        """ESTABLISHED has been reached."""
        keep(self)
        if self.listener is not None and not self.early:
            self.listener.opened(self)
        if self.fin_wanted:
            self.set_state(_FIN_WAIT_1)

    @micropython.native
    def linger(self):
        """FIN-WAIT-2: wait for the peer's FIN, but not for ever if nobody is interested."""
        if self.orphan:
            set_timer(self, _T_2MSL, _ORPHAN_MS)
            self.st.defer(self)

    @micropython.native
    def time_wait(self):
        """A record takes our place in the table. This object stays for what a program has not read
        yet, and to send the ACK that is due."""
        self.set_state(_TIME_WAIT)
        self._settle()
        self._leave()
        try:
            self.tcp.timewait.add(self)
        except MemoryError:
            self.st.nomem += 1
        if self.orphan or not self.available():
            buffers.free(self)
        else:
            buffers.free_send(self)

    def _settle(self):
        """Forget what was sent: nothing is on its way any more."""
        if self.rack is not None or self.board is not None:
            self.board = self.rack = None

    @micropython.native
    def _leave(self):
        """Leave the table, and all timers."""
        cb = self.cb
        cb[_T_REXMT] = cb[_T_PERSIST] = cb[_T_DELACK] = 0
        cb[_T_KEEP] = cb[_T_2MSL] = cb[_T_OUTPUT] = cb[_T_REO] = 0
        if self.timer is not None:
            self.tcp.unfile(self)
            self.st.timers.discard(self.timer)
            self.timer = None
        else:
            self.tcp.timewait.drop(self)

    def fail(self, errno):
        """The connection is over: reset, timed out, or (0) done."""
        if self.state == _CLOSED:
            return
        self.cb[_FLAGS] = 0
        self.set_state(_CLOSED)
        self.error = errno
        self._leave()
        if self.listener:
            self.listener.lost(self)
        self.st.defer(self)
        self._settle()
        if self.orphan or not self.available():
            buffers.free(self)
        else:
            buffers.free_send(self)

    def set(self, name, value):
        """Set an option of an open connection, by the name of its attribute: "nodelay", "cork",
        "quickack", "keepalive", "keepidle", "keepintvl", "keepcnt", "user_timeout", "ttl" and
        "tos" (of IPv4), "hops" and "tclass" (of IPv6)."""
        settings.change(self, name, value)

    def set_mss(self, n):
        """Send `n` bytes of text in a full segment from now on, at most what was agreed on; what
        is queued is cut anew. Returns what it has become. For path MTU discovery."""
        return pmtu.set_mss(self, n)

    def inherit(self):
        """What was set belongs to its listener: let it count from now on."""
        settings.inherit(self)

    def send_mss(self):
        """Bytes of text in a full segment."""
        return self.cb[_SND_MSS]

    def info(self):
        """What is known of the connection, as a dictionary with the names of Linux's tcp_info."""
        from netstack.transport.tcp.info import describe

        return describe(self)

    def _expire(self):
        expire(self)

    run = batch.run
