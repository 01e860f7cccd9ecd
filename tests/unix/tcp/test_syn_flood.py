# The queue of SYNs and what answers when it is full (RFC 4987): records, cookies, and a client
# that gets through all the same.

import gc

import bench
from bench import SACK_OK, inside, ip, opt_mss, opt_wscale


def _listening(**kw):
    """A listener on a host whose gateway we are: it answers the whole world through us."""
    return bench.listening(gw="10.0.0.1", backlog=10, **kw)


def _flood(f, count, seed=1):
    """SYNs of `count` hosts that do not exist; returns how many were answered."""
    rnd = bench.Random(seed)
    p = f.peer
    answers = 0
    for _ in range(count):
        src = bytes((11 + rnd.below(80), rnd.below(256), rnd.below(256), 1 + rnd.below(250)))
        sport = 1024 + rnd.below(60000)
        segment = bench.tcp(src, p.host.addr, sport, 80, rnd.bits32(), 0, "S", 65535)
        p.send(p.ip_frame(6, segment, src=src))
        answers += len(p.take())
    return answers


def _full(**kw):
    """A listener whose queue is full."""
    f = _listening(**kw)
    limit = f.st.tcp.synqueue.rows.limit
    assert _flood(f, limit) == limit
    assert f.listener.pending == limit
    return f


def _through(f, opts, tsval=None, sport=40001):
    """A client that connects by a cookie."""
    g = f.peer.flow(sport, 80)
    g.tsval = tsval
    before = f.host.stat("tcp")
    g.tcp("S", opts=opts)
    g.answer = g.expect_tcp("SA", seq=0, ack=1)
    assert f.host.stat("tcp")["cookies_sent"] == before["cookies_sent"] + 1
    return g


def _accept(f, g):
    g.tcp("A")
    with inside(f.st):
        g.conn = f.listener.accept()
    assert g.conn, "the cookie was not taken"
    return g.conn


def test_flood_takes_records_alone():
    """RFC 4987 3.3: SYNs make no connection and take nothing out of the budget; the heap stays."""
    f = _listening()
    spent = f.st.spent
    _flood(f, 300)  # all that grows has grown
    gc.collect()
    before = gc.mem_alloc()
    assert _flood(f, bench.scale(1000), 2) == bench.scale(1000)
    gc.collect()
    assert gc.mem_alloc() - before < 2000, gc.mem_alloc() - before
    assert f.st.spent == spent
    assert list(f.st.tcp.connections()) == []
    stat = f.host.stat("tcp")
    assert stat["cookies_sent"] >= 200 + bench.scale(1000), stat


def test_records_expire():
    """RFC 6298 (5.5): each SYN,ACK is sent six times, then the record is gone; queue and timers
    are as they were."""
    f = _full()
    limit = f.st.tcp.synqueue.rows.limit
    f.advance(1000)
    assert len(f.peer.take()) == limit
    f.advance(70000)
    assert len(f.peer.take()) == 4 * limit
    assert f.listener.pending == 0 == f.st.tcp.synqueue.rows.count
    f.tcp("S")
    f.expect_tcp("SA")
    assert f.listener.pending == 1


def test_client_during_a_flood():
    """RFC 4987 3.6: with the queue full a client connects, sends and receives."""
    f = _full()
    g = _through(f, opt_mss(1300))
    _flood(f, 20, 5)
    _accept(f, g)
    assert f.host.stat("tcp")["cookies"] == 1
    g.tcp("A", data=b"GET")
    assert g.read() == b"GET"
    g.write(bytes(3000))
    assert len(g.expect_tcp("A", seq=1).data) == 1220  # the class below 1300
    f.peer.take()


def test_text_comes_first():
    """RFC 4987 3.6: the bare ACK is lost, the first text bears the cookie as well."""
    f = _full()
    g = _through(f, opt_mss(1460))
    g.tcp("A", data=b"GET")
    with inside(f.st):
        g.conn = f.listener.accept()
    assert g.read() == b"GET"
    f.peer.take()


def test_classes_of_mss():
    """RFC 4987 3.6: a cookie knows eight sizes of segments, and takes the one below."""
    f = _full()
    for i, (mss, used) in enumerate(
        (
            (0, 536),
            (64, 64),
            (300, 256),
            (536, 536),
            (1000, 536),
            (1452, 1440),
            (1460, 1460),
            (9000, 1460),
        )
    ):
        g = _through(f, opt_mss(mss) if mss else b"", sport=41000 + i)
        conn = _accept(f, g)
        assert conn.cb[14] == used, (mss, conn.cb[14])
    f.peer.take()


def test_no_options_without_timestamps():
    """RFC 4987 3.6: nothing tells of window scale and SACK later: they are not agreed to."""
    f = _full()
    g = _through(f, opt_mss(1460) + SACK_OK + opt_wscale(7))
    assert 3 not in g.answer.opts and 4 not in g.answer.opts, g.answer.opts
    conn = _accept(f, g)
    assert conn.cb[31] & (256 | 512 | 1024) == 0 and conn.cb[43] == conn.cb[44] == 0


