# What drivers of W5500 and W5100S have in common: socket 0 in MACRAW mode has all the memory, and
# frames pass through it. w5500.py and w5100s.py say where registers are.
#
# bus.buf has two halves for whole frames, and place for a short one behind them. A frame is read
# to a half, by itself (spi.py), while the stack works on the one before it, in a copy. A frame to
# be sent is copied to a half, or to the place of short ones, and goes out by itself; the next
# waits behind it, and is written to the chip while that still sends the one before. With both
# halves taken, a long frame is written from where it lies, and waited for. When the bus has done
# one thing the next begins at once, reading and writing by turns.
#
# What is said to the chip when a frame has come or is to go, and what is asked of it, is always
# the same but for a value: rows of bus.rows, each a transaction, several done by one call.
#
# The interrupt is cleared each time before the chip is asked how much it holds: a frame that comes
# after that is either seen, or pulls the line down again. The line matters only when the chip was
# empty then: else it is asked again after what it holds.
#
# A register is a number: the three bytes that select it. `with_put` is what differs in them when
# it is written. RAM: 5 KB. Nothing is allocated for a frame.

from array import array
from micropython import const
from netstack.core.move import move
from netstack.core.wire import address, where
from netstack.nic import chip
from time import sleep_ms, sleep_us

_EIO = const(5)
_EMSGSIZE = const(90)

# Registers of socket 0
S0_MR = const(0x00)
S0_CR = const(0x01)
S0_IR = const(0x02)
S0_SR = const(0x03)
S0_TX_WR = const(0x24)
S0_RX_RSR = const(0x26)
S0_RX_RD = const(0x28)
S0_IMR = const(0x2C)

_OPEN = const(0x01)
_CLOSE = const(0x10)
_SEND = const(0x20)
_RECV = const(0x40)
_SENT = const(0x10)  # of IR
_RECEIVED = const(0x04)
_SR_MACRAW = const(0x42)

# Words: first those that chip.py names. Of what the chip has received, AHEAD bytes are still
# there, and the first frame has NEXT of them, those of its length among them (0: that cannot be).
_FLYING = const(0)
_LINE = const(1)
_LOCKED = const(2)
_SICK = const(3)
_WAKES = const(5)
_SOON = const(6)
_HERE = const(7)
_AHEAD = const(11)
_NEXT = const(12)
_RD = const(13)  # the chip's read pointer
_SIZE = const(14)  # what the bus is busy with: how much,
_HOLDS = const(15)  # and the bit of its place
_USED = const(16)  # bits of places: 1, 2 the halves, 4 the one for a short frame
_FULL = const(17)  # bytes of a frame that has come, its half; bytes of another in the other half
_AT = const(18)
_SECOND = const(19)
_WR = const(20)  # the chip's write pointer
_WRITTEN = const(21)  # bytes of a frame that is in the chip, and that it is not told to send yet
_SENDING = const(22)  # it has been told to, and has not said that it is done
_ARMED = const(23)  # its interrupt is clear: the line says whether there is something
_WAITS = const(24)  # how often in a row a frame was not gone yet when the next was to be sent
_LOADED = const(25)  # bytes of a frame that waits for the bus, where in bus.buf, its place's bit
_FROM = const(26)
_IN = const(27)
_ROWS = const(28)  # address of bus.rows, two words
_CR = const(30)  # registers
_IR = const(31)
_RSR = const(32)
_RX_RD = const(33)
_TX_WR = const(34)
_PUT = const(35)
_MASK = const(36)  # memory: what of a pointer is its place there,
_SHIFT = const(37)
_RX = const(38)  # where it begins
_TX = const(39)
_MEMORY = const(40)  # its size
_STACK = const(41)  # of chip.py
_OWED = const(42)
_WORDS = const(43)

_COMING = const(1)  # FLYING: a frame that has come,
_AWAY = const(2)  # one that is to be sent

# Rows, by their numbers: what has been read is taken, and has the chip seen that?
_TOOK = const(0)
_CLEAR = const(3)  # forget that something has come
_LOOK = const(4)  # how much is there, twice, and the first frame's length
_ASK = const(7)  # has the last frame gone out?
_AGAIN = const(8)  # forget that it has;
_GO = const(9)  # another is there, send it, and has the chip seen that?
_TAKEN = const(11)
_END = const(12)
_RD_AT = const(4)  # where in them values are that change, or come back
_TOOK_AT = const(22)
_LOOK_AT = const(38)
_LENGTH_AT = const(49)
_ASK_AT = const(63)
_WR_AT = const(76)
_TAKEN_AT = const(94)

