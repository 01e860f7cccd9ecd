# Joins <group> (of <source> alone), prints what comes to <port> with what recvmsg() tells of it,
# and sends each datagram back to the group, port + 1, until one says "leave"; then leaves it and
# waits: group6.py <group> <port> [<source>]

import lan
import socket
import struct
import sys

group, port = sys.argv[1], int(sys.argv[2])
lan.up6()
IPV6 = socket.IPPROTO_IPV6
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("::", port))
s.setsockopt(IPV6, socket.IPV6_RECVPKTINFO, 1)
s.setsockopt(IPV6, socket.IPV6_RECVHOPLIMIT, 1)
s.setsockopt(IPV6, socket.IPV6_RECVTCLASS, 1)
NUMBER = 2  # of eth0: lo is the first
addr = socket.inet_pton(socket.AF_INET6, group)
if len(sys.argv) > 3:
    storage = struct.pack("<HHI", socket.AF_INET6, 0, 0)
    source = socket.inet_pton(socket.AF_INET6, sys.argv[3])
    value = struct.pack("<Q", NUMBER) + storage + addr + bytes(104) + storage + source + bytes(104)
    add, drop = socket.MCAST_JOIN_SOURCE_GROUP, socket.MCAST_LEAVE_SOURCE_GROUP
else:
    value = addr + struct.pack("<I", NUMBER)
    add, drop = socket.IPV6_JOIN_GROUP, socket.IPV6_LEAVE_GROUP
s.setsockopt(IPV6, add, value)
s.setsockopt(IPV6, socket.IPV6_MULTICAST_HOPS, 3)
s.setsockopt(IPV6, socket.IPV6_MULTICAST_LOOP, 0)
print("ready")
data = b""
while data != b"leave":
    data, items, flags, peer = s.recvmsg(2000, 200)
    told = {kind: value for _, kind, value in items}
    to = socket.inet_ntop(socket.AF_INET6, told[socket.IPV6_PKTINFO][:16])
    hops = told[socket.IPV6_HOPLIMIT][0]
    print("got", data.decode(), "from", peer[0], "to", to, hops, told[socket.IPV6_TCLASS][0])
    s.sendto(data, (group, port + 1))
s.setsockopt(IPV6, drop, value)
print("left")
s.settimeout(3)
try:
    print("still", s.recv(100))
except OSError as e:
    print("errno", e.errno)
