# netstack.ping("10.0.0.1"): ICMP echo (RFC 792) for people at the REPL.

from micropython import const
from netstack.api import address, host
from netstack.core.wire import get16, same
from time import ticks_diff, ticks_us

_ROUND_MS = const(1000)
_SIZE_MAX = const(65507)


class Echo:
    """A request that waits for its reply."""

    def __init__(self, ip, addr, nif, ident):
        self.ip = ip
        self.icmp = ip.icmp
        self.addr = addr
        self.nif = nif
        self.ident = ident
        self.seq = 0
        self.us = -1

    def send(self, st, size, whole=False):
        """0 or -errno. whole: not in fragments, whatever is known of the path."""
        self.us = -1
        host.enter(st)
        try:
            self.start = ticks_us()
            if self.ip.alen == 4:
                return self.icmp.echo(self.addr, self.ident, self.seq, size, whole)
            return self.icmp.echo(self.addr, self.ident, self.seq, size, self.nif, whole)
        finally:
            host.leave(st)

    def reply(self, fr):
        """An echo reply has come in; borrows `fr`."""
        buf = fr.buf
        at = fr.l4
        n = self.ip.alen
        if (
            self.us < 0
            and get16(buf, at + 4) == self.ident
            and get16(buf, at + 6) == self.seq
            and (self.addr[0] == 0xFF or same(buf, fr.l3 + self.ip.src_off, self.addr, 0, n))
        ):
            self.us = ticks_diff(ticks_us(), self.start)

    def answered(self):
        return self.us >= 0


def quoted(ip, buf, at, end):
    """Where the transport header is in the packet that an ICMP error quotes at buf[at]; -1:
    nowhere."""
    if ip.alen == 16:
        return ip.headers.skip(buf, at, end)
    l4 = at + ((buf[at] & 15) << 2)
    return l4 if end >= at + 28 and buf[at] >> 4 == 4 and l4 + 8 <= end else -1


def ping(name, count=4, size=56):
    """Ping a host once a second, and print what comes back. Returns (sent, received)."""
    if not 0 <= size <= _SIZE_MAX:
        raise ValueError("ping: size %d: 0 to %d bytes" % (size, _SIZE_MAX))
    st = host.stack()
    ip, addr, nif = address.whom(name)
    shown = address.show(addr)
    echo = Echo(ip, addr, nif, st.random.bits16())
    received = 0
    before = ip.icmp.on_reply
    ip.icmp.on_reply = echo.reply
    try:
        for seq in range(count):
            echo.seq = seq
            errno = echo.send(st, size)
            if errno < 0:
                raise OSError(-errno, "ping: no way to %s: is the network up?" % shown)
            if host.wait(echo.answered, _ROUND_MS):
                received += 1
                print("%d bytes from %s: seq=%d time=%.2f ms" % (size, shown, seq, echo.us / 1000))
            else:
                print("no answer from %s: seq=%d" % (shown, seq))
            left = _ROUND_MS - ticks_diff(ticks_us(), echo.start) // 1000
            if seq + 1 < count and left > 0:
                host.wait(lambda: False, left)
    finally:
        ip.icmp.on_reply = before
    return count, received
