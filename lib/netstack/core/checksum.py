# The Internet checksum (RFC 1071) and the copies that compute it on the way.
#
# Sums are kept in the byte order of the machine (all targets are little-endian) and always folded
# to 16 bits: a one's complement sum does not care, so long as it is stored the same way (RFC 1071
# section 2(B)). A sum over data whose checksum field is right folds to 0xffff.
# Plain twins of every kernel are in tests/unix/ref.py. Offsets and lengths are trusted: viper has
# no bounds checks, so callers check lengths first. Lengths stay below 64 kB, so that 32-bit
# accumulators cannot overflow.


@micropython.viper
def csum(buf: ptr8, off: int, n: int, acc: int) -> int:
    """Add `n` bytes at `off` to the sum `acc`; returns the folded sum."""
    p = int(buf) + off
    if p & 3 == 2 and n >= 2:
        acc += ptr16(p)[0]
        p += 2
        n -= 2
    i = 0
    if p & 3 == 0:
        w = ptr32(p)
        m = n >> 2
        while i + 4 <= m:
            a = w[i]
            acc += (a & 0xFFFF) + ((a >> 16) & 0xFFFF)
            a = w[i + 1]
            acc += (a & 0xFFFF) + ((a >> 16) & 0xFFFF)
            a = w[i + 2]
            acc += (a & 0xFFFF) + ((a >> 16) & 0xFFFF)
            a = w[i + 3]
            acc += (a & 0xFFFF) + ((a >> 16) & 0xFFFF)
            i += 4
        while i < m:
            a = w[i]
            acc += (a & 0xFFFF) + ((a >> 16) & 0xFFFF)
            i += 1
        i <<= 2
    b = ptr8(p)
    while i + 1 < n:
        acc += b[i] | (b[i + 1] << 8)
        i += 2
    if i < n:
        acc += b[i]
    acc = (acc & 0xFFFF) + ((acc >> 16) & 0xFFFF)
    return (acc & 0xFFFF) + (acc >> 16)


@micropython.viper
def copy_csum(dst: ptr8, doff: int, src: ptr8, soff: int, n: int, acc: int) -> int:
    """Copy `n` bytes and add them to the sum `acc` in one pass; returns the folded sum."""
    d = int(dst) + doff
    s = int(src) + soff
    i = 0
    if (d | s) & 3 == 0:
        dw = ptr32(d)
        sw = ptr32(s)
        m = n >> 2
        while i < m:
            a = sw[i]
            dw[i] = a
            acc += (a & 0xFFFF) + ((a >> 16) & 0xFFFF)
            i += 1
        i <<= 2
    elif (d | s) & 1 == 0:
        dh = ptr16(d)
        sh = ptr16(s)
        m = n >> 1
        while i < m:
            a = sh[i]
            dh[i] = a
            acc += a
            i += 1
        i <<= 1
    db = ptr8(d)
    sb = ptr8(s)
    while i + 1 < n:
        a = sb[i]
        b = sb[i + 1]
        db[i] = a
        db[i + 1] = b
        acc += a | (b << 8)
        i += 2
    if i < n:
        a = sb[i]
        db[i] = a
        acc += a
    acc = (acc & 0xFFFF) + ((acc >> 16) & 0xFFFF)
    return (acc & 0xFFFF) + (acc >> 16)


@micropython.viper
def copy(dst: ptr8, doff: int, src: ptr8, soff: int, n: int):
    """Copy `n` bytes between buffers that do not overlap."""
    d = int(dst) + doff
    s = int(src) + soff
    i = 0
    if (d ^ s) & 3 == 0:
        while d & 3 and n > 0:
            ptr8(d)[0] = ptr8(s)[0]
            d += 1
            s += 1
            n -= 1
        dw = ptr32(d)
        sw = ptr32(s)
        m = n >> 2
        while i + 4 <= m:
            dw[i] = sw[i]
            dw[i + 1] = sw[i + 1]
            dw[i + 2] = sw[i + 2]
            dw[i + 3] = sw[i + 3]
            i += 4
        while i < m:
            dw[i] = sw[i]
            i += 1
        i <<= 2
    db = ptr8(d)
    sb = ptr8(s)
    while i < n:
        db[i] = sb[i]
        i += 1


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
