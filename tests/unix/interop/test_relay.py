"""Linux's DHCPv6 clients get addresses from Kea by way of netstack as the relay: Linux (server) -
netstack - Linux (client)."""

import re

import kea
import netns
import pytest
from test_router6 import network


@pytest.fixture
def hosts(namespace, tmp_path):
    if not netns.which("dhclient"):
        pytest.skip("dhclient is not installed: make test installs what the tests need")
    with network(namespace, tmp_path, False) as made:
        made.a.run("ip", "-6", "addr", "add", "fd98::1/64", "dev", "eth0", "nodad")
        made.a.run("ip", "-6", "addr", "add", "fe80::a/64", "dev", "eth0", "nodad")
        made.a.run("ip", "-6", "route", "add", "default", "via", "fd98::fe")
        made.b.run("ip", "-6", "addr", "add", "fe80::b/64", "dev", "eth0", "nodad")
        made.path = tmp_path
        yield made


def serve(hosts):
    """Kea, which knows by the relay's address which network a client is in."""
    nets = [
        {"id": 1, "subnet": "fd98::/64", "pools": [{"pool": "fd98::1000-fd98::1fff"}]},
        {"id": 2, "subnet": "fd99::/64", "pools": [{"pool": "fd99::1000-fd99::1fff"}]},
    ]
    options = [{"name": "dns-servers", "data": "fd98::53"}]
    config = {"subnet6": nets, "option-data": options}
    return kea.start(hosts.a, hosts.path, 6, config, interface="eth0/fd98::1")


def test_dhclient(hosts):
    """Four messages, each by way of us; an address of the client's own network; its release."""
    hosts.start("relay = netstack.relay(lans[1], 'fd98::1')")
    server = serve(hosts)
    script = hosts.path / "dhclient-script"
    env = hosts.path / "env"  # whole as soon as it is there
    script.write_text('#!/bin/sh\nenv > %s.new && mv %s.new "%s.$reason"\n' % (env, env, env))
    script.chmod(0o755)
    files = ("-lf", hosts.path / "leases6", "-pf", hosts.path / "pid6", "-sf", script)
    client = hosts.b.start("dhclient", "-6", "-d", "-v", "-cf", "/dev/null", *files, "eth0")
    server.expect("DHCP6_LEASE_ALLOC")
    bound = hosts.path / "env.BOUND6"
    netns.until(bound.exists, lambda: client.output)
    said = bound.read_text()
    assert re.search(r"new_ip6_address=fd99::1[0-9a-f]{3}\n", said), said
    assert "new_dhcp6_name_servers=fd98::53" in said
    hosts.b.run("dhclient", "-6", "-r", "-cf", "/dev/null", *files, "eth0")
    server.expect("DHCP6_RELEASE_NA")
    client.stop()
    answered = "host.stack().stats()['relay6']['answered'] >= 3"
    hosts.tell("host.wait(lambda: %s, 60000); relay.stop()" % answered)
    counted = hosts.counters()["relay6"]
    assert counted["forwarded"] >= 3 and counted["answered"] >= 3, counted
    assert not any(n for name, n in counted.items() if name.startswith("in_")), counted
    hosts.judge()
