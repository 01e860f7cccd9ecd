# Groups of IPv6 that an interface belongs to: all nodes (RFC 4291 2.7.1), the solicited-node group
# of each of its addresses (RFC 4291 2.7.1), and those that programs join.

from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import find, same

_LIMIT = const(24)
_ENOBUFS = const(105)

ALL_NODES = b"\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
ALL_ROUTERS = b"\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\2"
_SOLICITED = b"\xff\2\0\0\0\0\0\0\0\0\0\1\xff"


def solicited(buf, at, addr, off):
    """Write the solicited-node group of addr[off] to buf[at]."""
    copy(buf, at, _SOLICITED, 0, 13)
    copy(buf, at + 13, addr, off + 13, 3)


class Groups:
    def __init__(self, nif):
        self.nif = nif
        self.addrs = bytearray(16 * _LIMIT)
        self.users = bytearray(_LIMIT)  # how many want it
        self._group = bytearray(16)
        self.join(ALL_NODES)

    def member(self, buf, off):
        return find(self.addrs, _LIMIT, 16, buf, off) >= 0

    def join(self, group):
        """Raises OSError(ENOBUFS) when there are too many."""
        i = find(self.addrs, _LIMIT, 16, group, 0)
        if i < 0:
            i = self.users.find(b"\0")
            if i < 0:
                raise OSError(_ENOBUFS)
            if not self._filtered(group):
                self._filter(group, True)
            copy(self.addrs, 16 * i, group, 0, 16)
        self.users[i] += 1

    def leave(self, group):
        i = find(self.addrs, _LIMIT, 16, group, 0)
        if i < 0:
            return
        self.users[i] -= 1
        if self.users[i] == 0:
            copy(self.addrs, 16 * i, bytes(16), 0, 16)
            if not self._filtered(group):
                self._filter(group, False)

    def join_solicited(self, addr):
        solicited(self._group, 0, addr, 0)
        self.join(self._group)

    def leave_solicited(self, addr):
        solicited(self._group, 0, addr, 0)
        self.leave(self._group)

    def _filtered(self, group):
        """Does the NIC let in a group with the same link address already? (RFC 2464 7)"""
        for i in range(_LIMIT):
            if self.users[i] and same(self.addrs, 16 * i + 12, group, 12, 4):
                return True
        return False

    def _filter(self, group, on):
        self.nif.nic.multicast(b"\x33\x33" + bytes(group[12:]), on)
