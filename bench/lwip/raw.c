// lwIP through its raw API, one thread: `lwip-raw sink|source|accept|hold|echo [connections]`, on the
// TAP named by PRECONFIGURED_TAPIF. `source` leaves those after the first `connections`
// idle.
#include "common.h"

#include <errno.h>
#include <limits.h>

#include "lwip/init.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"
#include "tap.h"

static int count, served;
static const char zeros[TCP_SND_BUF];

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
        struct udp_pcb *pcb = udp_new_ip_type(IPADDR_TYPE_ANY);
        udp_bind(pcb, IP_ANY_TYPE, PORT);
        udp_recv(pcb, echo, NULL);
        return;
    }
    for (int i = 0; i < 4; i++) {
        if (!strcmp(role, roles[i].role)) {
            struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);
            tcp_bind(pcb, IP_ANY_TYPE, PORT);
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
    const char *name = getenv("PRECONFIGURED_TAPIF");
    void *fd = (void *)(intptr_t)tap_open(name ? name : "tap0");
    netif_add(&netif, &own, &mask, &gw, fd, tap_attach, netif_input);
    netif_set_default(&netif);
    netif_set_up(&netif);
    address6(&netif, "fd99::2");
    serve(argv[1]);
    ready();
    tap_loop(&netif, 1);
}
