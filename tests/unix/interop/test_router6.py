"""The same over IPv6: Linux - netstack - Linux, each in a namespace of its own; and Linux hosts
that know of their router by what it advertises."""

import contextlib
import hashlib
import re
import socket

import netns
import networkd
import pytest
from test_router import Routed

A, B = "fd98::1", "fd99::1"


def quiet(host):
    """Linux speaks IPv6 on eth0 only as it is told to."""
    for name, value in (("accept_dad", 0), ("router_solicitations", 0), ("accept_ra", 0)):
        host.run("sysctl", "-qw", "net.ipv6.conf.eth0.%s=%d" % (name, value))
    host.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=0")


@contextlib.contextmanager
def network(namespace, path, static=True):
    with contextlib.ExitStack() as stack:
        hosts = [stack.enter_context(netns.Namespace(tap=None)) for _ in range(2)]
        for i, host in enumerate(hosts):
            netns.join(namespace, host, "tap%d" % i, "10.%d.0.1/24" % (98 + i))
            host.run("ip", "route", "add", "default", "via", "10.%d.0.254" % (98 + i))
            quiet(host)
            if static:
                host.run(
                    "ip", "-6", "addr", "add", "fd%d::1/64" % (98 + i), "dev", "eth0", "nodad"
                )
                host.run("ip", "-6", "route", "add", "default", "via", "fd%d::fe" % (98 + i))
        yield Routed(namespace, *hosts, path)


@pytest.fixture
def routed(namespace, tmp_path):
    with network(namespace, tmp_path) as made:
        yield made


@pytest.fixture
def hosts(namespace, tmp_path):
    """The same with hosts that have no address yet."""
    with network(namespace, tmp_path, False) as made:
        yield made


def settled(routed):
    """The router has checked its addresses (RFC 4862 5.4), and answers."""
    for host, address in ((routed.a, "fd98::fe"), (routed.b, "fd99::fe")):
        host.reach(address, "-6")


def iperf(client, server, address, size, *options):
    with server.start("iperf", "-V", "-s", "-p", 5001, *[o for o in options if o == "-u"]):
        server.wait_port(5001, "udp" if "-u" in options else "tcp")
        argv = ("-V", "-c", address, "-p", 5001, "-n", size, *options)
        said = client.run("iperf", *argv, timeout=280).stdout
    assert re.search("bits/sec", said) and "failed" not in said, said
    print(said.splitlines()[-1])


def test_pings_and_errors(routed):
    """Of every length, in fragments too; hop limits, hosts that are not there: what Linux says."""
    routed.start()
    settled(routed)
    for size in (0, 1, 56, 1452, 1453, 4000):
        said = routed.a.ping(B, "-s", size, "-p", "a5c300ff", interval=0.01)
        assert "ttl=63" in said
    said = routed.a.run("ping", "-6", "-c", "1", "-W", "60", "fd98::", check=False).stdout
    assert "64 bytes from" in said, said  # all routers of the network: RFC 4291 2.6.1
    for argv, answer in (
        (("-t", "1", B), "From fd98::fe.*Time exceeded: Hop limit"),
        (("-w", "60", "fd99::77"), "From fd98::fe.*Destination unreachable: Address unreachable"),
        (("2001:db8::1",), "From fd98::fe.*Destination unreachable: No route"),
    ):
        said = routed.a.run("ping", "-6", "-c", "1", *argv, check=False).stdout
        assert re.search(answer, said), said
    said = routed.a.run("ping", "-6", "-q", "-f", "-c", "1000", "-t", "1", B, check=False).stdout
    errors = int(re.search(r"\+(\d+) errors", said).group(1))
    seconds = int(re.search(r"time (\d+)ms", said).group(1)) / 1000
    assert 10 <= errors <= 40 + 110 * seconds, said  # the rate of errors is limited
    routed.judge()


@pytest.mark.timeout(900)
def test_iperf(routed, full):
    """TCP and UDP, both ways."""
    routed.start()
    settled(routed)
    size = "1000M" if full else "50M"
    for client, server, address in ((routed.a, routed.b, B), (routed.b, routed.a, A)):
        iperf(client, server, address, size)
        iperf(client, server, address, "5M", "-u", "-b", "50M", "-l", "1400")
    counted = routed.counters()
    assert counted["fast"]["in"] > 30000 and counted["pool"]["nomem"] == 0
    router = counted["router6"]
    assert not any(router[k] for k in ("in_martian", "in_hops", "out_noroute", "out_toobig"))


