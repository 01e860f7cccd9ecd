# The Internet checksum (RFC 1071) and the copies that compute it on the way.
#
# Sums are kept in the byte order of the machine (all targets are little-endian) and always folded
# to 16 bits: a one's complement sum does not care, so long as it is stored the same way (RFC 1071
# section 2(B)). A sum over data whose checksum field is right folds to 0xffff.
# Plain twins of every kernel are in tests/unix/ref.py. Offsets and lengths are trusted: viper has
# no bounds checks, so callers check lengths first. Lengths stay below 64 kB, so that 32-bit
# accumulators cannot overflow. Pointers move on instead of being indexed by a variable, because
# MicroPython 1.26 and 1.27 spoil a local that indexes a ptr16 or ptr32 (micropython issue 18800).


@micropython.viper
def csum(buf: ptr8, off: int, n: int, acc: int) -> int:
    """Add `n` bytes at `off` to the sum `acc`; returns the folded sum."""
    p = int(buf) + off
    if p & 3 == 2 and n >= 2:
        acc += ptr16(p)[0]
        p += 2
        n -= 2
    if p & 3 == 0:
        while n >= 16:
            w = ptr32(p)
            a = w[0]
            acc += (a & 0xFFFF) + ((a >> 16) & 0xFFFF)
            a = w[1]
            acc += (a & 0xFFFF) + ((a >> 16) & 0xFFFF)
            a = w[2]
            acc += (a & 0xFFFF) + ((a >> 16) & 0xFFFF)
            a = w[3]
            acc += (a & 0xFFFF) + ((a >> 16) & 0xFFFF)
            p += 16
            n -= 16
    b = ptr8(p)
    while n >= 2:
        acc += b[0] | (b[1] << 8)
        b = ptr8(int(b) + 2)
        n -= 2
    if n:
        acc += b[0]
    acc = (acc & 0xFFFF) + ((acc >> 16) & 0xFFFF)
    return (acc & 0xFFFF) + (acc >> 16)


@micropython.viper
def copy_csum(dst: ptr8, doff: int, src: ptr8, soff: int, n: int, acc: int) -> int:
    """Copy `n` bytes and add them to the sum `acc` in one pass; returns the folded sum."""
    d = int(dst) + doff
    s = int(src) + soff
    if (d | s) & 3 == 0:
        while n >= 8:
            a = ptr32(s)[0]
            ptr32(d)[0] = a
            acc += (a & 0xFFFF) + ((a >> 16) & 0xFFFF)
            a = ptr32(s)[1]
            ptr32(d)[1] = a
            acc += (a & 0xFFFF) + ((a >> 16) & 0xFFFF)
            d += 8
            s += 8
            n -= 8
    elif (d | s) & 1 == 0:
        while n >= 2:
            a = ptr16(s)[0]
            ptr16(d)[0] = a
            acc += a
            d += 2
            s += 2
            n -= 2
    while n >= 2:
        a = ptr8(s)[0]
        b = ptr8(s)[1]
        ptr8(d)[0] = a
        ptr8(d)[1] = b
        acc += a | (b << 8)
        d += 2
        s += 2
        n -= 2
    if n:
        a = ptr8(s)[0]
        ptr8(d)[0] = a
        acc += a
    acc = (acc & 0xFFFF) + ((acc >> 16) & 0xFFFF)
    return (acc & 0xFFFF) + (acc >> 16)


@micropython.viper
def copy(dst: ptr8, doff: int, src: ptr8, soff: int, n: int):
    """Copy `n` bytes between buffers that do not overlap."""
    d = int(dst) + doff
    s = int(src) + soff
    if (d ^ s) & 3 == 0:
        while d & 3 and n > 0:
            ptr8(d)[0] = ptr8(s)[0]
            d += 1
            s += 1
            n -= 1
        while n >= 16:
            to = ptr32(d)
            frm = ptr32(s)
            to[0] = frm[0]
            to[1] = frm[1]
            to[2] = frm[2]
            to[3] = frm[3]
            d += 16
            s += 16
            n -= 16
    while n > 0:
        ptr8(d)[0] = ptr8(s)[0]
        d += 1
        s += 1
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
