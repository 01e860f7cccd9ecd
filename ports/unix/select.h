// What stands in front of extmod/modselect.c when it is compiled: it waits by wait.c, which has to
// know of how many streams `poll_set` is, and when a round of them begins.

#include "py/mphal.h"
#include "py/runtime.h"

mp_uint_t netstack_round(void);
void netstack_select_wait(size_t streams, int ms);

#define mp_hal_ticks_ms netstack_round
#define mp_event_wait_ms(ms) netstack_select_wait(poll_set->map.used, ms)
#define mp_event_wait_indefinite() netstack_select_wait(poll_set->map.used, -1)
