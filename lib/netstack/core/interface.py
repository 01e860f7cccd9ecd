# An interface: a NIC (contract: docs/nic.md), the link protocol on it, its transmit queue.
#
# The link sits in two slots, `input(fr)` and `output(fr, ethertype, hop, hoff)`, filled by the
# link's attach(nif). `resolve` maps an ethertype to what finds link addresses for it (ARP, ND).
#
# Words of Interface.w:
#    0, 1 link address (2 bytes in the upper half of word 0, then 4)    2 IPv4 address
#    3 its broadcast address  4, 5 address of the counters
#    6 OPEN: it is up, no frame waits for the NIC, and there is one to build in
#    7 PLAIN: the fast path may have what the NIC gives next
#    8, 9 address of the frame that the NIC fills  10, 11 of the one that the fast path builds in
#   12 frames that poll() takes at most   13..17 the link's, see link/bridge.py, or those of
#   inet/forward_fast.py, and 18..20 of inet/forward6_fast.py
#   21 its number among those that IPv6 takes part on, 0: it does not
# Words of Stack.w: inet/match.py.

from array import array
import netstack
from micropython import const
from netstack.core.wire import add32, address, where

_LEAD = const(2)
_TXQ = const(16)  # frames a busy NIC may leave waiting

NAMES = ("in", "in_bytes", "out", "out_bytes", "out_busy", "out_full", "out_error")
_IN = const(0)
_IN_BYTES = const(1)
_OUT = const(2)
_OUT_BYTES = const(3)
_OUT_BUSY = const(4)  # sends put off because the NIC was busy
_OUT_FULL = const(5)  # frames dropped because the transmit queue was full
_OUT_ERROR = const(6)  # frames the NIC refused, or for an interface that is down

_OPEN = const(6)
_PLAIN = const(7)
_IN_AT = const(8)
_OUT_AT = const(10)
_BURST = const(12)
_WORDS = const(22)
_SIZE = const(36)  # of Stack.w
_QUEUED = const(47)
_BUF = const(51)
_NIF = const(53)
_GOOD = const(59)

_REST = const(0)  # Interface.io: what the fast path calls, and hands on
_SEND = const(1)
_FROM = const(2)  # the frame that the NIC fills,
_TO = const(3)  # and the one that the fast path builds in
_REFUSED = const(4)
_FRAME = const(5)  # of _FROM
_RECV = const(0)  # Interface._first: what poll() begins with, in one piece
_BUFFER = const(1)
_MATCH = const(2)
_ORDINARY = const(4)

LINK_UP = const(1)
LINK_DOWN = const(2)
ADDRESS = const(4)


