# Hard interrupts, which come in the middle of machine code: every call is refused, and changes
# nothing. And another core, which runs beside it: who comes second waits. Words stand for the
# registers that tell of them; tests/hw has both as they are.
# targets: MPS2_AN385, VIRT_RV32 (addresses of 32 bits)

import bench
import micropython
import select
import socket
from array import array
from netstack.api import callbacks, host, state
from netstack.core import processor
from netstack.core.wire import where

LOCK = 44  # words of Stack.w
MISSED = 45
OWNER = 64
GATE = 66
CORE = 67
SPIN = 68
ASLEEP = 72

st = host.stack()


class Alone:
    """Within it the board's service takes the program to be asleep, and leaves the stack alone:
    it would be refused as well, or move on what is looked at."""

    def __enter__(self):
        st.w[ASLEEP] = 1

    def __exit__(self, *_):
        st.w[ASLEEP] = 0
        if state.service:
            state.service.arm(1)


alone = Alone()


class Interrupt:
    """Within it, who asks is a hard interrupt."""

    def __init__(self):
        self.word = array("I", (15,))

    def __enter__(self):
        alone.__enter__()
        self.usual = st.w[GATE]
        st.w[GATE] = where(self.word)

    def __exit__(self, *_):
        st.w[GATE] = self.usual
        alone.__exit__()


def joined():
    a, b = socket.socketpair()
    for s in (a, b):
        bench.at_end(s.close)
        s.settimeout(60)
    return a, b


def datagrams():
    d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bench.at_end(d.close)
    d.bind(("127.0.0.1", 0))
    d.settimeout(60)
    return d


def refused(which, function):
    try:
        function()
    except RuntimeError as error:
        assert not error.args or "micropython.schedule()" in str(error), error
        return
    raise AssertionError("call %d of each_call() was not refused" % which)


def each_call(a, d, server):
    """What does not ask for memory before it asks for the stack."""
    buf = bytearray(20)
    to = d.getsockname()
    select_one = select.poll()
    select_one.register(a, select.POLLIN)
    return (
        lambda: a.send(b"x"),
        lambda: a.sendall(b"x"),
        lambda: a.write(b"x"),
        lambda: a.recv(1),
        lambda: a.recv_into(buf),
        lambda: a.readinto(buf),
        lambda: a.shutdown(socket.SHUT_WR),
        lambda: a.bind(to),
        lambda: d.send(b"x"),
        lambda: d.sendto(b"x", to),
        lambda: d.recv(1),
        lambda: d.recv_into(buf),
        lambda: d.recvfrom(1),
        lambda: d.recvfrom_into(buf),
        lambda: d.connect(to),
        server.accept,
        a.close,
        d.close,
        server.close,
        lambda: (select_one.poll(0), select_one.poll(0)),  # with the second one's round
        callbacks.lock.__enter__,
        lambda: st.poll(st.clock()),
    )


def test_hard_interrupts():
    a, b = joined()
    d = datagrams()
    server = socket.socket()
    bench.at_end(server.close)
    server.bind(("127.0.0.1", 0))
    server.listen(1)
    to = d.getsockname()
    for _ in range(3):  # the third goes by the fast path
        d.sendto(b"abc", to)
        assert d.recvfrom(5) == (b"abc", to)
    d.sendto(b"waits", to)
    b.sendall(b"waits")
    host.pump()
    calls = each_call(a, d, server)
    spent = st.spent
    words = bytes(st.w[44:46])  # inside, and to be polled
    held = bytes(d._io.cb), bytes(a._io.cb)
    with Interrupt():
        for i, call in enumerate(calls):
            refused(i, call)
        with bench.inside(st):  # nor while the program is inside
            for i, call in enumerate(calls):
                refused(i, call)
            try:
                callbacks.check(st)
                raise AssertionError("a callback's call was not refused")
            except RuntimeError:
                pass
        # before the service may go on
        assert st.spent == spent and bytes(st.w[44:46]) == words
        assert (bytes(d._io.cb), bytes(a._io.cb)) == held
    assert d.recv(9) == b"waits" and a.recv(9) == b"waits"
    d.sendto(b"as before", to)
    a.sendall(b"as before")
    assert d.recv(9) == b.recv(9) == b"as before"


