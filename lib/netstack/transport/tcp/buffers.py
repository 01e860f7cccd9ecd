# The memory of a connection: its two rings, and the receive window that stands for one of them.
#
# Out of the stack's budget a connection takes `rx_held` and `tx_held` bytes. When it begins that
# is a small guarantee, so that no send can fail later for want of budget and there is always
# place for two segments. The rings are made when there is something to put into them, as large as
# that needs, and grow by doubling. Empty ones are given back when memory gets short: slim().
#
# The window offered follows `rx_size`, which may be more than `rx_held`: budget and heap are asked
# when the text comes, not when it is invited, or idle connections would hold all of it. Text there
# is no place for is dropped, counted and answered at once with a duplicate ACK, and comes again.
# Then rx_size falls to rx_held; the right edge stays where it is all the same (RFC 9293
# 3.8.6.2.2), until that much has come. rx_size doubles when
# a program reads more than half of it within a round trip (dynamic right-sizing, as Linux's
# tcp_rcv_space_adjust), up to the socket's `rcvbuf` and what half of the free budget could back.
#
# Words of the control block: 92 READ_AT, when the round trip being looked at began; 93 READ, the
# bytes read in it.

from micropython import const
from netstack.core.clock import elapsed
from netstack.core.ring import Ring
from netstack.core.wire import address

_CWND = const(15)
_SRTT = const(18)
_FAST = const(53)
_RX = const(55)  # addresses of the rings' words, for fast.py
_TX = const(57)
_RX_SIZE = const(60)
_READ_AT = const(92)
_READ = const(93)

_RX_MIN = const(2920)  # two segments: fewer would always meet delayed ACKs
_TX_MIN = const(1460)
_LEAST = const(256)  # whatever a program asks for
_FIRST = const(65535)  # the largest window to begin with: what a SYN can tell of (RFC 7323 2.2)
_RTT = const(100)  # while none is known
_ENOMEM = const(12)


@micropython.native
def reserve(conn):
    """Take the guarantee of both rings. Raises OSError(ENOMEM)."""
    rx = _within(_RX_MIN, conn.rcvbuf)
    tx = _within(_TX_MIN, conn.sndbuf)
    while not conn.st.charge(rx + tx):
        if not conn.tcp.limits.make_way():
            raise OSError(_ENOMEM)
    conn.rx_held = rx
    conn.tx_held = tx
    conn.cb[_READ_AT] = conn.st.now
    if not conn.rx_size:
        conn.rx_size = first_window(conn.st, conn.rcvbuf)


@micropython.native
def _within(n, limit):
    if limit < _LEAST:
        limit = _LEAST
    return n if n < limit else limit


@micropython.native
def first_window(st, rcvbuf):
    """The window a new connection begins with: all of `rcvbuf` up to 64 kB while memory is ample;
    no more than a sixteenth of what is left; two segments at least."""
    size = st.left() >> 4
    if size < _RX_MIN:
        size = _RX_MIN
    elif size > _FIRST:
        size = _FIRST
    return _within(size, rcvbuf)


def receive_ring(conn, n):
    """The receive ring, with place for `n` bytes in all; None when budget or heap have none."""
    ring = conn.rx
    if ring is not None and ring.size >= n:
        return ring
    size = 2 * ring.size if ring else conn.rx_held
    if size < n:
        size = n
    if size > conn.rx_size:
        size = conn.rx_size
    if size >= n and (_grow(conn, size, size == n) or size > n and _grow(conn, n, True)):
        return conn.rx
    return _short(conn)


def _grow(conn, size, last):
    """See that the receive ring has `size` bytes; False when budget or heap have no place for
    it, for which the `last` attempt is counted."""
    extra = size - conn.rx_held
    if extra < 0:
        extra = 0
    if extra and not _charge(conn, extra):
        return False
    ring = _sized(conn.st, conn.rx, size, extra)
    if ring is None or ring.size != size:
        conn.st.nomem += last
        return False
    conn.rx = ring
    conn.rx_held += extra
    address(conn.cb, _RX, ring.w)
    return True


def _short(conn):
    """There is no memory for what was invited: invite no more of it."""
    conn.rx_size = conn.cb[_RX_SIZE] = conn.rx_held


