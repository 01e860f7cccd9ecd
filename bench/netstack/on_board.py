# netstack on MPS2_AN385, polled: what handling frames costs, in ticks of the board's 25 MHz timer.
# The driver puts `role = "sink"`, "source", "echo" or "forward" before this text; "forward" sends
# by the NIC that packets come by. C lwIP's counterpart, which prints the same, is
# bench/lwip/board/board.c.

import board
import gc
import netstack
from netstack.core.stack import Stack
from netstack.inet import icmpv4, ipv4
from netstack.link import arp, ethernet
from netstack.transport import tcp, udp
from time import ticks_cpu, ticks_ms

PORT = 5001
ECHOES = 200
WINDOW = 6 * 1460  # the LAN9118's FIFO takes that as one burst
AGAIN = -11

buf = bytearray(4096)
moved = 0
ended = False


def link(nif):
    ethernet.attach(nif)
    arp.attach(nif)


def echo(endpoint, buf, off, n):
    return n


def sink(conn):
    global moved, ended
    while True:
        n = conn.recv(buf, 0, 4096)
        if n <= 0:
            ended = n != AGAIN
            return
        moved += n


def source(conn):
    global moved, ended
    while True:
        n = conn.send(buf, 0, 4096)
        if n <= 0:
            ended = n != AGAIN
            return
        moved += n


def accepted(listener):
    global moved
    conn = listener.accept()
    moved = 0
    conn.notify = sink if role == "sink" else source  # noqa: F821
    conn.notify(conn)


def serve():
    if role == "forward":  # noqa: F821
        from netstack.inet import forward

        forward.attach(st)
    elif role == "echo":  # noqa: F821
        udp.attach(st)
        server = st.udp.open()
        server.bind(st.ip4, None, PORT)
        server.answer = echo
    else:
        tcp.attach(st)
        server = st.tcp.listen(st.ip4, None, PORT)
        server.rcvbuf = server.sndbuf = WINDOW
        server.notify = accepted


def tell(busy, frames):
    print("busy", busy, frames, moved, "end")


def loop():
    """Polls without work are not counted."""
    global ended
    seen = busy = frames = 0
    poll = st.poll
    cpu = ticks_cpu
    ms = ticks_ms
    while True:
        start = cpu()
        poll(ms())
        passed = cpu() - start & 0x3FFFFFFF
        if st.ip4.stat[0] == seen:
            continue
        frames += st.ip4.stat[0] - seen
        seen = st.ip4.stat[0]
        busy += passed
        if ended or not moved and frames >= ECHOES:
            tell(busy, frames)
            ended = False
            busy = frames = 0


if not FASTPATH:  # noqa: F821
    netstack.fastpath = False
st = Stack(256 * 1024)
ipv4.attach(st)
icmpv4.attach(st)
nic = board.nic()
nif = st.add(nic, link, "eth0")
nif.set_up(True)
st.ip4.configure(nif, b"\x0a\x63\0\x02", b"\xff\xff\xff\0", b"\x0a\x63\0\x03")
serve()
gc.collect()
print("ready")
loop()
