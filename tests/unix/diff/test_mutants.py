# The same forged traffic with the fast path on and off (DESIGN 1): good segments and datagrams in
# batches of 1 to 16, among them ones of which every field is changed in turn, cut short, padded,
# with checksums that are right and wrong. SEEDS=1-100 in the environment for more.

import bench
import simbench
import struct
import twin

PERIOD = 4093
text = bench.Random(11).bytes(PERIOD) * 2
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF)
WIDE = (0, 1, 0x7FFF, 0x8000, 0xFFFF)


def _answer(endpoint, buf, off, n):
    """Something else for each length: the same, less, more, nothing."""
    if n:
        buf[off + n - 1] ^= endpoint.from_port & 255
    for i in range(off + n, off + n + 9):
        buf[i] = i
    return (n, n, n >> 1, min(n + 9, 1472), None)[n % 5]


class Traffic:
    """A peer of a twin, a connection, and an endpoint; a program reads and writes on it."""

    def __init__(self, seed, options, peer=twin.peer, **kw):
        self.seed = seed
        self.rnd = bench.Random(seed)
        self.p = p = peer(tcp=True, seed=seed, every=1 if bench.UNIX else 4, **kw)
        p.greet()
        self.twin = p.host
        self.options = options
        self.twin.label = options
        self.udp = p.host.udp.open()
        self.udp.bind(None, None, 7)
        self.connected = p.host.udp.open()
        self.connected.connect(p.ip, p.addr, 9)
        self.answering = p.host.udp.open()
        self.answering.bind(None, None, 8)
        self.answering.answer = _answer
        self.listener = bench.listening(p=p, port=80).listener
        self.port = 1024
        self.f = self.conn = None
        self.buf = bytearray(2000)
        self.stamp = 1000
        self.connect()

    # -- the connection

    def connect(self):
        """A new connection: the mutants have broken the old one, or may have."""
        p = self.p
        if self.conn:
            with bench.inside(p.st):
                self.conn.abort()
                self.conn.close()
        self.twin.forget()
        for h in self.twin.hosts:
            h.nic.busy = h.nic.fail = 0
        p.advance(5)
        p.take()
        self.port += 1
        self.f = f = p.flow(self.port, 80, self.rnd.bits32())
        opts = bench.opt_mss(1460)
        if "s" in self.options:
            opts += bench.SACK_OK
        if "w" in self.options:
            opts += bench.opt_wscale(self.rnd.below(4))
        f.tsval = self.stamp if "t" in self.options else None
        ecn = "e" in self.options
        f.tcp("SEC" if ecn else "S", opts=opts)
        f.expect_tcp("SAE" if ecn else "SA")
        f.tcp("A")
        p.take()
        with bench.inside(p.st):
            self.conn = self.listener.accept()

    def alive(self):
        return self.conn is not None and self.conn.state == 4

    def good(self):
        """The next frame that is right: text in order, or an ACK, or both."""
        f = self.f
        rnd = self.rnd
        if f.tsval is not None:
            self.stamp += rnd.below(3)
            f.tsval = self.stamp
        what = rnd.below(8)
        if what == 0:
            return f.tcp_frame("A", wnd=rnd.choice((65535, 40000, 3000, 1460)), tos=self.tos(0))
        if what == 1 and self.twin.hosts[0].st.now & 1:
            return self.datagram()
        n = rnd.choice((1, 2, 100, 535, 536, 1000, 1447, 1448))
        at = f.snd_nxt % PERIOD
        return f.tcp_frame(rnd.choice(("A", "PA")), data=text[at : at + n], tos=self.tos(2))

    def tos(self, usual):
        """With ECN a few packets are marked, or say what is allowed and not usual."""
        if "e" not in self.options:
            return 0
        return self.rnd.choice((0, 1, 2, 3)) if self.rnd.below(20) == 0 else usual

    def datagram(self):
        n = self.rnd.choice((0, 1, 2, 63, 64, 500, 1472))
        port = self.rnd.choice((7, 7, 8, 8, self.connected.lport))
        source = 10 if port == 8 and self.rnd.below(9) == 0 else 9
        return self.p.udp_frame(source, port, text[:n])

    def ping(self):
        n = self.rnd.choice((0, 1, 2, 56, 57, 500, 1472))
        return self.p.ping_frame(self.rnd.below(65536), self.rnd.below(65536), text[:n])

    def learn(self):
        """Acknowledge what has come; answer datagrams are of no interest."""
        f = self.f
        for packet in self.p.take():
            if packet.kind != "tcp" or packet.dport != f.sport:
                continue
            if packet.ts:
                f.tsecr = packet.ts[0]
            end = (packet.seq - f.irs) & 0xFFFFFFFF
            end += len(packet.data) + ("F" in packet.flags)
            if f.rcv_nxt < end < 0x40000000:
                f.rcv_nxt = end
        if self.conn and self.rnd.below(2):  # send again what was not taken
            there = (self.conn.cb[7] - f.iss) & 0xFFFFFFFF
            if there < f.snd_nxt:
                f.snd_nxt = there

    def program(self):
        """Read everything, write something, answer datagrams."""
        rnd = self.rnd
        conn = self.conn
        with bench.inside(self.p.st):
            while conn.recv(self.buf, 0, rnd.choice((300, 2000))) > 0:
                pass
            if rnd.below(3):
                conn.send(text, rnd.below(PERIOD), rnd.choice((1, 64, 1460, 4000)))
            for endpoint in (self.udp, self.connected):
                n = endpoint.recv(self.buf, 0, 2000)
                if n >= 0:
                    endpoint.send(self.buf, 0, n, self.p.ip, self.p.addr, 9)

    def step(self, frames):
        """A batch goes to both; time and the program move on."""
        for frame in frames:
            self.p.queue(frame)
        self.p.poll()
        self.learn()
        if self.rnd.below(4) == 0:
            self.p.advance(self.rnd.choice((1, 5, 40, 300)))
            self.learn()
        if not self.alive():
            self.connect()
        elif self.rnd.below(3):
            self.program()
            self.p.poll()
            self.learn()

    def batch(self, bad):
        """A batch of good frames with `bad` somewhere in it."""
        n = self.rnd.below(self.rnd.choice((1, 3, 16)))
        at = self.rnd.below(n + 1)
        frames = [self.good() for _ in range(at)]
        frames.append(bad(self))
        return frames + [self.good() for _ in range(n - at)]

    def end(self, tally):
        self.p.advance(2000)
        tally.add(self.twin)
        with bench.inside(self.p.st):
            self.conn.abort()
            self.conn.close()
            self.udp.close()
            self.connected.close()
            self.answering.close()


