# DNS resolver against scripted servers: cache, several servers, aliases, forged and broken
# answers.

import struct
import bench
from bench import Random, at_end, inside, ip, peer, scale
from netstack.services import dns

ENOENT, EIO, ENOMEM, EMSGSIZE, ENETUNREACH, ETIMEDOUT = 2, 5, 12, 90, 101, 110
ECONNREFUSED, EHOSTUNREACH = 111, 113
A, CNAME, SOA, AAAA = 1, 5, 6, 28
NAME = "www.example.com"


# -- messages, made and taken apart without the resolver's code --------------------------------


def wire(name):
    if not name:
        return b"\0"
    return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"


def rr(name, kind, data, ttl=300, cls=1, length=None):
    name = name if isinstance(name, bytes) else wire(name)
    length = len(data) if length is None else length
    return name + struct.pack("!HHIH", kind, cls, ttl, length) + data


def soa(zone="example.com", ttl=300, minimum=300):
    numbers = struct.pack("!IIIII", 1, 2, 3, 4, minimum)
    return rr(zone, SOA, wire("ns." + zone) + b"\0" + numbers, ttl)


def question(name, qtype=A):
    return wire(name) + struct.pack("!HH", qtype, 1)


def message(ident, name, answers=(), auth=(), flags=0x8180, qtype=A, counts=None):
    counts = counts or (1, len(answers), len(auth), 0)
    return (
        struct.pack("!HH", ident, flags)
        + struct.pack("!HHHH", *counts)
        + question(name, qtype)
        + b"".join(answers)
        + b"".join(auth)
    )


class Asked:
    """A question the resolver has sent."""

    def __init__(self, s, packet):
        self.s = s
        self.packet = packet
        data = packet.data
        self.id, flags, qd, an, ns, ar = struct.unpack("!HHHHHH", data[:12])
        assert (flags, qd, an, ns) == (0x0100, 1, 0, 0) and ar <= 1, data
        at = 12
        labels = []
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        self.mixed = ".".join(labels)  # letter for letter
        self.name = self.mixed.lower()
        self.qtype, cls = struct.unpack("!HH", data[at + 1 : at + 5])
        assert cls == 1
        self.server = packet.dst
        self.size = 0  # of an answer, by EDNS0
        rest = data[at + 5 :]
        if ar:
            name, kind, self.size, more, n = struct.unpack("!BHHIH", rest)
            assert (name, kind, more, n) == (0, 41, 0, 0), rest
        else:
            assert not rest

    def raw(self, data, sport=53, src=None, dport=None):
        self.s.p.udp(sport, dport or self.packet.sport, data, src=src or self.server)

    def answer(self, *answers, **kw):
        where = {k: kw.pop(k) for k in ("sport", "src", "dport") if k in kw}
        ident = kw.pop("ident", self.id)
        name = kw.pop("name", self.mixed)
        self.raw(message(ident, name, answers, qtype=kw.pop("qtype", self.qtype), **kw), **where)


class Setup:
    """A host with a resolver; we are its servers, 10.0.0.1 and as many more as are wanted."""

    def __init__(self, servers=1, **kw):
        self.p = peer(**kw)
        self.st = self.p.st
        self.resolver = dns.attach(self.st)
        self.p.host.settled()
        self.servers = [ip("10.0.0.%d" % n) for n in (1, 5, 6, 7)[:servers]]
        self.p.addrs.extend(self.servers)
        with inside(self.st):
            self.resolver.set_servers("eth0", self.servers)
        self.results = []
        at_end(self.end)

    def end(self):
        with inside(self.st):
            for query in list(self.resolver._queries):
                for name, callback in list(query.callbacks):
                    self.resolver.cancel(name, callback)
            self.resolver.flush()

    def got(self, name, addrs, errno):
        self.results.append((name, addrs, errno))

    def query(self, name=NAME, **kw):
        with inside(self.st):
            self.resolver.query(name, self.got, **kw)
            assert not self.results, "called back from within query()"
        self.p.poll()

    def lookup(self, name=NAME):
        with inside(self.st):
            return self.resolver.lookup(name)

    def asked(self, server=None, name=None):
        """The next question on the wire."""
        asked = Asked(self, self.p.expect("udp", dport=53))
        assert server is None or asked.server == self.servers[server], asked.server
        assert name is None or asked.name == name, asked.name
        return asked

    def expect(self, *results):
        assert self.results == list(results), self.results
        self.results.clear()

    def stat(self, name):
        return self.p.host.stat("dns")[name]


ONE = ip("192.0.2.1")
TWO = ip("192.0.2.2")


# -- over IPv6 ---------------------------------------------------------------------------------


def test_server_with_an_ipv6_address():
    # RFC 3596, RFC 3901: the family of the server has nothing to do with that of the answer
    import peer6

    p = peer6.peer()
    resolver = dns.attach(p.st)
    p.host.settled()
    results = []
    addr = b"\x20\x01\x0d\xb8" + bytes(11) + b"\1"
    with inside(p.st):
        resolver.set_servers("eth0", [addr, ip("10.0.0.1")])
        resolver.query(NAME, lambda *result: results.append(result))
    p.poll()
    packet = p.expect("udp", dport=53, dst=addr)
    data = packet.data
    at = data.find(b"\0", 12) + 5
    forged = message(struct.unpack("!H", data[:2])[0] ^ 1, "x", (), qtype=A)
    p.udp(53, packet.sport, forged, src=addr)
    p.udp(53, packet.sport, data[:2] + forged[2:], src=addr[:15] + b"\2")
    assert not results
    body = data[12:at] + rr(b"\xc0\x0c", A, ip("192.0.2.1"))
    answer = data[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0) + body
    p.udp(53, packet.sport, answer, src=addr)
    assert results == [(NAME, [ip("192.0.2.1")], 0)], results
    with inside(p.st):
        resolver.flush()


