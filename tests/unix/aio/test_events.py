# lib: services/dhcpd_leases.py, services/dhcpd.py
# What happens to the link and to leases is there to be waited for; a link that is unplugged in the
# middle of a transfer holds it up, or ends it, as the program wants.

import virtual
from virtual import ECHO, FAR, OURS, left, world

import asyncio
import bench
import netstack
import socket
import struct
from packets import IPV6, eth, icmp6, ip, ip6, ipv6

bench.optional("services.dhcpd_leases")
dhcpd = bench.optional("services.dhcpd")

ETIMEDOUT = 110
us, far, wire = virtual.start({"echo": FAR})
lan = us.lan


def tables():
    found = left(us.st)
    found["tasks"] = len(asyncio.core._io_queue.map)
    found["far"] = len(list(far.st.tcp.connections()))
    return found


async def took(awaitable):
    """(what it gave, after how many milliseconds)"""
    start = world.ms
    return await awaitable, world.ms - start


async def after(ms, function, *args):
    await asyncio.sleep_ms(ms)
    function(*args)


# -- the link -----------------------------------------------------------------------------------


def test_link():
    async def main():
        asyncio.create_task(after(3000, wire.plug, False))
        asyncio.create_task(after(9000, wire.plug, True))
        value, ms = await took(netstack.until(lambda: not lan.isconnected()))
        assert value is True and 3000 <= ms <= 3600, (value, ms)  # asked each half second
        value, ms = await took(netstack.until(lan.isconnected))
        assert value is True and 5000 <= ms <= 6600, (value, ms)

    asyncio.run(main())


def test_condition_that_fails():
    """Its exception comes out of until(), and stops nobody else."""

    async def main():
        start = world.ms

        def condition():
            if world.ms - start > 1000:
                raise ValueError("on purpose")

        try:
            await netstack.until(condition)
        except ValueError:
            pass
        else:
            raise AssertionError("ValueError was expected")
        assert world.ms - start > 1000

    asyncio.run(main())


async def transfer(size, timeout=0):
    """Send and get back `size` bytes."""
    reader, writer = await asyncio.open_connection("echo.test", ECHO)
    try:
        if timeout:
            writer.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout)

        async def send():
            for i in range(size // 1000):
                writer.write(bytes((i & 255,)) * 1000)
                await writer.drain()

        task = asyncio.create_task(send())
        try:
            for i in range(size // 1000):
                assert await reader.readexactly(1000) == bytes((i & 255,)) * 1000
            await task
        finally:
            task.cancel()
    finally:
        writer.close()


def test_unplugged_for_a_while():
    """The transfer goes on when the link is back."""

    async def main():
        await asyncio.sleep(70)
        before = tables()
        asyncio.create_task(after(30, wire.plug, False))
        asyncio.create_task(after(8000, wire.plug, True))
        _, ms = await took(transfer(bench.scale(400) * 1000))
        assert 8000 < ms < 60000, ms
        await asyncio.sleep(120)
        with bench.inside(us.st) as st:
            st.dns.flush()
        assert tables() == before, (tables(), before)

    asyncio.run(main())


def test_unplugged_for_good():
    """The task is told when TCP gives up, which RFC 5482 leaves to the program."""

    async def main():
        await asyncio.sleep(70)
        before = tables()
        asyncio.create_task(after(30, wire.plug, False))
        try:
            await transfer(bench.scale(400) * 1000, 20000)
        except OSError as error:
            assert error.errno == ETIMEDOUT, error
        else:
            raise AssertionError("ETIMEDOUT was expected")
        assert not lan.isconnected()
        wire.plug(True)
        await netstack.until(lan.isconnected)
        await asyncio.sleep(200)
        with bench.inside(us.st) as st:
            st.dns.flush()
        now = tables()
        now["far"] = before["far"]  # the other end has not been told, and asks after a while
        assert now == before, (now, before)

    asyncio.run(main())


# -- leases -------------------------------------------------------------------------------------


def has_lease():
    return lan.ipconfig("has_dhcp4")


def test_lease():
    """It comes, is lost when its server stays away, and comes again."""
    server = dhcpd.attach(far.host.nif)

    async def main():
        with bench.inside(far.st):
            server.start(ip("10.0.0.50"), ip("10.0.0.60"), 120)
        lan.ipconfig(dhcp4=True)
        await asyncio.wait_for(netstack.until(has_lease), 30)
        assert lan.ipconfig("addr4")[0] == "10.0.0.50"
        with bench.inside(far.st):
            server.stop()
        _, ms = await took(netstack.until(lambda: not has_lease()))
        assert 110000 <= ms <= 121000, ms
        with bench.inside(far.st):
            server.start(ip("10.0.0.50"), ip("10.0.0.60"), 3600)
        await asyncio.wait_for(netstack.until(has_lease), 120)
        await transfer(2000)
        await asyncio.sleep(5)  # until it is closed
        with bench.inside(far.st):
            server.stop()
        lan.ipconfig(addr4=OURS + "/24", gw4=FAR)

    asyncio.run(main())


def test_failure():
    """No server at all: status() says so, and until() sees it."""

    async def main():
        lan.ipconfig(dhcp4=True)
        text = await asyncio.wait_for(netstack.until(lambda: lan.status("error")), 120)
        assert "no DHCP lease" in text, text
        lan.ipconfig(addr4=OURS + "/24", gw4=FAR)

    asyncio.run(main())


def advertise():
    """A router on the link tells of a prefix (RFC 4861 4.2, 4.6.2)."""
    src, everybody = ip6("fe80::99"), ip6("ff02::1")
    prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 7200, 3600, 0) + ip6("2001:db8:5::")
    rest = struct.pack("!BBH", 64, 0, 1800)
    message = icmp6(src, everybody, 134, 0, rest, bytes(8) + prefix)
    packet = ipv6(src, everybody, 58, message, hops=255)
    us.nic.rx.append(eth(b"\x33\x33\0\0\0\1", b"\2\0\0\0\0\x99", IPV6, packet))


def test_address_of_a_router():
    """SLAAC: the address is there when nobody else has been found to have it."""

    async def main():
        asyncio.create_task(after(5000, advertise))
        has = lambda: lan.ipconfig("has_autoconf6")  # noqa: E731
        value, ms = await took(asyncio.wait_for(netstack.until(has), 60))
        assert 5000 <= ms < 10000, ms
        assert any(row[0].startswith("2001:db8:5:") for row in lan.ipconfig("addr6"))

    asyncio.run(main())


bench.run_tests(globals())
