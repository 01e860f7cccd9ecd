# The stack of this process or board, and what keeps it running: every face shares it.
#
#   a blocking call:  pump() -> did something happen? -> stack.idle(ms until it is next due)
#   select, asyncio:  socket.ioctl -> pump_once_a_round()
#   a busy program:   on boards a NIC's interrupt and a one-shot timer poll from the scheduler
#                     (Service). The unix port does so while it waits, for whatever: in select, in
#                     time.sleep, for input (ports/unix/wait.c), but not in between.
#   two cores:        both do all of this. Scheduler, interrupts and timer are the first one's; the
#                     second polls for itself, and whenever any event wakes it.

import gc
import io
import micropython
from array import array
from micropython import const
from netstack.api import state
from netstack.core.clock import elapsed, later
from netstack.core.processor import CORE, SPIN
from netstack.core.wire import where
from time import sleep, sleep_ms, ticks_ms

if CORE:
    from machine import mem32

_EAGAIN = const(11)
_POLL = const(3)  # MP_STREAM_POLL
_RD = const(1)
_LOOPBACK = b"\x7f\0\0\1"
_LOOPBACK6 = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
_LOOPBACK_MASK = b"\xff\0\0\0"
_BUDGET_MIN = const(32 * 1024)
_BUDGET_MAX = const(2048 * 1024)
_RECHECK_MS = const(500)  # the longest a board's stack is left alone
_TURNS = const(4)  # polls in a row before the program gets a turn
_LOCK = const(44)  # words of Stack.w: core/stack.py
_MISSED = const(45)
_ARMED = const(48)  # of core/clock.py
_DUE = const(49)
_ASKED = const(62)  # how often pump_once_a_round() was called, for ports/unix/wait.c
_THREADS = const(63)
_OWNER = const(64)
_SLEEPING = const(65)  # threads of the unix port that sleep; 1: there is a second core
_CORE = const(67)
_SPIN = const(68)
_SERVED = const(69)
_NEXT = const(70)  # when the service's timer fires
_WOKEN = const(71)  # of Service: it has been called since the last pump()
_ASLEEP = const(72)  # the program is in idle(), and polls when that ends
_INTERRUPTED = const(73)  # by Ctrl-C, which was meant for the program
_NEVER = const(0x1FFFFFFF)  # the longest that a time can lie ahead
_SHARED_MS = const(20)  # the longest that a thread sleeps while others may act for it
_BLIND_MS = const(5)  # how often a NIC that cannot wake anybody is asked

_BUSY = 0.00005  # seconds, before a thread tries again to enter the stack
BUSY = "the stack is busy, and goes on only when this callback has returned: try again later"


class _First:
    """Held by the thread that does what is done once; others wait until that is there."""

    def __init__(self):
        self._lock = None
        self._owner = None
        self._depth = 0
        try:
            from _thread import allocate_lock, get_ident
        except ImportError:
            return
        self._lock = allocate_lock()
        self._ident = get_ident

    def __enter__(self):
        if self._lock:
            me = self._ident()
            if self._owner != me:
                self._lock.acquire()
                self._owner = me
            self._depth += 1

    def __exit__(self, *_):
        if self._lock:
            self._depth -= 1
            if self._depth == 0:
                self._owner = None
                self._lock.release()


state.first = _First()


def load(name):
    """A module of this package, for who needs it rarely. MicroPython's `import` gives one thread
    what another is still loading; this does not."""
    module = state.loaded.get(name)
    if module is None:
        with state.first:
            module = state.loaded[name] = __import__("netstack.api." + name, None, None, ("*",))
    return module


def stack():
    """The stack, made when it is first asked for: with loopback, without a NIC."""
    if state.st is None:
        with state.first:
            if state.st is None:
                state.st = _make()
    return state.st


