# Selective acknowledgments that the stack sends (RFC 2018), and duplicates it tells of (RFC 2883).

import bench
from bench import SACK_OK, opt_mss

_data = bench.Random(5).bytes(8192)


def _sacking(**kw):
    """Established; both have agreed on SACK."""
    return bench.established(opts=opt_mss(1460) + SACK_OK, **kw)


def _put(f, start, end):
    """Bytes start .. end of _data (from 1, as sequence numbers), as one segment."""
    f.tcp("A", seq=start, data=_data[start - 1 : end - 1])


def test_offered():
    """RFC 2018 section 2: SACK-permitted in a SYN; in SYN,ACK only if the SYN had it."""
    f = bench.syn_sent()
    f.advance(1000)
    assert f.expect_tcp("S").opts[4] == b""
    for opts in (SACK_OK, b"", SACK_OK + bench.opt_ts(1)):
        f = bench.listening()
        f.tcp("S", opts=opt_mss(1460) + opts)
        assert (4 in f.expect_tcp("SA").opts) == bool(opts)


def test_not_unless_both():
    """RFC 2018 section 2: no SACK option to a peer that has not permitted it."""
    f = bench.established()
    _put(f, 101, 201)
    assert f.expect_tcp("A", ack=1).sack == []


def test_first_hole():
    """RFC 2018 section 4: the block is what has come, while the hole lasts."""
    f = _sacking()
    _put(f, 101, 201)
    assert f.expect_tcp("A", ack=1).sack == [(101, 201)]
    _put(f, 201, 301)
    assert f.expect_tcp("A", ack=1).sack == [(101, 301)]
    _put(f, 1, 101)
    assert f.expect_tcp("A", ack=301).sack == []


def test_most_recent_first():
    """RFC 2018 section 4: the first block holds the segment that has come last, then the others,
    most recent first."""
    f = _sacking()
    _put(f, 501, 601)
    _put(f, 101, 201)
    _put(f, 301, 401)
    f.peer.take()
    _put(f, 601, 701)
    p = f.expect_tcp("A", ack=1)
    assert p.sack == [(501, 701), (301, 401), (101, 201)], p.sack
    _put(f, 701, 801)
    assert f.expect_tcp("A").sack == [(501, 801), (301, 401), (101, 201)]
    _put(f, 1, 101)
    assert f.expect_tcp("A", ack=201).sack == [(501, 801), (301, 401)]


def test_four_blocks_or_three():
    """RFC 2018 section 3: four blocks fit, three beside timestamps; the oldest is left out."""
    for tsval, room in ((None, 4), (1, 3)):
        f = _sacking(tsval=tsval)
        for start in (101, 301, 501, 701):
            _put(f, start, start + 100)
        p = f.peer.take()[-1]
        blocks = [((a - f.iss) & 0xFFFFFFFF, (b - f.iss) & 0xFFFFFFFF) for a, b in p.sack]
        assert blocks == [(701, 801), (501, 601), (301, 401), (101, 201)][:room], blocks


def test_with_text():
    """RFC 2018 section 3: a segment with text carries the blocks for which there is room."""
    f = _sacking()
    _put(f, 101, 201)
    f.peer.take()
    f.write(b"abc")
    assert f.expect_tcp("A", data=b"abc").sack == [(101, 201)]
    f.tcp("A", seq=1)
    f.write(bytes(1460))
    p = f.expect_tcp("A", seq=4)
    assert len(p.data) == 1460 and p.sack == []


def test_batch():
    """RFC 2018 section 4: of a batch, the duplicate ACKs tell of all of it."""
    f = _sacking()
    for start in (101, 301):
        f.peer.queue(f.tcp_frame("A", seq=start, data=bytes(100)))
    f.peer.poll()
    for _ in range(2):
        assert f.expect_tcp("A", ack=1).sack == [(301, 401), (101, 201)]
    f.expect_nothing()


def test_text_that_is_not_kept():
    """RFC 2018 section 8: only what is kept is told: a fifth range finds no place."""
    f = _sacking()
    for start in (901, 701, 501, 301, 101):
        _put(f, start, start + 100)
    assert all(101 not in block for block in f.expect_tcp("A").sack)
    p = f.peer.take()[-1]
    assert len(p.sack) == 4 and (p.sack[0][0] - f.iss) & 0xFFFFFFFF == 301


def test_window_is_kept():
    """RFC 2018 section 8: what was told is never dropped: all of it is read in the end."""
    f = _sacking()
    _put(f, 2001, 3001)
    _put(f, 1001, 2001)
    _put(f, 1, 1001)
    f.peer.take()
    assert f.read() == _data[:3000]


def test_duplicate():
    """RFC 2883 4.1.1: a whole segment that came twice is the first block, once."""
    f = _sacking()
    _put(f, 1, 101)
    f.advance(100)
    f.peer.take()
    _put(f, 1, 101)
    assert f.expect_tcp("A", ack=101).sack == [(1, 101)]
    f.tcp("A", seq=1)
    assert f.expect_tcp("A", ack=101).sack == []


def test_duplicate_with_a_hole():
    """RFC 2883 4.1.2: beside a hole, the duplicate comes first, then the blocks."""
    f = _sacking()
    _put(f, 1, 101)
    _put(f, 201, 301)
    f.peer.take()
    _put(f, 1, 101)
    assert f.expect_tcp("A", ack=101).sack == [(1, 101), (201, 301)]


def test_part_that_is_duplicate():
    """RFC 2883 4.2.1: of a segment that overlaps, the part that was here."""
    f = _sacking()
    _put(f, 1, 101)
    f.advance(100)
    f.peer.take()
    _put(f, 51, 151)
    assert f.expect_tcp("A", ack=151).sack == [(51, 101)]


def test_duplicate_above_the_hole():
    """RFC 2883 4.2.2: a duplicate ahead of RCV.NXT, then the block that it lies in."""
    f = _sacking()
    _put(f, 501, 801)
    _put(f, 1001, 1101)
    f.peer.take()
    _put(f, 601, 701)
    assert f.expect_tcp("A", ack=1).sack == [(601, 701), (501, 801), (1001, 1101)]
    _put(f, 1201, 1301)
    assert f.expect_tcp("A", ack=1).sack == [(1201, 1301), (501, 801), (1001, 1101)]


def test_option_that_lies():
    """RFC 2018 section 3: an option whose length is none of a block is no option."""
    f = bench.listening()
    f.tcp("S", opts=b"\4\3\0\0")
    assert 4 not in f.expect_tcp("SA").opts
    g = _sacking(port=81)
    for opts in (b"\5\2\1\1", b"\5\4\0\0", b"\5\7\0\0\0\0\0\0", b"\5\x0a" + b"\xff" * 8 + b"\1\1"):
        g.tcp("A", opts=opts)
    g.expect_nothing()
    g.peer.expect_drop(g.tcp_frame("A", opts=b"\5\x0a\0\0"), "tcp.in_option")


bench.run_tests(globals())
