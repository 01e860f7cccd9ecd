"""IPv6 between Linux and netstack: echo, UDP and TCP, found by neighbor discovery."""

import os
import re

import pytest
from netns import LINUX6, MAC, OURS6


@pytest.fixture
def lan6(lan):
    lan.ns.use_ipv6("tap0")
    return lan


def received(text):
    return int(re.search(r"(\d+) received", text).group(1))


def test_ping_of_every_length(lan6):
    lan6.ready("echo6")
    for size in (0, 1, 2, 3, 17, 18, 19, 255, 1451, 1452):
        said = lan6.run("ping", "-6", "-c", "2", "-i", "0.01", "-s", size, "-p", "a5c300ff", OURS6)
        assert received(said) == 2 and "wrong data" not in said, said


def test_flood(lan6):
    lan6.ready("echo6")
    said = lan6.run("ping", "-6", "-q", "-f", "-c", "3000", "-s", "100", OURS6, timeout=120)
    assert received(said) == 3000, said


def test_ping_of_all_nodes(lan6):
    """Linux sends from its link-local address, and we answer from ours."""
    lan6.ready("echo6")
    said = lan6.run("ping", "-6", "-c", "2", "-i", "0.1", "ff02::1%tap0")
    assert "from fe80::2%tap0" in said, said


def test_linux_knows_us(lan6):
    """Its neighbour cache has our address, and has found it reachable."""
    lan6.ready("echo6")
    lan6.run("ping", "-6", "-c", "1", OURS6)
    said = lan6.run("ip", "-6", "neigh", "show", OURS6)
    assert MAC in said and "REACHABLE" in said, said
    lan6.run("ping", "-6", "-c", "1", "-W", "0.5", "fd99::77", check=False)


def test_udp_echo(lan6):
    lan6.ready("echo6")
    for sent in (b"x", b"datagram " * 100, bytes(1452)):
        got = lan6.run(
            "socat", "-b2000", "-T1", "-", "UDP6:[%s]:7" % OURS6, input=sent, text=False
        )
        assert got == sent


def test_tcp_echo(lan6):
    lan6.ready("echo6")
    sent = os.urandom(300000)
    got = lan6.run("socat", "-t5", "-", "TCP6:[%s]:7" % OURS6, input=sent, text=False)
    assert got == sent


def test_refused(lan6):
    """By TCP with a reset, by UDP with ICMP."""
    lan6.ready("echo6")
    said = lan6.run("nc", "-6", "-v", "-w", "2", OURS6, "8", check=False)
    assert "refused" in said, said
    said = lan6.run("socat", "-T1", "-", "UDP6:[%s]:8" % OURS6, input="x", check=False)
    assert lan6.capture.frames("icmpv6.type == 1 && icmpv6.code == 4", "ipv6.src")
    assert LINUX6 in lan6.run("ip", "-6", "addr", "show", "tap0"), said
