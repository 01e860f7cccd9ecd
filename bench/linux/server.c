// The services on Linux's own stack, which is the roof, over both families:
// `server sink|source|accept|hold|echo`.
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cubic.h"

#define PORT 5001
#define CHUNK 16384

static char buf[CHUNK];

static int bound(int type) {
    int one = 1;
    int fd = socket(AF_INET6, type, 0);
    struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        perror("bind");
        exit(1);
    }
    return fd;
}

static void ready(void) {
    puts("ready");
    fflush(stdout);
}

static void echo(void) {
    struct sockaddr_in6 peer;
    int fd = bound(SOCK_DGRAM);
    ready();
    for (;;) {
        socklen_t length = sizeof peer;
        ssize_t n = recvfrom(fd, buf, sizeof buf, 0, (struct sockaddr *)&peer, &length);
        if (n >= 0) {
            sendto(fd, buf, n, 0, (struct sockaddr *)&peer, length);
        }
    }
}

static void turn(int fd, int sending) {
    ssize_t n = sending ? send(fd, buf, CHUNK, MSG_DONTWAIT) : recv(fd, buf, CHUNK, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        close(fd);
    }
}

static void serve(const char *role) {
    int sending = !strcmp(role, "source");
    int epoll = epoll_create1(0);
    int listener = bound(SOCK_STREAM);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener }, events[64];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    use_cubic(listener);
    listen(listener, 1024);
    ready();
    for (;;) {
        int n = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd != listener) {
                turn(events[i].data.fd, sending);
                continue;
            }
            event.data.fd = accept(listener, NULL, NULL);
            event.events = sending ? EPOLLOUT : EPOLLIN;
            if (!strcmp(role, "accept")) {
                close(event.data.fd);
            } else {
                epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
            }
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: server sink|source|accept|hold|echo\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (!strcmp(argv[1], "echo")) {
        echo();
    }
    serve(argv[1]);
}
