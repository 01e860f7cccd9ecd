"""Microchip ENC28J60 (datasheet DS39662, errata DS80349): Ethernet at 10 Mbit/s, half duplex, as
it cannot negotiate and its partner then takes it for that.

    from machine import Pin, SPI
    from netstack.nic.enc28j60 import ENC28J60

    spi = SPI(0, 20_000_000, sck=Pin(18), mosi=Pin(19), miso=Pin(16))
    nic = ENC28J60(spi, cs=Pin(17), reset=Pin(20), interrupt=Pin(21))

`reset` and `interrupt` may be left out: then the chip is reset by a command, and looked at every
5 ms. SPI from 8 MHz on (erratum 1), to 20.

5 KB of its 8 are a ring of frames received, each behind the address of the next and its length.
The rest is two places for frames to be sent: one is filled while the other's is on the wire. The
interrupt line is low while a frame waits, so that there is nothing to clear. While the stack works
on a frame, the next comes in (spi.py).

RAM: 5 KB. Nothing is allocated for a frame.
"""

from array import array
from micropython import const
from netstack.core.move import move
from netstack.core.wire import where
from netstack.nic import chip
from time import sleep_ms, sleep_us

_EIO = const(5)
_FRAME = const(1536)  # a half of bus.buf: frames come into the lower, and leave from the upper
_EMSGSIZE = const(90)

# Operations, 4.2
_WCR = const(0x40)
_BFS = const(0x80)
_BFC = const(0xA0)
_RBM = const(0x3A)
_WBM = const(0x7A)
_SRC = const(0xFF)

# Registers, bank << 5 | address; those from 0x1B on are in every bank
_ERDPT = const(0x00)
_EWRPT = const(0x02)
_ETXST = const(0x04)
_ETXND = const(0x06)
_ERXST = const(0x08)
_ERXND = const(0x0A)
_ERXRDPT = const(0x0C)
_EIE = const(0x1B)
_EIR = const(0x1C)
_ESTAT = const(0x1D)
_ECON2 = const(0x1E)
_ECON1 = const(0x1F)
_EHT0 = const(0x20)
_ERXFCON = const(0x38)
_EPKTCNT = const(0x39)
_MACON1 = const(0x40)
_MACON3 = const(0x42)
_MACON4 = const(0x43)
_MABBIPG = const(0x44)
_MAIPGL = const(0x46)
_MAIPGH = const(0x47)
_MAMXFLL = const(0x4A)
_MAMXFLH = const(0x4B)
_MICMD = const(0x52)
_MIREGADR = const(0x54)
_MIWRL = const(0x56)
_MIWRH = const(0x57)
_MIRDH = const(0x59)
_MAADR5 = const(0x60)
_MISTAT = const(0x6A)
_EREVID = const(0x72)

_PKTDEC = const(0x40)  # of ECON2
_RXEN = const(0x04)  # of ECON1
_TXRTS = const(0x08)
_TXRST = const(0x80)
_TXERIF = const(0x02)  # of EIR
_TX_DONE = const(0x0A)
_LATE = const(0x10)  # of ESTAT
_ABORTED = const(0x12)
_FILTERS = const(0xA5)  # frames for us, whose CRC is good, for groups by hash, broadcast
_RX_END = const(0x13FF)  # of the ring, which begins at 0: erratum 5
_TX = const(0x1400)
_TX_SIZE = const(0x600)
_PHCON2 = const(0x10)
_PHSTAT2 = const(0x11)
_HDLDIS = const(0x0100)

# Words: first those that chip.py names
_FLYING = const(0)
_LINE = const(1)
_LOCKED = const(2)
_SICK = const(3)
_SOON = const(6)
_HERE = const(7)
_OUT = const(9)
_COUNT = const(11)  # frames that wait in the chip
_NEXT = const(12)  # where the next begins
_SIZE = const(13)  # of the one that is coming in
_FOLLOWING = const(14)  # where the one behind it begins
_READY = const(15)  # the frame is here
_PLACE = const(16)  # which of two places the next to be sent goes to
_LENGTH = const(17)  # of what is in the chip and not yet sent; 0: nothing is
_SENDING = const(18)
_TRIES = const(19)
_WAITS = const(20)
_SENT = const(21)  # length of what the bus carries away
_STACK = const(22)  # of chip.py
_OWED = const(23)
_WORDS = const(24)

