# DNS resolver (RFC 1035; forged answers RFC 5452; negative answers RFC 2308; localhost RFC 6761).
#
# st.dns.query(name, callback) -> _Query: a UDP endpoint of its own, random port and id
#   -> servers in turn -> UDP.input -> _Query.take -> cache -> callback(name, addresses, errno)
#
# Answers are read where they lie in the frame. A cache entry costs about 100 bytes, a query 300.

# -- on the wire ------------------------------------------------------------------------------
#
#   0 id  2 flags  4 QDCOUNT  6 ANCOUNT  8 NSCOUNT  10 ARCOUNT  12 question, records ...
#   question:  name | type 2 | class 2
#   record:    name | type 2 | class 2 | TTL 4 | length 2 | data
#   name:      labels (length 1 | bytes) up to a length of 0, or up to a pointer 11.. (2 bytes)

from micropython import const
from netstack.core.checksum import copy
from netstack.core.clock import elapsed
from netstack.core.wire import get16, get32, put16, same
from netstack.transport.udp import Endpoint

_ENOENT = const(2)
_EIO = const(5)
_ENOMEM = const(12)
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
_RR_TYPE = const(0)  # offsets behind the name of a record
_RR_CLASS = const(2)
_RR_TTL = const(4)
_RR_LEN = const(8)
_RR_DATA = const(10)
_A = const(1)
_CNAME = const(5)
_SOA = const(6)
_IN_CLASS = const(1)
_LONGEST = const(512)  # RFC 1035 4.2.1: we do not offer more
_NAME_MAX = const(255)
_NXDOMAIN = const(3)

# -- state ------------------------------------------------------------------------------------

_TIMEOUTS = (1000, 2000, 4000)  # for each server in the first, second, third round
_TOTAL_MS = const(10000)
_QUERIES = const(16)  # under way at once
_CACHE = const(16)
_ADDRESSES = const(8)  # kept of one answer
_ALIASES = const(8)  # CNAMEs followed for one query
_TTL_MAX = const(86400)
_TTL_NEGATIVE = const(30)
_SWEEP_MS = const(3600000)  # nothing stays so long that the clock could wrap around it

NAMES = (
    "queries",
    "merged",
    "cached",
    "out",
    "out_failed",
    "in",
    "in_short",
    "in_long",
    "in_source",
    "in_id",
    "in_flags",
    "in_question",
    "in_bad",
    "in_refused",
    "in_truncated",
    "in_alias",
    "answers",
    "negative",
    "timeouts",
    "failed",
    "evicted",
)
_QUERIED = const(0)
_MERGED = const(1)
_CACHED = const(2)
_OUT = const(3)
_OUT_FAILED = const(4)
_IN = const(5)
_SHORT = const(6)
_LONG = const(7)
_SOURCE = const(8)  # not from a server that was asked
_ID = const(9)
_BAD_FLAGS = const(10)  # a query, or not a standard one
_QUESTION = const(11)  # another question than ours
_BAD = const(12)  # a name or record that is malformed or runs past the end
_REFUSED = const(13)  # a server that will not or cannot answer
_TRUNCATED = const(14)
_ALIAS = const(15)  # CNAMEs in a circle, or too many
_ANSWERS = const(16)
_NEGATIVE = const(17)  # no such name, or no address for it
_TIMEOUT = const(18)
_FAILED = const(19)
_EVICTED = const(20)

# -- names ------------------------------------------------------------------------------------


def _check_name(name):
    """The name in lower case without the root's dot; raises ValueError when it can be none."""
    plain = name[:-1] if name[-1:] == "." else name
    if not plain or len(plain) > 253:
        raise ValueError("host name %r: 1 to 253 characters are possible" % name)
    for label in plain.split("."):
        if not 0 < len(label) <= 63:
            raise ValueError("host name %r: 1 to 63 characters between dots are possible" % name)
        for c in label:
            if not (c in "-_" or "0" <= c <= "9" or "A" <= c <= "Z" or "a" <= c <= "z"):
                raise ValueError("host name %r: use letters, digits, '-' and '_' only" % name)
    return plain.lower()


