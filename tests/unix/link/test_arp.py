# link/arp.py as it behaves: asking, holding, ageing, conflicts (RFC 826, RFC 1122 2.3.2,
# RFC 5227), and floods, under which neither pool nor table may grow.

import bench

AGE = 300000
REFRESH = 20000


def _peer(**kw):
    p = bench.peer(auto_arp=False, **kw)
    p.take()
    return p


def _ping(p, dst, seq=1):
    with bench.inside(p.st):
        error = p.host.icmp4.echo(dst, 1, seq, 0)
    p.poll()
    return error


def _reply(p, addr=None, mac=None):
    """Answer the host's request for `addr`."""
    p.send(p.arp_frame(2, spa=addr or p.addr, sha=mac, tha=p.nic.mac))


def test_ask_then_send():
    p = _peer()
    assert _ping(p, p.addr) == 0
    p.expect("arp", op=1, dst_mac=bench.BROADCAST, spa=p.host.addr, tha=bytes(6), tpa=p.addr)
    p.expect_nothing()
    _reply(p)
    p.expect("icmp", type=8, dst_mac=p.mac)
    _ping(p, p.addr)
    p.expect("icmp", type=8, dst_mac=p.mac)


def test_four_frames_wait_the_latest():
    # RFC 1122 2.3.2.2
    p = _peer()
    for seq in range(1, 7):
        _ping(p, p.addr, seq)
    p.expect("arp", op=1)
    p.expect_nothing()
    assert p.st.pool.left == p.st.pool.count - 4
    _reply(p)
    for seq in (3, 4, 5, 6):
        p.expect("icmp", seq=seq, dst_mac=p.mac)
    p.expect_nothing()
    stat = p.host.stat("eth0.arp")
    assert stat["held"] == 6 and stat["held_dropped"] == 2


def test_frames_wait_for_several():
    # each neighbour gets its own, in order; sixteen at most, and who has some waiting keeps the
    # latest of them
    p = _peer()
    others = [bytes((10, 0, 0, 10 + i)) for i in range(5)]
    for seq in range(4):
        for addr in others:
            _ping(p, addr, seq)
    assert p.st.pool.left == p.st.pool.count - 16
    _ping(p, bench.ip("10.0.0.99"), 1)
    assert p.st.pool.left == p.st.pool.count - 16
    p.take()
    for addr in reversed(others):
        p.arp(2, spa=addr, sha=b"\2\7" + addr)
        got = p.take()
        assert [packet.seq for packet in got] == ([0, 1, 2, 3] if addr == others[0] else [1, 2, 3])
        assert set((packet.dst, packet.dst_mac) for packet in got) == {(addr, b"\2\7" + addr)}
    assert p.st.pool.left == p.st.pool.count and p.host.arp.waiting == 0


def test_header_of_one_that_waited_serves_the_next():
    p = _peer()
    ip = p.host.ip4
    _ping(p, p.addr)
    p.take()
    assert not ip.keeps(p.addr)
    _reply(p)
    first = p.expect("icmp", seq=1, dst_mac=p.mac)
    assert ip.keeps(p.addr)
    _ping(p, p.addr, 2)
    second = p.expect("icmp", seq=2, dst_mac=p.mac)  # its sums are looked at
    assert second.ident == (first.ident + 1) & 0xFFFF
    other = b"\2\0\0\0\0\x77"
    _reply(p, mac=other)
    assert not ip.keeps(p.addr)
    _ping(p, p.addr, 3)
    p.expect("icmp", seq=3, dst_mac=other)


def test_header_that_others_cannot_use_is_not_kept():
    p = _peer()
    with bench.inside(p.st):
        p.host.icmp4.echo(p.addr, 1, 1, 0, True)  # DF, which a ping does not have by itself
    p.poll()
    p.take()
    _reply(p)
    p.expect("icmp", seq=1, dst_mac=p.mac)
    assert not p.host.ip4.keeps(p.addr)


def test_who_sends_again_when_told():
    # a program that answers the failure of one datagram by the next does not keep us for ever
    p = _peer()
    e = p.host.udp.open()
    e.connect(p.host.ip4, p.addr, 9)
    sent = []

    def again(endpoint):
        sent.append(endpoint.error)
        endpoint.send(b"again", 0, 5)

    e.notify = again
    with bench.inside(p.st):
        e.send(b"x", 0, 1)
        e.send(b"x", 0, 1)
    p.advance(5000)
    assert sent == [113, 113] and p.host.arp.waiting == 2
    e.notify = None


