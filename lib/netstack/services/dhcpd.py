# DHCP server of an interface (RFC 2131 4.3; options RFC 2132; client identifiers RFC 6842).
#
#   server = dhcpd.attach(nif); server.start(first, last, ...)
#   DISCOVER -> choose an address, probe it -> OFFER -> REQUEST -> ACK; RELEASE, DECLINE, INFORM
#
# input: UDP.input -> _Port.take -> Server.input. Messages that come through relays are dropped:
# the pool is that of the link. Answers to a client without an address are broadcast, which RFC
# 2131 4.1 allows who cannot do better.

from micropython import const
from netstack.core.checksum import copy
from netstack.core.clock import elapsed, later
from netstack.core.wire import same, zero
from netstack.services.dhcp_lease import read_options
from netstack.services.dhcp_port import put
from netstack.services.dhcpd_leases import STATES, Leases, text
from netstack.transport.udp import Endpoint

_EADDRNOTAVAIL = const(99)

# on the wire: see dhcp.py
_SERVER_PORT = const(67)
_CLIENT_PORT = const(68)
_XID = const(4)
_FLAGS = const(10)
_CIADDR = const(12)
_YIADDR = const(16)
_GIADDR = const(24)
_CHADDR = const(28)
_HEAD = const(44)
_COOKIE = const(236)
_OPTIONS = const(240)
_SHORTEST = const(300)
_BUF = const(548)  # RFC 2131 2: what every client must take
_MAGIC = b"\x63\x82\x53\x63"

_DISCOVER = const(1)
_OFFER = const(2)
_REQUEST = const(3)
_DECLINE = const(4)
_ACK = const(5)
_NAK = const(6)
_RELEASE = const(7)
_INFORM = const(8)

_OPT_MASK = const(1)
_OPT_ROUTER = const(3)
_OPT_HOSTNAME = const(12)
_OPT_BROADCAST = const(28)
_OPT_ADDRESS = const(50)
_OPT_TIME = const(51)
_OPT_TYPE = const(53)
_OPT_SERVER = const(54)
_OPT_WANTED = const(55)
_OPT_T1 = const(58)
_OPT_T2 = const(59)
_OPT_CLIENT = const(61)
_OPT_END = const(255)
# what is read besides that: host name, address, list, size, vendor class, client, user class
_READ = b"\x0c\x32\x37\x39\x3c\x3d\x4d"
_OURS = (_OPT_TIME, _OPT_TYPE, _OPT_SERVER, _OPT_T1, _OPT_T2, _OPT_CLIENT)  # set by ourselves

_FREE = const(0)  # of a lease: dhcpd_leases.py
_OFFERED = const(1)
_BOUND = const(2)
_DECLINED = const(3)

_LEASE_S = const(3600)
_LEASE_MIN_S = const(60)
_LEASE_MAX_S = const(0x3FFFFFF)  # two years
_OFFER_S = const(30)  # how long an offer stands
_DECLINE_S = const(600)  # how long an address rests that a client has found taken
_PROBE_MS = const(300)
_WAITING = const(8)  # clients whose address is still to be probed
_SAVE_MS = const(2000)  # changes are written together
_HOUR_MS = const(3600000)  # the clock wraps, so we look at it
_KEY_MAX = const(64)
_NAME_MAX = const(32)
_VALUE_MAX = const(255)

NAMES = (
    "in",
    "in_short",
    "in_op",
    "in_client",
    "in_relayed",
    "in_cookie",
    "in_options",
    "in_type",
    "in_other",
    "in_unknown",
    "busy",
    "full",
    "conflicts",
    "offers",
    "acks",
    "naks",
    "declines",
    "releases",
    "informs",
    "out",
    "out_failed",
    "left_out",
    "saved",
    "save_failed",
)
_IN = const(0)
_IN_SHORT = const(1)
_IN_OP = const(2)  # no request, or for another kind of link
_IN_CLIENT = const(3)  # a link address that no station has, or ours
_IN_RELAYED = const(4)
_IN_COOKIE = const(5)
_IN_OPTIONS = const(6)  # options that run past their end, or of a length that they cannot have
_IN_TYPE = const(7)
_IN_OTHER = const(8)  # for another server
_IN_UNKNOWN = const(9)  # a client that we know nothing of (RFC 2131 4.3.2: silence)
_BUSY = const(10)  # too many to be probed for
_FULL = const(11)  # no address left
_CONFLICTS = const(12)  # an address to be offered is used already
_OFFERS = const(13)
_ACKS = const(14)
_NAKS = const(15)
_DECLINES = const(16)
_RELEASES = const(17)
_INFORMS = const(18)
_OUT = const(19)
_OUT_FAILED = const(20)
_LEFT_OUT = const(21)  # options that did not fit
_SAVED = const(22)
_SAVE_FAILED = const(23)

