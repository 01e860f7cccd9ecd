# transport/udp.py as programs use it: bind, connect, send, recv, full rings, who gets what.

import bench
import netstack

EACCES = 13
EADDRINUSE = 98
EADDRNOTAVAIL = 99
EDESTADDRREQ = 89
EINVAL = 22
EMSGSIZE = 90
ENETUNREACH = 101
ENOBUFS = 105
ENOMEM = 12


def _peer(**kw):
    p = bench.peer(**kw)
    p.greet()
    return p


def _recv(e, n=2000, peek=False):
    buf = bytearray(n + 1)
    got = e.recv(buf, 1, n, peek)
    return bytes(buf[1 : 1 + got]) if got >= 0 else None


def _send(p, e, *args):
    with bench.inside(p.st):
        n = e.send(*args)
    p.poll()
    return n


def test_bind():
    p = _peer()
    udp = p.host.udp
    ip4 = p.host.ip4
    a = udp.open()
    a.bind(None, None, 7)
    bench.raises(EADDRINUSE, udp.open().bind, None, None, 7)
    b = udp.open()
    b.bind(ip4, p.host.addr, 7)  # an address of its own beside the wildcard
    bench.raises(EADDRINUSE, udp.open().bind, ip4, p.host.addr, 7)
    bench.raises(EADDRNOTAVAIL, udp.open().bind, ip4, bench.ip("10.0.0.3"), 8)
    bench.raises(EINVAL, a.bind, None, None, 9)
    a.close()
    again = udp.open()
    again.bind(None, None, 7)


def test_answers_take_the_fast_path():
    # What an echo server does: recv(), and send() to from_addr, which has room for any family.
    p = _peer()
    e = p.host.udp.open()
    e.bind(None, None, 7)
    for i in range(4):
        p.udp(5000, 7, b"abcd")
        before = p.st.w[33]
        assert _recv(e) == b"abcd"
        assert _send(p, e, b"efgh", 0, 4, p.host.ip4, e.from_addr, e.from_port) == 4
        p.expect("udp", dport=5000, data=b"efgh")
        assert p.st.w[33] - before == (1 if i else 0), i


def test_failed_bind_keeps_nothing():
    # A program that tries ports until one is free must not lose its budget on the way.
    p = _peer()
    a = p.host.udp.open()
    a.bind(None, None, 7)
    spent = p.st.spent
    for _ in range(5):
        b = p.host.udp.open()
        bench.raises(EADDRINUSE, b.bind, None, None, 7)
        b.close()
        assert p.st.spent == spent
    b = p.host.udp.open()
    bench.raises(EADDRINUSE, b.bind, None, None, 7)
    b.bind(None, None, 8)  # and may try again
    p.udp(1000, 8, b"x")
    assert b.waiting == 1


def test_size_that_changes():
    # SO_RCVBUF of a socket whose ring is there: what is given back is what was taken.
    p = _peer()
    spent = p.st.spent
    for first, later in ((3001, 100000), (100000, 256)):
        e = p.host.udp.open()
        e.rcvbuf = first
        e.bind(None, None, 7)
        e.rcvbuf = later
        e.close()
        assert p.st.spent == spent, (spent, p.st.spent)


def test_heap_without_place_for_a_ring():
    # What was taken of the budget comes back with the MemoryError.
    import micropython

    p = _peer()
    spent = p.st.spent
    e = p.host.udp.open()
    micropython.heap_lock()
    try:
        e.bind(None, None, 7)
        failed = False
    except MemoryError:
        failed = True
    micropython.heap_unlock()
    assert failed and p.st.spent == spent, (spent, p.st.spent)
    e.bind(None, None, 7)
    e.close()
    assert p.st.spent == spent


def test_ephemeral_ports():
    # RFC 6335 6, RFC 6056: from 49152 on, at random, never one in use
    p = _peer()
    ports = []
    for _ in range(20):
        e = p.host.udp.open()
        e.rcvbuf = 512
        e.bind(None, None, 0)
        ports.append(e.lport)
    assert min(ports) >= 49152 and len(set(ports)) == 20
    assert ports != sorted(ports)


def test_nobody_hears_itself_by_chance():
    # who sends to a port of this host that nobody has does not get that very port
    p = _peer()
    for start in ("connect", "send"):
        chosen = [5, 5, 6]
        p.st.random.below = lambda n: chosen.pop(0)
        e = p.host.udp.open()
        if start == "connect":
            e.connect(p.host.ip4, p.host.addr, 49152 + 5)
        assert _send(p, e, b"x", 0, 1, p.host.ip4, p.host.addr, 49152 + 5) == 1
        assert e.lport == 49152 + 6 and _recv(e) is None
        e.close()


