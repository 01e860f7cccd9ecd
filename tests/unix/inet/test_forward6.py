# lib: inet/forwarding.py, inet/forward_fast.py, inet/forward.py
# lib: inet/forward6_fast.py, inet/forward6.py
# The IPv6 router (RFC 8200, 4443, 4861 8.2, 4007 9): who gets on, and who does not.

import bench
import netstack
import ref
from array import array
from alike import Pair, both
from routernet6 import EXCEEDED, TOO_BIG, UNREACHABLE, Net6, addr, link, station
from packets import IPV6, group_mac, ip6, opt_mss

forward6_fast = bench.optional("inet.forward6_fast")
FAR = ip6("2001:db9::1")
ECHO = 128


def told(n, net, frame, type, code):
    """The error that the sender of this frame gets, from the router's address on its link."""
    out, packet = n.one(net, frame)
    assert out == net and (packet.kind, packet.type, packet.code) == ("icmp6", type, code), packet
    assert packet.data == frame[14:][:1232]
    assert packet.src == addr(net, 254) and packet.dst_mac == station(net)
    return packet


@both
def test_forwards(fast):
    # RFC 8200 3: to the other network, a hop older, from our link address, the rest as it was
    n = Net6()
    for i in range(6):
        for net in (0, 1):
            frame = n.udp(net, data=b"d%d" % i, hops=17, tclass=0x48, label=0x12345)
            out, packet = n.one(net, frame)
            assert out == 1 - net and packet.kind == "udp" and packet.data == b"d%d" % i
            assert packet.hops == 16 and packet.frame[14:21] == frame[14:21]
            assert packet.frame[22:] == frame[22:]
            assert packet.src_mac == n.nics[out].mac and packet.dst_mac == station(out)
    assert n.stat("forwarded") == 12
    assert (n.stat("in", "fast") >= 8) is fast


@both
def test_every_length_and_padding(fast):
    n = Net6()
    for size in list(range(0, 40)) + [1450, 1451, 1452]:
        data = bytes(i * 3 & 255 for i in range(size))
        for _ in range(2):
            frame = n.udp(0, data=data)
            out, packet = n.one(0, frame + bytes(max(0, 60 - len(frame))) + bytes(size & 3))
            assert packet.data == data and len(packet.frame) == 62 + size


@both
def test_protocols(fast):
    # TCP with and without SYN, FIN, RST; ICMP, errors too; what nobody knows; extension headers
    n = Net6()
    for flags in ("S", "SA", "A", "A", "PA", "FA", "R", "A"):
        out, packet = n.one(0, n.tcp(0, flags, data=b"" if "S" in flags else b"xyz"))
        assert out == 1 and packet.flags == "".join(f for f in "FSRPAUEC" if f in flags)
    for type in (ECHO, 129, UNREACHABLE, TOO_BIG):
        out, packet = n.one(0, n.icmp(0, type, data=b"ping"))
        assert out == 1 and packet.type == type and packet.data == b"ping"
    for proto, headers in (
        (200, b"whatever"),
        (59, b""),
        (
            0,
            b"\xfd\0\xde\4abcd",
        ),  # hop-by-hop, an option that the destination refuses
        (60, b"\x3b\0\1\4abcd"),
        (44, b"\x11\0\0\1abcd" + bytes(8)),
        (44, b"\x11\0\5\1abcd" + bytes(8)),
        (43, b"\x3b\0\2\1abcd"),  # RFC 5095 4.2: other types go on
        (43, b"\x3b\0\0\0abcd"),
    ):
        for _ in range(2):
            out, packet = n.one(0, n.frame(0, proto, headers))
            assert out == 1 and packet.frame[54:] == headers


