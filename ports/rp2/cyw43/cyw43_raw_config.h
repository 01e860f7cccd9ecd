// How cyw43-driver is built for netstack: no lwIP, no helpers of MicroPython's own network module.
#pragma once

#include <stdio.h>
#include "py/mpconfig.h"
#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "pendsv.h"

#define CYW43_USE_SPI (1)
#define CYW43_SPI_PIO (1)
#define CYW43_LWIP (0)
#define CYW43_NETUTILS (0)
#define CYW43_USE_OTP_MAC (1)
#define CYW43_INCLUDE_LEGACY_F1_OVERFLOW_WORKAROUND_VARIABLES (1)
#define CYW43_WIFI_NVRAM_INCLUDE_FILE "wifi_nvram_43439.h"
#define CYW43_IOCTL_TIMEOUT_US (1000000)
#define CYW43_SLEEP_MAX (10)
#define CYW43_PRINTF(...) mp_printf(MP_PYTHON_PRINTER, __VA_ARGS__)

#define CYW43_EPERM MP_EPERM
#define CYW43_EIO MP_EIO
#define CYW43_EINVAL MP_EINVAL
#define CYW43_ETIMEDOUT MP_ETIMEDOUT

// The driver runs from PendSV, and from the program with PendSV held back.
#define CYW43_THREAD_ENTER pendsv_suspend();
#define CYW43_THREAD_EXIT pendsv_resume();
#define CYW43_THREAD_LOCK_CHECK

#define CYW43_PIN_WL_REG_ON CYW43_DEFAULT_PIN_WL_REG_ON
#define CYW43_PIN_WL_DATA_OUT CYW43_DEFAULT_PIN_WL_DATA_OUT
#define CYW43_PIN_WL_DATA_IN CYW43_DEFAULT_PIN_WL_DATA_IN
#define CYW43_PIN_WL_HOST_WAKE CYW43_DEFAULT_PIN_WL_HOST_WAKE
#define CYW43_PIN_WL_CLOCK CYW43_DEFAULT_PIN_WL_CLOCK
#define CYW43_PIN_WL_CS CYW43_DEFAULT_PIN_WL_CS

#define CYW43_SDPCM_SEND_COMMON_WAIT if (get_core_num() == 0) { cyw43_yield(); }
#define CYW43_DO_IOCTL_WAIT if (get_core_num() == 0) { cyw43_yield(); }
#define CYW43_POST_POLL_HOOK cyw43_post_poll_hook();
#define CYW43_EVENT_POLL_HOOK mp_event_handle_nowait()
#define CYW43_ARRAY_SIZE(a) MP_ARRAY_SIZE(a)
#define CYW43_NUM_GPIOS CYW43_WL_GPIO_COUNT

#define CYW43_HAL_PIN_MODE_INPUT MP_HAL_PIN_MODE_INPUT
#define CYW43_HAL_PIN_MODE_OUTPUT MP_HAL_PIN_MODE_OUTPUT
#define CYW43_HAL_PIN_PULL_NONE MP_HAL_PIN_PULL_NONE
#define CYW43_HAL_PIN_PULL_UP MP_HAL_PIN_PULL_UP
#define CYW43_HAL_PIN_PULL_DOWN MP_HAL_PIN_PULL_DOWN
#define CYW43_HAL_MAC_WLAN0 MP_HAL_MAC_WLAN0

#define cyw43_hal_ticks_us mp_hal_ticks_us
#define cyw43_hal_ticks_ms mp_hal_ticks_ms
#define cyw43_hal_pin_obj_t mp_hal_pin_obj_t
#define cyw43_hal_pin_config mp_hal_pin_config
#define cyw43_hal_pin_read mp_hal_pin_read
#define cyw43_hal_pin_low mp_hal_pin_low
#define cyw43_hal_pin_high mp_hal_pin_high
#define cyw43_hal_generate_laa_mac mp_hal_generate_laa_mac
#define cyw43_schedule_internal_poll_dispatch(func) \
    pendsv_schedule_dispatch(PENDSV_DISPATCH_CYW43_RAW, func)

#define cyw43_malloc(n) m_tracked_calloc(n, 1)
#define cyw43_free m_tracked_free

void cyw43_hal_get_mac(int idx, uint8_t buf[6]);
void cyw43_post_poll_hook(void);

static inline bool cyw43_poll_is_pending(void) {
    return pendsv_is_pending(PENDSV_DISPATCH_CYW43_RAW);
}

static inline void cyw43_yield(void) {
    if (!cyw43_poll_is_pending()) {
        best_effort_wfe_or_timeout(make_timeout_time_ms(1));
    }
}

static inline void cyw43_delay_us(uint32_t us) {
    uint32_t start = mp_hal_ticks_us();
    while (mp_hal_ticks_us() - start < us) {
    }
}

static inline void cyw43_delay_ms(uint32_t ms) {
    uint32_t start = mp_hal_ticks_us();
    while (mp_hal_ticks_us() - start < ms * 1000) {
        mp_event_handle_nowait();
    }
}
