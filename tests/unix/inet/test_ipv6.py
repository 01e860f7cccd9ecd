# inet/ipv6.py and ext6.py: which packets are taken, extension headers and their options, and TCP
# and UDP over it (RFC 8200, RFC 4291, RFC 5095).

import bench
import peer6
from packets import ip6, udp

ENETUNREACH = 101


def _chain(p, *headers, data=b"x", proto=17, dst=None, **over):
    """A datagram to port 7 behind extension headers: (kind, bytes behind the first)."""
    dst = dst or p.host.addr
    body = udp(p.addr, dst, 1000, 7, data) if proto == 17 else data
    for kind, rest in reversed(headers):
        body = bytes((proto,)) + rest + body
        proto = kind
    return p.ip_frame(proto, body, dst=dst, **over)


def _options(*options):
    """A header of options, padded to whole units of 8 bytes."""
    data = b"".join(options)
    gap = -(len(data) + 2) % 8
    if gap == 1:
        data += b"\0"
    elif gap:
        data += bytes((1, gap - 2)) + bytes(gap - 2)
    return bytes(((len(data) + 2 >> 3) - 1,)) + data


def _bound(p, port=7, ip=None):
    e = p.host.udp.open()
    with bench.inside(p.st):
        e.bind(ip, None, port)
    bench.at_end(e.close)
    return e


def _taken(p, e, frame):
    """Does the endpoint get the datagram in `frame`?"""
    p.send(frame)
    return e.recv(bytearray(64), 0, 64) >= 0


def test_headers_that_lie():
    # RFC 8200 3
    p = peer6.peer(greet=True)
    whole = p.echo_frame(data=b"abcdefgh")
    for n in range(14, 54):
        p.expect_drop(whole[:n], "ipv6.in_short")
    p.expect_drop(whole[:-1], "ipv6.in_length")
    bad = bytearray(whole)
    bad[14] = 0x40
    p.expect_drop(bad, "ipv6.in_version")
    p.send(whole + bytes(30))  # what the link has filled up is not the packet's
    p.expect("icmp6", type=129, data=b"abcdefgh")


def test_sources_that_none_may_have():
    # RFC 4291 2.5.2, 2.5.3, 2.5.5.2, 2.7
    p = peer6.peer(greet=True)
    for src in ("ff02::1", "::1", "::ffff:a00:1", "::", "2001:db8::2", "fe80::2"):
        p.expect_drop(p.udp_frame(1000, 7, b"x", src=ip6(src)), "ipv6.in_source")


def test_destinations_that_none_may_have():
    p = peer6.peer(greet=True)
    for dst in ("::", "::1", "::ffff:a00:2"):
        p.expect_drop(p.udp_frame(1000, 7, b"x", dst=ip6(dst)), "ipv6.in_destination")


def test_for_others():
    p = peer6.peer(greet=True)
    for dst in ("2001:db8::3", "fe80::3", "ff02::5", "ff05::1:3", "ff02::1:ff00:3"):
        p.expect_drop(p.echo_frame(dst=ip6(dst)), "ipv6.in_other")
    p.expect_drop(p.echo_frame(dst_mac=peer6.group_mac(peer6.ALL_NODES)), "ipv6.in_other")


def test_link_local_of_another_interface():
    # RFC 4007 9: an address of one zone is none in another
    p = peer6.peer(link=False, greet=True)
    with bench.inside(p.st):
        p.ip.add(p.host.lo, ip6("fe80::2"), 64)
    p.expect_drop(p.echo_frame(dst=ip6("fe80::2")), "ipv6.in_other")


def test_groups():
    # RFC 4291 2.8: all nodes, and the solicited-node groups of our addresses
    p = peer6.peer(greet=True)
    for dst in (peer6.ALL_NODES, peer6.solicited(p.host.addr)):
        p.send(p.echo_frame(dst=dst, data=b"who"))
        p.expect("icmp6", type=129, src=p.host.addr, data=b"who")
    assert sorted(p.nic.groups) == [b"\x33\x33\0\0\0\1", b"\x33\x33\xff\0\0\2"]