@both
def test_hop_limit(fast):
    # RFC 4443 3.3: 0 or 1 does not go on
    n = Net6()
    n.send(0, n.udp(0))
    n.send(0, n.udp(0))
    for hops in (1, 0):
        told(n, 0, n.udp(0, hops=hops, data=b"too old"), EXCEEDED, 0)
    assert n.stat("in_hops") == 2
    n.none(0, n.icmp(0, UNREACHABLE, data=bytes(48), hops=1), "router6.in_hops")
    n.none(0, n.icmp(0, 137, data=bytes(48), hops=1), "router6.in_hops")
    assert n.one(0, n.udp(0, hops=2))[1].hops == 1


@both
def test_too_big(fast):
    # RFC 4443 3.2, RFC 8200 5: the MTU of the next link; nothing is cut
    n = Net6(mtus=(1500, 1400))
    for _ in range(2):
        assert n.one(0, n.udp(0, data=bytes(1352)))[0] == 1
    packet = told(n, 0, n.udp(0, data=bytes(1353)), TOO_BIG, 0)
    assert packet.value == 1400 and len(packet.data) == 1232
    assert n.stat("out_toobig") == 1
    small = Net6(mtus=(1500, 1000))
    assert told(small, 0, small.udp(0, data=bytes(1200)), TOO_BIG, 0).value == 1280


@both
def test_no_route(fast):
    # RFC 4443 3.1: 0; a route that rejects: 6
    n = Net6()
    told(n, 0, n.udp(0, dst=FAR), UNREACHABLE, 0)
    lo = n.st.nifs[0]
    n.ip.routes.add_static(ip6("2001:db9::"), 32, lo, None)
    told(n, 0, n.udp(0, dst=FAR), UNREACHABLE, 6)
    n.route(ip6("2001:db9::"), 48, addr(1, 2))
    assert n.one(0, n.udp(0, dst=FAR))[1].dst_mac == station(1, 2)
    assert n.stat("out_noroute") == 2


@both
def test_scopes(fast):
    # RFC 4291 2.5.6, RFC 4007 9, RFC 4443 3.1 (2): link-local addresses stay on their link
    n = Net6()
    frame = n.udp(0, src=link(0))
    out, packet = n.one(0, frame)
    assert out == 0 and (packet.type, packet.code) == (UNREACHABLE, 2)
    assert packet.src == link(0, 254) and packet.dst == link(0)
    for dst in (link(1), link(0, 2), ip6("fe80::99")):
        n.none(0, n.udp(0, dst=dst), "router6.in_scope")
        n.none(0, n.udp(0, src=link(0), dst=dst), "router6.in_scope")
    # a router's own link-local address is known on its link alone
    n.none(0, n.icmp(0, ECHO, src=link(0), dst=link(1, 254)), "router6.in_scope")
    assert n.one(0, n.icmp(0, ECHO, src=link(0), dst=link(0, 254)))[1].type == 129


@both
def test_sources(fast):
    # RFC 4291 2.5.2, 2.7, RFC 3704
    n = Net6(3)
    n.send(0, n.udp(0))
    n.send(0, n.udp(0))
    for src in (addr(1), addr(2, 9), FAR):
        n.none(0, n.udp(0, src=src), "router6.in_martian")
    for src in (ip6("ff02::1"), ip6("::"), ip6("::1"), ip6("::ffff:a00:1"), addr(0, 254)):
        n.none(0, n.udp(0, src=src), "ipv6.in_source")
    for src in (ip6("::"), addr(0, 254), addr(1, 254)):
        n.none(0, n.icmp(0, ECHO, src=src), "router6.in_martian")
    for dst in (ip6("::"), ip6("::1"), ip6("::ffff:a00:1")):
        n.none(0, n.udp(0, dst=dst), "ipv6.in_destination")
    assert n.one(0, n.udp(0))[0] == 1
    n.router.strict = False
    for _ in range(3):
        out, packet = n.one(0, n.udp(0, src=FAR))
        assert out == 1 and packet.src == FAR