# -- answers -----------------------------------------------------------------------------------


def test_answer_and_cache():
    # RFC 1035 7.4: an answer is kept for its TTL, and found whatever the case of the name
    s = Setup()
    s.query("WWW.Example.COM.")
    q = s.asked(0, NAME)
    assert q.qtype == A and q.packet.sport >= 49152
    q.answer(rr(b"\xc0\x0c", A, ONE, 10), rr(b"\xc0\x0c", A, TWO, 300))
    s.expect(("WWW.Example.COM.", [ONE, TWO], 0))
    assert s.lookup("www.EXAMPLE.com") == [ONE, TWO]
    s.query()
    s.p.expect_nothing()
    s.expect((NAME, [ONE, TWO], 0))
    s.p.advance(9000)
    assert s.lookup() == [ONE, TWO]
    s.p.advance(1500)  # the smallest TTL counts
    assert s.lookup() is None
    s.query()
    s.asked()


def test_case_of_the_answer():
    # RFC 4343: owners of records are compared without case
    s = Setup()
    s.query()
    s.asked().answer(rr("WWW.eXample.com", A, ONE))
    s.expect((NAME, [ONE], 0))


def test_mixed_case():
    # the question must come back letter for letter (draft-vixie-dnsext-dns0x20)
    s = Setup()
    seen = set()
    for _ in range(4):
        s.query()
        q = s.asked(0, NAME)
        seen.add(q.mixed)
        q.answer(rr(b"\xc0\x0c", A, ONE, 0))
        s.expect((NAME, [ONE], 0))
    assert len(seen) > 1, seen


def test_server_that_loses_the_case():
    # asked again without mixing, by another id and port; whatever comes to the old one is late
    s = Setup()
    s.query()
    q = s.asked()
    assert q.mixed != q.mixed.lower()
    q.answer(rr(b"\xc0\x0c", A, TWO), name=q.mixed.lower())
    s.expect()
    again = s.asked(0)
    assert again.mixed == NAME and again.size == 0
    assert again.id != q.id and again.packet.sport != q.packet.sport
    q.answer(rr(b"\xc0\x0c", A, TWO))
    s.p.take()  # port unreachable
    again.answer(rr(b"\xc0\x0c", A, ONE))
    s.expect((NAME, [ONE], 0))
    assert s.stat("in_case") == 1 and s.stat("out_plain") == 1


def test_port_and_id_change():
    # RFC 5452 section 9: a new id and a new port for every query
    s = Setup()
    seen = set()
    for i in range(8):
        s.query("h%d.example.com" % i)
        q = s.asked()
        seen.add((q.id, q.packet.sport))
        q.answer(rr(b"\xc0\x0c", A, ONE))
        s.results.clear()
    assert len(set(x[0] for x in seen)) == 8 and len(set(x[1] for x in seen)) == 8


def test_ttl_zero_and_top_bit_are_not_kept():
    # RFC 1035 3.2.1, RFC 2181 section 8
    s = Setup()
    for ttl in (0, 0x80000001):
        s.query()
        s.asked().answer(rr(b"\xc0\x0c", A, ONE, ttl))
        s.expect((NAME, [ONE], 0))
        assert s.lookup() is None


def test_long_ttl_outlives_no_clock():
    # a TTL of 60 years is cut to a day, and is forgotten even when nobody asks in between
    s = Setup()
    s.query()
    s.asked().answer(rr(b"\xc0\x0c", A, ONE, 0x7FFFFFFF))
    s.expect((NAME, [ONE], 0))
    s.st._link_timer.stop()  # it would have us poll 180,000 times
    s.p.advance(86000000)
    assert s.lookup() == [ONE]
    s.p.advance(4000000)
    assert s.lookup() is None and not s.resolver._cache


def test_other_records_are_passed_over():
    s = Setup()
    s.query()
    s.asked().answer(
        rr(b"\xc0\x0c", 16, b"\3abc"),
        rr("other.example.com", A, TWO),
        rr(b"\xc0\x0c", A, TWO, cls=3),
        rr(b"\xc0\x0c", A, TWO + b"\0"),
        rr(b"\xc0\x0c", A, ONE),
    )
    s.expect((NAME, [ONE], 0))


def test_aaaa():
    # the question's type is an argument all the way down
    s = Setup()
    addr = b"\x20\x01\x0d\xb8" + bytes(11) + b"\1"
    s.query(qtype=AAAA)
    q = s.asked()
    assert q.qtype == AAAA
    q.answer(rr(b"\xc0\x0c", A, ONE), rr(b"\xc0\x0c", AAAA, addr))
    s.expect((NAME, [addr], 0))
    assert s.lookup() is None


def test_cache_is_bounded():
    s = Setup()
    for i in range(20):
        s.query("h%d.example.com" % i)
        s.asked().answer(rr(b"\xc0\x0c", A, ONE, 100 + i))
        s.results.clear()
    assert len(s.resolver._cache) == 16 and s.stat("evicted") == 4
    assert s.lookup("h3.example.com") is None  # the ones that would have gone first
    assert s.lookup("h4.example.com") == [ONE]


# -- no address --------------------------------------------------------------------------------


