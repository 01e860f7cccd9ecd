# lib: link/bridge.py, link/snoop.py
# IGMP and MLD snooping of the bridge (RFC 4541): messages forged here, frames counted at ports.

import struct

import bench
from bridgenet import STATIONS, Net
from packets import IPV4, IPV6, eth, group_mac, icmp6, ip, ip4, ip6, ipv6

snoop = bench.optional("link.snoop")

G = ip("239.1.2.3")
OTHER = ip("239.1.2.4")
G6 = ip6("ff05::1:3")
OTHER6 = ip6("ff0e::77")
IN, EX, TO_IN, TO_EX, ALLOW, BLOCK = range(1, 7)
S = ip("10.0.0.9")
AGE_MS = 260000


def snooping(ports=4):
    n = Net(ports)
    n.bridge.snoop = snoop.Snoop(n.bridge)
    bench.at_end(n.bridge.snoop.flush)
    return n


def stat(n, name):
    return n.st.stats()["br0.snoop"][name]


def group_mac4(group):
    return b"\x01\0\x5e" + bytes((group[1] & 127,)) + group[2:]


# -- IPv4 --------------------------------------------------------------------------------------


def igmp(port, data, dst, src=None, bad=0):
    total = bench.ones_sum(data[:2] + b"\0\0" + data[4:]) ^ 0xFFFF ^ bad
    data = data[:2] + struct.pack("!H", total) + data[4:]
    packet = ip4(src or bytes((10, 0, 0, 10 + port)), dst, 2, data, ttl=1, options=b"\x94\4\0\0")
    return eth(group_mac4(dst), STATIONS[port], IPV4, packet)


def query(port, group=bytes(4), src=None, **kw):
    return igmp(port, b"\x11\x64\0\0" + group, ip("224.0.0.1"), src, **kw)


def old(port, kind, group=G, **kw):
    return igmp(port, bytes((kind, 0, 0, 0)) + group, group, **kw)


def report(port, *records, **kw):
    """records: (type, group, sources)"""
    data = struct.pack("!BBHHH", 0x22, 0, 0, 0, kw.pop("count", len(records)))
    for kind, group, sources in records:
        data += struct.pack("!BBH", kind, 0, len(sources)) + group + b"".join(sources)
    return igmp(port, data, ip("224.0.0.22"), **kw)


def data(port, group=G):
    packet = ip4(
        bytes((10, 0, 0, 10 + port)), group, 17, bench.udp(b"\1\2\3\4", group, 9, 9, b"x")
    )
    return eth(group_mac4(group), STATIONS[port], IPV4, packet)


def test_where_somebody_has_joined():
    # RFC 4541 2.1.2: to members and routers
    n = snooping()
    assert n.send(0, query(0)) == [1, 2, 3]
    assert n.send(2, report(2, (TO_EX, G, ()))) == [0]  # 2.1.1 (1): reports go to routers alone
    assert n.send(0, data(0)) == [2] and n.send(1, data(1)) == [0, 2] and n.send(2, data(2)) == [0]
    assert n.send(1, data(1, OTHER)) == [0]  # nobody has joined
    n.send(3, old(3, 0x16))
    assert n.send(0, data(0)) == [2, 3]
    assert stat(n, "narrowed") == 5 and stat(n, "in_bad") == 0


def test_without_a_router_everywhere():
    n = snooping()
    assert n.send(1, report(1, (TO_EX, G, ()))) == [0, 2, 3]
    assert n.send(0, data(0)) == [1, 2, 3]
    assert n.send(2, query(2, src=bytes(4))) == [0, 1, 3]  # 2.1.1 (1): a proxy's
    assert n.send(0, data(0)) == [1, 2, 3]
    n.send(2, query(2))
    assert n.send(0, data(0)) == [1, 2]


def test_what_always_goes_everywhere():
    n = snooping()
    n.send(0, query(0))
    for frame in (
        data(1, ip("224.0.0.251")),
        eth(b"\xff" * 6, STATIONS[1], IPV4, ip4(S, b"\xff" * 4, 17, bytes(8))),
        eth(b"\x01\0\x5e\1\2\3", STATIONS[1], 0x88B5, bytes(46)),
        eth(b"\x01\0\x5e\1\2\3", STATIONS[1], 0x8100, b"\0\5" + data(1)[12:]),
        data(1)[:30] + bytes(30),
        eth(group_mac4(G), STATIONS[1], IPV4, b"\x15" + bytes(45)),
    ):
        assert n.send(1, frame) == [0, 2, 3], frame
    pim = eth(group_mac4(ip("224.0.0.13")), STATIONS[3], IPV4, ip4(S, ip("224.0.0.13"), 103, b""))
    assert n.send(3, pim) == [0, 1, 2]
    assert n.send(1, data(1)) == [0, 3]  # 2.1.1 (2): who speaks PIM is a router


