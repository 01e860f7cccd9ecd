# CPython's methods, functions and options that few programs use; ../interop/test_parity.py
# compares the rest with CPython on the host.

import bench
import io
import socket
import struct
from netstack.api import host

EAGAIN = 11
ECONNREFUSED = 111
ENETUNREACH = 101


def joined():
    a, b = socket.socketpair()
    for s in (a, b):
        bench.at_end(s.close)
        s.settimeout(60)
    return a, b


def raises(number, function, *args):
    try:
        function(*args)
    except OSError as error:
        assert error.errno == number, error
        return
    raise AssertionError("OSError %d was expected" % number)


def test_pairs():
    a, b = joined()
    assert a.send(b"there") == 5 and b.recv(10) == b"there"
    a, b = socket.socketpair(socket.AF_INET, socket.SOCK_DGRAM)
    with a, b:
        b.send(b"back")
        assert a.recv(10) == b"back" and a.getpeername() == b.getsockname()


def test_dup_and_detach():
    a, b = joined()
    twin = a.dup()
    a.close()
    assert twin.send(b"one") == 3 and b.recv(10) == b"one"
    handle = twin.detach()
    again = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=handle)
    again.settimeout(60)
    assert b.send(b"two") == 3 and again.recv(10) == b"two"
    again.close()
    assert b.recv(10) == b""
    with socket.socket() as fresh:
        raises(95, fresh.dup)


def test_attributes():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as s:
        assert (s.family, s.type, s.proto, s.timeout) == (2, 2, 0, 0)
        assert not s.getblocking()
    socket.setdefaulttimeout(1.5)
    with socket.socket() as s:
        assert s.gettimeout() == socket.getdefaulttimeout() == 1.5
    socket.setdefaulttimeout(None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with socket.socket() as s:
            assert s.connect_ex(address) == 0
    with socket.socket() as s:
        assert s.connect_ex(address) == ECONNREFUSED


def test_flags():
    a, b = joined()
    a.sendall(b"abc")
    assert b.recv(2, socket.MSG_PEEK) == b"ab" and b.recv(1) == b"a"
    a.sendall(b"def")
    assert b.recv(4, socket.MSG_WAITALL) == b"bcde"
    assert b.recv(4, socket.MSG_DONTWAIT) == b"f"
    raises(EAGAIN, b.recv, 4, socket.MSG_DONTWAIT)


def test_time_limits():
    a, b = joined()
    b.settimeout(None)
    for value in (struct.pack("<qq", 0, 30000), struct.pack("<ii", 0, 30000), 30):
        b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        assert b.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO) == 30
        bench.takes(29, 500, raises, EAGAIN, b.recv, 1)
    b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 0)
    a.sendall(b"x")
    assert b.recv(1) == b"x"


def test_low_water():
    a, b = joined()
    b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 4)
    assert b.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 4
    a.sendall(b"123")
    assert host.wait(lambda: b._io.available() == 3, 30000)
    assert b._ready(1) == 0
    a.sendall(b"4567")
    assert b.recv(10)[:4] == b"1234"
    a.sendall(b"8")
    a.shutdown(socket.SHUT_WR)
    assert b.read()[-1:] == b"8"  # the end is worth telling


def test_names():
    numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    assert socket.getnameinfo(("192.0.2.1", 80), numeric) == ("192.0.2.1", "80")
    assert socket.getnameinfo(("127.0.0.1", 80), 0) == ("localhost", "80")
    host.dns().hosts["printer"] = [b"\xc0\0\2\7"]
    assert socket.getnameinfo(("192.0.2.7", 9), 0) == ("printer", "9")
    assert socket.gethostbyname("printer") == "192.0.2.7"
    assert socket.gethostbyaddr("printer") == ("printer", [], ["192.0.2.7"])
    host.dns().hosts.pop("printer")
    assert socket.if_nametoindex("lo") == 1 and socket.if_indextoname(1) == "lo"
    assert (1, "lo") in socket.if_nameindex()
    raises(19, socket.if_nametoindex, "no such")
    raises(6, socket.if_indextoname, 77)
    assert socket.htonl(0x01020304) == 0x04030201


def test_files():
    a, b = joined()
    a.sendfile(io.BytesIO(b"0123456789" * 300), 5, 2000)
    a.close()
    assert b.read() == (b"0123456789" * 300)[5:2005]


def test_without_a_checksum():
    # RFC 768: zero means that the sender has computed none
    p = bench.peer()
    udp = p.st.udp
    if udp is None:
        from netstack.transport import udp as protocol

        udp = protocol.attach(p.st)
    ep = udp.open()
    bench.at_end(ep.close)
    for nosum in (False, True, False):
        ep.nosum = nosum
        for _ in range(3):
            with bench.inside(p.st):
                assert ep.send(b"abc", 0, 3, p.st.ip4, p.addr, 7) == 3
            p.poll()
            frame = p.sent.pop(0)
            assert (frame[40:42] == b"\0\0") == nosum, frame


def test_not_through_a_gateway():
    a, b = socket.socketpair(socket.AF_INET, socket.SOCK_DGRAM)
    with a, b:
        a.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
        assert a.getsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE) == 1
        a.sendto(b"near", b.getsockname())
        assert b.recv(10) == b"near"
    from netstack.api import address

    p = bench.peer()
    address.check_near(p.st.ip4, p.addr)
    p.st.ip4.configure(p.nif, p.nif.v4.addr, b"\xff\xff\xff\0", p.addr)
    raises(ENETUNREACH, address.check_near, p.st.ip4, b"\xc0\0\2\1")


bench.run_tests(globals())
