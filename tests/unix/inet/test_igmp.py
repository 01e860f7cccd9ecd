# inet/igmp.py: RFC 3376 (IGMPv3), RFC 2236 (version 2), RFC 1112; what members get of what comes.

import bench
import struct
from netstack.inet import igmp
from netstack.transport.udp import Groups

EADDRINUSE = 98
EADDRNOTAVAIL = 99
EINVAL = 22
ENOBUFS = 105
G = bench.ip("239.1.2.3")
H = bench.ip("239.1.2.4")
A = bench.ip("10.0.0.1")
B = bench.ip("10.0.0.8")
C = bench.ip("10.0.0.9")
ALL = bench.ip("224.0.0.1")
IS_IN, IS_EX, TO_IN, TO_EX, ALLOW, BLOCK = range(1, 7)


def group_mac(addr):
    return bytes((1, 0, 0x5E, addr[1] & 0x7F, addr[2], addr[3]))


class Setup:
    def __init__(self, **kw):
        self.p = bench.peer(**kw)
        self.p.greet()
        self.st = self.p.st
        self.igmp = igmp.attach(self.st)
        self.p.host.settled()
        bench.at_end(self.end)

    def end(self):
        with bench.inside(self.st):
            for ep in list(self.st.udp.table):
                ep.close()
        for _ in range(4):
            self.p.advance(11000)
        assert not self.igmp.groups
        assert not [mac for mac in self.p.nic.groups if mac[0] == 1]
        self.p.take()

    def open(self, port=5000, addr=None):
        ep = self.st.udp.open()
        ep.bind(self.p.host.ip4 if addr else None, addr, port)
        ep.groups = Groups()
        return ep

    def call(self, name, ep, *args):
        with bench.inside(self.st):
            getattr(self.igmp, name)(ep.groups.members, self.p.nif, *args)
        self.p.poll()

    def reports(self):
        """Records of the reports that were sent: [(type, group, {sources})]."""
        found = []
        for packet in self.p.take():
            assert packet.proto == 2, packet
            assert (packet.ttl, packet.tos, packet.options) == (1, 0xC0, b"\x94\4\0\0")
            data = packet.payload
            assert bench.ones_sum(data) == 0xFFFF
            if data[0] != 0x22:
                assert len(data) == 8
                found.append((data[0], data[4:8], packet.dst))
                continue
            assert packet.dst == bench.ip("224.0.0.22"), packet
            assert packet.dst_mac == group_mac(packet.dst)
            at = 8
            for _ in range(data[6] << 8 | data[7]):
                kind, n = data[at], data[at + 2] << 8 | data[at + 3]
                sources = set(data[at + 8 + 4 * i : at + 12 + 4 * i] for i in range(n))
                found.append((kind, data[at + 4 : at + 8], sources))
                at += 8 + 4 * n
            assert at == len(data)
        return found

    def query(self, group=bytes(4), code=10, sources=None, dst=None, ttl=1, cut=None):
        data = struct.pack("!BBH", 0x11, code, 0) + group
        if sources is not None:
            data += struct.pack("!BBH", 2, 125, len(sources)) + b"".join(sources)
        data = data[:cut]
        data = data[:2] + struct.pack("!H", bench.ones_sum(data) ^ 0xFFFF) + data[4:]
        dst = dst or (group if any(group) else ALL)
        return self.p.ip_frame(
            2, data, dst=dst, dst_mac=group_mac(dst), ttl=ttl, options=b"\x94\4\0\0"
        )

    def quiet(self):
        """Changes have been told twice."""
        self.p.advance(1100)
        self.p.take()

    def send(self, data, dst=G, src=None, port=5000):
        self.p.udp(7, port, data, src=src, dst=dst, dst_mac=group_mac(dst))


def _got(ep):
    found = []
    buf = bytearray(100)
    while ep.waiting:
        n = ep.recv(buf, 0, 100)
        found.append(bytes(buf[:n]))
    return found


def test_join_and_leave():
    # RFC 3376 5.1: told at once, and once more within a second
    s = Setup()
    ep = s.open()
    s.call("join", ep, G)
    assert s.p.nic.groups == [group_mac(G)]
    assert s.reports() == [(TO_EX, G, set())]
    s.p.advance(1001)
    assert s.reports() == [(TO_EX, G, set())]
    s.p.advance(20000)
    s.p.expect_nothing()
    s.call("leave", ep, G)
    assert s.reports() == [(TO_IN, G, set())]
    s.p.advance(1001)
    assert s.reports() == [(TO_IN, G, set())]
    assert s.p.nic.groups == [] and not s.igmp.groups


