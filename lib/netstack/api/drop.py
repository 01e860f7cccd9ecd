# Sockets that nobody has any more, and that nobody has closed: the collector finds them, and what
# they stood on is closed.
# What follows is called by who is inside the stack, since two cores may.
#
# MicroPython runs no finalisers of Python classes. So each socket has a Guard, an object of C that
# dies with it: ports/guard/guard.c. Its finaliser runs inside the collector, wherever that was
# called, so all it does is to set `notify` of what the socket stood on to lost(), and to have
# _found() scheduled. `held` keeps what is to be found there alive till then. A MicroPython without
# that type, as a stock firmware is, does not close them: what they stood on stays.
#
# The collector runs when the heap is full, which the stack's budget is long before: so it is asked
# for as well when a port or memory is missing.

import gc
from micropython import const, schedule
from netstack.api import host
from netstack.core.clock import elapsed

try:
    from _netstack import Guard, on_drop
except ImportError:
    Guard = None

_EVERY_MS = const(1000)
_ENOMEM = const(12)
_EADDRINUSE = const(98)

held = {}  # id -> what a socket stands on
shared = []  # what more than one socket stands on, once for each beside the first: dup()


def lost(io):
    """What is told of something whose socket is gone: nobody listens."""


def hold(guard, io):
    """A socket stands on `io` from now on; `guard` is what it had before, or None. Returns the
    guard to be kept."""
    if Guard is None:
        return None
    if guard is None:
        guard = Guard(io)
        io.st.short = short
    else:
        held.pop(id(guard.io(io)), None)
    held[id(io)] = io
    return guard


def let_go(guard):
    """A socket is closed, and no concern of ours any more."""
    if guard is not None:
        held.pop(id(guard.io(None)), None)


def share(guard, io):
    """One more socket stands on `io`, with the same guard, which dies when both have gone."""
    shared.append(io)
    if guard is not None:
        held[id(io)] = io


def unshare(io):
    """A socket that stands on `io` is closed: is there another?"""
    if io in shared:
        shared.remove(io)
        return True
    return False


def collect():
    """Close at once what is lost. Nobody is inside the stack."""
    gc.collect()
    _reaper.call_back()


def spare(st, f, *args):
    """host.call(), and once more if what is lost may have been in the way."""
    try:
        return host.call(st, f, *args)
    except OSError as error:
        if Guard is None or error.errno != _ENOMEM and error.errno != _EADDRINUSE:
            raise
    collect()
    return host.call(st, f, *args)


_collected = -1  # when short() was last heard


def short():
    """A peer wants a connection, and there was no memory: what is lost is closed soon, so his next
    try finds some. That takes a while, so not more often than once a second."""
    global _collected
    now = host.stack().now
    if _collected < 0 or not 0 <= elapsed(now, _collected) < _EVERY_MS:
        _collected = now
        try:
            schedule(_collect, None)
        except RuntimeError:  # too much to do: another time
            pass


def _collect(_):
    gc.collect()


class _Reaper:
    def call_back(self):
        """Close what is lost. Called by the scheduler: whoever is inside the stack by then goes on
        first."""
        st = host.stack()
        if host.interrupted(st):
            host.owe(self)
            return
        host.enter(st)
        try:
            for key in list(held):
                io = held[key]
                if io.notify is lost:
                    held.pop(key)
                    while unshare(io):
                        pass
                    io.notify = None
                    io.close()
        finally:
            host.leave(st)


_reaper = _Reaper()


def _found(_):
    """Scheduled by a finaliser."""
    _reaper.call_back()


if Guard:
    on_drop(lost, _found)
