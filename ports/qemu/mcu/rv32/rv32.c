// RV32IMAC hart of QEMU's virt machine: traps, CLINT (time), PLIC (interrupt lines), NS16550
// UART and the test device that resets the machine. Addresses: QEMU hw/riscv/virt.c.
#include "py/mphal.h"
#include "py/runtime.h"

#define REG(addr) (*(volatile uint32_t *)(addr))
#define REG8(addr) (*(volatile uint8_t *)(addr))

#define TEST_DEVICE REG(0x00100000)
#define TEST_RESET (0x7777)

// CLINT: a 10 MHz counter and its compare register, two words each.
#define MTIMECMP_LOW REG(0x02004000)
#define MTIMECMP_HIGH REG(0x02004004)
#define MTIME_LOW REG(0x0200bff8)
#define MTIME_HIGH REG(0x0200bffc)
#define MTIME_MHZ (10)

// PLIC, context 0: machine mode of hart 0.
#define PLIC_PRIORITY(line) REG(0x0c000000 + 4 * (line))
#define PLIC_ENABLE(line) REG(0x0c002000 + 4 * ((line) / 32))
#define PLIC_THRESHOLD REG(0x0c200000)
#define PLIC_CLAIM REG(0x0c200004)

#define UART_RBR REG8(0x10000000)
#define UART_THR REG8(0x10000000)
#define UART_IER REG8(0x10000001)
#define UART_FCR REG8(0x10000002)
#define UART_LCR REG8(0x10000003)
#define UART_LSR REG8(0x10000005)
#define LSR_DATA (0x01)
#define LSR_THRE (0x20)
#define IER_RX (0x01)
#define IER_TX (0x02)

#define IRQ_LINES (54)
#define IRQ_UART (10)

// virtio-mmio slots: a device writes into memory by itself, until its status is set to 0.
#define VIRTIO_SLOT(n) (0x10001000 + 0x1000 * (n))
#define VIRTIO_SLOTS (8)
#define VIRTIO_MAGIC (0x74726976)

#define MIE_MTIE (1u << 7)
#define MIE_MEIE (1u << 11)
#define MSTATUS_MIE (1u << 3)
#define CAUSE_INTERRUPT (1u << 31)
#define CAUSE_TIMER (CAUSE_INTERRUPT | 7)
#define CAUSE_EXTERNAL (CAUSE_INTERRUPT | 11)
#define CAUSE_BREAKPOINT (3)

#define CSR_READ(csr) ({ uint32_t v_; __asm volatile ("csrr %0, " #csr : "=r" (v_)); v_; })
#define CSR_WRITE(csr, v) __asm volatile ("csrw " #csr ", %0" :: "r" (v) : "memory")

int main(void);
extern uint8_t semihosting_ebreak;
static volatile bool semihosting_failed;
static uint8_t uart_ier = IER_RX;

static void uart_interrupt(void) {
    while (UART_LSR & LSR_DATA) {
        if (port_uart_rx_full()) {
            return;
        }
        port_uart_rx(UART_RBR);
    }
}

static void external_interrupt(void) {
    uint32_t line;
    while ((line = PLIC_CLAIM) != 0) {
        if (line == IRQ_UART) {
            uart_interrupt();
            PLIC_CLAIM = line;
        } else {
            // Completed first: a completion of a disabled line would be ignored.
            PLIC_CLAIM = line;
            mcu_irq_mask(line, true);
            port_irq(line);
        }
    }
}

__attribute__((noreturn)) static void fault(uint32_t cause) {
    mp_printf(&mp_plat_print, "\nFATAL: trap %u at pc=%08x mtval=%08x sp=%08x\n", (unsigned)cause,
        (unsigned)CSR_READ(mepc), (unsigned)CSR_READ(mtval),
        (unsigned)(uintptr_t)__builtin_frame_address(0));
    for (;;) {
        CSR_WRITE(mie, 0);
        mcu_wfi();
    }
}

__attribute__((interrupt("machine"), aligned(4), used)) void trap(void) {
    uint32_t cause = CSR_READ(mcause);
    if (cause == CAUSE_TIMER) {
        port_tick();
    } else if (cause == CAUSE_EXTERNAL) {
        external_interrupt();
    } else if (cause == CAUSE_BREAKPOINT
               && CSR_READ(mepc) == (uint32_t)(uintptr_t)&semihosting_ebreak) {
        semihosting_failed = true;
        CSR_WRITE(mepc, CSR_READ(mepc) + 4);
    } else {
        fault(cause);
    }
}

