# The netstack variant of MicroPython's unix port: upstream's own sockets off, ours frozen in.
PROG ?= micropython
FROZEN_MANIFEST ?= $(VARIANT_DIR)/manifest.py
include $(VARIANT_DIR)/../../lib/frozen.mk
QSTR_GLOBAL_DEPENDENCIES += $(VARIANT_DIR)/../errnos.h

# `import socket` must find lib/socket.py, so upstream's C module of that name is left out.
MICROPY_PY_SOCKET = 0

# TLS by mbedTLS (modules `tls` and `_ssl`); the btree database needs a submodule nothing here uses.
MICROPY_PY_SSL = 1
MICROPY_SSL_AXTLS = 0
MICROPY_SSL_MBEDTLS = 1
MBEDTLS_CONFIG_FILE = \"tls_config.h\"
NETSTACK_TLS13 ?= 1
MICROPY_PY_BTREE = 0

# C of every port: tls, guard.
USER_C_MODULES = $(VARIANT_DIR)/..

# Frozen viper code is machine code of the host.
MPY_CROSS_FLAGS += -march=host

# tap.py finds these by ffi.
LDFLAGS_EXTRA += -Wl,--export-dynamic-symbol=netstack_watch
LDFLAGS_EXTRA += -Wl,--export-dynamic-symbol=netstack_unwatch
LDFLAGS_EXTRA += -Wl,--export-dynamic-symbol=netstack_on_wait
LDFLAGS_EXTRA += -Wl,--export-dynamic-symbol=netstack_sleep
LDFLAGS_EXTRA += -Wl,--export-dynamic-symbol=netstack_rouse
LDFLAGS_EXTRA += -Wl,--export-dynamic-symbol=netstack_recv
LDFLAGS_EXTRA += -Wl,--export-dynamic-symbol=netstack_send

# wait.c keeps the stack running while a program waits: in select.poll(), for which it has to know
# which descriptors are asked, at the REPL's prompt, in time.sleep() and where it reads a file.
LDFLAGS_EXTRA += -Wl,--wrap=poll -Wl,--wrap=mp_hal_stdin_rx_chr -Wl,--wrap=select
%/extmod/modselect.o: CFLAGS += -include $(VARIANT_DIR)/select.h
%/extmod/vfs_posix_file.o: CFLAGS += -include $(VARIANT_DIR)/file.h

# Upstream's stacks for the frames of Python functions are too small: port.c has others.
LDFLAGS_EXTRA += -Wl,--wrap=mp_pystack_init

# The state of a thread is found without pthread_getspecific(): port.c.
LDFLAGS_EXTRA += -Wl,--wrap=mp_thread_get_state -Wl,--wrap=mp_thread_set_state

# Upstream compiles for size, all but the interpreter's loop and the heap.
COPT ?= -O2
