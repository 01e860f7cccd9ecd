# WIZnet W5100S-EVB-Pico; the SDK has one definition for both of WIZnet's boards.
set(PICO_BOARD "wiznet_w5100s_evb_pico")
set(PICO_PLATFORM "rp2040")
include(${CMAKE_CURRENT_LIST_DIR}/../../ports/rp2/board.cmake)
