// How the unix port waits, and what ends it. Upstream's sleeps for 500 us and looks again. Here
// nothing ticks: a wait ends when a TAP has a frame, when a descriptor that is waited for is ready,
// when somebody schedules a callback, when the stack is due, and when its time is up.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#include "py/mphal.h"
#include "py/mpthread.h"
#include "py/runtime.h"

#include "port.h"

#define LOOK_MS 1 // how often streams are asked that cannot tell when they are ready
#define MOST_MS 500 // the longest the stack is left alone

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

// What host.py wants called while a program waits, whatever for; words of its stack, see
// core/stack.py; and the longest time that it is left alone. It keeps the references.
static mp_obj_t on_wait = MP_OBJ_NULL;
static volatile uint32_t *words;
static int most_ms = -1;

enum { LOCK = 44, MISSED = 45, QUEUED = 47, ARMED = 48, DUE = 49, ASKED = 62, SLEEPING = 65 };

// One more thread sleeps while others may run, or one less. With the GIL held.
void netstack_sleeping(int change) {
    if (words != NULL) {
        words[SLEEPING] += change;
    }
}

__attribute__((used)) void netstack_on_wait(mp_obj_t callback, void *stack_words, int most) {
    on_wait = callback;
    words = stack_words;
    most_ms = most < 0 || most > MOST_MS ? MOST_MS : most;
}

// Milliseconds until the stack is due; -1: there is none.
static int due(void) {
    if (words == NULL) {
        return -1;
    }
    if (words[LOCK]) { // a callback of the stack waits: it cannot go on before that is over
        return LOOK_MS;
    }
    if (words[MISSED]) {
        return 0;
    }
    int ms = words[QUEUED] ? 1 : most_ms;
    if (words[ARMED]) {
        uint32_t left = (words[DUE] - (uint32_t)mp_hal_ticks_ms()) & 0x3fffffff;
        if (left >= 0x20000000) {
            left = 0;
        }
        ms = MIN(ms, (int)left);
    }
    return ms;
}

static int sooner(int a, int b) {
    return a < 0 ? b : b < 0 ? a : MIN(a, b);
}

// What MICROPY_SCHED_HOOK_SCHEDULED calls, in whatever thread or signal handler.
static int wake_fd = -1;
static volatile int waiting; // threads

void netstack_wake(void) {
    if (waiting) {
        uint64_t one = 1;
        (void)!write(wake_fd, &one, sizeof(one));
    }
}

__attribute__((constructor)) static void netstack_wake_init(void) {
    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

int __real_poll(struct pollfd *fds, nfds_t n, int ms);

// Begin a wait: do what is pending. True if there was something: what is waited for is to be
// looked at again first. From here on a callback that is scheduled ends the wait.
static bool begin(void) {
    bool pending = MP_STATE_VM(sched_state) == MP_SCHED_PENDING;
    mp_handle_pending(true);
    waiting++;
    pending |= MP_STATE_VM(sched_state) == MP_SCHED_PENDING;
    if (pending) {
        waiting--;
    }
    return pending;
}

// Sleep for `ms` at most (-1: for ever), or until one of `n` descriptors is ready: `*ready`, which is
// -1 if a signal has come. Returns whether a frame has come. One that was there at the end of the
// last wait, and that nobody has fetched, is nothing to wake for, or a program that waits for
// something else would spin.
#define EXTRA_MAX 16
static bool doze(const struct pollfd *extra, nfds_t n, int ms, int *ready) {
    static bool left_over;
    static unsigned fetched;
    struct pollfd fds[2 + EXTRA_MAX + WATCHED_MAX] = {
        { .fd = wake_fd, .events = POLLIN }, { .events = POLLIN }
    };
    int own = netstack_take(&fds[1].fd);
    nfds_t first = 2 + n;
    nfds_t count = first;
    for (nfds_t i = 0; i < n; i++) {
        fds[2 + i] = extra[i];
    }
    if (left_over && fetched == netstack_fetched && __real_poll(watched, watched_count, 0) > 0) {
        ms = sooner(ms, LOOK_MS);
    } else {
        for (nfds_t i = 0; i < watched_count; i++) {
            fds[count++] = watched[i];
        }
    }
    netstack_sleeping(1);
    MP_THREAD_GIL_EXIT();
    int result = __real_poll(fds, count, ms);
    int error = errno;
    MP_THREAD_GIL_ENTER();
    netstack_sleeping(-1);
    netstack_give(own, fds[1].fd);
    waiting--;
    *ready = result < 0 ? -1 : 0;
    bool frame = false;
    if (result > 0) {
        uint64_t ignored;
        if (fds[0].revents) {
            (void)!read(wake_fd, &ignored, sizeof(ignored));
        }
        for (nfds_t i = 2; i < count; i++) {
            if (fds[i].revents && i < first) {
                *ready = 1;
            } else if (fds[i].revents) {
                frame = true;
            }
        }
    }
    if (count > first) {
        left_over = frame;
        fetched = netstack_fetched;
    }
    errno = error;
    return frame;
}

// Have the stack polled when a frame has come, or when it is due.
static void run_stack(bool frame) {
    if (on_wait != MP_OBJ_NULL && (frame || due() == 0)) {
        mp_sched_schedule(on_wait, mp_const_none); // a full queue will be empty the next time
    }
}

// MICROPY_EVENT_POLL_HOOK: somebody waits for something, whatever it is.
void netstack_wait(void) {
    int ready;
    run_stack(begin() ? false : doze(NULL, 0, LOOK_MS, &ready));
}

// -- select.poll(), asyncio ---------------------------------------------------------------------
//
// It asks all its streams, and if none is ready it waits and asks again. Those of netstack count
// themselves (host.pump_once_a_round) and a frame or a timer of the stack ends the wait; files are
// asked by poll(2), and their descriptors are noted here. When there are others, nobody knows when
// those are ready: then they are asked each millisecond, as upstream does.

static struct pollfd asked[EXTRA_MAX];
static nfds_t asked_count, round_files;
static size_t round_sockets;

// The linker puts this one in front of poll(2).
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms) {
    int ready = __real_poll(fds, n, ms);
    if (ready == 0 && ms == 0 && n == 1 && asked_count < EXTRA_MAX) {
        asked[asked_count++] = fds[0];
    }
    return ready;
}