def test_most_specific_gets_it():
    p = _peer()
    udp = p.host.udp
    any_ = udp.open()
    any_.bind(None, None, 7)
    bound = udp.open()
    bound.bind(p.host.ip4, p.host.addr, 7)
    connected = udp.open()
    connected.bind(p.host.ip4, p.host.addr, 70)
    connected.connect(p.host.ip4, p.addr, 1000)
    p.udp(1000, 7, b"x")
    assert (any_.waiting, bound.waiting) == (0, 1)
    p.udp(1000, 7, b"x", dst=bench.ip("10.0.0.255"), dst_mac=bench.BROADCAST)
    assert (any_.waiting, bound.waiting) == (1, 1)
    p.udp(1000, 70, b"x")
    assert connected.waiting == 1
    p.udp(1001, 70, b"x")
    assert connected.waiting == 1  # from another port of the peer
    p.expect("icmp", type=3, code=3)
    p.udp(1000, 70, b"x", src=bench.ip("10.0.0.9"))
    assert connected.waiting == 1
    p.take()


def test_connected_after_bind_to_any():
    p = _peer()
    e = p.host.udp.open()
    e.bind(None, None, 7)
    e.connect(p.host.ip4, p.addr, 1000)
    p.udp(1000, 7, b"yes")
    p.udp(1001, 7, b"no")
    assert e.waiting == 1 and _recv(e) == b"yes"
    e.connect(p.host.ip4, p.addr, 1001)  # another peer
    p.udp(1001, 7, b"now")
    p.udp(1000, 7, b"no")
    assert e.waiting == 1 and _recv(e) == b"now"
    other = p.host.udp.open()
    other.bind(None, None, 7)  # the wildcard is free again
    p.take()


def test_two_connected_to_different_peers():
    p = _peer()
    es = []
    for port in (1000, 1001):
        e = p.host.udp.open()
        e.bind(p.host.ip4, p.host.addr, 7 if not es else 8)
        e.connect(p.host.ip4, p.addr, port)
        es.append(e)
    p.udp(1000, 7, b"a")
    p.udp(1001, 8, b"b")
    assert [_recv(e) for e in es] == [b"a", b"b"]


def test_send_errors():
    p = _peer()
    e = p.host.udp.open()
    ip4 = p.host.ip4
    assert _send(p, e, b"x", 0, 1) == -EDESTADDRREQ
    assert _send(p, e, b"x", 0, 1, ip4, bench.ip("8.8.8.8"), 9) == -ENETUNREACH
    assert _send(p, e, bytes(65508), 0, 65508, ip4, p.addr, 9) == -EMSGSIZE
    assert _send(p, e, b"x", 0, 1, ip4, bench.ip("255.255.255.255"), 9) == -EACCES
    p.expect_nothing()
    e.broadcast = True
    assert _send(p, e, b"x", 0, 1, ip4, bench.ip("255.255.255.255"), 9) == 1
    p.expect("udp", dst=bench.ip("255.255.255.255"), dst_mac=bench.BROADCAST)
    bench.raises(ENETUNREACH, p.host.udp.open().connect, ip4, bench.ip("8.8.8.8"), 9)


def test_send_with_an_empty_pool():
    p = _peer()
    e = p.host.udp.open()
    e.connect(p.host.ip4, p.addr, 9)
    hoard = []
    while True:
        fr = p.st.pool.alloc()
        if fr is None:
            break
        hoard.append(fr)
    assert _send(p, e, b"x", 0, 1) == -ENOBUFS
    for fr in hoard:
        p.st.pool.release(fr)
    assert _send(p, e, b"x", 0, 1) == 1
    p.expect("udp", data=b"x")


def test_ttl_and_tos():
    p = _peer()
    e = p.host.udp.open()
    e.ttl = 3
    e.tos = 0x88
    _send(p, e, b"x", 0, 1, p.host.ip4, p.addr, 9)
    p.expect("udp", ttl=3, tos=0x88, df=1)


def test_first_send_gives_a_port_that_receives():
    p = _peer()
    e = p.host.udp.open()
    _send(p, e, b"x", 0, 1, p.host.ip4, p.addr, 9)
    port = p.expect("udp", dport=9).sport
    assert port == e.lport >= 49152
    p.udp(9, port, b"answer")
    assert _recv(e) == b"answer"


