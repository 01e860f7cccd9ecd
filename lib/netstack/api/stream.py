# Sockets as streams: the methods of socket.py's class that go on until all is read, or a line.

from micropython import const
from netstack.api import host as _host
from netstack.core.clock import elapsed
from time import ticks_ms

_LOCK = const(44)  # of Stack.w
_SLEEPING = const(65)
_EBADF = const(9)
_EAGAIN = const(11)
_EINVAL = const(22)
_ETIMEDOUT = const(110)
_LINE = const(64)
_ALL = const(1024)
_DGRAM_MAX = const(65535)


class timeout(OSError):
    """OSError(ETIMEDOUT), by the name that CPython has for it: socket.timeout."""


def fault(errno):
    """The exception for an errno."""
    return timeout(errno) if errno == _ETIMEDOUT else OSError(errno)


@micropython.native
def readinto(self, buf, nbytes=-1):
    """Fills `buf` (or its first `nbytes`); less at the end of the stream, at a timeout, or
    without blocking, where None says that nothing has come."""
    size = len(buf) if nbytes < 0 else min(nbytes, len(buf))
    if size:
        buf[0] = buf[0]  # raises TypeError if it may not be written
    done = 0
    while done < size:
        n = self._pull(buf, done, size - done)
        if n == -_EAGAIN or (n == -_ETIMEDOUT and done):
            return done or None
        if n < 0:
            raise fault(-n)
        done += n
        if n == 0 or self._dgram:
            break
    return done


def read(self, size=-1):
    """`size` bytes, or all until the end; less as with readinto()."""
    if self._dgram:
        return self._recv(_DGRAM_MAX if size < 0 else size)
    parts = []
    left = size
    while left:
        data = self._recv(_ALL if size < 0 else left)
        if data is None:
            if parts:
                break
            if self._timeout:
                raise timeout(_ETIMEDOUT)
            return None
        if not data:
            break
        parts.append(data)
        left -= len(data) if size > 0 else 0
    return parts[0] if len(parts) == 1 else b"".join(parts)


def readline(self, limit=-1):
    """A line with its newline; without one at the end of the stream or at `limit` bytes."""
    line = b""
    while limit < 0 or len(line) < limit:
        if not self._wait_readable():
            if line:
                break
            if self._timeout:
                raise timeout(_ETIMEDOUT)
            return None
        n = _LINE if limit < 0 else min(_LINE, limit - len(line))
        part = _upto_newline(self, n)
        line += part
        if not part or part[-1] == 10:
            break
    return line


def _upto_newline(self, n):
    """What has come, up to `n` bytes, but nothing behind a newline; empty at the end."""
    data = bytearray(n)
    io = self._check_open()
    _host.enter(self._st)
    try:
        n = io.peek(data, 0, n)
        if n > 0:
            at = data.find(b"\n", 0, n)
            n = io.recv(data, 0, at + 1 if at >= 0 else n)
    finally:
        _host.leave(self._st)
    if n < 0:
        raise fault(-self._told(io, n))
    return bytes(memoryview(data)[:n])


@micropython.native
def doze(self, io, start, due, sending=False):
    """The rest of it, when the stack is due in `due` milliseconds."""
    if self._io is not io:
        raise OSError(_EINVAL if self._io else _EBADF)
    if io.event:
        return True
    ms = self._timeout
    if ms == 0:
        return False
    if self._words[_LOCK] and _host.interrupted(self._st):
        raise OSError(_EAGAIN, _host.BUSY)
    if ms < 0 and self._limits:
        ms = self._limits[sending]
    if ms > 0:
        left = ms - elapsed(ticks_ms() & 0x3FFFFFFF, start)
        if left <= 0:
            return False
        if due < 0 or left < due:
            due = left
    if due and not (self._dgram and (io.waiting or io.error)):
        if not io.notify and self._words[_SLEEPING]:  # another core may take what comes in
            self._listen_in(io)
        self._st.idle(due)
    return True