def share(n):
    """`n` batches on the host, half of them on a board."""
    return n if bench.UNIX else n // 2


def runs(count, per, body, frames, rx, tx, seeds=None, options=None, **kw):
    """body(traffic, i) makes the i-th batch, `per` of them for each seed and set of `options`."""
    tally = twin.Tally()
    sets = ("", "t", "s", "w", "tsw", "e")
    if options:
        sets = options
    for seed in seeds or simbench.seeds(count):
        for each in sets if bench.UNIX or options else (sets[seed % 4], "tsw"):
            bench.forget()
            t = Traffic(seed, each, **kw)
            for i in range(per):
                t.step(body(t, i))
            t.end(tally)
            bench.tidy()
            bench.clean()
    if not bench.UNIX:
        frames, rx, tx = frames // 14, rx // 14, tx // 14
    tally.check(frames, rx, tx)


def test_good_batches():
    """Batches of 1 to 16 that are all right."""
    runs(2, share(100), lambda t, i: t.batch(Traffic.good), 1000, 1000, 200)


def test_good_batches_of_one():
    runs(1, share(100), lambda t, i: [t.good()], 200, 100, 50)


def test_small_rings():
    """Rings that fill and wrap at odd places, and little memory."""
    body = lambda t, i: t.batch(Traffic.good)  # noqa: E731
    runs(2, share(60), body, 500, 50, 20, budget=64 * 1024)


