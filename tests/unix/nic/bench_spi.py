"""machine.SPI and machine.Pin over an emulated chip of tests/hw/emulator: wires, nothing else."""

import sys

sys.path.append("tests/hw/emulator")


class SPI:
    def __init__(self, chip):
        self.chip = chip

    def write(self, buf):
        for byte in buf:
            self.chip.transfer(byte)

    def readinto(self, buf, byte=0):
        for i in range(len(buf)):
            buf[i] = self.chip.transfer(byte)

    def write_readinto(self, out, into):
        for i in range(len(out)):
            into[i] = self.chip.transfer(out[i])

    def __str__(self):
        return "SPI(0, sck=18, mosi=19, miso=16)"


class Pin:
    IN = 0
    OUT = 1
    PULL_UP = 1
    IRQ_FALLING = 4

    def __init__(self, name, changed=None):
        self.name = name
        self.changed = changed
        self.level = 1
        self.handler = None

    def init(self, mode, pull=None, value=None):
        if value is not None:
            self(value)

    def __call__(self, level=None):
        if level is None:
            return self.level
        self.level = level
        if self.changed:
            self.changed(level)

    def drive(self, level):
        """From the other end of the wire."""
        fell = self.level and not level
        self.level = level
        if fell and self.handler:
            self.handler(self)

    def irq(self, handler, trigger):
        self.handler = handler

    def __str__(self):
        return "Pin(%s)" % self.name


class Later:
    """Time for a chip: what it puts off happens when advance() gets there."""

    def __init__(self):
        self.now = 0
        self.jobs = []

    def after(self, ns, do):
        self.jobs.append((self.now + ns, do))

    def advance(self, ns):
        end = self.now + ns
        while True:
            due = [job for job in self.jobs if job[0] <= end]
            if not due:
                break
            job = min(due, key=lambda each: each[0])
            self.jobs.remove(job)
            self.now = job[0]
            job[1]()
        self.now = end


def wire(chip):
    """An SPI, and pins by name, that lead to this chip."""
    pins = {
        "cs": Pin("GPIO17", lambda level: chip.select(not level)),
        "reset": Pin("GPIO20", chip.reset_line),
        "interrupt": Pin("GPIO21"),
    }
    chip.on_int = pins["interrupt"].drive
    return SPI(chip), pins


MAC = b"\x02\x00\x00\x00\x00\x05"
OTHER = b"\x02\x00\x00\x00\x00\x09"


def joined(chip, driver, line):
    """A chip, what it sends kept in `sent`, and the driver that has it; without an interrupt line
    unless `line`."""
    spi, pins = wire(chip)
    if not line:
        del pins["interrupt"]
    nic = driver(spi, mac=MAC, **pins)
    chip.sent = []
    chip.transmit = chip.sent.append
    return chip, nic


def frame(n, to=MAC, seed=0):
    return to + OTHER + b"\x08\x00" + bytes((i * 7 + seed) & 0xFF for i in range(n - 14))


def drain(nic):
    got = []
    buf = bytearray(1640)
    while True:
        n = nic.recv(buf, 2)
        if n == 0:
            return got
        got.append(bytes(buf[2 : 2 + abs(n)]))