def test_asks_once_a_second_and_gives_up():
    # RFC 1122 2.3.2.1: at most one request a second for one address
    p = _peer()
    e = p.host.udp.open()
    e.connect(p.host.ip4, p.addr, 9)
    e.send(b"x", 0, 1)
    p.poll()
    p.expect("arp", op=1)
    for _ in range(3):
        p.advance(999)
        p.expect_nothing()
        p.advance(1)
        p.expect("arp", op=1, tpa=p.addr)
    assert e.error == 0
    p.advance(1000)
    p.expect_nothing()
    assert e.error == 113, e.error  # EHOSTUNREACH
    assert p.host.stat("eth0.arp")["failed"] == 1
    assert p.host.arp.entries() == []
    p.advance(10000)
    p.expect_nothing()
    assert p.st.pool.left == p.st.pool.count and not p.host.arp._timer.active
    e.send(b"x", 0, 1)  # and afterwards asks again
    p.poll()
    p.expect("arp", op=1)
    e.close()


def test_entry_ages():
    p = _peer()
    p.greet()
    p.take()
    assert p.host.arp.entries() == [(p.addr, p.mac, "fresh")]
    p.advance(AGE - 2000)
    assert p.host.arp.entries() == [(p.addr, p.mac, "fresh")]
    p.advance(4000)
    assert p.host.arp.entries() == []
    p.expect_nothing()


def test_used_entry_is_refreshed_by_unicast():
    # RFC 1122 2.3.2.1 (2)
    p = _peer()
    p.greet()
    p.take()
    p.advance(AGE - REFRESH - 3000)
    _ping(p, p.addr)
    p.expect("icmp")
    p.advance(5000)
    p.expect("arp", op=1, dst_mac=p.mac, tpa=p.addr)
    _reply(p)
    p.take()
    p.advance(REFRESH + 5000)
    assert p.host.arp.entries() == [(p.addr, p.mac, "fresh")]
    p.expect_nothing()


def test_refresh_without_answer_ends():
    p = _peer()
    p.greet()
    p.take()
    _ping(p, p.addr)
    p.expect("icmp")
    p.advance(AGE + 2000)
    asked = p.take()
    assert 1 <= len(asked) <= 2 and all(a.dst_mac == p.mac for a in asked), asked
    assert p.host.arp.entries() == []


def test_neighbour_changes_its_address():
    p = _peer()
    p.greet()
    p.take()
    other = bench.mac("02:aa:bb:cc:dd:ee")
    p.send(p.arp_frame(1, sha=other, tpa=p.addr))  # gratuitous, RFC 5227 2.3
    assert p.host.arp.entries() == [(p.addr, other, "fresh")]
    _ping(p, p.addr)
    p.expect("icmp", dst_mac=other)


def test_only_who_talks_to_us_is_learnt():
    # RFC 826: an entry is updated by any packet, made only by one for us
    p = _peer()
    for i in range(20):
        p.send(p.arp_frame(1, spa=bytes((10, 0, 0, 100 + i)), tpa=bench.ip("10.0.0.50")))
        p.send(p.arp_frame(2, spa=bytes((10, 0, 0, 100 + i)), tpa=bench.ip("10.0.0.50")))
    p.expect_nothing()
    assert p.host.arp.entries() == []


def test_announces_when_configured():
    # RFC 5227 2.3
    p = bench.peer(auto_arp=False)
    p.take()
    addr = bench.ip("10.0.0.77")
    with bench.inside(p.st):
        p.host.ip4.configure(p.nif, addr, bench.ip("255.255.255.0"))
    p.expect("arp", op=1, dst_mac=bench.BROADCAST, spa=addr, tpa=addr, tha=bytes(6))
    p.expect_nothing()


def test_new_address_forgets_neighbours():
    p = _peer()
    p.greet()
    _ping(p, bench.ip("10.0.0.9"))
    p.take()
    with bench.inside(p.st):
        p.host.ip4.configure(p.nif, bench.ip("10.0.0.77"), bench.ip("255.255.255.0"))
    assert p.host.arp.entries() == []
    assert p.st.pool.left == p.st.pool.count
    p.take()


def test_probe_has_no_sender():
    # RFC 5227 1.1, 2.1.1
    p = bench.peer(auto_arp=False)
    p.take()
    addr = bench.ip("10.0.0.77")
    with bench.inside(p.st):
        p.host.arp.probe(addr)
    p.expect("arp", op=1, dst_mac=bench.BROADCAST, spa=bytes(4), tha=bytes(6), tpa=addr)


def _probing(addr):
    p = _peer()
    conflicts = []
    p.host.arp.on_conflict = lambda a: conflicts.append(bytes(a))
    with bench.inside(p.st):
        p.host.arp.probe(addr)
    p.take()
    return p, conflicts