def _make():
    from netstack.core.stack import Stack
    from netstack.inet import icmpv4, ipv4
    from netstack.link import loopback

    st = Stack(_budget(), ticks_ms)
    if CORE:
        mem32[SPIN] = 0  # a core that a soft reset has stopped may have had it
        st.share(CORE, SPIN)
    st.neighbours = _neighbours()
    ipv4.attach(st)
    icmpv4.attach(st)
    st.lack = _lack
    st.ip4.output_parts = _cut
    nif = st.add(loopback.Loopback(), loopback.attach, "lo")
    nif.set_up(True)
    st.ip4.configure(nif, _LOOPBACK, _LOOPBACK_MASK)
    _attach_ip6(st, nif)
    _expect_threads(st)
    if state.UNIX:
        st.idle = _sleeper(st)
    else:
        state.service = Service(st)
        st.idle = state.service.idle
    state.pump = _pumper(st, state.service)
    return st


def _lack(name, whose):
    """What few hosts ever need is loaded when it is first wanted."""
    module = __import__("netstack.inet." + name, None, None, ("*",))
    attach = getattr(module, "attach", None)  # whoever is still loading it has been interrupted
    return attach and attach(whose)


def _cut(*args):
    """The first datagram that is too long for a packet."""
    _lack("fragment", state.st)
    return state.st.ip4.output_parts(*args)


def _expect_threads(st):
    """Where there are threads, the stack notes which of them is inside. Where each has a core of
    its own, it does so anyway."""
    if CORE:
        return
    try:
        from _thread import get_ident
    except ImportError:
        return
    st.ident = get_ident
    st.w[_THREADS] = 1


def _attach_ip6(st, lo):
    """IPv6, where it is frozen (NETSTACK_IPV6 of lib/manifest.py)."""
    try:
        from netstack.inet import fragment6, ipv6
    except ImportError:
        return
    ip = ipv6.attach(st)
    ip.secret = _identity()
    ip.add(lo, _LOOPBACK6, 128)
    fragment6.Fragmentation6(ip)
    ip.managed = _managed


def _managed(nif, flags):
    """A router tells whether a DHCP server has addresses (0x80), or other things (0x40)."""
    if nif.v6.dhcp is None:
        if not flags & 0xC0:
            return
        try:
            from netstack.services import dhcp6
        except ImportError:  # NETSTACK_DHCP6=0
            nif.v6.ip.managed = None
            return
        udp()
        dhcp6.attach(nif)
    nif.v6.dhcp.advertised(flags)


def _identity():
    """What makes IPv6 addresses hard to foresee, yet the same after a restart (RFC 7217): the
    chip's serial number. Where that is a link address, everybody knows it: then b""."""
    try:
        from machine import unique_id
    except ImportError:
        return b""
    number = bytes(unique_id())
    return number if len(number) > 6 else b""


def _of_board(name):
    """A figure that board.py may name; 0: it does not."""
    try:
        import board
    except ImportError:
        return 0
    return getattr(board, name, 0)


