# What the twin of diff/test_mutants.py and test_mutants6.py gets: forged segments, datagrams and
# pings, good ones and mutants, in batches, while a program reads and writes.

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


def changed(at, value, mended, kind="tcp"):
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


def every_byte(kind, last):
    changes = []
    for at in range(last):
        values = EXTREMES + (lambda b: b ^ 1, lambda b: b ^ 0x80, lambda b: (b + 1) & 255)
        for value in values:
            changes.append((at, value))
    return changes


def numbers(t):
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


def options(t):
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
