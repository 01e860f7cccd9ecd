"""Floods out of a namespace: what is new degrades, nothing wedges, all is as it was afterwards."""

import contextlib
import json
import os
import socket
import struct
import sys
import time

import pytest
from netns import MAC, OURS

FLOOD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flood.py")
SIZE = 20000
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends a RST
LEAK = 256 << 10  # tables may still grow between two floods; a kilobyte for each peer is more


def get(lan, what, timeout=20):
    """The body of GET /<what>."""
    with lan.ns.entered():
        s = socket.socket()
    with s:
        s.settimeout(timeout)
        s.connect((OURS, 80))
        s.sendall(b"GET /%s HTTP/1.0\r\n" % str(what).encode())
        parts = []
        while part := s.recv(65536):
            parts.append(part)
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    assert b"Content-Length: %d" % len(body) in head, (head, len(body))
    return body


def fetch(lan, timeout=20):
    """Fetch something; the seconds that it took."""
    start = time.monotonic()
    assert get(lan, SIZE, timeout) == bytes(SIZE)
    time.sleep(0.02)
    return time.monotonic() - start


def state(lan):
    """What programs/flooded.py tells about itself, once all that was begun has ended."""
    end = time.monotonic() + 10
    while True:
        told = json.loads(get(lan, "state"))
        if told["connections"] == 1 or time.monotonic() > end:
            return told
        time.sleep(0.2)


def compare(before, after, waiting=0, heap=True):
    """Is the stack what it was before, but for frames `waiting` for neighbours?"""
    for name in ("connections", "spent", "timers"):
        assert after[name] == before[name], (name, before[name], after[name])
    pool = after["stats"]["pool"]
    assert pool["free"] >= pool["frames"] - waiting and pool["nomem"] == 0, pool
    assert after["syns"] <= after["most_syns"]
    if heap:
        assert after["heap"] - before["heap"] < LEAK, (before["heap"], after["heap"])


@pytest.mark.parametrize("kind", ("far", "near"))
def test_syns(lan, kind):
    """RFC 4987: 20,000 SYNs of hosts that do not exist, from the whole world, or from the network
    we are on, so that ARP has its part. A client gets what it asks for all the time."""

    def flood(count):
        process = lan.start(sys.executable, FLOOD, "tap0", MAC, OURS, 80, count, 5000, kind)
        process.expect("^ready")
        return process

    lan.ready("flooded")
    flood(2000).finish()
    before = state(lan)
    attack = flood(20000)
    times = []
    while attack.running:
        times.append(fetch(lan))
    attack.finish()
    assert len(times) > 10 and max(times) < 5, times
    after = state(lan)
    compare(before, after, 16 if kind == "near" else 0)
    assert after["stats"]["tcp"]["cookies_sent"] > 10000, after["stats"]["tcp"]


@contextlib.contextmanager
def held(lan, count, request=b"", rcvbuf=None):
    """So many connections that are opened and kept, and ask for something once they are open."""
    peers = []
    with lan.ns.entered():
        for _ in range(count):
            s = socket.socket()
            if rcvbuf:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            s.setblocking(False)
            s.connect_ex((OURS, 80))
            peers.append(s)

    def ask():
        """Ask on those that have been opened meanwhile; how many there are now."""
        for s in asking[:]:
            with contextlib.suppress(OSError):
                s.send(request)
                asking.remove(s)
        return len(peers) - len(asking)

    asking = peers[:]
    try:
        yield ask
    finally:
        for s in peers:
            s.close()


def test_connections(lan):
    """2,000 connections that say nothing: a program that waits for a second only has them go by,
    and serves others in between."""
    lan.ready("flooded")
    with held(lan, 2000):
        fetch(lan)
    before = state(lan)
    with held(lan, 2000):
        times = []
        end = time.monotonic() + 5
        while time.monotonic() < end:
            times.append(fetch(lan))
    after = state(lan)
    compare(before, after)
    opened = after["stats"]["tcp"]["opened"] - before["stats"]["tcp"]["opened"]
    assert opened > 2 * len(times) or opened > after["limit"], (opened, len(times))


def test_windows_closed_for_ever(lan):
    """RFC 6429 section 4, sockstress: more connections than there is memory for ask for a megabyte
    and never read. Those whose windows have been closed for longest make way for a client."""
    lan.ready("flooded")
    count = state(lan)["limit"] + 100
    with held(lan, count):
        fetch(lan)
    before = state(lan)
    for _ in range(3):
        with held(lan, count, b"GET /1000000\r\n", 2048) as ask:
            end = time.monotonic() + 20
            while ask() < before["limit"] and time.monotonic() < end:
                time.sleep(0.1)
            fetch(lan, 60)
        after = state(lan)
        compare(before, after, heap=False)
        assert after["stats"]["tcp"]["ended"] > before["stats"]["tcp"]["ended"]
        if after["heap"] - before["heap"] < LEAK:
            return
        before = after  # what the collector takes for pointers, and tables, may come to that once
    raise AssertionError("the heap grows with every round")