def test_leaving():
    # Another host by the same port tells when the router asks; else the port is out in 3 seconds
    for leave in (old(1, 0x17), report(1, (TO_IN, G, ()))):
        n = snooping()
        n.send(0, query(0))
        n.send(1, old(1, 0x16))
        assert n.send(1, leave) == [0]
        assert n.send(0, data(0)) == [1]
        n.advance(2000)
        n.send(1, report(1, (EX, G, ())))
        n.advance(2000)
        assert n.send(0, data(0)) == [1]
        n.send(1, leave)
        n.advance(3001)
        assert n.send(0, data(0)) == []
        bench.clean()


def test_records():
    # RFC 3376 4.2.12: each type, with sources and without
    for kind, sources, joined in (
        (IN, (S,), True), (IN, (), False), (EX, (), True), (EX, (S,), True), (TO_IN, (S,), True),
        (TO_IN, (), False), (TO_EX, (S,), True), (ALLOW, (S,), True), (BLOCK, (S,), False),
        (0, (), False), (7, (), False),
    ):  # fmt: skip
        n = snooping()
        n.send(0, query(0))
        n.send(1, report(1, (EX, OTHER, (S, S)), (kind, G, sources), (EX, OTHER, ())))
        assert n.send(0, data(0)) == ([1] if joined else []), (kind, sources)
        assert n.send(0, data(0, OTHER)) == [1]
        bench.clean()


def test_ageing():
    n = snooping()
    n.send(0, query(0))
    n.send(1, old(1, 0x12))
    n.advance(AGE_MS - 1000)
    n.send(0, query(0))
    assert n.send(2, data(2)) == [0, 1]
    n.advance(1000)
    assert n.send(2, data(2)) == [0]
    n.advance(AGE_MS)
    assert n.send(2, data(2)) == [0, 1, 3]  # the router is gone
    n.advance(120000)
    assert not n.bridge.snoop._timer.active and n.bridge.snoop.four.members.count(None) == 64


def test_link_goes():
    n = snooping()
    for port in (0, 3):
        n.send(port, query(port))
    for port in (1, 2):
        n.send(port, old(port, 0x16))
    assert n.send(0, data(0)) == [1, 2, 3]
    for port in (1, 3):
        n.nics[port].up = 0
    n.advance(600)
    for port in (1, 3):
        n.nics[port].up = 1
    n.advance(600)
    assert n.send(0, data(0)) == [2]


def test_the_host_itself():
    # It gets all groups, as before; what it sends goes where it is wanted
    n = snooping()
    n.send(0, query(0))
    n.send(2, old(2, 0x16))
    before = n.st.ip4.stat[0]
    n.send(1, data(1))
    assert n.st.ip4.stat[0] == before + 1
    n.clear()
    frame = bytearray(2) + data(1)
    frame[8:14] = n.mac
    assert n.bridge.send(frame, 2, len(frame) - 2) == len(frame) - 2
    assert [len(sent) for sent in n.sent] == [1, 0, 1, 0]
    n.clear()
    own = bytearray(old(1, 0x16))
    own[6:12] = n.mac
    n.bridge.send(own, 0, len(own))
    assert [len(sent) for sent in n.sent] == [1, 0, 0, 0]


def test_more_groups_than_there_is_room_for():
    n = snooping()
    n.send(0, query(0))
    for i in range(70):
        n.send(1, old(1, 0x16, bytes((239, 2, 0, i))))
    assert stat(n, "full") == 6
    assert n.send(0, data(0, bytes((239, 2, 0, 9)))) == [1]
    for group in (bytes((239, 2, 0, 69)), G):  # it may have been one of them
        assert n.send(0, data(0, group)) == [1, 2, 3]
    n.advance(AGE_MS + 60000)
    n.send(0, query(0))
    n.send(1, old(1, 0x16))
    assert n.send(0, data(0)) == [1] and n.send(0, data(0, OTHER)) == []