_COMING = const(1)  # FLYING
_AWAY = const(3)
_MOST = const(1514)
_LONGEST = const(1518)
_SHORTEST = const(14)
_TURNS = const(400)  # looks at whether a frame is gone: twice what the longest takes, at least
_TRIES_MAX = const(16)  # erratum 13
_WAITS_MAX = const(20)


class ENC28J60(chip.Chip):
    chip = "ENC28J60"
    STACK = _STACK

    def __init__(self, spi, cs, reset=None, interrupt=None, mac=None):
        w = self._attach(spi, cs, reset, interrupt, mac, _WORDS)
        b = self._bus
        words = where(w)
        small = where(b.small)
        self._eth, self._op = get, op = _operations(small, b.exchange)
        start = _starter(words, op)
        self._flush = flush = _flusher(words, get, op, start)
        self._complete = complete = _completer(words, b.wait, op, flush)
        begin = _beginner(words, small, b, (get, op, self._broken))
        job = array("I", bytes(24))
        take = _taker(words, job, move)
        tend = _tender(words, b.busy, complete)
        self.recv = _receiver(words, (begin, complete, flush, take, tend), interrupt)
        write = _writer(words, small, where(memoryview(b.buf)[_FRAME:]), (op, b.begin_write))
        self.send = _sender(words, (complete, flush, _loader(words, job, move), write))
        self._begin()
        b.on_end(chip.ender(words, _STACK, (tend, b.nudge, self._on_line)))

    # -- registers, where time does not count -----------------------------------------------------

    def _bank(self, register):
        if register & 0x1F < 0x1B:
            self._op(_BFC | _ECON1, 3)
            self._op(_BFS | _ECON1, register >> 5)

    def _get(self, register):
        self._bank(register)
        small = self._bus.small
        small[0] = register & 0x1F
        mac = 0x40 <= register < 0x5B or 0x60 <= register < 0x66 or register == _MISTAT
        self._bus.exchange(3 if mac else 2)  # a dummy byte comes first: 4.2.1
        value = small[2 if mac else 1]
        self._bank(0)
        return value

    def _put(self, register, value):
        self._bank(register)
        self._op(_WCR | register & 0x1F, value)
        self._bank(0)

    def _put16(self, register, value):
        self._put(register, value & 0xFF)
        self._put(register + 1, value >> 8)

    def _phy_wait(self):
        for _ in range(50):
            if not self._get(_MISTAT) & 1:
                return
        self._w[_SICK] = 1

    def _phy_put(self, register, value):
        self._put(_MIREGADR, register)
        self._put16(_MIWRL, value)
        self._phy_wait()

    # -- starting it, and again -------------------------------------------------------------------

    def _start(self, patience):
        if self._reset:
            self._reset.init(self._reset.OUT, value=0)
            sleep_us(10)
            self._reset(1)
        else:
            self._bus.small[0] = _SRC
            self._bus.exchange(1)
        sleep_ms(1)  # erratum 2: CLKRDY says nothing
        while True:
            revision = self._get(_EREVID)
            if 0 < revision < 0x20 and self._get(_ECON2) == 0x80:
                break
            patience -= 1
            if patience < 0:
                self._absent("revision", revision)
            sleep_ms(1)
        self._set_up()

    def _set_up(self):
        """6.0 of the datasheet, for half duplex."""
        w = self._w
        if w[_FLYING]:
            self._bus.wait()
        w[_FLYING] = w[_SICK] = 0
        for i in range(_COUNT, _WORDS):
            w[i] = 0
        put, put16 = self._put, self._put16
        put16(_ERXST, 0)
        put16(_ERXND, _RX_END)
        put16(_ERXRDPT, _RX_END)  # erratum 14: an odd number
        put(_MACON1, 0x0D)  # receive, pause frames
        put(_MACON3, 0x32)  # fill up to 60 bytes, CRC, check lengths
        put(_MACON4, 0x40)  # wait while the medium is busy, for ever: IEEE 802.3
        put(_MABBIPG, 0x12)
        put(_MAIPGL, 0x12)
        put(_MAIPGH, 0x0C)
        put16(_MAMXFLL, _LONGEST + 4)
        mac = self.mac
        for i in range(6):
            put(_MAADR5 + (4, 5, 2, 3, 0, 1)[i], mac[i])
        self._phy_put(_PHCON2, _HDLDIS)  # what we send does not come back
        self._filter()
        put(_ERXFCON, _FILTERS)
        put(_EIE, 0xC0)  # a frame waits
        self._op(_BFS | _ECON1, _RXEN)

    def _filter(self):
        """8.2: a table of bits, by bits 28 to 23 of the CRC of an address."""
        table = bytearray(8)
        for mac in self._groups:
            crc = 0xFFFFFFFF
            for byte in mac:
                for _ in range(8):
                    top = crc >> 31 ^ byte & 1
                    crc = crc << 1 & 0xFFFFFFFF
                    if top:
                        crc ^= 0x04C11DB7
                    byte >>= 1
            table[crc >> 26 & 7] |= 1 << (crc >> 23 & 7)
        for i in range(8):
            self._put(_EHT0 + i, table[i])

    # -- what chip.py asks for --------------------------------------------------------------------

    def _anew(self):
        self._start(5)

    def _well(self):
        return self._get(_ERXND) == _RX_END & 0xFF and self._get(_ERXFCON) == _FILTERS

    def _up(self):
        self._put(_MIREGADR, _PHSTAT2)
        self._put(_MICMD, 1)
        self._phy_wait()
        self._put(_MICMD, 0)
        return self._get(_MIRDH) >> 2 & 1

    def _untold(self):
        """Erratum 6, and broken wires: the count is what is true."""
        return self._get(_EPKTCNT) and not self._w[_COUNT]


