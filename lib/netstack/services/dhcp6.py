# DHCPv6 client (RFC 8415): addresses, prefixes for the networks behind us, and what else a server
# knows: DNS servers and domains, NTP servers.
#
#   SOLICITING -> REQUESTING -> BOUND -(T1)-> RENEWING -(T2)-> REBINDING; a Reply leads to BOUND
#   the link comes back while something is held: CONFIRMING -> BOUND
#   another station has the address: DECLINING -> SOLICITING        release(): RELEASING -> OFF
#   without addresses (stateless): INFORMING -> INFORMED
#
# input: UDP.input -> Port.take -> Client.input -> read (dhcp6_message.py)
#
# A server is never asked by unicast, and may not reconfigure us.

from hashlib import sha256
from micropython import const
from netstack.core.wire import same
from netstack.inet.lifetime import FOREVER
from netstack.services import dhcp6_message as wire
from netstack.services.dhcp6_exchange import Exchange, Port
from netstack.services.dhcp6_lease import Lease
from netstack.services.dhcp6_message import ADDRESSES, PREFIXES

_SOLICIT = const(1)
_ADVERTISE = const(2)
_REQUEST = const(3)
_CONFIRM = const(4)
_RENEW = const(5)
_REBIND = const(6)
_REPLY = const(7)
_RELEASE = const(8)
_DECLINE = const(9)
_RECONFIGURE = const(10)
_INFORM = const(11)
_NO_ADDRESS = const(2)  # status
_NOT_ON_LINK = const(4)
_NO_PREFIX = const(6)

# asked for: DNS servers, domains, NTP servers, SOL_MAX_RT, INF_MAX_RT; refresh time
_WANTED = b"\x17\x18\x38\x52\x53"
_REFRESH = b"\x20"
_MORE_MAX = const(32)  # codes that a program may add

# -- state ------------------------------------------------------------------------------------

OFF = const(0)  # modes
AUTO = const(1)  # as routers say
STATELESS = const(2)
STATEFUL = const(3)

_OFF = const(0)
_INIT = const(1)  # waiting for the link, or for an address to ask from
_SOLICITING = const(2)
_REQUESTING = const(3)
_CONFIRMING = const(4)
_INFORMING = const(5)
_DECLINING = const(6)
_RELEASING = const(7)
_INFORMED = const(8)
_BOUND = const(9)
_RENEWING = const(10)
_REBINDING = const(11)
STATES = (
    "off",
    "init",
    "soliciting",
    "requesting",
    "confirming",
    "informing",
    "declining",
    "releasing",
    "informed",
    "bound",
    "renewing",
    "rebinding",
)

# RFC 8415 7.6: message, IRT, MRT, MRC, MRD; state by state
_SENT = {
    _SOLICITING: (_SOLICIT, 1000, 3600000, 0, 0),
    _REQUESTING: (_REQUEST, 1000, 30000, 10, 0),
    _CONFIRMING: (_CONFIRM, 1000, 4000, 0, 10000),
    _INFORMING: (_INFORM, 1000, 3600000, 0, 0),
    _DECLINING: (_DECLINE, 1000, 0, 4, 0),
    _RELEASING: (_RELEASE, 1000, 0, 4, 0),
    _RENEWING: (_RENEW, 10000, 600000, 0, 0),
    _REBINDING: (_REBIND, 10000, 600000, 0, 0),
}
_DELAY_MS = const(1000)  # SOL_, CNF_ and INF_MAX_DELAY
_AGAIN_MS = const(2000)  # after something that went wrong, doubled each time
_AGAIN_MAX = const(5)  # times
_REFRESH_MIN = const(600)  # RFC 8415 7.6: IRT_MINIMUM
_T1_MIN = const(2)  # no server makes us ask all the time (RFC 8415 14.1)
_CLASS_MAX = const(128)

