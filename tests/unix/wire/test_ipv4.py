# inet/ipv4.py on the wire: RFC 791 headers, RFC 1122 3.2.1. Each thing that can be wrong with a
# header, and the counter that has to move.

import bench
import struct

TESTING = 253  # RFC 3692 style experiment


class Sink:
    """A protocol on top of IPv4."""

    def __init__(self, p, proto=TESTING):
        self.seen = []
        p.host.ip4.protocols[proto] = self

    def input(self, fr):
        self.seen.append((bytes(fr.buf[fr.l4 : fr.end]), fr.group))

    def error(self, ip, buf, at, l4, errno, hard):
        pass


def _peer(**kw):
    p = bench.peer(**kw)
    p.greet()
    sink = Sink(p)
    return p, sink


def test_take_apart():
    p, sink = _peer()
    p.send(
        b"\x02\x00\x0a\x00\x00\x02\x02\x01\x0a\x00\x00\x01\x08\x00"
        b"\x45\x00\x00\x17\x12\x34\x40\x00\x40\xfd\x13\xb4\x0a\x00\x00\x01\x0a\x00\x00\x02abc"
    )
    assert sink.seen == [(b"abc", False)], (sink.seen, p.host.stat("ipv4"))


def test_build():
    p, sink = _peer()
    with bench.inside(p.st):
        fr = p.st.pool.alloc()
        fr.l4 = fr.pay
        fr.buf[fr.pay : fr.pay + 3] = b"abc"
        fr.end = fr.pay + 3
        assert p.host.ip4.output(fr, p.host.addr, p.addr, TESTING, 17, 0xB8) == 0
    ident = p.sent[0][18:20]
    header = b"\x45\xb8\x00\x17" + ident + b"\x40\x00\x11\xfd\0\0\x0a\x00\x00\x02\x0a\x00\x00\x01"
    header = header[:10] + struct.pack("!H", bench.ones_sum(header) ^ 0xFFFF) + header[12:]
    assert p.sent == [p.mac + p.nic.mac + b"\x08\x00" + header + b"abc"], p.sent
    packet = p.expect("ip4", ttl=17, tos=0xB8, df=1, mf=0, frag=0, payload=b"abc", options=b"")
    assert packet.ident == ident[0] << 8 | ident[1]


def test_identification_moves_on():
    p, sink = _peer()
    idents = []
    for _ in range(5):
        with bench.inside(p.st):
            p.host.icmp4.echo(p.addr, 1, 1, 0)
        idents.append(p.expect("icmp").ident)
    assert len(set(idents)) == 5, idents


def test_round_trip():
    a, b, wire = bench.pair()
    got = []

    class Protocol:
        def input(self, fr):
            got.append(bytes(fr.buf[fr.l4 : fr.end]))

    b.ip4.protocols[TESTING] = Protocol()
    for n in (0, 1, 2, 3, 25, 26, 27, 1479, 1480):  # around the shortest frame, and the longest
        with bench.inside(a.st):
            fr = a.st.pool.alloc()
            fr.l4 = fr.pay
            fr.end = fr.pay + n
            for i in range(n):
                fr.buf[fr.pay + i] = i & 255
            assert a.ip4.output(fr, a.addr, b.addr, TESTING) == 0
        wire.run(50)
        assert got.pop() == bytes(i & 255 for i in range(n)), n


def test_every_truncation():
    p, sink = _peer()
    whole = p.ip_frame(TESTING, b"abcdef")
    for n in range(14, 34):
        p.expect_drop(whole[:n], "ipv4.in_short")
    for n in range(34, len(whole)):
        p.expect_drop(whole[:n], "ipv4.in_length")
    assert not sink.seen
    p.send(whole)
    assert sink.seen.pop()[0] == b"abcdef"


def test_padding_is_cut():
    p, sink = _peer()
    for padding in (1, 20, 1000):
        p.send(p.ip_frame(TESTING, b"abc") + b"\xa5" * padding)
        assert sink.seen.pop()[0] == b"abc"


