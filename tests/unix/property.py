# Property-based bad input: sequences of segments and user calls from a seed, against one
# connection and against a listener; a model that knows what may never happen; and shrinking of
# what fails.
#
#   case = property.generate(seed)        # (setup, actions): plain tuples, to be kept as a test
#   property.attempt(case)                # None, or what went wrong
#   property.shrink(case, attempt)        # the same with less
#
# The peer's text comes in two versions that contradict each other; which byte it has sent in which
# is kept, so that whatever is delivered can be judged.

import bench
import gc
import io
import sys

LIMIT = 1 << 17 if bench.UNIX else 1 << 16  # text that a run can get to
MASK = 0xFFFFFFFF
EDGES = (0, 1, 0xFFFFFE00, 0x7FFFFE00, 0x3FFFFF00, 0xBFFFFF00, 0x80000000, 0xFFFFFFFF, 0x12345678)
_TRIES = 100  # rounds that an honest peer is given to bring everything to its end

_ESTABLISHED = 4
_TIME_WAIT = 10


def byte(version, offset):
    return (offset * 31 + (offset >> 4) * 17 + version * 85) & 255


def text(version, offset, n):
    return bytes(byte(version, offset + i) for i in range(n))


def written(offset, n):
    """What our program writes."""
    return bytes((i * 7 + (i >> 6) * 3) & 255 for i in range(offset, offset + n))


def signed(number):
    number &= MASK
    return number - (1 << 32) if number >> 31 else number


