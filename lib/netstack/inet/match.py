# The fast path's first step: is this frame for a connection or a socket that we know? Machine code
# looks at the whole of link and network header and finds the control block, or gives up, and the
# frame goes the ordinary way (Interface.input), which is the specification of all that is here.
#
# Its words in Stack.w:
#    4..12 KEY (of demux.py)     13 L4 (offset of the transport header)  14 LEN (from there on)
#   15 ACC (sum of the pseudo header)  16 ROW (in the table)  17, 18 address of the control block
#   19 ACKED (tcp/fast.py)       20, 21 TCP's table  22, 23 UDP's table
#   24, 25 counters of the network protocol
#   26, 27 of TCP  28, 29 of UDP  30, 31 numbers of the segment  32 frames taken  33 frames sent
#   34, 35 counters of the interface  36 bytes of the frame
#   37..41 ports, REMOTE and local address of the last frame; protocol, and CHANGES of the table
#          when ROW was found
#   42 ICMP takes part 43 ALEN: bytes of an address of the packet
#   51, 52 address of the frame  53, 54 of Interface.w
#   55..58 what compose() of udp_fast.py sends  59 GOOD: it is for one of IPv4's protocols
#   60, 61 address of ICMP's block  74 pings over IPv6 take part (echo6_fast.py)
# and for its interface Interface.w: core/interface.py.
#
# What match4() has not found is offered to Stack.kinds[0], where IPv6 joins with a kernel of its
# own that fills the same words (match6.py).

from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import add32, address

TCP = const(1)  # what match4() answers: index of Stack.kinds
UDP = const(2)
ICMP = const(3)
PING6 = const(4)  # what match6.py finds besides

_TABLES = const(20)
_STATS4 = const(24)
_REMOTE = const(38)
_ICMP = const(42)
_L4 = const(13)
_LEN = const(14)
_SIZE = const(36)
_LEAD = const(2)
_L3 = const(16)  # where the IPv4 header is,
_SRC = const(12)  # and in it the sender
_FRAME = const(5)  # Interface.io: core/interface.py
_IN = const(0)  # counters of core/interface.py; the first is also IPv4's
_IN_BYTES = const(1)
_ALEN = const(43)
_ADDRESS = const(4)  # an event of core/interface.py


@micropython.viper
def match4(w: ptr32, n: int) -> int:
    """Look at the frame of `n` bytes, 2 behind the address in `w`: Ethernet, IPv4 without options
    or fragments, to our address, its header checksum right, for a known TCP connection or UDP
    socket, or for ICMP. Returns TCP or UDP with the words 4..18, 34 and 35 filled, ICMP with
    12..15, 34 and 35, 0: not mine."""
    buf = ptr8(w[51] | ((w[52] << 16) << 16))
    nif = ptr32(w[53] | ((w[54] << 16) << 16))
    h = ptr32(int(buf) + 16)
    if n < 42 or ptr16(int(buf) + 14)[0] != 8 or buf[16] != 0x45:
        return 0
    if ptr32(int(buf) + 4)[0] != nif[1] or ptr16(int(buf) + 2)[0] != (nif[0] >> 16) & 0xFFFF:
        return 0
    local = h[4]
    remote = h[3]
    if local != nif[2] or not local:
        return 0
    if w[38] != remote or w[39] != local:
        a = buf[28]
        if remote == local or remote == nif[3] or a == 0 or a == 127 or a >= 224:
            return 0
        w[38] = remote  # and need not be looked at again, unless addresses of ours change
        w[39] = local
        w[40] = 0
    if (h[1] >> 16) & 0xFF3F or buf[17] & 3 == 3:  # a fragment; congestion was experienced
        return 0
    size = ((buf[18] << 8) | buf[19]) - 20
    if size < 8 or size + 34 > n:
        return 0
    half = ptr16(h)
    acc = half[6] + half[7] + half[8] + half[9]
    total = acc + half[0] + half[1] + half[2] + half[3] + half[4] + half[5]
    total = (total & 0xFFFF) + (total >> 16)
    if (total & 0xFFFF) + (total >> 16) != 0xFFFF:
        return 0
    proto = buf[25]
    if proto == 6:
        table = w[20] | ((w[21] << 16) << 16)
    elif proto == 17:
        table = w[22] | ((w[23] << 16) << 16)
    else:
        table = 0
    if not table and (proto != 1 or not w[42]):
        return 0
    w[13] = 36
    w[14] = size
    w[15] = acc + (proto << 8) + ((size & 0xFF) << 8) + (size >> 8)
    w[34] = nif[4]
    w[35] = nif[5]
    w[59] = 1
    if proto == 1:
        w[12] = remote
        return 3
    sport = (buf[36] << 8) | buf[37]
    dport = (buf[38] << 8) | buf[39]
    w[4] = (dport << 16) | sport
    t = ptr32(table)
    if w[37] == w[4] and w[40] == proto and w[41] == t[9]:
        return 1 if proto == 6 else 2  # as the last one
    w[37] = w[4]
    w[40] = 0
    w[41] = t[9]
    w[5] = 0
    w[6] = 0
    w[7] = -65536  # ::ffff:a.b.c.d
    w[8] = local
    w[9] = 0
    w[10] = 0
    w[11] = -65536
    w[12] = remote
    tries = 1 if proto == 6 else 3  # a listener takes the ordinary way
    while tries:
        # _hash() and _find() of demux.py
        key = int(w) + 16
        x = ptr32(key)[0]
        end = key + 36
        p = key + 4
        while p < end:
            x = x * 31 + ptr32(p)[0]
            p += 4
        x = x ^ ((x >> 15) & 0x1FFFF)
        x = (x ^ ((x >> 7) & 0x1FFFFFF)) & t[0]
        i = ptr16((t[1] | ((t[2] << 16) << 16)) + (x << 1))[0]
        while i != 0xFFFF:
            p = (t[5] | ((t[6] << 16) << 16)) + i * 36
            x = key
            while x < end and ptr32(p)[0] == ptr32(x)[0]:
                p += 4
                x += 4
            if x == end:
                p = (t[7] | ((t[8] << 16) << 16)) + (i << 3)
                w[16] = i
                w[17] = ptr32(p)[0]
                w[18] = ptr32(p)[1]
                if not ptr32(p)[0] | ptr32(p)[1]:
                    return 0
                w[40] = proto
                return 1 if proto == 6 else 2
            i = ptr16((t[3] | ((t[4] << 16) << 16)) + (i << 1))[0]
        tries -= 1
        w[4] = dport << 16
        w[11] = 0
        w[12] = 0
        if tries == 1:
            w[7] = 0
            w[8] = 0
    return 0


