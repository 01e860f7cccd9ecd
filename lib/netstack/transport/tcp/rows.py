# Connections of which only a record is left, or not more than a record has been made so far: rows
# of words, found by ports and addresses like connections, at a tenth of what those take.

from array import array
from micropython import const
from netstack.core.checksum import copy
from netstack.core.clock import later
from netstack.transport.demux import Table, _link, read_key, set_key
from netstack.transport.tcp.connection import Connection

_KEY = const(9)  # words of a key, see demux.py
_NONE = const(0xFFFF)
_ROWS = const(2)  # rows to begin with


@micropython.viper
def _schedule(words: ptr32, width: int, order: ptr16, row: int, due: int):
    """words[row][0] = due, 0: no deadline; and keep `order`, a ring of the rows by their
    deadlines: for each, counted from 1, the one before it and the one behind; 0 is where the ring
    begins. What is due after all others, as most are, finds its place at once."""
    ring = int(order)
    table = int(words)
    width <<= 2
    deadline = ptr32(table + row * width)
    row += 1
    own = ptr16(ring + (row << 2))
    if deadline[0]:
        ptr16(ring + (own[0] << 2))[1] = own[1]
        ptr16(ring + (own[1] << 2))[0] = own[0]
    deadline[0] = due
    if not due:
        return
    before = ptr16(ring)[0]
    while before and (ptr32(table + (before - 1) * width)[0] - due - 1) & 0x3FFFFFFF < 0x20000000:
        before = ptr16(ring + (before << 2))[0]
    other = ptr16(ring + (before << 2))
    own[0] = before
    own[1] = other[1]
    ptr16(ring + (other[1] << 2))[0] = row
    other[1] = row


@micropython.viper
def gather(row: ptr32, at: int, cb: ptr32, kept: ptr8, n: int):
    """row[at + i] = cb[kept[i]] for i < n"""
    p = int(row) + (at << 2)
    i = 0
    while i < n:
        ptr32(p)[0] = ptr32(int(cb) + (kept[i] << 2))[0]
        p += 4
        i += 1


@micropython.viper
def scatter(cb: ptr32, words: int, row: ptr32, at: int, kept: ptr8, n: int):
    """Clear a control block of so many words; then cb[kept[i]] = row[at + i] for i < n."""
    p = int(cb)
    end = p + (words << 2)
    while p < end:
        ptr32(p)[0] = 0
        p += 4
    p = int(row) + (at << 2)
    i = 0
    while i < n:
        to = ptr32(int(cb) + (kept[i] << 2))
        to[0] = ptr32(p)[0]
        p += 4
        i += 1


class Embryo(Connection):
    """What a record looks like while a segment for it is dealt with."""

    def __init__(self, tcp):
        super().__init__(tcp)
        self.laddr = bytearray(16)
        self.raddr = bytearray(16)
        self.dead = False

    def fail(self, errno):
        self.dead = True


def shape(tcp):
    """The Embryo of all records, made for the first that is loaded into it."""
    tcp.shape = tcp.shape or Embryo(tcp)
    return tcp.shape


class Rows(Table):
    """Rows of `width` words; column 0 is a deadline, 0 while the row is not in use. `due(row)` is
    called when it has passed. `lists` have an object for each row, and grow along."""

    def __init__(self, st, width, limit, due, lists):
        super().__init__(_ROWS, limit)
        self.st = st
        self.width = width
        self.words = array("I", bytes(4 * width * _ROWS))
        self._order = array("H", bytes(4 * (_ROWS + 1)))
        self._lists = lists
        self._extend(_ROWS)
        self._due = due
        self._timer = st.timers.new(self._expire)

    @micropython.native
    def key_of(self, fr):
        """Make self.key that of the packet in `fr`, whose receiver we are."""
        ip = fr.ip
        l3 = fr.l3
        read_key(self.key, fr.buf, fr.l4, l3 + ip.dst_off, l3 + ip.src_off, ip.alen)

    def key_for(self, conn):
        set_key(self.key, conn.lport, conn.rport, conn.laddr, 0, conn.raddr, 0, conn.ip.alen)

    @micropython.native
    def new(self):
        """A row filed under self.key; -1 when there are `limit` of them. MemoryError leaves all as
        it was."""
        row = self._unused if self._unused != _NONE else self.size
        return row if self.add(row) else -1

    @micropython.native
    def _file(self, i, row):
        _link(self.w, self.key, i)
        self.objs[i] = row

    def _grow(self):
        rows = 2 * self.size
        more = rows * self.width - len(self.words)
        if more > 0:
            self.words.extend(array("I", bytes(4 * more)))
        more = 2 * rows + 2 - len(self._order)
        if more > 0:
            self._order.extend(array("H", bytes(2 * more)))
        self._extend(rows)
        super()._grow()

    def _extend(self, rows):
        for column in self._lists:
            while len(column) < rows:
                column.append(None)

    @micropython.native
    def drop(self, row):
        """Take a row out."""
        _schedule(self.words, self.width, self._order, row, 0)
        self.clear(row)
        if self.count == 0:
            self._timer.stop()

    def name(self, row, conn):
        """Give `conn` the ports and addresses of a row. Its address buffers are there already."""
        keys = self._keys
        at = 4 * _KEY * row
        copy(self.key, 0, keys, at, 4)
        ports = self.key
        conn.lport = ports[0] >> 16
        conn.rport = ports[0] & 0xFFFF
        n = conn.ip.alen
        copy(conn.laddr, 0, keys, at + 20 - n, n)
        copy(conn.raddr, 0, keys, at + 36 - n, n)

    @micropython.native
    def set_due(self, row, ms):
        """Have due(row) called in `ms` milliseconds."""
        now = self.st.now
        due = later(now, ms) or 1
        _schedule(self.words, self.width, self._order, row, due)
        timer = self._timer
        if not timer.active or (timer.due - due & 0x3FFFFFFF) < 0x20000000:
            timer.start(now, ms)

    def first(self):
        """The row whose deadline comes first; -1: none."""
        return self._order[1] - 1

    def _expire(self):
        now = self.st.now
        while True:
            row = self.first()
            if row < 0:
                return
            wait = self.words[row * self.width] - now & 0x3FFFFFFF
            if 0 < wait < 0x20000000:
                self._timer.start(now, wait)
                return
            self._due(row)
