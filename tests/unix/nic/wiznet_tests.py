# What drivers of WIZnet's chips do, against emulated ones: test_w5500.py and test_w5100s.py say
# which, by use().

import random
from bench_spi import MAC, OTHER, Later, drain, frame, joined, wire

MEMORY = {"W5500": 16384, "W5100S": 8192}


def use(chip, driver):
    global Chip, Driver
    Chip = chip
    Driver = driver


def setup(line=True):
    return joined(Chip(), Driver, line)


def test_starts_and_tells_link():
    chip, nic = setup()
    assert nic.link() == 1
    chip.link = False
    assert nic.link() == 0
    assert chip.complaints == [], chip.complaints


def test_frames_both_ways():
    chip, nic = setup()
    frames = [frame(n, seed=n) for n in (60, 61, 1514, 14, 62, 999)]
    for each in frames:
        chip.receive(each)
    assert drain(nic) == frames
    buf = bytearray(1640)
    for each in frames:
        for off in (2, 1, 3, 0):
            buf[off : off + len(each)] = each
            assert nic.send(buf, off, len(each)) == len(each)
            want = each + bytes(max(60 - len(each), 0))
            assert chip.sent.pop() == want
    assert nic.send(buf, 2, 1515) == -90
    assert chip.complaints == [], chip.complaints


def test_streams_of_frames_of_all_lengths():
    chip, nic = setup()
    rnd = random
    rnd.seed(5)
    for _ in range(60):
        frames = []
        room = MEMORY[Driver.chip] - 300
        while True:
            n = rnd.choice((14, 60, 61, 590, 1514, rnd.randint(14, 1514)))
            if room < n + 2:
                break
            room -= n + 2
            frames.append(frame(n, seed=rnd.randint(0, 255)))
            if rnd.randint(0, 9) == 0:
                break
        for each in frames:
            chip.receive(each)
        got = drain(nic)
        assert got == frames
    assert nic.drops == 0 and chip.overruns == 0
    assert chip.complaints == [], chip.complaints


def test_sends_around_the_end_of_memory():
    chip, nic = setup()
    buf = bytearray(1640)
    for i in range(60):
        n = 60 + (i * 397) % 1455
        each = frame(n, seed=i)
        buf[2 : 2 + n] = each
        assert nic.send(buf, 2, n) == n
        assert chip.sent.pop() == each, i
    assert chip.complaints == [], chip.complaints


def test_sends_while_the_one_before_is_on_the_wire():
    chip, nic = setup()
    later = Later()
    chip.after = later.after
    buf = bytearray(1640)
    first, second, third = frame(1514, seed=1), frame(60, seed=2), frame(700, seed=3)
    for each in (first, second):
        buf[2 : 2 + len(each)] = each
        assert nic.send(buf, 2, len(each)) == len(each)
    buf[2:702] = third
    assert nic.send(buf, 2, 700) == 0  # the second waits until the first is gone
    later.advance(200000)
    assert chip.sent == [first]
    assert nic.send(buf, 2, 700) == 700
    later.advance(200000)
    assert nic.recv(bytearray(1640), 2) == 0  # has the third go
    later.advance(200000)
    assert chip.sent == [first, second, third]
    assert chip.complaints == [], chip.complaints


def test_interrupt_for_each_first_frame():
    chip, nic = setup()
    calls = []
    nic.irq(calls.append)
    drain(nic)
    for i in range(5):
        chip.receive(frame(60))
        assert len(calls) == i + 1 and calls[-1] is nic
        chip.receive(frame(80))  # quiet until the chip is empty
        assert len(calls) == i + 1
        assert len(drain(nic)) == 2
    nic.irq(None)
    chip.receive(frame(60))
    assert len(calls) == 5


def test_no_frame_is_left_behind_by_the_interrupt():
    """A frame comes after any number of SPI bytes of a drain: it is either seen or interrupts."""
    chip, nic = setup()
    calls = []
    nic.irq(calls.append)
    drain(nic)
    transfer = chip.transfer
    gap = 1
    while True:
        state = [gap]

        def hook(byte):
            state[0] -= 1
            if state[0] == 0:
                chip.receive(frame(64, seed=2))
            return transfer(byte)

        calls.clear()
        chip.receive(frame(60, seed=1))
        assert len(calls) == 1
        calls.clear()
        chip.transfer = hook
        got = drain(nic)
        chip.transfer = transfer
        if state[0] > 0:
            break
        if calls:
            got += drain(nic)
        assert got == [frame(60, seed=1), frame(64, seed=2)], gap
        gap += 1
    assert gap > 100
    assert chip.complaints == [], chip.complaints


