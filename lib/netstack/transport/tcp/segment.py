# TCP segments on the wire (RFC 9293 3.1).
#
#   0 source port  2 destination port  4 sequence number  8 acknowledgment number
#   12 data offset  13 flags  14 window  16 checksum  18 urgent pointer  20 options ...
#
# parse() takes a segment apart into a Segment; emit() builds and sends one for a connection;
# reset() answers a segment that belongs to nobody.

from array import array
from micropython import const
from netstack.core.checksum import copy, csum, pseudo, put_csum
from netstack.core.wire import add32, get16, put16, store32
from netstack.transport.tcp import ecn, options

_PROTO = const(6)
_HDR = const(20)
_SEQ = const(4)
_ACKNO = const(8)
_OFFSET = const(12)
_FLAGBITS = const(13)
_WINDOW = const(14)
_SUM = const(16)

_FIN = const(1)
_SYN = const(2)
_RST = const(4)
_ACK = const(16)
_ECE = const(0x40)

_LEN = const(1)  # a word of Ring.w

_FLAGS = const(31)
_RCV_SHIFT = const(44)
_F_ECN = const(0x10000)
_F_ECE = const(0x20000)

# words of Segment.w
_SEG_SEQ = const(0)
_SEG_ACK = const(1)

# what parse() found: the counters of protocol.py
_SHORT = const(1)
_OFFSET_BAD = const(2)
_CHECKSUM = const(3)
_OUT = const(12)
_OUT_RST = const(13)


@micropython.viper
def _numbers(w: ptr32, buf: ptr8, at: int, hlen: int) -> int:
    """SEG.SEQ and SEG.ACK of the header at buf[at], and its options when they are timestamps alone
    as RFC 7323 appendix A would have them: then 1, 0 for no options, 2 for others."""
    b = ptr8(int(buf) + at)
    w[0] = (b[4] << 24) | (b[5] << 16) | (b[6] << 8) | b[7]
    w[1] = (b[8] << 24) | (b[9] << 16) | (b[10] << 8) | b[11]
    if hlen == 20:
        return 0
    if hlen != 32 or b[20] != 1 or b[21] != 1 or b[22] != 8 or b[23] != 10:
        return 2
    w[2] = (b[24] << 24) | (b[25] << 16) | (b[26] << 8) | b[27]
    w[3] = (b[28] << 24) | (b[29] << 16) | (b[30] << 8) | b[31]
    return 1


@micropython.viper
def _put_segment(
    buf: ptr8, at: int, cb: ptr32, seq: int, lport: int, rport: int, flags: int, wnd: int
):
    """A header without checksum; `flags` with the data offset above them, SEG.SEQ in word `seq` of
    the control block, which notes that all that has come is acknowledged."""
    b = ptr8(int(buf) + at)
    b[0] = lport >> 8
    b[1] = lport
    b[2] = rport >> 8
    b[3] = rport
    x = cb[seq]
    b[4] = x >> 24
    b[5] = x >> 16
    b[6] = x >> 8
    b[7] = x
    x = 0
    if flags & 16:
        x = cb[7]  # RCV.NXT
        cb[42] = x  # ACK_SENT
        cb[23] = 0  # UNACKED
        cb[26] = 0  # T_DELACK
        cb[31] = cb[31] & ~1  # ACK_NOW of FLAGS
    b[8] = x >> 24
    b[9] = x >> 16
    b[10] = x >> 8
    b[11] = x
    b[12] = flags >> 8
    b[13] = flags
    b[14] = wnd >> 8
    b[15] = wnd
    i = 16
    while i < 20:  # checksum, urgent pointer
        b[i] = 0
        i += 1


@micropython.viper
def _offer(cb: ptr32, free: int, step: int, most: int, shift: int) -> int:
    """window(): `free` bytes are to be offered, unless that moves the edge by less than `step`."""
    old = cb[8] - cb[7]
    old = 0 - ((0 - old) & 0x3FFFFFFF) if (old >> 31) & 1 else old & 0x3FFFFFFF
    if free - old < step:
        free = old
    else:
        free = (free >> shift) << shift
    most = most << shift
    if free > most:
        free = most
    if free < 0:
        free = 0
    cb[8] = cb[7] + free
    return free >> shift


