// Declarations of port.c, for mpconfigvariant.h.

void netstack_wait(void);
