# lib: services/dns_forward_tcp.py, services/dns_forward.py
# DNS forwarder against scripted clients and servers: passing on, captive portal, forged answers,
# floods.

import struct
import bench
from bench import Random, at_end, inside, ip, scale
from netstack.services import dns

bench.optional("services.dns_forward_tcp")
dns_forward = bench.optional("services.dns_forward")

A, TXT, AAAA = 1, 16, 28
CLIENT = ip("10.0.0.1")
SERVERS = [ip("10.0.0.5"), ip("10.0.0.6")]
US = ip("10.0.0.2")


def wire(name):
    return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".") if x) + b"\0"


def query(ident, name, qtype=A, flags=0x0100, counts=(1, 0, 0, 0), rest=b""):
    body = wire(name) + struct.pack("!HH", qtype, 1) + rest
    return struct.pack("!HHHHHH", ident, flags, *counts) + body


def answer(data, addr, flags=0x8180):
    body = data[12:]
    body += b"\xc0\x0c" + struct.pack("!HHIH", A, 1, 300, 4) + addr
    return data[:2] + struct.pack("!HHHHH", flags, 1, 1, 0, 0) + body


ONE = ip("192.0.2.1")


class Setup:
    def __init__(self, servers=1, captive=False, **kw):
        self.p = bench.peer(**kw)
        self.st = self.p.st
        self.p.addrs.extend(SERVERS)
        self.resolver = dns.attach(self.st)
        self.resolver.servers = SERVERS[:servers]
        self.f = dns_forward.attach(self.st)
        self.p.host.settled()
        with inside(self.st):
            self.f.start([self.p.nif], captive)
        at_end(self.end)

    def end(self):
        with inside(self.st):
            self.f.stop()

    def ask(self, data, port=5000, **kw):
        self.p.udp(port, 53, data, **kw)

    def passed(self, server=0):
        return self.p.expect("udp", dport=53, dst=SERVERS[server])

    def reply(self, packet, data, src=None, sport=53, dport=None):
        self.p.udp(sport, dport or packet.sport, data, src=src or packet.dst)

    def told(self, port=5000):
        return self.p.expect("udp", sport=53, dport=port, src=US, dst=CLIENT).data

    def stat(self, name):
        return self.p.host.stat("dnsd")[name]

    def under_way(self):
        return len(self.f._relays)


def test_passed_on():
    # RFC 5625 section 4: whatever is asked for, with an id and a port of our own
    s = Setup()
    for qtype, rest in ((A, b""), (TXT, b""), (A, b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0))):
        data = query(
            0x1234, "www.Example.com", qtype, counts=(1, 0, 0, 1 if rest else 0), rest=rest
        )
        s.ask(data)
        packet = s.passed()
        assert packet.data[2:] == data[2:] and packet.sport >= 49152
        said = answer(packet.data, ONE) + bytes(700)
        s.reply(packet, said)
        assert s.told() == data[:2] + said[2:]
        assert s.under_way() == 0
    assert s.stat("answers") == 3


def test_ids_and_ports_differ():
    s = Setup()
    seen = set()
    for n in range(8):
        s.ask(query(7, "h%d.test" % n), 5000 + n)
        packet = s.passed()
        seen.add((packet.data[:2], packet.sport))
    assert len(set(i for i, _ in seen)) == 8 and len(set(p for _, p in seen)) == 8
    assert s.under_way() == 8


def test_several_clients():
    s = Setup()
    packets = []
    for n in range(3):
        s.ask(query(7, "h%d.test" % n), 5000 + n)
        packets.append(s.passed())
    for n in (2, 0, 1):
        s.reply(packets[n], answer(packets[n].data, ONE))
        assert s.told(5000 + n)[:2] == b"\0\7"


def test_forged_answers():
    # RFC 5452 section 9: each is dropped, and the true one still counts
    s = Setup()
    s.ask(query(7, "www.test"))
    packet = s.passed()
    good = answer(packet.data, ONE)
    for counter, data, kw in (
        ("in_source", good, {"src": ip("10.0.0.99")}),
        ("in_source", good, {"sport": 54}),
        ("in_other", bytes([good[0] ^ 1]) + good[1:], {}),
        ("in_other", good[:2] + b"\1" + good[3:], {}),
        ("in_other", answer(query(0, "www.tesu"), ONE), {}),
        ("in_other", good[:2] + answer(query(0, "www.tesu"), ONE)[2:], {}),
        ("in_other", good[:11], {}),
        ("in_other", b"", {}),
    ):
        before = s.stat(counter)
        s.reply(packet, data, **kw)
        assert s.stat(counter) == before + 1, (counter, data)
        s.p.expect_nothing()
    s.reply(packet, good)
    assert s.told()[2:] == good[2:]


