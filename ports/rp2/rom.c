// Frozen modules lie in flash, with their functions, their classes and their tables of names.
// MicroPython makes all of that on the heap when a module is imported: 16 bytes for a function, 16
// for a cell of a table, 80 for a class, 32 for a module. That would be half of an RP2040's heap,
// once there is a socket.
//
// What refers to a module or a class needs to know where it will be when the firmware is linked. So
// they are objects in flash here, made by rom.py, and only their dicts, 16 bytes, are in RAM.
// MicroPython still runs the bodies of modules and classes; what is made is compared with what flash
// has, and if that is the same it is used, and the heap's is given back. So a table that is wrong, or
// incomplete, costs memory and nothing else. Whoever changes a module or a class gets its table on the
// heap. What a class in flash cannot be given later is its first property, as one with subclasses.
//
// The linker puts functions of ours in front of MicroPython's (--wrap, board.cmake).

#include <string.h>

#include "pico.h"

// Names of modules that are in no code are a pool of their own, behind that of the code's names.
#define mp_qstr_frozen_const_pool rom_frozen_pool
#ifndef FROZEN
#define FROZEN "frozen_content.c"
#endif
#include FROZEN
#undef mp_qstr_frozen_const_pool

// What each class has is known to this file alone, and what those have that are derived from io.IOBase
// to that one.
#include "py/objtype.c"
#include "py/modio.c"

#include "py/gc.h"
#include "py/objfun.h"
#include "py/persistentcode.h"
#include "py/runtime.h"

// MicroPython writes to a module's object when it loads the module, and to a class when one is derived
// from it, what is there anyway. An RP2040 ignores that: RP2040 datasheet 2.6.3, XIP_CTRL_ERR_BADWRITE.
// An RP2350 does not, and has more RAM.
#if PICO_RP2040
#define ROM_KEPT const
#else
#define ROM_KEPT
#endif

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

typedef mp_obj_fun_asm_t rom_asms_t;

typedef struct {
    mp_obj_base_t base;
    mp_rom_obj_t proxy[3];
} rom_props_t;

typedef struct {
    mp_obj_base_t base;
    size_t len;
    mp_rom_obj_t items[];
} rom_bases_t;

typedef struct {
    mp_obj_base_t base;
    mp_rom_obj_t value;
} rom_cells_t;

typedef struct { // what a module's body has made by calling a function of its own
    mp_obj_base_t base;
    mp_rom_obj_t function;
    size_t n;
    mp_rom_obj_t cells[2];
} rom_closures_t;

typedef struct {
    uint16_t used;
    uint16_t alloc;
    const mp_rom_map_elem_t *table;
} rom_names_t;

typedef struct {
    mp_obj_type_t type;
    const void *slots[12];
} rom_types_t;

typedef struct {
    const void *body; // the code that makes it
    const rom_types_t *type; // NULL: there are only its members
    rom_names_t members;
} rom_classes_t;

typedef struct {
    const void *body;
    uint16_t name;
    uint16_t fun, fun_end; // what of the tables is of this module
    uint16_t def, def_end;
    uint16_t class, class_end;
    rom_names_t names; // table NULL: not known
} rom_modules_t;

_Static_assert(sizeof(rom_funs_t) == sizeof(mp_obj_fun_bc_t), "a function looks different");
_Static_assert(offsetof(rom_funs_t, context) == offsetof(mp_obj_fun_bc_t, context), "");
_Static_assert(offsetof(rom_funs_t, children) == offsetof(mp_obj_fun_bc_t, child_table), "");
_Static_assert(offsetof(rom_funs_t, code) == offsetof(mp_obj_fun_bc_t, bytecode), "");
_Static_assert(offsetof(rom_defs_t, defaults) == offsetof(mp_obj_fun_bc_t, extra_args), "");
_Static_assert(offsetof(rom_types_t, slots) == offsetof(mp_obj_type_t, slots), "");

