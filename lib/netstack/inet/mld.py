# Groups of IPv6 that an interface belongs to: all nodes, the solicited-node group of each of its
# addresses (RFC 4291 2.7.1), and those that programs join. Switches and routers are told by MLDv2
# (RFC 3810), or by MLDv1 (RFC 2710) while a router of that is about; members.py has what, and
# when.
#
# On the wire, behind the first 4 bytes of ICMP:
#   query   | max delay 2 | 0 2 | group 16 |, version 2 goes on | S, QRV 1 | QQIC 1 | n 2 | ... |
#   v1      | 0 2 | 0 2 | group 16 |                           report 131, done 132
#   report  | 0 2 | n 2 | records ... |                        version 2, 143
# All with hop limit 1 and a router alert in a hop-by-hop header (RFC 2711).

from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import get16, zero
from netstack.inet.members import Memberships

_QUERY = const(130)
_REPORT1 = const(131)
_DONE1 = const(132)
_REPORT2 = const(143)
_LEN1 = const(24)
_LEN2 = const(28)
_GROUP = const(8)
_IP_SRC = const(8)
_HOPS_AT = const(7)
_ALERT_LEN = const(8)

ALL_NODES = b"\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
ALL_ROUTERS = b"\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\2"
_REPORTS = b"\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\x16"
_SOLICITED = b"\xff\2\0\0\0\0\0\0\0\0\0\1\xff"
_NOBODY = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
_ALERT = b"\x3a\0\5\2\0\0\1\0"  # next header ICMP, RFC 2711, padding


def solicited(buf, at, addr, off):
    """Write the solicited-node group of addr[off] to buf[at]."""
    copy(buf, at, _SOLICITED, 0, 13)
    copy(buf, at + 13, addr, off + 13, 3)


class MLD(Memberships):
    newest = 2
    limit = 24
    overhead = 48  # IPv6 and the router alert

    def __init__(self, ip):
        super().__init__(ip)
        ip.icmp.handlers[_QUERY] = self._queried
        ip.icmp.handlers[_REPORT1] = self._reported

    def told(self, group):
        """RFC 3810 6: nobody is told of all nodes, nor of what stays inside the host."""
        return group.nif.v6.nd is not None and group.addr[1] & 15 > 1 and group.addr != ALL_NODES

    def mac(self, addr):
        """RFC 2464 7"""
        return b"\x33\x33" + addr[12:]

    def link_up(self, nif):
        """Another link, other routers."""
        self._older.pop(nif, None)
        self.again(nif)

    # -- output -----------------------------------------------------------------------------

    def send_report(self, fr, nif):
        self._send(fr, nif, _REPORT2, _REPORTS)

    def old_report(self, group, version):
        self._send_old(group, _REPORT1, group.addr)

    def old_leave(self, group):
        self._send_old(group, _DONE1, ALL_ROUTERS)

    def denied(self):
        self.ip.icmp.denied()

    def _send_old(self, group, kind, dst):
        fr = self.begin(_LEN1)
        if fr:
            copy(fr.buf, fr.pay + _GROUP, group.addr, 0, 16)
            self._send(fr, group.nif, kind, dst)

    def _send(self, fr, nif, kind, dst):
        """Takes `fr`."""
        if not (nif.up and nif.link):
            self.st.pool.release(fr)
            return
        fr.buf[fr.l4] = kind
        entry = nif.v6.link_local()
        src = entry.addr if entry else _NOBODY  # RFC 3810 5.2.13
        self.ip.icmp.seal(fr, src, dst)
        fr.l4 -= _ALERT_LEN
        copy(fr.buf, fr.l4, _ALERT, 0, _ALERT_LEN)
        self.ip.emit(fr, src, dst, 0, 1, 0, nif, dst)

    # -- input ------------------------------------------------------------------------------

    def _queried(self, fr):
        """RFC 3810 6.2, 8.2.1. Borrows `fr`."""
        buf = fr.buf
        at = fr.l4
        n = fr.end - at
        nif = fr.nif
        src = fr.l3 + _IP_SRC
        if nif.v6.nd is None:
            return
        linked = buf[src] == 0xFE and buf[src + 1] & 0xC0 == 0x80
        count = get16(buf, at + 26) if n >= _LEN2 else 0
        if n < _LEN1 or _LEN1 < n < _LEN2 + 16 * count or not linked or buf[fr.l3 + _HOPS_AT] != 1:
            nif.v6.nd.bad()
            return
        delay = get16(buf, at + 4)
        if n == _LEN1:
            self.older(nif, 1)
        elif delay >= 0x8000:  # RFC 3810 5.1.3
            delay = (delay & 0xFFF | 0x1000) << (delay >> 12 & 7) + 3
        every = zero(buf, at + _GROUP, 16)
        addr = None if every else bytes(buf[at + _GROUP : at + _LEN1])
        self.asked(nif, delay, addr, buf, at + _LEN2, count)

    def _reported(self, fr):
        """RFC 2710 4: another member has told already. Borrows `fr`."""
        at = fr.l4 + _GROUP
        if fr.end - at >= 16:
            self.heard(fr.nif, bytes(fr.buf[at : at + 16]))


class Groups:
    """What an interface has joined itself: nif.v6.groups."""

    def __init__(self, ip, nif):
        self.nif = nif
        self.mld = ip.members
        self.members = []
        self._users = {}  # group -> how many want it
        self._group = bytearray(16)
        self.join(ALL_NODES)

    def member(self, buf, off):
        """Does anybody here want packets to this group?"""
        return self.mld.wanted(self.nif, buf, off)

    def join(self, group):
        """Raises OSError(ENOBUFS) when there are too many."""
        group = bytes(group)
        users = self._users.get(group, 0)
        if not users:
            self.mld.join(self.members, self.nif, group)
        self._users[group] = users + 1

    def leave(self, group):
        group = bytes(group)
        users = self._users.get(group, 0)
        if users == 1:
            del self._users[group]
            self.mld.leave(self.members, self.nif, group)
        elif users:
            self._users[group] = users - 1

    def join_solicited(self, addr):
        solicited(self._group, 0, addr, 0)
        self.join(self._group)

    def leave_solicited(self, addr):
        solicited(self._group, 0, addr, 0)
        self.leave(self._group)
