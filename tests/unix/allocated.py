# How much a piece of work allocates.

import gc
import hosts
import micropython
import outside
import sys


def allocated(run):
    """Bytes that run() has allocated; MemoryError if it is caught at it. Runs it three times."""
    outside.down()
    host = sys.modules.get("netstack.api.host")
    if host and host._st:
        hosts.make_frames(host._st)
    run()  # what is made once may be made now
    gc.collect()
    micropython.heap_lock()
    try:
        run()
    finally:
        micropython.heap_unlock()
    gc.collect()
    gc.disable()
    try:
        before = gc.mem_alloc()
        run()
        return gc.mem_alloc() - before
    finally:
        gc.enable()
