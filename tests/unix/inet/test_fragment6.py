# Fragments over IPv6, both ways (RFC 8200 4.5, RFC 5722, RFC 7112), and what is known of paths
# (RFC 8201). reassembly.py itself: test_reassembly.py.

import struct

import bench
import peer6
from packets import icmp6, ip6, udp

EHOSTUNREACH = 113


def _peer(**kw):
    return peer6.peer(greet=True, **kw)


def _bound(p):
    e = p.host.udp.open(p.ip)
    with bench.inside(p.st):
        e.bind(p.ip, None, 7)
    bench.at_end(e.close)
    return e


def _cut(p, payload, size, proto=17, ident=1, front=b"", first=44):
    """Frames with parts of `size` bytes; `front`: headers before that of the fragment."""
    frames = []
    for at in range(0, len(payload), size):
        part = payload[at : at + size]
        more = at + size < len(payload)
        head = struct.pack("!BBHI", proto, 0, at | more, ident)
        frames.append(p.ip_frame(first, front + head + part))
    return frames


def _datagram(p, n=2000):
    data = bytes(i * 7 & 255 for i in range(n))
    return data, udp(p.addr, p.host.addr, 1000, 7, data)


def _got(e, n=4000):
    buf = bytearray(n)
    n = e.recv(buf, 0, n)
    return bytes(buf[:n]) if n >= 0 else None


def test_put_together_in_any_order():
    p = _peer()
    e = _bound(p)
    data, datagram = _datagram(p)
    frames = _cut(p, datagram, 512)
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 0, 3, 1)):
        for i in order:
            assert _got(e) is None
            p.send(frames[i])
        assert _got(e) == data, order
    p.expect_nothing()


def test_behind_other_headers():
    # what is in front of the fragment header belongs to the whole
    p = _peer()
    e = _bound(p)
    data, datagram = _datagram(p)
    front = bytes((44, 0, 1, 4, 0, 0, 0, 0))
    for frame in _cut(p, datagram, 1024, front=front, first=0):
        p.send(frame)
    assert _got(e) == data


def test_ping_in_fragments():
    p = _peer()
    data = bytes(1300)
    message = icmp6(p.addr, p.host.addr, 128, 0, b"\0\1\0\2", data)
    for frame in _cut(p, message, 800, 58):
        p.send(frame)
    p.expect("icmp6", type=129, data=data)


def test_long_pings():
    # RFC 4443 4.2: all that has come goes back, in fragments if it takes those
    p = _peer()
    for n in (1453, 2000, 8000):
        data = bytes(i * 7 & 255 for i in range(n))
        message = icmp6(p.addr, p.host.addr, 128, 0, b"\0\1\0\2", data)
        for frame in _cut(p, message, 1232, 58, ident=n):
            p.send(frame)
        parts = p.take()
        assert all(part.kind == "frag6" and len(part.frame) <= 1514 for part in parts)
        whole = b"".join(part.payload for part in parts)
        assert whole == icmp6(p.host.addr, p.addr, 129, 0, b"\0\1\0\2", data)
    with bench.inside(p.st):
        assert p.ip.icmp.echo(p.addr, 3, 4, 3000) == 0
        assert p.ip.icmp.echo(p.addr, 3, 4, 65520) == -90
    parts = p.take()
    data = bytes(i & 255 for i in range(3000))
    assert b"".join(part.payload for part in parts) == icmp6(
        p.host.addr, p.addr, 128, 0, b"\0\3\0\4", data
    )


def test_overlap_ends_the_packet():
    # RFC 5722
    p = _peer()
    e = _bound(p)
    data, datagram = _datagram(p)
    frames = _cut(p, datagram, 1024)
    other = bytearray(frames[0])
    other[80] ^= 1
    p.send(frames[0])
    p.send(bytes(other))
    p.send(frames[1])
    assert _got(e) is None and p.st.stats()["reassembly"]["in_overlap"] == 1
    p.expect_nothing()


def test_parts_that_make_no_sense():
    # RFC 8200 4.5: told, with a pointer at what is wrong
    p = _peer()
    head = struct.pack("!BBHI", 17, 0, 1, 1)
    p.send(p.ip_frame(44, head + bytes(15)))
    p.expect("icmp6", type=4, code=0, value=4)
    p.send(p.ip_frame(44, struct.pack("!BBHI", 17, 0, 0xFFF8, 1) + bytes(16)))
    p.expect("icmp6", type=4, code=0, value=42)
    assert p.st.reassembly.used == 0


