# UDP's fast path: machine code for the datagrams of a socket that are like the last ones. What it
# does is what udp.py does, which is its specification; on any doubt it changes nothing and leaves
# the datagram to it. tests/unix/diff compares the two.
#
#   receive()  one has come, into the socket's ring or to its answer()
#   unpack()   a program takes one out of the ring
#   compose()  one is sent to where the last one went, or the answer to where one came from
#   post()     the same for a program, outside the stack
#
# Words of an endpoint's block `cb`:
#    0 OPEN (filed, for any interface)  1, 2 address of the ring's words  3 datagrams in the ring
#    4 HOPS (of Stack.w, when the header below was written)  5 port it is for
#    6 SENDERS: how often the sender was not the one of before
#    7 sum of the IPv4 header   8 sum of the pseudo header and the ports    9 the longest datagram
#   10 bytes of the datagram taken out last  11 its sender's port  12 bytes of its sender's address
#   13 ANSWER is set  14, 15 address of its sender's address  16, 17 of the header
#   18, 19 of the words of the interface that it goes out by
#   20 port of who has got one meanwhile  21 bytes in front of UDP's header, lead and all: 36 or,
#   of IPv6, 56  22, 23 address of the counters of the header's network protocol
#   24..27 address of who has got one meanwhile  28, 29 address of Stack.w
#   30 TOLD: SENDERS when a program has last been told who that is  31 AIMED: how often the header
#   has been written anew
# A record in the ring is a whole number of words:
#   | length 2 | bytes of the address 1 | 0 1 | port 2 | 0 2 | address | data, 0 to 3 of 0 |
# Words of Stack.w: match.py.

from array import array
from micropython import const
from netstack.core.checksum import copy, csum, pseudo
from netstack.core.move import move
from netstack.core.wire import address, put16, same, where
from netstack.inet import match

_PATIENCE = const(10000)  # turns: a millisecond or two
_NEW = const(0x20000)  # more than a datagram's bytes
_PROTO = const(17)
_LINK = const(16)  # lead, Ethernet

_HOPS = const(2)

_PREPARED = const(4)
_PORT = const(5)
_IP_SUM = const(7)
_UDP_SUM = const(8)
_LONGEST = const(9)
_HEADER = const(16)
_NIF = const(18)
_LAST_PORT = const(20)
_TOP = const(21)
_IP_STAT = const(22)
_LAST = const(24)
_AIMED = const(31)

_SEND = const(1)  # Interface.io: core/interface.py
_FROM = const(2)
_TO = const(3)
_REFUSED = const(4)


@micropython.viper
def size(block: int, keep: int) -> int:
    """Bytes of the first datagram of the ring; -1: there is none. keep: see unpack()."""
    cb = ptr32(block)
    w = ptr32(cb[28] | ((cb[29] << 16) << 16))
    if not cb[3]:
        return -1
    if keep == 2 and w[44] and not (w[68] and w[64] != ptr32(w[67])[0]):
        return -1
    r = ptr32(cb[1] | ((cb[2] << 16) << 16))
    p = ptr8((r[3] | ((r[4] << 16) << 16)) + r[0])
    return (p[0] << 8) | p[1]