_SPIN = const(68)  # a word of Stack.w

_FRAME = const(1536)  # a half
_BRIEF = const(128)  # a short frame
_LEAD = const(2)  # where in its half a frame begins: as in the stack's
_SHORTEST = const(16)  # a frame and the two bytes of its length
_LONGEST = const(1520)
_MOST = const(1514)  # to be sent
_MOMENT = const(160)  # bytes that are as well waited for
_TURNS = const(200)  # looks at whether a frame is gone: some 1.5 ms, as long as 10 Mbit/s takes
_WAITS_MAX = const(20)


class Wiznet(chip.Chip):
    STACK = _STACK

    def __init__(self, spi, cs, reset=None, interrupt=None, mac=None):
        w = self._attach(spi, cs, reset, interrupt, mac, _WORDS)
        b = self._bus
        address(w, _ROWS, b.rows)
        registers = (S0_CR, S0_IR, S0_RX_RSR, S0_RX_RD, S0_TX_WR)
        for i, value in enumerate([self._socket(at) for at in registers] + list(self._LAYOUT)):
            w[_CR + i] = value
        self._write_rows(w, b.rows)
        words = where(w)
        small = where(b.small)
        job = array("I", bytes(24))
        self._get, self._get16, self._put, self._put16 = _registers(b, w[_PUT])
        self._command = _commander(words, self._get, self._put)
        self._look = look = _looker(words, b.series, self._get)
        flush = _flusher(words, b.series)
        self._complete = complete = _completer(words, b.wait, flush, look)
        fetch = _fetcher(words, small, (b.begin_read, b.wait, complete))
        push = _pusher(words, _writer(words, small, b.begin_write, b.wait), complete, flush)
        go, turn = _goers(words, (fetch, look, push), interrupt)
        steps = complete, flush, fetch, look, b.left, push, go, turn, self._broken
        more = _waiter(words, steps, interrupt)
        tend = _tender(words, b.busy, (complete, go, turn))
        self.recv = _receiver(words, (more, _taker(words, job, move), go, tend))
        load = _loader(words, job, move)
        self.send = _sender(words, (complete, flush, load, b.left, push, turn, self._on_line))
        self.finish = _finisher(words, complete, go, turn)
        self._on_line_bound = _listener(words, b.nudge, self._on_line)
        self._begin()
        b.on_end(chip.ender(words, _STACK, (tend, b.nudge, self._on_line)))

    def _write_rows(self, w, rows):
        """What is always the same of them: how many bytes go out, and what they are."""
        put = w[_PUT]
        rx = w[_RX_RD] ^ put, 0, 5
        rsr = w[_RSR], 0, 5
        taken = w[_CR], 0, 4
        took = rx, (w[_CR] ^ put, _RECV, 4), taken
        look = (w[_IR] ^ put, _RECEIVED, 4), rsr, rsr, (0, 0, 5)
        ask = (w[_CR], 0, 5), (w[_IR] ^ put, _SENT, 4)
        go = (w[_TX_WR] ^ put, 0, 5), (w[_CR] ^ put, _SEND, 4), taken
        at = 0
        for register, value, n in took + look + ask + go:
            rows[at] = n
            rows[at + 1] = register >> 16
            rows[at + 2] = register >> 8 & 0xFF
            rows[at + 3] = register & 0xFF
            rows[at + 4] = value
            at += 8

    # -- starting it, and again -----------------------------------------------------------------

    def _start(self, patience):
        """Reset and set up the chip, which has `patience` ms to answer."""
        if self._reset:
            self._reset.init(self._reset.OUT, value=0)
            sleep_us(600)
            self._reset(1)
        else:
            self._put(self.MR, 0x80)
        while True:
            sleep_ms(1)
            version = self._get(self.VERSION[0])
            if version == self.VERSION[1]:
                break
            patience -= 1
            if patience < 0:
                self._absent("version", version)
        self._set_up()
        for i in range(6):
            self._put(self.SHAR + (i << self.SHIFT), self.mac[i])
        self._open()

    def _open(self):
        """Open socket 0, which empties it."""
        w = self._w
        if w[_FLYING]:
            self._bus.wait()
        for i in (_AHEAD, _FULL, _SECOND, _ARMED, _FLYING, _USED):
            w[i] = 0
        for i in (_WRITTEN, _SENDING, _SICK, _WAITS, _LOADED):
            w[i] = 0
        self._command(_CLOSE)
        self._put(w[_IR], 0xFF)
        self._set_mode()
        self._command(_OPEN)
        w[_RD] = self._get16(w[_RX_RD])
        w[_WR] = self._get16(w[_TX_WR])
        if self._get(self._socket(S0_SR)) != _SR_MACRAW:
            raise OSError(_EIO, "%s at %s does not open its socket" % (self.chip, self._pins))

    def _mode(self):
        """What the filter is to let in: only frames for us? IPv4's multicast? IPv6's?"""
        own, multicast4, multicast6 = True, False, False
        for mac in self._groups:
            if mac[:3] == b"\x01\x00\x5e":
                multicast4 = True
            elif mac[:2] == b"\x33\x33":
                multicast6 = True
            else:
                own = False
        return own, multicast4, multicast6

    def _socket(self, at):
        return self.S0 + (at << self.SHIFT)

    # -- what chip.py asks for --------------------------------------------------------------------

    def _anew(self):
        self._open()

    def _well(self):
        return (
            self._get(self.VERSION[0]) == self.VERSION[1]
            and self._get(self._socket(S0_SR)) == _SR_MACRAW
        )

    def _up(self):
        return self._get(self.PHY) & 1

    def _untold(self):
        w = self._w
        if not w[_ARMED] or not self._look(_LOOK):
            return False
        sleep_us(20)  # longer than it may hold the line back
        return True

    def _filter(self):
        """Multicast of IP is all or nothing here; any other makes it take every frame."""
        if self._mode() != self._set:
            self._open()


