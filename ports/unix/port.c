// What MicroPython's unix port does otherwise than we need: its default heap, and where the frames of
// Python functions lie. How it waits: wait.c.

#include <pthread.h>
#include <stdlib.h>

#include "py/mpthread.h"
#include "py/runtime.h"

extern long heap_size; // of upstream's main.c, 2 MB; `-X heapsize=` still has the last word

__attribute__((constructor)) static void netstack_default_heap(void) {
    heap_size = 8L * 1024 * 1024;
}

// A stack for the frames of Python functions, for each thread as large as its C stack could ever ask
// for: recursion ends there, as it did before. Pages that nobody has touched take no memory.
#define PYSTACK_SIZE (512 * 1024)
static pthread_key_t pystack;

__attribute__((constructor)) static void netstack_pystack_key(void) {
    pthread_key_create(&pystack, free);
}

void __real_mp_pystack_init(void *start, void *end);
void __wrap_mp_pystack_init(void *start, void *end) {
    char *own = malloc(PYSTACK_SIZE);
    if (own != NULL && pthread_setspecific(pystack, own) == 0) {
        start = own;
        end = own + PYSTACK_SIZE;
    } else {
        free(own);
    }
    __real_mp_pystack_init(start, end);
}

// Each access to the state of a thread, several in every call of a Python function, looks for it by
// pthread_getspecific(). The linker can do that once.
static __thread mp_state_thread_t *thread_state;

mp_state_thread_t *__real_mp_thread_get_state(void);
mp_state_thread_t *__wrap_mp_thread_get_state(void) {
    if (thread_state == NULL) {
        thread_state = __real_mp_thread_get_state();
    }
    return thread_state;
}

void __real_mp_thread_set_state(mp_state_thread_t *state);
void __wrap_mp_thread_set_state(mp_state_thread_t *state) {
    thread_state = state;
    __real_mp_thread_set_state(state);
}
