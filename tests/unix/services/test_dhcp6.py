# DHCPv6 client against a scripted server, in virtual time (RFC 8415): every state and message,
# retransmission, lifetimes, prefixes, lying and broken servers.

import struct

import bench
import peer6
from bench import Random, at_end, inside, scale
from packets import ip6
from netstack.services import dhcp6, dns

SOLICIT, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY = range(1, 8)
RELEASE, DECLINE, RECONFIGURE, INFORM = range(8, 12)
SERVERS = ip6("ff02::1:2")
ADDR = ip6("2001:db8::77")
PREFIX = ip6("2001:db8:100::")
SERVER = b"\0\1the server"
OTHER = b"\0\1another server"
FOREVER = 0xFFFFFFFF


# -- messages, made and taken apart without the client's code ----------------------------------


def opt(code, value=b"", length=None):
    return struct.pack("!HH", code, len(value) if length is None else length) + value


def address(addr=ADDR, preferred=1800, valid=3600, extra=b""):
    return opt(5, addr + struct.pack("!II", preferred, valid) + extra)


def prefix(addr=PREFIX, plen=56, preferred=1800, valid=3600):
    return opt(26, struct.pack("!IIB", preferred, valid, plen) + addr)


def status(code, text=b""):
    return opt(13, struct.pack("!H", code) + text)


def ia(iaid, *inside, code=3, t1=900, t2=1440):
    return opt(code, iaid + struct.pack("!II", t1, t2) + b"".join(inside))


def take_apart(data):
    found = {}
    at = 0
    while at < len(data):
        code, n = struct.unpack("!HH", data[at : at + 4])
        assert at + 4 + n <= len(data), "an option that runs past the end"
        found.setdefault(code, []).append(data[at + 4 : at + 4 + n])
        at += 4 + n
    return found


