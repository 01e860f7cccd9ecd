# lib: inet/forwarding.py, inet/forward_fast.py, inet/forward.py
# The IPv4 router (RFC 1812): who gets on, changed in what, and who does not.

import bench
from alike import Pair, both
from routernet import Net, addr, station


@both
def test_forwards(fast):
    # RFC 1812 5.2: to the other network, a hop older, from our address, the rest as it was
    n = Net()
    for i in range(6):
        for net in (0, 1):
            out, packet = n.one(net, n.udp(net, data=b"d%d" % i, ttl=17, tos=0x48, ident=i))
            assert out == 1 - net and packet.kind == "udp" and packet.data == b"d%d" % i
            assert packet.ttl == 16 and packet.tos == 0x48 and packet.ident == i and packet.df
            assert packet.src == addr(net) and packet.dst == addr(1 - net)
            assert packet.src_mac == n.nics[out].mac and packet.dst_mac == station(out)
    assert n.stat("forwarded") == 12
    assert (n.stat("in", "fast") >= 8) is fast


@both
def test_every_length_and_padding(fast):
    n = Net()
    for size in list(range(0, 40)) + [1470, 1471, 1472]:
        data = bytes(i * 3 & 255 for i in range(size))
        for _ in range(2):
            frame = n.udp(0, data=data)
            out, packet = n.one(0, frame + bytes(max(0, 60 - len(frame))))
            assert packet.data == data and len(packet.frame) == 42 + size


@both
def test_every_checksum(fast):
    # RFC 1624: the header's sum is right for every TTL and around 0xFFFF (Packet() looks)
    n = Net()
    for ttl in range(2, 256):
        _, packet = n.one(0, n.udp(0, ttl=ttl, ident=ttl * 257))
        assert packet.ttl == ttl - 1
    for ident in range(0, 65536, 251 if bench.UNIX else 5021):
        n.one(0, n.udp(0, ident=ident))


@both
def test_protocols(fast):
    # TCP, with and without SYN, FIN, RST; ICMP; what nobody knows
    n = Net()
    for flags in ("S", "SA", "A", "A", "PA", "FA", "R", "A"):
        out, packet = n.one(0, n.tcp(0, flags, data=b"" if "S" in flags else b"xyz"))
        assert out == 1 and packet.flags == "".join(f for f in "FSRPAUEC" if f in flags)
    out, packet = n.one(0, n.frame(0, 1, bench.icmp(8, 0, data=b"ping")))
    assert packet.kind == "icmp" and packet.data == b"ping"
    out, packet = n.one(0, n.frame(0, 200, b"whatever"))
    assert packet.proto == 200 and packet.payload == b"whatever"


@both
def test_options_stay(fast):
    n = Net()
    for _ in range(2):
        _, packet = n.one(0, n.udp(0, options=b"\x94\4\0\0"))  # RFC 2113
        assert packet.options == b"\x94\4\0\0"
    n.none(0, n.udp(0, options=b"\x83\7\4\x0a\1\0\1\0"), "ipv4.in_source_route")


@both
def test_time_exceeded(fast):
    # RFC 1812 5.3.1, 5.2.7.3: TTL 0 or 1 does not go on; the answer comes from the interface
    n = Net()
    n.send(0, n.udp(0))
    n.send(0, n.udp(0))
    for ttl in (1, 0):
        frame = n.udp(0, ttl=ttl, data=b"too old")
        out, packet = n.one(0, frame)
        assert out == 0 and (packet.type, packet.code) == (11, 0)
        assert packet.src == addr(0, 254) and packet.dst == addr(0)
        assert packet.data == frame[14:]
    assert n.stat("in_ttl") == 2
    n.none(0, n.frame(0, 1, bench.icmp(3, 1, data=bytes(28)), ttl=1), "router.in_ttl")


@both
def test_fragmentation_needed(fast):
    # RFC 1812 5.2.7.1, RFC 1191 section 4: with DF set, the MTU of the next hop is told
    n = Net(mtus=(1500, 600))
    n.one(0, n.udp(0, data=bytes(572)))
    n.one(0, n.udp(0, data=bytes(572)))
    out, packet = n.one(0, n.udp(0, data=bytes(573)))
    assert out == 0 and (packet.type, packet.code) == (3, 4)
    assert packet.seq == 600 and packet.id == 0
    assert n.stat("out_toobig") == 1
    n.one(0, n.udp(0, data=bytes(572)))


