# TCP in LISTEN and CLOSED: RFC 9293 3.10.7.1 and 3.10.7.2, the backlog, ports and who has them.

import bench
from bench import inside, ip, opt_mss, raises

_EADDRINUSE = 98
_EADDRNOTAVAIL = 99


def test_syn_is_answered():
    """RFC 9293 3.10.7.2: SYN in LISTEN -> SYN,ACK with our MSS, state SYN-RECEIVED."""
    f = bench.listening()
    f.tcp("S", opts=opt_mss(1460))
    p = f.expect_tcp("SA", seq=0, ack=1)
    assert p.mss == 1460, p.mss
    assert f.listener.pending == 1 and len(f.listener.ready) == 0
    assert list(f.st.tcp.connections()) == []  # a record, no more


def test_established_is_accepted():
    """RFC 9293 3.10.7.4 fifth: the ACK of the SYN,ACK makes the connection; accept() gives it."""
    f = bench.established()
    assert len(f.listener.ready) == 0
    assert bytes(f.conn.raddr) == f.peer.addr
    assert f.conn.rport == f.sport and f.conn.lport == 80
    with inside(f.st):
        assert f.listener.accept() is None


def test_listener_tells_once_there_is_one():
    """RFC 9293 3.9.1.3: the user learns of a connection when it is established, not before."""
    f = bench.listening()
    told = []
    f.listener.notify = lambda listener: told.append(len(listener.ready))
    f.tcp("S")
    f.expect_tcp("SA")
    assert not told
    f.tcp("A")
    assert told == [1], told


def test_rst_in_listen():
    """RFC 9293 3.10.7.2 first: a RST for a listener is ignored."""
    f = bench.listening()
    f.tcp("R", seq=5)
    f.tcp("RA", seq=5, ack=7)
    f.expect_nothing()


def test_ack_in_listen():
    """RFC 9293 3.10.7.2 second: an ACK for a listener is answered <SEQ=SEG.ACK><CTL=RST>."""
    f = bench.listening()
    f.irs = 0
    f.tcp("A", seq=5, ack=1234)
    p = f.expect_tcp("R", seq=1234)
    assert p.flags == "R"
    f.tcp("SA", seq=5, ack=77)
    f.expect_tcp("R", seq=77)


def test_other_in_listen():
    """RFC 9293 3.10.7.2 fourth: no SYN, no ACK, no RST: dropped without an answer."""
    f = bench.listening()
    f.tcp("", seq=9)
    f.tcp("F", seq=9)
    f.tcp("PU", seq=9, data=b"xyz")
    f.expect_nothing()


def test_closed_port_with_ack():
    """RFC 9293 3.10.7.1: to a port nobody has, with ACK: <SEQ=SEG.ACK><CTL=RST>."""
    p = bench.peer(tcp=True)
    f = p.flow(40000, 81)
    f.irs = 0
    f.tcp("A", seq=100, ack=4242, data=b"hello")
    r = f.expect_tcp("R", seq=4242)
    assert r.flags == "R" and r.wnd == 0
    assert p.host.stat("tcp")["in_noport"] == 1


def test_closed_port_without_ack():
    """RFC 9293 3.10.7.1: without ACK: <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>."""
    p = bench.peer(tcp=True)
    f = p.flow(40000, 81)
    f.irs = 0
    f.tcp("S", seq=0)
    f.expect_tcp("RA", seq=0, ack=1)
    f.tcp("F", seq=100, data=b"12345")
    f.expect_tcp("RA", seq=0, ack=106)
    f.tcp("SF", seq=0xFFFFFFFF, data=b"1")  # wraps on the way
    f.expect_tcp("RA", seq=0, ack=2)


def test_rst_for_closed_port():
    """RFC 9293 3.10.7.1: a RST is never answered."""
    p = bench.peer(tcp=True)
    f = p.flow(40000, 81)
    f.tcp("R", seq=1)
    f.tcp("RA", seq=1, ack=3)
    f.expect_nothing()


