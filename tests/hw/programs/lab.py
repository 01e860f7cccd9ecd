# What test_lan.py has a board do: the host asks by TCP, a line at a time.
#
#   5000  "take N": the host sends N bytes; answered by their SHA-256
#         "give N": N bytes of a known pattern, and their SHA-256
#         "mem": heap in use, free frames, once no other connection is left; "busy" until then
#         "nic": what the driver has counted
#         "reset", "soft_reset": machine's, at once
#         "join", "leave": the group 239.1.2.3, on UDP port 5001
#   5001  UDP: comes back as it came, whoever it was for
#
# Told by prints: "ready" with the address, and "link" with isconnected() and status(), when they
# change.

import asyncio
import binascii
import gc
import hashlib
import machine
import network
import socket
import time
from netstack.api import host

GROUP = bytes((239, 1, 2, 3)) + bytes(4)
PIECE = 2048
COUNTS = "drops", "resets", "lost_interrupts"


@micropython.viper
def fill(buf: ptr8, n: int, at: int):
    i = 0
    while i < n:
        buf[i] = at * 7 + (at >> 8)
        at += 1
        i += 1


def answer(digest):
    return binascii.hexlify(digest.digest()) + b"\n"


async def take(reader, writer, n):
    digest = hashlib.sha256()
    while n:
        piece = await reader.read(min(n, PIECE))
        if not piece:
            return
        digest.update(piece)
        n -= len(piece)
    writer.write(answer(digest))


async def give(reader, writer, n):
    digest = hashlib.sha256()
    buf = bytearray(PIECE)
    view = memoryview(buf)
    for at in range(0, n, PIECE):
        size = min(PIECE, n - at)
        fill(buf, size, at)
        digest.update(view[:size])
        writer.write(view[:size])
        await writer.drain()
    writer.write(answer(digest))


def memory():
    st = host.stack()
    if len(list(st.tcp.connections())) > 1:
        return b"busy\n"
    gc.collect()
    frames = st.pool.unmade * st.pool.size  # memory that is theirs sooner or later
    return b"%d %d\n" % (gc.mem_alloc() + frames, st.pool.left)


async def serve(reader, writer):
    try:
        while line := await reader.readline():
            verb, _, n = line.strip().partition(b" ")
            if verb == b"take":
                await take(reader, writer, int(n))
            elif verb == b"give":
                await give(reader, writer, int(n))
            elif verb == b"mem":
                writer.write(memory())
            elif verb == b"nic":
                counts = [getattr(host.port_nic(), name, 0) for name in COUNTS]
                writer.write(b"%d %d %d\n" % tuple(counts))
            elif verb.endswith(b"reset"):
                getattr(machine, verb.decode())()
            elif verb == b"join":
                datagrams.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, GROUP)
                writer.write(b"joined\n")
            elif verb == b"leave":
                datagrams.setsockopt(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, GROUP)
                writer.write(b"left\n")
            await writer.drain()
    except OSError as error:
        print("error", error)
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        pass


async def echo():
    buf = bytearray(1500)
    view = memoryview(buf)
    poll = asyncio.core._io_queue.queue_read
    while True:
        yield poll(datagrams)
        try:
            n, peer = datagrams.recvfrom_into(buf)
            datagrams.sendto(view[:n], peer)
        except OSError:
            pass  # nothing there, or no way to the peer now


async def main():
    host.tcp().msl_ms = 2000  # so that TIME-WAIT lasts 4 s instead of minutes
    asyncio.create_task(echo())
    await asyncio.start_server(serve, "0.0.0.0", 5000, backlog=8)
    print("ready", nic.ipconfig("addr4")[0])
    last = nic.isconnected(), nic.status()
    while True:
        await asyncio.sleep_ms(100)
        now = nic.isconnected(), nic.status()
        if now != last:
            print("link", *now)
            last = now


nic = network.LAN()
nic.active(True)
while not nic.isconnected():
    time.sleep_ms(50)
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.setblocking(False)
datagrams.bind(("0.0.0.0", 5001))
asyncio.run(main())
