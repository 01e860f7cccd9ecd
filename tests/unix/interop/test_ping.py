"""ICMP echo from Linux, answered while a program waits for something else."""

import re

from netns import OURS


def received(text):
    return int(re.search(r"(\d+) received", text).group(1))


def test_full_size_pings(lan, full):
    """2,000 pings of 1472 bytes at 2 ms (10,000 at full size), none lost."""
    count = 10000 if full else 2000
    lan.ready("udp_echo")
    said = lan.run(
        "ping", "-q", "-c", count, "-i", "0.002", "-s", "1472", "-W", "5", OURS, timeout=120
    )
    assert received(said) == count, said


def test_flood(lan):
    """As many as fit: each answer releases the next request, so none may get lost."""
    lan.ready("udp_echo")
    said = lan.run("ping", "-q", "-f", "-c", "5000", "-s", "18", OURS, timeout=120)
    assert received(said) == 5000, said


def test_every_length(lan):
    """Odd and even, empty and full; contents are compared by ping (-p)."""
    lan.ready("udp_echo")
    for size in (0, 1, 2, 3, 17, 18, 19, 255, 1470, 1471, 1472):
        said = lan.run("ping", "-c", "2", "-i", "0.01", "-s", size, "-p", "a5c300ff", OURS)
        assert received(said) == 2 and "wrong data" not in said, said


def test_longer_than_a_packet(lan):
    """RFC 791: requests in fragments, answered in fragments."""
    lan.ready("udp_echo")
    for size in (1473, 8000, 65507):
        said = lan.run("ping", "-c", "5", "-i", "0.05", "-s", size, "-p", "a5c300ff", OURS)
        assert received(said) == 5 and "wrong data" not in said, said


def test_fragments_of_another_size(lan):
    """Linux's are smaller than ours."""
    lan.ready("udp_echo")
    lan.run("ip", "link", "set", "tap0", "mtu", "600")
    said = lan.run("ping", "-c", "5", "-i", "0.05", "-s", "8000", OURS)
    assert received(said) == 5, said


def test_broadcast_and_foreign_addresses(lan):
    """No answer to a broadcast echo (RFC 1122 3.2.2.6), nor for an address that is not ours."""
    lan.ready("udp_echo")
    lan.run("ping", "-c", "1", OURS)
    lan.run("ping", "-b", "-c", "2", "-i", "0.2", "-W", "0.5", "10.99.0.255", check=False)
    lan.run("ip", "neigh", "replace", "10.99.0.77", "lladdr", "02:6e:73:74:00:02", "dev", "tap0")
    lan.run("ping", "-c", "2", "-i", "0.2", "-W", "0.5", "10.99.0.77", check=False)
    replies = lan.capture.frames("icmp.type == 0 && eth.src == 02:6e:73:74:00:02", "ip.dst")
    assert len(replies) == 1
