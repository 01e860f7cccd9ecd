# services/autoip.py: RFC 3927, alone and beside a DHCP client.

import bench
from netstack.services import autoip

MAC = b"\2\0\0\1\2\3"
OTHER = b"\2\0\0\x99\0\1"


class Setup:
    def __init__(self, mac=MAC, seed=1, with_dhcp=False, **kw):
        self.p = bench.peer(host_addr="0.0.0.0", auto_arp=False, mac=mac, seed=seed, **kw)
        self.st = self.p.st
        self.nif = self.p.nif
        self.auto = autoip.attach(self.nif)
        self.dhcp = None
        if with_dhcp:
            from netstack.services import dhcp

            self.dhcp = dhcp.attach(self.nif)
        self.p.take()
        self.p.host.settled()
        bench.at_end(self.end)

    def end(self):
        self.call(self.auto.stop)
        if self.dhcp:
            self.call(self.dhcp.stop)
            self.p.advance(110000)  # it keeps the lease in mind until that has run out
        self.p.take()

    def call(self, function):
        with bench.inside(self.st):
            function()
        self.p.poll()

    def arps(self):
        """(sender, target) of what was sent; all of it to everybody (RFC 3927 2.5)."""
        found = []
        for packet in self.p.take():
            if packet.kind == "arp":
                assert packet.dst_mac == bench.BROADCAST
                found.append((packet.spa, packet.tpa))
        return found

    def claim(self, addr, spa=None):
        """Another station says that the address is its own; with `spa` 0, it probes for it."""
        self.p.send(self.p.arp_frame(1, spa=addr if spa is None else spa, tpa=addr, sha=OTHER))

    def bound(self):
        self.p.advance(9000)
        self.arps()
        assert self.auto.bound
        return bytes(self.nif.v4.addr)


def test_alone():
    # 2.2.1: three probes within 0 to 1, 1 to 2, 1 to 2 seconds; 2 seconds; two announcements
    s = Setup()
    s.call(s.auto.start)
    s.p.expect_nothing()
    s.p.advance(1000)
    (probe,) = s.arps()
    addr = probe[1]
    assert probe[0] == bytes(4)
    assert addr[:2] == b"\xa9\xfe" and 1 <= addr[2] <= 254
    moments = []
    for ms in range(0, 9000, 10):
        s.p.advance(10)
        for arp in s.arps():
            moments.append((ms, arp))
    kinds = [arp for _, arp in moments]
    assert kinds == [(bytes(4), addr)] * 2 + [(addr, addr)] * 2, moments
    times = [ms for ms, _ in moments]
    assert times[1] - times[0] <= 2010 and times[2] - times[1] >= 1980, times
    assert 1990 <= times[3] - times[2] <= 2010
    assert s.nif.v4.addr == addr and s.nif.v4.mask == b"\xff\xff\0\0" and s.auto.bound
    assert s.p.host.stat("eth0.autoip")["bound"] == 1
    s.call(s.auto.stop)
    assert not s.nif.v4.set


def test_same_host_same_address():
    # 2.1: from the link address, so that it is the same one each time
    found = []
    for mac, seed in ((MAC, 1), (MAC, 2), (OTHER, 1)):
        s = Setup(mac, seed)
        s.call(s.auto.start)
        found.append(s.bound())
    assert found[0] == found[1] != found[2]


def test_conflict_while_probing():
    # 2.2.1: a claim or another probe for it: the next one
    for spa in (None, bytes(4)):
        s = Setup()
        s.call(s.auto.start)
        s.p.advance(1000)
        ((_, first),) = s.arps()
        s.claim(first, spa)
        second = s.bound()
        assert second != first
        assert s.p.host.stat("eth0.autoip")["conflicts"] == 1


def test_too_many_conflicts():
    # 2.2.1: after ten of them one try a minute
    s = Setup()
    s.call(s.auto.start)
    seen = []
    for _ in range(3000):
        if len(seen) == 11:
            break
        s.p.advance(100)
        for _, addr in s.arps():
            if addr not in seen:
                seen.append(addr)
                s.claim(addr)
    s.p.advance(59000)
    assert s.arps() == []
    s.p.advance(3000)
    assert len(s.arps()) >= 1
    s.bound()


