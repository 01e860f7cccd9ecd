# UDP (RFC 768, RFC 1122 4.1), the same for every network protocol.
#
# On the wire:  | source port 2 | destination port 2 | length 2 | checksum 2 | data ... |
#
# input: IPv4.input -> UDP.input -> the endpoint's ring -> notify(endpoint)
# An endpoint's ring holds records: see udp_fast.py.

import netstack
from array import array
from micropython import const
from netstack.core.checksum import copy, copy_csum, csum, pseudo, put_csum
from netstack.core.move import move
from netstack.core.ring import Ring
from netstack.core.wire import address, get16, put16, same, where
from netstack.transport import udp_fast
from netstack.transport.demux import Table, clear_local, clear_remote, set_key

_EADDRINUSE = const(98)
_EADDRNOTAVAIL = const(99)
_EINVAL = const(22)
_EMSGSIZE = const(90)
_ENETUNREACH = const(101)
_ENOBUFS = const(105)
_ENOMEM = const(12)
_PROTO = const(17)
_HDR = const(8)
_LEN = const(4)
_SUM = const(6)
_MOST = const(65507)  # bytes of data behind both headers of IPv4
_RCVBUF = const(6144)
_EPHEMERAL = const(49152)  # RFC 6335 section 6
_ANY = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
_OPEN = const(0)  # words of Endpoint.cb: udp_fast.py
_RING = const(1)
_WAITING = const(3)
_PORT = const(5)
_FROM_PORT = const(11)
_FROM_LEN = const(12)
_ANSWER = const(13)
_FROM_ADDR = const(14)
_STACK = const(28)
_TOLD = const(30)
_EXTRAS_MOST = const(36)
_WORDS = const(32)
_EACCES = const(13)
_EDESTADDRREQ = const(89)

NAMES = ("in", "in_short", "in_length", "in_checksum", "in_noport", "in_full", "out", "in_error")
_IN = const(0)
_SHORT = const(1)
_LENGTH = const(2)
_CHECKSUM = const(3)
_NOPORT = const(4)
_FULL = const(5)  # the endpoint's ring had no room
_OUT = const(6)
_ERROR = const(7)


class Way:
    """How packets to some address are sent: what the network protocol is told beside addresses.
    An endpoint itself is the way of what it sends to one host over IPv4."""

    ep = None  # whose it is
    ttl = 64
    tos = 0
    nif = None
    src = None  # from this address
    loop = False  # have our own members of the group get it as well


class Detour(Way):
    """One packet's way, where that is not what the endpoint's options say."""

    def __init__(self, nif=None, ttl=None, tos=None, src=None):
        self.src = src
        self.own = nif
        self._own = (ttl, tos)

    def over(self, way):
        """This way, with what it leaves open as in `way`."""
        ttl, tos = self._own
        self.nif = self.own or way.nif
        self.ttl = way.ttl if ttl is None else ttl
        self.tos = way.tos if tos is None else tos
        self.loop = way.loop
        self.ep = way.ep
        return self


class Groups(Way):
    """What an endpoint does about multicast of one family: members (inet/members.py), and how it
    sends to groups (RFC 1112 6.1, RFC 3493 5.2)."""

    def __init__(self):
        self.members = []
        self.ttl = 1
        self.loop = True
        self.via = None  # send by this interface


