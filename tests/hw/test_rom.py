"""What an RP2 board has in flash instead of on its heap: ports/rp2/rom.c."""

import process as pico

BOARDS = pico.BOARDS
LAN_UP = 172000  # bytes of heap that are free at the least
TCP = 151000
FLASH = """
from netstack.core.frame import Pool
from netstack.core.wire import get16
from netstack.transport.udp import Endpoint

here = [Pool.alloc, Pool.extra, Pool.__init__, get16, Endpoint.bind]
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
try:
    bytearray.append = None
except AttributeError:
    print("refused")
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
    assert board.exec(FLASH).split() == ["1"] * 5


def test_names_of_a_module_that_is_gone(board):
    assert board.exec(FORGOTTEN).split() == ["True"] * 3


def test_what_is_frozen_can_be_changed(board):
    want = ["1 True red True False", "True", "4 True Ring", "7", "refused"]
    for _ in range(2):  # mpremote resets the board in between, which brings back what was there
        assert board.exec(CHANGED).splitlines() == want
    unchanged = "from netstack.core.frame import Pool; print(Pool(4, 100).extra() is not None)"
    assert board.exec(unchanged).split() == ["True"]


def test_heap(board):
    up, tcp = map(int, board.exec(HEAP).split())
    assert up >= LAN_UP and tcp >= TCP, (up, tcp)