def _changed(at, value, mended, kind="tcp"):
    """A function that makes a good frame with the byte at `at` changed."""

    def bad(t):
        f = t.f
        if kind == "udp":
            frame = bytearray(t.datagram())
        elif kind == "icmp":
            frame = bytearray(t.ping())
        else:
            place = f.snd_nxt % PERIOD
            data = text[place : place + t.rnd.choice((0, 1, 33, 1000))]
            frame = bytearray(f.tcp_frame("A", seq=f.snd_nxt, data=data))
        if at < len(frame):
            frame[at] = value(frame[at]) if callable(value) else value
        return bench.mend(frame) if mended else frame

    return bad


def _every_byte(kind, last):
    changes = []
    for at in range(last):
        values = EXTREMES + (lambda b: b ^ 1, lambda b: b ^ 0x80, lambda b: (b + 1) & 255)
        for value in values:
            changes.append((at, value))
    return changes


def _fields(kind, last, rx, tx):
    """Every byte of every header at its extremes and next to what it was, mended and not."""
    changes = _every_byte(kind, last)
    if not bench.UNIX:
        changes = changes[::5]

    def body(t, i):
        at, value = changes[i]
        return t.batch(_changed(at, value, (i + t.seed) & 3, kind))

    runs(1, len(changes), body, len(changes), rx, tx)


def test_every_byte_of_a_segment():
    """Ethernet, IP, TCP and its options."""
    _fields("tcp", 14 + 20 + 20 + 12, 2000, 200)


def test_every_byte_of_a_datagram():
    _fields("udp", 14 + 20 + 8 + 2, 1000, 200)


def test_every_byte_of_a_ping():
    _fields("icmp", 14 + 20 + 8 + 2, 500, 200)


def _numbers(t):
    """A segment with lies in sequence number, ACK, window, flags or text, checksums right."""
    rnd = t.rnd
    f = t.f
    step = rnd.choice((0, 0, 0, 1, -1, 100, -100, 1460, -1460, 65535, 1 << 20, 1 << 30, 1 << 31))
    ack = rnd.choice((0, 0, 0, 1, -1, 2, -1460, 1460, -65536, 1 << 30, 1 << 31))
    flags = rnd.choice(("A",) * 8 + ("PA", "FA", "A", "R", "RA", "S", "SA", "", "AU", "AE", "AC"))
    if flags in ("FA", "R", "RA") and rnd.below(4):
        flags = "A"  # these end a connection: not too often
    n = rnd.choice((0, 0, 1, 2, 500, 1447, 1448))
    at = (f.snd_nxt + step) % PERIOD
    wnd = rnd.choice((0, 1, 100, 65535, 65535, 65535))
    urg = rnd.choice((0, 0, 5))
    sack = rnd.choice(((), (), ((1, 9),), ((1461, 2921), (0, 1)), ((9, 2), (1 << 31, 5))))
    if f.tsval is not None:
        sack = sack[:3]
    return f.tcp_frame(
        flags, f.snd_nxt + step, f.rcv_nxt + ack, text[at : at + n], wnd, urg=urg, sack=sack
    )


def test_numbers():
    """RFC 9293 3.10.7.4: whatever the numbers say."""
    runs(1, share(150), lambda t, i: t.batch(_numbers), 500, 250, 50)


def _options(t):
    """A good segment whose options are not what was agreed, or malformed, or elsewhere."""
    rnd = t.rnd
    f = t.f
    stamps = bench.opt_ts(f.tsval or 7, f.tsecr)
    opts = rnd.choice(
        (
            b"",
            stamps,
            stamps[2:] + b"\1\1",  # the same, and NOPs behind it
            b"\1" + stamps[2:] + b"\1",
            stamps[:3] + b"\x0b" + stamps[4:],
            stamps[:3] + b"\x09" + stamps[4:],
            stamps[:3] + b"\0" + stamps[4:],
            stamps[:8] + b"\0\0\0\0",
            stamps[:4] + struct.pack("!I", ((f.tsval or 0) - 5) & 0xFFFFFFFF) + stamps[8:],
            stamps[:4] + struct.pack("!I", ((f.tsval or 0) + (1 << 31)) & 0xFFFFFFFF) + stamps[8:],
            stamps[:8] + struct.pack("!I", (f.tsecr + 1000) & 0xFFFFFFFF),
            stamps + stamps,
            b"\1" * 12,
            b"\0" * 12,
            bench.opt_mss(100) + b"\1" * 8,
            bench.opt_sack((f.irs + 1, f.irs + 9)),
            rnd.bytes(rnd.choice((4, 8, 12, 40))),
        )
    )
    saved, f.tsval = f.tsval, None
    at = f.snd_nxt % PERIOD
    data = text[at : at + rnd.choice((0, 1, 700))]
    if rnd.below(3) == 0:
        f.snd_nxt += len(data)  # it may be taken: go on behind it
        frame = f.tcp_frame("A", f.snd_nxt - len(data), data=data, opts=opts)
    else:
        frame = f.tcp_frame("A", f.snd_nxt, data=data, opts=opts)
    f.tsval = saved
    return frame