def test_long_datagram_is_cut():
    p = _peer()
    e = p.host.udp.open()
    e.bind(None, None, 7)
    p.udp(1000, 7, b"0123456789")
    p.udp(1000, 7, b"next")
    assert e.next_size() == 10
    assert _recv(e, 4) == b"0123"
    assert _recv(e) == b"next"
    p.udp(1000, 7, b"abc")
    assert _recv(e, 0) == b"" and e.waiting == 0 and e.next_size() == -1


def test_peek():
    p = _peer()
    e = p.host.udp.open()
    e.bind(None, None, 7)
    p.udp(1000, 7, b"first")
    p.udp(1001, 7, b"second")
    assert _recv(e, peek=True) == b"first" and e.from_port == 1000 and e.waiting == 2
    assert _recv(e) == b"first" and _recv(e) == b"second" and e.from_port == 1001


def test_full_ring_drops_and_counts():
    p = _peer()
    e = p.host.udp.open()
    e.rcvbuf = 120
    e.bind(None, None, 7)
    for i in range(10):
        p.udp(1000, 7, bytes((i,)) * 16)  # 28 bytes each in the ring
    assert e.waiting == 4 and p.host.stat("udp")["in_full"] == 6
    p.expect_nothing()
    assert [_recv(e)[0] for _ in range(4)] == [0, 1, 2, 3]
    p.udp(1000, 7, bytes(200))  # one that never fits
    assert e.waiting == 0 and p.host.stat("udp")["in_full"] == 7


def test_records_wrap_in_the_ring():
    rnd = bench.Random(51)
    p = _peer()
    e = p.host.udp.open()
    e.rcvbuf = 257
    e.bind(None, None, 7)
    model = []
    for i in range(bench.scale(500)):
        if rnd.below(2):
            data = rnd.bytes(rnd.below(60))
            fits = e.ring.free() >= 12 + len(data) + (-len(data) & 3)
            p.udp(2000 + i % 100, 7, data)
            if fits:
                model.append((data, 2000 + i % 100))
        elif model:
            data, port = model.pop(0)
            assert _recv(e) == data and e.from_port == port
        assert e.waiting == len(model)


def test_notify():
    p = _peer()
    told = []
    e = p.host.udp.open()
    e.bind(None, None, 7)
    e.notify = lambda endpoint: told.append(endpoint.waiting)
    p.udp(1000, 7, b"a")
    p.udp(1000, 7, b"b")
    assert told == [1, 2]
    e.close()
    p.udp(1000, 7, b"c")
    assert told == [1, 2]
    p.expect("icmp", type=3, code=3)


def _each_way(body):
    """body(peer) without the fast path, and with it."""
    for fast in (False, True):
        netstack.fastpath = fast
        try:
            body(_peer())
        finally:
            netstack.fastpath = True
        bench.clean()


def test_answer():
    """What a datagram's callback leaves in its place goes back."""

    def body(p):
        seen = []

        def answer(endpoint, buf, off, n):
            got = bytes(buf[off : off + n])
            seen.append((got, bytes(endpoint.from_addr[: endpoint.from_len]), endpoint.from_port))
            more = got.replace(b"?", b"!!")
            buf[off : off + len(more)] = more
            return len(more)

        e = p.host.udp.open()
        e.bind(None, None, 7)
        e.answer = answer
        for port in (1000, 1000, 1000, 2000, 1000, 2000, 2000):
            p.udp(port, 7, b"who?" + bytes([port >> 8]))
            p.expect("udp", sport=7, dport=port, data=b"who!!" + bytes([port >> 8]))
        assert [port for _, _, port in seen] == [1000, 1000, 1000, 2000, 1000, 2000, 2000]
        assert seen[0] == (b"who?\3", bytes(p.addr), 1000)
        assert p.st.stats()["udp"]["in"] == p.st.stats()["udp"]["out"] == 7
        assert e.waiting == 0
        e.answer = None
        p.udp(1000, 7, b"kept")
        p.expect_nothing()
        assert _recv(e) == b"kept"
        e.close()

    _each_way(body)


def test_answer_of_any_size():
    def body(p):
        sizes = []
        e = p.host.udp.open()
        e.bind(None, None, 7)
        e.answer = lambda endpoint, buf, off, n: sizes.pop()
        for size in (None, 0, 1, 64, 64, 64, 63, 1471, 1472):
            sizes.append(size)
            p.udp(1000, 7, bytes(64), csum=None if size != 63 else 0)
            if size:
                packet = p.expect("udp", dport=1000)
                assert len(packet.data) == size
            else:
                p.expect_nothing()
        for size in (100000, -1):  # more than there is, or less than nothing
            sizes.append(size)
            p.udp(1000, 7, bytes(64))
            p.expect_nothing()
        e.close()

    _each_way(body)


