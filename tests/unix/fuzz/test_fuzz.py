# Bad input: mutated frames of every protocol, random bytes, every truncation. Nothing leaves
# poll() as an exception, the pool is full again, every frame is accounted for, and afterwards the
# host still answers. Everything follows from the seed that a failure prints.

import binascii
import bench
import fence
import struct
from mutate import mutate

fence.up()
ROUNDS = 30000 if bench.UNIX else 3000


class Target:
    """A host with something to hit on every port, and valid frames towards it."""

    def __init__(self, seed, **kw):
        self.rnd = bench.Random(seed)
        self.seed = seed
        self.p = p = bench.peer(tcp=True, **kw)
        p.greet()
        self.udp = p.host.udp.open()
        self.udp.bind(None, None, 7)
        self.connected = p.host.udp.open()
        self.connected.connect(p.host.ip4, p.addr, 9)
        with bench.inside(p.st):
            self.connected.send(b"quoted", 0, 6)
        p.poll()
        self.quote = p.expect("udp").frame[14:]
        self.listener = bench.listening(p=p, port=80)
        self.flow = self.conn = None
        self.number = 0
        self.buf = bytearray(1600)
        self.datagram = bench.udp(p.addr, p.host.addr, 9, 7, self.rnd.bytes(50))
        self.frames = p.nic.received
        self.before = p.st.stats()

    def connect(self):
        """A connection of its own for what comes next; the mutants may well break it."""
        p = self.p
        p.take()
        self.number += 1
        f = p.flow(1024 + self.number % 60000, 80, self.rnd.bits32())
        f.tcp("S", opts=bench.opt_mss(1460) + b"\1\3\3\7\4\2\1\1" + b"\x08\x0a" + bytes(8))
        answers = [packet for packet in p.take() if packet.kind == "tcp"]
        if answers and answers[-1].dport == f.sport and "S" in answers[-1].flags:
            f.irs = answers[-1].seq
            f.rcv_nxt = 1
            f.tcp("A")
        self.flow = f
        self.program()

    def program(self):
        """What programs do with their ends: leave the last one, write into the new one."""
        with bench.inside(self.p.st):
            if self.conn:
                self.conn.close() if self.number & 1 else self.conn.abort()
                self.conn.close()
            self.conn = self.listener.listener.accept()
            if self.conn and self.number & 2:
                self.conn.send(self.buf, 0, self.rnd.below(1600))
                if self.number & 4:
                    self.conn.shutdown_send()

    def read(self):
        while self.udp.waiting:
            self.udp.recv(self.buf, 0, 1600)
        if self.conn:
            with bench.inside(self.p.st):
                self.conn.recv(self.buf, 0, 1600)

    def valid(self):
        """Frames that are right, of every kind."""
        p = self.p
        f = self.flow
        data = self.rnd.bytes(self.rnd.below(40))
        quote = self.quote
        return (
            p.arp_frame(1),
            p.arp_frame(2),
            p.arp_frame(1, spa=bytes(4)),
            p.ping_frame(1, 2, data),
            p.ip_frame(1, bench.icmp(0, 0, b"\0\1\0\2", data)),
            p.ip_frame(1, bench.icmp(3, 3, data=quote)),
            p.ip_frame(1, bench.icmp(11, 0, data=quote)),
            p.ip_frame(1, bench.icmp(3, 4, b"\0\0\2\0", quote)),
            p.ip_frame(1, bench.icmp(3, 1, data=self.own_segment())),
            p.udp_frame(9, 7, data),
            p.udp_frame(9, self.connected.lport, data),
            p.udp_frame(1000, 9999, data),
            p.udp_frame(67, 68, data, dst=b"\xff\xff\xff\xff", dst_mac=bench.BROADCAST),
            p.ip_frame(253, data),
            p.ip_frame(17, data, flags=1),
            p.ip_frame(17, data, flags=0, frag=1 + self.rnd.below(4)),
            self.rnd.choice(p.part_frames(17, self.datagram, size=16)),
            p.ping_frame(1, 2, data, options=b"\x07\x07\x04\0\0\0\0\0"),
            f.tcp_frame("S", seq=0, opts=bench.opt_mss(536) + b"\1\3\3\7"),
            f.tcp_frame("SA", seq=0, opts=bench.opt_mss(1460)),
            f.tcp_frame("A", seq=1),
            f.tcp_frame("PA", seq=1, data=data),
            f.tcp_frame("A", seq=self.rnd.below(2000), data=data),
            f.tcp_frame("A", seq=1, ack=self.rnd.below(2000), opts=b"\5\x0a" + bytes(8)),
            f.tcp_frame("FA", seq=1 + len(data)),
            f.tcp_frame("R", seq=self.rnd.below(3)),
            f.tcp_frame("RA", seq=1),
            f.tcp_frame("AU", seq=1, data=data, urg=3),
            f.tcp_frame("A", seq=1, wnd=0),
            f.tcp_frame("A", seq=1, ack=1 + self.rnd.below(1601), wnd=self.rnd.bits16()),
        )

    def own_segment(self):
        """As the host would have sent it."""
        f = self.flow
        p = self.p
        segment = bench.tcp(p.host.addr, p.addr, 80, f.sport, (f.irs or 0) + 1, f.iss + 1, "A")
        return bench.ip4(p.host.addr, p.addr, 6, segment)

    def hit(self, frame):
        """Send a frame; whatever happens, no exception."""
        if not frame:
            return
        frame = bytes(frame[:1514])
        try:
            self.p.send(frame)
        except Exception:
            print("seed", self.seed, "frame", binascii.hexlify(frame).decode())
            raise
        if self.udp.waiting > 4:
            self.read()
        if len(self.p.sent) > 50:
            self.p.take()

    def check(self):
        p = self.p
        p.take()
        self.account()
        p.advance(5000)
        p.take()
        p.greet()
        p.ping(data=b"still here")
        packets = [packet for packet in p.take() if packet.kind == "icmp"]
        assert [packet.data for packet in packets] == [b"still here"]
        with bench.inside(p.st):
            if self.conn:
                self.conn.close()
            for conn in list(p.st.tcp.connections()):
                conn.abort()
                conn.close()
        p.host.arp.flush()
        p.host.reassembly.flush()
        p.poll()
        assert p.st.reassembly.used == 0
        assert p.st.pool.left == p.st.pool.count

    def account(self):
        """Every frame that came in is counted once at each layer it has reached."""
        now = self.p.st.stats()

        def moved(group, *names):
            return sum(now[group][name] - self.before[group][name] for name in names)

        frames = self.p.nic.received - self.frames
        assert moved("eth0", "in") == frames, (moved("eth0", "in"), frames)
        up = moved("ipv4", "in") + moved("eth0.arp", "in")
        dropped = moved("eth0.ethernet", "in_short", "in_other", "in_unknown")
        assert up + dropped == frames, (up, dropped, frames)
        drops = [name for name in now["ipv4"] if name.startswith("in_")]
        up = moved("icmp4", "in") + moved("udp", "in") + moved("tcp", "in")
        up += moved("reassembly", "in") - moved("reassembly", "whole")
        assert up + moved("ipv4", *drops) == moved("ipv4", "in"), "ipv4 lost count"
        kinds = [name for name in now["icmp4"] if name.startswith("in_")]
        missing = moved("icmp4", "in") - moved("icmp4", *kinds)
        assert 0 <= missing <= moved("icmp4", "out_nobuf"), "icmp4 lost count"


