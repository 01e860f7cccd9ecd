# Recent acknowledgment (RFC 8985 sections 5 and 6): a segment is lost when one that was sent after
# it has arrived, and time enough has passed for it to have come in another order. So losses of
# segments that were sent again are seen too.
#
# When what was sent: a record of at most _ENTRIES stretches of sequence numbers, in order, each
# with the moment it was last sent, and its state. An entry is three words of `w`: its end (it
# begins where the one before it ends, the first at SND.UNA), milliseconds, and the bits below.
# Approximations: the clock's milliseconds are the finest there is, what is sent within one is one
# entry; and when the record is full the two neighbours that are closest in time become one, sent
# at the later moment, which finds a loss later and never too early. What a range of the scoreboard
# covers has arrived, whatever its entry says.
#
# Memory: about 350 bytes on a 32-bit port, made when a connection with SACK first sends text.

from array import array
from micropython import const
from netstack.core.clock import elapsed, later
from netstack.core.wire import add32, move32, sub32

_SND_UNA = const(1)
_SND_MAX = const(3)
_SND_MSS = const(14)
_SRTT = const(18)
_FLAGS = const(31)
_T_REO = const(80)
_MIN_RTT = const(81)
_F_RECOVERY = const(8)
_F_SACK = const(1024)

_ENTRIES = const(24)
# words of Rack.w behind the entries
_N = const(72)
_END_SEQ = const(73)  # RACK.end_seq
_FACK = const(74)  # RACK.fack
_FACK_NEW = const(75)  # what it becomes when all of this ACK has been looked at
_ROUND = const(76)  # RACK.dsack_round
_SIZE = const(77)

_LOST = const(1)  # and not sent again yet
_AGAIN = const(2)  # it was sent more than once

_PERSIST = const(16)  # recoveries that a wider window lasts (RFC 8985 6.2 step 4)
_MULT_MAX = const(64)
_LONG_MS = const(60000)  # longer than any round trip


@micropython.viper
def _note(w: ptr32, cb: ptr32, now: int) -> bool:
    """All up to SND.MAX that is not in the record was sent now. False when the record is full."""
    n = w[72]
    end = cb[3]
    p = ptr32(int(w) + n * 12)
    if n:
        q = ptr32(int(p) - 12)
        if q[0] == end:
            return True
        if q[1] == now and q[2] == 0:
            q[0] = end
            return True
    elif cb[1] == end:
        return True
    if n == 24:
        return False
    p[0] = end
    p[1] = now
    p[2] = 0
    w[72] = n + 1
    return True


@micropython.viper
def _slide(w: ptr32, src: int, dst: int, n: int):
    """Move `n` words from w[src] to w[dst]; they may overlap."""
    step = 4
    if dst > src:
        step = -4
        src += n - 1
        dst += n - 1
    p = int(w) + (src << 2)
    q = int(w) + (dst << 2)
    while n > 0:
        ptr32(q)[0] = ptr32(p)[0]
        p += step
        q += step
        n -= 1


def sent(conn):
    """SND.MAX may have moved: note when. Once for all that goes out at one moment."""
    if conn.model:
        conn.model.sent(conn)
    rack = conn.rack
    if rack is None:
        cb = conn.cb
        if not cb[_FLAGS] & _F_SACK or sub32(cb, _SND_MAX, cb, _SND_UNA) <= 0:
            return
        try:
            rack = conn.rack = Rack()
        except MemoryError:  # without it, what is lost is found by the timeout
            conn.st.nomem += 1
            return
        rack.begin(conn)
    if not _note(rack.w, conn.cb, conn.st.now):
        rack.shrink(conn)
        _note(rack.w, conn.cb, conn.st.now)


