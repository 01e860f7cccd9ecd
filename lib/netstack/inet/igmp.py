# Multicast groups of IPv4, for hosts: IGMPv3 (RFC 3376), and versions 2 and 1 (RFC 2236, RFC 1112)
# as long as a router of those is about. What is told, and when, is members.py's.
#
#   query   | 0x11 1 | max resp 1 | checksum 2 | group 4 |
#           version 3 goes on:  | S, QRV 1 | QQIC 1 | n 2 | sources ... |
#   report  | 0x22 1 | 0 1 | checksum 2 | 0 2 | n 2 | records ... |
#
#   input: IPv4.input -> IGMP.input -> asked()

from micropython import const
from netstack.core.checksum import copy, csum, put_csum
from netstack.core.wire import get16, put16, same, zero
from netstack.inet.members import Memberships

_PROTO = const(2)
_HDR = const(24)  # of IPv4, with the option below
_QUERY = const(0x11)
_REPORT1 = const(0x12)
_REPORT2 = const(0x16)
_LEAVE2 = const(0x17)
_REPORT3 = const(0x22)
_TOS = const(0xC0)
_ROUTER_ALERT = b"\x94\4\0\0"  # RFC 2113
_ROUTERS = b"\xe0\0\0\2"
_REPORTS = b"\xe0\0\0\x16"  # where reports of version 3 go
_ALL_HOSTS = b"\xe0\0\0\1"
_IP_ID = const(3)  # of Stack.w
_TTL = const(8)
_DST = const(16)

NAMES = ("in", "in_short", "in_checksum", "in_bad", "in_query", "in_report", "out", "out_nobuf")
_IN = const(0)
_SHORT = const(1)
_CHECKSUM = const(2)
_BAD = const(3)  # from farther than the link, or of an unknown type
_IN_QUERY = const(4)
_IN_REPORT = const(5)
_OUT = const(6)
_NOBUF = const(7)


class IGMP(Memberships):
    newest = 3
    limit = 16
    overhead = _HDR

    def __init__(self, st):
        super().__init__(st.ip4)
        self.stat = st.counters("igmp", NAMES)
        st.igmp = self
        st.ip4.protocols[_PROTO] = self
        st.watchers.append(self._watch)

    def told(self, group):
        """RFC 3376 5: of all hosts nobody is ever told."""
        return group.addr != _ALL_HOSTS

    def mac(self, addr):
        """RFC 1112 6.4"""
        return bytes((1, 0, 0x5E, addr[1] & 0x7F, addr[2], addr[3]))

    def _watch(self, nif, event):
        """The link has come, or another address."""
        if event != 2 and nif.up:  # LINK_DOWN
            self.again(nif)

    # -- output -----------------------------------------------------------------------------

    def send_report(self, fr, nif):
        self._send(fr, nif, _REPORT3, _REPORTS)

    def old_report(self, group, version):
        self._send_old(group, _REPORT1 if version == 1 else _REPORT2, group.addr)

    def old_leave(self, group):
        self._send_old(group, _LEAVE2, _ROUTERS)

    def denied(self):
        self.stat[_NOBUF] += 1

    def _send_old(self, group, kind, dst):
        fr = self.begin(8)
        if fr:
            copy(fr.buf, fr.pay + 4, group.addr, 0, 4)
            self._send(fr, group.nif, kind, dst)

    def _send(self, fr, nif, kind, dst):
        """Takes `fr`. The header has the Router Alert option (RFC 3376 section 4)."""
        buf = fr.buf
        at = fr.l4
        buf[at] = kind
        put_csum(buf, at + 2, csum(buf, at, fr.end - at, 0))
        fr.l3 = at = at - _HDR
        self.ip.fields(buf, at, nif.v4.addr, dst, _PROTO, 1, _TOS)
        w = self.st.w
        w[_IP_ID] = (w[_IP_ID] + 1) & 0xFFFF
        buf[at] = 0x46
        put16(buf, at + 2, fr.end - at)
        put16(buf, at + 4, w[_IP_ID])
        copy(buf, at + 20, _ROUTER_ALERT, 0, 4)
        put_csum(buf, at + 10, csum(buf, at, _HDR, 0))
        self.stat[_OUT] += 1
        self.ip.to_link(fr, dst, nif)

    # -- input ------------------------------------------------------------------------------

    def input(self, fr):
        """Borrows `fr`."""
        buf = fr.buf
        at = fr.l4
        n = fr.end - at
        self.stat[_IN] += 1
        if n < 8:
            self.stat[_SHORT] += 1
        elif csum(buf, at, n, 0) != 0xFFFF:
            self.stat[_CHECKSUM] += 1
        elif buf[fr.l3 + _TTL] != 1:  # RFC 3376 section 4: nobody sends farther
            self.stat[_BAD] += 1
        elif buf[at] == _QUERY:
            self._query(fr, buf, at, n)
        elif buf[at] == _REPORT2 or buf[at] == _REPORT1:
            self.stat[_IN_REPORT] += 1
            self.heard(fr.nif, bytes(buf[at + 4 : at + 8]))  # RFC 2236 section 3
        elif buf[at] == _REPORT3 or buf[at] == _LEAVE2:
            self.stat[_IN_REPORT] += 1
        else:
            self.stat[_BAD] += 1

    def _query(self, fr, buf, at, n):
        nif = fr.nif
        code = buf[at + 1]
        general = zero(buf, at + 4, 4)
        dst = fr.l3 + _DST
        # RFC 3376 9.1: general queries go to all hosts; 4.1.12: or to one
        strange = general and buf[dst] >= 224 and not same(buf, dst, _ALL_HOSTS, 0, 4)
        if strange or 8 < n < 12:
            self.stat[_BAD] += 1
            return
        count = 0
        ms = code * 100
        if n >= 12:
            count = get16(buf, at + 10)
            if n < 12 + 4 * count:
                self.stat[_SHORT] += 1
                return
            if code >= 128:  # RFC 3376 4.1.1: a floating-point number
                ms = ((code & 15 | 16) << (code >> 4 & 7) + 3) * 100
        else:
            self.older(nif, 2 if code else 1)
            ms = ms or 10000  # RFC 2236 section 4
        self.stat[_IN_QUERY] += 1
        addr = None if general else bytes(buf[at + 4 : at + 8])
        self.asked(nif, ms, addr, buf, at + 12, count)

    def error(self, ip, buf, at, l4, errno, hard):
        """Nobody waits for errors about IGMP."""


def attach(st):
    return st.igmp or IGMP(st)
