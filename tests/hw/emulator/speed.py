"""How fast a board is, in emulated time: python tests/hw/emulator/speed.py W5500_EVB_PICO

Prints one line a figure: ping, TCP both ways, UDP echo, at the clock that is really on the SPI,
what a segment costs the processor, and what is allocated for frames; with --json all of it in one
line, for `make bench`.
"""

import argparse
import json
import pathlib
import sys

import pico
import wiring
from peer import Peer

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
_MS = 1000000
_LOOK_MS = 0.1  # emulated, until the console is looked at again
_SEGMENT = 1460

_START = """
import network, socket, time, gc, board
RCVBUF = 0
lan = network.LAN()
lan.active(True)
lan.ipconfig(addr4="10.0.0.2/24")
while not lan.isconnected(): time.sleep_ms(5)
"""
_RECEIVE = """
s = socket.socket()
if RCVBUF: s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RCVBUF)
s.connect(("10.0.0.1", 5002))
b = bytearray(4096)
n = 0
while n < %d: n += s.readinto(b)
s.close()
"""
_SEND = """
s = socket.socket()
s.connect(("10.0.0.1", 5001))
b = bytes(2048)
n = 0
while n < %d: n += s.write(b)
time.sleep_ms(20)
s.close()
"""
_ECHO = """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 9000))
s.sendto(b"go", ("10.0.0.1", 7))
b = bytearray(1500)
while True:
    n, a = s.recvfrom_into(b)
    if n == 1: break
    s.sendto(memoryview(b)[:n], a)
s.close()
"""


_SLEEP = """
n = 0  # a new name may take memory
gc.collect()
gc.disable()
n = gc.mem_alloc()
time.sleep_ms(400)
print(gc.mem_alloc() - n)
gc.enable()
"""


class Board:
    """Firmware with a chip and a peer at its wire; run(code) by the raw REPL, in emulated time."""

    def __init__(self, uf2, chip, idle=0, **pins):
        self.chip = chip
        self.wires = wiring.Wiring(chip, idle=idle, **pins)
        self.pico = pico.Pico(uf2, [self.wires])
        self.peer = Peer(chip, self.pico.clock)
        _forget_divisions(self.pico.mcu)
        self.console = self.pico.console
        # An emulator that sleeps without an alarm stays where it is.
        self._tick = self.pico.clock.create_alarm(lambda: self._tick.schedule(_MS))
        self._tick.schedule(_MS)
        self._stop = self.pico.clock.create_alarm(self.pico.simulator.stop)
        self.sleep(500)
        self.console.send(b"\r\x01")
        self.until(b"raw REPL; CTRL-B to exit\r\n>", 1000)

    @property
    def ms(self):
        return self.pico.clock.nanos / _MS

    def sleep(self, ms):
        """Run for so long: an idle board's time would fly otherwise."""
        self._stop.schedule(ms * _MS)
        while not self.pico.simulator.stopped:  # rp2040py looks up by the host's clock, too
            self.pico.run()
        self.pico.simulator.stopped = False

    def until(self, what, ms):
        """Run until the console has said `what` (bytes), or it is true (a function)."""
        end = self.ms + ms
        while True:
            if callable(what):
                if what():
                    return b""
            elif what in self.console.received:
                before, _, after = bytes(self.console.received).partition(what)
                self.console.received[:] = after
                return before
            if self.ms > end:
                raise TimeoutError("not in %d ms: %r; %r" % (ms, what, self.console.received))
            self.sleep(_LOOK_MS)

    def start(self, code):
        self.console.send(code.encode() + b"\x04")
        self.until(b"OK", 2000)

    def finish(self, ms):
        out = self.until(b"\x04", ms)
        error = self.until(b"\x04", 1000)
        self.until(b">", 1000)
        if error:
            raise RuntimeError(error.decode())
        return out.decode()

    def run(self, code, ms=20000):
        self.start(code)
        return self.finish(ms)


def _forget_divisions(mcu):
    """rp2040py counts eight cycles more for each division, in which no time passes; the firmware
    waits for it by eight instructions anyway."""
    divide = mcu.sio.update_hardware_divider

    def uncounted(signed):
        before = mcu.core.cycles
        divide(signed)
        mcu.core.cycles = before

    mcu.sio.update_hardware_divider = uncounted


def tcp(board, code):
    """(kB/s, cycles for 1460 bytes, the peer's recoveries) of a program that sends or receives.
    Cycles in which the processor slept are none."""
    peer = board.peer
    core = board.pico.mcu.core
    peer.tcp.clear()
    spent = []  # (when the board sent a frame, cycles till then)
    peer.seen = lambda frame: spent.append((peer.now, core.cycles))
    board.run(code)
    peer.seen = None
    conn = next(iter(peer.tcp.values()))
    size = conn.sent or conn.received
    cycles = [n for at, n in spent if conn.first <= at <= conn.last]
    rate = size / (conn.last - conn.first) * 1e6
    return rate, (cycles[-1] - cycles[0]) / (size / _SEGMENT), conn.resent


