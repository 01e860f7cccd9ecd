# Serves port 5000, one connection after the other, and prints what happens to it. A line of input
# is printed; some of them are orders:
#   late N   send N bytes once the peer has ended its half
#   flood    send for ever
#   sleep    read on only after somebody has said "wake"

import asyncio
import lan

woken = asyncio.Event()


async def order(line, reader, writer):
    if line.startswith("late "):
        assert not await reader.read()
        print("end of input")
        writer.write(b"z" * int(line[5:]))
        await writer.drain()
    elif line == "flood":
        while True:
            writer.write(bytes(8192))
            await writer.drain()
    elif line == "sleep":
        await woken.wait()
        n = 0
        while data := await reader.read(8192):
            n += len(data)
        print("slept, then", n, "bytes")
    elif line == "wake":
        woken.set()


async def serve(reader, writer):
    try:
        while line := await reader.readline():
            line = line.decode().strip()
            print(line)
            await order(line, reader, writer)
        print("end")
    except OSError as e:
        print("errno", e.errno)
    writer.close()
    await writer.wait_closed()


async def main():
    lan.up()
    server = await asyncio.start_server(serve, "0.0.0.0", 5000)
    print("ready")
    await server.wait_closed()


asyncio.run(main())
