# DHCP client (RFC 2131; options RFC 2132, split ones RFC 3396; address check RFC 5227).
#
#   st.dhcp[nif].start() -> INIT -> SELECTING -> REQUESTING -> CHECKING -> BOUND
#   BOUND -(T1)-> RENEWING -(T2)-> REBINDING -(end of lease)-> SELECTING; an ACK leads back
#   link comes back while a lease runs: REBOOTING (INIT-REBOOT) -> CHECKING -> BOUND
#   NAK, conflict: BACKING_OFF -> SELECTING
#   inform(): the address was set by hand; INFORMING -> INFORMED, everything else comes by DHCP
#   release() to a server whose link address is not known: RELEASING, until it has been asked for
#
# input: UDP.input -> Port.take -> Client.input, which reads answers where they lie in the frame.

# -- on the wire ------------------------------------------------------------------------------
#
#   0 op  1 htype  2 hlen  3 hops  4 xid 4  8 secs 2  10 flags 2  12 ciaddr  16 yiaddr  20 siaddr
#   24 giaddr  28 chaddr 16  44 sname 64  108 file 128  236 cookie 4  240 options (dhcp_lease.py)

from micropython import const
from netstack.core.checksum import copy
from netstack.core.clock import elapsed, later
from netstack.core.wire import get16, put16, same
from netstack.services.dhcp_port import Port, put
from netstack.services.dhcp_lease import Lease, is_host, read_lease, read_options, read_services

_EADDRNOTAVAIL = const(99)
_SERVER_PORT = const(67)
_XID = const(4)
_SECS = const(8)
_CIADDR = const(12)
_YIADDR = const(16)
_CHADDR = const(28)
_COOKIE = const(236)
_OPTIONS = const(240)
_SHORTEST = const(300)  # RFC 1542 2.1: a whole BOOTP message; some relays drop less
_BUF = const(512)
_MAGIC = b"\x63\x82\x53\x63"

_DISCOVER = const(1)
_OFFER = const(2)
_REQUEST = const(3)
_DECLINE = const(4)
_ACK = const(5)
_NAK = const(6)
_RELEASE = const(7)
_INFORM = const(8)

_OPT_HOSTNAME = const(12)
_OPT_ADDRESS = const(50)
_OPT_TYPE = const(53)
_OPT_SERVER = const(54)
_OPT_WANTED = const(55)
_OPT_SIZE = const(57)
_OPT_VENDOR_CLASS = const(60)
_OPT_CLIENT = const(61)
_OPT_END = const(255)

# asked for: classless routes, which must come before routers (RFC 3442), mask, routers, DNS,
# domain, MTU, broadcast, NTP, search list, lease time, T1, T2
_WANTED = b"\x79\x01\x03\x06\x0f\x1a\x1c\x2a\x77\x33\x3a\x3b"
_MORE_MAX = const(32)  # codes that a program may add
_CLASS_MAX = const(64)  # all options together fit into a message

# -- state ------------------------------------------------------------------------------------

_OFF = const(0)
_INIT = const(1)  # waiting for the link
_SELECTING = const(2)
_REQUESTING = const(3)
_REBOOTING = const(4)
_CHECKING = const(5)
_BACKING_OFF = const(6)
_INFORMING = const(7)
_INFORMED = const(8)
_RELEASING = const(9)
_BOUND = const(10)
_RENEWING = const(11)
_REBINDING = const(12)
STATES = (
    "off",
    "init",
    "selecting",
    "requesting",
    "rebooting",
    "checking",
    "backing off",
    "informing",
    "informed",
    "releasing",
    "bound",
    "renewing",
    "rebinding",
)

