# Who has which address of a DHCP server: a pool and addresses set aside, bounded by them; kept in
# a file so that it survives a restart.
#
# The file has a line for each lease that runs: address, client identifier in hexadecimal, host
# name. Times are not in it, for a board may not know them after a restart: every lease begins anew
# then, which is late rather than early.

from micropython import const
from netstack.core.wire import get16

_FREE = const(0)  # released or never granted; remembered for the client that comes back
_BOUND = const(2)
STATES = ("free", "offered", "bound", "declined")

_POOL_MAX = const(256)
_LINE_MAX = const(256)


def text(addr):
    return "%d.%d.%d.%d" % tuple(addr)


def _parse(word):
    parts = [int(part) for part in word.split(".")]
    if len(parts) != 4:
        raise ValueError
    return bytes(parts)


class Lease:
    """An address and its client."""

    def __init__(self, key, addr, static=False):
        self.key = key  # the client identifier (RFC 2132 9.14), or 1 and the link address; empty
        self.addr = addr  # for an address that somebody has who has not asked for it
        self.static = static
        self.state = _FREE
        self.until = 0  # second of the server's clock
        self.name = ""

    def free(self, now):
        """May another client have it?"""
        return not self.static and (self.state == _FREE or self.until <= now)


class Leases:
    """The addresses `first` to `last`, 4 bytes each. Raises ValueError when that is no pool."""

    def __init__(self, first, last):
        self.first = first
        self.size = get16(last, 2) - get16(first, 2) + 1
        if first[:2] != last[:2] or not 1 <= self.size <= _POOL_MAX:
            raise ValueError(
                "DHCP pool %s to %s: 1 to %d addresses with the same first two numbers"
                % (text(first), text(last), _POOL_MAX)
            )
        self.rows = []

    def holds(self, addr):
        """Is it an address of the pool?"""
        return (
            addr[:2] == self.first[:2] and 0 <= get16(addr, 2) - get16(self.first, 2) < self.size
        )

    def of(self, key):
        for row in self.rows:
            if row.key == key:
                return row
        return None

    def at(self, addr):
        for row in self.rows:
            if row.addr == addr:
                return row
        return None

    def reserve(self, key, addr):
        """Set an address aside for one client. Raises ValueError when another one has it so."""
        row = self.at(addr)
        if row is not None and row.static and row.key != key:
            raise ValueError("address %s is another client's already" % text(addr))
        for other in (row, self.of(key)):
            if other in self.rows:
                self.rows.remove(other)
        self.rows.append(Lease(key, addr, True))

    def choose(self, key, wanted, now, own):
        """The address for a client (RFC 2131 4.3.1): the one it has or had, the one it wants, one
        that nobody has had, the one that has been free for longest. None: all are taken."""
        row = self.of(key)
        if row is not None:
            return row
        if wanted and self.holds(wanted) and wanted != own:
            row = self._take(key, wanted, now)
            if row:
                return row
        for n in range(self.size):
            addr = self._nth(n)
            if addr != own and self.at(addr) is None:
                return self._take(key, addr, now)
        best = None
        for row in self.rows:
            if row.free(now) and (best is None or row.until < best.until):
                best = row
        return self._take(key, best.addr, now) if best else None

    def _nth(self, n):
        n += get16(self.first, 2)
        return self.first[:2] + bytes((n >> 8, n & 255))

    def _take(self, key, addr, now):
        """Give an address to another client, if it may have it."""
        row = self.at(addr)
        if row is None:
            row = Lease(key, addr)
            self.rows.append(row)
        elif not row.free(now):
            return None
        row.key = key
        row.state = _FREE
        row.name = ""
        return row

    # -- the file ---------------------------------------------------------------------------

    def save(self, path):
        """Raises OSError. The old file stays until the new one is whole."""
        from os import rename

        with open(path + ".new", "w") as f:
            for row in self.rows:
                if row.state == _BOUND:
                    key = "".join("%02x" % c for c in row.key)
                    f.write("%s %s %s\n" % (text(row.addr), key, row.name))
        rename(path + ".new", path)

    def load(self, path, until):
        """Take what save() has written, running until second `until`; lines that make no sense
        are left out. Returns how many were taken."""
        try:
            f = open(path)
        except OSError:
            return 0
        count = 0
        with f:
            while True:
                line = f.readline(_LINE_MAX)
                if not line:
                    return count
                try:
                    count += self._restore(line.split(), until)
                except ValueError:
                    pass

    def _restore(self, words, until):
        if not 2 <= len(words) <= 3:
            return 0
        addr = _parse(words[0])
        key = bytes(int(words[1][i : i + 2], 16) for i in range(0, len(words[1]), 2))
        row = self.at(addr)
        if not key or not (row and row.static and row.key == key):
            if not key or row or self.of(key) or not self.holds(addr):
                return 0
            row = Lease(key, addr)
            self.rows.append(row)
        row.state = _BOUND
        row.until = until
        row.name = words[2] if len(words) == 3 else ""
        return 1
