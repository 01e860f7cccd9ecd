# core/move.py's kernel of this processor against its plain twin: alignments, lengths, carries.

import bench
import ref
from array import array
from netstack.core.move import move
from uctypes import addressof

LENGTHS = tuple(range(0, 24)) + (31, 32, 33, 63, 64, 65, 66, 67, 68, 79, 80, 127, 128, 129)
LONG = (576, 1459, 1460, 1461, 1500)
GUARD = 0xA5
SPACE = 1600

job = array("I", bytes(24))


def address(words, i, buf, off):
    at = addressof(buf) + off
    words[i] = at & 0xFFFFFFFF
    words[i + 1] = at >> 32


def moved(dst, doff, src, soff, n):
    """move() of these; `dst` None: only the sum. What is around the destination stays as it is,
    and so do the source and the job."""
    address(job, 2, src, soff)
    job[0] = job[1] = 0
    if dst is not None:
        address(job, 0, dst, doff)
        dst[doff - 1] = dst[doff + n] = GUARD
    job[4] = n
    job[5] = 0x12345678
    was = list(job)
    got = move(job)
    assert list(job) == was, (was, job)
    if dst is not None:
        assert dst[doff - 1] == GUARD and dst[doff + n] == GUARD, (doff, soff, n)
    return got


def check(src, soff, n, dst, doff):
    want_dst = bytearray(n)
    want = ref.move(want_dst, memoryview(src)[soff : soff + n])
    got = moved(None, 0, src, soff, n)
    assert got == want, ("sum", soff, n, got, want)
    got = moved(dst, doff, src, soff, n)
    assert got == want, (doff, soff, n, got, want)
    assert memoryview(dst)[doff : doff + n] == want_dst, (doff, soff, n)


def test_every_alignment():
    rnd = bench.Random(11)
    src = bytearray(rnd.bytes(SPACE))
    dst = bytearray(SPACE)
    for n in LENGTHS:
        for soff in range(4):
            for doff in range(4, 8):
                check(src, soff, n, dst, doff)


def test_long_ones():
    rnd = bench.Random(12)
    src = bytearray(rnd.bytes(SPACE))
    dst = bytearray(SPACE)
    for n in LONG:
        for k in range(16):
            if bench.UNIX or k % 5 == n % 5:
                check(src, k & 3, n, dst, 4 + (k >> 2))


def test_random_ones():
    rnd = bench.Random(13)
    src = bytearray(rnd.bytes(SPACE))
    dst = bytearray(SPACE)
    for _ in range(bench.scale(300)):
        soff = rnd.bits16() % 64
        n = rnd.bits16() % (200 if rnd.bits16() & 1 else SPACE - 80)
        check(src, soff, n, dst, 1 + rnd.bits16() % 64)


def test_carries():
    # All ones make a carry of every addition; zeros none; these patterns make one in each half.
    dst = bytearray(SPACE)
    for word in (
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
        b"\xff\xff\0\0",
        b"\0\0\xff\xff",
        b"\1\0\xff\xff",
    ):
        src = bytearray(word * (SPACE // 4))
        for n in (1, 2, 3, 4, 16, 20, 64, 65, 128, 130, 1460, 1499):
            for off in range(4) if n < 200 or bench.UNIX else (0, 3):
                check(src, off, n, dst, 4 + off)


def test_one_carry_at_every_word():
    src = bytearray(200)
    dst = bytearray(SPACE)
    for at in range(0, 200, 4):
        for k in range(200):
            src[k] = 0xFF if k - at in (0, 1, 2, 3) else 1 if k % 4 == 0 else 0
        check(src, 0, 200, dst, 4)


def test_longest():
    n = 65535
    src = bytearray(b"\xff" * n)
    assert moved(None, 0, src, 0, n) == 0xFF
    dst = bytearray(n + 6)
    for doff in (4, 5):
        assert moved(dst, doff, src, 0, n) == 0xFF
        assert dst[doff] == dst[doff + n - 1] == 0xFF
    assert moved(None, 0, src, 1, n - 1) == 0xFFFF


def test_nothing():
    src = bytearray(8)
    dst = bytearray(8)
    for off in range(1, 5):
        assert moved(dst, off, src, off, 0) == 0
        assert moved(None, 0, src, off, 0) == 0


bench.run_tests(globals())