def test_files_are_the_same(routed, tmp_path):
    """20 MB each way by nc."""
    routed.start()
    settled(routed)
    data = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(625000))
    for client, server, address in ((routed.a, routed.b, B), (routed.b, routed.a, A)):
        got = tmp_path / "got"
        with got.open("wb") as file:
            with server.start("sh", "-c", "nc -6 -l -N 7000 > %s" % got) as listener:
                server.wait_port(7000)
                client.run("nc", "-6", "-N", address, "7000", input=data, text=False, timeout=250)
                listener.wait(60)
            assert file is not None
        assert hashlib.sha256(got.read_bytes()).digest() == hashlib.sha256(data).digest()


def test_small_mtu_behind_it(routed):
    """The far network takes 1300 bytes: its MTU is told, SYNs are clamped, and Linux cuts what is
    longer itself."""
    routed.start("lans[1].config(mtu=1300)", "lans[1]._wire.nif.v6.mtu = 1300")
    settled(routed)
    iperf(routed.a, routed.b, B, "5M")
    iperf(routed.b, routed.a, A, "5M")
    said = routed.a.run(
        "ping", "-6", "-c", "3", "-i", "0.2", "-M", "do", "-s", "1400", B, check=False
    )
    assert "1300" in said.stdout, said.stdout
    routed.a.run("ip", "-6", "route", "flush", "cache")
    routed.a.run("ping", "-6", "-c", "1", "-s", "1400", B, check=False)  # it is told anew
    routed.a.ping(B, "-s", "1400")
    assert "mtu 1300" in routed.a.run("ip", "-6", "route", "get", B).stdout
    assert routed.counters()["router6"]["out_toobig"] >= 1


def test_mtu_without_clamp(routed):
    """TCP finds the MTU by what the router tells."""
    routed.start(
        "lans[1]._wire.nif.v6.mtu = 1300",
        "router.router6().clamp = False",
    )
    settled(routed)
    iperf(routed.a, routed.b, B, "5M")
    assert "mtu 1300" in routed.a.run("ip", "-6", "route", "get", B).stdout
    assert routed.counters()["router6"]["out_toobig"] >= 1


def test_redirect(routed):
    """A host that could reach another on its link itself is told, and believes it."""
    routed.start("router.add_route('fd97::/64', 'fe80::97', lans[0])")
    settled(routed)
    for host, link in ((routed.a, "fe80::97"), (routed.b, "fe80::96")):
        host.run("ip", "-6", "addr", "add", link + "/64", "dev", "eth0", "nodad")
    # a second host on the first link: another address of Linux in a namespace of its own
    with netns.Namespace(tap=None) as other:
        routed.a.run("ip", "-6", "addr", "del", "fe80::97/64", "dev", "eth0")
        routed.middle.run(*"ip link add o-v type veth peer name eth0 netns".split(), other.name)
        routed.middle.run(*"ip link set o-v master tap0-b up".split())
        quiet(other)
        other.run("ip", "link", "set", "eth0", "up")
        for address in ("fe80::97/64", "fd98::97/64", "fd97::1/64"):
            other.run("ip", "-6", "addr", "add", address, "dev", "eth0", "nodad")
        routed.a.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_redirects=1")
        routed.a.run(
            "ip", "-6", "route", "replace", "default", "via", link_local(routed), "dev", "eth0"
        )
        other.wait_running("eth0")
        said = routed.a.ping("fd97::1", count=1, interval=1)
        told = int(re.search(r"(\d+) packets transmitted", said).group(1))
        assert "fe80::97" in routed.a.run("ip", "-6", "route", "get", "fd97::1").stdout
        routed.a.ping("fd97::1")  # directly
        assert 1 <= routed.counters()["router6"]["out_redirect"] <= told


def link_local(routed):
    """The router's address on the first link."""
    said = routed.a.run("ping", "-6", "-c", "1", "-W", "60", "ff02::2%eth0").stdout
    return re.search(r"from (fe80::[0-9a-f:]+)%eth0", said).group(1)


# -- advertisements -----------------------------------------------------------------------------


def configures_itself(host):
    """Its kernel takes what routers advertise from now on."""
    for name, value in (
        ("accept_ra", 1),
        ("router_solicitations", 3),
        ("accept_ra_rt_info_max_plen", 64),
    ):
        host.run("sysctl", "-qw", "net.ipv6.conf.eth0.%s=%d" % (name, value))
    host.run("ip", "link", "set", "eth0", "down")
    host.run("ip", "link", "set", "eth0", "up")


def wait(host, pattern, *argv):
    """What `argv` says once it says that."""
    said = ""

    def found():
        nonlocal said
        said = host.run(*argv, check=False).stdout
        return re.search(pattern, said)

    netns.until(found, lambda: said)
    return said