def test_answer_that_closes():
    def body(p):
        def answer(endpoint, buf, off, n):
            if buf[off]:
                endpoint.close()
            return n

        e = p.host.udp.open()
        e.bind(None, None, 7)
        e.answer = answer
        for _ in range(3):
            p.udp(1000, 7, b"\0")
            p.expect("udp", data=b"\0")
        p.udp(1000, 7, b"\1")
        p.expect_nothing()
        p.udp(1000, 7, b"\0")
        p.expect("icmp", type=3, code=3)

    _each_way(body)


def test_answer_to_a_busy_nic():
    def body(p):
        e = p.host.udp.open()
        e.bind(None, None, 7)
        e.answer = lambda endpoint, buf, off, n: n
        for n in range(1, 4):
            p.udp(1000, 7, bytes(n))
        p.take()
        p.nic.busy = 2
        for n in range(4, 8):
            p.queue(p.udp_frame(1000, 7, bytes(n)))
        for _ in range(3):
            p.poll()
        got = [len(packet.data) for packet in p.take()]
        assert got == [4, 5, 6, 7], got
        e.close()

    _each_way(body)


def test_close_gives_everything_back():
    p = _peer()
    spent = p.st.spent
    e = p.host.udp.open()
    e.bind(None, None, 7)
    p.udp(1000, 7, b"unread")
    assert p.st.spent == spent + e.rcvbuf
    e.close()
    e.close()
    assert p.st.spent == spent and e.waiting == 0 and p.host.udp.table.count == 0


def test_budget_is_enforced():
    p = _peer(budget=32768)
    es = []
    while True:
        e = p.host.udp.open()
        try:
            e.bind(None, None, 0)
        except OSError as error:
            assert error.errno == ENOMEM
            break
        es.append(e)
    assert es and p.st.spent <= p.st.budget
    es.pop().close()
    e.bind(None, None, 0)


def test_endpoint_of_one_interface():
    p = _peer()
    e = p.host.udp.open()
    e.bind(None, None, 7)
    e.nif = p.host.lo
    p.udp(1000, 7, b"x")
    assert e.waiting == 0 and p.host.stat("udp")["in_noport"] == 1
    p.take()
    e.nif = p.nif
    p.udp(1000, 7, b"x")
    assert e.waiting == 1


def _shared(p, attribute, count=3):
    """Endpoints on one port."""
    eps = []
    for _ in range(count):
        ep = p.st.udp.open()
        setattr(ep, attribute, True)
        ep.bind(p.st.ip4, None, 5353)
        bench.at_end(ep.close)
        eps.append(ep)
    return eps


def _waiting(eps):
    got = [ep.waiting for ep in eps]
    buf = bytearray(10)
    for ep in eps:
        while ep.recv(buf, 0, 10) >= 0:
            pass
    return got


def test_shared_address():
    # SO_REUSEADDR as Linux has it: the last one gets what comes, then the one before it; each a
    # broadcast
    p = bench.peer()
    p.greet()
    a, b, c = eps = _shared(p, "reuse")
    stranger = p.st.udp.open()
    bench.raises(98, stranger.bind, p.st.ip4, None, 5353)
    stranger.reuseport = True
    bench.raises(98, stranger.bind, p.st.ip4, None, 5353)
    p.udp(1, 5353, b"x")
    assert _waiting(eps) == [0, 0, 1]
    p.udp(1, 5353, b"x", dst=b"\xff\xff\xff\xff", dst_mac=bench.BROADCAST)
    assert _waiting(eps) == [1, 1, 1]
    b.close()
    c.close()
    p.udp(1, 5353, b"x")
    assert _waiting([a]) == [1]
    a.close()
    p.udp(1, 5353, b"x")
    p.expect("icmp", type=3, code=3)
    stranger.bind(p.st.ip4, None, 5353)
    stranger.close()
    assert not p.st.udp._behind


def test_shared_port():
    # SO_REUSEPORT: each sender has one of them, and all have some
    p = bench.peer()
    p.greet()
    eps = _shared(p, "reuseport")
    total = [0, 0, 0]
    for port in range(1000, 1030):
        for _ in range(3):
            p.udp(port, 5353, b"x")
        got = _waiting(eps)
        assert sorted(got) == [0, 0, 3], got
        total = [x + y for x, y in zip(total, got)]
    assert min(total) > 10, total


bench.run_tests(globals())
