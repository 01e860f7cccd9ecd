# The stack: registries that protocols fill by attach(stack), and poll(), which moves everything.
#
# poll(now) -> for each interface: NIC -> frames -> link -> IP -> transport -> rings
#           -> timers that are due -> jobs put off to the end of the batch (TCP output: one ACK
#              for many segments).
# Re-entry is harmless: poll() called from inside the stack, or by the scheduler while a program is
# inside a socket call, does nothing but note that there is work. A hard interrupt comes in the
# middle of machine code, and is refused, by processor.py.
#
# Another core runs beside it, and waits, as a thread does. Both may find LOCK 0 at once: so there
# is SPIN, a register that one of them has at a time. Who enters takes it first, says in OWNER who
# that is, and sets LOCK; who leaves gives it back last. So OWNER holds while LOCK is not 0; and
# who finds SPIN taken but LOCK 0 has met the other, on its way in or out. MISSED is 2 when poll()
# has given way to the other core. That may have looked at MISSED for the last time: who is turned
# away comes again by himself, in a loop or by the timer (again()), and nothing hangs on who is
# faster.

from array import array
from micropython import const
from netstack.core.clock import Timers
from netstack.core.frame import Pool
from netstack.core.interface import Interface
from netstack.core.processor import INTERRUPT, refuse
from netstack.core.random import Random
from netstack.core.wire import where
from time import ticks_ms

_MASK = const(0x3FFFFFFF)
_HALF = const(0x20000000)  # from here on a difference of times is below 0
_LINK_MS = const(500)  # how often the NIC is asked for its link state
_FRAME = const(1636)
_NOW = const(0)
_HOPS = const(2)
_FAST_IN = const(32)  # frames the fast path took, and sent
_FAST_OUT = const(33)
_LOCK = const(44)
_MISSED = const(45)
_JOBS = const(46)
_QUEUED = const(47)
_ARMED = const(48)  # of core/clock.py
_DUE = const(49)
_STEPS = const(50)  # how many there are
_THREADS = const(63)
_OWNER = const(64)
_GATE = const(66)
_CORE = const(67)
_SPIN = const(68)
_SERVED = const(69)
_NEXT = const(70)
_WORDS = const(75)
_FLUSH = const(0)  # Stack.steps: what poll() calls
_TIMERS = const(1)
_NIFS = const(2)


