"""A board with an RP2040 on rp2040py, the emulator that counts cycles, with a console and a wire.

    python tests/hw/emulator/pico.py W5500_EVB_PICO [--tcp-port N | --pty] [--net tap:NAME]
                                                    [--flash FILE] [--control]

Emulated time never runs ahead of the clock on the wall, so that the board's timers and those of a
real peer agree; where the emulator is the slower of the two, the board is slower than a real one.
"""

import argparse
import importlib
import json
import os
import pathlib
import pty
import random
import select
import signal
import socket
import sys
import time
import tty

from core1 import Core1

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent

_ROSC = 0x40060  # its address, as rp2040py names peripherals
_PACE_NS = 1000000  # how often emulated time looks at the clock, and at what has come


# What is on the pins, if nothing is named; None: a bare processor, with its stack's loopback.
CHIPS = {
    "W5500_EVB_PICO": "w5500",
    "W5100S_EVB_PICO": "w5100s",
    "RPI_PICO": None,
    "RPI_PICO_W": "cyw43",
}
KINDS = ("w5500", "w5100s", "enc28j60")


def make_chip(kind):
    """An emulated chip, by the name of its module."""
    return getattr(importlib.import_module(kind), kind.upper())()


class Console:
    """The host's end of the board's USB serial port.

    rp2040py answers a board that waits for input with nothing, again and again: 37,000 interrupts
    a second, and an idle board would never idle. Here the board waits until there is input."""

    def __init__(self, mcu):
        from rp2040py.usb.cdc import USBCDC

        self.received = bytearray()  # by the host
        self._cdc = USBCDC(mcu.usb_ctrl)
        self._usb = mcu.usb_ctrl
        self._cdc.on_serial_data = self.received.extend
        self._pending = bytearray()  # for the board
        self._wanted = None  # (endpoint, most bytes), when the board waits
        self._usual = self._usb.on_endpoint_read
        self._usb.on_endpoint_read = self._read
        reset = self._usb.on_reset
        self._usb.on_reset = lambda: (reset(), self._dropped())

    def _dropped(self):
        self._wanted = None
        self._pending.clear()

    def _read(self, endpoint, size):
        if endpoint != self._cdc._out_endpoint:
            self._usual(endpoint, size)
            return
        self._wanted = endpoint, size
        self._feed()

    def _feed(self):
        if self._wanted and self._pending:
            endpoint, size = self._wanted
            self._wanted = None
            data = bytes(self._pending[:size])
            del self._pending[:size]
            self._usb.endpoint_read_done(endpoint, data)

    def send(self, data):
        """Bytes typed at the host."""
        self._pending += data
        self._feed()

    @property
    def full(self):
        return len(self._pending) > 4096


class Serial:
    """The console on a pseudo terminal or a TCP port, one client at a time."""

    def __init__(self, console, tcp_port=None):
        self.console = console
        self._server = self._fd = self._client = None
        if tcp_port is None:
            self._fd, slave = pty.openpty()  # the slave stays open: clients come and go
            tty.setraw(slave)
            os.set_blocking(self._fd, False)
            self.url = os.ttyname(slave)
        else:
            self._server = socket.create_server(("127.0.0.1", tcp_port))
            self._server.setblocking(False)
            self.url = "socket://127.0.0.1:%d" % self._server.getsockname()[1]

    def readable(self):
        fds = [self._fd] if self._fd is not None else [self._server]
        if self._client:
            fds.append(self._client)
        return [] if self.console.full else fds

    def poll(self):
        """Move what there is, either way; what one client has typed, before the next one comes."""
        console = self.console
        while not console.full:
            data = self._read()
            if not data:
                break
            console.send(data)
        if self._server and not console.full:
            self._accept()
        if console.received:
            del console.received[: self._write(console.received)]

    def _accept(self):
        try:
            client, _ = self._server.accept()
        except BlockingIOError:
            return
        if self._client:  # the last one has gone, or its connection is of no more use
            self._client.close()
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client

    def _read(self):
        try:
            if self._fd is not None:
                return os.read(self._fd, 4096)
            if self._client is None:
                return b""
            data = self._client.recv(4096)
            if not data:
                self._hang_up()
            return data
        except BlockingIOError:
            return b""
        except OSError:
            self._hang_up()
            return b""

    def _write(self, data):
        """How many bytes are done with. Nobody there: they are lost, as on a real port."""
        try:
            if self._fd is not None:
                return os.write(self._fd, data)
            return self._client.send(data) if self._client else len(data)
        except BlockingIOError:
            return 0
        except OSError:  # it has gone, which is seen when all is read that it had to say
            return len(data)

    def _hang_up(self):
        if self._client:
            self._client.close()
            self._client = None