def test_linux_configures_itself(hosts):
    """Addresses, ways out, MTU, routes, lifetimes; it reaches the other; and loses its router when
    that ends."""
    hosts.start(
        "netstack.advertise(lans[0], 'fd88::/64', dns='fd88::53', domains='lan.test', mtu=1400,"
        " routes='fd77::/48', preference='high', valid=9000, preferred=4000)",
        "netstack.advertise(lans[1], interval=10, reachable=20000, retrans=500)",
    )
    for host in (hosts.a, hosts.b):
        configures_itself(host)
    ours = []
    for host, prefix in ((hosts.a, "fd88:"), (hosts.b, "fd99:")):
        said = wait(host, "inet6 %s" % prefix, "ip", "-6", "addr", "show", "dev", "eth0")
        ours.append(re.search(r"inet6 (%s[0-9a-f:]+)/64" % prefix, said).group(1))
        if prefix == "fd88:":
            assert re.search(r"valid_lft (8[89]\d\d|9000)sec preferred_lft (39\d\d|4000)sec", said)
    said = wait(hosts.a, "default via fe80::.*proto ra", "ip", "-6", "route")
    assert re.search("default via fe80::.* pref high", said) and "fd77::/48 via" in said, said
    assert "mtu 1400" in said
    assert hosts.b.run("sysctl", "-n", "net.ipv6.neigh.eth0.retrans_time_ms").stdout == "500\n"
    hosts.a.reach(ours[1], "-6")
    hosts.a.ping(ours[1])
    iperf(hosts.a, hosts.b, ours[1], "5M")
    neighbours = hosts.a.run("ip", "-6", "neigh").stdout
    assert re.search("02:6e:73:74:02:00 router", neighbours), neighbours
    counted = hosts.counters()
    # Linux asks as soon as its end of the link is up, for which ours may be too early
    asked = hosts.captures[0].frames("icmpv6.type == 133 && eth.src != 02:6e:73:74:02:00")
    assert counted["eth0.advertise"]["in_solicit"] == len(asked), asked
    hosts.judge()


def test_linux_hears_the_end(hosts):
    hosts.start("ads = [netstack.advertise(lan, interval=10) for lan in lans]")
    for host in (hosts.a, hosts.b):
        configures_itself(host)
        wait(host, "default via fe80::.*proto ra", "ip", "-6", "route")
    hosts.tell("ads[0].stop()")
    hosts.tell("netstack.advertise(lans[1], 'fd66::/64', interval=10)")
    wait(hosts.b, "inet6 fd66:", "ip", "-6", "addr", "show", "dev", "eth0")
    netns.until(lambda: "default" not in hosts.a.run("ip", "-6", "route").stdout)
    old = r"inet6 fd99:.*\n\s+valid_lft (\d+)sec preferred_lft 0sec"
    said = wait(hosts.b, old, "ip", "-6", "addr", "show", "dev", "eth0")
    assert int(re.search(old, said).group(1)) <= 7200, said  # deprecated: RFC 9096 3.2


def test_rdisc6(hosts):
    """What ndisc6's own parser makes of it, asked for by a solicitation."""
    if not netns.which("rdisc6"):
        pytest.skip("rdisc6 is not installed: make test installs what the tests need")
    hosts.start(
        "netstack.advertise(lans[0], ['fd88::/64', 'fd89::/64'], dns=['fd88::53', 'fd88::54'],"
        " domains=['lan.test', 'example'], mtu=1400, routes='fd77::/48', preference='low',"
        " other=True, lifetime=900, interval=300, hops=61, reachable=30000, retrans=2000)",
    )
    hosts.a.run("ip", "-6", "addr", "add", "fe80::98/64", "dev", "eth0", "nodad", check=False)
    said = hosts.a.run("rdisc6", "-1", "-r", "15", "-w", "4000", "eth0").stdout
    for pattern in (
        r"Hop limit +: +61",
        r"Stateful address conf. +: +No",
        r"Stateful other conf. +: +Yes",
        r"Router preference +: +low",
        r"Router lifetime +: +900 ",
        r"Reachable time +: +30000 ",
        r"Retransmit time +: +2000 ",
        r"Source link-layer address: 02:6E:73:74:02:00",
        r"MTU +: +1400 bytes",
        r"Prefix +: fd88::/64",
        r"Prefix +: fd89::/64",
        r"On-link +: +Yes",
        r"Autonomous address conf.: +Yes",
        r"Valid time +: +2592000 ",
        r"Pref. time +: +604800 ",
        r"Route +: fd77::/48",
        r"Route preference +: +low",
        r"Recursive DNS server +: fd88::53",
        r"Recursive DNS server +: fd88::54",
        r"DNS server(s)? lifetime *: +900 ",
        r"DNS search list +: lan.test",
        r"DNS search list +: lan.test.*example|DNS search list +: example|example",
        r" from fe80::",
    ):
        assert re.search(pattern, said), (pattern, said)
    hosts.judge()


