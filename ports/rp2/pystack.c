// Where the frames of Python functions lie: on stacks of their own. Upstream's port takes each from
// the heap, which costs more than what a short function does. The linker puts the functions here
// in front of upstream's (--wrap, board.cmake).

#include "pico.h"
#include "py/gc.h"
#include "py/pystack.h"
#include "py/runtime.h"

#define STACK_SIZE 8192 // bytes, of the first core
#define THREAD_SIZE 4096 // of a thread on the second
#define THREAD_C_SIZE 12288 // of its C stack

static mp_obj_t stack[STACK_SIZE / sizeof(mp_obj_t)];
MP_REGISTER_ROOT_POINTER(void *netstack_thread_pystack);

void __real_mp_pystack_init(void *start, void *end);

void rom_init(void); // of rom.c
void rom_collect(void);

void __real_mp_init(void);
void __wrap_mp_init(void) {
    rom_init();
    __real_mp_pystack_init(stack, stack + MP_ARRAY_SIZE(stack));
    __real_mp_init();
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

// A collector that runs on the second core has to find what the first one's frames hold.
void __real_mp_thread_gc_others(void);
void __wrap_mp_thread_gc_others(void) {
    __real_mp_thread_gc_others();
    rom_collect();
    if (get_core_num() == 1) {
        gc_collect_root((void **)stack, MP_ARRAY_SIZE(stack));
    }
}
