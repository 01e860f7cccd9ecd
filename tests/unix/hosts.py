# Hosts for the tests: stacks in virtual time on NICs in memory, alone or two on a lossy wire; and
# the check that a test has left nothing behind.

from netstack.core.stack import Stack
from netstack.inet import fragment, icmpv4, ipv4, paths, reassembly
from netstack.link import arp, ethernet, loopback
from netstack.transport import udp
from packets import ip

# Time starts three seconds before it wraps, so that most tests cross the wrap (core/clock.py).
_START = 0x3FFFFFFF - 3000
_MASK = 0x3FFFFFFF
_RESTLESS = 2000  # polls in a row that may ask for another one at once

_LOCK = 44  # words of Stack.w
_JOBS = 46

_hosts = []  # made since the test began
_closers = []  # callables that give back what builders have opened
guards = []  # callables that clean() asks: fence.py


class Random:
    """The same numbers on every target."""

    def __init__(self, seed=1):
        self.x = (seed * 2654435 + 12345) & _MASK

    def bits16(self):
        self.x = (self.x * 1103515245 + 12345) & _MASK
        return self.x >> 14

    def below(self, n):
        """0 .. n-1, n <= 65536"""
        return self.bits16() * n >> 16

    def bits32(self):
        return self.bits16() << 16 | self.bits16()

    def bytes(self, n):
        data = bytearray(n)
        for i in range(n):
            data[i] = self.bits16() >> 4
        return bytes(data)

    def percent(self, p):
        """True in `p` of 100 cases; `p` may be a fraction."""
        return p > 0 and self.bits16() < p * 65536 / 100

    def choice(self, items):
        return items[self.below(len(items))]


class Clock:
    """Virtual time: `ms` since the test began. Calling it gives what a stack's clock gives."""

    def __init__(self, start=_START):
        self.start = start
        self.ms = 0

    def __call__(self):
        return (self.start + self.ms) & _MASK


class Inside:
    """`with bench.inside(st): ...`: a call from outside, as the API layer makes it."""

    def __init__(self, st):
        self.st = st

    def __enter__(self):
        self.st.enter()
        return self.st

    def __exit__(self, *exc):
        self.st.leave()


inside = Inside


# -- hosts -------------------------------------------------------------------------------------


class NIC:
    """A NIC in memory. `rx` holds the frames to be received; what is sent goes to `tx(frame)`.

    busy: that many sends are answered with 0; fail: that many with -EIO.
    tells: recv() says when it gives the last frame; asked counts its calls."""

    def __init__(self, mac, mtu=1500):
        self.mac = mac
        self.mtu = mtu
        self.caps = 0
        self.drops = 0
        self.rx = []
        self.received = 0
        self.tx = None
        self.busy = 0
        self.fail = 0
        self.tells = False
        self.asked = 0
        self.up = 1
        self.cb = None
        self.groups = []

    def recv(self, buf, off):
        assert off & 3 == 2, "recv() at offset %d: not 2 modulo 4" % off
        self.asked += 1
        if not self.rx:
            return 0
        frame = self.rx.pop(0)
        self.received += 1
        assert off + len(frame) <= len(buf), "a frame of %d bytes" % len(frame)
        buf[off : off + len(frame)] = frame
        return -len(frame) if self.tells and not self.rx else len(frame)

    def send(self, buf, off, n):
        if self.busy:
            self.busy -= 1
            return 0
        if self.fail:
            self.fail -= 1
            return -5
        if self.tx:
            self.tx(bytes(memoryview(buf)[off : off + n]))
        return n

    def link(self):
        return self.up

    def irq(self, cb):
        self.cb = cb

    def multicast(self, mac, on):
        if on:
            self.groups.append(mac)
        else:
            self.groups.remove(mac)


class Host:
    """A stack with `lo` and `eth0` in virtual time. Made by host()."""

    def __init__(self, clock, seed, budget, mtu, mac, with_tcp, with_ip6, neighbours):
        self.clock = clock
        self.st = st = Stack(budget, clock, seed, mtu)
        st.neighbours = neighbours
        self.ip4 = ipv4.attach(st)
        self.icmp4 = icmpv4.attach(st)
        fragment.attach(st)
        self.reassembly = reassembly.attach(st)
        self.paths = paths.attach(self.ip4)
        self.udp = udp.attach(st)
        if with_tcp:
            from netstack.transport import tcp

            tcp.attach(st)
            self.tcp = st.tcp
        self.ip6 = None
        if with_ip6:
            from netstack.inet import fragment6, ipv6

            self.ip6 = ipv6.attach(st)
            fragment6.Fragmentation6(self.ip6)
            paths.attach(self.ip6)
            if with_tcp:
                from netstack.transport.tcp import confirm

                confirm.attach(st)
        self.lo = st.add(loopback.Loopback(mtu), loopback.attach, "lo")
        self.nic = NIC(mac, mtu)
        self.nif = st.add(self.nic, _attach_link, "eth0")
        self.arp = self.nif.arp
        self.mac = mac

    def configure(self, addr, mask, gw):
        self.lo.set_up(True)
        self.ip4.configure(self.lo, ip("127.0.0.1"), ip("255.0.0.0"))
        self.nif.set_up(True)
        self.addr = ip(addr)
        if self.addr != b"\0\0\0\0":
            self.ip4.configure(self.nif, self.addr, ip(mask), ip(gw))

    def settled(self):
        """From now on this is what clean() compares with."""
        self._spent = self.st.spent
        self._timers = len(self.st.timers.list)

    def poll(self):
        """Poll until the stack is at rest; returns when it is next due."""
        for _ in range(_RESTLESS):
            wait = self.st.poll(self.clock())
            if wait != 0 and not self.nic.rx:
                return wait
        raise AssertionError("poll() asks for another one at once, for ever")

    def stat(self, group):
        return self.st.stats()[group]


