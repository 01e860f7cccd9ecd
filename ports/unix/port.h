// Declarations of wait.c and frames.c, for mpconfigvariant.h and each other.

void netstack_wait(void);
void netstack_wake(void);
void netstack_sleeping(int change);

extern unsigned netstack_fetched; // frames that came from TAPs
