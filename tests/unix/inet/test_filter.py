# lib: inet/forwarding.py, inet/forward_fast.py, inet/forward.py, inet/nat.py, inet/filter.py
# The stateless packet filter of the router.

import bench
import ref
from alike import both
from array import array
from routernet import Net, addr

filter = bench.optional("inet.filter")
PASS, DROP, REJECT = 0, 1, 2
UDP, TCP = 17, 6


def make(**kw):
    n = Net(3)
    return n, filter.attach(n.router, **kw)


def goes(n, frame, net=0):
    return [out for out, _ in n.send(net, frame)] == [1 - net]


@both
def test_policy(fast):
    n, f = make()
    for _ in range(3):
        assert goes(n, n.udp(0))
    f.policy(DROP)
    for _ in range(3):
        assert not n.send(0, n.udp(0))
    assert f.hits(0) == 6 and n.stat("in_refused") == 3
    f.policy(PASS)
    assert goes(n, n.udp(0))


@both
def test_the_first_that_fits(fast):
    # By address, protocol and port; each counts
    n, f = make()
    f.add(PASS, dst=(addr(1, 2), 32))
    f.add(DROP, proto=UDP, dport=(2000, 2009))
    f.add(DROP, src=(addr(0, 2), 31), proto=TCP)
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
        assert not n.send(0, n.frame(0, 1, bench.icmp(8, 0)))
    assert [f.hits(i) for i in range(5)] == [6, 6, 6, 6, 6]
    assert (n.stat("in", "fast") > 0) is fast


@both
def test_interfaces(fast):
    n, f = make()
    f.add(PASS, kind=(n.nifs[0], n.nifs[1], False))
    f.add(PASS, kind=(n.nifs[1], None, False))
    f.policy(DROP)
    for _ in range(3):
        assert goes(n, n.udp(0)) and goes(n, n.udp(1), 1)
        assert not n.send(0, n.udp(0, dst=addr(2))) and not n.send(2, n.udp(2, dst=addr(1)))
        assert n.one(1, n.udp(1, dst=addr(2)))[0] == 2


@both
def test_established(fast):
    # From outside only what belongs to connections that were made from inside
    n, f = make()
    f.add(PASS, kind=(n.nifs[0], None, False))
    f.add(PASS, proto=TCP, kind=(n.nifs[1], None, True))
    f.policy(DROP)
    for _ in range(2):
        assert goes(n, n.tcp(0, "S")) and goes(n, n.tcp(1, "SA"), 1)
        for _ in range(3):
            assert goes(n, n.tcp(0, "A")) and goes(n, n.tcp(1, "PA"), 1)
        for bits in ("S", "F", "P", "", "FPU"):
            assert not n.send(1, n.tcp(1, bits)), bits
        assert goes(n, n.tcp(1, "R"), 1) and goes(n, n.tcp(1, "FA"), 1)
        assert not n.send(1, n.udp(1))


@both
def test_reject(fast):
    # RFC 1812 5.2.7.1: communication administratively prohibited
    n, f = make()
    f.add(REJECT, proto=UDP, dport=53)
    out, packet = n.one(0, n.udp(0, dport=53))
    assert out == 0 and (packet.type, packet.code) == (3, 13) and packet.src == addr(0, 254)
    assert goes(n, n.udp(0, dport=54))


@both
def test_fragments(fast):
    # RFC 1858, RFC 3128: no header may hide; later parts go by rules without ports
    n, f = make()
    f.add(DROP, proto=UDP, dport=53)
    f.add(PASS, proto=TCP, kind=(None, None, True))
    f.add(DROP, proto=TCP)
    whole = bench.udp(addr(0), addr(1), 9, 53, bytes(100))
    assert not n.send(0, n.frame(0, UDP, whole[:80], flags=1))
    assert goes(n, n.frame(0, UDP, whole[80:], flags=0, frag=10))
    for proto, size, frag in ((TCP, 16, 0), (TCP, 0, 0), (UDP, 0, 0), (TCP, 24, 1), (TCP, 24, 2)):
        n.none(0, n.frame(0, proto, bytes(size), flags=1, frag=frag), "filter.in_tiny")
    assert goes(n, n.frame(0, TCP, bytes(24), flags=1, frag=3))
    for size in range(0, 20):
        n.none(0, n.frame(0, TCP, bytes(size)), "filter.in_tiny")


