// machine.RTC: datetime() reads or sets the wall clock; the host's clock sets it at power-up.
#include "py/mphal.h"
#include "py/runtime.h"
#include "shared/timeutils/timeutils.h"

static const mp_obj_base_t machine_rtc_obj;

static mp_obj_t machine_rtc_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 0, 0, false);
    return MP_OBJ_FROM_PTR(&machine_rtc_obj);
}

static mp_obj_t datetime_get(void) {
    uint64_t us = mp_hal_time_ns() / 1000;
    timeutils_struct_time_t tm;
    timeutils_seconds_since_epoch_to_struct_time(us / 1000000, &tm);
    mp_obj_t tuple[8] = {
        MP_OBJ_NEW_SMALL_INT(tm.tm_year), MP_OBJ_NEW_SMALL_INT(tm.tm_mon),
        MP_OBJ_NEW_SMALL_INT(tm.tm_mday), MP_OBJ_NEW_SMALL_INT(tm.tm_wday),
        MP_OBJ_NEW_SMALL_INT(tm.tm_hour), MP_OBJ_NEW_SMALL_INT(tm.tm_min),
        MP_OBJ_NEW_SMALL_INT(tm.tm_sec), MP_OBJ_NEW_SMALL_INT(us % 1000000),
    };
    return mp_obj_new_tuple(8, tuple);
}

static mp_obj_t machine_rtc_datetime(size_t n_args, const mp_obj_t *args) {
    if (n_args == 1) {
        return datetime_get();
    }
    mp_obj_t *item;
    mp_obj_get_array_fixed_n(args[1], 8, &item);
    uint64_t seconds = timeutils_seconds_since_epoch(
        mp_obj_get_int(item[0]), mp_obj_get_int(item[1]), mp_obj_get_int(item[2]),
        mp_obj_get_int(item[4]), mp_obj_get_int(item[5]), mp_obj_get_int(item[6]));
    port_epoch_us = (int64_t)seconds * 1000000 + mp_obj_get_int(item[7])
        - (int64_t)mcu_ticks_us();
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(machine_rtc_datetime_obj, 1, 2, machine_rtc_datetime);

static const mp_rom_map_elem_t machine_rtc_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_datetime), MP_ROM_PTR(&machine_rtc_datetime_obj) },
};
static MP_DEFINE_CONST_DICT(machine_rtc_locals_dict, machine_rtc_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(
    machine_rtc_type,
    MP_QSTR_RTC,
    MP_TYPE_FLAG_NONE,
    make_new, machine_rtc_make_new,
    locals_dict, &machine_rtc_locals_dict
    );

static const mp_obj_base_t machine_rtc_obj = { &machine_rtc_type };
