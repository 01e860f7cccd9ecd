# A router between networks, for the tests of what forwards: eth<i> is 10.<i>.0.254/24, with the
# neighbour 10.<i>.0.1, and sent[i] what has left by it.

import bench
from hosts import NIC
from netstack.core.stack import Stack
from netstack.inet import fragment, icmpv4, ipv4, reassembly, routes
from netstack.link import arp, ethernet, loopback
from netstack.transport import udp

bench.optional("inet.forwarding")
bench.optional("inet.forward_fast")
forward = bench.optional("inet.forward")


def _attach(nif):
    ethernet.attach(nif)
    arp.attach(nif)


def addr(net, host=1):
    return bytes((10, net, 0, host))


def station(net, host=1):
    return bytes((2, 0, 0, net, 0, host))


class Net:
    def __init__(self, networks=2, flows=64, mtus=(), seed=1, **kw):
        self.nics = []
        self.nifs = []
        self.sent = []
        self.nat = None
        self.clock = bench.Clock()
        self.st = st = Stack(256 * 1024, self.clock, seed)
        ipv4.attach(st)
        icmpv4.attach(st)
        fragment.attach(st)
        reassembly.attach(st)
        udp.attach(st)
        self.router = forward.attach(st, flows)
        self.begin(flows)
        lo = st.add(loopback.Loopback(), loopback.attach, "lo")
        lo.set_up(True)
        st.ip4.configure(lo, b"\x7f\0\0\1", b"\xff\0\0\0")
        for i in range(networks):
            self.add(i, mtus[i] if i < len(mtus) else 1500)
        self.clear()
        bench.at_end(self.end)

    def begin(self, flows):
        """What else the stack has."""

    def add(self, net, mtu=1500):
        nic = NIC(bytes((2, 0, 0, net, 0, 254)), mtu)
        sent = []
        nic.tx = sent.append
        self.nics.append(nic)
        self.sent.append(sent)
        nif = self.st.add(nic, _attach, "eth%d" % net)
        self.nifs.append(nif)
        with bench.inside(self.st):
            nif.set_up(True)
            self.st.ip4.configure(nif, addr(net, 254), b"\xff\xff\xff\0")
            for host in (1, 2, 3):
                nif.arp.add_static(addr(net, host), station(net, host))

    def route(self, net, bits, gw, **kw):
        """A static route to net/bits by the router `gw`."""
        table = routes.attach(self.st)
        table.add("test", net, bits, gw, self.st.ip4.route(gw, 0), **kw)
        return table

    def clear(self):
        for sent in self.sent:
            sent.clear()

    def loop(self, net, host=2):
        """Have a neighbour send back what it gets: a router whose route leads here."""
        nic, sent, mac = self.nics[net], self.sent[net], station(net, host)

        def back(frame):
            sent.append(frame)
            if frame[:6] == mac:
                nic.rx.append(nic.mac + mac + frame[12:])

        nic.tx = back

    def poll(self):
        for _ in range(200):
            wait = self.st.poll(self.clock())
            if wait and not any(nic.rx for nic in self.nics):
                return wait
        raise AssertionError("no rest")

    def frame(self, net, proto, payload, src=None, dst=None, dst_mac=None, host=1, **over):
        packet = bench.ip4(src or addr(net, host), dst or addr(1 - net), proto, payload, **over)
        return bench.eth(dst_mac or self.nics[net].mac, station(net, host), bench.IPV4, packet)

    def udp(
        self, net, sport=1000, dport=2000, data=b"data", src=None, dst=None, csum=None, **over
    ):
        src = src or addr(net, over.get("host", 1))
        dst = dst or addr(1 - net)
        return self.frame(
            net, 17, bench.udp(src, dst, sport, dport, data, csum=csum), src, dst, **over
        )

    def tcp(self, net, bits, sport=1000, dport=80, src=None, dst=None, data=b"", opts=b"", **over):
        src = src or addr(net, over.get("host", 1))
        dst = dst or addr(1 - net)
        segment = bench.tcp(src, dst, sport, dport, 1, 1, bits, 1000, data, opts)
        return self.frame(net, 6, segment, src, dst, **over)

    def send(self, net, *frames):
        """Let frames come in by eth<net>; what leaves: [(net, Packet)]."""
        self.clear()
        for frame in frames:
            self.nics[net].rx.append(bytes(frame))
        self.poll()
        return self.take()

    def take(self):
        found = [(i, bench.Packet(frame)) for i, sent in enumerate(self.sent) for frame in sent]
        self.clear()
        return found

    def one(self, net, frame):
        """The single frame that leaves when this one has come in."""
        found = self.send(net, frame)
        assert len(found) == 1, found
        return found[0]

    def none(self, net, frame, counter=None):
        before = self.st.stats()
        found = self.send(net, frame)
        assert not found, found
        if counter:
            group, _, name = counter.rpartition(".")
            moved = self.st.stats()[group][name] - before[group][name]
            assert moved == 1, "%s has moved by %d" % (counter, moved)

    def stat(self, name, group="router"):
        return self.st.stats()[group][name]

    def advance(self, ms):
        while ms:
            step = min(ms, 500)
            self.clock.ms += step
            ms -= step
            self.poll()

    def translate(self, **kw):
        """Have NAT on eth1: 10.0.0.x inside becomes 10.1.0.254."""
        with bench.inside(self.st):
            self.nat = bench.optional("inet.nat").attach(self.router, self.nifs[1], **kw)
        return self.nat

    def end(self):
        if self.nat:
            self.nat._timer.stop()
        for nic in self.nics:
            nic.busy = nic.fail = 0
        self.poll()
        with bench.inside(self.st):
            for nif in self.nifs:
                nif.arp.flush()
            self.st.reassembly.flush()
        pool = self.st.pool
        assert pool.left == pool.count, "%d of %d frames left" % (pool.left, pool.count)
        assert self.st.nomem == 0
