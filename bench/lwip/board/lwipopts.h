// lwIP on the board: as small as opt.h has it, but for MSS 1460, and windows that the LAN9118's FIFO
// of 10,560 bytes can take as one burst.
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_NOASSERT 1
#define LWIP_STATS 0
#define ETH_PAD_SIZE 2

#define TCP_MSS 1460
#define TCP_WND (6 * TCP_MSS)
#define TCP_SND_BUF (6 * TCP_MSS)
#define TCP_SND_QUEUELEN 32
#define MEM_ALIGNMENT 4
#define MEM_SIZE (32 * 1024)
#define MEMP_NUM_TCP_SEG 64
#define PBUF_POOL_SIZE 24
#define PBUF_POOL_BUFSIZE 1536

#endif
