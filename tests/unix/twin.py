# Proof of sameness (DESIGN 1): one host that is two, the same stack from the same seed, one with
# the fast path off (slow), one with it on (fast). Every frame, every call and every millisecond
# reach both; after each poll everything that can be seen of them must be equal:
#
#   frames sent, in bytes and order            what calls return, and what they write
#   all words of all control blocks            text in the rings, ranges, scoreboards
#   all counters                               deadlines, what poll() returns, random numbers
#
# but for what belongs to the fast path alone: words 53..79, names that begin with "fast", and the
# scratch of single calls (SCRATCH, what was parsed or looked up last).
# They get all the frames they want: of an empty pool the fast path does not notice as much, as it
# has frames of its own, so that each alone must get through that (sim/test_bursts.py).
#
#   p = twin.peer()            # a bench.Peer; bench's builders take it: established(p=p)
#   a, b, wire = twin.pair(0)  # as bench.pair(), host 0 is the twin

import binascii
import netstack
from array import array
from hosts import _RESTLESS, NIC, Clock, Wire, host
from packets import Packet

_OWN = (53, 80)  # words of the control block that are the fast path's own
_SCRATCH = 36
_IP_ID = 3  # in Stack.w
# Words of an endpoint's block that are not the fast path's own:
_DATAGRAM = (0, 3, 6, 10, 11, 12, 13)
_WORDS = (
    "ISS SND_UNA SND_NXT SND_MAX SND_WL1 SND_WL2 IRS RCV_NXT RCV_ADV RECOVER RTT_SEQ FIN_SEQ "
    "SND_WND MAX_WND SND_MSS CWND SSTHRESH DUPACKS SRTT RTTVAR RTO BACKOFF RTT_AT UNACKED "
    "T_REXMT T_PERSIST T_DELACK T_KEEP T_2MSL CREDIT T_OUTPUT FLAGS SENT_AT RCV_MSS RCVD_AT "
    "PROBES SCRATCH STATE DUPS TS_RECENT TS_RECENT_AT TS_OFFSET ACK_SENT SND_SHIFT RCV_SHIFT "
    "DSACK DSACK_END CUBIC_47 CUBIC_48 CUBIC_49 CUBIC_50 CUBIC_51 TLP_END"
).split()

# Not descended into: what is compared by itself, or is the same for both.
_APART = (
    "Stack",
    "TCP",
    "UDP",
    "IPv4",
    "IPv6",
    "ICMPv4",
    "Interface",
    "Pool",
    "Timers",
    "NIC",
    "Host",
) + (
    "Embryo",  # holds a record while it is dealt with
)
# Attributes that say nothing once a call has returned.
_PASSING = (
    "seg table addr_to addr_from ticks ticked_at callback notify header job out _send _head _to"
    " _from short rings echoes"
).split()
_SILENT = ("function", "bound_method", "closure", "generator", "type", "module")


class Different(Exception):
    """The two are not the same."""


# -- comparing -----------------------------------------------------------------------------------


def word_name(i):
    return _WORDS[i] if i < len(_WORDS) else "word %d" % i


def _same_words(x, y, first, last):
    return memoryview(x)[first:last] == memoryview(y)[first:last]


def _block(x, y, path):
    """The first word in which two control blocks differ, as text; None: in none."""
    first, last = _OWN
    if (
        len(x) == len(y)
        and _same_words(x, y, 0, _SCRATCH)
        and _same_words(x, y, _SCRATCH + 1, first)
        and _same_words(x, y, last, len(x))
    ):
        return None
    if len(x) != len(y):
        return "%s: %d words, %d" % (path, len(x), len(y))
    for i in range(len(x)):
        if x[i] != y[i] and i != _SCRATCH and not first <= i < last:
            return "%s.%s (%d): slow %#x, fast %#x" % (path, word_name(i), i, x[i], y[i])
    raise AssertionError("comparison of control blocks is broken")


def _numbers(ring):
    """(head, len) of a ring."""
    return ring.w[0], ring.w[1]


