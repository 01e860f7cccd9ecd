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

int __real_poll(struct pollfd *fds, nfds_t n, int ms); // of the C library: wait.c has another

#define WATCHED_MAX 16
#define SLEEPERS_MAX 64
#define LOOK_MS 5 // how long one sleeps for whom there is no descriptor left

// What ends the sleep of a thread, for as long as that lasts. With the GIL held.
static struct { int fd_and_1; bool used; } sleepers[SLEEPERS_MAX];

// An entry of `sleepers`, and the descriptor that can be read once it is roused; -1: all are used.
int netstack_take(int *fd) {
    *fd = -1;
    for (int i = 0; i < SLEEPERS_MAX; i++) {
        if (!sleepers[i].used) {
            if (sleepers[i].fd_and_1 == 0) {
                sleepers[i].fd_and_1 = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) + 1;
            }
            if (sleepers[i].fd_and_1 == 0) {
                return -1;
            }
            sleepers[i].used = true;
            *fd = sleepers[i].fd_and_1 - 1;
            return i;
        }
    }
    return -1;
}

void netstack_give(int sleeper, int fd) {
    if (sleeper >= 0) {
        uint64_t ignored;
        (void)!read(fd, &ignored, sizeof(ignored));
        sleepers[sleeper].used = false;
    }
}

// As poll(2): until one of the descriptors is ready, `ms` are over, or netstack_rouse() is called.
__attribute__((used)) int netstack_sleep(const struct pollfd *fds, size_t n, int ms) {
    struct pollfd all[1 + WATCHED_MAX] = {{ .fd = -1, .events = POLLIN }};
    n = MIN(n, WATCHED_MAX);
    for (size_t i = 0; i < n; i++) {
        all[1 + i] = fds[i];
    }
    int own = netstack_take(&all[0].fd);
    if (own < 0 && (ms < 0 || ms > LOOK_MS)) {
        ms = LOOK_MS;
    }
    netstack_sleeping(1);
    MP_THREAD_GIL_EXIT();
    int ready = __real_poll(all, 1 + n, ms);
    MP_THREAD_GIL_ENTER();
    netstack_sleeping(-1);
    netstack_give(own, all[0].fd);
    return ready - (ready > 0 && all[0].revents);
}

__attribute__((used)) void netstack_rouse(void) {
    uint64_t one = 1;
    for (int i = 0; i < SLEEPERS_MAX; i++) {
        if (sleepers[i].used) {
            (void)!write(sleepers[i].fd_and_1 - 1, &one, sizeof(one));
        }
    }
}