def test_dhcpcd(hosts, tmp_path):
    """A client in user space: it makes the address itself, and notes the DNS servers."""
    if not netns.which("dhcpcd"):
        pytest.skip("dhcpcd is not installed: make test installs what the tests need")
    hosts.start("netstack.advertise(lans[0], 'fd88::/64', dns='fd88::53', domains='lan.test')")
    config = tmp_path / "dhcpcd.conf"
    config.write_text("ipv6only\nslaac hwaddr\n")
    script = tmp_path / "script"
    env = tmp_path / "env"  # whole as soon as it is there
    script.write_text("#!/bin/sh\nenv > %s.$$ && mv %s.$$ %s.$reason\n" % (env, env, env))
    script.chmod(0o755)
    hosts.a.run("ip", "-6", "addr", "add", "fe80::98/64", "dev", "eth0", "nodad", check=False)
    argv = ("dhcpcd", "-B", "-6", "-f", config, "-c", script, "eth0")
    with hosts.a.start(*argv):
        wait(hosts.a, "inet6 fd88:", "ip", "-6", "addr", "show", "dev", "eth0")
        said = wait(hosts.a, "nd1_rdnss1_servers=", "sh", "-c", "cat %s.[A-Z]*" % env)
    assert "nd1_rdnss1_servers=fd88::53" in said and "lan.test" in said, said


NETWORKD = """
[Match]
Name=eth0
[Network]
IPv6AcceptRA=yes
[IPv6AcceptRA]
DHCPv6Client=no
Token=::77
"""


def test_networkd(hosts, tmp_path):
    """systemd's client: its own parser, its own address, routes with their preference, DNS."""
    hosts.start(
        "netstack.advertise(lans[0], 'fd88::/64', dns='fd88::53', domains='lan.test', mtu=1400,"
        " routes='fd77::/48', preference='high')",
    )
    with networkd.start(hosts.a, NETWORKD, tmp_path) as client:
        wait(hosts.a, "inet6 fd88::77/64", "ip", "-6", "addr", "show", "dev", "eth0")
        said = wait(hosts.a, "fd77::/48 via fe80::", "ip", "-6", "route")
        assert re.search("default via fe80::.* pref high", said), said
        client.expect("eth0: State changed: .*-> configured")
        assert "mtu 1400" in hosts.a.run("ip", "-6", "route").stdout
    hosts.judge()


# -- policy -------------------------------------------------------------------------------------


def test_source_rules(routed):
    """Two ways out of the same network, by source."""
    routed.start("router.add_route('fd55::/64', 'fd99::1', source='fd98::2')")
    settled(routed)
    routed.a.run("ip", "-6", "addr", "add", "fd98::2/64", "dev", "eth0", "nodad")
    routed.b.run("ip", "-6", "addr", "add", "fd55::1/64", "dev", "eth0", "nodad")
    routed.a.ping("fd55::1", "-I", "fd98::2")
    said = routed.a.run(
        "ping", "-6", "-c", "1", "-W", "60", "-I", "fd98::1", "fd55::1", check=False
    ).stdout
    assert "No route" in said, said


def test_filter(routed):
    """From b only what belongs to connections of a; UDP is rejected, pings are dropped: the same
    rules for both families."""
    routed.start(
        "router.rule('pass', 'icmp', src='fd98::/64', dst='fd99::1')",
        "router.rule('pass', by=lans[0])",
        "router.rule('pass', 'tcp', by=lans[1], established=True)",
        "router.rule('reject', 'udp', by=lans[1])",
        "router.policy('drop')",
    )
    settled(routed)
    iperf(routed.a, routed.b, B, "20M")
    iperf(routed.a, routed.b, B, "20M", "-R")
    for client, address, family in ((routed.b, A, "-6"), (routed.b, "10.98.0.1", "-4")):
        argv = ("ping", family, "-c", "2", "-i", "0.2", "-W", "1", address)
        assert client.run(*argv, check=False).returncode
        said = client.run("nc", family, "-v", "-w", "2", address, "7", check=False)
        assert said.returncode and "refused" not in said.stdout, said.stdout
    with routed.b.entered():
        for family, address in ((socket.AF_INET6, A), (socket.AF_INET, "10.98.0.1")):
            with socket.socket(family, socket.SOCK_DGRAM) as s:
                s.settimeout(60)
                s.connect((address, 9))
                s.send(b"anybody there?")
                with pytest.raises(OSError) as caught:
                    s.recv(100)
                assert not isinstance(caught.value, TimeoutError)
    counted = routed.counters()
    assert counted["router6"]["in_refused"] >= 4 and counted["router"]["in_refused"] >= 4
    assert counted["fast"]["in"] > 10000
    routed.judge()