class World:
    """A host with one connection, its program, a peer that lies, and the model. `setup`:
    (active, options of "tsw", the peer's ISS, ours, receive ring)."""

    def __init__(self, setup, peer):
        active, self.options, iss, ours, rcvbuf = setup
        self.p = p = peer(tcp=True)
        p.greet()
        p.host.tcp.choose_iss = lambda conn: self._choose(conn, ours)
        self.mask = bytearray(LIMIT + 4)  # versions of each byte that the peer has sent
        self.fins = []
        self.contig = 0  # so much of it has no hole
        self.wrote = self.read = 0
        self.eof = False
        self.max = 1  # the highest number we have sent, relative
        self.acked = 0  # the highest ACK we have sent
        self.edge = 0  # the right edge the peer has offered at best
        self.adv = 0  # and that we have
        self.have = bytearray(LIMIT)  # of our text, what the peer got
        self.shift = self.ours = 0  # window scale: the peer's, ours
        self.before = None
        self.least = 1460
        self.stamp = 1000
        self.last_echo = 1000
        self.replies = [0, 0, 0]  # RST, bare ACKs, anything, since the last segment
        self._open(active, iss, rcvbuf)

    def _choose(self, conn, iss):
        conn.cb[0] = iss
        conn.cb[41] = iss ^ 0x55555555

    def _open(self, active, iss, rcvbuf):
        opts = bench.opt_mss(1460)
        if "s" in self.options:
            opts += bench.SACK_OK
        if "w" in self.options:
            opts += bench.opt_wscale(1)
        stamp = self.stamp if "t" in self.options else None
        p = self.p
        if active:
            f = bench.syn_sent(p=p, setup=lambda conn: setattr(conn, "rcvbuf", rcvbuf))
            f.iss = iss
            f.tsval = stamp
            f.tcp("SA", opts=opts)
            f.expect_tcp("A")
        else:
            f = bench.listening(p=p, iss=iss, tsval=stamp, rcvbuf=rcvbuf)
            f.tcp("S", opts=opts)
            f.expect_tcp("SA")
            f.tcp("A")
            with bench.inside(p.st):
                f.conn = f.listener.accept()
                f.listener.close()  # so that nothing answers but this connection
            bench.at_end(lambda: bench._close(p.st, f.conn))
        self.f = f
        self.conn = f.conn
        cb = self.conn.cb
        assert self.conn.state == _ESTABLISHED
        self.shift = cb[43]
        self.ours = cb[44]
        self.edge = 1 + 65535 + (65535 << self.shift)  # that of the SYN is not scaled
        self.edge = 1 + max(65535, 65535 << self.shift)
        self.acked = self.una = 1
        self.adv = signed(cb[8] - f.iss)
        p.take()

    # -- what the peer does

    def segment(
        self, flags, base, dseq, n, version, abase, dack, wnd, option=None, argument=0, poll=True
    ):
        """A segment. Its number is `dseq` from what we expect ("nxt") or from the right edge
        ("adv"); its ACK `dack` from the highest number sent ("max") or the lowest not yet
        acknowledged ("una")."""
        f = self.f
        seq = (self.acked if base == "nxt" else self.adv) + dseq
        ack = (self.max if abase == "max" else self.una) + dack
        at = seq - 1 + ("S" in flags)  # place in the text
        data = b""
        if n:
            data = text(version, at, n)
        if at + n < LIMIT:
            for i in range(max(at, 0), at + n):
                self.mask[i] |= 1 << version
            if "F" in flags:
                self.fins.append(at + n)
        while self.mask[self.contig]:
            self.contig += 1
        if "A" in flags and ack <= self.max + 1:
            self.edge = max(self.edge, ack + (wnd << self.shift))
        opts = self._options(option, argument)
        frame = f.tcp_frame(flags, seq, ack, data, wnd, opts)
        if not poll:
            self.p.queue(frame)
            return
        self.p.poll()  # what waited has its own answers
        self.look()
        self.replies = [0, 0, 0]
        free = not self.p.nic.busy and not self.p.nif.queued
        self.p.send(frame)
        self.look()
        if not free:  # what is sent now may answer something older
            return
        rst, acks, _ = self.replies
        assert rst <= 1 and acks <= 1, "%d RST and %d ACKs for one segment" % (rst, acks)
        assert not ("R" in flags and rst), "RST answered with RST"

    def _options(self, option, argument):
        f = self.f
        f.tsval = None
        if option == "junk":
            return bench.Random(argument).bytes(argument % 41)
        opts = b""
        if "t" in self.options and option != "bare":
            value = self.last_echo + (argument if option == "ts" else 0)
            echo = f.tsecr + (argument if option == "echo" else 0)
            opts = bench.opt_ts(value, echo)
        if option == "sack":
            blocks = []
            rnd = bench.Random(argument)
            for _ in range(1 + rnd.below(3)):
                left = f.irs + self.una + rnd.choice((0, 1, -1, 1460, rnd.below(8000), 1 << 31))
                blocks.append(
                    (left, left + rnd.choice((0, 1, 1460, rnd.below(4000), -5, 1 << 30)))
                )
            opts += bench.opt_sack(*blocks)
        return opts

    # -- what our program does

    def write(self, n):
        with bench.inside(self.p.st):
            got = self.conn.send(written(self.wrote, n), 0, n)
        if got > 0:
            self.wrote += got
        self.settle()

    def take(self, n):
        buf = bytearray(n)
        with bench.inside(self.p.st):
            got = self.conn.recv(buf, 0, n)
        for i in range(max(got, 0)):
            self._judge(self.read + i, buf[i])
        if got > 0:
            self.read += got
        elif got == 0 and not self.eof and self.conn.error == 0 and not self.conn.deaf:
            assert self.read in self.fins or not self.conn.state, "end at %d" % self.read
            self.eof = True
        self.settle()

    def _judge(self, at, value):
        versions = self.mask[at]
        assert versions, "byte %d was delivered and never sent" % at
        if not (versions & 1 and value == byte(0, at) or versions & 2 and value == byte(1, at)):
            raise AssertionError("byte %d: %d was delivered, versions %d" % (at, value, versions))

    def call(self, name):
        with bench.inside(self.p.st):
            getattr(self.conn, name)()
        self.settle()

    def flag(self, name, value):
        setattr(self.conn, name, value)

    def wait(self, ms):
        self.p.advance(ms)
        self.look()

    def busy(self, n):
        self.p.nic.busy = n

    def settle(self):
        self.p.poll()
        self.look()

    # -- the model

    def look(self):
        """What has been sent, then what the control block says."""
        for packet in self.p.take():
            if packet.kind == "tcp" and packet.dport == self.f.sport:
                self._sent(packet)
        self._block()

    def _sent(self, packet):
        f = self.f
        flags = packet.flags
        self.replies[2] += 1
        if "R" in flags:
            self.replies[0] += 1
            return
        if packet.ts:
            f.tsecr, self.last_echo = packet.ts
        seq = (packet.seq - f.irs) & MASK
        n = len(packet.data)
        if n == 0 and not set(flags) & set("SF"):
            self.replies[1] += 1
        self._acknowledges(packet, (packet.ack - f.iss) & MASK)
        if not n and "F" not in flags:
            return
        end = seq + n
        assert packet.data == written(seq - 1, n), "our text at %d is wrong" % seq
        assert end - 1 <= self.wrote, "text that nobody wrote, up to %d" % end
        probe = n == 1 and seq <= self.una + 1
        assert end <= self.edge or probe, "sent up to %d, offered up to %d" % (end, self.edge)
        for i in range(seq - 1, end - 1):
            self.have[i] = 1
        self.max = max(self.max, end + ("F" in flags))

    def _acknowledges(self, packet, ack):
        """ACK and window of a segment of ours."""
        if "A" not in packet.flags or "S" in packet.flags:
            return
        assert ack >= self.acked, "ACK %d after %d" % (ack, self.acked)
        most = 1 + self.contig + (self.contig in self.fins)
        for fin in self.fins:  # a lie about the end counts once the text is there
            most = max(most, fin + 2 if fin <= self.contig else 0)
        assert ack <= most, "ACK %d, there is text up to %d" % (ack, most)
        self.acked = ack
        edge = ack + (packet.wnd << self.ours)
        assert edge > self.adv - (1 << self.ours), "the window shrinks: %d, %d" % (edge, self.adv)
        self.adv = max(self.adv, edge)

    def _block(self):
        conn = self.conn
        cb = conn.cb
        st = self.p.st
        assert st.spent <= st.budget, "budget: %d of %d" % (st.spent, st.budget)
        assert st.nomem == 0
        if not conn.state:
            self.before = None
            return
        una, nxt, top = [signed(cb[i] - self.f.irs) for i in (1, 2, 3)]
        self.una = una
        rcv, adv = [signed(cb[i] - self.f.iss) for i in (7, 8)]
        assert una <= nxt <= top, "SND.UNA %d, NXT %d, MAX %d" % (una, nxt, top)
        assert rcv <= adv, "RCV.NXT %d, ADV %d" % (rcv, adv)
        now = (una, top, rcv, adv)
        if self.before:
            for old, new, name in zip(self.before, now, ("UNA", "MAX", "RCV.NXT", "RCV.ADV")):
                assert new >= old, "%s went back from %d to %d" % (name, old, new)
        self.before = now
        assert cb[15] >= cb[14], "CWND %d, MSS %d" % (cb[15], cb[14])
        self.least = min(self.least, cb[14])  # path MTU discovery may find less, and more again
        assert cb[16] >= 2 * self.least, "SSTHRESH %d" % cb[16]
        self._rings(conn, cb, top - una, adv - rcv)
        self._ranges(conn.ranges, adv - rcv, 4)
        if conn.board:
            self._ranges(conn.board.ranges, top - una, 16)
        self._alive(conn, cb, top - una)

    def _rings(self, conn, cb, flight, wnd):
        tx = conn.tx
        queued = tx.len if tx else 0
        fin = 1 if cb[31] & 32 else 0
        assert flight <= queued + fin, "%d in flight, %d queued" % (flight, queued)
        if conn.rx:
            assert 0 <= conn.rx.len <= conn.rx.size <= max(conn.rx_size, conn.rx_held)
            assert conn.deaf or wnd <= conn.rx_size - conn.rx.len + fin + 1, "window beyond ring"

    def _ranges(self, ranges, top, limit):
        if not ranges:
            return
        assert ranges.n <= limit
        last = 0
        for i in range(ranges.n):
            assert last < ranges.start[i] < ranges.end[i] <= top, "ranges %r %r of %d below %d" % (
                (ranges.start, ranges.end, ranges.n, top)
            )
            last = ranges.end[i]

    def _alive(self, conn, cb, flight):
        """Something will bring the connection on: a timer, or the program."""
        queued = conn.tx.len if conn.tx else 0
        if conn.state == _TIME_WAIT:
            return  # timewait.py has it
        if flight > 0:
            assert cb[24] or cb[25] or cb[30], "in flight, and no timer runs"
        elif queued:
            assert cb[24] or cb[25] or cb[30], "text waits, and no timer runs"

    # -- the end: the peer has become honest

    def heal(self):
        """An honest peer with a large window gets all that was written, or the connection ends."""
        conn = self.conn
        cb = conn.cb
        pause = 30
        for _ in range(_TRIES):
            if not conn.state or conn.state == _TIME_WAIT:
                return
            at = max(self.una - 1, 0)
            while at < self.wrote and self.have[at]:
                at += 1
            ack = at + 1 + (1 if at == self.wrote and self.max == at + 2 else 0)
            self.p.nic.busy = 0
            self.take(20000)
            # Text, too: a window is taken from what is beyond the last number that told of one.
            n = 0 if conn.eof_seen else 1000
            if not n and signed(cb[4] - cb[7]) > 0:
                return  # and the peer has lied about it, behind its own FIN
            self.segment("A", "nxt", 0, n, 0, "una", ack - self.una, 65535)
            answered = self.replies[2]
            if not answered:  # nothing has come: a peer waits; our timeouts are up to a minute
                pause = min(2 * pause, 61000)
            self.wait(10 if answered else pause)
            if conn.state and conn.tx and conn.tx.len == 0 and cb[1] == cb[3]:
                return
            if conn.tx is None and cb[1] == cb[3]:
                return
        raise AssertionError("wedged: %d bytes left, state %d" % (conn.tx.len, conn.state))

    def act(self, action):
        getattr(self, action[0])(*action[1:])