@both
def test_fragments(fast):
    # RFC 791 3.2: without DF it is cut, and the parts of parts are right
    n = Net(mtus=(1500, 600))
    data = bytes(i * 7 & 255 for i in range(1400))
    options = b"\7\3\4\1\x94\4\0\0"  # the second one goes into each part
    for frag, more in ((0, 0), (0, 1), (185, 1), (185, 0)):
        frame = n.frame(0, 99, data, flags=more, frag=frag, ident=77, options=options)
        found = n.send(0, frame)
        assert len(found) == 3
        whole = b""
        for i, (out, packet) in enumerate(found):
            assert out == 1 and packet.ident == 77 and packet.ttl == 63
            assert packet.frag == frag + len(whole) // 8
            assert packet.mf == (1 if i < 2 else more)
            assert packet.options == (options if i == 0 else b"\x94\4\0\0")
            assert len(packet.frame) <= 614
            whole += packet.payload
        assert whole == data
    assert n.stat("out_fragmented") == 12


@both
def test_fragments_go_on(fast):
    # A router does not put together what is not for it
    n = Net()
    for frag, more in ((0, 1), (10, 1), (20, 0)):
        out, packet = n.one(0, n.frame(0, 17, bytes(80), flags=more, frag=frag))
        assert out == 1 and packet.frag == frag and packet.mf == more


@both
def test_martians(fast):
    # RFC 1812 5.3.7, RFC 3704, RFC 2644, RFC 3927 7
    n = Net(3)
    n.send(0, n.udp(0))
    n.send(0, n.udp(0))
    for src in (addr(1), addr(2, 9), b"\x0a\x63\0\1", b"\xc0\0\2\1", b"\xa9\xfe\1\1", bytes(4)):
        n.none(0, n.udp(0, src=src), "router.in_martian")
    for src in (b"\x7f\0\0\1", b"\xe0\0\0\1", b"\xff\xff\xff\xff", b"\0\0\0\5",
                addr(0, 255), addr(0, 254), addr(1, 254), b"\xf0\0\0\1"):  # fmt: skip
        n.none(0, n.udp(0, src=src), "ipv4.in_source")
    for dst in (addr(1, 255), addr(2, 255), b"\xa9\xfe\1\1", b"\0\0\0\1"):
        n.none(0, n.udp(0, dst=dst), "router.in_martian")
    n.none(0, n.udp(0, dst=b"\x7f\0\0\1"), "ipv4.in_source")
    for dst in (b"\xe0\0\0\5", b"\xf0\0\0\1"):
        n.none(0, n.udp(0, dst=dst), "ipv4.in_other")
    assert n.one(0, n.udp(0))[0] == 1


@both
def test_not_strict(fast):
    n = Net()
    n.router.strict = False
    for _ in range(3):
        out, packet = n.one(0, n.udp(0, src=b"\xc0\0\2\1"))
        assert out == 1 and packet.src == b"\xc0\0\2\1"


@both
def test_link_level_broadcasts_do_not_go_on(fast):
    # RFC 1812 5.3.4
    n = Net()
    n.send(0, n.udp(0))
    n.send(0, n.udp(0))
    for mac in (bench.BROADCAST, b"\1\0\x5e\0\0\5"):
        n.none(0, n.udp(0, dst_mac=mac), "ipv4.in_other")
    n.none(0, n.udp(0, dst_mac=b"\x02\0\0\0\0\x77"), "eth0.ethernet.in_other")


@both
def test_bad_headers(fast):
    n = Net()
    n.send(0, n.udp(0))
    n.send(0, n.udp(0))
    whole = n.udp(0)
    for over, counter in (
        ({"ihl": 4}, "in_length"),
        ({"ihl": 15}, "in_length"),
        ({"total": 19}, "in_length"),
        ({"total": 1000}, "in_length"),
        ({"version": 6}, "in_version"),
    ):
        n.none(0, n.frame(0, 17, bytes(20), **over), "ipv4." + counter)
    packet = bench.ip4(addr(0), addr(1), 17, bytes(20), csum=0x1234)
    n.none(0, bench.eth(n.nics[0].mac, station(0), bench.IPV4, packet), "ipv4.in_checksum")
    for size in range(14, 34):
        n.none(0, whole[:size], "ipv4.in_short")
    for size in range(34, len(whole)):
        n.none(0, whole[:size], "ipv4.in_length")
    # too short for a header of TCP or UDP: that is not ours to judge
    for proto in (6, 17):
        for size in range(0, 24):
            n.clear()
            n.nics[0].rx.append(n.frame(0, proto, bytes(size)))
            n.poll()
            assert [len(frame) for frame in n.sent[1]] == [34 + size]
    assert n.one(0, n.udp(0))[0] == 1


