"""The demo, started as `make demo` does: its page, its server under abuse, the REPL beside it."""

import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest
import netns
from attached import TIMEOUT
from console import Console
from test_repl import idles

import emulate

ROOT = pathlib.Path(netns.ROOT)
README = ROOT / "README.md"
BOARDS = sorted(emulate.BOARDS)
OPEN = 12  # connections of each kind in the test of slow clients
CONCURRENT = 30


class Demo:
    def __init__(self, board, directory, *options):
        self.port = emulate.free_port()
        self.lock = threading.Lock()
        self.serial = directory / "serial"
        self.process = netns.Process(
            [
                sys.executable,
                ROOT / "tools" / "demo.py",
                "--board=%s" % board,
                "--elf=%s" % os.path.join(netns.OUT, board, "firmware.elf"),
                "--serial=%s" % self.serial,
                "--port=%d" % self.port,
                *options,
            ],
            name="demo",
        )

    def get(self, path, timeout=120):
        """One request on a connection of its own; what came back."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        with contextlib.closing(connection):
            connection.sock = self.connect()
            connection.sock.settimeout(timeout)
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.status == 200, (path, response.status)
            return response.read()

    def status(self):
        return json.loads(self.get("/api/status"))

    def quiet(self):
        """The status, once nobody but the one that asks has a connection and nothing of them is
        left."""
        end = time.monotonic() + 120
        while True:
            status = self.status()
            states = dict(status["states"])
            states.pop("TIME-WAIT", None)
            pool = status["pool"]
            if sum(states.values()) == 1 and pool["free"] == pool["frames"]:
                return status
            assert time.monotonic() < end, (states, pool)
            time.sleep(0.5)

    def connect(self):
        """A connection, once QEMU has taken the one before: it forwards from a queue of one, and
        whom the host's kernel turns away there believes to be connected, and waits for a minute.
        """
        with self.lock:
            end = time.monotonic() + 120
            while self.queue():
                assert time.monotonic() < end, "QEMU takes no connection"
                time.sleep(0.005)
            s = socket.create_connection(("127.0.0.1", self.port), timeout=120)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def queue(self):
        """How many connections the host's kernel holds until QEMU takes them."""
        with open("/proc/net/tcp") as f:
            for line in f:
                _, local, _, state, waiting, *_ = line.split()
                if state == "0A" and local.endswith(":%04X" % self.port):
                    return int(waiting.partition(":")[2], 16)
        raise AssertionError("nobody listens on port %d" % self.port)

    def raw(self, data):
        """Send some bytes, return all that comes until the board closes."""
        with self.connect() as s:
            got = b""
            with contextlib.suppress(ConnectionError):
                s.sendall(data)
                while True:
                    part = s.recv(65536)
                    if not part:
                        break
                    got += part
            return got


@pytest.fixture(scope="module")
def demo(board_name, request, tmp_path_factory):
    if request.config.getoption("port", None):
        pytest.skip("the demo boots an emulated board")
    demo = Demo(board_name, tmp_path_factory.mktemp("demo"))
    try:
        demo.process.expect(r"Ctrl-C ends it", TIMEOUT)
        yield demo
    finally:
        demo.process.stop(signal.SIGINT)


def pattern(n):
    return bytes((i + (i >> 8) * 31 + (i >> 16) * 17) & 255 for i in range(n))


def test_it_serves_its_page(demo):
    sys.path.append(str(ROOT / "ports" / "qemu" / "modules"))
    import demo_page

    assert demo.get("/") == demo_page.HTML


def test_a_browser_fills_the_page(demo, board_name, tmp_path):
    """Its script runs without a complaint and shows what the board says."""
    browser = shutil.which("chromium")
    if not browser:
        pytest.skip("chromium is not installed")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3500"]
    options += ["--no-first-run", "--disable-background-networking", "--disable-sync"]
    options += ["--disable-component-update", "--disable-quic"]
    options += ["--enable-logging=stderr", "--user-data-dir=%s" % tmp_path]
    url = "http://127.0.0.1:%d/" % demo.port
    done = subprocess.run(
        [browser, *options, "--dump-dom", url], capture_output=True, text=True, timeout=TIMEOUT
    )
    page = done.stdout
    assert '<h1 id="board">netstack on %s</h1>' % board_name.replace("_", " ") in page
    assert re.search(r'id="live" role="status" class="">live<', page)
    assert "<td>10.0.2.15</td>" in page and "<td>established</td>" in page
    assert page.count("<path ") >= 5, "no curves"
    assert "CONSOLE" not in done.stderr, done.stderr


def test_its_status_moves(demo, board_name):
    before = demo.quiet()  # the browser has gone
    demo.get("/blob/64k")
    after = demo.status()
    eth0 = [[nif for nif in s["nifs"] if nif["name"] == "eth0"][0] for s in (before, after)]
    assert eth0[0]["addr"] == "10.0.2.15" and eth0[0]["gw"] == "10.0.2.2"
    assert 65536 < eth0[1]["out_bytes"] - eth0[0]["out_bytes"] < 90000
    assert after["requests"] == before["requests"] + 2
    assert after["machine"].replace(" ", "_").startswith(board_name)
    assert after["tcp"]["opened"] == before["tcp"]["opened"] + 2
    assert "ESTABLISHED" in after["states"]


@pytest.mark.parametrize("path, n", [("0", 0), ("1", 1), ("65536", 65536), ("1M", 1 << 20)])
def test_blobs(demo, path, n):
    assert demo.get("/blob/" + path) == pattern(n)


def test_concurrent_fetches(demo):
    want = pattern(65536)
    with concurrent.futures.ThreadPoolExecutor(CONCURRENT) as pool:
        got = list(pool.map(lambda _: demo.get("/blob/64k"), range(CONCURRENT)))
    assert [body == want for body in got] == [True] * CONCURRENT


