"""UDP-Lite (RFC 3828) with Linux's own."""

import os
import re
import socket

import netns
import pytest
from netns import MAC, OURS

PATH = ":".join(os.path.join(netns.ROOT, d) for d in ("lib", "ports/unix")) + ":.frozen"
UDPLITE, SEND_CSCOV, RECV_CSCOV = 136, 10, 11


@pytest.fixture
def lite(lan):
    lan.ready("udplite_echo", env={"MICROPYPATH": PATH})
    with lan.ns.entered():
        try:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, UDPLITE)
        except OSError as error:
            pytest.skip("this kernel has no UDP-Lite: %s" % error)
    with s:
        s.settimeout(60)
        s.connect((OURS, 7))
        yield lan, s


def test_echo(lite):
    """Whatever is covered, each way, up to fragments."""
    lan, s = lite
    for cover in (0, 8, 9, 20, 500):
        s.setsockopt(UDPLITE, SEND_CSCOV, cover)
        for n in (0, 1, 11, 12, 13, 100, 1472, 3000):
            data = os.urandom(n)
            s.send(data)
            assert s.recv(4000) == data, (cover, n)
    assert lan.capture.frames("ip.proto == 136 && eth.src == " + MAC)


def errors(lan):
    """How many datagrams Linux has not taken."""
    names, values = re.findall("^UdpLite: (.*)", lan.run("cat", "/proc/net/snmp").stdout, re.M)
    return int(dict(zip(names.split(), values.split()))["InErrors"])


def test_least_coverage(lite):
    """Linux takes what covers as much as it asks for, and nothing else."""
    lan, s = lite
    s.setsockopt(UDPLITE, RECV_CSCOV, 20)
    s.send(bytes(100))
    assert s.recv(4000) == bytes(100)
    s.setsockopt(UDPLITE, RECV_CSCOV, 21)
    s.send(bytes(100))
    netns.until(lambda: errors(lan), "Linux throws no answer away")
    s.setblocking(False)
    with pytest.raises(BlockingIOError):
        s.recv(4000)


def test_closed_port(lite):
    lan, s = lite
    with lan.ns.entered():
        t = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, UDPLITE)
    with t:
        t.settimeout(60)
        t.connect((OURS, 9))
        t.send(b"anybody there?")
        with pytest.raises(ConnectionRefusedError):
            t.recv(100)
