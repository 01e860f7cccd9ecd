# Raspberry Pi Pico W. Without a path to its driver the SDK does not build one.
set(PICO_BOARD "pico_w")
set(PICO_PLATFORM "rp2040")
include(${CMAKE_CURRENT_LIST_DIR}/../../ports/rp2/board.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/../../ports/rp2/cyw43/board.cmake)
