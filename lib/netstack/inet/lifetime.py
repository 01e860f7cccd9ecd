# Lifetimes in seconds, which reach further than the six days that milliseconds can tell apart
# (core/clock.py): of IPv6 addresses, prefixes, routers.
#
# A moment is a number of seconds since the stack began; FOREVER never comes. Who has something
# that ends names it in due(): `expire` is called then, and names what ends next.

from micropython import const
from netstack.core.clock import elapsed, later

FOREVER = const(0x3FFFFFFF)
_SLICE = const(86400)  # a timer runs for so long at most


class Lifetimes:
    def __init__(self, st, expire):
        self.st = st
        self._expire = expire
        self._seconds = 1
        self._at = st.now
        self._end = 0  # the moment that comes next
        self._timer = st.timers.new(self._tick)

    def now(self):
        ms = elapsed(self.st.now, self._at)
        if ms < 0:  # nothing has run for a week, so nobody had a lifetime
            self._at = self.st.now
        elif ms >= 1000:
            self._seconds += ms // 1000
            self._at = later(self._at, ms // 1000 * 1000)
        return self._seconds

    def after(self, seconds):
        """The moment `seconds` from now; what is beyond all numbers is FOREVER."""
        moment = self.now() + seconds
        return moment if moment < FOREVER else FOREVER

    def left(self, moment):
        """Seconds until then, at least 0."""
        if moment == FOREVER:
            return FOREVER
        left = moment - self.now()
        return left if left > 0 else 0

    def due(self, moment):
        """Have expire() called at this moment, or earlier."""
        if moment == FOREVER or self._timer.active and self._end <= moment:
            return
        self._end = moment
        self._arm()

    def ms(self, moment):
        """Milliseconds until then, about a day's at most: what a timer can run."""
        left = self.left(moment)
        ms = 1000 * (left if left < _SLICE else _SLICE)
        ms -= elapsed(self.st.now, self._at)  # seconds have begun at _at
        return ms if ms > 0 else 0

    def _arm(self):
        self._timer.start(self.st.now, self.ms(self._end))

    def _tick(self):
        if self.now() < self._end:
            self._arm()
        else:
            self._expire()