# DEVIATION RFC 2131 4.1: the first repeat comes after 1 s instead of 4 s. The first message of a
# board is the one most often lost: the switch port may not forward yet when the link is up.
_DELAYS = (1000, 4000, 8000, 16000, 32000, 64000)
_REQUESTS = const(4)  # then it starts from INIT (RFC 2131 3.1 (5))
_REBOOTS = const(3)
# DEVIATION RFC 5227 2.1.1: two probes in 400 ms instead of three in up to 7 s. The server has
# tried the address before (RFC 2131 2.2), neighbours on a LAN answer within milliseconds, and a
# board would pay the 7 s at every start.
_PROBES = const(2)
_PROBE_MS = const(200)
_DECLINE_MS = const(10000)  # RFC 2131 3.1 (5)
_CONFLICTS_MAX = const(10)  # RFC 5227 2.1.1: more than these, and one try a minute
_CONFLICTS_MS = const(60000)
_RESOLVE_MS = const(50)  # how often we look whether a neighbour's address has come,
_RESOLVES = const(20)  # and how many times
_JITTER_MAX_S = const(600)
_RENEW_S = const(60)  # RFC 2131 4.4.5: repeats come no closer than this
_DAY_S = const(86400)  # the clock tells six days apart, so the lease is looked at every day
_LEASE_MIN_S = const(8)  # less would keep us asking all the time
_FOREVER = const(0x3FFFFFFF)
_MTU_MIN = const(576)

NAMES = (
    "in",
    "in_short",
    "in_port",
    "in_op",
    "in_other",
    "in_xid",
    "in_cookie",
    "in_options",
    "in_type",
    "in_server",
    "in_state",
    "in_address",
    "in_time",
    "offers",
    "acks",
    "naks",
    "conflicts",
    "out",
    "out_failed",
    "bound",
    "expired",
)
_IN = const(0)
_IN_SHORT = const(1)
_IN_PORT = const(2)  # not from a server's port
_IN_OP = const(3)  # no reply, or for another kind of link
_IN_OTHER = const(4)  # for another station
_IN_XID = const(5)  # not the answer to what was asked last
_IN_COOKIE = const(6)
_IN_OPTIONS = const(7)  # options that run past their end, or come out too long
_IN_TYPE = const(8)  # no message type, or none for clients
_IN_SERVER = const(9)  # no server identifier, or not the one that was asked
_IN_STATE = const(10)  # nothing that is waited for
_IN_ADDRESS = const(11)  # an address no host may have, or not the one asked for
_IN_TIME = const(12)  # no lease time, or one too short
_OFFERS = const(13)
_ACKS = const(14)
_NAKS = const(15)
_CONFLICTS = const(16)
_OUT = const(17)
_OUT_FAILED = const(18)
_BINDS = const(19)
_EXPIRED = const(20)

_NOBODY = b"\0\0\0\0"
_EVERYBODY = b"\xff\xff\xff\xff"
_LINK_UP = const(1)
_LINK_DOWN = const(2)


def check_hostname(name):
    """RFC 952, RFC 1123 2.1: one label; and as people have it, with underscores."""
    good = 0 < len(name) <= 63 and name[0] != "-" and name[-1] != "-"
    for c in name:
        good = good and (c in "-_" or "0" <= c <= "9" or "a" <= c.lower() <= "z")
    if not good:
        raise ValueError("host name %r: use 1 to 63 letters, digits, '-' and '_'" % name)
    return name.encode()


# -- behaviour --------------------------------------------------------------------------------


