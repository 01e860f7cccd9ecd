# What RFC 1122 asks of an IPv4 host and no other file shows: docs/conformance4.md.

import bench
from netstack.link import arp, ethernet

EADDRNOTAVAIL = 99
ENETUNREACH = 101
TESTING = 253


def _peer(**kw):
    p = bench.peer(**kw)
    p.greet()
    return p


def _second(p, addr):
    """A second interface; what it sends."""
    nic = bench.NIC(bench.mac("02:00:00:00:00:99"))

    def attach(nif):
        ethernet.attach(nif)
        arp.attach(nif)

    nif = p.st.add(nic, attach, "eth1")
    p.host.settled()
    sent = []
    nic.tx = sent.append
    nif.set_up(True)
    with bench.inside(p.st):
        p.host.ip4.configure(nif, bench.ip(addr), b"\xff\xff\xff\0")
    sent.clear()
    return sent


def _connected(p):
    e = p.host.udp.open()
    e.connect(p.host.ip4, p.addr, 9)
    with bench.inside(p.st):
        e.send(b"x", 0, 1)
    p.poll()
    return e, p.expect("udp").frame[14:]


def test_no_router_unless_asked():
    # RFC 1122 3.1: a host with several interfaces forwards nothing by itself
    p = _peer()
    sent = _second(p, "192.168.1.2")
    for dst in ("192.168.1.7", "10.0.0.7", "8.8.8.8"):
        p.expect_drop(p.ip_frame(TESTING, b"abc", dst=bench.ip(dst)), "ipv4.in_other")
    p.expect_nothing()
    assert not sent


def test_loopback_addresses_stay_inside():
    # RFC 1122 3.2.1.3 (g), also where no loopback interface takes them and a gateway would
    p = _peer(gw="10.0.0.1")
    for nif in p.st.nifs:
        if nif.v4.addr[0] == 127:
            with bench.inside(p.st):
                assert p.host.icmp4.echo(b"\x7f\0\0\1", 1, 1, 8) == 0
            p.poll()
            p.expect_nothing()
            nif.set_up(False)
    for dst in ("127.0.0.1", "127.9.9.9"):
        with bench.inside(p.st):
            assert p.host.icmp4.echo(bench.ip(dst), 1, 1, 8) == -ENETUNREACH
            e = p.host.udp.open()
            got = e.send(b"x", 0, 1, p.host.ip4, bench.ip(dst), 9)
            assert got == -ENETUNREACH, got
        p.poll()
        p.expect_nothing()


def test_this_network_is_no_destination():
    # RFC 1122 3.2.1.3 (a), (b): 0.x is not sent to, also where a gateway would take it
    p = _peer(gw="10.0.0.1", tcp=True)
    for dst in ("0.0.0.0", "0.0.0.5", "0.1.2.3"):
        with bench.inside(p.st):
            e = p.host.udp.open()
            assert e.send(b"x", 0, 1, p.host.ip4, bench.ip(dst), 9) == -ENETUNREACH
            bench.raises(ENETUNREACH, e.connect, p.host.ip4, bench.ip(dst), 9)
            bench.raises(ENETUNREACH, p.st.tcp.open().connect, p.host.ip4, bench.ip(dst), 9)
            assert p.host.icmp4.echo(bench.ip(dst), 1, 1, 8) == -ENETUNREACH
            e.nif = p.nif
            for n in (1, 3000):
                got = e.send(bytes(n), 0, n, p.host.ip4, bench.ip(dst), 9)
                assert got == -ENETUNREACH, (dst, n, got)
        p.poll()
        p.expect_nothing()


def test_nobody_is_answered():
    # RFC 1812 4.2.2.11 (a): 0.0.0.0 is whoever has no address yet; a program may want to know
    p = _peer(gw="10.0.0.1", tcp=True)
    with bench.inside(p.st):
        listener = p.st.tcp.listen(None, None, 80)
    e = p.host.udp.open()
    e.bind(None, None, 67)
    nobody = bytes(4)
    syn = bench.tcp(nobody, p.host.addr, 1000, 80, 1, 0, "S")
    p.send(p.ip_frame(6, syn, src=nobody))
    p.send(p.ip_frame(6, bench.tcp(nobody, p.host.addr, 1000, 81, 1, 0, "S"), src=nobody))
    p.ping(src=nobody)
    p.udp(1000, 9, b"x", src=nobody)
    p.advance(10000)
    p.expect_nothing()
    p.udp(68, 67, b"x", src=nobody)
    assert e.waiting == 1
    listener.close()


