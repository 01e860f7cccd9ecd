# TCP sockets over loopback, both ends in one program: what MicroPython's and CPython's socket
# modules promise. The same file runs on the host and on the boards.

import bench
import errno
import select
import socket
from netstack.api import host

EAGAIN = 11
EBADF = 9
EPIPE = 32
EADDRINUSE = 98
ECONNRESET = 104
EISCONN = 106
ENOTCONN = 107
ETIMEDOUT = 110
ECONNREFUSED = 111
EINPROGRESS = 115


def listener(port=0, backlog=5):
    s = socket.socket()
    bench.at_end(s.close)
    s.bind(("127.0.0.1", port))
    s.listen(backlog)
    return s


def dial(server):
    s = socket.socket()
    bench.at_end(s.close)
    s.settimeout(60)
    s.connect(server.getsockname())
    return s


def joined():
    """(client, server side) of a new connection."""
    server = listener()
    client = dial(server)
    conn, peer = server.accept()
    bench.at_end(conn.close)
    conn.settimeout(60)
    assert peer == client.getsockname(), peer
    server.close()
    return client, conn


def raises(number, function, *args):
    try:
        function(*args)
    except OSError as error:
        assert error.errno == number, "OSError %s, expected %d" % (error, number)
        return
    raise AssertionError("OSError %d was expected" % number)


def arrived(s):
    poller = select.poll()
    poller.register(s, select.POLLIN)
    assert poller.poll(30000)


def test_echo():
    a, b = joined()
    assert a.send(b"hello") == 5
    assert b.recv(100) == b"hello"
    assert b.write("grüße") == 7  # text is sent as UTF-8
    assert a.read(7) == "grüße".encode()
    assert a.getpeername() == b.getsockname() and b.getpeername() == a.getsockname()


def test_end_of_stream():
    a, b = joined()
    a.sendall(b"last words")
    a.close()
    assert b.read() == b"last words"
    assert b.recv(10) == b"" and b.recv_into(bytearray(10)) == 0 and b.readline() == b""
    a.close()  # again: nothing happens


def test_half_close():
    a, b = joined()
    a.sendall(b"question")
    a.shutdown(socket.SHUT_WR)
    assert b.read() == b"question"
    b.sendall(b"answer")
    assert a.recv(100) == b"answer"
    raises(EPIPE, a.send, b"more")


def test_non_blocking():
    a, b = joined()
    a.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    b.setblocking(False)
    assert b.gettimeout() == 0
    raises(EAGAIN, b.recv, 10)
    raises(EAGAIN, b.recv_into, bytearray(10))
    assert b.read(10) is None and b.readinto(bytearray(10)) is None and b.readline() is None
    a.sendall(b"abc")
    arrived(b)
    assert b.read(10) == b"abc"  # no more is there
    a.sendall(b"abc")
    arrived(b)
    buf = bytearray(10)
    assert b.readinto(buf) == 3 and buf[:3] == b"abc"


def test_full():
    """A peer that does not read: sends become short, then none; then all of it arrives."""
    a, b = joined()
    a.setblocking(False)
    data = bytes(range(256)) * 64
    sent = 0
    while True:
        n = a.write(data)
        if n is None:
            break
        sent += n
    raises(EAGAIN, a.send, data)
    raises(EAGAIN, a.sendall, data)
    got = b.read(sent)
    assert len(got) == sent
    a.settimeout(60)
    assert a.write(b"x") == 1 and b.recv(1) == b"x"


def test_big():
    """More than all buffers hold, through select.poll, in both directions at once."""
    size = bench.scale(400000)
    a, b = joined()
    a.setblocking(False)
    b.setblocking(False)
    poller = select.poll()
    todo = {}
    for s in (a, b):
        poller.register(s, select.POLLIN | select.POLLOUT)
        todo[id(s)] = [size, size]  # to send, to receive
    block = bytes(i * 7 & 255 for i in range(256)) * 40
    buf = bytearray(5000)
    while True:
        for s, event in poller.poll(10000):
            left = todo[id(s)]
            if event & select.POLLOUT and left[0]:
                at = (size - left[0]) % 256
                left[0] -= s.send(memoryview(block)[at : at + min(left[0], 9000)])
            if event & select.POLLIN:
                at = (size - left[1]) % 256
                n = s.recv_into(buf)
                assert buf[:n] == block[at : at + n]
                left[1] -= n
            if left == [0, 0]:
                poller.unregister(s)
                todo.pop(id(s))
        if not todo:
            return


def test_timeout():
    a, b = joined()
    b.settimeout(0.05)
    assert b.gettimeout() == 0.05
    bench.takes(49, 500, raises, ETIMEDOUT, b.recv, 10)
    raises(ETIMEDOUT, b.readinto, bytearray(10))
    raises(ETIMEDOUT, b.readline)
    raises(ETIMEDOUT, b.read, 10)
    a.sendall(b"abc")
    buf = bytearray(10)
    assert b.readinto(buf) == 3  # what has come in time is not lost
    server = listener()
    server.settimeout(0.02)
    raises(ETIMEDOUT, server.accept)
    server.setblocking(False)
    raises(EAGAIN, server.accept)


