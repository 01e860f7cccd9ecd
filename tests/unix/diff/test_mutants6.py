# test_mutants.py over IPv6: the same forged traffic, and what only IPv6 can lie about.

import bench
import struct
import traffic
import twin
from packets import ip6
from traffic import Traffic, share


def _peer(**kw):
    return twin.peer6(budget=kw.pop("budget", 256 * 1024), **kw)


def runs(count, per, body, frames, rx, tx, **kw):
    traffic.runs(count, per, body, frames, rx, tx, peer=_peer, **kw)


def test_good_batches():
    """Batches of 1 to 16 that are all right."""
    runs(2, share(100), lambda t, i: t.batch(Traffic.good), 1000, 1000, 200)


def test_small_rings():
    """Rings that fill and wrap at odd places, and little memory."""
    body = lambda t, i: t.batch(Traffic.good)  # noqa: E731
    runs(2, share(60), body, 500, 50, 20, budget=64 * 1024)


def _fields(kind, last, rx, tx):
    """Every byte of every header at its extremes and next to what it was, mended and not."""
    changes = traffic.every_byte(kind, last)
    changes = changes[:: 1 if bench.UNIX else 9]

    def body(t, i):
        at, value = changes[i]
        return t.batch(traffic.changed(at, value, (i + t.seed) & 3, kind))

    runs(1, len(changes), body, len(changes), rx, tx)


def test_every_byte_of_a_segment():
    """Ethernet, IPv6, TCP and its options."""
    _fields("tcp", 14 + 40 + 20 + 12, 2000, 200)


def test_every_byte_of_a_datagram():
    _fields("udp", 14 + 40 + 8 + 2, 1000, 200)


def test_every_byte_of_a_ping():
    _fields("icmp", 14 + 40 + 8 + 2, 500, 200)


def test_numbers():
    """RFC 9293 3.10.7.4: whatever the numbers say."""
    runs(1, share(150), lambda t, i: t.batch(traffic.numbers), 500, 250, 50)


def test_options():
    """RFC 9293 3.1, RFC 7323 3.2: options missing, moved, doubled, lying, malformed."""
    runs(1, share(150), lambda t, i: t.batch(traffic.options), 500, 250, 30)


SOURCES = tuple(
    ip6(text)
    for text in (
        "::",
        "::1",
        "::ffff:a00:1",
        "::a00:1",
        "ff02::1",
        "fe80::1",
        "fe80::2",  # ours
        "2001:db8::2",
        "2001:db8::3",
        "fec0::1",
    )
)
TARGETS = SOURCES + tuple(
    ip6(text) for text in ("ff02::2", "ff02::1:ff00:2", "2001:db8::", "fe80::3")
)


def _shape(t):
    """A good frame cut short, padded, with lengths that lie, extension headers, other addresses
    or a traffic class."""
    rnd = t.rnd
    frame = bytearray(t.good())
    what = rnd.below(8)
    if what == 0:
        frame = frame[: 1 + rnd.below(len(frame))]
    elif what == 1:
        frame += bytes(rnd.below(50))
    elif what == 2:
        frame = frame[: max(54, rnd.below(len(frame)))]
        frame[18:20] = struct.pack("!H", len(frame) - 54)
    elif what == 3:
        frame[18:20] = struct.pack("!H", rnd.bits16() & 0x7FF)
    elif what == 4:
        proto = frame[20]
        kinds = (0, 43, 51, 59, 60, 135)  # on a board there is no memory for two reassemblies
        frame[20] = rnd.choice(kinds + (44,) if bench.UNIX else kinds)
        frame[54:54] = bytes((proto, 0)) + rnd.choice(
            (b"\1\4\0\0\0\0", b"\0\0\0\0\0\0", b"\0\0\0\0\0\7", b"\0\1\0\0\0\7", b"\xc2\4\0\0\0\0")
        )
        frame[18:20] = struct.pack("!H", len(frame) - 54)
        return frame[:1514]
    elif what == 5:
        at = 58 if frame[20] == 17 else 66
        frame[at : at + 2] = struct.pack("!H", rnd.choice(traffic.WIDE + (7, 8, 9)))
    elif what == 6:
        frame[22:38] = rnd.choice(SOURCES)
        if rnd.below(2):
            frame[38:54] = rnd.choice(TARGETS)
    else:
        frame[14] = 0x60 | rnd.below(16)
        frame[15] = rnd.bits16() & 255
        frame[21] = rnd.choice((0, 1, 255))
    return (bench.mend(frame) if rnd.below(3) else frame)[:1514]


