"""The DHCP server and the DNS forwarder, with Linux's clients: udhcpc, dhclient, dhcpcd,
systemd-networkd, dig."""

import re

import netns
import networkd
import pytest
from netns import LINUX, MAC, OURS, until

NAMES = (
    *("--host-record=long.test,203.0.113.%d" % n for n in range(1, 151)),
    "--host-record=one.test,192.0.2.1",
    "--txt-record=text.test,some words",
    "--local=/test/",
)


@pytest.fixture
def net(lan, tmp_path):
    for program in ("busybox", "dhclient", "dhcpcd", "dig"):
        if not netns.which(program):
            pytest.skip("%s is not installed: make test installs what the tests need" % program)
    return Net(lan, tmp_path)


class Net:
    """Linux as a host on a LAN that netstack serves."""

    def __init__(self, lan, path):
        self.lan = lan
        self.path = path
        self.program = None
        lan.run("ip", "addr", "flush", "dev", "tap0")
        self.script = path / "script"
        self.script.write_text(
            "#!/bin/sh\n"
            'case "$1" in bound|renew) ip addr replace $ip/$mask dev $interface;; esac\n'
            "echo event $1 ip=$ip mask=$subnet router=$router dns=$dns ntp=$ntpsrv"
            " domain=$domain mtu=$mtu lease=$lease server=$serverid\n"
        )
        self.script.chmod(0o755)

    def serve(self, file="-", *args):
        self.program = self.lan.ready("serve", str(file), *args)
        return self.program

    def mac(self, mac):
        self.lan.run("ip", "link", "set", "dev", "tap0", "address", mac)

    def udhcpc(self, *args):
        """A client that takes a lease and ends; the line that its script has printed."""
        self.lan.run("ip", "addr", "flush", "dev", "tap0")
        options = ["-i", "tap0", "-f", "-q", "-n", "-t", "50", "-T", "1", "-s", str(self.script)]
        options += ["-O", "ntpsrv", "-O", "mtu", *args]
        client = self.lan.start("busybox", "udhcpc", *options)
        line = client.expect("event bound (.*)").group(1)
        client.wait()
        return dict(word.split("=", 1) for word in line.split())

    def dig(self, *args):
        return self.lan.run("dig", "+tries=1", "+time=20", "@" + OURS, *args).stdout


def test_udhcpc(net):
    net.serve()
    got = net.udhcpc("-x", "hostname:a-client")
    assert got == {
        "ip": "10.99.0.50",
        "mask": "255.255.255.0",
        "router": OURS,
        "dns": OURS,
        "ntp": "10.99.0.9",
        "domain": "lan.test",
        "mtu": "1300",
        "lease": "60",
        "server": OURS,
    }
    net.program.expect("leases .*'10.99.0.50'.*'bound', 'a-client'")
    net.lan.ping(OURS)
    probes = net.lan.capture.frames(
        "arp.src.proto_ipv4 == 0.0.0.0 && eth.src == " + MAC, "arp.dst.proto_ipv4"
    )
    assert "10.99.0.50" in probes  # RFC 2131 2.2


def test_udhcpc_again_and_release(net):
    """The same client gets the same address, and gives it back when it ends."""
    net.serve()
    first = net.udhcpc("-r", "10.99.0.52")["ip"]
    assert first == "10.99.0.52"
    args = ["-i", "tap0", "-f", "-R", "-s", str(net.script)]
    client = net.lan.start("busybox", "udhcpc", *args)
    client.expect("event bound ip=" + first)
    client.stop()
    net.program.expect("leases .*'10.99.0.52'.*'free'")


def test_dhclient(net):
    """Broadcast at first, a renewal to us alone; DHCPRELEASE."""
    net.serve()
    leases = net.path / "dhclient.leases"
    leases.touch()
    script = net.path / "dhclient-script"
    script.write_text(
        "#!/bin/sh\n"
        'case "$reason" in BOUND|RENEW|REBOOT)\n'
        "ip addr replace $new_ip_address/24 dev $interface;; esac\n"
        'echo "event $reason $new_ip_address $new_domain_name $new_dhcp_lease_time"\n'
    )
    script.chmod(0o755)
    args = ["-4", "-d", "-v", "-cf", "/dev/null", "-sf", str(script), "-lf", str(leases)]
    args += ["-pf", str(net.path / "pid")]
    client = net.lan.start("dhclient", *args, "tap0")
    client.expect(r"event BOUND 10\.99\.0\.5\d lan\.test 60")
    addr = re.search(r"10\.99\.0\.5\d", net.lan.run("ip", "addr", "show", "tap0").stdout).group()
    client.expect("DHCPREQUEST for %s on tap0 to %s" % (addr, OURS), 90)  # T1: 30 s
    client.expect("event RENEW " + addr)
    client.stop()
    net.lan.run("dhclient", "-r", *args[2:], "tap0")
    net.program.expect("leases .*'%s'.*'free'" % addr)