def test_no_such_name():
    # RFC 2308 section 5: kept for the shorter of the SOA's TTL and its MINIMUM; for 30 s at most
    s = Setup()
    s.query()
    s.asked().answer(flags=0x8183, auth=[soa(minimum=5)])
    s.expect((NAME, None, ENOENT))
    s.query()
    s.p.expect_nothing()
    s.expect((NAME, None, ENOENT))
    s.p.advance(5001)
    s.query()
    s.asked().answer(flags=0x8180, auth=[soa()])  # there is the name, but no address
    s.expect((NAME, None, ENOENT))
    s.p.advance(29000)
    s.query()
    s.p.expect_nothing()
    s.expect((NAME, None, ENOENT))
    s.p.advance(1001)
    s.query()
    s.asked().answer(flags=0x8183)  # without an SOA it is not kept
    s.expect((NAME, None, ENOENT))
    s.query()
    s.asked()


def test_silence():
    # one server: asked after 0, 1, 3 s; given up after 7 s
    s = Setup()
    start = s.p.clock.ms
    times = []
    s.query()
    while not s.results:
        for packet in s.p.take():
            times.append(s.p.clock.ms - start)
        s.p.advance(100)
    assert times == [0, 1000, 3000], times
    assert 7000 <= s.p.clock.ms - start <= 7200
    s.expect((NAME, None, ETIMEDOUT))
    assert s.stat("timeouts") == 3 and s.stat("failed") == 1


def test_four_silent_servers():
    # all are asked in turn, and the whole takes 10 s
    s = Setup(4)
    start = s.p.clock.ms
    s.query()
    seen = []
    while not s.results:
        seen.extend(packet.dst[3] for packet in s.p.take())
        s.p.advance(100)
    assert seen == [1, 5, 6, 7, 1, 5, 6], seen
    assert 10000 <= s.p.clock.ms - start <= 10200
    s.expect((NAME, None, ETIMEDOUT))


def test_second_server_answers():
    s = Setup(2)
    s.query()
    s.asked(0)
    s.p.advance(1000)
    s.asked(1).answer(rr(b"\xc0\x0c", A, ONE))
    s.expect((NAME, [ONE], 0))


def test_silent_server_comes_last():
    # for a minute; an answer makes it one like the others
    s = Setup(2)
    s.query()
    s.asked(0)
    s.p.advance(1000)
    s.asked(1).answer(rr(b"\xc0\x0c", A, ONE))
    s.results.clear()
    s.query("b.example.com")
    s.asked(1)
    s.p.advance(1000)
    s.asked(0).answer(rr(b"\xc0\x0c", A, ONE))
    s.results.clear()
    s.query("c.example.com")
    s.asked(0).answer(rr(b"\xc0\x0c", A, ONE))
    s.results.clear()
    assert s.resolver.servers_in_use() == s.servers  # for people nothing has changed
    s.p.advance(60000)
    assert s.resolver.servers_to_ask() == s.servers and not s.resolver._silent


def test_late_answer_of_the_first_server():
    s = Setup(2)
    s.query()
    first = s.asked(0)
    s.p.advance(1000)
    s.asked(1)
    first.answer(rr(b"\xc0\x0c", A, ONE))
    s.expect((NAME, [ONE], 0))


def test_refusals():
    # SERVFAIL, REFUSED: the next server at once; when all have refused that is the result
    s = Setup(2)
    s.query()
    s.asked(0).answer(flags=0x8182)
    s.asked(1).answer(flags=0x8185)
    s.expect((NAME, None, EIO))
    assert s.stat("in_refused") == 2
    s.query()
    s.asked(0).answer(flags=0x8182)
    s.asked(1).answer(rr(b"\xc0\x0c", A, ONE))
    s.expect((NAME, [ONE], 0))


def test_refusal_twice():
    # a refusal that comes twice, or late, speaks for its server alone
    s = Setup(2)
    s.query()
    first = s.asked(0)
    first.answer(flags=0x8182)
    second = s.asked(1)
    first.answer(flags=0x8182)
    s.expect()
    s.p.expect_nothing()
    second.answer(rr(b"\xc0\x0c", A, ONE))
    s.expect((NAME, [ONE], 0))


def test_edns():
    # RFC 6891 6.1.2: we take 1232 bytes, or what fits into our own packets
    for mtu, size in ((1500, 1232), (1000, 972), (576, 548), (300, 0)):
        s = Setup()
        s.p.nif.mtu = mtu
        s.query()
        q = s.asked()
        assert q.size == size, (mtu, q.size)
        count = (size or 512) // 16 - 4
        q.answer(rr(b"\xc0\x0c", A, ONE), *[rr(b"\xc0\x0c", A, TWO)] * (count - 1))
        assert s.results[0][1][:2] == [ONE, TWO], s.results
        s.results.clear()


def test_edns_not_known():
    # RFC 6891 section 7: FORMERR or NOTIMP, then without; another server is not troubled
    for flags in (0x8181, 0x8184):
        s = Setup(2)
        s.query()
        s.asked(0).answer(flags=flags)
        again = s.asked(0)
        assert again.size == 0 and again.mixed == NAME
        again.answer(rr(b"\xc0\x0c", A, ONE))
        s.expect((NAME, [ONE], 0))
        s.query("b.example.com")
        s.asked(0).answer(flags=flags)
        s.asked(0).answer(flags=flags)
        s.asked(1).answer(rr(b"\xc0\x0c", A, ONE))
        s.expect(("b.example.com", [ONE], 0))


def opt(high=0, version=0):
    return rr("", 41, b"", high << 24 | version << 16, 4096)


def test_edns_version_not_known():
    # RFC 6891 6.1.3: BADVERS, 16, has its upper bits in the OPT record
    s = Setup()
    s.query()
    s.asked().answer(auth=[opt(1)], counts=(1, 0, 0, 1))
    again = s.asked(0)
    assert again.size == 0
    again.answer(rr(b"\xc0\x0c", A, ONE), opt(0), counts=(1, 1, 0, 1))
    s.expect((NAME, [ONE], 0))


