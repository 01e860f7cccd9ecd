# What the RP2 boards have in common. MICROPY_PY_NETWORK and MICROPY_PY_LWIP stay off: `network` and
# `socket` are netstack's.
set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)
list(APPEND MICROPY_DEF_BOARD MICROPY_PY_SSL=1)

# That compiler's long jumps on a Cortex-M0+ load where to from a word in the code, and mpy-tool.py of
# 1.25 puts code on any halfword: `aligned (2)` becomes a word.
if(PICO_PLATFORM STREQUAL "rp2040")
    set_source_files_properties(${CMAKE_BINARY_DIR}/frozen_content.c
        PROPERTIES COMPILE_OPTIONS "-Daligned(n)=__aligned__(4)")
endif()