class Endpoint:
    """One UDP socket's state. Made by UDP.open()."""

    # What few endpoints change stands here, and costs nothing until it does.
    fast = True  # headers may be written in advance
    ports = True
    reuse = False  # SO_REUSEADDR: others that have set it may have the same address and port,
    reuseport = False  # SO_REUSEPORT: and get their share of what comes there
    _nosum = False
    _extras = 0
    src = None  # as a Way
    loop = False
    laddr = None
    header = None  # of frames, written in advance for where the last one went
    notify = None  # callable (endpoint): something has come
    broadcast = False
    turn = -1  # of UDP, when it last got what came for a group
    groups = None  # Groups, once there is more to say than usual,
    groups6 = None  # the same of IPv6
    _way6 = None  # of what it sends to one host there
    _ttl = 64
    _tos = 0
    _hops = 64
    _tclass = 0
    _pmtudisc = 1
    _nif = None
    control = False  # may use the frames kept back for control traffic
    _answer = None

    def __init__(self, udp):
        self.udp = udp
        self.st = udp.st
        self.ep = self
        self.ip = None  # the network protocol, once bound to an address or connected
        self.lport = 0
        self.raddr = None
        self.rport = 0
        self.rcvbuf = _RCVBUF
        self.ring = None
        self.cb = array("I", bytes(4 * _WORDS))  # of udp_fast.py
        address(self.cb, _STACK, udp.st.w)
        self.cb[_TOLD] = 0x3FFFFFFF
        self.short = (udp_fast.size, udp_fast.unpack, where(self.cb), move, udp.fast.job)
        self.out = None  # what it takes to send another like the last: udp_fast.prepare()
        self.error = 0  # errno of an ICMP error, for the next call (RFC 1122 4.1.3.3)
        self.from_addr = bytearray(16)  # who has sent what recv() or answer() got last
        address(self.cb, _FROM_ADDR, self.from_addr)
        self._head = bytearray(24)
        self._filed = False

    def _forget(self):
        """The header written in advance is not right any more."""
        self.out = None
        self.cb[_PORT] = 0

    @property
    def waiting(self):
        """Datagrams that can be taken."""
        return self.cb[_WAITING]

    @property
    def from_port(self):
        return self.cb[_FROM_PORT]

    @property
    def from_len(self):
        """Bytes of the sender's address."""
        n = self.cb[_FROM_LEN]
        return n if n == 4 or n == 16 else n - 4 >> 1

    @property
    def extras(self):
        """What else recvmsg() tells of a datagram: bits of api/ancillary.py. Unless it is 0, a
        record of the ring has for its sender's address:  | source | destination | number of the
        interface, from 1 on 1 | TTL 1 | TOS 1 | 0 1 |, and none takes the fast path."""
        return self._extras

    @extras.setter
    def extras(self, bits):
        if bits and len(self._head) < 8 + _EXTRAS_MOST:
            self._head = bytearray(8 + _EXTRAS_MOST)
            addr = bytearray(_EXTRAS_MOST)
            address(self.cb, _FROM_ADDR, addr)
            self.from_addr = addr
        self._extras = bits
        self._reopen()

    def _reopen(self):
        """May what comes take the fast path?"""
        plain = self._nif is None and not self._extras and not self.reuseport
        self.cb[_OPEN] = self._filed and plain

    @property
    def answer(self):
        """A callable (endpoint, buf, off, n) that gets each datagram at once, where it lies: `n`
        bytes at buf[off], which it may overwrite, and not keep. As many bytes as it returns go
        back from there to the sender; 0 or None: nothing. None: they wait for recv()."""
        return self._answer

    @answer.setter
    def answer(self, function):
        self._answer = function
        self.cb[_ANSWER] = function is not None

    @property
    def ttl(self):
        return self._ttl

    @ttl.setter
    def ttl(self, value):
        self._ttl = value
        self._forget()

    @property
    def tos(self):
        return self._tos

    @tos.setter
    def tos(self, value):
        self._tos = value
        self._forget()

    @property
    def hops(self):
        """The TTL of IPv6."""
        return self._hops

    @hops.setter
    def hops(self, value):
        self._hops = value
        self._forget()

    @property
    def tclass(self):
        """The TOS of IPv6."""
        return self._tclass

    @tclass.setter
    def tclass(self, value):
        self._tclass = value
        self._forget()

    @property
    def pmtudisc(self):
        """As IP_MTU_DISCOVER: 0, routers may cut what we send; 1, we do, once they have told that
        it does not fit; 2 and 3, nobody does: EMSGSIZE."""
        return self._pmtudisc

    @pmtudisc.setter
    def pmtudisc(self, value):
        self._pmtudisc = value
        self._forget()

    @property
    def nosum(self):
        """Is there no checksum in what goes over IPv4 in one piece?"""
        return self._nosum

    @nosum.setter
    def nosum(self, value):
        self._nosum = value
        self._forget()

    @property
    def nif(self):
        """The interface by which alone it sends and receives; None: any."""
        return self._nif

    @nif.setter
    def nif(self, nif):
        self._nif = nif
        self._forget()
        self._reopen()

    # -- naming -----------------------------------------------------------------------------

    def bind(self, ip, addr, port):
        """addr: buffer of ip.alen bytes or None for any, of every network protocol if there is no
        `ip` either; port 0: one is chosen.
        Raises OSError: _EADDRINUSE, _EADDRNOTAVAIL, _EINVAL, _ENOMEM."""
        if self._filed:
            raise OSError(_EINVAL)
        if addr is not None and not ip.local(addr, 0) and not ip.broadcast(addr, 0):
            raise OSError(_EADDRNOTAVAIL)
        self.ip = ip or self.ip
        self.laddr = bytearray(addr) if addr is not None else None
        self.lport = port or self.udp.free_port()
        self._file()

    def connect(self, ip, addr, port):
        """Send to and receive from this peer alone. Raises OSError: _ENETUNREACH, _EADDRINUSE."""
        src = ip.source(addr)
        if src is None or (self.laddr is not None and len(self.laddr) != ip.alen):
            raise OSError(_ENETUNREACH)
        self._unfile()
        self.ip = ip
        self.laddr = self.laddr or bytearray(src)
        self.raddr = bytearray(addr)
        self.rport = port
        self.lport = self.lport or self.udp.free_port(port)
        self._file()

    def _make_ring(self):
        if self.ring is None:
            size = self.rcvbuf + 3 & ~3  # whole words
            if not self.st.charge(size):
                raise OSError(_ENOMEM)
            try:
                self.ring = Ring(size)
            finally:
                if self.ring is None:
                    self.st.credit(size)
            address(self.cb, _RING, self.ring.w)

    def _set_key(self, ip):
        laddr = self.laddr or _ANY
        raddr = self.raddr or _ANY
        set_key(self.udp.table.key, self.lport, self.rport, laddr, 0, raddr, 0, ip.alen)
        if self.laddr is None:
            clear_local(self.udp.table.key, ip.alen)
        if self.raddr is None:
            clear_remote(self.udp.table.key)

    def _networks(self):
        return (self.ip,) if self.ip else self.st.networks

    def _file(self):
        table = self.udp.table
        for ip in self._networks():
            self._set_key(ip)
            other = table.find()
            if other is not None and not self._shares(other):
                raise OSError(_EADDRINUSE)
        self._make_ring()
        self._filed = True
        for ip in self._networks():
            self._set_key(ip)
            if not self.udp.file(self):
                self._unfile()
                raise OSError(_ENOMEM)
        self._forget()
        self._reopen()

    def _unfile(self):
        self.cb[_OPEN] = 0
        if self._filed:
            for ip in self._networks():
                self._set_key(ip)
                self.udp.unfile(self)
            self._filed = False

    def _shares(self, other):
        """May both have the same address and port?"""
        return self.reuse and other.reuse or self.reuseport and other.reuseport

    def close(self):
        self._unfile()
        if self.groups and self.groups.members:
            self.st.ip4.members.leave_all(self.groups.members)
        if self.groups6 and self.groups6.members:
            self.st.ip6.members.leave_all(self.groups6.members)
        if self.ring is not None:
            self.st.credit(self.ring.size)
            self.ring = None
        self.cb[_WAITING] = 0
        self.notify = self.answer = None

    # -- data -------------------------------------------------------------------------------

    @micropython.native
    def send(self, buf, off, n, ip=None, addr=None, port=0):
        """Send one datagram, to the connected peer or to `addr`. Returns n, or -errno; -_ENOBUFS
        passes: try again after a poll."""
        if addr is None:
            addr = self.raddr
            port = self.rport
            if addr is None:
                return -_EDESTADDRREQ
        out = self.out
        if out and netstack.fastpath:
            io, compose, _, via, cb, aim, _ = out
            if (ip or self.ip) is via and aim(cb, buf, off, addr, port) and compose(io, n):
                return n
        return self.post(buf, off, n, ip or self.ip, addr, port)

    def post(self, buf, off, n, ip, dst, port, detour=None):
        """The same without the fast path; `detour`: not quite as the options say."""
        if not port:  # as on Linux
            return -_EINVAL
        if not self._filed:
            self.lport = self.udp.free_port(port)
            try:
                self._file()
            except OSError as error:
                return -error.errno
        if dst[0] == 255 and not self.broadcast and ip.alen == 4:
            return -_EACCES
        way = self.way(ip, dst)
        if detour:
            way = detour.over(way)
        src = self._source(ip, dst, way)
        if src is None:
            return -_ENETUNREACH
        if self._nif is not None and way.nif is not self._nif:  # as on Linux
            return -_EINVAL
        n = self.udp.emit(way, buf, off, n, ip, src, dst, port)
        if n >= 0 and (way is self or way is self._way6) and self._nif is None and self._pmtudisc:
            if self.fast and not (self.control or self._nosum):
                udp_fast.prepare(self, ip, way, src, dst, port)
        return n

    def way(self, ip, dst):
        """What has the ttl, tos, nif and loop that hold for `dst`."""
        four = ip.alen == 4
        if not ip.group(dst, 0):
            if four:
                return self
            way = self._way6 = self._way6 or Way()
            way.ttl = self._hops
            way.nif = self._nif
        else:
            way = self.groups_of(ip)
            way.nif = way.via or self._nif
        way.tos = self._tos if four else self._tclass
        way.ep = self
        return way

    def groups_of(self, ip):
        """The Groups of this family."""
        if ip.alen == 4:
            self.groups = self.groups or Groups()
            return self.groups
        self.groups6 = self.groups6 or Groups()
        return self.groups6

    def _source(self, ip, dst, way):
        laddr = way.src or self.laddr
        if laddr is not None and not ip.broadcast(laddr, 0):
            return laddr if len(laddr) == ip.alen else None
        return ip.source(dst, way.nif)

    @micropython.native
    def recv(self, buf, off, n, peek=False):
        """Copy the next datagram, at most `n` bytes of it, to buf[off]; the rest of it is lost.
        Returns its length; -1 when there is none. Fills from_addr, from_len, from_port."""
        _, unpack, cb, copied, job = self.short
        return unpack(cb, buf, off, n, peek, copied, job)

    def failed(self, ip, buf, at, l4, errno):
        """An ICMP error about a datagram of ours, quoted at buf[at]. Only who is connected can
        tell whom it is about, as on Linux."""
        if self.raddr is not None:
            self.error = errno
            self._forget()  # the next call is not for the fast path
            if self.notify:
                self.notify(self)

    def next_size(self):
        """Bytes of the next datagram; -1 when there is none."""
        return udp_fast.size(self.short[2], 0)

    def take(self, fr, data, n):
        """A datagram has come for us: `n` bytes at `data`. Borrows `fr`."""
        if self._answer:
            self._ask(fr, data, n)
            return
        ring = self.ring
        ip = fr.ip
        alen = ip.alen
        size = 2 * alen + 4 if self._extras else alen
        gap = -n & 3
        if ring.free() < 8 + size + n + gap:
            self.udp.stat[_FULL] += 1
            return
        head = self._head
        put16(head, 0, n)
        head[2] = size
        put16(head, 4, get16(fr.buf, fr.l4) if self.ports else 0)
        copy(head, 8, fr.buf, fr.l3 + ip.src_off, alen)
        if self._extras:
            copy(head, 8 + alen, fr.buf, fr.l3 + ip.dst_off, alen)
            at = 8 + 2 * alen
            head[at] = self.st.nifs.index(fr.nif) + 1
            head[at + 1] = fr.buf[fr.l3 + ip.ttl_off]
            head[at + 2] = ip.tos(fr.buf, fr.l3)
        ring.write(head, 0, 8 + size)
        ring.write(fr.buf, data, n)
        if gap:
            ring.write(_ANY, 0, gap)
        self.cb[_WAITING] += 1
        if self.notify:
            self.notify(self)

    def _ask(self, fr, data, n):
        """Have answer() deal with the datagram."""
        ip = fr.ip
        buf = fr.buf
        cb = self.cb
        cb[_FROM_PORT] = get16(buf, fr.l4)
        cb[_FROM_LEN] = ip.alen
        copy(self.from_addr, 0, buf, fr.l3 + ip.src_off, ip.alen)
        size = self._answer(self, buf, data, n)
        if size and self._filed:
            self.reply(buf, data, size, ip)

    def reply(self, buf, off, n, ip=None):
        """Send a datagram to where the last one came from."""
        if 0 < n <= len(buf) - off:
            if ip is None:
                ip = self.st.ip4 if self.cb[_FROM_LEN] == 4 else self.st.ip6
            self.send(buf, off, n, ip, self.from_addr, self.cb[_FROM_PORT])


