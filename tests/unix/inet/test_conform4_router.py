# lib: inet/forward_fast.py, inet/forwarding.py, inet/forward.py
# What RFC 1812 asks of a router and no other file shows: docs/conformance4.md.

import bench
import netstack
from routernet import Net, addr


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
    # RFC 1812 5.3.2, 4.2.2.4, 5.2.5: TOS, reserved bits, identification and payload go on
    n = _warm()
    for tos in (0, 1, 0x1C, 0xE0, 0xFF):
        for flags in (0, 2, 4, 6):
            frame = n.udp(0, tos=tos, flags=flags, ident=0x1234, data=b"as it was")
            out, packet = n.one(0, frame)
            was, now = frame[14:], packet.frame[14:]
            assert out == 1 and now[8] == was[8] - 1
            assert now[:8] == was[:8] and now[9] == was[9] and now[12:] == was[12:]


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
    # RFC 1812 4.3.2.3: as much as fits into 576 bytes, unchanged; 4.3.2.4, 4.3.2.5: from the
    # interface it came by, TTL anew
    n = _warm()
    frame = n.udp(0, ttl=1, data=bytes(i & 255 for i in range(900)))
    out, packet = n.one(0, frame)
    assert out == 0 and packet.type == 11 and packet.src == addr(0, 254) and packet.ttl == 64
    assert packet.data == frame[14 : 14 + 548] and len(packet.frame) == 14 + 576


@both
def test_broken_options_do_not_go_on():
    # RFC 1812 4.2.2.1, 4.3.3.5
    n = _warm()
    for options in (b"\x94\x00\0\0", b"\x94\x01\0\0", b"\x94\x05\0\0", b"\1\1\1\x07"):
        n.none(0, n.udp(0, options=options), "ipv4.in_option")
    for kind in (131, 137):
        n.none(0, n.udp(0, options=bytes((kind, 7, 4)) + bytes(5)), "ipv4.in_source_route")


@both
def test_nothing_once_closed():
    # RFC 1812 5.3.12: what ceases to be a router forwards nothing more
    n = _warm()
    with bench.inside(n.st):
        n.router.close()
    for net in (0, 1):
        n.none(net, n.udp(net), "ipv4.in_other")
    assert n.one(0, n.frame(0, 1, bench.icmp(8, 0), dst=addr(0, 254)))[1].type == 0


bench.run_tests(globals())
