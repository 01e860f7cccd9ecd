# Happy Eyeballs (RFC 8305): create_connection, waiting and with await. Names come from an endpoint
# on loopback; addresses of this host answer at once, its neighbours not at all. In virtual time:
# what RFC 8305 says in milliseconds is looked at to the millisecond.

import virtual  # noqa: F401  before all others
import asyncio
import bench
import network
import netstack
import socket
import struct
import time
from bench import NIC
from netstack.api import host
from packets import ip, ip6
from virtual import world

A, AAAA = 1, 28
EAI_NONAME = -2
ECONNREFUSED, ETIMEDOUT = 111, 110
OURS, OURS6 = "192.0.2.1", "2001:db8::1"
GONE, GONE6 = "192.0.2.66", "2001:db8::66"
PORT = 7777


class Names:
    """Answers on 127.0.0.1:53. `names`: (first label, type) -> ([address], milliseconds)."""

    def __init__(self, names):
        self.names = names
        self.asked = []
        self.st = st = host.stack()
        host.udp()
        self.buf = bytearray(512)
        self.later = []
        self.timer = st.timers.new(self.due)
        with bench.inside(st):
            self.ep = st.udp.open()
            self.ep.bind(None, None, 53)
            self.ep.notify = self.serve
        network.ipconfig(dns="127.0.0.1")
        with bench.inside(st):
            st.dns.flush()
            st.dns._silent.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        st = self.st
        with bench.inside(st):
            self.ep.close()
            st.timers.discard(self.timer)
            st.dns.flush()
        network.ipconfig(dns="0.0.0.0", prefer=4)

    def serve(self, ep):
        n = ep.recv(self.buf, 0, len(self.buf))
        data = bytes(self.buf[:n])
        at = 12
        while data[at]:
            at += data[at] + 1
        label = data[13 : 13 + data[12]].decode().lower()
        qtype = data[at + 2]
        self.asked.append((label, qtype))
        addrs, ms = self.names.get((label, qtype), ([], 0))
        body = data[12 : at + 5]
        for addr in addrs:
            addr = ip6(addr) if qtype == AAAA else ip(addr)
            body += struct.pack("!HHHIH", 0xC00C, qtype, 1, 60, len(addr)) + addr
        known = any(name == label for name, _ in self.names)
        flags = 0x8180 if known else 0x8183
        answer = data[:2] + struct.pack("!HHHHH", flags, 1, len(addrs), 0, 0) + body
        if ms is not None:
            self.later.append((self.st.now + ms, answer, ep.from_port))
            self.due()

    def due(self):
        now = self.st.now
        for row in list(self.later):
            if row[0] <= now:
                self.later.remove(row)
                self.ep.send(row[1], 0, len(row[1]), self.st.ip4, b"\x7f\0\0\1", row[2])
        if self.later:
            self.timer.start(now, min(row[0] for row in self.later) - now)


tried = []  # (milliseconds, address) of neighbours that were looked for


def _seen(frame):
    now = time.ticks_ms()
    addr = None
    if frame[12:14] == b"\x08\x06":
        addr = frame[38:42]
    elif frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 135:
        addr = frame[62:78]
    if addr and addr not in [row[1] for row in tried]:
        tried.append((now, addr))


class Alone:
    """What virtual.World wants a wire to be: there is this host, and nobody else."""

    moved = False

    def settle(self):
        """Everything that happens now. Returns the milliseconds until something else does."""
        st = host.stack()
        before = [nif.stat[:] for nif in st.nifs]
        for _ in range(1000):
            due = host.pump()
            if due:
                self.moved = before != [nif.stat[:] for nif in st.nifs]
                return due
        raise RuntimeError("the stack does not come to rest")


host.stack().idle = world.sleep_ms
world.wire = Alone()
nic = NIC(b"\2\0\0\0\0\x77")
nic.tx = _seen
lan = network.LAN(nic=nic)
lan._wire.nif.v6.transmits = 0
lan.active(True)
lan.ipconfig(addr4=OURS + "/24", addr6=OURS6 + "/64")


