# inet/paths.py: RFC 1191, and who may tell of a path (RFC 5927 7.2).

import bench

EMSGSIZE = 90
FAR = bench.ip("8.8.8.8")
MINUTE = 60000


def _peer(**kw):
    p = bench.peer(gw="10.0.0.1", **kw)
    p.greet()
    return p


def _send(p, e, n, dst=FAR):
    with bench.inside(p.st):
        return e.send(bytes(n), 0, n, p.host.ip4, dst, 9)


def _too_big(p, quote, mtu):
    rest = bytes((0, 0, mtu >> 8, mtu & 255))
    p.send(p.ip_frame(1, bench.icmp(3, 4, rest, quote[:28]), src=bench.ip("10.0.0.254")))


def _learn(p, mtu=1300, dst=FAR):
    """Have a router tell of `mtu`; the endpoint that has sent what did not fit."""
    e = p.host.udp.open()
    assert _send(p, e, 1472, dst) == 1472
    _too_big(p, p.expect("udp").frame[14:], mtu)
    return e


def _mtu(p, dst=FAR):
    return p.host.ip4.mtu(dst, p.nif)


def test_udp_goes_on_in_fragments():
    # RFC 1191 section 3; and who shall know is told: the connected
    p = _peer()
    e = p.host.udp.open()
    e.connect(p.host.ip4, FAR, 9)
    with bench.inside(p.st):
        e.send(bytes(1472), 0, 1472)
    _too_big(p, p.expect("udp", df=1).frame[14:], 1300)
    assert e.error == EMSGSIZE and _mtu(p) == 1300
    assert p.host.ip4.mss_room(FAR) == 1280
    with bench.inside(p.st):
        e.send(bytes(1472), 0, 1472)
    assert max(len(frame) for frame in p.sent) <= 1314
    p.expect_whole("udp", data=bytes(1472))
    with bench.inside(p.st):
        e.send(bytes(1272), 0, 1272)
    p.expect("udp", df=1)


def test_fast_path_learns_of_it():
    # a header written in advance is void: what follows is not too long again
    p = _peer()
    e = p.host.udp.open()
    for _ in range(4):
        assert _send(p, e, 1472) == 1472
    assert p.st.w[33] > 0
    frame = p.take()[-1].frame
    _too_big(p, frame[14:], 1300)
    for _ in range(3):
        assert _send(p, e, 1472) == 1472
        p.expect_whole("udp", data=bytes(1472))
    for _ in range(3):
        assert _send(p, e, 1272) == 1272
        p.expect("udp", df=1)


def test_each_path_by_itself():
    p = _peer()
    _learn(p)
    other = bench.ip("8.8.4.4")
    assert _mtu(p, other) == 1500
    _learn(p, 1000, other)
    assert (_mtu(p), _mtu(p, other), _mtu(p, p.addr)) == (1300, 1000, 1500)


def test_it_only_shrinks():
    # RFC 1191 section 3: a larger value is no news
    p = _peer()
    e = _learn(p, 1000)
    quote = p.sent
    assert _send(p, e, 972) == 972
    quote = p.expect("udp").frame[14:]
    _too_big(p, quote, 1400)
    _too_big(p, quote, 1000)
    assert _mtu(p) == 1000 and p.host.stat("paths4")["learnt"] == 1
    _too_big(p, quote, 900)
    assert _mtu(p) == 900


def test_old_routers():
    # RFC 1191 section 7: no value; the next plateau below the length quoted
    p = _peer()
    e = _learn(p, 0)
    assert _mtu(p) == 1492
    assert _send(p, e, 1464) == 1464
    _too_big(p, p.expect("udp").frame[14:], 0)
    assert _mtu(p) == 1006


def test_not_below_the_floor():
    p = _peer()
    _learn(p, 68)
    assert _mtu(p) == 256
    p = _peer()
    _learn(p, 1)
    assert _mtu(p) == 256


def test_ten_minutes():
    # RFC 1191 6.3
    p = _peer()
    e = _learn(p)
    p.advance(6 * MINUTE)
    _learn(p, 1200, bench.ip("8.8.4.4")).close()
    p.advance(4 * MINUTE - 1000)
    assert _mtu(p) == 1300
    p.advance(2000)
    assert _mtu(p) == 1500 and _mtu(p, bench.ip("8.8.4.4")) == 1200
    p.take()
    p.greet()
    assert _send(p, e, 1472) == 1472
    p.expect("udp", df=1, data=bytes(1472))
    p.advance(6 * MINUTE)
    assert p.host.paths.count == 0 and p.host.stat("paths4")["aged"] == 2
    assert not p.host.paths._timer.active