def send_limit(conn):
    """How large the send ring may be. Beyond 64 kB it only grows as far as the congestion window
    makes use of it."""
    limit = conn.sndbuf
    most = 2 * conn.cb[_CWND]
    if most < _FIRST:
        most = _FIRST
    if limit > most:
        limit = most
    most = conn.tx_held + (conn.st.left() >> 3)
    if limit > most:
        limit = most
    return limit if limit > conn.tx_held else conn.tx_held


def send_ring(conn, n):
    """The send ring, if possible with place for `n` more bytes; None when the heap has none."""
    ring = conn.tx
    st = conn.st
    limit = send_limit(conn)
    size = conn.tx_held
    if ring:
        size = 2 * ring.size
        n += ring.len
    if size < n:
        size = n
    if size > limit:
        size = limit
    if ring and size <= ring.size:
        return ring
    extra = size - conn.tx_held
    if extra > 0 and not _charge(conn, extra):
        size = conn.tx_held
        extra = 0
    conn.tx = _sized(st, ring, size, extra)
    if conn.tx is None:
        st.nomem += 1
    if conn.tx is not None and conn.tx.size == size:
        conn.tx_held += extra
        address(conn.cb, _TX, conn.tx.w)
    return conn.tx


def _charge(conn, n):
    """Take `n` bytes of the budget for a ring of `conn`, which is not to be slimmed for that."""
    tcp = conn.tcp
    tcp.spared = conn
    good = conn.st.charge(n)
    tcp.spared = None
    return good


def _sized(st, ring, size, charged):
    """`ring`, or a new one, with `size` bytes; as it was when the heap has none, and what was
    charged for it is given back."""
    try:
        if ring is None:
            return Ring(size)
        ring.resize(size)
    except MemoryError:
        st.credit(charged)
    return ring


def tune(conn, n):
    """The program has read `n` bytes: would a larger window be of use?"""
    cb = conn.cb
    rtt = cb[_SRTT] >> 3 or (1 if cb[_SRTT] else _RTT)
    if 0 <= elapsed(conn.st.now, cb[_READ_AT]) < rtt:
        cb[_READ] += n
    else:
        cb[_READ_AT] = conn.st.now
        cb[_READ] = n
    if cb[_READ] > conn.rx_size >> 1:
        _widen(conn)


def _widen(conn):
    size = 2 * conn.rx_size
    if size > conn.rcvbuf:
        size = conn.rcvbuf
    most = conn.rx_held + (conn.st.left() >> 1)
    if size > most:
        size = most
    if size > conn.rx_size:
        conn.rx_size = conn.cb[_RX_SIZE] = size


def _idle_receive(conn):
    return conn.rx is not None and conn.rx.len == 0 and not (conn.ranges and conn.ranges.n)


def slim(conn):
    """Give back what empty rings hold beyond the guarantee."""
    cb = conn.cb
    if _idle_receive(conn):
        conn.rx = None
        cb[_RX] = cb[_RX + 1] = 0
        least = _within(_RX_MIN, conn.rcvbuf)
        if conn.rx_held > least:
            conn.st.credit(conn.rx_held - least)
            conn.rx_held = least
    if conn.tx is not None and conn.tx.len == 0:
        conn.tx = None
        cb[_TX] = cb[_TX + 1] = 0
        least = _within(_TX_MIN, conn.sndbuf)
        if conn.tx_held > least:
            conn.st.credit(conn.tx_held - least)
            conn.tx_held = least


@micropython.native
def free_send(conn):
    """Nothing is sent any more."""
    conn.st.credit(conn.tx_held)
    conn.tx_held = 0
    cb = conn.cb
    cb[_FAST] = 0
    if conn.tx is not None:
        conn.tx = conn.board = None
        cb[_TX] = cb[_TX + 1] = 0


@micropython.native
def free(conn):
    """The connection is over, and nobody reads what it has left."""
    free_send(conn)
    conn.st.credit(conn.rx_held)
    conn.rx_held = conn.rx_size = 0
    if conn.rx is not None:
        conn.rx = conn.ranges = None
        conn.cb[_RX] = conn.cb[_RX + 1] = 0