def test_without_memory():
    """As in a hard interrupt, where none can be had: then there is no text."""
    a, b = joined()
    d = datagrams()
    d.sendto(b"waits", d.getsockname())
    host.pump()
    buf = bytearray(20)
    interrupt = Interrupt()
    said = []
    kinds = (RuntimeError, MemoryError)
    calls = (a.send, b"x"), (a.recv_into, buf), (d.recv_into, buf), (d.recvfrom_into, buf)
    for function, arg in calls:
        kind = None
        with interrupt:
            micropython.heap_lock()
            try:
                function(arg)
            except kinds as error:
                kind = error.__class__
            finally:
                micropython.heap_unlock()
        said.append(kind)
    assert None not in said, said
    assert d.recv(9) == b"waits"


def test_registers():
    """On a Cortex-M it is the processor's own that is asked."""
    assert st.w[GATE] == (0xE000ED04 if processor.KERNELS == "thumb" else 0)
    assert st.w[CORE] == st.w[SPIN] == 0


class TwoCores:
    """Words that stand for an RP2's registers: `number` is the core that asks, `spin` is 0 while
    the other has what one can have. They are memory, so to read takes nothing away."""

    def __enter__(self):
        self.words = array("I", (0, 1))
        alone.__enter__()
        st.share(where(self.words), where(self.words) + 4)
        return self

    def __exit__(self, *_):
        st.share(0, 0)
        st.w[LOCK] = st.w[MISSED] = 0
        alone.__exit__()

    def other(self, inside):
        """The other core comes in, is on its way in, or has gone."""
        self.words[1] = 0 if inside else 1
        st.w[LOCK] = inside == "in"
        st.w[OWNER] = 1


def test_another_core_is_inside():
    """Who comes meanwhile is not refused: it waits, and does nothing before."""
    a, b = joined()
    d = datagrams()
    to = d.getsockname()
    for _ in range(3):
        d.sendto(b"abc", to)
        assert d.recvfrom(5) == (b"abc", to)
    d.sendto(b"waits", to)
    host.pump()
    buf = bytearray(9)
    with TwoCores() as cores:
        for inside in ("in", "on its way"):
            cores.other(inside)
            assert not st.claim() and not st.inside() and not host.interrupted(st)
            st.w[MISSED] = 0
            assert st.poll(st.clock()) == 0 and st.w[MISSED] == 2
            held = bytes(d._io.cb)
            first, unpack, cb, copied, job = d._short
            assert unpack(cb, buf, 0, 9, 2, copied, job) == -1
            assert bytes(d._io.cb) == held
        cores.other(None)
        assert st.claim() and st.w[OWNER] == 0 and st.inside() and host.interrupted(st)
        cores.words[1] = 0  # as it is while we have it
        assert not st.claim() and st.poll(st.clock()) == 0 and st.w[MISSED] == 1
        st.w[MISSED] = 0
        st.leave()
        assert cores.words[1] and not st.w[LOCK]
        assert d.recvfrom(9) == (b"waits", to) and cores.words[1]
        d.sendto(b"more", to)
        assert d.recv_into(buf) == 4 and cores.words[1]


def test_another_core_keeps_us_out():
    """leave() polls, since something was missed; when another core is in by then, it has the timer
    come again."""
    again = []
    usual = st.again
    with TwoCores() as cores:
        st.again = lambda: again.append(st.w[LOCK])
        try:
            assert st.claim()
            cores.words[1] = 0
            st.w[MISSED] = 1
            clock = st.clock

            def enters():
                cores.other("in")
                return clock()

            st.clock = enters
            st.leave()
            assert again == [1], again
        finally:
            st.clock = clock
            st.again = usual


def test_clocks_of_two_cores():
    """The other core has read the clock after us, and polled before: time does not go back."""
    with TwoCores():
        now = st.clock()
        st.poll(now + 3)
        seen = st.w[1]
        st.poll(now)
        assert st.w[1] == seen and st.now == (now + 3) & 0x3FFFFFFF


bench.run_tests(globals())