class Message:
    """A message the client has sent, checked for what every one must have."""

    def __init__(self, s, packet):
        self.packet = packet
        assert packet.src == s.p.host.link and packet.dst == SERVERS, packet
        data = packet.data
        self.kind = data[0]
        self.xid = data[1:4]
        self.opts = take_apart(data[4:])
        for code in self.opts:
            assert len(self.opts[code]) == 1, "option %d twice" % code
        assert self.opts[1] == [b"\0\3\0\1" + s.p.nic.mac]
        self.elapsed = struct.unpack("!H", self.opts[8][0])[0]
        self.wanted = self._wanted()
        self.server = self.opts.get(2, [None])[0]
        self.addrs = self._named(3, 5, 0, 16, 16)
        self.prefixes = self._named(25, 26, 8, 25, 0)

    def _wanted(self):
        value = self.opts.get(6, [b""])[0]
        return set(struct.unpack("!%dH" % (len(value) // 2), value))

    def _named(self, code, inner, at, end, times):
        """What an IA of this kind names; None: there is no IA."""
        if code not in self.opts:
            return None
        value = self.opts[code][0]
        self.iaid = value[:4]
        assert value[4:12] == bytes(8)  # RFC 8415 21.4: T1 and T2 are the server's
        values = take_apart(value[12:]).get(inner, [])
        assert all(v[times : times + 8] == bytes(8) for v in values)
        return [v[at:end] for v in values]


class Setup:
    """A host with a link-local address and its DHCPv6 client; we are the server."""

    def __init__(self, start=True, mode=dhcp6.STATEFUL, prefix=None, resolver=True, **kw):
        self.p = peer6.peer(addr=False, **kw)
        self.st = self.p.st
        self.nif = self.p.nif
        self.v6 = self.nif.v6
        self.dns = dns.attach(self.st) if resolver else None
        self.client = dhcp6.attach(self.nif)
        self.p.host.settled()
        at_end(self.end)
        if start:
            self.start(mode, prefix)

    def start(self, mode=dhcp6.STATEFUL, prefix=None):
        with inside(self.st):
            self.client.start(mode, prefix)
        self.p.poll()

    def call(self, name, *args):
        with inside(self.st):
            getattr(self.client, name)(*args)
        self.p.poll()

    def end(self):
        with inside(self.st):
            self.client.stop()

    @property
    def state(self):
        return dhcp6.STATES[self.client.state]

    def message(self, kind=None, within=1000):
        """The next message of the client, which comes within so many milliseconds."""
        step = 10 if within < 5000 else 100
        for _ in range(within // step + 1):
            if self.p.sent:
                break
            self.p.advance(step)
        m = Message(self, self.p.expect("udp", sport=546, dport=547))
        assert kind is None or m.kind == kind, m.kind
        return m

    def quiet(self, ms):
        self.p.advance(ms)
        self.p.expect_nothing()

    def idle(self, seconds):
        """The same in steps of a hundred seconds."""
        for _ in range(seconds // 100):
            self.p.skip(100000)
        self.quiet(seconds % 100 * 1000)

    def reply(self, to, kind, *options, **lies):
        """Answer `to`; with our DUID and the client's unless told otherwise."""
        xid = lies.get("xid", to.xid)
        client = lies.get("client", to.opts[1][0])
        server = lies.get("server", SERVER)
        data = bytes((kind,)) + xid
        data += b"" if client is None else opt(1, client)
        data += b"" if server is None else opt(2, server)
        self.raw((data + b"".join(options))[: lies.get("cut")], **lies)

    def raw(self, data, **lies):
        dst = lies.get("dst", self.p.host.link)
        self.p.udp(547, lies.get("port", 546), data, src=self.p.link, dst=dst)

    def stat(self, name):
        return self.p.host.stat("dhcp6.eth0")[name]

    def counted(self, name, *args, **kw):
        """reply(), which has to be dropped and counted so."""
        before = self.p.host.stat("dhcp6.eth0")
        self.reply(*args, **kw)
        after = self.p.host.stat("dhcp6.eth0")
        moved = [key for key in after if after[key] != before[key]]
        assert sorted(moved) == sorted(["in", name]), (moved, name)
        self.p.expect_nothing()

    def bind(self, *options, t1=900, t2=1440, **kw):
        """All the way to BOUND; the Request."""
        m = self.message(SOLICIT)
        options = options or (ia(m.iaid, address(**kw), t1=t1, t2=t2),)
        self.reply(m, ADVERTISE, *options + (opt(7, b"\xff"),))
        m = self.message(REQUEST, 0)
        self.reply(m, REPLY, *options)
        assert self.client.bound and self.state == "bound", self.state
        self.p.expect_nothing()
        return m

    def entry(self, addr=ADDR):
        return self.v6.find(addr, 0)

    def life(self, item):
        life = self.p.ip.life
        return life.left(item.preferred), life.left(item.valid)


# -- the way to an address ---------------------------------------------------------------------


def test_four_messages():
    # RFC 8415 18.2.1, 18.2.2, 18.2.10.1
    s = Setup()
    assert s.state == "soliciting" and not s.client.bound
    m = s.message(SOLICIT)
    assert m.addrs == [] and m.prefixes is None and m.server is None and m.elapsed == 0
    assert m.wanted == {23, 24, 56, 82, 83} and m.opts[14] == [b""]
    assert 39 not in m.opts and 16 not in m.opts and 20 not in m.opts
    offer = ia(m.iaid, address())
    s.reply(m, ADVERTISE, offer, opt(7, b"\xff"))
    m2 = s.message(REQUEST, 0)
    assert m2.server == SERVER and m2.addrs == [ADDR] and m2.iaid == m.iaid and m2.elapsed == 0
    assert m2.xid != m.xid and m2.wanted == m.wanted and 14 not in m2.opts
    s.reply(m2, REPLY, offer)
    assert s.state == "bound" and s.client.bound and s.client.failed is None
    entry = s.entry()
    assert entry.usable() and entry.plen == 128 and s.life(entry) == (1800, 3600)
    assert s.v6.reaches() and s.p.ip.routes.find(ADDR, 0) is None  # RFC 5942: not on the link
    s.quiet(899 * 1000)


def test_first_message_waits_at_random():
    # RFC 8415 18.2.1: up to a second, so that not all speak at once after a power failure
    moments = set()
    for seed in range(scale(10) + 3):
        s = Setup(seed=seed)
        before = s.p.clock.ms
        s.message(SOLICIT)
        moments.add((s.p.clock.ms - before) // 50)
        s.end()
    assert len(moments) > 2, moments


def test_best_of_several():
    # RFC 8415 18.2.1, 18.2.9: the highest preference within the first interval
    s = Setup(prefix=56)
    m = s.message(SOLICIT)
    s.reply(m, ADVERTISE, ia(m.iaid, address(ip6("2001:db8::1:1"))), server=b"\0\1low")
    s.reply(m, ADVERTISE, ia(m.iaid, address()), opt(7, b"\7"))
    s.reply(m, ADVERTISE, ia(m.iaid, address(ip6("2001:db8::1:2"))), opt(7, b"\2"), server=OTHER)
    s.p.expect_nothing()
    m = s.message(REQUEST, 1110)
    assert m.server == SERVER and m.addrs == [ADDR]


def test_offer_of_more_wins():
    # RFC 8415 18.2.9: of equal preference, who has a prefix as well
    s = Setup(prefix=56)
    m = s.message(SOLICIT)
    s.reply(m, ADVERTISE, ia(m.iaid, address()), server=OTHER)
    s.reply(m, ADVERTISE, ia(m.iaid, address()), ia(m.iaid, prefix(), code=25))
    assert s.message(REQUEST, 1110).server == SERVER


def test_late_offer_is_taken_at_once():
    # RFC 8415 18.2.1: after the first interval the first valid Advertise counts
    s = Setup()
    s.message(SOLICIT)
    m = s.message(SOLICIT, 1110)
    s.reply(m, ADVERTISE, ia(m.iaid, address()))
    s.message(REQUEST, 0)


def test_rapid_commit():
    # RFC 8415 18.2.1: two messages; without the option in it a Reply is none to a Solicit
    s = Setup()
    m = s.message(SOLICIT)
    s.counted("in_state", m, REPLY, ia(m.iaid, address()))
    s.reply(m, REPLY, ia(m.iaid, address()), opt(14))
    assert s.state == "bound" and s.entry().usable()
    s.p.expect_nothing()


def test_no_rapid_commit():
    s = Setup(start=False)
    s.client.rapid = False
    s.start()
    m = s.message(SOLICIT)
    assert 14 not in m.opts
    s.counted("in_state", m, REPLY, ia(m.iaid, address()), opt(14))


def gaps(s, kind, count, began=None):
    """Milliseconds between messages that nobody answers, and what they say of the time."""
    found = []
    s.message(kind, 4000)
    at = s.p.clock.ms
    began = began or at
    while len(found) < count:
        s.p.advance(10 if s.p.clock.ms - at < 5000 else 1000)
        if s.p.sent:
            m = s.message(kind, 0)
            now = s.p.clock.ms
            found.append(now - at)
            hundredths = min(65535, (now - began) // 10)
            assert hundredths - 100 <= m.elapsed <= hundredths, (m.elapsed, hundredths)
            at = now
    return found


def test_intervals():
    # RFC 8415 15, 18.2.1, 21.9: doubled, a tenth more or less, the first not shorter than it is
    s = Setup()
    found = gaps(s, SOLICIT, 10)
    assert 1000 < found[0] <= 1110, found
    for i in range(1, 10):
        assert 1.89 * found[i - 1] - 2000 <= found[i] <= 2.11 * found[i - 1] + 2000, found
    assert "unanswered" in s.client.failed


def test_sol_max_rt():
    # RFC 8415 18.2.9, 21.24: also from an Advertise that offers nothing; others do not count
    for value, most in ((60, 67000), (59, 500000), (86401, 500000)):
        s = Setup()
        m = s.message(SOLICIT)
        s.reply(m, ADVERTISE, status(2, b"none left"), opt(82, struct.pack("!I", value)))
        assert s.stat("in_status") == 1 and s.client.error == "the server says: none left"
        last = gaps(s, SOLICIT, 7, s.p.clock.ms)[-1]
        assert 53000 < last < most and (last > 67000) == (most > 67000), (value, last)
        s.end()


def test_request_is_not_answered():
    # RFC 8415 18.2.2: ten times, then from the beginning
    s = Setup()
    m = s.message(SOLICIT)
    s.reply(m, ADVERTISE, ia(m.iaid, address()), opt(7, b"\xff"))
    first = s.message(REQUEST, 0)
    for _ in range(9):
        m = s.message(REQUEST, 34000)
        assert m.xid == first.xid and m.elapsed
    m = s.message(SOLICIT, 40000)
    assert m.xid != first.xid and "answered the request" in s.client.error
    assert s.client.failed


def test_waits_for_an_address_to_ask_from():
    # RFC 8415 18.2: from a link-local address, which is checked first
    s = Setup(start=False, link=False, dad=True)
    s.start()
    assert s.state == "init"
    s.p.advance(990)
    s.p.host.link = bytes(s.v6.list[0].addr)
    for _ in range(400):
        if s.state != "init":
            break
        s.p.advance(10)
    assert s.v6.link_local() and s.state == "soliciting"
    s.p.take()
    s.message(SOLICIT, 1010)


def test_host_name_and_vendor():
    # RFC 4704; RFC 8415 21.16, 21.17
    s = Setup(start=False)
    s.nif.hostname = "a-board"
    got = []
    vendor = b"\0\0\x7d\x01\0\4here"
    s.client.want(b"\x11\x3b", got.append, vendor)
    s.start()
    m = s.message(SOLICIT)
    assert m.opts[39] == [b"\1\7a-board"] and m.opts[16] == [vendor] and m.wanted >= {17, 59}
    two = opt(17, b"\0\0\0\1abc") + opt(17, b"\0\0\0\2def") + opt(59, b"tftp://x/y")
    s.reply(m, REPLY, ia(m.iaid, address()), opt(14), two)
    assert got[0].options == {17: [b"\0\0\0\1abc", b"\0\0\0\2def"], 59: [b"tftp://x/y"]}
    for codes, vendor in ((b"\0", b""), (bytes(33), b""), (b"", bytes(129))):
        try:
            s.client.want(codes, None, vendor)
            raise AssertionError("want() took %r" % codes)
        except ValueError:
            pass


def test_uuid():
    # RFC 8415 11.5: of a host whose link address changes
    s = Setup(start=False)
    s.p.ip.duid = dhcp6.uuid(bytes(range(16)))
    s.start()
    s.p.advance(1000)
    assert take_apart(s.p.expect("udp", dport=547).data[4:])[1] == [b"\0\4" + bytes(range(16))]
    try:
        dhcp6.uuid(bytes(15))
        raise AssertionError("15 bytes are no UUID")
    except ValueError:
        pass


# -- what servers tell -------------------------------------------------------------------------

DNS = ip6("2001:db8::53")
NTP = ip6("2001:db8::123")
NAMES = b"\3lan\4test\0\4test\0"


def told(s):
    """(servers, domains) that the resolver has."""
    return s.dns.servers_in_use(), s.dns.domains_in_use()


def test_everything_told():
    # RFC 3646, RFC 5908
    s = Setup()
    ntp = opt(56, opt(1, NTP) + opt(3, b"\4time\4test\0") + opt(2, ip6("ff05::101")))
    bad = ip6("ff02::1") + bytes(16)
    s.bind(ia(s.client.iaid, address()), opt(23, DNS + bad + DNS), opt(24, NAMES), ntp)
    assert told(s) == ([DNS], ["lan.test", "test"])
    assert s.client.info.ntp == [NTP, ip6("ff05::101")]
    assert s.client.info.ntp_names == ["time.test"]
    s.call("stop")
    assert told(s) == ([], []) and s.client.info is None and s.entry() is None


def test_resolver_comes_later():
    s = Setup(resolver=False)
    s.bind(ia(s.client.iaid, address()), opt(23, DNS))
    s.dns = dns.attach(s.st)
    s.p.host.settled()
    assert told(s)[0] == [DNS]


def test_names_that_are_none():
    # RFC 8415 10: not compressed, labels of 63 bytes at most, and they end
    for value in (b"\xc0\0", b"\4lan", b"\x40" + b"a" * 64 + b"\0", b"\3l\x80n\0", b"\0"):
        s = Setup()
        s.bind(ia(s.client.iaid, address()), opt(24, b"\2ok\0" + value + b"\3not\0"))
        assert told(s)[1][0] == "ok" and "not" not in told(s)[1][:1], told(s)
        s.end()


def test_stateless():
    # RFC 8415 18.2.6, 21.23
    s = Setup(mode=dhcp6.STATELESS)
    m = s.message(INFORM)
    assert m.addrs is None and m.prefixes is None and m.server is None
    assert m.wanted == {23, 24, 56, 82, 83, 32}
    s.reply(m, REPLY, opt(23, DNS), opt(24, NAMES), opt(32, struct.pack("!I", 5)))
    assert s.state == "informed" and s.client.bound and told(s)[0] == [DNS]
    s.quiet(599 * 1000)  # RFC 8415 7.6: not more often than each ten minutes
    m = s.message(INFORM, 2000)
    s.reply(m, REPLY, opt(23, NTP))
    assert told(s) == ([NTP], [])
    s.idle(86399)
    m = s.message(INFORM, 2000)
    s.reply(m, REPLY, opt(32, b"\xff\xff\xff\xff"))
    assert told(s) == ([], [])
    s.idle(scale(20) * 86400)


def test_stateless_link_comes_back():
    # RFC 8415 18.2.12: it may be another network
    for follow in (False, True):
        s = _follower() if follow else Setup(mode=dhcp6.STATELESS)
        if follow:
            ra(s, 0x40)
        m = s.message(INFORM)
        s.reply(m, REPLY, opt(23, DNS))
        link(s, 0)
        assert s.state == "init" and told(s)[0] == [DNS]
        link(s, 1)
        s.p.sent[:] = [frame for frame in s.p.sent if frame[20] == 17]  # no ND, no MLD
        m = s.message(INFORM)
        s.reply(m, REPLY, opt(23, NTP))
        assert told(s)[0] == [NTP]
        s.end()


def test_stateless_unanswered():
    # RFC 8415 18.2.6: for ever; INF_MAX_RT of a server
    s = Setup(mode=dhcp6.STATELESS)
    m = s.message(INFORM)
    s.reply(m, REPLY, opt(83, struct.pack("!I", 100)), status(1))
    assert s.state == "informing" and s.stat("in_status") == 1
    s.reply(m, REPLY, opt(83, struct.pack("!I", 100)), opt(32, struct.pack("!I", 600)))
    s.p.advance(598000)
    assert 88000 <= gaps(s, INFORM, 9)[-1] <= 112000


# -- keeping it --------------------------------------------------------------------------------


def test_renew():
    # RFC 8415 18.2.4: to all servers, with the name of ours; another address is left to its own
    s = Setup()
    s.bind()
    s.quiet(899 * 1000)
    m = s.message(RENEW, 1010)
    assert s.state == "renewing" and m.server == SERVER and m.addrs == [ADDR] and m.elapsed == 0
    assert m.wanted >= {23, 24, 82}
    again = s.message(RENEW, 11010)
    assert again.xid == m.xid and 900 <= again.elapsed <= 1110
    s.reply(again, REPLY, ia(m.iaid, address(preferred=4000, valid=5000), t1=2000, t2=3000))
    assert s.state == "bound" and s.life(s.entry()) == (4000, 5000)
    s.quiet(1999 * 1000)
    s.message(RENEW, 1010)


def test_rebind_and_end():
    # RFC 8415 18.2.5: any server will do; nobody answers, and the address ends
    s = Setup()
    s.bind(preferred=60, valid=100, t1=20, t2=40)
    s.p.advance(39000)
    assert all(Message(s, packet).kind == RENEW for packet in s.p.take())
    m = s.message(REBIND, 2010)
    assert s.state == "rebinding" and m.server is None and m.addrs == [ADDR]
    s.p.advance(18000)
    assert s.entry().state == 1
    s.p.advance(3000)
    assert s.entry().state == 2  # deprecated
    s.p.take()
    s.p.advance(37000)
    assert s.entry().usable()
    s.p.take()
    s.p.advance(3000)
    assert s.entry() is None and s.stat("expired") == 1 and "run out" in s.client.error
    assert Message(s, s.p.expect("udp")).kind == SOLICIT
    s.p.take()


def test_rebind_by_another_server():
    # RFC 8415 18.2.5: whose renewals go to it from then on
    s = Setup()
    s.bind(t1=20, t2=40)
    s.p.advance(39000)
    s.p.take()
    m = s.message(REBIND, 2010)
    s.reply(m, REPLY, ia(m.iaid, address(), t1=20, t2=40), server=OTHER)
    assert s.state == "bound"
    assert s.message(RENEW, 21000).server == OTHER


def test_times_left_to_us():
    # RFC 8415 14.2, 18.2.4: T1 and T2 of 0; and those that would come too late, or too soon
    for preferred, valid, t1, t2, want in (
        (1000, 2000, 0, 0, (500, 800)),
        (1000, 2000, 100, 0, (100, 800)),
        (1000, 2000, 3000, 4000, (1600, 1600)),
        (1000, 2000, 1, 1, (2, 2)),
        (FOREVER, FOREVER, 0, 0, None),
        (FOREVER, FOREVER, 10, 20, (10, 20)),
    ):
        s = Setup()
        s.bind(preferred=preferred, valid=valid, t1=t1, t2=t2)
        if want is None:
            s.idle(scale(9) * 86400)
            s.end()
            continue
        s.quiet(want[0] * 1000 - 1010)
        m = s.message(None, 1100)
        assert m.kind == (REBIND if want[0] == want[1] else RENEW), (want, m.kind)
        at = s.p.clock.ms
        while s.state != "rebinding":
            s.p.advance(100)
        assert abs(s.p.clock.ms - at - (want[1] - want[0]) * 1000) <= 200, want
        s.p.take()
        s.end()


def test_long_lifetimes():
    # core/clock.py tells six days apart; lifetimes are longer
    s = Setup()
    s.bind(preferred=3000000, valid=4000000, t1=2000000, t2=2500000)
    s.idle(23 * 86400)
    s.idle(2000000 - 23 * 86400 - 5)
    s.message(RENEW, 10000)


def test_some_end_earlier():
    # RFC 8415 18.2.10.1: each address has a lifetime of its own; one of 0 takes it away
    s = Setup()
    second = ip6("2001:db8::88")
    s.bind(ia(s.client.iaid, address(), address(second, 10, 20)))
    assert s.entry() and s.entry(second)
    s.p.advance(21000)
    assert s.entry() and s.entry(second) is None and s.state == "bound"
    m = s.message(RENEW, 881000)
    s.reply(m, REPLY, ia(m.iaid, address(valid=0, preferred=0), address(second)))
    assert s.entry() is None and s.entry(second).usable() and s.state == "bound"


def test_server_does_not_know_us_any_more():
    # RFC 8415 18.2.10.1: NoBinding: a Request to it; the address stays meanwhile
    s = Setup()
    s.bind()
    m = s.message(RENEW, 901000)
    s.reply(m, REPLY, ia(m.iaid, status(3)))
    m = s.message(REQUEST, 0)
    assert m.server == SERVER and m.addrs == [ADDR] and s.entry().usable()
    s.reply(m, REPLY, ia(m.iaid, address()))
    assert s.state == "bound"
    m = s.message(RENEW, 901000)
    s.reply(m, REPLY, ia(m.iaid, status(3)))
    m = s.message(REQUEST, 0)
    s.reply(m, REPLY, ia(m.iaid, status(3)))
    assert s.state == "soliciting" and s.entry() is None
    s.quiet(1990)
    s.message(SOLICIT, 20)


def test_nothing_left():
    # RFC 8415 18.2.10.1: NoAddrsAvail; no server has us loop, however it answers
    s = Setup()
    gaps = []
    for _ in range(8):
        m = s.message(SOLICIT, 70000)
        s.reply(m, ADVERTISE, ia(m.iaid, address()), opt(7, b"\xff"))
        m = s.message(REQUEST, 0)
        s.reply(m, REPLY, ia(m.iaid, status(2, b"no\x07 more")))
        assert s.client.error == "no more"
        gaps.append(s.p.clock.ms)
    gaps = [b - a for a, b in zip(gaps, gaps[1:])]
    assert 2000 <= gaps[0] <= 2010 and gaps[-1] >= 63000, gaps


def test_not_on_link():
    # RFC 8415 18.2.10.1
    s = Setup()
    m = s.message(SOLICIT)
    s.reply(m, ADVERTISE, ia(m.iaid, address()), opt(7, b"\xff"))
    m = s.message(REQUEST, 0)
    s.reply(m, REPLY, status(4))
    assert s.state == "soliciting" and "another network" in s.client.error
    s.message(SOLICIT, 2010)


def test_unspecified_failure():
    # RFC 8415 18.2.10: the same server is asked again, no faster
    s = Setup()
    s.bind()
    m = s.message(RENEW, 901000)
    s.counted("in_status", m, REPLY, status(1, b"busy"), ia(m.iaid, address()))
    assert s.state == "renewing"
    s.quiet(8900)
    s.message(RENEW, 2200)


# -- conflict, link, release -------------------------------------------------------------------


def test_decline():
    # RFC 8415 18.2.8
    s = Setup()
    s.v6.transmits = 1
    m = s.message(SOLICIT)
    s.reply(m, REPLY, ia(m.iaid, address()), opt(14))
    s.p.advance(1000)
    s.p.expect("nd", type=135, target=ADDR)
    s.p.send(s.p.na_frame(target=ADDR, src=ADDR, dst=peer6.ALL_NODES, flags=0x20))
    m = s.message(DECLINE, 0)
    assert m.server == SERVER and m.addrs == [ADDR] and not m.wanted
    assert s.entry() is None and s.stat("conflicts") == 1 and "another station" in s.client.error
    m2 = s.message(DECLINE, 1110)
    assert m2.xid == m.xid
    s.reply(m2, REPLY, status(0))
    s.quiet(1990)
    m = s.message(SOLICIT, 20)
    s.reply(m, REPLY, ia(m.iaid, address(ip6("2001:db8::78"))), opt(14))
    s.p.advance(3000)
    s.p.take()
    assert s.entry(ip6("2001:db8::78")).usable() and s.client.error == ""


def test_decline_unanswered():
    # RFC 8415 18.2.8: four times; an address that nobody else has stays
    s = Setup()
    s.v6.transmits = 1
    other = ip6("2001:db8::78")
    m = s.message(SOLICIT)
    s.reply(m, REPLY, ia(m.iaid, address(), address(other)), opt(14))
    s.p.advance(1000)
    s.p.take()
    s.p.send(s.p.na_frame(target=ADDR, src=ADDR, dst=peer6.ALL_NODES, flags=0x20))
    assert s.message(DECLINE, 0).addrs == [ADDR]
    for _ in range(3):
        s.message(DECLINE, 5000)
    s.quiet(20000)
    assert s.state == "bound" and s.entry(other).usable() and s.entry() is None


def link(s, up):
    s.p.nic.up = up
    s.p.advance(510)


def test_confirm():
    # RFC 8415 18.2.3, 18.2.12: the link comes back; the address is still good
    s = Setup()
    s.bind()
    link(s, 0)
    assert s.state == "init" and s.entry()
    link(s, 1)
    m = s.message(CONFIRM)
    assert s.state == "confirming" and m.server is None and m.addrs == [ADDR] and not m.wanted
    assert s.entry().usable()
    s.reply(m, REPLY, status(0), server=OTHER)
    assert s.state == "bound"
    assert s.message(RENEW, 900000).server == SERVER


def test_confirm_elsewhere():
    # RFC 8415 18.2.10.1
    s = Setup()
    s.bind()
    link(s, 0)
    link(s, 1)
    m = s.message(CONFIRM)
    s.reply(m, REPLY, status(4))
    assert s.entry() is None and s.state == "soliciting"
    s.message(SOLICIT, 2010)


def test_confirm_unanswered():
    # RFC 8415 18.2.3: for ten seconds, then it holds as far as we know
    s = Setup()
    s.bind(t1=100, t2=200)
    link(s, 0)
    link(s, 1)
    at = s.p.clock.ms
    first = s.message(CONFIRM)
    while s.state == "confirming":
        s.p.advance(100)
    assert 9900 <= s.p.clock.ms - at <= 11200, s.p.clock.ms - at
    assert all(Message(s, m).xid == first.xid for m in s.p.take())
    assert s.state == "bound" and s.entry().usable()
    s.p.advance(100000)
    assert s.state == "renewing"
    s.p.take()


def test_link_away_too_long():
    s = Setup()
    s.bind(preferred=60, valid=100, t1=20, t2=40)
    link(s, 0)
    s.quiet(99 * 1000)
    s.p.advance(1000)
    assert s.entry() is None
    link(s, 1)
    s.message(SOLICIT)


def test_release():
    # RFC 8415 18.2.7: not used any more from that moment; four messages at most
    s = Setup()
    s.bind()
    s.call("release")
    m = s.message(RELEASE, 0)
    assert m.server == SERVER and m.addrs == [ADDR] and s.entry() is None and not m.wanted
    assert s.client.releasing and s.state == "releasing"
    s.reply(m, REPLY, status(0), server=OTHER)
    assert s.stat("in_server") == 1 and s.client.releasing
    s.reply(m, REPLY, status(0))
    assert s.state == "off" and not s.client.releasing
    s.quiet(100000)
    s.start()
    s.bind()
    s.call("release")
    for _ in range(4):
        s.message(RELEASE, 9000)
    s.quiet(10000 * 2)
    assert s.state == "off" and s.client.mode == dhcp6.STATEFUL
    link(s, 0)
    link(s, 1)
    s.message(SOLICIT)


def test_another_mode():
    # what was given goes back before something else begins
    s = Setup()
    s.bind()
    s.start(dhcp6.STATELESS)
    m = s.message(RELEASE, 0)
    s.reply(m, REPLY, status(0))
    m = s.message(INFORM)
    s.reply(m, REPLY, opt(23, DNS))
    s.start(dhcp6.STATEFUL, 60)
    assert told(s)[0] == []
    m = s.message(SOLICIT)
    assert m.prefixes is not None
    s.start(dhcp6.OFF)
    assert s.state == "off"
    s.quiet(10000)


# -- what routers say --------------------------------------------------------------------------


def ra(s, flags):
    rest = struct.pack("!BBH", 0, flags, 0)
    s.p.send(s.p.nd_frame(134, rest, bytes(8), dst=peer6.ALL_NODES))


def _follower():
    s = Setup(start=False)
    s.v6.auto = True
    return s


def test_routers_say_managed():
    # RFC 4861 4.2: M, however O is; one that says it no longer ends nothing
    s = _follower()
    ra(s, 0)
    s.quiet(2000)
    ra(s, 0xC0)
    s.bind()
    ra(s, 0xC0)
    ra(s, 0x40)
    ra(s, 0)
    s.quiet(2000)
    assert s.state == "bound"


def test_routers_say_other():
    s = _follower()
    ra(s, 0x40)
    m = s.message(INFORM)
    s.reply(m, REPLY, opt(23, DNS))
    ra(s, 0x40)
    s.quiet(2000)
    assert s.state == "informed" and told(s)[0] == [DNS]
    ra(s, 0x80)  # and then there are addresses as well
    s.bind()


def test_routers_are_not_asked():
    # the program decides
    for mode in (dhcp6.OFF, dhcp6.STATELESS):
        s = _follower()
        s.start(mode)
        ra(s, 0x80)
        s.p.advance(1000)
        assert all(Message(s, m).kind == INFORM for m in s.p.take()) and s.entry() is None
        assert (s.state == "off") == (mode == dhcp6.OFF)
        s.end()
    s = Setup(start=False)
    s.v6.auto = False
    ra(s, 0xC0)
    s.quiet(2000)


def test_elsewhere_nothing_is_managed():
    # the link was away, and its new router knows of no servers
    s = _follower()
    ra(s, 0x80)
    s.bind()
    link(s, 0)
    link(s, 1)
    s.p.take()
    assert s.state == "confirming"
    ra(s, 0)
    s.p.take()
    assert s.state == "off" and s.entry() is None


# -- prefixes ----------------------------------------------------------------------------------


def test_prefix():
    # RFC 8415 6.3, 18.2.1: with an address; the length that we should like
    s = Setup(prefix=60)
    changes = []
    s.client.on_prefixes.append(lambda c: changes.append([(p.addr, p.plen) for p in c.prefixes]))
    m = s.message(SOLICIT)
    assert m.addrs == [] and m.prefixes == [b"\x3c" + bytes(16)]
    given = ia(m.iaid, address()), ia(m.iaid, prefix(), code=25, t1=500, t2=600)
    s.reply(m, ADVERTISE, *given + (opt(7, b"\xff"),))
    m = s.message(REQUEST, 0)
    assert m.prefixes == [b"\x38" + PREFIX] and m.addrs == [ADDR]
    s.reply(m, REPLY, *given)
    assert changes == [[(PREFIX, 56)]] and s.life(s.client.prefixes[0]) == (1800, 3600)
    assert s.entry(PREFIX) is None
    s.quiet(499 * 1000)  # the earlier T1 of the two
    m = s.message(RENEW, 1010)
    assert m.addrs == [ADDR] and m.prefixes == [b"\x38" + PREFIX]
    s.reply(m, REPLY, ia(m.iaid, address()), ia(m.iaid, prefix(valid=9, preferred=3), code=25))
    assert len(changes) == 2
    s.p.advance(9500)
    assert changes[2:] == [[]] and s.client.prefixes == [] and s.entry().usable()
    s.p.take()


def test_prefix_of_any_length():
    s = Setup(prefix=0)
    assert s.message(SOLICIT).prefixes == []


def test_prefix_alone():
    # RFC 8415 18.2.10.1: there are no addresses by DHCP: the other is taken nevertheless, and
    # asked for with every renewal
    s = Setup(prefix=56)
    m = s.message(SOLICIT)
    given = ia(m.iaid, status(2)), ia(m.iaid, prefix(), code=25)
    s.reply(m, REPLY, *given + (opt(14),))
    assert s.state == "bound" and len(s.client.prefixes) == 1
    m = s.message(RENEW, 901000)
    assert m.addrs == [] and m.prefixes == [b"\x38" + PREFIX]


def test_prefix_of_an_old_server():
    # RFC 3315 17.2.2: there is no address, said for the whole message
    s = Setup(prefix=56)
    m = s.message(SOLICIT)
    s.reply(m, ADVERTISE, status(2), ia(m.iaid, prefix(), code=25), opt(7, b"\xff"))
    m = s.message(REQUEST, 0)
    s.reply(m, REPLY, status(2), ia(m.iaid, prefix(), code=25))
    assert s.state == "bound" and len(s.client.prefixes) == 1


def test_prefix_is_confirmed_by_rebinding():
    # RFC 8415 18.2.12
    s = Setup(prefix=56)
    s.bind(ia(s.client.iaid, prefix(), code=25))
    link(s, 0)
    link(s, 1)
    m = s.message(REBIND)
    assert s.state == "confirming" and m.prefixes == [b"\x38" + PREFIX]
    s.reply(m, REPLY, ia(m.iaid, prefix(), code=25), server=OTHER)
    assert s.state == "bound"
    s.call("release")
    m = s.message(RELEASE, 0)
    assert m.prefixes == [b"\x38" + PREFIX] and m.addrs is None and m.server == OTHER


# -- lies and rubbish --------------------------------------------------------------------------


def test_bad_answers():
    # RFC 8415 16
    s = Setup()
    m = s.message(SOLICIT)
    good = ia(m.iaid, address())
    s.counted("in_xid", m, ADVERTISE, good, xid=b"\0\0\0")
    s.counted("in_client", m, ADVERTISE, good, client=b"\0\3somebody")
    s.counted("in_client", m, ADVERTISE, good, client=None)
    s.counted("in_server", m, ADVERTISE, good, server=None)
    s.counted("in_options", m, ADVERTISE, good, opt(2, OTHER))
    s.counted("in_options", m, ADVERTISE, good, server=bytes(131))
    s.counted("in_reconfigure", m, RECONFIGURE, good)
    for kind in (0, SOLICIT, REQUEST, RELEASE, INFORM, 12, 13, 255):
        s.counted("in_type", m, kind, good)
    s.counted("in_nothing", m, ADVERTISE)
    s.counted("in_nothing", m, ADVERTISE, ia(b"else", address()))
    s.counted("in_nothing", m, ADVERTISE, ia(m.iaid, address(), t1=20, t2=10))
    s.counted("in_nothing", m, ADVERTISE, ia(m.iaid, address(), code=4))
    s.counted("in_options", m, ADVERTISE, good, opt(7, b""))
    s.counted("in_options", m, ADVERTISE, opt(3, bytes(11)))
    s.counted("in_options", m, ADVERTISE, ia(m.iaid, opt(5, bytes(23))))
    s.counted("in_options", m, ADVERTISE, ia(m.iaid, opt(5, bytes(24), 25)))
    s.reply(m, ADVERTISE, good, opt(7, b"\xff"))
    m = s.message(REQUEST, 0)
    s.counted("in_server", m, REPLY, good, server=OTHER)
    s.counted("in_state", m, ADVERTISE, good)
    s.reply(m, REPLY, good)
    assert s.state == "bound"
    s.counted("in_state", m, REPLY, good)
    s.raw(b"\7\0\0")
    assert s.stat("in_short") == 1


def test_addresses_nobody_may_have():
    s = Setup()
    m = s.message(SOLICIT)
    for addr in ("ff02::1", "fe80::77", "::", "::1", "::ffff:a00:1"):
        s.counted("in_nothing", m, ADVERTISE, ia(m.iaid, address(ip6(addr))))
    s.counted("in_nothing", m, ADVERTISE, ia(m.iaid, address(preferred=2, valid=1)))
    s.counted("in_nothing", m, ADVERTISE, ia(m.iaid, address(extra=status(1))))
    for lie in (prefix(plen=0), prefix(plen=129), prefix(ip6("fe80::"), 64), prefix(bytes(16))):
        s.counted("in_nothing", m, ADVERTISE, ia(m.iaid, lie, code=25))
    s.counted("in_nothing", m, ADVERTISE, ia(m.iaid, prefix()))  # of the other kind


def test_address_that_we_have():
    s = Setup()
    m = s.message(SOLICIT)
    s.reply(m, REPLY, ia(m.iaid, address(s.p.host.link), address(ADDR)), opt(14))
    assert s.state == "bound" and len(s.client.lease.items) == 1
    with inside(s.st):
        s.p.ip.add(s.nif, ip6("2001:db8::99"), 64)
    m = s.message(RENEW, 901000)
    s.reply(m, REPLY, ia(m.iaid, address(ip6("2001:db8::99")), address()))
    assert s.stat("in_address") == 1 and s.entry(ip6("2001:db8::99")).origin == 0


def test_memory_is_bounded():
    s = Setup(prefix=56)
    m = s.message(SOLICIT)
    many = [address(ip6("2001:db8::1:%x" % i)) for i in range(14)]
    others = [prefix(ip6("2001:db8:%x::" % i), 48) for i in range(1, 15)]
    s.client.want(b"\x11")
    names = b"".join(b"\2n%c\0" % (97 + i) for i in range(20))
    lists = opt(23, b"".join(ip6("2001:db8::%x" % (i + 1)) for i in range(20))) + opt(24, names)
    vendor = b"".join(opt(17, bytes(10)) for _ in range(9))
    s.reply(m, REPLY, ia(m.iaid, *many), ia(m.iaid, *others, code=25), opt(14), lists, vendor)
    assert s.state == "bound"
    info = s.client.info
    assert len(s.client.lease.items) == 8 and len(info.dns) == len(info.domains) == 4
    assert len(info.options[17]) == 4
    s.p.advance(901000)
    m = Message(s, s.p.expect("udp", dport=547))
    s.reply(m, REPLY, ia(m.iaid, *many[10:]), ia(m.iaid, *others[10:], code=25))
    assert len(s.client.lease.items) == 8


def test_every_length():
    # a Reply cut anywhere, or with any byte changed, is dropped or understood, and no more
    s = Setup(prefix=56)
    m = s.message(SOLICIT)
    parts = (ia(m.iaid, address()), ia(m.iaid, prefix(), code=25), opt(23, DNS), opt(24, NAMES))
    parts += (opt(56, opt(1, NTP)), status(0, b"fine"), opt(7, b"\0"), opt(82, bytes(4)))
    size = 4 + 4 + len(m.opts[1][0]) + 4 + len(SERVER) + sum(len(part) for part in parts)
    for cut in range(0, size, 1 if bench.UNIX else 7):
        s.reply(m, ADVERTISE, *parts, cut=cut)
    r = Random(8415)
    whole = bytes((ADVERTISE,)) + m.xid + opt(1, m.opts[1][0]) + opt(2, SERVER) + b"".join(parts)
    for _ in range(scale(3000)):
        lie = bytearray(whole)
        for _ in range(1 + r.below(3)):
            lie[4 + r.below(len(lie) - 4)] = r.below(256)
        s.raw(lie)
    s.p.take()
    s.call("stop")
    s.start(prefix=56)
    s.bind(*[ia(s.client.iaid, address())])


def test_two_interfaces():
    # one port, one DUID, IAIDs of their own
    s = Setup(start=False)
    nif = s.st.add(bench.NIC(b"\x02\0\0\0\0\x09"), _attach_link, "eth1")
    with inside(s.st):
        nif.set_up(True)
        nif.v6.transmits = 0
        s.p.ip.set_auto(nif, False)
        s.p.ip.add(nif, ip6("fe80::9"), 64)
    other = dhcp6.attach(nif)
    s.p.host.settled()
    frames = []
    nif.nic.tx = frames.append
    with inside(s.st):
        other.start()
        s.client.start()
    assert other.port is s.client.port and other.iaid != s.client.iaid
    m = s.message(SOLICIT)
    s.p.advance(990)
    data = [frame for frame in frames if frame[20] == 17][0][62:]
    assert take_apart(data[4:])[1] == m.opts[1] and take_apart(data[4:])[3][0][:4] == other.iaid
    s.reply(m, REPLY, ia(m.iaid, address()), opt(14))
    assert s.client.bound and not other.bound
    with inside(s.st):
        s.client.stop()
        assert other.port.open
        other.stop()
        assert not other.port.open
    nif.nic.tx = None
    bench.raises(98, _port_taken, s)


def _attach_link(nif):
    from netstack.link import arp, ethernet

    ethernet.attach(nif)
    arp.attach(nif)


def _port_taken(s):
    endpoint = s.st.udp.open()
    endpoint.bind(s.p.ip, None, 546)
    with inside(s.st):
        s.client.start()


bench.run_tests(globals())
