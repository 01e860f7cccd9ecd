# HTTP client by asyncio: http_get_async.py <host> <port> <path>... fetches all of them at once.

import asyncio
import binascii
import hashlib
import lan
import sys

host, port = sys.argv[1], int(sys.argv[2])


async def get(path):
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(("GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" % (path, host)).encode())
    await writer.drain()
    while (await reader.readline()).strip():
        pass
    digest = hashlib.sha256()
    length = 0
    while data := await reader.read(4096):
        digest.update(data)
        length += len(data)
    writer.close()
    await writer.wait_closed()
    print("got", path, length, binascii.hexlify(digest.digest()).decode())


async def main():
    lan.up()
    await asyncio.gather(*[get(path) for path in sys.argv[3:]])


asyncio.run(main())
