"""WIZnet W5500 as its datasheet (1.1.0) describes it: the register file, MACRAW on socket 0.

TCP, UDP and the like of its own are not there: opening a socket in such a mode is a complaint.
"""

from chip import Chip, is_broadcast, is_group, is_multicast4, is_multicast6

# 4.1 common registers
_MR = 0x0000
_SHAR = 0x0009
_INTLEVEL = 0x0013
_IR = 0x0015
_IMR = 0x0016
_SIR = 0x0017
_SIMR = 0x0018
_PHYCFGR = 0x002E
_VERSIONR = 0x0039
_COMMON = 0x0040

# 4.2 socket registers
_SN_MR = 0x00
_SN_CR = 0x01
_SN_IR = 0x02
_SN_SR = 0x03
_SN_RXBUF = 0x1E
_SN_TXBUF = 0x1F
_SN_TX_FSR = 0x20
_SN_TX_RD = 0x22
_SN_TX_WR = 0x24
_SN_RX_RSR = 0x26
_SN_RX_RD = 0x28
_SN_RX_WR = 0x2A
_SN_IMR = 0x2C
_SOCKET = 0x30

_OPEN = 0x01
_CLOSE = 0x10
_SEND = 0x20
_RECV = 0x40
_MACRAW = 0x04
_MFEN = 0x80
_BCASTB = 0x40
_MMB = 0x20
_MIP6B = 0x10
_SR_MACRAW = 0x42
_I_SENDOK = 0x10
_I_RECV = 0x04

_PHY_RUN = 0x80
_PHY_RESET = 0xB8  # all capable, by OPMDC; bits 0 to 2: link, 100 Mbit/s, full duplex

_COMMAND_NS = 300  # until Sn_CR reads 0
_PLL_NS = 1000000  # 5.5.1: stable 1 ms after reset
_LINK_NS = 2000000  # auto-negotiation; a real one takes a second or two


class Socket:
    def __init__(self):
        self.r = r = bytearray(_SOCKET)
        self.rx = bytearray(2048)
        self.tx = bytearray(2048)
        self.start()
        self.sending = False
        self.serial = 0  # of its last OPEN or CLOSE: what was going on then is nobody's
        r[_SN_RXBUF] = r[_SN_TXBUF] = 2
        r[0x16] = 0x80  # TTL
        r[_SN_IMR] = 0xFF
        r[0x2D] = 0x40  # FRAG

    def start(self):
        """Pointers as OPEN leaves them. What is written to RX_RD and TX_WR counts from the next
        RECV and SEND on."""
        self.rd = self.wr = self.tx_rd = self.tx_wr = 0
        for at in (_SN_TX_WR, _SN_TX_WR + 1, _SN_RX_RD, _SN_RX_RD + 1):
            self.r[at] = 0

    def number(self, at):
        return self.r[at] << 8 | self.r[at + 1]

    def shown(self, at):
        """A 16-bit register that the chip makes up, at an even offset; None if it does not."""
        if at == _SN_RX_RSR:
            return self.wr - self.rd & 0xFFFF
        if at == _SN_RX_WR:
            return self.wr
        if at == _SN_TX_FSR:
            return len(self.tx) - (self.tx_wr - self.tx_rd & 0xFFFF)
        if at == _SN_TX_RD:
            return self.tx_rd
        return None