__attribute__((noreturn, used)) void reset(void) {
    main();
    mcu_reset();
}

void mcu_init(void) {
    mcu_wake_at(MCU_NEVER);
    UART_LCR = 3;
    UART_FCR = 7;
    UART_IER = uart_ier;
    PLIC_THRESHOLD = 0;
    PLIC_PRIORITY(IRQ_UART) = 1;
    mcu_irq_mask(IRQ_UART, false);
    CSR_WRITE(mie, MIE_MTIE | MIE_MEIE);
    mcu_irq_unlock(MSTATUS_MIE);
}

void mcu_soft_reset(void) {
    for (int i = 0; i < VIRTIO_SLOTS; i++) {
        uintptr_t slot = VIRTIO_SLOT(i);
        if (REG(slot) == VIRTIO_MAGIC && REG(slot + 8) != 0) {
            REG(slot + 0x70) = 0;
        }
    }
}

void mcu_reset(void) {
    for (;;) {
        TEST_DEVICE = TEST_RESET;
    }
}

uint32_t mcu_irq_lock(void) {
    uint32_t state;
    __asm volatile ("csrrci %0, mstatus, 8" : "=r" (state) :: "memory");
    return state & MSTATUS_MIE;
}

void mcu_irq_unlock(uint32_t state) {
    __asm volatile ("csrs mstatus, %0" :: "r" (state & MSTATUS_MIE) : "memory");
}

void mcu_wfi(void) {
    __asm volatile ("wfi" ::: "memory");
}

static uint64_t ticks(void) {
    uint32_t high, low;
    do {
        high = MTIME_HIGH;
        low = MTIME_LOW;
    } while (high != MTIME_HIGH);
    return (uint64_t)high << 32 | low;
}

uint64_t mcu_ticks_us(void) {
    return ticks() / MTIME_MHZ;
}

uint32_t mcu_ticks_ms(void) {
    return ticks() / (MTIME_MHZ * 1000);
}

uint32_t mcu_ticks_cpu(void) {
    return CSR_READ(mcycle);
}

void mcu_wake_at(uint64_t us) {
    uint64_t at = us > MCU_NEVER / MTIME_MHZ ? MCU_NEVER : us * MTIME_MHZ;
    MTIMECMP_HIGH = 0xffffffff;
    MTIMECMP_LOW = (uint32_t)at;
    MTIMECMP_HIGH = at >> 32;
}

bool mcu_irq_usable(unsigned line) {
    return line > 0 && line < IRQ_LINES && line != IRQ_UART;
}

void mcu_irq_mask(unsigned line, bool masked) {
    uint32_t state = mcu_irq_lock();
    if (masked) {
        PLIC_ENABLE(line) &= ~(1u << (line % 32));
    } else {
        PLIC_PRIORITY(line) = 1;
        PLIC_ENABLE(line) |= 1u << (line % 32);
    }
    mcu_irq_unlock(state);
}

// By the UART's own enable bit, not the PLIC's: QEMU's PLIC notices only edges, and this makes
// one.
void mcu_uart_rx_pause(bool paused) {
    uart_ier = paused ? 0 : IER_RX;
    UART_IER = uart_ier;
}

// A busy transmitter (a slow reader on the host) is waited for asleep.
void mcu_uart_tx(const char *str, size_t len) {
    while (len--) {
        while (!(UART_LSR & LSR_THRE)) {
            uint32_t state = mcu_irq_lock();
            UART_IER = uart_ier | IER_TX;
            if (!(UART_LSR & LSR_THRE)) {
                mcu_wfi();
            }
            UART_IER = uart_ier;
            mcu_irq_unlock(state);
        }
        UART_THR = *str++;
    }
}

int mcu_semihosting(int op, const void *arg) {
    register int a0 __asm("a0") = op;
    register const void *a1 __asm("a1") = arg;
    semihosting_failed = false;
    __asm volatile ("call semihosting_call" : "+r" (a0) : "r" (a1) : "memory", "ra");
    return semihosting_failed ? -1 : a0;
}
