/* Reset entry. Follows MicroPython's ports/qemu (MIT, Copyright 2023 Alessandro Gatti). */
        .section .start, "ax"
        .global start
start:
        .option push
        .option norelax
        la   gp, __global_pointer$
        .option pop
        csrw mie, zero
        la   sp, _estack
        la   t0, trap
        csrw mtvec, t0
        la   t1, _sbss
        la   t2, _ebss
1:      sw   zero, (t1)
        addi t1, t1, 4
        bltu t1, t2, 1b
        tail reset

/* Semihosting: three uncompressed instructions on one page. Without a host the ebreak traps and
   trap() (rv32.c) steps over it with the answer in semihosting_failed. */
        .text
        .balign 16
        .option norvc
        .global semihosting_call
        .global semihosting_ebreak
semihosting_call:
        slli zero, zero, 0x1f
semihosting_ebreak:
        ebreak
        srai zero, zero, 7
        ret