@both
def test_no_route(fast):
    # RFC 1812 5.2.7.1: network unreachable
    n = Net()
    out, packet = n.one(0, n.udp(0, dst=b"\xc0\0\2\1"))
    assert out == 0 and (packet.type, packet.code) == (3, 0) and packet.src == addr(0, 254)
    assert n.stat("out_noroute") == 1


@both
def test_unknown_neighbour(fast):
    # Asked for; what waits is sent, and when nobody answers: host unreachable (RFC 1812 5.2.7.1)
    n = Net()
    n.clear()
    n.nics[0].rx.append(n.udp(0, dst=addr(1, 9)))
    n.poll()
    ask = bench.Packet(n.sent[1].pop())
    assert ask.kind == "arp" and ask.tpa == addr(1, 9) and ask.spa == addr(1, 254)
    mac = station(1, 9)
    reply = bench.arp(2, mac, addr(1, 9), n.nics[1].mac, addr(1, 254))
    ((out, packet),) = n.send(1, bench.eth(n.nics[1].mac, mac, bench.ARP, reply))
    assert out == 1 and packet.kind == "udp" and packet.dst_mac == mac
    for _ in range(3):
        assert n.one(0, n.udp(0, dst=addr(1, 9)))[1].dst_mac == mac
    n.send(0, n.udp(0, dst=addr(1, 10)))
    n.advance(6000)
    errors = [packet for out, packet in n.take() if packet.kind == "icmp"]
    assert len(errors) == 1 and (errors[0].type, errors[0].code) == (3, 1)
    assert errors[0].src == addr(0, 254) and errors[0].dst == addr(0)


@both
def test_redirect(fast):
    # RFC 1812 5.2.7.2: for a host that could ask the other router itself; the packet goes on
    n = Net()
    n.route(b"\xc0\0\2\0", 24, addr(0, 2))
    found = n.send(0, n.udp(0, dst=b"\xc0\0\2\1"))
    assert sorted(packet.kind for _, packet in found) == ["icmp", "udp"]
    for out, packet in found:
        assert out == 0
        if packet.kind == "icmp":
            assert (packet.type, packet.code) == (5, 1)
            assert bytes(packet.frame[38:42]) == addr(0, 2)
        else:
            assert packet.dst_mac == station(0, 2)
    n.router.redirects = False
    assert len(n.send(0, n.udp(0, dport=7, dst=b"\xc0\0\2\1"))) == 1


@both
def test_routing_loop(fast):
    # A router that sends what we send it back to us: its packets are martians; where they are not
    # looked for, each goes around until its TTL is up, and that is told once.
    n = Net()
    n.route(b"\xc0\0\2\0", 24, addr(1, 2))
    n.loop(1)
    for i in range(20):
        assert len(n.send(0, n.udp(0, dst=b"\xc0\0\2\1", sport=i + 1))) == 1
    assert n.stat("in_martian") == 20
    n.router.strict = False
    for i in range(20):
        found = n.send(0, n.udp(0, dst=b"\xc0\0\2\1", sport=9, ttl=64))
        assert [out for out, _ in found].count(1) == 63
        told = [packet for out, packet in found if out == 0]
        assert [packet.kind for packet in told] == ["icmp"] and told[0].type == 11, told
        n.advance(1000)
    assert n.stat("in_ttl") == 20
    assert n.one(0, n.udp(0))[1].kind == "udp" and n.st.pool.left == n.st.pool.count


