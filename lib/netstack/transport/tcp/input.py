# A segment arrives (RFC 9293 3.10.7), one function per step:
#
#   syn_sent                      3.10.7.3
#   arrives: check_sequence -> check_rst -> check_syn -> check_ack -> text -> check_fin   3.10.7.4
#
# Nothing is sent from here: what is due is noted in the control block, and output() runs once
# at the end of the batch. LISTEN is listen.py, TIME-WAIT timewait.py, CLOSED segment.reset().

from micropython import const
from netstack.core.clock import elapsed
from netstack.core.wire import add32, move32, sub32
from netstack.transport.tcp import congestion, ecn, pmtu, rto, sack, timestamps, tlp, undo
from netstack.transport.tcp.output import set_timer
from netstack.transport.tcp.reassembly import accept
from netstack.transport.tcp.segment import reset, window

_SYN_SENT = const(2)
_SYN_RCVD = const(3)
_ESTABLISHED = const(4)
_FIN_WAIT_1 = const(5)
_FIN_WAIT_2 = const(6)
_CLOSE_WAIT = const(7)
_CLOSING = const(8)
_LAST_ACK = const(9)

_FIN = const(1)
_SYN = const(2)
_RST = const(4)
_ACK = const(16)
_ECE = const(0x40)

_LEN = const(1)  # a word of Ring.w

_ISS = const(0)
_SND_UNA = const(1)
_SND_NXT = const(2)
_SND_MAX = const(3)
_SND_WL1 = const(4)
_SND_WL2 = const(5)
_IRS = const(6)
_RCV_NXT = const(7)
_RCV_ADV = const(8)
_RECOVER = const(9)
_RTT_SEQ = const(10)
_FIN_SEQ = const(11)
_SND_WND = const(12)
_MAX_WND = const(13)
_SND_MSS = const(14)
_BACKOFF = const(21)
_RTT_AT = const(22)
_UNACKED = const(23)
_T_REXMT = const(24)
_T_PERSIST = const(25)
_T_DELACK = const(26)
_FLAGS = const(31)
_SENT_AT = const(32)
_RCV_MSS = const(33)
_RCVD_AT = const(34)
_PROBES = const(35)
_DUPS = const(38)
_ACK_SENT = const(42)
_UNDO_CWND = const(85)
_SND_SHIFT = const(43)
_RCV_SHIFT = const(44)
_FAST = const(53)
_F_ACK_NOW = const(1)
_F_CHANGED = const(1 << 25)
_F_TIMING = const(4)
_F_PARTIAL = const(16)
_F_FIN_SENT = const(32)
_F_PEER_FIN = const(128)
_F_TS = const(256)
_F_WSCALE = const(512)
_F_RECOVERY = const(8)
_F_SACK = const(1024)
_F_ECN = const(0x10000)
_F_PROBED = const(16384)
_F_QUICK = const(1 << 23)
_CLOSED_AT = const(97)
_MSS_MAX = const(99)

_SEG_SEQ = const(0)
_SEG_ACK = const(1)

_DELACK_MS = const(40)  # RFC 9293 3.8.6.3: less than 500
_ECONNREFUSED = const(111)
_ECONNRESET = const(104)

# counters of protocol.py
_OUT_OF_WINDOW = const(6)
_OUT_OF_ORDER = const(7)
_NOMEM = const(8)
_CHALLENGE = const(9)
_RESETS = const(10)


@micropython.native
def arrives(conn, seg, fr):
    """A segment for a connection that is not closed. Borrows `fr`."""
    conn.st.defer(conn)
    cb = conn.cb
    cb[_FAST] = 0
    cb[_RCVD_AT] = conn.st.now
    cb[_PROBES] = 0
    seg.echo = False
    if not seg.flags & _SYN:  # RFC 7323 2.2: the window of a SYN is never scaled
        seg.wnd <<= cb[_SND_SHIFT]
    if conn.state == _SYN_SENT:
        if not _syn_sent(conn, seg, fr):
            return
    elif cb[_FLAGS] & _F_TS and not timestamps.acceptable(conn, seg):
        return
    elif not (
        _check_sequence(conn, seg)
        and _check_rst(conn, seg)
        and _check_syn(conn, seg)
        and _check_ack(conn, seg, fr)
    ):
        return
    if seg.echo:  # not before its ACK was found good, or a forged segment could poison PAWS
        timestamps.note(conn, seg)
    if seg.len:
        if cb[_FLAGS] & _F_ECN:
            ecn.text(conn, seg, fr)
        _text(conn, seg, fr)
    if seg.flags & _FIN or cb[_FLAGS] & _F_PEER_FIN:
        _check_fin(conn, seg)


