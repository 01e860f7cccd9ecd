# Time inside the stack: milliseconds modulo 2^30, small ints on every port; and timers.
#
# `now` enters at Stack.poll(now) and is kept as Stack.now for the duration of the call: nothing
# below reads a clock. Intervals up to 2^29 ms (six days) can be told apart.

from micropython import const

_AGAIN_MS = const(100)  # after a MemoryError
_ARMED = const(48)
_DUE = const(49)


@micropython.viper
def elapsed(now: int, then: int) -> int:
    """Milliseconds from `then` to `now`, negative when `then` lies ahead."""
    d = (now - then) & 0x3FFFFFFF
    if d >= 0x20000000:
        d -= 0x20000000
        d -= 0x20000000
    return d


@micropython.viper
def later(now: int, ms: int) -> int:
    """The moment `ms` milliseconds (0 .. 2^29-1) after `now`."""
    return (now + ms) & 0x3FFFFFFF


@micropython.viper
def tick(words: ptr32, now: int):
    """words[0] = now; words[1], a clock of 32 bits, moves on with it."""
    words[1] = words[1] + ((now - words[0]) & 0x3FFFFFFF)
    words[0] = now


class Timer:
    """One timer: calls `callback()` once when it is due. Made by Timers.new()."""

    @micropython.native
    def __init__(self, timers, callback):
        self.timers = timers
        self.callback = callback
        self.due = 0
        self.active = False
        self.at = len(timers.list)  # its place there

    @micropython.native
    def start(self, now, ms):
        """Due `ms` milliseconds after `now`; a running timer is set anew."""
        self.due = later(now, ms)
        self.active = True
        w = self.timers.w
        if not w[_ARMED] or elapsed(w[_DUE], self.due) > 0:
            w[_DUE] = self.due
            w[_ARMED] = 1

    def stop(self):
        self.active = False


class Timers:
    """All timers of a stack. A scan happens only when the earliest may be due: a timer that was
    stopped or put off costs at most one scan for nothing.

    Two words of Stack.w: 48 ARMED, 49 DUE: when the earliest may be due."""

    def __init__(self, w):
        self.w = w
        self.list = []

    @micropython.native
    def new(self, callback):
        timer = Timer(self, callback)
        self.list.append(timer)
        return timer

    @micropython.native
    def discard(self, timer):
        timer.active = False
        last = self.list.pop()
        if last is not timer:  # and takes its place
            self.list[timer.at] = last
            last.at = timer.at

    def run(self, now):
        """Call what is due; returns milliseconds until the next timer, -1 when none runs."""
        w = self.w
        if not w[_ARMED]:
            return -1
        wait = elapsed(w[_DUE], now)
        if wait > 0:
            return wait
        w[_DUE] = now  # still so if a callback raises: what is left is looked at again
        i = len(self.list)
        while i:
            i -= 1
            if i >= len(self.list):  # a callback discarded timers
                continue
            timer = self.list[i]
            if timer.active and elapsed(now, timer.due) >= 0:
                timer.active = False
                try:
                    timer.callback()
                except MemoryError:
                    timer.start(now, _AGAIN_MS)
                    raise
        return self._earliest(now)

    def _earliest(self, now):
        best = -1
        for timer in self.list:
            if timer.active:
                wait = elapsed(timer.due, now)
                if wait < 0:
                    wait = 0
                if best < 0 or wait < best:
                    best = wait
        self.w[_ARMED] = best >= 0
        if best >= 0:
            self.w[_DUE] = later(now, best)
        return best
