"""docs/nic.md: the NIC written there is taken out of the page and put to work, two of them joined
by a line in memory, with the unix port."""

import os
import re
import sys

import pytest

sys.path.append(os.path.join(os.path.dirname(__file__), "..", ".."))
import inside  # noqa: E402

PAGE = inside.ROOT / "docs" / "nic.md"
USE = '''

import gc
import micropython
from netstack.core.stack import Stack
from netstack.inet import icmpv4, ipv4
from netstack.link import arp, ethernet
from netstack.transport import tcp

MASK = b"\\xff\\xff\\xff\\0"


class Line:
    """One end of a line: two byte queues, and a switch that spoils every so-manieth chunk."""

    def __init__(self, out, into):
        self.out = out
        self.into = into
        self.spoil = self.chunks = 0

    def readinto(self, buf):
        n = self.into.readinto(buf)
        self.chunks += 1
        if n and self.spoil and self.chunks % self.spoil == 0:
            buf[n // 2] ^= 0x55
        return n

    def write(self, buf, off, n):
        return self.out.write(buf, off, n)


def link(nif):
    ethernet.attach(nif)
    arp.attach(nif)


def host(line, k):
    st = Stack(clock=lambda: now, seed=k)
    ipv4.attach(st)
    icmpv4.attach(st)
    tcp.attach(st)
    nif = st.add(SerialNIC(line, bytes((2, 0, 0, 0, 0, k))), link, "eth0")
    nif.set_up(True)
    st.ip4.configure(nif, bytes((10, 0, 0, k)), MASK)
    return st


def run(until, ms):
    global now
    end = now + ms
    while not until() and now < end:
        a.poll(now)
        b.poll(now)
        now += 1
    return until()


def stream(size):
    """Send `size` bytes from a to b; True when they are the same there."""
    listener = b.tcp.listen(None, None, 80, 1)
    conn = a.tcp.open()
    a.enter()
    conn.connect(a.ip4, b"\\x0a\\0\\0\\2", 80)
    a.leave()
    assert run(lambda: len(listener.ready), 60000), "no connection"
    peer = listener.accept()
    data = bytes((i * 7 + (i >> 8)) & 255 for i in range(size))
    sent = 0
    got = bytearray()
    part = bytearray(1000)

    def step():
        nonlocal sent
        a.enter()
        sent += max(conn.send(data, sent, size - sent), 0) if sent < size else 0
        a.leave()
        b.enter()
        n = peer.recv(part, 0, len(part))
        b.leave()
        if n > 0:
            got.extend(memoryview(part)[:n])
        return len(got) >= size

    assert run(step, 1200000), "%d of %d bytes have come" % (len(got), size)
    listener.close()
    return got == data


now = 0
there, back = micropython.RingIO(5000), micropython.RingIO(5000)
ends = Line(there, back), Line(back, there)
a, b = host(ends[0], 1), host(ends[1], 2)

a.enter()
assert a.icmp4.echo(b"\\x0a\\0\\0\\2", 1, 1, 1472) == 0
a.leave()
assert run(lambda: a.icmp4.stat[4], 5000), "no echo"
assert stream(50000)
print("clean", a.nifs[0].nic.drops, b.nifs[0].nic.drops)
ends[1].spoil = 200
assert stream(50000)
print("spoilt", a.stats()["tcp"]["rexmt"] > 0)
assert a.pool.left == a.pool.count and b.pool.left == b.pool.count

# too long and too short, and then a good one; afterwards with the heap locked
nic = a.nifs[0].nic
while nic.recv(bytearray(2000), 2):
    pass
before = nic.drops
back.write(b"\\xc0" + bytes(5000 - 2500) + b"\\xc0" + bytes(10) + b"\\xc0" + bytes(100) + b"\\xc0")
frame = bytearray(1600)
assert nic.recv(frame, 2) == 100 and nic.drops == before + 2 and nic.recv(frame, 2) == 0
other = b.nifs[0].nic
while other.recv(frame, 2):
    pass
sent = memoryview(bytes([0xC0, 0xDB, 0xDC, 0xDD] * 300))
gc.collect()
gc.disable()
micropython.heap_lock()
used = gc.mem_alloc()
moved = 0
for _ in range(50):
    if nic.send(sent, 0, 1200) == 1200 and other.recv(frame, 2) == 1200:
        moved += 1
used -= gc.mem_alloc()
micropython.heap_unlock()
assert moved == 50 and used == 0 and bytes(frame[2:1202]) == sent, (moved, used)
full = 0
while nic.send(sent, 0, 1200):
    full += 1
print("busy after", full)
print("done")
'''


def test_the_nic_of_the_page_works(tmp_path, request):
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1, "docs/nic.md holds one complete NIC"
    program = tmp_path / "nic_page.py"
    program.write_text(blocks[0] + USE)
    binary = inside.out(request.config)
    output = inside.run_unix(program, binary, request.config.getoption("source"))
    assert output.splitlines()[-1] == "done", output
    assert "clean 0 0" in output and "spoilt True" in output, output
    assert "busy after" in output


def test_the_page_names_files_that_exist():
    for path in re.findall(r"`((?:ports|tests|lib|docs|boards)/[\w./]+)`", PAGE.read_text()):
        if not (inside.ROOT / path).exists():
            pytest.fail("docs/nic.md names %s, which is not there" % path)