@micropython.native
def opens(conn, seg, fr):
    """A segment for a new connection in SYN-RECEIVED, which is known to be the ACK that it waits
    for: what arrives() makes of it, without what has been looked at before."""
    if seg.len or seg.flags & _FIN:
        arrives(conn, seg, fr)
        return
    conn.st.defer(conn)
    cb = conn.cb
    cb[_RCVD_AT] = conn.st.now
    seg.wnd <<= cb[_SND_SHIFT]
    move32(cb, _SND_UNA, seg.w, _SEG_ACK)
    _measure(conn, seg)
    established(conn, seg)
    if cb[_FLAGS] & _F_TS:
        timestamps.note(conn, seg)


def completes(conn, seg, fr):
    """A segment for a record in SYN-RECEIVED (synqueue.py), of which `conn` is only the shape:
    does it complete the handshake? If not, what is owed to it is noted as for any other."""
    cb = conn.cb
    seg.echo = False
    if cb[_FLAGS] & _F_TS and not timestamps.acceptable(conn, seg):
        return False
    if not (_check_sequence(conn, seg) and _check_rst(conn, seg) and _check_syn(conn, seg)):
        return False
    if not seg.flags & _ACK:
        return False
    if sub32(seg.w, _SEG_ACK, cb, _SND_UNA) <= 0 or sub32(seg.w, _SEG_ACK, cb, _SND_MAX) > 0:
        reset(conn.tcp, fr)
        return False
    return True


def _syn_sent(conn, seg, fr):
    """3.10.7.3. True when text and FIN of the segment are to be looked at."""
    cb = conn.cb
    w = seg.w
    flags = seg.flags
    if flags & _ACK and (
        sub32(w, _SEG_ACK, cb, _ISS) <= 0 or sub32(w, _SEG_ACK, cb, _SND_MAX) > 0
    ):
        reset(conn.tcp, fr)
        return False
    if flags & _RST:
        if flags & _ACK:
            conn.fail(_ECONNREFUSED)
        return False
    if not flags & _SYN:
        return False
    peer_syn(conn, seg)
    if not flags & _ACK:  # simultaneous open (figure 8): answer with SYN,ACK
        conn.set_state(_SYN_RCVD)
        move32(cb, _SND_NXT, cb, _ISS)
        return False
    move32(cb, _SND_UNA, w, _SEG_ACK)
    _measure(conn, seg)
    if conn.cookie is not None:
        conn.tcp.fastopen.answered(conn, fr, seg)
    if conn.early:
        _early_text(conn, cb)
        move32(cb, _SND_NXT, cb, _SND_UNA)  # what was refused goes out again
    established(conn, seg)
    seg.trim_front(1)
    extra = seg.seqlen() - sub32(cb, _RCV_ADV, cb, _RCV_NXT)
    if extra > 0:
        seg.trim_end(extra)
    cb[_FLAGS] |= _F_ACK_NOW
    return True


def _early_text(conn, cb):
    """RFC 7413: drop what has arrived of the text that went with our SYN, or right behind it."""
    n = sub32(cb, _SND_UNA, cb, _ISS) - 1
    if n > 0:
        conn.tx.skip(n)
        cb[_FLAGS] |= _F_CHANGED


@micropython.native
def peer_syn(conn, seg):
    """Take IRS, window and options from the peer's SYN."""
    cb = conn.cb
    _receive_from(cb, seg.w)
    window(conn, 0)
    _agree(conn, seg)
    mss = seg.mss or conn.ip.mss_default
    if mss < 64:
        mss = 64  # a peer that asks for less wants us to drown in headers
    if mss > conn.mss:
        mss = conn.mss
    if cb[_FLAGS] & _F_TS:
        mss -= 12  # RFC 9293 3.7.1: it counts the options of each segment
    cb[_SND_MSS] = cb[_MSS_MAX] = mss
    cb[_RCV_MSS] = 536 if cb[_SND_MSS] > 536 else cb[_SND_MSS]  # until it sends more
    _take_window(conn.cb, seg.w, seg.wnd)


