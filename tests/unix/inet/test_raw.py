# lib: transport/raw.py
# Raw sockets and ping sockets: who gets what, and what is sent.

import bench
import struct

raw = bench.optional("transport.raw")


class Host:
    def __init__(self, proto, ping=False):
        self.p = p = bench.peer()
        p.greet()
        self.raw = raw.attach(p.st)
        assert raw.attach(p.st) is self.raw
        self.e = self.raw.open(proto, ping)
        bench.at_end(self.e.close)

    def recv(self, e=None):
        buf = bytearray(2000)
        e = e or self.e
        n = e.recv(buf, 0, 2000)
        return bytes(buf[:n]) if n >= 0 else None

    def send(self, data, addr=None):
        with bench.inside(self.p.st):
            n = self.e.send(data, 0, len(data), None, addr or self.p.addr, 0)
        self.p.poll()
        return n


def test_receives_its_protocol():
    # The packet from its header on; nobody is told that there is no such protocol
    h = Host(99)
    frame = h.p.ip_frame(99, b"hello", options=b"\1\1\1\1")
    h.p.send(frame)
    h.p.send(h.p.ip_frame(98, b"other"))
    assert h.recv() == frame[14:] and h.recv() is None
    assert h.e.from_addr[:4] == h.p.addr and h.e.from_port == 0
    h.p.expect("icmp", type=3, code=2)  # about 98
    h.p.expect_nothing()


def test_beside_those_who_handle_it():
    # UDP, pings, TCP: the sockets there get theirs as before, fast path or not
    for proto in (17, 1, 6):
        h = Host(proto)
        for i in range(4):
            if proto == 17:
                frame = h.p.udp_frame(9, 7, b"d%d" % i)
            elif proto == 1:
                frame = h.p.ping_frame(1, i, b"d%d" % i)
            else:
                frame = h.p.ip_frame(6, bench.tcp(h.p.addr, h.p.host.addr, 1, 2, 3, 4, "A"))
            h.p.send(frame)
            assert h.recv() == frame[14:], (proto, i)
        answers = h.p.take()
        assert len(answers) == 4 if proto != 6 else True
        h.e.close()
        if proto == 1:
            for i in range(4):
                h.p.ping(1, i)
            assert len(h.p.take()) == 4 and h.p.st.stats()["fast"]["in"] > 0


def test_several():
    h = Host(99)
    other = h.raw.open(99)
    bench.at_end(other.close)
    other.connect(h.p.st.ip4, b"\x0a\0\0\x63", 0)
    third = h.raw.open(99)
    bench.at_end(third.close)
    third.bind(h.p.st.ip4, h.p.host.addr, 0)
    h.p.send(h.p.ip_frame(99, b"abc"))
    assert h.recv()[20:] == b"abc" and h.recv(third)[20:] == b"abc" and h.recv(other) is None
    bench.raises(99, third.bind, h.p.st.ip4, b"\x0a\0\0\x63", 0)
    bench.raises(101, third.connect, h.p.st.ip4, b"\xc0\0\2\1", 0)


def test_ring_is_bounded():
    h = Host(99)
    for _ in range(20):
        h.p.send(h.p.ip_frame(99, bytes(1000)))
    assert h.p.st.stats()["raw"]["in_full"] >= 10
    got = 0
    while h.recv():
        got += 1
    assert 3 <= got <= 10


def test_sends():
    h = Host(99)
    h.e.ttl = 5
    h.e.tos = 8
    assert h.send(b"payload") == 7
    packet = h.p.expect("ip4", proto=99, ttl=5, tos=8)
    assert packet.payload == b"payload" and packet.src == h.p.host.addr
    assert h.send(b"") == 0
    h.p.expect("ip4", payload=b"")
    assert h.send(bytes(1480)) == 1480
    h.p.take()
    data = bytes(i & 255 for i in range(3000))
    assert h.send(data) == 3000
    assert h.p.expect_whole("ip4", proto=99, ttl=5).payload == data
    assert h.send(b"x", b"\xc0\0\2\1") == -101 and h.send(b"x", b"\xff\xff\xff\xff") == -13
    with bench.inside(h.p.st):
        assert h.e.send(b"x", 0, 1) == -89


def test_checksum_offset():
    # Of a protocol with a pseudo header: UDP, by hand
    h = Host(17)
    h.e.csum_offset = 6
    datagram = struct.pack("!HHHH", 5, 6, 12, 0x1234) + b"data"
    assert h.send(datagram) == 12
    packet = h.p.expect("udp", sport=5, dport=6)  # its sum is looked at
    assert packet.data == b"data"
    assert h.send(b"1234567") == -22
    h.p.expect_nothing()


