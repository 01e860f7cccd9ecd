# Text out of order (RFC 9293 3.10.7.4 seventh) and the ring it is put together in.

import bench
from bench import Random
from netstack.transport.tcp.ranges import Ranges

_data = Random(11).bytes(8192)


def _put(f, start, end):
    """Bytes start .. end of _data (from 0), as one segment."""
    f.tcp("A", seq=1 + start, data=_data[start:end])


def test_hole():
    """RFC 5681 4.2: text behind a hole: a duplicate ACK at once; hole filled: an ACK of all."""
    f = bench.established()
    _put(f, 100, 200)
    f.expect_tcp("A", seq=1, ack=1)
    _put(f, 200, 300)
    f.expect_tcp("A", seq=1, ack=1)
    assert f.read() is None
    _put(f, 0, 100)
    f.expect_tcp("A", ack=301)
    assert f.read() == _data[:300]
    assert f.host.stat("tcp")["out_of_order"] == 2


def test_window_stays_while_there_are_holes():
    """RFC 5681 section 2 (e): duplicate ACKs offer the same window, or they would not count."""
    f = bench.established()
    sent = []
    for i in range(3):
        _put(f, 100 + 100 * i, 200 + 100 * i)
        sent.append(f.expect_tcp("A", ack=1).wnd)
    assert sent[0] == sent[1] == sent[2]


def test_batch_out_of_order():
    """RFC 5681 4.2: several segments out of order in one batch: three bare duplicate ACKs, which
    make the peer send again, and our own text besides."""
    f = bench.established()
    f.tcp("A", wnd=0)
    f.write(b"text")
    for i in range(1, 7):  # they open the window as well
        f.peer.queue(f.tcp_frame("A", seq=1 + 100 * i, data=_data[100 * i : 100 * i + 100]))
    f.peer.poll()
    first = f.expect_tcp("A", ack=1, data=b"")
    for _ in range(2):
        f.expect_tcp("A", ack=1, data=b"", wnd=first.wnd)
    f.expect_tcp("A", ack=1, data=b"text")
    f.tcp("A", seq=1)
    f.expect_nothing()
    for start in (700, 0):  # filled within the batch: nothing to complain of
        f.peer.queue(f.tcp_frame("A", seq=1 + start, data=_data[start : start + 100]))
    f.peer.poll()
    f.expect_tcp("A", ack=801)
    f.expect_nothing()


def test_four_holes():
    """RFC 9293 3.10.7.4 seventh: four ranges are remembered; a fifth is sent again."""
    f = bench.established()
    for i in range(1, 6):
        _put(f, 200 * i, 200 * i + 100)
    f.peer.take()
    for i in range(5):
        _put(f, 200 * i, 200 * i + 200)
    assert f.read() == _data[:1000]
    f.peer.take()
    _put(f, 1000, 1200)
    f.advance(100)
    f.expect_tcp("A", ack=1201)
    assert f.read() == _data[1000:1200]


def test_fifth_hole_nearer():
    """RFC 9293 3.10.7.4 seventh: a range that finds no place does no harm to the others."""
    f = bench.established()
    for i in (8, 6, 4, 2, 1):  # the last touches none
        _put(f, 200 * i + 50, 200 * i + 100)
    _put(f, 0, 450)
    assert f.read() == _data[:500]
    _put(f, 500, 2000)
    assert f.read() == _data[500:2000]


def test_overlaps():
    """RFC 9293 3.10.7.4 seventh: overlapping ranges join, whichever comes first."""
    for ranges in (
        ((100, 200), (150, 250), (0, 120)),
        ((150, 250), (100, 200), (0, 100)),
        ((100, 300), (150, 200), (0, 300)),
        ((150, 200), (100, 300), (0, 50), (40, 110)),
        ((100, 200), (300, 400), (500, 600), (150, 550), (0, 600)),
        ((100, 200), (300, 400), (500, 600), (200, 300), (400, 500), (0, 100)),
        ((100, 200), (100, 200), (0, 100)),
    ):
        f = bench.established()
        for start, end in ranges:
            _put(f, start, end)
        top = max(end for _, end in ranges)
        assert f.read() == _data[:top], ranges
        assert f.conn.ranges.n == 0
        f.advance(100)
        assert (f.peer.take()[-1].ack - f.iss) & 0xFFFFFFFF == 1 + top, ranges


def test_ring_wraps():
    """RFC 9293 3.10.7.4 seventh: holes that lie across the end of the ring."""
    f = bench.established(rcvbuf=2048)
    at = 0
    unread = b""  # a byte is always left, so that the ring does not start anew
    for step in (800, 700, 1001, 333, 999, 100, 800, 1, 1000):
        part = step // 3
        data = Random(step).bytes(step)
        for start, end in ((2 * part, step), (part, 2 * part), (0, part + 1)):
            f.tcp("A", seq=1 + at + start, data=data[start:end])
        want = unread + data
        assert f.read(len(want) - 1) == want[:-1], step
        unread = want[-1:]
        f.advance(100)
        f.peer.take()
        at += step
    assert f.read() == unread


def test_random_arrival():
    """RFC 9293 3.10.7.4 seventh: any order, overlap and repetition gives the same text."""
    rnd = Random(21)
    for _ in range(bench.scale(20)):
        f = bench.established(rcvbuf=3000)
        done = 0
        rounds = 0
        got = b""
        while done < len(_data):
            rounds += 1
            assert rounds < 3000
            edge = min(len(_data), done + f.conn.space())
            if rounds % 4 == 0:
                start = done  # the oldest hole is filled now and then
            else:
                start = max(0, done - 300) + rnd.below(edge - done + 300)
            _put(f, start, min(start + 1 + rnd.below(700), len(_data)))
            if rounds % 3 == 0 or start == done:
                part = f.read(1 + rnd.below(2000))
                got += part or b""
            f.peer.take()
            done = f.conn.cb[7] - f.conn.cb[6] - 1 & 0xFFFFFFFF  # RCV.NXT - IRS
        got += f.read() or b""
        assert got == _data, (len(got), len(_data))


def test_ranges_against_a_set():
    """RFC 9293 3.10.7.4 seventh: the list of ranges compared with a plain set of numbers."""
    rnd = Random(31)
    for _ in range(bench.scale(300)):
        ranges = Ranges(4)
        here = set()
        for _ in range(12):
            start = 1 + rnd.below(60)
            end = start + 1 + rnd.below(12)
            if ranges.add(start, end):
                here.update(range(start, end))
            else:
                assert ranges.n == 4
            _same(ranges, here)
            if rnd.below(4) == 0:
                n = 1 + rnd.below(10)
                more = ranges.advance(n)
                here = set(k - n for k in here if k >= n)
                run = 0
                while run in here:
                    run += 1
                assert more == run, (more, run)
                here = set(k - run for k in here if k >= run)
                _same(ranges, here)


def _same(ranges, here):
    told = set()
    last = -1
    for i in range(ranges.n):
        assert last < ranges.start[i] < ranges.end[i], "not sorted and apart"
        last = ranges.end[i]
        told.update(range(ranges.start[i], ranges.end[i]))
    assert told == here, (told, here)


bench.run_tests(globals())
