// Sends through a router, from a host in one network namespace to one in another, and prints what
// came of it as one line of JSON, like peer.c:
//   through udp <pid> <seconds> <namespace> <namespace> <address> <size> <in flight>
//   through tcp <pid> <seconds> <namespace> <namespace> <address>
// Namespaces are paths, the address is that of the host in the second. `pid` is the router's, whose
// CPU time is told, 0: it is the kernel.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "cubic.h"

#define BATCH 64
#define PATIENCE_MS 300 // after which a datagram counts as lost

static char buf[256 * 1024];
static clockid_t router_clock;
static int router;

static void fail(const char *what) {
    printf("through: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double at(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t)) {
        fail("the router's clock");
    }
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu(void) {
    return router ? at(router_clock) : 0;
}

static int opened(const char *namespace, int family, int type) {
    int ns = open(namespace, O_RDONLY);
    if (ns < 0 || setns(ns, CLONE_NEWNET) < 0) {
        fail(namespace);
    }
    close(ns);
    int room = 4 << 20;
    int fd = socket(family, type, 0);
    if (type == SOCK_DGRAM) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    }
    return fd;
}

static void report(const char *what, double count, double lost, double seconds, double used) {
    printf("{\"%s\": %.0f, \"lost\": %.0f, \"seconds\": %.6f, \"cpu\": %.6f}\n", what, count, lost,
        seconds, used);
}

// As many datagrams under way as `window` says: what comes out lets the next ones in.
static void udp(int from, int to, double seconds, int size, int window) {
    static struct mmsghdr out[BATCH], in[BATCH];
    struct iovec sent = { .iov_base = buf, .iov_len = size };
    struct iovec received = { .iov_base = buf + 4096, .iov_len = 4096 };
    for (int i = 0; i < BATCH; i++) {
        out[i].msg_hdr = (struct msghdr) { .msg_iov = &sent, .msg_iovlen = 1 };
        in[i].msg_hdr = (struct msghdr) { .msg_iov = &received, .msg_iovlen = 1 };
    }
    struct pollfd waiting = { .fd = to, .events = POLLIN };
    int flying = 0, due = window < 32 ? window : 32;
    double count = 0, lost = 0, began = at(CLOCK_MONOTONIC), used = cpu();
    while (at(CLOCK_MONOTONIC) - began < seconds) {
        while (window - flying >= due) {
            int n = window - flying < BATCH ? window - flying : BATCH;
            n = sendmmsg(from, out, n, 0);
            if (n < 0) {
                fail("send");
            }
            flying += n;
        }
        if (poll(&waiting, 1, PATIENCE_MS) == 0) {
            lost += flying;
            flying = 0;
        }
        int n = recvmmsg(to, in, BATCH, MSG_DONTWAIT, NULL);
        if (n > 0) {
            if (in[0].msg_len != (unsigned)size) {
                errno = EBADMSG;
                fail("a datagram of another length");
            }
            count += n;
            flying = flying > n ? flying - n : 0;
        }
    }
    report("packets", count, lost, at(CLOCK_MONOTONIC) - began, cpu() - used);
}

static void tcp(int from, int to, double seconds) {
    struct pollfd fds[2] = { { .fd = from, .events = POLLOUT }, { .fd = to, .events = POLLIN } };
    double count = 0, began = at(CLOCK_MONOTONIC), used = cpu();
    while (at(CLOCK_MONOTONIC) - began < seconds) {
        poll(fds, 2, 50);
        if (fds[0].revents && send(from, buf, sizeof buf, MSG_DONTWAIT | MSG_NOSIGNAL) < 0
            && errno != EAGAIN) {
            fail("send");
        }
        ssize_t n = fds[1].revents ? recv(to, buf, sizeof buf, MSG_DONTWAIT) : 0;
        count += n > 0 ? n : 0;
    }
    report("bytes", count, 0, at(CLOCK_MONOTONIC) - began, cpu() - used);
}

int main(int argc, char **argv) {
    if (argc < 7 || (!strcmp(argv[1], "udp") && argc < 9)) {
        fprintf(stderr, "usage: through udp|tcp <pid> <seconds> <namespace> <namespace> <address> ...\n");
        return 2;
    }
    int type = strcmp(argv[1], "udp") ? SOCK_STREAM : SOCK_DGRAM;
    double seconds = atof(argv[3]);
    router = atoi(argv[2]);
    if (router && clock_getcpuclockid(router, &router_clock)) {
        fail("no such router");
    }
    struct sockaddr_storage there = address_of(argv[6]);
    int family = there.ss_family, yes = 1;
    int from = opened(argv[4], family, type), to = opened(argv[5], family, type);
    setsockopt(to, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(to, (struct sockaddr *)&there, sizeof there) < 0) {
        fail("bind");
    }
    if (type == SOCK_STREAM) {
        use_cubic(from);
        if (listen(to, 1) < 0) {
            fail("listen");
        }
    }
    if (connect(from, (struct sockaddr *)&there, sizeof there) < 0) {
        fail("connect");
    }
    if (type == SOCK_STREAM) {
        tcp(from, accept(to, NULL, NULL), seconds);
    } else {
        udp(from, to, seconds, atoi(argv[7]), atoi(argv[8]));
    }
    return 0;
}