def test_fences():
    # A kernel that is told a wrong offset writes over a fence, and that is seen.
    from netstack.core.wire import put16

    for off in (-2, 1636):
        buf = bench.host().st.pool._free[0].buf
        assert len(buf) == 1636
        put16(buf, off, 1)
        try:
            fence.check()
        except AssertionError:
            continue
        raise AssertionError("nobody has seen what was written at %d" % off)


def test_mutants():
    for seed in (1, 2, 3):
        t = Target(seed)
        rnd = t.rnd
        for i in range(ROUNDS // 3):
            if i % 20 == 0:
                t.connect()
            frames = t.valid()
            frame = mutate(rnd, rnd.choice(frames), rnd.choice(frames))
            if rnd.below(10) < 7:
                frame = bench.mend(frame)
            t.hit(frame)
            if rnd.below(10) == 0:
                t.p.advance(rnd.below(400))
        t.check()


def test_mutants_on_the_smallest_stack():
    t = Target(4, budget=40000)
    rnd = t.rnd
    for i in range(ROUNDS // 6):
        if i % 20 == 0:
            t.connect()
        frames = t.valid()
        frame = bench.mend(mutate(rnd, rnd.choice(frames), rnd.choice(frames)))
        if frame:
            t.p.queue(bytes(frame[:1514]))
        if rnd.below(4) == 0:
            t.hit(rnd.choice(frames))
    t.p.poll()
    t.check()


def test_random_bytes():
    t = Target(5)
    rnd = t.rnd
    head = t.p.nic.mac + t.p.mac
    for _ in range(ROUNDS // 4):
        junk = rnd.bytes(rnd.below(120))
        what = rnd.below(4)
        if what == 0:
            t.hit(junk)
        elif what == 1:
            t.hit(head + b"\x08\x00" + junk)
        elif what == 2:
            t.hit(head + b"\x08\x06" + junk)
        else:
            t.hit(t.p.ip_frame(rnd.choice((1, 6, 17, rnd.below(256))), junk))
    t.check()


def test_every_truncation():
    t = Target(6)
    t.connect()
    for frame in t.valid():
        for n in range(1, len(frame) + 1):
            t.hit(frame[:n])
            if n > 34 and (bench.UNIX or n & 1):
                # cut inside the packet, the lengths adjusted to hide it
                cut = bytearray(frame[:n])
                if frame[12:14] == b"\x08\x00":
                    cut[16:18] = struct.pack("!H", n - 14)
                    t.hit(bench.mend(cut))
    t.check()


def test_every_byte():
    # Each byte of each header at its extremes, with checksums that are right.
    t = Target(7)
    for which in range(28):
        t.connect()
        frame = t.valid()[which]
        for at in range(12, min(len(frame), 74), 1 if bench.UNIX else 3):
            for value in (0, 0xFF, frame[at] ^ 0x80, frame[at] + 1 & 0xFF):
                bad = bytearray(frame)
                bad[at] = value
                t.hit(bench.mend(bad))
    t.check()


bench.run_tests(globals())
