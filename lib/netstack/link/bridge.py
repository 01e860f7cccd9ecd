# A learning bridge (IEEE 802.1D-2004 clause 7, 802.1Q-2018 clause 8): several NICs are one
# Ethernet, of which this host is a part. There is no spanning tree: the ports must form no ring.
#
# input:  a port's Interface -> Bridge.input -> another port's NIC, and/or the host's interface
#         the fast path: a port's Interface -> pick() -> Bridge.forward
# output: the host's interface -> Bridge.send -> one port, or all
#
# To the host the bridge is a NIC (docs/nic.md) but for recv(): frames come by way of the ports.
#
# The address table is an array of words:
#   0 sets - 1   1 milliseconds until an address that is not heard of is forgotten
#   4... rows of four words, _WAYS rows a set: 0 bytes 0, 1 of the address, port + 1 in the upper
#        half; 0: free  1 bytes 2 to 5  2 when it was heard of last  3 static
# RAM: 16 bytes for an address.

from array import array
from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import add32, address, get16, same

_ENETDOWN = const(100)
_HDR = const(14)
_LEAD = const(2)
_TAG = const(4)
_TPID = const(0x8100)
_PORTS = const(30)
_HOST = const(30)  # the port number of the host itself
_ALL = const(-1)  # ports, as bits
_AGE_MS = const(300000)  # 802.1D table 7-5
_SWEEP_MS = const(60000)
_ROWS = const(4)  # where they begin
_WAYS = const(4)
_LINK_DOWN = const(2)  # an event of core/interface.py
_RESERVED = b"\x01\x80\xc2\0\0"

_OLD = const(0)  # what learn() answers
_NEW = const(1)
_MOVED = const(2)
_EVICTED = const(3)
_STATIC = const(4)

_PORT = const(13)  # words of a port's Interface.w, for pick()
_TABLE = const(14)
_LONGEST = const(16)
_KIND = const(17)
_NUMBER = const(21)  # of inet/match6.py
_FROM = const(2)  # Interface.io: the frame that has come
_IN_PORT = const(12)  # words of Stack.w that pick() fills
_OUT_PORT = const(16)
_SIZE = const(36)
_FOUND = const(40)
_FAST_IN = const(32)
_FAST_OUT = const(33)

_NIF_IN = const(0)  # counters of core/interface.py
_NIF_IN_BYTES = const(1)
_NIF_OUT = const(2)
_NIF_OUT_BYTES = const(3)
_NIF_OUT_ERROR = const(6)

NAMES = (
    "forwarded",
    "flooded",
    "filtered",
    "in_short",
    "in_source",
    "in_own",
    "out_long",
    "out_nobuf",
    "learned",
    "moved",
    "evicted",
)
_FORWARDED = const(0)  # to the one port where the address is
_FLOODED = const(1)  # to all the others
_FILTERED = const(2)  # for a station on the port it came from
_SHORT = const(3)
_SOURCE = const(4)  # from a group address
_OWN = const(5)  # our own, come back; or in the name of a static address of another port
_LONG = const(6)  # longer than the port may send
_NOBUF = const(7)  # the port was busy, and there was no frame to keep it in
_LEARNED = const(8)
_MOVES = const(9)
_EVICTIONS = const(10)


@micropython.viper
def lookup(table: ptr32, buf: ptr8, at: int, now: int) -> int:
    """The port of the address at buf[at]; -1: not known."""
    p = ptr8(int(buf) + at)
    a = p[0] | (p[1] << 8)
    b = p[2] | (p[3] << 8) | (p[4] << 16) | (p[5] << 24)
    x = (p[3] * 33 + p[4]) * 33 + p[5]
    row = int(table) + 16 + ((((x >> 8) ^ x) & table[0]) << 6)
    end = row + 64
    while row < end:
        r = ptr32(row)
        if r[0] & 0xFFFF == a and r[1] == b and r[0] >> 16:
            if not r[3] and (now - r[2]) & 0x3FFFFFFF > table[1]:
                return -1
            return (r[0] >> 16) - 1
        row += 16
    return -1


