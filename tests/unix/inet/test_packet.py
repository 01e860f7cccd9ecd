# lib: transport/packet.py, link/vlan.py
# Packet sockets: frames both ways, and what they cost when there are none.

import bench
import netstack
import struct
from packets import Packet, eth, group_mac, ip6

packet = bench.optional("transport.packet")
vlan = bench.optional("link.vlan")

ALL = 3
IPV4 = 0x0800
TEST = 0x88B5  # IEEE 802: for local experiments


class Host:
    def __init__(self, kind=3, proto=ALL, **kw):
        self.p = p = bench.peer(**kw)
        p.greet()
        self.packets = packet.attach(p.st)
        assert packet.attach(p.st) is self.packets
        self.e = self.open(kind, proto)

    def open(self, kind=3, proto=ALL):
        e = self.packets.open(kind, proto)
        bench.at_end(e.close)
        return e

    def recv(self, e=None):
        """(frame, (interface, ethertype, kind, link type, link address))"""
        e = e or self.e
        buf = bytearray(1600)
        n = e.recv(buf, 0, 1600)
        return (bytes(buf[:n]), e.name(True)) if n >= 0 else None

    def all(self, e=None):
        found = []
        got = self.recv(e)
        while got:
            found.append(got)
            got = self.recv(e)
        return found


def test_both_ways():
    # ETH_P_ALL: what comes and what goes, beside those who handle it
    h = Host()
    for i in range(3):
        ping = h.p.ping_frame(1, i, b"data")
        h.p.send(ping)
        answer = h.p.expect("icmp", type=0, seq=i).frame
        us, mac = h.p.nic.mac, h.p.mac
        assert h.all() == [
            (ping, ("eth0", IPV4, packet.HOST, 1, mac)),
            (answer, ("eth0", IPV4, packet.OUTGOING, 1, us)),
        ]


def test_kinds():
    h = Host()
    group = group_mac(ip6("ff02::9"))
    for dst, kind in (
        (h.p.nic.mac, packet.HOST),
        (b"\xff" * 6, packet.BROADCAST),
        (group, packet.MULTICAST),
        (b"\2\7\7\7\7\7", packet.OTHERHOST),
    ):
        h.p.send(eth(dst, h.p.mac, TEST, bytes(46)))
        ((frame, (_, ethertype, got, _, _)),) = h.all()
        assert (ethertype, got, frame[:6]) == (TEST, kind, dst)


def test_one_ethertype():
    # Of one type it gets what comes alone (as on Linux); SOCK_DGRAM has no headers
    h = Host(2, TEST)
    other = h.open(3, IPV4)
    h.p.send(eth(h.p.nic.mac, h.p.mac, TEST, b"experiment"))
    h.p.ping()
    h.p.expect("icmp", type=0)
    assert [data for data, _ in h.all()] == [b"experiment"]
    assert [name[2] for _, name in h.all(other)] == [packet.HOST]


def test_sends():
    h = Host()
    other = h.open()
    assert h.e.send(bytes(20), 0, 20) == -6  # ENXIO: by which interface?
    with bench.inside(h.p.st):
        h.e.bind(h.p.nif, None, 0)
        frame = eth(h.p.mac, b"\2\6\6\6\6\6", TEST, b"whole")
        h.p.nic.tx, sent = None, []
        h.p.nic.tx = sent.append
        assert h.e.send(frame, 0, len(frame)) == len(frame)
        assert sent == [frame]
        assert h.e.send(frame, 0, 13) == -22 and h.e.send(bytes(1515), 0, 1515) == -90
        h.e.type = 2
        assert h.e.send(b"data", 0, 4, None, h.p.mac, TEST) == 4
        assert sent[1:] == [eth(h.p.mac, h.p.nic.mac, TEST, b"data")]
        assert h.e.send(b"data", 0, 4) == -22
        h.p.nif.set_up(False)
        assert h.e.send(b"data", 0, 4, None, h.p.mac, TEST) == -100
        h.p.nif.set_up(True)
    assert [name[2] for _, name in h.all(other)] == [packet.OUTGOING] * 2
    assert h.e.name(None)[:2] == ("eth0", ALL)


