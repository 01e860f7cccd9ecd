# The loopback interface: what is sent comes in again with the next poll(), nothing is copied.
#
# It is NIC and link in one: the frame itself is kept until then. All but the last part of a
# datagram in fragments are put together at once, so that neither queue nor pool has to hold them.

from micropython import const
from netstack.core.wire import where

_DEPTH = const(32)  # at most; and no more than there are frames

NAMES = ("dropped",)
_MISSED = const(45)  # of Stack.w
_N = const(13)  # of Interface.w: frames in the queue
_DROPPED = const(0)  # more frames than the queue holds


class Loopback:
    """The NIC side of `lo` (docs/nic.md); it never receives through recv()."""

    mac = b"\0\0\0\0\0\0"
    caps = 0

    def __init__(self, mtu=1500):
        self.mtu = mtu

    def recv(self, buf, off):
        return 0

    def send(self, buf, off, n):
        return n

    def link(self):
        return 1

    def irq(self, cb):
        pass

    def multicast(self, mac, on):
        pass


class LoopbackLink:
    def __init__(self, nif):
        self.nif = nif
        self.st = nif.st
        self.stat = nif.st.counters(nif.name + ".loopback", NAMES)
        depth = self._depth = min(_DEPTH, self.st.pool.count)
        self._queue = [None] * depth
        self._types = [0] * depth
        self._head = 0
        self._words = nif.w
        nif.output = self.output
        nif.input = None
        nif.poll = _poller(where(nif.w), self.drain)
        nif.room = self.room
        self.at_once = False  # the next one: what follows from it is kept by inet/reassembly.py

    def output(self, fr, ethertype, hop, hoff):
        """Takes `fr`. Returns 0."""
        if self.at_once:
            self.at_once = False
            self._hand_up(fr, ethertype)
            return 0
        n = self._words[_N]
        if n == self._depth:
            self.stat[_DROPPED] += 1
            self.st.pool.release(fr)
            return 0
        at = self._head + n
        at = at - self._depth if at >= self._depth else at
        self._queue[at] = fr
        self._types[at] = ethertype
        self._words[_N] = n + 1
        self.st.w[_MISSED] = 1  # work to do at once, of which no NIC will tell
        return 0

    def room(self):
        return self._words[_N] < self._depth

    @micropython.native
    def drain(self):
        """Hand up what was sent before this call; True when more has been sent meanwhile."""
        w = self._words
        if not self.nif.up:
            return False
        for _ in range(w[_N]):
            at = self._head
            self._head = at + 1 if at + 1 < self._depth else 0
            w[_N] -= 1
            self._hand_up(self._queue[at], self._types[at])
        return w[_N] > 0

    def _hand_up(self, fr, ethertype):
        """Takes `fr`."""
        fr.l2 = fr.l3
        fr.group = False
        fr.nif = self.nif
        handler = self.st.ethertypes.get(ethertype)
        try:
            if handler:
                handler(fr)
        finally:
            self.st.pool.release(fr)


def _poller(words, drain):
    """Interface.poll: a closure, for the reason that core/stack.py gives."""

    @micropython.viper
    def poll() -> int:
        return int(drain()) if ptr32(int(words))[_N] else 0

    return poll


def attach(nif):
    """Make an interface whose NIC is a Loopback loop back."""
    nif.loopback = LoopbackLink(nif)
