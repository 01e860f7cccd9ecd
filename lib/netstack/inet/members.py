# Multicast groups that sockets and interfaces belong to, for IGMP and MLD, which are the same but
# for how they are written (RFC 3376, RFC 3810): igmp.py and mld.py are made of this.
#
#   a socket:  join(), leave(), ... -> Group.merge() -> a report, and once more within a second
#   a router:  a query -> asked() -> a report, after a while
#
#   record  | type 1 | 0 1 | n 2 | group | sources ... |       reports begin with 8 bytes; the last
#                                                              two are the number of records
#
# What an endpoint has joined stands in its `groups` (transport/udp.py): Members, each with a
# filter of sources. What all of them want from one interface is merged into its Group (RFC 3376
# 3.2, RFC 3810 4.2).

from micropython import const
from netstack.core.checksum import copy
from netstack.core.clock import elapsed, later
from netstack.core.wire import get16, put16, same

_EADDRINUSE = const(98)
_EADDRNOTAVAIL = const(99)
_EINVAL = const(22)
_ENOBUFS = const(105)
_IS_IN = const(1)  # types of records
_IS_EX = const(2)
_TO_IN = const(3)
_TO_EX = const(4)
_ALLOW = const(5)
_BLOCK = const(6)

_ROBUSTNESS = const(2)  # RFC 3376 8.1, RFC 3810 9.1: how often a change is told
_UNSOLICITED_MS = const(1000)  # 8.11, 9.11
_UNSOLICITED_OLD_MS = const(10000)  # RFC 2236 8.10, RFC 2710 7.10
_OLDER_MS = const(260000)  # 8.12, 9.12: how long a querier of an older version is remembered
_SOURCES = const(16)  # of a filter
_DELAY_MAX = const(60000)


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

    def settle(self):
        """All of it has been told."""
        self.turned = False
        self.allow = set()
        self.block = set()


