# What gives way when memory or places run out (limits.py): a flood of connections degrades what is
# new and recovers, whoever keeps a window closed for ever (sockstress) is ended first. RFC 6429.

import gc

import bench
from bench import inside, opt_mss

_ECONNABORTED = 103


def _open(f, i, flows=None):
    """One more connection, or None when it does not come about."""
    g = f.peer.flow(20000 + i, 80)
    g.tcp("S", opts=opt_mss(1460))
    g.expect_tcp("SA")
    g.tcp("A")
    with inside(f.st):
        g.conn = f.listener.accept()
    if flows is not None:
        flows.append(g)
    return g if g.conn else None


def _fill(**kw):
    """A listener, and all the connections there is memory for."""
    f = bench.listening(backlog=10, **kw)
    flows = []
    while True:
        g = _open(f, len(flows))
        if g is None:
            return f, flows
        flows.append(g)


def _stuck(g):
    """The peer closes its window with text waiting."""
    g.tcp("A", wnd=0)
    assert g.write(b"x" * 100) == 100


def _answer(f, flows, ms):
    """Let time pass; the peer answers each probe: still closed."""
    by = {g.sport: g for g in flows}
    for _ in range(ms // 500):
        f.advance(500)
        for p in f.peer.take():
            g = by.get(p.dport)
            if g and "R" not in p.flags:
                g.tcp("A", ack=1, wnd=0)


def test_connections_in_use_stay():
    """A connection that is open and idle is not ended for the sake of a new one."""
    f, flows = _fill(budget=64 * 1024)
    assert len(flows) >= 8
    assert f.host.stat("tcp")["ended"] == 0 and f.host.stat("tcp")["nomem"] == 1
    for g in flows:
        g.tcp("A", data=b"here")
        assert g.read() == b"here"
    f.peer.take()


def test_who_is_told():
    """api/drop.py then looks for connections whose sockets are lost."""
    f, flows = _fill(budget=64 * 1024)
    told = []
    f.st.short = lambda: told.append(f.st.now)
    f.advance(200)
    assert _open(f, 500) is None
    assert len(told) == 1, told


def test_flood_degrades_and_recovers():
    """A flood of whole connections: what is there goes on, what is new has to wait; when some are
    closed the next one is served. Memory, timers and frames are as before."""
    f = bench.listening(backlog=10, budget=64 * 1024)
    spent = f.st.spent
    flows = []
    for i in range(100):
        _open(f, i, flows)
    held = [g for g in flows if g.conn]
    assert len(held) >= 8 and f.host.stat("tcp")["nomem"] > 0
    for g in held:
        g.tcp("A", data=b"abc")
        assert g.read() == b"abc"
    held[0].call("abort")
    f.advance(100000)
    f.peer.take()
    assert f.listener.pending == 0
    assert _open(f, 500), "no recovery"
    for g in held[1:]:
        g.call("abort")
    f.peer.take()
    f.listener.close()
    with inside(f.st):
        for conn in list(f.st.tcp.connections()):
            conn.abort()
    f.peer.take()
    assert f.st.spent == spent and f.st.pool.left == f.st.pool.count


def test_closed_window_gives_way():
    """RFC 6429 section 4: under pressure the connection whose window has been closed for longest
    is ended, with a RST and ECONNABORTED."""
    f, flows = _fill(budget=64 * 1024)
    first, second = flows[3], flows[1]
    _stuck(first)
    _answer(f, [first], 3000)
    _stuck(second)
    _answer(f, [first, second], 30000)
    f.advance(100)
    f.peer.take()
    g = f.peer.flow(30000, 80)
    g.tcp("S", opts=opt_mss(1460))
    g.expect_tcp("SA")
    g.tcp("A")
    reset = [p for p in f.peer.take() if "R" in p.flags]
    assert [p.dport for p in reset] == [first.sport]
    assert first.conn.state == 0 and first.conn.error == _ECONNABORTED
    assert second.conn.state == 4
    assert len(f.listener.ready) == 1 and f.host.stat("tcp")["ended"] == 1


def test_patience():
    """RFC 9293 3.8.6.1: a window that has been closed for a few seconds is nothing unusual, and
    one that has opened meanwhile counts anew."""
    f, flows = _fill(budget=64 * 1024)
    for g in flows:
        _stuck(g)
    _answer(f, flows, 6000)
    for g in flows:
        g.tcp("A", ack=1, wnd=1000)
        f.peer.take()
        g.rcv_nxt = 101
        g.tcp("A", wnd=0)
        assert g.write(b"y" * 100) == 100
    f.advance(7000)
    f.peer.take()
    assert _open(f, 900) is None
    assert f.host.stat("tcp")["ended"] == 0


def test_without_pressure_it_stays():
    """RFC 9293 3.8.6.1 (MUST-37): while there is memory a closed window is probed for ever."""
    f = bench.established()
    f.tcp("A", wnd=0)
    f.write(b"x")
    _answer(f, [f], 600000)
    assert f.conn.state == 4 and f.host.stat("tcp")["ended"] == 0


def test_closed_window_of_an_orphan():
    """RFC 6429 section 5: when the program has closed the connection the peer has two minutes to
    open its window."""
    f = bench.established()
    f.tcp("A", wnd=0)
    f.write(b"x" * 100)
    f.close()
    _answer(f, [f], 110000)
    assert f.conn.state == 5
    _answer(f, [f], 70000)
    assert f.conn.state == 0 and f.host.stat("tcp")["ended"] == 1
    assert list(f.st.tcp.connections()) == []


def test_fin_wait_2_gives_way_first():
    """RFC 9293 3.6: what nobody holds and only waits for a FIN goes before anything else."""
    f, flows = _fill(budget=64 * 1024)
    _stuck(flows[0])
    _answer(f, [flows[0]], 20000)
    g = flows[2]
    g.close()
    g.tcp("A", ack=2)
    assert g.conn.state == 6
    f.peer.take()
    assert _open(f, 900)
    assert g.conn.state == 0 and flows[0].conn.state == 4
    assert f.host.stat("tcp")["ended"] == 1


def test_sockstress():
    """Every connection keeps its window closed for ever: each new one displaces the oldest, and
    after a hundred of them memory is as it was."""
    f, flows = _fill(budget=64 * 1024)
    count = len(flows)
    for g in flows:
        _stuck(g)
    _answer(f, flows, 20000)
    gc.collect()
    for i in range(bench.scale(100)):
        f.clock.ms += 10000
        f.peer.poll()
        f.peer.take()
        g = _open_at_last(f, 1000 + i)
        assert g, "connection %d found no place" % i
        _stuck(g)
        f.peer.take()
    assert f.host.stat("tcp")["ended"] >= bench.scale(100)
    assert len(list(f.st.tcp.connections())) <= count


def _open_at_last(f, i):
    g = f.peer.flow(20000 + i, 80)
    g.tcp("S", opts=opt_mss(1460))
    for p in f.peer.take():
        if "S" in p.flags:
            g.irs = p.seq
            g.rcv_nxt = 1
    g.tcp("A")
    with inside(f.st):
        g.conn = f.listener.accept()
    return g if g.conn else None


bench.run_tests(globals())
