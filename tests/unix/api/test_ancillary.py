# api/ancillary.py: recvmsg() and sendmsg() (RFC 3542 6), the options beside them, multicast of
# IPv6 per socket (RFC 3493 5.2, RFC 3678), and zones of destinations: over loopback, and over two
# NICs in memory, of which one can see what has been sent.

import bench
import network
import socket
import struct
from hosts import NIC
from netstack.api import host
from packets import Packet, ip, ip6

EAGAIN = 11
EINVAL = 22
ENODEV = 19
EOPNOTSUPP = 95
EADDRINUSE = 98
EADDRNOTAVAIL = 99
ENOPROTOOPT = 92
IP = socket.IPPROTO_IP
IPV6 = socket.IPPROTO_IPV6
GROUP = "ff15::1:7"


class Cable:
    """A LAN whose NIC keeps what it was given to send, solicitations answered."""

    lans = []

    def __init__(self, i):
        self.nic = NIC(bytes((2, 0, 0, 0, 9, i)))
        self.nic.tx = self._sent
        self.frames = []
        self.lan = network.LAN(nic=self.nic)
        self.nif = self.lan._wire.nif
        self.nif.v6.transmits = 0
        self.lan.active(True)
        self.lan.ipconfig(addr4="10.8.%d.2/24" % i, addr6="2001:db8:8%d::2/64" % i)

    def _sent(self, frame):
        if frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 135:
            target = frame[62:78]
            if any(frame[22:38]):  # not asking whether an address is free
                self._answer(frame, target)
            return
        if not self._by_itself(frame):
            self.frames.append(Packet(frame))

    def _by_itself(self, frame):
        """Does the stack send this whenever it likes: ARP, ICMPv6 and MLD, IGMP, DHCP?"""
        if frame[12:14] == b"\x86\xdd":
            return frame[20] in (0, 58)
        return frame[12:14] == b"\x08\x06" or frame[23] == 2 or frame[36:38] == b"\0\x43"

    def _answer(self, frame, target):
        import peer6
        from packets import eth, icmp6, ipv6

        rest = b"\x60\0\0\0"
        data = target + peer6.opt_mac(2, b"\2\0\0\0\7\7")
        message = icmp6(target, frame[22:38], 136, 0, rest, data)
        packet = ipv6(target, frame[22:38], 58, message, hops=255)
        self.nic.rx.append(eth(frame[6:12], b"\2\0\0\0\7\7", 0x86DD, packet))

    def take(self):
        for _ in range(20):
            host.pump()
        frames, self.frames = self.frames, []
        return frames


def cables():
    """Two of them, made once: interfaces cannot be taken away."""
    if not Cable.lans:
        Cable.lans = [Cable(1), Cable(2)]
    for cable in Cable.lans:
        cable.take()
    return Cable.lans


def number(nif):
    return host.stack().nifs.index(nif) + 1


def opened(address=None, family=socket.AF_INET6, kind=socket.SOCK_DGRAM):
    s = socket.socket(family, kind)
    bench.at_end(s.close)
    s.settimeout(60)
    if address:
        s.bind(address)
    return s


def raises(number, function, *args):
    try:
        function(*args)
    except OSError as error:
        assert error.errno == number, "OSError %s, expected %d" % (error, number)
        return
    raise AssertionError("OSError %d was expected" % number)


def test_nothing_asked_for():
    s = opened(("127.0.0.1", 0), socket.AF_INET)
    s.sendto(b"abc", s.getsockname())
    assert s.recvmsg(100, 1000) == (b"abc", [], 0, s.getsockname())
    s.settimeout(0)
    raises(EAGAIN, s.recvmsg, 100)
    raises(EOPNOTSUPP, s.recvmsg, 100, 0, 1)


def test_flags():
    s = opened(("127.0.0.1", 0), socket.AF_INET)
    s.sendto(b"abcdef", s.getsockname())
    assert s.recvmsg(100, 0, socket.MSG_PEEK)[0] == b"abcdef"
    data, _, flags, _ = s.recvmsg(4)
    assert (data, flags) == (b"abcd", socket.MSG_TRUNC)
    raises(EAGAIN, s.recvmsg, 100, 0, socket.MSG_DONTWAIT)
    s.sendto(b"abcdef", s.getsockname())
    a, b = bytearray(4), bytearray(4)
    assert s.recvmsg_into([a, b])[0] == 6 and a + b == b"abcdef\0\0"
    s.sendto(b"", s.getsockname())
    assert s.recvmsg(10)[0] == b""