class Memberships:
    """What IGMP and MLD have in common. They give: `newest`, the version they speak unless a
    router speaks an older one; `limit`, groups of an interface; `overhead`, bytes of headers in
    front of a report; told(group): is anybody to be told of it?; mac(addr), its link address; and
    what sends."""

    def __init__(self, ip):
        self.ip = ip
        self.st = ip.st
        self.groups = []
        self._older = {}  # interface -> (version of the oldest querier, when it was heard)
        self._general = {}  # interface -> when to answer a general query
        self._fr = None  # the report that is being written
        self._timer = ip.st.timers.new(self._tick)
        ip.members = self

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
            if group.members and same(group.addr, 0, buf, off, self.ip.alen):
                if group.nif is nif or hasattr(nif, "loopback"):
                    return True
        return False

    def takes(self, members, fr):
        """Do these members want the packet in `fr`?"""
        buf = fr.buf
        ip = self.ip
        for member in members:
            if same(member.addr, 0, buf, fr.l3 + ip.dst_off, ip.alen):
                if member.nif is fr.nif or hasattr(fr.nif, "loopback"):
                    if not member.sources:
                        return member.exclude
                    at = fr.l3 + ip.src_off
                    return member.takes(bytes(buf[at : at + ip.alen]))
        return False

    def find(self, members, nif, addr):
        for member in members:
            if member.nif is nif and member.addr == addr:
                return member
        return None

    def join(self, members, nif, addr, source=None):
        """Have packets to a group (of that source alone) that come in by `nif`. Raises OSError:
        EINVAL, EADDRINUSE, EADDRNOTAVAIL, ENOBUFS."""
        if len(addr) != self.ip.alen or not self.ip.group(addr, 0):
            raise OSError(_EINVAL, "to join: no group's address")
        member = self.find(members, nif, addr)
        if member and (source is None or member.exclude):
            raise OSError(_EADDRINUSE if source is None else _EINVAL)
        if member is None:
            group = self.group(nif, addr) or self._new(nif, addr)
            member = Member(nif, addr, source is None)
            if not group.members:
                self._filter(group, 1)
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
            if not group.members:
                self._filter(group, 0)
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
        if len([group for group in self.groups if group.nif is nif]) >= self.limit:
            raise OSError(_ENOBUFS, "%s is in %d groups already" % (nif.name, self.limit))
        group = Group(nif, bytes(addr))
        self.groups.append(group)
        return group

    def _filter(self, group, on):
        """Tell the NIC, unless another group has the same link address (RFC 1112 6.4)."""
        mac = self.mac(group.addr)
        for other in self.groups:
            if other is not group and other.members and other.nif is group.nif:
                if self.mac(other.addr) == mac:
                    return
        group.nif.nic.multicast(mac, on)

    # -- reports ----------------------------------------------------------------------------

    def version(self, nif):
        """Of the routers on that link (RFC 3376 7.2.1, RFC 3810 8.2.1)."""
        version, since = self._older.get(nif, (self.newest, 0))
        if version < self.newest and elapsed(self.st.now, since) >= _OLDER_MS:
            del self._older[nif]
            version = self.newest
        return version

    def older(self, nif, version):
        """A router of an older version has been heard."""
        self._older[nif] = (min(version, self.version(nif)), self.st.now)

    def again(self, nif):
        """The link has come: the routers there have yet to hear of us."""
        for group in self.groups:
            if group.nif is nif and group.members and (group.exclude or group.sources):
                group.turned = True
                group.repeats = _ROBUSTNESS
                group.repeat_at = later(self.st.now, 1)
        self._schedule()

    def _merge(self, group):
        if not self.told(group) or not group.merge():
            if not group.members and not group.repeats:
                self.groups.remove(group)
            return
        group.repeats = _ROBUSTNESS
        self._change(group)
        self._schedule()

    def _change(self, group):
        """Tell what has changed, now and once more later (RFC 3376 5.1)."""
        version = self.version(group.nif)
        if version == self.newest:
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
        elif version == self.newest - 1:
            self.old_leave(group)
            group.repeats = 1
        group.repeats -= 1
        if group.repeats == 0:
            group.settle()
            if not group.members:
                self.groups.remove(group)
            return
        ms = _UNSOLICITED_MS if version == self.newest else _UNSOLICITED_OLD_MS
        group.repeat_at = later(self.st.now, 1 + self.st.random.below(ms))

    def _answer(self, group):
        """What a router has asked for (RFC 3376 5.2, 5.1)."""
        version = self.version(group.nif)
        if version < self.newest:
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
        alen = self.ip.alen
        size = 4 + alen + alen * len(sources)
        fr = self._fr
        if fr and fr.end + size > fr.pay + group.nif.mtu - self.overhead:
            self._flush(group.nif)
        if self._fr is None:
            self._fr = self.begin(8)
        fr = self._fr
        if fr is None:
            return
        buf = fr.buf
        at = fr.end
        buf[at] = kind
        buf[at + 1] = 0
        put16(buf, at + 2, len(sources))
        copy(buf, at + 4, group.addr, 0, alen)
        at += 4 + alen
        for source in sorted(sources):
            copy(buf, at, source, 0, alen)
            at += alen
        fr.end = at
        put16(buf, fr.pay + 6, get16(buf, fr.pay + 6) + 1)

    def _flush(self, nif):
        fr = self._fr
        self._fr = None
        if fr:
            self.send_report(fr, nif)

    def _old_report(self, group, version):
        if group.exclude or group.sources:
            self.old_report(group, version)

    def begin(self, n):
        """A frame with `n` bytes of zeros, or None."""
        fr = self.st.pool.alloc(True)
        if fr is None:
            self.denied()
            return None
        fr.l4 = fr.pay
        fr.end = fr.pay + n
        for i in range(n):
            fr.buf[fr.pay + i] = 0
        return fr

    # -- being asked ------------------------------------------------------------------------

    def asked(self, nif, ms, addr, buf, at, count):
        """A router wants to know within `ms` of all groups (addr is None), or of one, or of
        `count` of its sources, the addresses at buf[at]."""
        due = later(self.st.now, 1 + self.st.random.below(min(ms, _DELAY_MAX) or 1))
        if addr is None:
            if nif not in self._general or elapsed(self._general[nif], due) > 0:
                self._general[nif] = due
        else:
            group = self.group(nif, addr)
            if group and group.members and self.told(group):
                self._ask(group, due, buf, at, count)
        self._schedule()

    def heard(self, nif, addr):
        """Another member has told of this group: for routers of old one answer is enough."""
        group = self.group(nif, addr)
        if group and self.version(nif) < self.newest:
            group.asked = False

    def _ask(self, group, due, buf, at, count):
        """A router asks for one group, or for `count` of its sources (RFC 3376 5.2)."""
        whole = count == 0 or count > _SOURCES or (group.asked and not group.asked_of)
        sources = set() if whole else group.asked_of
        for i in range(0 if whole else count):
            if len(sources) < 2 * _SOURCES:
                sources.add(bytes(buf[at : at + self.ip.alen]))
                at += self.ip.alen
        if not group.asked or elapsed(group.asked_at, due) > 0:
            group.asked_at = due
        group.asked = True
        group.asked_of = sources

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
                    if group.nif is nif and group.members and self.told(group):
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
