# MemoryError anywhere: polls and calls of one host find the heap locked, at random. Segments are
# lost by that, and connections refused; nothing wedges, nothing but a MemoryError's count stays.

import micropython

import bench
import simbench
from bench import inside

EAGAIN = -11
ENOMEM = -12
PORT = 80
TEXT = bench.Random(3).bytes(4000)


class Starved:
    """A NIC that lets the heap go when it is used itself: it is no part of the stack. From its
    `after`th frame of a poll on the heap is locked."""

    def __init__(self, nic):
        self.nic = nic
        self.mac = nic.mac
        self.mtu = nic.mtu
        self.caps = 0
        self.after = -1
        self.locked = False
        self.percent = 0
        self.calls = None  # when calls are to fail

    def lock(self):
        if not self.locked:
            micropython.heap_lock()
            self.locked = True

    def unlock(self):
        if self.locked:
            micropython.heap_unlock()
            self.locked = False

    def recv(self, buf, off):
        was = self.locked
        self.unlock()
        n = self.nic.recv(buf, off)
        if self.after >= 0:
            self.after -= 1
        if was or self.after == 0:
            self.lock()
        return n

    def send(self, buf, off, n):
        was = self.locked
        self.unlock()
        n = self.nic.send(buf, off, n)
        if was:
            self.lock()
        return n

    def link(self):
        return 1


def starve(host, rnd, percent):
    """Make that many of the polls and calls of `host` meet a locked heap."""
    nic = Starved(host.nic)
    nic.calls = rnd
    nic.percent = percent
    host.nif.use(nic)
    # A locked heap lets no list shrink either, which a full one does: this one always has enough.
    timers = [host.st.timers.new(None) for _ in range(40)]
    poll = host.st.poll

    def starving(now):
        if rnd.percent(percent):
            if rnd.below(2):
                nic.lock()
            else:
                nic.after = rnd.below(4)
        try:
            return poll(now)
        finally:
            nic.after = -1
            nic.unlock()

    def enough():
        host.st.poll = poll
        host.nif.use(host.nic)
        for timer in timers:
            host.st.timers.discard(timer)

    host.st.poll = starving
    return enough


def call(host, function, *args):
    """What a program calls, from outside; -ENOMEM for a MemoryError."""
    nic = host.nif.nic
    locked = isinstance(nic, Starved) and nic.calls.percent(nic.percent)
    st = host.st
    st.enter()
    if locked:
        nic.lock()
    try:
        return function(*args)
    except MemoryError:
        return ENOMEM
    finally:
        st.leave()
        if locked:
            nic.unlock()


class Client:
    """Connects again and again; each connection sends TEXT, is sent it back, and is closed."""

    def __init__(self, host, peer):
        self.host = host
        self.peer = peer
        self.conn = None
        self.buf = bytearray(1000)
        self.done = self.failed = 0

    def step(self):
        if self.conn is None:
            conn = self.conn = self.host.st.tcp.open()
            self.sent = self.got = 0
            try:
                if call(self.host, conn.connect, self.host.ip4, self.peer, PORT) == ENOMEM:
                    self.end(True)
            except OSError:
                self.end(True)
            return
        while self.sent < len(TEXT):
            n = call(self.host, self.conn.send, TEXT, self.sent, len(TEXT) - self.sent)
            if n == EAGAIN or n == ENOMEM:
                break
            if n < 0:
                return self.end(True)
            self.sent += n
        while self.got < len(TEXT):
            n = call(self.host, self.conn.recv, self.buf, 0, len(self.buf))
            if n == EAGAIN or n == ENOMEM:
                return
            if n <= 0:
                return self.end(True)
            assert self.buf[:n] == TEXT[self.got : self.got + n]
            self.got += n
        self.end(False)

    def end(self, failed):
        self.failed += failed
        self.done += not failed
        close(self.host, self.conn)
        self.conn = None


def close(host, conn):
    while call(host, conn.close) == ENOMEM:
        pass


class Server:
    """Sends back what comes."""

    def __init__(self, host):
        self.host = host
        with inside(host.st):
            self.listener = host.st.tcp.listen(None, None, PORT, 5)
        self.conns = []
        self.buf = bytearray(1000)

    def step(self):
        conn = call(self.host, self.listener.accept)
        if conn and conn != ENOMEM:
            self.conns.append([conn, 0, 0])
        for each in self.conns[:]:
            self._serve(each)

    def _serve(self, each):
        conn, got, sent = each
        while True:
            n = call(self.host, conn.recv, self.buf, 0, len(self.buf))
            if n == EAGAIN or n == ENOMEM:
                break
            if n <= 0:
                close(self.host, conn)
                self.conns.remove(each)
                return
            got += n
        while sent < got:
            n = call(self.host, conn.send, TEXT, sent, got - sent)
            if n < 0:
                break
            sent += n
        each[1] = got
        each[2] = sent


def _hosts(seed):
    return bench.pair(tcp=True, budget=128 * 1024, seed=seed, loss=3, delay=3)


def _run(seed, a, b, wire, host):
    """`host` is starved for a while, then all goes on as if nothing had been, and ends."""
    clients = [Client(a, b.addr) for _ in range(4)]
    server = Server(b)

    def step():
        for client in clients:
            client.step()
        server.step()

    for each in (a, b):
        each.st.tcp.msl_ms = 500
    enough = starve(host, bench.Random(seed), 20)
    wire.run(bench.scale(20000), step)
    enough()
    assert host.st.nomem > 3, host.st.nomem
    done = [c.done for c in clients]
    wire.run(20000, step)
    for c, before in zip(clients, done):
        assert c.done > before + 5, (seed, before, c.done)
    for c in clients:
        if c.conn:
            close(a, c.conn)
    wire.run(200000, server.step)
    _nothing_left(a, b, server)
    host.st.nomem = 0
    bench.clean()
    bench.forget()


def _nothing_left(a, b, server):
    for host in (a, b):
        left = [(c.state, c.orphan, c.error) for c in host.st.tcp.connections()]
        assert not left, left
    assert server.listener.pending == 0 and not server.listener.ready and not server.conns
    assert b.st.tcp.synqueue.rows.count == 0
    with inside(b.st):
        server.listener.close()


def test_server():
    for seed in simbench.seeds(5):
        a, b, wire = _hosts(seed)
        _run(seed, a, b, wire, b)


def test_client():
    for seed in simbench.seeds(5):
        a, b, wire = _hosts(seed)
        _run(seed, a, b, wire, a)


bench.run_tests(globals())