// extmod/modselect.c reads the clock when it begins, and after each round.
mp_uint_t netstack_round(void) {
    round_files = asked_count;
    asked_count = 0;
    round_sockets = 0;
    if (words != NULL) {
        round_sockets = words[ASKED];
        words[ASKED] = 0;
    }
    return mp_hal_ticks_ms();
}

// And this is how it waits after a round of so many streams.
void netstack_select_wait(size_t streams, int ms) {
    if (begin()) {
        return;
    }
    ms = sooner(ms, due());
    if (round_sockets + round_files < streams) {
        ms = sooner(ms, LOOK_MS);
    }
    int ready;
    bool frame = doze(asked, round_files, ms, &ready);
    if (round_sockets == 0) { // else the next to be asked polls the stack
        run_stack(frame);
    }
}

// -- the REPL's wait for a key, files, time.sleep() ---------------------------------------------
//
// The linker puts the two of these with __wrap_ in front of the functions that they are named after
// (--wrap); the latter is the select(2) without descriptors.

// Run the stack from within a wait of `ms` at most (-1: for ever) that also ends when `fd` (-1:
// none) can be read: then 1. -1: by a signal.
static int nap(int fd, int ms) {
    int ready = 0;
    if (!begin()) {
        struct pollfd one = { .fd = fd, .events = POLLIN };
        run_stack(doze(&one, 1, sooner(ms, due()), &ready));
        if (ready >= 0) {
            mp_handle_pending(true);
        }
    }
    return ready;
}

int __real_mp_hal_stdin_rx_chr(void);
int __wrap_mp_hal_stdin_rx_chr(void) {
    if (on_wait != MP_OBJ_NULL) {
        int ready;
        do {
            ready = nap(STDIN_FILENO, -1);
            if (ready < 0 && errno == EINTR) {
                mp_handle_pending(true);
                ready = 0;
            }
        } while (ready == 0);
    }
    return __real_mp_hal_stdin_rx_chr();
}

// read(2) for extmod/vfs_posix_file.c, by file.h: input that has to be waited for, as that of
// sys.stdin.readline(). It has given the GIL away, and begins anew after EINTR.
ssize_t netstack_read(int fd, void *buf, size_t size) {
    struct pollfd one = { .fd = fd, .events = POLLIN };
    if (on_wait != MP_OBJ_NULL && __real_poll(&one, 1, 0) == 0
        && !(fcntl(fd, F_GETFL) & O_NONBLOCK)) {
        int ready;
        MP_THREAD_GIL_ENTER(); // Python code may run now
        do {
            ready = nap(fd, -1);
        } while (ready == 0);
        int error = errno;
        MP_THREAD_GIL_EXIT();
        if (ready < 0) {
            errno = error;
            return -1;
        }
    }
    return read(fd, buf, size);
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
        MP_THREAD_GIL_ENTER(); // which time.sleep() has given away; Python code may run now
        int ready = nap(-1, MIN(left / 1000, MOST_MS));
        MP_THREAD_GIL_EXIT();
        if (ready < 0) {
            return -1;
        }
    }
}