def test_options_in_the_timestamp():
    """RFC 7323, as Linux: six bits of our timestamp keep window scale and SACK."""
    f = _full()
    for i, (opts, shift, sack) in enumerate(
        (
            (SACK_OK + opt_wscale(7), 7, True),
            (opt_wscale(0), 0, False),
            (opt_wscale(14), 14, False),
            (SACK_OK, None, True),
            (b"", None, False),
        )
    ):
        f.clock.ms += 37
        g = _through(f, opt_mss(1460) + opts, tsval=5000, sport=40001 + i)
        told = g.answer.ts[0]
        conn = _accept(f, g)
        flags = conn.cb[31]
        assert flags & 256
        assert bool(flags & 1024) == sack and bool(flags & 512) == (shift is not None), (i, flags)
        assert conn.cb[43] == (shift or 0) and conn.cb[14] == 1448
        assert (3 in g.answer.opts) == (shift is not None)
        g.write(b"x")
        later = g.expect_tcp("A", data=b"x").ts[0]
        assert 0 <= (later - told) & 0xFFFFFFFF < 200, "our timestamps go back"
        g.tcp("A", wnd=1000)
        assert conn.cb[12] == 1000 << (shift or 0)
    f.peer.take()


def test_forged_ack():
    """RFC 4987 3.6: an ACK that bears no cookie of ours is answered with a RST, as ever."""
    f = _full()
    g = _through(f, opt_mss(1460))
    for seq, ack in ((1, 0), (1, 2), (2, 1), (1, 0x1000001), (1, 0x8000001), (0xFFFFFFFF, 1)):
        g.tcp("A", seq=seq, ack=ack)
        g.expect_tcp("R", seq=ack)
    h = f.peer.flow(40002, 80)
    h.irs = g.irs
    h.tcp("A", seq=1, ack=1)  # the cookie of another port
    h.expect_tcp("R")
    assert len(f.listener.ready) == 0
    _accept(f, g)


def test_cookie_of_the_last_period():
    """RFC 4987 3.6: a cookie is good for at least one period of 64 s, and for two at most."""
    for wait, good in ((60000, True), (100000, True), (129000, False), (1000000, False)):
        f = _full()
        g = _through(f, opt_mss(1460))
        f.advance(wait // 2)
        f.peer.take()
        f.advance(wait - wait // 2)
        f.peer.take()
        if good:
            if wait > 64000:
                _flood(f, 1 + f.st.tcp.synqueue.rows.limit, 9)  # time for a new secret
            _accept(f, g)
        else:
            _flood(f, 1 + f.st.tcp.synqueue.rows.limit, 9)
            g.tcp("A", seq=1)
            g.expect_tcp("R")


def test_no_cookies_unasked():
    """While no cookie has been sent none is believed: one would be guessed in the end."""
    f = _listening()
    f.irs = 0
    f.tcp("A", seq=1, ack=1)
    f.expect_tcp("R")
    assert f.host.stat("tcp")["cookies"] == 0


def test_cookie_and_full_backlog():
    """RFC 9293 3.9.1.1: with the backlog full a cookie's ACK is dropped; a later segment of the
    peer does it again."""
    f = _full()
    flows = [_through(f, opt_mss(1460), sport=42000 + i) for i in range(11)]
    for g in flows:
        g.tcp("A")
    assert len(f.listener.ready) == 10 and f.host.stat("tcp")["backlog_full"] == 1
    f.expect_nothing()
    with inside(f.st):
        f.listener.accept()
    flows[10].tcp("A", seq=1, data=b"abc")
    assert len(f.listener.ready) == 10


def test_reset_of_a_record():
    """RFC 9293 3.10.7.4 second: a RST that fits takes a record out of the queue."""
    f = _listening()
    f.tcp("S")
    f.expect_tcp("SA")
    f.tcp("R", seq=0x1000000)
    f.expect_nothing()
    assert f.listener.pending == 1
    f.tcp("R", seq=1)
    assert f.listener.pending == 0
    f.tcp("A", seq=1)
    f.expect_tcp("R")


def test_paws_of_a_record():
    """RFC 7323 5.3 R1: an ACK with an older timestamp than that of the SYN is not taken."""
    f = _listening(tsval=1000)
    f.tcp("S", opts=opt_mss(1460))
    f.expect_tcp("SA")
    f.tsval = 900
    f.tcp("A")
    f.expect_tcp("A", seq=1, ack=1)
    assert len(f.listener.ready) == 0 and f.host.stat("tcp")["paws"] == 1
    f.tsval = None
    f.tcp("A")  # RFC 7323 3.2: without one it is dropped
    f.expect_nothing()
    assert len(f.listener.ready) == 0
    f.tsval = 1001
    f.tcp("A")
    assert len(f.listener.ready) == 1


def test_more_special_listener():
    """A record belongs to the listener that was asked, whoever listens now."""
    f = _listening()
    f.tcp("S")
    f.expect_tcp("SA")
    with inside(f.st):
        special = f.st.tcp.listen(f.st.ip4, ip("10.0.0.2"), 80)
    f.tcp("A")
    assert (len(f.listener.ready), len(special.ready)) == (1, 0)
    with inside(f.st):
        special.close()


bench.run_tests(globals())
