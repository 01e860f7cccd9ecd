// machine.Timer: any number of virtual timers on the port's one-shot. Callbacks are soft: they
// run from the scheduler, through one static node, so a full queue cannot lose them. A timer
// that is due again before its callback ran calls it once. init() allocates nothing.
#include "py/mphal.h"
#include "py/runtime.h"

#define ONE_SHOT (0)
#define PERIODIC (1)

typedef struct _machine_timer_obj_t {
    mp_obj_base_t base;
    struct _machine_timer_obj_t *next;
    mp_obj_t callback;
    uint64_t due;
    uint64_t period;
    uint8_t mode;
    volatile bool active;
    volatile bool pending;
} machine_timer_obj_t;

const mp_obj_type_t machine_timer_type;

// The timers that are active or pending: reachable, so never collected while they run.
MP_REGISTER_ROOT_POINTER(struct _machine_timer_obj_t *machine_timer_head);

uint64_t machine_timer_due = MCU_NEVER;
static mp_sched_node_t node;

static machine_timer_obj_t *pop_pending(void) {
    uint32_t state = mcu_irq_lock();
    machine_timer_obj_t **link = &MP_STATE_PORT(machine_timer_head);
    while (*link != NULL && !(*link)->pending) {
        link = &(*link)->next;
    }
    machine_timer_obj_t *self = *link;
    if (self != NULL) {
        self->pending = false;
        if (!self->active) {
            *link = self->next;
        }
    }
    mcu_irq_unlock(state);
    return self;
}

static void run_callbacks(mp_sched_node_t *n) {
    (void)n;
    machine_timer_obj_t *self;
    while ((self = pop_pending()) != NULL) {
        if (self->callback != mp_const_none) {
            mp_call_function_1_protected(self->callback, MP_OBJ_FROM_PTR(self));
        }
    }
}

// In interrupt context.
void machine_timer_tick(uint64_t now) {
    if (machine_timer_due > now) {
        return;
    }
    uint64_t next = MCU_NEVER;
    for (machine_timer_obj_t *t = MP_STATE_PORT(machine_timer_head); t != NULL; t = t->next) {
        if (t->active && t->due <= now) {
            t->pending = true;
            t->active = t->mode == PERIODIC;
            t->due += t->period;
            if (t->due <= now) {
                t->due = now + t->period;
            }
        }
        if (t->active) {
            next = MIN(next, t->due);
        }
    }
    machine_timer_due = next;
    mp_sched_schedule_node(&node, run_callbacks);
    port_event();
}

static void stop(machine_timer_obj_t *self) {
    uint32_t state = mcu_irq_lock();
    machine_timer_obj_t **link = &MP_STATE_PORT(machine_timer_head);
    while (*link != NULL && *link != self) {
        link = &(*link)->next;
    }
    if (*link == self) {
        *link = self->next;
    }
    self->active = self->pending = false;
    mcu_irq_unlock(state);
}

static void start(machine_timer_obj_t *self) {
    uint32_t state = mcu_irq_lock();
    self->due = mcu_ticks_us() + self->period;
    self->active = true;
    self->next = MP_STATE_PORT(machine_timer_head);
    MP_STATE_PORT(machine_timer_head) = self;
    if (self->due < machine_timer_due) {
        machine_timer_due = self->due;
        port_rearm();
    }
    mcu_irq_unlock(state);
}

void machine_timer_deinit_all(void) {
    uint32_t state = mcu_irq_lock();
    MP_STATE_PORT(machine_timer_head) = NULL;
    machine_timer_due = MCU_NEVER;
    mcu_irq_unlock(state);
}

static uint64_t period_us(mp_obj_t freq, mp_int_t period, mp_int_t tick_hz) {
    uint64_t us;
    if (freq != mp_const_none) {
        mp_float_t hz = mp_obj_get_float(freq);
        if (!(hz > 0)) {
            mp_raise_ValueError(MP_ERROR_TEXT("Timer: freq must be above 0"));
        }
        us = (uint64_t)(MICROPY_FLOAT_CONST(1000000.0) / hz);
    } else {
        if (period < 0 || tick_hz < 1) {
            mp_raise_ValueError(MP_ERROR_TEXT("Timer: period (ms) or freq must be given"));
        }
        us = (uint64_t)period * 1000000 / tick_hz;
    }
    return MAX(us, 1);
}

static mp_obj_t timer_init(machine_timer_obj_t *self, size_t n_args, const mp_obj_t *pos_args,
    mp_map_t *kw_args) {
    enum { ARG_mode, ARG_period, ARG_freq, ARG_callback, ARG_tick_hz, ARG_hard };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_mode, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = PERIODIC} },
        { MP_QSTR_period, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1} },
        { MP_QSTR_freq, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE} },
        { MP_QSTR_callback, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE} },
        { MP_QSTR_tick_hz, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 1000} },
        { MP_QSTR_hard, MP_ARG_KW_ONLY | MP_ARG_BOOL, {.u_bool = false} },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    if (args[ARG_hard].u_bool) {
        mp_raise_ValueError(MP_ERROR_TEXT("Timer: hard callbacks are not supported"));
    }
    uint64_t period = period_us(args[ARG_freq].u_obj, args[ARG_period].u_int,
        args[ARG_tick_hz].u_int);
    stop(self);
    self->mode = args[ARG_mode].u_int == ONE_SHOT ? ONE_SHOT : PERIODIC;
    self->callback = args[ARG_callback].u_obj;
    self->period = period;
    start(self);
    return mp_const_none;
}

static mp_obj_t machine_timer_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    if (n_args > 0) {
        if (mp_obj_get_int(args[0]) != -1) {
            mp_raise_ValueError(MP_ERROR_TEXT("Timer: only virtual timers, id -1"));
        }
        n_args--;
        args++;
    }
    machine_timer_obj_t *self = mp_obj_malloc(machine_timer_obj_t, &machine_timer_type);
    self->callback = mp_const_none;
    self->next = NULL;
    self->active = self->pending = false;
    if (n_args > 0 || n_kw > 0) {
        mp_map_t kw_args;
        mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
        timer_init(self, n_args, args, &kw_args);
    }
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t machine_timer_init(size_t n_args, const mp_obj_t *args, mp_map_t *kw_args) {
    return timer_init(MP_OBJ_TO_PTR(args[0]), n_args - 1, args + 1, kw_args);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(machine_timer_init_obj, 1, machine_timer_init);

static mp_obj_t machine_timer_deinit(mp_obj_t self_in) {
    stop(MP_OBJ_TO_PTR(self_in));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(machine_timer_deinit_obj, machine_timer_deinit);

static const mp_rom_map_elem_t machine_timer_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_init), MP_ROM_PTR(&machine_timer_init_obj) },
    { MP_ROM_QSTR(MP_QSTR_deinit), MP_ROM_PTR(&machine_timer_deinit_obj) },
    { MP_ROM_QSTR(MP_QSTR_ONE_SHOT), MP_ROM_INT(ONE_SHOT) },
    { MP_ROM_QSTR(MP_QSTR_PERIODIC), MP_ROM_INT(PERIODIC) },
};
static MP_DEFINE_CONST_DICT(machine_timer_locals_dict, machine_timer_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(
    machine_timer_type,
    MP_QSTR_Timer,
    MP_TYPE_FLAG_NONE,
    make_new, machine_timer_make_new,
    locals_dict, &machine_timer_locals_dict
    );
