# What Linux once sent to netstack (record.py), sent again to the twin: fast path on and off; and
# the same segments in packets of IPv6.
# data: linux.rec
#
# Our initial numbers are others than then: what acknowledges them is moved along. A program on our
# side does what the one did that was recorded.

import bench
import struct
import twin
from packets import IPV6, ipv6

try:
    from netstack.transport import udp_fast as UDP_FAST
except ImportError:  # a stack that has none for datagrams
    UDP_FAST = None

OURS = "10.99.0.2"
LINUX = "10.99.0.1"
MAC = b"\x02\x6e\x73\x74\0\2"
PERIOD = 4093
PATTERN = bytes((i * 31 + (i >> 4) * 17) & 255 for i in range(PERIOD)) * 2
BATCH = 16
RING = 32768  # a little more than there was then
WAIT = 200  # ms that a segment waits for us to have sent what it acknowledges


def record():
    with open("tests/unix/diff/linux.rec" if bench.UNIX else "linux.rec", "rb") as f:
        data = f.read()
    assert data[:7] == b"NSREC1\n", "not a record"
    return data


def frames(name):
    """(50 us since the last one, length, headers) of each frame of a session."""
    data = record()
    at = 7
    while at < len(data):
        n = data[at]
        found = data[at + 1 : at + 1 + n].decode() == name
        at += 1 + n
        count = struct.unpack("!H", data[at : at + 2])[0]
        at += 2
        for _ in range(count):
            gap, length, n = struct.unpack("!HHB", data[at : at + 5])
            at += 5 + n
            if found:
                yield gap, length, data[at - n : at]
        if found:
            return
    raise AssertionError("no session %s in the record of %d bytes" % (name, len(data)))