def _quad(name):
    """The address that four numbers with dots stand for; None for a name. Raises ValueError for
    what ends in a number and is neither (RFC 3696 section 2)."""
    parts = name.split(".")
    if not parts[-1].isdigit():
        return None
    if len(parts) == 4:
        addr = bytearray(4)
        for i in range(4):
            if not parts[i].isdigit() or len(parts[i]) > 3 or int(parts[i]) > 255:
                break
            addr[i] = int(parts[i])
        else:
            return bytes(addr)
    raise ValueError("%r is not an IPv4 address: four numbers from 0 to 255 with dots" % name)


def _to_wire(name):
    wire = bytearray()
    for label in name.split("."):
        wire.append(len(label))
        wire.extend(label.encode())
    wire.append(0)
    return bytes(wire)


def _skip_name(buf, at, end):
    """The offset behind the name at `at`; -1 when it is malformed."""
    while at < end:
        n = buf[at]
        if n == 0:
            return at + 1
        if n >= 0xC0:
            return at + 2 if at + 2 <= end else -1
        if n > 63:
            return -1
        at += n + 1
    return -1


def _read_name(buf, base, at, end, out):
    """Copy the name at `at` to `out`, in lower case and without pointers; returns its length, 0
    when it is malformed. A pointer must lead to before the part it ends, so none can loop."""
    n = 0
    limit = at
    while at < end:
        size = buf[at]
        if size >= 0xC0:
            if at + 2 > end:
                return 0
            at = base + (get16(buf, at) & 0x3FFF)
            if at >= limit:
                return 0
            limit = at
            continue
        if size > 63 or n + size + 1 > _NAME_MAX or at + size + 1 > end:
            return 0
        out[n] = size
        for k in range(1, size + 1):
            c = buf[at + k]
            out[n + k] = c + 32 if 65 <= c <= 90 else c
        n += size + 1
        if size == 0:
            return n
        at += size + 1
    return 0


def _records_end(buf, at, end, count):
    """The offset behind `count` records from `at` on; -1 when one is malformed."""
    while count > 0:
        at = _skip_name(buf, at, end)
        if at < 0 or at + _RR_DATA > end:
            return -1
        at += _RR_DATA + get16(buf, at + _RR_LEN)
        if at > end:
            return -1
        count -= 1
    return at


def _ttl(buf, at):
    """RFC 2181 section 8: a TTL with the top bit set is zero. We keep nothing beyond a day."""
    if buf[at] & 0x80:
        return 0
    ttl = get32(buf, at)
    return ttl if ttl < _TTL_MAX else _TTL_MAX


class _Entry:
    """What the cache knows about a name: addresses, or that there are none."""

    def __init__(self, name, qtype, addrs, ttl, now):
        self.name = name
        self.qtype = qtype
        self.addrs = addrs  # None: negative
        self.ttl = ttl * 1000
        self.since = now

    def left(self, now):
        """Milliseconds it is still good for; below 1 none."""
        return self.ttl - elapsed(now, self.since)


# -- behaviour --------------------------------------------------------------------------------


