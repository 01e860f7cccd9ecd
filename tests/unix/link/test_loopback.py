# link/loopback.py: a host talks to itself, by 127.x and by its own address.

import bench

DEPTH = 32


def test_ping_oneself():
    p = bench.peer()
    p.take()
    for dst in ("127.0.0.1", "127.1.2.3", "10.0.0.2"):
        replies = []
        p.host.icmp4.on_reply = lambda fr: replies.append(bytes(fr.buf[fr.l3 + 12 : fr.l3 + 20]))
        with bench.inside(p.st):
            assert p.host.icmp4.echo(bench.ip(dst), 1, 1, 1472) == 0
        p.poll()
        assert replies == [bench.ip(dst) + bench.ip(dst)], (dst, replies)
        p.expect_nothing()  # nothing of it on the wire


def test_udp_to_oneself():
    h = bench.host()
    for dst in ("127.0.0.1", "10.0.0.2"):
        server = h.udp.open()
        server.bind(None, None, 7)
        client = h.udp.open()
        client.connect(h.ip4, bench.ip(dst), 7)
        for n in (0, 1, 1472):
            with bench.inside(h.st):
                assert client.send(bytes(n), 0, n) == n
            h.poll()
            buf = bytearray(1500)
            assert server.recv(buf, 0, 1500) == n
            assert server.from_addr[:4] == bench.ip(dst) and server.from_port == client.lport
        server.close()
        client.close()


def test_poll_is_due_at_once():
    h = bench.host()
    with bench.inside(h.st):
        h.icmp4.echo(bench.ip("127.0.0.1"), 1, 1, 0)
    assert h.stat("icmp4")["in_reply"] == 0 or h.st.pool.left == h.st.pool.count
    h.poll()
    assert h.stat("icmp4")["in_reply"] == 1


def test_queue_is_bounded():
    h = bench.host(budget=512 * 1024)
    e = h.udp.open()
    e.bind(None, None, 7)
    f = h.udp.open()
    f.connect(h.ip4, bench.ip("127.0.0.1"), 7)
    with bench.inside(h.st):
        for _ in range(DEPTH + 8):
            assert f.send(b"x", 0, 1) == 1
    h.poll()
    assert e.waiting == DEPTH
    assert h.stat("lo.loopback")["dropped"] == 8


def test_refused():
    h = bench.host()
    f = h.udp.open()
    f.connect(h.ip4, bench.ip("127.0.0.1"), 7)
    with bench.inside(h.st):
        f.send(b"x", 0, 1)
    h.poll()
    assert f.error == 111, f.error  # ECONNREFUSED


bench.run_tests(globals())
