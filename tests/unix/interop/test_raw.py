"""Raw sockets and ping sockets with Linux."""

import os
import socket

import netns
from netns import LINUX, OURS

PATH = ":".join(os.path.join(netns.ROOT, d) for d in ("lib", "ports/unix")) + ":.frozen"
ENV = {"MICROPYPATH": PATH}


def test_ping_socket(lan):
    lan.program("raw", "ping", 20, env=ENV).expect("^pinged 20$", 60)
    assert len(lan.capture.frames("icmp.type == 8 && ip.dst == " + LINUX)) == 20


def test_raw_echo(lan):
    """A protocol of nobody's, from Linux's raw socket to ours and back."""
    lan.ready("raw", "echo", 253, env=ENV)
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)
    with s:
        s.settimeout(10)
        s.connect((OURS, 0))
        for n in (0, 1, 100, 1480):
            data = os.urandom(n)
            s.send(data)
            assert s.recv(2000)[20:] == data


def test_header_included(lan):
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.settimeout(30)
        s.bind((LINUX, 4000))
        lan.program("raw", "header", env=ENV).expect("^sent$", 30)
        assert s.recvfrom(100) == (b"by hand", (OURS, 1234))
    assert lan.capture.frames("ip.ttl == 9 && udp.dstport == 4000")


def test_sniffed_pings_are_answered(lan):
    """A raw socket for ICMP sees pings, and they are answered as ever."""
    lan.ready("raw", "echo", 1, env=ENV)
    said = lan.run("ping", "-c", "5", "-i", "0.05", "-w", "20", OURS)
    assert " 0% packet loss" in said, said
