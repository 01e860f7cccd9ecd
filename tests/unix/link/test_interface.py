# core/interface.py: a NIC that is busy, fails, loses its link; the transmit queue between.

import bench

QUEUE = 16


def _peer(**kw):
    p = bench.peer(**kw)
    p.greet()
    return p


def _ping(p, seq=1):
    with bench.inside(p.st):
        return p.host.icmp4.echo(p.addr, 1, seq, 0)


def test_busy_nic_keeps_the_order():
    p = _peer()
    p.nic.busy = 2
    for seq in range(1, 6):
        assert _ping(p, seq) == 0
    assert p.nif.queued == 5 and not p.sent
    assert p.st.poll(p.clock()) == 1, "a NIC does not tell when it is ready: ask again soon"
    assert p.nif.queued == 5 and not p.sent
    p.poll()
    assert [packet.seq for packet in p.take()] == [1, 2, 3, 4, 5]
    assert p.nif.queued == 0 and p.host.stat("eth0")["out_busy"] == 2


def test_busy_in_the_middle_of_the_queue():
    p = _peer()
    p.nic.busy = 1
    for seq in range(1, 6):
        _ping(p, seq)

    def tx(frame):
        p._from_stack(frame)
        if len(p.sent) == 2:
            p.nic.busy = 1

    p.nic.tx = tx
    p.st.poll(p.clock())
    assert p.nif.queued == 3 and len(p.sent) == 2
    p.st.poll(p.clock())
    assert [packet.seq for packet in p.take()] == [1, 2, 3, 4, 5]


def test_queue_is_bounded():
    p = _peer()
    p.nic.busy = 1 << 20
    for seq in range(30):
        _ping(p, seq)
    stat = p.host.stat("eth0")
    assert p.nif.queued == QUEUE and not p.nif.room()
    assert stat["out_full"] == 30 - QUEUE
    assert p.st.pool.left == p.st.pool.count - QUEUE
    p.nic.busy = 0
    p.poll()
    assert [packet.seq for packet in p.take()] == list(range(QUEUE))
    assert p.nif.room() and p.st.pool.left == p.st.pool.count


def test_queue_goes_round():
    p = _peer()
    seq = 0
    expected = []
    for n in (3, 7, 16, 1, 11, 5, 16):
        p.nic.busy = 1 << 20
        for _ in range(n):
            seq += 1
            _ping(p, seq)
            expected.append(seq)
        p.nic.busy = 0
        p.poll()
    assert [packet.seq for packet in p.take()] == expected


def test_failing_nic():
    p = _peer()
    p.nic.fail = 3
    for seq in range(5):
        _ping(p, seq)
    assert [packet.seq for packet in p.take()] == [3, 4]
    assert p.host.stat("eth0")["out_error"] == 3
    assert p.st.pool.left == p.st.pool.count


def test_fails_after_busy():
    p = _peer()
    p.nic.busy = 1
    for seq in range(3):
        _ping(p, seq)
    p.nic.fail = 1
    p.poll()
    assert [packet.seq for packet in p.take()] == [1, 2]
    assert p.st.pool.left == p.st.pool.count


def test_down_gives_the_queue_back():
    p = _peer()
    p.nic.busy = 1 << 20
    for seq in range(10):
        _ping(p, seq)
    p.nif.set_up(False)
    assert p.nif.queued == 0 and p.st.pool.left == p.st.pool.count
    p.nic.busy = 0
    p.nif.set_up(True)
    p.poll()
    p.expect_nothing()


def test_down_neither_sends_nor_receives():
    p = _peer()
    p.nif.set_up(False)
    assert _ping(p) < 0
    p.queue(p.ping_frame())
    assert p.st.poll(p.clock()) != 0
    p.expect_nothing()
    assert len(p.nic.rx) == 1 and p.host.stat("eth0")["in"] == 1  # the greeting alone
    p.nif.set_up(True)
    p.poll()
    p.expect("icmp", type=0)


def test_down_lets_no_arp_out():
    # A neighbour was being asked for when the interface went down.
    p = bench.peer(auto_arp=False)
    p.take()
    _ping(p)
    p.expect("arp", op=1)
    p.nif.set_up(False)
    p.advance(10000)
    p.expect_nothing()
    assert p.st.pool.left == p.st.pool.count


def test_link_is_noticed_within_half_a_second():
    p = _peer()
    assert p.nif.link == 1
    p.nic.up = 0
    p.advance(500)
    assert p.nif.link == 0
    p.nic.up = 1
    p.advance(500)
    assert p.nif.link == 1


def test_counts_bytes():
    p = _peer()
    before = p.host.stat("eth0")
    p.ping(data=bytes(100))
    p.expect("icmp")
    after = p.host.stat("eth0")
    assert after["in"] - before["in"] == after["out"] - before["out"] == 1
    assert after["in_bytes"] - before["in_bytes"] == 142
    assert after["out_bytes"] - before["out_bytes"] == 142


def test_byte_counter_wraps_at_32_bits():
    p = _peer()
    p.nif.stat[1] = 0xFFFFFFF0
    p.ping(data=bytes(100))
    p.expect("icmp")
    assert p.host.stat("eth0")["in_bytes"] == 142 - 16


def test_empty_pool_drops_and_recovers():
    # With nothing but the reserve left, frames still come in one at a time (ARP is answered).
    p = _peer()
    hoard = []
    while True:
        fr = p.st.pool.alloc()
        if fr is None:
            break
        hoard.append(fr)
    p.queue(p.arp_frame())
    p.queue(p.ping_frame())
    p.queue(p.arp_frame())
    p.poll()
    kinds = [packet.kind for packet in p.take()]
    assert p.nic.rx == []
    assert "icmp" not in kinds, "an echo reply out of the reserve"
    for fr in hoard:
        p.st.pool.release(fr)
    p.ping()
    p.expect("icmp", type=0)


bench.run_tests(globals())
