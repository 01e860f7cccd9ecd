# TCP's fast path: machine code for the segments of a connection on which nothing unusual goes on.
# What it does is what input.py and output.py do, which are its specification; on any doubt it
# changes nothing and leaves the segment to them. tests/unix/diff compares the two.
#
#   receive()  a segment that continues the text, or acknowledges, or both: header prediction
#   acked()    what follows when SND.UNA has moved
#   build()    a segment of new data, or an ACK
#   take()     what a program reads
#   give()     what it writes
#
# Words of the control block:
#   53 FAST (nothing unusual: set at the end of a batch, cleared by whatever is)
#   54 QUEUED (run() is due)      55, 56 address of the receive ring's words
#   57, 58 of the send ring's     59 HOPS (of Stack.w, when the header below was written)
#   60 RX_SIZE of buffers.py      61 our MSS   62 sum of the IPv4 header
#   63 sum of the pseudo header and the ports   64, 65 address of the interface's counters
#   66, 67 of the network protocol's  68 bytes in front of TCP's header, lead and all: 36 or, of
#   IPv6, 56  69 where the frame begins that build() builds  70 TOS << 8 | TTL of the header
#   73 KIND of build() for text  74, 75 address of the header  76, 77 of the interface's words
# Words of Stack.w: match.py.

from array import array
from micropython import const
from netstack.core.checksum import csum, pseudo
from netstack.core.move import move
from netstack.core.wire import add32, address, put16, where
from netstack.inet import match
from netstack.transport.tcp.input import advance
from netstack.transport.tcp.rack import sent as _sent

_ESTABLISHED = const(4)
_PROTO = const(6)
_LINK = const(16)  # lead, Ethernet
_ROOM = const(122)  # lead, what is in front of the text in a frame to be sent
_TCP = const(20)
_TS = const(12)

_ROW = const(16)
_ACKED = const(19)
_NUMBERS = const(30)
_HOPS = const(2)

_SND_MSS = const(14)
_FLAGS = const(31)
_BACKOFF = const(21)
_DUPS = const(38)
_FAST = const(53)
_PREPARED = const(59)
_RX_SIZE = const(60)
_RCV_STEP = const(61)
_IP_SUM = const(62)
_TCP_SUM = const(63)
_NIF_STAT = const(64)
_IP_STAT = const(66)
_TOP = const(68)
_BEGIN = const(69)
_LOOK = const(70)
_TEXT_KIND = const(73)
_HEADER = const(74)
_NIF = const(76)
_F_TS = const(256)
_F_ECE = const(0x20000)  # ecn.py
_F_CWR = const(0x40000)
_F_MORE = const(1 << 22)  # settings.py
_F_QUICK = const(1 << 23)
# REXMT, RECOVERY, PARTIAL, FIN_SENT, PEER_FIN, DSACK, PROBE, PROBED: also in the kernels
_UNUSUAL = const(2 | 8 | 16 | 32 | 128 | 2048 | 8192 | 16384)

_MOVED = const(2)  # what receive() answers: bits
_WORK = const(4)

_SEND = const(1)  # Interface.io: core/interface.py
_TO = const(3)
_NIF_OUT = const(2)  # counters of core/interface.py
_NIF_OUT_BYTES = const(3)


