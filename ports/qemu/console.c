// The console UART as stdin and stdout. Reception is interrupt driven and loses nothing: when
// the ring is full the byte stays in the UART and QEMU holds the rest back.
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "extmod/misc.h"

#define RX_SIZE (4096)

static uint8_t rx_ring[RX_SIZE];
static volatile uint32_t rx_head, rx_tail;
static volatile bool rx_paused;

static uint8_t dupterm_ring[260];
ringbuf_t stdin_ringbuf = { dupterm_ring, sizeof(dupterm_ring) };

bool port_uart_rx_full(void) {
    if (rx_head - rx_tail < RX_SIZE) {
        return false;
    }
    rx_paused = true;
    mcu_uart_rx_pause(true);
    port_event();
    return true;
}

void port_uart_rx(uint8_t c) {
    if (c == mp_interrupt_char) {
        mp_sched_keyboard_interrupt();
    } else {
        rx_ring[rx_head++ % RX_SIZE] = c;
    }
    port_event();
}

static int rx_get(void) {
    if (rx_head == rx_tail) {
        return -1;
    }
    int c = rx_ring[rx_tail++ % RX_SIZE];
    if (rx_paused && rx_head - rx_tail <= RX_SIZE / 2) {
        rx_paused = false;
        mcu_uart_rx_pause(false);
    }
    return c;
}

int mp_hal_stdin_rx_chr(void) {
    for (;;) {
        int c = rx_get();
        if (c >= 0) {
            return c;
        }
        #if MICROPY_PY_OS_DUPTERM
        c = ringbuf_get(&stdin_ringbuf);
        if (c >= 0) {
            return c;
        }
        c = mp_os_dupterm_rx_chr();
        if (c >= 0) {
            return c;
        }
        #endif
        mp_event_wait_indefinite();
    }
}

mp_uint_t mp_hal_stdout_tx_strn(const char *str, size_t len) {
    mcu_uart_tx(str, len);
    #if MICROPY_PY_OS_DUPTERM
    mp_os_dupterm_tx_strn(str, len);
    #endif
    return len;
}

uintptr_t mp_hal_stdio_poll(uintptr_t poll_flags) {
    uintptr_t ready = poll_flags & MP_STREAM_POLL_WR;
    if ((poll_flags & MP_STREAM_POLL_RD) && rx_head != rx_tail) {
        ready |= MP_STREAM_POLL_RD;
    }
    #if MICROPY_PY_OS_DUPTERM
    if ((poll_flags & MP_STREAM_POLL_RD) && ringbuf_avail(&stdin_ringbuf)) {
        ready |= MP_STREAM_POLL_RD;
    }
    ready |= mp_os_dupterm_poll(poll_flags);
    #endif
    return ready;
}