# -- what runs for each frame: closures, for the reason that core/stack.py gives ------------------


def _registers(b, with_put):
    small = where(b.small)
    exchange = b.exchange

    @micropython.viper
    def get(register: int) -> int:
        s = ptr8(int(small))
        s[0] = register >> 16
        s[1] = register >> 8
        s[2] = register
        exchange(4)
        return s[3]

    @micropython.viper
    def get16(register: int) -> int:
        s = ptr8(int(small))
        s[0] = register >> 16
        s[1] = register >> 8
        s[2] = register
        exchange(5)
        return s[3] << 8 | s[4]

    @micropython.viper
    def put(register: int, value: int):
        s = ptr8(int(small))
        register ^= int(with_put)
        s[0] = register >> 16
        s[1] = register >> 8
        s[2] = register
        s[3] = value
        exchange(4)

    @micropython.viper
    def put16(register: int, value: int):
        s = ptr8(int(small))
        register ^= int(with_put)
        s[0] = register >> 16
        s[1] = register >> 8
        s[2] = register
        s[3] = value >> 8
        s[4] = value
        exchange(5)

    return get, get16, put, put16


def _commander(words, get, put):
    @micropython.viper
    def command(code: int):
        """Give socket 0 a command, when it has taken the last one."""
        w = ptr32(int(words))
        turns = _TURNS
        while int(get(w[_CR])) and turns:
            turns -= 1
        put(w[_CR], code)

    return command


def _looker(words, series, get):
    @micropython.viper
    def look(first: int) -> int:
        """AHEAD and NEXT, after the rows from `first` on. Read until the chip says the same twice:
        bytes may come while they are read (6.2 of the W5500's application notes: two reads of 16
        bits), and until it has taken what it was told."""
        w = ptr32(int(words))
        rows = w[_ROWS] | ((w[_ROWS + 1] << 16) << 16)
        place = w[_RD] & w[_MASK]
        edge = w[_MEMORY] - place  # W5100S: a length may lie around its end
        place = w[_RX] + (place << w[_SHIFT])
        s = ptr8(rows + _LENGTH_AT)
        s[0] = place >> 16
        s[1] = place >> 8
        s[2] = place
        series(first, _ASK - first)
        s = ptr8(rows + _LOOK_AT)
        turns = _TURNS
        while s[0] != s[8] or s[1] != s[9] or (first == _TOOK and ptr8(rows)[_TOOK_AT]):
            turns -= 1
            if not turns:
                w[_SICK] = 1
                return 0
            if first == _TOOK:
                series(_TOOK + 2, 1)
            series(_LOOK, _ASK - _LOOK)
        n = s[0] << 8 | s[1]
        if n > w[_MEMORY]:
            w[_SICK] = 1
            n = 0
        w[_AHEAD] = n
        size = s[16] << 8 | s[17]
        if edge == 1 and w[_MASK] < w[_MEMORY]:
            size = s[16] << 8 | int(get(w[_RX]))
        w[_NEXT] = 0 if size < _SHORTEST or size > _LONGEST or size > n else size
        if n or w[_SICK]:
            w[_ARMED] = 0
        elif first != _LOOK:
            w[_ARMED] = 1
        return n

    return look


