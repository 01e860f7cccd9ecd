"""The DHCP client against dnsmasq."""

from netns import LINUX, MAC, tshark, until

POOL = "--dhcp-range=10.99.0.50,10.99.0.59,255.255.255.0,1h"
SHORT = ("--dhcp-option=option:T1,3", "--dhcp-option=option:T2,6")
# What nobody has heard at T1 and T2 is said again a minute later.
LATE = 120


def bound(program, addr=r"10\.99\.0\.5\d", timeout=60):
    """Wait until the program has an address; returns it."""
    return program.expect(r"^connected True addr (%s) " % addr, timeout).group(1)


def held(program, addr):
    """From when it was there the address has never gone away."""
    said = [line for line in program.lines if line.startswith("connected")]
    while not said[0].startswith("connected True"):
        said.pop(0)
    assert all(line.startswith("connected True addr " + addr) for line in said), said


def test_lease_and_options(lan, tmp_path):
    server = lan.ns.dnsmasq(
        tmp_path,
        "--port=0",
        POOL,
        "--dhcp-option=option:router,10.99.0.7",
        "--dhcp-option=option:dns-server,10.99.0.8,10.99.0.9",
        "--dhcp-option=option:domain-name,lan.test",
        "--dhcp-option=option:mtu,1400",
        "--dhcp-option=option:ntp-server,10.99.0.10",
    )
    program = lan.ready("dhcp", "a-board")
    addr = bound(program)
    told = "mask 255.255.255.0 router 10.99.0.7 dns 10.99.0.8 mtu 1400"
    program.said("^connected True addr %s %s$" % (addr, told))
    server.expect("client provides name: a-board")
    server.expect(r"DHCPACK\(tap0\) %s %s a-board" % (addr, MAC))
    lan.ping(addr)
    asked = lan.capture.frames("dhcp.option.dhcp == 1", "dhcp.option.request_list_item")[0]
    assert {"1", "3", "6", "15", "26", "42"} <= set(asked.split(","))


def test_address_is_checked_and_announced(lan, tmp_path):
    """RFC 5227: an ARP probe before the address is used, an announcement after."""
    lan.ns.dnsmasq(tmp_path, "--port=0", POOL)
    addr = bound(lan.ready("dhcp"))
    arp = lan.capture.frames(
        "arp && eth.src == " + MAC, "arp.src.proto_ipv4", "arp.dst.proto_ipv4"
    )
    assert arp[0] == "0.0.0.0\t" + addr and "%s\t%s" % (addr, addr) in arp


def test_renew(lan, tmp_path):
    """At T1 by unicast, again and again, without the address ever going away."""
    # T2 is so late that a renewal answered late leads to no rebinding
    times = "--dhcp-option=option:T1,3", "--dhcp-option=option:T2,1000"
    server = lan.ns.dnsmasq(tmp_path, "--port=0", POOL, *times)
    program = lan.ready("dhcp")
    addr = bound(program)
    for _ in range(3):
        server.expect(r"DHCPACK\(tap0\) %s " % addr)
    held(program, addr)
    renewals = lan.capture.frames(
        "dhcp.option.dhcp == 3 && ip.src == %s" % addr, "ip.dst", "dhcp.ip.client"
    )
    assert renewals and set(renewals) == {"%s\t%s" % (LINUX, addr)}


def test_rebind(lan, tmp_path):
    """The server is gone at T1; at T2 another one hears the broadcast and takes over."""
    server = lan.ns.dnsmasq(tmp_path, "--port=0", POOL, *SHORT)
    program = lan.ready("dhcp")
    addr = bound(program)
    server.stop()
    # The other server is another machine to us: its address is not the one that gave the lease.
    lan.run("ip", "addr", "del", LINUX + "/24", "dev", "tap0")
    lan.run("ip", "addr", "add", "10.99.0.3/24", "dev", "tap0")
    other = lan.ns.dnsmasq(tmp_path, "--port=0", POOL, "--dhcp-authoritative", name="other")
    other.expect(r"DHCPACK\(tap0\) %s " % addr, LATE)
    held(program, addr)


def test_nak(lan, tmp_path):
    """The network has been renumbered: the renewal is refused, and a new lease is taken."""
    server = lan.ns.dnsmasq(tmp_path, "--port=0", POOL, *SHORT)
    program = lan.ready("dhcp")
    bound(program)
    server.stop()
    moved = "--dhcp-range=10.99.0.70,10.99.0.79,255.255.255.0,1h"
    server = lan.ns.dnsmasq(tmp_path, "--port=0", moved, "--dhcp-authoritative", name="moved")
    server.expect(r"DHCPNAK\(tap0\)", LATE)
    program.expect("^connected False addr 0.0.0.0")
    bound(program, r"10\.99\.0\.7\d")


def test_decline(lan, tmp_path):
    """The address offered is another station's: it is declined, and another one taken."""
    lan.run("ip", "addr", "add", "10.99.0.40/32", "dev", "lo")  # for which Linux answers ARP
    server = lan.ns.dnsmasq(tmp_path, "--port=0", POOL, "--dhcp-host=%s,10.99.0.40" % MAC)
    program = lan.ready("dhcp")
    server.expect(r"DHCPDECLINE\(tap0\) 10\.99\.0\.40 ")
    assert bound(program)
    assert not any("addr 10.99.0.40" in line for line in program.lines)


def test_no_server(lan):
    """The user is told in one line, and what it says is true."""
    program = lan.program("dhcp_wait")
    line = program.expect("^failed: (.*)").group(1)
    assert "eth0" in line and ("DHCP" in line or "lease" in line), line
    asked = lan.capture.frames("dhcp.option.dhcp == 1", "frame.time_relative")
    assert len(asked) >= 2


def test_server_comes_late(lan, tmp_path):
    program = lan.ready("dhcp")
    until(lambda: len(tshark(lan.capture.path, "dhcp.option.dhcp == 1")) >= 2)
    lan.ns.dnsmasq(tmp_path, "--port=0", POOL)
    bound(program)


def test_broken_off(lan, tmp_path):
    """The cable is pulled and plugged in again: the address is confirmed, not asked for anew."""
    server = lan.ns.dnsmasq(tmp_path, "--port=0", POOL)
    program = lan.ready("dhcp")
    addr = bound(program)
    server.expect(r"DHCPACK\(tap0\) %s " % addr)
    before = len(server.lines)
    lan.run("ip", "link", "set", "tap0", "down")
    program.expect("^connected False")
    lan.run("ip", "link", "set", "tap0", "up")
    program.expect("^connected True addr " + addr)
    server.expect(r"DHCPREQUEST\(tap0\) %s " % addr)
    server.expect(r"DHCPACK\(tap0\) %s " % addr)
    assert not any("DHCPDISCOVER" in line for line in server.lines[before:]), server.output
    lan.ping(addr)
