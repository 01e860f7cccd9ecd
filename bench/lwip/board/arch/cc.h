// lwIP's compiler file for a board without an operating system: newlib has the types.
#ifndef BENCH_ARCH_CC_H
#define BENCH_ARCH_CC_H

unsigned int board_random(void);
#define LWIP_RAND() board_random()

#endif
