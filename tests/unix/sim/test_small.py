# Two whole stacks in virtual time where something is small or slow: rings, segments, readers; and
# several connections at once.

import bench
import simbench

SIZE = 64 * 1024 if bench.UNIX else 8 * 1024


def _each(count, limit, size=SIZE, **kw):
    """A transfer for each seed; each in less than `limit` ms of virtual time."""
    worst = 0
    for seed in simbench.seeds(count):
        bench.forget()
        s = simbench.Transfer(seed, size, **kw)
        try:
            s.run(limit)
        except AssertionError:
            print("seed", seed)
            raise
        bench.tidy()
        bench.clean()
        worst = max(worst, s.ms)
    print("at most %d ms" % worst)


def test_receive_ring_of_two_segments():
    """RFC 9293 3.8.6.2: a window of two segments: no stall, no silly windows."""
    _each(5, 1000, rcvbuf=2920, sndbuf=8192)


def test_receive_ring_below_a_segment():
    """RFC 9293 3.8.6.2: a window that never takes a full segment."""
    _each(5, 5000, rcvbuf=1000, sndbuf=4096)


def test_send_ring_of_two_segments():
    """RFC 9293 3.7.4, 3.8.6.3: little to send at a time: Nagle does not wait for delayed ACKs."""
    _each(5, 5000, rcvbuf=8192, sndbuf=2920)


def test_send_ring_below_a_segment():
    """RFC 9293 3.7.4, 3.8.6.3: the program fills a small ring again and again."""
    _each(5, 10000, rcvbuf=8192, sndbuf=700)


def test_both_rings_tiny_and_loss():
    """RFC 9293 3.8.6, RFC 6298: tiny rings on a bad wire."""
    _each(5, 400000, size=SIZE // 4, rcvbuf=800, sndbuf=700, loss=5, noise=2)


def test_tiny_segments():
    """RFC 9293 3.7.1: an MTU of 128 bytes."""
    _each(3, 15000, mtu=128)
    _each(3, 60000, mtu=128, loss=2, noise=2, size=SIZE // 2)


def test_slow_readers():
    """RFC 9293 3.8.6.1: readers that take 2 kB every 100 ms: the window closes all the time."""
    rounds = SIZE // 2048
    _each(3, 100 * rounds + 3000, slow=100, chunk=2048)
    _each(3, 100 * rounds + 30000, slow=100, chunk=2048, loss=3, noise=2)


def test_very_slow_readers():
    """RFC 9293 3.8.6.1: readers that sleep for 5 s: probes and answers get lost."""
    size = 8 * 8192 if bench.UNIX else 8192
    _each(2, 300000, size=size, slow=5000, chunk=8192, rcvbuf=8192)
    _each(3, 900000, size=size, slow=5000, chunk=8192, rcvbuf=8192, loss=10, noise=3)


def test_reader_of_small_pieces():
    """RFC 9293 3.8.6.2.2: a reader of 50 bytes at a time does not make silly windows."""
    size = 16 * 1024 if bench.UNIX else 2048
    for seed in simbench.seeds(2):
        bench.forget()
        s = simbench.Transfer(seed, size, slow=5, chunk=50, rcvbuf=2048).run(5 * size)
        segments = s.a.stat("tcp")["out"] + s.b.stat("tcp")["out"]
        assert segments < size // 40, segments


def test_several_connections():
    """RFC 9293 3.3.1: twelve connections at once on one wire, each with its own numbers."""
    _each(2, 60000, size=SIZE // 4, conns=12 if bench.UNIX else 4, loss=2, noise=2)


def test_small_budget():
    """DESIGN 7: ten frames and 64 kB in all: frames run out, nothing is lost for good."""
    _each(3, 60000, budget=64 * 1024, conns=2)
    _each(3, 200000, budget=64 * 1024, conns=2, loss=2, noise=2)


def test_long_path():
    """RFC 6298: 300 ms each way."""
    _each(2, 60000, delay=300)
    _each(2, 300000, delay=300, loss=3, noise=1, size=SIZE // 2)


bench.run_tests(globals())
