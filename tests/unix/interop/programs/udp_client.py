# Sends datagrams of growing size to <port> of Linux, each of which must come back:
# udp_client.py <port> <count> [<bytes of the largest>] [<address>]

import lan
import socket
import sys

port, count = int(sys.argv[1]), int(sys.argv[2])
most = int(sys.argv[3]) if len(sys.argv) > 3 else 1472
host = sys.argv[4] if len(sys.argv) > 4 else lan.LINUX
again = len(sys.argv) > 4
lan.up()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(60)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, most + 100)
s.connect(socket.getaddrinfo(host, port)[0][-1])
print("ready")
equal = 0
try:
    for i in range(count):
        sent = bytes((i + j) & 255 for j in range(i * most // (count - 1)))
        for _ in range(2):  # a router may tell us of its limit
            try:
                s.send(sent)
                equal += s.recv(65535) == sent
                break
            except OSError as e:
                if not again or e.errno != 90:
                    raise
                print("again", e.errno)
except OSError as e:
    print("errno", e.errno)
print("equal", equal)
