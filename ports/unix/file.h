// What stands in front of extmod/vfs_posix_file.c when it is compiled: to read stdin, a pipe or a
// terminal, it waits by wait.c.

#include <unistd.h>

#include "port.h"

#define read(fd, buf, size) netstack_read(fd, buf, size)
