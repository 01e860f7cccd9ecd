# An IPv6 router between networks, for the tests of what forwards: eth<i> is 2001:db8:0:<i>::fe/64,
# with the neighbours 2001:db8:0:<i>::1 to ::3, and sent[i] what has left by it. See routernet.py.

import bench
import routernet
from packets import IPV6, icmp6, ip6, ipv6
from netstack.inet import fragment6, ipv6 as six

bench.optional("inet.forward6_fast")
forward6 = bench.optional("inet.forward6")
UNREACHABLE, TOO_BIG, EXCEEDED, PARAMETER = 1, 2, 3, 4
STATIONS = (1, 2, 3)
station = routernet.station


def addr(net, host=1):
    return ip6("2001:db8:0:%x::%x" % (net, host))


def link(net, host=1):
    return ip6("fe80::%x:%x" % (net, host))


class Net6(routernet.Net):
    """`router` is the IPv6 router here; that for IPv4 is `router4`."""

    def begin(self, flows):
        self.ip = six.attach(self.st)
        fragment6.Fragmentation6(self.ip)
        self.router4 = self.router
        self.router = forward6.attach(self.st, flows)

    def add(self, net, mtu=1500):
        super().add(net, mtu)
        nif = self.nifs[-1]
        with bench.inside(self.st):
            nif.v6.transmits = 0
            for entry in list(nif.v6.list):
                self.ip.remove(nif, entry)
            self.ip.add(nif, link(net, 254), 64)
            self.ip.add(nif, addr(net, 254), 64)
            for host in STATIONS:
                nif.v6.nd.add_static(addr(net, host), station(net, host))
                nif.v6.nd.add_static(link(net, host), station(net, host))
        for _ in range(8):  # what MLD tells, twice
            self.advance(400)

    def route(self, net, bits, gw, nif=None, **kw):
        nif = self.nifs[nif] if nif is not None else self.ip.route(gw, 0)
        with bench.inside(self.st):
            made = self.ip.routes.add_static(net, bits, nif, gw, **kw)
        assert made
        return made

    def frame(self, net, proto, payload, src=None, dst=None, dst_mac=None, host=1, **over):
        packet = ipv6(src or addr(net, host), dst or addr(1 - net), proto, payload, **over)
        return bench.eth(dst_mac or self.nics[net].mac, station(net, host), IPV6, packet)

    def udp(
        self, net, sport=1000, dport=2000, data=b"data", src=None, dst=None, csum=None, **over
    ):
        src = src or addr(net, over.get("host", 1))
        dst = dst or addr(1 - net)
        datagram = bench.udp(src, dst, sport, dport, data, csum=csum)
        return self.frame(net, 17, datagram, src, dst, **over)

    def tcp(self, net, bits, sport=1000, dport=80, src=None, dst=None, **over):
        src = src or addr(net, over.get("host", 1))
        return super().tcp(net, bits, sport, dport, src, dst or addr(1 - net), **over)

    def icmp(self, net, type, code=0, rest=bytes(4), data=b"", src=None, dst=None, **over):
        src = src or addr(net, over.get("host", 1))
        dst = dst or addr(1 - net)
        return self.frame(net, 58, icmp6(src, dst, type, code, rest, data), src, dst, **over)

    def na(self, net, host, to):
        """A neighbour's answer to the router."""
        target = addr(net, host)
        data = target + b"\2\1" + station(net, host)
        message = icmp6(target, to, 136, 0, b"\x60\0\0\0", data)
        packet = ipv6(target, to, 58, message, hops=255)
        return bench.eth(self.nics[net].mac, station(net, host), IPV6, packet)

    def stat(self, name, group="router6"):
        return super().stat(name, group)

    def end(self):
        with bench.inside(self.st):
            for nif in self.nifs:
                nif.v6.nd.flush()
        super().end()
