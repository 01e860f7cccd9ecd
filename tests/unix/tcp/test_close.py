# The end of a connection: RFC 9293 3.6, 3.10.4 and 3.10.7.4, from each side and from both at once.

import bench
from bench import inside

_ECONNABORTED = 103
_EPIPE = 32


def _gone(f, error=0):
    assert f.conn.state == 0 and f.conn.error == error, (f.conn.state, f.conn.error)
    assert list(f.st.tcp.connections()) == []


def test_close_from_here():
    """RFC 9293 3.6 figure 12, the left side: FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT."""
    f = bench.established()
    f.call("shutdown_send")
    f.expect_tcp("FA", seq=1, ack=1)
    assert f.conn.state == 5
    f.tcp("A")
    assert f.conn.state == 6
    f.tcp("FA")
    f.expect_tcp("A", seq=2, ack=2)
    assert f.conn.state == 10
    assert f.read() == b""
    f.advance(59999)
    assert f.conn.state == 10
    f.advance(2)
    _gone(f)


def test_close_from_there():
    """RFC 9293 3.6 figure 12, the right side: CLOSE-WAIT, LAST-ACK, CLOSED."""
    f = bench.established()
    told = []
    f.conn.notify = lambda c: told.append(c.eof())
    f.tcp("FA")
    f.expect_tcp("A", seq=1, ack=2)
    assert f.conn.state == 7 and told == [True]
    assert f.read() == b""
    f.close()
    f.expect_tcp("FA", seq=1, ack=2)
    assert f.conn.state == 9
    f.tcp("A")
    _gone(f)
    f.expect_nothing()


def test_fin_and_ack_in_one():
    """RFC 9293 3.10.7.4: FIN-WAIT-1 and a FIN that acknowledges ours: TIME-WAIT."""
    f = bench.fin_wait_1()
    f.tcp("FA")
    f.expect_tcp("A", seq=2, ack=2)
    assert f.conn.state == 10


def test_simultaneous_close():
    """RFC 9293 3.6 figure 13: FIN against FIN: CLOSING, TIME-WAIT."""
    f = bench.fin_wait_1()
    f.tcp("FA", ack=1)
    f.expect_tcp("A", seq=2, ack=2)
    assert f.conn.state == 8
    f.tcp("A")
    assert f.conn.state == 10
    f.advance(60001)
    _gone(f)


def test_half_close_receives():
    """RFC 9293 3.6 case 1: after our FIN we still receive, in FIN-WAIT-1 and FIN-WAIT-2."""
    f = bench.fin_wait_1()
    f.tcp("A", ack=1, data=b"one")
    f.tcp("A", data=b"two")
    assert f.conn.state == 6
    f.tcp("FA", data=b"three")
    assert f.conn.state == 10
    assert f.read() == b"onetwothree" and f.read() == b""


def test_half_close_sends():
    """RFC 9293 3.6 case 2: after the peer's FIN we still send."""
    f = bench.close_wait()
    assert f.write(b"abc") == 3
    f.expect_tcp("A", seq=1, ack=2, data=b"abc")
    f.tcp("A")
    f.write(bytes(100))
    f.call("shutdown_send")
    sent = f.peer.take()
    assert "F" in sent[-1].flags and sum(len(p.data) for p in sent) == 100
    assert f.conn.state == 9


def test_fin_behind_data():
    """RFC 9293 3.10.4: what is queued goes out before the FIN, which rides on the last segment."""
    f = bench.established(mss=1000)
    f.wnd = 1000
    f.tcp("A")
    f.write(bytes(2500))
    f.close()
    assert f.conn.state == 5
    f.expect_tcp("A", seq=1)
    f.expect_nothing()
    f.tcp("A")
    f.expect_tcp("A", seq=1001)
    f.tcp("A")
    f.expect_tcp("PFA", seq=2001, data=bytes(500))
    f.tcp("A", ack=2501)
    assert f.conn.state == 5
    f.tcp("A", ack=2502)
    assert f.conn.state == 6


def test_fin_is_repeated():
    """RFC 9293 3.8.1: a FIN that is not acknowledged is sent again, then given up."""
    f = bench.fin_wait_1()
    f.advance(300)
    f.expect_tcp("FA", seq=1, ack=1)
    f.advance(3000)
    assert len(f.peer.take()) >= 2
    f.advance(1000000)
    _gone(f, 110)
    f.peer.take()


def test_fin_is_repeated_with_data():
    """RFC 9293 3.8.1: data and FIN lost together come again together."""
    f = bench.established()
    f.write(b"abc")
    f.expect_tcp("A", data=b"abc")
    f.call("shutdown_send")
    f.expect_tcp("FA", seq=4, data=b"")
    f.advance(300)
    f.expect_tcp("PFA", seq=1, data=b"abc")
    f.tcp("A")
    assert f.conn.state == 6


