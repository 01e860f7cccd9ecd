# IGMP and MLD snooping (RFC 4541): a bridge sends what is for a group only to the ports where
# somebody has joined it, and to those with routers.
#
#   Bridge._flood -> Snoop.ports -> a report: who has joined    a query: where a router is
#                                   anything else for a group: which ports get it
#
# While no router asks (no querier), nobody needs to tell, and all groups go everywhere; as always
# do those of the link (224.0.0.0/24, ff00::/16 to ff02::/16), VLANs' frames, and all that cannot
# be read. What is kept of a group: a dictionary {port: until when}.

from micropython import const
from netstack.core.checksum import copy, csum, pseudo
from netstack.core.clock import elapsed, later
from netstack.core.wire import find, get16, zero

_HDR = const(14)  # Ethernet
_HEAD4 = const(20)
_HEAD6 = const(40)
_IPV4 = const(0x0800)
_IPV6 = const(0x86DD)
_IGMP = const(2)
_PIM = const(103)
_ICMP6 = const(58)
_ALL = const(-1)  # ports
_HOST = const(30)  # as bridge.py has it

_QUERY4 = const(0x11)  # types of messages
_REPORT1 = const(0x12)
_REPORT2 = const(0x16)
_LEAVE2 = const(0x17)
_REPORT3 = const(0x22)
_QUERY6 = const(130)
_REPORT61 = const(131)
_DONE61 = const(132)
_REPORT62 = const(143)

_IS_IN = const(1)  # of records
_TO_IN = const(3)
_BLOCK = const(6)

_GROUPS = const(64)  # of a family
_AGE_MS = const(260000)  # RFC 3376 8.4, RFC 3810 9.4: of a member; 8.12, 9.12: of a router
_LEAVE_MS = const(3000)  # a router asks twice within that whether there are others: 8.8, 8.9
_SWEEP_MS = const(60000)

NAMES = ("queries", "reports", "leaves", "narrowed", "in_bad", "full")
_QUERIES = const(0)
_REPORTS = const(1)
_LEAVES = const(2)
_NARROWED = const(3)  # frames that did not go to all ports
_BAD = const(4)  # messages that are malformed, or whose sum is wrong: they teach nothing
_FULL = const(5)  # reports of groups without room: for a while all unknown ones go everywhere


class Table:
    """The groups of one family."""

    def __init__(self, width):
        self.width = width
        self.keys = bytearray(width * _GROUPS)
        self.members = [None] * _GROUPS
        self.routers = {}  # port: until when
        self.full = None  # until when groups may be missing

    def find(self, buf, at):
        """The members of the group at buf[at]; None: there are none."""
        i = find(self.keys, _GROUPS, self.width, buf, at)
        return self.members[i] if i >= 0 else None

    def claim(self, buf, at):
        """The same, made if need be; None: there is no room."""
        members = self.find(buf, at)
        if members is None and None in self.members:
            i = self.members.index(None)
            copy(self.keys, i * self.width, buf, at, self.width)
            members = self.members[i] = {}
        return members

    def forget(self, now):
        """What is out of date; True: something is left."""
        _prune(self.routers, now)
        if self.full is not None and elapsed(now, self.full) >= 0:
            self.full = None
        left = bool(self.routers) or self.full is not None
        for i in range(_GROUPS):
            members = self.members[i]
            if members is not None:
                _prune(members, now)
                left = left or bool(members)
                if not members:
                    self.members[i] = None
                    self.keys[i * self.width] = 0  # no group begins so
        return left

    def drop(self, port):
        """The link of a port is down."""
        self.routers.pop(port, None)
        for members in self.members:
            if members is not None:
                members.pop(port, None)


def _prune(ports, now):
    for port in list(ports):
        if elapsed(now, ports[port]) >= 0:
            ports.pop(port)


def _bits(ports, now):
    found = 0
    for port in ports:
        if elapsed(now, ports[port]) < 0:
            found |= 1 << port
    return found


