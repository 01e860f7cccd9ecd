// WIZnet W5500-EVB-Pico.
#include "../../ports/errnos.h"

#define MICROPY_HW_BOARD_NAME               "W5500-EVB-Pico"
#define MICROPY_HW_FLASH_STORAGE_BYTES      (1024 * 1024)
