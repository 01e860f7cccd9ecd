# What programs do wrong with sockets: documented exceptions, and nothing is lost.

import bench
import gc
import select
import socket
from netstack.api import host

EBADF = 9
EAGAIN = 11
EINVAL = 22
ENETUNREACH = 101


def raises(kind, function, *args):
    try:
        function(*args)
    except kind as error:
        return error
    raise AssertionError("%s was expected" % kind)


def fails(number, function, *args):
    error = raises(OSError, function, *args)
    assert error.errno == number, error


def joined():
    a, b = socket.socketpair()
    for s in (a, b):
        bench.at_end(s.close)
        s.settimeout(60)
    return a, b


def test_wrong_types():
    """Nothing of what is refused has an effect."""
    a, b = joined()
    d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bench.at_end(d.close)
    for s in (a, d):
        for wrong in (None, 1.5, [], {}, object()):
            raises(TypeError, s.send, wrong)
            raises(TypeError, s.connect, wrong)
            raises(TypeError, s.bind, wrong)
        for wrong in ("x", None, []):
            raises(TypeError, s.recv, wrong)
            raises(TypeError, s.setsockopt, wrong, 2, 1)
            raises(TypeError, s.setsockopt, 1, wrong, 1)
        for address in ((), ("127.0.0.1",), (1, 2), (None, 5), ("127.0.0.1", "80")):
            raises(TypeError, s.connect, address)
        for port in (-1, 65536, 1 << 40):
            raises(OverflowError, s.connect, ("127.0.0.1", port))
        raises(ValueError, s.recv, -1)
        raises(ValueError, s.recv_into, bytearray(3), 4)
        raises(ValueError, s.settimeout, -0.5)
        raises(TypeError, s.recv_into, b"constant")
    raises(TypeError, socket.socket, "inet")
    raises(TypeError, socket.getaddrinfo, 5, 80)
    assert socket.getaddrinfo(b"127.0.0.1", 80)[0][4] == ("127.0.0.1", 80)
    raises(AttributeError, getattr, a, "no_such_thing")
    a.sendall(b"as before")
    assert b.recv(20) == b"as before"


def test_huge_numbers():
    a, b = joined()
    for seconds in (1e9, 1 << 40, 1e30):
        a.settimeout(seconds)
        b.sendall(b"x")
        assert a.recv(1 << 40) == b"x"
    raises((OverflowError, ValueError), a.settimeout, float("inf"))
    raises((OverflowError, ValueError), a.settimeout, float("nan"))
    assert a.gettimeout() > 500000  # the last that was taken still counts
    a.settimeout(60)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as d:
        d.bind(("127.0.0.1", 0))
        d.sendto(b"abc", d.getsockname())
        d.settimeout(60)
        assert d.recv(1 << 40) == b"abc"
        d.sendto(b"abc", d.getsockname())
        assert d.recvmsg(1 << 40)[0] == b"abc"


def test_nothing():
    a, b = joined()
    assert a.send(b"") == 0 and a.sendall(b"") is None and a.recv(0) == b""
    assert a.readinto(bytearray(0)) == 0 and a.read(0) == b"" and a.write(b"") in (0, None)
    for call in (
        lambda: a.recv_into(bytearray(0)),
        lambda: len(a.recvfrom(0)[0]),
        lambda: len(a.recv(0, socket.MSG_PEEK)),
        lambda: len(a.recvmsg(0)[0]),
        lambda: a.recvmsg_into([])[0],
        lambda: a.sendmsg([]),
    ):
        assert call() == 0
    b.setblocking(False)
    fails(EAGAIN, b.recv, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as d:
        d.bind(("127.0.0.1", 0))
        to = d.getsockname()
        d.settimeout(60)
        d.sendto(b"", to)
        assert d.recv(10) == b""  # a datagram of nothing
        d.sendto(b"abc", to)
        d.sendto(b"d", to)
        assert d.recv_into(bytearray(0)) == 0  # takes one, as recv(0) does
        assert d.recv(10) == b"d"


def test_bound_already():
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as s:
            s.bind(("127.0.0.1", 0))
            where = s.getsockname()
            fails(EINVAL, s.bind, ("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                s.listen(1)
                fails(EINVAL, s.bind, ("127.0.0.1", 0))
            assert s.getsockname() == where


def test_port_0():
    """Nobody has it: nothing is sent, and the socket is as it was."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as d:
        d.bind(("127.0.0.1", 0))
        d.settimeout(60)
        to = d.getsockname()
        for _ in range(3):
            fails(EINVAL, d.sendto, b"x", ("127.0.0.1", 0))
            d.sendto(b"y", to)
            assert d.recv(10) == b"y"
        d.connect(to)
        fails(EINVAL, d.sendto, b"x", ("127.0.0.1", 0))
        d.send(b"z")
        assert d.recv(10) == b"z"


def test_wrong_family():
    with socket.socket() as s:
        for address in (("::1", 80), ("2001:db8::1", 80, 0, 0)):
            fails(-2, s.connect, address)
            fails(-2, s.bind, address)
        s.bind(("127.0.0.1", 0))
    if not socket.has_dualstack_ipv6():
        return
    with socket.socket(socket.AF_INET6) as s:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        fails(ENETUNREACH, s.connect, ("127.0.0.1", 80))


def test_closed_again():
    a, b = joined()
    poller = select.poll()
    poller.register(a, select.POLLIN)
    for _ in range(3):
        a.close()
    assert poller.poll(0) == [(a, 32)]  # POLLNVAL
    for call in (a.getsockname, a.accept, a.detach, a.dup, a.read, lambda: a.shutdown(2)):
        fails(EBADF, call)
    assert b.read() == b""


def test_many():
    """More than there is room for: OSError or MemoryError, and afterwards all is as it was."""
    most = 10000 if bench.UNIX else 600  # where memory does not end before
    st = host.stack()
    gc.collect()
    spent = st.spent
    taken = []
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        try:
            while True:
                s = socket.socket(socket.AF_INET, kind)
                taken.append(s)
                s.bind(("127.0.0.1", 0))
                if len(taken) >= most:
                    break
        except (OSError, MemoryError):
            pass
        assert len(taken) > 10
        while taken:
            taken.pop().close()
        s = None
        gc.collect()
        assert st.spent <= spent, st.spent - spent
    a, b = joined()
    a.sendall(b"as before")
    assert b.recv(20) == b"as before"


def test_refused_while_busy():
    """Whoever has interrupted the stack is told so, and nothing happens."""
    a, b = joined()
    with bench.inside(host.stack()):
        for call in (
            lambda: a.bind(("", 0)),
            lambda: a.connect(("127.0.0.1", 1)),
            lambda: a.recv(1),
            lambda: a.send(b"x"),
            lambda: a.shutdown(2),
            a.close,
        ):
            error = raises(OSError, call)
            assert error.errno == EAGAIN or error.errno == 106, error
        assert host.stack().poll(host.stack().clock()) == 0  # poll() in poll() does nothing
    assert a.send(b"y") == 1 and b.recv(5) == b"y"


def test_poll_inside_callbacks():
    """A callback of the stack that polls it is harmless."""
    a, b = joined()
    st = host.stack()
    said = []
    usual = b._io.notify

    def notify(io):
        said.append(st.poll(st.clock()))
        usual(io)

    b._io.notify = notify
    a.sendall(b"through")
    assert b.recv(20) == b"through" and said and said[0] == 0


bench.run_tests(globals())
