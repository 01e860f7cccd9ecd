# inet/fragment.py: datagrams longer than a packet (RFC 791 2.3, 3.2).

import bench
import gc

MOST = 65507 if bench.UNIX else 30000  # a board's heap is in pieces by now

EHOSTUNREACH = 113
EMSGSIZE = 90
ENETUNREACH = 101
ENOBUFS = 105


def _peer(greet=True, **kw):
    p = bench.peer(**kw)
    if greet:
        p.greet()
    return p


def _send(p, e, data, dst=None):
    with bench.inside(p.st):
        return e.send(data, 0, len(data), p.host.ip4, dst or p.addr, 9)


def _data(n):
    return bench.Random(n).bytes(n)


def test_sizes():
    p = _peer()
    e = p.host.udp.open()
    for n in (1473, 1479, 1480, 1481, 2952, 2953, 8000, MOST):
        data = _data(n)
        before = p.host.stat("fragment")["out_parts"]
        assert _send(p, e, data) == n
        assert (
            len(p.sent) == p.host.stat("fragment")["out_parts"] - before == (n + 8 + 1479) // 1480
        )
        p.expect_whole("udp", dport=9, data=data, src=p.host.addr)
        p.expect_nothing()
        gc.collect()
    assert _send(p, e, bytes(65508)) == -EMSGSIZE
    assert _send(p, e, _data(1472)) == 1472  # in one packet, which may not be cut
    p.expect("udp", df=1)


def test_header_of_each():
    p = _peer()
    e = p.host.udp.open()
    e.ttl = 9
    e.tos = 0x20
    _send(p, e, bytes(3000))
    packets = p.take()
    for packet in packets:
        assert (packet.ttl, packet.tos, packet.df) == (9, 0x20, 0)
    assert [packet.frag for packet in packets] == [0, 185, 370]
    assert [packet.mf for packet in packets] == [1, 1, 0]
    ident = packets[0].ident
    _send(p, e, bytes(3000))
    assert p.take()[0].ident != ident


def test_mtu_that_is_no_multiple_of_8():
    p = _peer(mtu=1006)
    e = p.host.udp.open()
    data = _data(4000)
    _send(p, e, data)
    assert max(len(frame) for frame in p.sent) <= 1006 + 14
    p.expect_whole("udp", data=data)


def test_own_ping():
    p = _peer()
    with bench.inside(p.st):
        assert p.host.icmp4.echo(p.addr, 1, 2, 8000) == 0
    packet = p.expect_whole("icmp", type=8, id=1, seq=2)
    assert packet.data == bytes(i & 255 for i in range(8000))
    with bench.inside(p.st):
        assert p.host.icmp4.echo(p.addr, 1, 2, 65508) == -EMSGSIZE


def test_neighbour_is_asked_first():
    # otherwise all but a few of the parts would be lost while it is asked for
    p = _peer(greet=False)
    e = p.host.udp.open()
    data = _data(8000)
    assert _send(p, e, data) == -ENOBUFS
    p.poll()
    assert _send(p, e, data) == 8000
    p.expect_whole("udp", data=data)


def test_neighbour_is_not_there():
    p = _peer(greet=False, auto_arp=False)
    e = p.host.udp.open()
    data = _data(8000)
    for _ in range(4):
        assert _send(p, e, data) == -ENOBUFS
        p.advance(900)
    p.advance(3000)
    assert _send(p, e, data) == -EHOSTUNREACH
    assert len([each for each in p.take() if each.kind == "arp"]) == 5
    p.greet()  # and now it is
    assert _send(p, e, data) == 8000
    p.expect_whole("udp", data=data)


def test_what_may_be_cut():
    # Linux's IP_MTU_DISCOVER: 0 (DONT) lets routers cut, 2 (DO) and 3 (PROBE) forbid it to all
    p = _peer()
    e = p.host.udp.open()
    for mode, df in ((0, 0), (1, 1), (2, 1), (3, 1), (0, 0)):
        e.pmtudisc = mode
        for _ in range(3):  # the fast path as well
            assert _send(p, e, b"abc") == 3
            p.expect("udp", df=df, data=b"abc")
        assert _send(p, e, bytes(1473)) == (1473 if mode < 2 else -EMSGSIZE)
        if mode < 2:
            p.expect_whole("udp", data=bytes(1473))
        p.expect_nothing()


