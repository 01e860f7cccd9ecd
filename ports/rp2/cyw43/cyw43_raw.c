// _cyw43: Ethernet frames, and what a radio is told, by Infineon's CYW43439 of a Pico W.
//
// Nothing of lwIP. Frames go from the chip's bus buffer to a ring, and from there to the stack's;
// memory is static, and the collector knows nothing of it. cyw43_wifi.py is the NIC above.

#include <string.h>
#include "py/mphal.h"
#include "py/runtime.h"
#include "cyw43.h"
#include "cyw43_country.h"
#include "hardware/gpio.h"
#include "hardware/irq.h"
#include "pendsv.h"

#define RING_SIZE (8192) // a power of two
#define HEAD (3) // bytes of length and interface before a frame
#define LONGEST (1514)
#define SCAN_MAX (24)
#define SCAN_MS (10000)
#define INTERFACES (2) // CYW43_ITF_STA, CYW43_ITF_AP

static uint8_t ring[RING_SIZE];
static volatile uint32_t ring_in, ring_out; // they only grow
static volatile uint32_t drops;
static volatile uint8_t linked, wanted; // bits, one for each interface
static volatile bool scheduled;
static cyw43_ev_scan_result_t found[SCAN_MAX];
static volatile size_t found_len;

// --- the chip's interrupt line: level, off until the driver has asked what there is ---

static void host_wake_enable(bool on) {
    io_rw_32 *enable = &io_bank0_hw->proc0_irq_ctrl.inte[CYW43_PIN_WL_HOST_WAKE / 8];
    uint32_t mask = GPIO_IRQ_LEVEL_HIGH << (4 * (CYW43_PIN_WL_HOST_WAKE % 8));
    if (on) {
        hw_set_bits(enable, mask);
    } else {
        hw_clear_bits(enable, mask);
    }
}

static void host_wake_irq(void) {
    if (gpio_get_irq_event_mask(CYW43_PIN_WL_HOST_WAKE) & GPIO_IRQ_LEVEL_HIGH) {
        host_wake_enable(false);
        pendsv_schedule_dispatch(PENDSV_DISPATCH_CYW43_RAW, cyw43_poll);
        __sev();
    }
}

void cyw43_post_poll_hook(void) {
    host_wake_enable(true);
}

// MICROPY_HW_PIN_RESERVED: a soft reset leaves the line alone.
int cyw43_raw_pin_reserved(int number) {
    return number == CYW43_PIN_WL_HOST_WAKE;
}

void cyw43_hal_get_mac(int idx, uint8_t buf[6]) {
    (void)idx;
    memcpy(buf, cyw43_state.mac, 6); // from its one-time memory, at power-up
}

// --- what the driver calls without lwIP: from PendSV, so nothing is raised and nothing allocated ---

void cyw43_cb_tcpip_init(cyw43_t *self, int itf) {
    (void)self;
    (void)itf;
}

void cyw43_cb_tcpip_deinit(cyw43_t *self, int itf) {
    (void)self;
    linked &= ~(1 << itf);
}

void cyw43_cb_tcpip_set_link_up(cyw43_t *self, int itf) {
    (void)self;
    linked |= 1 << itf;
}

void cyw43_cb_tcpip_set_link_down(cyw43_t *self, int itf) {
    (void)self;
    linked &= ~(1 << itf);
}

// Named by cyw43_send_ethernet() for frames of lwIP's, which there are none of.
uint16_t pbuf_copy_partial(const void *p, void *to, uint16_t len, uint16_t off);
uint16_t pbuf_copy_partial(const void *p, void *to, uint16_t len, uint16_t off) {
    (void)p;
    (void)to;
    (void)len;
    (void)off;
    return 0;
}

static void put(uint32_t at, const uint8_t *from, size_t n) {
    size_t o = at & (RING_SIZE - 1);
    size_t first = MIN(n, RING_SIZE - o);
    memcpy(ring + o, from, first);
    memcpy(ring, from + first, n - first);
}

static void get(uint32_t at, uint8_t *to, size_t n) {
    size_t o = at & (RING_SIZE - 1);
    size_t first = MIN(n, RING_SIZE - o);
    memcpy(to, ring + o, first);
    memcpy(to + first, ring, n - first);
}

static mp_obj_t run_callback(mp_obj_t callback) {
    scheduled = false;
    return mp_call_function_1(callback, mp_const_none);
}
static MP_DEFINE_CONST_FUN_OBJ_1(run_callback_obj, run_callback);

