# The board's chip, for ports/rp2/Makefile.
CHIP := RP2350
USER_C_MODULES := $(abspath cyw43/micropython.cmake)
