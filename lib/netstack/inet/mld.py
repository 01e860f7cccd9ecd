# Groups of IPv6 that an interface belongs to: all nodes, the solicited-node group of each of its
# addresses (RFC 4291 2.7.1), and those that programs join. Switches and routers are told by MLDv2
# (RFC 3810), without source filters, or by MLDv1 (RFC 2710) while a router of that is about.
#
# On the wire, behind the first 4 bytes of ICMP:
#   query   | max delay 2 | 0 2 | group 16 |, version 2 goes on | S, QRV 1 | QQIC 1 | n 2 | ... |
#   v1      | 0 2 | 0 2 | group 16 |                           report 131, done 132
#   report  | 0 2 | n 2 | records: type 1 | 0 1 | 0 2 | group 16 |        version 2, 143
# All with hop limit 1 and a router alert in a hop-by-hop header (RFC 2711).

from array import array
from micropython import const
from netstack.core.checksum import copy
from netstack.core.clock import elapsed, later
from netstack.core.wire import find, get16, put16, same, zero

_LIMIT = const(24)
_ENOBUFS = const(105)
_QUERY = const(130)
_REPORT1 = const(131)
_DONE1 = const(132)
_REPORT2 = const(143)
_IS_EX = const(2)  # types of records: member, joined, left
_TO_IN = const(3)
_TO_EX = const(4)
_LEN1 = const(24)
_LEN2 = const(28)
_GROUP = const(8)
_ICMP = const(58)
_IP_SRC = const(8)
_HOPS_AT = const(7)
_AGAIN_MS = const(1000)  # RFC 3810 9.11: within so long a change is told once more
_OLDER_MS = const(260000)  # 9.12: how long a router of version 1 is remembered

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


class Groups:
    def __init__(self, ip, nif):
        self.ip = ip
        self.st = ip.st
        self.nif = nif
        self.addrs = bytearray(16 * _LIMIT)
        self.users = bytearray(_LIMIT)  # how many want it
        self.telling = bytearray(_LIMIT)  # the type of record that is to be sent at `due`, 0: none
        self.due = array("I", bytes(4 * _LIMIT))
        self._older = 0  # when a router of version 1 was heard; 0: none
        self._group = bytearray(16)
        self._to = bytearray(16)
        self._timer = self.st.timers.new(self._tick)
        self.join(ALL_NODES)
        ip.icmp.handlers[_QUERY] = _queried
        ip.icmp.handlers[_REPORT1] = _reported

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
            self._change(i, _TO_EX)
        self.users[i] += 1

    def leave(self, group):
        i = find(self.addrs, _LIMIT, 16, group, 0)
        if i < 0:
            return
        self.users[i] -= 1
        if self.users[i] == 0:
            self._send(i, _TO_IN)
            self.telling[i] = 0
            copy(self.addrs, 16 * i, _NOBODY, 0, 16)
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

    # -- telling ----------------------------------------------------------------------------

    def again(self):
        """The link has come up: who is there does not know yet."""
        self._older = 0
        for i in range(_LIMIT):
            if self.users[i]:
                self._change(i, _TO_EX)

    def _told(self, i):
        """RFC 3810 6: nobody is told of all nodes, nor of what stays inside the host."""
        at = 16 * i
        return self.addrs[at + 1] & 15 > 1 and not same(self.addrs, at, ALL_NODES, 0, 16)

    def _change(self, i, kind):
        """RFC 3810 6.1: at once, and once more."""
        if self._told(i) and self.nif.v6.nd and self.nif.up and self.nif.link:
            self._send(i, kind)
            self._plan(i, kind, self.st.random.below(_AGAIN_MS))

    def _plan(self, i, kind, ms):
        self.telling[i] = kind
        self.due[i] = later(self.st.now, ms)
        if not self._timer.active or elapsed(self.due[i], self._timer.due) < 0:
            self._timer.start(self.st.now, ms)

    def _tick(self):
        now = self.st.now
        soonest = -1
        for i in range(_LIMIT):
            if not self.telling[i]:
                continue
            left = elapsed(self.due[i], now)
            if left <= 0:
                kind = self.telling[i]
                self.telling[i] = 0
                self._send(i, kind)
            elif soonest < 0 or left < soonest:
                soonest = left
        if soonest >= 0:
            self._timer.start(now, soonest)

    def _send(self, i, kind):
        """Tell one group: as a record of version 2, or as version 1 has it."""
        nif = self.nif
        if nif.v6.nd is None or not (nif.up and nif.link) or not self._told(i):
            return
        old = self._older and 0 <= elapsed(self.st.now, self._older) < _OLDER_MS
        message = (_DONE1 if kind == _TO_IN else _REPORT1) if old else _REPORT2
        out = self.ip.icmp.message(message, _LEN1 if old else _LEN2)
        if out is None:
            return
        at = out.l4
        if not old:
            put16(out.buf, at + 6, 1)
            put16(out.buf, at + 8, kind << 8)
            put16(out.buf, at + 10, 0)
        copy(out.buf, at + (8 if old else 12), self.addrs, 16 * i, 16)
        dst = _REPORTS
        if old:
            dst = ALL_ROUTERS if kind == _TO_IN else self._row(i)
        entry = nif.v6.link_local()
        src = entry.addr if entry else _NOBODY  # RFC 3810 5.2.13
        self.ip.icmp.seal(out, src, dst)
        out.l4 = at - 8
        copy(out.buf, at - 8, _ALERT, 0, 8)
        self.ip.emit(out, src, dst, 0, 1, 0, nif, dst)

    def _row(self, i):
        copy(self._to, 0, self.addrs, 16 * i, 16)
        return self._to

    # -- being asked ------------------------------------------------------------------------

    def queried(self, fr):
        """RFC 3810 6.2, 8.2.1. Borrows `fr`."""
        buf = fr.buf
        at = fr.l4
        n = fr.end - at
        src = fr.l3 + _IP_SRC
        linked = buf[src] == 0xFE and buf[src + 1] & 0xC0 == 0x80
        if n < _LEN1 or buf[fr.l3 + _HOPS_AT] != 1 or not linked or 24 < n < _LEN2:
            self.nif.v6.nd.bad()
            return
        if n == _LEN1:
            self._older = self.st.now or 1
        delay = get16(buf, at + 4)
        if n > _LEN1 and delay >= 0x8000:  # RFC 3810 5.1.3
            delay = (delay & 0xFFF | 0x1000) << (delay >> 12 & 7) + 3
        all_of_them = zero(buf, at + _GROUP, 16)
        for i in range(_LIMIT):
            if self.users[i] and self._told(i) and not self.telling[i]:
                if all_of_them or same(buf, at + _GROUP, self.addrs, 16 * i, 16):
                    self._plan(i, _IS_EX, self._random(delay))

    def _random(self, ms):
        """0 .. ms"""
        return (self.st.random.below(1024) * (ms >> 10)) + self.st.random.below((ms & 1023) + 1)

    def reported(self, fr):
        """RFC 2710 4: another member has told already. Borrows `fr`."""
        i = find(self.addrs, _LIMIT, 16, fr.buf, fr.l4 + _GROUP) if fr.end - fr.l4 >= _LEN1 else -1
        if i >= 0 and self.telling[i] == _IS_EX and self._older:
            self.telling[i] = 0


def _queried(fr):
    if fr.nif.v6.nd:
        fr.nif.v6.groups.queried(fr)


def _reported(fr):
    if fr.nif.v6.nd:
        fr.nif.v6.groups.reported(fr)
