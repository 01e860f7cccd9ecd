# lib: inet/forwarding.py, inet/forward_fast.py, inet/forward.py, inet/nat.py
# NAPT: RFC 3022, and what RFC 4787 (UDP), 5382 (TCP) and 5508 (ICMP) ask of it.

import bench
import ref
import struct
from alike import both
from array import array
from routernet import Net, addr, station

OURS = addr(1, 254)
UDP = 17
TCP = 6


def make(**kw):
    n = Net(3)
    n.translate(**kw)
    return n


def out(n, sport=5000, dport=53, host=1, data=b"query", dst=None, **over):
    """A datagram of an inside host; the packet that leaves outside."""
    net, packet = n.one(0, n.udp(0, sport, dport, data, dst=dst, host=host, **over))
    assert net == 1 and packet.src == OURS and packet.data == data
    return packet


def back(n, port, sport=53, data=b"answer", src=None):
    """The answer from outside; the packet that gets to the inside."""
    return n.one(1, n.udp(1, sport, port, data, src=src, dst=OURS))


@both
def test_out_and_back(fast):
    # RFC 3022 4.1: source outwards, destination inwards, all sums right (Packet() looks)
    n = make()
    for i in range(5):
        packet = out(n, data=b"q%d" % i)
        assert packet.dst == addr(1) and packet.dport == 53 and packet.ttl == 63
        net, answer = back(n, packet.sport, data=b"a%d" % i)
        assert net == 0 and answer.dst == addr(0) and answer.dport == 5000
        assert answer.src == addr(1) and answer.data == b"a%d" % i and answer.ttl == 63
    assert n.stat("made", "nat") == 1
    assert (n.stat("in", "fast") >= 6) is fast


@both
def test_one_mapping_for_all_peers(fast):
    # RFC 4787 REQ-1, REQ-8: the same port outside for every peer; each may answer
    n = make()
    ports = set(
        out(n, dst=addr(1, host), dport=dport).sport for host in (1, 2) for dport in (1, 2)
    )
    assert len(ports) == 1
    port = ports.pop()
    for src in (addr(1, 1), addr(1, 3)):
        net, answer = back(n, port, 77, src=src)
        assert net == 0 and answer.dport == 5000 and answer.src == src


@both
def test_ports(fast):
    # RFC 4787 REQ-3: kept when it can be; two hosts with the same one get two
    n = make()
    assert out(n, 30000).sport == 30000
    second = out(n, 30000, host=2).sport
    assert second != 30000 and 20000 <= second <= 39999
    assert back(n, 30000)[1].dst == addr(0, 1)
    assert back(n, second)[1].dst == addr(0, 2)
    assert 20000 <= out(n, 99).sport <= 39999


@both
def test_udp_without_a_sum(fast):
    # RFC 768, RFC 3022 4.1: zero stays zero
    n = make()
    for _ in range(3):
        n.clear()
        n.nics[0].rx.append(n.udp(0, 30000, 53, b"x", csum=0))
        n.poll()
        frame = n.sent[1][-1]
        assert frame[40:42] == b"\0\0" and frame[26:30] == OURS
    for _ in range(3):
        n.clear()
        n.nics[1].rx.append(n.udp(1, 53, 30000, b"x", dst=OURS, csum=0))
        n.poll()
        assert n.sent[0][-1][40:42] == b"\0\0"


@both
def test_every_sum(fast):
    n = make()
    for i in range(bench.scale(2000)):
        out(n, 30000, data=struct.pack("!HH", i * 33 & 0xFFFF, i * 77 & 0xFFFF))
        back(n, 30000, data=struct.pack("!HH", i * 35 & 0xFFFF, i * 79 & 0xFFFF))


def _tcp(n, bits, sport=30000, data=b""):
    net, packet = n.one(0, n.tcp(0, bits, sport, 80, data=data))
    assert net == 1 and packet.src == OURS
    return packet


def _tcp_back(n, bits, port=30000, data=b""):
    net, packet = n.one(1, n.tcp(1, bits, 80, port, dst=OURS, data=data))
    assert net == 0 and packet.dst == addr(0)
    return packet