@micropython.viper
def acked(w: ptr32) -> int:
    """SND.UNA moves by word ACKED: advance() of input.py. Returns 0: not mine, nothing was
    changed; 1: done; 2: done, but congestion avoidance has its say."""
    cb = ptr32(w[17] | ((w[18] << 16) << 16))
    ring = cb[57] | ((cb[58] << 16) << 16)
    n = w[19]
    if not ring or cb[21]:
        return 0
    r = ptr32(ring)
    if n > r[1]:
        return 0
    seg = ptr32(w[30] | ((w[31] << 16) << 16))
    ack = seg[1]
    flags = cb[31]
    now = w[0]
    # a round-trip time, once for each flight
    rtt = -1
    beyond = 0
    if ack != cb[10] and not ((ack - cb[10]) >> 31) & 1:
        beyond = 1
    if flags & 256:
        d = w[1] + cb[41] - seg[3]
        if beyond and not (d >> 30) & 3:
            cb[10] = cb[3]
            rtt = d & 0x3FFFFFFF
    elif flags & 4 and beyond:
        flags &= ~4
        rtt = (now - cb[22]) & 0x3FFFFFFF
    if rtt >= 0 and rtt <= 60000:
        d = cb[81]
        if not d or rtt < d:
            cb[81] = rtt if rtt else 1
        srtt = cb[18]
        if not srtt:
            srtt = rtt << 3
            cb[19] = rtt << 1
        else:
            d = rtt - (srtt >> 3)
            srtt += d
            if d < 0:
                d = 0 - d
            cb[19] = cb[19] + d - (cb[19] >> 2)
        if srtt <= 0:
            srtt = 1
        cb[18] = srtt
        d = cb[19]
        if d < 200:
            d = 200
        d += srtt >> 3
        cb[20] = d if d < 60000 else 60000
    d = r[0] + n
    if d >= r[2]:
        d -= r[2]
    r[1] = r[1] - n
    r[0] = d if r[1] else 0
    cb[1] = ack
    if ((cb[2] - ack) >> 31) & 1:
        cb[2] = ack
    # congestion.on_ack()
    result = 1
    cb[17] = 0
    d = ack - cb[9]
    if not (d >> 31) & 1 and (d >> 29) & 3:
        cb[9] = ack - 1
        cb[91] = ack - 1
    flight = (cb[3] - ack) & 0x3FFFFFFF
    mss = cb[14]
    cwnd = cb[15]
    if cwnd < (flight + n) << 1:
        if cwnd < cb[16]:
            cb[15] = cwnd + (n if n < mss << 1 else mss << 1)
        else:
            result = 2
    # the retransmission timer: tlp.arm()
    if flight:
        flags &= ~4096
        wait = cb[20]
        if flags & 1024 and cb[18]:
            pto = cb[18] >> 2
            if flight <= mss:
                pto += 200
            if pto < 20:
                pto = 20
            if pto < wait:
                wait = pto
                flags |= 4096
        d = (now + wait) & 0x3FFFFFFF
        cb[24] = d if d else 1
    else:
        cb[24] = 0
    cb[31] = flags | 33554432
    return result