class Interface:
    """Made by Stack.add(). `up` is the user's wish, `link` the NIC's state."""

    def __init__(self, st, nic, name, burst):
        self.st = st
        self.name = name
        self.mac = nic.mac
        self.mtu = nic.mtu
        self.up = False
        self.link = 0
        self.hostname = None
        self.input = None
        self.output = None
        self.prepare = None  # (buf, at, ethertype, hop, hoff): write a header once for many frames
        self.resolve = {}
        self.known = {}
        self.w = w = array("I", bytes(4 * _WORDS))
        w[_BURST] = burst
        self.io = [self._rest, None, None, None, self.refused, None]
        self._first = [None, None, None, netstack, None]
        self._match = None  # what join() was given, and extend()
        self._more = []
        self._tapped = False
        self.poll = _poller(self)
        self._in = None  # the frame that the NIC fills next
        self._own = False
        self._out = None  # the frame that the fast path builds in
        self.use(nic)
        self.v4 = None  # the IPv4 address state, filled by inet/ipv4
        self.v6 = None  # the same of inet/ipv6
        self.stat = st.counters(name, NAMES)
        address(w, 4, self.stat)
        self._rx = [None] * burst  # a batch: _got frames, _done of them handed up
        self._got = 0
        self._done = 0
        self._tx = [None] * _TXQ
        self._txhead = 0
        self.queued = 0

    def use(self, nic):
        """Have this NIC from now on: one that wraps the first, say. Its link address stays."""
        self.nic = nic
        self._first[_RECV] = nic.recv  # bound once: that allocates
        self.io[_SEND] = self.send = nic.send

    def join(self, match, ordinary=None):
        """The fast path offers: match(words, n) of inet/match.py for what comes in, and
        ordinary(io) for what is good, and taken by nobody."""
        self._match = match
        self._first[_ORDINARY] = ordinary
        self._chain()
        self._out = self.st.pool.extra()
        self._look()

    def extend(self, match):
        """Offer what the fast path leaves to another kernel. False if none has joined yet."""
        if self._first[_MATCH] is None:
            return False
        self._more.append(match)
        self._chain()
        return True

    def shorten(self, match):
        """No longer to that one."""
        self._more.remove(match)
        self._chain()

    def _chain(self):
        match = self._match
        for other in self._more:
            match = _either(match, other)
        self._first[_MATCH] = _nothing if match and self._tapped else match

    def tap(self, take, send):
        """Have take(fr) stand in front of what becomes of frames that come in, and `send` in front
        of the NIC's, and the fast path out of the way; None, None: no longer. Returns what they
        have to go on with."""
        self._tapped = take is not None
        before = self._ordinary, self.send
        if take:
            self._ordinary = take
            self.io[_SEND] = self.send = send
        else:
            del self._ordinary
            self.use(self.nic)
        self._chain()
        return before

    def _look(self):
        """What is the fast path to know?"""
        if self._first[_MATCH] is None:
            return
        if self._in is None:
            self._another()
        if self._in:
            self._show(self._in)
        pool = self.st.pool
        if self._out is None and pool.left > pool.reserve:
            self._out = pool.alloc()
        self.io[_TO] = out = self._out and self._out.buf
        w = self.w
        if out:
            address(w, _OUT_AT, out)
        w[_OPEN] = bool(self.up and out and not self.queued)
        w[_PLAIN] = bool(self._in and self._done == self._got)

    def _show(self, fr):
        """The fast path is to look at what is in this frame."""
        fr.nif = self
        io = self.io
        io[_FRAME] = fr
        io[_FROM] = self._first[_BUFFER] = fr.buf
        address(self.w, _IN_AT, fr.buf)

    def _rest(self, size, left):
        """The rest of poll(): a frame of `size` bytes (0: none; below 0: the last for now) that
        the fast path has left, and what else there is, `left` frames at most. True when there may
        be more."""
        if not self.up:
            return False
        if self.queued and not size:  # once a poll
            self.drain()
        more = True
        if self._done == self._got:  # else an exception has left some of the last batch
            more = self._fetch(size, left)
        w = self.w
        if self._got:
            w[_PLAIN] = 0  # still so if an exception leaves some of the batch
            self._hand_up(size)
        if not (w[_PLAIN] and w[_OPEN]):
            self._look()
        return more

    def _hand_up(self, offered):
        """The first frame, if `offered`, is one that the fast path has left."""
        while self._done < self._got:
            fr = self._rx[self._done]
            self._done += 1
            try:
                if offered or not self._taken(fr):
                    self._ordinary(fr)
            finally:
                self.st.pool.release(fr)
            offered = 0

    def take(self, fr):
        """Hand up a frame that starts at _LEAD: one of the NIC's, or of an interface below this
        one (a bridge's port, what a VLAN is on). Borrows `fr`."""
        if not self._taken(fr):
            self._ordinary(fr)

    def _ordinary(self, fr):
        """What a frame does that the fast path has not taken."""
        fr.nif = self
        self.stat[_IN] += 1
        add32(self.stat, _IN_BYTES, fr.end - fr.l2)
        self.input(fr)

    def _taken(self, fr):
        """Has the fast path taken this frame?"""
        match = self._first[_MATCH]
        if not netstack.fastpath or match is None:
            return False
        self._show(fr)
        self.w[_PLAIN] = 0  # until _look() has shown the NIC's again
        w = self.st.w
        address(w, _BUF, fr.buf)
        address(w, _NIF, self.w)
        w[_SIZE] = n = fr.end - _LEAD
        return self.st.kinds[match(w, n)](self.io)

    @micropython.native
    def _fetch(self, size, left):
        """Move frames from the NIC to _rx, the first of which is there already unless `size` is 0.
        True when there may be more. A size below 0: the last for now."""
        fr = self._in or self._another()
        if fr is None:
            return False
        recv = self._first[_RECV]
        rx = self._rx
        self._got = self._done = n = 0
        while n < left:
            if not size:
                size = recv(fr.buf, _LEAD)
                if not size:
                    return False
            fr.l2 = _LEAD
            fr.end = _LEAD + (size if size > 0 else -size)
            fr.group = False
            rx[n] = fr
            n += 1
            self._got = n
            fr = self._in = self.st.pool.alloc()
            if size < 0:
                return False
            if fr is None:
                return True
            size = 0
        return True

    def _another(self):
        """A frame for the NIC to fill next; there is always one, however full the pool is, or
        frames that are held for neighbours could keep out the very answers that let them go."""
        if self._own:
            self._in = self.st.pool.alloc(True)
        else:
            self._in = self.st.pool.extra()
            self._own = True
        return self._in

    @micropython.native
    def transmit(self, fr):
        """Send the frame from l2 to end, or queue it while the NIC is busy. Takes `fr`."""
        if not self.up:  # what a timer of ours still sends: an ARP request, a retransmission
            self.stat[_OUT_ERROR] += 1
            self.st.pool.release(fr)
            return
        if self.queued == 0 and self._send(fr):
            return
        self._wait(fr)

    def refused(self, at, n, answer):
        """The NIC has not taken the frame of `n` bytes that the fast path has built, and said
        `answer`: 0, it waits, and is not offered again at once; below 0, it is lost."""
        fr = self._out
        fr.l2 = at
        fr.end = at + n
        self._out = None
        if answer == 0:
            self.stat[_OUT_BUSY] += 1
            self._wait(fr)
        else:
            self.stat[_OUT_ERROR] += 1
            self.st.pool.release(fr)
        self._look()

    def _wait(self, fr):
        if self.queued == _TXQ:
            self.stat[_OUT_FULL] += 1
            self.st.pool.release(fr)
            return
        at = self._txhead + self.queued
        self._tx[at - _TXQ if at >= _TXQ else at] = fr
        self.queued += 1
        self.st.w[_QUEUED] += 1
        self.w[_OPEN] = 0

    def room(self):
        """Can the transmit queue take another frame?"""
        return self.queued < _TXQ

    @micropython.native
    def _send(self, fr):
        size = fr.end - fr.l2
        n = self.send(fr.buf, fr.l2, size)
        if n == 0:
            self.stat[_OUT_BUSY] += 1
            return False
        if n > 0:
            self.stat[_OUT] += 1
            add32(self.stat, _OUT_BYTES, size)
        else:
            self.stat[_OUT_ERROR] += 1
        self.st.pool.release(fr)
        return True

    def drain(self):
        """Offer the NIC what waits for it."""
        while self.queued:
            if not self._send(self._tx[self._txhead]):
                return
            head = self._txhead + 1
            self._txhead = 0 if head == _TXQ else head
            self.queued -= 1
            self.st.w[_QUEUED] -= 1

    def set_up(self, up):
        """Bring the interface up or down. Frames that still wait are dropped when it goes down."""
        self.up = up
        if up:
            self.check_link()
            self._look()
            return
        self.w[_OPEN] = 0
        while self.queued:
            self.st.pool.release(self._tx[self._txhead])
            head = self._txhead + 1
            self._txhead = 0 if head == _TXQ else head
            self.queued -= 1
            self.st.w[_QUEUED] -= 1
        if self.link:
            self.link = 0
            self.st.notify(self, LINK_DOWN)

    def set_mtu(self, mtu):
        """Send no longer packets, not by headers written before either."""
        self.mtu = mtu
        self.st.rerouted()

    def check_link(self):
        link = self.nic.link() if self.up else 0
        if link != self.link:
            self.link = link
            self.st.notify(self, LINK_UP if link else LINK_DOWN)