def test_silence():
    # after 5 s the client is told, and the next question goes to the other server
    s = Setup(2)
    s.ask(query(7, "www.test"))
    s.passed(0)
    s.p.advance(5000)
    data = s.told()
    assert data[:4] == struct.pack("!HH", 7, 0x8182) and data[12:] == query(7, "www.test")[12:]
    s.ask(query(8, "www.test"))
    s.passed(1)
    assert s.stat("timeouts") == 1 and s.under_way() == 1


def test_unreachable():
    # ICMP: at once
    s = Setup(2)
    s.ask(query(7, "www.test"))
    packet = s.passed(0)
    quoted = bench.ip4(US, SERVERS[0], 17, bench.udp(US, SERVERS[0], packet.sport, 53, b""))
    s.p.send(s.p.ip_frame(1, bench.icmp(3, 3, bytes(4), quoted), src=SERVERS[0]))
    assert s.told()[3] == 0x82
    s.ask(query(8, "www.test"))
    s.passed(1)


def test_no_server_but_ourselves():
    # asking ourselves would go round in circles
    s = Setup(0)
    s.ask(query(7, "www.test"))
    assert s.told()[3] == 0x82
    s.resolver.servers = [US, ip("127.0.0.1")]
    s.ask(query(7, "www.test"))
    assert s.told()[3] == 0x82
    s.p.expect_nothing()


def test_bounded():
    # sixteen under way; the seventeenth is told that it cannot be had
    s = Setup()
    for n in range(17):
        s.ask(query(n, "h%d.test" % n), 5000 + n)
    packets = s.p.take()
    assert [packet.sport for packet in packets if packet.dport != 53] == [53]
    assert s.under_way() == 16 and s.stat("full") == 1
    s.p.advance(5000)
    assert s.under_way() == 0
    s.p.take()


def test_hosts_table():
    s = Setup()
    s.resolver.hosts["printer.lan"] = [ONE, bytes(16)]
    s.ask(query(7, "PRINTER.lan"))
    data = s.told()
    assert data[:12] == struct.pack("!HHHHHH", 7, 0x8180, 1, 1, 0, 0)
    assert data[12:25] == wire("PRINTER.lan") and data[-4:] == ONE
    s.ask(query(7, "printer.lan", AAAA))
    assert s.told()[6:8] == b"\0\0"
    s.ask(query(7, "printer.lam"))
    s.passed()


def test_captive_portal():
    # every name has our address, nothing has any other type; the longest name fits
    s = Setup(captive=True)
    longest = ".".join(["x" * 63] * 3 + ["y" * 61])
    for name in ("www.test", "", longest):
        s.ask(query(7, name))
        data = s.told()
        assert data[:12] == struct.pack("!HHHHHH", 7, 0x8180, 1, 1, 0, 0), name
        assert data[-4:] == US and data[12:] == answer(query(7, name), US)[12:-10] + data[-10:]
        assert struct.unpack("!I", data[-10:-6])[0] <= 60  # forgotten soon after
    for qtype in (AAAA, TXT, 255):
        s.ask(query(7, "www.test", qtype))
        data = s.told()
        assert data[:12] == struct.pack("!HHHHHH", 7, 0x8180, 1, 0, 0, 0)
    s.p.expect_nothing()


