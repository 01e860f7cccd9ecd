# inet/dad.py, slaac.py, router6.py: checking addresses, making them, and what routers say, lies
# included (RFC 4861 6, RFC 4862, RFC 7217, RFC 7527, RFC 4191, RFC 8106).

import struct

import bench
import peer6
from packets import ip6, solicited

FOREVER = 0xFFFFFFFF


_prefix = peer6.opt_prefix


def _ra(p, *options, **kw):
    return p.ra_frame(*options, **kw)


def _host(**kw):
    """A host that makes its addresses without checking them, and has its link-local one."""
    p = peer6.peer(link=False, addr=False, auto=True, **kw)
    p.router = True
    p.advance(5000)
    p.take()
    p.send(p.ns_frame(target=_link(p), dst=solicited(_link(p))))
    p.take()
    return p


def _link(p):
    return bytes(p.nif.v6.list[0].addr)


def _autos(p):
    return [entry for entry in p.nif.v6.list if entry.origin == 2]


def _life(p, entry):
    life = p.ip.life
    return life.left(entry.preferred), life.left(entry.valid)


# -- duplicate address detection ---------------------------------------------------------------


def _checking():
    """A host whose static address is being checked."""
    p = peer6.peer(link=False, addr=False, dad=True)
    with bench.inside(p.st):
        entry = p.ip.add(p.nif, p.host.addr, 64)
    return p, entry


def test_asked_for_before_it_is_used():
    # RFC 4862 5.4.2: once, from nobody, within a second; used a second later
    p, entry = _checking()
    p.advance(1000)
    packet = p.expect(
        "nd", type=135, src=peer6.NOBODY, dst=solicited(p.host.addr), target=p.host.addr
    )
    assert list(packet.opts) == [14]
    p.expect_nothing()
    assert not entry.usable() and p.ip.local(p.host.addr, 0) is None
    assert p.ip.source(p.addr) is None
    p.expect_drop(p.echo_frame(), "ipv6.in_other")
    p.advance(1000)
    assert entry.usable() and p.ip.source(p.addr) == p.host.addr
    p.expect_nothing()


def test_no_answer_while_it_is_checked():
    # RFC 4862 5.4.3: who wants to talk to it gets no answer
    p, entry = _checking()
    p.send(p.ns_frame(src=p.addr))
    p.advance(1000)
    p.expect("nd", type=135, src=peer6.NOBODY)
    p.expect_nothing()
    p.advance(1000)
    assert entry.usable()


def test_somebody_has_it():
    # RFC 4862 5.4.4
    p, entry = _checking()
    p.advance(1000)
    p.take()
    p.send(p.na_frame(target=p.host.addr, src=p.host.addr, dst=peer6.ALL_NODES, flags=0x20))
    p.advance(5000)
    assert entry.state == 3 and not entry.usable()
    p.send(p.ns_frame(src=p.addr))
    p.expect_nothing()


def test_two_at_the_same_time():
    # RFC 4862 5.4.3
    p, entry = _checking()
    p.send(p.ns_frame(src=peer6.NOBODY, mac=False))
    p.advance(5000)
    assert entry.state == 3


def test_a_wire_that_loops_back():
    # RFC 7527 4: our own nonce is no conflict; three more go out, each with a nonce of its own,
    # and the address passes when none of them comes back
    p, entry = _checking()
    nonces = []
    for _ in range(6):
        p.advance(1000)
        for packet in p.take():
            nonces.append(packet.opts[14])
            if len(nonces) == 1 or len(nonces) == 3:
                p.send(p.ns_frame(src=peer6.NOBODY, opts=b"\x0e\1" + nonces[-1]))
    assert len(nonces) == len(set(nonces)) == 6 and not entry.usable()
    assert p.st.stats()["eth0.nd"]["looped"] == 2
    p.advance(1000)
    assert entry.usable() and p.take() == []
    p, entry = _checking()
    p.send(p.ns_frame(src=peer6.NOBODY, opts=b"\x0e\1abcdef"))
    assert entry.state == 3


