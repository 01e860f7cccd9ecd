# ICMP for IPv4 (RFC 792, RFC 1122 3.2.2): echo both ways, errors sent and received.
#
# On the wire:  | type 1 | code 1 | checksum 2 | identifier 2 | sequence 2 | data ... |
#
# input: IPv4.input -> ICMPv4.input -> echo reply, or IPv4.error -> the transport that is meant

from micropython import const
from netstack.core.checksum import copy, copy_csum, csum, put_csum
from netstack.core.wire import get16, put16, zero
from netstack.inet import echo_fast
from netstack.inet.error_rate import ErrorRate

_ECONNREFUSED = const(111)
_EHOSTUNREACH = const(113)
_EMSGSIZE = const(90)
_ENOBUFS = const(105)
_ENETUNREACH = const(101)
_PROTO = const(1)
_HDR = const(8)
_REPLY = const(0)
_UNREACHABLE = const(3)
_DF = const(256)  # of the TOS that IPv4.output() takes
_TOO_BIG = const(4)  # its code: fragmentation needed and DF set
_QUENCH = const(4)
_REDIRECT = const(5)
_ECHO = const(8)
_EXCEEDED = const(11)
_PARAMETER = const(12)
_IP_SRC = const(12)
_IP_DST = const(16)
_NOTHING = b"\0\0\0\0"

_MOST = const(65507)  # bytes of data behind both headers
_QUOTE = const(548)  # RFC 1812 4.3.2.3: as much as fits into 576 bytes

NAMES = (
    "in",
    "in_short",
    "in_checksum",
    "in_echo",
    "in_reply",
    "in_error",
    "in_unknown",
    "out_reply",
    "out_error",
    "out_limited",
    "out_nobuf",
    "in_redirect",
)
_IN = const(0)
_SHORT = const(1)
_CHECKSUM = const(2)
_IN_ECHO = const(3)
_IN_REPLY = const(4)
_IN_ERROR = const(5)
_UNKNOWN = const(6)
_OUT_REPLY = const(7)
_OUT_ERROR = const(8)
_LIMITED = const(9)  # errors not sent because of the rate limit
_NOBUF = const(10)
_IN_REDIRECT = const(11)

_ERRORS = (_UNREACHABLE, _QUENCH, _REDIRECT, _EXCEEDED, _PARAMETER)

# RFC 1122 3.2.2.1, 4.2.3.9: code -> errno, and whether it ends a connection being opened
_ERRNO = (
    _ENETUNREACH,
    _EHOSTUNREACH,
    _ECONNREFUSED,
    _ECONNREFUSED,
    _EMSGSIZE,
    _EHOSTUNREACH,
    _ENETUNREACH,
    _EHOSTUNREACH,
)