class Snoop:
    """For a Bridge, whose `snoop` it is."""

    def __init__(self, bridge):
        self.st = st = bridge.st
        self.stat = st.counters(bridge.name + ".snoop", NAMES)
        self.four = Table(4)
        self.six = Table(16)
        self._timer = st.timers.new(self._tick)

    def ports(self, buf, at, n, port):
        """Which ports get the frame to a group at buf[at], a bit for each; it came by `port`."""
        kind = get16(buf, at + 12)
        ip = at + _HDR
        if kind == _IPV4 and n >= _HDR + _HEAD4 and buf[ip] >> 4 == 4:
            return self._ports4(buf, ip, at + n, port)
        if kind == _IPV6 and n >= _HDR + _HEAD6 and buf[ip] >> 4 == 6:
            return self._ports6(buf, ip, at + n, port)
        return _ALL

    # -- data -------------------------------------------------------------------------------

    def _ports4(self, buf, ip, end, port):
        proto = buf[ip + 9]
        if proto == _IGMP:
            return self._igmp(buf, ip, end, port)
        if proto == _PIM and not zero(buf, ip + 12, 4):
            self._router(self.four, port)
        if buf[ip + 16] & 0xF0 != 0xE0 or _of_link4(buf, ip + 16):
            return _ALL
        return self._wanted(self.four, buf, ip + 16)

    def _ports6(self, buf, ip, end, port):
        if buf[ip + 6] == 0 and ip + _HEAD6 + 8 <= end and buf[ip + _HEAD6] == _ICMP6:
            return self._mld(buf, ip, end, port)
        if buf[ip + 24] != 0xFF or _of_link6(buf, ip + 24):
            return _ALL
        return self._wanted(self.six, buf, ip + 24)

    def _wanted(self, table, buf, at):
        now = self.st.now
        bits = _bits(table.routers, now)
        if not bits:
            return _ALL
        members = table.find(buf, at)
        if members is not None:
            bits |= _bits(members, now)
        elif table.full is not None:
            return _ALL
        self.stat[_NARROWED] += 1
        return bits

    # -- messages ---------------------------------------------------------------------------

    def _igmp(self, buf, ip, end, port):
        at = ip + ((buf[ip] & 15) << 2)
        size = ip + get16(buf, ip + 2) - at
        if size < 8 or at + size > end or csum(buf, at, size, 0) != 0xFFFF:
            return self._bad()
        table = self.four
        kind = buf[at]
        if kind == _QUERY4:
            if not zero(buf, ip + 12, 4):  # RFC 4541 2.1.1 (1): not of a proxy
                self._router(table, port)
            return _ALL
        if kind == _REPORT1 or kind == _REPORT2:
            self._join(table, buf, at + 4, port)
        elif kind == _LEAVE2:
            self._leave(table, buf, at + 4, port)
        elif kind == _REPORT3:
            return self._records(table, buf, at, at + size, port)
        else:
            return _ALL
        return _bits(table.routers, self.st.now) or _ALL

    def _mld(self, buf, ip, end, port):
        at = ip + _HEAD6 + 8 * (buf[ip + _HEAD6 + 1] + 1)
        size = ip + _HEAD6 + get16(buf, ip + 4) - at
        if size < 8 or at + size > end:
            return self._bad()
        kind = buf[at]
        if kind != _QUERY6 and kind != _REPORT61 and kind != _DONE61 and kind != _REPORT62:
            return _ALL
        acc = pseudo(buf, ip + 8, buf, ip + 24, 16, _ICMP6, size)
        if csum(buf, at, size, acc) != 0xFFFF or kind != _REPORT62 and size < 24:
            return self._bad()
        table = self.six
        if kind == _QUERY6:
            if not zero(buf, ip + 8, 16):
                self._router(table, port)
            return _ALL
        if kind == _REPORT62:
            return self._records(table, buf, at, at + size, port)
        if kind == _REPORT61:
            self._join(table, buf, at + 8, port)
        else:
            self._leave(table, buf, at + 8, port)
        return _bits(table.routers, self.st.now) or _ALL

    def _records(self, table, buf, at, end, port):
        """RFC 3376 4.2, RFC 3810 5.2: of which groups anything is wanted, and of which nothing."""
        left = get16(buf, at + 6)
        at += 8
        while left and at + 4 + table.width <= end:
            kind = buf[at]
            sources = get16(buf, at + 2)
            if (kind == _IS_IN or kind == _TO_IN) and not sources:
                self._leave(table, buf, at + 4, port)
            elif _IS_IN <= kind < _BLOCK:
                self._join(table, buf, at + 4, port)
            at += 4 + table.width * (1 + sources) + 4 * buf[at + 1]
            left -= 1
        if left or at > end:
            return self._bad()
        return _bits(table.routers, self.st.now) or _ALL

    def _bad(self):
        self.stat[_BAD] += 1
        return _ALL

    # -- what is known ----------------------------------------------------------------------

    def _router(self, table, port):
        self.stat[_QUERIES] += 1
        if port == _HOST:
            return
        table.routers[port] = later(self.st.now, _AGE_MS)
        self._watch()

    def _join(self, table, buf, at, port):
        self.stat[_REPORTS] += 1
        if port == _HOST:  # it gets all of them
            return
        if _of_link4(buf, at) if table.width == 4 else _of_link6(buf, at):
            return
        if buf[at] & 0xF0 != 0xE0 if table.width == 4 else buf[at] != 0xFF:
            return
        members = table.claim(buf, at)
        if members is None:
            table.forget(self.st.now)
            members = table.claim(buf, at)
        self._watch()
        if members is None:
            self.stat[_FULL] += 1
            table.full = later(self.st.now, _AGE_MS)
        else:
            members[port] = later(self.st.now, _AGE_MS)

    def _leave(self, table, buf, at, port):
        """There may be others by that port: they tell when a router asks, and it asks now."""
        self.stat[_LEAVES] += 1
        members = table.find(buf, at)
        soon = later(self.st.now, _LEAVE_MS)
        if members is not None and port in members and elapsed(soon, members[port]) < 0:
            members[port] = soon

    def drop(self, port):
        self.four.drop(port)
        self.six.drop(port)

    def _watch(self):
        if not self._timer.active:
            self._timer.start(self.st.now, _SWEEP_MS)

    def _tick(self):
        four = self.four.forget(self.st.now)
        if self.six.forget(self.st.now) or four:
            self._timer.start(self.st.now, _SWEEP_MS)

    def flush(self):
        """Forget everything."""
        self.four = Table(4)
        self.six = Table(16)
        self._timer.stop()


def _of_link4(buf, at):
    """224.0.0.0/24: RFC 4541 2.1.2 (2): everybody gets that."""
    return buf[at] == 224 and buf[at + 1] == 0 and buf[at + 2] == 0


def _of_link6(buf, at):
    return buf[at] == 0xFF and buf[at + 1] & 15 <= 2
