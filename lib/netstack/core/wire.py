# Reading and writing header fields, and 32-bit numbers that never become Python ints.
#
# A 32-bit port allocates for every value outside -2^30 .. 2^30-1, so sequence numbers and the like
# live in array('I') and are moved, added and compared there. Indexes count 32-bit words.


@micropython.viper
def get16(buf: ptr8, off: int) -> int:
    return (buf[off] << 8) | buf[off + 1]


@micropython.viper
def put16(buf: ptr8, off: int, value: int):
    buf[off] = value >> 8
    buf[off + 1] = value


@micropython.viper
def load32(words: ptr32, i: int, buf: ptr8, off: int):
    """words[i] = the big-endian 32-bit number at buf[off]."""
    words[i] = (buf[off] << 24) | (buf[off + 1] << 16) | (buf[off + 2] << 8) | buf[off + 3]


@micropython.viper
def store32(buf: ptr8, off: int, words: ptr32, i: int):
    """The 32-bit number words[i] to buf[off], big-endian."""
    a = words[i]
    buf[off] = a >> 24
    buf[off + 1] = a >> 16
    buf[off + 2] = a >> 8
    buf[off + 3] = a


@micropython.viper
def get32(buf: ptr8, off: int) -> int:
    """A big-endian 32-bit number, clamped to 2^30-1 so that it is a small int everywhere: for
    times and lengths, where anything as large means "for ever"."""
    if buf[off] >= 0x40:
        return 0x3FFFFFFF
    return (buf[off] << 24) | (buf[off + 1] << 16) | (buf[off + 2] << 8) | buf[off + 3]


@micropython.viper
def move32(dst: ptr32, i: int, src: ptr32, j: int):
    dst[i] = src[j]


@micropython.viper
def add32(words: ptr32, i: int, n: int):
    p = ptr32(int(words) + (i << 2))
    p[0] = p[0] + n


@micropython.viper
def sub32(a: ptr32, i: int, b: ptr32, j: int) -> int:
    """a[i] - b[j] modulo 2^32 as a signed number, clamped to -2^30 .. 2^30-1: sequence numbers
    are compared by the sign of their difference (RFC 9293 3.4)."""
    d = a[i] - b[j]
    hi = (d >> 16) & 0xFFFF
    if hi >= 0x8000:
        hi -= 0x10000
    if hi >= 0x4000:
        return 0x3FFFFFFF
    if hi < -0x4000:
        return -0x3FFFFFFF - 1
    return (hi << 16) | (d & 0xFFFF)


@micropython.viper
def address(words: ptr32, i: int, buf):
    """words[i], words[i + 1] = where `buf` lies in memory, low word first; the collector moves
    nothing, so that holds as long as `buf` lives."""
    p = ptr32(int(words) + (i << 2))
    at = int(ptr8(buf))
    p[0] = at
    p[1] = (uint(at) >> 16) >> 16  # a sign would fill it on a 32-bit port


@micropython.viper
def where(buf) -> uint:
    """The address of a buffer, as a number, for kernels that run for each packet: as an argument
    that is a third of the work of the buffer itself. It holds as long as somebody has `buf`."""
    return uint(ptr8(buf))


@micropython.viper
def same(a: ptr8, i: int, b: ptr8, j: int, n: int) -> bool:
    """Are the `n` bytes at a[i] and b[j] equal?"""
    k = 0
    while k < n:
        if a[i + k] != b[j + k]:
            return False
        k += 1
    return True


@micropython.viper
def zero(buf: ptr8, off: int, n: int) -> bool:
    """Are the `n` bytes at `off` all zero?"""
    k = 0
    while k < n:
        if buf[off + k]:
            return False
        k += 1
    return True


@micropython.viper
def find(table: ptr8, count: int, width: int, buf: ptr8, off: int) -> int:
    """Index of the row equal to the `width` bytes at buf[off] in a table of rows; -1: none."""
    i = 0
    p = 0
    while i < count:
        k = 0
        while k < width and table[p + k] == buf[off + k]:
            k += 1
        if k == width:
            return i
        p += width
        i += 1
    return -1
