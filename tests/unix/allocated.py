# How much a piece of work allocates.

import gc
import hosts
import micropython
import outside
import sys


def allocated(run):
    """Bytes that run() has allocated; MemoryError if it is caught at it. Runs it three times at
    least."""
    outside.down()
    state = sys.modules.get("netstack.api.state")
    if state and state.st:
        hosts.make_frames(state.st)
    run()  # what is made once may be made now
    gc.collect()
    micropython.heap_lock()
    try:
        run()
    finally:
        micropython.heap_unlock()
    for _ in range(5):  # until the machine does not halt for so long that TCP sends again
        again = _again(state)
        gc.collect()
        gc.disable()
        try:
            before = gc.mem_alloc()
            run()
            n = gc.mem_alloc() - before
        finally:
            gc.enable()
        if again == _again(state):
            break
    return n


def _again(state):
    """How often the shared stack's TCP has sent something once more."""
    if not (state and state.st and state.st.tcp):
        return 0
    count = state.st.stats()["tcp"]
    return count["rexmt"] + count["probes"] + count["timeouts"]
