# asyncio streams over loopback: servers and several clients in one program, unchanged from what
# runs on MicroPython's own sockets.

import asyncio
import bench
import netstack
import time

PORT = 8201


async def echo(reader, writer):
    while True:
        data = await reader.read(1000)
        if not data:
            break
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def talk(port, rounds, size):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    block = bytes(i * 13 & 255 for i in range(size))
    for i in range(rounds):
        writer.write(b"%d\n" % i)
        writer.write(block)
        await writer.drain()
        assert await reader.readline() == b"%d\n" % i
        assert await reader.readexactly(size) == block
    writer.close()
    await writer.wait_closed()
    return rounds


async def stop(server):
    server.close()
    await server.wait_closed()


def test_several_clients():
    async def main():
        server = await asyncio.start_server(echo, "127.0.0.1", PORT)
        clients = [talk(PORT, bench.scale(10), 500 * (i + 1)) for i in range(5)]
        done = await asyncio.gather(*clients)
        assert done == [bench.scale(10)] * 5
        await stop(server)

    asyncio.run(main())


def test_big():
    size = bench.scale(200000)

    async def sink(reader, writer):
        n = 0
        buf = bytearray(4096)
        while True:
            k = await reader.readinto(buf)
            if not k:
                break
            n += k
        writer.write(b"%d" % n)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main():
        server = await asyncio.start_server(sink, "0.0.0.0", PORT + 1)
        reader, writer = await asyncio.open_connection("localhost", PORT + 1)
        left = size
        while left:
            n = min(left, 20000)
            writer.write(bytes(n))
            await writer.drain()
            left -= n
        writer.s.shutdown(1)
        assert int(await reader.read()) == size
        writer.close()
        await writer.wait_closed()
        await stop(server)

    asyncio.run(main())


def test_others_run():
    """Waiting for a socket does not stop other tasks, nor they it."""
    ticks = []

    async def ticker():
        while True:
            ticks.append(time.ticks_ms())
            await asyncio.sleep_ms(20)

    async def late(reader, writer):
        before = len(ticks)
        while len(ticks) < before + 10:
            await asyncio.sleep_ms(20)
        writer.write(b"late")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main():
        server = await asyncio.start_server(late, "127.0.0.1", PORT + 2)
        task = asyncio.create_task(ticker())
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT + 2)
        assert await reader.read() == b"late"
        writer.close()
        await writer.wait_closed()
        task.cancel()
        await stop(server)

    asyncio.run(main())
    gaps = sorted(time.ticks_diff(ticks[i], ticks[i - 1]) for i in range(1, len(ticks)))
    assert gaps[0] >= 19 and gaps[len(gaps) // 2] < 100, gaps


def test_wait_for():
    async def silent(reader, writer):
        await reader.read(1)
        writer.close()
        await writer.wait_closed()

    async def main():
        server = await asyncio.start_server(silent, "127.0.0.1", PORT + 3)
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT + 3)
        try:
            await asyncio.wait_for(reader.read(1), 0.1)
        except asyncio.TimeoutError:
            pass
        else:
            raise AssertionError("TimeoutError was expected")
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep_ms(20)
        await stop(server)

    asyncio.run(main())


def test_wait_for_loses_nothing():
    """What comes to its end in time, on a processor that is slow to say so."""
    limit = 100

    def passed():
        return time.ticks_diff(time.ticks_ms(), start)

    async def slow(fail):
        nonlocal early
        await asyncio.sleep_ms(20)
        early = passed() < limit  # else the machine has halted
        while passed() < 3 * limit:
            pass
        if fail:
            raise ValueError("on purpose")
        return "what was waited for"

    async def main(fail):
        nonlocal early, start
        early = False
        start = time.ticks_ms()
        try:
            result = await asyncio.wait_for_ms(slow(fail), limit)
        except ValueError:
            result = "ValueError"
        except asyncio.TimeoutError:
            result = None
        await asyncio.sleep_ms(20)  # nobody cancels us later
        return result

    early, start = False, 0
    for fail, wanted in ((False, "what was waited for"), (True, "ValueError")):
        for _ in range(20):
            result = asyncio.run(main(fail))
            if early:
                break
        assert result == wanted, result


def test_refused():
    async def main():
        try:  # over loopback already the connect may know
            reader, writer = await asyncio.open_connection("127.0.0.1", PORT + 4)
            await reader.read(1)
        except OSError as error:
            assert error.errno == 111, error  # ECONNREFUSED
        else:
            raise AssertionError("OSError was expected")

    asyncio.run(main())


def test_no_stream():
    """What is no stream is refused before asyncio's poller, which would crash, hears of it."""

    async def main():
        for wait in (netstack.readable, netstack.writable):
            for wrong in (5, "x", None, object()):
                try:
                    await wait(wrong)
                except OSError:
                    await asyncio.sleep_ms(1)
                else:
                    raise AssertionError(wrong)
        assert not asyncio.core._io_queue.map

    asyncio.run(main())


bench.run_tests(globals())
