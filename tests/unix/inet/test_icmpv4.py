# inet/icmpv4.py as it behaves: who is answered, the rate limit, errors that reach a socket
# (RFC 1122 3.2.2).

import bench

ECONNREFUSED = 111
EHOSTUNREACH = 113
ENETUNREACH = 101


def _peer(**kw):
    p = bench.peer(**kw)
    p.greet()
    return p


def test_echo_1472():
    p = _peer()
    data = bytes(i * 11 & 255 for i in range(1472))
    p.ping(data=data)
    p.expect("icmp", type=0, data=data)


def test_echo_to_groups_is_not_answered():
    # RFC 1122 3.2.2.6 allows it, RFC 2644's reasons forbid it
    p = _peer()
    for dst in ("10.0.0.255", "255.255.255.255", "224.0.0.1"):
        moved = p.moves(p.ping_frame(dst=bench.ip(dst), dst_mac=bench.BROADCAST))
        assert moved["icmp4.in_echo"] == 1 and "icmp4.out_reply" not in moved
        p.expect_nothing()


def test_echo_from_nobody():
    p = _peer()
    p.ping(src=bytes(4))
    p.expect_nothing()


def test_echo_through_a_gateway():
    p = _peer(gw="10.0.0.1")
    p.ping(src=bench.ip("8.8.8.8"), data=b"far")
    p.expect("icmp", type=0, dst=bench.ip("8.8.8.8"), dst_mac=p.mac, data=b"far")


def test_echo_without_a_way_back():
    p = _peer()
    p.ping(src=bench.ip("8.8.8.8"))
    p.expect_nothing()


def test_flood_of_pings():
    p = _peer()
    n = bench.scale(2000)
    for i in range(n):
        p.queue(p.ping_frame(1, i, b"x"))
    p.poll()
    assert [packet.seq for packet in p.take()] == list(range(n))
    assert p.st.pool.low > 0


def test_pings_with_a_pool_that_is_empty():
    p = _peer()
    hoard = []
    while True:
        fr = p.st.pool.alloc()
        if fr is None:
            break
        hoard.append(fr)
    moved = p.moves(p.ping_frame())
    assert moved["icmp4.out_nobuf"] == 1, moved
    for fr in hoard:
        p.st.pool.release(fr)
    p.ping()
    p.expect("icmp", type=0)


def test_unreachable_quotes_the_packet():
    p = _peer()
    frame = p.udp_frame(1000, 9, bytes(1000))
    p.send(frame)
    packet = p.expect("icmp", type=3, code=3, dst=p.addr, src=p.host.addr)
    assert packet.data == frame[14 : 14 + 548]  # RFC 1812 4.3.2.3: fits into 576 bytes
    assert packet.frame[38:42] == bytes(4)


def test_unreachable_is_rate_limited():
    # RFC 1812 4.3.2.8: a burst of 20, then 100 a second
    p = _peer()
    frame = p.udp_frame(1000, 9, b"x")
    for _ in range(50):
        p.send(frame)
    assert len(p.take()) == 20
    assert p.host.stat("icmp4")["out_limited"] == 30
    p.advance(50)
    for _ in range(10):
        p.send(frame)
    assert len(p.take()) == 5
    p.advance(5000)
    for _ in range(50):
        p.send(frame)
    assert len(p.take()) == 20, "the bucket holds no more than a burst"


def test_rate_limit_in_small_steps():
    # Polled every millisecond for a second, it still comes to 100 a second.
    p = _peer()
    frame = p.udp_frame(1000, 9, b"x")
    for _ in range(20):
        p.send(frame)
    p.take()
    for _ in range(1000):
        p.clock.ms += 1
        p.send(frame)
    assert 98 <= len(p.take()) <= 101


def test_echo_is_not_limited_by_errors():
    p = _peer()
    for _ in range(50):
        p.udp(1000, 9, b"x")
    p.take()
    p.ping()
    p.expect("icmp", type=0)


