# Connecting to a host by the address that answers first (Happy Eyeballs, RFC 8305):
#
#   socket.create_connection(("www.example.com", 80), timeout=10)      waits
#   await netstack.create_connection(("www.example.com", 80))          the same for asyncio
#   reader, writer = await netstack.open_connection("www.example.com", 80)
#
# Addresses of both families are asked for at once. Each is tried for 250 ms before the next is
# tried as well, IPv6 and IPv4 in turn, and who is connected first stays. The family that
# network.ipconfig(prefer=...) names begins; an answer of the other waits 50 ms for its answer.

import io
from micropython import const
from netstack.api import address, host, resolve, state
from netstack.api import socket as _socket
from netstack.core.clock import elapsed

_AF_INET = const(2)
_AF_INET6 = const(10)
_SOCK_STREAM = const(1)
_EINVAL = const(22)
_ETIMEDOUT = const(110)
_EINPROGRESS = const(115)
_EAI_AGAIN = const(-3)
_A = const(1)
_AAAA = const(28)
_SYN_SENT = const(2)  # states of a connection
_SYN_RCVD = const(3)
_POLL = const(3)  # MP_STREAM_POLL
_RD = const(1)
_RESOLUTION_MS = const(50)  # RFC 8305 8
_ATTEMPT_MS = const(250)
_MOST = const(8)  # attempts

# numbers are Linux's on every port, which MicroPython's errno does not know everywhere
_NAMES = {
    101: "ENETUNREACH",
    104: "ECONNRESET",
    110: "ETIMEDOUT",
    111: "ECONNREFUSED",
    113: "EHOSTUNREACH",
}


class Race(io.IOBase):
    """One connection in the making. A stream: readable when it is decided."""

    def __init__(self, addr, timeout=None, source=None):
        name, port = addr[0], address.port_number(addr[1])
        self.st = host.stack()
        host.tcp()
        self.winner = None
        self.name = name if isinstance(name, str) else name.decode()
        self._port = port
        self._source = source
        self._ms = -1 if timeout is None else int(timeout * 1000)
        self._todo = []  # (family, address of a socket), the next first
        self._running = []  # sockets that are being connected
        self._errors = []  # (address, errno) of attempts that have failed
        self._trouble = None  # why there are no addresses
        self._family = 0  # of the last attempt
        self._began = self.st.clock() & 0x3FFFFFFF
        self._last = self._known = None  # when the last attempt was made, an answer came first
        self._late = self._taken = False
        self._lookups = []
        self._round = host.current_round()
        self._timer = self.st.timers.new(_nothing)
        try:
            self._ask()
        except OSError:
            self.close()
            raise

    def _ask(self):
        families = (_AF_INET, _AF_INET6)
        if self._source:
            families = (_AF_INET6 if ":" in self._source[0] else _AF_INET,)
        known = address.known(self.name)
        if known is None:
            types = resolve.types()
            for family, qtype in ((_AF_INET6, _AAAA), (_AF_INET, _A)):
                if qtype in types and family in families:
                    lookup = resolve.Lookup(self.name, (qtype,))
                    lookup.family = family
                    self._lookups.append(lookup)
        else:
            self._add([addr for addr in known if _family(addr) in families])
        if not (self._lookups or self._todo):
            raise OSError(-2, "host %s has no address of this family" % self.name)

    # -- deciding ---------------------------------------------------------------------------

    def step(self):
        """Do what is due. True when it is decided: connected, or there is no hope."""
        if self.winner:
            return True
        now = self.st.clock() & 0x3FFFFFFF
        self._answers(now)
        while True:  # with this host itself it is decided at once
            self._results()
            if self.winner:
                return True
            if 0 <= self._ms <= elapsed(now, self._began):
                self._late = True
                return True
            if not (self._todo and self._turn(now)):
                break
            self._try(now)
        if self._ms >= 0:
            self._wake(now, self._ms - elapsed(now, self._began))
        return not (self._todo or self._running or self._lookups)

    def _answers(self, now):
        """What DNS has said since."""
        for lookup in list(self._lookups):
            if not lookup.done():
                continue
            self._lookups.remove(lookup)
            try:
                addrs = lookup.result()
            except OSError as error:
                if self._trouble is None or error.errno == _EAI_AGAIN:
                    self._trouble = error
                continue
            if self._known is None:
                self._known = now
            self._add(addrs)

    def _add(self, addrs):
        """More addresses: RFC 8305 4: by RFC 6724, then the families in turn."""
        inet6 = address.six()
        new = [(_family(addr), addr) for addr in addrs]
        rows = [row for row in self._todo + new if row[1]]
        if inet6 and len(rows) > 1:
            rows = [
                (_family(addr), addr) for addr in inet6.order([r[1] for r in rows], state.prefer)
            ]
        first = rows[0][0] if rows and not self._family else _AF_INET + _AF_INET6 - self._family
        queues = [[r for r in rows if r[0] == first], [r for r in rows if r[0] != first]]
        self._todo = []
        while (queues[0] or queues[1]) and len(self._todo) < _MOST:
            for queue in queues:
                if queue:
                    self._todo.append(queue.pop(0))

    def _results(self):
        """Which attempts have come to an end?"""
        for sock in list(self._running):
            conn = sock._io
            if conn.state == _SYN_SENT or conn.state == _SYN_RCVD:
                continue
            self._running.remove(sock)
            if conn.error:
                self._failed(sock.to, conn.error)
                sock.close()
                self._last = None  # RFC 8305 5: the next one at once
            elif self.winner is None:
                self.winner = sock
            else:
                sock.close()

    def _turn(self, now):
        """Is it time for another attempt?"""
        left = 0
        if self._last is not None and self._running:
            left = _ATTEMPT_MS - elapsed(now, self._last)
        elif not self._family and self._known is not None and self._waits():
            left = _RESOLUTION_MS - elapsed(now, self._known)
        if left > 0:
            self._wake(now, left)
        return left <= 0

    def _waits(self):
        """Is the answer of the family that is to begin still to come?"""
        prefer = _AF_INET6 if state.prefer == 6 else _AF_INET
        return any(lookup.family == prefer for lookup in self._lookups)

    def _try(self, now):
        self._family, addr = self._todo.pop(0)
        self._last = now
        to = address.infos([addr], self._port, _SOCK_STREAM, 0, self.name)[0][-1]
        try:
            sock = _Attempt(self._family)
        except OSError as error:
            self._failed(to[0], error.errno)
            return
        sock.to = to[0]
        sock.settimeout(0)
        self._running.append(sock)  # so that close() knows of it, whatever happens
        try:
            if self._source:
                sock.bind(self._source)
            sock.connect(to)
        except OSError as error:
            if error.errno != _EINPROGRESS:
                self._failed(to[0], error.errno)
                self._running.remove(sock)
                sock.close()

    def _failed(self, name, errno):
        self._errors.append((name, errno))

    def _wake(self, now, ms):
        """Have step() called again by then."""
        timer = self._timer
        if not timer.active or elapsed(timer.due, now) > ms:
            host.call(self.st, timer.start, now, ms if ms > 0 else 0)

    # -- the end ----------------------------------------------------------------------------

    def ioctl(self, request, arg):
        if request == _POLL:
            self._round = host.pump_once_a_round(self._round)
            return _RD if self.step() else 0
        return -_EINVAL

    def close(self):
        """Nobody waits any more: whatever has not won ends, and a winner that nobody has taken."""
        if self.winner and not self._taken:
            self.winner.close()
        for lookup in self._lookups:
            lookup.cancel()
        for sock in self._running:
            sock.close()
        self._lookups = []
        self._running = []
        if self._timer:
            self.st.timers.discard(self._timer)
            self._timer = None

    def result(self):
        """The socket. Raises OSError that tells of all attempts."""
        if self.winner:
            self._taken = True
            return self.winner
        if not (self._errors or self._running):
            if self._late and self._lookups or self._trouble is None:
                what = "no address in time" if self._lookups else "no time to connect"
                raise OSError(_ETIMEDOUT, "host %s: %s" % (self.name, what))
            raise self._trouble
        for sock in self._running:
            self._failed(sock.to, _ETIMEDOUT)
        said = ["%s %s" % (name, _NAMES.get(errno, errno)) for name, errno in self._errors]
        text = "%s port %d: %s" % (self.name, self._port, ", ".join(said))
        raise OSError(self._errors[-1][1], text)


