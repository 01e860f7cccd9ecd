# An interface: a NIC (contract: docs/nic.md), the link protocol on it, its transmit queue.
#
# The link sits in two slots, `input(fr)` and `output(fr, ethertype, hop, hoff)`, filled by the
# link's attach(nif). `resolve` maps an ethertype to what finds link addresses for it (ARP, ND).
#
# The fast path fills `match` and `w` (inet/match.py): a frame straight from the NIC is
# offered to it, and only what it does not take is queued for `input`.

import netstack
from micropython import const
from netstack.core.wire import add32

_LEAD = const(2)
_TXQ = const(16)  # frames a busy NIC may leave waiting

NAMES = ("in", "in_bytes", "out", "out_bytes", "out_busy", "out_full", "out_error")
_IN = const(0)
_IN_BYTES = const(1)
_OUT = const(2)
_OUT_BYTES = const(3)
_OUT_BUSY = const(4)  # sends put off because the NIC was busy
_OUT_FULL = const(5)  # frames dropped because the transmit queue was full
_OUT_ERROR = const(6)  # frames the NIC refused, or for an interface that is down

LINK_UP = const(1)
LINK_DOWN = const(2)
ADDRESS = const(4)


class Interface:
    """Made by Stack.add(). `up` is the user's wish, `link` the NIC's state."""

    def __init__(self, st, nic, name, burst):
        self.st = st
        self.name = name
        self.mac = nic.mac
        self.mtu = nic.mtu
        self.up = False
        self.link = 0
        self.hostname = None
        self.input = None
        self.output = None
        self.prepare = None  # (buf, at, ethertype, hop, hoff): write a header once for many frames
        self.resolve = {}
        self.known = {}
        self.match = None
        self.w = None
        self._spare = None  # the frame that the NIC fills next
        self._own = False
        self.use(nic)
        self.v4 = None  # the IPv4 address state, filled by inet/ipv4
        self.stat = st.counters(name, NAMES)
        self._rx = [None] * burst  # a batch: _got frames, _done of them handed up
        self._got = 0
        self._done = 0
        self._tx = [None] * _TXQ
        self._txhead = 0
        self.queued = 0

    def use(self, nic):
        """Have this NIC from now on: one that wraps the first, say. Its link address stays."""
        self.nic = nic
        self.send = nic.send  # bound once: that allocates
        self._recv = nic.recv

    @micropython.native
    def poll(self):
        """Drain the NIC into frames, then hand them up. True when there may be more."""
        if self.queued:
            self.drain()
        more = True
        if self._done == self._got:  # else an exception has left some of the last batch
            more = self._fetch()
        if self._got:
            self._hand_up()
        return more

    def _hand_up(self):
        while self._done < self._got:
            fr = self._rx[self._done]
            self._done += 1
            try:
                self.take(fr)
            finally:
                self.st.pool.release(fr)

    def take(self, fr):
        """Hand up a frame that starts at _LEAD: one of the NIC's, or of an interface below this
        one (a bridge's port, what a VLAN is on). Borrows `fr`."""
        if not self._taken(fr):
            fr.nif = self
            self.stat[_IN] += 1
            add32(self.stat, _IN_BYTES, fr.end - fr.l2)
            self.input(fr)

    def _taken(self, fr):
        """Has the fast path taken this frame?"""
        if not netstack.fastpath or self.match is None:
            return False
        kind = self.match(fr.buf, fr.end - _LEAD, self.w, self.st.w)
        return kind and self.st.kinds[kind](fr.buf)

    @micropython.native
    def _fetch(self):
        """Move frames from the NIC to _rx, but for those the fast path takes at once: as long as
        none waits, so that the order stays. True when there may be more."""
        fr = self._spare or self._another()
        if fr is None:
            return False
        buf = fr.buf
        st = self.st
        match = netstack.fastpath and self.match
        w = self.w
        words = st.w
        kinds = match and st.kinds
        recv = self._recv
        rx = self._rx
        self._got = self._done = n = 0
        for _ in range(len(rx)):
            size = recv(buf, _LEAD)
            if size <= 0:
                return False
            if match and n == 0:
                kind = match(buf, size, w, words)
                if kind and kinds[kind](buf):
                    continue
            fr.l2 = _LEAD
            fr.end = _LEAD + size
            fr.group = False
            rx[n] = fr
            n += 1
            self._got = n
            fr = self._spare = st.pool.alloc()
            if fr is None:
                return True
            buf = fr.buf
        return True

    def _another(self):
        """A frame for the NIC to fill next; there is always one, however full the pool is, or
        frames that are held for neighbours could keep out the very answers that let them go."""
        if self._own:
            self._spare = self.st.pool.alloc(True)
        else:
            self._spare = self.st.pool.extra()
            self._own = True
        return self._spare

    def transmit(self, fr):
        """Send the frame from l2 to end, or queue it while the NIC is busy. Takes `fr`."""
        if not self.up:  # what a timer of ours still sends: an ARP request, a retransmission
            self.stat[_OUT_ERROR] += 1
            self.st.pool.release(fr)
            return
        if self.queued == 0 and self._send(fr):
            return
        self._wait(fr)

    def refused(self, fr, n):
        """The NIC has not taken a frame that was given to it straight while none was waiting; `n`
        is its answer: 0, the frame waits; below 0, it is lost. Takes `fr`."""
        if n == 0:
            self.stat[_OUT_BUSY] += 1
            self._wait(fr)
        else:
            self.stat[_OUT_ERROR] += 1
            self.st.pool.release(fr)

    def _wait(self, fr):
        if self.queued == _TXQ:
            self.stat[_OUT_FULL] += 1
            self.st.pool.release(fr)
            return
        at = self._txhead + self.queued
        self._tx[at - _TXQ if at >= _TXQ else at] = fr
        self.queued += 1
        self.st.queued += 1

    def room(self):
        """Can the transmit queue take another frame?"""
        return self.queued < _TXQ

    def _send(self, fr):
        size = fr.end - fr.l2
        n = self.send(fr.buf, fr.l2, size)
        if n == 0:
            self.stat[_OUT_BUSY] += 1
            return False
        if n > 0:
            self.stat[_OUT] += 1
            add32(self.stat, _OUT_BYTES, size)
        else:
            self.stat[_OUT_ERROR] += 1
        self.st.pool.release(fr)
        return True

    def drain(self):
        """Offer the NIC what waits for it."""
        while self.queued:
            if not self._send(self._tx[self._txhead]):
                return
            head = self._txhead + 1
            self._txhead = 0 if head == _TXQ else head
            self.queued -= 1
            self.st.queued -= 1

    def set_up(self, up):
        """Bring the interface up or down. Frames that still wait are dropped when it goes down."""
        self.up = up
        if up:
            self.check_link()
            return
        while self.queued:
            self.st.pool.release(self._tx[self._txhead])
            head = self._txhead + 1
            self._txhead = 0 if head == _TXQ else head
            self.queued -= 1
            self.st.queued -= 1
        if self.link:
            self.link = 0
            self.st.notify(self, LINK_DOWN)

    def check_link(self):
        link = self.nic.link() if self.up else 0
        if link != self.link:
            self.link = link
            self.st.notify(self, LINK_UP if link else LINK_DOWN)
