"""Firmware tested from outside: over its serial line and its network.

Without --port every emulated board is booted in QEMU. With it the board is a real one:

    pytest tests/hw --board=NAME --port=/dev/ttyACM0
"""

import contextlib
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools"), str(HERE)]
import emulate  # noqa: E402
import netns  # noqa: E402
from console import Console  # noqa: E402

PROGRAMS = HERE / "programs"
MPREMOTE = os.path.join(os.path.dirname(sys.executable), "mpremote")


def pytest_addoption(parser):
    group = parser.getgroup("netstack")
    group.addoption("--board", help="the board to test in tests/hw; default: all emulated ones")
    group.addoption("--port", help="serial port of a real board, as mpremote takes it")


def pytest_generate_tests(metafunc):
    if "board_name" in metafunc.fixturenames:
        name = metafunc.config.getoption("board", None)
        names = [name] if name else sorted(emulate.BOARDS)
        metafunc.parametrize("board_name", names, scope="module")


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300))


class Board:
    """A board at the end of a serial line, in namespace `ns` if that is where QEMU runs."""

    def __init__(self, name, url, emulator=None, ns=None):
        self.name = name
        self.url = url
        self.emulator = emulator
        self.ns = ns
        self.address = None  # as the program on the board tells

    def port(self, guest):
        """Where a TCP port of the board is reached: "host:port"."""
        for host, inner, _ in self.emulator.hostfwd if self.emulator else ():
            if inner == guest:
                return "127.0.0.1:%d" % host
        return "%s:%d" % (self.address, guest)

    def mpremote(self, *args, timeout=60, check=True, cwd=None):
        """Run mpremote on this board to its end; its output."""
        with self._mpremote(args, cwd) as process:
            code = process.wait(timeout)
            assert not check or code == 0, "mpremote %s: exit code %d:\n%s" % (
                " ".join(map(str, args)),
                code,
                process.output,
            )
            return process.output

    def exec(self, code, timeout=60):
        return self.mpremote("exec", code, timeout=timeout)

    @contextlib.contextmanager
    def running(self, program):
        """A program of programs/ on the board, once it has said "ready"; the mpremote Process."""
        with self._mpremote(("run", PROGRAMS / (program + ".py")), None) as process:
            self.address = process.expect(r"^ready ([\d.]+)", 60).group(1)
            yield process

    def _mpremote(self, args, cwd):
        argv = [MPREMOTE, "connect", self.url, *map(str, args)]
        with self.ns.entered() if self.ns else contextlib.nullcontext():
            return netns.Process(argv, cwd=cwd, name="mpremote")

    @contextlib.contextmanager
    def console(self):
        with self.ns.entered() if self.ns else contextlib.nullcontext():
            console = Console(self.url)
        try:
            yield console
        finally:
            console.serial.close()


def _boot(name, elf=None, **kw):
    elf = elf or os.path.join(netns.OUT, name, "firmware.elf")
    try:
        return emulate.Emulator(name, elf, boot_timeout=60, **kw)
    except emulate.EmulatorError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="module")
def board(board_name, request, tmp_path_factory):
    """The board, its serial line on TCP if it is emulated, its port 80 forwarded to the host."""
    port = request.config.getoption("port", None)
    if port:
        yield Board(board_name, port)
        return
    log = str(tmp_path_factory.mktemp(board_name) / "qemu.log")
    with _boot(board_name, log=log, hostfwd=[(0, 80, "tcp")]) as emulator:
        yield Board(board_name, emulator.serial_url, emulator)


@pytest.fixture
def emulated(request):
    """For tests that need QEMU around the board."""
    if request.config.getoption("port", None):
        pytest.skip("only for emulated boards")
    return _boot


@pytest.fixture(params=["tcp", "pty"])
def serial_board(request, board_name, emulated, tmp_path):
    """A board of this test's own, on either kind of serial line."""
    with _boot(board_name, serial=request.param, log=str(tmp_path / "qemu.log")) as emulator:
        yield Board(board_name, emulator.serial_url, emulator)


@pytest.fixture
def tap_board(board_name, emulated, tmp_path):
    """A board on a TAP in a namespace, its traffic judged by tshark: (Board, Namespace)."""
    reason = netns.missing("ping", "curl", "dnsmasq")
    if reason:
        pytest.skip(reason)
    with netns.Namespace() as ns, ns.capture(tmp_path / "tap0.pcap") as capture:
        with ns.entered():
            log = str(tmp_path / "qemu.log")
            emulator = _boot(board_name, net="tap:tap0", mac=netns.MAC, log=log)
        with emulator:
            yield Board(board_name, emulator.serial_url, emulator, ns), ns
        capture.check()


@pytest.fixture
def dnsmasq(tmp_path):
    """Starts the DHCP server of a namespace, which gives out 10.99.0.50."""

    def start(ns):
        return ns.dnsmasq(tmp_path, "--port=0", "--dhcp-range=10.99.0.50,10.99.0.50,1h")

    return start
