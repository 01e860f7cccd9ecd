# lib: link/vlan.py, link/bridge.py, inet/forwarding.py, inet/forward_fast.py, inet/forward.py
# lib: inet/nat.py, inet/filter.py, inet/forward6_fast.py, inet/forward6.py, inet/filter6.py
# VLANs, bridges and routers allocate nothing in the steady state: COUNT frames under heap_lock(),
# and again with the collector off (see test_steady.py).

import bench
import netstack
from allocated import allocated
from netstack.core.checksum import copy
from netstack.core.stack import Stack
from netstack.inet import icmpv4, ipv4, ipv6
from netstack.link import arp, ethernet
from packets import IPV6, icmp6, ip6
from packets import ipv6 as ipv6_packet

vlan = bench.optional("link.vlan")
bridge = bench.optional("link.bridge")
bench.optional("inet.forwarding")
bench.optional("inet.forward_fast")
forward = bench.optional("inet.forward")
nat = bench.optional("inet.nat")
filter = bench.optional("inet.filter")
bench.optional("inet.forward6_fast")
forward6 = bench.optional("inet.forward6")
filter6 = bench.optional("inet.filter6")

COUNT = 1000 if bench.UNIX else 240
BURST = 4
A, B, C = (b"\x02\0\0\0\1" + bytes((i,)) for i in range(3))


class NIC(bench.NIC):
    """Gives the same frame over and over, keeps the last one sent."""

    def __init__(self, mac):
        super().__init__(mac)
        self.out = bytearray(1600)
        self.sent = 0
        self.left = 0

    def recv(self, buf, off):
        if self.left == 0:
            return 0
        self.left -= 1
        copy(buf, off, self.frame, 0, len(self.frame))
        return len(self.frame)

    def send(self, buf, off, n):
        copy(self.out, 0, buf, off, n)
        self.sent += 1
        return n


def _attach(nif):
    ethernet.attach(nif)
    arp.attach(nif)


def _stack():
    st = Stack(128 * 1024, lambda: 0, 1)
    ipv4.attach(st)
    icmpv4.attach(st)
    return st


