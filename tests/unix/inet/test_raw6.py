# lib: transport/raw.py
# Raw sockets and ping sockets of IPv6 (RFC 3542 section 3).

import bench
import netstack
import peer6
import struct
from packets import ip6, ipv6

raw = bench.optional("transport.raw")

ICMP6 = 58


class Host:
    def __init__(self, proto, ping=False):
        self.p = p = peer6.peer(greet=True)
        self.raw = raw.attach(p.st)
        self.e = self.raw.open(proto, ping, p.ip)
        bench.at_end(self.e.close)

    def recv(self, e=None):
        buf = bytearray(3000)
        e = e or self.e
        n = e.recv(buf, 0, 3000)
        return bytes(buf[:n]) if n >= 0 else None

    def send(self, data, addr=None):
        with bench.inside(self.p.st):
            n = self.e.send(data, 0, len(data), None, addr or self.p.addr, 0)
        self.p.poll()
        return n


def test_receives_what_is_behind_the_headers():
    # RFC 3542 3: never the IPv6 header, nor those between
    h = Host(99)
    h.p.send(h.p.ip_frame(99, b"hello"))
    options = b"\x63\0\1\4\0\0\0\0"  # destination options in front of protocol 99
    h.p.send(h.p.ip_frame(60, options + b"again"))
    h.p.send(h.p.ip_frame(98, b"other"))
    assert h.recv() == b"hello" and h.recv() == b"again" and h.recv() is None
    assert h.e.from_addr[:16] == h.p.addr and h.e.from_port == 0
    h.p.expect("icmp6", type=4, code=1)  # about 98
    h.p.expect_nothing()


def test_one_family_alone():
    h = Host(99)
    four = h.raw.open(99)
    bench.at_end(four.close)
    h.p.send(h.p.ip_frame(99, b"six"))
    assert h.recv() == b"six" and h.recv(four) is None
    h.p.send(h.p.frame(bench.ip4(b"\x0a\0\0\1", b"\x0a\0\0\2", 99, b"four")))
    assert h.recv() is None and h.recv(four)[20:] == b"four"


def test_beside_those_who_handle_it():
    # UDP, pings, TCP: the sockets there get theirs as before
    for proto in (17, ICMP6, 6):
        h = Host(proto)
        for i in range(3):
            if proto == 17:
                frame = h.p.udp_frame(9, 7, b"d%d" % i)
            elif proto == ICMP6:
                frame = h.p.echo_frame(1, i, b"d%d" % i)
            else:
                segment = bench.tcp(h.p.addr, h.p.host.addr, 1, 2, 3, 4, "A")
                frame = h.p.ip_frame(6, segment)
            h.p.send(frame)
            assert h.recv() == frame[54:], (proto, i)
        assert len(h.p.take()) == (3 if proto != 6 else 0)  # there is no TCP


def test_beside_the_fast_path():
    # What UDP sockets get by machine code is seen while there is a raw socket, and after it is not
    h = Host(99)
    ep = h.p.st.udp.open(h.p.ip)
    ep.bind(h.p.ip, None, 7)
    fast = []
    for proto in (99, 17, 99):
        e = h.raw.open(proto, False, h.p.ip)
        before = h.p.st.stats()["fast"]["in"]
        for i in range(6):
            frame = h.p.udp_frame(9, 7, b"d%d" % i)
            h.p.send(frame)
            assert h.recv(e) == (frame[54:] if proto == 17 else None)
            assert ep.recv(bytearray(9), 0, 9) == 2
        fast.append(h.p.st.stats()["fast"]["in"] - before)
        e.close()
    assert fast[1] == 0 and fast[0] == fast[2], fast
    assert not netstack.fastpath or fast[0] == 6, fast


def test_beside_pings_of_the_fast_path():
    h = Host(99)
    h.p.send(h.p.echo_frame())
    h.p.expect("icmp6", type=129)
    fast = []
    for proto in (99, ICMP6, 99):
        e = h.raw.open(proto, False, h.p.ip)
        before = h.p.st.stats()["fast"]["in"]
        for i in range(6):
            frame = h.p.echo_frame(seq=i)
            h.p.send(frame)
            h.p.expect("icmp6", type=129, seq=i)
            assert h.recv(e) == (frame[54:] if proto == ICMP6 else None)
        fast.append(h.p.st.stats()["fast"]["in"] - before)
        e.close()
    assert fast[1] == 0 and fast[0] == fast[2], fast
    assert not netstack.fastpath or fast[0] == 6, fast


def test_checksum_of_icmpv6():
    # 3.1: the kernel's, both ways
    h = Host(ICMP6)
    assert h.send(bytes((200, 3, 9, 9)) + b"data") == 8
    packet = h.p.expect("icmp6", type=200, code=3)  # its sum is looked at
    assert packet.payload[4:] == b"data"
    h.p.send(h.p.icmp_frame(200, csum=1))
    h.p.send(h.p.ip_frame(ICMP6, b"\xc8\0"))
    assert h.recv() is None and h.p.st.stats()["raw"]["in_checksum"] == 2
    assert h.send(b"abc") == -22
    bench.raises(22, setattr, h.e, "csum_offset", 4)
    bench.raises(22, setattr, h.e, "csum_offset", -1)


