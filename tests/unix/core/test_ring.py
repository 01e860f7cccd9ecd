# core/ring.py against a plain bytearray: random operations, every wrap position.

import bench
import ref
from netstack.core.ring import Ring

FILL = 0x55


def _bytes(rnd, n):
    return bytearray(rnd.bytes(n))


def _take(ring, n, offset=0):
    dst = bytearray([FILL] * (n + 2))
    ring.peek(dst, 1, n, offset)
    assert dst[0] == FILL and dst[n + 1] == FILL, "peek() wrote outside"
    return dst[1 : n + 1]


def test_write_read_at_every_position():
    for size in (1, 2, 3, 7, 16, 33):
        for start in range(size):
            for n in range(size + 2):
                ring = Ring(size)
                ring.write(bytes(start), 0, start)
                ring.skip(start)
                data = bytes(range(1, n + 3))
                took = ring.write(data, 2, n)
                assert took == min(n, size), (size, start, n, took)
                assert ring.len == took and ring.free() == size - took
                dst = bytearray(n + 3)
                assert ring.read(dst, 1, n + 2) == took
                assert dst[1 : 1 + took] == data[2 : 2 + took], (size, start, n, dst)
                assert ring.len == 0 and dst[took + 1] == 0


def test_random_operations():
    rnd = bench.Random(11)
    for size in (1, 13, 64, 1000):
        ring = Ring(size)
        model = bytearray()
        for _ in range(bench.scale(1500)):
            _step(rnd, ring, model, size)
            assert ring.len == len(model) and ring.free() == size - len(model)
        assert _take(ring, ring.len) == model


def _step(rnd, ring, model, size):
    what = rnd.below(5)
    n = rnd.below(size + 3)
    if what == 0:
        data = _bytes(rnd, n + 3)
        took = ring.write(data, 3, n)
        assert took == min(n, size - len(model))
        model.extend(data[3 : 3 + took])
    elif what == 1:
        dst = bytearray(n + 1)
        took = ring.read(dst, 1, n)
        assert took == min(n, len(model)) and dst[1 : 1 + took] == model[:took]
        model[:] = model[took:]
    elif what == 2 and model:
        offset = rnd.below(len(model))
        n = min(n, len(model) - offset)
        assert _take(ring, n, offset) == model[offset : offset + n]
    elif what == 3:
        n = min(n, len(model))
        ring.skip(n)
        model[:] = model[n:]
    elif not model:
        ring.rewind()


def test_put_ahead():
    # Reassembly: pieces arrive in any order, behind a gap, and become one when it is filled.
    rnd = bench.Random(12)
    for _ in range(bench.scale(300)):
        size = 8 + rnd.below(60)
        ring = Ring(size)
        model = bytearray()
        waste = rnd.below(size)
        ring.write(bytes(waste), 0, waste)
        ring.skip(waste)
        held = rnd.below(size // 2)
        data = _bytes(rnd, size)
        ring.write(data, 0, held)
        model.extend(data[:held])
        rest = size - held
        cut = 1 + rnd.below(rest - 1)
        ring.put(data, held + cut, rest - cut, cut)  # the later piece first
        assert ring.len == held and _take(ring, held) == model, "put() changed what is in use"
        ring.put(data, held, cut)
        ring.commit(rest)
        assert ring.len == size and _take(ring, size) == data


def test_resize():
    # What is in use and what was put ahead keep their places, wherever the ring was wrapped.
    rnd = bench.Random(14)
    for size, start, held in ((10, 7, 5), (10, 0, 10), (7, 6, 0), (32, 31, 20)):
        ahead = size - held
        ring = Ring(size)
        data = _bytes(rnd, size)
        ring.write(data, 0, start)
        ring.skip(start)
        ring.write(data, 0, held)
        ring.put(data, held, ahead, 0)
        ring.resize(2 * size + 1)
        assert ring.len == held and ring.free() == 2 * size + 1 - held
        ring.commit(ahead)
        assert _take(ring, held + ahead) == data[: held + ahead]


def test_resize_never_shrinks():
    # All of the old storage is copied, so less than that would be written past its end.
    ring = Ring(16)
    ring.write(b"abc", 0, 3)
    try:
        ring.resize(15)
    except AssertionError:
        assert ring.size == 16 and _take(ring, 3) == b"abc"
    else:
        raise ValueError("a ring has shrunk")


def test_peek_csum():
    # The sum of a peek that wraps after an odd number of bytes has its second part turned round.
    rnd = bench.Random(13)
    for size in (15, 16, 33):
        for start in range(size):
            ring = Ring(size)
            data = _bytes(rnd, size)
            ring.write(data, 0, start)
            ring.skip(start)
            ring.write(data, 0, size)
            for n in range(size + 1):
                for offset in range(0, size - n + 1, 3):
                    acc = rnd.bits16()
                    dst = bytearray(n + 3)
                    got = ring.peek_csum(dst, 1, n, offset, acc)
                    want = ref.csum(data, offset, n, acc)
                    assert got == want, (size, start, n, offset, got, want)
                    assert dst[1 : n + 1] == data[offset : offset + n]
                if not bench.UNIX and n > 6:
                    break


bench.run_tests(globals())