@both
def test_groups_do_not_go_on(fast):
    n = Net6()
    n.send(0, n.udp(0))
    n.send(0, n.udp(0))
    for group in ("ff02::99", "ff05::99", "ff0e::99"):
        dst = ip6(group)
        n.none(0, n.udp(0, dst=dst, dst_mac=group_mac(dst)), "ipv6.in_other")
    for mac in (bench.BROADCAST, b"\x33\x33\0\0\0\1"):
        n.none(0, n.udp(0, dst_mac=mac), "ipv6.in_other")
    n.none(0, n.udp(0, dst_mac=b"\x02\0\0\0\0\x77"), "eth0.ethernet.in_other")


@both
def test_routing_header_0(fast):
    # RFC 5095: neither followed nor passed on, also behind other headers
    n = Net6()
    rh0 = b"\x3b\2\0\1\0\0\0\0" + addr(1, 2)
    n.none(0, n.frame(0, 43, rh0), "router6.in_routing")
    n.none(0, n.frame(0, 60, b"\x2b\0\1\4\0\0\0\0" + rh0), "router6.in_routing")
    n.none(0, n.frame(0, 0, b"\x2b\0\1\4\0\0\0\0" + rh0), "router6.in_routing")
    out, packet = n.one(0, n.frame(0, 43, rh0, dst=addr(0, 254)))
    assert out == 0 and (packet.type, packet.code, packet.value) == (4, 0, 42)
    # headers that lie about their length are their destination's
    for headers in (b"\x2b\xff\1\4\0\0\0\0", b"\x2b\0", b"\x2b\0\1\4\0\0\0\0\x3b"):
        n.clear()
        n.nics[0].rx.append(n.frame(0, 60, headers))
        n.poll()
        assert [frame[54:] for frame in n.sent[1]] == [headers]


@both
def test_bad_headers(fast):
    n = Net6()
    n.send(0, n.udp(0))
    n.send(0, n.udp(0))
    whole = n.udp(0)
    for over, counter in (
        ({"length": 13}, "in_length"),
        ({"length": 65535}, "in_length"),
        ({"version": 4}, "in_version"),
        ({"version": 15}, "in_version"),
    ):
        n.none(0, n.udp(0, **over), "ipv6." + counter)
    for size in range(14, 54):
        n.none(0, whole[:size], "ipv6.in_short")
    for size in range(54, len(whole)):
        n.none(0, whole[:size], "ipv6.in_length")
    # too short for a header of TCP or UDP: that is not ours to judge
    for proto in (6, 17):
        for size in range(0, 24):
            n.clear()
            n.nics[0].rx.append(n.frame(0, proto, bytes(size)))
            n.poll()
            assert [len(frame) for frame in n.sent[1]] == [54 + size]
    assert n.one(0, n.udp(0))[0] == 1


@both
def test_unknown_neighbour(fast):
    # RFC 4861 7.2.2: asked for; what waits is sent. When nobody answers: RFC 4443 3.1 (3)
    n = Net6()
    ((out, ask),) = n.send(0, n.udp(0, dst=addr(1, 9)))
    assert out == 1 and ask.kind == "nd" and ask.type == 135 and ask.target == addr(1, 9)
    assert ask.src in (addr(1, 254), link(1, 254))
    ((out, packet),) = n.send(1, n.na(1, 9, ask.src))
    assert out == 1 and packet.kind == "udp" and packet.dst_mac == station(1, 9)
    for _ in range(3):
        assert n.one(0, n.udp(0, dst=addr(1, 9)))[1].dst_mac == station(1, 9)
    frame = n.udp(0, dst=addr(1, 10))
    n.send(0, frame)
    n.advance(6000)
    errors = [packet for out, packet in n.take() if packet.kind == "icmp6"]
    assert len(errors) == 1 and (errors[0].type, errors[0].code) == (UNREACHABLE, 3)
    assert errors[0].src == addr(0, 254) and errors[0].dst == addr(0)
    assert errors[0].data[8:] == frame[22:]


