// Raspberry Pi Pico W.
#include "../../ports/errnos.h"

#define MICROPY_HW_BOARD_NAME               "Raspberry Pi Pico W"
#define MICROPY_HW_FLASH_STORAGE_BYTES      (848 * 1024)

#define CYW43_GPIO (1)
#define MICROPY_HW_PIN_EXT_COUNT            CYW43_WL_GPIO_COUNT
#define MICROPY_BOARD_PENDSV_ENTRIES        PENDSV_DISPATCH_CYW43_RAW,

int cyw43_raw_pin_reserved(int number);
#define MICROPY_HW_PIN_RESERVED(i)          cyw43_raw_pin_reserved(i)