def listener(addr):
    s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET)
    s.bind((addr, PORT))
    s.listen(5)
    return s


class Setup:
    """Listeners at our addresses, names, and what there was before."""

    def __init__(self, names, prefer=4, listen=(OURS, OURS6)):
        self.names = Names(names)
        self.listeners = [listener(addr) for addr in listen]
        network.ipconfig(prefer=prefer)
        self.timers = len(host.stack().timers.list)
        tried.clear()
        with bench.inside(host.stack()):
            lan._wire.nif.arp.flush()
            lan._wire.nif.v6.nd.flush()

    def __enter__(self):
        self.start = time.ticks_ms()
        return self

    def __exit__(self, kind, *_):
        for s in self.listeners:
            s.close()
        st = host.stack()
        left = len(st.timers.list), [c for c in st.tcp.connections() if c.state in (2, 3)]
        self.names.__exit__()
        if kind is None:
            assert left == (self.timers, []), left
            assert not st.dns._queries and not st.dns._ready and not st.dns.searches

    def took(self, least, most):
        ms = time.ticks_diff(time.ticks_ms(), self.start)
        assert least <= ms <= most, ms

    def connect(self, name="both.test", **kw):
        self.start = time.ticks_ms()
        return socket.create_connection((name, PORT), **kw)


def both(six, four, ms6=0, ms4=0):
    return {("both", AAAA): (six, ms6), ("both", A): (four, ms4)}


def fails(errno, function, *args, **kw):
    try:
        function(*args, **kw)
    except OSError as error:
        assert error.errno == errno, error
        return str(error)
    raise AssertionError("no OSError %d" % errno)


# -- who is asked, and who is tried first ------------------------------------------------------


def test_both_asked_at_once():
    for prefer, want in ((4, OURS), (6, OURS6)):
        with Setup(both([OURS6], [OURS]), prefer) as s:
            with s.connect(timeout=5) as sock:
                assert sock.getpeername()[:2] == (want, PORT) and sock.gettimeout() == 5
            assert sorted(s.names.asked) == [("both", A), ("both", AAAA)]
            s.took(0, 2)


def test_resolution_delay():
    # RFC 8305 3: 50 ms for the answer of the family that is to begin
    for ms, least, most, want in (
        (25, 25, 27, OURS6),
        (400, 50, 52, OURS),
        (None, 50, 52, OURS),
    ):
        with Setup(both([OURS6], [OURS], ms6=ms), 6) as s:
            with s.connect() as sock:
                assert sock.getpeername()[0] == want, (ms, sock.getpeername())
            s.took(least, most)


def test_one_that_does_not_answer():
    # RFC 8305 5: the next after 250 ms; the loser is closed
    for prefer, names, want in (
        (6, both([GONE6], [OURS]), OURS),
        (4, both([OURS6], [GONE]), OURS6),
    ):
        with Setup(names, prefer) as s:
            with s.connect() as sock:
                assert sock.getpeername()[0] == want
            s.took(250, 252)
            assert len(tried) == 1


def test_answer_that_comes_while_another_is_tried():
    # RFC 8305 3: it joins those that are still to be tried
    with Setup(both([OURS6], [GONE], ms6=120), 6) as s:
        with s.connect() as sock:
            assert sock.getpeername()[0] == OURS6
        s.took(300, 302)


def test_families_in_turn():
    # RFC 8305 4, 5
    six = ["2001:db8::%d" % i for i in (61, 62, 63)]
    four = ["192.0.2.%d" % i for i in (61, 62, 63)]
    with Setup(both(six, four), 6) as s:
        said = fails(ETIMEDOUT, s.connect, timeout=1.4)
        s.took(1400, 1402)
    assert [len(addr) for _, addr in tried] == [16, 4, 16, 4, 16, 4], tried
    for i in range(1, 6):
        gap = time.ticks_diff(tried[i][0], tried[i - 1][0])
        assert 250 <= gap <= 252, tried
    for addr in six + four:
        assert addr + " ETIMEDOUT" in said, said