void cyw43_cb_process_ethernet(void *cb_data, int itf, size_t len, const uint8_t *buf) {
    (void)cb_data;
    if (!(wanted >> itf & 1)) {
        return;
    }
    if (len > LONGEST || RING_SIZE - (ring_in - ring_out) < len + HEAD) {
        drops++;
        return;
    }
    uint8_t head[HEAD] = {len, len >> 8, itf};
    put(ring_in, head, HEAD);
    put(ring_in + HEAD, buf, len);
    __dmb();
    ring_in += len + HEAD;
    mp_obj_t callback = MP_STATE_VM(cyw43_raw_callback);
    if (callback != MP_OBJ_NULL && callback != mp_const_none && !scheduled) {
        scheduled = mp_sched_schedule(MP_OBJ_FROM_PTR(&run_callback_obj), callback);
    }
    __sev();
}

static int scan_result(void *env, const cyw43_ev_scan_result_t *result) {
    (void)env;
    for (size_t i = 0; i < found_len; i++) {
        if (memcmp(found[i].bssid, result->bssid, 6) == 0) {
            return 0;
        }
    }
    if (found_len < SCAN_MAX) {
        found[found_len] = *result;
        found_len++;
    }
    return 0;
}

// --- the module ---

static int interface(mp_obj_t obj) {
    mp_int_t itf = mp_obj_get_int(obj);
    if (itf < 0 || itf >= INTERFACES) {
        mp_raise_ValueError(MP_ERROR_TEXT("interface: 0 or 1"));
    }
    return itf;
}

static void check(int result) {
    if (result < 0) {
        mp_raise_OSError(-result);
    }
}

