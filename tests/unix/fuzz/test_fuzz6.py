# Bad input over IPv6: mutated advertisements, solicitations, redirects, queries, errors, chains of
# extension headers, fragments, all from a seed that a failure prints; and floods of what is well
# formed and false. Nothing leaves poll() as an exception, no kernel writes beyond its own
# (fence.py), memory is bounded, every packet is accounted for, and afterwards everything works.

import binascii
import struct

import bench
import fence
import peer6
from mutate import mutate
from packets import icmp6, ip6, ipv6, solicited, tcp, udp

fence.up()
ROUNDS = 9000 if bench.UNIX else 1500
FAR = ip6("2001:db9::1")
OTHER = ip6("fe80::99")
GROUP = ip6("ff05::1:3")


def _options(*options):
    """The bytes of a header of options behind the first, padded."""
    data = b"".join(options)
    data += b"\1\4\0\0\0\0\0\0"[: -(len(data) + 2) % 8] if -(len(data) + 2) % 8 == 6 else b""
    data += bytes(-(len(data) + 2) % 8)
    return bytes(((len(data) + 2 >> 3) - 1,)) + data


class Target:
    """A host that believes routers, with something to hit on every port."""

    def __init__(self, seed, **kw):
        self.rnd = bench.Random(seed)
        self.seed = seed
        self.p = p = peer6.peer(tcp=True, auto=True, dad=True, **kw)
        p.router = True
        p.advance(5000)
        p.greet()
        self.udp = p.host.udp.open()
        self.udp.bind(None, None, 7)
        self.connected = p.host.udp.open()
        self.connected.connect(p.ip, p.addr, 9)
        with bench.inside(p.st):
            from netstack.inet import temporary6

            temporary6.attach(p.nif, 3600, 7200)
            p.nif.v6.optimistic = True
            self.connected.send(b"quoted", 0, 6)
        p.poll()
        self.quote = [packet for packet in p.take() if packet.kind == "udp"][0].frame[14:]
        self.flow = bench.listening(p=p, port=80)
        self.buf = bytearray(1600)
        p.advance(5000)
        p.take()
        self.frames = p.nic.received
        self.before = p.st.stats()

    def valid(self):
        """Frames that are right, of every kind."""
        p = self.p
        rnd = self.rnd
        data = rnd.bytes(rnd.below(40))
        host = p.host.addr
        return (
            self._discovery(p, rnd)
            + (
                p.echo_frame(data=data),
                p.icmp_frame(129, 0, b"\0\1\0\2", data),
                p.icmp_frame(1, rnd.below(7), bytes(4), self.quote),
                p.icmp_frame(2, 0, b"\0\0\5\x14", self._own_segment()),
                p.icmp_frame(3, 0, bytes(4), self._own_segment()),
                p.icmp_frame(4, 1, b"\0\0\0\x28", self.quote),
                p.udp_frame(9, 7, data),
                p.udp_frame(9, self.connected.lport, data),
                p.ip_frame(6, tcp(p.addr, host, 1000 + rnd.below(9), 80, rnd.bits32(), 0, "S")),
                p.ip_frame(
                    6, tcp(p.addr, host, 1000 + rnd.below(9), 80, 1, rnd.bits32(), "PA", data=data)
                ),
                p.ip_frame(59, data),
                p.ip_frame(253, data),
            )
            + self._chains(p, rnd, data)
        )

    def _discovery(self, p, rnd):
        host = p.host.addr
        link = p.host.link
        prefix = "2001:db8:%x::" % rnd.below(5)
        mine = rnd.choice(p.nif.v6.list).addr
        life = rnd.choice((0, 1, 100, 7200, 90000, 0xFFFFFFFF))
        mac = peer6.opt_mac(2, p.mac)
        heard = {"src": p.link, "dst": peer6.ALL_NODES, "hops": 1}
        return (
            p.ra_frame(
                peer6.opt_prefix(prefix, life, life // 2),
                struct.pack("!BBHI", 5, 1, 0, 1280 + rnd.below(300)),
                struct.pack("!BBBBI", 24, 2, 48, 8, life) + ip6("2001:dbb::")[:8],
                struct.pack("!BBHI", 25, 3, 0, life) + FAR,
                struct.pack("!BBHI", 31, 2, 0, life) + b"\3lan\0\0\0\0",
                lifetime=rnd.choice((0, 100, 9000)),
                retrans=rnd.choice((0, 1000)),
                src=rnd.choice((p.link, OTHER)),
            ),
            p.ns_frame(target=rnd.choice((host, link, bytes(mine)))),
            p.ns_frame(target=bytes(mine), src=peer6.NOBODY, mac=False),
            p.na_frame(flags=rnd.choice((0, 0x20, 0x40, 0x60, 0xE0))),
            p.na_frame(target=bytes(mine), src=p.addr, dst=peer6.ALL_NODES, flags=0x20),
            p.na_frame(target=p.link, dst=link, flags=rnd.choice((0x60, 0xE0))),
            p.nd_frame(137, bytes(4), OTHER + FAR + mac, dst=link),
            p.nd_frame(137, bytes(4), FAR + FAR, dst=link),
            p.icmp_frame(130, 0, b"\x90\x64\0\0", GROUP + b"\2\x7d\0\1" + FAR, **heard),
            p.icmp_frame(131, 0, bytes(4), GROUP, src=p.link, dst=GROUP, hops=1),
        )

    def _chains(self, p, rnd, data):
        body = udp(p.addr, p.host.addr, 9, 7, data)
        whole = bytes((60, 0)) + bytes(6) + bytes((43,)) + _options(b"\x1e\2ab")
        whole += bytes((44, 0, rnd.below(5), 0, 0, 0, 0, 0))
        whole += struct.pack("!BBHI", 17, 0, 0, 5) + body
        part = rnd.below(4)
        head = struct.pack("!BBHI", 17, 0, part << 4 | (part < 3), rnd.below(3))
        message = icmp6(p.addr, p.host.addr, 128, 0, b"\0\1\0\2", bytes(200))
        at = 64 * rnd.below(4)
        more = struct.pack("!BBHI", 58, 0, at | (at < 192), 9)
        return (
            p.ip_frame(0, whole),
            p.ip_frame(60, bytes((17,)) + _options(bytes((rnd.below(256), 0))) + body),
            p.ip_frame(44, head + (body + bytes(64))[part << 4 :][:16]),
            p.ip_frame(44, more + message[at : at + 64]),
            p.ip_frame(43, bytes((17, 2, rnd.below(5), rnd.below(2))) + bytes(20) + body),
        )

    def _own_segment(self):
        """As the host would have sent it."""
        p = self.p
        return ipv6(p.host.addr, p.addr, 6, tcp(p.host.addr, p.addr, 80, 1000, 1, 1, "A"))

    def hit(self, frame):
        if not frame:
            return
        frame = bytes(frame[:1514])
        try:
            self.p.send(frame)
        except Exception:
            print("seed", self.seed, "frame", binascii.hexlify(frame).decode())
            raise
        while self.udp.waiting > 4:
            self.udp.recv(self.buf, 0, 1600)
        if len(self.p.sent) > 50:
            self.p.take()

    def bounded(self):
        """What others can make grow."""
        p = self.p
        v6 = p.nif.v6
        assert len(v6.list) <= 16 and len(p.ip.routes.list) <= 32
        assert len(v6.nd.entries()) <= 24
        assert len(v6.routers.servers) <= 4 and len(v6.routers.domains) <= 4
        assert p.st.reassembly.used <= p.st.reassembly.limit
        assert p.st.spent <= p.st.budget
        for row in range(24):
            assert v6.nd.states[row] <= 6 and v6.nd.waiting[row] <= 3

    def check(self):
        """Afterwards everything works."""
        p = self.p
        p.take()
        self.bounded()
        self.account()
        p.advance(40000)
        p.take()
        link, peer = p.host.link, p.link
        p.send(p.ns_frame(target=link, src=peer))
        p.take()
        p.send(p.echo_frame(data=b"still here", src=peer, dst=link))
        packets = [packet for packet in p.take() if packet.kind == "icmp6"]
        assert [packet.data for packet in packets if packet.type == 129] == [b"still here"]
        while self.udp.waiting:
            self.udp.recv(self.buf, 0, 1600)
        p.send(p.udp_frame(9, 7, b"xyz", src=peer, dst=link))
        assert self.udp.recv(self.buf, 0, 1600) == 3 and self.buf[:3] == b"xyz"
        with bench.inside(p.st):
            for conn in list(p.st.tcp.connections()):
                conn.abort()
                conn.close()
            p.ip.set_auto(p.nif, False)
            p.nif.v6.nd.flush()
        p.advance(2000)
        p.host.reassembly.flush()
        p.take()
        assert p.st.reassembly.used == 0
        assert p.st.pool.left == p.st.pool.count

    def account(self):
        """Every packet that came in is counted once more where it went."""
        now = self.p.st.stats()

        def moved(group, *names):
            return sum(now[group][name] - self.before[group][name] for name in names)

        frames = self.p.nic.received - self.frames
        assert moved("eth0", "in") == frames
        kinds = [name for name in now["ipv6"] if name.startswith("in_")]
        up = moved("icmp6", "in") + moved("udp", "in") + moved("tcp", "in")
        up += moved("reassembly", "in") - moved("reassembly", "whole")
        four = moved("ipv4", "in")
        if not four:
            assert up + moved("ipv6", *kinds) == moved("ipv6", "in"), "ipv6 lost count"


def test_mutants():
    for seed in (1, 2, 3):
        t = Target(seed)
        rnd = t.rnd
        for i in range(ROUNDS // 3):
            if i % 20 == 0:
                t.bounded()
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
    for _ in range(ROUNDS // 6):
        frames = t.valid()
        frame = bench.mend(mutate(rnd, rnd.choice(frames), rnd.choice(frames)))
        if frame:
            t.p.queue(bytes(frame[:1514]))
        if rnd.below(4) == 0:
            t.hit(rnd.choice(frames))
    t.p.poll()
    t.check()


def test_right_ones_in_any_order():
    for seed in (5, 6):
        t = Target(seed)
        for _ in range(ROUNDS // 6):
            t.hit(t.rnd.choice(t.valid()))
            if t.rnd.below(4) == 0:
                t.p.advance(t.rnd.below(3000))
        t.check()


def test_random_bytes():
    t = Target(7)
    rnd = t.rnd
    p = t.p
    for _ in range(ROUNDS // 4):
        junk = rnd.bytes(rnd.below(120))
        what = rnd.below(4)
        if what == 0:
            t.hit(p.nic.mac + p.mac + b"\x86\xdd" + junk)
        elif what == 1:
            t.hit(p.ip_frame(rnd.choice((0, 43, 44, 58, 60, rnd.below(256))), junk))
        else:
            kind = rnd.choice((1, 2, 3, 4, 128, 130, 131, 133, 134, 135, 136, 137, 143))
            dst = rnd.choice((p.host.addr, p.host.link, peer6.ALL_NODES, solicited(p.host.addr)))
            over = {"src": p.link, "dst": dst, "hops": rnd.choice((255, 1))}
            t.hit(p.icmp_frame(kind, 0, junk[:4] + bytes(4 - len(junk[:4])), junk[4:], **over))
    t.check()


def test_every_truncation():
    t = Target(8)
    for frame in t.valid():
        for n in range(15, len(frame) + 1, 1 if bench.UNIX else 3):
            t.hit(frame[:n])
            if n >= 54:
                cut = bytearray(frame[:n])
                cut[18:20] = struct.pack("!H", n - 54)
                t.hit(bench.mend(cut))
    t.check()


def test_every_byte():
    # Each byte of each header at its extremes, with checksums that are right.
    t = Target(9)
    for which in range(len(t.valid())):
        frame = t.valid()[which]
        for at in range(12, min(len(frame), 130), 1 if bench.UNIX else 7):
            for value in (0, 0xFF, frame[at] ^ 0x80, frame[at] + 1 & 0xFF):
                bad = bytearray(frame)
                bad[at] = value
                t.hit(bench.mend(bad))
    t.check()


# -- well formed, and false ----------------------------------------------------------------------


def test_flood_of_advertisements():
    # rogue routers without end: RFC 6104; what was there before goes on
    t = Target(10)
    p = t.p
    p.send(p.ra_frame(peer6.opt_prefix("2001:db8:1::", 9000, 9000)))
    for i in range(bench.scale(1000)):
        src = ip6("fe80::1:%x" % (i + 1))
        mac = b"\2\1\0\1" + struct.pack("!H", i)
        t.hit(
            p.ra_frame(
                peer6.opt_prefix("2001:db8:%x::" % (i + 2), 9000, 9000),
                struct.pack("!BBHI", 25, 3, 0, 9000) + src,
                peer6.opt_mac(1, mac),
                struct.pack("!BBBBI", 24, 2, 48, 8, 900) + ip6("2001:%x::" % i)[:8],
                src=src,
                mac=False,
                lifetime=9000,
            )
        )
    t.bounded()
    gateways = [route.gw for route in p.ip.routes.list if route.plen == 0]
    assert p.link in gateways and len(gateways) <= 20
    assert any(entry.addr[:8] == ip6("2001:db8:1::")[:8] for entry in p.nif.v6.list)
    t.check()


def test_flood_of_false_neighbours():
    # NA, NS and RA in the name of everybody, and in ours; RFC 6583
    t = Target(11)
    p = t.p
    for i in range(bench.scale(2000)):
        mac = b"\2\2\0\1" + struct.pack("!H", i)
        liar = ip6("2001:db8::1:%x" % (i + 1))
        what = i % 6
        if what == 0:
            t.hit(p.ns_frame(src=liar, opts=peer6.opt_mac(1, mac)))
        elif what == 1:
            t.hit(p.na_frame(target=liar, mac=mac))
        elif what == 2:
            t.hit(p.na_frame(target=p.host.addr, src=liar, dst=peer6.ALL_NODES, flags=0x20))
        elif what == 3:
            t.hit(p.ns_frame(src=p.host.addr, opts=peer6.opt_mac(1, mac)))
        elif what == 4:
            t.hit(p.ra_frame(src=p.host.link))
        else:
            t.hit(p.echo_frame(src=liar))
    t.bounded()
    assert p.ip.local(p.host.addr, 0) and p.ip.local(p.host.link, 0)
    assert p.nif.v6.nd.nif.mac == p.nic.mac
    t.check()


def test_flood_of_fragments():
    # first parts, last parts, overlaps, parts of one byte less, from many and from one
    t = Target(12)
    p = t.p
    data = bytes(i & 255 for i in range(1000))
    body = udp(p.addr, p.host.addr, 9, 7, data)
    for i in range(bench.scale(3000)):
        ident = i if i & 1 else i & 7
        at = t.rnd.choice((0, 8, 16, 496, 504, 65528, 1000))
        more = t.rnd.below(2)
        size = 8 * (1 + t.rnd.below(60))
        src = ip6("2001:db8::1:%x" % (i % 50)) if i & 2 else p.addr
        head = struct.pack("!BBHI", 17, 0, at | more, ident)
        t.hit(p.ip_frame(44, head + (body + bytes(500))[:size], src=src))
    t.bounded()
    p.take()
    for at in (0, 504):
        head = struct.pack("!BBHI", 17, 0, at | (at == 0), 0xABCD)
        p.send(p.ip_frame(44, head + body[at : at + 504]))
    got = 0
    while t.udp.waiting:
        got = t.udp.recv(t.buf, 0, 1600)
    assert got == 1000 and t.buf[:1000] == data
    t.check()


def test_fragments_of_discovery():
    # RFC 6980: refused, each message, first part or whole
    t = Target(13)
    p = t.p
    before = p.st.stats()["eth0.nd"]["in_bad"]
    frames = [frame for frame in t._discovery(p, t.rnd)[:8] if frame[22:38] != peer6.NOBODY]
    assert len(frames) == 7
    for ident, frame in enumerate(frames):
        body = frame[54:]
        for parts in (((0, len(body)),), ((0, 16), (16, len(body)))):
            for at, end in parts:
                head = struct.pack("!BBHI", 58, 0, at | (end < len(body)), ident)
                cut = bytearray(frame[:54] + head + body[at:end])
                cut[20] = 44
                cut[18:20] = struct.pack("!H", len(cut) - 54)
                t.hit(cut)
    assert p.st.stats()["eth0.nd"]["in_bad"] - before == 2 * len(frames)
    assert not [entry for entry in p.nif.v6.list if entry.origin == 2]
    assert not [route for route in p.ip.routes.list if route.origin]
    t.check()


def test_chains_without_end():
    # headers, options, and headers that lead back to the first: a bounded look at each
    t = Target(14)
    p = t.p
    for kind in (0, 43, 44, 60):
        for count in (9, 100, 180):
            link = bytes((kind, 0)) + bytes(6)
            t.hit(p.ip_frame(kind, link * count))
            t.hit(p.ip_frame(60, bytes((60,)) + _options(*[b"\x1e\0"] * 100) + link * 20))
    t.check()


bench.run_tests(globals())
