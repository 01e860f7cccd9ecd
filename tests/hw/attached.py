"""A board as these tests have it: its serial line, its network, mpremote on it."""

import contextlib
import os
import pathlib
import socket
import sys

import emulate
import netns
import process as pico
import pytest
from console import Console

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAMS = HERE / "programs"
CHIP = None  # what an emulated Pico has on its pins, if not what is usual: --chip
MPREMOTE = os.path.join(os.path.dirname(sys.executable), "mpremote")
TIMEOUT = 480  # seconds: the machine may have other things to do than to emulate a board


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

    def mpremote(self, *args, timeout=TIMEOUT, check=True, cwd=None):
        """Run mpremote on this board to its end; its output."""
        with self._mpremote(args, cwd) as process:
            code = process.wait(timeout)
            assert not check or code == 0, "mpremote %s: exit code %d:\n%s" % (
                " ".join(map(str, args)),
                code,
                process.output,
            )
            return process.output

    def exec(self, code):
        return self.mpremote("exec", code)

    @contextlib.contextmanager
    def running(self, program):
        """A program of programs/ on the board, once it has said "ready"; the mpremote Process."""
        with self._mpremote(("run", PROGRAMS / (program + ".py"))) as process:
            self.address = process.expect(r"^ready ([\d.]+)", TIMEOUT).group(1)
            yield process

    def _mpremote(self, args, cwd=None):
        mpremote = [sys.executable, ROOT / "tests" / "patient.py"] if self.emulator else [MPREMOTE]
        argv = [*map(str, mpremote), "connect", self.url, *map(str, args)]
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


def boot(name, elf=None, **kw):
    directory = os.path.join(netns.OUT, name)
    if name in pico.CHIPS:
        kw = {key: kw[key] for key in ("serial", "net", "flash", "chip") if key in kw}
        kw.setdefault("chip", CHIP)
        return pico.Emulator(name, os.path.join(directory, "firmware.uf2"), **kw)
    kw.pop("flash", None)
    try:
        elf = elf or os.path.join(directory, "firmware.elf")
        return emulate.Emulator(name, elf, boot_timeout=TIMEOUT, **kw)
    except emulate.EmulatorError as error:
        pytest.fail(str(error), pytrace=False)


@contextlib.contextmanager
def namespace():
    """A namespace whose Linux gives up no board that is slow to answer ARP: three seconds are
    short for one that an emulator runs on a busy machine."""
    with netns.Namespace() as ns:
        for kind in "mcast_solicit", "ucast_solicit":
            ns.run("sysctl", "-qw", "net.ipv4.neigh.%s.%s=400" % (ns.tap, kind))
        yield ns


def start_dnsmasq(ns, directory):
    return ns.dnsmasq(directory, "--port=0", "--dhcp-range=10.99.0.50,10.99.0.50,1h")
