"""The DHCPv6 client against dnsmasq, Kea and wide-dhcpv6's dhcp6s; prefixes; routers' flags."""

import itertools
import os
import re
import subprocess

import netns
import pytest
from kea import start as start_kea
from netns import LINUX6, MAC, until

LINK = "fe80::99"


@pytest.fixture
def lan6(lan):
    lan.ns.use_ipv6("tap0")
    lan.run("ip", "-6", "addr", "add", LINK + "/64", "dev", "tap0", "nodad")
    lan.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
    return lan


def again(lan6):
    """Linux has its addresses again after the link was down."""
    lan6.run("ip", "-6", "addr", "replace", LINUX6 + "/64", "dev", "tap0", "nodad")
    lan6.run("ip", "-6", "addr", "replace", LINK + "/64", "dev", "tap0", "nodad")


def client(lan6, *args):
    return lan6.ready("dhcp6", *args, stdin=subprocess.PIPE)


def address(program, timeout=90):
    """Wait until an address is in use."""
    return program.expect(r"^addresses \['(\S+) 0x30'\]", timeout).group(1)


def end(program):
    program.stdin.write("\n")
    program.stdin.flush()
    program.expect("^off off None")


# -- dnsmasq ------------------------------------------------------------------------------------

STATEFUL = "--dhcp-range=fd99::50,fd99::59,64,1h"
OPTIONS = (
    "--dhcp-option=option6:dns-server,[fd99::53]",
    "--dhcp-option=option6:domain-search,lan.test,test",
    "--dhcp-option=option6:ntp-server,[fd99::123]",
)


def test_dnsmasq_stateful(lan6, tmp_path):
    """Routers say "managed"; address, options, our name in the DNS; release."""
    server = lan6.ns.dnsmasq(tmp_path, STATEFUL, "--enable-ra", "--domain=lan.test", *OPTIONS)
    program = client(lan6, "auto")
    addr = address(program)
    assert re.fullmatch("fd99::5[0-9]", addr)
    for line in ("dns ['fd99::53']", "search ['lan.test', 'test']", "ntp ['fd99::123']"):
        program.said("^%s$" % re.escape(line))
    lan6.ping(addr)
    leases = tmp_path / "dnsmasq.leases"  # written after the answer, and not at a stroke
    until(lambda: " %s a-board " % addr in leases.read_text(), leases.read_text)
    end(program)
    server.expect("DHCPRELEASE")


def test_dnsmasq_stateless(lan6, tmp_path):
    """Routers say "other": the address is of their prefix, the rest comes by DHCPv6."""
    lan6.ns.dnsmasq(tmp_path, "--dhcp-range=fd99::,ra-stateless", "--enable-ra", *OPTIONS)
    program = client(lan6, "auto")
    program.expect("^state informed")
    program.said(r"^dns \['fd99::53'\]")
    program.said(r"^ntp \['fd99::123'\]")
    assert not lan6.capture.frames("dhcpv6.msgtype == 1 && eth.src == " + MAC)


def test_dnsmasq_link_comes_back(lan6, tmp_path):
    """RFC 8415 18.2.3: the address is confirmed, not asked for anew."""
    server = lan6.ns.dnsmasq(tmp_path, "--port=0", STATEFUL, "--enable-ra")
    program = client(lan6, "on")
    addr = address(program)
    lan6.run("ip", "link", "set", "tap0", "down")
    program.expect("^state init")
    lan6.run("ip", "link", "set", "tap0", "up")
    again(lan6)
    server.expect("DHCPCONFIRM")
    program.expect("^state bound")
    lan6.ping(addr)


def test_dnsmasq_decline(lan6, tmp_path):
    """Another station has the address that the server gives."""
    lan6.run("ip", "addr", "flush", "dev", "tap0")
    with netns.Namespace(tap=None) as other:
        for argv in (
            "ip link add br0 type bridge mcast_snooping 0",
            "ip link add tap1-v type veth peer name eth0 netns " + other.name,
            "ip link set tap0 master br0",
            "ip link set tap1-v master br0 up",
            "ip link set br0 up",
        ):
            lan6.run(*argv.split())
        lan6.ns.use_ipv6("br0")
        other.run("ip", "link", "set", "eth0", "up")
        other.use_ipv6("eth0", "fd99::40/64")
        lan6.ns.wait_for_link_local("br0")
        host = "--dhcp-host=%s,[fd99::40]" % MAC
        server = lan6.ns.dnsmasq(tmp_path, "--port=0", STATEFUL, host, interface="br0")
        program = client(lan6, "on")
        server.expect("DHCPDECLINE")
        addr = address(program)
        assert addr != "fd99::40" and "addresses ['fd99::40 0x30']" not in program.lines


# -- Kea ----------------------------------------------------------------------------------------


@pytest.fixture
def kea(lan6, tmp_path):
    return Kea(lan6, tmp_path)


class Kea:
    def __init__(self, lan, path):
        self.lan = lan
        self.path = path
        self.number = 0

    def start(self, subnet={}, **more):
        """A server with a pool of addresses and one of prefixes; its Process."""
        self.number += 1
        net = {
            "subnet": "fd99::/64",
            "interface": "tap0",
            "pools": [{"pool": "fd99::50-fd99::59"}],
            "pd-pools": [{"prefix": "2001:db8:100::", "prefix-len": 40, "delegated-len": 56}],
        }
        net.update(subnet)
        config = {
            "server-id": {"type": "EN", "enterprise-id": 9, "identifier": "0%d" % self.number},
            "option-data": [
                {"name": "dns-servers", "data": "fd99::53"},
                {"name": "domain-search", "data": "eng.lan.test, lan.test"},
            ],
            "subnet6": [net],
        }
        config.update(more)
        return start_kea(self.lan.ns, self.path, 6, config, "kea%d" % self.number)


