# UDP sockets over loopback.

import bench
import select
import socket
from netstack.api import host

EAGAIN = 11
EMSGSIZE = 90
ENOTCONN = 107
EINVAL = 22
ENODEV = 19
ENOPROTOOPT = 92
EADDRNOTAVAIL = 99
EDESTADDRREQ = 89
EADDRINUSE = 98
ETIMEDOUT = 110
ECONNREFUSED = 111


def opened(port=None):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bench.at_end(s.close)
    s.settimeout(60)
    if port is not None:
        s.bind(("127.0.0.1", port))
    return s


def raises(number, function, *args):
    try:
        function(*args)
    except OSError as error:
        assert error.errno == number, "OSError %s, expected %d" % (error, number)
        return
    raise AssertionError("OSError %d was expected" % number)


def test_echo():
    server = opened(0)
    client = opened()
    assert client.sendto(b"ping", server.getsockname()) == 4
    data, peer = server.recvfrom(100)
    assert data == b"ping" and peer == client.getsockname()[:0] + ("127.0.0.1", peer[1])
    server.sendto(b"pong", peer)
    assert client.recv(100) == b"pong"


def test_sendto_with_flags():
    server = opened(0)
    client = opened()
    client.sendto(b"as in CPython", 0, server.getsockname())
    assert server.recv(100) == b"as in CPython"


def test_addresses_change():
    one, two = opened(0), opened(0)
    client = opened()
    for address, data in ((one.getsockname(), b"1"), (two.getsockname(), b"2")):
        client.sendto(data, address)
        client.sendto(data, list(address))
    assert one.recv(9) == one.recv(9) == b"1" and two.recv(9) == two.recv(9) == b"2"


def test_boundaries():
    server = opened(0)
    client = opened()
    for data in (b"abc", b"", b"defgh"):
        client.sendto(data, server.getsockname())
    assert server.recv(2) == b"ab"  # the rest of a datagram is lost
    assert server.recv(100) == b""
    buf = bytearray(10)
    n, peer = server.recvfrom_into(buf)
    assert n == 5 and buf[:5] == b"defgh" and peer[0] == "127.0.0.1"


def test_stream_methods():
    """read and readinto give one datagram, whatever is asked for."""
    server = opened(0)
    client = opened()
    client.connect(server.getsockname())
    client.write(b"abc")
    client.send(b"def")
    assert server.read(100) == b"abc"
    buf = bytearray(100)
    assert server.readinto(buf) == 3 and buf[:3] == b"def"
    server.setblocking(False)
    assert server.read(100) is None and server.readinto(buf) is None


def test_largest():
    server = opened(0)
    client = opened()
    for n in (1472, 1473, 6000):  # from 1473 bytes on in fragments
        client.sendto(bytes(n), server.getsockname())
        assert len(server.recv(7000)) == n
    client.sendto(bytes(3000), server.getsockname())
    assert server.recv(2000) == bytes(2000)
    raises(EMSGSIZE, client.sendto, bytes(65508), server.getsockname())


def test_multicast_options():
    # RFC 1112 6.1; the interface is found by its address or by the route
    group = b"\xef\x01\x02\x03"
    lo = socket.inet_aton("127.0.0.1")
    any_ = bytes(4)
    s = opened(0)
    for option, default, values, bad in (
        (socket.IP_MULTICAST_TTL, 1, (0, 255, b"\x07"), (256, -2)),
        (socket.IP_MULTICAST_LOOP, 1, (0, 1, b"\0"), ()),
        (socket.IP_MULTICAST_IF, any_, (lo, any_), (b"abc", b"")),
    ):
        assert s.getsockopt(0, option) == default
        for value in values:
            s.setsockopt(0, option, value)
            got = s.getsockopt(0, option)
            assert got == value or bytes([got]) == value, (option, value, got)
        for value in bad:
            raises(EINVAL, s.setsockopt, 0, option, value)
    assert s.getsockopt(0, socket.IP_MULTICAST_LOOP, 4) == bytes(4)
    raises(ENODEV, s.setsockopt, 0, socket.IP_MULTICAST_IF, b"\1\2\3\4")
    raises(ENODEV, s.setsockopt, 0, socket.IP_ADD_MEMBERSHIP, group + b"\1\2\3\4")
    raises(EINVAL, s.setsockopt, 0, socket.IP_ADD_MEMBERSHIP, group)
    raises(EINVAL, s.setsockopt, 0, socket.IP_ADD_SOURCE_MEMBERSHIP, group + lo)
    raises(EINVAL, s.setsockopt, 0, socket.IP_ADD_MEMBERSHIP, lo + lo)
    raises(EADDRNOTAVAIL, s.setsockopt, 0, socket.IP_DROP_MEMBERSHIP, group + lo)
    raises(ENOPROTOOPT, s.getsockopt, 0, socket.IP_ADD_MEMBERSHIP)
    with socket.socket() as t:
        raises(ENOPROTOOPT, t.setsockopt, 0, socket.IP_MULTICAST_TTL, 1)


