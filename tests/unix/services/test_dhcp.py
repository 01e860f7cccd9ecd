# DHCP client against a scripted server, in virtual time: every state, lease times, conflicts,
# lying and broken servers; and two clients on a lossy wire against a server on a stack.

import struct
import bench
from bench import Random, at_end, inside, ip, scale
from netstack.services import dhcp, dns

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE = range(1, 8)
ADDR = ip("10.0.0.77")
SERVER = ip("10.0.0.1")
NOBODY = ip("0.0.0.0")
ALL = ip("255.255.255.255")
HOUR = 3600


# -- messages, made and taken apart without the client's code ----------------------------------


def number(n):
    return struct.pack("!I", n)


def option(code, value, length=None):
    return bytes([code, len(value) if length is None else length]) + value


def options(kind, extra=(), server=SERVER, lease=HOUR, mask="255.255.255.0"):
    """The usual options; extra: (code, value) pairs, a value of None takes one out."""
    values = {53: bytes([kind]), 54: server}
    if kind != NAK:
        values[51] = number(lease)
        values[1] = ip(mask)
    for code, value in extra:
        values[code] = value
    order = [53, 54] + [code for code in values if code not in (53, 54)]
    return b"".join(option(c, values[c]) for c in order if values[c] is not None)


def bootp(xid, chaddr, yiaddr, opts, op=2, htype=1, hlen=6, cookie=0x63825363, **parts):
    sname = parts.get("sname", b"")
    file = parts.get("file", b"")
    return (
        struct.pack("!BBBB", op, htype, hlen, 0)
        + xid
        + bytes(8)
        + yiaddr
        + bytes(8)
        + chaddr
        + bytes(10)
        + sname
        + bytes(64 - len(sname))
        + file
        + bytes(128 - len(file))
        + number(cookie)
        + opts
        + (b"" if parts.get("open_end") else b"\xff")
    )


