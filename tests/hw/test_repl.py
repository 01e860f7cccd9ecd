"""The serial line: prompt, mpremote's verbs, resets, and how little an idle board costs."""

import os
import re
import time

import pytest


def test_prompt(board):
    with board.console() as console:
        console.prompt()
        console.write(b"print(6 * 7)\r")
        console.expect(b"\r\n42\r\n>>> ")


def test_paste(board):
    """Paste mode and a line much longer than any buffer of the UART."""
    with board.console() as console:
        console.prompt()
        console.write(b"\x05x = '" + b"a" * 3000 + b"'\r\nprint(len(x), 'letters')\r\n\x04")
        console.expect(b"\r\n3000 letters\r\n")


def test_interrupt(board):
    with board.console() as console:
        console.prompt()
        console.write(b"while True: pass\r\r")
        time.sleep(0.5)
        console.write(b"\x03")
        console.expect(b"KeyboardInterrupt")
        console.expect(b">>> ")


def test_time_and_entropy(board):
    said = board.exec(
        "import time, os\n"
        "t = time.ticks_ms(), time.ticks_us()\n"
        "time.sleep_ms(500)\n"
        "print(time.ticks_diff(time.ticks_ms(), t[0]), time.ticks_diff(time.ticks_us(), t[1]))\n"
        "print(os.urandom(16) != os.urandom(16), len(os.urandom(1000)))"
    )
    ms, us, differ, count = said.split()
    assert 500 <= int(ms) < 1500 and 500000 <= int(us) < 1500000
    assert (differ, count) == ("True", "1000")


def test_timer(board):
    said = board.exec(
        "import machine, time\n"
        "n = 0\n"
        "def tick(t):\n"
        "    global n\n"
        "    n += 1\n"
        "t = machine.Timer(-1, period=20, callback=tick)\n"
        "time.sleep_ms(1000)\n"
        "t.deinit()\n"
        "print(n)"
    )
    assert 25 <= int(said) <= 51


def test_soft_reset(board):
    with board.console() as console:
        console.prompt()
        console.write(b"left_over = 1\r\x04")
        console.expect(b"soft reboot")
        console.expect(b">>> ")
        console.write(b"left_over\r")
        console.expect(b"NameError")


def test_reset(board):
    """machine.reset() starts from the very beginning: mpremote finds a prompt again."""
    with board.console() as console:
        console.prompt()
        console.write(b"import machine; left_over = 1\r")
        console.expect(b">>> ")
        console.write(b"machine.reset()\r")
        if not board.slow:
            console.expect(b"MicroPython")
            console.expect(b">>> ")
    # USB goes away meanwhile, and what the board prints before it is back is lost.
    end = time.monotonic() + 60 * board.patience
    while True:
        said = board.mpremote("resume", "exec", "print('left_over' in globals())", check=False)
        if said.strip() == "False":
            break
        assert time.monotonic() < end, said


def test_mpremote(serial_board, tmp_path):
    """ls, cp both ways, run, exec, mount: what a user does all day."""
    board = serial_board
    if board.slow and not board.url.startswith("/dev/"):
        pytest.skip("takes long: on a terminal only")
    data = os.urandom(1500 if board.slow else 10000)
    (tmp_path / "there.bin").write_bytes(data)
    board.mpremote("fs", "cp", tmp_path / "there.bin", ":there.bin")
    assert re.search(r"%d there\.bin" % len(data), board.mpremote("fs", "ls"))
    board.mpremote("fs", "cp", ":there.bin", tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == data
    assert board.exec("print(sum(open('there.bin', 'rb').read()))").strip() == str(sum(data))
    board.mpremote("fs", "rm", ":there.bin")
    assert "there.bin" not in board.mpremote("fs", "ls")
    (tmp_path / "program.py").write_text("print('from', 'a', 'file')\n")
    assert board.mpremote("run", tmp_path / "program.py").strip() == "from a file"
    (tmp_path / "mounted.py").write_text("WHERE = 'the host'\n")
    said = board.mpremote("mount", tmp_path, "exec", "import mounted; print(mounted.WHERE)")
    assert "the host" in said.splitlines()


def test_large_program(serial_board, tmp_path):
    """40 kB through raw-paste mode, whose flow control must hold; a quarter where that is long."""
    if serial_board.slow and serial_board.url.startswith("/dev/"):
        pytest.skip("takes long: over TCP only")
    count = 225 if serial_board.slow else 900
    lines = ["x = 0"] + ["x += %d  # %s" % (i, "comment " * 4) for i in range(count)]
    (tmp_path / "large.py").write_text("\n".join(lines + ["print(x)"]))
    said = serial_board.mpremote("run", tmp_path / "large.py")
    assert said.strip() == str(sum(range(count)))


def test_idle_costs_nothing(board, emulated):
    """The emulator's share of a CPU while the board waits at its prompt."""
    with board.console() as console:
        console.prompt()
    assert cpu_percent(board.emulator.pid, 2) < (40 if board.slow else 5)


def cpu_percent(pid, seconds):
    def ticks():
        with open("/proc/%d/stat" % pid) as f:
            return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))

    before = ticks()
    time.sleep(seconds)
    return (ticks() - before) * 100 / os.sysconf("SC_CLK_TCK") / seconds
