# ARP (RFC 826, RFC 1122 2.3.2) with probes and announcements (RFC 5227). One cache per interface.
#
# On the wire:  | hw type 2 | proto type 2 | 6 | 4 | op 2 | sha 6 | spa 4 | tha 6 | tpa 4 |
#
# An entry goes FREE -> ASKING (some frames wait) -> FRESH -> (age) FREE; one that is in use close
# to the end of its time is asked for again by unicast first (RFC 1122 2.3.2.1 (2)).
#
# Whoever forges packets of neighbours that do not exist has us ask for each of them. So what is
# asked for pushes out what is known from half of the table only, what has no answer gives way to
# the next, and the frames that wait are never more than half of the pool.

from array import array
from micropython import const
from netstack.core.checksum import copy
from netstack.core.clock import elapsed
from netstack.core.wire import find, get16, put16, same, zero

_EHOSTUNREACH = const(113)
_ENOBUFS = const(105)
_ETHERTYPE = const(0x0806)
_IPV4 = const(0x0800)
_LEN = const(28)
_OP = const(6)
_SHA = const(8)
_SPA = const(14)
_THA = const(18)
_TPA = const(24)

_FREE = const(0)
_ASKING = const(1)
_FRESH = const(2)
_STATIC = const(3)

_SIZE = const(16)  # unless Stack.neighbours says otherwise
_HELD_MOST = const(16)
_HELD_EACH = const(4)  # for one neighbour
_TICK_MS = const(1000)  # RFC 1122 2.3.2.1: at most one request a second for one address
_TRIES = const(4)
_AGE_MS = const(300000)
_REFRESH_MS = const(20000)
_DEFEND_MS = const(10000)  # RFC 5227 2.4 (c) DEFEND_INTERVAL
_ANSWER_MS = const(50)  # who has not answered by then gives way when the table is full

NAMES = ("in", "in_bad", "out", "held", "held_dropped", "failed", "conflicts", "evicted")
_IN = const(0)
_IN_BAD = const(1)
_OUT = const(2)
_HELD = const(3)  # frames that waited for an answer
_HELD_DROPPED = const(4)  # frames pushed out by later ones, or by failure
_FAILED = const(5)  # addresses that never answered
_CONFLICTS = const(6)  # another station uses our address
_EVICTED = const(7)  # entries that had to make room

_BROADCAST = b"\xff\xff\xff\xff\xff\xff"
_NOBODY = b"\0\0\0\0\0\0"
_FREE_STATE = b"\0"