@micropython.viper
def build(block, words, move, job, kind: int) -> int:
    """Build a frame: `kind` 0: an ACK; 1: a segment of new data; 2: the same, without Nagle.
    Returns its length; 0: not mine; -1: there is nothing that may be sent now."""
    cb = ptr32(block)
    w = ptr32(int(words))
    flags = cb[31]
    nxt = cb[2]
    if not cb[53] or flags & 26810 or cb[59] != w[2] or nxt != cb[3]:
        return 0
    n = 0
    off = 0
    ring = 0
    push = 0
    if kind:
        ring = cb[57] | ((cb[58] << 16) << 16)
        if not ring:
            return -1
        off = (nxt - cb[1]) & 0x3FFFFFFF
        left = ptr32(ring)[1] - off
        if left <= 0:
            return -1
        if cb[17] and not flags & 1024:
            return 0
        if not off and (cb[20] - (w[0] - cb[32])) & 0x20000000:
            return 0  # idle for longer than the RTO
        room = (cb[15] if cb[15] < cb[12] else cb[12]) - off
        n = cb[14] if cb[14] < left else left
        if n > room:
            n = room
        if n < cb[14]:  # Nagle and silly window avoidance: _worth_it() of output.py
            worth = 1 if n << 1 >= cb[13] else flags & 64
            if n == left and (kind == 2 or not off):
                worth = 1
            if n <= 0 or not worth:
                return -1 if off else 0
        push = 8 if left == n else 0
    # the window to offer: window() of segment.py
    size = cb[60]
    free = size
    d = cb[55] | ((cb[56] << 16) << 16)
    if d:
        free -= ptr32(d)[1]
    old = cb[8] - cb[7]
    if (old >> 31) & 1:
        return 0
    old = old & 0x3FFFFFFF
    step = cb[61] if cb[61] < size >> 1 else size >> 1
    shift = cb[44]
    free = old if free - old < step else (free >> shift) << shift
    if free > 65535 << shift:
        free = 65535 << shift
    wnd = free >> shift
    # headers, as they were written in advance
    hlen = 32 if flags & 256 else 20
    top = cb[68]
    h = ptr32(cb[76] | ((cb[77] << 16) << 16))
    to = (h[10] | ((h[11] << 16) << 16)) + 120 - hlen - top
    h = ptr32(to)
    r = ptr32(cb[74] | ((cb[75] << 16) << 16))
    h[0] = r[0]
    h[1] = r[1]
    h[2] = r[2]
    h[3] = r[3]
    h[4] = r[4]
    h[5] = r[5]
    h[6] = r[6]
    h[7] = r[7]
    h[8] = r[8]
    h[9] = r[9]
    h[10] = r[10]
    h[11] = r[11]
    h[12] = r[12]
    h[13] = r[13]
    b = ptr8(to + 16)
    if top == 36:
        w[3] = (w[3] + 1) & 0xFFFF
        d = w[3]
        d = ((d & 0xFF) << 8) | (d >> 8)
        x = 20 + hlen + n
        x = ((x & 0xFF) << 8) | (x >> 8)
        ptr16(b)[1] = x
        ptr16(b)[2] = d
        x += cb[62] + d
        if n and flags & 65536:  # ECT(0): tos() of ecn.py
            b[1] = b[1] | 2
            x += 512
        x = (x & 0xFFFF) + (x >> 16)
        ptr16(b)[5] = ((x & 0xFFFF) + (x >> 16)) ^ 0xFFFF
    else:
        x = hlen + n
        ptr16(b)[2] = ((x & 0xFF) << 8) | (x >> 8)
        if n and flags & 65536:
            b[1] = b[1] | 32
        h = ptr32(to + 20)
        r = ptr32(int(r) + 20)
        h[9] = r[9]
        h[10] = r[10]
        h[11] = r[11]
        h[12] = r[12]
        h[13] = r[13]
    if flags & 256:
        h[14] = r[14]
        h[15] = r[15]
        h[16] = r[16]
    to += top
    h = ptr32(to)
    b = ptr8(to)
    b[4] = nxt >> 24
    b[5] = nxt >> 16
    b[6] = nxt >> 8
    b[7] = nxt
    x = cb[7]
    h[2] = ((x >> 24) & 0xFF) | ((x >> 8) & 0xFF00) | ((x << 8) & 0xFF0000) | (x << 24)
    b[13] = 16 | push
    b[14] = wnd >> 8
    b[15] = wnd
    if flags & 256:
        x = w[1] + cb[41]
        h[6] = ((x >> 24) & 0xFF) | ((x >> 8) & 0xFF00) | ((x << 8) & 0xFF0000) | (x << 24)
        x = cb[39]
        h[7] = ((x >> 24) & 0xFF) | ((x >> 8) & 0xFF00) | ((x << 8) & 0xFF0000) | (x << 24)
    x = hlen + n
    acc = cb[63] + (((x & 0xFF) << 8) | (x >> 8))
    p = to + 4
    d = to + hlen
    while p < d:
        x = ptr32(p)[0]
        acc += (x & 0xFFFF) + ((x >> 16) & 0xFFFF)
        p += 4
    if n:  # the text, from `off` behind the head of the ring
        r = ptr32(ring)
        j = ptr32(int(job))
        x = r[0] + off
        if x >= r[2]:
            x -= r[2]
        first = n if n < r[2] - x else r[2] - x
        x += r[3] | ((r[4] << 16) << 16)
        j[0] = p
        j[1] = (p >> 16) >> 16
        j[2] = x
        j[3] = (x >> 16) >> 16
        j[4] = first
        acc += int(move(job))
        if first < n:
            p += first
            x = r[3] | ((r[4] << 16) << 16)
            j[0] = p
            j[1] = (p >> 16) >> 16
            j[2] = x
            j[3] = (x >> 16) >> 16
            j[4] = n - first
            x = int(move(job))
            if first & 1:
                x = ((x << 8) | (x >> 8)) & 0xFFFF
            acc += x
    acc = (acc & 0xFFFF) + ((acc >> 16) & 0xFFFF)
    ptr16(b)[8] = ((acc & 0xFFFF) + (acc >> 16)) ^ 0xFFFF
    # what emit() and _send() note
    cb[8] = cb[7] + free
    cb[42] = cb[7]
    cb[23] = 0
    cb[26] = 0
    flags &= ~1
    if n:
        if not flags & 260:  # neither timestamps nor a segment being timed
            flags |= 4
            cb[10] = nxt
            cb[22] = w[0]
        cb[2] = nxt + n
        cb[3] = nxt + n
        cb[32] = w[0]
        cb[25] = 0
        flags &= ~64
        due = cb[24]
        if not due or (off and off <= cb[14] and flags & 5120 == 1024):
            # tlp.arm(), tlp.sooner()
            flags &= ~4096
            wait = cb[20]
            if flags & 1024 and cb[18] and not cb[21]:
                d = cb[18] >> 2
                if off + n <= cb[14]:
                    d += 200
                d = d if d > 20 else 20
                if d < wait:
                    wait = d
                    flags |= 4096
            if not due or flags & 4096:
                due = (w[0] + wait) & 0x3FFFFFFF
                cb[24] = due if due else 1
    cb[31] = flags
    r = ptr32(cb[66] | ((cb[67] << 16) << 16))
    r[10] = r[10] + 1
    r = ptr32(w[26] | ((w[27] << 16) << 16))
    r[12] = r[12] + 1
    n += top - 2 + hlen
    r = ptr32(cb[64] | ((cb[65] << 16) << 16))
    r[2] = r[2] + 1
    r[3] = r[3] + n
    w[33] = w[33] + 1
    return n


