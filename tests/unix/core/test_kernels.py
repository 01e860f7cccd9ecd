# Each viper kernel against its plain twin in ref.py: every alignment, odd lengths, extreme words.

import bench
import ref
from array import array
from netstack.core import checksum, clock, random, wire
from netstack.inet import ipv4, route6
from netstack.transport import demux
from netstack.transport.tcp import rack, rows, syncookie, timers, timestamps

LENGTHS = tuple(range(0, 24)) + (31, 32, 33, 63, 64, 65, 127, 576, 1460, 1472, 1473, 1500)
EDGES = (
    0,
    1,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x10000,
    0x3FFFFFFF,
    0x40000000,
    0x40000001,
    0x7FFFFFFF,
    0x80000000,
    0x80000001,
    0xBFFFFFFF,
    0xC0000000,
    0xC0000001,
    0xFFFF0000,
    0xFFFFFFFE,
    0xFFFFFFFF,
)
GUARD = 0xA5


def test_address():
    got = array("I", bytes(16))
    want = array("I", bytes(16))
    for buf in (bytearray(1), array("I", [1]), b"constant"):
        wire.address(got, 1, buf)
        ref.address(want, 1, buf)
        assert got == want and got[1], (got, want)


def test_tick():
    got = array("I", [5, 0xFFFFFFF0])
    want = array("I", got)
    for now in (5, 6, 0x3FFFFFFF, 0, 100):
        clock.tick(got, now)
        ref.tick(want, now)
        assert got == want, (got, want)


def test_csum_every_alignment():
    rnd = bench.Random(1)
    buf = bytearray(rnd.bytes(1512))
    for n in LENGTHS:
        for off in range(8):
            for acc in (0, 1, 0xFFFF, rnd.bits16()):
                got = checksum.csum(buf, off, n, acc)
                want = ref.csum(buf, off, n, acc)
                assert got == want, (off, n, acc, got, want)
                if n > 64 and not bench.UNIX:
                    break


def test_csum_extreme_bytes():
    # The longest run of ones: no accumulator may overflow; and zero stays zero (RFC 1071).
    ones = bytearray(b"\xff" * 1504)
    zeros = bytearray(1504)
    for n in (1, 2, 3, 4, 1472, 1499, 1500):
        for off in range(4):
            for acc in (0, 0xFFFF):
                got = checksum.csum(ones, off, n, acc)
                assert got == ref.csum(ones, off, n, acc), (off, n, acc, got)
                assert checksum.csum(zeros, off, n, acc) == acc
    big = bytearray(b"\xff" * 65000)
    assert checksum.csum(big, 0, 65000, 0xFFFF) == 0xFFFF


def test_copy_every_alignment():
    rnd = bench.Random(2)
    src = bytearray(rnd.bytes(1512))
    dst = bytearray(1520)
    for n in LENGTHS:
        for soff in range(4):
            for doff in range(4, 8):
                for i in range(len(dst)):
                    dst[i] = GUARD
                    if i > n + 16:
                        break
                checksum.copy(dst, doff, src, soff, n)
                assert ref.same(dst, doff, src, soff, n), (soff, doff, n)
                assert dst[doff - 1] == GUARD and dst[doff + n] == GUARD, (soff, doff, n)


def test_copy_csum_every_alignment():
    rnd = bench.Random(3)
    src = bytearray(rnd.bytes(1512))
    dst = bytearray(1520)
    for n in LENGTHS:
        acc = rnd.bits16()
        for soff in range(4):
            want = ref.csum(src, soff, n, acc)
            for doff in range(4, 8):
                dst[doff - 1] = dst[doff + n] = GUARD
                got = checksum.copy_csum(dst, doff, src, soff, n, acc)
                assert got == want, (soff, doff, n, acc, got, want)
                assert ref.same(dst, doff, src, soff, n), (soff, doff, n)
                assert dst[doff - 1] == GUARD and dst[doff + n] == GUARD, (soff, doff, n)
    ones = bytearray(b"\xff" * 1504)
    assert checksum.copy_csum(dst, 0, ones, 0, 1500, 0xFFFF) == 0xFFFF


