# targets: unix (an hour's work of 5,000 connections takes boards too long)
# An hour of a busy program in virtual time: servers, clients, names, datagrams, cancellations, a
# bad wire that is pulled out at times. After each ten minutes everybody stops: then the tables are
# empty, and the heap is as large as it was after the first ten. NETSTACK_FULL=1: a day.

import virtual
from virtual import CLOSED, ECHO, FAR, GONE, MUTE, left, world

import asyncio
import bench
import gc
import netstack
import os
import socket

PORT = 8500
WORKERS = 8
MINUTES = 10
FULL = bool(os.getenv("NETSTACK_FULL"))
ROUNDS = 86 if FULL else 4  # of 10 minutes, and 400 s of rest
SLACK = 16384  # what the collector takes for references may hold a few buffers

NAMES = {"echo": FAR, "mute": FAR, "slow": None, "gone": GONE}
us, far, wire = virtual.start(NAMES, loss=2, duplicate=1, reorder=2, delay=4, jitter=3)
rnd = bench.Random(7)
did = {}


def count(what):
    did[what] = did.get(what, 0) + 1


def text(n):
    return bytes(48 + i % 10 for i in range(n))


# -- what workers do ----------------------------------------------------------------------------


async def echo(name="echo.test"):
    data = text(1 + rnd.below(3000))
    reader, writer = await asyncio.open_connection(name, ECHO)
    try:
        for _ in range(1 + rnd.below(4)):
            writer.write(data)
            await writer.drain()
            assert await reader.readexactly(len(data)) == data
            await asyncio.sleep_ms(rnd.below(500))
    finally:
        writer.close()
        await writer.wait_closed()


async def echo_by_loopback():
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    try:
        for i in range(10):
            writer.write(b"%d\n" % i)
            await writer.drain()
            assert await reader.readline() == b"%d\n" % i
    finally:
        writer.close()


async def mute():
    reader, writer = await asyncio.open_connection("mute.test", MUTE)
    try:
        writer.write(b"anybody?")
        await writer.drain()
        await reader.read(1)
    finally:
        writer.close()


async def closed():
    await asyncio.open_connection(FAR, CLOSED)


async def gone():
    await asyncio.open_connection("gone.test", ECHO)


async def slow_name():
    await netstack.getaddrinfo("slow.test", 80)


async def unknown():
    await asyncio.open_connection("host%d.test" % rnd.below(1000), 80)


async def datagrams():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.setblocking(False)
        to = (await netstack.getaddrinfo("echo.test", ECHO, 0, socket.SOCK_DGRAM))[0][-1]
        for i in range(5):
            data = b"%d" % i
            s.sendto(data, to)
            try:
                await asyncio.wait_for(netstack.readable(s), 2)
            except asyncio.TimeoutError:
                continue  # lost
            s.recv(100)
    finally:
        s.close()


async def link_state():
    await netstack.until(lambda: not us.lan.isconnected())
    await netstack.until(us.lan.isconnected)


async def several():
    await asyncio.gather(echo(), datagrams(), slow_name(), return_exceptions=True)


WHAT = (
    echo,
    echo,
    echo,
    echo_by_loopback,
    mute,
    closed,
    gone,
    slow_name,
    unknown,
    datagrams,
    link_state,
    several,
)


async def worker():
    while True:
        what = rnd.choice(WHAT)
        try:
            # Most have time enough; many are cancelled somewhere in between.
            ms = 30000 if rnd.below(3) else rnd.below(300)
            await asyncio.wait_for_ms(what(), ms)
            count("done")
        except asyncio.TimeoutError:
            count("cancelled")
        except EOFError:
            count("ended")  # by the server's end
        except OSError as error:
            count("error %d" % error.errno)
        await asyncio.sleep_ms(rnd.below(8000))


# -- a server of ours and its clients -----------------------------------------------------------


async def handler(reader, writer):
    # A client whose reset is lost is never heard of again: ask after a minute of silence.
    s = writer.get_extra_info("socket")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, 60),
        (socket.TCP_KEEPINTVL, 10),
        (socket.TCP_KEEPCNT, 5),
    ):
        s.setsockopt(socket.IPPROTO_TCP, option, value)
    try:
        while data := await reader.read(100):
            writer.write(data)
            await writer.drain()
    except OSError:
        count("handler lost")
    finally:
        writer.close()


async def server():
    """Closed after some minutes, while connections are there, and begun anew."""
    while True:
        async with await asyncio.start_server(handler, "0.0.0.0", PORT):
            await asyncio.sleep(60 + rnd.below(240))
        count("servers")


async def visitors():
    """From the far host: they talk, close, reset, or go away without a word."""
    st = far.st
    while True:
        try:
            conn = far.connect(PORT)
        except OSError:  # it has no memory for more, while many wait for a wire
            count("no visitor")
            await asyncio.sleep_ms(1000)
            continue
        try:
            await asyncio.sleep_ms(rnd.below(200))
            with bench.inside(st):
                if conn.state == 4:
                    conn.send(text(50), 0, 50)
            await asyncio.sleep_ms(rnd.below(2000))
        finally:
            with bench.inside(st):
                if rnd.below(3) == 0:
                    conn.abort()
                conn.close()
        count("visitors")
        await asyncio.sleep_ms(rnd.below(2000))


async def plug():
    """The wire is pulled out for some seconds, every three minutes or so."""
    try:
        while True:
            await asyncio.sleep(100 + rnd.below(160))
            wire.plug(False)
            await asyncio.sleep(1 + rnd.below(20))
            wire.plug(True)
            count("pulled")
    finally:
        wire.plug(True)


# -- the hour -----------------------------------------------------------------------------------


async def minutes(n):
    tasks = [worker() for _ in range(WORKERS)] + [server(), visitors(), plug()]
    tasks = [asyncio.create_task(task) for task in tasks]
    await asyncio.sleep(60 * n)
    for task in tasks:
        task.cancel()
    for task in tasks:
        try:
            await task
        except asyncio.CancelledError:
            pass


def tables():
    found = left(us.st)
    found["tasks"] = len(asyncio.core._io_queue.map)
    found["far"] = len(list(far.st.tcp.connections()))
    return found


async def at_rest():
    """Nobody does anything: what is left, and the heap in use."""
    await asyncio.sleep(400)  # whoever has gone without a word is given up
    with bench.inside(us.st) as st:
        st.dns.flush()
    for _ in range(3):
        gc.collect()
    return tables(), gc.mem_alloc()


_EMPTY = ("frames", "jobs", "connections", "bound", "syns", "tasks", "far", "queries")


def test_hour():
    async def main():
        first = None
        for i in range(ROUNDS):
            await minutes(MINUTES)
            found, used = await at_rest()
            print("  minute %d: %d bytes, %r" % (world.ms // 60000, used, did))
            first = first or (found, used)
            assert found == first[0], (found, first[0])
            assert not any(found[name] for name in _EMPTY), found
            assert used - first[1] < SLACK, "%d bytes of heap, %d at first" % (used, first[1])

    asyncio.run(main())
    assert did["done"] > 150 * ROUNDS and did["cancelled"] > 30 * ROUNDS, did


bench.run_tests(globals())
