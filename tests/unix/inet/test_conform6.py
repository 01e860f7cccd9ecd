# What RFC 8200, 4861 and 4862 ask of a host, rule by rule, as far as no other test proves it:
# docs/conformance6.md has them all.

import struct

import bench
import hosts
import peer6
from packets import icmp6, ip6, solicited, udp

STRANGER = ip6("2001:db8::99")
OTHER = ip6("fe80::99")
FAR = ip6("2001:db9::1")
MAC = b"\x02\1\0\0\0\x99"
UNKNOWN = b"\xc8\1abcdef"  # an option that nobody has defined


def _row(p, addr):
    """(state, link address, is it a router?) of a neighbour, None: it is not known."""
    nd = p.nif.v6.nd
    for ip, mac, state in nd.entries():
        if ip == addr:
            for i in range(24):
                if nd.ips[16 * i : 16 * i + 16] == addr:
                    return state, mac, bool(nd.routers[i])
    return None


def _bound(p, port=7):
    e = p.host.udp.open()
    with bench.inside(p.st):
        e.bind(p.ip, None, port)
    bench.at_end(e.close)
    return e


def _echo(p, dst, n=0):
    with bench.inside(p.st):
        p.ip.icmp.echo(dst, 1, 1, n)
    p.poll()


def _host(**kw):
    """It makes its own addresses and has asked for routers."""
    p = peer6.peer(link=False, addr=False, auto=True, **kw)
    p.router = True
    p.advance(5000)
    p.take()
    return p


def _autos(p):
    return [entry for entry in p.nif.v6.list if entry.origin == 2]


# -- RFC 8200 ------------------------------------------------------------------------------------


def test_headers_in_their_order():
    # RFC 8200 4: strictly in the order in which they are; the first that is wrong counts
    p = peer6.peer(greet=True)
    body = udp(p.addr, p.host.addr, 1000, 7, b"x")
    bad = bytes((43, 0, 0x9E, 0, 1, 2, 0, 0))  # an option that is not known
    routing = bytes((17, 0, 77, 1, 0, 0, 0, 0))  # a routing header to be followed
    p.send(p.ip_frame(60, bad + routing + body))
    p.expect("icmp6", type=4, code=2, value=42)
    p.expect_nothing()
    routing = bytes((60,)) + routing[1:]
    bad = bytes((17,)) + bad[1:]
    p.send(p.ip_frame(43, routing + bad + body))
    p.expect("icmp6", type=4, code=0, value=42)
    p.expect_nothing()


def test_options_in_their_order():
    # RFC 8200 4.2: strictly in their order
    p = peer6.peer(greet=True)
    quiet, loud = b"\x5e\0", b"\x9e\0"
    p.send(p.ip_frame(60, b"\x3b\0" + quiet + loud + b"\0\0"))
    p.expect_nothing()
    p.send(p.ip_frame(60, b"\x3b\0" + loud + quiet + b"\0\0"))
    p.expect("icmp6", type=4, code=2, value=42)


def test_padding():
    # RFC 8200 4.2: Pad1 and PadN are known to all
    p = peer6.peer(greet=True)
    e = _bound(p)
    for data in (bytes(6), b"\1\4\0\0\0\0", b"\0\0\1\2\0\0", b"\1\0\1\0\1\0", b"\1\2\0\0\0\0"):
        for kind in (0, 60):
            body = bytes((17, 0)) + data + udp(p.addr, p.host.addr, 1000, 7, b"x")
            p.send(p.ip_frame(kind, body))
            assert e.recv(bytearray(8), 0, 8) == 1, (kind, data)
    p.expect_nothing()


def test_routing_header_is_not_turned_around():
    # RFC 8200 8.4: the answer has none
    p = peer6.peer(greet=True)
    message = icmp6(p.addr, p.host.addr, 128, 0, b"\0\1\0\2", b"abc")
    p.send(p.ip_frame(43, bytes((58, 2, 0, 0)) + bytes(20) + message))
    packet = p.expect("icmp6", type=129, data=b"abc", dst=p.addr)
    assert packet.headers == []


def test_hop_limit_of_none():
    # RFC 8200 3: nobody but who passes it on looks at it
    p = peer6.peer(greet=True)
    p.send(p.echo_frame(data=b"abc", hops=0))
    p.expect("icmp6", type=129, data=b"abc")


