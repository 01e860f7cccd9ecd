"""An emulated chip on rp2040py's SPI, interrupt and reset pins: an ExternalDevice for its boards.

rp2040py accounts no time for SPI and takes clk_peri for a constant. Here each byte takes as long
as the clock does that the firmware has set, by CLK_PERI_CTRL and the SPI's own divisors, and
`idle` more of its cycles, as slow masters leave between two bytes. Output pins, which rp2040py
reads back as 0, read what they are.
"""

from rp2040py.gpio_pin import GPIOPinState

# RP2040 datasheet 2.15.7, CLK_PERI_CTRL: AUXSRC, bits 5 to 7. PLLs and clk_sys as MicroPython sets
# them; the crystal's and the ring oscillator's frequency otherwise.
_AUXSRC = {0: 125e6, 1: 125e6, 2: 48e6, 3: 6.5e6, 4: 12e6}


def clock_hz(rp2040, spi):
    """What is really on the clock line."""
    divisor = spi._clock_divisor * (1 + (spi._control0 >> 8 & 0xFF))
    source = _AUXSRC.get(rp2040.clocks.peri_ctrl >> 5 & 7, 125e6)
    return source / divisor if divisor else 0


class Wiring:
    def __init__(self, chip, spi=0, cs=17, reset=20, interrupt=21, idle=0):
        self.chip = chip
        self.idle = idle
        self._spi = spi
        self._pins = cs, reset, interrupt
        self.bytes = 0  # moved while the chip was selected
        self.busy_ns = 0  # what they have taken

    def attach(self, rp2040):
        self.rp2040 = rp2040
        self.spi = spi = rp2040.spi[self._spi]
        cs, reset, interrupt = self._pins
        chip = self.chip
        clock = rp2040.clock
        self._clock = clock
        self._answer = 0
        self._alarm = clock.create_alarm(self._done)
        self._free = []  # alarms for chip.after()
        self._key = None
        spi.on_transmit = self._transmit
        chip.after = self._after
        self._int = rp2040.gpio[interrupt]
        self._int.set_input_value(True)
        chip.on_int = self._on_int
        self._watch(rp2040.gpio[cs], lambda level: chip.select(not level))
        self._watch(rp2040.gpio[reset], chip.reset_line)
        chip.power_on()  # once more, now that there is time

    def _watch(self, pin, do):
        def changed(state, old):
            level = state in (GPIOPinState.HIGH, GPIOPinState.INPUT_PULL_UP, GPIOPinState.INPUT)
            if state in (GPIOPinState.LOW, GPIOPinState.HIGH):
                pin.set_input_value(level)
            do(int(level))

        pin.add_listener(changed)

    def _on_int(self, level):
        self._int.set_input_value(bool(level))

    def _transmit(self, value):
        spi = self.spi
        key = (spi._clock_divisor, spi._control0, self.rp2040.clocks.peri_ctrl)
        if key != self._key:
            hz = clock_hz(self.rp2040, spi) or 1e6
            self._ns = (spi.data_bits + self.idle) * 1e9 / hz
            self._key = key
        chip = self.chip
        if chip.selected:
            self.bytes += 1
            self.busy_ns += self._ns
        self._answer = chip.transfer(value)
        self._alarm.schedule(self._ns)

    def _done(self):
        self.spi.complete_transmit(self._answer)

    def _after(self, ns, do):
        if not self._free:
            alarm = None

            def ring():
                job = jobs.pop()
                self._free.append((alarm, jobs))
                job()

            jobs = []
            alarm = self._clock.create_alarm(ring)
        else:
            alarm, jobs = self._free.pop()
        jobs.append(do)
        alarm.schedule(ns)
