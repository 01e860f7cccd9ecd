# What TCP sends, as an ordered list of reasons (RFC 9293 3.7.4, 3.8.6).
#
#   1. SYN or SYN,ACK                      5. the rest, if Nagle and silly window avoidance allow
#   2. duplicate ACKs                      6. FIN
#   3. segments again (fast retransmit),   7. an ACK that is due
#      a tail loss probe
#   4. full segments the windows allow
#
# The send ring is read again for retransmissions; SND.UNA is at its head. SND.NXT goes back to
# SND.UNA after a timeout, SND.MAX remembers how far it had come.

import netstack
from micropython import const
from netstack.core.clock import elapsed, later
from netstack.core.wire import add32, move32, sub32
from netstack.transport.tcp import ecn, rack, tlp
from netstack.transport.tcp.congestion import after_idle
from netstack.transport.tcp.segment import emit

_SYN_SENT = const(2)
_SYN_RCVD = const(3)
_FIN_WAIT_1 = const(5)
_CLOSING = const(8)
_LAST_ACK = const(9)

_FIN = const(1)
_SYN = const(2)
_PSH = const(8)
_ACK = const(16)
_CWR = const(0x80)

_LEN = const(1)  # a word of Ring.w

_ISS = const(0)
_SND_UNA = const(1)
_SND_NXT = const(2)
_SND_MAX = const(3)
_RTT_SEQ = const(10)
_SND_WND = const(12)
_MAX_WND = const(13)
_SND_MSS = const(14)
_CWND = const(15)
_DUPACKS = const(17)
_RTO = const(20)
_BACKOFF = const(21)
_RTT_AT = const(22)
_T_REXMT = const(24)
_T_PERSIST = const(25)
_T_OUTPUT = const(30)
_SENT_AT = const(32)
_FLAGS = const(31)
_SCRATCH = const(36)
_DUPS = const(38)
_FAST = const(53)
_PRR_OUT = const(83)
_UNDO_OUT = const(88)
_RETRANS = const(98)
_F_ACK_NOW = const(1)
_F_REXMT = const(2)
_F_TIMING = const(4)
_F_RECOVERY = const(8)
_F_FIN_SENT = const(32)
_F_FORCE = const(64)
_F_TS = const(256)
_F_SACK = const(1024)
_F_PROBE = const(8192)
_F_CWR = const(0x40000)
_F_MORE = const(1 << 22)
_F_USER = const(1 << 24)

_CORK_MS = const(200)  # as Linux's TCP_CORK

_REXMT = const(14)
_PROBES_SENT = const(21)


@micropython.native
def output(conn):
    """Send whatever may be sent now."""
    state = conn.state
    if state < _SYN_SENT:
        return
    cb = conn.cb
    if state <= _SYN_RCVD:
        _handshake(conn, cb)
        return
    if cb[_DUPS]:
        _duplicates(conn, cb)
    if cb[_FLAGS] & _F_REXMT:
        _again(conn, cb)
    flight = 0
    if conn.board:
        _holes(conn, cb)
        if cb[_FLAGS] & _F_RECOVERY:
            flight = sub32(cb, _SND_MAX, cb, _SND_UNA)
    if cb[_FLAGS] & _F_PROBE:
        _tail(conn, cb)
    fast = cb[_FAST] and netstack.fastpath and conn.tcp.send
    while not (fast and fast(conn)) and _more(conn, cb):
        pass
    if conn.tx is not None:  # what a FIN alone tells, its ACK does
        rack.sent(conn)
    if flight and sub32(cb, _SND_MAX, cb, _SND_UNA) == flight:
        _rescue(conn, cb)
    if cb[_FLAGS] & _F_ACK_NOW and not _ack(conn, cb):
        _retry(conn, cb)


def _duplicates(conn, cb):
    """A duplicate ACK for each segment out of order (RFC 5681 4.2), however many came in a batch
    and whatever else goes out: three bare ones make the peer send again, more say nothing new."""
    n = cb[_DUPS]
    cb[_DUPS] = 0
    if n > 3:
        n = 3
    while n and _ack(conn, cb):
        n -= 1


