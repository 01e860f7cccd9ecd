"""Two Linux hosts, each in a namespace of its own, and netstack as the router between them."""

import contextlib
import os
import re
import selectors
import socket
import subprocess
import threading

import netns
import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
PATH = ":".join(os.path.join(netns.ROOT, d) for d in ("lib", "ports/unix")) + ":.frozen"
A, B = "10.98.0.1", "10.99.0.1"


class Routed:
    """a (10.98.0.1) and b (10.99.0.1) are the hosts' namespaces, `program` the router."""

    def __init__(self, middle, a, b, path):
        self.middle = middle
        self.a = a
        self.b = b
        self.captures = [
            netns.Capture(middle, path / ("tap%d.pcap" % i), "tap%d" % i) for i in (0, 1)
        ]

    def start(self, *lines):
        self.program = self.middle.micropython(
            os.path.join(HERE, "programs/router.py"),
            *("tap0", "tap1", *lines),
            env={"MICROPYPATH": PATH},
            stdin=subprocess.PIPE,
        )
        self.program.expect("^ready")
        for tap in ("tap0", "tap1"):
            self.middle.wait_running(tap, self.program)

    def tell(self, line):
        """Have it do this, in Python."""
        self.program.stdin.write(line + "\n")
        self.program.stdin.flush()

    def counters(self):
        """What it has counted, once it has ended."""
        self.tell("end")
        output = self.program.finish()
        return {
            line.split(" ", 1)[0]: eval(line.split(" ", 1)[1])
            for line in output.splitlines()
            if line.endswith("}")
        }

    def judge(self):
        """tshark finds no fault with what the router has sent. (Linux sends 0xFFFF for a sum of 0
        now and then, which is none of ours.)"""
        for i, capture in enumerate(self.captures):
            ours = "eth.src == 02:6e:73:74:02:0%d && !(tcp.checksum == 0xffff)" % i
            assert capture.frames(ours, "frame.number")
            assert not capture.frames("%s && (%s)" % (ours, netns.BAD))


@pytest.fixture
def routed(namespace, tmp_path):
    with contextlib.ExitStack() as stack:
        hosts = [stack.enter_context(netns.Namespace(tap=None)) for _ in range(2)]
        for i, host in enumerate(hosts):
            netns.join(namespace, host, "tap%d" % i, "10.%d.0.1/24" % (98 + i))
            host.run("ip", "route", "add", "default", "via", "10.%d.0.254" % (98 + i))
        yield Routed(namespace, *hosts, tmp_path)


def iperf(client, server, address, size, *options):
    with server.start("iperf", "-s", "-p", 5001, *[o for o in options if o == "-u"]):
        server.wait_port(5001, "udp" if "-u" in options else "tcp")
        argv = ("-c", address, "-p", 5001, "-n", size, *options)
        said = client.run("iperf", *argv, timeout=240).stdout
    assert re.search("bits/sec", said) and "failed" not in said, said
    print(said.splitlines()[-1])


def test_pings_and_errors(routed):
    """Of every length, in fragments too; TTL, and hosts that are not there: what Linux says."""
    routed.start()
    routed.a.reach(B)
    for size in (0, 1, 56, 1472, 1473, 4000):
        said = routed.a.ping(B, "-s", size, "-p", "a5c300ff", interval=0.01)
        assert "ttl=63" in said
    for argv, answer in (
        (("-t", "1", B), "From 10.98.0.254.*Time to live exceeded"),
        (("-w", "60", "10.99.0.77"), "From 10.98.0.254.*Destination Host Unreachable"),
        (("192.0.2.1",), "From 10.98.0.254.*Destination Net Unreachable"),
    ):
        said = routed.a.run("ping", "-c", "1", *argv, check=False).stdout
        assert re.search(answer, said), said
    routed.judge()


def test_iperf(routed, full):
    """TCP and UDP, both ways."""
    routed.start()
    size = "1000M" if full else "50M"
    for client, server, address in ((routed.a, routed.b, B), (routed.b, routed.a, A)):
        iperf(client, server, address, size)
        iperf(client, server, address, "5M", "-u", "-b", "50M")
    counted = routed.counters()
    assert counted["fast"]["in"] > 30000 and counted["pool"]["nomem"] == 0
    assert not any(counted["router"][k] for k in ("in_martian", "in_ttl", "out_noroute"))


