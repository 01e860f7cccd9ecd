# TLS of every port, as a user C module: upstream's `tls` with what our `ssl` needs besides.
# MICROPY_SSL_MBEDTLS=1 has it compiled; config.h says what of mbedTLS there is.
#
#   NETSTACK_TLS_IN   the longest record that a peer may send, in bytes (default 16384)
ifeq ($(MICROPY_SSL_MBEDTLS),1)
SRC_USERMOD_C += $(USERMOD_DIR)/_ssl.c
CFLAGS_USERMOD += -I$(USERMOD_DIR) $(if $(NETSTACK_TLS_IN),-DNETSTACK_TLS_IN=$(NETSTACK_TLS_IN))
QSTR_GLOBAL_DEPENDENCIES += $(USERMOD_DIR)/config.h

# _ssl.c includes upstream's modtls_mbedtls.c, so that alone has nothing to compile.
$(BUILD)/extmod/modtls_mbedtls.o: CFLAGS += -UMICROPY_SSL_MBEDTLS
$(BUILD)/$(notdir $(USERMOD_DIR))/_ssl.o: CFLAGS += -I$(TOP)/lib/mbedtls/library

# Objects do not know by which header and flags they were made: others have them made anew.
TLS_FLAGS := TLS $(MBEDTLS_CONFIG_FILE) $(NETSTACK_TLS_IN) \
	$(shell cksum <$(USERMOD_DIR)/config.h)
ifneq ($(TLS_FLAGS),$(shell cat $(BUILD)/tls_flags 2>/dev/null))
$(shell mkdir -p $(BUILD) && rm -rf $(BUILD)/lib/mbedtls $(BUILD)/extmod/modtls_mbedtls.o \
	$(BUILD)/$(notdir $(USERMOD_DIR)) $(BUILD)/genhdr/qstr.i.last && \
	echo '$(TLS_FLAGS)' > $(BUILD)/tls_flags)
endif
endif