def test_put_csum():
    for acc in (0, 1, 0xFF, 0x100, 0x1234, 0xFFFE, 0xFFFF):
        got = bytearray(b"\xa5" * 6)
        want = bytearray(b"\xa5" * 6)
        for off in (1, 2):
            checksum.put_csum(got, off, acc)
            ref.put_csum(want, off, acc)
        assert got == want, (acc, got, want)


def test_pseudo():
    rnd = bench.Random(4)
    for alen in (4, 16):
        for n in (0, 8, 255, 256, 1480, 65535):
            for fill in (None, 0, 255):
                a = bytearray(rnd.bytes(20) if fill is None else bytes([fill] * 20))
                b = bytearray(rnd.bytes(20) if fill is None else bytes([fill] * 20))
                for proto in (6, 17, 255):
                    for soff, doff in ((0, 0), (1, 2), (3, 1), (2, 4)):
                        args = (a, soff, b, doff, alen, proto, n)
                        got = checksum.pseudo(*args)
                        assert got == ref.pseudo(*args), (args, got)


def test_16_bit_fields():
    for value in (0, 1, 0xFF, 0x100, 0x1234, 0x7FFF, 0x8000, 0xFFFF):
        got = bytearray(b"\xa5" * 6)
        want = bytearray(b"\xa5" * 6)
        for off in (1, 2):
            wire.put16(got, off, value)
            ref.put16(want, off, value)
            assert wire.get16(got, off) == value == ref.get16(want, off)
        assert got == want


def test_32_bit_fields():
    rnd = bench.Random(5)
    words = array("I", bytes(12))
    for value in EDGES + tuple(rnd.bits32() for _ in range(50)):
        for off in range(1, 5):
            buf = bytearray(b"\xa5" * 10)
            words[1] = value
            wire.store32(buf, off, words, 1)
            want = bytearray(b"\xa5" * 10)
            ref.store32(want, off, words, 1)
            assert buf == want, (value, off, buf)
            words[1] = 0
            wire.load32(words, 1, buf, off)
            assert list(words) == [0, value, 0], (value, off, words)
            got = wire.get32(buf, off)
            assert got == ref.get32(buf, off), (value, off, got)
        wire.move32(words, 2, words, 1)
        assert words[2] == value
        words[2] = 0


def test_add32():
    words = array("I", bytes(12))
    for value in EDGES:
        for n in (0, 1, -1, 1460, 65535, -65535, 0x3FFFFFFF, -0x3FFFFFFF):
            words[1] = value
            wire.add32(words, 1, n)
            want = array("I", [0, value, 0])
            ref.add32(want, 1, n)
            assert words == want, (value, n, words[1], want[1])


def test_sub32():
    # RFC 9293 3.4: the sign of the difference modulo 2^32, which must not wrap where ints do
    rnd = bench.Random(6)
    values = EDGES + tuple(rnd.bits32() for _ in range(30))
    a = array("I", bytes(8))
    b = array("I", bytes(8))
    for x in values:
        for y in values:
            a[1] = x
            b[0] = y
            got = wire.sub32(a, 1, b, 0)
            assert got == ref.sub32(a, 1, b, 0), ("%x %x" % (x, y), got)


def test_same_zero_find():
    rnd = bench.Random(7)
    for _ in range(bench.scale(300)):
        n = rnd.below(20)
        a = bytearray(x & 1 for x in rnd.bytes(24))
        b = bytearray(a)
        i = rnd.below(5)
        if rnd.below(2):
            b[rnd.below(24)] ^= 1
        assert wire.same(a, i, b, i, n) is ref.same(a, i, b, i, n), (a, b, i, n)
        assert wire.zero(a, i, n) is ref.zero(a, i, n), (a, i, n)
    for width in (4, 6, 16):
        table = bytearray(x & 1 for x in rnd.bytes(width * 16))
        for _ in range(30):
            row = rnd.below(16) * width
            buf = b"\xa5" + bytes(table[row : row + width])
            for count in (0, 1, 8, 16):
                got = wire.find(table, count, width, buf, 1)
                assert got == ref.find(table, count, width, buf, 1), (width, count, got)


