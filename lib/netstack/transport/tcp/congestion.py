# Congestion control and when to recover: slow start (RFC 5681, RFC 3465), the initial window
# (RFC 6928), fast retransmit and recovery, by SACK (RFC 6675; losses are found by rack.py, the
# window is prr.py's) or without (NewReno, RFC 6582).
# How much a loss costs and how the window grows beyond ssthresh is the connection's `control`:
# reno.py or cubic.py.
#
# input.py reports what the ACKs say; all state is in the control block.

from micropython import const
from netstack.core.wire import add32, move32, sub32
from netstack.transport.tcp import cubic, ecn, prr, reno, tlp, undo
from netstack.transport.tcp.rto import set_rto
from netstack.transport.tcp.scoreboard import Scoreboard


_SND_UNA = const(1)
_SND_NXT = const(2)
_SND_MAX = const(3)
_RECOVER = const(9)
_SND_WND = const(12)
_SND_MSS = const(14)
_CWND = const(15)
_SSTHRESH = const(16)
_DUPACKS = const(17)
_SRTT = const(18)
_RTO = const(20)
_BACKOFF = const(21)
_CREDIT = const(29)
_FLAGS = const(31)
_FAST = const(53)
_ECN_END = const(91)
_T_REO = const(80)
_F_REXMT = const(2)
_F_TIMING = const(4)
_F_RECOVERY = const(8)
_F_PARTIAL = const(16)
_F_SACK = const(1024)
_F_TLP = const(4096)
_FAST_REXMT = const(15)  # counters of protocol.py
_MARKS = const(23)

_ESTABLISHED = const(4)

_ENOENT = const(2)

_RTO_AFTER_SYN = const(3000)  # RFC 6298 (5.7)


class Controlled:
    """Something with a congestion control that can be chosen by its name: "cubic", "reno",
    "bbr"."""

    model = None  # of the path, if the control has one: see bbr.py

    def congestion(self):
        return self.control.NAME

    def set_congestion(self, name):
        """Raises OSError(ENOENT) when there is none of that name."""
        self.control = _control(name)
        if self.state >= _ESTABLISHED:
            if self.model:
                self.cb[_SSTHRESH] = self.cb[_CWND]
            _model(self)


def _control(name):
    """The module of that name; bbr.py is loaded when it is first asked for."""
    if name == "bbr":
        from netstack.transport.tcp import bbr

        return bbr
    for control in (cubic, reno):
        if control.NAME == name:
            return control
    raise OSError(_ENOENT, "no congestion control %s" % name)


def _model(conn):
    """Give the connection the model that its control works by, if it has one."""
    conn.model = None
    if conn.control.MODEL:
        try:
            conn.model = conn.control.MODEL(conn)
        except MemoryError:
            conn.st.nomem += 1
            conn.control = cubic


@micropython.native
def start(conn):
    """The connection is established."""
    cb = conn.cb
    set_rto(conn)
    cb[_CWND] = _initial(cb[_SND_MSS])
    if cb[_BACKOFF]:  # the SYN was lost: RFC 5681 3.1, RFC 6298 (5.7)
        cb[_CWND] = cb[_SND_MSS]
        if not cb[_SRTT]:  # timestamps tell it all the same
            cb[_RTO] = _RTO_AFTER_SYN
        cb[_BACKOFF] = 0
    cb[_SSTHRESH] = 0x3FFFFFFF
    cb[_DUPACKS] = 0
    cb[_CREDIT] = 0
    undo.forget(conn)
    _forget_recovery(cb)
    _model(conn)


def _initial(mss):
    """The initial window (RFC 6928 section 2)."""
    most = 2 * mss if mss > 7300 else 14600
    return 10 * mss if 10 * mss < most else most


def _forget_recovery(cb):
    """RFC 6582 3.2 step 1: everything from SND.UNA on is beyond RECOVER."""
    move32(cb, _RECOVER, cb, _SND_UNA)
    add32(cb, _RECOVER, -1)
    move32(cb, _ECN_END, cb, _RECOVER)


@micropython.native
def in_flight(conn):
    """Bytes sent and not acknowledged."""
    return sub32(conn.cb, _SND_MAX, conn.cb, _SND_UNA)


def _reduce(conn, flight):
    """ssthresh after a loss; at least two segments (RFC 5681 equation 4)."""
    cb = conn.cb
    ecn.reduced(conn)
    if conn.model:
        return
    ssthresh = conn.control.loss(conn, flight)
    floor = 2 * cb[_SND_MSS]
    cb[_SSTHRESH] = ssthresh if ssthresh > floor else floor


