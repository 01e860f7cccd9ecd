# Cancelled at every single await, a program leaves nothing behind: no connection, no timer, no
# memory of the stack, no object of asyncio, no heap; likewise when wait_for() gives up.

import virtual
from virtual import CLOSED, ECHO, FAR, GONE, MUTE, left, world

import asyncio
import bench
import gc
import netstack
import socket
import struct

PORT = 8400
_SMALL = not bench.UNIX  # boards have less time

us, far, wire = virtual.start({"echo": FAR, "mute": FAR, "slow": None})
for st in (us.st, far.st):
    st.tcp.msl_ms = 2000  # TIME-WAIT lasts 4 s
_REST = 13  # seconds: for that, and for what ARP holds for a neighbour that is not there


# -- what is cancelled: each closes what it has opened ------------------------------------------


async def talk(name="echo.test"):
    reader, writer = await asyncio.open_connection(name, ECHO)
    try:
        writer.write(b"one\ntwo")
        await writer.drain()
        assert await reader.readline() == b"one\n"
        assert await reader.readexactly(2) == b"tw"
        buf = bytearray(1)
        assert await reader.readinto(buf) == 1
        writer.s.shutdown(1)
        assert await reader.read() == b""
    finally:
        writer.close()
        await writer.wait_closed()


async def talk_to_address():
    await talk(FAR)


async def read_for_ever():
    reader, writer = await asyncio.open_connection("mute.test", MUTE)
    try:
        await reader.read(1)
    finally:
        writer.close()


async def drain_for_ever():
    reader, writer = await netstack.open_connection(FAR, MUTE)
    # Else what has been written is sent on and on, as it should be.
    writer.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("<ii", 1, 0))
    try:
        for _ in range(50):
            writer.write(bytes(4000))
            await writer.drain()
    finally:
        writer.close()


async def fail(name, port, errno):
    try:
        await asyncio.open_connection(name, port)
    except OSError as error:
        assert error.errno == errno, error
    else:
        raise AssertionError("OSError %d was expected" % errno)


async def to_nobody():
    await fail(GONE, ECHO, 113)


async def to_closed_port():
    await fail("echo.test", CLOSED, 111)


async def unknown_name():
    await fail("nix.test", ECHO, -2)


async def silent_name():
    try:
        await netstack.getaddrinfo("slow.test", 80)
    except OSError:
        pass


async def socket_by_hand():
    s = await netstack.create_connection((FAR, ECHO))
    try:
        await netstack.writable(s)
        s.send(b"x")
        await netstack.readable(s)
        assert s.recv(10) == b"x"
    finally:
        s.close()


async def datagrams():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.setblocking(False)
        info = await netstack.getaddrinfo("echo.test", ECHO, 0, socket.SOCK_DGRAM)
        for _ in range(3):
            await netstack.writable(s)
            s.sendto(b"ping", info[0][-1])
            await netstack.readable(s)
            assert s.recvfrom(10)[0] == b"ping"
    finally:
        s.close()


async def condition():
    start = world.ms
    assert await netstack.until(lambda: world.ms - start >= 2000)


async def serve():
    """A server that is closed while one handler reads and another has ended in an exception."""

    async def handler(reader, writer):
        try:
            if await reader.read(1) == b"!":
                raise ValueError("on purpose")
            await reader.read(1)
        finally:
            writer.close()

    async def misbehave(reader, writer):
        writer.write(b"!")
        await reader.read(1)

    def quiet(loop, context):
        assert isinstance(context["exception"], ValueError), context

    asyncio.get_event_loop().set_exception_handler(quiet)
    conns = []
    try:
        async with await asyncio.start_server(handler, "0.0.0.0", PORT):
            conns.append(far.connect(PORT))
            conns.append(far.connect(PORT))
            await asyncio.sleep_ms(20)
            for conn, data in zip(conns, b"!."):
                with bench.inside(far.st):
                    conn.send(bytes((data,)), 0, 1)
            await asyncio.sleep_ms(20)
        await asyncio.sleep_ms(20)
    finally:
        with bench.inside(far.st):
            for conn in conns:
                conn.close()


async def many():
    await asyncio.gather(talk(), datagrams(), silent_name(), condition())


async def all_by_wait_for():
    """wait_for() on every call."""
    reader, writer = await asyncio.wait_for(asyncio.open_connection("echo.test", ECHO), 5)
    try:
        writer.write(b"one\ntwo")
        await asyncio.wait_for(writer.drain(), 5)
        assert await asyncio.wait_for(reader.readline(), 5) == b"one\n"
        try:
            await asyncio.wait_for_ms(reader.readexactly(4), 50)
        except asyncio.TimeoutError:
            pass
        assert await asyncio.wait_for(reader.read(10), 5) == b"two"
    finally:
        writer.close()


# -- cancelling ---------------------------------------------------------------------------------


def counted(coro, k, event):
    """`coro` as a task's coroutine that sets `event` when it waits for the k-th time."""
    n = 0
    error = None
    while True:
        try:
            if error:
                error, e = None, error
                coro.throw(e)
            else:
                coro.send(None)
        except StopIteration as end:
            return end.value
        n += 1
        if n == k:
            event.set()
        try:
            yield
        except BaseException as e:
            error = e


