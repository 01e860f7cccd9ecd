# netstack.path_mtu("10.0.0.1"): how long a packet may be that gets to a host in one piece, found
# out with pings (RFC 8899): also where routers drop what is too long and do not say so. TCP and
# UDP go by it for ten minutes then, as by what routers tell (inet/paths.py).

from micropython import const
from netstack.api import address, host
from netstack.api.ping import Echo, quoted
from netstack.core.wire import get16, same
from netstack.inet import paths

_EHOSTUNREACH = const(113)
_EMSGSIZE = const(90)
_HDR = const(8)  # of an echo request
_BASE = const(1200)  # RFC 8899 5.1.2: BASE_PLPMTU
_MIN4 = const(256)  # MIN_PLPMTU, as inet/paths.py has it
_MIN6 = const(1280)  # RFC 8200 5
_TRIES = const(3)  # MAX_PROBES
# DEVIATION RFC 8899 5.1.1: PROBE_TIMER is to be 15 seconds, but here somebody waits for it.
_PROBE_S = const(1)


class _Probe(Echo):
    """A request of some size, and what a router has said of it."""

    def __init__(self, st, ip, addr, nif):
        super().__init__(ip, addr, nif, st.random.bits16())
        self.st = st
        self.head = ip.dst_off + ip.alen + _HDR
        self.told = 0  # RFC 8899 4.6: PL_PTB_SIZE

    def error(self, fr):
        """An ICMP error has come in; borrows `fr`."""
        buf = fr.buf
        at = fr.l4
        four = self.ip.alen == 4
        if buf[at] != (3 if four else 2) or four and buf[at + 1] != 4:
            return
        l4 = quoted(self.ip, buf, at + _HDR, fr.end)
        if (
            l4 >= 0
            and same(buf, at + _HDR + self.ip.dst_off, self.addr, 0, self.ip.alen)
            and get16(buf, l4 + 4) == self.ident
            and get16(buf, l4 + 6) == self.seq
        ):
            self.told = get16(buf, at + 6) or 1  # RFC 1191 5: old routers do not say how much

    def over(self):
        return self.us >= 0 or self.told

    def fits(self, mtu, ms):
        """Does a packet of `mtu` bytes get there and back?"""
        for _ in range(_TRIES):
            self.seq = self.seq + 1 & 0xFFFF
            self.told = 0
            errno = self.send(self.st, mtu - self.head, True)
            if errno < 0 and errno != -_EMSGSIZE:
                raise OSError(-errno, "path_mtu: no way to it: is the network up?")
            if errno < 0 or host.wait(self.over, ms) and self.us < 0:
                return False
            if self.us >= 0:
                return True
        return False

    def search(self, least, most, ms):
        """The longest that fits; 0: nothing does (RFC 8899 5.2, 5.3.2)."""
        low = min(max(_BASE, least), most)
        high = most
        if not self.fits(low, ms):
            high = low - 1
            low = least
            if low > high or not self.fits(low, ms):
                return 0
        size = high
        told = 0
        while low < high and low != told:  # what a router says counts if that much fits
            if self.fits(size, ms):
                low = size
            else:
                high = size - 1
                told = self.told
            size = told if low < told <= high else low + high + 1 >> 1
        return low


def path_mtu(name, timeout=_PROBE_S):
    """Find out how long a packet to a host may be, with pings that no router cuts, and go by it.
    Of each size three are sent, `timeout` seconds apart. Returns bytes of the whole IP packet.
    Raises OSError(EHOSTUNREACH) when the host answers none."""
    st = host.stack()
    ip, addr, nif = address.whom(name)
    probe = _Probe(st, ip, addr, nif)
    icmp = ip.icmp
    before = icmp.on_reply, icmp.on_error
    icmp.on_reply = probe.reply
    icmp.on_error = probe.error
    try:
        out = nif or ip.route(addr, 0)
        most = (out.mtu if ip.alen == 4 else out.v6.mtu) if out else _MIN6
        found = probe.search(_MIN4 if ip.alen == 4 else _MIN6, most, int(timeout * 1000))
    finally:
        icmp.on_reply, icmp.on_error = before
    if not found:
        raise OSError(_EHOSTUNREACH, "path_mtu: %s answers no ping" % address.show(addr))
    host.enter(st)
    try:
        paths.attach(ip).renew(addr, found, most)
    finally:
        host.leave(st)
    return found
