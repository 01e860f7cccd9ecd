"""The demo's web server (RFC 9112, what a page like this needs of it): the board, looked at live.

    import demo; demo.start()      then GET /, /api/status, /blob/<n>; PUT or POST anywhere

It runs in callbacks of the stack, so the REPL stays free:

    Listener.notify   -> Server.accept -> Client.run
    Connection.notify -> Client.run -> a request's lines -> head and body, as the ring has room

At most _MAX clients are served at a time, the rest wait in the backlog. /blob/<n> is n bytes, the
one at position i being (i + (i >> 8) * 31 + (i >> 16) * 17) & 255. RAM: 2 kB, and the rings.
"""

import gc
import json
import sys

import micropython
from micropython import const
from netstack.api import host
from netstack.core.clock import elapsed
from netstack.transport.tcp.connection import STATES

import demo_page

_EAGAIN = const(11)
_ENOMEM = const(12)

_MAX = const(16)  # clients served at a time
_BACKLOG = const(32)
_SHOWN = const(16)  # connections a status lists
_LINE = const(1024)  # longest line of a request, and how much is moved at a time
_LINES = const(100)
_BLOB_MAX = const(1 << 28)
_TICK_MS = const(1000)
_PATIENCE = const(10)  # ticks without progress before a client is given up
_IDLE = const(30)  # ticks between two requests

# what a client is busy with
_REQUEST = const(0)  # the first line of a request is awaited
_HEADERS = const(1)
_UPLOAD = const(2)  # its body
_ANSWER = const(3)
_DRAIN = const(4)  # answered and shut: what still comes is thrown away until the peer closes

_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    500: "Internal Server Error",
}

_server = None


@micropython.viper
def _pattern(buf: ptr8, n: int, at: int):
    k = 0
    while k < n:
        i = at + k
        buf[k] = i + (i >> 8) * 31 + (i >> 16) * 17
        k += 1