@micropython.viper
def unpack(block: int, buf: ptr8, off: int, most: int, keep: int, move, job) -> int:
    """Copy the first datagram of the ring, at most `most` bytes of it, to buf[off], its sender's
    address to where the block says, and drop it unless `keep` is 1. Returns how many bytes; -1:
    there is none, or not for who asks. keep 2: for a program, unless it has interrupted the stack;
    NEW is added when it has not been told of this sender."""
    cb = ptr32(block)
    w = ptr32(cb[28] | ((cb[29] << 16) << 16))
    gate = w[66]  # core/stack.py
    if not cb[3] or gate and ptr32(gate)[0] & 0x1FF:
        return -1
    spin = w[68]
    if spin and not ptr32(spin)[0]:
        if w[44] and w[64] == ptr32(w[67])[0]:
            spin = 0  # inside already
        else:  # another core is, seldom for long
            turns = _PATIENCE
            while turns and not ptr32(spin)[0]:
                turns -= 1
            if not turns:
                return -1
            if not cb[3]:
                ptr32(spin)[0] = spin
                return -1
    if keep == 2 and w[44]:
        return -1
    j = ptr32(int(job))
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
    port = (p[0] << 8) | p[1]
    new = (port ^ cb[11]) | (alen ^ cb[12])
    cb[11] = port
    cb[12] = alen
    addr = ptr32(cb[14] | ((cb[15] << 16) << 16))
    left = alen
    while left:
        at += 4
        if at == end:
            at = 0
        x = ptr32(base + at)[0]
        new |= x ^ addr[0]
        addr[0] = x
        addr = ptr32(int(addr) + 4)
        left -= 4
    if new:
        cb[6] = (cb[6] + 1) & 0x3FFFFFFF
    at += 4
    if at == end:
        at = 0
    n = size if size < most else most
    cb[10] = n
    to = int(buf) + off
    left = n
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
    if keep != 1:
        total = (8 + alen + size + 3) & -4
        cb[3] = cb[3] - 1
        r[1] = r[1] - total
        at = r[0] + total
        if at >= end:
            at -= end
        r[0] = at if r[1] else 0
    if keep == 2 and cb[6] != cb[30]:
        n += _NEW
    if spin:
        ptr32(spin)[0] = spin
    return n


@micropython.viper
def aim(block: int, buf: ptr8, off: int, dst: ptr8, port: int) -> int:
    """Is the header that the endpoint has for `dst` and `port`? Then let what lies at buf[off] be
    what compose() sends."""
    cb = ptr32(block)
    if cb[5] != port or not port or not cb[18] | cb[19]:
        return 0
    w = ptr32(cb[28] | ((cb[29] << 16) << 16))
    alen = 4 if cb[21] == 36 else 16
    to = ptr8((cb[16] | ((cb[17] << 16) << 16)) + cb[21] - alen)
    while alen:
        if dst[0] != to[0] or dst[1] != to[1] or dst[2] != to[2] or dst[3] != to[3]:
            return 0
        dst = ptr8(int(dst) + 4)
        to = ptr8(int(to) + 4)
        alen -= 4
    w[55] = int(cb)
    w[56] = (int(cb) >> 16) >> 16
    w[57] = int(buf) + off
    w[58] = ((int(buf) + off) >> 16) >> 16
    return 1


@micropython.viper
def shoot(block: int, aimed: int, buf: ptr8, n: int, out) -> bool:
    """Send `n` bytes from outside the stack, to where the endpoint's header was for when it was
    written for the time `aimed`, between a short Stack.enter(), which has no time to tell, and
    Stack.leave(). out: the endpoint's. False: it is not for the fast path."""
    cb = ptr32(block)
    w = ptr32(cb[28] | ((cb[29] << 16) << 16))
    gate = w[66]  # core/stack.py
    if gate and ptr32(gate)[0] & 0x1FF:
        return False
    spin = w[68]
    if spin and not ptr32(spin)[0]:
        return False
    if cb[31] != aimed or not cb[5] or w[44]:
        if spin:
            ptr32(spin)[0] = spin
        return False
    io, compose, st, _, _, _, _ = out
    if spin:
        w[64] = ptr32(w[67])[0]
    w[44] = 1
    if w[63]:  # there may be threads: core/stack.py
        w[64] = int(st.ident())
    w[55] = int(cb)
    w[56] = (int(cb) >> 16) >> 16
    w[57] = int(buf)
    w[58] = (int(buf) >> 16) >> 16
    try:
        done = int(compose(io, n))
    finally:
        w[44] = 0
        if spin:
            ptr32(spin)[0] = spin
    if w[45]:
        st.poll(st.clock())
        if w[45] == 2:
            st.again()
    return done != 0


class Fast:
    """The fast path of a UDP."""

    def __init__(self, udp):
        words = where(udp.st.w)
        self._job = array("I", bytes(20))  # of move()
        self.job = job = where(self._job)
        self.compose = _composer(words, job)
        tell = _teller(words, udp.table, self.compose)
        first = match.attach(udp.st)
        first.add(match.UDP, udp.table, udp.stat, _receiver(words, job, tell))


