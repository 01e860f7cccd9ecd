# Hard interrupts and other cores, which come in the middle of machine code or run beside it: every
# call is refused, and changes nothing. Two words stand for the registers that tell of them.
# targets: MPS2_AN385, VIRT_RV32 (addresses of 32 bits)

import bench
import micropython
import select
import socket
from array import array
from netstack.api import callbacks, host
from netstack.core import processor
from netstack.core.wire import where

GATE = 66  # words of Stack.w
CORE = 67

st = host.stack()


class Elsewhere:
    """Within it, who asks is no program of the first core."""

    def __init__(self, register):
        self.words = array("I", (0, 0))
        self.register = register

    def __enter__(self):
        self.usual = st.w[GATE], st.w[CORE]
        self._set(where(self.words), where(self.words) + 4)
        self.words[self.register] = 15 if self.register == 0 else 1

    def __exit__(self, *_):
        self._set(*self.usual)

    def _set(self, gate, core):
        st.w[GATE], st.w[CORE] = gate, core
        job = st.udp.fast._job
        job[5], job[6] = gate, core


def joined():
    a, b = socket.socketpair()
    for s in (a, b):
        bench.at_end(s.close)
        s.settimeout(10)
    return a, b


def datagrams():
    d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bench.at_end(d.close)
    d.bind(("127.0.0.1", 0))
    d.settimeout(10)
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


def check(register):
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
    elsewhere = Elsewhere(register)
    with elsewhere:
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
    assert st.spent == spent and bytes(st.w[44:46]) == words
    assert (bytes(d._io.cb), bytes(a._io.cb)) == held
    assert d.recv(9) == b"waits" and a.recv(9) == b"waits"
    d.sendto(b"as before", to)
    a.sendall(b"as before")
    assert d.recv(9) == b.recv(9) == b"as before"


def test_hard_interrupts():
    check(0)


def test_another_core():
    check(1)


def test_without_memory():
    """As in a hard interrupt, where none can be had: then there is no text."""
    a, b = joined()
    d = datagrams()
    d.sendto(b"waits", d.getsockname())
    host.pump()
    buf = bytearray(20)
    elsewhere = Elsewhere(0)
    said = []
    kinds = (RuntimeError, MemoryError)
    calls = (a.send, b"x"), (a.recv_into, buf), (d.recv_into, buf), (d.recvfrom_into, buf)
    for function, arg in calls:
        kind = None
        with elsewhere:
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
    thumb = processor.KERNELS == "thumb"
    assert st.w[GATE] == (0xE000ED04 if thumb else 0)
    assert not thumb or st.w[CORE] == where(st.w) + 4 * 68


bench.run_tests(globals())
