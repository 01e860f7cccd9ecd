# What sockets say and do, one line for each thing tried: the same under CPython with Linux's
# sockets and under MicroPython with ours, over loopback. ../test_parity.py compares.

import gc
import select
import socket
import struct
import sys

LOCAL = "127.0.0.1"
OURS = sys.implementation.name == "micropython"
POLL = (("IN", 1), ("OUT", 4), ("ERR", 8), ("HUP", 16), ("NVAL", 32))
opened = []


# MicroPython's errno has not all of them.
NAMES = {
    6: "ENXIO",
    9: "EBADF",
    11: "EAGAIN",
    19: "ENODEV",
    22: "EINVAL",
    32: "EPIPE",
    33: "EDOM",
    89: "EDESTADDRREQ",
    90: "EMSGSIZE",
    92: "ENOPROTOOPT",
    93: "EPROTONOSUPPORT",
    94: "ESOCKTNOSUPPORT",
    95: "EOPNOTSUPP",
    97: "EAFNOSUPPORT",
    98: "EADDRINUSE",
    99: "EADDRNOTAVAIL",
    101: "ENETUNREACH",
    103: "ECONNABORTED",
    104: "ECONNRESET",
    105: "ENOBUFS",
    106: "EISCONN",
    107: "ENOTCONN",
    110: "ETIMEDOUT",
    111: "ECONNREFUSED",
    113: "EHOSTUNREACH",
    114: "EALREADY",
    115: "EINPROGRESS",
}


def name_of(number):
    return NAMES.get(number, number)


def attempt(function, *args):
    """What a call gives, as text."""
    try:
        return repr(function(*args))
    except socket.timeout:
        return "ETIMEDOUT"  # CPython's has no number
    except OSError as error:
        return "OSError" if error.errno is None else name_of(error.errno)
    except Exception as error:
        return type(error).__name__


def fails(function, *args):
    """Does it raise OSError? CPython does not always say which."""
    try:
        return function(*args)
    except OSError:
        return "OSError"


def new(*args):
    s = socket.socket(*args)
    opened.append(s)
    return s


def listener(backlog=5):
    s = new()
    s.bind((LOCAL, 0))
    s.listen(backlog)
    return s


def joined():
    server = listener()
    client = new()
    client.connect(server.getsockname())
    conn, _ = server.accept()
    opened.append(conn)
    server.close()
    for s in (client, conn):
        s.settimeout(30)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client, conn


def datagrams():
    a = new(socket.AF_INET, socket.SOCK_DGRAM)
    b = new(socket.AF_INET, socket.SOCK_DGRAM)
    for s in (a, b):
        s.bind((LOCAL, 0))
        s.settimeout(30)
    return a, b


def free_port():
    s = listener()
    port = s.getsockname()[1]
    s.close()
    return port


def events(s, mask=5, wait=0):
    """What poll() tells of a socket, as names. `wait`: milliseconds to wait for it."""
    poller = select.poll()
    poller.register(s if OURS or s.fileno() >= 0 else -1, mask)
    for row in poller.poll(wait):
        return "|".join(name for name, bit in POLL if row[1] & bit)
    return "none"


def fill(s, size):
    """Send until there is no room, and none comes; returns what send() says then."""
    while True:
        said = attempt(s.send, bytes(size))
        if not said[0].isdigit() and events(s, 4, 100) == "none":
            return said


def settled(s, wanted, mask=5):
    """Wait until poll() tells this; returns what it tells in the end."""
    for _ in range(3000):
        now = events(s, mask)
        if now == wanted:
            break
        events(s, 0, 20)
    return now


# -- the cases: each yields what it finds -------------------------------------------------------


def fresh():
    s = new()
    yield attempt(s.recv, 10)
    yield attempt(s.send, b"x")
    yield attempt(s.sendall, b"x")
    yield attempt(s.getpeername)
    yield s.getsockname()
    yield attempt(s.accept)
    yield attempt(s.shutdown, socket.SHUT_RDWR)
    yield s.gettimeout()
    yield s.fileno() >= 0 or OURS
    yield s.family == socket.AF_INET, s.type == socket.SOCK_STREAM, s.proto
    yield s.getblocking()


def poll_fresh():
    yield events(new())


