# TCP and UDP by callbacks: bytes arrive equal and are looked at where they lie, a ring that goes
# round in two parts; nothing is allocated for a segment; what goes wrong is told once.

import allocated
import bench
import callers
from callers import Log, pattern
from netstack.api import callbacks, host

EAGAIN = 11
EADDRINUSE = 98
ENETUNREACH = 101
ECONNRESET = 104
ETIMEDOUT = 110
ECONNREFUSED = 111
PORT = 7
SIZE = bench.scale(60000)


class Pair(callers.Pair):
    def __init__(self, accepted=None, opened=None, size=4096, **wire):
        callers.Pair.__init__(self, PORT, accepted, opened, size, **wire)


def sender(data):
    """on_sent: write what there is room for, until all is."""
    at = 0

    def go(conn, n=0):
        nonlocal at
        while at < len(data):
            n = conn.write(data, at, min(1000, len(data) - at))
            if n <= 0:
                assert n == -EAGAIN, n
                return
            at += n

    return go


def transfer(go, data):
    p = callers.transfer(Pair, go, data)
    assert p.server.wraps, "no ring went round"
    return p


def test_bytes_arrive_as_they_were_sent():
    """Through rings of 4 kB; what on_sent() tells adds up."""
    data = pattern(SIZE)
    transfer(sender(data), data)


def test_room_counts_what_the_ring_may_grow_by():
    """write() takes as much as room() has told, from the first byte on: more than one segment."""
    data = pattern(SIZE)
    at = 0
    told = []

    def go(conn, n=0):
        nonlocal at
        told.append(conn.room())
        n = min(conn.room(), len(data) - at)
        if n > 0:
            assert conn.write(data, at, n) == n
            at += n

    transfer(go, data)
    assert told[0] > 1460, told


def test_bytes_are_produced_in_the_ring():
    """produce(): both parts of a ring that goes round; no more than is asked for."""
    data = pattern(SIZE)
    done = twice = 0

    def fill(conn, buf, at, n, more):
        nonlocal done, twice
        assert n > 0 and more >= 0 and n + more <= 700
        if more and done + n + more <= len(data):
            twice += 1
        left = len(data) - done
        n = min(n, left)
        more = min(more, left - n)
        buf[at : at + n] = data[done : done + n]
        buf[:more] = data[done + n : done + n + more]
        done += n + more
        return n + more

    def go(conn):
        while done < len(data):
            n = conn.produce(fill, 700)
            if n <= 0:
                assert n == -EAGAIN, n
                return

    transfer(go, data)
    assert twice


def test_what_is_not_consumed_comes_again():
    """RFC 9293 3.8.6: the window closes meanwhile, and opens when it is consumed."""
    seen = []

    def look(conn, buf, at, n, more):
        seen.append(n + more)

    def accepted(conn):
        p.server.of(conn)
        conn.on_recv = look

    p = Pair(accepted, size=3000)
    p.join()
    data = pattern(8000)
    go = sender(data)
    p.client.conn.on_sent = go
    with bench.inside(p.a.st):
        go(p.client.conn)
    p.rest(5000)
    conn = p.server.conn
    assert seen == sorted(seen) and seen[-1] == conn.available() == 3000
    got = bytearray()

    def part():
        if conn.available():
            with bench.inside(p.b.st):
                for view in conn.views():
                    got.extend(view)
                    conn.consume(len(view))
        return len(got) == len(data)

    p.run(part)
    assert bytes(got) == data


def test_views_of_a_ring_that_goes_round():
    p = Pair(size=3000).join()
    conn = p.server.conn
    conn.on_recv = None
    data = pattern(4000)
    with bench.inside(p.a.st):
        assert p.client.conn.write(data, 0, 2500) == 2500
    p.rest()
    with bench.inside(p.b.st):
        first, second = conn.views()
        assert bytes(first) == data[:2500] and len(second) == 0
        conn.consume(2000)
        assert bytes(conn.views()[0]) == data[2000:2500]
    p.rest()
    with bench.inside(p.a.st):
        assert p.client.conn.write(data, 2500, 1500) == 1500
    p.rest()
    with bench.inside(p.b.st):
        first, second = conn.views()
        assert len(first) and len(second)
        assert bytes(first) + bytes(second) == data[2000:]
        conn.on_recv = p.server.recv
        conn.offer()
    assert bytes(p.server.got) == data[2000:] and p.server.wraps == 1
    assert not conn.views()[0]


def test_the_end_is_told_once_and_after_the_rest():
    for late in (False, True):
        p = Pair().join()
        conn = p.server.conn
        if late:
            conn.on_recv = lambda conn, buf, at, n, more: p.server.got.extend(buf[at : at + n])
        with bench.inside(p.a.st):
            assert p.client.conn.write(b"last words") == 10
            p.client.conn.close()
        p.rest()
        assert bytes(p.server.got) == b"last words"
        if late:
            assert p.server.ends == 0
            conn.on_recv = p.server.recv
            with bench.inside(p.b.st):
                conn.consume(10)
        assert p.server.ends == 1
        with bench.inside(p.b.st):
            conn.close()
        p.rest(1000)
        assert p.server.ends == 1 and not p.server.errors + p.client.errors
        p.stop()


