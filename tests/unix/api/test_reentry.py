# What calls the stack while it is running, or while a program is inside: each way in is harmless.
# The finaliser of a socket: test_dropped.test_inside_the_stack. Threads: test_threads.py. A hard
# interrupt: test_interrupt.py.

import bench
import micropython
import select
import socket
from netstack.api import host

EAGAIN = 11

st = host.stack()


def joined():
    a, b = socket.socketpair()
    for s in (a, b):
        bench.at_end(s.close)
        s.settimeout(60)
    return a, b


def watched(sock):
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return poller


def errno_of(function, *args):
    """What it says, or 0."""
    try:
        function(*args)
    except OSError as error:
        return error.errno
    return 0


class Meddler:
    """Does whatever it can while somebody else is inside; `said` is what came of that."""

    def __init__(self, sock):
        self.sock = sock
        self.poller = watched(sock)
        self.said = []

    def __call__(self, _):
        sock = self.sock
        self.said.append(
            (
                st.poll(st.clock()),
                host.pump(),
                len(self.poller.poll(0)) <= 1,
                errno_of(sock.recv_into, bytearray(1)),
                errno_of(sock.close),
            )
        )


def scheduled(callback):
    """Have the scheduler call it now: between two steps of a loop."""
    micropython.schedule(callback, None)
    for _ in range(100):
        pass


def once_told(io, meddler, act):
    """Have act() called within the stack, when that next tells of `io`."""
    usual = io.notify

    def notify(io):
        usual(io)
        if not meddler.said:
            act()

    io.notify = notify


def test_scheduled_while_the_stack_runs():
    """A callback of the scheduler comes in the middle of poll()."""
    a, b = joined()
    c, d = joined()
    meddler = Meddler(d)
    once_told(b._io, meddler, lambda: scheduled(meddler))
    c.sendall(b"kept")
    host.pump()
    a.sendall(b"through")
    assert b.recv(20) == b"through"
    # what waits is not touched, and the socket is open
    assert meddler.said == [(0, 0, True, EAGAIN, EAGAIN)], meddler.said
    assert d.recv(20) == b"kept"


def test_scheduled_while_a_program_is_inside():
    a, b = joined()
    a.sendall(b"kept")
    host.pump()
    meddler = Meddler(b)
    with bench.inside(st):
        scheduled(meddler)
    assert meddler.said == [(0, 0, True, EAGAIN, EAGAIN)], meddler.said
    assert b.recv(20) == b"kept"


def test_scheduled_while_nobody_is():
    """It may do all of it."""
    a, b = joined()
    a.sendall(b"taken")
    host.pump()
    said = []
    scheduled(lambda _: said.append((len(watched(b).poll(0)), b.recv(20), b.send(b"answer"))))
    assert said == [(1, b"taken", 6)], said
    assert a.recv(20) == b"answer"


def test_callback_of_the_stack():
    """conn.notify and the like are called inside poll(), which they cannot begin again."""
    a, b = joined()
    c, d = joined()
    meddler = Meddler(d)
    once_told(b._io, meddler, lambda: meddler(None))
    a.sendall(b"through")
    assert b.recv(20) == b"through"
    assert meddler.said == [(0, 0, True, EAGAIN, EAGAIN)], meddler.said
    c.sendall(b"open")
    assert d.recv(20) == b"open"


def test_callback_of_a_socket():
    """Option 20 is called when nobody is inside: it reads, polls, answers, opens and closes."""
    a, b = joined()
    got = []

    def callback(sock):
        host.pump()
        if watched(sock).poll(0):
            data = sock.recv(20)
            got.append(data)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.bind(("127.0.0.1", 0))
            if data:
                sock.send(data)
            else:
                sock.close()

    b.setsockopt(socket.SOL_SOCKET, 20, callback)
    for data in (b"one", b"two"):
        a.sendall(data)
        assert a.recv(20) == data
    a.shutdown(socket.SHUT_WR)
    assert a.recv(20) == b""
    assert got == [b"one", b"two", b""], got


def test_callback_of_a_timer_of_the_stack():
    a, b = joined()
    meddler = Meddler(b)
    with bench.inside(st):
        timer = st.timers.new(lambda: meddler(None))
        timer.start(st.now, 1)
    assert host.wait(lambda: meddler.said, 30000)
    with bench.inside(st):
        st.timers.discard(timer)
    assert meddler.said == [(0, 0, True, EAGAIN, EAGAIN)], meddler.said
    a.sendall(b"open")
    assert b.recv(20) == b"open"


bench.run_tests(globals())