class Wire:
    """The cable between the board's Ethernet chip and a TAP: each frame takes its time on it."""

    _EXTRA = 24  # preamble, FCS and gap

    def __init__(self, chip, clock, tap):
        self._chip = chip
        self._byte_ns = 8000 // getattr(chip, "speed", 100)
        self._fd = open_tap(tap)
        self._busy = False
        self._frame = None
        self._alarm = clock.create_alarm(self._arrived)
        chip.transmit = self._transmit

    def readable(self):
        return [] if self._busy else [self._fd]

    def poll(self):
        if not self._busy:
            self._next()

    def _next(self):
        try:
            self._frame = os.read(self._fd, 65536)
        except OSError:  # nothing, or the TAP is down
            self._busy = False
            return
        self._busy = True
        self._alarm.schedule((max(len(self._frame), 60) + self._EXTRA) * self._byte_ns)

    def _arrived(self):
        self._chip.receive(self._frame)
        self._next()

    def _transmit(self, frame):
        try:
            os.write(self._fd, frame)
        except OSError:  # the TAP is down or its queue full: lost, as on a cable
            pass


class Control:
    """What happens to the board, said by lines on stdin; each is answered by a line of JSON: what
    the chip has counted, the emulated time, and how often the board has begun.

        state               nothing
        <fault> <value>     one of chip.py's, the value in JSON
        power_cut           the chip's supply dips
        overrun <n>         so many frames of full length at once
        cut <n>             the board's power is gone in the middle of its n-th change to flash
    """

    _COUNTS = ("overruns", "filtered", "frames_in", "frames_out", "resets", "complaints")
    _FAULTS = ("stuck", "link", "mute_int", "lie", "stall")

    def __init__(self, chip, pico, flash):
        self._chip = chip
        self._pico = pico
        self._flash = flash
        self._line = b""
        os.set_blocking(0, False)

    def readable(self):
        return [0]

    def poll(self):
        try:
            data = os.read(0, 4096)
        except BlockingIOError:
            return
        if not data:
            sys.exit(0)  # who has started it is gone
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._obey(*line.decode().split())
            print("state", json.dumps(self._state()), flush=True)

    def _obey(self, name, value="null"):
        value = json.loads(value)
        if name == "power_cut":
            self._chip.power_cut()
        elif name == "overrun":
            frame = b"\xff" * 6 + b"\2\0\0\0\0\1\x88\xb5" + bytes(1500)
            for _ in range(value):
                self._chip.receive(frame)
        elif name == "cut":
            self._flash.left = value
        elif name in self._FAULTS:
            setattr(self._chip, name, value)
        elif name != "state":
            raise ValueError("unknown: " + name)

    def _state(self):
        state = {name: getattr(self._chip, name) for name in self._COUNTS} if self._chip else {}
        return dict(state, ns=int(self._pico.clock.nanos), boots=self._pico.boots)