def _open(n, sport=30000):
    _tcp(n, "S", sport)
    _tcp_back(n, "SA", sport)
    _tcp(n, "A", sport)


@both
def test_tcp(fast):
    n = make()
    _open(n)
    for i in range(4):
        assert _tcp(n, "PA", data=b"request").data == b"request"
        assert _tcp_back(n, "A", data=bytes(i * 100)).data == bytes(i * 100)
    _tcp(n, "FA")
    _tcp_back(n, "FA")
    _tcp(n, "A")
    assert [m[4] for m in n.nat.mappings()] == ["closing"]


@both
def test_simultaneous_open(fast):
    # RFC 5382 REQ-2: SYNs that cross
    n = make()
    _tcp(n, "S")
    _tcp_back(n, "S")
    _tcp(n, "SA")
    _tcp_back(n, "A")
    assert [m[4] for m in n.nat.mappings()] == ["open"]


@both
def test_udp_timeout(fast):
    # RFC 4787 REQ-5, REQ-6: five minutes from the last packet outwards, by whatever path
    n = make()
    port = out(n).sport
    for _ in range(4):
        n.advance(290000)
        assert out(n).sport == port
    n.advance(320000)
    assert not n.nat.mappings() and n.stat("expired", "nat") == 1
    found = n.send(1, n.udp(1, 53, port, dst=OURS))
    assert [(net, packet.type) for net, packet in found] == [(1, 3)]  # nobody listens there
    assert not n.nat._timer.active


@both
def test_tcp_timeouts(fast):
    # RFC 5382 REQ-5: 2 hours 4 minutes when established, 4 minutes otherwise
    n = make()
    _tcp(n, "S", 30001)
    _open(n, 30000)
    _open(n, 30002)
    _tcp(n, "R", 30002)
    assert len(n.nat.mappings()) == 3
    n.advance(239000)
    assert len(n.nat.mappings()) == 3
    n.advance(12000)
    assert [m[3] for m in n.nat.mappings()] == [30000]
    n.clock.ms += 7100000
    n.poll()
    assert _tcp_back(n, "A").sport == 80
    n.clock.ms += 7500000
    n.poll()
    assert not n.nat.mappings()


@both
def test_icmp_queries(fast):
    # RFC 5508 REQ-1, REQ-2: identifiers are mapped as ports are, for a minute
    n = make()
    for host in (1, 2):
        ping = bench.icmp(8, 0, struct.pack("!HH", 30000, 7), b"data")
        net, packet = n.one(0, n.frame(0, 1, ping, host=host))
        assert net == 1 and packet.src == OURS and packet.seq == 7 and packet.data == b"data"
        assert (packet.id == 30000) is (host == 1)
        reply = bench.icmp(0, 0, struct.pack("!HH", packet.id, 7), b"data")
        net, packet = n.one(1, n.frame(1, 1, reply, dst=OURS))
        assert net == 0 and packet.dst == addr(0, host) and packet.id == 30000
    n.advance(71000)
    assert not n.nat.mappings()
    # and our own host may be asked from outside
    net, packet = n.one(1, n.frame(1, 1, bench.icmp(8, 0), dst=OURS))
    assert net == 1 and packet.type == 0


def _quote(packet):
    """An ICMP error's payload about it: header and 8 bytes, as the least there may be."""
    return packet.frame[14:42]


