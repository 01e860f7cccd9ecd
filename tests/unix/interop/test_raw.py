"""Raw sockets and ping sockets with Linux."""

import os
import re
import socket

import netns
from netns import LINUX, LINUX6, MAC, OURS, OURS6

PATH = ":".join(os.path.join(netns.ROOT, d) for d in ("lib", "ports/unix")) + ":.frozen"
ENV = {"MICROPYPATH": PATH}


def test_ping_socket(lan):
    lan.program("raw", "ping", 20, env=ENV).expect("^pinged 20$")
    assert len(lan.capture.frames("icmp.type == 8 && ip.dst == " + LINUX)) == 20


def test_raw_echo(lan):
    """A protocol of nobody's, from Linux's raw socket to ours and back."""
    lan.ready("raw", "echo", 253, env=ENV)
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)
    with s:
        s.settimeout(60)
        s.connect((OURS, 0))
        for n in (0, 1, 100, 1480):
            data = os.urandom(n)
            s.send(data)
            assert s.recv(2000)[20:] == data


def test_header_included(lan):
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.settimeout(60)
        s.bind((LINUX, 4000))
        lan.program("raw", "header", env=ENV).expect("^sent$")
        assert s.recvfrom(100) == (b"by hand", (OURS, 1234))
    assert lan.capture.frames("ip.ttl == 9 && udp.dstport == 4000")


def test_sniffed_pings_are_answered(lan):
    """A raw socket for ICMP sees pings, and they are answered as ever."""
    lan.ready("raw", "echo", 1, env=ENV)
    said = lan.run("ping", "-c", "5", "-i", "0.1", "-w", "60", OURS).stdout
    first = "\n".join(line for line in said.splitlines() if "DUP!" not in line)
    assert netns.pinged(first) == [1, 2, 3, 4, 5], said  # the raw socket answers as well


def test_ping_socket_of_ipv6(lan):
    lan.ns.use_ipv6("tap0")
    lan.program("raw", "ping6", 20, env=ENV).expect("^pinged 20$")
    assert len(lan.capture.frames("icmpv6.type == 128 && ipv6.dst == " + LINUX6)) == 20


def _echoed(lan, proto, sizes):
    lan.ns.use_ipv6("tap0")
    lan.ready("raw", "echo6", proto, env=ENV)
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, proto)
    with s:
        s.settimeout(60)
        s.connect((OURS6, 0))
        for n in sizes:
            data = os.urandom(n)
            s.send(data)
            assert s.recv(4000) == data, n


def test_raw_echo_of_ipv6(lan):
    """A protocol of nobody's, up to fragments."""
    _echoed(lan, 253, (0, 1, 100, 1452, 1453, 3000))


def test_checksum_of_ipv6(lan):
    """IPV6_CHECKSUM: UDP by hand, which Linux's UDP takes."""
    lan.ns.use_ipv6("tap0")
    lan.ready("raw", "echo6", 17, env=ENV)
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with s:
        s.settimeout(60)
        s.bind((LINUX6, 4000))  # not connected: we say that nobody is at the port as well
        s.sendto(b"by hand", (OURS6, 4001))
        assert s.recvfrom(100)[:1] == (b"by hand",)


def _frames(lan, proto):
    with lan.ns.entered():
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(proto))
        s.bind(("tap0", proto))
    s.settimeout(60)
    return s


def test_packet_sockets(lan):
    """An ethertype of nobody's with Linux's own packet socket: ours without headers, and with."""
    lan.ready("packet", "echo", env=ENV)
    ours = bytes.fromhex(MAC.replace(":", ""))
    with _frames(lan, 0x88B5) as s:
        mac = s.getsockname()[4]
        for n in (46, 47, 500, 1500):
            data = os.urandom(n)
            s.send(ours + mac + b"\x88\xb5" + data)
            expected = [mac + ours + b"\x88\xb5" + text for text in (data, data[::-1])]
            got = []
            while len(got) < 2:
                frame, name = s.recvfrom(2000)
                if name[2] != socket.PACKET_OUTGOING:
                    got.append(frame)
            assert got == expected, n


def test_packet_socket_sees_both_ways(lan):
    """ETH_P_ALL: pings, which are answered as ever, and the answers."""
    program = lan.ready("packet", "watch", env=ENV)
    said = lan.ping(OURS, count=10)
    sent = int(re.search(r"(\d+) packets transmitted", said).group(1))

    def answers():
        return program.lines.count("eth0 4 0800 %s 98" % MAC)

    netns.until(lambda: answers() >= sent, lambda: program.output)
    requests = [x for x in program.lines if x.startswith("eth0 0 0800") and x.endswith(" 98")]
    assert len(requests) == answers() == sent, program.output
