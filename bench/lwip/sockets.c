// lwIP through its sockets: `lwip-sockets sink|source|accept|hold|echo [connections]`, and
// `netconn`, an echo by the API under them, as its contrib/apps/udpecho has it; on the TAP
// that its unix port finds in PRECONFIGURED_TAPIF. A thread for each connection, as its examples have it; those after the first
// `connections` are left idle.
#include "common.h"

#include <pthread.h>

#include "lwip/api.h"
#include "lwip/priv/sockets_priv.h"
#include "lwip/sockets.h"
#include "lwip/tcpip.h"
#include "netif/tapif.h"

static struct netif netif;

static void started(void *done) {
    ip4_addr_t own, mask, gw;
    addresses(&own, &mask, &gw);
    netif_add(&netif, &own, &mask, &gw, NULL, tapif_init, tcpip_input);
    netif_set_default(&netif);
    netif_set_up(&netif);
    address6(&netif, "fd99::2");
    sys_sem_signal(done);
}

static void *sink(void *arg) {
    int fd = (int)(long)arg;
    char buf[CHUNK];
    while (lwip_read(fd, buf, sizeof buf) > 0) {
    }
    lwip_close(fd);
    return NULL;
}

static void *source(void *arg) {
    int fd = (int)(long)arg;
    static const char zeros[CHUNK];
    while (lwip_write(fd, zeros, sizeof zeros) > 0) {
    }
    lwip_close(fd);
    return NULL;
}

static int bound(int type) {
#if LWIP_IPV6
    int fd = lwip_socket(AF_INET6, type, 0);
    struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = lwip_htons(PORT) };
#else
    int fd = lwip_socket(AF_INET, type, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = lwip_htons(PORT) };
#endif
    if (fd < 0 || lwip_bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        fail("bind");
    }
    return fd;
}

static void echo(void) {
    char buf[2048];
    int fd = bound(SOCK_DGRAM);
    ready();
    for (;;) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof peer;
        int n = lwip_recvfrom(fd, buf, sizeof buf, 0, (struct sockaddr *)&peer, &length);
        if (n >= 0) {
            lwip_sendto(fd, buf, n, 0, (struct sockaddr *)&peer, length);
        }
    }
}

static void netconn_echo(void) {
    struct netconn *conn = netconn_new(NETCONN_UDP);
    struct netbuf *buf;
    if (conn == NULL || netconn_bind(conn, IP_ADDR_ANY, PORT) != ERR_OK) {
        fail("bind");
    }
    ready();
    for (;;) {
        if (netconn_recv(conn, &buf) == ERR_OK) {
            netconn_send(conn, buf); // back to where it has come from: the buffer knows
            netbuf_delete(buf);
        }
    }
}

static void serve(const char *role, int served) {
    int listener = bound(SOCK_STREAM);
    if (lwip_listen(listener, 255) < 0) {
        fail("listen");
    }
    ready();
    for (int n = 1;; n++) {
        pthread_t thread;
        long fd = lwip_accept(listener, NULL, NULL);
        if (fd < 0) {
            continue;
        }
        if (!strcmp(role, "accept")) {
            lwip_close(fd);
        } else if (!strcmp(role, "hold")) {
            held(n, sizeof(struct lwip_sock));
        } else if (n <= served) {
            pthread_create(&thread, NULL, strcmp(role, "sink") ? source : sink, (void *)fd);
            pthread_detach(thread);
        }
    }
}

int main(int argc, char **argv) {
    sys_sem_t done;
    if (argc < 2) {
        fprintf(stderr, "usage: lwip-sockets sink|source|accept|hold|echo|netconn [connections]\n");
        return 2;
    }
    mallopt(M_ARENA_MAX, 1); // mallinfo2() sees the main arena only
    sys_sem_new(&done, 0);
    tcpip_init(started, &done);
    sys_sem_wait(&done);
    if (!strcmp(argv[1], "echo")) {
        echo();
    } else if (!strcmp(argv[1], "netconn")) {
        netconn_echo();
    }
    serve(argv[1], argc > 2 ? atoi(argv[2]) : 1);
}
