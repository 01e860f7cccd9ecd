# The only entry point: `make help` lists what there is.
#
#   BOARD=<name>        which firmware: MPS2_AN385 (default), VIRT_RV32, W5500_EVB_PICO,
#                       W5100S_EVB_PICO, RPI_PICO, RPI_PICO2, RPI_PICO_W or RPI_PICO2_W
#   BOARD_VARIANT=RISCV RPI_PICO2 and RPI_PICO2_W: for their RISC-V cores
#   LEAN=1              firmware, test-hw: the least flash: IPv4, TCP, UDP, DHCP, DNS, sockets, asyncio
#   MICROPY_DIR=<tree>  a MicroPython source tree of your own instead of Debian's 1.25
#   OUT=<directory>     where products go instead of build/
#   NETSTACK_APT=0      install no Debian packages
#   PORT=<port>         flash, repl, test-hw: a real board's serial port
#   DRIVE=<directory>   flash: where the drive of a board in boot mode is mounted
#   MODULE=enc28j60     test-hw: what an emulated RPI_PICO has on its pins; w5500, w5100s
#   QUICK=1             bench: one short run
#   README=1            bench: put the table into README.md

BOARD ?= MPS2_AN385
PYTHON ?= python3
OUT ?= build
TESTS ?= tests
PYTEST_FLAGS ?= -ra -n 2

QEMU_BOARDS := MPS2_AN385 VIRT_RV32
RP2_BOARDS := W5500_EVB_PICO W5100S_EVB_PICO RPI_PICO RPI_PICO2 RPI_PICO_W RPI_PICO2_W

# `override`: a relative path given on the command line must hold in sub-makes elsewhere as well.
ROOT := $(CURDIR)
override OUT := $(abspath $(OUT))
ifdef MICROPY_DIR
override MICROPY_DIR := $(abspath $(MICROPY_DIR))
TREE := --tree $(MICROPY_DIR)
else
MICROPY_DIR := $(ROOT)/build/micropython
endif

SETUP := $(PYTHON) tools/setup.py
ifneq ($(filter $(BOARD),$(RP2_BOARDS)),)
FAMILY := rp2
PACKAGES := rp2 venv $(addprefix rp2-,$(BOARD_VARIANT))
else
FAMILY := qemu
PACKAGES := $(BOARD)
endif
PRODUCTS := $(OUT)/$(BOARD)$(addprefix -,$(BOARD_VARIANT))
ifeq ($(LEAN),1)
NETSTACK_EXTRAS ?= 0
NETSTACK_IPV6 ?= 0
NETSTACK_NATIVE ?= 0
NETSTACK_TLS ?= 0
export NETSTACK_EXTRAS NETSTACK_IPV6 NETSTACK_NATIVE NETSTACK_TLS
endif
MPY_CROSS := $(OUT)/mpy-cross/mpy-cross
MPY_OUT ?= $(OUT)/mpy
SUB := +@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
# Tests that call make shall not inherit the flags and variables of this one.
CLEAN_ENV := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES

# The tree under build/ is no git clone: without this its version would be read from our commits.
export GIT_CEILING_DIRECTORIES := $(ROOT)/build

# Several of the steps below are recipes of one another's prerequisites; upstream's makes run in
# parallel inside, this one does not.
.NOTPARALLEL:
.PHONY: help demo test unix firmware firmware-all flash repl test-hw bench lint size clean
.PHONY: mpy distclean mpy-cross tree venv pypi check-board
.PHONY: packages-unix packages-board packages-bench packages-test bench-board bench-rp2040 tree-qemu tree-rp2

help:   ## this list
	@sed -n 's/^\([a-z-]*\):.*## */  make \1\t/p' Makefile | expand -t 20
	@sed -n 's/^#   /  /p' Makefile

# --- what users and CI call ---

demo: firmware  ## set up, build, boot an emulated board, print its URL; no root needed
	@$(PYTHON) tools/demo.py --board $(BOARD) --elf $(PRODUCTS)/firmware.elf \
		$(if $(PORT),--port $(PORT))

test: packages-test venv pypi unix firmware-all  ## set up, then every test that can run here
	@$(CLEAN_ENV) .venv/bin/python -m pytest $(TESTS) $(PYTEST_FLAGS)

unix: packages-unix mpy-cross  ## build/unix/micropython: the unix port with netstack frozen in
	$(SUB) -C $(MICROPY_DIR)/ports/unix VARIANT_DIR=$(ROOT)/ports/unix \
		BUILD=$(OUT)/unix MICROPY_MPYCROSS=$(MPY_CROSS)

firmware: check-board packages-board tree-$(FAMILY)  ## build/$BOARD/firmware.elf, .bin and, for RP2, .uf2
	$(SUB) -C ports/$(FAMILY) BOARD=$(BOARD) MICROPY_DIR=$(MICROPY_DIR) \
		BUILD=$(PRODUCTS) MICROPY_MPYCROSS=$(MPY_CROSS)

firmware-all:  ## the firmware of every board that can be built here
	+@for board in $(QEMU_BOARDS) W5500_EVB_PICO; do \
		$(MAKE) --no-print-directory firmware BOARD=$$board || exit 1; done