class Listening:
    """A listener, and SYNs, ACKs and lies for it from many ports. `setup`: ("listen", backlog)."""

    def __init__(self, setup, peer):
        self.backlog = setup[1]
        self.p = p = peer(tcp=True)
        p.greet()
        self.listener = bench.listening(p=p, backlog=self.backlog).listener
        self.rows = p.st.tcp.table.count  # of the listener: one for each family
        self.isns = {}
        self.held = []
        self.limit = p.host.tcp.limit

    def segment(self, port, flags, dseq, dack, n, junk):
        f = self.p.flow(1000 + port, 80, EDGES[port % len(EDGES)])
        f.irs = self.isns.get(f.sport, 0)
        opts = bench.Random(junk).bytes(junk % 41) if junk else bench.opt_mss(1000)
        self.p.send(f.tcp_frame(flags, dseq, dack, bytes(n), opts=opts))
        answers = [x for x in self.p.take() if x.kind == "tcp"]
        mine = [x for x in answers if x.dport == f.sport]
        assert len(mine) == len(answers) <= 1 + ("R" not in flags), "answers %r" % answers
        for x in mine:
            if "S" in x.flags:
                self.isns[f.sport] = x.seq
            assert not ("R" in flags and "R" in x.flags), "RST answered with RST"
        self.check()

    def accept(self):
        with bench.inside(self.p.st):
            conn = self.listener.accept()
        if conn:
            self.held.append(conn)
            bench.at_end(lambda: bench._close(self.p.st, conn))
        self.check()

    def close(self, i):
        if self.held:
            with bench.inside(self.p.st):
                self.held.pop(i % len(self.held)).close()
        self.p.poll()
        self.p.take()

    def wait(self, ms):
        self.p.advance(ms)
        self.p.take()
        self.check()

    def check(self):
        st = self.p.st
        listener = self.listener
        assert 0 <= listener.pending, "pending %d" % listener.pending
        assert len(listener.ready) <= self.backlog, "backlog"
        count = len(list(st.tcp.connections()))
        assert count <= self.limit, "%d connections" % count
        assert count + self.rows == st.tcp.table.count
        assert st.spent <= st.budget
        waiting = [c for c in st.tcp.connections() if c.state == 3]
        assert len(waiting) <= listener.pending, "%d in SYN-RECEIVED" % len(waiting)
        assert st.pool.left == st.pool.count, "%d frames are held" % st.pool.left

    def heal(self):
        """What nobody continues is given up; then a good client is served."""
        self.wait(200000)
        assert self.listener.pending == 0
        while self.listener.ready:
            self.accept()
        while self.held:
            self.close(0)
        f = self.p.flow(7, 80)
        f.tcp("S", opts=bench.opt_mss(1460))
        f.expect_tcp("SA")
        f.tcp("A")
        self.accept()
        assert self.held, "nobody is served any more"

    def act(self, action):
        getattr(self, action[0])(*action[1:])


