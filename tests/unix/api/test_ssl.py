# TLS and DTLS over loopback, both ends in one program, on the host and on the boards. The
# certificate is its own authority, and good until 2120.

import asyncio
import bench
import gc
import io
import netstack
import select
import socket
import ssl
import time
from netstack.api import host
from pem import CERT, NAME, contexts


EAGAIN = 11
EBADF = 9
ECONNRESET = 104
ETIMEDOUT = 110


def joined(kind=socket.SOCK_STREAM):
    """Two sockets that are connected to each other."""
    if kind == socket.SOCK_DGRAM:
        one, two = socket.socket(type=kind), socket.socket(type=kind)
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        one.connect(two.getsockname())
        two.connect(one.getsockname())
        return one, two
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    one = socket.socket()
    one.connect(listener.getsockname())
    two = listener.accept()[0]
    listener.close()
    return one, two


def shake(client, server, ms=30000):
    """Both handshakes at once, without blocking."""
    left = [client, server]
    end = time.ticks_add(time.ticks_ms(), ms)
    while left:
        for sock in list(left):
            try:
                sock.do_handshake()
                left.remove(sock)
            except OSError as error:
                if error.errno != EAGAIN:
                    raise error
        assert time.ticks_diff(end, time.ticks_ms()) > 0, "no handshake in %d ms" % ms
        time.sleep_ms(1)


def secured(kind=socket.SOCK_STREAM, over=lambda sock: sock, ciphers=None):
    """(client, server) of a connection whose handshake is done; neither blocks."""
    one, two = (over(sock) for sock in joined(kind))
    client, server = contexts(kind == socket.SOCK_DGRAM)
    if ciphers:
        server.set_ciphers(ciphers)
    one.setblocking(False)
    two.setblocking(False)
    how = {"do_handshake_on_connect": False}
    a = client.wrap_socket(one, server_hostname=NAME, **how)
    b = server.wrap_socket(two, server_side=True, **how)
    bench.at_end(a.close)
    bench.at_end(b.close)
    shake(a, b)
    return a, b


def test_sockets_methods():
    a, b = secured()
    assert a.send(b"one\ntwo\nthree") == 13
    b.settimeout(60)
    assert b.readline() == b"one\n" and b.recv(2) == b"tw" and b.read(3) == b"o\nt"
    buf = bytearray(10)
    assert b.recv_into(buf) == 4 and buf[:4] == b"hree"
    assert b.getpeername() == a.getsockname() and b.gettimeout() == 60
    a.sendall("text")
    assert b.readinto(buf, 4) == 4 and buf[:4] == b"text"
    assert a.version() == b.version() and a.cipher()[0] == b.cipher()[0]
    assert a.getpeercert(True) == CERT and b.getpeercert(True) is None
    assert a.session_reused is False and b.selected_alpn_protocol() is None


def test_ciphers():
    # a list without one of TLS 1.3 is one for TLS 1.2
    names = contexts()[0].get_ciphers()
    for start in "TLS-ECDHE-ECDSA-WITH-AES-128-GCM", "TLS1-3-AES-128-GCM":
        chosen = [name for name in names if name.startswith(start)]
        if chosen or start[3] == "-":
            a, b = secured(ciphers=chosen)
            assert a.cipher() == b.cipher() and a.cipher()[0] == chosen[0], a.cipher()
            assert ("1.3" in a.version()) == (start[3] == "1"), a.version()


def test_without_blocking():
    """None from a stream's methods, EAGAIN from a socket's; select tells what would not."""
    a, b = secured()
    assert b.read(5) is None and b.readinto(bytearray(5)) is None
    bench.raises(EAGAIN, b.recv, 5)
    bench.raises(EAGAIN, b.recv_into, bytearray(5))
    poller = select.poll()
    poller.register(b, select.POLLIN)
    assert not poller.poll(0)
    a.write(b"hello")
    assert poller.poll(10000) and b.recv(2) == b"he"
    assert poller.poll(0) and b.recv(9) == b"llo"  # a record was read, and half of it kept
    assert not poller.poll(0)


def test_a_full_socket_loses_nothing():
    """What write() has not taken may be followed by more, as asyncio does it."""
    a, b = secured()
    block = bytes(range(256)) * 20
    waiting = b""
    taken = sent = 0
    got = bytearray()
    while sent < 30 * len(block) or waiting:
        if sent < 30 * len(block):
            waiting += block
            sent += len(block)
        n = a.write(waiting)
        if n:
            taken += n
            waiting = waiting[n:]
        if n is None or n == 0 or not waiting:
            while part := b.read(3000):
                got += part
    end = time.ticks_add(time.ticks_ms(), 20000)
    while len(got) < taken:
        a.ioctl(3, 4)  # what waits below is sent on, as select does
        got += b.read(3000) or b""
        assert time.ticks_diff(end, time.ticks_ms()) > 0, (len(got), taken)
    assert taken == 30 * len(block) and got == block * 30


