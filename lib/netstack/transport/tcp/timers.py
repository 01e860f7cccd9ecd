# TCP's timers: retransmission (RFC 6298), persist (RFC 9293 3.8.6.1), delayed ACK, keepalive
# (RFC 9293 3.8.4), reordering (RFC 8985 6.3) and FIN-WAIT-2. Deadlines are words of the control
# block, 0 for none; one Timer per connection runs for the earliest.

from micropython import const
from netstack.core.clock import elapsed, later
from netstack.core.wire import add32, move32, sub32
from netstack.transport.tcp import congestion, limits, pmtu, rto, tlp
from netstack.transport.tcp.output import probe, set_timer
from netstack.transport.tcp.segment import emit

_SYN_RCVD = const(3)
_ESTABLISHED = const(4)
_CLOSE_WAIT = const(7)

_ACK = const(16)

_SND_UNA = const(1)
_SND_MAX = const(3)
_SND_WND = const(12)
_RTO = const(20)
_BACKOFF = const(21)
_T_REXMT = const(24)
_T_PERSIST = const(25)
_T_DELACK = const(26)
_T_KEEP = const(27)
_T_2MSL = const(28)
_T_OUTPUT = const(30)
_FLAGS = const(31)
_RCVD_AT = const(34)
_PROBES = const(35)
_SCRATCH = const(36)
_T_REO = const(80)
_F_ACK_NOW = const(1)
_F_FORCE = const(64)
_F_TLP = const(4096)
_F_USER = const(1 << 24)
_SILENT_AT = const(96)  # since when nothing new was acknowledged: at the first timeout
_CLOSED_AT = const(97)  # since when the peer's window is closed, 0 for not at all

# RFC 9293 3.8.3: R2 for a SYN is at least 3 minutes, for data at least 100 s. With the timeout
# doubling from 1 s, or from 200 ms up to 60 s:
_SYN_TRIES = const(7)
_SYNACK_TRIES = const(5)
_TRIES = const(12)
_ETIMEDOUT = const(110)

_TIMEOUTS = const(16)


@micropython.viper
def arm(conn):
    """See that the connection's Timer runs for its earliest deadline. What is put off, as by every
    ACK, lets it run out for nothing."""
    now = int(conn.st.now)
    best = -1
    p = int(ptr32(conn.cb)) + 96
    i = 24
    while i <= 31:
        if i == 31:
            p += 196  # to word 80
        due = ptr32(p)[0]
        if due and i != 29:  # word 29 is no deadline
            d = (due - now) & 0x3FFFFFFF
            if d >= 0x20000000:
                d = 0
            if best < 0 or d < best:
                best = d
        i += 1
        p += 4
    timer = conn.timer
    if best < 0:
        timer.active = False
    elif not timer.active or int(elapsed(timer.due, now)) > best:
        timer.start(now, best)


def _due(conn, timer):
    """Has this deadline passed? It is cleared if so."""
    due = conn.cb[timer]
    if due and elapsed(conn.st.now, due) >= 0:
        conn.cb[timer] = 0
        return True
    return False


def expire(conn):
    """The connection's Timer has run out."""
    conn.st.defer(conn)
    if _due(conn, _T_2MSL):
        conn.fail(0)
        return
    if _due(conn, _T_REXMT):
        if conn.cb[_FLAGS] & _F_TLP:
            tlp.fire(conn)
        else:
            _retransmit(conn)
    if conn.state and _due(conn, _T_PERSIST):
        _persist(conn)
    if conn.state and _due(conn, _T_KEEP):
        _keepalive(conn)
    if conn.state and _due(conn, _T_REO):
        congestion.on_reordering(conn)
    if _due(conn, _T_DELACK):
        conn.cb[_FLAGS] |= _F_ACK_NOW
    if _due(conn, _T_OUTPUT) and conn.model:  # else being deferred is enough
        conn.model.tick(conn)


def _retransmit(conn):
    cb = conn.cb
    conn.tcp.stat[_TIMEOUTS] += 1
    if cb[_BACKOFF] == 0:
        cb[_SILENT_AT] = later(conn.st.now, -cb[_RTO])
    tries = _TRIES
    if conn.state <= _SYN_RCVD:
        tries = _SYN_TRIES if conn.listener is None else _SYNACK_TRIES
    elif cb[_FLAGS] & _F_USER:
        tries = 0x3FFFFFFF
    if cb[_BACKOFF] >= tries or cb[_FLAGS] & _F_USER and tlp.patience(conn, _SILENT_AT) <= 0:
        conn.fail(conn.soft_error or _ETIMEDOUT)
        return
    pmtu.black_hole(conn)
    congestion.on_timeout(conn)
    rto.back_off(conn)


def _persist(conn):
    cb = conn.cb
    if cb[_SND_WND]:
        cb[_FLAGS] |= _F_FORCE  # silly window avoidance has waited for long enough
        return
    wait = _TRIES - cb[_BACKOFF]  # answers to probes set it back
    if not cb[_CLOSED_AT]:
        cb[_CLOSED_AT] = conn.st.now or 1
    if cb[_FLAGS] & _F_USER:  # as in Linux, a window that stays closed counts, answers or not
        wait = tlp.patience(conn, _CLOSED_AT)
    if wait <= 0:
        conn.fail(conn.soft_error or _ETIMEDOUT)
        return
    if not limits.probing(conn):
        return
    probe(conn)
    rto.back_off(conn)
    if not cb[_FLAGS] & _F_USER or wait > cb[_RTO]:
        wait = cb[_RTO]
    set_timer(conn, _T_PERSIST, wait)


def keep(conn):
    """Start the keepalive timer if it is wanted."""
    if conn.keepalive and _ESTABLISHED <= conn.state <= _CLOSE_WAIT:
        set_timer(conn, _T_KEEP, conn.keepidle * 1000)


def _keepalive(conn):
    """RFC 9293 3.8.4: a segment one below SND.NXT makes the peer answer."""
    cb = conn.cb
    if not conn.keepalive or not _ESTABLISHED <= conn.state <= _CLOSE_WAIT:
        return
    silent = elapsed(conn.st.now, cb[_RCVD_AT])
    idle = conn.keepidle * 1000 - silent
    if idle > 0:
        set_timer(conn, _T_KEEP, idle)
        return
    # What is not acknowledged is sent again by itself, and gives up by itself.
    if sub32(cb, _SND_MAX, cb, _SND_UNA) == 0:
        if conn.user_timeout:  # RFC 5482 4.2, as Linux: it decides then, not the number of probes
            dead = cb[_PROBES] and silent >= conn.user_timeout
        else:
            dead = cb[_PROBES] >= conn.keepcnt
        if dead:
            conn.fail(conn.soft_error or _ETIMEDOUT)
            return
        cb[_PROBES] += 1
        move32(cb, _SCRATCH, cb, _SND_UNA)
        add32(cb, _SCRATCH, -1)
        emit(conn, _ACK, _SCRATCH, 0, 0)
    set_timer(conn, _T_KEEP, conn.keepintvl * 1000)
