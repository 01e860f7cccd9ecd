# Neighbor discovery (RFC 4861): who has which link address, and does it still answer. One cache
# per interface.
#
# On the wire, behind the first 4 bytes of ICMP:
#   solicitation  | 0 4 | target 16 | options ... |
#   advertisement | R S O and 0 4 | target 16 | options ... |
#   an option     | type 1 | length 1, in units of 8 bytes | ... |
#
# A row goes FREE -> INCOMPLETE (asked for, frames wait) -> REACHABLE -> STALE (its time is up;
# only noticed when it is used) -> DELAY (somebody above may confirm it) -> PROBE -> FREE.

from array import array
from micropython import const
from netstack.core.checksum import copy
from netstack.core.clock import elapsed, later
from netstack.core.wire import find, put16, same, zero
from netstack.inet import mld
from netstack.inet.address6 import OPTIMISTIC
from netstack.inet.dad import put_nonce

_EHOSTUNREACH = const(113)
_ENOBUFS = const(105)
_ENOMEM = const(12)
_ETHERTYPE = const(0x86DD)
_ICMP = const(58)
_SOLICIT = const(135)
_ADVERTISE = const(136)
_LEN = const(24)
_TARGET = const(8)
_IP_SRC = const(8)
_IP_DST = const(24)
_HOPS_AT = const(7)
_R = const(0x80)
_S = const(0x40)
_O = const(0x20)
_SOURCE_MAC = const(1)  # options
_TARGET_MAC = const(2)
_NONCE = const(14)  # RFC 3971 5.3.2

_FREE = const(0)
_INCOMPLETE = const(1)
_REACHABLE = const(2)
_STALE = const(3)
_DELAY = const(4)
_PROBE = const(5)
_STATIC = const(6)

_SIZE = const(24)  # unless Stack.neighbours says otherwise
_QUEUE = const(3)  # frames that may wait for one neighbour (RFC 4861 7.2.2: at least one)
_TRIES = const(3)  # RFC 4861 10: MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT
_DELAY_MS = const(5000)  # DELAY_FIRST_PROBE_TIME
_REACHABLE_MS = const(30000)
_RETRANS_MS = const(1000)

NAMES = (
    "in",
    "in_bad",
    "out",
    "held",
    "held_dropped",
    "failed",
    "conflicts",
    "evicted",
    "full",
    "looped",
)
_IN = const(0)
_IN_BAD = const(1)  # malformed, from another link, or in fragments
_OUT = const(2)
_HELD = const(3)  # frames that waited for an answer
_HELD_DROPPED = const(4)  # frames pushed out by a later one, or by failure
_FAILED = const(5)  # neighbours that did not answer
_CONFLICTS = const(6)  # another station has an address of ours
_EVICTED = const(7)  # rows that had to make room
_FULL = const(8)  # neighbours there was no room for
_LOOPED = const(9)  # our own checks of addresses, come back (RFC 7527)

_ALL_NODES = b"\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
_NOBODY = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"


def option(buf, at, end, kind):
    """Where the first option of this kind is; 0: there is none."""
    while at < end:
        if buf[at] == kind:
            return at
        at += buf[at + 1] << 3
    return 0


def _options_fit(buf, at, end):
    """RFC 4861 4.6: none of length 0, none that sticks out."""
    while at + 8 <= end and buf[at + 1]:
        at += buf[at + 1] << 3
    return at == end