class W5500(Chip):
    # -- SPI frames (2.2): address, control, data; select ends them -------------------------------

    def begin(self):
        self._phase = 0
        self._address = 0
        self._control = 0

    def end(self):
        if 0 < self._phase < 3:
            self.complain("an SPI frame of %d bytes" % self._phase)

    def exchange(self, byte):
        phase = self._phase
        if phase >= 3:
            address = self._address
            self._address = (address + 1) & 0xFFFF
            if self._control & 4:
                self._write(self._control >> 3, address, byte)
                return 0x03
            return self._read(self._control >> 3, address)
        self._phase = phase + 1
        if phase == 2:
            self._control = byte
            if byte & 3:
                self.complain("fixed-length SPI frame, with the select line in use")
        else:
            self._address = self._address << 8 | byte
        return phase + 1  # what it drives meanwhile, figures 8 and following

    # -- registers --------------------------------------------------------------------------------

    def reset(self):
        self.c = c = bytearray(_COMMON)
        c[0x19], c[0x1A], c[0x1B], c[0x1C] = 0x07, 0xD0, 0x08, 0x28
        self.sockets = [Socket() for _ in range(8)]
        self._ready = self._phy_up = False
        self._phy = _PHY_RESET
        self._waiting = False  # the gap between two interrupts: INTLEVEL
        self._active = False
        self.show_int(False)
        self.begin()
        serial = self.resets
        self.after(_PLL_NS, lambda: self._settle(serial))
        self.after(_LINK_NS, lambda: self._negotiated(serial))

    def _settle(self, serial):
        if serial == self.resets:
            self._ready = True

    def _negotiated(self, serial):
        if serial == self.resets:
            self._phy_up = True

    def _read(self, block, address):
        kind = block & 3
        s = self.sockets[block >> 2]
        if kind == 3:
            return s.rx[address % len(s.rx)] if s.rx else 0
        if kind == 1:
            if address >= _SOCKET:
                return 0
            value = s.shown(address & 0xFE)
            if value is None:
                return s.r[address]
            return value & 0xFF if address & 1 else value >> 8
        if kind == 2:
            return s.tx[address % len(s.tx)] if s.tx else 0
        return self._read_common(address) if block == 0 else 0

    def _read_common(self, address):
        if address == _VERSIONR:
            return 0x04 if self._ready else 0
        if address == _PHYCFGR:
            up = self.link and self._phy_up and self._phy & _PHY_RUN
            return self._phy | (0x07 if up else 0)
        if address == _SIR:
            return self._sir()
        return self.c[address] if address < _COMMON else 0

    def _write(self, block, address, byte):
        kind = block & 3
        s = self.sockets[block >> 2]
        if not self._ready:
            self.complain("a write before the PLL is stable")
        if kind == 2:
            if s.tx:
                s.tx[address % len(s.tx)] = byte
        elif kind == 1 and address < _SOCKET:
            self._write_socket(s, address, byte)
        elif kind == 3:
            self.complain("a write to RX memory")
        elif block == 0 and address < _COMMON:
            self._write_common(address, byte)

    def _write_common(self, address, byte):
        if address == _MR and byte & 0x80:
            self.power_on()
        elif address == _PHYCFGR:
            if not byte & _PHY_RUN:
                self._phy_up = False
                serial = self.resets
                self.after(_LINK_NS, lambda: self._negotiated(serial))
            self._phy = byte & 0xF8
        elif address in (_SIR, _VERSIONR):
            self.complain("a write to register 0x%04X" % address)
        elif address == _IR:
            self.c[_IR] &= ~byte & 0xFF
        else:
            self.c[address] = byte
            self._update()

    def _write_socket(self, s, address, byte):
        if address == _SN_CR:
            self._command(s, byte)
        elif address == _SN_IR:
            s.r[_SN_IR] &= ~byte & 0xFF
            self._update()
        elif address == _SN_SR or s.shown(address & 0xFE) is not None:
            self.complain("a write to socket register 0x%02X" % address)
        else:
            s.r[address] = byte
            if address in (_SN_RXBUF, _SN_TXBUF):
                self._resize(s, address, byte)
            self._update()

    def _resize(self, s, address, size):
        if size not in (0, 1, 2, 4, 8, 16):
            self.complain("a socket buffer of %d KB" % size)
            return
        if address == _SN_RXBUF:
            s.rx = bytearray(size << 10)
        else:
            s.tx = bytearray(size << 10)

    # -- socket commands --------------------------------------------------------------------------

    def _command(self, s, command):
        r = s.r
        if r[_SN_CR]:
            self.complain("command 0x%02X while 0x%02X is not taken" % (command, r[_SN_CR]))
        r[_SN_CR] = command
        self.after(_COMMAND_NS, lambda: self._taken(s))
        if command == _OPEN:
            self._open(s)
        elif command == _CLOSE:
            r[_SN_SR] = 0
            s.sending = False
            s.serial += 1
        elif r[_SN_SR] != _SR_MACRAW:
            self.complain("command 0x%02X to a closed socket" % command)
        elif command == _SEND:
            self._send(s)
        elif command == _RECV:
            rd = s.number(_SN_RX_RD)
            if (rd - s.rd & 0xFFFF) > (s.wr - s.rd & 0xFFFF):
                self.complain("RX_RD beyond RX_WR")
            s.rd = rd
        else:
            self.complain("command 0x%02X" % command)

    def _taken(self, s):
        s.r[_SN_CR] = 0

    def _open(self, s):
        if s is not self.sockets[0] or s.r[_SN_MR] & 0x0F != _MACRAW:
            self.complain("a socket other than 0 in MACRAW mode")
            return
        if not self._memory_fits():
            self.complain("more than 16 KB of memory for one direction")
        s.serial += 1
        s.sending = False
        s.start()
        s.r[_SN_SR] = _SR_MACRAW

    def _memory_fits(self):
        rx = sum([len(each.rx) for each in self.sockets])
        tx = sum([len(each.tx) for each in self.sockets])
        return rx <= 16384 and tx <= 16384

    def _send(self, s):
        if s.sending:
            self.complain("SEND before SENDOK")
            return
        wr = s.number(_SN_TX_WR)
        n = wr - s.tx_rd & 0xFFFF
        if n > len(s.tx) or not 14 <= n <= 1514:
            self.complain("SEND of %d bytes" % n)
            return
        size = len(s.tx)
        at = s.tx_rd % size
        frame = bytes(s.tx[at : at + n])
        frame += bytes(s.tx[: n - len(frame)])
        s.tx_wr = wr
        s.sending = True
        serial = s.serial
        if not self.stall:
            self.after(self.wire_ns(n), lambda: self._sent(s, serial, frame))

    def _sent(self, s, serial, frame):
        if s.serial != serial or not s.sending or s is not self.sockets[0]:
            return
        s.tx_rd = s.tx_wr
        s.sending = False
        s.r[_SN_IR] |= _I_SENDOK
        self.put_on_wire(frame)
        self._update()

    # -- what comes in ----------------------------------------------------------------------------

    def arrive(self, frame):
        s = self.sockets[0]
        if s.r[_SN_SR] != _SR_MACRAW:
            return
        if not self._wanted(frame, s.r[_SN_MR]):
            self.filtered += 1
            return
        n = len(frame) + 2
        size = len(s.rx)
        if (s.wr - s.rd & 0xFFFF) + n > size:
            self.overruns += 1
            return
        header = n if self.lie is None else self.lie
        self.lie = None
        at = s.wr % size
        data = bytes((header >> 8, header & 0xFF)) + bytes(frame)
        first = min(n, size - at)
        s.rx[at : at + first] = data[:first]
        s.rx[: n - first] = data[first:]
        s.wr = (s.wr + n) & 0xFFFF
        s.r[_SN_IR] |= _I_RECV
        self.frames_in += 1
        self._update()

    def _wanted(self, frame, mode):
        """Sn_MR, and what the filter lets through beside that on real chips: multicast of IP."""
        if is_broadcast(frame):
            return not mode & _BCASTB
        if is_multicast4(frame):
            return not mode & _MMB
        if is_multicast6(frame):
            return not mode & _MIP6B
        if not mode & _MFEN:
            return True
        return not is_group(frame) and frame[:6] == self.c[_SHAR : _SHAR + 6]

    # -- interrupt --------------------------------------------------------------------------------

    def _sir(self):
        bits = 0
        for i, s in enumerate(self.sockets):
            if s.r[_SN_IR] & s.r[_SN_IMR]:
                bits |= 1 << i
        return bits

    def _asserted(self):
        return self._sir() & self.c[_SIMR] or self.c[_IR] & self.c[_IMR]

    def _hold(self):
        """INTLEVEL: how long the pin stays high at least, 4 * (level + 1) cycles of 150 MHz."""
        level = self.c[_INTLEVEL] << 8 | self.c[_INTLEVEL + 1]
        return (level + 1) * 80 // 3

    def _update(self):
        active = bool(self._asserted())
        if self._active and not active:
            self._waiting = True
            self._active = False
            self.show_int(False)
            serial = self.resets
            self.after(self._hold(), lambda: self._again(serial))
        elif active and not self._waiting:
            self._active = True
            self.show_int(True)

    def _again(self, serial):
        if serial == self.resets:
            self._waiting = False
            self._update()