def test_neighbours_are_asked_again():
    # RFC 4861 7.3: also while machine code forwards to them; one that is gone is not written to
    n = Net6()
    ((_, ask),) = n.send(0, n.udp(0, dst=addr(1, 9)))
    n.send(1, n.na(1, 9, ask.src))
    asked = 0
    for i in range(150):
        n.clock.ms += 1000
        for out, packet in n.send(0, n.udp(0, dst=addr(1, 9))):
            if packet.kind == "nd":
                assert packet.dst == addr(1, 9) and packet.dst_mac == station(1, 9)
                asked += 1
                n.nics[1].rx.append(n.na(1, 9, packet.src))
        n.poll()
    assert 2 <= asked <= 6, asked
    assert n.stat("in", "fast") > 100 and n.stat("forwarded") == 151
    for i in range(80):  # it does not answer any more
        n.clock.ms += 1000
        n.nics[0].rx.append(n.udp(0, dst=addr(1, 9)))
        n.poll()
    errors = [p for p in n.take() if p[1].kind == "icmp6" and p[1].type == UNREACHABLE]
    assert errors and all(packet.code == 3 for _, packet in errors)


@both
def test_redirect(fast):
    # RFC 4861 8.2: to a neighbour, of a router known by its link-local address, or of a neighbour
    n = Net6()
    n.route(ip6("2001:db9::"), 32, link(0, 2), 0)
    frame = n.udp(0, dst=FAR, data=bytes(1400))
    for i in range(2):
        found = dict((packet.kind, packet) for _, packet in n.send(0, frame))
        assert found["udp"].dst_mac == station(0, 2)
        if not (fast and i):
            packet = found["nd"]
            assert packet.type == 137 and packet.src == link(0, 254) and packet.dst == addr(0)
            assert packet.target == link(0, 2) and packet.frame[78:94] == FAR
            assert packet.opts[2] == station(0, 2) and len(packet.frame) <= 1280 + 14
            assert packet.opts[4][6:] == frame[14:][:1184]
    before = n.stat("out_redirect")
    assert before >= 1
    ((_, packet), (_, second)) = n.send(0, n.udp(0, dst=addr(0, 2)))  # on its own link
    target = packet if packet.kind == "nd" else second
    assert target.target == addr(0, 2) and target.frame[78:94] == addr(0, 2)
    # not: for who is no neighbour; to a router that has no link-local address here; switched off
    n.route(ip6("2001:dba::"), 32, addr(0, 3))
    assert len(n.send(0, n.udp(0, dst=ip6("2001:dba::1")))) == 1
    assert len(n.send(0, n.udp(0, src=FAR, dst=ip6("2001:db9::2")))) == 1
    n.router.redirects = False
    assert len(n.send(0, n.udp(0, dport=7, dst=FAR))) == 1


@both
def test_routing_loop(fast):
    # A router that sends what we send it back to us: its packets are martians; where they are not
    # looked for, each goes around until its hop limit is up, and that is told once.
    n = Net6()
    n.route(ip6("2001:db9::"), 32, link(1, 2), 1)
    n.loop(1)
    for i in range(20):
        assert len(n.send(0, n.udp(0, dst=FAR, sport=i + 1))) == 1
    assert n.stat("in_martian") == 20
    n.router.strict = False
    for i in range(20):
        found = n.send(0, n.udp(0, dst=FAR, sport=9, hops=64))
        assert [out for out, _ in found].count(1) == 63
        told = [packet for out, packet in found if out == 0]
        assert [packet.kind for packet in told] == ["icmp6"] and told[0].type == 3, told
        n.advance(1000)
    assert n.stat("in_hops") == 20
    assert n.one(0, n.udp(0))[1].kind == "udp" and n.st.pool.left == n.st.pool.count


def test_redirects_and_errors_are_rare():
    # RFC 4861 8.2, RFC 4443 2.4 (f), of a loop as well: a packet goes around until its hops are up
    n = Net6()
    n.route(ip6("2001:db9::"), 32, link(0, 2), 0)
    netstack.fastpath = False
    try:
        for i in range(200):
            n.nics[0].rx.append(n.udp(0, dst=FAR, sport=i + 1))
            n.nics[0].rx.append(n.udp(0, hops=1))
        n.poll()
    finally:
        netstack.fastpath = True
    kinds = [packet.kind for _, packet in n.take()]
    assert kinds.count("udp") == 200 and kinds.count("nd") + kinds.count("icmp6") <= 40, kinds
    assert n.stat("out_limited", "icmp6") >= 360


