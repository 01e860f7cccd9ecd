// Module _netstack: what tells that a socket is garbage. See lib/netstack/api/drop.py.
//
//   on_drop(lost, found)   what Guards do when the collector finds them
//   Guard(io)              when it dies with an io: io.notify = lost, and found is scheduled
//   guard.io(io)           gives the io it had, and has this one from now on; None: none

#include "py/runtime.h"

typedef struct _guard_obj_t {
    mp_obj_base_t base;
    mp_obj_t io;
} guard_obj_t;

MP_REGISTER_ROOT_POINTER(mp_obj_t netstack_on_drop[2]);

static mp_obj_t on_drop(mp_obj_t lost, mp_obj_t found) {
    MP_STATE_VM(netstack_on_drop)[0] = lost;
    MP_STATE_VM(netstack_on_drop)[1] = found;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(on_drop_obj, on_drop);

static mp_obj_t guard_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, 1, false);
    guard_obj_t *self = mp_obj_malloc_with_finaliser(guard_obj_t, type);
    self->io = args[0];
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t guard_io(mp_obj_t self_in, mp_obj_t io) {
    guard_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_obj_t before = self->io;
    self->io = io;
    return before;
}
static MP_DEFINE_CONST_FUN_OBJ_2(guard_io_obj, guard_io);

// Runs inside the collector: nothing may be allocated, and what is not garbage is as it was. `notify`
// is among the attributes of an io from the beginning, so to set it takes no memory.
static mp_obj_t guard_del(mp_obj_t self_in) {
    guard_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_obj_t *on_drop = MP_STATE_VM(netstack_on_drop);
    if (self->io != mp_const_none && on_drop[0] != MP_OBJ_NULL) {
        mp_store_attr(self->io, MP_QSTR_notify, on_drop[0]);
        self->io = mp_const_none;
        mp_sched_schedule(on_drop[1], mp_const_none); // if the queue is full, the next one's does
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(guard_del_obj, guard_del);

static const mp_rom_map_elem_t guard_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_io), MP_ROM_PTR(&guard_io_obj) },
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&guard_del_obj) },
};
static MP_DEFINE_CONST_DICT(guard_locals, guard_locals_table);

static MP_DEFINE_CONST_OBJ_TYPE(
    guard_type, MP_QSTR_Guard, MP_TYPE_FLAG_NONE,
    make_new, guard_make_new,
    locals_dict, &guard_locals
    );

static const mp_rom_map_elem_t globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__netstack) },
    { MP_ROM_QSTR(MP_QSTR_Guard), MP_ROM_PTR(&guard_type) },
    { MP_ROM_QSTR(MP_QSTR_on_drop), MP_ROM_PTR(&on_drop_obj) },
};
static MP_DEFINE_CONST_DICT(globals, globals_table);

const mp_obj_module_t netstack_guard_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&globals,
};
MP_REGISTER_MODULE(MP_QSTR__netstack, netstack_guard_module);
