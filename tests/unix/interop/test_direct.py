"""Ping and UDP against Linux on the stack itself, without sockets between."""

import re
import socket
import subprocess

from netns import OURS, pinged, until


def test_ping_and_udp(lan):
    program = lan.ready("direct_echo", stdin=subprocess.PIPE)
    sent = 0
    for count, size in ((200, 1472), (20, 0)):
        said = lan.ping(OURS, "-s", size, count=count, interval=0.002)
        sent += int(re.search(r"(\d+) packets transmitted", said).group(1))
    data = b"one datagram"
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.settimeout(60)
        s.sendto(data, (OURS, 7))
        assert s.recvfrom(100) == (data, (OURS, 7))
    program.stdin.close()
    stats = program.finish()
    # ping sends on until the answer to the last one has come
    assert 220 <= int(re.search(r"'out_reply': (\d+)", stats).group(1)) <= sent
    assert re.search(r"'pool': {.*'denied': 0\b", stats)


def test_bad_wire(bad_lan):
    """The bad cable of other tests does what its name says, and no more."""
    bad_lan.ready("direct_echo", stdin=subprocess.PIPE)
    said = bad_lan.run("ping", "-c", "400", "-i", "0.002", "-w", "60", OURS, timeout=90).stdout
    numbers = pinged(said)[:400]
    assert len(numbers) == 400 and numbers == sorted(set(numbers)), said
    assert 1 <= numbers[-1] - 400 <= 25, said  # what comes late is not lost

    def prompt():
        """Are there answers that have taken no longer than they must?"""
        said = bad_lan.run("ping", "-c", "5", "-i", "0.05", "-w", "60", OURS, timeout=90).stdout
        took = fastest(said)
        assert took >= 20, said
        return took < 40

    assert fastest(said) >= 20, said
    until(prompt)


def fastest(said):
    """The milliseconds of what has come back first."""
    return float(re.search(r"min/avg/max/mdev = ([\d.]+)", said).group(1))
