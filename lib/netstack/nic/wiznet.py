# What drivers of W5500 and W5100S have in common: socket 0 in MACRAW mode has all the memory, and
# frames pass through it. w5500.py and w5100s.py say where registers are.
#
# What the chip holds is read as one stream, in pieces of up to 1536 bytes, whatever frames they
# cut: while the stack works on a frame, the next piece comes in (spi.py). A frame to be sent is
# copied and goes out by itself; the next waits behind it, and is written to the chip while that
# still sends the one before. When the bus has done one thing the next begins at once, reading and
# writing by turns.
#
# The interrupt is cleared when the chip has been found empty, and the chip looked at once more
# then: a frame that comes in between is either seen, or pulls the line down again.
#
# A register is a number: the three bytes that select it. `with_put` is what differs in them when
# it is written. RAM: 7 KB. Nothing is allocated for a frame.

from array import array
from micropython import const
from netstack.core.move import move
from netstack.core.wire import where
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
# there; a piece of SIZE is on its way; LEFT bytes are here, from AT of bus.rx on, and NEXT more in
# its other half.
_FLYING = const(0)
_LINE = const(1)
_LOCKED = const(2)
_SICK = const(3)
_WAKES = const(5)
_SOON = const(6)
_HERE = const(7)
_OUT = const(9)
_AHEAD = const(11)
_RD = const(12)  # the chip's read pointer
_SIZE = const(13)
_AT = const(14)
_LEFT = const(15)
_NEXT = const(16)
_WR = const(17)  # the chip's write pointer
_WRITTEN = const(18)  # bytes of a frame that is in the chip, and that it is not told to send yet
_SENDING = const(19)  # it has been told to, and has not said that it is done
_ARMED = const(20)  # its interrupt is clear: the line says whether there is something
_WAITS = const(21)  # how often in a row a frame was not gone yet when the next was to be sent
_LOADED = const(22)  # bytes of a frame in bus.tx that waits for the bus
_CR = const(23)  # registers
_IR = const(24)
_RSR = const(25)
_RX_RD = const(26)
_TX_WR = const(27)
_PUT = const(28)
_MASK = const(29)  # memory: what of a pointer is its place there,
_SHIFT = const(30)
_RX = const(31)  # where it begins
_TX = const(32)
_MEMORY = const(33)  # its size
_HALF_OUT = const(34)  # the half of bus.tx, 0 or 1536, for the next frame, or that it waits in
_UNTOLD = const(35)  # something was read while a frame was to be sent
_STACK = const(36)  # of chip.py
_OWED = const(37)
_WORDS = const(38)

_STATE = (_FLYING, _AHEAD, _LEFT, _NEXT, _WRITTEN, _SENDING, _ARMED, _SICK, _WAITS, _LOADED)

_LOW = const(1)  # FLYING: a piece to the lower half of bus.rx,
_HIGH = const(2)  # to the upper half,
_AWAY = const(3)  # a frame that is to be sent

_SPIN = const(68)  # a word of Stack.w

_HALF = const(1536)
_RING = const(3072)
_SHORTEST = const(16)  # a frame and the two bytes of its length
_LONGEST = const(1520)
_MOST = const(1514)  # to be sent
_MOMENT = const(160)  # bytes that are as well waited for
_TURNS = const(200)  # looks at whether a frame is gone: some 1.5 ms, as long as 10 Mbit/s takes
_WAITS_MAX = const(20)


class Wiznet(chip.Chip):
    FRAMES = 2
    STACK = _STACK

    def __init__(self, spi, cs, reset=None, interrupt=None, mac=None):
        w = self._attach(spi, cs, reset, interrupt, mac, _WORDS)
        b = self._bus
        registers = (S0_CR, S0_IR, S0_RX_RSR, S0_RX_RD, S0_TX_WR)
        for i, value in enumerate([self._socket(at) for at in registers] + list(self._LAYOUT)):
            w[_CR + i] = value
        words = where(w)
        self._get, self._get16, self._put, self._put16 = _registers(b, w[_PUT])
        self._command = _commander(words, self._get, self._put)
        both = where(b.small), where(b.second), b.exchange_both
        self._look = _looker(words, both)
        self._flush = _flusher(words, self._put, both)
        self._complete = _completer(words, b.wait, self._flush, _freer(words, both))
        fetch = _fetcher(words, where(b.small), b.begin_read, b.wait)
        write = _writer(words, where(b.small), b.begin_write, b.wait)
        push = _pusher(words, write, self._complete, self._flush)
        arm = _armer(words, self._look, self._put)
        steps = fetch, self._complete, self._flush, arm, b.left, push
        more = _waiter(words, steps, interrupt)
        job = array("I", bytes(24))
        take = _taker(words, job, move)
        gather = _gatherer(words, fetch, self._look)
        ahead = _prefetcher(words, push, gather)
        turn = _turner(words, push, gather, interrupt)
        tend = _tender(words, (b.busy, self._complete, ahead, turn, self._look))
        self.recv = _receiver(words, where(b.rx), (more, take, ahead, tend, self._broken))
        load = _loader(words, job, move)
        fill = _filler(words, where(b.tx))
        steps = self._complete, self._flush, load, fill, b.left, push, turn
        self.send = _sender(words, steps)
        self.finish = _finisher(words, self._complete, turn)
        self._begin()
        b.on_end(chip.ender(words, _STACK, (tend, b.nudge, self._on_line)))

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
        for i in _STATE:
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
        if not w[_ARMED] or not self._look():
            return False
        w[_ARMED] = 0
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


