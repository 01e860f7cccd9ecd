# What a program may set about a connection, before it is opened or while it runs: keepalive,
# Nagle and corking, quick ACKs, the user timeout (RFC 5482, known here only to ourselves).
#
# Attributes hold what was set; bits of FLAGS tell output.py, input.py and tlp.py of it.

from micropython import const
from netstack.core.clock import elapsed
from netstack.core.wire import sub32
from netstack.transport.tcp.output import set_timer
from netstack.transport.tcp.timers import keep

_LEN = const(1)  # a word of Ring.w

_ESTABLISHED = const(4)
_CLOSE_WAIT = const(7)

_SND_UNA = const(1)
_SND_MAX = const(3)
_UNACKED = const(23)
_T_KEEP = const(27)
_FLAGS = const(31)
_RCVD_AT = const(34)
_FAST = const(53)
_F_ACK_NOW = const(1)
_F_FORCE = const(64)
_F_MORE = const(1 << 22)  # more is to come: less than a segment waits for it
_F_QUICK = const(1 << 23)  # ACKs are not delayed
_F_USER = const(1 << 24)  # the user timeout counts, not the number of timeouts


def adopt(conn):
    """Make the bits what the attributes say. The connection begins, or one was set."""
    flags = conn.cb[_FLAGS] & ~(_F_MORE | _F_QUICK | _F_USER)
    if conn.cork:
        flags |= _F_MORE
    if conn.quickack:
        flags |= _F_QUICK
    if conn.user_timeout:
        flags |= _F_USER
    conn.cb[_FLAGS] = flags
    conn.cb[_FAST] = 0  # predict() looks at them


def inherit(conn):
    """A listener's options have become those of an open connection."""
    adopt(conn)
    if conn.keepalive:
        _keep_from_now_on(conn)
    conn.st.defer(conn)


def change(conn, name, value):
    """Set an attribute, with what follows from it at once."""
    setattr(conn, name, value)
    conn.cb[_FAST] = 0
    if not conn.state:
        return
    adopt(conn)
    cb = conn.cb
    if name == "keepalive":
        cb[_T_KEEP] = 0
        keep(conn)
    elif name == "keepidle":
        _keep_from_now_on(conn)
    elif name == "nodelay" and value:
        _flush(conn, cb)
    elif name == "quickack" and value and cb[_UNACKED]:
        cb[_FLAGS] |= _F_ACK_NOW
    conn.st.defer(conn)


def _keep_from_now_on(conn):
    """The time that nothing has come counts (as in Linux)."""
    if conn.keepalive and _ESTABLISHED <= conn.state <= _CLOSE_WAIT:
        left = conn.keepidle * 1000 - elapsed(conn.st.now, conn.cb[_RCVD_AT])
        set_timer(conn, _T_KEEP, left if left > 0 else 0)


def _flush(conn, cb):
    """What waits goes out, corked or not (as in Linux)."""
    if conn.tx and conn.tx.w[_LEN] > sub32(cb, _SND_MAX, cb, _SND_UNA):
        cb[_FLAGS] |= _F_FORCE
