# Multicast groups of IPv4, for hosts: IGMPv3 (RFC 3376), and versions 2 and 1 (RFC 2236, RFC 1112)
# as long as a router of those is about.
#
#   query   | 0x11 1 | max resp 1 | checksum 2 | group 4 |
#           version 3 goes on:  | S, QRV 1 | QQIC 1 | n 2 | sources ... |
#   report  | 0x22 1 | 0 1 | checksum 2 | 0 2 | n 2 | records ... |
#   record  | type 1 | 0 1 | n 2 | group 4 | sources ... |
#
#   a socket:  join(), leave(), ... -> Group.merge() -> a report, and once more within a second
#   a router:  IPv4.input -> IGMP.input -> a report, after a while
#
# What an endpoint has joined stands in its `groups` (transport/udp.py): Members, each with a
# filter of sources. What all of them want from one interface is merged into its Group (3.2).

from micropython import const
from netstack.core.checksum import copy, csum, put_csum
from netstack.core.clock import elapsed, later
from netstack.core.wire import get16, put16, same, zero

_EADDRINUSE = const(98)
_EADDRNOTAVAIL = const(99)
_EINVAL = const(22)
_ENOBUFS = const(105)
_PROTO = const(2)
_HDR = const(24)  # of IPv4, with the option below
_QUERY = const(0x11)
_REPORT1 = const(0x12)
_REPORT2 = const(0x16)
_LEAVE2 = const(0x17)
_REPORT3 = const(0x22)
_IS_IN = const(1)  # types of records
_IS_EX = const(2)
_TO_IN = const(3)
_TO_EX = const(4)
_ALLOW = const(5)
_BLOCK = const(6)
_TOS = const(0xC0)
_ROUTER_ALERT = b"\x94\4\0\0"  # RFC 2113
_ROUTERS = b"\xe0\0\0\2"
_REPORTS = b"\xe0\0\0\x16"  # where reports of version 3 go
_ALL_HOSTS = b"\xe0\0\0\1"
_NOBODY = b"\0\0\0\0"
_IP_ID = const(3)  # of Stack.w
_TTL = const(8)
_DST = const(16)

_ROBUSTNESS = const(2)  # RFC 3376 8.1: how often a change is told
_UNSOLICITED_MS = const(1000)  # 8.11
_UNSOLICITED2_MS = const(10000)  # RFC 2236 8.10
_OLDER_MS = const(260000)  # 8.12: how long a querier of an older version is remembered
_GROUPS = const(16)  # of an interface
_SOURCES = const(16)  # of a filter
_DELAY_MAX = const(60000)

NAMES = ("in", "in_short", "in_checksum", "in_bad", "in_query", "in_report", "out", "out_nobuf")
_IN = const(0)
_SHORT = const(1)
_CHECKSUM = const(2)
_BAD = const(3)  # from farther than the link, or of an unknown type
_IN_QUERY = const(4)
_IN_REPORT = const(5)
_OUT = const(6)
_NOBUF = const(7)


class Member:
    """One endpoint's wish: a group on an interface, from `sources` alone or, `exclude`, from all
    but those."""

    def __init__(self, nif, addr, exclude):
        self.nif = nif
        self.addr = bytes(addr)
        self.exclude = exclude
        self.sources = set()

    def takes(self, source):
        return (source in self.sources) != self.exclude


class Group:
    """What all members on one interface want together, and what has yet to be told of that."""

    def __init__(self, nif, addr):
        self.nif = nif
        self.addr = addr
        self.members = []
        self.exclude = False
        self.sources = set()
        self.turned = False  # the mode has changed
        self.allow = set()  # or these sources have come and gone
        self.block = set()
        self.repeats = 0
        self.repeat_at = 0
        self.asked = False  # a router wants to know, of these sources or of all
        self.asked_at = 0
        self.asked_of = set()

    def merge(self):
        """RFC 3376 3.2: the state of the interface. True when it has changed."""
        exclude = False
        wanted = set()
        unwanted = None
        for member in self.members:
            if not member.exclude:
                wanted |= member.sources
            else:
                exclude = True
                unwanted = member.sources if unwanted is None else unwanted & member.sources
        sources = unwanted - wanted if exclude else wanted
        if exclude != self.exclude:
            self.turned = True
            self.allow = set()
            self.block = set()
        elif sources != self.sources:
            come = sources - self.sources
            gone = self.sources - sources
            if exclude:
                come, gone = gone, come
            self.allow = (self.allow | come) - gone
            self.block = (self.block | gone) - come
        else:
            return False
        self.exclude = exclude
        self.sources = sources
        return True

    def told(self):
        self.turned = False
        self.allow = set()
        self.block = set()


