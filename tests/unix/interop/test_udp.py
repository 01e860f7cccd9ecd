"""UDP between Linux and programs with sockets."""

import contextlib
import socket
import threading

import pytest
from netns import LINUX, OURS


@contextlib.contextmanager
def linux_echo(lan, port):
    """A UDP echo server on Linux's own socket."""

    def run():
        while True:
            data, peer = s.recvfrom(65535)
            if data == b"end":
                return
            s.sendto(data, peer)

    with lan.ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.bind((LINUX, port))
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            s.sendto(b"end", (LINUX, port))
            thread.join(5)


@contextlib.contextmanager
def connected(lan, port):
    """Linux's own socket, connected to ours."""
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.settimeout(60)
        s.connect((OURS, port))
        yield s


def test_echo_server(lan):
    lan.ready("udp_echo")
    with connected(lan, 7) as s:
        for sent in (b"", b"x", b"datagram " * 100, bytes(1472)):
            s.send(sent)
            assert s.recv(2000) == sent


def test_echo_client(lan):
    """Connected socket, 0 to 1472 bytes."""
    with linux_echo(lan, 4007):
        client = lan.program("udp_client", 4007, 30)
        assert client.expect(r"^equal (\d+)|errno", 60).group(1) == "30", client.output


def test_fragments_to_us(lan):
    """RFC 791: up to 65,507 bytes come in fragments and go back in fragments."""
    lan.ready("udp_echo")
    with connected(lan, 7) as s:
        for n in (1473, 1480, 1481, 8000, 30000, 65507):
            data = bytes((i * i >> 4) & 255 for i in range(n))
            for _ in range(3):
                s.send(data)
                assert s.recv(65535) == data
    assert lan.capture.frames("ip.flags.mf == 1 && ip.src == %s" % OURS)


def test_fragments_from_us(lan):
    """The first send is a fragmented one to a neighbour that is not known yet."""
    with linux_echo(lan, 4007):
        client = lan.program("udp_client", 4007, 12, 65507)
        assert client.expect(r"^equal (\d+)|errno", 60).group(1) == "12", client.output


def test_many_datagrams(lan):
    """Two at a time, from Linux, thousands: each comes back once and whole."""
    lan.ready("udp_echo")
    with connected(lan, 7) as s:
        for i in range(1500):
            pair = [b"%08d" % n + bytes(i * 7 % 1465) for n in (2 * i, 2 * i + 1)]
            for data in pair:
                s.send(data)
            assert [s.recv(2000) for _ in pair] == pair


def test_closed_port_of_ours(lan):
    lan.ready("udp_echo")
    with connected(lan, 9) as s:
        s.send(b"anybody there?")
        with pytest.raises(ConnectionRefusedError):
            s.recv(100)


def test_closed_port_of_linux(lan):
    client = lan.program("udp_client", 4009, 2)
    client.expect("^errno 111$")
    assert lan.capture.frames("icmp.type == 3 && ip.src == %s" % LINUX)