@both
def test_routes(fast):
    # The longest prefix, then the longest prefix of sources, then the lowest metric
    n = Net6(3)
    n.route(ip6("2001:d00::"), 24, addr(1, 1))
    n.route(ip6("2001:db9::"), 32, addr(2, 1))
    n.route(ip6("2001:db9:8000::"), 33, addr(1, 2))
    better = n.route(ip6("2001:db9::"), 32, addr(1, 3), metric=50)
    n.route(bytes(16), 0, addr(2, 3))
    n.route(bytes(16), 0, addr(1, 3), source=addr(0, 2), slen=128)
    n.route(bytes(16), 0, addr(1, 2), source=addr(0), slen=64, metric=5)
    host = n.route(ip6("2001:db9::77"), 128, addr(2, 2))
    for src, dst, out, mac in (
        (addr(0), ip6("2001:db1::1"), 1, station(1, 1)),
        (addr(0), FAR, 1, station(1, 3)),
        (addr(0), ip6("2001:db9:8000::1"), 1, station(1, 2)),
        (addr(0), ip6("2001:db9::77"), 2, station(2, 2)),
        (addr(0), ip6("2a00::1"), 1, station(1, 2)),
        (addr(0, 2), ip6("2a00::1"), 1, station(1, 3)),
        (addr(0), addr(2, 2), 2, station(2, 2)),
    ):
        for _ in range(2):
            got, packet = n.one(0, n.udp(0, src=src, dst=dst))
            assert (got, packet.dst_mac) == (out, mac), dst
    assert n.one(1, n.udp(1, dst=ip6("2a00::1")))[0] == 2
    n.ip.routes.remove(better)
    n.ip.routes.remove(host)
    for dst in (FAR, ip6("2001:db9::77")):
        assert n.one(0, n.udp(0, dst=dst))[1].dst_mac == station(2, 1)


@both
def test_link_down_changes_the_route(fast):
    n = Net6(3)
    n.route(ip6("2001:db9::"), 32, addr(1, 1), metric=10)
    n.route(ip6("2001:db9::"), 32, addr(2, 1), metric=20)
    for up, out in ((1, 1), (0, 2), (1, 1)):
        n.nics[1].up = up
        n.advance(4000)
        for _ in range(3):
            assert n.one(0, n.udp(0, dst=FAR))[0] == out


@both
def test_for_us(fast):
    # The host in the router answers at each of its addresses
    n = Net6()
    for net in (0, 1):
        for _ in range(3):
            out, packet = n.one(0, n.icmp(0, ECHO, dst=addr(net, 254)))
            assert out == 0 and packet.type == 129 and packet.src == addr(net, 254)
    out, packet = n.one(0, n.udp(0, dst=addr(1, 254)))
    assert (packet.type, packet.code) == (UNREACHABLE, 4) and packet.src == addr(1, 254)
    assert n.stat("forwarded") == 0


@both
def test_address_of_all_routers(fast):
    # RFC 4291 2.6.1: the prefix alone is for any router of its network
    n = Net6()
    for net in (0, 1):
        out, packet = n.one(0, n.icmp(0, ECHO, dst=addr(net, 0), data=b"any"))
        assert out == 0 and packet.type == 129 and packet.data == b"any"
        assert packet.src in (addr(0, 254), addr(1, 254))
    ask = addr(0, 0) + b"\1\1" + station(0)
    group = ip6("ff02::1:ff00:0")
    over = {"dst": group, "dst_mac": group_mac(group), "hops": 255}
    out, packet = n.one(0, n.icmp(0, 135, data=ask, **over))
    assert out == 0 and (packet.type, packet.flags) == (136, 0xC0)  # no override: 7.2.7
    assert packet.target == addr(0, 0) and packet.opts[2] == n.nics[0].mac
    ask = ask[:16]
    n.none(0, n.icmp(0, 135, data=ask, src=bytes(16), **over))
    n.none(0, n.icmp(0, 135, data=addr(1, 0), **over))
    n.none(0, n.icmp(0, 135, data=ip6("fe80::"), **over))
    n.none(0, n.icmp(0, ECHO, dst=ip6("fe80::")), "router6.in_scope")
    for source in (addr(0, 0), addr(1, 0)):
        n.none(0, n.udp(0, src=source), "router6.in_martian")