class _Attempt(_socket.socket):
    to = None


def _family(addr):
    return _AF_INET if len(addr) == 4 else _AF_INET6


def _nothing():
    """The stack is polled, and then step() is called."""


def connect(address, timeout=None, source_address=None, *, ssl=None, server_hostname=None):
    """socket.create_connection()"""
    race = Race(address, timeout, source_address)
    try:
        host.wait(race.step, -1)
        sock = race.result()
    finally:
        race.close()
    sock.settimeout(timeout)
    return _secured(sock, ssl, server_hostname or address[0], True)


def _secured(sock, ssl, name, shake):
    """The same socket, with TLS if there is a context for it."""
    if ssl is None:
        return sock
    try:
        return ssl.wrap_socket(sock, do_handshake_on_connect=shake, server_hostname=name)
    except:
        sock.close()
        raise


async def create_connection(
    address, timeout=None, source_address=None, ssl=None, server_hostname=None
):
    """socket.create_connection() for asyncio: other tasks run meanwhile. The socket does not
    block. ssl: an SSLContext, for TLS with server_hostname, or else the host."""
    from asyncio import core

    race = Race(address, timeout, source_address)
    try:
        while not race.step():
            yield core._io_queue.queue_read(race)
        sock = race.result()
    finally:
        race.close()
    return _secured(sock, ssl, server_hostname or address[0], False)


async def open_connection(host, port, timeout=None, ssl=None, server_hostname=None):
    """asyncio.open_connection(), which asks for names and connects without stopping others."""
    from asyncio.stream import Stream

    sock = await create_connection((host, port), timeout, None, ssl, server_hostname)
    stream = Stream(sock)
    return stream, stream
