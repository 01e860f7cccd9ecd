# inet/mld.py: telling switches and routers which groups we are in (RFC 3810, RFC 2710), and
# inet/redirect6.py (RFC 4861 8).

import struct

import bench
import peer6
from packets import icmp6, ip6, ipv6, solicited

ALERT = b"\x3a\0\5\2\0\0\1\0"
REPORTS = ip6("ff02::16")
GROUP = ip6("ff05::1:3")


def _peer(**kw):
    p = peer6.peer(greet=True, **kw)
    p.auto_mld = False
    p.advance(1100)
    p.take()
    return p


def _records(packet):
    """[(type, group)] of a report, all of it checked."""
    assert packet.hops == 1 and packet.headers == [(0, ALERT)] and packet.dst == REPORTS
    assert (packet.kind, packet.type) == ("icmp6", 143)
    (count,) = struct.unpack("!H", packet.payload[6:8])
    body = packet.payload[8:]
    assert len(body) == 20 * count
    return [(body[i], body[i + 4 : i + 20]) for i in range(0, len(body), 20)]


def _query(p, group=bytes(16), delay=1000, more=b"\2\x7d\0\0", **over):
    data = struct.pack("!HH", delay, 0) + group + more
    over.setdefault("hops", 1)
    over.setdefault("src", p.link)
    dst = over.pop("dst", peer6.ALL_NODES)
    return p.icmp_frame(130, 0, data[:4], data[4:], dst=dst, **over)


def _join(p, group=GROUP):
    with bench.inside(p.st):
        p.nif.v6.groups.join(group)


def _leave(p, group=GROUP):
    with bench.inside(p.st):
        p.nif.v6.groups.leave(group)


def test_joining_and_leaving():
    # RFC 3810 6.1: a change is told at once, and once more within a second
    p = _peer()
    _join(p)
    assert _records(p.expect("icmp6", src=p.host.link)) == [(4, GROUP)]
    _join(p)
    p.expect_nothing()
    p.advance(1000)
    assert _records(p.expect("icmp6")) == [(4, GROUP)]
    _leave(p)
    p.expect_nothing()
    p.send(p.udp_frame(1, 9, b"x", dst=GROUP))
    assert p.st.stats()["udp"]["in_noport"] == 1
    _leave(p)
    for _ in range(2):
        assert _records(p.expect("icmp6")) == [(3, GROUP)]
        p.advance(1001)
    p.advance(2000)
    p.expect_nothing()
    p.expect_drop(p.udp_frame(1, 9, b"x", dst=GROUP), "ipv6.in_other")


def test_solicited_node_groups_are_told():
    # RFC 3810 6; RFC 4862 5.4.2: before the address is asked for
    p = _peer()
    with bench.inside(p.st):
        p.ip.add(p.nif, ip6("2001:db8::1:7"), 64)
    assert _records(p.expect("icmp6")) == [(4, solicited(ip6("2001:db8::1:7")))]


def test_general_query():
    # RFC 3810 6.2: within the time that it allows, each group
    p = _peer()
    _join(p)
    p.advance(1100)
    p.take()
    p.send(_query(p, delay=1000))
    p.advance(1100)
    told = [record for packet in p.take() for record in _records(packet)]
    assert sorted(told) == [(2, solicited(p.host.addr)), (2, GROUP)]


def test_query_of_one_group():
    p = _peer()
    _join(p)
    p.advance(1100)
    p.take()
    p.send(_query(p, GROUP, dst=GROUP))
    p.advance(1100)
    assert _records(p.expect("icmp6")) == [(2, GROUP)]
    p.send(_query(p, ip6("ff05::9")))
    p.advance(2000)
    p.expect_nothing()


def test_queries_that_lie():
    # RFC 3810 5.1.14, 6.2
    p = _peer()
    for frame in (
        _query(p, hops=64),
        _query(p, src=p.addr),
        _query(p, more=b"\2\x7d"),
        p.icmp_frame(130, 0, bytes(4), bytes(10), src=p.link, dst=peer6.ALL_NODES, hops=1),
    ):
        p.send(frame)
        p.advance(11000)
        p.expect_nothing()


def test_router_of_version_1():
    # RFC 3810 8.2.1, RFC 2710
    p = _peer()
    _join(p)
    p.advance(1100)
    p.take()
    p.send(_query(p, GROUP, more=b""))
    p.advance(1100)
    packet = p.expect("icmp6", type=131, dst=GROUP, hops=1, headers=[(0, ALERT)])
    assert packet.data == GROUP
    p.send(_query(p, GROUP, more=b""))
    p.send(p.icmp_frame(131, 0, bytes(4), GROUP, src=p.link, dst=GROUP, hops=1))
    p.advance(1100)
    p.expect_nothing()  # somebody else has told
    _leave(p)
    assert p.expect("icmp6", type=132, dst=peer6.ALL_ROUTERS).data == GROUP
    p.advance(261000)
    _join(p)
    assert _records(p.expect("icmp6")) == [(4, GROUP)]


