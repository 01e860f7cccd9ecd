"""The DHCPv4 client against Kea."""

import re
import subprocess

import kea
from netns import MAC

NET = {
    "subnet": "10.99.0.0/24",
    "interface": "tap0",
    "pools": [{"pool": "10.99.0.50-10.99.0.59"}],
    "option-data": [
        {"name": "routers", "data": "10.99.0.7"},
        {"name": "domain-name-servers", "data": "10.99.0.8, 10.99.0.9"},
        {"name": "domain-search", "data": "eng.lan.test, lan.test"},
        {"name": "ntp-servers", "data": "10.99.0.10"},
        {"name": "interface-mtu", "data": "1400"},
    ],
}
# Time for another server to start between the last renewal and T2, after which there is none; and
# then a short end.
LONG = {"valid-lifetime": 60, "renew-timer": 3, "rebind-timer": 16}
SHORT = {"valid-lifetime": 12, "renew-timer": 5, "rebind-timer": 8}


def serve(lan, path, net={}, name="kea", **more):
    return kea.start(lan.ns, path, 4, {"subnet4": [dict(NET, id=1, **net)], **more}, name)


def bound(program, timeout=90):
    return program.expect(r"^connected True addr (10\.99\.0\.5\d) ", timeout).group(1)


def test_everything_and_release(lan, tmp_path):
    program = lan.ready("dhcp_more", stdin=subprocess.PIPE)
    server = serve(lan, tmp_path)
    addr = program.expect(r"^all (10\.99\.0\.5\d)", 90).group(1)
    for line in (
        "dns ['10.99.0.8', '10.99.0.9']",
        "gw 10.99.0.7 0",
        "mtu 1400",
        "ntp ['10.99.0.10']",
        "search ['eng.lan.test', 'lan.test']",
    ):
        assert line in program.lines, (line, program.lines)
    program.stdin.write("\n")
    program.stdin.flush()
    program.expect("^off 0.0.0.0")
    server.expect("DHCP4_RELEASE .*%s" % re.escape(addr))


def test_renew_rebind_expire(lan, tmp_path):
    """Renewals; the server is gone: another one that has the leases hears the request of
    REBINDING; that is gone too, and the address ends."""
    program = lan.ready("dhcp", "a-board")
    first = serve(lan, tmp_path, **LONG)
    addr = bound(program)
    for _ in range(3):
        first.expect("DHCP4_LEASE_ALLOC .*%s" % re.escape(addr))
    first.stop()
    # the other server is another machine to us: its address is not the one that gave the lease
    lan.run("ip", "addr", "del", "10.99.0.1/24", "dev", "tap0")
    lan.run("ip", "addr", "add", "10.99.0.3/24", "dev", "tap0")
    second = serve(lan, tmp_path, name="second", **SHORT)
    second.expect("DHCP4_LEASE_ALLOC .*%s" % re.escape(addr))
    assert program.lines[-1].startswith("connected True addr " + addr)
    second.stop()
    program.expect("^connected False addr 0.0.0.0")
    asked = lan.capture.frames(
        "dhcp.option.dhcp == 3 && eth.dst == ff:ff:ff:ff:ff:ff && dhcp.ip.client == " + addr
    )
    assert asked


def test_refused(lan, tmp_path):
    """DHCPNAK: the address of before belongs to another network."""
    program = lan.ready("dhcp_again", stdin=subprocess.PIPE)
    server = serve(lan, tmp_path, authoritative=True)
    program.stdin.write("\n")
    program.stdin.flush()
    server.expect("DHCP4_INIT_REBOOT")
    program.expect(r"^all 10\.99\.0\.5\d")
    assert lan.capture.frames("dhcp.option.dhcp == 6")


def test_client_class(lan, tmp_path):
    """Kea knows us by the vendor class that we tell, and sends what is for that class."""
    classes = [
        {
            "name": "ours",
            "test": "substring(option[60].hex,0,8) == 'netstack'",
            "option-data": [
                {"name": "tftp-server-name", "data": "tftp.test"},
                {"code": 43, "csv-format": False, "data": "010461626364"},
            ],
            "option-def": [{"name": "vendor-encapsulated-options", "code": 43, "type": "binary"}],
        }
    ]
    program = lan.ready("dhcp_more", stdin=subprocess.PIPE)
    serve(lan, tmp_path, **{"client-classes": classes})
    program.expect(r"^all 10\.99\.0\.5\d", 90)
    assert "vendor b'\\x01\\x04abcd' b'tftp.test'" in program.lines, program.lines
    assert lan.capture.frames("dhcp.option.vendor_class_id == netstack && eth.src == " + MAC)
