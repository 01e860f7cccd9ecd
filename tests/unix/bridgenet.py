# A bridge of some ports with a host on it, for the tests of what is in link/bridge.py.

import bench
from hosts import NIC
from netstack.core.stack import Stack
from netstack.inet import icmpv4, ipv4
from netstack.link import arp, ethernet

bridge = bench.optional("link.bridge")

STATIONS = [b"\x02\0\0\0\1" + bytes((i,)) for i in range(8)]
GROUP = b"\x01\0\x5e\1\2\3"


def _attach(nif):
    ethernet.attach(nif)
    arp.attach(nif)


class Net:
    """A bridge of some ports with a host, 10.0.0.2, on it; sent[i]: what has left by port i."""

    def __init__(self, ports=3, size=64, mtu=1500, **kw):
        self.clock = bench.Clock()
        self.st = Stack(256 * 1024, self.clock, 1)
        ipv4.attach(self.st)
        icmpv4.attach(self.st)
        self.bridge = bridge.Bridge(self.st, size=size, **kw)
        self.nics = []
        self.sent = []
        self.ports = [self.port(b"\x02\0\0\0\0" + bytes((i,)), mtu) for i in range(ports)]
        self.nif = self.st.add(self.bridge, _attach, "br0")
        self.nif.set_up(True)
        self.st.ip4.configure(self.nif, b"\x0a\0\0\2", b"\xff\xff\xff\0")
        self.mac = self.bridge.mac
        self.clear()
        for _, counters in self.st.names.values():  # the host has announced itself
            for i in range(len(counters)):
                counters[i] = 0
        bench.at_end(self.end)

    def port(self, mac, mtu=1500):
        nic = NIC(mac, mtu)
        sent = []
        nic.tx = sent.append
        self.nics.append(nic)
        self.sent.append(sent)
        return self.bridge.add(nic)

    def clear(self):
        for sent in self.sent:
            sent.clear()

    def queue(self, port, frame):
        self.nics[port].rx.append(bytes(frame))

    def poll(self):
        for _ in range(100):
            wait = self.st.poll(self.clock())
            if wait and not any(nic.rx for nic in self.nics):
                return wait
        raise AssertionError("no rest")

    def send(self, port, frame):
        """Put a frame on the wire of a port; the ports by which it has left again."""
        self.clear()
        self.queue(port, frame)
        self.poll()
        out = []
        for i, sent in enumerate(self.sent):
            for got in sent:
                if bytes(got) == bytes(frame):
                    out.append(i)
        return out

    def stat(self, name):
        return self.st.stats()["br0.bridge"][name]

    def advance(self, ms):
        while ms:
            step = min(ms, 500)
            self.clock.ms += step
            ms -= step
            self.poll()

    def end(self):
        with bench.inside(self.st):
            self.bridge.flush()
            self.nif.arp.flush()
        for nic in self.nics:
            nic.busy = 0
        self.poll()
        pool = self.st.pool
        assert pool.left == pool.count, "%d of %d frames left" % (pool.left, pool.count)
        assert self.st.nomem == 0


def frame(dst, src, n=60, ethertype=0x88B5):
    return bench.eth(dst, src, ethertype, bytes(i & 255 for i in range(n - 14)))
