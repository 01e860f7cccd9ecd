# ICMP for IPv6 (RFC 4443): echo both ways, errors sent and received. What else there is of it, ND
# and MLD, enters its types in `handlers`.
#
# On the wire:  | type 1 | code 1 | checksum 2 | ... |; errors: | ... | value 4 | the packet ... |
#
# input: IPv6.input -> ICMPv6.input -> echo reply, handlers[type](fr), or IPv6.error -> transport

from micropython import const
from netstack.core.checksum import copy, copy_csum, csum, pseudo, put_csum
from netstack.core.wire import get32, put16, zero
from netstack.inet.error_rate import ErrorRate

_EACCES = const(13)
_ECONNREFUSED = const(111)
_EHOSTUNREACH = const(113)
_EMSGSIZE = const(90)
_ENOBUFS = const(105)
_ENETUNREACH = const(101)
_PROTO = const(58)
_HDR = const(8)
_IP_HDR = const(40)
_IP_SRC = const(8)
_IP_DST = const(24)
_UNREACHABLE = const(1)
_TOO_BIG = const(2)
_PARAMETER = const(4)
_ECHO = const(128)
_REPLY = const(129)
_REDIRECT = const(137)

_HOPS = const(64)
_MOST = const(65519)  # bytes behind the header of a message in fragments
_QUOTE = const(1232)  # RFC 4443 2.4 (c): as much as fits into 1280 bytes

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

# RFC 4443 3.1: code of "unreachable" -> errno, as Linux has it
_ERRNO = (
    _ENETUNREACH,
    _EACCES,
    _EHOSTUNREACH,
    _EHOSTUNREACH,
    _ECONNREFUSED,
    _EACCES,
    _EACCES,
)