def bad_sockets():
    yield attempt(new, 99)
    yield attempt(new, socket.AF_INET, 77)
    yield attempt(new, socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_UDP)
    yield attempt(new, socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_TCP)
    yield attempt(new, "AF_INET")
    yield attempt(new, socket.AF_INET, "stream")


def closed():
    s = new()
    s.close()
    s.close()
    for name, args in (
        ("recv", (1,)),
        ("recv_into", (bytearray(1),)),
        ("recvfrom", (1,)),
        ("send", (b"x",)),
        ("sendall", (b"x",)),
        ("sendto", (b"x", (LOCAL, 1))),
        ("bind", ((LOCAL, 0),)),
        ("listen", (1,)),
        ("accept", ()),
        ("connect", ((LOCAL, 1),)),
        ("connect_ex", ((LOCAL, 1),)),
        ("getsockname", ()),
        ("getpeername", ()),
        ("shutdown", (2,)),
        ("getsockopt", (1, 4)),
        ("setsockopt", (1, 2, 1)),
    ):
        yield name, attempt(lambda: getattr(s, name)(*args))
    yield s.fileno()
    d = new(socket.AF_INET, socket.SOCK_DGRAM)
    d.close()
    yield attempt(d.recv, 1)
    yield attempt(d.sendto, b"x", (LOCAL, 9))
    yield attempt(d.recvmsg, 1)


def with_statement():
    with socket.socket() as s:
        pass
    yield attempt(s.recv, 1)
    try:
        with socket.socket() as s:
            raise KeyError
    except KeyError:
        yield attempt(s.recv, 1)


def wrong_types():
    a, b = joined()
    yield attempt(a.send, 5)
    yield attempt(a.sendall, None)
    yield attempt(a.recv, "1")
    yield attempt(a.recv, -1)
    yield attempt(a.recv, None)
    yield attempt(a.recv_into, b"cannot be written")
    yield attempt(a.recv_into, 5)
    yield attempt(a.recv_into, bytearray(4), -1)
    yield attempt(a.recv_into, bytearray(4), 5)
    yield attempt(a.connect, 5)
    yield attempt(a.connect, "127.0.0.1")
    yield attempt(a.connect, (LOCAL,))
    yield attempt(a.connect, (LOCAL, 70000))
    yield attempt(a.connect, (LOCAL, -1))
    yield attempt(a.connect, (LOCAL, None))
    yield attempt(a.connect, (LOCAL, 1.5))
    yield attempt(a.connect, (5, 80))
    yield attempt(a.settimeout, -1)
    yield attempt(a.settimeout, "1")
    yield attempt(a.shutdown, 7)
    yield attempt(a.shutdown, "x")
    yield attempt(a.setsockopt, 1, 2, "x")
    yield attempt(a.setsockopt, 1, 2, 1.5)
    yield attempt(a.setsockopt, "x", 2, 1)
    yield attempt(a.getsockopt, 1, "x")
    yield attempt(new().listen, "x")
    yield attempt(a.makefile, "q")
    a.sendall(b"still there")
    yield b.recv(100)


def timeouts():
    s = new()
    for value in (0, 0.0, 1, 2.5, 1e5, None):
        s.settimeout(value)
        yield s.gettimeout()
    s.setblocking(0)
    yield s.gettimeout(), s.getblocking()
    s.setblocking(1)
    yield s.gettimeout(), s.getblocking()
    a, b = joined()
    a.settimeout(0.02)
    yield attempt(a.recv, 1)
    yield attempt(a.recv_into, bytearray(1))
    server = listener()
    server.settimeout(0.02)
    yield attempt(server.accept)
    d, _ = datagrams()
    d.settimeout(0.02)
    yield attempt(d.recvfrom, 10)


def huge_timeouts():
    a, b = joined()
    b.sendall(b"x")
    a.settimeout(1e9)
    yield a.recv(1)


def not_blocking():
    a, b = joined()
    a.setblocking(False)
    yield attempt(a.recv, 1)
    yield attempt(a.recv_into, bytearray(3))
    yield attempt(a.recvfrom, 3)
    yield attempt(a.recvmsg, 3)
    server = listener()
    server.setblocking(False)
    yield attempt(server.accept)
    d, _ = datagrams()
    d.setblocking(False)
    yield attempt(d.recv, 1)
    yield attempt(d.recvfrom, 1)
    yield attempt(d.recv_into, bytearray(1))
    yield attempt(d.recvmsg, 1)
    yield fill(a, 4096)
    yield events(a)


