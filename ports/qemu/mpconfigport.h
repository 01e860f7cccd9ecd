// MicroPython configuration of netstack's QEMU port.
#include <stdint.h>
#include <alloca.h>
#include "mpconfigboard.h"
#include "../errnos.h"

#define MICROPY_CONFIG_ROM_LEVEL            (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)

// Code emitters.
#if defined(__thumb__)
#define MICROPY_EMIT_THUMB                  (1)
#define MICROPY_EMIT_INLINE_THUMB           (1)
#define MICROPY_MAKE_POINTER_CALLABLE(p)    ((void *)((mp_uint_t)(p) | 1))
#elif defined(__riscv)
#define MICROPY_EMIT_RV32                   (1)
#define MICROPY_EMIT_INLINE_RV32            (1)
#endif

// Speed, for 1 kB of flash and one of RAM: 7 % fewer instructions for a packet each. The cache finds
// names in dictionaries; only every second of its places is ever used.
#define MICROPY_OPT_COMPUTED_GOTO           (1)
#define MICROPY_OPT_MAP_LOOKUP_CACHE_SIZE   (1024)

// Memory.
#define MICROPY_ENABLE_GC                   (1)
#define MICROPY_MEM_STATS                   (0)
#define MICROPY_MALLOC_USES_ALLOCATED_SIZE  (1)
#define MICROPY_ENABLE_PYSTACK              (1)
#define MICROPY_STACK_CHECK_MARGIN          (1024)
#define MICROPY_ENABLE_EMERGENCY_EXCEPTION_BUF (1)
#define MICROPY_EMERGENCY_EXCEPTION_BUF_SIZE (256)

// The raw REPL's window: nothing is lost, and mpremote waits less often.
#define MICROPY_REPL_STDIN_BUFFER_MAX       (2048)

// Core.
#define MICROPY_LONGINT_IMPL                (MICROPY_LONGINT_IMPL_MPZ)
#define MICROPY_FLOAT_IMPL                  (MICROPY_FLOAT_IMPL_FLOAT)
#define MICROPY_PERSISTENT_CODE_LOAD        (1)
#define MICROPY_WARNINGS                    (1)
#define MICROPY_SCHEDULER_STATIC_NODES      (1)
#define MICROPY_SCHEDULER_DEPTH             (8)
#define MICROPY_TRACKED_ALLOC               (MICROPY_PY_SSL) // what mbedTLS takes of the heap
#define MICROPY_SCHED_HOOK_SCHEDULED        port_event() // what it changes is to be looked at
#define MICROPY_USE_INTERNAL_ERRNO          (1) // Linux's numbers, which netstack raises; not newlib's
#define MP_NEED_LOG2                        (1)

// Modules.
#define MICROPY_PY_SYS_PLATFORM             "qemu"
#define MICROPY_PY_TIME_GMTIME_LOCALTIME_MKTIME (1)
#define MICROPY_PY_TIME_TIME_TIME_NS        (1)
#define MICROPY_PY_TIME_INCLUDEFILE         "modtime_port.h"
#define MICROPY_EPOCH_IS_1970               (1)
#define MICROPY_PY_RANDOM_SEED_INIT_FUNC    (entropy_u32())
#define MICROPY_PY_OS_INCLUDEFILE           "modos_port.h"
#define MICROPY_PY_OS_URANDOM               (1)
#define MICROPY_PY_OS_SYNC                  (1)
#define MICROPY_PY_OS_UNAME                 (1)
#define MICROPY_PY_OS_DUPTERM               (1)
#define MICROPY_PY_OS_DUPTERM_NOTIFY        (1)
#define MICROPY_PY_HASHLIB_SHA1             (MICROPY_PY_SSL) // mbedTLS has them anyway
#define MICROPY_PY_HASHLIB_MD5              (MICROPY_PY_SSL)
#define MICROPY_PY_FRAMEBUF                 (0)
#define MICROPY_PY_MACHINE                  (1)
#define MICROPY_PY_MACHINE_INCLUDEFILE      "modmachine_port.h"
#define MICROPY_PY_MACHINE_RESET            (1)
#define MICROPY_PY_MACHINE_BARE_METAL_FUNCS (1)
#define MICROPY_PY_MACHINE_DISABLE_IRQ_ENABLE_IRQ (1)
#define MICROPY_PY_MACHINE_PULSE            (0)
#define MICROPY_PY_MACHINE_SIGNAL           (0)
#define MICROPY_PY_THREAD                   (0)

// File system.
#define MICROPY_VFS                         (1)
#define MICROPY_READER_VFS                  (1)

typedef int32_t mp_int_t;
typedef uint32_t mp_uint_t;
typedef long mp_off_t;
#define MP_SSIZE_MAX                        (0x7fffffff)
#define UINT_FMT "%lu"
#define INT_FMT "%ld"

#define MP_STATE_PORT MP_STATE_VM

uint32_t entropy_u32(void);
void port_event(void);