class Stack:
    """A TCP/IP stack of its own; several may live in one interpreter.

    budget: bytes of memory for frames and socket rings together
    clock:  a function that gives milliseconds; only read on entry from outside
    seed:   bytes or int: repeatable random numbers for tests; None: os.urandom
    """

    def __init__(self, budget=256 * 1024, clock=ticks_ms, seed=None, mtu=1500):
        if budget < 16 * 1024:
            raise ValueError("stack budget of %d bytes: at least 16384 are needed" % budget)
        frames = budget // 4 // _FRAME
        frames = 8 if frames < 8 else 64 if frames > 64 else frames
        self.budget = budget
        self.spent = frames * (mtu + 136)  # bytes of the budget in use
        self.mtu = mtu  # frames are made for it: no NIC may have more
        self.clock = clock
        self.now = clock() & _MASK
        # 0 now  1 milliseconds since then, 32 bits wide
        # 2 HOPS: changes of routes and neighbours, from 1 on
        # 3 the last IPv4 identification  44 calls from outside that go on, poll() being one
        # 45 poll() is to be called again  46 jobs put off  47 frames that wait for a NIC
        # 48, 49 of core/clock.py  50 length of `steps`  62, 65, 71..73 see api/host.py
        # 63 there may be threads: then 64 is who holds 44, as ident() has it
        # 66, 67, 68 INTERRUPT, CORE and SPIN of processor.py, if there are any; share() sets these
        # 69 somebody polls by himself, 70 when he will, rearm() tells him  others: inet/match.py
        self.w = array("I", bytes(4 * _WORDS))
        self.w[_NOW] = self.now
        self.w[_HOPS] = 1
        self.w[_GATE] = INTERRUPT
        self.refuse = refuse
        self.random = Random(seed)
        self.pool = Pool(frames, mtu)
        self.burst = frames // 2
        self.nifs = []
        self.neighbours = 0  # rows of ARP and ND of interfaces to come, 8 to 255; 0: 16 and 24
        self.timers = Timers(self.w)
        self.ethertypes = {}  # ethertype -> input(fr)
        self.match = None  # the fast path: inet/match.py
        # and who gets what it has found: handler(nif.io); the first gets what it has not
        self.kinds = [_nobody, None, None, None, _nobody]
        self.networks = []  # IPv4, IPv6
        self.transports = {}  # protocol number -> what every network protocol gives it to
        self.ip4 = self.icmp4 = self.ip6 = self.udp = self.tcp = self.dns = None
        self.igmp = None  # inet/igmp.py, once a group has been joined
        self.reassembly = None  # inet/reassembly.py, which fragments are given to
        self.dhcp = {}  # interface -> DHCP client
        self.watchers = []  # callables (nif, event)
        self.reclaim = None  # callable: give back memory that lies idle
        self.short = None  # callable: there was none for a connection
        self.rearm = self.again = None  # of api/host.py
        self.idle = None  # callable (ms): sleep until then, or until a NIC has something
        self.names = {}
        self.nomem = 0  # MemoryErrors met inside poll()
        self._jobs = jobs = [None] * 8
        self.defer = _deferrer(where(self.w), jobs)
        self.flush = _flusher(self, jobs)
        self.steps = [self.flush, self.timers.run]  # and the poll() of each interface
        self.poll = _poller(self)
        self.ident = None  # a function that tells one thread from another
        self.enter = _enterer(self)
        self.claim = _claimer(self)
        self.inside = _insider(self)
        self.leave = _leaver(self)
        self._link_timer = self.timers.new(self._check_links)

    # -- registries -------------------------------------------------------------------------

    def counters(self, name, names):
        """A new array of counters, listed by stats() under `name`."""
        values = array("I", bytes(4 * len(names)))
        self.names[name] = (names, values)
        return values

    def stats(self):
        """All counters: {"ipv4": {"in": 17, ...}, ...}."""
        result = {}
        for name, (names, values) in self.names.items():
            result[name] = {names[i]: values[i] for i in range(len(names))}
        result["fast"] = {"in": self.w[_FAST_IN], "out": self.w[_FAST_OUT]}
        pool = self.pool
        result["pool"] = {
            "frames": pool.count,
            "free": pool.left,
            "low": pool.low,
            "denied": pool.denied,
            "nomem": self.nomem,
        }
        return result

    def add(self, nic, attach_link, name):
        """Add a NIC as an interface; `attach_link(nif)` puts a link protocol on it."""
        for nif in self.nifs:
            if nif.name == name:
                raise ValueError("interface %s exists already" % name)
        if nic.mtu > self.mtu:
            text = "interface %s has an MTU of %d, the stack's frames take %d: Stack(mtu=...)"
            raise ValueError(text % (name, nic.mtu, self.mtu))
        nif = Interface(self, nic, name, self.burst)
        attach_link(nif)
        for ip in self.networks:
            ip.attach_nif(nif)
        if self.match:
            self.match.attach_nif(nif)
        self.steps.append(nif.poll)
        self.nifs.append(nif)
        self.w[_STEPS] = len(self.steps)
        if not self._link_timer.active:
            self._link_timer.start(self.now, _LINK_MS)
        return nif

    def carry(self, number, handler):
        """Have every network protocol give what bears this protocol number to `handler`."""
        self.transports[number] = handler
        for ip in self.networks:
            ip.protocols[number] = handler

    def lack(self, name, whose):
        """`whose` has no reassembly, or paths, and there is something for it. Returns it, or None:
        do without. api/host.py loads it now."""

    def notify(self, nif, event):
        """Tell everyone who watches that an interface's link or address changed."""
        self.rerouted()
        for watcher in self.watchers:
            watcher(nif, event)

    def rerouted(self):
        """A route or the link address of a neighbour may have changed: who keeps one asks anew."""
        self.w[_HOPS] += 1

    # -- memory -----------------------------------------------------------------------------

    @micropython.native
    def charge(self, n):
        """Take `n` bytes of the budget for a ring; False when they are not there."""
        if self.spent + n > self.budget:
            if self.reclaim:
                self.reclaim()
            if self.spent + n > self.budget:
                return False
        self.spent += n
        return True

    def left(self):
        """Bytes of the budget that nobody has."""
        return self.budget - self.spent

    def credit(self, n):
        self.spent -= n

    # -- running ----------------------------------------------------------------------------

    def share(self, core, spin):
        """Two cores are to use it: processor.py has these. There is one SPIN, for one stack."""
        self.w[_CORE] = core
        self.w[_SPIN] = spin

    def expect(self, n):
        """See that `n` jobs can be put off without any more memory, and some beside them."""
        jobs = self._jobs
        while len(jobs) < n + 8:
            jobs.append(None)

    def starved(self):
        """There was no memory for something that has to be given up."""
        self.nomem += 1

    def _check_links(self):
        self.pool.retry()
        for nif in self.nifs:
            nif.check_link()
        self._link_timer.start(self.now, _LINK_MS)


