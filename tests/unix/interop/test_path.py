"""Two Linux routers and a narrow link between us and Linux (RFC 1191)."""

import hashlib
import os
import socket
import threading

import netns
import pytest
from netns import MAC, OURS

_IP_MTU_DISCOVER = 10
_IP_PMTUDISC_DONT = 0
_TOLD = "icmp.type == 3 && icmp.code == 4"  # fragmentation needed


def test_tcp_from_us(lan, far, tmp_path):
    """A router tells of its limit, and the rest of the file comes in segments that fit."""
    data = os.urandom(3 << 20)
    (tmp_path / "file").write_bytes(data)
    with far.entered(), socket.create_server((far.address, 5001)) as listener:
        listener.settimeout(60)
        source = lan.program("tcp_source", 5001, tmp_path / "file", far.address)
        conn, _ = listener.accept()
    with conn:
        conn.settimeout(60)
        digest = hashlib.sha256()
        while part := conn.recv(65536):
            digest.update(part)
    assert digest.digest() == hashlib.sha256(data).digest()
    source.expect("^rest b''")
    assert lan.capture.frames(_TOLD + " && icmp.mtu == 1300")
    full = lan.capture.frames("ip.src == %s && ip.len == 1300 && ip.flags.df == 1" % OURS)
    assert len(full) > 2000
    long = lan.capture.frames("eth.src == %s && ip.len > 1300" % MAC)
    assert len(long) < 50, "goes on with segments that do not fit: %d" % len(long)


def test_tcp_to_us(lan, far, tmp_path):
    """Linux learns of it in the same way, its packets being quoted; ours answers what comes."""
    data = os.urandom(1 << 20)
    sink = lan.ready("tcp_sink", 5000)
    with far.entered(), socket.create_connection((OURS, 5000), 60) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        assert s.recv(100) == b"%d bytes\n" % len(data)
    assert sink.expect(r"^got (\d+)").group(1) == str(len(data))


def test_udp_from_us(lan, far):
    """What does not fit is told once (EMSGSIZE), and sent in fragments from then on."""

    def serve():
        while True:
            data, peer = s.recvfrom(65535)
            if data == b"end":
                return
            s.sendto(data, peer)

    with far.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        # what is sent back may be cut on its way
        s.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)
        s.bind((far.address, 4007))
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        client = lan.program("udp_client", 4007, 40, 8000, far.address)
        assert client.expect(r"^equal (\d+)", 120).group(1) == "40", client.output
        assert client.output.count("again 90") == 1 and client.output.count("again") == 1
        s.sendto(b"end", s.getsockname())
        thread.join(60)
    assert lan.capture.frames(_TOLD)
    large = lan.capture.frames("eth.src == %s && ip.len > 1300" % MAC)
    assert len(large) == 1  # it was that one


def test_ping_both_ways(lan, far):
    """Our answers may be cut by routers: nobody would listen to their complaints (no DF)."""
    lan.ready("udp_echo")
    for size in (1472, 1400, 8000):
        far.ping(OURS, "-M", "dont", "-s", size)


def silence(ns):
    """A router that tells nobody of what it drops."""
    if not netns.which("nft"):
        pytest.skip("nft is not installed: make test installs what the tests need")
    ns.run(
        "nft",
        "add table inet f; add chain inet f o { type filter hook output priority 0; };"
        "add rule inet f o icmp type destination-unreachable drop;"
        "add rule inet f o icmpv6 type packet-too-big drop",
    )


@pytest.mark.parametrize("told", [True, False])
def test_path_mtu(lan, far, told):
    """netstack.path_mtu() (RFC 8899), with a router that tells of its limit and one that does not;
    a datagram of that size gets through then."""
    if not told:
        silence(lan.ns)
    with far.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.bind((far.address, 9))
        s.settimeout(60)
        program = lan.program("path_mtu", far.address, 0.3)
        assert program.expect(r"^found (\d+)").group(1) == "1300", program.output
        assert len(s.recv(2000)) == 1300 - 28
    assert bool(lan.capture.frames(_TOLD)) == told


def test_path_mtu_of_ipv6(lan, namespace):
    """The same over IPv6 to a host behind Linux."""
    lan.ns.use_ipv6("tap0")
    silence(lan.ns)
    with netns.Namespace(tap=None) as host:
        lan.run(*"ip link add left type veth peer name right netns".split(), host.name)
        for ns, end, number in ((lan.ns, "left", 1), (host, "right", 2)):
            ns.use_ipv6(end, "fd97::%d/64" % number)
            ns.run("ip", "link", "set", end, "mtu", "1400", "up")
        host.wait_running("right")
        lan.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        host.run("ip", "-6", "route", "add", "default", "via", "fd97::1")
        with host.entered():
            s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        with s:
            s.bind(("fd97::2", 9))
            s.settimeout(60)
            program = lan.program("path_mtu", "fd97::2", 0.3, 48)
            assert program.expect(r"^found (\d+)").group(1) == "1400", program.output
            assert len(s.recv(2000)) == 1400 - 48
