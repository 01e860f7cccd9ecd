"""What the emulated Ethernet chips have in common: select line, wire, interrupt line, faults.

A chip is plain Python that CPython and MicroPython both run, and knows neither of a processor nor
of a driver. Whoever wires it up calls

    chip.select(True)        its chip select has gone low, or high again (False)
    chip.transfer(byte)      one byte out and in, returns what is on MISO
    chip.reset_line(level)   its reset pin
    chip.receive(frame)      a frame arrives from the wire, without FCS

and gives it

    chip.on_int(level)       called when the interrupt pin changes (active low)
    chip.transmit(frame)     called with each frame sent, when its last bit is on the wire
    chip.after(ns, do)       call `do` in so many nanoseconds; by default at once

What a driver does that the datasheet forbids, or leaves undefined, is put into `complaints`.

Faults on request, each an attribute:

    stuck      None; 0x00 or 0xFF: MISO stays at that level, whatever is written is lost
    link       False: the cable is out, frames go nowhere
    mute_int   True: the interrupt pin stays high, as on a broken wire
    lie        not None: the length header of the next frame received says this
    stall      True: what is sent never gets done
    power_cut()  the supply dips: registers and buffers are as after power-on
"""

_NS_PER_BYTE = 80  # of 100 Mbit/s


def at_once(ns, do):
    do()


class Chip:
    speed = 100  # Mbit/s

    def __init__(self):
        self.after = at_once
        self.on_int = None
        self.transmit = None
        self.stuck = None
        self.link = True
        self.mute_int = False
        self.lie = None
        self.stall = False
        self.complaints = []
        self.overruns = 0  # frames that found no room
        self.filtered = 0
        self.frames_in = 0
        self.frames_out = 0
        self.resets = 0
        self.selected = False
        self.int_level = 1
        self.in_reset = False
        self.power_on()

    def complain(self, text):
        if text not in self.complaints:
            self.complaints.append(text)

    def select(self, on):
        """Chip select: True when it has gone low."""
        if on == self.selected:
            return
        self.selected = on
        if self.stuck is None and not self.in_reset:
            if on:
                self.begin()
            else:
                self.end()

    def transfer(self, byte):
        if self.stuck is not None:
            return self.stuck
        if self.in_reset or not self.selected:
            return 0xFF  # nobody drives MISO
        return self.exchange(byte)

    def reset_line(self, level):
        if not level and not self.in_reset:
            self.in_reset = True
            self.power_on()
        elif level and self.in_reset:
            self.in_reset = False

    def power_on(self):
        """Everything as after power-on."""
        self.resets += 1
        self.reset()

    def power_cut(self):
        self.power_on()
        self.selected = False

    def show_int(self, active):
        """The interrupt pin is low while `active`."""
        level = 0 if active and not self.mute_int else 1
        if level != self.int_level:
            self.int_level = level
            if self.on_int:
                self.on_int(level)

    def wire_ns(self, n):
        """How long a frame of n bytes takes: preamble, FCS and gap are 24 more."""
        return (max(n, 60) + 24) * _NS_PER_BYTE * 100 // self.speed

    def put_on_wire(self, frame):
        self.frames_out += 1
        if self.link and self.transmit:
            self.transmit(frame)

    def receive(self, frame):
        """A frame arrives from the wire."""
        if not self.link or self.in_reset:
            return
        if not 14 <= len(frame) <= 1518:
            self.filtered += 1
            return
        self.arrive(frame)


def is_group(frame):
    return frame[0] & 1


def is_broadcast(frame):
    return frame[:6] == b"\xff\xff\xff\xff\xff\xff"


def is_multicast4(frame):
    """RFC 1112 6.4."""
    return frame[:3] == b"\x01\x00\x5e"


def is_multicast6(frame):
    """RFC 2464 7."""
    return frame[:2] == b"\x33\x33"
