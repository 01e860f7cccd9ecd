# The fast path of forwarding: packets of a flow that the router has looked at before (forward.py,
# which is the specification) are changed and sent on by machine code; on any doubt it changes
# nothing, and they go the ordinary way.
#
# A flow is an ingress interface, a protocol (TCP, UDP), addresses and ports. Its row, at a place
# that a hash of these gives, remembers what became of its last packet; words:
#   0 source  1 destination  2 ports  3 protocol, ingress << 8   as they come in
#   4 HOPS of Stack.w when this was written  5 the longest frame  6 the interface that it leaves by
#   8 .. 11 Ethernet header, from byte 2 of these 16 on
#  12 source  13 destination  14 ports  as they leave  15 what that adds to the sums of the IP
#     header and, << 16, of TCP or UDP  18 1: they differ
#  19 what NAT counts: 1 out, 2 in
#  16 the word of NAT's table that gets the time  17 the counter of a filter's rule; + 1, 0: none
# Words of Router.cb and Stack.w: forwarding.py; of Interface.w: 13 its number, 14, 15 address of
# Router.cb; others core/interface.py.

from micropython import const

ROW = const(20)


@micropython.viper
def place(key: ptr32, mask: int) -> int:
    """The row of a flow: `key` is its words 0 to 3."""
    x = ((key[0] * 31 + key[1]) * 31 + key[2]) * 31 + key[3]
    x = x ^ ((x >> 15) & 0x1FFFF)
    return (x ^ ((x >> 7) & 0x1FFFFFF)) & mask


@micropython.viper
def delta(old: ptr16, new: ptr16, n: int) -> int:
    """What it adds to a sum when `n` 16-bit words are exchanged: RFC 1624 section 3."""
    acc = 0
    end = int(old) + 2 * n
    while int(old) < end:
        acc += (old[0] ^ 0xFFFF) + new[0]
        old = ptr16(int(old) + 2)
        new = ptr16(int(new) + 2)
    acc = (acc & 0xFFFF) + (acc >> 16)
    return (acc & 0xFFFF) + (acc >> 16)


@micropython.viper
def forward(w: ptr32, n: int) -> int:
    """Change the frame of `n` bytes, 2 behind the address in `w`, into the one that leaves.
    Returns the kind with words 12, 16 and 36 filled, 0: not mine."""
    buf = ptr8(w[51] | ((w[52] << 16) << 16))
    nif = ptr32(w[53] | ((w[54] << 16) << 16))
    cb = ptr32(nif[14] | ((nif[15] << 16) << 16))
    port = nif[13]
    h = ptr32(int(buf) + 16)
    if n < 42 or ptr16(int(buf) + 14)[0] != 8 or buf[16] != 0x45:
        return 0
    if ptr32(int(buf) + 4)[0] != nif[1] or ptr16(int(buf) + 2)[0] != (nif[0] >> 16) & 0xFFFF:
        return 0
    size = (buf[18] << 8) | buf[19]
    if size < 28 or size + 14 > n or (h[1] >> 16) & 0xFF3F or buf[24] < 2:
        return 0
    proto = buf[25]
    if proto == 6:
        if size < 40 or buf[49] & 0x17 != 0x10:  # SYN, FIN, RST, or no ACK
            return 0
    elif proto != 17:
        return 0
    total = 0
    p = int(buf) + 16
    while p < int(buf) + 36:
        total += ptr16(p)[0]
        p += 2
    total = (total & 0xFFFF) + (total >> 16)
    if (total & 0xFFFF) + (total >> 16) != 0xFFFF:
        return 0
    key = proto | (port << 8)
    x = ((h[3] * 31 + h[4]) * 31 + h[5]) * 31 + key
    x = x ^ ((x >> 15) & 0x1FFFF)
    x = (x ^ ((x >> 7) & 0x1FFFFFF)) & cb[2]
    r = ptr32((cb[0] | ((cb[1] << 16) << 16)) + x * 80)
    if r[0] != h[3] or r[1] != h[4] or r[2] != h[5] or r[3] != key:
        return 0
    if r[4] != w[2] or size + 14 > r[5]:
        return 0
    total = (ptr16(int(buf) + 26)[0] ^ 0xFFFF) + 0xFFFE + (r[15] & 0xFFFF)  # TTL - 1
    total = (total & 0xFFFF) + (total >> 16)
    ptr16(int(buf) + 26)[0] = ((total & 0xFFFF) + (total >> 16)) ^ 0xFFFF
    buf[24] = buf[24] - 1
    if r[18]:
        h[3] = r[12]
        h[4] = r[13]
        h[5] = r[14]
        p = int(buf) + 52
        if proto == 17:
            p = int(buf) + 42
        if proto == 6 or ptr16(p)[0]:
            total = (ptr16(p)[0] ^ 0xFFFF) + ((r[15] >> 16) & 0xFFFF)
            total = ((total & 0xFFFF) + (total >> 16)) ^ 0xFFFF
            if proto == 17 and not total:  # RFC 768: 0 is no sum
                total = 0xFFFF
            ptr16(p)[0] = total
    if r[16]:
        ptr32((cb[4] | ((cb[5] << 16) << 16)) + ((r[16] - 1) << 2))[0] = w[0]
        c = ptr32(cb[14] | ((cb[15] << 16) << 16))
        c[0] = c[0] + (r[19] & 1)
        c[1] = c[1] + (r[19] >> 1)
    if r[17]:
        c = ptr32((cb[6] | ((cb[7] << 16) << 16)) + ((r[17] - 1) << 2))
        c[0] = c[0] + 1
    ptr16(int(buf) + 2)[0] = (r[8] >> 16) & 0xFFFF
    ptr32(int(buf) + 4)[0] = r[9]
    ptr32(int(buf) + 4)[1] = r[10]
    ptr32(int(buf) + 4)[2] = r[11]
    w[12] = n
    w[16] = r[6]
    w[36] = size + 14
    return cb[3]