def test_small_mtu_behind_it(routed):
    """The far network takes 1000 bytes: DF is answered with its MTU, SYNs are clamped, and the
    rest is cut into parts that Linux puts together."""
    routed.start("lans[1].config(mtu=1000)")
    iperf(routed.a, routed.b, B, "5M")
    iperf(routed.b, routed.a, A, "5M")
    said = routed.a.run("ping", "-c", "2", "-i", "0.2", "-M", "do", "-s", "1200", B, check=False)
    assert "mtu" in said.stdout and "1000" in said.stdout, said.stdout
    routed.a.run("ip", "route", "flush", "cache")
    routed.a.ping(B, "-M", "dont", "-s", "1400")
    counted = routed.counters()
    assert counted["router"]["out_fragmented"] >= 6 and counted["router"]["out_toobig"] >= 1


# -- NAPT ---------------------------------------------------------------------------------------

OUTSIDE = "10.99.0.254"
FLOWS = 500


@pytest.fixture
def natted(routed):
    """The same with NAPT; the outer host knows nothing of the inner network."""
    routed.b.run("ip", "route", "del", "default")
    routed.start(
        "router.nat(lans[1], size=2048)",
        "router.forward_port('tcp', 80, '10.98.0.1', 8080)",
    )
    return routed


def tcp_server(ns, address, port):
    """(a thread that echoes on every connection until its end, a set of who has called)"""
    with ns.entered():
        listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(1000)
    callers = set()

    def run():
        selector = selectors.DefaultSelector()
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    conn, peer = listener.accept()
                    callers.add(peer)
                    selector.register(conn, selectors.EVENT_READ)
                    continue
                data = key.fileobj.recv(65536)
                if data == b"end":
                    listener.close()
                    return
                if data:
                    key.fileobj.sendall(data)
                else:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, callers


def call(ns, address, port):
    with ns.entered():
        s = socket.socket()
    s.settimeout(60)
    s.connect((address, port))
    return s


def echoed(s, data):
    s.sendall(data)
    got = b""
    while len(got) < len(data):
        part = s.recv(65536)
        assert part
        got += part
    return got


def test_to_a_netstack_host_on_a_vlan(namespace, tmp_path):
    """Linux - netstack - a VLAN - netstack: pings, UDP and TCP; on the VLAN all is tagged."""
    with netns.Namespace(tap=None) as linux:
        netns.join(namespace, linux, "tap0", A + "/24")
        linux.run("ip", "route", "add", "default", "via", "10.98.0.254")
        namespace.run(*"ip link add br0 type bridge".split())
        for tap in ("tap1", "tap2"):
            namespace.add_tap(tap)
            namespace.run("ip", "link", "set", tap, "master", "br0")
        namespace.run(*"ip link set br0 up".split())
        routed = Routed(namespace, linux, None, tmp_path)
        routed.start(
            "from netstack.api import links",
            "vlan = network.LAN(nic=links.vlan(lans[1], 10))",
            "vlan.active(True); vlan.ipconfig(addr4='10.99.10.254/24')",
        )
        program = namespace.micropython(
            os.path.join(HERE, "programs/vlans.py"),
            *("5", "10.99.10.254"),
            env={"MICROPYPATH": PATH},
            tap="tap2",
        )
        program.expect("^ready")
        namespace.wait_running("tap2", program)
        there = "10.99.10.2"
        linux.reach(there)
        for size in (0, 56, 1472, 4000):
            linux.ping(there, "-s", size, "-p", "a5c300ff", interval=0.01)
        with linux.entered():
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with s:
            s.settimeout(60)
            s.connect((there, 7))
            s.send(bytes(1472))
            assert s.recv(2000) == bytes(1472)
        said = linux.run("iperf", "-c", there, "-p", 5001, "-n", "20M", timeout=120).stdout
        assert "bits/sec" in said, said
        assert int(program.expect(r"got (\d+)").group(1)) >= 20 << 20
        frames = routed.captures[1].frames
        assert len(frames("vlan.id == 10 && tcp.port == 5001")) > 10000
        assert not frames("!vlan && ip.addr == 10.98.0.0/16")
        routed.judge()