def test_says_that_it_is_a_router():
    # RFC 4861 7.2.4, RFC 4291 2.8; until it is none any more
    n = Net6()
    ask = addr(0, 254) + b"\1\1" + station(0)
    for routing in (True, False):
        frame = n.icmp(0, 135, data=ask, dst=addr(0, 254), hops=255)
        (_, packet) = n.one(0, frame)
        assert packet.type == 136 and packet.flags == (0xE0 if routing else 0x60)
        for group in ("ff01::2", "ff02::2", "ff05::2"):
            assert n.nifs[0].v6.groups.member(ip6(group), 0) is routing
        if routing:
            with bench.inside(n.st):
                n.router.close()
            n.take()
    n.none(0, n.udp(0), "ipv6.in_other")


def test_routers_do_not_configure_it():
    # RFC 4861 6.2.7; but where it is to learn (RFC 7084 W-3), and when it is a host again
    n = Net6()
    prefix = b"\3\4\x40\xc0" + b"\0\1\0\0" * 2 + bytes(4) + ip6("2001:db9::")
    ra = n.icmp(0, 134, rest=b"\x40\0\7\x08", data=bytes(8) + prefix, src=link(0, 2),
                dst=ip6("ff02::1"), dst_mac=b"\x33\x33\0\0\0\1", hops=255)  # fmt: skip
    v6 = n.nifs[0].v6

    def made():
        return len([entry for entry in v6.list if entry.origin == 2])

    n.send(0, ra)
    assert made() == 0 and n.ip.routes.find(FAR, 0) is None
    with bench.inside(n.st):
        n.router.learn(n.nifs[0])
    n.send(0, ra)
    assert made() == 1 and n.ip.routes.find(FAR, 0) is not None
    with bench.inside(n.st):
        n.router.learn(n.nifs[0], False)
    assert made() == 0 and n.ip.routes.find(FAR, 0) is None
    assert v6.link_local()
    with bench.inside(n.st):
        n.router.close()
    assert v6.auto
    n.send(0, ra)
    assert made() == 1


@both
def test_mss_clamp(fast):
    n = Net6(mtus=(1500, 1300))
    for opts, mss in (
        (opt_mss(1440), 1240),
        (b"\1" + opt_mss(1440), 1240),
        (opt_mss(400), 400),
        (b"\1\1\4\2", None),
    ):
        for net in (0, 1):
            _, packet = n.one(net, n.tcp(net, "S", opts=opts))
            assert packet.mss == mss, (opts, packet.mss)
    n.router.clamp = False
    assert n.one(0, n.tcp(0, "S", opts=opt_mss(1440)))[1].mss == 1440


