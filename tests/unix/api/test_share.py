# SO_REUSEPORT: several listeners of one address and port, among whom peers are shared out.

import bench
import socket
from netstack.api import host

EADDRINUSE = 98
ECONNREFUSED = 111


def server(to=("127.0.0.1", 0), shared=True, family=socket.AF_INET):
    s = socket.socket(family)
    bench.at_end(s.close)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
    s.bind(to)
    s.settimeout(60)
    return s


def listening(n):
    first = server()
    servers = [first] + [server(first.getsockname()) for _ in range(n - 1)]
    for s in servers:
        s.listen(60)
    return servers


def clients(to, n):
    made = []
    for _ in range(n):
        c = socket.create_connection(to, 10)
        bench.at_end(c.close)
        made.append(c)
    return made


def taken(server):
    """What has come to it, closed at the end of the test."""
    conns = []
    server.setblocking(False)
    try:
        while True:
            conn, _ = server.accept()
            bench.at_end(conn.close)
            conn.settimeout(60)
            conns.append(conn)
    except OSError as error:
        assert error.errno == 11, error
    return conns


def test_nobody_sleeps():
    """What is decided within this host is seen at once, not when something else is due."""
    slept = []
    first = listening(1)[0]
    to = first.getsockname()
    st = host.stack()
    usual, st.idle = st.idle, slept.append
    try:
        clients(to, 3)
        first.close()
        bench.raises(ECONNREFUSED, socket.create_connection, to, 10)
    finally:
        st.idle = usual
    assert slept == []


def test_shared_out():
    """Each connection is accepted once, by some listener; and each listener has some."""
    servers = listening(3)
    to = servers[0].getsockname()
    count = bench.scale(45)
    left = clients(to, count)
    for _ in range(20):  # ports are random: sooner or later each has one
        got = [taken(s) for s in servers]
        assert sum(len(each) for each in got) == len(left)
        for conns in got:
            for conn in conns:
                conn.sendall(b"hello")
        for c in left:
            c.settimeout(60)
            assert c.recv(10) == b"hello"
        if all(got):
            return
        for conn in sum(got, left):  # a board has no room for those of many rounds
            conn.close()
        left = clients(to, count)
    raise AssertionError("a listener never has any")


def test_one_is_closed():
    """The first, which the table knows, and then the last: the others go on."""
    servers = listening(3)
    to = servers[0].getsockname()
    while servers:
        servers.pop(0 if len(servers) == 3 else -1).close()
        if not servers:
            break
        made = clients(to, 8)
        assert sum(len(taken(s)) for s in servers) == len(made)
    bench.raises(ECONNREFUSED, socket.create_connection, to, 10)
    again = server(to, False)  # nobody has it any more
    again.listen(1)


def test_one_is_closed_with_connections():
    """Those that wait for it are reset, those of the others are not."""
    servers = listening(2)
    to = servers[0].getsockname()
    made = clients(to, 12)
    mine = taken(servers[1])
    servers[0].close()
    for conn in mine:
        conn.sendall(b"here")
    heard = reset = 0
    for c in made:
        c.settimeout(60)
        try:
            heard += c.recv(10) == b"here"
        except OSError as error:
            assert error.errno == 104, error
            reset += 1
    assert heard == len(mine) and heard + reset == len(made)


def test_all_must_agree():
    first = server()
    to = first.getsockname()
    bench.raises(EADDRINUSE, server, to, False)
    second = server(to)
    first.listen(1)
    second.listen(1)
    bench.raises(EADDRINUSE, server, to, False)
    alone = server(shared=False)
    alone.listen(1)
    bench.raises(EADDRINUSE, server, alone.getsockname())


def test_create_server():
    a = socket.create_server(("127.0.0.1", 0), reuse_port=True)
    bench.at_end(a.close)
    b = socket.create_server(a.getsockname(), reuse_port=True)
    bench.at_end(b.close)
    made = clients(a.getsockname(), 5)  # one may get all of them
    assert len(taken(a)) + len(taken(b)) == len(made)


def test_both_families():
    if not socket.has_dualstack_ipv6():
        return
    first = server(("::", 0), True, socket.AF_INET6)
    to = first.getsockname()
    second = server(to, True, socket.AF_INET6)
    first.listen(20)
    second.listen(20)
    made = clients(("127.0.0.1", to[1]), 6) + clients(("::1", to[1]), 6)
    assert len(taken(first)) + len(taken(second)) == len(made)
    first.close()
    made = clients(("127.0.0.1", to[1]), 2) + clients(("::1", to[1]), 2)
    assert len(taken(second)) == 4


bench.run_tests(globals())
