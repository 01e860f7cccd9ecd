"""Both cores of an RP2040 at once: what `_thread` of MicroPython's rp2 port promises. In emulated
time. There is no lock of the interpreter there, so programs make all their names before a thread
starts: a new one would move the table in which the other core is looking another up."""

import pico
import pytest
import speed

BOARDS = ("W5500_EVB_PICO",)
CPUID = "machine.mem32[0xd0000000]"
_CHANGES = 0x02, 0x20, 0xD8  # flash's PAGE PROGRAM, SECTOR ERASE, BLOCK ERASE

_START = """
import _thread, gc, machine, os, time
out = []
lock = _thread.allocate_lock()
state = [0, 0]
def start(function, *args):
    while True:
        try:
            return _thread.start_new_thread(function, args)
        except OSError:  # the last one is about to end
            pass
def count(state):
    while state[0] >= 0: state[1] += 1
    state[1] = -1
"""


def start_board(board_name):
    uf2 = pico.ROOT / "build" / board_name / "firmware.uf2"
    board = speed.Board(uf2, pico.make_chip(pico.CHIPS[board_name]))
    board.run(_START)
    return board


@pytest.fixture(scope="module")
def cores(board_name, request):
    if request.config.getoption("port", None) or board_name not in BOARDS:
        pytest.skip("only where an RP2040 is emulated")
    return start_board(board_name)


@pytest.fixture
def board(cores):
    cores.run("out.clear(); state[:] = 0, 0")
    return cores


def cycles(board, ms):
    """What each core spends in so many milliseconds."""
    both = board.pico.mcu.core, board.pico.core1.core
    before = [core.cycles for core in both]
    board.sleep(ms)
    return [core.cycles - n for core, n in zip(both, before)]


def prompt_again(board):
    board.console.send(b"\r\x01")
    board.until(b"raw REPL; CTRL-B to exit\r\n>", 60000)


_IDS = (
    """
def whoami(): out.append((_thread.get_ident(), %s))
whoami()
start(whoami)
while len(out) < 2: pass
print(out)
"""
    % CPUID
)

_PARALLEL = """
def work(mine, other):
    start(count, other)
    while other[1] < 2000: mine[1] += 1
    other[0] = -1
    while other[1] >= 0: pass
    return mine[1]
print(work([0, 0], state))
"""


def test_who_is_who(board):
    assert eval(board.run(_IDS)) == [(1, 0), (2, 1)]


def test_both_count(board):
    """As fast as each other, for neither waits."""
    assert 1500 < int(board.run(_PARALLEL)) < 2500


def test_same_every_time(board_name, board):
    """Emulated time depends on nothing outside."""
    spent = []
    for _ in range(2):
        one = start_board(board_name)
        one.run(_PARALLEL)
        spent.append((one.pico.mcu.core.cycles, one.pico.core1.core.cycles))
    assert spent[0] == spent[1]


_ADD = """
def add(times, lock, pause):
    for _ in range(times):
        if lock: lock.acquire()
        n = state[0]
        for _ in range(pause): n += 0
        state[0] = n + 1
        if lock: lock.release()
    out.append(0)
def both(lock):
    start(add, 200, lock, 2)
    add(200, lock, 3)
    while len(out) < 2: pass
    return state[0]
"""


def test_lock(board):
    """Nothing is lost between two that add to one number, and without a lock it would be."""
    board.run(_ADD)
    assert int(board.run("print(both(lock))")) == 400
    board.run("out.clear(); state[:] = 0, 0")
    assert int(board.run("print(both(None))")) < 400


_HOLD = """
def hold(ms):
    with lock:
        state[0] = 1
        time.sleep_ms(ms)
        out.append("held")
def want():
    while not state[0]: pass
    state[1] = lock.acquire(0)
    with lock: out.append("got")
def meet(here, there):
    start(*there)
    here[0](*here[1:])
    while len(out) < 2: pass
    print(out, state)
"""


@pytest.mark.parametrize("holder", (0, 1))
def test_lock_is_waited_for(board, holder):
    pair = "(hold, 20)", "(want,)"
    out = board.run(_HOLD + "meet(%s, %s)" % (pair if holder == 0 else pair[::-1]))
    assert out.split("\r")[0] == "['held', 'got'] [1, False]"


_DIVIDE = """
def divide(seed):
    for i in range(1, 300):
        if "%d" % (seed * i) != digits[i - 1] or seed * i // i != seed: out.append("wrong")
    out.append(seed)
seed = 1000003
digits = [str(seed * i) for i in range(1, 300)]
start(divide, seed)
divide(seed)
while len(out) < 2: pass
print(out)
"""


