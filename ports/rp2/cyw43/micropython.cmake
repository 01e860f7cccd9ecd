# The CYW43439 of a Pico W as a user C module: cyw43-driver of MicroPython's tree, without lwIP.
add_library(usermod_cyw43_raw INTERFACE)
target_sources(usermod_cyw43_raw INTERFACE
    ${CMAKE_CURRENT_LIST_DIR}/cyw43_raw.c
    ${MICROPY_DIR}/ports/rp2/machine_pin_cyw43.c
)
target_include_directories(usermod_cyw43_raw INTERFACE
    ${CMAKE_CURRENT_LIST_DIR}
    ${MICROPY_DIR}/lib/cyw43-driver
    ${MICROPY_DIR}/lib/cyw43-driver/src
    ${MICROPY_DIR}/lib/cyw43-driver/firmware
    ${PICO_SDK_PATH}/src/rp2_common/pico_cyw43_driver/include
)
target_link_libraries(usermod INTERFACE usermod_cyw43_raw)
# Not through `usermod`, whose sources MicroPython searches for names: all of the SDK would be.
cmake_language(DEFER CALL target_link_libraries ${MICROPY_TARGET} cyw43_driver_picow)