def udp(board, size, count):
    """Echoes a second, one datagram at a time."""
    peer = board.peer
    state = []

    def echo(port, data):
        state.append(peer.now)
        peer.datagram(port, bytes(size) if len(state) <= count else b"!")

    peer.on_echo = echo
    board.run(_ECHO)
    peer.on_echo = None
    return count / (state[count] - state[0]) * 1e9


def ping(board, count):
    """Microseconds from frame at the chip to answer at the chip: median and worst."""
    peer = board.peer
    peer.pings.clear()
    for i in range(count):
        peer.ping(i)
        board.sleep(10)
    times = sorted(ns for _, ns in peer.pings[1:])
    return times[len(times) // 2] / 1000, times[-1] / 1000


def heap(board):
    """Bytes allocated by frames of two sizes, both ways, while the program sleeps."""
    peer = board.peer
    board.start(_SLEEP)
    for i in range(40):
        board.sleep(8)
        peer.ping(1000 + i, 1400 if i & 1 else 56)
    return int(board.finish(5000))


def figures(board, args):
    """(name, value) of what is asked for, one after the other."""
    yield "heap_at_prompt", int(board.run("import gc; gc.collect(); print(gc.mem_free())"))
    board.run(_START)
    board.run("RCVBUF = %d" % args.rcvbuf)
    yield "clock_mhz", wiring.clock_hz(board.pico.mcu, board.wires.spi) / 1e6
    yield "heap_nic_up", int(board.run("gc.collect(); print(gc.mem_free())"))
    if "ping" in args.only:
        median, worst = ping(board, 20)
        yield "ping_us", median
        yield "ping_worst_us", worst
    if "heap" in args.only:
        yield "allocated", heap(board)
    if "tcp" in args.only:
        for verb, code in (("receive", _RECEIVE), ("send", _SEND)):
            rate, cycles, resent = tcp(board, code % args.size)
            yield "tcp_" + verb, rate
            yield "cycles_" + verb, cycles
            yield "recoveries_" + verb, resent
    if "udp" in args.only:
        for size in (64, 1400):
            yield "echo_%d" % size, udp(board, size, args.echoes)
    counts = board.run("nic = board.nic(); print(nic.drops, nic.resets, nic.lost_interrupts)")
    for name, count in zip(("drops", "resets", "lost_interrupts"), counts.split()):
        yield name, int(count)
    yield "overruns", board.chip.overruns


LINES = {
    "heap_at_prompt": "heap free at the prompt %d bytes",
    "clock_mhz": "SPI clock %.2f MHz",
    "heap_nic_up": "heap free, NIC up %d bytes",
    "ping_us": "ping: median %.0f us",
    "ping_worst_us": "ping: worst %.0f us",
    "allocated": "allocated for 40 pings: %d bytes",
    "tcp_receive": "TCP receive %.0f kB/s",
    "cycles_receive": "cycles to receive 1460 bytes: %.0f",
    "recoveries_receive": "the peer's recoveries: %d",
    "tcp_send": "TCP send %.0f kB/s",
    "cycles_send": "cycles to send 1460 bytes: %.0f",
    "recoveries_send": "the peer's recoveries: %d",
    "echo_64": "UDP echo of 64 bytes: %.0f/s",
    "echo_1400": "UDP echo of 1400 bytes: %.0f/s",
    "drops": "drops: %d",
    "resets": "resets: %d",
    "lost_interrupts": "lost interrupts: %d",
    "overruns": "overruns: %d",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("board")
    parser.add_argument("--uf2")
    parser.add_argument("--chip", choices=pico.KINDS)
    parser.add_argument("--rcvbuf", type=int, default=0, help="SO_RCVBUF; default: the stack's")
    parser.add_argument("--budget", type=int, help="of the stack, bytes")
    parser.add_argument("--idle", type=int, default=0, help="SPI clocks between two bytes")
    parser.add_argument("--baudrate", type=int, help="ask for this, and lift clk_peri")
    parser.add_argument("--size", type=int, default=500000, help="bytes to send and to receive")
    parser.add_argument("--echoes", type=int, default=100)
    parser.add_argument("--only", default="ping,heap,tcp,udp")
    parser.add_argument("--json", action="store_true", help="one line, when all is measured")
    args = parser.parse_args()
    uf2 = args.uf2 or ROOT / "build" / args.board / "firmware.uf2"
    board = Board(uf2, pico.make_chip(args.chip or pico.CHIPS[args.board]), args.idle)
    if args.baudrate:
        if args.baudrate > 24000000:
            board.run("import machine; machine.freq(125000000, 125000000)")
        board.run("import board; board.SPI_HZ = %d" % args.baudrate)
    if args.budget:
        board.run("import board; board.BUDGET = %d" % args.budget)
    found = {}
    for name, value in figures(board, args):
        found[name] = value
        if not args.json:
            print(LINES[name] % value, flush=True)
    if args.json:
        print(json.dumps(dict(found, complaints=board.chip.complaints)))
    for text in board.chip.complaints:
        print("the chip complains:", text, file=sys.stderr)


if __name__ == "__main__":
    main()
