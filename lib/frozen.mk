# Included by the ports: what lib/manifest.py reads from the environment decides what is frozen, so
# other values than those of the last time have everything frozen anew. BUILD is set, and FORGET may
# name what else is then to be made again. TOLD: other words that it hangs on.
SWITCHES_OF := $(dir $(lastword $(MAKEFILE_LIST)))manifest.py
SWITCHES := NETSTACK NETSTACK_NATIVE $(shell grep -o 'NETSTACK_[A-Z0-9]*' $(SWITCHES_OF) | sort -u)
SWITCHED := $(strip $(foreach switch,$(SWITCHES),$(switch)=$($(switch))) $(TOLD))
ifneq ($(SWITCHED),$(shell cat $(BUILD)/switches 2>/dev/null))
$(shell mkdir -p $(BUILD) && rm -rf $(BUILD)/frozen_mpy $(BUILD)/frozen_content.c $(FORGET) && \
	echo '$(SWITCHED)' > $(BUILD)/switches)
endif