def prepare(ep, ip, way, src, dst, port):
    """A datagram has gone to `dst`, `port`: write the header of those that follow. While there is
    a good one for somebody else, that is done with the second in a row."""
    cb = ep.cb
    hops = ep.st.w[_HOPS]
    header = ep.header
    alen = ip.alen
    top = _LINK + ip.dst_off + alen
    if header is None or len(header) < top + 8:
        header = ep.header = bytearray(top + 8)
    if cb[_PORT] and cb[_PREPARED] == hops:
        if cb[_PORT] == port and cb[_TOP] == top and same(header, top - alen, dst, 0, alen):
            return
        if cb[_LAST_PORT] != port or not same(cb, 4 * _LAST, dst, 0, alen):
            cb[_LAST_PORT] = port
            copy(cb, 4 * _LAST, dst, 0, alen)
            return
    cb[_LAST_PORT] = 0
    cb[_AIMED] = (cb[_AIMED] + 1) & 0x3FFFFFFF
    cb[_PORT] = port
    cb[_TOP] = top
    nif = ip.prepare(header, top, src, dst, _PROTO, way.ttl, way.tos)
    copy(header, top - alen, dst, 0, alen)  # also when there is no such interface
    address(cb, _HEADER, header)
    if nif is None:
        ep.out = None
        cb[_NIF] = cb[_NIF + 1] = 0
    else:
        if ep.out is None or ep.out[0] is not nif.io or ep.out[3] is not ip:
            ep.out = (nif.io, ep.udp.fast.compose, ep.st, ip, where(cb), aim, shoot)
        address(cb, _NIF, nif.w)
    address(cb, _IP_STAT, ip.stat)
    put16(header, top, ep.lport)
    put16(header, top + 2, port)
    cb[_IP_SUM] = csum(header, _LINK, 20, 0)
    acc = pseudo(src, 0, dst, 0, ip.alen, _PROTO, 0)
    cb[_UDP_SUM] = csum(header, top, 4, acc)
    cb[_LONGEST] = ip.mss_room(dst) - 8
    cb[_PREPARED] = hops


def _receiver(words, job, tell):
    """What gets the datagrams: receive(nif.io), 0: not mine."""
    sums = move

    @micropython.viper
    def receive(io) -> int:
        w = ptr32(int(words))
        cb = ptr32(w[17] | ((w[18] << 16) << 16))
        at = (w[51] | ((w[52] << 16) << 16)) + w[13]
        b = ptr8(at)
        size = (b[4] << 8) | b[5]
        if not cb[0] or size != w[14]:
            return 0
        n = size - 8
        alen = w[43]
        sender = at - (alen << 1)
        j = ptr32(int(job))
        if cb[13]:  # it is answered where it lies
            if b[6] | b[7]:  # else: not computed (RFC 768)
                j[0] = 0
                j[1] = 0
                j[2] = at
                j[3] = (at >> 16) >> 16
                j[4] = size
                acc = w[15] + int(sums(job))
                acc = (acc & 0xFFFF) + (acc >> 16)
                if (acc & 0xFFFF) + (acc >> 16) != 0xFFFF:
                    return 0
            elif alen != 4:  # RFC 8200 8.1
                return 0
            cb[11] = (b[0] << 8) | b[1]
            cb[12] = alen
            to = cb[14] | ((cb[15] << 16) << 16)
            while alen:
                ptr32(to)[0] = ptr32(sender)[0]
                sender += 4
                to += 4
                alen -= 4
            h = ptr32(w[34] | ((w[35] << 16) << 16))
            h[0] = h[0] + 1
            h[1] = h[1] + w[36]
            h = ptr32(w[24] | ((w[25] << 16) << 16))
            h[0] = h[0] + 1
            h = ptr32(w[28] | ((w[29] << 16) << 16))
            h[0] = h[0] + 1
            w[32] = w[32] + 1
            tell(io, n)
            return 1
        r = ptr32(cb[1] | ((cb[2] << 16) << 16))
        total = (8 + alen + n + 3) & -4
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
        p[2] = alen
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
        while alen:
            ptr32(base + to)[0] = ptr32(sender)[0]
            sender += 4
            to += 4
            if to == end:
                to = 0
            alen -= 4
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
        elif w[43] != 4:  # RFC 8200 8.1
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
        tell(io, -1)
        return 1

    return receive


