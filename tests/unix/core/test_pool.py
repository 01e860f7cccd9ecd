# core/frame.py: the frame pool and its reserve.

import bench
import micropython
from netstack.core.frame import HEADROOM, Pool

SLACK = 16


def test_counts_down_and_up():
    pool = Pool(8, 1500, 2)
    frames = []
    for left in range(7, 1, -1):
        fr = pool.alloc()
        assert fr is not None and not fr.free and pool.left == left
        frames.append(fr)
    assert len(set(id(fr) for fr in frames)) == 6
    for fr in frames:
        pool.release(fr)
    assert pool.left == pool.count == 8 and pool.low == 2


def test_reserve_is_for_control():
    pool = Pool(8, 1500, 2)
    frames = [pool.alloc() for _ in range(6)]
    assert pool.alloc() is None and pool.denied == 1
    frames += [pool.alloc(True), pool.alloc(True)]
    assert pool.alloc(True) is None and pool.denied == 2 and pool.left == 0
    assert None not in frames
    pool.release(frames.pop())
    assert pool.alloc() is None, "the reserve must fill first"
    for fr in frames:
        pool.release(fr)
    assert pool.left == 8


def test_frames_start_clean():
    pool = Pool(4, 1500, 1)
    fr = pool.alloc()
    fr.group = True
    fr.pay = fr.end = fr.l3 = 7
    pool.release(fr)
    again = pool.alloc()
    assert again is fr and not again.group
    assert again.pay == again.end == HEADROOM and HEADROOM & 3 == 0
    pool.release(again)


def test_room_for_a_whole_packet():
    # A received frame at offset 2 with link header, VLAN tag and slack; a sent one at HEADROOM.
    for mtu in (576, 1500):
        fr = Pool(3, mtu, 1).alloc()
        assert len(fr.buf) >= 2 + 18 + mtu + SLACK
        assert len(fr.buf) >= HEADROOM + mtu - 20


def test_release_twice_is_an_error():
    pool = Pool(4, 1500, 1)
    fr = pool.alloc()
    pool.release(fr)
    try:
        pool.release(fr)
    except AssertionError:
        assert pool.left == 4
    else:
        raise Exception("a frame was released twice")


def test_too_few_frames():
    try:
        Pool(2, 1500, 2)
    except ValueError as error:
        assert "2 frames" in str(error)
    else:
        raise AssertionError("a pool with nothing but its reserve")


def test_made_when_first_needed():
    pool = Pool(8, 1500, 2, 4)
    assert pool.left == 8 and pool.unmade == 4
    frames = [pool.alloc() for _ in range(3)]
    assert pool.unmade == 4
    frames += [pool.alloc() for _ in range(3)]
    assert pool.unmade == 1 and pool.alloc() is None
    frames += [pool.alloc(True), pool.alloc(True)]
    assert len(set(id(fr) for fr in frames)) == 8 and pool.alloc(True) is None
    for fr in frames:
        pool.release(fr)
    assert pool.left == 8 and pool.unmade == 0 and set(pool._free) == set(frames)


def test_no_memory_for_another():
    # What is there goes on, the reserve for control traffic alone.
    pool = Pool(8, 1500, 2, 4)
    first, second, fifth = pool.alloc(), pool.alloc(), pool.alloc()
    micropython.heap_lock()
    third = pool.alloc()
    denied = pool.denied
    fourth, sixth = pool.alloc(True), pool.alloc(True)
    micropython.heap_unlock()
    assert third is None and denied == 1
    assert fourth and sixth is None and pool.left == 4
    pool.release(fourth)
    micropython.heap_lock()
    third = pool.alloc()
    micropython.heap_unlock()
    assert third is None, "the reserve must fill first"
    assert pool.alloc() is None, "each try is a collection"
    pool.retry()
    third = pool.alloc()
    assert third is not fourth and pool.unmade == 3
    for fr in (first, second, third, fifth):
        pool.release(fr)
    assert pool.left == 8 and len(set(id(fr) for fr in pool._free if fr)) == 5


def test_random_against_a_model():
    rnd = bench.Random(31)
    pool = Pool(16, 64, 3)
    out = []
    for _ in range(bench.scale(5000)):
        if out and rnd.below(2):
            pool.release(out.pop(rnd.below(len(out))))
        else:
            control = rnd.below(4) == 0
            fr = pool.alloc(control)
            assert (fr is None) == (16 - len(out) <= (0 if control else 3))
            if fr is not None:
                assert fr not in out
                out.append(fr)
        assert pool.left == 16 - len(out)


bench.run_tests(globals())
