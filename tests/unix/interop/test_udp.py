"""UDP between Linux and programs with sockets."""

import contextlib
import socket
import threading

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


def test_echo_server(lan):
    lan.ready("udp_echo")
    for sent in (b"x", b"datagram " * 100, bytes(1472)):
        got = lan.run("socat", "-b2000", "-T1", "-", "UDP4:%s:7" % OURS, input=sent, text=False)
        assert got == sent


def test_echo_client(lan):
    """Connected socket, 0 to 1472 bytes."""
    with linux_echo(lan, 4007):
        client = lan.program("udp_client", 4007, 30)
        assert client.expect(r"^equal (\d+)|errno", 60).group(1) == "30", client.output


def test_fragments_to_us(lan):
    """RFC 791: up to 65,507 bytes come in fragments and go back in fragments."""
    lan.ready("udp_echo")
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.settimeout(10)
        s.connect((OURS, 7))
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
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.settimeout(5)
        s.connect((OURS, 7))
        for i in range(1500):
            pair = [b"%08d" % n + bytes(i * 7 % 1465) for n in (2 * i, 2 * i + 1)]
            for data in pair:
                s.send(data)
            assert [s.recv(2000) for _ in pair] == pair


def test_closed_port_of_ours(lan):
    lan.ready("udp_echo")
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.settimeout(5)
        s.connect((OURS, 9))
        s.send(b"anybody there?")
        try:
            s.recv(100)
            raise AssertionError("an answer from a closed port")
        except ConnectionRefusedError:
            pass


def test_closed_port_of_linux(lan):
    client = lan.program("udp_client", 4009, 2)
    client.expect("^errno 111$", 20)
    assert lan.capture.frames("icmp.type == 3 && ip.src == %s" % LINUX)