#define ROM_FLAGS (MP_TYPE_FLAG_EQ_NOT_REFLEXIVE | MP_TYPE_FLAG_EQ_CHECKS_OTHER_TYPE \
    | MP_TYPE_FLAG_EQ_HAS_NEQ_TEST | MP_TYPE_FLAG_ITER_IS_GETITER | MP_TYPE_FLAG_INSTANCE_TYPE)

// A class as mp_obj_new_type() makes it. It counts as derived from, since it may be.
#define ROM_TYPE(at, called, special, derived, parents, stream) {{ \
        .base = {&mp_type_type}, \
        .flags = ROM_FLAGS | MP_TYPE_FLAG_IS_SUBCLASSED \
            | (special ? MP_TYPE_FLAG_HAS_SPECIAL_ACCESSORS : 0), \
        .name = called, \
        .slot_index_make_new = 1, .slot_index_print = 2, .slot_index_call = 3, \
        .slot_index_unary_op = 4, .slot_index_binary_op = 5, .slot_index_attr = 6, \
        .slot_index_subscr = 7, .slot_index_iter = 8, .slot_index_buffer = 9, \
        .slot_index_locals_dict = 10, .slot_index_parent = derived ? 11 : 0, \
        .slot_index_protocol = stream ? 12 : 0, \
    }, { \
        mp_obj_instance_make_new, instance_print, mp_obj_instance_call, instance_unary_op, \
        instance_binary_op, mp_obj_instance_attr, instance_subscr, mp_obj_instance_getiter, \
        instance_get_buffer, &rom_members[at], parents, stream ? &iobase_p : NULL, \
    }}