def test_nat_500_flows(natted):
    """500 connections at a time, all used several times, each with its own data."""
    thread, callers = tcp_server(natted.b, B, 7)
    flows = [call(natted.a, B, 7) for _ in range(FLOWS)]
    for turn in range(3):
        for i, s in enumerate(flows):
            s.sendall(b"%d of %d|" % (turn, i) * 20)
        for i, s in enumerate(flows):
            want = b"%d of %d|" % (turn, i) * 20
            got = b""
            while len(got) < len(want):
                part = s.recv(4096)
                assert part
                got += part
            assert got == want
    assert len(callers) == FLOWS and {peer[0] for peer in callers} == {OUTSIDE}
    for s in flows[1:]:
        s.close()
    flows[0].sendall(b"end")
    thread.join(60)
    counted = natted.counters()
    assert counted["nat"]["made"] >= FLOWS and counted["nat"]["full"] == 0
    natted.judge()


def test_nat_udp_and_pings(natted):
    """Pings out, UDP with a closed port (the error comes back), traceroute-like TTLs."""
    natted.a.reach(B)
    natted.a.ping(B, "-s", "1400", count=5)
    natted.a.ping(B, "-s", "4000", count=2)
    with natted.a.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.settimeout(60)
        s.connect((B, 9))
        s.send(b"anybody there?")
        with pytest.raises(ConnectionRefusedError):
            s.recv(100)
    iperf(natted.a, natted.b, B, "5M", "-u", "-b", "50M")
    # from outside the inner network cannot be called, but for what is forwarded
    assert natted.b.run("ping", "-c", "1", "-W", "1", A, check=False).returncode
    natted.judge()


def test_nat_port_forward(natted):
    thread, callers = tcp_server(natted.a, A, 8080)
    s = call(natted.b, OUTSIDE, 80)
    assert echoed(s, b"from outside" * 1000) == b"from outside" * 1000
    assert {peer[0] for peer in callers} == {B}
    # a hairpin: from inside by the address outside
    t = call(natted.a, OUTSIDE, 80)
    assert echoed(t, b"from inside" * 1000) == b"from inside" * 1000
    assert {peer[0] for peer in callers} == {B, OUTSIDE}
    s.close()
    t.sendall(b"end")
    thread.join(60)
    natted.judge()


def test_nat_iperf(natted, full):
    iperf(natted.a, natted.b, B, "1000M" if full else "50M")
    iperf(natted.a, natted.b, B, "1000M" if full else "50M", "-R")
    counted = natted.counters()
    assert counted["fast"]["in"] > 30000


# -- packet filter ------------------------------------------------------------------------------


def test_filter(routed):
    """From b only what belongs to connections of a; UDP is rejected, pings are dropped."""
    routed.start(
        "router.rule('pass', by=lans[0])",
        "router.rule('pass', 'tcp', by=lans[1], established=True)",
        "router.rule('reject', 'udp', by=lans[1])",
        "router.policy('drop')",
    )
    iperf(routed.a, routed.b, B, "20M")
    iperf(routed.a, routed.b, B, "20M", "-R")
    thread, _ = tcp_server(routed.a, A, 7)
    with routed.b.entered():
        s = socket.socket()
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s, u:
        s.settimeout(2)
        with pytest.raises(TimeoutError):
            s.connect((A, 7))
        u.settimeout(60)
        u.connect((A, 9))
        u.send(b"anybody there?")
        with pytest.raises(OSError) as caught:
            u.recv(100)
        assert not isinstance(caught.value, TimeoutError)
    assert routed.b.run("ping", "-c", "2", "-i", "0.2", "-W", "1", A, check=False).returncode
    t = call(routed.a, A, 7)
    t.sendall(b"end")
    thread.join(60)
    counted = routed.counters()
    assert counted["router"]["in_refused"] >= 4 and counted["fast"]["in"] > 10000
    routed.judge()
