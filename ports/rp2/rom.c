// Functions and classes of frozen modules lie in flash. MicroPython makes each function on the heap
// when its module is imported, 16 bytes, and a table of 8 for each member of a class: a quarter of an
// RP2040's heap, once there is a socket.
//
// A function says what module it is of, by a context that is on the heap. Here each frozen module has
// a copy of its context at a place that is known when the firmware is linked, and rom.py makes tables
// of functions that refer to these, and of what is in classes. MicroPython still runs the body of a
// module; what it would make is looked up in the tables, and taken from there if it is the same. So a
// table that is wrong, or incomplete, costs memory and nothing else.
//
// The linker puts functions of ours in front of MicroPython's (--wrap, board.cmake).

#include <string.h>

#include "frozen_content.c"

#include "py/gc.h"
#include "py/objfun.h"
#include "py/runtime.h"

typedef struct {
    mp_obj_base_t base;
    const mp_module_context_t *context;
    const void *children;
    const void *code;
} rom_funs_t;

typedef struct { // one with default values
    rom_funs_t fun;
    mp_rom_obj_t defaults[6];
    uint8_t n;
} rom_defs_t;

typedef struct {
    mp_obj_base_t base;
    mp_rom_obj_t proxy[3];
} rom_props_t;

typedef struct {
    const void *body; // the code that makes it
    uint16_t used;
    uint16_t alloc;
    const mp_rom_map_elem_t *table;
} rom_classes_t;

typedef struct {
    const void *body;
    uint16_t fun, fun_end; // what of the tables above is of this module
    uint16_t def, def_end;
    uint16_t class, class_end;
} rom_modules_t;

_Static_assert(sizeof(rom_funs_t) == sizeof(mp_obj_fun_bc_t), "a function looks different");
_Static_assert(offsetof(rom_funs_t, context) == offsetof(mp_obj_fun_bc_t, context), "");
_Static_assert(offsetof(rom_funs_t, children) == offsetof(mp_obj_fun_bc_t, child_table), "");
_Static_assert(offsetof(rom_funs_t, code) == offsetof(mp_obj_fun_bc_t, bytecode), "");
_Static_assert(offsetof(rom_defs_t, defaults) == offsetof(mp_obj_fun_bc_t, extra_args), "");

#include "frozen_rom.h"

static const rom_modules_t *module_of(const mp_module_context_t *context) {
    if (rom_context <= context && context < rom_context + ROM_MODULES) {
        return &rom_modules[context - rom_context];
    }
    return NULL;
}

static bool same(const mp_rom_obj_t *these, const mp_obj_t *those, size_t n) {
    return memcmp(these, those, n * sizeof(mp_obj_t)) == 0;
}

static const void *find(const rom_modules_t *module, const void *code, const mp_obj_t *defaults) {
    if (defaults == NULL || (defaults[0] == MP_OBJ_NULL && defaults[1] == MP_OBJ_NULL)) {
        for (size_t i = module->fun; i < module->fun_end; i++) {
            if (rom_funs[i].code == code) {
                return &rom_funs[i];
            }
        }
    } else if (defaults[0] != MP_OBJ_NULL && defaults[1] == MP_OBJ_NULL) {
        mp_obj_tuple_t *tuple = MP_OBJ_TO_PTR(defaults[0]);
        for (size_t i = module->def; i < module->def_end; i++) {
            const rom_defs_t *def = &rom_defs[i];
            if (def->fun.code == code && def->n == tuple->len
                && same(def->defaults, tuple->items, tuple->len)) {
                return def;
            }
        }
    }
    return NULL;
}

mp_obj_t __real_mp_make_function_from_proto_fun(mp_proto_fun_t proto,
    const mp_module_context_t *context, const mp_obj_t *defaults);

mp_obj_t __wrap_mp_make_function_from_proto_fun(mp_proto_fun_t proto,
    const mp_module_context_t *context, const mp_obj_t *defaults) {
    const void *code = proto;
    if (!mp_proto_fun_is_bytecode(proto)) {
        code = ((const mp_raw_code_t *)proto)->fun_data;
    }
    const rom_modules_t *module = module_of(context);
    if (module) {
        const void *function = find(module, code, defaults);
        if (function) {
            return MP_OBJ_FROM_PTR(function);
        }
    } else {
        for (size_t i = 0; i < ROM_MODULES; i++) {
            if (rom_modules[i].body == code) { // an import: from now on the copy is meant
                rom_context[i] = *context;
                context = &rom_context[i];
                break;
            }
        }
    }
    return __real_mp_make_function_from_proto_fun(proto, context, defaults);
}

