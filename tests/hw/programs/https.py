# HTTPS server on port 443: /<n> gives n bytes, /mem what the heap has in use: all of it, free, and
# the most that was in use at once since the last time. Certificate and key lie beside it.

import asyncio
import gc
import network
import ssl
import time

HEAD = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n"
PATTERN = bytes(range(256)) * 8
most = 0


def note():
    """How much is in use now, a connection being open?"""
    global most
    gc.collect()
    most = max(most, gc.mem_alloc())


async def serve(reader, writer):
    global most
    try:
        path = (await reader.readline()).split()[1].split(b"?")[0]
        while (await reader.readline()).strip():
            pass
        note()
        if path == b"/mem":
            text = b"%d %d %d" % (gc.mem_alloc(), gc.mem_free(), most)
            most = 0
            writer.write(HEAD % len(text) + text)
        else:
            size = int(path[1:])
            writer.write(HEAD % size)
            while size:
                n = min(size, len(PATTERN))
                writer.write(memoryview(PATTERN)[:n])
                await writer.drain()
                size -= n
        await writer.drain()
    except (OSError, ValueError, IndexError) as error:
        print("error", repr(error))
    writer.close()
    await writer.wait_closed()


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("server.pem", "server.key")
    gc.collect()
    print("context", gc.mem_alloc() - before, ssl.MBEDTLS_VERSION)
    server = await asyncio.start_server(serve, "0.0.0.0", 443, backlog=8, ssl=context)
    print("ready", nic.ipconfig("addr4")[0])
    await server.wait_closed()


nic = network.LAN()
nic.active(True)
nic.ipconfig(dhcp4=True)
while not nic.isconnected():
    time.sleep_ms(50)
gc.collect()
before = gc.mem_alloc()
asyncio.run(main())
