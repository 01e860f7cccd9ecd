// The netstack variant of MicroPython's unix port: upstream's "standard", waiting our way.

#include "port.h"
#include "../errnos.h"

#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)

// Found through the -I. of upstream's port directory, where make runs.
#include "variants/mpconfigvariant_common.h"

// With upstream's 1, select.poll() sleeps a millisecond in poll(2) before it first asks objects
// without a file descriptor, which our sockets are: an asyncio server could not take more than
// a thousand steps a second. With 0 it asks them first and waits, by wait.c, if none is ready.
// Streams with a descriptor (stdin, files) still work; bare descriptors do not.
#undef MICROPY_PY_SELECT_POSIX_OPTIMISATIONS
#define MICROPY_PY_SELECT_POSIX_OPTIMISATIONS (0)
#undef MICROPY_PY_SELECT_SELECT
#define MICROPY_PY_SELECT_SELECT (1)

#define MICROPY_EVENT_POLL_HOOK netstack_wait();
#define MICROPY_SCHED_HOOK_SCHEDULED netstack_wake()

// Frames of Python functions lie on a stack of their own. Without it a call of any but the smallest
// function takes a block of the heap and frees it again, after which each larger allocation
// searches the heap from there. port.c makes the stack.
#define MICROPY_ENABLE_PYSTACK (1)

// Where a name was last found in a dictionary is remembered by the name, of which there are more
// than upstream's 128 have room for.
#define MICROPY_OPT_MAP_LOOKUP_CACHE_SIZE (4096)

// One thread runs at a time, as in CPython, and others while it waits: upstream's run at the same
// time, with nothing between them, and the stack is not made for two at once. Upstream's
// mpthreadport.c has a recursive mutex either way. A signal handler may not raise Ctrl-C then: it
// comes with the next step.
#undef MICROPY_PY_THREAD_GIL
#define MICROPY_PY_THREAD_GIL (1)
#define MICROPY_PY_THREAD_RECURSIVE_MUTEX (1)
#undef MICROPY_ASYNC_KBD_INTR
#define MICROPY_ASYNC_KBD_INTR (0)
