# The fast path of forwarding IPv6: packets of a flow that the router has looked at before
# (forward6.py, which is the specification) are sent on by machine code, a hop older; on any doubt
# it changes nothing, and they go the ordinary way.
#
# A flow is an ingress interface, a protocol (TCP, UDP), addresses and ports. Its row, at a place
# that a hash of these gives, remembers what became of its last packet; words:
#   0..3 source  4..7 destination  8 ports  9 protocol, ingress << 8
#  10 HOPS of Stack.w when this was written  11 the longest frame  12 the interface it leaves by
#  13..16 Ethernet header, from byte 2 of these 16 on
#  17 the counter of a filter's rule; + 1, 0: none
# Words of the router's `cb` and of Stack.w: forwarding.py; of Interface.w: 18 its number, 19, 20
# address of `cb`; others core/interface.py.

from micropython import const

ROW = const(18)


@micropython.viper
def place(key: ptr32, mask: int) -> int:
    """The row of a flow: `key` is its words 0 to 9."""
    x = 0
    end = int(key) + 40
    while int(key) < end:
        x = x * 31 + key[0]
        key = ptr32(int(key) + 4)
    x = x ^ ((x >> 15) & 0x1FFFF)
    return (x ^ ((x >> 7) & 0x1FFFFFF)) & mask


@micropython.viper
def forward(w: ptr32, n: int) -> int:
    """Make the frame of `n` bytes, 2 behind the address in `w`, the one that leaves. Returns the
    kind with words 12, 16 and 36 filled, 0: not mine."""
    buf = ptr8(w[51] | ((w[52] << 16) << 16))
    if n < 62 or ptr16(int(buf) + 14)[0] != 0xDD86 or buf[16] >> 4 != 6 or buf[23] < 2:
        return 0
    nif = ptr32(w[53] | ((w[54] << 16) << 16))
    if ptr32(int(buf) + 4)[0] != nif[1] or ptr16(int(buf) + 2)[0] != (nif[0] >> 16) & 0xFFFF:
        return 0
    size = ((buf[20] << 8) | buf[21]) + 54
    proto = buf[22]
    if size > n:
        return 0
    if proto == 6:
        if size < 74 or buf[69] & 0x17 != 0x10:  # SYN, FIN, RST, or no ACK
            return 0
    elif proto != 17 or size < 62:
        return 0
    cb = ptr32(nif[19] | ((nif[20] << 16) << 16))
    key = proto | (nif[18] << 8)
    x = 0
    p = int(buf) + 24
    while p < int(buf) + 60:
        x = x * 31 + ptr32(p)[0]
        p += 4
    x = x * 31 + key
    x = x ^ ((x >> 15) & 0x1FFFF)
    x = (x ^ ((x >> 7) & 0x1FFFFFF)) & cb[2]
    r = ptr32((cb[0] | ((cb[1] << 16) << 16)) + x * 72)
    if r[9] != key or r[10] != w[2] or size > r[11]:
        return 0
    q = int(r)
    p = int(buf) + 24
    while p < int(buf) + 60:
        if ptr32(p)[0] != ptr32(q)[0]:
            return 0
        p += 4
        q += 4
    buf[23] = buf[23] - 1
    if r[17]:
        c = ptr32((cb[6] | ((cb[7] << 16) << 16)) + ((r[17] - 1) << 2))
        c[0] = c[0] + 1
    ptr16(int(buf) + 2)[0] = (r[13] >> 16) & 0xFFFF
    ptr32(int(buf) + 4)[0] = r[14]
    ptr32(int(buf) + 4)[1] = r[15]
    ptr32(int(buf) + 4)[2] = r[16]
    w[12] = n
    w[16] = r[12]
    w[36] = size
    return cb[3]
