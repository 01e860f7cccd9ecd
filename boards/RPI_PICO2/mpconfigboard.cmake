# Raspberry Pi Pico 2; which of its cores: mpconfigvariant.cmake, mpconfigvariant_RISCV.cmake.
set(PICO_BOARD "pico2")
include(${CMAKE_CURRENT_LIST_DIR}/../../ports/rp2/board.cmake)
