# One question on its way to the DNS servers (RFC 1035 7; EDNS0 RFC 6891; forged answers RFC 5452).
#
# Resolver.query -> Query.begin -> ask the servers in turn, three rounds -> take -> the resolver's
# answered(), denied() or finish()
#
# A query is a UDP endpoint with a random port, and has a random id and random case of letters in
# the name (0x20 mixing, draft-vixie-dnsext-dns0x20), which the answer must repeat. An answer cut
# short, or many forged ones: over TCP, dns_tcp.py. What old servers do not understand is left out
# when they say so, and for all of them in the last round.
#
# Answers are read where they lie in the frame. A query takes about 400 bytes.

from micropython import const
from netstack.core.clock import elapsed
from netstack.core.wire import get16, same
from netstack.services.dns_message import negative_ttl, rcode, read_name, records_end, skip_name
from netstack.services.dns_message import from_wire, to_wire, ttl_of
from netstack.transport.udp import Endpoint

_EIO = const(5)
_EMSGSIZE = const(90)
_ENETUNREACH = const(101)
_ETIMEDOUT = const(110)

_PORT = const(53)
_HDR = const(12)
_FLAGS = const(2)
_QDCOUNT = const(4)
_ANCOUNT = const(6)
_NSCOUNT = const(8)
_ARCOUNT = const(10)
_TC = const(2)
_RR_TYPE = const(0)  # offsets behind the name of a record
_RR_CLASS = const(2)
_RR_TTL = const(4)
_RR_LEN = const(8)
_RR_DATA = const(10)
_A = const(1)
_CNAME = const(5)
_PTR = const(12)
_IN_CLASS = const(1)
_LONGEST = const(512)  # RFC 1035 4.2.1: without EDNS0
# Fits into one IPv6 packet of the least MTU: no answer comes in fragments, which can be forged.
_OFFER = const(1232)
_FORMERR = const(1)
_NXDOMAIN = const(3)
_NOTIMP = const(4)
_BADVERS = const(16)

_TIMEOUTS = (1000, 2000, 4000)  # for each server in the first, second, third round
_PLAIN_ROUND = const(2)
_TOTAL_MS = const(10000)
_TCP_MS = const(5000)
_FORGED = const(16)  # wrong answers before we go where they cannot be forged
_ADDRESSES = const(8)  # kept of one answer
_ALIASES = const(8)  # CNAMEs followed for one query
_TTL_MAX = const(86400)
_TTL_NEGATIVE = const(30)

NAMES = (
    "queries",
    "merged",
    "cached",
    "out",
    "out_failed",
    "out_tcp",
    "out_plain",
    "in",
    "in_short",
    "in_long",
    "in_source",
    "in_id",
    "in_flags",
    "in_question",
    "in_case",
    "in_bad",
    "in_refused",
    "in_truncated",
    "in_alias",
    "in_unreachable",
    "answers",
    "negative",
    "timeouts",
    "failed",
    "evicted",
)
_OUT_TCP = const(5)
_OUT_PLAIN = const(6)  # asked again without EDNS0 and mixed case
_IN = const(7)
_SHORT = const(8)
_LONG = const(9)
_SOURCE = const(10)  # not from a server that was asked
_ID = const(11)
_BAD_FLAGS = const(12)  # a query, or not a standard one
_QUESTION = const(13)  # another question than ours
_CASE = const(14)  # ours, but not letter for letter
_BAD = const(15)  # a name or record that is malformed or runs past the end
_REFUSED = const(16)  # a server that will not or cannot answer
_TRUNCATED = const(17)
_ALIAS = const(18)  # CNAMEs in a circle, or too many
_UNREACHABLE = const(19)  # ICMP: nobody there, or no way there
_TIMEOUT = const(22)