def test_interrupts_that_are_lost():
    chip, nic = setup()
    calls = []
    nic.irq(calls.append)
    drain(nic)
    chip.mute_int = True
    chip.receive(frame(60))
    assert calls == [] and drain(nic) == []
    assert nic.link() == 1
    assert calls == [nic] and nic.lost_interrupts == 1
    assert drain(nic) == [frame(60)]
    chip.receive(frame(61))
    assert drain(nic) == [frame(61)]  # the line is not trusted any more


def test_without_an_interrupt_line():
    chip, nic = setup(False)
    assert not hasattr(nic, "irq")
    chip.receive(frame(60))
    assert drain(nic) == [frame(60)]


def test_length_headers_that_lie():
    for lie in (0, 1, 15, 1521, 65535, 61, 200, 1000):
        chip, nic = setup()
        chip.receive(frame(100))
        chip.lie = lie
        chip.receive(frame(100))
        got = drain(nic)
        assert got[0] == frame(100)
        assert nic.drops == 1, (lie, nic.drops)
        chip.receive(frame(300, seed=9))
        assert drain(nic)[-1] == frame(300, seed=9), lie
        assert nic.link() == 1


def test_filter():
    chip, nic = setup()
    ff = b"\xff" * 6
    group4 = b"\x01\x00\x5e\x00\x00\xfb"
    group6 = b"\x33\x33\x00\x00\x00\xfb"
    odd = b"\x01\x80\xc2\x00\x00\x0e"

    def seen(to):
        chip.receive(frame(60, to))
        return len(drain(nic))

    assert seen(MAC) == 1 and seen(ff) == 1 and seen(OTHER) == 0
    assert seen(group4) == 0 and seen(group6) == 0 and seen(odd) == 0
    for group in (group4, group6, odd):
        nic.multicast(group, True)
        assert seen(group) == 1
    nic.multicast(odd, False)
    assert seen(odd) == 0 and seen(OTHER) == 0 and seen(group4) == 1
    assert chip.complaints == [], chip.complaints


def test_power_cut_under_load():
    chip, nic = setup()
    chip.receive(frame(1514))
    chip.power_cut()
    buf = bytearray(1640)
    nic.recv(buf, 2)
    for _ in range(30):
        nic.send(buf, 2, 60)
    assert nic.link() == 1
    assert nic.resets == 1
    chip.receive(frame(300))
    assert drain(nic) == [frame(300)]
    chip.sent.clear()
    assert nic.send(buf, 2, 100) == 100
    assert len(chip.sent) == 1


def test_stuck_bus():
    for level in (0x00, 0xFF):
        chip, nic = setup()
        chip.stuck = level
        buf = bytearray(1640)
        for _ in range(30):
            assert nic.recv(buf, 2) == 0
            nic.send(buf, 2, 60)
        nic.multicast(b"\x33\x33\0\0\0\1", True)
        assert nic.link() == 0
        chip.stuck = None
        chip.selected = False
        assert nic.link() == 1
        assert nic.resets
        chip.receive(frame(300))
        assert drain(nic) == [frame(300)]
        chip.receive(frame(60, b"\x33\x33\0\0\0\1"))
        assert len(drain(nic)) == 1


def test_a_frame_that_is_never_sent():
    chip, nic = setup()
    chip.stall = True
    buf = bytearray(1640)
    assert nic.send(buf, 2, 60) == 60
    assert nic.send(buf, 2, 60) == 60  # written, and not told to go
    answers = [nic.send(buf, 2, 60) for _ in range(30)]
    assert answers[0] == 0 and answers[-1] == -5  # busy, and then it is given up
    chip.stall = False
    assert nic.link() == 1 and nic.resets == 1
    chip.sent.clear()
    assert nic.send(buf, 2, 60) == 60 and len(chip.sent) == 1


def test_no_chip():
    for level in (0x00, 0xFF):
        chip = Chip()
        chip.stuck = level
        spi, pins = wire(chip)
        try:
            Driver(spi, mac=MAC, **pins)
            assert False
        except OSError as error:
            text = str(error)
            assert Driver.chip in text and "miso=16" in text and "GPIO17" in text, text
            assert "0x%02x" % level in text


def test_overrun_is_the_chips():
    chip, nic = setup()
    for i in range(20):
        chip.receive(frame(1514, seed=i))
    room = MEMORY[Driver.chip] // 1516
    assert chip.overruns == 20 - room
    assert len(drain(nic)) == room
    chip.receive(frame(60))
    assert drain(nic) == [frame(60)]
