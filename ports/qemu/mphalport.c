// Time, sleeping and wake-ups. Nothing ticks: one one-shot timer serves every deadline.
#include "py/runtime.h"
#include "py/mphal.h"
#include "py/mpstate.h"

#define SYS_TIME (0x11)

int64_t port_epoch_us;

static volatile bool event;
static uint64_t wait_due = MCU_NEVER;

void port_event(void) {
    event = true;
}

// Interrupts must be locked.
void port_rearm(void) {
    mcu_wake_at(MIN(machine_timer_due, wait_due));
}

void port_tick(void) {
    uint64_t now = mcu_ticks_us();
    if (wait_due <= now) {
        wait_due = MCU_NEVER;
        event = true;
    }
    machine_timer_tick(now);
    port_rearm();
}

// An interrupt between the caller's last look and here has left `event` set, so no wake-up is
// lost; an interrupt while locked still ends mcu_wfi().
static void wait_until(uint64_t due) {
    uint32_t state = mcu_irq_lock();
    if (!event) {
        wait_due = due;
        port_rearm();
        mcu_wfi();
        wait_due = MCU_NEVER;
    }
    mcu_irq_unlock(state);
    event = false;
}

void port_wait_ms(int timeout_ms) {
    if (timeout_ms < 0) {
        wait_until(MCU_NEVER);
    } else {
        wait_until(mcu_ticks_us() + (uint64_t)timeout_ms * 1000);
    }
}

static void delay_until(uint64_t end) {
    for (;;) {
        mp_event_handle_nowait();
        if (mcu_ticks_us() >= end) {
            return;
        }
        wait_until(end);
    }
}

void mp_hal_delay_ms(mp_uint_t ms) {
    delay_until(mcu_ticks_us() + (uint64_t)ms * 1000);
}

void mp_hal_delay_us(mp_uint_t us) {
    uint64_t end = mcu_ticks_us() + us;
    if (us >= 1000) {
        delay_until(end);
    }
    while (mcu_ticks_us() < end) {
    }
}

uint64_t mp_hal_time_ns(void) {
    return (uint64_t)(port_epoch_us + (int64_t)mcu_ticks_us()) * 1000;
}

void port_clock_init(void) {
    int seconds = mcu_semihosting(SYS_TIME, NULL);
    if (seconds != -1) {
        port_epoch_us = (int64_t)(uint32_t)seconds * 1000000 - (int64_t)mcu_ticks_us();
    }
}
