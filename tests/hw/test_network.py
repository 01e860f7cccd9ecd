"""The board's network reached from the host: by QEMU's user networking, by a TAP, or for real."""

import hashlib
import os
import sys
import time

import netns
import pytest
from attached import ROOT
from test_repl import idles

BODY = bytes((i * 7 + (i >> 8)) & 255 for i in range(65536))
CURL = ["curl", "--http1.0", "--no-progress-meter", "--fail", "--max-time", "400"]
FULL = os.environ.get("NETSTACK_FULL") == "1"
SEQUENTIAL = 300
CONCURRENT = 30
# Lists that grow, and what the collector takes for pointers, come to some kB (on a RISC-V board
# to 20, up and down), however many fetches there were; 300 connections that left 16 bytes each
# behind would do so in every round.
NOISE = 4800
ROUNDS = 8


def memory(run, url):
    """(heap, free frames) once no connection but the one that asks is left."""
    end = time.monotonic() + 480
    while True:
        heap, frames, connections = map(int, run(CURL + [url + "mem"]).split())
        if connections == 1:
            return heap, frames
        assert time.monotonic() < end, "%d connections never end" % connections
        time.sleep(1)


def check_bodies(directory, names):
    want = hashlib.sha256(BODY).digest()
    for name in names:
        got = (directory / name).read_bytes()
        assert hashlib.sha256(got).digest() == want, "%s: %d bytes, or wrong ones" % (
            name,
            len(got),
        )
        (directory / name).unlink()


def fetch(run, url, directory):
    run(CURL + ["--output-dir", directory, "-o", "got", url + "64k"])
    check_bodies(directory, ["got"])


def fetches(run, url, directory, sequential, concurrent):
    """All complete and equal; then heap and pool as before."""
    out = ["--output-dir", directory, "-o", "got#1"]
    parallel = ["--parallel", "--parallel-immediate", "--parallel-max", concurrent]
    # Once for tables and lists to grow to their size, with connections in TIME-WAIT.
    run(CURL + out + [url + "64k?[1-30]"])
    run(CURL + parallel + out + [url + "64k?[1-%d]" % concurrent])
    check_bodies(directory, ["got%d" % i for i in range(1, concurrent + 1)])
    heaps = [memory(run, url)]
    while len(heaps) <= ROUNDS:
        run(CURL + out + [url + "64k?[1-%d]" % sequential])
        check_bodies(directory, ["got%d" % i for i in range(1, sequential + 1)])
        run(CURL + parallel + out + [url + "64k?[1-%d]" % concurrent])
        check_bodies(directory, ["got%d" % i for i in range(1, concurrent + 1)])
        heaps.append(memory(run, url))
        assert heaps[-1][1] == heaps[0][1], "frames: %s" % heaps
        if heaps[-1][0] - heaps[-2][0] < NOISE:
            return
    raise AssertionError("the heap grows with every round: %s" % heaps)


def test_fetches(board, tmp_path):
    if board.slow and board.emulator:
        pytest.skip("its wire is a TAP: test_fetches_by_tap")

    def run(argv):
        return board.run(*argv)

    with board.running("fetch"):
        # QEMU's forwarding takes connections from a queue of one: more at a time are the host
        # kernel's to repeat. The crowd is test_fetches_by_tap's.
        concurrent = 2 if board.emulator else CONCURRENT
        fetches(run, "http://%s/" % board.port(80), tmp_path, SEQUENTIAL, concurrent)
        if board.emulator:
            idles(board.emulator.pid, 2, 10)


def test_fetches_by_tap(tap_board, dnsmasq, tmp_path):
    board, ns = tap_board
    dnsmasq(ns)
    with board.running("fetch"):
        assert board.address == "10.99.0.50"
        if board.slow:
            fetches_slowly(board, ns, tmp_path)
            return
        # One at a time: a machine that halts QEMU for a while gives it more at once afterwards
        # than the chip has room for.
        ping = "ping -q -c 1 -s 1472 -W 60 %s || exit" % board.address
        ns.run("sh", "-c", "for i in $(seq 200); do %s; done" % ping, timeout=480)

        def inside(argv):
            return ns.run(*argv, timeout=480).stdout

        fetches(inside, "http://%s/" % board.address, tmp_path, 30, CONCURRENT)


