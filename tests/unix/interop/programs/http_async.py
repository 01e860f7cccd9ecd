# HTTP server on port 80 by asyncio: GET sends the file named, PUT gives the sha256 of what it got.
# http_async.py <directory>

import asyncio
import binascii
import hashlib
import lan
import os
import sys

directory = sys.argv[1]
HEAD = "HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"


async def answer(writer, status, text):
    writer.write((HEAD % (status, len(text)) + text).encode())
    await writer.drain()


async def send_file(writer, path):
    try:
        size = os.stat(directory + path)[6]
    except OSError:
        return await answer(writer, "404 Not Found", path + "\n")
    writer.write((HEAD % ("200 OK", size)).encode())
    buf = bytearray(16384)
    view = memoryview(buf)
    with open(directory + path, "rb") as f:
        while n := f.readinto(buf):
            writer.write(view[:n])
            await writer.drain()


async def take_file(reader, writer, size):
    digest = hashlib.sha256()
    buf = bytearray(16384)
    view = memoryview(buf)
    while size:
        n = await reader.readinto(view[: min(size, len(buf))])
        if not n:
            return
        digest.update(view[:n])
        size -= n
    await answer(writer, "200 OK", binascii.hexlify(digest.digest()).decode())


async def serve(reader, writer):
    request = (await reader.readline()).decode().split()
    size = 0
    expect = False
    while (line := await reader.readline()).strip():
        name, value = line.decode().split(":", 1)
        if name.lower() == "content-length":
            size = int(value)
        expect = expect or name.lower() == "expect"
    if len(request) == 3 and request[0] == "GET":
        await send_file(writer, request[1].split("?")[0])
    elif len(request) == 3 and request[0] == "PUT":
        if expect:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await writer.drain()
        await take_file(reader, writer, size)
    writer.close()
    await writer.wait_closed()


async def main():
    lan.up()
    server = await asyncio.start_server(serve, "0.0.0.0", 80, backlog=64)
    print("ready")
    await server.wait_closed()


asyncio.run(main())
