"""Firmware tested from outside: over its serial line and its network.

Without --port the emulated boards are booted: in QEMU, or in rp2040py those with an RP2040. With
it the board is a real one:

    pytest tests/hw --board=NAME --port=/dev/ttyACM0
    pytest tests/hw --board=RPI_PICO --chip=enc28j60
"""

import pathlib
import sys
import tomllib

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools"), str(HERE), str(HERE / "emulator")]
import attached  # noqa: E402
import emulate  # noqa: E402
import netns  # noqa: E402
import process as pico  # noqa: E402
from attached import Board, boot, namespace, start_dnsmasq  # noqa: E402


def pytest_addoption(parser):
    group = parser.getgroup("netstack")
    group.addoption("--board", help="the board to test in tests/hw; default: all emulated ones")
    group.addoption("--chip", choices=pico.KINDS, help="what an emulated RPI_PICO has on its pins")
    group.addoption("--port", help="serial port of a real board, as mpremote takes it")


def pytest_configure(config):
    attached.CHIP = config.getoption("chip", None)


def pytest_generate_tests(metafunc):
    if "board_name" in metafunc.fixturenames:
        name = metafunc.config.getoption("board", None)
        boards = getattr(metafunc.module, "BOARDS", None)
        names = [name] if name else boards or [*sorted(emulate.BOARDS), *pico.BOARDS]
        if name and boards and name not in boards:
            reason = "only for " + ", ".join(boards)
            names = [pytest.param(name, marks=pytest.mark.skip(reason=reason))]
        metafunc.parametrize("board_name", names, scope="module")


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="module")
def board(board_name, request, tmp_path_factory):
    """The board, its serial line on TCP if it is emulated. QEMU's own network forwards its port
    80 to the host; another emulator's wire leads to a namespace with a DHCP server."""
    port = request.config.getoption("port", None)
    directory = tmp_path_factory.mktemp(board_name)
    if port:
        yield Board(board_name, port)
    elif board_name in pico.CHIPS:
        _need("dnsmasq")
        with namespace() as ns:
            start_dnsmasq(ns, directory)
            with ns.entered():
                emulator = boot(board_name, net="tap:tap0")
            with emulator:
                yield Board(board_name, emulator.serial_url, emulator, ns)
    else:
        log = str(directory / "qemu.log")
        with boot(board_name, log=log, hostfwd=[(0, 80, "tcp")]) as emulator:
            yield Board(board_name, emulator.serial_url, emulator)


@pytest.fixture(scope="module")
def wiring(board_name):
    """What the board is made of: boards/<name>.toml."""
    path = HERE / "boards" / (board_name + ".toml")
    if not path.exists():
        pytest.skip("what %s is made of is not known: %s" % (board_name, path.relative_to(ROOT)))
    made = tomllib.loads(path.read_text())
    if attached.CHIP:
        made["nic"] = attached.CHIP.upper()
    return made


@pytest.fixture
def emulated(request):
    """For tests that need an emulator around the board."""
    if request.config.getoption("port", None):
        pytest.skip("only for emulated boards")
    return boot


@pytest.fixture
def qemu(board_name, emulated):
    """For tests of QEMU's own network."""
    if board_name not in emulate.BOARDS:
        pytest.skip("only for boards that QEMU emulates")


@pytest.fixture(params=["tcp", "pty"])
def serial_board(request, board_name, emulated, tmp_path):
    """A board of this test's own, on either kind of serial line."""
    with boot(board_name, serial=request.param, log=str(tmp_path / "qemu.log")) as emulator:
        yield Board(board_name, emulator.serial_url, emulator)


@pytest.fixture
def tap_board(board_name, emulated, tmp_path):
    """A board on a TAP in a namespace, its traffic judged by tshark: (Board, Namespace)."""
    _need("ping", "curl", "dnsmasq")
    with namespace() as ns, ns.capture(tmp_path / "tap0.pcap") as capture:
        with ns.entered():
            log = str(tmp_path / "qemu.log")
            emulator = boot(board_name, net="tap:tap0", mac=netns.MAC, log=log)
        board = Board(board_name, emulator.serial_url, emulator, ns)
        with emulator:
            yield board, ns
        mac = netns.MAC
        if board.slow:  # its chip's number makes its address
            if not board.address:
                return
            mac = capture.frames("ip.src == " + board.address, "eth.src")[0]
        capture.check(mac)


def _need(*programs):
    reason = netns.missing(*programs)
    if reason:
        pytest.skip(reason)


@pytest.fixture
def dnsmasq(tmp_path):
    """Starts the DHCP server of a namespace, which gives out 10.99.0.50."""

    return lambda ns: start_dnsmasq(ns, tmp_path)
