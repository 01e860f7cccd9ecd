"""Python on both cores of an RP2, which has no lock of the interpreter: the stack has one of its own
(core/stack.py), and each call is one piece to the other core.

All names are made before the second core starts, and results kept in lists: a new global moves the
table of them that the other core is looking into (true of MicroPython on these chips as such).
A test that ends leaves the second core where it is: the next begins with a soft reset.
"""

import hashlib
import re
import socket
import threading

import netns
import pytest
from process import BOARDS  # noqa: F401

SIZE = 16000
DATA = bytes(i * 7 + (i >> 8) & 255 for i in range(SIZE))
BURST = 40
PROGRAM = """
import _thread, gc, network, select, socket, sys, time
from netstack.api import host
nic = network.LAN()
nic.active(True)
nic.ipconfig(addr4="%s/24")
LINUX = "%s"
SIZE = %d
BURST = %d
failed = []
done = []

def second(function, *args):
    def run():
        try:
            function(*args)
        except BaseException as error:
            failed.append(error)
            sys.print_exception(error)
        done.append(function)
    _thread.start_new_thread(run, ())

def join():
    while not done:
        time.sleep_ms(2)
    assert not failed

def pattern(n):
    return bytes(i * 7 + (i >> 8) & 255 for i in range(n))

def listener(port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", port))
    s.listen(2)
    return s

def echo(server, times):
    buf = bytearray(1500)
    for _ in range(times):
        conn, _ = server.accept()
        while True:
            n = conn.recv_into(buf)
            if n == 0:
                break
            conn.sendall(memoryview(buf)[:n])
        conn.close()

def visit(address, data):
    s = socket.socket()
    s.connect(address)
    buf = bytearray(1500)
    at = 0
    for off in range(0, len(data), 1000):
        s.sendall(data[off : off + 1000])
        end = min(off + 1000, len(data))
        while at < end:
            n = s.recv_into(buf, min(end - at, 1500))
            assert n and buf[:n] == data[at : at + n], at
            at += n
    s.close()

while not nic.isconnected():
    time.sleep_ms(5)
""" % (netns.OURS, netns.LINUX, SIZE, BURST)


@pytest.fixture
def beside(board):
    """Runs a program on the board, and a function of ours on the host once it says `ready`:
    what it prints after that."""
    if board.ns is None:
        pytest.skip("needs a namespace around the board")

    def run(code, ours=None, timeout=120):
        board.address = netns.OURS
        with board._mpremote(("exec", PROGRAM + code), None) as process:
            if ours:
                process.expect(r"^ready", timeout * board.patience)
                ours()
            process.expect(r"^finished", timeout * board.patience)
            return process.output

    return run


def host_socket(board, kind, port):
    with board.ns.entered():
        s = socket.socket(socket.AF_INET, kind)
        s.settimeout(300)
        s.bind((netns.LINUX, port))
        return s


def echo_here(server):
    conn, _ = server.accept()
    with conn:
        while data := conn.recv(4096):
            conn.sendall(data)


def visit_board(board, port):
    with board.connect(port) as conn:
        got = b""
        sender = threading.Thread(target=conn.sendall, args=(DATA,))
        sender.start()
        while len(got) < SIZE:
            part = conn.recv(4096)
            assert part, "the board has closed the connection"
            got += part
        sender.join()
    assert hashlib.sha256(got).digest() == hashlib.sha256(DATA).digest()


def test_server_on_one_client_on_the_other(board, beside):
    """A server on the second core, which the host visits, while the first one visits the host; pings
    are answered meanwhile."""
    with host_socket(board, socket.SOCK_STREAM, 7) as server:
        server.listen(1)
        other = threading.Thread(target=echo_here, args=(server,))
        other.start()

        def ours():
            ping = ("ping", "-c", "4", "-i", "0.5", "-W", "20", netns.OURS)
            with board.ns.entered():
                pings = netns.Process(list(ping))
            with pings:
                visit_board(board, 7)
                said = pings.finish(120)
            assert " 0% packet loss" in said, said

        beside(
            """
server = listener(7)
data = pattern(SIZE)
second(echo, server, 1)
print("ready")
visit((LINUX, 7), data)
join()
print("finished")
""",
            ours,
        )
        other.join()


