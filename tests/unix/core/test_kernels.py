# Each viper kernel against its plain twin in ref.py: every alignment, odd lengths, extreme words.

import bench
import ref
from array import array
from netstack.core import checksum, clock, random, wire
from netstack.inet import ipv4, route6
from netstack.transport import demux
from netstack.transport.tcp import (
    options,
    protocol,
    rack,
    rows,
    rto,
    segment,
    syncookie,
    synqueue,
    timers,
    timestamps,
)
from netstack.transport.tcp import input as tcp_input

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


def test_where():
    for buf in (bytearray(1), array("I", [1]), b"constant"):
        assert wire.where(buf) == ref.where(buf) > 0


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


def test_demux_read_key():
    rnd = bench.Random(10)
    for alen in (4, 16):
        for _ in range(bench.scale(50)):
            buf = bytearray(rnd.bytes(64))
            got = array("I", [0xA5A5A5A5] * 9)
            want = array("I", got)
            demux.read_key(got, buf, 41, 3, 22, alen)
            ref.read_key(want, buf, 41, 3, 22, alen)
            assert got == want, (alen, got, want)


def test_demux_table():
    rnd = bench.Random(11)
    table = demux.Table(16)
    blocks = table._blocks
    mine = (table._heads, table._links, table._keys)
    its = tuple(array(k, a) for k, a in zip("HHI", mine))
    free = list(range(16))
    used = {}
    for _ in range(bench.scale(600)):
        local = rnd.choice((0, 1, 0xFFFFFFFF))
        key = array("I", [rnd.below(3), local, 0, 0, 0, 0, 0, 0, rnd.below(2)])
        for alen in (0, 4, 16):
            got = array("I", key)
            want = array("I", key)
            found = demux._search(table.w, got, alen)
            assert found == ref.search(its[0], its[1], its[2], want, alen), (key, alen, found)
            assert got == want, (key, alen, got)
        i = ref.search(its[0], its[1], its[2], array("I", key), 0)
        if i >= 0:
            blocks[2 * i] = blocks[2 * i + 1] = 5
            theirs = array("I", blocks)
            demux._unlink(table.w, i, 0xFFFF)
            ref.unlink(its[0], its[1], its[2], theirs, i, 0xFFFF)
            assert blocks == theirs
            free.append(i)
        elif free:
            i = free.pop(rnd.below(len(free)))
            changes = table.w[9]
            demux._link(table.w, key, i)
            ref.link(its[0], its[1], its[2], key, i)
            assert table.w[9] == changes + 1
            used[i] = True
        assert mine == its, (mine, its)
    assert len(used) > 5


def test_ipv4_header():
    rnd = bench.Random(12)
    us = b"\x0a\x00\x00\x02"
    bcast = b"\x0a\x00\x00\xff"
    taken = 0
    for _ in range(bench.scale(1500)):
        got = bytearray(rnd.bytes(60))
        want = bytearray(got)
        src = rnd.choice((us, bcast, b"\x7f\0\0\1", b"\0\0\0\0", b"\xe0\0\0\1", rnd.bytes(4)))
        dst = rnd.choice((us, us, us, bcast))
        what = rnd.below(512) << 16 | rnd.below(256) << 8 | rnd.choice((1, 6, 17, 255))
        n = rnd.choice((20, 21, 40, 0xFFFF, rnd.below(50)))
        ident = rnd.bits16()
        ipv4._put_header(got, 5, n, ident, src, dst, what)
        ref.put_header(want, 5, n, ident, src, dst, what)
        assert got == want, (got, want)
        if rnd.below(3) == 0:
            i = 5 + rnd.below(20)
            got[i] ^= 1 << rnd.below(8)
            if rnd.below(2):
                got[15] = got[16] = 0
                checksum.put_csum(got, 15, checksum.csum(got, 5, 20, 0))
        size = rnd.choice((19, 20, 40, 55))
        length = ipv4._plain(got, 5, size, us, bcast)
        assert length == ref.plain(got, 5, size, us, bcast), (got, size, length)
        taken += length > 0
    assert taken


