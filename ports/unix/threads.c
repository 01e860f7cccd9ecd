// How a thread sleeps in a call that blocks, with others running, and how those end that. By ffi for
// tap.py.

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "py/mpthread.h"
#include "py/runtime.h"

#include "port.h"

#define WATCHED_MAX 16
#define SLEEPERS_MAX 64
#define LOOK_MS 5 // how long one sleeps for whom there is no descriptor left

// What ends the sleep of a thread, for as long as that lasts. With the GIL held.
static struct { int fd_and_1; bool used; } sleepers[SLEEPERS_MAX];

// An entry of `sleepers`; -1: all are used.
static int take(void) {
    for (int i = 0; i < SLEEPERS_MAX; i++) {
        if (!sleepers[i].used) {
            if (sleepers[i].fd_and_1 == 0) {
                sleepers[i].fd_and_1 = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) + 1;
            }
            if (sleepers[i].fd_and_1 == 0) {
                return -1;
            }
            sleepers[i].used = true;
            return i;
        }
    }
    return -1;
}

// As poll(2): until one of the descriptors is ready, `ms` are over, or netstack_rouse() is called.
__attribute__((used)) int netstack_sleep(const struct pollfd *fds, size_t n, int ms) {
    struct pollfd all[1 + WATCHED_MAX] = {{ .fd = -1, .events = POLLIN }};
    n = MIN(n, WATCHED_MAX);
    for (size_t i = 0; i < n; i++) {
        all[1 + i] = fds[i];
    }
    int own = take();
    if (own >= 0) {
        all[0].fd = sleepers[own].fd_and_1 - 1;
    } else if (ms < 0 || ms > LOOK_MS) {
        ms = LOOK_MS;
    }
    netstack_sleeping(1);
    MP_THREAD_GIL_EXIT();
    int ready = poll(all, 1 + n, ms);
    MP_THREAD_GIL_ENTER();
    netstack_sleeping(-1);
    if (own >= 0) {
        uint64_t ignored;
        (void)!read(all[0].fd, &ignored, sizeof(ignored));
        sleepers[own].used = false;
    }
    return ready - (ready > 0 && all[0].revents);
}

__attribute__((used)) void netstack_rouse(void) {
    uint64_t one = 1;
    for (int i = 0; i < SLEEPERS_MAX; i++) {
        if (sleepers[i].used) {
            (void)!write(sleepers[i].fd_and_1 - 1, &one, sizeof(one));
        }
    }
    netstack_wake();
}