def test_who_gets_it():
    s = Setup()
    a = s.open()
    b = s.open(5001)
    s.call("join", a, G)
    s.send(b"1")
    s.send(b"2", H)
    s.send(b"3", port=5001)
    assert (_got(a), _got(b)) == ([b"1"], [])
    s.call("join", b, H)
    s.send(b"4", H)  # b's, and another port
    s.send(b"5", H, port=5001)
    assert (_got(a), _got(b)) == ([], [b"5"])
    s.call("leave", a, G)
    s.send(b"6")
    assert _got(a) == []
    c = s.open(5000, G)  # bound to the group itself
    s.call("join", c, G)
    s.call("join", a, G)
    s.send(b"7")
    assert (_got(a), _got(c)) == ([b"7"], [b"7"])
    s.send(b"8", ALL)  # RFC 1112: every host belongs to it
    assert (_got(a), _got(c)) == ([b"8"], [])
    s.p.take()
    s.quiet()


def test_membership_is_that_of_an_interface():
    # RFC 1122 3.2.1.3 (3): what has been joined elsewhere is not ours here
    s = Setup()
    a = s.open()
    with bench.inside(s.st):
        s.igmp.join(a.groups.members, s.p.host.lo, G)
    frame = s.p.udp_frame(7, 5000, b"x", dst=G, dst_mac=group_mac(G))
    s.p.expect_drop(frame, "ipv4.in_other")
    s.call("join", a, G)
    s.quiet()
    s.p.send(frame)
    assert _got(a) == [b"x"]


def test_one_socket_for_both_families():
    # it is filed for each, and gets one datagram
    s = Setup(ip6=True)
    s.p.take()
    a = s.open()
    s.call("join", a, G)
    s.send(b"once")
    assert _got(a) == [b"once"]
    with bench.inside(s.st):
        a.send(b"x", 0, 1, s.p.host.ip4, G, 5000)
    s.p.poll()
    assert _got(a) == [b"x"]
    s.p.take()


def test_no_errors_about_groups():
    # RFC 1122 3.2.2
    s = Setup()
    a = s.open()
    s.call("join", a, G)
    s.quiet()
    s.send(b"x", port=9)
    s.p.ping(dst=G, dst_mac=group_mac(G))
    s.p.expect_nothing()


def test_sources():
    # RFC 3376 3.1, 3.2: filters of sockets, merged for the interface
    s = Setup()
    a = s.open()
    b = s.open(5001)
    s.call("join", a, G, A)
    assert s.reports() == [(ALLOW, G, {A})]
    s.quiet()
    s.call("join", a, G, B)
    assert s.reports() == [(ALLOW, G, {B})]
    s.quiet()
    for source in (A, B, C):
        s.send(source, src=source)
    assert _got(a) == [A, B]
    s.call("join", b, G)
    assert s.reports() == [(TO_EX, G, set())]
    s.quiet()
    s.call("block", b, G, C, True)
    assert s.reports() == [(BLOCK, G, {C})]
    s.quiet()
    s.call("block", b, G, A, True)  # which the other one wants
    s.p.expect_nothing()
    for source in (A, B, C):
        s.send(source, src=source)
        s.send(source, src=source, port=5001)
    assert (_got(a), _got(b)) == ([A, B], [B])
    s.call("leave", a, G, A)
    assert s.reports() == [(BLOCK, G, {A})]
    s.call("leave", b, G)
    assert s.reports() == [(TO_IN, G, {B})]
    s.call("leave", a, G, B)
    assert s.reports() == [(TO_IN, G, set())]
    s.quiet()


def test_changes_in_a_row():
    # RFC 3376 5.1: what is told again is what holds by then
    s = Setup()
    a = s.open()
    s.call("join", a, G, A)
    s.call("join", a, G, B)
    s.call("leave", a, G, A)
    s.reports()
    s.p.advance(1001)
    assert s.reports() == [(ALLOW, G, {B}), (BLOCK, G, {A})]
    s.p.advance(5000)
    s.p.expect_nothing()


