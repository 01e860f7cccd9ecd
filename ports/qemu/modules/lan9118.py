"""SMSC LAN9118 Ethernet MAC and PHY (LAN9220 is the same without its additions), 32-bit bus.

Datasheet: Microchip DS00002266. QEMU's model (hw/net/lan9118.c) is what it was tried on; where
the model knows less than the chip, the driver does what the chip wants.

recv and send are lan9118_thumb.py's; nothing is allocated there. RAM: one small object.
"""

import micropython
import uctypes
from array import array
from micropython import const

import _qemu
import lan9118_thumb

# Register numbers: byte offset / 4 (chapter 5).
_IRQ_CFG = const(0x15)
_INT_STS = const(0x16)
_INT_EN = const(0x17)
_BYTE_TEST = const(0x19)
_FIFO_INT = const(0x1A)
_RX_CFG = const(0x1B)
_TX_CFG = const(0x1C)
_HW_CFG = const(0x1D)
_RX_DROP = const(0x28)
_MAC_CSR_CMD = const(0x29)
_MAC_CSR_DATA = const(0x2A)

# MAC_CSR indirect registers.
_MAC_CR = const(1)
_ADDRH = const(2)
_ADDRL = const(3)
_HASHH = const(4)
_HASHL = const(5)
_MII_ACC = const(6)
_MII_DATA = const(7)

_MAC_CR_TXEN = const(0x08)
_MAC_CR_RXEN = const(0x04)
_MAC_CR_HPFILT = const(0x2000)  # multicast by hash, unicast exact
_MAC_CR_FDPX = const(0x100000)

_INT_RSFL = const(0x08)  # RX status FIFO above its level, which is 0: a frame waits
_IRQ_ON = const(0x111)  # enabled, active high, push-pull

# ARMv7-M B3.4.4: writing 1 to a line's bit enables its interrupt.
_NVIC_ISER = const(0xE000E100)

# What lan9118_thumb.py knows of the chip.
_BASE = const(0)
_DROPS = const(1)  # damaged frames and ones too long
_QUIET = const(2)  # 1: the interrupt has come, and is off until the FIFO is found empty
_ENABLE = const(3)  # where to enable it again,
_LINE_BIT = const(4)  # and with what
_PHY = const(1 << 11)  # the internal PHY's address, in place
_PHY_LINK = const(0x04)

_EIO = const(5)


@micropython.viper
def _get(base: ptr32, reg: int) -> int:
    return base[reg]


@micropython.viper
def _put(base: ptr32, reg: int, value: int):
    base[reg] = value


# MAC_CSR_CMD: bit 31 starts (and stays up while busy), bit 30 is read. Literals that large would
# be objects on a 32-bit port, so they are shifted into place.


@micropython.viper
def _mac_get(base: ptr32, reg: int) -> int:
    # The lower half of a MAC register, so that the answer is a small int.
    busy = 1
    base[_MAC_CSR_CMD] = (3 << (busy + 29)) | reg
    busy <<= 31
    while base[_MAC_CSR_CMD] & busy:
        pass
    return base[_MAC_CSR_DATA] & 0xFFFF


@micropython.viper
def _mac_put(base: ptr32, reg: int, value: int):
    busy = 1
    busy <<= 31
    base[_MAC_CSR_DATA] = value
    base[_MAC_CSR_CMD] = busy | reg
    while base[_MAC_CSR_CMD] & busy:
        pass


def _phy_read(base, reg):
    _mac_put(base, _MII_ACC, _PHY | (reg << 6) | 1)
    while _mac_get(base, _MII_ACC) & 1:
        pass
    return _mac_get(base, _MII_DATA)


def _bound(words):
    """recv and send of a NIC. Each frame needs a call, which is more work than moving it is, and a
    closure in viper costs half as much as a method would; so does the address of the words as a
    number, which SRAM's always are small enough for (ARMv7-M B3.1: below 2^30)."""
    io = uctypes.addressof(words)
    rx = lan9118_thumb.rx
    tx = lan9118_thumb.tx

    @micropython.viper
    def recv(buf, off):
        return rx(io, buf, off)

    @micropython.viper
    def send(buf, off, n):
        return tx(io, buf, off, n)

    return recv, send


