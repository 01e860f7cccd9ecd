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
from netstack.core.wire import address, get16

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
def _hash(key: ptr32, mask: int) -> int:
    h = key[0]
    p = int(key) + 4
    end = p + 32
    while p < end:
        h = h * 31 + ptr32(p)[0]
        p += 4
    h = h ^ ((h >> 15) & 0x1FFFF)
    h = h ^ ((h >> 7) & 0x1FFFFFF)
    return h & mask


@micropython.viper
def _find(heads: ptr16, links: ptr16, keys: ptr32, key: ptr32, bucket: int) -> int:
    i = ptr16(int(heads) + (bucket << 1))[0]
    while i != 0xFFFF:
        row = int(keys) + i * 36
        want = int(key)
        end = want + 36
        while want < end and ptr32(row)[0] == ptr32(want)[0]:
            row += 4
            want += 4
        if want == end:
            return i
        i = ptr16(int(links) + (i << 1))[0]
    return -1


class Table:
    """Control blocks by key; grows by doubling, up to `limit` entries."""

    def __init__(self, size=16, limit=4096):
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

    def find(self):
        """The block filed under self.key, or None."""
        i = _find(self._heads, self._links, self._keys, self.key, _hash(self.key, self.w[0]))
        return self.objs[i] if i >= 0 else None

    def lookup(self, fr):
        """Who gets the packet in `fr`: what is connected to its sender first, then what is bound
        to the address, then to the port alone. Borrows `fr`."""
        ip = fr.ip
        buf = fr.buf
        key = self.key
        sport = get16(buf, fr.l4)
        dport = get16(buf, fr.l4 + 2)
        set_key(key, dport, sport, buf, fr.l3 + ip.dst_off, buf, fr.l3 + ip.src_off, ip.alen)
        found = self.find()
        if found is None:
            clear_remote(key)
            found = self.find()
            if found is None:
                clear_local(key, ip.alen)
                found = self.find()
        return found

    def add(self, obj):
        """File `obj` under self.key, which must not be taken. False when the table is full.
        MemoryError leaves all as it was."""
        if self.count >= self.limit:
            return False
        if self._unused == _NONE:
            self._grow()
        i = self._unused
        self._unused = self._links[i]
        self._file(i, obj, self.key, 0)
        self.count += 1
        return True

    def _file(self, i, obj, key, at):
        self.w[9] += 1
        copy(self._keys, 4 * _WORDS * i, key, 4 * at, 4 * _WORDS)
        self.objs[i] = obj
        block = getattr(obj, "cb", None)
        if block is not None:
            address(self._blocks, 2 * i, block)
        bucket = _hash(self.key, self.w[0])
        self._links[i] = self._heads[bucket]
        self._heads[bucket] = i

    def _grow(self):
        keys = self._keys
        objs = self.objs
        wanted = array("I", self.key)
        self._make(2 * len(objs))
        for i in range(len(objs)):
            copy(self.key, 0, keys, 4 * _WORDS * i, 4 * _WORDS)
            self._unused = self._links[i]
            self._file(i, objs[i], self.key, 0)
        self._unused = len(objs)
        copy(self.key, 0, wanted, 0, 4 * _WORDS)

    def remove(self):
        """Take out what is filed under self.key."""
        bucket = _hash(self.key, self.w[0])
        found = _find(self._heads, self._links, self._keys, self.key, bucket)
        if found < 0:
            return
        i = self._heads[bucket]
        if i == found:
            self._heads[bucket] = self._links[found]
        else:
            while self._links[i] != found:
                i = self._links[i]
            self._links[i] = self._links[found]
        self.w[9] += 1
        self.objs[found] = None
        self._blocks[2 * found] = self._blocks[2 * found + 1] = 0
        self._links[found] = self._unused
        self._unused = found
        self.count -= 1

    def __iter__(self):
        """Every block, in no order."""
        for obj in self.objs:
            if obj is not None:
                yield obj
