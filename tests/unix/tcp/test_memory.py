# The memory of connections: what each is sure of, what it may grow to, and what is given back.
# DESIGN 4; the window follows RFC 9293 3.8.6.

import bench
from bench import inside, opt_mss, opt_wscale


def _many(count, budget):
    """`count` idle connections; all must be accepted."""
    f = bench.listening(budget=budget, backlog=count)
    conns = []
    for i in range(count):
        g = f.peer.flow(20000 + i, 80)
        g.tcp("S", opts=opt_mss(1460))
        g.expect_tcp("SA")
        g.tcp("A")
        with inside(f.st):
            g.conn = f.listener.accept()
        assert g.conn, "connection %d was not accepted" % i
        conns.append(g)
    return f, conns


def test_many_idle_connections():
    """DESIGN 4: a hundred idle connections in 1 MB; each is sure of its guarantee."""
    f, flows = _many(100 if bench.UNIX else 20, (1 << 20) if bench.UNIX else 192 * 1024)
    assert f.st.spent <= f.st.budget
    for g in flows:
        assert g.write(b"x" * 1000) == 1000
        g.expect_tcp("A", data=b"x" * 1000)
        g.tcp("A", data=b"y" * 1000)
        assert g.read() == b"y" * 1000
        f.peer.take()


def test_send_when_nothing_is_left():
    """DESIGN 4: with the budget used up an open connection still sends and receives."""
    f = bench.established()
    left = f.st.left()
    assert f.st.charge(left)
    assert f.write(bytes(5000)) == 1460
    f.tcp("A", ack=1461, data=bytes(1460))
    f.tcp("A", data=bytes(1460))
    assert len(f.read()) == 2920
    f.st.credit(left)
    f.peer.take()


def test_text_beyond_the_budget():
    """RFC 9293 3.10.7.4 seventh: text there is no memory for is dropped and counted; a duplicate
    ACK says so at once, and it is taken when it comes again."""
    f = bench.established(budget=1 << 20)
    left = f.st.left()
    assert f.st.charge(left)
    assert f.conn.rx_size > 3 * 1460
    f.tcp("A", data=bytes(1460))
    f.tcp("A", data=bytes(1460))
    f.expect_tcp("A", ack=2921)
    f.tcp("A", data=b"z" * 1000)
    p = f.expect_tcp("A", ack=2921)
    assert p.wnd > 1000  # the edge is not taken back
    assert f.host.stat("tcp")["nomem"] == 1
    f.tcp("A", seq=12001, data=b"z" * 1000)  # further ahead: invited as well
    f.expect_tcp("A", ack=2921)
    assert f.host.stat("tcp")["nomem"] == 2 and f.conn.rx.size == 2920 == f.conn.rx_held
    assert len(f.read()) == 2920
    f.peer.take()
    f.tcp("A", seq=2921, data=b"z" * 1000)
    assert f.read() == b"z" * 1000
    f.st.credit(left)


def test_empty_rings_are_given_back():
    """DESIGN 4: when memory is short, rings that hold nothing go first."""
    f = bench.established(budget=1 << 20)
    idle = f.st.spent
    for _ in range(4):
        f.tcp("A", data=bytes(1460))
    f.write(bytes(10000))
    n = 1 + sum(len(p.data) for p in f.peer.take())
    f.tcp("A", ack=n)
    while f.rcv_nxt < 10001:
        n += sum(len(p.data) for p in f.peer.take())
        f.tcp("A", ack=n)
        f.rcv_nxt = n
    grown = f.st.spent
    assert grown > idle + 10000
    left = f.st.left()
    f.clock.ms += 10
    with inside(f.st):
        assert not f.st.charge(left + 12000)  # only the send ring is empty
    assert f.conn.tx is None and f.conn.rx and f.st.spent < grown - 8000
    assert len(f.read()) == 4 * 1460
    f.clock.ms += 10
    with inside(f.st):
        assert f.st.charge(f.st.left() + 2000)
    assert f.conn.rx is None
    f.st.spent = idle
    assert f.write(b"again") == 5
    f.tcp("A", data=b"again")
    assert f.read() == b"again"
    f.peer.take()


