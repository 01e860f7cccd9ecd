# lib: inet/forward_fast.py, inet/forwarding.py, inet/forward.py
# What RFC 1812 asks of a router and no other file shows: docs/conformance4.md.

import bench
import netstack
from routernet import Net, addr, station


def both(function):
    """With the fast path, and without."""

    def run():
        for fast in (True, False):
            netstack.fastpath = fast
            try:
                function()
            finally:
                netstack.fastpath = True

    return run


def _warm():
    n = Net(3)
    for net in (0, 1, 0, 1):
        n.send(net, n.udp(net))
    return n


@both
def test_what_is_not_its_own_stays():
    # RFC 1812 5.3.3.3, 4.2.2.3, 5.2.5: TOS, reserved bits, identification and payload go on
    n = _warm()
    for tos in (0, 1, 0x1C, 0xE0, 0xFF):
        for flags in (0, 2, 4, 6):
            frame = n.udp(0, tos=tos, flags=flags, ident=0x1234, data=b"as it was")
            out, packet = n.one(0, frame)
            was, now = frame[14:], packet.frame[14:]
            assert out == 1 and now[8] == was[8] - 1
            assert now[:8] == was[:8] and now[9] == was[9] and now[12:] == was[12:]


@both
def test_parts_have_what_the_whole_had():
    # RFC 1812 5.2.5: TOS and reserved bits are copied into each fragment
    n = Net(mtus=(1500, 600))
    for flags in (0, 1, 4, 5):
        found = n.send(0, n.frame(0, 99, bytes(1400), tos=0xE9, flags=flags, frag=8))
        assert len(found) == 3
        for i, (_, packet) in enumerate(found):
            bits = packet.frame[20] >> 5
            assert packet.tos == 0xE9 and bits == (flags if i == 2 else flags | 1)


@both
def test_what_is_for_it():
    # RFC 1812 4.2.2.8, 4.2.2.9, 4.3.3.6: whatever the TTL, at each address, put together
    n = _warm()
    data = bytes(i * 5 & 255 for i in range(1400))
    for ttl in (0, 1, 64):
        for net in (0, 1):
            over = {"dst": addr(net, 254), "ttl": ttl}
            _, packet = n.one(0, n.frame(0, 1, bench.icmp(8, 0, data=b"abc"), **over))
            assert packet.type == 0 and packet.src == addr(net, 254) and packet.ttl == 64
            ping = bench.icmp(8, 0, data=data)
            n.none(0, n.frame(0, 1, ping[:800], flags=1, ident=7, **over))
            _, packet = n.one(0, n.frame(0, 1, ping[800:], flags=0, frag=100, ident=7, **over))
            assert packet.type == 0 and packet.src == addr(net, 254) and packet.data == data
    assert n.stat("forwarded") == 4


@both
def test_broadcasts_are_received():
    # RFC 1812 4.2.3.1, 5.3.5.1: limited ones, and those of the link they come by; RFC 2644: none
    # that are directed to another of its networks
    n = _warm()
    e = n.st.udp.open()
    with bench.inside(n.st):
        e.bind(n.st.ip4, None, 7)
    for dst, mac, got in (
        (b"\xff\xff\xff\xff", bench.BROADCAST, 1),
        (addr(0, 255), bench.BROADCAST, 2),
        (addr(1, 255), bench.BROADCAST, 2),
        (addr(1, 255), n.nics[0].mac, 2),
    ):
        n.none(0, n.udp(0, dport=7, dst=dst, dst_mac=mac))
        assert e.waiting == got, dst
    with bench.inside(n.st):
        e.close()


@both
def test_last_address_of_another_network():
    # RFC 1812 5.3.5.2: what may be a broadcast behind another router is a host to this one
    n = _warm()
    n.route(b"\xc0\0\2\0", 24, addr(1, 2))
    for host in (0, 1, 255):
        out, packet = n.one(0, n.udp(0, dst=b"\xc0\0\2" + bytes((host,))))
        assert out == 1 and packet.dst_mac == station(1, 2)


