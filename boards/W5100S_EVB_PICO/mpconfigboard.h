// WIZnet W5100S-EVB-Pico.
#include "../../ports/errnos.h"

#define MICROPY_HW_BOARD_NAME               "W5100S-EVB-Pico"
#define MICROPY_HW_FLASH_STORAGE_BYTES      (1024 * 1024)