@both
def test_scanned(fast):
    # RFC 6583: somebody tries each address of a /64; who is known goes on, and afterwards all is
    # as before
    n = Net6(3)
    ((_, ask),) = n.send(0, n.udp(0, dst=addr(1, 9)))
    n.send(1, n.na(1, 9, ask.src))
    pool = n.st.pool
    low = pool.count
    for i in range(bench.scale(600)):
        n.clear()
        n.nics[2].rx.append(n.udp(2, dst=addr(1, 0x1000 + i)))
        n.nics[0].rx.append(n.udp(0, dst=addr(1, 9), sport=1 + i % 7))
        n.nics[0].rx.append(n.udp(0, dst=addr(2), sport=1 + i % 7))
        n.clock.ms += 5
        n.poll()
        low = min(low, pool.left)
        got = [bench.Packet(frame) for sent in n.sent[1:] for frame in sent]
        for packet in got:
            if packet.kind == "nd" and packet.target == addr(1, 9):
                n.nics[1].rx.append(n.na(1, 9, packet.src))
        assert [packet.kind for packet in got].count("udp") == 2, i
    assert low >= pool.count // 2 - 2, low
    assert n.stat("full", "eth1.nd") + n.stat("out_nobuf") > 100
    n.advance(5000)
    assert pool.left == pool.count
    ((_, ask),) = n.send(0, n.udp(0, dst=addr(1, 10)))
    ((out, packet),) = n.send(1, n.na(1, 10, ask.src))
    assert out == 1 and packet.kind == "udp"


def test_scanned_with_many_neighbours():
    # RFC 6583 7.1: those that are in use keep their rows, whoever asks for how many others
    n = Net6(3)
    n.nifs[1].v6.nd.flush()
    hosts = range(0x11, 0x11 + 17)  # beside three static ones, at two addresses each
    for host in hosts:
        for out, packet in n.send(0, n.udp(0, dst=addr(1, host))):
            n.send(1, n.na(1, host, packet.src))
    evicted = n.stat("evicted", "eth1.nd")
    for i in range(bench.scale(400)):
        n.clock.ms += 20
        for _ in range(4):
            n.nics[2].rx.append(n.udp(2, dst=addr(1, 0x1000 + 4 * i + _)))
        host = hosts[i % 17]
        n.nics[0].rx.append(n.udp(0, dst=addr(1, host), sport=host))
        n.clear()
        n.poll()
        got = [bench.Packet(frame) for frame in n.sent[1]]
        assert [p.dst for p in got if p.kind == "udp"] == [addr(1, host)], i
        for packet in got:
            if packet.kind == "nd" and packet.dst[0] != 0xFF:
                host = packet.target[15]
                n.nics[1].rx.append(n.na(1, host, packet.src))
    assert n.stat("evicted", "eth1.nd") == evicted
    n.advance(5000)


@both
def test_busy_port(fast):
    n = Net6()
    n.send(0, n.udp(0))
    n.send(0, n.udp(0))
    n.nics[1].busy = 1000
    n.clear()
    for i in range(30):
        n.nics[0].rx.append(n.udp(0, data=b"%d" % i))
    n.poll()
    n.nics[1].busy = 0
    n.poll()
    n.poll()
    got = [packet.data for _, packet in n.take()]
    assert len(got) >= 16 and got == [b"%d" % i for i in range(len(got))], got


def test_both_families():
    # Each has its own flows; neither is in the other's way
    n = Net6()
    four = super(Net6, n)
    for _ in range(4):
        assert n.one(0, n.udp(0))[1].ethertype == IPV6
        packet = bench.ip4(b"\x0a\0\0\1", b"\x0a\1\0\1", 17,
                           bench.udp(b"\x0a\0\0\1", b"\x0a\1\0\1", 5, 6, b"four"))  # fmt: skip
        out, got = n.one(0, bench.eth(n.nics[0].mac, station(0), bench.IPV4, packet))
        assert out == 1 and got.data == b"four" and got.ttl == 63
    assert n.stat("forwarded") == 4 and n.stat("forwarded", "router") == 4
    assert n.stat("in", "fast") >= 4 and four is not None
    with bench.inside(n.st):
        n.router4.close()
    n.take()
    for _ in range(3):
        assert n.one(0, n.udp(0))[0] == 1