@micropython.viper
def take(block, buf: ptr8, off: int, n: int, move, job) -> int:
    """recv() of connection.py: up to `n` bytes to buf[off], and a note that the peer is to be told
    if it is worth a segment. Returns how many; 0: there are none; -1: not mine."""
    cb = ptr32(block)
    ring = cb[55] | ((cb[56] << 16) << 16)
    if not cb[53] or not ring or n <= 0:
        return -1
    r = ptr32(ring)
    if n > r[1]:
        n = r[1]
    j = ptr32(int(job))
    p = int(buf) + off
    left = n
    at = r[0]
    while left:
        k = r[2] - at
        if k > left:
            k = left
        if k > 0x8000:  # move() takes less than 64 k
            k = 0x8000
        x = (r[3] | ((r[4] << 16) << 16)) + at
        j[0] = p
        j[1] = (p >> 16) >> 16
        j[2] = x
        j[3] = (x >> 16) >> 16
        j[4] = k
        move(job)
        p += k
        left -= k
        at += k
        if at == r[2]:
            at = 0
    left = r[1] - n
    r[0] = at if left else 0
    r[1] = left
    left = cb[60] - left - ((cb[8] - cb[7]) & 0x3FFFFFFF)
    if n and (left >= cb[61] << 1 or left >= cb[60] >> 1):
        cb[31] = cb[31] | 1
    return n


@micropython.viper
def give(block, buf: ptr8, off: int, n: int, limit: int, move, job) -> int:
    """send() of connection.py: up to `n` bytes from buf[off] to the send ring. Returns how many;
    0: it is full; -1: not mine, as a ring smaller than `limit` might grow."""
    cb = ptr32(block)
    ring = cb[57] | ((cb[58] << 16) << 16)
    if not cb[53] or not ring or n <= 0:
        return -1
    r = ptr32(ring)
    size = r[2]
    left = size - r[1]
    if n > left:
        if size < limit:
            return -1
        n = left
    j = ptr32(int(job))
    p = int(buf) + off
    at = r[0] + r[1]
    if at >= size:
        at -= size
    r[1] = r[1] + n
    left = n
    while left:
        k = size - at
        if k > left:
            k = left
        if k > 0x8000:  # move() takes less than 64 k
            k = 0x8000
        x = (r[3] | ((r[4] << 16) << 16)) + at
        j[0] = x
        j[1] = (x >> 16) >> 16
        j[2] = p
        j[3] = (p >> 16) >> 16
        j[4] = k
        move(job)
        p += k
        left -= k
        at += k
        if at == size:
            at = 0
    return n