def test_syn_to_a_group():
    """RFC 9293 3.9.2.3 (MUST-57): a SYN to a broadcast or multicast address is dropped."""
    f = bench.listening()
    for dst in ("10.0.0.255", "255.255.255.255", "224.0.0.1"):
        segment = bench.tcp(f.peer.addr, ip(dst), 40000, 80, 1, 0, "S")
        f.peer.send(f.peer.ip_frame(6, segment, dst=ip(dst), dst_mac=bench.BROADCAST))
    f.expect_nothing()
    assert f.host.stat("tcp")["in_group"] == 3


def test_backlog():
    """RFC 9293 3.9.1.1, RFC 1122 4.2.4.5: with as many waiting as the backlog says, a SYN is
    dropped, and a handshake that was begun is not completed; accept() makes room for both."""
    f = bench.listening(backlog=2)
    flows = [f.peer.flow(41000 + i, 80) for i in range(4)]
    for g in flows[:3]:
        g.tcp("S")
        g.expect_tcp("SA")
    for g in flows[:3]:
        g.tcp("A")
    flows[3].tcp("S")
    f.expect_nothing()
    assert len(f.listener.ready) == 2 and f.host.stat("tcp")["backlog_full"] == 2
    flows[2].tcp("A", data=b"early")  # not taken, not acknowledged
    f.expect_nothing()
    with inside(f.st):
        assert f.listener.accept().rport == 41000
    flows[3].tcp("S", seq=0)  # the peer tries again, and there is room now
    flows[3].expect_tcp("SA")
    f.advance(1100)
    assert "SA" in [p.flags for p in f.peer.take() if p.dport == 41002]
    flows[2].tcp("A", seq=1)  # what the peer answers
    assert len(f.listener.ready) == 2
    flows[2].tcp("A", seq=1, data=b"early")
    with inside(f.st):
        f.listener.accept()
        conn = f.listener.accept()
    assert conn.rport == 41002 and conn.available() == 5


def test_backlog_order():
    """RFC 9293 3.9.1: connections are accepted in the order in which they were established."""
    f = bench.listening()
    flows = [f.peer.flow(41000 + i, 80) for i in range(3)]
    for g in flows:
        g.tcp("S")
        g.expect_tcp("SA")
    for i in (2, 0, 1):
        flows[i].tcp("A")
    assert len(f.listener.ready) == 3
    with inside(f.st):
        assert [f.listener.accept().rport for _ in range(3)] == [41002, 41000, 41001]


def test_reset_before_accept():
    """RFC 9293 3.10.7.4 second: a connection that is reset in the backlog leaves its place."""
    f = bench.listening(backlog=1)
    f.tcp("S")
    f.expect_tcp("SA")
    f.tcp("A")
    f.tcp("A", data=b"lost")
    assert len(f.listener.ready) == 1
    f.tcp("R")
    assert len(f.listener.ready) == 0
    g = f.peer.flow(40001, 80)
    g.tcp("S")
    f.peer.take()
    with inside(f.st):
        assert f.listener.accept() is None
    assert f.listener.pending == 1


def test_listener_close():
    """RFC 9293 3.10.4: closing a listener resets what nobody has accepted; SYNs get RSTs then."""
    f = bench.listening()
    f.tcp("S")
    f.expect_tcp("SA")
    f.tcp("A")
    g = f.peer.flow(40001, 80)
    g.tcp("S")
    g.expect_tcp("SA")
    with inside(f.st):
        f.listener.close()
    assert sorted(p.dport for p in f.peer.take() if "R" in p.flags) == [40000, 40001]
    f.tcp("S", seq=1000)
    f.expect_tcp("RA")
    assert list(f.st.tcp.connections()) == []


def test_accepted_survives_listener():
    """RFC 9293 3.10.4: an accepted connection does not depend on its listener."""
    f = bench.established()
    with inside(f.st):
        f.listener.close()
    f.tcp("A", data=b"abc")
    assert f.read() == b"abc"


