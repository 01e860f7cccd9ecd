# Host names to addresses, for the faces: waiting in the program, or in an asyncio task.
#
#   addresses("www.example.com", ms) -> [4 bytes, ...]
#   await netstack.getaddrinfo("www.example.com", 80) -> as socket.getaddrinfo() gives
#   netstack.hosts("printer", "10.0.0.9"): the table that is looked at before any server is asked

import io
from micropython import const
from netstack.api import address, host

_A = const(1)
_AAAA = const(28)
_ENOENT = const(2)
_EINVAL = const(22)
_ENETUNREACH = const(101)
_ECONNREFUSED = const(111)
_EHOSTUNREACH = const(113)
_EAI_NONAME = const(-2)
_EAI_AGAIN = const(-3)
_POLL = const(3)  # MP_STREAM_POLL
_RD = const(1)
TOTAL_MS = const(30000)


class Lookup(io.IOBase):
    """One name being looked up, of all types asked for at once. A stream: readable when it is
    done. Raises OSError(EAI_NONAME) for what can be no name."""

    def __init__(self, name, qtypes):
        self.name = name
        self.left = len(qtypes)  # answers that are still to come
        self.addrs = []
        self.errno = 0
        self._round = host.current_round()
        self._resolver = host.dns()
        self._told_bound = self._told
        self._begin(qtypes)

    def _begin(self, qtypes):
        st = self._resolver.st
        host.enter(st)
        try:
            for qtype in qtypes:
                self._resolver.query(self.name, self._told_bound, qtype)
        except ValueError as error:
            raise OSError(_EAI_NONAME, str(error))
        finally:
            host.leave(st)

    def _told(self, name, addrs, errno):
        self.left -= 1
        if addrs:
            self.addrs.extend(addrs)
        if errno and self.errno in (0, _ENOENT):  # other trouble says more than "not there"
            self.errno = errno

    def done(self):
        return self.left == 0

    def ioctl(self, request, arg):
        if request == _POLL:
            self._round = host.pump_once_a_round(self._round)
            return _RD if self.done() else 0
        return -_EINVAL

    def cancel(self):
        """Nobody waits for it any more."""
        if self.left:
            resolver = self._resolver
            host.call(resolver.st, resolver.cancel, self.name, self._told_bound)

    def result(self):
        """All addresses, or OSError."""
        if self.addrs:
            return self.addrs
        if self.left == 0 and self.errno == _ENOENT:
            raise OSError(_EAI_NONAME, "host %s is not known" % self.name)
        if self.errno in (_ENETUNREACH, _EHOSTUNREACH, _ECONNREFUSED):
            text = "no DNS server to be reached (network.ipconfig(dns=...) names one)"
        else:
            text = "no DNS server has answered"
        raise OSError(_EAI_AGAIN, "host %s: %s" % (self.name, text))


def types():
    """What to ask for: addresses of the families that the stack can talk to."""
    ip6 = host.stack().ip6
    return (_A, _AAAA) if ip6 and ip6.connected() else (_A,)


def addresses(name, ms=-1):
    """All addresses of a host, waiting for DNS for up to `ms` milliseconds (-1: 30 seconds)."""
    lookup = Lookup(name, types())
    try:
        host.wait(lookup.done, TOTAL_MS if ms < 0 else ms)
    finally:
        lookup.cancel()
    return lookup.result()


async def getaddrinfo(host, port, af=0, type=0, proto=0, flags=0):
    """socket.getaddrinfo() for asyncio: other tasks run while servers are asked. Several may be
    under way. The resolver gives up after 10 s, asyncio.wait_for() earlier."""
    port = address.check(af, port)
    addrs = address.known(host, flags, af)
    if addrs is None:
        name = host if isinstance(host, str) else host.decode()
        addrs = address.chosen(name, await _answer(name), af)
    return address.infos(addrs, port, type, proto, host, af)


async def _answer(name):
    from asyncio import core

    lookup = Lookup(name, types())
    try:
        while not lookup.done():
            yield core._io_queue.queue_read(lookup)
    finally:
        lookup.cancel()
    return lookup.result()


def hosts(name=None, *addresses):
    """hosts("printer", "10.0.0.9") names addresses, hosts("printer") forgets the name, hosts()
    gives the table: {name: [address, ...]}."""
    table = host.dns().hosts
    if name is None:
        return {name: [address.show(addr) for addr in table[name]] for name in table}
    name = name.lower()
    if addresses:
        table[name] = [address.either(text, name) for text in addresses]
    else:
        table.pop(name, None)
