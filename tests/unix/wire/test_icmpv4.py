# inet/icmpv4.py on the wire: RFC 792 messages, literal bytes, every length, lying quotes.

import bench
import struct


def _peer():
    p = bench.peer()
    p.greet()
    return p


def test_echo_literal():
    p = _peer()
    p.send(
        b"\x02\x00\x0a\x00\x00\x02\x02\x01\x0a\x00\x00\x01\x08\x00"
        b"\x45\x00\x00\x1f\x00\x01\x00\x00\x40\x01\x66\xdb\x0a\x00\x00\x01\x0a\x00\x00\x02"
        b"\x08\x00\x21\x68\x12\x34\x00\x01abc"
    )
    p.expect("icmp", type=0, code=0, id=0x1234, seq=1, data=b"abc", dst=p.addr, src=p.host.addr)


def test_echo_every_length():
    p = _peer()
    for n in tuple(range(0, 20)) + (56, 57, 1471, 1472):
        data = bytes(i * 3 & 255 for i in range(n))
        p.ping(ident=0xFFFF, seq=0x8000, data=data)
        p.expect("icmp", type=0, id=0xFFFF, seq=0x8000, data=data, ttl=64)
    p.expect_nothing()


def test_echo_checksum_update_at_its_edges():
    # RFC 1624: the sum is worked out from the old one; every carry, and both zeros
    p = _peer()
    for value in range(0, 0x10000, 0x101 if bench.UNIX else 0x1111):
        p.ping(ident=value, seq=0)
        p.expect("icmp", type=0, id=value)  # Packet checks the sum
    for want in (0x0000, 0x0001, 0x07FF, 0x0800, 0x0801, 0xF7FF, 0xF800, 0xF801, 0xFFFE, 0xFFFF):
        ident = _ident_for(want)
        p.ping(ident=ident, seq=0)
        p.expect("icmp", type=0, id=ident)


def _ident_for(csum):
    """The identifier that makes an empty request's checksum field this value, near enough."""
    return (0xFFFF - csum - 0x0800) % 0xFFFF


def test_echo_keeps_tos_and_code():
    p = _peer()
    p.ping(tos=0x10)
    p.expect("icmp", type=0, tos=0x10)


def test_build_echo_and_take_reply():
    p = _peer()
    replies = []
    p.host.icmp4.on_reply = lambda fr: replies.append(bytes(fr.buf[fr.l4 : fr.end]))
    with bench.inside(p.st):
        assert p.host.icmp4.echo(p.addr, 0x1234, 7, 5) == 0
    packet = p.expect("icmp", type=8, code=0, id=0x1234, seq=7, data=b"\0\1\2\3\4")
    answer = bench.icmp(0, 0, struct.pack("!HH", 0x1234, 7), packet.data)
    p.send(p.ip_frame(1, answer))
    assert replies == [answer]


def test_round_trip():
    a, b, wire = bench.pair()
    sizes = []
    a.icmp4.on_reply = lambda fr: sizes.append(fr.end - fr.l4 - 8)
    for n in (0, 1, 17, 18, 19, 1472):
        with bench.inside(a.st):
            assert a.icmp4.echo(b.addr, 1, n, n) == 0
        wire.run(20)
    assert sizes == [0, 1, 17, 18, 19, 1472]


def test_every_truncation():
    p = _peer()
    message = bench.icmp(8, 0, b"\0\1\0\2", b"data")
    for n in range(8):
        p.expect_drop(p.ip_frame(1, message[:n]), "icmp4.in_short")
    for n in range(8, len(message)):
        p.expect_drop(p.ip_frame(1, message[:n]), "icmp4.in_checksum")


def test_every_flipped_bit():
    p = _peer()
    message = bench.icmp(8, 0, b"\0\1\0\2", b"dat")
    for bit in range(8 * len(message)):
        bad = bytearray(message)
        bad[bit // 8] ^= 1 << (bit & 7)
        p.expect_drop(p.ip_frame(1, bytes(bad)), "icmp4.in_checksum")


def test_unknown_types():
    p = _peer()
    for kind in (1, 2, 4, 6, 9, 10, 13, 14, 15, 17, 18, 40, 255):
        p.expect_drop(p.ip_frame(1, bench.icmp(kind)), "icmp4.in_unknown")


def test_redirects_are_not_followed():
    # DEVIATION RFC 1122 3.2.2.2
    p = _peer()
    quote = p.udp_frame(1000, 9, b"x", src=p.host.addr, dst=bench.ip("8.8.8.8"))[14:]
    for code in range(4):
        frame = p.ip_frame(1, bench.icmp(5, code, bench.ip("10.0.0.66"), quote))
        p.expect_drop(frame, "icmp4.in_redirect")


def test_error_with_every_length_of_quote():
    p = _peer()
    e = p.host.udp.open()
    e.connect(p.host.ip4, p.addr, 9)
    e.send(b"x", 0, 1)
    p.poll()
    quote = p.expect("udp").frame[14:]
    for kind in (3, 11, 12):
        for n in range(len(quote) + 1):
            e.error = 0
            moved = p.moves(p.ip_frame(1, bench.icmp(kind, 0, data=quote[:n])))
            assert moved["icmp4.in_error"] == 1, (n, moved)
            assert (e.error != 0) == (n >= 28), (kind, n, e.error)  # RFC 792: header and 64 bits
    e.close()


def test_error_with_a_quote_that_lies():
    p = _peer()
    e = p.host.udp.open()
    e.connect(p.host.ip4, p.addr, 9)
    e.send(b"x", 0, 1)
    p.poll()
    quote = p.expect("udp").frame[14:]
    lies = [b"\x65" + quote[1:], b"\x05" + quote[1:]]  # version 6, version 0
    lies += [bytes((0x40 | ihl,)) + quote[1:] for ihl in range(16) if ihl != 5]
    lies += [quote[:9] + bytes((proto,)) + quote[10:] for proto in (0, 1, 2, 6, 255)]
    lies += [quote[:12] + bench.ip(src) + quote[16:] for src in ("10.0.0.9", "0.0.0.0")]
    lies += [quote[:16] + bench.ip("10.0.0.9") + quote[20:]]  # sent to somebody else
    lies += [quote[:20] + b"\0\1" + quote[22:]]  # from a port nobody has
    lies += [quote[:22] + b"\0\1" + quote[24:]]  # to a port we have not written to
    for lie in lies:
        p.send(p.ip_frame(1, bench.icmp(3, 3, data=lie)))
        assert e.error == 0, lie
        p.expect_nothing()
    e.close()


bench.run_tests(globals())
