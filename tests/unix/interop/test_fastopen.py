"""TCP Fast Open (RFC 7413) with Linux, both ways."""

import os
import socket

import netns
import pytest
from netns import LINUX, MAC, OURS

PLACE = os.path.join(netns.ROOT, "lib/netstack/transport/tcp")
WITH_DATA = "tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.len > 0 && tcp.options.tfo.cookie"


def connections(lan, where):
    """How many connections have such a frame: whoever is slow to answer gets one twice."""
    return len(set(lan.capture.frames(where, "tcp.stream")))


@pytest.fixture
def fast_lan(lan):
    lan.run("sysctl", "-qw", "net.ipv4.tcp_fastopen=3")
    return lan


def test_linux_calls(fast_lan):
    """Linux asks for a cookie, then has its data in the SYN; the answer comes back at once."""
    server = fast_lan.ready("fast", PLACE, "serve", 5000)
    for i in range(4):
        with fast_lan.ns.entered():
            s = socket.socket()
        with s:
            data = b"%d" % i * 700
            assert s.sendto(data, socket.MSG_FASTOPEN, (OURS, 5000)) == len(data)
            s.settimeout(60)
            assert s.recv(2000) == data[::-1]
        server.expect("^got 700 (early|late)$" if i == 0 else "^got 700 early$")
    assert connections(fast_lan, WITH_DATA + " && eth.dst == " + MAC) == 3
    # taken: our SYN,ACK acknowledges the data
    taken = "tcp.flags.syn == 1 && tcp.flags.ack == 1 && tcp.ack == 701 && eth.src == " + MAC
    assert connections(fast_lan, taken) == 3


def test_we_call(fast_lan):
    """The same the other way round."""
    with fast_lan.ns.entered():
        server = socket.socket()
    with server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
        server.bind((LINUX, 5001))
        server.listen()
        server.settimeout(60)
        client = fast_lan.program("fast", PLACE, "call", 5001, 4)
        for i in range(4):
            conn, _ = server.accept()
            with conn:
                line = conn.recv(100)
                assert line == b"line %d\n" % i
                conn.sendall(b"to " + line)
                client.expect("^sent 7 answer b'to line %d" % i)
        client.finish()
    assert connections(fast_lan, WITH_DATA + " && eth.src == " + MAC) == 3
    taken = "tcp.flags.syn == 1 && tcp.flags.ack == 1 && tcp.ack == 8 && eth.dst == " + MAC
    assert connections(fast_lan, taken) == 3


def test_linux_refuses(fast_lan):
    """Linux has forgotten its key: the data is sent again, and the new cookie is used."""
    with fast_lan.ns.entered():
        server = socket.socket()
    with server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
        server.bind((LINUX, 5001))
        server.listen()
        server.settimeout(60)
        client = fast_lan.program("fast", PLACE, "call", 5001, 3)
        for i in range(3):
            conn, _ = server.accept()
            with conn:
                assert conn.recv(100) == b"line %d\n" % i
                if i == 0:
                    key = "01234567-89abcdef-01234567-89abcdef"
                    fast_lan.run("sysctl", "-qw", "net.ipv4.tcp_fastopen_key=" + key)
                conn.sendall(b"yes\n")
        client.finish()
    assert connections(fast_lan, WITH_DATA + " && eth.src == " + MAC) == 2
    refused = "tcp.flags.syn == 1 && tcp.flags.ack == 1 && tcp.ack == 1 && tcp.options.tfo.cookie"
    assert connections(fast_lan, refused + " && eth.dst == " + MAC) == 2