def _text(ring, at, n):
    """`n` bytes of a ring's storage from index `at`, as one or two pieces."""
    view = memoryview(ring.buf)
    if at >= ring.size:
        at -= ring.size
    if at + n <= ring.size:
        return (view[at : at + n],)
    return view[at:], view[: at + n - ring.size]


def _ring(x, y, path, ranges=None):
    """Two rings: place, length, and what is in them, with what lies `ranges` beyond the end."""
    if x.size != y.size or _numbers(x) != _numbers(y):
        where = (path, x.size, _numbers(x), y.size, _numbers(y))
        return "%s: slow size %d, numbers %r; fast size %d, numbers %r" % where
    head, n = _numbers(x)
    parts = [(head, n)]
    if ranges:
        for i in range(ranges.n):
            parts.append((head + n + ranges.start[i], ranges.end[i] - ranges.start[i]))
    for at, n in parts:
        at %= x.size
        for mine, its in zip(_text(x, at, n), _text(y, at, n)):
            if mine != its:
                i = 0
                while mine[i] == its[i]:
                    i += 1
                return "%s: byte %d of %d from %d: slow %d, fast %d" % (
                    (path, i, n, at, mine[i], its[i])
                )
    return None


def difference(x, y, path="", depth=0):
    """The first difference of two values, as text; None when there is none."""
    if x is y:
        return None
    kind = type(x).__name__
    if kind != type(y).__name__:
        return "%s: slow %r, fast %r" % (path, x, y)
    if kind in _APART or kind in _SILENT or depth > 6:
        return None
    if isinstance(x, array):
        if path == "cb" or path.endswith(".cb"):
            return _block(x, y, path)
        same = len(x) == len(y) and memoryview(x) == memoryview(y)
        return None if same else "%s: slow %r, fast %r" % (path, list(x), list(y))
    if isinstance(x, (list, tuple)):
        if len(x) != len(y):
            return "%s: slow has %d, fast %d" % (path, len(x), len(y))
        for i in range(len(x)):
            text = difference(x[i], y[i], "%s[%d]" % (path, i), depth + 1)
            if text:
                return text
        return None
    if isinstance(x, dict):
        return _dicts(x, y, path, depth)
    if kind == "Ring":
        return _ring(x, y, path)
    if kind == "Rows":  # less its places in memory
        mine = (x.count, x.words, x._keys)
        return difference(mine, (y.count, y.words, y._keys), path, depth + 1)
    if hasattr(x, "__dict__"):
        return _attributes(x, y, path, depth)
    return None if x == y else "%s: slow %r, fast %r" % (path, x, y)


def _dicts(x, y, path, depth):
    for name in set(x) | set(y):
        if isinstance(name, str) and name.startswith("fast"):
            continue
        if name == "low":  # of the pool: how many frames are in use at a time is what differs
            continue
        if name not in x or name not in y:
            return "%s: %r in one alone" % (path, name)
        text = difference(x[name], y[name], "%s.%s" % (path, name), depth + 1)
        if text:
            return text
    return None


def _attributes(x, y, path, depth):
    mine = x.__dict__
    its = y.__dict__
    if depth > 1 and type(x).__name__ in ("Connection", "Listener", "Endpoint"):
        return None  # each is compared by itself
    kind = type(x).__name__
    for name in set(mine) | set(its):  # what one alone has set has its class's value in the other
        if kind == "Rows" and name in ("w", "key"):
            continue  # addresses, and what was looked up last
        if name in _PASSING or name.lstrip("_").startswith("fast"):
            continue
        if not (hasattr(x, name) and hasattr(y, name)):
            return "%s.%s: one alone has it" % (path, name)
        a = getattr(x, name)
        b = getattr(y, name)
        if name == "rx" and a and b:
            text = _ring(a, b, path + ".rx", x.ranges)
        elif name == "cb" and kind == "Endpoint":
            text = difference([a[i] for i in _DATAGRAM], [b[i] for i in _DATAGRAM], path + ".cb")
        else:
            text = difference(a, b, "%s.%s" % (path, name), depth + 1)
        if text:
            return text
    return None


