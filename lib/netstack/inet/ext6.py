# IPv6 extension headers (RFC 8200 4), looked at in the order in which they come.
#
# On the wire:  | next header 1 | length 1, in units of 8 bytes without the first | ... |
#   options:    | type 1 | length 1 | data ... |, the two highest bits of the type say what becomes
#               of a packet whose option is not known
#   fragment:   | next header 1 | 0 1 | offset 13 bits, 0 2, M 1 | identification 4 |
#
# A chain is cut short at a number of headers, and of options in each, that nobody needs (RFC 8504
# 5.3): what is beyond is dropped and counted.

from micropython import const
from netstack.core.checksum import copy
from netstack.core.wire import get16, put16

_HDR = const(40)
_LENGTH_AT = const(4)
_NEXT = const(6)
_SRC = const(8)
_HOP_BY_HOP = const(0)
_ROUTING = const(43)
_FRAGMENT = const(44)
_NONE = const(59)
_DESTINATION = const(60)
_PAD1 = const(0)
_PADN = const(1)
_ROUTER_ALERT = const(5)  # RFC 2711: for routers
_HEADERS_MOST = const(8)
_OPTIONS_MOST = const(16)

# counters of ipv6.py
_IN_FRAGMENT = const(7)
_IN_HEADER = const(8)  # an extension header, or an option, that is bad or not known


class Headers:
    def __init__(self, ip):
        self.ip = ip
        self.stat = ip.stat
        self.named = 0  # where walk() has found the type of what it returned
        self.kind = 0  # what skip() has found

    def walk(self, fr):
        """Deal with the extension headers of the packet in `fr`, and set l4 behind them. Returns
        the number of the protocol there; -1: the packet is done with. Borrows `fr`."""
        buf = fr.buf
        self.named = fr.l3 + _NEXT
        at = fr.l3 + _HDR
        count = 0
        while True:
            kind = buf[self.named]
            if kind == _HOP_BY_HOP and count:  # RFC 8200 4.1: only behind the IPv6 header
                break
            if kind not in (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION):
                break
            count += 1
            size = 8
            if at + 8 <= fr.end and kind != _FRAGMENT:
                size = buf[at + 1] + 1 << 3
            if at + size > fr.end or count > _HEADERS_MOST:
                return self._drop(_IN_HEADER)
            if not self._look(fr, kind, at, size):
                return -1
            self.named = at
            at += size
        fr.l4 = at
        return kind

    def _drop(self, counter):
        self.stat[counter] += 1
        return -1

    def _look(self, fr, kind, at, size):
        """Go on behind this header?"""
        if kind == _ROUTING:
            return self._routing(fr, at)
        if kind == _FRAGMENT:
            return self._fragment(fr, at)
        return self._options(fr, at + 2, at + size)

    def _routing(self, fr, at):
        """RFC 8200 4.4: no type is known, and none is followed; type 0 least of all (RFC 5095)."""
        if fr.buf[at + 3] == 0:
            return True
        self.stat[_IN_HEADER] += 1
        self.ip.icmp.tell(fr, 4, 0, at + 2 - fr.l3)
        return False

    def _fragment(self, fr, at):
        """RFC 6946: what says that it is a fragment, and is whole, is taken by itself."""
        again = self.ip.fragmented
        self.ip.fragmented = True
        word = get16(fr.buf, at + 2)
        if word & 0xFFF9 == 0:
            return True
        parts = self.ip.st.reassembly or self.ip.st.lack("reassembly", self.ip.st)
        if again or parts is None:  # a part of a part: nobody makes that
            self.stat[_IN_FRAGMENT] += 1
            return False
        if self._may_join(fr, at, word):
            self._join(fr, at, word, parts)
        return False

    def _may_join(self, fr, at, word):
        """RFC 8200 4.5, RFC 7112 5: parts that make no sense, and a first one without all headers.
        RFC 4443 3.4 has the codes."""
        off = word & 0xFFF8
        n = fr.end - at - 8
        code = -1
        pointer = 0
        if word & 1 and n & 7:
            code = 0
            pointer = 4  # the payload length
        elif off + n > 65535 - (at - fr.l3 - _HDR):
            code = 0
            pointer = at + 2 - fr.l3
        elif off == 0 and not self._complete(fr.buf, at, fr.end):
            code = 3
        if code < 0:
            return True
        self.stat[_IN_FRAGMENT] += 1
        self.ip.icmp.tell(fr, 4, code, pointer)
        return False

    def _complete(self, buf, at, end):
        """Does the chain that begins with the header at buf[at] lead to a transport in here?"""
        kind = _FRAGMENT
        while kind in (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION):
            if at + 8 > end:
                return False
            size = 8 if kind == _FRAGMENT else buf[at + 1] + 1 << 3
            kind = buf[at]
            at += size
        return at < end or kind == _NONE

    def _join(self, fr, at, word, parts):
        """Put the part behind the fragment header at buf[at] where it belongs; when it was the
        last one missing, the whole goes up."""
        buf = fr.buf
        key = parts.key
        copy(key, 0, buf, fr.l3 + _SRC, 32)
        copy(key, 32, buf, at + 4, 4)
        buf[self.named] = buf[at]  # the whole has no fragment header
        fr.l4 = at + 8
        whole = parts.add(fr, self.ip, 36, at - fr.l3, word & 0xFFF8, word & 1)
        if whole is None:
            return
        try:
            put16(whole.buf, whole.l3 + _LENGTH_AT, whole.end - whole.l3 - _HDR)
            if parts.congested():
                whole.buf[whole.l3 + 1] |= 0x30
            self.ip.deliver(whole)
        finally:
            parts.done()

    def _options(self, fr, at, end):
        """RFC 8200 4.2"""
        buf = fr.buf
        count = 0
        while at < end:
            kind = buf[at]
            if kind == _PAD1:
                at += 1
                continue
            if kind != _PADN:
                count += 1
            if at + 2 > end or at + 2 + buf[at + 1] > end or count > _OPTIONS_MOST:
                self.stat[_IN_HEADER] += 1
                return False
            if kind != _PADN and kind != _ROUTER_ALERT and kind >> 6:
                self.stat[_IN_HEADER] += 1
                if kind >> 7:  # 10: tell the sender; 11: unless it was sent to a group
                    self.ip.icmp.tell(fr, 4, 2, at - fr.l3, kind >> 6 == 2)
                return False
            at += 2 + buf[at + 1]
        return True

    def seek(self, buf, at, end, wanted):
        """Where the first header of this type is among those that come before the transport, or
        before the header of a fragment; 0: there is none."""
        kind = buf[at + _NEXT]
        at += _HDR
        while kind in (_HOP_BY_HOP, _ROUTING, _DESTINATION) and at + 8 <= end:
            if kind == wanted:
                return at
            kind = buf[at]
            at += buf[at + 1] + 1 << 3
        return 0

    def skip(self, buf, at, end):
        """Where the transport header is of the packet of ours that starts at buf[at], of which at
        least 8 bytes are there; -1: nowhere. Sets `kind`."""
        if end - at < _HDR + 8 or buf[at] >> 4 != 6:
            return -1
        kind = buf[at + _NEXT]
        at += _HDR
        while kind in (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION):
            if kind == _FRAGMENT and get16(buf, at + 2) >> 3:
                return -1  # not the first
            size = 8 if kind == _FRAGMENT else buf[at + 1] + 1 << 3
            kind = buf[at]
            at += size
            if at + 8 > end:
                return -1
        self.kind = kind
        return at
