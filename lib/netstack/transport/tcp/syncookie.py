# SYN cookies (RFC 4987 3.6): when there is no place for a record of a SYN, all that it would hold
# goes into the initial sequence number, and comes back in the peer's ACK.
#
#   | period 5 | MSS class 3 | 24 bits of SHA-256 over a secret, both addresses, both ports, IRS |
#
# The secret changes each minute; a cookie of the one before is still good. With timestamps the
# lowest six bits of ours tell of the peer's other options, as Linux has it; without them there is
# neither window scale nor SACK, and ECN never. That makes a round trip look up to 63 ms longer.
#
#   | 0 | SACK 1 | window scale 4, 15: none |

from hashlib import sha256  # here: each import looks through the file system first
from micropython import const
from netstack.core.clock import elapsed
from netstack.core.wire import add32, load32, move32, same, store32
from netstack.transport.tcp import options
from netstack.transport.tcp.input import peer_syn

_ISS = const(0)
_IRS = const(6)
_RTO = const(20)
_FLAGS = const(31)
_TS_OFFSET = const(41)
_RCV_SHIFT = const(44)
_F_TS = const(256)
_F_WSCALE = const(512)
_F_SACK = const(1024)
_F_ECN = const(0x10000)

_SEG_SEQ = const(0)
_SEG_ACK = const(1)
_SEG_TSECR = const(3)

_TICKS = const(1)  # a word of Stack.w

_PERIOD = const(64000)  # milliseconds
_NO_SCALE = const(15)
_CLASSES = (64, 256, 536, 1024, 1220, 1400, 1440, 1460)  # of the peer's MSS


@micropython.viper
def _low_bits(a: ptr32, i: int, b: ptr32, j: int) -> int:
    """The lowest six bits of a[i] + b[j]."""
    return (a[i] + b[j]) & 63


class Cookies:
    def __init__(self, tcp):
        self.tcp = tcp
        self._secrets = (bytearray(16), bytearray(16))  # of even and of odd periods
        self._period = 0
        self._began = -1  # the time when this period began; -1: no cookie has ever been made
        self._bytes = bytearray(4)
        self._wanted = bytearray(4)

    def _turn(self):
        """A new secret when it is time for one. Periods are counted while cookies are needed."""
        st = self.tcp.st
        age = elapsed(st.now, self._began) if self._began >= 0 else _PERIOD
        if 0 <= age < _PERIOD:
            return
        if not 0 <= age < 2 * _PERIOD:  # the one before is too old as well
            self._period += 1
            st.random.fill(self._secrets[self._period & 1], 0, 16)
        self._period += 1
        st.random.fill(self._secrets[self._period & 1], 0, 16)
        self._began = st.now

    def recent(self):
        """Can there be an answer to a cookie?"""
        return self._began >= 0 and 0 <= elapsed(self.tcp.st.now, self._began) < 2 * _PERIOD

    def _fill(self, conn, period, kind):
        """The cookie for these numbers, to self._wanted."""
        wanted = self._wanted
        wanted[0] = (period & 31) << 3 | kind
        number = self._bytes
        store32(number, 0, conn.cb, _IRS)
        h = sha256(self._secrets[period & 1])
        h.update(conn.laddr)
        h.update(conn.raddr)
        h.update(
            bytes((conn.lport >> 8, conn.lport & 255, conn.rport >> 8, conn.rport & 255, kind))
        )
        h.update(number)
        digest = h.digest()
        wanted[1] = digest[0]
        wanted[2] = digest[1]
        wanted[3] = digest[2]

    def make(self, conn, seg):
        """Choose ISS and the timestamp of an answer to the SYN `seg`, of which `conn` knows."""
        self._turn()
        mss = seg.mss or conn.ip.mss_default
        kind = len(_CLASSES) - 1
        while kind and _CLASSES[kind] > mss:
            kind -= 1
        self._fill(conn, self._period, kind)
        cb = conn.cb
        cb[_FLAGS] &= ~_F_ECN
        load32(cb, _ISS, self._wanted, 0)
        for word in (1, 2, 3):  # SND.UNA, SND.NXT, SND.MAX
            load32(cb, word, self._wanted, 0)
        if not cb[_FLAGS] & _F_TS:
            cb[_FLAGS] &= ~(_F_WSCALE | _F_SACK)
            cb[_RCV_SHIFT] = 0
            return
        told = seg.shift if cb[_FLAGS] & _F_WSCALE else _NO_SCALE
        if cb[_FLAGS] & _F_SACK:
            told |= 16
        clock = self.tcp.st.w
        add32(cb, _TS_OFFSET, -(_low_bits(clock, _TICKS, cb, _TS_OFFSET) - told & 63))

    def check(self, conn, seg):
        """Is this ACK an answer to a cookie? Then fill the control block with what it says."""
        cb = conn.cb
        w = seg.w
        add32(w, _SEG_SEQ, -1)
        add32(w, _SEG_ACK, -1)
        got = self._bytes
        store32(got, 0, w, _SEG_ACK)
        kind = got[0] & 7
        period = self._period
        if got[0] >> 3 != period & 31:
            period -= 1
        good = got[0] >> 3 == period & 31
        if good:
            move32(cb, _IRS, w, _SEG_SEQ)
            self._fill(conn, period, kind)
            store32(got, 0, w, _SEG_ACK)
            good = same(got, 0, self._wanted, 0, 4)
        if good:
            load32(cb, _ISS, got, 0)
            self._remember(conn, seg, kind)
        add32(w, _SEG_SEQ, 1)
        add32(w, _SEG_ACK, 1)
        return good

    def _remember(self, conn, seg, kind):
        """The options of the SYN, from the class of its MSS and the timestamp echoed."""
        seg.mss = _CLASSES[kind]
        if seg.stamped:
            store32(self._bytes, 0, seg.w, _SEG_TSECR)
            told = self._bytes[3]
            seg.sack_ok = bool(told & 16)
            seg.shift = -1 if told & 15 == _NO_SCALE else told & 15
        conn.cb[_RTO] = 1000
        options.offer(conn)
        peer_syn(conn, seg)
