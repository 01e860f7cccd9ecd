# DNS resolver: who asks, and what is known already (RFC 1035; negative answers RFC 2308; localhost
# RFC 6761; search list RFC 1535).
#
# st.dns.query(name, callback) -> hosts table, cache -> Query (dns_query.py), shared by all who ask
#   the same -> cache -> callback(name, addresses, errno)
#
# A name with fewer dots than `ndots` is tried with each domain of the search list behind it first;
# one with a dot at its end never. A cache entry costs about 100 bytes.

from micropython import const
from netstack.core.clock import elapsed
from netstack.services.dns_message import QUERY_MAX, check_name, put_question, quad
from netstack.services.dns_query import NAMES, Query

_ENOENT = const(2)
_ENOMEM = const(12)
_ENETUNREACH = const(101)

_PORT = const(53)
_NAME_MAX = const(255)
_A = const(1)
_ANY = const(0)  # of the cache: there is no such name, whatever the type
_QUERIES = const(16)  # under way at once
_CACHE = const(16)
_HOST_MAX = const(253)  # characters of a name
_DOMAINS = const(6)  # of the search list
_SILENT_MS = const(60000)
_SWEEP_MS = const(3600000)  # nothing stays so long that the clock could wrap around it

_QUERIED = const(0)  # of NAMES
_MERGED = const(1)
_CACHED = const(2)
_OUT = const(3)
_OUT_FAILED = const(4)
_ANSWERS = const(20)
_NEGATIVE = const(21)  # no such name, or no address for it
_FAILED = const(23)
_EVICTED = const(24)

_LOCALHOST = (b"\x7f\0\0\1", b"\0" * 15 + b"\1")


class _Entry:
    """What the cache knows about a name: addresses, or that there are none."""

    def __init__(self, name, qtype, addrs, ttl, now):
        self.name = name
        self.qtype = qtype  # _ANY: there is no such name
        self.addrs = addrs  # None: negative
        self.ttl = ttl * 1000
        self.since = now

    def left(self, now):
        """Milliseconds it is still good for; below 1 none."""
        return self.ttl - elapsed(now, self.since)


def _domain(name):
    """A domain as the search list has it; None when it can be none."""
    try:
        return check_name(name)
    except ValueError:
        return None


def _merged(first, others):
    """All values of a list and of those in a dict, each once."""
    result = []
    for group in [first] + list(others.values()):
        for value in group:
            if value not in result:
                result.append(value)
    return result


class _Search:
    """A short name, tried with each domain of the search list in turn."""

    def __init__(self, resolver, name, names, qtype, callback):
        self.resolver = resolver
        self.name = name
        self.names = names  # still to be tried
        self.qtype = qtype
        self.callback = callback
        self.current = None
        self.told_bound = self.told

    def step(self):
        self.current = self.names.pop(0)
        self.resolver.ask(self.current, self.current, self.told_bound, self.qtype)

    def told(self, _, addrs, errno):
        if errno == _ENOENT and self.names:
            self.step()
            return
        self.resolver.searches.remove(self)
        self.callback(self.name, addrs, errno)


