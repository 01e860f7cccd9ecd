# Taking back what was done about a loss that was none: the segment was only late. That what was
# sent again was not missing is told by
#
#   timestamps  the ACK answers what was sent before (Eifel, RFC 3522)
#   D-SACK      all that was sent again has come twice (RFC 2883 section 5, as Linux does it)
#   SACK        after a timeout, without timestamps: something has arrived that was not sent again
#               (RFC 5682 section 3.1, step 3.b). DEVIATION step 2.b: as Linux, also when the first
#               ACK already tells of it.
#   new text    after a timeout, with neither: two new segments go out instead of old ones, and it
#               is not duplicate ACKs that come then (F-RTO, RFC 5682 section 2.1)
#
# The answer is RFC 4015's. Words of the control block:
#   85 UNDO_CWND (0: nothing can be taken back)  86 UNDO_SSTHRESH
#   87 UNDO_SEQ (SND.UNA at the loss)            89 UNDO_AT (when it was seen)
#   88 UNDO_OUT (bytes sent again, kept by output.py, no D-SACK for them)  90 UNDO_W_MAX

from micropython import const
from netstack.core.clock import elapsed
from netstack.core.wire import add32, move32, sub32
from netstack.transport.tcp import timestamps

_LEN = const(1)  # a word of Ring.w

_SND_UNA = const(1)
_SND_NXT = const(2)
_SND_MAX = const(3)
_RECOVER = const(9)
_SND_WND = const(12)
_SND_MSS = const(14)
_CWND = const(15)
_SSTHRESH = const(16)
_DUPACKS = const(17)
_RTO = const(20)
_BACKOFF = const(21)
_FLAGS = const(31)
_W_MAX = const(47)
_EPOCH = const(49)
_UNDO_CWND = const(85)
_UNDO_SSTHRESH = const(86)
_UNDO_SEQ = const(87)
_UNDO_OUT = const(88)
_UNDO_AT = const(89)
_UNDO_W_MAX = const(90)
_F_REXMT = const(2)
_F_RECOVERY = const(8)
_F_PARTIAL = const(16)
_F_TS = const(256)
_F_SACK = const(1024)
_F_PROBED = const(16384)  # of tlp.py; without SACK: new text is out to tell of a timeout
_F_TIMEOUT = const(0x80000)  # what can be taken back is a timeout

_SEG_LEFT = const(4)
_SEG_RIGHT = const(5)

_UNDONE = const(22)  # a counter of protocol.py


def remember(conn, timeout):
    """The window is about to be reduced for a loss, of all of which nothing was sent again yet."""
    cb = conn.cb
    flight = sub32(cb, _SND_MAX, cb, _SND_UNA)
    cb[_UNDO_CWND] = cb[_CWND]
    cb[_UNDO_SSTHRESH] = flight if flight > cb[_SSTHRESH] else cb[_SSTHRESH]  # pipe_prev
    move32(cb, _UNDO_SEQ, cb, _SND_UNA)
    cb[_UNDO_OUT] = 0
    cb[_UNDO_AT] = conn.st.now
    cb[_UNDO_W_MAX] = cb[_W_MAX]
    cb[_FLAGS] &= ~_F_TIMEOUT
    if timeout:
        cb[_FLAGS] |= _F_TIMEOUT


def forget(conn):
    conn.cb[_UNDO_CWND] = 0


def late(conn, seg, acked):
    """Does this ACK, which is about to move SND.UNA by `acked`, answer what was sent before the
    loss was seen?"""
    cb = conn.cb
    if cb[_FLAGS] & _F_TS:
        return timestamps.round_trip(conn, seg) > elapsed(conn.st.now, cb[_UNDO_AT])
    if not cb[_FLAGS] & _F_SACK:
        return bool(cb[_FLAGS] & _F_PROBED)  # RFC 5682 2.1, step 3.b
    if not cb[_FLAGS] & _F_TIMEOUT or conn.rack is None:
        return False
    below = sub32(cb, _RECOVER, cb, _SND_UNA)  # where it all ended when the timeout came
    return conn.rack.first_time(conn, acked if acked < below else below)


