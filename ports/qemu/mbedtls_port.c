// What mbedTLS wants of the port: randomness and the time.
#include <string.h>
#include <time.h>

#include "py/mphal.h"
#include "shared/timeutils/timeutils.h"
#include "mbedtls/entropy.h"
#include "mbedtls/platform_time.h"
#include "mbedtls/platform_util.h"

int mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen);
int mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen) {
    entropy_bytes(output, len);
    *olen = len;
    return 0;
}

time_t port_time(time_t *seconds) {
    time_t now = mp_hal_time_ns() / 1000000000ULL;
    if (seconds != NULL) {
        *seconds = now;
    }
    return now;
}

mbedtls_ms_time_t mbedtls_ms_time(void) {
    return mcu_ticks_us() / 1000;
}

struct tm *mbedtls_platform_gmtime_r(const mbedtls_time_t *seconds, struct tm *tm) {
    timeutils_struct_time_t t;
    timeutils_seconds_since_epoch_to_struct_time(*seconds, &t);
    memset(tm, 0, sizeof(*tm));
    tm->tm_year = t.tm_year - 1900;
    tm->tm_mon = t.tm_mon - 1;
    tm->tm_mday = t.tm_mday;
    tm->tm_hour = t.tm_hour;
    tm->tm_min = t.tm_min;
    tm->tm_sec = t.tm_sec;
    return tm;
}
