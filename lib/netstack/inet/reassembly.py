# Fragments put together again: RFC 791 3.2, RFC 815, RFC 1122 3.3.2, RFC 8200 4.5, for any network
# protocol. Nothing is taken before the first fragment comes, all is given back after the last.
#
#   IPv4.input -> Reassembly.add() -> the datagram, in a frame of its own -> done()
#
# A datagram is put together where it will stay: its first header ends at _HEAD of a buffer, its
# payload follows, and the buffer grows by doubling until the last fragment tells its length. What
# has come is a short list of ranges. A fragment that overlaps one and is not the same bytes again
# ends its datagram: nobody sends that but to deceive (RFC 1858, RFC 5722).
#
# Memory comes out of the stack's budget, a third of it at most. When that is used up, or when
# _DATAGRAMS are being put together, the oldest gives way: a flood of first halves cannot shut out
# the others for longer than it lasts.

from array import array
from micropython import const
from netstack.core.checksum import copy
from netstack.core.clock import elapsed
from netstack.core.frame import Frame
from netstack.core.wire import same

_HEAD = const(64)  # where the payload begins: a word boundary behind the longest IPv4 header
_DATAGRAMS = const(8)
_RANGES = const(16)  # separate parts of one datagram
_MOST = const(65535)
_KEY = const(36)  # two addresses and an identification of IPv6
_CHUNK = const(2048)

NAMES = (
    "in",
    "in_bad",
    "in_overlap",
    "in_nobuf",
    "whole",
    "evicted",
    "expired",
)
_IN = const(0)
_BAD = const(1)  # fragments that cannot be part of any datagram
_OVERLAP = const(2)  # datagrams given up because fragments contradicted one another
_NOBUF = const(3)  # fragments for which there was no memory, or too many gaps before them
_WHOLE = const(4)
_EVICTED = const(5)  # datagrams that had to make room
_EXPIRED = const(6)  # datagrams whose rest did not come in time


class Datagram:
    """One that is being put together. Its parts: pairs of words of `ranges`, begin and end, in
    order, that do not touch."""

    def __init__(self, ip, key, klen, now):
        self.ip = ip
        self.key = bytearray(klen)
        copy(self.key, 0, key, 0, klen)
        self.since = now
        self.ranges = array("H", bytes(4 * _RANGES))
        self.parts = 0
        self.buf = None
        self.total = -1  # bytes of payload, once the last fragment has told
        self.hlen = 0  # of the header, once the first fragment has come
        self.first = 0  # bytes of payload in that
        self.marks = 0  # congestion marks seen: 1 << ECN
        self.nif = None
        self.group = False

    def is_for(self, ip, key, klen):
        return self.ip is ip and len(self.key) == klen and same(self.key, 0, key, 0, klen)

    def room(self):
        return len(self.buf) - _HEAD if self.buf else 0

    def end(self):
        """Where what has come ends."""
        return self.ranges[2 * self.parts - 1] if self.parts else 0

    def whole(self):
        return self.parts == 1 and self.ranges[0] == 0 and self.ranges[1] == self.total

    def place(self, begin, end):
        """Where in `ranges` a part would be entered, -1 when it touches bytes that are there."""
        ranges = self.ranges
        i = 0
        while i < self.parts and ranges[2 * i + 1] <= begin:
            i += 1
        return i if i == self.parts or end <= ranges[2 * i] else -1

    def enter(self, i, begin, end):
        """Enter a part at place `i`. False when there are too many."""
        ranges = self.ranges
        before = i > 0 and ranges[2 * i - 1] == begin
        behind = i < self.parts and ranges[2 * i] == end
        if before and behind:
            ranges[2 * i - 1] = ranges[2 * i + 1]
            self._shift(i + 1, -1)
        elif before:
            ranges[2 * i - 1] = end
        elif behind:
            ranges[2 * i] = begin
        elif self.parts == _RANGES:
            return False
        else:
            self._shift(i, 1)
            ranges[2 * i] = begin
            ranges[2 * i + 1] = end
        return True

    def _shift(self, i, by):
        """Move the parts from `i` on by one place."""
        ranges = self.ranges
        order = range(i, self.parts) if by < 0 else range(self.parts - 1, i - 1, -1)
        for k in order:
            ranges[2 * (k + by)] = ranges[2 * k]
            ranges[2 * (k + by) + 1] = ranges[2 * k + 1]
        self.parts += by


