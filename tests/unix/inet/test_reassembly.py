# inet/reassembly.py: RFC 791 3.2, RFC 815, RFC 1122 3.3.2; what is not put together: RFC 1858,
# RFC 3128, RFC 5722.

import bench
import gc

TESTING = 253  # a protocol number for experiments (RFC 3692)


class Sink:
    """A transport that keeps what it gets."""

    def __init__(self):
        self.seen = []

    def input(self, fr):
        self.fr = fr
        self.header = bytes(fr.buf[fr.l3 : fr.l4])
        self.seen.append(bytes(fr.buf[fr.l4 : fr.end]))

    def error(self, *args):
        pass


def _peer(**kw):
    p = bench.peer(**kw)
    p.greet()
    sink = p.host.ip4.protocols[TESTING] = Sink()
    return p, sink


def _data(n, seed=1):
    return bench.Random(seed).bytes(n)


def _stat(p):
    return p.host.stat("reassembly")


def _all_gone(p):
    """Nothing is left of any datagram."""
    parts = p.st.reassembly
    assert parts.used == 0 and not parts._datagrams
    assert not parts._timer.active


def _expire(p):
    p.advance(31000)
    p.take()
    _all_gone(p)


def test_in_order():
    p, sink = _peer()
    data = _data(5000)
    for frame in p.part_frames(TESTING, data):
        p.send(frame)
    assert sink.seen == [data]
    assert bench.ones_sum(sink.header) == 0xFFFF and len(sink.header) == 20
    assert sink.header[2:4] == bytes((5020 >> 8, 5020 & 255)) and sink.header[6:8] == b"\0\0"
    assert _stat(p)["whole"] == 1 and _stat(p)["in"] == 4
    _all_gone(p)


def test_in_any_order():
    # RFC 815: whichever comes first
    p, sink = _peer()
    rnd = bench.Random(3)
    for turn in range(bench.scale(40)):
        data = _data(1 + rnd.below(9000), turn)
        size = 8 * (20 + rnd.below(100))
        frames = p.part_frames(TESTING, data, size=size, ident=turn)
        if len(frames) == 1:
            continue
        while frames:
            p.send(frames.pop(rnd.below(len(frames))))
        assert sink.seen.pop() == data, turn
    assert not sink.seen
    _all_gone(p)


def test_two_at_a_time():
    # RFC 791: source, destination, protocol and identification tell them apart
    p, sink = _peer()
    flows = []
    for ident, src in ((1, "10.0.0.1"), (2, "10.0.0.1"), (1, "10.0.0.9")):
        data = _data(3000, len(flows) + 1)
        flows.append((data, p.part_frames(TESTING, data, ident=ident, src=bench.ip(src))))
    p.host.ip4.protocols[TESTING + 1] = sink
    data = _data(3000, 9)
    flows.append((data, p.part_frames(TESTING + 1, data, ident=1)))
    for i in range(3):
        for _, frames in flows:
            p.send(frames[i])
    assert sink.seen == [data for data, _ in flows]


def test_the_longest():
    # 65,535 bytes with the header (RFC 791 3.1)
    p, sink = _peer(budget=512 * 1024)
    data = _data(65515)
    for frame in p.part_frames(TESTING, data):
        p.send(frame)
    assert sink.seen == [data]
    _all_gone(p)


def test_ping_of_death():
    p, sink = _peer()
    for off, n in ((8189, 8), (8191, 1), (8191, 1480), (8190, 100)):
        frame = p.ip_frame(TESTING, bytes(n), flags=0, frag=off)
        p.expect_drop(frame, "reassembly.in_bad")
    # what fits behind 20 bytes does not behind 60
    p.send(p.ip_frame(TESTING, bytes(8), flags=1, options=b"\1" * 40))
    assert _stat(p)["in_bad"] == 4
    assert not sink.seen
    _expire(p)


def test_long_header_ends_it():
    p, sink = _peer(budget=512 * 1024)
    data = bytes(65500)
    frames = p.part_frames(TESTING, data)
    frames[0] = p.ip_frame(TESTING, data[:1440], flags=1, ident=7, options=b"\1" * 40)
    frames.insert(1, p.ip_frame(TESTING, data[1440:1480], flags=1, ident=7, frag=180))
    for frame in frames:
        p.send(frame)
    assert not sink.seen and _stat(p)["in_bad"] == 1
    _all_gone(p)


def test_lengths_that_are_no_multiple_of_8():
    p, _ = _peer()
    p.expect_drop(p.ip_frame(TESTING, bytes(13), flags=1), "reassembly.in_bad")
    p.expect_drop(p.ip_frame(TESTING, b"", flags=1), "reassembly.in_bad")
    p.expect_drop(p.ip_frame(TESTING, b"", flags=0, frag=9), "reassembly.in_bad")