def test_ipv4():
    s = opened(("", 0), socket.AF_INET)
    port = s.getsockname()[1]
    for option in (socket.IP_PKTINFO, socket.IP_RECVTTL, socket.IP_RECVTOS):
        assert s.getsockopt(IP, option) == 0
        s.setsockopt(IP, option, 1)
        assert s.getsockopt(IP, option) == 1
    s.setsockopt(IP, socket.IP_TTL, 7)
    s.setsockopt(IP, socket.IP_TOS, 0x28)
    s.sendto(b"x", ("127.0.0.1", port))
    local = ip("127.0.0.1")
    expected = [
        (IP, socket.IP_PKTINFO, struct.pack("<I", 1) + local + local),
        (IP, socket.IP_TTL, struct.pack("<I", 7)),
        (IP, socket.IP_TOS, b"\x28"),
    ]
    data, items, flags, peer = s.recvmsg(10, 200)
    assert (data, items, flags, peer) == (b"x", expected, 0, ("127.0.0.1", port))
    # as much as there is room for: RFC 3542 5.1, CPython's CMSG_SPACE
    for room, count in ((0, 0), (31, 0), (32, 1), (56, 2), (80, 3)):
        s.sendto(b"x", ("127.0.0.1", port))
        _, items, flags, _ = s.recvmsg(10, room)
        assert items == expected[:count] and flags == (0 if count == 3 else socket.MSG_CTRUNC)
    assert socket.CMSG_SPACE(12) == 32 and socket.CMSG_LEN(12) == 28
    # RFC 1122 3.4: SpecDest, whatever the destination: ours is an address of the interface
    group = ip("239.1.2.3")
    s.setsockopt(IP, socket.IP_ADD_MEMBERSHIP, group + local)
    s.setsockopt(IP, socket.IP_MULTICAST_IF, local)
    s.sendto(b"x", ("239.1.2.3", port))
    item = s.recvmsg(10, 200)[1][0]
    assert item == (IP, socket.IP_PKTINFO, struct.pack("<I", 1) + local + group)
    s.setsockopt(IP, socket.IP_DROP_MEMBERSHIP, group + local)
    s.setsockopt(IP, socket.IP_PKTINFO, 0)
    s.sendto(b"x", ("127.0.0.1", port))
    assert s.recvmsg(10, 200)[1] == expected[1:]
    s.sendto(b"x", ("127.0.0.1", port))
    assert s.recvfrom(10) == (b"x", ("127.0.0.1", port))  # whoever does not ask


def test_ipv6():
    s = opened(("::", 0))
    port = s.getsockname()[1]
    for option in (socket.IPV6_RECVPKTINFO, socket.IPV6_RECVHOPLIMIT, socket.IPV6_RECVTCLASS):
        s.setsockopt(IPV6, option, 1)
    s.setsockopt(IPV6, socket.IPV6_UNICAST_HOPS, 9)
    s.setsockopt(IPV6, socket.IPV6_TCLASS, 0x44)
    s.setsockopt(IP, socket.IP_TTL, 5)  # of IPv4
    s.sendto(b"six", ("::1", port))
    data, items, flags, peer = s.recvmsg(10, 200)
    assert (data, flags, peer) == (b"six", 0, ("::1", port, 0, 0))
    assert items == [
        (IPV6, socket.IPV6_PKTINFO, ip6("::1") + struct.pack("<I", 1)),
        (IPV6, socket.IPV6_HOPLIMIT, struct.pack("<I", 9)),
        (IPV6, socket.IPV6_TCLASS, struct.pack("<I", 0x44)),
    ]
    s.setsockopt(IP, socket.IP_RECVTTL, 1)
    s.sendto(b"four", ("::ffff:127.0.0.1", port))
    data, items, flags, peer = s.recvmsg(10, 200)
    assert (data, peer) == (b"four", ("::ffff:127.0.0.1", port, 0, 0))
    mapped = bytes(10) + b"\xff\xff" + ip("127.0.0.1")
    assert items == [
        (IP, socket.IP_TTL, struct.pack("<I", 5)),
        (IPV6, socket.IPV6_PKTINFO, mapped + struct.pack("<I", 1)),
    ]


