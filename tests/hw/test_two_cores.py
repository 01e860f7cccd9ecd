"""Python on both cores of an RP2, which has no lock of the interpreter: the stack has one of its
own (core/stack.py), and each call is one piece to the other core.

One program does it all, a part for each test here. It makes all names before the second core
starts, and keeps results in lists: a new global moves the table of them that the other core is
looking into (so it is with MicroPython on these chips).
"""

import hashlib
import re
import socket
import threading

import netns
import pytest
from attached import PROGRAMS

BOARDS = ["W5500_EVB_PICO"]
SIZE = 4000
DATA = bytes(i * 7 + (i >> 8) & 255 for i in range(SIZE))
BURST = 12
PATIENCE = 300


class Program:
    """The board's program, from its start to the part that a test is about. It goes on by itself:
    what it will talk to on the host is there before it begins."""

    def __init__(self, board):
        self.board = board
        self.server = host_socket(board, socket.SOCK_STREAM, 7)
        self.server.listen(1)
        self.sink = host_socket(board, socket.SOCK_DGRAM, 9)
        self.sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.process = board._mpremote(("run", PROGRAMS / "two_cores.py"))
        board.address = netns.OURS

    def begin(self, part):
        self.process.expect("^begin %d" % part, PATIENCE)

    def end(self, part):
        """What it has printed, and that it has come that far."""
        self.process.expect("^end %d" % part, PATIENCE)
        said = self.process.output
        assert "Traceback" not in said, said
        return said


@pytest.fixture(scope="module")
def program(board):
    if board.ns is None:
        pytest.skip("needs a namespace around the board")
    program = Program(board)
    with program.process, program.server, program.sink:
        yield program


def host_socket(board, kind, port):
    with board.ns.entered():
        s = socket.socket(socket.AF_INET, kind)
        s.settimeout(PATIENCE)
        s.bind((netns.LINUX, port))
        return s


def echo_here(server):
    conn, _ = server.accept()
    with conn:
        while data := conn.recv(4096):
            conn.sendall(data)


def visit_board(board, port):
    with board.connect(port) as conn:
        conn.settimeout(PATIENCE)
        got = b""
        conn.sendall(DATA[: SIZE // 2])
        conn.sendall(DATA[SIZE // 2 :])
        while len(got) < SIZE:
            part = conn.recv(4096)
            assert part, "the board has closed the connection"
            got += part
    assert hashlib.sha256(got).digest() == hashlib.sha256(DATA).digest()


def test_server_on_one_client_on_the_other(board, program):
    """A server on the second core, which the host visits, while the first one visits the host;
    pings are answered meanwhile."""
    other = threading.Thread(target=echo_here, args=(program.server,))
    other.start()
    program.begin(1)
    with board.ns.entered():
        pings = netns.Process(["ping", "-i", "0.3", "-c", "3", "-W", "120", netns.OURS])
    with pings:
        visit_board(board, 7)
        said = pings.finish(PATIENCE)
    assert " 3 received" in said, said
    program.end(1)
    other.join()


def test_datagrams(board, program):
    """Both send at once, each by a socket of its own, and both by one: all of them come through as
    they were, and each once."""
    got = []
    program.begin(2)
    while len(got) < 4 * BURST:
        got.append(program.sink.recv(2000))
    program.end(2)
    want = {
        b"%s %d %d " % (kind, who, i) + bytes([65 + i % 26]) * (20 + 13 * i % 700)
        for kind in (b"own", b"shared")
        for who in (0, 1)
        for i in range(BURST)
    }
    assert len(got) == len(want) and set(got) == want


def test_closed_on_the_other(program):
    """What one core waits for, the other closes."""
    said = program.end(3)
    assert re.findall(r"^errno (\d+)", said, re.M) == ["9"] * 4


def test_neither_starves(program):
    """A core that computes leaves the other more than half of its rate, whichever it is."""
    said = program.end(4)
    alone, first, second = map(int, re.search(r"^us (\d+) (\d+) (\d+)", said, re.M).groups())
    print("by loopback: %d us, the second core computing %d, on it %d" % (alone, first, second))
    assert first < 2 * alone and second < 2 * alone


def test_garbage_on_both(program):
    """Both collect all the time, and talk to each other."""
    program.end(5)


def test_soft_reset_with_the_second_core_inside(board, program):
    """The program ends with the second core in recv(), busy with the stack: a soft reset follows,
    and all can be had anew."""
    program.end(6)
    program.process.finish(PATIENCE)
    said = board.exec("import socket\na, b = socket.socketpair()\na.send(b'x')\nprint(b.recv(2))")
    assert "b'x'" in said, said
