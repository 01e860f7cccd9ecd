"""HTTPS from a board: pages fetched by curl, which believes in our CA alone, and what that takes
of the board's heap."""

import contextlib
import socket

import certs
import netns
import pytest
from attached import PROGRAMS, Board

NAME = certs.NAME
FLAT = 4800  # bytes: lists that grow, and what the collector takes for pointers
SESSION = 32000  # docs/tls.md has the figures
HANDSHAKE = 34000


@pytest.fixture
def lean(board_name):
    """A board whose NIC keeps no frames in the heap."""
    if board_name != "MPS2_AN385":
        pytest.skip("virtio's queues lie in the heap, with a frame in each place")


@pytest.fixture
def https(request, board_name, qemu, emulated, tmp_path):
    """A board that serves HTTPS by a program: what fetches paths of it."""
    pem = certs.make(tmp_path)
    log = str(tmp_path / "qemu.log")
    with emulated(board_name, log=log, hostfwd=[(0, 443, "tcp")]) as emulator:
        board = Board(board_name, emulator.serial_url, emulator)
        board.mpremote("cp", pem / "server.pem", pem / "server.key", ":")
        board.mpremote("cp", PROGRAMS / "https.py", ":")
        with board.running(request.param):
            host, port = board.port(443).split(":")
            url = "https://%s:%s/" % (NAME, port)
            curl = ["curl", "--no-progress-meter", "--fail", "--max-time", "120"]
            curl += ["--cacert", pem / "ca.pem", "--resolve", "%s:%s:%s" % (NAME, port, host)]

            def fetch(paths, *more):
                argv = [str(word) for word in curl + list(more)]
                with netns.Process(argv + [url + paths]) as process:
                    return process.finish(240)

            fetch.address = host, int(port)
            yield fetch


@pytest.mark.parametrize("https", ["https"], indirect=True)
def test_pages(https, tmp_path):
    """Pages come whole; a connection takes so much of the heap, and leaves nothing there; bad
    handshakes leave nothing either."""
    sizes = [0, 1, 4097, 50000]
    out = ["--output-dir", tmp_path, "-o", "got#1"]
    https("{%s}" % ",".join(map(str, sizes)), *out)
    for size in sizes:
        body = (tmp_path / ("got%d" % size)).read_bytes()
        assert body == (bytes(range(256)) * 200)[:size], size
    heaps = []
    while len(heaps) < 2 or heaps[-1] - heaps[-2] >= FLAT:
        assert len(heaps) < 5, heaps
        for n in range(12):
            https("100?%d" % n)
            with socket.create_connection(https.address, 60) as peer:
                peer.sendall(b"\x16\x03\x01\x02\x00\x01" + bytes(n * 40))
                peer.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):
                    while peer.recv(100):  # until the board has given it up
                        pass
        https("1")
        idle, session, handshake = map(int, https("mem").split())
        heaps.append(idle)
    print(
        "heap: %d, of a session %d, of a handshake %d" % (idle, session - idle, handshake - idle)
    )
    assert session - idle < SESSION and handshake - idle < HANDSHAKE


@pytest.mark.parametrize("https", ["https_small"], indirect=True)
def test_small_heap(lean, https, tmp_path):
    """200 kB, IPv6 among what is in them, are enough."""
    out = ["--output-dir", tmp_path, "-o", "got#1"]
    sizes = [1, 5000, 30000]
    for n in range(3):
        https("{1,5000,30000}?%d" % n, *out)
        assert all((tmp_path / ("got%d" % size)).stat().st_size == size for size in sizes)