def test_no_next_header():
    # RFC 8200 4.7: nothing behind it counts
    p = peer6.peer(greet=True)
    p.expect_drop(p.ip_frame(59, b"whatever"), "ipv6.in_protocol")


def test_unknown_next_header():
    # RFC 8200 4, RFC 4443 3.4: code 1, the pointer at the field that names it
    p = peer6.peer(greet=True)
    frame = p.ip_frame(200, bytes(8))
    p.send(frame)
    p.expect("icmp6", type=4, code=1, value=6, data=frame[14:])
    p.send(_chain(p, (60, _options()), proto=200, data=bytes(8)))
    p.expect("icmp6", type=4, code=1, value=40)


def test_headers_in_front():
    # RFC 8200 4.1: any number of them, in any order, but hop-by-hop comes first
    p = peer6.peer(greet=True)
    e = _bound(p)
    routing = (43, b"\0\0\0" + bytes(4))
    assert _taken(p, e, _chain(p, (0, _options())))
    assert _taken(p, e, _chain(p, (60, _options()), routing, (60, _options(b"\1\4" + bytes(4)))))
    assert _taken(p, e, _chain(p, (0, _options(b"\5\2\0\0")), (60, _options())))
    p.expect_nothing()
    assert not _taken(p, e, _chain(p, (60, _options()), (0, _options())))
    p.expect("icmp6", type=4, code=1, value=40)


def test_chain_without_end():
    # RFC 8504 5.3: what nobody needs is not looked at for ever
    p = peer6.peer(greet=True)
    e = _bound(p)
    assert _taken(p, e, _chain(p, *[(60, _options())] * 8))
    p.expect_drop(_chain(p, *[(60, _options())] * 9), "ipv6.in_header")
    p.expect_drop(_chain(p, *[(60, _options())] * 170), "ipv6.in_header")
    many = _options(*[b"\x1e\0"] * 16)
    assert _taken(p, e, _chain(p, (60, many)))
    p.expect_drop(_chain(p, (60, _options(*[b"\x1e\0"] * 17))), "ipv6.in_header")


def test_headers_cut_off():
    p = peer6.peer(greet=True)
    frame = _chain(p, (0, _options()), (60, _options(b"\x1e\x0a" + bytes(10))))
    for n in range(54, len(frame) - 9):
        short = bytearray(frame[:n])
        short[18:20] = bytes(((n - 54) >> 8, (n - 54) & 255))
        p.expect_drop(short, "ipv6.in_header" if n < 78 else "udp.in_short")


def test_options_that_are_not_known():
    # RFC 8200 4.2: the two highest bits say what to do
    p = peer6.peer(greet=True)
    e = _bound(p)
    for kind, answer in ((0x1E, 0), (0x5E, 0), (0x9E, 1), (0xDE, 1)):
        took = _taken(p, e, _chain(p, (60, _options(bytes((kind, 0))))))
        assert took == (kind == 0x1E), kind
        if answer:
            p.expect("icmp6", type=4, code=2, value=42)
        p.expect_nothing()
    group = peer6.ALL_NODES
    p.send(_chain(p, (60, _options(b"\x9e\0")), dst=group))
    p.expect("icmp6", type=4, code=2, src=p.host.addr, value=42)
    p.send(_chain(p, (60, _options(b"\xde\0")), dst=group))
    p.expect_nothing()


def test_options_that_lie():
    p = peer6.peer(greet=True)
    for data in (b"\x1e\7" + bytes(4), b"\1\5\0\0\0\0", b"\0\0\0\0\0\x1e"):
        p.expect_drop(_chain(p, (60, b"\0" + data)), "ipv6.in_header")


def test_routing_headers():
    # RFC 8200 4.4, RFC 5095: none is followed, that of type 0 least of all
    p = peer6.peer(greet=True)
    e = _bound(p)
    for kind in (0, 2, 3, 4, 77):
        assert _taken(p, e, _chain(p, (43, bytes((2, kind, 0)) + bytes(20))))
        p.expect_nothing()
        p.send(_chain(p, (43, bytes((2, kind, 1)) + bytes(4) + ip6("2001:db8::9"))))
        p.expect("icmp6", type=4, code=0, value=42)
        assert e.waiting == 0