class Flash:
    """The board's flash in a file: what was written outlives the board, as far as it was."""

    _ERASE = {0x20: 4096, 0xD8: 65536}  # JEDEC's SECTOR ERASE and BLOCK ERASE
    _PROGRAM = 0x02

    def __init__(self, mcu, path):
        self.left = None  # changes until the power is gone
        self._flash = mcu.flash
        self._ssi = mcu.ssi
        self._apply = mcu.ssi._apply_command
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if os.fstat(self._file).st_size:
            data = os.pread(self._file, len(mcu.flash), 0)
            mcu.flash[: len(data)] = data
        else:
            os.pwrite(self._file, bytes(mcu.flash[: 2 << 20]), 0)
        mcu.ssi._apply_command = self._command

    def _command(self):
        code = self._ssi._tx_buffer[0] if self._ssi._tx_buffer else None
        size = 256 if code == self._PROGRAM else self._ERASE.get(code)
        if not size:
            self._apply()
            return
        at = self._ssi._address_from_buffer() & -size
        before = bytes(self._flash[at : at + size])
        self._apply()
        after = bytes(self._flash[at : at + size])
        if after == before:
            return
        if self.left is not None:
            self.left -= 1
            if self.left < 0:  # half of it is done
                os.pwrite(self._file, after[: size // 2] + before[size // 2 :], at)
                os.kill(os.getpid(), signal.SIGKILL)
        os.pwrite(self._file, after, at)


def open_tap(name):
    import fcntl
    import struct

    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(
        fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1002)
    )  # IFF_TAP, IFF_NO_PI
    return fd


def ring_oscillator(mcu):
    """The source of random bits, which rp2040py lacks: RP2040 datasheet 2.17.8, RANDOMBIT."""
    from rp2040py.peripherals.peripheral import UnimplementedPeripheral

    class RingOscillator(UnimplementedPeripheral):
        def read_uint32(self, offset):
            if offset == 0x1C:
                return random.getrandbits(1)
            return super().read_uint32(offset)

    return RingOscillator(mcu, "ROSC")


class Pico:
    """The processor with what is on its pins, running firmware."""

    def __init__(self, uf2, devices=()):
        from rp2040py.device.bootrom import BOOTROM_B1
        from rp2040py.device.load_flash import load_uf2
        from rp2040py.external import attach_external_devices
        from rp2040py.memory_map import FLASH_START_ADDRESS
        from rp2040py.rp2040 import RP2040
        from rp2040py.simulator import Simulator
        from rp2040py.utils.logging import ConsoleLogger, LogLevel

        self.simulator = Simulator(rp2040=RP2040())
        self.mcu = self.simulator.rp2040
        self.clock = self.simulator.clock
        self.mcu.logger = ConsoleLogger(LogLevel.ERROR)
        self.mcu.load_bootrom(BOOTROM_B1)
        load_uf2(pathlib.Path(uf2), self.mcu)
        self.mcu.peripherals[_ROSC] = ring_oscillator(self.mcu)
        self.core1 = Core1(self.mcu)
        attach_external_devices(self.mcu, *devices)
        self.console = Console(self.mcu)
        self.boots = 1
        self.mcu.watchdog.on_watchdog_trigger = self._reset
        self.mcu.core.pc = FLASH_START_ADDRESS
        self.simulator.stopped = False

    def _reset(self):
        """machine.reset(): the watchdog's doing; what is in flash stays."""
        self.boots += 1
        self.mcu.enter_reset(from_watchdog=True)
        self.mcu.leave_reset()
        self.core1.reset()

    def run(self):
        """A few milliseconds of the host's time, or until it has to be asked for more."""
        from rp2040py.execute_batch import execute_batch

        execute_batch(self.simulator, 1)


class Pacer:
    """Keeps emulated time from running ahead of real time, and polls what the host has to say."""

    def __init__(self, pico, parts):
        self._clock = pico.clock
        self._parts = parts
        self._alarm = pico.clock.create_alarm(self._pace)
        self._began = time.monotonic_ns() - int(pico.clock.nanos)
        self._alarm.schedule(_PACE_NS)

    def _pace(self):
        ahead = self._clock.nanos - (time.monotonic_ns() - self._began)
        if ahead < 0:
            self._began -= int(ahead)  # time that was lost is not made up for
            ahead = 0
        fds = [fd for part in self._parts for fd in part.readable()]
        select.select(fds, (), (), ahead / 1e9)
        for part in self._parts:
            part.poll()
        self._alarm.schedule(_PACE_NS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("board", choices=sorted(CHIPS))
    parser.add_argument("--uf2", help="default: build/<board>/firmware.uf2")
    parser.add_argument("--chip", choices=KINDS, help="what is on SPI 0, if not the board's own")
    parser.add_argument("--tcp-port", type=int, help="console on this port, 0: a free one")
    parser.add_argument("--pty", action="store_true", help="console as a pseudo terminal")
    parser.add_argument("--net", help="tap:NAME, an existing TAP; default: nothing is plugged in")
    parser.add_argument(
        "--flash", help="a file that keeps what is in flash; made if it is not there"
    )
    parser.add_argument(
        "--control", action="store_true", help="faults by lines on stdin: class Control"
    )
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    kind = args.chip or CHIPS[args.board]
    chip = make_chip(kind) if kind else None
    devices = []
    if chip:
        from wiring import Wiring

        chip.link = bool(args.net)
        devices.append(chip if hasattr(chip, "attach") else Wiring(chip))
    pico = Pico(args.uf2 or ROOT / "build" / args.board / "firmware.uf2", devices)
    flash = Flash(pico.mcu, args.flash) if args.flash else None
    parts = [Serial(pico.console, None if args.pty else args.tcp_port or 0)]
    if chip and args.net:
        parts.append(Wire(chip, pico.clock, args.net.partition(":")[2]))
    if args.control:
        parts.append(Control(chip, pico, flash))
    print(
        "%s runs; mpremote connect %s repl; Ctrl-C stops it" % (args.board, parts[0].url),
        flush=True,
    )
    Pacer(pico, parts)
    try:
        while True:
            pico.run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
