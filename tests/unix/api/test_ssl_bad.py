# TLS over a stream that spoils what passes: a record with any of its bytes changed, or cut short
# at any of them, ends the connection, and no byte of it reaches the program; so does a handshake.

import bench
import io
from pem import NAME, contexts
from ssl import TLSVersion

TEXT = b"what is sent"


class Line:
    """One direction of a connection. The byte at `spoil`, counted from there, is changed by
    `mask`; mask 0: it and what follows are lost."""

    def __init__(self):
        self.waits = bytearray()
        self.passed = 0
        self.spoil = -1
        self.mask = 0
        self.closed = False

    def put(self, buf):
        at = self.spoil - self.passed
        self.passed += len(buf)
        if self.closed:
            return
        buf = bytearray(buf)
        if self.spoil >= 0 and 0 <= at < len(buf):
            if self.mask:
                buf[at] ^= self.mask
            else:
                buf = buf[:at]
                self.closed = True
        self.waits += buf


class End(io.IOBase):
    """A stream: one end."""

    def __init__(self, way_in, way_out):
        self.way_in = way_in
        self.way_out = way_out

    def readinto(self, buf):
        waits = self.way_in.waits
        n = min(len(buf), len(waits))
        if n == 0:
            return 0 if self.way_in.closed else None
        buf[:n] = waits[:n]
        self.way_in.waits = waits[n:]
        return n

    def write(self, buf):
        self.way_out.put(buf)
        return len(buf)

    def ioctl(self, request, arg):
        if request == 4:  # close
            self.way_out.closed = True
            return 0
        return arg & 5


class Joined:
    """A client and a server, and the lines between them."""

    def __init__(self, session=None):
        self.to_server = Line()
        self.to_client = Line()
        how = {"do_handshake_on_connect": False}
        end = End(self.to_client, self.to_server)
        self.a = CLIENT.wrap_socket(end, server_hostname=NAME, session=session, **how)
        self.b = SERVER.wrap_socket(End(self.to_server, self.to_client), server_side=True, **how)

    def shake(self):
        """Until it is done, or nothing more comes. Raises what either end does."""
        moved = -1
        while moved != self.to_server.passed + self.to_client.passed:
            moved = self.to_server.passed + self.to_client.passed
            for each in (self.a, self.b):
                try:
                    each.do_handshake()
                except OSError as error:
                    if error.errno != 11:
                        raise error

    def close(self):
        self.a.close()
        self.b.close()


def setup(version):
    """Contexts for one version, with tickets: after the first handshake others cost little."""
    global CLIENT, SERVER
    CLIENT, SERVER = contexts()
    SERVER.use_tickets(1000)
    for each in (CLIENT, SERVER):
        each.set_versions(version, version)


def first():
    """How many bytes a handshake has in either direction, and a session to go on with."""
    joined = Joined()
    joined.shake()
    joined.b.write(b"x")
    assert joined.a.read(1) == b"x"  # a ticket before it is nothing to wait for
    sizes = joined.to_server.passed, joined.to_client.passed
    session = joined.a.session
    joined.close()
    assert session
    return sizes, session


def everything(sock):
    """(what it receives until the end, the error's number or None)"""
    got = b""
    try:
        while part := sock.recv(100):
            got += part
        assert sock.recv(1) == b""  # however often one asks
    except OSError as error:
        try:  # over is over
            sock.recv(1)
            raise AssertionError("there is something behind an error")
        except OSError as again:
            assert again.errno == error.errno, (error, again)
        return got, error.errno
    return got, None


def check_record(session, at, mask):
    joined = Joined(session)
    joined.shake()
    assert joined.a.session_reused
    joined.a.write(b"before")
    line = joined.to_server
    line.spoil = line.passed + at
    line.mask = mask
    joined.a.write(TEXT)
    size = line.passed - line.spoil + at
    line.closed = True
    got, error = everything(joined.b)
    joined.close()
    return size, got, error


def each_byte(version):
    setup(version)
    _, session = first()
    size = check_record(session, 1000, 1)[0]
    used = []
    for at in range(0, size, 1 if bench.UNIX else 5):
        for mask in (1, 0x80, 0):
            _, got, error = check_record(session, at, mask)
            assert got == b"before" or at in (1, 2) and got == b"before" + TEXT, (at, mask, got)
            assert error is None or error < -256 or error > 0, (at, mask, error)
            if mask and at > 4:  # its length is right, so it has been looked at
                assert error == -0x7180, (at, mask, error)  # MBEDTLS_ERR_SSL_INVALID_MAC
        used.append(bench.heap())
    assert bench.grown(used) < 4000, used


def test_each_byte_of_a_record():
    each_byte(TLSVersion.TLSv1_2)


def has_13():
    return any(name.startswith("TLS1-3") for name in contexts()[0].get_ciphers())


def test_each_byte_of_a_record_of_1_3():
    if has_13():
        each_byte(TLSVersion.TLSv1_3)


def spoilt_handshake(to_client, at, mask):
    joined = Joined()
    line = joined.to_client if to_client else joined.to_server
    line.spoil = at
    line.mask = mask
    try:
        joined.shake()
        joined.to_server.closed = joined.to_client.closed = True
        joined.a.write(TEXT)
        got = everything(joined.b)[0]
        assert got in (b"", TEXT), (at, mask, got)
    except (OSError, ValueError):
        pass
    joined.close()


def test_handshakes():
    """Several dozen places of either direction."""
    for version in (TLSVersion.TLSv1_2, TLSVersion.TLSv1_3) if has_13() else (TLSVersion.TLSv1_2,):
        setup(version)
        sizes, _ = first()
        used = []
        for at in range(bench.scale(20)):
            for to_client in (False, True):
                size = sizes[to_client]
                where = at * size // bench.scale(20) + at % 7
                spoilt_handshake(to_client, where, 1 << at % 8 if at % 3 else 0)
            used.append(bench.heap())
        assert bench.grown(used) < 6000, used


bench.run_tests(globals())