class UDP:
    def __init__(self, st):
        self.st = st
        self.stat = st.counters("udp", NAMES)
        self.table = Table()
        self._head = bytearray(_HDR)
        self._turn = 0
        self._behind = []  # (key, endpoint): who shares a key with one in the table
        self.fast = udp_fast.Fast(self)
        st.udp = self
        st.carry(_PROTO, self)

    def open(self, ip=None):
        """A socket's state; of one network protocol alone, if one is given."""
        endpoint = Endpoint(self)
        endpoint.ip = ip
        return endpoint

    def file(self, ep):
        """Enter an endpoint under the key of the table; who has been there stands behind it, for
        as long as it lives: as on Linux, the last one gets what comes. False: it is full."""
        other = self.table.find()
        if other is not None:
            self._behind.append((bytes(self.table.key), other))
            self.table.remove()
        return self.table.add(ep)

    def unfile(self, ep):
        """Take out an endpoint that was filed under the key of the table."""
        if self.table.find() is ep:
            self.table.remove()
            ep = None
        if self._behind:
            key = bytes(self.table.key)
            for i in range(len(self._behind) - 1, -1, -1):
                if self._behind[i][0] == key and ep in (None, self._behind[i][1]):
                    other = self._behind.pop(i)[1]
                    if ep is None:
                        self.table.add(other)
                    return

    def _share(self, first, fr):
        """SO_REUSEPORT: which of those who share the key just found gets the datagrams of this
        sender."""
        key = self.table.key
        count = 1
        for each, _ in self._behind:
            count += same(each, 0, key, 0, len(each))
        at = fr.l3 + fr.ip.src_off + fr.ip.alen
        turn = (get16(fr.buf, at - 2) ^ get16(fr.buf, fr.l4)) % count
        for each, ep in self._behind:
            if same(each, 0, key, 0, len(each)):
                if turn == 0:
                    return ep
                turn -= 1
        return first

    def free_port(self, but=0):
        """A random port that nobody uses (RFC 6056 3.3.1, algorithm 1), and not `but`: who sends
        to a port of this host that nobody has is not to hear itself."""
        while True:
            port = _EPHEMERAL + self.st.random.below(65536 - _EPHEMERAL)
            for other in self.table:
                if other.lport == port:
                    break
            else:
                if port != but:
                    return port

    # -- input ------------------------------------------------------------------------------

    def input(self, fr):
        """Borrows `fr`."""
        buf = fr.buf
        at = fr.l4
        self.stat[_IN] += 1
        if fr.end - at < _HDR:
            self.stat[_SHORT] += 1
            return
        size = get16(buf, at + _LEN)
        if size < _HDR or at + size > fr.end:
            self.stat[_LENGTH] += 1
            return
        if not self._summed(fr, buf, at, size):
            self.stat[_CHECKSUM] += 1
            return
        if fr.group and (self._behind or fr.ip.group(buf, fr.l3 + fr.ip.dst_off)):
            self._to_group(fr, buf, at, size)
            return
        endpoint = self.table.lookup(fr)
        if endpoint is not None and endpoint.reuseport and self._behind:
            endpoint = self._share(endpoint, fr)
        if endpoint is None or (endpoint._nif and endpoint._nif is not fr.nif):
            self.stat[_NOPORT] += 1
            fr.ip.refuse(fr)
            return
        endpoint.take(fr, at + _HDR, size - _HDR)

    def _to_group(self, fr, buf, at, size):
        """A datagram for a group: each endpoint that has joined it gets one (RFC 1122 4.1.3.5);
        a broadcast for each."""
        port = get16(buf, at + 2)
        self._turn = self._turn + 1 & 0xFFFF
        taken = False
        for ep in self.table.objs:
            if ep is not None and ep.lport == port and self._offer(ep, fr, buf, at, size):
                taken = True
        for _, ep in self._behind:
            if ep.lport == port and self._offer(ep, fr, buf, at, size):
                taken = True
        if not taken:
            self.stat[_NOPORT] += 1

    def _offer(self, ep, fr, buf, at, size):
        """Give the datagram to the endpoint if it wants it, once: it may be filed twice, for both
        families."""
        if ep.turn == self._turn or not self._hears(ep, fr, buf, at, fr.l3 + fr.ip.dst_off):
            return False
        ep.turn = self._turn
        ep.take(fr, at + _HDR, size - _HDR)
        return True

    def _hears(self, ep, fr, buf, at, dst):
        ip = fr.ip
        alen = ip.alen
        if ep.ip is not ip and ep.ip is not None:
            return False
        if ep._nif is not fr.nif and ep._nif is not None:
            return False
        if ep.laddr is not None and not same(ep.laddr, 0, buf, dst, alen):
            return False
        if ep.raddr is not None:
            src = fr.l3 + ip.src_off
            if get16(buf, at) != ep.rport or not same(ep.raddr, 0, buf, src, alen):
                return False
        if not ip.group(buf, dst) or same(buf, dst, ip.all_hosts, 0, alen):
            return True  # to that every host belongs
        groups = ep.groups if alen == 4 else ep.groups6
        return bool(groups and groups.members) and ip.members.takes(groups.members, fr)

    def _summed(self, fr, buf, at, size):
        if buf[at + _SUM] | buf[at + _SUM + 1] == 0:
            return fr.ip.alen == 4  # RFC 768: not computed; RFC 8200 8.1 forbids that
        ip = fr.ip
        acc = pseudo(buf, fr.l3 + ip.src_off, buf, fr.l3 + ip.dst_off, ip.alen, _PROTO, size)
        return csum(buf, at, size, acc) == 0xFFFF

    def error(self, ip, buf, at, l4, errno, hard):
        """An ICMP error about a datagram we sent (RFC 1122 4.1.3.3)."""
        self.stat[_ERROR] += 1
        endpoint = self._sender(ip, buf, at, l4)
        if endpoint is not None:
            endpoint.failed(ip, buf, at, l4, errno)

    def too_big(self, ip, buf, at, l4, mtu):
        """A datagram of ours was too long for a link that takes `mtu` bytes. False if it cannot
        be ours."""
        self.error(ip, buf, at, l4, _EMSGSIZE, False)
        return self._sender(ip, buf, at, l4) is not None

    def _sender(self, ip, buf, at, l4):
        """Whose datagram starts at buf[at], its header of UDP at l4; None: nobody's."""
        key = self.table.key
        lport = get16(buf, l4)
        rport = get16(buf, l4 + 2)
        set_key(key, lport, rport, buf, at + ip.src_off, buf, at + ip.dst_off, ip.alen)
        endpoint = self.table.find()
        if endpoint is None:
            clear_remote(key)
            endpoint = self.table.find()
            if endpoint is None:
                clear_local(key, ip.alen)
                endpoint = self.table.find()
        return endpoint

    # -- output -----------------------------------------------------------------------------

    def output(self, ep, buf, off, n, ip, src, dst, port):
        """Build and send one datagram. Returns n or -errno."""
        return self.emit(ep.way(ip, dst), buf, off, n, ip, src, dst, port)

    def emit(self, way, buf, off, n, ip, src, dst, port):
        """The same for who knows the way."""
        ep = way.ep
        if n + _HDR > ip.mss_room(dst) or ep.pmtudisc == 0 and ip.alen == 4:
            return self._output_parts(way, buf, off, n, ip, src, dst, port)
        fr = self.st.pool.alloc(ep.control)
        if fr is None:
            return -_ENOBUFS
        to = fr.buf
        data = fr.pay
        at = data - _HDR
        fr.l4 = at
        fr.end = data + n
        put16(to, at, ep.lport)
        put16(to, at + 2, port)
        put16(to, at + _LEN, n + _HDR)
        put16(to, at + _SUM, 0)
        acc = pseudo(src, 0, dst, 0, ip.alen, _PROTO, n + _HDR)
        acc = csum(to, at, _HDR, copy_csum(to, data, buf, off, n, acc))
        if ep.nosum and ip.alen == 4:
            acc = 0xFFFF
        elif acc == 0xFFFF:
            acc = 0  # RFC 768: a sum of zero is sent as all ones
        put_csum(to, at + _SUM, acc)
        self.stat[_OUT] += 1
        if way.loop:
            ip.loop(fr, src, dst, _PROTO, way.ttl, way.tos, way.nif)
            if way.ttl == 0:  # not beyond this host
                self.st.pool.release(fr)
                return n
        return ip.output(fr, src, dst, _PROTO, way.ttl, way.tos, way.nif) or n

    def _output_parts(self, way, buf, off, n, ip, src, dst, port):
        """The same for one that takes more than a packet."""
        ep = way.ep
        if ip.output_parts is None or n > _MOST or ep.pmtudisc > 1:
            return -_EMSGSIZE
        head = self._head
        put16(head, 0, ep.lport)
        put16(head, 2, port)
        put16(head, _LEN, n + _HDR)
        put16(head, _SUM, 0)
        acc = csum(head, 0, _HDR, pseudo(src, 0, dst, 0, ip.alen, _PROTO, n + _HDR))
        acc = csum(buf, off, n, acc)
        put_csum(head, _SUM, 0 if acc == 0xFFFF else acc)
        error = ip.output_parts(head, buf, off, n, src, dst, _PROTO, way)
        if error == 0:
            self.stat[_OUT] += 1
        return error or n


def attach(st):
    return UDP(st)
