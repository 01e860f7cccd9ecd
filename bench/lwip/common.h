// What both lwIP programs share: ports, addresses, and what their connections take.
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lwip/ethip6.h"
#include "lwip/ip4_addr.h"
#include "lwip/memp.h"
#include "lwip/priv/memp_priv.h"
#include "lwip/stats.h"

#define PORT 5001
#define CHUNK 16384

static void addresses(ip4_addr_t *own, ip4_addr_t *mask, ip4_addr_t *gw) {
    IP4_ADDR(own, 10, 99, 0, 2);
    IP4_ADDR(mask, 255, 255, 255, 0);
    IP4_ADDR(gw, 10, 99, 0, 1);
}

// In builds with IPv6: an address whose prefix is on the link, in use at once.
static void address6(struct netif *netif, const char *text) {
#if LWIP_IPV6
    ip6_addr_t own;
    s8_t i;
    ip6addr_aton(text, &own);
    netif->output_ip6 = ethip6_output;
    netif->flags |= NETIF_FLAG_MLD6; // or it would not hear who asks for its address
    netif_create_ip6_linklocal_address(netif, 1);
    netif_add_ip6_address(netif, &own, &i);
    netif_ip6_addr_set_state(netif, 0, IP6_ADDR_PREFERRED);
    netif_ip6_addr_set_state(netif, i, IP6_ADDR_PREFERRED);
#endif
}

// After the n-th connection: bytes in use of the pools, of the C heap (mailboxes and semaphores),
// and of `table` for each.
static void held(int n, size_t table) {
    size_t bytes = mallinfo2().uordblks + n * table;
    for (int i = 0; i < MEMP_MAX; i++) {
        if (i != MEMP_PBUF && i != MEMP_PBUF_POOL && i != MEMP_TCP_SEG) {
            bytes += (size_t)lwip_stats.memp[i]->used * memp_pools[i]->size;
        }
    }
    printf("held %d %zu\n", n, bytes);
    fflush(stdout);
}

static void ready(void) {
    printf("ready\n");
    fflush(stdout);
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}