def test_upper_bits_of_the_code():
    # RFC 6891 6.1.3: 0 with upper bits is no success, 3 with upper bits is not "no such name"
    s = Setup()
    for flags in (0x8180, 0x8183):
        s.query()
        s.asked().answer(rr(b"\xc0\x0c", A, ONE), opt(2), flags=flags, counts=(1, 1, 0, 1))
        s.expect((NAME, None, EIO))


def test_last_round_is_plain():
    # a server, or what stands before it, may drop what it does not know
    s = Setup()
    s.query()
    seen = [s.asked()]
    for ms in (1000, 2000):
        s.p.advance(ms)
        seen.append(s.asked())
    assert [q.size for q in seen] == [1232, 1232, 0]
    assert seen[2].mixed == NAME
    seen[2].answer(rr(b"\xc0\x0c", A, ONE))
    s.expect((NAME, [ONE], 0))


# -- over TCP ----------------------------------------------------------------------------------


class Called:
    """The server's end of a TCP connection that the resolver opens."""

    def __init__(self, s):
        self.s = s
        syn = s.p.expect("tcp", dport=53, flags="S")
        self.f = s.p.flow(53, syn.sport)
        self.f.irs = syn.seq
        self.f.rcv_nxt = 1

    def accept(self):
        """The question that comes, without its length."""
        self.f.tcp("SA", opts=bench.opt_mss(1460))
        data = b""
        for packet in self.s.p.take():
            if packet.kind == "tcp":
                data += packet.data
        self.f.rcv_nxt += len(data)
        assert struct.unpack("!H", data[:2])[0] == len(data) - 2
        return data[2:]

    def send(self, data, step=None):
        step = step or 1460  # what fits into a frame
        for at in range(0, len(data), step):
            self.f.tcp("A", data=data[at : at + step])
        self.s.p.take()


def tcp_setup(servers=1):
    """A query whose answer was cut short, and the server's end of what follows."""
    s = Setup(servers, tcp=True)
    s.query()
    q = s.asked(0)
    q.answer(rr(b"\xc0\x0c", A, TWO), flags=0x8380)
    return s, q, Called(s)


def framed(data):
    return struct.pack("!H", len(data)) + data


def test_truncated():
    # RFC 2181 section 9, RFC 7766 section 5: what is truncated is not used, but asked for over TCP
    for step in (None, 1, 7):
        s, q, c = tcp_setup()
        asked = c.accept()
        assert asked[:2] == struct.pack("!H", q.id) and asked[12:] == question(q.mixed), asked
        assert asked[2:12] == struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0)
        records = [rr(b"\xc0\x0c", A, ip("192.0.2.%d" % n)) for n in range(1, 100)]
        c.send(framed(message(q.id, q.mixed, records)), step)
        s.expect((NAME, [ip("192.0.2.%d" % n) for n in range(1, 9)], 0))
        assert s.stat("in_truncated") == 1 and s.stat("out_tcp") == 1
        assert s.lookup() and not s.resolver._queries


def test_truncated_with_lying_counts():
    s = Setup(tcp=True)
    s.query()
    s.asked(0).answer(flags=0x8380, counts=(1, 9, 0, 0))
    Called(s)
    assert s.stat("in_truncated") == 1 and s.stat("in_bad") == 0


def test_tcp_answers_that_are_wrong():
    # the server is of no use, the next one is asked at once; nothing is left of the connection
    good = [rr(b"\xc0\x0c", A, ONE)]
    for counter, make in (
        ("in_id", lambda q: message(q.id ^ 1, q.mixed, good)),
        ("in_question", lambda q: message(q.id, "other.example.com", good)),
        ("in_flags", lambda q: message(q.id, q.mixed, good, flags=0x0100)),
        ("in_bad", lambda q: message(q.id, q.mixed, good, counts=(1, 2, 0, 0))),
        ("in_short", lambda q: b"\0" * 11),
        ("in_truncated", lambda q: message(q.id, q.mixed, good, flags=0x8380)),
        ("in_refused", lambda q: message(q.id, q.mixed, flags=0x8182)),
    ):
        s, q, c = tcp_setup(2)
        c.accept()
        before = s.stat(counter)
        c.f.tcp("A", data=framed(make(q)))
        assert s.stat(counter) == before + 1, counter
        asked = [packet for packet in s.p.take() if packet.kind == "udp"]
        assert len(asked) == 1 and asked[0].dst == s.servers[1], counter
        Asked(s, asked[0]).answer(rr(b"\xc0\x0c", A, TWO))
        s.expect((NAME, [TWO], 0))


def test_tcp_case_does_not_matter():
    s, q, c = tcp_setup()
    c.accept()
    c.send(framed(message(q.id, q.mixed.lower(), [rr(b"\xc0\x0c", A, ONE)])))
    s.expect((NAME, [ONE], 0))


def test_tcp_lengths():
    # none, or more than 4096 bytes: not taken; 4096 are
    for n in (0, 4097, 65535):
        s, q, c = tcp_setup()
        c.accept()
        c.send(struct.pack("!H", n) + b"\0")
        s.expect((NAME, None, EMSGSIZE))
    s, q, c = tcp_setup()
    c.accept()
    c.f.wnd = 65535
    head = message(q.id, q.mixed, [rr(b"\xc0\x0c", A, ONE)], counts=(1, 2, 0, 0))
    head += rr(b"\xc0\x0c", 16, bytes(4096 - len(head) - 12))
    assert len(head) == 4096
    c.send(framed(head), 1000)
    s.expect((NAME, [ONE], 0))