def test_duplicates_do_no_harm():
    # RFC 8200 4.5: an exact duplicate may be dropped alone
    p, sink = _peer()
    data = _data(4000)
    a, b, c = p.part_frames(TESTING, data)
    for frame in (a, a, c, c, a, b):
        p.send(frame)
    assert sink.seen == [data] and _stat(p)["in_overlap"] == 0
    _all_gone(p)


def test_overlaps_end_it():
    # RFC 5722's rule, for IPv4 too: teardrop and whatever rewrites a header that was passed
    p, sink = _peer()
    data = _data(2400)

    def part(at, n, more=1, other=b""):
        text = other + data[at + len(other) : at + n]
        return p.ip_frame(TESTING, text, flags=more, frag=at >> 3, ident=7)

    attacks = (
        (part(0, 800), part(400, 800)),
        (part(800, 800), part(400, 800)),
        (part(800, 800), part(400, 1400, 0)),
        (part(0, 800), part(0, 800, other=b"x")),
        (part(0, 800), part(80, 80, other=b"x")),
        (part(800, 800, 0), part(1600, 800, 0)),
        (part(1600, 800, 0), part(800, 400, 0)),
        (part(1600, 800), part(8, 792, 0)),
        (part(800, 800, 0), part(1600, 80)),
        (part(800, 800, 0), part(1200, 800)),
    )
    for i, frames in enumerate(attacks):
        for frame in frames:
            p.send(frame)
        assert _stat(p)["in_overlap"] == i + 1, (i, _stat(p))
        _all_gone(p)
    assert not sink.seen
    for frame in p.part_frames(TESTING, data):
        p.send(frame)
    assert sink.seen == [data]


def test_tiny_fragments_of_tcp():
    # RFC 3128 2: TCP flags in the second fragment
    p, _ = _peer(tcp=True)
    p.expect_drop(p.ip_frame(6, bytes(16), flags=1, frag=1), "ipv4.in_fragment")


def test_too_many_gaps():
    # every other part of 8 bytes: only 16 are remembered
    p, sink = _peer()
    for i in range(16):
        p.send(p.ip_frame(TESTING, bytes(8), flags=1, frag=2 * i, ident=7))
    p.expect_drop(p.ip_frame(TESTING, bytes(8), flags=1, frag=40, ident=7), "reassembly.in_nobuf")
    _all_gone(p)
    data = _data(4000)  # but 500 of them one after the other are welcome
    for frame in p.part_frames(TESTING, data, size=8):
        p.send(frame)
    assert sink.seen == [data]


def test_time_is_up():
    # RFC 1122 3.3.2: dropped, and the sender told if the first fragment has come
    p, sink = _peer()
    frames = p.part_frames(TESTING, _data(3000))
    p.send(frames[0])
    p.send(frames[2])
    p.advance(29000)
    p.expect_nothing()
    p.advance(2000)
    packet = p.expect("icmp", type=11, code=1, dst=p.addr)
    assert packet.data == frames[0][14 : 14 + 548]
    assert _stat(p)["expired"] == 1
    _all_gone(p)
    p.send(frames[1])  # it begins anew
    p.advance(29000)
    assert _stat(p)["expired"] == 1
    p.advance(2000)
    p.expect_nothing()  # no first fragment: silence
    assert _stat(p)["expired"] == 2 and not sink.seen
    _all_gone(p)


def test_time_of_each():
    p, _ = _peer()
    for ident in range(3):
        p.send(p.ip_frame(TESTING, bytes(8), flags=1, ident=ident))
        p.advance(1000)
    p.advance(27500)
    for ident in range(3):
        assert p.expect("icmp", type=11, code=1).data[4:6] == bytes((0, ident))
        p.expect_nothing()
        p.advance(1000)
    _all_gone(p)


def test_no_complaint_about():
    # RFC 1122 3.2.2: errors, groups
    p, _ = _peer()
    quote = p.udp_frame(1000, 9, b"x")[14:]
    p.send(p.ip_frame(1, bench.icmp(3, 3, data=quote)[:32], flags=1))
    group = bench.ip("10.0.0.255")
    p.send(p.ip_frame(TESTING, bytes(8), flags=1, dst=group, dst_mac=bench.BROADCAST))
    p.advance(31000)
    assert _stat(p)["expired"] == 2
    p.expect_nothing()