def test_checked_again_on_another_link():
    p, entry = _checking()
    p.advance(3000)
    p.take()
    p.nic.up = 0
    p.advance(1000)
    p.nic.up = 1
    p.advance(500)
    assert not entry.usable()
    p.advance(1000)
    p.expect("nd", type=135, src=peer6.NOBODY, target=p.host.addr)
    p.advance(1000)
    assert entry.usable()


# -- addresses of our own making ---------------------------------------------------------------


def test_link_local_and_a_question_for_routers():
    # RFC 4862 5.3, RFC 4861 6.3.7
    p = peer6.peer(link=False, addr=False, auto=True, dad=True)
    p.advance(3000)
    kinds = [(packet.type, packet.src == peer6.NOBODY) for packet in p.take()]
    assert sorted(kinds)[-1] == (135, True) and kinds.count((135, True)) == 1
    link = _link(p)
    assert link[:8] == ip6("fe80::")[:8] and p.nif.v6.list[0].usable()
    p.advance(3000)
    p.expect("nd", type=133, src=link, dst=peer6.ALL_ROUTERS, opts={1: p.nic.mac})


def test_identifiers_are_stable_and_differ():
    # RFC 7217 5
    addrs = []
    for kw in ({}, {}, {"mac": b"\2\0\0\0\0\x99"}):
        p = _host(**kw)
        p.send(_ra(p, _prefix("2001:db8::", 1000, 500), _prefix("2001:db8:1::", 1000, 500)))
        addrs.append([bytes(entry.addr[8:]) for entry in p.nif.v6.list])
    assert addrs[0] == addrs[1] != addrs[2]
    assert len(set(addrs[0])) == 3 and all(p.nic.mac[3:] not in addr for addr in addrs[0])
    p = peer6.peer(link=False, addr=False)
    p.ip.secret = b"other"
    with bench.inside(p.st):
        p.ip.set_auto(p.nif, True)
    assert _link(p)[8:] != addrs[0][0]


def test_duplicates_are_made_anew():
    # RFC 7217 6: IDGEN_RETRIES
    p = peer6.peer(link=False, addr=False, auto=True, dad=True)
    seen = set()
    for _ in range(4):
        p.advance(900)
        addr = _link(p)
        seen.add(addr)
        p.take()
        p.send(p.na_frame(target=addr, src=addr, dst=peer6.ALL_NODES, flags=0x20))
    assert len(seen) == 4 and not p.nif.v6.list
    p.advance(10000)
    assert not p.nif.v6.list


def test_address_of_a_prefix():
    # RFC 4862 5.5.3
    p = _host()
    p.send(_ra(p, _prefix("2001:db8::", 1000, 500)))
    (entry,) = _autos(p)
    assert bytes(entry.addr[:8]) == ip6("2001:db8::")[:8] and _life(p, entry) == (500, 1000)
    p.send(p.echo_frame(dst=bytes(entry.addr)))
    p.expect("icmp6", type=129, src=bytes(entry.addr), dst=p.addr)
    assert p.ip.source(ip6("2001:db9::1")) == entry.addr


def test_prefixes_that_make_none():
    # RFC 4862 5.5.3 (a) to (d)
    p = _host()
    p.send(
        _ra(
            p,
            _prefix("2001:db8:1::", 1000, 500, 0x80),
            _prefix("fe80::", 1000, 500),
            _prefix("ff02::", 1000, 500),
            _prefix("2001:db8:2::", 500, 1000),
            _prefix("2001:db8:3::", 0, 0),
            _prefix("2001:db8:4::", 1000, 500, plen=48),
            _prefix("2001:db8:5::", 1000, 500, plen=129),
        )
    )
    assert not _autos(p)
    assert p.ip.route(ip6("2001:db8:1::1"), 0) and p.ip.hop is None


