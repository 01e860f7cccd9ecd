"""WIZnet W5500 (datasheet 1.1.0) as an Ethernet chip; its own TCP/IP is not used.

    from machine import Pin, SPI
    from netstack.nic.w5500 import W5500

    spi = SPI(0, 33_000_000, sck=Pin(18), mosi=Pin(19), miso=Pin(16))
    nic = W5500(spi, cs=Pin(17), reset=Pin(20), interrupt=Pin(21))

`reset` and `interrupt` may be left out: then the chip is reset by its register, and looked at
every 5 ms. How it is done: wiznet.py.

A register is named by an address of 16 bits and a control byte (2.2.2), here one number, the
control byte lowest. The chip wraps addresses of its memory by itself.
"""

from micropython import const
from netstack.nic import wiznet
from netstack.nic.wiznet import S0_IMR, S0_MR

_MR = const(0x000000)
_SHAR = const(0x000900)
_INTLEVEL = const(0x001300)
_SIMR = const(0x001800)
_PHYCFGR = const(0x002E00)
_VERSIONR = const(0x003900)
_S0 = const(0x000008)
_RXBUF = const(0x1E)
_TXBUF = const(0x1F)
_SOCKET = const(0x20)  # from one socket's control byte to the next
_TX_MEMORY = const(0x14)
_RX_MEMORY = const(0x18)
_WRITE = const(0x04)

_NO_PING = const(0x10)
_MACRAW = const(0x04)
_FILTER = const(0x80)  # only what is for us, broadcast, and multicast of IP
_NO_MULTICAST4 = const(0x20)
_NO_MULTICAST6 = const(0x10)
_RECEIVED = const(0x04)
_GAP = const(100)  # INTLEVEL: its line stays high for 2.7 us, so that there is an edge


class W5500(wiznet.Wiznet):
    chip = "W5500"
    SHIFT = 8
    MR = _MR
    SHAR = _SHAR
    PHY = _PHYCFGR
    VERSION = _VERSIONR, 0x04
    S0 = _S0
    _LAYOUT = _WRITE, 0xFFFF, 8, _RX_MEMORY, _TX_MEMORY, 16384

    def _set_up(self):
        put = self._put
        put(_MR, _NO_PING)
        for i in range(8):
            for at in (_RXBUF, _TXBUF):
                put(self._socket(at) + i * _SOCKET, 0 if i else 16)
        self._put16(_INTLEVEL, _GAP)
        put(self._socket(S0_IMR), _RECEIVED)
        put(_SIMR, 1)

    def _set_mode(self):
        self._set = self._mode()
        own, multicast4, multicast6 = self._set
        mode = _MACRAW | own * _FILTER
        mode |= (not multicast4) * _NO_MULTICAST4 | (not multicast6) * _NO_MULTICAST6
        self._put(self._socket(S0_MR), mode)