def fetches_slowly(board, ns, directory):
    """Pings, and as many fetches as an emulated Pico can answer in a few seconds."""
    count = 20 if FULL else 3
    argv = ("ping", "-q", "-c", count, "-s", "1472", "-W", "60", board.address)
    assert " 0% packet loss" in ns.run(*argv, timeout=480).stdout

    def inside(argv):
        return ns.run(*argv, timeout=480).stdout

    url = "http://%s/" % board.address
    parallel = ["--parallel", "--parallel-immediate", "--output-dir", directory, "-o", "got#1"]
    fetch(inside, url, directory)
    before = None
    for _ in range(2):  # with the first, lists grow to their size
        inside(CURL + parallel + [url + "64k?[1-2]"])
        check_bodies(directory, ["got1", "got2"])
        heap, frames = memory(inside, url)
        assert before is None or heap - before[0] < NOISE and frames == before[1]
        before = heap, frames


def test_pings_while_it_computes(tap_board, dnsmasq):
    """A program that never waits does not keep the board from answering."""
    board, ns = tap_board
    dnsmasq(ns)
    with board.running("busy"):
        argv = ("ping", "-q", "-c", "4", "-i", "0.3", "-W", "120", board.address)
        assert " 0% packet loss" in ns.run(*argv, timeout=480).stdout


def test_flood_by_tap(tap_board, dnsmasq, tmp_path):
    """RFC 4987: SYNs of hosts that do not exist, from far away and from the board's own network.
    Who fetches something gets it; afterwards frames and heap are as before."""
    board, ns = tap_board
    if board.slow and not FULL:
        pytest.skip("takes minutes on an emulated Pico: NETSTACK_FULL=1")
    dnsmasq(ns)
    flood = ROOT / "tests" / "unix" / "interop" / "flood.py"

    def inside(argv):
        return ns.run(*argv, timeout=480).stdout

    def attack(count, kind):
        argv = ("tap0", netns.MAC, board.address, 80, count, 300, kind)
        process = ns.start(sys.executable, flood, *argv)
        process.expect("^ready")
        return process

    with board.running("fetch"):
        url = "http://%s/" % board.address
        frames = memory(inside, url)[1]
        for kind in ("far", "near"):  # tables grow to their size
            attack(300, kind).finish()
        inside(CURL + ["-o", tmp_path / "got#1", url + "64k?[1-60]"])
        before = memory(inside, url)[0]
        for kind in ("far", "near"):
            process = attack(900, kind)
            while True:
                fetch(inside, url, tmp_path)
                if not process.running:
                    break
            process.finish()
        # What waits for neighbours that never answer is given up after some seconds, and SYN,ACKs
        # are sent again for a minute.
        for _ in range(ROUNDS):
            time.sleep(5)
            after, left = memory(inside, url)
            if after - before < 3 * NOISE and left >= frames - 16:
                break
            fetch(inside, url, tmp_path)
    assert left >= frames - 16, (frames, left)
    assert after - before < 3 * NOISE, (before, after)


def test_dhcp_by_qemu(board, qemu):
    """QEMU's own DHCP server gives address, mask, router and name server."""
    said = board.exec(
        "import network, time\n"
        "nic = network.LAN()\n"
        "nic.active(True)\n"
        "nic.ipconfig(dhcp4=True)\n"
        "while not nic.isconnected(): time.sleep_ms(50)\n"
        "print(nic.ifconfig())"
    )
    assert "('10.0.2.15', '255.255.255.0', '10.0.2.2', '10.0.2.3')" in said


def test_fetch_by_board(board, qemu, tmp_path):
    """The board is the client: it fetches from a server of the host (10.0.2.2)."""
    (tmp_path / "index.html").write_bytes(BODY)
    argv = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    with netns.Process(argv, cwd=tmp_path) as server:
        port = int(server.expect(r"^Serving HTTP on \S+ port (\d+)", 60).group(1))
        said = board.exec(
            "import network, socket, time, hashlib, binascii\n"
            "nic = network.LAN()\n"
            "nic.active(True)\n"
            "nic.ipconfig(dhcp4=True)\n"
            "while not nic.isconnected(): time.sleep_ms(50)\n"
            "s = socket.socket()\n"
            "s.connect(('10.0.2.2', %d))\n"
            "s.write(b'GET / HTTP/1.0\\r\\n\\r\\n')\n"
            "while s.readline().strip(): pass\n"
            "print(binascii.hexlify(hashlib.sha256(s.read()).digest()).decode())" % port
        )
    assert hashlib.sha256(BODY).hexdigest() in said
