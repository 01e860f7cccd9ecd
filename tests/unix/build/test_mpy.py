"""`make mpy`: every architecture's files are there and of its kind, and those of this machine do
what the frozen stack does. tests/hw/test_stock.py has them on a board."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.timeout(1800)  # five times all of the stack
# py/persistentcode.h: what a file's third byte has in its upper six bits if there is native code
ARCH = {"x64": 2, "armv6m": 4, "armv7m": 5, "xtensawin": 10, "rv32imc": 11}
RUN = """
import sys
path = %r
exec(compile(open(path).read(), path, "exec"), {"__name__": "__main__", "__file__": path})
for name, module in sys.modules.items():
    if name.split(".")[0] == "netstack" and not module.__file__.startswith(%r):
        print(name, "is", module.__file__)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("mpy")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "NETSTACK"))}
    done = subprocess.run(
        ["make", "mpy", "MPY_OUT=%s" % out], cwd=ROOT, env=env, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return out


def urls(path):
    package = json.loads(path.read_text())
    assert package["version"]
    return package["urls"]


def test_every_list_is_complete(built):
    assert sorted(each.name for each in built.iterdir()) == sorted(ARCH)
    for arch in ARCH:
        listed = {
            name: urls(built / arch / (name + ".json")) for name in ("package", "small", "full")
        }
        for name, path in listed["full"]:
            assert name == path and name.endswith(".mpy")
            head = (built / arch / path).read_bytes()[:3]
            assert head[:2] == b"M\x06", "%s/%s: no .mpy file of version 6" % (arch, path)
            assert head[2] >> 2 in (0, ARCH[arch]), "%s/%s: of another processor" % (arch, path)
        names = {name: {each for each, _ in its} for name, its in listed.items()}
        assert names["small"] < names["package"] < names["full"]
        assert "netstack/inet/ipv6.mpy" in names["package"] - names["small"]
        assert "netstack/takeover.mpy" in names["small"]
    board = {name for name, _ in urls(built / "armv7m" / "MPS2_AN385.json")}
    assert board == {"board.mpy", "lan9118.mpy", "lan9118_thumb.mpy"}


@pytest.mark.parametrize("path", ["tcp/test_data.py", "api/test_stream.py", "noalloc/test_tcp.py"])
def test_the_stack_works_from_files(built, path, request, tmp_path):
    """Test files of the stack, with all its modules out of the directory for this machine."""
    binary = ROOT / request.config.getoption("out") / "unix" / "micropython"
    tests = ROOT / "tests" / "unix"
    places = "%s:.frozen:%s" % (built / "x64", tests)
    (tmp_path / "run.py").write_text(RUN % (str(tests / path), str(built / "x64")))
    done = subprocess.run(
        [binary, "-X", "heapsize=8m", "run.py"],
        env=dict(os.environ, MICROPYPATH=places),
        cwd=tmp_path,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=900,
    )
    assert " 0 failed" in done.stdout, done.stdout
    assert " is " not in done.stdout.split(" 0 failed")[1], done.stdout
