# DNS forwarder (RFC 5625): hosts on a link ask us, and we ask our servers. With a captive portal,
# every name has our own address instead.
#
#   forwarder = dns_forward.attach(st); forwarder.start([nif, ...], captive)
#   UDP.input -> _Front.take -> _Relay, a UDP endpoint with a random port and id -> a server
#   UDP.input -> _Relay.take -> the same message with the client's id -> the client
#
# Messages pass as they are, whatever is asked for, EDNS0 included. Nothing is kept but what is
# under way, at most 16 questions. Over TCP, where the stack has it: dns_forward_tcp.py.

from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import get16, put16, same
from netstack.services.dns_message import read_name, skip_name, to_wire
from netstack.transport.udp import Endpoint

_PORT = const(53)
_HDR = const(12)
_FLAGS = const(2)
_QDCOUNT = const(4)
_ANCOUNT = const(6)
_NAME_MAX = const(255)
_A = const(1)
_SERVFAIL = const(2)
_QUERY_MAX = const(512)
_RELAYS = const(16)
_RELAY_MS = const(5000)
_RECORD = b"\xc0\x0c\0\1\0\1\0\0\0\x05\0\4"  # A of the name asked for, good for 5 s

NAMES = (
    "in",
    "in_short",
    "in_flags",
    "in_question",
    "in_interface",
    "local",
    "out",
    "answers",
    "in_source",
    "in_other",
    "timeouts",
    "unreachable",
    "full",
    "failed",
)
_IN = const(0)
_SHORT = const(1)  # or longer than a question can be
_BAD_FLAGS = const(2)  # no standard query
_QUESTION = const(3)  # not one, or malformed
_INTERFACE = const(4)  # from where we do not serve
_LOCAL = const(5)  # answered by ourselves
_OUT = const(6)
_ANSWERS = const(7)
_SOURCE = const(8)  # an answer, not from the server that was asked
_OTHER = const(9)  # an answer to another question
_TIMEOUT = const(10)
_UNREACHABLE = const(11)
_FULL = const(12)
_FAILED = const(13)  # told the client that it cannot be had


class _Front(Endpoint):
    """UDP port 53, where clients ask. No ring: they are served out of the frame."""

    def __init__(self, forwarder):
        Endpoint.__init__(self, forwarder.st.udp)
        self.rcvbuf = 0
        self.forwarder = forwarder

    def take(self, fr, data, n):
        """Borrows `fr`."""
        self.forwarder.input(fr, data, n)


class _Relay(Endpoint):
    """A question on its way to a server."""

    def __init__(self, forwarder, fr, question, ident):
        Endpoint.__init__(self, forwarder.st.udp)
        self.rcvbuf = 0
        self.forwarder = forwarder
        self.question = question
        self.client_id = ident
        self.client = bytes(fr.buf[fr.l3 + fr.ip.src_off : fr.l3 + fr.ip.src_off + fr.ip.alen])
        self.client_port = get16(fr.buf, fr.l4)
        self.ip = fr.ip
        self.us = bytes(fr.buf[fr.l3 + fr.ip.dst_off : fr.l3 + fr.ip.dst_off + fr.ip.alen])
        self.server = None
        self.id = forwarder.st.random.bits16()
        self.timer = forwarder.st.timers.new(self.expired)

    def expired(self):
        self.forwarder.lost(self, _TIMEOUT)

    def failed(self, ip, buf, at, l4, errno):
        """ICMP says that the server cannot be reached."""
        if get16(buf, l4 + 2) == _PORT:
            self.forwarder.lost(self, _UNREACHABLE)

    def take(self, fr, data, n):
        """An answer, perhaps (RFC 5452 section 9). Borrows `fr`."""
        buf = fr.buf
        server = self.server
        stat = self.forwarder.stat
        at = fr.l3 + fr.ip.src_off
        if (
            get16(buf, fr.l4) != _PORT
            or fr.ip.alen != len(server)
            or not same(buf, at, server, 0, len(server))
        ):
            stat[_SOURCE] += 1
            return
        size = len(self.question)
        if (
            n < _HDR + size
            or get16(buf, data) != self.id
            or not buf[data + _FLAGS] & 0x80
            or not same(buf, data + _HDR, self.question, 0, size)
        ):
            stat[_OTHER] += 1
            return
        put16(buf, data, self.client_id)
        stat[_ANSWERS] += 1
        self.forwarder.tell(self, buf, data, n)

    def end(self):
        self.close()
        self.st.timers.discard(self.timer)


