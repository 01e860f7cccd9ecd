"""An image without netstack, and netstack on its file system: what mpremote installs
there serves pages, to programs that know nothing of it."""

import base64
import json
import os
import shutil
import subprocess
import zlib

import pytest
import netns
from attached import ROOT, Board, boot
from test_network import fetch

ARCH = {"MPS2_AN385": "armv7m", "VIRT_RV32": "rv32imc"}
FULL = bool(os.environ.get("NETSTACK_FULL"))
BOARDS = sorted(ARCH) if FULL else ["MPS2_AN385"]

# What mip would do, by one program: on an emulated serial line each of its files takes a second.
UNPACK = """
import binascii, deflate, io, os
files = deflate.DeflateIO(io.BytesIO(binascii.a2b_base64(%r)), deflate.ZLIB)
while True:
    line = files.readline()
    if not line:
        break
    name, size = line.split()
    path = "/lib/" + name.decode()
    for i, letter in enumerate(path):
        if i and letter == "/":
            try:
                os.mkdir(path[:i])
            except OSError:
                pass
    with open(path, "wb") as file:
        file.write(files.read(int(size)))
print("unpacked")
"""
BARE = """
for name in ("netstack", "socket", "network", "board"):
    try:
        __import__(name)
        print("has", name)
    except ImportError:
        pass
"""
WHOSE = """
import socket, network, sys
print(socket.__name__, network.__name__, sys.modules["netstack"].__file__)
"""


def make(*arguments):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "NETSTACK"))}
    done = subprocess.run(["make", *arguments], cwd=ROOT, env=env, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.fixture(scope="module", params=BOARDS)
def stock(request, tmp_path_factory):
    """A board whose image has no netstack, built beside the one that has."""
    if request.config.getoption("port", None):
        pytest.skip("only for emulated boards")
    name = request.param
    if request.config.getoption("board", None) not in (None, name):
        pytest.skip("only for %s" % name)
    build = tmp_path_factory.mktemp("stock") / name
    shutil.copytree(os.path.join(netns.OUT, name), build, copy_function=shutil.copy2)
    # Upstream's make forgets no module in C: without the stack there is none of its own.
    for each in build.glob("genhdr/module/*guard*"):
        each.unlink()
    for each in ("genhdr/moduledefs.collected", "py/objmodule.o", "py/builtinhelp.o"):
        (build / each).unlink()
    make(
        "-C", "ports/qemu", "BOARD=" + name, "NETSTACK=0", "BUILD=%s" % build,
        "MICROPY_DIR=%s" % (ROOT / "build/micropython"),
        "MICROPY_MPYCROSS=" + os.path.join(netns.OUT, "mpy-cross/mpy-cross"),
    )  # fmt: skip
    log = str(build / "qemu.log")
    with boot(name, elf=str(build / "firmware.elf"), log=log, hostfwd=[(0, 80, "tcp")]) as qemu:
        yield Board(name, qemu.serial_url, qemu)


@pytest.fixture(scope="module")
def packages(stock, tmp_path_factory):
    out = tmp_path_factory.mktemp("mpy")
    arch = ARCH[stock.name]
    make("mpy", "ARCH=" + arch, "OUT=%s" % netns.OUT, "MPY_OUT=%s" % out)
    return out / arch


def install(stock, path, tmp_path):
    """Bring what is in a list onto the board."""
    if FULL or not path.name.startswith("small"):
        assert stock.mpremote("mip", "install", path).endswith("Done")
        return
    data = b""
    for name, url in json.loads(path.read_text())["urls"]:
        module = (path.parent / url).read_bytes()
        data += b"%s %d\n" % (name.encode(), len(module)) + module
    program = tmp_path / "unpack.py"
    program.write_text(UNPACK % base64.b64encode(zlib.compress(data, wbits=10)).decode())
    assert "unpacked" in stock.mpremote("run", program)


def test_stock_firmware_serves_pages(stock, packages, tmp_path):
    assert "has" not in stock.exec(BARE)
    install(stock, packages / (stock.name + ".json"), tmp_path)
    install(stock, packages / "small.json", tmp_path)
    stock.exec("open('boot.py', 'w').write('import netstack.takeover')")
    with stock.running("fetch"):
        fetch(lambda argv: stock.run(*argv), "http://%s/" % stock.port(80), tmp_path)
    said = stock.exec(WHOSE)
    assert "netstack.api.socket netstack.api.network /lib/netstack/__init__.mpy" in said
