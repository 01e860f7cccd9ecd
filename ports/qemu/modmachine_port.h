// Included by extmod/modmachine.c: what this port adds to `machine`.
#include "py/mphal.h"

extern const mp_obj_type_t machine_timer_type;
extern const mp_obj_type_t machine_rtc_type;

#define MICROPY_PY_MACHINE_EXTRA_GLOBALS \
    { MP_ROM_QSTR(MP_QSTR_Timer), MP_ROM_PTR(&machine_timer_type) }, \
    { MP_ROM_QSTR(MP_QSTR_RTC), MP_ROM_PTR(&machine_rtc_type) }, \

static void mp_machine_idle(void) {
    mp_event_wait_indefinite();
}

__attribute__((noreturn)) static void mp_machine_reset(void) {
    mcu_reset();
}

static mp_int_t mp_machine_reset_cause(void) {
    return 1;
}

// An emulated chip has no serial number: one is drawn at each power-up and kept until the next.
static mp_obj_t mp_machine_unique_id(void) {
    static uint8_t id[8];
    static bool drawn;
    if (!drawn) {
        entropy_bytes(id, sizeof(id));
        drawn = true;
    }
    return mp_obj_new_bytes(id, sizeof(id));
}

static mp_obj_t mp_machine_get_freq(void) {
    return MP_OBJ_NEW_SMALL_INT(MICROPY_HW_CPU_FREQ);
}

static void mp_machine_set_freq(size_t n_args, const mp_obj_t *args) {
    mp_raise_NotImplementedError(MP_ERROR_TEXT("the clock of this board is fixed"));
}

static void mp_machine_lightsleep(size_t n_args, const mp_obj_t *args) {
    if (n_args == 0) {
        mp_event_wait_indefinite();
    } else {
        mp_hal_delay_ms(mp_obj_get_int(args[0]));
    }
}

__attribute__((noreturn)) static void mp_machine_deepsleep(size_t n_args, const mp_obj_t *args) {
    mp_machine_lightsleep(n_args, args);
    mcu_reset();
}