def test_version():
    p, sink = _peer()
    for version in range(16):
        if version != 4:
            p.expect_drop(p.ip_frame(TESTING, b"abc", version=version), "ipv4.in_version")
    assert not sink.seen


def test_header_length_lies():
    p, sink = _peer()
    for ihl in (0, 1, 2, 3, 4):
        p.expect_drop(p.ip_frame(TESTING, b"abc", ihl=ihl), "ipv4.in_length")
    for ihl in range(6, 16):  # beyond the 23 bytes there are
        p.expect_drop(p.ip_frame(TESTING, b"abc", ihl=ihl), "ipv4.in_length")
    assert not sink.seen


def test_total_length_lies():
    p, sink = _peer()
    for total in (0, 1, 19, 24, 25, 1500, 0x7FFF, 0x8000, 0xFFFF):
        p.expect_drop(p.ip_frame(TESTING, b"abc", total=total), "ipv4.in_length")
    for total in (20, 21, 22):  # shorter is padding
        p.send(p.ip_frame(TESTING, b"abc", total=total))
        assert sink.seen.pop()[0] == b"abc"[: total - 20]


def test_checksum():
    p, sink = _peer()
    for csum in (0, 1, 0xFFFF):
        p.expect_drop(p.ip_frame(TESTING, b"abc", csum=csum), "ipv4.in_checksum")