# -- generating ----------------------------------------------------------------------------------

_FLAGS = (
    ("A",) * 24 + ("PA",) * 6 + ("FA", "FA", "R", "RA", "S", "SA", "", "AU", "FPUA", "F", "SFR")
)
_FAR = (1 << 31, -(1 << 31), 1 << 30, -(1 << 30), (1 << 31) - 1, 65536, -65536, -65535)
_WAITS = (1, 10, 41, 200, 201, 1000, 5000, 61000)


def _distance(rnd, wild):
    what = rnd.below(100)
    if what < 60 - wild:
        return 0
    if what < 90:
        return rnd.choice((1, -1, 2, 700, -700, 1460, -1460, 2920, rnd.below(6000)))
    return rnd.choice(_FAR) + rnd.choice((0, 0, 1, -1))


def _segment(rnd, wild):
    flags = rnd.choice(_FLAGS[: 30 + 13 * (rnd.below(100) < wild)])
    n = rnd.choice((0, 0, 1, 100, 1460, 1460, rnd.below(1460)))
    base = "adv" if rnd.below(100) < wild // 4 else "nxt"
    abase = rnd.choice(("max", "max", "una"))
    dack = 0 if rnd.below(100) < 75 - wild // 2 else _distance(rnd, wild)
    if rnd.below(3) == 0:
        abase, dack = "una", rnd.below(4000)
    wnd = rnd.choice((65535, 65535, 65535, 5000, 0, 1, 100, rnd.bits16()))
    option = argument = None
    if rnd.below(100) < 10 + wild // 2:
        option = rnd.choice(("junk", "bare", "ts", "echo", "sack", "sack", "sack"))
        argument = rnd.bits16()
        if option in ("ts", "echo"):
            argument = rnd.choice((1, -1, 50, -50, 1 << 31, 1 << 30, -(1 << 30)))
    return (
        "segment",
        flags,
        base,
        _distance(rnd, wild),
        n,
        1 if rnd.below(100) < wild // 3 else 0,
        abase,
        dack,
        wnd,
        option,
        argument or 0,
        rnd.below(4) > 0,
    )