def test_as_large_as_the_link():
    # RFC 8200 5: packets as large as the MTU, and 1500 bytes out of fragments
    p = peer6.peer(greet=True)
    p.send(p.echo_frame(data=bytes(1452)))
    p.expect("icmp6", type=129, data=bytes(1452))
    message = icmp6(p.addr, p.host.addr, 128, 0, b"\0\1\0\2", bytes(1452))
    for at in range(0, 1460, 1232):
        more = at + 1232 < 1460
        head = struct.pack("!BBHI", 58, 0, at | more, 77)
        p.send(p.ip_frame(44, head + message[at : at + 1232]))
    p.expect("icmp6", type=129, data=bytes(1452))


def test_checksum_of_zero():
    # RFC 8200 8.1: sent as FFFF; RFC 768
    p = peer6.peer(greet=True)
    e = _bound(p)
    whole = udp(p.host.addr, p.addr, 7, 1000, bytes(2))
    data = whole[6:8]  # makes up for all the rest
    with bench.inside(p.st):
        assert e.send(data, 0, 2, p.ip, p.addr, 1000) == 2
    packet = p.expect("udp", data=data)
    assert packet.payload[6:8] == b"\xff\xff"


def test_fragments_have_what_they_need():
    # RFC 8200 4.5: nothing but the IPv6 header in front, all others in the first, multiples of 8
    # that fit and do not overlap, an identification of their own
    p = peer6.peer(greet=True)
    e = _bound(p)
    seen = set()
    for _ in range(20):
        with bench.inside(p.st):
            e.send(bytes(3000), 0, 3000, p.ip, p.addr, 1000)
        at = 0
        parts = p.take()
        for part in parts:
            ((kind, head),) = part.headers
            proto, _, word, ident = struct.unpack("!BBHI", head)
            assert (kind, proto) == (44, 17) and word & 0xFFF8 == at
            assert len(part.frame) <= 1514 and word & 1 == (part is not parts[-1])
            assert len(part.payload) % 8 == 0 or part is parts[-1]
            at += len(part.payload)
            seen.add(ident)
        assert at == 3008 and parts[0].payload[:4] == struct.pack("!HH", 7, 1000)
    assert len(seen) == 20


def test_overlap_is_dropped_without_a_word():
    # RFC 8200 4.5: the whole packet, and no ICMP
    p = peer6.peer(greet=True)
    message = icmp6(p.addr, p.host.addr, 128, 0, b"\0\1\0\2", bytes(1000))
    for at, more in ((0, 1), (496, 1), (504, 0)):
        end = at + 504 if more else 1008
        p.send(p.ip_frame(44, struct.pack("!BBHI", 58, 0, at | more, 5) + message[at:end]))
    p.advance(61000)
    p.expect_nothing()
    assert p.st.reassembly.used == 0 and p.st.stats()["reassembly"]["in_overlap"] == 1


# -- RFC 4861 ------------------------------------------------------------------------------------


def test_options_that_are_not_known():
    # RFC 4861 4.1 to 4.5, 9: passed over wherever they stand, and the others count
    p = _host()
    link = bytes(p.nif.v6.list[0].addr)
    mac = peer6.opt_mac(1, MAC)
    p.send(p.ns_frame(target=link, src=OTHER, opts=UNKNOWN + mac + UNKNOWN))
    p.expect("nd", type=136, dst=OTHER, dst_mac=MAC)
    p.send(p.ra_frame(UNKNOWN, peer6.opt_prefix("2001:db8::", 1000, 500), UNKNOWN))
    assert len(_autos(p)) == 1
    _echo(p, STRANGER)
    p.expect("nd", type=135)
    p.send(
        p.na_frame(
            target=STRANGER, dst=bytes(_autos(p)[0].addr), opts=UNKNOWN + peer6.opt_mac(2, MAC)
        )
    )
    p.expect("icmp6", type=128, dst=STRANGER, dst_mac=MAC)
    body = OTHER + FAR + UNKNOWN + peer6.opt_mac(2, MAC) + UNKNOWN
    p.send(p.nd_frame(137, bytes(4), body, dst=link))
    assert p.ip.route(FAR, 0) and p.ip.hop == OTHER


