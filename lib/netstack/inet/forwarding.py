# What the routers of both families have in common (forward.py, forward6.py): interfaces that take
# part in the fast path, and what becomes of a frame that its kernel has changed.
#
# Words of a router's `cb`:
#   0, 1 address of the rows of flows  2 how many, - 1  3 kind of the frames, index of Stack.kinds
#   4, 5 address of NAT's table  6, 7 of the filter's counters  8, 9 of Stack.w
#   10, 11 of the router's counters  12, 13 of the network protocol's  14, 15 of NAT's
#   16... of Interface.w of each interface in turn
# Words of Interface.w, from Forwarding.at on: its number here, address of `cb`.
# Words of Stack.w: 12 bytes of the frame that came, 16 egress, 36 bytes of what leaves; others
# inet/match.py.

from array import array
from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import address, get16, put16

_LEAD = const(2)
_FROM = const(2)  # of Interface.io
_ROWS = const(0)  # of `cb`
_MASK = const(2)
_KIND = const(3)
_STACK = const(8)
_STAT = const(10)
_IP_STAT = const(12)
_PORTS = const(16)
_MOST = const(16)  # interfaces; frames of others take the ordinary way
_OUT_PORT = const(16)
_SIZE = const(36)
_NOBUF = const(6)  # of a router's counters


class Forwarding:
    """kernel: (w, n) -> kind, the fast path."""

    at = 13

    def __init__(self, st, ip, name, names, kernel):
        self.st = st
        self.ip = ip
        self.stat = st.counters(name, names)
        self.nifs = []
        self.ios = []
        self.cb = cb = array("I", bytes(4 * (_PORTS + 2 * _MOST)))
        address(cb, _STACK, st.w)
        address(cb, _STAT, self.stat)
        address(cb, _IP_STAT, ip.stat)
        self.forward = _sender(cb, self.ios, self.queue)
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
        port = len(self.nifs)
        if nif in self.nifs or port == _MOST or nif.prepare is None:
            return
        if not nif.extend(self._kernel):
            return
        nif.w[self.at] = port
        address(nif.w, self.at + 1, self.cb)
        address(self.cb, _PORTS + 2 * port, nif.w)
        self.nifs.append(nif)
        self.ios.append(nif.io)

    def close(self):
        self.st.watchers.remove(self._watch_bound)
        for nif in self.nifs:
            nif.shorten(self._kernel)

    def queue(self, io):
        """Have the frame that a kernel has changed wait for the NIC it leaves by."""
        w = self.st.w
        n = w[_SIZE]
        fr = self.st.pool.alloc()
        if fr is None:
            self.stat[_NOBUF] += 1
            return 1
        copy(fr.buf, _LEAD, io[_FROM], _LEAD, n)
        fr.l2 = _LEAD
        fr.end = _LEAD + n
        self.nifs[w[_OUT_PORT]].transmit(fr)
        return 1


def _sender(block, ios, queue):
    """The handler of frames: a closure, for the reason that core/stack.py gives."""

    @micropython.viper
    def forward(io) -> int:
        """Count the frame that a kernel has changed, and send it."""
        cb = ptr32(block)
        w = ptr32(cb[8] | ((cb[9] << 16) << 16))
        nif = ptr32(w[53] | ((w[54] << 16) << 16))
        n = w[36]
        w[40] = 0  # what match4() has found last is in 12 and 16 no more
        w[32] = w[32] + 1
        stat = ptr32(nif[4] | ((nif[5] << 16) << 16))
        stat[0] = stat[0] + 1
        stat[1] = stat[1] + w[12]
        stat = ptr32(cb[10] | ((cb[11] << 16) << 16))
        stat[0] = stat[0] + 1
        stat = ptr32(cb[12] | ((cb[13] << 16) << 16))
        stat[0] = stat[0] + 1
        port = w[16]
        nif = ptr32(int(cb) + 64 + (port << 3))
        nif = ptr32(nif[0] | ((nif[1] << 16) << 16))
        if nif[6]:  # OPEN
            stat = ptr32(nif[4] | ((nif[5] << 16) << 16))
            got = int(ios[port][1](io[2], 2, n))
            if got > 0:
                w[33] = w[33] + 1
                stat[2] = stat[2] + 1
                stat[3] = stat[3] + n
                return 1
            if got < 0:
                stat[6] = stat[6] + 1
                return 1
        return int(queue(io))

    return forward


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
