# Initial sequence numbers (RFC 6528, RFC 9293 3.4.1) and ports (RFC 6056).

import bench
from bench import inside, ip


def _iss(p, addr="10.0.0.1", lport=50000, rport=80):
    """The ISS a connection of these numbers gets now."""
    with inside(p.st):
        conn = p.st.tcp.open()
        conn.lport = lport
        conn.connect(p.st.ip4, ip(addr), rport)
        iss = conn.cb[0]
        conn.abort()
    p.sent.clear()
    return iss


def _ahead(a, b):
    """a - b modulo 2^32, signed."""
    d = (a - b) & 0xFFFFFFFF
    return d - (1 << 32) if d >> 31 else d


def test_grows_with_time():
    """RFC 6528 section 3: M grows by one every 4 microseconds, through hours and every wrap."""
    p = bench.peer(tcp=True)
    for ms in (1, 10, 500, 30000, 60000, 240000, 240000, 1000000, 2000000, 2000000, 1, 1000):
        before = _iss(p)
        p.clock.ms += ms
        after = _iss(p)
        assert _ahead(after, before) == ms * 250, (ms, _ahead(after, before))


def test_clock_of_the_stack_wraps():
    """RFC 6528 section 3: also at every carry of a clock of 30 bits."""
    p = bench.peer(tcp=True)
    for bit in (15, 17, 20, 21, 24, 29):
        p.clock.start, p.clock.ms = 0, (1 << bit) - 1
        before = _iss(p)
        p.clock.ms += 1
        assert _ahead(_iss(p), before) == 250, bit


def test_differs_by_each_number():
    """RFC 6528 section 3: F depends on both ports and on the address."""
    p = bench.peer(tcp=True)
    seen = {_iss(p): "the first"}
    for name, kw in (
        ("local port", {"lport": 50001}),
        ("remote port", {"rport": 81}),
        ("remote address", {"addr": "10.0.0.3"}),
        ("ports exchanged", {"lport": 80, "rport": 50000}),
    ):
        iss = _iss(p, **kw)
        for other in seen:
            assert abs(_ahead(iss, other)) > 1000, (name, seen[other])
        seen[iss] = name
    assert abs(_ahead(_iss(p), min(seen, key=lambda s: seen[s] != "the first"))) < 1000


def test_differs_by_secret():
    """RFC 6528 section 3: F depends on a secret of this stack."""
    one = _iss(bench.peer(tcp=True, seed=1))
    two = _iss(bench.peer(tcp=True, seed=2))
    assert abs(_ahead(one, two)) > 1000


def test_passive_opens_too():
    """RFC 9293 3.4.1 (MUST-8): passive opens choose in the same way: two minutes later, higher."""
    f = bench.listening()
    numbers = []
    for i in range(3):
        f.irs = None
        f.rcv_nxt = 0
        f.tcp("S", seq=0)
        f.expect_tcp("SA")
        numbers.append(f.irs)
        f.tcp("R", seq=1)
        f.advance(120000)
    assert _ahead(numbers[1], numbers[0]) == 120000 * 250
    assert _ahead(numbers[2], numbers[1]) == 120000 * 250


def test_ephemeral_ports():
    """RFC 6056 3.3.1: random ports of the dynamic range, none that is in use."""
    p = bench.peer(tcp=True, budget=2 << 20)
    conns = []
    with inside(p.st):
        for _ in range(40):
            conn = p.st.tcp.open()
            conn.connect(p.st.ip4, p.addr, 80)
            conns.append(conn)
    ports = [conn.lport for conn in conns]
    assert len(set(ports)) == 40 and min(ports) >= 49152
    assert sum(1 for i in range(39) if ports[i] < ports[i + 1]) < 35  # not just counted up


bench.run_tests(globals())