def test_probe_is_answered():
    addr = bench.ip("10.0.0.77")
    for op in (1, 2):
        p, conflicts = _probing(addr)
        p.send(p.arp_frame(op, spa=addr, tpa=bytes(4)))
        assert conflicts == [addr] and p.host.stat("eth0.arp")["conflicts"] == 1
        p.send(p.arp_frame(op, spa=addr, tpa=bytes(4)))
        assert len(conflicts) == 1, "told twice"


def test_two_probe_at_once():
    # RFC 5227 2.1.1: a probe for the same address from another station
    addr = bench.ip("10.0.0.77")
    p, conflicts = _probing(addr)
    p.send(p.arp_frame(1, spa=bytes(4), tpa=bench.ip("10.0.0.78")))
    assert conflicts == []
    p.send(p.arp_frame(1, spa=bytes(4), tpa=addr))
    assert conflicts == [addr]


def test_probe_for_our_address_is_answered_and_teaches_nothing():
    p = _peer()
    p.send(p.arp_frame(1, spa=bytes(4)))
    p.expect("arp", op=2, spa=p.host.addr, tha=p.mac, tpa=bytes(4), dst_mac=p.mac)
    assert p.host.arp.entries() == []


def test_defends_once_per_interval():
    # RFC 5227 2.4 (b), DEFEND_INTERVAL 10 s
    p = _peer()
    thief = bench.mac("02:99:99:99:99:99")
    for round in range(3):
        p.send(p.arp_frame(1, sha=thief, spa=p.host.addr, tpa=p.host.addr))
        p.expect("arp", op=1, spa=p.host.addr, tpa=p.host.addr, dst_mac=bench.BROADCAST)
        for _ in range(5):
            p.advance(1000)
            p.send(p.arp_frame(2, sha=thief, spa=p.host.addr, tpa=p.addr))
            p.expect_nothing()
        p.advance(5100)
        assert p.host.stat("eth0.arp")["conflicts"] == 6 * (round + 1)
    assert p.host.arp.entries() == []


def test_static_entry():
    p = _peer()
    mac = bench.mac("02:11:22:33:44:55")
    p.host.arp.add_static(p.addr, mac)
    _ping(p, p.addr)
    p.expect("icmp", dst_mac=mac)
    p.greet()  # the neighbour says otherwise, and is not believed
    p.take()
    p.advance(AGE + 5000)
    _ping(p, p.addr)
    p.expect("icmp", dst_mac=mac)
    p.host.arp.flush()
    assert p.host.arp.entries() == [(p.addr, mac, "static")]


def test_static_entry_for_one_who_is_being_asked_for():
    p = _peer()
    _ping(p, p.addr)
    p.expect("arp", op=1)
    mac = bench.mac("02:11:22:33:44:55")
    with bench.inside(p.st):
        p.host.arp.add_static(p.addr, mac)
    p.expect("icmp", dst_mac=mac)
    assert p.st.pool.left == p.st.pool.count
    p.advance(10000)
    p.expect_nothing()


def test_flood_of_requests():
    # Thousands of stations ask us: the table stays as it is, each is answered, the pool is full.
    p = _peer()
    n = bench.scale(2000)
    for i in range(n):
        spa = bytes((10, 0, 1 + (i >> 8), i & 255))
        p.queue(p.arp_frame(1, spa=spa, sha=b"\x02\x55" + spa))
        if i % 50 == 49:
            p.poll()
    p.poll()
    assert len(p.take()) == n
    entries = p.host.arp.entries()
    assert len(entries) == 16, len(entries)
    assert p.host.stat("eth0.arp")["evicted"] == n - 16
    assert p.st.pool.left == p.st.pool.count


def test_flood_does_not_push_out_static_ones():
    p = _peer()
    mac = bench.mac("02:11:22:33:44:55")
    p.host.arp.add_static(p.addr, mac)
    for i in range(100):
        spa = bytes((10, 0, 1, i))
        p.send(p.arp_frame(1, spa=spa, sha=b"\x02\x55" + spa))
    p.take()
    assert (p.addr, mac, "static") in p.host.arp.entries()
    assert len(p.host.arp.entries()) == 16


def test_flood_of_own_requests():
    # A program that scans the network: few frames wait, then the pool is full again.
    p = _peer()
    errors = []
    for i in range(100):
        errors.append(_ping(p, bytes((10, 0, 0, 100 + i))))
    assert errors.count(0) == 16 and errors.count(-113) == 84, errors
    assert p.st.pool.left == p.st.pool.count - 16
    assert len(p.take()) == 16
    p.advance(5000)
    assert p.st.pool.left == p.st.pool.count
    assert p.host.arp.entries() == [] and p.host.stat("eth0.arp")["failed"] == 16