def test_ipv4_header_again():
    rnd = bench.Random(13)
    for _ in range(bench.scale(200)):
        header = bytearray(rnd.bytes(36))
        src = bytes(rnd.bytes(4))
        dst = bytes(rnd.bytes(4))
        what = rnd.below(1 << 24)
        ref.put_header(header, 16, 0, 0, src, dst, what)
        header[26] = header[27] = 0
        for to, told in ((dst, what), (src, what), (dst, what ^ 1 << rnd.below(24))):
            got = bytearray(rnd.bytes(60))
            want = bytearray(got)
            w = array("I", [0, 0, 0, rnd.choice((0, 0xFFFF, rnd.bits16()))])
            its = array("I", w)
            n = rnd.below(0x10000)
            done = ipv4._again(got, 20, n, header, src, to, told, w)
            assert done == ref.again(want, 20, n, header, src, to, told, its)
            assert got == want and w == its, (got, want)


def test_tcp_header():
    rnd = bench.Random(14)
    for _ in range(bench.scale(300)):
        cb = array("I", [rnd.choice(EDGES) for _ in range(100)])
        got = bytearray(rnd.bytes(70))
        want = bytearray(got)
        ports = (rnd.bits16(), rnd.bits16())
        numbers = (rnd.choice((0, 2, 3, 36)), ports[0], ports[1], rnd.bits16(), rnd.bits16())
        twin = array("I", cb)
        segment._put_segment(got, 9, cb, *numbers)
        ref.put_segment(want, 9, twin, *numbers)
        assert got == want and cb == twin, (got, want)
        if rnd.below(2):
            got[29:33] = b"\x01\x01\x08\x0a"
        mine = array("I", [5] * 10)
        its = array("I", mine)
        for hlen in (20, 24, 32, 36):
            assert segment._numbers(mine, got, 9, hlen) == ref.numbers(its, got, 9, hlen)
            assert mine == its, (hlen, mine, its)


def test_tcp_window():
    rnd = bench.Random(15)
    for _ in range(bench.scale(1000)):
        cb = array("I", [rnd.choice(EDGES) for _ in range(9)])
        cb[8] = (cb[7] + rnd.below(100000) - 300) & 0xFFFFFFFF
        twin = array("I", cb)
        args = (rnd.below(200000) - 300, rnd.choice((0, 1, 536, 1460)), 65535, rnd.below(15))
        got = segment._offer(cb, *args)
        assert got == ref.offer(twin, *args) and cb == twin, (args, got, cb, twin)


def test_tcp_round_trips_and_windows():
    rnd = bench.Random(17)
    cb = array("I", bytes(400))
    for _ in range(bench.scale(1000)):
        if rnd.below(50) == 0:
            cb[18] = cb[19] = cb[81] = 0
        if rnd.below(50) == 0:
            cb[13] = 0
        twin = array("I", cb)
        rtt = rnd.choice((0, 1, 20, 60000, rnd.below(300), rnd.below(60001)))
        rto._sample(cb, rtt)
        ref.sample(twin, rtt)
        w = array("I", [rnd.choice(EDGES), rnd.choice(EDGES)])
        wnd = rnd.choice((0, 1, 65535 << 14, rnd.bits16()))
        tcp_input._take_window(cb, w, wnd)
        ref.take_window(twin, w, wnd)
        tcp_input._receive_from(cb, w)
        ref.receive_from(twin, w)
        assert cb == twin, (rtt, cb, twin)