_NOBODY = b"\0\0\0\0"
_EVERYBODY = b"\xff\xff\xff\xff"


def _number(n):
    return bytes((n >> 24 & 255, n >> 16 & 255, n >> 8 & 255, n & 255))


def _name(value):
    """A client's name for itself, if it can be one."""
    if len(value) > _NAME_MAX:
        return ""
    for c in value:
        if not (c == 45 or 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122):
            return ""
    return value.decode()


class _Port(Endpoint):
    """UDP port 67 of a stack, shared by the servers of its interfaces. No ring: requests are read
    out of the frame. It is the buffer for answers, too."""

    def __init__(self, udp):
        Endpoint.__init__(self, udp)
        self.rcvbuf = 0
        self.control = True
        self.broadcast = True
        self.buf = bytearray(_BUF)

    def take(self, fr, data, n):
        """Borrows `fr`."""
        server = getattr(fr.nif, "dhcpd", None)
        if server is not None and server.running:
            server.input(fr, data, n)

    def transmit(self, n, nif, dst):
        self.nif = nif
        sent = self.udp.output(self, self.buf, 0, n, self.st.ip4, nif.v4.addr, dst, _CLIENT_PORT)
        self.nif = None
        return sent


class Server:
    """The DHCP server of one interface, nif.dhcpd. Made by attach()."""

    def __init__(self, nif, port):
        self.nif = nif
        self.st = nif.st
        self.port = port
        self.stat = nif.st.counters("dhcpd." + nif.name, NAMES)
        self.running = False
        self.leases = None
        self.lease_s = _LEASE_S
        self.options = {}  # code -> bytes: what clients are told
        self.choose_options = None  # callable (key, options of the request) -> more of them
        self.path = None
        self._static = []  # (key, address)
        self._queue = []  # (lease, head, options of a DISCOVER): to be probed, the first one now
        self._probing = False
        self._seconds = 0  # our clock, at
        self._mark = 0  # this moment
        self._probe_timer = nif.st.timers.new(self._probed)
        self._save_timer = nif.st.timers.new(self._save)
        self._clock_timer = nif.st.timers.new(self._tick)
        self._conflict_bound = self._conflict

    # -- face -------------------------------------------------------------------------------

    def start(self, first, last, lease_s=_LEASE_S, options=None, path=None):
        """Serve the addresses `first` to `last`, 4 bytes each, of the interface's net. options:
        {code: bytes}, on top of mask, router (we) and broadcast address; None for a code that is
        not to be sent. path: of the file in which leases are kept. Raises ValueError, and
        OSError(EADDRNOTAVAIL) without an address, OSError(EADDRINUSE): port 67 is taken."""
        v4 = self.nif.v4
        if not v4.set:
            raise OSError(_EADDRNOTAVAIL, self.nif.name + " has no address")
        if not _LEASE_MIN_S <= lease_s <= _LEASE_MAX_S:
            raise ValueError("lease of %d s: %d to %d" % (lease_s, _LEASE_MIN_S, _LEASE_MAX_S))
        leases = Leases(bytes(first), bytes(last))
        for addr in (first, last):
            if not self._near(addr):
                raise ValueError("%s is no address of %s's network" % (text(addr), self.nif.name))
        values = _check_options(options or {})
        self.stop()
        for key, addr in self._static:
            leases.reserve(key, addr)
        self._open()
        self.leases = leases
        self.lease_s = lease_s
        self.options = values
        self.path = path
        self._mark = self.st.now
        if path:
            leases.load(path, self.now() + lease_s)
        self._clock_timer.start(self.st.now, _HOUR_MS)
        self.running = True

    def stop(self):
        """Serve nobody any more; leases that are to be kept are written."""
        if not self.running:
            return
        self.running = False
        if self._save_timer.active:
            self._save()
        self._end_probe()
        self._queue.clear()
        for timer in (self._probe_timer, self._save_timer, self._clock_timer):
            timer.stop()
        for nif in self.st.nifs:
            other = getattr(nif, "dhcpd", None)
            if other and other.running:
                return
        self.port.close()

    def reserve(self, client, addr):
        """Set an address aside: for a link address, 6 bytes, or a client identifier. It need not
        be one of the pool. Raises ValueError when it is another client's."""
        key = b"\x01" + bytes(client) if len(client) == 6 else bytes(client)
        addr = bytes(addr)
        if not 2 <= len(key) <= _KEY_MAX or not self._near(addr):
            raise ValueError("%r cannot have %s" % (client, text(addr)))
        for other, taken in self._static:
            if taken == addr and other != key:
                raise ValueError("address %s is another client's already" % text(addr))
        self._static = [pair for pair in self._static if pair[0] != key] + [(key, addr)]
        if self.leases:
            self.leases.reserve(key, addr)

    def entries(self):
        """[(address, client, state, seconds left, host name)] for people."""
        if self.leases is None:
            return []
        now = self.now()
        result = []
        for row in self.leases.rows:
            left = max(row.until - now, 0) if row.state else 0
            state = STATES[row.state] if left or not row.state else "expired"
            result.append((row.addr, row.key, state, left, row.name))
        return sorted(result)

    def now(self):
        """Seconds since the server was made: a clock that does not wrap."""
        s = elapsed(self.st.now, self._mark) // 1000
        if s > 0:
            self._seconds += s
            self._mark = later(self._mark, s * 1000)
        return self._seconds

    # -- state ------------------------------------------------------------------------------

    def _open(self):
        for nif in self.st.nifs:
            other = getattr(nif, "dhcpd", None)
            if other and other.running:
                return
        self.port.lport = 0
        self.port.bind(None, None, _SERVER_PORT)

    def _tick(self):
        self.now()
        self._clock_timer.start(self.st.now, _HOUR_MS)

    def _near(self, addr):
        """Can a station of this link have the address, other than we?"""
        v4 = self.nif.v4
        host = ones = 0
        for i in range(4):
            if (addr[i] ^ v4.addr[i]) & v4.mask[i]:
                return False
            host |= addr[i] & ~v4.mask[i] & 255
            ones |= ~addr[i] & ~v4.mask[i] & 255
        return bool(host and ones) and addr != v4.addr

    def _changed(self):
        if self.path and not self._save_timer.active:
            self._save_timer.start(self.st.now, _SAVE_MS)

    def _save(self):
        self._save_timer.stop()
        try:
            self.leases.save(self.path)
            self.stat[_SAVED] += 1
        except OSError:
            self.stat[_SAVE_FAILED] += 1

    # -- probing ----------------------------------------------------------------------------

    def _offer(self, lease, head, found):
        """Offer an address when nobody answers for it (RFC 2131 2.2)."""
        self.stat[_OFFERS] += 1
        if lease.state != _BOUND or lease.until <= self.now():  # a DISCOVER ends no lease
            lease.state = _OFFERED
            lease.until = self.now() + _OFFER_S
        self._reply(_OFFER, head, found, lease)

    def _probe(self):
        """Ask whether anybody has the address of the first in the queue."""
        arp = getattr(self.nif, "arp", None)
        self._probe_timer.start(self.st.now, _PROBE_MS)
        self._probing = arp is None or arp.on_conflict in (None, self._conflict_bound)
        if self._probing and arp:
            arp.on_conflict = self._conflict_bound
            arp.probe(self._queue[0][0].addr)

    def _end_probe(self):
        arp = getattr(self.nif, "arp", None)
        if arp is not None and arp.on_conflict is self._conflict_bound:
            arp.on_conflict = arp.probing = None

    def _probed(self):
        """Nobody has answered."""
        if not self._probing:  # our own address was being checked
            self._probe()
            return
        self._end_probe()
        lease, head, found = self._queue.pop(0)
        if lease.state == _OFFERED:
            self._offer(lease, head, found)
        if self._queue:
            self._probe()

    def _conflict(self, addr):
        """Somebody has the address: the client gets another one."""
        self._end_probe()
        self._probe_timer.stop()
        self.stat[_CONFLICTS] += 1
        lease, head, found = self._queue.pop(0)
        key = lease.key
        self._rest(lease)
        bad = self._on_discover(key, head, found)
        if bad >= 0:
            self.stat[bad] += 1
        if self._queue and not self._probe_timer.active:
            self._probe()

    def _rest(self, lease):
        """The address is taken by somebody who has not asked us."""
        lease.state = _DECLINED
        lease.until = self.now() + _DECLINE_S
        if not lease.static:
            lease.key = b""

    # -- input ------------------------------------------------------------------------------

    def input(self, fr, at, n):
        """A datagram for port 67, `n` bytes at `at`. Borrows `fr`."""
        self.stat[_IN] += 1
        buf = fr.buf
        bad = self._check_header(buf, at, n) if self.nif.v4.set else _IN_OTHER
        if bad < 0:
            found = read_options(buf, at, n, _READ)
            if found is None or len(found.get(_OPT_ADDRESS, _NOBODY)) != 4:
                bad = _IN_OPTIONS
            else:
                bad = self._dispatch(bytes(buf[at : at + _HEAD]), found)
        if bad >= 0:
            self.stat[bad] += 1

    def _check_header(self, buf, at, n):
        """The counter to bump, or -1."""
        if n < _OPTIONS:
            return _IN_SHORT
        if buf[at] != 1 or buf[at + 1] != 1 or buf[at + 2] != 6:
            return _IN_OP
        mac = at + _CHADDR
        if buf[mac] & 1 or zero(buf, mac, 6) or same(buf, mac, self.nif.mac, 0, 6):
            return _IN_CLIENT
        if not zero(buf, at + _GIADDR, 4):
            return _IN_RELAYED
        if not same(buf, at + _COOKIE, _MAGIC, 0, 4):
            return _IN_COOKIE
        return -1

    def _dispatch(self, head, found):
        """Returns the counter to bump, or -1."""
        kind = found.get(_OPT_TYPE, b"")
        if len(kind) != 1:
            return _IN_TYPE
        kind = kind[0]
        key = found.get(_OPT_CLIENT, b"")
        if not 2 <= len(key) <= _KEY_MAX:
            found.pop(_OPT_CLIENT, None)
            key = b"\x01" + head[_CHADDR : _CHADDR + 6]
        server = found.get(_OPT_SERVER)
        if server is not None and server != self.nif.v4.addr:
            return self._on_other(key)
        if kind == _DISCOVER:
            return self._on_discover(key, head, found)
        if kind == _REQUEST:
            return self._on_request(key, head, found, server)
        if kind == _INFORM:
            self.stat[_INFORMS] += 1
            if zero(head, _CIADDR, 4):
                return _IN_OPTIONS
            self._reply(_ACK, head, found, None)
            return -1
        if server is None or kind not in (_DECLINE, _RELEASE):
            return _IN_TYPE
        return self._on_end(kind, key, head, found)

    def _on_other(self, key):
        """The client has taken another server's offer: ours is free again."""
        lease = self.leases.of(key)
        if lease and lease.state == _OFFERED:
            lease.state = _FREE
        return _IN_OTHER

    def _on_discover(self, key, head, found):
        for lease, other, _ in self._queue:
            if lease.key == key or other[_CHADDR : _CHADDR + 6] == head[_CHADDR : _CHADDR + 6]:
                return _BUSY  # it is being probed for
        wanted = found.get(_OPT_ADDRESS)
        lease = self.leases.choose(key, wanted, self.now(), self.nif.v4.addr)
        if lease is None or lease.state == _DECLINED and lease.until > self.now():
            return _FULL
        if lease.state != _FREE and lease.until > self.now():
            self._offer(lease, head, found)  # its own: it may have it configured already
            return -1
        if len(self._queue) >= _WAITING:
            return _BUSY
        lease.state = _OFFERED  # not for others, while it is being probed
        lease.until = self.now() + _OFFER_S
        self._queue.append((lease, head, found))
        if len(self._queue) == 1:
            self._probe()
        return -1

    def _on_request(self, key, head, found, server):
        """RFC 2131 4.3.2: what it means depends on what is in it."""
        lease = self.leases.of(key)
        renewing = not zero(head, _CIADDR, 4)
        addr = head[_CIADDR : _CIADDR + 4] if renewing else found.get(_OPT_ADDRESS)
        if addr is None:
            return _IN_OPTIONS
        if server is None and not self._near(addr):
            return self._refuse(head, found)  # it has moved here from another network
        known = lease is not None and lease.state in (_OFFERED, _BOUND)
        if known and lease.addr == addr and (server or lease.state == _BOUND):
            self._grant(lease, head, found)
            return -1
        if known or server:
            return self._refuse(head, found)
        return _IN_UNKNOWN

    def _grant(self, lease, head, found):
        fresh = lease.state != _BOUND
        name = _name(found.get(_OPT_HOSTNAME, b""))
        lease.state = _BOUND
        lease.until = self.now() + self.lease_s
        if fresh or name != lease.name:
            lease.name = name
            self._changed()
        self.stat[_ACKS] += 1
        self._reply(_ACK, head, found, lease)

    def _refuse(self, head, found):
        self.stat[_NAKS] += 1
        self._reply(_NAK, head, found, None)
        return -1

    def _on_end(self, kind, key, head, found):
        """DECLINE and RELEASE (RFC 2131 4.3.3, 4.3.4)."""
        addr = found.get(_OPT_ADDRESS) if kind == _DECLINE else head[_CIADDR : _CIADDR + 4]
        lease = self.leases.of(key)
        if lease is None or lease.addr != addr or lease.state not in (_OFFERED, _BOUND):
            return _IN_UNKNOWN
        if kind == _DECLINE:
            self.stat[_DECLINES] += 1
            self._rest(lease)
        else:
            self.stat[_RELEASES] += 1
            lease.state = _FREE
            lease.until = self.now()
        self._changed()
        return -1

    # -- output -----------------------------------------------------------------------------

    def _reply(self, kind, head, found, lease):
        """Answer the message that begins with `head`; lease: whose address it is about."""
        buf = self.port.buf
        for i in range(_BUF):
            buf[i] = 0
        buf[0] = 2
        buf[1] = 1
        buf[2] = 6
        copy(buf, _XID, head, _XID, 4)
        copy(buf, _FLAGS, head, _FLAGS, 2)
        if kind == _ACK:
            copy(buf, _CIADDR, head, _CIADDR, 4)
        if lease:
            copy(buf, _YIADDR, lease.addr, 0, 4)
        copy(buf, _CHADDR, head, _CHADDR, 6)
        copy(buf, _COOKIE, _MAGIC, 0, 4)
        n = self._put_options(buf, kind, head, found, lease)
        # RFC 2131 4.1: to the address that the client has, if it has one
        has = kind == _ACK and not zero(head, _CIADDR, 4)
        dst = head[_CIADDR : _CIADDR + 4] if has else _EVERYBODY
        sent = self.port.transmit(n, self.nif, dst)
        self.stat[_OUT if sent > 0 else _OUT_FAILED] += 1

    def _put_options(self, buf, kind, head, found, lease):
        """RFC 2131 table 3. Returns the length of the message."""
        at = put(buf, _OPTIONS, _OPT_TYPE, bytes((kind,)))
        at = put(buf, at, _OPT_SERVER, self.nif.v4.addr)
        if _OPT_CLIENT in found:
            at = put(buf, at, _OPT_CLIENT, found[_OPT_CLIENT])
        if kind != _NAK:
            if lease:
                at = put(buf, at, _OPT_TIME, _number(self.lease_s))
                at = put(buf, at, _OPT_T1, _number(self.lease_s >> 1))
                at = put(buf, at, _OPT_T2, _number(self.lease_s - (self.lease_s >> 3)))
            values = self._values(head, found)
            wanted = found.get(_OPT_WANTED) or sorted(values)
            for code in wanted:
                value = values.pop(code, None)
                if value is None:
                    continue
                if at + 3 + len(value) > _BUF:
                    self.stat[_LEFT_OUT] += 1
                    continue
                at = put(buf, at, code, value)
        buf[at] = _OPT_END
        return at + 1 if at >= _SHORTEST else _SHORTEST

    def _values(self, head, found):
        v4 = self.nif.v4
        values = {_OPT_MASK: v4.mask, _OPT_ROUTER: v4.addr, _OPT_BROADCAST: v4.bcast}
        values.update(self.options)
        if self.choose_options:
            more = self.choose_options(head[_CHADDR : _CHADDR + 6], found)
            values.update(_check_options(more or {}))
        return values


def _check_options(options):
    values = {}
    for code, value in options.items():
        if not 0 < code < _OPT_END or code in _OURS:
            raise ValueError("DHCP option %d cannot be set" % code)
        if value is not None:
            value = bytes(value)
            if not 0 < len(value) <= _VALUE_MAX:
                raise ValueError("DHCP option %d: 1 to %d bytes" % (code, _VALUE_MAX))
        values[code] = value
    return values


def attach(nif):
    """The DHCP server of an interface, made if there is none yet."""
    server = getattr(nif, "dhcpd", None)
    if server is None:
        port = None
        for other in nif.st.nifs:
            if hasattr(other, "dhcpd"):
                port = other.dhcpd.port
        server = nif.dhcpd = Server(nif, port or _Port(nif.st.udp))
    return server
