# Attacks by their names: what a stranger who cannot see the connection, or a peer that wants to
# hurt, can send; and that it costs no more than it should.

import bench
import fence
import gc

fence.up()
ISS = 0xFFFFFE00


def _rates(f, frame, rounds, ms):
    """ACKs sent when each that comes is answered with `frame()`, `ms` later: (first s, rest)."""
    counts = []
    f.peer.send(frame())
    start = f.clock.ms
    for _ in range(rounds):
        got = [p for p in f.peer.take() if p.kind == "tcp"]
        counts += [f.clock.ms - start] * len(got)
        f.advance(ms)
        if got:
            f.peer.send(frame())
    return counts


def test_ack_storm():
    """RFC 5961 section 7: two ends that do not agree on their numbers answer each ACK with an ACK:
    no more than 10 of them in a second, and it dies out when the peer keeps to that as well."""
    cases = (
        (None, lambda f: f.tcp_frame("A", seq=-100)),
        (None, lambda f: f.tcp_frame("A", seq=50000)),
        (None, lambda f: f.tcp_frame("A", seq=1, ack=5000)),
        (None, lambda f: f.tcp_frame("A", seq=1, ack=-70000)),
        (1000, _stale),
    )
    for tsval, frame in cases:
        bench.forget()
        opts = bench.opt_mss(1460) + (bench.opt_ts(1000) if tsval else b"")
        f = bench.established(tsval=tsval, opts=opts)
        counts = _rates(f, lambda: frame(f), 500, 10)
        assert 1 <= len(counts) <= 10, "%d ACKs" % len(counts)
        bench.tidy()
        bench.clean()


def _stale(f):
    """RFC 7323 5.3: an ACK whose timestamp lies before the last one."""
    f.tsval = 900
    frame = f.tcp_frame("A", seq=1)
    f.tsval = 1000
    return frame


def test_ack_storm_with_text():
    """RFC 9293 3.10.7.4 first: text that has come before is always acknowledged."""
    f = bench.established()
    f.tcp(data=b"abc")
    f.advance(50)
    f.peer.take()
    for _ in range(30):
        f.tcp(seq=1, data=b"abc")
        f.expect_tcp("A", seq=1, ack=4)


def test_keepalives_are_answered():
    """RFC 9293 3.8.4: a probe each second is answered, however long."""
    f = bench.established()
    for _ in range(60):
        f.tcp("A", seq=0)
        f.expect_tcp("A", seq=1, ack=1)
        f.advance(1000)


def test_challenges_tell_nothing():
    """CVE-2016-5696: forgeries for one connection leave no trace in the answers to another one."""
    p = bench.peer(tcp=True)
    a = bench.established(p=p, port=80, sport=40000)
    b = bench.established(p=p, port=81, sport=40001)
    for i in range(100):
        a.tcp("R", seq=2 + i)
    assert len(p.take()) == 10
    b.tcp("R", seq=100)
    b.expect_tcp("A", seq=1, ack=1)


def test_challenges_after_days():
    """RFC 5961 section 7: the limit ends, also when the clock has gone round."""
    for days in (1, 5, 7, 12):
        bench.forget()
        f = bench.established()
        for i in range(20):
            f.tcp("R", seq=2 + i)
        f.peer.take()
        f.clock.ms += days * 86400000
        f.peer.poll()
        f.peer.take()
        f.tcp("R", seq=3)
        f.expect_tcp("A", seq=1, ack=1)
        bench.tidy()
        bench.clean()


def test_blind_rst():
    """RFC 5961 section 3: of 200 guesses all over the space none resets."""
    f = bench.established()
    for i in range(200):
        f.tcp("R", seq=2 + (i * 0x01477777 & 0xFFFFFFFF))
        f.tcp("RA", seq=3 + (i * 0x01477777 & 0xFFFFFFFF), ack=i)
    assert f.conn.state == 4
    assert len(f.peer.take()) <= 10