@micropython.native
def _agree(conn, seg):
    """Of the options we offer, those are used that the peer's SYN bears (RFC 7323, RFC 2018)."""
    cb = conn.cb
    if not seg.stamped:
        cb[_FLAGS] &= ~_F_TS
    elif cb[_FLAGS] & _F_TS:
        timestamps.begin(conn, seg)
    if not seg.sack_ok:
        cb[_FLAGS] &= ~_F_SACK
    if seg.shift < 0:
        cb[_FLAGS] &= ~_F_WSCALE
    ecn.agree(conn, seg)
    if cb[_FLAGS] & _F_WSCALE:
        cb[_SND_SHIFT] = seg.shift
    else:
        cb[_RCV_SHIFT] = 0


@micropython.viper
def _receive_from(cb: ptr32, seg: ptr32):
    """IRS, RCV.NXT, RCV.ADV and ACK_SENT, from the SEG.SEQ of a SYN."""
    x = seg[0]
    cb[6] = x
    x += 1
    cb[7] = x
    cb[8] = x
    cb[42] = x


@micropython.viper
def _take_window(cb: ptr32, seg: ptr32, wnd: int):
    """SND.WND, the largest it ever was, SND.WL1 and SND.WL2."""
    cb[12] = wnd
    if wnd > cb[13]:
        cb[13] = wnd
    cb[4] = seg[0]
    cb[5] = seg[1]


@micropython.native
def established(conn, seg):
    """Both SYNs are acknowledged."""
    cb = conn.cb
    _take_window(cb, seg.w, seg.wnd)
    congestion.start(conn)
    cb[_T_REXMT] = 0
    conn.set_state(_ESTABLISHED)
    conn.opened()


def _check_sequence(conn, seg):
    """First: is it in the window? What sticks out is cut off."""
    cb = conn.cb
    wnd = sub32(cb, _RCV_ADV, cb, _RCV_NXT)
    off = sub32(seg.w, _SEG_SEQ, cb, _RCV_NXT)
    n = seg.total = seg.seqlen()
    if conn.state == _SYN_RCVD and seg.flags & _SYN and sub32(seg.w, _SEG_SEQ, cb, _IRS) == 0:
        if not seg.flags & _ACK:  # its SYN again: ours was lost
            move32(cb, _SND_NXT, cb, _ISS)
            return False
        seg.trim_front(1)  # simultaneous open, figure 8 line 5
        off += 1
        n -= 1
    if n == 0:
        ok = off == 0 or 0 <= off < wnd
    elif wnd == 0:
        # a probe of our closed window: its text is not taken, its ACK is (3.10.7.4, first step)
        ok = off == 0
        if ok:
            cb[_FLAGS] |= _F_ACK_NOW
            seg.len = 0
            seg.flags &= ~_FIN
    else:
        ok = off < wnd and off + n > 0
    if not ok:
        conn.tcp.stat[_OUT_OF_WINDOW] += 1
        # A bare ACK is answered, but not for ever: two ends that do not agree would go on and on.
        # Nor is a SYN (RFC 5961 section 4: it is challenged whatever its number).
        if not seg.flags & _RST and (n and not seg.flags & _SYN or conn.may_challenge()):
            cb[_FLAGS] |= _F_ACK_NOW
        return _just_ack(conn, seg, off)
    seg.echo = cb[_FLAGS] & _F_TS and sub32(seg.w, _SEG_SEQ, cb, _ACK_SENT) <= 0
    if n and off + n > wnd > 0:
        seg.trim_end(off + n - wnd)
    # RFC 5961: a RST counts by its own number alone, a SYN whatever its number
    if off < 0 and n and not seg.flags & (_SYN | _RST):
        sack.twice(conn, seg.w, _SEG_SEQ, -off)
        seg.trim_front(-off)
        cb[_FLAGS] |= _F_ACK_NOW  # part of it was here before: tell how far we are
    return True


def _just_ack(conn, seg, off):
    """A segment whose numbers lie before the window. True: look at its ACK, and at nothing else.
    DEVIATION RFC 9293 3.10.7.4, as BSD: two ends that are both behind would drop each other's ACKs
    for ever. RFC 5961 section 5 has its say on the number."""
    if seg.flags & (_SYN | _RST) or not -65536 < off < 0 or conn.state < _ESTABLISHED:
        return False
    sack.twice(conn, seg.w, _SEG_SEQ, seg.len)
    seg.len = 0
    seg.flags &= ~_FIN
    seg.total = 1  # no duplicate ACK (RFC 5681 section 2)
    return True


