# A server that also waits for a key.

import asyncio
import lan
import sys


async def nobody(reader, writer):
    pass


async def main():
    lan.up()
    server = await asyncio.start_server(nobody, "0.0.0.0", 7)
    print("ready")
    key = await asyncio.StreamReader(sys.stdin).read(1)
    print("key", key)
    server.close()
    await server.wait_closed()


asyncio.run(main())