def test_own_header():
    # IP_HDRINCL: length and sum are ours, source and identification where they are 0
    h = Host(255)
    assert h.e.hdrincl
    packet = bytearray(bench.ip4(bytes(4), h.p.addr, 99, b"abc", ttl=3, ident=0, csum=1, total=99))
    assert h.send(packet) == 23
    got = h.p.expect("ip4", proto=99, ttl=3, payload=b"abc", src=h.p.host.addr)
    assert got.ident != 0
    spoofed = bench.ip4(b"\x0a\0\0\x63", h.p.addr, 99, b"", ident=5)
    assert h.send(spoofed) == 20
    h.p.expect("ip4", src=b"\x0a\0\0\x63", ident=5)
    for bad in (b"", bytes(19), b"\x65" + bytes(30), b"\x44" + bytes(30), b"\x4f" + bytes(30)):
        assert h.send(bad) == -22, bad
    h.p.expect_nothing()


def test_ping_socket():
    # Identifier and sum are the socket's; only its own answers come
    h = Host(1, True)
    ident = h.e.lport
    assert h.send(bytes((8, 0, 9, 9, 1, 1, 0, 7)) + b"data") == 12
    h.p.expect("icmp", type=8, id=ident, seq=7, data=b"data")
    for kind, number in ((0, ident), (0, ident ^ 1), (8, ident), (0, ident)):
        h.p.send(h.p.ip_frame(1, bench.icmp(kind, 0, struct.pack("!HH", number, 7), b"data")))
    h.p.take()
    for _ in range(2):
        assert h.recv()[4:] == struct.pack("!HH", ident, 7) + b"data"
    assert h.recv() is None
    h.p.send(h.p.ip_frame(1, bench.icmp(0, 0, struct.pack("!HH", ident, 7), csum=5)))
    assert h.recv() is None
    for bad in (b"", bytes(7), bytes(8), b"\x08\1" + bytes(6), b"\x0d" + bytes(20)):
        assert h.send(bad) == -22, bad
    other = h.raw.open(1, True)
    bench.at_end(other.close)
    assert other.lport != ident
    bench.raises(98, other.bind, None, None, ident)
    other.bind(None, None, 77)
    assert other.lport == 77


def test_fragments():
    # It sees what is put together
    h = Host(99)
    data = bytes(i & 255 for i in range(1000))
    h.p.send(h.p.ip_frame(99, data[:800], flags=1))
    h.p.send(h.p.ip_frame(99, data[800:], flags=0, frag=100))
    assert h.recv()[20:] == data


def test_errors():
    # As on Linux: who is connected to where a packet went is told; so are those of other protocols
    for proto, ping in ((99, False), (1, True)):
        h = Host(proto, ping)
        message = bytes((8, 0, 0, 0, 0, 0, 0, 7)) + b"data"
        assert h.send(message) == 12
        packet = h.p.expect("icmp" if ping else "ip4")
        unreachable = h.p.ip_frame(1, bench.icmp(3, 1, data=packet.frame[14:]))
        h.p.send(unreachable)
        assert h.e.error == 0
        with bench.inside(h.p.st):
            h.e.connect(h.p.ip, h.p.addr, 0)
        h.p.send(unreachable)
        assert h.e.error == 113
        h.e.error = 0
        too_big = bench.icmp(3, 4, struct.pack("!HH", 0, 20), packet.frame[14:])
        h.p.send(h.p.ip_frame(1, too_big))
        assert h.e.error == 90
        h.e.error = 0
        other = bench.ip4(h.p.host.addr, b"\x0a\0\0\x63", proto, message)
        h.p.send(h.p.ip_frame(1, bench.icmp(3, 1, data=other)))
        assert h.e.error == 0


def test_error_messages_are_seen():
    # A raw socket for ICMP gets errors about what others have sent
    h = Host(1)
    quoted = bench.ip4(h.p.host.addr, h.p.addr, 17, bytes(8))
    frame = h.p.ip_frame(1, bench.icmp(11, 0, data=quoted))
    h.p.send(frame)
    assert h.recv() == frame[14:]
    h.e.blocked = struct.pack("<I", 1 << 11)  # ICMP_FILTER
    h.p.send(frame)
    assert h.recv() is None
    h.p.send(h.p.ip_frame(1, bench.icmp(12, 0, data=quoted)))
    assert h.recv()[20] == 12
    bench.raises(22, setattr, h.e, "blocked", bytes(32))


def test_closed():
    h = Host(99)
    h.e.close()
    h.e.close()
    h.p.send(h.p.ip_frame(99, b"x"))
    h.p.expect("icmp", type=3, code=2)
    assert not h.raw.list
    bench.raises(93, h.raw.open, 0)
    bench.raises(93, h.raw.open, 256)


bench.run_tests(globals())
