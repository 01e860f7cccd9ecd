# https.py, beside it, in a board of 200 kB of heap: the rest is taken. The stack is told so, too.

import board
import gc

board.BUDGET = 32 * 1024
ballast = bytearray(gc.mem_alloc() + gc.mem_free() - 200 * 1024)

import https  # noqa: E402, F401