def test_atomic_fragment():
    # RFC 6946: whole, though it says that it is a fragment
    p = peer6.peer(greet=True)
    assert _taken(p, _bound(p), _chain(p, (44, b"\0\0\0" + b"\1\2\3\4")))


def test_udp_needs_a_checksum():
    # RFC 8200 8.1
    p = peer6.peer(greet=True)
    _bound(p)
    p.expect_drop(p.udp_frame(1000, 7, b"abc", csum=0), "udp.in_checksum")


def test_udp_both_ways():
    p = peer6.peer(greet=True)
    e = _bound(p)
    p.udp(1000, 7, b"abc")
    got = bytearray(8)
    assert e.recv(got, 0, 8) == 3 and got[:3] == b"abc"
    assert e.from_len == 16 and e.from_addr == p.addr and e.from_port == 1000
    with bench.inside(p.st):
        assert e.send(b"xyz", 0, 3, p.ip, p.addr, 1000) == 3
    p.expect("udp", sport=7, dport=1000, src=p.host.addr, dst=p.addr, hops=64, data=b"xyz")
    with bench.inside(p.st):
        assert e.send(bytes(1500), 0, 1452, p.ip, p.addr, 1000) == 1452
        assert e.send(b"x", 0, 1, p.ip, ip6("2001:db9::1"), 1000) == -ENETUNREACH
    p.expect("udp", data=bytes(1452))


def test_one_socket_for_both_families():
    # RFC 3493 3.7; a datagram to one family does not take the header written for the other
    p = peer6.peer(greet=True)
    old = bytes((0x20, 1, 0x0D, 0xB8))  # the first four bytes of the other's address
    e = _bound(p)
    with bench.inside(p.st):
        p.host.ip4.configure(p.nif, bytes((0x20, 1, 0x0D, 1)), b"\xff\xff\xff\0")
    p.addrs.append(old)
    for _ in range(4):
        with bench.inside(p.st):
            assert e.send(b"4", 0, 1, p.host.ip4, old, 9) == 1
            assert e.send(b"6", 0, 1, p.ip, p.addr, 9) == 1
        p.poll()
    assert sorted(packet.data + bytes((len(packet.dst),)) for packet in p.take()) == (
        [b"4\4"] * 4 + [b"6\x10"] * 4
    )


def test_a_port_of_one_family():
    p = peer6.peer(greet=True)
    four = _bound(p, ip=p.host.ip4)
    six = _bound(p, ip=p.ip)
    p.udp(1000, 7, b"six")
    assert (four.waiting, six.waiting) == (0, 1)
    bench.raises(98, p.host.udp.open().bind, None, None, 7)
    six.close()
    p.udp(1000, 7, b"six")
    p.expect("icmp6", type=1, code=4)
    four.close()
    _bound(p)


def test_a_port_of_one_address():
    p = peer6.peer(greet=True)
    e = p.host.udp.open()
    with bench.inside(p.st):
        e.bind(p.ip, p.host.addr, 7)
    bench.at_end(e.close)
    assert _taken(p, e, p.udp_frame(1000, 7, b"x"))
    assert not _taken(p, e, p.udp_frame(1000, 7, b"x", dst=p.host.link, src=p.link))
    p.expect("icmp6", type=1, code=4, src=p.host.link, dst=p.link)
    bench.raises(99, p.host.udp.open().bind, p.ip, p.addr, 8)


def test_tcp_both_ways():
    for active in (False, True):
        f = bench.established(p=peer6.peer(tcp=True), active=active)
        assert f.write(b"hello") == 5
        f.expect_tcp("PA", data=b"hello")
        f.tcp("A", data=b"abc" * 300)
        assert f.read() == b"abc" * 300
        f.advance(500)
        f.expect_tcp("A")
        assert f.conn.laddr == f.host.addr and f.conn.raddr == f.peer.addr


