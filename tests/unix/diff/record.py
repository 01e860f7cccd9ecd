#!/usr/bin/env python3
"""Record how Linux talks to netstack, for test_recorded.py: needs root, writes linux.rec here.

    python3 tests/unix/diff/record.py

Each session runs in a network namespace of its own, Linux against a program under the unix port.
What is kept are the headers of the frames that Linux sent; text is PATTERN, whose place follows
from the sequence number. All numbers are big-endian:

    NSREC1\\n
    for each session:  length 1, name   count of frames 2
    for each frame:    time since the one before, in units of 50 us 2
                       length on the wire 2   bytes kept 1   those
"""

import pathlib
import random
import socket
import struct
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tests"))
import netns  # noqa: E402

PROGRAMS = ROOT / "tests" / "unix" / "interop" / "programs"
PERIOD = 4093
PATTERN = bytes((i * 31 + (i >> 4) * 17) & 255 for i in range(PERIOD))
BARE = ("tcp_timestamps", "tcp_sack", "tcp_window_scaling")


def program(ns, name, *args):
    """Start a program of interop/ with so little memory that its windows are a board's: the heap
    decides (rings of 31 kB), and test_recorded.py has a little more."""
    return ns.micropython("-X", "heapsize=4000k", str(PROGRAMS / (name + ".py")), *args)


def pattern(n):
    return (PATTERN * (n // PERIOD + 1))[:n]


# -- sessions: Linux's side of each ---------------------------------------------------------------


def receive(ns, directory, size):
    """Linux sends, at full speed."""
    sink = program(ns, "tcp_sink", "5000")
    sink.expect("^ready")
    path = directory / "data"
    path.write_bytes(pattern(size))
    with open(path) as f:
        ns.run("nc", "-N", netns.OURS, 5000, stdin=f, timeout=240)
    sink.expect("^got %d " % size, 60)
    sink.finish(20)


def send(ns, directory, size):
    """Linux receives."""
    path = directory / "data"
    path.write_bytes(pattern(size))
    with ns.entered():
        listener = socket.create_server((netns.LINUX, 5001))
    listener.settimeout(20)
    source = program(ns, "tcp_source", "5001", str(path))
    conn, _ = listener.accept()
    conn.settimeout(60)
    left = size
    while left:
        left -= len(conn.recv(65536))
    assert conn.recv(1) == b""
    conn.close()
    source.expect("^rest b''", 60)


def echo(ns, directory, size):
    """Linux sends some and waits until it is back, sizes of all kinds."""
    server = program(ns, "tcp_echo", "5000")
    server.expect("^ready")
    with ns.entered():
        s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.settimeout(20)
    s.connect((netns.OURS, 5000))
    rnd = random.Random(1)
    at = 0
    while at < size:
        n = rnd.choice((1, 2, 100, 1000, 1448, 4000))
        s.sendall((PATTERN * 3)[at % PERIOD :][:n])
        at += n
        while n:
            n -= len(s.recv(n))
    s.shutdown(socket.SHUT_WR)
    assert s.recv(1) == b""
    s.close()
    server.expect("^done")
    server.finish(20)


def datagrams(ns, directory, size):
    """Datagrams that our program sends back, several in flight."""
    program(ns, "udp_echo").expect("^ready")
    with ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((netns.OURS, 7))
    s.settimeout(0.3)
    rnd = random.Random(2)
    for _ in range(size):
        for _ in range(rnd.choice((1, 1, 4, 16))):
            s.send(PATTERN[: rnd.choice((0, 1, 2, 63, 64, 500, 1471, 1472))])
        try:
            while True:
                s.recv(2000)
                s.settimeout(0.02)
        except TimeoutError:
            s.settimeout(0.3)


SESSIONS = (  # name, what, size, per cent lost, sysctls of Linux
    ("receive", receive, 150000, 0, {}),
    ("send", send, 150000, 0, {}),
    ("receive loss", receive, 250000, 3, {}),
    ("send loss", send, 250000, 3, {}),
    ("receive bare", receive, 100000, 2, {name: 0 for name in BARE}),
    ("send bare", send, 100000, 2, {name: 0 for name in BARE}),
    ("echo", echo, 60000, 0, {}),
    ("datagrams", datagrams, 25, 0, {}),
)


# -- from the capture to the record ---------------------------------------------------------------


def frames_of(path):
    """(microseconds, frame) of a pcap file that tcpdump has written here."""
    data = path.read_bytes()
    order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    at = 24
    while at + 16 <= len(data):
        seconds, micro, kept, _ = struct.unpack_from(order + "IIII", data, at)
        at += 16
        yield seconds * 1000000 + micro, data[at : at + kept]
        at += kept


def header(frame):
    """Bytes of the frame that are not text."""
    n = 14 + (frame[14] & 15) * 4
    return n + 8 if frame[23] == 17 else n + (frame[n + 12] >> 4) * 4


def reduce(path):
    """The frames with TCP and UDP that Linux sent to us, as they are kept."""
    ours = bytes(int(part, 16) for part in netns.MAC.split(":"))
    result = b""
    count = 0
    before = None
    for micro, frame in frames_of(path):
        if frame[:6] != ours or frame[12:14] != b"\x08\0" or frame[23] not in (6, 17):
            continue
        tick = micro // 50
        if before is None:
            before = tick
        n = header(frame)
        total = 14 + struct.unpack_from("!H", frame, 16)[0]
        result += struct.pack("!HHB", min(tick - before, 65535), total, n) + frame[:n]
        before = tick
        count += 1
    return count, result


def lan(ns, loss):
    """What tap0 leads to: Linux itself, or a bad cable with Linux behind it."""
    if not loss:
        ns.add_tap("tap0", netns.LINUX + "/24")
        return
    ns.add_tap("tap0")
    ns.run("ip", "link", "set", "tap0", "arp", "off")
    ns.add_tap("tap1", netns.LINUX + "/24")
    wire = str(ROOT / "tests" / "unix" / "interop" / "wire.py")
    loss = "--loss=%s" % (loss / 100)
    ns.start(sys.executable, wire, "tap0", "tap1", loss, "--delay=10").expect("^ready")


def session(name, what, size, loss, sysctls):
    with tempfile.TemporaryDirectory() as directory, netns.Namespace(tap=None) as ns:
        directory = pathlib.Path(directory)
        lan(ns, loss)
        ns.tap = "tap0"
        for key, value in sysctls.items():
            ns.run("sysctl", "-qw", "net.ipv4.%s=%d" % (key, value))
        with ns.capture(directory / "pcap", "tap0"):
            what(ns, directory, size)
            time.sleep(0.5)
        count, data = reduce(directory / "pcap")
    print("%-14s %4d frames, %6d bytes" % (name, count, len(data)))
    return bytes((len(name),)) + name.encode() + struct.pack("!H", count) + data


def main():
    reason = netns.missing("nc", "ss")
    if reason:
        sys.exit("record.py: " + reason)
    data = b"NSREC1\n" + b"".join(session(*line) for line in SESSIONS)
    (HERE / "linux.rec").write_bytes(data)
    print("%d bytes" % len(data))


if __name__ == "__main__":
    main()
