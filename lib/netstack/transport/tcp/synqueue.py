# Connections in SYN-RECEIVED that a listener has been asked for (RFC 9293 3.10.7.2): a record of
# 76 bytes each. The Connection is made when the handshake is complete, so that a flood of SYNs
# (RFC 4987) takes neither rings nor objects. When the queue is full, SYN cookies answer.
#
# A record is words of a control block: input.py and output.py see it through one Connection that
# all of them share, the Embryo of rows.py, into which it is loaded.

from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import get16, move32, sub32
from netstack.transport.tcp import buffers, options, rto
from netstack.transport.tcp.input import arrives, completes, opens, peer_syn
from netstack.transport.tcp.output import output
from netstack.transport.tcp.rows import Rows, gather, scatter, shape
from netstack.transport.tcp.segment import emit
from netstack.transport.tcp.syncookie import Cookies

_SYN_RCVD = const(3)
_SYN = const(2)
_RST = const(4)
_ACK = const(16)

_ISS = const(0)
_SND_NXT = const(2)
_SND_MAX = const(3)
_RTO = const(20)
_BACKOFF = const(21)
_T_REXMT = const(24)
_RCV_STEP = const(61)  # our MSS
_WORDS = const(100)
_F_TS = const(256)

_SEG_SEQ = const(0)
_SEG_ACK = const(1)
_SEG_TSVAL = const(2)

# words of the control block that a record keeps, from its second word on; the first is the
# deadline, the last the size of the window: ISS, IRS, RCV_ADV, MAX_WND, SND_MSS, RTO, BACKOFF,
# RTT_AT, FLAGS, SENT_AT, TS_RECENT, TS_RECENT_AT, TS_OFFSET, SND_SHIFT, RCV_SHIFT, RCV_STEP
_KEPT = b"\x00\x06\x08\x0d\x0e\x14\x15\x16\x1f\x20\x27\x28\x29\x2b\x2c\x3d"
_COL_ISS = const(0)
_COL_IRS = const(1)
_COL_FLAGS = const(8)
_COL_TS_RECENT = const(10)
_RX_COLUMN = const(17)
_SYN_WIDTH = const(18)

_FEWEST = const(8)  # records, by the stack's budget
_MOST = const(1024)
_SYNACK_TRIES = const(5)
_AGAIN_MS = const(100)  # no frame for a SYN,ACK

# counters of protocol.py
_NOMEM = const(8)
_BACKLOG_FULL = const(11)
_TIMEOUTS = const(16)
_COOKIES_SENT = const(24)
_COOKIES = const(25)