def test_options_of_other_messages():
    # RFC 4861 4.6.1, 4.6.2, 4.6.4: those that do not belong there count for nothing
    p = _host()
    link = bytes(p.nif.v6.list[0].addr)
    mtu = struct.pack("!BBHI", 5, 1, 0, 1300)
    prefix = peer6.opt_prefix("2001:db8::", 1000, 500)
    p.send(p.ns_frame(target=link, src=OTHER, opts=prefix + mtu + peer6.opt_mac(2, MAC)))
    assert [packet.type for packet in p.take()] == [135]  # an answer waits: who is it?
    assert _row(p, OTHER)[0] == "incomplete"
    assert not _autos(p) and p.nif.v6.mtu == 1500
    p.send(p.na_frame(target=OTHER, dst=link, opts=prefix + mtu + peer6.opt_mac(1, MAC)))
    assert _row(p, OTHER)[0] == "incomplete" and not _autos(p) and p.nif.v6.mtu == 1500
    p.send(p.ra_frame(peer6.opt_mac(2, MAC), mac=False))
    assert _row(p, p.link) is None
    p.advance(4000)
    p.take()


def test_reserved_fields():
    # RFC 4861 4.1 to 4.4, 6.1, 7.1: zero when sent, not looked at when received
    p = _host()
    link = bytes(p.nif.v6.list[0].addr)
    p.send(
        p.nd_frame(
            135, b"\xff" * 4, link + peer6.opt_mac(1, p.mac), src=p.link, dst=solicited(link)
        )
    )
    packet = p.expect("nd", type=136, flags=0x60)
    assert packet.payload[5:8] == bytes(3)
    prefix = bytearray(peer6.opt_prefix("2001:db8::", 1000, 500, flags=0xFF))
    prefix[12:16] = b"\xff" * 4
    p.send(p.ra_frame(prefix, flags=0x27))
    assert len(_autos(p)) == 1
    _echo(p, STRANGER)
    packet = p.expect("nd", type=135)
    assert packet.payload[4:8] == bytes(4)
    p.send(
        p.nd_frame(
            136,
            b"\x7f\xff\xff\xff",
            STRANGER + peer6.opt_mac(2, MAC),
            src=STRANGER,
            dst=bytes(_autos(p)[0].addr),
        )
    )
    p.expect("icmp6", type=128, dst_mac=MAC)
    p.send(p.nd_frame(137, b"\xff" * 4, OTHER + FAR, dst=link))
    assert p.ip.route(FAR, 0) and p.ip.hop == OTHER


def test_messages_with_a_wrong_checksum_or_code():
    # RFC 4861 6.1.2, 7.1.1, 7.1.2, 8.1
    p = peer6.peer(auto=True, greet=True)
    p.ip.routes.add(bytes(16), 0, p.nif, p.link)
    target = p.host.addr
    prefix = peer6.opt_prefix("2001:db8:5::", 1000, 500)
    bodies = (
        (134, b"\0\0\x07\x08", bytes(8) + prefix, peer6.ALL_NODES),
        (135, bytes(4), target + peer6.opt_mac(1, p.mac), solicited(target)),
        (136, b"\x60\0\0\0", STRANGER + peer6.opt_mac(2, MAC), target),
        (137, bytes(4), OTHER + FAR + peer6.opt_mac(2, MAC), target),
    )
    for kind, rest, data, dst in bodies:
        over = {"src": p.link, "dst": dst, "hops": 255}
        p.expect_drop(p.icmp_frame(kind, 0, rest, data, csum=1, **over), "icmp6.in_checksum")
        p.expect_drop(p.icmp_frame(kind, 1, rest, data, **over), "eth0.nd.in_bad")


def test_hosts_are_no_routers():
    # RFC 4861 6.1.1, 6.2.4, 6.2.6, 8.3: solicitations for routers are dropped, nothing is passed
    # on, nobody redirected or advertised to
    p = peer6.peer(greet=True)
    solicitation = p.nd_frame(133, bytes(4), peer6.opt_mac(1, p.mac), dst=peer6.ALL_NODES)
    p.expect_drop(solicitation, "icmp6.in_unknown")
    p.expect_drop(
        p.nd_frame(133, bytes(4), peer6.opt_mac(1, p.mac), dst=peer6.ALL_ROUTERS), "ipv6.in_other"
    )
    p.expect_drop(p.echo_frame(dst=STRANGER), "ipv6.in_other")
    p.advance(700000)
    kinds = [packet.type for packet in p.take() if packet.kind == "nd"]
    assert 134 not in kinds and 137 not in kinds