def test_ring_is_bounded():
    h = Host()
    for _ in range(20):
        h.p.send(eth(h.p.nic.mac, h.p.mac, TEST, bytes(1000)))
    assert h.p.st.stats()["packet"]["in_full"] > 10
    assert 3 <= len(h.all()) <= 6


def test_frames_of_every_length():
    h = Host()
    for n in list(range(0, 70)) + [1513, 1514]:
        frame = bytes(i & 254 for i in range(n))
        h.p.send(frame)
        assert [data for data, _ in h.all()] == ([frame] if n >= 14 else []), n
    h.p.take()


def test_fast_path_comes_back():
    # Nothing is left of a socket that is closed
    h = Host()
    nif = h.p.nif
    before = h.p.st.stats()["fast"]["in"]
    for i in range(4):
        h.p.ping(1, i)
    assert h.p.st.stats()["fast"]["in"] == before
    h.e.close()
    h.e.close()
    assert nif.send == h.p.nic.send and "_ordinary" not in nif.__dict__
    for i in range(4):
        h.p.ping(1, i)
    assert len(h.p.take()) == 8
    if netstack.fastpath:
        assert h.p.st.stats()["fast"]["in"] > before


def test_tapped_once():
    h = Host()
    others = [h.open() for _ in range(3)]
    for e in others:
        e.close()
    h.p.send(eth(h.p.nic.mac, h.p.mac, TEST, b"x"))
    assert len(h.all()) == 1
    h.e.nif = h.p.host.lo  # which has no frames
    h.p.send(eth(h.p.nic.mac, h.p.mac, TEST, b"x"))
    assert not h.all()
    bench.raises(19, h.packets.find, "lo")
    bench.raises(19, h.packets.find, "eth7")
    bench.raises(22, h.packets.open, 3, 65536)


def test_vlan():
    # Of an interface on another one: its frames alone, without the tag
    from netstack.link import arp, ethernet

    def attach(nif):
        ethernet.attach(nif)
        arp.attach(nif)

    h = Host()
    h.e.close()
    nif = h.p.st.add(vlan.VLAN(h.p.nif, 5), attach, "eth0.5")
    with bench.inside(h.p.st):
        nif.set_up(True)
    h.p.host.settled()
    h.e = h.open()
    h.e.nif = nif
    below = h.open()
    below.nif = h.p.nif
    plain = eth(nif.mac, h.p.mac, TEST, b"within the VLAN")
    whole = plain[:12] + b"\x81\0\0\5" + plain[12:]
    h.p.send(whole)
    h.p.send(eth(nif.mac, h.p.mac, TEST, b"outside"))
    with bench.inside(h.p.st):
        answer = eth(h.p.mac, nif.mac, TEST, b"answer")
        assert h.e.send(answer, 0, len(answer)) == len(answer)
    assert h.all() == [
        (plain, ("eth0.5", TEST, packet.HOST, 1, h.p.mac)),
        (answer, ("eth0.5", TEST, packet.OUTGOING, 1, nif.mac)),
    ]
    seen = [(len(data), name[1]) for data, name in h.all(below)]
    assert seen == [(33, 0x8100), (21, TEST), (24, 0x8100)], seen
    h.p.take()


def test_arp_by_hand():
    # A program that does what the stack does not
    h = Host(3, 0x0806)
    h.p.take()
    with bench.inside(h.p.st):
        h.e.bind(h.p.nif, None, 0x0806)
        sha = h.p.nic.mac
        body = struct.pack("!HHBBH", 1, IPV4, 6, 4, 1) + sha + h.p.host.addr + bytes(6) + h.p.addr
        frame = eth(b"\xff" * 6, sha, 0x0806, body)
        h.e.send(frame, 0, len(frame))
    h.p.poll()
    ((answer, name),) = h.all()
    assert Packet(answer).sha == h.p.mac and name == ("eth0", 0x0806, 0, 1, h.p.mac)


bench.run_tests(globals())