def test_questions_to_drop():
    s = Setup(captive=True)
    good = query(7, "www.test")
    for counter, data, kw in (
        ("in_short", b"", {}),
        ("in_short", good[:12], {}),
        ("in_short", good + bytes(512), {}),
        ("in_flags", query(7, "www.test", flags=0x8180), {}),
        ("in_flags", query(7, "www.test", flags=0x2800), {}),
        ("in_question", query(7, "www.test", counts=(0, 0, 0, 0)), {}),
        ("in_question", query(7, "www.test", counts=(2, 0, 0, 0)), {}),
        ("in_question", good[:-1], {}),
        ("in_question", good[:12] + b"\xc0\x0c\0\1\0\1", {}),
        ("in_question", good[:12] + b"\x40" + good[13:], {}),
        ("in_question", good[:12] + b"\x3f" * 200, {}),
        ("in_interface", good, {"dst": ip("10.0.0.255"), "dst_mac": b"\xff" * 6}),
    ):
        before = s.stat(counter)
        s.ask(data, **kw)
        assert s.stat(counter) == before + 1, (counter, data)
        s.p.expect_nothing()
    for name in (b"\1\xff", b"\3\xc3\x28\xa0", b"\3a.b"):  # no text, but a name
        s.ask(good[:12] + name + b"\0\0\1\0\1")
        assert s.told()[-4:] == US


def test_names_that_are_no_text():
    s = Setup()
    s.resolver.hosts["a.b"] = [ONE]
    for name in (b"\1\xff\0", b"\3\xc3\x28\xa0\0", b"\3a.b\0"):
        s.ask(query(7, "x")[:12] + name + b"\0\1\0\1")
        s.passed()


def test_other_interfaces_are_not_served():
    s = Setup()
    with inside(s.st):
        s.f.start([s.p.host.lo])
    s.ask(query(7, "www.test"))
    s.p.expect_nothing()
    assert s.stat("in_interface") == 1


# -- over TCP ----------------------------------------------------------------------------------


def call(s, sport=40000):
    """A client that has connected."""
    f = s.p.flow(sport, 53)
    f.tcp("S", opts=bench.opt_mss(1460))
    f.expect_tcp("SA")
    f.tcp("A")
    return f


def framed(data):
    return struct.pack("!H", len(data)) + data


def text_of(f):
    """What the host has sent to the client."""
    data = b""
    for packet in f.peer.take():
        if packet.kind == "tcp" and packet.dport == f.sport:
            assert "R" not in packet.flags, packet
            data += packet.data
    f.rcv_nxt += len(data)
    return data


def is_reset(f):
    return any(
        packet.kind == "tcp" and packet.dport == f.sport and "R" in packet.flags
        for packet in f.peer.take()
    )


def called(s):
    """The server's end of the connection that the forwarder has opened."""
    syn = s.p.expect("tcp", dport=53, dst=SERVERS[0], flags="S")
    f = s.p.flow(53, syn.sport)
    f.peer_addr = SERVERS[0]
    f.irs = syn.seq
    f.rcv_nxt = 1
    return f


def from_server(s, f, flags, data=b"", seq=None, opts=b""):
    """A segment of the server, whose address is not that of bench's flows."""
    if seq is None:
        seq = f.snd_nxt
        f.snd_nxt += len(data) + ("S" in flags) + ("F" in flags)
    segment = bench.tcp(
        SERVERS[0], US, 53, f.dport, f.iss + seq, f.irs + f.rcv_nxt, flags, 65535, data, opts
    )
    s.p.send(s.p.ip_frame(6, segment, src=SERVERS[0]))


def test_tcp_answered_by_ourselves():
    # several questions on one connection, in whatever pieces they come (RFC 7766 8)
    s = Setup(captive=True, tcp=True)
    f = call(s)
    data = framed(query(7, "www.test")) + framed(query(8, "b.test", AAAA))
    for at in range(0, len(data), 5):
        f.tcp("A", data=data[at : at + 5])
    said = text_of(f)
    f.tcp("A")
    said += text_of(f)
    n = struct.unpack("!H", said[:2])[0]
    assert said[2:4] == b"\0\7" and said[2 : 2 + n][-4:] == US
    assert said[4 + n : 6 + n] == b"\0\x08" and said[4 + n :][6:8] == b"\0\0"
    f.tcp("FA")
    s.p.advance(100)
    assert not s.f._door.talks
    s.p.take()