class ARP:
    def __init__(self, nif):
        self.nif = nif
        self.st = nif.st
        self.stat = nif.st.counters(nif.name + ".arp", NAMES)
        size = self.size = self.st.neighbours or _SIZE
        self.ips = bytearray(4 * size)
        self.macs = bytearray(6 * size)
        self.states = bytearray(size)
        self.tries = bytearray(size)
        self.used = bytearray(size)  # used since it was last confirmed
        self.misses = bytearray(size)  # times in a row that it was asked for in vain
        self.since = array("I", bytes(4 * size))
        self._most = min(_HELD_MOST, self.st.pool.count >> 1)  # or nothing else could be sent
        self.held = [None] * self._most  # frames that wait, in the order in which they came,
        self.held_for = bytearray(self._most)  # for these rows,
        self.waiting = 0  # so many
        self.probing = None  # an address being probed (RFC 5227 2.1.1)
        self.on_lost = None  # callable(): another station goes on using our address
        self.on_conflict = None  # callable(address): another station has it
        self._defended = 0
        self._timer = self.st.timers.new(self._tick)
        nif.resolve[_IPV4] = self.resolve
        nif.known[_IPV4] = self.known

    # -- output -----------------------------------------------------------------------------

    def resolve(self, fr, hop, hoff):
        """Fill in the destination of the frame and send it, or hold it until the neighbour has
        answered. Takes `fr`. Returns 0 or -errno."""
        buf = fr.buf
        if hop[hoff] >= 224:
            self._map_group(buf, fr.l2, hop, hoff)
        elif same(hop, hoff, self.nif.v4.bcast, 0, 4):
            copy(buf, fr.l2, _BROADCAST, 0, 6)
        else:
            i = find(self.ips, self.size, 4, hop, hoff)
            if i < 0 or self.states[i] < _FRESH:
                return self._hold(i, fr, hop, hoff)
            self.used[i] = 1
            copy(buf, fr.l2, self.macs, 6 * i, 6)
        self.nif.transmit(fr)
        return 0

    def known(self, hop, hoff, buf, at):
        """Write the neighbour's link address to buf[at]; False when it must be asked for. Whoever
        keeps it asks again when Stack.rerouted() was called."""
        i = find(self.ips, self.size, 4, hop, hoff)
        if i < 0 or self.states[i] < _FRESH or hop[hoff] >= 224:
            return False
        self.used[i] = 1
        copy(buf, at, self.macs, 6 * i, 6)
        return True

    def ready(self, hop, hoff):
        """Is the neighbour's link address known? 0; else it is asked for, and -_ENOBUFS tells to
        come again; -_EHOSTUNREACH, it was, in vain."""
        i = find(self.ips, self.size, 4, hop, hoff)
        if i >= 0 and self.states[i] >= _FRESH:
            return 0
        if i >= 0 and self.states[i] == _ASKING:
            return -_ENOBUFS
        failed = i >= 0 and self.misses[i] > 0
        if self._begin(i, hop, hoff) < 0 or failed:
            return -_EHOSTUNREACH
        return -_ENOBUFS

    def _map_group(self, buf, at, hop, hoff):
        if hop[hoff] == 255:
            copy(buf, at, _BROADCAST, 0, 6)
            return
        buf[at] = 1  # RFC 1112 6.4: 01:00:5e and the low 23 bits of the group
        buf[at + 1] = 0
        buf[at + 2] = 0x5E
        buf[at + 3] = hop[hoff + 1] & 0x7F
        buf[at + 4] = hop[hoff + 2]
        buf[at + 5] = hop[hoff + 3]

    def _hold(self, i, fr, hop, hoff):
        if i < 0 or self.states[i] == _FREE:
            i = self._begin(i, hop, hoff)
            if i < 0:
                self.stat[_HELD_DROPPED] += 1
                self.st.pool.release(fr)
                return -_EHOSTUNREACH
        if self._count(i) == _HELD_EACH:  # RFC 1122 2.3.2.2: keep the latest packets
            self._drop(self._pop(i))
        if self.waiting == self._most:
            if self._count(i) == 0:
                self._drop(fr)
                return 0
            self._drop(self._pop(i))
        self.stat[_HELD] += 1
        self.held[self.waiting] = fr
        self.held_for[self.waiting] = i
        self.waiting += 1
        return 0

    def _count(self, i):
        """Frames that wait for the neighbour in row `i`."""
        n = 0
        for k in range(self.waiting):
            if self.held_for[k] == i:
                n += 1
        return n

    def _pop(self, i):
        """Take out the first frame that waits for the neighbour in row `i`."""
        k = 0
        while self.held_for[k] != i:
            k += 1
        fr = self.held[k]
        self.waiting -= 1
        while k < self.waiting:
            self.held[k] = self.held[k + 1]
            self.held_for[k] = self.held_for[k + 1]
            k += 1
        self.held[k] = None
        return fr

    def _drop(self, fr):
        self.stat[_HELD_DROPPED] += 1
        self.st.pool.release(fr)

    def _begin(self, i, hop, hoff):
        """Ask for a neighbour whose row, if it has one, is `i`. Returns its row, -1: all are
        waiting for answers."""
        i = self._claim(i, _ANSWER_MS)
        if i >= 0:
            copy(self.ips, 4 * i, hop, hoff, 4)
            self.states[i] = _ASKING
            self.tries[i] = 0
            self.since[i] = self.st.now
            self._ask(i)
            self._start()
        return i

    def _drop_held(self, i):
        for _ in range(self._count(i)):
            self._drop(self._pop(i))

    def _claim(self, i, patience=0):
        """A row for a new address: a free one, else that of the neighbour that has been quiet for
        longest, of one that is not in use if possible. While half of the table or more is asked
        for, it is one of those, if it has had `patience` milliseconds to answer; -1: none."""
        if i >= 0:
            return i
        i = find(self.states, self.size, 1, _FREE_STATE, 0)
        if i >= 0:
            self.misses[i] = 0
            return i
        asking = 0
        for state in self.states:
            if state == _ASKING:
                asking += 1
        if asking < self.size >> 1:
            i = self._oldest(_FRESH, 0, 0)
            if i < 0:
                i = self._oldest(_FRESH, 1, 0)
        if i < 0:
            i = self._oldest(_ASKING, 0, patience)
        if i >= 0:
            self.stat[_EVICTED] += 1
            self.misses[i] = self.used[i] = 0
            self._drop_held(i)
            self.st.rerouted()
        return i

    def _oldest(self, state, used, age):
        """The row in this state that is oldest, and at least `age` milliseconds old; -1: none."""
        best = -1
        for k in range(self.size):
            if self.states[k] == state and self.used[k] == used:
                old = elapsed(self.st.now, self.since[k])
                if old >= age:
                    age = old + 1
                    best = k
        return best

    def _ask(self, i, unicast=False):
        self.tries[i] += 1
        mac = self.macs if unicast else _BROADCAST
        self._send(1, mac, 6 * i if unicast else 0, self.nif.v4.addr, _NOBODY, 0, self.ips, 4 * i)

    def _send(self, op, mac, moff, spa, tha, thoff, tpa, tpoff):
        fr = self.st.pool.alloc(True)
        if fr is None:
            return
        fr.l3 = at = fr.pay
        fr.end = at + _LEN
        buf = fr.buf
        put16(buf, at, 1)
        put16(buf, at + 2, _IPV4)
        buf[at + 4] = 6
        buf[at + 5] = 4
        put16(buf, at + _OP, op)
        copy(buf, at + _SHA, self.nif.mac, 0, 6)
        copy(buf, at + _SPA, spa, 0, 4)
        copy(buf, at + _THA, tha, thoff, 6)
        copy(buf, at + _TPA, tpa, tpoff, 4)
        self.stat[_OUT] += 1
        self.nif.ethernet.send_to(fr, mac, moff, _ETHERTYPE)

    def probe(self, addr):
        """Ask whether anybody uses `addr` without claiming it (RFC 5227 2.1.1)."""
        self.probing = addr
        self._send(1, _BROADCAST, 0, b"\0\0\0\0", _NOBODY, 0, addr, 0)

    def announce(self):
        """Gratuitous request for our own address (RFC 5227 2.3)."""
        self.probing = None
        if self.nif.v4.set:
            self._send(1, _BROADCAST, 0, self.nif.v4.addr, _NOBODY, 0, self.nif.v4.addr, 0)

    # -- input ------------------------------------------------------------------------------

    def input(self, fr):
        """Borrows `fr`. RFC 826, Packet Reception."""
        buf = fr.buf
        at = fr.l3
        self.stat[_IN] += 1
        if not self._well_formed(buf, at, fr.end - at):
            self.stat[_IN_BAD] += 1
            return
        if same(buf, at + _SHA, self.nif.mac, 0, 6):
            return  # our own, come back
        v4 = self.nif.v4
        if self._conflict(buf, at):
            return
        for_us = v4.set and same(buf, at + _TPA, v4.addr, 0, 4)
        if not zero(buf, at + _SPA, 4):  # a probe teaches nothing
            self._learn(buf, at, for_us)
        if for_us and get16(buf, at + _OP) == 1:
            self._reply(buf, at, v4.addr)

    def _reply(self, buf, at, addr):
        # RFC 3927 2.5: who has chosen an address by itself tells all, so that conflicts are seen
        if addr[0] == 169 and addr[1] == 254:
            self._send(2, _BROADCAST, 0, addr, buf, at + _SHA, buf, at + _SPA)
        else:
            self._send(2, buf, at + _SHA, addr, buf, at + _SHA, buf, at + _SPA)

    def _well_formed(self, buf, at, n):
        return (
            n >= _LEN
            and get16(buf, at) == 1
            and get16(buf, at + 2) == _IPV4
            and buf[at + 4] == 6
            and buf[at + 5] == 4
            and 1 <= get16(buf, at + _OP) <= 2
            and not buf[at + _SHA] & 1
            and buf[at + _SPA] < 224
        )

    def _conflict(self, buf, at):
        """Does the sender hold, or claim at the same time as we, an address of ours?"""
        v4 = self.nif.v4
        probed = self.probing
        if probed and (
            same(buf, at + _SPA, probed, 0, 4)
            or (zero(buf, at + _SPA, 4) and same(buf, at + _TPA, probed, 0, 4))
        ):
            self.probing = None
            self.stat[_CONFLICTS] += 1
            if self.on_conflict:
                self.on_conflict(probed)
            return True
        if v4.set and same(buf, at + _SPA, v4.addr, 0, 4):
            self.stat[_CONFLICTS] += 1
            now = self.st.now
            if self._defended == 0 or elapsed(now, self._defended) > _DEFEND_MS:
                self._defended = now or 1  # RFC 5227 2.4 (b): defend once per interval
                self.announce()
            elif self.on_lost:
                self.on_lost()
            return True
        return False

    def _learn(self, buf, at, for_us):
        i = find(self.ips, self.size, 4, buf, at + _SPA)
        if i >= 0 and self.states[i] == _STATIC:
            return
        if i < 0 or self.states[i] == _FREE:
            if not for_us:  # RFC 826: only who talks to us gets a new entry
                return
            i = self._claim(i)
            if i < 0:
                return
            copy(self.ips, 4 * i, buf, at + _SPA, 4)
        if not same(self.macs, 6 * i, buf, at + _SHA, 6):
            self.st.rerouted()
        copy(self.macs, 6 * i, buf, at + _SHA, 6)
        self.states[i] = _FRESH
        self.since[i] = self.st.now
        self.tries[i] = 0
        self.used[i] = 0
        self.misses[i] = 0
        self._start()
        self._send_held(i)

    def _send_held(self, i):
        for _ in range(self._count(i)):
            fr = self._pop(i)
            copy(fr.buf, fr.l2, self.macs, 6 * i, 6)
            self.st.ip4.adopt(fr)
            self.nif.transmit(fr)

    # -- ageing -----------------------------------------------------------------------------

    def _start(self):
        if not self._timer.active:
            self._timer.start(self.st.now, _TICK_MS)

    def _tick(self):
        now = self.st.now
        live = False
        for i in range(self.size):
            state = self.states[i]
            if state == _ASKING:
                live = True
                if self.tries[i] >= _TRIES:
                    self._fail(i)
                else:
                    self._ask(i)
            elif state == _FRESH:
                live = True
                age = elapsed(now, self.since[i])
                if age >= _AGE_MS:
                    self.states[i] = _FREE
                    self.st.rerouted()
                elif age >= _AGE_MS - _REFRESH_MS:
                    self.st.rerouted()  # is it still used?
                    if self.used[i] and self.tries[i] < 2:
                        self._ask(i, True)
        if live:
            self._start()

    def _fail(self, i):
        self.states[i] = _FREE
        self.stat[_FAILED] += 1
        if self.misses[i] < 255:
            self.misses[i] += 1
        for _ in range(self._count(i)):
            fr = self._pop(i)
            self.st.ip4.undeliverable(fr, self.misses[i] > 1)
            self._drop(fr)

    def add_static(self, ip, mac):
        """A neighbour that is never asked for. ip: 4 bytes, mac: 6 bytes."""
        i = find(self.ips, self.size, 4, ip, 0)
        if i < 0:
            i = self._claim(i)
        if i < 0:
            raise OSError(12)  # ENOMEM: every entry is waiting for an answer
        copy(self.ips, 4 * i, ip, 0, 4)
        copy(self.macs, 6 * i, mac, 0, 6)
        self.states[i] = _STATIC
        self.st.rerouted()
        self._send_held(i)

    def flush(self):
        """Forget every neighbour but the static ones, and drop what waits for them."""
        self.st.rerouted()
        for i in range(self.size):
            if self.states[i] != _STATIC:
                self.states[i] = _FREE
            self._drop_held(i)

    def entries(self):
        """[(ip, mac or None, state)] for people."""
        result = []
        for i in range(self.size):
            state = self.states[i]
            if state:
                mac = bytes(self.macs[6 * i : 6 * i + 6]) if state != _ASKING else None
                result.append(
                    (
                        bytes(self.ips[4 * i : 4 * i + 4]),
                        mac,
                        ("", "asking", "fresh", "static")[state],
                    )
                )
        return result


def _input(fr):
    fr.nif.arp.input(fr)


def attach(nif):
    """Resolve IPv4 addresses on an Ethernet-like interface by ARP."""
    nif.arp = ARP(nif)
    nif.st.ethertypes[_ETHERTYPE] = _input
