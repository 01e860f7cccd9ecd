# Included by the ports: what lib/manifest.py reads from the environment decides what is frozen, so
# other values than those of the last time have everything frozen anew, and names and modules counted
# anew. BUILD is set.
SWITCHES_OF := $(dir $(lastword $(MAKEFILE_LIST)))manifest.py
SWITCHES := NETSTACK NETSTACK_NATIVE $(shell grep -o 'NETSTACK_[A-Z0-9]*' $(SWITCHES_OF) | sort -u)
SWITCHED := $(foreach switch,$(SWITCHES),$(switch)=$($(switch)))
ifneq ($(SWITCHED),$(shell cat $(BUILD)/switches 2>/dev/null))
$(shell mkdir -p $(BUILD) && rm -rf $(BUILD)/frozen_mpy $(BUILD)/frozen_content.c $(BUILD)/genhdr/* && \
	echo '$(SWITCHED)' > $(BUILD)/switches)
endif
