# What tells which sockets are garbage, as a user C module: lib/netstack/api/drop.py.
ifneq ($(NETSTACK),0)
SRC_USERMOD_C += $(USERMOD_DIR)/guard.c
endif
