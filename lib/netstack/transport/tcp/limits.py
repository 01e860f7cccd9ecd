# What gives way when there is no memory, or no place, for one more connection. A connection in use
# is never ended; of the others the worst one is, each time one is needed:
#
#   1. nobody holds it, and it only waits: for a FIN in FIN-WAIT-2, or for an ACK that has not come
#      in spite of two retransmissions
#   2. the peer's window has been closed for _PATIENCE or longer, whoever holds it (RFC 6429: the
#      sender may end such a connection when resources run short, not before)
#
# Of several, the one that has waited for longest. The peer gets a RST, the program ECONNABORTED,
# and the counter "ended" tells. Without any need: what nobody holds is ended when the window has
# been closed for _ORPHANED (DEVIATION RFC 9293 3.8.6.1, which has it probed for ever; RFC 6429
# section 5 knows better), and FIN-WAIT-2 when its time is up (connection.py). What has not come as
# far as a connection is bounded by the SYN queue, and what nobody has accepted by the backlog.

from micropython import const
from netstack.core.clock import elapsed
from netstack.transport.tcp.segment import emit

_FIN_WAIT_1 = const(5)
_FIN_WAIT_2 = const(6)
_CLOSE_WAIT = const(7)

_RST = const(4)
_ACK = const(16)

_SND_MAX = const(3)
_BACKOFF = const(21)
_RCVD_AT = const(34)
_CLOSED_AT = const(97)  # when the first probe of a closed window was sent, or 0: timers.py

_PATIENCE = const(10000)
_ORPHANED = const(120000)
_IDLE = const(0x10000000)  # more than any time of the second kind counts for
_IN_VAIN_MS = const(100)  # milliseconds between searches in vain
_ECONNABORTED = const(103)
_ENDED = const(26)  # a counter of protocol.py


class Limits:
    def __init__(self, tcp):
        self.tcp = tcp
        self._vain = -1  # when a search has found nothing

    def make_way(self):
        """End one connection; False when each of them is in use."""
        tcp = self.tcp
        now = tcp.st.now
        if self._vain >= 0 and 0 <= elapsed(now, self._vain) < _IN_VAIN_MS:
            return False
        worst = None
        most = 0
        for conn in tcp.connections():
            waited = _waited(conn, now)
            if waited > most:
                most = waited
                worst = conn
        if worst is None:
            self._vain = now
            if tcp.st.short:
                tcp.st.short()
            return False
        end(worst)
        return True


def _waited(conn, now):
    """How little the connection is worth; 0: it is in use."""
    cb = conn.cb
    state = conn.state
    if conn.orphan and state >= _FIN_WAIT_1:
        if state == _FIN_WAIT_2 or (state != _CLOSE_WAIT and cb[_BACKOFF] >= 2):
            return _IDLE + max(elapsed(now, cb[_RCVD_AT]), 0)
    stuck = stuck_for(conn, now)
    return stuck if stuck >= _PATIENCE else 0


def stuck_for(conn, now):
    """Milliseconds since the first probe of a window that is still closed."""
    at = conn.cb[_CLOSED_AT]
    return max(elapsed(now, at), 1) if at else 0


def probing(conn):
    """A closed window is to be probed once more. False: it has been closed for too long."""
    if conn.orphan and stuck_for(conn, conn.st.now) >= _ORPHANED:
        end(conn)
        return False
    return True


def end(conn):
    """End a connection for want of memory, or of patience."""
    conn.tcp.stat[_ENDED] += 1
    emit(conn, _RST | _ACK, _SND_MAX, 0, 0)
    conn.fail(_ECONNABORTED)
