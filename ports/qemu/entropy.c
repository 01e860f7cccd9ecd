// os.urandom(): ChaCha20 (RFC 8439 2.3) with fast key erasure: each request spends one block
// on the next key, so what was handed out cannot be computed back. The key is SHA-256 over 64
// bytes of the host's generator (semihosting: read /dev/urandom) and samples of timing jitter;
// without semihosting only the jitter is left, which is weak.
#include <string.h>

#include "py/mphal.h"
#include "lib/crypto-algorithms/sha256.h"
#if MICROPY_PY_SSL // else modhashlib.c has it
#include "lib/crypto-algorithms/sha256.c"
#endif

#define SYS_OPEN (0x01)
#define SYS_CLOSE (0x02)
#define SYS_READ (0x06)
#define JITTER_SAMPLES (2048)

static uint32_t key[8];

static size_t host_entropy(uint8_t *dest, size_t len) {
    static const char path[] = "/dev/urandom";
    const uintptr_t open_args[3] = { (uintptr_t)path, 1, sizeof(path) - 1 };
    int fd = mcu_semihosting(SYS_OPEN, open_args);
    if (fd == -1) {
        return 0;
    }
    const uintptr_t read_args[3] = { fd, (uintptr_t)dest, len };
    int missing = mcu_semihosting(SYS_READ, read_args);
    const uintptr_t close_args[1] = { fd };
    mcu_semihosting(SYS_CLOSE, close_args);
    return missing == 0 ? len : 0;
}

static void jitter(CRYAL_SHA256_CTX *ctx) {
    for (int i = 0; i < JITTER_SAMPLES; i++) {
        uint32_t t = mcu_ticks_cpu();
        sha256_update(ctx, (uint8_t *)&t, sizeof(t));
    }
}

void entropy_init(void) {
    CRYAL_SHA256_CTX ctx;
    uint8_t seed[64] = { 0 };
    sha256_init(&ctx);
    if (host_entropy(seed, sizeof(seed))) {
        sha256_update(&ctx, seed, sizeof(seed));
    }
    jitter(&ctx);
    sha256_final(&ctx, (uint8_t *)key);
    memset(seed, 0, sizeof(seed));
}

#define ROTL(x, n) (((x) << (n)) | ((x) >> (32 - (n))))
#define QUARTER(a, b, c, d) \
    a += b; d ^= a; d = ROTL(d, 16); \
    c += d; b ^= c; b = ROTL(b, 12); \
    a += b; d ^= a; d = ROTL(d, 8); \
    c += d; b ^= c; b = ROTL(b, 7)

static void chacha20_block(uint32_t counter, uint32_t out[16]) {
    uint32_t in[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
    memcpy(&in[4], key, sizeof(key));
    in[12] = counter;
    uint32_t x[16];
    memcpy(x, in, sizeof(x));
    for (int i = 0; i < 10; i++) {
        QUARTER(x[0], x[4], x[8], x[12]);
        QUARTER(x[1], x[5], x[9], x[13]);
        QUARTER(x[2], x[6], x[10], x[14]);
        QUARTER(x[3], x[7], x[11], x[15]);
        QUARTER(x[0], x[5], x[10], x[15]);
        QUARTER(x[1], x[6], x[11], x[12]);
        QUARTER(x[2], x[7], x[8], x[13]);
        QUARTER(x[3], x[4], x[9], x[14]);
    }
    for (int i = 0; i < 16; i++) {
        out[i] = x[i] + in[i];
    }
}

void entropy_bytes(uint8_t *dest, size_t len) {
    uint32_t block[16], next_key[8];
    chacha20_block(0, block);
    memcpy(next_key, block, sizeof(next_key));
    for (uint32_t counter = 1; len > 0; counter++) {
        size_t n = MIN(len, sizeof(block));
        chacha20_block(counter, block);
        memcpy(dest, block, n);
        dest += n;
        len -= n;
    }
    memcpy(key, next_key, sizeof(key));
    memset(block, 0, sizeof(block));
}

uint32_t entropy_u32(void) {
    uint32_t value;
    entropy_bytes((uint8_t *)&value, sizeof(value));
    return value;
}
