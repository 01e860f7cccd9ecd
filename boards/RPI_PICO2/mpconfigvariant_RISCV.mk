# The chip's other cores, for ports/rp2/Makefile.
CHIP := RP2350_RISCV