def nothing_at_all():
    a, b = joined()
    yield a.send(b"")
    yield a.sendall(b"")
    yield a.recv(0)
    b.sendall(b"data")
    yield a.recv(0)
    yield a.recv_into(bytearray(0)), a.recv(10)
    d, e = datagrams()
    yield d.sendto(b"", e.getsockname())
    yield e.recvfrom(10)[0]
    d.sendto(b"abc", e.getsockname())
    yield e.recv(0)  # takes the datagram all the same
    e.setblocking(False)
    yield attempt(e.recv, 10)
    d.sendto(b"abc", e.getsockname())
    e.settimeout(30)
    yield e.recv(2)  # and the rest of one is lost
    e.setblocking(False)
    yield attempt(e.recv, 10)
    a.shutdown(socket.SHUT_WR)
    yield attempt(a.send, b"")
    yield attempt(a.sendall, b"")


def connecting():
    server = listener()
    s = new()
    yield s.connect(server.getsockname())
    yield attempt(s.connect, server.getsockname())
    yield s.connect_ex(server.getsockname()) and "EISCONN"
    yield s.getpeername() == server.getsockname()
    yield attempt(s.listen, 1)
    yield attempt(s.bind, (LOCAL, 0))
    conn, peer = server.accept()
    opened.append(conn)
    yield peer == s.getsockname(), conn.getpeername() == s.getsockname()
    yield attempt(server.connect, (LOCAL, 1))
    yield attempt(server.recv, 1)
    yield attempt(server.send, b"x")
    yield attempt(server.getpeername)


def connecting_without_blocking():
    server = listener()
    s = new()
    s.setblocking(False)
    said = attempt(s.connect, server.getsockname())
    yield said in ("None", "EINPROGRESS")
    yield settled(s, "OUT")
    yield s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    yield s.getpeername() == server.getsockname()


