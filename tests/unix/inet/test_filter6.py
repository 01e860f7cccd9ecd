# lib: inet/forwarding.py, inet/forward_fast.py, inet/forward.py, inet/filter.py
# lib: inet/forward6_fast.py, inet/forward6.py, inet/filter6.py
# The packet filter of the router, for IPv6: the same rules for both families.

import bench
import ref
from alike import both
from array import array
from packets import ip6
from routernet6 import Net6, addr, station

filter = bench.optional("inet.filter")
filter6 = bench.optional("inet.filter6")
PASS, DROP, REJECT = 0, 1, 2
UDP, TCP, ICMP = 17, 6, 1


def make(networks=3):
    n = Net6(networks)
    f = filter.attach(n.router4)
    filter6.attach(f, n.router)
    return n, f


def goes(n, frame, net=0):
    return [out for out, _ in n.send(net, frame)] == [1 - net]


def four(n, dport=2000):
    """A datagram of IPv4."""
    src, dst = b"\x0a\0\0\1", b"\x0a\1\0\1"
    packet = bench.ip4(src, dst, UDP, bench.udp(src, dst, 1000, dport, b"four"))
    return bench.eth(n.nics[0].mac, station(0), bench.IPV4, packet)


@both
def test_the_first_that_fits(fast):
    # By address, protocol and port; each counts
    n, f = make()
    f.add(PASS, dst=(addr(1, 2), 128))
    f.add(DROP, proto=UDP, dport=(2000, 2009))
    f.add(DROP, src=(addr(0, 2), 127), proto=TCP)
    f.add(PASS, proto=UDP, sport=5)
    f.policy(DROP)
    for _ in range(3):
        assert goes(n, n.udp(0, dport=2005, dst=addr(1, 2)))
        assert not n.send(0, n.udp(0, dport=2000)) and not n.send(0, n.udp(0, dport=2009))
        assert goes(n, n.udp(0, 5, 1999)) and goes(n, n.udp(0, 5, 2010))
        assert not n.send(0, n.udp(0, 6, 1999))
        for host in (2, 3):
            assert not n.send(0, n.tcp(0, "A", host=host))
        assert goes(n, n.tcp(0, "A", dst=addr(1, 2), host=2))
        assert not n.send(0, n.icmp(0, 128))
    assert [f.hits(i) for i in range(5)] == [6, 6, 6, 6, 6]
    assert (n.stat("in", "fast") > 0) is fast and n.stat("in_refused") == 18


@both
def test_both_families(fast):
    # Rules without addresses fit both, those with addresses one
    n, f = make()
    f.add(DROP, proto=ICMP)
    f.add(DROP, src=(b"\x0a\0\0\0", 8), proto=UDP, dport=7)
    f.add(DROP, src=(ip6("2001:db8::"), 32), proto=UDP, dport=8)
    f.add(DROP, proto=UDP, dport=9)
    for dport, six, ten in ((7, 1, 0), (8, 0, 1), (9, 0, 0), (10, 1, 1)):
        for _ in range(3):
            assert goes(n, n.udp(0, dport=dport)) == bool(six), dport
            assert goes(n, four(n, dport)) == bool(ten), dport
    assert not n.send(0, n.icmp(0, 128)) and not n.send(0, n.icmp(0, 1, data=bytes(48)))
    assert [f.hits(i) for i in range(5)] == [2, 3, 3, 6, 12]


@both
def test_interfaces_and_established(fast):
    n, f = make()
    f.add(PASS, kind=(n.nifs[0], n.nifs[1], False))
    f.add(PASS, proto=TCP, kind=(n.nifs[1], None, True))
    f.policy(DROP)
    for _ in range(3):
        assert goes(n, n.udp(0)) and not n.send(0, n.udp(0, dst=addr(2)))
        assert not n.send(2, n.udp(2, dst=addr(1))) and not n.send(1, n.udp(1))
        assert goes(n, n.tcp(1, "A"), 1) and not n.send(1, n.tcp(1, "S"))


@both
def test_reject(fast):
    # RFC 4443 3.1: 1, communication with destination administratively prohibited
    n, f = make()
    f.add(REJECT, proto=UDP, dport=53)
    out, packet = n.one(0, n.udp(0, dport=53))
    assert out == 0 and (packet.type, packet.code) == (1, 1) and packet.src == addr(0, 254)
    assert goes(n, n.udp(0, dport=54))