def test_no_error_about_later_fragments():
    # RFC 1122 3.2.2, and about the whole datagram one that quotes what was sent first
    p, _ = _peer()
    frames = p.part_frames(252, _data(3000))
    for frame in frames[1:]:
        p.send(frame)
    p.expect_nothing()
    p.send(frames[0])
    packet = p.expect("icmp", type=3, code=2)
    assert packet.data[20:] == frames[0][34 : 34 + 528]


def test_flood_of_halves():
    # bounded by number and by bytes; afterwards all is as before
    p, sink = _peer()
    parts = p.st.reassembly
    for ident in range(bench.scale(500)):
        at = 180 * (ident & 3)
        p.send(p.ip_frame(TESTING, bytes(1440), flags=1, frag=at, ident=ident))
        assert len(parts._datagrams) <= 8 and parts.used <= parts.limit
    assert _stat(p)["evicted"] == bench.scale(500) - 8
    data = _data(8000)
    for frame in p.part_frames(TESTING, data, ident=9999):
        p.send(frame)
    assert sink.seen == [data]
    _expire(p)


def test_flood_of_ends():
    # each claims to be 60,000 bytes long: memory for more than one there is not
    p, sink = _peer()
    parts = p.st.reassembly
    for ident in range(50):
        p.send(p.ip_frame(TESTING, bytes(8), flags=0, frag=7500, ident=ident))
        assert parts.used <= parts.limit
        assert p.st.spent <= p.st.budget
    _expire(p)


def test_more_than_there_is_memory_for():
    p, sink = _peer(budget=48 * 1024)
    frames = p.part_frames(TESTING, bytes(60000))
    for frame in frames:
        p.send(frame)
    assert not sink.seen and _stat(p)["in_nobuf"] > 0
    _expire(p)
    data = _data(15000)  # the third part of the budget takes that
    for frame in p.part_frames(TESTING, data):
        p.send(frame)
    assert sink.seen == [data]


def test_congestion_of_a_part():
    # RFC 3168 5.3: CE of one is CE of all, unless some were not ECN-capable
    p, sink = _peer()
    for marks, tos in (
        ((1, 1, 1), 1),
        ((2, 2, 2), 2),
        ((2, 3, 2), 3),
        ((0, 0, 0), 0),
        ((0, 3, 0), None),
        ((3, 0, 0), None),
    ):
        data = _data(3000)
        frames = [p.part_frames(TESTING, data, tos=mark)[i] for i, mark in enumerate(marks)]
        for frame in frames:
            p.send(frame)
        if tos is None:
            assert not sink.seen
        else:
            assert sink.seen.pop() == data and sink.header[1] == tos, (marks, sink.header[1])
    assert _stat(p)["in_bad"] == 2
    _all_gone(p)


def test_options_of_the_first():
    p, sink = _peer()
    data = _data(2000)
    options = b"\x94\4\0\0"  # router alert
    p.send(p.ip_frame(TESTING, data[:1000], flags=1, ident=7, options=options))
    p.send(p.ip_frame(TESTING, data[1000:], flags=0, ident=7, frag=125))
    assert sink.seen == [data] and sink.header[20:] == options


def test_big_datagrams_and_pings():
    p = bench.peer(budget=512 * 1024)
    p.greet()
    e = p.host.udp.open()
    e.rcvbuf = 66000
    e.bind(None, None, 7)
    for n in (1473, 1480, 8000, 65507 if bench.UNIX else 20000):
        data = _data(n)
        datagram = bench.udp(p.addr, p.host.addr, 1000, 7, data)
        for frame in p.part_frames(17, datagram, ident=n):
            p.send(frame)
        buf = bytearray(n + 1)
        assert e.recv(buf, 0, n + 1) == n and buf[:n] == data
        assert e.from_port == 1000 and e.from_addr[:4] == p.addr
        ping = bench.icmp(8, 0, b"\0\7\0\1", data[:65499])
        for frame in p.part_frames(1, ping, ident=n):
            p.send(frame)
        p.expect_whole("icmp", type=0, id=7, seq=1, data=data[:65499])
        gc.collect()
    datagram = bench.udp(p.addr, p.host.addr, 1000, 7, _data(3000), csum=1)
    for frame in p.part_frames(17, datagram):
        p.send(frame)
    assert e.waiting == 0 and p.host.stat("udp")["in_checksum"] == 1
    ping = bench.icmp(8, 0, b"\0\7\0\1", _data(3000), csum=1)
    for frame in p.part_frames(1, ping):
        p.send(frame)
    assert p.host.stat("icmp4")["in_checksum"] == 1
    p.expect_nothing()


bench.run_tests(globals())