@both
def test_static_routes(fast):
    # The longest prefix, then the lowest metric
    n = Net(3)
    n.route(b"\xc0\0\0\0", 8, addr(1, 1))
    n.route(b"\xc0\0\2\0", 24, addr(2, 1))
    n.route(b"\xc0\0\2\x80", 25, addr(1, 2))
    table = n.route(b"\xc0\0\2\0", 24, addr(1, 3), metric=50)
    n.route(bytes(4), 0, addr(2, 3))
    for dst, out, mac in (
        (b"\xc0\1\1\1", 1, station(1, 1)),
        (b"\xc0\0\2\1", 1, station(1, 3)),
        (b"\xc0\0\2\x81", 1, station(1, 2)),
        (b"\x08\x08\x08\x08", 2, station(2, 3)),
        (addr(2, 2), 2, station(2, 2)),
    ):
        for _ in range(2):
            got, packet = n.one(0, n.udp(0, dst=dst))
            assert (got, packet.dst_mac) == (out, mac), dst
    assert table.remove("test", b"\xc0\0\2\0", 24, addr(1, 3))
    assert not table.remove("test", b"\xc0\0\2\0", 24, addr(1, 3))
    assert n.one(0, n.udp(0, dst=b"\xc0\0\2\1"))[0] == 2
    # and the host's own packets go by them
    assert n.st.ip4.route(b"\xc0\0\2\x81", 0) is n.nifs[1]
    with bench.inside(n.st):
        n.st.icmp4.echo(b"\xc0\0\2\x81", 1, 1, 0)
    assert [(out, packet.dst_mac) for out, packet in n.take()] == [(1, station(1, 2))]


@both
def test_routes_for_sources(fast):
    # Of equal networks the longest prefix of the source, then the metric; also our own packets
    n = Net(3)
    n.route(bytes(4), 0, addr(1, 3))
    n.route(bytes(4), 0, addr(2, 1), source=(addr(0, 0), 24), metric=500)
    table = n.route(bytes(4), 0, addr(2, 2), source=(addr(0, 2), 32))
    n.route(b"\xc0\0\2\0", 24, addr(1, 1))
    far = b"\x08\x08\x08\x08"
    for src, dst, out, mac in (
        (addr(0), far, 2, station(2, 1)),
        (addr(0, 2), far, 2, station(2, 2)),
        (addr(0, 2), b"\xc0\0\2\1", 1, station(1, 1)),
        (addr(0, 2), addr(1, 1), 1, station(1, 1)),
    ):
        for _ in range(3):
            got, packet = n.one(0, n.udp(0, src=src, dst=dst))
            assert (got, packet.dst_mac) == (out, mac), (src, dst)
    n.router.strict = False
    assert n.one(2, n.udp(2, dst=far))[0] == 1
    with bench.inside(n.st):
        endpoint = n.st.udp.open()
        endpoint.bind(n.st.ip4, addr(0, 254), 5000)
        endpoint.send(b"hello", 0, 5, n.st.ip4, far, 9)
    assert [(out, packet.dst_mac) for out, packet in n.take()] == [(2, station(2, 1))]
    with bench.inside(n.st):
        endpoint.close()
    assert not table.remove("test", bytes(4), 0, addr(2, 2))
    assert table.remove("test", bytes(4), 0, addr(2, 2), None, (addr(0, 2), 32))
    assert n.one(0, n.udp(0, src=addr(0, 2), dst=far))[1].dst_mac == station(2, 1)


@both
def test_link_down_changes_the_route(fast):
    n = Net(3)
    n.route(b"\xc0\0\2\0", 24, addr(1, 1), metric=10)
    n.route(b"\xc0\0\2\0", 24, addr(2, 1), metric=20)
    for _ in range(3):
        assert n.one(0, n.udp(0, dst=b"\xc0\0\2\1"))[0] == 1
    n.nics[1].up = 0
    n.advance(600)
    for _ in range(3):
        assert n.one(0, n.udp(0, dst=b"\xc0\0\2\1"))[0] == 2
    n.nics[1].up = 1
    n.advance(600)
    assert n.one(0, n.udp(0, dst=b"\xc0\0\2\1"))[0] == 1


def test_bad_arguments():
    n = Net()
    for metric in (-1, 65536):
        try:
            n.route(b"\xc0\0\2\0", 24, addr(1), metric=metric)
        except ValueError:
            pass
        else:
            raise AssertionError("metric %d" % metric)
    for flows in (0, 3, 100):
        n.st.ip4.router = None
        try:
            import routernet

            routernet.forward.attach(n.st, flows)
        except ValueError:
            pass
        else:
            raise AssertionError("%d flows" % flows)