def _either(first, second):
    """One kernel of two."""

    @micropython.viper
    def match(w, n: int) -> int:
        kind = int(first(w, n))
        if kind:
            return kind
        return int(second(w, n))

    return match


def _nothing(words, n):
    """What looks at frames of an interface that is tapped: none is for the fast path."""
    return 0


def _poller(nif):
    """Interface.poll: a closure, for the reason that stack.py gives."""
    words = where(nif.st.w)
    own = where(nif.w)
    io = nif.io
    kinds = nif.st.kinds
    first = nif._first

    @micropython.viper
    def poll() -> int:
        """Have the fast path take what the NIC has, up to a frame that is not for it. True when
        there may be more."""
        recv, buf, match, switch, ordinary = first
        o = ptr32(int(own))
        if not (o[_OPEN] and o[_PLAIN]) or not switch.fastpath:
            return int(io[_REST](0, o[_BURST]))
        w = ptr32(int(words))
        w[_BUF] = o[_IN_AT]
        w[_BUF + 1] = o[_IN_AT + 1]
        w[_NIF] = int(o)
        w[_NIF + 1] = (uint(o) >> 16) >> 16  # a sign would fill it on a 32-bit port
        left = o[_BURST]
        while left:
            n = int(recv(buf, 2))
            if not n:
                return 0
            size = n if n > 0 else 0 - n
            w[_SIZE] = size
            w[_GOOD] = 0
            if not int(kinds[match(words, size)](io)):
                if not w[_GOOD] or not int(ordinary(io)):
                    return int(io[_REST](n, left))
            if n < 0:  # the last, for now
                return 0
            left -= 1
        return 1

    return poll