def test_clock():
    edges = (0, 1, 0x1FFFFFFF, 0x20000000, 0x20000001, 0x3FFFFFFE, 0x3FFFFFFF)
    for now in edges:
        for then in edges:
            got = clock.elapsed(now, then)
            assert got == ref.elapsed(now, then), (now, then, got)
        for ms in (0, 1, 500, 0x1FFFFFFF):
            got = clock.later(now, ms)
            assert got == ref.later(now, ms), (now, ms, got)
            assert clock.elapsed(got, now) == ms


def test_xorshift():
    for seed in EDGES[1:]:
        got = array("I", [seed])
        want = array("I", [seed])
        for _ in range(200):
            assert random._xorshift(got) == ref.xorshift(want), seed
            assert got == want, (seed, got, want)


def test_on_link():
    rnd = bench.Random(8)
    for _ in range(bench.scale(500)):
        addr = rnd.bytes(4)
        dst = bytearray(rnd.bytes(1) + addr)
        dst[1 + rnd.below(4)] ^= 1 << rnd.below(8)
        bits = rnd.below(33)
        mask = (0xFFFFFFFF << (32 - bits) & 0xFFFFFFFF).to_bytes(4, "big")
        assert ipv4._on_link(dst, 1, addr, mask) is ref.on_link(dst, 1, addr, mask), (addr, bits)


def test_common():
    rnd = bench.Random(10)
    for bits in range(129):
        a = bytearray(rnd.bytes(18))
        b = bytearray(b"\xa5" + a[2:18])
        if bits < 128:
            b[1 + (bits >> 3)] ^= 0x80 >> (bits & 7)
            if bits < 127:
                b[16] ^= rnd.below(2)
        assert route6.common(a, 2, b, 1) == ref.common(a, 2, b, 1) == bits, (bits, a, b)


def test_demux_keys():
    rnd = bench.Random(9)
    for alen in (0, 4, 16):
        for lport in (0, 1, 0x7FFF, 0x8000, 0xFFFF):
            for rport in (0, 80, 0xFFFF):
                a = bytearray(rnd.bytes(19))
                b = bytearray(rnd.bytes(19))
                got = array("I", [0xA5A5A5A5] * 9)
                want = array("I", got)
                demux.set_key(got, lport, rport, a, 1, b, 2, alen)
                ref.set_key(want, lport, rport, a, 1, b, 2, alen)
                assert got == want, (alen, lport, rport, got, want)
                _compare_clears(got)


def _compare_clears(key):
    for mine, twin, args in (
        (demux.clear_local, ref.clear_local, (4,)),
        (demux.clear_local, ref.clear_local, (16,)),
        (demux.clear_remote, ref.clear_remote, ()),
    ):
        got = array("I", key)
        want = array("I", key)
        mine(got, *args)
        twin(want, *args)
        assert got == want, (key, got, want)
        for mask in (15, 255, 4095):
            assert demux._hash(got, mask) == ref.hash_key(want, mask), (key, mask)


def test_demux_hash_of_extreme_words():
    for edge in EDGES:
        key = array("I", [edge] * 9)
        for mask in (15, 4095):
            got = demux._hash(key, mask)
            assert got == ref.hash_key(key, mask), ("%x" % edge, mask, got)


def test_demux_find():
    rnd = bench.Random(10)
    keys = array("I", [rnd.bits16() & 1 for _ in range(9 * 16)])
    heads = array("H", [0xFFFF] * 4)
    links = array("H", [0xFFFF] * 16)
    for i in range(16):
        links[i] = heads[i & 3]
        heads[i & 3] = i
    for i in range(16):
        for wanted in (keys[9 * i : 9 * i + 9], array("I", [2] * 9)):
            for bucket in range(4):
                got = demux._find(heads, links, keys, wanted, bucket)
                assert got == ref.find_key(heads, links, keys, wanted, bucket), (i, bucket, got)


