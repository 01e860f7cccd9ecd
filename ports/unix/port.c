// What MicroPython's unix port does otherwise than we need: how it waits, and its default heap.

#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

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

extern long heap_size; // of upstream's main.c, 2 MB; `-X heapsize=` still has the last word

__attribute__((constructor)) static void netstack_default_heap(void) {
    heap_size = 8L * 1024 * 1024;
}
