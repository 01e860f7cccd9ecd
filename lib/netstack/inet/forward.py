# An IPv4 router (RFC 1812): what is not for this host goes on to where its route leads.
#
# input: IPv4.input -> Router.take -> martians, route, filter, TTL, length -> NAT -> nif.output
#        the fast path: Interface -> forward_fast.forward() -> Router.forward -> NIC
#
# What stands here handles every packet; the fast path repeats what it has done to a flow.

from array import array
from micropython import const
from netstack.core.checksum import copy, csum, put_csum
from netstack.core.wire import get16, move32, put16, same
from netstack.inet import forward_fast
from netstack.inet.forwarding import Forwarding, checked, clamp
from netstack.inet.ipv4 import _on_link

_ETHERTYPE = const(0x0800)
_ETHER = const(14)
_HDR = const(20)
_TOTAL = const(2)
_FRAG = const(6)
_TTL = const(8)
_PROTO = const(9)
_SUM = const(10)
_SRC = const(12)
_DST = const(16)
_DF = const(0x40)
_TCP = const(6)
_UDP = const(17)
_UNREACHABLE = const(3)  # ICMP
_REDIRECT = const(5)
_EXCEEDED = const(11)
_PARAMETER = const(12)

_ROW = const(20)  # of forward_fast.py
_MASK = const(2)
_HOPS = const(2)

NAMES = (
    "forwarded",
    "in_martian",
    "in_ttl",
    "in_refused",
    "out_noroute",
    "out_toobig",
    "out_nobuf",
    "out_fragmented",
    "out_redirect",
)
_FORWARDED = const(0)
_MARTIAN = const(1)  # from where it cannot have come, or to where nothing may go
_IN_TTL = const(2)
_REFUSED = const(3)  # by the filter, or by NAT
_NOROUTE = const(4)
_TOOBIG = const(5)
_NOBUF = const(6)
_FRAGMENTED = const(7)
_REDIRECTED = const(8)