@both
def test_icmp_errors_in(fast):
    # RFC 5508 REQ-4, REQ-5: to the inside host, which finds its own packet quoted, whole or not
    n = make()
    for proto, sent in ((17, n.udp(0, 5000, 53, b"abcdef")), (6, n.tcp(0, "S", 5000, 80))):
        _, packet = n.one(0, sent)
        assert packet.sport != 5000
        for quoted in (packet.frame[14:42], packet.frame[14:]):
            error = bench.icmp(3, 3, data=quoted)
            net, got = n.one(1, n.frame(1, 1, error, dst=OURS, src=addr(1, 2), host=2))
            assert net == 0 and got.dst == addr(0) and got.src == addr(1, 2)
            assert (got.type, got.code) == (3, 3)
            inner = got.data
            assert inner[12:16] == addr(0) and inner[16:20] == addr(1)
            assert bench.ones_sum(inner[:20]) == 0xFFFF
            assert inner[20:22] == struct.pack("!H", 5000)
            if len(inner) > 28:  # the quoted transport's sum is what the host has sent
                where = 40 if proto == 6 - 6 else (36 if proto == 6 else 26)
                assert inner[where : where + 2] == sent[14 + where : 16 + where]
    ping = n.frame(0, 1, bench.icmp(8, 0, struct.pack("!HH", 9, 1)))
    _, packet = n.one(0, ping)
    net, got = n.one(1, n.frame(1, 1, bench.icmp(11, 0, data=packet.frame[14:]), dst=OURS))
    assert net == 0 and got.data[20:] == ping[34:]
    assert n.stat("errors", "nat") == 5


@both
def test_icmp_errors_out(fast):
    # An inside host complains of what has come to it: the peer finds what it has sent
    n = make()
    port = out(n).sport
    sent = n.udp(1, 53, port, b"answer", dst=OURS)
    _, packet = n.one(1, sent)
    net, got = n.one(0, n.frame(0, 1, bench.icmp(3, 3, data=packet.frame[14:]), dst=addr(1)))
    assert net == 1 and got.src == OURS and got.dst == addr(1)
    assert got.data[12:16] == addr(1) and got.data[16:20] == OURS
    assert got.data[20:] == sent[34:] and bench.ones_sum(got.data[:20]) == 0xFFFF


@both
def test_icmp_errors_that_lie(fast):
    # About packets that were never sent, or cannot be read: not translated, nobody is told
    n = make()
    packet = out(n)
    whole = packet.frame[14:]
    for bad in (
        whole[:27],
        b"\x65" + whole[1:],
        b"\x4f" + whole[1:],
        b"\x44" + whole[1:],
        whole[:10] + b"\0\0" + whole[12:],
        bench.ip4(OURS, addr(1), 17, bench.udp(OURS, addr(1), 29999, 53, b"")),
        bench.ip4(addr(1, 9), addr(1), 17, bench.udp(OURS, addr(1), packet.sport, 53, b"")),
        bench.ip4(OURS, addr(1), 17, bytes(8), frag=1),
        bench.ip4(OURS, addr(1), 99, bytes(8)),
        bench.ip4(OURS, addr(1), 1, bytes(8)),
    ):
        assert not n.send(1, n.frame(1, 1, bench.icmp(3, 3, data=bad), dst=OURS)), bad
        n.send(0, n.frame(0, 1, bench.icmp(3, 3, data=bad), dst=addr(1)))
    assert n.stat("in_bad", "nat") == 10 and n.stat("errors", "nat") == 0
    assert out(n).sport == packet.sport


@both
def test_port_forward(fast):
    n = make()
    n.nat.forward(TCP, 80, addr(0, 2), 8080)
    n.nat.forward(UDP, 80, addr(0, 3), 80)
    for _ in range(3):
        net, packet = n.one(1, n.tcp(1, "A", 1234, 80, dst=OURS))
        assert net == 0 and packet.dst == addr(0, 2) and packet.dport == 8080
        net, packet = n.one(0, n.tcp(0, "A", 8080, 1234, src=addr(0, 2), host=2))
        assert net == 1 and packet.src == OURS and packet.sport == 80
        net, packet = n.one(1, n.udp(1, 1234, 80, dst=OURS))
        assert net == 0 and packet.dst == addr(0, 3)
    n.advance(100)
    n.clock.ms += 30000000
    n.poll()
    assert n.one(1, n.tcp(1, "S", 1234, 80, dst=OURS))[0] == 0  # it does not age
    n.nat.forward(TCP, 80, addr(0, 3), 8081)
    assert n.one(1, n.tcp(1, "A", 1234, 80, dst=OURS))[1].dport == 8081
    assert n.nat.unforward(TCP, 80) and not n.nat.unforward(TCP, 80)
    found = n.send(1, n.tcp(1, "S", 1234, 80, dst=OURS))
    assert not [net for net, _ in found if net == 0]
    for args in ((1, 80, addr(0), 80), (6, 0, addr(0), 80), (6, 80, addr(0), 65536)):
        try:
            n.nat.forward(*args)
        except ValueError:
            pass
        else:
            raise AssertionError(args)


