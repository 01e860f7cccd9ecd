// lwIP tuned for the comparison: MSS 1460, windows of 60 kB, pools that do not run dry. NO_SYS comes
// from the compiler's command line; what is not here is as opt.h has it.
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#define SYS_LIGHTWEIGHT_PROT (!NO_SYS)
#define LWIP_NETCONN (!NO_SYS)
#define LWIP_SOCKET (!NO_SYS)
#define LWIP_COMPAT_SOCKETS 0
#define LWIP_NOASSERT 1
#ifndef LWIP_IPV6
#define LWIP_IPV6 0
#endif

#define TCP_MSS 1460
#define TCP_WND 60000
#define TCP_SND_BUF 60000
#define TCP_SND_QUEUELEN 512
#define TCP_LISTEN_BACKLOG 1
#define TCP_DEFAULT_LISTEN_BACKLOG 255

#define MEM_ALIGNMENT 8
#define MEM_SIZE (16 * 1024 * 1024)
#define PBUF_POOL_SIZE 1024
#define PBUF_POOL_BUFSIZE 1600
#define MEMP_NUM_PBUF 8192
#define MEMP_NUM_TCP_SEG 8192
#define MEMP_NUM_TCP_PCB 1200
#define MEMP_NUM_NETCONN 1010
#define MEMP_NUM_NETBUF 2048
#define MEMP_NUM_TCPIP_MSG_INPKT 2048
#define MEMP_NUM_TCPIP_MSG_API 64

// The port's mailboxes are of one size, which the Makefile raises from 128.
#define TCPIP_MBOX_SIZE 2048
#define DEFAULT_TCP_RECVMBOX_SIZE 2048
#define DEFAULT_UDP_RECVMBOX_SIZE 2048
#define DEFAULT_ACCEPTMBOX_SIZE 2048

// Only the pools are counted: they are what a connection is made of.
#define LWIP_STATS 1
#define LINK_STATS 0
#define ETHARP_STATS 0
#define IP_STATS 0
#define IPFRAG_STATS 0
#define ICMP_STATS 0
#define UDP_STATS 0
#define TCP_STATS 0
#define MEM_STATS 0
#define MEMP_STATS 1
#define SYS_STATS 0

#endif
