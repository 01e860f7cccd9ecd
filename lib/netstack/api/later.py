# A timer of the stack whose function is called by the scheduler when nobody is inside any more, so
# that it may use sockets: for what has to happen whatever the program waits for. See ssl.py.

from netstack.api import host
from time import ticks_ms


class Later:
    def __init__(self, st, f):
        self.st = st
        self._f = f
        self._timer = host.call(st, st.timers.new, self._due)

    def start(self, ms):
        """Call it in `ms` milliseconds; what was set before does not count any more."""
        host.call(self.st, self._timer.start, ticks_ms() & 0x3FFFFFFF, ms)

    def end(self):
        """Do not, and give the timer back."""
        timer, self._timer = self._timer, None
        host.call(self.st, self.st.timers.discard, timer)

    def _due(self):
        host.owe(self)

    def call_back(self):
        """Called by the scheduler."""
        if self._timer and not self._timer.active:
            self._f()
