# Segments at random around the numbers of a connection, in every state, while the program does
# what it likes: no exception, nothing but the right text is read, nothing is left behind.

import bench
from bench import inside

_text = bench.Random(41).bytes(1024) * 2
_FLAGS = ("A", "A", "A", "A", "A", "PA", "FA", "S", "SA", "R", "RA", "", "F", "FSRPAU", "UA")


def _near(rnd, n):
    """A number close to `n`, mostly."""
    kind = rnd.below(8)
    if kind < 4:
        return n
    if kind < 7:
        return (n + rnd.below(6000) - 3000) & 0xFFFFFFFF
    return rnd.bits32()


def _segment(f, rnd, gentle):
    cb = f.conn.cb
    nxt = (cb[7] - f.iss) & 0xFFFFFFFF  # RCV.NXT
    seq = _near(rnd, nxt)
    ack = (_near(rnd, cb[3] if rnd.below(2) else cb[1]) - (f.irs or 0)) & 0xFFFFFFFF
    n = rnd.below(1024) if rnd.below(3) else 0
    flags = "A" if gentle and rnd.below(20) else rnd.choice(_FLAGS)
    at = (f.iss + seq + ("S" in flags)) & 1023  # the text that belongs to these numbers
    wnd = rnd.choice((0, 1, 100, 5000, 65535))
    f.peer.queue(f.tcp_frame(flags, seq=seq, ack=ack, data=_text[at : at + n], wnd=wnd))


def _program(f, rnd, gentle):
    conn = f.conn
    what = rnd.below(40)
    if what < 10:
        with inside(f.st):
            conn.send(_text, 0, 1 + rnd.below(2000))
    elif what < 30:
        buf = bytearray(1 + rnd.below(2000))
        with inside(f.st):
            n = conn.recv(buf, 0, len(buf))
        if n > 0:
            first = conn.cb[6] + 1 + f.read_at  # IRS + 1 ...
            want = bytes(_text[(first + i) & 1023] for i in range(n))
            assert buf[:n] == want, "wrong text at %d" % f.read_at
            f.read_at += n
    elif what == 30 and not gentle:
        f.call(rnd.choice(("shutdown_send", "shutdown_recv", "close", "abort")))


def _storm(make, gentle=False, **kw):
    longest = 0
    for seed in range(1, 1 + bench.scale(25)):
        rnd = bench.Random(seed)
        f = make(**kw)
        f.read_at = 0
        for _ in range(150):
            _segment(f, rnd, gentle)
            if rnd.below(3):
                f.peer.poll()
            if rnd.below(4) == 0:
                f.advance(rnd.below(300))
            _program(f, rnd, gentle)
            if f.conn.rx:
                assert f.conn.rx.len <= f.conn.rx.size
            sent = f.peer.take()
            assert len(sent) < 50, "%d segments for one" % len(sent)
        longest = max(longest, f.read_at)
        f.close()
        f.advance(5000)
        bench.tidy()
        bench.clean()
        bench.forget()
    return longest


def test_established():
    """RFC 9293 3.10.7.4: segments at random in ESTABLISHED."""
    _storm(bench.established)


def test_mostly_text():
    """RFC 9293 3.10.7.4: the same with little but text, so that the connection lives for long."""
    assert _storm(bench.established, gentle=True, rcvbuf=4096) > 5000


def test_syn_sent():
    """RFC 9293 3.10.7.3: segments at random in SYN-SENT."""
    _storm(bench.syn_sent)


def test_closing_states():
    """RFC 9293 3.10.7.4: segments at random in every state behind ESTABLISHED."""
    for make in (
        bench.fin_wait_1,
        bench.fin_wait_2,
        bench.closing,
        bench.time_wait,
    ):
        _storm(make)


def test_passive_closing_states():
    """RFC 9293 3.10.7.4: segments at random in CLOSE-WAIT and LAST-ACK."""
    _storm(bench.close_wait)
    _storm(bench.last_ack)


def test_listen():
    """RFC 9293 3.10.7.2: segments at random to a listener and to ports nobody has."""
    rnd = bench.Random(5)
    f = bench.listening(backlog=3)
    for _ in range(bench.scale(1000)):
        f.dport = rnd.choice((80, 81))
        f.sport = 40000 + rnd.below(20)
        f.irs = 0
        flags = rnd.choice(_FLAGS)
        f.peer.queue(f.tcp_frame(flags, seq=rnd.bits32(), ack=rnd.bits32(), data=b"x"))
        if rnd.below(3) == 0:
            f.peer.poll()
            assert len(f.peer.take()) < 20
        f.advance(rnd.below(200))
        conn = f.listener.accept()
        if conn:
            with inside(f.st):
                conn.abort()


bench.run_tests(globals())
