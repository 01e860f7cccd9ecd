# The comparison itself: what is broken on one side alone is noticed, each word, byte, counter,
# timer and frame; what belongs to the fast path is not looked at.

import bench
import netstack
import twin

DUE = 49  # of Stack.w
DATA = bytes(range(256)) * 8


def _busy():
    """A connection of a twin with text in both rings, a hole, and SACK blocks from us."""
    p = twin.peer(tcp=True)
    p.greet()
    opts = bench.opt_mss(1460) + bench.SACK_OK + bench.opt_wscale(2) + bench.opt_ts(1000)
    f = bench.established(p=p, opts=opts, tsval=1000)
    f.tcp(data=DATA[:700])
    f.tcp(seq=1300, data=DATA[:100])  # a hole before it
    f.write(DATA)
    p.take()
    f.tcp(sack=((1449, 2049),))
    p.take()
    assert p.host.compared > 4
    return p, f


def _noticed(p, name, change, undo):
    """change() on one side is noticed, by a report that has `name` in it; undo() mends it."""
    p.host.compare()
    change()
    try:
        p.host.compare()
    except twin.Different as error:
        text = str(error)
        assert name in text and "seed 1" in text and "ms, poll" in text, text
    else:
        raise AssertionError("not noticed: " + name)
    undo()
    p.host.compare()


def _swap(obj, i, value):
    """(change, undo) of obj[i]."""
    old = obj[i]

    def put(x):
        obj[i] = x

    return lambda: put(value), lambda: put(old)


def _attribute(obj, name, value):
    old = getattr(obj, name)
    return lambda: setattr(obj, name, value), lambda: setattr(obj, name, old)


def test_every_word():
    """DESIGN 1: every word of the control block but the fast path's own, and scratch."""
    p, f = _busy()
    for side in (1, 2):
        cb = f.conn._both[side].cb
        for i in range(len(cb)):
            if i == 36 or 53 <= i < 80:
                continue
            change, undo = _swap(cb, i, cb[i] ^ (1 << (i % 30)))
            _noticed(p, twin.word_name(i), change, undo)
        for i in [36] + list(range(53, min(80, len(cb)))):
            change, undo = _swap(cb, i, cb[i] ^ 1)
            change()
            p.host.compare()
            undo()


def test_rings():
    """Text in the rings, and text that waits for a hole to be filled."""
    p, f = _busy()
    fast = f.conn._both[2]
    rx = fast.rx
    head, n = rx.w[0], rx.w[1]
    end = head + n
    for at in (head, end - 1, end + 599, end + 698):
        at %= rx.size
        _noticed(p, "rx", *_swap(rx.buf, at, rx.buf[at] ^ 1))
    at = (end + 50) % rx.size  # in the hole: nobody has told what is there
    rx.buf[at] ^= 1
    p.host.compare()
    tx = fast.tx
    _noticed(p, "tx", *_swap(tx.buf, (tx.w[0] + tx.w[1] - 1) % tx.size, 7))


def test_datagrams():
    """What an endpoint holds: each byte of each record, and its block."""
    p, _ = _busy()
    endpoint = p.host.udp.open()
    endpoint.bind(None, None, 7)
    for n in (5, 6):
        p.udp(9, 7, DATA[:n])
    ring = endpoint._both[2].ring
    for at in (0, 1, 2, 4, 5, 8, 11, 12, 16, 20, 22, 28, 32, 37):
        _noticed(p, "ring", *_swap(ring.buf, at, ring.buf[at] ^ 1))
    for i in (0, 3, 10, 11, 12):
        cb = endpoint._both[2].cb
        _noticed(p, "cb", *_swap(cb, i, cb[i] + 1))
    endpoint.close()


def test_numbers_of_a_ring():
    p, f = _busy()
    for ring in ("rx", "tx"):
        w = getattr(f.conn._both[2], ring).w
        for i in (0, 1):
            _noticed(p, ring, *_swap(w, i, w[i] + 1))