def test_sendmsg():
    s = opened(("127.0.0.1", 0), socket.AF_INET)
    s.setsockopt(IP, socket.IP_RECVTTL, 1)
    s.setsockopt(IP, socket.IP_RECVTOS, 1)
    items = [(IP, socket.IP_TTL, struct.pack("<I", 3)), (IP, socket.IP_TOS, b"\x10")]
    assert s.sendmsg([b"ab", bytearray(b"cd")], items, 0, s.getsockname()) == 4
    data, got, _, _ = s.recvmsg(10, 200)
    assert data == b"abcd" and got == items
    raises(89, s.sendmsg, [b"x"])
    s.connect(s.getsockname())
    assert s.sendmsg([b"again"]) == 5
    assert s.recvmsg(10, 200)[1][0][2] == struct.pack("<I", 64)  # that was for one datagram
    for bad in (
        (IP, socket.IP_TTL, struct.pack("<I", 0)),
        (IP, socket.IP_TTL, struct.pack("<I", 256)),
        (IP, socket.IP_TTL, b"\1"),
        (IP, socket.IP_PKTINFO, bytes(11)),
        (IP, 99, bytes(4)),
    ):
        raises(EINVAL, s.sendmsg, [b"x"], [bad])
    info = bytes(4) + ip("10.9.9.9") + bytes(4)
    raises(EADDRNOTAVAIL, s.sendmsg, [b"x"], [(IP, socket.IP_PKTINFO, info)])
    info = struct.pack("<I", 99) + bytes(8)
    raises(ENODEV, s.sendmsg, [b"x"], [(IP, socket.IP_PKTINFO, info)])


def test_stream():
    server = opened(("127.0.0.1", 0), socket.AF_INET, socket.SOCK_STREAM)
    server.listen()
    client = opened(None, socket.AF_INET, socket.SOCK_STREAM)
    client.connect(server.getsockname())
    conn, _ = server.accept()
    bench.at_end(conn.close)
    conn.settimeout(60)
    assert client.sendmsg([b"one ", b"stream"]) == 10
    assert conn.recvmsg(4) == (b"one ", [], 0, None)
    assert conn.recvmsg(4, 0, socket.MSG_PEEK)[0] == b"stre"
    assert conn.recvmsg(100)[0] == b"stream"
    client.close()
    assert conn.recvmsg(100)[0] == b""
    raises(ENOPROTOOPT, conn.setsockopt, IP, socket.IP_PKTINFO, 1)


def test_interface_and_source():
    # RFC 3542 6: by which interface and from which address
    a, b = cables()
    s = opened(("::", 0))
    to = ("2001:db8:81::9", 7)
    for cable, src in ((a, "2001:db8:81::2"), (b, "2001:db8:82::2")):
        info = ip6(src) + struct.pack("<I", number(cable.nif))
        s.sendmsg([b"x"], [(IPV6, socket.IPV6_PKTINFO, info)], 0, ("ff15::9", 7))
        (sent,) = cable.take()
        assert sent.src == ip6(src) and sent.hops == 1
    info = ip6("2001:db8:82::2") + bytes(4)
    s.sendmsg([b"x"], [(IPV6, socket.IPV6_PKTINFO, info)], 0, to)
    (sent,) = a.take()
    assert sent.src == ip6("2001:db8:82::2") and sent.hops == 64 and not b.take()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b.nif.name)
    info = bytes(16) + struct.pack("<I", number(a.nif))
    raises(EINVAL, s.sendmsg, [b"x"], [(IPV6, socket.IPV6_PKTINFO, info)], 0, ("ff15::9", 7))


