// _qemu.Flash(): block device (os.AbstractBlockDev) over RAM outside the firmware image, so
// that files outlive a soft reset and machine.reset(), as they do in flash.
#include <string.h>

#include "py/mperrno.h"
#include "py/runtime.h"
#include "extmod/vfs.h"

#define BLOCK_SIZE (512)

extern uint8_t _sflash;

const mp_obj_type_t qemu_flash_type;
static const mp_obj_base_t qemu_flash_obj = { &qemu_flash_type };

static mp_obj_t qemu_flash_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 0, 0, false);
    return MP_OBJ_FROM_PTR(&qemu_flash_obj);
}

// The bytes that (block, buffer[, offset]) names, or NULL when they run past the end.
static uint8_t *span(size_t n_args, const mp_obj_t *args, mp_buffer_info_t *buf, int flags) {
    mp_get_buffer_raise(args[2], buf, flags);
    uint64_t start = (uint64_t)(mp_uint_t)mp_obj_get_int(args[1]) * BLOCK_SIZE;
    start += n_args == 4 ? (mp_uint_t)mp_obj_get_int(args[3]) : 0;
    return start + buf->len <= MICROPY_HW_FLASH_SIZE ? &_sflash + start : NULL;
}

static mp_obj_t qemu_flash_readblocks(size_t n_args, const mp_obj_t *args) {
    mp_buffer_info_t buf;
    uint8_t *p = span(n_args, args, &buf, MP_BUFFER_WRITE);
    if (p == NULL) {
        return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
    }
    memcpy(buf.buf, p, buf.len);
    return MP_OBJ_NEW_SMALL_INT(0);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(qemu_flash_readblocks_obj, 3, 4, qemu_flash_readblocks);

static mp_obj_t qemu_flash_writeblocks(size_t n_args, const mp_obj_t *args) {
    mp_buffer_info_t buf;
    uint8_t *p = span(n_args, args, &buf, MP_BUFFER_READ);
    if (p == NULL) {
        return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
    }
    memcpy(p, buf.buf, buf.len);
    return MP_OBJ_NEW_SMALL_INT(0);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(qemu_flash_writeblocks_obj, 3, 4,
    qemu_flash_writeblocks);

static mp_obj_t qemu_flash_ioctl(mp_obj_t self_in, mp_obj_t cmd_in, mp_obj_t arg_in) {
    switch (mp_obj_get_int(cmd_in)) {
        case MP_BLOCKDEV_IOCTL_INIT:
        case MP_BLOCKDEV_IOCTL_DEINIT:
        case MP_BLOCKDEV_IOCTL_SYNC:
        case MP_BLOCKDEV_IOCTL_BLOCK_ERASE:
            return MP_OBJ_NEW_SMALL_INT(0);
        case MP_BLOCKDEV_IOCTL_BLOCK_COUNT:
            return MP_OBJ_NEW_SMALL_INT(MICROPY_HW_FLASH_SIZE / BLOCK_SIZE);
        case MP_BLOCKDEV_IOCTL_BLOCK_SIZE:
            return MP_OBJ_NEW_SMALL_INT(BLOCK_SIZE);
        default:
            return mp_const_none;
    }
}
static MP_DEFINE_CONST_FUN_OBJ_3(qemu_flash_ioctl_obj, qemu_flash_ioctl);

static const mp_rom_map_elem_t qemu_flash_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_readblocks), MP_ROM_PTR(&qemu_flash_readblocks_obj) },
    { MP_ROM_QSTR(MP_QSTR_writeblocks), MP_ROM_PTR(&qemu_flash_writeblocks_obj) },
    { MP_ROM_QSTR(MP_QSTR_ioctl), MP_ROM_PTR(&qemu_flash_ioctl_obj) },
};
static MP_DEFINE_CONST_DICT(qemu_flash_locals_dict, qemu_flash_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(
    qemu_flash_type,
    MP_QSTR_Flash,
    MP_TYPE_FLAG_NONE,
    make_new, qemu_flash_make_new,
    locals_dict, &qemu_flash_locals_dict
    );