def test_dhcpcd(net):
    net.serve()
    # what it keeps lies in fixed places, and is neither of before nor of another test's
    script = (
        "mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib/dhcpcd &&"
        " exec %s -4 -B -d -1 -L -f /dev/null -c /bin/true tap0"
    )
    client = net.lan.start("unshare", "-m", "sh", "-c", script % netns.which("dhcpcd"))
    client.expect(r"tap0: leased 10\.99\.0\.5\d for 60 seconds")
    net.program.expect("leases .*'bound'")


NETWORKD = """
[Match]
Name=tap0
[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no
[DHCPv4]
ClientIdentifier=mac
Hostname=a-client
UseMTU=yes
"""


def test_networkd(net):
    net.serve()
    client = networkd.start(net.lan.ns, NETWORKD, net.path)
    client.expect(r"tap0: DHCPv4 address 10\.99\.0\.5\d/24, gateway %s acquired from" % OURS)
    net.program.expect("leases .*'bound', 'a-client'")
    until(lambda: "mtu 1300" in net.lan.run("ip", "link", "show", "tap0").stdout)


def test_pool_and_reservations(net):
    """Four addresses, then none; a reservation is outside of the pool, and of no one else."""
    net.serve("-", "static")
    seen = set()
    for n in range(4):
        net.mac("02:00:00:00:00:%02x" % (0x10 + n))
        seen.add(net.udhcpc()["ip"])
    assert seen == {"10.99.0.%d" % n for n in range(50, 54)}
    net.mac("02:00:00:00:00:99")
    assert net.udhcpc()["ip"] == "10.99.0.99"
    net.mac("02:00:00:00:00:20")
    net.lan.run("ip", "addr", "flush", "dev", "tap0")
    args = ["-i", "tap0", "-f", "-q", "-n", "-t", "2", "-T", "1", "-s", str(net.script)]
    client = net.lan.start("busybox", "udhcpc", *args)
    client.expect("no lease")


def test_leases_survive_a_restart(net):
    """What the file says is taken stays taken, and its client gets it again."""
    file = net.path / "leases"
    program = net.serve(file)
    net.mac("02:00:00:00:00:10")
    first = net.udhcpc("-x", "hostname:first")["ip"]
    line = "%s 01020000000010 first" % first
    until(lambda: file.exists() and line in file.read_text().splitlines())
    program.stop()
    program = net.serve(file)
    program.expect("leases .*'%s'.*'bound', 'first'" % first)
    net.mac("02:00:00:00:00:11")
    assert net.udhcpc()["ip"] != first
    net.mac("02:00:00:00:00:10")
    assert net.udhcpc()["ip"] == first


def test_address_in_use(net):
    """Somebody has the first two addresses without having asked: they are not offered."""
    for addr in ("10.99.0.50", "10.99.0.51"):  # for which Linux answers ARP
        net.lan.run("ip", "addr", "add", addr + "/32", "dev", "lo")
    net.serve()
    assert net.udhcpc()["ip"] == "10.99.0.52"
    net.program.expect("leases .*'10.99.0.50', '', 'declined'")


def test_forwarder(net):
    """Names by way of us, of any type; those of our own table; no such name; EDNS."""
    net.lan.run("ip", "addr", "add", LINUX + "/24", "dev", "tap0")
    net.lan.ns.dnsmasq(net.path, *NAMES)
    net.serve("-", "dns=" + LINUX)
    assert net.dig("+short", "one.test").split() == ["192.0.2.1"]
    assert '"some words"' in net.dig("+short", "text.test", "TXT")
    assert net.dig("+short", "PRINTER.lan.test").split() == ["10.99.0.77"]
    assert "status: NXDOMAIN" in net.dig("nobody.test")
    full = net.dig("one.test")
    assert "status: NOERROR" in full and "EDNS: version: 0" in full and " ra" in full
    assert "status: NOERROR" in net.dig("+noedns", "one.test")
    assert net.dig("+tcp", "+short", "one.test").split() == ["192.0.2.1"]
    assert net.dig("+tcp", "+short", "printer.lan.test").split() == ["10.99.0.77"]
    long = net.dig("long.test")  # cut over UDP, so dig comes over TCP
    assert "ANSWER: 150" in long and "(TCP)" in long


def test_forwarder_without_server(net):
    """Nobody listens there: the client is told at once, and has not to wait."""
    net.lan.run("ip", "addr", "add", LINUX + "/24", "dev", "tap0")
    net.serve("-", "dns=" + LINUX)
    assert "status: SERVFAIL" in net.dig("one.test")


def test_captive_portal(net):
    """Every name has our address; other types have nothing."""
    net.serve("-", "captive")
    net.udhcpc()
    for name in ("connectivity-check.example", "www.example.com", "printer.lan.test", "."):
        assert net.dig("+short", name).split() == [OURS], name
    answer = net.dig("www.example.com", "AAAA")
    assert "status: NOERROR" in answer and "ANSWER: 0" in answer
    assert net.dig("+tcp", "+short", "www.example.com").split() == [OURS]