def test_queries_damaged():
    # Whatever they say, nothing is left of them, and a good one is answered
    p = _peer()
    _join(p)
    p.advance(1100)
    p.take()
    good = _query(p, GROUP, dst=GROUP, more=b"\2\x7d\0\2" + p.addr + p.link)
    rnd = bench.Random(8)
    for _ in range(bench.scale(2000)):
        mutant = bytearray(good[: len(good) - (rnd.below(50) if rnd.percent(20) else 0)])
        for _ in range(1 + rnd.below(3)):
            mutant[54 + rnd.below(len(mutant) - 54)] = rnd.below(256)
        payload = bytes(mutant[58:])
        message = icmp6(good[22:38], good[38:54], mutant[54], mutant[55], payload[:4], payload[4:])
        p.send(p.frame(ipv6(good[22:38], good[38:54], 58, message, hops=1), 0x86DD, good[:6]))
    p.advance(300000)
    p.take()
    p.send(_query(p, GROUP, dst=GROUP))
    p.advance(1100)
    assert _records(p.expect("icmp6")) == [(2, GROUP)]


class Socket:
    """A UDP endpoint in the group."""

    def __init__(self, p, port=9):
        self.p = p
        self.ep = p.st.udp.open(p.ip)
        bench.at_end(self.ep.close)
        self.ep.bind(p.ip, None, port)

    def call(self, name, *args):
        with bench.inside(self.p.st):
            members = self.ep.groups_of(self.p.ip).members
            getattr(self.p.ip.members, name)(members, self.p.nif, GROUP, *args)
        self.p.poll()

    def got(self):
        buf = bytearray(100)
        n = self.ep.recv(buf, 0, 100)
        return bytes(buf[:n]) if n >= 0 else None


def _told(p):
    """[(type, group, {sources})] of what has been told, twice each; checked that it is."""
    found = []
    for _ in range(2):
        told = []
        for packet in p.take():
            assert (packet.type, packet.dst, packet.hops) == (143, REPORTS, 1), packet
            (count,) = struct.unpack("!H", packet.payload[6:8])
            body = packet.payload[8:]
            for _ in range(count):
                n = struct.unpack("!H", body[2:4])[0]
                sources = {body[20 + 16 * i : 36 + 16 * i] for i in range(n)}
                told.append((body[0], body[4:20], sources))
                body = body[20 + 16 * n :]
            assert not body
        found.append(told)
        p.advance(1001)
    assert found[0] == found[1], found
    return found[0]


A = ip6("2001:db8::a")
B = ip6("2001:db8::b")


def test_sources():
    # RFC 3810 4.1, 4.2: filters of sockets, merged for the interface
    p = _peer()
    a = Socket(p)
    b = Socket(p, 10)
    a.call("join", A)
    assert _told(p) == [(5, GROUP, {A})]
    a.call("join", B)
    assert _told(p) == [(5, GROUP, {B})]
    for source in (A, B, p.addr):
        p.send(p.udp_frame(1, 9, source, src=source, dst=GROUP))
    assert [a.got(), a.got(), a.got()] == [A, B, None] and b.got() is None
    b.call("join")
    assert _told(p) == [(4, GROUP, set())]
    b.call("block", p.addr, True)
    assert _told(p) == [(6, GROUP, {p.addr})]
    b.call("block", A, True)  # which the other one wants
    assert _told(p) == []
    a.call("leave", A)
    assert _told(p) == [(6, GROUP, {A})]
    p.send(p.udp_frame(1, 10, b"A", src=A, dst=GROUP))
    p.send(p.udp_frame(1, 10, b"B", src=B, dst=GROUP))
    assert [b.got(), b.got()] == [b"B", None]
    b.call("leave")
    assert _told(p) == [(3, GROUP, {B})]
    a.ep.close()
    assert _told(p) == [(6, GROUP, {B})]