def _budget():
    """What the board says, else a quarter of the memory that is free."""
    told = _of_board("BUDGET")
    if told:
        return told
    gc.collect()
    return min(max(gc.mem_free() // 4, _BUDGET_MIN), _BUDGET_MAX)


def _neighbours():
    n = _of_board("NEIGHBOURS")
    if n and not 8 <= n <= 255:
        raise ValueError("board.NEIGHBOURS %d: 8 to 255" % n)
    return n


# A module is loaded before the stack is entered: nobody waits for the stack with `first` held, so
# who is inside may wait for that.


def udp():
    st = stack()
    if st.udp is None:
        with state.first:
            from netstack.transport import udp
        held = join(st)
        try:
            if st.udp is None:
                udp.attach(st)
        finally:
            part(st, held)
    return st.udp


def tcp():
    st = stack()
    if st.tcp is None:
        with state.first:
            from netstack.transport import tcp

            if st.ip6:
                from netstack.transport.tcp import confirm
        held = join(st)
        try:
            if st.tcp is None:
                tcp.attach(st)
                if st.ip6:
                    confirm.attach(st)
        finally:
            part(st, held)
    return st.tcp


def dns():
    st = stack()
    if st.dns is None:
        with state.first:
            from netstack.services import dns
        udp()
        held = join(st)
        try:
            if st.dns is None:
                dns.attach(st)
        finally:
            part(st, held)
    return st.dns


# -- NICs ---------------------------------------------------------------------------------------


def port_nic():
    """The NIC this port or board comes with."""
    _check_core()
    if state.UNIX:
        import os
        import tap

        mac = os.getenv("NETSTACK_MAC")
        return tap.TAP(os.getenv("NETSTACK_TAP") or "tap0", _parse_mac(mac) if mac else None)
    try:
        import board
    except ImportError:
        raise OSError(19, "this firmware knows no NIC: network.LAN(nic=...) takes one of yours")
    return board.nic()


def _parse_mac(text):
    try:
        mac = bytes(int(part, 16) for part in text.split(":"))
    except ValueError:
        mac = b""
    if len(mac) != 6:
        raise ValueError("NETSTACK_MAC=%s: six bytes in hexadecimal, 02:00:00:00:00:01" % text)
    return mac


def _check_core():
    if CORE and mem32[CORE]:
        raise RuntimeError("NICs are set up by the first core, whose their interrupts are")


def add(nic, name):
    """Put a NIC on the stack as an Ethernet interface; returns the interface."""
    _check_core()
    st = stack()
    nif = call(st, st.add, nic, _attach_ethernet, name)
    watch(nic)
    return nif


def watch(nic):
    """Run the stack when this NIC has something."""
    state.nics.append(nic)
    if state.service:
        state.service.watch(nic)
    elif getattr(nic, "fileno", -1) < 0:
        _look_often()


def _attach_ethernet(nif):
    from netstack.link import arp, ethernet

    ethernet.attach(nif)
    arp.attach(nif)


# -- keeping it running -------------------------------------------------------------------------


def enter(st):
    """A call into the stack begins. A thread waits for another to leave. Whoever has interrupted
    the stack, a callback of its own or of the scheduler, is refused: it cannot go on before that
    returns."""
    if not st.claim() and not claim(st):
        raise OSError(_EAGAIN, BUSY)


def claim(st):
    """Enter the stack, which was busy, when the other thread has left. False: it is not another's
    turn but our own, which has been interrupted."""
    while not interrupted(st):
        sleep(_BUSY)
        if st.claim():
            return True
    return False


def interrupted(st):
    """Is it this thread, or core, that is inside the stack?"""
    if st.w[_THREADS]:
        return st.w[_LOCK] and st.w[_OWNER] == st.ident() & 0xFFFFFFFF
    return st.inside()


def join(st):
    """Enter the stack for what may be done inside as well: nobody else is inside until part()."""
    return st.claim() or claim(st)


def part(st, held):
    if held:
        leave(st)


def call(st, f, *args):
    """What f(*args) returns, called inside the stack."""
    enter(st)
    try:
        return f(*args)
    finally:
        leave(st)


@micropython.native
def leave(st):
    st.leave()
    if state.owed:
        _settle()


@micropython.native
def pump():
    """Poll the stack. Returns the milliseconds until it is next due, -1: only a NIC can tell."""
    return state.pump()


def _pumper(st, service):
    words = where(st.w)
    used = (st.poll, ticks_ms, state.owed, service)

    @micropython.viper
    def pump() -> int:
        w = ptr32(int(words))
        poll, clock, owed, service = used
        core = w[_CORE]
        if core and ptr32(core)[0]:
            w[_SLEEPING] = 1
        else:
            w[_WOKEN] = 0
            if w[_INTERRUPTED]:
                service.interrupt()
        due = int(poll(clock()))
        if owed:
            _settle()
        if due == 0 and w[_MISSED] and w[_LOCK]:
            _give_way(st)
        return due

    return pump


def _give_way(st):
    """Somebody is inside the stack: if that is another thread, let it finish."""
    if not interrupted(st):
        sleep(_BUSY)


def owe(sock):
    """Have the callback of a socket called once nobody is inside the stack any more. Called by who
    is inside."""
    if sock not in state.owed:
        state.owed.append(sock)


def _settle():
    """Whoever leaves comes here, and looks again after it has been inside itself: so the last one
    sees what is owed."""
    st = state.st
    while state.owed and st.claim():
        sock = state.owed.pop() if state.owed else None
        st.leave()
        if sock is None:
            return
        try:
            micropython.schedule(_call_back, sock)
        except RuntimeError:  # the scheduler's queue is full: with the next poll
            enter(st)
            owe(sock)
            st.leave()
            return


def _call_back(sock):
    sock.call_back()


def pump_once_a_round(last):
    """For a poller that asks one socket after the other: poll the stack when the socket that was
    last asked in round `last` is asked again. Returns the number of this round."""
    state.st.w[_ASKED] = state.st.w[_ASKED] + 1 & 0xFFFF
    if last == state.round:
        state.round = (state.round + 1) & 0x3FFFFFFF
        turns = _TURNS
        while pump() == 0 and turns:
            turns -= 1
        if turns == 0 and state.service:
            state.service.arm(0)  # the poller may sleep now, but not for long
    return state.round


def current_round():
    return state.round


def wait(done, ms):
    """Keep the stack running until done() is true or `ms` are over (-1: for ever). Returns what
    done() said last."""
    start = ticks_ms() & 0x3FFFFFFF
    while True:
        due = pump()
        value = done()
        if value:
            return value
        w = state.st.w
        if w[_LOCK] and interrupted(state.st):
            raise OSError(_EAGAIN, BUSY)
        if w[_ARMED]:  # done() may have begun something
            left = max(elapsed(w[_DUE], ticks_ms() & 0x3FFFFFFF), 0)
            if due < 0 or left < due:
                due = left
        if w[_MISSED]:
            due = 0
        if ms >= 0:
            left = ms - elapsed(ticks_ms() & 0x3FFFFFFF, start)
            if left <= 0:
                return value
            if due < 0 or left < due:
                due = left
        if due:
            state.st.idle(due)


def _sleeper(st):
    """What makes the unix port sleep until a NIC has something or some milliseconds are over, or
    another thread has come by what this one may be waiting for."""
    try:
        import tap
    except ImportError:  # a build without TAPs
        return lambda ms: sleep_ms(_BLIND_MS if ms < 0 else ms)

    first = st.ident()

    def idle(ms):
        most = _RECHECK_MS
        if st.w[_SLEEPING] or st.ident() != first:
            most = _SHARED_MS
        for nic in state.nics:
            if getattr(nic, "fileno", -1) < 0:
                most = _BLIND_MS
        tap.wait(state.nics, most if ms < 0 or ms > most else ms)

    state.rouse = tap.rouse

    tap.on_wait(_background, st.w)
    return idle


def _look_often():
    """There is a NIC that cannot end a wait of the unix port."""
    try:
        import tap
    except ImportError:
        return
    tap.on_wait(_background, state.st.w, _BLIND_MS)


def _background(_):
    """Called by the scheduler of the unix port while the program waits, whatever for."""
    if not state.st.w[_LOCK]:
        state.st.poll(ticks_ms())
        if state.owed:
            _settle()


class Service(io.IOBase):
    """Polls a board's stack from the scheduler, whatever the program does: when a NIC interrupts,
    and when the stack is due. As a stream, it becomes readable when that has happened."""

    def __init__(self, st):
        from machine import Timer
        from select import poll

        self.st = st
        self.w = st.w
        self.blind = False
        self._finish = []  # of NICs whose bus is busy for a moment now and then
        self._timer = Timer(-1)
        self._run = _runner(self, st, self._timer)
        self.ioctl = _teller(where(st.w))
        self._poller = poll()
        self._poller.register(self, _RD)
        if CORE:
            self._share(poll())
        self.w[_WOKEN] = 1
        self.idle(0)  # what ipoll() gives is made the first time
        self.w[_WOKEN] = 0
        self.arm(1)
        st.rearm = self.rearm
        st.again = self.again
        st.w[_SERVED] = 1

    def _share(self, poller):
        """What the second core sleeps by, and what wakes it: the end of an interrupt or callback
        on the first, or rouse()."""
        from _thread import allocate_lock

        self._arm = self.arm
        self._bell = allocate_lock()
        self._second = poller
        self._asked, once = _once()
        poller.register(once, _RD)
        for _ in poller.ipoll(0):
            pass
        state.rouse = self.rouse

    def watch(self, nic):
        if self.w[_SPIN] and hasattr(nic, "share"):
            nic.share(where(self.w))
        if hasattr(nic, "irq"):
            nic.irq(self._run)
            if hasattr(nic, "finish"):
                self._finish.append(nic.finish)
        else:
            self.blind = True

    def interrupt(self):
        """What run() was interrupted by was meant for the program, which gets it now."""
        self.w[_INTERRUPTED] = 0
        raise KeyboardInterrupt

    def idle(self, ms):
        """Sleep until the service is called, or `ms` are over (-1: for ever)."""
        if self.blind and (ms < 0 or ms > _BLIND_MS):
            ms = _BLIND_MS
        w = self.w
        if w[_SLEEPING]:
            if ms < 0 or ms > _SHARED_MS:
                ms = _SHARED_MS
            if mem32[CORE]:
                for _ in self._second.ipoll(ms):
                    pass
                return
        for finish in self._finish:
            if finish():
                return
        w[_ASLEEP] = 1
        try:
            for _ in self._poller.ipoll(ms):
                pass
        finally:
            w[_ASLEEP] = 0

    def rouse(self):
        """Wake the other core: a lock that is given back does that, by the instruction SEV."""
        if mem32[CORE]:
            self.w[_WOKEN] = 1
        if self._bell.acquire(0):  # else the other one has it, and is awake
            self._bell.release()

    def arm(self, due):
        """Run again in `due` milliseconds, or when there is no telling."""
        most = _BLIND_MS if self.blind else _RECHECK_MS
        if due < 0 or due > most:
            due = most
        elif due == 0:
            due = 1
        self.w[_NEXT] = later(ticks_ms() & 0x3FFFFFFF, due)
        if CORE and mem32[CORE]:  # two that set it at once would break it: the first core does
            try:
                micropython.schedule(self._arm, due)
            except RuntimeError:  # too much to do: with the next call
                self.w[_NEXT] = later(ticks_ms() & 0x3FFFFFFF, _NEVER)
            return
        self._timer.init(mode=self._timer.ONE_SHOT, period=due, callback=self._run)

    def rearm(self):
        """The stack is due earlier than it was."""
        self.arm(max(elapsed(self.st.w[_DUE], self.st.now), 0))

    def again(self):
        """Another core is inside the stack, which is to be polled."""
        self.arm(0)


def _runner(service, st, timer):
    words = where(st.w)
    used = (service, timer, st.poll, ticks_ms, state.owed)

    @micropython.viper
    def run(who):
        """Called by the scheduler: never raises, never allocates."""
        w = ptr32(int(words))
        service, timer, poll, clock, owed = used
        w[_WOKEN] = 1
        if w[_ASLEEP]:
            if who is timer:  # not set any more
                w[_NEXT] = (int(clock()) + _NEVER) & 0x3FFFFFFF
            return
        if w[_LOCK] and not (w[_SPIN] and w[_OWNER]):
            w[_MISSED] = 1  # the program is inside the stack and will see to it
            if who is timer:
                service.arm(_BLIND_MS)
            return
        due = 0  # for another core poll() gives way: then in a millisecond
        turns = _TURNS
        try:
            while due == 0 and turns:
                due = int(poll(clock()))
                turns -= 1
        except KeyboardInterrupt:  # meant for the program, which gets it with its next call
            w[_INTERRUPTED] = 1
        if owed:
            _settle()
        if due == 0 or who is timer:
            service.arm(due)

    return run


class _Once(io.IOBase):
    pass


def _once():
    """A stream that is readable every second time that it is asked, which is when whatever event
    has ended the wait in between; and what keeps count."""
    asked = array("I", (0,))
    words = where(asked)
    stream = _Once()

    @micropython.viper
    def ioctl(request: int, arg: int) -> int:
        if request != _POLL:
            return -22  # EINVAL
        w = ptr32(int(words))
        w[0] = w[0] ^ 1
        return 0 if w[0] else _RD

    stream.ioctl = ioctl
    return asked, stream


def _teller(words):
    @micropython.viper
    def ioctl(request: int, arg: int) -> int:
        """Of a stream: it is readable when run() has been called."""
        if request != _POLL:
            return -22  # EINVAL
        return _RD if ptr32(int(words))[_WOKEN] else 0

    return ioctl