def test_options():
    """RFC 9293 3.1, RFC 7323 3.2: options missing, moved, doubled, lying, malformed."""
    runs(2, share(150), lambda t, i: t.batch(_options), 1000, 500, 50)


def _shape(t):
    """A good frame cut short, padded, with lengths that lie, or with options in its IP header."""
    rnd = t.rnd
    frame = bytearray(t.good())
    what = rnd.below(7)
    if what == 0:
        frame = frame[: 1 + rnd.below(len(frame))]
    elif what == 1:
        frame += bytes(rnd.below(50))
    elif what == 2:
        frame = frame[: max(34, rnd.below(len(frame)))]
        frame[16:18] = struct.pack("!H", len(frame) - 14)
    elif what == 3:
        frame[16:18] = struct.pack("!H", rnd.bits16() & 0x7FF)
    elif what == 4:
        frame[14] = 0x46
        frame[34:34] = rnd.choice((b"\1\1\1\0", b"\x07\x04\4\0", b"\x83\3\4\0", b"\2\0\0\0"))
        frame[16:18] = struct.pack("!H", len(frame) - 14)
    elif what == 5:
        at = 38 if frame[23] == 17 else 46
        frame[at : at + 2] = struct.pack("!H", rnd.choice(WIDE + (7, 8, 9)))
    else:
        frame[20:22] = rnd.choice((b"\x20\0", b"\0\1", b"\x80\0", b"\0\0", b"\x60\0"))
    return (bench.mend(frame) if rnd.below(3) else frame)[:1514]


def test_shapes():
    """RFC 791, RFC 894: truncated, padded, fragments, lengths that lie, IP options."""
    runs(2, share(150), lambda t, i: t.batch(_shape), 1000, 500, 50)


def _anything(t):
    return t.rnd.choice((_numbers, _options, _shape, Traffic.good))(t)


def _busy(t, i):
    t.p.nic.busy = t.rnd.choice((0, 0, 1, 5, 20))
    t.p.nic.fail = t.rnd.choice((0, 0, 0, 1, 3))
    return t.batch(_anything)


def test_busy_nic():
    """A NIC that is busy, or refuses, in the middle of it all."""
    # Enough frames for what waits: when they run short, the slow path takes smaller batches.
    runs(2, share(80), _busy, 500, 100, 20, budget=512 * 1024)


def test_anything():
    runs(1, share(300), lambda t, i: t.batch(_anything), 1500, 500, 50)


def _told(t, i):
    """What a peer tells of marks, rightly or not."""
    if i % 9:
        return t.batch(lambda t: t.good())
    flags = t.rnd.choice(("AE", "AC", "AEC", "PAE", "PAC"))
    n = t.rnd.choice((0, 1, 1000))
    at = t.f.snd_nxt % PERIOD
    frame = t.f.tcp_frame(flags, data=text[at : at + n], tos=t.rnd.choice((0, 2, 3)))
    return t.batch(lambda t: frame)


def test_marks():
    """RFC 3168: CE, ECE and CWR at any time."""
    runs(2, 150, _told, 500, 200, 200, options=("e", "tswe"))


def test_once_wrong():
    """An ACK that tells of a false loss; a window that widens as the program reads."""
    runs(1, share(300), lambda t, i: t.batch(_anything), 1500, 300, 50, seeds=(5,))
    runs(1, share(80), _busy, 300, 50, 20, seeds=(13,), budget=512 * 1024)


bench.run_tests(globals())
