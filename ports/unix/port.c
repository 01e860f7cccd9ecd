// What MicroPython's unix port does otherwise than we need: how it waits, its default heap, and
// where the frames of Python functions lie.

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#include "py/mphal.h"
#include "py/mpthread.h"
#include "py/runtime.h"

#include "port.h"

// File descriptors whose input ends a wait: tap.py enters its TAPs, by ffi.
#define WATCHED_MAX 16
static struct pollfd watched[WATCHED_MAX];
static nfds_t watched_count;

__attribute__((used)) int netstack_watch(int fd) {
    if (watched_count == WATCHED_MAX) {
        return -1;
    }
    watched[watched_count++] = (struct pollfd) { .fd = fd, .events = POLLIN };
    return 0;
}

__attribute__((used)) void netstack_unwatch(int fd) {
    for (nfds_t i = 0; i < watched_count; i++) {
        if (watched[i].fd == fd) {
            watched[i] = watched[--watched_count];
            return;
        }
    }
}

// What host.py wants called while a program waits, whatever for. It keeps the reference.
static mp_obj_t on_wait = MP_OBJ_NULL;

__attribute__((used)) void netstack_on_wait(mp_obj_t callback) {
    on_wait = callback;
}

// At a frame, and for the stack's timers every few milliseconds.
static void schedule(bool frame) {
    static int rounds;
    if (on_wait != MP_OBJ_NULL && (frame || ++rounds >= 5)) {
        rounds = 0;
        mp_sched_schedule(on_wait, mp_const_none); // a full queue will be empty the next time
    }
}

// Called between two rounds of select.poll() that found nothing ready. Upstream sleeps 500 us
// blindly; here a frame ends the sleep. One that nobody fetched since the last call does not,
// or a program that waits for something else would spin.
void netstack_wait(void) {
    static bool left_over;
    if (left_over && poll(watched, watched_count, 0) > 0) {
        usleep(500);
    } else {
        left_over = poll(watched, watched_count, 1) > 0;
    }
    schedule(left_over);
}

#define NAP_MS 5 // how long the stack's timers may be late while a program sleeps

// Run what host.py wants run, from within a wait of `ms` at most that also ends when `fd` (-1:
// none) can be read. Returns what poll(2) does for `fd`.
static int nap(int fd, int ms) {
    static bool left_over;
    struct pollfd fds[1 + WATCHED_MAX] = {{ .fd = fd, .events = POLLIN }};
    nfds_t n = 1;
    if (left_over) {
        usleep(500); // a frame that nobody wants: do not spin
    }
    for (; n <= watched_count; n++) {
        fds[n] = watched[n - 1];
    }
    int ready = poll(fds, n, left_over ? 0 : ms);
    if (ready < 0) {
        return ready;
    }
    MP_THREAD_GIL_ENTER();
    mp_sched_schedule(on_wait, mp_const_none);
    mp_handle_pending(true);
    MP_THREAD_GIL_EXIT();
    left_over = poll(fds + 1, n - 1, 0) > 0;
    return fds[0].revents != 0;
}

// The linker puts these two in front of the functions that they are named after (--wrap): the
// REPL's wait for a key, and the select(2) without descriptors that is time.sleep().

int __real_mp_hal_stdin_rx_chr(void);
int __wrap_mp_hal_stdin_rx_chr(void) {
    if (on_wait != MP_OBJ_NULL) {
        int ready;
        do {
            MP_THREAD_GIL_EXIT();
            ready = nap(STDIN_FILENO, NAP_MS);
            MP_THREAD_GIL_ENTER();
            if (ready < 0 && errno == EINTR) {
                mp_handle_pending(true);
                ready = 0;
            }
        } while (ready == 0);
    }
    return __real_mp_hal_stdin_rx_chr();
}

static long long microseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

int __real_select(int n, fd_set *in, fd_set *out, fd_set *err, struct timeval *time);
int __wrap_select(int n, fd_set *in, fd_set *out, fd_set *err, struct timeval *time) {
    if (n != 0 || time == NULL || on_wait == MP_OBJ_NULL) {
        return __real_select(n, in, out, err, time);
    }
    long long end = microseconds() + time->tv_sec * 1000000LL + time->tv_usec;
    for (;;) {
        long long left = end - microseconds();
        left = left < 0 ? 0 : left;
        time->tv_sec = left / 1000000; // as Linux does, for whom a signal interrupts
        time->tv_usec = left % 1000000;
        if (left < 1000) {
            return left == 0 ? 0 : __real_select(0, NULL, NULL, NULL, time);
        }
        if (nap(-1, left < NAP_MS * 1000 ? left / 1000 : NAP_MS) < 0) {
            return -1;
        }
    }
}

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