def _flusher(words, series):
    @micropython.viper
    def flush() -> int:
        """Have the chip send what has been written to it. 0: it still sends the one before. IR
        follows CR: one row tells of both."""
        w = ptr32(int(words))
        if not w[_WRITTEN]:
            return 1
        s = ptr8(w[_ROWS] | ((w[_ROWS + 1] << 16) << 16))
        first = _GO
        if w[_SENDING]:
            first = _AGAIN
            turns = _TURNS
            series(_ASK, 1)
            while not s[_ASK_AT] & _SENT:
                turns -= 1
                if not turns:
                    w[_WAITS] = w[_WAITS] + 1
                    if w[_WAITS] > _WAITS_MAX:
                        w[_SICK] = 1
                    return 0
                series(_ASK, 1)
        w[_WAITS] = 0
        at = (w[_WR] + w[_WRITTEN]) & 0xFFFF
        w[_WR] = at
        s[_WR_AT] = at >> 8
        s[_WR_AT + 1] = at
        series(first, _END - first)
        turns = _TURNS
        while s[_TAKEN_AT] and turns:
            series(_TAKEN, 1)
            turns -= 1
        w[_SENDING] = 1
        w[_WRITTEN] = 0
        return 1

    return flush


def _completer(words, wait, flush, look):
    @micropython.viper
    def complete():
        """Wait for what the bus is busy with, and do what follows: the chip is to send what was
        written, or has place for another frame."""
        w = ptr32(int(words))
        kind = w[_FLYING]
        w[_FLYING] = 0
        if not int(wait()):
            w[_SICK] = 1
            return
        n = w[_SIZE]
        if kind == _AWAY:
            w[_USED] = w[_USED] & (w[_HOLDS] ^ 7)
            w[_WRITTEN] = n
            flush()
            return
        at = (w[_RD] + n) & 0xFFFF
        w[_RD] = at
        s = ptr8((w[_ROWS] | ((w[_ROWS + 1] << 16) << 16)) + _RD_AT)
        s[0] = at >> 8
        s[1] = at
        if w[_FULL]:
            w[_SECOND] = n - 2
        else:
            w[_FULL] = n - 2
            w[_AT] = w[_HOLDS]
        look(_TOOK)

    return complete


def _fetcher(words, small, steps):
    @micropython.viper
    def fetch():
        """Have the next frame read to the half that is free, but for its length, which is known.
        A short one is waited for."""
        begin_read, wait, complete = steps
        w = ptr32(int(words))
        s = ptr8(int(small))
        w[_SIZE] = w[_NEXT]
        n = w[_NEXT] - 2
        w[_FLYING] = _COMING
        soon = int(n <= w[_SOON])
        half = 2 if w[_USED] & 1 else 1
        w[_HOLDS] = half
        w[_USED] = w[_USED] | half
        at = _LEAD if half == 1 else _FRAME + _LEAD
        place = (w[_RD] + 2) & w[_MASK]
        if place + n > w[_MEMORY] and w[_MASK] < w[_MEMORY]:  # around its end
            first = w[_MEMORY] - place
            place = w[_RX] + (place << w[_SHIFT])
            s[0] = place >> 16
            s[1] = place >> 8
            s[2] = place
            begin_read(at, first, 1)
            wait()
            at += first
            n -= first
            place = 0
        place = w[_RX] + (place << w[_SHIFT])
        s[0] = place >> 16
        s[1] = place >> 8
        s[2] = place
        begin_read(at, n, soon)
        if soon:
            complete()

    return fetch


