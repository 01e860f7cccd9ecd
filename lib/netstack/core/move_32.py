# core/move.py's kernel for 32-bit processors without one of their own: RISC-V, Xtensa.
#
# Words are summed as they are, in `total`, and their upper halves beside them, in `high`: what
# `total` has lost by wrapping comes back when `high` is taken from it, and only the lower halves
# remain, whose sum is below 2^32. That is half the work of taking each word apart. Pointers come
# first, because the emitter keeps the first two locals in registers.


@micropython.viper
def move(job: ptr32) -> int:
    """See core/move.py."""
    to = ptr32(job[0])
    n = job[4]
    job = ptr32(job[2])
    if int(to) != 0 and (int(to) ^ int(job)) & 3:
        # They never lie on a word boundary together: copy bytes first, then only sum.
        src = int(job)
        end = src + n
        while int(job) <= end - 4:
            ptr8(to)[0] = ptr8(job)[0]
            ptr8(to)[1] = ptr8(job)[1]
            ptr8(to)[2] = ptr8(job)[2]
            ptr8(to)[3] = ptr8(job)[3]
            to = ptr32(int(to) + 4)
            job = ptr32(int(job) + 4)
        while int(job) != end:
            ptr8(to)[0] = ptr8(job)[0]
            to = ptr32(int(to) + 1)
            job = ptr32(int(job) + 1)
        job = ptr32(src)
        to = ptr32(0)
    total = 0
    high = uint(0)
    odd = int(job) & 1
    while n:
        if int(job) & 3 == 0:
            while n >= 16:
                if int(to) != 0:
                    to[0] = job[0]
                    to[1] = job[1]
                    to[2] = job[2]
                    to[3] = job[3]
                    to = ptr32(int(to) + 16)
                total += job[0] + job[1] + job[2] + job[3]
                high += (uint(job[0]) >> 16) + (uint(job[1]) >> 16)
                high += (uint(job[2]) >> 16) + (uint(job[3]) >> 16)
                job = ptr32(int(job) + 16)
                n -= 16
            while n >= 4:
                if int(to) != 0:
                    to[0] = job[0]
                    to = ptr32(int(to) + 4)
                total += job[0]
                high += uint(job[0]) >> 16
                job = ptr32(int(job) + 4)
                n -= 4
        if n:
            byte = ptr8(job)[0]
            total += byte << ((int(job) & 1) << 3)
            if int(to) != 0:
                ptr8(to)[0] = byte
                to = ptr32(int(to) + 1)
            job = ptr32(int(job) + 1)
            n -= 1
    low = uint(total) - (high << 16)
    acc = int(low & 0xFFFF) + int(low >> 16) + int(high & 0xFFFF) + int(high >> 16)
    acc = (acc & 0xFFFF) + (acc >> 16)
    acc = (acc & 0xFFFF) + (acc >> 16)
    return ((acc & 0xFF) << 8) | (acc >> 8) if odd else acc
