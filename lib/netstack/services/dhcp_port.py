# UDP port 68 of a stack: one for the DHCP clients of all its interfaces.

from micropython import const
from netstack.core.checksum import copy
from netstack.transport.udp import Endpoint

_SERVER_PORT = const(67)
_CLIENT_PORT = const(68)
_OFF = const(0)  # of a client: dhcp.py


class Port(Endpoint):
    """UDP port 68 of a stack, shared by the clients of all its interfaces. It has no ring: answers
    are read out of the frame."""

    def __init__(self, udp):
        Endpoint.__init__(self, udp)
        self.rcvbuf = 0
        self.control = True
        self.broadcast = True
        self.open = False

    def use(self):
        if not self.open:
            self.bind(self.st.ip4, None, _CLIENT_PORT)
            self.open = True

    def leave(self):
        """Give the port up when no client needs it any more."""
        for client in self.st.dhcp.values():
            if client.state != _OFF:
                return
        if self.open:
            self.close()
            self.open = False

    def take(self, fr, data, n):
        """Borrows `fr`."""
        client = self.st.dhcp.get(fr.nif)
        if client is not None and client.state != _OFF:
            client.input(fr, data, n)

    def transmit(self, buf, n, nif, src, dst):
        """Send a message of `n` bytes: by the interface `nif`, or routed when that is None."""
        self.nif = nif
        sent = self.udp.output(self, buf, 0, n, self.st.ip4, src, dst, _SERVER_PORT)
        self.nif = None
        return sent


def put(buf, at, code, value):
    """Write an option; returns the offset behind it."""
    n = len(value)
    buf[at] = code
    buf[at + 1] = n
    copy(buf, at + 2, value, 0, n)
    return at + 2 + n