def test_tcp_options():
    rnd = bench.Random(16)
    some = (
        b"\x01",
        b"\x02\x04\x05\xb4",
        b"\x04\x02",
        b"\x03\x03\x0f",
        b"\0",
        b"\x09",
        b"\x22\x02",
    )
    some += (b"\x08\x0a\xff\x01\2\3\4\5\6\xfe", b"\x02\1", b"\x03\x09")
    some += (b"\x05\x0aABCDEFGH", b"\x05\x0bABCDEFGHI")
    for _ in range(bench.scale(1000)):
        buf = bytearray(b"".join(rnd.choice(some) for _ in range(rnd.below(6))))
        if buf and rnd.below(4) == 0:
            buf[rnd.below(len(buf))] = rnd.below(256)
        end = len(buf) - (rnd.below(3) if len(buf) > 3 else 0)
        got = array("I", [5] * 10)
        want = array("I", got)
        found = options._parse(got, buf, 0, end)
        assert found == ref.parse(want, buf, 0, end), (buf, end, found)
        assert found < 0 or got == want, (buf, got, want)


def test_tcp_numbers_of_a_connection():
    rnd = bench.Random(17)
    for _ in range(bench.scale(200)):
        got = array("I", [rnd.choice(EDGES) for _ in range(100)])
        got[14] = rnd.choice((64, 536, 537, 1460))
        want = array("I", got)
        now = rnd.choice((0, 1, 0x7FFF, 0x8000, 0x3FFFFFFF))
        carry = rnd.choice((0, 0x10000))
        protocol._add_clock(got, now, carry)
        ref.add_clock(want, now, carry)
        synqueue._unfold(got)
        ref.unfold(want)
        assert got == want, (got, want)


class Armed:
    """What timers.arm() needs of a connection, of its stack and of its timer."""

    def __init__(self, cb, now, active, due):
        self.cb = cb
        self.now = now
        self.active = active
        self.due = due
        self.st = self.timer = self
        self.started = []

    def start(self, now, wait):
        self.started.append((now, wait))


def test_tcp_arm():
    rnd = bench.Random(11)
    for _ in range(bench.scale(2000)):
        now = rnd.choice((0, 1, 0x1FFFFFFF, 0x20000000, 0x3FFFFFFF, rnd.bits32() & 0x3FFFFFFF))
        cb = array("I", [rnd.bits16() for _ in range(100)])
        for i in (24, 25, 26, 27, 28, 29, 30, 80):
            near = (now + rnd.below(2000) - 500) & 0x3FFFFFFF
            cb[i] = rnd.choice((0, 0, near, (now + 0x1FFFFFFF) & 0x3FFFFFFF))
        active = bool(rnd.below(2))
        due = (now + rnd.below(600) - 100) & 0x3FFFFFFF
        got = Armed(cb, now, active, due)
        want = Armed(cb, now, active, due)
        timers.arm(got)
        ref.arm(want)
        assert got.started == want.started and got.active == want.active, (now, list(cb[24:31]))


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


def test_rows_in_the_order_of_their_deadlines():
    rnd = bench.Random(15)
    for _ in range(bench.scale(40)):
        now = rnd.choice((0, 1, 0x1FFFFFFF, 0x20000000, 0x3FFFFFFF, rnd.bits32() & 0x3FFFFFFF))
        width = 1 + rnd.below(5)
        got = array("I", bytes(4 * 9 * width))
        want = array("I", got)
        ring = array("H", bytes(4 * 10))
        its = array("H", ring)
        for _ in range(60):
            near = (now + rnd.below(2000) - 500) & 0x3FFFFFFF or 1
            due = rnd.choice((0, near, near, (now + 0xFFFFFFF) & 0x3FFFFFFF or 1))
            row = rnd.below(9)
            rows._schedule(got, width, ring, row, due)
            ref.schedule(want, width, its, row, due)
            there = ref.in_order(its)
            assert got == want and ref.in_order(ring) == there, (row, due, list(ring))
            assert ref.in_order(ring, 0) == there[::-1], list(ring)
            for k in range(1, len(there)):
                assert ref.elapsed(got[there[k] * width], got[there[k - 1] * width]) >= 0
            now = (now + rnd.below(100)) & 0x3FFFFFFF


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
