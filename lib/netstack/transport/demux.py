# Who gets a segment: a hash table from (ports, addresses) to control blocks, for TCP and UDP and
# both address families, as fast with a thousand entries as with one.
#
# A key is nine words: local port << 16 | remote port, local address, remote address; an IPv4
# address is mapped as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). A wildcard is all zero, but for the local
# address of IPv6, whose first word is all ones then: so that a port may belong to one family, and
# what has it in both is filed twice.
#
# For the fast path a table has its places in memory in an array `w`, which lives as long as it:
#   0 mask  1, 2 heads  3, 4 links  5, 6 keys  7, 8 blocks  9 changes
# `blocks` has for each entry the address (low word, high word) of the array `cb` of what is filed
# there; 0: it has none.

from array import array
from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import address

_WORDS = const(9)
_NONE = const(0xFFFF)


@micropython.viper
def set_key(
    key: ptr32, lport: int, rport: int, laddr: ptr8, lo: int, raddr: ptr8, ro: int, alen: int
):
    """Fill `key` for addresses of `alen` bytes."""
    key[0] = (lport << 16) | rport
    a = ptr8(int(key) + 4)
    i = 0
    while i < 32:
        a[i] = 0
        i += 1
    pad = 16 - alen
    if alen == 4:
        a[10] = 255
        a[11] = 255
        a[26] = 255
        a[27] = 255
    i = 0
    while i < alen:
        a[pad + i] = laddr[lo + i]
        a[16 + pad + i] = raddr[ro + i]
        i += 1


@micropython.viper
def clear_local(key: ptr32, alen: int):
    """Make the local address a wildcard, that for addresses of `alen` bytes."""
    key[1] = 0
    if alen == 16:
        key[1] = -1
    key[2] = 0
    key[3] = 0
    key[4] = 0


@micropython.viper
def clear_remote(key: ptr32):
    """Make the remote address and port wildcards."""
    key[0] = (key[0] >> 16) << 16
    key[5] = 0
    key[6] = 0
    key[7] = 0
    key[8] = 0


@micropython.viper
def read_key(key: ptr32, buf: ptr8, l4: int, lo: int, ro: int, alen: int):
    """Fill `key` for who gets the packet in `buf`: ports at l4, receiver at lo, sender at ro."""
    key[0] = (buf[l4 + 2] << 24) | (buf[l4 + 3] << 16) | (buf[l4] << 8) | buf[l4 + 1]
    a = ptr8(int(key) + 4)
    i = 0
    while i < 32:
        a[i] = 0
        i += 1
    pad = 16 - alen
    if alen == 4:
        a[10] = 255
        a[11] = 255
        a[26] = 255
        a[27] = 255
    i = 0
    while i < alen:
        a[pad + i] = buf[lo + i]
        a[16 + pad + i] = buf[ro + i]
        i += 1


@micropython.viper
def _search(w: ptr32, key: ptr32, alen: int) -> int:
    """The row of a key in the table that has `w`; -1: none. With `alen`, that of addresses, also
    what is filed for any sender, then for any receiver: the key becomes a wildcard."""
    tries = 2 if alen else 0
    while True:
        h = 0
        p = int(key)
        end = p + 36
        while p < end:
            h = h * 31 + ptr32(p)[0]
            p += 4
        h = h ^ ((h >> 15) & 0x1FFFF)
        h = (h ^ ((h >> 7) & 0x1FFFFFF)) & w[0]
        i = ptr16((w[1] | ((w[2] << 16) << 16)) + (h << 1))[0]
        while i != 0xFFFF:
            p = (w[5] | ((w[6] << 16) << 16)) + i * 36
            want = int(key)
            while want < end and ptr32(p)[0] == ptr32(want)[0]:
                p += 4
                want += 4
            if want == end:
                return i
            i = ptr16((w[3] | ((w[4] << 16) << 16)) + (i << 1))[0]
        if not tries:
            return -1
        if tries == 2:  # clear_remote()
            key[0] = (key[0] >> 16) << 16
            p = int(key) + 20
        else:  # clear_local()
            p = int(key) + 4
        end = p + 16
        while p < end:
            ptr32(p)[0] = 0
            p += 4
        if tries == 1 and alen == 16:
            key[1] = -1
        tries -= 1


