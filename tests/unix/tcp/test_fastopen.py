# targets: unix (fastopen.py is not frozen: it is read from lib/)
# TCP Fast Open (RFC 7413): what ../pkt/fastopen-*.pkt leave over.

import bench
from bench import inside, opt_mss

_fastopen = bench.fastopen()


def _opt(cookie):
    n = 2 + len(cookie)
    return bytes((34, n)) + cookie + bytes((1,)) * (-n & 3)


def _server(qlen=5, **kw):
    """A flow towards a listener that takes data in SYNs, and a good cookie."""
    p = bench.peer(tcp=True)
    fast = _fastopen.attach(p.st)
    f = bench.listening(p=p, **kw)
    f.listener.fastopen = qlen
    return f, fast.cookie(p.addr)


def _early(f, cookie, data=b"hello", **kw):
    """The SYN with data, answered; the connection, accepted."""
    f.tcp("S", data=data, opts=opt_mss(1460) + _opt(cookie), **kw)
    f.expect_tcp("SA", seq=0)
    with inside(f.st):
        f.conn = f.listener.accept()
    if f.conn:
        bench.at_end(lambda: bench._close(f.st, f.conn))
    return f.conn


def test_cookies():
    """RFC 7413 4.1.2: one for each address and stack, and always the same."""
    f, cookie = _server()
    fast = f.st.tcp.fastopen
    assert len(cookie) == 8 and fast.cookie(f.peer.addr) == cookie
    assert fast.cookie(b"\1\2\3\4") != cookie
    other = _fastopen.attach(bench.peer(tcp=True, seed=2).st)
    assert other.cookie(f.peer.addr) != cookie


def test_not_attached():
    """Without fastopen.py the option is one of those that are not known."""
    f = bench.listening()
    f.listener.fastopen = 5
    f.tcp("S", data=b"hello", opts=opt_mss(1460) + _opt(bytes(8)))
    p = f.expect_tcp("SA", ack=1)
    assert 34 not in p.opts


def test_options_that_lie():
    """RFC 7413 4.1.1: cookies of odd or impossible length are ignored; nothing is read beyond."""
    f, cookie = _server()
    for i, bad in enumerate((bytes(3), bytes(5), bytes(18), cookie[:2], bytes(17))):
        g = f.peer.flow(sport=41000 + i)
        g.tcp("S", data=b"hello", opts=opt_mss(1460) + _opt(bad))
        p = g.expect_tcp("SA", ack=1)
        assert 34 not in p.opts, bad
        g.tcp("R", seq=1)
    g = f.peer.flow(sport=42000)
    g.tcp("S", opts=opt_mss(1460) + bytes((34, 40, 1, 1)))
    g.expect_nothing()
    assert f.host.stat("tcp")["in_option"] == 1


def test_any_options():
    """RFC 7413 4.1.1: whatever a SYN bears, nothing breaks and nothing stays behind."""
    f, cookie = _server(backlog=3)
    rnd = bench.Random(7)
    for i in range(400):
        g = f.peer.flow(sport=30000 + i)
        opts = bytearray()
        while len(opts) < 38 and not rnd.percent(15):
            if rnd.percent(40):
                opts += _opt(cookie if rnd.percent(70) else rnd.bytes(rnd.below(12)))
            else:
                n = 2 + rnd.below(10)
                opts += bytes((rnd.choice((0, 1, 2, 3, 4, 5, 8, 34, 99)), n)) + rnd.bytes(n - 2)
        opts = bytes(opts + b"\1\1\1")[: len(opts) + 3 & ~3][:40]
        g.tcp("S" if rnd.percent(80) else "SF", data=rnd.bytes(rnd.below(1400)), opts=opts)
        with inside(f.st):
            conn = f.listener.accept()
            if conn:
                conn.abort()
        for packet in f.peer.take():
            g.tcp("R", seq=(packet.ack - g.iss) & 0xFFFFFFFF)
    assert f.host.stat("tcp")["opened"] > 100


def test_limit():
    """RFC 7413 5.1: so many connections may be young; the next one shakes hands as usual."""
    f, cookie = _server(2)
    flows = []
    for i in range(3):
        g = f.peer.flow(sport=41000 + i)
        g.listener = f.listener
        g.tcp("S", data=b"hello", opts=opt_mss(1460) + _opt(cookie))
        g.expect_tcp("SA", seq=0, ack=1 if i == 2 else 6)
        flows.append(g)
    assert len(f.listener.ready) == 2
    flows[0].tcp("A")  # no longer young
    g = f.peer.flow(sport=41005)
    g.tcp("S", data=b"hello", opts=opt_mss(1460) + _opt(cookie))
    g.expect_tcp("SA", seq=0, ack=6)
    assert len(f.listener.ready) == 3