def test_shapes():
    """RFC 8200: truncated, padded, lengths that lie, extension headers, addresses that lie."""
    runs(2, share(150), lambda t, i: t.batch(_shape), 1000, 500, 50)


def _no_sum(t):
    """RFC 8200 8.1: a datagram needs a checksum."""
    return t.p.udp_frame(9, t.rnd.choice((7, 8)), traffic.text[:9], csum=0)


def test_no_checksum():
    runs(1, share(60), lambda t, i: t.batch(_no_sum), 100, 100, 20)


def _anything(t):
    return t.rnd.choice((traffic.numbers, traffic.options, _shape, Traffic.good))(t)


def _busy(t, i):
    t.p.nic.busy = t.rnd.choice((0, 0, 1, 5, 20))
    t.p.nic.fail = t.rnd.choice((0, 0, 0, 1, 3))
    return t.batch(_anything)


def test_busy_nic():
    """A NIC that is busy, or refuses, in the middle of it all."""
    runs(1, share(80), _busy, 250, 50, 10, budget=512 * 1024)


def test_anything():
    runs(1, share(200), lambda t, i: t.batch(_anything), 1000, 300, 30)


def _turns(t, i):
    """What makes headers void, and addresses others, between good batches."""
    st = t.p.st
    what = t.rnd.below(12)
    with bench.inside(st):
        if what == 0:
            t.p.host.ip6.add(t.p.host.nif, ip6("2001:db8:1::2"), 64)
        elif what == 1:
            for entry in list(t.p.host.nif.v6.list):
                if entry.addr == ip6("2001:db8:1::2"):
                    t.p.host.ip6.remove(t.p.host.nif, entry)
        elif what == 2:
            t.p.host.nif.v6.nd.flush()
        elif what == 3:
            st.rerouted()
    if what == 4:
        t.p.send(t.p.na_frame(flags=0, mac=b"\2\1\0\0\0\2"))  # doubt
    elif what == 5:
        t.p.send(t.p.nd_frame(134, struct.pack("!BBH", t.rnd.choice((1, 64)), 0, 0), bytes(8)))
    elif what == 6:
        t.p.advance(50000)  # REACHABLE, STALE, DELAY
    return t.batch(Traffic.good)


def _turn(t, i):
    try:
        return _turns(t, i)
    except OSError:  # it is there already
        return t.batch(Traffic.good)


def test_turns():
    """RFC 4861 7.3: neighbours that are to be asked again, routers, addresses that come and go."""
    runs(1, share(60), _turn, 400, 200, 80)


def _both(t, i):
    """Now and then a datagram over IPv4: what one kernel has found is not the other's."""
    frames = t.batch(Traffic.good)
    source = b"\x0a\0\0\1"
    for _ in range(t.rnd.below(4)):
        datagram = bench.udp(source, b"\x0a\0\0\2", 9, t.rnd.choice((7, 8)), traffic.text[:40])
        packet = bench.ip4(source, b"\x0a\0\0\2", 17, datagram)
        frames.insert(t.rnd.below(len(frames) + 1), t.p.frame(packet))
    return frames


def test_both_families():
    runs(2, share(100), _both, 1000, 300, 100)


bench.run_tests(globals())