@both
def test_hairpin(fast):
    # RFC 4787 REQ-9 a: a host reaches another by its address outside, and is seen by its own
    n = make()
    out(n, 30000)
    n.nat.forward(UDP, 80, addr(0, 2), 8000)
    for _ in range(3):
        net, packet = n.one(0, n.udp(0, 30000, 80, b"hair", dst=OURS))
        assert net == 0 and packet.dst == addr(0, 2) and packet.dport == 8000
        assert packet.src == OURS and packet.sport == 30000 and packet.dst_mac == station(0, 2)
        net, packet = n.one(0, n.udp(0, 8000, 30000, b"pin", src=addr(0, 2), dst=OURS, host=2))
        assert net == 0 and packet.dst == addr(0) and packet.src == OURS and packet.sport == 80


@both
def test_the_host_itself(fast):
    # Its own sockets work beside NAT, and are not reached through it by mistake
    n = make()
    e = n.st.udp.open()
    e.bind(None, None, 7)
    bench.at_end(e.close)
    for net, dst in ((1, OURS), (0, addr(0, 254))):
        assert not n.send(net, n.udp(net, 9, 7, b"for us", dst=dst))
        buf = bytearray(20)
        assert e.recv(buf, 0, 20) == 6
    with bench.inside(n.st):
        e.send(b"ours", 0, 4, n.st.ip4, addr(1), 9)
    assert n.take()[0][1].sport == 7


@both
def test_between_inside_networks_nothing_changes(fast):
    n = make()
    for _ in range(3):
        net, packet = n.one(0, n.udp(0, 5000, 53, dst=addr(2)))
        assert net == 2 and packet.src == addr(0) and packet.sport == 5000
    # and from outside nobody is there but by a mapping: what comes to inside addresses is routed
    assert n.one(1, n.udp(1, 1, 2, dst=addr(0)))[0] == 0


@both
def test_fragments(fast):
    # RFC 4787 REQ-14: whatever their order
    n = make()
    data = bytes(i * 5 & 255 for i in range(2000))
    whole = bench.udp(addr(0), addr(1), 30000, 53, data)
    parts = [
        n.frame(0, 17, whole[:800], flags=1, frag=0, ident=5),
        n.frame(0, 17, whole[800:1600], flags=1, frag=100, ident=5),
        n.frame(0, 17, whole[1600:], flags=0, frag=200, ident=5),
    ]
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        found = n.send(0, *(parts[i] for i in order))
        assert [net for net, _ in found] == [1] * len(found) and len(found) == 2
        assert all(packet.src == OURS for _, packet in found)
        got = b"".join(packet.payload for _, packet in found)
        assert got == bench.udp(OURS, addr(1), 30000, 53, data)
    whole = bench.udp(addr(1), OURS, 53, 30000, data)
    found = n.send(
        1,
        n.frame(1, 17, whole[1000:], dst=OURS, flags=0, frag=125, ident=6),
        n.frame(1, 17, whole[:1000], dst=OURS, flags=1, frag=0, ident=6),
    )
    assert [net for net, _ in found] == [0, 0]
    got = b"".join(packet.payload for _, packet in found)
    assert got == bench.udp(addr(1), addr(0), 53, 30000, data)


