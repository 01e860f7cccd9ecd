# A router tells the hosts on a link who they are and whom to ask (RFC 4861 6.2, RFC 4191, RFC
# 8106). What it sends is that which router6.py reads; the layout is there.
#
#   Advertiser.start(), a timer, or a solicitation -> _tick() -> an advertisement
#
# What advertisements say is written once, by tell(), into `body`: all but the first 4 bytes.
# RAM: about 1 kB for an interface that advertises.

from micropython import const
from netstack.core.checksum import copy
from netstack.core.clock import elapsed
from netstack.core.wire import get32, put16, same, zero
from netstack.inet.mld import ALL_NODES
from netstack.inet.nd import option

_SOLICIT = const(133)
_ADVERTISE = const(134)
_RS_LEN = const(8)
_RA_LEN = const(16)
_IP_SRC = const(8)
_SOURCE_MAC = const(1)  # options
_PREFIX = const(3)
_MTU = const(5)
_ROUTE = const(24)
_SERVERS = const(25)
_DOMAINS = const(31)
_MOST = const(1240)  # of a message: 1280 bytes without the IP header
_ADDRESS = const(4)  # events of core/interface.py
_LINK_UP = const(1)

_INITIAL = const(3)  # RFC 4861 10: MAX_INITIAL_RTR_ADVERTISEMENTS, and their interval
_INITIAL_MS = const(16000)
_APART_MS = const(3000)  # MIN_DELAY_BETWEEN_RAS
_ANSWER_MS = const(500)  # MAX_RA_DELAY_TIME

NAMES = ("out", "out_solicited", "out_nobuf", "in_solicit", "in_others", "in_inconsistent")
_OUT = const(0)
_OUT_SOLICITED = const(1)  # of these to one host alone
_OUT_NOBUF = const(2)
_IN_SOLICIT = const(3)
_IN_OTHERS = const(4)  # advertisements of other routers,
_INCONSISTENT = const(5)  # that say something else than ours


