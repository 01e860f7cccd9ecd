"""The emulated RP2040 boards as processes: what tools/emulate.py's Emulator is for QEMU's."""

import pathlib
import sys

import netns

PROGRAM = pathlib.Path(__file__).resolve().parent / "pico.py"
BOARDS = ("W5500_EVB_PICO",)  # those that tests run on when none is named


class Emulator:
    """A running board: serial_url is what mpremote takes, pid the emulator's."""

    hostfwd = ()  # it is reached over its wire

    def __init__(self, board, uf2, serial="tcp", net=None):
        argv = [sys.executable, PROGRAM, board, "--uf2=%s" % uf2]
        argv.append("--pty" if serial == "pty" else "--tcp-port=0")
        if net:
            argv.append("--net=" + net)
        self._process = netns.Process(list(map(str, argv)), name="pico.py")
        self.serial_url = self._process.expect(r"connect (\S+) repl", 60).group(1)
        self.pid = self._process.pid

    def close(self):
        self._process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
