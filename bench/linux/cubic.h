// Whatever this machine's default is: BBR ignores loss, and figures would depend on a sysctl.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static void use_cubic(int fd) {
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) < 0) {
        perror("TCP_CONGESTION cubic: the kernel needs tcp_cubic");
        exit(1);
    }
}
