# lib: inet/forwarding.py, inet/forward_fast.py, inet/forward.py
# lib: inet/forward6_fast.py, inet/forward6.py, services/dhcp6_relay.py
# DHCPv6 relay agent between scripted clients and servers (RFC 8415 19).

import struct

import bench
from packets import group_mac, ip6
from routernet6 import Net6, addr, link, station

bench.optional("services.dhcp6_relay")
from netstack.inet import address6  # noqa: E402
from netstack.services import dhcp6_relay  # noqa: E402

RELAYS = ip6("ff02::1:2")
SERVERS = ip6("ff05::1:3")
SOLICIT = b"\1abc" + struct.pack("!HH", 8, 2) + b"\0\0"
ADVERTISE = b"\2abc"
FORWARD, REPLY = 12, 13


def opt(code, value):
    return struct.pack("!HH", code, len(value)) + value


def relayed(kind, hops, at, peer, *options):
    return bytes((kind, hops)) + at + peer + b"".join(options)


def one(found):
    assert len(found) == 1, found
    return found[0]


class Setup:
    """Clients on eth0 and eth2, the server behind eth1."""

    def __init__(self, servers=(addr(1),), way=None, links=(0, 2)):
        self.n = n = Net6(3)
        with bench.inside(n.st):
            links = [n.nifs[i] for i in links]
            way = n.nifs[way] if way is not None else None
            self.relay = dhcp6_relay.Relay(n.st, links, list(servers), way)
        bench.at_end(self.end)
        for _ in range(8):  # what MLD tells, twice
            n.advance(400)
        n.clear()

    def end(self):
        with bench.inside(self.n.st):
            self.relay.close()

    def ask(self, net, message, src=None, sport=546):
        n = self.n
        frame = n.udp(
            net, sport, 547, message, src=src or link(net), dst=RELAYS, dst_mac=group_mac(RELAYS)
        )
        return n.send(net, frame)

    def answer(self, message, net=1, src=None):
        n = self.n
        return n.send(net, n.udp(net, 547, 547, message, src=src or addr(net), dst=addr(net, 254)))

    def dropped(self, counter, found):
        assert found == [], (counter, found)
        stats = self.n.st.stats()["relay6"]
        assert stats[counter] == 1 and stats["forwarded"] == stats["answered"] == 0, stats


def test_there_and_back():
    # RFC 8415 19.1.1, 19.2
    s = Setup()
    for net in (0, 2):
        out, packet = one(s.ask(net, SOLICIT))
        assert out == 1 and packet.dst == addr(1) and packet.src == addr(1, 254), packet
        assert (packet.sport, packet.dport) == (547, 547)
        name = opt(18, b"eth%d" % net)
        expected = relayed(FORWARD, 0, addr(net, 254), link(net), name, opt(9, SOLICIT))
        assert packet.data == expected
        back = relayed(REPLY, 0, addr(net, 254), link(net), name, opt(9, ADVERTISE))
        out, packet = one(s.answer(back))
        assert out == net and packet.dst == link(net) and packet.src == link(net, 254), packet
        assert (packet.sport, packet.dport) == (547, 546) and packet.data == ADVERTISE
        assert packet.dst_mac == station(net)
    stats = s.n.st.stats()["relay6"]
    moved = {name: n for name, n in stats.items() if n}
    assert moved == {"in": 4, "forwarded": 2, "answered": 2}


def test_every_message():
    # RFC 7283 4: what is not known goes on as well; what only servers send does not
    s = Setup()
    for kind in range(1, 40):
        found = s.ask(0, bytes((kind,)) + bytes(40))
        assert len(found) == (kind not in (2, 7, 10, 13)), kind


def test_link_without_its_name():
    # RFC 8415 19.2: a server need not give the interface back; the address tells then
    s = Setup()
    back = relayed(REPLY, 0, addr(2, 254), link(2), opt(9, ADVERTISE))
    out, packet = one(s.answer(back))
    assert out == 2 and packet.data == ADVERTISE


def told(s, net=0):
    """The address by which the server learns which link it is."""
    return bytes(one(s.ask(net, SOLICIT))[1].data[2:18])


def test_which_link():
    # RFC 8415 19.1.1: while an address is checked, and when another station has it, the server is
    # told of it all the same: it stands for the link. Without any, a server takes its own link
    s = Setup()
    nif = s.n.nifs[0]
    mine = nif.v6.find(addr(0, 254), 0)
    for state in (address6.TENTATIVE, address6.DUPLICATE, address6.DEPRECATED):
        with bench.inside(s.n.st):
            mine.state = state
        assert told(s) == addr(0, 254), state
    newer = ip6("2001:db8:77::1")
    with bench.inside(s.n.st):
        s.n.ip.add(nif, newer, 64)
    assert told(s) == newer  # the other's prefix is on its way out
    with bench.inside(s.n.st):
        for entry in list(nif.v6.list):
            if entry.addr != link(0, 254):
                s.n.ip.remove(nif, entry)
    assert told(s) == link(0, 254)
    with bench.inside(s.n.st):
        s.n.ip.remove(nif, nif.v6.find(link(0, 254), 0))
    assert s.ask(0, SOLICIT) == []
    assert s.n.st.stats()["relay6"]["out_failed"] == 1