def test_query_of_sources():
    # RFC 3810 6.2, 6.3
    p = _peer()
    a = Socket(p)
    a.call("join", A)
    a.call("join", B)
    p.advance(1100)
    p.take()
    for asked, answer in (((A,), {A}), ((A, p.addr), {A}), ((p.addr,), None)):
        more = b"\2\x7d" + struct.pack("!H", len(asked)) + b"".join(asked)
        p.send(_query(p, GROUP, dst=GROUP, more=more))
        p.advance(1100)
        if answer is None:
            p.expect_nothing()
            continue
        body = p.expect("icmp6", type=143).payload[8:]
        assert (body[0], body[20:]) == (1, b"".join(sorted(answer)))
    short = b"\2\x7d\0\2" + A  # two, it says
    p.expect_drop(_query(p, GROUP, dst=GROUP, more=short), "eth0.nd.in_bad")


def test_sent_to_a_group_comes_back():
    # RFC 3493 5.2: IPV6_MULTICAST_LOOP; to all nodes as well
    p = _peer()
    a = Socket(p)
    b = Socket(p, 11)
    a.call("join")
    p.advance(1100)
    p.take()
    for dst, loop, comes in ((GROUP, 1, True), (GROUP, 0, False), (peer6.ALL_NODES, 1, True)):
        b.ep.groups_of(p.ip).loop = loop
        with bench.inside(p.st):
            assert b.ep.send(b"x", 0, 1, p.ip, dst, 9) == 1
        p.poll()
        p.expect("udp", dst=dst, hops=1)
        assert a.got() == (b"x" if comes else None), (dst, loop)


def test_told_again_on_another_link():
    p = _peer()
    p.nic.up = 0
    p.advance(600)
    p.nic.up = 1
    p.advance(600)
    told = [_records(packet) for packet in p.take() if packet.kind == "icmp6"]
    assert [(4, solicited(p.host.addr))] in told


def test_groups_are_bounded():
    p = _peer()
    for i in range(22):
        _join(p, ip6("ff05::%x" % (i + 1)))
    bench.raises(105, _join, p, ip6("ff05::99"))
    p.advance(1100)
    p.take()


# -- redirects ---------------------------------------------------------------------------------


def _redirect(p, target, dst, mac=None, **over):
    opts = peer6.opt_mac(2, mac) if mac else b""
    over.setdefault("src", p.link)
    return p.nd_frame(137, bytes(4), target + dst + opts, dst=p.host.addr, **over)


def _routed():
    p = _peer()
    p.ip.routes.add(bytes(16), 0, p.nif, p.link)
    return p, ip6("2001:db9::1")


def _echo(p, dst):
    with bench.inside(p.st):
        p.ip.icmp.echo(dst, 1, 1, 0)
    p.poll()


def test_redirected_to_another_router():
    # RFC 4861 8.3
    p, far = _routed()
    _echo(p, far)
    p.expect("icmp6", type=128, dst_mac=p.mac)
    better = ip6("fe80::77")
    p.send(_redirect(p, better, far, b"\x02\1\0\0\0\x77"))
    _echo(p, far)
    p.expect("icmp6", type=128, dst_mac=b"\x02\1\0\0\0\x77")
    _echo(p, ip6("2001:db9::2"))
    p.expect("icmp6", type=128, dst_mac=p.mac)
    p.send(_redirect(p, far, far, b"\x02\1\0\0\0\x78", src=better))  # it is on the link
    _echo(p, far)
    p.expect("icmp6", type=128, dst_mac=b"\x02\1\0\0\0\x78")


def test_redirects_that_lie():
    # RFC 4861 8.1
    p, far = _routed()
    better = ip6("fe80::77")
    for frame in (
        _redirect(p, better, far, hops=254),
        _redirect(p, better, far, src=p.addr),
        _redirect(p, better, far, src=ip6("fe80::9")),  # not whom we send to
        _redirect(p, better, ip6("ff05::1")),
        _redirect(p, peer6.NOBODY, peer6.NOBODY),
        _redirect(p, ip6("2001:db8::77"), far),
        _redirect(p, better, ip6("2001:db8::9")),  # which is on the link
        p.nd_frame(137, bytes(4), better + far[:15], dst=p.host.addr),
    ):
        p.expect_drop(frame, "eth0.nd.in_bad")


def test_redirects_are_bounded():
    p, _ = _routed()
    for i in range(bench.scale(100)):
        p.send(_redirect(p, ip6("fe80::77"), ip6("2001:db9::%x" % (i + 1))))
    assert len([route for route in p.ip.routes.list if route.origin == 2]) == 8


def test_back_when_the_better_router_is_gone():
    # RFC 4861 7.3.3
    p, far = _routed()
    p.send(_redirect(p, ip6("fe80::77"), far))
    _echo(p, far)
    p.advance(3100)
    p.take()
    _echo(p, far)
    p.expect("icmp6", type=128, dst_mac=p.mac)


bench.run_tests(globals())