class Client:
    """The DHCP client of one interface. Made by attach()."""

    # Here, and not below: what costs nothing until it is set.
    hostname = b""
    _vendor_class = b""
    on_options = None  # callable (lease): a server has told something
    _more = b""
    _t1 = 0  # seconds of the lease, a little earlier than the server says
    _t2 = 0
    _got = None  # a lease granted, its address still to be checked
    _mine = None  # the address that we have configured
    _naks = 0  # in a row
    _conflicts = 0
    _sent = 0
    _mark = 0  # the lease was `_age` seconds old at this moment
    _age = 0

    def __init__(self, nif, port):
        self.nif = nif
        self.st = nif.st
        self.port = port
        self.stat = nif.st.counters("dhcp." + nif.name, NAMES)
        self.state = _OFF
        self.lease = None  # what is held, or was and may be asked for again
        self.discovers = 0  # sent since anybody last answered
        self.error = ""  # what went wrong last, for people
        self._xid = bytearray(4)
        self._addr = bytearray(4)  # asked for
        self._server = bytearray(4)
        self._tries = 0
        self._began = 0
        self._secs = 0
        self._timer = self.st.timers.new(self._due)
        self._on_conflict = self._conflict
        self.st.watchers.append(self._watch)

    # -- face -------------------------------------------------------------------------------

    @property
    def bound(self):
        return self.state >= _BOUND

    @property
    def releasing(self):
        """Is the address still there after release()?"""
        return self.state == _RELEASING

    @property
    def left(self):
        """Seconds that the lease still runs; 0x3FFFFFFF: it does not end."""
        lease = self.lease
        if lease is None:
            return 0
        return _FOREVER if lease.lease_s == _FOREVER else max(lease.lease_s - self._aged(), 0)

    @property
    def failed(self):
        """Why there is no lease, in words; None while there is one or nothing has gone wrong."""
        if self.bound or self.state == _OFF or not (self.discovers > 1 or self.error):
            return None
        text = "no DHCP lease on " + self.nif.name
        if not self.nif.link:
            return text + " (no link)"
        if self.discovers > 1:
            text += " (%d discovers unanswered)" % self.discovers
        return text + (": " + self.error if self.error else "")

    def want(self, codes, callback=None, vendor_class=b""):
        """Ask servers for these options as well. callback(lease) comes with everything that one
        tells: lease.options[code] are the bytes of an option, of vendor options (43) too, which
        some servers give by what we say that we are, `vendor_class` (RFC 2132 9.13)."""
        codes = bytes(codes)
        if len(vendor_class) > _CLASS_MAX:
            raise ValueError("DHCP vendor class: at most %d bytes" % _CLASS_MAX)
        if len(codes) > _MORE_MAX or 0 in codes or _OPT_END in codes:
            raise ValueError("DHCP options %r: at most %d, from 1 to 254" % (codes, _MORE_MAX))
        self._more = codes
        self._vendor_class = bytes(vendor_class)
        self.on_options = callback

    def start(self, hostname=None, addr=None):
        """Get a lease and keep it; asks for the last one again if it has not run out, or for
        `addr`, 4 bytes, which it had before a restart (RFC 2131 3.2). Raises OSError(EADDRINUSE)
        when a socket holds port 68, ValueError for an impossible host name."""
        if addr is not None and not is_host(addr):
            raise ValueError("no host has the address %r" % addr)
        self._prepare(hostname)
        if addr is not None:
            self.lease = None
            copy(self._addr, 0, addr, 0, 4)
            self._exchange(_REBOOTING)
        if self.nif.link:
            self._begin()
        elif addr is None:
            self._rest(_INIT)

    def _prepare(self, hostname):
        name = hostname or self.nif.hostname
        self.hostname = check_hostname(name) if name else b""
        self.port.use()
        self._halt()
        if self.state == _RELEASING:
            self._unconfigure()
        self.state = _INIT
        self.error = ""
        self.discovers = self._naks = self._conflicts = 0

    def inform(self):
        """The address was set by hand; ask for everything else (RFC 2131 3.4, 4.4.3). Raises
        OSError as start() does, and EADDRNOTAVAIL without an address."""
        if not self.nif.v4.set:
            raise OSError(_EADDRNOTAVAIL, self.nif.name + " has no address")
        self.lease = None
        self._prepare(None)
        self._exchange(_INFORMING)
        if self.nif.link:
            self._again()

    def stop(self):
        """Give the address up without a word to the server; start() may ask for it again."""
        if self.state == _OFF:
            return
        self._halt()
        self._unconfigure()
        self._rest(_OFF)
        self.port.leave()

    def release(self):
        """Give the lease back to its server (RFC 2131 4.4.6) and stop; the address stays for up
        to a second, while the link address of the server is asked for."""
        if self.state == _RELEASING:
            return
        held = self.bound
        if held:
            copy(self._server, 0, self.lease.server, 0, 4)
            self._exchange(self.state)
            self._send(_RELEASE)
        self.lease = None
        self._halt()
        if held and not self._reachable():
            self.state = _RELEASING
            self._timer.start(self.st.now, _RESOLVE_MS)
        else:
            self.stop()

    def _reachable(self):
        """Is the link address known of whom a message to the server is given to?"""
        arp = getattr(self.nif, "arp", None)
        if arp is None or not self.nif.link:
            return True
        hop = self.st.ip4.hop(self._server, self.nif)
        for addr, mac, _ in arp.entries():
            if mac and addr == hop:
                return True
        return False

    def _look_again(self):
        self._tries += 1
        if self._tries >= _RESOLVES or self._reachable():
            self.stop()
        else:
            self._timer.start(self.st.now, _RESOLVE_MS)

    # -- events -----------------------------------------------------------------------------

    def _watch(self, nif, event):
        if nif is not self.nif or self.state == _OFF:
            return
        if event == _LINK_UP:
            if self.state == _INFORMING or self.state == _INFORMED:
                self._exchange(_INFORMING)
                self._again()
            else:
                self._begin()
        elif event == _LINK_DOWN:
            if self.state == _INFORMING or self.state == _INFORMED:
                self._timer.stop()
                return
            if self.state == _RELEASING:
                self.stop()
                return
            # The address stays for the time of its lease: a cable pulled and put back costs no
            # connection.
            self._halt()
            if not self._of_before():
                self._rest(_INIT)

    def _of_before(self):
        """Do we want the address of before a restart, of whose lease we know nothing?"""
        return self.state == _REBOOTING and self.lease is None

    def _begin(self):
        """The link is there."""
        if self._of_before():
            self._exchange(_REBOOTING)
            self._again()
            return
        if self.lease is None or self._aged() >= self.lease.lease_s:
            self._discover()
            return
        copy(self._addr, 0, self.lease.addr, 0, 4)
        self._exchange(_REBOOTING)
        self._again()

    def _due(self):
        state = self.state
        if state >= _BOUND:
            self._keep()
        elif state == _SELECTING or state == _BACKING_OFF:
            self._discover()
        elif state == _REQUESTING or state == _REBOOTING or state == _INFORMING:
            self._again()
        elif state == _RELEASING:
            self._look_again()
        elif state == _CHECKING:
            self._check()
        else:
            self._rest(state)

    def _halt(self):
        self._timer.stop()
        self._end_check()

    def _rest(self, state):
        """Nothing to do but to see the lease run out, if there is one."""
        self.state = state
        lease = self.lease
        if lease is None or lease.lease_s == _FOREVER:
            return
        left = lease.lease_s - self._aged()
        if left <= 0:
            self._expire()
        else:
            self._sleep(left)

    def _sleep(self, seconds):
        """Come back when the lease is `seconds` older than _aged() has just said."""
        self._timer.start(self._mark, (seconds if seconds < _DAY_S else _DAY_S) * 1000)

    def _aged(self):
        """Seconds since the lease was granted. Counted on, for the clock wraps."""
        s = elapsed(self.st.now, self._mark) // 1000
        if s > 0:
            self._age += s
            self._mark = later(self._mark, s * 1000)
        return self._age

    # -- asking -----------------------------------------------------------------------------

    def _exchange(self, state):
        """A new question, with a number of its own."""
        self.state = state
        self._tries = 0
        self._began = self.st.now
        self.st.random.fill(self._xid, 0, 4)

    def _retry(self):
        """RFC 2131 4.1: wait longer every time, give or take up to a second."""
        ms = _DELAYS[self._tries if self._tries < len(_DELAYS) else -1]
        self._tries += 1
        jitter = ms // 4 if ms < 4000 else 1000
        self._timer.start(self.st.now, ms - jitter + self.st.random.below(2 * jitter + 1))

    def _discover(self):
        if self.state != _SELECTING:
            self._unconfigure()
            self.lease = None
            self._exchange(_SELECTING)
        self.discovers += 1
        self._send(_DISCOVER)
        self._retry()

    def _again(self):
        """Send a REQUEST, unless it has been sent often enough; an INFORM is sent on and on."""
        if self.state == _INFORMING:
            self._send(_INFORM)
            self._retry()
            return
        if self._tries < (_REQUESTS if self.state == _REQUESTING else _REBOOTS):
            self._send(_REQUEST)
            self._retry()
            return
        self.error = "the request for %d.%d.%d.%d was not answered" % tuple(self._addr)
        self._discover()

    def _keep(self):
        """BOUND, RENEWING, REBINDING: what the age of the lease asks for (RFC 2131 4.4.5)."""
        lease = self.lease
        if lease.lease_s == _FOREVER:
            self._timer.stop()
            return
        age = self._aged()
        if age >= lease.lease_s:
            self._expire()
            return
        if age < self._t1:
            self._sleep(self._t1 - age)
            return
        state, end = (_RENEWING, self._t2) if age < self._t2 else (_REBINDING, lease.lease_s)
        if self.state != state:
            copy(self._addr, 0, lease.addr, 0, 4)
            copy(self._server, 0, lease.server, 0, 4)
            self._exchange(state)
        self._send(_REQUEST)
        wait = (end - age) >> 1
        if wait < _RENEW_S:
            wait = end - age if end - age < _RENEW_S else _RENEW_S
        self._sleep(wait)

    def _expire(self):
        self.stat[_EXPIRED] += 1
        self.error = "the lease of %d.%d.%d.%d has run out" % tuple(self.lease.addr)
        self.lease = None
        if self.state >= _BOUND:
            self._discover()
        else:
            self._unconfigure()

    def _back_off(self, ms):
        """Without an address, and quiet for a while, so that no server can have us loop."""
        self._unconfigure()
        self.lease = None
        self.state = _BACKING_OFF
        self._timer.start(self.st.now, ms)

    # -- the address ------------------------------------------------------------------------

    def _check(self):
        """CHECKING: probe, wait, take the address if nobody objects (RFC 5227 2.1)."""
        arp = getattr(self.nif, "arp", None)
        if arp is None or self._tries == _PROBES:
            self._end_check()
            self._bind()
            return
        self._tries += 1
        arp.on_conflict = self._on_conflict
        arp.probe(self._addr)
        self._timer.start(self.st.now, _PROBE_MS)

    def _end_check(self):
        arp = getattr(self.nif, "arp", None)
        if arp is not None and arp.on_conflict is self._on_conflict:
            arp.on_conflict = arp.probing = None

    def _conflict(self, addr):
        """Another station has the address: tell the server (RFC 2131 3.1 (5))."""
        self._end_check()
        self.stat[_CONFLICTS] += 1
        self._conflicts += 1
        self.error = "%d.%d.%d.%d is used by another station" % tuple(self._addr)
        self._unconfigure()
        self._exchange(_BACKING_OFF)
        self._send(_DECLINE)
        self._back_off(_DECLINE_MS if self._conflicts <= _CONFLICTS_MAX else _CONFLICTS_MS)

    def _bind(self):
        lease = self.lease = self._got
        self._got = None
        self.state = _BOUND
        self.stat[_BINDS] += 1
        self.discovers = self._naks = self._conflicts = 0
        self.error = ""
        self._configure(lease)
        self._keep()

    def _configure(self, lease):
        """Put the lease to use; a renewal that changes nothing disturbs nobody."""
        nif = self.nif
        v4 = nif.v4
        mtu = nif.nic.mtu
        nif.mtu = lease.mtu if _MTU_MIN <= lease.mtu < mtu else mtu
        self._mine = lease.addr
        if not (
            v4.set and v4.addr == lease.addr and v4.mask == lease.mask and v4.gw == lease.router
        ):
            self.st.ip4.configure(nif, lease.addr, lease.mask, lease.router)
        self._route(lease)
        self._tell(lease)

    def _route(self, lease):
        """Classless routes (RFC 3442)."""
        table = self.st.ip4.routes
        if table is None:
            if not lease.routes:
                return
            from netstack.inet import routes

            table = routes.attach(self.st)
        table.drop(self)
        for net, bits, router in lease.routes:
            try:
                table.add(self, net, bits, router, self.nif)
            except OSError as error:
                self.error = str(error)

    def _tell(self, lease):
        """What has nothing to do with the address, to those whom it concerns."""
        if self.st.dns:
            self.st.dns.set_servers(self.nif, lease.dns, lease.search)
        if self.on_options:
            self.on_options(lease)

    def _unconfigure(self):
        """Take away the address, if it is still the one we have set."""
        if self.state == _INFORMED and self.st.dns:
            self.st.dns.set_servers(self.nif, ())
        mine = self._mine
        if mine is None:
            return
        self._mine = None
        nif = self.nif
        nif.mtu = nif.nic.mtu
        if nif.v4.set and nif.v4.addr == mine:
            self.st.ip4.configure(nif, _NOBODY, _NOBODY)
        if self.st.ip4.routes:
            self.st.ip4.routes.drop(self)
        if self.st.dns:
            self.st.dns.set_servers(nif, ())

    # -- input ------------------------------------------------------------------------------

    def input(self, fr, at, n):
        """A datagram for port 68, `n` bytes at `at`. Borrows `fr`."""
        self.stat[_IN] += 1
        buf = fr.buf
        bad = self._check_header(fr, buf, at, n)
        if bad < 0:
            found = read_options(buf, at, n, self._more)
            bad = _IN_OPTIONS if found is None else self._dispatch(buf, at, found)
        if bad >= 0:
            self.stat[bad] += 1

    def _check_header(self, fr, buf, at, n):
        """The counter to bump, or -1."""
        mac = self.nif.mac
        if n < _OPTIONS:
            return _IN_SHORT
        if get16(buf, fr.l4) != _SERVER_PORT:
            return _IN_PORT
        if buf[at] != 2 or buf[at + 1] != 1 or buf[at + 2] != len(mac):
            return _IN_OP
        if not same(buf, at + _CHADDR, mac, 0, len(mac)):
            return _IN_OTHER
        if not same(buf, at + _XID, self._xid, 0, 4):
            return _IN_XID
        if not same(buf, at + _COOKIE, _MAGIC, 0, 4):
            return _IN_COOKIE
        return -1

    def _dispatch(self, buf, at, found):
        """Returns the counter to bump, or -1."""
        kind = found.get(_OPT_TYPE, b"")
        if len(kind) != 1 or kind[0] not in (_OFFER, _ACK, _NAK):
            return _IN_TYPE
        server = found.get(_OPT_SERVER, b"")
        if len(server) != 4 or not is_host(server):
            return _IN_SERVER
        addr = bytes(buf[at + _YIADDR : at + _YIADDR + 4])
        if kind[0] == _OFFER:
            return self._on_offer(addr, server, found)
        if self.state == _INFORMING and kind[0] == _ACK:
            return self._on_told(server, found)
        if self.state not in (_REQUESTING, _REBOOTING, _RENEWING, _REBINDING):
            return _IN_STATE
        if self.state in (_REQUESTING, _RENEWING) and server != self._server:
            return _IN_SERVER
        if kind[0] == _NAK:
            return self._on_nak(server)
        return self._on_ack(addr, server, found)

    def _on_offer(self, addr, server, found):
        """The first offer that makes sense is taken."""
        if self.state != _SELECTING:
            return _IN_STATE
        if read_lease(addr, server, found) is None:
            self.error = "%d.%d.%d.%d was offered, which no host can have" % tuple(addr)
            return _IN_ADDRESS
        self.stat[_OFFERS] += 1
        self.discovers = 0
        copy(self._addr, 0, addr, 0, 4)
        copy(self._server, 0, server, 0, 4)
        # RFC 2131 4.4.1: the REQUEST carries the number of the OFFER, hence no new exchange
        self.state = _REQUESTING
        self._tries = 0
        self._again()
        return -1

    def _on_ack(self, addr, server, found):
        lease = read_lease(addr, server, found)
        if lease is None or addr != self._addr:
            self.error = "%d.%d.%d.%d was granted, which was not asked for" % tuple(addr)
            return _IN_ADDRESS
        if lease.lease_s < _LEASE_MIN_S:
            self.error = "a lease of %d s is too short" % lease.lease_s
            return _IN_TIME
        self.stat[_ACKS] += 1
        copy(self._server, 0, server, 0, 4)
        self._got = lease
        self._spread(lease)
        self._mark = self._sent  # RFC 2131 4.4.1: it runs from when it was asked for
        self._age = 0
        if self.state >= _BOUND:
            self._bind()
            return -1
        self.state = _CHECKING
        self._tries = 0
        self._check()
        return -1

    def _spread(self, lease):
        """RFC 2131 4.4.5: some random fuzz, so that boards that were switched on together do not
        all come back at the same moment."""
        fuzz = min(lease.t1 >> 4, _JITTER_MAX_S)
        less = self.st.random.below(fuzz + 1)
        self._t1 = lease.t1 - less
        self._t2 = lease.t2 - min(less, lease.t2 - lease.t1)

    def _on_told(self, server, found):
        """The answer to an INFORM: RFC 2131 4.3.5, it has no address and no times."""
        self.stat[_ACKS] += 1
        self._timer.stop()
        self.state = _INFORMED
        self.lease = lease = Lease(bytes(self.nif.v4.addr), server)
        lease.lease_s = _FOREVER
        read_services(lease, found)
        self._tell(lease)
        return -1

    def _on_nak(self, server):
        self.stat[_NAKS] += 1
        self.error = "the server %d.%d.%d.%d has refused the address" % tuple(server)
        ms = _DELAYS[self._naks if self._naks < len(_DELAYS) else -1]
        self._naks += 1
        self._back_off(ms)
        return -1

    # -- output -----------------------------------------------------------------------------

    def _send(self, kind):
        """Build and send one message; one that does not get out is repeated like a lost one."""
        buf = bytearray(_BUF)
        has_addr = self.state >= _BOUND or kind == _INFORM
        mac = self.nif.mac
        buf[0] = 1
        buf[1] = 1
        buf[2] = len(mac)
        copy(buf, _XID, self._xid, 0, 4)
        if self.state != _REQUESTING:  # RFC 2131 4.4.1: there as in the DISCOVER
            secs = elapsed(self.st.now, self._began) // 1000
            self._secs = secs if secs < 65535 else 65535
        put16(buf, _SECS, self._secs)
        own = _NOBODY
        if has_addr:
            own = self.nif.v4.addr if kind == _INFORM else self.lease.addr
            copy(buf, _CIADDR, own, 0, 4)
        copy(buf, _CHADDR, mac, 0, len(mac))
        copy(buf, _COOKIE, _MAGIC, 0, 4)
        n = self._put_options(buf, kind, has_addr)
        # RFC 2131 4.4.4: broadcast until bound, and when rebinding; to the server when it has
        # granted an address to answer to
        self._sent = self.st.now
        far = has_addr and self.state != _REBINDING and kind != _INFORM
        if far or kind == _RELEASE:
            sent = self.port.transmit(buf, n, None, own, self._server)
        else:
            sent = self.port.transmit(buf, n, self.nif, own, _EVERYBODY)
        self.stat[_OUT if sent > 0 else _OUT_FAILED] += 1

    def _put_options(self, buf, kind, has_addr):
        """RFC 2131 table 5. Returns the length of the message."""
        mac = self.nif.mac
        at = put(buf, _OPTIONS, _OPT_TYPE, bytes((kind,)))
        at = put(buf, at, _OPT_CLIENT, b"\x01" + mac)
        if kind == _DECLINE or kind == _REQUEST and not has_addr:
            at = put(buf, at, _OPT_ADDRESS, self._addr)
        if kind == _DECLINE or kind == _RELEASE or self.state == _REQUESTING:
            at = put(buf, at, _OPT_SERVER, self._server)
        if kind == _DISCOVER or kind == _REQUEST or kind == _INFORM:
            size = self.nif.mtu
            at = put(buf, at, _OPT_SIZE, bytes((size >> 8, size & 255)))
            if self.hostname:
                at = put(buf, at, _OPT_HOSTNAME, self.hostname)
            if self._vendor_class:
                at = put(buf, at, _OPT_VENDOR_CLASS, self._vendor_class)
            at = put(buf, at, _OPT_WANTED, _WANTED + self._more)
        buf[at] = _OPT_END
        return at + 1 if at >= _SHORTEST else _SHORTEST


def attach(nif):
    """The DHCP client of an interface, made if there is none yet."""
    st = nif.st
    client = st.dhcp.get(nif)
    if client is None:
        port = None
        for other in st.dhcp.values():
            port = other.port
        client = st.dhcp[nif] = Client(nif, port or Port(st.udp))
    return client
