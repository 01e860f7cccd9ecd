# Datagram sockets over Ethernet: the short way of api/datagram.py does what the long way does,
# with the fast path and without it, over IPv4 and IPv6.

import bench
import netstack
import peer6
import socket
from array import array
from netstack.api import host, state
from packets import icmp, ip, ip4, udp

EAGAIN = 11
ECONNREFUSED = 111
LOCK = 44  # words of Stack.w
FAST_OUT = 33


def opened(port, af):
    """(peer, a socket on a stack of its own); p.at(port) is how a program writes the peer."""
    if af == socket.AF_INET:
        p = bench.peer()
        p.at = lambda port: ("10.0.0.1", port)
    else:
        p = peer6.peer()
        p.at = lambda port: ("2001:db8::1", port, 0, 0)
    p.greet()
    shared = state.st, state.service, state.pump
    state.st, state.service, state.pump = p.st, None, host._pumper(p.st, None)

    def restore():
        state.st, state.service, state.pump = shared

    bench.at_end(restore)
    s = socket.socket(af, socket.SOCK_DGRAM)
    s.settimeout(0)
    s.bind(("", port))
    return p, s


def each_way(body):
    for af in (socket.AF_INET, socket.AF_INET6):
        for fast in (False, True):
            netstack.fastpath = fast
            try:
                p, s = opened(7, af)
                body(p, s)
                s.close()
            finally:
                netstack.fastpath = True
            bench.clean()


def raises(number, function, *args):
    try:
        function(*args)
    except OSError as error:
        assert error.errno == number, error
        return
    raise AssertionError("OSError %d was expected" % number)


def test_echo():
    def body(p, s):
        for i, port in enumerate((1000, 1000, 1000, 2000, 1000, 2000, 2000, 2000)):
            text = b"%d of %d" % (i, port)
            p.udp(port, 7, text)
            if i & 1:
                data = bytearray(20)
                n, sender = s.recvfrom_into(data)
                data = data[:n]
            else:
                data, sender = s.recvfrom(20)
            assert data == text and sender == p.at(port), (data, sender)
            assert s.sendto(data, sender) == len(text)
            p.expect("udp", sport=7, dport=port, data=text)
            p.expect_nothing()
        assert (p.st.w[FAST_OUT] > 0) == netstack.fastpath

    each_way(body)


def test_senders_between():
    """A tuple that recvfrom() has given stays right when others have sent since."""

    def body(p, s):
        p.udp(1000, 7, b"first")
        _, first = s.recvfrom(9)
        p.udp(2000, 7, b"second")
        assert s.recv(9) == b"second"  # who that was is not asked
        s.sendto(b"to the first", first)
        p.expect("udp", dport=1000, data=b"to the first")
        p.udp(2000, 7, b"third")
        _, second = s.recvfrom(9)
        assert first == p.at(1000) and second == p.at(2000)
        for _ in range(3):
            for address in (first, second, second):
                s.sendto(b"x", address)
                p.expect("udp", dport=address[1], data=b"x")

    each_way(body)


def test_two_of_one():
    """dup(): what one is told of senders does not mislead the other."""

    def body(p, s):
        t = s.dup()
        for receive in (
            lambda sock: sock.recvfrom(9),
            lambda sock: sock.recvfrom_into(bytearray(9)),
        ):
            p.udp(1000, 7, b"first")
            _, first = receive(s)
            p.udp(2000, 7, b"second")
            _, second = receive(t)
            assert first == p.at(1000) and second == p.at(2000)
            for sock, address in ((s, first), (t, second), (s, first), (s, second), (t, first)):
                sock.sendto(b"x", address)
                p.expect("udp", dport=address[1], data=b"x")
        t.close()

    each_way(body)


def test_what_is_sent():
    """Whatever has bytes may be sent, in each way to write the same address."""

    def body(p, s):
        text = "\u00e9t\u00e9"
        words = array("H", (1, 2, 3))
        sent = ((b"bytes", b"bytes"), (bytearray(b"array"), b"array"), (text, text.encode()))
        sent += ((memoryview(b"view"), b"view"), (words, bytes(words)), (b"", b""))
        for data, expected in sent:
            for address in (p.at(9), list(p.at(9)), tuple(list(p.at(9)))):
                for _ in range(3):
                    assert s.sendto(data, address) == len(expected)
                    p.expect("udp", sport=7, dport=9, data=expected)
                assert s.sendto(data, 0, address) == len(expected)
                p.expect("udp", sport=7, dport=9, data=expected)

    each_way(body)