def _attach_link(nif):
    ethernet.attach(nif)
    arp.attach(nif)


def host(
    addr="10.0.0.2",
    mask="255.255.255.0",
    gw="0.0.0.0",
    mac=None,
    seed=1,
    clock=None,
    budget=256 * 1024,
    mtu=1500,
    tcp=False,
    ip6=False,
    neighbours=0,
):
    """A host with a link that is up; `addr` 0.0.0.0 leaves it without an address."""
    address = ip(addr)
    mac = mac or b"\x02\0" + address
    h = Host(clock or Clock(), seed, budget, mtu, mac, tcp, ip6, neighbours)
    h.configure(addr, mask, gw)
    h.settled()
    _hosts.append(h)
    return h


def make_frames(st):
    """Have all of the pool made now, and not when a busy machine first wants so many at a time."""
    with inside(st):
        frames = []
        while st.pool.left:
            frames.append(st.pool.alloc(True))
        for fr in frames:
            st.pool.release(fr)


def forget():
    """A new test begins."""
    _hosts.clear()
    _closers.clear()


def at_end(callback):
    """Call this when the test has ended, before it is looked at what is left."""
    _closers.append(callback)


def tidy():
    """Give back what the test has left open: sockets of bench's builders, TCP connections, UDP
    endpoints, what ARP holds for neighbours that have not answered, halves of datagrams."""
    while _closers:
        _closers.pop()()
    for h in _hosts:
        with inside(h.st):
            if h.st.tcp:
                for conn in list(h.st.tcp.connections()):
                    conn.abort()
                    conn.close()
                h.st.tcp.timewait.flush()
            for endpoint in list(h.udp.table):
                endpoint.close()
        h.nic.tx = None
        h.nic.busy = h.nic.fail = 0
        h.nic.rx.clear()
        h.poll()
        h.nif.arp.flush()
        h.reassembly.flush()
        h.paths.flush()
        if h.ip6:
            h.nif.v6.nd.flush()
            h.ip6.paths.flush()


def clean(*hosts):
    """Check that nothing is left behind: frames, timers, budget, jobs."""
    for h in hosts or _hosts:
        st = h.st
        h.poll()
        pool = st.pool
        assert pool.left == pool.count, "pool: %d of %d frames left" % (pool.left, pool.count)
        free = pool._free[: pool.left - pool.unmade]
        assert len(set(id(fr) for fr in free)) == len(free), "pool: a frame is in it twice"
        for fr in free:
            assert fr.free, "pool: a free frame is marked as used"
        standing = [st._link_timer] + [nif.arp._timer for nif in st.nifs if hasattr(nif, "arp")]
        if h.ip6:
            v6 = h.nif.v6
            standing += [h.ip6.life._timer, v6.nd._timer, v6.dad._timer, v6.routers._timer]
            standing.append(h.ip6.members._timer)
        for timer in st.timers.list:
            if timer.active and timer not in standing:
                raise AssertionError("a timer runs: %r" % timer.callback)
        n = len(st.timers.list) - bool(st.tcp and st.tcp.synqueue)  # once somebody has listened
        assert n == h._timers, "timers: %d, %d at the start" % (n, h._timers)
        assert st.spent == h._spent, "budget: %d spent, %d at the start" % (st.spent, h._spent)
        assert st.w[_LOCK] == st.w[_JOBS] == 0, "a lock is held or a job waits"
        assert st.nomem == 0, "MemoryError inside poll()"
    for guard in guards:
        guard()


# -- two hosts on a wire -----------------------------------------------------------------------