def test_header_is_as_it_was_asked_for():
    # RFC 1122 3.2.1.6, 3.2.1.7: UDP and TCP set TOS and TTL, which are 0 and 64 otherwise
    p = _peer(tcp=True)
    for ttl, tos in ((64, 0), (7, 0x28)):
        e = p.host.udp.open()
        conn = p.st.tcp.open()
        if ttl != 64:
            e.ttl = conn.ttl = ttl
            e.tos = conn.tos = tos
        with bench.inside(p.st):
            assert e.send(b"x", 0, 1, p.host.ip4, p.addr, 9) == 1
            conn.connect(p.host.ip4, p.addr, 80)
            assert p.host.icmp4.echo(p.addr, 1, 1, 0) == 0
        p.poll()
        p.expect("udp", ttl=ttl, tos=tos)
        p.expect("icmp", ttl=64, tos=0)
        p.expect("tcp", ttl=ttl, tos=tos)


def test_programs_choose_their_address():
    # RFC 1122 3.3.4.2 (2): of two, the one that does not belong to the interface it leaves by;
    # (3): else the one that does
    p = _peer(tcp=True)
    _second(p, "192.168.1.2")
    for src in (bench.ip("192.168.1.2"), None):
        e = p.host.udp.open()
        conn = p.st.tcp.open()
        with bench.inside(p.st):
            if src:
                e.bind(p.host.ip4, src, 7)
                conn.bind(p.host.ip4, src, 7)
            assert e.send(b"x", 0, 1, p.host.ip4, p.addr, 9) == 1
            conn.connect(p.host.ip4, p.addr, 80)
        p.poll()
        p.expect("udp", src=src or p.host.addr, dst_mac=p.mac)
        p.expect("tcp", src=src or p.host.addr, dst_mac=p.mac)


def test_mtu_is_configurable():
    # RFC 1122 3.3.3, also: nothing longer is sent
    p = _peer()
    for mtu in (1500, 1000, 576):
        p.nif.mtu = mtu
        e = p.host.udp.open()
        assert p.host.ip4.mss_room(p.addr) == mtu - 20
        for n, parts in ((mtu - 28, 1), (mtu - 27, 2)):
            with bench.inside(p.st):
                assert e.send(bytes(n), 0, n, p.host.ip4, p.addr, 9) == n
            p.poll()
            assert len(p.sent) == parts and max(len(frame) for frame in p.sent) <= mtu + 14
            p.take()


def test_no_parameter_problem_about():
    # RFC 1122 3.2.2: an option that lies, which is worth an error, in what is worth none
    p = _peer()
    lie = b"\x07\xff\0\0"
    quote = p.udp_frame(1000, 9, b"x")[14:]

    def packet(proto=TESTING, payload=b"x", **over):
        return p.ip_frame(proto, payload, options=lie, **over)

    quiet = [packet(1, bench.icmp(kind, 0, data=quote)) for kind in (3, 4, 5, 11, 12)]
    for dst in ("10.0.0.2", "10.0.0.255", "255.255.255.255", "224.0.0.1"):
        quiet.append(packet(dst=bench.ip(dst), dst_mac=bench.BROADCAST))
    quiet.append(packet(dst=bench.ip("10.0.0.255")))
    quiet.append(packet(frag=1))
    for src in ("0.0.0.0", "0.0.0.9", "127.0.0.1", "10.0.0.255", "224.0.0.9", "240.0.0.1"):
        quiet.append(packet(src=bench.ip(src)))
    for frame in quiet:
        p.send(frame)
        p.expect_nothing()
    for frame in (packet(), packet(1, bench.icmp(8))):
        p.send(frame)
        p.expect("icmp", type=12, code=0)


def test_source_quench_is_ignored():
    # RFC 6633 3 and 4, which replaces RFC 1122 3.2.2.3
    p = _peer()
    e, quote = _connected(p)
    moved = p.moves(p.ip_frame(1, bench.icmp(4, 0, data=quote)))
    assert moved["icmp4.in_unknown"] == 1
    assert e.error == 0
    p.expect_nothing()


def test_queries_that_are_not_answered():
    # RFC 1122 3.2.2.7, 3.2.2.9: no information replies, no address masks from who has not been
    # told to; no timestamps (3.2.2.8 leaves that open), no router solicitations
    p = _peer()
    for kind in (10, 13, 15, 17):
        for code in (0, 1):
            p.send(p.ip_frame(1, bench.icmp(kind, code, b"\0\1\0\2", bytes(12))))
            p.expect_nothing()
    p.ping()
    p.expect("icmp", type=0)