class _Query(Endpoint):
    """One question under way, and the UDP endpoint it is asked from. No ring: the answer is read
    out of the frame."""

    def __init__(self, resolver, name, qtype):
        Endpoint.__init__(self, resolver.st.udp)
        self.rcvbuf = 0
        self.resolver = resolver
        self.name = name
        self.qtype = qtype
        self.wire = _to_wire(name)  # what is asked for now: an alias after a CNAME
        self.callbacks = []
        self.servers = resolver.servers_in_use()
        self.asked = 0  # attempts so far
        self.refused = 0  # bit i: server i is of no use
        self.aliases = 0
        self.ttl = _TTL_MAX
        self.id = 0
        self.errno = _ETIMEDOUT
        self.began = self.st.now
        self.timer = self.st.timers.new(self.expired)

    def begin(self):
        """Ask, or ask for an alias: with a new id and from a new port (RFC 5452 section 9)."""
        self.close()
        self.lport = 0
        self.asked = self.refused = 0
        self.id = self.st.random.bits16()
        try:
            self.bind(None, None, 0)
        except OSError as error:
            self.resolver.finish(self, None, error.errno)
            return
        self.ask()

    def ask(self):
        """Send to the next server, unless all rounds are over."""
        count = len(self.servers)
        left = _TOTAL_MS - elapsed(self.st.now, self.began)
        if count == 0 or self.asked >= count * len(_TIMEOUTS) or left <= 0:
            self.resolver.finish(self, None, self.errno if count else _ENETUNREACH)
            return
        ms = _TIMEOUTS[self.asked // count]
        at = self.asked % count
        self.asked += 1
        self.timer.start(self.st.now, ms if ms < left else left)
        if self.resolver.send(self, self.servers[at]) == -_ENETUNREACH:
            self.refuse(_ENETUNREACH, at)

    def refuse(self, errno, at):
        """Server `at` is of no use: on to the next one at once, unless all are like that."""
        self.errno = errno
        self.refused |= 1 << at
        count = len(self.servers)
        if self.refused == (1 << count) - 1:
            self.resolver.finish(self, None, errno)
        elif at == (self.asked - 1) % count:  # not a late answer of one asked before
            self.ask()

    def expired(self):
        self.resolver.stat[_TIMEOUT] += 1
        self.ask()

    def end(self):
        self.close()
        self.st.timers.discard(self.timer)

    # -- input ------------------------------------------------------------------------------

    def take(self, fr, data, n):
        """A datagram for this port. Borrows `fr`."""
        resolver = self.resolver
        buf = fr.buf
        resolver.stat[_IN] += 1
        at = self._server(fr, buf)
        bad = _SOURCE if at < 0 else self._check(buf, data, n)
        if bad >= 0:
            resolver.stat[bad] += 1
            return
        if buf[data + _FLAGS] & 2:
            # Over TCP it would come whole; another server may have a shorter answer.
            resolver.stat[_TRUNCATED] += 1
            self.refuse(_EMSGSIZE, at)
            return
        rcode = buf[data + _FLAGS + 1] & 15
        if rcode != 0 and rcode != _NXDOMAIN:
            resolver.stat[_REFUSED] += 1
            self.refuse(_EIO, at)
            return
        if not self._read(buf, data, data + n, rcode):
            self.refuse(_EIO, at)

    def _server(self, fr, buf):
        """Which of the servers asked so far an answer is from (RFC 5452 9.1); -1: none."""
        if get16(buf, fr.l4) != _PORT:
            return -1
        at = fr.l3 + fr.ip.src_off
        count = len(self.servers)
        for i in range(count if self.asked > count else self.asked):
            server = self.servers[i]
            if len(server) == fr.ip.alen and same(buf, at, server, 0, len(server)):
                return i
        return -1

    def _check(self, buf, at, n):
        """All there is to check (RFC 5452 section 9, RFC 1035 7.3); the counter to bump, or -1."""
        if n < _HDR:
            return _SHORT
        if n > _LONGEST:
            return _LONG
        if get16(buf, at) != self.id:
            return _ID
        if buf[at + _FLAGS] & 0xF8 != 0x80:
            return _BAD_FLAGS
        end = at + n
        name = self.resolver.name
        body = _skip_name(buf, at + _HDR, end)
        size = _read_name(buf, at, at + _HDR, end, name)
        if (
            get16(buf, at + _QDCOUNT) != 1
            or body < 0
            or body + 4 > end
            or not self._is(name, size)
        ):
            return _QUESTION
        if get16(buf, body) != self.qtype or get16(buf, body + 2) != _IN_CLASS:
            return _QUESTION
        count = get16(buf, at + _ANCOUNT) + get16(buf, at + _NSCOUNT) + get16(buf, at + _ARCOUNT)
        if not buf[at + _FLAGS] & 2 and _records_end(buf, body + 4, end, count) < 0:
            return _BAD
        return -1

    def _is(self, name, size):
        return size == len(self.wire) and same(name, 0, self.wire, 0, size)

    def _read(self, buf, base, end, rcode):
        """Follow the aliases inside the answer as far as they lead, and take the addresses. False
        when they lead nowhere."""
        start = _skip_name(buf, base + _HDR, end) + 4
        moved = False
        while True:
            addrs, alias = self._find(buf, base, start, end)
            if alias < 0:
                break
            self.aliases += 1
            size = _read_name(buf, base, alias, end, self.resolver.name)
            if size == 0 or self.aliases > _ALIASES:
                self.resolver.stat[_BAD if size == 0 else _ALIAS] += 1
                return False
            self.wire = bytes(self.resolver.name[:size])
            moved = True
        if addrs:
            self.resolver.answered(self, addrs)
        elif rcode == _NXDOMAIN or not moved or self._negative_ttl(buf, base, start, end):
            self.resolver.denied(self, self._negative_ttl(buf, base, start, end))
        else:
            self.begin()  # the chain leaves the answer: ask for where it leads
        return True

    def _find(self, buf, base, at, end):
        """Records about self.wire in the answer: (addresses, offset of a CNAME's target or -1)."""
        addrs = []
        name = self.resolver.name
        alen = 4 if self.qtype == _A else 16
        alias = -1
        for _ in range(get16(buf, base + _ANCOUNT)):
            size = _read_name(buf, base, at, end, name)
            at = _skip_name(buf, at, end)
            kind = get16(buf, at + _RR_TYPE)
            n = get16(buf, at + _RR_LEN)
            data = at + _RR_DATA
            if get16(buf, at + _RR_CLASS) == _IN_CLASS and self._is(name, size):
                if kind == self.qtype and n == alen and len(addrs) < _ADDRESSES:
                    addrs.append(bytes(buf[data : data + n]))
                    self._lower(_ttl(buf, at + _RR_TTL))
                elif kind == _CNAME and n > 0:
                    alias = data
                    self._lower(_ttl(buf, at + _RR_TTL))
            at = data + n
        return addrs, -1 if addrs else alias

    def _lower(self, ttl):
        if ttl < self.ttl:
            self.ttl = ttl

    def _negative_ttl(self, buf, base, at, end):
        """Seconds to remember that there is no address (RFC 2308 section 5); 0: no SOA tells."""
        at = _records_end(buf, at, end, get16(buf, base + _ANCOUNT))
        for _ in range(get16(buf, base + _NSCOUNT)):
            at = _skip_name(buf, at, end)
            n = get16(buf, at + _RR_LEN)
            if get16(buf, at + _RR_TYPE) == _SOA and n >= 22:
                ttl = _ttl(buf, at + _RR_TTL)
                least = _ttl(buf, at + _RR_DATA + n - 4)  # MINIMUM comes last
                ttl = least if least < ttl else ttl
                return ttl if ttl < _TTL_NEGATIVE else _TTL_NEGATIVE
            at += _RR_DATA + n
        return 0


class Resolver:
    """The resolver of a stack, st.dns. Made by attach()."""

    def __init__(self, st):
        self.st = st
        self.stat = st.counters("dns", NAMES)
        self.servers = []  # set by hand; asked before those of the interfaces
        self.deferred = False
        self.name = bytearray(_NAME_MAX + 1)  # the name being read
        self._buf = bytearray(_HDR + _NAME_MAX + 4)
        self._by_owner = {}
        self._queries = []
        self._ready = []  # (callback, name, addresses, errno) to be told
        self._cache = []
        self._sweeper = st.timers.new(self._sweep)

    # -- face -------------------------------------------------------------------------------

    def set_servers(self, owner, servers):
        """The servers an interface, or whoever `owner` is, has learnt of: 4 bytes each."""
        servers = [bytes(server) for server in servers]
        if servers == self._by_owner.get(owner, []):
            return
        self.flush()  # another network may see other addresses
        if servers:
            self._by_owner[owner] = servers
        else:
            self._by_owner.pop(owner)

    def servers_in_use(self):
        """Every server, in the order they are asked."""
        result = []
        for group in [self.servers] + list(self._by_owner.values()):
            for server in group:
                if server not in result:
                    result.append(server)
        return result

    def query(self, name, callback, qtype=_A):
        """Look `name` up; callback(name, [addresses] or None, errno) comes when it is known, never
        from within this call. Raises ValueError for what can be no name. errno: ENOENT there is
        no address, ETIMEDOUT nobody answered, EIO servers refused, EMSGSIZE the answer was too
        long, ENETUNREACH no server, or no way to it."""
        self.stat[_QUERIED] += 1
        plain = _check_name(name)
        addrs = self._local(plain, qtype)
        entry = None if addrs else self._cached(plain, qtype)
        if entry:
            self.stat[_CACHED] += 1
            addrs = entry.addrs
        if addrs or entry:
            self._tell(callback, name, addrs, 0 if addrs else _ENOENT)
            return
        for query in self._queries:
            if query.name == plain and query.qtype == qtype:
                self.stat[_MERGED] += 1
                query.callbacks.append((name, callback))
                return
        if len(self._queries) >= _QUERIES:
            self._tell(callback, name, None, _ENOMEM)
            return
        query = _Query(self, plain, qtype)
        query.callbacks.append((name, callback))
        self._queries.append(query)
        query.begin()

    def lookup(self, name, qtype=_A):
        """Addresses that are known without asking, or None. Raises ValueError as query() does."""
        plain = _check_name(name)
        addrs = self._local(plain, qtype)
        if addrs:
            return addrs
        entry = self._cached(plain, qtype)
        return entry.addrs if entry else None

    def cancel(self, name, callback):
        """Nobody waits for `callback` any more."""
        self._ready = [job for job in self._ready if job[:2] != (callback, name)]
        for query in list(self._queries):
            if (name, callback) in query.callbacks:
                query.callbacks.remove((name, callback))
                if not query.callbacks:
                    self._queries.remove(query)
                    query.end()

    def flush(self):
        """Forget all answers."""
        self._cache.clear()
        self._sweeper.stop()

    # -- what is known ----------------------------------------------------------------------

    def _local(self, name, qtype):
        """RFC 6761 6.3: localhost never leaves the host; nor do addresses."""
        if name == "localhost" or name.endswith(".localhost"):
            return [b"\x7f\0\0\1" if qtype == _A else b"\0" * 15 + b"\1"]
        addr = _quad(name)
        return [addr] if addr and qtype == _A else None

    def _cached(self, name, qtype):
        for entry in self._cache:
            if entry.name == name and entry.qtype == qtype and entry.left(self.st.now) > 0:
                return entry
        return None

    def _remember(self, query, addrs, ttl):
        if ttl <= 0:
            return
        self._sweep()
        if len(self._cache) >= _CACHE:
            self.stat[_EVICTED] += 1
            now = self.st.now
            self._cache.remove(min(self._cache, key=lambda entry: entry.left(now)))
        self._cache.append(_Entry(query.name, query.qtype, addrs, ttl, self.st.now))
        self._sweeper.start(self.st.now, _SWEEP_MS)

    def _sweep(self):
        now = self.st.now
        self._cache = [entry for entry in self._cache if entry.left(now) > 0]
        if self._cache:
            self._sweeper.start(now, _SWEEP_MS)

    # -- queries ----------------------------------------------------------------------------

    def send(self, query, server):
        """Put the question to a server. Returns what Endpoint.send() does."""
        st = self.st
        ip = st.ip4 if len(server) == 4 else getattr(st, "ip6", None)
        if ip is None:
            return -_ENETUNREACH
        buf = self._buf
        n = len(query.wire)
        put16(buf, 0, query.id)
        put16(buf, _FLAGS, 0x0100)  # recursion desired
        put16(buf, _QDCOUNT, 1)
        copy(buf, _HDR, query.wire, 0, n)
        put16(buf, _HDR + n, query.qtype)
        put16(buf, _HDR + n + 2, _IN_CLASS)
        sent = query.send(buf, 0, _HDR + n + 4, ip, server, _PORT)
        self.stat[_OUT if sent > 0 else _OUT_FAILED] += 1
        return sent

    def answered(self, query, addrs):
        self.stat[_ANSWERS] += 1
        self._remember(query, addrs, query.ttl)
        self.finish(query, addrs, 0)

    def denied(self, query, ttl):
        """There is no such name, or no address of that kind for it."""
        self.stat[_NEGATIVE] += 1
        self._remember(query, None, ttl)
        self.finish(query, None, _ENOENT)

    def finish(self, query, addrs, errno):
        """The end of a query; those who asked are told with the end of this batch."""
        if errno:
            self.stat[_FAILED] += 1
        self._queries.remove(query)
        query.end()
        for name, callback in query.callbacks:
            self._tell(callback, name, addrs, errno)

    def _tell(self, callback, name, addrs, errno):
        self._ready.append((callback, name, addrs, errno))
        self.st.defer(self)

    def run(self):
        """Deferred by _tell()."""
        while self._ready:
            callback, name, addrs, errno = self._ready.pop(0)
            callback(name, addrs, errno)


def attach(st):
    """The resolver of a stack; it knows at once the servers that DHCP has learnt."""
    if st.dns is None:
        st.dns = Resolver(st)
        for nif, client in st.dhcp.items():
            if client.bound:
                st.dns.set_servers(nif, client.lease.dns)
    return st.dns
