# SPI by its registers and by DMA, RP2040 and RP2350: what spi.py describes, none of it waiting for
# bulk data, and a register of a chip read in five microseconds. machine.SPI has set up pins, mode
# and clock, and DMA requests are on. RP2040 datasheet 2.5 (DMA), 4.4 (PL022), 2.3.1.7 (SIO);
# RP2350's 12.6, 12.3, 3.1.11.

import sys
from _rp2 import DMA
from array import array
from micropython import const
from netstack.core.wire import where
from netstack.nic.spi import BRIEF, FRAME, ROWS

_SMALL = const(8)  # what the FIFOs hold

# Words
_SPI = const(0)  # base address
_CS_HIGH = const(1)  # where SIO sets pins, and clears them
_CS_LOW = const(2)
_CS = const(3)  # the pin's bit
_IN = const(4)  # its channel's registers, and those of the channel that feeds the SPI
_OUT = const(5)
_CTRL_IN = const(6)  # CTRL for: into memory, into nowhere, out of memory, zeros
_CTRL_SINK = const(7)
_CTRL_OUT = const(8)
_CTRL_ZERO = const(9)
_BUSY = const(10)  # the bit of CTRL
_BUF = const(11)
_HEAD = const(12)
_NOWHERE = const(13)  # the address of this array's last word, 0
_ABORT = const(14)  # where channels are stopped, and the bits of these two
_BOTH = const(15)
_ICSR = const(16)
_QUIET = const(17)  # the bit of CTRL that has a channel end without an interrupt
_ROWS = const(18)
_ZERO = const(19)

# Registers of the SPI, and of a DMA channel, in words
_DR = const(2)
_SR = const(3)
_RNE = const(4)
_BSY = const(0x10)
_READ = const(0)
_WRITE = const(1)
_COUNT = const(2)
_TRIG = const(3)
_PATIENCE = const(2000000)  # turns: some 100 ms


class Bus:
    tells = True
    soon = 128

    def __init__(self, spi, cs):
        cs.init(cs.OUT, value=1)
        self._keep = spi, cs
        self.small = bytearray(_SMALL)
        self.rows = bytearray(8 * ROWS)
        self.buf = bytearray(2 * FRAME + BRIEF)
        number = _number(str(spi))  # SPI(0, ...
        pin = _number(str(cs))  # Pin(GPIO17, ...
        self._in = DMA()
        self._out = DMA()
        self.words = w = array("I", bytes(4 * (_ZERO + 1)))
        two = "RP2350" in sys.implementation._machine
        if two:
            w[_SPI] = (0x40080000, 0x40088000)[number]
            w[_CS_HIGH], w[_CS_LOW] = 0xD0000018, 0xD0000020
            request = 24 + 2 * number
            w[_BUSY] = 1 << 26
            w[_ABORT] = 0x50000464
        else:
            w[_SPI] = (0x4003C000, 0x40040000)[number]
            w[_CS_HIGH], w[_CS_LOW] = 0xD0000014, 0xD0000018
            request = 16 + 2 * number
            w[_BUSY] = 1 << 24
            w[_ABORT] = 0x50000444
        w[_CS] = 1 << pin
        w[_IN] = 0x50000000 + 0x40 * self._in.channel
        w[_OUT] = 0x50000000 + 0x40 * self._out.channel
        w[_ICSR] = 0xE000ED04
        w[_BOTH] = 1 << self._in.channel | 1 << self._out.channel
        w[_CTRL_IN] = self._ctrl(self._in, request + 1, inc_read=False, irq_quiet=False)
        w[_CTRL_SINK] = self._ctrl(
            self._in, request + 1, inc_read=False, inc_write=False, irq_quiet=False
        )
        w[_CTRL_OUT] = self._ctrl(self._out, request, inc_write=False)
        w[_CTRL_ZERO] = self._ctrl(self._out, request, inc_read=False, inc_write=False)
        w[_BUF], w[_HEAD] = where(self.buf), where(self.small)
        w[_QUIET] = 1 << (23 if two else 21)
        w[_ROWS] = where(self.rows)
        w[_NOWHERE] = where(w) + 4 * _ZERO
        self.exchange = _exchanger(where(w))
        self.series = _series(where(w))
        self.begin_read, self.begin_write = _beginners(where(w))
        self.busy, self.left, self.wait = _progress(where(w))
        self.nudge = _nudger(where(w)) if "RISCV" not in sys.implementation._machine else _rest

    def _ctrl(self, dma, request, **fields):
        return dma.pack_ctrl(size=0, treq_sel=request, **fields)

    def on_end(self, cb):
        self._in.irq(cb)

    def close(self):
        self._in.close()
        self._out.close()


def _number(text):
    """The first one in it."""
    at = 0
    while not text[at].isdigit():
        at += 1
    end = at
    while text[end].isdigit():
        end += 1
    return int(text[at:end])


# What Bus has, as closures: they are called for each frame.


