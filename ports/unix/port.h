// Declarations of wait.c and frames.c, for mpconfigvariant.h and each other.

void netstack_wait(void);
void netstack_wake(void);
void netstack_sleeping(int change);
int netstack_take(int *fd);
void netstack_give(int sleeper, int fd);

extern unsigned netstack_fetched; // frames that came from TAPs
