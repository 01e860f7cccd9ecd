"""Whatever main.py does, whenever the power goes, with a chip or without: there is a prompt."""

import contextlib
import hashlib
import os
import random
import time

import pytest
from attached import Board, boot

FULL = os.environ.get("NETSTACK_FULL") == "1"
HANGS = "print('runs', 6 * 7)\nwhile True:\n    pass\n"
WITH_A_NETWORK = "import network\nnetwork.LAN().active(True)\n" + HANGS
# How main.py goes on, and what is on the console then.
MAINS = {
    "hangs": (HANGS, b"runs 42"),
    "hangs with the network up": (WITH_A_NETWORK, b"runs 42"),
    "crashes": ("raise ValueError('at once')\n", b"ValueError: at once"),
    "is no program": ("def (:\n", b"SyntaxError"),
}
CHIPS = ("W5500", "W5100S", "ENC28J60")
WRONG_PINS = """
from machine import Pin, SPI
from netstack.nic.{module} import {chip}
for i in range(8):
    try:
        {chip}(SPI(1, 10000000, sck=Pin(10), mosi=Pin(11), miso=Pin(12)), cs=Pin(13))
    except OSError as error:
        print(error)
"""
LAN = """
import network
try:
    network.LAN()
    print("there")
except OSError as error:
    print(error)
"""


class Powered:
    """A board that can be switched off and on; an emulated one keeps its flash in a file."""

    def __init__(self, name, port, directory):
        self._args = dict(flash=str(directory / "flash"), log=str(directory / "qemu.log"))
        self._name = name
        self.emulator = None
        self.board = Board(name, port) if port else None
        if not port:
            self.on()

    def on(self):
        self.off()
        self.emulator = boot(self._name, **self._args)
        self.board = Board(self._name, self.emulator.serial_url, self.emulator)

    def off(self):
        if self.emulator:
            self.emulator.close()
            self.emulator = None

    @contextlib.contextmanager
    def prompt(self):
        """The console, once it has a prompt."""
        with self.board.console() as console:
            console.prompt()
            yield console


@pytest.fixture(scope="module")
def powered(board_name, request, tmp_path_factory):
    port = request.config.getoption("port", None)
    powered = Powered(board_name, port, tmp_path_factory.mktemp("rescue"))
    yield powered
    powered.off()


@pytest.mark.parametrize("what", MAINS)
def test_main(powered, what):
    """Ctrl-C gets to the prompt, and so does mpremote."""
    if powered.board.slow and what in ("hangs", "is no program") and not FULL:
        pytest.skip("takes long on an emulated Pico: NETSTACK_FULL=1")
    text, shown = MAINS[what]
    with powered.prompt() as console:
        if console.run("import os\nprint('main.py' in os.listdir())") != "False":
            pytest.skip("the board has a main.py of its own")
        console.run("with open('main.py', 'w') as f:\n    f.write(%r)" % text)
        try:
            console.write(b"\x04")
            console.expect(shown)
            if text.endswith(HANGS):
                console.write(b"\x03")
                console.expect(b"KeyboardInterrupt")
            console.expect(b">>> ")
            assert console.run("print(6 * 7)") == "42"
        finally:
            console.prompt()
            console.run("import os\nos.remove('main.py')")


def test_interrupted_while_it_boots(powered):
    """Ctrl-C from the moment of a reset on, and a main.py that would hang; then mpremote alone."""
    board = powered.board
    with powered.prompt() as console:
        if console.run("import os\nprint('main.py' in os.listdir())") != "False":
            pytest.skip("the board has a main.py of its own")
        console.run("with open('main.py', 'w') as f:\n    f.write(%r)" % HANGS)
        console.write(b"import machine; machine.reset()\r")
        # A real board's port goes away here, with what is open on it.
    end = time.monotonic() + 60 * board.patience
    while True:
        assert time.monotonic() < end, "no prompt"
        with contextlib.suppress(OSError), board.console() as console:
            console.patience = 1
            with contextlib.suppress(AssertionError):
                while time.monotonic() < end:
                    console.write(b"\x03")
                    console.expect(b">>> ", 0.3)
                    break
        with contextlib.suppress(OSError, AssertionError), powered.prompt() as console:
            assert console.run("print(6 * 7)") == "42"
            console.write(b"\x04")  # main.py hangs now, if it is still there
            break
    assert board.mpremote("resume", "exec", "print(7 * 8)").strip() == "56"
    with powered.prompt() as console:
        console.run("import os\nos.remove('main.py')")  # it is there, and so is all else


def test_power_is_lost_while_a_file_is_copied(powered, wiring, tmp_path):
    """In the middle of one of the changes to flash that it takes: the old file is there or the new
    one, and the file system is whole."""
    if wiring["files"] != "flash":
        pytest.skip("%s keeps its files in RAM" % powered.board.name)
    if not powered.emulator:
        pytest.skip("nobody is there to cut the power")
    rnd = random.Random(6)
    there = rnd.randbytes(3000)
    kept = hashlib.sha256(there).hexdigest()
    with powered.prompt() as console:
        for name in ("kept", "data"):
            console.run("with open(%r, 'wb') as f:\n    f.write(%r)" % (name, there))
    digest = "import hashlib\nprint(hashlib.sha256(open(%r, 'rb').read()).digest().hex())"
    kinds = []
    for cut in range(40) if FULL else (9,):
        new = rnd.randbytes(3000)
        (tmp_path / "data").write_bytes(new)
        powered.emulator.tell("cut", cut)
        powered.board.mpremote("resume", "fs", "cp", tmp_path / "data", ":data", check=False)
        if not FULL:  # so many changes are certain
            powered.emulator.wait()
        survived = powered.emulator.running
        powered.on()
        with powered.prompt() as console:
            assert console.run(digest % "kept") == kept
            got = console.run(digest % "data")
        is_new = got == hashlib.sha256(new).hexdigest()
        assert is_new or got == hashlib.sha256(there).hexdigest(), cut
        assert is_new or not survived
        kinds.append("%d: %s" % (cut, "new" if is_new else "old"))
        there = new if is_new else there
        if survived:
            break
    print(", ".join(kinds))


def test_wrong_pins(powered, wiring):
    """No chip there: an OSError that names it and its pins, as often as one tries."""
    chip = wiring["nic"]
    if chip not in CHIPS:
        pytest.skip("%s has no chip on SPI" % powered.board.name)
    program = WRONG_PINS.format(module=chip.lower(), chip=chip)
    with powered.prompt() as console:
        said = console.run(program).splitlines()
        assert len(said) == 8
        for line in said:
            assert chip in line and "sck=10" in line and "miso=12" in line and "GPIO13" in line
        assert console.run("print(6 * 7)") == "42"


def test_chip_that_answers_nothing(powered, wiring):
    """network.LAN() says so, and there is one when the chip answers again."""
    if wiring["nic"] not in CHIPS or not powered.emulator:
        pytest.skip("%s's chip always answers" % powered.board.name)
    with powered.prompt() as console:
        console.write(b"\x04")
        console.expect(b"soft reboot")
        console.expect(b">>> ")
        for level in (0x00, 0xFF):
            powered.emulator.tell("stuck", level)
            said = console.run(LAN)
            assert wiring["nic"] in said and "GPIO17" in said and "miso=16" in said, said
            assert "0x%02x" % level in said
        powered.emulator.tell("stuck", None)
        assert console.run(LAN) == "there"