def test_refused():
    # the next at once; the errors of all are told
    with Setup(both([OURS6], [OURS]), 6, listen=()) as s:
        said = fails(ECONNREFUSED, s.connect)
        s.took(0, 2)
        assert OURS6 + " ECONNREFUSED" in said and OURS + " ECONNREFUSED" in said, said
    with Setup(both([OURS6, GONE6], [OURS]), 6, listen=(OURS,)) as s:
        with s.connect() as sock:
            assert sock.getpeername()[0] == OURS
        s.took(0, 2)


def test_no_route():
    with Setup(both(["2001:db9::1"], [OURS]), 6) as s:
        with s.connect() as sock:
            assert sock.getpeername()[0] == OURS
        s.took(0, 2)


def test_no_such_name():
    with Setup(both([], [])) as s:
        for name in ("nobody.test", "both.test", "a b"):
            assert name in fails(EAI_NONAME, s.connect, name)
        assert "2001:db8::1" in fails(EAI_NONAME, s.connect, OURS6, source_address=(OURS, 0))


def test_nobody_answers():
    with Setup(both([OURS6], [OURS], None, None)) as s:
        assert "no address in time" in fails(ETIMEDOUT, s.connect, timeout=0.3)
        s.took(300, 302)


def test_addresses_as_they_are():
    with Setup({}) as s:
        for addr in (OURS, OURS6, OURS6 + "%eth0"):
            with s.connect(addr) as sock:
                assert sock.getpeername()[0] == addr.partition("%")[0]
        assert s.names.asked == []
        s.listeners.append(listener("127.0.0.1"))
        s.connect("localhost").close()


def test_source_address():
    with Setup(both([OURS6], [OURS]), 6) as s:
        with s.connect(source_address=(OURS, 0)) as sock:
            assert sock.getsockname()[0] == OURS
        assert s.names.asked == [("both", A)]
        fails(99, s.connect, source_address=("192.0.2.9", 0))


# -- asyncio ------------------------------------------------------------------------------------


def test_await():
    async def ticking(count):
        while True:
            count[0] += 1
            await asyncio.sleep_ms(5)

    async def connect(name):
        sock = await netstack.create_connection((name, PORT), 10)
        peer = sock.getpeername()[0]
        sock.close()
        return peer

    async def main():
        count = [0]
        ticker = asyncio.create_task(ticking(count))
        found = await asyncio.gather(*[connect(name) for name in ("both.test", OURS6, OURS)])
        assert found == [OURS, OURS6, OURS]
        assert count[0] >= 45, count
        try:
            await netstack.create_connection(("nobody.test", PORT))
            raise AssertionError("nobody.test")
        except OSError as error:
            assert error.errno == EAI_NONAME
        try:
            await asyncio.wait_for_ms(netstack.create_connection((GONE, PORT)), 100)
            raise AssertionError("no timeout")
        except asyncio.TimeoutError:
            pass
        ticker.cancel()

    with Setup(both([GONE6], [OURS]), 6) as s:
        asyncio.run(main())
        s.took(350, 355)


def test_streams():
    async def main(server):
        reader, writer = await netstack.open_connection("both.test", PORT)
        conn, _ = server.accept()
        writer.write(b"a line\n")
        await writer.drain()
        assert conn.recv(100) == b"a line\n"
        conn.send(b"another\n")
        assert await reader.readline() == b"another\n"
        conn.close()
        writer.close()
        await writer.wait_closed()

    with Setup(both([], [OURS])) as s:
        asyncio.run(main(s.listeners[0]))


bench.run_tests(globals())
