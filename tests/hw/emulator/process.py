"""The emulated RP2040 boards as processes: what tools/emulate.py's Emulator is for QEMU's."""

import json
import pathlib
import subprocess
import sys

import netns
from pico import CHIPS, KINDS  # noqa: F401

PROGRAM = pathlib.Path(__file__).resolve().parent / "pico.py"
BOARDS = ("W5500_EVB_PICO",)  # those of CHIPS that tests run on when none is named


class Emulator:
    """A running board: serial_url is what mpremote takes, pid the emulator's."""

    hostfwd = ()  # it is reached over its wire

    def __init__(self, board, uf2, serial="tcp", net=None, flash=None, chip=None):
        argv = [sys.executable, PROGRAM, board, "--control", "--uf2=%s" % uf2]
        if chip:
            argv.append("--chip=" + chip)
        argv.append("--pty" if serial == "pty" else "--tcp-port=0")
        if net:
            argv.append("--net=" + net)
        if flash:
            argv.append("--flash=%s" % flash)
        self._process = netns.Process(list(map(str, argv)), name="pico.py", stdin=subprocess.PIPE)
        self.serial_url = self._process.expect(r"connect (\S+) repl", 60).group(1)
        self.pid = self._process.pid

    def tell(self, name="state", value=None):
        """A line of pico.py's Control, a fault say. What the chip has counted, and "ns"."""
        self._process.stdin.write("%s %s\n" % (name, json.dumps(value)))
        self._process.stdin.flush()
        return json.loads(self._process.expect("^state (.*)", 120).group(1))

    def plug(self, on):
        """The cable at the board, in or out."""
        self.tell("link", bool(on))

    def wait(self, timeout=60):
        """Until it has ended by itself."""
        self._process.wait(timeout)

    @property
    def running(self):
        return self._process.running

    def close(self):
        self._process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
