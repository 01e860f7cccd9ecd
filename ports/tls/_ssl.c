// What lib/ssl.py needs of mbedTLS and upstream's module `tls` does not offer: the handshake as a
// call of its own, poll(), ALPN, SNI, sessions, versions, record sizes, DTLS cookies. It deals with
// the objects of `tls`, whose structures are private to its source: so that is included here, and
// compiled here only. When names are collected (NO_QSTR) upstream's file is looked at by itself.

#include "py/runtime.h"

#if MICROPY_PY_SSL && MICROPY_SSL_MBEDTLS

#ifndef NO_QSTR
#include "ssl_misc.h" // first: with it the members of mbedTLS's structures can be named
#include "mbedtls/ssl_cookie.h"
#include "mbedtls/ssl_ticket.h"

// Whoever uses `tls` by itself gets no cookies, as the rest of its code expects. Tickets of TLS 1.3
// are taken, for session().
static int config_defaults(mbedtls_ssl_config *conf, int endpoint, int transport, int preset) {
    int ret = mbedtls_ssl_config_defaults(conf, endpoint, transport, preset);
    mbedtls_ssl_conf_dtls_cookies(conf, NULL, NULL, NULL);
    #if defined(MBEDTLS_SSL_PROTO_TLS1_3)
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(conf,
        MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
    #endif
    return ret;
}

// A list of ciphers without one of TLS 1.3 is one for TLS 1.2: what programs chose before there was
// 1.3 goes on working.
static void use_ciphersuites(mbedtls_ssl_config *conf, const int *suites) {
    bool has_tls13 = false;
    for (const int *suite = suites; *suite; suite++) {
        has_tls13 |= (*suite >> 8) == 0x13; // RFC 8446 B.4
    }
    if (!has_tls13) {
        mbedtls_ssl_conf_max_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
    }
    mbedtls_ssl_conf_ciphersuites(conf, suites);
}

// A connection's number of its own, which mbedTLS keeps for us: has the peer ended, is the stream below
// at its end, has it nothing now, and how many bytes have come since the last one of data.
#define ENDED (1)
#define DRY (2)
#define WAITS (4)
#define BYTE (8)
#define IDLE_MAX (65536) // a handshake is shorter
#define EPROTO_LINUX (71)

// mbedTLS tells that the peer has ended, and forgets it. A read that went on after it had some data
// would take that notice, and whoever waits for the next data would wait for ever.
static bool ended(mbedtls_ssl_context *ssl) {
    return mbedtls_ssl_get_user_data_n(ssl) & ENDED;
}

// Is there nothing to be had but by reading on? RFC 8446 4.6.1: a ticket is no data, for which mbedTLS
// says that it waits, though the stream does not; RFC 5246 6.2.1: a record without data is no end.
static bool goes_on(mbedtls_ssl_context *ssl, int ret, size_t len) {
    uintptr_t n = mbedtls_ssl_get_user_data_n(ssl);
    if (ret == MBEDTLS_ERR_SSL_WANT_READ) {
        return ssl->conf->transport == MBEDTLS_SSL_TRANSPORT_STREAM && !(n & WAITS);
    }
    return ret == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET
           || (ret == 0 && len > 0 && !(n & (ENDED | DRY)));
}

static int read_until_end(mbedtls_ssl_context *ssl, unsigned char *buf, size_t len) {
    int ret = 0;
    if (!ended(ssl)) {
        do {
            ret = mbedtls_ssl_read(ssl, buf, len);
        } while (goes_on(ssl, ret, len));
    }
    if (ret > 0) {
        mbedtls_ssl_set_user_data_n(ssl, mbedtls_ssl_get_user_data_n(ssl) & DRY);
    } else if (len > 0 && (ret == 0 || ret == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)) {
        mbedtls_ssl_set_user_data_n(ssl, ENDED);
    }
    return ret;
}

// What comes from the stream below. mbedTLS goes on for as long as there is no data in it: warnings,
// tickets, what asks for another handshake. A peer that has nothing else to say may keep a small
// processor busy, so there is an end to it (OpenSSL's "too many warn alerts" and its like).
static int _mbedtls_ssl_recv(void *ctx, byte *buf, size_t len);
static int receive(void *ctx, byte *buf, size_t len);

#define mbedtls_ssl_set_bio(ssl, ctx, send, recv, timeout) \
    mbedtls_ssl_set_bio(ssl, ctx, send, receive, timeout)
#define mbedtls_ssl_config_defaults config_defaults
#define mbedtls_ssl_conf_ciphersuites use_ciphersuites
#define mbedtls_ssl_read read_until_end
#include "extmod/modtls_mbedtls.c"
#undef mbedtls_ssl_config_defaults
#undef mbedtls_ssl_conf_ciphersuites
#undef mbedtls_ssl_read
#undef mbedtls_ssl_set_bio

static int receive(void *ctx, byte *buf, size_t len) {
    mp_obj_ssl_socket_t *o = (void *)((byte *)ctx - offsetof(mp_obj_ssl_socket_t, sock));
    int ret = _mbedtls_ssl_recv(ctx, buf, len);
    uintptr_t n = mbedtls_ssl_get_user_data_n(&o->ssl) & ~WAITS;
    if (ret == 0) {
        n |= DRY;
    } else if (ret == MBEDTLS_ERR_SSL_WANT_READ) {
        n |= WAITS;
    } else if (ret > 0 && o->ssl.conf->transport == MBEDTLS_SSL_TRANSPORT_STREAM) {
        n += ret * BYTE;
        if (n > IDLE_MAX * BYTE) {
            ret = -EPROTO_LINUX;
        }
    }
    mbedtls_ssl_set_user_data_n(&o->ssl, n);
    return ret;
}
#endif

// -- what a context may have besides -----------------------------------------------------------

#define ALPN_MAX (8)

typedef struct {
    mp_obj_base_t base;
    mp_obj_ssl_context_t *context;
    mp_obj_t names; // keeps what `alpn` points to
    const char *alpn[ALPN_MAX + 1];
    mp_obj_t on_name;
    mp_obj_t raised; // by on_name
    mbedtls_ssl_ticket_context tickets;
    mbedtls_ssl_cookie_ctx cookies;
} options_t;

static const mp_obj_type_t options_type;

static mp_obj_ssl_context_t *context_of(mp_obj_t self) {
    return ((options_t *)MP_OBJ_TO_PTR(self))->context;
}

static void check(int ret) {
    if (ret != 0) {
        mbedtls_raise_error(ret);
    }
}

static mp_obj_t options_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, 1, false);
    if (!mp_obj_is_type(args[0], &ssl_context_type)) {
        mp_raise_TypeError(MP_ERROR_TEXT("not a tls.SSLContext"));
    }
    options_t *self = mp_obj_malloc_with_finaliser(options_t, type);
    self->context = MP_OBJ_TO_PTR(args[0]);
    self->names = self->on_name = self->raised = mp_const_none;
    mbedtls_ssl_ticket_init(&self->tickets);
    mbedtls_ssl_cookie_init(&self->cookies);
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t options_del(mp_obj_t self_in) {
    options_t *self = MP_OBJ_TO_PTR(self_in);
    mbedtls_ssl_ticket_free(&self->tickets);
    mbedtls_ssl_cookie_free(&self->cookies);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(options_del_obj, options_del);

// alpn(names): RFC 7301, the protocol we would rather have first.
static mp_obj_t options_alpn(mp_obj_t self_in, mp_obj_t names) {
    options_t *self = MP_OBJ_TO_PTR(self_in);
    size_t n;
    mp_obj_t *items;
    mp_obj_get_array(names, &n, &items);
    if (n > ALPN_MAX) {
        mp_raise_ValueError(MP_ERROR_TEXT("more than 8 protocols"));
    }
    for (size_t i = 0; i < n; i++) {
        mp_obj_str_get_str(items[i]); // raises if it is no text
    }
    self->names = mp_obj_new_tuple(n, items);
    for (size_t i = 0; i < n; i++) {
        self->alpn[i] = mp_obj_str_get_str(items[i]);
    }
    self->alpn[n] = NULL;
    check(mbedtls_ssl_conf_alpn_protocols(&self->context->conf, n ? self->alpn : NULL));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(options_alpn_obj, options_alpn);

// versions(lowest, highest): 0x303 is TLS 1.2 or DTLS 1.2, 0x304 is TLS 1.3.
static mp_obj_t options_versions(mp_obj_t self, mp_obj_t low, mp_obj_t high) {
    mbedtls_ssl_config *conf = &context_of(self)->conf;
    mbedtls_ssl_conf_min_tls_version(conf, mp_obj_get_int(low));
    mbedtls_ssl_conf_max_tls_version(conf, mp_obj_get_int(high));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(options_versions_obj, options_versions);

// fragment(code): RFC 6066 4; 1 to 4 are 512 to 4096 bytes, 0 is no limit.
static mp_obj_t options_fragment(mp_obj_t self, mp_obj_t code) {
    check(mbedtls_ssl_conf_max_frag_len(&context_of(self)->conf, mp_obj_get_int(code)));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(options_fragment_obj, options_fragment);

// tickets(seconds): as a server give tickets, for sessions to go on (RFC 5077, RFC 8446 4.6.1).
static mp_obj_t options_tickets(mp_obj_t self_in, mp_obj_t seconds) {
    options_t *self = MP_OBJ_TO_PTR(self_in);
    mbedtls_ssl_ticket_free(&self->tickets);
    mbedtls_ssl_ticket_init(&self->tickets);
    check(mbedtls_ssl_ticket_setup(&self->tickets, mbedtls_ctr_drbg_random,
        &self->context->ctr_drbg, MBEDTLS_CIPHER_AES_256_GCM, mp_obj_get_int(seconds)));
    mbedtls_ssl_conf_session_tickets_cb(&self->context->conf, mbedtls_ssl_ticket_write,
        mbedtls_ssl_ticket_parse, &self->tickets);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(options_tickets_obj, options_tickets);

// cookies(): as a DTLS server have clients show that their address is real.
static mp_obj_t options_cookies(mp_obj_t self_in) {
    options_t *self = MP_OBJ_TO_PTR(self_in);
    check(mbedtls_ssl_cookie_setup(&self->cookies, mbedtls_ctr_drbg_random,
        &self->context->ctr_drbg));
    mbedtls_ssl_conf_dtls_cookies(&self->context->conf, mbedtls_ssl_cookie_write,
        mbedtls_ssl_cookie_check, &self->cookies);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(options_cookies_obj, options_cookies);

// The client has named whom it wants: on_name() tells whose certificate it gets.
static int named(void *self_in, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len) {
    options_t *self = self_in;
    nlr_buf_t nlr;
    if (nlr_push(&nlr) != 0) {
        self->raised = MP_OBJ_FROM_PTR(nlr.ret_val);
        return -1;
    }
    mp_obj_t chosen = mp_call_function_1(self->on_name, mp_obj_new_str((const char *)name, len));
    nlr_pop();
    if (chosen == mp_const_none) {
        return 0;
    }
    if (!mp_obj_is_type(chosen, &ssl_context_type)) {
        return -1;
    }
    mp_obj_ssl_context_t *other = MP_OBJ_TO_PTR(chosen);
    mbedtls_ssl_set_hs_authmode(ssl, other->authmode);
    mbedtls_ssl_set_hs_ca_chain(ssl, &other->cacert, NULL);
    return mbedtls_ssl_set_hs_own_cert(ssl, &other->cert, &other->pkey);
}

// on_name(f): f(name) returns a tls.SSLContext, or None for this one.
static mp_obj_t options_on_name(mp_obj_t self_in, mp_obj_t handler) {
    options_t *self = MP_OBJ_TO_PTR(self_in);
    self->on_name = handler;
    bool on = handler != mp_const_none;
    mbedtls_ssl_conf_sni(&self->context->conf, on ? named : NULL, self);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(options_on_name_obj, options_on_name);

// raised(): what on_name's function has raised, once.
static mp_obj_t options_raised(mp_obj_t self_in) {
    options_t *self = MP_OBJ_TO_PTR(self_in);
    mp_obj_t raised = self->raised;
    self->raised = mp_const_none;
    return raised;
}
static MP_DEFINE_CONST_FUN_OBJ_1(options_raised_obj, options_raised);

static const mp_rom_map_elem_t options_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&options_del_obj) },
    { MP_ROM_QSTR(MP_QSTR_alpn), MP_ROM_PTR(&options_alpn_obj) },
    { MP_ROM_QSTR(MP_QSTR_versions), MP_ROM_PTR(&options_versions_obj) },
    { MP_ROM_QSTR(MP_QSTR_fragment), MP_ROM_PTR(&options_fragment_obj) },
    { MP_ROM_QSTR(MP_QSTR_tickets), MP_ROM_PTR(&options_tickets_obj) },
    { MP_ROM_QSTR(MP_QSTR_cookies), MP_ROM_PTR(&options_cookies_obj) },
    { MP_ROM_QSTR(MP_QSTR_on_name), MP_ROM_PTR(&options_on_name_obj) },
    { MP_ROM_QSTR(MP_QSTR_raised), MP_ROM_PTR(&options_raised_obj) },
};
static MP_DEFINE_CONST_DICT(options_locals, options_locals_table);

static MP_DEFINE_CONST_OBJ_TYPE(
    options_type,
    MP_QSTR_Options,
    MP_TYPE_FLAG_NONE,
    make_new, options_make_new,
    locals_dict, &options_locals
    );

// -- connections -------------------------------------------------------------------------------

static mp_obj_ssl_socket_t *open_socket(mp_obj_t sock) {
    if (!mp_obj_is_type(sock, &ssl_socket_type)) {
        mp_raise_TypeError(MP_ERROR_TEXT("not a tls.SSLSocket"));
    }
    mp_obj_ssl_socket_t *o = MP_OBJ_TO_PTR(sock);
    if (o->sock == MP_OBJ_NULL && o->last_error == 0) {
        mp_raise_OSError(MP_EBADF);
    }
    if (o->last_error != 0) {
        mbedtls_raise_error(o->last_error);
    }
    return o;
}

// handshake(sock, flag): 0: it waits for the stream below; 1: done; 2: done, an earlier session goes
// on; 3: a DTLS client that has to come again, with a cookie: begin anew. flag: what the program
// wants to do, MP_STREAM_POLL_RD or _WR; when that is also what the handshake waits for, poll() says
// no more than the stream.
static mp_obj_t handshake(mp_obj_t sock, mp_obj_t flag) {
    mp_obj_ssl_socket_t *o = open_socket(sock);
    uintptr_t wanted = mp_obj_get_int(flag);
    store_active_context(o->ssl_context);
    o->poll_mask = 0;
    int done = 1;
    while (!mbedtls_ssl_is_handshake_over(&o->ssl)) {
        if (o->ssl.state == MBEDTLS_SSL_HANDSHAKE_WRAPUP && o->ssl.handshake->resume) {
            done = 2;
        }
        int ret = mbedtls_ssl_handshake_step(&o->ssl);
        if (ret == MBEDTLS_ERR_SSL_WANT_READ || ret == MBEDTLS_ERR_SSL_WANT_WRITE) {
            bool reading = ret == MBEDTLS_ERR_SSL_WANT_READ;
            uintptr_t needed = reading ? MP_STREAM_POLL_RD : MP_STREAM_POLL_WR;
            o->poll_mask = needed == wanted ? 0 : needed;
            return MP_OBJ_NEW_SMALL_INT(0);
        }
        if (ret == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED) {
            check(mbedtls_ssl_session_reset(&o->ssl));
            return MP_OBJ_NEW_SMALL_INT(3);
        }
        if (ret != 0) {
            o->last_error = ret;
            ssl_check_async_handshake_failure(o, &ret); // raises
            mbedtls_raise_error(ret);
        }
    }
    return MP_OBJ_NEW_SMALL_INT(done);
}
static MP_DEFINE_CONST_FUN_OBJ_2(handshake_obj, handshake);

// client(sock, address): whom a DTLS server's cookie is for.
static mp_obj_t client(mp_obj_t sock, mp_obj_t address) {
    mp_buffer_info_t id;
    mp_get_buffer_raise(address, &id, MP_BUFFER_READ);
    check(mbedtls_ssl_set_client_transport_id(&open_socket(sock)->ssl, id.buf, id.len));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(client_obj, client);

// due(sock): milliseconds until a DTLS handshake sends its last flight again; -1: it need not.
static mp_obj_t due(mp_obj_t sock) {
    mp_obj_ssl_socket_t *o = open_socket(sock);
    if (o->timer_fin_ms == 0) {
        return MP_OBJ_NEW_SMALL_INT(-1);
    }
    mp_uint_t since = mp_hal_ticks_ms() - o->timer_start_ms;
    return MP_OBJ_NEW_SMALL_INT(since < o->timer_fin_ms ? o->timer_fin_ms - since : 0);
}
static MP_DEFINE_CONST_FUN_OBJ_1(due_obj, due);

// Where in `buf`, for read() and write(): (sock, buf, offset).
static mp_obj_t transfer(const mp_obj_t *args, bool reading) {
    open_socket(args[0]);
    mp_buffer_info_t part;
    mp_get_buffer_raise(args[1], &part, reading ? MP_BUFFER_WRITE : MP_BUFFER_READ);
    size_t off = MIN((size_t)mp_obj_get_int(args[2]), part.len);
    byte *at = (byte *)part.buf + off;
    int error = 0;
    mp_uint_t n = reading ? socket_read(args[0], at, part.len - off, &error)
        : socket_write(args[0], at, part.len - off, &error);
    if (n != MP_STREAM_ERROR) {
        return MP_OBJ_NEW_SMALL_INT(n);
    }
    if (!mp_is_nonblocking_error(error)) {
        mbedtls_raise_error(error);
    }
    return mp_const_none;
}

// read(sock, buf, offset): what there is, at least a byte; 0 at the end, None: it would wait.
static mp_obj_t ssl_read(mp_obj_t sock, mp_obj_t buf, mp_obj_t off) {
    return transfer((mp_obj_t[]) { sock, buf, off }, true);
}
static MP_DEFINE_CONST_FUN_OBJ_3(read_obj, ssl_read);

// write(sock, buf, offset): a record at most; returns how much, None: it would wait.
static mp_obj_t ssl_write(mp_obj_t sock, mp_obj_t buf, mp_obj_t off) {
    return transfer((mp_obj_t[]) { sock, buf, off }, false);
}
static MP_DEFINE_CONST_FUN_OBJ_3(write_obj, ssl_write);

// poll(sock, flags): what the ioctl of a stream says.
static mp_obj_t poll(mp_obj_t sock, mp_obj_t flags) {
    int error;
    uintptr_t asked = mp_obj_get_int(flags);
    mp_uint_t ready = socket_ioctl(sock, MP_STREAM_POLL, asked, &error);
    if (ready != MP_STREAM_ERROR && ended(&((mp_obj_ssl_socket_t *)MP_OBJ_TO_PTR(sock))->ssl)) {
        ready |= asked & MP_STREAM_POLL_RD;
    }
    return MP_OBJ_NEW_SMALL_INT(ready == MP_STREAM_ERROR ? MP_STREAM_POLL_ERR : ready);
}
static MP_DEFINE_CONST_FUN_OBJ_2(poll_obj, poll);

// notify(sock): tell the peer that nothing more comes (RFC 5246 7.2.1).
static mp_obj_t notify(mp_obj_t sock) {
    mp_obj_ssl_socket_t *o = MP_OBJ_TO_PTR(sock);
    bool open = o->sock != MP_OBJ_NULL && o->last_error == 0;
    if (open && mbedtls_ssl_is_handshake_over(&o->ssl)) {
        mbedtls_ssl_close_notify(&o->ssl);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(notify_obj, notify);

// alpn(sock): the protocol agreed on, or None.
static mp_obj_t alpn(mp_obj_t sock) {
    const char *name = mbedtls_ssl_get_alpn_protocol(&open_socket(sock)->ssl);
    return name == NULL ? mp_const_none : mp_obj_new_str_from_cstr(name);
}
static MP_DEFINE_CONST_FUN_OBJ_1(alpn_obj, alpn);

// session(sock): the session as bytes, for resume(); None while there is none to go on with.
static mp_obj_t session(mp_obj_t sock) {
    mp_obj_ssl_socket_t *o = open_socket(sock);
    mbedtls_ssl_session saved;
    mbedtls_ssl_session_init(&saved);
    size_t len = 0;
    byte *buf = NULL;
    int ret = mbedtls_ssl_get_session(&o->ssl, &saved);
    #if defined(MBEDTLS_SSL_PROTO_TLS1_3)
    if (ret == 0 && saved.tls_version == MBEDTLS_SSL_VERSION_TLS1_3 && saved.ticket == NULL) {
        ret = MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE; // the server has sent no ticket yet
    }
    #endif
    if (ret == 0) {
        mbedtls_ssl_session_save(&saved, NULL, 0, &len);
        buf = m_new_maybe(byte, len);
        ret = buf ? mbedtls_ssl_session_save(&saved, buf, len, &len) : MBEDTLS_ERR_SSL_ALLOC_FAILED;
    }
    mbedtls_ssl_session_free(&saved);
    return ret == 0 ? mp_obj_new_bytearray_by_ref(len, buf) : mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(session_obj, session);

// resume(sock, bytes): before the handshake of a client.
static mp_obj_t resume(mp_obj_t sock, mp_obj_t data) {
    mp_obj_ssl_socket_t *o = open_socket(sock);
    mp_buffer_info_t in;
    mp_get_buffer_raise(data, &in, MP_BUFFER_READ);
    mbedtls_ssl_session saved;
    mbedtls_ssl_session_init(&saved);
    int ret = mbedtls_ssl_session_load(&saved, in.buf, in.len);
    if (ret == 0) {
        ret = mbedtls_ssl_set_session(&o->ssl, &saved);
    }
    mbedtls_ssl_session_free(&saved);
    check(ret);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(resume_obj, resume);

static const mp_rom_map_elem_t ssl_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__ssl) },
    { MP_ROM_QSTR(MP_QSTR_Options), MP_ROM_PTR(&options_type) },
    { MP_ROM_QSTR(MP_QSTR_handshake), MP_ROM_PTR(&handshake_obj) },
    { MP_ROM_QSTR(MP_QSTR_client), MP_ROM_PTR(&client_obj) },
    { MP_ROM_QSTR(MP_QSTR_due), MP_ROM_PTR(&due_obj) },
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&read_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&write_obj) },
    { MP_ROM_QSTR(MP_QSTR_poll), MP_ROM_PTR(&poll_obj) },
    { MP_ROM_QSTR(MP_QSTR_notify), MP_ROM_PTR(&notify_obj) },
    { MP_ROM_QSTR(MP_QSTR_alpn), MP_ROM_PTR(&alpn_obj) },
    { MP_ROM_QSTR(MP_QSTR_session), MP_ROM_PTR(&session_obj) },
    { MP_ROM_QSTR(MP_QSTR_resume), MP_ROM_PTR(&resume_obj) },
};
static MP_DEFINE_CONST_DICT(ssl_globals, ssl_globals_table);

const mp_obj_module_t mp_module__ssl = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&ssl_globals,
};

MP_REGISTER_MODULE(MP_QSTR__ssl, mp_module__ssl);

#endif