def test_solicitation_for_routers_from_nobody():
    # RFC 4861 4.1: without our link address while we have no address
    p = peer6.peer(link=False, addr=False, auto=True, dad=True)
    entry = p.nif.v6.list[0]
    p.advance(990)
    asked = [packet for packet in p.take() if packet.type == 133]
    assert not entry.usable() and len(asked) == 1
    assert asked[0].src == peer6.NOBODY and asked[0].opts == {}
    assert asked[0].payload[4:8] == bytes(4)


def test_prefix_that_says_nothing_of_the_link():
    # RFC 4861 4.6.2, 6.3.4: L of 0 takes back nothing, a valid lifetime of 0 with L of 1 does
    p = _host()
    inside = ip6("2001:db8::5")
    p.send(p.ra_frame(peer6.opt_prefix("2001:db8::", 1000, 500, 0x80)))
    p.send(p.ra_frame(peer6.opt_prefix("2001:db8::", 1000, 500, 0x40)))
    assert p.ip.route(inside, 0) and p.ip.hop is None
    p.send(p.ra_frame(peer6.opt_prefix("2001:db8::", 0, 0, 0x40)))
    assert p.ip.route(inside, 0) and p.ip.hop is None
    p.send(p.ra_frame(peer6.opt_prefix("2001:db8::", 0, 0, 0x80)))
    assert p.ip.route(inside, 0) and p.ip.hop == p.link


def test_bits_behind_a_prefix():
    # RFC 4861 4.6.2: not looked at
    p = _host()
    p.send(p.ra_frame(peer6.opt_prefix("2001:db8::ffff:1", 1000, 500)))
    (entry,) = _autos(p)
    assert entry.addr[:8] == ip6("2001:db8::")[:8] and entry.addr[8:] != ip6("::ffff:1")[8:]
    assert p.ip.route(ip6("2001:db8::5"), 0) and p.ip.hop is None


def test_what_routers_say_adds_up():
    # RFC 4861 6.3.4, 9: none takes back what another has said, and what is not in a message
    # means nothing
    p = _host()
    mtu = struct.pack("!BBHI", 5, 1, 0, 1400)
    p.send(p.ra_frame(peer6.opt_prefix("2001:db8::", 1000, 500), mtu, hops=9, retrans=3000))
    p.send(p.ra_frame(peer6.opt_prefix("2001:dba::", 1000, 500), src=OTHER, mac=False))
    p.send(p.ra_frame(src=OTHER, mac=False))
    assert len(_autos(p)) == 2 and p.nif.v6.mtu == 1400 and p.nif.v6.hop_limit == 9
    assert p.nif.v6.nd.retrans_ms == 3000
    gateways = [bytes(route.gw) for route in p.ip.routes.list if route.plen == 0]
    assert sorted(gateways) == [p.link, OTHER]  # two at least are kept
    p.send(p.ra_frame(peer6.opt_prefix("2001:dba::", 1000, 500), lifetime=0, hops=10))
    assert p.nif.v6.hop_limit == 10  # the latest counts
    assert p.ip.route(FAR, 0) and p.ip.hop == OTHER


def test_router_among_neighbours():
    # RFC 4861 6.3.4: STALE, and a router; STALE again with another link address
    p = _host()
    p.send(p.ra_frame())
    assert _row(p, p.link) == ("stale", p.mac, True)
    p.auto_nd = False
    _echo(p, FAR)
    p.advance(5000)
    p.send(p.na_frame(target=p.link, dst=bytes(p.nif.v6.list[0].addr), flags=0xC0))
    assert _row(p, p.link) == ("reachable", p.mac, True)
    p.send(p.ra_frame())
    assert _row(p, p.link)[0] == "reachable"
    p.send(p.ra_frame(peer6.opt_mac(1, MAC), mac=False))
    assert _row(p, p.link) == ("stale", MAC, True)
    p.take()


def test_neighbour_turns_out_to_be_a_router():
    # RFC 4861 6.3.4: also when the advertisement has no link address
    p = _host()
    p.send(p.ns_frame(target=bytes(p.nif.v6.list[0].addr), src=p.link))
    assert _row(p, p.link)[2] is False
    p.send(p.ra_frame(mac=False))
    assert _row(p, p.link)[2] is True
    p.send(p.ns_frame(target=bytes(p.nif.v6.list[0].addr), src=p.link))  # 7.2.3: not changed
    assert _row(p, p.link)[2] is True
    p.send(p.nd_frame(137, bytes(4), FAR + FAR, dst=bytes(p.nif.v6.list[0].addr)))
    assert _row(p, p.link)[2] is True
    p.take()