class Wire:
    """Joins two hosts on one clock. loss, duplicate, corrupt, reorder: per cent of frames; delay
    and jitter: milliseconds. Repeats to the byte from `seed`."""

    def __init__(self, a, b, seed=1, loss=0, duplicate=0, corrupt=0, reorder=0, delay=1, jitter=0):
        assert a.clock is b.clock, "both hosts need the same clock"
        self.clock = a.clock
        self.hosts = (a, b)
        self.random = Random(seed)
        self.loss = loss
        self.duplicate = duplicate
        self.corrupt = corrupt
        self.reorder = reorder
        self.delay = delay
        self.jitter = jitter
        self.sent = self.lost = self.corrupted = self.duplicated = self.reordered = 0
        self.mark = (
            0  # per cent of frames that meet congestion: marked (RFC 3168), or else dropped
        )
        self.marked = 0
        self.rate = 0  # bytes a millisecond that it takes each way, 0: any number
        self.queue = 0  # bytes that wait for that; what comes beyond them is dropped
        self.dropped = 0
        self._taken = [0, 0]  # each way: bytes, counted as what `rate` would take since the start
        self.tap = None  # callable(ms, host index that sends, frame)
        self._flying = []  # (arrival, receiving NIC, frame), by arrival
        a.nic.tx = lambda frame: self._send(0, frame)
        b.nic.tx = lambda frame: self._send(1, frame)

    def _send(self, index, frame):
        self.sent += 1
        if self.tap:
            self.tap(self.clock.ms, index, frame)
        if len(frame) < 60:
            frame += bytes(60 - len(frame))
        rnd = self.random
        nic = self.hosts[1 - index].nic
        if rnd.percent(self.loss):
            self.lost += 1
            return
        if self.mark and rnd.percent(self.mark):
            if not _capable(frame):
                self.lost += 1
                return
            self.marked += 1
            frame = _congested(frame)
        if rnd.percent(self.duplicate):
            self.duplicated += 1
            self._fly(nic, frame)
        # A link's own checksum guards headers that have none (Ethernet, ARP): IP alone is hurt.
        if frame[12:14] in (b"\x08\0", b"\x86\xdd") and rnd.percent(self.corrupt):
            self.corrupted += 1
            frame = bytearray(frame)
            frame[14 + rnd.below(len(frame) - 14)] ^= 1 << rnd.below(8)
        wait = self._wait(index, len(frame))
        if wait >= 0:
            self._fly(nic, frame, wait)

    def _wait(self, index, n):
        """Milliseconds that `n` bytes wait for their turn; -1: they find no place."""
        if not self.rate:
            return 0
        start = self.clock.ms * self.rate
        waiting = max(0, self._taken[index] - start)
        if waiting + n > self.queue:
            self.dropped += 1
            return -1
        self._taken[index] = start + waiting + n
        return (waiting + n) // self.rate

    def _fly(self, nic, frame, wait=0):
        due = self.clock.ms + self.delay + wait
        if self.jitter:
            due += self.random.below(self.jitter + 1)
        if self.random.percent(self.reorder):
            self.reordered += 1
            due += 1 + self.random.below(3 * self.delay + 10)
        flying = self._flying
        i = len(flying)
        while i and flying[i - 1][0] > due:
            i -= 1
        flying.insert(i, (due, nic, frame))

    def _deliver(self):
        flying = self._flying
        while flying and flying[0][0] <= self.clock.ms:
            _, nic, frame = flying.pop(0)
            nic.rx.append(frame)

    def run(self, ms, until=None):
        """Let up to `ms` milliseconds pass; ends early, with True, when until() says so. until()
        is asked at every moment at which something happens: programs do their work in it."""
        end = self.clock.ms + ms
        while True:
            self._deliver()
            a, b = self.hosts
            wait = _sooner(a.poll(), b.poll())
            if until and until():
                return True
            wait = _sooner(wait, _sooner(a.poll(), b.poll()))  # until() may have given work
            if self._flying:
                wait = _sooner(wait, max(0, self._flying[0][0] - self.clock.ms))
            left = end - self.clock.ms
            if left <= 0:
                return False
            self.clock.ms += left if wait < 0 or wait > left else wait


def _capable(frame):
    """Does it bear ECT (RFC 3168 section 5)?"""
    if frame[12] == 0x86:
        return frame[15] >> 4 & 3 in (1, 2)
    return frame[12] == 8 and frame[13] == 0 and frame[15] & 3 in (1, 2)


def _congested(frame):
    """The frame with CE in its header, and an IPv4 header's checksum right."""
    frame = bytearray(frame)
    if frame[12] == 0x86:
        frame[15] |= 0x30
        return frame
    total = (frame[24] ^ 255) << 8 | frame[25] ^ 255
    total += 3 - (frame[15] & 3)
    total = ~(total + (total >> 16)) & 0xFFFF
    frame[15] |= 3
    frame[24] = total >> 8
    frame[25] = total & 255
    return frame


def _sooner(a, b):
    return a if b < 0 else b if a < 0 else min(a, b)


def pair(
    addr1="10.0.0.1", addr2="10.0.0.2", tcp=False, budget=256 * 1024, seed=1, mtu=1500, **wire
):
    """Two hosts on a wire: (a, b, wire)."""
    clock = Clock()
    a = host(addr1, clock=clock, tcp=tcp, budget=budget, seed=seed, mtu=mtu)
    b = host(addr2, clock=clock, tcp=tcp, budget=budget, seed=seed + 1, mtu=mtu)
    return a, b, Wire(a, b, seed=seed, **wire)