@both
def test_for_us(fast):
    # The host in the router answers at each of its addresses
    n = Net()
    for net in (0, 1):
        for _ in range(3):
            out, packet = n.one(0, n.frame(0, 1, bench.icmp(8, 0), dst=addr(net, 254)))
            assert out == 0 and packet.type == 0 and packet.src == addr(net, 254)
    out, packet = n.one(0, n.udp(0, dst=addr(1, 254)))
    assert (packet.type, packet.code) == (3, 3)
    assert n.stat("forwarded") == 0


@both
def test_for_us_between_others(fast):
    # Datagrams for a socket of this host, each after one that goes on: the fast path, which goes
    # by what it has found last, mistakes none for another socket's
    n = Net(3)
    told = []
    ends = [n.st.udp.open() for _ in range(6)]
    with bench.inside(n.st):
        for i, end in enumerate(ends):
            end.bind(n.st.ip4, None, 7000 + i)
            end.notify = told.append
    buf = bytearray(64)
    for i in range(20):
        to = 5 if i & 8 else 0
        mine = n.udp(0, dport=7000 + to, data=b"mine %d" % i, dst=addr(0, 254))
        assert len(n.send(0, n.udp(0, dst=addr(1 + i % 2)), mine)) == 1
        assert told == [ends[to]], (i, len(told))
        told.clear()
        with bench.inside(n.st):
            got = ends[to].recv(buf, 0, 64)
        assert bytes(buf[: max(got, 0)]) == b"mine %d" % i, (i, got)


@both
def test_busy_port(fast):
    # What waits is bounded, and whole
    n = Net()
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


@both
def test_mss_clamp(fast):
    n = Net(mtus=(1500, 600))
    for opts, mss in (
        (bench.opt_mss(1460), 560),
        (b"\1" + bench.opt_mss(1460), 560),  # across two words of the sum
        (b"\1\1\1" + bench.opt_mss(1460) + b"\0", 560),
        (bench.opt_mss(400), 400),
        (b"\1\1\4\2", None),
    ):
        for net in (0, 1):
            _, packet = n.one(net, n.tcp(net, "S", opts=opts))
            assert packet.mss == mss, (opts, packet.mss)
    bad = b"\3\1\1\1", b"\3\0\1\1", b"\2\4", b"\xff\xff\1\1"
    for opts in bad:  # nothing is looked at beyond, nothing is changed
        n.send(0, n.tcp(0, "S"))
        frame = bytearray(n.tcp(0, "S", opts=opts))
        n.clear()
        n.nics[0].rx.append(bytes(frame))
        n.poll()
        assert n.sent[1][-1][34:] == bytes(frame[34:])
    n.clear()
    n.router.clamp = False
    assert n.one(0, n.tcp(0, "S", opts=bench.opt_mss(1460)))[1].mss == 1460


def test_flows_take_turns():
    # Many more than the fast path knows: each packet is right
    n = Net(flows=4)
    rnd = bench.Random(5)
    for i in range(bench.scale(500)):
        sport = 1000 + rnd.below(40)
        net = rnd.below(2)
        out, packet = n.one(net, n.udp(net, sport, data=b"%d" % i))
        assert out == 1 - net and packet.sport == sport and packet.data == b"%d" % i


def test_fast_path_is_the_slow_path():
    # The same frames to two routers, one without it
    pair = Pair(11, lambda: Net(3, flows=16, mtus=(1500, 1500, 700)))
    rnd = pair.rnd
    for n in pair.two:
        n.route(b"\xc0\0\2\0", 24, addr(2, 3))
        n.router.redirects = False  # the fast path sends none: a flow's first packet has done that
    for i in range(bench.scale(1200)):
        net = rnd.below(3)
        dst = rnd.choice((addr(0), addr(1), addr(2, 2), b"\xc0\0\2\1", addr(1, 254)))
        src = rnd.choice((addr(net), addr(net), addr(net), addr(net, 2), addr(1)))
        over = {"src": src, "dst": dst, "ttl": rnd.choice((64, 64, 64, 2, 1)),
                "flags": rnd.choice((0, 2)), "tos": rnd.choice((0, 3, 8))}  # fmt: skip
        data = bytes(rnd.choice((0, 1, 10, 400, 800)))
        if rnd.below(2):
            frame = n.udp(
                net, 1000 + rnd.below(3), 7, data, csum=rnd.choice((None, None, 0)), **over
            )
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
