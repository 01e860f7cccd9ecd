# netstack.traceroute("10.0.0.1"): who passes our packets on. Datagrams to ports where nobody
# listens, with a TTL of 1, 2, 3...: routers say that it has run out (RFC 792, RFC 4443), and the
# host that its port is closed.

from micropython import const
from netstack.api import address, host
from netstack.api.ping import quoted
from netstack.core.wire import get16, same
from time import ticks_diff, ticks_us

_ENOBUFS = const(105)
_PORT = const(33434)
_HOPS_MAX = const(255)
_SIZE = const(32)
_ICMP = const(8)
_UNREACHABLE = const(3)
_UNREACHABLE6 = const(1)
_NO_PORT = const(3)
_NO_PORT6 = const(4)
# codes of "unreachable", as traceroute has them
_SIGNS = {0: " !N", 1: " !H", 2: " !P", 4: " !F", 13: " !X"}
_SIGNS6 = {0: " !N", 1: " !X", 3: " !H", 5: " !X", 6: " !X"}


class _Probe:
    """A datagram on its way, and who has sent it back."""

    def __init__(self, st, ip, addr, nif):
        self.st = st
        self.ip = ip
        self.addr = addr
        self.ep = st.udp.open(ip)
        self.ep.nif = nif
        self.port = _PORT
        self.data = bytearray(_SIZE)
        self.start = 0
        self.us = -1
        self.kind = self.code = 0
        self.who = bytearray(ip.alen)

    def send(self, ttl):
        """Returns what Endpoint.send() does."""
        self.us = -1
        self.port += 1
        host.enter(self.st)
        try:
            self.ep.ttl = self.ep.hops = ttl
            self.start = ticks_us()
            return self.ep.send(self.data, 0, _SIZE, self.ip, self.addr, self.port)
        finally:
            host.leave(self.st)

    def error(self, fr):
        """An ICMP error has come in; borrows `fr`."""
        buf = fr.buf
        ip = self.ip
        at = fr.l4 + _ICMP  # what it quotes
        udp = quoted(ip, buf, at, fr.end)
        if (
            udp >= 0
            and self.us < 0
            and same(buf, at + ip.dst_off, self.addr, 0, ip.alen)
            and get16(buf, udp) == self.ep.lport
            and get16(buf, udp + 2) == self.port
        ):
            self.us = ticks_diff(ticks_us(), self.start)
            self.kind = buf[fr.l4]
            self.code = buf[fr.l4 + 1]
            for i in range(ip.alen):
                self.who[i] = buf[fr.l3 + ip.src_off + i]

    def arrived(self):
        """Is it the host itself that has answered?"""
        return self.code == (_NO_PORT if self.ip.alen == 4 else _NO_PORT6)

    def sign(self):
        """What stands behind an answer that ends the way; None: it does not."""
        if self.kind != (_UNREACHABLE if self.ip.alen == 4 else _UNREACHABLE6):
            return None
        return (_SIGNS if self.ip.alen == 4 else _SIGNS6).get(self.code, "")

    def answered(self):
        return self.us >= 0

    def close(self):
        host.call(self.st, self.ep.close)


def traceroute(name, hops=30, probes=3, timeout=1):
    """Print the way to a host, a line for each hop: who, and how long it took. Returns whether the
    host was reached."""
    if not 1 <= hops <= _HOPS_MAX or probes < 1:
        raise ValueError("traceroute: 1 to %d hops, at least 1 probe" % _HOPS_MAX)
    ip, addr, nif = address.whom(name)
    host.udp()
    probe = _Probe(host.stack(), ip, addr, nif)
    icmp = ip.icmp
    before = icmp.on_error
    icmp.on_error = probe.error
    print("to %s (%s), %d hops at most" % (name, address.show(addr), hops))
    try:
        for ttl in range(1, hops + 1):
            if _hop(probe, ttl, probes, int(timeout * 1000)):
                return probe.arrived()
        return False
    finally:
        icmp.on_error = before
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
        who = address.show(probe.who)
        if who != last:
            print("  " + who, end="")
            last = who
        print("  %.2f ms" % (probe.us / 1000), end="")
        sign = probe.sign()
        if sign is not None:
            end = True
            print(sign, end="")
    print()
    return end
