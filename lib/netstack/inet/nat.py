# Network address and port translation (NAPT, RFC 3022) for the router of forward.py: the hosts on
# the other interfaces use the address of one, `outside`.
#
#   Router.take -> NAT.inbound: to our address; whose is it?     -> Router._pass
#               -> NAT.translate: what leaves, or has come in, gets its other address and port
#
# A mapping joins an inside address and port (of ICMP: an identifier) to a port outside, whomever
# the host talks to with it, and lets anybody answer: endpoint-independent mapping and filtering
# (RFC 4787 REQ-1 and REQ-8, RFC 5382 REQ-1 and REQ-3, RFC 5508 REQ-1). Rows of the table, 5 words:
#   0 inside address  1 inside port, << 16 outside port  2 protocol, << 8 state  3 used last
#   4 1: a port forward
# RAM: 20 bytes for a mapping. When the table is full, a mapping that nobody has answered makes
# room; if there is none, what is new is dropped and counted, and what is there goes on.

from array import array
from micropython import const
from netstack.core.checksum import copy, csum, put_csum
from netstack.core.clock import elapsed
from netstack.core.wire import address, get16, put16, same

_HDR = const(20)
_SUM = const(10)
_PROTO = const(9)
_SRC = const(12)
_DST = const(16)
_ICMP = const(1)
_TCP = const(6)
_UDP = const(17)
_ERRORS = (3, 4, 11, 12)  # types of ICMP that quote a packet
_ECHO = const(8)
_REPLY = const(0)

_NEW = const(1)  # only seen from the inside
_OPEN = const(2)  # answered
_CLOSING = const(3)  # TCP: FIN or RST has passed

_WORDS = const(5)
_NAT = const(4)  # of Router.cb
_NAT_STAT = const(14)
_MAPPING = const(1)  # what inbound() answers
_ERROR = const(2)

_UDP_MS = const(300000)  # RFC 4787 REQ-5
_ICMP_MS = const(60000)  # RFC 5508 REQ-2
_OPEN_MS = const(7440000)  # RFC 5382 REQ-5: 2 hours, 4 minutes
_TRANSITORY_MS = const(240000)  # the same, for connections that open or close
_SWEEP_MS = const(10000)

NAMES = ("out", "in", "made", "expired", "replaced", "full", "in_bad", "errors")
_OUT = const(0)
_IN = const(1)
_MADE = const(2)
_EXPIRED = const(3)
_REPLACED = const(4)  # unanswered ones that made room
_FULL = const(5)  # packets dropped because there was no room for a mapping
_BAD = const(6)  # of a protocol, or a kind of ICMP, that cannot be translated
_ERRORS_IN = const(7)  # ICMP errors translated


@micropython.viper
def find_inside(rows: ptr32, count: int, buf: ptr8, at: int, port: int, proto: int) -> int:
    """The mapping of the inside address at buf[at] and this port; -1: none."""
    a = buf[at] | (buf[at + 1] << 8) | (buf[at + 2] << 16) | (buf[at + 3] << 24)
    r = ptr32(int(rows))
    i = 0
    while i < count:
        if r[0] == a and r[1] & 0xFFFF == port and r[2] & 0xFF == proto:
            return i
        r = ptr32(int(r) + 20)
        i += 1
    return -1


@micropython.viper
def find_outside(rows: ptr32, count: int, port: int, proto: int) -> int:
    """The mapping of this port outside; -1: none."""
    r = ptr32(int(rows))
    i = 0
    while i < count:
        if (r[1] >> 16) & 0xFFFF == port and r[2] & 0xFF == proto:
            return i
        r = ptr32(int(r) + 20)
        i += 1
    return -1


@micropython.viper
def vacant(rows: ptr32, count: int, now: int) -> int:
    """A free row, or else the oldest in state _NEW; -1: none."""
    r = ptr32(int(rows))
    i = 0
    best = -1
    most = -1
    while i < count:
        if not r[2]:
            return i
        age = (now - r[3]) & 0x3FFFFFFF
        if r[2] >> 8 == 1 and not r[4] and age > most:
            most = age
            best = i
        r = ptr32(int(r) + 20)
        i += 1
    return best