@both
def test_nothing_hides(fast):
    # Behind extension headers; in fragments (RFC 7112 5); and headers that are not all there
    n, f = make()
    f.add(DROP, proto=UDP, dport=53)
    f.add(PASS, proto=TCP, kind=(None, None, True))
    f.add(DROP, proto=TCP)
    whole = bench.udp(addr(0), addr(1), 9, 53, bytes(104))
    option = b"\x11\0\1\4\0\0\0\0"
    for proto, headers in (
        (60, option),
        (0, b"\x3c\0\1\4\0\0\0\0" + option),
        (51, b"\x11\1" + bytes(10)),
        (44, b"\x11\0\0\1abcd"),
        (44, b"\x11\0\0\0abcd"),
    ):
        assert not n.send(0, n.frame(0, proto, headers + whole)), proto
    assert f.hits(0) == 5
    n.clear()
    n.nics[0].rx.append(n.frame(0, 44, b"\x11\0\0\x40abcd" + whole[64:]))  # a later part
    n.poll()
    assert len(n.sent[1]) == 1
    for proto, headers in (
        (60, b"\x11\0\1"),
        (60, b"\x11\5\1\4\0\0\0\0" + whole[:8]),
        (44, b"\x3c\0\0\1abcd"),
        (44, b"\x11\0\0\1abcd" + whole[:7]),
        (44, b"\6\0\0\x09abcd" + bytes(16)),
        (44, b"\6\0\0\1abcd" + bytes(16)),
        (TCP, bytes(19)),
        (UDP, bytes(7)),
        (51, b"\x11\xff" + bytes(100)),
    ):
        n.none(0, n.frame(0, proto, headers), "filter.in_tiny")
    n.clear()
    n.nics[0].rx.append(n.frame(0, 59, b""))
    n.poll()
    assert len(n.sent[1]) == 1


@both
def test_remove(fast):
    n, f = make()
    f.add(DROP, src=(addr(0), 128))
    f.add(DROP, src=(addr(0, 2), 128))
    assert (
        not n.send(0, n.udp(0)) and not n.send(0, n.udp(0, host=2)) and goes(n, n.udp(0, host=3))
    )
    f.remove(0)
    for _ in range(3):
        assert goes(n, n.udp(0)) and not n.send(0, n.udp(0, host=2))
    f.remove(0)
    assert goes(n, n.udp(0, host=2)) and f.hits(0) == 5


def test_bad_arguments():
    n, f = make(2)
    for kw in (
        {"src": (addr(0), 129)},
        {"src": (addr(0), -1)},
        {"src": (addr(0), 64), "dst": (b"\x0a\0\0\0", 8)},
        {"src": (b"\x0a\0\0\0", 33)},
    ):
        try:
            f.add(DROP, **kw)
        except ValueError:
            assert f.count == 0
        else:
            raise AssertionError(kw)
    n.router4.filter = None
    other = filter.attach(n.router4)
    try:
        other.add(DROP, src=(addr(0), 64))
    except ValueError:
        pass
    else:
        raise AssertionError("no IPv6")


def test_kernel():
    rnd = bench.Random(2)
    for _ in range(bench.scale(500)):
        rules = array("I", bytes(44 * 7))
        nets = array("I", bytes(64 * 7))
        for i in range(6):
            at = 11 * i
            rules[at + 4] = rnd.choice((0xFFFF0000, 0x00500010, 0xFFFFFFFF))
            rules[at + 5] = rnd.choice((0xFFFF0000, 0x00500010, 0x00110011))
            rules[at + 6] = rnd.choice((0, 6, 17)) | rnd.below(16) << 8
            rules[at + 7] = rnd.below(3)
            rules[at + 8] = rnd.below(3)
            for k in range(16):
                nets[16 * i + k] = rnd.choice((0, 0, 0x0100000A, 0xFFFFFFFE, 0xFFFF0000))
        key = array("I", [rnd.choice((0, 0x0100000A, 0xFFFFFFFE)) for _ in range(8)])
        buf = bytes((0, rnd.choice((0, 16, 17, 80)), 0, rnd.choice((0, 16, 17, 80))))
        what = 1 + rnd.below(2) | 1 + rnd.below(2) << 8 | rnd.below(4) << 16
        what |= rnd.choice((1, 6, 17)) << 18
        args = (rules, nets, 6, key, buf, 0, what)
        assert filter6.judge6(*args) == ref.judge6(*args), args


bench.run_tests(globals())
