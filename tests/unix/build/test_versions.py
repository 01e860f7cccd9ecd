"""A second MicroPython version builds too: sid's source package stands for a newer tree that a
user names by MICROPY_DIR."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TREE = ROOT / "build/micropython-sid"
OUT = ROOT / "build/sid"

PROGRAM = """
import socket, sys
a, b = socket.socket(), socket.socket()
a.bind(("127.0.0.1", 0))
a.listen(1)
b.settimeout(5)
b.setblocking(False)
try:
    b.connect(a.getsockname())
except OSError:
    pass
c, _ = a.accept()
c.send(b"hello")
b.settimeout(5)
print(b.recv(5).decode(), sys.implementation[1][:2])
"""


@pytest.fixture(scope="module")
def tree():
    setup = ["python3", "tools/setup.py", "micropython", "--suite", "sid", "--target", str(TREE)]
    subprocess.run(setup, cwd=ROOT, check=True, timeout=600)
    return TREE


def make(target, *variables):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    command = ["make", target, f"MICROPY_DIR={TREE}", f"OUT={OUT}", *variables]
    result = subprocess.run(
        command, cwd=ROOT, env=env, timeout=900, text=True, capture_output=True
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]


@pytest.mark.timeout(1200)
def test_unix_port_builds_and_connects_with_newer_tree(tree):
    make("unix")
    result = subprocess.run(
        [OUT / "unix/micropython", "-c", PROGRAM], timeout=60, text=True, capture_output=True
    )
    assert re.fullmatch(r"hello \(1, \d+\)\n", result.stdout), result.stdout + result.stderr
    minor = int(re.search(r", (\d+)\)", result.stdout)[1])
    assert minor > 25


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("board", ["MPS2_AN385", "VIRT_RV32"])
def test_board_builds_with_newer_tree(tree, board):
    make("firmware", f"BOARD={board}")
    assert (OUT / board / "firmware.elf").stat().st_size > 100_000