def _looker(words, both):
    first, second, exchange = both

    @micropython.viper
    def look() -> int:
        """AHEAD: bytes that the chip has received. Read until it says the same twice: they may
        come while they are read (6.2 of the W5500's application notes: two reads of 16 bits)."""
        w = ptr32(int(words))
        s = ptr8(int(first))
        t = ptr8(int(second))
        n = 1
        again = 0
        while again != n:
            register = w[_RSR]
            s[0] = t[0] = register >> 16
            s[1] = t[1] = register >> 8
            s[2] = t[2] = register
            exchange(5, 5)
            n = s[3] << 8 | s[4]
            again = t[3] << 8 | t[4]
        if n > w[_MEMORY]:
            w[_SICK] = 1
            n = 0
        else:
            w[_AHEAD] = n
        return n

    return look


def _flusher(words, put, both):
    first, second, exchange = both

    @micropython.viper
    def flush() -> int:
        """Have the chip send what has been written to it. 0: it still sends the one before. IR
        follows CR: one look tells that the last command is taken, and that its frame is gone."""
        w = ptr32(int(words))
        if not w[_WRITTEN]:
            return 1
        s = ptr8(int(first))
        turns = _TURNS
        while True:
            register = w[_CR]
            s[0] = register >> 16
            s[1] = register >> 8
            s[2] = register
            exchange(5, 0)
            if not s[3] and (not w[_SENDING] or s[4] & _SENT):
                break
            turns -= 1
            if not turns:
                w[_WAITS] = w[_WAITS] + 1
                if w[_WAITS] > _WAITS_MAX:
                    w[_SICK] = 1
                return 0
        w[_WAITS] = 0
        at = (w[_WR] + w[_WRITTEN]) & 0xFFFF
        w[_WR] = at
        register = w[_TX_WR] ^ w[_PUT]
        s[0] = register >> 16
        s[1] = register >> 8
        s[2] = register
        s[3] = at >> 8
        s[4] = at
        s = ptr8(int(second))
        register = w[_IR] ^ w[_PUT]
        s[0] = register >> 16
        s[1] = register >> 8
        s[2] = register
        s[3] = _SENT
        exchange(5, 4)
        put(w[_CR], _SEND)
        w[_SENDING] = 1
        w[_WRITTEN] = 0
        return 1

    return flush


def _freer(words, both):
    first, second, exchange = both

    @micropython.viper
    def free(n: int):
        """The `n` bytes that have been read make room for others, when the chip has taken the last
        command."""
        w = ptr32(int(words))
        at = (w[_RD] + n) & 0xFFFF
        w[_RD] = at
        s = ptr8(int(first))
        s[3] = 1
        turns = _TURNS
        while s[3] and turns:
            register = w[_CR]
            s[0] = register >> 16
            s[1] = register >> 8
            s[2] = register
            exchange(4, 0)
            turns -= 1
        register = w[_RX_RD] ^ w[_PUT]
        s[0] = register >> 16
        s[1] = register >> 8
        s[2] = register
        s[3] = at >> 8
        s[4] = at
        s = ptr8(int(second))
        register = w[_CR] ^ w[_PUT]
        s[0] = register >> 16
        s[1] = register >> 8
        s[2] = register
        s[3] = _RECV
        exchange(5, 4)

    return free


def _completer(words, wait, flush, free):
    @micropython.viper
    def complete():
        """Wait for what the bus is busy with, and do what follows."""
        w = ptr32(int(words))
        kind = w[_FLYING]
        w[_FLYING] = 0
        if not int(wait()):
            w[_SICK] = 1
            return
        n = w[_SIZE]
        if kind == _AWAY:
            w[_WRITTEN] = n
            flush()
            return
        free(n)
        w[_AHEAD] = w[_AHEAD] - n
        if w[_LEFT]:
            w[_NEXT] = n
        else:
            w[_LEFT] = n
            w[_AT] = 0 if kind == _LOW else _HALF

    return complete