class Advertiser:
    """v6.advertiser of an interface, made by attach()."""

    def __init__(self, ip, nif):
        self.ip = ip
        self.st = ip.st
        self.nif = nif
        name = nif.name + ".advertise"
        if name in self.st.names:  # it has advertised before
            self.stat = self.st.names[name][1]
        else:
            self.stat = self.st.counters(name, NAMES)
        self.longest = 600000  # ms: MaxRtrAdvInterval, MinRtrAdvInterval
        self.shortest = 198000
        self.body = bytearray(_RA_LEN - 4)
        self.final = self.body  # what it says when it ends
        self._left = _INITIAL  # that follow one another quickly
        self._sent = self.st.now
        self._first = True  # nothing was sent yet
        self._to = bytearray(16)
        self._single = False  # only `_to` waits for an answer
        self._answers = False  # some wait
        self._rest = 0
        self._timer = self.st.timers.new(self._tick)
        self._watch_bound = self._watch
        self.st.watchers.append(self._watch_bound)
        nif.v6.advertiser = self
        ip.icmp.handlers[_SOLICIT] = _solicited

    def tell(self, body, final, longest, shortest):
        """Advertise this from now on: `body` and `final` are what stands behind the checksum, of
        all but the last advertisement and of that; the interval is between two times, in ms."""
        self.body = body
        self.final = final
        self.longest = longest
        self.shortest = shortest
        self._left = _INITIAL
        self._soon(0)

    def close(self):
        """RFC 4861 6.2.5: the hosts are told that we are no router for them any more."""
        self.body = self.final
        if self.nif.up and self.nif.link and self.nif.v6.link_local():
            self._send(ALL_NODES)
        self._timer.stop()
        self.st.timers.discard(self._timer)
        self.st.watchers.remove(self._watch_bound)
        self.nif.v6.advertiser = None

    def _watch(self, nif, event):
        """The link has come up, or there is an address to send from."""
        if nif is self.nif and (event == _LINK_UP or event == _ADDRESS and self._first):
            self._left = _INITIAL
            self._soon(0)

    # -- when -------------------------------------------------------------------------------

    def _soon(self, ms):
        """One to all within `ms`, though not too soon after the last (RFC 4861 6.2.6)."""
        if not self._first:
            gone = elapsed(self.st.now, self._sent)
            if 0 <= gone < _APART_MS and ms < _APART_MS - gone:
                ms = _APART_MS - gone
        if not self._timer.active or elapsed(self._timer.due, self.st.now) > ms:
            self._timer.start(self.st.now, ms)

    def _tick(self):
        nif = self.nif
        single = self._single
        if not (nif.up and nif.link and nif.v6.link_local()):
            self._answers = self._single = False
            return  # until _watch() is called
        self._answers = self._single = False
        self._send(self._to if single else ALL_NODES)
        if single:
            self.stat[_OUT_SOLICITED] += 1
            self._timer.start(self.st.now, self._rest)
            return
        self._sent = self.st.now
        self._first = False
        self._timer.start(self.st.now, self._interval())

    def _interval(self):
        """RFC 4861 6.2.4"""
        ms = self.shortest
        spread = self.longest - ms
        ms += (spread >> 10) * self.st.random.below(1024)
        if self._left > 1:
            self._left -= 1
            if ms > _INITIAL_MS:
                ms = _INITIAL_MS
        return ms if ms > _APART_MS else _APART_MS

    def _send(self, dst):
        body = self.body
        out = self.ip.icmp.message(_ADVERTISE, 4 + len(body))
        if out is None:
            self.stat[_OUT_NOBUF] += 1
            return
        copy(out.buf, out.l4 + 4, body, 0, len(body))
        self.stat[_OUT] += 1
        self.nif.v6.nd.send(out, self.nif.v6.link_local().addr, dst)

    # -- input ------------------------------------------------------------------------------

    def solicited(self, fr):
        """RFC 4861 6.1.1, 6.2.6. One host alone is answered alone (RFC 7772), several, or who has
        no address yet, all together. Borrows `fr`."""
        nd = self.nif.v6.nd
        if not nd.valid(fr, _RS_LEN):
            return
        buf = fr.buf
        src = fr.l3 + _IP_SRC
        nobody = zero(buf, src, 16)
        mac = option(buf, fr.l4 + _RS_LEN, fr.end, _SOURCE_MAC)
        if nobody and mac:
            nd.bad()
            return
        self.stat[_IN_SOLICIT] += 1
        if mac:
            nd.learn(buf, src, mac + 2)
        nd.is_router(buf, src, False)
        if self._first:
            return  # the first is to come at once
        if self._answers:
            if self._single and not same(self._to, 0, buf, src, 16):
                self._single = False
                self._soon(self.st.random.below(_ANSWER_MS))
            return
        self._answers = True
        if not self._timer.active:
            self._soon(0)
            return
        left = elapsed(self._timer.due, self.st.now)
        ms = self.st.random.below(_ANSWER_MS)
        if left <= ms:
            return  # one to all comes as soon
        if nobody or mac == 0:
            self._soon(ms)
            return
        self._single = True
        self._rest = left - ms  # when all hear of us next
        copy(self._to, 0, buf, src, 16)
        self._timer.start(self.st.now, ms)

    def heard(self, fr):
        """RFC 4861 6.2.7: does another router on the link say the same? Borrows `fr`."""
        self.stat[_IN_OTHERS] += 1
        if not self._agrees(fr.buf, fr.l4, fr.end):
            self.stat[_INCONSISTENT] += 1

    def _agrees(self, buf, at, end):
        ours = self.body
        if buf[at + 4] and ours[0] and buf[at + 4] != ours[0]:
            return False
        if (buf[at + 5] ^ ours[1]) & 0xC0:
            return False
        for off in (4, 8):  # times: 0, not said
            theirs = get32(buf, at + 4 + off)
            mine = get32(ours, off)
            if theirs and mine and theirs != mine:
                return False
        off = _RA_LEN - 4
        at += _RA_LEN
        mtu = option(buf, at, end, _MTU)
        mine = option(ours, off, len(ours), _MTU)
        if mtu and mine and not same(buf, mtu, ours, mine, 8):
            return False
        while off < len(ours):
            if ours[off] == _PREFIX and not self._same_prefix(ours, off, buf, at, end):
                return False
            off += ours[off + 1] << 3
        return True

    def _same_prefix(self, ours, off, buf, at, end):
        """Is our prefix not in theirs, or with the same lifetimes?"""
        while at < end:
            if buf[at] == _PREFIX and buf[at + 1] == 4 and buf[at + 2] == ours[off + 2]:
                if same(buf, at + 16, ours, off + 16, 16):
                    return same(buf, at + 4, ours, off + 4, 8)
            at += buf[at + 1] << 3
        return True