@both
def test_what_cannot_be_translated(fast):
    n = make()
    for proto, payload in ((99, b"12345678"), (17, b"1234567"), (6, bytes(19)), (1, bytes(8)),
                           (1, bench.icmp(13, 0)), (6, b"")):  # fmt: skip
        n.none(0, n.frame(0, proto, payload), "nat.in_bad")
    # towards us from outside: the host's affair
    for proto, payload in ((17, b"1234567"), (6, b""), (1, b"123")):
        found = n.send(1, n.frame(1, proto, payload, dst=OURS))
        assert not [net for net, _ in found if net == 0]
    assert not n.nat.mappings()


@both
def test_full_table(fast):
    # What nobody has answered gives way; what is in use stays; what is new is dropped
    n = make(size=8)
    kept = [out(n, 30000 + i).sport for i in range(4)]
    for port in kept:
        back(n, port)
    for i in range(200):
        out(n, 1000 + i)
        n.clock.ms += 1
    assert n.stat("replaced", "nat") == 196 and len(n.nat.mappings()) == 8
    for port in kept:
        assert back(n, port)[1].dport == port
    for i in range(4):
        back(n, out(n, 2000 + i).sport)
    n.none(0, n.udp(0, 3000, 53), "nat.full")
    assert n.stat("in_refused") == 1
    assert out(n, 30000).sport == 30000


def test_no_ports_left():
    n = make(ports=(20000, 20003))
    for i in range(4):
        assert 20000 <= out(n, 100 + i).sport <= 20003
    n.none(0, n.udp(0, 104, 53), "nat.full")
    assert len(set(m[3] for m in n.nat.mappings())) == 4


@both
def test_many_flows(fast):
    n = make(size=512)
    ports = {}
    for i in range(bench.scale(500)):
        ports[i] = out(n, 2000 + i, 53, 1 + i % 3).sport
    assert len(set(ports.values())) == len(ports)
    for i, port in ports.items():
        net, packet = back(n, port)
        assert packet.dport == 2000 + i and packet.dst == addr(0, 1 + i % 3)


@both
def test_errors_of_the_router_quote_what_was_sent(fast):
    # TTL and MTU are looked at before anything is changed
    n = make()
    sent = n.udp(0, 30000, 53, b"abc", ttl=1)
    net, packet = n.one(0, sent)
    assert net == 0 and packet.type == 11 and packet.data == sent[14:]
    out(n, 30000)
    sent = n.udp(1, 53, 30000, b"abc", dst=OURS, ttl=1)
    net, packet = n.one(1, sent)
    assert net == 1 and packet.type == 11 and packet.data == sent[14:]


def test_bad_arguments():
    n = Net(2)
    for kw in ({"ports": (0, 5)}, {"ports": (9, 5)}, {"ports": (1, 65536)}, {"size": 0}):
        try:
            n.translate(**kw)
        except ValueError as error:
            assert "NAT" in str(error)
        else:
            raise AssertionError(kw)
        assert n.router.nat is None


def test_kernels():
    from netstack.inet import nat

    rnd = bench.Random(9)
    for _ in range(bench.scale(300)):
        rows = array("I", bytes(4 * 5 * 12))
        for i in range(12):
            if rnd.below(8):
                rows[5 * i] = rnd.choice((0xFE00000A, 0x0100000A))
                rows[5 * i + 1] = rnd.below(3) | (0xFFFE + rnd.below(2)) << 16
                rows[5 * i + 2] = rnd.choice((1, 6, 17)) | (1 + rnd.below(3)) << 8
                rows[5 * i + 3] = rnd.below(5) + 0x3FFFFFFD & 0x3FFFFFFF
                rows[5 * i + 4] = rnd.below(2)
        buf = b"x" + rnd.choice((b"\x0a\0\0\xfe", b"\x0a\0\0\1"))
        args = (rows, 12, buf, 1, rnd.below(3), rnd.choice((1, 6, 17)))
        assert nat.find_inside(*args) == ref.find_inside(*args)
        args = (rows, 12, 0xFFFE + rnd.below(2), rnd.choice((1, 6, 17)))
        assert nat.find_outside(*args) == ref.find_outside(*args)
        assert nat.vacant(rows, 12, 3) == ref.vacant(rows, 12, 3)


bench.run_tests(globals())