def test_a_timeout_harms_nothing():
    a, b = secured()
    b.settimeout(0.05)
    for _ in range(3):
        bench.raises(ETIMEDOUT, b.recv, 10)
        bench.raises(ETIMEDOUT, b.read, 10)
    a.write(b"late")
    assert b.recv(10) == b"late"


class Spoilt(io.IOBase):
    """A socket whose next read raises `error`, or loses what matches `lose`."""

    def __init__(self, sock):
        self.sock = sock
        self.error = None
        self.lose = 0

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def recv_into(self, buf):
        if self.error:
            error, self.error = self.error, None
            raise error
        return self.sock.recv_into(buf)

    def send(self, buf):
        if self.lose:
            self.lose -= 1
            return len(buf)
        return self.sock.send(buf)

    def setblocking(self, flag):
        self.sock.setblocking(flag)

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def gettimeout(self):
        return self.sock.gettimeout()

    def ioctl(self, request, arg):
        return self.sock.ioctl(request, arg)

    def close(self):
        self.sock.close()


def test_exceptions_pass():
    """Whatever the stream below raises comes out, from within mbedTLS, and if it was not an error
    of the stream the connection goes on."""
    spoilt = []

    def spoil(sock):
        spoilt.append(Spoilt(sock))
        return spoilt[-1]

    a, b = secured(over=spoil)
    a.write(b"data")
    b.settimeout(60)
    spoilt[1].error = KeyboardInterrupt()
    try:
        b.recv(4)
        raise AssertionError("KeyboardInterrupt was expected")
    except KeyboardInterrupt:
        pass
    assert b.recv(4) == b"data"
    spoilt[1].error = OSError(ECONNRESET)
    bench.raises(ECONNRESET, b.recv, 4)
    bench.raises(ECONNRESET, b.recv, 4)


def test_closing():
    """close_notify is an end, for reading again and for select as well; then all is over."""
    a, b = secured()
    poller = select.poll()
    poller.register(b, select.POLLIN)
    a.write(b"last")
    a.close()
    a.close()
    bench.raises(EBADF, a.recv, 1)
    bench.raises(EBADF, a.write, b"x")
    bench.raises(EBADF, a.getpeername)
    assert a.ioctl(3, 1) == 32  # POLLNVAL
    b.settimeout(60)
    assert b.read() == b"last"
    for _ in range(3):
        assert poller.poll(0) and b.recv(5) == b"" and b.read(5) == b"" and b.readline() == b""
    with b:
        pass
    bench.raises(EBADF, b.recv, 1)


def deep(n, function):
    """Call it with nothing of what it leaves behind on the stack, which the collector reads."""
    return deep(n - 1, function) if n else function()


def test_dropped():
    """Connections that nobody has any more, in a handshake and after it, are garbage: closed, and
    their memory is free again."""

    def make():
        a, b = joined()
        a.setblocking(False)
        b.setblocking(False)
        client, server = contexts()
        a = client.wrap_socket(a, server_hostname=NAME, do_handshake_on_connect=False)
        b = server.wrap_socket(b, server_side=True, do_handshake_on_connect=False)
        if half:
            a.read(1)
            b.read(1)
        else:
            shake(a, b)

    tcp = host.tcp()
    used = []
    for half in (False, True, False, True, False, True):
        deep(10, make)
        deep(20, gc.collect)
        host.pump()
        used.append(bench.heap(host.stack()))
    end = time.ticks_add(time.ticks_ms(), 20000)
    while any(conn.state == 4 for conn in tcp.connections()):  # ESTABLISHED
        gc.collect()
        host.pump()
        assert time.ticks_diff(end, time.ticks_ms()) > 0, list(tcp.connections())
    # one of them may be held by what the collector takes for a pointer
    assert min(used[-2:]) - min(used[:2]) < 20000, used


def test_who_is_not_believed():
    one, two = joined()
    one.setblocking(False)
    two.setblocking(False)
    client, server = contexts()
    a = client.wrap_socket(one, server_hostname="elsewhere", do_handshake_on_connect=False)
    b = server.wrap_socket(two, server_side=True, do_handshake_on_connect=False)
    bench.at_end(a.close)
    bench.at_end(b.close)
    try:
        shake(a, b)
        raise AssertionError("a name was believed")
    except ValueError as error:
        assert "does not match" in str(error)
    try:
        shake(b, b)
        raise AssertionError("the alert has not come")
    except OSError as error:
        assert error.errno < -256, error