def _waiter(words, steps, line):
    @micropython.viper
    def more() -> int:
        """There is no frame here: get one. 0 when there is none to be had now."""
        complete, flush, fetch, look, left, push, go, turn, broken = steps
        w = ptr32(int(words))
        if w[_FLYING]:
            away = int(w[_FLYING] == _AWAY)
            n = int(left())
            if n and away and w[_ARMED] and w[_LINE] and int(line()):
                return 0
            if w[_WAKES] and n > _MOMENT:
                return 0
            complete()
            if away:
                turn()
            else:
                go()
            return 1
        push()
        if w[_FLYING]:
            return 1
        if w[_WRITTEN]:
            flush()
        if w[_AHEAD]:
            if w[_NEXT]:
                fetch()
                return 1
            broken()
            return 0
        if w[_ARMED] and w[_LINE] and int(line()):
            return 0
        return int(look(_CLEAR))

    return more


def _taker(words, job, move):
    @micropython.viper
    def take(to: uint, n: int):
        """The frame that came first is copied, and gone."""
        w = ptr32(int(words))
        j = ptr32(job)
        half = w[_AT]
        j[0] = to
        j[1] = (uint(to) >> 16) >> 16
        j[2] = w[_HERE] + (_LEAD if half == 1 else _FRAME + _LEAD)
        j[3] = w[_HERE + 1]
        j[4] = n
        move(job)
        w[_USED] = w[_USED] & (half ^ 7)
        w[_FULL] = w[_SECOND]
        w[_SECOND] = 0
        w[_AT] = half ^ 3

    return take


def _goers(words, steps, line):
    @micropython.viper
    def gather():
        """Have the next frame read, if there is one, and place for it."""
        fetch, look, push = steps
        w = ptr32(int(words))
        if w[_AHEAD] and w[_NEXT] and w[_USED] & 3 != 3:
            fetch()

    @micropython.viper
    def go():
        """The bus is free, or will tell: what waits goes out, else the next frame may come in."""
        fetch, look, push = steps
        w = ptr32(int(words))
        if w[_FLYING]:
            return
        if w[_LOADED]:
            push()
        if not w[_FLYING]:
            gather()

    @micropython.viper
    def turn():
        """A frame has gone out: what has come in has its turn before the next does."""
        fetch, look, push = steps
        w = ptr32(int(words))
        if w[_WAKES]:
            if w[_ARMED] and not (w[_LINE] and int(line())):
                look(_CLEAR)
            gather()
        if not w[_FLYING]:
            push()

    return go, turn


def _receiver(words, steps):
    @micropython.viper
    def recv(buf, off: int) -> int:
        more, take, go, tend = steps
        w = ptr32(int(words))
        if w[_LOCKED]:
            w[_LOCKED] = 2
            return 0
        if w[_SICK]:
            return 0
        if w[_OWED]:
            w[_OWED] = 0
            tend()
        n = w[_FULL]
        while not n:
            if not int(more()):
                return 0
            n = w[_FULL]
        take(uint(ptr8(buf)) + uint(off), n)
        if not w[_FLYING]:
            go()
        if w[_ARMED] and w[_LINE] and not w[_FULL] and not w[_FLYING]:
            return 0 - n  # the next will be told of
        return n

    return recv


def _loader(words, job, move):
    @micropython.viper
    def load(source: uint, n: int):
        """A frame waits for the bus: a copy, as it lies in words of memory, and filled up to 60
        bytes. Where there is no place for a long one it has to be sent at once."""
        w = ptr32(int(words))
        used = w[_USED]
        place = 4
        at = 2 * _FRAME
        w[_LOADED] = n
        if n > _BRIEF:
            place = 2 if used & 1 else 1
            at = _FRAME if used & 1 else 0
            if used & 3 == 3:
                w[_IN] = 0
                w[_FROM] = int(source) - (w[_HERE] | ((w[_HERE + 1] << 16) << 16))
                return
        w[_USED] = used | place
        w[_IN] = place
        at += int(source) & 3
        w[_FROM] = at
        j = ptr32(job)
        j[0] = w[_HERE] + at
        j[1] = w[_HERE + 1]
        j[2] = source
        j[3] = (uint(source) >> 16) >> 16
        j[4] = n
        move(job)
        if n < 60:
            w[_LOADED] = 60
            p = ptr8((w[_HERE] | ((w[_HERE + 1] << 16) << 16)) + at)
            while n < 60:
                p[n] = 0
                n += 1

    return load