class Rack:
    def __init__(self):
        self.w = array("I", bytes(4 * _SIZE))
        self.at = 0  # RACK.xmit_ts: when the latest segment that has arrived was sent
        self.rtt = -1  # RACK.rtt, its round trip; -1: none yet
        self.reordering = False  # RACK.reordering_seen
        self.mult = 1  # RACK.reo_wnd_mult
        self.persist = 0  # RACK.reo_wnd_persist
        self.hole_end = 0
        self.in_round = False  # a D-SACK has widened the window, ROUND says until when

    # -- the record ---------------------------------------------------------------------------

    def shrink(self, conn):
        """Make room in the record: forget what is acknowledged, else join two neighbours."""
        w = self.w
        cb = conn.cb
        n = w[_N]
        k = 0
        while k < n and sub32(w, 3 * k, cb, _SND_UNA) <= 0:
            k += 1
        if k:
            _slide(w, 3 * k, 0, 3 * (n - k))
            w[_N] = n - k
        else:
            self._join(self._closest())

    def _closest(self):
        """Index of the entry that is best joined with the one behind it."""
        w = self.w
        best = 0
        least = 0x3FFFFFFF
        i = 3 * (w[_N] - 2)
        while i >= 0:
            d = elapsed(w[i + 4], w[i + 1])
            if d < 0:
                d = -d
            if w[i + 2] != w[i + 5]:
                d += 0x1000000
            if d <= least:
                least = d
                best = i
            i -= 3
        return best

    def _join(self, i):
        w = self.w
        if elapsed(w[i + 1], w[i + 4]) > 0:
            w[i + 4] = w[i + 1]
        w[i + 5] = (w[i + 2] | w[i + 5]) & _AGAIN | w[i + 2] & w[i + 5] & _LOST
        self._drop(i, i + 3)

    def _drop(self, i, j):
        """Take out the words i .. j - 1."""
        w = self.w
        _slide(w, j, i, 3 * w[_N] - j)
        w[_N] -= (j - i) // 3

    def _cut(self, cb, place):
        """Make an entry begin at `place`, an offset from SND.UNA; returns its index."""
        w = self.w
        start = 0
        i = 0
        while i < 3 * w[_N]:
            end = sub32(w, i, cb, _SND_UNA)
            if end > start:
                if place <= start:
                    return i
                if place < end:
                    break
                start = end
            i += 3
        else:
            return i
        _slide(w, i, i + 3, 3 * w[_N] - i)
        w[_N] += 1
        move32(w, i, cb, _SND_UNA)
        add32(w, i, place)
        return i + 3

    def _mark(self, conn, start, end, at, state):
        """All from `start` to `end` is one entry."""
        w = self.w
        while w[_N] > _ENTRIES - 2:
            self.shrink(conn)
        i = self._cut(conn.cb, start)
        j = self._cut(conn.cb, end)
        if i == j:
            return
        w[j - 2] = at
        w[j - 1] = state
        if i and w[i - 2] == at and w[i - 1] == state:
            i -= 3
        if i < j - 3:
            self._drop(i, j - 3)

    def again(self, conn, off, n):
        """`n` bytes from `off` behind SND.UNA were sent once more. What the peer has beside them
        goes to the same entry, so that many holes filled at one moment make one."""
        end = off + n
        board = conn.board
        if board:
            end = board.missing(end)
            board.lost -= self._lost_in(conn, off, end)
        self._mark(conn, off, end, conn.st.now, _AGAIN)

    # -- an ACK -------------------------------------------------------------------------------

    def begin(self, conn):
        """All is there up to SND.UNA, and nothing beyond it is known to be: what earlier ACKs told
        may be so long ago that its numbers have come round."""
        move32(self.w, _FACK, conn.cb, _SND_UNA)
        move32(self.w, _FACK_NEW, conn.cb, _SND_UNA)
        if not 0 <= elapsed(conn.st.now, self.at) < _LONG_MS:
            self.rtt = -1

    def arrived(self, conn, start, end, echo):
        """The peer has what lies from `start` to `end` behind SND.UNA; not known before. `echo`:
        how long ago what lies at `start` was sent, by the ACK's timestamp; -1: it does not say.
        (An ACK with holes bears the timestamp of what came last in order, RFC 7323 4.3: that of
        RFC 8985 6.2 step 2 is no help for what is selectively acknowledged.)"""
        w = self.w
        cb = conn.cb
        i = 0
        n = 3 * w[_N]
        while i < n and start < end:
            top = sub32(w, i, cb, _SND_UNA)
            if top > start:
                self._newest(conn, i, top if top < end else end, echo)
                start = top
                echo = -1
            i += 3

    def _newest(self, conn, i, top, echo):
        """RFC 8985 6.2 steps 2 and 3: text up to `top`, of the entry at `i`, has arrived."""
        w = self.w
        cb = conn.cb
        at = w[i + 1]
        rtt = elapsed(conn.st.now, at)
        below = sub32(w, _FACK, cb, _SND_UNA) - top
        again = w[i + 2] & _AGAIN
        if below > 0 and (not again or echo > rtt):
            self.reordering = True  # as it was first sent it has come behind what was sent later
        if again and (echo > rtt or echo < 0 and rtt < cb[_MIN_RTT]):
            return  # it answers an earlier transmission
        if sub32(w, _FACK_NEW, cb, _SND_UNA) < top:
            move32(w, _FACK_NEW, cb, _SND_UNA)
            add32(w, _FACK_NEW, top)
        ahead = elapsed(at, self.at)
        if self.rtt < 0 or ahead > 0 or ahead == 0 and sub32(w, _END_SEQ, cb, _SND_UNA) < top:
            self.at = at
            move32(w, _END_SEQ, cb, _SND_UNA)
            add32(w, _END_SEQ, top)
        self.rtt = rtt

    def first_time(self, conn, end):
        """Was any of what lies below `end`, and had not come yet, sent but once?"""
        w = self.w
        cb = conn.cb
        low = i = 0
        while i < 3 * w[_N] and low < end:
            high = sub32(w, i, cb, _SND_UNA)
            if high > low:
                if not w[i + 2] & _AGAIN:
                    place = conn.board.missing(low) if conn.board else low
                    if place < high and place < end:
                        return True
                low = high
            i += 3
        return False

    def duplicate(self, conn):
        """A D-SACK: something was sent again for nothing. The window grows, once a round (6.2
        step 4)."""
        cb = conn.cb
        w = self.w
        if self.in_round and sub32(cb, _SND_UNA, w, _ROUND) < 0:
            return
        self.in_round = True
        move32(w, _ROUND, cb, _SND_MAX)
        if self.mult < _MULT_MAX:
            self.mult += 1
        self.persist = _PERSIST

    def recovered(self):
        """Loss recovery has ended: sixteen without a D-SACK, and the window is what it was."""
        if self.persist:
            self.persist -= 1
            if not self.persist:
                self.mult = 1

    def window(self, conn):
        """RACK.reo_wnd in milliseconds. While no other order was seen: 0 in recovery, and when
        three segments have come, as RFC 6675 has it."""
        cb = conn.cb
        if not self.reordering and (cb[_FLAGS] & _F_RECOVERY or conn.board.three(cb)):
            return 0
        # At least a millisecond: our clock cannot tell less.
        wnd = self.mult * cb[_MIN_RTT] >> 2 or 1
        srtt = cb[_SRTT] >> 3 or 1
        return wnd if wnd < srtt else srtt

    def detect(self, conn):
        """RFC 8985 6.2 step 5: mark what is lost, and set the timer for what may be found to be.
        Tells the scoreboard."""
        cb = conn.cb
        board = conn.board
        cb[_T_REO] = 0
        if self.rtt >= 0:
            move32(self.w, _FACK, self.w, _FACK_NEW)
            wait = self._judge(conn, board, self.rtt + self.window(conn))
            if wait:
                cb[_T_REO] = later(conn.st.now, wait) or 1
        board.lost = self._lost_in(conn, 0, sub32(cb, _SND_MAX, cb, _SND_UNA))

    def _judge(self, conn, board, due):
        """What was sent `due` milliseconds ago, before what has arrived, is lost. Returns how long
        it takes until all else that was sent before has had its time."""
        w = self.w
        cb = conn.cb
        wait = start = i = 0
        while i < 3 * w[_N]:
            top = self._before(cb, i)
            if top > start and not w[i + 2] & _LOST and board.missing(start) < top:
                left = due - elapsed(conn.st.now, w[i + 1])
                if left > wait:
                    wait = left
                elif left <= 0:
                    self._mark(conn, start, top, w[i + 1], w[i + 2] | _LOST)
                    start = top
                    i = self._entry(cb, start)
                    continue
            end = sub32(w, i, cb, _SND_UNA)
            if end > start:
                start = end
            i += 3
        return wait

    def _before(self, cb, i):
        """How far the entry at `i` was sent before the latest segment that has arrived. Of what
        was sent at one moment what was sent again may have been the last."""
        w = self.w
        ahead = elapsed(self.at, w[i + 1])
        end = sub32(w, i, cb, _SND_UNA)
        if ahead > 0:
            return end
        if ahead < 0 or w[i + 2] & _AGAIN:
            return 0
        latest = sub32(w, _END_SEQ, cb, _SND_UNA)
        return latest if latest < end else end

    def _entry(self, cb, place):
        """Index of the entry that `place` lies in."""
        w = self.w
        i = 0
        while i < 3 * w[_N] and sub32(w, i, cb, _SND_UNA) <= place:
            i += 3
        return i

    # -- what is lost -------------------------------------------------------------------------

    def resent(self, conn):
        """Bytes that were sent again and are on their way."""
        cb = conn.cb
        return self._count(conn, 0, sub32(cb, _SND_MAX, cb, _SND_UNA), _AGAIN)

    def _lost_in(self, conn, start, end):
        """Bytes between `start` and `end` that are lost."""
        return self._count(conn, start, end, _LOST)

    def _count(self, conn, start, end, state):
        """Bytes between `start` and `end` that are LOST, or AGAIN and not lost, and have not
        arrived."""
        w = self.w
        cb = conn.cb
        board = conn.board
        total = low = i = 0
        n = 3 * w[_N]
        while i < n and low < end:
            high = sub32(w, i, cb, _SND_UNA)
            if high > low:
                if high > start and (w[i + 2] & _LOST or w[i + 2]) == state:
                    a = low if low > start else start
                    b = high if high < end else end
                    total += b - a - board.below(b) + board.below(a)
                low = high
            i += 3
        return total

    def hole(self, conn):
        """The first place that is lost, and in `hole_end` how far the loss may reach; -1: none."""
        w = self.w
        cb = conn.cb
        low = i = 0
        place = -1
        while i < 3 * w[_N]:
            high = sub32(w, i, cb, _SND_UNA)
            if high > low:
                lost = w[i + 2] & _LOST
                if place >= 0 and not lost:
                    return place
                if lost and place < 0 and conn.board.missing(low) < high:
                    place = conn.board.missing(low)
                self.hole_end = low = high
            i += 3
        return place

    def timed_out(self, conn):
        """RFC 8985 6.3: the first segment is lost, and what was sent so long ago that it would
        have come. Tells the scoreboard."""
        w = self.w
        cb = conn.cb
        now = conn.st.now
        due = self.rtt + self.window(conn) if self.rtt >= 0 else 0
        start = i = 0
        while i < 3 * w[_N]:
            end = sub32(w, i, cb, _SND_UNA)
            if end > start:
                if elapsed(now, w[i + 1]) >= due:
                    w[i + 2] |= _LOST
                elif start == 0:  # it was sent again a moment ago, for a window that opened
                    self._mark(conn, 0, min(end, cb[_SND_MSS]), w[i + 1], w[i + 2] | _LOST)
                    start = min(end, cb[_SND_MSS])
                    i = self._entry(cb, start)
                    continue
                start = end
            i += 3
        conn.board.lost = self._lost_in(conn, 0, sub32(cb, _SND_MAX, cb, _SND_UNA))

    def found(self):
        """Nothing is lost."""
        w = self.w
        i = 3 * w[_N]
        while i:
            w[i - 1] &= _AGAIN
            i -= 3