@micropython.viper
def _link(w: ptr32, key: ptr32, i: int):
    """File row `i` under `key`."""
    h = 0
    q = (w[5] | ((w[6] << 16) << 16)) + i * 36
    p = int(key)
    end = p + 36
    while p < end:
        x = ptr32(p)[0]
        ptr32(q)[0] = x
        h = h * 31 + x
        p += 4
        q += 4
    h = h ^ ((h >> 15) & 0x1FFFF)
    h = (h ^ ((h >> 7) & 0x1FFFFFF)) & w[0]
    head = ptr16((w[1] | ((w[2] << 16) << 16)) + (h << 1))
    ptr16((w[3] | ((w[4] << 16) << 16)) + (i << 1))[0] = head[0]
    head[0] = i
    w[9] = w[9] + 1


@micropython.viper
def _unlink(w: ptr32, i: int, unused: int):
    """Take row `i` out; it comes before the `unused` one among those that are free."""
    h = 0
    p = (w[5] | ((w[6] << 16) << 16)) + i * 36
    end = p + 36
    while p < end:
        h = h * 31 + ptr32(p)[0]
        p += 4
    h = h ^ ((h >> 15) & 0x1FFFF)
    h = (h ^ ((h >> 7) & 0x1FFFFFF)) & w[0]
    links = w[3] | ((w[4] << 16) << 16)
    p = (w[1] | ((w[2] << 16) << 16)) + (h << 1)
    while ptr16(p)[0] != i:
        p = links + (ptr16(p)[0] << 1)
    own = ptr16(links + (i << 1))
    ptr16(p)[0] = own[0]
    own[0] = unused
    block = ptr32((w[7] | ((w[8] << 16) << 16)) + (i << 3))
    block[0] = 0
    block[1] = 0
    w[9] = w[9] + 1


class Table:
    """Control blocks by key; grows by doubling, up to `limit` entries."""

    def __init__(self, size=4, limit=4096):
        self.limit = limit
        self.count = 0
        self.key = array("I", bytes(4 * _WORDS))  # the key being looked up
        self.w = array("I", bytes(40))
        self._make(size)

    def _make(self, size):
        """MemoryError leaves all as it was."""
        heads = array("H", [_NONE] * size)
        links = array("H", [i + 1 for i in range(size)])
        links[size - 1] = _NONE
        keys = array("I", bytes(4 * _WORDS * size))
        blocks = array("I", bytes(8 * size))
        self.objs = [None] * size
        self.size = size
        self._heads = heads
        self._links = links
        self._keys = keys
        self._blocks = blocks
        self._unused = 0
        w = self.w
        w[0] = size - 1
        address(w, 1, self._heads)
        address(w, 3, self._links)
        address(w, 5, self._keys)
        address(w, 7, self._blocks)

    @micropython.native
    def find(self):
        """The block filed under self.key, or None."""
        i = _search(self.w, self.key, 0)
        return self.objs[i] if i >= 0 else None

    @micropython.native
    def lookup(self, fr):
        """Who gets the packet in `fr`: what is connected to its sender first, then what is bound
        to the address, then to the port alone. Borrows `fr`."""
        ip = fr.ip
        l3 = fr.l3
        key = self.key
        read_key(key, fr.buf, fr.l4, l3 + ip.dst_off, l3 + ip.src_off, ip.alen)
        i = _search(self.w, key, ip.alen)
        return self.objs[i] if i >= 0 else None

    @micropython.native
    def add(self, obj):
        """File `obj` under self.key, which must not be taken. False when the table is full.
        MemoryError leaves all as it was."""
        if self.count >= self.limit:
            return False
        if self._unused == _NONE:
            self._grow()
        i = self._unused
        self._unused = self._links[i]
        self._file(i, obj)
        self.count += 1
        return True

    @micropython.native
    def _file(self, i, obj):
        _link(self.w, self.key, i)
        self.objs[i] = obj
        block = getattr(obj, "cb", None)
        if block is not None:
            address(self._blocks, 2 * i, block)

    def _grow(self):
        keys = self._keys
        objs = self.objs
        wanted = array("I", self.key)
        size = self.size
        self._make(2 * size)
        for i in range(size):
            copy(self.key, 0, keys, 4 * _WORDS * i, 4 * _WORDS)
            self._unused = self._links[i]
            self._file(i, objs[i])
        self._unused = size
        copy(self.key, 0, wanted, 0, 4 * _WORDS)

    @micropython.native
    def remove(self):
        """Take out what is filed under self.key."""
        i = _search(self.w, self.key, 0)
        if i >= 0:
            self.clear(i)

    @micropython.native
    def clear(self, i):
        """Take out row `i`, which is in use."""
        _unlink(self.w, i, self._unused)
        self._unused = i
        self.objs[i] = None
        self.count -= 1

    def __iter__(self):
        """Every block, in no order."""
        for obj in self.objs:
            if obj is not None:
                yield obj
