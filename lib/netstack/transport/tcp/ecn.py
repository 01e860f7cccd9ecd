# Explicit congestion notification (RFC 3168 section 6.1): a router marks a packet (CE) where it
# would have dropped it; the receiver says so in its ACKs (ECE) until the sender has told that it
# has reduced its window (CWR).
#
# Used when both ends want it: TCP.ecn asks for it in our SYNs, TCP.ecn_accept lets us agree when
# the peer asks, which harms nobody. The low two bits of the TOS byte are the stack's: ECT(0) for
# new text alone, not for what is sent again, nor for bare ACKs, nor for probes of a closed window
# (6.1.4 to 6.1.6). Bits of FLAGS: ECN, ECE, CWR below. Word 91 of the control block is ECN_END:
# SND.MAX when the window was last reduced.

from micropython import const
from netstack.core.wire import move32, sub32

_ECE_CWR = const(0xC0)
_ECE = const(0x40)
_CWR = const(0x80)
_ACK = const(16)

_SND_NXT = const(2)
_SND_MAX = const(3)
_BACKOFF = const(21)
_FLAGS = const(31)
_ECN_END = const(91)
_F_ACK_NOW = const(1)
_F_ECN = const(0x10000)  # both ends want it; in SYN-SENT: we do
_F_ECE = const(0x20000)  # CE has come: our ACKs say so
_F_CWR = const(0x40000)  # the window was reduced: the next new text says so

_SEG_ACK = const(1)

_ECT0 = const(2)
_CE = const(3)


def offer(conn):
    """We open actively."""
    if conn.tcp.ecn:
        conn.cb[_FLAGS] |= _F_ECN


@micropython.native
def handshake(conn, flags):
    """The flags of our SYN or SYN,ACK. A SYN that is not answered may have met a router that drops
    what it does not know: the next one does without (6.1.1.1)."""
    cb = conn.cb
    if flags & _ACK:
        return flags | _ECE if cb[_FLAGS] & _F_ECN else flags
    if cb[_BACKOFF]:
        cb[_FLAGS] &= ~_F_ECN
    return flags | _ECE_CWR if cb[_FLAGS] & _F_ECN else flags


@micropython.native
def agree(conn, seg):
    """The peer's SYN or SYN,ACK has come (6.1.1). One that merely mirrors our bits does not know
    what they mean."""
    cb = conn.cb
    said = seg.flags & _ECE_CWR
    if seg.flags & _ACK or conn.listener is None:
        wanted = cb[_FLAGS] & _F_ECN
    else:
        wanted = conn.tcp.ecn_accept
    if wanted and said == (_ECE if seg.flags & _ACK else _ECE_CWR):
        cb[_FLAGS] |= _F_ECN
    else:
        cb[_FLAGS] &= ~_F_ECN


def text(conn, seg, fr):
    """Text has come (6.1.3)."""
    cb = conn.cb
    if seg.flags & _CWR:
        cb[_FLAGS] &= ~_F_ECE
    if fr.ip.ecn(fr.buf, fr.l3) == _CE:
        cb[_FLAGS] |= _F_ECE | _F_ACK_NOW


def tos(conn, seq, n):
    """The TOS byte of a segment with `n` bytes of text from cb[seq]: for those that are new, this
    packet may be marked."""
    value = (conn.tos if conn.ip.alen == 4 else conn.tclass) & 0xFC
    cb = conn.cb
    if cb[_FLAGS] & _F_ECN and n and seq == _SND_NXT and sub32(cb, _SND_NXT, cb, _SND_MAX) >= 0:
        return value | _ECT0
    return value


def first(conn, seg):
    """The peer tells of a mark: for the first time in this window of data (6.1.2)?"""
    return sub32(seg.w, _SEG_ACK, conn.cb, _ECN_END) > 0


def reduced(conn):
    """The window was reduced, for whatever reason."""
    cb = conn.cb
    if cb[_FLAGS] & _F_ECN:
        cb[_FLAGS] |= _F_CWR
        move32(cb, _ECN_END, cb, _SND_MAX)