def test_checksum_offset():
    # 3.1: of another protocol where the program says, both ways
    h = Host(17)
    h.e.csum_offset = 6
    datagram = struct.pack("!HHHH", 5, 6, 12, 0x1234) + b"data"
    assert h.send(datagram) == 12
    assert h.p.expect("udp", sport=5, dport=6).data == b"data"
    h.p.send(h.p.udp_frame(9, 7, b"good"))
    h.p.send(h.p.udp_frame(9, 7, b"bad", csum=1))
    assert h.recv()[8:] == b"good" and h.recv() is None
    bench.raises(22, setattr, h.e, "csum_offset", 5)
    h.e.csum_offset = -1
    h.p.send(h.p.udp_frame(9, 7, b"bad", csum=1))
    assert h.recv()[8:] == b"bad"


def test_filter():
    # 3.2
    h = Host(ICMP6)
    assert h.e.blocked == bytes(32)
    bits = bytearray(b"\xff" * 32)  # ICMP6_FILTER_SETBLOCKALL, then SETPASS(200)
    bits[200 >> 3] ^= 1 << (200 & 7)
    h.e.blocked = bits
    for kind in (199, 200, 201, 128):
        h.p.send(h.p.icmp_frame(kind))
    assert h.recv()[0] == 200 and h.recv() is None
    bench.raises(22, setattr, h.e, "blocked", bytes(4))


def test_sends():
    h = Host(99)
    h.e.hops = 5
    h.e.tclass = 0x28
    assert h.send(b"payload") == 7
    packet = h.p.expect("ip6", proto=99, hops=5, tclass=0x28)
    assert packet.payload == b"payload" and packet.src == h.p.host.addr
    assert h.send(bytes(1460)) == 1460
    h.p.take()
    assert h.send(bytes(1461)) == 1461
    assert [p.kind for p in h.p.take()] == ["frag6", "frag6"]
    assert h.send(b"x", ip6("2001:db9::1")) == -101
    assert h.send(b"x", ip6("ff02::1:2")) == 1  # RFC 3493 5.2: groups have a limit of their own
    assert h.p.expect("ip6", proto=99).hops == 1
    with bench.inside(h.p.st):
        assert h.e.send(b"x", 0, 1) == -89


def test_own_header():
    # IPV6_HDRINCL: as it is, but for the length
    h = Host(255)
    assert h.e.hdrincl
    spoofed = ipv6(ip6("2001:db8::63"), h.p.addr, 99, b"abc", hops=3, tclass=9, length=77)
    assert h.send(spoofed) == 43
    h.p.expect("ip6", proto=99, hops=3, tclass=9, src=ip6("2001:db8::63"), payload=b"abc")
    for bad in (b"", bytes(39), b"\x45" + bytes(60)):
        assert h.send(bad) == -22, bad
    assert h.send(spoofed + bytes(1500)) == -90
    h.p.expect_nothing()


def test_ping_socket():
    # Identifier and sum are the socket's; only its own answers come
    h = Host(ICMP6, True)
    ident = h.e.lport
    assert h.send(bytes((128, 0, 9, 9, 1, 1, 0, 7)) + b"data") == 12
    h.p.expect("icmp6", type=128, id=ident, seq=7, data=b"data")
    for kind, number in ((129, ident), (129, ident ^ 1), (128, ident), (129, ident)):
        h.p.send(h.p.icmp_frame(kind, 0, struct.pack("!HH", number, 7), b"data"))
    h.p.take()
    for _ in range(2):
        assert h.recv()[4:] == struct.pack("!HH", ident, 7) + b"data"
    assert h.recv() is None
    h.p.send(h.p.icmp_frame(129, 0, struct.pack("!HH", ident, 7), csum=5))
    assert h.recv() is None
    for bad in (b"", bytes(7), bytes(8), b"\x80\1" + bytes(6), b"\x08" + bytes(20)):
        assert h.send(bad) == -22, bad
    assert h.send(b"\x80" + bytes(2999)) == 3000
    assert [p.kind for p in h.p.take()] == ["frag6"] * 3
    four = h.raw.open(1, True)
    bench.at_end(four.close)
    four.bind(None, None, ident)  # of another family


def test_errors():
    # RFC 3542 3.2: who is connected is told
    h = Host(99)
    quoted = ipv6(h.p.host.addr, h.p.addr, 99, b"12345678")
    frame = h.p.icmp_frame(1, 3, data=quoted)
    h.p.send(frame)
    assert h.e.error == 0
    with bench.inside(h.p.st):
        h.e.connect(h.p.ip, h.p.addr, 0)
    h.p.send(frame)
    assert h.e.error == 113
    h.e.error = 0
    long = ipv6(h.p.host.addr, h.p.addr, 99, bytes(1400))
    h.p.send(h.p.icmp_frame(2, 0, struct.pack("!I", 1280), long[:1200]))
    assert h.e.error == 90
    h.e.error = 0
    assert h.send(bytes(1300)) == 1300  # the path is known now
    assert len(h.p.take()) == 2
    h.p.send(h.p.icmp_frame(1, 3, data=ipv6(h.p.host.addr, ip6("2001:db8::9"), 99, bytes(8))))
    assert h.e.error == 0


def test_closed():
    h = Host(99)
    h.e.close()
    h.p.send(h.p.ip_frame(99, b"x"))
    h.p.expect("icmp6", type=4, code=1)
    assert not h.raw.list


bench.run_tests(globals())