def test_every_flipped_bit():
    # RFC 1122 3.2.1.2: no header with a wrong checksum gets through
    p, sink = _peer()
    whole = p.ip_frame(TESTING, b"abc", options=b"\1\1\1\1")
    for bit in range(8 * 24):
        frame = bytearray(whole)
        frame[14 + bit // 8] ^= 1 << (bit & 7)
        moved = p.moves(frame)
        drops = [k for k in moved if k.startswith("ipv4.in_")]
        assert drops in (["ipv4.in_checksum"], ["ipv4.in_version"], ["ipv4.in_length"]), (
            bit,
            moved,
        )
        p.expect_nothing()
    assert not sink.seen


def test_options_are_skipped():
    p, sink = _peer()
    fine = (
        b"\1\1\1\1",  # NOP
        b"\0\0\0\0",  # end
        b"\0\xff\xff\xff",  # what lies behind the end does not matter
        b"\x94\x04\0\0",  # router alert, RFC 2113
        b"\x07\x07\x04\0\0\0\0\0",  # record route
        b"\x44\x08\x05\0\0\0\0\0",  # timestamp
        b"\x82\x0b" + bytes(9) + b"\0",  # security
        b"\xdd\x02\1\1",  # one nobody knows
        b"\1" * 40,
    )
    for options in fine:
        p.send(p.ip_frame(TESTING, b"abc", options=options))
        assert sink.seen.pop() == (b"abc", False), options


def test_options_that_lie():
    p, sink = _peer()
    bad = (
        b"\1\1\1\x07",  # no room for its length
        b"\x07\0\0\0",
        b"\x07\1\0\0",
        b"\x07\5\0\0",  # past the header, into the payload
        b"\x07\xff\0\0",
        b"\1\x44\4\0",
        b"\x94\4\0\0\x94\5\0\0",
        b"\x83\5\0\0",  # a source route that lies besides
    )
    for options in bad:
        frame = p.ip_frame(TESTING, b"abc", options=options)
        moved = p.moves(frame)
        assert moved["ipv4.in_option"] == 1 and moved["icmp4.out_error"] == 1, moved
        # RFC 1122 3.2.2.5: the pointer tells where the option is
        packet = p.expect("icmp", type=12, code=0, data=frame[14:])
        at = packet.id >> 8
        assert at >= 20 and options[at - 20] not in (0, 1), (options, at)
        p.st.icmp4.rate.tokens = 20
        frame = p.ip_frame(TESTING, b"abc", options=options, dst=bench.ip("10.0.0.9"))
        p.expect_drop(frame, "ipv4.in_option")
    assert not sink.seen


def test_source_routes():
    # RFC 7126 4.3, 4.4
    p, sink = _peer()
    for kind in (131, 137):
        route = bytes((kind, 7, 4)) + p.host.addr + b"\0"
        p.expect_drop(p.ip_frame(TESTING, b"abc", options=route), "ipv4.in_source_route")
        route = b"\1\1" + bytes((kind, 3, 4)) + bytes(3)
        p.expect_drop(p.ip_frame(TESTING, b"abc", options=route), "ipv4.in_source_route")
    assert not sink.seen


def test_sources_that_cannot_be():
    # RFC 1122 3.2.1.3, RFC 1812 5.3.7
    p, sink = _peer()
    sources = ("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "10.0.0.255")
    sources += ("127.0.0.1", "127.255.255.254", "0.0.0.1", "0.255.255.255", "10.0.0.2")
    for src in sources:
        p.expect_drop(p.ip_frame(TESTING, b"abc", src=bench.ip(src)), "ipv4.in_source")
    p.send(p.ip_frame(TESTING, b"abc", src=bytes(4)))  # "this host on this network"
    assert sink.seen.pop() == (b"abc", False)


def test_destinations():
    p, sink = _peer()
    for dst in ("10.0.0.3", "10.0.1.255", "11.0.0.2", "0.0.0.0", "224.0.0.251", "255.255.255.254"):
        p.expect_drop(p.ip_frame(TESTING, b"abc", dst=bench.ip(dst)), "ipv4.in_other")
    for dst in ("127.0.0.1", "127.1.2.3"):  # RFC 1122 3.2.1.3 (g)
        p.expect_drop(p.ip_frame(TESTING, b"abc", dst=bench.ip(dst)), "ipv4.in_source")
    for dst in ("10.0.0.255", "255.255.255.255", "224.0.0.1"):
        p.send(p.ip_frame(TESTING, b"abc", dst=bench.ip(dst), dst_mac=bench.BROADCAST))
        assert sink.seen.pop() == (b"abc", True), dst


def test_unicast_in_a_link_broadcast():
    # RFC 1122 3.3.6: somebody's broadcast must not make everybody answer
    p, sink = _peer()
    for dst in ("10.0.0.2", "10.0.0.3"):
        frame = p.ip_frame(TESTING, b"abc", dst=bench.ip(dst), dst_mac=bench.BROADCAST)
        p.expect_drop(frame, "ipv4.in_other")
    assert not sink.seen


def test_fragments_are_counted():
    # without reassembly.py
    p, sink = _peer()
    p.st.reassembly = None
    for more in ({"flags": 1}, {"flags": 1, "frag": 1}, {"flags": 0, "frag": 1}, {"frag": 0x1FFF}):
        p.expect_drop(p.ip_frame(TESTING, b"abcdefgh", **more), "ipv4.in_fragment")
    p.send(p.ip_frame(TESTING, b"abc", flags=0))
    assert sink.seen.pop()[0] == b"abc"


def test_ttl_does_not_matter_to_a_host():
    # RFC 1122 3.2.1.7
    p, sink = _peer()
    for ttl in (0, 1, 255):
        p.send(p.ip_frame(TESTING, b"abc", ttl=ttl))
        assert sink.seen.pop()[0] == b"abc"


def test_unknown_protocol():
    # RFC 1122 3.2.2.1: protocol unreachable, with the packet's beginning
    p, sink = _peer()
    frame = p.ip_frame(252, b"abc")
    moved = p.moves(frame)
    assert moved["ipv4.in_protocol"] == 1 and moved["icmp4.out_error"] == 1, moved
    p.expect("icmp", type=3, code=2, data=frame[14:], dst=p.addr)
    p.send(p.ip_frame(252, b"abc", dst=bench.ip("10.0.0.255"), dst_mac=bench.BROADCAST))
    p.expect_nothing()


bench.run_tests(globals())