class SynQueue:
    def __init__(self, tcp):
        self.tcp = tcp
        limit = min(max(tcp.st.budget >> 13, _FEWEST), _MOST)
        self._listeners = []  # by row
        self._ips = []
        self.rows = Rows(tcp.st, _SYN_WIDTH, limit, self._due, (self._listeners, self._ips))
        self.embryo = shape(tcp)
        self.cookies = Cookies(tcp)

    # -- records ----------------------------------------------------------------------------

    @micropython.native
    def find(self, fr):
        """The row of the packet in `fr`, or None. Its key is that of the rows from now on."""
        rows = self.rows
        rows.key_of(fr)
        return rows.find() if rows.count else None

    @micropython.native
    def _load(self, row, conn):
        """Make `conn` what the record says, in SYN-RECEIVED with a SYN,ACK sent."""
        words = self.rows.words
        at = row * _SYN_WIDTH
        scatter(conn.cb, _WORDS, words, at + 1, _KEPT, _RX_COLUMN - 1)
        conn.rx_size = words[at + _RX_COLUMN]
        conn.ip = self._ips[row]
        conn.mss = conn.cb[_RCV_STEP]
        _derive(conn)

    def _save(self, row, conn):
        words = self.rows.words
        at = row * _SYN_WIDTH
        gather(words, at + 1, conn.cb, _KEPT, _RX_COLUMN - 1)
        words[at + _RX_COLUMN] = conn.rx_size

    def _shared(self, row):
        """The Embryo with this record in it."""
        conn = self.embryo
        self._load(row, conn)
        self.rows.name(row, conn)
        conn.device = self._listeners[row].device
        conn.dead = False
        return conn

    @micropython.native
    def drop(self, row):
        self._listeners[row].pending -= 1
        self._listeners[row] = None
        self.rows.drop(row)

    def forget(self, listener):
        """The listener is closed: reset what it was asked for."""
        for row in range(len(self._listeners)):
            if self._listeners[row] is listener:
                emit(self._shared(row), _RST | _ACK, _SND_MAX, 0, 0)
                self.drop(row)

    # -- SYNs -------------------------------------------------------------------------------

    @micropython.native
    def open(self, listener, fr, seg):
        """A SYN for `listener`: note it and answer, or answer with a cookie."""
        conn = self.embryo
        scatter(conn.cb, _WORDS, conn.cb, 0, _KEPT, 0)
        conn.ip = fr.ip
        self._meet(conn, listener, fr, seg)
        row = self.rows.new()
        if row < 0:
            self.tcp.stat[_COOKIES_SENT] += 1
            self.cookies.make(conn, seg)
            output(conn)
            return
        self._listeners[row] = listener
        self._ips[row] = fr.ip
        listener.pending += 1
        self._send(row, conn)

    @micropython.native
    def _meet(self, conn, listener, fr, seg):
        """A control block in SYN-RECEIVED, from a SYN."""
        _address(conn, fr)
        conn.rcvbuf = listener.rcvbuf
        conn.rx_size = buffers.first_window(self.tcp.st, conn.rcvbuf)
        conn.mss = conn.cb[_RCV_STEP] = _room(conn, listener)
        conn.listener = listener
        conn.device = listener.device
        self.tcp.choose_iss(conn)
        options.offer(conn)
        peer_syn(conn, seg)
        _derive(conn)
        move32(conn.cb, _SND_NXT, conn.cb, _ISS)
        move32(conn.cb, _SND_MAX, conn.cb, _ISS)
        conn.cb[_RTO] = 1000

    @micropython.native
    def _send(self, row, conn):
        """Send what the Embryo owes, and keep what has changed by that."""
        cb = conn.cb
        output(conn)
        if cb[_T_REXMT]:  # a SYN,ACK has been sent
            self.rows.set_due(row, cb[_RTO])
        elif sub32(cb, _SND_NXT, cb, _ISS) == 0:
            self.rows.set_due(row, _AGAIN_MS)
        self._save(row, conn)

    def _due(self, row):
        """No answer to a SYN,ACK (RFC 6298 (5.5))."""
        conn = self._shared(row)
        cb = conn.cb
        self.tcp.stat[_TIMEOUTS] += 1
        if cb[_BACKOFF] >= _SYNACK_TRIES:
            self.drop(row)
            return
        rto.back_off(conn)
        move32(cb, _SND_NXT, cb, _ISS)
        self._send(row, conn)

    # -- what follows -----------------------------------------------------------------------

    @micropython.native
    def input(self, row, fr, seg):
        """A segment for a record (RFC 9293 3.10.7.4). Borrows `fr`."""
        enter = opens
        if not self._completed(row, seg):
            enter = arrives
            conn = self._shared(row)
            if not completes(conn, seg, fr):
                if conn.dead:
                    self.drop(row)
                else:
                    self._send(row, conn)
                return
        listener = self._listeners[row]
        new = self._born(listener, fr)
        if new is None:
            return
        self._load(row, new)
        if self._enter(new):
            self.drop(row)
            self._begin(new, fr, seg, enter)

    @micropython.native
    def _completed(self, row, seg):
        """Is this simply the ACK that is waited for? If not, completes() knows what it is."""
        words = self.rows.words
        at = row * _SYN_WIDTH + 1
        w = seg.w
        return (
            seg.flags & (_SYN | _RST | _ACK) == _ACK
            and sub32(w, _SEG_SEQ, words, at + _COL_IRS) == 1
            and sub32(w, _SEG_ACK, words, at + _COL_ISS) == 1
            and (
                not words[at + _COL_FLAGS] & _F_TS
                or (seg.stamped and sub32(w, _SEG_TSVAL, words, at + _COL_TS_RECENT) >= 0)
            )
        )

    @micropython.native
    def _begin(self, conn, fr, seg, enter):
        """A new connection gets the segment that made it. If that establishes it, the program is
        told first, so that what it does at once goes out together with the rest."""
        listener = conn.listener
        listener.pending += 1  # until it is established: opened()
        if listener.notify:
            self.tcp.st.defer(listener)
        enter(conn, seg, fr)

    def by_cookie(self, listener, fr, seg):
        """An ACK that nobody knows of; False when it bears no cookie of ours either."""
        cookies = self.cookies
        if not cookies.recent():
            return False
        conn = self.embryo
        scatter(conn.cb, _WORDS, conn.cb, 0, _KEPT, 0)
        conn.ip = fr.ip
        _address(conn, fr)
        conn.rcvbuf = listener.rcvbuf
        conn.mss = conn.cb[_RCV_STEP] = _room(conn, listener)
        self.tcp.choose_iss(conn)  # its timestamp offset counts
        if not cookies.check(conn, seg):
            return False
        new = self._born(listener, fr)
        if new is not None:
            copy(new.cb, 0, conn.cb, 0, 4 * _WORDS)
            new.mss = conn.mss
            _derive(new)
            if self._enter(new):
                self.tcp.stat[_COOKIES] += 1
                self._begin(new, fr, seg, arrives)
        return True

    @micropython.native
    def _born(self, listener, fr):
        """A new Connection; None when there is no place for it: the peer's next segment, or our
        next SYN,ACK, gives it another chance."""
        stat = self.tcp.stat
        if listener.full():
            stat[_BACKLOG_FULL] += 1
            return None
        try:
            conn = listener.kind(self.tcp, listener)
            conn.laddr = bytearray(fr.ip.alen)
            conn.raddr = bytearray(fr.ip.alen)
        except MemoryError:
            stat[_NOMEM] += 1
            return None
        conn.ip = fr.ip
        _address(conn, fr)
        conn.nif = fr.nif
        conn.device = listener.device
        return conn

    def _enter(self, conn):
        try:
            conn.enter()
        except (MemoryError, OSError):
            self.tcp.stat[_NOMEM] += 1
            return False
        conn.set_state(_SYN_RCVD)
        return True


