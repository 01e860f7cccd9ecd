# What the RP2 boards have in common. MICROPY_PY_NETWORK and MICROPY_PY_LWIP stay off: `network` and
# `socket` are netstack's.
set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)
list(APPEND MICROPY_DEF_BOARD MICROPY_PY_SSL=1)