def _measure(st, nic, frame):
    """Have `nic` receive the frame that often, and again."""
    nic.frame = frame
    now = [st.now]

    def run():
        for _ in range(COUNT // BURST):
            nic.left = BURST
            now[0] += 1
            st.poll(now[0])

    got = allocated(run)
    assert got == 0, "%d bytes allocated by %d frames" % (got, COUNT)
    assert st.nomem == 0, "MemoryError inside poll()"


def _bridge():
    st = _stack()
    made = bridge.Bridge(st)
    nics = [NIC(b"\x02\0\0\0\0" + bytes((i,))) for i in range(3)]
    for nic in nics:
        made.add(nic)
    st.add(made, _attach, "br0").set_up(True)
    for nic, mac in zip(nics, (A, B, C)):
        nic.frame = bench.eth(bench.BROADCAST, mac, 0x88B5, bytes(46))
        nic.left = 1
    st.poll(0)
    return st, nics


def _both(run):
    for fast in (True, False):
        netstack.fastpath = fast
        try:
            run()
        finally:
            netstack.fastpath = True


def test_bridge_forwards():
    def run():
        st, nics = _bridge()
        before = nics[1].sent
        frame = bench.eth(B, A, 0x88B5, bytes(1000))
        _measure(st, nics[0], frame)
        assert nics[1].sent - before == 3 * COUNT and nics[1].out[: len(frame)] == frame
        assert nics[2].sent < 10

    _both(run)


def test_bridge_floods():
    st, nics = _bridge()
    _measure(st, nics[0], bench.eth(bench.BROADCAST, A, 0x88B5, bytes(100)))
    assert nics[1].sent >= 3 * COUNT and nics[2].sent >= 3 * COUNT


def test_vlan():
    # Pings to a VLAN, answered; and to one that is not there
    def run():
        st = _stack()
        nic = NIC(A)
        below = st.add(nic, _attach, "eth0")
        below.set_up(True)
        nif = st.add(vlan.VLAN(below, 10), _attach, "eth0.10")
        nif.set_up(True)
        st.ip4.configure(nif, b"\x0a\0\0\2", b"\xff\xff\xff\0")
        nif.arp.add_static(b"\x0a\0\0\1", B)
        ping = bench.ip4(b"\x0a\0\0\1", b"\x0a\0\0\2", 1, bench.icmp(8, 0, data=bytes(500)))
        frame = A + B + b"\x81\0\0\x0a\x08\0" + ping
        before = nic.sent
        _measure(st, nic, frame)
        assert nic.sent - before == 3 * COUNT and nic.out[12:16] == b"\x81\0\0\x0a"
        _measure(st, nic, A + B + b"\x81\0\0\x0b\x08\0" + ping)
        assert nic.sent - before == 3 * COUNT

    _both(run)


def _router(translated):
    """What a router does with flows that it knows, with SYNs, pings and martians."""

    def run():
        st = _stack()
        router = forward.attach(st, 4)
        nics = [NIC(b"\x02\0\0\0\0" + bytes((i,))) for i in range(2)]
        for i, nic in enumerate(nics):
            nif = st.add(nic, _attach, "eth%d" % i)
            nif.set_up(True)
            st.ip4.configure(nif, bytes((10, i, 0, 254)), b"\xff\xff\xff\0")
            nif.arp.add_static(bytes((10, i, 0, 1)), (A, B)[i])
        if translated:
            nat.attach(router, st.nifs[1])
            rules = filter.attach(router)
            rules.add(filter.DROP, proto=17, dport=7)
            rules.add(filter.PASS, dst=(b"\x0a\1\0\1", 32))
        for proto, payload in (
            (17, bench.udp(b"\x0a\0\0\1", b"\x0a\1\0\1", 5, 6, bytes(900))),
            (
                6,
                bench.tcp(b"\x0a\0\0\1", b"\x0a\1\0\1", 5, 6, 1, 1, "S", opts=bench.opt_mss(2000)),
            ),
            (1, bench.icmp(8, 0, data=bytes(10))),
        ):
            before = nics[1].sent
            packet = bench.ip4(b"\x0a\0\0\1", b"\x0a\1\0\1", proto, payload)
            _measure(st, nics[0], bench.eth(nics[0].mac, A, bench.IPV4, packet))
            assert nics[1].sent - before == 3 * COUNT
            assert nics[1].out[0:6] == B
        packet = bench.ip4(b"\xc0\0\2\1", b"\x0a\1\0\1", 17, bytes(100))
        _measure(st, nics[0], bench.eth(nics[0].mac, A, bench.IPV4, packet))

    _both(run)


def _router6(filtered):
    """The same over IPv6; packets that are in an extension header, too long or too old as well."""

    def run():
        st = _stack()
        ip = ipv6.attach(st)
        router = forward6.attach(st, 4)
        nics = [NIC(b"\x02\0\0\0\0" + bytes((i,))) for i in range(2)]
        nets = [ip6("2001:db8:0:%d::1" % i) for i in range(2)]
        for i, nic in enumerate(nics):
            nif = st.add(nic, _attach, "eth%d" % i)
            nif.v6.transmits = 0
            nif.set_up(True)
            ip.add(nif, ip6("2001:db8:0:%d::fe" % i), 64)
            nif.v6.nd.add_static(nets[i], (A, B)[i])
        if filtered:
            rules = filter.attach(forward.attach(st, 4))
            filter6.attach(rules, router)
            rules.add(filter.DROP, proto=17, dport=7)
            rules.add(filter.PASS, dst=(nets[1], 128))
        for ms in range(0, 20000, 100):  # what groups and routers are told in the beginning
            st.poll(ms)
        src, dst = nets
        segment = bench.tcp(src, dst, 5, 6, 1, 1, "S", opts=bench.opt_mss(2000))
        for proto, payload in (
            (17, bench.udp(src, dst, 5, 6, bytes(900))),
            (6, segment),
            (58, icmp6(src, dst, 128, data=bytes(10))),
            (60, b"\x06\0\1\4\0\0\0\0" + segment),
        ):
            before = nics[1].sent
            _measure(st, nics[0], _frame6(nics[0], ipv6_packet(src, dst, proto, payload)))
            assert nics[1].sent - before >= 3 * COUNT
        for packet in (
            ipv6_packet(ip6("2001:db9::1"), dst, 17, bytes(100)),
            ipv6_packet(src, dst, 17, bytes(100), hops=1),
            ipv6_packet(src, dst, 17, bytes(1461)),
        ):
            _measure(st, nics[0], _frame6(nics[0], packet))

    _both(run)


def _frame6(nic, packet):
    return bench.eth(nic.mac, A, IPV6, packet)


def test_router6():
    _router6(False)


def test_filter6():
    _router6(True)


def test_router():
    _router(False)


def test_nat_and_filter():
    _router(True)


bench.run_tests(globals())
