# core/clock.py: timers in virtual time, across the wrap of the clock.

import bench
from array import array
from netstack.core.clock import Timers, elapsed, later

WRAP = 0x3FFFFFFF


class Bell:
    def __init__(self, timers, log, name, again=0):
        self.log = log
        self.name = name
        self.again = again
        self.now = 0
        self.timer = timers.new(self.ring)

    def ring(self):
        self.log.append(self.name)
        if self.again:
            self.timer.start(self.now, self.again)


def test_rings_once_when_due():
    for start in (0, 12345, WRAP - 50, WRAP):
        timers = Timers(array("I", bytes(200)))
        log = []
        bell = Bell(timers, log, "a")
        assert timers.run(start) == -1
        bell.timer.start(start, 100)
        assert timers.run(start) == 100
        assert timers.run(later(start, 99)) == 1 and not log
        assert timers.run(later(start, 100)) == -1 and log == ["a"]
        assert not bell.timer.active
        assert timers.run(later(start, 200)) == -1 and log == ["a"]


def test_late_poll_rings_all():
    timers = Timers(array("I", bytes(200)))
    log = []
    for i in range(5):
        Bell(timers, log, i).timer.start(0, 10 * (i + 1))
    assert timers.run(30) == 10
    assert sorted(log) == [0, 1, 2]
    assert timers.run(1000) == -1
    assert sorted(log) == [0, 1, 2, 3, 4]


def test_start_again_moves():
    timers = Timers(array("I", bytes(200)))
    log = []
    bell = Bell(timers, log, "a")
    bell.timer.start(0, 10)
    bell.timer.start(0, 50)
    timers.run(10)
    assert not log and timers.run(11) == 39
    bell.timer.start(11, 5)
    assert timers.run(11) == 5
    timers.run(16)
    assert log == ["a"]


def test_stop():
    timers = Timers(array("I", bytes(200)))
    log = []
    a = Bell(timers, log, "a")
    b = Bell(timers, log, "b")
    a.timer.start(0, 10)
    b.timer.start(0, 20)
    a.timer.stop()
    timers.run(10)
    assert timers.run(11) == 9
    timers.run(20)
    assert log == ["b"]


def test_restarts_itself():
    timers = Timers(array("I", bytes(200)))
    log = []
    bell = Bell(timers, log, "a", 10)
    bell.timer.start(0, 10)
    for now in range(1, 101):
        bell.now = now
        wait = timers.run(now)
        assert 0 < wait <= 10
    assert len(log) == 10


def test_zero_rings_at_once_not_for_ever():
    timers = Timers(array("I", bytes(200)))
    log = []
    bell = Bell(timers, log, "a", 0)
    bell.timer.start(5, 0)
    timers.run(5)
    assert log == ["a"]


def test_discard_inside_a_callback():
    timers = Timers(array("I", bytes(200)))
    log = []
    bells = [Bell(timers, log, i) for i in range(6)]

    def massacre():
        log.append("m")
        for bell in bells[:5]:
            timers.discard(bell.timer)

    killer = timers.new(massacre)
    for bell in bells:
        bell.timer.start(0, 20)
    killer.start(0, 10)
    timers.run(10)
    assert log == ["m"] and len(timers.list) == 2
    timers.run(20)
    assert log == ["m", 5]


def test_against_a_model():
    # Random starts, stops and polls; the model is a dict of due times that never wrap.
    rnd = bench.Random(21)
    timers = Timers(array("I", bytes(200)))
    log = []
    bells = [Bell(timers, log, i) for i in range(8)]
    due = {}
    t = 0
    base = WRAP - 2000
    for _ in range(bench.scale(3000)):
        bell = rnd.choice(bells)
        what = rnd.below(4)
        if what == 0:
            ms = rnd.below(300)
            bell.timer.start((base + t) & WRAP, ms)
            due[bell.name] = t + ms
        elif what == 1:
            bell.timer.stop()
            due.pop(bell.name, None)
        else:
            t += rnd.below(60)
            wait = timers.run((base + t) & WRAP)
            late = sorted(name for name in due if due[name] <= t)
            assert sorted(log) == late, (t, log, late)
            log.clear()
            for name in late:
                del due[name]
            nearest = min(due.values()) - t if due else -1
            # After a stop the stack may look once for nothing, but never too late.
            assert wait == nearest or 0 <= wait < nearest or nearest < 0 <= wait, (wait, nearest)


def test_elapsed_is_signed():
    assert elapsed(5, WRAP - 4) == 10
    assert elapsed(WRAP - 4, 5) == -10
    assert elapsed(7, 7) == 0


bench.run_tests(globals())