def _check_rst(conn, seg):
    """Second (RFC 5961 section 3: only the exact sequence number resets)."""
    if not seg.flags & _RST:
        return True
    if sub32(seg.w, _SEG_SEQ, conn.cb, _RCV_NXT) != 0:
        _challenge(conn)
        return False
    conn.tcp.stat[_RESETS] += 1
    state = conn.state
    if state == _SYN_RCVD:
        conn.fail(_ECONNRESET if conn.early else _ECONNREFUSED)
    elif state >= _CLOSING:
        conn.fail(0)
    else:
        conn.fail(_ECONNRESET)
    return False


def _challenge(conn):
    """RFC 5961 section 7: challenge ACKs are limited."""
    conn.tcp.stat[_CHALLENGE] += 1
    if conn.may_challenge():
        conn.cb[_FLAGS] |= _F_ACK_NOW


def _check_syn(conn, seg):
    """Fourth (RFC 5961 section 4: a SYN in the window is challenged)."""
    if not seg.flags & _SYN:
        return True
    _challenge(conn)
    return False


def _check_ack(conn, seg, fr):
    """Fifth."""
    cb = conn.cb
    w = seg.w
    if not seg.flags & _ACK:
        return False
    ahead = sub32(w, _SEG_ACK, cb, _SND_MAX)
    acked = sub32(w, _SEG_ACK, cb, _SND_UNA)
    if conn.state == _SYN_RCVD:
        if acked <= 0 or ahead > 0:
            reset(conn.tcp, fr)
            return False
        move32(cb, _SND_UNA, w, _SEG_ACK)
        if sub32(cb, _SND_NXT, cb, _SND_UNA) < 0:  # our SYN was still to be sent again
            move32(cb, _SND_NXT, cb, _SND_UNA)
        _measure(conn, seg)
        established(conn, seg)
        if conn.early:
            _early_text(conn, cb)
            if sub32(cb, _SND_MAX, cb, _SND_UNA) > 0:
                tlp.arm(conn)
        return True
    if ahead > 0 or acked < -cb[_MAX_WND]:  # RFC 5961 section 5
        _challenge(conn)
        return False
    if acked >= 0:
        _progress(conn, seg, fr, acked)
        _update_window(conn, seg)
    return _closing_ack(conn)


def _progress(conn, seg, fr, acked):
    """What an ACK tells of what we have sent."""
    cb = conn.cb
    if seg.flags & _ECE and cb[_FLAGS] & _F_ECN:
        congestion.on_mark(conn, seg)
    late = acked and cb[_UNDO_CWND] and undo.late(conn, seg, acked)
    if not cb[_FLAGS] & _F_SACK:
        _without_sack(conn, seg, acked, late)
        return
    board = conn.board
    holes = board and (
        board.ranges.n or cb[_FLAGS] & _F_RECOVERY or sub32(cb, _SND_UNA, cb, _RECOVER) < 0
    )
    delivered = 0
    if holes and acked:
        echo = timestamps.round_trip(conn, seg) if cb[_FLAGS] & _F_TS else -1
        delivered = board.news(conn, 0, acked, echo)
    if acked:
        advance(conn, seg, acked)
    twice = seg.blocks and sack.duplicate(seg, fr.buf)
    if twice and conn.rack:
        conn.rack.duplicate(conn)
    if late or twice and cb[_UNDO_CWND] and undo.duplicate(conn, seg):
        undo.take_back(conn, acked)
    if cb[_FLAGS] & _F_PROBED and tlp.lost(conn, seg, twice, acked):
        congestion.on_probe(conn)
    if seg.blocks:
        if conn.rack and not holes:
            conn.rack.begin(conn)
        delivered += _blocks(conn, seg, fr)
    if conn.board and (holes or delivered):
        congestion.on_sack(conn, delivered, acked)


def _without_sack(conn, seg, acked, late):
    if not acked:
        _maybe_duplicate(conn, seg)
        return
    probe = undo.may_probe(conn, acked)
    advance(conn, seg, acked)
    if late:
        undo.take_back(conn, acked)
    elif probe:
        undo.probe(conn)


