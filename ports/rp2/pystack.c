// Where the frames of Python functions lie: at the lower end of the C stack, whose own frames grow
// towards them. Upstream's port takes each from the heap, which costs more than what a short function
// does. What one of the two does not need is the other's: a program that calls itself for ever fills
// both, one that polls a stack, or has a certificate checked, wants C's alone.
//
// An interrupt has the network polled on top of whatever the program is in. So the program gets an
// error before all is used up, and what the scheduler calls can use the rest. The linker puts
// the functions here in front of upstream's (--wrap, board.cmake).

#include "pico.h"
#include "py/cstack.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/pystack.h"
#include "py/runtime.h"
#include "hardware/sync.h"
#include "pendsv.h"
#include "pico/multicore.h"

#define MARGIN 640 // bytes left to C and to interrupts, which do not ask
#define RESERVE 1536 // for what is called by the scheduler
#define THREAD_SIZE 4096 // frames of a thread on the second core
#define THREAD_C_SIZE 12288 // of its C stack

extern char __StackBottom, __StackTop;

MP_REGISTER_ROOT_POINTER(void *netstack_thread_pystack);

void __real_mp_pystack_init(void *start, void *end);

void rom_init(void); // of rom.c
void rom_collect(void);

void __real_mp_init(void);
void __wrap_mp_init(void) {
    rom_init();
    __real_mp_pystack_init(&__StackBottom, &__StackTop);
    __real_mp_init();
}

// How many bytes are left between the two.
static inline int room(const mp_state_thread_t *thread) {
    register char *here __asm__ ("sp");
    return here - (char *)thread->pystack_cur - MARGIN
           - (MP_STATE_VM(sched_state) < 0 ? 0 : RESERVE);
}

static inline bool is_first(const mp_state_thread_t *thread) {
    return thread->pystack_start == (uint8_t *)&__StackBottom;
}

void *__wrap_mp_pystack_alloc(size_t n) {
    n = (n + MICROPY_PYSTACK_ALIGN - 1) & ~(MICROPY_PYSTACK_ALIGN - 1);
    mp_state_thread_t *thread = mp_thread_get_state();
    uint8_t *found = thread->pystack_cur;
    if ((int)n > (is_first(thread) ? room(thread) : thread->pystack_end - found)) {
        mp_raise_recursion_depth();
    }
    thread->pystack_cur = found + n;
    return found;
}

void __real_mp_cstack_check(void);
void __wrap_mp_cstack_check(void) {
    const mp_state_thread_t *thread = mp_thread_get_state();
    if (!is_first(thread)) {
        __real_mp_cstack_check();
    } else if (room(thread) < 0) {
        mp_raise_recursion_depth();
    }
}

// py/modthread.c has 512 bytes for a thread, which two or three calls fill.
void __wrap_mp_pystack_init(void *start, void *end) {
    char *own = m_malloc_maybe(THREAD_SIZE);
    MP_STATE_VM(netstack_thread_pystack) = own;
    if (own != NULL) {
        start = own;
        end = own + THREAD_SIZE;
    }
    __real_mp_pystack_init(start, end);
}

// Upstream's 4096 bytes of C stack are too little to poll the stack on the second core. What the
// program asks for, _thread.stack_size(), is left as it is.
mp_uint_t __real_mp_thread_create(void *(*entry)(void *), void *arg, size_t *stack_size);
mp_uint_t __wrap_mp_thread_create(void *(*entry)(void *), void *arg, size_t *stack_size) {
    if (*stack_size == 0) {
        *stack_size = THREAD_C_SIZE;
    }
    return __real_mp_thread_create(entry, arg, stack_size);
}

// A soft reset stops the second core wherever it is. It must hold none of these then, which nobody
// would give back: nor a spinlock, which it takes again and again while it waits for one of them.
void __real_mp_thread_deinit(void);
void __wrap_mp_thread_deinit(void) {
    mp_thread_recursive_mutex_lock(&MP_STATE_MEM(gc_mutex), 1);
    pendsv_suspend();
    uint32_t state = MICROPY_BEGIN_ATOMIC_SECTION();
    multicore_reset_core1();
    spin_locks_reset();
    MICROPY_END_ATOMIC_SECTION(state);
    pendsv_resume();
    __real_mp_thread_deinit();
    mp_thread_recursive_mutex_unlock(&MP_STATE_MEM(gc_mutex));
}

void __real_mp_thread_gc_others(void);
void __wrap_mp_thread_gc_others(void) {
    __real_mp_thread_gc_others();
    rom_collect();
}
