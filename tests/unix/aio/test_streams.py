# asyncio's streams: what a cancelled call had read is there for the next, what drain() has
# sent is not sent again, and neither 24 connections that are cancelled at once nor 1,000 that are
# dropped leave anything.

import virtual
from virtual import ECHO, FAR, MUTE, left

import asyncio
import bench
import gc
import socket
import struct

PORT = 8600
us, far, wire = virtual.start({"echo": FAR, "mute": FAR})


def tables():
    found = left(us.st)
    found["tasks"] = len(asyncio.core._io_queue.map)
    found["far"] = len(list(far.st.tcp.connections()))
    return found


async def at_rest():
    await asyncio.sleep(70)
    with bench.inside(us.st) as st:
        st.dns.flush()
    for _ in range(2):
        gc.collect()
    return tables(), gc.mem_alloc()


async def opened():
    return await asyncio.open_connection(FAR, ECHO)


async def late(awaitable, ms):
    """It is not done after `ms`."""
    try:
        await asyncio.wait_for_ms(awaitable, ms)
    except asyncio.TimeoutError:
        return
    raise AssertionError("TimeoutError was expected")


def test_nothing_read_is_lost():
    async def main():
        reader, writer = await opened()
        writer.write(b"one half")
        await writer.drain()
        await late(reader.readline(), 200)
        await late(reader.readexactly(20), 200)
        await late(reader.read(), 200)
        writer.write(b" and the other\nrest")
        await writer.drain()
        assert await reader.readline() == b"one half and the other\n"
        await late(reader.readexactly(5), 200)
        buf = bytearray(2)
        assert await reader.readinto(buf) == 2 and buf == b"re"
        assert await reader.read(1) == b"s"
        writer.s.shutdown(socket.SHUT_WR)
        assert await reader.read() == b"t"
        writer.close()

    asyncio.run(main())


def test_end_in_the_middle():
    """What there was before the end can still be had."""

    async def main():
        reader, writer = await opened()
        writer.write(b"abc")
        await writer.drain()
        writer.s.shutdown(socket.SHUT_WR)
        try:
            await reader.readexactly(4)
        except EOFError:
            pass
        else:
            raise AssertionError("EOFError was expected")
        assert await reader.readline() == b"abc"
        assert await reader.readline() == b""
        writer.close()

    asyncio.run(main())


def test_nothing_is_sent_twice():
    """drain() given up and begun anew, and written to meanwhile."""

    async def main():
        size = 40000
        data = bytes(i * 7 & 255 for i in range(size))
        reader, writer = await opened()
        writer.s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        got = bytearray()

        async def read():
            while len(got) < 2 * size:
                got.extend(await reader.read(1000))
                await asyncio.sleep_ms(3)

        task = asyncio.create_task(read())
        writer.write(data)
        for _ in range(10):
            try:
                await asyncio.wait_for_ms(writer.drain(), 7)
            except asyncio.TimeoutError:
                pass
        writer.write(data[: size // 2])
        other = asyncio.create_task(writer.drain())
        await asyncio.sleep_ms(20)
        writer.write(data[size // 2 :])  # while it drains
        await other
        await task
        assert got == data + data
        writer.close()

    asyncio.run(main())


def test_24_cancelled():
    """While they connect, wait for their first byte, and for room to write."""

    async def reads(n):
        reader, writer = await asyncio.open_connection("mute.test", MUTE)
        try:
            await reader.read(1)
        finally:
            writer.close()

    async def main():
        await reads_all(3000)
        for _ in range(3):  # a table that has grown stays as it is; what leaks goes on
            before, used = await at_rest()
            for ms in (0, 1, 2, 3, 4, 6, 9, 3000) if bench.UNIX else (0, 3, 3000):
                await reads_all(ms)
                now, heap = await at_rest()
                assert now == before, (ms, now, before)
            if heap - used < 2000:
                return
        raise AssertionError("%d bytes of heap" % (heap - used))

    async def reads_all(ms):
        tasks = [asyncio.create_task(reads(i)) for i in range(24)]
        await asyncio.sleep_ms(ms)
        for task in tasks:
            task.cancel()
        for task in tasks:
            try:
                await task
            except asyncio.CancelledError:
                continue
            raise AssertionError("it was not cancelled")

    asyncio.run(main())


def test_1000_opened_and_dropped():
    """By us, reset or closed without a word said; and by clients of a server of ours."""

    async def handler(reader, writer):
        try:
            await reader.read(1)
        except OSError:
            pass  # reset
        writer.close()

    async def drop(i):
        if i & 1:
            conn = far.connect(PORT)
            await asyncio.sleep_ms(4)
            with bench.inside(far.st):
                if i & 2:
                    conn.abort()
                conn.close()
        else:
            reader, writer = await asyncio.open_connection(FAR, ECHO)
            if i & 2:
                linger = struct.pack("<ii", 1, 0)
                writer.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.close()

    async def many(n):
        async with await asyncio.start_server(handler, "0.0.0.0", PORT, 16):
            for i in range(0, n, 10):
                await asyncio.gather(*[drop(i + k) for k in range(10)])
                await asyncio.sleep_ms(20)

    async def main():
        n = 1000 if bench.UNIX else 100
        await many(n)  # tables grow as they are needed, and stay so
        before, used = await at_rest()
        await many(n)
        now, heap = await at_rest()
        assert now == before, (now, before)
        assert heap - used < 2000, "%d bytes of heap" % (heap - used)

    asyncio.run(main())


def test_server_at_either_family():
    async def hello(reader, writer):
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    async def main():
        for host in ("127.0.0.1", "::1"):
            async with await asyncio.start_server(hello, host, PORT):
                reader, writer = await asyncio.open_connection(host, PORT)
                assert await reader.read() == b"hello"
                assert reader.get_extra_info("peername")[:2] == (host, PORT)
                writer.close()

    asyncio.run(main())


def test_port_in_use():
    """start_server() that fails leaves no socket."""

    async def main():
        before = tables()
        async with await asyncio.start_server(None, "0.0.0.0", PORT):
            try:
                await asyncio.start_server(None, "0.0.0.0", PORT)
            except OSError as error:
                assert error.errno == 98, error
            else:
                raise AssertionError("EADDRINUSE was expected")
        assert tables() == before

    asyncio.run(main())


bench.run_tests(globals())