def _action(rnd, wild):
    what = rnd.below(20)
    if what < 11:
        return _segment(rnd, wild)
    if what < 14:
        return ("write", rnd.choice((1, 100, 1460, 3000, 8000)))
    if what < 16:
        return ("take", rnd.choice((1, 500, 4000, 20000)))
    if what < 18:
        return ("wait", rnd.choice(_WAITS))
    what = rnd.below(16)
    if what == 0:
        return ("call", rnd.choice(("shutdown_send", "shutdown_send", "shutdown_recv", "close")))
    if what == 1:
        return ("flag", "nodelay", True)
    if what < 5:
        return ("busy", rnd.choice((1, 3, 30)))
    return ("take", 1000)


def generate(seed):
    """A case: (setup, actions)."""
    rnd = bench.Random(seed)
    if seed % 5 == 4:
        return _listening(rnd)
    wild = rnd.choice((0, 10, 40))
    options = rnd.choice(("", "s", "t", "w", "ts", "tsw", "tsw"))
    setup = (
        rnd.below(3) == 0,
        options,
        rnd.choice(EDGES),
        rnd.choice(EDGES),
        rnd.choice((2048, 4096, 8192, 8192)),
    )
    return setup, tuple(_action(rnd, wild) for _ in range(10 + rnd.below(50)))


