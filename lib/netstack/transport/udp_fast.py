# UDP's fast path: machine code for the datagrams of a socket that are like the last ones. What it
# does is what udp.py does, which is its specification; on any doubt it changes nothing and leaves
# the datagram to it. tests/unix/diff compares the two.
#
#   datagram()  one has come, into the socket's ring      compose()  one is sent to where the last
#   unpack()    a program takes one out of the ring                  one went
#
# Words of an endpoint's block `cb`:
#    0 OPEN (filed, for any interface)  1, 2 address of the ring's words  3 datagrams in the ring
#    4 HOPS (of Stack.w, when the header below was written)  5 port  6 address (IPv4) it is for
#    7 sum of the IP header   8 sum of the pseudo header and the ports    9 the longest datagram
#   10 bytes of the datagram taken out last  11 its sender's port  12 bytes of its sender's address
# A record in the ring is a whole number of words:
#   | length 2 | bytes of the address 1 | 0 1 | port 2 | 0 2 | address | data, 0 to 3 of 0 |
# Words of Stack.w: match.py.

from array import array
from micropython import const
from netstack.core.checksum import copy, csum
from netstack.core.move import move
from netstack.core.wire import add32, put16, same
from netstack.inet import match

_PROTO = const(17)
_HEADERS = const(36)  # lead, Ethernet, IPv4
_LINK = const(78)  # where the frame begins that compose() builds
_DST = const(32)  # the destination in a header

_HOPS = const(2)

_PREPARED = const(4)
_PORT = const(5)
_IP_SUM = const(7)
_UDP_SUM = const(8)
_LONGEST = const(9)

_OPEN = const(6)  # of Interface.w
_SEND = const(1)  # Interface.io: core/interface.py
_FROM = const(2)
_TO = const(3)
_REFUSED = const(4)
_NIF_OUT = const(2)  # counters of core/interface.py
_NIF_OUT_BYTES = const(3)


@micropython.viper
def unpack(block, addr: ptr8, buf: ptr8, off: int, most: int, keep: int, move, job) -> int:
    """Copy the first datagram of the ring, at most `most` bytes of it, to buf[off], its sender's
    address to `addr`, and drop it unless `keep`. Returns how many bytes; -1: there is none."""
    cb = ptr32(block)
    if not cb[3]:
        return -1
    r = ptr32(cb[1] | ((cb[2] << 16) << 16))
    end = r[2]
    base = r[3] | ((r[4] << 16) << 16)
    at = r[0]
    p = ptr8(base + at)
    size = (p[0] << 8) | p[1]
    alen = p[2]
    at += 4
    if at == end:
        at = 0
    p = ptr8(base + at)
    cb[11] = (p[0] << 8) | p[1]
    cb[12] = alen
    left = alen
    while left:
        at += 4
        if at == end:
            at = 0
        p = ptr8(base + at)
        addr[0] = p[0]
        addr[1] = p[1]
        addr[2] = p[2]
        addr[3] = p[3]
        addr = ptr8(int(addr) + 4)
        left -= 4
    at += 4
    if at == end:
        at = 0
    n = size if size < most else most
    cb[10] = n
    to = int(buf) + off
    left = n
    j = ptr32(job)
    while left > 0:
        k = end - at
        if k > left:
            k = left
        j[0] = to
        j[1] = (to >> 16) >> 16
        j[2] = base + at
        j[3] = ((base + at) >> 16) >> 16
        j[4] = k
        move(job)
        to += k
        left -= k
        at = 0
    if not keep:
        total = (8 + alen + size + 3) & -4
        cb[3] = cb[3] - 1
        r[1] = r[1] - total
        at = r[0] + total
        if at >= end:
            at -= end
        r[0] = at if r[1] else 0
    return n


@micropython.viper
def compose(
    frame: ptr8,
    block,
    header: ptr8,
    words,
    src: ptr8,
    off: int,
    n: int,
    dst: ptr8,
    port: int,
    move,
    job,
) -> int:
    """Build the frame of a datagram of `n` bytes at src[off] in `frame`, if `dst` and `port` are
    what `header` was written for. Returns its length; 0: not mine."""
    w = ptr32(words)
    cb = ptr32(block)
    if cb[4] != w[2] or cb[5] != port or n > cb[9] or n < 0:
        return 0
    if dst[0] != header[32] or dst[1] != header[33]:
        return 0
    if dst[2] != header[34] or dst[3] != header[35]:
        return 0
    to = int(frame) + 76
    d = int(header)
    end = d + 44
    while d < end:
        ptr32(to)[0] = ptr32(d)[0]
        to += 4
        d += 4
    w[3] = (w[3] + 1) & 0xFFFF
    d = w[3]
    x = 28 + n
    b = ptr8(int(frame) + 92)
    b[2] = x >> 8
    b[3] = x
    b[4] = d >> 8
    b[5] = d
    x = cb[7] + (((x & 0xFF) << 8) | (x >> 8)) + (((d & 0xFF) << 8) | (d >> 8))
    x = (x & 0xFFFF) + (x >> 16)
    x = ((x & 0xFFFF) + (x >> 16)) ^ 0xFFFF
    b[10] = x
    b[11] = x >> 8
    j = ptr32(job)
    j[0] = to
    j[1] = (to >> 16) >> 16
    d = int(src) + off
    j[2] = d
    j[3] = (d >> 16) >> 16
    j[4] = n
    x = 8 + n
    b = ptr8(to - 8)
    b[4] = x >> 8
    b[5] = x
    acc = cb[8] + ((((x & 0xFF) << 8) | (x >> 8)) << 1) + int(move(job))
    acc = (acc & 0xFFFF) + (acc >> 16)
    acc = ((acc & 0xFFFF) + (acc >> 16)) ^ 0xFFFF
    if not acc:
        acc = 0xFFFF  # RFC 768: a sum of zero is sent as all ones
    b[6] = acc
    b[7] = acc >> 8
    r = ptr32(w[24] | ((w[25] << 16) << 16))
    r[10] = r[10] + 1
    r = ptr32(w[28] | ((w[29] << 16) << 16))
    r[6] = r[6] + 1
    w[33] = w[33] + 1
    return 42 + n