@both
def test_remove(fast):
    n, f = make()
    f.add(DROP, proto=UDP)
    f.add(DROP, proto=TCP)
    f.policy(PASS)
    assert not n.send(0, n.udp(0)) and not n.send(0, n.tcp(0, "A"))
    f.remove(0)
    for _ in range(3):
        assert goes(n, n.udp(0)) and not n.send(0, n.tcp(0, "A"))
    assert f.count == 1 and f.hits(0) == 4 and f.hits(1) == 3
    f.add(DROP, proto=UDP)
    assert not n.send(0, n.udp(0))
    f.remove(1)
    f.remove(0)
    assert goes(n, n.udp(0)) and goes(n, n.tcp(0, "A"))


@both
def test_with_nat(fast):
    # It sees inside addresses on the way out, ours on the way in
    n, f = make()
    n.translate()
    f.add(DROP, src=(addr(0, 2), 32), kind=(None, n.nifs[1], False))
    for _ in range(3):
        assert goes(n, n.udp(0, 30000, 53))
        assert not n.send(0, n.udp(0, 30001, 53, host=2))
        assert goes(n, n.udp(1, 53, 30000, dst=addr(1, 254)), 1)
    assert f.hits(0) == 3 and f.hits(1) == 6


def test_bad_arguments():
    n, f = make(size=2)
    for args, kw in (
        ((3,), {}),
        ((DROP,), {"proto": 256}),
        ((DROP,), {"dport": 5}),
        ((DROP,), {"proto": 1, "sport": 5}),
        ((DROP,), {"proto": UDP, "kind": (None, None, True)}),
        ((DROP,), {"proto": UDP, "dport": (5, 4)}),
        ((DROP,), {"proto": UDP, "dport": 65536}),
        ((DROP,), {"src": (addr(0), 33)}),
    ):
        try:
            f.add(*args, **kw)
        except ValueError:
            pass
        else:
            raise AssertionError("%s %s" % (args, kw))
    for call in (lambda: f.policy(3), lambda: f.remove(0), lambda: f.remove(-1)):
        try:
            call()
        except ValueError:
            pass
        else:
            raise AssertionError(call)
    f.add(PASS)
    f.add(PASS)
    bench.raises(12, f.add, PASS)
    for size in (0, 1025):
        n.router.filter = None
        try:
            filter.attach(n.router, size)
        except ValueError:
            pass
        else:
            raise AssertionError(size)


def test_kernel():
    rnd = bench.Random(2)
    some = b"\x0a\0\0\1\xfe\xff\xff\xff"
    for _ in range(bench.scale(500)):
        rules = array("I", bytes(44 * 7))
        for i in range(6):
            at = 11 * i
            for k in range(4):
                rules[at + k] = rnd.choice((0, 0, 0x0100000A, 0xFFFFFFFE, 0xFFFF0000))
            rules[at + 4] = rnd.choice((0xFFFF0000, 0x00500010, 0xFFFFFFFF))
            rules[at + 5] = rnd.choice((0xFFFF0000, 0x00500010, 0x00110011))
            rules[at + 6] = rnd.choice((0, 6, 17)) | rnd.below(16) << 8
            rules[at + 7] = rnd.below(3)
            rules[at + 8] = rnd.below(3)
        buf = bytearray(rnd.bytes(40))
        buf[9] = rnd.choice((1, 6, 17))
        buf[12:20] = some[4 * rnd.below(2) :][:4] + some[4 * rnd.below(2) :][:4]
        buf[20:24] = bytes((0, rnd.choice((0, 16, 17, 80)), 0, rnd.choice((0, 16, 17, 80))))
        what = 1 + rnd.below(2) | 1 + rnd.below(2) << 8 | rnd.below(4) << 16
        args = (rules, 6, buf, 0, 20, what)
        assert filter.judge(*args) == ref.judge(*args), args


bench.run_tests(globals())