class Replay:
    """A twin that is told once more what a host was told then."""

    def __init__(self, name, over6=False):
        self.name = name
        self.over6 = over6
        self.frames = list(frames(name))
        every = 1 if bench.UNIX else 4
        budget = 1 << 20 if bench.UNIX else 1 << 19  # of each of two
        kw = dict(tcp=True, mac=MAC, every=every, budget=budget)
        if over6:  # what is full over IPv4 is 20 bytes more
            self.p = twin.peer6(mtu=1520, **kw)
        else:
            self.p = twin.peer(LINUX, OURS, **kw)
        self.p.host.tcp.rcvbuf = self.p.host.tcp.sndbuf = RING
        self.p.host.label = name
        self.p.greet()
        self.conn = self.listener = self.endpoint = None
        self.isn = None  # of theirs
        self.then = None  # our initial numbers, recorded: (sequence, timestamp)
        self.now = None  # and those of this time
        self.end = 0  # the highest number we have sent, relative
        self.sent = self.got = 0
        self.skipped = 0
        self.eof = self.closed = False
        self.buf = bytearray(4096)
        self.due = self.p.clock.ms + 5

    # -- the program

    def begin(self):
        """Listen, or connect, as the first frame wants it."""
        p = self.p
        head = self.frames[0][2]
        if head[23] == 17:
            self.endpoint = p.host.udp.open()
            self.endpoint.bind(None, None, head[36] << 8 | head[37])
            return
        port = head[36] << 8 | head[37]
        if head[47] & 0x12 == 0x02:
            with bench.inside(p.st):
                self.listener = p.st.tcp.listen(None, None, port)
            bench.at_end(lambda: bench._close(p.st, self.listener))
            return
        with bench.inside(p.st):
            self.conn = p.st.tcp.open()
            self.conn.bind(p.ip, None, port)
            self.conn.connect(p.ip, p.addr, head[34] << 8 | head[35])
        p.poll()
        self.learn()

    def program(self):
        """Read, and write: an echo, a source of so many bytes, or a sink that says how many."""
        if self.endpoint:
            self.echo_datagrams()
            return
        with bench.inside(self.p.st):
            if self.conn is None:
                self.conn = self.listener.accept()
                if self.conn is None:
                    return
            self.read()
            self.write()

    def read(self):
        while not self.eof:
            n = self.conn.recv(self.buf, 0, len(self.buf))
            if n == -11:
                return
            assert n >= 0, "recv: %d" % n
            at = self.got % PERIOD
            assert self.buf[:n] == PATTERN[at : at + n], "text at %d" % self.got
            self.eof = n == 0
            self.got += n

    def write(self):
        conn = self.conn
        while conn.state == 4 or conn.state == 7:
            want = self.got if self.name == "echo" else SIZES.get(self.name, 0)
            at = self.sent % PERIOD
            n = min(want - self.sent, PERIOD)
            if n <= 0:
                break
            n = conn.send(PATTERN, at, n)
            if n < 0:
                return
            self.sent += n
        done = self.sent == SIZES[self.name] if self.name in SIZES else self.eof
        if done and not self.closed and conn.state >= 4:
            self.closed = True
            if self.name.startswith("receive"):
                text = b"%d bytes\n" % self.got
                conn.send(text, 0, len(text))
            conn.shutdown_send()

    def echo_datagrams(self):
        ep = self.endpoint
        with bench.inside(self.p.st):
            n = ep.recv(self.buf, 0, len(self.buf))
            while n >= 0:
                assert self.buf[:n] == PATTERN[:n]
                self.got += 1
                ep.send(self.buf, 0, n, self.p.ip, self.p.addr, ep.from_port)
                n = ep.recv(self.buf, 0, len(self.buf))

    # -- the wire

    def learn(self):
        """What we have sent: initial numbers, and how far we are."""
        for packet in self.p.take():
            if packet.kind != "tcp":
                continue
            if "S" in packet.flags and self.now is None:
                self.now = (packet.seq, packet.ts[0] if packet.ts else 0)
            if "R" in packet.flags or self.now is None:
                continue
            end = (packet.seq - self.now[0]) & 0xFFFFFFFF
            end += len(packet.data) + ("S" in packet.flags) + ("F" in packet.flags)
            if self.end < end < 0x40000000:
                self.end = end

    def forge(self, length, head):
        """The frame as it has to be today; and what it acknowledges, relative."""
        frame = bytearray(head) + bytes(length - len(head))
        frame[6:12] = self.p.mac
        if frame[23] == 17:
            frame[len(head) :] = PATTERN[: length - len(head)]
            return self.finished(frame), 0
        seq, ack = struct.unpack("!II", frame[38:46])
        if frame[47] & 2:
            self.isn = seq
        at = (seq - self.isn - 1) % PERIOD
        frame[len(head) :] = PATTERN[at : at + length - len(head)]
        if not frame[47] & 16:
            return self.finished(frame), 0
        if self.then is None:
            self.then = (ack - 1, self._option(frame, len(head), 8))
        behind = (ack - self.then[0]) & 0xFFFFFFFF
        self._move(frame, 42, self.now[0] - self.then[0])
        self._options(frame, len(head))
        return self.finished(frame), behind

    def finished(self, frame):
        """With its checksums, and if wanted in a packet of IPv6 with the same marks."""
        if self.over6:
            p = self.p
            packet = ipv6(p.addr, p.host.addr, frame[23], bytes(frame[34:]), tclass=frame[15])
            frame = bytearray(p.frame(packet, IPV6))
        return bench.mend(frame)

    def _move(self, frame, at, by):
        value = struct.unpack("!I", frame[at : at + 4])[0]
        frame[at : at + 4] = struct.pack("!I", (value + by) & 0xFFFFFFFF)

    def _each(self, frame, end):
        """(kind, place, length) of each option."""
        at = 54
        while at < end and frame[at]:
            n = 1 if frame[at] == 1 else frame[at + 1]
            yield frame[at], at, n
            at += n

    def _option(self, frame, end, kind):
        for found, at, _ in self._each(frame, end):
            if found == kind:
                return struct.unpack("!I", frame[at + 6 : at + 10])[0]
        return 0

    def _options(self, frame, end):
        for kind, at, n in self._each(frame, end):
            if kind == 8:
                self._move(frame, at + 6, self.now[1] - self.then[1])
            elif kind == 5:
                for edge in range(at + 2, at + n, 4):
                    self._move(frame, edge, self.now[0] - self.then[0])

    def run(self):
        p = self.p
        self.begin()
        ticks = 20 * self.due
        for gap, length, head in self.frames:
            ticks += gap
            self.due = ticks // 20
            if gap or len(p.nic.rx) >= BATCH:  # those of one moment were taken together
                self.flush(self.due)
            if head[23] == 6 and head[47] & 16 and self.now is None:
                self.flush(self.due)  # our SYN,ACK
            frame, behind = self.forge(length, head)
            late = 0
            while behind > self.end and late < WAIT:
                self.flush(p.clock.ms + 1)
                late += 1
            if behind > self.end:
                self.skipped += 1  # we have sent less than then
                assert self.skipped < 10, "we send less than when it was recorded: record anew"
            else:
                p.queue(frame)
        self.flush(p.clock.ms + 3000)
        return self

    def flush(self, until):
        """What is queued goes to both; the program works; time moves on to `until`."""
        p = self.p
        p.poll()
        self.learn()
        self.program()
        p.poll()
        self.learn()
        while p.clock.ms < until:
            p.advance(1 if until - p.clock.ms < 50 else until - p.clock.ms)
            self.learn()
            self.program()
        p.poll()
        self.learn()


