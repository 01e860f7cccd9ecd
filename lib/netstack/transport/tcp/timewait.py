# TIME-WAIT (RFC 9293 3.6.1): a record of 40 bytes and a key, not a connection. It answers what
# still comes, by 3.10.7.4, until 2 MSL have passed:
#
#   an old segment, or the peer's FIN once more    an ACK, and 2 MSL begin anew (MUST-13)
#   a SYN beyond the old connection (MAY-2)        makes place for a new one, if somebody listens;
#       with timestamps RFC 6191 says what is beyond
#   a RST                                          nothing
#
# DEVIATION RFC 9293 3.10.7.4, second: a RST does not end it. RFC 1337 section 4 (F1): else an old
# duplicate that provokes one opens the way to the other dangers TIME-WAIT is there for.

from array import array
from micropython import const
from netstack.core.wire import move32, sub32
from netstack.transport.tcp import timestamps
from netstack.transport.tcp.rows import Rows, gather, scatter, shape
from netstack.transport.tcp.segment import emit

_TIME_WAIT = const(10)

_FIN = const(1)
_SYN = const(2)
_RST = const(4)
_ACK = const(16)

_SND_NXT = const(2)
_SND_MAX = const(3)
_RCV_NXT = const(7)
_RCV_ADV = const(8)
_FLAGS = const(31)
_TS_RECENT = const(39)
_ACK_SENT = const(42)
_F_TS = const(256)

_SEG_SEQ = const(0)
_SEG_TSVAL = const(2)

# words of the control block that a record keeps, behind the deadline: SND_MAX, RCV_NXT, RCV_ADV,
# FLAGS, TS_RECENT, TS_RECENT_AT, TS_OFFSET, RCV_SHIFT
_KEPT = b"\x03\x07\x08\x1f\x27\x28\x29\x2c"
_TW_WIDTH = const(9)
_WORDS = const(100)

_RECYCLED = const(18)  # a counter of protocol.py


class TimeWait:
    def __init__(self, tcp, limit):
        self.tcp = tcp
        self._ips = []  # by row
        self._conns = []  # the connection, while the program still holds it
        self.rows = Rows(tcp.st, _TW_WIDTH, limit, self._due, (self._ips, self._conns))
        self.last = array("I", bytes(16))  # SND.MAX, in its place, of one that is reopened

    @micropython.native
    def add(self, conn):
        """`conn` has nothing to do any more but to wait. When there are too many the one that has
        waited for longest gives way (RFC 9293 3.6.1 wants it kept, but would rather serve)."""
        rows = self.rows
        if rows.count >= rows.limit:
            self.tcp.stat[_RECYCLED] += 1
            self._due(rows.first())
        rows.key_for(conn)
        row = rows.new()
        self._ips[row] = conn.ip
        self._conns[row] = None if conn.orphan else conn
        self._save(row, conn)
        rows.set_due(row, self.tcp.msl_ms << 1)

    def _save(self, row, conn):
        gather(self.rows.words, row * _TW_WIDTH + 1, conn.cb, _KEPT, _TW_WIDTH - 1)

    def _load(self, row):
        conn = self.tcp.shape or shape(self.tcp)
        cb = conn.cb
        scatter(cb, _WORDS, self.rows.words, row * _TW_WIDTH + 1, _KEPT, _TW_WIDTH - 1)
        move32(cb, _SND_NXT, cb, _SND_MAX)
        move32(cb, _ACK_SENT, cb, _RCV_NXT)
        conn.state = _TIME_WAIT
        conn.rx_size = sub32(cb, _RCV_ADV, cb, _RCV_NXT)
        conn.ip = self._ips[row]
        self.rows.name(row, conn)
        return conn

    def _find(self, conn):
        if self.rows.count == 0 or conn.raddr is None:
            return None
        self.rows.key_for(conn)
        return self.rows.find()

    def holds(self, conn):
        """Are these ports and addresses in TIME-WAIT?"""
        return self._find(conn) is not None

    def let_go(self, conn):
        """The program does not hold `conn` any more."""
        row = self._find(conn)
        if row is not None and self._conns[row] is conn:
            self._conns[row] = None

    def drop(self, conn):
        row = self._find(conn)
        if row is not None and sub32(self.rows.words, row * _TW_WIDTH + 1, conn.cb, _SND_MAX) == 0:
            self._end(row)

    def flush(self):
        """Forget all of them."""
        while self.rows.count:
            self._due(self.rows.first())

    @micropython.native
    def _end(self, row):
        """Returns the connection, if the program holds it."""
        conn = self._conns[row]
        self._conns[row] = None
        self.rows.drop(row)
        return conn

    @micropython.native
    def _due(self, row):
        conn = self._end(row)
        if conn:
            conn.fail(0)

    # -- segments ---------------------------------------------------------------------------

    @micropython.native
    def input(self, fr, seg, listener):
        """A segment for no connection: does it belong to one in TIME-WAIT? `listener` has its
        port, or is None. Borrows `fr`."""
        rows = self.rows
        rows.key_of(fr)
        row = rows.find()
        if row is None:
            return False
        flags = seg.flags
        if flags & _RST:
            return True
        conn = self._load(row)
        if flags & (_SYN | _ACK) == _SYN:
            if listener and self._beyond(conn, seg):
                move32(self.last, _SND_MAX, conn.cb, _SND_MAX)
                self._due(row)
                self.tcp.old = self.last
                listener.input(fr, seg)
                self.tcp.old = None
                return True
        elif flags & _SYN:
            if not conn.may_challenge():  # RFC 5961 section 4
                return True
        elif not self._owes(conn, seg):
            return True
        else:
            self._save(row, conn)
            rows.set_due(row, self.tcp.msl_ms << 1)
        emit(conn, _ACK, _SND_NXT, 0, 0)
        return True

    def _beyond(self, conn, seg):
        """May this SYN open a new connection? RFC 6191 section 2: by its timestamp, if that says
        anything, else by its sequence number."""
        cb = conn.cb
        if seg.stamped and cb[_FLAGS] & _F_TS:
            newer = sub32(seg.w, _SEG_TSVAL, cb, _TS_RECENT)
            if newer:
                return newer > 0
        return sub32(seg.w, _SEG_SEQ, cb, _RCV_NXT) >= 0

    def _owes(self, conn, seg):
        """Is an ACK due, and 2 MSL to begin anew?"""
        cb = conn.cb
        stamps = cb[_FLAGS] & _F_TS
        if stamps and not seg.stamped:
            return False  # RFC 7323 3.2
        n = seg.seqlen()
        off = sub32(seg.w, _SEG_SEQ, cb, _RCV_NXT)
        if off >= 0 and (off == 0 or off < conn.rx_size) and not seg.flags & _FIN:
            return False
        if n == 0 and not conn.may_challenge():
            return False  # RFC 5961 section 7: or two ends could go on for ever
        if stamps and off + n <= 0:
            timestamps.note(conn, seg)
        return True
