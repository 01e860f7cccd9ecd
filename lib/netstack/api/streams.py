# asyncio's streams: asyncio.open_connection() and start_server() in an image with netstack.
#
# They do what those of MicroPython's asyncio do, whose interface and first form they have
# (extmod/asyncio/stream.py, MIT license, (c) 2019-2020 Damien P. George), and otherwise:
#
# - a name is asked for without stopping other tasks, and connecting tries all its addresses
#   (eyeballs.py); a connection that fails is OSError at once;
# - whatever is cancelled, by wait_for() too, leaves nothing behind: no socket stays open that
#   nobody has, no byte is lost that was read, none is sent twice;
# - a server listens at addresses of either family; a handler that ends by an exception leaves no
#   connection open.

import sys
from asyncio import core
from errno import EBADF
from netstack.api import resolve
from netstack.api import socket as _socket


class Stream:
    def __init__(self, s, e={}):
        self.s = s
        self.e = e
        self.in_buf = b""  # read by a call that was cancelled before it had all
        self.out_buf = b""  # waits for drain(),
        self.out_off = 0  # which has sent so much of it

    def get_extra_info(self, v, default=None):
        if v == "socket":
            return self.s
        return self.e.get(v, default)

    def close(self):
        self.s.close()

    async def wait_closed(self):
        self.s.close()

    # async
    def _part(self, n):
        """Up to `n` bytes, b"" at the end; all that there is for now if `n` is below 0."""
        r = self.in_buf
        if r:
            self.in_buf = b"" if n < 0 else r[n:]
            return r if n < 0 else r[:n]
        while True:
            yield core._io_queue.queue_read(self.s)
            r = self.s.read(n)
            if r is not None:
                return r

    # async
    def read(self, n=-1):
        if n >= 0:
            return (yield from self._part(n))
        return (yield from self._gather(-1))

    # async
    def readexactly(self, n):
        return (yield from self._gather(n))

    # async
    def _gather(self, n):
        """`n` bytes, or all until the end."""
        r = b""
        try:
            while n < 0 or len(r) < n:
                r2 = yield from self._part(n if n < 0 else n - len(r))
                if not r2:
                    if n < 0:
                        return r
                    raise EOFError
                r += r2
        except:
            self.in_buf = r + self.in_buf
            raise
        return r

    # async
    def readinto(self, buf):
        r = self.in_buf
        if r:
            n = min(len(r), len(buf))
            buf[:n] = r[:n]
            self.in_buf = r[n:]
            return n
        yield core._io_queue.queue_read(self.s)
        return self.s.readinto(buf)

    # async
    def readline(self):
        r = self.in_buf
        self.in_buf = b""
        try:
            while True:
                n = r.find(b"\n") + 1
                if n:
                    self.in_buf = r[n:]
                    return r[:n]
                yield core._io_queue.queue_read(self.s)
                r2 = self.s.readline()  # may do multiple reads but won't block
                if r2 is not None:
                    if not r2:
                        return r
                    r += r2
        except:
            self.in_buf = r
            raise

    def write(self, buf):
        if not self.out_buf:
            # Try to write immediately to the underlying stream.
            ret = self.s.write(buf)
            if ret == len(buf):
                return
            if ret is not None:
                buf = buf[ret:]
        if self.out_off:
            self.out_buf = self.out_buf[self.out_off :]
            self.out_off = 0
        self.out_buf += buf  # which takes no memory if there was nothing

    # async
    def drain(self):
        if not self.out_buf:
            # Drain must always yield, so a tight loop of write+drain can't block the scheduler.
            return (yield from core.sleep_ms(0))
        while self.out_off < len(self.out_buf):  # other tasks may write meanwhile
            yield core._io_queue.queue_write(self.s)
            ret = self.s.write(memoryview(self.out_buf)[self.out_off :])
            if ret is not None:
                self.out_off += ret
        self.out_buf = b""
        self.out_off = 0

    async def awrite(self, buf, off=0, sz=-1):
        """Of the time of uasyncio."""
        if off != 0 or sz != -1:
            buf = memoryview(buf)[off : len(buf) if sz < 0 else off + sz]
        self.write(buf)
        await self.drain()

    aclose = wait_closed
    awritestr = awrite


# One class reads and writes.
StreamReader = Stream
StreamWriter = Stream


async def open_connection(host, port, ssl=None, server_hostname=None):
    """(reader, writer) of a connection to host:port."""
    from netstack.api.eyeballs import create_connection

    s = await create_connection((host, port))
    try:
        peer = s.getpeername()
        if ssl:
            if ssl is True:
                import ssl as _ssl

                ssl = _ssl.SSLContext(_ssl.PROTOCOL_TLS_CLIENT)
            s = _wrap(s, ssl, server_hostname=server_hostname or host)
            s.setblocking(False)
    except:
        s.close()
        raise
    stream = Stream(s, {"peername": peer})
    return stream, stream


def _wrap(s, ssl, **kw):
    return ssl.wrap_socket(s, do_handshake_on_connect=False, **kw)


class Server:
    """What start_server() gives; also for `async with`."""

    def __init__(self):
        self.state = False  # close() was called

    async def __aenter__(self):
        return self

    async def __aexit__(self, exc_type, exc, tb):
        self.close()
        await self.wait_closed()

    def close(self):
        """Accept no more. Connections that are there go on."""
        self.state = True
        self.task.cancel()

    async def wait_closed(self):
        await self.task

    async def _serve(self, s, cb, ssl):
        try:
            while True:
                yield core._io_queue.queue_read(s)
                try:
                    s2, addr = s.accept()
                except OSError as er:
                    if er.errno == EBADF:  # somebody has closed the socket
                        return
                    continue  # it is gone already
                self._begin(s2, addr, cb, ssl)
        except core.CancelledError:
            # By close(): nobody need know. Else the task itself was cancelled.
            if not self.state:
                raise
        finally:
            s.close()

    def _begin(self, s, addr, cb, ssl):
        """Have a task made of cb() for a new connection."""
        try:
            s.setblocking(False)
            if ssl:
                s = _wrap(s, ssl, server_side=True)
                s.setblocking(False)
            stream = Stream(s, {"peername": addr})
            core.create_task(_handle(cb, stream))
        except Exception as er:  # one client's trouble is not that of the others
            s.close()
            sys.print_exception(er, sys.stderr)


async def _handle(cb, stream):
    try:
        result = cb(stream, stream)
        if result is not None:
            await result
    except:
        stream.s.close()  # whoever had it is no more
        raise


async def start_server(cb, host, port, backlog=5, ssl=None):
    """A Server that calls cb(reader, writer), a coroutine, in a task for each connection."""
    info = (await resolve.getaddrinfo(host or "0.0.0.0", port, 0, _socket.SOCK_STREAM))[0]
    s = _socket.socket(info[0])
    try:
        s.setblocking(False)
        s.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        s.bind(info[-1])
        s.listen(backlog)
    except:
        s.close()
        raise
    server = Server()
    server.task = core.create_task(server._serve(s, cb, ssl))
    try:
        # _serve() has to have begun before it is cancelled, or it would not close the socket.
        await core.sleep_ms(0)
    except core.CancelledError:
        s.close()
        server.close()
        raise
    return server
