# A thread that wakes a task of asyncio.

import _thread
import asyncio
import lan
import micropython
from time import sleep_ms

flag = asyncio.ThreadSafeFlag()


def later():
    sleep_ms(300)
    micropython.schedule(lambda _: flag.set(), None)


async def main():
    lan.up()
    _thread.start_new_thread(later, ())
    await flag.wait()
    print("woken")


asyncio.run(main())
