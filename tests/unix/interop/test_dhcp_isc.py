"""The DHCP client against ISC's dhcpd: what dnsmasq does not do, or does in another way."""

import re
import subprocess

import netns
import pytest
from netns import LINUX, MAC, OURS

CONF = """
option classless-routes code 121 = array of integer 8;
authoritative;
default-lease-time 600;
max-lease-time 600;
subnet 10.99.0.0 netmask 255.255.255.0 {
  range 10.99.0.50 10.99.0.59;
  option routers 10.99.0.7;
  option domain-name-servers 10.99.0.8;
  option domain-name "lan.test";
  option domain-search "eng.lan.test", "lan.test", "test";
  option ntp-servers 10.99.0.9, 10.99.0.10;
  option interface-mtu 1400;
  option classless-routes 24, 192,168,7, 10,99,0,3, 0, 10,99,0,4, 16, 172,20, 0,0,0,0;
  if option vendor-class-identifier = "netstack" {
    option vendor-encapsulated-options 01:04:61:62:63:64;
    option tftp-server-name "tftp.test";
  }
%s
}
"""


@pytest.fixture
def dhcpd(lan, tmp_path):
    if not netns.which("dhcpd"):
        pytest.skip("dhcpd is not installed: make test installs what the tests need")

    def start(extra=""):
        conf = tmp_path / "dhcpd.conf"
        conf.write_text(CONF % extra)
        leases = tmp_path / "dhcpd.leases"
        leases.touch()
        argv = ["-4", "-f", "-d", "--no-pid", "-cf", str(conf), "-lf", str(leases), "tap0"]
        server = lan.start("dhcpd", *argv)
        server.expect("Server starting service")
        return server

    return start


def test_everything(lan, dhcpd):
    """Classless routes, search list, NTP, vendor options; and a release to a server whose link
    address is not known."""
    server = dhcpd()
    program = lan.ready("dhcp_more", stdin=subprocess.PIPE)
    addr = program.expect(r"^all (10\.99\.0\.5\d)").group(1)
    lines = program.lines
    for line in (
        "dns ['10.99.0.8']",
        "domain lan.test",
        "gw 10.99.0.4 2",
        "mtu 1400",
        "ntp ['10.99.0.9', '10.99.0.10']",
        "routes [('192.168.7.0/24', '10.99.0.3'), ('172.20.0.0/16', '0.0.0.0')]",
        "search ['eng.lan.test', 'lan.test', 'test']",
        "server " + LINUX,
        "vendor b'\\x01\\x04abcd' b'tftp.test'",
    ):
        assert line in lines, (line, lines)
    assert 590 <= int(re.search(r"seconds (\d+)", "\n".join(lines)).group(1)) <= 600
    program.stdin.write("\n")
    program.stdin.flush()
    program.expect("^off 0.0.0.0")
    server.expect(r"DHCPRELEASE of %s from %s .*\(found\)" % (re.escape(addr), MAC))
    order = lan.capture.frames(
        "eth.src == %s && (arp.dst.proto_ipv4 == %s || dhcp.option.dhcp == 7)" % (MAC, LINUX),
        "dhcp.option.dhcp",
    )
    assert order[-2:] == ["", "7"], order


def test_inform(lan, dhcpd):
    """The address is set by hand; servers tell the rest."""
    server = dhcpd()
    program = lan.ready("dhcp_more", "inform")
    program.expect("^all " + OURS)
    server.expect("DHCPINFORM from " + OURS)
    server.expect("DHCPACK to " + OURS)
    for line in ("dns ['10.99.0.8']", "search ['eng.lan.test', 'lan.test', 'test']"):
        assert line in program.lines, program.lines


def test_renewed(lan, dhcpd):
    """T1 and T2 that the server names; the renewals go to it alone."""
    # T2 is so late that a renewal answered late leads to no rebinding
    server = dhcpd("  option dhcp-renewal-time 3;\n  option dhcp-rebinding-time 500;")
    program = lan.ready("dhcp")
    addr = program.expect(r"^connected True addr (10\.99\.0\.5\d) ").group(1)
    for _ in range(3):
        server.expect(r"DHCPREQUEST for %s from %s" % (re.escape(addr), MAC))
        server.expect(r"DHCPACK on %s to %s" % (re.escape(addr), MAC))
    to = lan.capture.frames("dhcp.option.dhcp == 3 && ip.src == " + addr, "ip.dst")
    assert to and set(to) == {LINUX}, to


def test_wrong_network(lan, dhcpd):
    """An authoritative server refuses what the board had elsewhere (DHCPNAK)."""
    server = dhcpd()
    program = lan.ready("dhcp_again", stdin=subprocess.PIPE)
    program.stdin.write("\n")
    program.stdin.flush()
    server.expect(r"DHCPNAK on 192\.0\.2\.77 to " + MAC)
    program.expect(r"^all 10\.99\.0\.5\d")
