"""Three Linux hosts, each in a namespace of its own, on a bridge: netstack with three TAPs."""

import os
import re
import subprocess

import netns
import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
PATH = ":".join(os.path.join(netns.ROOT, d) for d in ("lib", "ports/unix")) + ":.frozen"
HOSTS = 3


@pytest.fixture
def bridged(namespace, tmp_path):
    """(the namespace of the bridge, those of the hosts, the bridge's process)"""
    hosts = []
    try:
        for i in range(HOSTS):
            hosts.append(netns.Namespace(tap=None))
            netns.join(namespace, hosts[i], "tap%d" % i, "10.99.0.%d/24" % (11 + i))
        taps = ["tap%d" % i for i in range(HOSTS)]
        program = namespace.micropython(
            os.path.join(HERE, "programs/bridge.py"),
            *taps,
            env={"MICROPYPATH": PATH},
            stdin=subprocess.PIPE,
        )
        program.expect("^ready", 30)
        yield namespace, hosts, program
    finally:
        for host in hosts:
            host.close()


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
                argv = ("-c", "3", "-i", "0.01", "-w", "20", "-s", size, "-p", "a5c300ff")
                said = host.run("ping", *argv, "10.99.0.%d" % last).stdout
                assert " 0% packet loss" in said and "wrong data" not in said, said
    # The first station moves to the port of the second
    mac = hosts[0].run("cat", "/sys/class/net/eth0/address").stdout.strip()
    hosts[0].run(*"ip link set eth0 down".split())
    hosts[1].run("ip", "link", "set", "eth0", "address", mac)
    hosts[2].run(*"ip neigh flush dev eth0".split())
    hosts[2].run(*"ping -c 3 -i 0.01 -w 20 10.99.0.12".split())
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
