# lib: inet/forwarding.py, inet/forward_fast.py, inet/forward.py
# lib: inet/forward6_fast.py, inet/forward6.py, inet/advertise6.py
# What a router advertises, when, and what becomes of solicitations (RFC 4861 6.2, 4191, 8106).

import bench
import peer6
from packets import group_mac, ip6
from routernet6 import Net6, addr, link, station

advertise6 = bench.optional("inet.advertise6")
ALL = ip6("ff02::1")
ROUTERS = ip6("ff02::2")
PREFIX = ip6("2001:db8::")


def body(n, lifetime=1800, flags=0):
    w = advertise6.Writer(64, flags, lifetime, 30000, 1000)
    w.mac(n.nics[0].mac)
    w.mtu(1400)
    w.prefix(PREFIX, 64, 0xC0, 86400, 14400)
    w.route(ip6("2001:db9::"), 48, 0x08, 900)
    w.servers([addr(0, 254), addr(0, 3)], 1200)
    w.domains(["lan.test", "example"], 1200)
    return w.buf


def make(longest=600000, shortest=200000):
    n = Net6()
    with bench.inside(n.st):
        a = advertise6.attach(n.ip, n.nifs[0])
        a.tell(body(n), body(n, 0), longest, shortest)
    bench.at_end(lambda: stop(n))
    return n, a


def stop(n):
    if n.nifs[0].v6.advertiser:
        with bench.inside(n.st):
            n.nifs[0].v6.advertiser.close()
    n.take()


def sent(n, ms, step=100):
    """[(after how many ms, Packet)] of what leaves within a time"""
    found = []
    for at in range(0, ms, step):
        for out, packet in n.take():
            if packet.kind == "nd" and packet.type == 134:
                assert out == 0 and packet.src == link(0, 254)
                found.append((at, packet))
        n.advance(step)
    return found


def solicit(n, src=None, opts=None, **over):
    src = src or link(0)
    opts = b"\1\1" + station(0) if opts is None else opts
    n.nics[0].rx.append(
        n.icmp(
            0,
            133,
            data=opts,
            src=src,
            dst=ROUTERS,
            dst_mac=group_mac(ROUTERS),
            hops=over.pop("hops", 255),
            **over,
        )
    )
    n.poll()


def test_what_it_says():
    n, a = make()
    ((at, packet),) = sent(n, 1000)
    assert at <= 100 and packet.dst == ALL and packet.hops == 255
    assert packet.frame[58:70] == b"\x40\0\x07\x08\0\0\x75\x30\0\0\x03\xe8"
    opts = packet.opts
    assert opts[1] == n.nics[0].mac and opts[5] == b"\0\0\0\0\5\x78"
    assert opts[3] == b"\x40\xc0\0\1\x51\x80\0\0\x38\x40\0\0\0\0" + PREFIX
    assert opts[24] == b"\x30\x08\0\0\3\x84" + ip6("2001:db9::")[:8]
    assert opts[25] == b"\0\0\0\0\4\xb0" + addr(0, 254) + addr(0, 3)
    assert opts[31] == b"\0\0\0\0\4\xb0\3lan\4test\0\7example\0" + bytes(5)


def test_our_own_host_believes_it():
    # what is written is what router6.py reads
    n, a = make()
    ((_, packet),) = sent(n, 1000)
    p = peer6.peer(auto=True)
    p.send(p.frame(packet.frame[14:], 0x86DD, group_mac(ALL)))
    v6 = p.nif.v6
    assert v6.mtu == 1400 and v6.nd.base_ms == 30000
    assert any(entry.addr[:8] == PREFIX[:8] and entry.origin == 2 for entry in v6.list)
    route = p.ip.routes.find(ip6("2001:db9::1"), 0)
    assert route.gw == link(0, 254) and route.preference == 1 and route.plen == 48
    assert [row[0] for row in v6.routers.servers] == [addr(0, 254), addr(0, 3)]
    assert [row[0] for row in v6.routers.domains] == ["lan.test", "example"]


def test_intervals():
    # RFC 4861 6.2.4: three within 16 s of each other, then between the two intervals
    n, a = make()
    times = [at for at, packet in sent(n, 3000000, 500)]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert gaps[:2] == [16000, 16000] and len(gaps) >= 5
    assert all(200000 <= gap <= 601000 for gap in gaps[2:]), gaps
    assert len(set(gaps[2:])) > 1


def test_answers_one_host():
    # RFC 4861 6.2.6, RFC 7772: within half a second, to it alone; the next to all comes as planned
    n, a = make()
    sent(n, 40000)
    rest = a._timer.due
    solicit(n)
    ((at, packet),) = sent(n, 3000)
    assert at <= 500 and packet.dst == link(0) and packet.dst_mac == station(0)
    assert abs(a._timer.due - rest) <= 1000
    assert n.stat("out_solicited", "eth0.advertise") == 1
    assert n.stat("in_solicit", "eth0.advertise") == 1


