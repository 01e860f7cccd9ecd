# netstack.traceroute("10.0.0.1"): who passes our packets on. Datagrams to ports where nobody
# listens, with a TTL of 1, 2, 3...: routers say that it has run out (RFC 792), and the host that
# its port is closed.

from micropython import const
from netstack.api import address, host
from netstack.core.wire import get16, same
from time import ticks_diff, ticks_us

_ENOBUFS = const(105)
_PORT = const(33434)
_HOPS_MAX = const(255)
_SIZE = const(32)
_ICMP = const(8)
_UNREACHABLE = const(3)
_NO_PORT = const(3)
_IP_SRC = const(12)
_IP_DST = const(16)
_SIGNS = {0: " !N", 1: " !H", 2: " !P", 4: " !F", 13: " !X"}  # codes, as traceroute has them


class _Probe:
    """A datagram on its way, and who has sent it back."""

    def __init__(self, st, addr):
        self.st = st
        self.addr = addr
        self.ep = st.udp.open()
        self.port = _PORT
        self.data = bytearray(_SIZE)
        self.start = 0
        self.us = -1
        self.kind = self.code = 0
        self.who = bytearray(4)

    def send(self, ttl):
        """Returns what Endpoint.send() does."""
        self.us = -1
        self.port += 1
        host.enter(self.st)
        try:
            self.ep.ttl = ttl
            self.start = ticks_us()
            return self.ep.send(self.data, 0, _SIZE, self.st.ip4, self.addr, self.port)
        finally:
            host.leave(self.st)

    def error(self, fr):
        """An ICMP error has come in; borrows `fr`."""
        buf = fr.buf
        at = fr.l4 + _ICMP  # what it quotes
        if fr.end < at + 28 or buf[at] >> 4 != 4 or self.us >= 0:
            return
        udp = at + ((buf[at] & 15) << 2)
        if (
            udp + 4 <= fr.end
            and same(buf, at + _IP_DST, self.addr, 0, 4)
            and get16(buf, udp) == self.ep.lport
            and get16(buf, udp + 2) == self.port
        ):
            self.us = ticks_diff(ticks_us(), self.start)
            self.kind = buf[fr.l4]
            self.code = buf[fr.l4 + 1]
            for i in range(4):
                self.who[i] = buf[fr.l3 + _IP_SRC + i]

    def answered(self):
        return self.us >= 0

    def close(self):
        host.enter(self.st)
        try:
            self.ep.close()
        finally:
            host.leave(self.st)


def traceroute(name, hops=30, probes=3, timeout=1):
    """Print the way to a host, a line for each hop: who, and how long it took. Returns whether the
    host was reached."""
    if not 1 <= hops <= _HOPS_MAX or probes < 1:
        raise ValueError("traceroute: 1 to %d hops, at least 1 probe" % _HOPS_MAX)
    addr = address.resolve(name)[0]
    host.udp()
    st = host.stack()
    probe = _Probe(st, addr)
    before = st.icmp4.on_error
    st.icmp4.on_error = probe.error
    print("to %s (%s), %d hops at most" % (name, address.text(addr), hops))
    try:
        for ttl in range(1, hops + 1):
            if _hop(probe, ttl, probes, int(timeout * 1000)):
                return probe.code == _NO_PORT
        return False
    finally:
        st.icmp4.on_error = before
        probe.close()


def _hop(probe, ttl, probes, ms):
    """One line; True at the end of the way."""
    print("%2d" % ttl, end="")
    last = None
    end = False
    for _ in range(probes):
        n = probe.send(ttl)
        if n < 0 and n != -_ENOBUFS:
            raise OSError(-n, "traceroute: no way there: is the network up?")
        if not host.wait(probe.answered, ms):
            print("  *", end="")
            continue
        who = address.text(probe.who)
        if who != last:
            print("  " + who, end="")
            last = who
        print("  %.2f ms" % (probe.us / 1000), end="")
        if probe.kind == _UNREACHABLE:
            end = True
            print(_SIGNS.get(probe.code, ""), end="")
    print()
    return end
