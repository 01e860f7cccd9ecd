// lwIP as a router (IP_FORWARD), one thread: `lwip-router <namespace> <namespace>`, paths. It is
// 10.98.0.254 on the TAP `tap0` of the first and 10.99.0.254 on that of the second; fd98::fe and
// fd99::fe.
#define _GNU_SOURCE
#include "common.h"

#include <sched.h>

#include "lwip/init.h"
#include "tap.h"

static int tap_of(const char *namespace) {
    int ns = open(namespace, O_RDONLY);
    if (ns < 0 || setns(ns, CLONE_NEWNET) < 0) {
        fail(namespace);
    }
    close(ns);
    return tap_open("tap0");
}

int main(int argc, char **argv) {
    struct netif netifs[2];
    ip4_addr_t own, mask;
    if (argc < 3) {
        fprintf(stderr, "usage: lwip-router <namespace> <namespace>\n");
        return 2;
    }
    lwip_init();
    for (int i = 0; i < 2; i++) {
        IP4_ADDR(&own, 10, 98 + i, 0, 254);
        IP4_ADDR(&mask, 255, 255, 255, 0);
        void *fd = (void *)(intptr_t)tap_of(argv[1 + i]);
        netif_add(&netifs[i], &own, &mask, IP4_ADDR_ANY4, fd, tap_attach, netif_input);
        netif_set_up(&netifs[i]);
        address6(&netifs[i], i ? "fd99::fe" : "fd98::fe");
    }
    ready();
    tap_loop(netifs, 2);
}
