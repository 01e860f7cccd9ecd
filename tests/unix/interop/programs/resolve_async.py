# Asks for names, all at once: resolve_async.py <DNS server> <name>...

import asyncio
import lan
import netstack
import network
import sys
import time

lan.up()
network.ipconfig(dns=sys.argv[1])
print("ready")


async def find(name):
    start = time.ticks_ms()
    try:
        print(name, (await netstack.getaddrinfo(name, 80))[0][-1][0])
    except OSError as e:
        print(name, "failed:", e)
    return time.ticks_diff(time.ticks_ms(), start)


async def main():
    start = time.ticks_ms()
    await asyncio.gather(*[find(name) for name in sys.argv[2:]])
    print("after", time.ticks_diff(time.ticks_ms(), start), "ms")


asyncio.run(main())