@both
def test_groups_do_not_go_on():
    # RFC 1812 4.2.3.1, 5.3.5.1: limited broadcasts; 5.2.1.3: groups, for want of a route
    n = _warm()
    for dst, mac in (
        (b"\xff\xff\xff\xff", bench.BROADCAST),
        (addr(0, 255), bench.BROADCAST),
        (b"\xe0\0\0\1", b"\1\0\x5e\0\0\1"),
        (b"\xe0\0\0\5", b"\1\0\x5e\0\0\5"),
        (b"\xef\1\2\3", b"\1\0\x5e\1\2\3"),
    ):
        n.none(0, n.udp(0, dst=dst, dst_mac=mac))
    assert n.stat("forwarded") == 4


@both
def test_no_errors_about():
    # RFC 1812 4.3.2.7: errors, groups, later fragments, who is no host
    n = _warm()
    quote = n.udp(1)[14:42]
    for ttl in (0, 1):
        for kind in (3, 5, 11, 12):
            n.none(0, n.frame(0, 1, bench.icmp(kind, 0, data=quote), ttl=ttl), "router.in_ttl")
        n.none(0, n.frame(0, 17, bytes(16), ttl=ttl, frag=1), "router.in_ttl")
    for kind in (3, 5, 11, 12):
        frame = n.frame(0, 1, bench.icmp(kind, 0, data=quote), dst=b"\xc0\0\2\1")
        n.none(0, frame, "router.out_noroute")
    n.none(0, n.frame(0, 17, bytes(16), dst=b"\xc0\0\2\1", frag=1), "router.out_noroute")
    n.none(0, n.udp(0, dst=b"\xc0\0\2\1", src=bytes(4)), "router.in_martian")
    for ttl in (1, 64):
        for dst in (b"\xc0\0\2\1", addr(1)):
            for mac in (bench.BROADCAST, b"\1\0\x5e\0\0\5"):
                n.none(0, n.udp(0, dst=dst, dst_mac=mac, ttl=ttl))
        for dst in (b"\xff\xff\xff\xff", b"\xe0\0\0\1", b"\xe0\0\0\5", addr(1, 255)):
            n.none(0, n.udp(0, dst=dst, ttl=ttl))
        for src in (b"\0\0\0\5", b"\x7f\0\0\1", b"\xe0\0\0\1", b"\xf0\0\0\1", addr(0, 255)):
            n.none(0, n.udp(0, src=src, ttl=ttl), "ipv4.in_source")
    # a query that has run out of time is no error
    out, packet = n.one(0, n.frame(0, 1, bench.icmp(8, 0, data=b"x"), ttl=1))
    assert out == 0 and packet.type == 11


@both
def test_errors_are_limited():
    # RFC 1812 4.3.2.8
    n = _warm()
    for i in range(200):
        n.nics[0].rx.append(bytes(n.udp(0, ttl=1)))
    n.clear()
    n.poll()
    assert 0 < len(n.sent[0]) < 50 and n.stat("in_ttl") == 200
    assert n.stat("out_limited", "icmp4") == 200 - len(n.sent[0])


@both
def test_quotes_what_came():
    # RFC 1812 4.3.2.3: as much as fits into 576 bytes, unchanged; 4.3.2.2, 4.3.2.5: TTL anew, and
    # a TOS of 0
    n = _warm()
    frame = n.udp(0, ttl=1, tos=0x28, data=bytes(i & 255 for i in range(900)))
    out, packet = n.one(0, frame)
    assert out == 0 and packet.type == 11 and packet.src == addr(0, 254) and packet.ttl == 64
    assert (
        packet.tos == 0 and packet.data == frame[14 : 14 + 548] and len(packet.frame) == 14 + 576
    )