def test_address_masks_are_not_taken():
    # RFC 1122 3.2.2.9: a mask that was set by hand or by DHCP stays
    p = _peer()
    mask = bytes(p.nif.v4.mask)
    p.send(p.ip_frame(1, bench.icmp(18, 0, b"\0\1\0\2", b"\xff\0\0\0")))
    p.expect_nothing()
    assert bytes(p.nif.v4.mask) == mask


def test_senders_are_hosts():
    # RFC 1122 3.2.1.3, 3.3.6: no source but an address of this host, not even by a socket that is
    # bound to a broadcast address
    p = _peer()
    for src in ("10.0.0.0", "10.0.0.9", "0.0.0.1", "8.8.8.8"):
        bench.raises(EADDRNOTAVAIL, p.host.udp.open().bind, p.host.ip4, bench.ip(src), 7)
    for src in ("10.0.0.255", "255.255.255.255", "224.0.0.9"):
        e = p.host.udp.open()
        with bench.inside(p.st):
            e.bind(p.host.ip4, bench.ip(src), 7)
            assert e.send(b"x", 0, 1, p.host.ip4, p.addr, 9) == 1
        p.poll()
        p.expect("udp", src=p.host.addr, sport=7)
        e.close()


def test_answers_come_from_what_was_asked():
    # RFC 1122 3.2.2.6, 3.3.4.2: echo and UDP, whichever of two addresses was meant
    p = _peer()
    _second(p, "192.168.1.2")
    for _ in range(3):
        for dst in (bench.ip("192.168.1.2"), p.host.addr):
            for _ in range(3):
                p.ping(dst=dst)
                p.expect("icmp", type=0, src=dst, dst=p.addr)
            p.send(p.udp_frame(1000, 9, b"x", dst=dst))
            p.expect("icmp", type=3, code=3, src=dst)
            p.advance(2000)


def test_options_a_host_does_not_know():
    # RFC 1122 3.2.1.8: passed over, and so are those that are obsolete (RFC 6814)
    p = _peer()
    for kind in (25, 82, 130, 133, 134, 136, 142, 147, 149, 222, 255):
        for n in (2, 3, 4, 12):
            options = bytes((kind, n)) + bytes(n - 2)
            options += bytes(-n & 3)
            p.send(p.ip_frame(1, bench.icmp(8, 0, b"\0\1\0\2", b"abc"), options=options))
            p.expect("icmp", type=0, data=b"abc")


def test_every_ttl_and_tos_is_answered():
    # RFC 1122 3.2.1.6, 3.2.1.7, RFC 1812 4.2.2.3, 4.3.2.5; what is sent in answer has a TTL and
    # flags of its own, and the TOS that came
    p = _peer()
    for ttl, tos, flags in ((0, 0, 0), (1, 4, 2), (64, 0x10, 4), (255, 0xFC, 6)):
        ping = bench.icmp(8, 0, b"\0\1\0\2", b"abc")
        p.send(p.ip_frame(1, ping, ttl=ttl, tos=tos, flags=flags))
        packet = p.expect("icmp", type=0, ttl=64, tos=tos)
        assert packet.frame[20] & 0xBF == 0


def test_no_neighbour_is_no_error_at_first():
    # RFC 1122 2.4: a destination is not unreachable for want of an entry; it is asked for
    p = bench.peer(auto_arp=False)
    p.take()
    e = p.host.udp.open()
    with bench.inside(p.st):
        assert e.send(b"x", 0, 1, p.host.ip4, bench.ip("10.0.0.77"), 9) == 1
    p.poll()
    p.expect("arp", op=1, tpa=bench.ip("10.0.0.77"))
    assert e.error == 0
    with bench.inside(p.st):
        p.nif.arp.flush()


def test_both_broadcasts():
    # RFC 1122 3.3.6: limited and directed, sent as link-level broadcasts, and received
    p = _peer()
    e = p.host.udp.open()
    e.broadcast = True
    e.bind(None, None, 7)
    buf = bytearray(8)
    for dst in ("10.0.0.255", "255.255.255.255"):
        with bench.inside(p.st):
            assert e.send(b"to all", 0, 6, p.host.ip4, bench.ip(dst), 9) == 6
        p.poll()
        packet = p.expect("udp", dst=bench.ip(dst))
        assert packet.frame[:6] == bench.BROADCAST
        p.send(p.udp_frame(1000, 7, b"for all", dst=bench.ip(dst), dst_mac=bench.BROADCAST))
        with bench.inside(p.st):
            assert e.recv(buf, 0, 8) == 7


bench.run_tests(globals())