def refused():
    port = free_port()
    s = new()
    s.settimeout(30)
    yield attempt(s.connect, (LOCAL, port))
    s = new()
    yield name_of(s.connect_ex((LOCAL, port)))
    yield s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    s = new()
    s.setblocking(False)
    said = attempt(s.connect, (LOCAL, port))
    yield said in ("EINPROGRESS", "ECONNREFUSED")
    yield settled(s, "IN|OUT|ERR|HUP")
    yield name_of(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    yield s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    yield attempt(s.send, b"x")
    yield attempt(s.recv, 1)
    yield attempt(s.getpeername)
    d = new(socket.AF_INET, socket.SOCK_DGRAM)
    d.settimeout(30)
    d.connect((LOCAL, port))
    d.send(b"x")
    yield attempt(d.recv, 1)
    d.setblocking(False)
    yield attempt(d.recv, 1)


def naming():
    s = new()
    yield attempt(s.bind, ("203.0.113.1", 0))
    yield attempt(s.bind, (LOCAL, 0))
    yield attempt(s.bind, (LOCAL, 0))
    other = new()
    yield attempt(other.bind, s.getsockname())
    yield attempt(other.connect, ("255.255.255.255", 9))
    s.listen(1)
    yield attempt(s.listen, 3)
    yield s.getsockname()[0]
    d, e = datagrams()
    yield attempt(d.bind, (LOCAL, 0))
    third = new(socket.AF_INET, socket.SOCK_DGRAM)
    yield attempt(third.bind, d.getsockname())
    yield attempt(third.listen, 1)
    yield attempt(third.accept)
    yield attempt(third.getpeername)
    yield attempt(third.sendto, b"x", (LOCAL, d.getsockname()[1]))
    yield third.getsockname()[1] > 0


def datagrams_connected():
    d, e = datagrams()
    yield attempt(d.send, b"x")
    d.connect(e.getsockname())
    yield d.getpeername() == e.getsockname()
    yield d.send(b"one"), e.recvfrom(10) == (b"one", d.getsockname())
    third = new(socket.AF_INET, socket.SOCK_DGRAM)
    third.bind((LOCAL, 0))
    third.sendto(b"stranger", d.getsockname())
    e.sendto(b"friend", d.getsockname())
    yield d.recv(10)
    yield d.sendto(b"two", e.getsockname()), e.recv(10)
    d.connect(third.getsockname())
    yield d.send(b"other"), third.recv(10)
    yield attempt(d.sendto, b"x", (LOCAL, 70000))
    yield attempt(d.shutdown, socket.SHUT_WR)
    yield attempt(d.send, b"x")
    yield attempt(e.shutdown, socket.SHUT_WR)
    yield attempt(e.sendto, b"x")
    yield attempt(e.sendto, b"x", "127.0.0.1")
    yield attempt(e.sendto, bytes(65508), third.getsockname())
    yield attempt(e.sendto, b"x", ("255.255.255.255", 9))


def flags():
    a, b = joined()
    b.settimeout(None)
    a.sendall(b"abcdef")
    yield b.recv(3, socket.MSG_PEEK), b.recv(4)
    yield b.recv(10, socket.MSG_DONTWAIT)
    yield attempt(b.recv, 10, socket.MSG_DONTWAIT)
    a.sendall(b"123")
    b.recv(1)
    a.sendall(b"456")
    yield b.recv(5, socket.MSG_WAITALL)
    a.sendall(b"end")
    a.shutdown(socket.SHUT_WR)
    yield b.recv(5, socket.MSG_WAITALL)
    d, e = datagrams()
    e.settimeout(None)
    d.sendto(b"datagram", e.getsockname())
    yield e.recv(4, socket.MSG_PEEK)
    buf = bytearray(4)
    yield e.recv_into(buf, 4, socket.MSG_PEEK), buf
    yield e.recvfrom(3, socket.MSG_PEEK) == (b"dat", d.getsockname())
    yield e.recv_into(buf, 0, socket.MSG_TRUNC), buf
    yield attempt(e.recv, 4, socket.MSG_DONTWAIT)
    yield attempt(e.recvfrom, 4, socket.MSG_DONTWAIT)
    d.sendto(b"second", e.getsockname())
    data, _, told, sender = e.recvmsg(4)
    yield data, told == socket.MSG_TRUNC, sender == d.getsockname()
    yield d.sendto(b"with flags", 0, e.getsockname()), e.recv(20)


def half_closed():
    a, b = joined()
    a.sendall(b"question")
    a.shutdown(socket.SHUT_WR)
    yield attempt(a.send, b"x")
    yield b.recv(20), b.recv(20), b.recv(20)
    yield events(b)
    yield events(a)
    b.sendall(b"answer")
    yield a.recv(20)
    b.shutdown(socket.SHUT_WR)
    yield a.recv(20)
    yield settled(a, "IN|OUT|HUP"), settled(b, "IN|OUT|HUP")
    yield attempt(a.send, b"x")
    yield attempt(b.send, b"x")


def shut_for_reading():
    a, b = joined()
    a.shutdown(socket.SHUT_RD)
    yield a.recv(10)
    yield events(a)
    yield a.send(b"x"), b.recv(1)
    a, b = joined()
    a.shutdown(socket.SHUT_RDWR)
    yield a.recv(10), attempt(a.send, b"x"), b.recv(10)
    server = listener()
    yield attempt(server.shutdown, socket.SHUT_RD)
    yield attempt(server.accept)


def peer_gone():
    a, b = joined()
    b.close()
    yield settled(a, "IN|OUT")
    yield a.recv(10)
    a, b = joined()
    b.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    b.close()
    yield settled(a, "IN|OUT|ERR|HUP")
    yield attempt(a.recv, 1)
    yield attempt(a.recv, 1)
    yield attempt(a.send, b"x")
    yield attempt(a.getpeername)
    yield events(a)
    a, b = joined()
    b.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    b.close()
    settled(a, "IN|OUT|ERR|HUP")
    yield attempt(a.send, b"x")
    yield attempt(a.send, b"x")
    yield attempt(a.recv, 1)


def polling():
    server = listener()
    yield events(server)
    client = new()
    client.connect(server.getsockname())
    yield settled(server, "IN")
    conn, _ = server.accept()
    opened.append(conn)
    yield events(server), events(conn), events(conn, 1), events(conn, 0)
    client.sendall(b"x")
    yield settled(conn, "IN|OUT"), settled(conn, "IN", 1), settled(conn, "OUT", 4)
    d, e = datagrams()
    yield events(d), events(d, 1)
    e.sendto(b"x", d.getsockname())
    yield settled(d, "IN|OUT")


def options():
    s = new()
    d = new(socket.AF_INET, socket.SOCK_DGRAM)
    flags = ("SO_REUSEADDR", "SO_KEEPALIVE", "SO_REUSEPORT", "SO_DONTROUTE", "SO_OOBINLINE")
    for one in (s, d):
        for name in flags:
            option = getattr(socket, name)
            before = attempt(one.getsockopt, socket.SOL_SOCKET, option)
            said = attempt(one.setsockopt, socket.SOL_SOCKET, option, 7)
            yield name, before, said, attempt(one.getsockopt, socket.SOL_SOCKET, option)
    for name, value in (
        ("SO_TYPE", None),
        ("SO_ERROR", None),
        ("SO_ACCEPTCONN", None),
        ("SO_DOMAIN", None),
        ("SO_PROTOCOL", None),
        ("SO_BROADCAST", 1),
        ("SO_RCVLOWAT", 5),
        ("SO_SNDLOWAT", 5),
        ("SO_NO_CHECK", 1),
    ):
        option = LINUX.get(name) or getattr(socket, name)
        for one in (s, d):
            said = value and attempt(one.setsockopt, socket.SOL_SOCKET, option, value)
            yield name, said, attempt(one.getsockopt, socket.SOL_SOCKET, option)
    for name in ("SO_TYPE", "SO_ERROR", "SO_ACCEPTCONN", "SO_DOMAIN", "SO_PROTOCOL"):
        yield name, attempt(s.setsockopt, socket.SOL_SOCKET, getattr(socket, name), 1)
    yield attempt(s.getsockopt, socket.SOL_SOCKET, socket.SO_REUSEADDR, 4)
    yield attempt(s.getsockopt, socket.SOL_SOCKET, socket.SO_REUSEADDR, 2)
    yield attempt(s.getsockopt, socket.SOL_SOCKET, socket.SO_REUSEADDR, 16)
    yield fails(s.getsockopt, socket.SOL_SOCKET, socket.SO_REUSEADDR, -1)
    yield attempt(s.getsockopt, socket.SOL_SOCKET, 999)
    yield attempt(s.setsockopt, socket.SOL_SOCKET, 999, 1)
    yield attempt(s.getsockopt, 77, 1)
    yield attempt(s.setsockopt, socket.SOL_SOCKET, socket.SO_REUSEADDR, b"")
    yield attempt(s.setsockopt, socket.SOL_SOCKET, socket.SO_REUSEADDR, b"\1\0\0\0")
    yield s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    tcp = socket.IPPROTO_TCP
    for name, values in (
        ("TCP_NODELAY", (1, 0)),
        ("TCP_KEEPIDLE", (60, 0, 40000)),
        ("TCP_KEEPINTVL", (5, 0)),
        ("TCP_KEEPCNT", (3, 0, 200)),
        ("TCP_CORK", (1, 0)),
        ("TCP_USER_TIMEOUT", (3000, -1)),
        ("TCP_DEFER_ACCEPT", (1, 0)),
    ):
        option = getattr(socket, name)
        for value in values:
            said = attempt(s.setsockopt, tcp, option, value)
            yield name, value, said, attempt(s.getsockopt, tcp, option)
        yield name, attempt(d.getsockopt, tcp, option)
    for value in (1, 255, 0, 256):
        said = attempt(d.setsockopt, socket.IPPROTO_IP, socket.IP_TTL, value)
        yield "IP_TTL", value, said, d.getsockopt(socket.IPPROTO_IP, socket.IP_TTL)
    yield d.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x10)
    yield d.getsockopt(socket.IPPROTO_IP, socket.IP_TOS)


