# What a connection does once for all that a batch of segments, or a call of a program, has
# brought: machine code, as it runs for each segment of some transfers.

import netstack
from micropython import const
from netstack.transport.tcp.fast import predict
from netstack.transport.tcp.output import output
from netstack.transport.tcp.timers import arm

_TIME_WAIT = const(10)

_FLAGS = const(31)
_STATE = const(37)
_FAST = const(53)
_QUEUED = const(54)
_F_CHANGED = const(1 << 25)


@micropython.viper
def run(conn):
    """Connection.run(), the end of a batch: tell the user, send what is due, set the timer."""
    cb = ptr32(conn.cb)
    cb[_QUEUED] = 0
    if cb[_FLAGS] & _F_CHANGED:
        cb[_FLAGS] = cb[_FLAGS] & ~_F_CHANGED
        if conn.notify:
            _tell(conn)
    if cb[_STATE]:
        if not (cb[_FAST] and netstack.fastpath and conn.tcp.send(conn)):
            output(conn)
            predict(conn)
        if cb[_STATE] and cb[_STATE] != _TIME_WAIT:  # these have no timer
            arm(conn)


@micropython.native
def _tell(conn):
    """Something has changed. What the user does now goes out together with the rest."""
    conn.deferred = True
    try:
        conn.notify(conn)
    except BaseException as error:  # the program's own: what is due is not forgotten
        conn.deferred = False
        conn.st.defer(conn)
        raise error
    conn.deferred = False


@micropython.viper
def dry(conn) -> bool:
    """Is it certain that recv() would say -EAGAIN? Then there is no need to enter the stack."""
    cb = ptr32(conn.cb)
    ring = cb[55] | ((cb[56] << 16) << 16)
    if not cb[_FAST]:
        return False
    return ring == 0 or ptr32(ring)[1] == 0
