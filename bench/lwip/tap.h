// A TAP as an interface of lwIP without threads: frames are read into pool buffers and written from
// them without a copy. The file descriptor is the interface's `state`.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lwip/etharp.h"
#include "lwip/timeouts.h"

#define BATCH 64
#define FRAME 1518

static int tap_open(const char *name) {
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0) {
        fail("TAP");
    }
    return fd;
}

static int tap_fd(struct netif *netif) {
    return (int)(intptr_t)netif->state;
}

static err_t tap_output(struct netif *netif, struct pbuf *p) {
    struct iovec parts[16];
    int n = 0;
    for (struct pbuf *q = p; q != NULL && n < 16; q = q->next) {
        parts[n].iov_base = q->payload;
        parts[n++].iov_len = q->len;
    }
    return writev(tap_fd(netif), parts, n) == p->tot_len ? ERR_OK : ERR_IF;
}

static err_t tap_attach(struct netif *netif) {
    netif->output = etharp_output;
    netif->linkoutput = tap_output;
    netif->mtu = 1500;
    netif->hwaddr_len = 6;
    memcpy(netif->hwaddr, "\x02\x12\x34\x56\x78\xab", 6);
    netif->hwaddr[5] += netif->num;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

// False once nothing waits.
static int tap_take(struct netif *netif) {
    struct pbuf *p = pbuf_alloc(PBUF_RAW, FRAME, PBUF_POOL);
    if (p == NULL) {
        return 0;
    }
    ssize_t n = read(tap_fd(netif), p->payload, FRAME);
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

// Batches of frames of `count` interfaces in turn, for ever; sleeps while there are none.
static void tap_loop(struct netif *netifs, int count) {
    struct pollfd fds[2];
    for (int i = 0; i < count; i++) {
        fds[i] = (struct pollfd) { .fd = tap_fd(&netifs[i]), .events = POLLIN };
    }
    for (;;) {
        int more = 0;
        for (int i = 0; i < count; i++) {
            int n = 0;
            while (n < BATCH && tap_take(&netifs[i])) {
                n++;
            }
            more |= n == BATCH;
        }
        sys_check_timeouts();
        if (!more) {
            u32_t ms = sys_timeouts_sleeptime();
            poll(fds, count, ms > 1000 ? 1000 : ms);
        }
    }
}
