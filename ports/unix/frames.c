// recv and send of a TAP: objects that read(2) and write(2) one frame a call. By ffi a frame costs
// twice the time on our side of the system call.

#include <errno.h>
#include <unistd.h>

#include "py/runtime.h"

#include "port.h"

unsigned netstack_fetched;

// What tap.py keeps in an array('q').
struct tap {
    int64_t fd;
    int64_t limit; // longest frame
    int64_t drops; // longer ones
};

typedef struct _frames_obj_t {
    mp_obj_base_t base;
    struct tap *tap;
} frames_obj_t;

// recv(buf, off): the length of a frame, now in buf from off on; 0: none.
static mp_obj_t recv_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    struct tap *tap = ((frames_obj_t *)MP_OBJ_TO_PTR(self_in))->tap;
    mp_buffer_info_t buf;
    mp_arg_check_num(n_args, n_kw, 2, 2, false);
    mp_get_buffer_raise(args[0], &buf, MP_BUFFER_WRITE);
    uint8_t *frame = (uint8_t *)buf.buf + mp_obj_get_int(args[1]);
    for (;;) {
        // One byte more than a frame may have: read() cuts longer ones without a word.
        ssize_t n = read(tap->fd, frame, tap->limit + 1);
        netstack_fetched += n > 0;
        if (n <= tap->limit) {
            return MP_OBJ_NEW_SMALL_INT(n > 0 ? n : 0);
        }
        tap->drops++;
    }
}

// send(buf, off, n): n; 0: there is no room; -errno. No padding to 60 bytes: there is no wire whose
// minimum a TAP's frame could miss.
static mp_obj_t send_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    struct tap *tap = ((frames_obj_t *)MP_OBJ_TO_PTR(self_in))->tap;
    mp_buffer_info_t buf;
    mp_arg_check_num(n_args, n_kw, 3, 3, false);
    mp_get_buffer_raise(args[0], &buf, MP_BUFFER_READ);
    const uint8_t *frame = (const uint8_t *)buf.buf + mp_obj_get_int(args[1]);
    ssize_t n = write(tap->fd, frame, mp_obj_get_int(args[2]));
    if (n < 0) {
        n = errno == EAGAIN ? 0 : -errno;
    }
    return MP_OBJ_NEW_SMALL_INT(n);
}

static MP_DEFINE_CONST_OBJ_TYPE(recv_type, MP_QSTR_recv, MP_TYPE_FLAG_NONE, call, recv_call);
static MP_DEFINE_CONST_OBJ_TYPE(send_type, MP_QSTR_send, MP_TYPE_FLAG_NONE, call, send_call);

static mp_obj_t frames(const mp_obj_type_t *type, struct tap *tap) {
    frames_obj_t *self = mp_obj_malloc(frames_obj_t, type);
    self->tap = tap;
    return MP_OBJ_FROM_PTR(self);
}

__attribute__((used)) mp_obj_t netstack_recv(struct tap *tap) {
    return frames(&recv_type, tap);
}

__attribute__((used)) mp_obj_t netstack_send(struct tap *tap) {
    return frames(&send_type, tap);
}