// Is what a class has, and what flash has for it, the same?
static bool alike(mp_obj_t ours, mp_obj_t its) {
    if (ours == its) {
        return true;
    }
    if (!mp_obj_is_type(its, &mp_type_property) || !mp_obj_is_type(ours, &mp_type_property)) {
        return false;
    }
    return same(((rom_props_t *)MP_OBJ_TO_PTR(ours))->proxy,
        (mp_obj_t *)((rom_props_t *)MP_OBJ_TO_PTR(its))->proxy, 3);
}

// All but __module__ and __qualname__, which nobody asks for.
static bool holds(const mp_map_t *ours, const mp_map_t *its) {
    if (ours->used + 2 != its->used) {
        return false;
    }
    for (size_t i = 0; i < its->alloc; i++) {
        mp_map_elem_t *member = &its->table[i];
        if (!mp_map_slot_is_filled(its, i) || member->key == MP_OBJ_NEW_QSTR(MP_QSTR___module__)
            || member->key == MP_OBJ_NEW_QSTR(MP_QSTR___qualname__)) {
            continue;
        }
        mp_map_elem_t *found = mp_map_lookup((mp_map_t *)ours, member->key, MP_MAP_LOOKUP);
        if (found == NULL || !alike(found->value, member->value)) {
            return false;
        }
    }
    return true;
}

mp_obj_t __real_mp_load_build_class(void);

// A class, whose members are found in flash if that has the same.
static mp_obj_t build_class(size_t n, const mp_obj_t *args) {
    mp_obj_t made = mp_call_function_n_kw(__real_mp_load_build_class(), n, 0, args);
    mp_obj_fun_bc_t *body = MP_OBJ_TO_PTR(args[0]);
    if (!mp_obj_is_type(args[0], &mp_type_fun_bc) || !mp_obj_is_type(made, &mp_type_type)) {
        return made;
    }
    mp_obj_type_t *type = MP_OBJ_TO_PTR(made);
    const rom_modules_t *module = module_of(body->context);
    for (size_t i = module ? module->class : 0; module && i < module->class_end; i++) {
        const rom_classes_t *rom = &rom_classes[i];
        if (rom->body == body->bytecode) {
            mp_obj_dict_t *dict = MP_OBJ_TYPE_GET_SLOT(type, locals_dict);
            mp_map_t map = {
                .all_keys_are_qstrs = 1, .is_fixed = 1, .used = rom->used,
                .alloc = rom->alloc, .table = (mp_map_elem_t *)rom->table,
            };
            if (holds(&map, &dict->map)) {
                m_del(mp_map_elem_t, dict->map.table, dict->map.alloc);
                dict->map = map;
            }
            break;
        }
    }
    return made;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR(build_class_obj, 2, build_class);

mp_obj_t __wrap_mp_load_build_class(void) {
    return MP_OBJ_FROM_PTR(&build_class_obj);
}

// A class that a program changes gets its members back on the heap.
static void thaw(mp_obj_type_t *type) {
    mp_obj_dict_t *dict = MP_OBJ_TYPE_GET_SLOT_OR_NULL(type, locals_dict);
    if (dict == NULL || !dict->map.is_fixed) {
        return;
    }
    for (size_t i = 0; i < MP_ARRAY_SIZE(rom_classes); i++) {
        if ((const void *)dict->map.table == rom_classes[i].table) {
            size_t n = dict->map.alloc;
            dict->map.table = memcpy(m_new(mp_map_elem_t, n), dict->map.table,
                n * sizeof(mp_map_elem_t));
            dict->map.is_fixed = 0;
            return;
        }
    }
}

void __real_mp_store_attr(mp_obj_t base, qstr attr, mp_obj_t value);

// Whoever sets an attribute, or deletes one, comes by here.
void __wrap_mp_store_attr(mp_obj_t base, qstr attr, mp_obj_t value) {
    if (mp_obj_is_type(base, &mp_type_type)) {
        thaw(MP_OBJ_TO_PTR(base));
    }
    __real_mp_store_attr(base, attr, value);
}

// The names of a module live as long as its functions.
void rom_collect(void) {
    gc_collect_root((void **)rom_context, ROM_MODULES * (sizeof(rom_context[0]) / sizeof(void *)));
}

void rom_init(void) {
    memset(rom_context, 0, sizeof(rom_context));
}