def test_datagrams(board, beside):
    """Both send at once, each by a socket of its own, and both by one: all of them come through as
    they were, and each once."""
    got = []
    with host_socket(board, socket.SOCK_DGRAM, 9) as sink:
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

        def collect():
            while len(got) < 4 * BURST:
                got.append(sink.recv(2000))

        beside(
            """
def shout(own, shared, who):
    for i in range(BURST):
        n = 20 + 13 * i %% 700
        own.sendto(b"own %%d %%d " %% (who, i) + bytes([65 + i %% 26]) * n, (LINUX, 9))
        shared.sendto(b"shared %%d %%d " %% (who, i) + bytes([65 + i %% 26]) * n, (LINUX, 9))

own = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
second(shout, own[1], own[2], 1)
print("ready")
shout(own[0], own[2], 0)
join()
print("finished")
""".replace("%%", "%"),
            collect,
        )
    want = {
        b"%s %d %d " % (kind, who, i) + bytes([65 + i % 26]) * (20 + 13 * i % 700)
        for kind in (b"own", b"shared")
        for who in (0, 1)
        for i in range(BURST)
    }
    assert len(got) == len(want) and set(got) == want


def test_closed_on_the_other(beside):
    """What one core waits for, the other closes; and they ask and answer over loopback meanwhile."""
    said = beside(
        """
def wait(call):
    try:
        call()
        print("nothing")
    except OSError as error:
        print("errno", error.errno)

server = listener(8)
a = socket.create_connection(("127.0.0.1", 8))
b, _ = server.accept()
d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
d.bind(("", 10))
for s, call in ((a, lambda: a.recv(5)), (d, lambda: d.recvfrom(5)), (server, server.accept)):
    second(wait, call)
    time.sleep_ms(60)
    s.close()
    join()
    done.clear()
    time.sleep_ms(5)

d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
d.bind(("", 10))

def close():
    time.sleep_ms(60)
    d.close()

second(close)
wait(lambda: d.recv(5))
join()
print("finished")
"""
    )
    assert re.findall(r"^errno (\d+)", said, re.M) == ["9"] * 4


def test_neither_starves(beside):
    """A core that computes costs the one that serves less than half of its rate, whichever it is;
    both collect garbage all the time in the end."""
    said = beside(
        """
def compute(stop):
    while not stop:
        pass

def client(data, took):
    start = time.ticks_us()
    visit(("127.0.0.1", 8), data)
    took.append(time.ticks_diff(time.ticks_us(), start))

def litter(stop):
    while not stop:
        keep = [bytes(50) for _ in range(20)]
        gc.collect()

server = listener(8)
data = pattern(8000)
took = []
stop = []

def both(server, data, took, times):
    for _ in range(times):
        conn = socket.create_connection(("127.0.0.1", 8))
        other, _ = server.accept()
        buf = bytearray(1000)
        start = time.ticks_us()
        for off in range(0, len(data), 1000):
            conn.sendall(memoryview(data)[off : off + 1000])
            n = 0
            while n < 1000:
                n += other.recv_into(buf, 1000 - n)
        took.append(time.ticks_diff(time.ticks_us(), start))
        other.close()
        conn.close()

both(server, data, took, 2)          # alone
second(compute, stop)
both(server, data, took, 1)          # the second core computes
stop.append(1)
join()
done.clear()
time.sleep_ms(5)
second(both, server, data, took, 2)
while not done:                      # the first one computes
    pass
assert not failed
done.clear()
time.sleep_ms(5)
print("us", took[1], took[2], took[4])
stop.clear()
second(echo, server, 2)              # both collect, and talk to each other
for i in range(2):
    visit(("127.0.0.1", 8), data)
    keep = [bytes(50) for _ in range(20)]
    gc.collect()
join()
print("finished")
"""
    )
    alone, first, second = map(int, re.search(r"^us (\d+) (\d+) (\d+)", said, re.M).groups())
    print("8 kB by loopback: %d us, the second core computing %d, on it %d" % (alone, first, second))
    assert first < 2 * alone and second < 2 * alone


def test_soft_reset_with_the_second_core_inside(board, beside):
    """Each of these tests has begun with a reset; here one comes while the second core waits in
    recv(), and again while it is busy with the stack."""
    for busy in ("", "server.setblocking(False)\n"):
        beside(
            """
a, b = socket.socketpair()
def wait():
    while True:
        try:
            b.recv(10)
        except OSError:
            pass
%ssecond(wait)
time.sleep_ms(30)
a.send(b"x")
print("finished")
"""
            % busy.replace("server", "b")
        )
    beside('assert host.stack().w[44] == 0\nvisit((LINUX, 7), pattern(3000)) if 0 else None\nprint("finished")\n')
