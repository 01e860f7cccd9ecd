"""Firmware tested from outside: over its serial line and its network.

Without --port the emulated boards are booted: in QEMU, or in rp2040py those with an RP2040. With
it the board is a real one:

    pytest tests/hw --board=NAME --port=/dev/ttyACM0
"""

import contextlib
import os
import pathlib
import re
import socket
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools"), str(HERE), str(HERE / "emulator")]
import emulate  # noqa: E402
import netns  # noqa: E402
import process as pico  # noqa: E402
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
        boards = getattr(metafunc.module, "BOARDS", [*sorted(emulate.BOARDS), *pico.BOARDS])
        names = [name] if name else boards
        metafunc.parametrize("board_name", names, scope="module")


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(900))


class Board:
    """A board at the end of a serial line, in namespace `ns` if that is where the emulator runs.

    slow: it takes ten times as long as a real one, or more, and has a Pico's memory; its serial
    port is USB's."""

    def __init__(self, name, url, emulator=None, ns=None):
        self.name = name
        self.url = url
        self.emulator = emulator
        self.ns = ns
        self.address = None  # as the program on the board tells
        self.slow = name not in emulate.BOARDS
        self.patience = 8 if self.slow and emulator else 1

    def port(self, guest):
        """Where a TCP port of the board is reached: "host:port"."""
        for host, inner, _ in self.emulator.hostfwd if self.emulator else ():
            if inner == guest:
                return "127.0.0.1:%d" % host
        return "%s:%d" % (self.address, guest)

    def connect(self, guest):
        """A connection to a TCP port of the board, from where the emulator runs."""
        host, _, port = self.port(guest).partition(":")
        with self.ns.entered() if self.ns else contextlib.nullcontext():
            return socket.create_connection((host, int(port)), 30 * self.patience)

    def mpremote(self, *args, timeout=60, check=True, cwd=None):
        """Run mpremote on this board to its end; its output."""
        with self._mpremote(args, cwd) as process:
            code = process.wait(timeout * self.patience)
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
        for tries in range(self.patience, 0, -1):
            with self._mpremote(("run", PROGRAMS / (program + ".py")), None) as process:
                try:
                    found = process.expect(r"^ready ([\d.]+)", 60 * self.patience)
                except AssertionError:
                    # mpremote gives the board ten seconds to get there, emulated or not
                    if tries > 1 and "could not enter raw repl" in process.output:
                        continue
                    raise
                self.address = found.group(1)
                yield process
                return

    def _mpremote(self, args, cwd):
        argv = [MPREMOTE, "connect", self.url, *map(str, args)]
        with self.ns.entered() if self.ns else contextlib.nullcontext():
            return netns.Process(argv, cwd=cwd, name="mpremote")

    def run(self, *argv, timeout=480):
        """Run a program on the host, beside the board, to its good end; its output."""
        with self.ns.entered() if self.ns else contextlib.nullcontext():
            process = netns.Process([str(a) for a in argv])
        with process:
            return process.finish(timeout)

    @contextlib.contextmanager
    def console(self):
        with self.ns.entered() if self.ns else contextlib.nullcontext():
            console = Console(self.url, self.patience)
        try:
            yield console
        finally:
            console.serial.close()


def _boot(name, elf=None, **kw):
    directory = os.path.join(netns.OUT, name)
    if name in pico.BOARDS:
        kw = {key: kw[key] for key in ("serial", "net") if key in kw}
        return pico.Emulator(name, os.path.join(directory, "firmware.uf2"), **kw)
    try:
        elf = elf or os.path.join(directory, "firmware.elf")
        return emulate.Emulator(name, elf, boot_timeout=60, **kw)
    except emulate.EmulatorError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="module")
def board(board_name, request, tmp_path_factory):
    """The board, its serial line on TCP if it is emulated. QEMU's own network forwards its port
    80 to the host; another emulator's wire leads to a namespace with a DHCP server."""
    port = request.config.getoption("port", None)
    directory = tmp_path_factory.mktemp(board_name)
    if port:
        yield Board(board_name, port)
    elif board_name in pico.BOARDS:
        _need("dnsmasq")
        with netns.Namespace() as ns:
            start_dnsmasq(ns, directory)
            with ns.entered():
                emulator = _boot(board_name, net="tap:tap0")
            with emulator:
                yield Board(board_name, emulator.serial_url, emulator, ns)
    else:
        log = str(directory / "qemu.log")
        with _boot(board_name, log=log, hostfwd=[(0, 80, "tcp")]) as emulator:
            yield Board(board_name, emulator.serial_url, emulator)


@pytest.fixture
def emulated(request):
    """For tests that need an emulator around the board."""
    if request.config.getoption("port", None):
        pytest.skip("only for emulated boards")
    return _boot


@pytest.fixture
def as_board():
    return Board


@pytest.fixture
def qemu(board_name, emulated):
    """For tests of QEMU's own network."""
    if board_name not in emulate.BOARDS:
        pytest.skip("only for boards that QEMU emulates")


@pytest.fixture(params=["tcp", "pty"])
def serial_board(request, board_name, emulated, tmp_path):
    """A board of this test's own, on either kind of serial line."""
    with _boot(board_name, serial=request.param, log=str(tmp_path / "qemu.log")) as emulator:
        yield Board(board_name, emulator.serial_url, emulator)


@pytest.fixture
def tap_board(board_name, emulated, tmp_path):
    """A board on a TAP in a namespace, its traffic judged by tshark: (Board, Namespace)."""
    _need("ping", "curl", "dnsmasq")
    with netns.Namespace() as ns, ns.capture(tmp_path / "tap0.pcap") as capture:
        with ns.entered():
            log = str(tmp_path / "qemu.log")
            emulator = _boot(board_name, net="tap:tap0", mac=netns.MAC, log=log)
        board = Board(board_name, emulator.serial_url, emulator, ns)
        mac = netns.MAC
        with emulator:
            yield board, ns
            if board.slow:  # its chip's number makes its address
                if not board.address:
                    return
                said = ns.run("ip", "neigh", "show", board.address).stdout
                mac = re.search(r"lladdr (\S+)", said).group(1)
        capture.check(mac)


def _need(*programs):
    reason = netns.missing(*programs)
    if reason:
        pytest.skip(reason)


@pytest.fixture
def dnsmasq(tmp_path):
    """Starts the DHCP server of a namespace, which gives out 10.99.0.50."""

    return lambda ns: start_dnsmasq(ns, tmp_path)


def start_dnsmasq(ns, directory):
    return ns.dnsmasq(directory, "--port=0", "--dhcp-range=10.99.0.50,10.99.0.50,1h")