LINUX = {"SO_NO_CHECK": 11}


def timeout_options():
    a, b = joined()
    a.settimeout(None)
    for name in ("SO_RCVTIMEO", "SO_SNDTIMEO"):
        option = getattr(socket, name)
        yield name, a.getsockopt(socket.SOL_SOCKET, option, 16) == bytes(16)
        value = struct.pack("qq", 0, 40000)
        yield attempt(a.setsockopt, socket.SOL_SOCKET, option, value)
        yield a.getsockopt(socket.SOL_SOCKET, option, 16) == value
        yield attempt(a.setsockopt, socket.SOL_SOCKET, option, b"\1\2\3")
    yield attempt(a.recv, 10)
    yield a.gettimeout()
    yield fill(a, 8192)
    d, e = datagrams()
    d.settimeout(None)
    d.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("qq", 0, 40000))
    yield attempt(d.recvfrom, 10)
    server = listener()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("qq", 0, 40000))
    yield attempt(server.accept)


def low_water():
    a, b = joined()
    b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 4)
    a.sendall(b"123")
    events(b, 1, 50)
    yield events(b, 1)
    a.sendall(b"456")
    yield settled(b, "IN", 1), b.recv(10)


def dont_route():
    a, b = datagrams()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
    yield a.sendto(b"x", b.getsockname()), b.recv(10)


