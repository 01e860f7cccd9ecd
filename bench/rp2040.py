"""What an RP2040 with a W5500 does, in the time that its emulator counts: cycles of its own, so
that one run is like the other. tests/hw/emulator/speed.py measures.

Beside it upstream's firmware with C lwIP, MicroPython 1.25.0 for the same board, measured by the
same peer on the same emulator; its source is in no package, so these figures are written down.
"""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.append(os.path.join(ROOT, "tools"))
import size as size_of  # noqa: E402

BOARD = "W5500_EVB_PICO"
CLOCKS = (12, 24, 31.25)  # MHz, really on the wire
HEAP = 208880  # bytes free with upstream's NIC up
FLASH = 527792
# (key, title, unit, is more better?, upstream's at each clock)
ROWS = (
    ("tcp_receive", "TCP receive", "kB/s", True, (751, 1150, 1307)),
    ("tcp_send", "TCP send", "kB/s", True, (763, 1144, 1294)),
    ("cycles_receive", "cycles to receive 1460 bytes", "", False, None),
    ("cycles_send", "cycles to send 1460 bytes", "", False, None),
    ("echo_64", "UDP echo of 64 bytes", "/s", True, (1513, 1907, 2014)),
    ("echo_1400", "UDP echo of 1400 bytes", "/s", True, (328, 496, 564)),
    ("ping_us", "ping, from the chip's interrupt to the answer", "us", False, (442, 316, 287)),
)
# (what, key, at which clocks, at least?, the limit, or what share of upstream's it shall be)
TARGETS = (
    ("TCP receive, kB/s", "tcp_receive", (12,), True, 1050, None),
    ("TCP send, kB/s", "tcp_send", (12,), True, 1050, None),
    ("TCP receive : upstream", "tcp_receive", (31.25,), True, None, 1),
    ("TCP send : upstream", "tcp_send", (31.25,), True, None, 1),
    ("UDP echo of 1400 bytes : upstream", "echo_1400", CLOCKS, True, None, 1),
    ("UDP echo of 64 bytes : upstream", "echo_64", CLOCKS, True, None, 0.6),
    ("ping, us", "ping_us", CLOCKS, False, 800, None),
    ("allocated in all for 40 pings, bytes", "allocated", CLOCKS, False, 16, None),
    ("heap free, NIC up, bytes", "heap_nic_up", (12,), True, HEAP, None),
)


def measure(out, size, echoes, clocks=CLOCKS):
    """{"clocks", "figures": a dict or a note for each clock, "flash"}; side by side, since it is
    not the machine's time that counts."""
    firmware = os.path.join(out, BOARD, "firmware")
    runs = [_start(firmware + ".uf2", clock, size, echoes) for clock in clocks]
    return {
        "board": BOARD,
        "clocks": list(clocks),
        "figures": [_result(run) for run in runs],
        "flash": size_of.flash(firmware + ".elf"),
    }


def _start(uf2, clock, size, echoes):
    """An emulator, its clock in MHz."""
    python = os.path.join(ROOT, ".venv/bin/python")
    program = os.path.join(ROOT, "tests/hw/emulator/speed.py")
    command = [python, program, BOARD, "--json", "--uf2", uf2, "--baudrate", "%d" % (clock * 1e6)]
    command += ["--size", str(size), "--echoes", str(echoes)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _result(run):
    out, error = run.communicate()
    if run.returncode:
        return {"note": "failed: %s" % (error.strip().splitlines() or ["no word"])[-1]}
    return json.loads(out)


def judge(data):
    """What of TARGETS is reached, as targets.judge() says it."""
    found = []
    for what, key, clocks, at_least, limit, share in TARGETS:
        theirs = {row[0]: row[4] for row in ROWS}.get(key)
        for clock, figures in zip(data["clocks"], data["figures"]):
            if clock not in clocks:
                continue
            reached = figures.get(key)
            if reached is not None and share:
                reached /= theirs[CLOCKS.index(clock)]
            bound = share or limit
            met = reached is not None and (reached >= bound if at_least else reached <= bound)
            found.append(
                {"what": "RP2040, %g MHz: %s" % (clock, what), "at_least": at_least,
                 "limit": bound, "reached": reached, "met": None if reached is None else met}
            )  # fmt: skip
    return found


def markdown(data, number):
    """The table and what there is to say of it; `number` writes a figure."""
    clocks = data["clocks"]
    where = "On an RP2040 with a W5500 (`%s`), in emulated time; beside it upstream's firmware."
    yield where % BOARD
    yield ""
    yield "| SPI clock, MHz | " + " | ".join("%g | |" % clock for clock in clocks) + " |"
    yield "|---" * (1 + 3 * len(clocks)) + "|"
    yield "| | " + " | ".join(["netstack | upstream | ratio"] * len(clocks)) + " |"
    limits = ["%s | %s | -" % ((number(clock / 8 * 1000),) * 2) for clock in clocks]
    yield "| the SPI's limit, kB/s | " + " | ".join(limits) + " |"
    for key, title, unit, _, theirs in ROWS:
        cells = []
        for clock, figures in zip(clocks, data["figures"]):
            ours = figures.get(key)
            their = theirs and theirs[CLOCKS.index(clock)]
            cells.append(figures.get("note", "-") if ours is None else number(ours))
            cells += [number(their), number(ours / their if ours and their else None)]
        yield "| %s | %s |" % (", ".join(filter(None, (title, unit))), " | ".join(cells))
    heap = data["figures"][0].get("heap_nic_up")
    yield ""
    yield "| | netstack | upstream |"
    yield "|---|---|---|"
    yield "| heap free with the NIC up, bytes | %s | %d |" % (number(heap), HEAP)
    yield "| flash of the image, bytes | %d | %d |" % (data["flash"], FLASH)


REMARKS = """\
The RP2040 runs at 125 MHz on an emulator that knows neither flash wait states nor misses of its
cache, each byte on the SPI taking the time of eight clocks; cycles are those in which the
processor does not sleep. Upstream is MicroPython 1.25.0's firmware for this board, with C lwIP
2.2.0 and WIZnet's driver, measured the same way; it has IPv6 in its image, netstack's there has
not."""
