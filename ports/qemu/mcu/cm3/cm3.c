// Cortex-M3 of the MPS2 AN385 image: start-up, NVIC, CMSDK UART and dual timer.
// Registers: Arm DDI 0479 (Cortex-M System Design Kit), interrupt lines: Arm DAI 0385.
// Start-up follows MicroPython's ports/qemu (MIT, Copyright 2014-2024 Damien P. George).
#include "py/mphal.h"
#include "py/runtime.h"

#define REG(addr) (*(volatile uint32_t *)(addr))

#define SYSCLK_MHZ (25)

// CMSDK UART 0.
#define UART_DATA REG(0x40004000)
#define UART_STATE REG(0x40004004)
#define UART_CTRL REG(0x40004008)
#define UART_INT REG(0x4000400c)
#define UART_BAUDDIV REG(0x40004010)
#define STATE_TXFULL (1)
#define STATE_RXFULL (2)
#define CTRL_TX_EN (1)
#define CTRL_RX_EN (2)
#define CTRL_TX_INT (4)
#define CTRL_RX_INT (8)

// CMSDK dual timer: 1 runs freely (time), 2 is the one-shot (wake-up). Both count down.
#define FREE_VALUE REG(0x40002004)
#define FREE_CTRL REG(0x40002008)
#define FREE_INTCLR REG(0x4000200c)
#define SHOT_LOAD REG(0x40002020)
#define SHOT_CTRL REG(0x40002028)
#define SHOT_INTCLR REG(0x4000202c)
#define TIMER_ONESHOT (1)
#define TIMER_32BIT (2)
#define TIMER_INT (0x20)
#define TIMER_PERIODIC (0x40)
#define TIMER_ENABLE (0x80)
#define SHOT_MAX_US (100000000u)

#define NVIC_ISER REG(0xe000e100)
#define NVIC_ICER REG(0xe000e180)
#define NVIC_ICPR REG(0xe000e280)
#define SCB_AIRCR REG(0xe000ed0c)
#define AIRCR_SYSRESETREQ (0x05fa0004)

#define IRQ_LINES (32)
#define IRQ_UART_RX (0)
#define IRQ_UART_TX (1)
#define IRQ_TIMER (10)
#define IRQ_OWN ((1u << IRQ_UART_RX) | (1u << IRQ_UART_TX) | (1u << IRQ_TIMER))

extern uint32_t _estack, _sidata, _sdata, _edata, _sbss, _ebss;
int main(void);

static uint32_t free_high;
static uint32_t free_last = 0xffffffff;

__attribute__((noreturn)) void Reset_Handler(void) {
    for (uint32_t *src = &_sidata, *dest = &_sdata; dest < &_edata;) {
        *dest++ = *src++;
    }
    for (uint32_t *dest = &_sbss; dest < &_ebss;) {
        *dest++ = 0;
    }
    main();
    mcu_reset();
}

// Frame: r0-r3, r12, lr, pc, psr. A BKPT 0xab that nobody served is a semihosting call in an
// emulator without semihosting: it answers -1.
__attribute__((used)) static void fault(uint32_t *frame, uint32_t kind) {
    if (frame[6] < (uint32_t)(uintptr_t)&_sidata && *(uint16_t *)frame[6] == 0xbeab) {
        frame[0] = 0xffffffff;
        frame[6] += 2;
        return;
    }
    mp_printf(&mp_plat_print, "\nFATAL: exception %u at pc=%08x lr=%08x psr=%08x sp=%08x\n",
        (unsigned)kind, (unsigned)frame[6], (unsigned)frame[5], (unsigned)frame[7],
        (unsigned)(uintptr_t)frame);
    mp_printf(&mp_plat_print, "r0=%08x r1=%08x r2=%08x r3=%08x cfsr=%08x bfar=%08x\n",
        (unsigned)frame[0], (unsigned)frame[1], (unsigned)frame[2], (unsigned)frame[3],
        (unsigned)REG(0xe000ed28), (unsigned)REG(0xe000ed38));
    for (;;) {
        __asm volatile ("cpsid i\n wfi");
    }
}

__attribute__((naked)) static void Fault_Handler(void) {
    __asm volatile (
        "mrs r0, msp\n"
        "mrs r1, ipsr\n"
        "b fault\n");
}

static void uart_rx(void) {
    while (UART_STATE & STATE_RXFULL) {
        if (port_uart_rx_full()) {
            return;
        }
        UART_INT = CTRL_RX_EN;
        port_uart_rx(UART_DATA);
    }
}

