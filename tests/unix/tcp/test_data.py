# TCP in ESTABLISHED: text both ways, PSH, delayed ACKs, Nagle's algorithm; what the calls say.

import bench
from bench import inside, raises
from netstack.transport.tcp import buffers

_EPIPE = 32
_ENOTCONN = 107
_EINVAL = 22
_EISCONN = 106


def test_receive():
    """RFC 9293 3.10.7.4 seventh: text in order is given to the user, and acknowledged."""
    f = bench.established()
    f.tcp("A", data=b"hello")
    assert f.conn.available() == 5
    with inside(f.st):
        buf = bytearray(b"....")
        assert f.conn.peek(buf, 1, 2) == 2 and buf == b".he."
    assert f.read(2) == b"he"
    assert f.read() == b"llo"
    assert f.read() is None
    f.advance(500)
    f.expect_tcp("A", seq=1, ack=6, data=b"")


def test_send():
    """RFC 9293 3.10.2: text goes out in segments of the peer's MSS, the last with PSH."""
    f = bench.established(mss=1000)
    data = bench.Random(1).bytes(2500)
    assert f.write(data) == 2500
    assert f.expect_tcp("A", seq=1, ack=1, data=data[:1000]).flags == "A"
    assert f.expect_tcp("A", seq=1001, data=data[1000:2000]).flags == "A"
    f.tcp("A")
    f.expect_tcp("PA", seq=2001, data=data[2000:])
    f.tcp("A")
    f.advance(5000)
    f.expect_nothing()


def test_headers_change_at_once():
    # What the fast path has written in advance does not outlive TTL and TOS
    f = bench.established()
    for _ in range(8):  # until it is the fast path's
        f.write(b"z" * 1460)
        f.expect_tcp(data=b"z" * 1460)
        f.tcp("A")
    for ttl, tos in ((9, 0), (9, 0x20), (64, 0)):
        f.conn.set("ttl", ttl)
        f.conn.set("tos", tos)
        for _ in range(3):
            f.write(b"z" * 1460)
            packet = f.expect_tcp(data=b"z" * 1460)
            assert (packet.ttl, packet.tos) == (ttl, tos), packet
            f.tcp("A")


def test_device():
    # SO_BINDTODEVICE: a segment that comes in elsewhere is for nobody here
    f = bench.established()
    f.conn.device = f.host.lo
    f.conn.cb[53] = 0  # FAST
    f.tcp("A", seq=1, data=b"x")
    f.expect_tcp("R")
    f.conn.device = f.host.nif
    for _ in range(4):
        f.tcp("A", data=b"x")
        assert f.read() == b"x" and f.conn.cb[53] == 0  # the fast path does not ask
    f.conn.device = None
    f.tcp("A", data=b"x")
    assert f.read() == b"x" and f.conn.cb[53]
    f.peer.take()
    f.listener = listener = f.st.tcp.listen(f.host.ip4, None, 99)
    listener.device = f.host.lo
    f.peer.send(f.peer.ip_frame(6, bench.tcp(f.peer.addr, f.host.addr, 9, 99, 1, 0, "S")))
    assert f.peer.take()[-1].flags == "RA"
    listener.device = f.host.nif
    f.peer.send(f.peer.ip_frame(6, bench.tcp(f.peer.addr, f.host.addr, 10, 99, 1, 0, "S")))
    assert f.peer.take()[-1].flags == "SA"
    with inside(f.st):
        listener.close()


def test_every_length():
    """RFC 9293 3.1: text of any length, even or odd, comes across with a good checksum."""
    f = bench.established(setup=_nodelay)
    rnd = bench.Random(5)
    for n in list(range(1, 20)) + [535, 536, 1459, 1460]:
        data = rnd.bytes(n)
        assert f.write(data) == n
        f.expect_tcp("A", data=data)
        f.tcp("A", data=data)
        assert f.read() == data
        f.peer.take()


def _nodelay(conn):
    with inside(conn.st):
        conn.set("nodelay", True)


def test_ring_wraps_in_a_segment():
    """RFC 9293 3.1: segments read across the end of the send ring, at odd places too."""
    f = bench.established(setup=lambda c: setattr(c, "nodelay", True), mss=1000)
    size = f.conn.room()
    rnd = bench.Random(9)
    done = 0
    while done < 3 * size:
        data = rnd.bytes(2 * (200 + rnd.below(700)) + 1)
        assert f.write(data) == len(data)
        got = b""
        while len(got) < len(data):
            for p in [f.expect_tcp("A", data=None) for _ in range(len(f.peer.sent))]:
                got += p.data
            f.tcp("A")
            # one byte stays unacknowledged for a while, so that the ring does not start anew
        assert got == data
        done += len(data)