def test_tcp_refused_and_cut_off():
    # a reset, or the end in the middle: the next server
    for cut in (False, True):
        s, q, c = tcp_setup(2)
        if cut:
            c.accept()
            c.f.tcp("A", data=b"\0\x50abc")
            c.f.tcp("FA")
        else:
            c.f.tcp("RA", seq=0)
        asked = [packet for packet in s.p.take() if packet.kind == "udp"]
        assert len(asked) == 1 and asked[0].dst == s.servers[1]
        Asked(s, asked[0]).answer(rr(b"\xc0\x0c", A, TWO))
        s.expect((NAME, [TWO], 0))


def test_tcp_silence():
    # 5 s for TCP, 10 s for the whole
    s, q, c = tcp_setup()
    start = s.p.clock.ms
    while not s.results:
        s.p.advance(100)
        for packet in s.p.take():
            if packet.kind == "udp":
                Asked(s, packet).answer(flags=0x8380)
    s.expect((NAME, None, ETIMEDOUT))
    assert 9900 <= s.p.clock.ms - start <= 10200, s.p.clock.ms - start


def test_tcp_cancelled():
    s, q, c = tcp_setup()
    c.accept()
    with inside(s.st):
        s.resolver.cancel(NAME, s.got)
    s.p.poll()
    assert not list(s.st.tcp.connections()) and not s.resolver._queries
    s.p.expect("tcp", dport=53)


def test_many_forged_answers():
    # after 16 wrong ones the question goes where they cannot be forged (RFC 5452 section 6)
    s = Setup(tcp=True)
    s.query()
    q = s.asked()
    for n in range(15):
        q.answer(rr(b"\xc0\x0c", A, TWO), ident=q.id + 1 + n & 0xFFFF)
    s.p.expect_nothing()
    q.answer(rr(b"\xc0\x0c", A, TWO), ident=q.id ^ 0x8000)
    c = Called(s)
    c.accept()
    q.answer(rr(b"\xc0\x0c", A, TWO), ident=q.id ^ 0x8000)
    c.send(framed(message(q.id, q.mixed, [rr(b"\xc0\x0c", A, ONE)])))
    s.expect((NAME, [ONE], 0))


# -- ICMP --------------------------------------------------------------------------------------


def unreachable(s, q, kind=3, code=3, sport=None, dport=53, dst=None):
    p = s.p
    src = p.host.addr
    dst = dst or q.server
    quoted = bench.udp(src, dst, sport or q.packet.sport, dport, q.packet.data)
    quoted = bench.ip4(src, dst, 17, quoted)
    p.send(p.ip_frame(1, bench.icmp(kind, code, b"\0\0\0\0", quoted[:28]), src=dst))


def test_port_unreachable():
    # RFC 1122 4.1.3.3: nobody listens there, so the next server is asked at once
    s = Setup(2)
    s.query()
    q = s.asked(0)
    for other in (
        {"sport": q.packet.sport ^ 1},
        {"dport": 54},
        {"dst": s.servers[1]},  # not asked yet
        {"dst": ip("10.0.0.99")},
    ):
        unreachable(s, q, **other)
        s.p.expect_nothing()
    unreachable(s, q, code=4)  # too long: not about a port
    s.p.expect_nothing()
    unreachable(s, q)
    q = s.asked(1)
    unreachable(s, q, code=1)  # no such host
    s.expect((NAME, None, EHOSTUNREACH))
    assert s.stat("in_unreachable") == 2


def test_port_unreachable_alone():
    s = Setup()
    s.query()
    unreachable(s, s.asked())
    s.expect((NAME, None, ECONNREFUSED))


def test_server_without_mac():
    # nobody answers ARP for the first server: the second one is asked, the query succeeds
    s = Setup(2)
    s.p.addrs.remove(s.servers[0])
    s.query()
    while not s.results:
        s.p.advance(100)
        for packet in s.p.take():
            Asked(s, packet).answer(rr(b"\xc0\x0c", A, ONE))
    s.expect((NAME, [ONE], 0))


def test_no_server_and_no_route():
    s = Setup(0)
    s.query()
    s.expect((NAME, None, ENETUNREACH))
    s.p.expect_nothing()
    with inside(s.st):
        s.resolver.servers = [ip("198.51.100.1"), ip("198.51.100.2")]
    s.query()
    s.expect((NAME, None, ENETUNREACH))
    assert s.stat("out_failed") == 2


def test_servers_by_owner():
    s = Setup()
    with inside(s.st):
        s.resolver.set_servers("wlan0", [ip("10.0.0.9"), ip("10.0.0.1")])
        s.resolver.servers = [ip("10.0.0.8")]
    assert [a[3] for a in s.resolver.servers_in_use()] == [8, 1, 9]
    with inside(s.st):
        s.resolver.set_servers("eth0", [])
        s.resolver.set_servers("eth0", [])
    assert [a[3] for a in s.resolver.servers_in_use()] == [8, 9, 1]


# -- several at once ---------------------------------------------------------------------------


def test_several_and_merged():
    s = Setup()
    s.query("a.example.com")
    s.query("b.example.com")
    s.query("A.example.com")
    a = s.asked(name="a.example.com")
    b = s.asked(name="b.example.com")
    s.p.expect_nothing()
    assert s.stat("merged") == 1
    b.answer(rr(b"\xc0\x0c", A, TWO))
    a.answer(rr(b"\xc0\x0c", A, ONE))
    s.expect(("b.example.com", [TWO], 0), ("a.example.com", [ONE], 0), ("A.example.com", [ONE], 0))


def test_too_many_at_once():
    s = Setup()
    for i in range(17):
        s.query("h%d.example.com" % i)
    s.expect(("h16.example.com", None, ENOMEM))


