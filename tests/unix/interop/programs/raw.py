# Raw and ping sockets.  raw.py ping <n>: n pings to Linux;  raw.py echo <protocol>: what comes of
# that protocol goes back; raw.py header: a UDP datagram to port 4000 of Linux, all of it by hand;
# raw.py ping6, echo6: the same of IPv6

import lan
import socket
import struct
import sys

lan.up6() if sys.argv[1].endswith("6") else lan.up()
LINUX = (lan.LINUX, 0)


def ping(count):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    s.settimeout(60)
    for seq in range(count):
        s.sendto(struct.pack("!BBHHH", 8, 0, 0, 0, seq) + b"some data", LINUX)
        answer, peer = s.recvfrom(100)
        assert answer[0] == 0 and answer[6:] == struct.pack("!H", seq) + b"some data", answer
        assert peer[0] == lan.LINUX
    print("pinged", count)


def echo(proto):
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, proto)
    print("ready")
    while True:
        packet, peer = s.recvfrom(1500)
        s.sendto(packet[(packet[0] & 15) * 4 :], peer)


def header():
    ping(1)  # now it is known as a neighbour: the program ends before an answer could come
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 255)
    assert s.getsockopt(socket.IPPROTO_IP, 3) == 1 and s.getsockopt(socket.SOL_SOCKET, 3) == 3
    udp = struct.pack("!HHHH", 1234, 4000, 8 + 7, 0) + b"by hand"
    linux = bytes(int(n) for n in lan.LINUX.split("."))
    s.sendto(struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, 9, 17, 0) + bytes(4) + linux + udp, LINUX)
    print("sent")


def ping6(count):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6)
    s.settimeout(60)
    for seq in range(count):
        s.sendto(struct.pack("!BBHHH", 128, 0, 0, 0, seq) + b"some data", (lan.LINUX6, 0))
        answer, peer = s.recvfrom(100)
        assert answer[0] == 129 and answer[6:] == struct.pack("!H", seq) + b"some data", answer
        assert peer[0] == lan.LINUX6
    print("pinged", count)


def echo6(proto):
    s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, proto)
    if proto == 17:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_CHECKSUM, 6)
    print("ready")
    while True:
        packet, peer = s.recvfrom(3000)
        if proto == 17:  # back to its port
            packet = packet[2:4] + packet[:2] + packet[4:]
        s.sendto(packet, peer)


if sys.argv[1] == "ping6":
    ping6(int(sys.argv[2]))
elif sys.argv[1] == "echo6":
    echo6(int(sys.argv[2]))
elif sys.argv[1] == "ping":
    ping(int(sys.argv[2]))
elif sys.argv[1] == "echo":
    echo(int(sys.argv[2]))
else:
    header()
