# link/arp.py on the wire: RFC 826 packets, literal bytes, every length, every field that can lie.

import bench

REQUEST = (
    b"\xff\xff\xff\xff\xff\xff\x02\x01\x0a\x00\x00\x01\x08\x06"
    b"\x00\x01\x08\x00\x06\x04\x00\x01"
    b"\x02\x01\x0a\x00\x00\x01\x0a\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x02"
)
REPLY = (
    b"\x02\x01\x0a\x00\x00\x01\x02\x00\x0a\x00\x00\x02\x08\x06"
    b"\x00\x01\x08\x00\x06\x04\x00\x02"
    b"\x02\x00\x0a\x00\x00\x02\x0a\x00\x00\x02\x02\x01\x0a\x00\x00\x01\x0a\x00\x00\x01"
)


def _peer():
    p = bench.peer(auto_arp=False)
    p.take()  # the host has announced itself
    return p


def test_request_is_answered():
    for padding in (0, 18):
        p = _peer()
        p.send(REQUEST + bytes(padding))
        assert p.sent == [REPLY], p.sent
        p.sent.clear()


def test_build_request():
    p = _peer()
    with bench.inside(p.st):
        p.host.icmp4.echo(p.addr, 1, 1, 0)
    want = bytearray(REQUEST)
    want[6:12] = want[22:28] = p.nic.mac
    want[28:32] = p.host.addr
    want[38:42] = p.addr
    assert p.sent == [bytes(want)], p.sent
    p.sent.clear()


def test_round_trip():
    # Two stacks find each other.
    a, b, wire = bench.pair()
    with bench.inside(a.st):
        a.icmp4.echo(b.addr, 1, 1, 10)
    wire.run(100)
    assert a.stat("icmp4")["in_reply"] == 1
    assert (b.addr, b.mac, "fresh") in a.arp.entries()
    assert (a.addr, a.mac, "fresh") in b.arp.entries()


def test_every_truncation():
    p = _peer()
    for n in range(14, len(REQUEST)):
        p.expect_drop(REQUEST[:n], "eth0.arp.in_bad")
    assert p.host.arp.entries() == []


def test_fields_that_lie():
    p = _peer()
    lies = ({"hw": 0}, {"hw": 6}, {"hw": 0x101}, {"proto": 0x806}, {"proto": 0x86DD}, {"proto": 0})
    lies += ({"hlen": 0}, {"hlen": 8}, {"hlen": 255}, {"plen": 0}, {"plen": 16}, {"plen": 255})
    lies += tuple({"op": op} for op in (0, 3, 4, 8, 9, 0x101, 0xFFFF))
    for lie in lies:
        p.expect_drop(p.arp_frame(**lie), "eth0.arp.in_bad")
    assert p.host.arp.entries() == []


def test_senders_that_cannot_be():
    # a group as hardware address (RFC 1812 3.3.2), a group or broadcast as protocol address
    p = _peer()
    for op in (1, 2):
        for sha in ("ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01"):
            p.expect_drop(p.arp_frame(op, sha=bench.mac(sha)), "eth0.arp.in_bad")
        for spa in ("224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"):
            p.expect_drop(p.arp_frame(op, spa=bench.ip(spa)), "eth0.arp.in_bad")
    assert p.host.arp.entries() == []


def test_own_packet_comes_back():
    p = _peer()
    p.send(p.arp_frame(sha=p.nic.mac, spa=p.host.addr))
    p.expect_nothing()
    assert p.host.stat("eth0.arp")["conflicts"] == 0 and p.host.arp.entries() == []


bench.run_tests(globals())
