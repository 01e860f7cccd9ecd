# TCP in SYN-SENT: active opens, RFC 9293 3.10.1 and 3.10.7.3.

import bench
from bench import inside, ip, opt_mss, raises

_ECONNREFUSED = 111
_ETIMEDOUT = 110
_EHOSTUNREACH = 113
_ENETUNREACH = 101
_EISCONN = 106
_EADDRINUSE = 98
_ECONNABORTED = 103


def test_syn():
    """RFC 9293 3.10.1: <SEQ=ISS><CTL=SYN>, no ACK, options, a window."""
    f = bench.syn_sent()
    assert f.conn.state == 2
    f.advance(1000)
    p = f.expect_tcp("S", seq=0)  # the same again
    assert p.mss == 1460 and p.wnd > 0, p.opts


def test_neighbour_does_not_answer():
    """RFC 1122 2.4: a link that cannot deliver tells; twice in a row is believed."""
    p = bench.peer(auto_arp=False, tcp=True)
    with inside(p.st):
        conn = p.st.tcp.open()
        conn.connect(p.st.ip4, p.addr, 80)
    p.advance(6999)
    for _ in range(4):
        p.expect("arp", op=1)
    assert conn.state == 2 and conn.soft_error == _EHOSTUNREACH
    p.expect_nothing()
    p.advance(4000)  # from the third SYN on
    assert conn.state == 2
    p.advance(1)
    assert conn.state == 0 and conn.error == _EHOSTUNREACH, conn.error
    for _ in range(4):
        p.expect("arp", op=1)
    p.advance(60000)
    p.expect_nothing()
    conn.close()


def test_syn_ack():
    """RFC 9293 3.10.7.3: SYN,ACK of our ISS -> ESTABLISHED, acknowledged at once."""
    f = bench.established(active=True)
    assert f.conn.state == 4
    f.tcp("A", data=b"abc")
    assert f.read() == b"abc"


def test_told_when_connected():
    """RFC 9293 3.10.7.3: the user is told of the connection, once."""
    told = []
    f = bench.syn_sent(setup=lambda c: setattr(c, "notify", lambda c: told.append(c.state)))
    told.clear()
    f.tcp("SA")
    assert told == [4], told


def test_syn_ack_with_wrong_ack():
    """RFC 9293 3.10.7.3 first: ACK =< ISS or > SND.NXT is answered with RST, the state stays."""
    f = bench.syn_sent()
    for ack in (0, 2, 0x7FFFFFFF, 0xFFFFFFFF):
        f.tcp("SA", seq=0, ack=ack)
        p = f.expect_tcp("R", seq=ack)
        assert p.flags == "R"
    assert f.conn.state == 2
    f.tcp("SA")
    f.expect_tcp("A", seq=1, ack=1)


def test_rst_with_wrong_ack():
    """RFC 9293 3.10.7.3: a RST whose ACK is not ours is dropped without an answer."""
    f = bench.syn_sent()
    f.tcp("RA", seq=0, ack=2)
    f.tcp("RA", seq=0, ack=0)
    f.expect_nothing()
    assert f.conn.state == 2


def test_rst_without_ack():
    """RFC 9293 3.10.7.3 second: a RST without ACK is dropped."""
    f = bench.syn_sent()
    f.tcp("R", seq=0)
    f.expect_nothing()
    assert f.conn.state == 2


def test_refused():
    """RFC 9293 3.10.7.3 second: RST,ACK of our SYN: connection refused."""
    f = bench.syn_sent()
    told = []
    f.conn.notify = lambda c: told.append((c.state, c.error))
    f.tcp("RA", seq=0, ack=1)
    assert told == [(0, _ECONNREFUSED)], told
    raises(_ECONNREFUSED, f.read)
    assert f.write(b"x") == -_ECONNREFUSED
    f.expect_nothing()


def test_ack_without_syn():
    """RFC 9293 3.10.7.3 fifth: neither SYN nor RST: dropped."""
    f = bench.syn_sent()
    f.tcp("A", seq=0, ack=1)
    f.tcp("FA", seq=0, ack=1, data=b"x")
    f.expect_nothing()
    assert f.conn.state == 2


def test_syn_ack_with_data_and_fin():
    """RFC 9293 3.10.7.3 fourth: text and FIN of the SYN,ACK are processed."""
    f = bench.syn_sent()
    f.tcp("SFA", data=b"early")
    f.advance(500)
    f.expect_tcp("A", seq=1, ack=7)
    assert f.read() == b"early"
    assert f.read() == b""
    assert f.conn.state == 7


