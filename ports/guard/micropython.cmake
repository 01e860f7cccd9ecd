# The same as micropython.mk, for the ports that CMake builds.
add_library(usermod_netstack INTERFACE)
target_sources(usermod_netstack INTERFACE ${CMAKE_CURRENT_LIST_DIR}/guard.c)
target_link_libraries(usermod INTERFACE usermod_netstack)