def test_cancel():
    s = Setup()
    other = []

    def second(name, addrs, errno):
        other.append(addrs)

    s.query()
    with inside(s.st):
        s.resolver.query(NAME, second)
        s.resolver.cancel(NAME, s.got)
    s.asked().answer(rr(b"\xc0\x0c", A, ONE))
    assert other == [[ONE]]
    s.expect()
    with inside(s.st):
        s.resolver.query("b.example.com", second)
        s.resolver.cancel("b.example.com", second)
        s.resolver.query(NAME, second)  # cached: it waits for the end of the batch
        s.resolver.cancel(NAME, second)
    s.asked().answer(rr(b"\xc0\x0c", A, ONE))
    s.p.advance(20000)
    assert other == [[ONE]] and not s.resolver._queries
    s.p.take()


def test_callback_that_raises():
    # those after it are told all the same
    s = Setup()

    def bad(name, addrs, errno):
        raise KeyError(name)

    with inside(s.st):
        s.resolver.query("localhost", bad)
        s.resolver.query("localhost", s.got)
        try:
            s.st.leave()
        except KeyError:
            pass
        else:
            raise AssertionError("nothing was raised")
        s.st.enter()
    s.p.poll()
    s.expect(("localhost", [ip("127.0.0.1")], 0))


def test_no_memory_for_a_query():
    # whoever asks is told, and nothing is left that would wait for ever
    s = Setup()
    free_port = s.st.udp.free_port

    def fail():
        raise MemoryError

    s.st.udp.free_port = fail
    try:
        with inside(s.st):
            try:
                s.resolver.query(NAME, s.got)
            except MemoryError:
                pass
            else:
                raise AssertionError("no MemoryError")
    finally:
        s.st.udp.free_port = free_port
    assert not s.resolver._queries
    s.query()
    s.asked().answer(rr(b"\xc0\x0c", A, ONE))
    s.expect((NAME, [ONE], 0))


def test_callback_asks_again():
    s = Setup()
    done = []

    def first(name, addrs, errno):
        done.append(addrs)
        s.resolver.query("b.example.com", s.got)

    with inside(s.st):
        s.resolver.query(NAME, first)
    s.p.poll()
    s.asked().answer(rr(b"\xc0\x0c", A, ONE))
    s.asked(name="b.example.com").answer(rr(b"\xc0\x0c", A, TWO))
    s.expect(("b.example.com", [TWO], 0))


# -- aliases -----------------------------------------------------------------------------------


def test_alias_in_the_answer():
    # RFC 1034 3.6.2; the order of the records does not matter
    s = Setup()
    s.query()
    s.asked().answer(
        rr("c.example.net", A, ONE, 50),
        rr("b.example.net", CNAME, wire("c.example.net"), 40),
        rr(b"\xc0\x0c", CNAME, wire("b.example.net"), 7),
    )
    s.expect((NAME, [ONE], 0))
    s.p.advance(6900)
    assert s.lookup() == [ONE]
    s.p.advance(200)
    assert s.lookup() is None


def test_alias_that_leaves_the_answer():
    s = Setup()
    s.query()
    first = s.asked()
    first.answer(rr(b"\xc0\x0c", CNAME, wire("b.example.net")))
    s.expect()
    second = s.asked(name="b.example.net")
    assert second.packet.sport != first.packet.sport
    second.answer(rr(b"\xc0\x0c", A, ONE))
    s.expect((NAME, [ONE], 0))
    assert s.lookup() == [ONE]


def test_alias_of_nothing():
    s = Setup()
    s.query()
    s.asked().answer(rr(b"\xc0\x0c", CNAME, wire("b.example.net")), auth=[soa("example.net")])
    s.expect((NAME, None, ENOENT))
    s.query("c.example.com")
    s.asked().answer(rr(b"\xc0\x0c", CNAME, wire("b.example.net")), flags=0x8183)
    s.expect(("c.example.com", None, ENOENT))


def test_aliases_in_a_circle():
    s = Setup()
    s.query()
    s.asked().answer(
        rr(b"\xc0\x0c", CNAME, wire("b.example.net")), rr("b.example.net", CNAME, wire(NAME))
    )
    s.expect((NAME, None, EIO))
    s.query("self.example.com")
    s.asked().answer(rr(b"\xc0\x0c", CNAME, b"\xc0\x0c"))
    s.expect(("self.example.com", None, EIO))
    assert s.stat("in_alias") == 2


def test_aliases_without_end():
    # every answer leads to another question: eight of them, then it is over
    s = Setup()
    s.query()
    n = 0
    while not s.results:
        s.asked().answer(rr(b"\xc0\x0c", CNAME, wire("h%d.example.net" % n)))
        n += 1
    s.expect((NAME, None, EIO))
    assert n == 9, n


# -- search list -------------------------------------------------------------------------------


def search_setup(*domains):
    s = Setup()
    with inside(s.st):
        s.resolver.set_servers("eth0", s.servers, domains)
    return s


def test_search():
    # a single label is tried with each domain, as it is last (RFC 1535 section 6)
    s = search_setup("a.test", "B.Test.")
    s.query("Printer")
    s.asked(name="printer.a.test").answer(flags=0x8183, auth=[soa("test")])
    s.asked(name="printer.b.test").answer(rr(b"\xc0\x0c", A, ONE))
    s.expect(("Printer", [ONE], 0))
    assert s.lookup("printer") == [ONE]
    s.query("printer")
    s.p.expect_nothing()
    s.expect(("printer", [ONE], 0))
    s.query("other")
    for name in ("other.a.test", "other.b.test", "other"):
        s.asked(name=name).answer(flags=0x8183)
    s.expect(("other", None, ENOENT))


