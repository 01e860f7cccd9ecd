# Sends datagrams of growing size to <port> of Linux, each of which must come back:
# udp_client.py <port> <count>

import lan
import socket
import sys

port, count = int(sys.argv[1]), int(sys.argv[2])
lan.up()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect(socket.getaddrinfo(lan.LINUX, port)[0][-1])
print("ready")
equal = 0
try:
    for i in range(count):
        sent = bytes((i + j) & 255 for j in range(i * 1472 // (count - 1)))
        s.send(sent)
        equal += s.recv(1500) == sent
except OSError as e:
    print("errno", e.errno)
print("equal", equal)