def attach(tcp):
    """Give a TCP its fast path: `tcp.send(conn)`, and what match.py offers segments to."""
    tcp.job = array("I", bytes(24))  # of move()
    tcp.rings = (take, give, move, where(tcp.job))  # for recv() and send() of connection.py
    tcp.send = _sender(tcp)
    address(tcp.st.w, _NUMBERS, tcp.seg.w)
    match.attach(tcp.st).add(match.TCP, tcp.table, tcp.stat, _receiver(tcp))


# Closures, because they have their names at hand; over no more than three, or their arguments
# would go to the heap.


def _receiver(tcp):
    """What gets the segments: receive(nif.io), 0: not mine."""
    words = where(tcp.st.w)
    job = where(tcp.job)
    sums = move
    more = _more(tcp)

    @micropython.viper
    def receive(io) -> int:
        """The segment that match4() or IPv6's kernel has found."""
        w = ptr32(int(words))
        cb = ptr32(w[17] | ((w[18] << 16) << 16))
        flags = cb[31]
        if not cb[53] or flags & 26810:
            return 0
        n = w[14]
        at = (w[51] | ((w[52] << 16) << 16)) + w[13]
        b = ptr8(at)
        hlen = 32 if flags & 256 else 20
        if n < hlen or b[12] != hlen << 2 or b[13] & 0xF7 != 0x10:
            return 0
        seq = (b[4] << 24) | (b[5] << 16) | (b[6] << 8) | b[7]
        text = n - hlen
        if seq != cb[7]:  # RCV.NXT: only what continues the text
            return 0
        ack = (b[8] << 24) | (b[9] << 16) | (b[10] << 8) | b[11]
        if ((cb[3] - ack) >> 31) & 1 or ((ack - cb[1]) >> 31) & 1:
            return 0
        acked = (ack - cb[1]) & 0x3FFFFFFF
        wnd = ((b[14] << 8) | b[15]) << cb[43]
        if not wnd or not cb[12] or acked >= 0x20000000:
            return 0
        if not text and not acked and not flags & 1024:
            return 0  # it may be a duplicate ACK
        stamp = 0
        if flags & 256:
            if ptr32(at)[5] != 0x0A080101:  # NOP, NOP, kind 8, length 10
                return 0
            stamp = (b[24] << 24) | (b[25] << 16) | (b[26] << 8) | b[27]
            if ((stamp - cb[39]) >> 31) & 1:
                return 0
        if acked and cb[85]:  # does it tell that a loss was none? late() of undo.py
            if flags & 256:
                d = w[1] + cb[41] - ((b[28] << 24) | (b[29] << 16) | (b[30] << 8) | b[31])
                x = (w[0] - cb[89]) & 0x3FFFFFFF
                if x >= 0x20000000 or (not (d >> 30) & 3 and (d & 0x3FFFFFFF) > x):
                    return 0
            elif flags & 525312 == 525312:
                return 0
        h = ptr32(at)
        x = h[0]
        acc = w[15] + (x & 0xFFFF) + ((x >> 16) & 0xFFFF)
        x = h[1]
        acc += (x & 0xFFFF) + ((x >> 16) & 0xFFFF)
        x = h[2]
        acc += (x & 0xFFFF) + ((x >> 16) & 0xFFFF)
        x = h[3]
        acc += (x & 0xFFFF) + ((x >> 16) & 0xFFFF)
        x = h[4]
        acc += (x & 0xFFFF) + ((x >> 16) & 0xFFFF)
        if flags & 256:
            x = h[5]
            acc += (x & 0xFFFF) + ((x >> 16) & 0xFFFF)
            x = h[6]
            acc += (x & 0xFFFF) + ((x >> 16) & 0xFFFF)
            x = h[7]
            acc += (x & 0xFFFF) + ((x >> 16) & 0xFFFF)
        ring = 0
        if text:
            ring = cb[55] | ((cb[56] << 16) << 16)
            if not ring or ((cb[8] - cb[7]) >> 31) & 1 or text > (cb[8] - cb[7]) & 0x3FFFFFFF:
                return 0
            r = ptr32(ring)
            if text > r[2] - r[1]:
                return 0
            # the text to its place behind what is in use; nobody sees it there yet
            j = ptr32(int(job))
            to = r[0] + r[1]
            if to >= r[2]:
                to -= r[2]
            first = r[2] - to
            if first > text:
                first = text
            d = (r[3] | ((r[4] << 16) << 16)) + to
            at += hlen
            j[0] = d
            j[1] = (d >> 16) >> 16
            j[2] = at
            j[3] = (at >> 16) >> 16
            j[4] = first
            acc += int(sums(job))
            if first < text:
                d = r[3] | ((r[4] << 16) << 16)
                at += first
                j[0] = d
                j[1] = (d >> 16) >> 16
                j[2] = at
                j[3] = (at >> 16) >> 16
                j[4] = text - first
                x = int(sums(job))
                if first & 1:
                    x = ((x << 8) | (x >> 8)) & 0xFFFF
                acc += x
        acc = (acc & 0xFFFF) + ((acc >> 16) & 0xFFFF)
        if (acc & 0xFFFF) + (acc >> 16) != 0xFFFF:
            return 0
        # It is good: from here on everything changes.
        p = ptr32(w[34] | ((w[35] << 16) << 16))
        p[0] = p[0] + 1
        p[1] = p[1] + w[36]
        p = ptr32(cb[66] | ((cb[67] << 16) << 16))
        p[0] = p[0] + 1
        p = ptr32(w[26] | ((w[27] << 16) << 16))
        p[0] = p[0] + 1
        w[32] = w[32] + 1
        now = w[0]
        cb[34] = now
        cb[35] = 0
        if flags & 256 and not ((cb[42] - seq) >> 31) & 1:  # RFC 7323 4.3 (2)
            cb[39] = stamp
            cb[40] = w[1]
        # the window, unless it is older than the last one (RFC 9293 3.10.7.4)
        if not ((seq - cb[4]) >> 31) & 1 and (seq != cb[4] or not ((ack - cb[5]) >> 31) & 1):
            cb[12] = wnd
            if wnd > cb[13]:
                cb[13] = wnd
            cb[4] = seq
            cb[5] = ack
        if text:
            r = ptr32(ring)
            r[1] = r[1] + text
            cb[7] = seq + text
            cb[38] = 0
            flags |= 33554432
            if text > cb[33]:
                cb[33] = text
            x = cb[23] + text
            cb[23] = x
            if x >= cb[33] << 1:
                flags |= 1
            elif not cb[26]:
                x = (now + 40) & 0x3FFFFFFF
                cb[26] = x if x else 1
            cb[31] = flags
        result = 1
        if acked:
            w[19] = acked
            p = ptr32(w[30] | ((w[31] << 16) << 16))
            p[1] = ack
            if flags & 256:
                b = ptr8((w[51] | ((w[52] << 16) << 16)) + w[13])
                p[3] = (b[28] << 24) | (b[29] << 16) | (b[30] << 8) | b[31]
            result = 3
        if not cb[54]:
            cb[54] = 1
            result |= 4
        if result > 1:
            more(result)
        return 1

    return receive


