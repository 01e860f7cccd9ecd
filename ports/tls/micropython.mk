# TLS of every port, as a user C module: upstream's `tls` with what our `ssl` needs besides.
# MICROPY_SSL_MBEDTLS=1 has it compiled; config.h says what of mbedTLS there is.
#
#   NETSTACK_TLS_IN   the longest record that a peer may send, in bytes (default 16384)
#   NETSTACK_TLS13    1: TLS 1.3 as well as 1.2
ifeq ($(MICROPY_SSL_MBEDTLS),1)
SRC_USERMOD_C += $(USERMOD_DIR)/_ssl.c
CFLAGS_USERMOD += -I$(USERMOD_DIR) $(if $(NETSTACK_TLS_IN),-DNETSTACK_TLS_IN=$(NETSTACK_TLS_IN))
ifeq ($(NETSTACK_TLS13),1)
CFLAGS_USERMOD += -DNETSTACK_TLS13=1
SRC_THIRDPARTY_C += $(addprefix lib/mbedtls/library/, hkdf.c psa_crypto.c psa_crypto_aead.c \
	psa_crypto_cipher.c psa_crypto_client.c psa_crypto_driver_wrappers_no_static.c \
	psa_crypto_ecp.c psa_crypto_ffdh.c psa_crypto_hash.c psa_crypto_mac.c psa_crypto_pake.c \
	psa_crypto_random.c psa_crypto_rsa.c psa_crypto_slot_management.c psa_util.c \
	ssl_tls13_client.c ssl_tls13_generic.c ssl_tls13_keys.c ssl_tls13_server.c)
endif
QSTR_GLOBAL_DEPENDENCIES += $(USERMOD_DIR)/config.h

# _ssl.c includes upstream's modtls_mbedtls.c, so that alone has nothing to compile.
$(BUILD)/extmod/modtls_mbedtls.o: CFLAGS += -UMICROPY_SSL_MBEDTLS
$(BUILD)/$(notdir $(USERMOD_DIR))/_ssl.o: CFLAGS += -I$(TOP)/lib/mbedtls/library

# Objects do not know by which header and flags they were made: others have them made anew.
TLS_FLAGS := TLS $(MBEDTLS_CONFIG_FILE) $(NETSTACK_TLS_IN) $(NETSTACK_TLS13) \
	$(shell cksum <$(USERMOD_DIR)/config.h)
ifneq ($(TLS_FLAGS),$(shell cat $(BUILD)/tls_flags 2>/dev/null))
$(shell mkdir -p $(BUILD) && rm -rf $(BUILD)/lib/mbedtls $(BUILD)/extmod/modtls_mbedtls.o \
	$(BUILD)/$(notdir $(USERMOD_DIR)) $(BUILD)/genhdr/qstr.i.last && \
	echo '$(TLS_FLAGS)' > $(BUILD)/tls_flags)
endif
endif