def _fetcher(words, small, begin_read, wait):
    @micropython.viper
    def fetch():
        """Have the next piece read, to where nothing is."""
        w = ptr32(int(words))
        s = ptr8(int(small))
        n = w[_AHEAD] if w[_AHEAD] < _HALF else _HALF
        w[_SIZE] = n
        w[_FLYING] = _LOW
        at = 0
        if w[_LEFT] and w[_AT] < _HALF:
            w[_FLYING] = _HIGH
            at = _HALF
        place = w[_RD] & w[_MASK]
        if place + n > w[_MEMORY] and w[_MASK] < w[_MEMORY]:  # around its end
            first = w[_MEMORY] - place
            place = w[_RX] + (place << w[_SHIFT])
            s[0] = place >> 16
            s[1] = place >> 8
            s[2] = place
            begin_read(at, first)
            wait()
            at += first
            n -= first
            place = 0
        place = w[_RX] + (place << w[_SHIFT])
        s[0] = place >> 16
        s[1] = place >> 8
        s[2] = place
        begin_read(at, n)

    return fetch


def _waiter(words, steps, line):
    @micropython.viper
    def more() -> int:
        """There is no whole frame here: get more. 0 when the chip has no more."""
        fetch, complete, flush, arm, left, push = steps
        w = ptr32(int(words))
        if w[_FLYING]:
            if w[_FLYING] == _AWAY and w[_ARMED] and w[_LINE] and int(line()):
                return 0
            if w[_WAKES] and int(left()) > _MOMENT:
                return 0
            complete()
            return 1
        push()
        if w[_FLYING]:
            return 1
        if w[_WRITTEN]:
            flush()
        if w[_AHEAD]:
            fetch()
            return 1
        if w[_ARMED] and w[_LINE] and int(line()):
            return 0
        return int(arm())

    return more


def _armer(words, look, put):
    @micropython.viper
    def arm() -> int:
        """The chip is empty, it seems: clear its interrupt. What it holds after all."""
        w = ptr32(int(words))
        w[_ARMED] = 0
        n = int(look())
        if not n:
            put(w[_IR], _RECEIVED)
            n = int(look())
            if not n:
                w[_ARMED] = 1
        return n

    return arm


def _taker(words, job, move):
    @micropython.viper
    def take(to: uint, n: int):
        """The frame at AT, of `n` bytes with the two of its length, is copied, and gone."""
        w = ptr32(int(words))
        j = ptr32(job)
        at = w[_AT] + 2
        if at >= _RING:
            at -= _RING
        size = n - 2
        first = _RING - at
        if first > size:
            first = size
        j[0] = to
        j[1] = (uint(to) >> 16) >> 16
        j[2] = w[_HERE] + at
        j[3] = w[_HERE + 1]
        j[4] = first
        move(job)
        if first < size:
            j[0] = int(to) + first
            j[2] = w[_HERE]
            j[4] = size - first
            move(job)
        low = w[_AT] < _HALF
        at = w[_AT] + n
        w[_AT] = at if at < _RING else at - _RING
        left = w[_LEFT] - n
        if left <= 0 and w[_NEXT]:
            if left == 0:  # the other half begins anew, if this one was not full
                w[_AT] = _HALF if low else 0
            left += w[_NEXT]
            w[_NEXT] = 0
        w[_LEFT] = left

    return take


def _gatherer(words, fetch, look):
    @micropython.viper
    def gather():
        """Have the next piece read, if there is one, and place for it."""
        w = ptr32(int(words))
        if not w[_LEFT] and not w[_AHEAD]:
            look()
        if w[_AHEAD] and not w[_NEXT]:
            fetch()

    return gather


def _prefetcher(words, push, gather):
    @micropython.viper
    def ahead():
        """The bus has read, or is free: what waits goes out, else the next piece may come in."""
        w = ptr32(int(words))
        if w[_FLYING]:
            return
        push()
        if not w[_FLYING]:
            gather()

    return ahead


def _turner(words, push, gather, line):
    @micropython.viper
    def turn():
        """A frame has gone out: what has come in has its turn before the next does."""
        w = ptr32(int(words))
        if w[_WAKES] and not (w[_ARMED] and w[_LINE] and int(line())):
            w[_ARMED] = 0
            gather()
        if not w[_FLYING]:
            push()

    return turn


