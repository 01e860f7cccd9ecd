# Its Hazard3 cores, which are RISC-V.
set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest_RISCV.py)
include(${MICROPY_BOARD_DIR}/../../ports/rp2/riscv.cmake)
