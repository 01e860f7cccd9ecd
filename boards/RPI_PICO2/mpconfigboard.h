// Raspberry Pi Pico 2.
#include "../../ports/errnos.h"

#define MICROPY_HW_BOARD_NAME               "Raspberry Pi Pico2"
#define MICROPY_HW_FLASH_STORAGE_BYTES      (PICO_FLASH_SIZE_BYTES - 1536 * 1024)