def _hash(mac):
    # Upper 6 bits of the Ethernet CRC of the address, most significant bit first.
    crc = 0xFFFFFFFF
    for b in mac:
        for _ in range(8):
            top = (crc >> 31) ^ (b & 1)
            crc = (crc << 1) & 0xFFFFFFFF
            if top:
                crc ^= 0x04C11DB7
            b >>= 1
    return crc >> 26


def _random_mac():
    import os

    mac = bytearray(os.urandom(6))
    mac[0] = mac[0] & 0xFC | 2
    return bytes(mac)


class LAN9118:
    mtu = 1500
    caps = 0

    def __init__(self, base=0x40200000, irq=13, mac=None):
        self._base = base
        self._line = irq
        self._cb = None
        self._groups = []
        self._io = array("I", (base, 0, 0, _NVIC_ISER + (irq >> 5 << 2), 1 << (irq & 31)))
        self.recv, self.send = _bound(self._io)
        if _get(base, _BYTE_TEST) & 0xFFFFFFFF != 0x87654321:
            raise OSError(_EIO, "no LAN9118 at 0x%x" % base)
        self._reset()
        self.mac = self._address(mac)
        self._on_irq_bound = self._on_irq
        self._start()

    def _reset(self):
        base = self._base
        _put(base, _INT_EN, 0)
        _put(base, _HW_CFG, 1)
        while _get(base, _HW_CFG) & 1:
            pass
        # TX FIFO 2560 bytes and the rest for RX (5.3.9), store and forward.
        _put(base, _HW_CFG, 0x130000)
        _put(base, _RX_CFG, 2 << 8)
        _put(base, _TX_CFG, 2)
        _put(base, _FIFO_INT, 0x48000000)
        _put(base, _INT_STS, -1)

    def _address(self, mac):
        base = self._base
        if mac is None:
            high = _mac_get(base, _ADDRH)
            _mac_get(base, _ADDRL)
            low = _get(base, _MAC_CSR_DATA) & 0xFFFFFFFF
            mac = low.to_bytes(4, "little") + high.to_bytes(2, "little")
            # Without an EEPROM the address registers read all ones (5.4.2).
            if mac == b"\xff" * 6 or mac == bytes(6):
                mac = _random_mac()
        mac = bytes(mac)
        _mac_put(base, _ADDRL, int.from_bytes(mac[:4], "little"))
        _mac_put(base, _ADDRH, int.from_bytes(mac[4:], "little"))
        return mac

    def _start(self):
        base = self._base
        _mac_put(base, _HASHL, 0)
        _mac_put(base, _HASHH, 0)
        _mac_put(base, _MAC_CR, _MAC_CR_FDPX | _MAC_CR_HPFILT | _MAC_CR_TXEN | _MAC_CR_RXEN)
        _put(base, _IRQ_CFG, _IRQ_ON)

    def link(self):
        return 1 if _phy_read(self._base, 1) & _PHY_LINK else 0

    @property
    def drops(self):
        # RX_DROP counts frames that found no room in the FIFO; reading clears it.
        self._io[_DROPS] += _get(self._base, _RX_DROP)
        return self._io[_DROPS]

    def irq(self, cb):
        self._cb = cb
        if cb is None:
            _put(self._base, _INT_EN, 0)
            _qemu.irq(self._line, None)
            self._io[_QUIET] = 0
        else:
            _put(self._base, _INT_EN, _INT_RSFL)
            _qemu.irq(self._line, self._on_irq_bound)

    def _on_irq(self, line):
        self._io[_QUIET] = 1
        cb = self._cb
        if cb:
            cb(self)

    def multicast(self, mac, on):
        mac = bytes(mac)
        if on and mac not in self._groups:
            self._groups.append(mac)
        elif not on and mac in self._groups:
            self._groups.remove(mac)
        bits = 0
        for group in self._groups:
            bits |= 1 << _hash(group)
        _mac_put(self._base, _HASHL, bits & 0xFFFFFFFF)
        _mac_put(self._base, _HASHH, bits >> 32)
