# inet/ipv4.py as it behaves: which interface, which neighbour, which source address (RFC 1122
# 3.3.1), and what it refuses to send.

import bench
from netstack.link import arp, ethernet

ENETUNREACH = 101
EMSGSIZE = 90


def _ping(p, dst, n=0):
    with bench.inside(p.st):
        error = p.host.icmp4.echo(bench.ip(dst), 1, 1, n)
    p.poll()
    return error


def _second(p, addr, mask="255.255.255.0", gw="0.0.0.0"):
    """A second interface; returns it and the list of what it sends."""
    nic = bench.NIC(bench.mac("02:00:00:00:00:99"))

    def attach(nif):
        ethernet.attach(nif)
        arp.attach(nif)

    nif = p.st.add(nic, attach, "eth1")
    p.host.settled()
    sent = []
    nic.tx = sent.append
    nif.set_up(True)
    with bench.inside(p.st):
        p.host.ip4.configure(nif, bench.ip(addr), bench.ip(mask), bench.ip(gw))
    sent.clear()
    return nif, sent


def test_neighbour_on_the_link():
    p = bench.peer()
    assert _ping(p, "10.0.0.1") == 0
    p.expect("icmp", dst=p.addr, src=p.host.addr, dst_mac=p.mac)


def test_gateway():
    p = bench.peer(gw="10.0.0.1")
    assert _ping(p, "8.8.8.8") == 0
    p.expect("icmp", dst=bench.ip("8.8.8.8"), src=p.host.addr, dst_mac=p.mac)


def test_no_gateway():
    p = bench.peer()
    assert _ping(p, "8.8.8.8") == -ENETUNREACH
    assert p.host.ip4.source(bench.ip("8.8.8.8")) is None
    p.expect_nothing()


def test_gateway_through_output():
    # output() itself, with an address nobody has looked up
    p = bench.peer()
    with bench.inside(p.st):
        fr = p.st.pool.alloc()
        fr.l4 = fr.end = fr.pay
        error = p.host.ip4.output(fr, p.host.addr, bench.ip("8.8.8.8"), 253)
    assert error == -ENETUNREACH and p.host.stat("ipv4")["out_noroute"] == 1
    assert p.st.pool.left == p.st.pool.count


def test_interface_that_is_down():
    p = bench.peer()
    p.nif.set_up(False)
    assert _ping(p, "10.0.0.1") == -ENETUNREACH


def test_no_address():
    p = bench.peer(host_addr="0.0.0.0")
    assert _ping(p, "10.0.0.1") == -ENETUNREACH
    p.expect_nothing()


def test_address_taken_away():
    p = bench.peer(gw="10.0.0.1")
    with bench.inside(p.st):
        p.host.ip4.configure(p.nif, bytes(4), bytes(4))
    assert not p.nif.v4.set
    assert _ping(p, "10.0.0.1") == -ENETUNREACH
    p.expect_drop(p.ping_frame(), "ipv4.in_other")
    p.expect_drop(p.udp_frame(67, 67, b"x"), "ipv4.in_other")


def test_bootp_reaches_a_host_without_address():
    # RFC 2131 4.1: port 68 alone, to whatever address is being offered
    p = bench.peer(host_addr="0.0.0.0")
    e = p.host.udp.open()
    e.bind(None, None, 68)
    p.udp(67, 68, b"offer", dst=bench.ip("10.0.0.77"))
    assert e.waiting == 1
    p.udp(67, 68, b"offer", dst=bench.ip("255.255.255.255"), dst_mac=bench.BROADCAST)
    assert e.waiting == 2
    p.expect_drop(p.udp_frame(67, 69, b"x", dst=bench.ip("10.0.0.77")), "ipv4.in_other")
    p.expect_drop(p.ip_frame(17, b"\0\x43\0", dst=bench.ip("10.0.0.77")), "ipv4.in_other")
    p.expect_nothing()


def test_broadcasts_leave_as_broadcasts():
    p = bench.peer()
    for dst in ("255.255.255.255", "10.0.0.255"):
        assert _ping(p, dst) == 0
        p.expect("icmp", dst=bench.ip(dst), dst_mac=bench.BROADCAST, src=p.host.addr)


def test_masks():
    for mask, inside, outside in (
        ("255.255.255.0", "10.0.0.200", "10.0.1.1"),
        ("255.255.255.252", "10.0.0.1", "10.0.0.5"),
        ("255.0.0.0", "10.255.0.1", "11.0.0.1"),
        ("255.255.240.0", "10.0.15.1", "10.0.16.1"),
    ):
        p = bench.peer(mask=mask)
        ip4 = p.host.ip4
        assert ip4.route(bench.ip(inside), 0) is p.nif, (mask, inside)
        assert ip4.route(bench.ip(outside), 0) is None, (mask, outside)
        assert ip4.source(bench.ip(inside)) == p.host.addr
        broadcast = bytes(a | ~m & 255 for a, m in zip(p.host.addr, bench.ip(mask)))
        assert p.nif.v4.bcast == broadcast, (mask, p.nif.v4.bcast)


