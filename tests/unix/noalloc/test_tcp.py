# TCP in the steady state allocates nothing: 10,000 segments received and read, 10,000 sent and
# acknowledged, under heap_lock() and again with an equal mem_alloc() (see test_steady.py); a
# thousand where no options are agreed upon.

import bench
import gc
import micropython
from array import array
from netstack.core.checksum import copy, csum, pseudo, put_csum
from netstack.core.wire import add32, get16, load32, put16, store32

COUNT = 10000
FEW = 1000
BURST = 4
SIZE = 1000

_IP = 14
_TCP = 34
_SEQ = _TCP + 4
_ACK = _TCP + 8
_SUM = _TCP + 16


class NIC(bench.NIC):
    """Plays the peer of one connection without allocating. Frames are made from `template`, with
    the sequence number words[0], which moves on by `step`, and the acknowledgement words[1],
    which follows what is sent when `acking`."""

    def arm(self, template, step, acking):
        self.frame = bytearray(template)
        self.words = array("I", [0, 0])
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
        store32(frame, _SEQ, self.words, 0)
        store32(frame, _ACK, self.words, 1)
        put16(frame, _SUM, 0)
        acc = pseudo(frame, _IP + 12, frame, _IP + 16, 4, 6, n - _TCP)
        put_csum(frame, _SUM, csum(frame, _TCP, n - _TCP, acc))
        add32(self.words, 0, self.step)
        copy(buf, off, frame, 0, n)
        return n

    def send(self, buf, off, n):
        self.count += 1
        size = get16(buf, off + _IP + 2) - 20 - (buf[off + _TCP + 12] >> 4 << 2)
        if self.acking and size:
            self.bytes += size
            load32(self.words, 1, buf, off + _SEQ)
            add32(self.words, 1, size)
            self.left = 1
        return n


def _allocated(run, count):
    """Bytes that run(count) has allocated; MemoryError if it is caught at it."""
    run(FEW)  # what is made once may be made now
    gc.collect()
    micropython.heap_lock()
    try:
        run(count)
    finally:
        micropython.heap_unlock()
    gc.collect()
    gc.disable()
    try:
        before = gc.mem_alloc()
        run(count)
        return gc.mem_alloc() - before
    finally:
        gc.enable()


def _start(**kw):
    f = bench.established(iss=0x1000, **kw)
    f.clock.start = 0
    f.peer.poll()
    nic = NIC(f.peer.nic.mac)
    f.peer.nif.use(nic)
    return f, nic


def _finish(f, nic, now):
    f.clock.ms = now
    f.peer.nif.use(f.peer.nic)
    assert f.st.nomem == 0, "MemoryError inside poll()"
    assert f.conn.state == 4 and f.conn.error == 0
    f.peer.take()


def test_received(count=FEW, **kw):
    f, nic = _start(**kw)
    nic.arm(f.tcp_frame("PA", seq=1, data=bytes(i & 255 for i in range(SIZE))), SIZE, False)
    buf = bytearray(2 * SIZE)
    total = [0]

    def run(count):  # with at most five variables from outside: more would be copied to the heap
        st = f.st
        conn = f.conn
        now = st.now
        for _ in range(count // BURST):
            nic.left = BURST
            now += 1
            st.poll(now)
            f.clock.ms = now
            while conn.available():
                st.enter()
                total[0] += conn.recv(buf, 0, SIZE)
                st.leave()

    got = _allocated(run, count)
    count = FEW + 2 * count
    _finish(f, nic, f.st.now)
    assert total[0] == count * SIZE, total
    assert got == 0, "%d bytes allocated" % got
    assert 0 < nic.count <= count


def test_sent(count=FEW, **kw):
    f, nic = _start(**kw)
    nic.arm(f.tcp_frame("A", seq=1), 0, True)
    data = bytes(SIZE)
    total = [0]

    def run(count):  # with at most five variables from outside: more would be copied to the heap
        st = f.st
        conn = f.conn
        now = st.now
        for _ in range(count):
            st.enter()
            total[0] += conn.send(data, 0, SIZE)
            st.leave()
            now += 1
            f.clock.ms = now
            st.poll(now)

    got = _allocated(run, count)
    count = FEW + 2 * count
    _finish(f, nic, f.st.now)
    assert total[0] == count * SIZE, total
    assert nic.bytes >= count * SIZE - 8192, nic.bytes
    assert got == 0, "%d bytes allocated" % got


_ALL = {"tsval": 1, "opts": bench.opt_mss(1460) + bench.SACK_OK + bench.opt_wscale(2)}


def test_received_with_options():
    test_received(COUNT, **_ALL)


def test_sent_with_options():
    test_sent(COUNT, **_ALL)


bench.run_tests(globals())