def test_defence():
    # 2.5 (b): defended once; who insists within ten seconds gets it
    s = Setup()
    s.call(s.auto.start)
    addr = s.bound()
    s.claim(addr)
    assert s.arps() == [(addr, addr)] and s.auto.bound
    s.p.advance(11000)
    s.claim(addr)
    assert s.arps() == [(addr, addr)] and s.auto.bound
    s.p.advance(3000)
    s.claim(addr)
    assert not s.nif.v4.set and s.p.host.stat("eth0.autoip")["lost"] == 1
    assert s.bound() != addr


def test_answers_go_to_all():
    # 2.5: so that whoever has the same address hears it
    s = Setup()
    s.call(s.auto.start)
    addr = s.bound()
    s.p.send(s.p.arp_frame(1, spa=bench.ip("169.254.9.9"), tpa=addr))
    assert s.arps() == [(addr, bench.ip("169.254.9.9"))]


def test_link_goes_and_comes():
    s = Setup()
    s.call(s.auto.start)
    addr = s.bound()
    s.p.nic.up = 0
    s.p.advance(1000)
    assert not s.nif.v4.set
    s.p.advance(5000)
    assert s.arps() == []
    s.p.nic.up = 1
    assert s.bound() == addr


def test_address_by_hand():
    # it gives way, and does not come back while that is there
    s = Setup()
    s.call(s.auto.start)
    s.bound()
    s.call(lambda: s.p.host.ip4.configure(s.nif, bench.ip("10.0.0.2"), bench.ip("255.255.255.0")))
    s.p.advance(20000)
    assert s.nif.v4.addr == bench.ip("10.0.0.2") and not s.auto.bound
    s.call(lambda: s.p.host.ip4.configure(s.nif, bytes(4), bytes(4)))
    s.bound()


def test_never_by_a_gateway():
    # 2.6.2: who has a gateway asks for a neighbour of that kind all the same
    p = bench.peer(gw="10.0.0.1")
    p.greet()
    far = bench.ip("169.254.7.7")
    p.addrs.append(far)
    with bench.inside(p.st):
        p.host.icmp4.echo(far, 1, 1, 0)
    p.poll()
    p.expect("icmp", type=8, dst=far, dst_mac=b"\2\1" + p.addr)
    assert (far, b"\2\1" + p.addr, "fresh") in p.host.arp.entries()


def _server(p, packet):
    """Answer a DHCP client: 10.0.0.7, from us."""
    message = packet.data
    options = message[240:]
    kind = options[options.find(b"\x35\1") + 2]
    if kind not in (1, 3):
        return
    reply = b"\2" + message[1:16] + bench.ip("10.0.0.7") + p.addr + bytes(4) + message[28:236]
    reply += b"\x63\x82\x53\x63\x35\1" + bytes((2 if kind == 1 else 5,))
    reply += b"\x36\4" + p.addr + b"\1\4\xff\xff\xff\0\x33\4\0\0\0\x64\xff"
    p.udp(67, 68, reply, dst=bench.ip("10.0.0.7"))


def test_beside_dhcp():
    # nobody answers: an address of our own; a server comes: its lease, by unicast to an address
    # that is not ours yet
    s = Setup(with_dhcp=True)
    s.call(s.dhcp.start)
    s.call(s.auto.start)
    s.p.advance(5000)
    assert not s.nif.v4.set
    for _ in range(60):
        s.p.advance(1000)
        if s.auto.bound:
            break
    assert s.auto.bound and s.nif.v4.addr[:2] == b"\xa9\xfe"
    s.p.take()
    for _ in range(600):
        s.p.advance(500)
        for packet in s.p.take():
            if packet.kind == "udp" and packet.dport == 67:
                assert packet.src == bytes(4)
                _server(s.p, packet)
        if s.dhcp.bound:
            break
    assert s.dhcp.bound and s.nif.v4.addr == bench.ip("10.0.0.7")
    s.p.advance(20000)
    assert s.nif.v4.addr == bench.ip("10.0.0.7") and not s.auto.bound


bench.run_tests(globals())
