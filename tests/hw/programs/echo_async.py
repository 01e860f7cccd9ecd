# An echo server by asyncio on port 80; to the line "rounds" it answers how often the board has
# woken up to look at what it waits for.

import asyncio
import io
import network


class Rounds(io.IOBase):
    """Never ready, and counts how often it is asked."""

    def __init__(self):
        self.n = 0

    def ioctl(self, request, arg):
        if request == 3:  # MP_STREAM_POLL
            self.n += 1
        return 0


rounds = Rounds()


async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(b"%d\n" % rounds.n if line == b"rounds\n" else line)
        await writer.drain()
    writer.close()


async def main():
    nic = network.LAN()
    nic.active(True)
    while not nic.isconnected():
        await asyncio.sleep_ms(10)
    asyncio.create_task(asyncio.StreamReader(rounds).read(1))
    server = await asyncio.start_server(echo, "0.0.0.0", 80)
    print("ready", nic.ipconfig("addr4")[0])
    await server.wait_closed()


asyncio.run(main())