def test_a_connection_that_nobody_takes_is_an_error():
    p = Pair()
    with bench.inside(p.a.st) as st:
        other = callbacks.connect(p.b.addr, 9, None, st)
        log = Log()
        log.of(other)
    p.rest()
    assert log.errors == [ECONNREFUSED] and log.conn.state == 0
    with bench.inside(p.a.st):
        assert other.write(b"x") == -ECONNREFUSED
        bench.raises(ENETUNREACH, callbacks.connect, b"\xc0\0\2\1", 9, None, p.a.st)


def test_a_reset_is_an_error_after_what_has_come():
    p = Pair().join()
    with bench.inside(p.a.st):
        p.client.conn.write(b"so far")
    p.rest()
    spent = p.b.st.spent
    with bench.inside(p.a.st):
        p.client.conn.abort()
    p.rest()
    assert bytes(p.server.got) == b"so far"
    assert p.server.errors == [ECONNRESET] and p.server.ends == 0
    assert p.b.st.spent < spent, "what it held has not been given back"
    assert not p.client.errors, "who resets is not told"
    with bench.inside(p.b.st):
        assert p.server.conn.write(b"x") == -ECONNRESET


def test_a_silent_peer_is_an_error():
    p = Pair().join()
    p.wire.loss = 100
    with bench.inside(p.a.st):
        p.client.conn.set("user_timeout", 5000)
        p.client.conn.write(b"anybody?")
    p.run(lambda: p.client.errors)
    assert p.client.errors == [ETIMEDOUT]


def test_closing_inside_a_callback():
    """Nothing is called any more, whatever has come meanwhile."""
    calls = []

    def once(conn, buf, at, n, more):
        calls.append(n)
        conn.abort()

    def accepted(conn):
        conn.on_recv = once
        p.server.conn = conn

    p = Pair(accepted)
    p.join()
    with bench.inside(p.a.st):
        p.client.conn.write(b"one")
    p.rest()
    with bench.inside(p.a.st):
        p.client.conn.write(b"two")
    p.rest()
    assert calls == [3] and p.client.errors == [ECONNRESET]


def test_calls_from_outside_are_refused():
    p = Pair().join()
    conn = p.client.conn
    with bench.inside(p.a.st) as st:
        listener = callbacks.listen(80, None, st=st)
        endpoint = callbacks.datagrams(80, st=st)
    for call in (
        lambda: conn.write(b"x"),
        lambda: conn.consume(0),
        lambda: conn.produce(None, 1),
        conn.shutdown_send,
        conn.shutdown_recv,
        conn.close,
        conn.abort,
        listener.close,
        endpoint.close,
        lambda: callbacks.listen(80, None, st=p.a.st),
        lambda: callbacks.connect(p.b.addr, 80, None, p.a.st),
        lambda: callbacks.datagrams(80, None, st=p.a.st),
        lambda: callbacks.after(1, None, p.a.st),
    ):
        try:
            call()
        except RuntimeError as error:
            assert "callbacks.lock" in str(error)
        else:
            raise AssertionError("a call from outside was taken")
    lock = callbacks.Lock(p.a.st)
    with lock:
        bench.raises(EAGAIN, lock.__enter__)  # from what has interrupted the stack, say
        assert conn.write(b"x") == 1


def test_wrong_arguments():
    p = Pair().join()
    conn = p.client.conn
    buf = bytes(10)
    with bench.inside(p.a.st) as st:
        for call in (
            lambda: conn.write(buf, 0, 11),
            lambda: conn.write(buf, -1, 2),
            lambda: conn.write(buf, 8, 3),
            lambda: conn.write(buf, 0, -1),
            lambda: conn.consume(1),
            lambda: conn.consume(-1),
            lambda: conn.produce(lambda *_: 11, 10),
            lambda: conn.produce(lambda *_: -1, 10),
            lambda: callbacks.listen(70000, None, st=st),
            lambda: callbacks.connect(b"123", 80, None, st),
        ):
            try:
                call()
            except ValueError:
                pass
            else:
                raise AssertionError("a wrong argument was taken")
        assert conn.write(buf, 10) == 0
        callbacks.listen(8, None, st=st)
        bench.raises(EADDRINUSE, callbacks.listen, 8, None, None, 5, st)
        [each.close() for each in list(st.tcp.listeners())]


def test_a_timer_is_called_once():
    calls = []
    p = Pair().join()
    with bench.inside(p.a.st) as st:
        timer = callbacks.after(1000, lambda: calls.append(1), st)
        other = callbacks.after(1000, lambda: calls.append(2), st)
        callbacks.cancel(other, st)
    p.rest(900)
    assert not calls
    p.rest(5000)
    assert calls == [1]
    with bench.inside(p.a.st) as st:
        callbacks.cancel(timer, st)


# -- datagrams ----------------------------------------------------------------------------------