def name_of(obj):
    """A connection, listener or endpoint as text."""
    text = "%s %d" % (type(obj).__name__, obj.lport)
    raddr = getattr(obj, "raddr", None)
    if raddr:
        text += "-%s:%d" % (".".join(str(b) for b in raddr), obj.rport)
    return text


def _blocks(st):
    """Everything filed in the tables of a stack, in their order."""
    found = []
    for protocol in (st.tcp, st.udp):
        if protocol:
            found += list(protocol.table)
    return found


def compare_counters(a, b):
    for name in a.names:
        if name.startswith("fast"):
            continue
        names, mine = a.names[name]
        its = b.names[name][1]
        if not memoryview(mine) == memoryview(its):
            for i in range(len(names)):
                if mine[i] != its[i]:
                    return "counter %s.%s: slow %d, fast %d" % (name, names[i], mine[i], its[i])
    return difference(a.stats()["pool"], b.stats()["pool"], "pool")


def compare_stacks(a, b, more=()):
    """The first difference of two stacks at rest, as text, or None. `more`: pairs of objects that
    are in no table any longer."""
    text = compare_counters(a, b)
    if text:
        return text
    mine = _blocks(a)
    its = _blocks(b)
    if [name_of(x) for x in mine] != [name_of(x) for x in its]:
        return "tables: slow %r, fast %r" % (mine, its)
    for x, y in list(zip(mine, its)) + list(more):
        text = difference(x, y, name_of(x))
        if text:
            return text
    for name in ("tcp", "udp", "ip4", "icmp4", "random", "now", "spent", "nomem"):
        x = getattr(a, name)
        y = getattr(b, name)
        compare = _attributes if hasattr(x, "__dict__") else difference
        text = compare(x, y, name, 2)
        if text:
            return text
    if a.w[_IP_ID] != b.w[_IP_ID]:
        return "IP identification: slow %d, fast %d" % (a.w[_IP_ID], b.w[_IP_ID])
    for x, y in zip(a.nifs, b.nifs):
        for name in ("up", "link", "queued"):
            if getattr(x, name) != getattr(y, name):
                return "%s.%s differs" % (x.name, name)
        if x.v6 and x.v6.nd:
            for name in ("ips", "macs", "states", "tries", "routers", "since", "due"):
                text = difference(getattr(x.v6.nd, name), getattr(y.v6.nd, name), "nd." + name)
                if text:
                    return text
    return None


# -- showing -------------------------------------------------------------------------------------


def show(frame):
    """A frame for reading, whatever is wrong with it."""
    try:
        return "%r" % Packet(frame)
    except Exception as error:
        return "<%s: %s>" % (binascii.hexlify(frame[:80]).decode(), error)


def _frames(mine, its):
    for i in range(min(len(mine), len(its))):
        if mine[i] != its[i]:
            x, y = mine[i], its[i]
            at = 0
            while at < min(len(x), len(y)) and x[at] == y[at]:
                at += 1
            return "frame %d sent differs at byte %d:\n  slow %s\n  fast %s" % (
                (i, at, show(x), show(y))
            )
    rest = (mine if len(mine) > len(its) else its)[min(len(mine), len(its)) :]
    who = "slow" if len(mine) > len(its) else "fast"
    return "%s alone has sent %s" % (who, ", ".join(show(frame) for frame in rest[:3]))


# -- the twin ------------------------------------------------------------------------------------


class Both:
    """The same object of both stacks: what is read must be equal, calls are made on both."""

    def __init__(self, twin, a, b):
        object.__setattr__(self, "_both", (twin, a, b))

    def __getattr__(self, name):
        twin, a, b = self._both
        return twin.join(getattr(a, name), getattr(b, name), name)

    def __setattr__(self, name, value):
        _, a, b = self._both
        setattr(a, name, value)
        setattr(b, name, value)


