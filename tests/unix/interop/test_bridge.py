"""Three Linux hosts, each in a namespace of its own, on a bridge: netstack with three TAPs."""

import contextlib
import itertools
import os
import re
import socket
import struct
import subprocess
import time

import netns
import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
PATH = ":".join(os.path.join(netns.ROOT, d) for d in ("lib", "ports/unix")) + ":.frozen"
HOSTS = 3


@contextlib.contextmanager
def network(namespace, *options):
    """(the namespace of the bridge, those of the hosts, the bridge's process)"""
    hosts = []
    try:
        for i in range(HOSTS):
            hosts.append(netns.Namespace(tap=None))
            netns.join(namespace, hosts[i], "tap%d" % i, "10.99.0.%d/24" % (11 + i))
        taps = ["tap%d" % i for i in range(HOSTS)]
        program = namespace.micropython(
            os.path.join(HERE, "programs/bridge.py"),
            *options,
            *taps,
            env={"MICROPYPATH": PATH},
            stdin=subprocess.PIPE,
        )
        program.expect("^ready")
        for tap in taps:
            namespace.wait_running(tap, program)
        yield namespace, hosts, program
    finally:
        for host in hosts:
            host.close()


@pytest.fixture
def bridged(namespace):
    with network(namespace) as made:
        yield made


def counters(program):
    """What the bridge has counted, once it has ended."""
    program.stdin.write("end\n")
    program.stdin.flush()
    output = program.finish()
    return {
        line.split(" ", 1)[0]: eval(line.split(" ", 1)[1])
        for line in output.splitlines()
        if line.endswith("}")
    }


def test_pings(bridged):
    """Everybody reaches everybody, the bridge's own host included, whatever the length."""
    _, hosts, program = bridged
    for i, host in enumerate(hosts):
        for last in [2] + [11 + k for k in range(HOSTS) if k != i]:
            for size in (0, 1, 56, 1472):
                options = ("-s", size, "-p", "a5c300ff")
                host.ping("10.99.0.%d" % last, *options, interval=0.01)
    # The first station moves to the port of the second
    mac = hosts[0].run("cat", "/sys/class/net/eth0/address").stdout.strip()
    hosts[0].run(*"ip link set eth0 down".split())
    hosts[1].run("ip", "link", "set", "eth0", "address", mac)
    hosts[2].run(*"ip neigh flush dev eth0".split())
    hosts[2].run(*"ping -c 3 -i 0.01 -w 60 10.99.0.12".split(), timeout=90)
    counted = counters(program)
    assert counted["br0.bridge"]["moved"] >= 1
    assert counted["fast"]["in"] > 50
    assert not any(counted["br0.bridge"][k] for k in ("in_own", "in_short", "in_source"))


def test_iperf(bridged, full):
    """TCP between two pairs, both ways, and nobody else sees it."""
    middle, hosts, program = bridged
    size = "1000M" if full else "50M"
    for i in (0, 1):
        hosts[i].start("iperf", "-s", "-p", 5001)
        hosts[i].wait_port(5001)
    with netns.Capture(hosts[2], "/dev/null", "eth0"):
        before = int(hosts[2].run("cat", "/sys/class/net/eth0/statistics/rx_packets").stdout)
        for client, server in ((0, 1), (1, 0), (2, 0)):
            argv = ("-c", "10.99.0.%d" % (11 + server), "-p", 5001, "-n", size)
            said = hosts[client].run("iperf", *argv, timeout=240).stdout
            assert re.search("bits/sec", said) and "failed" not in said, said
            print(said.splitlines()[-1])
            if client == 1:
                seen = hosts[2].run("cat", "/sys/class/net/eth0/statistics/rx_packets").stdout
                assert int(seen) - before < 20, "unicast frames of others"
    counted = counters(program)
    assert counted["fast"]["in"] > 50000 // (1 if full else 4)
    assert counted["pool"]["nomem"] == 0


# -- snooping -----------------------------------------------------------------------------------