def test_two_hours():
    # RFC 4862 5.5.3 (e): a lie cannot end an address at once
    p = _host()
    for valid, want in (
        (20000, 20000),
        (10000, 10000),
        (100, 7200),
        (7000, 7200),
        (0, 7200),
        (7300, 7300),
        (FOREVER, 0x3FFFFFFF),
        (1, 7200),
    ):
        p.send(_ra(p, _prefix("2001:db8::", valid, min(valid, 50))))
        (entry,) = _autos(p)
        assert _life(p, entry) == (min(valid, 50), want), valid
    p.skip(7000 * 1000)
    p.send(_ra(p, _prefix("2001:db8::", 100, 50)))
    assert _life(p, _autos(p)[0]) == (50, 200)


def test_deprecated_and_gone():
    # RFC 4862 5.5.4
    p = _host()
    p.send(_ra(p, _prefix("2001:db8::", 100, 50), _prefix("2001:db9::", 9000, 9000)))
    old, new = _autos(p)
    assert p.ip.source(p.addr) == old.addr
    p.advance(51000)
    assert old.state == 2 and p.ip.source(p.addr) == new.addr
    p.send(p.echo_frame(dst=bytes(old.addr)))
    assert p.take()
    p.advance(50000)
    assert _autos(p) == [new] and p.ip.local(old.addr, 0) is None
    p.expect_drop(p.echo_frame(dst=bytes(old.addr)), "ipv6.in_other")


def test_prefixes_are_bounded():
    p = _host()
    for i in range(bench.scale(100)):
        p.send(_ra(p, _prefix("2001:db8:%x::" % i, 1000, 500)))
    assert len(_autos(p)) == 6 and len(p.ip.routes.list) <= 32


# -- routers -----------------------------------------------------------------------------------