def test_multicast_to_oneself():
    group = b"\xef\x01\x02\x03"
    lo = socket.inet_aton("127.0.0.1")
    a = opened()
    a.bind(("", 0))
    b = opened()
    b.setsockopt(0, socket.IP_MULTICAST_IF, lo)
    a.settimeout(0.05)
    to = ("239.1.2.3", a.getsockname()[1])
    b.sendto(b"nobody", to)
    raises(ETIMEDOUT, a.recv, 10)
    a.setsockopt(0, socket.IP_ADD_MEMBERSHIP, group + lo)
    b.sendto(b"one", to)
    assert a.recvfrom(10) == (b"one", ("127.0.0.1", b.getsockname()[1]))
    raises(ETIMEDOUT, a.recv, 10)  # once, not twice
    a.setsockopt(0, socket.IP_BLOCK_SOURCE, group + lo + lo)
    b.sendto(b"two", to)
    raises(ETIMEDOUT, a.recv, 10)
    a.setsockopt(0, socket.IP_UNBLOCK_SOURCE, group + lo + lo)
    b.sendto(b"three", to)
    assert a.recv(10) == b"three"
    a.setsockopt(0, socket.IP_DROP_MEMBERSHIP, group + lo)
    a.setsockopt(0, socket.IP_ADD_SOURCE_MEMBERSHIP, group + lo + lo)
    b.sendto(b"four", to)
    assert a.recv(10) == b"four"


def test_path_mtu():
    s = opened()
    raises(ENOTCONN, s.getsockopt, socket.IPPROTO_IP, socket.IP_MTU)
    s.connect(("127.0.0.1", 9))
    assert s.getsockopt(socket.IPPROTO_IP, socket.IP_MTU) == 1500
    assert s.getsockopt(socket.IPPROTO_IP, socket.IP_MTU_DISCOVER) == socket.IP_PMTUDISC_WANT
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MTU_DISCOVER, socket.IP_PMTUDISC_DO)
    raises(EMSGSIZE, s.send, bytes(1473))
    raises(EINVAL, s.setsockopt, socket.IPPROTO_IP, socket.IP_MTU_DISCOVER, 4)


def test_timeout():
    s = opened(0)
    s.settimeout(0.05)
    bench.takes(49, 500, raises, ETIMEDOUT, s.recvfrom, 10)
    s.setblocking(False)
    raises(EAGAIN, s.recvfrom, 10)
    raises(EAGAIN, s.recv_into, bytearray(10))


def test_refused():
    """The ICMP error comes with the next call on a connected socket (RFC 1122 4.1.3.3)."""
    target = opened(0)
    address = target.getsockname()
    target.close()
    s = opened()
    s.connect(address)
    s.send(b"x")
    raises(ECONNREFUSED, s.recv, 10)
    s.settimeout(0)
    raises(EAGAIN, s.recv, 10)  # told once
    s.send(b"x")
    poller = select.poll()
    poller.register(s, select.POLLIN)
    ready = poller.poll(30000)
    assert ready and ready[0][1] & select.POLLERR
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == ECONNREFUSED
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_poll():
    server = opened(0)
    client = opened()
    poller = select.poll()
    poller.register(server, select.POLLIN | select.POLLOUT)
    assert poller.poll(0) == [(server, select.POLLOUT)]
    client.sendto(b"x", server.getsockname())
    assert poller.poll(30000) == [(server, select.POLLIN | select.POLLOUT)]


def test_naming():
    s = opened(0)
    other = opened()
    raises(EADDRINUSE, other.bind, s.getsockname())
    raises(EDESTADDRREQ, other.send, b"x")
    raises(107, other.getpeername)  # ENOTCONN
    other.connect(s.getsockname())
    assert other.getpeername() == s.getsockname()
    raises(95, other.listen)  # EOPNOTSUPP
    raises(95, other.accept)


def test_only_from_peer():
    """A connected socket hears nobody else."""
    s, peer, stranger = opened(0), opened(0), opened(0)
    s.connect(peer.getsockname())
    stranger.sendto(b"stranger", s.getsockname())
    peer.sendto(b"peer", s.getsockname())
    assert s.recvfrom(100) == (b"peer", peer.getsockname())


def test_broadcast_needs_permission():
    s = opened()
    raises(13, s.sendto, b"x", ("255.255.255.255", 9))  # EACCES
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST) == 1


def test_callback():
    server = opened(0)
    client = opened()
    calls = []
    server.setsockopt(socket.SOL_SOCKET, 20, calls.append)
    client.sendto(b"x", server.getsockname())
    assert host.wait(lambda: calls, 30000) and calls[0] is server
    assert server.recv(10) == b"x"


def test_memory_is_given_back():
    st = host.stack()
    spent = st.spent
    server = opened(0)
    client = opened()
    for _ in range(3):
        client.sendto(bytes(500), server.getsockname())
    server.close()
    client.close()
    assert st.spent == spent and st.pool.left == st.pool.count


bench.run_tests(globals())