def test_out_of_order_text_moves_along():
    """RFC 9293 3.10.7.4 seventh: a ring that grows takes the text ahead of a hole with it."""
    f = bench.established(budget=1 << 20)
    data = bytes((i * 7 + i // 256) & 255 for i in range(12000))
    f.tcp("A", seq=1, data=data[:1000])
    assert f.read(600) == data[:600]
    f.tcp("A", seq=2001, data=data[2000:3000])  # fits into the first ring
    size = f.conn.rx.size
    f.tcp("A", seq=5001, data=data[5000:6000])
    assert f.conn.rx.size > size
    f.tcp("A", seq=10001, data=data[10000:11000])
    f.tcp("A", seq=1001, data=data[1000:2000])
    assert f.read() == data[600:3000]
    f.tcp("A", seq=3001, data=data[3000:4000])
    f.tcp("A", seq=4001, data=data[4000:5000])
    assert f.read() == data[3000:6000]
    for at in range(6000, 10000, 1000):
        f.tcp("A", seq=at + 1, data=data[at : at + 1000])
    assert f.read() == data[6000:11000]
    f.peer.take()


def _reader(rounds, part, rtt=50, rcvbuf=None, **kw):
    """A sender that fills the window each round trip; the program reads `part` of it. The window
    at the end of each round."""
    opts = opt_mss(1460) + opt_wscale(7)
    f = bench.listening(tsval=1, rcvbuf=rcvbuf, **kw)
    f.tcp("S", opts=opts)
    f.expect_tcp("SA")
    f.advance(rtt)
    f.tcp("A")
    with inside(f.st):
        f.conn = f.listener.accept()
    assert f.conn.cb[18] >> 3 == rtt
    edge = f.conn.rx_size
    windows = []
    for _ in range(rounds):
        f.tsval += rtt
        while f.snd_nxt + 1460 <= 1 + edge:
            f.tcp("A", data=bytes(1460))
            f.peer.take()
        f.advance(rtt)
        for _ in range(int(part * f.conn.rx_size) // 1460):
            f.read(1460)
        shift = f.conn.cb[44]
        f.conn.acknowledge()
        f.peer.poll()
        for p in f.peer.take():
            told = ((p.ack - f.iss) & 0xFFFFFFFF) - 1 + (p.wnd << shift)
            assert told > edge - (1 << shift), "the right edge moved back"
            if told > edge:
                edge = told
        windows.append(f.conn.rx_size)
    return f, windows


def test_window_grows_with_a_fast_reader():
    """RFC 7323 1.1: the window of a reader that keeps pace doubles each round trip, up to what the
    socket may have."""
    budget = (8 << 20) if bench.UNIX else (512 * 1024)
    f, windows = _reader(5, 1, budget=budget)
    assert windows[-1] == f.conn.rcvbuf > 65535 - 1, windows
    assert windows == sorted(windows)
    assert f.conn.rx.size <= 2 * windows[-1]


def test_window_of_a_slow_reader():
    """A reader that leaves most of it unread gets no larger window."""
    f, windows = _reader(5, 0.3, budget=1 << 20)
    assert windows == [windows[0]] * 5, windows


def test_window_stays_within_rcvbuf():
    """SO_RCVBUF bounds what the window grows to."""
    f, windows = _reader(5, 1, rcvbuf=10000, budget=1 << 20)
    assert windows == [10000] * 5, windows
    assert f.conn.rx.size <= 10000


def test_window_stays_within_the_budget():
    """A window does not grow beyond what half of the free budget could back."""
    f, windows = _reader(6, 1, rcvbuf=1 << 20, budget=128 * 1024)
    assert windows[0] < windows[-1] < 100 * 1024, windows
    assert f.st.spent <= f.st.budget


def test_ring_of_a_fast_reader_stays_small():
    """DESIGN 4: storage is for what is unread, not for what the window invites."""
    f = bench.established(budget=1 << 20)
    for _ in range(200):
        f.tcp("A", data=bytes(1000))
        f.read(1000)
        f.peer.take()
    assert f.conn.rx.size <= 2920 and f.conn.rx_size > 20000


def test_send_ring_grows():
    """SO_SNDBUF: the send ring grows with what is written, no further than that."""
    f = bench.established(budget=1 << 20)
    f.conn.sndbuf = 20000
    assert f.write(bytes(500)) == 500
    assert f.conn.tx.size == 1460
    data = bytes((i * 3 + i // 256) & 255 for i in range(19000))
    assert f.write(data) == 19000
    assert f.conn.tx.size <= 20000
    assert f.write(bytes(5000)) <= 500
    got = b""
    f.rcv_nxt = 1
    while len(got) < 19500:
        for p in f.peer.take():
            if (p.seq - f.irs) & 0xFFFFFFFF == len(got) + 1:
                got += p.data
        f.tcp("A", ack=len(got) + 1)
    assert got[500:19500] == data


bench.run_tests(globals())
