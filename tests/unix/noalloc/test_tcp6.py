# TCP, UDP and pings over IPv6 in the steady state allocate nothing: test_tcp.py and test_steady.py
# over IPv6, a thousand packets each way and more.

import bench
import peer6
from allocated import allocated
from array import array
from netstack.core.checksum import copy, csum, pseudo, put_csum
from netstack.core.wire import add32, get16, load32, put16, store32

COUNT = 2000
BURST = 4
SIZE = 1000

_IP = 14
_TCP = 54
_SEQ = _TCP + 4
_ACK = _TCP + 8
_SUM = _TCP + 16


class NIC(bench.NIC):
    """Plays the peer of one connection without allocating. Frames are made from `template`, with
    the sequence number words[0], which moves on by `step`, and the acknowledgement words[1],
    which follows what is sent when `acking`; of `plain` ones nothing is changed."""

    def arm(self, template, step=0, acking=False, plain=False):
        self.frame = bytearray(template)
        self.plain = plain
        self.words = array("I", [0, 0])
        if not plain:
            load32(self.words, 0, template, _SEQ)
            load32(self.words, 1, template, _ACK)
        self.step = step
        self.acking = acking
        self.left = 0
        self.count = self.bytes = 0

    def recv(self, buf, off):
        if self.left == 0:
            return 0
        self.left -= 1
        frame = self.frame
        n = len(frame)
        if not self.plain:
            store32(frame, _SEQ, self.words, 0)
            store32(frame, _ACK, self.words, 1)
            put16(frame, _SUM, 0)
            acc = pseudo(frame, _IP + 8, frame, _IP + 24, 16, 6, n - _TCP)
            put_csum(frame, _SUM, csum(frame, _TCP, n - _TCP, acc))
            add32(self.words, 0, self.step)
        copy(buf, off, frame, 0, n)
        return n

    def send(self, buf, off, n):
        self.count += 1
        if self.plain:
            return n
        size = get16(buf, off + _IP + 4) - (buf[off + _TCP + 12] >> 4 << 2)
        if self.acking and size:
            self.bytes += size
            load32(self.words, 1, buf, off + _SEQ)
            add32(self.words, 1, size)
            self.left = 1
        return n


def _peer(**kw):
    # virtual time must not pass 2^30, where small ints end
    p = peer6.peer(clock=bench.Clock(0), **kw)
    p.advance(20000)  # all that is told of groups and addresses has been
    p.greet()
    return p, NIC(p.nic.mac)


def _segments(run, p, nic, share):
    """run() allocates nothing, and at least so many of its packets take the fast path."""
    before = p.st.stats()["fast"]
    got = allocated(run)
    after = p.st.stats()["fast"]
    p.clock.ms = p.st.now
    p.nif.use(p.nic)
    assert p.st.nomem == 0, "MemoryError inside poll()"
    assert got == 0, "%d bytes allocated" % got
    fast = after["in"] + after["out"] - before["in"] - before["out"]
    assert fast >= share, "%d packets on the fast path" % fast
    p.take()


def test_segments_received():
    p, nic = _peer(tcp=True)
    f = bench.established(p=p, iss=0x1000, tsval=1, opts=bench.opt_mss(1440) + bench.SACK_OK)
    p.nif.use(nic)
    nic.arm(f.tcp_frame("PA", seq=1, data=bytes(i & 255 for i in range(SIZE))), SIZE)
    buf = bytearray(2 * SIZE)
    total = [0]

    def run():
        st = f.st
        conn = f.conn
        now = st.now
        for _ in range(COUNT // BURST):
            nic.left = BURST
            now += 1
            st.poll(now)
            while conn.available():
                st.enter()
                total[0] += conn.recv(buf, 0, SIZE)
                st.leave()
            f.clock.ms = now

    _segments(run, p, nic, 3 * COUNT)
    assert total[0] == 3 * COUNT * SIZE, total


def test_segments_sent():
    p, nic = _peer(tcp=True)
    f = bench.established(p=p, iss=0x1000, tsval=1, opts=bench.opt_mss(1440) + bench.SACK_OK)
    p.nif.use(nic)
    nic.arm(f.tcp_frame("A", seq=1), 0, True)
    data = bytes(SIZE)
    total = [0]

    def run():
        st = f.st
        conn = f.conn
        now = st.now
        for _ in range(COUNT):
            st.enter()
            total[0] += conn.send(data, 0, SIZE)
            st.leave()
            now += 1
            f.clock.ms = now
            st.poll(now)

    _segments(run, p, nic, 3 * COUNT)
    assert total[0] == 3 * COUNT * SIZE, total
    assert nic.bytes >= total[0] - 8192, nic.bytes


def test_datagrams():
    p, nic = _peer()
    e = p.host.udp.open()
    e.bind(None, None, 7)
    frame = p.udp_frame(1000, 7, bytes(i & 255 for i in range(SIZE)))
    p.nif.use(nic)
    nic.arm(frame, plain=True)
    buf = bytearray(1500)
    total = [0]

    def run():
        st = p.st
        now = st.now
        for _ in range(COUNT // BURST):
            nic.left = BURST
            now += 1
            st.poll(now)
            st.enter()
            while e.waiting:
                n = e.recv(buf, 0, 1500)
                total[0] += e.send(buf, 0, n, st.ip6, e.from_addr, 1000)
            st.leave()

    _segments(run, p, nic, 6 * COUNT - 2 * BURST)
    assert total[0] == 3 * COUNT * SIZE and nic.count == 3 * COUNT
    e.close()


def _answered(p, nic, frame):
    """The stack answers each of them within poll()."""
    p.nif.use(nic)
    nic.arm(frame, plain=True)

    def run():
        st = p.st
        now = st.now
        for _ in range(COUNT // BURST):
            nic.left = BURST
            now += 1
            st.poll(now)

    _segments(run, p, nic, 6 * COUNT - 2 * BURST)
    assert nic.count == 3 * COUNT


def test_datagrams_answered():
    p, nic = _peer()
    e = p.host.udp.open()
    e.bind(None, None, 7)
    e.answer = lambda endpoint, buf, off, n: n
    frame = p.udp_frame(1000, 7, bytes(i & 255 for i in range(SIZE)))
    _answered(p, nic, frame)
    e.close()


def test_pings():
    p, nic = _peer()
    frame = p.echo_frame(data=bytes(i & 255 for i in range(SIZE)))
    _answered(p, nic, frame)


bench.run_tests(globals())
