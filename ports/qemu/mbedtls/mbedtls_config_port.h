// mbedTLS on this port: memory is the heap's, and mbedtls_port.c has the rest.
#include <time.h>

#define MICROPY_MBEDTLS_CONFIG_BARE_METAL (1)

time_t port_time(time_t *seconds);
#define MBEDTLS_PLATFORM_TIME_MACRO port_time
#define MBEDTLS_PLATFORM_MS_TIME_ALT
#define MBEDTLS_PLATFORM_GMTIME_R_ALT

#include "config.h"