def test_zone():
    # RFC 4007 11: the zone tells the interface, as text or as a number
    a, b = cables()
    s = opened()
    for cable in (a, b, a):
        for to in (("fe80::9%" + cable.nif.name, 7), ("fe80::9", 7, 0, number(cable.nif))):
            s.sendto(b"x", to)  # its neighbour is asked for
            cable.take()
            for _ in range(3):
                s.sendto(b"x", to)
            sent = a.take(), b.take()
            counts = [len(each) for each in sent]
            assert counts == ([3, 0] if cable is a else [0, 3]), (to, sent)
            link = cable.nif.v6.link_local().addr
            for packet in sent[0] + sent[1]:
                assert packet.src == link and packet.dst == ip6("fe80::9")
    s.connect(("ff02::5%" + b.nif.name, 7))
    s.send(b"x")
    assert not a.take() and len(b.take()) == 1


def test_bound_to_a_device():
    # SO_BINDTODEVICE: both kinds, both families
    a, b = cables()
    device = socket.SO_BINDTODEVICE
    for family, to in ((socket.AF_INET, ("10.8.1.9", 9)), (socket.AF_INET6, ("fe80::9", 9))):
        s = opened(None, family)
        s.setsockopt(socket.SOL_SOCKET, device, b.nif.name.encode() + b"\0")
        assert s.getsockopt(socket.SOL_SOCKET, device) == b.nif.name.encode() + b"\0"
        t = opened(None, family, socket.SOCK_STREAM)
        t.setsockopt(socket.SOL_SOCKET, device, b.nif.name)
        raises(ENODEV, t.setsockopt, socket.SOL_SOCKET, device, "nosuch")
        t.settimeout(0)
        if family == socket.AF_INET:  # nobody answers ARP: it is asked for there
            before = b.nif.arp.stat[:]
        s.sendto(b"x", to)
        sent = b.take()
        raises(115, t.connect, to)
        sent += b.take()
        if family == socket.AF_INET6:
            kinds = [packet.kind for packet in sent]
            assert kinds[:2] == ["udp", "tcp"] and "udp" not in kinds[2:], sent  # SYNs come again
        else:
            assert b.nif.arp.stat[:] != before
        assert not a.take()
        raises(EINVAL, t.setsockopt, socket.SOL_SOCKET, device, "")


def joined(option=socket.IPV6_JOIN_GROUP, value=None, port=0, group=GROUP):
    s = opened()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", port))
    s.settimeout(0.2)
    nif = cables()[0].nif
    s.setsockopt(IPV6, option, value or ip6(group) + struct.pack("<I", number(nif)))
    return s


def heard(s):
    found = []
    try:
        while True:
            found.append(s.recv(100))
    except OSError as error:
        assert error.errno == 110, error
    return found


