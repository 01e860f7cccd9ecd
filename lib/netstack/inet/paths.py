# What is known of paths: the longest packet that gets to an address, as routers have told
# (RFC 1191) or as TCP has found out for itself (RFC 4821). One for each network protocol.
#
#   ICMP -> ip.too_big() -> learn()         UDP, TCP -> ip.mtu() -> get()
#                             | a transport's path_changed()
#
# A transport has agreed before anything is learnt: the packet that ICMP quotes is one it may have
# sent (RFC 5927 7.2). After ten minutes a path is as good as new (RFC 1191 6.3).

from array import array
from micropython import const
from netstack.core.checksum import copy
from netstack.core.clock import elapsed
from netstack.core.wire import find

_SIZE = const(16)
_AGE_MS = const(600000)
# DEVIATION RFC 1191 section 3: not down to 68. No path is that narrow, but whoever may make us
# believe so makes us send twenty packets for one (RFC 5927 7.1).
_FLOOR = const(256)

NAMES = ("learnt", "aged", "evicted")
_LEARNT = const(0)
_AGED = const(1)
_EVICTED = const(2)


class Paths:
    def __init__(self, ip):
        self.ip = ip
        self.st = ip.st
        self.stat = ip.st.counters("paths%d" % ip.alen, NAMES)
        self.count = 0
        self._addrs = None  # tables, made when there is something to put in
        self._mtus = None  # 0: free
        self._since = None
        self._timer = self.st.timers.new(self._tick)
        ip.paths = self

    def get(self, dst, mtu):
        """The longest packet that gets to `dst`, on a link that takes `mtu` bytes."""
        if self.count == 0:
            return mtu
        i = find(self._addrs, _SIZE, self.ip.alen, dst, 0)
        if i < 0 or self._mtus[i] == 0 or self._mtus[i] > mtu:
            return mtu
        return self._mtus[i]

    def learn(self, buf, off, mtu):
        """The path to the address at buf[off] takes `mtu` bytes, no more."""
        if self._addrs is None:
            self._since = array("I", bytes(4 * _SIZE))
            self._mtus = array("H", bytes(2 * _SIZE))
            self._addrs = bytearray(self.ip.alen * _SIZE)
        if mtu < _FLOOR:
            mtu = _FLOOR
        i = find(self._addrs, _SIZE, self.ip.alen, buf, off)
        if i >= 0 and 0 < self._mtus[i] <= mtu:
            return
        if i < 0:
            i = self._claim()
            copy(self._addrs, self.ip.alen * i, buf, off, self.ip.alen)
        if self._mtus[i] == 0:
            self.count += 1
        self._mtus[i] = mtu
        self._since[i] = self.st.now
        self.stat[_LEARNT] += 1
        if not self._timer.active:
            self._timer.start(self.st.now, _AGE_MS)
        self._changed(i, mtu)

    def renew(self, dst, mtu, link):
        """Somebody has found out that the path to `dst` takes `mtu` bytes, on a link that takes
        `link` (RFC 8899): also if that is more than was known."""
        i = find(self._addrs, _SIZE, self.ip.alen, dst, 0) if self.count else -1
        if i >= 0 and self._mtus[i]:
            self._forget(i)
        if mtu < link:
            self.learn(dst, 0, mtu)

    def _claim(self):
        """A free row, else the oldest."""
        best = 0
        for i in range(_SIZE):
            if self._mtus[i] == 0:
                return i
            if elapsed(self._since[best], self._since[i]) > 0:
                best = i
        self.stat[_EVICTED] += 1
        self._forget(best)
        return best

    def _forget(self, i):
        self._mtus[i] = 0
        self.count -= 1
        self._changed(i, 0xFFFF)

    def _changed(self, i, mtu):
        """Tell those who have packets under way to an address."""
        self.st.rerouted()
        at = self.ip.alen * i
        for handler in self.ip.protocols.values():
            if hasattr(handler, "path_changed"):
                handler.path_changed(self.ip, self._addrs, at, mtu)

    def _tick(self):
        wait = -1
        for i in range(_SIZE):
            if self._mtus[i] == 0:
                continue
            left = _AGE_MS - elapsed(self.st.now, self._since[i])
            if left <= 0:
                self.stat[_AGED] += 1
                self._forget(i)
            elif wait < 0 or left < wait:
                wait = left
        if wait >= 0:
            self._timer.start(self.st.now, wait)

    def flush(self):
        """Forget all: the network is another one."""
        for i in range(_SIZE if self.count else 0):
            if self._mtus[i]:
                self._forget(i)
        self._timer.stop()


def attach(ip):
    return ip.paths or Paths(ip)