SHORT = {"preferred-lifetime": 12, "valid-lifetime": 20, "renew-timer": 3, "rebind-timer": 6}
# The same with time for another server to start: a Rebind is said again after 10 s, and 20 s more.
LONG = dict(SHORT, **{"preferred-lifetime": 60, "valid-lifetime": 90})


def told(capture, where):
    """The types of messages, without those that are there again because an answer was late."""
    kinds = capture.frames("dhcpv6 && " + where, "dhcpv6.msgtype")
    return [kind for kind, _ in itertools.groupby(kinds)]


def test_kea_address_and_prefix(kea):
    """Four messages; RFC 8415 6.3."""
    program = client(kea.lan, "on", "60")
    kea.start()
    program.expect(r"^addresses \['fd99::5\d 0x", 90)
    program.said(r"^prefixes \['2001:db8:1\S+/56'\]")
    program.said(r"^dns \['fd99::53'\]")
    program.said(r"^search \['eng.lan.test', 'lan.test'\]")
    assert told(kea.lan.capture, "eth.src == " + MAC) == ["1", "3"]
    assert told(kea.lan.capture, "eth.dst == " + MAC)[-1] == "7"


def test_kea_rapid_commit(kea):
    program = client(kea.lan, "on")
    kea.start({"rapid-commit": True})
    address(program)
    sent = kea.lan.capture.frames("dhcpv6 && eth.src == " + MAC, "dhcpv6.msgtype")
    assert set(sent) == {"1"}, sent


def test_kea_renew_rebind_expire(kea):
    """Short lifetimes: renewals; the server is gone: another one hears the Rebind; that is gone
    too, and the address ends."""
    program = client(kea.lan, "on", "56")
    first = kea.start(**LONG)
    addr = address(program)
    given = program.lines.index("addresses ['%s 0x30']" % addr)
    for _ in range(3):
        first.expect("DHCP6_LEASE_RENEW .*" + addr)
    first.stop()
    program.expect("^state rebinding")
    second = kea.start(**SHORT)
    program.expect("^state bound")
    assert "addresses []" not in program.lines[given:], program.output
    second.stop()
    program.expect("^state rebinding")
    program.expect(r"^addresses \['%s 0x10'\]" % addr)  # deprecated
    program.expect(r"^addresses \[\]")
    program.expect(r"^prefixes \[\]")
    kea.start(**SHORT)
    address(program)


def test_kea_release(kea):
    program = client(kea.lan, "on", "56")
    server = kea.start()
    address(program)
    end(program)
    server.expect("DHCP6_RELEASE_NA")
    sent = kea.lan.capture.frames(
        "dhcpv6.msgtype == 8", "dhcpv6.iaaddr.ip", "dhcpv6.iaprefix.pref_addr"
    )
    assert sent and sent[0].startswith("fd99::5") and "2001:db8:1" in sent[0], sent
    assert len(set(sent)) == 1, sent  # said again perhaps, should the server be slow


def test_kea_knows_nothing_of_us(kea):
    """The server has lost its leases: it gives the same address again when we renew."""
    program = client(kea.lan, "on")
    first = kea.start(**LONG)
    addr = address(program)
    first.stop()
    os.remove(kea.path / "leases6.csv")
    kea.number = 0  # the same server
    program.expect("^state re(new|bind)ing")  # else an answer comes too soon to be seen
    kea.start(**LONG)
    program.expect("^state bound")
    assert program.lines[-1] != "addresses []"
    assert not [x for x in program.lines if x.startswith("addresses") and addr not in x][1:]


def test_kea_vendor_options(kea):
    """RFC 8415 21.17: those of the vendor that we ask for."""
    extra = {
        "option-def": [
            {
                "name": "what",
                "code": 7,
                "space": "vendor-32473",
                "type": "string",
            }
        ],
        "option-data": [
            {"name": "vendor-opts", "data": "32473", "always-send": True},
            {"name": "what", "space": "vendor-32473", "data": "abcd", "always-send": True},
        ],
    }
    program = client(kea.lan, "on")
    kea.start(**extra)
    said = program.expect("^vendor (.+)", 90).group(1)
    assert said == r"[b'\x00\x00~\xd9\x00\x07\x00\x04abcd']", said


# -- wide-dhcpv6 --------------------------------------------------------------------------------

WIDE = """
option domain-name-servers fd99::53;
option domain-name "lan.test";
host board {
    duid %s;
    prefix 2001:db8:300::/56 3600 3600;
};
"""


def test_wide(lan6, tmp_path):
    """A server of RFC 3633: it has a prefix for us, and says so in a message without addresses."""
    if not netns.which("dhcp6s"):
        pytest.skip("dhcp6s is not installed: make test installs what the tests need")
    conf = tmp_path / "dhcp6s.conf"
    conf.write_text(WIDE % ("00:03:00:01:" + MAC))
    argv = ["-f", "-D", "-c", str(conf), "-P", str(tmp_path / "pid"), "tap0"]
    server = lan6.start("dhcp6s", *argv)
    lan6.ns.wait_port(547, "udp")
    program = client(lan6, "on", "56", "slow")
    program.expect(r"^prefixes \['2001:db8:300::/56'\]")
    program.said(r"^dns \['fd99::53'\]")
    program.said(r"^search \['lan.test'\]")
    end(program)
    server.expect("received release")