NAMES = (
    "in",
    "in_short",
    "in_type",
    "in_reconfigure",
    "in_state",
    "in_xid",
    "in_options",
    "in_client",
    "in_server",
    "in_status",
    "in_nothing",
    "in_address",
    "advertises",
    "replies",
    "conflicts",
    "out",
    "out_failed",
    "bound",
    "expired",
)
_IN = const(0)
_IN_SHORT = const(1)
_IN_TYPE = const(2)  # no message for clients
_IN_RECONFIGURE = const(3)
_IN_STATE = const(4)  # nothing that is waited for
_IN_XID = const(5)  # not the answer to what was asked last
_IN_OPTIONS = const(6)  # options that run past their end, or are not as they must be
_IN_CLIENT = const(7)  # for another client, or for none
_IN_SERVER = const(8)  # of no server, or not of the one that was asked
_IN_STATUS = const(9)  # the server could not
_IN_NOTHING = const(10)  # neither an address nor a prefix in it
_IN_ADDRESS = const(11)  # an address that we have already, or have no room for
_ADVERTISES = const(12)
_REPLIES = const(13)
_CONFLICTS = const(14)
_OUT = const(15)
_OUT_FAILED = const(16)
_BINDS = const(17)
_EXPIRED = const(18)

_LINK_UP = const(1)
_LINK_DOWN = const(2)
_ADDRESS_EVENT = const(4)


