"""Two pings with each gap between them: whatever the driver does when the second comes (it clears
the interrupt, looks once more, begins to sleep), both are answered at once. In emulated time."""

import contextlib
import os

import pico
import pytest
import speed

BOARDS = ("W5500_EVB_PICO",)
STEP_NS = 4000 if os.environ.get("NETSTACK_FULL") else 50000
END_NS = 1000000
SLEEPING = "while True: time.sleep_ms(1000)"
RECEIVING = """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 9))
s.recv(9)
"""
BUSY = """
n = 0
while True: n += 1
"""


@pytest.fixture(scope="module")
def wired(board_name, request):
    if request.config.getoption("port", None) or board_name not in BOARDS:
        pytest.skip("only where time is emulated")
    uf2 = pico.ROOT / "build" / board_name / "firmware.uf2"
    board = speed.Board(uf2, pico.make_chip(pico.CHIPS[board_name]))
    board.run(speed._START)
    for i in range(3):
        board.peer.ping(i)
        board.sleep(10)
    return board


@contextlib.contextmanager
def program(board, code):
    board.start(code)
    board.sleep(20)
    yield
    board.console.send(b"\x03")
    board.until(b"KeyboardInterrupt", 2000)
    board.until(b">", 1000)


def answered(board, first, delays, ms):
    """Send pings after these delays. Milliseconds until each is answered, none after `ms`."""
    peer = board.peer
    peer.pings.clear()
    for i, delay in enumerate(delays):
        peer.ping(first + i, delay=delay)
    board.until(lambda: len(peer.pings) == len(delays), ms)
    return [ns / 1e6 for _, ns in peer.pings]


@pytest.mark.parametrize(
    ("code", "most"),
    [(SLEEPING, 2), (RECEIVING, 2), (BUSY, 5)],
    ids=["sleeps", "receives", "busy"],
)
def test_each_gap(wired, code, most):
    with program(wired, code):
        for gap in range(0, END_NS, STEP_NS):
            times = answered(wired, 100, (0, gap), 20)
            assert max(times) < most, "gap of %d ns: %r ms" % (gap, times)
            wired.sleep(2)
    assert not wired.chip.complaints


def test_lost_interrupt(wired):
    """One that does not come is found out by the look at the link, twice a second."""
    with program(wired, SLEEPING):
        wired.chip.mute_int = True
        assert answered(wired, 200, (0, 300000), 700)
        wired.chip.mute_int = False
        wired.sleep(1100)
        for gap in range(0, END_NS, 200000):
            assert max(answered(wired, 210, (0, gap), 20)) < 2, gap
            wired.sleep(2)
    assert int(wired.run("print(board.nic().lost_interrupts)")) >= 1
