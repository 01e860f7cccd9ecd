# RV32IMAC on QEMU's virt machine.
MCU = rv32

# Bytes for Python objects (at most 14 MB) and for files.
MICROPY_HW_HEAP_SIZE ?= 2097152
MICROPY_HW_FLASH_SIZE ?= 524288
