"""TCP between Linux and programs with sockets: nc, iperf and raw kernel sockets as peers."""

import hashlib
import random
import socket
import struct
import threading
import time

import netns
import pytest
from netns import LINUX, MAC, OURS

SMALL = 20 << 20
FULL = 100 << 20


@pytest.fixture
def size(full):
    return FULL if full else SMALL


def make_file(directory, size, name="data"):
    """A file of bytes that never repeat themselves; its path and sha256."""
    data = random.Random(size).randbytes(size)
    path = directory / name
    path.write_bytes(data)
    return path, hashlib.sha256(data).hexdigest()


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def connect(lan, port, timeout=60, rcvbuf=None):
    with lan.ns.entered():
        s = socket.socket()
    if rcvbuf:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    s.settimeout(timeout)
    s.connect((OURS, port))
    return s


def read_all(s):
    parts = []
    while part := s.recv(65536):
        parts.append(part)
    return b"".join(parts)


def wait_for_frames(lan, count, where):
    """Wait until so many of these frames are in the capture, which goes on."""
    path = lan.capture.path
    netns.until(lambda: len(netns.tshark(path, where)) >= count, "not so many: %s" % where)


def test_nc_sends(lan, tmp_path, size):
    """nc sends a file and its FIN; our answer comes over the half that is still open."""
    path, want = make_file(tmp_path, size)
    sink = lan.ready("tcp_sink", 5000)
    with open(path) as f:
        said = lan.run("nc", "-N", OURS, 5000, stdin=f, timeout=240).stdout
    assert sink.expect(r"^got (\d+) (\w+)", 60).groups() == (str(size), want)
    assert said == "%d bytes\n" % size
    sink.finish()


def test_nc_receives(lan, tmp_path, size):
    path, want = make_file(tmp_path, size)
    nc = lan.start("sh", "-c", "exec nc -l -N 5001 </dev/null >%s" % (tmp_path / "got"))
    lan.ns.wait_port(5001)
    source = lan.program("tcp_source", 5001, path)
    source.expect("^rest b''", 240)
    nc.finish()
    assert digest(tmp_path / "got") == want


def iperf_digest(lan, args, port):
    """sha256 of what this iperf client sends, as Linux sees it: its header, then the file."""
    with lan.ns.entered(), socket.create_server(("127.0.0.1", port)) as listener:
        client = lan.start("iperf", "-c", "127.0.0.1", "-p", port, *args)
        conn, _ = listener.accept()
    with conn:
        found = hashlib.sha256(read_all(conn)).hexdigest()
    client.finish()
    return found


def test_iperf_to_us(lan, tmp_path, size):
    path, _ = make_file(tmp_path, size)
    args = ("-F", path, "-n", size, "-f", "m")
    want = iperf_digest(lan, args, 5000)  # its header tells the port, too
    sink = lan.ready("tcp_sink", 5000)
    said = lan.run("iperf", "-c", OURS, "-p", 5000, *args, timeout=240).stdout
    assert "Mbits/sec" in said, said
    assert sink.expect(r"^got (\d+) (\w+)", 60).groups() == (str(size), want)


def test_iperf_from_us(lan, tmp_path, size):
    # An iperf server takes the first bytes for a header, which zeros are not.
    path, _ = make_file(tmp_path, size)
    with open(path, "r+b") as f:
        f.write(bytes(128))
    server = lan.start("iperf", "-s", "-p", 5001, "-y", "C")
    lan.ns.wait_port(5001)
    lan.program("tcp_source", 5001, path).expect("^rest", 240)
    report = server.expect(r"^\d{14}[.\d]*,", 30).string.split(",")
    assert size - 128 <= int(report[7]) <= size, report


def test_options(lan):
    """RFC 7323, RFC 2018: our SYN,ACK answers all that Linux offers, every segment is stamped."""
    server = lan.ready("tcp_events")
    with connect(lan, 5000) as s:
        s.sendall(b"hello\n")
        server.expect("^hello")
    agreed = (
        "tcp.flags.syn == 1 && tcp.options.mss && tcp.options.wscale && tcp.options.sack_perm"
        " && tcp.options.timestamp.tsval && eth.src == " + MAC
    )
    assert lan.capture.frames(agreed)
    assert not lan.capture.frames("tcp.flags.syn == 1 && eth.src == %s && !(%s)" % (MAC, agreed))
    bare = "tcp && !tcp.options.timestamp.tsval && tcp.flags.reset == 0 && eth.src == " + MAC
    assert not lan.capture.frames(bare)


def test_nobody_listens(lan):
    """Linux is refused by us at once, and a program of ours by Linux."""
    lan.ready("tcp_events")
    with pytest.raises(ConnectionRefusedError):
        connect(lan, 81)
    assert lan.capture.frames("tcp.flags.reset == 1 && tcp.srcport == 81 && eth.src == " + MAC)