def test_first_part_has_all_headers():
    # RFC 7112 5
    p = _peer()
    options = bytes((17, 3)) + b"\1\x1c" + bytes(28)
    p.send(p.ip_frame(44, struct.pack("!BBHI", 60, 0, 1, 1) + options[:16]))
    p.expect("icmp6", type=4, code=3)
    p.send(p.ip_frame(44, struct.pack("!BBHI", 44, 0, 1, 1) + bytes(8)))
    p.expect("icmp6", type=4, code=3)
    assert p.st.reassembly.used == 0


def test_a_part_of_a_part():
    p = _peer()
    e = _bound(p)
    data, datagram = _datagram(p, 100)
    inner = struct.pack("!BBHI", 17, 0, 1, 9) + datagram
    for frame in _cut(p, inner + bytes(-len(inner) % 8), 64, 44):
        p.send(frame)
    assert _got(e) is None and p.st.stats()["ipv6"]["in_fragment"] == 1
    assert p.st.reassembly.used == 0


def test_the_rest_does_not_come():
    # RFC 8200 4.5: the sender is told if the first part is there
    p = _peer()
    data, datagram = _datagram(p)
    frames = _cut(p, datagram, 1024)
    p.send(frames[1])
    p.send(_cut(p, datagram, 1024, ident=2)[0])
    p.advance(61000)
    packet = p.expect("icmp6", type=3, code=1)
    assert packet.data[40:] == datagram[:1024]
    p.expect_nothing()
    assert p.st.reassembly.used == 0


def test_flood_of_first_parts():
    p = _peer()
    e = _bound(p)
    data, datagram = _datagram(p)
    for i in range(bench.scale(300)):
        p.send(_cut(p, datagram, 1024, ident=1000 + i)[0])
    assert p.st.reassembly.used <= p.st.reassembly.limit
    for frame in _cut(p, datagram, 1024):
        p.send(frame)
    assert _got(e) == data
    p.advance(61000)
    p.take()


def test_sent_in_parts():
    p = _peer()
    e = _bound(p)
    data, _ = _datagram(p, 4000)
    with bench.inside(p.st):
        assert e.send(data, 0, len(data), p.ip, p.addr, 1000) == len(data)
    parts = p.take()
    assert [len(part.payload) for part in parts] == [1448, 1448, 1112]
    heads = [struct.unpack("!BBHI", part.headers[0][1]) for part in parts]
    assert [head[2] for head in heads] == [1, 1449, 2896]
    assert len(set(head[3] for head in heads)) == 1 and heads[0][0] == 17
    whole = b"".join(part.payload for part in parts)
    assert whole == udp(p.host.addr, p.addr, 7, 1000, data)
    with bench.inside(p.st):
        e.send(data, 0, 1453, p.ip, p.addr, 1000)
    assert struct.unpack("!I", p.take()[0].headers[0][1][4:])[0] != heads[0][3]


def test_sent_in_parts_to_nobody():
    p = peer6.peer(auto_nd=False)
    e = _bound(p)
    results = []
    for _ in range(3):
        with bench.inside(p.st):
            results.append(e.send(bytes(2000), 0, 2000, p.ip, p.addr, 9))
        p.advance(4000)
    assert results == [-105, -113, -113] or results == [-105, -113, -105], results
    p.take()


def test_path_that_is_narrow():
    # RFC 8201: what one has learnt holds for all, for ten minutes
    p = _peer()
    e = _bound(p)
    with bench.inside(p.st):
        e.send(bytes(1400), 0, 1400, p.ip, p.addr, 9)
    quote = p.take()[0].frame[14:]
    p.send(p.icmp_frame(2, 0, (1300).to_bytes(4, "big"), quote[:1232]))
    assert p.ip.mss_room(p.addr) == 1260 and p.ip.mss_room(ip6("2001:db8::9")) == 1460
    with bench.inside(p.st):
        e.send(bytes(1400), 0, 1400, p.ip, p.addr, 9)
    parts = p.take()
    assert [part.kind for part in parts] == ["frag6", "frag6"]
    assert all(len(part.frame) <= 1314 for part in parts)
    p.advance(600000)
    assert p.ip.mss_room(p.addr) == 1460


bench.run_tests(globals())