class Resolver:
    """The resolver of a stack, st.dns. Made by attach()."""

    def __init__(self, st):
        self.st = st
        self.stat = st.counters("dns", NAMES)
        self.servers = []  # set by hand; asked before those of the interfaces
        self.search = []  # domains, set by hand; tried before those of the interfaces
        self.ndots = 1  # a name with as many dots is not searched for
        self.hosts = {}  # name in lower case -> [address, ...], 4 or 16 bytes each
        self.deferred = False
        self.name = bytearray(_NAME_MAX + 1)  # the name being read
        self.searches = []
        self._buf = bytearray(QUERY_MAX)
        self._by_owner = {}
        self._domains = {}
        self._silent = {}  # server -> since when
        self._queries = []
        self._ready = []  # (callback, name, addresses, errno) to be told
        self._cache = []
        self._sweeper = st.timers.new(self._sweep)

    # -- face -------------------------------------------------------------------------------

    def set_servers(self, owner, servers, domains=()):
        """What an interface, or whoever `owner` is, has learnt: servers, 4 or 16 bytes each, and
        domains to search in; those that can be none are left out."""
        self._learn(self._by_owner, owner, [bytes(server) for server in servers])
        self._learn(self._domains, owner, [name for name in map(_domain, domains) if name])

    def set_search(self, domains):
        """The search list set by hand. Raises ValueError for what can be no domain."""
        self.search = [check_name(name) for name in domains]

    def _learn(self, table, owner, values):
        if values == table.get(owner, []):
            return
        self.flush()  # another network may see other addresses
        if values:
            table[owner] = values
        else:
            table.pop(owner)

    def servers_in_use(self):
        """Every server, in the order they are asked."""
        return _merged(self.servers, self._by_owner)

    def servers_to_ask(self):
        """The same, but those that have lately been silent come last: no name waits for them."""
        now = self.st.now
        servers = self.servers_in_use()
        for server in list(self._silent):
            if server not in servers or elapsed(now, self._silent[server]) >= _SILENT_MS:
                self._silent.pop(server)
        return [server for server in servers if server not in self._silent] + [
            server for server in servers if server in self._silent
        ]

    def heard(self, server, answered):
        """A server has answered, or not in time."""
        if answered:
            self._silent.pop(server, None)
        else:
            self._silent[server] = self.st.now

    def domains_in_use(self):
        """The search list: domains in the order they are tried."""
        return _merged(self.search, self._domains)[:_DOMAINS]

    def network(self, server):
        """The network protocol by which a server is reached, or None."""
        return self.st.ip4 if len(server) == 4 else self.st.ip6

    def query(self, name, callback, qtype=_A):
        """Look `name` up; callback(name, [addresses] or None, errno) comes when it is known, never
        from within this call. Raises ValueError for what can be no name. errno: ENOENT there is
        no address, ETIMEDOUT nobody answered, EIO servers refused, EMSGSIZE the answer was too
        long, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH no server, or no way to it."""
        self.stat[_QUERIED] += 1
        names = self._candidates(name)
        if len(names) == 1:
            self.ask(name, names[0], callback, qtype)
            return
        search = _Search(self, name, names, qtype, callback)
        self.searches.append(search)
        search.step()

    def ask(self, name, plain, callback, qtype):
        """Look the name `plain` up as it is; it is `name` that the callback is told."""
        addrs = self._local(plain, qtype)
        if addrs is None:
            entry = self._cached(plain, qtype)
            if entry:
                self.stat[_CACHED] += 1
                addrs = entry.addrs or []
        if addrs is not None:
            self._tell(callback, name, addrs or None, 0 if addrs else _ENOENT)
            return
        for query in self._queries:
            if query.name == plain and query.qtype == qtype:
                self.stat[_MERGED] += 1
                query.callbacks.append((name, callback))
                return
        if len(self._queries) >= _QUERIES:
            self._tell(callback, name, None, _ENOMEM)
            return
        query = Query(self, plain, qtype)
        query.callbacks.append((name, callback))
        self._queries.append(query)
        try:
            query.begin()
        except MemoryError as error:  # without a timer it would never end
            query.callbacks.clear()
            self.finish(query, None, _ENOMEM)
            raise error

    def lookup(self, name, qtype=_A):
        """Addresses that are known without asking, or None. Raises ValueError as query() does."""
        for plain in self._candidates(name):
            addrs = self._local(plain, qtype)
            if addrs is not None:
                return addrs or None
            entry = self._cached(plain, qtype)
            if entry is None or entry.addrs:
                return entry and entry.addrs
        return None

    def cancel(self, name, callback):
        """Nobody waits for `callback` any more."""
        for search in list(self.searches):
            if search.name == name and search.callback == callback:
                self.searches.remove(search)
                self._drop(search.current, search.told_bound)
        self._drop(name, callback)

    def _drop(self, name, callback):
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

    def _candidates(self, name):
        """The names to be tried for `name`, in lower case. RFC 1535 section 6: a name with dots is
        meant as it is. A single label is asked for as it is last."""
        plain = check_name(name)
        if name[-1] == "." or plain.count(".") >= self.ndots or self._local(plain, _ANY):
            return [plain]
        names = [plain + "." + domain for domain in self.domains_in_use()]
        return [longer for longer in names if len(longer) <= _HOST_MAX] + [plain]

    def _local(self, name, qtype):
        """Addresses that need no server: numbers, localhost (RFC 6761 6.3), the hosts table; None
        when the name is to be asked for. What has an address of one family here alone has none
        of the other."""
        if name in self.hosts:
            known = self.hosts[name]
        elif name == "localhost" or name.endswith(".localhost"):
            known = _LOCALHOST
        else:
            addr = quad(name)
            if addr is None:
                return None
            known = (addr,)
        if qtype == _ANY:
            return known
        return [addr for addr in known if len(addr) == (4 if qtype == _A else 16)]

    def _cached(self, name, qtype):
        for entry in self._cache:
            if entry.name == name and (entry.qtype == qtype or entry.qtype == _ANY):
                if entry.left(self.st.now) > 0:
                    return entry
        return None

    def _remember(self, query, qtype, addrs, ttl):
        if ttl <= 0:
            return
        self._sweep()
        if len(self._cache) >= _CACHE:
            self.stat[_EVICTED] += 1
            now = self.st.now
            self._cache.remove(min(self._cache, key=lambda entry: entry.left(now)))
        self._cache.append(_Entry(query.name, qtype, addrs, ttl, self.st.now))
        self._sweeper.start(self.st.now, _SWEEP_MS)

    def _sweep(self):
        now = self.st.now
        self._cache = [entry for entry in self._cache if entry.left(now) > 0]
        if self._cache:
            self._sweeper.start(now, _SWEEP_MS)

    # -- queries ----------------------------------------------------------------------------

    def send(self, query, at, server, size):
        """Put the question to a server. Returns what Endpoint.send() does."""
        ip = self.network(server)
        if ip is None:
            return -_ENETUNREACH
        buf = self._buf
        n = put_question(buf, 0, query.id, query.question(at), query.qtype, size)
        sent = query.send(buf, 0, n, ip, server, _PORT)
        self.stat[_OUT if sent > 0 else _OUT_FAILED] += 1
        return sent

    def answered(self, query, addrs):
        self.stat[_ANSWERS] += 1
        self._remember(query, query.qtype, addrs, query.ttl)
        self.finish(query, addrs, 0)

    def denied(self, query, ttl, nothing):
        """There is no address of that kind for the name, or (nothing) no such name."""
        self.stat[_NEGATIVE] += 1
        self._remember(query, _ANY if nothing else query.qtype, None, ttl)
        self.finish(query, None, _ENOENT)

    def finish(self, query, addrs, errno):
        """The end of a query; those who asked are told with the end of this batch."""
        if query not in self._queries:
            return
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
        try:
            while self._ready:
                callback, name, addrs, errno = self._ready.pop(0)
                callback(name, addrs, errno)
        finally:
            if self._ready:  # one has raised; the others are told with the next batch
                self.st.defer(self)


def attach(st):
    """The resolver of a stack; it knows at once the servers that DHCP and routers have told."""
    if st.dns is None:
        st.dns = Resolver(st)
        for nif, client in st.dhcp.items():
            if client.bound:
                st.dns.set_servers(nif, client.lease.dns, client.lease.search)
        for nif in st.nifs:
            if nif.v6 and nif.v6.routers:
                nif.v6.routers.tell()
            if nif.v6 and nif.v6.dhcp:
                nif.v6.dhcp.tell()
    return st.dns