async def cancelled_at(program, k):
    """Run a program and cancel it when it waits for the k-th time. False: it did not come to."""
    event = asyncio.Event()
    task = asyncio.create_task(counted(program(), k, event))

    async def kill():
        await event.wait()
        task.cancel()

    killer = asyncio.create_task(kill())
    try:
        await task
    except asyncio.CancelledError:
        return True
    finally:
        killer.cancel()
    return False


def tables():
    found = left(us.st)
    found["tasks"] = len(asyncio.core._io_queue.map)
    found["far"] = len(list(far.st.tcp.connections()))
    return found


def heap():
    for _ in range(2):
        gc.collect()
    return gc.mem_alloc()


async def calm(seconds):
    await asyncio.sleep(seconds)
    with bench.inside(us.st) as st:
        st.dns.flush()


class Armed:
    """Cancels a task at the moment when what it waits for has come, before it knows."""

    def __init__(self, task):
        self.task = task
        self.set = False
        self.queue = queue = asyncio.core._io_queue
        self.wait = queue.wait_io_event
        queue.wait_io_event = self.wait_io_event

    def waits(self):
        return any(self.task in row[:2] for row in self.queue.map.values())

    def wait_io_event(self, dt):
        waited = self.set and self.waits()
        self.wait(dt)
        if waited and not self.waits():
            self.set = False
            asyncio.core.cur_task = None  # still the one that ran last, which may be this
            self.task.cancel()

    def end(self):
        self.queue.wait_io_event = self.wait


async def cancelled_late_at(program, k):
    """Cancel it when the k-th time that it waits has just come to its end."""
    armed = None

    class Event:
        def set(self):
            armed.set = True

    task = asyncio.create_task(counted(program(), k, Event()))
    armed = Armed(task)
    try:
        await task
    except asyncio.CancelledError:
        return True
    finally:
        armed.end()
    return True


async def soon_cancelled_at(program, k, cancelled=cancelled_at):
    """The same with a program that may never come to it."""
    try:
        return await asyncio.wait_for(cancelled(program, k), 100)
    except asyncio.TimeoutError:
        return True


async def series(program, most, before, cancelled=cancelled_at):
    """Cancel it at one await after the other. Returns how many there were."""
    for k in range(1, most + 1):
        there = await soon_cancelled_at(program, k, cancelled)
        await calm(4)
        now = tables()
        now["timewait"] = now["syns"] = now["frames"] = 0  # they are to be gone in the end
        assert now == before, "await %d: %r, %r before" % (k, now, before)
        if not there:
            break
    return k


async def leaves_nothing(run, rounds=2):
    """The tables are as before after each run(before), and the heap as it was after the one
    before: what is made once is made in the first, or by chance in one of the next."""
    await run(None)
    await calm(_REST)
    before = tables()
    heaps = []
    # The collector takes what lies on the stack for references: some objects live by chance. What
    # leaks does so each time.
    while len(heaps) <= rounds or heaps[-1] - heaps[-2] >= 1000:
        assert len(heaps) < rounds + 4, "the heap grows with every round: %r" % heaps
        n = await run(before)
        await calm(_REST)
        assert tables() == before, "%r, %r before" % (tables(), before)
        heaps.append(heap())
    return n


async def at_every_await(program, most):
    async def run(before):
        if before is None:
            return await soon_cancelled_at(program, most)
        return await series(program, most, before)

    return await leaves_nothing(run, 1 if _SMALL else 2)


def check(program, least):
    """`least`: so often it waits at least."""
    n = asyncio.run(at_every_await(program, 3 if _SMALL else 100))
    assert n >= least or _SMALL, n


def test_talk():
    check(talk, 7)


def test_address():
    check(talk_to_address, 6)


def test_read():
    asyncio.run(at_every_await(read_for_ever, 4))


def test_drain():
    asyncio.run(at_every_await(drain_for_ever, 3 if _SMALL else 8))


def test_nobody():
    check(to_nobody, 1)


def test_closed_port():
    check(to_closed_port, 2)


def test_unknown_name():
    check(unknown_name, 1)


def test_silent_name():
    check(silent_name, 1)


def test_socket_by_hand():
    check(socket_by_hand, 3)


def test_datagrams():
    check(datagrams, 7)


def test_condition():
    check(condition, 1)


def test_server():
    check(serve, 4)


def test_many():
    check(many, 1)


def test_all_by_wait_for():
    check(all_by_wait_for, 5)


def test_cancelled_when_it_has_come():
    async def main():
        await calm(_REST)
        before = tables()
        for program in (talk, talk_to_address, socket_by_hand, datagrams, silent_name, serve):
            await series(program, 3 if _SMALL else 8, before, cancelled_late_at)
        await calm(_REST)
        assert tables() == before, "%r, %r before" % (tables(), before)

    asyncio.run(main())


def test_wait_for_gives_up_at_any_time():
    """A timeout of each number of milliseconds from 0 on."""

    async def run(before):
        for program in (talk, datagrams, serve, all_by_wait_for):
            for ms in range(0, 40, 20 if _SMALL else 1):
                try:
                    await asyncio.wait_for_ms(program(), ms)
                except asyncio.TimeoutError:
                    pass
                await calm(3)

    asyncio.run(leaves_nothing(run, 1))


bench.run_tests(globals())