def test_tcp_segments_fill_the_link():
    # RFC 6691, RFC 9293 3.7.1: 1500 - 40 - 20; without the option 1220 is sent at most
    f = bench.listening(p=peer6.peer(tcp=True))
    f.tcp("S", opts=bench.opt_mss(1440))
    assert f.expect_tcp("SA").mss == 1440
    f = bench.established(p=peer6.peer(tcp=True), opts=b"")
    f.write(bytes(3000))
    assert [len(packet.data) for packet in f.peer.take()][:2] == [1220, 1220]


def test_tcp_listeners_of_one_family():
    p = peer6.peer(tcp=True)
    with bench.inside(p.st):
        four = p.st.tcp.listen(p.host.ip4, None, 80)
        six = p.st.tcp.listen(p.ip, None, 80)
        bench.raises(98, p.st.tcp.listen, None, None, 80)
    f = p.flow()
    f.tcp("S")
    f.expect_tcp("SA")
    with bench.inside(p.st):
        six.close()
    f.expect_tcp("RA")
    f = p.flow(sport=40001)
    f.tcp("S")
    f.expect_tcp("RA")
    with bench.inside(p.st):
        four.close()
        both = p.st.tcp.listen(None, None, 80)
        bench.raises(98, p.st.tcp.listen, p.ip, None, 80)
        bench.raises(98, p.st.tcp.listen, p.host.ip4, None, 80)
        both.close()
        p.st.tcp.listen(p.ip, None, 80).close()


def test_tcp_by_cookie():
    # RFC 4987 with addresses of 16 bytes
    p = peer6.peer(tcp=True)
    f = bench.listening(p=p, backlog=50)
    queue = p.st.tcp.synqueue
    for i in range(queue.rows.limit):
        p.send(p.flow(sport=1000 + i).tcp_frame("S"))
    p.take()
    f.tcp("S", opts=bench.opt_mss(1220))
    f.expect_tcp("SA")
    f.tcp("A")
    with bench.inside(p.st):
        f.conn = f.listener.accept()
    assert f.conn and f.conn.raddr == p.addr
    bench.at_end(lambda: bench._close(p.st, f.conn))


def test_loopback():
    # RFC 4291 2.5.3, and our own addresses
    p = peer6.peer(tcp=True)
    for text in ("::1", "2001:db8::2", "fe80::2"):
        e = _bound(p)
        with bench.inside(p.st):
            assert e.send(b"me", 0, 2, p.ip, ip6(text), 7) == 2
        p.poll()
        assert e.recv(bytearray(8), 0, 8) == 2 and e.from_addr == ip6(text), text
        e.close()
    p.expect_nothing()


def test_addresses_that_none_can_have():
    p = peer6.peer()
    for text in ("::", "ff02::1", "::ffff:a00:1"):
        bench.raises(99, p.ip.add, p.nif, ip6(text), 64)
    bench.raises(17, p.ip.add, p.host.lo, p.host.addr, 64)
    count = 0
    try:
        while True:
            p.ip.add(p.nif, ip6("2001:db8::1:%x" % count), 64)
            count += 1
    except OSError as error:
        assert error.errno == 105, error
    assert count == 14


def test_address_taken_away():
    p = peer6.peer(greet=True)
    with bench.inside(p.st):
        entry = p.ip.add(p.nif, ip6("2001:db8::2:2"), 64)
        p.ip.remove(p.nif, p.nif.v6.find(p.host.addr, 0))
    p.expect_drop(p.echo_frame(), "ipv6.in_other")
    p.send(p.echo_frame(dst=entry.addr))  # the prefix is on the link as before
    p.expect("icmp6", type=129)
    assert b"\x33\x33\xff\0\0\2" in p.nic.groups  # fe80::2 has the same group
    with bench.inside(p.st):
        p.ip.remove(p.nif, entry)
    assert p.ip.route(p.addr, 0) is None


bench.run_tests(globals())
