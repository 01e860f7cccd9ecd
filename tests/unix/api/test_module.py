# The socket module's functions, constants and options.

import bench
import socket


def raises(kind, function, *args):
    try:
        function(*args)
    except kind as error:
        return error
    raise AssertionError("%s was expected" % kind)


def fails(number, function, *args):
    error = raises(OSError, function, *args)
    assert error.errno == number, "OSError %s, expected %d" % (error, number)


def test_getaddrinfo_numeric():
    info = socket.getaddrinfo("192.0.2.7", 80)
    assert info == [(2, 1, 0, "", ("192.0.2.7", 80))], info
    info = socket.getaddrinfo("192.0.2.7", "53", 0, socket.SOCK_DGRAM)
    assert info == [(2, 2, 0, "", ("192.0.2.7", 53))], info
    assert socket.getaddrinfo("", 80)[0][-1] == ("0.0.0.0", 80)
    assert socket.getaddrinfo(None, 80)[0][-1] == ("127.0.0.1", 80)
    assert socket.getaddrinfo(None, 80, 0, 0, 0, socket.AI_PASSIVE)[0][-1] == ("0.0.0.0", 80)
    assert socket.getaddrinfo("localhost", 80)[0][-1] == ("127.0.0.1", 80)
    assert socket.getaddrinfo(b"127.0.0.1", 80)[0][-1] == ("127.0.0.1", 80)


def test_getaddrinfo_errors():
    fails(-2, socket.getaddrinfo, "2001:db8::1", 80, socket.AF_INET)
    fails(-2, socket.getaddrinfo, "2001:db8::g", 80)
    fails(97, socket.getaddrinfo, "192.0.2.7", 80, 99)  # EAFNOSUPPORT
    fails(-2, socket.getaddrinfo, "a name", 80, 0, 0, 0, socket.AI_NUMERICHOST)
    fails(-8, socket.getaddrinfo, "192.0.2.7", "http?")
    raises(OverflowError, socket.getaddrinfo, "192.0.2.7", 65536)
    error = raises(OSError, socket.getaddrinfo, "www.example.org", 80)
    assert error.errno == -3 and "DNS" in error.args[1], error.args  # there is no server
    fails(-2, socket.getaddrinfo, "bad..name", 80)


def test_inet():
    assert socket.inet_aton("1.2.3.4") == b"\1\2\3\4"
    assert socket.inet_ntoa(b"\x7f\0\0\1") == "127.0.0.1"
    assert socket.inet_pton(socket.AF_INET, "255.0.1.2") == b"\xff\0\1\2"
    assert socket.inet_ntop(socket.AF_INET, bytearray(b"\x0a\0\0\1")) == "10.0.0.1"
    for bad in (
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "1.2.3.x",
        "1..2.3",
        "",
        "1.2.3.-4",
        "1.2.3.0004",
    ):
        fails(22, socket.inet_aton, bad)
    raises(ValueError, socket.inet_ntoa, b"\1\2\3")
    fails(97, socket.inet_pton, 99, "::1")


def test_kinds():
    fails(97, socket.socket, 99)
    fails(94, socket.socket, socket.AF_INET, 5)  # ESOCKTNOSUPPORT: SOCK_SEQPACKET
    fails(93, socket.socket, socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_UDP)
    for kind, proto in ((socket.SOCK_STREAM, 6), (socket.SOCK_DGRAM, 17)):
        with socket.socket(socket.AF_INET, kind, proto) as s:
            assert s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == kind
            assert s.fileno() == -1
            assert "socket" in repr(s)


def test_options():
    with socket.socket() as s:
        for level, option, value in (
            (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.SOL_SOCKET, socket.SO_RCVBUF, 5000),
            (socket.SOL_SOCKET, socket.SO_SNDBUF, 6000),
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2),
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
            (socket.IPPROTO_IP, socket.IP_TTL, 3),
            (socket.IPPROTO_IP, socket.IP_TOS, 0x10),
        ):
            s.setsockopt(level, option, value)
            assert s.getsockopt(level, option) == value, (level, option)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, b"\x09\0\0\0")
        assert s.getsockopt(socket.IPPROTO_IP, socket.IP_TTL, 4) == b"\x09\0\0\0"
        for name in ("reno", b"cubic\0"):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name)
            got = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
            assert got == (b"reno" if name == "reno" else b"cubic"), got
        fails(2, s.setsockopt, socket.IPPROTO_TCP, socket.TCP_CONGESTION, "vegas")  # ENOENT
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 0
        s.bind(("127.0.0.1", 0))
        s.listen()
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def test_unknown_options():
    with socket.socket() as s:
        for level, option in ((1, 77), (0, 35), (6, 99), (41, 26)):
            fails(92, s.setsockopt, level, option, 1)  # ENOPROTOOPT
            fails(92, s.getsockopt, level, option)
        fails(92, s.setsockopt, socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fails(92, s.setsockopt, socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def test_bind_to_device():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
        s.bind(("", 0))
        s.sendto(b"x", ("127.0.0.1", s.getsockname()[1]))
        s.settimeout(60)
        assert s.recv(9) == b"x"
        fails(19, s.setsockopt, socket.SOL_SOCKET, socket.SO_BINDTODEVICE, "none")  # ENODEV


def test_bad_arguments():
    with socket.socket() as s:
        raises(TypeError, s.connect, "127.0.0.1")
        raises(TypeError, s.connect, ("127.0.0.1",))
        raises(TypeError, s.connect, (0x7F000001, 80))
        raises(OverflowError, s.connect, ("127.0.0.1", 70000))
        raises(ValueError, s.settimeout, -1)
        raises(ValueError, s.recv, -1)
        raises(TypeError, s.send, 5)


def test_timeouts():
    with socket.socket() as s:
        assert s.gettimeout() is None
        s.settimeout(2.5)
        assert s.gettimeout() == 2.5
        s.settimeout(0.0001)
        assert s.gettimeout() > 0
        s.setblocking(False)
        assert s.gettimeout() == 0
        s.setblocking(True)
        assert s.gettimeout() is None


def test_create_connection():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(server.getsockname(), 60) as s:
            assert s.gettimeout() == 60 and s.getpeername() == server.getsockname()
            conn, _ = server.accept()
        conn.close()  # after its peer, which keeps TIME-WAIT, and off the port it had
        address = server.getsockname()
    fails(111, socket.create_connection, address, 60)


bench.run_tests(globals())
