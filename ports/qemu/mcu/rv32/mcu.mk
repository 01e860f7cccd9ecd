# RV32IMAC of QEMU's virt machine: NS16550, CLINT, PLIC.
CROSS_COMPILE ?= riscv64-unknown-elf-
CROSS_PACKAGE = gcc-riscv64-unknown-elf (and picolibc-riscv64-unknown-elf)
MPY_CROSS_FLAGS += -march=rv32imc

# Naming the extension zicsr makes gcc 12 pick its 64-bit libraries; ISA spec 2.2 has it in "i".
RV32_FLAGS = -march=rv32imac -misa-spec=2.2 -mabi=ilp32
AFLAGS += -march=rv32imac -misa-spec=2.2 -mabi=ilp32
PICOLIBC_SPECS := $(wildcard $(shell $(CC) --print-file-name=picolibc.specs 2>/dev/null))
CFLAGS += $(RV32_FLAGS) $(if $(PICOLIBC_SPECS),--specs=$(PICOLIBC_SPECS))
LDFLAGS += $(RV32_FLAGS) $(if $(PICOLIBC_SPECS),--specs=$(PICOLIBC_SPECS)) -Wl,--no-warn-rwx-segments

SRC_C += mcu/rv32/rv32.c
SRC_O += mcu/rv32/start.o shared/runtime/gchelper_native.o shared/runtime/gchelper_rv32i.o