@micropython.viper
def learn(table: ptr32, buf: ptr8, at: int, now: int, port: int, static: int) -> int:
    """The address at buf[at] is on `port`. _OLD, _NEW, _MOVED; _EVICTED: the one that was heard of
    longest ago made room; _STATIC: it is not, or there is no room for all the static ones."""
    p = ptr8(int(buf) + at)
    a = p[0] | (p[1] << 8)
    b = p[2] | (p[3] << 8) | (p[4] << 16) | (p[5] << 24)
    x = (p[3] * 33 + p[4]) * 33 + p[5]
    row = int(table) + 16 + ((((x >> 8) ^ x) & table[0]) << 6)
    end = row + 64
    best = 0
    most = -1
    while row < end:
        r = ptr32(row)
        age = (now - r[2]) & 0x3FFFFFFF
        if not r[0]:
            age = 0x3FFFFFFF
        elif r[0] & 0xFFFF == a and r[1] == b:
            if r[3] and not static:
                return 0 if (r[0] >> 16) - 1 == port else 4
            x = 0 if (r[0] >> 16) - 1 == port else 2
            r[0] = a | ((port + 1) << 16)
            r[2] = now
            r[3] = static
            return x
        if age > most and not (r[3] and r[0]):
            most = age
            best = row
        row += 16
    if not best:
        return 4
    r = ptr32(best)
    x = 3 if r[0] and most <= table[1] else 1
    r[0] = a | ((port + 1) << 16)
    r[1] = b
    r[2] = now
    r[3] = static
    return x


@micropython.viper
def sweep(table: ptr32, now: int, port: int) -> int:
    """Forget the addresses that are too old, and all on `port`; returns how many are left."""
    row = int(table) + 16
    end = row + ((table[0] + 1) << 6)
    left = 0
    while row < end:
        r = ptr32(row)
        if r[0] and not r[3]:
            if (r[0] >> 16) - 1 == port or (now - r[2]) & 0x3FFFFFFF > table[1]:
                r[0] = 0
            else:
                left += 1
        row += 16
    return left


@micropython.viper
def pick(w: ptr32, n: int) -> int:
    """The fast path: is the frame of `n` bytes, 2 behind the address in `w`, for a station on
    another port, from one that is known to be on this? Returns the bridge's kind with words 12, 16
    and 36 filled; 0: it is not."""
    buf = ptr8(w[51] | ((w[52] << 16) << 16))
    port = ptr32(w[53] | ((w[54] << 16) << 16))
    if n < 14 or n > port[16] or (buf[2] | buf[8]) & 1:
        return 0
    t = ptr32(port[14] | ((port[15] << 16) << 16))
    now = w[0]
    a = ptr16(int(buf) + 8)[0]
    b = ptr16(int(buf) + 10)[0] | (ptr16(int(buf) + 12)[0] << 16)
    x = (buf[11] * 33 + buf[12]) * 33 + buf[13]
    row = int(t) + 16 + ((((x >> 8) ^ x) & t[0]) << 6)
    end = row + 64
    a = a | ((port[13] + 1) << 16)
    while row < end and not (ptr32(row)[0] == a and ptr32(row)[1] == b):
        row += 16
    if row == end:
        return 0
    if not ptr32(row)[3]:
        if (now - ptr32(row)[2]) & 0x3FFFFFFF > t[1]:
            return 0
        ptr32(row)[2] = now
    a = ptr16(int(buf) + 2)[0]
    b = ptr32(int(buf) + 4)[0]
    x = (buf[5] * 33 + buf[6]) * 33 + buf[7]
    row = int(t) + 16 + ((((x >> 8) ^ x) & t[0]) << 6)
    end = row + 64
    while row < end and not (ptr16(row)[0] == a and ptr32(row)[1] == b):
        row += 16
    if row == end:
        return 0
    if not ptr32(row)[3] and (now - ptr32(row)[2]) & 0x3FFFFFFF > t[1]:
        return 0
    x = (ptr32(row)[0] >> 16) - 1
    if x < 0 or x == 30 or x == port[13]:
        return 0
    w[12] = port[13]
    w[16] = x
    w[36] = n
    return port[17]


