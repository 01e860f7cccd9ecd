# lib: transport/udplite.py
# UDP-Lite (RFC 3828): coverage, sums, and what UDP has besides.

import bench
import struct
from netstack.inet import igmp

udplite = bench.optional("transport.udplite")

PROTO = 136


class Lite:
    """A host with UDP-Lite, a peer, and a socket on port 7."""

    def __init__(self, port=7):
        self.p = p = bench.peer()
        p.greet()
        self.udp = udplite.attach(p.st)
        assert udplite.attach(p.st) is self.udp
        self.e = self.udp.open()
        if port:
            self.e.bind(None, None, port)
        bench.at_end(self.e.close)

    def frame(self, data, cover=0, sport=9, dport=7, csum=None, least=None, **over):
        p = self.p
        size = len(data) + 8
        part = struct.pack("!HHHH", sport, dport, cover, 0) + data
        end = size if cover == 0 or cover > size else max(cover, 8)
        acc = bench.ones_sum(p.addr + p.host.addr + struct.pack("!HH", PROTO, size))
        acc = bench.ones_sum(part[:end], acc)
        value = (acc ^ 0xFFFF or 0xFFFF) if csum is None else csum
        return p.ip_frame(PROTO, part[:6] + struct.pack("!H", value) + part[8:], **over)

    def recv(self):
        buf = bytearray(2000)
        n = self.e.recv(buf, 0, 2000)
        return bytes(buf[:n]) if n >= 0 else None

    def sent(self, n):
        """(coverage, data) of what has been sent, its sum looked at."""
        packet = self.p.expect("ip4", proto=PROTO)
        sport, dport, cover, value = struct.unpack("!HHHH", packet.payload[:8])
        assert (sport, dport) == (7, 9) and value and len(packet.payload) == n + 8
        acc = bench.ones_sum(packet.src + packet.dst + struct.pack("!HH", PROTO, n + 8))
        assert bench.ones_sum(packet.payload[: cover or n + 8], acc) == 0xFFFF
        return cover, packet.payload[8:]