def on_ack(conn, acked):
    """`acked` bytes are newly acknowledged; SND.UNA has moved."""
    cb = conn.cb
    if cb[_FLAGS] & _F_RECOVERY:
        _recovering(conn, acked)
        if conn.model:
            conn.model.on_ack(conn)
        return
    cb[_DUPACKS] = 0
    if sub32(cb, _SND_UNA, cb, _RECOVER) > 0x1FFFFFFF:  # before it is so far off that it wraps
        _forget_recovery(cb)
    if conn.model:
        conn.model.on_ack(conn)
        return
    mss = cb[_SND_MSS]
    cwnd = cb[_CWND]
    if cwnd >= (in_flight(conn) + acked) << 1:
        return  # RFC 7661 section 3: a window that is not used proves nothing
    if cwnd < cb[_SSTHRESH]:
        # RFC 3465 2.2: L = 2, so that delayed ACKs do not halve the growth
        cb[_CWND] = cwnd + (acked if acked < 2 * mss else 2 * mss)
        return
    conn.control.avoid(conn, acked)


def _recovering(conn, acked):
    """A new ACK in fast recovery (RFC 6582 3.2 steps 3 and 4)."""
    cb = conn.cb
    mss = cb[_SND_MSS]
    if cb[_FLAGS] & _F_SACK:
        if sub32(cb, _SND_UNA, cb, _RECOVER) >= 0:  # RFC 6675 section 5 (A)
            if not conn.model:
                cb[_CWND] = cb[_SSTHRESH]
            cb[_FLAGS] &= ~(_F_RECOVERY | _F_REXMT)
            if conn.rack:
                conn.rack.recovered()
            cb[_DUPACKS] = 0
            cb[_CREDIT] = 0
        return
    if sub32(cb, _SND_UNA, cb, _RECOVER) >= 0:  # full acknowledgment
        flight = in_flight(conn)
        window = (flight if flight > mss else mss) + mss
        cb[_CWND] = window if window < cb[_SSTHRESH] else cb[_SSTHRESH]
        cb[_FLAGS] &= ~(_F_RECOVERY | _F_PARTIAL)
        cb[_DUPACKS] = 0
        cb[_CREDIT] = 0
        return
    cwnd = cb[_CWND] - acked if cb[_CWND] > acked else 0  # partial: deflate, resend the next hole
    if acked >= mss:
        cwnd += mss
    cb[_CWND] = cwnd if cwnd > mss else mss
    cb[_FLAGS] |= _F_REXMT | _F_PARTIAL


def on_dupack(conn):
    """A duplicate ACK has come (RFC 5681 3.2)."""
    cb = conn.cb
    cb[_DUPACKS] += 1
    if cb[_FLAGS] & _F_RECOVERY:
        cb[_CWND] += cb[_SND_MSS]
        if conn.model:
            conn.model.on_ack(conn)
    elif cb[_DUPACKS] == 3 and sub32(cb, _SND_UNA, cb, _RECOVER) > 0:
        # RFC 6582 3.2 step 2: not again for losses of the same window
        _recover(conn)
        cb[_CWND] += 3 * cb[_SND_MSS]


def on_sack(conn, delivered, acked):
    """An ACK while something has come out of order, or is lost: `delivered` bytes have come that
    were not known to, `acked` of those that SND.UNA has passed included (RFC 6675 section 5, with
    RFC 8985 in the place of IsLost(), RFC 9937 for the window)."""
    cb = conn.cb
    board = conn.board
    if delivered and not acked and not cb[_FLAGS] & _F_RECOVERY:
        cb[_DUPACKS] += 1
    if conn.rack is None:
        return
    before = board.lost
    conn.rack.detect(conn)
    if conn.model:
        conn.model.lost(max(board.lost - before, 0))
    if cb[_FLAGS] & _F_RECOVERY:
        if conn.model:
            conn.model.on_ack(conn)
        elif delivered or board.lost != before:
            prr.on_ack(conn, delivered, acked > 0 and board.lost <= before)
    elif board.lost > before or board.lost and sub32(cb, _SND_UNA, cb, _RECOVER) >= 0:
        _recover(conn)
        board.rescued = False
        if not conn.model:
            prr.begin(conn, delivered)
    elif conn.model:
        conn.model.on_ack(conn)


def on_reordering(conn):
    """What might have come in another order has had its time (RFC 8985 6.3)."""
    if conn.board:
        on_sack(conn, 0, 0)