class Query(Endpoint):
    """One question under way, and the UDP endpoint it is asked from. No ring: the answer is read
    out of the frame."""

    def __init__(self, resolver, name, qtype):
        Endpoint.__init__(self, resolver.st.udp)
        self.rcvbuf = 0
        self.resolver = resolver
        self.name = name
        self.qtype = qtype
        self.wire = to_wire(name)  # what is asked for now: an alias after a CNAME
        self.mixed = None  # the same as it goes out
        self.callbacks = []
        self.servers = resolver.servers_to_ask()
        self.asked = 0  # attempts so far
        self.refused = 0  # bit i: server i is of no use
        self.plain = 0  # bit i: server i takes neither EDNS0 nor mixed case
        self.forged = 0  # answers that were wrong
        self.stream = None
        self.aliases = 0
        self.ttl = _TTL_MAX
        self.id = 0
        self.errno = _ETIMEDOUT
        self.began = self.st.now
        self.timer = self.st.timers.new(self.expired)

    # -- output -----------------------------------------------------------------------------

    def begin(self):
        """Ask, or ask for an alias."""
        self.asked = self.refused = self.forged = 0
        if self._disguise():
            self.ask()

    def _disguise(self):
        """A new id, port and mix of cases (RFC 5452 section 9); False when the query has ended."""
        self.close()
        self.lport = 0
        random = self.st.random
        self.id = random.bits16()
        self.mixed = mixed = bytearray(self.wire)
        bits = 0
        for i in range(len(mixed)):
            if i & 15 == 0:
                bits = random.bits16()
            if 97 <= mixed[i] <= 122 and bits >> (i & 15) & 1:  # lengths are less than 64
                mixed[i] -= 32
        try:
            self.bind(None, None, 0)
        except OSError as error:
            self.resolver.finish(self, None, error.errno)
            return False
        return True

    def ask(self):
        """Send to the next server, unless all rounds are over."""
        self._hang_up()
        count = len(self.servers)
        if count == 0 or self.asked >= count * len(_TIMEOUTS) or self._left() <= 0:
            self.resolver.finish(self, None, self.errno if count else _ENETUNREACH)
            return
        if self.asked == count * _PLAIN_ROUND:  # they may drop what they do not know
            self.plain = (1 << count) - 1
        self.asked += 1
        self._put()

    def _put(self):
        """Send to the server whose turn it is."""
        count = len(self.servers)
        at = self._turn()
        left = self._left()
        ms = _TIMEOUTS[(self.asked - 1) // count]
        self.timer.start(self.st.now, ms if ms < left else left)
        sent = self.resolver.send(self, at, self.servers[at], self._offer(at))
        if sent == -_ENETUNREACH:
            self.refuse(_ENETUNREACH, at)

    def _turn(self):
        return (self.asked - 1) % len(self.servers)

    def _left(self):
        return _TOTAL_MS - elapsed(self.st.now, self.began)

    def _offer(self, at):
        """The longest answer that server `at` may give; 0: we do not say, so 512 bytes."""
        if self.plain >> at & 1:
            return 0
        ip = self.resolver.network(self.servers[at])
        room = ip.mss_room(self.servers[at]) - 8 if ip else 0
        return 0 if room < _LONGEST else room if room < _OFFER else _OFFER

    def question(self, at):
        """The name as server `at` is asked for it."""
        return self.wire if self.plain >> at & 1 else self.mixed

    def _again(self, at):
        """Ask server `at`, whose turn it is, without what it does not understand."""
        if self.plain >> at & 1:
            self.refuse(_EIO, at)
            return
        self._hang_up()
        self.plain |= 1 << at
        self.resolver.stat[_OUT_PLAIN] += 1
        if self._disguise():
            self._put()

    def refuse(self, errno, at):
        """Server `at` is of no use: on to the next one at once, unless all are like that."""
        self.errno = errno
        self.refused |= 1 << at
        if self.refused == (1 << len(self.servers)) - 1:
            self.resolver.finish(self, None, errno)
        elif at == self._turn():  # not a late answer of one asked before
            self.ask()

    def expired(self):
        self.resolver.stat[_TIMEOUT] += 1
        self.resolver.heard(self.servers[self._turn()], False)
        self.ask()

    def end(self):
        self._hang_up()
        self.close()
        self.st.timers.discard(self.timer)

    # -- over TCP ---------------------------------------------------------------------------

    def _call(self, at):
        """Ask server `at`, whose turn it is, over TCP (RFC 7766 section 5)."""
        if self.stream:
            return
        try:
            from netstack.services import dns_tcp

            self.stream = dns_tcp.Stream(self, at)
        except (ImportError, OSError):  # not frozen, no memory, no route
            self.refuse(_EMSGSIZE, at)
            return
        self.resolver.stat[_OUT_TCP] += 1
        left = self._left()
        self.timer.start(self.st.now, _TCP_MS if _TCP_MS < left else max(left, 0))

    def _hang_up(self):
        if self.stream:
            self.stream.close()
            self.stream = None

    def told(self, buf, n, at):
        """An answer has come whole over TCP: `n` bytes at buf[0]."""
        self._hang_up()
        bad = self._check(buf, 0, n, n, False)
        if bad >= 0 or buf[_FLAGS] & _TC:
            self.resolver.stat[bad if bad >= 0 else _TRUNCATED] += 1
            self.refuse(_EIO, at)
        else:
            self._understand(buf, 0, n, at)

    # -- input ------------------------------------------------------------------------------

    def failed(self, ip, buf, at, l4, errno):
        """ICMP says that a datagram of ours, which starts at buf[at], has reached nobody."""
        if errno == _EMSGSIZE or get16(buf, l4 + 2) != _PORT:
            return
        server = self._server(buf, at + ip.dst_off, ip.alen)
        if server >= 0 and not self.stream:
            self.resolver.stat[_UNREACHABLE] += 1
            self.refuse(errno, server)

    def take(self, fr, data, n):
        """A datagram for this port. Borrows `fr`."""
        resolver = self.resolver
        buf = fr.buf
        resolver.stat[_IN] += 1
        at = self._server(buf, fr.l3 + fr.ip.src_off, fr.ip.alen)
        if at < 0 or get16(buf, fr.l4) != _PORT:
            bad = _SOURCE
        else:
            exact = not self.plain >> at & 1
            bad = self._check(buf, data, n, self._offer(at) or _LONGEST, exact)
        if bad >= 0:
            resolver.stat[bad] += 1
            self._suspect(bad, at)
        elif buf[data + _FLAGS] & _TC:
            resolver.stat[_TRUNCATED] += 1
            if at == self._turn():
                self._call(at)
        else:
            self._understand(buf, data, data + n, at)

    def _suspect(self, bad, at):
        """An answer was wrong: the server may be old, or somebody else is guessing."""
        self.forged += 1
        if self.stream:
            return
        if bad == _CASE and at == self._turn():
            self._again(at)
        elif self.forged == _FORGED:
            self._call(self._turn())

    def _server(self, buf, off, alen):
        """Which of the servers asked so far has the address at buf[off] (RFC 5452 9.1); -1: none
        of them."""
        count = len(self.servers)
        for i in range(count if self.asked > count else self.asked):
            server = self.servers[i]
            if len(server) == alen and same(buf, off, server, 0, alen):
                return i
        return -1

    def _check(self, buf, at, n, most, exact):
        """All there is to check (RFC 5452 section 9, RFC 1035 7.3); the counter to bump, or -1.
        exact: the name must be ours letter for letter."""
        if n < _HDR:
            return _SHORT
        if n > most:
            return _LONG
        if get16(buf, at) != self.id:
            return _ID
        if buf[at + _FLAGS] & 0xF8 != 0x80:
            return _BAD_FLAGS
        end = at + n
        name = self.resolver.name
        body = skip_name(buf, at + _HDR, end)
        size = read_name(buf, at, at + _HDR, end, name)
        if get16(buf, at + _QDCOUNT) != 1 or body < 0 or body + 4 > end or not self._is(size):
            return _QUESTION
        if get16(buf, body) != self.qtype or get16(buf, body + 2) != _IN_CLASS:
            return _QUESTION
        if exact and not same(buf, at + _HDR, self.mixed, 0, size):
            return _CASE
        count = get16(buf, at + _ANCOUNT) + get16(buf, at + _NSCOUNT) + get16(buf, at + _ARCOUNT)
        if not buf[at + _FLAGS] & _TC and records_end(buf, body + 4, end, count) < 0:
            return _BAD
        return -1

    def _is(self, size):
        """Is the name that was read last, of `size` bytes, the one that we ask for?"""
        return size == len(self.wire) and same(self.resolver.name, 0, self.wire, 0, size)

    def _understand(self, buf, base, end, at):
        """An answer of server `at` that is whole and ours."""
        self.resolver.heard(self.servers[at], True)
        start = skip_name(buf, base + _HDR, end) + 4
        code = rcode(buf, base, start, end)
        if code == 0 or code == _NXDOMAIN:
            if not self._read(buf, base, start, end, code):
                self.refuse(_EIO, at)
            return
        self.resolver.stat[_REFUSED] += 1
        old = code == _FORMERR or code == _NOTIMP or code == _BADVERS  # RFC 6891 6.1.3, 7
        if old and at == self._turn():
            self._again(at)
        else:
            self.refuse(_EIO, at)

    def _read(self, buf, base, start, end, code):
        """Follow the aliases inside the answer as far as they lead, and take the addresses. False
        when they lead nowhere."""
        moved = False
        while True:
            addrs, alias = self._find(buf, base, start, end)
            if alias < 0:
                break
            self.aliases += 1
            size = read_name(buf, base, alias, end, self.resolver.name)
            if size == 0 or self.aliases > _ALIASES:
                self.resolver.stat[_BAD if size == 0 else _ALIAS] += 1
                return False
            self.wire = bytes(self.resolver.name[:size])
            moved = True
        if addrs:
            self.resolver.answered(self, addrs)
            return True
        ttl = negative_ttl(buf, base, start, end, _TTL_NEGATIVE)
        if code == _NXDOMAIN or not moved or ttl:
            self.resolver.denied(self, min(ttl, self.ttl), code == _NXDOMAIN)
        else:
            self.begin()  # the chain leaves the answer: ask for where it leads
        return True

    def _find(self, buf, base, at, end):
        """Records about self.wire in the answer: (addresses, offset of a CNAME's target or -1)."""
        addrs = []
        name = self.resolver.name
        alias = -1
        for _ in range(get16(buf, base + _ANCOUNT)):
            size = read_name(buf, base, at, end, name)
            at = skip_name(buf, at, end)
            kind = get16(buf, at + _RR_TYPE)
            n = get16(buf, at + _RR_LEN)
            data = at + _RR_DATA
            if get16(buf, at + _RR_CLASS) == _IN_CLASS and self._is(size):
                value = self._value(buf, base, data, n) if kind == self.qtype else None
                if value and len(addrs) < _ADDRESSES:
                    addrs.append(value)
                    self._lower(ttl_of(buf, at + _RR_TTL))
                elif kind == _CNAME and n > 0:
                    alias = data
                    self._lower(ttl_of(buf, at + _RR_TTL))
            at = data + n
        return addrs, -1 if addrs else alias

    def _value(self, buf, base, data, n):
        """What a record of the type asked for says: an address, or a name as text; None: nothing
        that makes sense."""
        if self.qtype != _PTR:
            return bytes(buf[data : data + n]) if n == (4 if self.qtype == _A else 16) else None
        name = self.resolver.name
        if not read_name(buf, base, data, data + n, name):
            return None
        plain = from_wire(name)
        for c in plain:
            if not 33 <= c <= 126:
                return None
        return plain.decode()

    def _lower(self, ttl):
        if ttl < self.ttl:
            self.ttl = ttl
