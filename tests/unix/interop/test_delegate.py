"""A prefix from Kea for the network behind netstack: Linux (server) - netstack - Linux (host)."""

import re

import kea
import pytest
from netns import until
from test_router6 import network

WHOLE = "2001:db8:100::/40"


@pytest.fixture
def hosts(namespace, tmp_path):
    with network(namespace, tmp_path, False) as made:
        made.a.run("ip", "-6", "addr", "add", "fd98::1/64", "dev", "eth0", "nodad")
        made.a.run("ip", "-6", "addr", "add", "fe80::a/64", "dev", "eth0", "nodad")
        made.a.run("ip", "-6", "route", "add", WHOLE, "via", "fd98::fe")
        made.path = tmp_path
        for name in ("accept_ra", "router_solicitations"):
            made.b.run("sysctl", "-qw", "net.ipv6.conf.eth0.%s=1" % name)
        yield made


def serve(hosts, **times):
    net = {
        "subnet": "fd98::/64",
        "interface": "eth0",
        "pd-pools": [{"prefix": "2001:db8:100::", "prefix-len": 40, "delegated-len": 56}],
        **times,
    }
    config = {"subnet6": [net]}
    return kea.start(hosts.a, hosts.path, 6, config, interface="eth0")


def addresses(host):
    """{address: (flags, seconds valid)} of the prefixes that are delegated."""
    said = host.run("ip", "-6", "addr", "show", "dev", "eth0").stdout
    rows = re.findall(r"inet6 (2001:db8:1\S+)/64 scope global (.*)\n +valid_lft (\d+)sec", said)
    return {addr: (flags, int(valid)) for addr, flags, valid in rows}


def test_a_prefix_for_the_lan(hosts):
    """The host behind us takes an address of it, and is reached; what is not in use of the prefix
    does not go round in circles."""
    hosts.start("made = netstack.delegate(lans[0], lans[1], 3)")
    serve(hosts)
    addr, (_, valid) = until(lambda: addresses(hosts.b)).popitem()
    assert addr.startswith("2001:db8:100:3:"), addr
    assert 3000 < valid <= 7200, valid
    until(lambda: "default" in hosts.b.run("ip", "-6", "route").stdout)
    hosts.a.ping(addr)
    argv = ("-c", "1", "-w", "30", "2001:db8:100:4::1")  # an error ends it at once
    said = hosts.a.run("ping", "-6", *argv, check=False).stdout
    assert "Time exceeded" not in said and "unreachable" in said, said
    hosts.tell("made.stop()")
    until(lambda: "deprecated" in addresses(hosts.b)[addr][0])


def test_server_that_ends(hosts):
    """Lifetimes are told on, renewed, and end."""
    hosts.start("netstack.delegate(lans[0], lans[1], interval=4)")
    times = {"preferred-lifetime": 12, "valid-lifetime": 20, "renew-timer": 3, "rebind-timer": 7}
    server = serve(hosts, **times)
    addr, _ = until(lambda: addresses(hosts.b)).popitem()
    for _ in range(2):
        server.expect("DHCP6_PD_LEASE_RENEW")
    assert "deprecated" not in addresses(hosts.b)[addr][0]
    server.stop()

    def ended():
        now = addresses(hosts.b)
        return addr not in now or "deprecated" in now[addr][0]

    until(ended)