def test_blind_syn():
    """RFC 5961 section 4."""
    f = bench.established()
    for i in range(200):
        f.tcp("S", seq=i * 0x01477777 & 0xFFFFFFFF, data=b"x" * (i & 1))
        f.tcp("SA", seq=i * 0x01477777 & 0xFFFFFFFF, ack=i)
    assert f.conn.state == 4 and f.conn.available() == 0
    assert len(f.peer.take()) <= 10
    f.tcp(data=b"still here")
    assert f.read() == b"still here"


def test_blind_data():
    """RFC 5961 section 5: text in the window is taken only with an ACK that can be right."""
    f = bench.established()
    f.write(b"12345")
    f.expect_tcp("A", seq=1, data=b"12345")
    for ack in (7, 1000, 1 << 30, (1 << 31) - 1, 1 << 31, -65536 - 200000, -(1 << 30)):
        f.tcp(seq=1, ack=ack, data=b"evil")
    assert f.conn.available() == 0
    assert len([p for p in f.peer.take() if not p.data]) <= 10
    f.tcp(ack=6, data=b"good")
    assert f.read() == b"good"


def test_split_handshake():
    """Our SYN is answered with an ACK, then a SYN (RFC 9293 3.5, figure 8): open, once."""
    f = bench.syn_sent()
    f.tcp("A", seq=0, ack=1)
    f.expect_nothing()
    f.tcp("S", seq=0, opts=bench.opt_mss(1460))
    f.expect_tcp("SA", seq=0, ack=1)
    assert f.conn.state == 3
    f.snd_nxt = 1
    f.tcp("A", ack=1)
    assert f.conn.state == 4
    f.tcp(data=b"abc")
    assert f.read() == b"abc"


def test_split_handshake_with_syn_ack():
    """The same with a SYN,ACK at the end, as figure 8 has it."""
    f = bench.syn_sent()
    f.tcp("S", seq=0, opts=bench.opt_mss(1460))
    f.expect_tcp("SA", seq=0, ack=1)
    f.snd_nxt = 1
    f.tcp("SA", seq=0, ack=1)
    assert f.conn.state == 4
    f.peer.take()
    f.tcp(data=b"abc")
    assert f.read() == b"abc"


def test_optimistic_ack():
    """Savage 1999, RFC 5961 5.2: an ACK of what was not sent neither grows the window nor moves
    SND.UNA."""
    f = bench.established()
    f.write(bytes(8000))
    sent = sum(len(p.data) for p in f.peer.take())
    cwnd = f.conn.cb[15]
    for i in range(1, 20):
        f.tcp("A", ack=1 + sent + 1460 * i)
    assert f.conn.cb[15] == cwnd and f.conn.tx.len == 8000
    assert sum(len(p.data) for p in f.peer.take()) == 0


