# core/stack.py and core/interface.py: re-entry, enter and leave, budget, bounded work per poll.

import bench
from netstack.core.interface import LINK_DOWN, LINK_UP
from netstack.core.stack import Stack

LOCK = 44  # words of Stack.w
JOBS = 46


class Job:
    def __init__(self, log, name, then=None):
        self.deferred = False
        self.log = log
        self.name = name
        self.then = then

    def run(self):
        self.log.append(self.name)
        if self.then:
            self.then()


def test_nothing_to_do():
    st = Stack(seed=1, clock=bench.Clock())
    assert st.poll(0) == -1


def test_due_at_next_timer():
    st = Stack(seed=1, clock=bench.Clock(0))
    log = []
    timer = st.timers.new(lambda: log.append(st.now))
    timer.start(0, 70)
    assert st.poll(0) == 70
    assert st.poll(30) == 40
    assert st.poll(70) == -1 and log == [70]


def test_poll_inside_a_call_is_put_off():
    p = bench.peer()
    p.greet()
    with bench.inside(p.st):
        p.queue(p.ping_frame())
        assert p.st.poll(p.clock()) == 0
        p.expect_nothing()
    p.expect("icmp", type=0)  # leave() has made up for it


def test_poll_from_inside_poll():
    p = bench.peer()
    results = []
    endpoint = p.host.udp.open()
    endpoint.bind(None, None, 7)
    endpoint.notify = lambda e: results.append(p.st.poll(p.clock()))
    p.udp(1000, 7, b"x")
    assert results == [0] and p.st.w[LOCK] == 0


def test_nested_enter():
    st = Stack(seed=1, clock=bench.Clock())
    log = []
    st.enter()
    st.enter()
    st.defer(Job(log, "a"))
    st.leave()
    assert log == [] and st.w[LOCK] == 1
    st.leave()
    assert log == ["a"] and st.w[LOCK] == 0


def test_enter_reads_the_clock_once():
    clock = bench.Clock(100)
    st = Stack(seed=1, clock=clock)
    clock.ms = 5
    st.enter()
    assert st.now == 105
    clock.ms = 9
    st.enter()
    assert st.now == 105, "time must stand still inside a call"
    st.leave()
    st.leave()


def test_time_is_masked():
    st = Stack(seed=1, clock=bench.Clock())
    for now in (0x3FFFFFFF, 0x40000000, 0x7FFFFFFF):
        st.poll(now)
        assert st.now == now & 0x3FFFFFFF


def test_defer_runs_once_per_batch():
    st = Stack(seed=1, clock=bench.Clock())
    log = []
    jobs = [Job(log, i) for i in range(20)]  # more than there are slots at first
    st.enter()
    for job in jobs + jobs:
        st.defer(job)
    st.leave()
    assert log == list(range(20))
    st.enter()
    st.defer(jobs[3])
    st.leave()
    assert log == list(range(20)) + [3]


def test_no_memory_to_defer():
    # Where there is no place for one job more, it can be put off later; nothing is half done.
    import micropython

    st = Stack(seed=1, clock=bench.Clock())
    log = []
    jobs = [Job(log, i) for i in range(100)]
    st.enter()
    micropython.heap_lock()
    try:
        for job in jobs:
            st.defer(job)
        failed = False
    except MemoryError:
        failed = True
    micropython.heap_unlock()
    assert failed
    for job in jobs:
        st.defer(job)
    st.leave()
    assert log == list(range(100)), log
    st.expect(200)
    st.enter()
    micropython.heap_lock()
    for job in jobs:
        st.defer(job)
    micropython.heap_unlock()
    st.leave()


def test_job_defers_another():
    st = Stack(seed=1, clock=bench.Clock())
    log = []
    second = Job(log, "second")
    first = Job(log, "first", lambda: st.defer(second))
    st.enter()
    st.defer(first)
    st.leave()
    assert log == ["first", "second"] and st.w[JOBS] == 0


def test_jobs_may_start_timers():
    # What a job starts counts for the moment poll() asks to be called again.
    st = Stack(seed=1, clock=bench.Clock(0))
    timer = st.timers.new(lambda: None)
    job = Job([], "a", lambda: timer.start(st.now, 30))
    other = st.timers.new(lambda: st.defer(job))
    other.start(0, 10)
    assert st.poll(10) == 30