def test_timeout():
    """RFC 9293 3.8.3 (MUST-23): SYNs for at least 3 minutes, then ETIMEDOUT."""
    f = bench.syn_sent()
    times = []
    start = f.clock.ms
    for _ in range(600):
        f.advance(500)
        if f.peer.sent:
            f.expect_tcp("S", seq=0)
            times.append((f.clock.ms - start) // 500 / 2)
        if f.conn.state == 0:
            break
    assert times[:5] == [1, 3, 7, 15, 31], times
    assert f.conn.error == _ETIMEDOUT
    assert f.clock.ms - start >= 180000, f.clock.ms - start


def test_connect_again_after_failure():
    """RFC 9293 3.10.1: an open that failed may be tried again, with fresh timers."""
    f = bench.syn_sent()
    f.advance(300000)
    assert f.conn.state == 0
    f.peer.take()
    with inside(f.st):
        f.conn.connect(f.st.ip4, f.peer.addr, 80)
    f.peer.poll()
    g = f.peer.flow(80, f.conn.lport)
    g.conn = f.conn
    g.expect_tcp("S", seq=0)
    g.advance(1000)
    g.expect_tcp("S", seq=0)
    assert f.conn.state == 2
    g.tcp("SA")
    g.expect_tcp("A", seq=1, ack=1)
    assert g.read() is None
    assert g.write(b"hi") == 2
    g.expect_tcp("A", data=b"hi")


def test_retransmitted_syn_is_not_timed():
    """RFC 6298 section 3 (Karn): the SYN,ACK of a SYN that was sent twice gives no sample."""
    f = bench.syn_sent()
    f.advance(1000)
    f.expect_tcp("S", seq=0)
    f.advance(500)
    f.tcp("SA")
    f.expect_tcp("A")
    assert f.conn.cb[18] == 0


def test_rto_after_lost_syn():
    """RFC 6298 (5.7): when the SYN timed out, data starts with an RTO of 3 seconds."""
    f = bench.syn_sent()
    f.advance(1000)
    f.expect_tcp("S", seq=0)
    f.tcp("SA")
    f.expect_tcp("A")
    f.write(b"abc")
    f.expect_tcp("A", data=b"abc")
    f.advance(2990)
    f.expect_nothing()
    f.advance(20)
    f.expect_tcp("A", seq=1, data=b"abc")


def test_window_after_lost_syn():
    """RFC 5681 3.1: when the SYN was lost, the initial window is one segment."""
    f = bench.syn_sent()
    f.advance(1000)
    f.expect_tcp("S", seq=0)
    f.tcp("SA", opts=opt_mss(1000))
    f.expect_tcp("A")
    f.write(bytes(5000))
    f.expect_tcp("A", seq=1)
    f.expect_nothing()


def test_close():
    """RFC 9293 3.10.4: CLOSE in SYN-SENT deletes the control block; nothing is sent."""
    f = bench.syn_sent()
    f.close()
    f.expect_nothing()
    assert f.conn.state == 0
    assert list(f.st.tcp.connections()) == []
    f.tcp("SA")
    f.expect_tcp("R", seq=1)


def test_abort():
    """RFC 9293 3.10.5: ABORT in SYN-SENT sends no RST."""
    f = bench.syn_sent()
    f.call("abort")
    f.expect_nothing()
    assert f.conn.state == 0


def test_calls_in_syn_sent():
    """RFC 9293 3.10.1, 3.10.2, 3.10.3: what calls say in SYN-SENT."""
    f = bench.syn_sent()
    assert f.conn.room() == 0
    assert f.write(b"x") == -11
    assert f.read() is None
    with inside(f.st):
        raises(_EISCONN, f.conn.connect, f.st.ip4, f.peer.addr, 80)


def test_nowhere():
    """RFC 9293 3.10.1: no route: the call fails and leaves nothing behind."""
    p = bench.peer(tcp=True)
    with inside(p.st):
        raises(_ENETUNREACH, p.st.tcp.open().connect, p.st.ip4, ip("192.0.2.1"), 80)
    p.expect_nothing()


def test_to_a_group():
    """RFC 9293 3.9.2.3 (MUST-46): no connection to a broadcast or multicast address."""
    p = bench.peer(tcp=True, gw="10.0.0.1")
    for dst in ("10.0.0.255", "255.255.255.255", "224.0.0.1"):
        with inside(p.st):
            raises(_ENETUNREACH, p.st.tcp.open().connect, p.st.ip4, ip(dst), 80)
    p.expect_nothing()


def test_same_four_numbers():
    """RFC 9293 3.10.1: a connection that exists cannot be opened again."""
    f = bench.syn_sent()
    with inside(f.st):
        other = f.st.tcp.open()
        other.lport = f.conn.lport
        raises(_EADDRINUSE, other.connect, f.st.ip4, f.peer.addr, 80)
    assert len(list(f.st.tcp.connections())) == 1


def test_bound_port_is_used():
    """RFC 9293 3.10.1: local address and port are those of bind()."""
    f = bench.syn_sent(setup=lambda c: c.bind(c.st.ip4, ip("10.0.0.2"), 5555))
    assert f.conn.lport == 5555 and f.dport == 5555


def test_to_itself():
    """RFC 9293 3.5: a connection through loopback, both ends in one stack."""
    p = bench.peer(tcp=True)
    st = p.st
    with inside(st):
        listener = st.tcp.listen(None, None, 80)
        conn = st.tcp.open()
        conn.connect(st.ip4, ip("127.0.0.1"), 80)
    p.advance(10)
    assert conn.state == 4 and len(listener.ready) == 1
    with inside(st):
        other = listener.accept()
        conn.send(b"hello", 0, 5)
    p.advance(10)
    buf = bytearray(5)
    with inside(st):
        assert other.recv(buf, 0, 5) == 5 and buf == b"hello"
        conn.close()
        other.close()
        listener.close()
    p.advance(100000)
    assert st.tcp.table.count == 0
    p.expect_nothing()


def test_not_by_chance_to_itself():
    """RFC 9293 3.10.1, figure 7: the port that is chosen is not the one that nobody listens on:
    the connection would open itself."""
    p = bench.peer(tcp=True)
    st = p.st
    chosen = [5, 5, 6]
    st.random.below = lambda n: chosen.pop(0)
    with inside(st):
        conn = st.tcp.open()
        conn.connect(st.ip4, ip("127.0.0.1"), 49152 + 5)
    p.advance(10)
    assert conn.lport == 49152 + 6 and conn.state == 0 and conn.error == _ECONNREFUSED


bench.run_tests(globals())
