# asyncio.wait_for() as upstream has it (extmod/asyncio/funcs.py, MIT license, (c) 2019-2022 Damien
# P. George) but for one thing: what has come to its end in time is not lost when the time is up
# before the waiting task hears of it. It may be a connection, which nobody could close then.

from . import core


async def _run(waiter, aw):
    try:
        result = await aw
        status = True
    except BaseException as er:
        result = None
        status = er
    if waiter.data is None:
        # The waiter is still waiting, cancel it.
        if waiter.cancel():
            # Have its CancelledError bear what has come. If it is cancelled by somebody else
            # before it runs, that takes its place.
            waiter.data = core.CancelledError(status, result)


async def wait_for(aw, timeout, sleep=core.sleep):
    aw = core._promote_to_task(aw)
    if timeout is None:
        return await aw
    runner_task = core.create_task(_run(core.cur_task, aw))
    try:
        await sleep(timeout)
    except core.CancelledError as er:
        status = er.value
        if status is None:  # by somebody else
            runner_task.cancel()
            raise er
        if status is True:
            return er.args[1]
        raise status
    end = aw.data if aw.done() else None
    runner_task.cancel()
    await runner_task
    if isinstance(end, StopIteration):
        return end.value
    raise end or core.TimeoutError


def wait_for_ms(aw, timeout):
    return wait_for(aw, timeout, core.sleep_ms)
