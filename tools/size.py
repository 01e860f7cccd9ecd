"""What a Cortex-M3 board pays for each module, with IPv6 and without: flash, and heap once it is
imported. `make size` builds both images.

    python tools/size.py <directory of the one> <directory of the other>
"""

import ast
import os
import re
import select
import struct
import sys

import emulate

BOARD = "MPS2_AN385"
LIB = os.path.join(emulate.ROOT, "lib")
# Each module by itself: what it imports is there already.
MODULES = """
import gc
for name in %r:
    gc.collect()
    before = gc.mem_alloc()
    __import__(name)
    gc.collect()
    print("took", name, gc.mem_alloc() - before)
print("over")
"""
# What programs begin with.
PROGRAM = """
import gc
gc.collect()
before = gc.mem_alloc()
import network
import socket

network.LAN().active(True)
s = socket.socket()
gc.collect()
print("took program", gc.mem_alloc() - before)
print("over")
"""


def flash(elf):
    """Bytes an ELF file puts into a board's memory."""
    with open(elf, "rb") as file:
        data = file.read()
    (offset,) = struct.unpack_from("<I", data, 28)
    size, count = struct.unpack_from("<HH", data, 42)
    headers = [struct.unpack_from("<8I", data, offset + k * size) for k in range(count)]
    return sum(header[4] for header in headers if header[0] == 1)


def modules(build):
    """{name: bytes} of what is frozen of the stack."""
    top = os.path.join(build, "frozen_mpy")
    found = {}
    for where, _, names in os.walk(os.path.join(top, "netstack")):
        for name in names:
            path = os.path.join(where, name)
            module = os.path.relpath(path, top)[: -len(".mpy")].replace("/", ".")
            found[module.replace(".__init__", "")] = os.path.getsize(path)
    return found


def needs(module):
    """The modules that are imported at its head."""
    path = os.path.join(LIB, module.replace(".", "/"))
    path = path + ".py" if os.path.exists(path + ".py") else path + "/__init__.py"
    with open(path) as file:
        tree = ast.parse(file.read(), path)
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from ("%s.%s" % (node.module, alias.name) for alias in node.names)


def in_order(names):
    """Each after those that it needs."""
    done = []

    def visit(name):
        if name in names and name not in done:
            for other in needs(name):
                if other != name:
                    visit(other)
            done.append(name)

    for name in sorted(names):
        visit(name)
    return done


def heap(elf, program):
    """{name: bytes of heap} of what the board says when it runs the program."""
    with emulate.Emulator(BOARD, elf=elf, net=None, boot_timeout=60) as emulator:
        with emulator.console() as fd:
            os.write(fd, b"\r\x03\x01")
            until(fd, "exit\r\n>")
            for at in range(0, len(program), 128):
                os.write(fd, program[at : at + 128].encode())
                select.select([], [], [], 0.002)  # a UART without flow control
            os.write(fd, b"\x04")
            said = until(fd, "over\r\n|Error")
    return {name: int(n) for name, n in re.findall(r"took ([\w.]+) (\d+)", said)}


def until(fd, pattern):
    said = ""
    while not re.search(pattern, said):
        if not select.select([fd], [], [], 60)[0]:
            raise emulate.EmulatorError("the board said %r and no more" % said[-300:])
        said += os.read(fd, 4096).decode(errors="replace")
    return said


def main():
    images = sys.argv[1:3]
    sizes = [modules(image) for image in images]
    elves = [os.path.join(image, "firmware.elf") for image in images]
    heaps = [heap(elf, MODULES % in_order(list(size))) for elf, size in zip(elves, sizes)]
    programs = [heap(elf, PROGRAM)["program"] for elf in elves]
    row = "%-42s %9s %9s   %9s %9s"
    print(row % ("%s, bytes" % BOARD, "with IPv6", "", "without", ""))
    print(row % ("", "flash", "heap", "flash", "heap"))
    for name in sorted(set(sizes[0]) | set(sizes[1])):
        cells = [each.get(name, "-") for pair in zip(sizes, heaps) for each in pair]
        print(row % (name, *cells))
    totals = [sum(each.values()) for pair in zip(sizes, heaps) for each in pair]
    print(row % ("all of them", *totals))
    totals = [n for elf, used in zip(elves, programs) for n in (flash(elf), used)]
    print(row % ("the image; LAN() up and a TCP socket", *totals))


if __name__ == "__main__":
    main()
