# targets: unix (the emulated chip is a file of tests/hw)
# The ENC28J60's driver against the emulated chip.

import random
from bench import run_tests
from bench_spi import MAC, OTHER, Later, drain, frame, joined, wire
from enc28j60 import ENC28J60 as Chip
from netstack.nic.enc28j60 import ENC28J60


def setup(line=True):
    return joined(Chip(), ENC28J60, line)


def test_starts_and_tells_link():
    chip, nic = setup()
    assert nic.link() == 1
    chip.link = False
    assert nic.link() == 0
    assert chip.complaints == [], chip.complaints


def test_frames_both_ways():
    chip, nic = setup()
    buf = bytearray(1640)
    random.seed(7)
    for i in range(200):
        n = random.choice((60, 61, 1514, random.randint(60, 1514)))
        each = frame(n, seed=i)
        off = random.randint(0, 3)
        buf[off : off + n] = each
        assert nic.send(buf, off, n) == n
        assert chip.sent.pop() == each
        frames = [each, frame(random.randint(60, 1514), seed=i)]
        for each in frames:
            chip.receive(each)
        assert drain(nic) == frames, i
    buf[2:22] = frame(20)
    assert nic.send(buf, 2, 20) == 20
    assert chip.sent.pop() == frame(20) + bytes(40)
    assert nic.send(buf, 2, 1515) == -90
    assert nic.drops == 0 and chip.overruns == 0
    assert chip.complaints == [], chip.complaints


def test_sends_while_the_one_before_is_on_the_wire():
    chip, nic = setup()
    later = Later()
    chip.after = later.after
    buf = bytearray(1640)
    frames = [frame(1514, seed=1), frame(60, seed=2), frame(700, seed=3)]
    for each in frames[:2]:
        buf[2 : 2 + len(each)] = each
        assert nic.send(buf, 2, len(each)) == len(each)
    buf[2:702] = frames[2]
    assert nic.send(buf, 2, 700) == 0
    later.advance(2000000)
    assert chip.sent == frames[:1]
    assert nic.send(buf, 2, 700) == 700
    later.advance(2000000)
    assert nic.recv(bytearray(1640), 2) == 0
    later.advance(2000000)
    assert chip.sent == frames
    assert chip.complaints == [], chip.complaints


def test_late_collisions_that_are_none():
    """Erratum 13."""
    chip, nic = setup()
    buf = bytearray(1640)
    chip.collide = 3
    for i in range(2):
        each = frame(100, seed=i)
        buf[2:102] = each
        assert nic.send(buf, 2, 100) == 100
    assert chip.sent == [frame(100, seed=0), frame(100, seed=1)]
    chip.collide = 100  # it gives up, and goes on with the next
    assert nic.send(buf, 2, 100) == 100
    assert nic.send(buf, 2, 100) == 100
    chip.collide = 0
    assert nic.send(buf, 2, 100) == 100
    assert nic.link() == 1 and nic.resets == 0


def test_interrupts():
    chip, nic = setup()
    calls = []
    nic.irq(calls.append)
    for i in range(5):
        chip.receive(frame(60))
        assert len(calls) == i + 1 and calls[-1] is nic
        chip.receive(frame(80))
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
    transfer = chip.transfer
    gap = 1
    while True:
        state = [gap]

        def hook(byte):
            state[0] -= 1
            if state[0] == 0:
                chip.receive(frame(64, seed=2))
            return transfer(byte)

        chip.receive(frame(60, seed=1))
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
    assert gap > 80
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
    assert drain(nic) == [frame(61)]


def test_without_an_interrupt_line():
    chip, nic = setup(False)
    assert not hasattr(nic, "irq")
    chip.receive(frame(60))
    assert drain(nic) == [frame(60)]


def test_length_headers_that_lie():
    for lie in (0, 1, 17, 1523, 65535, 61, 200):
        chip, nic = setup()
        chip.receive(frame(100))
        chip.lie = lie
        chip.receive(frame(100))
        assert drain(nic)[0] == frame(100)
        assert nic.drops == 1, lie
        chip.receive(frame(300, seed=9))
        assert drain(nic)[-1] == frame(300, seed=9), lie
        assert nic.link() == 1 and nic.resets == 0


def test_filter():
    chip, nic = setup()

    def seen(to):
        chip.receive(frame(60, to))
        return len(drain(nic))

    assert seen(MAC) == 1 and seen(b"\xff" * 6) == 1 and seen(OTHER) == 0
    for i in range(40):
        group = bytes((0x33, 0x33, i, 7 * i & 0xFF, 1, i))
        assert seen(group) == 0
        nic.multicast(group, True)
        assert seen(group) == 1, i
        nic.multicast(group, False)
    assert chip.complaints == [], chip.complaints


def test_overrun_is_the_chips():
    chip, nic = setup()
    for i in range(10):
        chip.receive(frame(1514, seed=i))
    assert chip.overruns == 7
    assert drain(nic) == [frame(1514, seed=i) for i in range(3)]
    chip.receive(frame(60))
    assert drain(nic) == [frame(60)]


def test_power_cut_under_load():
    chip, nic = setup()
    chip.receive(frame(1514))
    chip.power_cut()
    buf = bytearray(1640)
    nic.recv(buf, 2)
    for _ in range(30):
        nic.send(buf, 2, 60)
    assert nic.link() == 1 and nic.resets == 1
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
        assert nic.link() == 1 and nic.resets
        chip.receive(frame(300))
        assert drain(nic) == [frame(300)]
        chip.receive(frame(60, b"\x33\x33\0\0\0\1"))
        assert len(drain(nic)) == 1


def test_a_frame_that_is_never_sent():
    chip, nic = setup()
    chip.stall = True
    buf = bytearray(1640)
    assert nic.send(buf, 2, 60) == 60
    assert nic.send(buf, 2, 60) == 60
    answers = [nic.send(buf, 2, 60) for _ in range(30)]
    assert answers[0] == 0 and answers[-1] == -5
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
            ENC28J60(spi, mac=MAC, **pins)
            assert False
        except OSError as error:
            text = str(error)
            assert "ENC28J60" in text and "miso=16" in text and "GPIO17" in text, text
            assert "0x%02x" % level in text


run_tests(globals())