def test_objects():
    """Ranges, scoreboard, flags of the connection, its timer, the stack's random numbers."""
    p, f = _busy()
    fast = f.conn._both[2]
    _noticed(p, "ranges", *_swap(fast.ranges.start, 0, 601))
    _noticed(p, "ranges.n", *_attribute(fast.ranges, "n", 0))
    _noticed(p, "board", *_attribute(fast.board, "sacked", 3))
    _noticed(p, "board.ranges", *_swap(fast.board.ranges.end, 0, 2047))
    _noticed(p, "eof_seen", *_attribute(fast, "eof_seen", True))
    _noticed(p, "error", *_attribute(fast, "error", 104))
    _noticed(p, "due", *_attribute(fast.timer, "due", fast.timer.due + 1))
    _noticed(p, "active", *_attribute(fast.timer, "active", not fast.timer.active))
    st = p.host.hosts[1].st
    _noticed(p, "random", *_swap(st.random._state, 0, 5))
    _noticed(p, "IP identification", *_swap(st.w, 3, 70000))
    _noticed(p, "spent", *_attribute(st, "spent", 1))


def test_counters():
    p, _ = _busy()
    st = p.host.hosts[1].st
    for group in st.names:
        names, values = st.names[group]
        for i in range(len(names)):
            if not group.startswith("fast"):
                name = "%s.%s" % (group, names[i])
                _noticed(p, name, *_swap(values, i, values[i] + 1))
    _noticed(p, "free", *_attribute(st.pool, "left", 1))


def _polled(p, name):
    try:
        p.poll()
    except twin.Different as error:
        assert name in str(error), error
    else:
        raise AssertionError("not noticed: " + name)
    finally:
        for frames in p.host.sent:
            frames.clear()


def test_frames():
    """A byte, one frame more, another order, another moment."""
    p, _ = _busy()
    mine, its = p.host.sent
    frame = p.ping_frame()
    other = p.ping_frame(seq=2)
    for a, b, name in (
        ([frame], [other], "differs at byte"),
        ([frame], [], "slow alone has sent"),
        ([], [frame], "fast alone has sent"),
        ([frame, other], [other, frame], "frame 0 sent differs"),
    ):
        mine += a
        its += b
        _polled(p, name)
    slow, fast = p.host.hosts
    timer = fast.st.timers.new(lambda: None)
    timer.start(fast.st.now, 3)
    _polled(p, "poll() returned")
    fast.st.timers.discard(timer)
    fast.st.w[DUE] = slow.st.w[DUE]


def test_calls():
    """What a call returns, raises and writes."""
    p, f = _busy()
    fast = f.conn._both[2]
    buf = bytearray(10)
    undo = _swap(fast.rx.buf, fast.rx.w[0], 99)
    undo[0]()
    try:
        f.conn.peek(buf, 0, 10)
    except twin.Different as error:
        assert "what it wrote" in str(error), error
    else:
        raise AssertionError("not noticed: text")
    undo[1]()
    assert f.conn.peek(buf, 0, 10) == 10 and buf == DATA[:10]
    both = p.host.join(lambda: 3, lambda: 4, "call")
    try:
        both()
    except twin.Different as error:
        assert "slow 3, fast 4" in str(error), error
    else:
        raise AssertionError("not noticed: what a call returned")


def test_switch():
    """Each side runs with the switch as it has to be; outside it is on."""
    p, _ = _busy()
    seen = []
    p.host.join(
        lambda: seen.append(netstack.fastpath), lambda: seen.append(netstack.fastpath), ""
    )()
    assert seen == [False, True] and netstack.fastpath is True
    for h in p.host.hosts:
        h.st.timers.new(lambda: seen.append(netstack.fastpath)).start(h.st.now, 0)
    p.poll()
    assert seen == [False, True, False, True], seen
    for h in p.host.hosts:
        h.st.timers.discard(h.st.timers.list[-1])


bench.run_tests(globals())
