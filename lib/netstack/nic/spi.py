# A chip on an SPI bus: its transactions, and the memory that frames pass through.
#
#   small          up to 8 bytes of a transaction; what is begun sends the first three of them
#   exchange(n)    n bytes of `small` out, what comes back in their place
#   rows           transactions of eight bytes each: how many go out, 4 or 5, those, and the two,
#                  or the one, that come back behind the third
#   series(first, n)  n of them, one after the other
#   buf            place for two frames, and a short one behind them
#   begin_read(at, n, quiet)   three bytes, then n bytes into buf[at:]
#   begin_write(at, n, quiet)  three bytes, then buf[at : at + n], or what lies so far from
#                  it; quiet: on_end() is not told
#   busy()         does what was begun go on?
#   left()         about how many bytes of it
#   wait()         until it does not; 0 if it never ends
#   on_end(cb)     have cb called from the scheduler when what was begun has ended
#   soon           what is as short as this is as well waited for
#   tells          does on_end() do anything?
#   close()        give back what it has of the processor
#   nudge()        for callbacks: what was scheduled with them is not to wait for another event
#
# On an RP2040 or RP2350 spi_rp2.py has the same by DMA, so that the stack works meanwhile. Here a
# transfer has ended when begin_...() returns.

import sys
from micropython import const

FRAME = const(1536)  # the longest frame, what stands before it, and what words are longer
BRIEF = const(132)
ROWS = const(12)
_SMALL = const(8)
_PART = const(1024)


def bus(spi, cs):
    """The bus for a chip at a machine.SPI with its chip select at a machine.Pin."""
    if sys.platform == "rp2":
        from netstack.nic import spi_rp2

        return spi_rp2.Bus(spi, cs)
    return Bus(spi, cs)


def own_mac():
    """A locally administered address: the chip has none, the processor has a number."""
    import machine

    number = machine.unique_id()
    return b"\x02" + bytes(5 - min(len(number), 5)) + bytes(number[-5:])


class Bus:
    tells = False
    soon = FRAME

    def __init__(self, spi, cs):
        self.spi = spi
        self.cs = cs
        cs.init(cs.OUT, value=1)
        self.small = bytearray(_SMALL)
        self.rows = bytearray(8 * ROWS)
        self.buf = bytearray(2 * FRAME + BRIEF)
        # A transfer takes a whole buffer, and a slice for each would allocate: one of some length
        # is made of parts whose lengths are powers of two.
        self._small = [memoryview(self.small)[:n] for n in range(_SMALL + 1)]
        part = memoryview(bytearray(_PART))
        self._parts = [part[: 1 << k] for k in range(11)]

    def exchange(self, n):
        small = self._small[n]
        self.cs(0)
        self.spi.write_readinto(small, small)
        self.cs(1)

    def series(self, first, n):
        at = 8 * first
        end = at + 8 * n
        while at < end:
            n = self.rows[at]
            _copy(self.small, 0, self.rows, at + 1, n)
            self.exchange(n)
            _copy(self.rows, at + 6, self.small, 3, n - 3)
            at += 8

    def begin_read(self, at, n, quiet):
        self.cs(0)
        self.spi.write(self._small[3])
        k = 10
        while n:
            size = 1 << k
            if size <= n:
                part = self._parts[k]
                self.spi.readinto(part)
                _copy(self.buf, at, part, 0, size)
                at += size
                n -= size
            else:
                k -= 1
        self.cs(1)

    def begin_write(self, at, n, quiet):
        self.cs(0)
        self.spi.write(self._small[3])
        k = 10
        while n:
            size = 1 << k
            if size <= n:
                part = self._parts[k]
                _copy(part, 0, self.buf, at, size)
                self.spi.write(part)
                at += size
                n -= size
            else:
                k -= 1
        self.cs(1)

    def busy(self):
        return 0

    left = busy

    def wait(self):
        return 1

    def on_end(self, cb):
        pass

    def nudge(self):
        pass

    def close(self):
        pass


@micropython.viper
def _copy(to: ptr8, i: int, source: ptr8, j: int, n: int):
    end = i + n
    while i < end:
        to[i] = source[j]
        i += 1
        j += 1
