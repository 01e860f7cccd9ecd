// What upstream's code, and the C library, take RAM for, that a program has better use for. The linker
// puts the functions here in front of others (--wrap, board.cmake).

#include <time.h>

#include "py/runtime.h"
#include "lib/littlefs/lfs2.h"

// A file system, and each open file, has buffers of 1024 bytes: four pages of flash. Two do as well. No
// fewer: a file of up to 512 bytes may lie in its directory, an eighth of a block, and is read at once.
#define CACHE 512

int __real_lfs2_mount(lfs2_t *lfs, const struct lfs2_config *config);
int __wrap_lfs2_mount(lfs2_t *lfs, const struct lfs2_config *config) {
    struct lfs2_config *changed = (struct lfs2_config *)config; // mounted by the object that has it
    size_t had = config->cache_size;
    if (had > CACHE && had % CACHE == 0 && CACHE % config->read_size == 0
        && CACHE % config->prog_size == 0 && config->block_size / 8 <= CACHE) {
        changed->cache_size = CACHE;
        changed->read_buffer = m_renew(uint8_t, config->read_buffer, had, CACHE);
        changed->prog_buffer = m_renew(uint8_t, config->prog_buffer, had, CACHE);
    }
    return __real_lfs2_mount(lfs, config);
}

#if !defined(__riscv) // whose C library is another: riscv/
// The C library has these two in a kilobyte of what printf() and others want, which are not in the
// image. Its mathematics write to errno, and nobody reads it; mbedTLS asks for dates.
int *__errno(void) {
    static int value;
    return &value;
}

struct tm *gmtime(const time_t *seconds) {
    static struct tm date;
    return gmtime_r(seconds, &date);
}
#endif