def test_upload_and_keep_alive(demo):
    connection = http.client.HTTPConnection("127.0.0.1", demo.port)
    with contextlib.closing(connection):
        connection.sock = demo.connect()
        for size in (0, 1, 200000):
            connection.request("POST", "/upload", body=pattern(size))
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"thanks\n")
            connection.request("HEAD", "/blob/777")
            response = connection.getresponse()
            assert (response.headers["Content-Length"], response.read()) == ("777", b"")


@pytest.mark.parametrize(
    "data, code",
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
        (b"GET /blob/99999999999 HTTP/1.0\r\n\r\n", 400),
        (b"GET /blob/x HTTP/1.0\r\n\r\n", 400),
        (b"GET /nothing HTTP/1.0\r\n\r\n", 404),
        (b"DELETE / HTTP/1.1\r\n\r\n", 405),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 411),
        (b"\r\n" * 2000, 400),
        (os.urandom(3000) + b"\n" + os.urandom(3000), 400),
        (b"\r\nGET /blob/3 HTTP/1.1\n\nGET /blob/4 HTTP/1.1\r\nConnection: close\r\n\r\n", 200),
    ],
)
def test_requests_of_all_kinds(demo, data, code):
    assert demo.raw(data).startswith(b"HTTP/1.1 %d " % code)


def test_a_request_byte_by_byte(demo):
    with demo.connect() as s:
        for byte in b"GET /blob/10 HTTP/1.1\r\nConnection: close\r\n\r\n":
            s.sendall(bytes((byte,)))
            time.sleep(0.002)
        got = b""
        while len(got) < 10 or not got.endswith(pattern(10)):
            part = s.recv(1000)
            assert part, got
            got += part


def test_slow_and_broken_clients(demo):
    """Some never ask, some never read, some leave in the middle: others are served, and all that
    they held is free in the end."""
    with contextlib.ExitStack() as held:
        for _ in range(OPEN):
            held.enter_context(demo.connect())
        for _ in range(OPEN):
            s = held.enter_context(demo.connect())
            s.sendall(b"GET /blob/9M HTTP/1.1\r\n\r\n")
        for _ in range(OPEN):
            with demo.connect() as s:
                s.sendall(b"GET /blob/1M HTTP/1.1\r\n\r\n")
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert demo.get("/blob/64k") == pattern(65536)
    assert demo.quiet()["pool"]["nomem"] == 0


def test_it_idles(demo):
    """Nobody asks: QEMU has nothing to do."""
    pids = [
        int(pid)
        for pid in os.listdir("/proc")
        if pid.isdigit() and parent(pid) == demo.process.pid and "qemu" in command(pid)
    ]
    assert len(pids) == 1
    idles(pids[0], 3, 5)


def parent(pid):
    with contextlib.suppress(OSError), open("/proc/%s/stat" % pid) as f:
        return int(f.read().rpartition(")")[2].split()[1])


def command(pid):
    with contextlib.suppress(OSError), open("/proc/%s/cmdline" % pid) as f:
        return f.read()
    return ""


def readme_session():
    """[(line typed, [lines shown])] of README's session at the REPL."""
    block = re.search(r"^```\n(>>> .*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    steps = []
    for line in block.group(1).splitlines():
        if line.startswith(">>> "):
            steps.append((line[4:], []))
        else:
            steps[-1][1].append(line)
    assert len(steps) > 5
    return steps


def test_readme_at_its_repl(demo):
    """The REPL is free while the demo serves, and README's first session goes as printed there."""
    console = Console(demo.serial.read_text().strip())
    with contextlib.closing(console.serial):
        console.prompt()
        for typed, shown in readme_session():
            console.write(typed.encode() + b"\r")
            output = console.expect(b">>> ").decode().replace("\r", "").splitlines()
            assert output[0] == typed
            times = re.compile(r"time=[\d.]+ ms")
            assert [times.sub("", x) for x in output[1:]] == [times.sub("", x) for x in shown]
        console.write(b"s.close()\r")
        console.expect(b">>> ")
        console.write(b"import time; print(6 * 7); time.sleep(10000)\r")
        console.expect(b"\r\n42\r\n")
        assert demo.get("/blob/256k") == pattern(1 << 18)
        console.write(b"\x03")
        console.expect(b"KeyboardInterrupt")  # it slept all the time
        console.expect(b">>> ")


def test_a_port_that_is_taken(demo, board_name, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        second = Demo(board_name, tmp_path, "--port=%d" % port).process
        assert second.wait(120) == 1
        assert second.output == "demo: port %d is taken: give another with --port" % port


def test_no_firmware(demo, board_name, tmp_path):
    other = Demo(board_name, tmp_path, "--elf=%s" % (tmp_path / "none.elf")).process
    assert other.wait(120) == 1
    assert other.output.splitlines()[-1].startswith("demo: no firmware %s" % tmp_path)


def test_ctrl_c_ends_all(board_name, request, tmp_path):
    if request.config.getoption("port", None):
        pytest.skip("the demo boots an emulated board")
    demo = Demo(board_name, tmp_path)
    demo.process.expect(r"Ctrl-C ends it", TIMEOUT)
    pids = [pid for pid in os.listdir("/proc") if pid.isdigit()]
    children = [pid for pid in pids if parent(pid) == demo.process.pid]
    assert children
    os.kill(demo.process.pid, signal.SIGINT)
    assert demo.process.wait(120) == 0
    assert demo.process.output.endswith("stopped")
    assert not any(os.path.exists("/proc/" + pid) for pid in children)
    assert not demo.serial.exists()