def test_sizes():
    def body(p, s):
        most = 1472 if len(p.at(0)) == 2 else 1452
        for n in (0, 1, 3, 64, most - 1, most):
            data = bytes(i & 255 for i in range(n))
            for size in (1, 64, most):
                p.udp(1000, 7, data)
                got, sender = s.recvfrom(size)
                assert got == data[:size], (n, size)
                s.sendto(data, sender)
                p.expect("udp", dport=1000, data=data)
        raises(EAGAIN, s.recvfrom, 9)
        raises(EAGAIN, s.recvfrom_into, bytearray(9))

    each_way(body)


def test_read_only_buffer():
    def body(p, s):
        p.udp(1000, 7, b"kept")
        try:
            s.recvfrom_into(bytes(4))
            raise AssertionError("it may not be written")
        except TypeError:
            pass
        assert s.recv(9) == b"kept"

    each_way(body)


def test_inside_the_stack():
    """From a callback that has interrupted the stack nothing is done (api/host.py, enter())."""

    def body(p, s):
        address = p.at(9)
        for _ in range(2):
            s.sendto(b"x", address)
            p.expect("udp", data=b"x")
        p.udp(1000, 7, b"later")
        p.st.w[LOCK] = 1
        raises(EAGAIN, s.recvfrom, 9)
        raises(EAGAIN, s.sendto, b"y", address)
        p.st.w[LOCK] = 0
        p.expect_nothing()
        assert s.recvfrom(9)[0] == b"later"
        s.sendto(b"y", address)
        p.expect("udp", data=b"y")

    each_way(body)


def test_error_comes_first():
    """RFC 1122 4.1.3.3: what ICMP says of a datagram comes with the next call."""

    def body(p, s):
        address = p.at(9)
        s.connect(address)
        for _ in range(2):
            s.sendto(b"x", address)
        frame = p.take()[-1].frame
        if frame[12] == 8:
            p.send(p.ip_frame(1, icmp(3, 3, data=frame[14:42])))
        else:
            p.send(p.icmp_frame(peer6.UNREACHABLE, 4, data=frame[14:]))
        raises(ECONNREFUSED, s.sendto, b"y", address)
        p.expect_nothing()
        s.sendto(b"z", address)
        p.expect("udp", data=b"z")

    each_way(body)


def test_families_in_turn():
    """A socket of both: whom it answers, and over what, is the sender's affair."""
    for fast in (False, True):
        netstack.fastpath = fast
        try:
            p, s = opened(7, socket.AF_INET6)
            ours, theirs = ip("10.0.0.2"), ip("10.0.0.1")
            for i in range(20):
                port = 1000 + (i & 2)
                if i % 5 < 2:
                    datagram = udp(theirs, ours, port, 7, b"%d" % i)
                    p.send(p.frame(ip4(theirs, ours, 17, datagram)))
                    expected = "::ffff:10.0.0.1", port, 0, 0
                else:
                    p.udp(port, 7, b"%d" % i)
                    expected = p.at(port)
                data, sender = s.recvfrom(20)
                assert data == b"%d" % i and sender == expected, (data, sender)
                s.sendto(data, sender)
                p.poll()  # the first has to wait for a link address
                sent = p.expect("udp", sport=7, dport=port, data=data)
                assert (sent.frame[12:14] == b"\x08\0") == (i % 5 < 2)
            s.close()
        finally:
            netstack.fastpath = True
        bench.clean()


def test_neighbours_of_links():
    """Link-local senders: their zone is told, and answers leave by it."""
    for fast in (False, True):
        netstack.fastpath = fast
        try:
            p, s = opened(7, socket.AF_INET6)
            scope = p.st.nifs.index(p.host.nif) + 1
            for i in range(6):
                p.send(p.udp_frame(1000 + (i & 1), 7, b"%d" % i, src=p.link, dst=p.host.link))
                data, sender = s.recvfrom(20)
                assert sender[:2] == ("fe80::1", 1000 + (i & 1))
                s.sendto(data, ("fe80::1", sender[1], 0, scope))
                p.expect("udp", dport=sender[1], data=data)
            s.close()
        finally:
            netstack.fastpath = True
        bench.clean()


bench.run_tests(globals())
