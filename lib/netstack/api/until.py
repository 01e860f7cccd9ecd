# What asyncio's tasks can wait for beside streams (docs/asyncio.md):
#
#   await netstack.until(nic.isconnected)              link, leases, addresses: any condition
#   await netstack.readable(sock); sock.recvfrom(...)  sockets that are no streams: UDP, raw
#
# Whoever stops waiting, cancelled or not, leaves nothing behind.

import io
from micropython import const
from netstack.api import host, state

_EINVAL = const(22)
_POLL = const(3)  # MP_STREAM_POLL
_RD = const(1)


class Condition(io.IOBase):
    """A stream: readable when `true()` is. It is looked at after each poll of the stack, which a
    frame or a timer has been the reason for: nothing about the network changes in between."""

    def __init__(self, true):
        host.stack()
        self._true = true
        self._round = host.current_round()
        self.value = None
        self.error = None

    def look(self):
        """True when there is an end: a value, or an exception."""
        before = state.hurried
        state.hurried = True
        try:
            self.value = self._true()
        except Exception as error:
            self.error = error
        state.hurried = before
        return bool(self.value or self.error)

    def ioctl(self, request, arg):
        if request == _POLL:
            self._round = host.pump_once_a_round(self._round)
            return _RD if self.look() else 0
        return -_EINVAL


async def until(condition):
    """Wait until condition(), which depends on the network alone and must not wait itself, gives
    something true; returns that."""
    from asyncio import core

    it = Condition(condition)
    while not it.look():
        yield core._io_queue.queue_read(it)
    if it.error:
        raise it.error
    return it.value


def _check(stream):
    """The poller of asyncio crashes when it is asked after it has refused what is no stream
    (extmod/modselect.c, poll_set_add_obj): another one shall refuse that."""
    if not isinstance(stream, io.IOBase):
        from select import poll

        poll().register(stream, _RD)


async def readable(stream):
    """Wait until a read, recvfrom() or accept() of a socket would not block."""
    from asyncio import core

    _check(stream)
    yield core._io_queue.queue_read(stream)


async def writable(stream):
    """Wait until a write or sendto() would not block, or a connect() has ended."""
    from asyncio import core

    _check(stream)
    yield core._io_queue.queue_write(stream)
