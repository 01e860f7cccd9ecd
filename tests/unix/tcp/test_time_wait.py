# TIME-WAIT as a record: what it takes, and what it answers. RFC 9293 3.6.1, 3.10.7.4. More of it
# is in test_close.py.

import gc

import bench
from bench import inside, opt_mss


def test_takes_no_connection():
    """DESIGN 4: neither rings nor a timer nor a place among the connections, and little heap."""
    f = bench.listening(budget=1 << 20)
    st = f.st
    spent = st.spent
    timers = len(st.timers.list)
    rows = st.tcp.timewait.rows

    def one(i):
        g = f.peer.flow(20000 + i, 80)
        g.tcp("S", opts=opt_mss(1460))
        g.expect_tcp("SA")
        g.tcp("A")
        with inside(st):
            conn = f.listener.accept()
            conn.close()
        f.peer.poll()
        g.tcp("FA", ack=2)
        f.peer.take()

    for i in range(70):
        one(i)
    gc.collect()
    before = gc.mem_alloc()
    for i in range(70, 120):
        one(i)
    gc.collect()
    each = (gc.mem_alloc() - before) // 50
    assert rows.count == 120 and each < 150, each
    assert st.spent == spent and len(st.timers.list) == timers
    assert list(st.tcp.connections()) == []
    f.advance(60001)
    assert rows.count == 0


def test_reset_is_ignored():
    """RFC 1337 section 4 (F1): a RST does not end TIME-WAIT."""
    f = bench.time_wait()
    f.tcp("R")
    f.tcp("RA")
    f.expect_nothing()
    f.tcp("FA", seq=1)
    f.expect_tcp("A", seq=2, ack=2)
    assert f.conn.state == 10


def test_silent_when_nothing_is_wrong():
    """RFC 9293 3.10.7.4: an acceptable ACK is not answered, or two ends would never end."""
    f = bench.time_wait()
    f.tcp("A")
    f.tcp("A", data=b"text behind the FIN")
    f.expect_nothing()


def test_old_segments():
    """RFC 9293 3.10.7.4 first: old text and old ACKs are answered with an ACK; bare ones no more
    than ten times a second (RFC 5961 section 7)."""
    f = bench.time_wait()
    f.tcp("A", seq=0, data=b"x")
    f.expect_tcp("A", seq=2, ack=2)
    for _ in range(30):
        f.tcp("A", seq=0x70000000)
    assert 0 < len(f.peer.take()) <= 10


def test_what_is_left_can_be_read():
    """RFC 9293 3.10.4: text that has come before the FIN waits for the program in TIME-WAIT, and
    its memory with it."""
    f = bench.fin_wait_2()
    spent = f.st.spent
    f.tcp("FA", data=b"the rest")
    f.peer.take()
    assert f.conn.state == 10 and f.st.spent <= spent
    assert f.read() == b"the rest" and f.read() == b""
    f.advance(60001)
    assert f.conn.state == 0 and f.conn.error == 0
    assert f.read() == b""


def test_end_is_told():
    """RFC 9293 3.10.8: the program that still holds the connection learns of its end."""
    f = bench.time_wait()
    told = []
    f.conn.notify = lambda c: told.append(c.state)
    f.advance(60001)
    assert told == [0], told


def test_closed_in_time_wait():
    """RFC 9293 3.10.4: close() in TIME-WAIT: the record stays, the connection is let go."""
    f = bench.time_wait()
    f.close()
    f.tcp("FA", seq=1)
    f.expect_tcp("A", seq=2, ack=2)
    f.advance(60001)
    assert f.st.tcp.timewait.rows.count == 0


def test_timestamps():
    """RFC 7323 3.2, 4.3: the ACK bears a timestamp, and echoes the newest; what bears none is
    dropped."""
    f = bench.syn_received(tsval=1000)
    f.tsval = 1010
    f.tcp("A")
    with inside(f.st):
        f.conn = f.listener.accept()
    f.call("shutdown_send")
    f.expect_tcp("FA")
    f.tsval = 1020
    f.tcp("FA")
    assert f.expect_tcp("A", seq=2, ack=2).ts[1] == 1020
    f.advance(1000)
    f.tsval = 2020
    f.tcp("FA", seq=1)
    assert f.expect_tcp("A", seq=2, ack=2).ts[1] == 2020
    f.tsval = None
    f.tcp("FA", seq=1)
    f.expect_nothing()
    f.call("close")


def test_new_port_avoids_it():
    """RFC 6056 3.3.1: connect() chooses no port that leads to numbers in TIME-WAIT."""
    f = bench.time_wait(active=True)
    st = f.st
    port = f.conn.lport
    ports = [port, port, port + 1]
    st.tcp.free_port = lambda but: ports.pop(0)
    with inside(st):
        conn = st.tcp.open()
        conn.connect(st.ip4, f.peer.addr, 80)
    assert conn.lport == port + 1
    with inside(st):
        conn.abort()
    f.peer.take()


bench.run_tests(globals())
