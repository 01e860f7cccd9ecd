# HTTP server on port 80: /64k gives 65536 bytes of a known pattern, /mem what memory is in use:
# heap, free frames, connections.
#
# After /64k the server closes first, so the connection stays in TIME-WAIT here; after /mem the
# client does, so that asking changes nothing.

import asyncio
import gc
import network
import time
from netstack.api import host

HEAD = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n"
SIZE = 65536
PIECE = 2048


@micropython.viper
def fill(buf: ptr8, n: int, at: int):
    i = 0
    while i < n:
        buf[i] = at * 7 + (at >> 8)
        at += 1
        i += 1


def memory():
    gc.collect()
    st = host.stack()
    frames = st.pool.unmade * st.pool.size  # memory that is theirs sooner or later
    return b"%d %d %d" % (gc.mem_alloc() + frames, st.pool.left, len(list(st.tcp.connections())))


async def serve(reader, writer):
    path = (await reader.readline()).split()[1].split(b"?")[0]
    while (await reader.readline()).strip():
        pass
    if path == b"/64k":
        writer.write(HEAD % SIZE)
        for i in range(0, SIZE, PIECE):
            # A stream keeps what the socket has no room for: 30 pages at once would fill the heap.
            piece = bytearray(PIECE)
            fill(piece, PIECE, i)
            writer.write(piece)
            await writer.drain()
    else:
        body = memory()
        writer.write(HEAD % len(body) + body)
        await writer.drain()
        await reader.read()
    writer.close()
    await writer.wait_closed()


async def main():
    host.tcp().msl_ms = 5000  # so that TIME-WAIT lasts 10 s instead of minutes
    server = await asyncio.start_server(serve, "0.0.0.0", 80, backlog=32)
    print("ready", nic.ipconfig("addr4")[0])
    await server.wait_closed()


nic = network.LAN()
nic.active(True)
nic.ipconfig(dhcp4=True)
while not nic.isconnected():
    time.sleep_ms(50)
asyncio.run(main())