// Of py/objclosure.c, and what stands for a type that py/objcell.c keeps to itself.
extern const mp_obj_type_t mp_type_closure;
static MP_DEFINE_CONST_OBJ_TYPE(rom_cell_type, MP_QSTR_, MP_TYPE_FLAG_NONE);

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
        for (size_t i = 0; i < MP_ARRAY_SIZE(rom_asms); i++) {
            if (rom_asms[i].fun_data == code) {
                return &rom_asms[i];
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

static bool alike_closures(const rom_closures_t *ours, const rom_closures_t *its);

// Is what is on the heap, and what flash has for it, the same?
static bool alike(mp_obj_t ours, mp_obj_t its) {
    if (ours == its) {
        return true;
    }
    if (!mp_obj_is_obj(ours) || !mp_obj_is_obj(its)) {
        return false;
    }
    const void *ours_at = MP_OBJ_TO_PTR(ours), *its_at = MP_OBJ_TO_PTR(its);
    const mp_obj_type_t *type = ((const mp_obj_base_t *)ours_at)->type;
    if (type != ((const mp_obj_base_t *)its_at)->type) {
        return false;
    }
    if (type == &mp_type_property) {
        return same(((rom_props_t *)ours_at)->proxy, (mp_obj_t *)((rom_props_t *)its_at)->proxy, 3);
    }
    if (type == &mp_type_tuple) {
        const rom_bases_t *these = ours_at, *those = its_at;
        return these->len == those->len
            && same(these->items, (mp_obj_t *)those->items, these->len);
    }
    return type == &mp_type_closure && alike_closures(ours_at, its_at);
}

static bool alike_closures(const rom_closures_t *ours, const rom_closures_t *its) {
    if (ours->function != its->function || ours->n != its->n) {
        return false;
    }
    for (size_t i = 0; i < ours->n; i++) {
        if (!alike(mp_obj_cell_get((mp_obj_t)ours->cells[i]),
            mp_obj_cell_get((mp_obj_t)its->cells[i]))) {
            return false;
        }
    }
    return true;
}

static mp_map_t map_of(const rom_names_t *names) {
    return (mp_map_t) {
        .all_keys_are_qstrs = 1, .is_fixed = 1, .used = names->used,
        .alloc = names->alloc, .table = (mp_map_elem_t *)names->table,
    };
}

// All but __module__ and __qualname__ of a class, which nobody asks for.
static bool holds(mp_map_t ours, const mp_map_t *its) {
    size_t n = 0;
    for (size_t i = 0; i < its->alloc; i++) {
        mp_map_elem_t *member = &its->table[i];
        if (!mp_map_slot_is_filled(its, i) || member->key == MP_OBJ_NEW_QSTR(MP_QSTR___module__)
            || member->key == MP_OBJ_NEW_QSTR(MP_QSTR___qualname__)) {
            continue;
        }
        mp_map_elem_t *found = mp_map_lookup(&ours, member->key, MP_MAP_LOOKUP);
        if (found == NULL || !alike(found->value, member->value)) {
            return false;
        }
        n += 1;
    }
    return n == ours.used;
}

// Take the table in flash for the dict's own, if they are alike.
static bool settle(mp_obj_dict_t *dict, const rom_names_t *names) {
    mp_map_t map = map_of(names);
    if (names->table == NULL || dict->map.is_fixed || !holds(map, &dict->map)) {
        return false;
    }
    m_del(mp_map_elem_t, dict->map.table, dict->map.alloc);
    dict->map = map;
    return true;
}

// The reverse of it. A dict that cannot be changed lies in flash as well, but for ours.
static void thaw(mp_obj_dict_t *dict) {
    if (dict->map.is_fixed && (uintptr_t)dict >= SRAM_BASE) {
        size_t n = dict->map.alloc;
        dict->map.table = memcpy(m_new(mp_map_elem_t, n), dict->map.table, n * sizeof(mp_map_elem_t));
        dict->map.is_fixed = 0;
    }
}

// A module of that name is about to be loaded.
mp_obj_t __real_mp_obj_new_module(qstr name);
mp_obj_t __wrap_mp_obj_new_module(qstr name) {
    for (size_t i = 0; i < ROM_MODULES; i++) {
        if (rom_modules[i].name != name) {
            continue;
        }
        mp_map_elem_t *loaded = mp_map_lookup(&MP_STATE_VM(mp_loaded_modules_dict).map,
            MP_OBJ_NEW_QSTR(name), MP_MAP_LOOKUP_ADD_IF_NOT_FOUND);
        if (loaded->value == MP_OBJ_NULL) {
            mp_obj_dict_init(&rom_globals[i], MICROPY_MODULE_DICT_SIZE);
            mp_obj_dict_store(MP_OBJ_FROM_PTR(&rom_globals[i]), MP_OBJ_NEW_QSTR(MP_QSTR___name__),
                MP_OBJ_NEW_QSTR(name));
            loaded->value = MP_OBJ_FROM_PTR(&rom_context[i]);
        }
        return loaded->value;
    }
    return __real_mp_obj_new_module(name);
}

// A file of that name, which comes before what is frozen, has constants of its own.
void __real_mp_raw_code_load_file(qstr filename, mp_compiled_module_t *cm);
void __wrap_mp_raw_code_load_file(qstr filename, mp_compiled_module_t *cm) {
    if (module_of(cm->context)) {
        mp_module_context_t *own = m_new_obj(mp_module_context_t);
        *own = *cm->context;
        cm->context = own;
    }
    __real_mp_raw_code_load_file(filename, cm);
}

typedef struct {
    mp_obj_base_t base;
    const rom_modules_t *module;
    mp_obj_t body;
} loader_t;

// The body of a module, and then its names.
static mp_obj_t load(mp_obj_t self_in, size_t n, size_t n_kw, const mp_obj_t *args) {
    loader_t *self = MP_OBJ_TO_PTR(self_in);
    mp_call_function_n_kw(self->body, n, n_kw, args);
    settle(&rom_globals[self->module - rom_modules], &self->module->names);
    return mp_const_none;
}

static MP_DEFINE_CONST_OBJ_TYPE(loader_type, MP_QSTR_function, MP_TYPE_FLAG_NONE, call, load);

mp_obj_t __real_mp_make_function_from_proto_fun(mp_proto_fun_t proto,
    const mp_module_context_t *context, const mp_obj_t *defaults);
mp_obj_t __wrap_mp_make_function_from_proto_fun(mp_proto_fun_t proto,
    const mp_module_context_t *context, const mp_obj_t *defaults) {
    const void *code = proto;
    if (!mp_proto_fun_is_bytecode(proto)) {
        code = ((const mp_raw_code_t *)proto)->fun_data;
    }
    const rom_modules_t *module = module_of(context);
    const void *function = module ? find(module, code, defaults) : NULL;
    if (function) {
        return MP_OBJ_FROM_PTR(function);
    }
    mp_obj_t made = __real_mp_make_function_from_proto_fun(proto, context, defaults);
    if (module && module->body == code) {
        loader_t *loader = mp_obj_malloc(loader_t, &loader_type);
        loader->module = module;
        loader->body = made;
        return MP_OBJ_FROM_PTR(loader);
    }
    return made;
}

// A closure of machine code, which the stack has many of: over values, where MicroPython's is over
// cells, 16 bytes each. rom.py has seen that nothing is assigned to them later; what it cannot see is
// whether the code itself does, by `nonlocal`: no frozen viper function must.
typedef struct {
    mp_obj_base_t base;
    const rom_funs_t *function;
    size_t n;
    mp_obj_t values[];
} sealed_t;

static mp_obj_t call_sealed(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    sealed_t *self = MP_OBJ_TO_PTR(self_in);
    sealed_t *volatile kept = self; // where the collector sees it: what is passed points into it
    size_t n = self->n, own = n_args + 2 * n_kw;
    mp_obj_t all[n + own];
    (void)kept;
    for (size_t i = 0; i < n; i++) {
        all[i] = MP_OBJ_FROM_PTR((char *)&self->values[i] - offsetof(mp_obj_cell_t, obj));
    }
    memcpy(all + n, args, own * sizeof(mp_obj_t));
    return MP_OBJ_TYPE_GET_SLOT(&mp_type_fun_viper, call)(
        MP_OBJ_FROM_PTR(self->function), n + n_args, n_kw, all);
}

static void attr_of_sealed(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    sealed_t *self = MP_OBJ_TO_PTR(self_in);
    mp_load_method_maybe(MP_OBJ_FROM_PTR(self->function), attr, dest);
}

static MP_DEFINE_CONST_OBJ_TYPE(sealed_type, MP_QSTR_closure, MP_TYPE_FLAG_BINDS_SELF,
    call, call_sealed, attr, attr_of_sealed);

static mp_obj_t seal(const rom_funs_t *function, size_t n, const mp_obj_t *cells) {
    sealed_t *self = mp_obj_malloc_var(sealed_t, values, mp_obj_t, n, &sealed_type);
    self->function = function;
    self->n = n;
    for (size_t i = 0; i < n; i++) {
        self->values[i] = mp_obj_cell_get(cells[i]);
    }
    return MP_OBJ_FROM_PTR(self);
}

mp_obj_t __wrap_mp_make_closure_from_proto_fun(mp_proto_fun_t proto,
    const mp_module_context_t *context, mp_uint_t n, const mp_obj_t *args) {
    bool defaults = n & 0x100; // they are in front of what is closed over
    mp_obj_t made = __wrap_mp_make_function_from_proto_fun(proto, context, defaults ? args : NULL);
    const rom_funs_t *function = MP_OBJ_TO_PTR(made);
    const mp_obj_t *cells = defaults ? args + 2 : args;
    n &= 0xff;
    if (rom_funs <= function && function < rom_funs + MP_ARRAY_SIZE(rom_funs)
        && function->base.type == &mp_type_fun_viper) {
        return seal(function, n, cells);
    }
    return mp_obj_new_closure(made, n, cells);
}

static const void *slot(const mp_obj_type_t *type, size_t index) {
    return index ? type->slots[index - 1] : NULL;
}

static bool same_parents(const mp_obj_type_t *ours, const mp_obj_type_t *its) {
    const rom_bases_t *these = slot(ours, ours->slot_index_parent);
    const mp_obj_tuple_t *those = slot(its, its->slot_index_parent);
    if (these == (const void *)those) {
        return true;
    }
    return these && those && these->base.type == &mp_type_tuple && those->base.type == &mp_type_tuple
        && these->len == those->len && same(these->items, those->items, those->len);
}

// The class in flash for one on the heap that has its members.
static mp_obj_t settle_class(const rom_types_t *rom, mp_obj_type_t *made) {
    const mp_obj_type_t *type = &rom->type;
    if (type->name != made->name || !same_parents(type, made)
        || slot(type, type->slot_index_protocol) != slot(made, made->slot_index_protocol)
        || type->flags != (made->flags | MP_TYPE_FLAG_IS_SUBCLASSED)) {
        return MP_OBJ_FROM_PTR(made);
    }
    mp_obj_dict_t *members = MP_OBJ_TYPE_GET_SLOT(made, locals_dict);
    rom_members[rom - rom_types] = *members;
    m_del_obj(mp_obj_dict_t, members);
    m_del_obj(mp_obj_type_t, made);
    return MP_OBJ_FROM_PTR(type);
}

mp_obj_t __real_mp_load_build_class(void);

// A class, which is found in flash, or its members, if that has the same.
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
            if (settle(MP_OBJ_TYPE_GET_SLOT(type, locals_dict), &rom->members) && rom->type) {
                return settle_class(rom->type, type);
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

// Whoever sets an attribute, or deletes one, comes by here.
void __real_mp_store_attr(mp_obj_t base, qstr attr, mp_obj_t value);
void __wrap_mp_store_attr(mp_obj_t base, qstr attr, mp_obj_t value) {
    if (mp_obj_is_type(base, &mp_type_type)) {
        mp_obj_type_t *type = MP_OBJ_TO_PTR(base);
        mp_obj_dict_t *members = MP_OBJ_TYPE_GET_SLOT_OR_NULL(type, locals_dict);
        if (members) {
            thaw(members);
        }
    } else if (mp_obj_is_type(base, &mp_type_module)) {
        thaw(((mp_obj_module_t *)MP_OBJ_TO_PTR(base))->globals);
    }
    __real_mp_store_attr(base, attr, value);
}

// And a module that sets a name of its own.
mp_obj_t __real_mp_obj_dict_store(mp_obj_t dict, mp_obj_t key, mp_obj_t value);
mp_obj_t __wrap_mp_obj_dict_store(mp_obj_t dict, mp_obj_t key, mp_obj_t value) {
    thaw(MP_OBJ_TO_PTR(dict));
    return __real_mp_obj_dict_store(dict, key, value);
}

mp_obj_t __real_mp_obj_dict_delete(mp_obj_t dict, mp_obj_t key);
mp_obj_t __wrap_mp_obj_dict_delete(mp_obj_t dict, mp_obj_t key) {
    thaw(MP_OBJ_TO_PTR(dict));
    return __real_mp_obj_dict_delete(dict, key);
}

#define WORDS (sizeof(mp_obj_dict_t) / sizeof(void *))

// The names of a module live as long as its functions, those of a class as long as its instances.
void rom_collect(void) {
    gc_collect_root((void **)rom_globals, WORDS * ROM_MODULES);
    gc_collect_root((void **)rom_members, WORDS * ROM_TYPES);
}

void rom_init(void) {
    memset(rom_globals, 0, sizeof(rom_globals));
    memset(rom_members, 0, sizeof(rom_members));
}