class IGMP:
    def __init__(self, st):
        self.st = st
        self.ip = st.ip4
        self.stat = st.counters("igmp", NAMES)
        self.groups = []
        self._older = {}  # interface -> (version of the oldest querier, when it was heard)
        self._general = {}  # interface -> when to answer a general query
        self._fr = None  # the report that is being written
        self._timer = st.timers.new(self._tick)
        st.igmp = self
        st.ip4.protocols[_PROTO] = self
        st.watchers.append(self._watch)

    # -- members ----------------------------------------------------------------------------

    def group(self, nif, addr):
        """The Group of an address on an interface, or None."""
        for group in self.groups:
            if group.nif is nif and group.addr == addr:
                return group
        return None

    def wanted(self, nif, buf, off):
        """Does anybody here want packets to the group at buf[off] that come in by `nif`? What we
        send ourselves comes in by loopback."""
        for group in self.groups:
            if group.members and same(group.addr, 0, buf, off, 4):
                if group.nif is nif or nif.v4.addr[0] == 127:
                    return True
        return False

    def takes(self, members, fr):
        """Do these members want the packet in `fr`?"""
        buf = fr.buf
        at = fr.l3
        for member in members:
            if same(member.addr, 0, buf, at + _DST, 4):
                if member.nif is fr.nif or fr.nif.v4.addr[0] == 127:
                    if not member.sources:
                        return member.exclude
                    return member.takes(bytes(buf[at + _DST - 4 : at + _DST]))
        return False

    def find(self, members, nif, addr):
        for member in members:
            if member.nif is nif and member.addr == addr:
                return member
        return None

    def join(self, members, nif, addr, source=None):
        """Have packets to a group (of that source alone) that come in by `nif`. Raises OSError:
        EINVAL, EADDRINUSE, EADDRNOTAVAIL, ENOBUFS."""
        if not 224 <= addr[0] < 240:
            raise OSError(_EINVAL, "IGMP: %d.%d.%d.%d is no group" % tuple(addr))
        member = self.find(members, nif, addr)
        if member and (source is None or member.exclude):
            raise OSError(_EADDRINUSE if source is None else _EINVAL)
        if member is None:
            group = self.group(nif, addr) or self._new(nif, addr)
            member = Member(nif, addr, source is None)
            group.members.append(member)
            members.append(member)
        if source is not None:
            self._put(member, source)
        self._merge(self.group(nif, addr))

    def leave(self, members, nif, addr, source=None):
        """Raises OSError(EADDRNOTAVAIL) for what was not joined."""
        member = self.find(members, nif, addr)
        if member is None:
            raise OSError(_EADDRNOTAVAIL)
        if source is not None:
            if member.exclude:
                raise OSError(_EINVAL)
            self._take(member, source)
        group = self.group(nif, addr)
        if source is None or not member.sources:
            members.remove(member)
            group.members.remove(member)
        self._merge(group)

    def block(self, members, nif, addr, source, on):
        """Of a group that was joined for all sources, have this one no more, or again."""
        member = self.find(members, nif, addr)
        if member is None or not member.exclude:
            raise OSError(_EINVAL if member else _EADDRNOTAVAIL)
        if on:
            self._put(member, source)
        else:
            self._take(member, source)
        self._merge(self.group(nif, addr))

    def leave_all(self, members):
        """An endpoint is closed."""
        while members:
            self.leave(members, members[0].nif, members[0].addr)

    def _put(self, member, source):
        if source in member.sources:
            raise OSError(_EADDRNOTAVAIL)
        if len(member.sources) == _SOURCES:
            raise OSError(_ENOBUFS)
        member.sources.add(bytes(source))

    def _take(self, member, source):
        if source not in member.sources:
            raise OSError(_EADDRNOTAVAIL)
        member.sources.remove(source)

    def _new(self, nif, addr):
        if len([group for group in self.groups if group.nif is nif]) == _GROUPS:
            raise OSError(_ENOBUFS, "IGMP: %s is in %d groups already" % (nif.name, _GROUPS))
        group = Group(nif, bytes(addr))
        self._filter(group, 1)
        self.groups.append(group)
        return group

    def _filter(self, group, on):
        """Tell the NIC, unless another group has the same link address (RFC 1112 6.4)."""
        mac = bytes((1, 0, 0x5E, group.addr[1] & 0x7F, group.addr[2], group.addr[3]))
        for other in self.groups:
            if other is not group and other.nif is group.nif:
                if other.addr[1] & 0x7F == mac[3] and other.addr[2:] == mac[4:]:
                    return
        group.nif.nic.multicast(mac, on)

    # -- reports ----------------------------------------------------------------------------

    def version(self, nif):
        """Of the routers on that link (RFC 3376 7.2.1)."""
        version, since = self._older.get(nif, (3, 0))
        if version < 3 and elapsed(self.st.now, since) >= _OLDER_MS:
            del self._older[nif]
            version = 3
        return version

    def _merge(self, group):
        if group.addr == _ALL_HOSTS or not group.merge():  # RFC 3376 6: that is never told
            if not group.members and not group.repeats:
                self._forget(group)
            return
        group.repeats = _ROBUSTNESS
        self._change(group)
        self._schedule()

    def _forget(self, group):
        self.groups.remove(group)
        self._filter(group, 0)

    def _change(self, group):
        """Tell what has changed, now and once more later (RFC 3376 5.1)."""
        version = self.version(group.nif)
        if version == 3:
            if group.turned:
                self._record(group, _TO_EX if group.exclude else _TO_IN, group.sources)
            else:
                if group.allow:
                    self._record(group, _ALLOW, group.allow)
                if group.block:
                    self._record(group, _BLOCK, group.block)
            self._flush(group.nif)
        elif group.members:
            self._old_report(group, version)
        elif version == 2:
            self._send_old(group, _LEAVE2, _ROUTERS)
            group.repeats = 1
        group.repeats -= 1
        if group.repeats == 0:
            group.told()
            if not group.members:
                self._forget(group)
            return
        ms = _UNSOLICITED_MS if version == 3 else _UNSOLICITED2_MS
        group.repeat_at = later(self.st.now, 1 + self.st.random.below(ms))

    def _answer(self, group):
        """What a router has asked for (RFC 3376 5.2, 5.1)."""
        version = self.version(group.nif)
        if version < 3:
            self._old_report(group, version)
        elif not group.asked_of:
            self._record(group, _IS_EX if group.exclude else _IS_IN, group.sources)
        else:
            both = (
                group.asked_of - group.sources if group.exclude else group.asked_of & group.sources
            )
            if both:
                self._record(group, _IS_IN, both)
        group.asked = False
        group.asked_of = set()

    def _record(self, group, kind, sources):
        """Put a record into the report, in a new one if there is no room for it."""
        size = 8 + 4 * len(sources)
        fr = self._fr
        if fr and fr.end + size > fr.pay + group.nif.mtu - _HDR:
            self._flush(group.nif)
        if self._fr is None:
            self._fr = self._begin(8)
        fr = self._fr
        if fr is None:
            return
        buf = fr.buf
        at = fr.end
        buf[at] = kind
        buf[at + 1] = 0
        put16(buf, at + 2, len(sources))
        copy(buf, at + 4, group.addr, 0, 4)
        at += 8
        for source in sorted(sources):
            copy(buf, at, source, 0, 4)
            at += 4
        fr.end = at
        put16(buf, fr.pay + 6, get16(buf, fr.pay + 6) + 1)

    def _flush(self, nif):
        fr = self._fr
        self._fr = None
        if fr:
            self._send(fr, nif, _REPORT3, _REPORTS)

    def _old_report(self, group, version):
        if group.exclude or group.sources:
            self._send_old(group, _REPORT1 if version == 1 else _REPORT2, group.addr)

    def _send_old(self, group, kind, dst):
        fr = self._begin(8)
        if fr:
            copy(fr.buf, fr.pay + 4, group.addr, 0, 4)
            self._send(fr, group.nif, kind, dst)

    def _begin(self, n):
        """A frame with `n` bytes of zeros."""
        fr = self.st.pool.alloc(True)
        if fr is None:
            self.stat[_NOBUF] += 1
            return None
        fr.l4 = fr.pay
        fr.end = fr.pay + n
        for i in range(n):
            fr.buf[fr.pay + i] = 0
        return fr

    def _send(self, fr, nif, kind, dst):
        """Takes `fr`. The header has the Router Alert option (RFC 3376 section 4)."""
        buf = fr.buf
        at = fr.l4
        buf[at] = kind
        put_csum(buf, at + 2, csum(buf, at, fr.end - at, 0))
        fr.l3 = at = at - _HDR
        self.ip.fields(buf, at, nif.v4.addr, dst, _PROTO, 1, _TOS)
        w = self.st.w
        w[_IP_ID] = (w[_IP_ID] + 1) & 0xFFFF
        buf[at] = 0x46
        put16(buf, at + 2, fr.end - at)
        put16(buf, at + 4, w[_IP_ID])
        copy(buf, at + 20, _ROUTER_ALERT, 0, 4)
        put_csum(buf, at + 10, csum(buf, at, _HDR, 0))
        self.stat[_OUT] += 1
        self.ip.to_link(fr, dst, nif)

    # -- input ------------------------------------------------------------------------------

    def input(self, fr):
        """Borrows `fr`."""
        buf = fr.buf
        at = fr.l4
        n = fr.end - at
        self.stat[_IN] += 1
        if n < 8:
            self.stat[_SHORT] += 1
        elif csum(buf, at, n, 0) != 0xFFFF:
            self.stat[_CHECKSUM] += 1
        elif buf[fr.l3 + _TTL] != 1:  # RFC 3376 section 4: nobody sends farther
            self.stat[_BAD] += 1
        elif buf[at] == _QUERY:
            self._query(fr, buf, at, n)
        elif buf[at] == _REPORT2 or buf[at] == _REPORT1:
            self.stat[_IN_REPORT] += 1
            group = self.group(fr.nif, bytes(buf[at + 4 : at + 8]))
            if group and self.version(fr.nif) < 3:  # RFC 2236 section 3: one answer is enough
                group.asked = False
        elif buf[at] == _REPORT3 or buf[at] == _LEAVE2:
            self.stat[_IN_REPORT] += 1
        else:
            self.stat[_BAD] += 1

    def _query(self, fr, buf, at, n):
        nif = fr.nif
        code = buf[at + 1]
        general = zero(buf, at + 4, 4)
        if general and not same(buf, fr.l3 + _DST, _ALL_HOSTS, 0, 4) or 8 < n < 12:
            self.stat[_BAD] += 1
            return
        count = 0
        ms = code * 100
        if n >= 12:
            count = get16(buf, at + 10)
            if n < 12 + 4 * count:
                self.stat[_SHORT] += 1
                return
            if code >= 128:  # RFC 3376 4.1.1: a floating-point number
                ms = ((code & 15 | 16) << (code >> 4 & 7) + 3) * 100
        else:
            version = 2 if code else 1
            self._older[nif] = (min(version, self.version(nif)), self.st.now)
            ms = ms or 10000  # RFC 2236 section 4
        self.stat[_IN_QUERY] += 1
        due = later(self.st.now, 1 + self.st.random.below(min(ms, _DELAY_MAX) or 1))
        if general:
            if nif not in self._general or elapsed(self._general[nif], due) > 0:
                self._general[nif] = due
        else:
            group = self.group(nif, bytes(buf[at + 4 : at + 8]))
            if group and group.members:
                self._ask(group, due, buf, at + 12, count)
        self._schedule()

    def _ask(self, group, due, buf, at, count):
        """A router asks for one group, or for `count` of its sources (RFC 3376 5.2)."""
        whole = count == 0 or count > _SOURCES or (group.asked and not group.asked_of)
        sources = set() if whole else group.asked_of
        for i in range(0 if whole else count):
            if len(sources) < 2 * _SOURCES:
                sources.add(bytes(buf[at + 4 * i : at + 4 * i + 4]))
        if not group.asked or elapsed(group.asked_at, due) > 0:
            group.asked_at = due
        group.asked = True
        group.asked_of = sources

    def error(self, ip, buf, at, l4, errno, hard):
        """Nobody waits for errors about IGMP."""

    # -- time -------------------------------------------------------------------------------

    def _schedule(self):
        """Start the timer for what is due first."""
        now = self.st.now
        best = -1
        for group in self.groups:
            for on, at in ((group.repeats, group.repeat_at), (group.asked, group.asked_at)):
                if on and (best < 0 or elapsed(at, now) < best):
                    best = max(elapsed(at, now), 0)
        for at in self._general.values():
            if best < 0 or elapsed(at, now) < best:
                best = max(elapsed(at, now), 0)
        if best >= 0:
            self._timer.start(now, best)
        else:
            self._timer.stop()

    def _tick(self):
        now = self.st.now
        for nif in list(self._general):
            if elapsed(now, self._general[nif]) >= 0:
                del self._general[nif]
                for group in self.groups:
                    if group.nif is nif and group.members and group.addr != _ALL_HOSTS:
                        group.asked_of = set()
                        self._answer(group)
                self._flush(nif)
        for group in list(self.groups):
            if group.asked and elapsed(now, group.asked_at) >= 0:
                self._answer(group)
                self._flush(group.nif)
            if group.repeats and elapsed(now, group.repeat_at) >= 0:
                self._change(group)
        self._schedule()

    def _watch(self, nif, event):
        """The link has come, or another address: the routers there have yet to hear of us."""
        if event == 2 or not nif.up:  # LINK_DOWN
            return
        for group in self.groups:
            if group.nif is nif and group.members and (group.exclude or group.sources):
                group.turned = True
                group.repeats = _ROBUSTNESS
                group.repeat_at = later(self.st.now, 1)
        self._schedule()


def attach(st):
    return st.igmp or IGMP(st)