def test_fin_again():
    """RFC 9293 3.10.7.4 eighth: the peer's FIN again, in each state: acknowledged, no change."""
    for make, state in (
        (bench.close_wait, 7),
        (bench.closing, 8),
        (bench.last_ack, 9),
        (bench.time_wait, 10),
    ):
        f = make()
        f.tcp("FA", seq=f.snd_nxt - 1, ack=1 if state in (8, 9) else None)
        packet = f.expect_tcp("A", ack=2)
        assert packet.data == b"" and f.conn.state == state, (f.conn.state, state)


def test_ack_of_fin_on_old_fin():
    """RFC 9293 3.6: the peer's bare ACK of our FIN is lost; its FIN, sent again, carries it."""
    f = bench.closing()
    f.tcp("FA", seq=1)
    assert f.conn.state == 10
    g = bench.last_ack()
    g.tcp("FA", seq=1)
    assert g.conn.state == 0


def test_text_after_fin():
    """RFC 9293 3.10.7.4 seventh: text behind the peer's FIN is ignored."""
    f = bench.close_wait()
    f.tcp("A", data=b"more")
    assert f.read() == b""
    f.peer.take()
    assert f.conn.state == 7


def test_fin_out_of_order():
    """RFC 9293 3.10.7.4 eighth: a FIN ahead of missing text waits for it."""
    f = bench.established()
    f.tcp("FA", seq=4, data=b"def")
    f.expect_tcp("A", ack=1)
    assert f.conn.state == 4 and not f.conn.eof()
    f.tcp("A", seq=1, data=b"abc")
    f.expect_tcp("A", ack=8)
    assert f.conn.state == 7
    assert f.read() == b"abcdef" and f.read() == b""


def test_bare_fin_out_of_order():
    """RFC 9293 3.10.7.4 eighth: the same for a FIN without text."""
    f = bench.established()
    f.tcp("FA", seq=4)
    f.expect_tcp("A", ack=1)
    f.tcp("A", seq=1, data=b"abc")
    f.expect_tcp("A", ack=5)
    assert f.read() == b"abc" and f.read() == b""


def test_close_with_unread_data():
    """RFC 2525 2.17, RFC 9293 3.10.4 (SHLD-3): unread text makes close() a RST."""
    f = bench.established()
    f.tcp("A", data=b"unread")
    f.close()
    packet = f.expect_tcp("RA", seq=1)
    assert packet.data == b""
    _gone(f, _ECONNABORTED)


def test_data_after_close():
    """RFC 9293 3.10.4 (SHLD-3): text that comes after close() is answered with RST."""
    f = bench.established()
    f.close()
    f.expect_tcp("FA", seq=1)
    f.tcp("A", data=b"late")
    f.expect_tcp("RA", seq=2)
    _gone(f, _ECONNABORTED)


def test_data_after_close_with_fin():
    """RFC 9293 3.10.4: the same when the text comes with a FIN, which is not acknowledged then."""
    f = bench.established()
    f.close()
    f.expect_tcp("FA", seq=1)
    f.tcp("FA", data=b"late")
    f.expect_tcp("RA", seq=2)
    f.expect_nothing()
    _gone(f, _ECONNABORTED)


def test_abort():
    """RFC 9293 3.10.5: ABORT sends <SEQ=SND.NXT><CTL=RST> and drops what is queued."""
    f = bench.established(mss=1000)
    f.write(bytes(10000 if f.conn.room() >= 10000 else 5000))
    sent = len(f.peer.take())
    f.call("abort")
    f.expect_tcp("RA", seq=1 + 1000 * sent)
    f.expect_nothing()
    _gone(f, _ECONNABORTED)
    f.advance(10000)
    f.expect_nothing()


def test_abort_in_each_state():
    """RFC 9293 3.10.5: RST up to CLOSING and LAST-ACK; TIME-WAIT is just over."""
    for make, rst in (
        (bench.fin_wait_1, True),
        (bench.fin_wait_2, True),
        (bench.close_wait, True),
        (bench.closing, True),
        (bench.last_ack, True),
        (bench.time_wait, False),
    ):
        f = make()
        f.call("abort")
        if rst:
            f.expect_tcp("RA")
        f.expect_nothing()
        assert f.conn.state == 0
        assert list(f.st.tcp.connections()) == []


def test_fin_wait_2_of_an_orphan():
    """RFC 9293 3.6 (MAY): FIN-WAIT-2 that nobody waits for any more ends by itself."""
    f = bench.established()
    f.close()
    f.expect_tcp("FA")
    f.tcp("A")
    assert f.conn.state == 6
    f.advance(60001)
    _gone(f)
    f.expect_nothing()


def test_close_in_fin_wait_2():
    """RFC 9293 3.6: shutdown first, close later: the same end."""
    f = bench.fin_wait_2()
    f.advance(200000)
    assert f.conn.state == 6  # a program that reads may wait for ever
    f.close()
    f.advance(60001)
    _gone(f)