class Front(NIC):
    """Where the wire ends: what is received goes to both, what the slow one sends goes out."""

    def __init__(self, mac, mtu, hosts):
        super().__init__(mac, mtu)
        self.hosts = hosts

    def hand_over(self):
        taken = self.rx
        self.rx = []
        for h in self.hosts:
            h.nic.rx += taken
            for name in ("busy", "fail", "up"):
                value = getattr(self, name)
                if value or name == "up":
                    setattr(h.nic, name, value)
        self.busy = self.fail = 0
        self.received += len(taken)
        return taken


class Twin:
    """Looks like hosts.Host. `seed` only names what it was made from, for reports."""

    def __init__(self, addr="10.0.0.2", seed=1, clock=None, every=1, **kw):
        self.clock = clock or Clock()
        self.seed = seed
        self.label = ""
        self.every = every  # polls from one full comparison to the next
        self.polls = self.compared = self.frames = 0
        self.sent = ([], [])
        self.hosts = tuple(
            self._with(i, host, addr, seed=seed, clock=self.clock, **kw) for i in (0, 1)
        )
        a, b = self.hosts
        for i in (0, 1):
            self._collect(self.hosts[i].nic, self.sent[i])
        self.addr = a.addr
        self.mac = a.mac
        self.nic = Front(a.mac, a.nic.mtu, self.hosts)
        self.held = []  # pairs of connections, listeners and endpoints that the test has seen
        self.batch = []  # the frames of the last poll, for reports
        for name in ("st", "nif", "lo", "tcp", "udp", "ip4", "ip6", "icmp4", "arp"):
            if getattr(a, name, None):
                setattr(self, name, Both(self, getattr(a, name), getattr(b, name)))

    def _collect(self, nic, frames):
        nic.tx = frames.append

    def _with(self, side, function, *args, **kw):
        """Call it with the fast path as that side has it."""
        netstack.fastpath = bool(side)
        try:
            return function(*args, **kw)
        finally:
            netstack.fastpath = True

    # -- one face for two values

    def join(self, x, y, name):
        """Two values as one: equal ones are one, objects stay two, of calls both are made."""
        if callable(x) and not hasattr(x, "__dict__"):
            return lambda *args: self.call(x, y, name, args)
        if type(x).__name__ == "generator":
            x, y = list(x), list(y)
        if isinstance(x, list):
            self._alike(len(x), len(y), name)
            return [self.join(x[i], y[i], name) for i in range(len(x))]
        if hasattr(x, "__dict__") and type(x).__name__ not in _SILENT:
            self._alike(type(x).__name__, type(y).__name__, name)
            if type(x).__name__ in ("Connection", "Listener", "Endpoint"):
                self.hold(x, y)
            return Both(self, x, y)
        self._alike(x, y, name)
        return x

    def hold(self, x, y):
        for mine, _ in self.held:
            if mine is x:
                return
        self.held.append((x, y))

    def forget(self):
        """Held ones need not be compared any more once they are in no table."""
        self.held = []

    def _alike(self, x, y, name):
        text = difference(x, y, name)
        if text:
            self.fail(text)

    def call(self, x, y, name, args):
        mine = []
        its = []
        for arg in args:
            if isinstance(arg, Both):
                mine.append(arg._both[1])
                its.append(arg._both[2])
            else:
                mine.append(arg)
                its.append(bytearray(arg) if isinstance(arg, bytearray) else arg)
        results = []
        errors = []
        for side, function, given in ((0, x, mine), (1, y, its)):
            try:
                results.append(self._with(side, function, *given))
                errors.append(None)
            except OSError as error:
                results.append(None)
                errors.append(error)
        self._alike(*[error and error.errno for error in errors], name + "(): errno")
        for i in range(len(mine)):
            if isinstance(mine[i], bytearray):
                self._alike(mine[i], its[i], "%s(): what it wrote" % name)
        if errors[0]:
            raise errors[0]
        return self.join(results[0], results[1], name + "()")

    # -- as a host

    def settled(self):
        for h in self.hosts:
            h.settled()

    def poll(self):
        for _ in range(_RESTLESS):
            wait = self.once()
            if wait != 0 and not self.nic.rx:
                return wait
        raise AssertionError("poll() asks for another one at once, for ever")

    def once(self):
        """One poll of both; returns when they are next due."""
        taken = self.nic.hand_over()
        if taken:
            self.batch = taken
        waits = [self._with(i, self.hosts[i].st.poll, self.clock()) for i in (0, 1)]
        self.polls += 1
        mine, its = self.sent
        self.frames += len(mine)
        if mine != its:
            self.fail(_frames(mine, its))
        if waits[0] != waits[1]:
            self.fail("poll() returned: slow %d, fast %d" % tuple(waits))
        if self.polls % self.every == 0:
            self.compare()
        out = list(mine)
        mine.clear()
        its.clear()
        if self.nic.tx:
            for frame in out:
                self.nic.tx(frame)
        return waits[0]

    def compare(self):
        self.compared += 1
        a, b = self.hosts
        text = compare_stacks(a.st, b.st, self.held)
        if text:
            self.fail(text)

    def fail(self, text):
        lines = [
            "seed %s %s, %d ms, poll %d: %s"
            % ((self.seed, self.label, self.clock.ms, self.polls, text))
        ]
        lines.append("  of the batch received last, %d frames:" % len(self.batch))
        lines += ["  " + show(frame) for frame in self.batch[-16:]]
        raise Different("\n".join(lines))

    def stat(self, group):
        return self.st.stats()[group]

    def hits(self):
        """(slow, fast): (in, out) that the fast path has handled, None while there is none."""
        if "fast" not in self.hosts[1].st.stats():
            return None
        counts = [h.st.stats()["fast"] for h in self.hosts]
        return tuple((c["in"], c["out"]) for c in counts)