def _more(tcp):
    """What follows a segment: more(done)."""
    words = tcp.st.w
    table = tcp.table
    defer = tcp.st.defer

    @micropython.native
    def more(done):
        conn = table.objs[words[_ROW]]
        if done & _WORK:
            defer(conn)
        if done & _MOVED:
            moved = acked(words)
            if not moved:
                advance(conn, tcp.seg, words[_ACKED])
            elif moved > 1:
                conn.control.avoid(conn, words[_ACKED])

    return more


def _sender(tcp):
    """Send the segments that are worth it, and a due ACK, of a connection: send(conn). True when
    nothing is left to be done by output()."""
    words = where(tcp.st.w)
    job = where(tcp.job)
    make = build
    sums = move

    @micropython.viper
    def send(conn) -> bool:
        block = conn.cb
        cb = ptr32(block)
        w = ptr32(cb[76] | ((cb[77] << 16) << 16))
        if not w[6]:
            return False
        kind = cb[73]
        if not (cb[57] | cb[58]):  # no send ring
            if not cb[31] & 1:
                return True
            kind = 0
        io = conn.nif.io
        at = cb[69]
        text = 0
        while True:
            n = int(make(block, words, sums, job, kind))
            if n <= 0:
                if kind and n and cb[31] & 1:
                    kind = 0
                    continue
                break
            text |= kind
            got = int(io[_SEND](io[_TO], at, n))
            if got <= 0:
                _refused(conn.nif, at, n, got)
                break
            if not kind:
                n = -1
                break
        if text and (cb[31] & 1024 or conn.model):
            _sent(conn)
        return n == -1

    return send