def test_bounded():
    p = _peer()
    for i in range(40):
        _learn(p, 1000 + i, bytes((8, 8, 8, i))).close()
        p.advance(10)
    assert p.host.paths.count == 16 and p.host.stat("paths4")["evicted"] == 24
    assert [_mtu(p, bytes((8, 8, 8, i))) for i in range(40)] == [1500] * 24 + list(
        range(1024, 1040)
    )


def test_blind_attacker():
    # RFC 5927 7.2: who does not know a port of ours in use is not believed
    p = _peer(tcp=True)
    e = p.host.udp.open()
    e.bind(None, None, 5000)
    for sport, proto in ((5001, 17), (5000, 6), (5000, 1), (5000, 253)):
        quote = bench.udp(p.host.addr, FAR, sport, 9, bytes(8))
        quote = bench.ip4(p.host.addr, FAR, proto, quote, total=1500)
        _too_big(p, quote, 600)
        assert _mtu(p) == 1500, (sport, proto)
    quote = bench.ip4(p.addr, FAR, 17, quote[20:], total=1500)  # nor ever our address
    _too_big(p, quote, 600)
    assert p.host.paths.count == 0
    p.expect_nothing()


def _established(p):
    return bench.established(p=p)


def _segment(f, seq, total=1500):
    """A segment of ours as a router quotes it."""
    p = f.peer
    number = (f.irs + seq) & 0xFFFFFFFF
    inner = bench.tcp(p.host.addr, p.addr, f.dport, f.sport, number, 0, "A", data=bytes(8))
    return bench.ip4(p.host.addr, p.addr, 6, inner, total=total)


def _lengths(f):
    return [len(packet.data) for packet in f.peer.take() if packet.data]


def test_tcp_tells_the_others():
    # what one connection meets, another need not, nor a datagram
    p = bench.peer(tcp=True)
    p.greet()
    f = _established(p)
    with bench.inside(p.st):
        other = p.host.tcp.open()
        other.connect(p.host.ip4, p.addr, 81)
    g = p.flow(81, other.lport)
    g.expect_tcp("S")
    g.tcp("SA", opts=bench.opt_mss(1460))
    g.expect_tcp("A")
    f.write(bytes(1460))
    assert _lengths(f) == [1460]
    _too_big(p, _segment(f, 1), 1300)
    got = _lengths(f)
    assert got == [1260, 200], got
    assert _mtu(p, p.addr) == 1300
    with bench.inside(p.st):
        other.send(bytes(3000), 0, 3000)
    got = _lengths(g)
    assert got == [1260, 1260], got
    e = p.host.udp.open()
    assert _send(p, e, 1300, p.addr) == 1300
    p.expect_whole("udp", data=bytes(1300))
    with bench.inside(p.st):
        other.abort()
        other.close()
    p.take()


def test_tcp_tries_again_later():
    # RFC 1191 6.3.1
    p = bench.peer(tcp=True)
    p.greet()
    f = _established(p)
    f.write(bytes(1460))
    p.take()
    _too_big(p, _segment(f, 1), 1300)
    p.take()
    f.tcp("A", ack=1461)
    p.advance(10 * MINUTE + 1000)
    p.take()
    p.greet()
    assert f.conn.send_mss() == 1460
    f.write(bytes(1460))
    assert _lengths(f) == [1460]


def test_tcp_not_in_flight():
    # RFC 5927 4.1
    p = bench.peer(tcp=True)
    p.greet()
    f = _established(p)
    f.write(bytes(1460))
    p.take()
    for seq in (0, 1461, 100000):
        _too_big(p, _segment(f, seq), 600)
    assert p.host.paths.count == 0 and f.conn.send_mss() == 1460
    p.expect_nothing()


def test_next_connection_begins_with_it():
    p = bench.peer(tcp=True)
    p.greet()
    _learn(p, 1300, p.addr)
    f = bench.established(p=p)
    f.write(bytes(3000))
    got = _lengths(f)
    assert got == [1260, 1260], got


bench.run_tests(globals())
