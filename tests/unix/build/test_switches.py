"""NETSTACK_* in make's environment decide what is frozen: with other values than the last time the
same build directory gets another image, with the same ones it is left as it is."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
IPV6 = "netstack/inet/ipv6.py"
ROUTER = "netstack/inet/forward.py"


@pytest.fixture
def frozen(tmp_path, request):
    """freeze(**switches): the names in what is frozen for a board, and when that was written."""
    out = ROOT / request.config.getoption("out")
    target = tmp_path / "frozen_content.c"
    command = ["make", "-C", str(ROOT / "ports/qemu"), "BOARD=MPS2_AN385", str(target)]
    command += ["BUILD=%s" % tmp_path, "MICROPY_DIR=%s" % (ROOT / "build/micropython")]
    command.append("MICROPY_MPYCROSS=%s" % (out / "mpy-cross/mpy-cross"))

    def freeze(**switches):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
        env = {k: v for k, v in env.items() if not k.startswith("NETSTACK")}
        env.update(switches)
        done = subprocess.run(command, env=env, timeout=300, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return target.read_text(), target.stat().st_mtime_ns

    return freeze


@pytest.mark.timeout(600)
def test_other_switches_freeze_anew(frozen):
    text, first = frozen()
    assert IPV6 in text and ROUTER not in text
    assert frozen()[1] == first
    text, _ = frozen(NETSTACK_IPV6="0", NETSTACK_ROUTER="1")
    assert IPV6 not in text and ROUTER in text
    text, _ = frozen()
    assert IPV6 in text and ROUTER not in text