def on_mark(conn, seg):
    """The peer tells that a router has marked a packet of ours instead of dropping it
    (RFC 3168 6.1.2): as a loss, but nothing is to be sent again. Once for each window of data."""
    cb = conn.cb
    undo.forget(conn)  # RFC 4015 3.2 step (8): the window stays reduced
    if cb[_FLAGS] & _F_RECOVERY or cb[_BACKOFF] or not ecn.first(conn, seg):
        return
    _shrink(conn)
    if conn.model:
        conn.model.marked()
    conn.tcp.stat[_MARKS] += 1


def on_probe(conn):
    """A tail loss probe has repaired a loss: the window pays for it (RFC 8985 7.4.2)."""
    cb = conn.cb
    if not cb[_FLAGS] & _F_RECOVERY:
        _shrink(conn)


def _shrink(conn):
    """A loss, or as good as one, that nothing is to be sent again for."""
    cb = conn.cb
    _reduce(conn, in_flight(conn))
    if cb[_CWND] > cb[_SSTHRESH] and not conn.model:
        cb[_CWND] = cb[_SSTHRESH]


def _recover(conn):
    """Begin loss recovery. What limited transmit has sent beyond the window does not count
    (RFC 5681 3.2 step 2)."""
    cb = conn.cb
    flight = in_flight(conn)
    limited = flight - cb[_CWND]
    if sub32(cb, _SND_UNA, cb, _RECOVER) < 0:  # after a timeout: what was sent since is lost
        if limited > 0:
            flight = cb[_CWND]
        undo.forget(conn)
    else:
        if limited > 0:
            flight -= limited if limited < 2 * cb[_SND_MSS] else 2 * cb[_SND_MSS]
        undo.remember(conn, False)
    _reduce(conn, flight)
    move32(cb, _RECOVER, cb, _SND_MAX)
    cb[_CWND] = cb[_SSTHRESH]
    cb[_FLAGS] = (cb[_FLAGS] | _F_RECOVERY) & ~_F_TIMING
    if not cb[_FLAGS] & _F_SACK:
        cb[_FLAGS] |= _F_REXMT
    if conn.model:
        conn.model.on_ack(conn)
    tlp.forget(conn)
    if cb[_FLAGS] & _F_TLP:
        tlp.arm(conn)  # RFC 8985 7.2: no probe in recovery, its timer runs for the timeout again
    conn.tcp.stat[_FAST_REXMT] += 1


def on_timeout(conn):
    """The retransmission timer has run out (RFC 5681 equation 4, RFC 6582 3.2 step 6)."""
    cb = conn.cb
    if cb[_FLAGS] & _F_RECOVERY:
        undo.forget(conn)  # losses are real when even what was sent again does not come
    elif cb[_BACKOFF] == 0:
        undo.remember(conn, True)
    if cb[_BACKOFF] == 0:
        _reduce(conn, in_flight(conn))
        conn.control.restart(conn)
    cb[_CWND] = cb[_SND_MSS]
    cb[_DUPACKS] = 0
    cb[_CREDIT] = 0
    cb[_FLAGS] &= ~(_F_RECOVERY | _F_PARTIAL | _F_REXMT | _F_TIMING)
    move32(cb, _RECOVER, cb, _SND_MAX)
    tlp.forget(conn)
    cb[_T_REO] = cb[_FAST] = 0
    _to_be_sent_again(conn)
    if conn.model:
        conn.model.timed_out(conn)


def _to_be_sent_again(conn):
    """After a timeout all that is in flight is sent again in order, from SND.UNA on. With SACK
    only what is lost, beginning with one segment, as in fast recovery but in slow start (RFC 6675
    5.1, RFC 8985 6.3): what the peer has, or what was sent just now, is not. RFC 2018 section 8
    would forget what the peer has told: it may have thrown it away. board.advance() sees that
    when SND.UNA comes to it."""
    cb = conn.cb
    if cb[_SND_WND] and cb[_FLAGS] & _F_SACK and conn.rack and have_board(conn):
        move32(cb, _SND_NXT, cb, _SND_MAX)
        conn.rack.timed_out(conn)
        cb[_CWND] += conn.board.pipe(in_flight(conn))
        return
    move32(cb, _SND_NXT, cb, _SND_UNA)
    if conn.board:
        conn.board.forgive(conn)


def have_board(conn):
    """See that there is a scoreboard; False when there is no memory for one."""
    if conn.board is None:
        try:
            conn.board = Scoreboard()
        except MemoryError:
            conn.st.nomem += 1
            return False
    return True


def after_idle(conn):
    """RFC 5681 4.1: nothing was sent for a timeout, so the window says nothing any more."""
    if conn.model:  # it is paced
        return
    cb = conn.cb
    restart = _initial(cb[_SND_MSS])
    if cb[_CWND] > restart:
        cb[_CWND] = restart
    conn.control.restart(conn)