class Segment:
    """The segment being worked on: one per stack, its numbers in `w`: SEG.SEQ, SEG.ACK,
    SEG.TSval, SEG.TSecr, the edges of a SACK block, and what options.py has found."""

    def __init__(self):
        self.w = array("I", bytes(40))
        self.flags = 0
        self.wnd = 0
        self.data = 0  # offset of the text in the frame
        self.len = 0  # bytes of text
        self.total = 0  # sequence numbers it took before anything was cut off
        self.echo = False  # its timestamp may be the one to echo
        self.mss = 0  # 0: no such option
        self.shift = -1  # -1: no window scale option
        self.stamped = False  # it bears a timestamps option
        self.sack_ok = False
        self.sack = 0  # offset in the frame of so many
        self.blocks = 0

    @micropython.native
    def parse(self, fr):
        """Check and take apart the segment at fr.l4. Returns 0, or the counter of what is bad."""
        buf = fr.buf
        at = fr.l4
        n = fr.end - at
        if n < _HDR:
            return _SHORT
        hlen = (buf[at + _OFFSET] >> 4) << 2
        if hlen < _HDR or hlen > n:
            return _OFFSET_BAD
        ip = fr.ip
        acc = pseudo(buf, fr.l3 + ip.src_off, buf, fr.l3 + ip.dst_off, ip.alen, _PROTO, n)
        if csum(buf, at, n, acc) != 0xFFFF:
            return _CHECKSUM
        options_are = _numbers(self.w, buf, at, hlen)
        self.flags = buf[at + _FLAGBITS]
        self.wnd = get16(buf, at + _WINDOW)
        self.data = at + hlen
        self.len = n - hlen
        self.mss = 0
        self.shift = -1
        self.stamped = options_are == 1
        self.sack_ok = False
        self.blocks = 0
        if options_are > 1:
            return options.parse(self, buf, at + _HDR, at + hlen)
        return 0

    @micropython.native
    def seqlen(self):
        """Sequence numbers it takes: text, SYN and FIN (SEG.LEN of RFC 9293 3.4)."""
        flags = self.flags
        return self.len + (1 if flags & _SYN else 0) + (1 if flags & _FIN else 0)

    def trim_front(self, n):
        """Drop the first `n` sequence numbers: SYN first, then text."""
        add32(self.w, _SEG_SEQ, n)
        if self.flags & _SYN:
            self.flags &= ~_SYN
            n -= 1
        if n > self.len:
            self.flags &= ~_FIN
            n = self.len
        self.data += n
        self.len -= n

    def trim_end(self, n):
        """Drop the last `n` sequence numbers: FIN first, then text."""
        if self.flags & _FIN:
            self.flags &= ~_FIN
            n -= 1
        self.len -= n


@micropython.native
def emit(conn, flags, seq, offset, n):
    """Send one segment of `conn`: sequence number cb[seq], `n` bytes of the send ring from
    `offset`. False when there was no frame for it."""
    fr = conn.st.pool.alloc(n == 0)
    if fr is None:
        return False
    buf = fr.buf
    cb = conn.cb
    hlen = _HDR + options.length(conn, flags, n)
    fr.l4 = at = fr.pay - hlen
    fr.end = fr.pay + n
    using = cb[_FLAGS]
    wnd = window(conn, 0 if flags & _SYN else cb[_RCV_SHIFT])
    ip = conn.ip
    four = ip.alen == 4
    if using & _F_ECN:
        tos = ecn.tos(conn, seq, n)
    else:
        tos = (conn.tos if four else conn.tclass) & 0xFC
    bits = hlen << 10 | (flags | _ECE if using & _F_ECE else flags)
    _put_segment(buf, at, cb, seq, conn.lport, conn.rport, bits, wnd)
    if hlen > _HDR:
        options.put(conn, buf, at + _HDR, flags, hlen - _HDR)
    acc = pseudo(conn.laddr, 0, conn.raddr, 0, ip.alen, _PROTO, hlen + n)
    if n:
        acc = conn.tx.peek_csum(buf, fr.pay, n, offset, acc)
    put_csum(buf, at + _SUM, csum(buf, at, hlen, acc))
    conn.tcp.stat[_OUT] += 1
    ttl = conn.ttl if four else conn.hops
    ip.output(fr, conn.laddr, conn.raddr, _PROTO, ttl, tos, conn.device)
    return True


@micropython.native
def window(conn, shift):
    """The window to offer, in units of 1 << shift; moves RCV.ADV, the right edge once offered,
    which never moves back (RFC 9293 3.8.6.2.2: receiver's silly window avoidance)."""
    size = conn.rx_size
    step = conn.mss
    if step > size >> 1:
        step = size >> 1
    return _offer(conn.cb, size - conn.rx.w[_LEN] if conn.rx else size, step, 65535, shift)


def reset(tcp, fr):
    """Answer the segment in `fr` with a RST (RFC 9293 3.10.7.1). Borrows `fr`."""
    seg = tcp.seg
    if seg.flags & _RST or fr.group:
        return
    out = tcp.st.pool.alloc()
    if out is None:
        return
    buf = out.buf
    out.l4 = at = out.pay - _HDR
    out.end = out.pay
    src = fr.buf
    put16(buf, at, get16(src, fr.l4 + 2))
    put16(buf, at + 2, get16(src, fr.l4))
    w = seg.w
    if seg.flags & _ACK:
        store32(buf, at + _SEQ, w, _SEG_ACK)
        put16(buf, at + _ACKNO, 0)
        put16(buf, at + _ACKNO + 2, 0)
        buf[at + _FLAGBITS] = _RST
    else:
        put16(buf, at + _SEQ, 0)
        put16(buf, at + _SEQ + 2, 0)
        add32(w, _SEG_SEQ, seg.seqlen())
        store32(buf, at + _ACKNO, w, _SEG_SEQ)
        buf[at + _FLAGBITS] = _RST | _ACK
    buf[at + _OFFSET] = _HDR << 2
    put16(buf, at + _WINDOW, 0)
    put16(buf, at + _SUM, 0)
    put16(buf, at + _SUM + 2, 0)
    ip = fr.ip
    to = tcp.addr_to
    me = tcp.addr_from
    copy(to, 0, src, fr.l3 + ip.src_off, ip.alen)
    copy(me, 0, src, fr.l3 + ip.dst_off, ip.alen)
    acc = pseudo(me, 0, to, 0, ip.alen, _PROTO, _HDR)
    put_csum(buf, at + _SUM, csum(buf, at, _HDR, acc))
    tcp.stat[_OUT_RST] += 1
    ip.output(out, me, to, _PROTO)