def test_bad_arguments():
    one, two = joined()
    bench.at_end(one.close)
    bench.at_end(two.close)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for call in (
        lambda: context.load_cert_chain(b"no", b"key"),
        lambda: context.load_verify_locations(cadata=b"nothing"),
        lambda: context.set_max_fragment(100),
        lambda: context.set_versions(5, 6),
        lambda: setattr(context, "verify_mode", 7),
        lambda: ssl.SSLContext(99),
        lambda: context.set_alpn_protocols(["x"] * 9),
    ):
        try:
            call()
        except ValueError:
            continue
        raise AssertionError("ValueError was expected")
    try:
        context.wrap_socket(one, session=b"no session", do_handshake_on_connect=False)
        raise AssertionError("a session that is none")
    except OSError:
        pass


def test_datagrams():
    """DTLS, with cookies, and with the first datagram of each side lost: RFC 6347 4.2.4. They are
    sent again by themselves, while the program sleeps or waits until something can be read."""
    one, two = (Spoilt(sock) for sock in joined(socket.SOCK_DGRAM))
    client, server = contexts(True)
    one.setblocking(False)
    two.setblocking(False)
    one.lose = two.lose = 1
    a = client.wrap_socket(one, False, False, NAME)
    b = server.wrap_socket(two, True, False)
    bench.at_end(a.close)
    bench.at_end(b.close)
    bench.raises(EAGAIN, a.do_handshake)
    arrived = select.poll()
    arrived.register(two.sock, select.POLLIN)
    assert not arrived.poll(0)
    end = time.ticks_add(time.ticks_ms(), 30000)
    while not arrived.poll(0):
        time.sleep_ms(20)
        assert time.ticks_diff(end, time.ticks_ms()) > 0, "it was not sent again"
    left = [a, b]
    poller = select.poll()
    for each in left:
        poller.register(each, select.POLLIN)
    while left:
        ready = poller.poll(30000)
        assert ready, "it was not sent again"
        for each, _ in ready:
            try:
                each.do_handshake()
                left.remove(each)
                poller.unregister(each)
            except OSError as error:
                assert error.errno == EAGAIN, error
    assert not one.lose and not two.lose and "DTLS" in a.version()
    b.settimeout(60)
    for text in (b"one", b"two and more"):
        a.send(text)
        assert b.recv(100) == text
    spoilt = b._sock
    spoilt.sock.send(b"")  # an empty datagram, noise, and a record that nobody has sent
    spoilt.sock.send(b"noise")
    spoilt.sock.send(b"\x17\xfe\xfd" + bytes(40))
    b.send(b"still here")
    a.settimeout(60)
    assert a.recv(100) == b"still here"


def test_one_argument():
    """create_server() and create_connection(); a client that says nothing keeps no other one."""
    client, server = contexts()
    listener = socket.create_server(("127.0.0.1", 0), ssl=server)
    bench.at_end(listener.close)
    address = listener.getsockname()
    mute = socket.create_connection(address)
    bench.at_end(mute.close)
    silent, peer = listener.accept()
    bench.at_end(silent.close)
    assert peer == mute.getsockname()
    a = socket.socket()
    a.connect(address)
    a = client.wrap_socket(a, False, False, NAME)
    poller = select.poll()
    poller.register(listener, select.POLLIN)
    assert poller.poll(10000)
    b = listener.accept()[0]
    a.setblocking(False)
    b.setblocking(False)
    shake(a, b)
    a.sendall(b"hello")
    b.settimeout(60)
    assert b.recv(5) == b"hello"
    a.close()
    b.close()
    silent.settimeout(0.01)
    bench.raises(ETIMEDOUT, silent.recv, 1)
    began = time.ticks_ms()
    bench.raises(ETIMEDOUT, lambda: socket.create_connection(address, 0.1, ssl=client))
    assert time.ticks_diff(time.ticks_ms(), began) < 20000


def test_asyncio():
    async def echo(reader, writer):
        while data := await reader.read(1000):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def talk(connect, context):
        reader, writer = await connect("127.0.0.1", 8443, ssl=context, server_hostname=NAME)
        block = bytes(range(200)) * 10
        for n in range(3):
            writer.write(b"%d\n" % n)
            writer.write(block)
            await writer.drain()
            assert await reader.readline() == b"%d\n" % n
            assert await reader.readexactly(len(block)) == block
        writer.close()
        await writer.wait_closed()

    async def main():
        client, server = contexts()
        service = await asyncio.start_server(echo, "127.0.0.1", 8443, ssl=server)
        one = talk(asyncio.open_connection, client)
        two = talk(netstack.open_connection, client)
        await asyncio.wait_for(asyncio.gather(one, two), 60)
        service.close()
        await service.wait_closed()

    asyncio.run(main())


bench.run_tests(globals())
