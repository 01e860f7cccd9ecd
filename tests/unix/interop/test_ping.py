"""ICMP echo from Linux, answered while a program waits for something else."""

import netns
from netns import MAC, OURS

PATTERN = ("-p", "a5c300ff")
ECHO = ("icmp.type == 8", "icmp.type == 0", "icmp.seq")
ECHO6 = ("icmpv6.type == 128", "icmpv6.type == 129", "icmpv6.echo.sequence_number")


def answers_all(lan, address, count, *options, echo=ECHO):
    """We answer all that ping asks until it has got `count` answers. ping itself may lose some, as
    its socket holds 64 kB: on a busy machine that many come at once."""
    lan.run("ping", "-q", "-c", count, "-w", "120", *options, address, timeout=150)
    *kinds, number = echo

    def all_answered():
        asked, answered = (netns.tshark(lan.capture.path, kind, number) for kind in kinds)
        return len(asked) >= count and asked == answered

    netns.until(all_answered, "not all are answered")


def test_full_size_pings(lan, full):
    """2,000 pings of 1472 bytes at 2 ms (10,000 at full size), none lost."""
    lan.ready("udp_echo")
    count = 10000 if full else 2000
    answers_all(lan, OURS, count, "-i", "0.002", "-s", "1472")


def test_flood(lan):
    """As many as fit: each answer releases the next request, so none may get lost."""
    lan.ready("udp_echo")
    answers_all(lan, OURS, 5000, "-f", "-s", "18")


def test_every_length(lan):
    """Odd and even, empty and full; contents are compared by ping (-p)."""
    lan.ready("udp_echo")
    for size in (0, 1, 2, 3, 17, 18, 19, 255, 1470, 1471, 1472):
        lan.ping(OURS, "-s", size, *PATTERN, count=2, interval=0.01)


def test_longer_than_a_packet(lan):
    """RFC 791: requests in fragments, answered in fragments."""
    lan.ready("udp_echo")
    for size in (1473, 8000, 65507):
        lan.ping(OURS, "-s", size, *PATTERN, count=5)


def test_fragments_of_another_size(lan):
    """Linux's are smaller than ours."""
    lan.ready("udp_echo")
    lan.run("ip", "link", "set", "tap0", "mtu", "600")
    lan.ping(OURS, "-s", "8000", count=5)


def test_broadcast_and_foreign_addresses(lan):
    """No answer to a broadcast echo (RFC 1122 3.2.2.6), nor for an address that is not ours."""
    lan.ready("udp_echo")
    lan.run("ping", "-b", "-c", "2", "-i", "0.2", "-W", "0.5", "10.99.0.255", check=False)
    lan.run("ip", "neigh", "replace", "10.99.0.77", "lladdr", MAC, "dev", "tap0")
    lan.run("ping", "-c", "2", "-i", "0.2", "-W", "0.5", "10.99.0.77", check=False)
    lan.ping(OURS, count=1)  # what came before that has been dealt with now
    replies = lan.capture.frames("icmp.type == 0 && eth.src == " + MAC, "ip.src")
    assert replies and set(replies) == {OURS}, replies
    asked = lan.capture.frames("icmp.type == 8 && ip.dst == " + OURS)
    assert len(replies) == len(asked), (replies, asked)
