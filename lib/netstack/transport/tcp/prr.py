# Proportional rate reduction (RFC 9937): how much may be sent for each ACK during loss recovery,
# so that at its end about ssthresh is in flight, without a pause at first nor a burst later.
#
# Words of the control block: 82 PRR_DELIVERED (bytes that have come since recovery began)
#   83 PRR_OUT (bytes sent since, kept by output.py)  84 RECOVER_FS

from micropython import const
from netstack.core.wire import sub32

_SND_UNA = const(1)
_SND_MAX = const(3)
_SND_MSS = const(14)
_CWND = const(15)
_SSTHRESH = const(16)
_PRR_DELIVERED = const(82)
_PRR_OUT = const(83)
_RECOVER_FS = const(84)


def begin(conn, delivered):
    """Recovery begins with an ACK that tells of `delivered` bytes."""
    cb = conn.cb
    flight = sub32(cb, _SND_MAX, cb, _SND_UNA)
    cb[_PRR_DELIVERED] = cb[_PRR_OUT] = 0
    cb[_RECOVER_FS] = flight - conn.board.sacked + delivered
    on_ack(conn, delivered, False)


def on_ack(conn, delivered, safe):
    """The steps of section 6.2: `delivered` bytes have come; `safe`: SND.UNA has moved and nothing
    more is lost (SafeACK). Sets cwnd to what is in flight and may be added. DEVIATION section 6.2:
    also with `delivered` 0, when something more is found to be lost: the window follows what is in
    flight down, or all that is lost would go out again in one burst."""
    cb = conn.cb
    mss = cb[_SND_MSS]
    ssthresh = cb[_SSTHRESH]
    pipe = conn.board.pipe(sub32(cb, _SND_MAX, cb, _SND_UNA))
    cb[_PRR_DELIVERED] += delivered
    left = cb[_PRR_DELIVERED] - cb[_PRR_OUT]
    if pipe > ssthresh:
        # in 1/256, so that the products stay small ints
        ratio = (ssthresh << 8) // (cb[_RECOVER_FS] or 1)
        count = (cb[_PRR_DELIVERED] * ratio + 255 >> 8) - cb[_PRR_OUT]
    else:
        count = left if left > delivered else delivered
        if safe:
            count += mss
        if count > ssthresh - pipe:
            count = ssthresh - pipe
    if count < 0:
        count = 0
    if not cb[_PRR_OUT] and count < mss:
        count = mss  # the first retransmission goes out at once: less than a segment sends nothing
    # DEVIATION RFC 9937 section 6.2: a peer that tells of a few bytes at a time does not bring us
    # below one segment, with which a connection can do nothing but wait for its timeout.
    cb[_CWND] = pipe + count if pipe + count > mss else mss