def test_reset_while_young():
    """RFC 7413 4.2.3: the program has the data, then learns that there is nobody."""
    f, cookie = _server()
    conn = _early(f, cookie)
    assert f.read() == b"hello"
    f.tcp("R", seq=6)
    assert conn.state == 0 and conn.error == 104
    assert f.st.tcp.fastopen._count(f.listener) == 0


def test_reset_before_accept():
    f, cookie = _server()
    f.tcp("S", data=b"hello", opts=opt_mss(1460) + _opt(cookie))
    f.expect_tcp("SA", ack=6)
    f.tcp("R", seq=6)
    assert len(f.listener.ready) == 0 and f.listener.pending == 0


def test_closed_while_young():
    """RFC 9293 3.10.4: closed before our SYN is acknowledged: answer and FIN go out anyway."""
    f, cookie = _server()
    _early(f, cookie)
    assert f.read() == b"hello"
    assert f.write(b"bye") == 3
    f.expect_tcp("A", seq=1, data=b"bye")
    f.close()
    assert f.conn.send(b"x", 0, 1) < 0
    f.tcp("A", ack=4)
    f.expect_tcp("FA", seq=4)
    f.tcp("FA", ack=5)
    f.expect_tcp("A", seq=5)


def test_fin_with_the_syn():
    """A FIN that comes with SYN and data has to come again."""
    f, cookie = _server()
    f.tcp("SF", data=b"hello", opts=opt_mss(1460) + _opt(cookie))
    f.expect_tcp("SA", seq=0, ack=6)
    with inside(f.st):
        f.conn = f.listener.accept()
    f.snd_nxt = 6
    assert f.read() == b"hello" and f.read() is None
    f.tcp("FA")
    assert f.read() == b""
    f.peer.take()
    f.close()


def test_more_than_the_window():
    """RFC 9293 3.10.7.4: what does not fit is not acknowledged."""
    f, cookie = _server(rcvbuf=1024)
    f.tcp("S", data=bytes(1400), opts=opt_mss(1460) + _opt(cookie))
    f.expect_tcp("SA", ack=1025)
    f.snd_nxt = 1025
    with inside(f.st):
        f.conn = f.listener.accept()
    assert len(f.read()) == 1024
    f.close()


def test_window_of_the_syn():
    """RFC 7413 4.2.2: the answer keeps to the SYN's window and the initial congestion window."""
    f, cookie = _server()
    _early(f, cookie, wnd=3000)
    f.write(bytes(7000))
    assert [len(p.data) for p in f.peer.take()] == [1460, 1460, 80]
    f.tcp("A", ack=3001)
    assert [len(p.data) for p in f.peer.take()] == [1460, 1460]  # the rest waits: Nagle


def test_known_servers():
    """RFC 7413 4.1.3: a client keeps a few, those it has heard of last."""
    fast = _fastopen.attach(bench.peer(tcp=True).st)
    for i in range(12):
        fast._learn(bytes((10, 0, 0, i)), bytes(8), 1460)
    assert len(fast.known) == 8
    assert fast.knows(b"\x0a\0\0\x0b") and not fast.knows(b"\x0a\0\0\3")
    fast._learn(b"\x0a\0\0\x0b", None, 0)
    assert not fast.knows(b"\x0a\0\0\x0b") and len(fast.known) == 8


def test_both_ends_on_bad_wires():
    """RFC 7413: whatever gets lost, both streams arrive whole, once."""
    words = bench.Random(3).bytes(3000)
    for seed in range(1, 41):
        bench.forget()
        a, b, wire = bench.pair(tcp=True, seed=seed, loss=15, duplicate=5, reorder=10)
        _fastopen.attach(a.st)
        cookie = _fastopen.attach(b.st).cookie(a.addr)
        a.st.tcp.fastopen._learn(b.addr, cookie if seed % 4 else bytes(8), 1460)
        with inside(b.st):
            listener = b.st.tcp.listen(None, None, 80)
            listener.fastopen = 5
        with inside(a.st):
            conn = a.st.tcp.open()
            assert a.st.tcp.fastopen.connect(conn, a.st.ip4, b.addr, 80, words, 0, 3000) == 3000
        got = [bytearray(), bytearray()]
        ends = [conn, None]
        buf = bytearray(4096)

        def program():
            with inside(b.st):
                if ends[1] is None:
                    ends[1] = listener.accept()
                    if ends[1]:
                        assert ends[1].send(words, 0, 3000) == 3000
            for i, st in ((0, a.st), (1, b.st)):
                with inside(st):
                    n = ends[i].recv(buf, 0, 4096) if ends[i] else 0
                if n > 0:
                    got[i] += buf[:n]
            return len(got[0]) >= 3000 and len(got[1]) >= 3000

        assert wire.run(300000, program), (seed, len(got[0]), len(got[1]))
        assert got[0] == words and got[1] == words, seed
        for st, thing in ((a.st, conn), (b.st, ends[1]), (b.st, listener)):
            with inside(st):
                thing.close()
        wire.run(300000)
        bench.tidy()
        bench.clean()


bench.run_tests(globals())