def test_search_is_not_for_all_names():
    s = search_setup("a.test")
    for name in ("www.example.com", "printer."):
        s.query(name)
        s.asked(name=name.rstrip(".")).answer(flags=0x8183)
        s.expect((name, None, ENOENT))
    s.resolver.ndots = 3
    s.query("www.example.com")
    s.asked(name="www.example.com.a.test").answer(rr(b"\xc0\x0c", A, ONE))
    s.expect(("www.example.com", [ONE], 0))
    for name in ("localhost", "127.0.0.1"):
        s.query(name)
        s.expect((name, [ip("127.0.0.1")], 0))


def test_search_ends_with_trouble():
    # silence or a refusal tells nothing about the name: no other name may be taken for it
    s = search_setup("a.test", "b.test")
    s.query("printer")
    s.asked(name="printer.a.test").answer(flags=0x8182)
    s.p.expect_nothing()
    s.expect(("printer", None, EIO))


def test_search_cancelled():
    s = search_setup("a.test", "b.test")
    s.query("printer")
    s.asked()
    with inside(s.st):
        s.resolver.cancel("printer", s.got)
    assert not s.resolver._queries and not s.resolver.searches
    s.p.advance(10000)
    s.expect()


def test_search_list_is_bounded():
    # impossible domains are left out, those that make the name too long as well
    long = ".".join(["x" * 60] * 4)
    s = search_setup("a b", "", "..", long, *["d%d.test" % n for n in range(9)])
    assert s.resolver.domains_in_use() == [long] + ["d%d.test" % n for n in range(5)]
    s.query("abcdefghijk")
    s.asked(name="abcdefghijk.d0.test")
    with inside(s.st):
        s.resolver.search = ["hand.test", "d0.test"]
    assert s.resolver.domains_in_use()[:3] == ["hand.test", "d0.test", long]


# -- known without asking ----------------------------------------------------------------------


def test_hosts():
    # the table comes first; a name that has one family here has none of the other
    s = Setup()
    s.resolver.hosts["printer"] = [ip("10.0.0.9")]
    s.resolver.hosts["www.example.com"] = [ONE, b"\xfd" + bytes(15)]
    for name in ("PRINTER", "printer."):
        s.query(name)
        s.expect((name, [ip("10.0.0.9")], 0))
    s.query(qtype=AAAA)
    s.expect((NAME, [b"\xfd" + bytes(15)], 0))
    s.query("printer", qtype=AAAA)
    s.expect(("printer", None, ENOENT))
    assert s.lookup("printer") == [ip("10.0.0.9")]
    s.p.expect_nothing()


def test_no_such_name_of_any_type():
    # RFC 2308 section 5: NXDOMAIN is about the name, an empty answer about its type
    s = Setup()
    s.query()
    s.asked().answer(flags=0x8183, auth=[soa()])
    s.expect((NAME, None, ENOENT))
    s.query(qtype=AAAA)
    s.p.expect_nothing()
    s.expect((NAME, None, ENOENT))
    s.query("b.example.com")
    s.asked().answer(auth=[soa()])
    s.results.clear()
    s.query("b.example.com", qtype=AAAA)
    s.asked()


def test_local_names():
    # RFC 6761 6.3
    s = Setup()
    for name, addr in (
        ("localhost", ip("127.0.0.1")),
        ("LocalHost.", ip("127.0.0.1")),
        ("a.localhost", ip("127.0.0.1")),
        ("192.0.2.255", ip("192.0.2.255")),
        ("0.0.0.0", ip("0.0.0.0")),
    ):
        assert s.lookup(name) == [addr], name
        s.query(name)
        s.expect((name, [addr], 0))
    s.p.expect_nothing()


def test_impossible_names():
    s = Setup()
    bad = ("", ".", "a..b", ".a", "a" * 64 + ".com", "a b", "b\xfccher.de", "1.2.3", "1.2.3.256")
    for name in bad + ("1.2.3.4.5", "a.1", "1.2..3", "x." * 127 + "y", "a\0b", "a/b"):
        for function in (lambda: s.query(name), lambda: s.lookup(name)):
            try:
                function()
            except ValueError as error:
                assert name == "" or repr(name) in str(error), error
            else:
                raise AssertionError("%r was taken" % name)
    s.query("a" * 63 + "." + "x." * 94 + "y")  # 253 characters
    s.asked()
    s.p.expect_nothing()


# -- forged and broken answers -----------------------------------------------------------------


def test_forged_answers():
    # RFC 5452 section 9: each is dropped under its own counter, and the true one still counts
    s = Setup(2)
    s.query()
    q = s.asked(0)
    good = rr(b"\xc0\x0c", A, TWO)
    for counter, kw in (
        ("in_source", {"src": ip("10.0.0.99")}),
        ("in_source", {"src": s.servers[1]}),  # not asked yet
        ("in_source", {"sport": 54}),
        ("in_id", {"ident": q.id ^ 1}),
        ("in_flags", {"flags": 0x0100}),
        ("in_flags", {"flags": 0x9180}),
        ("in_question", {"name": "www.example.org"}),
        ("in_question", {"name": "www.example.com.a"}),
        ("in_question", {"qtype": AAAA}),
        ("in_question", {"counts": (0, 1, 0, 0)}),
        ("in_question", {"counts": (2, 1, 0, 0)}),
        ("in_bad", {"counts": (1, 2, 0, 0)}),
        ("in_bad", {"counts": (1, 65535, 65535, 65535)}),
        ("in_bad", {"counts": (1, 1, 0, 1)}),
    ):
        before = s.stat(counter)
        q.answer(good, **kw)
        assert s.stat(counter) == before + 1, (counter, kw)
        s.expect()
    before = s.p.host.stat("udp")["in_noport"]
    q.answer(good, dport=q.packet.sport ^ 1)
    assert s.p.host.stat("udp")["in_noport"] == before + 1
    s.p.take()
    q.answer(good, auth=[bytes(1250)], counts=(1, 1, 0, 0))
    assert s.stat("in_long") == 1
    q.answer(rr(b"\xc0\x0c", A, ONE))
    s.expect((NAME, [ONE], 0))