class ICMPv6:
    def __init__(self, ip):
        self.ip = ip
        self.st = ip.st
        self.stat = ip.st.counters("icmp6", NAMES)
        self.handlers = {}  # type -> callable (fr): the message is at l4, its checksum is right
        self.on_reply = None  # callable (fr): an echo reply has come in; borrows
        self.on_error = None  # the same for an error
        self.echoes = None  # the fast path of pings: echo6_fast.py
        self.rate = ErrorRate(ip.st)
        self.ttl = _HOPS  # of what _parts() sends, with these:
        self.tos = 0
        self.nif = None
        self._head = bytearray(_HDR)
        self._to = bytearray(16)
        self._from = bytearray(16)
        ip.protocols[_PROTO] = self

    def input(self, fr):
        """Borrows `fr`."""
        buf = fr.buf
        at = fr.l4
        n = fr.end - at
        self.stat[_IN] += 1
        if n < _HDR:
            self.stat[_SHORT] += 1
            return
        acc = pseudo(buf, fr.l3 + _IP_SRC, buf, fr.l3 + _IP_DST, 16, _PROTO, n)
        if csum(buf, at, n, acc) != 0xFFFF:
            self.stat[_CHECKSUM] += 1
            return
        kind = buf[at]
        if kind == _ECHO:
            self.stat[_IN_ECHO] += 1
            self._echo(fr, buf, at, n)
        elif kind == _REPLY:
            self.stat[_IN_REPLY] += 1
            if self.on_reply:
                self.on_reply(fr)
        elif kind < 128:  # RFC 4443 2.4 (b): errors that are not known go up as well
            self.stat[_IN_ERROR] += 1
            if self.on_error:
                self.on_error(fr)
            self._error(buf, at, fr.end)
        elif kind in self.handlers:
            self.handlers[kind](fr)
        else:
            self.stat[_UNKNOWN] += 1

    def _echo(self, fr, buf, at, n):
        """RFC 4443 4.2"""
        if zero(buf, fr.l3 + _IP_SRC, 16):
            return
        copy(self._to, 0, buf, fr.l3 + _IP_SRC, 16)
        src = self._ours(fr, buf)
        if src is None:
            return
        if n > self.ip.mss_room(self._to):
            put16(self._head, 0, _REPLY << 8)
            copy(self._head, 4, buf, at + 4, 4)
            self.nif = self._back(fr, buf)
            self.tos = (buf[fr.l3] & 15) << 4 | buf[fr.l3 + 1] >> 4
            if self._parts(buf, at + _HDR, n - _HDR, src, self._to) == 0:
                self.stat[_OUT_REPLY] += 1
            return
        out = self._frame(n)
        if out is None:
            return
        to = out.l4
        acc = pseudo(src, 0, self._to, 0, 16, _PROTO, n)
        put16(out.buf, to, _REPLY << 8)
        acc = csum(out.buf, to, 2, acc)
        put16(out.buf, to + 2, 0)
        acc = copy_csum(out.buf, to + 4, buf, at + 4, n - 4, acc)
        put_csum(out.buf, to + 2, acc)
        self.stat[_OUT_REPLY] += 1
        tos = (buf[fr.l3] & 15) << 4 | buf[fr.l3 + 1] >> 4
        error = self.ip.output(out, src, self._to, _PROTO, 64, tos, self._back(fr, buf))
        if error == 0 and src is self._from and self.echoes:
            self.echoes.prepare(src, self._to, 64, tos)

    def _parts(self, buf, off, n, src, dst):
        """Send a message that takes more than a packet: `_head`, and `n` bytes at buf[off].
        Returns 0 or -errno."""
        if self.ip.output_parts is None:
            return -_EMSGSIZE
        head = self._head
        put16(head, 2, 0)
        acc = pseudo(src, 0, dst, 0, 16, _PROTO, _HDR + n)
        put_csum(head, 2, csum(buf, off, n, csum(head, 0, _HDR, acc)))
        return self.ip.output_parts(head, buf, off, n, src, dst, _PROTO, self)

    def _ours(self, fr, buf):
        """The address to answer from: what was asked, or what suits if that was a group, or, of a
        router, none of its own (RFC 4443 2.2)."""
        if fr.group:
            return self.ip.source(self._to, fr.nif if fr.nif.v6.nd else None)
        if self.ip.router and not self.ip.local(buf, fr.l3 + _IP_DST):
            return self.ip.source(self._to, self._back(fr, buf))
        copy(self._from, 0, buf, fr.l3 + _IP_DST, 16)
        return self._from

    def _back(self, fr, buf):
        """The interface for an answer to a link-local address; None: any."""
        at = fr.l3 + _IP_SRC
        linked = buf[at] == 0xFE and buf[at + 1] & 0xC0 == 0x80
        return fr.nif if linked and fr.nif.v6.nd else None

    def _frame(self, n, control=False):
        """A frame for a message of `n` bytes, or None."""
        out = self.st.pool.alloc(control)
        if out is None or out.pay + n > len(out.buf):
            self.stat[_NOBUF] += 1
            if out:
                self.st.pool.release(out)
            return None
        out.l4 = out.pay
        out.end = out.pay + n
        return out

    def denied(self):
        """There was no frame for a message."""
        self.stat[_NOBUF] += 1

    def message(self, kind, n):
        """A frame with the first four bytes of a message of `n` bytes filled in and the next four
        cleared, which may use what is kept for control traffic; None: there is none."""
        out = self._frame(n, True)
        if out:
            at = out.l4
            put16(out.buf, at, kind << 8)
            put16(out.buf, at + 2, 0)
            put16(out.buf, at + 4, 0)
            put16(out.buf, at + 6, 0)
        return out

    def seal(self, out, src, dst):
        """Fill in the checksum of a message from `src` to `dst`."""
        at = out.l4
        n = out.end - at
        put16(out.buf, at + 2, 0)
        acc = pseudo(src, 0, dst, 0, 16, _PROTO, n)
        put_csum(out.buf, at + 2, csum(out.buf, at, n, acc))

    def echo(self, dst, ident, seq, n, nif=None, whole=False):
        """Send an echo request with `n` bytes of pattern to `dst` (16 bytes), by `nif` if one is
        given; `whole`: in one packet, whatever is known of the path. 0 or -errno."""
        src = self.ip.source(dst, nif)
        if src is None:
            return -_ENETUNREACH
        if not whole and _HDR + n > self.ip.mss_room(dst):
            return self._request_parts(src, dst, ident, seq, n, nif)
        out = self._frame(_HDR + n)
        if out is None:
            return 0
        at = out.l4
        buf = out.buf
        put16(buf, at, _ECHO << 8)
        put16(buf, at + 4, ident)
        put16(buf, at + 6, seq)
        for i in range(n):
            buf[at + _HDR + i] = i & 255
        self.seal(out, src, dst)
        if not whole:
            return self.ip.output(out, src, dst, _PROTO, 64, 0, nif)
        way = self.ip.way(dst, src, nif)
        if way is None or _IP_HDR + _HDR + n > way.v6.mtu:
            self.st.pool.release(out)
            return -_ENETUNREACH if way is None else -_EMSGSIZE
        return self.ip.emit(out, src, dst, _PROTO, 64, 0, way, self.ip.hop or dst)

    def _request_parts(self, src, dst, ident, seq, n, nif):
        if n > _MOST:
            return -_EMSGSIZE
        data = bytearray(n)
        for i in range(n):
            data[i] = i & 255
        put16(self._head, 0, _ECHO << 8)
        put16(self._head, 4, ident)
        put16(self._head, 6, seq)
        self.nif = nif
        self.tos = 0
        error = self._parts(data, 0, n, src, dst)
        return 0 if error == -_ENOBUFS else error

    # -- errors -----------------------------------------------------------------------------

    def tell(self, fr, kind, code, value=0, groups=False):
        """Tell the sender of the packet in `fr` what is wrong with it; `groups`: also if it was
        sent to a group. Borrows `fr`."""
        buf = fr.buf
        at = fr.l3
        if not self._may(fr, buf, at, groups):
            return
        if self.limited():
            return
        copy(self._to, 0, buf, at + _IP_SRC, 16)
        src = self._ours(fr, buf)
        n = fr.end - at
        n = _QUOTE if n > _QUOTE else n
        out = self._frame(_HDR + n) if src is not None else None
        if out is None:
            return
        to = out.l4
        put16(out.buf, to, kind << 8 | code)
        put16(out.buf, to + 4, value >> 16)
        put16(out.buf, to + 6, value & 0xFFFF)
        copy(out.buf, to + _HDR, buf, at, n)
        self.seal(out, src, self._to)
        self.stat[_OUT_ERROR] += 1
        self.ip.output(out, src, self._to, _PROTO, 64, 0, self._back(fr, buf))

    def limited(self):
        """Must another error, or a redirect, not be sent now? Counts it then."""
        if self.rate.allow():
            return False
        self.stat[_LIMITED] += 1
        return True

    def _may(self, fr, buf, at, groups):
        """RFC 4443 2.4 (e): not about errors and redirects, not about what went to a group, not to
        a source that is no single host."""
        if fr.group and not groups or zero(buf, at + _IP_SRC, 16):
            return False
        l4 = self.ip.headers.skip(buf, at, fr.end)
        if l4 >= 0 and self.ip.headers.kind == _PROTO:
            return buf[l4] >= 128 and buf[l4] != _REDIRECT
        return True

    def _error(self, buf, at, end):
        """An error about a packet of ours, quoted behind the header."""
        inner = at + _HDR
        if end - inner < _IP_HDR or not self.ip.local(buf, inner + _IP_SRC):
            return
        kind = buf[at]
        code = buf[at + 1]
        if kind == _UNREACHABLE:
            errno = _ERRNO[code] if code < len(_ERRNO) else _EHOSTUNREACH
            self.ip.error(buf, inner, end, errno, code == 4 or code == 1)
        elif kind == _PARAMETER and code == 1:  # RFC 4443 3.4: nobody there speaks our protocol
            self.ip.error(buf, inner, end, _ECONNREFUSED, True)
        elif kind == _TOO_BIG:
            self.ip.too_big(buf, inner, end, get32(buf, at + 4))
        else:
            self.ip.error(buf, inner, end, _EHOSTUNREACH)

    def error(self, ip, buf, at, l4, errno, hard):
        """Nobody waits for errors about ICMP messages."""
