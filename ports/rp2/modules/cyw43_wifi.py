# The CYW43439 of a Pico W as a NIC for each of its interfaces: station 0, access point 1. The C
# module _cyw43 moves frames; what a radio is told besides is told through `radio`.

import _cyw43 as raw

_EINVAL = 22
_radios = [None, None]


def radio(interface):
    """The NIC of an interface: the same at each call."""
    if _radios[interface] is None:
        _radios[interface] = Radio(interface)
    return _radios[interface]


class Radio:
    mtu = 1500
    caps = 0
    raw = raw

    def __init__(self, interface):
        self.interface = interface
        self.country = "XX"
        self._callback = None
        self._received_bound = self._received
        self.up(True)  # it tells its MAC only then
        self.mac = raw.mac()
        if interface:  # the two must not be one
            self.mac = bytes((self.mac[0] ^ 2,)) + self.mac[1:]
        raw.on_receive(self._received_bound)

    def up(self, on):
        raw.up(self.interface, on, self.country)

    @property
    def drops(self):
        return raw.drops()

    def recv(self, buf, off):
        return raw.recv(self.interface, buf, off)

    def send(self, buf, off, n):
        result = raw.send(self.interface, buf, off, n)
        if result < 0:
            return result if result == -_EINVAL else 0  # no credit of the bus: asked again
        return n

    def link(self):
        if self.interface == 0 and raw.status() <= 0:
            return 0
        return raw.link(self.interface)

    def irq(self, callback):
        self._callback = callback

    def _received(self, _):
        for each in _radios:
            if each and each._callback:
                each._callback(each)

    def multicast(self, mac, on):
        raw.multicast(mac, on)
