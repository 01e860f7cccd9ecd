"""WIZnet W5100S by its SPI, as its datasheet describes it: one flat map of addresses, MACRAW on
socket 0, which is the W5500's but for where things are.

Its memory ends where it ends: 8 KB each way, and an address beyond is another register's.
"""

from w5500 import Socket, W5500

_MR = 0x0000
_SHAR = 0x0009
_IR = 0x0015
_IMR = 0x0016
_RMSR = 0x001A
_TMSR = 0x001B
_MR2 = 0x0030
_PHYSR0 = 0x003C
_PHYCR1 = 0x0047
_PHYLCKR = 0x0072
_VERR = 0x0080
_COMMON = 0x0090
_S0 = 0x0400
_TX = 0x4000
_RX = 0x6000
_END = 0x8000

_WRITE = 0xF0
_READ = 0x0F
_IEN = 0x40
_SN_MR = 0x00
_SN_IR = 0x02
_SN_IMR = 0x2C
_SN_MR2 = 0x2F
_MF = 0x40
_BRDB = 0x40  # of MR2
_MULB = 0x20
_IPV6B = 0x10
_SIZES = (1, 2, 4, 8)
_COMMON_DEFAULTS = ((0x17, 0x07), (0x18, 0xD0), (0x19, 0x08), (_RMSR, 0x55), (_TMSR, 0x55))


class W5100S(W5500):
    # -- SPI frames: operation, address, data -------------------------------------------------

    def exchange(self, byte):
        phase = self._phase
        if phase >= 3:
            address = self._address
            self._address = (address + 1) & 0xFFFF
            if self._control == _WRITE:
                self._put(address, byte)
                return 0x03
            return self._fetch(address) if self._control == _READ else 0
        self._phase = phase + 1
        if phase == 0:
            self._control = byte
            if byte not in (_WRITE, _READ):
                self.complain("operation 0x%02X" % byte)
        else:
            self._address = self._address << 8 | byte
        return phase

    # -- registers ----------------------------------------------------------------------------

    def reset(self):
        W5500.reset(self)
        self.c = c = bytearray(_COMMON)
        for at, value in _COMMON_DEFAULTS:
            c[at] = value
        self.sockets = [Socket() for _ in range(4)]

    def _fetch(self, address):
        s = self.sockets[0]
        if _RX <= address < _END:
            return s.rx[address - _RX] if address - _RX < len(s.rx) else 0
        if _TX <= address < _RX:
            return s.tx[address - _TX] if address - _TX < len(s.tx) else 0
        if _S0 <= address < _S0 + 0x400:
            return self._read((address - _S0 >> 8) << 2 | 1, address & 0xFF)
        if address == _VERR:
            return 0x51 if self._ready else 0
        if address == _PHYSR0:
            return 0x01 if self.link and self._phy_up else 0x80  # link; bits 1, 2: 10M, half
        if address == _IR:
            return self._sir()
        return self.c[address] if address < _COMMON else 0

    def _put(self, address, byte):
        s = self.sockets[0]
        if not self._ready:
            self.complain("a write before the PLL is stable")
        if _RX <= address:
            self.complain("a write to RX memory")
        elif _TX <= address:
            if address - _TX < len(s.tx):
                s.tx[address - _TX] = byte
            else:
                self.complain("a write behind the socket's memory")
        elif _S0 <= address < _S0 + 0x400:
            s = self.sockets[address - _S0 >> 8]
            if address & 0xFF in (0x1E, 0x1F):
                self.complain("a write to socket register 0x%02X" % (address & 0xFF))
            else:
                self._write_socket(s, address & 0xFF, byte)
        elif address == _MR and byte & 0x80:
            self.power_on()
        elif address in (_RMSR, _TMSR):
            self.c[address] = byte
            self._divide(address, byte)
        elif address < _COMMON and address != _IR:
            self.c[address] = byte
            self._update()

    def _divide(self, address, byte):
        """Memory of four sockets, 2 bits each, as far as it reaches."""
        left = 8
        for i, s in enumerate(self.sockets):
            size = min(_SIZES[byte >> 2 * i & 3], left)
            left -= size
            if address == _RMSR:
                s.rx = bytearray(size << 10)
            else:
                s.tx = bytearray(size << 10)

    def _memory_fits(self):
        return True

    def _wanted(self, frame, mode):
        mode2 = self.sockets[0].r[_SN_MR2]
        same = (mode & 0x0F) | (0x80 if mode & _MF else 0) | (mode2 & (_BRDB | _MULB | _IPV6B))
        return W5500._wanted(self, frame, same)

    # -- interrupt ------------------------------------------------------------------------------

    def _asserted(self):
        return self.c[_MR2] & _IEN and self._sir() & self.c[_IMR]

    def _hold(self):
        return 0
