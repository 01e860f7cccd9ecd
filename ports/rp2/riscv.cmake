# The Hazard3 cores of an RP2350, by what Debian has: gcc-riscv64-unknown-elf and picolibc, for which
# riscv/nosys.specs is what the SDK asks a linker for.
set(PICO_PLATFORM "rp2350-riscv")
set(PICO_GCC_TRIPLE riscv64-unknown-elf)
set(PICO_CLIB picolibc)
# The environment's CFLAGS_EXTRA is for C, and for where MicroPython searches it for names. Zbs is for
# the SDK's lines of assembly alone: gcc 12 fails on py/asmrv32.c with it.
set(_march -march=rv32imac_zicsr_zifencei_zba_zbb)
set(ENV{CFLAGS_EXTRA}
    "--specs=picolibc.specs ${_march}_zbkb -mno-riscv-attribute -Wa,${_march}_zbs_zbkb")
list(APPEND MICROPY_SOURCE_BOARD ${CMAKE_CURRENT_LIST_DIR}/riscv/gmtime.c)
# There is no C++ library: the SDK's one file of that language stays empty, and libraries are named.
add_compile_definitions(PICO_CXX_DISABLE_ALLOCATION_OVERRIDES=1)
cmake_language(DEFER CALL target_link_libraries firmware -Wl,--start-group -lc -lgcc -Wl,--end-group)
# That gcc has libraries for these extensions alone, and takes 64-bit ones if told of others. -T: a
# linker script beside the port's, lest picolibc's be one; whose sections are dropped, the SDK says.
add_link_options(-B${CMAKE_CURRENT_LIST_DIR}/riscv/ -march=rv32imac -misa-spec=2.2 -T/dev/null
    -nostartfiles -nodefaultlibs -Wl,--no-gc-sections)
