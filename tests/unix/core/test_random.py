# core/random.py: a seed gives the same numbers on every target; no seed gives others every time.

import bench
from netstack.core.random import Random


def _model(seed, n):
    import ref

    state = [(seed * 2654435761 + 1) & 0xFFFFFFFF or 1]
    return [ref.xorshift(state) for _ in range(n)]


def test_sequence_is_marsaglias():
    for seed in (0, 1, 2, 12345, 0x7FFFFFFF):
        rnd = Random(seed)
        assert [rnd.bits16() for _ in range(100)] == _model(seed, 100), seed


def test_below():
    rnd = Random(7)
    for n in (1, 2, 3, 100, 16384, 65536):
        got = [rnd.below(n) for _ in range(200)]
        assert min(got) >= 0 and max(got) < n, n
    rnd = Random(8)
    hits = [0] * 10
    for _ in range(2000):
        hits[rnd.below(10)] += 1
    assert min(hits) > 120 and max(hits) < 280, hits


def test_fill():
    rnd = Random(9)
    buf = bytearray(40)
    rnd.fill(buf, 3, 30)
    assert buf[:3] == bytes(3) and buf[33:] == bytes(7)
    assert len(set(buf[3:33])) > 15
    again = bytearray(40)
    Random(9).fill(again, 3, 30)
    assert again == buf


def test_unseeded():
    a = [Random().bits16() for _ in range(16)]
    b = [Random().bits16() for _ in range(16)]
    assert a != b and len(set(a)) > 8
    assert max(a + b) < 65536 and min(a + b) >= 0


bench.run_tests(globals())
