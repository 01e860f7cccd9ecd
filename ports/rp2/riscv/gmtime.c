// picolibc's gmtime() leaves its result among a thread's variables, for which nothing sets the
// register here. mbedTLS asks it when a certificate is compared with the time.

#include <time.h>

struct tm *gmtime(const time_t *time) {
    static struct tm result;
    return gmtime_r(time, &result);
}
