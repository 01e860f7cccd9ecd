# Raspberry Pi Pico 2 W; which of its cores: mpconfigvariant.cmake, mpconfigvariant_RISCV.cmake.
set(PICO_BOARD "pico2_w")
include(${CMAKE_CURRENT_LIST_DIR}/../../ports/rp2/board.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/../../ports/rp2/cyw43/board.cmake)