def test_notify_is_dropped_by_close():
    """RFC 9293 3.10.4: after close() the user hears no more of the connection."""
    f = bench.established()
    told = []
    f.conn.notify = told.append
    f.close()
    f.tcp("FA")
    f.advance(100000)
    assert not told
    f.peer.take()


def test_fin_with_closed_window():
    """RFC 9293 3.10.4: a FIN waits behind text that a closed window holds back."""
    f = bench.established()
    f.tcp("A", wnd=0)
    f.write(b"abc")
    f.close()
    assert not [p for p in f.peer.take() if "F" in p.flags]
    f.tcp("A", wnd=1000)
    sent = f.peer.take()
    assert sent[-1].flags == "FPA" and sent[-1].data == b"abc", sent


# -- TIME-WAIT ---------------------------------------------------------------------------------


def test_time_wait_restarts():
    """RFC 9293 3.10.7.4 eighth: a FIN in TIME-WAIT is acknowledged and restarts 2 MSL."""
    f = bench.time_wait()
    f.advance(59000)
    f.tcp("FA", seq=1)
    f.expect_tcp("A", seq=2, ack=2)
    f.advance(59000)
    assert f.conn.state == 10
    f.advance(1001)
    _gone(f)


def test_syn_in_time_wait():
    """RFC 9293 3.10.7.4 (MAY-2): a SYN beyond the old numbers opens a new connection ..."""
    f = bench.time_wait()
    old = f.conn
    last = f.irs + 2
    g = f.peer.flow(f.sport, 80, iss=f.iss + 100)
    g.tcp("S")
    g.expect_tcp("SA", seq=0, ack=1)
    assert old.state == 0
    # ... with an ISS beyond those we have used
    assert 0 < (g.irs - last) & 0xFFFFFFFF < 0x80000000
    g.tcp("A")
    assert len(f.listener.ready) == 1


def test_iss_after_time_wait():
    """RFC 9293 3.10.7.4 (MAY-2 (1)): however much was sent, the new ISS lies beyond it."""
    f = bench.time_wait()
    rows = f.st.tcp.timewait.rows
    rows.key_for(f.conn)
    at = rows.find() * rows.width + 1  # SND.MAX in the record
    last = rows.words[at] = (rows.words[at] + 100000000) & 0xFFFFFFFF
    g = f.peer.flow(f.sport, 80, iss=f.iss + 100)
    g.tcp("S")
    g.expect_tcp("SA", seq=0, ack=1)
    assert 0 < (g.irs - last) & 0xFFFFFFFF < 0x80000000


def test_old_syn_in_time_wait():
    """RFC 9293 3.10.7.4: a SYN among the old numbers is an old one: an ACK, TIME-WAIT stays."""
    f = bench.time_wait()
    f.tcp("S", seq=0)
    f.expect_tcp("A", seq=2, ack=2)
    assert f.conn.state == 10


def test_syn_ack_in_time_wait():
    """RFC 9293 3.10.7.4: a SYN,ACK does not open a new connection."""
    f = bench.time_wait()
    f.tcp("SA", seq=100)
    f.expect_tcp("A", seq=2, ack=2)
    assert f.conn.state == 10


def test_syn_in_time_wait_without_listener():
    """RFC 9293 3.10.7.4: with nobody to take the new connection, a SYN gets an ACK."""
    f = bench.time_wait(active=True)
    f.tcp("S", seq=100)
    f.expect_tcp("A", seq=2, ack=2)
    assert f.conn.state == 10


def test_connect_in_time_wait():
    """RFC 9293 3.10.1: OPEN of a connection in TIME-WAIT: it exists."""
    f = bench.time_wait(active=True)
    with inside(f.st):
        other = f.st.tcp.open()
        other.lport = f.conn.lport
        bench.raises(98, other.connect, f.st.ip4, f.peer.addr, 80)


def test_oldest_gives_way():
    """RFC 9293 3.6.1: at the limit of records the oldest TIME-WAIT makes room, counted."""
    for budget in (32 * 1024, 44 * 1024, 64 * 1024):  # also limits that are no power of two
        _fill_time_wait(bench.listening(budget=budget, backlog=50))


def _fill_time_wait(f):
    rows = f.st.tcp.timewait.rows
    limit = rows.limit
    conns = []
    for i in range(limit + 3):
        g = f.peer.flow(41000 + i, 80)
        g.tcp("S")
        g.expect_tcp("SA", seq=0)
        g.tcp("A")
        with inside(f.st):
            g.conn = f.listener.accept()
        g.call("shutdown_send")
        g.tcp("FA", ack=2)
        f.peer.take()
        assert g.conn.state == 10
        conns.append(g.conn)
        f.clock.ms += 1
    assert rows.count == limit and f.host.stat("tcp")["recycled"] == 3
    assert [c.state for c in conns] == [0] * 3 + [10] * limit


bench.run_tests(globals())