def test_room():
    """RFC 9293 3.9.1.2: send() takes what fits, then EAGAIN; the user is told of new room."""
    f = bench.established(mss=1000)
    assert f.conn.room() > 0
    size = 0
    n = f.write(bytes(100000))
    while n > 0:
        size += n
        n = f.write(bytes(100000))
    assert n == -11 and f.conn.room() == 0 and size >= 8192
    told = []
    f.conn.notify = lambda c: told.append(c.room())
    f.peer.take()
    f.tcp("A", ack=1001)
    assert told == [1000], told


def test_delayed_ack():
    """RFC 9293 3.8.6.3 (SHLD-18, MUST-58): one small segment: the ACK waits, less than 500 ms."""
    f = bench.established()
    f.tcp("A", data=b"x")
    f.expect_nothing()
    f.advance(499)
    f.expect_tcp("A", seq=1, ack=2)
    f.advance(5000)
    f.expect_nothing()


def test_every_second_segment():
    """RFC 9293 3.8.6.3 (MUST-59), RFC 5681 4.2: two full segments are acknowledged at once."""
    f = bench.established()
    for i in range(4):
        f.peer.take()  # the window update that reading has caused
        f.tcp("A", data=bytes(1460))
        f.expect_nothing()
        f.tcp("A", data=bytes(1460))
        f.expect_tcp("A")
        f.read()


def test_every_second_small_segment():
    """RFC 9293 3.8.6.3: full segments of a peer with a small MSS count as full."""
    f = bench.established(mss=100)
    f.tcp("A", data=bytes(100))
    f.expect_nothing()
    f.tcp("A", data=bytes(100))
    f.expect_tcp("A", ack=201)


def test_one_ack_for_a_batch():
    """RFC 9293 3.8.6.3: one ACK answers all segments of a batch."""
    f = bench.established()
    for i in range(4):
        f.peer.queue(f.tcp_frame("A", data=bytes(1000)))
    f.peer.poll()
    f.expect_tcp("A", ack=4001)
    f.expect_nothing()


def test_ack_rides_on_data():
    """RFC 9293 3.8.6.3: data that goes out carries the ACK; none follows."""
    f = bench.established()
    f.tcp("A", data=b"ping")
    f.write(b"pong")
    f.expect_tcp("A", ack=5, data=b"pong")
    f.tcp("A")
    f.advance(1000)
    f.expect_nothing()


def test_nagle():
    """RFC 9293 3.7.4 (SHLD-7): while text is in flight, less than a segment waits for its ACK."""
    f = bench.established(mss=1000)
    f.write(b"a")
    f.expect_tcp("A", seq=1, data=b"a")
    f.write(b"b")
    f.write(b"c")
    f.expect_nothing()
    f.tcp("A")
    f.expect_tcp("A", seq=2, data=b"bc")
    f.write(bytes(999))
    f.expect_nothing()
    f.write(b"d")  # a full segment now
    assert len(f.expect_tcp("A", seq=4).data) == 1000


def test_nodelay():
    """RFC 9293 3.7.4 (MUST-17): Nagle's algorithm can be turned off."""
    f = bench.established(setup=_nodelay)
    for i in range(3):
        f.write(b"a")
        f.expect_tcp("PA", seq=1 + i, data=b"a")


def test_batched_writes():
    """RFC 9293 3.7.4: writes inside one call of the stack leave as full segments."""
    f = bench.established(mss=1000)
    with inside(f.st):
        for i in range(20):
            f.conn.send(bytes(100), 0, 100)
    f.peer.poll()
    assert [len(p.data) for p in f.peer.take()] == [1000, 1000]


def test_options_of_packets():
    """RFC 9293 3.9.2 (MUST-48, MUST-49): TTL and TOS are those of the connection."""
    f = bench.established()
    with inside(f.st):
        f.conn.set("ttl", 7)
        f.conn.set("tos", 0x10)
    f.write(b"x")
    p = f.expect_tcp("A", data=b"x", ttl=7)
    assert p.tos == 0x10 and p.df == 1


def test_calls_on_closed():
    """RFC 9293 3.10.2 - 3.10.5, CLOSED: no connection: ENOTCONN; close and abort do nothing."""
    p = bench.peer(tcp=True)
    with inside(p.st):
        conn = p.st.tcp.open()
        buf = bytearray(1)
        assert conn.send(b"x", 0, 1) == -_ENOTCONN
        assert conn.recv(buf, 0, 1) == -_ENOTCONN
        assert conn.room() == 0 and conn.available() == 0 and not conn.eof()
        conn.shutdown_send()
        conn.abort()
        conn.close()
        conn.close()
    p.expect_nothing()


