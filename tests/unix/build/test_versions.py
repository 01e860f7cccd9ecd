"""A second MicroPython version builds too: sid's source package stands for a newer tree that a
user names by MICROPY_DIR."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TREE = ROOT / "build/micropython-sid"
OUT = ROOT / "build/sid"

# What its compilers could get wrong: the kernels, and the path of every packet.
SUITES = ["core", "noalloc", "wire"]


@pytest.fixture(scope="module")
def tree():
    setup = ["python3", "tools/setup.py", "micropython", "--suite", "sid", "--target", str(TREE)]
    subprocess.run(setup, cwd=ROOT, check=True, timeout=1500)
    return TREE


def make(target, *variables):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    command = ["make", target, f"MICROPY_DIR={TREE}", f"OUT={OUT}", *variables]
    result = subprocess.run(
        command, cwd=ROOT, env=env, timeout=1500, text=True, capture_output=True
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]


@pytest.mark.timeout(3600)
def test_newer_tree_builds_and_passes_the_kernel_tests(tree):
    make("unix")
    for board in ("MPS2_AN385", "VIRT_RV32"):
        make("firmware", f"BOARD={board}")
    version = subprocess.run(
        [OUT / "unix/micropython", "-c", "import sys; print(sys.implementation[1][1])"],
        timeout=60,
        text=True,
        capture_output=True,
    )
    assert int(version.stdout) > 25, version.stdout + version.stderr
    suites = [str(ROOT / "tests/unix" / suite) for suite in SUITES]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--out", str(OUT), *suites],
        cwd=ROOT,
        timeout=1500,
        text=True,
        capture_output=True,
    )
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-2000:]
