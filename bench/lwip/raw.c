// lwIP through its raw API, one thread: `lwip-raw sink|source|accept|hold|echo [connections]`, on the
// TAP named by PRECONFIGURED_TAPIF. `source` leaves those after the first `connections`
// idle. Frames are read into pool buffers and written from them without a copy.
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"

#define BATCH 64
#define FRAME 1518

static int tap;
static int count, served;
static const char zeros[TCP_SND_BUF];

// --- the TAP ---

static err_t output(struct netif *netif, struct pbuf *p) {
    struct iovec parts[16];
    int n = 0;
    for (struct pbuf *q = p; q != NULL && n < 16; q = q->next) {
        parts[n].iov_base = q->payload;
        parts[n++].iov_len = q->len;
    }
    return writev(tap, parts, n) == p->tot_len ? ERR_OK : ERR_IF;
}

static err_t attach(struct netif *netif) {
    const char *name = getenv("PRECONFIGURED_TAPIF");
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    strncpy(ifr.ifr_name, name ? name : "tap0", IFNAMSIZ - 1);
    tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (tap < 0 || ioctl(tap, TUNSETIFF, &ifr) < 0) {
        fail("TAP");
    }
    netif->output = etharp_output;
    netif->linkoutput = output;
    netif->mtu = 1500;
    netif->hwaddr_len = 6;
    memcpy(netif->hwaddr, "\x02\x12\x34\x56\x78\xab", 6);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

// False once nothing waits.
static int take(struct netif *netif) {
    struct pbuf *p = pbuf_alloc(PBUF_RAW, FRAME, PBUF_POOL);
    if (p == NULL) {
        return 0;
    }
    ssize_t n = read(tap, p->payload, FRAME);
    if (n <= 0) {
        pbuf_free(p);
        return 0;
    }
    pbuf_realloc(p, n);
    if (netif->input(p, netif) != ERR_OK) {
        pbuf_free(p);
    }
    return 1;
}

static void loop(struct netif *netif) {
    struct pollfd fd = { .fd = tap, .events = POLLIN };
    for (;;) {
        int n = 0;
        while (n < BATCH && take(netif)) {
            n++;
        }
        sys_check_timeouts();
        if (n < BATCH) {
            u32_t ms = sys_timeouts_sleeptime();
            poll(&fd, 1, ms > 1000 ? 1000 : ms);
        }
    }
}

// --- the services ---

static err_t end(struct tcp_pcb *pcb) {
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    if (tcp_close(pcb) != ERR_OK) {
        tcp_abort(pcb);
        return ERR_ABRT;
    }
    return ERR_OK;
}

static err_t sink(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
    if (p == NULL) {
        return end(pcb);
    }
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t fill(void *arg, struct tcp_pcb *pcb, u16_t len) {
    u16_t room = tcp_sndbuf(pcb);
    if (room >= TCP_MSS) {
        tcp_write(pcb, zeros, room, TCP_WRITE_FLAG_COPY);
        tcp_output(pcb);
    }
    return ERR_OK;
}

static err_t accepted_sink(void *arg, struct tcp_pcb *pcb, err_t err) {
    tcp_recv(pcb, sink);
    return ERR_OK;
}

static err_t accepted_source(void *arg, struct tcp_pcb *pcb, err_t err) {
    tcp_recv(pcb, sink);
    if (++count > served) {
        return ERR_OK;
    }
    tcp_sent(pcb, fill);
    return fill(arg, pcb, 0);
}

static err_t accepted_accept(void *arg, struct tcp_pcb *pcb, err_t err) {
    return end(pcb);
}

static err_t accepted_hold(void *arg, struct tcp_pcb *pcb, err_t err) {
    tcp_recv(pcb, sink);
    held(++count, 0);
    return ERR_OK;
}

static void echo(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *addr, u16_t port) {
    udp_sendto(pcb, p, addr, port);
    pbuf_free(p);
}

static void serve(const char *role) {
    static const struct {
        const char *role;
        tcp_accept_fn accepted;
    } roles[] = {
        { "sink", accepted_sink },
        { "source", accepted_source },
        { "accept", accepted_accept },
        { "hold", accepted_hold },
    };
    if (!strcmp(role, "echo")) {
        struct udp_pcb *pcb = udp_new();
        udp_bind(pcb, IP_ADDR_ANY, PORT);
        udp_recv(pcb, echo, NULL);
        return;
    }
    for (int i = 0; i < 4; i++) {
        if (!strcmp(role, roles[i].role)) {
            struct tcp_pcb *pcb = tcp_new();
            tcp_bind(pcb, IP_ADDR_ANY, PORT);
            tcp_accept(tcp_listen(pcb), roles[i].accepted);
        }
    }
}

int main(int argc, char **argv) {
    struct netif netif;
    ip4_addr_t own, mask, gw;
    if (argc < 2) {
        fprintf(stderr, "usage: lwip-raw sink|source|accept|hold|echo [connections]\n");
        return 2;
    }
    served = argc > 2 ? atoi(argv[2]) : INT_MAX;
    lwip_init();
    addresses(&own, &mask, &gw);
    netif_add(&netif, &own, &mask, &gw, NULL, attach, netif_input);
    netif_set_default(&netif);
    netif_set_up(&netif);
    serve(argv[1]);
    ready();
    loop(&netif);
}
