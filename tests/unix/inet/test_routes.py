# Static routes for IPv4: the longest prefix decides (RFC 1812 5.2.4.3), interfaces included.

import bench
from bench import inside, ip
from netstack.inet import routes


def setup():
    p = bench.peer()
    table = routes.attach(p.st)
    assert routes.attach(p.st) is table
    return p, p.st.ip4, table


def hop(ip4, nif, text):
    return bytes(ip4.hop(ip(text), nif))


def test_longest_prefix():
    p, ip4, table = setup()
    with inside(p.st):
        for net, bits, gw in (
            ("172.16.0.0", 12, "10.0.0.3"),
            ("172.16.5.0", 24, "10.0.0.4"),
            ("172.16.5.128", 25, "0.0.0.0"),
            ("172.16.5.7", 32, "10.0.0.5"),
            ("0.0.0.0", 0, "10.0.0.6"),
        ):
            table.add("me", ip(net), bits, ip(gw), p.nif)
    assert [route.bits for route in table.list] == [32, 25, 24, 12, 0]
    for addr, gw in (
        ("172.16.5.7", "10.0.0.5"),
        ("172.16.5.8", "10.0.0.4"),
        ("172.16.5.200", "172.16.5.200"),
        ("172.31.255.255", "10.0.0.3"),
        ("172.32.0.0", "10.0.0.6"),
        ("10.0.0.9", "10.0.0.9"),
    ):
        assert hop(ip4, p.nif, addr) == ip(gw), (addr, hop(ip4, p.nif, addr))
        assert ip4.route(ip(addr), 0) is p.nif
    assert ip4.source(ip("172.16.5.7")) == p.host.addr
    with inside(p.st):
        table.drop("you")
        assert len(table.list) == 5
        table.drop("me")
    assert not table.list and ip4.route(ip("172.16.5.7"), 0) is None


def test_groups_and_our_own_addresses_are_not_routed():
    p, ip4, table = setup()
    with inside(p.st):
        table.add("me", ip("0.0.0.0"), 0, ip("10.0.0.6"), p.nif)
        table.add("me", ip("10.0.0.2"), 32, ip("10.0.0.6"), p.nif)
    assert hop(ip4, p.nif, "224.0.0.1") == ip("224.0.0.1")
    assert hop(ip4, p.nif, "255.255.255.255") == ip("255.255.255.255")
    assert ip4.route(ip("10.0.0.2"), 0) is p.host.lo


def test_interface_without_address_or_down():
    p, ip4, table = setup()
    with inside(p.st):
        table.add("me", ip("172.16.0.0"), 12, ip("10.0.0.3"), p.nif)
        assert ip4.route(ip("172.16.0.1"), 0) is p.nif
        p.nif.set_up(False)
        assert ip4.route(ip("172.16.0.1"), 0) is None
        p.nif.set_up(True)
        ip4.configure(p.nif, ip("0.0.0.0"), ip("0.0.0.0"))
        assert ip4.route(ip("172.16.0.1"), 0) is None


def test_fast_path_learns_of_routes():
    # a header written in advance is void when routes change
    p, ip4, table = setup()
    p.addrs.extend((ip("10.0.0.3"), ip("10.0.0.4")))
    endpoint = p.st.udp.open()
    far = ip("172.16.0.1")
    macs = []
    for gw in ("10.0.0.3", "10.0.0.4"):
        with inside(p.st):
            p.nif.arp.add_static(ip(gw), b"\2\2\2\2\2" + ip(gw)[3:])
            table.drop("me")
            table.add("me", ip("172.16.0.0"), 12, ip(gw), p.nif)
            for _ in range(3):
                assert endpoint.send(b"x", 0, 1, ip4, far, 9) == 1
        p.poll()
        macs.extend(packet.dst_mac[5] for packet in p.take())
    assert macs == [3] * 3 + [4] * 3, macs


def test_bounded():
    p, ip4, table = setup()
    for n in range(64):
        table.add("me", bytes((172, n, 0, 0)), 16, ip("10.0.0.3"), p.nif)
    bench.raises(12, table.add, "me", ip("172.99.0.0"), 16, ip("10.0.0.3"), p.nif)


if __name__ == "__main__":
    bench.run_tests(globals())
