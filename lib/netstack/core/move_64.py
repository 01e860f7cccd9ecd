# core/move.py's kernel for 64-bit processors, which load from any address.
#
# ptr32 gives a word without its sign there, so 64 bits hold the sum of 16 k of them and no carry
# is lost. The pointers come first, because the emitter keeps the first two locals in registers.


@micropython.viper
def move(job: ptr32) -> int:
    """See core/move.py."""
    to = ptr32(job[0] | (job[1] << 32))
    n = job[4]
    job = ptr32(job[2] | (job[3] << 32))
    acc = 0
    if int(to) == 0:
        while n >= 32:
            acc += job[0] + job[1] + job[2] + job[3] + job[4] + job[5] + job[6] + job[7]
            job = ptr32(int(job) + 32)
            n -= 32
        while n >= 4:
            acc += job[0]
            job = ptr32(int(job) + 4)
            n -= 4
    while n >= 64:
        to[0] = job[0]
        to[1] = job[1]
        to[2] = job[2]
        to[3] = job[3]
        acc += job[0] + job[1] + job[2] + job[3]
        to[4] = job[4]
        to[5] = job[5]
        to[6] = job[6]
        to[7] = job[7]
        acc += job[4] + job[5] + job[6] + job[7]
        to[8] = job[8]
        to[9] = job[9]
        to[10] = job[10]
        to[11] = job[11]
        acc += job[8] + job[9] + job[10] + job[11]
        to[12] = job[12]
        to[13] = job[13]
        to[14] = job[14]
        to[15] = job[15]
        acc += job[12] + job[13] + job[14] + job[15]
        to = ptr32(int(to) + 64)
        job = ptr32(int(job) + 64)
        n -= 64
    while n >= 4:
        to[0] = job[0]
        acc += job[0]
        to = ptr32(int(to) + 4)
        job = ptr32(int(job) + 4)
        n -= 4
    k = 0
    while n:
        byte = ptr8(job)[0]
        acc += byte << k
        if int(to) != 0:
            ptr8(to)[0] = byte
            to = ptr32(int(to) + 1)
        job = ptr32(int(job) + 1)
        k ^= 8
        n -= 1
    acc = (acc & 0xFFFF) + (acc >> 16 & 0xFFFF) + (acc >> 32)
    acc = (acc & 0xFFFF) + (acc >> 16)
    return (acc & 0xFFFF) + (acc >> 16)