class Bridge:
    """Ports are added by add(); network.LAN(nic=...), or Stack.add(), makes the host's interface.

    mac: the host's address; that of the first port's NIC if not given
    size: the most addresses that are known at a time, a power of 2
    """

    caps = 0

    def __init__(self, st, name="br0", mac=None, size=64, age=_AGE_MS):
        if size < _WAYS or size & (size - 1):
            raise ValueError("%s: a table of %d addresses: 4, 8, 16..." % (name, size))
        self.st = st
        self.name = name
        self.mac = mac
        self.mtu = 1500
        self.fileno = -1
        self.ports = []
        self.table = array("I", bytes(4 * _ROWS + 16 * size))
        self.table[0] = size // _WAYS - 1
        self.table[1] = age
        self.stat = st.counters(name + ".bridge", NAMES)
        self.snoop = None  # snoop.py: knows which ports want what is for groups
        self._words = []  # of each port, for pick()
        self._nif = None
        self._kind = 0
        self._timer = st.timers.new(self._sweep)
        st.watchers.append(self._watch)

    def add(self, nic, name=None):
        """Make this NIC a port; it has to let frames to any address in. Returns its interface."""
        port = len(self.ports)
        if port == _PORTS:
            raise ValueError("%s: at most %d ports" % (self.name, _PORTS))
        nif = self.st.add(nic, self._attach, name or "%s.%d" % (self.name, port))
        nif.port = port
        self.ports.append(nif)
        if port == 0:
            self.fileno = getattr(nic, "fileno", -1)
            if self.mac is None:
                self.mac = nic.mac
            self.static(self.mac, None)
        if nic.mtu < self.mtu or port == 0:
            self.mtu = nic.mtu
        self._prepare(nif)
        nif.set_up(True)
        return nif

    def _attach(self, nif):
        nif.input = self.input
        nif.output = self._refuse
        nif.bridge = self

    def _refuse(self, fr, ethertype, hop, hoff):
        """A port is no interface of the host's: it has no addresses."""
        self.st.pool.release(fr)
        return -_ENETDOWN

    def _prepare(self, nif):
        """Let the port take part in the fast path, if the stack has one."""
        if self.st.match is None:
            return
        if not self._kind:
            self._kind = len(self.st.kinds)
            self.st.kinds.append(self.forward)
        words = nif.w
        words[_PORT] = nif.port
        address(words, _TABLE, self.table)
        words[_KIND] = self._kind
        words[_NUMBER] = 0
        self._words.append(words)
        for words in self._words:  # the shortest of all: pick() does not ask for each
            words[_LONGEST] = self.mtu + _HDR
        nif.join(pick)

    def static(self, mac, nif):
        """Have the address always be on the port `nif`; None: it is the host's."""
        if nif is not None and nif not in self.ports:
            raise ValueError("%s: %s is no port of it" % (self.name, nif.name))
        port = _HOST if nif is None else nif.port
        if learn(self.table, mac, 0, self.st.now, port, 1) == _STATIC:
            raise ValueError("%s: no room for another static address" % self.name)

    def interface(self):
        """The host's interface; None: there is none yet."""
        if self._nif is None:
            for nif in self.st.nifs:
                if nif.nic is self:
                    self._nif = nif
        return self._nif

    # -- from a port ------------------------------------------------------------------------

    def input(self, fr):
        """Borrows `fr`."""
        buf = fr.buf
        at = fr.l2
        n = fr.end - at
        port = fr.nif.port
        if n < _HDR:
            self.stat[_SHORT] += 1
        elif buf[at + 6] & 1:
            self.stat[_SOURCE] += 1
        elif not self._learn(buf, at + 6, port):
            self.stat[_OWN] += 1
        elif buf[at] & 1:
            # 802.1Q 8.6.3: what is for bridges goes no further
            if not (same(buf, at, _RESERVED, 0, 5) and buf[at + 5] < 16):
                self._flood(buf, at, n, port)
            self._deliver(fr)
        else:
            to = lookup(self.table, buf, at, self.st.now)
            if to == _HOST:
                self._deliver(fr)
            elif to < 0:
                self._flood(buf, at, n, port)
            elif to == port:
                self.stat[_FILTERED] += 1
            else:
                self.stat[_FORWARDED] += 1
                self._pass(self.ports[to], buf, at, n)

    def _learn(self, buf, at, port):
        how = learn(self.table, buf, at, self.st.now, port, 0)
        if how == _OLD:
            return True
        if how == _STATIC:  # somebody else's; or a set that is full of static ones
            return lookup(self.table, buf, at, self.st.now) < 0
        self.stat[_MOVES if how == _MOVED else _LEARNED] += 1
        if how == _EVICTED:
            self.stat[_EVICTIONS] += 1
        if not self._timer.active:
            self._timer.start(self.st.now, _SWEEP_MS)
        return True

    def _deliver(self, fr):
        nif = self.interface()
        if nif and nif.up:
            nif.take(fr)

    @micropython.native
    def forward(self, io):
        """The frame that pick() has found, to the port it is for; 0: not mine."""
        w = self.st.w
        w[_FOUND] = 0  # what match4() has found last is in 12 and 16 no more
        out = self.ports[w[_OUT_PORT]]
        if out.queued or not out.link:
            return 0
        n = w[_SIZE]
        got = self._sent(out, io[_FROM], _LEAD, n)
        if got == 0:
            return 0
        stat = self.ports[w[_IN_PORT]].stat
        stat[_NIF_IN] += 1
        add32(stat, _NIF_IN_BYTES, n)
        self.stat[_FORWARDED] += 1
        w[_FAST_IN] += 1
        if got > 0:
            w[_FAST_OUT] += 1
        return 1

    # -- to ports ---------------------------------------------------------------------------

    def _flood(self, buf, at, n, port):
        self.stat[_FLOODED] += 1
        bits = self.snoop.ports(buf, at, n, port) if self.snoop and buf[at] & 1 else _ALL
        for nif in self.ports:
            if nif.port != port and bits >> nif.port & 1:
                self._pass(nif, buf, at, n)

    def _pass(self, out, buf, at, n):
        """Send the frame at buf[at] by a port; a copy of it waits while the NIC is busy."""
        if not out.link:
            return
        most = out.mtu + _HDR
        if n > most and (n > most + _TAG or get16(buf, at + 12) != _TPID):
            self.stat[_LONG] += 1
            return
        if not out.queued and self._sent(out, buf, at, n):
            return
        fr = self.st.pool.alloc()
        if fr is None:
            self.stat[_NOBUF] += 1
            return
        copy(fr.buf, _LEAD, buf, at, n)
        fr.l2 = _LEAD
        fr.end = _LEAD + n
        out.transmit(fr)

    @micropython.native
    def _sent(self, out, buf, at, n):
        """Send by a port, and count; 0: its NIC is busy."""
        got = out.send(buf, at, n)
        if got > 0:
            out.stat[_NIF_OUT] += 1
            add32(out.stat, _NIF_OUT_BYTES, n)
        elif got < 0:
            out.stat[_NIF_OUT_ERROR] += 1
        return got

    # -- the NIC of the host's interface ----------------------------------------------------

    def recv(self, buf, off):
        return 0

    def send(self, buf, off, n):
        to = -1 if buf[off] & 1 else lookup(self.table, buf, off, self.st.now)
        if to < 0:
            self._flood(buf, off, n, _HOST)
        elif to < _HOST:
            out = self.ports[to]
            if out.link:
                return 0 if out.queued else self._sent(out, buf, off, n)
        return n

    def link(self):
        for nif in self.ports:
            if nif.link:
                return 1
        return 0

    def irq(self, cb):
        """The ports' NICs interrupt."""

    def multicast(self, mac, on):
        """The ports let everything in."""

    # -- ageing -----------------------------------------------------------------------------

    def _sweep(self):
        if sweep(self.table, self.st.now, -1):
            self._timer.start(self.st.now, _SWEEP_MS)

    def _watch(self, nif, event):
        if event == _LINK_DOWN and getattr(nif, "bridge", None) is self:
            sweep(self.table, self.st.now, nif.port)
            if self.snoop:
                self.snoop.drop(nif.port)

    def flush(self):
        """Forget every address but the static ones."""
        for nif in self.ports:
            sweep(self.table, self.st.now, nif.port)
        self._timer.stop()

    def entries(self):
        """[(mac, name of the port, seconds since it was heard of; None: static)] for people."""
        found = []
        now = self.st.now
        raw = memoryview(bytes(self.table))
        for at in range(4 * _ROWS, len(raw), 16):
            port = (raw[at + 2] | raw[at + 3] << 8) - 1
            if port >= 0:
                name = self.name if port == _HOST else self.ports[port].name
                age = (now - int.from_bytes(raw[at + 8 : at + 12], "little")) & 0x3FFFFFFF
                static = raw[at + 12]
                if static or age <= self.table[1]:
                    mac = bytes(raw[at : at + 2]) + bytes(raw[at + 4 : at + 8])
                    found.append((mac, name, None if static else age // 1000))
        return found
