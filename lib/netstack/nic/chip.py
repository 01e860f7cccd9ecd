# What drivers of chips on an SPI bus have alike: pins, words, and what watches chip, link and
# interrupt line twice a second. A driver has recv and send, and
#
#   chip              its name
#   _start(patience)  reset it and set it up; it has so many ms to answer, or OSError
#   _anew()           have it forget what it has received, after that has made no sense
#   _complete()       wait for what the bus is busy with, and do what follows
#   _well()           is it still as it was set up?
#   _up()             does it see somebody at the other end of the wire?
#   _untold()         does it hold a frame that its interrupt line should have told of by now?
#   _filter()         let in what is for us and for `_groups`
#   STACK             a word of its own, and the next: ender()
#
# Its words begin with those below. They and the bus are for who is inside the stack; what the
# scheduler calls comes in between, and has the stack's SPIN while it is at work (core/stack.py).
# It does not wait for another core: it notes what it owes, which the next recv() does, and calls
# for that, as for a frame.

from array import array
from micropython import const
from netstack.core.wire import address
from netstack.nic.spi import FRAME, bus, own_mac

_ENODEV = const(19)

_FLYING = const(0)  # what the bus is busy with; 0: nothing
_LINE = const(1)  # there is an interrupt line, and it works
_LOCKED = const(2)  # link() and the like have the bus; 2: and somebody was turned away
_SICK = const(3)  # the chip has said what cannot be
_DROPS = const(4)
_WAKES = const(5)  # the end of what the bus does has the stack run
_SOON = const(6)  # frames up to this length are waited for
_HERE = const(7)  # address of bus.buf, two words, and of its other half
_OUT = const(9)

_LOCK = const(44)  # words of Stack.w
_OWNER = const(64)
_SPIN = const(68)


class Chip:
    mtu = 1500
    caps = 0

    def share(self, words):
        """Two cores use the stack, whose words these are."""
        self._w[self.STACK] = words

    def _attach(self, spi, cs, reset, interrupt, mac, words):
        """The driver's words; nothing is asked of the chip yet."""
        self.mac = own_mac() if mac is None else bytes(mac)
        if len(self.mac) != 6 or self.mac[0] & 1:
            raise ValueError("MAC for %s: 6 bytes, the first of them even" % self.chip)
        self.resets = 0  # times that it had to be started again
        self.lost_interrupts = 0
        self._reset = reset
        self._line = interrupt
        self._cb = None
        self._groups = []
        self._bus = b = bus(spi, cs)
        self._pins = "%s, chip select %s" % (spi, cs)
        self._w = w = array("I", bytes(4 * words))
        w[_SOON] = b.soon
        address(w, _HERE, b.buf)
        address(w, _OUT, memoryview(b.buf)[FRAME:])
        if interrupt is not None:
            w[_LINE] = 1
            interrupt.init(interrupt.IN, interrupt.PULL_UP)
            self.irq = self._irq
        self._on_line_bound = self._on_line
        return w

    def _absent(self, register, value):
        text = "no %s at %s: its %s register reads 0x%02x" % (
            self.chip,
            self._pins,
            register,
            value,
        )
        if value == 0xFF or value == 0:
            text += "; is it powered, and are all of sck, mosi, miso and chip select connected?"
        raise OSError(_ENODEV, text)

    def _broken(self):
        """What it has received makes no sense: begin anew."""
        w = self._w
        w[_DROPS] += 1
        w[_LOCKED] = 1
        try:
            self._anew()
        except OSError:
            w[_SICK] = 1
        w[_LOCKED] = 0

    def _begin(self):
        """Start it for the first time. A chip that is not there keeps no part of the processor."""
        try:
            self._start(50)
        except OSError:
            self._bus.close()
            raise

    def _recover(self):
        """It is not as it was set up: its supply has dipped, or the bus is stuck."""
        self.resets += 1
        try:
            self._start(5)
        except OSError:
            self._w[_SICK] = 1

    # -- what the stack asks for ------------------------------------------------------------------

    @property
    def drops(self):
        return self._w[_DROPS]

    def link(self):
        w = self._lock()
        if w[_SICK] or not self._well():
            self._recover()
        up = 0
        if not w[_SICK]:
            up = self._up()
            if self._line:
                self._watch_line()
        self._unlock()
        return up

    def multicast(self, mac, on):
        mac = bytes(mac)
        if on:
            self._groups.append(mac)
        elif mac in self._groups:
            self._groups.remove(mac)
        w = self._lock()
        try:
            self._filter()
        except OSError:
            w[_SICK] = 1
        self._unlock()

    def _lock(self):
        """From here on the bus is ours."""
        w = self._w
        w[_LOCKED] = 1
        if w[_FLYING]:
            self._complete()
        return w

    def _unlock(self):
        w = self._w
        turned_away = w[_LOCKED] == 2
        w[_LOCKED] = 0
        if turned_away and self._cb:
            self._cb(self)

    def _watch_line(self):
        """Does the interrupt line do what it should? If not, the chip is asked at each poll."""
        w = self._w
        if not self._line():
            w[_LINE] = 1
        if self._untold():
            if self._line():
                self.lost_interrupts += 1
                w[_LINE] = 0
            if self._cb:
                self._cb(self)

    def _irq(self, cb):
        self._cb = cb
        self._w[_WAKES] = bool(cb) and self._bus.tells
        line = self._line
        line.irq(self._on_line_bound if cb else None, line.IRQ_FALLING)
        if cb and not line():
            cb(self)

    @micropython.native
    def _on_line(self, line):
        self._bus.nudge()
        if self._cb:
            self._cb(self)


def ender(words, at, steps):
    """What the scheduler calls, on the first core, when the bus has ended what was begun: it does
    tend(), and wakes the stack if that says so. Word `at` is where the words of the stack lie, if
    two cores use it; the next is set, for recv(), while the other is inside, and tend() has to
    wait."""

    @micropython.viper
    def ended(who):
        w = ptr32(int(words) + (int(at) << 2))
        tend, nudge, wake = steps
        nudge()
        spin = 0
        if w[0]:
            s = ptr32(w[0])
            spin = s[_SPIN]
            if not ptr32(spin)[0]:
                if s[_LOCK] and not s[_OWNER]:
                    spin = 0  # who is inside has been interrupted
                else:
                    w[1] = 1
                    wake(0)
                    return
        woken = int(tend())
        if spin:
            ptr32(spin)[0] = spin
        if woken:
            wake(0)

    return ended