def duplicates():
    a, b = joined()
    c = a.dup()
    opened.append(c)
    yield c.getsockname() == a.getsockname(), c.getpeername() == a.getpeername()
    a.close()
    yield attempt(a.recv, 1)
    yield c.send(b"by the other"), b.recv(100)
    b.sendall(b"back")
    yield c.recv(100)
    c.close()
    yield b.recv(10)
    server = listener()
    twin = server.dup()
    opened.append(twin)
    server.close()
    client = new()
    client.connect(twin.getsockname())
    conn, _ = twin.accept()
    conn.close()
    yield client.recv(1)
    d, e = datagrams()
    f = d.dup()
    opened.append(f)
    d.close()
    e.sendto(b"x", f.getsockname())
    f.settimeout(30)
    yield f.recv(10)


def detached():
    a, b = joined()
    handle = a.detach()
    yield a.fileno(), attempt(a.recv, 1), attempt(a.close)
    c = new(socket.AF_INET, socket.SOCK_STREAM, 0, handle)
    yield c.send(b"still"), b.recv(10)
    c.close()
    yield b.recv(1)


def pairs():
    a, b = socket.socketpair(socket.AF_INET) if OURS else socket.socketpair()
    opened.extend((a, b))
    a.settimeout(30)
    b.settimeout(30)
    yield a.send(b"there"), b.recv(10), b.send(b"back"), a.recv(10)
    a.close()
    yield b.recv(1)


def servers():
    with socket.create_server((LOCAL, 0)) as server:
        yield server.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        yield server.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        with socket.create_connection(server.getsockname(), 5) as client:
            yield client.gettimeout()
            conn, peer = server.accept()
            yield peer == client.getsockname()
            conn.close()
            yield client.recv(1)
    yield attempt(socket.create_connection, (LOCAL, free_port()), 5)
    with socket.create_server((LOCAL, 0), family=socket.AF_INET, backlog=2) as server:
        yield server.family == socket.AF_INET
        yield attempt(socket.create_server, server.getsockname())
    yield attempt(lambda: socket.create_server((LOCAL, 0), dualstack_ipv6=True))
    yield type(socket.has_dualstack_ipv6())


def names():
    yield socket.inet_aton("10.1.2.3"), socket.inet_ntoa(b"\n\1\2\3")
    yield fails(socket.inet_aton, "10.1.2.300")
    for text in ("10.1.2.3", "1.2.3", "", "1.2.3.4.5", "01.2.3.4", "1.2.3.-4", " 1.2.3.4"):
        yield text, fails(socket.inet_pton, socket.AF_INET, text)
    for text in ("::", "::1", "2001:db8::1", "1::2::3", "::ffff:10.0.0.1", "12345::", ":1", "1:"):
        yield text, fails(socket.inet_pton, socket.AF_INET6, text)
    yield attempt(socket.inet_ntop, socket.AF_INET, b"\1\2\3\4")
    yield attempt(socket.inet_ntop, socket.AF_INET, b"\1\2\3")
    yield attempt(socket.inet_ntop, socket.AF_INET6, bytes(15) + b"\1")
    yield attempt(socket.inet_ntop, 77, bytes(4))
    yield attempt(socket.inet_pton, 77, "::")
    for n in (1, 0x1234, 65535):
        yield socket.htons(n), socket.ntohs(n)
    yield attempt(socket.htons, 65536)
    yield attempt(socket.htons, -1)
    for n in (1, 0x12345678, 0xFFFFFFFF):
        yield socket.htonl(n), socket.ntohl(n)
    yield attempt(socket.htonl, 1 << 32)


