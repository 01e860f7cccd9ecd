"""Microchip ENC28J60 as its datasheet (DS39662) describes it: buffer, registers in four banks, MAC
and PHY registers, and those of its errata (DS80349) that a driver has to live with.

Not there: DMA, pattern match, magic packets, flow control, collisions but on request (`collide`,
how many of the next transmissions end in a late one).
"""

from chip import Chip, is_broadcast, is_group

# Registers as bank << 5 | address; those from 0x1B on are in every bank.
_ERDPT = 0x00
_EWRPT = 0x02
_ETXST = 0x04
_ETXND = 0x06
_ERXST = 0x08
_ERXND = 0x0A
_ERXRDPT = 0x0C
_ERXWRPT = 0x0E
_EHT0 = 0x20
_ERXFCON = 0x38
_EPKTCNT = 0x39
_MACON1 = 0x40
_MACON3 = 0x42
_MAMXFL = 0x4A
_MICMD = 0x52
_MIREGADR = 0x54
_MIWRL = 0x56
_MIWRH = 0x57
_MIRD = 0x58
_MAADR = (0x64, 0x65, 0x62, 0x63, 0x60, 0x61)  # the station's first byte to the last
_MISTAT = 0x6A
_EREVID = 0x72
_EIE = 0x1B
_EIR = 0x1C
_ESTAT = 0x1D
_ECON2 = 0x1E
_ECON1 = 0x1F

_TXRST = 0x80  # of ECON1
_RXRST = 0x40
_TXRTS = 0x08
_RXEN = 0x04
_INTIE = 0x80
_PKTIF = 0x40
_TXIF = 0x08
_TXERIF = 0x02
_RXERIF = 0x01
_CLKRDY = 0x01
_LATECOL = 0x10
_TXABRT = 0x02
_PHSTAT2 = 0x11
_LSTAT = 0x0400

_OSCILLATOR_NS = 300000
_MII_NS = 10240


def _is_mac(at):
    return 0x40 <= at < 0x5B or 0x60 <= at < 0x66 or at == _MISTAT