def test_calls_on_established():
    """RFC 9293 3.10.1: OPEN in another state: connection exists."""
    f = bench.established()
    with inside(f.st):
        raises(_EISCONN, f.conn.connect, f.st.ip4, f.peer.addr, 80)
        raises(_EINVAL, f.conn.bind, None, None, 1000)


def test_calls_after_shutdown():
    """RFC 9293 3.10.2, FIN-WAIT-1 and later: SEND: connection closing."""
    f = bench.established()
    f.call("shutdown_send")
    assert f.write(b"x") == -_EPIPE
    assert f.conn.room() == 0
    f.tcp("A", data=b"still open")
    assert f.read() == b"still open"
    f.call("shutdown_send")  # twice does no harm
    assert len([p for p in f.peer.take() if "F" in p.flags]) == 1


def test_shutdown_recv():
    """RFC 1122 4.2.2.13: what nobody will read is acknowledged and thrown away."""
    f = bench.established(rcvbuf=2048)
    f.tcp("A", data=bytes(1000))
    f.call("shutdown_recv")
    assert f.read() == b""
    for i in range(10):
        f.tcp("A", data=bytes(1000))
        f.advance(100)
    sent = f.peer.take()
    assert (sent[-1].ack - f.iss) & 0xFFFFFFFF == 11001, sent
    assert f.conn.state == 4


def test_shutdown_recv_opens_the_window():
    """RFC 9293 3.8.6.2.2: a full ring that nobody will read does not keep the window closed."""
    f = bench.established(rcvbuf=2048)
    f.tcp("A", data=bytes(1400))
    f.tcp("A", data=bytes(648))
    f.advance(100)
    assert f.peer.take()[-1].wnd == 0
    f.call("shutdown_recv")
    assert f.expect_tcp("A").wnd == 2048


def test_memory_is_given_back():
    """DESIGN 7: rings are paid for from the budget while there is a connection, no longer."""
    f = bench.listening()
    before = f.st.spent
    f.tcp("S")
    f.expect_tcp("SA")
    f.tcp("A")
    with inside(f.st):
        f.conn = f.listener.accept()
    assert f.st.spent > before
    f.tcp("A", data=b"unread")
    f.tcp("R")
    assert f.st.spent > before  # it can still be read
    f.close()
    assert f.st.spent == before


def test_memory_of_broken_connections():
    """DESIGN 7: a broken connection keeps what can be read; abort() gives that back as well."""
    f = bench.listening()
    before = f.st.spent
    for ending in ("abort", "close"):
        g = f.peer.flow(41000, 80)
        g.tcp("S")
        g.expect_tcp("SA")
        g.tcp("A")
        with inside(f.st):
            g.conn = f.listener.accept()
        g.tcp("A", data=b"unread")
        g.tcp("R")
        g.call(ending)
        assert f.st.spent == before, ending
        g.call("close")
        g.call("abort")
        assert f.st.spent == before, ending


def _full(size):
    raise MemoryError


def test_ring_that_the_heap_refuses():
    """DESIGN 7: no memory for a ring: the text is dropped, counted and taken when sent again."""
    f = bench.established()
    ring = buffers.Ring
    buffers.Ring = _full
    nomem = f.st.nomem
    f.tcp("A", data=b"abc")
    assert f.read() is None
    assert f.st.nomem == nomem + 1 and f.host.stat("tcp")["nomem"] == 1
    f.expect_tcp("A", ack=1)
    buffers.Ring = ring  # there is heap again
    f.tcp("A", seq=1, data=b"abc")
    assert f.read() == b"abc"
    f.st.nomem = nomem


def test_exception_of_a_program():
    """A callback's own mistake passes through poll(), and the connection goes on: its ACK leaves,
    and what was queued is sent."""
    f = bench.established()

    def stumble(conn):
        conn.send(b"hello", 0, 5)
        conn.notify = None
        raise KeyError("a program's own")

    f.conn.notify = stumble
    try:
        f.tcp(data=b"abc")
    except KeyError:
        pass
    else:
        raise AssertionError("the exception was swallowed")
    f.peer.poll()
    f.expect_tcp("A", ack=4, data=b"hello")
    f.advance(5000)
    assert len(f.peer.take()) >= 3, "it is not sent again"
    f.tcp("A", ack=6)
    assert f.read() == b"abc"


bench.run_tests(globals())