def test_scan_does_not_starve_a_small_pool():
    # At most half of the smallest pool waits for neighbours; their answers get in.
    p = _peer(budget=16384)
    for i in range(20):
        _ping(p, bytes((10, 0, 0, 100 + i)))
    assert p.st.pool.left == p.st.pool.count - p.st.pool.count // 2
    asked = [packet.tpa for packet in p.take()]
    assert len(asked) == 16
    for addr in asked:
        p.queue(p.arp_frame(2, spa=addr, tha=p.nic.mac))
    p.poll()
    got = [packet.dst for packet in p.take() if packet.kind == "icmp"]
    assert len(got) == p.st.pool.count // 2 and set(got) <= set(asked), (got, asked)
    assert p.st.pool.left == p.st.pool.count


def _scan(p, ms, each=4):
    """For so long, packets to neighbours that do not exist: answers to forged ones, say."""
    for i in range(ms):
        for k in range(each):
            _ping(p, bytes((10, 0, 0, 10 + (each * i + k) % 240)))
        p.clock.ms += 1
        p.poll()


def test_scan_does_not_push_out_those_in_use():
    # Forged SYNs have us ask for 240 hosts over and over; who is in use stays known all the time.
    p = _peer()
    used = [p.addr] + [bytes((10, 0, 0, 3 + i)) for i in range(7)]
    for addr in used:
        p.send(p.arp_frame(1, spa=addr, sha=b"\x02\x55" + addr))
        p.take()
        _ping(p, addr)
        p.expect("icmp", dst=addr)
    for i in range(20):  # others that are known, and not in use
        spa = bytes((10, 0, 1, i))
        p.send(p.arp_frame(1, spa=spa, sha=b"\x02\x55" + spa))
        p.take()
    for _ in range(10):
        _scan(p, bench.scale(100))
        p.take()
        for addr in used:
            _ping(p, addr)
            p.expect("icmp", dst=addr)
    assert p.st.pool.left >= p.st.pool.count - 16


def test_as_many_as_the_stack_is_told():
    # A router's network: nobody is pushed out while there is room.
    for most in (8, 16, 255):
        p = _peer(mask="255.255.0.0", neighbours=0 if most == 16 else most)
        for i in range(most + 1):
            spa = bytes((10, 0, 1, i))
            assert p.nif.arp.stat[7] == 0, i
            p.send(p.arp_frame(1, spa=spa, sha=b"\x02\x55" + spa))
            p.clock.ms += 1
        p.take()
        assert len(p.nif.arp.entries()) == most and p.nif.arp.stat[7] == 1
        for i in range(1, most + 1):
            _ping(p, bytes((10, 0, 1, i)))
            p.expect("icmp", dst_mac=b"\x02\x55\x0a\0\1" + bytes((i,)))
        bench.clean()


def test_neighbour_gets_in_during_a_scan():
    # The table is full of hosts that do not answer. Who asks for us is learnt all the same, so
    # that it can be answered; and one that we ask for has time to answer.
    p = _peer()
    _scan(p, bench.scale(300))
    p.take()
    p.arp()
    p.expect("arp", op=2)
    _scan(p, bench.scale(100))
    p.take()
    _ping(p, p.addr)
    p.expect("icmp", dst=p.addr, dst_mac=p.mac)


def test_scan_asks_a_bounded_number_of_times():
    # RFC 1122 2.3.2.1: requests must not flood the network.
    p = _peer()
    ms = bench.scale(1000)
    _scan(p, ms)
    asked = len([packet for packet in p.take() if packet.kind == "arp"])
    assert ms // 10 < asked <= 16 * ms // 50 + 64, asked
    p.advance(6000)
    assert p.host.arp.entries() == [] and p.st.pool.left == p.st.pool.count


def test_group_addresses_are_mapped():
    # RFC 1112 6.4
    p = _peer()
    for dst, mac in (
        ("224.0.0.1", "01:00:5e:00:00:01"),
        ("239.255.255.250", "01:00:5e:7f:ff:fa"),
        ("224.129.2.3", "01:00:5e:01:02:03"),
        ("255.255.255.255", "ff:ff:ff:ff:ff:ff"),
        ("10.0.0.255", "ff:ff:ff:ff:ff:ff"),
    ):
        _ping(p, bench.ip(dst))
        p.expect("icmp", dst=bench.ip(dst), dst_mac=bench.mac(mac))


bench.run_tests(globals())