def test_no_error_about():
    # RFC 1122 3.2.2: groups on either layer, errors, sources that are no host
    p = _peer()
    quote = p.udp_frame(1000, 9, b"x")[14:]
    quiet = (
        p.udp_frame(1000, 9, b"x", dst=bench.ip("10.0.0.255"), dst_mac=bench.BROADCAST),
        p.udp_frame(1000, 9, b"x", dst=bench.ip("255.255.255.255"), dst_mac=bench.BROADCAST),
        p.udp_frame(1000, 9, b"x", dst=bench.ip("224.0.0.1"), dst_mac=bench.BROADCAST),
        p.udp_frame(1000, 9, b"x", dst_mac=bench.BROADCAST),
        p.udp_frame(1000, 9, b"x", src=bytes(4)),
        p.ip_frame(1, bench.icmp(3, 3, data=quote)),
        p.ip_frame(1, bench.icmp(99)),
    )
    for frame in quiet:
        p.send(frame)
        p.expect_nothing()


def _connected(p):
    e = p.host.udp.open()
    e.connect(p.host.ip4, p.addr, 9)
    with bench.inside(p.st):
        e.send(b"x", 0, 1)
    p.poll()
    return e, p.expect("udp").frame[14:]


def test_errors_reach_the_endpoint():
    # RFC 1122 3.2.2.1, 3.2.2.4, 3.2.2.5, 4.1.3.3
    p = _peer()
    told = []
    e, quote = _connected(p)
    e.notify = lambda endpoint: told.append(endpoint.error)
    for kind, code, errno in (
        (3, 0, ENETUNREACH),
        (3, 1, EHOSTUNREACH),
        (3, 2, ECONNREFUSED),
        (3, 3, ECONNREFUSED),
        (3, 5, EHOSTUNREACH),
        (3, 13, EHOSTUNREACH),
        (3, 255, EHOSTUNREACH),
        (11, 0, EHOSTUNREACH),
        (12, 0, EHOSTUNREACH),
    ):
        e.error = 0
        p.send(p.ip_frame(1, bench.icmp(kind, code, data=quote)))
        assert e.error == errno, (kind, code, e.error)
        assert told.pop() == errno and not told
    assert p.host.stat("udp")["in_error"] == 9


def test_error_from_a_router_on_the_way():
    p = _peer()
    e, quote = _connected(p)
    p.send(p.ip_frame(1, bench.icmp(3, 1, data=quote), src=bench.ip("10.0.0.254")))
    assert e.error == EHOSTUNREACH


def test_quote_of_28_bytes_is_enough():
    p = _peer()
    e, quote = _connected(p)
    p.send(p.ip_frame(1, bench.icmp(3, 3, data=quote[:28])))
    assert e.error == ECONNREFUSED


def test_error_with_options_in_the_quote():
    # The transport header lies behind them; a quote that ends before it says nothing.
    p = _peer()
    e, quote = _connected(p)
    longer = b"\x46" + quote[1:20] + b"\1\1\1\1" + quote[20:]
    p.send(p.ip_frame(1, bench.icmp(3, 3, data=longer[:31])))
    assert e.error == 0
    p.send(p.ip_frame(1, bench.icmp(3, 3, data=longer[:32])))
    assert e.error == ECONNREFUSED


def test_error_about_what_we_cannot_have_sent():
    # RFC 5927 4: other ports, another address, a later fragment, no header of IPv4 at all
    p = _peer()
    e, quote = _connected(p)
    for lie in (
        quote[:21] + b"\0" + quote[22:],
        quote[:23] + b"\0" + quote[24:],
        quote[:16] + bench.ip("10.0.0.7") + quote[20:],
        quote[:12] + bench.ip("10.0.0.7") + quote[16:],
        quote[:7] + b"\1" + quote[8:],
        b"\x65" + quote[1:],
        b"\x44" + quote[1:],
        b"\x4f" + quote[1:],
        quote[:27],
    ):
        for kind, code in ((3, 3), (3, 4), (11, 0), (12, 0)):
            p.send(p.ip_frame(1, bench.icmp(kind, code, b"\0\0\1\0", lie)))
    assert e.error == 0
    p.expect_nothing()


def test_unconnected_endpoint_is_not_told():
    p = _peer()
    e = p.host.udp.open()
    e.bind(None, None, 5000)
    with bench.inside(p.st):
        e.send(b"x", 0, 1, p.host.ip4, p.addr, 9)
    p.poll()
    quote = p.expect("udp").frame[14:]
    p.send(p.ip_frame(1, bench.icmp(3, 3, data=quote)))
    assert e.error == 0


bench.run_tests(globals())