def test_both_divide(board):
    assert eval(board.run(_DIVIDE)) == [1000003] * 2


_CHURN = """
def churn(seed, times):
    kept = []
    for i in range(times):
        b = bytearray(8000 + i % 8)
        b[0] = seed
        b[-1] = i
        kept.append((i, b, "%d-%d" % (seed, i)))
        if len(kept) > 3:
            k, b, name = kept.pop(0)
            if len(b) != 8000 + k % 8 or (b[0], b[-1], name) != (seed, k, "%d-%d" % (seed, k)):
                out.append("corrupt")
    out.append(seed)
gc.collect()
free = gc.mem_free()
start(churn, 1, 40)
churn(2, 40)
while len(out) < 2: pass
print([sorted(out), free])
"""


def test_both_allocate(board):
    """Until the heap has been full several times, and each core has collected the other's too."""
    seeds, free = eval(board.run(_CHURN, 60000))
    assert seeds == [1, 2]
    assert 80 * 8000 > 2 * free


_ONE_MORE = """
def refused():
    try:
        _thread.start_new_thread(count, (state,))
    except OSError as e:
        return str(e)
def series():
    for i in range(5):
        state[:] = 0, 0
        start(count, state)
        while not state[1]: pass
        out.append(refused())
        state[0] = -1
        while state[1] >= 0: pass
series()
print(out)
"""


def test_one_after_the_other(board):
    assert eval(board.run(_ONE_MORE)) == ["core1 in use"] * 5


_FLASH = """
def write(name):
    with open(name, "wb") as f: f.write(name * 1000)
    out.append(name)
def read(name):
    with open(name, "rb") as f: return f.read() == name.encode() * 1000
def here():
    start(count, state)
    while not state[1]: pass
    write("here")
    n = state[1]
    while state[1] == n: pass
    state[0] = -1
    while state[1] >= 0: pass
def there():
    start(write, "there")
    n = 0
    while len(out) < 2: n += 1
    return n
here()
there()
print(read("here"), read("there"))
os.remove("here")
os.remove("there")
"""


def test_flash(board, monkeypatch):
    """A core that writes stops the other, which runs from flash, and lets it go on."""
    core1 = board.pico.core1
    ssi = board.pico.mcu.ssi
    obey = ssi._apply_command
    asleep = [], []  # whether the other was, when core 0 or core 1 has written

    def command():
        if ssi._tx_buffer and ssi._tx_buffer[0] in _CHANGES:
            other = board.pico.mcu.core if core1.active else core1.core
            asleep[core1.active].append(other.waiting)
        obey()

    monkeypatch.setattr(ssi, "_apply_command", command)
    assert board.run(_FLASH, 60000).split() == ["True", "True"]
    assert len(asleep[0]) > 20 and all(asleep[0])
    assert len(asleep[1]) > 20 and all(asleep[1])


def test_idle(board):
    """Neither before a thread nor when it is over is there anything to do, and one that computes
    leaves the prompt alone. (While there is one, the prompt does not sleep: to look whether there
    is something to do it takes a lock, and letting go of that is an event, for itself too.)"""
    assert max(cycles(board, 100)) < 100000
    board.run("start(lambda: (time.sleep_ms(50), out.append(1)))")
    assert board.run("while not out: pass\nprint(out)").strip() == "[1]"
    assert max(cycles(board, 100)) < 100000
    board.run("start(count, state)")
    assert cycles(board, 20)[1] > 2400000
    assert int(board.run("print(state[1])")) > 1000
    board.run("state[0] = -1")


_RESETS = {
    "soft": b"\x04",
    "core 0": b"machine.reset()\r",
    "core 1": b"state[0] = -1; start(machine.reset)\r",
}


@pytest.mark.parametrize("how", _RESETS)
def test_reset(board, how):
    """What core 1 does ends with the program, and it can be had again."""
    board.run("start(count, state)")
    assert cycles(board, 5)[1] > 600000
    board.console.send(b"\r\x02")
    board.until(b">>> ", 60000)
    board.console.send(_RESETS[how])
    board.sleep(1000)
    assert max(cycles(board, 100)) < 100000
    prompt_again(board)
    assert board.run("print('state' in globals())").strip() == "False"
    board.run(_START)
    assert eval(board.run(_IDS)) == [(1, 0), (2, 1)]
