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
        console.write(b"exec('print(6 * 7)\\nwhile True: pass')\r")
        console.expect(b"\r\n42\r\n")
        console.write(b"\x03")
        console.expect(b"KeyboardInterrupt")
        console.expect(b">>> ")


def test_time_and_entropy(board):
    """Half a second, by either clock: once at the least, since the machine may be late."""
    said = board.exec(
        "import time, os\n"
        "for _ in range(20):\n"
        "    ms, us = time.ticks_ms(), time.ticks_us()\n"
        "    time.sleep_ms(500)\n"
        "    us, ms = time.ticks_diff(time.ticks_us(), us), time.ticks_diff(time.ticks_ms(), ms)\n"
        "    print(ms, us)\n"
        "    if ms < 1500 and us < 1500000: break\n"
        "print(os.urandom(16) != os.urandom(16), len(os.urandom(1000)))"
    )
    *took, (differ, count) = [line.split() for line in said.splitlines()]
    assert all(int(ms) >= 500 and int(us) >= 500000 for ms, us in took), took
    assert int(took[-1][0]) < 1500 and int(took[-1][1]) < 1500000, took
    assert (differ, count) == ("True", "1000")


def test_timer(board):
    """50 times a second: never more, and once about as often, since the machine may be late."""
    said = board.exec(
        "import machine, time\n"
        "n = 0\n"
        "def tick(t):\n"
        "    global n\n"
        "    n += 1\n"
        "for _ in range(20):\n"
        "    start = time.ticks_ms()\n"
        "    n = 0\n"
        "    t = machine.Timer(-1, period=20, callback=tick)\n"
        "    time.sleep_ms(1000)\n"
        "    t.deinit()\n"
        "    ms = time.ticks_diff(time.ticks_ms(), start)\n"
        "    print(n, ms)\n"
        "    if n >= 25 and ms < 1500: break"
    )
    counts = [tuple(map(int, line.split())) for line in said.splitlines()]
    assert all(n <= ms // 20 + 1 for n, ms in counts), counts
    assert counts[-1][0] >= 25 and counts[-1][1] < 1500, counts


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
    end = time.monotonic() + 480
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
    idles(board.emulator.pid, 2, 40 if board.slow else 5)


def idles(pid, seconds, percent):
    """A process comes to need less of a CPU than that: a busy machine makes it need more, and
    later."""

    def ticks():
        with open("/proc/%d/stat" % pid) as f:
            return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))

    seen = []
    while not seen or seen[-1] >= percent:
        assert len(seen) < 10, "%s %% of a CPU" % seen
        start, before = time.monotonic(), ticks()
        time.sleep(seconds)
        used = (ticks() - before) * 100 / os.sysconf("SC_CLK_TCK")
        seen.append(used / (time.monotonic() - start))