mpy: packages-unix venv mpy-cross  ## build/mpy/<arch>: .mpy files for firmware without netstack; ARCH=armv7m
	@.venv/bin/python tools/mpy.py --tree $(MICROPY_DIR) --mpy-cross $(MPY_CROSS) --out $(MPY_OUT) $(ARCH)

flash: check-board $(if $(PORT),venv)  ## write the firmware to a board: to its boot drive, or PORT=<port>
	@$(if $(filter rp2,$(FAMILY)),$(if $(PORT),.venv/bin/python,$(PYTHON)) tools/flash.py \
		$(PRODUCTS)/firmware.uf2 $(if $(PORT),--port $(PORT)) $(if $(DRIVE),--drive $(DRIVE)),\
		echo "$(BOARD) is emulated and needs no flashing: make demo BOARD=$(BOARD) boots it")

repl: check-board venv  ## mpremote on the board that make demo runs, or on PORT=<port>
	@.venv/bin/python tools/repl.py $(BOARD) $(PORT)

test-hw: venv $(if $(PORT),check-board,packages-test firmware)  ## tests/hw on a real board on PORT=<port>, or an emulated one
	@$(CLEAN_ENV) .venv/bin/python -m pytest tests/hw -ra --board $(BOARD) \
		$(if $(PORT),--port $(PORT)) $(if $(MODULE),--chip $(MODULE))

bench: packages-bench unix bench-board bench-rp2040  ## side by side with C lwIP and Linux; QUICK=1: does it work?
	@$(SETUP) lwip
	$(SUB) -C bench/lwip all board LWIP=$(ROOT)/build/lwip BUILD=$(OUT)/bench
	$(SUB) -C bench/linux BUILD=$(OUT)/bench
	@OUT=$(OUT) $(PYTHON) bench/bench.py $(if $(filter 1,$(QUICK)),--quick) \
		$(if $(filter 1,$(README)),--readme)

lint: venv  ## ruff, check and format
	@.venv/bin/ruff check $(wildcard bench boards lib ports tests tools)
	@.venv/bin/ruff format --check $(wildcard bench boards lib ports tests tools)

size: packages-board mpy-cross  ## with IPv6 and without, a Cortex-M3's flash and heap by modules
	@echo "size: builds two images of MPS2_AN385"
	+@for ipv6 in 1 0; do $(MAKE) --no-print-directory -s -j$(shell nproc) -C ports/qemu NETSTACK_IPV6=$$ipv6 \
		BOARD=MPS2_AN385 MICROPY_DIR=$(MICROPY_DIR) BUILD=$(OUT)/size/ipv6-$$ipv6 \
		MICROPY_MPYCROSS=$(MPY_CROSS) >$(OUT)/size.log 2>&1 || \
		{ tail -20 $(OUT)/size.log >&2; exit 1; }; done
	@$(PYTHON) tools/size.py $(OUT)/size/ipv6-1 $(OUT)/size/ipv6-0

clean:  ## remove what was built, keep what was downloaded
	rm -rf $(OUT)/unix $(OUT)/mpy $(OUT)/mpy-cross $(OUT)/bench $(OUT)/size
	rm -rf $(addprefix $(OUT)/,$(QEMU_BOARDS) $(RP2_BOARDS) $(addsuffix -RISCV,$(RP2_BOARDS)))

distclean:  ## remove build/ and .venv
	rm -rf build .venv

# --- their steps ---

check-board:
	@test -n "$(filter $(BOARD),$(QEMU_BOARDS) $(RP2_BOARDS))" || \
		{ echo "BOARD=$(BOARD) is not known; there are: $(QEMU_BOARDS) $(RP2_BOARDS)" >&2; exit 1; }
	@test -z "$(BOARD_VARIANT)" -o -f boards/$(BOARD)/mpconfigvariant_$(BOARD_VARIANT).cmake || \
		{ echo "BOARD_VARIANT=$(BOARD_VARIANT) is not known for $(BOARD)" >&2; exit 1; }

packages-unix:
	@$(SETUP) packages unix

packages-board:
	@$(SETUP) packages $(PACKAGES)

packages-bench:
	@$(SETUP) packages unix MPS2_AN385 rp2 venv test

bench-board:
	$(SUB) -C ports/qemu BOARD=MPS2_AN385 MICROPY_DIR=$(MICROPY_DIR) NETSTACK_ROUTER=1 \
		BUILD=$(OUT)/bench/board MICROPY_MPYCROSS=$(MPY_CROSS)

bench-rp2040:
	+@$(MAKE) --no-print-directory firmware BOARD=W5500_EVB_PICO

packages-test:
	@$(SETUP) packages unix $(QEMU_BOARDS) rp2 venv test

venv:
	@$(SETUP) venv

pypi: venv
	@$(SETUP) pypi

tree:
	@$(SETUP) tree --out $(OUT) $(TREE)

tree-qemu: mpy-cross

tree-rp2: tree venv
	@$(SETUP) pico-sdk --board $(BOARD) $(TREE)

mpy-cross: tree
	$(SUB) -C $(MICROPY_DIR)/mpy-cross BUILD=$(OUT)/mpy-cross
