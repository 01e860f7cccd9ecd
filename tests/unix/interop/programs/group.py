# Joins <group> (of <source> alone), prints what comes to <port>, and sends each datagram back to
# the group, port + 1, until one says "leave"; then leaves it and waits:
# group.py <group> <port> [<source>]

import lan
import socket
import sys

group, port = sys.argv[1], int(sys.argv[2])
lan.up()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(socket.getaddrinfo("0.0.0.0", port)[0][-1])
mreq = socket.inet_aton(group) + bytes(4)
add, drop = socket.IP_ADD_MEMBERSHIP, socket.IP_DROP_MEMBERSHIP
if len(sys.argv) > 3:
    mreq += socket.inet_aton(sys.argv[3])
    add, drop = socket.IP_ADD_SOURCE_MEMBERSHIP, socket.IP_DROP_SOURCE_MEMBERSHIP
s.setsockopt(socket.IPPROTO_IP, add, mreq)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 3)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
print("ready")
data = b""
while data != b"leave":
    data, peer = s.recvfrom(2000)
    print("got", data.decode(), "from", peer[0])
    s.sendto(data, (group, port + 1))
s.setsockopt(socket.IPPROTO_IP, drop, mreq)
print("left")
s.settimeout(3)
try:
    print("still", s.recv(100))
except OSError as e:
    print("errno", e.errno)