@micropython.native
def advance(conn, seg, acked):
    """SND.UNA moves on."""
    cb = conn.cb
    move32(cb, _SND_UNA, seg.w, _SEG_ACK)
    measured = _measure(conn, seg)
    data = acked
    queued = conn.tx.w[_LEN] if conn.tx else 0
    if data > queued:  # our FIN is behind the data
        data = queued
        cb[_FLAGS] &= ~_F_TIMING
    if data:
        conn.tx.skip(data)
        if conn.tx.w[_LEN] == 0:
            conn.tx.rewind()
        cb[_FLAGS] |= _F_CHANGED
    if sub32(cb, _SND_NXT, cb, _SND_UNA) < 0:
        move32(cb, _SND_NXT, cb, _SND_UNA)
    if conn.full:
        pmtu.heard(conn)
    if measured:
        cb[_BACKOFF] = 0
    elif cb[_BACKOFF]:
        rto.heard(conn)
    conn.soft_error = 0
    if conn.board:
        conn.board.advance(acked)
    first_partial = not cb[_FLAGS] & _F_PARTIAL
    congestion.on_ack(conn, acked)
    if sub32(cb, _SND_MAX, cb, _SND_UNA) == 0:
        cb[_T_REXMT] = 0  # RFC 6298 (5.2)
    elif not cb[_FLAGS] & _F_PARTIAL or first_partial:
        # RFC 6298 (5.3); RFC 6582 section 4: in recovery only the first partial ACK restarts it
        tlp.arm(conn)


@micropython.native
def _measure(conn, seg):
    """SND.UNA has moved: a round-trip time, once for each flight (RFC 6298 section 3; RFC 7323
    appendix G: one for each ACK would forget too fast), and the first after a timeout, which says
    that the path is as fast as ever. True: one was measured."""
    cb = conn.cb
    if cb[_FLAGS] & _F_TS:
        rtt = timestamps.round_trip(conn, seg)
        if cb[_BACKOFF] and rtt > elapsed(conn.st.now, cb[_SENT_AT]):
            return False  # its ACK may have been lost: then it tells how long we were silent
        if rtt >= 0 and (cb[_BACKOFF] or sub32(seg.w, _SEG_ACK, cb, _RTT_SEQ) > 0):
            move32(cb, _RTT_SEQ, cb, _SND_MAX)
            return rto.sample(conn, rtt)
    elif cb[_FLAGS] & _F_TIMING and sub32(seg.w, _SEG_ACK, cb, _RTT_SEQ) > 0:
        cb[_FLAGS] &= ~_F_TIMING
        return rto.sample(conn, elapsed(conn.st.now, cb[_RTT_AT]))
    return False


def _maybe_duplicate(conn, seg):
    """RFC 5681 section 2: what counts as a duplicate ACK."""
    cb = conn.cb
    if (
        seg.total == 0
        and seg.wnd == cb[_SND_WND]
        and sub32(cb, _SND_MAX, cb, _SND_UNA) > 0
        and seg.wnd
    ):
        if cb[_FLAGS] & _F_PROBED:
            undo.refuted(conn)
        congestion.on_dupack(conn)


def _blocks(conn, seg, fr):
    """What the peer has beyond SND.UNA; returns how many bytes of it are news."""
    return conn.board.update(conn, fr.buf, seg) if congestion.have_board(conn) else 0


def _update_window(conn, seg):
    """RFC 9293 3.10.7.4: only from segments that are not older than the last one used."""
    cb = conn.cb
    newer = sub32(seg.w, _SEG_SEQ, cb, _SND_WL1)
    if newer > 0 or (newer == 0 and sub32(seg.w, _SEG_ACK, cb, _SND_WL2) >= 0):
        if cb[_SND_WND] == 0 and seg.wnd:
            cb[_T_PERSIST] = 0
            cb[_BACKOFF] = 0
            cb[_CLOSED_AT] = 0
            rto.set_rto(conn)
        elif seg.wnd == 0 and not conn.orphan:  # RFC 6429 section 3
            cb[_BACKOFF] = 0  # the peer is alive, however long its window stays closed
        _take_window(conn.cb, seg.w, seg.wnd)


