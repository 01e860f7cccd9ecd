# Cortex-M3: CMSDK UART and dual timer, NVIC.
CROSS_COMPILE ?= arm-none-eabi-
CROSS_PACKAGE = gcc-arm-none-eabi
MPY_CROSS_FLAGS += -march=armv7m

CFLAGS += -mthumb -mcpu=cortex-m3 -mfloat-abi=soft
LDFLAGS += -mthumb -mcpu=cortex-m3 -nostdlib
LIBS = $(shell $(CC) -mthumb -mcpu=cortex-m3 -mfloat-abi=soft -print-libgcc-file-name)

SRC_C += mcu/cm3/cm3.c shared/libc/string0.c
SRC_O += shared/runtime/gchelper_native.o shared/runtime/gchelper_thumb2.o
