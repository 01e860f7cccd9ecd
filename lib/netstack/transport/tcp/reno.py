# Reno (RFC 5681): a loss halves the window, congestion avoidance adds a segment each round trip.

from micropython import const

NAME = "reno"
MODEL = None

_SND_MSS = const(14)
_CWND = const(15)
_CREDIT = const(29)


def loss(conn, flight):
    """ssthresh, when something of `flight` bytes was lost (RFC 5681 equation 4)."""
    return flight >> 1


def avoid(conn, acked):
    """Congestion avoidance: `acked` bytes have arrived. A segment a window (RFC 3465 2.1)."""
    cb = conn.cb
    cwnd = cb[_CWND]
    credit = cb[_CREDIT] + acked
    if credit >= cwnd:
        credit -= cwnd
        cb[_CWND] = cwnd + cb[_SND_MSS]
    cb[_CREDIT] = credit


def restart(conn):
    """The window has become what it is by a timeout, or by a pause."""
