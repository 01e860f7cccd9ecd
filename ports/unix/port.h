// Declarations of wait.c and frames.c, for mpconfigvariant.h and each other.

#include <sys/types.h>

void netstack_wait(void);
void netstack_wake(void);
void netstack_sleeping(int change);
int netstack_take(int *fd);
void netstack_give(int sleeper, int fd);
ssize_t netstack_read(int fd, void *buf, size_t size);

extern unsigned netstack_fetched; // frames that came from TAPs
