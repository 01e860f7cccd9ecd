# lib: inet/forwarding.py, inet/forward_fast.py, inet/forward.py
# lib: inet/forward6_fast.py, inet/forward6.py, inet/advertise6.py
# What RFC 8200 and 4861 ask of a router, as far as no other test proves it: docs/conformance6.md.

import bench
from packets import group_mac, icmp6, ip6, ipv6
from routernet6 import Net6, link, station

advertise6 = bench.optional("inet.advertise6")
FAR = ip6("2001:db9::1")
ROUTERS = ip6("ff02::2")
MAC = b"\2\1\0\0\0\x99"


def test_behind_no_next_header():
    # RFC 8200 4.7: passed on unchanged
    n = Net6()
    for data in (b"", b"x", b"what nobody looks at"):
        for _ in range(2):
            out, packet = n.one(0, n.frame(0, 59, data))
            assert out == 1 and packet.frame[54:] == data


def test_redirects_change_nothing():
    # RFC 4861 8.2: a router goes by its own routes, for what it sends itself as well
    n = Net6()
    n.route(ip6("2001:db9::"), 32, link(0, 2), 0)
    data = link(0, 3) + FAR + b"\2\1" + station(0, 3)
    n.send(0, n.icmp(0, 137, data=data, src=link(0, 2), dst=link(0, 254), hops=255))
    assert n.ip.route(FAR, 0) is n.nifs[0] and n.ip.hop == link(0, 2)
    assert not [route for route in n.ip.routes.list if route.origin == 2]
    _, packet = n.one(1, n.udp(1, dst=FAR))
    assert packet.dst_mac == station(0, 2)


def _solicit(n, src, mac):
    opts = b"\1\1" + mac if mac else b""
    message = icmp6(src, ROUTERS, 133, 0, bytes(4), opts)
    packet = ipv6(src, ROUTERS, 58, message, hops=255)
    n.nics[0].rx.append(bench.eth(group_mac(ROUTERS), mac or MAC, 0x86DD, packet))
    n.poll()


def _row(n, ip):
    nd = n.nifs[0].v6.nd
    for i in range(24):
        if nd.ips[16 * i : 16 * i + 16] == ip and nd.states[i]:
            return nd.states[i], bytes(nd.macs[6 * i : 6 * i + 6]), nd.routers[i]
    return None


def test_who_asks_is_a_neighbour():
    # RFC 4861 6.2.6: STALE with a new link address, and no router; nobody is none
    n = Net6()
    with bench.inside(n.st):
        made = advertise6.attach(n.ip, n.nifs[0])
    stranger = ip6("fe80::99")
    _solicit(n, bytes(16), b"")
    assert _row(n, bytes(16)) is None
    _solicit(n, stranger, b"")
    assert _row(n, stranger) is None
    for mac in (MAC, b"\2\1\0\0\0\x9a"):
        _solicit(n, stranger, mac)
        assert _row(n, stranger) == (3, mac, 0)
    for mac in (MAC, b""):
        n.nifs[0].v6.nd.is_router(stranger, 0)
        _solicit(n, stranger, mac)
        assert _row(n, stranger)[2] == 0
    with bench.inside(n.st):
        made.close()
    n.advance(1000)
    n.take()


bench.run_tests(globals())
