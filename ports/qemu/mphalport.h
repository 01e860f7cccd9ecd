// MicroPython's hardware layer on mcu.h.
#include "shared/runtime/interrupt_char.h"
#include "py/ringbuf.h"
#include "mcu.h"

#define MICROPY_BEGIN_ATOMIC_SECTION()      mcu_irq_lock()
#define MICROPY_END_ATOMIC_SECTION(state)   mcu_irq_unlock(state)
#define MICROPY_INTERNAL_WFE(timeout_ms)    port_wait_ms(timeout_ms)

static inline mp_uint_t mp_hal_ticks_ms(void) {
    return mcu_ticks_ms();
}

static inline mp_uint_t mp_hal_ticks_us(void) {
    return (mp_uint_t)mcu_ticks_us();
}

static inline mp_uint_t mp_hal_ticks_cpu(void) {
    return mcu_ticks_cpu();
}

// Sleeps until an interrupt that matters, or for that long (-1: for ever).
void port_wait_ms(int timeout_ms);
void port_event(void);
void port_rearm(void);

// Wall clock: microseconds since 1970 that belong to tick 0.
extern int64_t port_epoch_us;

// What os.dupterm_notify() has read from its stream (extmod/modos.c fills it).
extern ringbuf_t stdin_ringbuf;

extern uint64_t machine_timer_due;
void machine_timer_tick(uint64_t now);
void machine_timer_deinit_all(void);
void modqemu_deinit(void);
void entropy_init(void);
void entropy_bytes(uint8_t *dest, size_t len);
