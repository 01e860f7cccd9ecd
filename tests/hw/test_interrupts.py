"""A hard interrupt on a board that has them: what it calls is refused, and what it has interrupted
goes on."""

from process import BOARDS  # noqa: F401

PROGRAM = """
import micropython, rp2, socket
from netstack.api import host

micropython.alloc_emergency_exception_buf(100)
a, b = socket.socketpair()
d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
d.bind(("127.0.0.1", 0))
to = d.getsockname()
buf = bytearray(8)
said = [None] * 8
st = host.stack()
clock = st.clock
calls = (lambda: a.send(b"x"), lambda: b.recv_into(buf), lambda: d.recv_into(buf),
    lambda: d.recvfrom_into(buf), lambda: d.sendto(b"x", to), lambda: st.poll(clock()), a.close)
count = 0

def interrupted(_):
    global count
    call = calls[count % len(calls)]
    try:
        call()
        said[count % len(calls)] = "nothing"
    except RuntimeError as error:
        said[count % len(calls)] = error.args[0]
    except MemoryError:
        said[count % len(calls)] = "memory"
    count += 1

dma = rp2.DMA()
dma.irq(interrupted, hard=True)
one = bytearray(4)
ctrl = dma.pack_ctrl(irq_quiet=False)

def interrupt():
    dma.config(read=one, write=buf, count=1, ctrl=ctrl, trigger=True)

for i in range(len(calls)):
    d.sendto(b"%d" % i, to)
    interrupt()
    assert d.recv(8) == b"%d" % i
    a.send(b"%d" % i)
    interrupt()
    assert b.recv(8) == b"%d" % i
dma.close()
print(count, len(calls))
for what in said[:len(calls)]:
    print(what)
"""


def test_refused(board):
    counted, *said = board.exec(PROGRAM).splitlines()
    count, calls = map(int, counted.split())
    assert count == 2 * calls
    assert len(said) == calls
    for what in said:
        assert what == "memory" or "not for hard interrupts" in what, said
    assert sum(what == "memory" for what in said) < 3, said
