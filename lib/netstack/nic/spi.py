# A chip on an SPI bus: its transactions, and the memory that frames pass through.
#
#   small          up to 8 bytes of a transaction; what is begun sends the first three of them
#   exchange(n)    n bytes of `small` out, what comes back in their place
#   exchange_both(n, m)  the same, and then another transaction of m bytes of `second`
#   begin_read(at, n)   three bytes, then n bytes into rx[at:]
#   begin_write(at, n)  three bytes, then tx[at : at + n]; tx holds `frames` frames
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

HALF = const(1536)  # the longest frame, and what stands before it
_SMALL = const(8)
_PART = const(1024)


def bus(spi, cs, frames=1):
    """The bus for a chip at a machine.SPI with its chip select at a machine.Pin."""
    if sys.platform == "rp2":
        from netstack.nic import spi_rp2

        return spi_rp2.Bus(spi, cs, frames)
    return Bus(spi, cs, frames)


def own_mac():
    """A locally administered address: the chip has none, the processor has a number."""
    import machine

    number = machine.unique_id()
    return b"\x02" + bytes(5 - min(len(number), 5)) + bytes(number[-5:])


class Bus:
    tells = False
    soon = HALF

    def __init__(self, spi, cs, frames):
        self.spi = spi
        self.cs = cs
        cs.init(cs.OUT, value=1)
        self.small = bytearray(_SMALL)
        self.second = bytearray(_SMALL)
        self.rx = bytearray(2 * HALF)
        self.tx = bytearray(frames * HALF)
        # A transfer takes a whole buffer, and a slice for each would allocate: one of some length
        # is made of parts whose lengths are powers of two.
        self._small = [memoryview(self.small)[:n] for n in range(_SMALL + 1)]
        self._second = [memoryview(self.second)[:n] for n in range(_SMALL + 1)]
        part = memoryview(bytearray(_PART))
        self._parts = [part[: 1 << k] for k in range(11)]

    def exchange(self, n):
        self._exchange(self._small[n])

    def exchange_both(self, n, m):
        self._exchange(self._small[n])
        self._exchange(self._second[m])

    def _exchange(self, part):
        self.cs(0)
        self.spi.write_readinto(part, part)
        self.cs(1)

    def begin_read(self, at, n):
        self.cs(0)
        self.spi.write(self._small[3])
        k = 10
        while n:
            size = 1 << k
            if size <= n:
                part = self._parts[k]
                self.spi.readinto(part)
                _copy(self.rx, at, part, 0, size)
                at += size
                n -= size
            else:
                k -= 1
        self.cs(1)

    def begin_write(self, at, n):
        self.cs(0)
        self.spi.write(self._small[3])
        k = 10
        while n:
            size = 1 << k
            if size <= n:
                part = self._parts[k]
                _copy(part, 0, self.tx, at, size)
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