def test_tcp_earliest_deadline():
    rnd = bench.Random(11)
    for _ in range(bench.scale(2000)):
        now = rnd.choice((0, 1, 0x1FFFFFFF, 0x20000000, 0x3FFFFFFF, rnd.bits32() & 0x3FFFFFFF))
        cb = array("I", [rnd.bits16() for _ in range(100)])
        for i in (24, 25, 26, 27, 28, 29, 30, 80):
            near = (now + rnd.below(2000) - 500) & 0x3FFFFFFF
            cb[i] = rnd.choice((0, 0, near, (now + 0x1FFFFFFF) & 0x3FFFFFFF))
        got = timers._earliest(cb, now)
        assert got == ref.earliest(cb, now), (now, list(cb[24:31]), got)


def test_tcp_rack_note():
    rnd = bench.Random(12)
    for _ in range(bench.scale(300)):
        cb = array("I", [0, rnd.choice(EDGES), 0, rnd.choice(EDGES)])
        got = array("I", [rnd.choice(EDGES) for _ in range(80)])
        got[72] = rnd.choice((0, 1, 2, 23, 24))
        now = rnd.below(3) + 0x3FFFFFF0
        i = 3 * got[72]
        if i:
            got[i - 2] = now - rnd.below(2)
            got[i - 1] = rnd.below(2)
            got[i - 3] = rnd.choice((got[i - 3], cb[3]))
        want = array("I", got)
        assert rack._note(got, cb, now) == ref.note(want, cb, now)
        assert got == want, (got, want)


def test_tcp_rack_slide():
    for src in range(6):
        for dst in range(6):
            for n in range(6):
                got = array("I", [0xFFFFFFF0 + i for i in range(12)])
                want = array("I", got)
                rack._slide(got, src, dst, n)
                ref.slide(want, src, dst, n)
                assert got == want, (src, dst, n, got)


def test_rows_soonest_deadline():
    rnd = bench.Random(15)
    for _ in range(bench.scale(500)):
        now = rnd.choice((0, 1, 0x1FFFFFFF, 0x20000000, 0x3FFFFFFF, rnd.bits32() & 0x3FFFFFFF))
        width = 1 + rnd.below(5)
        column = rnd.below(width)
        words = array("I", [rnd.bits16() for _ in range(9 * width)])
        for i in range(9):
            near = (now + rnd.below(2000) - 500) & 0x3FFFFFFF
            words[i * width + column] = rnd.choice((0, near, (now + 0x1FFFFFFF) & 0x3FFFFFFF))
        for n in (0, 1, 9):
            got = rows._soonest(words, width, column, n, now)
            assert got == ref.soonest(words, width, column, n, now), (now, list(words), got)


def test_rows_gather_and_scatter():
    rnd = bench.Random(16)
    for n in range(8):
        kept = bytes(rnd.below(20) for _ in range(n))
        cb = array("I", [rnd.choice(EDGES) for _ in range(20)])
        got = array("I", [7] * 12)
        want = array("I", got)
        rows.gather(got, 3, cb, kept, n)
        ref.gather(want, 3, cb, kept, n)
        assert got == want, (n, got, want)
        mine = array("I", cb)
        its = array("I", cb)
        rows.scatter(mine, 19, got, 3, kept, n)
        ref.scatter(its, 19, got, 3, kept, n)
        assert mine == its, (n, mine, its)


def test_low_bits():
    for a in EDGES:
        for b in EDGES:
            words = array("I", [b, 7, b])
            got = syncookie._low_bits(array("I", [9, a]), 1, words, 2)
            assert got == ref.low_bits([9, a], 1, words, 2), (a, b, got)


def test_tcp_timestamps():
    ticks = array("I", [0, 0])
    w = array("I", bytes(16))
    cb = array("I", bytes(48 * 4))
    got = bytearray(16)
    want = bytearray(16)
    for ticks[1] in EDGES:
        for cb[41] in EDGES:
            for x in EDGES:
                w[3] = cb[39] = x
                timestamps._put_stamps(got, 2, ticks, cb)
                ref.put_stamps(want, 2, ticks, cb)
                assert got == want
                assert timestamps._since_echo(ticks, cb, w) == ref.since_echo(ticks, cb, w)


bench.run_tests(globals())
