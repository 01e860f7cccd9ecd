// What the port needs from a processor and its board; mcu/<name>/ implements it.
#ifndef NETSTACK_QEMU_MCU_H
#define NETSTACK_QEMU_MCU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MCU_IRQ_LINES (64)
#define MCU_NEVER (UINT64_MAX)

void mcu_init(void);
void mcu_soft_reset(void);
void mcu_reset(void) __attribute__((noreturn));
uint32_t mcu_irq_lock(void);
void mcu_irq_unlock(uint32_t state);
void mcu_wfi(void);

// Time since reset; mcu_wake_at() asks for one tick interrupt at that time.
uint64_t mcu_ticks_us(void);
uint32_t mcu_ticks_ms(void);
uint32_t mcu_ticks_cpu(void);
void mcu_wake_at(uint64_t us);

// Interrupt lines that Python may use; false for a line that is not there or is the port's own.
bool mcu_irq_usable(unsigned line);
void mcu_irq_mask(unsigned line, bool masked);

// Console UART: receive interrupts pause while the port cannot take more bytes.
void mcu_uart_rx_pause(bool paused);
void mcu_uart_tx(const char *str, size_t len);

// ARM/RISC-V semihosting call; -1 when the emulator runs without semihosting.
int mcu_semihosting(int op, const void *arg);

// Called by mcu/<name>/ in interrupt context.
bool port_uart_rx_full(void);
void port_uart_rx(uint8_t c);
void port_tick(void);
void port_irq(unsigned line);

#endif
