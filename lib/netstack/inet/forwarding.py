# What the routers of both families have in common (forward.py, forward6.py): interfaces that take
# part in the fast path, and what becomes of a frame that its kernel has changed.
#
# Words of a router's `cb`:
#   0, 1 address of the rows of flows  2 how many, - 1  3 kind of the frames, index of Stack.kinds
#   4, 5 address of NAT's table  6, 7 of the filter's counters
# Words of Interface.w, from Forwarding.at on: its number here, address of `cb`.
# Words of Stack.w: 12 ingress, 16 egress, 36 bytes of the frame; others inet/match.py.

from array import array
from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import add32, address, get16, put16

_LEAD = const(2)
_FROM = const(2)  # of Interface.io
_ROWS = const(0)  # of `cb`
_MASK = const(2)
_KIND = const(3)
_IN_PORT = const(12)
_OUT_PORT = const(16)
_SIZE = const(36)
_FAST_IN = const(32)
_FAST_OUT = const(33)

_NIF_IN = const(0)  # counters of core/interface.py
_NIF_IN_BYTES = const(1)
_NIF_OUT = const(2)
_NIF_OUT_BYTES = const(3)
_NIF_OUT_ERROR = const(6)
_IP_IN = const(0)  # of inet/ipv4.py, inet/ipv6.py
_FORWARDED = const(0)  # of a router
_NOBUF = const(6)


class Forwarding:
    """kernel: (w, n) -> kind, the fast path."""

    at = 13

    def __init__(self, st, ip, name, names, kernel):
        self.st = st
        self.ip = ip
        self.stat = st.counters(name, names)
        self.nifs = []
        self.cb = array("I", bytes(32))
        self._kernel = kernel
        self._watch_bound = self._watch
        st.watchers.append(self._watch_bound)

    def take_part(self, rows, flows):
        """Let the interfaces know the kernel, which keeps `flows` flows in `rows`."""
        address(self.cb, _ROWS, rows)
        self.cb[_MASK] = flows - 1
        self.cb[_KIND] = len(self.st.kinds)
        self.st.kinds.append(self.forward)
        for nif in self.st.nifs:
            self._join(nif)

    def _watch(self, nif, event):
        self._join(nif)

    def _join(self, nif):
        """An interface takes part in the fast path, if it has one and is no port of a bridge."""
        if nif in self.nifs or nif.prepare is None or not nif.extend(self._kernel):
            return
        nif.w[self.at] = len(self.nifs)
        address(nif.w, self.at + 1, self.cb)
        self.nifs.append(nif)

    def close(self):
        self.st.watchers.remove(self._watch_bound)
        for nif in self.nifs:
            nif.shorten(self._kernel)

    @micropython.native
    def forward(self, io):
        """Send the frame that forward_fast.forward() has made."""
        buf = io[_FROM]
        w = self.st.w
        n = w[_SIZE]
        stat = self.nifs[w[_IN_PORT]].stat
        stat[_NIF_IN] += 1
        add32(stat, _NIF_IN_BYTES, n)
        self.ip.stat[_IP_IN] += 1
        self.stat[_FORWARDED] += 1
        w[_FAST_IN] += 1
        out = self.nifs[w[_OUT_PORT]]
        if not out.queued:
            got = out.send(buf, _LEAD, n)
            if got > 0:
                w[_FAST_OUT] += 1
                out.stat[_NIF_OUT] += 1
                add32(out.stat, _NIF_OUT_BYTES, n)
                return 1
            if got < 0:
                out.stat[_NIF_OUT_ERROR] += 1
                return 1
        fr = self.st.pool.alloc()
        if fr is None:
            self.stat[_NOBUF] += 1
            return 1
        copy(fr.buf, _LEAD, buf, _LEAD, n)
        fr.l2 = _LEAD
        fr.end = _LEAD + n
        out.transmit(fr)
        return 1


def clamp(buf, l4, end, most):
    """RFC 4459 3.2: a TCP must not offer an MSS that the way has no room for."""
    if end - l4 < 24 or not buf[l4 + 13] & 2:
        return
    off = l4 + 20
    stop = min(end, l4 + (buf[l4 + 12] >> 4 << 2))
    while off + 4 <= stop and buf[off]:
        if buf[off] == 1:
            off += 1
        elif buf[off] == 2 and buf[off + 1] == 4:
            old = get16(buf, off + 2)
            if old > most:
                put16(buf, off + 2, most)
                if (off - l4) & 1:  # across two words of the sum: RFC 1071 section 2 (B)
                    old = (old & 255) << 8 | old >> 8
                    most = (most & 255) << 8 | most >> 8
                acc = (get16(buf, l4 + 16) ^ 0xFFFF) + (old ^ 0xFFFF) + most
                acc = (acc & 0xFFFF) + (acc >> 16)
                put16(buf, l4 + 16, ((acc & 0xFFFF) + (acc >> 16)) ^ 0xFFFF)
            return
        elif buf[off + 1] < 2:
            return
        else:
            off += buf[off + 1]


def checked(flows):
    """The number of flows that the fast path is to know."""
    if flows < 1 or flows & (flows - 1):
        raise ValueError("%d flows: a power of 2" % flows)
    return flows