@both
def test_anything(fast):
    # Whatever comes: nothing is raised, no frame is lost, and afterwards all is as before
    n = Net6(3, mtus=(1500, 1400, 1300))
    n.route(ip6("2001:db9::"), 32, link(0, 2), 0)
    rnd = bench.Random(29)
    kinds = (0, 6, 17, 43, 44, 51, 58, 59, 60, 200)
    for _ in range(bench.scale(1500)):
        net = rnd.below(3)
        chain = b""
        for _ in range(rnd.below(4)):
            chain += bytes((rnd.choice(kinds), rnd.below(4), rnd.below(256), rnd.below(3)))
            chain += rnd.bytes(rnd.choice((4, 4, 12, 1)))
        dst = rnd.choice((addr(0), addr(1, 9), addr(2, 0), FAR, link(net, 254), ip6("ff02::1")))
        frame = n.frame(
            net,
            rnd.choice(kinds),
            chain + rnd.bytes(rnd.choice((0, 3, 8, 20, 60, 1280, 1400))),
            rnd.choice((addr(net), addr(net, 2), link(net), ip6("::"))),
            dst,
            hops=rnd.choice((0, 1, 2, 64, 255)),
        )
        frame = bytearray(frame[:1514])
        for _ in range(rnd.below(3)):
            frame[14 + rnd.below(len(frame) - 14)] = rnd.below(256)
        n.nics[net].rx.append(bytes(frame))
        n.clock.ms += rnd.below(20)
        n.poll()
    n.advance(40000)
    n.clear()
    assert n.st.pool.left == n.st.pool.count
    assert n.one(0, n.udp(0))[0] == 1 and n.one(1, n.udp(1))[0] == 0


def test_places():
    rnd = bench.Random(3)
    for _ in range(bench.scale(200)):
        key = array("I", bytes(rnd.below(256) for _ in range(40)))
        for mask in (0, 15, 4095):
            assert forward6_fast.place(key, mask) == ref.place6(key, mask)


def test_bad_arguments():
    for flows in (0, 3, 100):
        try:
            Net6(flows=flows)
        except ValueError:
            pass
        else:
            raise AssertionError("%d flows" % flows)
    bench.forget()


def test_flows_take_turns():
    n = Net6(flows=4)
    rnd = bench.Random(5)
    for i in range(bench.scale(500)):
        sport = 1000 + rnd.below(40)
        net = rnd.below(2)
        out, packet = n.one(net, n.udp(net, sport, data=b"%d" % i))
        assert out == 1 - net and packet.sport == sport and packet.data == b"%d" % i


def test_fast_path_is_the_slow_path():
    # The same frames to two routers, one without it
    pair = Pair(11, lambda: Net6(3, flows=16, mtus=(1500, 1500, 1300)))
    rnd = pair.rnd
    for n in pair.two:
        n.route(ip6("2001:db9::"), 32, addr(2, 3))
        n.route(ip6("2001:db9::"), 32, addr(1, 3), source=addr(0, 2), slen=128)
        n.router.redirects = False  # the fast path sends none: a flow's first packet has done that
    for i in range(bench.scale(1200)):
        net = rnd.below(3)
        dst = rnd.choice((addr(0), addr(1), addr(2, 2), FAR, addr(1, 254), link(net, 2)))
        src = rnd.choice((addr(net), addr(net), addr(net), addr(net, 2), addr(1), link(net)))
        over = {"src": src, "dst": dst, "hops": rnd.choice((64, 64, 64, 2, 1)),
                "tclass": rnd.choice((0, 3, 8)), "label": rnd.below(1 << 20)}  # fmt: skip
        data = bytes(rnd.choice((0, 1, 10, 400, 1300)))
        if rnd.below(2):
            frame = n.udp(net, 1000 + rnd.below(3), 7, data, **over)
        else:
            frame = n.tcp(net, rnd.choice(("A", "A", "PA", "S", "FA")), data=data, **over)
        if rnd.below(10) == 0:
            frame = bytearray(frame)
            frame[rnd.below(len(frame))] ^= 1 << rnd.below(8)
        pair.send(net, frame)
        if rnd.below(20) == 0:
            for each in pair.two:
                each.clock.ms += 400
    pair.same(bench.scale(20))


bench.run_tests(globals())
