# A client of micropython-async-websocket-client: ws_client.py URL

import asyncio
import sys

from async_websocket_client import AsyncWebsocketClient


async def main():
    client = AsyncWebsocketClient()
    await client.handshake(sys.argv[1])
    for message in ("hello", "x" * 100, "y" * 10000):
        await client.send(message)
        answer = await client.recv()
        print(len(answer), answer == message)
    await client.close()


asyncio.run(main())