def test_tcp_passed_on():
    # RFC 5625 4.4: the server's bytes as they are, however many
    s = Setup(tcp=True)
    f = call(s)
    question = query(7, "www.Test")
    f.tcp("A", data=framed(question))
    far = called(s)
    from_server(s, far, "SA", opts=bench.opt_mss(1460))
    sent = b"".join(packet.data for packet in s.p.take() if packet.dport == 53)
    assert sent == framed(question)
    far.rcv_nxt += len(sent)
    whole = framed(answer(question, ONE) + bytes(3000))
    got = b""
    for at in range(0, len(whole), 700):
        from_server(s, far, "A", whole[at : at + 700])
        packets = s.p.take()
        for packet in packets:
            if packet.dport == f.sport:
                got += packet.data
        f.rcv_nxt = 1 + len(got)
        f.tcp("A")
    assert got == whole, (len(got), len(whole))
    from_server(s, far, "FA")
    s.p.advance(100)
    assert any("F" in packet.flags for packet in s.p.take() if packet.dport == f.sport)
    assert not s.f._door.talks


def test_tcp_bad_questions():
    for data in (
        b"\0\0",
        b"\0\x0b" + bytes(11),
        b"\0\x0c" + bytes(12),
        b"\x02\1" + bytes(100),
        b"\xff\xff",
        framed(query(7, "www.test", flags=0x8180)),
        framed(query(7, "www.test", counts=(2, 0, 0, 0))),
        framed(query(7, "www.test")[:-1]),
    ):
        s = Setup(captive=True, tcp=True)
        f = call(s)
        f.tcp("A", data=data)
        assert is_reset(f), data
        assert not s.f._door.talks


def test_tcp_bounded():
    # four clients; the fifth is refused, until 10 s are over for the others
    s = Setup(captive=True, tcp=True)
    flows = [call(s, 40000 + n) for n in range(4)]
    f = s.p.flow(40009, 53)
    f.tcp("S", opts=bench.opt_mss(1460))
    f.expect_tcp("SA")
    f.tcp("A")
    assert is_reset(f)
    s.p.advance(10000)
    assert all("R" in packet.flags for packet in s.p.take()) and not s.f._door.talks
    f = call(s, 40010)
    f.tcp("A", data=framed(query(7, "www.test")))
    assert text_of(f)[-4:] == US
    assert len(flows) == 4


def test_tcp_server_refuses():
    s = Setup(tcp=True)
    f = call(s)
    f.tcp("A", data=framed(query(7, "www.test")))
    far = called(s)
    from_server(s, far, "RA", seq=0)
    assert is_reset(f) and not s.f._door.talks
    s = Setup(0, tcp=True)  # nobody to ask
    f = call(s)
    f.tcp("A", data=framed(query(7, "www.test")))
    assert is_reset(f) and not s.f._door.talks


def test_tcp_client_goes_away():
    # in the middle: the connection to the server ends, too
    s = Setup(tcp=True)
    f = call(s)
    f.tcp("A", data=framed(query(7, "www.test")))
    far = called(s)
    from_server(s, far, "SA", opts=bench.opt_mss(1460))
    s.p.take()
    f.tcp("RA")
    assert not s.f._door.talks
    assert any("R" in packet.flags for packet in s.p.take() if packet.dport == 53)


def test_tcp_strangers():
    # hosts beyond the links that are served: reset
    s = Setup(captive=True, tcp=True)
    with inside(s.st):
        s.f.start([s.p.host.lo], True)
    f = call(s)
    assert is_reset(f)


def test_start_and_stop():
    s = Setup()
    s.ask(query(7, "www.test"))
    s.passed()
    with inside(s.st):
        s.f.stop()
        s.f.stop()
    assert s.st.udp.table.count == 0 and s.under_way() == 0
    other = s.st.udp.open()
    with inside(s.st):
        other.bind(None, None, 53)
    bench.raises(98, s.f.start, [s.p.nif])


def test_random_garbage():
    s = Setup()
    rnd = Random(4)
    for i in range(scale(800)):
        data = bytearray(query(i, "www.test"))
        for _ in range(1 + rnd.below(3)):
            data[rnd.below(len(data))] = rnd.below(256)
        s.ask(bytes(data))
        for packet in s.p.take():
            if packet.dport == 53 and packet.kind == "udp":
                said = bytearray(answer(packet.data, ONE))
                said[rnd.below(len(said))] ^= 1 + rnd.below(255)
                s.reply(packet, bytes(said))
        s.p.take()
        if i & 15 == 0:
            s.p.advance(5000)
            s.p.take()
    s.p.advance(5000)
    pool = s.st.pool
    assert pool.left == pool.count and s.under_way() == 0
    s.p.take()


if __name__ == "__main__":
    bench.run_tests(globals())
