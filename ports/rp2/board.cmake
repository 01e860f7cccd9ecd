# What the RP2 boards have in common. MICROPY_PY_NETWORK and MICROPY_PY_LWIP stay off: `network` and
# `socket` are netstack's.
set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)

# What make was told, in words, by lib/frozen.mk: with other switches cmake runs again.
set(_switches ${CMAKE_BINARY_DIR}/switches)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${_switches})
file(READ ${_switches} _told)
if(_told MATCHES "NETSTACK_TLS=0")
    list(APPEND MICROPY_DEF_BOARD MICROPY_PY_SSL=0)
else()
    list(APPEND MICROPY_DEF_BOARD MICROPY_PY_SSL=1)
endif()

# Frames of Python functions lie in front of the C stack: pystack.c.
list(APPEND MICROPY_DEF_BOARD MICROPY_ENABLE_PYSTACK=1)
list(APPEND MICROPY_SOURCE_BOARD ${CMAKE_CURRENT_LIST_DIR}/pystack.c)
cmake_language(DEFER CALL target_link_options firmware PRIVATE
    -Wl,--wrap=mp_init -Wl,--wrap=mp_pystack_init -Wl,--wrap=mp_pystack_alloc
    -Wl,--wrap=mp_cstack_check -Wl,--wrap=mp_thread_gc_others -Wl,--wrap=mp_thread_create
    -Wl,--wrap=mp_thread_deinit)

# Buffers of upstream's and the C library's that can be smaller.
list(APPEND MICROPY_SOURCE_BOARD ${CMAKE_CURRENT_LIST_DIR}/spare.c)
cmake_language(DEFER CALL target_link_options firmware PRIVATE -Wl,--wrap=lfs2_mount)

# Where a name was found last is noted by a hash of it. The stack has more names in use than 128.
list(APPEND MICROPY_DEF_BOARD MICROPY_OPT_MAP_LOOKUP_CACHE_SIZE=512)

# Frozen modules are objects in flash: rom.c, which takes the place of frozen_content.c, objtype.c and
# modio.c.
set(_rom ${CMAKE_CURRENT_LIST_DIR}/rom)
file(GLOB _modules ${MICROPY_DIR}/py/mod*.c ${MICROPY_DIR}/extmod/mod*.c
    ${MICROPY_PORT_DIR}/mod*.c)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/frozen_rom.h
    COMMAND ${Python3_EXECUTABLE} ${_rom}.py frozen_content.c genhdr/qstrdefs.generated.h
        frozen_rom.h ${_modules}
    DEPENDS ${_rom}.py ${CMAKE_BINARY_DIR}/frozen_content.c)
set_source_files_properties(${CMAKE_BINARY_DIR}/frozen_content.c
    ${MICROPY_DIR}/py/objtype.c ${MICROPY_DIR}/py/modio.c PROPERTIES HEADER_FILE_ONLY ON)
set_source_files_properties(${_rom}.c PROPERTIES OBJECT_DEPENDS ${CMAKE_BINARY_DIR}/frozen_rom.h)
cmake_language(DEFER CALL target_sources firmware PRIVATE ${_rom}.c)
cmake_language(DEFER CALL target_link_options firmware PRIVATE
    -Wl,--wrap=mp_obj_new_module -Wl,--wrap=mp_raw_code_load_file
    -Wl,--wrap=mp_make_function_from_proto_fun -Wl,--wrap=mp_make_closure_from_proto_fun
    -Wl,--wrap=mp_load_build_class
    -Wl,--wrap=mp_store_attr -Wl,--wrap=mp_obj_dict_store -Wl,--wrap=mp_obj_dict_delete)

# That compiler's long jumps on a Cortex-M0+ load where to from a word in the code, and mpy-tool.py of
# 1.25 puts code on any halfword: `aligned (2)` becomes a word. thumb.py makes the code shorter.
if(PICO_PLATFORM STREQUAL "rp2040")
    set(_thumb ${CMAKE_CURRENT_LIST_DIR}/thumb.py)
    set(_short ${CMAKE_BINARY_DIR}/frozen_short.c)
    add_custom_command(OUTPUT ${_short}
        COMMAND ${Python3_EXECUTABLE} ${_thumb} frozen_content.c frozen_short.c
        DEPENDS ${_thumb} ${CMAKE_BINARY_DIR}/frozen_content.c)
    set_property(SOURCE ${_rom}.c APPEND PROPERTY OBJECT_DEPENDS ${_short})
    set_source_files_properties(${_rom}.c PROPERTIES
        COMPILE_OPTIONS "-Daligned(n)=__aligned__(4)" COMPILE_DEFINITIONS "FROZEN=\"frozen_short.c\"")
endif()

# An interrupt has the network polled on top of whatever the program is in: 8 kB, or the 12 of an
# RP2350, are too little for both. There are 16, frames of Python functions included, which begin
# where the heap ends.
if(PICO_PLATFORM STREQUAL "rp2040")
    set(_script memmap_mp_rp2040.ld)
    set(_old_heap "__GcHeapEnd = ORIGIN(RAM) + LENGTH(RAM);")
    set(_new_heap "__GcHeapEnd = ORIGIN(RAM) + LENGTH(RAM) - 8K;")
    set(_old_stack "__StackBottom = __StackTop - SIZEOF(.stack_dummy);")
    set(_new_stack "__StackBottom = __GcHeapEnd;")
else()
    set(_script memmap_mp_rp2350.ld)
    set(_old_heap "__GcHeapEnd = ORIGIN(RAM) + LENGTH(RAM) - __micropy_extra_stack__;")
    set(_new_heap "__GcHeapEnd = ORIGIN(RAM) + LENGTH(RAM) - 8K;")
    set(_old_stack "__StackBottom = __GcHeapEnd;")
    set(_new_stack "${_old_stack}")
endif()
file(READ ${MICROPY_PORT_DIR}/${_script} _text)
foreach(_part heap stack)
    string(FIND "${_text}" "${_old_${_part}}" _at)
    if(_at EQUAL -1)
        message(FATAL_ERROR "${_script} of this MicroPython does not say: ${_old_${_part}}")
    endif()
    string(REPLACE "${_old_${_part}}" "${_new_${_part}}" _text "${_text}")
endforeach()
file(WRITE ${CMAKE_BINARY_DIR}/memmap.ld "${_text}")
cmake_language(DEFER CALL pico_set_linker_script firmware ${CMAKE_BINARY_DIR}/memmap.ld)