def looking_up():
    yield [row[4] for row in socket.getaddrinfo(LOCAL, 80, socket.AF_INET, socket.SOCK_STREAM)]
    yield socket.getaddrinfo(LOCAL, "80", socket.AF_INET, socket.SOCK_STREAM)[0][4]
    yield socket.getaddrinfo(LOCAL, None, socket.AF_INET, socket.SOCK_STREAM)[0][4]
    yield socket.getaddrinfo("::1", 80, 0, socket.SOCK_STREAM)[0][4]
    yield attempt(socket.getaddrinfo, "::1", 80, socket.AF_INET)
    yield attempt(socket.getaddrinfo, LOCAL, "no such service")
    yield attempt(socket.getaddrinfo, LOCAL, 80, 77)
    yield attempt(socket.getaddrinfo, "x", 80, 0, 0, 0, socket.AI_NUMERICHOST)
    yield attempt(socket.getaddrinfo, None, None)
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        rows = socket.getaddrinfo(None, 7, socket.AF_INET, kind, 0, socket.AI_PASSIVE)
        yield rows[0][4]
    numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    yield socket.getnameinfo((LOCAL, 80), numeric)
    yield socket.getnameinfo(("::1", 80), numeric)
    yield socket.getnameinfo(("::1", 80, 0, 0), numeric)
    yield attempt(socket.getnameinfo, ("a name", 80), numeric)
    yield attempt(socket.getnameinfo, (LOCAL, 70000), numeric)
    yield attempt(socket.getnameinfo, (LOCAL,), numeric)
    yield attempt(socket.getnameinfo, LOCAL, numeric)
    yield socket.gethostbyname(LOCAL), socket.gethostbyname("")
    yield type(socket.gethostname())
    yield socket.if_nametoindex("lo"), socket.if_indextoname(1), socket.if_nameindex()[0]
    yield fails(socket.if_nametoindex, "no such")
    yield attempt(socket.if_indextoname, 7777)


def files():
    a, b = joined()
    f = a.makefile("rwb")
    f.write(b"one\ntwo\nthree")
    if not OURS:
        f.flush()
    a.shutdown(socket.SHUT_WR)
    g = b.makefile("rb")
    yield g.readline(), g.readline(2), g.read(3), g.read()
    a, b = joined()
    a.sendall(b"1\n2\n")
    a.close()
    yield [line for line in b.makefile("rb")]


def gathered():
    a, b = joined()
    yield a.sendmsg([b"one ", bytearray(b"two "), memoryview(b"three")])
    yield b.recvmsg(100)[0]
    a.sendall(b"abcdef")
    bufs = [bytearray(2), bytearray(10)]
    while b.recv(10, socket.MSG_PEEK) != b"abcdef":
        pass
    n, ancdata, flags, sender = b.recvmsg_into(bufs)
    yield n, bufs, ancdata, flags


def collected():
    """A socket that nobody has any more is closed."""
    a, b = joined()
    opened.remove(a)
    a.sendall(b"last words")
    a = None
    for _ in range(3):
        gc.collect()
    yield b.recv(100), b.recv(100)


CASES = (
    fresh,
    poll_fresh,
    bad_sockets,
    closed,
    with_statement,
    wrong_types,
    timeouts,
    huge_timeouts,
    not_blocking,
    nothing_at_all,
    connecting,
    connecting_without_blocking,
    refused,
    naming,
    datagrams_connected,
    flags,
    half_closed,
    shut_for_reading,
    peer_gone,
    polling,
    options,
    timeout_options,
    low_water,
    dont_route,
    duplicates,
    detached,
    pairs,
    servers,
    names,
    looking_up,
    files,
    gathered,
    collected,
)


def main(wanted):
    for case in CASES:
        name = case.__name__
        if wanted and name not in wanted:
            continue
        i = 0
        try:
            for said in case():
                i += 1
                print("%s %d: %s" % (name, i, said))
        except Exception as error:
            print("%s: ended by %r" % (name, error))
        while opened:
            try:
                opened.pop().close()
            except OSError:
                pass


main(sys.argv[1:])
