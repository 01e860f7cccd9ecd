"""The RP2040's second core, which rp2040py leaves out (RP2040 datasheet 2.3, 2.8.2).

It is one more of rp2040py's processors on the same bus. From power-on it runs the bootrom, sleeps
there, and goes where core 0 sends it; core 0 resets it by the PSM. Its own are NVIC, SysTick,
divider, interpolators and one end of the FIFOs; spinlocks, pins and peripherals are shared. Each
core's SEV wakes the other.

While it is awake, an alarm runs it for as many cycles as core 0 has had time for: emulated time
stands still meanwhile, and is the same in each run. While it sleeps, nothing is done for it.
"""

from types import SimpleNamespace

_SLICE = 64  # cycles
_SLICE_NS = _SLICE * 8  # at 125 MHz, which rp2040py takes it to be

_FIFO_ST, _FIFO_WR, _FIFO_RD = 0x50, 0x54, 0x58
_VLD, _RDY, _WOF, _ROE = 1, 2, 4, 8
_DEPTH = 8
_OWN = range(0x60, 0x100)  # SIO's divider and interpolators
_SIO_IRQ = 15  # core 0's, the next is core 1's
_OTHERS = (1 << 26) - 1 & ~(3 << _SIO_IRQ)  # lines that both cores have
_FRCE_OFF, _PROC1 = 0x4, 1 << 16
_WFE = 0xBF20


class End:
    """A core's end of the FIFOs."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.words = []  # for this core
        self.errors = 0  # _WOF, _ROE


class Core1:
    def __init__(self, mcu):
        from rp2040py.cortex_m0_core import CortexM0Core
        from rp2040py.peripherals.ppb import RPPPB
        from rp2040py.sio import RPSIO

        self.core = CortexM0Core(mcu)
        self.active = False  # it is its turn
        self._mcu = mcu
        self._cores = mcu.core, self.core
        self._ends = End(), End()
        self._left = 0  # cycles that are still its own; negative: it has had them already
        self._going = False
        self._alarm = mcu.clock.create_alarm(self._run)
        own = SimpleNamespace(
            core=self.core, clock=mcu.clock, clk_sys=mcu.clk_sys, logger=mcu.logger
        )
        self._ppb = RPPPB(own, "PPB1")
        self._share_ppb(mcu.ppb)
        self._share_sio(mcu.sio, RPSIO(own))
        self._watch_psm(mcu.psm)
        mcu.set_interrupt = self._set_interrupt
        mcu.logger.info = self._info
        self.reset()

    def reset(self):
        """Both cores have been reset: core 0 by rp2040py."""
        for end in self._ends:
            end.clear()
        self._interrupts()
        self._boot()

    def _boot(self):
        self._stop()
        self.core.waiting = False
        self.core.pending_interrupts = self._mcu.core.pending_interrupts & _OTHERS
        self._interrupts()
        self._wake()

    def _stop(self):
        """Held in reset."""
        self._alarm.cancel()
        self._going = False
        self._left = 0
        self._ppb.reset()
        self.core.reset()
        self.core.waiting = True

    def _run(self):
        core = self.core
        step = core.execute_instruction
        left = self._left + _SLICE
        self.active = True
        while left > 0 and not core.waiting:
            left -= step()
        self.active = False
        self._going = not core.waiting
        if self._going:
            self._left = left
            self._alarm.schedule(_SLICE_NS)
        else:
            self._left = 0

    def _wake(self):
        if not (self._going or self.active or self.core.waiting):
            self._going = True
            self._alarm.schedule(_SLICE_NS)

    # -- Interrupts and events

    def _set_interrupt(self, irq, value):
        """A line that both cores have."""
        for core in self._cores:
            core.set_interrupt(irq, value)
        self._wake()

    def _interrupts(self):
        """SIO_IRQ_PROC0 and SIO_IRQ_PROC1."""
        for i, (core, end) in enumerate(zip(self._cores, self._ends)):
            core.set_interrupt(_SIO_IRQ + i, bool(end.words or end.errors))
        self._wake()

    def _info(self, _, text):
        """rp2040py's log is where a core says SEV: the event is the other core's too."""
        if text != "SEV":
            return
        other = self._cores[not self.active]
        if other.waiting and self._mcu.read_uint16(other.pc - 2) == _WFE:
            other.waiting = False
            self._wake()
        else:
            other.event_registered = True

    # -- Registers

    def _share_ppb(self, ppb):
        read, write = ppb.read_uint32, ppb.write_uint32
        own = self._ppb
        ppb.read_uint32 = lambda at: (own.read_uint32 if self.active else read)(at)
        ppb.write_uint32 = lambda at, value: (own.write_uint32 if self.active else write)(
            at, value
        )

    def _share_sio(self, sio, own):
        usual_read, usual_write = sio.read_uint32, sio.write_uint32

        def read(at):
            if _FIFO_ST <= at <= _FIFO_RD:
                return self._read_fifo(at)
            if self.active:
                if at == 0:  # CPUID
                    return 1
                if at in _OWN:
                    return own.read_uint32(at)
            return usual_read(at)

        def write(at, value):
            if _FIFO_ST <= at <= _FIFO_RD:
                self._write_fifo(at, value)
            elif self.active and at in _OWN:
                own.write_uint32(at, value)
            else:
                usual_write(at, value)

        sio.read_uint32, sio.write_uint32 = read, write

    def _read_fifo(self, at):
        end = self._ends[self.active]
        other = self._ends[not self.active]
        if at == _FIFO_ST:
            return bool(end.words) | (len(other.words) < _DEPTH) << 1 | end.errors
        value = 0
        if at == _FIFO_RD:
            if end.words:
                value = end.words.pop(0)
            else:
                end.errors |= _ROE
            self._interrupts()
        return value

    def _write_fifo(self, at, value):
        end = self._ends[self.active]
        other = self._ends[not self.active]
        if at == _FIFO_ST:
            end.errors &= ~value
        elif at == _FIFO_WR:
            if len(other.words) < _DEPTH:
                other.words.append(value & 0xFFFFFFFF)
            else:
                end.errors |= _WOF
        self._interrupts()

    def _watch_psm(self, psm):
        usual = psm.write_uint32

        def write(at, value):
            before = psm.read_uint32(_FRCE_OFF) & _PROC1
            usual(at, value)
            after = psm.read_uint32(_FRCE_OFF) & _PROC1
            if after > before:
                self._stop()
            elif before > after:
                self._boot()

        psm.write_uint32 = write
