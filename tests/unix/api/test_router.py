# lib: inet/forwarding.py, inet/forward_fast.py, inet/forward.py, inet/filter.py, api/router.py
# lib: inet/forward6_fast.py, inet/forward6.py, inet/filter6.py, inet/advertise6.py, api/router6.py
# lib: inet/nat.py, link/vlan.py, link/bridge.py, api/links.py
# The router kit as programs see it: both families by the same calls, and what they refuse.

import bench
import network
from bench import Packet
from hosts import NIC
from netstack.api import host
from packets import ip6

for name in (
    "inet.forwarding", "inet.forward_fast", "inet.forward", "inet.filter", "inet.forward6_fast",
    "inet.forward6", "inet.filter6", "inet.advertise6",
):  # fmt: skip
    bench.optional(name)
router = bench.optional("api.router")
router6 = bench.optional("api.router6")


sent = [], []
lans = []
for i in range(2):
    wire = NIC(bytes((2, 0, 0, 0, 1, i)))
    wire.tx = sent[i].append
    lan = network.LAN(nic=wire)
    lan.active(True)
    lan.ipconfig(addr4="10.7%d.0.1/24" % i)
    lan.ipconfig(addr6="fd7%d::1/64" % i)
    lans.append(lan)


def refuses(function, *args, **kw):
    try:
        function(*args, **kw)
    except ValueError as error:
        return str(error)
    raise AssertionError("%s %s" % (args, kw))


def advertisements(i):
    """What the interface advertises, after some seconds."""
    sent[i].clear()
    host.wait(lambda: any(p.type == 134 for p in _nd(i)), 60000)
    return [p for p in _nd(i) if p.type == 134]


def _nd(i):
    packets = [Packet(frame) for frame in sent[i] if frame[12:14] == b"\x86\xdd"]
    return [p for p in packets if p.kind == "nd"]


def test_1_routes():
    router.start()
    assert router.router6() is host.stack().ip6.router
    router.add_route("192.168.7.0/24", "10.70.0.9")
    router.add_route("default", "10.71.0.9", metric=50, source="10.70.0.0/24")
    router.add_route("2001:db8::/32", "fd71::9")
    router.add_route("default", "fe80::9", lans[1], metric=7)
    router.add_route("::/0", "fd71::8", source="fd70::/64")
    router.add_route("2001:db8::77", "fd70::9")
    router.add_route("2001:db8:99::/48", reject=True)
    names = [lan._wire.nif.name for lan in lans]
    assert router.routes() == [
        ("192.168.7.0/24", "10.70.0.9", names[0], 100),
        ("0.0.0.0/0", "10.71.0.9", names[1], 50, "10.70.0.0/24"),
        ("2001:db8::77/128", "fd70::9", names[0], 100),
        ("2001:db8:99::/48", None, "lo", 100),
        ("2001:db8::/32", "fd71::9", names[1], 100),
        ("::/0", "fd71::8", names[1], 100, "fd70::/64"),
        ("::/0", "fe80::9", names[1], 7),
    ], router.routes()
    for net, gw, kw in (
        ("192.168.7.0/24", "10.70.0.9", {}),
        ("default", "10.71.0.9", {"source": "10.70.0.0/24"}),
        ("2001:db8::/32", "fd71::9", {}),
        ("default", "fe80::9", {"lan": lans[1]}),
        ("::/0", "fd71::8", {"source": "fd70::/64"}),
        ("2001:db8::77", "fd70::9", {}),
        ("2001:db8:99::/48", None, {}),
    ):
        assert router.remove_route(net, gw, **kw), net
        assert not router.remove_route(net, gw, **kw), net
    assert router.routes() == []


def test_2_routes_refused():
    for args, kw in (
        (("192.168.7.0/24",), {}),
        (("192.168.7.0/24", "10.99.0.1"), {}),
        (("192.168.7.1/24", "10.70.0.9"), {}),
        (("192.168.7.0/24",), {"reject": True}),
        (("2001:db8::/32",), {}),
        (("2001:db8::1/32", "fd71::9"), {}),
        (("2001:db8::/129", "fd71::9"), {}),
        (("2001:db8::/x", "fd71::9"), {}),
        (("2001:db8::/32", "fd99::9"), {}),
        (("2001:db8::/32", "fd71::1"), {}),
        (("2001:db8::/32", "fe80::1"), {}),
        (("2001:db8::/32", "fd71::9"), {"source": "fd70::1/64"}),
        (("2001:db8::/32", "10.70.0.9"), {}),
    ):
        refuses(router.add_route, *args, **kw)
    assert router.routes() == []


def test_3_filter():
    router.rule("pass", "icmp", src="fd70::/64")
    router.rule("drop", "tcp", src="10.70.0.0/24", dport=7)
    router.rule("reject", 58)
    assert "families" in refuses(router.rule, "drop", src="fd70::/64", dst="10.0.0.0/8")
    assert refuses(router.rule, "drop", src="fd70::1/64")
    assert router.hits() == [0, 0, 0, 0]
    for _ in range(3):
        router.remove_rule(0)
    router.policy("pass")