class Fast:
    """The fast path of a UDP."""

    def __init__(self, udp):
        st = udp.st
        self.st = st
        self.job = job = array("I", bytes(24))
        match.attach(st).add(match.UDP, udp.table, udp.stat, _receiver(st.w, udp.table, job))

    @micropython.native
    def send(self, ep, buf, off, n, dst, port):
        """Send a datagram to where the endpoint's last one went. False: not mine."""
        nif = ep.out
        if not nif.w[_OPEN]:
            return False
        io = nif.io
        to = io[_TO]
        size = compose(to, ep.cb, ep.header, self.st.w, buf, off, n, dst, port, move, self.job)
        if not size:
            return False
        got = io[_SEND](to, _LINK, size)
        if got > 0:
            nif.stat[_NIF_OUT] += 1
            add32(nif.stat, _NIF_OUT_BYTES, size)
        else:
            nif.refused(_LINK, size, got)
        return True


def prepare(ep, ip, src, dst, port):
    """A datagram has gone to `dst`, `port`. If that is the second in a row, write the header of
    those that follow."""
    cb = ep.cb
    hops = ep.st.w[_HOPS]
    header = ep.header
    if header is None:
        header = ep.header = bytearray(_HEADERS + 8)
    same_peer = cb[_PORT] == port and same(header, _DST, dst, 0, 4)
    if same_peer and cb[_PREPARED] == hops:
        return
    ep.out = None
    cb[_PORT] = port
    copy(header, _DST, dst, 0, 4)
    cb[_PREPARED] = hops ^ 1
    if not same_peer:
        return
    ep.out = ip.prepare(header, _HEADERS, src, dst, _PROTO, ep.ttl, ep.tos)
    put16(header, _HEADERS, ep.lport)
    put16(header, _HEADERS + 2, port)
    cb[_IP_SUM] = csum(header, 16, 20, 0)
    acc = ip.pseudo(src, 0, dst, 0, _PROTO, 0)
    cb[_UDP_SUM] = csum(header, _HEADERS, 4, acc)
    cb[_LONGEST] = ip.mss_room(dst) - 8
    cb[_PREPARED] = hops


def _receiver(words, table, job):
    """What gets the datagrams: receive(nif.io), 0: not mine."""
    sums = move

    @micropython.viper
    def receive(io) -> int:
        w = ptr32(words)
        cb = ptr32(w[17] | ((w[18] << 16) << 16))
        at = (w[51] | ((w[52] << 16) << 16)) + w[13]
        b = ptr8(at)
        size = (b[4] << 8) | b[5]
        if not cb[0] or size != w[14]:
            return 0
        n = size - 8
        r = ptr32(cb[1] | ((cb[2] << 16) << 16))
        total = (12 + n + 3) & -4
        if total > r[2] - r[1]:
            return 0
        end = r[2]
        base = r[3] | ((r[4] << 16) << 16)
        to = r[0] + r[1]
        if to >= end:
            to -= end
        # nobody sees it there before it is counted
        p = ptr8(base + to)
        p[0] = n >> 8
        p[1] = n
        p[2] = 4
        p[3] = 0
        to += 4
        if to == end:
            to = 0
        p = ptr8(base + to)
        p[0] = b[0]
        p[1] = b[1]
        p[2] = 0
        p[3] = 0
        to += 4
        if to == end:
            to = 0
        ptr32(base + to)[0] = w[38]
        to += 4
        if to == end:
            to = 0
        j = ptr32(job)
        first = end - to
        if first > n:
            first = n
        j[0] = base + to
        j[1] = ((base + to) >> 16) >> 16
        j[2] = at + 8
        j[3] = ((at + 8) >> 16) >> 16
        j[4] = first
        acc = int(sums(job))
        if first < n:
            at += first + 8
            j[0] = base
            j[1] = (base >> 16) >> 16
            j[2] = at
            j[3] = (at >> 16) >> 16
            j[4] = n - first
            x = int(sums(job))
            if first & 1:
                x = ((x << 8) | (x >> 8)) & 0xFFFF
            acc += x
        to += n
        if to >= end:
            to -= end
        while to & 3:
            ptr8(base + to)[0] = 0
            to += 1
        if b[6] | b[7]:  # else: not computed (RFC 768)
            h = ptr32(b)
            x = h[0]
            acc += w[15] + (x & 0xFFFF) + ((x >> 16) & 0xFFFF)
            x = h[1]
            acc += (x & 0xFFFF) + ((x >> 16) & 0xFFFF)
            acc = (acc & 0xFFFF) + (acc >> 16)
            if (acc & 0xFFFF) + (acc >> 16) != 0xFFFF:
                return 0
        r[1] = r[1] + total
        cb[3] = cb[3] + 1
        h = ptr32(w[34] | ((w[35] << 16) << 16))
        h[0] = h[0] + 1
        h[1] = h[1] + w[36]
        h = ptr32(w[24] | ((w[25] << 16) << 16))
        h[0] = h[0] + 1
        h = ptr32(w[28] | ((w[29] << 16) << 16))
        h[0] = h[0] + 1
        w[32] = w[32] + 1
        endpoint = table.objs[w[16]]
        if endpoint.notify:
            endpoint.notify(endpoint)
        return 1

    return receive
