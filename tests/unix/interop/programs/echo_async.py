# An echo server by asyncio: port 7 of TCP.

import asyncio
import lan


async def echo(reader, writer):
    buf = bytearray(1500)
    view = memoryview(buf)
    while n := await reader.readinto(buf):
        writer.write(view[:n])
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def main():
    lan.up()
    server = await asyncio.start_server(echo, "0.0.0.0", 7)
    print("ready")
    await server.wait_closed()


asyncio.run(main())
