// lwIP's raw API on MPS2_AN385 (Cortex-M3, LAN9118), polled, as ports/qemu drives the same chip.
// ROLE is the service; `forward` is none but a router, which sends by the NIC that packets come by. What handling frames costs is told in ticks of the board's 25 MHz timer: with
// QEMU's `-icount shift=0` one of them is 40 instructions. LAN9118: Microchip DS00002266; CMSDK timer
// and UART: Arm DDI 0479.
#include <string.h>

#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"

#define REG(addr) (*(volatile uint32_t *)(addr))
#define UART_DATA REG(0x40004000)
#define UART_STATE REG(0x40004004)
#define UART_CTRL REG(0x40004008)
#define UART_BAUDDIV REG(0x40004010)
#define TIMER_VALUE REG(0x40002004)
#define TIMER_CTRL REG(0x40002008)
#define TICKS_PER_MS 25000

#define NIC(number) REG(0x40200000 + 4 * (number))
#define RX_DATA NIC(0x00)
#define TX_DATA NIC(0x08)
#define RX_STATUS NIC(0x10)
#define TX_STATUS NIC(0x12)
#define RX_CFG NIC(0x1B)
#define TX_CFG NIC(0x1C)
#define HW_CFG NIC(0x1D)
#define RX_FIFO_INF NIC(0x1F)
#define TX_FIFO_INF NIC(0x20)
#define MAC_CSR_CMD NIC(0x29)
#define MAC_CSR_DATA NIC(0x2A)

#define PORT 5001
#define ECHOES 200

extern uint32_t _estack, _sidata, _sdata, _edata, _sbss, _ebss;
int main(void);

static uint32_t busy, frames, bytes;
static char zeros[TCP_SND_BUF];

// --- the board ---

__attribute__((noreturn)) void Reset_Handler(void) {
    memcpy(&_sdata, &_sidata, (char *)&_edata - (char *)&_sdata);
    memset(&_sbss, 0, (char *)&_ebss - (char *)&_sbss);
    main();
    for (;;) {
    }
}

__attribute__((section(".isr_vector"), used)) static void *const vectors[16] = {
    &_estack,
    Reset_Handler,
};

static uint32_t ticks(void) {
    return ~TIMER_VALUE;
}

u32_t sys_now(void) {
    static uint32_t last, ms;
    uint32_t passed = (ticks() - last) / TICKS_PER_MS;
    last += passed * TICKS_PER_MS;
    return ms += passed;
}

unsigned int board_random(void) {
    static uint32_t x = 2463534242u;
    x ^= x << 13;
    x ^= x >> 17;
    return x ^= x << 5;
}

static void print(const char *text) {
    for (; *text; text++) {
        while (UART_STATE & 1) {
        }
        UART_DATA = *text;
    }
}

static void print_number(uint32_t n) {
    char text[12] = { 0 };
    int at = 10;
    do {
        text[at--] = '0' + n % 10;
    } while (n /= 10);
    print(" ");
    print(text + at + 1);
}

static void tell(void) {
    print("busy");
    print_number(busy);
    print_number(frames);
    print_number(bytes);
    print(" end\n");
}

// --- LAN9118 ---

static void mac_put(int number, uint32_t value) {
    MAC_CSR_DATA = value;
    MAC_CSR_CMD = 0x80000000 | number;
    while (MAC_CSR_CMD & 0x80000000) {
    }
}

static err_t output(struct netif *netif, struct pbuf *p) {
    static uint32_t copy[400];
    while ((TX_FIFO_INF >> 16) & 0xFF) {
        TX_STATUS;
    }
    uint32_t n = p->tot_len - ETH_PAD_SIZE;
    uint32_t total = n < 60 ? 60 : n;
    uint32_t *from = p->payload; // the frame begins ETH_PAD_SIZE bytes into the first word
    if (p->next != NULL || ((uintptr_t)from & 3)) {
        pbuf_copy_partial(p, copy, p->tot_len, 0);
        from = copy;
    }
    TX_DATA = (ETH_PAD_SIZE << 16) | 0x3000 | total;
    TX_DATA = (total << 16) | total;
    for (uint32_t words = (ETH_PAD_SIZE + n + 3) / 4, i = 0; i < (ETH_PAD_SIZE + total + 3) / 4; i++) {
        TX_DATA = i < words ? *from++ : 0;
    }
    return ERR_OK;
}