def test_no_route():
    p = _peer()
    e = p.host.udp.open()
    assert _send(p, e, bytes(2000), bench.ip("8.8.8.8")) == -ENETUNREACH


def test_through_a_gateway():
    p = _peer(gw="10.0.0.1")
    e = p.host.udp.open()
    assert _send(p, e, bytes(2000), bench.ip("8.8.8.8")) == 2000
    p.expect_whole("udp", dst=bench.ip("8.8.8.8"), dst_mac=p.mac)


def test_to_a_group():
    # nobody is asked for a group's address
    p = _peer()
    e = p.host.udp.open()
    e.broadcast = True
    data = _data(3000)
    for dst in ("10.0.0.255", "255.255.255.255", "224.1.2.3"):
        assert _send(p, e, data, bench.ip(dst)) == 3000
        p.expect_whole("udp", data=data, dst=bench.ip(dst))


def test_busy_nic():
    # more parts than frames or places in the queue: the NIC is asked until it gets on
    p = _peer()
    e = p.host.udp.open()
    data = _data(MOST)
    p.nic.busy = 500
    assert _send(p, e, data) == MOST
    p.poll()
    p.expect_whole("udp", data=data)


def test_stuck_nic():
    p = _peer()
    e = p.host.udp.open()
    data = _data(MOST)
    p.nic.busy = 100000
    assert _send(p, e, data) == -ENOBUFS
    assert p.host.stat("fragment")["out_nobuf"] == 1
    p.nic.busy = 0
    p.poll()
    p.take()
    assert _send(p, e, data) == MOST
    p.expect_whole("udp", data=data)


def test_empty_pool():
    p = _peer()
    e = p.host.udp.open()
    _send(p, e, b"x")  # so that it has its ring
    p.take()
    hoard = []
    while True:
        fr = p.st.pool.alloc()
        if fr is None:
            break
        hoard.append(fr)
    assert _send(p, e, bytes(3000)) == -ENOBUFS
    for fr in hoard:
        p.st.pool.release(fr)
    assert _send(p, e, bytes(3000)) == 3000
    p.expect_whole("udp")


def test_to_oneself():
    # of any length, in order, however few frames there are
    for budget in (1024 * 1024, 256 * 1024):
        h = bench.host(budget=budget, ip6=True)
        with bench.inside(h.st):
            h.ip6.add(h.lo, h.ip6.loopback, 128)
        h.poll()
        server = h.udp.open()
        server.rcvbuf = 66000
        server.bind(None, None, 9)
        bench.at_end(server.close)
        e = h.udp.open()
        six = h.ip6.loopback
        for ip, dst in ((h.ip4, b"\x7f\0\0\1"), (h.ip4, b"\x0a\0\0\2"), (h.ip6, six)):
            for n in (3000, 40000, 60000, 65507 if ip is h.ip4 else 65400):
                data = _data(n)
                with bench.inside(h.st):
                    assert e.send(b"first", 0, 5, ip, dst, 9) == 5
                    assert e.send(data, 0, n, ip, dst, 9) == n
                h.poll()
                buf = bytearray(n)
                assert server.recv(buf, 0, n) == 5
                assert server.recv(buf, 0, n) == n and buf == data, (dst, n)
        assert h.st.stats()["lo.loopback"]["dropped"] == 0
        server.close()
        e.close()


def test_both_ends():
    # two stacks, a wire that reorders: what is lost is lost, nothing comes damaged
    a, b, wire = bench.pair(reorder=20, jitter=3, budget=512 * 1024)
    server = b.udp.open()
    server.rcvbuf = 20000
    server.bind(None, None, 9)
    client = a.udp.open()
    for n in (2000, 9000, 15000):
        data = _data(n)
        for _ in range(3):
            with bench.inside(a.st):
                sent = client.send(data, 0, n, a.ip4, b.addr, 9)
            wire.run(500)
            if sent == n:
                break
        buf = bytearray(n)
        assert server.recv(buf, 0, n) == n and buf == data


def test_nothing_is_allocated():
    p = _peer()
    e = p.host.udp.open()
    data = _data(8000)
    _send(p, e, data)
    p.nic.tx = None
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    with bench.inside(p.st):
        for _ in range(10):
            e.send(data, 0, 8000, p.host.ip4, p.addr, 9)
    grown = gc.mem_alloc() - before
    gc.enable()
    assert grown < 600, "%d bytes" % grown


bench.run_tests(globals())
