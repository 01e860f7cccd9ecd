# Sends datagrams of growing size to <port> of Linux, each of which must come back:
# udp_client.py <port> <count> [<bytes of the largest>]

import lan
import socket
import sys

port, count = int(sys.argv[1]), int(sys.argv[2])
most = int(sys.argv[3]) if len(sys.argv) > 3 else 1472
lan.up()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, most + 100)
s.connect(socket.getaddrinfo(lan.LINUX, port)[0][-1])
print("ready")
equal = 0
try:
    for i in range(count):
        sent = bytes((i + j) & 255 for j in range(i * most // (count - 1)))
        s.send(sent)
        equal += s.recv(65535) == sent
except OSError as e:
    print("errno", e.errno)
print("equal", equal)