static err_t attach(struct netif *netif) {
    HW_CFG = 1;
    while (HW_CFG & 1) {
    }
    HW_CFG = 0x130000;
    RX_CFG = ETH_PAD_SIZE << 8;
    TX_CFG = 2;
    memcpy(netif->hwaddr, "\x02\x6e\x73\x74\x00\x02", 6);
    mac_put(3, 0x74736e02);
    mac_put(2, 0x0200);
    mac_put(1, 0x10000C);
    netif->output = etharp_output;
    netif->linkoutput = output;
    netif->mtu = 1500;
    netif->hwaddr_len = 6;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static int take(struct netif *netif) {
    if (!((RX_FIFO_INF >> 16) & 0xFF)) {
        return 0;
    }
    uint32_t n = ((RX_STATUS >> 16) & 0x3FFF) + ETH_PAD_SIZE; // with the FCS
    struct pbuf *p = pbuf_alloc(PBUF_RAW, n, PBUF_POOL);
    uint32_t *to = p ? p->payload : NULL;
    for (uint32_t words = (n + 3) / 4; words; words--) {
        uint32_t word = RX_DATA;
        if (to) {
            *to++ = word;
        }
    }
    if (p != NULL) {
        pbuf_realloc(p, n - 4);
        if (netif->input(p, netif) != ERR_OK) {
            pbuf_free(p);
        }
    }
    return 1;
}

// --- the services ---

static err_t sink(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
    if (p == NULL) {
        tcp_close(pcb);
        return ERR_OK;
    }
    static char buf[1460];
    bytes += pbuf_copy_partial(p, buf, p->tot_len, 0); // as a program would have it
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t fill(void *arg, struct tcp_pcb *pcb, u16_t len) {
    u16_t room = tcp_sndbuf(pcb);
    bytes += len;
    if (room >= TCP_MSS) {
        tcp_write(pcb, zeros, room, TCP_WRITE_FLAG_COPY);
        tcp_output(pcb);
    }
    return ERR_OK;
}

static void over(void *arg, err_t err) {
    tell();
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t err) {
    busy = frames = bytes = 0;
    tcp_recv(pcb, sink);
    tcp_err(pcb, over);
    if (!strcmp(ROLE, "source")) {
        tcp_sent(pcb, fill);
        return fill(arg, pcb, 0);
    }
    return ERR_OK;
}

static void echo(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *addr, u16_t port) {
    udp_sendto(pcb, p, addr, port);
    pbuf_free(p);
}

static void serve(void) {
    if (!strcmp(ROLE, "forward")) {
        return;
    }
    if (!strcmp(ROLE, "echo")) {
        struct udp_pcb *pcb = udp_new();
        udp_bind(pcb, IP_ADDR_ANY, PORT);
        udp_recv(pcb, echo, NULL);
    } else {
        struct tcp_pcb *pcb = tcp_new();
        tcp_bind(pcb, IP_ADDR_ANY, PORT);
        tcp_accept(tcp_listen(pcb), accepted);
    }
}

int main(void) {
    struct netif netif;
    ip4_addr_t own, mask, gw;
    UART_BAUDDIV = 16;
    UART_CTRL = 1;
    TIMER_CTRL = 0x82;
    lwip_init();
    IP4_ADDR(&own, 10, 99, 0, 2);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gw, 10, 99, 0, 3); // where `forward` sends; all others have nothing to send there
    netif_add(&netif, &own, &mask, &gw, NULL, attach, netif_input);
    netif_set_default(&netif);
    netif_set_up(&netif);
    serve();
    print("ready\n");
    for (;;) {
        uint32_t start = ticks();
        if (take(&netif)) {
            busy += ticks() - start;
            if (++frames == ECHOES && bytes == 0) {
                tell();
                busy = frames = 0;
            }
        }
        sys_check_timeouts();
    }
}