GROUPS = {socket.AF_INET: "239.7.7.7", socket.AF_INET6: "ff15::7:7"}


@pytest.fixture
def snooped(namespace):
    """The bridge looks at groups, and Linux's own bridge, on the first port, asks for them."""
    with network(namespace, "snoop") as made:
        middle, hosts, _ = made
        for i in range(HOSTS):
            middle.run(*("ip link set tap%d-b type bridge mcast_snooping 0" % i).split())
            hosts[i].use_ipv6("eth0", "fd99::%d/64" % (11 + i))
        middle.run(
            "ip", "link", "set", "tap0-b", "type", "bridge", "mcast_snooping", "1",
            "mcast_querier", "1", "mcast_query_use_ifaddr", "1", "mcast_query_interval", "200",
            "mcast_query_response_interval", "100", "mcast_startup_query_interval", "100",
            "mcast_mld_version", "2", "mcast_igmp_version", "3",
        )  # fmt: skip
        middle.run("ip", "addr", "add", "10.99.0.1/24", "dev", "tap0-b")
        middle.use_ipv6("tap0-b", None)
        for host in hosts:
            host.wait_for_link_local("eth0")
        yield made


def sniffer(host):
    """All frames of a host's interface."""
    with host.entered():
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind(("eth0", 0))
    s.settimeout(60)
    return s


class Marker:
    """Broadcasts of a host, which pass everywhere behind all that it has sent before."""

    def __init__(self, host):
        self.socket = sniffer(host)
        self.number = 0

    def reached(self, what, ears):
        """The sniffers to which a frame with that in it has come by now."""
        self.number += 1
        end = b"marker %d;" % self.number
        self.socket.send(b"\xff" * 6 + b"\2\0\0\0\0\1\x88\xb5" + end.ljust(46))
        found = []
        for ear in ears:
            frame = b""
            while end not in frame:
                frame = ear.recv(2048)
                if what in frame and ear not in found:
                    found.append(ear)
        return found


def member(host, family):
    """A socket of a host that has joined."""
    with host.entered():
        s = socket.socket(family, socket.SOCK_DGRAM)
        index = socket.if_nametoindex("eth0")
        group = socket.inet_pton(family, GROUPS[family])
        if family == socket.AF_INET:
            mreq = group + bytes(4) + struct.pack("=I", index)
            s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, mreq)
        else:
            mreq = group + struct.pack("=I", index)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, mreq)
        s.bind(("", 4007))
    s.settimeout(60)
    return s


def sender(host, family):
    with host.entered():
        s = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET:
            address = socket.inet_aton("10.99.0.11")
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, address)
        else:
            index = struct.pack("=I", socket.if_nametoindex("eth0"))
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    return s


@pytest.mark.parametrize("family", GROUPS, ids=("igmp", "mld"))
def test_snooping(snooped, family):
    """Real reports of real hosts: who has joined gets all of it, the third host nothing from when
    the bridge has heard a query and a report; and after the member has left, nobody."""
    _, hosts, program = snooped
    to = (GROUPS[family], 4007)
    ears = [sniffer(host) for host in hosts[1:]]
    marker = Marker(hosts[0])
    numbers = itertools.count()

    def reached(source):
        text = b"datagram %d;" % next(numbers)
        source.sendto(text, to)
        return text, marker.reached(text, ears)

    with sender(hosts[0], family) as source, member(hosts[1], family) as s:
        quiet = 0
        end = time.monotonic() + 90
        while quiet < 20:
            assert time.monotonic() < end, "the third host is still sent what it has not asked for"
            text, found = reached(source)
            assert s.recv(100) == text and ears[0] in found
            quiet = 0 if ears[1] in found else quiet + 1
            time.sleep(0.05)
    with sender(hosts[0], family) as source:
        netns.until(lambda: not reached(source)[1], "who has left is still sent it", 90)
    for s in (marker.socket, *ears):
        s.close()
    counted = counters(program)["br0.snoop"]
    assert counted["narrowed"] >= 20 and counted["in_bad"] == 0, counted