def test_4_advertise():
    ad = router6.advertise(
        lans[0], "fd72::/64", dns="fd70::53", domains="lan.test", mtu=1400, interval=100,
        preference="high", managed=True, hops=32,
    )  # fmt: skip
    packet = advertisements(0)[0]
    assert packet.frame[58:62] == b"\x20\x88\1\x2c" and packet.opts[5] == b"\0\0\0\0\5\x78"
    assert packet.opts[3][14:] == ip6("fd72::") and packet.opts[3][1] == 0xC0
    assert packet.opts[25] == b"\0\0\0\0\1\x2c" + ip6("fd70::53")
    ours = [addr[0] for addr in lans[0].ipconfig("addr6") if addr[0].startswith("fd72:")]
    assert len(ours) == 1 and lans[0]._wire.nif.v6.mtu == 1400
    # changed: the old prefix is told to be gone
    assert router6.advertise(lans[0], "fd70::/64", interval=100) is ad
    packet = advertisements(0)[0]
    prefixes = _options(packet.frame[70:], 3)
    assert sorted(p[16:] for p in prefixes) == [ip6("fd70::"), ip6("fd72::")]
    for p in prefixes:
        gone = p[16:] == ip6("fd72::")
        assert (p[4:12] == bytes(8)) == gone, p
    assert lans[0]._wire.nif.v6.mtu == 1500
    sent[0].clear()
    ad.stop()
    last = [p for p in _nd(0) if p.type == 134]
    assert len(last) == 1 and last[0].frame[60:62] == b"\0\0"
    ad.stop()
    assert len([p for p in _nd(0) if p.type == 134]) == 1


def _options(data, kind):
    found = []
    while data:
        n = data[1] * 8
        if data[0] == kind:
            found.append(data[:n])
        data = data[n:]
    return found


def test_5_advertise_refused():
    for kw in (
        {"prefix": "fd72::1/64"},
        {"prefix": "fe80::/64"},
        {"prefix": "ff02::/64"},
        {"prefix": "fd79::/60"},
        {"prefix": "10.0.0.0/8"},
        {"interval": 3},
        {"interval": 1801},
        {"lifetime": 599},
        {"lifetime": 9001},
        {"preference": "best"},
        {"mtu": 1279},
        {"mtu": 1501},
        {"hops": 256},
        {"valid": 100, "preferred": 101},
        {"valid": 100, "preferred": -1},
        {"valid": -2},
        {"reachable": 3600001},
        {"dns": "10.0.0.1"},
        {"domains": "a..b"},
        {"routes": "fd99::1/64"},
        {"dns": ["fd70::%x" % i for i in range(1, 90)]},
    ):
        refuses(router6.advertise, lans[1], **kw)
        assert lans[1]._wire.nif.v6.advertiser is None, (kw, router.advertised)
    assert router.advertised == []


def test_6_stop():
    router6.advertise(lans[1])
    advertisements(1)
    sent[1].clear()
    router.stop()
    assert [p.frame[60:62] for p in _nd(1) if p.type == 134] == [b"\0\0"]
    assert router.router6() is None and host.stack().ip4.router is None
    assert not lans[1]._wire.nif.v6.forwards
    router.stop()
    router.start(learn=[lans[1]])
    assert lans[1]._wire.nif.v6.auto and not lans[0]._wire.nif.v6.auto
    router.stop()
    assert lans[0]._wire.nif.v6.auto


def test_7_nat_is_on_one_side():
    bench.optional("inet.nat")
    made = router.nat(lans[0], 8)
    assert router.nat(lans[0]) is made
    assert lans[0]._wire.nif.name in refuses(router.nat, lans[1])
    router.stop()
    assert router.nat(lans[1], 8) is not made
    router.stop()


def test_8_vlans_have_addresses_of_their_own():
    """RFC 7217 5, Net_Iface: the same link address, the same prefix, another interface."""
    bench.optional("link.vlan")
    links = bench.optional("api.links")
    made = [links.vlan(lans[0], 7), links.vlan(lans[0], 8)]
    tagged = [network.LAN(nic=nic) for nic in made]
    inner = links.vlan(tagged[0], 7)
    tagged.append(network.LAN(nic=inner))
    for lan in tagged:
        lan.active(True)
    found = [lan.ipconfig("addr6")[0][0] for lan in tagged + lans[:1]]
    assert len(set(found)) == 4 and all(a.startswith("fe80::") for a in found), found
    for lan in tagged:
        lan.active(False)
    for nic in [inner] + made:
        nic.close()


def test_9_bridge_is_made_of_nics():
    bench.optional("link.bridge")
    links = bench.optional("api.links")
    for wrong in ((), (lans[0],), (NIC(b"\2\0\0\0\1\x44"), 5)):
        try:
            links.bridge(*wrong)
        except TypeError:
            continue
        raise AssertionError(wrong)


bench.run_tests(globals())