def _listening(rnd):
    actions = []
    for _ in range(20 + rnd.below(60)):
        what = rnd.below(12)
        if what == 0:
            actions.append(("accept",))
        elif what == 1:
            actions.append(("close", rnd.below(8)))
        elif what == 2:
            actions.append(("wait", rnd.choice(_WAITS)))
        else:
            flags, dseq, dack = rnd.choice(
                (("S", 0, 0), ("S", 0, 0), ("A", 1, 1), ("A", 1, 1), ("FA", 1, 1), ("R", 1, 0))
            )
            if rnd.below(5) == 0:
                flags = rnd.choice(("SA", "RA", "", "F", "SF", "A", "S"))
                dseq += rnd.choice((0, 1, -1, 1000, 1 << 31))
                dack += rnd.choice((0, 1, -1, 1000, 1 << 31))
            n = rnd.choice((0, 0, 0, 10))
            junk = rnd.bits16() if rnd.below(8) == 0 else 0
            actions.append(("segment", rnd.below(9), flags, dseq, dack, n, junk))
    return ("listen", 1 + rnd.below(6)), tuple(actions)


# -- running and shrinking -----------------------------------------------------------------------


def run(case, peer):
    """Raises what goes wrong."""
    setup, actions = case
    world = Listening(setup, peer) if setup[0] == "listen" else World(setup, peer)
    for action in actions:
        world.act(action)
    world.p.nic.busy = 0
    world.heal()
    return world


def attempt(case, peer=bench.peer):
    """None, or what went wrong, as text. `peer` makes the host and its neighbour."""
    bench.forget()
    gc.collect()  # boards have no room for two worlds
    try:
        run(case, peer)
        bench.tidy()
        bench.clean()
    except Exception as error:
        out = io.StringIO()
        sys.print_exception(error, out)
        return out.getvalue()
    return None


def _reason(report):
    """What two failures that are the same have in common: the place, not the numbers."""
    lines = report.strip().split("\n")
    return lines[-2].split(",")[1:] + [lines[-1].split(":")[0]] if len(lines) > 1 else lines


def _plainer(action):
    """Actions that are a little less than this one."""
    for i in range(1, len(action)):
        value = action[i]
        for less in _less(value):
            if less != value:
                yield action[:i] + (less,) + action[i + 1 :]


def _less(value):
    if value is True or value is False:
        return (True,)
    if isinstance(value, int):
        return (0, 1, value // 2) if value else ()
    if value in ("FPUA", "PA", "AU"):
        return ("A",)
    if isinstance(value, str) and value in ("junk", "bare", "ts", "echo", "sack"):
        return (None,)
    return ()


def shrink(case, failing, most=600):
    """A smaller case that fails in the same way: `failing(case)` gives a report or None."""
    setup, actions = case
    want = _reason(failing(case))
    tries = 0

    def still(candidate):
        report = failing((setup, candidate))
        return report is not None and _reason(report) == want

    size = len(actions) // 2
    while size and tries < most:
        at = 0
        while at < len(actions) and tries < most:
            candidate = actions[:at] + actions[at + size :]
            tries += 1
            if still(candidate):
                actions = candidate
            else:
                at += size
        size //= 2
    again = True
    while again and tries < most:
        again = False
        for i in range(len(actions)):
            for less in _plainer(actions[i]):
                tries += 1
                candidate = actions[:i] + (less,) + actions[i + 1 :]
                if tries < most and still(candidate):
                    actions = candidate
                    again = True
                    break
    return setup, actions


def show(case):
    """A case as it is written down."""
    setup, actions = case
    return "(\n    %r,\n    (\n%s    ),\n)" % (
        (setup, "".join("        %r,\n" % (action,) for action in actions))
    )