class Forwarder:
    """The DNS forwarder of a stack. Made by attach()."""

    def __init__(self, st):
        self.st = st
        self.stat = st.counters("dnsd", NAMES)
        self.captive = False
        self.nifs = []
        self._front = _Front(self)
        self._door = None
        self._relays = []
        self._turn = 0  # which server is asked
        self._name = bytearray(_NAME_MAX + 1)  # what is asked for, in lower case
        self._size = 0
        self.buf = bytearray(_HDR + _NAME_MAX + 4 + 16)

    # -- face -------------------------------------------------------------------------------

    def start(self, nifs, captive=False):
        """Serve the hosts on these interfaces, and nobody else: a resolver that is open to the
        world is misused. captive: every name has our address. Raises OSError(EADDRINUSE) when
        port 53 is taken."""
        self.stop()
        self._front.lport = 0
        self._front.bind(None, None, _PORT)
        self.nifs = list(nifs)
        self.captive = captive
        if self.st.tcp:
            try:
                from netstack.services import dns_forward_tcp

                self._door = dns_forward_tcp.Door(self)
            except ImportError:  # not frozen
                pass

    def stop(self):
        for relay in self._relays:
            relay.end()
        self._relays.clear()
        self._front.close()
        if self._door:
            self._door.close()
            self._door = None
        self.nifs = []

    # -- questions --------------------------------------------------------------------------

    def input(self, fr, at, n):
        """A datagram for port 53, `n` bytes at `at`. Borrows `fr`."""
        if fr.nif not in self.nifs or fr.group:
            self.stat[_INTERFACE] += 1
            return
        buf = fr.buf
        ip = fr.ip
        us = bytes(buf[fr.l3 + ip.dst_off : fr.l3 + ip.dst_off + ip.alen])
        size = self.answer(buf, at, n, us)
        if size == 0:
            body = skip_name(buf, at + _HDR, at + n)
            size = 0 if self._forward(fr, at, n, body + 4) else self.fail(buf, at, body + 4)
        if size > 0:
            client = bytes(buf[fr.l3 + ip.src_off : fr.l3 + ip.src_off + ip.alen])
            front = self._front
            front.udp.output(front, self.buf, 0, size, ip, us, client, get16(buf, fr.l4))

    def answer(self, buf, at, n, us):
        """Answer the question of `n` bytes at buf[at] in self.buf, if we can without asking; `us`:
        our address that was asked. Returns the length; 0: ask somebody; -1: it is none."""
        self.stat[_IN] += 1
        bad = self._check(buf, at, n)
        if bad >= 0:
            self.stat[bad] += 1
            return -1
        body = skip_name(buf, at + _HDR, at + n)
        addrs = self._known(us)
        if addrs is None:
            return 0
        self.stat[_LOCAL] += 1
        return self._answer(buf, at, body + 4, addrs if get16(buf, body) == _A else [], 0)

    def fail(self, buf, at, end):
        """The same when it cannot be known, for a question that ends at `end`."""
        self.stat[_FAILED] += 1
        return self._answer(buf, at, end, [], _SERVFAIL)

    def _check(self, buf, at, n):
        """The counter to bump, or -1."""
        if not _HDR < n <= _QUERY_MAX:
            return _SHORT
        if buf[at + _FLAGS] & 0xF8:
            return _BAD_FLAGS
        body = skip_name(buf, at + _HDR, at + n)
        if get16(buf, at + _QDCOUNT) != 1 or body < 0 or body + 4 > at + n:
            return _QUESTION
        self._size = read_name(buf, at, at + _HDR, at + n, self._name)
        return -1 if self._size else _QUESTION

    def _known(self, us):
        """Addresses that we know without asking, those of the hosts table or our own."""
        if self.captive:
            return [us] if len(us) == 4 else []
        resolver = self.st.dns
        if resolver is None or not resolver.hosts:
            return None
        wire = bytes(self._name[: self._size])
        for name, addrs in resolver.hosts.items():
            if to_wire(name) == wire:
                return [addr for addr in addrs if len(addr) == 4]
        return None

    def _forward(self, fr, at, n, end):
        """Pass a question on; False when that cannot be."""
        if len(self._relays) >= _RELAYS:
            self.stat[_FULL] += 1
            return False
        buf = fr.buf
        server = self.server()
        if server is None:
            return False
        relay = _Relay(self, fr, bytes(buf[at + _HDR : end]), get16(buf, at))
        relay.server = server
        ip = self.st.dns.network(server)
        self._relays.append(relay)
        put16(buf, at, relay.id)
        sent = relay.send(buf, at, n, ip, server, _PORT)
        put16(buf, at, relay.client_id)
        if sent < 0:
            self._drop(relay)
            return False
        relay.timer.start(self.st.now, _RELAY_MS)
        self.stat[_OUT] += 1
        return True

    def server(self):
        """Whom we ask now, or None; not ourselves, for that would go round in circles."""
        resolver = self.st.dns
        servers = []
        for server in resolver.servers_in_use() if resolver else ():
            ip = resolver.network(server)
            if ip and not ip.local(server, 0):
                servers.append(server)
        return servers[self._turn % len(servers)] if servers else None

    # -- answers ----------------------------------------------------------------------------

    def _drop(self, relay):
        if relay in self._relays:
            self._relays.remove(relay)
            relay.end()

    def tell(self, relay, buf, at, n):
        """The answer for the client of a relay."""
        self._drop(relay)
        front = self._front
        front.udp.output(front, buf, at, n, relay.ip, relay.us, relay.client, relay.client_port)

    def lost(self, relay, counter):
        """No answer will come: the next question goes to another server."""
        self.stat[counter] += 1
        self._turn += 1
        buf = self.buf
        n = len(relay.question)
        copy(buf, _HDR, relay.question, 0, n)
        put16(buf, 0, relay.client_id)
        self._finish(buf, n, [], _SERVFAIL)
        self.stat[_FAILED] += 1
        self.tell(relay, buf, 0, _HDR + n)

    def _answer(self, buf, at, end, addrs, code):
        """Write an answer to the question at buf[at] to self.buf; returns its length."""
        n = end - at - _HDR
        copy(self.buf, 0, buf, at, _HDR + n)
        return self._finish(self.buf, n, addrs[:1], code)

    def _finish(self, buf, n, addrs, code):
        """Header and answer around a question of `n` bytes; returns the length."""
        put16(buf, _FLAGS, 0x8180 | code)  # recursion is there
        put16(buf, _QDCOUNT, 1)
        put16(buf, _ANCOUNT, len(addrs))
        put16(buf, 8, 0)
        put16(buf, 10, 0)
        at = _HDR + n
        for addr in addrs:
            copy(buf, at, _RECORD, 0, len(_RECORD))
            copy(buf, at + len(_RECORD), addr, 0, 4)
            at += len(_RECORD) + 4
        return at


def attach(st):
    return Forwarder(st)
