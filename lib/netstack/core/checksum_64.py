# Kernels of core/checksum.py for 64-bit processors, which load from any address.
#
# ptr32 gives a word without its sign there, so 64 bits hold the sum of 16 k of them and no carry
# is lost. The emitter keeps the first two locals in registers, hence an argument that is an offset
# at first and then an address.


@micropython.viper
def csum(buf: ptr32, off: int, n: int, acc: int) -> int:
    """See core/checksum.py."""
    buf = ptr32(int(buf) + off)
    while n >= 32:
        acc += buf[0] + buf[1] + buf[2] + buf[3] + buf[4] + buf[5] + buf[6] + buf[7]
        buf = ptr32(int(buf) + 32)
        n -= 32
    while n >= 4:
        acc += buf[0]
        buf = ptr32(int(buf) + 4)
        n -= 4
    if n & 2:
        acc += ptr16(buf)[0]
        buf = ptr32(int(buf) + 2)
    if n & 1:
        acc += ptr8(buf)[0]
    acc = (acc & 0xFFFF) + (acc >> 16 & 0xFFFF) + (acc >> 32)
    acc = (acc & 0xFFFF) + (acc >> 16)
    return (acc & 0xFFFF) + (acc >> 16)


@micropython.viper
def copy_csum(dst: ptr32, at: int, src: ptr8, soff: int, n: int, acc: int) -> int:
    """See core/checksum.py."""
    dst = ptr32(int(dst) + at)
    at = int(src) + soff
    while n >= 32:
        dst[0] = ptr32(at)[0]
        dst[1] = ptr32(at)[1]
        dst[2] = ptr32(at)[2]
        dst[3] = ptr32(at)[3]
        dst[4] = ptr32(at)[4]
        dst[5] = ptr32(at)[5]
        dst[6] = ptr32(at)[6]
        dst[7] = ptr32(at)[7]
        acc += ptr32(at)[0] + ptr32(at)[1] + ptr32(at)[2] + ptr32(at)[3]
        acc += ptr32(at)[4] + ptr32(at)[5] + ptr32(at)[6] + ptr32(at)[7]
        dst = ptr32(int(dst) + 32)
        at += 32
        n -= 32
    while n >= 4:
        dst[0] = ptr32(at)[0]
        acc += ptr32(at)[0]
        dst = ptr32(int(dst) + 4)
        at += 4
        n -= 4
    k = 0
    while n:
        byte = ptr8(at)[0]
        ptr8(dst)[0] = byte
        acc += byte << k
        dst = ptr32(int(dst) + 1)
        at += 1
        k ^= 8
        n -= 1
    acc = (acc & 0xFFFF) + (acc >> 16 & 0xFFFF) + (acc >> 32)
    acc = (acc & 0xFFFF) + (acc >> 16)
    return (acc & 0xFFFF) + (acc >> 16)


@micropython.viper
def copy(dst: ptr32, at: int, src: ptr8, soff: int, n: int):
    """See core/checksum.py."""
    dst = ptr32(int(dst) + at)
    at = int(src) + soff
    while n >= 32:
        dst[0] = ptr32(at)[0]
        dst[1] = ptr32(at)[1]
        dst[2] = ptr32(at)[2]
        dst[3] = ptr32(at)[3]
        dst[4] = ptr32(at)[4]
        dst[5] = ptr32(at)[5]
        dst[6] = ptr32(at)[6]
        dst[7] = ptr32(at)[7]
        dst = ptr32(int(dst) + 32)
        at += 32
        n -= 32
    while n >= 4:
        dst[0] = ptr32(at)[0]
        dst = ptr32(int(dst) + 4)
        at += 4
        n -= 4
    while n > 0:
        ptr8(dst)[0] = ptr8(at)[0]
        dst = ptr32(int(dst) + 1)
        at += 1
        n -= 1
