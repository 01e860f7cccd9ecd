"""What people see at the REPL: traceroute past real routers, nslookup, tables, Ctrl-C."""

import os
import re
import signal

import netns
import pytest
from netns import LINUX, LINUX6, MAC, OURS

FAR = "10.98.0.2"
NAMES = ("--host-record=one.test,192.0.2.1", "--local=/test/", "--local=/2.0.192.in-addr.arpa/")


@pytest.fixture
def routed(lan):
    """Linux as a router, with a host behind it: another namespace."""
    with netns.Namespace(tap=None) as far:
        lan.run(
            "ip", "link", "add", "far0", "type", "veth", "peer", "name", "v0", "netns", far.name
        )
        lan.run("ip", "addr", "add", "10.98.0.1/24", "dev", "far0")
        lan.run("ip", "link", "set", "far0", "up")
        lan.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        far.run("ip", "addr", "add", FAR + "/24", "dev", "v0")
        far.run("ip", "link", "set", "v0", "up")
        far.wait_running("v0")
        far.run("ip", "route", "add", "default", "via", "10.98.0.1")
        lan.far = far
        yield lan


@pytest.fixture
def far6(routed):
    """The same with IPv6: the address of the host."""
    routed.ns.use_ipv6("tap0")
    routed.ns.use_ipv6("far0", "fd98::1/64")
    routed.far.use_ipv6("v0", "fd98::2/64")
    routed.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
    routed.far.run("ip", "-6", "route", "add", "default", "via", "fd98::1")
    return "fd98::2"


def test_traceroute(routed):
    program = routed.ready("look", "netstack.traceroute('%s', timeout=20)" % FAR)
    program.expect(r"^to 10\.98\.0\.2 \(10\.98\.0\.2\), 30 hops at most")
    times = r"(  \d+\.\d\d ms){3}$"
    program.expect(r"^ 1  %s%s" % (re.escape(LINUX), times))
    program.expect(r"^ 2  %s%s" % (re.escape(FAR), times))
    program.expect("^end")


def test_traceroute_of_ipv6(routed, far6):
    """RFC 4443 3.3, 3.1: past a router of Linux; nobody answers for an address without a host."""
    gateway = "__import__('lan').up6().ipconfig(gw6='%s')" % LINUX6
    trace = "print(netstack.traceroute('%s', timeout=20))" % far6
    nobody = "print(netstack.traceroute('fd98::77', probes=1, timeout=20))"
    program = routed.ready("look", gateway, trace, nobody)
    program.expect(r"^to fd98::2 \(fd98::2\), 30 hops at most")
    times = r"(  \d+\.\d\d ms){3}$"
    program.expect(r"^ 1  %s%s" % (LINUX6, times))
    program.expect(r"^ 2  %s%s" % (far6, times))
    program.expect("^True")
    program.expect(r"^ 2  \S+  .* ms !H$")
    program.expect("^False")


def test_traceroute_to_nobody(routed):
    """The router says that there is no such host."""
    trace = "print(netstack.traceroute('10.98.0.77', probes=1, timeout=20))"
    program = routed.ready("look", trace)
    program.expect(r"^ 1  %s  \d" % re.escape(LINUX))
    program.expect(r"^ 2  10\.98\.0\.1|^ 2  %s  .* ms !H$" % re.escape(LINUX))
    program.expect("^False")


def test_ctrl_c(routed):
    """While it waits for what never comes: nothing is left behind, the next line works."""
    routed.run("ip", "route", "add", "blackhole", "10.97.0.0/24")
    sockets = "print(len(list(__import__('netstack.api.host').api.host.stack().udp.table)))"
    program = routed.ready(
        "look", "netstack.traceroute('10.97.0.1')", "netstack.ifconfig()", sockets
    )
    program.expect(r"^to 10\.97")
    routed.run("sleep", "0.5")
    os.kill(program.pid, signal.SIGINT)
    program.expect("interrupted$")
    program.expect("^    inet " + OURS)
    program.expect("^0$")
    program.expect("^end")


def test_tables(lan, tmp_path):
    lan.ns.dnsmasq(tmp_path, *NAMES)
    program = lan.ready(
        "look",
        "netstack.nslookup('one.test')",
        "netstack.nslookup('192.0.2.1')",
        "netstack.nslookup('nobody.test')",
        "netstack.ifconfig()",
        "netstack.route()",
        "netstack.neigh()",
        "netstack.ss()",
    )
    program.expect("^end")
    text = program.output
    mac = re.search(r"link/ether (\S+)", lan.run("ip", "link", "show", "tap0").stdout).group(1)
    for line in (
        r"^servers  10\.99\.0\.1$",
        r"^one\.test  192\.0\.2\.1$",
        r"^192\.0\.2\.1  one\.test$",
        r"^host nobody\.test is not known$",
        r"^eth0  up  mtu 1500  %s$" % MAC,
        r"^    inet 10\.99\.0\.2/24 gateway 10\.99\.0\.1$",
        r"^    in \d+, in_bytes \d+, out \d+, out_bytes \d+$",
        r"^    inet6 fe80::[0-9a-f:]+/64( tentative)?$",
        r"^fe80::/64 +- +eth0",
        r"^0\.0\.0\.0/0 +10\.99\.0\.1 +eth0 +10\.99\.0\.2$",
        r"^10\.99\.0\.1 +eth0 +%s +fresh$" % mac,
        r"^ +state +Recv-Q +Send-Q +local +peer$",
    ):
        assert re.search(line, text, re.MULTILINE), (line, text)