class Match:
    """Made once per stack, by attach()."""

    def __init__(self, st):
        self.st = st
        self.w = st.w
        self._others = -1  # interfaces beside one, but for loopback
        st.w[_ALEN] = 4
        st.match = self
        address(st.w, _STATS4, st.ip4.stat)
        for nif in st.nifs:
            self.attach_nif(nif)
        st.watchers.append(self._changed)

    def add(self, kind, table, stat, handler):
        """Let frames for what is filed in `table` be offered to handler(nif.io)."""
        address(self.w, _TABLES + 2 * (kind - 1), table.w)
        address(self.w, _STATS4 + 2 * kind, stat)
        self.st.kinds[kind] = handler

    @micropython.native
    def ordinary(self, io):
        """A frame that is good and that nobody has taken: a SYN, say. What the rest of poll(),
        Ethernet.input and IPv4.input would come to, without looking at it once more."""
        st = self.st
        fr = io[_FRAME]
        if self._others and st.ip4.local(fr.buf, _L3 + _SRC):
            return 0  # in our name
        w = self.w
        nif = fr.nif
        nif.stat[_IN] += 1
        add32(nif.stat, _IN_BYTES, w[_SIZE])
        st.ip4.stat[_IN] += 1
        fr.group = False
        fr.l2 = _LEAD
        fr.l3 = _L3
        fr.l4 = w[_L4]
        fr.end = w[_L4] + w[_LEN]
        st.ip4.deliver(fr, fr.buf, _L3)
        return 1

    def answer(self, handler):
        """Let ICMP messages be offered to handler(nif.io)."""
        self.w[_ICMP] = 1
        self.st.kinds[ICMP] = handler

    def attach_nif(self, nif):
        """An interface whose link is Ethernet takes part."""
        if not hasattr(nif, "loopback"):
            self._others += 1
        if nif.prepare is None:
            return
        nif.join(match4, self.ordinary)
        self._changed(nif, _ADDRESS)

    def _changed(self, nif, event):
        self.w[_REMOTE] = 0
        if nif.prepare is None:
            return
        copy(nif.w, 2, nif.mac, 0, 6)
        copy(nif.w, 8, nif.v4.addr, 0, 4)
        copy(nif.w, 12, nif.v4.bcast, 0, 4)


def attach(st):
    """The fast path of a stack with IPv4."""
    return st.match or Match(st)