def _exchanger(words):
    @micropython.viper
    def exchange(n: int):
        w = ptr32(int(words))
        spi = ptr32(w[_SPI])
        part = ptr8(w[_HEAD])
        pin = ptr32(w[_CS_LOW])
        pin[0] = w[_CS]
        i = 0
        while i < n:
            spi[_DR] = part[i]
            i += 1
        i = 0
        while i < n:
            turns = _PATIENCE
            while not spi[_SR] & _RNE and turns:
                turns -= 1
            part[i] = spi[_DR]
            i += 1
        pin = ptr32(w[_CS_HIGH])
        pin[0] = w[_CS]

    return exchange


def _series(words):
    @micropython.viper
    def series(first: int, n: int):
        w = ptr32(int(words))
        spi = ptr32(w[_SPI])
        low = ptr32(w[_CS_LOW])
        high = ptr32(w[_CS_HIGH])
        row = w[_ROWS] + (first << 3)
        end = row + (n << 3)
        while row < end:
            p = ptr8(row)
            low[0] = w[_CS]
            spi[_DR] = p[1]
            spi[_DR] = p[2]
            spi[_DR] = p[3]
            spi[_DR] = p[4]
            if p[0] == 5:
                spi[_DR] = p[5]
            turns = _PATIENCE
            while spi[_SR] & _BSY and turns:
                turns -= 1
            high[0] = w[_CS]
            turns = spi[_DR]
            turns = spi[_DR]
            turns = spi[_DR]
            p[6] = spi[_DR]
            if p[0] == 5:
                p[7] = spi[_DR]
            row += 8

    return series


def _beginners(words):
    """The chip is selected and sent its address, what comes back is dropped, and DMA begins."""

    @micropython.viper
    def begin_read(at: int, n: int, quiet: int):
        w = ptr32(int(words))
        spi = ptr32(w[_SPI])
        small = ptr8(w[_HEAD])
        pin = ptr32(w[_CS_LOW])
        pin[0] = w[_CS]
        spi[_DR] = small[0]
        spi[_DR] = small[1]
        spi[_DR] = small[2]
        turns = _PATIENCE
        while spi[_SR] & _BSY and turns:
            turns -= 1
        turns = spi[_DR]
        turns = spi[_DR]
        turns = spi[_DR]
        dma = ptr32(w[_IN])
        dma[_READ] = w[_SPI] + 8
        dma[_WRITE] = w[_BUF] + at
        dma[_COUNT] = n
        dma[_TRIG] = w[_CTRL_IN] | w[_QUIET] if quiet else w[_CTRL_IN]
        dma = ptr32(w[_OUT])
        dma[_READ] = w[_NOWHERE]
        dma[_WRITE] = w[_SPI] + 8
        dma[_COUNT] = n
        dma[_TRIG] = w[_CTRL_ZERO]

    @micropython.viper
    def begin_write(at: int, n: int, quiet: int):
        w = ptr32(int(words))
        spi = ptr32(w[_SPI])
        small = ptr8(w[_HEAD])
        pin = ptr32(w[_CS_LOW])
        pin[0] = w[_CS]
        spi[_DR] = small[0]
        spi[_DR] = small[1]
        spi[_DR] = small[2]
        turns = _PATIENCE
        while spi[_SR] & _BSY and turns:
            turns -= 1
        turns = spi[_DR]
        turns = spi[_DR]
        turns = spi[_DR]
        dma = ptr32(w[_IN])
        dma[_READ] = w[_SPI] + 8
        dma[_WRITE] = w[_NOWHERE]
        dma[_COUNT] = n
        dma[_TRIG] = w[_CTRL_SINK] | w[_QUIET] if quiet else w[_CTRL_SINK]
        dma = ptr32(w[_OUT])
        dma[_READ] = w[_BUF] + at
        dma[_WRITE] = w[_SPI] + 8
        dma[_COUNT] = n
        dma[_TRIG] = w[_CTRL_OUT]

    return begin_read, begin_write


def _progress(words):
    @micropython.viper
    def left() -> int:
        w = ptr32(int(words))
        dma = ptr32(w[_IN])
        return dma[_COUNT]

    @micropython.viper
    def busy() -> int:
        w = ptr32(int(words))
        dma = ptr32(w[_IN])
        return 1 if dma[_TRIG] & w[_BUSY] else 0

    @micropython.viper
    def wait() -> int:
        w = ptr32(int(words))
        dma = ptr32(w[_IN])
        bit = w[_BUSY]
        turns = _PATIENCE
        while dma[_TRIG] & bit and turns:
            turns -= 1
        pin = ptr32(w[_CS_HIGH])
        pin[0] = w[_CS]
        if turns:
            return 1
        dma = ptr32(w[_ABORT])  # the SPI asks for no more
        dma[0] = w[_BOTH]
        return 0

    return busy, left, wait


def _rest():
    """RP2350's RISC-V cores have no PendSV: there a callback may wait for the next event."""


def _nudger(words):
    @micropython.viper
    def nudge():
        """See that the processor does not sleep before what is scheduled has run: MicroPython runs
        one callback before it waits for an event, and others that came with it would wait for the
        next. The return from PendSV is one (ARMv6-M B1.5.18, B3.2.4)."""
        w = ptr32(int(words))
        icsr = ptr32(w[_ICSR])
        icsr[0] = 1 << 28

    return nudge
