# Socket options that need more than a number: what they do, over loopback; the rules on the wire
# are in ../pkt.

import bench
import socket
import struct
import time
from netstack.api import host

EAGAIN = 11
EINVAL = 22
EOPNOTSUPP = 95
ECONNREFUSED = 111

SIZES = "<8B24I4Q6I4Q2I2Q6I"  # struct tcp_info up to tcpi_rehash


def joined(setup=None):
    server = socket.socket()
    bench.at_end(server.close)
    if setup:
        setup(server)
    server.bind(("127.0.0.1", 0))
    server.listen()
    client = socket.socket()
    bench.at_end(client.close)
    client.settimeout(60)
    client.connect(server.getsockname())
    conn, _ = server.accept()
    bench.at_end(conn.close)
    conn.settimeout(60)
    server.close()
    return client, conn


def tcp(sock, option, value=None):
    if value is None:
        return sock.getsockopt(socket.IPPROTO_TCP, option)
    return sock.setsockopt(socket.IPPROTO_TCP, option, value)


def refused(number, sock, level, option, value):
    """The value is refused, and the message names the option."""
    try:
        sock.setsockopt(level, option, value)
    except OSError as error:
        assert error.errno == number, error
        assert str(option) in str(error), error
    else:
        raise AssertionError("option %d took %r" % (option, value))


def info(sock):
    data = tcp(sock, socket.TCP_INFO)
    assert len(data) == struct.calcsize(SIZES) == 240
    return struct.unpack(SIZES, data)


def test_tcp_info():
    for _ in range(20):  # until the machine does not halt, and nothing is sent twice
        a, b = joined()
        a.sendall(b"x" * 3000)
        assert b.read(3000) == b"x" * 3000
        assert host.wait(lambda: info(a)[12] == 0, 30000)
        v = info(a)
        if v[31] == 0:
            break
    assert v[0] == 1 and v[1] == 0 and v[5] == 7, v[:8]  # ESTABLISHED, Open; TS, SACK, WS
    snd_mss, unacked, total_retrans = v[10], v[12], v[31]
    assert snd_mss == tcp(a, socket.TCP_MAXSEG) and unacked == total_retrans == 0
    assert v[34] == 3000, v[34]  # bytes_acked
    data = b.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    assert len(data) == 104 and struct.unpack("<8B24I", data)[0] == 1
    assert struct.unpack_from("<Q", tcp(b, socket.TCP_INFO), 128)[0] == 3000  # bytes_received
    a.close()
    b.read()
    assert tcp(b, socket.TCP_INFO)[0] == 8  # CLOSE_WAIT


def test_tcp_info_of_nothing():
    with socket.socket() as s:
        assert tcp(s, socket.TCP_INFO)[0] == 7  # CLOSE
        s.bind(("127.0.0.1", 0))
        s.listen(3)
        v = info(s)
        assert v[0] == 10 and v[12:14] == (0, 3)  # LISTEN, and its queue
        refused(92, s, socket.IPPROTO_TCP, socket.TCP_INFO, 1)


def test_info_for_people():
    a, b = joined()
    said = a._io.info()
    assert said["state"] == "ESTABLISHED" and said["ca_state"] == "Open"
    assert said["options"] == ["timestamps", "sack", "wscale"] and said["congestion"] == "cubic"
    assert said["snd_mss"] == tcp(a, socket.TCP_MAXSEG)


def test_truth_values():
    with socket.socket() as s:
        for option in (socket.SO_KEEPALIVE, socket.SO_REUSEADDR):
            for value in (True, False):
                s.setsockopt(socket.SOL_SOCKET, option, value)
                assert s.getsockopt(socket.SOL_SOCKET, option) == value
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        refused(EINVAL, s, socket.IPPROTO_TCP, socket.TCP_KEEPCNT, False)


def test_ranges():
    """Linux's EINVAL, in words."""
    level = socket.IPPROTO_TCP
    with socket.socket() as s:
        for option, bad, good in (
            (socket.TCP_MAXSEG, (1, 87, 32768, -1), (88, 32767, 0)),
            (socket.TCP_KEEPIDLE, (0, -1, 32768), (1, 32767)),
            (socket.TCP_KEEPINTVL, (0, 32768), (1, 32767)),
            (socket.TCP_KEEPCNT, (0, 128), (1, 127)),
            (socket.TCP_USER_TIMEOUT, (-1, b"\xff\xff\xff\xff"), (0, 1, 120000)),
        ):
            for value in bad:
                refused(EINVAL, s, level, option, value)
            for value in good:
                tcp(s, option, value)
                assert tcp(s, option) == value or (option, value) == (socket.TCP_MAXSEG, 0)
        for value in (0, 256, -2):
            refused(EINVAL, s, socket.IPPROTO_IP, socket.IP_TTL, value)
        refused(EINVAL, s, socket.SOL_SOCKET, socket.SO_RCVBUF, -5)


