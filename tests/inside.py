"""Test files that run inside MicroPython: each file on each target is one pytest item.

A file is executed in a fresh process (unix) or after a soft reset (a board); bench.run_tests()
prints a line for each test and a closing line, without which the item has failed. A file that
cannot run everywhere says so, and why, in a comment among its first lines:

    # targets: unix (needs a file descriptor)

and one that reads a file of its own directory names it, so that it is copied to the boards:

    # data: linux.rec

A file that wants modules that are not frozen names them too: boards get them from lib/netstack.

    # lib: link/vlan.py, link/bridge.py
"""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGETS = ("unix", "MPS2_AN385", "VIRT_RV32")
HERE = ROOT / "tests" / "unix"
INSIDE = (
    "core",
    "wire",
    "link",
    "inet",
    "tcp",
    "noalloc",
    "sim",
    "fuzz",
    "diff",
    "services",
    "api",
    "nic",
    "aio",
)
TIMEOUT = 800  # seconds without a byte of output; pytest itself has 900

CLOSING = re.compile(r"^== (\d+) passed, \d+ failed(?:: (.+))?$", re.MULTILINE)


boards_key = pytest.StashKey()  # {name: Board}


class TargetError(Exception):
    """One line that names what was wrong and what to do."""


class InsideFile(pytest.File):
    def collect(self):
        head = "".join(self.path.read_text().splitlines(True)[:5])
        limit = re.search(r"^# targets: ([\w, ]+?)\s*\((.+)\)$", head, re.MULTILINE)
        if "# targets:" in head and not limit:
            raise self.CollectError(
                "%s: give a reason, `# targets: unix (why not elsewhere)`" % self.path.name
            )
        allowed = re.split(r"[, ]+", limit.group(1)) if limit else TARGETS
        for target in self.config.getoption("target").split(","):
            if target in allowed:
                yield InsideItem.from_parent(self, name=target)


class InsideItem(pytest.Item):
    kept = None  # boards: the name of what files that follow one another load once

    def runtest(self):
        if self.name == "unix":
            output = run_unix(self.path, out(self.config), self.config.getoption("source"))
        else:
            boards = self.config.stash[boards_key]
            if self.name not in boards:
                boards[self.name] = Board(self.name, out(self.config))
            output = boards[self.name].run(self.path, self.kept)
        closing = CLOSING.findall(output)
        if not closing:
            raise TargetError(output + "\n%s on %s: no closing line" % (self.path.name, self.name))
        passed, failed = closing[-1]
        if failed:
            raise TargetError("failed: %s\n\n%s" % (failed, output))
        if passed == "0":
            raise TargetError("%s holds no test" % self.path.name)

    def repr_failure(self, excinfo):
        if isinstance(excinfo.value, TargetError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, None, "%s on %s" % (self.path.relative_to(HERE), self.name)


def out(config):
    """Where the products are that are tested."""
    return ROOT / config.getoption("out")


def run_unix(path, products, source=False):
    """Run a file in a process of its own; returns what it printed."""
    binary = products / "unix" / "micropython"
    if not binary.exists():
        raise TargetError("%s is not there: run make unix" % binary)
    places = [".frozen", str(HERE)]
    if source:
        places = [str(ROOT / "lib"), str(ROOT / "ports" / "unix")] + places
    env = dict(os.environ, MICROPYPATH=":".join(places))
    try:
        done = subprocess.run(
            [str(binary), "-X", "heapsize=8m", str(path)],
            env=env,
            cwd=str(ROOT),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"").decode(errors="replace")
        raise TargetError(output + "\n%s: not done after %d s" % (path.name, TIMEOUT)) from None
    output = done.stdout.decode(errors="replace")
    if done.returncode < 0:
        raise TargetError(output + "\n%s: killed by signal %d" % (path.name, -done.returncode))
    return output


class Board:
    """An emulated board that runs test files through its raw REPL. Booted when first needed, and
    again after a test has left it unusable."""

    def __init__(self, name, products):
        self.name = name
        self.elf = products / name / "firmware.elf"
        self.emulator = None
        self.transport = None
        self.kept = None
        self.copied = set()

    def run(self, path, kept=None):
        """Run a file, after a soft reset unless the file before has `kept` the same; returns what
        it printed, its traceback included."""
        from mpremote.transport import TransportError

        self._open()
        fresh = kept is None or kept != self.kept
        self.kept = kept
        seen = []
        try:
            self.transport.enter_raw_repl(soft_reset=fresh)
            self._copy(path)
            _, errors = self.transport.exec_raw(path.read_bytes(), TIMEOUT, seen.append)
        except TransportError as error:
            log = self.emulator.output()
            self.close()
            raise TargetError(
                "%s on %s: %s; the board is booted anew\n%s\n%s"
                % (path.name, self.name, error, self._text(seen, path), log)
            ) from None
        return self._text(seen + [errors], path)

    def _copy(self, path):
        """Bring the file that `path` wants to read onto the board, once."""
        head = "".join(path.read_text().splitlines(True)[:5])
        for name in re.findall(r"^# data: ([\w.]+)$", head, re.MULTILINE):
            if name not in self.copied:
                self.transport.fs_writefile(name, path.with_name(name).read_bytes(), 1024)
                self.copied.add(name)
        for names in re.findall(r"^# lib: ([\w./, ]+)$", head, re.MULTILINE):
            for name in names.split(", "):
                self._copy_optional(name)

    def _copy_optional(self, name):
        """Bring a module that is not frozen onto the board, once."""
        if name in self.copied:
            return
        where = "/lib/optional"
        if not self.copied & {"/lib"}:
            for directory in ("/lib", where):
                if not self.transport.fs_exists(directory):
                    self.transport.fs_mkdir(directory)
            self.copied.add("/lib")
        data = (ROOT / "lib" / "netstack" / name).read_bytes()
        self.transport.fs_writefile(where + "/" + name.rpartition("/")[2], data, 1024)
        self.copied.add(name)

    def _text(self, pieces, path):
        text = b"".join(pieces).replace(b"\x04", b"").decode(errors="replace")
        return text.replace("\r\n", "\n").replace('"<stdin>"', '"%s"' % path.relative_to(ROOT))

    def _open(self):
        from emulate import Emulator, EmulatorError
        from patient import SerialTransport

        if self.transport:
            return
        try:
            self.emulator = Emulator(self.name, str(self.elf), net=None, boot_timeout=TIMEOUT)
        except EmulatorError as error:
            raise TargetError("%s: %s" % (self.name, error)) from None
        try:
            self.transport = SerialTransport(self.emulator.serial_url, timeout=TIMEOUT)
            self.transport.enter_raw_repl()
            for support in sorted(HERE.glob("*.py")):
                if support.name != "conftest.py":
                    self.transport.fs_writefile(support.name, support.read_bytes(), 1024)
        except BaseException:
            self.close()
            raise

    def close(self):
        """Stop the emulator, if one runs."""
        self.kept = None
        self.copied.clear()
        transport, self.transport = self.transport, None
        emulator, self.emulator = self.emulator, None
        if transport:
            transport.serial.close()
        if emulator:
            emulator.close()
