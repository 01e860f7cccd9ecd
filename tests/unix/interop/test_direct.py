"""Ping and UDP against Linux on the stack itself, without sockets between."""

import re
import subprocess

from netns import OURS


def test_ping_and_udp(lan):
    program = lan.ready("direct_echo", stdin=subprocess.PIPE)
    assert " 0% packet loss" in lan.run("ping", "-c", "200", "-i", "0.002", "-s", "1472", OURS)
    assert " 0% packet loss" in lan.run("ping", "-c", "20", "-i", "0.002", "-s", "0", OURS)
    sent = b"one datagram"
    assert lan.run("nc", "-u", "-w", "1", OURS, 7, input=sent, text=False) == sent
    program.stdin.close()
    stats = program.finish(10)
    assert re.search(r"'out_reply': 220\b", stats)
    assert re.search(r"'pool': {.*'denied': 0\b", stats)


def test_bad_wire(bad_lan):
    """The bad cable of other tests does what its name says, and no more."""
    bad_lan.ready("direct_echo", stdin=subprocess.PIPE)
    said = bad_lan.run("ping", "-c", "400", "-i", "0.002", OURS, check=False)
    lost = 400 - int(re.search(r"(\d+) received", said).group(1))
    assert 1 <= lost <= 25, said
    fastest = float(re.search(r"min/avg/max/mdev = ([\d.]+)", said).group(1))
    assert 20 <= fastest < 40, said