def test_a_raising_job_does_not_wedge():
    # Only MemoryError is expected; still, a lock left behind would hide the error's cause.
    st = Stack(seed=1, clock=bench.Clock(0))
    timer = st.timers.new(lambda: 1 // 0)
    timer.start(0, 1)
    try:
        st.poll(1)
    except ZeroDivisionError:
        pass
    assert st.w[LOCK] == 0
    assert st.poll(2) == -1


def test_memory_error_is_counted():
    def starve():
        raise MemoryError

    st = Stack(seed=1, clock=bench.Clock(0))
    st.timers.new(starve).start(0, 1)
    assert st.poll(1) == 0
    assert st.nomem == 1 and st.w[LOCK] == 0 and st.stats()["pool"]["nomem"] == 1
    assert 0 < st.poll(2) <= 100, "it is not tried again"
    st.poll(102)
    assert st.nomem == 2


def test_memory_error_in_a_frame_handler():
    # A frame that meets a MemoryError, and those drained behind it, must come back to the pool.
    p = bench.peer()

    def starve(e):
        raise MemoryError

    endpoint = p.host.udp.open()
    endpoint.bind(None, None, 7)
    endpoint.notify = starve
    for _ in range(3):
        p.queue(p.udp_frame(1000, 7, b"x"))
    p.poll()
    assert p.st.nomem >= 1
    assert p.st.pool.left == p.st.pool.count, "%d of %d" % (p.st.pool.left, p.st.pool.count)
    p.ping()
    p.expect("icmp", type=0)
    p.st.nomem = 0


def test_memory_error_in_a_timer():
    # The other timers still run.
    def starve():
        raise MemoryError

    st = Stack(seed=1, clock=bench.Clock(0))
    log = []
    for ms in (5, 5, 9):
        st.timers.new(lambda: log.append(st.now)).start(0, ms)
        st.timers.new(starve).start(0, 5)
    for now in range(5, 20):
        st.poll(now)
    assert len(log) == 3 and st.nomem == 3, (log, st.nomem)


def test_exception_of_a_program():
    # A callback's own mistake, or Ctrl-C, passes through poll(); the frames behind it are kept.
    p = bench.peer()
    seen = []

    def stumble(endpoint):
        seen.append(endpoint.waiting)
        raise KeyError("a program's own")

    e = p.host.udp.open()
    e.bind(None, None, 7)
    e.notify = stumble
    for _ in range(3):
        p.queue(p.udp_frame(1000, 7, b"x"))
    for i in range(3):
        try:
            p.st.poll(p.clock())
        except KeyError:
            pass
        assert len(seen) == i + 1 and p.st.w[LOCK] == 0
    p.poll()
    assert seen == [1, 2, 3] and p.st.pool.left == p.st.pool.count


def test_exception_on_loopback():
    h = bench.host()

    def stumble(endpoint):
        raise KeyError("a program's own")

    e = h.udp.open()
    e.bind(None, None, 7)
    f = h.udp.open()
    f.connect(h.ip4, bench.ip("127.0.0.1"), 7)
    h.st.enter()
    for _ in range(3):
        f.send(b"x", 0, 1)
    e.notify = stumble
    for work in (h.st.leave, h.poll, h.poll, h.poll):
        try:
            work()
        except KeyError:
            pass
    assert e.waiting == 3 and h.st.pool.left == h.st.pool.count and h.st.w[LOCK] == 0


def test_exception_in_a_job():
    # Neither from poll() nor from leave(): no lock is left, the jobs behind it run in the end.
    def stumble():
        raise KeyError("a program's own")

    for from_outside in (False, True):
        st = Stack(seed=1, clock=bench.Clock(0))
        log = []
        jobs = [Job(log, 0), Job(log, 1, stumble), Job(log, 2)]

        def start():
            for job in jobs:
                st.defer(job)

        if from_outside:
            st.enter()
            start()
            work = st.leave
        else:
            st.timers.new(start).start(0, 0)
            work = lambda: st.poll(0)  # noqa: E731
        try:
            work()
        except KeyError:
            pass
        else:
            raise AssertionError("the exception was swallowed")
        assert st.w[LOCK] == 0 and log == [0, 1]
        st.poll(1)
        assert log == [0, 1, 2] and st.w[JOBS] == 0


def test_memory_error_in_a_job():
    # The jobs behind the one that failed are not forgotten.
    def starve():
        raise MemoryError

    st = Stack(seed=1, clock=bench.Clock(0))
    log = []
    bad = Job(log, "bad", starve)
    good = Job(log, "good")

    def start():
        st.defer(bad)
        st.defer(good)

    st.timers.new(start).start(0, 1)
    st.poll(1)
    st.poll(2)
    st.poll(3)
    assert "good" in log, log
    assert st.nomem == 1 and st.w[JOBS] == 0 and not bad.deferred and not good.deferred


def test_work_per_poll_is_bounded():
    p = bench.peer()
    p.greet()
    for _ in range(200):
        p.queue(p.ping_frame())
    assert p.st.poll(p.clock()) == 0
    left = len(p.nic.rx)
    assert 200 - p.st.burst <= left < 200, left
    p.poll()
    assert len(p.take()) == 200


def test_nic_that_tells_of_its_last_frame():
    """It is not asked again in the same poll(), whichever way the last frame goes."""
    p = bench.peer()
    p.greet()
    p.nic.tells = True
    e = p.host.udp.open()
    e.bind(None, None, 7)
    a = p.udp_frame(9, 7, b"x")
    b = p.udp_frame(9, 8)  # nobody's port
    for frames in ((a,), (b,), (a, a), (b, a), (a, b), (b, b, b)):
        for frame in frames:
            p.queue(frame)
        p.nic.asked = 0
        p.poll()
        assert p.nic.asked == len(frames) and not p.nic.rx
        while e.waiting:
            e.recv(bytearray(1), 0, 1)
    assert p.st.stats()["udp"]["in"] == 11
    e.close()
    bench.clean()


def test_budget():
    try:
        Stack(budget=1000)
    except ValueError as error:
        assert "16384" in str(error)
    else:
        raise AssertionError("a stack of 1000 bytes")
    st = Stack(budget=16384, seed=1, clock=bench.Clock())
    spent = st.spent
    assert spent <= st.budget, "%d spent of %d" % (spent, st.budget)
    assert not st.charge(st.budget) and st.spent == spent
    assert st.charge(st.budget - spent) and not st.charge(1)
    st.credit(st.budget - spent)
    assert st.spent == spent


def test_budget_sizes_the_pool():
    small = Stack(budget=16384, seed=1, clock=bench.Clock())
    large = Stack(budget=256 * 1024, seed=1, clock=bench.Clock())
    assert small.pool.count >= 8 and large.pool.count > small.pool.count


def test_budget_charges_what_the_pool_holds():
    st = Stack(budget=65536, seed=1, clock=bench.Clock())
    held = st.pool.count * st.pool.size
    assert st.spent == held, "%d spent, the pool holds %d" % (st.spent, held)


def test_stats():
    h = bench.host()
    stats = h.st.stats()
    for group in ("ipv4", "icmp4", "udp", "eth0", "eth0.arp", "eth0.ethernet", "pool"):
        assert group in stats, group
    assert stats["pool"]["free"] == stats["pool"]["frames"] == h.st.pool.count


def test_interface_name_is_unique():
    h = bench.host()
    try:
        h.st.add(h.nic, lambda nif: None, "eth0")
    except ValueError as error:
        assert "eth0" in str(error)
    else:
        raise AssertionError("two interfaces eth0")


def test_frames_are_as_long_as_any_nic_s():
    # A NIC with a larger MTU would write, and have written, beyond the end of a frame.
    st = Stack(seed=1, clock=bench.Clock(), mtu=576)
    try:
        st.add(bench.NIC(b"\2\0\0\0\0\1", 577), lambda nif: None, "eth0")
    except ValueError as error:
        assert "eth0" in str(error) and "577" in str(error) and "576" in str(error)
    else:
        raise AssertionError("frames of 577 bytes")
    assert not st.nifs
    st.add(bench.NIC(b"\2\0\0\0\0\1", 576), lambda nif: None, "eth0")


def test_link_changes_are_told():
    h = bench.host()
    log = []
    h.st.watchers.append(lambda nif, event: log.append((nif.name, event)))
    h.nic.up = 0
    h.clock.ms += 600
    h.poll()
    assert log == [("eth0", LINK_DOWN)] and h.nif.link == 0
    h.nic.up = 1
    h.clock.ms += 600
    h.poll()
    assert log[1:] == [("eth0", LINK_UP)]
    h.nif.set_up(False)
    h.nif.set_up(True)
    assert log[2:] == [("eth0", LINK_DOWN), ("eth0", LINK_UP)]


def test_two_stacks_share_nothing():
    a = bench.host("10.0.0.1")
    b = bench.host("10.0.0.2")
    e = a.udp.open()
    e.bind(None, None, 7)
    f = b.udp.open()
    f.bind(None, None, 7)
    assert a.stat("udp") == b.stat("udp") and e.st is not f.st
    assert list(a.udp.table) == [e] and list(b.udp.table) == [f]


bench.run_tests(globals())