class Tally:
    """What a test has compared; check() sees that it was not nothing."""

    def __init__(self):
        self.frames = self.compared = self.rx = self.tx = 0
        self.known = False

    def add(self, twin):
        twin.compare()
        self.frames += twin.frames
        self.compared += twin.compared
        hits = twin.hits()
        if hits:
            self.known = True
            assert hits[0] == (0, 0), "the fast path is off, and has handled %r" % (hits[0],)
            self.rx += hits[1][0]
            self.tx += hits[1][1]

    def check(self, frames, rx, tx):
        """At least so many frames sent, and so many segments in and out by the fast path."""
        print("%d frames sent, compared %d times;" % (self.frames, self.compared), end=" ")
        assert self.frames >= frames, "only %d frames were sent" % self.frames
        assert self.compared > 0
        if not self.known:  # Stack.stats() tells of no fast path: both sides were the slow one
            print("this stack has no fast path", end=" ... ")
            return
        print("fast: %d in, %d out" % (self.rx, self.tx), end=" ... ")
        assert self.rx >= rx, "fast path: %d segments in, %d expected" % (self.rx, rx)
        assert self.tx >= tx, "fast path: %d segments out, %d expected" % (self.tx, tx)


def peer(addr="10.0.0.1", host_addr="10.0.0.2", auto_arp=True, **kw):
    """bench.peer() with a Twin for its host."""
    from bench import Peer

    return Peer(Twin(host_addr, **kw), addr, auto_arp)


def peer6(**kw):
    """peer6.peer() with a Twin for its host."""
    import peer6

    return peer6.peer(make=Twin, **kw)


def pair(which, tcp=False, budget=256 * 1024, seed=1, mtu=1500, every=1, number=None, **wire):
    """bench.pair() in which host `which` is a twin; `number`: that of peer6.py, for IPv6."""
    clock = Clock()
    hosts = []
    for i in (0, 1):
        kw = dict(clock=clock, tcp=tcp, budget=budget, seed=seed + i, mtu=mtu)
        if number:
            kw["ip6"] = True
        addr = "10.0.0.%d" % (i + 1)
        h = Twin(addr, every=every, **kw) if i == which else host(addr, **kw)
        if number:
            number(h, i + 1)
            h.settled()
            h.addr = h.nif.v6.list[1].addr
        hosts.append(h)
    return hosts[0], hosts[1], Wire(hosts[0], hosts[1], seed=seed, **wire)