def _nobody(io):
    """Nobody wants what match4() has not found: inet/match6.py may."""
    return 0


# What runs for each packet is made of closures: they have their names at hand, where a method
# would look each of them up. Over no more than five, arguments included, or these go to the heap.


def _poller(st):
    """Stack.poll."""
    words = where(st.w)
    steps = st.steps
    nomem = MemoryError

    @micropython.viper
    def poll(now: int) -> int:
        """Do what is to be done, a bounded part of it. Returns the milliseconds until poll() is
        next due (0: at once), -1 when only a NIC can bring work."""
        w = ptr32(int(words))
        gate = w[_GATE]
        if gate and ptr32(gate)[0] & 0x1FF:
            st.refuse()
        spin = w[_SPIN]
        if spin and not ptr32(spin)[0]:
            if w[_LOCK] and w[_OWNER] == ptr32(w[_CORE])[0]:
                w[_MISSED] = 1
            else:
                w[_MISSED] = 2
            return 0
        if w[_LOCK]:
            w[_MISSED] = 1
            return 0
        if spin:
            w[_OWNER] = ptr32(w[_CORE])[0]
        w[_LOCK] = 1
        w[_MISSED] = 0
        if w[_THREADS]:
            w[_OWNER] = int(st.ident())
        now &= 0x3FFFFFFF
        wait = (now - w[0]) & 0x3FFFFFFF
        if spin and wait >= 0x20000000:  # another core has read the clock later and come in before
            wait = 0
            now = w[0]
        w[1] = w[1] + wait  # tick() of clock.py
        w[0] = now
        st.now = now
        try:
            try:
                i = _NIFS
                while i < w[_STEPS]:
                    if int(steps[i]()):
                        w[_MISSED] = 1  # there may be more
                    i += 1
                if w[_ARMED] and (now - w[_DUE]) & 0x3FFFFFFF < 0x20000000:
                    steps[_TIMERS](now)
                if w[_JOBS]:
                    steps[_FLUSH]()
            except nomem:
                st.starved()
                w[_MISSED] = 1
        finally:
            w[_LOCK] = 0
            if spin:
                ptr32(spin)[0] = spin
        if w[_ARMED] and w[_SERVED]:
            wait = (w[_NEXT] - w[_DUE]) & 0x3FFFFFFF
            if wait and wait < 0x20000000:
                st.rearm()
        if w[_MISSED]:
            return 0
        wait = -1
        if w[_ARMED]:
            wait = (w[_DUE] - now) & 0x3FFFFFFF
            if wait >= 0x20000000:
                return 0
        if w[_QUEUED] and wait:
            return 1  # a NIC does not tell when it is ready again
        return wait

    return poll


