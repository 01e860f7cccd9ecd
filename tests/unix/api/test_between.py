# lib: inet/forwarding.py, inet/forward_fast.py, inet/forward.py, inet/filter.py, inet/nat.py
# lib: inet/forward6_fast.py, inet/forward6.py, inet/filter6.py, api/router.py, api/router6.py
# lib: inet/advertise6.py, inet/routes.py, link/vlan.py, link/bridge.py, api/links.py
# lib: transport/raw.py, transport/packet.py, api/rare.py
# What a program changes while the scheduler polls the stack between its bytecodes, with a frame
# each time: the stack is entered for it, so it is done or it is not, whenever a poll comes.

import bench
import micropython
import network
import socket
from hosts import NIC
from netstack.api import host
from packets import arp, eth, icmp, ip, ip4, udp

for name in (
    "inet.forwarding", "inet.forward_fast", "inet.forward", "inet.filter", "inet.forward6_fast",
    "inet.forward6", "inet.filter6", "inet.advertise6", "inet.routes", "inet.nat", "link.vlan",
    "link.bridge", "transport.raw", "transport.packet",
):  # fmt: skip
    bench.optional(name)
bench.optional("api.rare")
router = bench.optional("api.router")
bench.optional("api.router6")
links = bench.optional("api.links")

MAC = b"\2\0\0\0\0\x51"
FAR = b"\2\0\0\0\0\x52"
OURS = ip("10.81.0.1")
THEIRS = ip("10.81.0.2")
BEYOND = ip("10.82.0.9")


def frames(mac):
    """What goes by on a wire: for us, for others, for nobody."""
    return [
        eth(mac, FAR, 0x0800, ip4(THEIRS, OURS, 1, icmp(8, 0, b"\0\1\0\1", b"ping"))),
        eth(mac, FAR, 0x0800, ip4(THEIRS, OURS, 17, udp(THEIRS, OURS, 5, 9, b"nobody"))),
        eth(mac, FAR, 0x0800, ip4(THEIRS, BEYOND, 17, udp(THEIRS, BEYOND, 700, 53, b"further"))),
        eth(mac, FAR, 0x0806, arp(1, FAR, THEIRS, bytes(6), OURS)),
        eth(mac, FAR, 0x8100, b"\0\7\x08\0" + ip4(THEIRS, OURS, 1, icmp(8, 0, b"\0\1\0\2", b""))),
        eth(mac, FAR, 0x88B5, b"what nobody knows"),
    ]


class Wire(NIC):
    """A NIC with a frame for each poll, in a storm."""

    def __init__(self, number):
        NIC.__init__(self, MAC[:5] + bytes((number,)))
        self.frames = frames(self.mac)
        self.next = self.polled = 0

    def recv(self, buf, off):
        self.polled += 1
        if not Storm.blows or self.polled & 1:
            return 0
        frame = self.frames[self.next]
        self.next = (self.next + 1) % len(self.frames)
        buf[off : off + len(frame)] = frame
        return len(frame)


class Storm:
    """Within it the scheduler polls as often as it is asked at all: at each jump of a program."""

    blows = False

    def __enter__(self):
        Storm.blows = True
        self.polls = 0
        self.errors = []
        self._again_bound = self._again
        micropython.schedule(self._again_bound, None)
        return self

    def _again(self, _):
        if not Storm.blows:
            return
        st = host.stack()
        if not st.w[44]:
            self.polls += 1
            try:
                st.poll(st.clock())
            except Exception as error:
                self.errors.append(error)
        try:
            micropython.schedule(self._again_bound, None)
        except RuntimeError:  # the queue is full
            pass

    def __exit__(self, kind, *_):
        Storm.blows = False
        if kind is None:
            for error in self.errors:
                raise error
            assert self.polls, "nobody has polled"


lan = network.LAN(nic=Wire(0x51))
lan.active(True)
lan.ipconfig(addr4="10.81.0.1/24")
other = network.LAN(nic=Wire(0x61))
other.active(True)
other.ipconfig(addr4="10.82.0.1/24")
ROUNDS = bench.scale(50)


def test_addresses():
    with Storm():
        for i in range(ROUNDS):
            lan.ipconfig(addr4="10.81.0.1/24", gw4="10.81.0.%d" % (2 + i % 5))
            lan.config(mtu=1400 + i % 100)
    lan.ipconfig(gw4="0.0.0.0")
    lan.config(mtu=1500)


def test_packet_sockets():
    with Storm():
        for _ in range(ROUNDS):
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300)
            s.setblocking(False)
            s.bind((lan._wire.nif.name, 0x0300))
            s.close()
    nif = lan._wire.nif
    assert not nif._tapped and nif.send == nif.nic.send


def test_raw_sockets():
    with Storm():
        for _ in range(ROUNDS):
            a = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
            b = socket.socket(socket.AF_INET, socket.SOCK_RAW, 17)
            a.close()
            b.close()


def test_routes():
    with Storm():
        for i in range(ROUNDS):
            router.add_route("10.9%d.0.0/16" % (i % 10), "10.81.0.2")
            assert router.remove_route("10.9%d.0.0/16" % (i % 10), "10.81.0.2")
    assert router.routes() == []


def test_filter():
    """The rule that says drop stands behind those that come and go: nothing passes."""
    router.rule("drop")
    before = host.stack().stats()["filter"]
    with Storm():
        for i in range(ROUNDS):
            router.rule("drop", "udp", dport=(50, 60))
            router.rule("drop", "udp", src="10.81.0.0/24")
            assert len(router.hits()) == 4
            router.remove_rule(2)
            router.remove_rule(1)
    assert router.hits()[-1] == 0, (router.hits(), before)
    router.remove_rule(0)
    router.stop()


def test_port_forwards():
    with Storm():
        nat = router.nat(other, 8)
        for i in range(ROUNDS):
            router.forward_port("tcp", 80 + i % 3, "10.81.0.%d" % (2 + i % 3))
            rows = router.mappings()
            assert ("tcp", "10.81.0.%d" % (2 + i % 3), 80 + i % 3, 80 + i % 3) in [
                row[:4] for row in rows
            ], rows
            assert router.unforward_port("tcp", 80 + i % 3)
        router.stop()
    assert nat.router.nat is nat


def test_vlans_and_bridges():
    with Storm():
        vlan = links.vlan(lan, 7)
        tagged = network.LAN(nic=vlan)
        tagged.active(True)
        tagged.ipconfig(addr4="10.83.0.1/24")
        tagged.active(False)
        vlan.close()
        bridge = links.bridge(Wire(0x71), Wire(0x72))
        whole = network.LAN(nic=bridge)
        whole.active(True)
        whole.ipconfig(addr4="10.84.0.1/24")
        whole.active(False)


bench.run_tests(globals())
