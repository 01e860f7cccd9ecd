# Ranges of a sequence space, as offsets from where its window begins: text that has come ahead of
# RCV.NXT (reassembly.py), text that the peer has beyond SND.UNA (scoreboard.py).


class Ranges:
    """At most `limit` ranges [start, end), sorted and apart."""

    def __init__(self, limit):
        self.n = 0
        self.start = [0] * limit
        self.end = [0] * limit
        self.age = [0] * limit  # higher: changed later
        self._tick = 0

    def add(self, start, end):
        """Remember a range, joined with those it touches. False when there is no place for it."""
        i = 0
        while i < self.n and self.end[i] < start:
            i += 1
        self._tick = self._tick + 1 & 0xFFFFFF
        if i < self.n and self.start[i] <= end:  # it touches range i, perhaps more behind it
            if start < self.start[i]:
                self.start[i] = start
            while i + 1 < self.n and self.start[i + 1] <= end:
                if self.end[i + 1] > end:
                    end = self.end[i + 1]
                self._remove(i + 1)
            if end > self.end[i]:
                self.end[i] = end
            self.age[i] = self._tick
            return True
        if self.n == len(self.start):
            return False
        k = self.n
        while k > i:
            self.start[k] = self.start[k - 1]
            self.end[k] = self.end[k - 1]
            self.age[k] = self.age[k - 1]
            k -= 1
        self.start[i] = start
        self.end[i] = end
        self.age[i] = self._tick
        self.n += 1
        return True

    def _remove(self, i):
        self.n -= 1
        while i < self.n:
            self.start[i] = self.start[i + 1]
            self.end[i] = self.end[i + 1]
            self.age[i] = self.age[i + 1]
            i += 1

    def _shift(self, n):
        i = 0
        while i < self.n:
            self.start[i] -= n
            self.end[i] -= n
            i += 1

    def advance(self, n):
        """The window moves on by `n`. Returns how much further it can move because ranges now
        join on; those are gone."""
        total = n
        while self.n and self.start[0] <= total:
            if self.end[0] > total:
                total = self.end[0]
            self._remove(0)
        self._shift(total)
        return total - n

    def forget(self, n):
        """The window moves on by `n`, and no further. False when it now begins inside a range."""
        while self.n and self.end[0] <= n:
            self._remove(0)
        self._shift(n)
        return not (self.n and self.start[0] <= 0)

    def covers(self, start, end):
        """Is all of [start, end) there?"""
        i = 0
        while i < self.n:
            if self.start[i] <= start and end <= self.end[i]:
                return True
            i += 1
        return False

    def newest(self, age):
        """The range that has changed last, of those below `age`."""
        best = -1
        i = 0
        while i < self.n:
            if self.age[i] < age and (best < 0 or self.age[i] > self.age[best]):
                best = i
            i += 1
        return best
