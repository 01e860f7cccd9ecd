# What boards with a CYW43439 have in common. MicroPython's own driver for it needs lwIP and stays out;
# its Pin("LED") asks only whether that macro is defined.
set(PICO_CYW43_DRIVER_PATH ${MICROPY_DIR}/lib/cyw43-driver)
list(APPEND MICROPY_DEF_BOARD
    CYW43_CONFIG_FILE=\"cyw43_raw_config.h\"
    MICROPY_PY_NETWORK_CYW43=0
)