def _crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class ENC28J60(Chip):
    speed = 10
    collide = 0

    # -- SPI (4.0): an operation, and what it takes -----------------------------------------------

    def begin(self):
        self._op = None
        self._count = 0

    def end(self):
        if self._op is not None and self._op >> 5 in (2, 4, 5) and self._count != 1:
            self.complain("operation 0x%02X with %d bytes" % (self._op, self._count))

    def exchange(self, byte):
        if self._op is None:
            self._op = byte
            if byte == 0xFF:
                self.power_on()
                self._op = 0xFF
            return 0
        op = self._op
        count = self._count
        self._count = count + 1
        kind = op >> 5
        if op == 0x3A:
            return self._next_byte()
        if op == 0x7A:
            self._put_byte(byte)
        elif kind == 0:
            at = self._at(op & 0x1F)
            if _is_mac(at) and count == 0:
                return 0xA5  # 4.2.1: a dummy byte first
            return self._read(at)
        elif count == 0:
            at = self._at(op & 0x1F)
            if kind == 2:
                self._write(at, byte)
            elif kind in (4, 5):
                if _is_mac(at):
                    self.complain("a bit field operation on register 0x%02X" % at)
                elif kind == 4:
                    self._write(at, self.r[at] | byte)
                else:
                    self._write(at, self.r[at] & ~byte & 0xFF)
        return 0

    def _at(self, address):
        if address >= 0x1B:
            return address
        return (self.r[_ECON1] & 3) << 5 | address

    def _word(self, at):
        return self.r[at] | self.r[at + 1] << 8

    def _set_word(self, at, value):
        self.r[at] = value & 0xFF
        self.r[at + 1] = value >> 8

    def _next_byte(self):
        at = self._word(_ERDPT)
        byte = self.memory[at & 0x1FFF]
        if self.r[_ECON2] & 0x80:
            after = self._word(_ERXST) if at == self._word(_ERXND) else at + 1 & 0x1FFF
            self._set_word(_ERDPT, after)
        return byte

    def _put_byte(self, byte):
        at = self._word(_EWRPT)
        start, end = self._word(_ERXST), self._word(_ERXND)
        if start <= at <= end:
            self.complain("a write to the receive buffer")
        self.memory[at & 0x1FFF] = byte
        if self.r[_ECON2] & 0x80:
            self._set_word(_EWRPT, at + 1 & 0x1FFF)

    # -- registers --------------------------------------------------------------------------------

    def reset(self):
        self.r = r = bytearray(0x80)
        self.memory = bytearray(0x2000)
        self.phy = {0x00: 0, 0x10: 0, 0x12: 0, 0x14: 0x3422}
        for at, value in ((_ERDPT, 0x5FA), (_ERXST, 0x5FA), (_ERXND, 0x1FFF), (_ERXRDPT, 0x5FA)):
            self._set_word(at, value)
        r[_ERXFCON] = 0xA1
        r[_ECON2] = 0x80
        r[_EREVID] = 6
        self._set_word(_MAMXFL, 0x600)
        self._write_at = 0x5FA
        self._low = 0  # of ERXRDPT, until its high byte is written
        self._ready = False
        self._serial = 0
        self.begin()
        self.show_int(False)
        mark = self.resets
        self.after(_OSCILLATOR_NS, lambda: self._settle(mark))

    def _settle(self, mark):
        if mark == self.resets:
            self._ready = True

    def _read(self, at):
        if at == _EIR:
            return self._eir()
        if at == _ESTAT:
            value = self.r[_ESTAT] & ~0x81 | (_CLKRDY if self._ready else 0)
            return value | (0x80 if self.int_level == 0 else 0)
        if at in (_ERXWRPT, _ERXWRPT + 1):
            return self._write_at >> 8 if at & 1 else self._write_at & 0xFF
        return self.r[at]

    def _eir(self):
        return self.r[_EIR] & ~_PKTIF | (_PKTIF if self.r[_EPKTCNT] else 0)

    def _write(self, at, byte):
        r = self.r
        if not self._ready:
            self.complain("a write before the oscillator is stable")
        if at == _ECON1:
            self._control(byte)
        elif at == _ECON2:
            if byte & 0x40:  # PKTDEC
                if r[_EPKTCNT]:
                    r[_EPKTCNT] -= 1
                else:
                    self.complain("PKTDEC without a packet")
            r[_ECON2] = byte & 0xB8
        elif at == _ERXRDPT:
            self._low = byte  # 6.1: takes effect with the high byte
        elif at == _ERXRDPT + 1:
            r[_ERXRDPT] = self._low
            r[at] = byte & 0x1F
            if not self._low & 1:
                self.complain("ERXRDPT is even: erratum 14")
        elif at in (_EPKTCNT, _EREVID, _ERXWRPT, _ERXWRPT + 1):
            self.complain("a write to register 0x%02X" % at)
        elif at == _ESTAT:
            r[at] = byte & 0x7A
        elif at == _EIR:
            r[_EIR] = byte & ~_PKTIF & 0xFF
        else:
            r[at] = byte & 0x1F if at < 0x10 and at & 1 else byte
            if at in (_ERXST, _ERXST + 1):
                self._write_at = self._word(_ERXST)
            elif at in (_MICMD, _MIWRH):
                self._mii(at, byte)
        self._update()

    def _mii(self, at, byte):
        if self.r[_MISTAT] & 1:
            self.complain("the MII is busy")
        register = self.r[_MIREGADR]
        if at == _MIWRH:
            self.phy[register] = self._word(_MIWRL)
        elif byte & 1:
            value = self.phy.get(register, 0)
            if register == _PHSTAT2 and self.link:
                value |= _LSTAT
            self._set_word(_MIRD, value)
        else:
            return
        self.r[_MISTAT] |= 1
        self.after(_MII_NS, self._mii_done)

    def _mii_done(self):
        self.r[_MISTAT] &= ~1

    def _control(self, byte):
        r = self.r
        before = r[_ECON1]
        r[_ECON1] = byte
        if byte & _RXEN and self._word(_ERXST):
            self.complain("ERXST is not 0: erratum 5")
        if byte & _RXRST:
            r[_EPKTCNT] = 0
            self._write_at = self._word(_ERXST)
        if byte & _TXRST:
            r[_ECON1] &= ~_TXRTS
            self._serial += 1
        elif byte & _TXRTS and not before & _TXRTS:
            self._transmit()

    # -- what goes out ----------------------------------------------------------------------------

    def _transmit(self):
        start, end = self._word(_ETXST), self._word(_ETXND)
        frame = bytes(self.memory[start + 1 : end + 1])
        if start & 1 or not 14 <= len(frame) <= 1514 or end + 8 > 0x2000:
            self.complain("transmission from 0x%04X to 0x%04X" % (start, end))
            return
        if len(frame) < 60:
            if not self.r[_MACON3] & 0x20:
                self.complain("a short frame, and no padding")
            frame += bytes(60 - len(frame))
        self._serial += 1
        serial = self._serial
        if not self.stall:
            self.after(self.wire_ns(len(frame)), lambda: self._sent(serial, frame, end + 1))

    def _sent(self, serial, frame, status):
        r = self.r
        if serial != self._serial or not r[_ECON1] & _TXRTS:
            return
        r[_ECON1] &= ~_TXRTS
        r[_EIR] |= _TXIF
        late = self.collide > 0
        vector = bytearray(7)
        vector[0], vector[1] = len(frame) + 4 & 0xFF, len(frame) + 4 >> 8
        vector[2] = 0x80
        if late:
            self.collide -= 1
            vector[2] = 0
            vector[3] = 0x20
            r[_EIR] |= _TXERIF
            r[_ESTAT] |= _LATECOL | _TXABRT
        self.memory[status : status + 7] = vector
        if not late:
            self.put_on_wire(frame)
        self._update()

    # -- what comes in ----------------------------------------------------------------------------

    def arrive(self, frame):
        r = self.r
        if not r[_ECON1] & _RXEN or not r[_MACON1] & 1:
            return
        frame = bytes(frame) + bytes(max(60 - len(frame), 0))
        if not self._wanted(frame):
            self.filtered += 1
            return
        n = len(frame) + 4
        start, end = self._word(_ERXST), self._word(_ERXND)
        size = end - start + 1
        total = 6 + n + (n & 1)
        free = (self._word(_ERXRDPT) - self._write_at) % size
        if total > free or r[_EPKTCNT] == 255:
            self.overruns += 1
            r[_EIR] |= _RXERIF
            self._update()
            return
        at = self._write_at - start
        following = (at + total) % size + start
        header = n if self.lie is None else self.lie
        self.lie = None
        crc = _crc(frame)
        head = bytes((following & 0xFF, following >> 8, header & 0xFF, header >> 8, 0x80, 0))
        tail = bytes((crc & 0xFF, crc >> 8 & 0xFF, crc >> 16 & 0xFF, crc >> 24))
        data = head + frame + tail
        first = min(len(data), size - at)
        self.memory[start + at : start + at + first] = data[:first]
        self.memory[start : start + len(data) - first] = data[first:]
        self._write_at = following
        r[_EPKTCNT] += 1
        self.frames_in += 1
        self._update()

    def _wanted(self, frame):
        """8.0, filters joined by OR."""
        filters = self.r[_ERXFCON]
        if not filters & 0x8F:
            return True
        if is_broadcast(frame) and filters & 0x01:
            return True
        if is_group(frame) and filters & 0x02:
            return True
        if filters & 0x04:
            bit = self._hash(frame[:6])
            if self.r[_EHT0 + (bit >> 3)] >> (bit & 7) & 1:
                return True
        own = bytes([self.r[at] for at in _MAADR])
        return bool(filters & 0x80) and frame[:6] == own

    def _hash(self, mac):
        """8.2: bits 28 to 23 of the CRC, most significant bit first."""
        crc = 0xFFFFFFFF
        for byte in mac:
            for i in range(8):
                top = crc >> 31 ^ (byte >> i & 1)
                crc = crc << 1 & 0xFFFFFFFF
                if top:
                    crc ^= 0x04C11DB7
        return crc >> 23 & 0x3F

    def _update(self):
        enabled = self.r[_EIE]
        self.show_int(bool(enabled & _INTIE and self._eir() & enabled & 0x7F))