class Message:
    """A message the client has sent, checked for what every one must have."""

    def __init__(self, packet):
        data = packet.data
        assert len(data) >= 300, len(data)
        assert data[:4] == b"\1\1\6\0" and data[236:240] == b"\x63\x82\x53\x63", data
        self.packet = packet
        self.dst = packet.dst
        self.src = packet.src
        self.xid = data[4:8]
        self.secs, self.flags = struct.unpack("!HH", data[8:12])
        self.ciaddr = data[12:16]
        assert data[16:28] == bytes(12)
        self.chaddr = data[28:34]
        assert data[34:236] == bytes(202)
        self.opts = {}
        at = 240
        while data[at] != 255:
            assert data[at] and data[at] not in self.opts, data[at]
            self.opts[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
            at += 2 + data[at + 1]
        assert not any(data[at + 1 :])
        self.kind = self.opts[53][0]


class Setup:
    """A host without an address and its DHCP client, and us: server and neighbours."""

    def __init__(self, start=True, resolver=True, hostname=None, **kw):
        self.p = bench.Peer(bench.host(addr="0.0.0.0", **kw), "10.0.0.1", True)
        self.st = self.p.st
        self.nif = self.p.nif
        self.v4 = self.nif.v4
        self.dns = dns.attach(self.st) if resolver else None
        self.client = dhcp.attach(self.nif)
        self.p.host.settled()
        self.events = []
        self.st.watchers.append(lambda nif, event: self.events.append((event, nif.v4.set)))
        self.probes = []  # addresses the host has probed or announced: (sender, target)
        self.rival = None  # an address another station defends
        self.p.auto_arp = False
        self.p.nic.tx = self._tap
        self.tap = self.p._from_stack
        at_end(self.end)
        if start:
            self.start(hostname)

    def _tap(self, frame):
        if frame[12:14] == b"\x08\x06":
            spa, tpa = frame[28:32], frame[38:42]
            self.probes.append((spa, tpa))
            if tpa == self.rival:
                self.p.queue(self.p.arp_frame(2, tpa, spa, tha=frame[22:28], sha=b"\2\2\2\2\2\2"))
            self.p.auto_arp = True
            self.tap(frame)
            self.p.auto_arp = False
            return
        self.tap(frame)

    def start(self, hostname=None):
        with inside(self.st):
            self.client.start(hostname)
        self.p.poll()

    def call(self, name, *args):
        with inside(self.st):
            getattr(self.client, name)(*args)
        self.p.poll()

    def end(self):
        with inside(self.st):
            self.client.release()
            self.client.stop()

    @property
    def state(self):
        return dhcp.STATES[self.client.state]

    def message(self, kind=None):
        """The next message of the client."""
        m = Message(self.p.expect("udp", sport=68, dport=67))
        assert m.chaddr == self.p.nic.mac
        assert kind is None or m.kind == kind, m.kind
        return m

    def reply(self, to, kind, extra=(), addr=ADDR, dst=ALL, src=SERVER, opts=None, **kw):
        """Answer the message `to`; kw: lies for options() and bootp()."""
        sport = kw.pop("sport", 67)
        own = {k: kw.pop(k) for k in ("server", "lease", "mask") if k in kw}
        if opts is None:
            opts = options(kind, extra, **own)
        xid = kw.pop("xid", to.xid)
        chaddr = kw.pop("chaddr", to.chaddr)
        yiaddr = NOBODY if kind == NAK else addr
        data = bootp(xid, chaddr, yiaddr, opts, **kw)
        cut = kw.get("cut")
        self.raw(data[:cut] if cut is not None else data, dst, src, sport)

    def raw(self, data, dst=ALL, src=SERVER, sport=67):
        mac = b"\xff" * 6 if dst == ALL else None
        self.p.udp(sport, 68, data, src=src, dst=dst, dst_mac=mac)

    def stat(self, name):
        return self.p.host.stat("dhcp.eth0")[name]

    def bind(self, extra=(), **kw):
        """All the way to BOUND; the moment is that of the REQUEST."""
        m = self.message(DISCOVER)
        self.reply(m, OFFER, extra, **kw)
        m = self.message(REQUEST)
        self.reply(m, ACK, extra, **kw)
        self.p.advance(400)
        assert self.client.bound, self.state
        self.p.expect_nothing()
        return m


# -- the way to a lease ------------------------------------------------------------------------


def test_lease():
    # RFC 2131 3.1, table 5
    s = Setup(hostname="board-1")
    assert s.state == "selecting" and not s.client.bound
    m = s.message(DISCOVER)
    assert m.src == NOBODY and m.dst == ALL and m.ciaddr == NOBODY and m.flags == 0
    assert m.packet.dst_mac == b"\xff" * 6
    assert m.opts[61] == b"\1" + s.p.nic.mac and m.opts[57] == b"\x05\xdc"
    assert m.opts[12] == b"board-1" and 50 not in m.opts and 54 not in m.opts
    for code in (1, 3, 6, 15, 26, 28, 42):
        assert code in m.opts[55], code
    s.p.advance(100)
    s.reply(m, OFFER)
    assert s.state == "requesting"
    m2 = s.message(REQUEST)
    assert m2.xid == m.xid and m2.secs == m.secs and m2.dst == ALL and m2.src == NOBODY
    assert m2.opts[50] == ADDR and m2.opts[54] == SERVER and m2.ciaddr == NOBODY
    assert m2.opts[12] == b"board-1" and m2.opts[61] == m.opts[61]
    s.reply(
        m2,
        ACK,
        (
            (3, SERVER + ip("10.0.0.2")),
            (6, SERVER + ip("10.0.0.3") + NOBODY + ip("224.0.0.1") + SERVER),
            (15, b"example.com\0"),
            (26, b"\x05\x14"),
            (28, ip("10.0.0.255")),
            (42, ip("10.0.0.4")),
            (58, number(1000)),
            (59, number(2000)),
        ),
    )
    assert s.state == "checking" and not s.v4.set
    s.p.advance(399)
    assert not s.v4.set
    assert s.probes == [(NOBODY, ADDR)] * 2, s.probes
    s.p.advance(1)
    assert s.state == "bound" and s.client.bound and s.client.failed is None
    assert s.v4.set and s.v4.addr == ADDR and s.v4.mask == ip("255.255.255.0")
    assert s.v4.gw == SERVER and s.v4.bcast == ip("10.0.0.255")
    assert s.probes[2:] == [(ADDR, ADDR)]  # RFC 5227 2.3
    assert s.events == [(4, True)]
    lease = s.client.lease
    assert (lease.server, lease.addr, lease.lease_s) == (SERVER, ADDR, HOUR)
    assert (lease.t1, lease.t2, lease.mtu, lease.domain) == (1000, 2000, 1300, "example.com")
    assert lease.dns == [SERVER, ip("10.0.0.3")] and lease.ntp == [ip("10.0.0.4")]
    assert lease.broadcast == ip("10.0.0.255")
    assert s.nif.mtu == 1300
    assert s.dns.servers_in_use() == lease.dns


def test_unicast_answers():
    # RFC 2131 4.1: answers may be sent to the address that is not ours yet
    s = Setup()
    s.bind(dst=ADDR)


def test_defaults():
    # RFC 2131 4.4.5: T1 half, T2 seven eighths of the lease; nonsense counts as absent
    for extra in ((), ((58, number(3000)), (59, number(2000))), ((59, number(9999)),)):
        s = Setup()
        s.bind(extra)
        assert s.client.lease.t2 in (3150, 2000), extra
        assert 0 < s.client.lease.t1 <= 1800
        assert s.client.lease.dns == [] and s.v4.gw == NOBODY and s.nif.mtu == 1500
        assert s.client.lease.domain == "" and s.dns.servers_in_use() == []
    s = Setup()
    s.bind(((1, None),))
    assert s.v4.mask == ip("255.0.0.0")  # RFC 950 2.1


def test_silly_values_are_left_out():
    s = Setup()
    s.bind(
        (
            (3, NOBODY + ADDR),
            (6, b"\1\2"),
            (15, b"a b\xff"),
            (26, b"\0\x20"),
            (42, ip("127.0.0.1")),
        )
    )
    lease = s.client.lease
    assert lease.router == NOBODY and lease.dns == [] and lease.domain == "" and lease.ntp == []
    assert s.nif.mtu == 1500


def test_options_in_file_and_sname():
    # RFC 2131 4.1: overload; RFC 3396: the parts of an option are joined
    s = Setup()
    m = s.message(DISCOVER)
    s.reply(m, OFFER)
    m = s.message(REQUEST)
    s.reply(
        m,
        ACK,
        ((52, b"\3"), (6, SERVER)),
        file=option(3, SERVER) + option(6, ip("10.0.0.3")) + b"\xff",
        sname=b"\0\0" + option(15, b"home") + b"\xff",
    )
    s.p.advance(400)
    assert s.client.bound and s.v4.gw == SERVER and s.client.lease.domain == "home"
    assert s.client.lease.dns == [SERVER, ip("10.0.0.3")]


def test_hostname():
    s = Setup(start=False)
    for bad in ("", "a" * 64, "a.b", "-a", "a-", "b\xfc", "a b"):
        if bad:
            try:
                s.start(bad)
            except ValueError as error:
                assert repr(bad) in str(error)
            else:
                raise AssertionError(bad)
    s.nif.hostname = "frozen"
    s.start()
    assert s.message(DISCOVER).opts[12] == b"frozen"
    s.start("a_b")
    assert s.message(DISCOVER).opts[12] == b"a_b"
    s.start("a" * 63)
    assert s.message(DISCOVER).opts[12] == b"a" * 63


def test_port_taken():
    s = Setup(start=False)
    other = s.st.udp.open()
    with inside(s.st):
        other.bind(s.st.ip4, None, 68)
    bench.raises(98, s.start)
    with inside(s.st):
        other.close()
    s.start()
    s.bind()
    s.call("stop")
    assert s.st.udp.table.count == 0


# -- what else servers tell --------------------------------------------------------------------


def test_search_list():
    # RFC 3397: names compressed within the option, which may come in parts (RFC 3396)
    value = b"\3eng\5apple\3com\0\11marketing\xc0\4"
    s = Setup()
    s.bind(((15, b"example.com"), (119, value)))
    assert s.client.lease.search == ["eng.apple.com", "marketing.apple.com"]
    assert s.dns.domains_in_use() == s.client.lease.search
    assert s.client.lease.domain == "example.com"
    s = Setup()
    s.bind(((15, b"example.com"),))
    assert s.dns.domains_in_use() == ["example.com"]
    s.call("release")
    s.p.advance(50)
    assert s.dns.domains_in_use() == []


def test_search_list_that_lies():
    # what comes before the first mistake counts; pointers in a circle end it
    for bad in (
        b"\xc0\6",
        b"\xc0\5",
        b"\1b\xc0\x08",
        b"\x40abc",
        b"\3ab",
        b"\0",
        b"\1\xff\0",
        b"\xc0",
    ):
        s = Setup()
        s.bind(((119, b"\1a\2bc\0" + bad),))
        assert s.client.lease.search == ["a.bc"], (bad, s.client.lease.search)
    s = Setup()
    s.bind(((119, b"\1a\0" * 20),))
    assert s.client.lease.search == ["a"] * 6 and s.dns.domains_in_use() == ["a"]


def ways(s, *addresses):
    """By whom a packet to each address goes."""
    return [bytes(s.st.ip4.hop(ip(addr), s.nif)) for addr in addresses]


def test_classless_routes():
    # RFC 3442: they take the place of the router option; a default route is one of them
    routes = (
        b"\x18\xc0\xa8\x07"
        + ip("10.0.0.3")  # 192.168.7.0/24
        + b"\x14\xac\x10\x1f"
        + ip("10.0.0.4")  # 172.16.16.0/20: bits beyond the prefix do not count
        + b"\0"
        + ip("10.0.0.2")
        + b"\x20"
        + ip("192.168.7.9")
        + ip("10.0.0.5")
        + b"\x10\xc0\xa9"
        + NOBODY  # 192.169.0.0/16 on the link
        + b"\x19"
        + ip("10.0.0.128")
        + ip("10.0.0.6")  # longer than the link's own prefix
        + b"\x08\x0a"
        + ip("10.0.0.7")  # shorter than it
    )
    s = Setup()
    m = s.bind(((3, SERVER), (121, routes)))
    assert 0 <= m.opts[55].find(b"\x79") < m.opts[55].find(b"\3")
    assert s.client.lease.router == ip("10.0.0.2") and s.v4.gw == ip("10.0.0.2")
    hops = ways(s, "192.168.7.1", "172.16.20.1", "8.8.8.8", "192.168.7.9", "192.169.1.1")
    assert [hop[3] for hop in hops] == [3, 4, 2, 5, 1], hops
    assert [hop[3] for hop in ways(s, "10.0.0.9", "10.0.0.200", "10.1.0.1")] == [9, 6, 7]
    assert s.st.ip4.route(ip("192.168.7.1"), 0) is s.nif
    endpoint = s.st.udp.open()
    s.p.addrs.append(ip("10.0.0.3"))
    with inside(s.st):
        assert endpoint.send(b"x", 0, 1, s.st.ip4, ip("192.168.7.1"), 9) == 1
    s.p.poll()
    s.p.expect("udp", dst=ip("192.168.7.1"), dst_mac=s.p.mac)
    s.call("release")
    s.p.take()
    s.p.advance(1000)
    assert not s.st.ip4.routes.list


def test_routes_that_lie():
    # one that is malformed, or by way of what is no host: none is taken, the router option counts
    good = b"\x18\xc0\xa8\x07" + ip("10.0.0.3")
    for bad in (b"\x21" + bytes(9), b"\x18\xc0\xa8", b"\0\1\2\3", b"\x08\x0b" + ip("224.0.0.1")):
        s = Setup()
        s.bind(((3, SERVER), (121, good + bad)))
        assert s.v4.gw == SERVER and not s.client.lease.routes, bad
    s = Setup()
    s.bind(((3, SERVER), (121, b"\x08\x0b" + ADDR + b"\0" + ADDR)))  # by way of ourselves
    assert not s.client.lease.routes and s.v4.gw == NOBODY


def test_too_many_routes():
    value = b"".join(b"\x10\xac" + bytes([n]) + ip("10.0.0.3") for n in range(30))
    s = Setup()
    s.bind(((121, value),))
    assert len(s.st.ip4.routes.list) == 8


def test_vendor_options():
    # RFC 2132 8.4, 9.13: a program asks for options, and gets their bytes
    s = Setup(start=False)
    told = []
    s.client.want(b"\x2b\x42", told.append, b"netstack")
    s.start()
    m = s.message(DISCOVER)
    assert m.opts[60] == b"netstack" and m.opts[55][-2:] == b"\x2b\x42"
    extra = ((43, b"\1\4abcd\xff"), (66, b"tftp.test"), (67, b"boot"))
    s.reply(m, OFFER, extra)
    assert not told  # an offer is no lease
    s.reply(s.message(REQUEST), ACK, extra)
    s.p.advance(400)
    assert len(told) == 1 and told[0] is s.client.lease
    assert told[0].options[43] == b"\1\4abcd\xff" and told[0].options[66] == b"tftp.test"
    assert 67 not in told[0].options
    for bad in ((b"\0",), (b"\xff",), (bytes(range(1, 34)),), (b"\1", None, bytes(65))):
        try:
            s.client.want(*bad)
        except ValueError:
            pass
        else:
            raise AssertionError(bad)


def test_longest_message():
    # every option at its longest fits into the buffer
    s = Setup(start=False)
    s.client.want(bytes(range(2, 34)), None, b"v" * 64)
    s.start("h" * 63)
    m = s.message(DISCOVER)
    assert m.opts[60] == b"v" * 64 and m.opts[12] == b"h" * 63 and len(m.opts[55]) == 44
    s.reply(m, OFFER)
    s.reply(s.message(REQUEST), ACK)


def test_inform():
    # RFC 2131 3.4, 4.4.3: the address is ours, the rest is the server's
    s = Setup(start=False)
    bench.raises(99, s.client.inform)
    with inside(s.st):
        s.st.ip4.configure(s.nif, ip("10.0.0.50"), ip("255.255.255.0"))
        s.client.inform()
    s.p.poll()
    m = s.message(8)
    assert m.ciaddr == m.src == ip("10.0.0.50") and m.dst == ALL
    assert 50 not in m.opts and 51 not in m.opts and 54 not in m.opts and 6 in m.opts[55]
    s.p.advance(1300)
    m = s.message(8)
    extra = ((51, None), (6, SERVER), (42, ip("10.0.0.4")), (15, b"lan.test"), (3, SERVER))
    s.reply(m, NAK)
    assert s.state == "informing" and s.stat("in_state") == 1
    s.reply(m, ACK, extra, addr=NOBODY, dst=ip("10.0.0.50"))
    assert s.state == "informed" and not s.client.bound
    assert s.dns.servers_in_use() == [SERVER] and s.dns.domains_in_use() == ["lan.test"]
    assert s.client.lease.ntp == [ip("10.0.0.4")]
    assert s.v4.addr == ip("10.0.0.50") and s.v4.gw == NOBODY
    s.p.advance(100000)
    s.p.expect_nothing()
    unplug(s, 0)
    unplug(s, 1)  # another network, perhaps
    m = s.message(8)
    s.reply(m, ACK, extra, addr=NOBODY, dst=ip("10.0.0.50"))
    s.call("release")
    assert s.state == "off" and s.dns.servers_in_use() == []
    s.p.expect_nothing()
    assert s.v4.addr == ip("10.0.0.50")


def test_inform_unanswered():
    s = Setup(start=False)
    with inside(s.st):
        s.st.ip4.configure(s.nif, ip("10.0.0.50"), ip("255.255.255.0"))
        s.client.inform()
    s.p.advance(60000)
    assert all(Message(packet).kind == 8 for packet in s.p.take()) and s.state == "informing"


def test_address_of_before():
    # RFC 2131 3.2: what a board had before a restart is confirmed, not asked for anew
    s = Setup(start=False)
    with inside(s.st):
        s.client.start(addr=ADDR)
    s.p.poll()
    assert s.state == "rebooting"
    m = s.message(REQUEST)
    assert m.opts[50] == ADDR and 54 not in m.opts and m.ciaddr == NOBODY and m.dst == ALL
    s.reply(m, ACK)
    s.p.advance(400)
    assert s.client.bound and s.v4.addr == ADDR
    s = Setup(start=False)
    with inside(s.st):
        s.client.start(addr=ADDR)
    s.p.poll()
    s.reply(s.message(REQUEST), NAK)  # it has moved to another network
    s.p.advance(1500)
    s.bind()
    s = Setup(start=False)
    with inside(s.st):
        s.client.start(addr=ADDR)
    s.p.take()
    unplug(s, 0)
    unplug(s, 1)
    assert s.message(REQUEST).opts[50] == ADDR
    s.p.advance(30000)  # nobody answers: from the start
    assert s.state == "selecting" and Message(s.p.take()[-1]).kind == DISCOVER
    s = Setup(start=False)
    unplug(s, 0)
    with inside(s.st):
        s.client.start(addr=ADDR)
    s.p.advance(5000)
    s.p.expect_nothing()
    unplug(s, 1)  # the link comes late
    assert s.message(REQUEST).opts[50] == ADDR
    try:
        s.client.start(addr=ALL)
    except ValueError:
        pass
    else:
        raise AssertionError


# -- repeating ---------------------------------------------------------------------------------


def times_of(s, kind, ms):
    """When the client sends, in seconds from now; the numbers of the exchange do not change."""
    start = s.p.clock.ms
    times = []
    while s.p.clock.ms - start < ms:
        s.p.advance(50)
        for packet in s.p.take():
            m = Message(packet)
            assert m.kind == kind, m.kind
            times.append((s.p.clock.ms - start) / 1000)
    return times


def test_silence():
    # RFC 2131 4.1: 4, 8, 16, 32, 64 s, give or take one; before them a quick one after 1 s
    s = Setup()
    assert s.client.failed is None
    first = s.message(DISCOVER)
    times = [0] + times_of(s, DISCOVER, 230000)
    gaps = [times[i + 1] - times[i] for i in range(len(times) - 1)]
    assert len(gaps) == 7, gaps
    for gap, wanted in zip(gaps, (1, 4, 8, 16, 32, 64, 64)):
        assert abs(gap - wanted) <= (1.06 if wanted > 1 else 0.31), gaps
    assert s.client.failed == "no DHCP lease on eth0 (8 discovers unanswered)", s.client.failed
    assert s.client.discovers == 8 and s.state == "selecting" and not s.v4.set
    assert first.xid == bytes(s.client._xid)


def test_clients_do_not_keep_time():
    # the jitter differs from board to board
    gaps = []
    for seed in range(4):
        s = Setup(seed=seed)
        s.message(DISCOVER)
        gaps.append(tuple(times_of(s, DISCOVER, 40000)))
        s.end()
    assert len(set(gaps)) > 1, gaps


def test_seconds():
    # RFC 2131 4.4.1: `secs` counts from the first DISCOVER; a REQUEST repeats that of its DISCOVER
    s = Setup()
    s.p.advance(6500)
    found = [Message(packet) for packet in s.p.take()]
    assert found[0].secs == 0 and found[1].secs <= 1
    last = found[2]
    assert len(found) == 3 and 3 <= last.secs <= 6, last.secs
    s.p.advance(4000)
    s.reply(last, OFFER)
    assert s.message(REQUEST).secs == last.secs


def test_lease_runs_from_the_request():
    # RFC 2131 4.4.1: from when the REQUEST was sent, not from when the ACK came
    s = Setup()
    s.reply(s.message(DISCOVER), OFFER, lease=100)
    m = s.message(REQUEST)
    s.p.advance(700)
    s.reply(m, ACK, lease=100)
    s.p.advance(s.client._t1 * 1000 - 701)
    assert s.state == "bound"
    s.p.advance(1)
    assert s.state == "renewing"
    s.message(REQUEST)


def test_request_unanswered():
    # RFC 2131 3.1 (5): four requests, then from the start
    s = Setup()
    s.reply(s.message(DISCOVER), OFFER)
    m = s.message(REQUEST)
    times = []
    while s.state == "requesting":
        s.p.advance(50)
        for packet in s.p.take():
            again = Message(packet)
            if again.kind == REQUEST:
                times.append(s.p.clock.ms)
                assert again.xid == m.xid and again.opts == m.opts
    assert len(times) == 3
    assert again.kind == DISCOVER and again.xid != m.xid
    assert "10.0.0.77 was not answered" in s.client.failed
    s.reply(again, OFFER)
    s.reply(s.message(REQUEST), ACK)
    s.p.advance(400)
    assert s.client.bound and s.client.failed is None


def test_empty_pool():
    # control frames are there for us; without even those it counts as lost
    s = Setup(start=False)
    held = []
    pool = s.st.pool
    while pool.left > pool.reserve:
        held.append(pool.alloc())
    with inside(s.st):
        s.client.start()
    assert s.stat("out") == 1
    while pool.left:
        held.append(pool.alloc(True))
    s.p.advance(1300)
    assert s.stat("out_failed") == 1
    for fr in held:
        pool.release(fr)
    s.p.poll()
    s.p.take()
    s.p.advance(5000)
    s.bind()


# -- keeping the lease -------------------------------------------------------------------------


def test_renewal():
    # RFC 2131 4.4.5: unicast to the server, no address or server option; ciaddr filled
    s = Setup()
    bound = s.bind()
    s.events.clear()
    assert 1800 - 1800 // 16 <= s.client._t1 <= 1800  # not all boards at the same moment
    s.p.advance(s.client._t1 * 1000 - 400 - 1)
    s.p.expect_nothing()
    assert s.state == "bound"
    s.p.advance(1)
    assert s.state == "renewing"
    s.p.advance(1000)
    assert s.state == "renewing" and s.client.bound
    m = s.message(REQUEST)
    assert m.dst == SERVER and m.src == ADDR and m.ciaddr == ADDR and m.packet.dst_mac == s.p.mac
    assert 50 not in m.opts and 54 not in m.opts and m.xid != bound.xid
    s.reply(m, ACK, dst=ADDR)
    assert s.state == "bound"
    assert s.events == []  # nothing has changed, nobody is disturbed
    s.p.advance(s.client._t1 * 1000 - 1001)  # the REQUEST was sent a second before
    s.p.expect_nothing()
    s.p.advance(1)
    m = s.message(REQUEST)
    s.reply(m, ACK, ((3, SERVER), (6, SERVER)), dst=ADDR)
    assert s.events == [(4, True)] and s.v4.gw == SERVER and s.dns.servers_in_use() == [SERVER]


def test_renewal_through_a_gateway():
    # a server behind a relay is reached by the default route
    far = ip("198.51.100.9")
    s = Setup()
    s.bind(((3, SERVER),), server=far)
    s.p.advance(1800000)
    m = s.message(REQUEST)
    assert m.dst == far and m.packet.dst_mac == s.p.mac
    s.reply(m, ACK, ((3, SERVER),), server=far, src=far, dst=ADDR)
    assert s.state == "bound"


def test_rebinding_and_expiry():
    # RFC 2131 4.4.5: repeats after half the time that is left, not closer than a minute
    s = Setup()
    s.bind(((6, SERVER),))
    start = s.p.clock.ms - 400
    seen = []
    while s.state != "selecting":
        s.p.advance(1000)
        for packet in s.p.take():
            if packet.kind == "udp":
                m = Message(packet)
                if m.kind == REQUEST:
                    seen.append(((s.p.clock.ms - start) // 1000, m.dst))
                    assert m.ciaddr == ADDR and m.src == ADDR
        assert s.p.clock.ms - start < 3700000
    assert 3599 <= (s.p.clock.ms - start) // 1000 <= 3602
    renewals = [t for t, dst in seen if dst == SERVER]
    rebinds = [t for t, dst in seen if dst == ALL]
    t1, t2 = s.client._t1, s.client._t2
    assert 1688 <= t1 <= 1800 and 3038 <= t2 <= 3150
    assert len(renewals) == 6 and t1 <= renewals[0] <= t1 + 2, seen
    assert t2 <= rebinds[0] <= t2 + 2 and 3 <= len(rebinds) <= 5, seen
    for i in range(len(renewals) - 1):
        assert renewals[i + 1] - renewals[i] >= 60
    assert not s.v4.set and s.dns.servers_in_use() == [] and not s.client.bound
    assert s.stat("expired") == 1 and "run out" in s.client.failed
    assert m.kind == DISCOVER


def test_rebinding_answered():
    # any server may answer; it is asked next time
    s = Setup()
    s.bind()
    s.p.advance(3151000)
    m = [Message(packet) for packet in s.p.take()][-1]
    assert s.state == "rebinding" and m.dst == ALL
    other = ip("10.0.0.9")
    s.p.addrs.append(other)
    s.reply(m, ACK, server=other, src=other, dst=ADDR)
    assert s.state == "bound" and s.client.lease.server == other
    s.p.advance(1801000)
    assert s.message(REQUEST).dst == other


def test_infinite_lease():
    # RFC 2131 3.3
    s = Setup()
    s.bind(lease=0xFFFFFFFF)
    assert not s.client._timer.active
    s.st._link_timer.stop()  # it would have us poll five million times
    s.p.advance(30 * 86400000)
    s.p.expect_nothing()
    assert s.state == "bound"


def test_long_lease():
    # thirty days: longer than the clock can tell apart
    s = Setup()
    s.bind(lease=30 * 86400)
    s.st._link_timer.stop()
    day = 0
    while day < 14:
        s.p.expect_nothing()
        assert s.state == "bound", day
        s.p.advance(86400000)
        day += 1
    s.p.advance((s.client._t1 - 14 * 86400) * 1000)
    assert s.state == "renewing"
    m = s.message(REQUEST)
    s.reply(m, ACK, dst=ADDR, lease=30 * 86400)
    assert s.state == "bound" and s.client._aged() == 0


def test_nak():
    # RFC 2131 3.1 (4), 4.4.5; several in a row and we wait longer each time
    s = Setup()
    s.bind()
    s.p.advance(1800000)
    m = s.message(REQUEST)
    s.reply(m, NAK, server=ip("10.0.0.9"))  # not from the server that was asked
    assert s.state == "renewing" and s.stat("in_server") == 1
    s.reply(m, NAK, dst=ADDR)
    assert s.state == "backing off" and not s.v4.set
    assert "10.0.0.1 has refused" in s.client.failed
    waits = []
    for _ in range(4):
        start = s.p.clock.ms
        while s.state == "backing off":
            s.p.advance(100)
        waits.append((s.p.clock.ms - start) // 1000)
        s.reply(s.message(DISCOVER), OFFER)
        s.reply(s.message(REQUEST), NAK)
    assert waits == [1, 4, 8, 16], waits


def test_release_and_stop():
    # RFC 2131 4.4.6
    s = Setup()
    s.bind()
    s.call("release")
    m = s.message(RELEASE)
    assert m.dst == SERVER and m.src == ADDR and m.ciaddr == ADDR and m.opts[54] == SERVER
    assert 50 not in m.opts and 55 not in m.opts and 61 in m.opts
    s.p.advance(50)
    assert s.state == "off" and not s.v4.set and s.client.lease is None
    assert s.client.failed is None
    s.call("release")
    s.call("stop")
    s.p.advance(100000)
    s.p.expect_nothing()
    s.start()
    s.bind()
    s.call("stop")
    s.p.advance(100000)
    s.p.expect_nothing()
    assert not s.v4.set and s.st.udp.table.count == 0


def test_release_to_a_stranger():
    # the server's link address is not known: the address stays while it is asked for
    s = Setup()
    s.bind()
    s.p.host.arp.flush()
    s.p.nic.tx = s.p.sent.append  # nobody answers
    s.call("release")
    assert s.state == "releasing" and s.v4.set and s.client.failed is None
    assert s.p.sent.pop()[12:14] == b"\x08\x06" and not s.p.sent
    s.p.advance(500)
    assert s.state == "releasing"
    s.p.queue(s.p.arp_frame(2, SERVER, ADDR, tha=s.p.nic.mac))
    s.p.poll()
    released = [frame for frame in s.p.sent if frame[12:14] == b"\x08\0"]
    assert len(released) == 1
    s.p.sent.clear()
    s.p.nic.rx.clear()
    m = Message(bench.Packet(released[0]))
    assert m.kind == RELEASE and m.src == ADDR and m.dst == SERVER
    s.p.advance(50)
    assert s.state == "off" and not s.v4.set


def test_release_to_nobody():
    # no answer to ARP: after a second the address is given up all the same
    for how in ("wait", "start", "unplug", "stop"):
        s = Setup()
        s.bind()
        s.p.host.arp.flush()
        s.p.nic.tx = s.p.sent.append
        s.call("release")
        s.call("release")
        if how == "wait":
            s.p.advance(900)
            assert s.state == "releasing"
            s.p.advance(150)
        elif how == "start":
            s.start()
            assert s.state == "selecting" and not s.v4.set
        elif how == "unplug":
            unplug(s, 0)
        else:
            s.call("stop")
        assert s.state == ("selecting" if how == "start" else "off") and not s.v4.set, how
        s.p.sent.clear()


def test_stop_leaves_a_static_address():
    s = Setup()
    s.bind()
    with inside(s.st):
        s.st.ip4.configure(s.nif, ip("10.0.0.5"), ip("255.255.255.0"))
        s.client.stop()
    assert s.v4.set and s.v4.addr == ip("10.0.0.5")


# -- the link ----------------------------------------------------------------------------------


def unplug(s, up):
    s.p.nic.up = up
    s.p.advance(500)


def test_link_comes_late():
    s = Setup(start=False)
    unplug(s, 0)
    s.start()
    assert s.state == "init"
    s.p.advance(10000)
    s.p.expect_nothing()
    unplug(s, 1)
    s.bind()


def test_reboot():
    # RFC 2131 3.2: the link was away, the lease runs: a REQUEST without server and ciaddr
    s = Setup()
    s.bind()
    unplug(s, 0)
    assert s.state == "init" and not s.client.bound
    assert s.v4.set  # connections survive
    s.p.advance(20000)
    s.p.expect_nothing()
    unplug(s, 1)
    assert s.state == "rebooting"
    m = s.message(REQUEST)
    assert m.dst == ALL and m.src == NOBODY and m.ciaddr == NOBODY
    assert m.opts[50] == ADDR and 54 not in m.opts
    s.reply(m, ACK, dst=ADDR)
    assert s.state == "checking"
    s.p.advance(400)
    assert s.state == "bound" and s.events.count((4, False)) == 0


def test_reboot_refused_or_unanswered():
    s = Setup()
    s.bind()
    unplug(s, 0)
    unplug(s, 1)
    m = s.message(REQUEST)
    s.reply(m, NAK)
    assert s.state == "backing off" and not s.v4.set
    s.p.advance(1000)
    s.bind()
    unplug(s, 0)
    unplug(s, 1)
    kinds = []
    while s.state == "rebooting":
        s.p.advance(100)
        kinds.extend(Message(packet).kind for packet in s.p.take())
    assert kinds == [REQUEST] * 3 + [DISCOVER], kinds
    assert not s.v4.set


def test_start_again_asks_for_the_same():
    s = Setup()
    s.bind()
    s.call("stop")
    assert not s.v4.set
    s.p.advance(60000)
    s.start()
    m = s.message(REQUEST)
    assert m.opts[50] == ADDR and s.state == "rebooting"
    s.reply(m, ACK)
    s.p.advance(400)
    assert s.client.bound and s.v4.addr == ADDR
    s.call("stop")
    s.p.advance(HOUR * 1000)  # now the lease has run out
    s.start()
    s.message(DISCOVER)


def test_lease_runs_out_without_link():
    s = Setup()
    s.bind()
    unplug(s, 0)
    assert s.v4.set
    s.p.advance(HOUR * 1000)
    assert not s.v4.set and s.client.lease is None and s.state == "init"
    assert s.client.failed == "no DHCP lease on eth0 (no link)"
    unplug(s, 1)
    s.bind()


# -- conflicts ---------------------------------------------------------------------------------


def test_conflict():
    # RFC 2131 3.1 (5), RFC 5227 2.1.1: DECLINE, and a pause of 10 s
    s = Setup()
    s.rival = ADDR
    s.reply(s.message(DISCOVER), OFFER)
    request = s.message(REQUEST)
    s.reply(request, ACK)
    m = s.message(DECLINE)
    assert m.dst == ALL and m.src == NOBODY and m.ciaddr == NOBODY and m.xid != request.xid
    assert m.opts[50] == ADDR and m.opts[54] == SERVER and 55 not in m.opts and 12 not in m.opts
    assert s.state == "backing off" and not s.v4.set and s.stat("conflicts") == 1
    assert "10.0.0.77 is used by another station" in s.client.failed
    s.p.advance(9999)
    s.p.expect_nothing()
    s.p.advance(1)
    s.bind(addr=ip("10.0.0.78"))
    assert s.v4.addr == ip("10.0.0.78")
    assert s.nif.arp.on_conflict is None and s.nif.arp.probing is None


def test_another_probes_for_the_same():
    # RFC 5227 2.1.1: a probe for it from elsewhere is a conflict too
    s = Setup()
    s.reply(s.message(DISCOVER), OFFER)
    s.reply(s.message(REQUEST), ACK)
    s.p.advance(100)
    s.p.arp(1, NOBODY, ADDR, sha=b"\2\2\2\2\2\2")
    s.message(DECLINE)
    assert s.state == "backing off"


def test_conflicts_without_end():
    # RFC 5227 2.1.1: after ten of them one try a minute
    s = Setup()
    s.rival = ADDR
    for n in range(12):
        s.reply(s.message(DISCOVER), OFFER)
        s.reply(s.message(REQUEST), ACK)
        s.message(DECLINE)
        s.p.advance(10000)
        if n >= 10:
            s.p.expect_nothing()
            s.p.advance(50000)
    assert s.stat("conflicts") == 12
    s.p.take()


# -- lying and broken servers ------------------------------------------------------------------


def test_offers_to_drop():
    # each has a counter, and the good one that follows is taken
    s = Setup()
    m = s.message(DISCOVER)
    for counter, kw in (
        ("in_port", {"sport": 1067}),
        ("in_op", {"op": 1}),
        ("in_op", {"htype": 6}),
        ("in_op", {"hlen": 16}),
        ("in_other", {"chaddr": b"\2\2\2\2\2\2"}),
        ("in_xid", {"xid": bytes(4)}),
        ("in_cookie", {"cookie": 0x63825364}),
        ("in_short", {"opts": b"", "cut": 239}),
        ("in_type", {"opts": b""}),
        ("in_type", {"extra": ((53, None),)}),
        ("in_type", {"extra": ((53, b"\2\2"),)}),
        ("in_type", {"extra": ((53, b"\1"),)}),
        ("in_type", {"extra": ((53, b"\x09"),)}),
        ("in_server", {"extra": ((54, None),)}),
        ("in_server", {"extra": ((54, b"\x0a\0\0"),)}),
        ("in_server", {"server": ALL}),
        ("in_server", {"server": NOBODY}),
        ("in_state", {"kind": ACK}),
        ("in_state", {"kind": NAK}),
        ("in_options", {"opts": options(OFFER) + option(6, b"\x0a", 200), "open_end": True}),
        ("in_options", {"opts": options(OFFER) + b"\x06", "open_end": True}),
        ("in_options", {"extra": ((1, b"\xff\xff\xff"),)}),
        ("in_options", {"extra": ((51, b"\0\0\1"),)}),
        ("in_options", {"opts": options(OFFER) + option(51, number(5))}),  # contradicts itself
        ("in_options", {"opts": options(OFFER) + option(6, bytes(64)) * 4}),
        ("in_options", {"extra": ((52, b"\4"),)}),
        ("in_options", {"extra": ((52, b"\1\1"),)}),
        ("in_options", {"extra": ((52, b"\1"),), "file": option(6, bytes(126), 127)}),
        ("in_options", {"extra": ((52, b"\2"),), "sname": option(6, bytes(62), 255)}),
        ("in_address", {"addr": NOBODY}),
        ("in_address", {"addr": ALL}),
        ("in_address", {"addr": ip("127.0.0.1")}),
        ("in_address", {"addr": ip("224.0.0.1")}),
        ("in_address", {"addr": ip("0.0.0.5")}),
        ("in_address", {"addr": ip("10.0.0.255")}),
        ("in_address", {"addr": ip("10.0.0.0")}),
        ("in_address", {"mask": "255.0.255.0"}),
        ("in_address", {"mask": "0.0.0.0"}),
    ):
        before = s.stat(counter)
        s.reply(m, kw.pop("kind", OFFER), **kw)
        assert s.stat(counter) == before + 1, (counter, kw)
        assert s.state == "selecting"
        s.p.expect_nothing()
    assert "no DHCP lease on eth0" in s.client.failed
    s.reply(m, OFFER)
    s.reply(s.message(REQUEST), ACK)
    s.p.advance(400)
    assert s.client.bound


def test_acks_to_drop():
    s = Setup()
    s.reply(s.message(DISCOVER), OFFER)
    m = s.message(REQUEST)
    for counter, kw in (
        ("in_address", {"addr": ip("10.0.0.78")}),  # not what was asked for
        ("in_server", {"server": ip("10.0.0.9")}),
        ("in_time", {"extra": ((51, None),)}),
        ("in_time", {"lease": 0}),
        ("in_time", {"lease": 1}),
        ("in_state", {"kind": OFFER}),
    ):
        before = s.stat(counter)
        s.reply(m, kw.pop("kind", ACK), **kw)
        assert s.stat(counter) == before + 1, (counter, kw)
        assert s.state == "requesting"
    s.reply(m, ACK)
    assert s.state == "checking"
    s.reply(m, ACK)  # once more
    assert s.stat("in_state") == 2
    s.p.advance(400)
    assert s.client.bound
    s.reply(m, NAK)  # late: nothing was asked
    assert s.client.bound and s.stat("in_state") == 3


def test_prefixes():
    # RFC 3021: /31 and /32 have no broadcast address of their own
    for mask in ("255.255.255.254", "255.255.255.255", "255.0.0.0", "128.0.0.0"):
        s = Setup()
        s.bind(mask=mask)
        assert s.v4.mask == ip(mask)


def full(xid, chaddr, kind):
    extra = (
        (3, SERVER),
        (6, SERVER + ip("10.0.0.3")),
        (15, b"example.com"),
        (26, b"\x05\x14"),
        (42, SERVER),
        (52, b"\3"),
        (58, number(1000)),
        (59, number(2000)),
    )
    return bootp(
        xid,
        chaddr,
        ADDR,
        options(kind, extra),
        file=option(12, b"x") + b"\xff",
        sname=option(66, b"y") + b"\xff",
    )


def test_every_truncation():
    # too short, or with an option cut: dropped and counted; a message cut between two options is
    # taken for what it says
    s = Setup()
    m = s.message(DISCOVER)
    data = full(m.xid, m.chaddr, OFFER)
    taken = 0
    for cut in range(len(data)):
        before = s.stat("in")
        s.raw(data[:cut])
        assert s.stat("in") == before + 1
        if s.state != "selecting":
            taken += 1
            s.start()
            m = s.p.take() and None
            data = full(bytes(s.client._xid), s.p.nic.mac, OFFER)
    assert s.stat("in_short") == 240 and s.stat("in_options") > 40 and taken >= 5, taken
    assert s.st.pool.left == s.st.pool.count


def test_random_flips():
    # whatever comes in whatever state: nothing is raised, the pool is full again, and a lease
    # that is taken is one that can be used
    s = Setup()
    rnd = Random(5)
    rounds = scale(2000)
    bound = 0
    for i in range(rounds):
        kind = rnd.choice((OFFER, ACK, ACK, NAK))
        data = bytearray(full(bytes(s.client._xid), s.p.nic.mac, kind))
        for _ in range(rnd.below(4)):
            at = rnd.below(len(data)) if rnd.percent(30) else 240 + rnd.below(len(data) - 240)
            data[at] ^= 1 + rnd.below(255)
        s.raw(bytes(data), dst=rnd.choice((ALL, ADDR)))
        if rnd.percent(20):
            s.p.advance(rnd.below(2000))
        if s.v4.set:
            bound += 1
            assert 0 < s.v4.addr[0] < 224 and s.v4.addr[0] != 127
            assert 576 <= s.nif.mtu <= 1500
        if s.client.bound and rnd.percent(50):
            s.call("release")
            s.start()
        elif s.state == "backing off":
            s.p.advance(70000)
        s.p.take()
        assert s.st.pool.left >= s.st.pool.count - 1, i  # one frame may wait for ARP
    assert bound > rounds // 50
    for counter in ("in_options", "in_type", "in_server", "in_state", "naks", "acks"):
        assert s.stat(counter) > 0, counter


# -- two interfaces, and a server on a stack ---------------------------------------------------


def test_two_interfaces():
    # one port 68, answers go by the interface they come in on
    s = Setup()
    from hosts import NIC, _attach_link

    nic = NIC(b"\2\0\0\0\0\x42")
    nic.link = lambda: 1
    sent = []
    nic.tx = sent.append
    nif = s.st.add(nic, _attach_link, "eth1")
    second = dhcp.attach(nif)
    assert dhcp.attach(nif) is second and second.port is s.client.port
    s.p.host.settled()
    with inside(s.st):
        nif.set_up(True)
        second.start()
    assert s.st.udp.table.count == 1 and len(sent) == 1
    m = s.message(DISCOVER)
    other = Message(bench.Packet(sent.pop()))
    assert other.chaddr == nic.mac and other.xid != m.xid
    s.reply(other, OFFER)  # by the wrong wire
    assert s.stat("in_other") == 1 and dhcp.STATES[second.state] == "selecting"
    s.reply(m, OFFER)
    s.reply(s.message(REQUEST), ACK)
    s.p.advance(400)
    assert s.client.bound and not second.bound
    s.call("stop")
    assert s.st.udp.table.count == 1  # the other still needs it
    with inside(s.st):
        s.client.release()
        second.stop()
    assert s.st.udp.table.count == 0


class Server:
    """A small DHCP server on a stack of its own, for the lossy wire."""

    def __init__(self, h):
        self.h = h
        self.buf = bytearray(600)
        self.ep = h.st.udp.open()
        self.ep.broadcast = True
        self.seen = []
        with inside(h.st):
            self.ep.bind(h.st.ip4, None, 67)
        self.ep.notify = self.input
        at_end(self.ep.close)

    def input(self, ep):
        n = ep.recv(self.buf, 0, len(self.buf))
        data = bytes(self.buf[:n])
        at = 240
        kind = None
        while at < n and data[at] != 255:
            if data[at] == 53:
                kind = data[at + 2]
            at += 2 + data[at + 1]
        self.seen.append(kind)
        answer = {DISCOVER: OFFER, REQUEST: ACK}.get(kind)
        if answer:
            extra = ((6, self.h.addr),)
            opts = options(answer, extra, server=self.h.addr, lease=120)
            reply = bootp(data[4:8], data[28:34], ADDR, opts)
            ep.nif = self.h.nif
            ep.send(reply, 0, len(reply), self.h.st.ip4, ALL, 68)
            ep.nif = None


def test_lossy_wire():
    # two stacks: a fifth of all frames is lost or hurt, and a lease of 120 s holds for an hour
    for seed in range(scale(10)):
        a, b, wire = bench.pair(
            addr1="0.0.0.0", addr2="10.0.0.1", seed=seed, loss=15, corrupt=5, duplicate=5
        )
        client = dhcp.attach(a.nif)
        a.settled()
        server = Server(b)
        with inside(a.st):
            client.start("lossy")
        assert wire.run(120000, lambda: client.bound), seed
        assert a.nif.v4.addr == ADDR
        held = 0
        for _ in range(60):
            wire.run(60000)
            held += a.nif.v4.set
        assert held >= 55, (seed, held)
        assert server.seen.count(DISCOVER) < 30, server.seen
        with inside(a.st):
            client.release()
        wire.run(5000)


if __name__ == "__main__":
    bench.run_tests(globals())
