# HTTPS server on port 443: /<n> gives n bytes, /mem how much of the heap was in use without a
# connection and with one that is open, the last time, and in a handshake, at most. Certificate and
# key lie beside it.

import asyncio
import gc
import network
import ssl
import time

HEAD = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n"
PATTERN = bytes(range(256)) * 8
idle = session = handshake = 0


def used():
    gc.collect()
    return gc.mem_alloc()


def shake(sock, flag=0):
    """A step of a handshake, and what is in use after it."""
    global handshake
    done = step(sock, flag)
    if not done:
        handshake = max(handshake, used())
    return done


step = ssl.SSLSocket._shake
ssl.SSLSocket._shake = shake


async def serve(reader, writer):
    global idle, session
    try:
        path = (await reader.readline()).split()[1].split(b"?")[0]
        while (await reader.readline()).strip():
            pass
        session = used()
        if path == b"/mem":
            text = b"%d %d %d" % (idle, session, handshake)
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
    writer.s = None
    idle = used()


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("server.pem", "server.key")
    print("context", used() - before)
    server = await asyncio.start_server(serve, "0.0.0.0", 443, backlog=8, ssl=context)
    print("ready", nic.ipconfig("addr4")[0])
    await server.wait_closed()


nic = network.LAN()
nic.active(True)
nic.ipconfig(dhcp4=True)
while not nic.isconnected():
    time.sleep_ms(50)
before = used()
asyncio.run(main())