# -- what runs for each frame: closures, for the reason that core/stack.py gives ------------------
# Bank 0 is what is selected between two calls.


def _operations(small, exchange):
    @micropython.viper
    def get(register: int) -> int:
        s = ptr8(int(small))
        s[0] = register
        exchange(2)
        return s[1]

    @micropython.viper
    def op(code: int, value: int):
        s = ptr8(int(small))
        s[0] = code
        s[1] = value
        exchange(2)

    return get, op


def _starter(words, op):
    @micropython.viper
    def start():
        """Have the chip send. Erratum 12: its transmit logic is reset before."""
        w = ptr32(int(words))
        op(_BFS | _ECON1, _TXRST)
        op(_BFC | _ECON1, _TXRST)
        op(_BFC | _EIR, _TX_DONE)
        op(_BFC | _ESTAT, _ABORTED)
        op(_BFS | _ECON1, _TXRTS)
        w[_SENDING] = 1

    return start


def _flusher(words, get, op, start):
    @micropython.viper
    def flush() -> int:
        """Send what has been written to the chip. 0: the one before is still on its way."""
        w = ptr32(int(words))
        if not w[_LENGTH]:
            return 1
        turns = _TURNS
        while w[_SENDING]:
            if int(get(_ECON1)) & _TXRTS:
                turns -= 1
                if not turns:
                    w[_WAITS] = w[_WAITS] + 1
                    if w[_WAITS] > _WAITS_MAX:
                        w[_SICK] = 1
                    return 0
            elif int(get(_EIR)) & _TXERIF and int(get(_ESTAT)) & _LATE and w[_TRIES] < _TRIES_MAX:
                w[_TRIES] = w[_TRIES] + 1  # erratum 13: it was none
                start()
            else:
                w[_SENDING] = 0
        w[_WAITS] = 0
        w[_TRIES] = 0
        at = _TX
        if w[_PLACE]:
            at += _TX_SIZE
        w[_PLACE] = w[_PLACE] ^ 1
        op(_WCR | _ETXST, at)
        op(_WCR | (_ETXST + 1), at >> 8)
        at += w[_LENGTH]
        op(_WCR | _ETXND, at)
        op(_WCR | (_ETXND + 1), at >> 8)
        start()
        w[_LENGTH] = 0
        return 1

    return flush


def _completer(words, wait, op, flush):
    @micropython.viper
    def complete():
        """Wait for what the bus is busy with, and do what follows."""
        w = ptr32(int(words))
        kind = w[_FLYING]
        w[_FLYING] = 0
        if not int(wait()):
            w[_SICK] = 1
            return
        if kind == _AWAY:
            w[_LENGTH] = w[_SENT]
            flush()
            return
        w[_READY] = 1
        at = w[_FOLLOWING]
        w[_NEXT] = at
        at = at - 1 if at else _RX_END  # erratum 14
        op(_WCR | _ERXRDPT, at)
        op(_WCR | (_ERXRDPT + 1), at >> 8)
        op(_BFS | _ECON2, _PKTDEC)
        w[_COUNT] = w[_COUNT] - 1

    return complete