@micropython.native
def _closing_ack(conn):
    """States that wait for our FIN to be acknowledged. True: go on with text and FIN."""
    cb = conn.cb
    state = conn.state
    if state == _ESTABLISHED or state == _CLOSE_WAIT or state == _FIN_WAIT_2:
        return True
    sent = cb[_FLAGS] & _F_FIN_SENT
    if not sent or sub32(cb, _SND_MAX, cb, _SND_UNA) != 0:
        return True
    if state == _FIN_WAIT_1:
        conn.set_state(_FIN_WAIT_2)
        conn.linger()
    elif state == _CLOSING:
        conn.time_wait()
    elif state == _LAST_ACK:
        conn.fail(0)
        return False
    return True


def _text(conn, seg, fr):
    """Seventh: the segment's text."""
    state = conn.state
    if not (state == _ESTABLISHED or state == _FIN_WAIT_1 or state == _FIN_WAIT_2):
        return  # the peer has sent its FIN: there is no more text
    cb = conn.cb
    if conn.orphan:  # RFC 9293 3.10.4, RFC 1122 4.2.2.13: data nobody can read any more
        conn.abort()
        return
    off = sub32(seg.w, _SEG_SEQ, cb, _RCV_NXT)
    if cb[_FLAGS] & _F_PEER_FIN and not _before_end(seg, cb, off):
        return
    got = accept(conn, fr.buf, seg.data, seg.len, off)
    if got < 0:
        cb[_DUPS] += 1
        if got == -2:
            conn.tcp.stat[_NOMEM] += 1
            seg.flags &= ~_FIN
        else:
            conn.tcp.stat[_OUT_OF_ORDER] += 1
        return
    cb[_FLAGS] |= _F_CHANGED
    cb[_DUPS] = 0
    if conn.deaf:
        conn.rx.skip(conn.rx.w[_LEN])
    if seg.len > cb[_RCV_MSS]:
        cb[_RCV_MSS] = seg.len
    cb[_UNACKED] += got
    # RFC 9293 3.8.6.3, RFC 5681 4.2: every second full segment, and when a hole is filled
    if got != seg.len or (conn.ranges and conn.ranges.n) or cb[_UNACKED] >= cb[_RCV_MSS] << 1:
        cb[_FLAGS] |= _F_ACK_NOW
    elif cb[_FLAGS] & _F_QUICK:
        cb[_FLAGS] |= _F_ACK_NOW
    elif not cb[_T_DELACK]:
        set_timer(conn, _T_DELACK, _DELACK_MS)


def _before_end(seg, cb, off):
    """Cut off what lies beyond the peer's FIN, which came first; False when that is all."""
    most = sub32(cb, _FIN_SEQ, cb, _RCV_NXT) - off
    if most <= 0:
        cb[_FLAGS] |= _F_ACK_NOW
        return False
    if seg.len > most:
        seg.len = most
    return True


@micropython.native
def _check_fin(conn, seg):
    """Eighth. A FIN ahead of missing text is remembered until the text is there. One that text
    which came first contradicts is not: the connection would never end."""
    cb = conn.cb
    if seg.flags & _FIN and not cb[_FLAGS] & _F_PEER_FIN:
        move32(cb, _FIN_SEQ, seg.w, _SEG_SEQ)
        add32(cb, _FIN_SEQ, seg.len)
        place = sub32(cb, _FIN_SEQ, cb, _RCV_NXT)
        ranges = conn.ranges
        if place < 0 or ranges and ranges.n and ranges.end[ranges.n - 1] > place:
            cb[_FLAGS] |= _F_ACK_NOW
            return
        cb[_FLAGS] |= _F_PEER_FIN
    if conn.eof_seen or sub32(cb, _FIN_SEQ, cb, _RCV_NXT) != 0:
        if seg.flags & _FIN:
            cb[_FLAGS] |= _F_ACK_NOW
        return
    conn.eof_seen = True
    conn.ranges = None  # text beyond a FIN is a lie; a SACK shall not tell of it
    add32(cb, _RCV_NXT, 1)
    if sub32(cb, _RCV_ADV, cb, _RCV_NXT) < 0:
        move32(cb, _RCV_ADV, cb, _RCV_NXT)
    cb[_FLAGS] |= _F_ACK_NOW
    cb[_FLAGS] |= _F_CHANGED
    state = conn.state
    if state == _ESTABLISHED:
        conn.set_state(_CLOSE_WAIT)
    elif state == _FIN_WAIT_1:
        conn.set_state(_CLOSING)
    elif state == _FIN_WAIT_2:
        conn.time_wait()