class Router(Forwarding):
    """flows: how many the fast path knows at a time, a power of 2; 80 bytes each.
    strict: a source has to be where its route leads (RFC 3704 2.2); redirects: tell hosts of a
    router on their own network (RFC 1812 5.2.7.2); clamp: TCP learns of the MTU from SYNs."""

    def __init__(self, st, flows=64):
        self.rows = array("I", bytes(4 * _ROW * checked(flows)))
        super().__init__(st, st.ip4, "router", NAMES, forward_fast.forward)
        ip = self.ip
        # DEVIATION RFC 1812 5.3.8, which has this off by default: BCP 38 came after it
        self.strict = True
        self.redirects = True
        self.clamp = True
        self.nat = None
        self.filter = None
        self._dst = bytearray(4)
        self._key = array("I", bytes(16))
        self._new = bytearray(12)
        self._rest = bytearray(4)
        self._header = bytearray(16)
        self._undeliverable = ip.undeliverable
        ip.undeliverable = self.undeliverable
        ip.router = self
        self.take_part(self.rows, flows)

    def close(self):
        """Forward nothing more."""
        self.ip.router = None
        self.ip.undeliverable = self._undeliverable
        super().close()

    # -- the ordinary way -------------------------------------------------------------------

    def take(self, fr):
        """Is the packet of `fr`, whose header is right, for somebody else? Then it goes on, or is
        dropped and counted. Borrows `fr`, and may change what is in it."""
        buf = fr.buf
        at = fr.l3
        nif = fr.nif
        dst = buf[at + _DST]
        if fr.group or dst >= 224 or dst == 127 or nif.v4.addr[0] == 127:
            return False
        nat = self.nat
        back = 0  # to where, if NAT has that packet
        if self.ip.local(buf, at + _DST):
            if nat is None:
                return False
            back = nat.inbound(fr)
            if not back:
                return False
        elif nat and (get16(buf, at + _FRAG) & 0x3FFF) and nat.covers(fr):
            self.ip._fragment(fr, buf, at)  # it comes again when it is whole
            return True
        why = self._pass(fr, buf, at, back)
        if why >= 0:
            self.stat[why] += 1
        return True

    def _pass(self, fr, buf, at, back):
        """The counter of what becomes of it."""
        nif = fr.nif
        nat = self.nat
        if not self._proper(nif, buf, at, back):
            return _MARTIAN
        to = nat.to if back else buf
        off = 0 if back else at + _DST
        out = self.ip.route(to, off, buf, at + _SRC)
        if out is None:
            self.complain(fr, _UNREACHABLE, 0)
            return _NOROUTE
        if self.filter and not self.filter.passes(fr, nif, out):
            return _REFUSED
        if buf[at + _TTL] <= 1:
            self.complain(fr, _EXCEEDED, 0)
            return _IN_TTL
        if fr.end - at > out.mtu and buf[at + _FRAG] & _DF:
            put16(self._rest, 0, 0)
            put16(self._rest, 2, out.mtu)  # RFC 1191 section 4
            self.complain(fr, _UNREACHABLE, 4, self._rest)
            return _TOOBIG
        copy(self._dst, 0, to, off, 4)
        hop = self.ip.hop(self._dst, out, buf, at + _SRC)
        self._note(fr, buf, at)
        if nat and not nat.translate(fr, nif, out, back):
            return _REFUSED
        if out is nif and not back:
            self._redirect(fr, buf, at, hop)
        buf[at + _TTL] -= 1
        _renew_sum(buf, at, fr.l4 - at)
        if self.clamp and buf[at + _PROTO] == _TCP and not get16(buf, at + _FRAG) & 0x1FFF:
            clamp(buf, fr.l4, fr.end, min(nif.mtu, out.mtu) - 40)
        self._send(fr, out, hop)
        self._remember(fr, buf, at, nif, out, hop)
        return _FORWARDED

    def _proper(self, nif, buf, at, back):
        """RFC 1812 5.3.7, RFC 3927 7, RFC 2644, RFC 3704 2.2. What IPv4 has looked at before is
        not repeated."""
        if _link_local(buf, at + _SRC) or _link_local(buf, at + _DST):
            return False
        if buf[at + _SRC] == 0 or buf[at + _DST] == 0:
            return False
        if not back:
            for each in self.st.nifs:
                if each.v4.set and same(buf, at + _DST, each.v4.bcast, 0, 4):
                    return False
        if not self.strict:
            return True
        return self.ip.route(buf, at + _SRC, buf, at + _DST) is nif

    def complain(self, fr, kind, code, rest=b"\0\0\0\0", pointer=0):
        """RFC 1812 4.3.2.4: it comes from the interface it leaves by."""
        back = self.ip.route(fr.buf, fr.l3 + _SRC)
        if back and self.st.icmp4:
            self.st.icmp4.complain(fr, kind, code, pointer, rest, back.v4.addr)

    def bad_option(self, fr, pointer):
        """RFC 1812 4.3.3.5: an option of a packet that would have gone on cannot be read."""
        buf = fr.buf
        at = fr.l3
        dst = buf[at + _DST]
        if dst < 224 and dst != 127 and self._proper(fr.nif, buf, at, 0):
            self.complain(fr, _PARAMETER, 0, b"\0\0\0\0", pointer)

    def _redirect(self, fr, buf, at, hop):
        """It leaves by where it came: its sender could have sent it to the next itself."""
        v4 = fr.nif.v4
        if not self.redirects or not _on_link(buf, at + _SRC, v4.addr, v4.mask):
            return
        self.stat[_REDIRECTED] += 1
        self.complain(fr, _REDIRECT, 1, hop)

    def _send(self, fr, out, hop):
        buf = fr.buf
        at = fr.l3
        n = fr.end - at
        if n > out.mtu:
            self._parts(fr, out, hop)
            return
        part = self.st.pool.alloc()
        if part is None:
            self.stat[_NOBUF] += 1
            return
        part.l3 = part.pay
        part.l4 = part.l3 + fr.l4 - at
        part.end = part.l3 + n
        copy(part.buf, part.l3, buf, at, n)
        self._out(part, out, hop)

    def _parts(self, fr, out, hop):
        """RFC 791 3.2."""
        buf = fr.buf
        at = fr.l3
        hlen = fr.l4 - at
        src = fr.l4
        left = fr.end - src
        field = get16(buf, at + _FRAG)
        while left:
            n = (out.mtu - hlen) & ~7
            if n >= left:
                n = left
            part = self.st.pool.alloc()
            if part is None:
                self.stat[_NOBUF] += 1
                return
            to = part.l3 = part.pay
            part.l4 = to + hlen
            part.end = part.l4 + n
            copy(part.buf, to, buf, at, hlen)
            copy(part.buf, part.l4, buf, src, n)
            part.buf[to] = 0x40 | hlen >> 2
            put16(part.buf, to + _TOTAL, hlen + n)
            put16(part.buf, to + _FRAG, field if n == left else field | 0x2000)
            _renew_sum(part.buf, to, hlen)
            self.stat[_FRAGMENTED] += 1
            self._out(part, out, hop)
            field += n >> 3
            src += n
            left -= n
            if hlen > _HDR:
                hlen = _keep_copied(buf, at, hlen)

    def _out(self, part, out, hop):
        part.ip = self.ip
        out.output(part, _ETHERTYPE, hop, 0)

    def undeliverable(self, fr, again):
        """IPv4.undeliverable(): RFC 1812 5.2.7.1: a host or router that does not answer to ARP."""
        if self.ip.local(fr.buf, fr.l3 + _SRC):
            self._undeliverable(fr, again)
            return
        fr.group = False
        self.complain(fr, _UNREACHABLE, 1)

    # -- the fast path ----------------------------------------------------------------------

    def _note(self, fr, buf, at):
        """Keep what the flow of this packet is known by, before it is changed."""
        copy(self._key, 0, buf, at + _SRC, 8)
        if fr.end - fr.l4 >= 8:
            copy(self._key, 8, buf, fr.l4, 4)

    def _remember(self, fr, buf, at, nif, out, hop):
        """Have the fast path do the same to the next packet of this flow."""
        proto = buf[at + _PROTO]
        if (proto != _TCP and proto != _UDP) or fr.l4 - at != _HDR or out.prepare is None:
            return
        if get16(buf, at + _FRAG) & 0x3FFF or nif not in self.nifs or out not in self.nifs:
            return
        if fr.end - fr.l4 < 8:
            return
        if proto == _TCP and (fr.end - fr.l4 < _HDR or buf[fr.l4 + 13] & 0x17 != 0x10):
            return  # ACK alone is what the fast path takes
        if not out.prepare(self._header, 16, _ETHERTYPE, hop, 0):
            return  # asked for
        key = self._key
        key[3] = proto | self.nifs.index(nif) << 8
        at_row = _ROW * forward_fast.place(key, self.cb[_MASK])
        rows = self.rows
        copy(self._new, 0, buf, at + _SRC, 8)
        copy(self._new, 8, buf, fr.l4, 4)
        for i in range(4):
            move32(rows, at_row + i, key, i)
        move32(rows, at_row + 4, self.st.w, _HOPS)
        rows[at_row + 5] = out.mtu + _ETHER
        rows[at_row + 6] = self.nifs.index(out)
        copy(rows, 4 * at_row + 32, self._header, 0, 16)
        copy(rows, 4 * at_row + 48, self._new, 0, 12)
        ports = forward_fast.delta(key, self._new, 6)
        put = forward_fast.delta(key, self._new, 4)
        _put_words(rows, at_row + 15, put, ports)
        rows[at_row + 16] = self.nat.stamp() if self.nat else 0
        rows[at_row + 19] = self.nat.ways() if self.nat else 0
        rows[at_row + 17] = self.filter.counter() if self.filter else 0
        rows[at_row + 18] = not same(key, 0, self._new, 0, 12)


def _link_local(buf, off):
    return buf[off] == 169 and buf[off + 1] == 254


def _renew_sum(buf, at, hlen):
    put16(buf, at + _SUM, 0)
    put_csum(buf, at + _SUM, csum(buf, at, hlen, 0))


def _keep_copied(buf, at, hlen):
    """Leave of the options those that every fragment has (RFC 791 3.1), and return what is the
    length of the header then. Their own lengths are right: IPv4 has looked at them."""
    src = to = at + _HDR
    end = at + hlen
    while src < end and buf[src]:
        n = 1 if buf[src] == 1 else buf[src + 1]
        copied = buf[src] & 0x80
        for i in range(src, src + n):
            if copied:
                buf[to] = buf[i]
                to += 1
        src += n
    while (to - at) & 3:
        buf[to] = 0
        to += 1
    return to - at


def _put_words(words, i, low, high):
    """words[i] = low | high << 16, which is more than a small int holds."""
    put16(words, 4 * i, (low & 255) << 8 | low >> 8)
    put16(words, 4 * i + 2, (high & 255) << 8 | high >> 8)


def attach(st, flows=64):
    """Make the stack a router."""
    return st.ip4.router or Router(st, flows)
