# netstack.path_mtu() (RFC 8899): the network is a NIC in memory with a host behind a narrow path,
# which tells of its limit or does not; and loopback.

import bench
import netstack
import network
import struct
from bench import arp, eth, icmp, ip, ip4
from netstack.api import host

MAC = b"\2\0\0\0\0\1"
ROUTER = ip("10.78.0.1")
FAR = ip("192.0.2.9")


class Wire:
    """Answers pings that are no longer than `limit`; what is longer vanishes, or, if it `tells`,
    is refused by a router that names that number. `lossy`: each size gets through at its second
    trial."""

    mac = b"\2\0\0\0\0\2"
    mtu = 1500
    caps = 0

    def __init__(self):
        self.rx = []
        self.set()

    def set(self, limit=1500, tells=None, lossy=False, forge=None):
        self.limit = limit
        self.tells = tells
        self.lossy = lossy
        self.forge = forge
        self.sizes = []

    def recv(self, buf, off):
        if not self.rx:
            return 0
        frame = self.rx.pop(0)
        buf[off : off + len(frame)] = frame
        return len(frame)

    def send(self, buf, off, n):
        frame = bytes(memoryview(buf)[off : off + n])
        if frame[12:14] == b"\x08\x06":
            if frame[38:42] == ROUTER:
                packet = arp(2, MAC, frame[38:42], frame[22:28], frame[28:32])
                self.rx.append(eth(frame[6:12], MAC, 0x0806, packet))
        elif frame[12:14] == b"\x08\0" and frame[23] == 1 and frame[34] == 8:
            self.ping(frame[14:])
        return n

    def ping(self, packet):
        assert packet[6] & 0x40, "it may be cut"
        size = len(packet)
        first = size not in self.sizes
        self.sizes.append(size)
        if self.forge:
            self.refuse(self.forge, packet[:26] + b"\xff\xff")
        if size > self.limit:
            if self.tells is not None:
                self.refuse(self.tells, packet[:28])
        elif not (self.lossy and first):
            self.say(FAR, icmp(0, 0, packet[24:28], packet[28:]))

    def refuse(self, mtu, quoted):
        self.say(ROUTER, icmp(3, 4, struct.pack("!HH", 0, mtu), quoted))

    def say(self, src, message):
        self.rx.append(eth(self.mac, MAC, 0x0800, ip4(src, ip("10.78.0.2"), 1, message)))

    def link(self):
        return 1

    def multicast(self, mac, on):
        pass


wire = Wire()
lan = network.LAN(nic=wire)
lan.ipconfig(addr4="10.78.0.2/24", gw4="10.78.0.1")
lan.active(True)
host.wait(lambda: lan._wire.nif.arp.on_conflict is None, 30000)


def known():
    ip4 = host.stack().ip4
    return ip4.mtu(FAR, lan._wire.nif)


def find(**kw):
    wire.set(**kw)
    found = netstack.path_mtu("192.0.2.9", timeout=0.03)
    assert known() == found, known()
    icmp = host.stack().icmp4
    assert icmp.on_reply is None and icmp.on_error is None
    return found


def test_nothing_in_the_way():
    assert find() == 1500
    assert wire.sizes == [1200, 1500]  # RFC 8899 5.2: BASE_PLPMTU, then what the link takes


def test_black_hole():
    # RFC 8899 5.3: nobody tells
    for limit in (1499, 1400, 1280, 1201, 1200, 1199, 900, 257, 256):
        assert find(limit=limit) == limit
        assert max(wire.sizes.count(size) for size in wire.sizes) <= 3  # MAX_PROBES


def test_it_gets_wider():
    assert find(limit=1300) == 1300
    assert find(limit=1400) == 1400
    assert find() == 1500


def test_a_router_tells():
    # RFC 8899 4.6: what it names is tried, and nothing waited for
    assert find(limit=1300, tells=1300) == 1300
    assert wire.sizes == [1200, 1500, 1300]
    assert find(limit=700, tells=700) == 700
    assert len(wire.sizes) <= 6, wire.sizes


def test_a_router_lies():
    # It names too much, too little, nothing, or the size that was sent
    for tells in (1400, 1210, 68, 0, 1500, 65535):
        assert find(limit=1300, tells=tells) == (1210 if tells == 1210 else 1300), tells


def test_nobody_else_is_believed():
    # RFC 8899 4.6.1: an error has to quote the probe
    assert find(limit=1500, forge=1250) == 1500


def test_losses():
    assert find(limit=1300, lossy=True) == 1300


def test_no_answer():
    wire.set(limit=100)
    before = known()
    bench.raises(113, netstack.path_mtu, "192.0.2.9", 0.03)
    assert sorted(set(wire.sizes)) == [256, 1200] and known() == before


def test_loopback():
    assert netstack.path_mtu("127.0.0.1", 0.5) == host.stack().nifs[0].mtu
    if host.stack().ip6:
        assert netstack.path_mtu("::1", 0.5) == host.stack().nifs[0].v6.mtu


bench.run_tests(globals())
