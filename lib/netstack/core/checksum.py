# The Internet checksum (RFC 1071) and the copies that compute it on the way.
#
# Sums are kept in the byte order of the machine (all targets are little-endian) and always folded
# to 16 bits: a one's complement sum does not care, so long as it is stored the same way (RFC 1071
# section 2(B)). A sum over data whose checksum field is right folds to 0xffff.
# Plain twins of every kernel are in tests/unix/ref.py. Offsets and lengths are trusted: viper has
# no bounds checks, so callers check lengths first. Pointers move on instead of being indexed by a
# variable, because MicroPython 1.26 and 1.27 spoil a local that indexes a ptr16 or ptr32
# (micropython issue 18800).
#
# Words are summed as they are, in `total`, and their upper halves beside them, in `high`: what
# `total` has lost by wrapping comes back when `high` is taken from it, and only the lower halves
# remain. Lengths stay below 64 kB, so that no other sum can wrap. The emitter keeps the first two
# locals in registers: hence arguments that become addresses.
#
# Processors that can do better have kernels of their own, which take the place of these at the end
# of the file.

from netstack.core.processor import KERNELS


@micropython.viper
def csum(buf: ptr8, off: int, n: int, acc: int) -> int:
    """Add `n` bytes at `off` to the sum `acc`; returns the folded sum."""
    buf = ptr8(int(buf) + off)
    if int(buf) & 3 == 2 and n >= 2:
        acc += ptr16(buf)[0]
        buf = ptr8(int(buf) + 2)
        n -= 2
    if int(buf) & 3 == 0:
        total = 0
        high = uint(0)
        while n >= 16:
            total += ptr32(buf)[0] + ptr32(buf)[1] + ptr32(buf)[2] + ptr32(buf)[3]
            high += (uint(ptr32(buf)[0]) >> 16) + (uint(ptr32(buf)[1]) >> 16)
            high += (uint(ptr32(buf)[2]) >> 16) + (uint(ptr32(buf)[3]) >> 16)
            buf = ptr8(int(buf) + 16)
            n -= 16
        low = uint(total) - (high << 16)
        acc += int(low & 0xFFFF) + int(low >> 16) + int(high & 0xFFFF) + int(high >> 16)
    while n >= 2:
        acc += buf[0] | (buf[1] << 8)
        buf = ptr8(int(buf) + 2)
        n -= 2
    if n:
        acc += buf[0]
    acc = (acc & 0xFFFF) + ((acc >> 16) & 0xFFFF)
    return (acc & 0xFFFF) + (acc >> 16)


@micropython.viper
def copy_csum(dst: ptr8, at: int, src: ptr8, soff: int, n: int, acc: int) -> int:
    """Copy `n` bytes, to `dst` at `at` from `src` at `soff`, and add them to the sum `acc` in one
    pass; returns the folded sum."""
    dst = ptr8(int(dst) + at)
    at = int(src) + soff
    if (int(dst) | at) & 3 == 0:
        total = 0
        high = uint(0)
        while n >= 16:
            ptr32(dst)[0] = ptr32(at)[0]
            ptr32(dst)[1] = ptr32(at)[1]
            ptr32(dst)[2] = ptr32(at)[2]
            ptr32(dst)[3] = ptr32(at)[3]
            total += ptr32(at)[0] + ptr32(at)[1] + ptr32(at)[2] + ptr32(at)[3]
            high += (uint(ptr32(at)[0]) >> 16) + (uint(ptr32(at)[1]) >> 16)
            high += (uint(ptr32(at)[2]) >> 16) + (uint(ptr32(at)[3]) >> 16)
            dst = ptr8(int(dst) + 16)
            at += 16
            n -= 16
        low = uint(total) - (high << 16)
        acc += int(low & 0xFFFF) + int(low >> 16) + int(high & 0xFFFF) + int(high >> 16)
    if (int(dst) | at) & 1 == 0:
        while n >= 2:
            ptr16(dst)[0] = ptr16(at)[0]
            acc += ptr16(at)[0]
            dst = ptr8(int(dst) + 2)
            at += 2
            n -= 2
    while n >= 2:
        dst[0] = ptr8(at)[0]
        dst[1] = ptr8(at)[1]
        acc += ptr8(at)[0] | (ptr8(at)[1] << 8)
        dst = ptr8(int(dst) + 2)
        at += 2
        n -= 2
    if n:
        dst[0] = ptr8(at)[0]
        acc += ptr8(at)[0]
    acc = (acc & 0xFFFF) + ((acc >> 16) & 0xFFFF)
    return (acc & 0xFFFF) + (acc >> 16)


@micropython.viper
def copy(dst: ptr8, at: int, src: ptr8, soff: int, n: int):
    """Copy `n` bytes, to `dst` at `at` from `src` at `soff`, which must not overlap."""
    dst = ptr8(int(dst) + at)
    at = int(src) + soff
    if (int(dst) ^ at) & 3 == 0:
        while at & 3 and n > 0:
            dst[0] = ptr8(at)[0]
            dst = ptr8(int(dst) + 1)
            at += 1
            n -= 1
        while n >= 16:
            ptr32(dst)[0] = ptr32(at)[0]
            ptr32(dst)[1] = ptr32(at)[1]
            ptr32(dst)[2] = ptr32(at)[2]
            ptr32(dst)[3] = ptr32(at)[3]
            dst = ptr8(int(dst) + 16)
            at += 16
            n -= 16
    while n >= 8:
        dst[0] = ptr8(at)[0]
        dst[1] = ptr8(at)[1]
        dst[2] = ptr8(at)[2]
        dst[3] = ptr8(at)[3]
        dst[4] = ptr8(at)[4]
        dst[5] = ptr8(at)[5]
        dst[6] = ptr8(at)[6]
        dst[7] = ptr8(at)[7]
        dst = ptr8(int(dst) + 8)
        at += 8
        n -= 8
    while n > 0:
        dst[0] = ptr8(at)[0]
        dst = ptr8(int(dst) + 1)
        at += 1
        n -= 1


@micropython.viper
def put_csum(buf: ptr8, off: int, acc: int):
    """Store the complement of the folded sum `acc` at `off`."""
    acc ^= 0xFFFF
    buf[off] = acc & 0xFF
    buf[off + 1] = acc >> 8


@micropython.viper
def pseudo(src: ptr8, soff: int, dst: ptr8, doff: int, alen: int, proto: int, n: int) -> int:
    """Sum of a pseudo header: addresses of `alen` bytes, protocol and length (RFC 9293 3.1,
    RFC 8200 8.1: both come to the same sum)."""
    acc = (proto << 8) + ((n & 0xFF) << 8) + (n >> 8)
    i = 0
    while i < alen:
        acc += src[soff + i] | (src[soff + i + 1] << 8)
        acc += dst[doff + i] | (dst[doff + i + 1] << 8)
        i += 2
    acc = (acc & 0xFFFF) + ((acc >> 16) & 0xFFFF)
    return (acc & 0xFFFF) + (acc >> 16)


if KERNELS == "thumb":
    from netstack.core.checksum_thumb import csum
elif KERNELS == "64":
    from netstack.core.checksum_64 import copy, copy_csum, csum  # noqa: F401