def test_port_in_use():
    """RFC 9293 3.9.1.1: two listeners cannot have the same local socket."""
    f = bench.listening()
    st = f.st
    with inside(st):
        raises(_EADDRINUSE, st.tcp.listen, None, None, 80)
        other = st.tcp.listen(st.ip4, f.host.addr, 80)  # a more special one is another socket
        raises(_EADDRINUSE, st.tcp.listen, st.ip4, f.host.addr, 80)
        other.close()
        raises(_EADDRNOTAVAIL, st.tcp.listen, st.ip4, ip("10.0.0.9"), 80)
        conn = st.tcp.open()
        raises(_EADDRINUSE, conn.bind, None, None, 80)
        raises(_EADDRNOTAVAIL, conn.bind, st.ip4, ip("10.0.0.9"), 80)


def test_special_listener_first():
    """RFC 9293 3.10.7.2, RFC 1122 4.2.4.4: a listener on the address goes before the wildcard."""
    f = bench.listening()
    st = f.st
    with inside(st):
        special = st.tcp.listen(st.ip4, f.host.addr, 80)
    f.tcp("S")
    f.expect_tcp("SA")
    f.tcp("A")
    assert (len(special.ready), len(f.listener.ready)) == (1, 0)
    with inside(st):
        special.close()
    f.peer.take()


def test_ephemeral_listen():
    """RFC 6056 3.2: port 0 gives a port of the dynamic range."""
    p = bench.peer(tcp=True)
    with inside(p.st):
        one = p.st.tcp.listen(None, None, 0)
        two = p.st.tcp.listen(None, None, 0)
        assert one.lport >= 49152 and two.lport >= 49152 and one.lport != two.lport
        one.close()
        two.close()


def test_listen_again_after_close():
    """RFC 9293 3.10.1: a port can be listened on again at once, old connections or not."""
    f = bench.time_wait()
    with inside(f.st):
        f.listener.close()
        again = f.st.tcp.listen(None, None, 80)
        again.close()


def test_children_inherit_buffers():
    """RFC 9293 3.10.1: what was set on the listener holds for its connections."""
    f = bench.syn_received(rcvbuf=3000)
    f.tcp("A")
    with inside(f.st):
        conn = f.listener.accept()
    assert conn.rcvbuf == 3000


def test_budget_of_connections():
    """DESIGN 4: a handshake that cannot be completed for want of memory is counted; later it
    works."""
    f = bench.listening(backlog=100, budget=64 * 1024)
    n = f.st.tcp.limit
    flows = [f.peer.flow(41000 + i, 80) for i in range(n)]
    made = 0
    for g in flows:
        g.tcp("S")
        g.expect_tcp("SA")
        g.tcp("A")
    made = len(f.listener.ready)
    assert 8 <= made < n, made
    assert f.host.stat("tcp")["nomem"] == n - made == f.listener.pending
    f.expect_nothing()
    flows[0].tcp("R")
    assert len(f.listener.ready) == made - 1
    flows[-1].tcp("A")
    assert len(f.listener.ready) == made and f.listener.pending == n - made - 1


def test_deferred_count_against_the_backlog():
    """TCP_DEFER_ACCEPT: a connection without data takes a place; a FIN makes it one to accept."""
    f = bench.listening(backlog=1)
    f.listener.defer_accept = 7
    f.tcp("S")
    f.expect_tcp("SA")
    f.tcp("A")
    assert len(f.listener.ready) == 0
    g = f.peer.flow(sport=40001)
    g.tcp("S")
    g.expect_nothing()
    f.tcp("FA")
    assert len(f.listener.ready) == 1
    f.conn = f.listener.accept()
    f.advance(100)
    f.expect_tcp("A", ack=2)
    f.close()
    f.expect_tcp("FA")
    f.tcp("A")


def test_deferred_end_with_the_listener():
    """TCP_DEFER_ACCEPT: nothing is left of those that nobody has accepted."""
    f = bench.listening()
    f.listener.defer_accept = 7
    for port in (40000, 40001):
        g = f.peer.flow(sport=port)
        g.tcp("S")
        g.expect_tcp("SA")
        g.tcp("A")
    with bench.inside(f.st):
        f.listener.close()
    assert [p.flags for p in f.peer.take()] == ["RA", "RA"]
    f.advance(10000)
    f.expect_nothing()


bench.run_tests(globals())
