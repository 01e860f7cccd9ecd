# A DHCPv6 message that is sent until it is answered: RFC 8415 15 (when), 16.1 (its number), and
# UDP port 546, which the clients of all interfaces share.

from micropython import const
from netstack.core.clock import elapsed
from netstack.transport.udp import Endpoint

_SERVER_PORT = const(547)
_CLIENT_PORT = const(546)
_ELAPSED_MAX = const(655)  # seconds that fit into an elapsed time option
_SERVERS = b"\xff\x02\0\0\0\0\0\0\0\0\0\0\0\1\0\2"  # RFC 8415 7.1


class Exchange:
    """One transaction."""

    def __init__(self, st):
        self.st = st
        self.life = st.ip6.life
        self.xid = bytearray(3)
        self.tries = 0  # messages sent
        self.rt = 0  # ms from the last one to the next
        self._irt = self._mrt = self._mrc = self._mrd = 0
        self._began = 0  # by both clocks: that of milliseconds wraps
        self._began_s = 0

    def begin(self, irt, mrt=0, mrc=0, mrd=0):
        """The names are those of RFC 8415 15; all but `mrc` are milliseconds, 0: without end."""
        self.st.random.fill(self.xid, 0, 3)
        self.tries = 0
        self._irt = irt
        self._mrt = mrt
        self._mrc = mrc
        self._mrd = mrd

    def limit(self, mrt):
        """A server has named another MRT."""
        self._mrt = mrt

    def over(self):
        """Has it been sent for long enough?"""
        if self._mrc and self.tries >= self._mrc:
            return True
        return self.tries and self._mrd and elapsed(self.st.now, self._began) >= self._mrd

    def next(self, above=False):
        """Counts a message that is sent now; the milliseconds until the next. `above`: RFC 8415
        18.2.1: the first interval of a Solicit is no shorter than IRT."""
        if self.tries == 0:
            self._began = self.st.now
            self._began_s = self.life.now()
            self.rt = self._irt + self._part(self._irt, above)
        else:
            self.rt = 2 * self.rt + self._part(self.rt, False)
        self.tries += 1
        if self._mrt and self.rt > self._mrt:
            self.rt = self._mrt + self._part(self._mrt, False)
        if self._mrd:
            left = self._mrd - elapsed(self.st.now, self._began)
            return left if left < self.rt else self.rt
        return self.rt

    def _part(self, ms, above):
        """RAND: a tenth of it, more or less."""
        step = ms // 320000 + 1  # below() knows no more than 16 bits
        tenth = ms // (10 * step)
        if above:
            return 1 + self.st.random.below(tenth)
        return (self.st.random.below(2 * tenth + 1) - tenth) * step

    def hundredths(self):
        """Since the first message: RFC 8415 21.9."""
        if self.tries == 0:
            return 0
        if self.life.now() - self._began_s >= _ELAPSED_MAX:
            return 0xFFFF
        return elapsed(self.st.now, self._began) // 10


class Port(Endpoint):
    """UDP port 546 of a stack. It has no ring: answers are read out of the frame."""

    def __init__(self, st):
        Endpoint.__init__(self, st.udp)
        self.rcvbuf = 0
        self.control = True
        self.open = False

    def use(self):
        """Raises OSError(EADDRINUSE) when a socket holds the port."""
        if not self.open:
            self.bind(self.st.ip6, None, _CLIENT_PORT)
            self.open = True

    def leave(self):
        """Give the port up when no client needs it any more."""
        for nif in self.st.nifs:
            if nif.v6.dhcp and nif.v6.dhcp.state:
                return
        if self.open:
            self.close()
            self.open = False

    def take(self, fr, data, n):
        """Borrows `fr`."""
        client = fr.nif.v6.dhcp
        if client is not None and client.state:
            client.input(fr.buf, data, n)

    def transmit(self, message, nif):
        """To all servers of the link. False: there is no address to ask from, or no frame."""
        entry = nif.v6.link_local()
        if entry is None:
            return False
        self.nif = nif
        n = len(message)
        sent = self.udp.output(
            self, message, 0, n, self.st.ip6, entry.addr, _SERVERS, _SERVER_PORT
        )
        self.nif = None
        return sent > 0