// up(itf, on, country)
static mp_obj_t raw_up(mp_obj_t itf_in, mp_obj_t on, mp_obj_t country_in) {
    int itf = interface(itf_in);
    size_t len;
    const char *country = mp_obj_str_get_data(country_in, &len);
    if (len != 2) {
        mp_raise_ValueError(MP_ERROR_TEXT("country: two letters"));
    }
    if (!cyw43_is_initialized(&cyw43_state)) {
        cyw43_init(&cyw43_state);
        gpio_add_raw_irq_handler_with_order_priority(CYW43_PIN_WL_HOST_WAKE, host_wake_irq,
            PICO_SHARED_IRQ_HANDLER_HIGHEST_ORDER_PRIORITY);
        irq_set_enabled(IO_IRQ_BANK0, true);
        host_wake_enable(true);
    }
    bool up = mp_obj_is_true(on);
    if (!up) {
        wanted &= ~(1 << itf);
    }
    cyw43_wifi_set_up(&cyw43_state, itf, up, CYW43_COUNTRY(country[0], country[1], 0));
    if (up) {
        if (!(cyw43_state.itf_state >> itf & 1)) { // it says so on the console only
            mp_raise_msg(&mp_type_OSError, MP_ERROR_TEXT("the CYW43439 does not start"));
        }
        wanted |= 1 << itf;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(raw_up_obj, raw_up);

static mp_obj_t raw_mac(void) {
    return mp_obj_new_bytes(cyw43_state.mac, 6);
}
static MP_DEFINE_CONST_FUN_OBJ_0(raw_mac_obj, raw_mac);

// scan() -> [(ssid, bssid, channel, rssi, auth), ...]
static mp_obj_t raw_scan(void) {
    cyw43_wifi_scan_options_t options = {0};
    memset(options.bssid, 0xff, sizeof(options.bssid));
    found_len = 0;
    check(cyw43_wifi_scan(&cyw43_state, &options, NULL, scan_result));
    uint32_t start = mp_hal_ticks_ms();
    while (cyw43_wifi_scan_active(&cyw43_state) && mp_hal_ticks_ms() - start < SCAN_MS) {
        mp_event_wait_ms(100);
    }
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (size_t i = 0; i < found_len; i++) {
        cyw43_ev_scan_result_t *each = &found[i];
        mp_obj_t items[5] = {
            mp_obj_new_bytes(each->ssid, each->ssid_len),
            mp_obj_new_bytes(each->bssid, 6),
            MP_OBJ_NEW_SMALL_INT(each->channel),
            MP_OBJ_NEW_SMALL_INT(each->rssi),
            MP_OBJ_NEW_SMALL_INT(each->auth_mode),
        };
        mp_obj_list_append(list, mp_obj_new_tuple(5, items));
    }
    return list;
}
static MP_DEFINE_CONST_FUN_OBJ_0(raw_scan_obj, raw_scan);

// join(ssid, key, auth, bssid or None): does not wait
static mp_obj_t raw_join(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    mp_buffer_info_t ssid, key, bssid = {.buf = NULL};
    mp_get_buffer_raise(args[0], &ssid, MP_BUFFER_READ);
    mp_get_buffer_raise(args[1], &key, MP_BUFFER_READ);
    if (args[3] != mp_const_none) {
        mp_get_buffer_raise(args[3], &bssid, MP_BUFFER_READ);
        if (bssid.len != 6) {
            mp_raise_ValueError(MP_ERROR_TEXT("bssid: 6 bytes"));
        }
    }
    if (ssid.len > 32 || key.len > 64) {
        mp_raise_ValueError(MP_ERROR_TEXT("ssid: 32 bytes at most, key: 64"));
    }
    uint32_t auth = mp_obj_get_int_truncated(args[2]);
    check(cyw43_wifi_join(&cyw43_state, ssid.len, ssid.buf, key.len, key.buf, auth, bssid.buf,
        CYW43_CHANNEL_NONE));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(raw_join_obj, 4, 4, raw_join);

static mp_obj_t raw_leave(void) {
    check(cyw43_wifi_leave(&cyw43_state, CYW43_ITF_STA));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(raw_leave_obj, raw_leave);

// access_point(ssid, key, auth, channel): before up()
static mp_obj_t raw_access_point(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    mp_buffer_info_t ssid, key;
    mp_get_buffer_raise(args[0], &ssid, MP_BUFFER_READ);
    mp_get_buffer_raise(args[1], &key, MP_BUFFER_READ);
    if (ssid.len > 32 || key.len > 64) {
        mp_raise_ValueError(MP_ERROR_TEXT("ssid: 32 bytes at most, key: 64"));
    }
    cyw43_wifi_ap_set_ssid(&cyw43_state, ssid.len, ssid.buf);
    cyw43_wifi_ap_set_password(&cyw43_state, key.len, key.buf);
    cyw43_wifi_ap_set_auth(&cyw43_state, mp_obj_get_int_truncated(args[2]));
    cyw43_wifi_ap_set_channel(&cyw43_state, mp_obj_get_int(args[3]));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(raw_access_point_obj, 4, 4, raw_access_point);

static mp_obj_t raw_stations(void) {
    int most = 0;
    cyw43_wifi_ap_get_max_stas(&cyw43_state, &most);
    uint8_t macs[most * 6];
    int count = most;
    cyw43_wifi_ap_get_stas(&cyw43_state, &count, macs);
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (int i = 0; i < count; i++) {
        mp_obj_list_append(list, mp_obj_new_bytes(macs + 6 * i, 6));
    }
    return list;
}
static MP_DEFINE_CONST_FUN_OBJ_0(raw_stations_obj, raw_stations);

// status(): of the station: -3 key refused, -2 no such network, -1 failed, 0 down, 1 joining, joined
static mp_obj_t raw_status(void) {
    return MP_OBJ_NEW_SMALL_INT(cyw43_wifi_link_status(&cyw43_state, CYW43_ITF_STA));
}
static MP_DEFINE_CONST_FUN_OBJ_0(raw_status_obj, raw_status);

static mp_obj_t raw_rssi(void) {
    int32_t rssi = 0;
    check(cyw43_wifi_get_rssi(&cyw43_state, &rssi));
    return mp_obj_new_int(rssi);
}
static MP_DEFINE_CONST_FUN_OBJ_0(raw_rssi_obj, raw_rssi);

static mp_obj_t raw_power(mp_obj_t mode) {
    check(cyw43_wifi_pm(&cyw43_state, mp_obj_get_int_truncated(mode)));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(raw_power_obj, raw_power);

static mp_obj_t raw_link(mp_obj_t itf) {
    return MP_OBJ_NEW_SMALL_INT(linked >> interface(itf) & 1);
}
static MP_DEFINE_CONST_FUN_OBJ_1(raw_link_obj, raw_link);

static mp_obj_t raw_drops(void) {
    return mp_obj_new_int_from_uint(drops);
}
static MP_DEFINE_CONST_FUN_OBJ_0(raw_drops_obj, raw_drops);

static uint8_t *window(const mp_obj_t buf_in, mp_int_t off, mp_int_t n, int how) {
    mp_buffer_info_t buf;
    mp_get_buffer_raise(buf_in, &buf, how);
    if (off < 0 || n < 0 || (size_t)off > buf.len || (size_t)n > buf.len - off) {
        mp_raise_ValueError(MP_ERROR_TEXT("beyond the buffer"));
    }
    return (uint8_t *)buf.buf + off;
}

// send(itf, buf, off, n): 0 or -errno; the driver has copied it
static mp_obj_t raw_send(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    int itf = interface(args[0]);
    mp_int_t n = mp_obj_get_int(args[3]);
    uint8_t *from = window(args[1], mp_obj_get_int(args[2]), n, MP_BUFFER_READ);
    if (n > LONGEST) {
        return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
    }
    return MP_OBJ_NEW_SMALL_INT(cyw43_send_ethernet(&cyw43_state, itf, n, from, false));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(raw_send_obj, 4, 4, raw_send);

// recv(itf, buf, off): length of the next frame, which is at buf[off]; 0: none for this interface
static mp_obj_t raw_recv(mp_obj_t itf_in, mp_obj_t buf_in, mp_obj_t off_in) {
    int itf = interface(itf_in);
    while (ring_in != ring_out) {
        uint8_t head[HEAD];
        get(ring_out, head, HEAD);
        size_t n = head[0] | head[1] << 8;
        if (head[2] != itf) {
            if (wanted >> head[2] & 1) {
                break; // the other interface's turn
            }
            ring_out += n + HEAD; // which is down by now
            continue;
        }
        get(ring_out + HEAD, window(buf_in, mp_obj_get_int(off_in), n, MP_BUFFER_WRITE), n);
        ring_out += n + HEAD;
        return MP_OBJ_NEW_SMALL_INT(n);
    }
    return MP_OBJ_NEW_SMALL_INT(0);
}
static MP_DEFINE_CONST_FUN_OBJ_3(raw_recv_obj, raw_recv);

// on_receive(callback): scheduled with each frame that comes while none is
static mp_obj_t raw_on_receive(mp_obj_t callback) {
    MP_STATE_VM(cyw43_raw_callback) = callback;
    scheduled = false;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(raw_on_receive_obj, raw_on_receive);

// multicast(mac, on): the chip knows ten
static mp_obj_t raw_multicast(mp_obj_t mac_in, mp_obj_t on) {
    mp_buffer_info_t mac;
    mp_get_buffer_raise(mac_in, &mac, MP_BUFFER_READ);
    if (mac.len != 6) {
        mp_raise_ValueError(MP_ERROR_TEXT("MAC: 6 bytes"));
    }
    uint8_t copy[6];
    memcpy(copy, mac.buf, 6);
    check(cyw43_wifi_update_multicast_filter(&cyw43_state, copy, mp_obj_is_true(on)));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(raw_multicast_obj, raw_multicast);

// Soft reset: whoever was to be called is no more. Named __init__, so that the first import of a
// session sees to it.
static mp_obj_t raw_init(void) {
    wanted = 0;
    MP_STATE_VM(cyw43_raw_callback) = mp_const_none;
    scheduled = false;
    ring_out = ring_in;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(raw_init_obj, raw_init);

static const mp_rom_map_elem_t table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__cyw43)},
    {MP_ROM_QSTR(MP_QSTR___init__), MP_ROM_PTR(&raw_init_obj)},
    {MP_ROM_QSTR(MP_QSTR_up), MP_ROM_PTR(&raw_up_obj)},
    {MP_ROM_QSTR(MP_QSTR_mac), MP_ROM_PTR(&raw_mac_obj)},
    {MP_ROM_QSTR(MP_QSTR_scan), MP_ROM_PTR(&raw_scan_obj)},
    {MP_ROM_QSTR(MP_QSTR_join), MP_ROM_PTR(&raw_join_obj)},
    {MP_ROM_QSTR(MP_QSTR_leave), MP_ROM_PTR(&raw_leave_obj)},
    {MP_ROM_QSTR(MP_QSTR_access_point), MP_ROM_PTR(&raw_access_point_obj)},
    {MP_ROM_QSTR(MP_QSTR_stations), MP_ROM_PTR(&raw_stations_obj)},
    {MP_ROM_QSTR(MP_QSTR_status), MP_ROM_PTR(&raw_status_obj)},
    {MP_ROM_QSTR(MP_QSTR_rssi), MP_ROM_PTR(&raw_rssi_obj)},
    {MP_ROM_QSTR(MP_QSTR_power), MP_ROM_PTR(&raw_power_obj)},
    {MP_ROM_QSTR(MP_QSTR_link), MP_ROM_PTR(&raw_link_obj)},
    {MP_ROM_QSTR(MP_QSTR_drops), MP_ROM_PTR(&raw_drops_obj)},
    {MP_ROM_QSTR(MP_QSTR_send), MP_ROM_PTR(&raw_send_obj)},
    {MP_ROM_QSTR(MP_QSTR_recv), MP_ROM_PTR(&raw_recv_obj)},
    {MP_ROM_QSTR(MP_QSTR_on_receive), MP_ROM_PTR(&raw_on_receive_obj)},
    {MP_ROM_QSTR(MP_QSTR_multicast), MP_ROM_PTR(&raw_multicast_obj)},
};
static MP_DEFINE_CONST_DICT(globals, table);

const mp_obj_module_t cyw43_raw_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&globals,
};
MP_REGISTER_MODULE(MP_QSTR__cyw43, cyw43_raw_module);
MP_REGISTER_ROOT_POINTER(mp_obj_t cyw43_raw_callback);