def send_spoilt(n, good):
    """Cut short, and with other bytes here and there; then as it should be."""
    for size in range(14, len(good)):
        n.send(1, good[:size])
    rnd = bench.Random(4541)
    for _ in range(bench.scale(500)):
        frame = bytearray(good)
        for _ in range(1 + rnd.below(3)):
            frame[12 + rnd.below(len(frame) - 12)] = rnd.below(256)
        n.send(1, frame)
    n.send(1, good)


def test_messages_that_lie():
    n = snooping()
    n.send(0, query(0))
    good = report(1, (EX, G, (S,)))
    for frame in (
        old(1, 0x16, bad=1),
        report(1, (EX, OTHER, ()), count=2),
        report(1, (EX, OTHER, ()), count=0xFFFF),
        report(1, bad=0x100),
    ):
        before = stat(n, "in_bad")
        assert n.send(1, frame) == [0, 2, 3]
        assert stat(n, "in_bad") == before + 1
    for group in (ip("10.0.0.1"), ip("224.0.0.5"), bytes(4), b"\xff" * 4):
        n.send(1, old(1, 0x16, group))
    assert n.send(0, data(0)) == []
    send_spoilt(n, good)
    assert n.send(0, data(0)) == [1]


# -- IPv6 --------------------------------------------------------------------------------------


def mld(port, kind, rest, body, dst, src=None, bad=0):
    src = src or ip6("fe80::%x" % (16 + port))
    message = icmp6(src, dst, kind, 0, rest, body)
    if bad:
        message = message[:2] + bytes((message[2] ^ bad,)) + message[3:]
    packet = ipv6(src, dst, 0, b"\x3a\0\5\2\0\0\1\0" + message, hops=1)
    return eth(group_mac(dst), STATIONS[port], IPV6, packet)


def query6(port, **kw):
    return mld(port, 130, b"\3\xe8\0\0", bytes(16), ip6("ff02::1"), **kw)


def old6(port, kind, group=G6, **kw):
    return mld(port, kind, bytes(4), group, group if kind == 131 else ip6("ff02::2"), **kw)


def report6(port, *records, **kw):
    body = b""
    for kind, group, sources in records:
        body += struct.pack("!BBH", kind, 0, len(sources)) + group + b"".join(sources)
    count = struct.pack("!HH", 0, kw.pop("count", len(records)))
    return mld(port, 143, count, body, ip6("ff02::16"), **kw)


def data6(port, group=G6):
    src = ip6("2001:db8::%x" % (16 + port))
    packet = ipv6(src, group, 17, bench.udp(src, group, 9, 9, b"x"))
    return eth(group_mac(group), STATIONS[port], IPV6, packet)


def test_mld():
    n = snooping()
    n.send(0, query(0))  # the families are apart
    assert n.send(1, data6(1)) == [0, 2, 3]
    assert n.send(1, query6(1, src=bytes(16))) == [0, 2, 3]
    assert n.send(0, data6(0)) == [1, 2, 3]
    assert n.send(0, query6(0)) == [1, 2, 3]
    assert n.send(2, report6(2, (EX, OTHER6, ()), (TO_EX, G6, ()))) == [0]
    assert n.send(3, old6(3, 131)) == [0]
    assert n.send(1, data6(1)) == [0, 2, 3] and n.send(0, data6(0, OTHER6)) == [2]
    assert n.send(0, data6(0, ip6("ff0e::99"))) == []
    assert n.send(3, old6(3, 132)) == [0]
    n.send(2, report6(2, (TO_IN, G6, ())))
    n.advance(3001)
    assert n.send(1, data6(1)) == [0]
    for group in ("ff02::1", "ff02::1:ff00:1", "ff01::5"):
        assert n.send(1, data6(1, ip6(group))) == [0, 2, 3]
    assert stat(n, "in_bad") == 0


def test_mld_that_lies():
    n = snooping()
    n.send(0, query6(0))
    good = report6(1, (EX, G6, (ip6("2001:db8::9"),)))
    for frame in (
        old6(1, 131, bad=1),
        report6(1, (EX, OTHER6, ()), count=2),
        mld(1, 131, bytes(4), b"", G6),
    ):
        before = stat(n, "in_bad")
        assert n.send(1, frame) == [0, 2, 3]
        assert stat(n, "in_bad") == before + 1
    send_spoilt(n, good)
    assert n.send(0, data6(0)) == [1]
    ping = eth(group_mac(G6), STATIONS[1], IPV6, ipv6(ip6("2001:db8::1"), G6, 58, bytes(8)))
    assert n.send(1, ping) == [0]  # no message of MLD: what is for a group


bench.run_tests(globals())
