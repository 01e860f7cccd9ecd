# Sockets that a program loses without closing them: the collector finds them, and they end as if
# they had been closed (docs/library/socket.rst of MicroPython: "automatically closed when they are
# garbage-collected").

import bench
import gc
import select
import socket
from netstack.api import drop, host


def deep(n, function):
    """Call it with nothing of what it leaves on the stack: the collector is conservative."""
    if n:
        return deep(n - 1, function)
    return function()


def wiped(n):
    """Overwrite what calls have left on the stack."""
    return n + wiped(n - 1) if n else 0


def collect(condition):
    """Collect until it holds. A number on the stack may look like an address now and then."""
    for _ in range(50):
        wiped(20)
        gc.collect()
        if host.wait(condition, 20):
            return
    raise AssertionError("not collected")


def listener():
    s = socket.socket()
    bench.at_end(s.close)
    s.bind(("127.0.0.1", 0))
    s.listen(20)
    return s


def peer_of_lost(words=b""):
    """The end of a connection whose other end has sent `words` and been lost."""
    server = listener()
    got = []

    def lose():
        client = socket.socket()
        client.connect(server.getsockname())
        client.sendall(words)
        conn, _ = server.accept()
        bench.at_end(conn.close)
        got.append(conn)

    deep(10, lose)
    return got.pop()


def test_connection():
    """The peer gets all of it, and the end."""
    conn = peer_of_lost(b"last words")
    conn.settimeout(60)
    assert conn.recv(100) == b"last words"
    collect(lambda: conn._io.eof_seen)
    assert conn.recv(100) == b""


def test_many():
    """As many as the stack has room for, again and again; nothing is left of them."""
    server = listener()
    st = host.stack()
    before = len(drop.held)
    spent = st.spent

    def lose():
        client = socket.socket()
        client.connect(server.getsockname())
        client.send(b"x")
        server.accept()

    for _ in range(bench.scale(100)):
        deep(5, lose)
        if len(drop.held) > before + 10:
            collect(lambda: len(drop.held) <= before + 4)
    # one or two may still look as if a number on the stack were their address
    collect(lambda: len(drop.held) <= before + 2)
    assert st.spent <= spent + 4 * 4380 * 2, st.spent - spent


def test_listener():
    ports = []

    def lose():
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        s.listen(1)
        ports.append(s.getsockname()[1])

    deep(10, lose)
    free = listener()  # pushes the other out of what the last calls have left behind
    free.close()

    def is_free():
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", ports[0]))
            except OSError:
                return False
        return True

    collect(is_free)


def test_datagrams():
    ports = []

    def lose():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("127.0.0.1", 0))
        ports.append(s.getsockname()[1])

    deep(10, lose)

    def is_free():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.bind(("127.0.0.1", ports[0]))
            except OSError:
                return False
        return True

    collect(is_free)


def test_kept():
    """What a program still has, by whatever way, stays."""
    server = listener()
    client = socket.socket()
    bench.at_end(client.close)
    client.connect(server.getsockname())
    conn, _ = server.accept()
    bench.at_end(conn.close)
    poller = select.poll()
    poller.register(conn, select.POLLIN)
    twin = client.dup()
    bench.at_end(twin.close)
    for _ in range(3):
        wiped(20)
        gc.collect()
        host.pump()
    client.close()
    gc.collect()
    host.pump()
    twin.sendall(b"here")
    assert poller.poll(30000)[0][0] is conn and conn.recv(10) == b"here"


def test_callback_keeps():
    """A socket with a callback (option 20) is there for as long as what it listens to."""
    server = listener()
    got = []

    def lose():
        client = socket.socket()
        client.connect(server.getsockname())
        client.setsockopt(socket.SOL_SOCKET, 20, lambda s: got.append(s.recv(10)))

    deep(10, lose)
    conn, _ = server.accept()
    bench.at_end(conn.close)
    wiped(20)
    gc.collect()
    conn.sendall(b"wake up")
    assert host.wait(lambda: got, 30000) and got == [b"wake up"]
    conn.close()
    for io in list(drop.held.values()):
        if io.notify not in (drop.lost, None) and hasattr(io, "raddr") and io.raddr:
            io.close()


def test_closed_is_forgotten():
    before = list(drop.held.values())  # other tests' are forgotten at any moment
    socks = [socket.socket() for _ in range(5)]
    ours = [io for io in drop.held.values() if io not in before]
    assert drop.Guard is None or len(ours) == 5
    for s in socks:
        s.close()
        s.close()
    assert not any(io in ours for io in drop.held.values())


def test_inside_the_stack():
    """What the collector finds while the stack is busy waits until that is over."""
    conn = peer_of_lost()
    wiped(20)
    st = host.stack()
    with bench.inside(st):
        for _ in range(3):
            gc.collect()
        assert not conn._io.eof_seen
    collect(lambda: conn._io.eof_seen)


def test_port_again():
    """Who wants the port of a lost socket gets it, as in CPython."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):

        def bound(port):
            s = socket.socket(socket.AF_INET, kind)
            bench.at_end(s.close)
            s.bind(("127.0.0.1", port))
            return s.getsockname()[1]

        def lose():
            s = socket.socket(socket.AF_INET, kind)
            s.bind(("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                s.listen(1)
            ports.append(s.getsockname()[1])

        def is_free():
            try:
                return bound(ports[0])
            except OSError as error:
                assert error.errno == 98
                wiped(20)

        ports = []
        deep(10, lose)
        bound(0)  # pushes the other out of what the last calls have left behind
        assert any(is_free() for _ in range(10))


def test_more_than_memory():
    """Datagram sockets that nobody closes, more of them than there is memory for at a time."""
    n = host.stack().budget // 6144 + 20
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        for i in range(n):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            if i & 1:
                s.bind(("127.0.0.1", 0))
            assert s.sendto(b"x", server.getsockname()) == 1


def test_server_that_closes_nothing():
    server = listener()
    for _ in range(host.stack().budget // 4380 + 20):
        client = socket.socket()
        client.settimeout(20)
        client.connect(server.getsockname())
        conn, _ = server.accept()
        conn.send(b"x")
        assert client.recv(1) == b"x"
        client.close()


def test_no_memory_for_who_comes():
    """The stack asks for the collector when a SYN meets no memory (tcp/test_limits.py)."""
    conn = peer_of_lost()
    st = host.stack()
    assert st.short is drop.short

    def ended():
        wiped(20)
        st.short()
        return conn._io.eof_seen

    assert host.wait(ended, 20000)


if drop.Guard is None:
    print("SKIP: this MicroPython has no finalisers for sockets")
else:
    bench.run_tests(globals())