def test_nothing_learnt_without_a_link_address():
    # RFC 4861 7.2, 7.2.3: solicitations, advertisements, redirects without it; or from nobody
    p = _host()
    p.auto_nd = False
    link = bytes(p.nif.v6.list[0].addr)
    p.send(p.ra_frame(mac=False))
    assert _row(p, p.link) is None
    p.send(p.nd_frame(137, bytes(4), OTHER + FAR, dst=link))
    assert _row(p, OTHER) is None
    p.send(p.ns_frame(target=link, src=peer6.NOBODY, mac=False))
    assert _row(p, peer6.NOBODY) is None
    assert [packet.type for packet in p.take()] == [136]
    p.send(p.ns_frame(target=link, src=STRANGER, mac=False))
    assert _row(p, STRANGER) is None or _row(p, STRANGER)[0] == "incomplete"
    p.take()
    p.advance(4000)
    p.take()


def test_router_that_expires():
    # RFC 4861 6.3.5, 7.3.3: whatever went by it finds another way, redirects to it included
    for how in (0, 1, 2):
        p = _host()
        link = bytes(p.nif.v6.list[0].addr)
        p.send(p.ra_frame(lifetime=3000))
        p.send(p.ra_frame(peer6.opt_mac(1, MAC), src=OTHER, lifetime=100, mac=False, flags=0x18))
        p.send(p.nd_frame(137, bytes(4), OTHER + FAR, dst=link))
        assert p.ip.route(FAR, 0) and p.ip.hop == OTHER
        if how == 0:
            p.advance(101000)
        elif how == 1:
            p.send(p.ra_frame(src=OTHER, lifetime=0, mac=False))
        else:
            p.send(p.na_frame(target=OTHER, dst=link, flags=0x60, mac=MAC))
        assert p.ip.route(FAR, 0) and p.ip.hop == p.link, how
        p.take()


def test_group_of_two_addresses():
    # RFC 4861 7.2.1: left with the last address that maps to it
    p = peer6.peer()
    group = b"\x33\x33\xff\0\0\x42"
    with bench.inside(p.st):
        one = p.ip.add(p.nif, ip6("2001:db8::42"), 64)
        two = p.ip.add(p.nif, ip6("2001:db8:1::42"), 64)
        assert group in p.nic.groups
        p.ip.remove(p.nif, one)
        assert group in p.nic.groups
        p.ip.remove(p.nif, two)
    assert group not in p.nic.groups


def test_not_asked_too_often():
    # RFC 4861 7.2.2, 7.3.3: one solicitation in RetransTimer, however much is to be sent
    p = peer6.peer(auto_nd=False)
    p.nif.v6.nd.retrans_ms = 2000
    times = []
    for _ in range(55):
        _echo(p, STRANGER)
        p.advance(100)
        times += [p.clock.ms for packet in p.take() if packet.type == 135]
    assert len(times) == 3
    assert all(times[i + 1] - times[i] >= 1900 for i in range(2)), times
    p.advance(3000)
    p.take()


def test_solicitation_changes_the_link_address():
    # RFC 4861 7.2.3: replaced, and STALE
    p = peer6.peer(greet=True)
    _echo(p, p.addr)
    p.send(p.na_frame(flags=0x60))
    p.take()
    assert _row(p, p.addr)[:2] == ("reachable", p.mac)
    p.send(p.ns_frame(target=STRANGER, src=p.addr, opts=peer6.opt_mac(1, MAC)))
    assert _row(p, p.addr)[1] == p.mac  # about somebody else: dropped
    p.auto_nd = False
    p.send(p.ns_frame(src=p.addr, opts=peer6.opt_mac(1, MAC)))
    p.expect("nd", type=136, dst_mac=MAC)
    assert _row(p, p.addr)[1] == MAC and _row(p, p.addr)[0] != "reachable"