def test_lines():
    a, b = joined()
    a.sendall(b"one\n\nthree is longer than sixty-four bytes " + b"." * 100 + b"\nrest")
    f = b.makefile("rb")
    assert f.readline() == b"one\n"
    assert f.readline() == b"\n"
    assert f.readline(5) == b"three"
    assert f.readline() == b" is longer than sixty-four bytes " + b"." * 100 + b"\n"
    a.close()
    assert f.readline() == b"rest" and f.readline() == b""


def test_iterate_and_print():
    a, b = joined()
    print("line", 1, file=a)
    print("line", 2, file=a)
    a.close()
    assert list(b) == [b"line 1\n", b"line 2\n"]


def test_read_sizes():
    a, b = joined()
    a.sendall(b"0123456789")
    assert b.recv(4) == b"0123"
    assert b.recv(0) == b""
    buf = bytearray(b"........")
    assert b.recv_into(buf, 2) == 2 and buf == b"45......"
    assert b.readinto(memoryview(buf)[2:], 2) == 2 and buf == b"4567...."
    data, peer = b.recvfrom(100)
    assert data == b"89" and peer == a.getsockname()
    try:
        b.recv_into(b"cannot be written")
    except TypeError:
        pass
    else:
        raise AssertionError("TypeError was expected")


def test_write_part():
    a, b = joined()
    assert a.write(b"abcdef", 3) == 3 and b.recv(10) == b"abc"
    assert a.write(b"abcdef", 2, 3) == 3 and b.recv(10) == b"cde"
    assert a.write(b"abcdef", 4, 9) == 2 and b.recv(10) == b"ef"
    assert a.write("abcdef", 6, 1) == 0 and a.write(b"x", 9) == 1 and b.recv(10) == b"x"
    from array import array

    assert a.send(array("H", (0x6161, 0x6262))) == 4 and b.recv(10) == b"aabb"


def test_refused():
    server = listener()
    address = server.getsockname()
    server.close()
    s = socket.socket()
    bench.at_end(s.close)
    raises(ECONNREFUSED, s.connect, address)
    server = listener(address[1])
    s.connect(address)  # the same socket may try again
    assert s.getpeername() == address


def test_connect_without_blocking():
    server = listener()
    s = socket.socket()
    bench.at_end(s.close)
    s.setblocking(False)
    try:
        s.connect(server.getsockname())
    except OSError as error:
        assert error.errno == EINPROGRESS, error
    poller = select.poll()
    poller.register(s, select.POLLOUT)
    assert poller.poll(30000) == [(s, select.POLLOUT)]
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    raises(EISCONN, s.connect, server.getsockname())


def test_refused_without_blocking():
    server = listener()
    address = server.getsockname()
    server.close()
    s = socket.socket()
    bench.at_end(s.close)
    s.setblocking(False)
    try:
        s.connect(address)
    except OSError as error:
        assert error.errno in (EINPROGRESS, ECONNREFUSED), error
    poller = select.poll()
    poller.register(s, select.POLLOUT)
    ready = poller.poll(30000)
    assert ready and ready[0][1] & select.POLLERR, ready
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == ECONNREFUSED
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0  # reading clears it
    raises(EPIPE, s.send, b"x")


def test_poll_flags():
    server = listener()
    poller = select.poll()
    poller.register(server, select.POLLIN)
    assert poller.poll(0) == []
    client = dial(server)
    assert poller.poll(30000) == [(server, select.POLLIN)]
    conn, _ = server.accept()
    bench.at_end(conn.close)
    assert poller.poll(0) == []
    poller.unregister(server)
    poller.register(conn, select.POLLIN)
    assert poller.poll(0) == []
    poller.modify(conn, select.POLLIN | select.POLLOUT)
    assert poller.poll(0) == [(conn, select.POLLOUT)]
    client.sendall(b"x")
    assert poller.poll(30000) == [(conn, select.POLLIN | select.POLLOUT)]
    conn.recv(1)
    client.close()
    poller.modify(conn, select.POLLIN)
    assert poller.poll(30000) == [(conn, select.POLLIN)]
    conn.close()
    assert poller.poll(0) == [(conn, 32)]  # POLLNVAL
    fresh = socket.socket()
    bench.at_end(fresh.close)
    poller.unregister(conn)
    poller.register(fresh)
    assert poller.poll(0) == [(fresh, select.POLLOUT | select.POLLHUP)]


def test_poll_timeout():
    server = listener()
    poller = select.poll()
    poller.register(server, select.POLLIN)

    def nothing():
        assert poller.poll(50) == []

    bench.takes(49, 500, nothing)