def _room(conn, listener):
    """Our MSS."""
    mss = conn.ip.mss_room(conn.raddr) - 20
    return listener.maxseg if 0 < listener.maxseg < mss else mss


@micropython.native
def _address(conn, fr):
    """The ports and addresses of the packet in `fr`, whose receiver we are."""
    buf = fr.buf
    at = fr.l4
    conn.rport = get16(buf, at)
    conn.lport = get16(buf, at + 2)
    ip = fr.ip
    at = fr.l3
    n = ip.alen
    copy(conn.raddr, 0, buf, at + ip.src_off, n)
    copy(conn.laddr, 0, buf, at + ip.dst_off, n)


@micropython.native
def _derive(conn):
    """What follows from the words that are kept."""
    conn.state = _SYN_RCVD
    _unfold(conn.cb)


@micropython.viper
def _unfold(cb: ptr32):
    """SND.UNA, SND.NXT, SND.MAX, RCV.NXT and what else a control block in SYN-RECEIVED has by its
    ISS, IRS and SND_MSS."""
    x = cb[0]
    cb[1] = x
    cb[10] = x  # RTT_SEQ
    cb[2] = x + 1
    cb[3] = x + 1
    x = cb[6] + 1
    cb[7] = x
    cb[42] = x  # ACK_SENT
    x = cb[14]
    cb[15] = x  # CWND
    cb[99] = x  # MSS_MAX
    cb[33] = 536 if x > 536 else x  # RCV_MSS
    cb[37] = 3  # STATE