def test_refused_by_linux(lan):
    client = lan.program("tcp_source", 5999, "/dev/null")
    client.expect("ECONNREFUSED|Errno 111")
    assert client.wait() != 0


def test_half_close(lan):
    """Linux ends its half first; everything we still have to say arrives, then our FIN."""
    server = lan.ready("tcp_events")
    with connect(lan, 5000) as s:
        s.sendall(b"late 300000\n")
        s.shutdown(socket.SHUT_WR)
        server.expect("^end of input")
        assert read_all(s) == b"z" * 300000


def test_reset_by_linux(lan):
    """SO_LINGER 0 makes close() a RST: the program gets ECONNRESET, the next client its turn."""
    server = lan.ready("tcp_events")
    s = connect(lan, 5000)
    s.sendall(b"hello\n")
    server.expect("^hello")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    server.expect("^errno 104$")
    with connect(lan, 5000) as s:
        s.sendall(b"again\n")
        server.expect("^again")


def test_peer_vanishes_while_data_waits(lan):
    """A Linux socket that is closed with unread data answers ours with RST."""
    server = lan.ready("tcp_events")
    s = connect(lan, 5000)
    s.sendall(b"flood\n")
    assert s.recv(1, socket.MSG_PEEK)
    s.close()
    server.expect(r"^errno (104|32)$")


def test_slow_reader(lan):
    """The peer reads nothing for a while: window closed, probed, opened again; nothing is lost."""
    lan.ready("tcp_events")
    with connect(lan, 5000, rcvbuf=32768) as s:
        s.sendall(b"late 2000000\n")
        s.shutdown(socket.SHUT_WR)
        # Linux says it first when it is full, then in answer to each probe.
        closed = "tcp.window_size_value == 0 && tcp.flags.reset == 0 && eth.dst == " + MAC
        wait_for_frames(lan, 2, closed)
        assert read_all(s) == b"z" * 2000000


def test_slow_program(lan):
    """The same the other way: our window closes, and Linux waits."""
    server = lan.ready("tcp_events")
    with connect(lan, 5000) as s, connect(lan, 5000) as other:
        data = b"sleep\n" + b"y" * 1000000
        sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
        sender.start()
        closed = "tcp.window_size_value == 0 && tcp.flags.reset == 0 && eth.src == " + MAC
        wait_for_frames(lan, 2, closed)
        other.sendall(b"wake\n")
        sender.join(60)
        server.expect("^slept, then 1000000 bytes", 60)


def test_keystrokes(lan):
    """Bytes that come one at a time, urgent flag and all, make the same stream."""
    server = lan.ready("tcp_events")
    with connect(lan, 5000) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"keystrokes\n":
            s.send(bytes((byte,)))
            time.sleep(0.005)
        server.expect("^keystrokes$")


def test_many_connections(lan):
    """100 connections in turn, then 20 at once, each with an answer of its own."""
    lan.ready("http_async", "/nowhere")
    request = b"GET /%d HTTP/1.0\r\n\r\n"
    for i in range(100):
        with connect(lan, 80) as s:
            s.sendall(request % i)
            assert read_all(s).endswith(b"/%d\n" % i)
    peers = [connect(lan, 80) for _ in range(20)]
    for i, s in enumerate(peers):
        s.sendall(request % i)
    for i, s in reversed(list(enumerate(peers))):
        with s:
            assert read_all(s).endswith(b"/%d\n" % i)


def test_bad_wire_to_us(bad_lan, tmp_path):
    """1 % loss and 10 ms, each way."""
    path, want = make_file(tmp_path, 2 << 20)
    sink = bad_lan.ready("tcp_sink", 5000)
    with open(path) as f:
        said = bad_lan.run("nc", "-N", OURS, 5000, stdin=f, timeout=240).stdout
    assert sink.expect(r"^got (\d+) (\w+)", 60).groups() == (str(2 << 20), want)
    assert said == "%d bytes\n" % (2 << 20)
    assert bad_lan.capture.frames("tcp.options.sack_le && eth.src == " + MAC)


def test_bad_wire_from_us(bad_lan, tmp_path):
    path, want = make_file(tmp_path, 2 << 20)
    with bad_lan.ns.entered(), socket.create_server((LINUX, 5001)) as listener:
        listener.settimeout(60)
        source = bad_lan.program("tcp_source", 5001, path)
        conn, _ = listener.accept()
        conn.settimeout(60)
        with conn:
            got = read_all(conn)
    assert hashlib.sha256(got).hexdigest() == want
    source.expect("^rest b''", 60)
    bad_lan.wire.expect(r"from us \d+ carried [1-9]\d* lost")  # it reports each second
