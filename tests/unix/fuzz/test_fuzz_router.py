# lib: inet/forward_fast.py, inet/forwarding.py, inet/forward.py, inet/nat.py, inet/filter.py
# lib: link/vlan.py, link/bridge.py
# Bad input for what forwards: routers with NAT and a filter, VLANs, a bridge. Two of each get the
# same frames, one without the fast path: what leaves and what is counted is the same, nothing
# leaves poll() as an exception, the pool is full again, tables stay within their fences, and what
# is right goes on as before. All follows from the seed that a failure prints.

import bench
import fence
from hosts import NIC
from mutate import mutate
from netstack.core.stack import Stack
from netstack.inet import icmpv4, ipv4
from netstack.link import arp, ethernet
from alike import Pair
from routernet import Net, addr

bridge = bench.optional("link.bridge")
vlan = bench.optional("link.vlan")
filter = bench.optional("inet.filter")
bench.optional("inet.nat")

fence.up()
ROUNDS = 6000 if bench.UNIX else 500
MAPPINGS = 12
FAR = b"\xc0\0\2\1"


def _router(nat, rules):
    n = Net(3, flows=16, mtus=(1500, 1500, 700))
    n.router.redirects = False  # the fast path sends none: a flow's first packet has done that
    n.route(FAR[:3] + b"\0", 24, addr(1, 2))
    if nat:
        n.translate(size=MAPPINGS, ports=(30000, 30040))
        with bench.inside(n.st):
            n.nat.forward(6, 80, addr(0, 2), 8080)
            n.nat.forward(17, 53, addr(2, 1), 53)
    if rules:
        f = filter.attach(n.router)
        f.add(filter.DROP, proto=17, dport=(7, 9))
        f.add(filter.REJECT, dst=(addr(2), 32), proto=6, kind=(None, None, True))
        f.add(filter.PASS, src=(addr(0), 24))
        f.add(filter.DROP, proto=1, kind=(n.nifs[2], None, False))
    return n


def _valid(n, rnd, net):
    """A frame that is right, of any kind that a router meets."""
    src = rnd.choice((addr(net), addr(net, 2), addr(net, 3)))
    dst = rnd.choice((addr(0), addr(1), addr(2, 2), FAR, addr(1, 254), addr(net, 254), addr(1, 9)))
    if net == 1 and rnd.below(2):
        dst = addr(1, 254)  # an answer
    over = {
        "src": src,
        "dst": dst,
        "ttl": rnd.choice((64, 64, 64, 2, 1)),
        "flags": rnd.below(2) * 2,
    }
    port = rnd.choice((7, 53, 80, 30000 + rnd.below(41), 1000 + rnd.below(4)))
    data = bytes(rnd.choice((0, 1, 10, 400, 900)))
    kind = rnd.below(6)
    if kind < 2:
        return n.udp(
            net, port, rnd.choice((7, 53, port)), data, csum=rnd.choice((None, 0)), **over
        )
    if kind < 4:
        return n.tcp(
            net, rnd.choice(("A", "PA", "S", "SA", "FA", "R")), port, 80, data=data, **over
        )
    if kind == 4:
        return n.frame(net, 1, bench.icmp(rnd.choice((0, 8, 13)), 0, b"\0\1\0\2", data), **over)
    quote = bench.ip4(dst, src, 17, bench.udp(dst, src, 53, port, b"quoted"))
    return n.frame(net, 1, bench.icmp(rnd.choice((3, 4, 11, 12)), 1, bytes(4), quote), **over)


def _fragments(n, rnd, net):
    """Of a frame, two parts, the first or the second of which may be missing."""
    payload = bytes(rnd.below(256) for _ in range(64))
    parts = []
    for at, more in ((0, 1), (32, 0)):
        over = {"flags": more, "frag": at >> 3, "ident": rnd.below(3)}
        parts.append(n.frame(net, 17, payload[at : at + 32], dst=FAR, **over))
    return parts