def test_asking_until_one_answers():
    # RFC 7559: 4 s, then twice as long each time
    p = peer6.peer(link=False, addr=False, auto=True)
    times = []
    for _ in range(130):
        p.advance(1000)
        if any(packet.type == 133 for packet in p.take()):
            times.append(p.clock.ms)
    gaps = [(times[i + 1] - times[i] + 500) // 1000 for i in range(len(times) - 1)]
    assert len(gaps) == 5 and len(set(gaps)) == 5, gaps
    for i in range(5):  # RFC 7559 2: a tenth more or less
        assert abs(gaps[i] - (4 << i)) <= (4 << i) / 10 + 1, gaps
    p.send(_ra(p, lifetime=0))  # no default router: asking goes on
    p.advance(450000)
    assert [packet.type for packet in p.take() if packet.kind == "nd"].count(133) == 2
    p.send(_ra(p))
    p.advance(900000)
    assert not any(packet.kind == "nd" and packet.type == 133 for packet in p.take())


def test_default_router():
    # RFC 4861 6.3.4
    p = _host()
    far = ip6("2001:db9::1")
    p.send(_ra(p, _prefix("2001:db8::", 1000, 500), lifetime=100))
    assert p.ip.route(far, 0) is p.nif and p.ip.hop == p.link
    with bench.inside(p.st):
        p.ip.icmp.echo(far, 1, 1, 0)
    p.expect("icmp6", type=128, dst=far, dst_mac=p.mac)  # its link address was in it
    p.advance(101000)
    assert p.ip.route(far, 0) is None
    p.send(_ra(p))
    assert p.ip.route(far, 0)
    p.send(_ra(p, lifetime=0))
    assert p.ip.route(far, 0) is None


def test_lying_routers_keep_out_nobody():
    # RFC 4861 6.3.4: two routers at least; prefixes and routes without end leave them room, and
    # a router that does not answer gives way
    p = _host()
    for i in range(bench.scale(100)):
        route = struct.pack("!BBBBI", 24, 2, 48, 0, 9000) + ip6("2001:%x::" % (i + 1))[:8]
        p.send(_ra(p, route, _prefix("2001:db8:%x::" % i, 9000, 9000)))
    p.send(_ra(p, src=ip6("fe80::5"), mac=False))
    gateways = [bytes(route.gw) for route in p.ip.routes.list if route.plen == 0]
    assert gateways == [p.link, ip6("fe80::5")]
    for i in range(20):
        p.send(_ra(p, src=ip6("fe80::1:%x" % i), mac=False))
    assert len([route for route in p.ip.routes.list if route.plen == 0]) == 8
    p.ip.routes.failed(p.nif, ip6("fe80::1:3"), 0)
    p.send(_ra(p, src=ip6("fe80::6"), mac=False))
    gateways = [bytes(route.gw) for route in p.ip.routes.list if route.plen == 0]
    assert len(gateways) == 8 and ip6("fe80::6") in gateways
    assert ip6("fe80::1:3") not in gateways and p.link in gateways


def test_router_that_has_resigned():
    # RFC 4861 7.2.5, 7.3.3
    p = _host()
    p.send(_ra(p))
    assert p.ip.routes.is_router(p.nif, p.link, 0)
    p.send(p.na_frame(target=p.link, dst=_link(p), flags=0x60))
    assert not p.ip.routes.is_router(p.nif, p.link, 0)


def test_preferences_and_routes():
    # RFC 4191
    p = _host()
    other = ip6("fe80::5")
    route = struct.pack("!BBBBI", 24, 2, 32, 0, 100) + ip6("2001:db9::")[:8]
    p.send(_ra(p, flags=0x18))  # low
    p.send(_ra(p, route, src=other, flags=0x08, mac=False))  # high
    assert p.ip.route(ip6("2001:dba::1"), 0) and p.ip.hop == other
    p.send(_ra(p, src=other, flags=0x18, mac=False, lifetime=0))
    assert p.ip.route(ip6("2001:dba::1"), 0) and p.ip.hop == p.link
    assert p.ip.route(ip6("2001:db9::1"), 0) and p.ip.hop == other
    p.advance(101000)
    assert p.ip.route(ip6("2001:db9::1"), 0) and p.ip.hop == p.link
    for bad in (
        struct.pack("!BBBBI", 24, 1, 32, 0, 100),
        struct.pack("!BBBBI", 24, 2, 65, 0, 100) + bytes(8),
        struct.pack("!BBBBI", 24, 3, 129, 0, 100) + bytes(16),
        struct.pack("!BBBBI", 24, 2, 32, 0x10, 100) + bytes(8),
        struct.pack("!BBBBI", 24, 4, 32, 0, 100) + bytes(24),
    ):
        before = len(p.ip.routes.list)
        p.send(_ra(p, bad, src=other, mac=False, lifetime=0))
        assert len(p.ip.routes.list) == before, bad


def test_parameters():
    # RFC 4861 6.3.4
    p = _host()
    nd = p.nif.v6.nd
    p.send(_ra(p, struct.pack("!BBHI", 5, 1, 0, 1400), hops=33, reachable=10000, retrans=2000))
    assert (p.nif.v6.mtu, p.nif.v6.hop_limit, nd.retrans_ms) == (1400, 33, 2000)
    assert 5000 <= nd.reachable_ms <= 15000
    p.send(p.echo_frame(src=p.link, dst=_link(p)))
    p.expect("icmp6", type=129, hops=33)
    p.send(_ra(p, struct.pack("!BBHI", 5, 1, 0, 1279), retrans=1, reachable=FOREVER))
    p.send(_ra(p, struct.pack("!BBHI", 5, 1, 0, 1501)))
    assert (p.nif.v6.mtu, p.nif.v6.hop_limit, nd.retrans_ms) == (1400, 33, 2000)


def test_bad_advertisements():
    # RFC 4861 6.1.2
    p = _host()
    prefix = _prefix("2001:db8::", 1000, 500)
    whole = _ra(p, prefix)
    for frame in (
        _ra(p, prefix, hops=64)[:21] + b"\x40" + _ra(p, prefix)[22:],
        _ra(p, prefix, src=p.addr),
        _ra(p, prefix, src=_link(p)),  # in our name
        _ra(p, prefix + b"\3\0\0\0\0\0\0\0"),
        _ra(p, prefix + b"\3\2\0\0\0\0\0\0", mac=False),
        p.nd_frame(134, data=bytes(4), dst=peer6.ALL_NODES),
    ):
        p.expect_drop(frame, "eth0.nd.in_bad")
    fragment = bytearray(whole[:54] + bytes((58, 0, 0, 0, 1, 2, 3, 4)) + whole[54:])
    fragment[20] = 44
    fragment[18:20] = struct.pack("!H", len(fragment) - 54)
    p.expect_drop(fragment, "eth0.nd.in_bad")  # RFC 6980
    assert not _autos(p) and p.ip.route(ip6("2001:db9::1"), 0) is None
    p.send(whole)
    assert _autos(p)


def test_not_asked_for_not_believed():
    p = peer6.peer()
    p.send(_ra(p, _prefix("2001:db9::", 1000, 500)))
    assert not _autos(p) and p.ip.route(ip6("2001:dba::1"), 0) is None
    assert p.nif.v6.hop_limit == 64


def test_switched_off():
    p = _host()
    p.send(_ra(p, _prefix("2001:db9::", 1000, 500)))
    with bench.inside(p.st):
        p.ip.set_auto(p.nif, False)
    assert len(p.nif.v6.list) == 1 and p.ip.route(ip6("2001:db9::1"), 0) is None


def test_another_link():
    # what the routers of the old one said is gone after a minute, unless it is said again
    for again in (False, True):
        p = _host()
        p.send(_ra(p, _prefix("2001:db8::", 9000, 9000)))
        (entry,) = _autos(p)
        p.nic.up = 0
        p.advance(1000)
        p.nic.up = 1
        p.advance(1000)
        p.take()
        if again:
            p.send(_ra(p, _prefix("2001:db8::", 9000, 9000)))
        p.advance(61000)
        assert _autos(p) == ([entry] if again else [])
        assert bool(p.ip.route(ip6("2001:db9::1"), 0)) == again


def test_said_before_the_link_was_seen():
    # the NIC is asked for its link now and then only: what comes first is of the new link
    p = _host()
    p.nic.up = 0
    p.advance(600)
    p.nic.up = 1
    p.send(_ra(p, _prefix("2001:db8:7::", 9000, 4000)))
    p.advance(600)
    (entry,) = _autos(p)
    assert min(_life(p, entry)) >= 3998, _life(p, entry)


def test_dns_servers_and_domains():
    # RFC 8106 5
    from netstack.services import dns

    p = _host()
    one, two = ip6("2001:db8::53"), ip6("fe80::53")

    def servers(life, *addrs):
        size = 1 + 2 * len(addrs)
        return struct.pack("!BBHI", 25, size, 0, life) + b"".join(addrs)

    def domains(life, names):
        names += bytes(-len(names) % 8)
        return struct.pack("!BBHI", 31, 1 + len(names) // 8, 0, life) + names

    p.send(_ra(p, servers(100, one, two), domains(50, b"\3lan\0\1a\4test\0")))
    resolver = dns.attach(p.st)
    p.host.settled()
    assert resolver.servers_in_use() == [one, two]
    assert resolver.domains_in_use() == ["lan", "a.test"]
    p.send(_ra(p, servers(0, one), domains(50, b"\5other\0")))
    assert resolver.servers_in_use() == [two]
    assert resolver.domains_in_use() == ["lan", "a.test", "other"]
    p.advance(51000)
    assert resolver.domains_in_use() == []
    p.advance(50000)
    assert resolver.servers_in_use() == []
    for bad in (b"\x40" + bytes(7), b"\7lan", b"\3\xff\xfe\xfd\0", bytes(8), b"\3a b\0"):
        p.send(_ra(p, domains(100, bad)))
    assert resolver.domains_in_use() == []
    for i in range(20):
        p.send(_ra(p, servers(100 + i, ip6("2001:db8::%x" % (i + 1)))))
    assert len(resolver.servers_in_use()) == 4 and ip6("2001:db8::14") in resolver.servers_in_use()


bench.run_tests(globals())