def test_relay_nearer_to_the_client():
    # RFC 8415 19.1.2: a hop more; its global address says which link it is
    s = Setup()
    inner = relayed(FORWARD, 3, addr(0, 3), link(0, 3), opt(9, SOLICIT))
    for peer, at in ((addr(0, 2), bytes(16)), (link(0, 2), addr(0, 254))):
        out, packet = one(s.ask(0, inner, src=peer, sport=547))
        name = opt(18, b"eth0")
        assert out == 1 and packet.data == relayed(FORWARD, 4, at, peer, name, opt(9, inner))
        message = relayed(REPLY, 3, addr(0, 3), link(0, 3), opt(9, ADVERTISE))
        out, packet = one(s.answer(relayed(REPLY, 4, at, peer, name, opt(9, message))))
        assert out == 0 and packet.dst == peer and packet.dport == 547 and packet.data == message


def test_circles():
    for hops, goes_on in ((7, True), (8, False), (255, False)):
        s = Setup()
        inner = relayed(FORWARD, hops, addr(0, 3), link(0, 3), opt(9, SOLICIT))
        found = s.ask(0, inner)
        if goes_on:
            assert len(found) == 1
        else:
            s.dropped("in_hops", found)
        bench.clean()


def test_all_servers_of_the_site():
    s = Setup((), 1)
    out, packet = one(s.ask(0, SOLICIT))
    assert out == 1 and packet.dst == SERVERS and packet.hops == 8, packet
    assert packet.dst_mac == group_mac(SERVERS)
    back = relayed(REPLY, 0, addr(0, 254), link(0), opt(18, b"eth0"), opt(9, ADVERTISE))
    assert len(s.answer(back, src=addr(1, 3))) == 1


def test_several_servers():
    s = Setup((addr(1), addr(1, 2)))
    assert [packet.dst for _, packet in s.ask(0, SOLICIT)] == [addr(1), addr(1, 2)]


def test_who_is_believed():
    back = relayed(REPLY, 0, addr(0, 254), link(0), opt(18, b"eth0"), opt(9, ADVERTISE))
    s = Setup()
    s.dropped("in_server", s.answer(back, src=addr(1, 2)))
    s = Setup()
    s.dropped("in_server", s.answer(back, net=0))
    s = Setup((), 1)
    s.dropped("in_server", s.answer(back, net=0))
    s = Setup()
    s.dropped("in_type", s.ask(0, ADVERTISE))
    s = Setup()  # not by a link that is served: nobody has joined there
    assert s.ask(1, SOLICIT) == [] and s.n.st.stats()["relay6"]["in"] == 0
    s = Setup()
    s.dropped("in_type", s.answer(SOLICIT))


def test_answers_that_lie():
    name = opt(18, b"eth0")
    message = opt(9, ADVERTISE)
    at, peer = addr(0, 254), link(0)
    for counter, back in (
        ("in_link", relayed(REPLY, 0, at, peer, opt(18, b"eth1"), message)),
        ("in_link", relayed(REPLY, 0, at, peer, opt(18, b""), message)),
        ("in_link", relayed(REPLY, 0, addr(1, 254), peer, message)),
        ("in_options", relayed(REPLY, 0, at, peer, name)),
        ("in_options", relayed(REPLY, 0, at, peer, name, opt(9, b""))),
        ("in_options", relayed(REPLY, 0, at, peer, name, message[:-1])),
        ("in_options", relayed(REPLY, 0, at, peer, name, message, b"\0")),
        ("out_failed", relayed(REPLY, 0, at, RELAYS, name, message)),
    ):
        s = Setup()
        s.dropped(counter, s.answer(back))
        bench.clean()


def test_every_length():
    s = Setup()
    back = relayed(REPLY, 0, addr(0, 254), link(0), opt(18, b"eth0"), opt(9, ADVERTISE))
    for n in range(len(back)):
        assert s.answer(back[:n]) == [], n
    inner = relayed(FORWARD, 0, addr(0, 3), link(0, 3))
    for n in range(len(inner)):
        assert s.ask(0, inner[:n]) == [], n
    for n in range(4):
        assert s.ask(0, SOLICIT[:n]) == [], n
    assert len(s.answer(back)) == len(s.ask(0, SOLICIT)) == 1


def test_any_bytes():
    s = Setup()
    rnd = bench.Random(8415)
    back = relayed(REPLY, 0, addr(0, 254), link(0), opt(18, b"eth0"), opt(9, ADVERTISE))
    for _ in range(bench.scale(500)):
        data = bytearray(back)
        for _ in range(1 + rnd.below(4)):
            data[rnd.below(len(data))] = rnd.below(256)
        s.answer(bytes(data))
        data[0] = FORWARD
        s.ask(0, bytes(data))
    assert len(s.answer(back)) == 1
    for _ in range(20):
        s.n.advance(500)


def test_large_messages():
    # They leave in fragments, and come in such.
    s = Setup()
    found = s.ask(0, SOLICIT + opt(17, bytes(1400)))
    assert len(found) == 2 and {out for out, _ in found} == {1}


def test_server_out_of_reach():
    s = Setup((ip6("2001:dead::1"),))
    s.dropped("out_failed", s.ask(0, SOLICIT))


def test_bad_arguments():
    n = Net6(2)
    for links, servers, way in (
        ([], [addr(1)], None),
        (n.nifs[:1], [], None),
        (n.nifs[:1], [], n.nifs[0]),
        (n.nifs[:1], [addr(1)] * 9, None),
    ):
        try:
            dhcp6_relay.Relay(n.st, links, servers, way)
        except ValueError:
            continue
        raise AssertionError("ValueError was expected")


bench.run_tests(globals())