def _beginner(words, small, b, steps):
    exchange = b.exchange
    begin_read = b.begin_read

    @micropython.viper
    def begin() -> int:
        """Have the next frame read. 0: there is none."""
        w = ptr32(int(words))
        s = ptr8(int(small))
        get, op, broken = steps
        if not w[_COUNT]:
            op(_BFS | _ECON1, 1)
            w[_COUNT] = int(get(_EPKTCNT & 0x1F))
            op(_BFC | _ECON1, 1)
            if not w[_COUNT]:
                return 0
            if w[_COUNT] == 255:
                w[_SICK] = 1
                return 0
        at = w[_NEXT]
        op(_WCR | _ERDPT, at)
        op(_WCR | (_ERDPT + 1), at >> 8)
        s[0] = _RBM
        exchange(5)
        at = s[1] | s[2] << 8
        n = (s[3] | s[4] << 8) - 4  # without FCS
        # Each begins at an even address behind the last: six bytes, the frame, its FCS.
        end = (w[_NEXT] + n + 11) & 0x3FFE
        if end > _RX_END:
            end -= _RX_END + 1
        if at != end or n < _SHORTEST or n > _LONGEST:
            broken()
            return 0
        w[_SIZE] = n
        w[_FOLLOWING] = at
        w[_FLYING] = _COMING
        s[0] = _RBM  # the two bytes behind it take the frame's status out: only good ones come
        begin_read(0, n, 0)
        return 1

    return begin


def _taker(words, job, move):
    @micropython.viper
    def take(to: uint, n: int):
        w = ptr32(int(words))
        j = ptr32(job)
        j[0] = to
        j[1] = (uint(to) >> 16) >> 16
        j[2] = w[_HERE]
        j[3] = w[_HERE + 1]
        j[4] = n
        move(job)

    return take


def _receiver(words, steps, line):
    @micropython.viper
    def recv(buf, off: int) -> int:
        w = ptr32(int(words))
        if w[_LOCKED]:
            w[_LOCKED] = 2
            return 0
        if w[_SICK]:
            return 0
        begin, complete, flush, take, tend = steps
        if w[_OWED]:
            w[_OWED] = 0
            tend()
        if not w[_READY]:
            if w[_FLYING] != _COMING:
                if w[_LINE] and not w[_COUNT] and int(line()):
                    if w[_LENGTH] and not w[_FLYING]:
                        flush()
                    return 0
                if w[_FLYING]:
                    complete()
                if w[_LENGTH]:
                    flush()
                if not int(begin()):
                    return 0
            complete()
            if not w[_READY]:
                return 0
        n = w[_SIZE]
        take(uint(ptr8(buf)) + uint(off), n)
        w[_READY] = 0
        if not w[_FLYING]:
            begin()
        return n

    return recv


def _loader(words, job, move):
    @micropython.viper
    def load(source: uint, n: int):
        """A frame to the upper half of bus.buf."""
        w = ptr32(int(words))
        j = ptr32(job)
        j[0] = w[_OUT]
        j[1] = w[_OUT + 1]
        j[2] = source
        j[3] = (uint(source) >> 16) >> 16
        j[4] = n
        move(job)

    return load


def _writer(words, small, tx, steps):
    @micropython.viper
    def write(n: int):
        """Have `n` bytes of it written to its place in the chip, behind a byte of orders: none."""
        w = ptr32(int(words))
        s = ptr8(int(small))
        t = ptr8(int(tx))
        op, begin_write = steps
        at = _TX
        if w[_PLACE]:
            at += _TX_SIZE
        op(_WCR | _EWRPT, at)
        op(_WCR | (_EWRPT + 1), at >> 8)
        w[_SENT] = n
        w[_FLYING] = _AWAY
        s[0] = _WBM
        s[1] = 0
        s[2] = t[0]
        begin_write(_FRAME + 1, n - 1, 0)

    return write


def _sender(words, steps):
    @micropython.viper
    def send(buf, off: int, n: int) -> int:
        w = ptr32(int(words))
        if w[_LOCKED]:
            w[_LOCKED] = 2
            return 0
        if w[_SICK]:  # nothing goes out until link() has seen to it: the stack is not to wait
            return 0 - _EIO
        if n > _MOST:
            return 0 - _EMSGSIZE
        complete, flush, load, write = steps
        if w[_FLYING]:
            complete()
        if not int(flush()):
            return 0
        load(uint(ptr8(buf)) + uint(off), n)
        write(n)
        if n <= w[_SOON]:
            complete()
        return n

    return send


def _tender(words, busy, complete):
    @micropython.viper
    def tend() -> int:
        """The bus has written a frame: the chip is to send it."""
        w = ptr32(int(words))
        if w[_FLYING] == _AWAY and not w[_LOCKED] and not int(busy()):
            complete()
        return 0

    return tend
