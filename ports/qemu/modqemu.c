// _qemu: hardware interrupts for drivers written in Python.
//   irq(line, callback)  callback(line) is scheduled when the line is raised; the line is then
//                        masked until irq_enable(line). callback None gives the line back.
//   irq_enable(line)     re-arms a line.
// Nothing allocates. One static scheduler node serves all lines: a full queue loses nothing.
#include "py/mphal.h"
#include "py/runtime.h"

extern const mp_obj_type_t qemu_flash_type;

MP_REGISTER_ROOT_POINTER(mp_obj_t qemu_irq_callback[64]);
_Static_assert(MCU_IRQ_LINES == 64, "one callback slot for each line");

static volatile uint64_t pending;
static mp_sched_node_t node;

static int pop_pending(void) {
    uint32_t state = mcu_irq_lock();
    int line = pending == 0 ? -1 : __builtin_ctzll(pending);
    pending &= pending - 1;
    mcu_irq_unlock(state);
    return line;
}

static void run_callbacks(mp_sched_node_t *n) {
    (void)n;
    int line;
    while ((line = pop_pending()) >= 0) {
        mp_obj_t callback = MP_STATE_PORT(qemu_irq_callback)[line];
        if (callback != MP_OBJ_NULL && callback != mp_const_none) {
            mp_call_function_1_protected(callback, MP_OBJ_NEW_SMALL_INT(line));
        }
    }
}

// In interrupt context, the line already masked.
void port_irq(unsigned line) {
    pending |= 1ULL << line;
    mp_sched_schedule_node(&node, run_callbacks);
    port_event();
}

void modqemu_deinit(void) {
    for (unsigned line = 0; line < MCU_IRQ_LINES; line++) {
        MP_STATE_PORT(qemu_irq_callback)[line] = MP_OBJ_NULL;
        if (mcu_irq_usable(line)) {
            mcu_irq_mask(line, true);
        }
    }
    uint32_t state = mcu_irq_lock();
    pending = 0;
    mcu_irq_unlock(state);
}

static unsigned get_line(mp_obj_t line_in) {
    mp_int_t line = mp_obj_get_int(line_in);
    if (line < 0 || line >= MCU_IRQ_LINES || !mcu_irq_usable(line)) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("no free interrupt line %d"), line);
    }
    return line;
}

static mp_obj_t qemu_irq(mp_obj_t line_in, mp_obj_t callback) {
    unsigned line = get_line(line_in);
    mcu_irq_mask(line, true);
    MP_STATE_PORT(qemu_irq_callback)[line] = callback;
    if (callback != mp_const_none) {
        mcu_irq_mask(line, false);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(qemu_irq_obj, qemu_irq);

static mp_obj_t qemu_irq_enable(mp_obj_t line_in) {
    mcu_irq_mask(get_line(line_in), false);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(qemu_irq_enable_obj, qemu_irq_enable);

static const mp_rom_map_elem_t qemu_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__qemu) },
    { MP_ROM_QSTR(MP_QSTR_irq), MP_ROM_PTR(&qemu_irq_obj) },
    { MP_ROM_QSTR(MP_QSTR_irq_enable), MP_ROM_PTR(&qemu_irq_enable_obj) },
    { MP_ROM_QSTR(MP_QSTR_Flash), MP_ROM_PTR(&qemu_flash_type) },
};
static MP_DEFINE_CONST_DICT(qemu_globals, qemu_globals_table);

const mp_obj_module_t qemu_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&qemu_globals,
};

MP_REGISTER_MODULE(MP_QSTR__qemu, qemu_module);
