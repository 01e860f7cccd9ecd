# Raspberry Pi Pico 2, its Cortex-M33 cores.
set(PICO_BOARD "pico2")
set(PICO_PLATFORM "rp2350")
include(${CMAKE_CURRENT_LIST_DIR}/../../ports/rp2/board.cmake)