def test_refusals():
    s = Setup()
    a = s.open()
    members = a.groups.members
    nif = s.p.nif
    with bench.inside(s.st):
        bench.raises(EINVAL, s.igmp.join, members, nif, bench.ip("10.0.0.1"))
        bench.raises(EINVAL, s.igmp.join, members, nif, bench.ip("240.0.0.1"))
        bench.raises(EADDRNOTAVAIL, s.igmp.leave, members, nif, G)
        s.igmp.join(members, nif, G)
        bench.raises(EADDRINUSE, s.igmp.join, members, nif, G)
        bench.raises(EINVAL, s.igmp.join, members, nif, G, A)
        bench.raises(EINVAL, s.igmp.leave, members, nif, G, A)
        bench.raises(EADDRNOTAVAIL, s.igmp.block, members, nif, G, A, False)
        bench.raises(EADDRNOTAVAIL, s.igmp.block, members, nif, H, A, True)
        s.igmp.join(members, nif, H, A)
        bench.raises(EADDRNOTAVAIL, s.igmp.join, members, nif, H, A)
        bench.raises(EINVAL, s.igmp.block, members, nif, H, A, True)
        for i in range(14):
            s.igmp.join(members, nif, bytes((239, 5, 0, i)))
        bench.raises(ENOBUFS, s.igmp.join, members, nif, bytes((239, 5, 0, 99)))
        for i in range(15):
            s.igmp.join(members, nif, H, bytes((10, 0, 1, i)))
        bench.raises(ENOBUFS, s.igmp.join, members, nif, H, bytes((10, 0, 1, 99)))
    s.p.poll()
    s.p.take()
    s.quiet()


def test_general_query():
    # RFC 3376 5.2: all groups, after a while that the router names
    s = Setup()
    a = s.open()
    s.call("join", a, G)
    s.call("join", a, H, A)
    s.quiet()
    s.p.send(s.query(sources=(), code=50))
    s.p.expect_nothing()
    s.p.advance(5001)
    assert s.reports() == [(IS_EX, G, set()), (IS_IN, H, {A})]
    s.p.advance(20000)
    s.p.expect_nothing()
    for group in (bytes(4), G):  # 4.1.12: to whichever address of ours
        query = bytearray(s.query(group, sources=()))
        query[:6] = s.p.nic.mac
        query[30:34] = s.p.host.addr
        s.p.send(bench.mend(query))
        s.p.advance(1001)
        assert len(s.reports()) == (1 if any(group) else 2)
    s.p.send(s.query(sources=(), code=0x8F))  # 4.1.1: 31 << 3 tenths of a second
    s.p.advance(24801)
    assert len(s.reports()) == 2


def test_group_query():
    s = Setup()
    a = s.open()
    s.call("join", a, G)
    s.call("block", a, G, C, True)
    s.call("join", a, H, A)
    s.quiet()
    s.p.send(s.query(G, sources=()))
    s.p.send(s.query(bench.ip("239.9.9.9"), sources=()))
    s.p.advance(1001)
    assert s.reports() == [(IS_EX, G, {C})]
    for group, asked, answer in (
        (H, (A, B), [(IS_IN, H, {A})]),
        (H, (B, C), []),
        (G, (A, C), [(IS_IN, G, {A})]),
        (G, (C,), []),
    ):
        s.p.send(s.query(group, sources=asked))
        s.p.advance(1001)
        assert s.reports() == answer, (group, asked)
    s.p.send(s.query(H, sources=(A,)))  # and then of all: one answer to both
    s.p.send(s.query(H, sources=()))
    s.p.advance(1001)
    assert s.reports() == [(IS_IN, H, {A})]


def test_version_2():
    # RFC 3376 7.2.1, RFC 2236: a querier of version 2 is answered in its way, for a while
    s = Setup()
    a = s.open()
    s.call("join", a, G)
    s.quiet()
    s.p.send(s.query(code=100))
    s.p.advance(10001)
    assert s.reports() == [(0x16, G, G)]
    s.call("join", a, H)
    assert s.reports() == [(0x16, H, H)]
    s.p.advance(10001)
    assert s.reports() == [(0x16, H, H)]
    s.call("leave", a, H)
    assert s.reports() == [(0x17, H, bench.ip("224.0.0.2"))]
    s.p.send(s.query(G, code=10))
    report = bench.icmp(0x16, 0, G)  # the same layout
    s.p.send(s.p.ip_frame(2, report, src=B, dst=G, dst_mac=group_mac(G), ttl=1))
    s.p.advance(2000)
    s.p.expect_nothing()  # section 3: another one has answered
    s.p.advance(260000)
    s.p.take()
    s.call("join", a, H)
    assert s.reports() == [(TO_EX, H, set())]
    s.quiet()


def test_version_1():
    s = Setup()
    a = s.open()
    s.call("join", a, G)
    s.quiet()
    s.p.send(s.query(code=0))
    s.p.advance(10001)
    assert s.reports() == [(0x12, G, G)]
    s.p.send(s.query(code=100))  # the older of the two
    s.p.advance(10001)
    assert s.reports() == [(0x12, G, G)]
    s.call("leave", a, G)
    s.p.expect_nothing()


