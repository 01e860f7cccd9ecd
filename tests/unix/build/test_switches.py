"""NETSTACK_* in make's environment decide what is frozen: with other values than the last time the
same build directory gets another image, with the same ones it is left as it is."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tools")]
import mpy  # noqa: E402

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
        done = subprocess.run(command, env=env, timeout=900, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return target.read_text(), target.stat().st_mtime_ns

    return freeze


@pytest.mark.timeout(1800)
def test_other_switches_freeze_anew(frozen):
    text, first = frozen()
    assert IPV6 in text and ROUTER not in text
    assert frozen()[1] == first
    text, _ = frozen(NETSTACK_IPV6="0", NETSTACK_ROUTER="1")
    assert IPV6 not in text and ROUTER in text
    text, _ = frozen()
    assert IPV6 in text and ROUTER not in text


def needed(source):
    """The modules that a file imports at its head."""
    for node in ast.parse(Path(source).read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from ("%s.%s" % (node.module, alias.name) for alias in node.names)


SWITCHES = ("NETSTACK_EXTRAS", "NETSTACK_IPV6", "NETSTACK_TLS", "NETSTACK_ROUTER")


@pytest.mark.parametrize("values", ["0000", "0101", "1010"])
def test_what_is_frozen_needs_nothing_that_is_not(values):
    text = "include(%r, kernels=('thumb',), nics=('w5500',))" % str(ROOT / "lib/manifest.py")
    tree = str(ROOT / "build/micropython")
    everything = {p.relative_to(ROOT / "lib") for p in (ROOT / "lib/netstack").rglob("*.py")}
    frozen = mpy.files(tree, text, dict(zip(SWITCHES, values)))
    absent = {str(path) for path in everything} - set(frozen)
    for name, source in frozen.items():
        for module in needed(source):
            assert module.replace(".", "/") + ".py" not in absent, "%s needs %s" % (name, module)
