// Start-up, soft reset loop, garbage collection roots.
#include <string.h>

#include "py/compile.h"
#include "py/cstack.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/pystack.h"
#include "py/runtime.h"
#include "shared/readline/readline.h"
#include "shared/runtime/gchelper.h"
#include "shared/runtime/pyexec.h"

#if NETSTACK_TLS13
#include "psa/crypto.h"
#endif

extern uint8_t _sstack, _estack;
void port_clock_init(void);

static uint32_t gc_heap[MICROPY_HW_HEAP_SIZE / sizeof(uint32_t)];
static mp_obj_t pystack[MICROPY_HW_PYSTACK_SIZE / sizeof(mp_obj_t)];

static void run_scripts(void) {
    pyexec_frozen_module("_boot.py", false);
    int ret = pyexec_file_if_exists("boot.py");
    if (ret & PYEXEC_FORCED_EXIT) {
        return;
    }
    if (pyexec_mode_kind == PYEXEC_MODE_FRIENDLY_REPL && ret != 0) {
        ret = pyexec_file_if_exists("main.py");
        if (ret & PYEXEC_FORCED_EXIT) {
            return;
        }
    }
    do {
        bool raw = pyexec_mode_kind == PYEXEC_MODE_RAW_REPL;
        ret = raw ? pyexec_raw_repl() : pyexec_friendly_repl();
    } while (ret == 0);
}

int main(void) {
    mcu_init();
    port_clock_init();
    entropy_init();
    mp_cstack_init_with_top(&_estack, &_estack - &_sstack);
    for (;;) {
        mp_pystack_init(pystack, pystack + MP_ARRAY_SIZE(pystack));
        gc_init(gc_heap, gc_heap + MP_ARRAY_SIZE(gc_heap));
        mp_init();
        mp_obj_list_append(mp_sys_path, MP_OBJ_NEW_QSTR(MP_QSTR__slash_lib));
        readline_init0();

        run_scripts();

        mp_printf(&mp_plat_print, "MPY: soft reboot\n");
        // The devices first: none may write into the heap that the next session reuses.
        mcu_soft_reset();
        machine_timer_deinit_all();
        modqemu_deinit();
        #if NETSTACK_TLS13
        mbedtls_psa_crypto_free(); // its keys lie on the heap
        #endif
        gc_sweep_all();
        mp_deinit();
    }
}

void gc_collect(void) {
    gc_collect_start();
    gc_helper_collect_regs_and_stack();
    gc_collect_end();
}

void nlr_jump_fail(void *val) {
    mp_printf(&mp_plat_print, "FATAL: uncaught exception %p\n", val);
    mp_obj_print_exception(&mp_plat_print, MP_OBJ_FROM_PTR(val));
    mcu_reset();
}

#ifndef NDEBUG
void __assert_func(const char *file, int line, const char *func, const char *expr) {
    mp_printf(&mp_plat_print, "Assertion '%s' failed, at file %s:%d\n", expr, file, line);
    mcu_reset();
}
#endif