class NAT:
    """outside: the interface whose address all have; size: the most mappings at a time;
    ports: the first and the last that may be given out, which the host itself does not use."""

    def __init__(self, router, outside, size=256, ports=(20000, 39999)):
        low, high = ports
        if not 1 <= low <= high <= 65535:
            raise ValueError("NAT: ports %d to %d" % (low, high))
        if not 1 <= size <= 16384:
            raise ValueError("NAT: %d mappings: 1 to 16384" % size)
        self.router = router
        self.st = router.st
        self.outside = outside
        self.size = size
        self.low = low
        self.high = high
        self.rows = array("I", bytes(4 * _WORDS * size))
        self.stat = self.st.counters("nat", NAMES)
        self.to = bytearray(4)  # the inside address that inbound() has found
        self._row = -1  # and its mapping
        self._mapped = -1  # the mapping that translate() has used last
        self._ways = 0  # and what it was: 1 out, 2 in
        self._zero = bytearray(20)
        self._timer = self.st.timers.new(self._sweep)
        address(router.cb, _NAT, self.rows)
        address(router.cb, _NAT_STAT, self.stat)
        router.nat = self
        self.st.rerouted()

    # -- mappings ---------------------------------------------------------------------------

    def _state(self, row):
        return self.rows[_WORDS * row + 2] >> 8 & 255

    def _proto(self, row):
        return self.rows[_WORDS * row + 2] & 255

    def _set(self, row, proto, state):
        self.rows[_WORDS * row + 2] = proto | state << 8
        self.rows[_WORDS * row + 3] = self.st.now

    def _port(self, row, outside):
        """One of the two ports of a mapping, from the bytes: the word may be no small int."""
        at = 4 * (_WORDS * row + 1) + (2 if outside else 0)
        return get16(self.rows, at) >> 8 | (get16(self.rows, at) & 255) << 8

    def _left(self, row):
        """Milliseconds that a mapping has still to live."""
        w = _WORDS * row
        if self.rows[w + 4]:
            return 1
        proto = self._proto(row)
        if proto == _TCP:
            limit = _OPEN_MS if self._state(row) == _OPEN else _TRANSITORY_MS
        else:
            limit = _UDP_MS if proto == _UDP else _ICMP_MS
        return limit - elapsed(self.st.now, self.rows[w + 3])

    def _find_inside(self, buf, at, port, proto):
        return self._live(find_inside(self.rows, self.size, buf, at, port, proto))

    def _find_outside(self, port, proto):
        return self._live(find_outside(self.rows, self.size, port, proto))

    def _live(self, row):
        if row >= 0 and self._left(row) <= 0:
            self._free(row)
            return -1
        return row

    def _free(self, row):
        self.stat[_EXPIRED] += 1
        copy(self.rows, 4 * _WORDS * row, self._zero, 0, 4 * _WORDS)
        self.st.rerouted()  # the fast path may know of it

    def _make(self, buf, at, port, proto):
        """A mapping for an inside address and port; -1: there is no room."""
        row = self._room()
        outside = self._pick(port, proto) if row >= 0 else -1
        if outside < 0:
            self.stat[_FULL] += 1
            return -1
        self.stat[_MADE] += 1
        self._fill(row, buf, at, port, outside, proto)
        if not self._timer.active:
            self._timer.start(self.st.now, _SWEEP_MS)
        return row

    def _fill(self, row, buf, at, port, outside, proto):
        w = 4 * _WORDS * row
        copy(self.rows, w, buf, at, 4)
        put16(self.rows, w + 4, (port & 255) << 8 | port >> 8)
        put16(self.rows, w + 6, (outside & 255) << 8 | outside >> 8)
        self._set(row, proto, _NEW)
        self.rows[_WORDS * row + 4] = 0

    def _room(self):
        """A free row, or that of the mapping nobody has answered for longest; -1: none."""
        row = vacant(self.rows, self.size, self.st.now)
        if row >= 0 and self.rows[_WORDS * row + 2]:
            self.stat[_REPLACED] += 1
            self.st.rerouted()
        return row

    def _pick(self, port, proto):
        """A port outside: the same if it may be (RFC 4787 REQ-3), else one by chance; -1: none."""
        if self.low <= port <= self.high and self._find_outside(port, proto) < 0:
            return port
        span = self.high - self.low + 1
        at = self.st.random.bits16() % span
        for _ in range(min(span, self.size + 1)):
            if self._find_outside(self.low + at, proto) < 0:
                return self.low + at
            at = at + 1 if at + 1 < span else 0
        return -1

    def _sweep(self):
        """Forget what has been idle for too long."""
        some = False
        for row in range(self.size):
            if self.rows[_WORDS * row + 2]:
                if self._left(row) <= 0:
                    self._free(row)
                elif not self.rows[_WORDS * row + 4]:
                    some = True
        if some:
            self._timer.start(self.st.now, _SWEEP_MS)

    def forward(self, proto, port, to, to_port):
        """What comes to `port` outside goes to the inside host `to` (4 bytes); proto: 6 TCP,
        17 UDP. It takes the place of a forward that is there."""
        if proto not in (_TCP, _UDP) or not 1 <= port <= 65535 or not 1 <= to_port <= 65535:
            raise ValueError("port forward: protocol %d, ports %d, %d" % (proto, port, to_port))
        row = find_outside(self.rows, self.size, port, proto)
        if row < 0:
            row = self._room()
        if row < 0:
            raise OSError(12, "NAT: no room for a port forward")  # ENOMEM
        self._fill(row, to, 0, to_port, port, proto)
        self.rows[_WORDS * row + 4] = 1
        self.st.rerouted()

    def unforward(self, proto, port):
        """Take a port forward away; False: there was none."""
        row = find_outside(self.rows, self.size, port, proto)
        if row < 0 or not self.rows[_WORDS * row + 4]:
            return False
        self._free(row)
        return True

    def mappings(self):
        """[(protocol, inside address, its port, outside port, state)] for people."""
        found = []
        raw = bytes(self.rows)
        for row in range(self.size):
            if self._proto(row):
                state = (
                    "forward"
                    if self.rows[_WORDS * row + 4]
                    else (("", "new", "open", "closing")[self._state(row)])
                )
                inside = raw[4 * _WORDS * row : 4 * _WORDS * row + 4]
                found.append(
                    (self._proto(row), inside, self._port(row, 0), self._port(row, 1), state)
                )
        return found

    # -- packets ----------------------------------------------------------------------------

    def covers(self, fr):
        """Is this fragment of a packet that has to be translated?"""
        if fr.nif is self.outside:
            return False
        buf = fr.buf
        at = fr.l3
        return self.router.ip.route(buf, at + _DST, buf, at + _SRC) is self.outside

    def inbound(self, fr):
        """A packet to our address outside: _MAPPING or _ERROR when it is for an inside host, whose
        address is then in `to`; 0: for ourselves."""
        buf = fr.buf
        at = fr.l3
        if not same(buf, at + _DST, self.outside.v4.addr, 0, 4):
            return 0
        l4 = fr.l4
        proto = buf[at + _PROTO]
        size = fr.end - l4
        back = _MAPPING
        if proto == _TCP or proto == _UDP:
            row = self._find_outside(get16(buf, l4 + 2), proto) if size >= 8 else -1
        elif proto == _ICMP and size >= 8 and buf[l4] == _REPLY:
            row = self._find_outside(get16(buf, l4 + 4), proto)
        elif proto == _ICMP and size >= 36 and buf[l4] in _ERRORS:
            row = self._quoted(buf, l4 + 8, fr.end, _SRC, 0)
            back = _ERROR
        else:
            return 0
        self._row = row
        if row < 0:
            return 0
        copy(self.to, 0, self.rows, 4 * _WORDS * row, 4)
        return back

    def _quoted(self, buf, at, end, field, port):
        """The mapping of the packet that an ICMP error quotes: of its source outside, or (field
        _DST, port 2) of its destination inside; -1: none."""
        hlen = (buf[at] & 15) << 2
        if buf[at] >> 4 != 4 or hlen < _HDR or end - at < hlen + 8:
            return -1
        if (get16(buf, at + 6) & 0x1FFF) or csum(buf, at, hlen, 0) != 0xFFFF:
            return -1
        proto = buf[at + _PROTO]
        l4 = at + hlen
        if proto == _ICMP:
            if buf[l4] != (_REPLY if port else _ECHO):
                return -1
            number = get16(buf, l4 + 4)
        elif proto == _TCP or proto == _UDP:
            number = get16(buf, l4 + port)
        else:
            return -1
        if port:
            return self._find_inside(buf, at + field, number, proto)
        if not same(buf, at + field, self.outside.v4.addr, 0, 4):
            return -1
        return self._find_outside(number, proto)

    def translate(self, fr, nif, out, back):
        """Change the packet, which came in by `nif` and leaves by `out`; `back` is what inbound()
        has answered. False: it must not go on."""
        at = fr.l3
        self._mapped = -1
        self._ways = 0
        row = self._row
        if back == _ERROR:
            self._turn_error(fr, row, at + _DST, _SRC, 0)
        elif back:
            self.stat[_IN] += 1
            self._follow(row, fr, True)
            if nif is not self.outside and not self._leave(fr):  # RFC 4787 REQ-9: a hairpin
                return False
            self._mapped = row
            self._ways |= 2
            self._change(fr, at + _DST, self.to, 0, 2, self._port(row, 0))
        elif out is self.outside and nif is not self.outside:
            return self._leave(fr)
        return True

    def _leave(self, fr):
        """Give the packet its source outside. False: there is none."""
        buf = fr.buf
        at = fr.l3
        l4 = fr.l4
        proto = buf[at + _PROTO]
        size = fr.end - l4
        if proto == _ICMP and size >= 36 and buf[l4] in _ERRORS:
            row = self._quoted(buf, l4 + 8, fr.end, _DST, 2)
            if row < 0:
                self.stat[_BAD] += 1
                return False
            self._turn_error(fr, row, at + _SRC, _DST, 2)
            return True
        if proto == _ICMP and size >= 8 and buf[l4] == _ECHO:
            port = get16(buf, l4 + 4)
        elif (proto == _UDP and size >= 8) or (proto == _TCP and size >= _HDR):
            port = get16(buf, l4)
        else:
            self.stat[_BAD] += 1
            return False
        row = self._find_inside(buf, at + _SRC, port, proto)
        if row < 0:
            row = self._make(buf, at + _SRC, port, proto)
            if row < 0:
                return False
        self.stat[_OUT] += 1
        self._mapped = row
        self._ways |= 1
        self._follow(row, fr, False)
        self._change(fr, at + _SRC, self.outside.v4.addr, 0, 0, self._port(row, 1))
        return True

    def _follow(self, row, fr, back):
        """The state of a mapping after a packet (RFC 5382 REQ-2, REQ-5)."""
        state = self._state(row)
        proto = self._proto(row)
        if proto == _TCP:
            flags = fr.buf[fr.l4 + 13] if fr.end - fr.l4 >= _HDR else 0
            if flags & 5:  # FIN, RST
                state = _CLOSING
            elif back and (flags & 2 or state == _NEW):
                state = _OPEN
            elif flags & 2 and state == _CLOSING:
                state = _NEW
        elif back:
            state = _OPEN
        self._set(row, proto, state)

    def stamp(self):
        """For the fast path: the word that tells when this mapping was used last, + 1."""
        return _WORDS * self._mapped + 4 if self._mapped >= 0 else 0

    def ways(self):
        """For the fast path: what it is to count, 1: out, 2: in."""
        return self._ways

    def _change(self, fr, field, new, off, port_at, port):
        """Put an address and a port (of ICMP: an identifier) into a packet, and mend the sum of
        its transport (RFC 1624); that of the header is the router's affair."""
        buf = fr.buf
        l4 = fr.l4
        proto = buf[fr.l3 + _PROTO]
        acc = 0
        if proto == _ICMP:
            port_at = 4
        else:
            acc = _exchange(buf, field, new, off)
        old = get16(buf, l4 + port_at)
        copy(buf, field, new, off, 4)
        put16(buf, l4 + port_at, port)
        acc += (old ^ 0xFFFF) + port
        _mend(buf, l4, fr.end, proto, acc)

    def _turn_error(self, fr, row, field, inner_field, inner_port):
        """Translate an ICMP error and what it quotes (RFC 5508 REQ-4, REQ-5): the quoted packet
        gets the address and port that its sender, or receiver, knows."""
        buf = fr.buf
        l4 = fr.l4
        q = l4 + 8
        inside = inner_port == 0  # it goes to the inside
        self.stat[_ERRORS_IN] += 1
        addr = self.rows if inside else self.outside.v4.addr
        off = 4 * _WORDS * row if inside else 0
        port = self._port(row, 0 if inside else 1)
        hlen = (buf[q] & 15) << 2
        proto = buf[q + _PROTO]
        at = q + hlen + (4 if proto == _ICMP else inner_port)
        acc = 0 if proto == _ICMP else _exchange(buf, q + inner_field, addr, off)
        acc += (get16(buf, at) ^ 0xFFFF) + port
        put16(buf, at, port)
        _mend(buf, q + hlen, fr.end, proto, acc)
        copy(buf, q + inner_field, addr, off, 4)
        put16(buf, q + _SUM, 0)
        put_csum(buf, q + _SUM, csum(buf, q, hlen, 0))
        copy(buf, field, addr, off, 4)
        put16(buf, l4 + 2, 0)
        put_csum(buf, l4 + 2, csum(buf, l4, fr.end - l4, 0))


def _exchange(buf, at, new, off):
    """What it adds to a sum when the address at buf[at] becomes that at new[off]."""
    acc = (get16(buf, at) ^ 0xFFFF) + (get16(buf, at + 2) ^ 0xFFFF)
    return acc + get16(new, off) + get16(new, off + 2)


def _mend(buf, l4, end, proto, acc):
    """Add to the checksum of a transport, if it is there."""
    at = l4 + (16 if proto == _TCP else 6 if proto == _UDP else 2)
    if at + 2 > end:
        return
    old = get16(buf, at)
    if proto == _UDP and old == 0:
        return
    acc += old ^ 0xFFFF
    acc = (acc & 0xFFFF) + (acc >> 16)
    acc = ((acc & 0xFFFF) + (acc >> 16)) ^ 0xFFFF
    if proto == _UDP and acc == 0:
        acc = 0xFFFF
    put16(buf, at, acc)


def attach(router, outside, size=256, ports=(20000, 39999)):
    """Translate what leaves by the interface `outside`."""
    table = router.nat
    if table and table.outside is not outside:
        raise ValueError("NAT: %s is outside already; router.stop()" % table.outside.name)
    return table or NAT(router, outside, size, ports)
