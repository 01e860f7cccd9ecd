# The same forged traffic with the fast path on and off (DESIGN 1): good segments and datagrams in
# batches of 1 to 16, among them ones of which every field is changed in turn, cut short, padded,
# with checksums that are right and wrong. SEEDS=1-100 in the environment for more.

import bench
import struct
import traffic
from traffic import Traffic, runs, share


def test_good_batches():
    """Batches of 1 to 16 that are all right."""
    runs(2, share(100), lambda t, i: t.batch(Traffic.good), 1000, 1000, 200)


def test_good_batches_of_one():
    runs(1, share(100), lambda t, i: [t.good()], 200, 100, 50)


def test_small_rings():
    """Rings that fill and wrap at odd places, and little memory."""
    body = lambda t, i: t.batch(Traffic.good)  # noqa: E731
    runs(2, share(60), body, 500, 50, 20, budget=64 * 1024)


def _fields(kind, last, rx, tx):
    """Every byte of every header at its extremes and next to what it was, mended and not."""
    changes = traffic.every_byte(kind, last)
    if not bench.UNIX:
        changes = changes[::5]

    def body(t, i):
        at, value = changes[i]
        return t.batch(traffic.changed(at, value, (i + t.seed) & 3, kind))

    runs(1, len(changes), body, len(changes), rx, tx)


def test_every_byte_of_a_segment():
    """Ethernet, IP, TCP and its options."""
    _fields("tcp", 14 + 20 + 20 + 12, 2000, 200)


def test_every_byte_of_a_datagram():
    _fields("udp", 14 + 20 + 8 + 2, 1000, 200)


def test_every_byte_of_a_ping():
    _fields("icmp", 14 + 20 + 8 + 2, 500, 200)


def test_numbers():
    """RFC 9293 3.10.7.4: whatever the numbers say."""
    runs(1, share(150), lambda t, i: t.batch(traffic.numbers), 500, 250, 50)


def test_options():
    """RFC 9293 3.1, RFC 7323 3.2: options missing, moved, doubled, lying, malformed."""
    runs(2, share(150), lambda t, i: t.batch(traffic.options), 1000, 500, 50)


def _shape(t):
    """A good frame cut short, padded, with lengths that lie, or with options in its IP header."""
    rnd = t.rnd
    frame = bytearray(t.good())
    what = rnd.below(7)
    if what == 0:
        frame = frame[: 1 + rnd.below(len(frame))]
    elif what == 1:
        frame += bytes(rnd.below(50))
    elif what == 2:
        frame = frame[: max(34, rnd.below(len(frame)))]
        frame[16:18] = struct.pack("!H", len(frame) - 14)
    elif what == 3:
        frame[16:18] = struct.pack("!H", rnd.bits16() & 0x7FF)
    elif what == 4:
        frame[14] = 0x46
        frame[34:34] = rnd.choice((b"\1\1\1\0", b"\x07\x04\4\0", b"\x83\3\4\0", b"\2\0\0\0"))
        frame[16:18] = struct.pack("!H", len(frame) - 14)
    elif what == 5:
        at = 38 if frame[23] == 17 else 46
        frame[at : at + 2] = struct.pack("!H", rnd.choice(traffic.WIDE + (7, 8, 9)))
    else:
        frame[20:22] = rnd.choice((b"\x20\0", b"\0\1", b"\x80\0", b"\0\0", b"\x60\0"))
    return (bench.mend(frame) if rnd.below(3) else frame)[:1514]


def test_shapes():
    """RFC 791, RFC 894: truncated, padded, fragments, lengths that lie, IP options."""
    runs(2, share(150), lambda t, i: t.batch(_shape), 1000, 500, 50)


def _anything(t):
    return t.rnd.choice((traffic.numbers, traffic.options, _shape, Traffic.good))(t)


def _busy(t, i):
    t.p.nic.busy = t.rnd.choice((0, 0, 1, 5, 20))
    t.p.nic.fail = t.rnd.choice((0, 0, 0, 1, 3))
    return t.batch(_anything)


def test_busy_nic():
    """A NIC that is busy, or refuses, in the middle of it all."""
    # Enough frames for what waits: when they run short, the slow path takes smaller batches.
    runs(2, share(80), _busy, 500, 100, 20, budget=512 * 1024)


def test_anything():
    runs(1, share(300), lambda t, i: t.batch(_anything), 1500, 500, 50)


def _told(t, i):
    """What a peer tells of marks, rightly or not."""
    if i % 9:
        return t.batch(lambda t: t.good())
    flags = t.rnd.choice(("AE", "AC", "AEC", "PAE", "PAC"))
    n = t.rnd.choice((0, 1, 1000))
    at = t.f.snd_nxt % traffic.PERIOD
    frame = t.f.tcp_frame(flags, data=traffic.text[at : at + n], tos=t.rnd.choice((0, 2, 3)))
    return t.batch(lambda t: frame)


def test_marks():
    """RFC 3168: CE, ECE and CWR at any time."""
    runs(2, 150, _told, 500, 200, 200, options=("e", "tswe"))


def test_once_wrong():
    """An ACK that tells of a false loss; a window that widens as the program reads."""
    runs(1, share(300), lambda t, i: t.batch(_anything), 1500, 300, 50, seeds=(5,))
    runs(1, share(80), _busy, 300, 50, 20, seeds=(13,), budget=512 * 1024)


bench.run_tests(globals())