def test_receives_whatever_is_covered():
    # RFC 3828 3.1: 0 is all; damage behind what is covered does not matter
    u = Lite()
    for n in (0, 1, 2, 100, 1472):
        data = bytes(i & 255 for i in range(n))
        for cover in (0, 8, 9, 8 + n // 2, 8 + n):
            if cover <= 8 + n:
                u.p.send(u.frame(data, cover))
                assert u.recv() == data, (n, cover)
    frame = bytearray(u.frame(bytes(100), 20))
    frame[-1] ^= 1
    u.p.send(frame)
    assert u.recv() == bytes(99) + b"\1"
    assert u.e.from_port == 9 and u.e.from_addr[:4] == u.p.addr
    frame = bytearray(u.frame(bytes(100), 20))
    frame[34 + 19] ^= 1
    u.p.expect_drop(frame, "udplite.in_checksum")


def test_bad_coverage():
    # RFC 3828 3.1: 1 to 7, and more than there is: discarded
    u = Lite()
    for cover in (1, 2, 7, 109, 0xFFFF):
        u.p.expect_drop(u.frame(bytes(100), cover), "udplite.in_coverage")


def test_bad_datagrams():
    # RFC 3828 3.1: a sum of zero is none; what is too short
    u = Lite()
    u.p.expect_drop(u.frame(bytes(10), csum=0), "udplite.in_checksum")
    u.p.expect_drop(u.frame(bytes(10), csum=0x1234), "udplite.in_checksum")
    for n in range(8):
        u.p.expect_drop(u.p.ip_frame(PROTO, bytes(n)), "udplite.in_short")
    assert u.recv() is None


def test_least_coverage_of_the_receiver():
    # RFC 3828 3.3
    u = Lite()
    u.e.recv_coverage = 30
    u.p.expect_drop(u.frame(bytes(100), 29), "udplite.in_partial")
    u.p.send(u.frame(bytes(100), 30))
    u.p.send(u.frame(bytes(100), 0))
    u.p.send(u.frame(bytes(5), 0))
    u.p.send(u.frame(bytes(5), 13))
    assert [len(u.recv()) for _ in range(4)] == [100, 100, 5, 5]


def test_sends():
    u = Lite()
    st = u.p.st
    data = bytes(i & 255 for i in range(100))
    for cover, want in ((0, 0), (8, 8), (1, 8), (50, 50), (107, 107), (108, 0), (60000, 0)):
        u.e.send_coverage = cover
        with bench.inside(st):
            assert u.e.send(data, 0, 100, st.ip4, u.p.addr, 9) == 100
        assert u.sent(100) == (want, data), cover
    for n in (0, 1, 1472):
        u.e.send_coverage = 0
        with bench.inside(st):
            assert u.e.send(bytes(n), 0, n, st.ip4, u.p.addr, 9) == n
        assert u.sent(n) == (0, bytes(n))


def test_sends_and_receives_in_fragments():
    u = Lite()
    st = u.p.st
    data = bytes(i * 7 & 255 for i in range(3000))
    u.e.send_coverage = 20
    with bench.inside(st):
        assert u.e.send(data, 0, 3000, st.ip4, u.p.addr, 9) == 3000
    u.p.poll()
    parts = [packet.payload for packet in u.p.take()]
    assert b"".join(parts)[8:] == data and len(parts) == 3
    whole = u.frame(bytes(1400), 8)[34:]
    u.p.send(u.p.ip_frame(PROTO, whole[:800], flags=1))
    u.p.send(u.p.ip_frame(PROTO, whole[800:], flags=0, frag=100))
    assert u.recv() == bytes(1400)


def test_connected_and_errors():
    u = Lite()
    st = u.p.st
    u.e.connect(st.ip4, u.p.addr, 9)
    with bench.inside(st):
        assert u.e.send(b"abc", 0, 3) == 3
    packet = u.p.expect("ip4", proto=PROTO)
    u.p.send(u.frame(b"no", sport=10))
    assert u.recv() is None
    u.p.take()
    u.p.send(u.frame(b"yes"))
    assert u.recv() == b"yes"
    u.p.send(u.p.ip_frame(1, bench.icmp(3, 3, data=packet.frame[14:])))
    assert u.e.error == 111


def test_nobody_there():
    # As for UDP, ICMP tells: port unreachable
    u = Lite()
    u.p.send(u.frame(b"x", dport=8))
    packet = u.p.expect("icmp", type=3, code=3)
    assert packet.data[9] == PROTO


def test_beside_udp():
    # The same port of UDP is another socket's
    u = Lite()
    e = u.p.host.udp.open()
    e.bind(None, None, 7)
    bench.at_end(e.close)
    u.p.udp(9, 7, b"udp")
    u.p.send(u.frame(b"lite"))
    buf = bytearray(9)
    assert e.recv(buf, 0, 9) == 3 and e.recv(buf, 0, 9) == -1
    assert u.recv() == b"lite" and u.recv() is None


def test_groups_and_shared_ports():
    # as with UDP: who has joined, and of those that share a port each; coverage counts for each
    h = Lite(None)
    group = b"\xef\1\2\3"
    members = igmp.attach(h.p.st)
    h.p.host.settled()
    eps = []
    for i in range(3):
        ep = h.udp.open(h.p.ip)
        ep.reuse = True
        ep.bind(h.p.ip, None, 7)
        bench.at_end(ep.close)
        eps.append(ep)
        if i < 2:
            with bench.inside(h.p.st):
                members.join(ep.groups_of(h.p.ip).members, h.p.nif, group)
    eps[0].recv_coverage = 100
    h.p.poll()

    def send(cover, dst):
        size = 8 + 4
        part = struct.pack("!HHHH", 9, 7, cover, 0) + b"data"
        acc = bench.ones_sum(h.p.addr + dst + struct.pack("!HH", PROTO, size))
        acc = bench.ones_sum(part[: cover or size], acc)
        part = part[:6] + struct.pack("!H", acc ^ 0xFFFF or 0xFFFF) + part[8:]
        mac = b"\1\0\x5e\1\2\3" if dst == group else None
        h.p.send(h.p.ip_frame(PROTO, part, dst=dst, dst_mac=mac))
        got = [ep.waiting for ep in eps]
        for ep in eps:
            ep.recv(bytearray(9), 0, 9)
        return got

    assert send(0, group) == [1, 1, 0]
    assert send(8, group) == [0, 1, 0]
    assert send(0, h.p.host.addr) == [0, 0, 1]
    with bench.inside(h.p.st):
        for ep in eps:
            ep.close()
    h.p.advance(2000)
    h.p.take()


def test_unbound_sender():
    u = Lite(0)
    st = u.p.st
    bench.raises(101, u.e.connect, st.ip4, b"\xc0\0\2\1", 9)
    assert u.e.send(b"x", 0, 1) == -89
    with bench.inside(st):
        assert u.e.send(b"x", 0, 1, st.ip4, u.p.addr, 9) == 1
        assert u.e.send(b"x", 0, 1, st.ip4, b"\xff\xff\xff\xff", 9) == -13
        assert u.e.send(b"x", 0, 1, st.ip4, b"\xc0\0\2\1", 9) == -101
    assert struct.unpack("!H", u.p.expect("ip4").payload[:2])[0] >= 49152


bench.run_tests(globals())