def test_pointers_that_loop():
    # RFC 1035 4.1.4: a pointer leads to a prior name; to itself, ahead, or in a ring: none does
    s = Setup()
    s.query()
    q = s.asked()
    here = 12 + len(question(q.mixed))
    header = struct.pack("!HHHHHH", q.id, 0x8180, 1, 1, 0, 0)
    to = lambda at: struct.pack("!H", 0xC000 | at)  # noqa: E731
    for name in (
        b"\x40" + bytes(64),  # RFC 6891 section 5: no such label type
        b"\x80\0",
        b"\x3f" + b"x" * 20,  # a label that runs past the end
        b"\x05abc",
    ):
        before = s.stat("in_bad")
        q.raw(header + question(q.mixed) + (rr(name, A, ONE) if name[0] & 0xC0 else name))
        assert s.stat("in_bad") == before + 1, name
        s.expect()
    before = s.stat("in_question")
    for first in (to(12), to(14), b"\1a" + to(12), to(0x3FFF), b"\1a" + to(18) + to(12)):
        q.raw(header + first + struct.pack("!HH", A, 1) + rr(to(12), A, ONE))
        before += 1
        assert s.stat("in_question") == before, first
        s.expect()
    # an owner that cannot be read is not ours: the record after it still counts
    loops = (to(here), to(here + 2), b"\1a" + to(here), to(0x3FFF))
    records = [rr(name, A, TWO) for name in loops]
    header = struct.pack("!HHHHHH", q.id, 0x8180, 1, len(records) + 1, 0, 0)
    q.raw(header + question(q.mixed) + b"".join(records) + rr(b"\xc0\x0c", A, ONE))
    s.expect((NAME, [ONE], 0))


def test_alias_that_cannot_be_read():
    # a CNAME whose target loops, or grows beyond 255 bytes: the server is of no use
    long_name = b"".join(b"\x3f" + b"x" * 63 for _ in range(4)) + b"\0"
    here = 12 + len(question(NAME)) + 12
    for target in (struct.pack("!H", 0xC000 | here), long_name, b"\3a"):
        s = Setup()
        s.query()
        s.asked().answer(rr(b"\xc0\x0c", CNAME, target))
        s.expect((NAME, None, EIO))
        assert s.stat("in_bad") == 1, target


def full_answer(q):
    return message(
        q.id if q else 0,
        q.mixed if q else NAME,
        (
            rr(b"\xc0\x0c", CNAME, b"\1b\xc0\x10"),
            rr(b"\1b\xc0\x10", A, ONE),
            rr(b"\1b\xc0\x10", A, TWO),
        ),
        (soa(),),
    )


def test_every_truncation():
    s = Setup()
    n = len(full_answer(None))
    for cut in range(n):
        s.query()
        q = s.asked()
        q.raw(full_answer(q)[:cut])
        assert not s.results, cut
        q.raw(full_answer(q))
        s.expect((NAME, [ONE, TWO], 0))
        s.st.dns.flush()
        s.p.take()
    assert s.stat("in_short") == 12 and s.stat("in_question") > 0
    assert s.stat("in_short") + s.stat("in_question") + s.stat("in_bad") == n


def test_random_flips():
    # whatever comes, nothing is raised, the query ends, and the pool is full again
    s = Setup(2)
    rnd = Random(7)
    rounds = scale(2000)
    ended = 0
    for i in range(rounds):
        s.query()
        q = s.asked(0)
        data = bytearray(full_answer(q))
        for _ in range(1 + rnd.below(4)):
            data[rnd.below(len(data))] ^= 1 + rnd.below(255)
        if rnd.percent(20):
            data[2 + rnd.below(10)] = rnd.below(256)
        q.raw(bytes(data))
        ended += bool(s.results)
        with inside(s.st):
            s.resolver.cancel(NAME, s.got)
            s.resolver.flush()
        s.results.clear()
        s.p.take()
        pool = s.st.pool
        assert pool.left == pool.count and not s.resolver._queries
    assert rounds // 10 < ended < rounds
    for counter in ("in_id", "in_question", "in_bad", "in_refused", "in_flags"):
        assert s.stat(counter) > 0, counter


def test_random_garbage():
    s = Setup(tcp=True)
    rnd = Random(8)
    s.query()
    q = s.asked()
    head = full_answer(q)[: 12 + len(question(NAME))]
    for i in range(scale(1000)):
        body = rnd.bytes(rnd.below(200))
        q.raw((head if i & 1 else head[:2]) + body)
        s.p.take()
        if not s.resolver._queries:
            s.results.clear()
            s.resolver.flush()
            s.query()
            q = s.asked()
            head = full_answer(q)[: 12 + len(question(NAME))]


def test_empty_pool():
    # an empty pool loses the question; it is repeated
    s = Setup()
    pool = s.st.pool
    held = []
    while pool.left:
        held.append(pool.alloc(True))
    s.query()
    s.p.expect_nothing()
    assert s.stat("out_failed") == 1
    for fr in held:
        pool.release(fr)
    s.p.advance(1000)
    s.asked().answer(rr(b"\xc0\x0c", A, ONE))
    s.expect((NAME, [ONE], 0))


if __name__ == "__main__":
    bench.run_tests(globals())