def test_what_confirms_nothing():
    # RFC 4861 7.3.1: advertisements that nobody has asked for
    p = _host()
    p.auto_nd = False
    link = bytes(p.nif.v6.list[0].addr)
    p.send(p.ra_frame(peer6.opt_prefix("2001:db8::", 1000, 500)))
    _echo(p, FAR)
    p.advance(5500)
    assert _row(p, p.link)[0] == "probe"
    p.send(p.ra_frame())
    p.send(p.na_frame(target=p.link, dst=link, flags=0xA0))
    assert _row(p, p.link)[0] == "probe"
    p.send(p.na_frame(target=p.link, dst=link, flags=0xE0))
    assert _row(p, p.link)[0] == "reachable"
    p.take()


def test_redirect_to_a_neighbour():
    # RFC 4861 8.1, 8.3: its link address is learnt, STALE; it is on the link, though no prefix
    # covers it; a better router is a router
    p = _host()
    link = bytes(p.nif.v6.list[0].addr)
    p.send(p.ra_frame())
    p.send(p.nd_frame(137, bytes(4), FAR + FAR + peer6.opt_mac(2, MAC), dst=link))
    assert _row(p, FAR) == ("stale", MAC, False)
    assert p.ip.route(FAR, 0) and p.ip.hop is None
    other = ip6("2001:db9::2")
    p.send(p.nd_frame(137, bytes(4), OTHER + other + peer6.opt_mac(2, MAC), dst=link))
    assert _row(p, OTHER) == ("stale", MAC, True)
    p.send(p.nd_frame(137, bytes(4), OTHER + other + peer6.opt_mac(2, p.mac), dst=link))
    p.expect_nothing()  # by now another router is to say so
    assert _row(p, OTHER)[1] == MAC


# -- RFC 4862 ------------------------------------------------------------------------------------


def test_how_often_it_is_asked_for():
    # RFC 4862 5.1, 5.4.2: DupAddrDetectTransmits, RetransTimer apart; 0: not at all
    for transmits in (0, 1, 3):
        p = peer6.peer(link=False, addr=False, dad=True)
        p.nif.v6.transmits = transmits
        p.nif.v6.nd.retrans_ms = 500
        with bench.inside(p.st):
            entry = p.ip.add(p.nif, p.host.addr, 64)
        times = []
        for _ in range(300):
            p.advance(10)
            times += [p.clock.ms for _ in p.take()]
        assert len(times) == transmits and entry.usable(), times
        assert all(490 <= times[i + 1] - times[i] <= 510 for i in range(len(times) - 1)), times


def test_addresses_of_all_kinds_are_checked():
    # RFC 4862 5.4: made by ourselves, by a prefix, or by a program
    p = peer6.peer(link=False, addr=False, auto=True, dad=True)
    p.advance(3000)
    p.send(p.ra_frame(peer6.opt_prefix("2001:db8::", 1000, 500)))
    with bench.inside(p.st):
        p.ip.add(p.nif, ip6("2001:db8::5"), 64)
    assert [entry.usable() for entry in p.nif.v6.list] == [True, False, False]
    p.advance(1000)
    asked = {packet.target for packet in p.take() if packet.type == 135}
    assert asked >= {bytes(entry.addr) for entry in p.nif.v6.list[1:]}
    p.advance(1100)
    assert all(entry.usable() for entry in p.nif.v6.list)


def test_groups_before_the_question():
    # RFC 4862 5.4.2: all nodes and the solicited-node group are joined before, and heard during
    # the delay
    p = peer6.peer(link=False, addr=False, dad=True)
    with bench.inside(p.st):
        entry = p.ip.add(p.nif, p.host.addr, 64)
    assert not p.take()
    assert b"\x33\x33\0\0\0\1" in p.nic.groups and b"\x33\x33\xff\0\0\2" in p.nic.groups
    p.send(p.ns_frame(src=peer6.NOBODY, mac=False))  # 5.4.3: before ours is sent
    assert entry.state == 3
    p.advance(3000)
    assert not p.take() and not entry.usable()


def test_bad_messages_end_no_check():
    # RFC 4862 5.4.1: what is not valid says nothing of an address
    p = peer6.peer(link=False, addr=False, dad=True)
    with bench.inside(p.st):
        entry = p.ip.add(p.nif, p.host.addr, 64)
    target = p.host.addr
    for frame in (
        p.ns_frame(src=peer6.NOBODY, mac=False, hops=64),
        p.ns_frame(src=peer6.NOBODY),
        p.na_frame(target=target, src=p.addr, dst=peer6.ALL_NODES, flags=0x20, hops=1),
        p.na_frame(target=target, src=p.addr, dst=peer6.ALL_NODES, flags=0x60),
        p.na_frame(target=target, src=p.addr, dst=peer6.ALL_NODES, flags=0x20, opts=b"\2\0abcdef"),
    ):
        p.expect_drop(frame, "eth0.nd.in_bad")
    p.advance(3000)
    assert entry.usable()
    p.take()