@micropython.native
def _ack(conn, cb):
    """An ACK bears the number the peer expects next, as far as we know, not that of what is being
    sent again: else it is not acceptable (RFC 9293 3.10.7.4 first), and two ends that both send
    again never hear each other's ACKs. A byte that probed a closed window does not count."""
    move32(cb, _SCRATCH, cb, _SND_MAX)
    beyond = sub32(cb, _SND_MAX, cb, _SND_UNA) - cb[_SND_WND]
    if beyond > 0:
        add32(cb, _SCRATCH, -beyond)
    if sub32(cb, _SCRATCH, cb, _SND_NXT) < 0:
        move32(cb, _SCRATCH, cb, _SND_NXT)
    return emit(conn, _ACK, _SCRATCH, 0, 0)


def _handshake(conn, cb):
    """SYN, or SYN,ACK; SND.NXT is at ISS while one is to be sent."""
    if sub32(cb, _SND_NXT, cb, _ISS) == 0:
        flags = _SYN if conn.state == _SYN_SENT else _SYN | _ACK
        text = conn.tcp.fastopen.text(conn) if conn.cookie is not None else 0
        if not emit(conn, ecn.handshake(conn, flags), _ISS, 0, text):
            _retry(conn, cb)
            return
        cb[_SENT_AT] = conn.st.now
        add32(cb, _SND_NXT, 1 + text)
        if sub32(cb, _SND_MAX, cb, _SND_NXT) < 0:
            move32(cb, _SND_MAX, cb, _SND_NXT)
            _time(conn, cb, _ISS)
        else:
            cb[_FLAGS] &= ~_F_TIMING  # sent twice: RFC 6298 section 3
        wait = cb[_RTO]
        if cb[_FLAGS] & _F_USER and cb[_BACKOFF]:
            wait = tlp.limited(conn, wait)
        set_timer(conn, _T_REXMT, wait)
    elif cb[_FLAGS] & _F_ACK_NOW:
        emit(conn, _ACK, _SND_NXT, 0, 0)
    if conn.early:
        conn.tcp.fastopen.more(conn)


def _again(conn, cb):
    """Fast retransmit: the segment at SND.UNA once more, whatever the windows say."""
    cb[_FLAGS] &= ~_F_REXMT
    if _resend(conn, cb, 0, cb[_SND_MSS]) < 0:
        cb[_FLAGS] |= _F_REXMT


def _resend(conn, cb, off, most):
    """At most `most` bytes from `off` behind SND.UNA once more; not what the peer has. Returns how
    many, -1 when there was no frame for them."""
    queued = conn.tx.w[_LEN] if conn.tx else 0
    n = queued - off
    if n > most:
        n = most
    sent = sub32(cb, _SND_MAX, cb, _SND_UNA) - off
    if n > sent:
        n = sent
    if n > 0 and conn.board:
        n = conn.board.gap(off, n)
    flags = _ACK
    if off + n == queued and cb[_FLAGS] & _F_FIN_SENT:
        flags |= _FIN
    move32(cb, _SCRATCH, cb, _SND_UNA)
    add32(cb, _SCRATCH, off)
    if (n or flags & _FIN) and not emit(conn, flags, _SCRATCH, off, n):
        _retry(conn, cb)
        return -1
    conn.tcp.stat[_REXMT] += 1
    cb[_RETRANS] += 1
    cb[_SENT_AT] = conn.st.now
    if not cb[_T_REXMT]:
        tlp.arm(conn)
    if flags & _FIN:
        n += 1
    cb[_UNDO_OUT] += n
    if conn.rack:
        conn.rack.again(conn, off, n)
        cb[_PRR_OUT] += n
    return n


