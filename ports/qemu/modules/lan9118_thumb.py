"""The LAN9118's FIFOs, in Thumb code (datasheet: Microchip DS00002266).

Four words at a time are moved by one LDM and one STM (`data`: the assembler does not know them):
each FIFO port answers at eight addresses for that (5.1). It wants ARMv7-M, where an interrupted
LDM goes on where it was; on ARMv6-M it would start again, and what the FIFO has given would be
lost. `io` is an array of words, lan9118.py's: base address, bad frames, whether the interrupt is
off until no frame waits, its NVIC_ISER and its bit there (ARMv7-M B3.4).
"""


@micropython.asm_thumb
def rx(r0, r1, r2):
    """rx(io, buf, off): the frame's length, below 0 when no other waits; 0 when none does."""
    mov(r14, r0)  # saved on entry
    ldr(r7, [r0, 0])
    add(r1, r1, r2)
    sub(r1, 2)  # RX_CFG makes the FIFO's words start there: a word boundary
    label(NEXT)
    ldr(r3, [r7, 0x7C])  # RX_FIFO_INF: frames, in bits 16 to 23
    lsl(r3, r3, 8)
    lsr(r3, r3, 24)
    beq(EMPTY)
    ldr(r3, [r7, 0x40])  # RX status: length in bits 16 to 29, FCS included
    lsl(r4, r3, 2)
    lsr(r4, r4, 18)
    sub(r4, 4)
    mov(r12, r4)
    mov(r5, r4)
    add(r5, 5)
    asr(r5, r5, 2)  # words to keep; the FCS ends in one more
    lsl(r6, r3, 16)  # error summary: bit 15
    bmi(BAD)
    cmp(r4, 14)
    blt(BAD)
    mov(r6, 0x5F)
    lsl(r6, r6, 4)
    sub(r6, 2)  # 1518, the longest frame: one VLAN tag, no FCS
    cmp(r4, r6)
    bgt(BAD)

    sub(r5, 8)
    bcc(WORDS)
    label(EIGHT)
    data(2, 0xCF1D, 0xC11D)  # ldmia r7!, {r0, r2-r4}; stmia r1!, {r0, r2-r4}
    data(2, 0xCF1D, 0xC11D)
    sub(r7, 32)
    sub(r5, 8)
    bcs(EIGHT)
    label(WORDS)
    add(r5, 8)
    beq(FCS)
    label(WORD)
    ldr(r2, [r7, 0])
    data(2, 0xC104)  # stmia r1!, {r2}
    sub(r5, 1)
    bne(WORD)
    label(FCS)
    ldr(r2, [r7, 0])
    mov(r0, r14)
    ldr(r3, [r7, 0x7C])
    lsl(r3, r3, 8)
    lsr(r3, r3, 24)
    beq(LAST)
    mov(r0, r12)
    b(END)

    label(BAD)
    ldr(r3, [r7, 0])
    sub(r5, 1)
    bpl(BAD)
    ldr(r3, [r0, 4])
    add(r3, 1)
    str(r3, [r0, 4])
    b(NEXT)

    # The interrupt is cleared first and enabled then, before another look: a frame in between is
    # either seen here or raises the line as soon as it is armed.
    label(EMPTY)
    mov(r3, 0)
    mov(r12, r3)
    label(LAST)
    ldr(r3, [r0, 8])
    cmp(r3, 0)
    beq(NONE)
    mov(r3, 0)
    str(r3, [r0, 8])
    mov(r3, 8)
    str(r3, [r7, 0x58])  # INT_STS
    ldr(r3, [r0, 12])
    ldr(r4, [r0, 16])
    mov(r5, 0xC0)
    lsl(r5, r5, 1)
    add(r5, r5, r3)
    str(r4, [r5, 0])  # NVIC_ICPR: what was pending since; a line that is up stays so
    str(r4, [r3, 0])  # NVIC_ISER
    mov(r4, r12)
    cmp(r4, 0)
    beq(NEXT)
    ldr(r3, [r7, 0x7C])
    lsl(r3, r3, 8)
    lsr(r3, r3, 24)
    beq(NONE)
    mov(r0, r12)
    b(END)
    label(NONE)
    mov(r0, r12)
    neg(r0, r0)
    label(END)


@micropython.asm_thumb
def tx(r0, r1, r2, r3):
    """tx(io, buf, off, n) writes one frame as one TX buffer, padded with zeros to the Ethernet
    minimum: n, 0 when there is no room, -EMSGSIZE."""
    ldr(r7, [r0, 0])
    add(r1, r1, r2)
    mov(r12, r3)
    mov(r0, 0x5F)
    lsl(r0, r0, 4)
    sub(r0, 2)  # 1518
    cmp(r3, r0)
    bgt(LONG)
    mov(r4, 0x80)
    add(r4, r4, r7)
    ldr(r5, [r4, 0])  # TX_FIFO_INF: statuses in bits 16 to 23, free bytes in 0 to 15
    lsl(r4, r5, 8)
    lsr(r4, r4, 24)
    beq(READ)
    label(STATUS)
    ldr(r0, [r7, 0x48])
    sub(r4, 1)
    bne(STATUS)
    label(READ)
    mov(r4, r3)
    cmp(r4, 60)
    bge(ENOUGH)
    mov(r4, 60)
    label(ENOUGH)
    mov(r6, 3)
    and_(r6, r1)  # bytes to skip: the FIFO is filled from a word boundary on
    add(r2, r6, r4)
    add(r2, 3)
    lsr(r2, r2, 2)  # words in all
    lsl(r5, r5, 16)
    lsr(r5, r5, 18)
    sub(r5, 2)
    cmp(r5, r2)
    blt(BUSY)
    lsl(r5, r6, 16)
    orr(r5, r4)
    mov(r0, 3)
    lsl(r0, r0, 12)  # first and last segment
    orr(r5, r0)
    str(r5, [r7, 0x20])
    lsl(r5, r4, 16)
    orr(r5, r4)
    str(r5, [r7, 0x20])

    sub(r1, r1, r6)
    add(r3, r3, r6)
    lsr(r5, r3, 2)  # whole words of the frame
    sub(r2, r2, r5)
    mov(r14, r2)  # words that are left then; r14 is saved on entry
    lsl(r6, r3, 30)
    lsr(r6, r6, 27)  # bits of the frame in the first of those
    add(r7, 0x20)
    sub(r5, 8)
    bcc(WORDS)
    label(EIGHT)
    data(2, 0xC91D, 0xC71D)  # ldmia r1!, {r0, r2-r4}; stmia r7!, {r0, r2-r4}
    data(2, 0xC91D, 0xC71D)
    sub(r7, 32)
    sub(r5, 8)
    bcs(EIGHT)
    label(WORDS)
    add(r5, 8)
    beq(REST)
    label(WORD)
    data(2, 0xC904)  # ldmia r1!, {r2}
    str(r2, [r7, 0])
    sub(r5, 1)
    bne(WORD)
    label(REST)
    mov(r2, r14)
    cmp(r2, 0)
    beq(DONE)
    mov(r3, 0)
    cmp(r6, 0)
    beq(PAD)
    ldr(r3, [r1, 0])
    mov(r4, 32)
    sub(r4, r4, r6)
    lsl(r3, r4)
    lsr(r3, r4)
    label(PAD)
    str(r3, [r7, 0])
    mov(r3, 0)
    sub(r2, 1)
    bne(PAD)
    label(DONE)
    mov(r0, r12)
    b(END)
    label(LONG)
    mov(r0, 90)
    neg(r0, r0)
    b(END)
    label(BUSY)
    mov(r0, 0)
    label(END)