def test_answers_many_at_once():
    # RFC 4861 6.2.6: MIN_DELAY_BETWEEN_RAS for those to all
    n, a = make()
    sent(n, 40000)
    for i in range(200):
        solicit(n, link(0, 1 + i % 3), b"")
    ((at, packet),) = sent(n, 2900)
    assert packet.dst == ALL and at <= 500
    for i in range(200):
        solicit(n, bytes(16), b"")
    ((later, packet),) = sent(n, 4000)
    assert packet.dst == ALL and 2900 + later - at >= 3000
    for i in (1, 2):  # two, each of which wants its own
        solicit(n, link(0, i), b"\1\1" + station(0, i))
    ((_, packet),) = sent(n, 4000)
    assert packet.dst == ALL


def test_bad_solicitations():
    # RFC 4861 6.1.1
    n, a = make()
    sent(n, 40000)
    for kw in (
        {"hops": 254},
        {"code": 1},
        {"opts": b"\1\0" + station(0)},
        {"opts": b"\1\2" + station(0)},
        {"opts": b"\1\1" + station(0)[:4]},
        {"src": bytes(16)},
    ):
        before = n.stat("in_bad", "eth0.nd")
        solicit(n, **kw)
        assert n.stat("in_bad", "eth0.nd") == before + 1, kw
    assert not sent(n, 2000) and n.stat("in_solicit", "eth0.advertise") == 0


def test_the_end():
    # RFC 4861 6.2.5: a lifetime of 0, and nothing more
    n, a = make()
    sent(n, 40000)
    with bench.inside(n.st):
        a.close()
    ((_, packet),) = sent(n, 100000, 500)
    assert packet.dst == ALL and packet.frame[60:62] == b"\0\0"
    assert n.nifs[0].v6.advertiser is None
    solicit(n)
    assert not sent(n, 2000)


def test_link():
    # nothing without a link or an address to send from; then from the beginning
    n, a = make()
    sent(n, 40000)
    n.nics[0].up = 0
    n.advance(1000)
    n.take()
    assert not sent(n, 700000, 1000)
    n.nics[0].up = 1
    found = sent(n, 60000)
    assert len(found) == 3 and found[0][0] <= 2000


def test_news():
    # what changes is told at once, though not within 3 s
    n, a = make()
    sent(n, 40000)
    for _ in range(5):
        with bench.inside(n.st):
            a.tell(body(n, 900), body(n, 0), 600000, 200000)
        n.advance(100)
    found = sent(n, 10000)
    assert len(found) == 2 and found[1][0] >= 2500
    assert all(packet.frame[60:62] == b"\3\x84" for _, packet in found)


def test_others():
    # RFC 4861 6.2.7
    n, a = make()
    sent(n, 1000)
    good = a.body

    def heard(data):
        n.nics[0].rx.append(
            n.icmp(
                0,
                134,
                rest=data[:4],
                data=bytes(data[4:]),
                src=link(0, 2),
                dst=ALL,
                dst_mac=group_mac(ALL),
                hops=255,
            )
        )
        n.poll()
        return n.stat("in_inconsistent", "eth0.advertise")

    def other(at, value):
        data = bytearray(good)
        data[at] = value
        return data

    assert heard(good) == 0
    assert heard(other(2, 1)) == 0  # its lifetime is its own
    assert heard(other(0, 0)) == 0  # not said
    assert heard(good[:12]) == 0
    assert heard(b"\x40" + bytes(11)) == 0
    for i, (at, value) in enumerate(
        ((0, 63), (1, 0x80), (1, 0x40), (7, 1), (11, 1), (27, 1), (35, 1), (39, 1))
    ):
        assert heard(other(at, value)) == i + 1, (at, value)
    data = other(44 + 7, 9)  # another prefix
    assert heard(data) == 8 and n.stat("in_others", "eth0.advertise") == 14


def test_too_much():
    n, a = make()
    w = advertise6.Writer(64, 0, 1800, 0, 0)
    for i in range(38):
        w.prefix(PREFIX, 64, 0xC0, 1, 1)
    for add in (lambda: w.prefix(PREFIX, 64, 0xC0, 1, 1), lambda: w.domains(["a..b"], 1)):
        try:
            add()
        except ValueError:
            pass
        else:
            raise AssertionError("too much")
    with bench.inside(n.st):
        a.tell(w.buf[: 38 * 32 + 12], w.buf[:12], 600000, 200000)
    found = sent(n, 20000)
    assert max(len(packet.frame) for _, packet in found) <= 1280 + 14


bench.run_tests(globals())