class ICMPv4:
    ttl = 64  # of messages in fragments
    nif = None

    def __init__(self, st):
        self.st = st
        self.stat = st.counters("icmp4", NAMES)
        self.on_reply = None  # callable (fr): an echo reply has come in; borrows
        self.on_error = None  # the same for an error
        self.rate = ErrorRate(st)
        self._to = bytearray(4)
        self._from = bytearray(4)
        self._head = bytearray(_HDR)
        self.tos = 0
        self.fast = echo_fast.Fast(self)
        st.icmp4 = st.ip4.icmp = self
        st.ip4.protocols[_PROTO] = self

    def input(self, fr):
        """Borrows `fr`."""
        buf = fr.buf
        at = fr.l4
        n = fr.end - at
        self.stat[_IN] += 1
        if n < _HDR:
            self.stat[_SHORT] += 1
            return
        kind = buf[at]
        if kind == _ECHO:
            self._echo(fr, buf, at, n)
            return
        if csum(buf, at, n, 0) != 0xFFFF:
            self.stat[_CHECKSUM] += 1
        elif kind == _REPLY:
            self.stat[_IN_REPLY] += 1
            if self.on_reply:
                self.on_reply(fr)
        elif kind == _UNREACHABLE or kind == _EXCEEDED or kind == _PARAMETER:
            self.stat[_IN_ERROR] += 1
            if self.on_error:
                self.on_error(fr)
            self._error(buf, at, fr.end)
        elif kind == _REDIRECT:
            # DEVIATION RFC 1122 3.2.2.2: no route follows one. Whoever is on the link could have
            # us send all there; a host with one gateway per interface loses nothing but a hop.
            self.stat[_IN_REDIRECT] += 1
        else:
            self.stat[_UNKNOWN] += 1

    def _echo(self, fr, buf, at, n):
        """Answer an echo request: one pass checks the sum and copies (RFC 1122 3.2.2.6)."""
        if fr.group:  # RFC 1122 3.2.2.6 allows silence, and it is the safe choice
            self.stat[_IN_ECHO] += 1
            return
        copy(self._to, 0, buf, fr.l3 + _IP_SRC, 4)
        copy(self._from, 0, buf, fr.l3 + _IP_DST, 4)
        ip = self.st.ip4
        if not ip.small(n) and n > ip.mss_room(self._to):
            self._echo_parts(fr, buf, at, n)
            return
        out = self.st.pool.alloc()
        if out is None:
            self.stat[_NOBUF] += 1
            return
        out.l4 = to = out.pay
        if copy_csum(out.buf, to, buf, at, n, 0) != 0xFFFF:
            self.stat[_CHECKSUM] += 1
            self.st.pool.release(out)
            return
        self.stat[_IN_ECHO] += 1
        out.end = to + n
        self._turn(out.buf, to)
        if zero(self._to, 0, 4):
            self.st.pool.release(out)
            return
        self.stat[_OUT_REPLY] += 1
        tos = buf[fr.l3 + 1]
        # One that waits for its neighbour is no pattern yet: the neighbour's answer has its turn.
        if ip.output(out, self._from, self._to, _PROTO, 64, tos) == 0 and ip.keeps(self._to):
            self.fast.prepare(self._from, self._to, 64, tos)

    def _echo_parts(self, fr, buf, at, n):
        """The same for one that takes more than a packet."""
        if csum(buf, at, n, 0) != 0xFFFF:
            self.stat[_CHECKSUM] += 1
            return
        self.stat[_IN_ECHO] += 1
        output = self.st.ip4.output_parts
        if output is None or zero(self._to, 0, 4):
            return
        head = self._head
        copy(head, 0, buf, at, _HDR)
        self._turn(head, 0)
        self.stat[_OUT_REPLY] += 1
        self.tos = buf[fr.l3 + 1]
        output(head, buf, at + _HDR, n - _HDR, self._from, self._to, _PROTO, self)

    def _turn(self, buf, at):
        """Make a request a reply: RFC 1624 section 3 gives the new sum from the old one."""
        buf[at] = _REPLY
        acc = (get16(buf, at + 2) ^ 0xFFFF) + 0xF7FF  # ~(_ECHO << 8)
        acc = (acc & 0xFFFF) + (acc >> 16)
        # All ones for zero: right for every message, and the only right one for all zeros.
        put16(buf, at + 2, 0xFFFF if acc == 0xFFFF else acc ^ 0xFFFF)

    def _seal(self, out):
        at = out.l4
        put16(out.buf, at + 2, 0)
        put_csum(out.buf, at + 2, csum(out.buf, at, out.end - at, 0))

    def echo(self, dst, ident, seq, n, whole=False):
        """Send an echo request with `n` bytes of pattern to `dst` (4 bytes); `whole`: in one
        packet, whatever is known of the path. 0 or -errno."""
        ip = self.st.ip4
        src = ip.source(dst)
        if src is None:
            return -_ENETUNREACH
        if not whole and _HDR + n > ip.mss_room(dst):
            return self._request_parts(ip, src, dst, ident, seq, n)
        out = self.st.pool.alloc()
        if out is None:
            return 0
        out.l4 = at = out.pay
        out.end = at + _HDR + n
        if out.end > len(out.buf):
            self.st.pool.release(out)
            return -_EMSGSIZE
        buf = out.buf
        buf[at] = _ECHO
        buf[at + 1] = 0
        put16(buf, at + 4, ident)
        put16(buf, at + 6, seq)
        for i in range(n):
            buf[at + _HDR + i] = i & 255
        self._seal(out)
        return ip.output(out, src, dst, _PROTO, 64, _DF if whole else 0)

    def _request_parts(self, ip, src, dst, ident, seq, n):
        if ip.output_parts is None or n > _MOST:
            return -_EMSGSIZE
        self.tos = 0
        head = self._head
        data = bytearray(n)
        for i in range(n):
            data[i] = i & 255
        head[0] = _ECHO
        head[1] = 0
        put16(head, 2, 0)
        put16(head, 4, ident)
        put16(head, 6, seq)
        put_csum(head, 2, csum(data, 0, n, csum(head, 0, _HDR, 0)))
        error = ip.output_parts(head, data, 0, n, src, dst, _PROTO, self)
        return 0 if error == -_ENOBUFS else error

    # -- errors -----------------------------------------------------------------------------

    def unreachable(self, fr, code):
        """Tell the sender of `fr` that it could not be delivered: code 2 protocol, 3 port.
        Borrows `fr`."""
        self.complain(fr, _UNREACHABLE, code)

    def complain(self, fr, kind, code, pointer=0, rest=_NOTHING, src=None):
        """Tell the sender of `fr` what is wrong with it. `rest`: the four bytes behind the
        checksum; `src`: whose words these are, if not the receiver's. Borrows `fr`."""
        buf = fr.buf
        at = fr.l3
        if not self._may_complain(fr, buf, at):
            return
        if not self.rate.allow():
            self.stat[_LIMITED] += 1
            return
        out = self.st.pool.alloc()
        if out is None:
            self.stat[_NOBUF] += 1
            return
        n = fr.end - at
        n = _QUOTE if n > _QUOTE else n
        out.l4 = to = out.pay
        out.end = to + _HDR + n
        out.buf[to] = kind
        out.buf[to + 1] = code
        copy(out.buf, to + 4, rest, 0, 4)
        if pointer:
            out.buf[to + 4] = pointer
        copy(out.buf, to + _HDR, buf, at, n)
        self._seal(out)
        copy(self._to, 0, buf, at + _IP_SRC, 4)
        copy(self._from, 0, src or buf, 0 if src else at + _IP_DST, 4)
        self.stat[_OUT_ERROR] += 1
        self.st.ip4.output(out, self._from, self._to, _PROTO)

    def _may_complain(self, fr, buf, at):
        """RFC 1122 3.2.2: not about groups, not to a source that is no host, not about fragments
        but the first, not about errors."""
        if fr.group or zero(buf, at + _IP_SRC, 4) or buf[at + _IP_SRC] >= 224:
            return False
        if (buf[at + 6] & 0x1F) | buf[at + 7]:
            return False
        if buf[at + 9] != _PROTO:
            return True
        kind = buf[fr.l4] if fr.end > fr.l4 else _UNREACHABLE
        return kind not in _ERRORS

    def _error(self, buf, at, end):
        """An error about a packet of ours, quoted behind the header."""
        inner = at + _HDR
        if end - inner < 28:
            return
        if not self.st.ip4.local(buf, inner + _IP_SRC):
            return
        kind = buf[at]
        code = buf[at + 1]
        if kind == _UNREACHABLE and code == _TOO_BIG:
            self.st.ip4.too_big(buf, inner, end, get16(buf, at + 6))
            return
        if kind == _UNREACHABLE:
            errno = _ERRNO[code] if code < len(_ERRNO) else _EHOSTUNREACH
            hard = 2 <= code <= 3
        else:
            errno = _EHOSTUNREACH
            hard = False
        self.st.ip4.error(buf, inner, end, errno, hard)

    def error(self, ip, buf, at, l4, errno, hard):
        """Nobody waits for errors about ICMP messages."""


def attach(st):
    return ICMPv4(st)