static void Irq_Handler(void) {
    uint32_t line;
    __asm volatile ("mrs %0, ipsr" : "=r" (line));
    line = (line & 0x1ff) - 16;
    switch (line) {
        case IRQ_UART_RX:
            uart_rx();
            break;
        case IRQ_UART_TX:
            UART_INT = CTRL_TX_EN;
            break;
        case IRQ_TIMER:
            // A wrap of the free-running timer is noticed by the read inside port_tick().
            FREE_INTCLR = 1;
            SHOT_INTCLR = 1;
            port_tick();
            break;
        default:
            NVIC_ICER = 1u << line;
            port_irq(line);
    }
}

__attribute__((section(".isr_vector"), used)) static void *const vectors[16 + IRQ_LINES] = {
    &_estack,
    Reset_Handler,
    [2 ... 14] = Fault_Handler,
    [15 ... 16 + IRQ_LINES - 1] = Irq_Handler,
};

void mcu_init(void) {
    // The fastest setting of the UART: QEMU ignores the rate but wants a valid one.
    UART_BAUDDIV = 16;
    UART_CTRL = CTRL_TX_EN | CTRL_RX_EN | CTRL_RX_INT;
    SHOT_CTRL = TIMER_32BIT | TIMER_PERIODIC;
    FREE_CTRL = TIMER_ENABLE | TIMER_32BIT | TIMER_INT;
    NVIC_ISER = (1u << IRQ_UART_RX) | (1u << IRQ_TIMER);
}

void mcu_soft_reset(void) {
}

void mcu_reset(void) {
    for (;;) {
        SCB_AIRCR = AIRCR_SYSRESETREQ;
    }
}

uint32_t mcu_irq_lock(void) {
    uint32_t state;
    __asm volatile ("mrs %0, primask\n cpsid i" : "=r" (state) :: "memory");
    return state;
}

void mcu_irq_unlock(uint32_t state) {
    __asm volatile ("msr primask, %0" :: "r" (state) : "memory");
}

void mcu_wfi(void) {
    __asm volatile ("dsb\n wfi" ::: "memory");
}

// The free-running count extended to 64 bits: its wrap interrupt (every 171 s) makes sure that
// this is called often enough.
static uint64_t ticks(void) {
    uint32_t state = mcu_irq_lock();
    uint32_t now = FREE_VALUE;
    if (now > free_last) {
        free_high++;
    }
    free_last = now;
    uint64_t result = (uint64_t)free_high << 32 | (uint32_t)~now;
    mcu_irq_unlock(state);
    return result;
}

uint64_t mcu_ticks_us(void) {
    return ticks() / SYSCLK_MHZ;
}

uint32_t mcu_ticks_ms(void) {
    return ticks() / (SYSCLK_MHZ * 1000);
}

uint32_t mcu_ticks_cpu(void) {
    return ~FREE_VALUE;
}

void mcu_wake_at(uint64_t us) {
    SHOT_CTRL = TIMER_32BIT | TIMER_PERIODIC;
    SHOT_INTCLR = 1;
    if (us == MCU_NEVER) {
        return;
    }
    uint64_t now = mcu_ticks_us();
    uint64_t delta = us > now ? us - now : 1;
    SHOT_LOAD = MIN(delta, SHOT_MAX_US) * SYSCLK_MHZ;
    SHOT_CTRL = TIMER_32BIT | TIMER_PERIODIC | TIMER_INT | TIMER_ENABLE | TIMER_ONESHOT;
}

bool mcu_irq_usable(unsigned line) {
    return line < IRQ_LINES && !(IRQ_OWN >> line & 1);
}

void mcu_irq_mask(unsigned line, bool masked) {
    if (masked) {
        NVIC_ICER = 1u << line;
    } else {
        // What was left pending since the line was last served; a line that is up stays pending.
        NVIC_ICPR = 1u << line;
        NVIC_ISER = 1u << line;
    }
}

void mcu_uart_rx_pause(bool paused) {
    mcu_irq_mask(IRQ_UART_RX, paused);
}

// A busy transmitter (a slow reader on the host) is waited for asleep.
void mcu_uart_tx(const char *str, size_t len) {
    while (len--) {
        while (UART_STATE & STATE_TXFULL) {
            uint32_t state = mcu_irq_lock();
            UART_CTRL = CTRL_TX_EN | CTRL_RX_EN | CTRL_RX_INT | CTRL_TX_INT;
            NVIC_ISER = 1u << IRQ_UART_TX;
            if (UART_STATE & STATE_TXFULL) {
                mcu_wfi();
            }
            UART_CTRL = CTRL_TX_EN | CTRL_RX_EN | CTRL_RX_INT;
            mcu_irq_unlock(state);
        }
        UART_DATA = *str++;
    }
}

int mcu_semihosting(int op, const void *arg) {
    register int r0 __asm("r0") = op;
    register const void *r1 __asm("r1") = arg;
    __asm volatile ("bkpt 0xab" : "+r" (r0) : "r" (r1) : "memory");
    return r0;
}