def test_point_to_point_masks_have_no_broadcast():
    # RFC 3021
    p = bench.peer(addr="10.0.0.3", mask="255.255.255.254", host_addr="10.0.0.2")
    assert not p.host.ip4.broadcast(bench.ip("10.0.0.3"), 0)
    assert _ping(p, "10.0.0.3") == 0
    p.expect("icmp", dst_mac=p.mac)
    p.ping()
    p.expect("icmp", type=0, dst=p.addr)


def test_two_interfaces():
    p = bench.peer()
    eth1, sent = _second(p, "192.168.1.2")
    ip4 = p.host.ip4
    assert ip4.route(bench.ip("10.0.0.1"), 0) is p.nif
    assert ip4.route(bench.ip("192.168.1.1"), 0) is eth1
    assert ip4.source(bench.ip("192.168.1.1")) == bench.ip("192.168.1.2")
    assert _ping(p, "192.168.1.1") == 0
    assert len(sent) == 1 and sent[0][12:14] == b"\x08\x06"  # ARP goes out by eth1
    p.expect_nothing()
    p.ping(dst=bench.ip("192.168.1.2"))  # RFC 1122 3.3.4.2: the weak model, either address
    p.expect("icmp", type=0, src=bench.ip("192.168.1.2"), dst=p.addr)
    with bench.inside(p.st):
        eth1.arp.flush()


def test_default_interface_is_preferred():
    p = bench.peer(gw="10.0.0.1")
    eth1, sent = _second(p, "192.168.1.2", gw="192.168.1.1")
    ip4 = p.host.ip4
    far = bench.ip("8.8.8.8")
    assert ip4.route(far, 0) is p.nif
    ip4.default = eth1
    assert ip4.route(far, 0) is eth1
    assert ip4.route(bench.ip("10.0.0.1"), 0) is p.nif  # what is on a link stays there
    eth1.set_up(False)
    assert ip4.route(far, 0) is p.nif


def test_groups_without_a_route():
    p = bench.peer()
    for dst in ("224.0.0.251", "255.255.255.255"):
        assert p.host.ip4.route(bench.ip(dst), 0) is p.nif
    p.nif.set_up(False)
    assert p.host.ip4.route(bench.ip("224.0.0.251"), 0) is None


def test_by_a_given_interface():
    p = bench.peer(gw="10.0.0.1")
    eth1, sent = _second(p, "192.168.1.2")
    with bench.inside(p.st):
        fr = p.st.pool.alloc()
        fr.l4 = fr.end = fr.pay
        assert p.host.ip4.output(fr, bytes(4), b"\xff\xff\xff\xff", 253, 64, 0, eth1) == 0
    assert len(sent) == 1 and sent[0][:6] == bench.BROADCAST
    p.expect_nothing()


def test_given_interface_still_uses_its_gateway():
    # Bound to an interface, a far destination goes to that interface's gateway.
    p = bench.peer(gw="10.0.0.1")
    with bench.inside(p.st):
        fr = p.st.pool.alloc()
        fr.l4 = fr.end = fr.pay
        assert p.host.ip4.output(fr, p.host.addr, bench.ip("8.8.8.8"), 253, 64, 0, p.nif) == 0
    p.poll()
    p.expect("ip4", dst=bench.ip("8.8.8.8"), dst_mac=p.mac)


def test_too_big():
    p = bench.peer(mtu=600)
    p.greet()
    for n, result in ((580, 0), (581, -EMSGSIZE)):
        with bench.inside(p.st):
            fr = p.st.pool.alloc()
            fr.l4 = fr.pay
            fr.end = fr.pay + n
            assert p.host.ip4.output(fr, p.host.addr, p.addr, 253) == result
    assert p.host.stat("ipv4")["out_toobig"] == 1
    p.expect("ip4", df=1)
    p.expect_nothing()
    assert p.st.pool.left == p.st.pool.count


def test_mss_room():
    p = bench.peer(mtu=1400)
    assert p.host.ip4.mss_room(p.addr) == 1380


def test_local():
    p = bench.peer()
    ip4 = p.host.ip4
    assert ip4.local(b"??" + p.host.addr, 2) is p.nif
    assert ip4.local(bench.ip("127.0.0.1"), 0) is p.host.lo
    assert ip4.local(bench.ip("127.9.9.9"), 0) is p.host.lo
    assert ip4.local(p.addr, 0) is None
    assert ip4.local(bytes(4), 0) is None


def test_watchers_hear_of_addresses():
    p = bench.peer()
    events = []
    p.st.watchers.append(lambda nif, event: events.append((nif.name, event)))
    with bench.inside(p.st):
        p.host.ip4.configure(p.nif, bench.ip("10.0.0.9"), bench.ip("255.0.0.0"))
    assert events == [("eth0", 4)]


bench.run_tests(globals())
