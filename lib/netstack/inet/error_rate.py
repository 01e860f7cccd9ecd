# How many ICMP errors may be sent (RFC 1812 4.3.2.8, RFC 4443 2.4 (f)): a token bucket.

from micropython import const
from netstack.core.clock import elapsed

_RATE = const(100)  # a second, in bursts of
_BURST = const(20)


class ErrorRate:
    def __init__(self, st):
        self.st = st
        self.tokens = _BURST
        self._filled = st.now

    def allow(self):
        """May one more be sent?"""
        now = self.st.now
        new = elapsed(now, self._filled) * _RATE // 1000
        if new:
            self._filled = now
            # below 0: so long ago that the clock has wrapped around
            self.tokens = min(self.tokens + new, _BURST) if new > 0 else _BURST
        if self.tokens == 0:
            return False
        self.tokens -= 1
        return True