def test_deprecated_but_there():
    # RFC 4862 5.5.4: taken as usual, and sent from where a program wants that
    p = _host()
    p.send(p.ra_frame(peer6.opt_prefix("2001:db8::", 9000, 10)))
    p.send(p.ra_frame(peer6.opt_prefix("2001:dba::", 9000, 9000)))
    p.advance(11000)
    old, new = _autos(p)
    assert old.state == 2 and p.ip.source(FAR) == new.addr
    e = p.host.udp.open()
    bench.at_end(e.close)
    with bench.inside(p.st):
        e.bind(p.ip, old.addr, 7)
        assert e.send(b"x", 0, 1, p.ip, p.addr, 9) == 1
    p.poll()
    p.expect("udp", src=bytes(old.addr))
    p.send(p.udp_frame(9, 7, b"y", dst=bytes(old.addr)))
    assert e.recv(bytearray(8), 0, 8) == 1


def test_invalid_is_gone():
    # RFC 4862 5.5.4: neither taken nor sent from
    p = _host()
    p.send(p.ra_frame(peer6.opt_prefix("2001:db8::", 20, 10)))
    (entry,) = _autos(p)
    addr = bytes(entry.addr)
    e = p.host.udp.open()
    bench.at_end(e.close)
    with bench.inside(p.st):
        e.bind(p.ip, addr, 7)
    p.advance(21000)
    p.expect_drop(p.echo_frame(dst=addr), "ipv6.in_other")
    p.take()
    with bench.inside(p.st):
        assert e.send(b"x", 0, 1, p.ip, p.link, 9) == -101
    p.poll()
    p.expect_nothing()


def test_link_local_is_for_ever():
    # RFC 4862 5.3
    p = _host()
    link = p.nif.v6.list[0]
    p.skip(40 * 86400 * 1000 // 100)
    assert link.usable() and p.ip.life.left(link.valid) == p.ip.life.left(link.preferred)
    assert p.ip.life.left(link.valid) == 0x3FFFFFFF


def test_link_local_without_routers():
    # RFC 4862 5.3, RFC 4291 2.1: also where no router is believed; not beside one of the program's
    for link in (False, True):
        p = peer6.peer(link=link, addr=False)
        p.nic.up = 0
        p.advance(1000)
        p.nic.up = 1
        p.advance(3000)
        (entry,) = p.nif.v6.list
        assert entry.usable() and entry.addr[:8] == ip6("fe80::")[:8]
        assert (bytes(entry.addr) == p.host.link) == link
        assert 133 not in [packet.type for packet in p.take()]


def test_believing_routers_again():
    # what is there stays as it is, and routers are asked
    p = peer6.peer(dad=True)
    p.advance(3000)
    p.take()
    for asked in (True, False):
        with bench.inside(p.st):
            p.ip.set_auto(p.nif, True)
        assert all(entry.usable() for entry in p.nif.v6.list) and len(p.nif.v6.list) == 2
        p.advance(1000)
        assert [packet.type for packet in p.take()] == ([133] if asked else [])
        p.send(p.ra_frame())
    with bench.inside(p.st):
        p.ip.set_auto(p.nif, False)


def test_each_interface_by_itself():
    # RFC 4862 5: a prefix of one link makes no address on another
    p = _host()
    with bench.inside(p.st):
        nif = p.st.add(hosts.NIC(b"\2\0\0\0\0\x55"), hosts._attach_link, "eth1")
        nif.set_up(True)
    p.host.settled()
    p.advance(3000)
    p.send(p.ra_frame(peer6.opt_prefix("2001:db8::", 1000, 500)))
    assert len(_autos(p)) == 1
    (link,) = nif.v6.list
    assert link.usable() and link.addr[:8] == ip6("fe80::")[:8]
    assert link.addr != p.nif.v6.list[0].addr
    with bench.inside(p.st):
        p.ip.set_auto(nif, False)


bench.run_tests(globals())