def _teller(words, table, compose):
    """What follows a datagram: tell(nif.io, n), `n` bytes to be answered; -1: in the ring."""

    @micropython.viper
    def tell(io, n: int):
        w = ptr32(int(words))
        endpoint = table.objs[w[16]]
        if n < 0:
            if endpoint.notify:
                endpoint.notify(endpoint)
            return
        cb = ptr32(w[17] | ((w[18] << 16) << 16))
        off = w[13] + 8
        at = (w[51] | ((w[52] << 16) << 16)) + off
        alen = w[43]
        peer = at - 8 - (alen << 1)
        nif = w[53]
        high = w[54]
        size = endpoint._answer(endpoint, io[_FROM], off, n)
        if size and cb[0]:
            # written for where it came from, and out by the same interface?
            to = (cb[16] | ((cb[17] << 16) << 16)) + cb[21] - alen
            if cb[5] == cb[11] and cb[18] == nif and cb[19] == high and w[24] == cb[22]:
                while alen and ptr32(to)[0] == ptr32(peer)[0]:
                    to += 4
                    peer += 4
                    alen -= 4
            if not alen:
                w[55] = int(cb)
                w[56] = (int(cb) >> 16) >> 16
                w[57] = at
                w[58] = (at >> 16) >> 16
                if int(compose(io, size)):
                    return
            endpoint.reply(io[_FROM], off, size)

    return tell


def _composer(words, job):
    """Sends a datagram like the last: compose(nif.io, n), 0: not mine."""
    copied = move

    @micropython.viper
    def compose(io, n: int) -> int:
        w = ptr32(int(words))
        cb = ptr32(w[55] | ((w[56] << 16) << 16))
        nif = ptr32(cb[18] | ((cb[19] << 16) << 16))
        if cb[4] != w[2] or n > cb[9] or n < 0 or not nif[6]:
            return 0
        to = (nif[10] | ((nif[11] << 16) << 16)) + 120
        top = cb[21]
        header = ptr32(cb[16] | ((cb[17] << 16) << 16))
        h = ptr32(to - 8 - top)
        h[0] = header[0]
        h[1] = header[1]
        h[2] = header[2]
        h[3] = header[3]
        h[4] = header[4]
        h[5] = header[5]
        h[6] = header[6]
        h[7] = header[7]
        h[8] = header[8]
        h[9] = header[9]
        h[10] = header[10]
        x = 8 + n
        size = ((x & 0xFF) << 8) | (x >> 8)
        if top == 36:
            w[3] = (w[3] + 1) & 0xFFFF
            d = w[3]
            d = ((d & 0xFF) << 8) | (d >> 8)
            x += 20
            x = ((x & 0xFF) << 8) | (x >> 8)
            b = ptr16(to - 28)
            b[1] = x
            b[2] = d
            x += cb[7] + d
            x = (x & 0xFFFF) + (x >> 16)
            b[5] = ((x & 0xFFFF) + (x >> 16)) ^ 0xFFFF
        else:
            ptr16(to - 44)[0] = size
            h[11] = header[11]
            h[12] = header[12]
            h[13] = header[13]
            h[14] = header[14]
            h[15] = header[15]
        j = ptr32(int(job))
        j[0] = to
        j[1] = (to >> 16) >> 16
        j[2] = w[57]
        j[3] = w[58]
        j[4] = n
        b = ptr16(to - 8)
        b[2] = size
        acc = cb[8] + (size << 1) + int(copied(job))
        acc = (acc & 0xFFFF) + (acc >> 16)
        acc = ((acc & 0xFFFF) + (acc >> 16)) ^ 0xFFFF
        if not acc:
            acc = 0xFFFF  # RFC 768: a sum of zero is sent as all ones
        b[3] = acc
        r = ptr32(cb[22] | ((cb[23] << 16) << 16))
        r[10] = r[10] + 1
        r = ptr32(w[28] | ((w[29] << 16) << 16))
        r[6] = r[6] + 1
        w[33] = w[33] + 1
        n += top + 6
        x = 114 - top
        got = int(io[_SEND](io[_TO], x, n))
        if got > 0:
            r = ptr32(nif[4] | ((nif[5] << 16) << 16))
            r[2] = r[2] + 1
            r[3] = r[3] + n
        else:
            io[_REFUSED](x, n, got)
        return 1

    return compose