class ND:
    def __init__(self, ip, nif):
        self.ip = ip
        self.nif = nif
        self.st = ip.st
        self.stat = ip.st.counters(nif.name + ".nd", NAMES)
        self.base_ms = _REACHABLE_MS
        self.retrans_ms = _RETRANS_MS
        size = self.size = self.st.neighbours or _SIZE
        self.ips = bytearray(16 * size)
        self.macs = bytearray(6 * size)
        self.states = bytearray(size)
        self.tries = bytearray(size)
        self.routers = bytearray(size)
        self.kept = bytearray(size)  # somebody keeps the address while it is reachable
        self.since = array("I", bytes(4 * size))  # when it was last confirmed
        self.due = array("I", bytes(4 * size))  # of those that wait for something
        self.held = [None] * (_QUEUE * size)
        self.waiting = bytearray(size)  # how many of a row
        self.on_conflict = None  # callable (entry): a tentative address is taken
        self._lost = bytearray(16)  # who has last been asked for in vain
        self._group = bytearray(16)
        self._src = bytearray(16)
        self._timer = self.st.timers.new(self._tick)
        self.draw()
        nif.resolve[_ETHERTYPE] = self.resolve
        nif.known[_ETHERTYPE] = self.known
        ip.icmp.handlers[_SOLICIT] = _solicited
        ip.icmp.handlers[_ADVERTISE] = _advertised

    def draw(self):
        """RFC 4861 6.3.2: how long a neighbour counts as reachable, around what routers say."""
        base = self.base_ms >> 10
        self.reachable_ms = (self.base_ms >> 1) + base * self.st.random.below(1024)

    # -- output -----------------------------------------------------------------------------

    def resolve(self, fr, hop, hoff):
        """Fill in the destination of the frame and send it, or hold it until the neighbour has
        answered. Takes `fr`. Returns 0 or -errno."""
        buf = fr.buf
        if hop[hoff] == 0xFF:  # RFC 2464 7
            buf[fr.l2] = buf[fr.l2 + 1] = 0x33
            copy(buf, fr.l2 + 2, hop, hoff + 12, 4)
        else:
            i = find(self.ips, self.size, 16, hop, hoff)
            if i < 0 or self.states[i] < _REACHABLE:
                i = self._detour(fr) if self.nif.v6.optimistic else -1
                if i < 0:
                    return self._hold(fr, hop, hoff)
            self._used(i)
            copy(buf, fr.l2, self.macs, 6 * i, 6)
        self.nif.transmit(fr)
        return 0

    def _detour(self, fr):
        """RFC 4429 3.3: nobody is asked for an answer to an address that is still being checked;
        the row of a router that can pass on what comes from there, or -1."""
        entry = self.nif.v6.find(fr.buf, fr.l3 + _IP_SRC)
        if entry is None or entry.state != OPTIMISTIC:
            return -1
        route = self.ip.routes.find(_NOBODY, 0, self.nif)
        return self.reached(route.gw) if route and route.gw else -1

    def reached(self, addr):
        """The row of a neighbour whose link address is known, or -1."""
        i = find(self.ips, self.size, 16, addr, 0)
        return i if i >= 0 and self.states[i] >= _REACHABLE else -1

    def known(self, hop, hoff, buf, at):
        """Write the neighbour's link address to buf[at]; False when it must be asked for, or
        whether it still answers. Whoever keeps it asks again when Stack.rerouted() was called."""
        i = find(self.ips, self.size, 16, hop, hoff)
        if i < 0 or self.states[i] < _REACHABLE or self.states[i] == _STALE:
            return False
        if self.states[i] == _REACHABLE:
            left = self._left(i)
            if left <= 0:
                return False
            self._wait(i, left)
        self.kept[i] = 1
        copy(buf, at, self.macs, 6 * i, 6)
        return True

    def _left(self, i):
        """For how long row `i` still counts as reachable."""
        gone = elapsed(self.st.now, self.since[i])
        return self.reachable_ms - gone if gone >= 0 else 0

    def mac(self, addr, off):
        """Where in `macs` a neighbour's link address is; -1: it is not known."""
        i = find(self.ips, self.size, 16, addr, off)
        return 6 * i if i >= 0 and self.states[i] >= _REACHABLE else -1

    def _used(self, i):
        """RFC 4861 7.3.3: a neighbour not confirmed for long is asked, but not at once."""
        if self.states[i] == _REACHABLE and self._left(i) <= 0:
            self._stale(i)
        if self.states[i] == _STALE:
            self.states[i] = _DELAY
            self._wait(i, _DELAY_MS)
            if self.ip.progress:
                self.ip.progress.watch()

    def ready(self, hop, hoff):
        """Is the neighbour's link address known? 0; else it is asked for, and -_ENOBUFS tells to
        come again; -_EHOSTUNREACH, it was, in vain."""
        if hop[hoff] == 0xFF:
            return 0
        i = find(self.ips, self.size, 16, hop, hoff)
        if i >= 0:
            return -_ENOBUFS if self.states[i] == _INCOMPLETE else 0
        failed = same(self._lost, 0, hop, hoff, 16)
        copy(self._lost, 0, _NOBODY, 0, 16)
        i = self._claim(True)
        if i < 0:
            self.stat[_FULL] += 1
            return -_EHOSTUNREACH
        copy(self.ips, 16 * i, hop, hoff, 16)
        self.states[i] = _INCOMPLETE
        copy(self._src, 0, _NOBODY, 0, 16)
        self._ask(i)
        return -_EHOSTUNREACH if failed else -_ENOBUFS

    def confirm(self, hop, hoff):
        """Somebody above has heard from this neighbour what it can only have sent because ours
        reached it (RFC 4861 7.3.1)."""
        i = find(self.ips, self.size, 16, hop, hoff)
        if i >= 0 and _REACHABLE <= self.states[i] < _STATIC:
            self._confirmed(i)

    def _confirmed(self, i):
        self.states[i] = _REACHABLE
        self.since[i] = self.st.now
        self.tries[i] = 0
        if self.kept[i]:
            self._wait(i, self.reachable_ms)
        self.ip.routes.answers(self.nif, self.ips, 16 * i)

    def _hold(self, fr, hop, hoff):
        i = find(self.ips, self.size, 16, hop, hoff)
        if i < 0:
            i = self._claim(True)
            if i < 0:
                self.stat[_FULL] += 1
                self.st.pool.release(fr)
                return -_EHOSTUNREACH
            copy(self.ips, 16 * i, hop, hoff, 16)
            self.states[i] = _INCOMPLETE
            copy(self._src, 0, fr.buf, fr.l3 + _IP_SRC, 16)
            self._ask(i)
        pool = self.st.pool
        most = _QUEUE if pool.left > pool.count >> 1 else 1  # no scan takes all that there is
        while self.waiting[i] >= most:  # RFC 4861 7.2.2: the oldest gives way
            self.stat[_HELD_DROPPED] += 1
            pool.release(self._next(i))
        self.stat[_HELD] += 1
        self.held[_QUEUE * i + self.waiting[i]] = fr
        self.waiting[i] += 1
        return 0

    def _next(self, i):
        """Take out the frame that has waited longest for row `i`; None: there is none."""
        at = _QUEUE * i
        fr = self.held[at]
        for k in range(at, at + _QUEUE - 1):
            self.held[k] = self.held[k + 1]
        self.held[at + _QUEUE - 1] = None
        if fr:
            self.waiting[i] -= 1
        return fr

    def _claim(self, asking):
        """A row for a new neighbour, one that is to be asked for or one that has said who it is;
        -1: there is none. Neighbours in use are not given up for strangers."""
        best = -1
        longest = -1
        incomplete = 0
        now = self.st.now
        for i in range(self.size):
            state = self.states[i]
            if state == _INCOMPLETE:
                incomplete += 1
            elif state == _FREE:
                best = i
                longest = 0x3FFFFFFF
            elif state == _STALE or state == _REACHABLE:
                idle = elapsed(now, self.since[i])
                if idle < 0 or self.routers[i]:
                    idle = 0  # or long ago: the counter has wrapped
                if idle > longest:
                    best = i
                    longest = idle
        if asking and 3 * incomplete >= 2 * self.size or best < 0:
            return -1
        if asking and incomplete and longest < self.reachable_ms:
            return -1  # a scan, it seems: who was heard of lately stays
        if self.states[best] != _FREE:
            self.stat[_EVICTED] += 1
        self._free(best)
        return best

    def _free(self, i):
        self.states[i] = _FREE
        self.tries[i] = 0
        self.routers[i] = 0
        self.kept[i] = 0
        copy(self.ips, 16 * i, _NOBODY, 0, 16)
        while self.waiting[i]:
            self.stat[_HELD_DROPPED] += 1
            self.st.pool.release(self._next(i))
        self.st.rerouted()

    # -- messages ---------------------------------------------------------------------------

    def _ask(self, i):
        """Ask row `i` once more: all who may have the address, or in PROBE the one who had it."""
        self.tries[i] += 1
        self._wait(i, self.retrans_ms)
        self.solicit(self.ips, 16 * i, self.states[i] == _PROBE, self._source(i))

    def _source(self, i):
        """RFC 4861 7.2.2: the source of what waits, if that is an address of the interface."""
        v6 = self.nif.v6
        if self.states[i] == _INCOMPLETE:
            fr = self.held[_QUEUE * i]
            if fr:
                copy(self._src, 0, fr.buf, fr.l3 + _IP_SRC, 16)
            entry = v6.find(self._src, 0)
            if entry and entry.usable() and entry.state != OPTIMISTIC:
                return entry.addr
        copy(self._src, 0, self.ips, 16 * i, 16)
        entry = v6.find_source(self._src)
        if entry and entry.state == OPTIMISTIC:  # RFC 4429 3.2: never with our link address
            entry = v6.link_local()
        return entry.addr if entry else None

    def solicit(self, target, toff, unicast, src):
        """Send a solicitation; src None or all zero: without our link address."""
        claims = src is not None and not zero(src, 0, 16)
        out = self.ip.icmp.message(_SOLICIT, _LEN + 8 if claims else _LEN)
        if out is None:
            return
        at = out.l4
        copy(out.buf, at + _TARGET, target, toff, 16)
        if claims:
            self.put_mac(out.buf, at + _LEN, _SOURCE_MAC)
        if unicast:
            copy(self._group, 0, target, toff, 16)
        else:
            mld.solicited(self._group, 0, target, toff)
        self.send(out, src if claims else _NOBODY, self._group)

    def check(self, entry):
        """Ask whether anybody has a tentative address (RFC 4862 5.4.2)."""
        out = self.ip.icmp.message(_SOLICIT, _LEN + 8)
        if out is None:
            return
        at = out.l4
        copy(out.buf, at + _TARGET, entry.addr, 0, 16)
        put_nonce(entry, out.buf, at + _LEN)
        mld.solicited(self._group, 0, entry.addr, 0)
        self.send(out, _NOBODY, self._group)

    def advertise(self, entry, dst, flags, target=None, toff=0):
        """Tell our link address, with an address of ours as the target, or target[toff]."""
        out = self.ip.icmp.message(_ADVERTISE, _LEN + 8)
        if out is None:
            return
        at = out.l4
        out.buf[at + 4] = flags | (_R if self.nif.v6.forwards else 0)
        copy(out.buf, at + _TARGET, target or entry.addr, toff, 16)
        self.put_mac(out.buf, at + _LEN, _TARGET_MAC)
        self.send(out, entry.addr, dst)

    def put_mac(self, buf, at, kind):
        put16(buf, at, kind << 8 | 1)
        copy(buf, at + 2, self.nif.mac, 0, 6)

    def send(self, out, src, dst):
        """Send a message of ND: it never leaves the link. Takes `out`."""
        self.stat[_OUT] += 1
        self.ip.icmp.seal(out, src, dst)
        self.ip.emit(out, src, dst, _ICMP, 255, 0, self.nif, dst)

    # -- input ------------------------------------------------------------------------------

    def valid(self, fr, least):
        """RFC 4861 6.1, 7.1, 8.1: from this link, not in fragments (RFC 6980), and whole."""
        buf = fr.buf
        at = fr.l4
        self.stat[_IN] += 1
        if (
            buf[fr.l3 + _HOPS_AT] == 255
            and not self.ip.fragmented
            and buf[at + 1] == 0
            and fr.end - at >= least
            and _options_fit(buf, at + least, fr.end)
        ):
            return True
        return self.bad()

    def bad(self):
        self.stat[_IN_BAD] += 1
        return False

    def solicited(self, fr):
        """RFC 4861 7.2.3. Borrows `fr`."""
        buf = fr.buf
        at = fr.l4
        if not self.valid(fr, _LEN):
            return
        target = at + _TARGET
        mac = option(buf, at + _LEN, fr.end, _SOURCE_MAC)
        src = fr.l3 + _IP_SRC
        checks = zero(buf, src, 16)  # somebody wants to have the address (RFC 4862 5.4.2)
        if buf[target] == 0xFF or checks and (mac or not self._to_solicited(fr)):
            self.bad()
            return
        entry = self.nif.v6.find(buf, target)
        if entry is None:
            router = self.ip.router
            if not checks and router and router.anycast(buf, target, self.nif):
                self._for_all_routers(buf, src, target, mac)
            return
        if checks and entry.unsure():
            nonce = option(buf, at + _LEN, fr.end, _NONCE)
            if nonce and self.nif.v6.dad.looped(entry, buf, nonce):
                self.stat[_LOOPED] += 1
            else:
                self._conflict(entry)  # RFC 4862 5.4.3: two at the same time
            return
        if not entry.usable():
            return
        if checks:
            self.advertise(entry, _ALL_NODES, _O)
            return
        if mac:
            self.learn(buf, src, mac + 2)
        copy(self._src, 0, buf, src, 16)
        override = 0 if entry.state == OPTIMISTIC else _O  # RFC 4429 3.3
        self.advertise(entry, self._src, _S | override)

    def _for_all_routers(self, buf, src, target, mac):
        """RFC 4861 7.2.7: an address that several have: nobody's answer displaces another's."""
        # DEVIATION RFC 4861 7.2.7 (a delay of up to 1 s): at once; whose answer is first, is used
        entry = self.nif.v6.link_local()
        if entry is None:
            return
        if mac:
            self.learn(buf, src, mac + 2)
        copy(self._src, 0, buf, src, 16)
        self.advertise(entry, self._src, _S, buf, target)

    def _to_solicited(self, fr):
        mld.solicited(self._group, 0, fr.buf, fr.l4 + _TARGET)
        return same(fr.buf, fr.l3 + _IP_DST, self._group, 0, 16)

    def _conflict(self, entry):
        self.stat[_CONFLICTS] += 1
        if self.on_conflict:
            self.on_conflict(entry)

    def learn(self, buf, off, moff):
        """The neighbour buf[off] has told its link address, buf[moff], unasked (RFC 4861 7.2.3).
        Returns its row, or -1."""
        if self.ip.local(buf, off) or buf[moff] & 1 or buf[off] == 0xFF:
            return -1
        i = find(self.ips, self.size, 16, buf, off)
        if i < 0:
            i = self._claim(False)
            if i < 0:
                self.stat[_FULL] += 1
                return -1
            copy(self.ips, 16 * i, buf, off, 16)
        elif self.states[i] == _STATIC:
            return i
        elif self.states[i] != _INCOMPLETE and same(self.macs, 6 * i, buf, moff, 6):
            return i
        self._set(i, buf, moff, _STALE)
        return i

    def is_router(self, buf, off, so=True):
        """The neighbour buf[off] has said that it is a router, or that it is none."""
        i = find(self.ips, self.size, 16, buf, off)
        if i >= 0:
            self.routers[i] = _R if so else 0

    def _set(self, i, buf, moff, state):
        """Row `i` has this link address, and this state."""
        copy(self.macs, 6 * i, buf, moff, 6)
        self.states[i] = state
        self.since[i] = self.st.now
        self.tries[i] = 0
        self.st.rerouted()
        if state == _REACHABLE:
            self._confirmed(i)
        while self.waiting[i]:
            fr = self._next(i)
            copy(fr.buf, fr.l2, self.macs, 6 * i, 6)
            self._used(i)
            self.nif.transmit(fr)

    def advertised(self, fr):
        """RFC 4861 7.2.5. Borrows `fr`."""
        buf = fr.buf
        at = fr.l4
        if not self.valid(fr, _LEN):
            return
        target = at + _TARGET
        flags = buf[at + 4]
        nowhere = buf[target] == 0xFF or zero(buf, target, 16)
        if nowhere or buf[fr.l3 + _IP_DST] == 0xFF and flags & _S:
            self.bad()
            return
        entry = self.nif.v6.find(buf, target)
        if entry:
            self._conflict(entry)
            return
        i = find(self.ips, self.size, 16, buf, target)
        if i < 0 or self.states[i] == _STATIC:
            return
        mac = option(buf, at + _LEN, fr.end, _TARGET_MAC)
        if mac and buf[mac + 2] & 1:
            self.bad()
            return
        if self.states[i] == _INCOMPLETE:
            if mac:
                self.routers[i] = flags & _R
                self._set(i, buf, mac + 2, _REACHABLE if flags & _S else _STALE)
            return
        self._update(i, buf, mac + 2 if mac else 0, flags)

    def _update(self, i, buf, moff, flags):
        """The second half of RFC 4861 7.2.5: the neighbour is known."""
        differs = moff and not same(self.macs, 6 * i, buf, moff, 6)
        if differs and not flags & _O:
            if self.states[i] == _REACHABLE:
                self._stale(i)
            return
        if differs:
            self._set(i, buf, moff, _STALE)
        if flags & _S:
            self._confirmed(i)
        if self.routers[i] and not flags & _R:
            self.ip.routes.resigned(self.nif, self.ips, 16 * i)
        self.routers[i] = flags & _R

    # -- time -------------------------------------------------------------------------------

    def _wait(self, i, ms):
        self.due[i] = later(self.st.now, ms)
        timer = self._timer
        if not timer.active or elapsed(self.due[i], timer.due) < 0:
            timer.start(self.st.now, ms)

    def _tick(self):
        now = self.st.now
        soonest = -1
        for i in range(self.size):
            if self._waits(i) and elapsed(now, self.due[i]) >= 0:
                self._step(i)
            if self._waits(i):
                left = elapsed(self.due[i], now)
                if soonest < 0 or left < soonest:
                    soonest = left
        if soonest >= 0:
            self._timer.start(now, soonest)

    def _waits(self, i):
        state = self.states[i]
        if state == _REACHABLE:
            return self.kept[i]
        return state == _INCOMPLETE or state == _DELAY or state == _PROBE

    def _stale(self, i):
        self.kept[i] = 0
        self.states[i] = _STALE
        self.st.rerouted()  # the next packet is to be noted

    def _step(self, i):
        if self.states[i] == _REACHABLE:
            left = self._left(i)
            if left > 0:  # it was confirmed since
                self._wait(i, left)
                return
            self._stale(i)
            return
        if self.states[i] == _DELAY:
            if self.ip.progress and self.ip.progress.by(self.nif, self.ips, 16 * i):
                self._confirmed(i)
                return
            self.states[i] = _PROBE
            self.tries[i] = 0
        if self.tries[i] < _TRIES:
            self._ask(i)
            return
        self.stat[_FAILED] += 1
        self.ip.routes.failed(self.nif, self.ips, 16 * i)
        copy(self._lost, 0, self.ips, 16 * i, 16)
        while self.waiting[i]:
            fr = self._next(i)
            self.stat[_HELD_DROPPED] += 1
            self.ip.undeliverable(fr, True)
            self.st.pool.release(fr)
        self._free(i)

    # -- for programs -----------------------------------------------------------------------

    def add_static(self, addr, mac):
        """A neighbour that is never asked for. addr: 16 bytes, mac: 6 bytes."""
        i = find(self.ips, self.size, 16, addr, 0)
        if i < 0:
            i = self._claim(False)
        if i < 0:
            raise OSError(_ENOMEM)  # every row is in use
        copy(self.ips, 16 * i, addr, 0, 16)
        self._set(i, mac, 0, _STATIC)

    def flush(self):
        """Forget every neighbour but the static ones, and drop what waits for them."""
        for i in range(self.size):
            if self.states[i] != _STATIC:
                self._free(i)
        self._timer.stop()

    def entries(self):
        """[(address, mac or None, state)] for people."""
        result = []
        for i in range(self.size):
            state = self.states[i]
            if state:
                mac = bytes(self.macs[6 * i : 6 * i + 6]) if state != _INCOMPLETE else None
                name = ("", "incomplete", "reachable", "stale", "delay", "probe", "static")[state]
                result.append((bytes(self.ips[16 * i : 16 * i + 16]), mac, name))
        return result


def _solicited(fr):
    if fr.nif.v6.nd:
        fr.nif.v6.nd.solicited(fr)


def _advertised(fr):
    if fr.nif.v6.nd:
        fr.nif.v6.nd.advertised(fr)