def _holes(conn, cb):
    """What is lost, as far as the window has room for it (RFC 6675 section 4, NextSeg (1))."""
    board = conn.board
    rack = conn.rack
    while board.lost > 0:
        off = rack.hole(conn)
        if off < 0:
            return
        most = rack.hole_end - off
        if most > cb[_SND_MSS]:
            most = cb[_SND_MSS]
        most = board.gap(off, most)
        if cb[_CWND] - board.pipe(sub32(cb, _SND_MAX, cb, _SND_UNA)) < most:
            return
        if _resend(conn, cb, off, most) <= 0:
            return


def _rescue(conn, cb):
    """There is nothing that is known to be lost, nor anything new: once in a recovery the last
    segment again, in case that it was lost as well (RFC 6675 section 4, NextSeg (4))."""
    board = conn.board
    flight = sub32(cb, _SND_MAX, cb, _SND_UNA)
    if board.rescued or board.lost or cb[_CWND] - board.pipe(flight) < cb[_SND_MSS]:
        return
    top = flight - cb[_SND_MSS]
    off = board.missing(top if top > 0 else 0)
    if off < flight and _resend(conn, cb, off, cb[_SND_MSS]) > 0:
        board.rescued = True


def _tail(conn, cb):
    """A tail loss probe, whatever the congestion window says: a new segment if there is one, else
    the last one once more (RFC 8985 7.3)."""
    cb[_FLAGS] &= ~_F_PROBE
    mss = cb[_SND_MSS]
    flight = sub32(cb, _SND_MAX, cb, _SND_UNA)
    if flight <= 0:
        return
    if cb[_FLAGS] & _F_FIN_SENT:
        flight -= 1  # the FIN goes with the segment before it
    cb[_CWND] += mss
    new = _more(conn, cb)
    cb[_CWND] -= mss
    if new or _resend(conn, cb, flight - mss if flight > mss else 0, mss) > 0:
        tlp.sent(conn, not new)
        conn.tcp.stat[_PROBES_SENT] += 1


@micropython.native
def _more(conn, cb):
    """Send one segment of data or a FIN if there is a reason to; False when there is none."""
    off = sub32(cb, _SND_NXT, cb, _SND_UNA)
    if conn.board and conn.board.ranges.n:
        off = _skip(conn, cb, off)
    queued = conn.tx.w[_LEN] if conn.tx else 0
    left = queued - off
    if left <= 0 and not (left == 0 and _owes_fin(conn)):
        return False
    if off == 0 and sub32(cb, _SND_MAX, cb, _SND_UNA) == 0:
        if elapsed(conn.st.now, cb[_SENT_AT]) > cb[_RTO]:
            after_idle(conn)
    wnd = cb[_SND_WND]
    allowed = cb[_CWND] + _arrived(conn, cb, off)
    n = (allowed if allowed < wnd else wnd) - off
    mss = cb[_SND_MSS]
    if n > mss:
        n = mss
    if n > left:
        n = left
    if n > 0 and conn.board:
        n = conn.board.gap(off, n)
    if n < 0 or n == 0 < left:
        if wnd <= off and off == 0 and not cb[_T_PERSIST]:
            set_timer(conn, _T_PERSIST, cb[_RTO])  # RFC 9293 3.8.6.1: probe a closed window
        return False
    fin = n == left and _owes_fin(conn)
    if not (fin or n == mss or _worth_it(conn, cb, n, left, off)):
        return False
    if not conn.nif.room():
        _retry(conn, cb)
        return False
    return _send(conn, cb, off, n, left, fin)


def _skip(conn, cb, off):
    """After a timeout: not again what the peer has (RFC 6675 5.1)."""
    there = conn.board.missing(off)
    add32(cb, _SND_NXT, there - off)
    return there


def _arrived(conn, cb, off):
    """Bytes of the `off` behind SND.UNA that have left the network all the same."""
    flags = cb[_FLAGS]
    if flags & _F_SACK:
        board = conn.board
        if board is None:
            return 0
        if sub32(cb, _SND_NXT, cb, _SND_MAX) == 0:
            return board.sacked + board.lost
        return board.below(off)
    if 0 < cb[_DUPACKS] < 3 and not flags & _F_RECOVERY and sub32(cb, _SND_NXT, cb, _SND_MAX) == 0:
        return cb[_DUPACKS] * cb[_SND_MSS]  # RFC 3042: a new segment for each of the first two
    return 0