def may_probe(conn, acked):
    """Without SACK, before SND.UNA moves by `acked`: is this the first ACK after a timeout, of all
    that was sent again, and not of all there is (RFC 5682 2.1, step 2)?"""
    cb = conn.cb
    return (
        cb[_BACKOFF] == 1
        and cb[_UNDO_CWND]
        and cb[_FLAGS] & (_F_TIMEOUT | _F_TS | _F_SACK) == _F_TIMEOUT
        and sub32(cb, _SND_NXT, cb, _SND_UNA) <= acked < sub32(cb, _RECOVER, cb, _SND_UNA)
    )


def probe(conn):
    """Step 2.b: if there is new text and place for it at the peer, two segments of it."""
    cb = conn.cb
    flight = sub32(cb, _SND_MAX, cb, _SND_UNA)
    if conn.tx.w[_LEN] <= flight or cb[_SND_WND] < flight + cb[_SND_MSS]:
        return
    move32(cb, _SND_NXT, cb, _SND_MAX)
    cb[_CWND] = flight + 2 * cb[_SND_MSS]
    cb[_FLAGS] |= _F_PROBED


def refuted(conn):
    """Step 3.a: a duplicate ACK while new text is out: something is missing indeed."""
    cb = conn.cb
    cb[_FLAGS] &= ~_F_PROBED
    forget(conn)
    cb[_CWND] = 3 * cb[_SND_MSS]
    move32(cb, _SND_NXT, cb, _SND_UNA)


def duplicate(conn, seg):
    """A D-SACK, its edges in SEG_LEFT and SEG_RIGHT. True: all that was sent again was there."""
    cb = conn.cb
    w = seg.w
    if elapsed(conn.st.now, cb[_UNDO_AT]) > cb[_RTO] << 2:
        cb[_UNDO_CWND] = 0  # long ago
    elif sub32(w, _SEG_LEFT, cb, _UNDO_SEQ) >= 0 and sub32(w, _SEG_RIGHT, cb, _RECOVER) <= 0:
        n = sub32(w, _SEG_RIGHT, w, _SEG_LEFT)
        if 0 < n < cb[_UNDO_OUT]:
            cb[_UNDO_OUT] -= n
        elif n > 0 and cb[_UNDO_OUT]:
            return True
    return False


def take_back(conn, acked):
    """RFC 4015 section 3.2: go on with what was not sent yet, with the windows there were; no more
    at once than a new connection may send. DEVIATION step (10): what this ACK says of round trips
    is not believed: it may be that an earlier one was lost. rto.heard() has kept the timeout."""
    cb = conn.cb
    conn.tcp.stat[_UNDONE] += 1
    most = 10 * cb[_SND_MSS]
    cwnd = sub32(cb, _SND_MAX, cb, _SND_UNA) + (acked if acked < most else most)
    if cwnd > cb[_UNDO_CWND]:
        cwnd = cb[_UNDO_CWND]
    if cwnd > cb[_CWND]:
        cb[_CWND] = cwnd
    if cb[_SSTHRESH] < cb[_UNDO_SSTHRESH] and not conn.model:
        cb[_SSTHRESH] = cb[_UNDO_SSTHRESH]
    cb[_W_MAX] = cb[_UNDO_W_MAX]  # RFC 9438 4.9
    cb[_EPOCH] = 0
    cb[_UNDO_CWND] = 0
    if conn.rack and not cb[_FLAGS] & _F_TIMEOUT:
        conn.rack.reordering = True
    cb[_FLAGS] &= ~(_F_RECOVERY | _F_PARTIAL | _F_REXMT | _F_TIMEOUT)
    if not cb[_FLAGS] & _F_SACK:
        cb[_FLAGS] &= ~_F_PROBED
    cb[_DUPACKS] = 0
    if conn.board:
        conn.board.forgive(conn)
    move32(cb, _SND_NXT, cb, _SND_MAX)
    move32(cb, _RECOVER, cb, _SND_UNA)
    add32(cb, _RECOVER, -1)
    if conn.model:
        conn.model.take_back(conn)