@both
def test_errors_come_from_where_they_leave():
    # RFC 1812 4.3.2.4: an address of the interface that the error leaves by, where that is
    # another than the one the packet has come by
    n = _warm()
    n.router.strict = False
    for dst, ttl, kind in ((addr(1), 1, 11), (b"\xc0\0\2\1", 64, 3)):
        out, packet = n.one(0, n.udp(0, src=addr(2), dst=dst, ttl=ttl))
        assert out == 2 and packet.type == kind
        assert packet.src == addr(2, 254) and packet.dst == addr(2)


@both
def test_redirects_only_where_they_help():
    # RFC 1812 5.2.7.2: host redirects alone, from the network of their receiver; not about what
    # leaves by another interface, nor to who is not on the network of the next hop
    n = _warm()
    n.route(b"\xc0\0\2\0", 24, addr(0, 2))
    n.route(b"\xc6\x33\x64\0", 24, addr(0, 3))
    found = n.send(0, n.udp(0, dst=b"\xc0\0\2\1"))
    (told,) = [packet for _, packet in found if packet.kind == "icmp"]
    assert (told.type, told.code) == (5, 1) and told.src == addr(0, 254) and told.dst == addr(0)
    out, packet = n.one(1, n.udp(1, dst=b"\xc0\0\2\1"))
    assert out == 0 and packet.dst_mac == station(0, 2)
    out, packet = n.one(0, n.udp(0, src=b"\xc6\x33\x64\1", dst=b"\xc0\0\2\1", host=3))
    assert out == 0 and packet.kind == "udp" and packet.dst_mac == station(0, 2)


@both
def test_options_it_does_not_know():
    # RFC 1812 4.2.2.6, 5.3.13.1, 5.3.13.3: as they are, also record route and timestamp
    n = _warm()
    for kind in (7, 25, 68, 82, 130, 134, 136, 148, 222, 255):
        for size in (2, 3, 4, 12):
            options = bytes((kind, size)) + bytes(range(4, size + 2)) + b"\1" * (-size & 3)
            out, packet = n.one(0, n.udp(0, options=options, data=b"abc"))
            assert out == 1 and packet.options == options and packet.data == b"abc"


@both
def test_broken_options_do_not_go_on():
    # RFC 1812 4.3.3.5: the sender is told which one, unless nobody may be (4.3.2.7)
    n = _warm()
    for options, at in (
        (b"\x94\x00\0\0", 20),
        (b"\x94\x01\0\0", 20),
        (b"\1\x94\x05\0", 21),
        (b"\1\1\1\x07", 23),
    ):
        frame = n.udp(0, options=options)
        out, packet = n.one(0, frame)
        assert out == 0 and (packet.type, packet.code) == (12, 0) and packet.id >> 8 == at
        assert packet.src == addr(0, 254) and packet.data == frame[14:]
        quote = frame[14:]
        for quiet in (
            n.udp(0, options=options, src=addr(1)),
            n.udp(0, options=options, src=bytes(4)),
            n.udp(0, options=options, dst=addr(1, 255)),
            n.udp(0, options=options, dst=b"\xe0\0\0\5"),
            n.udp(0, options=options, dst_mac=bench.BROADCAST),
            n.frame(0, 1, bench.icmp(12, 0, data=quote), options=options),
            n.frame(0, 17, bytes(8), options=options, frag=1),
        ):
            n.none(0, quiet, "ipv4.in_option")


@both
def test_source_routes_do_not_go_on():
    # DEVIATION RFC 1812 5.3.13.4: RFC 7126 4.3, 4.4
    n = _warm()
    for kind in (131, 137):
        for dst in (addr(1), addr(0, 254)):
            options = bytes((kind, 7, 4)) + addr(1) + b"\0"
            n.none(0, n.udp(0, dst=dst, options=options), "ipv4.in_source_route")


@both
def test_nothing_once_closed():
    # RFC 1812 5.3.12.1: what ceases to be a router forwards nothing more
    n = _warm()
    with bench.inside(n.st):
        n.router.close()
    for net in (0, 1):
        n.none(net, n.udp(net), "ipv4.in_other")
    assert n.one(0, n.frame(0, 1, bench.icmp(8, 0), dst=addr(0, 254)))[1].type == 0


bench.run_tests(globals())