def _grown(pieces):
    """How far the window has grown when two segments were acknowledged in so many pieces."""
    gc.collect()  # of the hosts before, which a board has no room for
    f = bench.established()
    f.conn.cb[15] = 2920
    taken = f.write(bytes(12000))
    sent = f.peer.take()
    assert sum(len(p.data) for p in sent) == 2920, (taken, sent, f.conn.cb)
    for i in range(1, pieces + 1):
        f.tcp("A", ack=1 + 2920 * i // pieces)
    return f.conn.cb[15] - 2920


def test_ack_division():
    """RFC 3465 section 2: bytes count, not ACKs: dividing them gains nothing."""
    assert _grown(1) == 2920
    bench.forget()
    assert _grown(2) == 2920
    bench.forget()
    assert _grown(292) <= 2920


def test_duplicate_acks_are_forged():
    """Savage 1999: ACKs again and again, after all has been acknowledged, grow nothing."""
    f = bench.established()
    cwnd = f.conn.cb[15]
    for _ in range(200):
        f.tcp("A")
    assert f.conn.cb[15] == cwnd
    f.expect_nothing()


def _closed_window(ms, orphan):
    """A peer with a closed window that answers each probe; (state, frames sent) after `ms`."""
    f = bench.established()
    f.write(bytes(4000))
    f.peer.take()
    f.tcp("A", ack=1, wnd=0)
    if orphan:
        f.close()
    end = f.clock.ms + ms
    count = 0
    while f.clock.ms < end and f.conn.state:
        f.advance(1000)
        if f.peer.take():
            count += 1
            f.tcp("A", ack=f.conn.cb[1] - f.irs & 0xFFFFFFFF, wnd=0)
    return f, count


def test_zero_window_for_ever():
    """RFC 9293 3.8.6.1: a window may stay closed as long as the program has patience, probes come
    once a minute at the end."""
    f, count = _closed_window(3600000, False)
    assert f.conn.state == 4
    assert 60 <= count < 90, count


def test_zero_window_of_an_orphan():
    """RFC 6429 section 3: what nobody waits for any more is given up, though the peer answers
    (sockstress): its memory belongs to others."""
    f, count = _closed_window(3600000, True)
    assert f.conn.state == 0, f.conn.state
    assert count < 20, count
    assert f.clock.ms < 900000, f.clock.ms
    f.peer.take()
    bench.clean(f.host)


def test_many_zero_windows():
    """Sockstress: as many as come, and the budget holds; the next one is refused, not more."""
    p = bench.peer(tcp=True, budget=128 * 1024)
    first = bench.listening(p=p, backlog=200)
    held = []
    for i in range(200):
        f = p.flow(1000 + i, 80)
        f.wnd = 0
        f.tcp("S", opts=bench.opt_mss(1460))
        answers = [x for x in p.take() if x.kind == "tcp"]
        if not answers or "S" not in answers[0].flags:
            continue
        f.irs = answers[0].seq
        f.rcv_nxt = 1
        f.tcp("A")
        with bench.inside(p.st):
            f.conn = first.listener.accept()
            if f.conn is None:  # the handshake is not completed: there is no memory
                continue
            f.conn.send(bytes(500), 0, 500)
            f.conn.close()
        p.poll()
        held.append(f)
        p.take()
    assert 5 <= len(held) <= p.st.tcp.limit + 1, len(held)
    assert p.st.spent <= p.st.budget
    for _ in range(900):
        p.advance(1000)
        for x in p.take():
            for f in held:
                if x.kind == "tcp" and x.dport == f.sport and "R" not in x.flags:
                    f.tcp("A", ack=1)
    assert not list(p.st.tcp.connections()), len(list(p.st.tcp.connections()))


def _bytes_sent(f):
    """Numbers of the bytes of text that have come, relative; and the segments."""
    have = set()
    packets = [p for p in f.peer.take() if p.data]
    for p in packets:
        start = p.seq - f.irs & 0xFFFFFFFF
        have.update(range(start, start + len(p.data)))
    return have, packets


def test_window_shrinks():
    """RFC 9293 3.8.6, SHLD-15 and 16: the peer takes back what it has offered: nothing new is
    sent, what is out is sent again, and all arrives once the window is open."""
    f = bench.established()
    f.write(bytes(8000))
    total = 8000 + f.write(bytes(2000))
    have = _bytes_sent(f)[0]
    top = max(have)
    f.tcp("A", ack=1461, wnd=100)
    total += f.write(bytes(2000))
    count = 0
    for _ in range(10):
        f.advance(1000)
        again, packets = _bytes_sent(f)
        have |= again
        count += len(packets)
        assert not again or max(again) <= top, (max(again), top)
    assert count >= 2
    for _ in range(10):
        f.tcp("A", ack=f.conn.cb[1] - f.irs & 0xFFFFFFFF, wnd=65535)
        f.advance(1000)
        have |= _bytes_sent(f)[0]
        at = min(set(range(1, total + 1)) - have or (total + 1,))
        f.tcp("A", ack=at)
        have |= _bytes_sent(f)[0]
    assert f.conn.state == 4
    assert len(have) == total and f.conn.tx.len == 0, (len(have), f.conn.tx.len)


def test_silly_windows():
    """RFC 9293 3.8.6.2.1: a window that opens by a byte at a time is not answered with single
    bytes."""
    f = bench.established()
    f.tcp("A", wnd=0)
    f.write(bytes(3000))
    f.peer.take()
    sizes = []
    for wnd in range(1, 700):
        f.tcp("A", wnd=wnd)
        sizes += [len(p.data) for p in f.peer.take() if p.data]
    assert not [n for n in sizes if n > 1], sizes
    assert len(sizes) <= 2, sizes
    f.tcp("A", wnd=65535)
    assert max(len(p.data) for p in f.peer.take()) == 1460


def test_contradicting_text():
    """RFC 9293 3.10.7.4 seventh: what RCV.NXT has passed stays as it was; each byte is delivered
    once, from one of its versions."""
    f = bench.established()
    f.tcp(seq=101, data=b"A" * 100)
    f.tcp(seq=151, data=b"B" * 100)
    f.tcp(seq=51, data=b"C" * 100)
    f.tcp(seq=1, data=b"D" * 100)
    got = f.read()
    assert len(got) == 250, len(got)
    sent = {0: "D", 1: "CD", 2: "ACD", 3: "ABC", 4: "B"}
    for i in range(250):
        assert chr(got[i]) in sent[i // 50], (i, got[i])
    f.tcp(seq=1, data=b"E" * 250)
    f.tcp(seq=251, data=b"F")
    assert f.read() == b"F"


def _lies():
    """Options, each field of each at its extremes and next to the truth; well formed or not."""
    for kind, n in ((2, 4), (3, 3), (4, 2), (5, 10), (5, 34), (8, 10), (34, 10), (254, 6)):
        for length in (0, 1, 2, n - 1, n, n + 1, 40, 255):
            for value in (0, 1, 0x7F, 0x80, 0xFF):
                yield bytes((kind, length)) + bytes((value,)) * (min(n, 38) - 2)
    for kind in range(2, 9):
        yield b"\1" * 39 + bytes((kind,))  # its length is behind the header
        yield bytes((kind, 0)) * 20
    yield b"\0" + b"\xff" * 39
    yield b"\1" * 40


def test_options_lie_in_a_syn():
    """RFC 9293 3.1, RFC 7323 2.3: a SYN is dropped and counted, or answered; what it may set stays
    within bounds."""
    p = bench.peer(tcp=True)
    first = bench.listening(p=p, backlog=500)
    for i, opts in enumerate(_lies()):
        f = p.flow(1000 + i, 80)
        bad = p.host.stat("tcp")["in_option"]
        f.tcp("S", opts=opts)
        answers = [x for x in p.take() if x.kind == "tcp"]
        if p.host.stat("tcp")["in_option"] > bad:
            assert not answers, (opts, answers)
            continue
        assert len(answers) == 1 and "S" in answers[0].flags, (opts, answers)
        f.irs = answers[0].seq
        f.rcv_nxt = 1
        if answers[0].ts:
            f.tsval = 0xFFFFFFFF
            f.tsecr = answers[0].ts[0]
        f.tcp("A")
        with bench.inside(p.st):
            conn = first.listener.accept()
            if conn:
                assert 52 <= conn.cb[14] <= 1460 and conn.cb[43] <= 14, (opts, list(conn.cb))
                conn.abort()
                conn.close()
        p.take()


def test_options_lie_later():
    """RFC 9293 3.1: whatever the options of a segment say, the next good one is taken."""
    for opts in (bench.opt_mss(1460), bench.opt_mss(1460) + bench.SACK_OK + bench.opt_ts(1000)):
        bench.forget()
        stamped = len(opts) > 8
        f = bench.established(opts=opts, tsval=1000 if stamped else None)
        f.write(bytes(3000))
        f.peer.take()
        for lie in _lies():
            f.tsval = None
            f.tcp("A", seq=f.snd_nxt, ack=1, opts=lie)
            f.tcp("A", seq=f.snd_nxt + 5, ack=1, opts=lie, data=b"late")
            f.peer.take()
            assert f.conn.state == 4, lie
        got = f.read() or b""
        f.snd_nxt += len(got)
        # A timestamp that lied, 2^31 ahead at most, is what the next one has to reach.
        f.tsval = f.conn.cb[39] if stamped else None
        f.tcp("A", ack=1, data=b"good")
        assert (f.read() or b"")[:4] == b"good"
        bench.tidy()
        bench.clean()


def _set(cb, number):
    cb[0] = number


def test_sequence_wraps():
    """RFC 9293 3.4: 20 kB each way across every boundary of the numbers, of both ends."""
    edges = (0, 1 << 30, 1 << 31, 3 << 30)
    for edge in edges:
        for before in (0, 1, 2, 1460, 5000):
            bench.forget()
            p = bench.peer(tcp=True)
            number = edge - before & 0xFFFFFFFF
            p.host.tcp.choose_iss = lambda conn: _set(conn.cb, number)  # noqa: B023
            f = bench.established(p=p, iss=number)
            sent = 0
            for i in range(14):
                f.tcp(data=bytes((i,)) * 1460)
                assert f.read() == bytes((i,)) * 1460, (edge, before, i)
                sent += f.write(bytes((i,)) * 1460)
                for packet in p.take():
                    if packet.data:
                        at = packet.seq - f.irs - 1 & 0xFFFFFFFF
                        assert packet.data == bytes((at // 1460,)) * len(packet.data)
                        f.rcv_nxt = max(f.rcv_nxt, at + 1 + len(packet.data))
                f.tcp("A", seq=f.snd_nxt)
            assert sent == 14 * 1460 and f.conn.cb[1] == f.conn.cb[3], (edge, before)
            bench.tidy()
            bench.clean()


def test_reassembly_wraps():
    """RFC 9293 3.4, 3.10.7.4 seventh; RFC 2018: text in pieces that overlap, in an order of
    chance, across every boundary of the numbers: whole, once, and the blocks we send are true."""
    n = 3000
    text = bench.Random(5).bytes(n)
    for edge in (0, 1 << 30, 1 << 31, 3 << 30):
        for seed in range(bench.scale(15)):
            bench.forget()
            rnd = bench.Random(seed)
            iss = edge - 1 - rnd.below(n) & 0xFFFFFFFF
            f = bench.established(iss=iss, opts=bench.opt_mss(1460) + bench.SACK_OK)
            have = set()
            got = b""
            while len(got) < n:
                at = rnd.below(n)
                size = min(1 + rnd.below(700), n - at)
                if rnd.below(4) == 0:
                    at, size = len(got), min(300, n - len(got))
                have.update(range(at, at + size))
                f.tcp("A", seq=1 + at, data=text[at : at + size])
                got += f.read() or b""
                assert got == text[: len(got)], (edge, seed, len(got))
                for packet in f.peer.take():
                    for a, b in packet.sack:
                        block = range((a - iss & 0xFFFFFFFF) - 1, (b - iss & 0xFFFFFFFF) - 1)
                        assert len(block) and have.issuperset(block), (edge, seed, block)
            bench.tidy()
            bench.clean()


def test_ends_contradict():
    """RFC 9293 3.10.7.4 eighth: FINs at several places ahead of missing text: the first one told
    of counts, what lies beyond it is nothing, and the end is told once."""
    f = bench.established()
    f.tcp("FA", seq=201, data=b"e" * 50)
    f.tcp("FA", seq=101, data=b"b" * 50)
    f.tcp("FA", seq=301)
    f.tcp("A", seq=251, data=b"z" * 50)
    f.tcp("A", seq=1, data=b"a" * 100)
    f.tcp("A", seq=101, data=b"b" * 100)
    got = b""
    while True:
        more = f.read()
        if not more:
            break
        got += more
    assert got == b"a" * 100 + b"b" * 100 + b"e" * 50, got
    assert more == b"" and f.conn.state == 7
    assert [p.ack - f.iss & 0xFFFFFFFF for p in f.peer.take()][-1] == 252
    f.tcp("FA", seq=301)
    f.tcp("A", seq=252, data=b"more")
    assert f.read() == b"" and f.conn.state == 7
    f.peer.take()


def test_end_before_what_has_come():
    """RFC 9293 3.10.7.4 eighth: a FIN ahead of text that is there already is a lie; the one behind
    all of it ends the connection."""
    for early in (True, False):  # with text missing in front, or when that has come
        bench.forget()
        f = bench.established()
        f.tcp("A", seq=251, data=b"z" * 50)
        if early:
            f.tcp("FA", seq=201, data=b"e" * 50)
        f.tcp("A", seq=1, data=b"a" * 200)
        if not early:
            f.tcp("FA", seq=201, data=b"e" * 50)
        assert f.read() == b"a" * 200 + b"e" * 50 + b"z" * 50
        assert f.read() is None and f.conn.state == 4
        f.tcp("FA", seq=301)
        assert f.read() == b"" and f.conn.state == 7
        f.peer.take()
        bench.tidy()
        bench.clean()


def test_header_lies():
    """RFC 9293 3.1: data offset, reserved bits, urgent pointer, ports, checksum, each at its
    extremes: dropped and counted, or taken for what they are; the next good segment is taken."""
    f = bench.established()
    for off in range(16):
        f.tcp("A", seq=f.snd_nxt, data=b"offset", off=off)
        bad = f.host.stat("tcp")["in_offset"] + f.host.stat("tcp")["in_option"]
        f.peer.take()
        assert f.read() == (b"offset" if off == 5 else None) or off > 5, off
        if f.conn.cb[7] != f.iss + f.snd_nxt & 0xFFFFFFFF:  # text was taken for options
            f.snd_nxt = f.conn.cb[7] - f.iss & 0xFFFFFFFF
    assert bad >= 13, bad
    for urg in (0, 1, 5, 6, 0x7FFF, 0xFFFF):
        f.tcp("AU", data=b"urgent", urg=urg)
        assert f.read() == b"urgent"
        f.tcp("A", data=b"not so", urg=urg)
        assert f.read() == b"not so"
    for bits in range(1, 16):  # AE and the three that are reserved
        frame = bytearray(f.tcp_frame("A", data=b"bits"))
        frame[46] |= bits
        f.peer.send(bench.mend(frame))
        assert f.read() == b"bits", bits
    before = f.host.stat("tcp")["in_checksum"]
    for csum in (0, 0xFFFF, 0x1234):
        f.tcp("A", seq=f.snd_nxt, data=b"wrong", csum=csum)
    assert f.host.stat("tcp")["in_checksum"] == before + 3 and f.read() is None
    f.tcp("A", data=b"good")
    assert f.read() == b"good"
    f.peer.take()


def test_blocks_lie():
    """RFC 2018 section 8, RFC 2883: SACK blocks that are empty, upside down, beyond what was sent,
    below what is acknowledged, or taken back: nothing is believed that cannot be, memory stays
    bounded, and all the text arrives in the end."""
    f = bench.established(opts=bench.opt_mss(1460) + bench.SACK_OK)
    total = f.write(bytes(12000))
    have = _bytes_sent(f)[0]
    far = 1 << 31
    for blocks in (
        ((1, 1),),
        ((3000, 1500),),
        ((100000, 101460),),
        ((far, far + 1460),),
        ((1461 - far, 1461),),
        ((0, 14601),),
        ((1461, 2921), (2921, 1461), (1461, 2921)),
        ((1461, 1462), (1464, 1465), (1467, 1468), (1470, 1471)),
    ):
        f.tcp("A", ack=1, sack=blocks)
        have |= _bytes_sent(f)[0]
        board = f.conn.board
        assert board is None or board.ranges.n <= 16 and board.sacked <= total
    for i in range(100):
        f.tcp("A", ack=1, sack=((1461 + 7 * i, 1464 + 7 * i),))
        have |= _bytes_sent(f)[0]
        assert f.conn.board.ranges.n <= 16
    f.tcp("A", ack=1461)  # what was told of is taken back
    for _ in range(40):
        f.advance(1000)
        have |= _bytes_sent(f)[0]
        at = min(set(range(1, total + 1)) - have or (total + 1,))
        f.tcp("A", ack=at)
        have |= _bytes_sent(f)[0]
    assert f.conn.state == 4 and len(have) == total and f.conn.tx.len == 0, (len(have), total)


bench.run_tests(globals())