class Reassembly:
    def __init__(self, st):
        self.st = st
        self.stat = st.counters("reassembly", NAMES)
        self.limit = st.budget // 3
        self.timeout = 30000  # ms; RFC 8200 4.5 has 60, Linux 30 for IPv4
        self.key = bytearray(_KEY)  # which datagram a fragment belongs to, for add()
        self.used = 0  # bytes of the budget
        self._datagrams = []  # in the order in which they began
        self._whole = None  # the one lent
        self._timer = st.timers.new(self._tick)
        st.reassembly = self

    # -- input ------------------------------------------------------------------------------

    def add(self, fr, ip, klen, hlen, off, more):
        """The fragment in `fr`, from l4 to end, is the part at `off` of the datagram that `klen`
        bytes of `key` name; the header to keep of the first one are `hlen` bytes at l3. Borrows
        `fr`. Returns the datagram when it is whole, a frame to be given to done(); else None."""
        self.stat[_IN] += 1
        n = fr.end - fr.l4
        end = off + n
        if n == 0 or (more and n & 7) or end + hlen > _MOST or hlen > _HEAD:
            self.stat[_BAD] += 1  # RFC 791: pieces of eight; the ping of death
            return None
        d = self._find(ip, klen)
        if d is None:
            return None
        if not more and d.total < 0 and end >= d.end():
            d.total = end
        if end > d.total >= 0 or (not more and d.total != end):
            return self._give_up(d, _OVERLAP)  # it ends at two places
        if not self._room(d, end):
            return self._give_up(d, _NOBUF)
        i = d.place(off, end)
        if i < 0:
            if self._known(d, fr, off, n):
                return None
            return self._give_up(d, _OVERLAP)
        if not d.enter(i, off, end):
            return self._give_up(d, _NOBUF)
        copy(d.buf, _HEAD + off, fr.buf, fr.l4, n)
        d.marks |= 1 << ip.ecn(fr.buf, fr.l3)
        if off == 0:
            d.hlen = hlen
            d.first = n
            d.nif = fr.nif
            d.group = fr.group
            copy(d.buf, _HEAD - hlen, fr.buf, fr.l3, hlen)
        return self._finish(d) if d.whole() else None

    def _find(self, ip, klen):
        """The datagram that `key` names, or a new one; None when there is no memory for it."""
        for d in self._datagrams:
            if d.is_for(ip, self.key, klen):
                return d
        if len(self._datagrams) == _DATAGRAMS:
            self._evict(None)
        try:
            d = Datagram(ip, self.key, klen, self.st.now)
        except MemoryError:
            self.stat[_NOBUF] += 1
            return None
        self._datagrams.append(d)
        if not self._timer.active:
            self._timer.start(self.st.now, self.timeout)
        return d

    def _known(self, d, fr, off, n):
        """Have just these bytes come before? A duplicate is no attack (RFC 8200 4.5)."""
        ranges = d.ranges
        for i in range(d.parts):
            if ranges[2 * i] <= off and off + n <= ranges[2 * i + 1]:
                return same(d.buf, _HEAD + off, fr.buf, fr.l4, n)
        return False

    # -- memory -----------------------------------------------------------------------------

    def _room(self, d, end):
        """Is there room for payload up to `end`, or can it be had?"""
        have = d.room()
        if end <= have:
            return True
        need = _HEAD + end + 3 & ~3
        size = d.total
        if size < 0:
            size = min(max(end, 2 * have, _CHUNK), _MOST)
        size = _HEAD + size + 3 & ~3
        old = len(d.buf) if d.buf else 0
        while not self._charge(size - old):
            if size > need:
                size = need
            elif not self._evict(d):
                return False
        try:
            buf = bytearray(size)
        except MemoryError:
            self._credit(size - old)
            return False
        if old:
            copy(buf, 0, d.buf, 0, old)
        d.buf = buf
        return True

    def _charge(self, n):
        if self.used + n > self.limit or not self.st.charge(n):
            return False
        self.used += n
        return True

    def _credit(self, n):
        self.used -= n
        self.st.credit(n)

    def _evict(self, but):
        """Give up the oldest datagram, not that one. False when there is no other."""
        for d in self._datagrams:  # in the order in which they began
            if d is not but:
                self._give_up(d, _EVICTED)
                return True
        return False

    def _give_up(self, d, why):
        self.stat[why] += 1
        self._drop(d)

    def _drop(self, d):
        self._datagrams.remove(d)
        if d.buf:
            self._credit(len(d.buf))
        if not self._datagrams:
            self._timer.stop()

    # -- the end ----------------------------------------------------------------------------

    def _finish(self, d):
        """The frame of a datagram that is whole, None if RFC 3168 5.3 forbids to join its parts:
        congestion met some of them, and others could not have borne the mark."""
        if d.marks & 9 == 9 or d.hlen + d.total > _MOST:
            return self._give_up(d, _BAD)
        self.stat[_WHOLE] += 1
        return self._frame(d, d.total)

    def _frame(self, d, n):
        """The frame of what has come so far, `n` bytes behind the first header. It lives until
        done() or the next one."""
        self._whole = d
        fr = Frame(0)
        fr.free = False
        fr.buf = d.buf
        fr.l2 = fr.l3 = _HEAD - d.hlen
        fr.l4 = fr.pay = _HEAD
        fr.end = _HEAD + n
        fr.nif = d.nif
        fr.ip = d.ip
        fr.group = d.group
        return fr

    def congested(self):
        """Has congestion met any part of the datagram that add() has given?"""
        return self._whole.marks & 8 != 0

    def done(self):
        """Take back what add() has given, unless it had to make room for what that has led to."""
        if self._whole in self._datagrams:
            self._drop(self._whole)
        self._whole = None

    def flush(self):
        """Forget what is not whole."""
        while self._datagrams:
            self._drop(self._datagrams[0])

    def _tick(self):
        """RFC 1122 3.3.2: what is not whole by now is dropped, and its sender told if the first
        fragment is there to be quoted."""
        while self._datagrams:
            d = self._datagrams[0]
            left = self.timeout - elapsed(self.st.now, d.since)
            if left > 0:
                self._timer.start(self.st.now, left)
                return
            self.stat[_EXPIRED] += 1
            if d.hlen:
                d.ip.expired(self._frame(d, d.first))
            self._drop(d)


def attach(st):
    return st.reassembly or Reassembly(st)