@micropython.native
def _owes_fin(conn):
    state = conn.state
    return state == _FIN_WAIT_1 or state == _CLOSING or state == _LAST_ACK


def _worth_it(conn, cb, n, left, off):
    """May less than a full segment go out (RFC 9293 3.8.6.2.1, Nagle: 3.7.4)?"""
    if sub32(cb, _SND_NXT, cb, _SND_MAX) < 0:
        return True  # it is a retransmission
    if cb[_FLAGS] & _F_FORCE:
        return True
    if cb[_FLAGS] & _F_MORE:  # the program has said that more is to come
        if not cb[_T_PERSIST]:
            set_timer(conn, _T_PERSIST, _CORK_MS)
        return False
    if n == left and (conn.nodelay or off == 0):
        return True
    if n << 1 >= cb[_MAX_WND]:
        return True
    if off == 0 and not cb[_T_PERSIST]:
        set_timer(conn, _T_PERSIST, 500)  # RFC 9293 3.8.6.2.1 (4): override after a while
    return False


@micropython.native
def _send(conn, cb, off, n, left, fin):
    flags = _ACK
    if fin:
        flags |= _FIN
    if n == left and n:
        flags |= _PSH
    new = sub32(cb, _SND_NXT, cb, _SND_MAX) >= 0
    if new and n and cb[_FLAGS] & _F_CWR:
        flags |= _CWR
    if not emit(conn, flags, _SND_NXT, off, n):
        _retry(conn, cb)
        return False
    if flags & _CWR:
        cb[_FLAGS] &= ~_F_CWR
    if new:
        if not cb[_FLAGS] & _F_TS:
            _time(conn, cb, _SND_NXT)
    else:
        conn.tcp.stat[_REXMT] += 1
        cb[_RETRANS] += 1
    if fin:
        cb[_FLAGS] |= _F_FIN_SENT
        n += 1
    if not new:
        cb[_UNDO_OUT] += n
        if conn.rack:
            conn.rack.again(conn, off, n)
    if cb[_FLAGS] & _F_RECOVERY:
        cb[_PRR_OUT] += n
    add32(cb, _SND_NXT, n)
    if sub32(cb, _SND_MAX, cb, _SND_NXT) < 0:
        move32(cb, _SND_MAX, cb, _SND_NXT)
    cb[_SENT_AT] = conn.st.now
    cb[_T_PERSIST] = 0
    cb[_FLAGS] &= ~_F_FORCE
    if not cb[_T_REXMT]:
        tlp.arm(conn)
    elif new and 0 < off <= cb[_SND_MSS]:
        tlp.sooner(conn)
    return True


def probe(conn):
    """One byte beyond a closed window (RFC 9293 3.8.6.1). SND.NXT stays: the byte is sent again
    with the rest when the window opens."""
    cb = conn.cb
    if conn.tx and conn.tx.w[_LEN] and emit(conn, _ACK, _SND_UNA, 0, 1):
        move32(cb, _SND_NXT, cb, _SND_UNA)
        if sub32(cb, _SND_MAX, cb, _SND_UNA) < 1:
            add32(cb, _SND_MAX, 1)


@micropython.native
def _time(conn, cb, seq):
    """Time this segment, if none is being timed (RFC 6298 section 3, Karn: new data only)."""
    if not cb[_FLAGS] & _F_TIMING:
        cb[_FLAGS] |= _F_TIMING
        move32(cb, _RTT_SEQ, cb, seq)
        cb[_RTT_AT] = conn.st.now


def _retry(conn, cb):
    """No frame, or the NIC's queue is full: try again in a moment."""
    set_timer(conn, _T_OUTPUT, 1)


@micropython.native
def set_timer(conn, timer, ms):
    conn.cb[timer] = later(conn.st.now, ms) or 1