def test_bad_input():
    s = Setup()
    a = s.open()
    s.call("join", a, G)
    s.quiet()
    good = s.query(G, sources=(A, B))
    for frame, counter in (
        (s.query(sources=(), ttl=2), "igmp.in_bad"),
        (s.query(sources=(), dst=G), "igmp.in_bad"),
        (s.query(cut=7), "igmp.in_short"),
        (s.query(sources=(), cut=11), "igmp.in_bad"),
        (s.query(G, sources=(A, B), cut=19), "igmp.in_short"),
        (good[:-1] + b"\xee", "igmp.in_checksum"),
        (s.p.ip_frame(2, bench.icmp(0x99), dst=ALL, dst_mac=group_mac(ALL), ttl=1), "igmp.in_bad"),
    ):
        s.p.expect_drop(frame, counter)
    for n in range(20):
        s.p.send(s.query(G, sources=(A, B), cut=n))
    rnd = bench.Random(5)
    frame = bytearray(good)
    for _ in range(bench.scale(2000)):
        mutant = bytearray(frame)
        for _ in range(1 + rnd.below(3)):
            mutant[14 + rnd.below(len(mutant) - 14)] = rnd.below(256)
        s.p.send(bench.mend(mutant))
    s.p.advance(400000)
    s.p.take()
    s.p.send(s.query(sources=()))  # all is as before
    s.p.advance(1001)
    assert s.reports() == [(IS_EX, G, set())]


def test_many_sources_asked_for():
    # bounded: more than are remembered count as all
    s = Setup()
    a = s.open()
    s.call("join", a, G)
    s.quiet()
    many = [bytes((10, 1, i, 1)) for i in range(200)]
    s.p.send(s.query(G, sources=many))
    s.p.advance(1001)
    assert s.reports() == [(IS_EX, G, set())]


def test_link_comes_back():
    # the routers of the new link have yet to hear of us
    s = Setup()
    a = s.open()
    s.call("join", a, G)
    s.quiet()
    with bench.inside(s.st):
        s.st.notify(s.p.nif, 1)
    s.p.advance(1200)
    assert s.reports() == [(TO_EX, G, set())] * 2


def test_close_leaves():
    s = Setup()
    a = s.open()
    s.call("join", a, G)
    s.call("join", a, H, A)
    s.quiet()
    with bench.inside(s.st):
        a.close()
    s.p.poll()
    assert sorted(s.reports()) == [(TO_IN, G, set()), (BLOCK, H, {A})]
    s.quiet()


def test_groups_that_share_a_link_address():
    # RFC 1112 6.4: the NIC filters 23 bits
    s = Setup()
    a = s.open()
    twin = bench.ip("238.129.2.3")
    s.call("join", a, G)
    s.call("join", a, twin)
    assert s.p.nic.groups == [group_mac(G)]
    s.call("leave", a, G)
    s.quiet()
    assert s.p.nic.groups == [group_mac(G)]
    s.send(b"x")
    assert _got(a) == []
    s.call("leave", a, twin)
    s.quiet()
    assert s.p.nic.groups == []


def test_send():
    # RFC 1112 6.1: to the link alone unless told otherwise; to our own members as well
    s = Setup()
    a = s.open()
    s.call("join", a, G)
    s.quiet()
    b = s.open(6000)

    def send(data, dst=G):
        with bench.inside(s.st):
            n = b.send(data, 0, len(data), s.p.host.ip4, dst, 5000)
        s.p.poll()
        return n

    assert send(b"1") == 1
    s.p.expect("udp", dst=G, dst_mac=group_mac(G), ttl=1, src=s.p.host.addr, data=b"1")
    assert _got(a) == [b"1"]
    send(b"2", H)
    s.p.expect("udp", dst=H)
    assert _got(a) == []
    b.groups.ttl = 9
    b.groups.loop = False
    b.tos = 0x20
    for _ in range(3):
        send(b"3")
        s.p.expect("udp", ttl=9, tos=0x20)
    assert _got(a) == []
    b.groups.ttl = 0
    b.groups.loop = True
    assert send(b"4") == 1
    s.p.expect_nothing()
    assert _got(a) == [b"4"]
    c = s.open(7000, G)  # bound to a group, that is no source
    c.groups.via = s.p.nif
    with bench.inside(s.st):
        c.send(bytes(3000), 0, 3000, s.p.host.ip4, H, 9)
    s.p.expect_whole("udp", dst=H, src=s.p.host.addr, ttl=1)


bench.run_tests(globals())