class Client:
    """The DHCPv6 client of one interface. Made by attach()."""

    def __init__(self, nif, port):
        self.nif = nif
        self.st = nif.st
        self.ip = nif.st.ip6
        self.v6 = nif.v6
        self.port = port
        self.stat = nif.st.counters("dhcp6." + nif.name, NAMES)
        self.mode = AUTO
        self.state = _OFF
        self.prefix = None  # ask for a prefix of that length, 0: of any; None: for none
        self.rapid = True  # two messages instead of four, if the server agrees
        self.lease = Lease(nif, self._tell_prefixes)
        self.info = None  # the Answer that has told of dns, domains, ntp, options
        self.on_options = None  # callable (answer): a server has told something
        self.on_prefixes = []  # callables (client): prefixes have come, gone or been renewed
        self.unanswered = 0  # messages sent since anybody last answered
        self.error = ""  # what went wrong last, for people
        self.iaid = sha256(nif.name.encode() + nif.mac).digest()[:4]
        self._stateless = False
        self._restart = False  # after a release
        self._more = b""
        self._class = b""
        self._exchange = Exchange(self.st)
        self._named = ()  # what our message names
        self._server = b""
        self._offer = None  # the best Advertise so far
        self.t1 = self._t2 = FOREVER  # moments
        self._refresh = FOREVER
        self._failures = 0  # in a row
        self._sol_max = self._inf_max = 0
        self._timer = self.st.timers.new(self._due)
        self.st.watchers.append(self._watch)

    # -- face -------------------------------------------------------------------------------

    @property
    def bound(self):
        """Is there something that a server has given?"""
        return bool(self.lease.items) or self.state == _INFORMED

    @property
    def prefixes(self):
        """What has been delegated: Items with `addr`, `plen`, and the moments (lifetime.py) up to
        which they are `preferred` and `valid`."""
        return self.lease.prefixes()

    @property
    def releasing(self):
        return self.state == _RELEASING

    @property
    def failed(self):
        """Why there is nothing, in words; None while there is, or nothing has gone wrong."""
        if self.bound or self.state == _OFF or not (self.unanswered > 1 or self.error):
            return None
        text = "no DHCPv6 answer on " if self._stateless else "no DHCPv6 lease on "
        text += self.nif.name
        if self.unanswered > 1:
            text += " (%d messages unanswered)" % self.unanswered
        return text + (": " + self.error if self.error else "")

    def want(self, codes, callback=None, vendor_class=b""):
        """Ask servers for these options as well. callback(answer) comes with everything that one
        tells: answer.options[code] lists the values of an option, vendor options (17) too, which
        some servers give by what we say that we are, `vendor_class`: 4 bytes of enterprise
        number, then data, each behind its length in 2 bytes (RFC 8415 21.16)."""
        codes = bytes(codes)
        if len(codes) > _MORE_MAX or 0 in codes:
            raise ValueError("DHCPv6 options %r: at most %d, from 1 to 255" % (codes, _MORE_MAX))
        if len(vendor_class) > _CLASS_MAX:
            raise ValueError("DHCPv6 vendor class: at most %d bytes" % _CLASS_MAX)
        self._more = codes
        self._class = bytes(vendor_class)
        self.on_options = callback

    def start(self, mode=STATEFUL, prefix=None):
        """Have this mode from now on; `prefix`: ask for a prefix of about that length as well, 0:
        of whatever length.
        Raises OSError(EADDRINUSE) when a socket holds port 546."""
        if mode > AUTO:
            self.port.use()
        self.mode = mode
        other = prefix != self.prefix or mode > AUTO and (mode == STATELESS) != self._stateless
        self.prefix = prefix
        if mode == OFF:
            self.release()
        elif self.state == _OFF:
            self._start()
        elif self.state == _RELEASING:
            self._restart = True
        elif other:
            self.release(True)

    def _start(self):
        if self.mode > AUTO:
            self._go(self.mode == STATELESS)
        elif self.mode == AUTO and self.nif.up and self.nif.link and self.v6.routers:
            self.v6.routers.solicit()  # they tell what to do

    def _go(self, stateless):
        self.port.use()
        self._stateless = stateless
        self.error = ""
        self.unanswered = self._failures = 0
        self._begin()

    def advertised(self, flags):
        """A router has told how addresses come (RFC 4861 4.2: M is 0x80, O is 0x40)."""
        if self.mode != AUTO or self.state == _RELEASING:
            return
        if flags & 0x80:
            if self.state == _OFF or self._stateless:
                self._go(False)
        elif flags & 0x40:
            if self.state == _OFF:
                self._go(True)
        elif self.state == _INFORMING or self.state == _CONFIRMING:
            self.stop()  # another network, and nothing of it is managed

    def stop(self):
        """Give all up without a word to the server."""
        self.state = _OFF
        self._restart = False
        self._timer.stop()
        self.lease.drop(self.lease.items)
        self._forget()
        self.port.leave()

    def release(self, again=False):
        """Give all back to the server (RFC 8415 18.2.7), and stop, or begin `again`. What we had
        is not used any more at once; `releasing` as long as the server has not confirmed, for
        four messages at most."""
        if self.state == _RELEASING:
            self._restart = again
            return
        given = self.lease.items
        self.stop()
        if given and self._server and self.nif.link:
            self.port.use()
            self._restart = again
            self._ask(_RELEASING, given)
        elif again:
            self._start()

    def _released(self):
        again = self._restart
        self.stop()
        if again:
            self._start()

    # -- events -----------------------------------------------------------------------------

    def _watch(self, nif, event):
        if nif is not self.nif:
            return
        if event == _LINK_DOWN:
            self._rest()
        elif event == _LINK_UP:
            if self.state == _INIT:
                self._begin()
            elif self.state == _OFF and self.mode > AUTO:
                self._start()
        elif event == _ADDRESS_EVENT and self.state:
            if self.lease.items:
                self._check()
            if self.state == _INIT:
                self._begin()

    def _rest(self):
        """The link is gone. What is held stays for its lifetime, to be confirmed then (RFC 8415
        18.2.12)."""
        if self.state == _OFF:
            return
        if self.state == _RELEASING or self.mode == AUTO and not self.bound:
            self.stop()
            return
        self.state = _INIT
        self._keep()

    def _begin(self):
        """The link is there, as far as we know."""
        self.state = _INIT
        self._timer.stop()
        nif = self.nif
        if not (nif.up and nif.link):
            return
        if self.v6.link_local() is None:  # checked first, then an event comes
            if self.v6.autoconf:
                self.v6.autoconf.link_local()
            return
        self.lease.expire()
        delay = self.st.random.below(_DELAY_MS)
        if self._stateless:
            self._ask(_INFORMING, (), delay)
        elif self.lease.items:
            self._ask(_CONFIRMING, self.lease.items, delay)
        else:
            self._solicit(delay)

    def _due(self):
        state = self.state
        if state >= _BOUND or state == _INIT:
            self._keep()
        elif state == _INFORMED:
            self._refresh_info()
        elif state == _SOLICITING and self._offer:
            self._request()
        elif self._exchange.over():
            self._unanswered()
        else:
            self._again()

    def _unanswered(self):
        if self.state == _CONFIRMING:  # RFC 8415 18.2.3: it holds, as far as we know
            self.state = _BOUND
            self._keep()
        elif self.state == _REQUESTING:
            self.error = "the server has not answered the request"
            self._fail()
        elif self.state == _DECLINING:
            self._declined()
        else:
            self._released()

    def _sleep(self, moment):
        """Come back then, or a day from now."""
        if moment == FOREVER:
            self._timer.stop()
        else:
            self._timer.start(self.st.now, self.ip.life.ms(moment))

    def _keep(self):
        """Do what the age of what is held asks for."""
        soonest = self.lease.expire()
        if self.state == _INIT:
            self._sleep(soonest)
            return
        if not self.lease.items:
            self.stat[_EXPIRED] += 1
            self.error = "the lease has run out"
            self._solicit()
            return
        now = self.ip.life.now()
        if now < self.t1:
            self.state = _BOUND
            self._sleep(min(self.t1, soonest))
            return
        state = _RENEWING if now < self._t2 else _REBINDING
        if self.state != state:
            self._ask(state, self.lease.items)
        else:
            self._again()
        end = self._t2 if state == _RENEWING else soonest
        if self.ip.life.ms(end) < self._exchange.rt:
            self._sleep(end)

    def _refresh_info(self):
        if self.ip.life.now() < self._refresh:
            self._sleep(self._refresh)
        else:  # RFC 8415 18.2.6, 21.23
            self._ask(_INFORMING, (), self.st.random.below(_DELAY_MS))

    # -- what has come ----------------------------------------------------------------------

    def _tell_prefixes(self):
        for callback in list(self.on_prefixes):
            callback(self)

    def _forget(self):
        self.info = None
        self._offer = None
        self.t1 = self._t2 = FOREVER
        self.tell()

    def _check(self):
        """RFC 8415 18.2.8: has another station an address of ours?"""
        taken = self.lease.duplicates()
        if taken:
            self.stat[_CONFLICTS] += 1
            self.error = "an address is used by another station"
            self.lease.drop(taken)
            self._ask(_DECLINING, taken)

    def _declined(self):
        if self.lease.items:
            self.state = _BOUND
            self._keep()
        else:
            self._fail()

    def tell(self):
        """Let the resolver know what servers have said."""
        if self.st.dns:
            info = self.info
            self.st.dns.set_servers(self, info.dns if info else (), info.domains if info else ())

    def _told(self, answer):
        self.info = answer
        self.tell()
        if self.on_options:
            self.on_options(answer)

    # -- asking -----------------------------------------------------------------------------

    def _ask(self, state, named, delay=0):
        """A new question, about the addresses and prefixes in `named`."""
        self.state = state
        self._named = named
        _, irt, mrt, mrc, mrd = _SENT[state]
        if state == _SOLICITING:
            mrt = self._sol_max or mrt
        elif state == _INFORMING:
            mrt = self._inf_max or mrt
        self._exchange.begin(irt, mrt, mrc, mrd)
        if delay:
            self._timer.start(self.st.now, delay)
        else:
            self._again()

    def _again(self):
        state = self.state
        kind = _SENT[state][0]
        if state == _CONFIRMING and self.prefix is not None:
            kind = _REBIND  # RFC 8415 18.2.12: a Confirm does not ask about prefixes
        sent = self.port.transmit(self._message(kind), self.nif)
        self.stat[_OUT if sent else _OUT_FAILED] += 1
        self.unanswered += 1
        self._timer.start(self.st.now, self._exchange.next(state == _SOLICITING))

    def _solicit(self, delay=0):
        """From the beginning: whatever was held is not ours any more."""
        self.lease.drop(self.lease.items)
        self._forget()
        self._ask(_SOLICITING, (), delay)

    def _fail(self):
        """The same, but not at once, so that no server can have us loop."""
        delay = _AGAIN_MS << min(self._failures, _AGAIN_MAX)
        self._failures += 1
        self._solicit(delay)

    def _request(self):
        offer = self._offer
        self._offer = None
        self._server = offer.server
        self._ask(_REQUESTING, offer.items)

    def _message(self, kind):
        """RFC 8415 18.2, appendix B."""
        exchange = self._exchange
        parts = [bytes((kind,)), exchange.xid, wire.option(wire.CLIENT, self.ip.duid)]
        if kind in (_REQUEST, _RENEW, _RELEASE, _DECLINE):
            parts.append(wire.option(wire.SERVER, self._server))
        hundredths = exchange.hundredths()
        parts.append(wire.option(wire.ELAPSED, bytes((hundredths >> 8, hundredths & 255))))
        asking = kind in (_SOLICIT, _REQUEST, _RENEW, _REBIND)
        if kind != _INFORM:
            for code in (ADDRESSES, PREFIXES):
                items = [item for item in self._named if item.kind == code]
                if items or asking and (code == ADDRESSES or self.prefix is not None):
                    parts.append(wire.association(code, self.iaid, items or self._hint(code)))
        if kind == _SOLICIT and self.rapid:
            parts.append(wire.option(wire.RAPID, b""))
        if asking or kind == _INFORM:
            refresh = _REFRESH if kind == _INFORM else b""
            parts.append(wire.codes(_WANTED + refresh + self._more))
            if self._class:
                parts.append(wire.option(wire.VENDOR_CLASS, self._class))
        if asking and self.nif.hostname:
            parts.append(wire.fqdn(self.nif.hostname))
        return b"".join(parts)

    def _hint(self, code):
        """RFC 8415 18.2.4: the length of prefix that we should like."""
        if code == ADDRESSES or not self.prefix:
            return ()
        return (wire.Item(PREFIXES, bytes(16), self.prefix, 0, 0),)

    # -- input ------------------------------------------------------------------------------

    def input(self, buf, at, n):
        """A datagram for port 546, `n` bytes at `at`, which are not ours to keep."""
        self.stat[_IN] += 1
        bad = self._read(buf, at, n)
        if bad >= 0:
            self.stat[bad] += 1

    def _read(self, buf, at, n):
        """RFC 8415 16. Returns the counter to bump, or -1."""
        if n < 4:
            return _IN_SHORT
        kind = buf[at]
        if kind == _RECONFIGURE:
            return _IN_RECONFIGURE
        if kind != _ADVERTISE and kind != _REPLY:
            return _IN_TYPE
        if self.state not in _SENT or self._exchange.tries == 0:
            return _IN_STATE
        if not same(buf, at + 1, self._exchange.xid, 0, 3):
            return _IN_XID
        answer = wire.read(buf, at + 4, at + n, self.iaid, self._more)
        if answer is None:
            return _IN_OPTIONS
        if answer.client != self.ip.duid:
            return _IN_CLIENT
        if not answer.server:
            return _IN_SERVER
        self._sol_max = answer.sol_max or self._sol_max
        self._inf_max = answer.inf_max or self._inf_max
        if kind == _ADVERTISE:
            return self._on_advertise(answer)
        return self._on_reply(answer)

    def _refused(self, answer):
        self.error = "the server says: %s" % (answer.text or "status %d" % answer.status)
        return _IN_STATUS

    def _on_advertise(self, answer):
        """RFC 8415 18.2.9"""
        if self.state != _SOLICITING:
            return _IN_STATE
        if self._sol_max:
            self._exchange.limit(self._sol_max)
        if _failed(answer):
            return self._refused(answer)
        if not answer.items:
            self.error = answer.text
            return _IN_NOTHING
        self.stat[_ADVERTISES] += 1
        self.unanswered = 0
        best = self._offer
        if best is None or _rank(answer) > _rank(best):
            self._offer = answer
        # RFC 8415 18.2.1: for the time of one interval others may offer something better
        if answer.preference == 255 or self._exchange.tries > 1:
            self._request()
        return -1

    def _on_reply(self, answer):
        """RFC 8415 18.2.10"""
        state = self.state
        if state == _SOLICITING and not (self.rapid and answer.rapid):
            return _IN_STATE
        asked_one = state in (_REQUESTING, _RENEWING, _RELEASING, _DECLINING)
        if asked_one and answer.server != self._server:
            return _IN_SERVER
        self.unanswered = 0
        if state == _RELEASING or state == _DECLINING:
            self.stat[_REPLIES] += 1
            self._unanswered()
            return -1
        if answer.status == _NOT_ON_LINK:
            self.error = "the server says that the address is of another network"
            self.stat[_REPLIES] += 1
            self._fail()
            return -1
        if _failed(answer):
            return self._refused(answer)
        self.stat[_REPLIES] += 1
        if state == _INFORMING:
            self._on_told(answer)
        elif state == _CONFIRMING and self.prefix is None:
            self.state = _BOUND
            self._keep()
        else:
            return self._on_given(answer)
        return -1

    def _on_told(self, answer):
        self.state = _INFORMED
        life = self.ip.life
        self._refresh = life.after(max(answer.refresh, _REFRESH_MIN))
        self._sleep(self._refresh)
        self._told(answer)

    def _on_given(self, answer):
        """Addresses or prefixes, new or renewed."""
        state = self.state
        if answer.unbound and state != _REQUESTING and state != _SOLICITING:
            self._server = answer.server  # RFC 8415 18.2.10.1: it will, if it is requested
            self._ask(_REQUESTING, self.lease.items)
            return -1
        times = _times(answer.items)
        taken, refused = self.lease.take(answer.items)
        self.stat[_IN_ADDRESS] += refused
        if not taken:  # while something is held, other servers will be asked at T2
            if state == _REQUESTING or not self.lease.items:
                self.error = answer.text or "the server has neither address nor prefix for us"
                self._fail()
            return _IN_NOTHING
        self.stat[_BINDS] += 1
        self._server = answer.server
        self._failures = 0
        self.error = ""
        self._set_times(answer, *times)
        self.state = _BOUND
        self._told(answer)
        self._keep()
        return -1

    def _set_times(self, answer, preferred, valid):
        """T1 and T2 of all IAs: RFC 8415 18.2.4; 14.2: what the server leaves to us is 0.5 and
        0.8 of the shortest preferred lifetime."""
        t1 = answer.t1 or (FOREVER if preferred == FOREVER else preferred >> 1)
        t2 = answer.t2 or (FOREVER if preferred == FOREVER else preferred // 5 * 4)
        if t2 > valid:
            t2 = valid // 5 * 4
        t1 = max(min(t1, t2), _T1_MIN)
        self.t1 = self.ip.life.after(t1)
        self._t2 = self.ip.life.after(max(t1, t2))


def _failed(answer):
    """Servers of RFC 3315 say for the message what RFC 8415 has them say for one IA of it: then
    there may be something in the other."""
    if answer.items and answer.status in (_NO_ADDRESS, _NO_PREFIX):
        return False
    return answer.status != 0


def _rank(answer):
    """RFC 8415 18.2.9: preference first, then what is offered."""
    kinds = set([item.kind for item in answer.items])
    return answer.preference * 4 + len(kinds)


def _times(items):
    """The shortest preferred and the longest valid lifetime of what is given."""
    given = [item for item in items if item.valid]
    preferred = min([item.preferred for item in given if item.preferred] + [FOREVER])
    return preferred, max([item.valid for item in given] + [0])


def _duid(st):
    """RFC 8415 11.4: from the link address of the first interface that has one."""
    for nif in st.nifs:
        if nif.v6.nd:
            mac = nif.mac
            return bytes((0, 3, 0, 1 if len(mac) == 6 else 27)) + mac


def uuid(value):
    """The DUID of 16 bytes (RFC 6355), for a host whose link address changes: st.ip6.duid."""
    if len(value) != 16:
        raise ValueError("UUID of %d bytes: 16 are needed" % len(value))
    return b"\0\4" + bytes(value)


def _advertised(nif, flags):
    if nif.v6.dhcp:
        nif.v6.dhcp.advertised(flags)


def attach(nif):
    """The DHCPv6 client of an interface, made if there is none yet."""
    v6 = nif.v6
    if v6.dhcp is None:
        st = nif.st
        ip = st.ip6
        port = None
        for other in st.nifs:
            if other.v6.dhcp:
                port = other.v6.dhcp.port
        ip.duid = ip.duid or _duid(st)
        ip.managed = ip.managed or _advertised
        v6.dhcp = Client(nif, port or Port(st))
    return v6.dhcp