def _storm(seed, nat, rules):
    p = Pair(seed, lambda: _router(nat, rules))
    rnd = p.rnd
    n = p.two[0]
    for i in range(ROUNDS):
        net = rnd.below(3)
        frame = _valid(n, rnd, net)
        what = rnd.below(8)
        if what == 0:
            frame = mutate(rnd, frame, _valid(n, rnd, net))
        elif what == 1:
            frame = bench.mend(mutate(rnd, frame, _valid(n, rnd, net)))
        elif what == 2:
            frame = frame[: rnd.below(len(frame))]
        elif what == 3:
            for part in _fragments(n, rnd, net):
                if rnd.below(4):
                    p.send(net, part)
        for _ in range(rnd.choice((1, 1, 2, 4))):
            p.send(net, frame)
        if rnd.below(30) == 0:
            p.advance(rnd.choice((300, 300, 700)))
        if rnd.below(900) == 0:
            p.advance(400000)  # mappings are over
        if nat:
            assert len(n.nat.mappings()) <= MAPPINGS
    _goes_on(p, nat)
    p.same(ROUNDS // 40)


def _goes_on(p, nat):
    """All is as before."""
    for _ in range(40):
        p.advance(10000)
    n = p.two[0]
    for _ in range(3):
        sent = p.send(2, n.udp(2, 1234, 99, b"still there", src=addr(2, 1), dst=addr(0)))
        packets = [bench.Packet(frame) for frame in sent[0]]
        assert [packet.data for packet in packets if packet.kind == "udp"] == [b"still there"]
    for each in p.two:
        assert each.st.reassembly.used == 0 and each.st.spent <= each.st.budget
        for name in ("ipv4", "router"):
            assert each.stat("in" if name == "ipv4" else "forwarded", name)


def test_router():
    _storm(1, False, False)


def test_filter():
    _storm(2, False, True)


def test_nat():
    _storm(3, True, False)


def test_nat_and_filter():
    _storm(4, True, True)


def test_random_bytes():
    # Behind an Ethernet header, and behind an IPv4 header that is right
    p = Pair(5, lambda: _router(True, True))
    rnd = p.rnd
    n = p.two[0]
    for _ in range(ROUNDS):
        net = rnd.below(3)
        data = rnd.bytes(rnd.below(80))
        if rnd.below(2):
            frame = bench.eth(n.nics[net].mac, bytes(6), bench.IPV4, data)
        else:
            proto = rnd.choice((1, 6, 17, 17, rnd.below(256)))
            dst = rnd.choice((addr(0), addr(1), FAR, addr(1, 254)))
            frame = n.frame(net, proto, data, dst=dst, frag=rnd.choice((0, 0, 0, rnd.below(8192))))
        p.send(net, frame)
        if rnd.below(40) == 0:
            p.advance(300)
    _goes_on(p, True)


class Switch:
    """A bridge of three ports, eth0 to eth2, with a host and a VLAN of its own."""

    def __init__(self):
        self.clock = bench.Clock()
        self.st = st = Stack(256 * 1024, self.clock, 1)
        ipv4.attach(st)
        icmpv4.attach(st)
        self.bridge = bridge.Bridge(st, size=16)
        self.nics = []
        self.sent = []
        for i in range(3):
            nic = NIC(b"\x02\0\0\0\0" + bytes((i,)))
            sent = []
            nic.tx = sent.append
            self.nics.append(nic)
            self.sent.append(sent)
            self.bridge.add(nic)
        self._host(self.bridge, "br0", b"\x0a\0\0\2")
        self._host(vlan.VLAN(st.nifs[-1], 10), "br0.10", b"\x0a\1\0\2")
        bench.at_end(self.end)

    def _host(self, nic, name, address):
        nif = self.st.add(nic, self._attach, name)
        nif.set_up(True)
        with bench.inside(self.st):
            self.st.ip4.configure(nif, address, b"\xff\xff\xff\0")

    def _attach(self, nif):
        ethernet.attach(nif)
        arp.attach(nif)

    def clear(self):
        for sent in self.sent:
            sent.clear()

    def poll(self):
        for _ in range(200):
            wait = self.st.poll(self.clock())
            if wait and not any(nic.rx for nic in self.nics):
                return
        raise AssertionError("no rest")

    def end(self):
        self.bridge.flush()
        with bench.inside(self.st):
            for nif in self.st.nifs:
                if hasattr(nif, "arp"):
                    nif.arp.flush()
        pool = self.st.pool
        assert pool.left == pool.count, "%d of %d frames left" % (pool.left, pool.count)


def _frame(n, rnd):
    def station():
        return b"\x02\0\0\0\1" + bytes((rnd.below(20),))

    src = station()
    dst = rnd.choice((station(), station(), n.bridge.mac, bench.BROADCAST))
    net = rnd.below(2)
    ours, peer = bytes((10, net, 0, 2)), bytes((10, net, 0, 1))
    packet = rnd.choice(
        (
            bench.ip4(peer, ours, 1, bench.icmp(8, 0, b"\0\1\0\2", bytes(rnd.below(600)))),
            bytes(rnd.below(1500)),
        )
    )
    frame = bench.eth(dst, src, bench.IPV4, packet)
    if rnd.below(3) == 0:
        vid = rnd.choice((0, 10, 11, 4095, rnd.below(65536)))
        frame = frame[:12] + b"\x81\0" + bytes((vid >> 8, vid & 255)) + frame[12:]
    return frame


def test_bridge_and_vlan():
    p = Pair(6, Switch)
    rnd = p.rnd
    n = p.two[0]
    for _ in range(ROUNDS):
        frame = _frame(n, rnd)
        what = rnd.below(6)
        if what == 0:
            frame = mutate(rnd, frame, _frame(n, rnd))
        elif what == 1:
            frame = frame[: rnd.below(len(frame))]
        p.send(rnd.below(3), frame)
        if rnd.below(50) == 0:
            p.advance(rnd.choice((500, 5000, 400000)))
        assert len(n.bridge.entries()) <= 16
    p.advance(1000)
    peer, ours = b"\x0a\1\0\1", b"\x0a\1\0\2"
    who = bench.arp(1, b"\x02\0\0\0\1\1", peer, bytes(6), ours)
    ask = bench.eth(bench.BROADCAST, b"\x02\0\0\0\1\1", bench.ARP, who)
    p.send(1, ask[:12] + b"\x81\0\0\x0a" + ask[12:])
    ping = bench.ip4(peer, ours, 1, bench.icmp(8, 0, b"\0\1\0\2", b"still there"))
    ping = bench.eth(n.bridge.mac, b"\x02\0\0\0\1\1", bench.IPV4, ping)
    sent = p.send(1, ping[:12] + b"\x81\0\0\x0a" + ping[12:])
    assert len(sent[1]) == 1 and sent[1][0].endswith(b"still there")
    p.same(ROUNDS // 20)


bench.run_tests(globals())
