# transport/udp.py on the wire: RFC 768 datagrams, literal bytes, every length, lying lengths.

import bench

HEADERS = (
    b"\x02\x00\x0a\x00\x00\x02\x02\x01\x0a\x00\x00\x01\x08\x00"
    b"\x45\x00\x00\x21\x00\x01\x00\x00\x40\x11\x66\xc9\x0a\x00\x00\x01\x0a\x00\x00\x02"
)
DATAGRAM = b"\x03\xe8\x00\x07\x00\x0d\xa4\x10hello"


def _peer(port=7):
    p = bench.peer()
    p.greet()
    e = p.host.udp.open()
    e.bind(None, None, port)
    return p, e


def _recv(e, n=2000):
    buf = bytearray(n)
    got = e.recv(buf, 0, n)
    return bytes(buf[:got]) if got >= 0 else None


def test_take_apart():
    p, e = _peer()
    p.send(HEADERS + DATAGRAM)
    assert e.waiting == 1, p.host.stat("udp")
    assert _recv(e) == b"hello"
    assert e.from_addr[: e.from_len] == p.addr and e.from_port == 1000
    assert e.waiting == 0 and _recv(e) is None


def test_build():
    p = bench.peer()
    e = p.host.udp.open()
    e.bind(p.host.ip4, p.host.addr, 7)
    with bench.inside(p.st):
        assert e.send(b"..hello..", 2, 5, p.host.ip4, p.addr, 1000) == 5
    p.poll()
    # The sum is the same with source and destination exchanged.
    assert p.sent[0][34:] == b"\x00\x07\x03\xe8\x00\x0d\xa4\x10hello", p.sent
    p.expect("udp", sport=7, dport=1000, src=p.host.addr, dst=p.addr, ttl=64, data=b"hello")


def test_round_trip():
    a, b, wire = bench.pair()
    e = b.udp.open()
    e.bind(None, None, 7)
    f = a.udp.open()
    for n in tuple(range(0, 24)) + (255, 256, 1471, 1472):
        data = bytes(i * 5 + n & 255 for i in range(n))
        with bench.inside(a.st):
            assert f.send(data, 0, n, a.ip4, b.addr, 7) == n
        wire.run(20)
        assert _recv(e) == data, n
        assert e.from_port == f.lport and e.from_addr[:4] == a.addr


def test_zero_sum_is_sent_as_ones():
    # RFC 768: a computed sum of zero is sent as all ones, zero means "none"
    p = bench.peer()
    e = p.host.udp.open()
    e.bind(None, None, 7)
    with bench.inside(p.st):
        e.send(b"\0\0", 0, 2, p.host.ip4, p.addr, 9)
    p.poll()
    sent = p.expect("udp")
    filler = sent.payload[6:8]  # the datagram's own sum as data makes the whole sum zero
    with bench.inside(p.st):
        e.send(filler, 0, 2, p.host.ip4, p.addr, 9)
    p.poll()
    assert p.expect("udp", data=filler).payload[6:8] == b"\xff\xff"


def test_no_checksum():
    p, e = _peer()
    p.udp(1000, 7, b"abc", csum=0)
    assert _recv(e) == b"abc"


def test_ones_for_zero_is_taken():
    p, e = _peer()
    datagram = bench.udp(p.addr, p.host.addr, 1000, 7, b"\0\0")
    datagram = bench.udp(p.addr, p.host.addr, 1000, 7, datagram[6:8])
    assert datagram[6:8] == b"\xff\xff"
    p.send(p.ip_frame(17, datagram))
    assert _recv(e) is not None


def test_every_truncation():
    p, e = _peer()
    for n in range(8):
        p.expect_drop(p.ip_frame(17, DATAGRAM[:n]), "udp.in_short")
    for n in range(8, len(DATAGRAM)):
        p.expect_drop(p.ip_frame(17, DATAGRAM[:n]), "udp.in_length")
    assert e.waiting == 0


def test_lengths_that_lie():
    p, e = _peer()
    for length in (0, 1, 7, 12, 13, 1500, 0x7FFF, 0xFFFF):
        p.expect_drop(p.udp_frame(1000, 7, b"abc", length=length), "udp.in_length")
        p.expect_drop(p.udp_frame(1000, 7, b"abc", length=length, csum=0), "udp.in_length")
    assert e.waiting == 0


def test_shorter_than_its_packet():
    # What lies behind the datagram inside the packet is not part of it.
    p, e = _peer()
    p.send(p.ip_frame(17, DATAGRAM + b"garbage"))
    assert _recv(e) == b"hello"


def test_every_flipped_bit():
    p, e = _peer()
    for bit in range(8 * len(DATAGRAM)):
        bad = bytearray(DATAGRAM)
        bad[bit // 8] ^= 1 << (bit & 7)
        moved = p.moves(p.ip_frame(17, bytes(bad)))
        drops = [k for k in moved if k.startswith("udp.in_")]
        assert drops in (["udp.in_checksum"], ["udp.in_length"]), (bit, moved)
        p.expect_nothing()
    assert e.waiting == 0


def test_checksum_covers_the_addresses():
    p, e = _peer()
    datagram = bench.udp(bench.ip("10.0.0.9"), p.host.addr, 1000, 7, b"abc")
    p.expect_drop(p.ip_frame(17, datagram), "udp.in_checksum")


def test_port_nobody_has():
    p, e = _peer()
    frame = p.udp_frame(1000, 8, b"abc")
    moved = p.moves(frame)
    assert moved["udp.in_noport"] == 1 and moved["icmp4.out_error"] == 1, moved
    p.expect("icmp", type=3, code=3, data=frame[14:], dst=p.addr)
    p.udp(1000, 0, b"abc")
    p.expect("icmp", type=3, code=3)


def test_empty_datagram():
    p, e = _peer()
    p.udp(1000, 7, b"")
    assert e.waiting == 1 and _recv(e) == b"" and e.waiting == 0


bench.run_tests(globals())
