# Arm MPS2 with the AN385 FPGA image, as QEMU's mps2-an385.
MCU = cm3

# Bytes for Python objects (at most 3.5 MB: they share SSRAM 2 and 3 with the firmware's data)
# and for files.
MICROPY_HW_HEAP_SIZE ?= 2097152
MICROPY_HW_FLASH_SIZE ?= 524288