def test_groups():
    # RFC 3493 5.2: several sockets on one port; what is sent comes back unless told otherwise
    a, b = cables()
    first = joined()
    port = first.getsockname()[1]
    second = joined(port=port)
    other = opened()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    other.bind(("::", port))
    other.settimeout(0.1)
    s = opened()
    assert s.getsockopt(IPV6, socket.IPV6_MULTICAST_HOPS) == 1
    assert s.getsockopt(IPV6, socket.IPV6_MULTICAST_LOOP) == 1
    s.setsockopt(IPV6, socket.IPV6_MULTICAST_HOPS, 4)
    s.setsockopt(IPV6, socket.IPV6_MULTICAST_IF, number(a.nif))
    assert s.getsockopt(IPV6, socket.IPV6_MULTICAST_IF) == number(a.nif)
    s.sendto(b"1", (GROUP, port))
    (sent,) = a.take()
    assert sent.hops == 4 and sent.dst == ip6(GROUP) and not b.take()
    assert heard(first) == heard(second) == [b"1"] and heard(other) == []
    s.setsockopt(IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    s.sendto(b"2", (GROUP, port))
    assert len(a.take()) == 1 and heard(first) == heard(second) == []
    mreq = ip6(GROUP) + struct.pack("<I", number(a.nif))
    raises(EADDRINUSE, first.setsockopt, IPV6, socket.IPV6_JOIN_GROUP, mreq)
    first.setsockopt(IPV6, socket.IPV6_LEAVE_GROUP, mreq)
    raises(EADDRNOTAVAIL, first.setsockopt, IPV6, socket.IPV6_LEAVE_GROUP, mreq)
    s.setsockopt(IPV6, socket.IPV6_MULTICAST_LOOP, 1)
    s.sendto(b"3", (GROUP, port))
    assert heard(second) == [b"3"] and heard(first) == []


def storage(family, addr):
    head = struct.pack("<HH", family, 0) + (addr if family == 2 else bytes(4) + addr)
    return head + bytes(128 - len(head))


def request(nif, *members):
    return struct.pack("<Q", number(nif)) + b"".join(members)


def test_sources():
    # RFC 3678 5.1, of both families
    a, _ = cables()
    for family, level, group, us, other in (
        (socket.AF_INET, IP, "239.8.8.8", ip("10.8.1.2"), ip("10.8.1.99")),
        (socket.AF_INET6, IPV6, GROUP, ip6("2001:db8:81::2"), ip6("2001:db8:81::99")),
    ):
        addr = socket.inet_pton(family, group)
        s = opened(("" if family == 2 else "::", 0), family)
        s.settimeout(0.1)
        to = (group, s.getsockname()[1])
        sender = opened(None, family)
        one = request(a.nif, storage(family, addr), storage(family, us))
        two = request(a.nif, storage(family, addr), storage(family, other))
        s.setsockopt(level, socket.MCAST_JOIN_SOURCE_GROUP, two)
        sender.sendto(b"no", to)
        assert heard(s) == []
        s.setsockopt(level, socket.MCAST_JOIN_SOURCE_GROUP, one[:4] + one[8:])  # of 32 bits
        sender.sendto(b"yes", to)
        assert heard(s) == [b"yes"]
        s.setsockopt(level, socket.MCAST_LEAVE_SOURCE_GROUP, one)
        s.setsockopt(level, socket.MCAST_LEAVE_SOURCE_GROUP, two)
        raises(EADDRNOTAVAIL, s.setsockopt, level, socket.MCAST_LEAVE_SOURCE_GROUP, two)
        whole = request(a.nif, storage(family, addr))
        s.setsockopt(level, socket.MCAST_JOIN_GROUP, whole)
        s.setsockopt(level, socket.MCAST_BLOCK_SOURCE, one)
        sender.sendto(b"no", to)
        assert heard(s) == []
        s.setsockopt(level, socket.MCAST_UNBLOCK_SOURCE, one)
        sender.sendto(b"yes", to)
        assert heard(s) == [b"yes"]
        s.setsockopt(level, socket.MCAST_LEAVE_GROUP, whole)
        for bad in (b"", whole[:-1], whole + b"x", request(a.nif, storage(99, addr))):
            raises(EINVAL, s.setsockopt, level, socket.MCAST_JOIN_GROUP, bad)
        nowhere = struct.pack("<Q", 99) + storage(family, addr)
        raises(ENODEV, s.setsockopt, level, socket.MCAST_JOIN_GROUP, nowhere)
        raises(
            EINVAL,
            s.setsockopt,
            level,
            socket.MCAST_JOIN_GROUP,
            request(a.nif, storage(family, us)),
        )


def test_refusals():
    s = opened()
    for value in (b"", bytes(16), bytes(20), bytes(21), ip6("2001:db8::1") + bytes(4)):
        raises(EINVAL, s.setsockopt, IPV6, socket.IPV6_JOIN_GROUP, value)
    bad = ip6(GROUP) + struct.pack("<I", 77)
    raises(ENODEV, s.setsockopt, IPV6, socket.IPV6_JOIN_GROUP, bad)
    raises(ENODEV, s.setsockopt, IPV6, socket.IPV6_MULTICAST_IF, 77)
    raises(EINVAL, s.setsockopt, IPV6, socket.IPV6_MULTICAST_HOPS, 256)
    raises(EINVAL, s.setsockopt, IPV6, socket.IPV6_UNICAST_HOPS, 0)
    s.setsockopt(IPV6, socket.IPV6_UNICAST_HOPS, -1)
    assert s.getsockopt(IPV6, socket.IPV6_UNICAST_HOPS) == 64
    four = opened(None, socket.AF_INET)
    for option in (socket.IPV6_JOIN_GROUP, socket.IPV6_RECVPKTINFO, socket.IPV6_TCLASS):
        raises(ENOPROTOOPT, four.setsockopt, IPV6, option, 1)
    try:
        socket.IPV6_NO_SUCH_OPTION
    except AttributeError:
        pass
    else:
        raise AssertionError("a name that does not exist")


bench.run_tests(globals())
