"""WIZnet W5100S (datasheet 1.2) as an Ethernet chip; its own TCP/IP is not used.

    from machine import Pin, SPI
    from netstack.nic.w5100s import W5100S

    spi = SPI(0, 33_000_000, sck=Pin(18), mosi=Pin(19), miso=Pin(16))
    nic = W5100S(spi, cs=Pin(17), reset=Pin(20), interrupt=Pin(21))

`reset` and `interrupt` may be left out, as with a W5500 (w5500.py). How it is done: wiznet.py.

An SPI frame is an operation and an address of 16 bits, here one number, the operation highest. The
chip does not wrap addresses of its memory, 8 KB each way: what goes around the end is two frames.
"""

from micropython import const
from netstack.nic import wiznet
from netstack.nic.wiznet import S0_IMR, S0_MR

_WRITE = const(0xFF0000)  # what makes a write, 0xF0, of it
_MR = const(0x0F0000)
_SHAR = const(0x0F0009)
_IMR = const(0x0F0016)
_RMSR = const(0x0F001A)
_TMSR = const(0x0F001B)
_MR2 = const(0x0F0030)
_PHYSR = const(0x0F003C)
_VERR = const(0x0F0080)
_S0 = const(0x0F0400)
_S0_MR2 = const(0x2F)
_TX_MEMORY = const(0xF04000)
_RX_MEMORY = const(0x0F6000)

_ALL = const(0x03)  # socket 0 has 8 KB, and others what is left, nothing
_NO_PING = const(0x10)
_INTERRUPTS = const(0x40)  # of MR2: without it the line stays high
_MACRAW = const(0x04)
_FILTER = const(0x40)  # only what is for us, broadcast, and multicast of IP
_NO_MULTICAST4 = const(0x20)  # of S0_MR2
_NO_MULTICAST6 = const(0x10)
_RECEIVED = const(0x04)


class W5100S(wiznet.Wiznet):
    chip = "W5100S"
    SHIFT = 0
    MR = _MR
    SHAR = _SHAR
    PHY = _PHYSR
    VERSION = _VERR, 0x51
    S0 = _S0
    _LAYOUT = _WRITE, 0x1FFF, 0, _RX_MEMORY, _TX_MEMORY, 8192

    def _set_up(self):
        put = self._put
        put(_MR, _NO_PING)
        put(_RMSR, _ALL)
        put(_TMSR, _ALL)
        put(self._socket(S0_IMR), _RECEIVED)
        put(_IMR, 1)
        put(_MR2, _INTERRUPTS)

    def _set_mode(self):
        self._set = self._mode()
        own, multicast4, multicast6 = self._set
        self._put(self._socket(S0_MR), _MACRAW | own * _FILTER)
        blocked = (not multicast4) * _NO_MULTICAST4 | (not multicast6) * _NO_MULTICAST6
        self._put(self._socket(_S0_MR2), blocked)