def _writer(words, small, begin_write, wait):
    @micropython.viper
    def write(n: int):
        """Have the frame of `n` bytes that waited written to the chip, behind what it sends."""
        w = ptr32(int(words))
        s = ptr8(int(small))
        w[_SIZE] = n
        w[_HOLDS] = w[_IN]
        w[_FLYING] = _AWAY
        soon = 1 if n <= w[_SOON] or not w[_IN] else 0
        at = w[_FROM]
        place = w[_WR] & w[_MASK]
        if place + n > w[_MEMORY] and w[_MASK] < w[_MEMORY]:  # around its end
            first = w[_MEMORY] - place
            place = w[_TX] + (place << w[_SHIFT])
            s[0] = place >> 16
            s[1] = place >> 8
            s[2] = place
            begin_write(at, first, 1)
            wait()
            at += first
            n -= first
            place = 0
        place = w[_TX] + (place << w[_SHIFT])
        s[0] = place >> 16
        s[1] = place >> 8
        s[2] = place
        begin_write(at, n, soon)

    return write


def _pusher(words, write, complete, flush):
    @micropython.viper
    def push():
        """Have the frame that waits for the bus written to the chip."""
        w = ptr32(int(words))
        n = w[_LOADED]
        if n and (not w[_WRITTEN] or int(flush())):
            w[_LOADED] = 0
            write(n)
            if n <= w[_SOON] or not w[_IN]:
                complete()

    return push


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
        complete, flush, load, left, push, turn, wake = steps
        had = w[_FULL]
        kind = w[_FLYING]
        if w[_LOADED]:
            if kind:
                complete()
            if kind == _AWAY:
                turn()
                if w[_LOADED] and w[_FLYING]:  # that has begun to read
                    complete()
            push()
            kind = w[_FLYING]
        # What the bus does may go on, if it tells when it ends: the frame goes out behind it.
        elif kind and (not w[_WAKES] or int(left()) <= _MOMENT):
            complete()
            if kind == _AWAY:
                turn()
            kind = w[_FLYING]
        if kind and n > _BRIEF and w[_USED] & 3 == 3:  # no place to wait
            complete()
            kind = 0
        size = 0
        if not w[_LOADED] and (kind or not w[_WRITTEN] or int(flush())):
            load(uint(ptr8(buf)) + uint(off), n)
            size = n
            if not kind:
                push()
        if (w[_FULL] or (w[_AHEAD] and not w[_FLYING])) and not had:  # nobody else tells of it
            wake(0)
        return size

    return send


def _tender(words, busy, steps):
    @micropython.viper
    def tend() -> int:
        """What the bus did is done: the chip is to send what was written to it; what was read is
        for the stack. It goes on with what is to be done next. Is the stack to be woken?"""
        w = ptr32(int(words))
        complete, go, turn = steps
        if w[_LOCKED] or int(busy()):
            return 0
        kind = w[_FLYING]
        if kind:
            complete()
            if kind == _AWAY:
                turn()
            else:
                go()
        return 1 if w[_FULL] or (w[_AHEAD] and not w[_FLYING]) else 0

    return tend


def _listener(words, nudge, wake):
    @micropython.viper
    def fell(line):
        """The interrupt line has fallen: that matters when the chip was empty."""
        nudge()
        if ptr32(int(words))[_ARMED]:
            wake(line)

    return fell


def _finisher(words, complete, go, turn):
    @micropython.viper
    def finish() -> int:
        """Wait for what the bus is busy with. Is there anything for recv() now?"""
        w = ptr32(int(words))
        if not w[_FLYING] or w[_LOCKED]:
            return 0
        spin = 0
        if w[_STACK]:
            s = ptr32(w[_STACK])
            spin = s[_SPIN]
            if not ptr32(spin)[0]:  # another core is inside the stack
                return 1
        kind = w[_FLYING]
        if kind:
            complete()
            if kind == _AWAY:
                turn()
            else:
                go()
        if spin:
            ptr32(spin)[0] = spin
        return 0 if w[_ARMED] and not w[_FULL] else 1

    return finish