def test_buffers():
    """How far the rings may grow, from the listener on; and not less than TCP needs."""

    def small(server):
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4000)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 3000)

    a, b = joined(small)
    for option, value in ((socket.SO_RCVBUF, 4000), (socket.SO_SNDBUF, 3000)):
        assert b.getsockopt(socket.SOL_SOCKET, option) == value
    b.setblocking(False)
    a.setblocking(False)
    assert b.send(bytes(9000)) <= 3000
    for _ in range(20):
        a.write(bytes(1000))
        host.pump()
    assert b._io.available() <= 4000
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2048


def test_error_is_cleared_by_reading():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    address = server.getsockname()
    server.close()
    with socket.socket() as s:
        s.setblocking(False)
        try:
            s.connect(address)
        except OSError:
            pass
        host.wait(lambda: not s._io.state, 30000)
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR, 4) == bytes(
            (ECONNREFUSED, 0, 0, 0)
        )
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_linger():
    a, b = joined()
    level, option = socket.SOL_SOCKET, socket.SO_LINGER
    assert a.getsockopt(level, option, 8) == bytes(8) and a.getsockopt(level, option) == 0
    a.setsockopt(level, option, struct.pack("<ii", 1, 3))
    assert a.getsockopt(level, option, 8) == struct.pack("<ii", 1, 3)
    refused(EINVAL, a, level, option, b"\1\0\0\0")
    a.sendall(b"to the end")
    conn = a._io
    a.close()
    assert conn.state in (6, 10), conn.state  # FIN-WAIT-2: all is acknowledged
    assert b.read() == b"to the end"


def filled():
    """(a, b, bytes): `a` has sent so many, more than `b`, which does not read, can take."""
    a, b = joined()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("<ii", 1, 1))
    a.setblocking(False)
    n = 0
    while True:
        try:
            n += a.send(bytes(1000))
        except OSError as error:
            assert error.errno == EAGAIN
            return a, b, n


def test_linger_is_bounded():
    """A peer that does not read: close() comes back when the time is up."""
    a, b, _ = filled()
    a.settimeout(None)
    bench.takes(999, 20000, a.close)


def test_linger_without_blocking():
    a, b, n = filled()
    try:
        a.close()
    except OSError as error:
        assert error.errno == EAGAIN
    else:
        raise AssertionError("close() said nothing")
    assert len(b.read()) == n  # sent in the background all the same


def test_more():
    """MSG_MORE: nothing is read before the rest, or 200 ms."""
    a, b = joined()
    for _ in range(20):  # until the machine does not halt for 200 ms
        b.setblocking(False)
        start = time.ticks_ms()
        assert a.send(b"one ", socket.MSG_MORE) == 4
        host.pump()
        early = b.read(10)
        assert early is None or time.ticks_diff(time.ticks_ms(), start) >= 199
        a.sendall(b"two")
        b.settimeout(60)
        got = b.recv(10)
        if early is None and got == b"one two":
            break
        assert time.ticks_diff(time.ticks_ms(), start) >= 199, (early, got)
        while len(early or b"") + len(got) < 7:
            got += b.recv(10)
    else:
        raise AssertionError("what is to wait for more has not waited")
    start = time.ticks_ms()
    a.sendall(b"three", socket.MSG_MORE)
    assert b.recv(10) == b"three"
    assert time.ticks_diff(time.ticks_ms(), start) >= 199


def test_flags_of_send():
    a, b = joined()
    assert a.send(b"x", socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT) == 1
    while True:
        try:
            a.send(bytes(1000), socket.MSG_DONTWAIT)
        except OSError as error:
            assert error.errno == EAGAIN
            break
    for sock, flag in ((b, 1), (socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8000)):
        try:
            sock.send(b"x", flag)
        except OSError as error:
            assert error.errno == EOPNOTSUPP
        else:
            raise AssertionError("flag %#x was taken" % flag)
    sock.close()


def test_inherited():
    """As on Linux, an accepted socket has its listener's options."""

    def setup(server):
        tcp(server, socket.TCP_USER_TIMEOUT, 5000)
        tcp(server, socket.TCP_CORK, 1)
        tcp(server, socket.TCP_MAXSEG, 700)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("<ii", 1, 4))

    a, b = joined(setup)
    assert tcp(b, socket.TCP_USER_TIMEOUT) == 5000 and tcp(b, socket.TCP_CORK) == 1
    assert tcp(b, socket.TCP_MAXSEG) == tcp(a, socket.TCP_MAXSEG) == 688  # and 12 of timestamps
    assert b.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("<ii", 1, 4)
    assert tcp(a, socket.TCP_USER_TIMEOUT) == tcp(a, socket.TCP_CORK) == 0
    b.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes(8))
    b.send(b"corked")
    host.pump()
    assert a._io.available() == 0
    tcp(b, socket.TCP_CORK, 0)
    assert a.recv(10) == b"corked"


bench.run_tests(globals())