def _enterer(st):
    """Stack.enter."""
    words = where(st.w)

    @micropython.viper
    def enter():
        """A call from outside begins: until leave() the stack is not polled."""
        w = ptr32(int(words))
        spin = w[_SPIN]
        if spin and not (w[_LOCK] and w[_OWNER] == ptr32(w[_CORE])[0]):
            while not ptr32(spin)[0]:
                pass
            w[_OWNER] = ptr32(w[_CORE])[0]
        w[_LOCK] = w[_LOCK] + 1
        if w[_LOCK] == 1:
            now = int(st.clock()) & 0x3FFFFFFF
            w[1] = w[1] + ((now - w[0]) & 0x3FFFFFFF)  # tick() of clock.py
            w[0] = now
            st.now = now

    return enter


def _claimer(st):
    """Stack.claim."""
    words = where(st.w)

    @micropython.viper
    def claim() -> bool:
        """enter() for whom somebody may have been before: False while the stack is busy."""
        w = ptr32(int(words))
        gate = w[_GATE]
        if gate and ptr32(gate)[0] & 0x1FF:
            st.refuse()
        if w[_LOCK]:
            return False
        spin = w[_SPIN]
        if spin:
            if not ptr32(spin)[0]:
                return False
            w[_OWNER] = ptr32(w[_CORE])[0]
        w[_LOCK] = 1
        if w[_THREADS]:
            w[_OWNER] = int(st.ident())
        now = int(st.clock()) & 0x3FFFFFFF
        w[1] = w[1] + ((now - w[0]) & 0x3FFFFFFF)  # tick() of clock.py
        w[0] = now
        st.now = now
        return True

    return claim


def _insider(st):
    """Stack.inside."""
    words = where(st.w)

    @micropython.viper
    def inside() -> bool:
        """Has who asks entered the stack, or been called by it?"""
        w = ptr32(int(words))
        gate = w[_GATE]
        if gate and ptr32(gate)[0] & 0x1FF:
            return False
        if w[_SPIN] and w[_OWNER] != ptr32(w[_CORE])[0]:
            return False
        return w[_LOCK] != 0

    return inside


def _leaver(st):
    """Stack.leave."""
    words = where(st.w)

    @micropython.viper
    def leave():
        w = ptr32(int(words))
        spin = w[_SPIN]
        n = w[_LOCK] - 1
        if not n and w[_JOBS]:
            try:
                st.flush()
            finally:  # whatever a program's callback raises, Ctrl-C included
                w[_LOCK] = 0
                if spin:
                    ptr32(spin)[0] = spin
        else:
            w[_LOCK] = n
            if spin and not n:
                ptr32(spin)[0] = spin
        if w[_MISSED] and not n:
            st.poll(st.clock())
            if w[_MISSED] == 2:
                st.again()
        if w[_ARMED] and w[_SERVED]:
            wait = (w[_NEXT] - w[_DUE]) & 0x3FFFFFFF
            if wait and wait < 0x20000000:
                st.rearm()

    return leave


def _deferrer(words, jobs):
    """Stack.defer."""
    length = len

    @micropython.viper
    def defer(job):
        """Have job.run() called at the end of this batch, once."""
        if job.deferred:
            return
        w = ptr32(int(words))
        n = w[_JOBS]
        if n == int(length(jobs)):
            jobs.append(None)
        jobs[n] = job
        job.deferred = True
        w[_JOBS] = n + 1

    return defer


def _flusher(st, jobs):
    """Stack.flush."""
    words = where(st.w)
    nomem = MemoryError
    nothing = None

    @micropython.viper
    def flush():
        w = ptr32(int(words))
        i = 0
        while i < w[_JOBS]:  # a job may defer others
            job = jobs[i]
            jobs[i] = None
            i += 1
            if job is nothing:  # done, before an exception ended the last batch
                continue
            job.deferred = False
            try:
                job.run()
            except nomem:
                st.starved()
        w[_JOBS] = 0

    return flush