class Server:
    """Made by start()."""

    def __init__(self, st, port):
        self.st = st
        self.buf = bytearray(_LINE)
        self.clients = []
        self._listener = listener = st.tcp.listen(None, None, port, _BACKLOG)
        self.stat = st.counters("demo", ("requests", "refused", "gone", "nomem"))
        self._ms = st.now  # time since boot, kept in seconds and what is left over
        self._seconds = 0
        self._seen = st.now
        self._timer = st.timers.new(self._tick)
        self._timer.start(st.now, _TICK_MS)
        share = min(max((st.budget - st.spent) // 64, 1460), 16384)
        listener.rcvbuf = listener.sndbuf = share
        listener.notify = self.accept

    def accept(self, _):
        """Take on those who wait. The one that has idled for longest makes room for them."""
        listener = self._listener
        while listener.ready:
            if len(self.clients) >= _MAX and not self._evict():
                return
            client = Client(self, listener.accept())
            self.clients.append(client)
            client.run(client.conn)

    def _evict(self):
        oldest = None
        for client in self.clients:
            # a browser opens connections in advance: they get two seconds
            if client.phase == _REQUEST and (client.served or client.idle >= 2):
                if oldest is None or client.idle > oldest.idle:
                    oldest = client
        if oldest is None:
            return False
        oldest.finish()
        return True

    def left(self, client):
        """A client is done with."""
        self.clients.remove(client)
        if self._listener.ready:
            self.st.defer(self._listener)

    def _tick(self):
        st = self.st
        self.uptime()
        for client in list(self.clients):
            client.tick()
        if self._listener.ready:
            self.accept(self._listener)
        self._timer.start(st.now, _TICK_MS if self.clients else 60 * _TICK_MS)

    def uptime(self):
        """Seconds since boot; the stack's clock alone comes round every 12 days."""
        now = self.st.now
        self._ms += elapsed(now, self._seen)
        self._seen = now
        self._seconds += self._ms // 1000
        self._ms %= 1000
        return self._seconds

    def watch(self):
        """There are clients now: look after them every second."""
        if len(self.clients) == 0:
            self._timer.start(self.st.now, _TICK_MS)

    def stop(self):
        self._listener.close()
        self._timer.stop()
        self.st.timers.discard(self._timer)
        for client in list(self.clients):
            client.finish(True)
        del self.st.names["demo"]


class Client:
    """One connection, and the request on it that is being read or answered."""

    def __init__(self, server, conn):
        server.watch()
        self.server = server
        self.conn = conn
        self.idle = 0
        self.served = 0
        self.lines = 0
        self._reset()
        conn.nodelay = True
        conn.notify = self.run

    def _reset(self):
        self.phase = _REQUEST
        self.lines = 0
        self.method = self.path = None
        self.keep = True
        self.upload = 0
        self.text = self.body = b""  # what is sent next, from text[at] on, and what after that
        self.at = 0
        self.blob = self.blob_at = 0  # and then so much of the pattern

    def run(self, _):
        """Called by the stack when something has changed."""
        try:
            while self._step():
                self.idle = 0
        except MemoryError:
            self.server.stat[3] += 1
            self.finish(True)
        except Exception as e:  # a fault of ours must not stop the stack
            sys.print_exception(e)
            self.finish(True)

    def _step(self):
        """Get on by one piece; False when there is nothing more to be done now."""
        phase = self.phase
        if phase == _ANSWER:
            return self._send()
        buf = self.server.buf
        if phase == _UPLOAD or phase == _DRAIN:
            most = _LINE
            if phase == _UPLOAD:
                if self.upload == 0:
                    self._answer()
                    return True
                most = min(self.upload, _LINE)
            n = self.conn.recv(buf, 0, most)
            if n > 0:
                self.upload -= n
            return self._alive(n)
        n = self.conn.peek(buf, 0, _LINE)
        if n <= 0:
            return self._alive(n)
        end = buf.find(b"\n", 0, n) + 1
        if end:
            line = bytes(memoryview(buf)[:end]).strip()
            self.conn.recv(buf, 0, end)
            self._line(line)
        elif n == _LINE:
            self._refuse(400)
        else:
            return False
        return True

    def _alive(self, n):
        """After a read that gave `n`: is there more to be done?"""
        if n == 0 or n < 0 and n != -_EAGAIN:
            self.finish(n < 0)
            return False
        return n > 0

    # -- a request ------------------------------------------------------------------------------

    def _line(self, line):
        self.lines += 1
        if self.phase == _REQUEST:
            if not line and self.lines < 3:  # RFC 9112 2.2: be lenient about empty lines before
                return
            words = line.split()
            if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
                self._refuse(400)
                return
            self.method, self.path, version = words
            self.keep = version != b"HTTP/1.0"
            self.phase = _HEADERS
        elif not line:
            self.phase = _UPLOAD  # of no bytes, if none were announced
        elif self.lines > _LINES:
            self._refuse(400)
        else:
            self._header(line)

    def _header(self, line):
        name, _, value = line.partition(b":")
        name = name.lower()
        value = value.strip().lower()
        if name == b"connection":
            self.keep = value != b"close"
        elif name == b"transfer-encoding":
            self._refuse(411)
        elif name == b"content-length":
            if value.isdigit() and len(value) < 10:
                self.upload = int(value)
            else:
                self._refuse(400)
        elif name == b"expect":
            self.text = b"HTTP/1.1 100 Continue\r\n\r\n"
            self.conn.send(self.text, 0, len(self.text))  # there is room: nothing is under way

    def _answer(self):
        path = self.path.split(b"?")[0]
        if self.method in (b"PUT", b"POST"):
            self._respond(200, b"thanks\n", "text/plain")
        elif self.method not in (b"GET", b"HEAD"):
            self._refuse(405)
        elif path == b"/":
            self._respond(200, demo_page.HTML, "text/html; charset=utf-8")
        elif path == b"/api/status":
            self._respond(200, json.dumps(status(self.server)).encode(), "application/json")
        elif path.startswith(b"/blob/"):
            n = _size(path[6:])
            if n < 0:
                self._refuse(400)
            else:
                self._respond(200, None, "application/octet-stream", n)
        else:
            self._respond(404, b"there is /, /api/status and /blob/<bytes>\n", "text/plain")

    def _respond(self, code, body, kind, blob=0):
        n = len(body) if body is not None else blob
        head = (
            "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n"
            "Cache-Control: no-store\r\nConnection: %s\r\n\r\n"
        ) % (code, _REASONS[code], kind, n, "keep-alive" if self.keep else "close")
        self.text = head.encode()
        self.at = 0
        if self.method != b"HEAD":
            self.body = body or b""
            self.blob = blob
        self.phase = _ANSWER
        self.server.stat[0] += 1

    def _refuse(self, code):
        self.server.stat[1] += 1
        self.keep = False
        self._respond(code, _REASONS[code].encode() + b"\n", "text/plain")

    # -- its answer -----------------------------------------------------------------------------

    def _send(self):
        n = len(self.text) - self.at
        if n:
            n = self.conn.send(self.text, self.at, n)
            if n > 0:
                self.at += n
        elif self.body:
            self.text = self.body
            self.body = b""
            self.at = 0
            return True
        elif self.blob_at < self.blob:
            n = min(self.blob - self.blob_at, self.conn.room(), _LINE)
            if n > 0:
                buf = self.server.buf
                _pattern(buf, n, self.blob_at)
                n = self.conn.send(buf, 0, n)
                if n > 0:
                    self.blob_at += n
            elif self.conn.error:
                n = -self.conn.error
        else:
            self._sent()
            return True
        if n < 0 and n != -_EAGAIN and n != -_ENOMEM:
            self.finish(True)
        return n > 0

    def _sent(self):
        keep = self.keep
        self._reset()
        self.served += 1
        if not keep:
            self.phase = _DRAIN
            self.conn.shutdown_send()

    # -- its end --------------------------------------------------------------------------------

    def tick(self):
        """A second has passed."""
        self.idle += 1
        between = self.phase == _REQUEST and self.conn.available() == 0
        if self.idle > (_IDLE if between else _PATIENCE):
            self.server.stat[2] += 1
            self.finish(not between)
        elif self.phase == _ANSWER:
            self.run(None)  # there may have been no memory for its ring before

    def finish(self, broken=False):
        """Close, or reset what is beyond help."""
        conn = self.conn
        if conn is None:
            return
        self.conn = None
        conn.notify = None
        if broken:
            conn.abort()
        conn.close()
        self.server.left(self)


def _size(text):
    """The number a path names, 64k and 2M understood; -1 when it is none."""
    unit = 1
    if text[-1:] in (b"k", b"K"):
        unit = 1024
    elif text[-1:] in (b"m", b"M"):
        unit = 1024 * 1024
    if unit > 1:
        text = text[:-1]
    if not text.isdigit() or len(text) > 9 or int(text) * unit > _BLOB_MAX:
        return -1
    return int(text) * unit


def _dotted(addr):
    return ".".join(str(part) for part in addr)


def status(server):
    """What the page shows."""
    st = server.st
    conns = []
    states = {}
    for conn in st.tcp.connections():
        name = STATES[conn.state]
        states[name] = states.get(name, 0) + 1
        if len(conns) < _SHOWN and name != "TIME-WAIT":
            peer = "%s:%d" % (_dotted(conn.raddr), conn.rport)
            queued = conn.tx.len if conn.tx else 0
            conns.append((peer, conn.lport, name, conn.available(), queued))
    nifs = []
    counters = st.stats()
    for nif in st.nifs:
        one = {"name": nif.name, "link": nif.link, "drops": getattr(nif.nic, "drops", 0)}
        if nif.v4 and nif.v4.set:
            one["addr"] = _dotted(nif.v4.addr)
            one["gw"] = _dotted(nif.v4.gw)
        one["mac"] = ":".join("%02x" % part for part in nif.mac)
        one.update(counters[nif.name])
        nifs.append(one)
    return {
        "machine": sys.implementation._machine,
        "release": "%d.%d.%d" % sys.implementation.version[:3],
        "uptime": server.uptime(),
        "ms": st.now,
        "heap": (gc.mem_alloc(), gc.mem_free()),
        "nifs": nifs,
        "tcp": counters["tcp"],
        "pool": counters["pool"],
        "requests": server.stat[0],
        "states": states,
        "conns": conns,
    }


def start(port=80):
    """Serve on `port`, in the background, until stop()."""
    global _server
    if _server:
        raise OSError(98, "the demo is running; demo.stop() ends it")  # EADDRINUSE
    host.tcp()
    st = host.stack()
    host.enter(st)
    try:
        _server = Server(st, port)
    finally:
        host.leave(st)


def stop():
    global _server
    if _server:
        st = _server.st
        host.enter(st)
        try:
            _server.stop()
        finally:
            host.leave(st)
        _server = None