def _receiver(words, rx, steps):
    @micropython.viper
    def recv(buf, off: int) -> int:
        w = ptr32(int(words))
        if w[_LOCKED]:
            w[_LOCKED] = 2
            return 0
        if w[_SICK]:
            return 0
        w[_UNTOLD] = 0
        more, take, ahead, tend, broken = steps
        if w[_OWED]:
            w[_OWED] = 0
            tend()
        p = ptr8(int(rx))
        while True:
            left = w[_LEFT]
            held = left + w[_NEXT]
            if held > 1:
                at = w[_AT]
                n = p[at] << 8
                end = at + left
                at += 1
                if at == _RING:
                    at = 0
                n |= p[at]
                # A piece that does not end its half has been the last: no frame goes on behind it.
                if n < _SHORTEST or n > _LONGEST or (n > left and end != _HALF and end != _RING):
                    broken()
                    return 0
                if n <= held:
                    take(uint(ptr8(buf)) + uint(off), n)
                    ahead()
                    return n - 2
            if not int(more()):
                if held and not w[_AHEAD] and not w[_FLYING]:
                    broken()
                return 0

    return recv


def _loader(words, job, move):
    @micropython.viper
    def load(source: uint, n: int) -> int:
        """A frame to bus.tx, filled up to 60 bytes: how many it is then."""
        w = ptr32(int(words))
        j = ptr32(job)
        j[0] = w[_OUT] + w[_HALF_OUT]
        j[1] = w[_OUT + 1]
        j[2] = source
        j[3] = (uint(source) >> 16) >> 16
        j[4] = n
        move(job)
        return n

    return load


def _filler(words, tx):
    @micropython.viper
    def fill(n: int) -> int:
        p = ptr8(int(tx) + ptr32(int(words))[_HALF_OUT])
        while n < 60:
            p[n] = 0
            n += 1
        return n

    return fill


def _writer(words, small, begin_write, wait):
    @micropython.viper
    def write(n: int):
        """Have the `n` bytes of a half of bus.tx written to the chip, behind what it sends."""
        w = ptr32(int(words))
        s = ptr8(int(small))
        w[_SIZE] = n
        w[_FLYING] = _AWAY
        at = w[_HALF_OUT]
        w[_HALF_OUT] = _HALF - at
        place = w[_WR] & w[_MASK]
        if place + n > w[_MEMORY] and w[_MASK] < w[_MEMORY]:  # around its end
            first = w[_MEMORY] - place
            place = w[_TX] + (place << w[_SHIFT])
            s[0] = place >> 16
            s[1] = place >> 8
            s[2] = place
            begin_write(at, first)
            wait()
            at += first
            n -= first
            place = 0
        place = w[_TX] + (place << w[_SHIFT])
        s[0] = place >> 16
        s[1] = place >> 8
        s[2] = place
        begin_write(at, n)

    return write


def _pusher(words, write, complete, flush):
    @micropython.viper
    def push():
        """Have the frame that waits for the bus written to the chip."""
        w = ptr32(int(words))
        n = w[_LOADED]
        if n and int(flush()):
            w[_LOADED] = 0
            write(n)
            if n <= w[_SOON]:
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
        complete, flush, load, fill, left, push, turn = steps
        kind = w[_FLYING]
        if w[_LOADED]:
            if kind:
                complete()
            if kind == _AWAY:
                turn()
                kind = w[_FLYING]
                if w[_LOADED] and kind:  # that has begun to read
                    complete()
                    w[_UNTOLD] = 1
            elif kind:
                w[_UNTOLD] = 1
            push()
            if w[_LOADED]:
                return 0
            kind = w[_FLYING]
        # What the bus does may go on: the frame goes out behind it.
        if kind and (not w[_WAKES] or int(left()) <= _MOMENT):
            complete()
            if kind == _AWAY:
                turn()
            else:
                w[_UNTOLD] = 1
        if not w[_FLYING] and not int(flush()):
            return 0
        load(uint(ptr8(buf)) + uint(off), n)
        size = n
        if n < 60:
            size = int(fill(n))
        w[_LOADED] = size
        if not w[_FLYING]:
            push()
        return n

    return send


def _tender(words, steps):
    @micropython.viper
    def tend() -> int:
        """What the bus did is done: the chip is to send what was written to it; what was read is
        for the stack. It goes on with what is to be done next. Is the stack to be woken?"""
        w = ptr32(int(words))
        busy, complete, ahead, turn, look = steps
        if w[_LOCKED] or int(busy()):
            return 0
        if not w[_FLYING]:
            return w[_UNTOLD]
        if w[_FLYING] == _AWAY:
            complete()
            turn()
            return 0 if w[_ARMED] else 1
        complete()
        if not w[_AHEAD] and w[_SIZE] > _MOST:  # there may be more of a burst
            look()
        ahead()
        return 1

    return tend


def _finisher(words, complete, turn):
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
        result = 1
        if kind:
            complete()
            if kind == _AWAY:
                turn()
                if w[_ARMED]:  # else its line would not tell of the next frame
                    result = 0
        if spin:
            ptr32(spin)[0] = spin
        return result

    return finish