def _refused(nif, at, n, answer):
    """The NIC has not taken what build() has counted."""
    nif.stat[_NIF_OUT] -= 1
    add32(nif.stat, _NIF_OUT_BYTES, -n)
    nif.refused(at, n, answer)


@micropython.native
def predict(conn):
    """The end of a batch: may the fast path have what comes next?"""
    cb = conn.cb
    if cb[_FAST] and cb[_PREPARED] == conn.st.w[_HOPS] or conn.state != _ESTABLISHED:
        return
    cb[_FAST] = 0
    if (
        cb[_FLAGS] & (_UNUSUAL | _F_ECE | _F_CWR | _F_MORE | _F_QUICK)
        or cb[_BACKOFF]
        or cb[_DUPS]
        or conn.deaf
        or conn.soft_error
        or conn.device is not None  # what comes elsewhere is not for it
        or (conn.ranges and conn.ranges.n)
        or (conn.board and not conn.board.idle())
        or not prepare(conn)
    ):
        return
    cb[_RX_SIZE] = conn.rx_size
    cb[_RCV_STEP] = conn.mss
    cb[_TEXT_KIND] = 2 if conn.nodelay else 1
    cb[_FAST] = 1


def prepare(conn):
    """See that the header of the connection's frames is up to date; False when the neighbour's
    address is not known."""
    cb = conn.cb
    header = conn.header
    hops = conn.st.w[_HOPS]
    ip = conn.ip
    four = ip.alen == 4
    ttl = conn.ttl if four else conn.hops
    tos = (conn.tos if four else conn.tclass) & 0xFC
    look = tos << 8 | ttl
    top = _LINK + ip.dst_off + ip.alen
    hlen = _TCP + _TS if cb[_FLAGS] & _F_TS else _TCP
    if header is None:
        try:
            header = conn.header = bytearray(top + _TCP + _TS)
        except MemoryError:  # without it all takes the ordinary way
            conn.st.nomem += 1
            return False
    elif cb[_PREPARED] == hops and cb[_LOOK] == look:
        return True
    src = conn.laddr
    cb[_PREPARED] = 0  # never that of the stack
    nif = ip.prepare(header, top, src, conn.raddr, _PROTO, ttl, tos)
    if nif is not conn.nif or cb[_SND_MSS] + hlen > ip.mss_room(conn.raddr):
        return False
    put16(header, top, conn.lport)
    put16(header, top + 2, conn.rport)
    header[top + 12] = hlen << 2
    header[top + 20] = header[top + 21] = 1
    header[top + 22] = 8
    header[top + 23] = 10
    cb[_IP_SUM] = csum(header, _LINK, 20, 0)
    acc = pseudo(src, 0, conn.raddr, 0, ip.alen, _PROTO, 0)
    cb[_TCP_SUM] = csum(header, top, 4, acc)
    address(cb, _HEADER, header)
    address(cb, _NIF, nif.w)
    address(cb, _NIF_STAT, nif.stat)
    address(cb, _IP_STAT, ip.stat)
    cb[_TOP] = top
    cb[_BEGIN] = _ROOM - top - hlen
    cb[_LOOK] = look
    cb[_PREPARED] = hops
    return True
