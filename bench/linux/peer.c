// Loads a server and prints what came of it, as one line of JSON:
//   peer send|recv <pid> <seconds> <connections>     bytes that were acknowledged, or received
//   peer send-crowd|recv-crowd <pid> <seconds> <idle>    one connection, alone and among idle ones
//   peer echo      <pid> <seconds> <size> <in flight>
//   peer conn      <pid> <seconds>                   connect, wait for its FIN, close
//   peer hold      <pid> <seconds> <connections>     open them, and keep them
// `pid` is the server's, whose CPU time is told as well as our own; it is at BENCH_ADDRESS, or
// 10.99.0.2.
#include <errno.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "cubic.h"

#define CONNECTIONS 1024
#define SLICES 8
#define FEW 10000 // connections: fewer than Linux has ports, so that none meets an old TIME-WAIT
#define PATIENCE_MS 300 // after which a datagram counts as lost

static struct sockaddr_storage server;
static char buf[256 * 1024];
static struct pollfd fds[CONNECTIONS];
static clockid_t server_clock;
static double started, own_cpu, server_cpu, seconds, received;

static void fail(const char *what) {
    fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double at(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t)) {
        fail("the server's clock");
    }
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void start(void) {
    server_cpu = at(server_clock);
    own_cpu = at(CLOCK_PROCESS_CPUTIME_ID);
    started = at(CLOCK_MONOTONIC);
}

static double elapsed(void) {
    return at(CLOCK_MONOTONIC) - started;
}

static void report(const char *what, double count, long lost) {
    double real = elapsed();
    printf("{\"%s\": %.0f, \"lost\": %ld, \"seconds\": %.6f, \"cpu\": %.6f, \"peer_cpu\": %.6f}\n",
        what, count, lost, real, at(server_clock) - server_cpu,
        at(CLOCK_PROCESS_CPUTIME_ID) - own_cpu);
}

static int opened(int type) {
    int fd = socket(server.ss_family, type, 0);
    struct timeval patience = { .tv_sec = 10 };
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (type == SOCK_STREAM) {
        use_cubic(fd);
    }
    if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0) {
        fail("connect");
    }
    return fd;
}

static double acknowledged(int n) {
    double bytes = 0;
    for (int i = 0; i < n; i++) {
        struct tcp_info info = { 0 };
        socklen_t length = sizeof info;
        getsockopt(fds[i].fd, IPPROTO_TCP, TCP_INFO, &info, &length);
        bytes += info.tcpi_bytes_acked - 1; // the SYN is counted
    }
    return bytes;
}

// What is queued shall not be sent after all.
static void reset_on_close(int fd) {
    struct linger now = { .l_onoff = 1 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void open_bulk(int sending, int n) {
    for (int i = 0; i < n; i++) {
        fds[i] = (struct pollfd) { .fd = opened(SOCK_STREAM), .events = sending ? POLLOUT : POLLIN };
        reset_on_close(fds[i].fd);
        if (i == 0) {
            start();
        }
    }
}

// Bytes through the connections since they began.
static double moved(int sending, int n) {
    return sending ? acknowledged(n) : received;
}

static void move_until(double end, int sending, int n) {
    while (elapsed() < end) {
        poll(fds, n, 50);
        for (int i = 0; i < n; i++) {
            if (!fds[i].revents) {
                continue;
            }
            ssize_t got = sending ? send(fds[i].fd, buf, sizeof buf, MSG_DONTWAIT | MSG_NOSIGNAL)
                : recv(fds[i].fd, buf, sizeof buf, MSG_DONTWAIT);
            if (got == 0 || (got < 0 && errno != EAGAIN)) {
                fail(got ? "connection" : "end of stream");
            }
            received += got > 0 ? got : 0;
        }
    }
}

static void bulk(int sending, int n) {
    open_bulk(sending, n);
    move_until(seconds, sending, n);
    report("bytes", moved(sending, n), 0);
}

// The rate of one connection in slices of time, half of them with idle connections open, in the
// order - + + - - + + -, so that what else the machine does falls on both alike.
static void crowd(int sending, int idle) {
    static int others[CONNECTIONS];
    double bytes[2] = { 0 }, time[2] = { 0 };
    open_bulk(sending, 1);
    for (int slice = 0; slice < SLICES; slice++) {
        int crowded = ((slice + 1) >> 1) & 1;
        for (int i = 0; crowded && i < idle; i++) {
            others[i] = opened(SOCK_STREAM);
            reset_on_close(others[i]);
        }
        move_until(elapsed() + seconds / SLICES / 2, sending, 1); // it has to gather speed again
        double before = moved(sending, 1), from = elapsed();
        move_until(from + seconds / SLICES, sending, 1);
        bytes[crowded] += moved(sending, 1) - before;
        time[crowded] += elapsed() - from;
        for (int i = 0; crowded && i < idle; i++) {
            close(others[i]);
        }
    }
    printf("{\"alone\": %.0f, \"crowded\": %.0f}\n", bytes[0] / time[0], bytes[1] / time[1]);
}

static void echo(int size, int window) {
    int fd = opened(SOCK_DGRAM);
    struct pollfd waiting = { .fd = fd, .events = POLLIN };
    int flying = 0;
    long count = 0, lost = 0;
    start();
    while (elapsed() < seconds) {
        for (; flying < window; flying++) {
            if (send(fd, buf, size, 0) < 0) {
                fail("send");
            }
        }
        if (poll(&waiting, 1, PATIENCE_MS) == 0) {
            lost += flying;
            flying = 0;
        }
        while (flying && recv(fd, buf, sizeof buf, MSG_DONTWAIT) >= 0) {
            count++;
            if (send(fd, buf, size, 0) < 0) {
                fail("send");
            }
            if (!(count & 63) && elapsed() >= seconds) {
                break;
            }
        }
    }
    report("echoes", count, lost);
}

static void connections(void) {
    long count = 0;
    start();
    for (; count < FEW && elapsed() < seconds; count++) {
        int fd = opened(SOCK_STREAM);
        if (recv(fd, buf, sizeof buf, 0) != 0) {
            fail("no end of stream");
        }
        close(fd);
    }
    report("connections", count, 0);
}

static void hold(int n) {
    start();
    for (int i = 0; i < n; i++) {
        opened(SOCK_STREAM);
    }
    usleep(seconds * 1e6);
    report("held", n, 0);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: peer send|recv|send-crowd|recv-crowd|echo|conn|hold <pid> <seconds> ...\n");
        return 2;
    }
    const char *what = argv[1];
    int first = argc > 4 ? atoi(argv[4]) : 1;
    int second = argc > 5 ? atoi(argv[5]) : 1;
    const char *address = getenv("BENCH_ADDRESS");
    server = address_of(address ? address : "10.99.0.2");
    seconds = atof(argv[3]);
    if (first < 1 || first > CONNECTIONS) {
        fprintf(stderr, "peer: 1 to %d connections\n", CONNECTIONS);
        return 2;
    }
    if (clock_getcpuclockid(atoi(argv[2]), &server_clock)) {
        fail("no such server");
    }
    if (!strcmp(what, "echo")) {
        echo(first, second);
    } else if (!strcmp(what, "conn")) {
        connections();
    } else if (!strcmp(what, "hold")) {
        hold(first);
    } else if (strstr(what, "-crowd")) {
        crowd(!strcmp(what, "send-crowd"), first);
    } else {
        bulk(!strcmp(what, "send"), first);
    }
    return 0;
}