def test_datagrams():
    """Answered where they lie; sent to an address, and back to who has sent one."""
    a, b, wire = bench.pair()
    spent = b.st.spent
    got = []

    def answer(endpoint, buf, at, n):
        assert endpoint.from_len == 4 and bytes(endpoint.from_addr[:4]) == a.addr
        buf[at] = 0x41
        return n

    def heard(endpoint, buf, at, n):
        got.append((bytes(memoryview(buf)[at : at + n]), endpoint.from_port))
        if n == 5:
            assert endpoint.respond(b"and more") == 8

    with bench.inside(b.st) as st:
        server = callbacks.datagrams(PORT, answer, st=st)
        assert st.spent == spent, "a ring has been made"
    with bench.inside(a.st) as st:
        client = callbacks.datagrams(0, heard, st=st)
        assert client.write(b"_xyz", 0, None, b.addr, PORT) == 4
        assert client.write(b"__12345_", 2, 5, b.addr, PORT) == 5
    wire.run(100)
    assert sorted(got) == [(b"A2345", PORT), (b"And more", PORT), (b"Axyz", PORT)], got
    with bench.inside(a.st):
        for arguments in ((b"x", 0, 2), (b"x", 0, 1, b"123", 5), (b"x", 0, 1, b.addr, 70000)):
            try:
                client.write(*arguments)
            except ValueError:
                continue
            raise AssertionError("%r was taken" % (arguments,))
        client.close()
    with bench.inside(b.st):
        server.close()


def test_an_icmp_error_is_told():
    a, b, wire = bench.pair()
    errors = []
    with bench.inside(a.st) as st:
        client = callbacks.datagrams(st=st)
        client.on_error = lambda endpoint, errno: errors.append(errno)
        client.connect(st.ip4, b.addr, 9)
        assert client.write(b"anybody?") == 8
    wire.run(100)
    assert errors == [ECONNREFUSED]
    with bench.inside(a.st):
        assert client.write(b"again") == 5
        client.close()
    wire.run(100)
    assert errors == [ECONNREFUSED]


# -- on the shared stack, over loopback ---------------------------------------------------------


def pump_until(done):
    assert host.wait(done, 20000), "not done in 20 s"


def end(conn):
    with callbacks.lock:  # a board's service may poll at any moment
        conn.abort()


def joined(address):
    """(client, server side) over loopback."""
    ends = [None, None]

    def accepted(conn):
        ends[1] = conn

    def opened(conn):
        ends[0] = conn

    with callbacks.lock:
        listener = callbacks.listen(0, accepted, address)
        callbacks.connect(address, listener.lport, opened)
    pump_until(lambda: ends[0] and ends[1])
    with callbacks.lock:
        listener.close()
    for conn in ends:
        bench.at_end(lambda conn=conn: end(conn))
        conn.set("nodelay", True)
    return ends


class Stream:
    """Segments of 1000 bytes, written and produced, one after the other."""

    def __init__(self, address):
        self.client, self.server = joined(address)
        self.server.on_recv = self.got
        self.client.on_sent = self.sent
        self.fill_bound = self.fill
        self.arrived_bound = self.arrived
        self.done_bound = self.done
        self.data = bytes(1000)
        self.total = self.received = self.acknowledged = 0

    def got(self, conn, buf, at, n, more):
        self.received += n + more
        conn.consume(n + more)

    def sent(self, conn, n):
        self.acknowledged += n

    def fill(self, conn, buf, at, n, more):
        return n + more

    def arrived(self):
        return self.received == self.total

    def done(self):
        return self.received == self.acknowledged == self.total

    def run(self):
        client = self.client
        for i in range(20):
            with callbacks.lock:
                if i & 1:
                    n = client.produce(self.fill_bound, 1000)
                else:
                    n = client.write(self.data)
            assert n > 0
            self.total += n
            assert host.wait(self.arrived_bound, 20000)
        assert host.wait(self.done_bound, 20000)


def test_segments_allocate_nothing():
    """write(), produce(), on_recv(), consume() and on_sent(), over IPv4 and IPv6."""
    for address in ("127.0.0.1", "::1"):
        stream = Stream(address)
        stream.run()  # until windows have grown
        assert allocated.allocated(stream.run) == 0
        assert stream.total > 60000


class Echo:
    """Datagrams there and back."""

    def __init__(self):
        self.there = self.back = self.total = 0
        self.done_bound = self.done
        self.data = bytes(100)
        self.address = b"\x7f\0\0\1"
        with callbacks.lock:
            self.server = callbacks.datagrams(0, self.answer)
            self.client = callbacks.datagrams(0, self.heard)

    def answer(self, endpoint, buf, at, n):
        self.there += 1
        return n

    def heard(self, endpoint, buf, at, n):
        self.back += 1

    def done(self):
        return self.there == self.back == self.total

    def run(self):
        for _ in range(20):
            with callbacks.lock:
                self.client.write(self.data, 0, 100, self.address, self.server.lport)
            self.total += 1
            assert host.wait(self.done_bound, 20000)


def test_datagrams_allocate_nothing():
    echo = Echo()
    assert allocated.allocated(echo.run) == 0
    assert echo.total == 60
    with callbacks.lock:
        echo.client.close()
        echo.server.close()


bench.run_tests(globals())
