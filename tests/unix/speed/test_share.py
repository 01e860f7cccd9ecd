"""Nearly all segments of a bulk transfer take the fast path: more than 99 of 100 each way."""

import os
import socket
import sys

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
sys.path.insert(0, os.path.join(ROOT, "tests"))
import netns  # noqa: E402

PROGRAMS = os.path.join(ROOT, "bench/netstack")
SIZE = 200 << 20  # 140,000 segments; when we leave, each one under way is answered by a RST
SHARE = 0.99
CHUNK = bytes(65536)
SO_RCVBUFFORCE = 33


@pytest.fixture
def ns():
    reason = netns.missing()
    if reason:
        pytest.skip(reason)
    with netns.Namespace() as ns:
        # Where nobody reads Linux delays its ACKs, which would make a tail of each window: however
        # long we are kept from reading, it shall not.
        words = "ip route replace 10.99.0.0/24 dev tap0 src %s quickack 1" % netns.LINUX
        ns.run(*words.split())
        yield ns


def connect(ns):
    with ns.entered():
        s = socket.socket()
    s.settimeout(60)
    # Nor shall the window close.
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 2 * SIZE)
    s.connect((netns.OURS, 5001))
    return s


def send(s):
    for _ in range(SIZE // len(CHUNK)):
        s.sendall(CHUNK)
    s.shutdown(socket.SHUT_WR)
    assert s.recv(1) == b"", "it closes when it has all"


def receive(s):
    got = 0
    buf = bytearray(1 << 20)
    while got < SIZE:
        n = s.recv_into(buf)
        assert n, "the end after %d bytes" % got
        got += n


@pytest.mark.parametrize("program", ["sockets", "callbacks"])
@pytest.mark.parametrize("role, work", [("sink", send), ("source", receive)])
def test_share(ns, program, role, work):
    path = os.path.join(PROGRAMS, program + ".py")
    with ns.micropython(path, role, env={"NETSTACK_FASTPATH": "1"}) as server:
        server.expect("^ready")
        with connect(ns) as s:
            work(s)
        found = server.expect(r"^fast (\d+) (\d+) of (\d+) (\d+)").groups()
    fast_in, fast_out, all_in, all_out = map(int, found)
    bulk = all_in if role == "sink" else all_out
    assert bulk > SIZE // 1460
    assert fast_in > SHARE * all_in, found
    assert fast_out > SHARE * all_out, found