SIZES = {"send": 150000, "send loss": 250000, "send bare": 100000}


def _session(name, got, sent, frames, rx, tx, over6=False):
    """Replay a session: bytes got and sent, and counts of Tally.check()."""
    tally = twin.Tally()
    r = Replay(name, over6).run()
    tally.add(r.p.host)
    stat = r.p.host.stat("tcp")
    assert r.got == got or got is None, "got %d" % r.got
    assert r.sent == sent, "sent %d" % r.sent
    assert r.end >= sent and r.skipped <= len(r.frames) // 50, (r.end, r.skipped, stat)
    print(len(r.frames), "frames came,", r.skipped, "skipped;", end=" ")
    tally.check(frames, rx, tx)
    if r.conn:
        assert r.conn.cb[1] == r.conn.cb[3], "not all was acknowledged"
    if r.endpoint:
        r.endpoint.close()
    return r


def test_receive():
    _session("receive", 150000, 0, 20, 90, 0)


def test_receive_loss():
    """RFC 2018, RFC 2883: holes, and our SACK."""
    _session("receive loss", 250000, 0, 50, 80, 0)


def test_receive_bare():
    """Neither SACK nor timestamps nor window scale."""
    _session("receive bare", 100000, 0, 20, 20, 0)


def test_send():
    _session("send", 0, 150000, 100, 50, 80)


def test_send_loss():
    """RFC 6675: Linux's SACK."""
    _session("send loss", 0, 250000, 150, 10, 30)


def test_send_bare():
    _session("send bare", 0, 100000, 60, 20, 30)


def test_echo():
    _session("echo", sum_of_echo(), sum_of_echo(), 50, 30, 30)


def sum_of_echo():
    """Bytes that Linux sent: where its FIN stood."""
    isn = end = 0
    for _, length, head in frames("echo"):
        seq = struct.unpack("!I", head[38:42])[0]
        if head[47] & 2:
            isn = seq + 1
        if head[47] & 1:
            end = seq + length - len(head)
    assert end - isn >= 60000
    return end - isn


def test_datagrams():
    count = len(list(frames("datagrams")))
    share = 50 if UDP_FAST else 0
    r = _session("datagrams", None, 0, 60, share, share)
    full = r.p.host.stat("udp")["in_full"]  # we take more at a time than the host did then
    assert r.got + full == count and full < count // 5, (r.got, full)


def test_receive_over_ipv6():
    _session("receive", 150000, 0, 20, 90, 0, True)


def test_receive_loss_over_ipv6():
    _session("receive loss", 250000, 0, 50, 80, 0, True)


def test_send_over_ipv6():
    _session("send", 0, 150000, 100, 50, 80, True)


def test_send_loss_over_ipv6():
    _session("send loss", 0, 250000, 150, 10, 30, True)


def test_echo_over_ipv6():
    _session("echo", sum_of_echo(), sum_of_echo(), 50, 30, 30, True)


bench.run_tests(globals())