def test_backlog():
    server = listener(backlog=2)
    clients = []
    for _ in range(4):
        s = socket.socket()
        bench.at_end(s.close)
        s.settimeout(0.2)
        clients.append(s)
    for s in clients[:2]:
        s.connect(server.getsockname())
    raises(ETIMEDOUT, clients[2].connect, server.getsockname())
    clients[2].close()
    for s in clients[:2]:
        conn, peer = server.accept()
        assert peer == s.getsockname()
        conn.close()
    clients[3].settimeout(60)
    clients[3].connect(server.getsockname())


def test_accept_inherits():
    server = listener()
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, "reno")
    server.settimeout(60)
    client = dial(server)
    conn, _ = server.accept()
    bench.at_end(conn.close)
    assert conn.gettimeout() == 60
    assert conn.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
    assert conn.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16) == b"reno"
    assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16) == b"cubic"


def test_address_in_use():
    server = listener()
    other = socket.socket()
    bench.at_end(other.close)
    raises(EADDRINUSE, other.bind, server.getsockname())
    raises(99, other.bind, ("203.0.113.1", 80))  # EADDRNOTAVAIL
    server.close()
    listener(server_port := 8123)
    raises(EADDRINUSE, other.bind, ("127.0.0.1", server_port))
    raises(EADDRINUSE, other.bind, ("", server_port))
    other.bind(("", 8126))  # bound is enough, listening or not
    third = socket.socket()
    bench.at_end(third.close)
    raises(EADDRINUSE, third.bind, ("127.0.0.1", 8126))
    other.close()
    third.bind(("127.0.0.1", 8126))


def test_restart_server():
    """A server that was closed with connections in TIME-WAIT gets its port again."""
    server = listener(8124)
    client = dial(server)
    conn, _ = server.accept()
    conn.close()  # active close: TIME-WAIT is on the server's side
    assert client.read() == b""
    client.close()
    server.close()
    server = listener(8124)
    client = dial(server)
    conn, _ = server.accept()
    bench.at_end(conn.close)
    client.sendall(b"again")
    assert conn.recv(10) == b"again"


def reset():
    """A socket that its peer has reset."""
    a, b = joined()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    a.close()
    return b


def test_reset():
    poller = select.poll()
    for call in (
        lambda s: s.recv(10),
        lambda s: s.readline(),
        lambda s: s.recv_into(bytearray(1)),
        lambda s: s.send(b"x"),
    ):
        s = reset()
        poller.register(s, select.POLLIN)
        assert poller.poll(0) == [(s, select.POLLIN | select.POLLERR | select.POLLHUP)]
        raises(ECONNRESET, call, s)
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        assert poller.poll(0) == [(s, select.POLLIN | select.POLLHUP)]  # told once
        assert s.recv(10) == s.readline() == b""
        raises(EPIPE, s.send, b"x")
        poller.unregister(s)
    s = reset()
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == ECONNRESET
    assert s.recv(10) == b""


def test_not_connected():
    s = socket.socket()
    bench.at_end(s.close)
    raises(ENOTCONN, s.recv, 10)
    raises(ENOTCONN, s.send, b"x")
    raises(ENOTCONN, s.getpeername)
    raises(ENOTCONN, s.shutdown, socket.SHUT_WR)
    raises(errno.EINVAL, s.accept)
    server = listener()
    raises(ENOTCONN, server.recv, 10)
    raises(ENOTCONN, server.send, b"x")


def test_closed():
    s = socket.socket()
    s.close()
    for call in (
        lambda: s.recv(1),
        lambda: s.recv_into(bytearray(1)),
        lambda: s.send(b"x"),
        lambda: s.write(b"x"),
        lambda: s.bind(("", 0)),
        lambda: s.listen(),
        lambda: s.accept(),
        lambda: s.connect(("127.0.0.1", 1)),
        lambda: s.getsockname(),
        lambda: s.setsockopt(1, 2, 1),
        lambda: s.shutdown(2),
        lambda: s.readline(),
    ):
        raises(EBADF, call)
    with socket.socket() as s:
        pass
    raises(EBADF, s.recv, 1)


def test_callback():
    """Option 20, which webrepl is built on: called when a connection or data has come."""
    server = listener()
    calls = []
    server.setsockopt(socket.SOL_SOCKET, 20, calls.append)
    client = dial(server)
    wait_for(lambda: calls)
    assert calls[0] is server
    conn, _ = server.accept()
    bench.at_end(conn.close)
    got = []
    conn.setblocking(False)
    conn.setsockopt(socket.SOL_SOCKET, 20, lambda s: got.append(s.read(100)))
    client.sendall(b"typed")
    wait_for(lambda: got)
    assert got[0] == b"typed"
    conn.setsockopt(socket.SOL_SOCKET, 20, None)


def wait_for(condition):
    assert host.wait(condition, 30000)


def test_memory_is_given_back():
    st = host.stack()
    spent = st.spent
    a, b = joined()
    a.sendall(b"x" * 5000)
    assert len(b.read(5000)) == 5000
    assert st.spent > spent
    a.close()
    b.close()
    wait_for(lambda: st.spent <= spent)
    wait_for(lambda: st.pool.left == st.pool.count)


bench.run_tests(globals())
