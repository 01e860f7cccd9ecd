// mbedTLS on the unix port: memory, entropy and time are the C library's.
#define MBEDTLS_CIPHER_MODE_CTR // for cryptolib
#define MBEDTLS_TIMING_C
#include "config.h"