def _solicited(fr):
    advertiser = fr.nif.v6.advertiser
    if advertiser:
        advertiser.solicited(fr)


def attach(ip, nif):
    """Have an interface advertise, once tell() has said what."""
    return nif.v6.advertiser or Advertiser(ip, nif)


# -- on the wire --------------------------------------------------------------------------------


class Writer:
    """Writes what tell() takes: the head, then options in the order of the calls."""

    def __init__(self, hops, flags, lifetime, reachable, retrans):
        self.buf = buf = bytearray(_RA_LEN - 4)
        buf[0] = hops
        buf[1] = flags
        put16(buf, 2, lifetime)
        _put32(buf, 4, reachable)
        _put32(buf, 8, retrans)

    def _option(self, kind, size):
        """Room for one of `size` bytes; where it begins."""
        at = len(self.buf)
        size = (size + 7) >> 3
        self.buf.extend(bytes(size << 3))
        if len(self.buf) > _MOST - 4:
            raise ValueError("advertise: more than fits into one packet")
        self.buf[at] = kind
        self.buf[at + 1] = size
        return at

    def mac(self, mac):
        at = self._option(_SOURCE_MAC, 8)
        copy(self.buf, at + 2, mac, 0, 6)

    def mtu(self, mtu):
        _put32(self.buf, self._option(_MTU, 8) + 4, mtu)

    def prefix(self, prefix, plen, flags, valid, preferred):
        """flags: 0x80, it is on the link; 0x40, hosts make addresses of it."""
        at = self._option(_PREFIX, 32)
        self.buf[at + 2] = plen
        self.buf[at + 3] = flags
        _put32(self.buf, at + 4, valid)
        _put32(self.buf, at + 8, preferred)
        copy(self.buf, at + 16, prefix, 0, 16)

    def route(self, prefix, plen, preference, lifetime):
        """RFC 4191 2.3: what lies behind this router"""
        size = 8 * ((plen + 63) >> 6)
        at = self._option(_ROUTE, 8 + size)
        self.buf[at + 2] = plen
        self.buf[at + 3] = preference
        _put32(self.buf, at + 4, lifetime)
        copy(self.buf, at + 8, prefix, 0, size)

    def servers(self, addrs, lifetime):
        """RFC 8106 5.1"""
        at = self._option(_SERVERS, 8 + 16 * len(addrs))
        _put32(self.buf, at + 4, lifetime)
        for addr in addrs:
            at += 16
            copy(self.buf, at - 8, addr, 0, 16)

    def domains(self, names, lifetime):
        """RFC 8106 5.2"""
        data = b""
        for name in names:
            for label in name.strip(".").split("."):
                label = label.encode()
                if not 0 < len(label) < 64:
                    raise ValueError("advertise: domain %s" % name)
                data += bytes((len(label),)) + label
            data += b"\0"
        at = self._option(_DOMAINS, 8 + len(data))
        _put32(self.buf, at + 4, lifetime)
        copy(self.buf, at + 8, data, 0, len(data))


def _put32(buf, at, value):
    """`value`: -1, for ever"""
    put16(buf, at, value >> 16 & 0xFFFF)
    put16(buf, at + 2, value & 0xFFFF)
